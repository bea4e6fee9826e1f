"""The zones with their indicators by year as a GeoPackage, for QGIS.

The run saves the map it used beside the tables (`map.arrow`: ids, names and outlines as WKB), so that no model code and no input file
is needed to draw results.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alatau_sim.errors import InputError
from alatau_sim.results.dataset import Study, open_study
from alatau_sim.results.files import replacing

ZONES_TABLE = re.compile(r"zones_(?:(\w+)_)?year\Z")  # zones_year, and zones_energy_year of a domain
GPKG_TIME = "2026-01-01T00:00:00.000Z"  # GDAL writes the time of writing into the file; a fixed one keeps equal content equal bytes
COUNTED = {"people", "households", "residents", "share", "payments", "jobs", "homes", "dwellings", "count", "buildings", "1"}
KEYS = ["scenario", "year", "zone"]
Words = Sequence[str] | np.ndarray


def save_map(
    out: str | Path, ids: Words, names: Words, districts: Words, geometry: Any, crs: str,
    *, land_use: Words | None = None, outside: Sequence[bool] | np.ndarray | None = None,
) -> Path:
    """Write the zones of a run (`geometry`: array of Shapely polygons in `crs`, an EPSG code or WKT) as `map.arrow` and return its path."""
    import shapely

    columns: dict[str, pa.Array] = {
        "zone": pa.array([str(item) for item in ids], pa.string()),
        "name": pa.array([str(item) for item in names], pa.string()),
        "district": pa.array([str(item) for item in districts], pa.string()),
        "geometry": pa.array(list(shapely.to_wkb(np.asarray(geometry, dtype=object))), pa.binary()),
    }
    if land_use is not None:
        columns["land_use"] = pa.array([str(item) for item in land_use], pa.string())
    if outside is not None:
        columns["outside"] = pa.array([bool(item) for item in outside], pa.bool_())
    table = pa.table(columns).replace_schema_metadata({"crs": str(crs), "meaning": "zones of the map that the runs used; geometry is WKB"})
    path = Path(out) / "map.arrow"
    with replacing(path) as aside, aside.open("wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return path


def read_map(out: str | Path) -> pa.Table:
    """The zones that `save_map` wrote; the CRS is in the schema's metadata."""
    path = Path(out) / "map.arrow"
    if not path.is_file():
        raise InputError(f"{path}: is missing, so there are no outlines to draw; run the study again with --force")
    try:
        with path.open("rb") as file:
            return pa.ipc.open_file(file).read_all()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is damaged: {str(error).splitlines()[0]}; run the study again with --force") from error


def crs_of(outlines: pa.Table) -> str:
    """The map's coordinate system; degrees east and north go by the code that every GIS knows, since layers have x in front anyway."""
    told = str((outlines.schema.metadata or {})[b"crs"].decode())
    return "EPSG:4326" if told == "OGC:CRS84" else told


def write_zones_gpkg(out: str | Path | Study) -> Path:
    """Write `zones.gpkg`: one layer `zones`, a row a scenario, year and zone, with the means over the replicates of world 0.

    `date` is 1 January of the year, for QGIS's temporal controller. Columns carry their units.
    """
    import pyogrio

    study = out if isinstance(out, Study) else open_study(out)
    outlines = read_map(study.folder)
    table = with_outlines(zone_years(study), outlines)
    path = study.folder / "zones.gpkg"
    with replacing(path, keep_suffix=True) as aside, fixed_time():
        try:
            pyogrio.write_arrow(
                table, aside, driver="GPKG", layer="zones", geometry_name="geometry", geometry_type="MultiPolygon",
                crs=crs_of(outlines),
            )
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.CRSError) as error:
            raise InputError(f"{path}: cannot be written: {error}") from error
    return path


def zone_years(study: Study) -> pa.Table:
    """The tables `zones_year` and `zones_<domain>_year` side by side, by scenario, year and zone.

    Numbers are means over the replicates of world 0, the rest is from the first. Where two tables have a column of one name, the later
    one's gets the domain's name in front.
    """
    names = [name for name in study.tables if ZONES_TABLE.match(name)]
    if not names:
        raise InputError(f"{study.folder}: no table of zones by year was recorded (zones_year or zones_<domain>_year)")
    names.sort(key=lambda name: (name != "zones_year", name))
    joined = _means(study, names[0])
    for name in names[1:]:
        means, taken = _means(study, name), set(joined.column_names) - set(KEYS)
        domain = name.removeprefix("zones_").removesuffix("_year")
        renamed = {f"{domain}_{column}": column for column in means.column_names if column in taken}
        means = means.rename_columns([f"{domain}_{column}" if column in taken else column for column in means.column_names])
        joined = joined.join(means, keys=KEYS, join_type="full outer").combine_chunks()
        joined = joined.drop_columns([new for new, old in renamed.items() if joined[new].equals(joined[old])])  # said once is enough
    return joined.sort_by([(key, "ascending") for key in KEYS])


def _means(study: Study, name: str) -> pa.Table:
    table = study.table(name, world=0)
    units = {field.name: (field.metadata or {}).get(b"unit", b"").decode() for field in table.schema}
    if "zone" not in table.column_names:
        raise InputError(f"{study.folder}: the table {name} has no column 'zone'")
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(pa.string()))
    values = [column for column in table.column_names if column not in (*KEYS, "world", "replicate")]
    numeric = {c for c in values if pa.types.is_floating(table[c].type) or (pa.types.is_integer(table[c].type) and units[c])}
    asked = [(column, "mean" if column in numeric else "first") for column in values]  # a whole number without a unit is a code
    means = table.group_by(KEYS, use_threads=False).aggregate(asked)
    means = means.select([*KEYS, *(f"{column}_{how}" for column, how in asked)])
    return means.rename_columns([*KEYS, *(unit_name(column, units[column]) for column in values)])


def unit_name(name: str, unit: str) -> str:
    """The column's name with its unit at the end, unless it says so already or counts things (`residents`)."""
    word = re.sub(r"[^a-z0-9]+", "_", unit.lower().replace("²", "2").replace("³", "3").replace("°", "")).strip("_")
    if not word or unit in COUNTED or name == word or name.endswith(f"_{word}"):
        return name
    first, _, rest = word.partition("_")
    return f"{name}_{rest}" if rest and name.endswith(f"_{first}") else f"{name}_{word}"  # income_kzt in KZT/month: income_kzt_month


def with_outlines(rows: pa.Table, outlines: pa.Table) -> pa.Table:
    """Rows by scenario, year and zone with the zone's name, district and outline (WKB), and `date`, the year's first day."""
    import shapely

    place = {zone: number for number, zone in enumerate(outlines["zone"].to_pylist())}
    zones = rows["zone"].to_pylist()
    unknown = sorted({zone for zone in zones if zone not in place})
    if unknown:
        more = f" ({len(unknown)} such)" if len(unknown) > 1 else ""
        raise InputError(f"zone {unknown[0]!r} of the recorded tables is not in map.arrow{more}; run the study again with --force")
    shapes = shapely.from_wkb(outlines["geometry"].to_pylist())
    many = np.array([_many(shape) for shape in shapes], dtype=object)
    picked = pa.array([place[zone] for zone in zones], pa.int64())
    columns: dict[str, Any] = {"zone": rows["zone"]}
    for name in ("name", "district", "land_use"):
        if name in outlines.column_names and name not in rows.column_names:
            columns[name] = outlines[name].take(picked)
    columns |= {"scenario": rows["scenario"], "year": pc.call_function("year", [rows["year"]]).cast(pa.int32()), "date": rows["year"]}
    columns |= {name: rows[name] for name in rows.column_names if name not in ("zone", "scenario", "year")}
    columns["geometry"] = pa.chunked_array([pa.array(list(shapely.to_wkb(many)), pa.binary())]).take(picked)
    return pa.table(columns).combine_chunks()


def _many(shape: Any) -> Any:
    import shapely

    return shapely.MultiPolygon([shape]) if isinstance(shape, shapely.Polygon) else shape


@contextmanager
def fixed_time() -> Iterator[None]:
    """A block in which GDAL writes files that depend on their content only, and in which what it warns of is an error."""
    import pyogrio

    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": GPKG_TIME})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # a value that GDAL could not write is an error, never a missing column
            yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
