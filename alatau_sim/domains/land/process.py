"""Building sites: one SimPy process each, from the announcement to the day when homes or workspace are handed over.

A site waits for a permit (so many are worked on at once), then for crews (a number by its size), first come, first served, and is then
built. All of its state is in its row of `works`: a process that is started finds there how far its site is. What has been announced is
built even where its zone has been rezoned since. Not modelled yet: weather, money that runs out, sites that are given up.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from alatau_sim.domains.land.params import Policy
from alatau_sim.domains.land.tables import ANNOUNCED, BUILDING, DONE, PERMIT, WAITING
from alatau_sim.engine.clock import DAY_S

PAST = Policy()
"""The levers of the time before the run: as declared, whatever the scenario does, so that scenarios share their past."""


class Pool:
    """Equal things that are lent, several at a time, first come, first served; how many there are may change while some are out.

    `capacity` is how many there are now, `count` how many are out. It differs from `simpy.Resource` in these two points: one request is
    for several, and the capacity follows a lever.
    """

    def __init__(self, env: simpy.Environment, capacity: Callable[[], int]) -> None:
        self.env, self._capacity, self.count = env, capacity, 0
        self.queue: deque[tuple[simpy.Event, int]] = deque()

    @property
    def capacity(self) -> int:
        """How many there are."""
        return int(self._capacity())

    def request(self, number: int) -> simpy.Event:
        """An event that happens when so many are lent; its value is their number, which is less only where there are no more at all."""
        event = self.env.event()
        self.queue.append((event, number))
        self.serve()
        return event

    def release(self, number: int) -> None:
        """Give some back."""
        self.count -= number
        self.serve()

    def serve(self) -> None:
        """Lend to those who wait, in order, as far as there are enough (to be called when the capacity has changed)."""
        while self.queue:
            event, number = self.queue[0]
            number = min(number, self.capacity)
            if number < 1 or self.count + number > self.capacity:
                return
            self.queue.popleft()
            self.count += number
            event.succeed(number)


def open_pools(sim: Any) -> None:
    """Put the permits and the crews of the city among the shared resources."""
    sim.resources["permits"] = Pool(sim.env, lambda: sim.policy.land.permits_at_once)
    sim.resources["crews"] = Pool(sim.env, lambda: sim.policy.land.crews)


def crews_for(floor_m2: int, days: int, world: Any) -> int:
    """Crews that build so much in so many days; at most as many as find room on one site."""
    return max(1, min(math.ceil(floor_m2 / (world.crew_m2_per_day * days)), world.site_crews_most))


def days_for(floor_m2: int, crews: int, world: Any) -> int:
    """Days in which crews build so much; not less than the shortest time of building."""
    return max(math.ceil(floor_m2 / (world.crew_m2_per_day * crews)), world.site_days_least)


def permit_days(sim: Any, row: int) -> int:
    """Days of work on a site's permit: its owner's, or those of the policy."""
    own = int(sim.tables["works"]["permit_days"][row])
    return own if own >= 0 else int(sim.policy.land.permit_days)


def crews_wanted(sim: Any, row: int) -> int:
    """Crews that a site asks for, by its size and the time in which it is meant to be built."""
    works, own = sim.tables["works"], int(sim.tables["works"]["building_days"][row])
    return crews_for(int(works["floor_m2"][row]), own if own > 0 else sim.world.land.site_days, sim.world.land)


def building_days(sim: Any, row: int, crews: int) -> int:
    """Days of building: its owner's (who brings more builders where those of the city are too few), or by size and crews."""
    own = int(sim.tables["works"]["building_days"][row])
    return own if own > 0 else days_for(int(sim.tables["works"]["floor_m2"][row]), crews, sim.world.land)


def enter(sim: Any, row: int, stage: int, days: int = 0) -> None:
    """Let a site begin a stage now that takes some days."""
    works, now = sim.tables["works"], int(sim.env.now)
    if works["stage"][row] in (ANNOUNCED, WAITING):
        works["waited_days"][row] += now // DAY_S - works["stage_day"][row]
    works["stage"][row], works["stage_day"][row], works["until_s"][row] = stage, now // DAY_S, now + days * DAY_S


def go_on(sim: Any, row: int, days: int) -> None:
    """Put a site that was announced some days before the run to where it is without having waited, with its permit desk or crews.

    How far it is depends on no lever; the work on its permit that is left does.
    """
    works, own = sim.tables["works"], int(sim.tables["works"]["permit_days"][row])
    permit = own if own >= 0 else PAST.permit_days
    if days < permit:
        enter(sim, row, PERMIT, max(permit_days(sim, row) - days, 0))
        sim.resources["permits"].count += 1
    else:
        crews = crews_wanted(sim, row)
        works["crews"][row] = crews
        enter(sim, row, BUILDING, max(building_days(sim, row, crews) - (days - permit), 1))
        sim.resources["crews"].count += crews
    works["waited_days"][row] = 0


def build(sim: Any, site: int) -> Generator[simpy.Event, Any, None]:
    """The life of the building site with this id, from the stage in which its row is."""
    works, permits, crews = sim.tables["works"], sim.resources["permits"], sim.resources["crews"]
    ids = np.array([site], np.int64)
    while True:
        row = int(works.rows_of(ids)[0])
        stage = int(works["stage"][row])
        if stage == DONE:
            return
        left_s = max(int(works["until_s"][row]) - int(sim.env.now), 0)
        if stage == ANNOUNCED:
            yield permits.request(1)
            row = int(works.rows_of(ids)[0])
            enter(sim, row, PERMIT, permit_days(sim, row))
        elif stage == PERMIT:
            yield sim.env.timeout(left_s)
            permits.release(1)
            enter(sim, int(works.rows_of(ids)[0]), WAITING)
        elif stage == WAITING:
            got = yield crews.request(crews_wanted(sim, row))
            row = int(works.rows_of(ids)[0])
            works["crews"][row] = got
            enter(sim, row, BUILDING, building_days(sim, row, got))
        else:
            yield sim.env.timeout(left_s)
            row = int(works.rows_of(ids)[0])
            crews.release(int(works["crews"][row]))
            works["crews"][row] = 0
            enter(sim, row, DONE)
