"""Indicators over time with bands, and the headline: what differs from the baseline and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.report import charts
from alatau_sim.report.cube import Cube, band, known
from alatau_sim.report.page import Figure, Note, Panel, Table
from alatau_sim.report.read import Source, Value, column
from alatau_sim.report.words import Words
from alatau_sim.results.compare import Change, Comparison

Floats = NDArray[np.float64]
MOST_MONTHS = 72  # longer studies are drawn by year
MOST_HEADLINES = 10
EDGE = 200.0  # relative changes beyond are drawn at the edge, with their number beside
HEADLINES = (
    "population",
    "employed",
    "unemployment",
    "household_income",
    "dwellings",
    "vacancy",
    "home_rent",
    "homes_completed",
    "jobs",
    "firms",
    "revenue",
    "tax_revenue",
    "taxes_to_city_budget",
    "electricity_wanted",
    "peak_load",
    "electricity_unserved",
    "outage_hours_per_home",
    "electricity_bill",
    "transit_share",
    "boardings",
    "transit_wait",
    "left_behind",
    "trip_minutes",
    "cars_per_1000",
    "fares",
    "wallet_user_share",
    "crypto_payment_share",
    "crypto_shop_share",
    "payments_value",
    "lost_sales",
    "crypto_wait",
    "turned_away",
    "arrivals",
    "departures",
)


@dataclass
class Context:
    """What every section works with: the study, the words, the comparison, scenarios' labels, and what the caller says of parameters."""

    source: Source
    words: Words
    comparison: Comparison
    labels: list[str]
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def legend(self) -> charts.Legend:
        """Label, colour and dash of each scenario."""
        return charts.palette(self.labels)

    @property
    def note(self) -> str:
        """What the bands are."""
        runs = self.source.most_runs
        return self.words("band", runs=runs) if runs > 1 else self.words("no_band")

    def label(self, scenario: str) -> str:
        """The scenario's label by its name."""
        return self.labels[self.source.scenarios.index(scenario)]

    @cached_property
    def series(self) -> tuple[list[tuple[int, int]], list[str], Floats]:
        """Times (month 0: a year), indicators, and values (scenario, run, time, indicator): months, in long studies years."""
        found = self.source.gather("kpi_month", {"value": column("value")}, ["kpi"])
        names, values = found.labels["kpi"], found["value"]
        if len(found.times) <= MOST_MONTHS:
            return found.times, names, values
        infos = self.source.study.kpis()
        years = sorted({year for year, _ in found.times})
        rows = [[t for t, (year, _) in enumerate(found.times) if year == one] for one in years]
        parts = [
            [over_year(values[:, :, picked, k], infos[name].over_year if name in infos else "last") for k, name in enumerate(names)]
            for picked in rows
        ]
        return [(year, 0) for year in years], names, np.stack([np.stack(part, axis=-1) for part in parts], axis=2)

    @property
    def yearly(self) -> bool:
        """Whether time is drawn in years."""
        return self.series[0][0][1] == 0


def over_year(values: Floats, how: str) -> Floats:
    """Months (the last axis) made a year, as the indicator declares; months without a value are left out."""
    known = np.isfinite(values)
    any_known = known.any(axis=-1)
    if how == "last":
        last = values.shape[-1] - 1 - np.argmax(known[..., ::-1], axis=-1)
        made = np.take_along_axis(values, last[..., None], axis=-1)[..., 0]
    elif how == "max":
        made = np.where(known, values, -np.inf).max(axis=-1)
    else:
        made = np.where(known, values, 0.0).sum(axis=-1)
        made = made / np.maximum(known.sum(axis=-1), 1) if how == "mean" else made
    return np.where(any_known, made, np.nan)


def stamps(times: Sequence[tuple[int, int]]) -> list[str]:
    """Times as charts read them: the first day as yyyy/mm/dd, which every browser takes for local time."""
    return [f"{year}/{max(month, 1):02}/01" for year, month in times]


def scaled(unit: str, top: float) -> tuple[float, str]:
    """A factor and unit that keep numbers short: money in millions or billions, shares in per cent."""
    if unit == "share":
        return 100.0, "share"
    for base, larger in (("KZT", ((2e9, 1e-9, "billion KZT"), (2e6, 1e-6, "million KZT"))), ("MWh", ((2e4, 1e-3, "GWh"),))):
        for least, factor, name in larger:
            if unit == base and top > least:
                return factor, name
    return 1.0, unit


def titled(label: str, unit: str) -> str:
    """A panel's title with its unit, unless the label says it."""
    return f"{label}, {unit}" if unit and unit.lower() not in label.lower().replace(",", " ").split() else label


def rises_from_zero(made: Mapping[str, Floats]) -> bool:
    """Whether an axis should begin at zero: it would nearly do so anyway."""
    if not known(made["low"]).size:
        return True
    low, high = known(made["low"]).min(), known(made["high"]).max()
    return bool(low >= 0 and low < 0.6 * high)


def kpi_figure(ctx: Context, name: str, kpis: Sequence[str], *, title: str = "", text: str = "") -> Figure | Note:
    """Panels of indicators over time, by scenario; what was not recorded is left out."""
    times, names, values = ctx.series
    infos = ctx.source.study.kpis()
    shown = [kpi for kpi in kpis if kpi in names and np.isfinite(values[..., names.index(kpi)]).any()]
    title = title or ctx.words(f"f_{name}")
    if not shown:
        return Note(f"{title}: {ctx.words('missing_kpis')}", "missing")
    panels, made = [], []
    for kpi in shown:
        runs = values[..., names.index(kpi)]
        factor, unit = scaled(infos[kpi].unit, float(np.abs(known(runs)).max()))
        one = band(runs * factor)
        made.append(one)
        spec = charts.time_band(ctx.words, ctx.legend, len(times), yearly=ctx.yearly, zero=rises_from_zero(one))
        panels.append(Panel(titled(ctx.words.kpi(kpi, infos[kpi].label), ctx.words.unit(unit)), spec, {"kpi": kpi}))
    measures = {measure: np.stack([one[measure] for one in made]) for measure in ("mean", "low", "high")}
    cube = Cube({"kpi": shown, "scenario": ctx.labels, "time": stamps(times)}, measures)
    about = f"{title}: {', '.join(panel.title for panel in panels)}"
    return Figure(name, title, text or ctx.words(f"x_{name}"), about, cube, panels, legend=ctx.legend, note=ctx.note)


def headline(ctx: Context) -> list[Figure | Table | Note]:
    """What differs, in a chart, sentences and tables, of the last whole year."""
    words, year = ctx.words, ctx.source.whole_year
    rows = ctx.comparison.of_year(year)
    blocks: list[Figure | Table | Note] = []
    if rows and rows[0].months < 12:
        blocks.append(Note(words("x_partial", year=year), "missing"))
    others = ctx.source.scenarios[1:]
    if not others:
        return [*blocks, _values_table(ctx, rows, year), _all_table(ctx, rows, year)]
    largest = {name: _largest([row for row in rows if row.scenario == name]) for name in others}
    for name in others:
        blocks.append(_finding(ctx, name, largest[name]))
    if any(largest.values()):
        blocks.append(_forest(ctx, largest, year))
    if ctx.source.most_runs < 2:
        blocks.append(Note(words("x_one_pair"), "missing"))
    blocks += [_difference_table(ctx, ctx.label(name), largest[name]) for name in others if largest[name]]
    return [*blocks, _all_table(ctx, rows, year)]


def _clear(change: Change) -> bool:
    return change.low is not None and not change.verdict.startswith(("not clear", "no "))


def _largest(rows: Sequence[Change]) -> list[Change]:
    """The main indicators with the largest relative differences, the clear ones first."""
    found = [row for row in rows if row.kpi in HEADLINES and row.differs and row.relative and not row.slight]
    found.sort(key=lambda row: (not _clear(row), -abs(row.relative or 0)))
    return found[:MOST_HEADLINES]


def _finding(ctx: Context, name: str, rows: Sequence[Change]) -> Note:
    words = ctx.words
    if name in ctx.comparison.identical:
        return Note(words("identical"), "finding", f"{ctx.label(name)}:")
    parts = []
    for row in ([row for row in rows if _clear(row)] or list(rows))[:4]:
        text = f"{words.kpi(row.kpi, row.label)} {words.percent(row.relative, sign=True, digits=2)}"
        if row.low is not None and row.high is not None and row.baseline_mean:
            low, high = (words.percent(bound / abs(row.baseline_mean), sign=True, digits=2) for bound in (row.low, row.high))
            text += f" ({low} … {high})"
        parts.append(text)
    return Note("; ".join(parts) + "." if parts else words("small_only"), "finding", f"{ctx.label(name)}:")


def _forest(ctx: Context, largest: Mapping[str, Sequence[Change]], year: int) -> Figure:
    words, scenarios = ctx.words, [name for name, rows in largest.items() if rows]
    kpis = list(dict.fromkeys(words.kpi(row.kpi, row.label) for name in scenarios for row in largest[name]))
    measures = {name: np.full((len(scenarios), len(kpis)), np.nan) for name in ("mean", "at", "low", "high")}
    panels = []
    for s, name in enumerate(scenarios):
        for row in largest[name]:
            k, base = kpis.index(words.kpi(row.kpi, row.label)), abs(row.baseline_mean or 1.0)
            mean = 100 * (row.difference or 0.0) / base
            low, high = (100 * bound / base if bound is not None else mean for bound in (row.low, row.high))
            for measure, value in (
                ("mean", mean),
                *((m, min(max(v, -EDGE), EDGE)) for m, v in (("at", mean), ("low", low), ("high", high))),
            ):
                measures[measure][s, k] = value
        order = [words.kpi(row.kpi, row.label) for row in largest[name]]
        panels.append(Panel(ctx.label(name), charts.forest(words, order, ctx.legend), {"scenario": ctx.label(name)}))
    cube = Cube({"scenario": [ctx.label(name) for name in scenarios], "kpi": kpis}, measures)
    return Figure("headline", words("f_headline"), words("x_short", year=year), words("f_headline"), cube, panels)


def _kind(change: Change) -> str:
    word = change.verdict.split(" ")[0]
    return word if word in ("better", "worse") else ""


def _numbers(ctx: Context, row: Change, *, wide: bool) -> list[str]:
    words = ctx.words
    top = max(abs(row.mean or 0.0), abs(row.baseline_mean or 0.0))
    factor, unit = scaled(row.unit, top)

    def shown(value: float | None, sign: bool = False) -> str:
        return words.number(None if value is None else value * factor, sign=sign)

    cells = [
        titled(words.kpi(row.kpi, row.label), words.unit(unit)),
        shown(row.baseline_mean),
        shown(row.mean),
        shown(row.difference, True),
        _bounds(shown, row.low, row.high),
        words.percent(row.relative, sign=True),
    ]
    if wide and any(change.worlds >= 2 for change in ctx.comparison.changes):
        cells.append(_bounds(shown, row.unknown_low, row.unknown_high))
    return [*cells, words.verdict(row.verdict)]


def _bounds(shown: Any, low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{shown(low, True)} … {shown(high, True)}"


def _difference_head(ctx: Context, label: str = "", *, wide: bool) -> list[str]:
    words = ctx.words
    unknown = [words("unknown")] if wide and any(change.worlds >= 2 for change in ctx.comparison.changes) else []
    return [
        words("indicator"),
        ctx.labels[0],
        label or words("scenario"),
        words("difference"),
        words("interval"),
        words("relative"),
        *unknown,
        words("verdict"),
    ]


def _difference_table(ctx: Context, title: str, rows: Sequence[Change]) -> Table:
    head = _difference_head(ctx, title, wide=False)
    marks = {(i, len(head) - 1): _kind(row) for i, row in enumerate(rows) if _kind(row)}
    return Table(
        title, head, [_numbers(ctx, row, wide=False) for row in rows], left=(0, len(head) - 1), marks=marks, folded=len(ctx.labels) > 2
    )


def _values_table(ctx: Context, rows: Sequence[Change], year: int) -> Table:
    words, kept = ctx.words, [row for row in rows if row.kpi in HEADLINES]
    cells = []
    for row in kept:
        factor, unit = scaled(row.unit, abs(row.mean or 0.0))
        cells.append(
            [titled(words.kpi(row.kpi, row.label), words.unit(unit)), words.number(None if row.mean is None else row.mean * factor)]
        )
    return Table(f"{ctx.labels[0]}, {year}", [words("indicator"), words("mean")], cells)


def _all_table(ctx: Context, rows: Sequence[Change], year: int) -> Table:
    words, shown = ctx.words, [row for row in rows if row.scenario != ctx.source.baseline]
    evidence = any(row.founded_share is not None for row in rows)
    if not shown:
        return Table(
            words("all_kpis", year=year),
            [words("indicator"), words("mean")],
            [_numbers(ctx, row, wide=False)[:2] for row in rows],
            folded=True,
        )
    cells = []
    for row in shown:
        founded = [words.percent(row.founded_share, digits=2)] if evidence else []
        cells.append([ctx.label(row.scenario), *_numbers(ctx, row, wide=True), *founded])
    head = [words("scenario"), *_difference_head(ctx, wide=True), *([words("founded")] if evidence else [])]
    marks = {(i, len(head) - 1 - evidence): _kind(row) for i, row in enumerate(shown) if _kind(row)}
    return Table(words("all_kpis", year=year), head, cells, left=(0, 1, len(head) - 1 - evidence), folded=True, marks=marks)


def value(how: str, columns: Sequence[str], of: Any = None) -> Value:
    """A measure made from columns."""
    return Value(how, tuple(columns), of)
