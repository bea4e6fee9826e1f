"""Vehicles in event time: a day's work is a SimPy process of one event a stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import mesa
import simpy

from alatau_sim.city.boarding import LAST_S, ServiceDay
from alatau_sim.city.timetable import DAY_S, HOUR_S, PEAK_HOUR

Turn = tuple[int, int, int]
"""What a vehicle can do next: the way (direction of a line) that it serves, and the seconds and metres that it runs empty before."""


class Vehicle(mesa.Agent):
    """One vehicle of a line's fleet. Its attributes say the way and stop it is at, and who is on board, by where they get off."""

    def __init__(self, model: Any, line: str, number: int, capacity: int) -> None:
        super().__init__(model)
        self.line, self.number, self.capacity = line, number, capacity
        self.way = self.stop = -1
        self.load = 0
        self.riders: list[int] = []

    def work(
        self, env: simpy.Environment, day: ServiceDay, begin: Sequence[Turn], turns: Sequence[Sequence[Turn]], layover_s: int
    ) -> Iterator[simpy.Event]:
        """Serve a line's departures until none is left: run, stop for those who get off and on, run on, turn.

        `begin` are the turns that it may take first, `turns[w]` those after way w. The time at a stop is folded into the run to the next.
        """
        midnight = int(env.now) // DAY_S * DAY_S
        ready, choices = int(env.now) - midnight, begin
        while (trip := self._take(day, choices, ready)) is not None:
            number, leaves = trip
            if leaves > env.now - midnight:
                yield env.timeout(leaves + midnight - int(env.now))
            following = turns[self.way][0]
            day.coming[following[0]] += following[1] == 0
            low, high = day.first[self.way], day.first[self.way + 1]
            self.riders = [0] * (high - low)
            for stop in range(low, high):
                now = int(env.now) - midnight
                self.stop = stop
                self.load, dwell = day.call(stop, number, now, self.riders, self.load, self.capacity)
                step = min(dwell + day.run_s[PEAK_HOUR[now // HOUR_S]][stop], LAST_S - now)
                if step > 0:
                    yield env.timeout(step)
            day.coming[following[0]] -= following[1] == 0
            ready, choices = int(env.now) - midnight + layover_s, turns[self.way]
        self.way = self.stop = -1

    def _take(self, day: ServiceDay, choices: Sequence[Turn], ready: int) -> tuple[int, int] | None:
        """Claim the next departure of the first way that has one; to another start a vehicle runs empty if no other comes for it."""
        for way, empty_s, empty_m in choices:
            trip = day.claim(way, ready + empty_s) if empty_s == 0 or day.left_over(way) else None
            if trip is not None:
                self.way = way
                day.empty_m[way] += empty_m
                return trip
        return None


def model_of(sim: Any) -> Any:
    """The Mesa model that vehicles are registered with: the simulation's, or one of its own where it stands alone."""
    if sim.model is None:
        sim.model = mesa.Model(rng=sim.seed)
    return sim.model
