"""What the day's payments came to: who failed in cells that were not served in full, what they did instead, and the books."""

from __future__ import annotations

from calendar import monthrange
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.payments.tables import CARD, CASH, CRYPTO, DIGITAL_TENGE, selling
from alatau_sim.engine.randomness import id_array, order_within, words_of
from alatau_sim.engine.rule import settlement

FALLBACK = (CASH, CASH, CARD, CARD)
"""What is tried after each instrument has failed: cash after a card, a card after a digital currency."""

MONEY = "tenge"
_Ints = NDArray[np.int64]
_Payers = tuple[NDArray[np.int64], _Ints, int]
"""Who pays with an instrument: rows of residents, their packed hours, and where the numbering of their payments starts."""


@settlement(
    phase="refresh", reads=(),
    writes=(
        "instruments.open", "instruments.cost_share", "instruments.convenience", "instruments.acceptance_share", "city:sample_weight",
    ),
)  # fmt: skip
def refresh_instruments(sim: Any) -> None:
    """Set the instruments to the policy and the world of the day."""
    sim.city["sample_weight"] = float(sim.weight)
    instruments, policy, world = sim.tables["instruments"], sim.policy.payments, sim.world.payments
    instruments["open"][DIGITAL_TENGE] = policy.digital_tenge_open
    instruments["acceptance_share"][DIGITAL_TENGE] = policy.digital_tenge_acceptance_share
    instruments["cost_share"][CRYPTO] = world.crypto_fee_share
    instruments["convenience"][:] = (0.0, world.card_convenience, world.digital_tenge_convenience, world.crypto_convenience)


@settlement(
    phase="refresh",
    reads=("firms.sector", "firms.site", "firms.staff", "firms.commuters", "firms.accepts_crypto", "sectors.sells_to_people"),
    writes=("zones.crypto_acceptance_share",),
)  # fmt: skip
def weigh_acceptance(sim: Any) -> None:
    """The share of each zone's shops that take crypto, weighted by the people who work in them (a shop weighs one at least)."""
    firms, zones = sim.tables["firms"], sim.tables["zones"]
    shops = np.flatnonzero(selling(sim))
    people = np.maximum(firms["staff"][shops] + firms["commuters"][shops], 1)
    site = firms["site"][shops]
    of_zone = np.bincount(site, weights=people, minlength=zones.n)
    taking = np.bincount(site, weights=people * firms["accepts_crypto"][shops], minlength=zones.n)
    zones["crypto_acceptance_share"][:] = taking / np.maximum(of_zone, 1.0)


_READS = tuple(f"residents.{c}" for c in ("shop", "household", "instrument", "second_instrument", "first_hours", "second_hours"))


@settlement(
    phase="settle", reads=(*_READS, "households.ticket_kzt", "grid:payments_wanted", "grid:payments_served", "grid:load_unserved"),
    writes=(
        "residents.spend_today_kzt", "grid:payments_served", "grid:payments_made", "grid:payments_fallback", "grid:payments_lost",
        "grid:payments_value_kzt", "grid:payments_lost_kzt",
    ),
)  # fmt: skip
def settle_payments(sim: Any) -> None:
    """Make each payment by its instrument; in cells served in part, the last by keyed rank fall back to another or are lost."""
    wanted, served = sim.grids["payments_wanted"], sim.grids["payments_served"]
    served[:, CASH] = wanted[:, CASH]
    sim.grids["payments_made"] += wanted
    short = wanted > served
    for instrument in np.flatnonzero(short.any(axis=(0, 2))).tolist():
        payers = _payers(sim, instrument, short[:, instrument].any(axis=1))
        for hour in np.flatnonzero(short[:, instrument].any(axis=0)).tolist():
            _settle_hour(sim, instrument, hour, short[:, instrument, hour], payers)


def _payers(sim: Any, instrument: int, zones: NDArray[np.bool_]) -> list[_Payers]:
    """Who pays with an instrument in some of the zones today, as a first or a second one."""
    residents = sim.tables["residents"]
    found = []
    for index, hours, offset in (("instrument", "first_hours", 0), ("second_instrument", "second_hours", 4)):
        rows = np.flatnonzero((residents[index] == instrument) & (residents[hours] > 0))
        rows = rows[zones[residents["shop"][rows]]]
        found.append((rows, residents[hours][rows], offset))
    return found


def _payments(sim: Any, instrument: int, hour: int, zones: NDArray[np.bool_], payers: list[_Payers]) -> tuple[_Ints, _Ints]:
    """(row of the resident, id) of each payment of an hour in some of the zones; a resident has at most three of each kind in an hour."""
    residents = sim.tables["residents"]
    who, number = [], []
    for rows, hours, offset in payers:
        count = (hours >> (2 * hour)) & 3
        paying = np.flatnonzero((count > 0) & zones[residents["shop"][rows]])
        count = count[paying]
        who.append(np.repeat(rows[paying], count))
        number.append(offset + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count))
    row = np.concatenate(who)
    cell = np.full(len(row), instrument * 24 + hour, np.int64)
    return row, id_array(residents.id[row], cell, np.concatenate(number))


def _settle_hour(sim: Any, instrument: int, hour: int, short: NDArray[np.bool_], payers: list[_Payers]) -> None:
    """One hour of one instrument: find the payments of the short zones that failed; they fall back to another instrument or are lost."""
    grids, weight, shop = sim.grids, sim.weight, sim.tables["residents"]["shop"]
    served = grids["payments_served"][:, instrument, hour]
    row, ids = _payments(sim, instrument, hour, short, payers)
    failed = np.ones(len(row), bool)
    ranked = np.flatnonzero(served[shop[row]] > 0)
    if len(ranked):  # where nothing was served there is nobody to choose
        zone = shop[row[ranked]].astype(np.int64)
        order = order_within(zone, words_of(sim.uniform("payments.rank", ids[ranked])))
        zone = zone[order]
        rank = np.arange(len(zone)) - np.searchsorted(zone, zone)
        failed[ranked[order]] = (rank + 1) * weight > served[zone]
    row, ids = row[failed], ids[failed]
    zone = shop[row]
    lost = sim.uniform("payments.lost", ids) < sim.world.payments.lost_sale_share
    # Who would fall back to a card pays cash where cards fail in the hour, too, or the power.
    no_card = grids["payments_wanted"][:, CARD, hour] > grids["payments_served"][:, CARD, hour]
    no_card |= grids["load_unserved"][:, hour] > 0
    other = np.where(no_card[zone], CASH, FALLBACK[instrument])
    _book_failures(sim, instrument, hour, row, zone, lost, other)


def _book_failures(sim: Any, instrument: int, hour: int, row: Any, zone: Any, lost: Any, other: Any) -> None:
    """Take failed payments of one instrument and hour off what was made and paid, and add what was made with another."""
    grids, weight, residents = sim.grids, sim.weight, sim.tables["residents"]
    zones = sim.tables["zones"].n
    failures, losses = (np.bincount(zone[which], minlength=zones) * weight for which in (slice(None), lost))
    grids["payments_made"][:, instrument, hour] -= failures
    np.add.at(grids["payments_made"], (zone[~lost], other[~lost], hour), weight)
    grids["payments_fallback"][:, instrument, hour] += failures - losses
    grids["payments_lost"][:, instrument, hour] += losses
    ticket = sim.tables["households"]["ticket_kzt"][residents["household"][row]].astype(np.int64)
    np.add.at(grids["payments_value_kzt"], (zone, instrument), -ticket * weight)
    np.add.at(grids["payments_value_kzt"], (zone[~lost], other[~lost]), ticket[~lost] * weight)
    np.add.at(grids["payments_lost_kzt"], (zone[lost], instrument), ticket[lost] * weight)
    np.subtract.at(residents["spend_today_kzt"], row[lost], ticket[lost])


def _by_household(sim: Any, amount: _Ints) -> _Ints:
    """Residents' whole amounts summed by household."""
    from alatau_sim.engine.sums import group_sums  # here and not above: reading declarations must stay quick

    return group_sums(amount, sim.tables["residents"]["household"], sim.tables["households"].n, amount > 0)[0]


@settlement(
    phase="account",
    reads=("residents.spend_today_kzt", "residents.household", "grid:payments_value_kzt"),
    writes=("+households.balance_kzt", "+zones.till_kzt", "+zones.till_crypto_kzt", "account:households", "account:tills"),
)
def pay_shops(sim: Any) -> None:
    """Households pay the day's purchases into the tills of the zones' shops; what was paid in crypto is counted apart."""
    zones, value = sim.tables["zones"], sim.grids["payments_value_kzt"] // sim.weight
    spent = _by_household(sim, sim.tables["residents"]["spend_today_kzt"])
    sim.tables["households"]["balance_kzt"][:] -= spent
    zones["till_kzt"][:] += value.sum(axis=1)
    zones["till_crypto_kzt"][:] += value[:, CRYPTO]
    sim.ledger.book(MONEY, "households", "tills", int(spent.sum()))


@settlement(
    phase="account", every="1 month",
    reads=("residents.wallet_bonus_kzt", "residents.household", "households.income_kzt", "firms.grant_kzt", "firms.stands_for"),
    writes=(
        "+households.balance_kzt", "+firms.balance_kzt", "account:households", "account:firms", "account:city_budget",
        "account:rest_of_world",
    ),
)  # fmt: skip
def close_payments_month(sim: Any) -> None:
    """As a month ends the city pays bonuses and grants, and households their fixed outlay, as far as their money goes.

    Of a month that the run has in part, they pay that part.
    """
    households, firms = sim.tables["households"], sim.tables["firms"]
    balance = households["balance_kzt"]
    days, date = int(sim.month_days.sum()) + 1, sim.clock.date  # those closed before, and today
    part = days / monthrange(date.year, date.month)[1]
    due = np.rint(households["income_kzt"] * (part * sim.world.payments.fixed_outlay_share)).astype(np.int64)
    outlay = np.minimum(due, np.maximum(balance, 0))
    bonus = _by_household(sim, sim.tables["residents"]["wallet_bonus_kzt"].astype(np.int64))
    grant = firms["grant_kzt"].astype(np.int64) * firms["stands_for"] // sim.weight  # a large firm of a sample has a part of everything
    balance += bonus - outlay
    firms["balance_kzt"][:] += grant
    sim.ledger.book(MONEY, "households", "rest_of_world", int(outlay.sum()))
    sim.ledger.book(MONEY, "city_budget", "households", int(bonus.sum()))
    sim.ledger.book(MONEY, "city_budget", "firms", int(grant.sum()))
    sim.state["payments"].update(bonus_kzt=int(bonus.sum()), grants_kzt=int(grant.sum()))


def watch_money(sim: Any) -> None:
    """Let the ledger compare the accounts of households and tills with their columns every day."""
    sim.ledger.watch(MONEY, "households", "households", "balance_kzt")
    sim.ledger.watch(MONEY, "tills", "zones", "till_kzt")
