from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from city_maps import EAST, NORTH, box, degrees, geojson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alatau_sim.city.network import ZoneIndex
from alatau_sim.city.zones import ZoneTable, load_zones
from alatau_sim.errors import InputError


@pytest.fixture(scope="module")
def crooked(tmp_path_factory: pytest.TempPathFactory) -> ZoneTable:
    """Forty zones with bent borders: the Voronoi cells of fixed points in a disc, one of them with a hole that is another zone."""
    turns = np.arange(40)
    points = np.column_stack((EAST + 300 * np.sqrt(turns) * np.cos(2.4 * turns), NORTH + 300 * np.sqrt(turns) * np.sin(2.4 * turns)))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points)))
    core = shapely.buffer(shapely.point_on_surface(cells[0]), 20)
    shapes = [shapely.difference(cells[0], core), *cells[1:], core]
    path = geojson(tmp_path_factory.mktemp("map") / "m.geojson", [degrees(s) for s in shapes], [{"land_use": "mixed"}] * len(shapes))
    return load_zones(path)


offset = st.floats(-4000, 4000, allow_nan=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(offset, offset), min_size=1, max_size=30))
def test_point_in_zone_and_nearest_agree_with_brute_force(crooked: ZoneTable, places: list[tuple[float, float]]) -> None:
    index = ZoneIndex(crooked)
    x, y = EAST + np.array([p[0] for p in places]), NORTH + np.array([p[1] for p in places])
    found, nearest = index.zone_of(x, y), index.nearest_zone(x, y)
    for k in range(len(places)):
        point = shapely.Point(x[k], y[k])
        inside = [row for row, zone in enumerate(crooked.geometry_m) if zone.intersects(point)]
        assert found[k] == (inside[0] if inside else -1)
        gaps = shapely.distance(crooked.geometry_m, point)
        assert gaps[nearest[k]] == gaps.min()


def test_adjacency_agrees_with_brute_force(crooked: ZoneTable) -> None:
    index = ZoneIndex(crooked)
    shapes = crooked.geometry_m
    for row in range(len(crooked)):
        near = shapely.buffer(shapes[row], 1.0)
        border = np.array([shapely.boundary(other).intersection(near).length if k != row else 0 for k, other in enumerate(shapes)])
        sure = (border > 15) | (border < 7)  # around ten metres the two ways to measure may differ
        neighbours = np.isin(np.arange(len(crooked)), index.adjacency.neighbours(row))
        assert (neighbours == (border > 10))[sure].all()
    hole = len(crooked) - 1
    assert index.adjacency.neighbours(hole).tolist() == [0]


def test_adjacency_is_symmetric_and_knows_lengths(grid) -> None:
    zones = load_zones(grid(4, 3))
    near = ZoneIndex(zones).adjacency
    matrix = np.zeros((12, 12))
    for row in range(12):
        matrix[row, near.neighbours(row)] = near.border_m[near.indptr[row] : near.indptr[row + 1]]
    assert (matrix == matrix.T).all()
    assert (matrix > 0).sum() == 2 * (3 * 3 + 4 * 2)  # no neighbour across a corner
    assert matrix[matrix > 0] == pytest.approx(1000, abs=3)


def test_borders_drawn_slightly_apart_or_with_other_points_are_borders(tmp_path: Path) -> None:
    left = box(0, 0)
    right = shapely.segmentize(box(1.0005, 0), 70)
    path = geojson(tmp_path / "m.geojson", [degrees(left), degrees(right), degrees(box(2.01, 0))], [{"land_use": "mixed"}] * 3)
    near = ZoneIndex(load_zones(path)).adjacency
    assert near.neighbours(0).tolist() == [1]
    assert near.neighbours(1).tolist() == [0]
    assert near.neighbours(2).tolist() == []


def test_points_on_a_border_belong_to_the_lowest_row(crooked: ZoneTable) -> None:
    corners = shapely.get_coordinates(crooked.geometry_m)
    found = ZoneIndex(crooked).zone_of(corners[:, 0], corners[:, 1])
    owner = np.repeat(np.arange(len(crooked)), shapely.get_num_coordinates(crooked.geometry_m))
    assert (found >= 0).all()
    assert (found <= owner).all()


def test_distances_are_those_of_centroids(grid) -> None:
    zones = load_zones(grid(3, 2))
    index = ZoneIndex(zones)
    matrix = index.distances_m
    assert matrix.dtype == np.float32
    assert (matrix == matrix.T).all()
    assert matrix[0] == pytest.approx([0, 1000, 2000, 1000, 1000 * 2**0.5, 1000 * 5**0.5], abs=0.05)
    assert index.distance_m(np.array([0]), np.array([5])) == pytest.approx(matrix[0, 5], rel=1e-6)


def test_degrees_find_the_same_zone(grid) -> None:
    index = ZoneIndex(load_zones(grid(3, 2)))
    middle = degrees(shapely.Point(EAST + 1500, NORTH + 1500))
    assert index.zone_of_lonlat(middle.x, middle.y).tolist() == [4]
    assert index.zone_of_lonlat(np.array([0.0]), np.array([0.0])).tolist() == [-1]
    assert index.zone_of(np.array([]), np.array([])).tolist() == []


def test_each_zone_finds_its_nearest_asset_the_lowest_of_equals(grid) -> None:
    index = ZoneIndex(load_zones(grid(3, 1)))
    x = EAST + np.array([2500.0, 500.0, 500.0])
    assert index.nearest_asset(x, np.full(3, NORTH)).tolist() in ([1, 0, 0], [1, 1, 0])
    with pytest.raises(InputError, match="no asset"):
        index.nearest_asset(np.array([]), np.array([]))
