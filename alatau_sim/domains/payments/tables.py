"""Columns, derived columns, relation and grids of payments, and the rows that a run starts with."""

from __future__ import annotations

from typing import Any

import numpy as np

from alatau_sim.engine.grids import Grid
from alatau_sim.engine.rule import Derived, Relation
from alatau_sim.fields import Column

WALLET_STATES = ("unaware", "aware", "trying", "user", "dropped")
UNAWARE, AWARE, TRYING, USER, DROPPED = range(5)

INSTRUMENTS = ("cash", "card", "digital_tenge", "crypto")
CASH, CARD, DIGITAL_TENGE, CRYPTO = range(4)

SYSTEM = "payments"
"""What an outage event names; `where` is one of the rails."""

RAILS = ("crypto_rail", "card_rail")
RAIL_INSTRUMENTS = ((CRYPTO,), (CARD, DIGITAL_TENGE))
"""The instruments that each rail carries; cash needs none."""

ADULT_AGE = 18
ADULT_SKILL = 0.67
"""Mean digital skill of adults with the shipped margins; a constant, so that one more adult changes nobody else's start."""

_PACKED = "two bits for the number in each hour, and from bit 48 on the day's number"

COLUMNS = {
    "residents": (
        Column("payer", "bool", meaning="adult who pays for himself; from the first of a month on"),
        Column("wallet_begun", "bool", meaning="whether the adult has been given a first wallet state"),
        Column("wallet_state", "int8", meaning="where the resident stands with the crypto wallet", labels=WALLET_STATES, within=(0, 4)),
        Column("wallet_months", "int16", "month", "months since the wallet state last changed", within=(0, 32767)),
        Column("wallet_bonus_kzt", "int32", "KZT", "bonus to be paid this month for opening the wallet", within=(0, 1_000_000)),
        Column("instrument", "int32", meaning="the instrument that the resident likes best", index="instruments"),
        Column("second_instrument", "int32", meaning="used today where the first is not taken", index="instruments"),
        Column("first_hours", "int64", meaning=f"the day's payments with the first instrument: {_PACKED}", within=(0, 2**55)),
        Column("second_hours", "int64", meaning=f"the day's payments with the second instrument: {_PACKED}", within=(0, 2**55)),
        Column("spend_today_kzt", "int64", "KZT", "amount paid in shops on the day that closed"),
    ),
    "households": (
        Column("ticket_kzt", "int32", "KZT", "amount of each payment of the day", within=(0, 2_000_000_000)),
    ),
    "firms": (
        Column("accepts_crypto", "bool", meaning="shop that takes crypto"),
        Column("accepted_before", "bool", meaning="whether the firm takes crypto or has once: it has its terminal, and had its grant"),
        Column("acceptance_months", "int16", "month", "months since the firm last began or ceased to take crypto", within=(0, 32767)),
        Column("grant_kzt", "int32", "KZT", "grant to be paid this month for beginning to take crypto", within=(0, 10_000_000)),
    ),
    "zones": (
        Column("crypto_acceptance_share", "float64", "share", "shops of the zone that take crypto, weighted by staff", within=(0, 1)),
        Column("till_kzt", "int64", "KZT", "taken by the zone's shops and not yet paid out to firms"),
        Column("till_crypto_kzt", "int64", "KZT", "the part of it that was paid in crypto"),
    ),
    "instruments": (
        Column("open", "bool", meaning="whether residents can use it", default=True),
        Column("needs_wallet", "bool", meaning="whether only users of a crypto wallet can use it"),
        Column("cost_share", "float32", "share", "cost felt by the payer as a share of the amount", within=(0, 1)),
        Column("convenience", "float32", "utility", "utility above cash before cost, skill and acceptance"),
        Column("skill_needed", "float32", "", "how much digital skill it asks for", within=(0, 1)),
        Column(
            "acceptance_share", "float32", "share", "share of purchases where it is taken; of crypto, the shop zone's counts", default=1.0,
            within=(0, 1),
        ),
    ),
    "rails": (
        Column("up", "bool", meaning="whether the rail works now", default=True),
        Column("down_until_s", "int64", "s", "end of the present or last outage, seconds since 1970-01-01 local"),
        Column("down_from_s", "int64", "s", "start of the present or last outage"),
        Column("free_at_s", "float64", "s", "when the rail has worked off what it took"),
        Column("failures", "int32", "failures", "failures so far, the number of the next draw"),
        Column("wanted_today", "int64", "payments", "payments that reached the rail today"),
        Column("served_today", "int64", "payments", "payments confirmed today"),
        Column("wait_today_s", "float64", "s", "sum of the waits of the payments confirmed today"),
        Column("peak_wait_s", "float64", "s", "highest mean wait of an hour today"),
        Column("outage_today_s", "int64", "s", "time out of service today", within=(0, 86_400)),
    ),
}

DERIVED = (
    Derived("households", "payers", "residents", "household", "count", where="payer", meaning="adults who pay", every="1 month"),
    Derived(
        "zones", "shopper_wallet_share", "residents", "shop", "share", column="wallet_state", equals=USER, where="payer", unit="share",
        meaning="share of the adults who shop in the zone that use a crypto wallet", every="1 month",
    ),
    Derived(
        "residents", "friends_wallet_share", "residents", "friends", "share", column="wallet_state", equals=USER, where="payer",
        unit="share", meaning="share of the adult friends who use a crypto wallet", every="1 month",
    ),
)

RELATIONS = (Relation("friends", "residents", within="home", degree=4, meaning="people of the zone whom one knows well (assumed: 4)"),)

_CELL = ("zones", "instruments", "hour")
_DAY = ("zones", "instruments")
GRIDS = (
    Grid("payments_wanted", _CELL, "payments", "payments set out to be made in the zone's shops, by the instrument meant", profile=True),
    Grid("payments_served", _CELL, "payments", "payments that went through with the instrument meant"),
    Grid("payments_made", _CELL, "payments", "payments made, by the instrument that was used in the end", profile=True),
    Grid("payments_fallback", _CELL, "payments", "payments that failed and were made with another, by the instrument meant", profile=True),
    Grid("payments_lost", _CELL, "payments", "payments that failed and were given up, by the instrument meant", profile=True),
    Grid("payments_value_kzt", _DAY, "KZT", "amount paid in the zone's shops, by the instrument that was used in the end", profile=True),
    Grid("payments_lost_kzt", _DAY, "KZT", "amount of the payments that failed and were given up, by the instrument meant", profile=True),
)


CITY = {"sample_weight": "people, homes or small firms that a row stands for"}


def fill_instruments(sim: Any, city: Any) -> None:
    """Put the four instruments and the two rails into their tables; `settle.refresh_instruments` sets what scenarios can change."""
    sim.tables["instruments"].insert(
        np.arange(len(INSTRUMENTS), dtype=np.int64),
        {
            "needs_wallet": np.array([False, False, False, True]),
            # Assumed: cash asks for no skill, a QR app for some, a new app for more, keys and coins for most.
            "skill_needed": np.array([0.0, 0.3, 0.4, 0.6], np.float32),
        },
    )
    sim.tables["rails"].insert(np.arange(len(RAILS), dtype=np.int64))
    sim.names["instruments"], sim.names["rails"] = INSTRUMENTS, RAILS


def fill_wallets(sim: Any, city: Any) -> None:
    """Give the residents of the first day their wallet state: holders and those who know of it, by keyed draws that never change.

    The skilled hold more often, in proportion to digital skill (direction: El Salvador's users are educated and young; shape assumed).
    """
    residents, world = sim.tables["residents"], sim.world.payments
    payer = residents["age"] >= ADULT_AGE
    residents["payer"][:] = payer
    residents["wallet_begun"][:] = payer
    skill = residents["digital_skill"].astype(np.float64)
    holder = sim.starting_uniform("payments.holder", residents.id) < world.crypto_holders_share * skill / ADULT_SKILL
    aware = sim.starting_uniform("payments.aware", residents.id) < world.wallet_aware_share
    state = np.where(holder, USER, np.where(aware, AWARE, UNAWARE))
    residents["wallet_state"][:] = np.where(payer, state, UNAWARE)
    residents["wallet_months"][:] = np.where(payer & holder, world.holder_months, 0)
    # Until the first choice, on a Monday, everyone pays by card.
    residents["instrument"][:] = np.where(payer, CARD, -1)


def begin_acceptance(sim: Any) -> None:
    """Let the shops that take crypto on the first day do so, by keyed draws that never change; firms that open later begin without it."""
    firms, world = sim.tables["firms"], sim.world.payments
    takes = selling(sim) & (sim.starting_uniform("payments.acceptance", firms.id) < world.crypto_shops_share)
    firms["accepts_crypto"][:] = firms["accepted_before"][:] = takes
    firms["acceptance_months"][:] = np.where(takes, world.holder_months, 0)


def selling(sim: Any) -> np.ndarray[Any, Any]:
    """Which firms are shops: those of sectors that sell to people, in a zone."""
    firms = sim.tables["firms"]
    sells = np.append(sim.tables["sectors"]["sells_to_people"], False)  # the last entry answers for a sector of −1
    return np.asarray(sells[firms["sector"]] & (firms["site"] >= 0))
