from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import shapely
from city_maps import EAST, NORTH, box, degrees, geojson

from alatau_sim.city.geofiles import read_map, write_map
from alatau_sim.city.zonereport import report_zones
from alatau_sim.city.zones import load_zones
from alatau_sim.errors import InputError


def bow_tie(column: float, row: float) -> shapely.Polygon:
    x, y = EAST + 1000 * column, NORTH + 1000 * row
    return shapely.Polygon([(x, y), (x + 1000, y + 1000), (x + 1000, y), (x, y + 1000)])


@pytest.fixture
def dirty(tmp_path: Path) -> Path:
    """A map in degrees with one of everything that goes wrong."""
    ring_of_two = {"type": "Polygon", "coordinates": [[[77, 43.5], [77.01, 43.5]]]}
    shapes = [
        degrees(box(0, 0)),
        degrees(box(0.9, 0)),  # overlaps the first by 0.1 km2
        degrees(bow_tie(0, 2)),
        ring_of_two,
        None,
        shapely.Polygon(),
        degrees(shapely.Point(EAST, NORTH)),
        degrees(box(0, 5, 1000, 2)),  # two metres thin
        degrees(shapely.MultiPolygon([box(3, 0), box(5, 0)])),
        degrees(shapely.difference(box(7, 0), box(7.25, 0.25, 500, 500))),
    ]
    names = ["a", "a", "лук", "two", "nothing", "empty", "point", "thin", "parts", "hole"]
    rows = [{"ZONE": name, "Функция": "R", "Атауы": f"№ {name}"} for name in names]
    return geojson(tmp_path / "бас жоспар.geojson", shapes, rows)


MAPPING = {"columns": {"zone": "zone", "land_use": "функция"}, "land_use": {"r": "residential"}}


def test_everything_wrong_is_told_once_with_place_and_area(dirty: Path) -> None:
    report = report_zones(dirty, **MAPPING)
    assert report.features == 10
    assert report.kinds == {"Polygon": 7, "none": 1, "Point": 1, "MultiPolygon": 1}
    assert [fault.zone for fault in report.repaired] == ["лук"]
    assert [fault.zone for fault in report.unusable] == ["two", "nothing", "empty", "point"]
    (tie,) = report.repaired
    centre = degrees(shapely.Point(EAST + 500, NORTH + 2500))
    assert (tie.lon, tie.lat) == pytest.approx((centre.x, centre.y), abs=1e-5)
    assert tie.reason == "self-intersection"
    assert tie.before_m2 < 100 < tie.after_m2 == pytest.approx(500_000, rel=1e-4)
    assert report.after_km2 == pytest.approx(1 + 1 + 0.5 + 0.002 + 2 + 0.75, abs=1e-4)
    assert report.after_km2 - report.before_km2 == pytest.approx(0.5, abs=1e-4)
    ((left, right, area),) = report.overlaps
    assert (left, right) == ("a", "a-2")
    assert area == pytest.approx(100_000, abs=1)
    (sliver,) = report.slivers
    assert sliver.zone == "thin"
    assert sliver.width_m == pytest.approx(2, abs=0.01)
    assert report.land_uses == {"residential": 10}
    assert not report.fit
    assert not report_zones(dirty, **MAPPING, overlap_threshold_m2=100_001).overlaps


def test_the_text_names_every_fault(dirty: Path) -> None:
    text = report_zones(dirty, **MAPPING).text()
    for word in ("10 (Polygon 7, none 1, Point 1, MultiPolygon 1)", "EPSG:32643", "Repaired (1)", "Unusable, left out (4)", "5.252 km2"):
        assert word in text
    for word in ("feature 4  two", "has no geometry", "has an empty geometry", "is a Point, not a polygon", "repeats the zone id 'a'"):
        assert word in text
    assert text.endswith("A run does not take this map as it is.")


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".fgb"])
def test_the_repaired_map_keeps_the_rest_and_its_columns(dirty: Path, suffix: str) -> None:
    out = dirty.parent / f"түзетілген карта{suffix}"
    first = report_zones(dirty, **MAPPING, out=out)
    assert "4 unusable features left out" in first.text()
    again = report_zones(out, columns={"zone": "ZONE"})
    assert again.features == 6
    assert not again.invalid
    assert again.after_km2 == pytest.approx(first.after_km2, abs=1e-6)
    raw = read_map(out)
    assert sorted(raw.columns["ZONE"]) == sorted(["a", "a-2", "лук", "thin", "parts", "hole"])
    assert len(raw.columns) == 3


def test_the_repaired_map_loads_for_a_run(dirty: Path) -> None:
    with pytest.raises(InputError, match="4 |cannot be used"):
        load_zones(dirty, **MAPPING)
    out = dirty.parent / "repaired.gpkg"
    report_zones(dirty, **MAPPING, out=out)
    zones = load_zones(out, **MAPPING, overlap_threshold_m2=200_000)
    assert zones.zone == ("a", "a-2", "лук", "thin", "parts", "hole")
    with sqlite3.connect(out) as base:  # a GeoPackage that other programs open
        assert base.execute("select count(*) from gpkg_contents").fetchone() == (1,)
    base.close()


def test_a_clean_map_is_fit_and_stays_as_it_is(block) -> None:
    path = block()
    report = report_zones(path, out=path.parent / "out.geojson")
    assert report.fit
    assert not report.invalid
    assert report.before_km2 == report.after_km2 == pytest.approx(4, abs=1e-5)
    assert "A run takes this map as it is." in report.text()
    assert load_zones(report.written).area_m2.tolist() == load_zones(path).area_m2.tolist()


def test_a_zone_far_away_is_a_problem_that_does_not_spoil_the_others(tmp_path: Path) -> None:
    shapes = [shapely.box(0, 0, 0.01, 0.01), None, *(degrees(box(k, 0)) for k in range(3))]
    report = report_zones(geojson(tmp_path / "m.geojson", shapes, [{"land_use": "mixed"}] * 5))
    assert report.metric_crs == "EPSG:32643"
    assert not report.fit
    assert "feature 1 reaches more than 6 degrees" in report.text()
    assert "middle of the map  at 76.99" in report.text()


def test_the_map_itself_is_never_overwritten(block) -> None:
    path = block()
    with pytest.raises(InputError, match="is the map itself"):
        report_zones(path, out=path, force=True)


def test_nothing_usable_is_reported_and_not_written(tmp_path: Path) -> None:
    path = geojson(tmp_path / "m.geojson", [None], [{"land_use": "mixed"}])
    report = report_zones(path)
    assert not report.fit
    assert "the map has no usable zone" in report.text()
    with pytest.raises(InputError, match="no usable zone, so nothing was written"):
        report_zones(path, out=tmp_path / "out.gpkg")
    assert not (tmp_path / "out.gpkg").exists()


@pytest.mark.parametrize("suffix", [".gpkg", ".shp"])
def test_missing_geometry_and_bow_ties_in_other_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    write_map(path, [box(0, 0), bow_tie(2, 0), None], {"zone": ["a", "b", "c"], "land_use": ["mixed"] * 3}, "EPSG:32643")
    report = report_zones(path)
    assert report.features == 3
    assert [fault.zone for fault in report.repaired] == ["b"]
    assert [fault.zone for fault in report.unusable] == ["c"]
    assert report.after_km2 == pytest.approx(1.5)


def test_a_ring_of_two_points_in_a_geopackage_names_its_feature(tmp_path: Path) -> None:
    path = tmp_path / "m.gpkg"
    write_map(path, [box(0, 0), box(2, 0)], {"zone": ["a", "b"], "land_use": ["mixed"] * 2}, "EPSG:32643")
    with sqlite3.connect(path) as base:
        (blob,) = base.execute("select geom from m where zone = 'b'").fetchone()
        header = 8 + 32  # GeoPackage header with an envelope, then WKB: multipolygon of one polygon of one ring
        ring = header + 9 + 9
        assert blob[ring : ring + 4] == (5).to_bytes(4, "little")
        for name in [row[0] for row in base.execute("select name from sqlite_master where type = 'trigger'")]:
            base.execute(f'drop trigger "{name}"')
        base.execute("update m set geom = ? where zone = 'b'", (blob[:ring] + (2).to_bytes(4, "little") + blob[ring + 4 : ring + 36],))
    base.close()
    (fault,) = report_zones(path).unusable
    assert fault.zone == "b"
    assert "2 different points" in fault.reason
    with pytest.raises(InputError, match=r"m\.gpkg: feature 2 \(b\) cannot be used: the outer ring has 2 different points"):
        load_zones(path)
