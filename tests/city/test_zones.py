from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from city_maps import box, degrees, geojson

from alatau_sim.city.network import ZoneIndex
from alatau_sim.city.zones import LAND_USES, ZONE_COLUMNS, Capacity, load_zones, stable_ids
from alatau_sim.errors import InputError


def test_areas_and_distances_are_those_of_the_drawn_squares(grid) -> None:
    zones = load_zones(grid(3, 2))
    assert np.abs(zones.area_m2 - 1_000_000).max() <= 1
    assert zones.metric_crs == "EPSG:32643"
    assert np.diff(zones.centroid_x_m[:3]) == pytest.approx([1000, 1000], abs=1e-3)


def test_columns_have_the_declared_types_and_ranges(block) -> None:
    zones = load_zones(block(outside=["", "да", None, 0]))
    for column in ZONE_COLUMNS:
        values = zones.columns()[column.name]
        assert values.dtype == column.dtype
        if column.within:
            assert column.within[0] <= values.min() <= values.max() <= column.within[1]
    assert zones.outside.tolist() == [False, True, False, False]
    assert [LAND_USES[code] for code in zones.land_use] == ["residential", "mixed", "industry", "open"]


def test_ids_depend_on_the_zone_alone(block) -> None:
    whole = load_zones(block())
    other = load_zones(block("other.geojson", zone=["d", "new", "b", "a"]))
    for zone in ("a", "b", "d"):
        assert whole.ids[whole.zone.index(zone)] == other.ids[other.zone.index(zone)]
    assert len(np.unique(whole.ids)) == 4
    assert (stable_ids(str(k) for k in range(1000)) >= 0).all()


def test_what_a_map_lacks_is_assumed_and_said(block) -> None:
    zones = load_zones(block(floor_area_ratio=[0.84, None, 0.84, 0.84]))
    notes = "\n".join(zones.notes)
    assert "floor_area_ratio of 1 zones assumed" in notes
    assert "coverage of 4 zones assumed" in notes
    assert "dwellings_planned derived" in notes
    assert zones.dwellings_planned[0] == pytest.approx(1_000_000 * 0.84 * Capacity().residential_share / 84, abs=1)
    assert zones.dwellings_planned[2:].tolist() == [0, 0]
    assert zones.district_labels == zones.settlement_labels == ("none",)


def test_counts_of_the_map_are_taken_as_they_are(block) -> None:
    planned, residents = [50, 2000, "7,0", 0], [30, 4000, 0, 0]
    zones = load_zones(block(dwellings_existing=[10, "1 200", None, 0], dwellings_planned=planned, residents_existing=residents))
    assert zones.dwellings_existing.tolist() == [10, 1200, 0, 0]
    assert zones.dwellings_planned.tolist() == [50, 2000, 7, 0]
    assert zones.residents_existing.tolist() == [30, 4000, 0, 0]
    raised = load_zones(block(dwellings_existing=[10, 20, 0, 0], dwellings_planned=[5, 30, 0, 0]))
    assert raised.dwellings_planned.tolist() == [10, 30, 0, 0]
    assert "dwellings_planned of 1 zones" in "\n".join(raised.notes)


def test_land_use_codes_are_mapped_whatever_their_case(block) -> None:
    path = block(land_use=["R1 ", "r1", 20, "Industry"])
    zones = load_zones(path, land_use={"r1": "residential", "20": "business"})
    assert [LAND_USES[code] for code in zones.land_use] == ["residential", "residential", "business", "industry"]


def test_unmapped_codes_are_one_error_with_counts(block) -> None:
    with pytest.raises(InputError) as caught:
        load_zones(block(land_use=["Ж-1", "Ж-1", None, "R2"]), land_use={"R2": "residental"})
    text = str(caught.value)
    assert "'Ж-1' (2)" in text
    assert "empty (1)" in text
    assert "standard: residential, mixed" in text
    assert "'residental' for code 'R2' is no standard land use; did you mean 'residential'?" in text


def test_without_a_land_use_column_the_files_columns_are_told(tmp_path: Path) -> None:
    path = geojson(tmp_path / "m.geojson", [degrees(box(0, 0))], [{"landuse": "mixed", "n": 1}])
    with pytest.raises(InputError, match=r"no column land_use; set map\.columns\.land_use .* did you mean 'landuse'"):
        load_zones(path)
    assert load_zones(path, columns={"land_use": "LandUse"}).extra.keys() == {"n"}


def test_all_bad_values_are_told_at_once(block) -> None:
    with pytest.raises(InputError) as caught:
        load_zones(block(coverage=[30, 0.1, 0.1, 0.1], dwellings_existing=[1, -2, 1.5, "many"], outside=["maybe", 0, 0, 0]))
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert "feature 1 (a): coverage is 30; it must be a number within 0 … 1 [1]" in lines[0]
    assert "feature 2 (b): dwellings_existing is -2; it must be a whole number within 0 …" in str(caught.value)
    assert "feature 4 (d): dwellings_existing is 'many'; it must be a number" in str(caught.value)


def test_unusable_features_refuse_the_map_and_say_how_to_go_on(tmp_path: Path) -> None:
    two = {"type": "Polygon", "coordinates": [[[77, 43], [77.01, 43]]]}
    shapes = [degrees(box(0, 0)), two, None, shapely.Polygon(), shapely.Point(77, 43)]
    path = geojson(tmp_path / "қала map.geojson", shapes, [{"zone": f"z{k}", "land_use": "mixed"} for k in range(5)])
    with pytest.raises(InputError) as caught:
        load_zones(path)
    text = str(caught.value)
    for feature in ("feature 2 (z1)", "feature 3 (z2)", "feature 4 (z3)", "feature 5 (z4)"):
        assert f"{path}: {feature} cannot be used" in text
    assert "feature 1" not in text
    assert f'alatau zones "{path}" --out repaired.gpkg' in text


@pytest.mark.parametrize("shapes", [[], [None, None]])
def test_a_map_without_a_usable_zone_is_refused(tmp_path: Path, shapes: list[None]) -> None:
    path = geojson(tmp_path / "m.geojson", shapes, [{"land_use": "mixed"}] * len(shapes))
    with pytest.raises(InputError, match="no usable polygon"):
        load_zones(path)


def test_overlaps_above_the_threshold_are_refused_by_name(tmp_path: Path) -> None:
    shapes = [degrees(box(0, 0)), degrees(box(0.999, 0)), degrees(box(0, 1))]
    path = geojson(tmp_path / "m.geojson", shapes, [{"zone": zone, "land_use": "mixed"} for zone in "abc"])
    with pytest.raises(InputError, match=r"zones 'a' and 'b' overlap by 1,000 m2"):
        load_zones(path)
    assert len(load_zones(path, overlap_threshold_m2=1001)) == 3


def test_repairs_and_renamed_zones_are_noted(tmp_path: Path) -> None:
    x, y = 77.2, 43.7
    tie = {"type": "Polygon", "coordinates": [[[x, y], [x + 0.1, y + 0.1], [x + 0.1, y], [x, y + 0.1], [x, y]]]}
    shapes = [tie, *(degrees(box(k, 0)) for k in range(4))]
    zones = [" a", "a", "a-2", None, "a"]
    path = geojson(tmp_path / "m.geojson", shapes, [{"zone": zone, "land_use": "mixed"} for zone in zones])
    table = load_zones(path)
    assert table.zone == ("a", "a-3", "a-2", "zone-4", "a-4")
    notes = "\n".join(table.notes)
    assert "feature 1 (a): repaired: self-intersection" in notes
    assert "feature 2 repeats the zone id 'a': called 'a-3'" in notes
    assert "1 features have no zone id" in notes


def test_an_unknown_zone_names_the_nearest(block) -> None:
    zones = load_zones(block(zone=["gate-01", "gate-02", "green-01", "x"]))
    assert zones.rows_of(["green-01", "gate-01"]).tolist() == [2, 0]
    with pytest.raises(InputError, match="there is no zone 'gate-1' in block.geojson; did you mean 'gate-01'"):
        zones.rows_of(["gate-1"])


def test_a_zone_far_away_is_refused_because_areas_would_be_false(tmp_path: Path) -> None:
    shapes = [shapely.box(0, 0, 0.01, 0.01), *(degrees(box(k, 0)) for k in range(3))]
    path = geojson(tmp_path / "m.geojson", shapes, [{"zone": f"z{k}", "land_use": "mixed"} for k in range(4)])
    with pytest.raises(InputError) as caught:
        load_zones(path)
    (line,) = str(caught.value).splitlines()
    assert "feature 1 (z0) reaches more than 6 degrees from the map's middle at 76.99" in line
    world = geojson(tmp_path / "w.geojson", [shapely.box(-180, -90, 180, 90)], [{"land_use": "mixed"}])
    with pytest.raises(InputError, match="reaches more than 6 degrees"):
        load_zones(world)


def test_neighbours_along_a_long_edge_neither_overlap_nor_come_apart(tmp_path: Path) -> None:
    """A straight edge of 80 km in degrees that one side draws with a point in its middle: 100 m off, were it straight in metres."""
    south = shapely.box(76.5, 43.4, 77.5, 43.5)
    north = [shapely.box(76.5, 43.5, 77.0, 43.6), shapely.box(77.0, 43.5, 77.5, 43.6)]
    zones = load_zones(geojson(tmp_path / "m.geojson", [south, *north], [{"land_use": "mixed"}] * 3))
    near = ZoneIndex(zones).adjacency
    assert [near.neighbours(row).tolist() for row in range(3)] == [[1, 2], [0, 2], [0, 1]]
    whole = load_zones(geojson(tmp_path / "w.geojson", [shapely.box(76.5, 43.4, 77.5, 43.6)], [{"land_use": "mixed"}]))
    assert zones.area_m2.sum() == pytest.approx(whole.area_m2.sum(), rel=1e-6)


def test_holes_and_parts_count_in_the_area(tmp_path: Path) -> None:
    ring = shapely.difference(box(0, 0), box(0.25, 0.25, 500, 500))
    parts = shapely.MultiPolygon([box(2, 0), box(4, 0)])
    path = geojson(tmp_path / "m.geojson", [degrees(ring), degrees(parts)], [{"land_use": "mixed"}] * 2)
    assert load_zones(path).area_m2.tolist() == [750_000, 2_000_000]


def test_a_relative_file_is_looked_for_in_the_base_folder(block) -> None:
    path = block()
    assert load_zones(path.name, base_dir=path.parent).file == path
