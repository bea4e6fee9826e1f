"""Differences between the scenarios of a study, indicator by indicator, with what is luck and what is not known.

*Luck*: in world 0, replicate r of a scenario is paired with replicate r of the baseline; the 95 % interval of the mean difference is
Student's t over the pairs. *Not known*: where worlds were drawn, the range P10 … P90 of the worlds' mean differences. Reads Arrow and
JSON only.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.results.dataset import KpiInfo, RunRecord, Study, open_study
from alatau_sim.results.numbers import number, percent, screen_width

Run = tuple[int, int]  # world, replicate
Yearly = dict[tuple[str, int], dict[str, dict[Run, float]]]  # (KPI, year) → scenario → run → value


@dataclass(frozen=True)
class Change:
    """One indicator of one year in one scenario, beside the baseline; means are over the pairs of world 0.

    `low` and `high` bound the mean difference at 95 % (None with fewer than two pairs); `unknown_low` and `unknown_high` are P10 and
    P90 over `worlds` drawn worlds (None with fewer than two). The baseline's own rows have a mean and no difference.
    """

    kpi: str
    label: str
    unit: str
    theme: str
    better: str
    year: int
    months: int
    scenario: str
    mean: float | None
    baseline_mean: float | None
    difference: float | None
    low: float | None
    high: float | None
    relative: float | None
    pairs: int
    unknown_low: float | None
    unknown_high: float | None
    worlds: int
    verdict: str

    @property
    def differs(self) -> bool:
        """Whether any pair of runs differs, or cannot be compared: what a short comparison shows."""
        return self.verdict != "no difference" or bool(self.unknown_low) or bool(self.unknown_high)


@dataclass(frozen=True)
class Comparison:
    """All changes of a study against its baseline. `identical` lists scenarios whose every part is the baseline's, byte for byte."""

    study: str
    baseline: str
    scenarios: list[str]
    identical: list[str]
    changes: list[Change]
    notes: list[str]

    @property
    def years(self) -> list[int]:
        """The years with values, in order."""
        return sorted({change.year for change in self.changes})

    def of_year(self, year: int | None = None) -> list[Change]:
        """The changes of one year, by default the last."""
        wanted = (self.years[-1] if self.years else None) if year is None else year
        return [change for change in self.changes if change.year == wanted]

    def text(self, year: int | None = None, *, width: int | None = None, every: bool = False) -> str:
        """The comparison of one year (by default the last) for reading in a terminal.

        It shows the indicators that differ and counts the others; with `every`, it lists those below.
        """
        return _text(self, year, width or screen_width(), every)

    def json(self) -> str:
        """Everything as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    def csv(self) -> str:
        """All changes as CSV, one row an indicator, year and scenario."""
        target = io.StringIO()
        writer = csv.DictWriter(target, list(Change.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(change) for change in self.changes)
        return target.getvalue()


def compare(out: str | Path | Study, baseline: str | None = None) -> Comparison:
    """Compare every scenario of a study with the baseline: the one named, else `baseline`, else the first by name."""
    study = out if isinstance(out, Study) else open_study(out)
    yearly, months = yearly_values(study)
    scenarios = study.scenarios
    base = baseline or ("baseline" if "baseline" in scenarios else min(scenarios))
    if base not in scenarios:
        raise InputError(f"{study.folder}: there is no complete run of a baseline {base!r}{did_you_mean(base, scenarios)}")
    others = sorted(name for name in scenarios if name != base)
    infos = study.kpis()
    changes = [
        _change(infos[kpi], year, months.get(year, 0), name, values, base)
        for (kpi, year), values in sorted(yearly.items(), key=lambda item: (item[0][1], list(infos).index(item[0][0])))
        for name in [base, *others]
    ]
    identical = [name for name in others if same_bytes(study, name, base)]
    notes = _pair_notes(study, base, others)
    notes += [f"not counted: {run.name} ({run.problem})" for run in study.unfinished]
    notes += [f"{year} has {count} of its 12 months" for year, count in sorted(months.items()) if count < 12]
    return Comparison(study.folder.name, base, [base, *others], identical, changes, notes)


def yearly_values(study: Study) -> tuple[Yearly, dict[int, int]]:
    """Each indicator's value of each year in each run, made from its months as it declares, and the months recorded by year.

    Months without a value are left out; a year without any is absent.
    """
    infos = study.kpis()
    table = study.table("kpi_month")
    unknown = sorted(set(table["kpi"].unique().to_pylist()) - set(infos))
    if unknown:
        raise InputError(f"{study.folder}: kpis.json does not explain {unknown[0]!r}; run the study again with --force")
    table = table.set_column(table.schema.get_field_index("kpi"), "kpi", table["kpi"].cast(pa.string()))
    table = table.append_column("year", pc.call_function("year", [table["month"]]))
    spans = table.group_by("year").aggregate([("month", "count_distinct")])
    months = dict(zip(spans["year"].to_pylist(), spans["month_count_distinct"].to_pylist(), strict=True))
    keys = ["kpi", "year", "scenario", "world", "replicate"]
    # `last` needs the order of time, which the parts have; one thread keeps it
    grouped = table.filter(table["value"].is_valid()).group_by(keys, use_threads=False).aggregate(
        [("value", how) for how in ("sum", "mean", "last", "max")]
    )
    columns = {how: grouped[f"value_{how}"].to_pylist() for how in ("sum", "mean", "last", "max")}
    yearly: Yearly = {}
    for row, (kpi, year, scenario, world, replicate) in enumerate(zip(*(grouped[key].to_pylist() for key in keys), strict=True)):
        value = columns[infos[kpi].over_year][row]
        yearly.setdefault((kpi, year), {}).setdefault(scenario, {})[world, replicate] = value
    return yearly, months


def central_mean(runs: Mapping[Run, float]) -> float | None:
    """The mean over the replicates of world 0, or None where it has no value."""
    values = [value for (world, _), value in sorted(runs.items()) if world == 0]
    return math.fsum(values) / len(values) if values else None


def interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean of paired differences (Student 1908), or None with fewer than two."""
    n = len(differences)
    if n < 2:
        return None
    from scipy.special import stdtrit

    mean = math.fsum(differences) / n
    half = float(stdtrit(n - 1, 0.975)) * float(np.std(differences, ddof=1)) / math.sqrt(n)
    return mean - half, mean + half


def same_bytes(study: Study, one: str, other: str) -> bool:
    """Whether the runs that both scenarios have (same world and replicate) wrote the same parts with the same hashes."""

    def hashes(scenario: str) -> dict[Run, dict[str, str]]:
        runs = [run for run in study.runs if run.scenario == scenario]
        return {(run.world, run.replicate): _hashes(run) for run in runs}

    ours, theirs = hashes(one), hashes(other)
    shared = set(ours) & set(theirs)
    return bool(shared) and all(ours[run] == theirs[run] for run in shared)


def _hashes(run: RunRecord) -> dict[str, str]:
    """Hash by table and year's part: the part's path without the run's own folders."""
    return {f"{path.split('/')[0]}/{path.split('/')[-1]}": part["sha256"] for path, part in run.manifest["parts"].items()}


def _change(info: KpiInfo, year: int, months: int, name: str, values: Mapping[str, Mapping[Run, float]], base: str) -> Change:
    ours, theirs = values.get(name, {}), values.get(base, {})
    pairs = sorted(run for run in ours if run in theirs and run[0] == 0)
    differences = [ours[run] - theirs[run] for run in pairs]
    same = name == base
    worlds = {} if same else _world_differences(ours, theirs)
    spread = np.quantile(list(worlds.values()), [0.1, 0.9]) if len(worlds) >= 2 else (None, None)
    mean = central_mean({run: ours[run] for run in pairs}) if pairs else central_mean(ours)
    base_mean = central_mean({run: theirs[run] for run in pairs}) if pairs else central_mean(theirs)
    difference = math.fsum(differences) / len(differences) if differences and not same else None
    bounds = interval(differences) if not same else None
    low, high = bounds or (None, None)
    return Change(
        info.name, info.label, info.unit, info.theme, info.better, year, months, name, mean, base_mean, difference, low, high,
        relative=difference / abs(base_mean) if difference is not None and base_mean else None,
        pairs=len(pairs),
        unknown_low=None if spread[0] is None else float(spread[0]),
        unknown_high=None if spread[1] is None else float(spread[1]),
        worlds=len(worlds),
        verdict="baseline" if same else _verdict(info.better, differences, difference, bounds),
    )


def _world_differences(ours: Mapping[Run, float], theirs: Mapping[Run, float]) -> dict[int, float]:
    """The mean paired difference of each drawn world (1, 2, …)."""
    by_world: dict[int, list[float]] = {}
    for (world, replicate), value in sorted(ours.items()):
        if world > 0 and (world, replicate) in theirs:
            by_world.setdefault(world, []).append(value - theirs[world, replicate])
    return {world: math.fsum(found) / len(found) for world, found in by_world.items()}


def _verdict(better: str, differences: Sequence[float], difference: float | None, bounds: tuple[float, float] | None) -> str:
    if difference is None:
        return "no pairs"
    if not any(differences):
        return "no difference"
    if bounds is not None and bounds[0] <= 0 <= bounds[1]:
        return "not clear"
    direction = "higher" if difference > 0 else "lower"
    word = direction if better == "neither" else "better" if direction == better else "worse"
    return word if bounds is not None else f"{word} (one pair: no interval)"


def _pair_notes(study: Study, base: str, others: Sequence[str]) -> list[str]:
    runs = {name: {(r.world, r.replicate) for r in study.runs if r.scenario == name} for name in [base, *others]}
    notes = []
    for name in others:
        alone = sorted(runs[name] ^ runs[base])
        if alone:
            listed = ", ".join(f"world {world} replicate {replicate}" for world, replicate in alone[:6])
            notes.append(f"{name} and {base}: without a partner, so left out: {listed}{' …' if len(alone) > 6 else ''}")
    return notes


def _text(comparison: Comparison, year: int | None, width: int, every: bool) -> str:
    from rich.console import Console

    target = io.StringIO()
    # wider than any table: a number is never cut or folded; a narrow terminal folds the line itself
    console = Console(file=target, width=1000, color_system=None, highlight=False, markup=False, emoji=False)
    found = comparison.of_year(year)
    if not found:
        return f"{comparison.study}: no indicator has a value in {year}; years: {', '.join(map(str, comparison.years))}\n"
    for name in comparison.scenarios[1:] or comparison.scenarios:
        rows = [change for change in found if change.scenario == name]
        if name in comparison.identical:
            console.print(f"{name} against {comparison.baseline}: identical, byte for byte", soft_wrap=True)
            continue
        alone = name == comparison.baseline
        title = name if alone else f"{name} against {comparison.baseline}"
        console.print(f"{title}, {_of_years(comparison, rows[0].year)}", soft_wrap=True)
        changed, same = [row for row in rows if alone or row.differs], [row for row in rows if not (alone or row.differs)]
        shown = [*changed, *same] if every else changed
        if shown:
            console.print(_table(shown, comparison.baseline, width))
        if changed and not alone:
            console.print(_legend(changed), soft_wrap=True)
        if same and not every:
            console.print(f"{len(same)} of {len(rows)} indicators do not differ; `compare --all` lists them", soft_wrap=True)
        console.print()
    for note in comparison.notes:
        console.print(note, soft_wrap=True)
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()).strip("\n") + "\n"


def _of_years(comparison: Comparison, year: int) -> str:
    """The year, and which others there are."""
    others = ", ".join(str(other) for other in comparison.years if other != year)
    return f"{year} (`compare --year` shows {others})" if others else str(year)


def _table(rows: Sequence[Change], baseline: str, width: int) -> Any:
    """A rich table of one scenario's changes; columns that say nothing here, or do not fit, are left out."""
    from rich.table import Table

    name = rows[0].scenario
    columns: list[tuple[str, Callable[[Change], str]]] = [(name, lambda change: number(change.mean))]
    if name != baseline:
        columns.insert(0, (baseline, lambda change: number(change.baseline_mean)))
        columns.append(("difference", lambda change: number(change.difference, sign=True)))
        if width >= 110:
            columns.append(("relative", lambda change: percent(change.relative)))
        if any(change.pairs >= 2 for change in rows):
            columns.append(("95 % interval", lambda change: _bounds(change.low, change.high)))
        if any(change.worlds >= 2 for change in rows):
            columns.append(("P10 … P90", lambda change: _bounds(change.unknown_low, change.unknown_high)))
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("indicator", overflow="fold", max_width=max(20, width - 100))
    table.add_column("unit", no_wrap=True)
    for heading, _ in columns:
        table.add_column(heading, justify="right")
    if name != baseline:
        table.add_column("verdict")
    for change in map(_readable, rows):
        # that there is one pair only is said once, below the table
        verdict = [] if name == baseline else [change.verdict.partition(" (")[0]]
        table.add_row(change.label, change.unit, *(word(change) for _, word in columns), *verdict)
    return table


def _readable(change: Change) -> Change:
    """The change with large sums of money in millions."""
    if change.unit != "KZT" or max(abs(change.mean or 0.0), abs(change.baseline_mean or 0.0)) < 1e7:
        return change
    scaled = ("mean", "baseline_mean", "difference", "low", "high", "unknown_low", "unknown_high")
    values: dict[str, Any] = {name: getattr(change, name) for name in scaled}
    millions: dict[str, Any] = {name: None if value is None else value / 1e6 for name, value in values.items()}
    return replace(change, unit="million KZT", **millions)


def _bounds(low: float | None, high: float | None) -> str:
    return "–" if low is None else f"{number(low, sign=True)} … {number(high, sign=True)}"


def _legend(rows: Sequence[Change]) -> str:
    """What the columns of bounds mean, and what they do not say."""
    pairs, worlds = max(row.pairs for row in rows), max(row.worlds for row in rows)
    luck = f"95 % interval: luck, by Student's t over {pairs} pairs of replicates" if pairs > 1 else (
        "one pair: no interval of luck; `run -r 8` makes eight"
    )
    lines = [f"{luck}; not clear: it holds 0" if any(row.verdict == "not clear" for row in rows) else luck]
    if worlds >= 2:
        few = " (few: read it as a first hint)" if worlds < 10 else ""
        lines.append(f"P10 … P90: what is not known, over {worlds} worlds{few}")
    return "\n".join(lines)
