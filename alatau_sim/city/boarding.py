"""A day of service, stop by stop: who waits where, who gets on and off, who is left behind; and what the day measures afterwards.

A rider waits in the queue of every stop of the zone at which a line comes that takes him, and gets on the first vehicle with room: first
come, first served. A queue is a list in order of arrival and the place up to which it has been passed; who has got on elsewhere is passed
over. Knows no clock: vehicles say when they call.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.timetable import DAY_S, HOUR_S
from alatau_sim.city.transit import Rides, Stops

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LAST_S = DAY_S - 1
"""Service of a day ends with its last second: vehicles on the way then are taken to have reached their last stop."""
LATE_S = 60
"""A departure counts as late from so many seconds on."""
WINDOW_S = (7 * HOUR_S, 20 * HOUR_S)
"""The span of the day over which waits of nobody in particular are measured."""
LONGEST_WAIT_S = 2 * HOUR_S
"""What a wait counts for, at least, where no vehicle comes any more."""
PRIOR_RIDERS = 5.0
"""Riders' own waits at a stop count against the wait by its headways as so many riders (assumed), so that few riders mean no jumps."""


@dataclass(frozen=True)
class Dwell:
    """Seconds at a stop: doors, each boarding, each alighting (by another door at the same time)."""

    doors_s: float
    boarding_s: float
    alighting_s: float


class Waiting:
    """The riders of a day, and their places in the queues of stops.

    Riders: `ride` wanted, time `at` which they come (seconds of the day) and its `hour`; `queues` are the stops where rider r waits, rows
    `first_queue[r]` to `first_queue[r + 1]`. Places, by stop and arrival: `who` waits, and where he gets `off`, as a position along the
    way; those at stop s are rows `first[s]` to `first[s + 1]`.

    A rider waits for the options of his ride that save at least `least_min` minutes over not taking them, and for the best in any case.
    """

    def __init__(self, stops: Stops, rides: Rides, saves_min: Floats, ride: Ints, at: Floats, least_min: Floats) -> None:
        self.ride, self.at, self.hour = ride, at, (at // HOUR_S).astype(np.int64)
        count = np.diff(rides.first)[ride]
        who = np.repeat(np.arange(len(ride)), count)
        option = np.repeat(rides.first[ride], count) + np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
        best = np.maximum.reduceat(saves_min, rides.first[:-1]) if rides.n else saves_min
        waits = saves_min[option] >= np.minimum(least_min, best[ride])[who]
        who, option = who[waits], option[waits]
        self.first_queue, self.queues = np.searchsorted(who, np.arange(len(ride) + 1)), rides.board[option]
        order = np.lexsort((who, at[who], rides.board[option]))
        self.who, self.off = who[order], stops.position[rides.alight[option[order]]]
        self.first = np.searchsorted(rides.board[option[order]], np.arange(stops.n + 1))


class ServiceDay:
    """One day of service under way: queues, departures not yet made, and the log of calls and trips.

    `departures` has the ascending times of each way (direction of a line) and `run_s` the seconds of each stop's run to the next,
    off-peak and in the peaks (two lists). Times count from the day's midnight.
    """

    def __init__(
        self, stops: Stops, waiting: Waiting, departures: Sequence[Ints], run_s: tuple[list[int], list[int]], dwell: Dwell, late_s: int
    ) -> None:
        self.stops, self.waiting, self.departures = stops, waiting, [times.tolist() for times in departures]
        self.run_s, self.dwell, self.most_late_s = run_s, dwell, late_s
        self.first, self._position = stops.first.tolist(), stops.position.tolist()
        self._next = [0] * len(self.departures)
        self._at, self._who, self._off = waiting.at[waiting.who].tolist(), waiting.who.tolist(), waiting.off.tolist()
        self._first_queue, self._queues = waiting.first_queue.tolist(), waiting.queues.tolist()
        self._several = (np.diff(waiting.first_queue) > 1).tobytes()
        self.head, self._end = waiting.first[:-1].tolist(), waiting.first[1:].tolist()
        self._gone = [0] * stops.n  # of those who wait at a stop, who has got on elsewhere
        self.boarded = bytearray(len(waiting.ride))
        self.here = bytearray(len(waiting.who))
        self.log = array("q")
        self.trips = array("q")
        self.empty_m = [0] * len(self.departures)
        self.coming = [0] * len(self.departures)

    def left_over(self, way: int) -> bool:
        """Whether more departures of a way are left than vehicles are on their way, with riders, to where it starts (`coming`)."""
        return len(self.departures[way]) - self._next[way] > self.coming[way]

    def claim(self, way: int, ready_s: int) -> tuple[int, int] | None:
        """(number of the trip, when it leaves) of a way's next departure that a vehicle ready at `ready_s` can make, late if need be."""
        times, k = self.departures[way], self._next[way]
        while k < len(times) and times[k] + self.most_late_s < ready_s:
            k += 1  # nobody came in time: cancelled
        self._next[way] = k
        if k == len(times) or max(times[k], ready_s) >= LAST_S:
            return None
        self._next[way] = k + 1
        leaves = max(times[k], ready_s)
        self.trips.extend((way, times[k], leaves))
        return len(self.trips) // 3 - 1, leaves

    def call(self, stop: int, trip: int, now: int, riders: list[int], load: int, capacity: int) -> tuple[int, int]:
        """A vehicle calls at a stop: riders for here get off, those who wait get on as far as there is room. (load, dwell in seconds).

        `riders` counts those on board by the position at which they get off; `trip` numbers the trip in the log.
        """
        position, head = self._position[stop], self.head[stop]
        out = riders[position]
        riders[position] = 0
        end, room, on = bisect_right(self._at, now, head, self._end[stop]), capacity - load + out, 0
        gone, boarded, place = self._gone, self.boarded, head
        waiting = end - head - gone[stop]
        while place < end and on < room:
            who = self._who[place]
            if boarded[who]:
                gone[stop] -= 1
            else:
                boarded[who] = self.here[place] = 1
                riders[self._off[place]] += 1
                on += 1
                if self._several[who]:
                    for other in self._queues[self._first_queue[who] : self._first_queue[who + 1]]:
                        gone[other] += other != stop
            place += 1
        self.head[stop] = place
        load += on - out
        self.log.extend((stop, trip, now, head, place, on, waiting - on, out, load))
        if not on and not out:
            return load, 0
        dwell = self.dwell
        return load, round(dwell.doors_s + max(dwell.boarding_s * on, dwell.alighting_s * out))


@dataclass(frozen=True, eq=False)
class Measured:
    """What a day of service measured.

    By ride and hour of arrival at the stop: riders `wanted` and `served`. By stop and hour of the call: `boarded`, `alighted`, `left`
    (behind, once for each vehicle that was full), `load` (riders on board when leaving, summed over calls), `calls`. By way:
    `departures`, `late`, `cancelled`, `vehicle_m` and `empty_m`. By stop: `wait_s` (summed over those who got on), `wait_mean_s` (for this
    stop's line alone) and `run_mean_s` (from the arrival there to that at the next), `highest` (most riders on board of a vehicle
    leaving there). `waits_s` are the waits of those served, in the order of `Waiting`.
    """

    wanted: Ints
    served: Ints
    boarded: Ints
    alighted: Ints
    left: Ints
    load: Ints
    calls: Ints
    departures: Ints
    late: Ints
    cancelled: Ints
    vehicle_m: Ints
    empty_m: Ints
    wait_s: Floats
    wait_mean_s: Floats
    run_mean_s: Floats
    highest: Ints
    waits_s: Floats


def measure(day: ServiceDay, rides: Rides) -> Measured:
    """Read the log of a day that is over."""
    stops, waiting = day.stops, day.waiting
    log = np.array(day.log, np.int64).reshape(-1, 9)
    stop, _, now, head, place, on, left, out, load = log.T
    passed, here = _passed(len(waiting.who), now, head, place), np.frombuffer(day.here, np.uint8).astype(bool)
    queued = passed - waiting.at[waiting.who]  # until this stop's line had room, for those too who got on elsewhere
    board = np.repeat(np.arange(stops.n), np.diff(waiting.first))
    unserved = np.maximum(LAST_S - waiting.at[waiting.who], LONGEST_WAIT_S)
    waits = np.full(len(waiting.ride), np.nan)
    waits[waiting.who[here]] = queued[here]
    got = ~np.isnan(waits)

    def by_hour(rows: Ints, hours: Ints, n: int, weights: NDArray[Any] | None = None) -> Ints:
        return np.bincount(rows * 24 + hours, weights=weights, minlength=n * 24).reshape(n, 24).astype(np.int64)

    def by_call(values: Ints) -> Ints:
        return by_hour(stop, now // HOUR_S, stops.n, values)

    trips = np.array(day.trips, np.int64).reshape(-1, 3)
    ways = len(day.departures)
    made = np.bincount(trips[:, 0], minlength=ways)
    metres = np.add.reduceat(stops.length_m, stops.first[:-1]) if ways else np.empty(0, np.int64)
    scheduled = np.array([len(times) for times in day.departures], np.int64)
    return Measured(
        wanted=by_hour(waiting.ride, waiting.hour, rides.n), served=by_hour(waiting.ride[got], waiting.hour[got], rides.n),
        boarded=by_call(on), alighted=by_call(out), left=by_call(left), load=by_call(load), calls=by_call(np.ones_like(stop)),
        departures=made, late=np.bincount(trips[trips[:, 2] - trips[:, 1] >= LATE_S, 0], minlength=ways), cancelled=scheduled - made,
        vehicle_m=made * metres, empty_m=np.array(day.empty_m, np.int64),
        wait_s=np.bincount(board[here], weights=queued[here], minlength=stops.n).astype(np.float64),
        wait_mean_s=_mean_waits(waits_by_headway(stops.n, stop, now), board, np.where(np.isnan(queued), unserved, queued)),
        run_mean_s=_mean_runs(stops, log),
        highest=_highest(stops.n, stop, load), waits_s=waits[got],
    )  # fmt: skip


def _passed(n: int, now: Ints, head: Ints, place: Ints) -> Floats:
    """When each of n places in the queues was passed; NaN where no vehicle with room came any more."""
    passed, count = np.full(n, np.nan), place - head
    rows = np.repeat(head - np.cumsum(count) + count, count) + np.arange(count.sum())
    passed[rows] = np.repeat(now, count)
    return passed


def _highest(n: int, stop: Ints, load: Ints) -> Ints:
    most = np.zeros(n, np.int64)
    np.maximum.at(most, stop, load)
    return most


def _mean_waits(by_headway: Floats, board: Ints, queued: Floats) -> Floats:
    """The wait to expect at each stop: that of the day's riders in its queue, and (as PRIOR_RIDERS more) that of its headways."""
    sums = np.bincount(board, weights=queued, minlength=len(by_headway))
    return np.asarray((sums + PRIOR_RIDERS * by_headway) / (np.bincount(board, minlength=len(by_headway)) + PRIOR_RIDERS))


def waits_by_headway(n: int, stop: Ints, time_s: Ints, window_s: tuple[int, int] = WINDOW_S) -> Floats:
    """Mean wait at each of n stops for somebody who comes at any moment of the window: Σ h² / (2 Σ h) over the headways h within it.

    LONGEST_WAIT_S is the wait of those who come after the last call.
    """
    low, high = window_s
    order = np.lexsort((time_s, stop))
    s, t = stop[order], time_s[order]
    fresh = np.ones(len(s), bool)
    fresh[1:] = s[1:] != s[:-1]
    inside = np.clip(t, low, high)
    previous = np.where(fresh, low, np.concatenate(([low], inside[:-1])))
    waited = np.bincount(s, weights=((t - previous) ** 2 - (t - inside) ** 2) / 2.0, minlength=n)
    last = np.full(n, low)
    np.maximum.at(last, s, inside)
    waited += LONGEST_WAIT_S * (high - last)
    return np.asarray(waited / (high - low))


def _mean_runs(stops: Stops, log: Ints) -> Floats:
    """Mean seconds from the arrival at each stop to that at the next; the scheduled run where no vehicle made it."""
    order = np.lexsort((log[:, 0], log[:, 1]))
    stop, trip, now = log[order, 0], log[order, 1], log[order, 2]
    same = (trip[1:] == trip[:-1]) & (now[1:] < LAST_S)
    at, seconds = stop[:-1][same], np.diff(now)[same]
    count = np.bincount(at, minlength=stops.n)
    return np.where(count > 0, np.bincount(at, weights=seconds, minlength=stops.n) / np.maximum(count, 1), stops.run_s)
