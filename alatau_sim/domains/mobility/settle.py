"""What people know of the ways to go: timetables, traffic, cars, paths, and jobs within reach.

People expect the waits and times that were measured on working days, smoothed; they look their ways up anew on Mondays, when service
changes, and when home or destination do. Not modelled yet: waits of the peak apart from those of other hours, in what people expect.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.boarding import waits_by_headway
from alatau_sim.city.roads import assign, delay, shortest
from alatau_sim.city.timetable import as_frequent, scheduled
from alatau_sim.city.transit import best_paths, ride_minutes
from alatau_sim.domains.mobility.tables import BUS, CAR, STUDENT, TAXI, WALK
from alatau_sim.engine.rule import settlement

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEARNING_WEEKS = 4
"""So many weeks after the start or a change of service, one day of each kind a week is simulated; later one a month, or one working day a
week as long as what it measures on some line is not what people expect."""
ROAD_SHARE = 0.5
"""Weight of the new month's traffic in the times on roads (the method of successive averages damps swings)."""
MOST_CARS = 4


def due_monthly(sim: Any) -> bool:
    """Whether what follows jobs and firms is looked at: on the run's first day, and the day after jobs were filled on the first."""
    return bool(sim.clock.day == sim.clock.first or sim.clock.date.day == 2)


# --- service and roads --------------------------------------------------------------------------------------------------------


@settlement(
    phase="refresh",
    writes=("city:service_changed", "city:review_day", "lines.vehicles", "lines.electric", "stops.wait_min", "stops.run_min"),
)
def plan_service(sim: Any) -> None:
    """Set timetables and fleets to the day's policy, and say whether the day is simulated stop by stop."""
    state, policy = sim.state["mobility"], sim.policy.mobility
    changed = policy != state.get("policy")
    sim.city["service_changed"], sim.city["review_day"] = float(changed), float(sim.clock.weekday == 0)
    if changed:
        state.update(policy=policy, changed_week=_week(sim), seen={}, stale=True)
        _set_timetables(sim)
    state["regular"], state["simulate"] = _is_typical(sim) if state["typical"] else (True, True)


def _week(sim: Any) -> int:
    return int(sim.clock.day + 3) // 7


def _is_typical(sim: Any) -> tuple[bool, bool]:
    """Whether the day is the first of its kind this month or (while people learn a service) this week, and whether it is simulated.

    Days are simulated besides where a line's waits surprise people, and in place of one on which vehicles had to stay.
    """
    state, kind = sim.state["mobility"], sim.clock.kind_of_day
    week, month = _week(sim), sim.clock.month_index
    seen_week, seen_month = state["seen"].get(kind, (-1, -1))
    regular = month != seen_month or (week != seen_week and week - state["changed_week"] < LEARNING_WEEKS)
    simulate = regular or kind in state["again"] or (kind == 0 and week != seen_week and bool(state["unsettled"].any()))
    if simulate:
        state["seen"][kind] = (week, month)
        state["again"].discard(kind)
    return regular, simulate


def _set_timetables(sim: Any) -> None:
    """Departures of each way and kind of day, fleets, and the expected waits, in proportion to those of the timetable before."""
    state, policy, lines = sim.state["mobility"], sim.policy.mobility, sim.tables["lines"]
    network, stops = state["network"], sim.tables["stops"]
    extra = np.array([policy.extra_factor if line.id in policy.extra_lines else 1.0 for line in network.lines])
    state["departures"] = tuple(
        [
            as_frequent(way.departures[kind], policy.frequency_factor * float(more))
            for line, more in zip(network.lines, extra, strict=True) for way in line.directions
        ]
        for kind in (0, 1)
    )  # fmt: skip
    fleet = np.array([line.vehicles for line in network.lines], np.float64)
    lines["vehicles"][:] = np.rint(fleet * policy.fleet_factor * extra).astype(np.int32)
    lines["electric"][:] = np.array([line.electric for line in network.lines], bool) | policy.all_electric
    wait = scheduled_waits(network.stops, state["departures"][0]) / 60.0
    if "timetable_wait" in state:
        stops["wait_min"][:] *= np.where(state["timetable_wait"] > 0, wait / np.maximum(state["timetable_wait"], 1e-9), 1.0)
    else:
        stops["wait_min"][:], stops["run_min"][:] = wait, scheduled(network.stops.run_s) / 60.0
    state["timetable_wait"] = wait


def scheduled_waits(stops: Any, departures: list[Ints]) -> Floats:
    """The mean wait at each stop [s] if vehicles keep the timetable."""
    if not stops.n:
        return np.empty(0)
    run = scheduled(stops.run_s)
    after = np.cumsum(run) - run
    after -= np.repeat(after[stops.first[:-1]], np.diff(stops.first))
    count = np.array([len(times) for times in departures], np.int64)[stops.way]
    stop = np.repeat(np.arange(stops.n), count)
    time = np.concatenate([departures[way] for way in stops.way.tolist()]) + np.repeat(after, count)
    return waits_by_headway(stops.n, stop, time)


@settlement(phase="refresh", reads=("residents.mode", "residents.home", "residents.goes_to"), writes=())
def update_traffic(sim: Any) -> None:
    """Once a month (and when roads change): cars on the roads in the busiest hour, the delays they cause, and times by car.

    All cars of a pair of zones take the way that was quickest so far, and half of the new delay counts.
    """
    state, roads, world = sim.state["mobility"], sim.state["mobility"]["network"].roads, sim.world.mobility
    if not (due_monthly(sim) or sim.city["service_changed"]):
        return
    free = roads.length_m / (world.car_speed_kmh / 0.06)
    if "delay" not in state:
        state["delay"] = np.ones(len(free))
        state["car_off"] = _door_to_door(roads, shortest(roads.n, roads.start, roads.end, free)[0], world)
    else:
        lanes = np.where(roads.border_m > 0, roads.border_m / 1000.0 * sim.policy.mobility.road_lanes_per_km * world.lane_capacity,
                         world.link_capacity)  # fmt: skip
        least, before = state["quickest"]
        new = delay(assign(roads, least, before, peak_cars(sim)), lanes, world.traffic_alpha, world.traffic_beta)
        state["delay"] += ROAD_SHARE * (new - state["delay"])
    peak = free * state["delay"] * np.where(roads.outside, world.outside_peak_factor, 1.0)
    state["quickest"] = shortest(roads.n, roads.start, roads.end, peak)
    state["car_peak"] = _door_to_door(roads, state["quickest"][0].copy(), world)
    state["stale"] = True
    _set_runs(sim)


def _door_to_door(roads: Any, minutes: NDArray[np.float32], world: Any) -> NDArray[np.float32]:
    """Minutes by car with the time to get away and to park; within a zone for its mean distance."""
    np.fill_diagonal(minutes, np.diag(roads.distance_m) / (world.car_speed_kmh / 0.06))
    return minutes + np.float32(world.car_access_min)


def peak_cars(sim: Any) -> Floats:
    """Cars from zone to zone (zones × zones) in the busiest hour of the morning: those of people with work or school, and commuters'."""
    people, world, n = sim.tables["residents"], sim.world.mobility, sim.tables["zones"].n
    by_car = (people["mode"] == CAR) | (people["mode"] == TAXI)
    rows = np.flatnonzero(by_car & (people["employed"] | (people["status"] == STUDENT)) & (people["home"] >= 0) & (people["goes_to"] >= 0))
    pair = people["home"][rows].astype(np.int64) * n + people["goes_to"][rows]
    cars = np.bincount(pair, minlength=n * n).reshape(n, n) * float(sim.weight)
    commuters = sim.state["mobility"].get("commuters")
    if commuters is not None:
        np.add.at(cars, (commuters["from"], commuters["to"]), commuters["by_mode"][:, [CAR, TAXI]].sum(axis=1) * sim.weight)
    return np.asarray(cars * (world.peak_hour_share / world.riders_per_car))


def _set_runs(sim: Any) -> None:
    """Seconds of each stop's run to the next, off-peak and in the peaks, in which buses stand in the traffic that cars do."""
    state = sim.state["mobility"]
    network, stops = state["network"], state["network"].stops
    zone, following = stops.zone, np.roll(stops.zone, -1)
    slower = np.ones(stops.n)
    if stops.n:
        access = sim.world.mobility.car_access_min
        slower = (state["car_peak"][zone, following] - access) / np.maximum(state["car_off"][zone, following] - access, 1e-6)
    moved = np.array([line.in_traffic for line in network.lines], bool)[stops.line] if stops.n else np.empty(0, bool)
    peak = np.where(moved & (stops.run_s > 0), np.rint(stops.run_s * slower), stops.run_s).astype(np.int64)
    state["runs"] = (stops.run_s.tolist(), peak.tolist())


# --- cars and ways ------------------------------------------------------------------------------------------------------------


@settlement(
    phase="refresh", reads=("households.income_kzt", "households.size"), writes=("households.cars", "households.cars_given")
)
def give_cars(sim: Any) -> None:
    """Draw the cars of households that are new, keyed by the household alone: Poisson, more with people and income."""
    homes, world = sim.tables["households"], sim.world.mobility
    new = np.flatnonzero(~homes["cars_given"])
    if not len(new):
        return
    size = np.maximum(homes["size"][new].astype(np.float64), 1.0)
    relative = np.clip(homes["income_kzt"][new] / size / world.reference_income_kzt, 0.1, 10.0) ** world.car_income_elasticity
    mean = size * relative * world.cars_per_1000 / 1000.0
    u = sim.starting_uniform("mobility.cars", homes.id[new])
    homes["cars"][new] = poisson(mean, u)
    homes["cars_given"][new] = True


def poisson(mean: Floats, u: Floats) -> NDArray[np.int8]:
    """Poisson counts by their uniforms, at most MOST_CARS."""
    term, below, count = np.exp(-mean), np.zeros(len(u)), np.zeros(len(u), np.int8)
    for k in range(1, MOST_CARS + 1):
        below += term
        term = term * mean / k
        count += u >= below
    return count


@settlement(
    phase="refresh",
    reads=("residents.home", "residents.goes_to", "residents.employed", "residents.status", "stops.wait_min", "stops.run_min"),
    writes=(*(f"residents.{name}" for name in ("trip_from", "trip_to", "trip_changed", "trip_m", "car_min", "bus_min", "bus_rides")),
            "rides.minutes"),
)  # fmt: skip
def find_trips(sim: Any) -> None:
    """Look up length and minutes of usual trips: of everybody on Mondays with news and when service changes, else of those who moved."""
    state, people = sim.state["mobility"], sim.tables["residents"]
    moved = (people["trip_from"] != people["home"]) | (people["trip_to"] != people["goes_to"])
    people["trip_changed"][:] = moved
    if state["stale"] and (sim.city["service_changed"] or sim.clock.weekday == 0 or "paths" not in state):
        _find_paths(sim)
        _look_up(sim, slice(None))
    elif moved.any():
        _look_up(sim, np.flatnonzero(moved))


def _find_paths(sim: Any) -> None:
    """Best ways by bus between all zones, by the times that people expect now."""
    state, stops, world = sim.state["mobility"], sim.tables["stops"], sim.world.mobility
    network = state["network"]
    wait, run = stops["wait_min"].astype(np.float64), stops["run_min"].astype(np.float64)
    real, felt, state["saves_min"] = ride_minutes(network.stops, network.rides, wait, run, world.wait_weight)
    sim.tables["rides"]["minutes"][:] = real
    state["paths"] = best_paths(
        network.rides, network.walks, real, felt, change_min=world.change_min, walk_weight=world.walk_weight,
        margin_min=world.margin_min, before=state.get("paths"),
    )  # fmt: skip
    state["stale"] = False


def _look_up(sim: Any, rows: Ints | slice) -> None:
    """Write the usual trips of some residents; in the traffic of the peak for those with work or school."""
    state, people = sim.state["mobility"], sim.tables["residents"]
    roads, paths = state["network"].roads, state["paths"]
    home, to = people["home"][rows], people["goes_to"][rows]
    there = (home >= 0) & (to >= 0)
    a, b = np.where(there, home, 0).astype(np.int64), np.where(there, to, 0).astype(np.int64)
    pair, back = a * roads.n + b, b * roads.n + a
    peak = people["employed"][rows] | (people["status"][rows] == STUDENT)
    car = np.where(peak, state["car_peak"].ravel()[pair], state["car_off"].ravel()[pair])
    felt = (paths.felt.ravel()[pair] + paths.felt.ravel()[back]) / 2.0
    able = there & np.isfinite(felt)
    second = paths.ride2.ravel()
    people["trip_from"][rows], people["trip_to"][rows] = home, to
    people["trip_m"][rows] = np.where(there, roads.distance_m.ravel()[pair], 0.0)
    people["car_min"][rows] = np.where(there, car, 0.0)
    people["bus_min"][rows] = np.where(able, felt, -1.0)
    people["bus_rides"][rows] = np.where(able, 2 + (second[pair] >= 0) + (second[back] >= 0), 0)


@settlement(
    phase="decide", reads=("residents.mode", "residents.rechooses", "residents.trip_changed"),
    writes=tuple(f"residents.{name}" for name in ("trip_min", "ride", "ride2", "ride_back", "ride_back2", "boards")),
)  # fmt: skip
def set_out(sim: Any) -> None:
    """Write rides, boardings and minutes of the usual trip by the way chosen, for those who thought again or have moved.

    So the riders of a pair of zones change lines a few each week, and not all at once.
    """
    state, people, world = sim.state["mobility"], sim.tables["residents"], sim.world.mobility
    rows = np.flatnonzero(people["rechooses"] | people["trip_changed"])
    if not len(rows):
        return
    paths, n, mode = state["paths"], state["network"].roads.n, people["mode"][rows]
    there = (people["trip_from"][rows] >= 0) & (people["trip_to"][rows] >= 0)
    a, b = (np.where(there, people[name][rows], 0).astype(np.int64) for name in ("trip_from", "trip_to"))
    by_bus = there & (mode == BUS)
    boards = np.zeros(len(rows), np.int8)
    for name, table, pair in (
        ("ride", paths.ride, a * n + b), ("ride2", paths.ride2, a * n + b),
        ("ride_back", paths.ride, b * n + a), ("ride_back2", paths.ride2, b * n + a),
    ):  # fmt: skip
        people[name][rows] = ride = np.where(by_bus, table.ravel()[pair], -1)
        boards += ride >= 0
    people["boards"][rows] = boards
    car = people["car_min"][rows].astype(np.float64)
    minutes = np.where(mode == TAXI, car + world.taxi_wait_min, car)
    minutes = np.where(mode == WALK, people["trip_m"][rows] / (world.walk_speed_kmh / 0.06), minutes)
    bus = (paths.minutes.ravel()[a * n + b].astype(np.float64) + paths.minutes.ravel()[b * n + a]) / 2.0
    minutes = np.where(by_bus & np.isfinite(bus), bus, minutes)
    people["trip_min"][rows] = np.where(there & (mode >= 0), np.minimum(minutes, 10_000.0), 0.0)


@settlement(
    phase="refresh", reads=("zones.jobs", "residents.trip_min"), writes=("zones.job_access", "zones.mean_trip_min", "zones.bus_share")
)
def measure_access(sim: Any) -> None:
    """Once a month: jobs within reach of each zone (Hansen, 1959), and how long residents are on their way, by the times they expect."""
    if not due_monthly(sim):
        return
    zones, people, state = sim.tables["zones"], sim.tables["residents"], sim.state["mobility"]
    travels = (people["mode"] >= 0) & (people["home"] >= 0)
    home = people["home"][travels]
    count = np.maximum(np.bincount(home, minlength=zones.n), 1)
    zones["mean_trip_min"][:] = np.bincount(home, weights=people["trip_min"][travels], minlength=zones.n) / count
    zones["bus_share"][:] = np.bincount(home[people["mode"][travels] == BUS], minlength=zones.n) / count
    residents = np.bincount(people["home"][people["home"] >= 0], minlength=zones.n)
    access = hansen(sim, state) @ zones["jobs"].astype(np.float64)
    mean = float(access @ residents) / max(int(residents.sum()), 1)
    zones["job_access"][:] = access / mean if mean > 0 else 1.0


def hansen(sim: Any, state: Any) -> Floats:
    """The weight exp(−β minutes) of each zone's jobs for each zone: by car for those who have one, by foot or bus for the others."""
    world, roads, homes = sim.world.mobility, state["network"].roads, sim.tables["households"]
    share = float((homes["cars"] > 0).mean()) if homes.n else 0.0
    on_foot = roads.distance_m / (world.walk_speed_kmh / 0.06)
    slow = np.minimum(on_foot, state["paths"].minutes)
    quick = np.minimum(slow, state["car_peak"])
    beta = world.access_decay
    return np.asarray(share * np.exp(-beta * quick.astype(np.float64)) + (1 - share) * np.exp(-beta * slow.astype(np.float64)))

