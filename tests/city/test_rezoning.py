from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from city_maps import EAST, NORTH, box, degrees, geojson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alatau_sim.city.geofiles import write_map
from alatau_sim.city.rezoning import Changes, rezone
from alatau_sim.city.zones import LAND_USES, ZoneTable, load_zones
from alatau_sim.errors import InputError

COUNTS = {"dwellings_existing": [100, 50, 0, 7], "dwellings_planned": [1000, 500, 0, 7], "residents_existing": [300, 150, 0, 20]}
ZONING = {"floor_area_ratio": [1.0, 2.0, 0.5, 0.0], "coverage": [0.3, 0.4, 0.5, 0.0]}


@pytest.fixture
def zones(block) -> ZoneTable:
    return load_zones(block(**COUNTS, **ZONING))


def use_of(table: ZoneTable) -> list[str]:
    return [LAND_USES[code] for code in table.land_use]


def same_facts(before: ZoneTable, after: ZoneTable) -> None:
    """What rezoning never touches."""
    for name in ("ids", "area_m2", "dwellings_existing", "residents_existing", "jobs_planned", "outside", "geometry_m"):
        assert (getattr(before, name) == getattr(after, name)).all()
    assert before.zone == after.zone


def test_by_ids_only_what_is_named_changes(zones: ZoneTable) -> None:
    done = rezone(zones, zone_ids=["c", "d"], changes=Changes(use="mixed", floor_area_ratio=2.5, coverage=0.6, dwellings_planned=900))
    assert use_of(done.zones) == ["residential", "mixed", "mixed", "mixed"]
    assert done.zones.floor_area_ratio.tolist() == [1.0, 2.0, 2.5, 2.5]
    assert done.zones.coverage.tolist() == [0.3, 0.4, 0.6, 0.6]
    assert done.zones.dwellings_planned.tolist() == [1000, 500, 900, 900]
    assert done.covered_share.tolist() == [0, 0, 1, 1]
    assert done.rows.tolist() == [2, 3]
    same_facts(zones, done.zones)


def test_planned_dwellings_follow_the_zoning_where_not_given(zones: ZoneTable) -> None:
    done = rezone(zones, zone_ids=["a"], changes=Changes(floor_area_ratio=1.5))
    assert done.zones.dwellings_planned.tolist() == [1500, 500, 0, 7]  # in proportion
    done = rezone(zones, zone_ids=["c"], changes=Changes(use="mixed", floor_area_ratio=0.84))
    assert done.zones.dwellings_planned[2] == pytest.approx(1_000_000 * 0.84 * 0.5 / 84, abs=1)  # nothing was planned: the room there is
    done = rezone(zones, zone_ids=["a"], changes=Changes(use="open", floor_area_ratio=0.0))
    assert done.zones.dwellings_planned[0] == 100  # what exists stays
    assert rezone(zones, zone_ids=["a", "b", "c", "d"], changes=Changes(coverage=0.1)).zones.dwellings_planned.tolist() == [1000, 500, 0, 7]


def test_fewer_dwellings_than_exist_are_noted(zones: ZoneTable) -> None:
    done = rezone(zones, zone_ids=["a", "b"], changes=Changes(dwellings_planned=60))
    assert done.zones.dwellings_planned.tolist() == [100, 60, 0, 7]
    assert done.notes == ("zone 'a': 60 dwellings planned are below the existing: 100",)


def test_bad_requests_are_named(zones: ZoneTable, block) -> None:
    with pytest.raises(InputError, match="there is no zone 'aa'"):
        rezone(zones, zone_ids=["aa"], changes=Changes(use="mixed"))
    with pytest.raises(InputError, match="use 'mixd' is no standard land use; did you mean 'mixed'"):
        rezone(zones, zone_ids=["a"], changes=Changes(use="mixd"))
    with pytest.raises(InputError, match=r"coverage is 40; it must be within 0 … 1"):
        rezone(zones, zone_ids=["a"], changes=Changes(coverage=40))
    with pytest.raises(InputError, match="says nothing"):
        rezone(zones, zone_ids=["a"])
    with pytest.raises(InputError, match="either zones or a layer"):
        rezone(zones, zone_ids=["a"], layer=block(), changes=Changes(use="mixed"))
    with pytest.raises(InputError, match="either zones or a layer"):
        rezone(zones, changes=Changes(use="mixed"))


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp"])
def test_full_cover_replaces_whatever_the_coordinates(tmp_path: Path, zones: ZoneTable, suffix: str) -> None:
    layer = tmp_path / f"жаңа квартал{suffix}"
    write_map(layer, [box(0, 0, 2000, 1000)], {"use": ["business"], "far": [3.0], "planned": [1001]}, "EPSG:32643")
    columns = {"land_use": "use", "floor_area_ratio": "far", "dwellings_planned": "planned"}
    done = rezone(zones, layer=layer, columns=columns)
    assert done.covered_share == pytest.approx([1, 1, 0, 0], abs=1e-12)
    assert use_of(done.zones) == ["business", "business", "industry", "open"]
    assert done.zones.floor_area_ratio == pytest.approx([3, 3, 0.5, 0])
    assert done.zones.coverage == pytest.approx([0.3, 0.4, 0.5, 0.0])
    assert done.zones.dwellings_planned[:2].sum() == 1001
    assert done.zones.dwellings_planned[2:].tolist() == [0, 7]
    same_facts(zones, done.zones)


def test_part_cover_is_weighted_by_area(tmp_path: Path, zones: ZoneTable) -> None:
    quarter, most = box(0, 0, 250, 1000), box(0, 1, 600, 1000)
    rows = [{"land_use": "mixed", "floor_area_ratio": 3.0}, {"land_use": "logistics", "floor_area_ratio": 1.0}]
    done = rezone(zones, layer=geojson(tmp_path / "l.geojson", [degrees(quarter), degrees(most)], rows))
    assert done.covered_share == pytest.approx([0.25, 0, 0.6, 0], abs=1e-4)
    assert use_of(done.zones) == ["residential", "mixed", "logistics", "open"]  # the largest share
    assert done.zones.floor_area_ratio == pytest.approx([0.75 * 1 + 0.25 * 3, 2, 0.4 * 0.5 + 0.6 * 1, 0], abs=1e-3)
    in_proportion = 0.75 * 1000 + 0.25 * 1000 * (3 * 0.5) / (1 * 0.9)
    assert done.zones.dwellings_planned[0] == pytest.approx(in_proportion, abs=1)
    assert done.zones.floor_area_ratio[[1, 3]].tolist() == [2.0, 0.0]


def test_a_file_with_several_layers_needs_the_layers_name(tmp_path: Path, zones: ZoneTable) -> None:
    path = tmp_path / "plans.gpkg"
    for name, use in (("plan_a", "health"), ("plan_b", "education")):
        frame = geopandas.GeoDataFrame({"land_use": [use]}, geometry=[box(0, 0)], crs="EPSG:32643")
        frame.to_file(path, layer=name)
    with pytest.raises(InputError, match="several layers: plan_a, plan_b"):
        rezone(zones, layer=path)
    assert use_of(rezone(zones, layer=path, layer_name="plan_b").zones)[0] == "education"


def test_a_layer_without_crs_takes_the_one_given(tmp_path: Path, zones: ZoneTable) -> None:
    path = geojson(tmp_path / "l.geojson", [box(1, 1)], [{"land_use": "mixed"}])
    with pytest.raises(InputError, match=r"set rezone\.crs"):
        rezone(zones, layer=path)
    assert rezone(zones, layer=path, crs="EPSG:32643").rows.tolist() == [3]


def test_polygons_without_own_values_take_those_of_the_scenario(tmp_path: Path, zones: ZoneTable) -> None:
    shapes = [degrees(box(0, 0)), degrees(box(1, 0))]
    layer = geojson(tmp_path / "l.geojson", shapes, [{"land_use": "K2", "far": None}, {"land_use": None, "far": 4}])
    changes = Changes(use="education", floor_area_ratio=0.7)
    done = rezone(zones, layer=layer, changes=changes, columns={"floor_area_ratio": "far"}, land_use={"K2": "health"})
    assert use_of(done.zones)[:2] == ["health", "education"]
    assert done.zones.floor_area_ratio[:2] == pytest.approx([0.7, 4])
    with pytest.raises(InputError, match="none of land_use, floor_area_ratio"):
        rezone(zones, layer=geojson(tmp_path / "e.geojson", shapes, [{"x": 1}] * 2))


def test_polygons_that_touch_no_zone_are_refused_and_what_hangs_over_is_noted(tmp_path: Path, zones: ZoneTable) -> None:
    use = {"land_use": "mixed"}
    with pytest.raises(InputError, match=r"far\.geojson: feature 2 .* covers no zone of block\.geojson"):
        rezone(zones, layer=geojson(tmp_path / "far.geojson", [degrees(box(0, 0)), degrees(box(9, 9))], [{"zone": "x", **use}] * 2))
    with pytest.raises(InputError, match=r"overlap by (500,00\d|499,99\d) m2"):
        rezone(zones, layer=geojson(tmp_path / "o.geojson", [degrees(box(0, 0)), degrees(box(0.5, 0))], [use] * 2))
    done = rezone(zones, layer=geojson(tmp_path / "half.geojson", [degrees(box(-0.5, 0))], [use]))
    assert any("50.0% of its area is in none of the rezoned zones" in note for note in done.notes)
    spill = rezone(zones, layer=geojson(tmp_path / "s.geojson", [degrees(box(0, 0, 1000.8, 1000.8))], [use]))
    assert spill.covered_share == pytest.approx([1, 0, 0, 0], abs=1e-12)
    assert len([note for note in spill.notes if "is touched by" in note]) == 3


def test_a_small_quarter_in_a_large_zone_counts(tmp_path: Path, zones: ZoneTable) -> None:
    layer = geojson(tmp_path / "l.geojson", [degrees(box(0.5, 1.5, 20, 20))], [{"dwellings_planned": 40}])
    done = rezone(zones, layer=layer)
    assert done.covered_share[2] == pytest.approx(400 / 1e6, rel=1e-4)
    assert done.zones.dwellings_planned[2] == 40


cuts = st.floats(-0.7, 1.9, allow_nan=False)
sizes = st.floats(150, 2500)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.tuples(cuts, cuts), st.tuples(sizes, sizes), st.integers(0, 5000), st.floats(0, 8))
def test_dwellings_and_floor_space_are_conserved(tmp_path: Path, zones: ZoneTable, at, size, planned: int, far: float) -> None:
    drawn = box(*at, *size)
    inside = shapely.intersection(drawn, shapely.box(EAST, NORTH, EAST + 2000, NORTH + 2000)).area
    if inside < 5_000:
        return
    path = tmp_path / "l.geojson"
    geojson(path, [degrees(drawn)], [{"dwellings_planned": planned, "floor_area_ratio": far, "land_use": "mixed"}])
    done = rezone(zones, layer=path)
    after = done.zones
    same_facts(zones, after)
    assert (after.dwellings_planned >= after.dwellings_existing).all()
    assert done.covered_share.min() >= 0
    assert done.covered_share.max() <= 1
    floor = after.floor_area_ratio @ after.area_m2
    kept = ((1 - done.covered_share) * zones.floor_area_ratio) @ zones.area_m2
    assert floor == pytest.approx(kept + far * (done.covered_share @ zones.area_m2), rel=1e-9, abs=1e-3)
    untouched = np.setdiff1d(np.arange(4), done.rows)
    assert (after.dwellings_planned[untouched] == zones.dwellings_planned[untouched]).all()
    bare = np.maximum(np.rint(zones.dwellings_planned * (1 - done.covered_share)), 0)
    free = after.dwellings_planned > after.dwellings_existing  # where the floor of existing dwellings did not bind
    if free[done.rows].all():
        placed = (after.dwellings_planned - bare)[done.rows].sum()
        assert abs(placed - planned) <= len(done.rows) / 2  # rounding of what stays; the polygon's own count is whole


def test_a_polygons_dwellings_come_out_whole_over_empty_zones(tmp_path: Path, block) -> None:
    empty = load_zones(block(dwellings_planned=[0] * 4))
    layer = geojson(tmp_path / "l.geojson", [degrees(box(0.3, 0.4, 1100, 1200))], [{"dwellings_planned": 997}])
    done = rezone(empty, layer=layer)
    assert done.zones.dwellings_planned.sum() == 997
    assert (done.zones.dwellings_planned > 0).all()
