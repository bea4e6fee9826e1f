"""Public transport timetables (GTFS): read, write, and what runs on a date, as `alatau gtfs` prints it.

Counts what the timetable offers, not what is ridden. Vehicles are counted from trips that are on the way at the same time: what a
timetable needs at least, without layover, empty running or reserve.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alatau_sim.city.gtfs_feed import EPOCH, Feed, Table, Trips, clock, listed
from alatau_sim.city.gtfs_read import read_gtfs
from alatau_sim.city.gtfs_write import write_gtfs

__all__ = [
    "PERIODS", "Feed", "GtfsReport", "LineDay", "Table", "Trips", "gtfs_report", "mean_headways", "read_gtfs", "vehicles_needed",
    "write_gtfs",
]  # fmt: skip

HOUR_S = 3600
PERIODS: dict[str, tuple[tuple[int, int], ...]] = {
    "day": ((0, 1000),), "07-10": ((7, 10),), "17-20": ((17, 20),), "off-peak": ((0, 7), (10, 17), (20, 1000)),
}  # fmt: skip
"""The spans of hours [from, to) over which headways are measured; the hours of the service day go past 24."""
TYPES = {
    0: "tram", 1: "metro", 2: "rail", 3: "bus", 4: "ferry", 5: "cable tram", 6: "aerial lift", 7: "funicular", 11: "trolleybus",
    12: "monorail",
}  # fmt: skip
HUNDREDS = {
    1: "rail", 2: "coach", 3: "rail", 4: "metro", 5: "metro", 6: "metro", 7: "bus", 8: "trolleybus", 9: "tram", 10: "ferry", 11: "air",
    12: "ferry", 13: "aerial lift", 14: "funicular", 15: "taxi", 16: "other", 17: "other",
}  # fmt: skip
"""Words for the route types of GTFS, and for those of its extension by hundreds."""


@dataclass(frozen=True)
class LineDay:
    """One direction of one route on one service day; `direction` is −1 where the feed does not say.

    `headway_s` has the mean seconds between departures of each period of `PERIODS`; None where it has fewer than two.
    """

    route: str
    name: str
    type: str
    direction: int
    trips: int
    stops: int
    first_s: int
    last_s: int
    service_h: float
    headway_s: dict[str, float | None]


@dataclass(frozen=True)
class GtfsReport:
    """What a feed offers on one service day; `vehicles` is how many trips at most are on the way at once, first at `busiest_s`."""

    path: Path
    date: dt.date
    agencies: tuple[str, ...]
    services: tuple[str, ...]
    span: tuple[dt.date, dt.date] | None
    lines: tuple[LineDay, ...]
    routes: int
    routes_running: int
    stops: int
    stops_served: int
    trips: int
    trips_expanded: int
    vehicle_h: float
    vehicles: int
    busiest_s: int
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """The report as aligned plain text."""
        lines = [f"{self.path} on {self.date} ({self.date:%A})", *_aligned(self._facts(), "<<")]
        if self.lines:
            head = ("route", "type", "direction", "trips", "stops", "first", "last", "hours", *(f"headway {name}" for name in PERIODS))
            lines += ["\nRoutes (headways: mean minutes between departures)", *_aligned([head, *map(_row, self.lines)], "<<<" + ">" * 9)]
        for title, items in (("Skipped", self.skipped), ("Notes", self.notes)):
            lines += [f"\n{title}", *(f"  {item}" for item in items)] if items else []
        return "\n".join(lines)

    def _facts(self) -> list[tuple[str, ...]]:
        expanded = f", {self.trips_expanded:,} of them from frequencies" if self.trips_expanded else ""
        span = f"{self.span[0]} to {self.span[1]}" if self.span else "none: no service ever runs"
        facts = [
            ("agencies", listed(self.agencies)),
            ("days with service", span),
            ("services running", listed(self.services) or "none on this date"),
            ("routes", f"{self.routes_running:,} of {self.routes:,}"),
            ("stops served", f"{self.stops_served:,} of {self.stops:,}"),
            ("trips", f"{self.trips:,}{expanded}"),
            ("service hours", f"{self.vehicle_h:,.1f}"),
        ]
        if self.vehicles:
            when = f"trips on the way at {clock(self.busiest_s)}; without layover, empty runs or reserve"
            facts.append(("vehicles needed", f"at least {self.vehicles:,} ({when})"))
        return [*facts]


def gtfs_report(feed: Feed, date: dt.date) -> GtfsReport:
    """What a feed offers on a service day. A trip that runs past midnight counts, whole, on the day on which its service began."""
    day = feed.trips_on(date)
    lines = _lines(feed, day)
    days = [found for found in map(feed.service_days, range(len(feed.services))) if len(found)]
    vehicles, busiest = vehicles_needed(day.start_s, day.end_s)
    return GtfsReport(
        path=feed.path, date=date, agencies=tuple(feed.agency["name"]), services=tuple(sorted(feed.services_on(date))),
        span=(_date(min(found[0] for found in days)), _date(max(found[-1] for found in days))) if days else None,
        lines=lines, routes=feed.routes.n, routes_running=len({line.route for line in lines}),
        stops=int((feed.stops["location_type"] == 0).sum()), stops_served=len(np.unique(day.stop)),
        trips=len(day), trips_expanded=int(day.expanded.sum()), vehicle_h=float((day.end_s - day.start_s).sum()) / HOUR_S,
        vehicles=vehicles, busiest_s=busiest, skipped=tuple(feed.skipped()), notes=feed.notes,
    )  # fmt: skip


def mean_headways(departure_s: np.ndarray) -> dict[str, float | None]:
    """The mean time between departures of one line and direction in each period, in seconds; None with fewer than two departures.

    A gap counts in a period when both its departures lie in the same span of it, so a line that runs at the peaks only does not get
    the hours between them as a headway.
    """
    departure_s = np.sort(departure_s)
    found: dict[str, float | None] = {}
    for name, spans in PERIODS.items():
        gaps = [np.diff(departure_s[(departure_s >= low * HOUR_S) & (departure_s < high * HOUR_S)]) for low, high in spans]
        every = np.concatenate(gaps)
        found[name] = float(every.mean()) if len(every) else None
    return found


def vehicles_needed(start_s: np.ndarray, end_s: np.ndarray) -> tuple[int, int]:
    """The largest number of trips on the way at once, and the first time (s) of it; a vehicle that arrives can leave in the same second."""
    if not len(start_s):
        return 0, 0
    times = np.concatenate((end_s, start_s))
    change = np.repeat((-1, 1), len(start_s))
    order = np.argsort(times, kind="stable")  # arrivals first
    running = np.cumsum(change[order])
    most = int(np.argmax(running))
    return int(running[most]), int(times[order][most])


def _lines(feed: Feed, day: Trips) -> tuple[LineDay, ...]:
    """The routes that run, each direction by itself, in the order of the feed."""
    route, direction = feed.trips["route"][day.trip], feed.trips["direction"][day.trip]
    group = route.astype(np.int64) * 3 + direction + 1
    call_group = np.repeat(group, np.diff(day.first))
    lines = []
    for code in np.unique(group):
        mine = group == code
        row = int(code) // 3
        starts, kind = day.start_s[mine], int(feed.routes["type"][row])
        lines.append(LineDay(
            route=str(feed.routes["id"][row]),
            name=str(feed.routes["short_name"][row] or feed.routes["long_name"][row] or feed.routes["id"][row]),
            type=TYPES.get(kind) or HUNDREDS.get(kind // 100) or f"type {kind}", direction=int(code) % 3 - 1,
            trips=int(mine.sum()), stops=len(np.unique(day.stop[call_group == code])), first_s=int(starts.min()), last_s=int(starts.max()),
            service_h=float((day.end_s[mine] - starts).sum()) / HOUR_S, headway_s=mean_headways(starts),
        ))  # fmt: skip
    return tuple(lines)


def _date(day: int) -> dt.date:
    return EPOCH + dt.timedelta(days=int(day))


def _row(line: LineDay) -> tuple[str, ...]:
    headways = ("-" if value is None else f"{value / 60:.1f}" for value in line.headway_s.values())
    direction = "-" if line.direction < 0 else str(line.direction)
    times = (clock(line.first_s), clock(line.last_s), f"{line.service_h:,.1f}")
    return (line.name, line.type, direction, f"{line.trips:,}", str(line.stops), *times, *headways)


def _aligned(rows: Sequence[tuple[str, ...]], sides: str) -> list[str]:
    """Rows of cells as lines with columns of equal width, each to its side (< or >)."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(sides))]
    padded = [[f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)] for row in rows]
    return ["  " + "  ".join(row).rstrip() for row in padded]
