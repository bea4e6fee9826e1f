"""Polygons built one feature at a time from what a file holds, each with what was wrong, where, and what was done about it.

Works in the map's own coordinates; knows no file format but WKB and GeoJSON's geometry objects, no coordinate system and no columns.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

Rings = list[np.ndarray]
"""One polygon as drawn: its outer ring, then its holes; each ring an array (n, 2) of x and y."""

KINDS = ("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection")


@dataclass(frozen=True)
class Shape:
    """What became of one feature's geometry.

    `kind` is the geometry type as drawn (`none` where it is missing). `geometry` is the valid Polygon or MultiPolygon, or None where
    nothing with an area is left; `drawn` is the polygon before the repair, where one could be built. `reasons` say what was wrong;
    `at` is the place of the first fault in the map's coordinates.
    """

    kind: str
    geometry: Any = None
    drawn: Any = None
    reasons: tuple[str, ...] = ()
    at: tuple[float, float] | None = None

    @property
    def usable(self) -> bool:
        """Whether a polygon with an area is left."""
        return self.geometry is not None

    @property
    def repaired(self) -> bool:
        """Whether the polygon differs from what was drawn."""
        return self.geometry is not None and bool(self.reasons)


def shape_of_wkb(data: bytes | None) -> Shape:
    """The shape of one feature given as well-known binary (ISO, EWKB or the old 2.5D codes); None is a missing geometry."""
    if data is None:
        return Shape("none", reasons=("has no geometry",))
    try:
        with np.errstate(invalid="ignore"):  # coordinates that are no numbers are named below
            geometry = shapely.force_2d(shapely.from_wkb(data))
    except shapely.errors.GEOSException:
        pass  # a broken ring: read the rings without the library, below, to say which
    else:
        if geometry.geom_type in ("Polygon", "MultiPolygon") and not geometry.is_empty and geometry.is_valid:
            return Shape(geometry.geom_type, geometry, geometry)
    found = _Found()
    try:
        kind = _walk_wkb(memoryview(data), 0, found)[0]
    except (struct.error, ValueError, IndexError) as err:
        return Shape("unknown", reasons=(f"has geometry bytes that cannot be read ({err})",))
    return _finish(kind, found)


def shape_of_geojson(geometry: Any) -> Shape:
    """The shape of a GeoJSON geometry object; None is a missing geometry."""
    if geometry is None:
        return Shape("none", reasons=("has no geometry",))
    found = _Found()
    try:
        kind = _walk_geojson(geometry, found)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        about = geometry if isinstance(geometry, dict) else {}
        return Shape(
            str(about.get("type", "unknown")),
            reasons=("has coordinates that are not lists of numbers",),
            at=_first_point(about.get("coordinates")),
        )
    return _finish(kind, found)


class _Found:
    """The polygons found in one feature, and the kinds of the other geometries beside them."""

    def __init__(self) -> None:
        self.polygons: list[Rings] = []
        self.others: list[str] = []
        self.at: tuple[float, float] | None = None


def _walk_wkb(data: memoryview, at: int, found: _Found) -> tuple[str, int]:
    """Read one WKB geometry at byte `at`; returns its kind and the byte after it."""
    order = "<" if data[at] == 1 else ">"
    (code,) = struct.unpack_from(order + "I", data, at + 1)
    at += 5
    if code & 0x20000000:  # EWKB with a spatial reference number
        at += 4
    extra = bool(code & 0x80000000) + bool(code & 0x40000000)
    code &= 0x0FFFFFFF
    if 1000 <= code < 4000:  # ISO: 1000 = Z, 2000 = M, 3000 = ZM
        extra = 2 if code >= 3000 else 1
    base = code % 1000
    if not 1 <= base <= 7:
        raise ValueError(f"geometry type {code}")
    kind, width = KINDS[base - 1], 2 + extra
    if base == 1:
        found.others.append(kind)
        found.at = struct.unpack_from(order + "2d", data, at)
        return kind, at + 8 * width
    (count,) = struct.unpack_from(order + "I", data, at)
    at += 4
    if base == 2:
        found.others.append(kind)
        if count:
            found.at = struct.unpack_from(order + "2d", data, at)
        return kind, at + 8 * width * count
    if base == 3:
        rings: Rings = []
        for _ in range(count):
            (points,) = struct.unpack_from(order + "I", data, at)
            flat = np.frombuffer(data, dtype=order + "f8", count=points * width, offset=at + 4)
            rings.append(flat.reshape(points, width)[:, :2].astype(np.float64))
            at += 4 + 8 * width * points
        found.polygons.append(rings)
        return kind, at
    for _ in range(count):
        at = _walk_wkb(data, at, found)[1]
    return kind, at


def _walk_geojson(geometry: dict[str, Any], found: _Found) -> str:
    """Collect a GeoJSON geometry's polygons; returns its kind."""
    kind = str(geometry["type"])
    if kind == "GeometryCollection":
        for part in geometry["geometries"]:
            _walk_geojson(part, found)
    elif kind == "Polygon":
        found.polygons.append([_ring_of(ring) for ring in geometry["coordinates"] or []])
    elif kind == "MultiPolygon":
        found.polygons.extend([_ring_of(ring) for ring in part] for part in geometry["coordinates"] or [])
    else:
        found.others.append(kind)
        found.at = _first_point(geometry.get("coordinates"))
    return kind


def _first_point(nested: Any) -> tuple[float, float] | None:
    """The first pair of numbers in GeoJSON coordinates of any depth, or None."""
    if not isinstance(nested, list):
        return None
    if len(nested) >= 2 and all(isinstance(value, (int, float)) for value in nested[:2]):
        return float(nested[0]), float(nested[1])
    return next((point for point in map(_first_point, nested) if point is not None), None)


def _ring_of(points: Iterable[Any]) -> np.ndarray:
    return np.array([(float(point[0]), float(point[1])) for point in points], dtype=np.float64).reshape(-1, 2)


def _finish(kind: str, found: _Found) -> Shape:
    """Build what can be built of the polygons found, repair it, and say what was wrong."""
    reasons: list[str] = []
    polygons = []
    parts = [rings for rings in found.polygons if any(len(ring) for ring in rings)]
    for number, rings in enumerate(parts, start=1):
        where = f" of part {number}" if len(parts) > 1 else ""
        polygon = _polygon(rings, where, reasons)
        if polygon is not None:
            polygons.append(polygon)
    firsts = (ring[0] for rings in parts for ring in rings if len(ring))
    at = next(((float(x), float(y)) for x, y in firsts if np.isfinite(x) and np.isfinite(y)), found.at)
    if found.others:
        others = ", ".join(dict.fromkeys(found.others))
        reasons.append(f"holds {others} beside its polygon: left out" if parts else f"is a {others}, not a polygon")
    elif not parts:
        reasons.append("has an empty geometry")
    if not polygons:
        return Shape(kind, reasons=tuple(reasons), at=at)
    drawn = polygons[0] if len(polygons) == 1 and kind != "MultiPolygon" else shapely.multipolygons(polygons)
    if drawn.is_valid:
        if drawn.area == 0:
            return Shape(kind, drawn=drawn, reasons=(*reasons, "has no area"), at=at)
        return Shape(kind, drawn, drawn, tuple(reasons), at if reasons else None)
    fault, at = _fault(drawn, at)
    geometry = make_polygonal(drawn)
    if geometry is None:
        return Shape(kind, drawn=drawn, reasons=(*reasons, f"has no area ({fault})"), at=at)
    return Shape(kind, geometry, drawn, (*reasons, fault), at)


def _polygon(rings: Rings, where: str, reasons: list[str]) -> Any:
    """One polygon from its rings: holes that cannot be built are left out, without an outer ring there is no polygon."""
    built: list[Any] = []
    for number, ring in enumerate(rings):
        name = (f"hole {number}" if number else "the outer ring") + where
        finite = np.isfinite(ring).all(axis=1)
        if not finite.all():
            fault = f"{name} has coordinates that are not finite numbers"
        elif (points := len(np.unique(ring, axis=0))) < 3:
            fault = f"{name} has {points} different point{'s' * (points != 1)}, fewer than 3"
        else:
            if (ring[0] != ring[-1]).any():
                reasons.append(f"{name} is not closed")
                ring = np.vstack([ring, ring[:1]])
            built.append(shapely.linearrings(ring))
            continue
        reasons.append(fault + (": left out" if number else ""))
        if not number:
            return None
    return shapely.polygons(built[0], holes=built[1:] or None)


def _fault(drawn: Any, at: tuple[float, float] | None) -> tuple[str, tuple[float, float] | None]:
    """Why a polygon is invalid, in lower-case words, and where."""
    text = shapely.is_valid_reason(drawn)
    match = re.fullmatch(r"(.*?)\[(\S+) (\S+)\]", text)
    if match is None:
        return text.lower(), at
    return match[1].strip().lower(), (float(match[2]), float(match[3]))


def make_polygonal(drawn: Any) -> Any:
    """A valid Polygon or MultiPolygon of the area that a polygon's rings enclose, or None where there is none.

    Overlapping parts are united and holes stay holes (the method that GEOS calls "structure").
    """
    fixed = shapely.make_valid(drawn, method="structure", keep_collapsed=False)
    parts = [part for part in shapely.get_parts(fixed) if part.geom_type in ("Polygon", "MultiPolygon") and part.area > 0]
    if not parts:
        return None
    # GEOS may hand back parts that share an edge, which is invalid again: unite them
    return fixed if fixed.is_valid and fixed.geom_type in ("Polygon", "MultiPolygon") else shapely.union_all(parts)
