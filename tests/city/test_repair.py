from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from alatau_sim.city.repair import shape_of_geojson, shape_of_wkb

SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]
HOLE = [[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1], [0.5, 0.5]]
BOW_TIE = [[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def raw_wkb(rings: list[Any], order: str = "<") -> bytes:
    data = struct.pack(order + "BII", order == "<", 3, len(rings))
    for ring in rings:
        data += struct.pack(order + "I", len(ring)) + b"".join(struct.pack(order + "2d", *point) for point in ring)
    return data


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("rings", "area", "reason"),
    [
        ([SQUARE], 4.0, ""),
        ([SQUARE, HOLE], 3.75, ""),
        ([SQUARE, HOLE[:2]], 4.0, "hole 1 has 2 different points, fewer than 3: left out"),
        ([SQUARE[:-1]], 4.0, "the outer ring is not closed"),
        ([BOW_TIE], 2.0, "self-intersection"),
        ([SQUARE[:2]], None, "the outer ring has 2 different points, fewer than 3"),
        ([SQUARE[:1]], None, "the outer ring has 1 different point, fewer than 3"),
        ([[[0, 0], [1, 0], [0, 0]]], None, "the outer ring has 2 different points"),
        ([[[0, 0], [1, 1], [2, 2], [0, 0]]], None, "has no area"),
        ([], None, "has an empty geometry"),
    ],
)
def test_rings_from_bytes_and_from_geojson_agree(rings: list[Any], area: float | None, reason: str, order: str) -> None:
    for shape in (shape_of_wkb(raw_wkb(rings, order)), shape_of_geojson(polygon(*rings))):
        assert shape.usable == (area is not None)
        assert reason in "; ".join(shape.reasons)
        assert bool(shape.reasons) == bool(reason)
        if area is not None:
            assert shape.geometry.is_valid
            assert shape.geometry.area == pytest.approx(area, rel=1e-12)


def test_a_bow_tie_keeps_both_lobes_and_names_the_crossing() -> None:
    shape = shape_of_geojson(polygon(BOW_TIE))
    assert shape.geometry.geom_type == "MultiPolygon"
    assert shape.at == (1.0, 1.0)


def test_parts_that_overlap_are_united_not_cut_out() -> None:
    moved = [[x + 1, y] for x, y in SQUARE]
    shape = shape_of_geojson({"type": "MultiPolygon", "coordinates": [[SQUARE], [moved]]})
    assert shape.repaired
    assert shape.geometry.area == pytest.approx(6.0)


def test_a_broken_part_leaves_the_others() -> None:
    shape = shape_of_geojson({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE[:2]]]})
    assert shape.geometry.area == 4.0
    assert shape.reasons == ("the outer ring of part 2 has 2 different points, fewer than 3",)


@pytest.mark.parametrize("dimensions", ["Z", "M", "ZM"])
@pytest.mark.parametrize("flavor", ["iso", "extended"])
def test_heights_and_measures_are_dropped_even_from_broken_rings(dimensions: str, flavor: str) -> None:
    numbers = " 5" * len(dimensions)
    points = ", ".join(f"{x} {y}{numbers}" for x, y in BOW_TIE)
    data = shapely.to_wkb(shapely.from_wkt(f"POLYGON {dimensions} (({points}))"), flavor=flavor, output_dimension=4)
    shape = shape_of_wkb(data)
    assert shape.repaired
    assert not shape.geometry.has_z
    assert shape.geometry.area == pytest.approx(2.0)


def test_what_is_no_polygon_says_what_it_is_and_where() -> None:
    for kind, wkt in (("Point", "POINT (3 4)"), ("LineString", "LINESTRING (3 4, 5 6)"), ("MultiPoint", "MULTIPOINT ((3 4), (5 6))")):
        shape = shape_of_wkb(shapely.to_wkb(shapely.from_wkt(wkt)))
        assert not shape.usable
        assert shape.kind == kind
        assert "not a polygon" in shape.reasons[0]
        assert shape.at in ((3.0, 4.0), (5.0, 6.0))
    collection = shapely.from_wkt("GEOMETRYCOLLECTION (POINT (9 9), POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0)))")
    shape = shape_of_wkb(shapely.to_wkb(collection))
    assert shape.geometry.area == 4.0
    assert shape.reasons == ("holds Point beside its polygon: left out",)


@pytest.mark.parametrize(
    "geometry",
    [{}, {"type": "Polygon"}, {"type": "GeometryCollection"}, [], "x", 3, polygon([[0, "x"], [1, 1]]), polygon([[0, None]]), polygon(3)],
)
def test_nonsense_in_geojson_is_a_reason_not_a_crash(geometry: Any) -> None:
    shape = shape_of_geojson(geometry)
    assert not shape.usable
    assert shape.reasons


def test_coordinates_that_are_not_finite_are_named() -> None:
    shape = shape_of_wkb(raw_wkb([[[0, 0], [float("nan"), 0], [2, 2], [0, 0]]]))
    assert not shape.usable
    assert shape.reasons == ("the outer ring has coordinates that are not finite numbers",)


@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_are_a_shape_or_a_reason(noise: bytes, cut: int) -> None:
    for data in (noise, raw_wkb([SQUARE, HOLE])[:cut], raw_wkb([SQUARE])[:9] + noise):
        shape = shape_of_wkb(data)
        assert shape.usable or shape.reasons


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=0, max_size=9))
def test_any_ring_is_valid_afterwards_or_refused(points: list[tuple[int, int]]) -> None:
    shape = shape_of_geojson(polygon([list(point) for point in points]))
    assert shape.usable or shape.reasons
    if shape.usable:
        assert shape.geometry.is_valid
        assert shape.geometry.geom_type in ("Polygon", "MultiPolygon")
        hull = shapely.convex_hull(shapely.multipoints(np.array(points, dtype=float)))
        assert 0 < shape.geometry.area <= hull.area * (1 + 1e-9)
