"""A public transport timetable in the General Transit Feed Specification (GTFS): its tables, and which trips run on a day.

The tables mirror the feed's files, one numpy array a column; ids that point at another table have become row numbers (−1: none).
Times are whole seconds of the service day: 25:10:00 is 90600 and belongs to the day on which the service began. Knows nothing of streets,
capacities or riders. Source of all names and meanings: GTFS Schedule Reference, https://gtfs.org/documentation/schedule/reference/
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

EPOCH = dt.date(1970, 1, 1)
DAY_S = 86_400
NO_TIME = -1
INT_MAX = 2**31 - 1
NAMED = 10
"""How many examples a message or a list names before it only counts."""


@dataclass(frozen=True)
class Column:
    """One column of a GTFS file: the feed's name for it (`gtfs`), ours, what its cells are, and the default of an empty cell.

    kind: key (unique text) · text · ref (row of table `to`) · int · float (both within low … high) · time (s) · date (days since 1970).
    A column whose default is None must be there and be filled in every row; one that is `needed` must be there.
    """

    name: str
    gtfs: str
    kind: str
    default: Any = None
    to: str = ""
    low: float = 0
    high: float = INT_MAX
    needed: bool = False

    @property
    def dtype(self) -> Any:
        """The type of the numpy array: text is kept as Python strings."""
        return {"key": object, "text": object, "float": np.float64}.get(self.kind, np.int32)


def _service() -> Column:
    return Column("service", "service_id", "ref", to="services")


FILES: Mapping[str, tuple[Column, ...]] = MappingProxyType({
    "agency": (
        Column("id", "agency_id", "key", ""), Column("name", "agency_name", "text"), Column("url", "agency_url", "text", ""),
        Column("timezone", "agency_timezone", "text"),
    ),
    "stops": (
        Column("id", "stop_id", "key"), Column("name", "stop_name", "text", ""),
        Column("lat", "stop_lat", "float", np.nan, "", -90, 90, True),
        Column("lon", "stop_lon", "float", np.nan, "", -180, 180, True), Column("location_type", "location_type", "int", 0, "", 0, 4),
        Column("parent", "parent_station", "ref", -1, "stops"),
    ),
    "routes": (
        Column("id", "route_id", "key"), Column("agency", "agency_id", "ref", -1, "agency"),
        Column("short_name", "route_short_name", "text", ""), Column("long_name", "route_long_name", "text", ""),
        Column("type", "route_type", "int"),
    ),
    "calendar": (
        _service(),
        *(Column(day, day, "int", high=1) for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")),
        Column("start_day", "start_date", "date"), Column("end_day", "end_date", "date"),
    ),
    "calendar_dates": (_service(), Column("day", "date", "date"), Column("exception", "exception_type", "int", low=1, high=2)),
    "trips": (
        Column("id", "trip_id", "key"), Column("route", "route_id", "ref", to="routes"), _service(),
        Column("headsign", "trip_headsign", "text", ""), Column("direction", "direction_id", "int", -1, high=1),
        Column("block", "block_id", "text", ""),
    ),
    "stop_times": (
        Column("trip", "trip_id", "ref", to="trips"), Column("sequence", "stop_sequence", "int"),
        Column("stop", "stop_id", "ref", to="stops"), Column("arrival_s", "arrival_time", "time", NO_TIME, needed=True),
        Column("departure_s", "departure_time", "time", NO_TIME, needed=True),
        Column("distance", "shape_dist_traveled", "float", np.nan, high=np.inf),
        Column("pickup", "pickup_type", "int", 0, high=3), Column("drop_off", "drop_off_type", "int", 0, high=3),
        Column("timepoint", "timepoint", "int", 1, high=1),
    ),
    "frequencies": (
        Column("trip", "trip_id", "ref", to="trips"), Column("start_s", "start_time", "time"), Column("end_s", "end_time", "time"),
        Column("headway_s", "headway_secs", "int", low=1), Column("exact", "exact_times", "int", 0, high=1),
    ),
})  # fmt: skip
"""The files that are read and written (`stops` is stops.txt) with the columns that are kept, in the order in which they are checked."""


@dataclass(frozen=True, eq=False)
class Table:
    """One file of a feed: read-only columns of equal length."""

    columns: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        for column in self.columns.values():
            column.setflags(write=False)

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table) or list(self.columns) != list(other.columns):
            return NotImplemented if not isinstance(other, Table) else False
        return all(
            np.array_equal(mine, other[name], equal_nan=mine.dtype.kind == "f") for name, mine in self.columns.items()
        )

    __hash__ = None  # type: ignore[assignment]


def empty_table(name: str) -> Table:
    """The table of a file that is not there."""
    return Table({column.name: np.empty(0, column.dtype) for column in FILES[name]})


@dataclass(frozen=True, eq=False)
class Trips:
    """The trips of one service day, each departure by itself, in the order of departure; frequencies are expanded.

    `trip` (n) is the row of the feed's trips; `start_s` and `end_s` (n) the first departure and last arrival, in seconds since the
    midnight with which the service day begins (past 86400 for a trip after the next midnight); `expanded` (n) whether the departure
    stands for a frequency and not for a timetable. The calls of trip k are rows `first[k]` to `first[k + 1]` of `stop`, `arrival_s`
    and `departure_s`.
    """

    date: dt.date
    trip: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    expanded: np.ndarray
    first: np.ndarray
    stop: np.ndarray
    arrival_s: np.ndarray
    departure_s: np.ndarray

    def __len__(self) -> int:
        return len(self.trip)


@dataclass(frozen=True, eq=False)
class Feed:
    """A GTFS feed as it was read: two are equal when all their tables are.

    `services` names the services that calendars speak of; `stop_times` is sorted by trip and sequence, with every time filled in.
    `notes` says what was not used or had to be worked out.
    """

    path: Path
    services: tuple[str, ...]
    agency: Table
    stops: Table
    routes: Table
    calendar: Table
    calendar_dates: Table
    trips: Table
    stop_times: Table
    frequencies: Table
    notes: tuple[str, ...] = field(default=())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Feed):
            return NotImplemented
        return self.services == other.services and all(self.table(name) == other.table(name) for name in FILES)

    __hash__ = None  # type: ignore[assignment]

    def table(self, name: str) -> Table:
        """The table of a file, by its name without .txt."""
        table: Table = getattr(self, name)
        return table

    @cached_property
    def first_call(self) -> np.ndarray:
        """Where each trip's rows begin in `stop_times`: (trips + 1) row numbers."""
        return np.searchsorted(self.stop_times["trip"], np.arange(self.trips.n + 1))

    @cached_property
    def usable(self) -> np.ndarray:
        """Which trips go from somewhere to somewhere: at least two calls."""
        return np.diff(self.first_call) >= 2

    def service_days(self, service: int) -> np.ndarray:
        """All days (since 1970-01-01, ascending) on which a service runs: calendar, plus added and minus removed dates."""
        days = np.empty(0, np.int64)
        for row in np.flatnonzero(self.calendar["service"] == service):
            span = np.arange(self.calendar["start_day"][row], self.calendar["end_day"][row] + 1, dtype=np.int64)
            days = span[self._weekdays[row][(span + EPOCH.weekday()) % 7]]
        mine = self.calendar_dates["service"] == service
        added, removed = (self.calendar_dates["day"][mine & (self.calendar_dates["exception"] == kind)] for kind in (1, 2))
        return np.setdiff1d(np.union1d(days, added), removed)

    @cached_property
    def _weekdays(self) -> np.ndarray:
        return np.column_stack([self.calendar[column.name] == 1 for column in FILES["calendar"][1:8]])

    def _running(self, date: dt.date) -> np.ndarray:
        """Which services run on a date, as a bool for each."""
        day, runs = (date - EPOCH).days, np.zeros(len(self.services), bool)
        within = (self.calendar["start_day"] <= day) & (day <= self.calendar["end_day"]) & self._weekdays[:, date.weekday()]
        runs[self.calendar["service"][within]] = True
        today = self.calendar_dates["day"] == day
        runs[self.calendar_dates["service"][today]] = self.calendar_dates["exception"][today] == 1
        return runs

    def services_on(self, date: dt.date) -> set[str]:
        """The ids of the services that run on a date."""
        return {self.services[k] for k in np.flatnonzero(self._running(date))}

    def trips_on(self, date: dt.date) -> Trips:
        """All departures of a service day; trips with fewer than two calls are left out.

        A trip with frequencies departs at the start of each period and every headway after it, before the end of the period, whether
        its times are exact or not; only the time between its calls is taken from `stop_times`.
        """
        runs = self._running(date)[self.trips["service"]] & self.usable
        often = self.frequencies["trip"]
        plain = np.setdiff1d(np.flatnonzero(runs), often)
        rows = np.flatnonzero(runs[often])
        end, headway = (self.frequencies[name][rows] for name in ("end_s", "headway_s"))
        times = -((self.frequencies["start_s"][rows] - end) // headway)  # rounded up: the end itself is no departure
        step = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        departures = np.repeat(self.frequencies["start_s"][rows], times) + step * np.repeat(headway, times)
        trip = np.concatenate((plain, np.repeat(often[rows], times))).astype(np.int64)
        scheduled = self.stop_times["departure_s"][self.first_call[trip]].astype(np.int64)
        start = np.concatenate((scheduled[: len(plain)], departures))
        expanded = np.arange(len(trip)) >= len(plain)
        order = np.lexsort((trip, start))
        return self._calls(date, trip[order], start[order], (start - scheduled)[order], expanded[order])

    def _calls(self, date: dt.date, trip: np.ndarray, start: np.ndarray, shift: np.ndarray, expanded: np.ndarray) -> Trips:
        """The calls of departures: those of the trip's rows, shifted."""
        counts = np.diff(self.first_call)[trip]
        first = np.concatenate(([0], np.cumsum(counts)))
        rows = np.arange(first[-1]) + np.repeat(self.first_call[trip] - first[:-1], counts)
        later = np.repeat(shift, counts)
        arrival = np.maximum(self.stop_times["arrival_s"][rows] + later, 0)  # standing at the first stop since before midnight
        departure = self.stop_times["departure_s"][rows] + later
        return Trips(date, trip, start, arrival[first[1:] - 1], expanded, first, self.stop_times["stop"][rows], arrival, departure)

    def skipped(self) -> list[str]:
        """What of the feed never runs, and why, on whatever day."""
        idle = [id_ for k, id_ in enumerate(self.services) if not len(self.service_days(k))]
        calls = np.diff(self.first_call)
        served = np.zeros(self.routes.n, bool)
        served[self.trips["route"]] = True
        found = [
            ("trips without any stop time", self.trips["id"][calls == 0]),
            ("trips with one stop only", self.trips["id"][calls == 1]),
            ("services that never run on any day, with their trips", idle),
            ("routes without trips", self.routes["id"][~served]),
        ]
        return [f"{what} ({len(ids)}): {listed(ids)}" for what, ids in found if len(ids)]


def listed(names: Sequence[Any] | np.ndarray) -> str:
    """The first names with commas, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(str(name) for name in names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def clock(seconds: int) -> str:
    """A time of the service day as GTFS writes it: 90600 is 25:10:00."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
