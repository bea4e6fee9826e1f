"""Lines from a GTFS feed, and a GTFS feed from lines.

Reading: each sequence of zones that trips of a route visit is a line of its own with its exact departures, and two that run there and back
become one line; stops of one zone in a row are one stop. Trips past midnight are taken to run in the early hours of the same day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.gtfs_feed import DAY_S, EPOCH, FILES, Feed, Table, empty_table, listed
from alatau_sim.city.metric import to_crs
from alatau_sim.city.network import ZoneIndex
from alatau_sim.city.timetable import SLACK, Direction, Ints, Line, scheduled
from alatau_sim.city.zones import ZoneTable

TIMEZONE = "Asia/Almaty"
BUS = 3
SERVICES = ("workday", "day-off")
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


# --- from a feed ------------------------------------------------------------------------------------------------------------


@dataclass
class _Pattern:
    """Trips of one route and direction that visit the same zones."""

    route: int
    direction: int
    zones: tuple[int, ...]
    departures: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    run_s: list[Ints] = field(default_factory=list)

    @property
    def trips(self) -> int:
        return len(self.departures[0]) + len(self.departures[1])


def busiest_dates(feed: Feed) -> tuple[dt.date, dt.date]:
    """The Monday to Friday, and the Saturday or Sunday, on which most trips run, the earliest of equals; one without trips if none does."""
    trips = np.bincount(feed.trips["service"][feed.usable], minlength=len(feed.services))
    days = [feed.service_days(service) for service in range(len(feed.services))]
    every = np.concatenate([np.empty(0, np.int64), *days])
    span = np.arange(every.min(), every.max() + 7) if len(every) else np.arange(7)  # a week at least
    count = np.zeros(len(span))
    for service, found in enumerate(days):
        count[found - span[0]] += trips[service]
    off = (span + EPOCH.weekday()) % 7 >= 5
    best = (span[kind][count[kind].argmax()] for kind in (~off, off))
    workday, day_off = (EPOCH + dt.timedelta(days=int(day)) for day in best)
    return workday, day_off


def lines_of_feed(
    feed: Feed, days: tuple[dt.date, dt.date], index: ZoneIndex, distance_m: NDArray[np.float32], layover_s: int, capacity: int,
    *, taken: Collection[str],
) -> tuple[tuple[Line, ...], tuple[str, ...]]:  # fmt: skip
    """(the lines that run on a working day and a day off, notes on what of the feed is left out). Names in `taken` are not used again.

    A feed does not say how many vehicles there are, nor how large: as many as the timetable takes at least, of `capacity` riders.
    """
    lon, lat = (np.nan_to_num(feed.stops[name]) for name in ("lon", "lat"))
    zone = index.zone_of_lonlat(lon, lat) if feed.stops.n else np.empty(0, np.int64)
    patterns: dict[tuple[int, int, tuple[int, ...]], _Pattern] = {}
    lost: set[int] = set()
    for kind, date in enumerate(days):
        _read_day(feed, feed.trips_on(date), zone, kind, patterns, lost)
    called = np.unique(feed.stop_times["stop"])
    away = called[zone[called] < 0]
    notes = [f"stops outside every zone are left out ({len(away)}): {listed(feed.stops['id'][away])}"] if len(away) else []
    if lost:
        notes.append(f"trips with fewer than two zones are left out ({len(lost)}): {listed(feed.trips['id'][sorted(lost)])}")
    names = set(taken)
    return tuple(_line(feed, pair, distance_m, layover_s, capacity, names) for pair in _pairs(list(patterns.values()))), tuple(notes)


def _read_day(feed: Feed, day: Any, zone: Ints, kind: int, patterns: dict[Any, _Pattern], lost: set[int]) -> None:
    """Add the trips of a day to the patterns that they follow; those with fewer than two zones to `lost`."""
    known: dict[int, tuple[_Pattern, int] | None] = {}
    for k, trip in enumerate(day.trip.tolist()):
        calls = slice(day.first[k], day.first[k + 1])
        if trip not in known:
            known[trip] = _pattern(feed, trip, zone[day.stop[calls]], day.arrival_s[calls], day.departure_s[calls], patterns)
        found = known[trip]
        if found is None:
            lost.add(trip)
        else:
            pattern, first = found
            pattern.departures[kind].append(int(day.departure_s[calls][first]) % DAY_S)


def _pattern(
    feed: Feed, trip: int, zones: Ints, arrival: Ints, departure: Ints, patterns: dict[Any, _Pattern]
) -> tuple[_Pattern, int] | None:
    """(the pattern of a trip, its call from which it leaves the first zone); None for a trip with fewer than two zones."""
    inside = np.flatnonzero(zones >= 0)
    last = inside[np.append(zones[inside][1:] != zones[inside][:-1], True)] if len(inside) else inside
    if len(last) < 2:
        return None
    first = inside[np.append(True, zones[inside][1:] != zones[inside][:-1])]
    run = np.maximum(1, np.rint((arrival[first[1:]] - departure[last[:-1]]) / SLACK)).astype(np.int64)
    way = tuple(zones[last].tolist())
    key = (int(feed.trips["route"][trip]), max(0, int(feed.trips["direction"][trip])), way)
    pattern = patterns.setdefault(key, _Pattern(*key))
    pattern.run_s.append(run)
    return pattern, int(last[0])


def _pairs(patterns: list[_Pattern]) -> list[tuple[_Pattern, ...]]:
    """Patterns of a route that run there and back, together: first those that are each other's reverse, then those with the same ends."""
    left = sorted(patterns, key=lambda p: (p.route, -p.trips, p.direction, p.zones))
    pairs = []
    while left:
        one = left.pop(0)
        same = [p for p in left if p.route == one.route and p.zones[0] == one.zones[-1] and p.zones[-1] == one.zones[0]]
        if one.zones[0] == one.zones[-1]:
            same = []  # a round trip needs no way back
        back = next((p for p in same if p.zones == one.zones[::-1]), same[0] if same else None)
        if back is not None:
            left.remove(back)
            pairs.append(tuple(sorted((one, back), key=lambda p: (p.direction, p is not one))))
        else:
            pairs.append((one,))
    return pairs


def _line(
    feed: Feed, pair: tuple[_Pattern, ...], distance_m: NDArray[np.float32], layover_s: int, capacity: int, names: set[str]
) -> Line:
    routes, row = feed.routes, pair[0].route
    base = str(routes["short_name"][row] or routes["id"][row])
    number, name = 1, base
    while name in names:
        number += 1
        name = f"{base}/{number}"
    names.add(name)
    ways = []
    for pattern in pair:
        zones = np.array(pattern.zones)
        ways.append(Direction(
            pattern.zones, np.rint(np.mean(pattern.run_s, axis=0)).astype(np.int64),
            np.rint(distance_m[zones[:-1], zones[1:]]).astype(np.int64),
            (np.sort(np.array(pattern.departures[0], np.int64)), np.sort(np.array(pattern.departures[1], np.int64))),
        ))  # fmt: skip
    line = Line(name, str(routes["long_name"][row] or base), tuple(ways), 1, capacity, False, in_traffic=False)
    return replace(line, vehicles=max(1, *(line.needed(kind, layover_s) for kind in (0, 1))))


# --- to a feed --------------------------------------------------------------------------------------------------------------


def feed_of_lines(
    lines: Sequence[Line], zones: ZoneTable, start: dt.date, end: dt.date, holidays: Iterable[dt.date] = (), *, title: str = "",
    path: Path = Path("lines.zip"),
) -> Feed:  # fmt: skip
    """The lines as a GTFS feed: a route each, stops in the middle of their zones, every departure a trip of the service of its day.

    Services run from `start` to `end`; on holidays that of days off.
    """
    used = sorted({zone for line in lines for way in line.directions for zone in way.zones})
    place = {zone: k for k, zone in enumerate(used)}
    trips, calls = _trips(lines, place)
    middle = to_crs(_points(zones.centroid_x_m[used], zones.centroid_y_m[used]), zones.metric_crs, "EPSG:4326")
    tables: dict[str, dict[str, Any]] = {
        "agency": {"id": ["transit"], "name": [title or "Transit"], "url": ["https://example.org"], "timezone": [TIMEZONE]},
        "stops": {
            "id": [zones.zone[zone] for zone in used], "name": [zones.name[zone] for zone in used],
            "lon": [round(point.x, 6) for point in middle], "lat": [round(point.y, 6) for point in middle],
        },
        "routes": {
            "id": [line.id for line in lines], "agency": [0] * len(lines), "short_name": [line.id for line in lines],
            "long_name": [line.name for line in lines], "type": [BUS] * len(lines),
        },
        "calendar": _calendar(start, end), "calendar_dates": _holidays(start, end, holidays), "trips": trips, "stop_times": calls,
    }  # fmt: skip
    filled: dict[str, Any] = {name: _table(name, columns) for name, columns in tables.items()}
    return Feed(path, SERVICES, **filled, frequencies=empty_table("frequencies"))


def _points(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    import shapely

    return np.array(shapely.points(np.asarray(x), np.asarray(y)), dtype=object).reshape(-1)


def _trips(lines: Sequence[Line], place: dict[int, int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of trips and of their calls."""
    trips: dict[str, list[Any]] = {"id": [], "route": [], "service": [], "direction": []}
    calls: dict[str, list[Any]] = {"trip": [], "sequence": [], "stop": [], "arrival_s": [], "departure_s": []}
    for route, line in enumerate(lines):
        for direction, way in enumerate(line.directions):
            after = np.concatenate(([0], np.cumsum(scheduled(way.run_s))))
            for service, name in enumerate(SERVICES):
                for number, leaves in enumerate(way.departures[service].tolist(), 1):
                    calls["trip"] += [len(trips["id"])] * len(after)
                    calls["sequence"] += range(len(after))
                    calls["stop"] += [place[zone] for zone in way.zones]
                    calls["arrival_s"] += (after + leaves).tolist()
                    trips["id"].append(f"{line.id}-{direction}-{name}-{number}")
                    for column, value in (("route", route), ("service", service), ("direction", direction)):
                        trips[column].append(value)
    calls["departure_s"] = calls["arrival_s"]
    return trips, calls


def _calendar(start: dt.date, end: dt.date) -> dict[str, Any]:
    days = {day: [int(k < 5), int(k >= 5)] for k, day in enumerate(WEEK)}
    return {"service": [0, 1], **days, "start_day": [(start - EPOCH).days] * 2, "end_day": [(end - EPOCH).days] * 2}


def _holidays(start: dt.date, end: dt.date, holidays: Iterable[dt.date]) -> dict[str, Any]:
    """Exceptions: on a holiday of Monday to Friday the service of days off runs instead of the other."""
    days = sorted({(day - EPOCH).days for day in holidays if start <= day <= end and day.weekday() < 5})
    return {"service": [s for _ in days for s in (0, 1)], "day": np.repeat(days, 2), "exception": [k for _ in days for k in (2, 1)]}


def _table(name: str, given: dict[str, Any]) -> Table:
    """A table of a feed with defaults for the columns that are not given."""
    n = len(next(iter(given.values())))
    columns = {}
    for column in FILES[name]:
        values = np.zeros(n, column.dtype) if column.default is None else np.full(n, column.default, column.dtype)
        if column.name in given:
            values[:] = given[column.name]
        columns[column.name] = values
    return Table(columns)
