"""Bills for electricity: homes by blocks, as far as their money goes, firms and transit by one price; and what homes owe."""

from __future__ import annotations

import calendar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.energy.params import Policy
from alatau_sim.domains.energy.settle import (
    Ints,
    home_shares,
    home_weights,
    rows_in,
    served_in_month,
    split_groups,
    totals,
    use_keys,
    whole,
)
from alatau_sim.domains.energy.tables import FIRMS, HOMES, TRANSIT, USES
from alatau_sim.engine.rule import settlement

OWED = "tenge owed"
"""What is billed and not yet paid, as a commodity of the ledger."""


@settlement(
    phase="account", every="1 month",
    reads=(
        "households.home", "households.size", "households.stove_electric", "households.unserved_month_wh", "households.balance_kzt",
        "households.arrears_kzt",
    ),
    writes=(
        "households.energy_month_wh", "households.energy_bill_kzt", "households.arrears_kzt", "+households.balance_kzt",
        "account:households", "account:homes", "account:utility",
    ),
)  # fmt: skip
def bill_homes(sim: Any) -> None:
    """Share each zone's energy of the month among its homes in whole Wh, and bill it by blocks in whole tenge.

    Of a month that the run has in part, the blocks are of that part. A home pays the bill and what it owes from before as far as its
    money goes; the rest is arrears, without interest or cutting off.
    """
    homes, sums = sim.tables["households"], totals(sim)
    energy = np.zeros(homes.n, np.int64)
    served = served_in_month(sim, HOMES)
    zones = np.flatnonzero(served)
    rows, group = rows_in(sim, "households", "home", zones)
    if len(rows):
        shares = home_shares(use_keys(sim, rows), group, len(zones))
        expected = home_weights(shares, sums["month_wanted"][: len(USES), zones], group) / sim.weight
        weights = whole(np.maximum(0.0, expected - homes["unserved_month_wh"][rows]))
        energy[rows] = split_groups(served[zones] // sim.weight, weights, group)
    lived_in = np.bincount(group, minlength=len(zones)) > 0
    sums["unbilled_wh"] += int(served[zones[~lived_in]].sum())  # everyone has left since
    bill = block_bill_kzt(energy, homes["size"], homes["stove_electric"], sim.policy.energy, month_share(sim))
    homes["energy_month_wh"][:] = energy
    homes["energy_bill_kzt"][:] = bill
    due = homes["arrears_kzt"] + bill
    paid = np.minimum(due, np.maximum(homes["balance_kzt"], 0))
    homes["arrears_kzt"][:] = due - paid
    homes["balance_kzt"][:] -= paid
    sim.ledger.book(OWED, "utility", "homes", int(bill.sum()))
    sim.ledger.book(OWED, "homes", "utility", int(paid.sum()))
    sim.ledger.book("tenge", "households", "utility", int(paid.sum()))


@settlement(
    phase="account", every="1 month", reads=("firms.site", "firms.sector", "firms.floor_m2", "firms.process_w", "firms.metered_days"),
    writes=(
        "firms.energy_month_wh", "firms.energy_bill_kzt", "+firms.balance_kzt", "account:firms", "account:transit_operator",
        "account:utility",
    ),
)  # fmt: skip
def bill_firms(sim: Any) -> None:
    """Share each zone's energy of the month among its firms in whole Wh by what they would use, and bill it in whole tenge.

    A firm that has opened within the month counts for the days on which it was there. Firms pay at once, on credit where their money does
    not suffice; the transit operator pays for the city's charging as one bill.
    """
    firms, sums, tariff = sim.tables["firms"], totals(sim), sim.policy.energy.firm_tariff_kzt_per_kwh
    energy = np.zeros(firms.n, np.int64)
    served = served_in_month(sim, FIRMS)
    zones = np.flatnonzero(served)
    rows, group = rows_in(sim, "firms", "site", zones)
    if len(rows):
        a_day = firms["floor_m2"][rows] * sums["month_wh_m2"][firms["sector"][rows]] / sums["month_days"]
        expected = firms["metered_days"][rows] * (a_day + firms["process_w"][rows] * 24.0)
        energy[rows] = split_groups(served[zones] // sim.weight, whole(expected), group)
    sums["unbilled_wh"] += int(served[zones[np.bincount(group, minlength=len(zones)) == 0]].sum())  # all have closed since
    bill = np.rint(tariff * energy / 1000.0).astype(np.int64)
    firms["energy_month_wh"][:] = energy
    firms["energy_bill_kzt"][:] = bill
    firms["balance_kzt"][:] -= bill
    sim.ledger.book("tenge", "firms", "utility", int(bill.sum()))
    sim.ledger.book("tenge", "transit_operator", "utility", round(tariff * int(served_in_month(sim, TRANSIT).sum()) / sim.weight / 1000.0))


@settlement(phase="settle", writes=("account:homes", "account:written_off"))
def write_off_arrears(sim: Any) -> None:
    """Write off what those homes owed as the day before closed that are gone now.

    By their ids and not by the difference to the books, so that a column that has gone wrong does not agree with them again.
    """
    ids, arrears = sim.state["energy"]["debtors"]
    gone = sim.tables["households"].rows_of(ids) < 0
    sim.ledger.book(OWED, "homes", "written_off", int(arrears[gone].sum()))


@settlement(phase="record", reads=("households.arrears_kzt",), writes=())
def remember_debtors(sim: Any) -> None:
    """Keep the ids of the homes that owe something as the day closes, and how much."""
    homes = sim.tables["households"]
    owing = np.flatnonzero(homes["arrears_kzt"])
    sim.state["energy"]["debtors"] = (homes.id[owing].copy(), homes["arrears_kzt"][owing].copy())


def watch_arrears(sim: Any) -> None:
    """Let the ledger compare what homes owe with their arrears every day."""
    sim.ledger.watch(OWED, "homes", "households", "arrears_kzt")
    remember_debtors.fn(sim)


def month_share(sim: Any) -> float:
    """How much of the month the run has had so far, today included: 1 at the end of a whole month."""
    date = sim.clock.date
    return float(totals(sim)["month_days"] / calendar.monthrange(date.year, date.month)[1])


def block_bill_kzt(energy_wh: Ints, size: NDArray[Any], stove_electric: NDArray[Any], policy: Policy, months: float = 1.0) -> Ints:
    """The bill of each home in whole tenge: three blocks whose ends grow with the people in the home and the time billed [months]."""
    kwh = energy_wh / 1000.0
    first = np.where(stove_electric, policy.block1_stove_kwh, policy.block1_kwh) * size * months
    second = first * policy.block2_width_ratio
    blocks = (
        np.minimum(kwh, first) + policy.block2_ratio * np.clip(kwh - first, 0.0, second - first)
        + policy.block3_ratio * np.maximum(0.0, kwh - second)
    )  # fmt: skip
    return np.rint(policy.tariff_kzt_per_kwh * blocks).astype(np.int64)


BILLS = (write_off_arrears, bill_homes, bill_firms, remember_debtors)
