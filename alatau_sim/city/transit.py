"""Ways by public transport between zones: every ride without a change, and the best way with one ride or two.

A ride goes from zone to zone, with whichever of its lines comes first (the attractive lines of Chriqui and Robillard, 1975, and Spiess and
Florian, 1989). Felt time weighs walking and waiting more than sitting; the best way is the one of least felt time, and a way in use is
kept until another is better by a margin, so that equal ways do not take turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.timetable import Line

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NEVER = np.float32(np.inf)
NEAR = 4
"""So many served zones may be walked to from one zone."""
LEAST_WAIT_MIN = 0.01
"""Waits count as at least so long where lines are weighed by how often they come."""


@dataclass(frozen=True, eq=False)
class Stops:
    """The stops of all lines, one after another: line, direction, position and zone of each; `way` numbers the directions of all lines.

    `run_s` and `length_m` are of the run to the next stop (0 at the last); way w has the stops `first[w]` to `first[w + 1]`.
    """

    line: Ints
    direction: Ints
    way: Ints
    position: Ints
    zone: Ints
    run_s: Ints
    length_m: Ints
    first: Ints

    @property
    def n(self) -> int:
        """The number of stops."""
        return len(self.zone)

    @property
    def line_of_way(self) -> Ints:
        """The line of each way."""
        return self.line[self.first[:-1]]


def stops_of(lines: Sequence[Line]) -> Stops:
    """The stops of lines in order: line by line, direction by direction."""
    ways = [(k, d, way) for k, line in enumerate(lines) for d, way in enumerate(line.directions)]
    sizes = np.array([len(way.zones) for _, _, way in ways], np.int64)
    first = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)

    def repeat(values: list[int]) -> Ints:
        return np.repeat(np.array(values, np.int64), sizes)

    def joined(parts: list[Ints]) -> Ints:
        return np.concatenate([np.append(part, 0) for part in parts]).astype(np.int64) if parts else np.empty(0, np.int64)

    position = np.arange(first[-1]) - np.repeat(first[:-1], sizes)
    zone = np.array([zone for _, _, way in ways for zone in way.zones], np.int64)
    return Stops(
        repeat([k for k, _, _ in ways]), repeat([d for _, d, _ in ways]), repeat(list(range(len(ways)))), position, zone,
        joined([way.run_s for _, _, way in ways]), joined([way.length_m for _, _, way in ways]), first,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Rides:
    """Every ride from zone to zone without a change (rows of zones), and its options: the stops where some line is got on and off.

    The options of ride r are rows `first[r]` to `first[r + 1]` of `board` and `alight`; `ride` is the ride of each.
    """

    start: Ints
    end: Ints
    board: Ints
    alight: Ints
    ride: Ints
    first: Ints

    @property
    def n(self) -> int:
        """The number of rides."""
        return len(self.start)


def rides_of(stops: Stops) -> Rides:
    """All rides from a stop to a later one of its way in another zone; where a way comes to a zone twice, the shortest."""
    pairs = [np.empty((2, 0), np.int64)]
    for low, high in zip(stops.first[:-1].tolist(), stops.first[1:].tolist(), strict=True):
        zone = stops.zone[low:high]
        a, b = np.triu_indices(high - low, 1)
        kept = (zone[a] != zone[b]) & (b < _next(zone)[a]) & (high - low - 1 - a < _next(zone[::-1])[high - low - 1 - b])
        pairs.append(np.stack((a[kept] + low, b[kept] + low)))
    board, alight = np.concatenate(pairs, axis=1).astype(np.int64)
    order = np.lexsort((alight, board, stops.zone[alight], stops.zone[board]))
    board, alight = board[order], alight[order]
    start, end = stops.zone[board], stops.zone[alight]
    fresh = np.append(True, (start[1:] != start[:-1]) | (end[1:] != end[:-1]))[: len(board)]
    first = np.flatnonzero(np.append(fresh, True))
    return Rides(start[fresh], end[fresh], board, alight, np.cumsum(fresh) - 1, first)


def _next(zone: Ints) -> Ints:
    """For each stop of a way the next one in the same zone; one past the last where there is none."""
    found = np.empty(len(zone), np.int64)
    seen: dict[int, int] = {}
    for place in range(len(zone) - 1, -1, -1):
        found[place] = seen.get(int(zone[place]), len(zone))
        seen[int(zone[place])] = place
    return found


@dataclass(frozen=True, eq=False)
class Walks:
    """How people get to stops: the served zones, and for each zone the nearest ones of these (zones × NEAR, numbers among `served`)
    with the minutes on foot to them (inf: too far).
    """

    served: Ints
    near: Ints
    minutes: Floats


def walks_to(stops: Stops, distance_m: NDArray[np.float32], access_m: float, most_m: float, speed_kmh: float) -> Walks:
    """Walks to stops: `access_m` within a served zone, and up to `most_m` more to the nearest other ones."""
    served, n = np.unique(stops.zone), len(distance_m)
    to = distance_m[:, served].astype(np.float64)
    to[served, np.arange(len(served))] = 0.0
    near = np.argsort(to, axis=1, kind="stable")[:, :NEAR]
    metres = to[np.arange(n)[:, None], near]
    return Walks(served, near, np.where(metres <= most_m, (metres + access_m) / (speed_kmh / 0.06), np.inf))


@dataclass(frozen=True, eq=False)
class Paths:
    """Best ways from zone to zone (zones × zones): felt and real minutes door to door (inf: none), first and second ride (−1: none).

    `link` (served × served × 2) are the rides between served zones, kept for the margin of the next time.
    """

    felt: NDArray[np.float32]
    minutes: NDArray[np.float32]
    ride: NDArray[np.int32]
    ride2: NDArray[np.int32]
    link: NDArray[np.int32]


def ride_minutes(
    stops: Stops, rides: Rides, wait_min: Floats, run_min: Floats, wait_weight: float
) -> tuple[Floats, Floats, Floats]:
    """(real, felt) minutes of each ride with the wait before it, and the felt minutes that each option saves when it comes first.

    A line is worth taking while its way alone is shorter than waiting for the quicker ones and their way, so where it saves something.
    Lines of mean waits w come together every 1 / Σ(1 / w) minutes, each in proportion to 1 / w (Spiess and Florian, 1989, Transportation
    Research B 23). `run_min` includes the time at stops.
    """
    reached = np.zeros(stops.n)
    for low, high in zip(stops.first[:-1].tolist(), stops.first[1:].tolist(), strict=True):
        reached[low + 1 : high] = np.cumsum(run_min[low : high - 1])
    on_way, often = reached[rides.alight] - reached[rides.board], 1.0 / np.maximum(wait_min[rides.board], LEAST_WAIT_MIN)
    order, options = np.lexsort((on_way, rides.ride)), np.diff(rides.first)
    rate, ways, felt, real = np.zeros(rides.n), np.zeros(rides.n), np.full(rides.n, np.inf), np.full(rides.n, np.inf)
    for k in range(int(options.max(initial=0))):
        ride = np.flatnonzero(options > k)
        option = order[rides.first[ride] + k]
        rate[ride] += often[option]
        ways[ride] += often[option] * on_way[option]
        total = (wait_weight + ways[ride]) / rate[ride]
        better = ride[total < felt[ride]]
        felt[better], real[better] = (wait_weight + ways[better]) / rate[better], (1.0 + ways[better]) / rate[better]
    return real, felt, felt[rides.ride] - on_way


def best_paths(
    rides: Rides, walks: Walks, real: Floats, felt: Floats, *, change_min: float, walk_weight: float, margin_min: float,
    before: Paths | None = None,
) -> Paths:  # fmt: skip
    """The best ways between all zones: one ride, or two with a change (`change_min` felt minutes besides the second wait)."""
    link = _links(rides, walks, felt, change_min, margin_min, None if before is None else before.link)
    if not len(walks.served):
        none, no_ride = np.full((len(walks.near),) * 2, NEVER), np.full((len(walks.near),) * 2, -1, np.int32)
        return Paths(none, none, no_ride, no_ride, link)
    return _on_foot(walks, link, _of_links(link, felt, change_min), _of_links(link, real, 0.0), walk_weight)


def _of_links(link: NDArray[np.int32], values: Floats, change: float) -> Floats:
    """The sum of a value over the rides of each link, with `change` where there are two; inf where there is none."""
    filled = np.append(values, np.inf)  # the last is for −1
    return np.asarray(filled[link[..., 0]] + np.where(link[..., 1] >= 0, filled[link[..., 1]] + change, 0.0))


def _on_foot(walks: Walks, link: NDArray[np.int32], felt: Floats, real: Floats, walk_weight: float) -> Paths:
    """The best ways between all zones from those between served ones: each end may walk to any of its near stops."""
    n, m = len(walks.near), len(walks.served)
    least, way_in = np.full((n, m), np.inf), np.zeros((n, m), np.int64)
    for k in range(walks.near.shape[1]):
        total = felt[walks.near[:, k]] + walk_weight * walks.minutes[:, k, None]
        better = total < least
        least[better], way_in[better] = total[better], k
    best, way_out = np.full((n, n), np.inf), np.zeros((n, n), np.int64)
    for k in range(walks.near.shape[1]):
        total = least[:, walks.near[:, k]] + walk_weight * walks.minutes[None, :, k]
        better = total < best
        best[better], way_out[better] = total[better], k
    rows, able = np.arange(n), np.isfinite(best)
    off = walks.near[rows[None, :], way_out]
    first = way_in[rows[:, None], off]
    on = walks.near[rows[:, None], first]
    minutes = real[on, off] + walks.minutes[rows[:, None], first] + walks.minutes[rows[None, :], way_out]
    ride, ride2 = (np.where(able, link[on, off, k], np.int32(-1)) for k in (0, 1))
    return Paths(best.astype(np.float32), np.where(able, minutes, np.inf).astype(np.float32), ride, ride2, link)


def _links(
    rides: Rides, walks: Walks, felt: Floats, change_min: float, margin_min: float, before: NDArray[np.int32] | None
) -> NDArray[np.int32]:
    """The rides of the best way between served zones (served × served × 2), −1 for none."""
    m = len(walks.served)
    direct, first = np.full((m, m), np.inf), np.full((m, m), -1, np.int32)
    at = np.searchsorted(walks.served, rides.start), np.searchsorted(walks.served, rides.end)
    direct[at], first[at] = felt, np.arange(rides.n)
    best, link, joined = direct.copy(), np.stack((first, np.full((m, m), -1, np.int32)), axis=-1), np.isfinite(direct)
    for c in range(m):
        rows, columns = np.flatnonzero(joined[:, c]), np.flatnonzero(joined[c])
        total = direct[rows, c, None] + (direct[None, c, columns] + change_min)
        a, b = np.nonzero(total < best[np.ix_(rows, columns)] - 1e-9)
        on, off = rows[a], columns[b]
        best[on, off] = total[a, b]
        link[on, off, 0], link[on, off, 1] = first[on, c], first[c, off]
    link[np.arange(m), np.arange(m)] = -1
    if before is None:
        return link
    used = _of_links(before, felt, change_min)
    keep = np.isfinite(used) & (used <= best + margin_min)
    return np.where(keep[..., None], before, link)
