"""Electricity: load by hour and season, by use and district; peak days; substations against their capacity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from alatau_sim.report import charts
from alatau_sim.report.cube import Cube, band, mean_of
from alatau_sim.report.indicators import Context, titled, value
from alatau_sim.report.page import Control, Figure, Panel, Table
from alatau_sim.report.read import Missing, column

SEASONS = {"winter": (12, 1, 2), "spring": (3, 4, 5), "summer": (6, 7, 8), "autumn": (9, 10, 11)}
MOST_BARS = 16
MOST_YEARS = 8
Floats = NDArray[np.float64]


def _seasonal(values: Floats, times: list[tuple[int, int]], years: list[int]) -> tuple[list[str], Floats]:
    """Seasons that were lived through, and the mean month of each (season, year first; then scenario, run, the rest)."""
    made = np.full((len(SEASONS), len(years), *values.shape[:2], *values.shape[3:]), np.nan)
    for s, months in enumerate(SEASONS.values()):
        for y, year in enumerate(years):
            rows = [t for t, (one, month) in enumerate(times) if one == year and month in months]
            if rows:
                made[s, y] = mean_of(values[:, :, rows], 2)["mean"]
    lived = [s for s in range(len(SEASONS)) if np.isfinite(made[s]).any()]
    return [list(SEASONS)[s] for s in lived], made[lived]


def load_figures(ctx: Context) -> list[Figure]:
    """Load by hour and season, and what it is used for."""
    words = ctx.words
    found = ctx.source.gather("load_use_month", {"w": column("wanted_w")}, ["kind_of_day", "use", "hour_of_day"])
    years = sorted({year for year, _ in found.times})
    seasons, made = _seasonal(found["w"] / 1e6, found.times, years)  # season, year, scenario, run, kind, use, hour
    kinds = [words(str(kind)) for kind in found.labels["kind_of_day"]]
    hours = [int(hour) for hour in found.labels["hour_of_day"]]
    order = np.argsort(hours)
    made = made[..., order]
    names, labels_of_years = [words(season) for season in seasons], [str(year) for year in years]
    total = np.where(np.isfinite(made).any(axis=5), np.nansum(made, axis=5), np.nan)
    axes: dict[str, list[Any]] = {
        "season": names,
        "year": labels_of_years,
        "kind_of_day": kinds,
        "scenario": ctx.labels,
        "hour": sorted(hours),
    }
    by_hour = {name: np.moveaxis(array, 3, 2) for name, array in band(total, 3).items()}
    pick = years.index(ctx.source.whole_year) if ctx.source.whole_year in years else len(years) - 1
    controls = [Control("year", words("year"), start=pick), Control("kind_of_day", words("kind_of_day"))]
    mw = words.unit("MW")
    spec = charts.hour_band(words, ctx.legend)
    one = Figure(
        "load_hours",
        words("f_load_hours"),
        words("x_load_hours"),
        words("f_load_hours"),
        Cube(axes, by_hour),
        [Panel(titled(name, mw), spec, {"season": name}) for name in names],
        controls,
        ctx.legend,
        ctx.note,
    )
    uses = [words.category(use) for use in found.labels["use"]]
    legend = charts.palette(uses, charts.CATEGORIES, ())
    of_use = np.moveaxis(mean_of(made, 3)["mean"], 2, 3)  # season, year, kind, scenario, use, hour
    axes = {"season": names, "year": labels_of_years, "kind_of_day": kinds, "scenario": ctx.labels, "use": uses, "hour": sorted(hours)}
    spec = charts.stack(words, "use", words("use"), legend, 24, hours=True)
    two = Figure(
        "load_uses",
        words("f_load_uses"),
        words("x_load_uses"),
        words("f_load_uses"),
        Cube(axes, {"mean": of_use}),
        [Panel(titled(name, mw), spec, {"season": name}) for name in names],
        [*([Control("scenario", words("scenario"))] if len(ctx.labels) > 1 else []), *controls],
        legend,
    )
    return [one, two]


def district_figure(ctx: Context, districts: dict[str, str]) -> list[Figure]:
    """Load by hour in each district, of one year."""
    words, year = ctx.words, ctx.source.whole_year
    found = ctx.source.gather(
        "load_profile_month", {"w": column("wanted_w")}, ["zone", "kind_of_day", "hour_of_day"], years=[year], regroup={"zone": districts}
    )
    made = mean_of(found["w"] / 1e6, 2)["mean"]  # scenario, run, district, kind, hour
    order = np.argsort(found.labels["hour_of_day"])
    bands = {name: np.moveaxis(array, 0, 2) for name, array in band(made[..., order]).items()}  # district, kind, scenario, hour
    names = [words.district(name) for name in found.labels["zone"]]
    axes: dict[str, list[Any]] = {
        "district": names,
        "kind_of_day": [words(str(kind)) for kind in found.labels["kind_of_day"]],
        "scenario": ctx.labels,
        "hour": sorted(int(hour) for hour in found.labels["hour_of_day"]),
    }
    spec = charts.hour_band(words, ctx.legend)
    panels = [Panel(titled(name, words.unit("MW")), spec, {"district": name}) for name in names]
    return [
        Figure(
            "load_district",
            words("f_load_district"),
            words("x_load_district", year=year),
            words("f_load_district"),
            Cube(axes, bands),
            panels,
            [Control("kind_of_day", words("kind_of_day"))],
            ctx.legend,
            ctx.note,
        )
    ]


def _peak_rows(ctx: Context, year: int) -> dict[tuple[int, int], dict[str, Any]]:
    """The peak day of a year by scenario and run: date, hour, peak [W] and what was not served [Wh]."""
    found = {}
    for s, r, _, path in ctx.source.files("load_peak_day", [year]):
        table = ctx.source.read(path, "load_peak_day", ["day", "peak_w", "peak_hour", "unserved_wh"])
        if table.num_rows:
            found[s, r] = table.slice(int(np.argmax(table["peak_w"].to_numpy())), 1).to_pylist()[0]
    return found


def peak_days(ctx: Context) -> Table:
    """The peak days of the years: of each scenario the highest among its runs."""
    words, years = ctx.words, ctx.source.years
    if "load_peak_day" not in ctx.source.study.tables:
        raise Missing("load_peak_day")
    shown = years if len(years) <= MOST_YEARS else [year for year in years if (year - years[-1]) % 5 == 0]
    rows = []
    for year in shown:
        peaks = _peak_rows(ctx, year)
        for s, label in enumerate(ctx.labels):
            ours = {r: row for (one, r), row in peaks.items() if one == s}
            if not ours:
                continue
            r = max(ours, key=lambda run: ours[run]["peak_w"])
            row = ours[r]
            day = row["day"]
            rows.append(
                [
                    str(year),
                    label,
                    words.day(day.year, day.month, day.day),
                    f"{row['peak_hour']}:00",
                    words.number(row["peak_w"] / 1e6),
                    words.number(_coldest(ctx, s, r, year, day)),
                    words.number(row["unserved_wh"] / 1e6),
                ]
            )
    head = [words(key) for key in ("year", "scenario", "date", "at_hour", "peak_mw", "coldest", "not_served")]
    return Table(words("peak_days"), head, rows, left=(0, 1))


def _coldest(ctx: Context, s: int, r: int, year: int, day: Any) -> float | None:
    for one, run, _, path in ctx.source.files("weather_day", [year]):
        if (one, run) == (s, r):
            table = ctx.source.read(path, "weather_day", ["day", "temperature_min_c"])
            found = table.filter(pc.call_function("equal", [table["day"], pa.scalar(day)]))["temperature_min_c"].to_pylist()
            return float(found[0]) if found else None
    return None


def peak_figure(ctx: Context) -> list[Figure]:
    """The load of each run's peak day, hour by hour."""
    words, year = ctx.words, ctx.source.whole_year
    if "substations_hour" not in ctx.source.study.tables:
        raise Missing("substations_hour")
    peaks = _peak_rows(ctx, year)
    curves = np.full((len(ctx.labels), ctx.source.most_runs, 24), np.nan)
    for s, r, _, path in ctx.source.files("substations_hour", [year]):
        if (s, r) in peaks:
            table = ctx.source.read(path, "substations_hour", ["hour", "wanted_wh"])
            stamps = table["hour"].to_numpy()
            here = stamps.astype("datetime64[D]") == np.datetime64(peaks[s, r]["day"])
            hours = (stamps[here] - stamps[here].astype("datetime64[D]")).astype("timedelta64[h]").astype(np.int64)
            curves[s, r] = np.bincount(hours, weights=table["wanted_wh"].to_numpy()[here], minlength=24) / 1e6
    cube = Cube({"scenario": ctx.labels, "hour": list(range(24))}, band(curves))
    return [
        Figure(
            "peak_day",
            words("f_peak_day"),
            words("x_peak_day", year=year),
            words("f_peak_day"),
            cube,
            [Panel(words.unit("MW"), charts.hour_band(words, ctx.legend))],
            (),
            ctx.legend,
            ctx.note,
        )
    ]


def substation_use(ctx: Context) -> Any:
    """Each substation's highest hour of each year as a share of its capacity, that hour's load [Wh], and the capacity [W]."""
    key = ("substations",)
    if key not in ctx.source.kept:
        ctx.source.kept[key] = ctx.source.gather(
            "substations_hour",
            {
                "ratio": value("max", ("wanted_wh", "capacity_w"), lambda wanted, capacity: wanted / np.maximum(capacity, 1)),
                "peak": column("wanted_wh", "max"),
                "capacity": column("capacity_w", "max"),
            },
            ["substation"],
            step="year",
        )
    return ctx.source.kept[key]


def substation_figure(ctx: Context) -> list[Figure]:
    """Bars of the highest hour by substation, of one year."""
    words, found, year = ctx.words, substation_use(ctx), ctx.source.whole_year
    years = [one for one, _ in found.times]
    if year not in years:
        raise Missing("substations_hour")
    y = years.index(year)
    made = band(100 * found["ratio"][:, :, y])  # scenario, substation
    top = np.nan_to_num(np.nanmax(made["mean"], axis=0, initial=-1.0, where=np.isfinite(made["mean"])))
    order = np.argsort(-top, kind="stable")[:MOST_BARS]
    names = [plain_name(found.labels["substation"][k]) for k in order]
    cube = Cube({"substation": names, "scenario": ctx.labels}, {name: array[:, order].T for name, array in made.items()})
    spec = charts.bars(words, "substation", words("substation"), names, ctx.legend, words.unit("% capacity"), at=100)
    return [
        Figure(
            "substations",
            words("f_substations"),
            f"{words('x_substations')} ({year})",
            words("f_substations"),
            cube,
            [Panel(words.unit("% capacity"), spec)],
            (),
            ctx.legend,
            wide=True,
        )
    ]


def plain_name(name: str) -> str:
    """`gate-substation` as `Gate`: what a reader calls it."""
    return str(name).removesuffix("-substation").replace("-", " ").replace("_", " ").capitalize()
