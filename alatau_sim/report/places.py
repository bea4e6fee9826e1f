"""Districts, building sites, sectors, anchor projects and wallets: tables added up by a label, over time or at a year's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.report import charts
from alatau_sim.report.cube import Cube, band, mean_of
from alatau_sim.report.indicators import Context, over_year, stamps
from alatau_sim.report.page import Control, Figure, Note, Panel, Table
from alatau_sim.report.read import Gathered, Missing, column

Floats = NDArray[np.float64]
GROWTH = (("residents", "people_month", "people"), ("dwellings", "homes_month", "dwellings"), ("filled", "jobs_month", "jobs"))
OPEN_STAGES = ("announced", "permit", "waiting", "building")
STATES = ("users", "trying", "dropped", "aware", "unaware")


def in_time(ctx: Context, found: Gathered, name: str, how: str = "last") -> tuple[list[tuple[int, int]], Floats]:
    """The measure by month, or in long studies by year: (scenario, run, time, …)."""
    if not ctx.yearly:
        return found.times, found[name]
    years = sorted({year for year, _ in found.times})
    rows = [[t for t, (year, _) in enumerate(found.times) if year == one] for one in years]
    return [(year, 0) for year in years], np.stack([over_year(np.moveaxis(found[name][:, :, r], 2, -1), how) for r in rows], axis=2)


def districts_of(ctx: Context) -> dict[str, str]:
    """District by zone; empty without a map."""
    zones = ctx.source.zones
    return {} if zones is None else dict(zip(zones["zone"].to_pylist(), zones["district"].to_pylist(), strict=True))


def district_growth(ctx: Context, districts: Mapping[str, str]) -> list[Figure | Table | Note]:
    """Residents, dwellings and jobs of each district over time, and from the first to the last."""
    words, made, notes = ctx.words, {}, []
    if not districts:
        return [Note(words("missing_map"), "missing")]
    names: list[str] = list(dict.fromkeys(districts.values()))
    times: list[tuple[int, int]] = []
    for measure, table, _ in GROWTH:
        try:
            found = ctx.source.gather(table, {measure: column(measure)}, ["zone"], regroup={"zone": districts})
        except Missing as missing:
            notes.append(Note(words("missing_table", table=missing.table), "missing"))
            continue
        times, values = in_time(ctx, found, measure)
        order = [found.labels["zone"].index(name) if name in found.labels["zone"] else -1 for name in names]
        there = np.concatenate([values, np.full((*values.shape[:3], 1), np.nan)], axis=3)[..., order]
        made[words.map(measure)] = {m: np.moveaxis(a, 2, 0) for m, a in band(there).items()}  # district, scenario, time
    if not made:
        return [*notes]
    labels = [words.district(name) for name in names]
    measures = {m: np.stack([one[m] for one in made.values()], axis=1) for m in ("mean", "low", "high")}  # district, map, scenario, time
    cube = Cube({"district": labels, "map": list(made), "scenario": ctx.labels, "time": stamps(times)}, measures)
    spec = charts.time_band(words, ctx.legend, len(times), yearly=ctx.yearly)
    figure = Figure(
        "districts",
        words("f_districts"),
        words("x_districts"),
        words("f_districts"),
        cube,
        [Panel(label, spec, {"district": label}) for label in labels],
        [Control("map", words("indicator"))],
        ctx.legend,
        ctx.note,
    )
    return [figure, _growth_table(ctx, cube, times), *notes]


def _growth_table(ctx: Context, cube: Cube, times: Sequence[tuple[int, int]]) -> Table:
    words, mean, rows = ctx.words, cube.measures["mean"], []
    for m, measure in enumerate(cube.axes["map"]):
        for d, district in enumerate(cube.axes["district"]):
            for s, label in enumerate(ctx.labels):
                first, last = mean[d, m, s, 0], mean[d, m, s, -1]
                change = last / first - 1 if first else None
                rows.append(
                    [measure, district, label, *(words.number(float(np.rint(n))) for n in (first, last)), words.percent(change, sign=True)]
                )
    head = [words("indicator"), words("district"), words("scenario"), words.month(times[0]), words.month(times[-1]), words("change")]
    return Table(words("table"), head, rows, left=(0, 1, 2), folded=True)


def _stack_figure(
    ctx: Context, name: str, axis: str, labels: Sequence[str], values: Floats, times: Sequence[tuple[int, int]], unit: str
) -> Figure:
    """Areas by label over time, one panel a scenario: values (scenario, label, time)."""
    words = ctx.words
    shown = [words.category(label) for label in labels]
    legend = charts.palette(shown, charts.CATEGORIES, ())
    cube = Cube({"scenario": ctx.labels, axis: shown, "time": stamps(times)}, {"mean": values})
    spec = charts.stack(words, axis, words(axis), legend, len(times), hours=False, yearly=ctx.yearly)
    panels = [Panel(f"{label}, {unit}", spec, {"scenario": label}) for label in ctx.labels]
    return Figure(name, words(f"f_{name}"), words(f"x_{name}"), words(f"f_{name}"), cube, panels, (), legend)


def works_figure(ctx: Context) -> list[Figure | Note]:
    """Dwellings at building sites by stage."""
    found = ctx.source.gather("works_month", {"n": column("dwellings")}, ["stage"])
    times, values = in_time(ctx, found, "n")
    stages = [stage for stage in OPEN_STAGES if stage in found.labels["stage"]]
    order = [found.labels["stage"].index(stage) for stage in stages]
    made = np.moveaxis(mean_of(np.nan_to_num(values[..., order]))["mean"], 1, 2)
    if not made.size or not made.any():
        return [Note(f"{ctx.words('f_works')}: {ctx.words('nothing_here')}")]
    return [_stack_figure(ctx, "works", "stage", stages, made, times, ctx.words.unit("dwellings"))]


def wallets_figure(ctx: Context) -> list[Figure]:
    """Adults by what they do with the wallet."""
    found = ctx.source.gather("wallets_month", {state: column(state) for state in STATES}, [])
    made = []
    for state in STATES:
        times, values = in_time(ctx, found, state)
        made.append(mean_of(values)["mean"])
    return [_stack_figure(ctx, "wallets", "state", STATES, np.stack(made, axis=1), times, ctx.words.unit("people"))]


def sectors_figure(ctx: Context) -> list[Figure]:
    """Filled jobs by sector as the year ends."""
    words, year = ctx.words, ctx.source.whole_year
    found = ctx.source.gather("firms_month", {"filled": column("filled")}, ["sector"], years=[year])
    made = band(np.nan_to_num(found["filled"][:, :, -1], nan=0.0))
    order = np.argsort(-made["mean"][0], kind="stable")
    names = [words.category(found.labels["sector"][k]) for k in order]
    cube = Cube({"sector": names, "scenario": ctx.labels}, {name: array[:, order].T for name, array in made.items()})
    spec = charts.bars(words, "sector", words("sector"), names, ctx.legend, words.unit("jobs"))
    return [
        Figure(
            "sectors",
            words("f_sectors"),
            words("x_sectors", year=year),
            words("f_sectors"),
            cube,
            [Panel(words.unit("jobs"), spec)],
            (),
            ctx.legend,
            wide=True,
        )
    ]


def anchors_table(ctx: Context) -> Table:
    """The anchor projects: zone, jobs, and the first month in operation of each scenario (first run)."""
    words = ctx.words
    if "anchors_month" not in ctx.source.study.tables:
        raise Missing("anchors_month")
    opened: dict[tuple[str, int], Any] = {}
    about: dict[str, tuple[str, int]] = {}
    for s, r, _, path in ctx.source.files("anchors_month"):
        if r:
            continue
        for row in ctx.source.read(path, "anchors_month", ["month", "anchor", "zone", "stage", "jobs"]).to_pylist():
            about[row["anchor"]] = (str(row["zone"]), max(int(row["jobs"]), about.get(row["anchor"], ("", 0))[1]))
            if row["stage"] == "operating":
                opened.setdefault((row["anchor"], s), row["month"])
    last = ctx.source.years[-1]

    def when(anchor: str, s: int) -> str:
        month = opened.get((anchor, s))
        return words.month((month.year, month.month)) if month is not None else words("not_yet", year=last)

    rows = [
        [anchor, zone, words.number(jobs), *(when(anchor, s) for s in range(len(ctx.labels)))] for anchor, (zone, jobs) in about.items()
    ]
    head = [words("project"), words("zone"), words("jobs"), *(f"{words('opens')}: {label}" for label in ctx.labels)]
    return Table(words("f_anchors"), head, rows, left=(0, 1, *range(3, len(head))), folded=True)
