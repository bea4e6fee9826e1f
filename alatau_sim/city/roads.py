"""A graph of places: zones as nodes, roads between those that share a border, the shortest ways along them, and traffic on them.

A road's length is the straight distance between centroids times a detour factor; streets within a zone are not drawn. Knows no lines and
nobody who travels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alatau_sim.errors import InputError

if TYPE_CHECKING:
    from alatau_sim.city.network import ZoneIndex

Floats = NDArray[np.float64]
OUTSIDE_LINKS = 3
"""Zones of the city that each place outside is joined to: the nearest ones. Assumed."""
WITHIN_SQUARE = 0.5214
"""Mean distance of two random points of a unit square (Santaló 1976): how far trips within a zone go, in sides of the zone."""
MOST_DELAY = 5.0
"""Traffic lengthens the time on a road at most so many times: the formula has no end, drivers have."""


@dataclass(frozen=True, eq=False)
class Roads:
    """Roads in both directions, sorted by start and end (rows of zones), and shortest distances.

    `border_m` is the length of the border that a road crosses (0 for a link without one); `outside` says which roads touch a place
    outside the city. `distance_m` (zones × zones, float32) has the mean distance of trips within a zone on its diagonal.
    """

    start: NDArray[np.int32]
    end: NDArray[np.int32]
    length_m: Floats
    border_m: Floats
    outside: NDArray[np.bool_]
    distance_m: NDArray[np.float32]

    @property
    def n(self) -> int:
        """The number of zones."""
        return len(self.distance_m)


def build_roads(index: ZoneIndex, outside: NDArray[np.bool_], area_m2: NDArray[np.int64], detour: float) -> Roads:
    """The roads of a map; parts that touch nothing are joined to the nearest zone, so that everybody can get everywhere."""
    from alatau_sim.city.network import MAX_MATRIX_ZONES  # here and not above: it loads geometry

    n = len(outside)
    if n > MAX_MATRIX_ZONES:
        raise InputError(f"trips need a matrix of distances; it has at most {MAX_MATRIX_ZONES:,} zones, this map has {n:,}")
    border: dict[tuple[int, int], float] = {}
    for row in range(n):
        near = index.adjacency.neighbours(row).tolist()
        metres = index.adjacency.border_m[index.adjacency.indptr[row] : index.adjacency.indptr[row + 1]].tolist()
        border |= {(row, other): m for other, m in zip(near, metres, strict=True) if row < other}
    straight = index.distances_m
    for pair in _links(straight, outside, list(border)):
        border.setdefault(pair, 0.0)
    pairs = np.array(sorted(border), np.int64).reshape(-1, 2)
    metres_ = np.array([border[a, b] for a, b in pairs.tolist()], np.float64)
    start, end = np.concatenate((pairs[:, 0], pairs[:, 1])), np.concatenate((pairs[:, 1], pairs[:, 0]))
    order = np.lexsort((end, start))
    start, end, crossed = start[order], end[order], np.tile(metres_, 2)[order]
    length = straight[start, end].astype(np.float64) * detour
    distance, _ = shortest(n, start, end, length)
    np.fill_diagonal(distance, WITHIN_SQUARE * detour * np.sqrt(area_m2))
    return Roads(start.astype(np.int32), end.astype(np.int32), length, crossed, outside[start] | outside[end], distance)


def _links(straight: NDArray[np.float32], outside: NDArray[np.bool_], pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs of zones that are joined without a border: places outside to the nearest zones, then lone parts to the nearest other part."""
    inside, links = np.flatnonzero(~outside), []
    for row in np.flatnonzero(outside).tolist():
        near = inside[np.argsort(straight[row, inside], kind="stable")[:OUTSIDE_LINKS]]
        links += [(min(row, other), max(row, other)) for other in near.tolist()]
    part = _parts(len(outside), pairs + links)
    while part.any():
        mine = np.flatnonzero(part == part.max())
        others = np.flatnonzero(part != part.max())
        gaps = straight[np.ix_(mine, others)]
        at = np.unravel_index(int(gaps.argmin()), gaps.shape)
        a, b = int(mine[at[0]]), int(others[at[1]])
        links.append((min(a, b), max(a, b)))
        part[mine] = part[b]
        part = np.unique(part, return_inverse=True)[1]
    return links


def _parts(n: int, pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    """The number of the connected part that each zone is in."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array(pairs, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def shortest(
    n: int, start: NDArray[np.integer], end: NDArray[np.integer], cost: Floats
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """(least cost from each zone to each, float32; the zone before the last on that way, −1 where there is none), by Dijkstra."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    graph = csr_array((cost, (start, end)), shape=(n, n))
    least, before = dijkstra(graph, return_predecessors=True)
    return least.astype(np.float32), np.maximum(before, -1).astype(np.int32)


def assign(roads: Roads, cost: NDArray[np.float32], before: NDArray[np.int32], trips: Floats) -> Floats:
    """Trips (zones × zones) on their cheapest ways, all of a pair on one: the number on each road (all-or-nothing assignment)."""
    n, load, rows = roads.n, trips.astype(np.float64), np.arange(roads.n)
    order = np.argsort(-cost, axis=1, kind="stable")
    for k in range(n):  # from the farthest zones inwards, for all origins at once
        node = order[:, k]
        previous = before[rows, node]
        on = previous >= 0
        load[rows[on], previous[on]] += load[rows[on], node[on]]
    there = before >= 0
    pairs = before[there].astype(np.int64) * n + np.nonzero(there)[1]
    flow = np.bincount(pairs, weights=load[there], minlength=n * n)
    return np.asarray(flow[roads.start.astype(np.int64) * n + roads.end])


def delay(flow: Floats, capacity: Floats, alpha: float, beta: float) -> Floats:
    """How many times longer a road takes with traffic: 1 + α (flow / capacity)^β (Bureau of Public Roads, 1964), at most MOST_DELAY."""
    return np.minimum(1.0 + alpha * (flow / np.maximum(capacity, 1e-9)) ** beta, MOST_DELAY)
