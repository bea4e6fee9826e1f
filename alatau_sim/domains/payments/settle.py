"""What the day's payments came to: who failed in cells that the rails did not serve in full, what they did instead, and the books."""

from __future__ import annotations

from calendar import monthrange
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.payments.rules import HOUR_CUMULATED
from alatau_sim.domains.payments.tables import CARD, CASH, CRYPTO, DIGITAL_TENGE
from alatau_sim.engine.randomness import id_array
from alatau_sim.engine.rule import settlement

FALLBACK = (CASH, CASH, CARD, CARD)
"""What is tried after each instrument has failed: cash after a card, a card after a digital currency."""

MONEY = "tenge"
_Ints = NDArray[np.int64]


@settlement(
    phase="refresh", reads=(),
    writes=("instruments.open", "instruments.cost_share", "instruments.convenience", "instruments.acceptance_share"),
)  # fmt: skip
def refresh_instruments(sim: Any) -> None:
    """Set the instruments to the policy and the world of the day."""
    instruments, policy, world = sim.tables["instruments"], sim.policy.payments, sim.world.payments
    instruments["open"][DIGITAL_TENGE] = policy.digital_tenge_open
    instruments["acceptance_share"][DIGITAL_TENGE] = policy.digital_tenge_acceptance_share
    instruments["acceptance_share"][CRYPTO] = policy.merchant_acceptance_share
    instruments["cost_share"][CRYPTO] = world.crypto_fee_share
    instruments["convenience"][:] = (0.0, world.card_convenience, world.digital_tenge_convenience, world.crypto_convenience)


def counts_in_hour(rate: NDArray[np.float32], phase: NDArray[np.float32], hour: int) -> _Ints:
    """`rules.payments_in_hour` for arrays."""
    r, p = rate.astype(np.float64), phase.astype(np.float64)
    return (np.floor(r * HOUR_CUMULATED[hour + 1] + p) - np.floor(r * HOUR_CUMULATED[hour] + p)).astype(np.int64)


_READS = tuple(f"residents.{c}" for c in ("home", "instrument", "second_instrument", "first_rate", "second_rate", "first_phase",
                                          "second_phase", "ticket_kzt"))  # fmt: skip


@settlement(
    phase="settle", reads=(*_READS, "grid:payments_wanted", "grid:payments_served"),
    writes=(
        "residents.spend_today_kzt", "grid:payments_served", "grid:payments_made", "grid:payments_fallback", "grid:payments_lost",
        "grid:payments_value_kzt",
    ),
)  # fmt: skip
def settle_payments(sim: Any) -> None:
    """Make each payment by its instrument; where a rail served fewer than wanted, the last by keyed rank fall back or are lost."""
    grids, spend = sim.grids, sim.tables["residents"]["spend_today_kzt"]
    served = grids["payments_served"]
    served[:, CASH] = grids["payments_wanted"][:, CASH]
    grids["payments_made"] += grids["payments_wanted"]
    failed = (grids["payments_wanted"] > served).any(axis=0)
    for instrument in np.flatnonzero(failed.any(axis=1)).tolist():
        users = _users(sim, instrument)
        for hour in np.flatnonzero(failed[instrument]).tolist():
            _settle_failures(sim, instrument, hour, users, spend)


def _users(sim: Any, instrument: int) -> list[tuple[_Ints, NDArray[np.float32], NDArray[np.float32], int]]:
    """Who pays with an instrument today, first or second: rows, rates, phases, and where the numbering of their payments starts."""
    residents = sim.tables["residents"]
    found = []
    for index, kind, offset in (("instrument", "first", 0), ("second_instrument", "second", 1 << 20)):
        rows = np.flatnonzero(residents[index] == instrument)
        found.append((rows, residents[f"{kind}_rate"][rows], residents[f"{kind}_phase"][rows], offset))
    return found


def _settle_failures(
    sim: Any, instrument: int, hour: int, users: list[tuple[_Ints, NDArray[np.float32], NDArray[np.float32], int]], spend: _Ints
) -> None:
    """One hour of one instrument that was not served in full: rank its payments, zone by zone, and let the rest fall back or be lost."""
    residents, grids, weight = sim.tables["residents"], sim.grids, sim.weight
    home, wanted, served = residents["home"], grids["payments_wanted"][:, instrument, hour], grids["payments_served"][:, instrument, hour]
    short = np.append(wanted > served, False)  # the last entry answers for a home of −1
    who: list[_Ints] = []
    number: list[_Ints] = []
    for rows, rate, phase, offset in users:
        here = short[home[rows]]
        rows = rows[here]
        count = counts_in_hour(rate[here], phase[here], hour)
        who.append(np.repeat(rows, count))
        number.append(offset + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count))
    row, zone = np.concatenate(who), home[np.concatenate(who)]
    ids = id_array(residents.id[row], np.concatenate(number) * 24 + hour, np.full(len(row), instrument, np.int64))
    order = np.lexsort((ids, sim.uniform("payments.rank", ids), zone))
    row, zone, ids = row[order], zone[order], ids[order]
    rank = np.arange(len(zone)) - np.searchsorted(zone, zone)
    failed = (rank + 1) * weight > served[zone]
    row, zone, ids = row[failed], zone[failed], ids[failed]
    lost = sim.uniform("payments.lost", ids) < sim.world.payments.lost_sale_share
    zones = grids["payments_made"].shape[0]
    failures = np.bincount(zone, minlength=zones) * weight
    losses = np.bincount(zone[lost], minlength=zones) * weight
    # Who would fall back to a card while its rail fails in the zone, too, pays cash.
    card_fails = grids["payments_wanted"][:, CARD, hour] > grids["payments_served"][:, CARD, hour]
    other = np.where(card_fails[zone], CASH, FALLBACK[instrument])
    made = grids["payments_made"]
    made[:, instrument, hour] -= failures
    np.add.at(made, (zone[~lost], other[~lost], hour), weight)
    grids["payments_fallback"][:, instrument, hour] += failures - losses
    grids["payments_lost"][:, instrument, hour] += losses
    ticket = residents["ticket_kzt"][row].astype(np.int64)
    np.add.at(grids["payments_value_kzt"], (zone, instrument), -ticket * weight)
    np.add.at(grids["payments_value_kzt"], (zone[~lost], other[~lost]), ticket[~lost] * weight)
    np.subtract.at(spend, row[lost], ticket[lost])


def _by_household(sim: Any, amount: _Ints) -> _Ints:
    """Residents' whole amounts summed by household."""
    household = sim.tables["residents"]["household"]
    there = household >= 0
    sums = np.bincount(household[there], weights=amount[there], minlength=sim.tables["households"].n)
    return np.asarray(sums.astype(np.int64))


@settlement(
    phase="account",
    reads=("residents.spend_today_kzt", "residents.household", "residents.wallet_bonus_kzt", "households.income_kzt"),
    writes=("+households.balance_kzt", "account:households", "account:merchants", "account:city_budget", "account:rest_of_world"),
)
def account_payments(sim: Any) -> None:
    """Households pay the day's purchases; as a month ends they get income and wallet bonuses and pay rent, taxes and the like.

    Of a month that the run has in part, they get and pay that part.
    """
    households, residents = sim.tables["households"], sim.tables["residents"]
    balance = households["balance_kzt"]
    spent = _by_household(sim, residents["spend_today_kzt"])
    balance -= spent
    sim.ledger.book(MONEY, "households", "merchants", int(spent.sum()))
    sim.state["payments"]["bonus_kzt"] = 0
    if not sim.clock.ends("1 month"):
        return
    days, date = int(sim.month_days.sum()) + 1, sim.clock.date  # those closed before, and today
    income = np.rint(households["income_kzt"] * (days / monthrange(date.year, date.month)[1])).astype(np.int64)
    outlay = np.rint(income * sim.world.payments.fixed_outlay_share).astype(np.int64)
    bonus = _by_household(sim, residents["wallet_bonus_kzt"].astype(np.int64))
    # What came in is more than what leaves, so a balance that was not negative stays so.
    balance += income + bonus - outlay
    sim.ledger.book(MONEY, "rest_of_world", "households", int(income.sum()))
    sim.ledger.book(MONEY, "households", "rest_of_world", int(outlay.sum()))
    sim.ledger.book(MONEY, "city_budget", "households", int(bonus.sum()))
    sim.state["payments"]["bonus_kzt"] = int(bonus.sum())


def watch_money(sim: Any) -> None:
    """Let the ledger compare the households' account with their balances every day."""
    sim.ledger.watch(MONEY, "households", "households", "balance_kzt")
