"""Indicators by year: the months of every run, read once, made into years as each indicator declares, and aligned between runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alatau_sim.errors import InputError
from alatau_sim.results.dataset import KpiInfo, Study
from alatau_sim.results.rows import months_of

Run = tuple[int, int]  # world, replicate
Yearly = dict[tuple[str, int], dict[str, dict[Run, float]]]  # (KPI, year) → scenario → run → value
Months = NDArray[np.bool_]  # of a year, January first


@dataclass(frozen=True)
class YearOfRuns:
    """One calendar year of every run that reaches it.

    `values` is (runs, indicators, 12), NaN where an indicator has no value; `recorded` is (runs, 12): the months that a run has closed.
    """

    year: int
    kpis: tuple[KpiInfo, ...]
    scenarios: tuple[str, ...]
    runs: tuple[Run, ...]
    values: NDArray[np.float64]
    recorded: NDArray[np.bool_]

    def rows(self, scenario: str) -> list[int]:
        """The rows of a scenario's runs."""
        return [row for row, name in enumerate(self.scenarios) if name == scenario]

    def months(self, rows: Sequence[int]) -> Months:
        """The months that all of these runs have recorded."""
        return np.asarray(self.recorded[rows].all(axis=0)) if len(rows) else np.zeros(12, np.bool_)

    def made(self, rows: Sequence[int], months: Months | None = None) -> NDArray[np.float64]:
        """The year's value of each indicator in these runs, from the given months (all, unless given): (runs, indicators).

        Months without a value are left out; an indicator without any is NaN.
        """
        found = self.values[rows] if months is None else self.values[rows][:, :, months]
        valid = ~np.isnan(found)
        count = valid.sum(axis=2)
        out = np.full(found.shape[:2], np.nan)
        some = count > 0
        how = np.array([info.over_year for info in self.kpis])
        sums = np.where(valid, found, 0.0).sum(axis=2)
        most = np.where(valid, found, -np.inf).max(axis=2, initial=-np.inf)
        # the last month with a value: the first from behind
        last = found.shape[2] - 1 - np.argmax(valid[:, :, ::-1], axis=2) if found.shape[2] else np.zeros(found.shape[:2], np.int64)
        ends = np.take_along_axis(found, last[:, :, None], axis=2)[:, :, 0] if found.shape[2] else out
        for name, made in (("sum", sums), ("mean", sums / np.maximum(count, 1)), ("max", most), ("last", ends)):
            chosen = some & (how == name)
            out[chosen] = made[chosen]
        return out


def years_of(study: Study) -> Iterator[YearOfRuns]:
    """Every calendar year with values, in order; each file is read once, and one year is in memory at a time."""
    infos = study.kpis()
    places = {name: place for place, name in enumerate(infos)}
    by_year: dict[int, list[tuple[str, Run, Path]]] = {}
    files = study.files("kpi_month")
    of_run = {(run.scenario, run.world, run.replicate): run for run in study.runs}
    with study.naming_damage(files, ValueError):
        for path in files:
            scenario, world, replicate = (part.split("=", 1)[1] for part in path.parts[-4:-1])
            run = of_run[scenario, int(world), int(replicate)]
            by_year.setdefault(int(path.stem.removeprefix("part-")), []).append((run.scenario, (run.world, run.replicate), path))
        for year, parts in sorted(by_year.items()):
            values = np.full((len(parts), len(infos), 12), np.nan)
            recorded = np.zeros((len(parts), 12), np.bool_)
            for row, (_, _, path) in enumerate(parts):
                _read_part(study, path, places, values[row], recorded[row])
            yield YearOfRuns(year, tuple(infos.values()), tuple(p[0] for p in parts), tuple(p[1] for p in parts), values, recorded)


def _read_part(study: Study, path: Path, places: Mapping[str, int], values: NDArray[np.float64], recorded: Months) -> None:
    """Put one run's year into its row."""
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
        months = months_of(table["month"])
        recorded[months] = True
        for start, kpi in zip(_starts(table["kpi"]), table["kpi"].chunks, strict=True):
            names = kpi.dictionary.to_pylist()
            codes = kpi.indices.to_numpy()
            unknown = sorted({names[code] for code in np.unique(codes)} - set(places))
            if unknown:
                raise InputError(f"{study.folder}: kpis.json does not explain {unknown[0]!r}; run the study again with --force")
            where = np.array([places.get(name, -1) for name in names], np.int64)[codes]
            end = start + len(codes)
            values[where, months[start:end]] = table["value"].slice(start, len(codes)).to_numpy()


def _starts(column: pa.ChunkedArray) -> list[int]:
    ends = np.cumsum([len(chunk) for chunk in column.chunks], dtype=np.int64)
    return [int(end) - len(chunk) for end, chunk in zip(ends, column.chunks, strict=True)]


def yearly_values(study: Study) -> tuple[Yearly, dict[int, int]]:
    """Each indicator's value of each year in each run, made from its months as it declares, and the months recorded by year.

    Months without a value are left out; a year without any is absent.
    """
    yearly: Yearly = {}
    months: dict[int, int] = {}
    for year in years_of(study):
        months[year.year] = int(year.recorded.any(axis=0).sum())
        made = year.made(range(len(year.runs)))
        for column, info in enumerate(year.kpis):
            for row in np.flatnonzero(~np.isnan(made[:, column])):
                found = yearly.setdefault((info.name, year.year), {}).setdefault(year.scenarios[row], {})
                found[year.runs[row]] = float(made[row, column])
    return yearly, months


def central_mean(runs: Mapping[Run, float]) -> float | None:
    """The mean over the replicates of world 0, or None where it has no value."""
    values = [value for (world, _), value in sorted(runs.items()) if world == 0]
    return math.fsum(values) / len(values) if values else None
