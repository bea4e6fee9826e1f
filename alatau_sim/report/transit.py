"""Buses: waits and full vehicles, the load along each line, and each line by month."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from alatau_sim.report import charts
from alatau_sim.report.cube import Cube, band, mean_of
from alatau_sim.report.indicators import Context, over_year, rises_from_zero, stamps
from alatau_sim.report.page import Control, Figure, Panel, Table
from alatau_sim.report.read import Missing, column

Floats = NDArray[np.float64]
COUNTS = ("boardings", "left", "departures", "cancelled")


def _places(ctx: Context) -> dict[str, float]:
    """Places in a vehicle of each line, from the baseline's resolved scenario."""
    records = ctx.source.resolved(ctx.source.baseline).get("lines", [])
    return {str(one["line"]): float(one["capacity"]) for one in records if isinstance(one, Mapping) and "capacity" in one and "line" in one}


def _stops(ctx: Context, year: int) -> dict[tuple[str, int, int], str]:
    """The zone's name by line, direction and position, from one part of each scenario."""
    names, found, keys = ctx.source.zone_names, {}, ["line", "direction", "position", "zone"]
    for _, r, _, path in ctx.source.files("line_loads_profile_month", [year]):
        if r == 0:
            table = ctx.source.read(path, "line_loads_profile_month", keys)
            for row in table.group_by(keys).aggregate([]).to_pylist():
                found[str(row["line"]), int(row["direction"]), int(row["position"])] = names.get(row["zone"], row["zone"])
    return found


def line_load(ctx: Context) -> list[Figure]:
    """Riders on board from stop to stop in the line's busiest hour."""
    words, year = ctx.words, ctx.source.whole_year
    found = ctx.source.gather(
        "line_loads_profile_month",
        {"load": column("load", "mean")},
        ["line", "direction", "position", "hour_of_day", "kind_of_day"],
        years=[year],
        step="year",
    )
    labels = found.labels
    work = labels["kind_of_day"].index("workday") if "workday" in labels["kind_of_day"] else 0
    load = found["load"][:, :, 0, ..., work]  # scenario, run, line, direction, position, hour
    names, places = _stops(ctx, year), _places(ctx)
    lines, ways = [str(line) for line in labels["line"]], [words("there" if int(way) == 0 else "back") for way in labels["direction"]]
    busy = np.nanmax(np.where(np.isfinite(load[0]), load[0], -1.0), axis=(0, 3))  # line, direction, hour
    stops: dict[str, int] = {}
    cells = []
    for n, w, p in np.ndindex(load.shape[2:5]):
        key = (lines[n], int(labels["direction"][w]), int(labels["position"][p]))
        runs = load[:, :, n, w, p, int(np.argmax(busy[n, w]))]
        if key in names and np.isfinite(runs).any():
            stop = f"{key[2] + 1}. {names[key]}"
            cells.append((n, w, stops.setdefault(stop, len(stops)), runs, places.get(lines[n], np.nan)))
    measures = {name: np.full((len(lines), len(ways), len(ctx.labels), len(stops)), np.nan) for name in ("mean", "low", "high", "places")}
    for n, w, place, runs, seats in cells:
        for name, values in band(runs).items():
            measures[name][n, w, :, place] = values
        measures["places"][n, w, np.isfinite(measures["mean"][n, w, :, place]), place] = seats
    cube = Cube({"line": lines, "direction": ways, "scenario": ctx.labels, "stop": list(stops)}, measures)
    most = int(np.isfinite(measures["mean"][:, :, 0]).sum(axis=2).max())
    busiest = int(np.argmax(np.nan_to_num(measures["mean"]).max(axis=(1, 2, 3))))
    controls = [Control("line", words("line"), start=busiest), Control("direction", words("direction"))]
    return [
        Figure(
            "line_load",
            words("f_line_load"),
            words("x_line_load", year=year),
            words("f_line_load"),
            cube,
            [Panel(words("riders").capitalize(), charts.along_line(words, ctx.legend, most))],
            controls,
            ctx.legend,
            ctx.note,
            wide=True,
        )
    ]


def _lines(ctx: Context) -> tuple[list[str], list[tuple[int, int]], dict[str, Floats]]:
    """Lines, times, and what a line's panels show (scenario, run, time, line); years in long studies."""
    columns = {name: column(name) for name in (*COUNTS, "mean_wait_min", "load_factor")}
    found = ctx.source.gather("lines_month", columns, ["line"])
    if not ctx.yearly:
        return [str(line) for line in found.labels["line"]], found.times, found.values
    years = sorted({year for year, _ in found.times})
    rows = [[t for t, (year, _) in enumerate(found.times) if year == one] for one in years]
    made = {
        name: np.stack([over_year(np.moveaxis(values[:, :, r], 2, -1), "sum" if name in COUNTS else "mean") for r in rows], axis=2)
        for name, values in found.values.items()
    }
    return [str(line) for line in found.labels["line"]], [(year, 0) for year in years], made


def lines_figure(ctx: Context) -> list[Figure | Table]:
    """Waits and riders left behind of a chosen line over time, and a table of all lines."""
    words = ctx.words
    lines, times, values = _lines(ctx)
    left = 100 * values["left"] / np.maximum(values["boardings"], 1)
    shown = {words("wait_min"): values["mean_wait_min"], words("left_share"): left, words("load_factor"): 100 * values["load_factor"]}
    bands = {name: {m: np.moveaxis(a, 2, 0) for m, a in band(runs).items()} for name, runs in shown.items()}  # line, scenario, time
    measures = {m: np.stack([one[m] for one in bands.values()]) for m in ("mean", "low", "high")}
    cube = Cube({"kpi": list(shown), "line": lines, "scenario": ctx.labels, "time": stamps(times)}, measures)
    panels = [
        Panel(name, charts.time_band(words, ctx.legend, len(times), yearly=ctx.yearly, zero=rises_from_zero(one)), {"kpi": name})
        for name, one in bands.items()
    ]
    most = int(np.nanargmax(np.nan_to_num(np.nansum(values["left"], axis=(0, 1, 2)))))
    figure = Figure(
        "lines",
        words("f_lines"),
        words("x_lines"),
        words("f_lines"),
        cube,
        panels,
        [Control("line", words("line"), start=most)],
        ctx.legend,
        ctx.note,
    )
    return [figure, _lines_table(ctx)]


def _lines_table(ctx: Context) -> Table:
    words, year = ctx.words, ctx.source.whole_year
    found = ctx.source.gather(
        "lines_month", {name: column(name) for name in (*COUNTS, "mean_wait_min", "load_factor")}, ["line"], years=[year]
    )
    if not found.times:
        raise Missing("lines_month")
    sums = {name: mean_of(np.nansum(found[name], axis=2))["mean"] for name in COUNTS}
    waits, factors = (mean_of(mean_of(found[name], 2)["mean"])["mean"] for name in ("mean_wait_min", "load_factor"))
    days = len(found.times) * 365.25 / 12
    rows: list[list[str]] = []
    marks: dict[tuple[int, int], str] = {}
    for k, line in enumerate(found.labels["line"]):
        for s, label in enumerate(ctx.labels):
            boarded, missed = sums["boardings"][s, k], sums["left"][s, k] / max(sums["boardings"][s, k], 1)
            if missed > 0.05:
                marks[len(rows), 4] = "hot" if missed > 0.5 else "warm"
            rows.append(
                [
                    str(line),
                    label,
                    words.number(float(f"{boarded / days:.3g}")),
                    words.number(waits[s, k]),
                    words.number(float(f"{100 * missed:.3g}")),
                    words.number(float(f"{100 * factors[s, k]:.3g}")),
                    words.number(
                        float(f"{100 * sums['cancelled'][s, k] / max(sums['departures'][s, k] + sums['cancelled'][s, k], 1):.3g}")
                    ),
                ]
            )
    head = [words(key) for key in ("line", "scenario", "boardings_day", "wait_min", "left_share", "load_factor", "cancelled")]
    return Table(f"{words('s_transit')}, {year}", head, rows, left=(0, 1), folded=len(rows) > 20, marks=marks)
