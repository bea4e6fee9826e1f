"""The study's tables as arrays (scenario, run, time, labels …), read file by file so that a study of many years fits in memory.

Runs are the replicates of world 0 (luck only); where a scenario has none, all its runs. Times are months or years.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.results.dataset import RunRecord, Study
from alatau_sim.results.geo import read_map

Floats = NDArray[np.float64]
READERS = 2
WHOLE_YEAR = 12


class Missing(Exception):  # noqa: N818
    """A table or a column that the study does not hold; the section that wanted it says so."""

    def __init__(self, table: str, column: str = "") -> None:
        super().__init__(f"{table}.{column}" if column else table)
        self.table, self.column = table, column


@dataclass(frozen=True)
class Value:
    """One measure: a column, or a function of the file's columns as arrays; `how` joins the rows of a cell: sum, mean or max."""

    how: str
    columns: tuple[str, ...]
    of: Callable[..., NDArray[Any]] | None = None


@dataclass
class Gathered:
    """Measures as arrays (scenario, run, time, *by); NaN where a run has no row. `times` are first days as (year, month)."""

    values: dict[str, Floats]
    times: list[tuple[int, int]]
    labels: dict[str, list[Any]]

    def __getitem__(self, name: str) -> Floats:
        return self.values[name]


@dataclass
class Source:
    """A study opened for a report against a baseline; scenarios begin with the baseline."""

    study: Study
    baseline: str
    kept: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    @cached_property
    def scenarios(self) -> list[str]:
        """Scenario names, the baseline first."""
        return [self.baseline, *(name for name in self.study.scenarios if name != self.baseline)]

    @cached_property
    def runs(self) -> dict[str, list[RunRecord]]:
        """The runs of each scenario that bands are made of."""
        found = {}
        for name in self.scenarios:
            every = [run for run in self.study.runs if run.scenario == name]
            found[name] = [run for run in every if run.world == 0] or every
        return found

    @property
    def most_runs(self) -> int:
        """The largest number of runs of one scenario."""
        return max(len(runs) for runs in self.runs.values())

    @cached_property
    def zones(self) -> pa.Table | None:
        """The zones of the map inside the city, or None where the study holds no map."""
        try:
            found = read_map(self.study.folder)
        except InputError:
            return None
        if "outside" in found.column_names:
            found = found.filter(pc.call_function("invert", [found["outside"]]))
        return found

    @cached_property
    def zone_names(self) -> dict[str, str]:
        """The names of all zones, those outside the city too."""
        try:
            found = read_map(self.study.folder)
        except InputError:
            return {}
        return {zone: name or zone for zone, name in zip(found["zone"].to_pylist(), found["name"].to_pylist(), strict=True)}

    def resolved(self, scenario: str) -> Mapping[str, Any]:
        """The resolved scenario of the first run, as the manifest holds it."""
        found = self.runs[scenario][0].manifest.get("resolved")
        return found if isinstance(found, Mapping) else {}

    def files(self, table: str, years: Sequence[int] | None = None) -> Iterator[tuple[int, int, int, Path]]:
        """Scenario, run, year and path of the table's parts."""
        for s, name in enumerate(self.scenarios):
            for r, run in enumerate(self.runs[name]):
                for part in sorted(run.manifest["parts"]):
                    if part.split("/", 1)[0] == table:
                        year = int(part.rsplit("-", 1)[1].split(".")[0])
                        if years is None or year in years:
                            yield s, r, year, self.study.folder / part

    def read(self, path: Path, table: str, columns: Sequence[str]) -> pa.Table:
        """Some columns of one part."""
        with self.study.naming_damage([path]), pa.memory_map(str(path)) as file:
            found = pa.ipc.open_file(file).read_all()
            for column in columns:
                if column not in found.column_names:
                    raise Missing(table, column)
            return found.select(list(dict.fromkeys(columns))).unify_dictionaries()

    @cached_property
    def years(self) -> list[int]:
        """The years of the study, from its indicators."""
        return sorted({year for _, _, year, _ in self.files("kpi_month")})

    @cached_property
    def whole_year(self) -> int:
        """The last year in which the baseline has all twelve months; where there is none, the last year."""
        times = self.gather("kpi_month", {"n": Value("sum", ("value",), lambda value: value * 0 + 1)}, ())
        counts = dict.fromkeys(self.years, 0)
        for t, (year, _) in enumerate(times.times):
            counts[year] += bool(np.isfinite(times["n"][0, :, t]).any())
        whole = [year for year, count in counts.items() if count == WHOLE_YEAR]
        return whole[-1] if whole else self.years[-1]

    def gather(
        self,
        table: str,
        values: Mapping[str, Value],
        by: Sequence[str],
        *,
        years: Sequence[int] | None = None,
        step: str = "month",
        regroup: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Gathered:
        """The table's measures by scenario, run, time (`step` month or year) and the columns `by`; `regroup` joins labels of a column."""
        if table not in self.study.tables:
            raise Missing(table)
        files = list(self.files(table, years))
        if not files:
            raise Missing(table)
        words = self.study.describe().get(table, {})
        time = words.get("period", table.rsplit("_", 1)[-1])
        columns = [*(c for value in values.values() for c in value.columns), *by, time]

        def one(item: tuple[int, int, int, Path]) -> tuple[int, int, int, list[list[Any]], NDArray[np.int64], dict[str, Floats]]:
            s, r, year, path = item
            return s, r, year, *_cells(self.read(path, table, columns), time, step, by, values, regroup or {})

        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(one, files))
        return self._assemble(found, values, by, step)

    def _assemble(self, found: Sequence[Any], values: Mapping[str, Value], by: Sequence[str], step: str) -> Gathered:
        labels: list[list[Any]] = [[] for _ in by]
        place: list[dict[Any, int]] = [{} for _ in by]
        for *_, seen, _, _ in found:
            for axis, names in enumerate(seen):
                for name in names:
                    if name not in place[axis]:
                        place[axis][name] = len(labels[axis])
                        labels[axis].append(name)
        times = sorted({(year, int(month) + 1) for _, _, year, _, months, _ in found for month in months})
        row = {time: t for t, time in enumerate(times)}
        shape = (len(self.scenarios), self.most_runs, len(times), *(len(names) for names in labels))
        whole = {name: np.full(shape, np.nan) for name in values}
        for s, r, year, seen, months, arrays in found:
            picked = np.ix_(
                [row[year, int(month) + 1] for month in months], *([place[a][n] for n in names] for a, names in enumerate(seen))
            )
            for name, array in arrays.items():
                whole[name][s, r][picked] = array[months]
        return Gathered(whole, times, dict(zip(by, labels, strict=True)))


def _codes(column: pa.ChunkedArray, regroup: Mapping[str, str] | None) -> tuple[list[Any], NDArray[np.int64]]:
    """The labels of a column, and each row's place among them (−1: left out)."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    joined = column.combine_chunks()
    chunk = joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined
    names, codes = chunk.dictionary.to_pylist(), chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    if not regroup:
        return names, codes
    groups = list(dict.fromkeys(regroup[name] for name in names if name in regroup))
    to = np.array([groups.index(regroup[name]) if name in regroup else -1 for name in names] + [-1], np.int64)
    return groups, to[codes]


def _cells(
    table: pa.Table, time: str, step: str, by: Sequence[str], values: Mapping[str, Value], regroup: Mapping[str, Mapping[str, str]]
) -> tuple[list[list[Any]], NDArray[np.int64], dict[str, Floats]]:
    """Labels seen, months with rows (0 … 11; only 0 for years), and each measure as an array (12 or 1, *labels)."""
    if not table.num_rows:
        return (
            [[] for _ in by],
            np.zeros(0, np.int64),
            {name: np.zeros((12 if step == "month" else 1, *(0 for _ in by))) for name in values},
        )
    steps = 12 if step == "month" else 1
    stamps = np.zeros(table.num_rows, np.int64)
    if step == "month":
        stamps = table[time].to_numpy().astype("datetime64[M]").astype(np.int64) % 12
    seen, cell, keep = [], stamps, np.ones(table.num_rows, bool)
    for name in by:
        names, codes = _codes(table[name], regroup.get(name))
        seen.append(names)
        keep &= codes >= 0
        cell = cell * max(1, len(names)) + codes
    shape = (steps, *(len(names) for names in seen))
    size = int(np.prod(shape))
    arrays = {name: _joined(table, value, cell, keep, size).reshape(shape) for name, value in values.items()}
    return seen, np.unique(stamps[keep]), arrays


def _joined(table: pa.Table, value: Value, cell: NDArray[np.int64], keep: NDArray[np.bool_], size: int) -> Floats:
    given = [table[column] for column in value.columns]
    arrays = [(c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c).to_numpy() for c in given]
    numbers = np.asarray(value.of(*arrays) if value.of else arrays[0], np.float64)
    there = keep & np.isfinite(numbers)
    rows, numbers = cell[there], numbers[there]
    count = np.bincount(rows, minlength=size)
    if value.how == "max":
        joined = np.full(size, -np.inf)
        np.maximum.at(joined, rows, numbers)
    else:
        joined = np.bincount(rows, weights=numbers, minlength=size)
        if value.how == "mean":
            joined = joined / np.maximum(count, 1)
    return np.where(count > 0, joined, np.nan)


def column(name: str, how: str = "sum") -> Value:
    """The measure that a column is."""
    return Value(how, (name,))


def check_scenario(study: Study, name: str) -> None:
    """Refuse a baseline that has no complete run."""
    if name not in study.scenarios:
        raise InputError(f"{study.folder}: there is no complete run of a baseline {name!r}{did_you_mean(name, study.scenarios)}")
