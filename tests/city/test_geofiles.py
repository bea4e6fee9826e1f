from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from city_maps import box, degrees, geojson

from alatau_sim.city.geofiles import read_map, write_map
from alatau_sim.city.zones import STANDARD_COLUMNS, load_zones
from alatau_sim.errors import InputError

NAMES = ["Қақпа", "Алатау қаласы", "Өтеген батыр", "Gate"]


def frame(crs: str | None = "EPSG:32643") -> geopandas.GeoDataFrame:
    shapes = [box(0, 0), box(1, 0), box(0, 1), box(1, 1)]
    data = {"zone": ["a", "b", "c", "d"], "name": NAMES, "land_use": ["mixed"] * 4, "dwellings_existing": [1, 2, 3, 4]}
    return geopandas.GeoDataFrame(data, geometry=shapes, crs=crs)


def zipped_shapefile(folder: Path, inside: str = "") -> Path:
    frame().rename(columns={"dwellings_existing": "dwell_now"}).to_file(folder / "zones.shp", encoding="UTF-8")
    path = folder / "zones.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in sorted(folder.glob("zones.*")):
            if part.suffix != ".zip":
                archive.write(part, inside + part.name)
    return path


@pytest.mark.parametrize("kind", ["gpkg", "geojson", "shp", "zip", "zip in a folder", "parquet", "fgb"])
def test_every_format_gives_the_same_zones(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "Алатау қаласы жоспары"
    folder.mkdir()
    columns = {"dwellings_existing": "DWELL_NOW "} if kind in ("zip", "zip in a folder", "shp") else {}
    path = folder / f"zones.{kind}"
    if kind.startswith("zip"):
        path = zipped_shapefile(folder, "жоба/" if "folder" in kind else "")
    elif kind == "shp":
        zipped_shapefile(folder)
    elif kind == "parquet":
        frame().to_parquet(path)
    else:
        (frame().to_crs(4326) if kind == "geojson" else frame()).to_file(path)
    zones = load_zones(path, columns=columns)
    rows = zones.rows_of(["a", "b", "c", "d"])
    assert [zones.name[row] for row in rows] == NAMES
    assert zones.dwellings_existing[rows].tolist() == [1, 2, 3, 4]
    assert zones.area_m2.tolist() == [1_000_000] * 4
    assert zones.metric_crs == "EPSG:32643"


def test_a_map_without_crs_needs_one_and_takes_one(tmp_path: Path) -> None:
    path = tmp_path / "no crs.shp"
    with pytest.warns(UserWarning, match="crs"):
        frame(None).drop(columns="dwellings_existing").to_file(path)
    with pytest.raises(InputError, match=r"no crs\.shp: the map has no coordinate reference system; set map\.crs"):
        load_zones(path)
    assert load_zones(path, crs="EPSG:32643").area_m2.tolist() == [1_000_000] * 4
    with pytest.raises(InputError, match="map.crs is 'EPSG:x', which is not known"):
        load_zones(path, crs="EPSG:x")
    with pytest.raises(InputError, match="outside ±180/±90"):
        load_zones(path, crs="EPSG:4326")


def test_parquet_without_crs_needs_one(tmp_path: Path) -> None:
    frame(None).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(InputError, match="no coordinate reference system"):
        load_zones(tmp_path / "m.parquet")


def test_geojson_in_metres_needs_a_crs(tmp_path: Path) -> None:
    rows = [{"zone": "a", "land_use": "mixed"}]
    path = geojson(tmp_path / "m.geojson", [box(0, 0)], rows)
    with pytest.raises(InputError, match="outside ±180/±90"):
        load_zones(path)
    assert load_zones(path, crs="EPSG:32643").area_m2.tolist() == [1_000_000]
    named = geojson(tmp_path / "n.geojson", [box(0, 0)], rows, crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32643"}})
    assert load_zones(named).area_m2.tolist() == [1_000_000]
    with pytest.raises(InputError, match=r"map\.crs says EPSG:4326; leave map\.crs out"):
        load_zones(named, crs="EPSG:4326")
    with pytest.raises(InputError, match="look like degrees"):
        load_zones(geojson(tmp_path / "d.geojson", [degrees(box(0, 0))], rows), crs="EPSG:32643")


def test_one_feature_far_off_is_named(tmp_path: Path) -> None:
    path = geojson(tmp_path / "m.geojson", [degrees(box(0, 0)), shapely.box(500, 1, 501, 2)], [{"land_use": "mixed"}] * 2)
    with pytest.raises(InputError, match="coordinates of features 2 "):
        load_zones(path)


def test_columns_that_do_not_exist_name_the_nearest(block) -> None:
    with pytest.raises(InputError) as caught:
        read_map(block(Landuse_2024=["x"] * 4), columns={"land_use": "Landuse_2025", "zones": "zone"}, known=STANDARD_COLUMNS)
    assert "has no column 'Landuse_2025'; did you mean 'Landuse_2024'?" in str(caught.value)
    assert "'zones' is no standard column; did you mean 'zone'?" in str(caught.value)


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such map file"):
        read_map(tmp_path / "absent.gpkg")
    broken = tmp_path / "broken.geojson"
    broken.write_text('{"type": "FeatureCollection",\n "features": [}', encoding="utf-8")
    with pytest.raises(InputError, match=r"broken\.geojson:2: broken JSON"):
        read_map(broken)
    for name in ("text.gpkg", "text.zip", "text.parquet", "text.shp"):
        (tmp_path / name).write_text("no map", encoding="utf-8")
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            read_map(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as archive:
        archive.writestr("readme.txt", "no map")
    with pytest.raises(InputError, match="holds no map"):
        read_map(tmp_path / "e.zip")


def test_layers_are_chosen_or_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "two.gpkg"
    frame().to_file(path, layer="zones_now")
    frame().iloc[:1].to_file(path, layer="zones_plan")
    with pytest.raises(InputError, match=r"several layers: zones_now, zones_plan; set map\.layer"):
        read_map(path)
    with pytest.raises(InputError, match="has no layer 'zones_plam'; did you mean 'zones_plan'"):
        read_map(path, layer="zones_plam")
    assert len(read_map(path, layer="zones_plan")) == 1


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".fgb"])
def test_a_written_map_reads_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out [қала]{suffix}"
    shapes = [box(0, 0), shapely.MultiPolygon([box(2, 0), box(4, 0)])]
    ids, share = np.array(["а", None], dtype=object), np.array([0.5, np.nan])
    columns = {"zone": ids, "count": np.array([1, 2]), "share": share, "out": [True, None]}
    write_map(path, shapes, columns, "EPSG:32643")
    raw = read_map(path, known=STANDARD_COLUMNS)
    order = np.argsort([str(value) for value in raw.columns["zone"]])  # FlatGeobuf keeps its own order
    assert [raw.columns["zone"][k] for k in order[::-1]] == ["а", None]
    assert [int(raw.columns["count"][k]) for k in order[::-1]] == [1, 2]
    with pytest.raises(InputError, match="is there already"):
        write_map(path, shapes, columns, "EPSG:32643")
    write_map(path, shapes[:1], {"zone": ["b"]}, "EPSG:32643", force=True)
    assert len(read_map(path)) == 1
    assert not [part for part in tmp_path.iterdir() if ".part" in part.name]


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".fgb"])
def test_columns_called_as_the_formats_own_are_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    write_map(path, [box(0, 0), box(1, 0)], {"fid": [7, 7], "geom": ["x", "y"], "id": [1, 1]}, "EPSG:32643")
    columns = read_map(path).columns
    assert [int(value) for value in columns["fid"]] == [7, 7]
    assert sorted(columns["geom"]) == ["x", "y"]
    assert [int(value) for value in columns["id"]] == [1, 1]


def test_a_map_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a map is written as one of"):
        write_map(tmp_path / "m.dwg", [box(0, 0)], {}, "EPSG:32643")
    with pytest.raises(InputError, match="there is no folder"):
        write_map(tmp_path / "absent" / "m.gpkg", [box(0, 0)], {}, "EPSG:32643")


def test_long_names_stay_different_in_a_shapefile(tmp_path: Path) -> None:
    path = tmp_path / "m.shp"
    notes = write_map(path, [box(0, 0)], {"dwellings_existing": [1], "dwellings_planned": [2]}, "EPSG:32643")
    assert len(notes) == 2
    assert {name: int(values[0]) for name, values in read_map(path).columns.items()} == {"dwellings_": 1, "dwelling_2": 2}


@pytest.mark.filterwarnings("ignore:.*laundered:RuntimeWarning", "ignore:Column names longer:UserWarning")
@pytest.mark.filterwarnings("ignore:Could not decode:RuntimeWarning")
def test_a_shapefile_whose_column_names_end_within_a_letter_is_read(tmp_path: Path) -> None:
    path = tmp_path / "карта.shp"
    frame().rename(columns={"land_use": "зона_кат", "zone": "номер"}).to_file(path, encoding="UTF-8")  # 10 bytes end within "к"
    raw = read_map(path, columns={"zone": "номер", "land_use": "зона_", "name": "name"}, known=STANDARD_COLUMNS)
    assert list(raw.column("land_use")) == ["mixed"] * 4  # type: ignore[arg-type]
    assert list(raw.column("name")) == NAMES  # type: ignore[arg-type]
    assert any("in the middle of a letter" in note and "зона_" in note for note in raw.notes)


def test_text_in_an_unknown_encoding_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "m.shp"
    russian = frame().drop(columns="dwellings_existing").assign(name="Ворота")
    russian.to_file(path, encoding="cp1251")
    assert load_zones(path).notes[0].startswith("floor_area_ratio")
    path.with_suffix(".cpg").unlink()
    assert "text read as ISO-8859-1" in load_zones(path).notes[0]


def test_geojson_is_read_without_the_heavy_libraries(block) -> None:
    code = (
        "import sys; from alatau_sim.city.zones import load_zones; load_zones(sys.argv[1]);"
        "print([m for m in ('pandas', 'geopandas', 'pyogrio', 'mesa', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(block())], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_feature_ids_of_the_file_are_zone_ids_without_a_column(tmp_path: Path) -> None:
    path = geojson(tmp_path / "m.geojson", [degrees(box(0, 0))], [{"land_use": "mixed"}])
    data = json.loads(path.read_text(encoding="utf-8"))
    data["features"][0]["id"] = 7
    path.write_text(json.dumps(data), encoding="utf-8")
    assert load_zones(path).zone == ("7",)
