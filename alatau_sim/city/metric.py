"""From a map's own coordinates to metres: which system to measure in, and carrying geometries into it.

Knows no files and no zones. Metres are those of a UTM zone, not of the ellipsoid: near Alatau (77° E in zone 43N) areas are 0.02 % small,
within the UTM zone wrong by 0.1 % at most, three degrees beside it by 0.5 %.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

MAX_DEGREES = 6.0
"""Features whose bounds reach farther than this from the map's middle would be measured falsely in its UTM zone."""


def metric_crs(crs: str, geometry: np.ndarray) -> tuple[str, np.ndarray, tuple[float, float]]:
    """The coordinate reference system in metres to measure a map in, what lies too far away for it, and the map's middle.

    Returns the UTM zone (WGS 84; EPSG:32643 for the Almaty region) of the median of the geometries' centres, the indices of geometries
    that reach farther than `MAX_DEGREES` from it, and the median as longitude and latitude.
    """
    bounds = shapely.bounds(geometry)
    corners = to_crs(shapely.points(bounds.reshape(-1, 2, 2)), crs, "EPSG:4326")
    degrees = np.stack((shapely.get_x(corners), shapely.get_y(corners)), axis=-1)
    lon, lat = np.median(degrees.mean(axis=1), axis=0)
    away = ~(np.abs(degrees - (lon, lat)) <= MAX_DEGREES).all(axis=(1, 2))  # not finite is far away, too
    zone = int(np.clip((lon + 180) // 6 + 1, 1, 60)) if np.isfinite(lon) else 1
    return f"EPSG:{32600 + zone if lat >= 0 else 32700 + zone}", np.flatnonzero(away), (float(lon), float(lat))


def to_crs(geometry: Any, source: str, target: str) -> Any:
    """The geometries (an array, or one) carried from one coordinate reference system into another, x first."""
    import pyproj

    if source == target:
        return geometry
    carry = pyproj.Transformer.from_crs(source, target, always_xy=True)

    def move(points: np.ndarray) -> np.ndarray:
        return np.column_stack(carry.transform(points[:, 0], points[:, 1])) if len(points) else points

    return shapely.transform(geometry, move)


def to_metres(geometry: np.ndarray, crs: str, metric: str) -> np.ndarray:
    """The geometries carried from the map's system into its metric one, with edges first cut into pieces of about 1 km.

    A straight edge in degrees is not straight in metres (2 m off over 10 km): without the cuts neighbours that share an edge but not
    all its points would come apart.
    """
    import pyproj

    west, south, east, north = shapely.total_bounds(geometry)
    step = max(0.01 if pyproj.CRS(crs).is_geographic else 1000.0, (east - west + north - south) / 1000)
    cut = np.array(geometry, dtype=object)
    sound = shapely.is_valid(cut)  # cutting an invalid polygon would drop parts of it
    cut[sound] = shapely.segmentize(cut[sound], step)
    return np.asarray(to_crs(cut, crs, metric), dtype=object)
