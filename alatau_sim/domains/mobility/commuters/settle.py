"""Commuters from outside: how they come, when, and with which rides; they are counts by pair of zones and no rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.mobility.rules import choose_mode
from alatau_sim.domains.mobility.settle import due_monthly
from alatau_sim.domains.mobility.tables import BUS, CAR, TAXI, WALK
from alatau_sim.engine.randomness import id_array
from alatau_sim.engine.rule import settlement

Ints = NDArray[np.int64]
OUT_HOURS, BACK_HOURS = (7, 8, 9), (16, 17, 18)
"""Hours in which commuters from outside come and go, a third in each, as the plans of residents with work (assumed)."""


@settlement(phase="refresh", reads=("firms.commuters", "firms.commuters_from", "firms.site"))
def count_commuters(sim: Any) -> None:
    """Once a month, and when service changes: commuters from outside by pair of zones, and how many of each pair go by bus, car, taxi.

    Shares are those of the residents' choice for people of their kind; whole numbers by a draw keyed to the pair.
    """
    if not (due_monthly(sim) or sim.city["service_changed"]):
        return
    firms, n, state = sim.tables["firms"], sim.tables["zones"].n, sim.state["mobility"]
    rows = np.flatnonzero((firms["commuters"] > 0) & (firms["commuters_from"] >= 0) & (firms["site"] >= 0))
    pairs, group = np.unique(firms["commuters_from"][rows].astype(np.int64) * n + firms["site"][rows], return_inverse=True)
    people = np.bincount(group, weights=firms["commuters"][rows], minlength=len(pairs)).astype(np.int64)
    start, end = pairs // n, pairs % n
    ids = id_array(sim.tables["zones"].id[start], sim.tables["zones"].id[end])
    share = np.array([commuter_shares(sim, a, b) for a, b in zip(start.tolist(), end.tolist(), strict=True)]).reshape(-1, 4)
    by_mode = np.zeros((len(pairs), 4), np.int64)
    left = people.copy()
    for mode in (BUS, TAXI):
        by_mode[:, mode] = np.minimum(np.floor(people * share[:, mode] + sim.uniform("mobility.commute", ids, mode, day=-1)), left)
        left -= by_mode[:, mode]
    by_mode[:, CAR] = left
    state["commuters"] = {"from": start, "to": end, "by_mode": by_mode, "ids": ids}
    state["commuter_plan"] = _commuter_plan(sim, start, end, by_mode, ids)


def commuter_shares(sim: Any, a: int, b: int) -> list[float]:
    """Shares of walk, bus, car and taxi among commuters of a pair of zones: some could come by car, the others not."""
    state, world = sim.state["mobility"], sim.world.mobility
    paths = state["paths"]
    felt = (float(paths.felt[a, b]) + float(paths.felt[b, a])) / 2.0
    rides = 2 + int(paths.ride2[a, b] >= 0) + int(paths.ride2[b, a] >= 0)
    metres, minutes = float(state["network"].roads.distance_m[a, b]), float(state["car_peak"][a, b])
    given = (metres, minutes, felt if np.isfinite(felt) else -1.0, rides, 40, True)
    setting = (
        sim.policy.mobility.fare_kzt, world.walk_speed_kmh, world.walk_weight, world.wait_weight, world.value_of_time_kzt_h,
        world.car_km_kzt, world.taxi_base_kzt, world.taxi_km_kzt, world.taxi_wait_min,
    )  # fmt: skip
    total, params = np.zeros(4), sim.rule_params[choose_mode.name]
    for cars, share in ((1, world.commuter_car_share), (0, 1.0 - world.commuter_car_share)):
        utility = np.array([choose_mode.fn(*given, cars, 1, mode, *setting, **params) if mode != WALK else -np.inf for mode in range(4)])
        weight = np.exp(utility - utility.max())
        total += share * weight / weight.sum()
    return [float(value) for value in total]


def _commuter_plan(sim: Any, start: Ints, end: Ints, by_mode: Ints, ids: Ints) -> dict[str, Any]:
    """Commuters' trips by pair, mode and hour (there in the morning, back in the evening), and their rides there and back."""
    paths = sim.state["mobility"]["paths"]
    counts = np.zeros((*by_mode.shape, len(OUT_HOURS) + len(BACK_HOURS)), np.int64)
    for k, hours in enumerate((OUT_HOURS, BACK_HOURS)):
        shift = sim.uniform("mobility.commute_hour", ids, k, day=-1)[:, None]
        reached = [np.floor(by_mode * (j / len(hours)) + shift) for j in range(len(hours) + 1)]
        for j in range(len(hours)):
            counts[:, :, k * len(OUT_HOURS) + j] = reached[j + 1] - reached[j]
    rides = np.stack((paths.ride[start, end], paths.ride2[start, end], paths.ride[end, start], paths.ride2[end, start]))
    return {"counts": counts, "rides": rides}


@settlement(phase="tally", writes=("grid:trips", "grid:riders_wanted"))
def add_commuters(sim: Any) -> None:
    """On working days, add the trips of commuters from outside (under the zone that they come from), and their rides."""
    state = sim.state["mobility"]
    plan, commuters = state.get("commuter_plan"), state.get("commuters")
    if sim.clock.kind_of_day or plan is None or not len(commuters["from"]):
        return
    trips, riders, minutes = sim.grids["trips"], sim.grids["riders_wanted"], sim.tables["rides"]["minutes"]
    for j, hour in enumerate((*OUT_HOURS, *BACK_HOURS)):
        count = plan["counts"][:, :, j] * sim.weight
        np.add.at(trips[:, :, hour], commuters["from"], count)
        first, second = plan["rides"][:2] if j < len(OUT_HOURS) else plan["rides"][2:]
        then = np.minimum(hour + ((30.0 + minutes[first]) // 60).astype(np.int64), 23) if len(minutes) else np.full(len(first), hour)
        for ride, at in ((first, np.full(len(first), hour)), (second, then)):
            on = ride >= 0
            np.add.at(riders, (ride[on], at[on]), count[on, BUS])
