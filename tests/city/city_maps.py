from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shapely

from alatau_sim.city.metric import to_crs

EAST, NORTH = 660_000.0, 4_820_000.0  # near Alatau in EPSG:32643


def box(column: float, row: float, width: float = 1000.0, height: float = 1000.0) -> Any:
    """A rectangle in EPSG:32643, `column` and `row` in km from the corner of the test city."""
    x, y = EAST + 1000 * column, NORTH + 1000 * row
    return shapely.box(x, y, x + width, y + height)


def degrees(shape: Any) -> Any:
    """A shape of EPSG:32643 in longitude and latitude."""
    return to_crs(shape, "EPSG:32643", "EPSG:4326")


def geojson(path: Path, shapes: Sequence[Any], rows: Sequence[dict[str, Any]], **top: Any) -> Path:
    """Write a GeoJSON file; a shape is a Shapely geometry, a GeoJSON geometry as it stands, or None."""
    geometry = [json.loads(shapely.to_geojson(s)) if isinstance(s, shapely.Geometry) else s for s in shapes]
    features = [{"type": "Feature", "properties": dict(r), "geometry": g} for g, r in zip(geometry, rows, strict=True)]
    path.write_text(json.dumps({"type": "FeatureCollection", **top, "features": features}, ensure_ascii=False), encoding="utf-8")
    return path
