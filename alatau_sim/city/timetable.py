"""Lines of public transport: their stops, when vehicles leave, how long they are on the way, and how many vehicles that takes.

A stop stands for a zone. Times are seconds of the day, 0 to 86,399; a service day ends at midnight. Knows no riders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.gtfs import vehicles_needed

DAY_S, HOUR_S = 86_400, 3_600
PEAKS = ((7, 10), (17, 20))
"""Hours [from, to) of the morning and the evening peak, as in the report on GTFS feeds."""
PEAK_HOUR = tuple(any(low <= hour < high for low, high in PEAKS) for hour in range(24))
SLACK = 1.15
"""Scheduled time over time on the way: time at stops and waiting for time adds about a seventh (assumed)."""
KINDS = ("workday", "day off")
_TIME = re.compile(r"(\d{1,2}):([0-5]\d)(:[0-5]\d)?\Z")

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Direction:
    """One way along a line: the zones (rows) of its stops in order, time and length of each run between them, and departures.

    `departures` has one ascending array of seconds for each kind of day (working day, day off).
    """

    zones: tuple[int, ...]
    run_s: Ints
    length_m: Ints
    departures: tuple[Ints, Ints]

    @property
    def scheduled_s(self) -> int:
        """Time from the first stop to the last by the timetable."""
        return int(scheduled(self.run_s).sum())


@dataclass(frozen=True, eq=False)
class Line:
    """A line: one direction or two, and the fleet that serves it.

    `in_traffic` says whether its runs grow with the traffic of the hour (a timetable that was given has that in it already).
    """

    id: str
    name: str
    directions: tuple[Direction, ...]
    vehicles: int
    capacity: int
    electric: bool
    in_traffic: bool = True

    def needed(self, kind: int, layover_s: int, peak_s: Sequence[int] = (0, 0)) -> int:
        """Vehicles that are on the way or turning at the same time, at most, on a kind of day: fewer cannot keep the timetable.

        `peak_s` is what a trip of each direction takes longer when it begins in a peak hour.
        """
        start = np.concatenate([way.departures[kind] for way in self.directions])
        took = [way.scheduled_s + np.where(in_peak(way.departures[kind]), more, 0)
                for way, more in zip(self.directions, peak_s, strict=False)]  # fmt: skip
        return vehicles_needed(start, start + np.concatenate(took) + layover_s)[0]


def in_peak(time_s: Ints) -> NDArray[np.bool_]:
    """Which times of the day lie in peak hours."""
    return np.array(PEAK_HOUR)[time_s // HOUR_S % 24]


def scheduled(run_s: Ints) -> Ints:
    """The timetable's time for each run, with the slack for stops."""
    return np.rint(run_s * SLACK).astype(np.int64)


def time_of_day(text: str) -> int | None:
    """Seconds of `6:30`, `06:30` or `06:30:00`, up to 24:00; None where it is no such time."""
    match = _TIME.match(text.strip())
    seconds = int(match[1]) * HOUR_S + int(match[2]) * 60 if match else DAY_S + 1
    return seconds if seconds <= DAY_S else None


def by_headway(first_s: int, last_s: int, peak_min: float, other_min: float) -> Ints:
    """Departures from the first to the last, each a headway after the one before; the headway is that of the hour."""
    found, at = [], float(first_s)
    while at <= last_s and at < DAY_S:
        found.append(round(at))
        at += 60.0 * (peak_min if PEAK_HOUR[int(at // HOUR_S) % 24] else other_min)
    return np.array(found, np.int64)


def as_frequent(departures: Ints, factor: float) -> Ints:
    """Departures `factor` times as frequent between the same first and last: new ones between the old, in proportion to the gaps."""
    if factor == 1.0 or len(departures) < 2:
        return departures
    count = max(2, round(factor * (len(departures) - 1)) + 1)
    places = np.linspace(0, len(departures) - 1, count)
    return np.rint(np.interp(places, np.arange(len(departures)), departures)).astype(np.int64)


def line_of_record(record: Any, zones: Sequence[int], distance_m: NDArray[np.float32], layover_s: int) -> Line:
    """The line of a record of a scenario (its fields: see `mobility.params.LineRecord`), there and back along `zones`.

    Vehicles leave the far end as one that came from the first stop is ready to, so that a fleet of cycle time over headway is enough.
    """
    rows = np.asarray(zones, np.int64)
    length = np.rint(distance_m[rows[:-1], rows[1:]]).astype(np.int64)
    run = np.maximum(1, np.rint(length / (record.speed_kmh / 3.6))).astype(np.int64)
    first, last = time_of_day(record.first_time), time_of_day(record.last_time)
    assert first is not None
    assert last is not None
    plans = ((record.headway_peak_min, record.headway_min), (record.headway_day_off_min, record.headway_day_off_min))
    there = Direction(tuple(rows.tolist()), run, length, _both(first, last, plans, 0))
    turned = there.scheduled_s + layover_s
    back = Direction(tuple(rows[::-1].tolist()), run[::-1].copy(), length[::-1].copy(), _both(first, last, plans, turned))
    return Line(record.line, record.name or record.line, (there, back), record.vehicles, record.capacity, record.electric)


def _both(first: int, last: int, plans: Sequence[tuple[float, float]], turned_s: int) -> tuple[Ints, Ints]:
    """Departures of both kinds of day; `turned_s` after a departure from the other end a vehicle can leave."""

    def of(peak_min: float, other_min: float) -> Ints:
        headway_s = 60.0 * (peak_min if PEAK_HOUR[first // HOUR_S % 24] else other_min)
        return by_headway(first + round(turned_s % headway_s), last, peak_min, other_min)

    work, off = (of(*plan) for plan in plans)
    return work, off


def mean_wait_s(times: Ints, from_s: int = 7 * HOUR_S, to_s: int = 20 * HOUR_S, none_s: float = 2 * HOUR_S) -> float:
    """Mean wait for the next of ascending times, for somebody who comes at any moment of a span; `none_s` after the last."""
    edges = np.concatenate(([from_s], np.clip(times, from_s, to_s)))
    until = times - edges[1:]  # a time beyond the span is waited for from its end on
    waited = ((times - edges[:-1]) ** 2 - until**2).sum() / 2.0 if len(times) else 0.0
    after = to_s - (max(int(times[-1]), from_s) if len(times) else from_s)
    return float((waited + none_s * max(after, 0)) / (to_s - from_s))
