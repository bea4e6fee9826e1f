"""The day of service: vehicles leave their depots and run in event time on simulated days; the first one is rehearsed.

Electric vehicles charge at night in the zone of their depot; what was not charged for want of power keeps so many of them there that day.
Not modelled yet: batteries that run down during the day, breakdowns, drivers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from alatau_sim.city.boarding import Dwell, ServiceDay, Waiting, measure
from alatau_sim.city.timetable import DAY_S, HOUR_S, Line
from alatau_sim.domains.mobility.commuters.settle import add_commuters, count_commuters
from alatau_sim.domains.mobility.rules import RULES
from alatau_sim.domains.mobility.service.settle import begin_month, expect, unserved_share
from alatau_sim.domains.mobility.settle import find_trips, measure_access, set_out, update_traffic
from alatau_sim.engine.randomness import id_array
from alatau_sim.engine.rule import settlement

Ints = NDArray[np.int64]
Turn = tuple[int, int, int]
REHEARSALS = 5
"""So often the first working day is rehearsed."""
REHEARSED = {
    item.name for item in (update_traffic, find_trips, count_commuters, measure_access, set_out, add_commuters, *RULES[1:])
}
"""What is done again when people have seen a rehearsal."""


def start_service(sim: Any) -> None:
    """Begin the month's sums, and the process of the service."""
    state = sim.state["mobility"]
    ways = len(state["network"].stops.line_of_way)
    state.update(
        vehicles=[[] for _ in state["network"].lines], typical_days={}, again=set(), measured=None, unlearnt=np.zeros(ways, np.int64),
        unsettled=np.zeros(ways, bool), rehearsed=False,
    )  # fmt: skip
    begin_month(sim)
    sim.env.process(run_service(sim))


def run_service(sim: Any) -> Iterator[simpy.Event]:
    """Each day, when the vehicles have charged, send them out if the day is simulated, or if some have to stay."""
    state = sim.state["mobility"]
    while True:
        yield sim.day_opened
        departures = state["departures"][sim.clock.kind_of_day]
        first = min((int(times[0]) for times in departures if len(times)), default=24 * HOUR_S)
        yield sim.env.timeout(min(sim.policy.mobility.charge_hours * HOUR_S, first))
        fleet = ready_vehicles(sim)
        state["kept_back"] = sim.tables["lines"]["vehicles"] - fleet
        if state["simulate"] or state["kept_back"].any():
            state["day"] = send_out(sim, sim.env, fleet)


def ready_vehicles(sim: Any) -> Ints:
    """Vehicles of each line that run today: all, less the part of an electric fleet that could not charge."""
    lines, grids = sim.tables["lines"], sim.grids
    fleet = lines["vehicles"].astype(np.int64)
    for row in np.flatnonzero(lines["electric"] & (lines["charging_wh"] > 0)).tolist():
        zone, hours = int(lines["depot"][row]), sim.policy.mobility.charge_hours
        missing = float(unserved_share(grids["load_wanted"][zone, :hours], grids["load_unserved"][zone, :hours]).mean())
        fleet[row] -= math.ceil(fleet[row] * missing - 1e-9)
    return fleet


def send_out(sim: Any, env: simpy.Environment, fleet: Ints) -> ServiceDay:
    """Let riders come to their stops and start the day's work of each vehicle; the day of service that this begins."""
    from alatau_sim.domains.mobility.agents import Vehicle, model_of  # here and not above: reading declarations must not load Mesa

    state, world, departures = sim.state["mobility"], sim.world.mobility, sim.state["mobility"]["departures"][sim.clock.kind_of_day]
    network, layover_s = state["network"], round(world.layover_min * 60)
    dwell = Dwell(world.doors_s, world.boarding_s, world.alighting_s)
    day = ServiceDay(network.stops, riders_of_day(sim), departures, state["runs"], dwell, round(world.cancel_after_min * 60))
    turns = turns_of(network.lines)
    for row, line in enumerate(network.lines):
        vehicles, ways = state["vehicles"][row], np.flatnonzero(network.stops.line_of_way == row).tolist()
        while len(vehicles) < fleet[row]:
            vehicles.append(Vehicle(model_of(sim), line.id, len(vehicles), line.capacity))
        for vehicle, way in zip(vehicles, places(line, ways, departures, layover_s, int(fleet[row])), strict=False):
            begin = ((way, 0, 0), *(turn for turn in turns[way] if turn[0] != way))
            env.process(vehicle.work(env, day, begin, turns, layover_s))
    for vehicles, count in zip(state["vehicles"], sim.tables["lines"]["vehicles"].tolist(), strict=True):
        while len(vehicles) > count:
            vehicles.pop().remove()
    return day


def riders_of_day(sim: Any) -> Waiting:
    """The day's riders: when they come to their stops (uniform within the hour), and how choosy they are among lines.

    Both are keyed by ride, hour and number.
    """
    wanted, network, state = sim.grids["riders_wanted"], sim.state["mobility"]["network"], sim.state["mobility"]
    ride, hour = np.nonzero(wanted)
    count = wanted[ride, hour]
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    ride, hour = np.repeat(ride, count), np.repeat(hour, count)
    ids = id_array(sim.tables["rides"].id[ride], hour, number)
    at = (hour + sim.uniform("mobility.arrival", ids)) * HOUR_S
    least_min = (2.0 * sim.uniform("mobility.choosy", ids) - 1.0) * sim.world.mobility.choosy_min
    return Waiting(network.stops, network.rides, state["saves_min"], ride, at, least_min)


def turns_of(lines: Sequence[Line]) -> list[tuple[Turn, ...]]:
    """For each way (direction of a line) what a vehicle can do after it: (way, seconds, metres that it runs empty to its start).

    It goes back the other way, or, where there is no departure left or no other way, empty to where it began.
    """
    found: list[tuple[Turn, ...]] = []
    for line in lines:
        base, two = len(found), len(line.directions) == 2
        for k, way in enumerate(line.directions):
            closed = way.zones[0] == way.zones[-1]
            empty = (base + k, 0, 0) if closed else (base + k, way.scheduled_s, int(way.length_m.sum()))
            found.append(((base + 1 - k, 0, 0), empty) if two else (empty,))
    return found


def places(line: Line, ways: Sequence[int], departures: list[Ints], layover_s: int, count: int) -> list[int]:
    """The way at whose start each vehicle of a line begins: as many as leave there before others come, and half of the spare ones."""
    if len(ways) == 1:
        return [ways[0]] * count
    needed = []
    for k in (0, 1):
        comes = np.sort(departures[ways[1 - k]]) + line.directions[1 - k].scheduled_s + layover_s
        leaves = departures[ways[k]]
        needed.append(int((np.arange(1, len(leaves) + 1) - np.searchsorted(comes, leaves, side="right")).max(initial=0)))
    spare = count - sum(needed)
    first = needed[0] + spare // 2 if spare >= 0 else round(count * needed[0] / sum(needed))
    return [ways[0]] * first + [ways[1]] * (count - first)


@settlement(
    phase="tally", reads=("grid:riders_wanted", "lines.vehicles"),
    writes=(
        "stops.wait_min", "stops.run_min", "rides.minutes", "city:service_changed", "grid:trips", "grid:riders_wanted",
        "zones.job_access", "zones.mean_trip_min", "zones.bus_share",
        *(f"residents.{name}" for name in (
            "trip_from", "trip_to", "trip_changed", "trip_m", "car_min", "bus_min", "bus_rides", "rechooses", "mode", "trip_min", "ride",
            "ride2", "ride_back", "ride_back2", "boards", "mode_today", "back_hour",
        )),
    ),
)  # fmt: skip
def rehearse(sim: Any) -> None:
    """Before the first working day, let people try that day several times, so that the city knows its buses and the traffic.

    Each trial counts less than the one before (method of successive averages), because all who see it choose again at once.
    """
    state = sim.state["mobility"]
    if state["rehearsed"] or sim.clock.kind_of_day:
        return
    state["rehearsed"] = True
    changed, midnight_s = sim.city["service_changed"], sim.clock.day * DAY_S
    items = [item for item in sim.plan if item.name in REHEARSED]
    for trial in range(REHEARSALS):
        env = simpy.Environment(midnight_s)
        day = send_out(sim, env, sim.tables["lines"]["vehicles"].astype(np.int64))
        env.run(midnight_s + DAY_S)
        expect(sim, measure(day, state["network"].rides), 1.0 / (trial + 2))
        sim.city["service_changed"] = 1.0
        for name in ("trips", "riders_wanted"):
            sim.grids[name][...] = 0
        for item in items:
            item.run(sim)
    sim.city["service_changed"] = changed
