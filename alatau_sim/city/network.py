"""Where zones lie to each other: which zone a point is in, which zones share a border, how far apart centroids are.

All coordinates are metres in the zone table's metric coordinate reference system. Knows no roads and no lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

from alatau_sim.city.metric import to_crs
from alatau_sim.city.zones import ZoneTable
from alatau_sim.errors import InputError

MAX_MATRIX_ZONES = 4_000
"""A matrix of distances is 4 bytes × zones²: 64 MB at this size."""

BORDER_TOLERANCE_M = 1.0
"""Borders drawn up to this far apart are the same border; adjacent zones share more than ten times this length. Assumed."""


@dataclass(frozen=True, eq=False)
class Adjacency:
    """Zones that share a border, in compressed sparse rows: the neighbours of row i are `indices[indptr[i]:indptr[i + 1]]`, ascending.

    `border_m` is the length of the shared border for each entry of `indices`; the relation is symmetric.
    """

    indptr: np.ndarray
    indices: np.ndarray
    border_m: np.ndarray

    def neighbours(self, row: int) -> np.ndarray:
        """Rows of the zones next to zone `row`."""
        return self.indices[self.indptr[row] : self.indptr[row + 1]]


class ZoneIndex:
    """Look-ups in space over a zone table, by Shapely's STRtree."""

    def __init__(self, zones: ZoneTable) -> None:
        self.zones = zones
        self._tree = shapely.STRtree(zones.geometry_m)
        self._centroids = np.column_stack((zones.centroid_x_m, zones.centroid_y_m))

    def zone_of(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Row of the zone that each point is in (int64); a point on a border belongs to the lowest row, −1 is no zone."""
        points = _points(x_m, y_m)
        return _lowest(self._tree.query(points, predicate="intersects"), len(points))

    def zone_of_lonlat(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """The same for points in degrees (WGS 84)."""
        points = to_crs(_points(lon, lat), "EPSG:4326", self.zones.metric_crs)
        return self.zone_of(shapely.get_x(points), shapely.get_y(points))

    def nearest_zone(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Row of the zone nearest to each point (0 m inside it), the lowest of equals; never −1."""
        points = _points(x_m, y_m)
        return _lowest(self._tree.query_nearest(points, all_matches=True), len(points))

    def nearest_asset(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """For each zone the number of the asset (a substation, a school) nearest to its centroid, the lowest of equals."""
        if np.size(x_m) == 0:
            raise InputError("there is no asset to find the nearest of")
        tree = shapely.STRtree(_points(x_m, y_m))
        return _lowest(tree.query_nearest(_points(*self._centroids.T), all_matches=True), len(self.zones))

    def distance_m(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Straight distance in metres (float64) between centroids, pair by pair."""
        gap = self._centroids[rows] - self._centroids[others]
        return np.hypot(gap[..., 0], gap[..., 1])

    @cached_property
    def distances_m(self) -> np.ndarray:
        """Straight distances in metres between all centroids, float32 (zones, zones)."""
        n = len(self.zones)
        if n > MAX_MATRIX_ZONES:
            raise InputError(f"a matrix of distances has at most {MAX_MATRIX_ZONES:,} zones, this map has {n:,}; ask for pairs")
        matrix = np.empty((n, n), dtype=np.float32)
        every = np.arange(n)
        for row in range(n):  # row by row: no float64 matrix beside it
            matrix[row] = self.distance_m(np.full(n, row), every)
        return matrix

    @cached_property
    def adjacency(self) -> Adjacency:
        """Zones that share a border longer than ten times `BORDER_TOLERANCE_M`; a common corner is none."""
        shapes = self.zones.geometry_m
        near = shapely.buffer(shapes, BORDER_TOLERANCE_M, quad_segs=1)
        left, right = self._tree.query(shapes, predicate="dwithin", distance=BORDER_TOLERANCE_M)
        left, right = left[left < right], right[left < right]
        border = shapely.length(shapely.intersection(shapely.boundary(shapes)[left], near[right]))
        long = border > 10 * BORDER_TOLERANCE_M
        left, right, border = left[long], right[long], border[long]
        source, target, border = np.concatenate((left, right)), np.concatenate((right, left)), np.tile(border, 2)
        order = np.lexsort((target, source))
        indptr = np.searchsorted(source[order], np.arange(len(shapes) + 1)).astype(np.int64)
        return Adjacency(indptr, target[order].astype(np.int32), border[order].astype(np.float32))


def _points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.array(shapely.points(np.atleast_1d(x).astype(np.float64), np.atleast_1d(y).astype(np.float64)), dtype=object)


def _lowest(pairs: np.ndarray, n: int) -> np.ndarray:
    """The lowest match of each of n inputs from (input, match) pairs; −1 where there is none."""
    found = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(found, pairs[0], pairs[1])
    found[found == np.iinfo(np.int64).max] = -1
    return found
