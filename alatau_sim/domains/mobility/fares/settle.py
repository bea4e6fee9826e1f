"""Fares: households pay for the day's boardings, and commuters from outside for theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.mobility.commuters.settle import OUT_HOURS
from alatau_sim.domains.mobility.tables import BUS
from alatau_sim.engine.rule import settlement

Ints = NDArray[np.int64]
MONEY = "tenge"


@settlement(
    phase="account", reads=("residents.mode_today", "residents.boards", "residents.household", "grid:riders_wanted", "grid:riders_served"),
    writes=("+households.balance_kzt", "account:households", "account:rest_of_world", "account:transit_operator"),
)
def pay_fares(sim: Any) -> None:
    """Households pay a fare for each boarding of the day, with at most half of their money: the other half is left for purchases.

    Commuters from outside pay for all their rides. Taxis and the running of cars are part of the households' other outlay and not booked
    here.
    """
    from alatau_sim.engine.sums import group_sums  # here and not above: reading declarations must stay quick

    people, homes, state = sim.tables["residents"], sim.tables["households"], sim.state["mobility"]
    boards, fare = people["boards"] * (people["mode_today"] == BUS).astype(np.int64), sim.policy.mobility.fare_kzt
    rows = np.flatnonzero(boards) if (sim.grids["riders_served"] < sim.grids["riders_wanted"]).any() else boards[:0]
    boards[rows] -= not_served(sim, rows)
    boardings, _ = group_sums(boards, people["household"], homes.n, boards > 0)
    paid = np.minimum(boardings * fare, np.maximum(homes["balance_kzt"], 0) // 2)
    homes["balance_kzt"][:] -= paid
    guests = _guest_boardings(sim) * fare
    sim.ledger.book(MONEY, "households", "transit_operator", int(paid.sum()))
    sim.ledger.book(MONEY, "rest_of_world", "transit_operator", guests)
    state["month"]["fares_kzt"] += (int(paid.sum()) + guests) * sim.weight


def _guest_boardings(sim: Any) -> int:
    """The day's boardings of commuters from outside, in rows of the sample."""
    plan = sim.state["mobility"].get("commuter_plan")
    if plan is None or sim.clock.kind_of_day:
        return 0
    out = len(OUT_HOURS)
    there, back = plan["counts"][:, BUS, :out].sum(axis=1), plan["counts"][:, BUS, out:].sum(axis=1)
    legs = plan["rides"] >= 0
    return int((there * legs[:2].sum(axis=0) + back * legs[2:].sum(axis=0)).sum())


def not_served(sim: Any, rows: Ints) -> Ints:
    """How many of the day's rides each of some residents was not served on: by a keyed draw against the share served of the ride's hour."""
    people, minutes = sim.tables["residents"], sim.tables["rides"]["minutes"]
    wanted, served = sim.grids["riders_wanted"], sim.grids["riders_served"]
    share = np.where(wanted > 0, served / np.maximum(wanted, 1), 1.0).astype(np.float32)
    short = np.append((share < 1.0).any(axis=1), False)  # the last answers for a ride of −1
    missed = np.zeros(len(rows), np.int64)
    for leg, (before, column, leaves) in enumerate((
        ("", "ride", "out_from"), ("ride", "ride2", "out_from"), ("", "ride_back", "back_hour"), ("ride_back", "ride_back2", "back_hour"),
    )):  # fmt: skip
        on = np.flatnonzero(short[people[column][rows]])
        who = rows[on]
        hour = np.minimum(people[leaves][who].astype(np.int64), 23)
        if before:
            hour = np.minimum(hour + ((30.0 + minutes[people[before][who]]) / 60.0).astype(np.int64), 23)
        chance = share[people[column][who], hour]
        doubtful = np.flatnonzero(chance < 1.0)
        u = sim.uniform("mobility.served", people.id[who[doubtful]], leg)
        missed[on[doubtful]] += u >= chance[doubtful]
    return missed
