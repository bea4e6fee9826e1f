"""Maps by zone: outlines simplified for the page, the indicators that zones have, and the figure with its slider."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alatau_sim.report.cube import Cube, mean_of
from alatau_sim.report.page import Control, Figure, MapPart, Note, Panel
from alatau_sim.report.read import Missing, Source, Value, column
from alatau_sim.report.words import Words

MOST_VALUES = 1_200_000  # numbers of the map's cube by month; above, by year
GRID = 4000  # cells along the longer side of the map that outlines are rounded to
DETAIL = 1 / 1500  # of the longer side: what simplifying may move
CLIPPED = 0.98
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shown:
    """One map: columns of a table, how they make the value, its unit, and whether a year is its last month or the mean of its months."""

    name: str
    table: str
    columns: tuple[str, ...]
    of: Callable[..., Floats]
    unit: str
    over_year: str = "last"


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.where(whole > 0, 100 * part / np.maximum(whole, 1e-9), np.nan)


def _density(values: Floats, area: Floats) -> Floats:
    return values / area


def _where(values: Floats, there: Floats) -> Floats:
    return np.where(there > 0, values, np.nan)


# the last argument of `of` is the zone's area [km2]
SHOWN = (
    Shown("residents", "people_month", ("residents",), _density, "people/km2"),
    Shown("dwellings", "homes_month", ("dwellings",), _density, "dwellings/km2"),
    Shown("filled", "jobs_month", ("filled",), _density, "jobs/km2"),
    Shown("wanted_wh", "zones_energy_month", ("wanted_wh",), lambda wh, area: wh / 1e6 / area, "MWh/km2", "mean"),
    Shown(
        "unserved", "zones_energy_month", ("unserved_wh", "wanted_wh"), lambda missed, wanted, _: _ratio(missed, wanted), "share", "mean"
    ),
    Shown("vacancy", "homes_month", ("vacant_dwellings", "dwellings"), lambda vacant, homes, _: _ratio(vacant, homes), "share"),
    Shown("in_works", "homes_month", ("dwellings_in_works",), _density, "dwellings/km2"),
    Shown("home_rent_kzt", "homes_month", ("home_rent_kzt", "dwellings"), lambda rent, homes, _: _where(rent, homes), "KZT/month"),
    Shown("mean_income_kzt", "people_month", ("mean_income_kzt",), lambda income, _: income, "KZT/month"),
    Shown("bus_share", "zones_mobility_month", ("bus_share",), lambda share, _: 100 * share, "share"),
    Shown("mean_trip_min", "zones_mobility_month", ("mean_trip_min",), lambda minutes, _: minutes, "min"),
    Shown("job_access", "zones_mobility_month", ("job_access",), lambda access, _: access, "1"),
    Shown(
        "users",
        "wallets_month",
        ("users", "unaware", "aware", "trying", "dropped"),
        lambda users, a, b, c, d, _: _ratio(users, users + a + b + c + d),
        "share",
    ),
    Shown(
        "acceptance_share", "acceptance_month", ("acceptance_share", "shops"), lambda share, shops, _: _where(100 * share, shops), "share"
    ),
)


def outlines(zones: pa.Table, words: Words) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The zones as small GeoJSON features on a whole-number grid, and their areas [km2] by zone."""
    import geopandas
    import shapely

    crs = (zones.schema.metadata or {})[b"crs"].decode()
    series = geopandas.GeoSeries(shapely.from_wkb(zones["geometry"].to_pylist()), crs=crs)
    if series.crs is not None and series.crs.is_geographic:
        series = series.to_crs(series.estimate_utm_crs())
    shapes = series.to_numpy()
    areas = shapely.area(shapes) / 1e6
    west, south, east, north = shapely.total_bounds(shapes)
    side = max(east - west, north - south)
    simple = _simplified(shapes, side * DETAIL)
    gridded = shapely.transform(simple, lambda xy: np.rint((xy - [west, south]) / side * GRID))
    features = []
    for zone, name, district, shape in zip(*(zones[c].to_pylist() for c in ("zone", "name", "district")), gridded, strict=True):
        about = {"zone": zone, "name": name or zone, "district": words.district(district)}
        features.append({"type": "Feature", "properties": about, "geometry": _geometry(shape)})
    return features, dict(zip(zones["zone"].to_pylist(), areas.tolist(), strict=True))


def _simplified(shapes: Any, tolerance: float) -> Any:
    import shapely

    if hasattr(shapely, "coverage_simplify"):
        try:
            return shapely.coverage_simplify(shapes, tolerance)  # neighbours keep one border
        except shapely.errors.GEOSException:
            pass  # zones that overlap: each for itself
    return shapely.simplify(shapes, tolerance)


def _geometry(shape: Any) -> dict[str, Any]:
    parts = list(shape.geoms) if hasattr(shape, "geoms") else [shape]
    rings = [
        [_ring(ring) for ring in (part.exterior, *part.interiors)] for part in parts if part.geom_type == "Polygon" and not part.is_empty
    ]
    return {"type": "MultiPolygon", "coordinates": rings}


def _ring(ring: Any) -> list[list[int]]:
    return [[int(x), int(y)] for x, y in ring.coords]


def map_figure(source: Source, words: Words, labels: Sequence[str]) -> list[Figure | Note]:
    """The maps of all indicators that the study recorded, with what is missing said."""
    if source.zones is None:
        return [Note(words("missing_map"), "missing")]
    features, areas = outlines(source.zones, words)
    layers, units, times, notes = _layers(source, words, areas)
    if not layers:
        return [*notes] or [Note(words("nothing_here"), "missing")]
    yearly = len(times[0]) == 1
    names = [words.map(name) for name in layers]
    shown = [words.month((time[0], 0 if yearly else time[1])) for time in times]
    whole = np.stack(list(layers.values()))  # indicator, scenario, zone, time
    cube = Cube({"map": names, "scenario": list(labels), "zone": list(areas), "time": shown}, {"mean": whole})
    ranges = {
        words.map(name): _range(whole[i], words.unit(units[name]), words.unit("points" if units[name] == "share" else units[name]))
        for i, name in enumerate(layers)
    }
    controls = [
        Control("map", words("indicator"), start=_telling(whole)),
        Control("time", words("year" if yearly else "month"), "slider", len(shown) - 1),
    ]
    panels = [Panel(labels[0], _map_spec(words, False), {"role": "baseline"})]
    if len(labels) > 1:
        controls.insert(1, Control("scenario", words("compare_with"), start=1, only=tuple(labels[1:])))
        panels.append(Panel(words("map_difference", scenario="{scenario}"), _map_spec(words, True), {"role": "difference"}))
    alt_text = f"{words('f_map')}: {', '.join(names)}"
    return [
        Figure("map", words("f_map"), words("x_maps"), alt_text, cube, panels, controls, map=MapPart(features, ranges, labels[0])),
        *notes,
    ]


def _layers(
    source: Source, words: Words, areas: Mapping[str, float]
) -> tuple[dict[str, Floats], dict[str, str], list[tuple[int, ...]], list[Note]]:
    """Each map's values (scenario, zone, time) as means over the runs, its unit, the times, and notes of what is missing."""
    layers, units, notes = {}, {}, []
    found = {}
    for table in dict.fromkeys(one.table for one in SHOWN):
        wanted = [one for one in SHOWN if one.table == table]
        values: dict[str, Value] = {name: column(name) for one in wanted for name in one.columns}
        try:
            found[table] = source.gather(table, values, ["zone"])
        except Missing as missing:
            key = "missing_column" if missing.column else "missing_table"
            notes.append(Note(words(key, table=missing.table, column=missing.column), "missing"))
    times = sorted({time for one in found.values() for time in one.times})
    yearly = len(SHOWN) * len(source.scenarios) * len(areas) * len(times) > MOST_VALUES
    years = sorted({year for year, _ in times})
    for one in SHOWN:
        if one.table not in found:
            continue
        gathered = found[one.table]
        means = {name: mean_of(gathered[name])["mean"] for name in one.columns}  # scenario, time, zone
        size = np.array([areas.get(zone, np.nan) for zone in gathered.labels["zone"]])
        with np.errstate(invalid="ignore", divide="ignore"):
            values_there = one.of(*means.values(), size)
        layers[one.name] = _placed(
            values_there, gathered.times, gathered.labels["zone"], times, list(areas), years if yearly else None, one.over_year
        )
        units[one.name] = one.unit
    return layers, units, [(year,) for year in years] if yearly else [*times], notes


def _placed(
    values: Floats,
    have: Sequence[tuple[int, int]],
    zones: Sequence[str],
    times: Sequence[tuple[int, int]],
    order: Sequence[str],
    years: Sequence[int] | None,
    over_year: str,
) -> Floats:
    """The values as (scenario, zone, time), zones in the map's order, months or (with `years`) years."""
    out = np.full((len(values), len(order), len(times)), np.nan)
    known = [z for z, zone in enumerate(zones) if zone in order]
    rows = [order.index(zones[z]) for z in known]
    columns = [times.index(time) for time in have]
    out[np.ix_(range(len(values)), rows, columns)] = np.moveaxis(values[:, :, known], 1, 2)
    if years is None:
        return out
    picked = [[t for t, (year, _) in enumerate(times) if year == one] for one in years]
    joined = [out[:, :, rows_of[-1]] if over_year == "last" else mean_of(out[:, :, rows_of], 2)["mean"] for rows_of in picked]
    return np.stack(joined, axis=2)


def _telling(values: Floats) -> int:
    """The map to begin with: where the scenarios differ most, for its size, at the last time (maps, scenario, zone, time)."""
    last = np.nan_to_num(values[..., -1])
    moved = np.abs(last[:, 1:] - last[:, :1]).sum(axis=(1, 2)) / np.maximum(np.abs(last[:, 0]).sum(axis=1), 1e-9)
    return int(np.argmax(moved)) if moved.size and moved.max() > 1e-3 else 0


def _range(values: Floats, unit: str, moved_unit: str) -> dict[str, Any]:
    """The colour scale of a map and of its differences, from the values of all scenarios, zones and times (scenario first)."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(np.quantile(known, CLIPPED))) if known.size else (0.0, 1.0)
    low = 0.0 if 0 <= low < high / 2 else low
    high = high if high > low else float(known.max(initial=low)) if float(known.max(initial=low)) > low else low + 1.0
    moved = np.abs(values[1:] - values[:1])
    moved = moved[np.isfinite(moved) & (moved > 0)]
    span = float(np.quantile(moved, CLIPPED)) if moved.size else 1.0
    return {
        "low": _two_digits(low, math.floor),
        "high": _two_digits(high, math.ceil),
        "span": _two_digits(span, math.ceil),
        "unit": unit,
        "moved": moved_unit,
    }


def _two_digits(value: float, to: Callable[[float], int]) -> float:
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 1.0
    return float(f"{to(value / step) * step:.6g}")


def _map_spec(words: Words, difference: bool) -> dict[str, Any]:
    """A map of the rows' `value` by zone; `low` and `high` are set by the page. Tips are written by the page."""
    scheme: Any = "blueorange" if difference else "yellowgreenblue"
    middle: dict[str, Any] = {"domainMid": 0} if difference else {}
    scale = alt.Scale(scheme=scheme, domainMin=alt.ExprRef("low"), domainMax=alt.ExprRef("high"), clamp=True, **middle)
    legend = alt.Legend(orient="bottom", title=None, format=("+" if difference else "") + ",.3~f", gradientLength=200, tickCount=4)
    chart = (
        alt.Chart(alt.NamedData(name="zones"))
        .transform_lookup("properties.zone", alt.LookupData(alt.NamedData(name="rows"), "zone", ["value", "tip", "tip2"]))
        .mark_geoshape(stroke="#9aa3ad", strokeWidth=0.4)
        .encode(
            color=alt.condition("isValid(datum.value)", alt.Color("value:Q", scale=scale, legend=legend), alt.value("#dddddd")),
            tooltip=[
                alt.Tooltip("properties.name:N", title=words("zone")),
                alt.Tooltip("properties.district:N", title=words("district")),
                alt.Tooltip("tip:N", title=words("difference" if difference else "value")),
                *([alt.Tooltip("tip2:N", title=words("scenario"))] if difference else []),
            ],
        )
        .project(type="identity", reflectY=True)
        .add_params(alt.param(name="low", value=-1 if difference else 0), alt.param(name="high", value=1))
        .properties(width="container", height=520)
    )
    found = chart.to_dict()
    return {key: value for key, value in found.items() if key not in ("config", "$schema")}


def map_rows(figure: Figure, panel: Panel, choices: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The rows and the colour range of one panel, as the page's script makes them; for pictures."""
    assert figure.map is not None
    axes, values = figure.cube.axes, figure.cube.measures["mean"]
    i, t = axes["map"].index(choices["map"]), axes["time"].index(choices["time"])
    base, scale = values[i, 0, :, t], figure.map.ranges[choices["map"]]
    if panel.fixed["role"] == "difference":
        shown, bounds = values[i, axes["scenario"].index(choices["scenario"]), :, t] - base, (-scale["span"], scale["span"])
    else:
        shown, bounds = base, (scale["low"], scale["high"])
    rows = [{"zone": zone, "value": float(value)} for zone, value in zip(axes["zone"], shown, strict=True) if np.isfinite(value)]
    return rows, {"low": bounds[0], "high": bounds[1]}
