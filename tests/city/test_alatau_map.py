"""The built-in map: areas, sums and shapes that SOURCES.md promises."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Transformer
from shapely import Polygon

from alatau_sim.city.rezoning import Changes, rezone
from alatau_sim.city.zones import LAND_USES, Capacity, load_zones
from alatau_sim.domains import domains
from alatau_sim.engine.domain import compose
from alatau_sim.scenario.load import load_scenario

FOLDER = Path(__file__).resolve().parents[2] / "scenarios" / "alatau"
MAP = FOLDER / "zones.geojson"
HA = 10_000.0
DISTRICTS = ("gate", "golden", "growing", "green")
COLUMNS = {
    "zone", "name", "district", "settlement", "land_use", "floor_area_ratio", "coverage", "dwellings_existing", "dwellings_planned",
    "residents_existing", "residents_planned", "jobs_existing", "jobs_planned", "outside",
}  # fmt: skip
TWELVE = {
    "Zarechnoye", "Arna", "Zhetygen", "Enbek", "Zhanaarna", "Kuigan", "Zhanadaur", "Zhanatalap", "Yntymak", "Koyankus", "Daulet", "Kairat",
}  # fmt: skip

Features = list[tuple[dict[str, Any], Polygon]]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"alatau_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def read(metric: bool) -> Features:
    change = Transformer.from_crs("EPSG:4326", "EPSG:32643", always_xy=True)

    def to_metres(points: np.ndarray) -> np.ndarray:
        return np.column_stack(change.transform(points[:, 0], points[:, 1]))

    shapes: Features = []
    for feature in json.loads(MAP.read_text(encoding="utf-8"))["features"]:
        shape = Polygon(feature["geometry"]["coordinates"][0])
        shapes.append((feature["properties"], shapely.transform(shape, to_metres) if metric else shape))
    return shapes


@pytest.fixture(scope="module")
def zones() -> Features:
    return read(metric=True)


@pytest.fixture(scope="module")
def inside(zones: Features) -> Features:
    return [pair for pair in zones if not pair[0]["outside"]]


def total(features: Features, column: str, keep: Callable[[dict[str, Any]], bool] = lambda p: True) -> int:
    return sum(p[column] for p, _ in features if keep(p))


def test_there_are_at_least_eighty_zones_and_two_outside_cities(zones: Features, inside: Features) -> None:
    assert len(inside) >= 80
    assert [p["zone"] for p, _ in zones if p["outside"]] == ["almaty", "konaev"]
    assert {p["district"] for p, _ in inside} == set(DISTRICTS)
    assert len({p["zone"] for p, _ in zones}) == len(zones)
    assert len({p["name"] for p, _ in zones}) == len(zones)


def test_columns_are_the_standard_ones_and_the_people_of_the_plan(zones: Features) -> None:
    for columns, _ in zones:
        assert set(columns) == COLUMNS
        assert columns["land_use"] in LAND_USES
        assert columns["zone"].startswith(columns["district"])


def test_areas_are_the_published_ones(inside: Features) -> None:
    assert sum(shape.area for _, shape in inside) / HA == pytest.approx(88_000, rel=1e-3)
    areas = {name: sum(shape.area for p, shape in inside if p["district"] == name) / HA for name in DISTRICTS}
    assert areas["gate"] == pytest.approx(4_000, rel=0.01)
    assert areas["green"] == pytest.approx(10_962, rel=0.01)


def test_shapes_are_valid_in_degrees_and_in_metres(zones: Features) -> None:
    assert all(shape.is_valid for _, shape in zones)
    assert all(shape.is_valid for _, shape in read(metric=False))


def test_no_overlaps(zones: Features) -> None:
    shapes = [shape for _, shape in zones]
    tree = shapely.STRtree(shapes)
    for a, b in zip(*tree.query(shapes, predicate="intersects"), strict=True):
        if a < b:
            assert shapes[a].intersection(shapes[b]).area < 1.0, (zones[a][0]["zone"], zones[b][0]["zone"])


def test_no_gaps(inside: Features) -> None:
    whole = shapely.union_all([shape for _, shape in inside])
    assert isinstance(whole, Polygon)
    assert len(whole.interiors) == 0
    assert whole.area == pytest.approx(sum(shape.area for _, shape in inside), abs=1.0)


def test_neighbours_share_their_corners(inside: Features) -> None:
    # Where a zone's corner lies on another's edge, the other has it as a corner too: no slivers after any change of coordinates.
    shapes = [shape for _, shape in inside]
    tree = shapely.STRtree(shapes)
    for shape in shapes:
        corners = [shapely.Point(corner) for corner in shape.exterior.coords]
        for corner, other in zip(*tree.query(corners, predicate="dwithin", distance=0.5), strict=True):
            assert shapely.MultiPoint(shapes[other].exterior.coords).distance(corners[corner]) < 0.2


def test_districts_are_whole_and_strung_from_south_to_north(inside: Features) -> None:
    districts = [shapely.union_all([shape for p, shape in inside if p["district"] == name]) for name in DISTRICTS]
    assert all(isinstance(shape, Polygon) for shape in districts)
    heights = [shape.centroid.y for shape in districts]
    assert heights == sorted(heights)
    for south, north in zip(districts, districts[1:], strict=False):
        assert south.intersection(north).length > 2_000
    assert not districts[0].intersects(districts[2])
    assert not districts[1].intersects(districts[3])


def test_people_and_homes_of_today(inside: Features) -> None:
    assert total(inside, "residents_existing") == 54_747
    assert total(inside, "residents_existing", lambda p: p["settlement"] == "Zhetygen") > 25_000
    assert total(inside, "residents_existing", lambda p: p["district"] == "gate") == pytest.approx(15_000, rel=0.02)
    for columns, _ in inside:
        held = columns["dwellings_existing"] * 3.4 * 0.97  # three homes in a hundred are empty
        assert columns["residents_existing"] <= held + 1e-6
        assert held < columns["residents_existing"] + 3.4 or not columns["dwellings_existing"]


def test_jobs_of_today(inside: Features) -> None:
    assert total(inside, "jobs_existing") == 13_800
    near_people = total(inside, "jobs_existing", lambda p: p["residents_existing"] > 0)
    farms = total(inside, "jobs_existing", lambda p: p["land_use"] == "agriculture")
    assert (near_people, farms) == (9_600, 1_800)
    for columns, _ in inside:
        assert columns["jobs_planned"] >= columns["jobs_existing"] >= 0
        if columns["residents_existing"] >= 1_000:
            assert columns["jobs_existing"] / columns["residents_existing"] == pytest.approx(9_600 / 54_747, rel=0.01)


def test_the_plan_holds_what_was_published(inside: Features) -> None:
    assert total(inside, "dwellings_planned") * 3.4 == pytest.approx(1_870_000, rel=1e-3)
    in_gate = total(inside, "dwellings_planned", lambda p: p["district"] == "gate") * 3.4
    assert 220_000 < in_gate < 225_000
    assert in_gate * 29.5 > 6_500_000  # m2 of homes
    assert total(inside, "jobs_planned", lambda p: p["district"] == "gate") == 181_000
    assert total(inside, "jobs_planned") == 1_000_000
    assert total(inside, "residents_planned") == 1_870_000
    for columns, shape in inside:
        assert columns["dwellings_planned"] >= columns["dwellings_existing"]
        assert columns["residents_planned"] == pytest.approx(columns["dwellings_planned"] * 3.4, abs=1)
        floor_m2 = columns["floor_area_ratio"] * shape.area
        homes_share = {"residential": 0.9, "mixed": 0.5}.get(columns["land_use"], 0.0)
        assert homes_share * floor_m2 >= columns["dwellings_planned"] * 29.5 * 3.4
        assert (1 - homes_share) * floor_m2 >= 15 * columns["jobs_planned"]
        assert 0 <= columns["coverage"] <= columns["floor_area_ratio"] + 1e-9


def test_zoning_makes_room_for_every_planned_home() -> None:
    table = load_zones(MAP)
    room = Capacity().dwellings(table.area_m2, table.floor_area_ratio, table.land_use)
    assert (room[~table.outside] >= table.dwellings_planned[~table.outside]).all()


def test_the_twelve_settlements_are_there(inside: Features) -> None:
    assert {p["settlement"] for p, _ in inside} - {""} == TWELVE


def test_known_places_lie_where_they_should(zones: Features) -> None:
    change = Transformer.from_crs("EPSG:4326", "EPSG:32643", always_xy=True)
    at = {name: shapely.Point(change.transform(*lonlat)) for name, lonlat in {
        "air base": (77.1168, 43.733), "Almaty": (76.94578, 43.238949), "Konaev": (77.0678, 43.8778),
    }.items()}  # fmt: skip
    found = {name: next(p for p, shape in zones if shape.contains(point)) for name, point in at.items()}
    assert found["air base"]["name"] == "Zhetygen air base"
    assert found["Almaty"]["zone"] == "almaty"
    assert found["Konaev"]["zone"] == "konaev"
    zhetygen = shapely.union_all([shape for p, shape in zones if p["settlement"] == "Zhetygen"])
    assert 0 < zhetygen.distance(at["air base"]) < 4_000


def test_it_loads_without_a_remark() -> None:
    table = load_zones(MAP)
    assert table.notes == ()
    assert table.metric_crs.endswith("32643")
    assert int(table.outside.sum()) == 2


def test_the_demo_rezones_the_zones_it_says() -> None:
    scenario = load_scenario(FOLDER.parent / "rezoning_demo.yaml", composition=compose(domains()))
    named, town, drawn = scenario.rezone
    table = load_zones(scenario.map.file)
    before = {zone: table.name[row] for row, zone in enumerate(table.zone)}
    first = rezone(table, zone_ids=named.zones, changes=Changes(named.use, named.floor_area_ratio, named.coverage))
    assert {table.zone[row] for row in first.rows} == {"growing-20", "growing-21"}
    halves = [table.geometry_m[row] for row, name in enumerate(table.name) if name in ("Zhetygen south", "Zhetygen north")]
    zhetygen = shapely.union_all(halves)
    assert all(table.geometry_m[row].distance(zhetygen) < 100 for row in first.rows)
    second = rezone(first.zones, zone_ids=town.zones, changes=Changes(town.use, town.floor_area_ratio, town.coverage))
    assert {table.name[row] for row in second.rows} == {"Zhetygen south", "Zhetygen north"}
    second = rezone(second.zones, layer=drawn.layer)
    most = int(np.argmax(second.covered_share))
    assert before[table.zone[most]] == "Medical cluster"
    assert 0.5 < second.covered_share[most] < 1
    assert int(second.zones.residents_existing.sum()) == 54_747


def test_gdal_reads_every_feature(zones: Features) -> None:
    info = pyogrio.read_info(MAP)
    assert info["features"] == len(zones)
    assert set(info["fields"]) == COLUMNS


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    script("draw_zones").main(tmp_path / "zones.geojson")
    assert (tmp_path / "zones.geojson").read_bytes() == MAP.read_bytes()
