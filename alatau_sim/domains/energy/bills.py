"""The month's bills for electricity: who used how much, what it costs, what is paid, and what is owed until it is written off."""

from __future__ import annotations

import calendar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.energy.params import Policy
from alatau_sim.domains.energy.settle import Ints, home_weights, homes_of, split_groups, totals, use_keys, whole
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
    served = sums["month_wanted"].sum(axis=0) - sums["month_unserved"]
    zones = np.flatnonzero(served)
    rows, group = homes_of(sim, zones)
    if len(rows):
        keys = use_keys(sim, rows)
        expected = home_weights(keys, sums["month_wanted"][:, zones], group) / sim.weight
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


BILLS = (write_off_arrears, bill_homes, remember_debtors)
