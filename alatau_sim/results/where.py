"""Where and when an indicator differs: zones, districts, hours and groups with the largest change, paired like the indicators themselves.

Of two runs with other maps, zones are met by their ids; what only one of them has is listed and not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alatau_sim.results.dataset import KpiInfo, Study
from alatau_sim.results.geo import read_map
from alatau_sim.results.rows import Rows
from alatau_sim.results.sources import Source, sources_of
from alatau_sim.results.statistics import adjusted, paired

Floats = NDArray[np.float64]
Keys = tuple[str, ...]
MOST = 10
"""Places kept of each way to look: those with the largest change."""


@dataclass(frozen=True)
class Place:
    """One zone, district, hour or group: means over the pairs of world 0, difference with its 95 % interval of luck.

    `p_adjusted` is corrected for all places that were looked at (Benjamini and Hochberg); `clear` where it is at most 5 %.
    """

    key: str
    label: str
    baseline_mean: float
    mean: float
    difference: float
    low: float | None
    high: float | None
    pairs: int
    p_adjusted: float | None
    clear: bool


@dataclass(frozen=True)
class Where:
    """One way to look at one indicator of one scenario and year: the places with the largest change first, at most ten.

    `fit` says how `column` of `table` belongs to the indicator: exact (its rows add up to it), near (a profile), named (alike in name and
    unit). `count` places were compared, of which `differing` differ in any pair; those in `alone` are in one of the two scenarios
    only, and were not.
    """

    scenario: str
    kpi: str
    year: int
    by: str
    table: str
    column: str
    unit: str
    meaning: str
    fit: str
    count: int
    differing: int
    places: list[Place]
    alone: list[str]


@dataclass(frozen=True)
class _Sums:
    """The year's value of each key in each replicate: (keys, replicates)."""

    keys: list[Keys]
    values: Floats


@dataclass(frozen=True)
class _Cells:
    """Sums and counts of rows by key, replicate and month of the year."""

    keys: list[Keys]
    sums: Floats
    counts: NDArray[np.int64]

    @property
    def months(self) -> NDArray[np.int64]:
        """The months of which every replicate has rows."""
        return np.flatnonzero(self.counts.any(axis=0).all(axis=0))


class Places:
    """Looks into a study's tables, run by run; what was added up is kept, so that several scenarios share the baseline's."""

    def __init__(self, study: Study, baseline: str) -> None:
        self.study, self.baseline = study, baseline
        self._samples: dict[tuple[str, str, int, int], Rows | None] = {}
        self._added: dict[tuple[Any, ...], _Cells] = {}

    def of(self, info: KpiInfo, scenario: str, year: int, replicates: Sequence[int], values: Mapping[str, float]) -> list[Where]:
        """Every way to look at an indicator.

        `values` are the indicator's values in that year of the first of `replicates`, by scenario: the columns are checked against one
        that is not 0.
        """
        tried = self.baseline if values.get(self.baseline) else scenario
        sources = sources_of(self._words, info, lambda table: self._sample(table, tried, replicates[0], year), values.get(tried) or 0.0)
        found = []
        for source in sources:
            a, b = (self._cells(source, name, year, replicates) for name in (scenario, self.baseline))
            months = np.intersect1d(a.months, b.months)
            if not len(months):
                continue
            ours, theirs = (_Sums(cells.keys, _year(cells, months, source)) for cells in (a, b))
            found.append(self._where(source, info, scenario, year, ours, theirs))
            if source.by == "zone":
                ours, theirs = self._districts(ours, source.additive), self._districts(theirs, source.additive)
                if len(ours.keys) > 1:
                    found.append(self._where(source, info, scenario, year, ours, theirs, by="district"))
        return found

    def _where(self, source: Source, info: KpiInfo, scenario: str, year: int, ours: _Sums, theirs: _Sums, by: str = "") -> Where:
        a, b = ({key: row for row, key in enumerate(sums.keys)} for sums in (ours, theirs))
        keys = [key for key in ours.keys if key in b]
        alone = [f"{self._label(source, key)} (only in {name})" for name, sums, other in
                 ((scenario, ours, b), (self.baseline, theirs, a)) for key in sums.keys if key not in other]
        found = paired(ours.values[[a[key] for key in keys]], theirs.values[[b[key] for key in keys]])
        corrected = adjusted(np.where(found.equal, np.nan, found.p))
        order = sorted((row for row in range(len(keys)) if found.pairs[row] and not found.equal[row]),
                       key=lambda row: (-abs(found.difference[row]), keys[row]))
        places = [
            Place(
                " ".join(keys[row]), self._label(source, keys[row]), float(found.theirs[row]), float(found.ours[row]),
                float(found.difference[row]), number_or_none(found.low[row]), number_or_none(found.high[row]), int(found.pairs[row]),
                number_or_none(corrected[row]), bool(corrected[row] <= 0.05),
            )
            for row in order[:MOST]
        ]
        return Where(scenario, info.name, year, by or source.by, source.table, source.column, source.unit, source.meaning, source.fit,
                     len(keys), len(order), places, alone)

    def _label(self, source: Source, key: Keys) -> str:
        if source.by == "hour":
            return " ".join([f"{int(key[-1]):02d} h", *key[:-1]])
        name = self._map.get(key[0], ("", ""))[0] if source.by == "zone" else ""
        return f"{key[0]} ({name})" if name and name != key[0] else key[0]

    def _districts(self, sums: _Sums, additive: bool) -> _Sums:
        """The zones' values added up (or averaged) by district; zones without one are left out."""
        districts = [self._map.get(key[0], ("", ""))[1] for key in sums.keys]
        names = sorted({name for name in districts if name not in ("", "-", "none")})
        rows = [[row for row, name in enumerate(districts) if name == district] for district in names]
        values = [sums.values[chosen].sum(axis=0) if additive else _mean(sums.values[chosen]) for chosen in rows]
        return _Sums([(name,) for name in names], np.array(values).reshape(len(names), sums.values.shape[1]))

    @cached_property
    def _map(self) -> dict[str, tuple[str, str]]:
        """Name and district of each zone on the study's map; empty where there is none."""
        if not (self.study.folder / "map.arrow").is_file():
            return {}
        table = read_map(self.study.folder)
        return dict(zip(table["zone"].to_pylist(), zip(table["name"].to_pylist(), table["district"].to_pylist(), strict=True), strict=True))

    # ---- reading: one year, one scenario, the columns that are asked for ----

    @cached_property
    def _words(self) -> dict[str, dict[str, Any]]:
        """The tables that were recorded, in words."""
        recorded = set(self.study.tables)
        return {name: words for name, words in self.study.describe().items() if name in recorded}

    def _sample(self, table: str, scenario: str, replicate: int, year: int) -> Rows | None:
        """One run's year of a table, kept."""
        key = (table, scenario, replicate, year)
        if key not in self._samples:
            self._samples[key] = self._read(*key)
        return self._samples[key]

    def _read(self, table: str, scenario: str, replicate: int, year: int) -> Rows | None:
        """One run's year of a table; only what is then asked for is read from the disk."""
        files = self.study.files(table, scenario, 0, replicate, year)
        if not files:
            return None
        with self.study.naming_damage(files, ValueError), pa.memory_map(str(files[0])) as source:
            return Rows(pa.ipc.open_file(source).read_all())

    def _cells(self, source: Source, scenario: str, year: int, replicates: Sequence[int]) -> _Cells:
        """Rows added up by key, replicate and month."""
        key = (source.table, source.column, source.keys, source.chosen, scenario, year, tuple(replicates))
        if key not in self._added:
            found: dict[Keys, tuple[Floats, NDArray[np.int64]]] = {}
            for place, replicate in enumerate(replicates):
                rows = self._read(source.table, scenario, replicate, year)
                for one, sums, counts in _added(rows, source) if rows is not None else ():
                    shape = (len(replicates), 12)
                    both = found.setdefault(one, (np.zeros(shape), np.zeros(shape, np.int64)))
                    both[0][place], both[1][place] = sums, counts
            keys, whole = list(found), (len(found), len(replicates), 12)
            self._added[key] = _Cells(keys, np.array([found[one][0] for one in keys]).reshape(whole),
                                      np.array([found[one][1] for one in keys], np.int64).reshape(whole))
        return self._added[key]


def _added(rows: Rows, source: Source) -> Iterator[tuple[Keys, Floats, NDArray[np.int64]]]:
    """The sums and counts by month of each key of one run."""
    keys, place = _coded([rows.codes(column) for column in source.keys])
    values = rows.numbers(source.column)
    if source.by != "hour" and rows.has("hour_of_day"):
        # a profile made into a mean day, and hourly means of power into the day's mean
        values = values * rows.day_weights() / (24 if source.unit == "W" else 1)
    use = rows.part(source.chosen) & ~np.isnan(values)
    cell = (place * 12 + rows.months)[use]
    sums = np.bincount(cell, weights=values[use], minlength=12 * len(keys)).reshape(-1, 12)
    counts = np.bincount(cell, minlength=12 * len(keys)).reshape(-1, 12)
    for row in np.flatnonzero(counts.any(axis=1)):
        yield keys[row], sums[row], counts[row]


def _year(cells: _Cells, months: NDArray[np.int64], source: Source) -> Floats:
    """Months made into the year; a key without rows counts as 0 where rows add up, and has no value where they are averaged."""
    how = "mean" if source.by == "hour" else source.over_year
    sums, counts = cells.sums[:, :, months], cells.counts[:, :, months]
    if source.additive:
        made: dict[str, Floats] = {"sum": sums.sum(axis=2), "mean": sums.mean(axis=2), "max": sums.max(axis=2), "last": sums[:, :, -1]}
        return made[how]
    with np.errstate(invalid="ignore"):
        means = sums / counts
    if how == "last":
        return means[:, :, -1]
    if how == "max":
        return np.where(np.isnan(means), -np.inf, means).max(axis=2)
    some = counts > 0
    with np.errstate(invalid="ignore"):
        return np.where(some, means, 0.0).sum(axis=2) / some.sum(axis=2)


def _coded(columns: Sequence[tuple[list[str], NDArray[np.int64]]]) -> tuple[list[Keys], NDArray[np.int64]]:
    """The combinations of the columns' labels, and which of them each row has."""
    keys: list[Keys] = [()]
    place = np.zeros(len(columns[0][1]), np.int64)
    for labels, codes in columns:
        keys = [(*key, label) for key in keys for label in labels]
        place = place * len(labels) + codes
    return keys, place


def _mean(values: Floats) -> Floats:
    some = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(some, values, 0.0).sum(axis=0) / some.sum(axis=0)


def number_or_none(value: float) -> float | None:
    """The number, or None for NaN."""
    return None if np.isnan(value) else float(value)
