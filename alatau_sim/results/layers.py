"""The zones' indicators by year as layers for maps: one layer a scenario, and one with its changes against the baseline.

One scenario's zones overlap another's, so each has a layer of its own; columns have the same names in all, so that a style fits all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.results.dataset import Study
from alatau_sim.results.files import sha256_of
from alatau_sim.results.geo import KEYS, ZONES_TABLE, crs_of, fixed_time, read_map, unit_name, with_outlines, zone_years
from alatau_sim.results.staging import Stage

CHANGE = "change_"
PLACES = 7  # decimals of degrees in GeoJSON: a centimetre (RFC 7946, section 11.2)
COLUMN_WORDS = {
    "zone": "zone", "name": "name of the zone", "district": "district of the zone", "scenario": "scenario of the run",
    "year": "year", "date": "first day of the year, for QGIS's temporal controller", "land_use": "land use",
    "baseline": "scenario that the changes are counted from",
}  # fmt: skip


def plan_layers(study: Study, format: str, baseline: str | None) -> tuple[list[str], Callable[[Stage], None]]:
    """The map files that an export will make, and what makes them: `gpkg`, `geojson` or `geoparquet`."""
    base = base_of(study, baseline)
    names = layer_names(study, base)
    if format == "gpkg":
        return ["zones.gpkg"], lambda stage: write_gpkg(study, base, stage.file("zones.gpkg"))
    suffix, write = (".geojson", write_geojson) if format == "geojson" else (".parquet", write_geoparquet)

    def each(stage: Stage) -> None:
        outlines, layers = zone_layers(study, base)
        for name, layer in layers.items():
            write(layer, crs_of(outlines), stage.file(f"zones-{name}{suffix}"))

    return [f"zones-{name}{suffix}" for name in names], each


def base_of(study: Study, baseline: str | None) -> str:
    """The scenario that others are compared with: the one named, else `baseline`, else the first by name."""
    base = baseline or ("baseline" if "baseline" in study.scenarios else min(study.scenarios))
    if base not in study.scenarios:
        raise InputError(f"{study.folder}: there is no complete run of a baseline {base!r}{did_you_mean(base, study.scenarios)}")
    return base


def layer_names(study: Study, base: str) -> list[str]:
    """The names of the layers: the baseline, the other scenarios, and the changes of each of these."""
    others = [name for name in study.scenarios if name != base]
    return [base, *others, *(f"{name}-against-{base}" for name in others)]


def zone_layers(study: Study, base: str) -> tuple[pa.Table, dict[str, pa.Table]]:
    """(the map, the layers by name): means over the replicates of world 0, with outlines as WKB in the map's own coordinates."""
    for run in study.runs:  # the tables are read as a whole: what is damaged is told by name
        for part, told in run.manifest["parts"].items():
            path = study.folder / part
            if ZONES_TABLE.match(part.split("/", 1)[0]) and sha256_of(path) != told["sha256"]:
                raise InputError(f"{path}: is damaged (its bytes are not those that the run wrote); run it again with --force")
    rows, outlines = zone_years(study), read_map(study.folder)
    by_case = {name: rows.filter(pc.call_function("equal", [rows["scenario"], pa.scalar(name)])) for name in study.scenarios}
    names = layer_names(study, base)
    layers = {name: with_outlines(by_case[name], outlines) for name in names if name in by_case}
    for name in names:
        if name not in by_case:
            layers[name] = with_outlines(_changes(by_case[name.removesuffix(f"-against-{base}")], by_case[base], base), outlines)
    return outlines, layers


def _changes(ours: pa.Table, theirs: pa.Table, base: str) -> pa.Table:
    """What a scenario has more than the baseline in each zone and year that both have; words are left out."""
    numbers = [field.name for field in ours.schema if field.name not in KEYS and _is_number(field.type)]
    pairs = ours.select([*KEYS, *numbers]).join(
        theirs.select(["year", "zone", *numbers]), keys=["year", "zone"], join_type="inner", right_suffix="_there"
    ).combine_chunks()
    columns: dict[str, Any] = {key: pairs[key] for key in KEYS}
    columns["baseline"] = pa.array([base] * len(pairs), pa.string())
    columns |= {CHANGE + name: pc.call_function("subtract", [pairs[name], pairs[f"{name}_there"]]) for name in numbers}
    return pa.table(columns).sort_by([(key, "ascending") for key in KEYS])


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def column_words(study: Study, columns: Sequence[str]) -> pa.Table:
    """What the layers' columns mean: column, unit, meaning, and the recorded table that it is from."""
    known = {name: ("", words, "") for name, words in COLUMN_WORDS.items()}
    for table, told in study.describe().items():
        match = ZONES_TABLE.match(table)
        for field in told["columns"] if match else ():
            name = unit_name(field["name"], field["unit"])
            for variant in (name, *([f"{match[1]}_{name}"] if match and match[1] else [])):
                known.setdefault(variant, (field["unit"], field["meaning"], table))
    rows = []
    for column in columns:
        unit, meaning, table = known.get(column.removeprefix(CHANGE), ("", "", ""))
        rows.append((column, unit, f"change against the baseline: {meaning}" if column.startswith(CHANGE) else meaning, table))
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(("column", "unit", "meaning", "table"))})


def write_gpkg(study: Study, base: str, path: Path) -> None:
    """Write a GeoPackage: a layer a scenario, a layer of changes of each besides the baseline, and a table `columns` that explains."""
    outlines, layers = zone_layers(study, base)
    columns = dict.fromkeys(name for layer in layers.values() for name in layer.column_names if name != "geometry")
    shape = {"crs": crs_of(outlines), "geometry_name": "geometry", "geometry_type": "MultiPolygon"}
    for place, (name, layer) in enumerate(layers.items()):
        _write(layer, path, "GPKG", layer=name, append=place > 0, **shape)
    _write(column_words(study, list(columns)), path, "GPKG", layer="columns", append=True)


def write_geojson(layer: pa.Table, crs: str, path: Path) -> None:
    """Write GeoJSON as RFC 7946 has it: WGS 84, outer rings counterclockwise, seven decimals."""
    _write(_in_wgs84(layer, crs), path, "GeoJSON", layer=path.stem, crs="EPSG:4326", geometry_name="geometry", geometry_type="MultiPolygon",
           layer_options={"RFC7946": "YES", "COORDINATE_PRECISION": str(PLACES), "WRITE_NAME": "NO"})


def write_geoparquet(layer: pa.Table, crs: str, path: Path) -> None:
    """Write GeoParquet 1.1 (OGC): WKB in the map's own coordinates, with the coordinate system, the bounds and the columns' order."""
    import pyarrow.parquet as pq
    import pyproj
    import shapely

    shapes = shapely.from_wkb(layer["geometry"].to_pylist())
    column = {
        "encoding": "WKB", "geometry_types": ["MultiPolygon"], "crs": pyproj.CRS.from_user_input(crs).to_json_dict(), "edges": "planar",
        "bbox": [float(number) for number in shapely.total_bounds(shapes)],
    }  # fmt: skip
    told = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    pq.write_table(layer.replace_schema_metadata({"geo": json.dumps(told)}), path, compression="zstd")


def _in_wgs84(layer: pa.Table, crs: str) -> pa.Table:
    """The layer with its outlines in degrees east and north."""
    import numpy as np
    import pyproj
    import shapely

    turn = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    shapes = shapely.transform(
        shapely.from_wkb(layer["geometry"].to_pylist()), lambda points: np.column_stack(turn.transform(points[:, 0], points[:, 1]))
    )
    column = pa.array(list(shapely.to_wkb(shapes)), pa.binary())
    return layer.set_column(layer.schema.get_field_index("geometry"), "geometry", column)


def _write(table: pa.Table, path: Path, driver: str, **options: Any) -> None:
    """Write a layer with GDAL; what it warns of is an error."""
    import pyogrio

    with fixed_time():
        try:
            pyogrio.write_arrow(table, path, driver=driver, **options)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.CRSError) as error:
            raise InputError(f"{path.name}: cannot be written: {error}") from error
