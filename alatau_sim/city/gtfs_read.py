"""Reads a GTFS feed and checks it: every problem of all files at once, each with its file and line.

Source of the rules: GTFS Schedule Reference, https://gtfs.org/documentation/schedule/reference/ . Where a feed leaves out what can be
worked out (times between timepoints, one of arrival and departure), it is worked out and said in the feed's notes.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alatau_sim.city.gtfs_csv import Cells, Findings, RawFile, read_raw
from alatau_sim.city.gtfs_feed import EPOCH, FILES, INT_MAX, NO_TIME, Column, Feed, Table, clock, empty_table, listed
from alatau_sim.errors import did_you_mean, raise_problems

TIME = re.compile(r"([0-9]{1,3}):([0-5][0-9]):([0-5][0-9])\Z")
DATE = re.compile(r"[0-9]{8}\Z")
WHOLE = re.compile(r"-?[0-9]{1,10}\Z")
DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?\Z")
KEYS = {
    "calendar": ("service",), "calendar_dates": ("service", "day"), "stop_times": ("trip", "sequence"), "frequencies": ("trip", "start_s"),
}  # fmt: skip
"""Columns that no two rows of a file may share, besides its ids."""
SOURCES = {"services": {"calendar", "calendar_dates"}}
"""The files that name what a ref points at, where it is not one file of that name."""
MANY = 2000
"""Above so many known ids the nearest one is not looked for."""
KNOWN_TYPES = {*range(8), 11, 12, *range(100, 1800)}
"""Route types of GTFS and of its extension by hundreds (https://gtfs.org/documentation/schedule/reference/#routestxt)."""


def read_gtfs(path: str | os.PathLike[str]) -> Feed:
    """A GTFS feed from a zip or a folder. Raises `InputError` with all that is wrong in it."""
    path, found = Path(path), Findings()
    raws = read_raw(path, found)
    services = _services(raws)
    known = {name: _ids(raw, FILES[name][0]) for name, raw in raws.items() if FILES[name][0].kind == "key"}
    if {"calendar", "calendar_dates"} & set(raws):
        known["services"] = {id_: row for row, id_ in enumerate(services)}
    reader = _Reader(known, found)
    tables = {name: reader.table(name, raws[name]) for name in FILES if name in raws}
    bad, raw = reader.bad, raws.get("stop_times")
    if "stops" in tables:
        _check_places(tables["stops"], raws["stops"], bad["stops"], found)
    if raw is not None:
        tables["stop_times"] = _timed(tables["stop_times"], raw, bad["stop_times"], tables.get("trips"), found)
    if "frequencies" in tables:
        _check_frequencies(tables["frequencies"], raws["frequencies"], bad["frequencies"], found)
    if "calendar" in tables:
        late = np.flatnonzero((tables["calendar"]["start_day"] > tables["calendar"]["end_day"]) & ~bad["calendar"])
        found.add_rows(raws["calendar"], late, lambda row: "end_date is before start_date")
    _raise(found)
    for name in FILES:
        tables.setdefault(name, empty_table(name))
    _note_routes(tables["routes"], tables["trips"], tables["frequencies"], found)
    return Feed(path, tuple(services), **tables, notes=tuple(found.notes))


def _raise(found: Findings) -> None:
    """Raise what was found, file by file and line by line."""
    order: dict[str, int] = {}
    for problem in found.problems:
        order.setdefault(str(problem.file), len(order))
    raise_problems(sorted(found.problems, key=lambda problem: (order[str(problem.file)], problem.line or 0)))


def _services(raws: dict[str, RawFile]) -> list[str]:
    """The services that calendars speak of, in the order in which they are first named."""
    cells = [raws[name].columns["service_id"].texts for name in ("calendar", "calendar_dates") if name in raws]
    return list(dict.fromkeys(text for texts in cells for text in texts if text))


def _ids(raw: RawFile, column: Column) -> dict[str, int]:
    """The row of each id; of an id that is there twice, the first row."""
    if column.gtfs not in raw.columns:  # a sole agency needs no id
        return {}
    cells = raw.columns[column.gtfs]
    codes, rows = np.unique(cells.codes, return_index=True)
    return {cells.texts[code]: int(row) for code, row in zip(codes, rows, strict=True) if cells.texts[code]}


class _Reader:
    """Turns the cells of a file into typed columns; `bad` marks the rows of each file that have something wrong in them."""

    def __init__(self, known: dict[str, dict[str, int]], found: Findings) -> None:
        self.known, self.found, self.bad = known, found, dict[str, np.ndarray]()

    def table(self, name: str, raw: RawFile) -> Table:
        bad = self.bad[name] = np.zeros(raw.n, bool)
        columns = {column.name: self._column(column, raw, bad) for column in FILES[name]}
        for column in FILES[name]:
            if column.kind == "key":
                self._check_unique(name, raw, (column,), columns, bad)
        if name in KEYS:
            self._check_unique(name, raw, [column for column in FILES[name] if column.name in KEYS[name]], columns, bad)
        return Table(columns)

    def _column(self, column: Column, raw: RawFile, bad: np.ndarray) -> np.ndarray:
        cells, known = raw.columns.get(column.gtfs), self.known.get(column.to)
        if cells is None:
            return np.full(raw.n, column.default, column.dtype)
        if column.kind == "ref" and known is None:  # told already: the file that it points at is missing or has no usable heading
            bad[:] = True
            return np.full(raw.n, -1, column.dtype)
        parse, allowed = _parser(column, known or {})
        values = [column.default if text == "" else parse(text) for text in cells.texts]  # None: wrong, or empty and must not be
        wrong = np.array([value is None for value in values], bool)
        rows = np.flatnonzero(wrong[cells.codes])
        bad[rows] = True
        if not column.to or not self.found.lost & SOURCES.get(column.to, {column.to}):  # an id may stand in a row that could not be read
            self.found.add_rows(raw, rows, partial(_wrong_cell, column, cells, allowed))
        clean = np.empty(len(values), column.dtype)
        clean[:] = [_nothing(column) if value is None else value for value in values]
        return clean[cells.codes]

    def _check_unique(self, name: str, raw: RawFile, key: Sequence[Column], columns: dict[str, np.ndarray], bad: np.ndarray) -> None:
        """Tell the rows whose key an earlier row has."""
        cells = [raw.columns[column.gtfs] for column in key if column.gtfs in raw.columns]
        parts = [found.codes if column.kind == "key" else columns[column.name] for column, found in zip(key, cells, strict=False)]
        if not parts:  # agencies without ids
            if raw.n > 1:
                self.found.add(f"the column {key[0].gtfs} is missing; with {raw.n} agencies each needs an id", raw.file, 1)
            return
        given = [columns[column.name] != _nothing(column) if column.default is None else np.ones(raw.n, bool) for column in key]
        rows = np.flatnonzero(np.logical_and.reduce(given))
        rows = rows[np.lexsort([part[rows] for part in reversed(parts)])]  # stable: equal keys stay in the order of the file
        same = np.logical_and.reduce([part[rows][1:] == part[rows][:-1] for part in parts])
        twice = np.flatnonzero(np.concatenate(([False], same))) if len(rows) else rows
        before = {int(rows[k]): int(raw.line[rows[k - 1]]) for k in twice}
        bad[rows[twice]] = True

        def message(row: int) -> str:
            words = " and ".join(f"{column.gtfs} {found[row]!r}" for column, found in zip(key, cells, strict=True))
            return f"{words} {'are' if len(key) > 1 else 'is'} there already, in line {before[row]}"

        self.found.add_rows(raw, sorted(before), message)


def _nothing(column: Column) -> Any:
    return "" if column.dtype is object else -1


def _wrong_cell(column: Column, cells: Cells, allowed: Callable[[str], str], row: int) -> str:
    text = cells[row]
    return f"{column.gtfs} is empty; it must be given" if text == "" else f"{column.gtfs} is {text!r}{allowed(text)}"


def _parser(column: Column, known: dict[str, int]) -> tuple[Callable[[str], Any], Callable[[str], str]]:
    """What turns a cell into its value (None: wrong), and the words that say what is allowed."""
    if column.kind == "ref":
        where = "calendar.txt and calendar_dates.txt do" if column.to == "services" else f"{column.to}.txt does"
        near = partial(did_you_mean, known=known) if len(known) <= MANY else lambda text: ""
        return known.get, lambda text: f", which {where} not have{near(text)}"
    if column.kind in ("key", "text"):
        return str, lambda text: ""
    if column.kind == "time":
        return _time, lambda text: "; it must be a time such as 08:30:00 or, after midnight, 25:10:00"
    if column.kind == "date":
        return _day, lambda text: "; it must be a date such as 20260131"
    parse: Callable[[str], Any] = partial(_number, WHOLE, int, column) if column.kind == "int" else partial(_number, DECIMAL, float, column)
    what = "a whole number" if column.kind == "int" else "a number"
    high = "" if column.high >= INT_MAX else f" … {column.high:g}"
    return parse, lambda text: f"; it must be {what} {'within' if high else 'from'} {column.low:g}{high}"


def _time(text: str) -> int | None:
    match = TIME.match(text)
    return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3]) if match else None


def _day(text: str) -> int | None:
    try:
        return (dt.date(int(text[:4]), int(text[4:6]), int(text[6:])) - EPOCH).days if DATE.match(text) else None
    except ValueError:
        return None


def _number(pattern: re.Pattern[str], kind: Callable[[str], Any], column: Column, text: str) -> Any:
    value = kind(text) if pattern.match(text) else None
    return value if value is not None and column.low <= value <= column.high and abs(value) < np.inf else None


def _check_places(stops: Table, raw: RawFile, bad: np.ndarray, found: Findings) -> None:
    """Stops, stations and entrances need coordinates; the others may do without. 0, 0 is what a forgotten one looks like."""
    needed = (stops["location_type"] <= 2) & ~bad
    gone = np.isnan(stops["lat"]) | np.isnan(stops["lon"])
    found.add_rows(raw, np.flatnonzero(needed & gone), lambda row: f"the stop {stops['id'][row]!r} has no coordinates")
    zero = needed & (stops["lat"] == 0) & (stops["lon"] == 0)
    found.add_rows(raw, np.flatnonzero(zero), lambda row: f"the stop {stops['id'][row]!r} lies at 0, 0, in the sea: where is it?")


def _check_frequencies(often: Table, raw: RawFile, bad: np.ndarray, found: Findings) -> None:
    trip, start, end = (often[name] for name in ("trip", "start_s", "end_s"))
    none = np.flatnonzero((end <= start) & ~bad)
    found.add_rows(raw, none, lambda row: f"end_time {clock(end[row])} is not after start_time {clock(start[row])}")
    rows = np.flatnonzero(~bad & (end > start))
    rows = rows[np.lexsort((start[rows], trip[rows]))]
    over = rows[1:][(trip[rows][1:] == trip[rows][:-1]) & (start[rows][1:] < end[rows][:-1])]
    found.add_rows(raw, np.sort(over), lambda row: f"the period from {clock(start[row])} overlaps an earlier one of the same trip")


def _timed(table: Table, raw: RawFile, bad: np.ndarray, trips: Table | None, found: Findings) -> Table:
    """The stop times sorted by trip and sequence, with the times that are not given filled in and all checked."""
    order = np.lexsort((table["sequence"], table["trip"]))
    columns = {name: column[order] for name, column in table.columns.items()}
    trip, arrival, departure = columns["trip"], columns["arrival_s"], columns["departure_s"]
    departure[:] = np.where(departure == NO_TIME, arrival, departure)
    arrival[:] = np.where(arrival == NO_TIME, departure, arrival)
    first, last = np.ones(len(trip), bool), np.ones(len(trip), bool)
    first[1:], last[:-1] = trip[1:] != trip[:-1], trip[1:] != trip[:-1]
    spoiled = np.isin(trip, trip[bad[order]]) | (trip < 0)  # what follows from a problem is no problem of its own
    given = arrival != NO_TIME
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))

    def name(k: int) -> str:
        return "the trip" if trips is None else f"the trip {trips['id'][trip[k]]!r}"

    def tell(wrong: np.ndarray, message: Callable[[int], str]) -> None:
        found.add_rows(raw, np.sort(order[wrong & ~spoiled]), lambda row: message(int(place[row])))

    tell(first & ~given, lambda k: f"{name(k)} has no time at its first stop; only times between can be left out")
    tell(last & ~first & ~given, lambda k: f"{name(k)} has no time at its last stop; only times between can be left out")
    tell(departure < arrival, lambda k: f"departure_time {clock(departure[k])} is before arrival_time {clock(arrival[k])}")
    before = np.maximum.accumulate(np.where(given, np.arange(len(trip)), 0)) if len(trip) else np.empty(0, int)
    earlier = np.concatenate(([0], before[:-1])) if len(trip) else before
    back = given & ~first & (trip[earlier] == trip) & given[earlier] & (arrival < departure[earlier])
    tell(back, lambda k: f"{name(k)} arrives at {clock(arrival[k])}, before it left the stop before at {clock(departure[earlier[k]])}")
    if not found.problems and not given.all():
        _fill(columns, given, found)
    return Table(columns)


def _fill(columns: dict[str, np.ndarray], given: np.ndarray, found: Findings) -> None:
    """Fill the calls without times in between those with times: by distance where all of them have it, by count of stops otherwise."""
    rows = np.arange(len(given))
    before = np.maximum.accumulate(np.where(given, rows, 0))
    after = np.minimum.accumulate(np.where(given, rows, len(rows) - 1)[::-1])[::-1]
    distance, arrival, departure = columns["distance"], columns["arrival_s"], columns["departure_s"]
    step_ok = np.concatenate(([True], distance[1:] >= distance[:-1]))  # False next to a distance that is not given
    steps_ok = np.concatenate(([0], np.cumsum(step_ok)))
    gap = np.flatnonzero(~given)
    a, b = before[gap], after[gap]
    along = (steps_ok[b + 1] - steps_ok[a + 1] == b - a) & (distance[b] > distance[a])
    share = (gap - a) / (b - a)
    share[along] = (distance[gap[along]] - distance[a[along]]) / (distance[b[along]] - distance[a[along]])
    arrival[gap] = departure[gap] = departure[a] + np.rint((arrival[b] - departure[a]) * share).astype(np.int32)
    columns["timepoint"][gap] = 0
    found.notes.append(
        f"{len(gap)} stop times without times were filled in between those with times, {int(along.sum())} in proportion to "
        f"shape_dist_traveled and {int((~along).sum())} by the number of stops; they are no timepoints"
    )


def _note_routes(routes: Table, trips: Table, often: Table, found: Findings) -> None:
    odd = [f"{routes['id'][row]} ({routes['type'][row]})" for row in range(routes.n) if int(routes["type"][row]) not in KNOWN_TYPES]
    if odd:
        found.notes.append(f"routes of a type that GTFS does not know are kept: {listed(odd)}")
    loose = int((often["exact"] == 0).sum())
    if loose:
        found.notes.append(f"frequency periods without exact times ({loose}): departures are set from the period's start at every headway")
    blind = routes["id"][np.unique(trips["route"][trips["direction"] < 0])]
    if len(blind):
        found.notes.append(f"routes with trips without direction_id, whose headways are over both directions: {listed(blind)}")
