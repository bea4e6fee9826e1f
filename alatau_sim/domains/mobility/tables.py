"""Columns and grids of getting around; the lines, stops and rides that a run starts with, and what can be wrong in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.engine.grids import Grid
from alatau_sim.engine.randomness import id_array
from alatau_sim.engine.rule import Derived
from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems
from alatau_sim.fields import Column

MODES = ("walk", "bus", "car", "taxi")
WALK, BUS, CAR, TAXI = range(4)
STUDENT = 1
"""Code of `residents.status` for pupils and students."""

COLUMNS: dict[str, tuple[Column, ...]] = {
    "modes": (Column("number", "int8", meaning="which way of getting around this is", labels=MODES, within=(0, 3)),),
    "lines": (
        Column("vehicles", "int32", "vehicles", "vehicles of the fleet today", within=(0, 1_000_000)),
        Column("capacity", "int32", "riders", "riders that a vehicle holds", within=(1, 2000)),
        Column("electric", "bool", meaning="whether the vehicles are electric"),
        Column("depot", "int32", meaning="zone where electric vehicles charge", index="zones"),
        Column("to_charge_wh", "int64", "Wh", "electricity that the fleet has used and not charged yet"),
        Column("charging_wh", "int64", "Wh", "electricity that the fleet asks for this night"),
    ),
    "stops": (
        Column("line", "int32", meaning="line", index="lines"),
        Column("direction", "int8", meaning="0 there, 1 back", within=(0, 1)),
        Column("position", "int16", meaning="place along the way, from 0"),
        Column("zone", "int32", meaning="zone that the stop serves", index="zones"),
        Column("wait_min", "float32", "min", "wait that people expect here: measured on working days and smoothed", within=(0, 1440)),
        Column("run_min", "float32", "min", "time to the next stop that people expect: measured and smoothed", within=(0, 1440)),
    ),
    "rides": (
        Column("start", "int32", meaning="zone where the ride begins", index="zones"),
        Column("end", "int32", meaning="zone where it ends, without a change", index="zones"),
        Column("minutes", "float32", "min", "expected wait for the first of its lines and time on the way", within=(0, 10_000)),
    ),
    "households": (
        Column("cars", "int8", "cars", "cars of the household", within=(0, 8)),
        Column("cars_given", "bool", meaning="whether the household's cars have been drawn"),
    ),
    "residents": (
        Column("goes_to", "int32", meaning="usual destination: work, school, else shop (none below ten)", index="zones"),
        Column("trip_from", "int32", meaning="home for which the usual trip was looked up", index="zones"),
        Column("trip_to", "int32", meaning="destination for which it was looked up", index="zones"),
        Column("trip_changed", "bool", meaning="whether home or destination have changed since yesterday"),
        Column("trip_m", "float32", "m", "length of the usual trip"),
        Column("car_min", "float32", "min", "usual trip by car, in the traffic of its hour"),
        Column("bus_min", "float32", "min", "usual trip by bus as felt, mean of there and back; −1 where no bus goes", default=-1),
        Column("bus_rides", "int8", "rides", "boardings there and back if by bus", within=(0, 8)),
        Column("rechooses", "bool", meaning="thinks again today about how to go"),
        Column("mode", "int32", meaning="how the resident usually goes", index="modes"),
        Column("trip_min", "float32", "min", "usual trip door to door as it is made, mean of there and back", within=(0, 10_000)),
        Column("ride", "int32", meaning="ride there (−1: not by bus)", index="rides"),
        Column("ride2", "int32", meaning="second ride there", index="rides"),
        Column("ride_back", "int32", meaning="ride back", index="rides"),
        Column("ride_back2", "int32", meaning="second ride back", index="rides"),
        Column("boards", "int8", "boardings", "boardings of the usual trip there and back as it is made", within=(0, 8)),
        Column("mode_today", "int32", meaning="how the resident goes today (−1: no trip)", index="modes"),
        Column("back_hour", "int8", "h", "hour in which today's way home begins", within=(0, 23)),
    ),
    "zones": (
        Column("job_access", "float64", "1", "jobs that can be reached, near ones more: mean over residents is 1", default=1.0),
        Column("mean_trip_min", "float64", "min", "mean usual trip of the residents, door to door"),
        Column("bus_share", "float64", "share", "residents with a usual trip who go by bus", within=(0, 1)),
    ),
}  # fmt: skip

DERIVED = (
    Derived("households", "workers", "residents", "household", "count", where="employed", every="1 month", unit="people",
            meaning="people of the household with paid work"),
)  # fmt: skip

CITY = {
    "service_changed": "1 on the day on which service, fares or roads change, else 0",
    "review_day": "1 on Mondays, when people think again about how to go, else 0",
}

GRIDS = (
    Grid("trips", ("zones", "modes", "hour"), "trips", "trips that begin, by home zone and way of getting around", profile=True),
    Grid("riders_wanted", ("rides", "hour"), "riders", "riders who come to a stop, by ride and hour"),
    Grid("riders_served", ("rides", "hour"), "riders", "of these, those who got on a vehicle"),
)


@dataclass(frozen=True, eq=False)
class Network:
    """What does not change in a run: roads, lines, their stops and rides, walks to stops, border lengths in it."""

    roads: Any
    lines: tuple[Any, ...]
    stops: Any
    rides: Any
    walks: Any


def fill(sim: Any, city: Any) -> None:
    """Draw the roads, and put modes, lines, stops and rides into their tables."""
    from alatau_sim.city.transit import rides_of, stops_of, walks_to

    world, policy, state = sim.world.mobility, sim.policy.mobility, sim.state["mobility"]
    index, roads = _roads(city)
    outside = np.asarray(city.zones.outside, bool)
    lines, state["notes"] = lines_of(city, roads.distance_m, index, round(world.layover_min * 60), policy.feed_capacity)
    stops = stops_of(lines)
    rides = rides_of(stops)
    walks = walks_to(stops, roads.distance_m, world.access_m, world.access_most_m, world.walk_speed_kmh)
    state["network"] = Network(roads, lines, stops, rides, walks)
    state["typical"] = getattr(city.scenario.run, "transit_days", "typical") == "typical"
    sim.tables["modes"].insert(np.arange(len(MODES), dtype=np.int64), {"number": np.arange(len(MODES), dtype=np.int8)})
    sim.names["modes"], sim.names["lines"] = MODES, tuple(line.id for line in lines)
    _insert_lines(sim, lines, outside)
    names = np.array([sim.key_word(f"line {line.id}") for line in lines], np.int64)
    word = names[stops.line] if len(lines) else np.empty(0, np.int64)
    sim.tables["stops"].insert(id_array(word, stops.direction, stops.position), {
        "line": stops.line, "direction": stops.direction, "position": stops.position, "zone": stops.zone,
    })  # fmt: skip
    zone = sim.tables["zones"].id
    sim.tables["rides"].insert(id_array(zone[rides.start], zone[rides.end]), {"start": rides.start, "end": rides.end})


def _insert_lines(sim: Any, lines: Sequence[Any], outside: NDArray[np.bool_]) -> None:
    depots = [next((zone for zone in line.directions[0].zones if not outside[zone]), -1) for line in lines]
    sim.tables["lines"].insert(np.array([sim.key_word(f"line {line.id}") for line in lines], np.int64), {
        "vehicles": np.array([line.vehicles for line in lines], np.int32), "depot": np.array(depots, np.int32),
        "capacity": np.array([line.capacity for line in lines], np.int32),
        "electric": np.array([line.electric for line in lines], bool),
    })  # fmt: skip


def lines_of(
    city: Any, distance_m: NDArray[np.float32], index: Any, layover_s: int, feed_capacity: int
) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """(the lines of the scenario's records and of its GTFS feed, notes on what of the feed was not used)."""
    from alatau_sim.city.timetable import line_of_record

    raise_problems(found for found in check_records(city) if isinstance(found, Problem))
    lines = [
        line_of_record(record, city.zones.rows_of(record.stops), distance_m, layover_s) for record in _records(city)
    ]  # fmt: skip
    if city.scenario.city.gtfs is None:
        return tuple(lines), ()
    from alatau_sim.city.gtfs_lines import lines_of_feed

    feed, days = _feed(city)
    more, notes = lines_of_feed(feed, days, index, distance_m, layover_s, feed_capacity, taken={line.id for line in lines})
    return (*lines, *more), notes


def scenario_feed(city: Any, holidays: Iterable[Any] = ()) -> Any:
    """The lines of a scenario as a GTFS feed (`city.gtfs.write_gtfs` writes it); `holidays` are dates on which they run as on days off."""
    from alatau_sim.city.gtfs_lines import feed_of_lines

    scenario, (index, roads) = city.scenario, _roads(city)
    layover_s = round(scenario.world.mobility.layover_min * 60)
    lines, _ = lines_of(city, roads.distance_m, index, layover_s, scenario.policy.mobility.feed_capacity)
    return feed_of_lines(lines, city.zones, scenario.run.start, scenario.run.end, holidays, title=scenario.name)


def _roads(city: Any) -> tuple[Any, Any]:
    """(the index of the zones, the roads) of a scenario's map."""
    from alatau_sim.city.network import ZoneIndex  # here and not above: reading declarations must stay quick
    from alatau_sim.city.roads import build_roads

    index, zones = ZoneIndex(city.zones), city.zones
    detour = city.scenario.world.mobility.detour_factor
    return index, build_roads(index, np.asarray(zones.outside, bool), np.asarray(zones.area_m2), detour)


def _records(city: Any) -> tuple[Any, ...]:
    return tuple(city.scenario.records.get("lines", ()))


def _feed(city: Any) -> tuple[Any, tuple[Any, Any]]:
    """The scenario's GTFS feed, and the dates that stand for working days and days off."""
    from alatau_sim.city.gtfs import read_gtfs
    from alatau_sim.city.gtfs_lines import busiest_dates

    files = city.scenario.city
    feed = read_gtfs(files.gtfs)
    work, off = busiest_dates(feed)
    return feed, (files.gtfs_workday or work, files.gtfs_day_off or off)


# --- what can be wrong --------------------------------------------------------------------------------------------------------


def check_lines(city: Any) -> Iterator[Problem | str]:
    """What is wrong with the scenario's lines, each with its place; what of a GTFS feed is left out is told as notes."""
    yield from check_records(city)
    known = {record.line for record in _records(city)}
    if city.scenario.city.gtfs is not None:
        yield from _feed_problems(city, known)
    yield from (
        Problem(f"policy.mobility.extra_lines has {name!r}; there is no such line{did_you_mean(name, known)}", city.scenario.path)
        for name in city.scenario.policy.mobility.extra_lines if name not in known
    )  # fmt: skip


def check_records(city: Any) -> Iterator[Problem]:
    """What is wrong with the lines that the scenario lists."""
    seen: dict[str, int] = {}
    for number, record in enumerate(_records(city)):
        place = city.scenario.place("lines", number)
        for message in (*_line_problems(record, city.zones), *_double(record.line, number, seen)):
            yield Problem(f"line {record.line!r}: {message}", *place)
        seen.setdefault(record.line, number)


def check_fleets(city: Any) -> Iterator[Problem | str]:
    """Lines whose fleet is too small for their timetable, with the number that it takes; a note where it is so in peak traffic only.

    The policy's factors of frequency and fleets are not looked at.
    """
    from alatau_sim.city.timetable import KINDS, line_of_record

    if not _records(city) or any(isinstance(found, Problem) for found in check_lines(city)):
        return
    world, outside = city.scenario.world.mobility, np.asarray(city.zones.outside, bool)
    _, roads = _roads(city)
    layover_s = round(world.layover_min * 60)
    for number, record in enumerate(_records(city)):
        line = line_of_record(record, city.zones.rows_of(record.stops), roads.distance_m, layover_s)
        zones = np.array(line.directions[0].zones)
        beyond = outside[zones[:-1]] | outside[zones[1:]]
        slower = round(float(line.directions[0].run_s[beyond].sum()) * (world.outside_peak_factor - 1.0))
        kinds, place = range(len(KINDS)), city.scenario.place("lines", number)
        needed, in_traffic = (max(line.needed(kind, layover_s, (more, more)) for kind in kinds) for more in (0, slower))
        minutes = sum(way.scheduled_s for way in line.directions) / 60 + 2 * world.layover_min
        says = f"line {record.line!r}: {line.vehicles} vehicles are too few; a round takes {minutes:.0f} min"
        if needed > line.vehicles:
            yield Problem(f"{says}, so its headways need {needed}", *place)
        elif in_traffic > line.vehicles:
            yield f"{says}, {minutes + 2 * slower / 60:.0f} in the traffic of the peaks, in which its headways need {in_traffic}"


def _double(line: str, number: int, seen: dict[str, int]) -> list[str]:
    return [f"is there twice (entries {seen[line] + 1} and {number + 1})"] if line in seen else []


def _line_problems(record: Any, zones: Any) -> Iterator[str]:
    from alatau_sim.city.timetable import time_of_day
    from alatau_sim.city.zones import clean_id

    stops, outside = [clean_id(stop) for stop in record.stops], dict(zip(zones.zone, zones.outside, strict=True))
    if len(stops) < 2:
        yield f"has {len(stops)} stop{'' if len(stops) == 1 else 's'}; it needs at least 2"
    yield from (f"there is no zone {stop!r}{did_you_mean(stop, outside)}" for stop in dict.fromkeys(stops) if stop not in outside)
    yield from (f"stops twice in a row in {a!r}" for a, b in zip(stops, stops[1:], strict=False) if a == b)
    if stops and all(outside.get(stop) for stop in stops):
        yield f"has stops outside the city only ({', '.join(dict.fromkeys(stops))})"
    times = {name: time_of_day(getattr(record, name)) for name in ("first_time", "last_time")}
    for name, seconds in times.items():
        if seconds is None:
            yield f"{name} is {getattr(record, name)!r}; it must be a time such as 06:30, up to 24:00"
    first, last = times.values()
    if first is not None and last is not None and first > last:
        yield f"first_time {record.first_time} is after last_time {record.last_time}"


def _feed_problems(city: Any, known: set[str]) -> Iterator[Problem | str]:
    """What is wrong with the scenario's GTFS feed; its lines are added to the known ones."""
    from alatau_sim.city.gtfs_lines import lines_of_feed
    from alatau_sim.city.network import ZoneIndex

    path = Path(city.scenario.city.gtfs)
    try:
        feed, days = _feed(city)
    except InputError as error:
        yield from (Problem(line) for line in str(error).splitlines())
        return
    index = ZoneIndex(city.zones)
    lines, notes = lines_of_feed(feed, days, index, index.distances_m, 0, 1, taken=known)
    yield from (f"{path}: {note}" for note in notes)
    if not lines:
        yield Problem(f"no line of the feed has two stops in zones of the map on {days[0]} or {days[1]}", path)
    for kind, (name, what) in enumerate((("gtfs_workday", "working days"), ("gtfs_day_off", "days off"))):
        if lines and not any(len(way.departures[kind]) for line in lines for way in line.directions):
            given = getattr(city.scenario.city, name) is not None
            message = f"no trip of {path} runs on {days[kind]}, which stands for {what}"
            yield Problem(f"city.{name}: {message}", city.scenario.path) if given else message
    known |= {line.id for line in lines}
