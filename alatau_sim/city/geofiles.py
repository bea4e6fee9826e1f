"""Map files: any planner's layer of polygons read feature by feature, its coordinate reference system settled, and maps written.

GeoJSON is read with the standard library (so a broken feature is named, and checking a scenario stays quick), GeoParquet with
pyarrow, everything else with GDAL through pyogrio's raw interface. Knows nothing of zones beyond "a polygon with columns".
"""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from alatau_sim.city.metric import to_crs
from alatau_sim.city.repair import Shape, shape_of_geojson, shape_of_wkb
from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON", ".shp": "ESRI Shapefile", ".fgb": "FlatGeobuf"}
"""File formats that `write_map` writes, by suffix."""

GEOJSON_CRS = "OGC:CRS84"
ZIP_MEMBERS = (".shp", ".gpkg", ".geojson", ".json", ".fgb", ".kml", ".gml", ".tab", ".mif")


@dataclass(frozen=True)
class RawMap:
    """A layer of features as read: shapes in the map's own coordinates and the file's columns.

    `crs` is the coordinate reference system as text (`EPSG:4326`, or WKT where there is no code). `columns` are the file's columns by
    the file's names; `standard` maps standard names to the file's. `ids` are the file's feature ids (text, may be empty). `notes` say
    what the reader did that the user should know.
    """

    file: Path
    crs: str
    shapes: tuple[Shape, ...]
    columns: dict[str, np.ndarray]
    ids: tuple[str, ...] = ()
    layer: str | None = None
    standard: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    key: str = "map"

    def __len__(self) -> int:
        return len(self.shapes)

    def column(self, standard: str) -> np.ndarray | None:
        """The values of a standard column, or None where the file has no such column."""
        name = self.standard.get(standard)
        return None if name is None else self.columns[name]

    def feature(self, row: int) -> str:
        """How messages call a feature: `feature 3 (gate-07)`; features are numbered from 1 in the file's order."""
        zone = self.column("zone")
        text = text_of(zone[row]) if zone is not None else ""
        text = text or (self.ids[row] if self.ids else "")
        return f"feature {row + 1}" + (f" ({text})" if text else "")


def read_map(
    path: str | os.PathLike[str],
    *,
    layer: str | None = None,
    crs: str | None = None,
    columns: Mapping[str, str] | None = None,
    known: Sequence[str] = (),
    key: str = "map",
) -> RawMap:
    """Read a layer of polygons from any map file.

    `layer` is needed where a file has several layers; `crs` where the file has no coordinate reference system; `columns` maps standard
    names to the file's names, and `known` lists the standard names; `key` is the scenario's section that messages point to. Raises
    `InputError` for a file that cannot be read, a layer or column that does not exist and coordinates that do not fit the coordinate
    reference system; broken features are kept as shapes with their reasons.
    """
    file = Path(path)
    if not file.exists():
        raise InputError(f"{file}: there is no such map file")
    suffix = file.suffix.lower()
    found = _read_geojson(file) if suffix in (".geojson", ".json") else None
    if found is None:
        found = _read_parquet(file) if suffix in (".parquet", ".geoparquet") else _read_gdal(file, layer, key)
    crs_text = _settle_crs(file, found, crs, key)
    standard = _match_columns(file, found.columns, columns or {}, known, key)
    return RawMap(file, crs_text, tuple(found.shapes), found.columns, tuple(found.ids), found.layer, standard, tuple(found.notes), key)


def text_of(value: Any) -> str:
    """A cell as text: stripped, whole numbers without a decimal point, missing values empty."""
    if value is None or (isinstance(value, (float, np.floating)) and not np.isfinite(value)):
        return ""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


@dataclass
class _Found:
    """What a format's reader hands over: `crs` as the file says it; `implied` is the system the format prescribes without saying it."""

    shapes: list[Shape]
    columns: dict[str, np.ndarray]
    ids: list[str]
    crs: str | None
    implied: str | None = None
    layer: str | None = None
    notes: list[str] = field(default_factory=list)


def _read_geojson(file: Path) -> _Found | None:
    """Read a GeoJSON file; None where the JSON is something else (TopoJSON, ESRI JSON, a line a feature) that GDAL may know."""
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as err:
        raise InputError(f"{file}: GeoJSON must be UTF-8 text ({err.reason} at byte {err.start})") from None
    except json.JSONDecodeError as err:
        if err.msg == "Extra data":
            return None
        raise InputError(str(Problem(f"broken JSON: {err.msg}", file, err.lineno))) from None
    except OSError as err:
        raise InputError(f"{file}: cannot be read ({err.strerror})") from None
    if not isinstance(data, dict) or data.get("type") not in ("FeatureCollection", "Feature"):
        return None
    features = data.get("features") if data["type"] == "FeatureCollection" else [data]
    if not isinstance(features, list):
        raise InputError(f"{file}: the FeatureCollection has no list of features")
    rows = [item if isinstance(item, dict) else {} for item in features]
    cells = [row["properties"] if isinstance(row.get("properties"), dict) else {} for row in rows]
    names = list(dict.fromkeys(name for row in cells for name in row))
    columns = {name: _object_array([row.get(name) for row in cells]) for name in names}
    crs = data.get("crs")
    named = crs["properties"].get("name") if isinstance(crs, dict) and isinstance(crs.get("properties"), dict) else None
    shapes = [shape_of_geojson(row.get("geometry")) for row in rows]
    return _Found(shapes, columns, [text_of(row.get("id")) for row in rows], named, GEOJSON_CRS)


def _object_array(values: Sequence[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _read_parquet(file: Path) -> _Found:
    """Read GeoParquet: its `geo` metadata names the geometry column and the coordinate reference system."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as err:
        raise InputError(f"{file}: cannot be read as Parquet ({_one_line(err)})") from None
    try:
        meta = json.loads((table.schema.metadata or {})[b"geo"])
        name = meta["primary_column"]
        about = meta["columns"][name]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{file}: is Parquet without usable 'geo' metadata; write it as GeoParquet") from None
    if about.get("encoding") != "WKB" or name not in table.column_names:
        raise InputError(f"{file}: geometry column {name!r} with encoding {about.get('encoding')!r}; GeoParquet with WKB is needed")
    shapes = [shape_of_wkb(value) for value in table[name].to_pylist()]
    columns = {col: _object_array(table[col].to_pylist()) for col in table.column_names if col not in meta["columns"]}
    crs = about.get("crs", GEOJSON_CRS)  # the format prescribes longitude and latitude where `crs` is absent; null means unknown
    return _Found(shapes, columns, [], json.dumps(crs) if isinstance(crs, dict) else crs)


def _read_gdal(file: Path, layer: str | None, key: str) -> _Found:
    """Read any format that GDAL opens; a zip may hold the map in a folder."""
    import pyogrio
    import pyogrio.raw

    source = _inside_zip(file, layer, key) if file.suffix.lower() == ".zip" else str(file)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            layer = _choose_layer(file, pyogrio.list_layers(source), layer if source == str(file) else None, key)
            meta, fids, wkb, cells, cut = _read_raw(source, layer)
        except (RuntimeError, ValueError) as err:  # pyogrio's errors are RuntimeErrors
            raise InputError(f"{file}: cannot be read as a map ({_one_line(err)})") from None
    notes = list(dict.fromkeys(str(item.message).split(". To avoid")[0] for item in caught))
    if cut:
        notes.append(f"{file}: text ends in the middle of a letter; read without it: columns {', '.join(meta['fields'])}")
    shapes = [Shape("none", reasons=("has no geometry",))] * len(fids) if wkb is None else [shape_of_wkb(value) for value in wkb]
    columns = {str(name): np.asarray(values) for name, values in zip(meta["fields"], cells, strict=True)}
    if meta["encoding"] == "ISO-8859-1" and any(isinstance(v, str) and not v.isascii() for values in columns.values() for v in values):
        notes.append(f"{file}: text read as ISO-8859-1, as the file does not say; if it looks wrong, write it in UTF-8 with a .cpg file")
    return _Found(shapes, columns, [], meta["crs"], None, layer, notes)


def _read_raw(source: str, layer: str) -> tuple[dict[str, Any], np.ndarray, Any, list[np.ndarray], bool]:
    """What pyogrio reads of a layer, and whether text was cut.

    A Shapefile allows 10 bytes of a column's name; GDAL cuts longer names there, be it within a Cyrillic letter.
    """
    import pyogrio.raw

    how: dict[str, Any] = {"layer": layer, "force_2d": True, "return_fids": True, "datetime_as_string": True}
    try:
        return (*pyogrio.raw.read(source, **how), False)
    except UnicodeDecodeError:
        meta, fids, wkb, cells = pyogrio.raw.read(source, **how, encoding="ISO-8859-1")  # each byte a letter: nothing fails
    meta["fields"] = np.array([_mended(name) for name in meta["fields"]], dtype=object)
    texts = [_object_array([_mended(cell) for cell in values]) if values.dtype.kind == "O" else values for values in cells]
    return meta, fids, wkb, texts, True


def _mended(cell: Any) -> Any:
    """UTF-8 text that was read byte by byte, without the bytes of an unfinished letter."""
    return cell.encode("latin-1").decode("utf-8", errors="ignore") if isinstance(cell, str) else cell


def _one_line(err: Exception) -> str:
    return " ".join(str(err).split())


def _inside_zip(file: Path, layer: str | None, key: str) -> str:
    """The GDAL path of the one map inside a zip; `layer` chooses among several by the name of the file without its suffix."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(ZIP_MEMBERS) and "__MACOSX" not in name]
    except (zipfile.BadZipFile, OSError) as err:
        raise InputError(f"{file}: cannot be read as a zip ({_one_line(err)})") from None
    if not members:
        raise InputError(f"{file}: holds no map (looked for {', '.join(ZIP_MEMBERS)})")
    stems = {Path(name).stem: name for name in members}
    if layer is not None and layer not in stems and len(members) > 1:
        raise InputError(f"{file}: has no layer {layer!r}{did_you_mean(layer, stems)}")
    if layer is None and len(members) > 1:
        raise InputError(f"{file}: holds several maps: {', '.join(sorted(stems))}; set {_layer_key(key)}")
    return f"/vsizip/{file.as_posix()}/{stems[layer] if layer in stems else members[0]}"


def _choose_layer(file: Path, layers: np.ndarray, layer: str | None, key: str) -> str:
    """The layer to read: the one asked for, or the only one with geometry."""
    names = [str(name) for name, _ in layers]
    if layer is not None:
        if layer not in names:
            raise InputError(f"{file}: has no layer {layer!r}{did_you_mean(layer, names)}")
        return layer
    drawn = [str(name) for name, kind in layers if kind is not None]
    polygons = [str(name) for name, kind in layers if kind is not None and "Polygon" in str(kind)]
    for choice in (drawn, polygons):
        if len(choice) == 1:
            return choice[0]
    if not drawn:
        raise InputError(f"{file}: has no layer with geometry")
    raise InputError(f"{file}: has several layers: {', '.join(drawn)}; set {_layer_key(key)}")


def _layer_key(key: str) -> str:
    """The key that names the layer: in a rezoning `layer` is the file."""
    return "rezone.layer_name" if key == "rezone" else f"{key}.layer"


def _settle_crs(file: Path, found: _Found, given: str | None, key: str) -> str:
    """The map's coordinate reference system as text, checked against the coordinates."""
    import pyproj

    own = _parse_crs(file, found.crs, "the file's coordinate reference system") if found.crs else None
    asked = _parse_crs(file, given, f"{key}.crs") if given else None
    if own is not None and asked is not None and not own.equals(asked, ignore_axis_order=True):
        raise InputError(f"{file}: the file says its coordinates are in {_crs_text(own)}, {key}.crs says {given}; leave {key}.crs out")
    crs = own or asked or (pyproj.CRS(found.implied) if found.implied else None)
    if crs is None:
        raise InputError(f"{file}: the map has no coordinate reference system; set {key}.crs, for example EPSG:4326 or EPSG:32643")
    _check_span(file, found.shapes, crs, key)
    return _crs_text(crs)


def _check_span(file: Path, shapes: Sequence[Shape], crs: Any, key: str) -> None:
    """Refuse degrees in a projected system and metres in a geographic one; name the features where only some are far off."""
    drawn = np.array([shape.drawn for shape in shapes], dtype=object)
    rows = np.flatnonzero(shapely.is_geometry(drawn))
    if not len(rows):
        return
    west, south, east, north = shapely.bounds(drawn[rows]).T
    far = (np.maximum(-west, east) > 180) | (np.maximum(-south, north) > 90)
    span = f"x {west.min():g} … {east.max():g}, y {south.min():g} … {north.max():g}"
    if crs.is_geographic and far.any():
        which = "" if far.all() else " of features " + ", ".join(str(row + 1) for row in rows[far][:20])
        raise InputError(
            f"{file}: coordinates{which} ({span}) are outside ±180/±90 degrees, so {_crs_text(crs)} is not a usable coordinate reference "
            f"system for them; set {key}.crs, for example EPSG:32643, or correct the file"
        )
    if crs.is_projected and not far.any():
        raise InputError(f"{file}: coordinates ({span}) look like degrees, but the coordinate reference system is {_crs_text(crs)}")


def _parse_crs(file: Path, text: str, what: str) -> Any:
    import pyproj

    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError:
        short = text if len(text) <= 60 else text[:60] + "…"
        raise InputError(f"{file}: {what} is {short!r}, which is not known; write it like EPSG:32643") from None


def _crs_text(crs: Any) -> str:
    code = crs.to_authority()
    return ":".join(code) if code else str(crs.to_wkt())


def _match_columns(
    file: Path, columns: Mapping[str, Any], asked: Mapping[str, str], known: Sequence[str], key: str
) -> dict[str, str]:
    """Standard name → the file's column; case and spaces around names do not matter; all problems at once."""
    folded: dict[str, list[str]] = {}
    for name in columns:
        folded.setdefault(name.strip().casefold(), []).append(name)
    problems = []
    matched = {}
    for standard, wanted in asked.items():
        same = [str(wanted)] if str(wanted) in columns else folded.get(str(wanted).strip().casefold(), [])
        if standard not in known:
            problems.append(Problem(f"{key}.columns: {standard!r} is no standard column{did_you_mean(standard, known)}", file))
        elif len(same) > 1:
            problems.append(Problem(f"{key}.columns.{standard}: {wanted!r} may be any of {', '.join(same)}", file))
        elif not same:
            names = did_you_mean(str(wanted), columns) or f"; the file has {', '.join(columns)}"
            problems.append(Problem(f"{key}.columns.{standard}: the file has no column {wanted!r}{names}", file))
        else:
            matched[standard] = same[0]
    raise_problems(problems)
    for standard in known:
        same = [standard] if standard in columns else folded.get(standard, [])
        if standard not in matched and len(same) == 1:
            matched[standard] = same[0]
    return matched


def write_map(
    path: str | os.PathLike[str],
    geometry: Sequence[Any] | np.ndarray,
    columns: Mapping[str, Sequence[Any] | np.ndarray],
    crs: str,
    *,
    force: bool = False,
) -> list[str]:
    """Write polygons with columns as GeoPackage, GeoJSON, Shapefile or FlatGeobuf, by the suffix; returns notes.

    Written aside and renamed, so that a reader never sees half a map; a file that exists is replaced only with `force`. GeoJSON is
    written in longitude and latitude, as the format prescribes.
    """
    import pyogrio

    file = Path(path)
    driver = DRIVERS.get(file.suffix.lower())
    if driver is None:
        raise InputError(f"{file}: a map is written as one of {', '.join(DRIVERS)}")
    if file.exists() and not force:
        raise InputError(f"{file}: is there already; use --force to replace it")
    if not file.parent.is_dir():
        raise InputError(f"{file}: there is no folder {file.parent}")
    shapes = np.asarray(geometry, dtype=object)
    if driver == "GeoJSON":
        shapes, crs = to_crs(shapes, crs, "EPSG:4326"), "EPSG:4326"
    names, notes = _short_names(file, list(columns)) if driver == "ESRI Shapefile" else (list(columns), [])
    cells, masks = zip(*(_writable(values) for values in columns.values()), strict=True) if columns else ((), ())
    options = {"FID": _free("fid", columns), "GEOMETRY_NAME": _free("geom", columns)} if driver == "GPKG" else None
    aside = file.with_name(f"{file.stem}.{os.getpid()}.part{file.suffix}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # GDAL tells about widths of number fields
            pyogrio.raw.write(
                aside, shapely.to_wkb(shapes), list(cells), np.array(names, dtype=object), field_mask=list(masks), layer=file.stem,
                driver=driver, geometry_type="MultiPolygon" if driver != "GeoJSON" else "Unknown", crs=crs, encoding="UTF-8",
                promote_to_multi=driver != "GeoJSON", layer_options=options,
            )  # fmt: skip
        for part in _parts(aside):
            part.replace(file.with_suffix(part.suffix))
    except (OSError, RuntimeError) as err:
        raise InputError(f"{file}: cannot be written ({_one_line(err)})") from None
    finally:
        for part in _parts(aside):
            part.unlink()
    return notes


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, with underscores until no column has it."""
    while name in {column.casefold() for column in taken}:
        name += "_"
    return name


def _parts(file: Path) -> list[Path]:
    """The files of one map: a Shapefile has several of the same stem."""
    return sorted(part for part in file.parent.iterdir() if part.name.startswith(file.stem + "."))


def _writable(values: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A column GDAL can write (numbers as they are, all else text), and where it is missing."""
    array = np.asarray(values, dtype=None if isinstance(values, np.ndarray) else object)
    if array.dtype.kind in "biuf":
        return array, np.isnan(array) if array.dtype.kind == "f" else np.zeros(len(array), dtype=bool)
    missing = np.array([value is None for value in array], dtype=bool)
    present = [value for value in array if value is not None]
    for kind, dtype in ((bool, np.bool_), (int, np.int64), ((int, float), np.float64)):
        if present and all(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) for value in present):
            return np.array([dtype(0) if value is None else value for value in array], dtype=dtype), missing
    texts = [None if v is None else v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, default=str) for v in array]
    return _object_array(texts), missing


def _short_names(file: Path, names: list[str]) -> tuple[list[str], list[str]]:
    """Column names for a Shapefile, which allows 10 bytes of each, all different; and notes on those that changed."""
    short: list[str] = []
    notes = []
    for name in names:
        new = name.encode()[:10].decode(errors="ignore")
        number = 2
        while new.casefold() in (other.casefold() for other in short):
            new = name.encode()[: 9 - len(str(number))].decode(errors="ignore") + f"_{number}"
            number += 1
        short.append(new)
        if new != name:
            notes.append(f"{file}: column {name!r} is written as {new!r} (a Shapefile allows 10 bytes)")
    return short, notes
