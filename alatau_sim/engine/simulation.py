"""The running simulation: tables, grids, ledger and plan on one clock; it knows nothing of cities and nothing of Mesa."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

from alatau_sim.engine.clock import DAY_S, Clock, Instant
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.grids import Grid
from alatau_sim.engine.ledger import Ledger
from alatau_sim.engine.plan import CLOSING, OPENING, Item, build_plan, compose_schema
from alatau_sim.engine.randomness import stream_key, stream_word, uniform, uniform_array
from alatau_sim.engine.tables import Tables
from alatau_sim.errors import InputError, RunError, did_you_mean
from alatau_sim.fields import Column, Section

MODES = ("compiled", "plain", "objects", "both")


class Observer(Protocol):
    """What a recorder is told. It may read everything and change nothing."""

    def day_closed(self, sim: Any) -> None:
        """A day has been closed; `sim.clock` still shows it."""

    def month_closed(self, sim: Any) -> None:
        """A month has been closed (or the run has ended within it)."""

    def year_closed(self, sim: Any) -> None:
        """A year has been closed (or the run has ended within it)."""


class Simulation:
    """Tables, grids and the ledger of one run, and the day that changes them.

    `step()` runs the environment until the beat at the end of the day has finished: it closes the day and opens the next. The first
    beat only opens. `names` holds the rows' names of tables that do not change (zones, substations); `state` is where a domain keeps
    its sums of the month; `resources` holds SimPy resources that domains share, by name. `model` is what agents that act in event time
    are registered with, unknown to the engine. `population` is the number of the starting population (0, or the replicate where it is
    redrawn). A function set as `around_item` is called with each plan item and must call what it gets (to time or to trace it).
    `events` are (day number, function of the simulation), carried out when that day opens.
    """

    def __init__(
        self,
        domains: Sequence[Domain],
        *,
        start: dt.date,
        end: dt.date,
        policy: Mapping[str, Section],
        world: Mapping[str, Section],
        rule_params: Mapping[str, Mapping[str, Any]],
        seed: int = 0,
        replicate: int = 0,
        kernels: str = "compiled",
        threads: int = 1,
        weight: int = 1,
        population: int = 0,
        holidays: Collection[int] = (),
        columns: Sequence[tuple[str, tuple[Column, ...]]] = (),
        events: Sequence[tuple[int, Callable[[Any], None]]] = (),
        model: Any = None,
    ) -> None:
        if kernels not in MODES:
            raise InputError(f"kernels is {kernels!r}; it must be one of {', '.join(MODES)}{did_you_mean(kernels, MODES)}")
        self.domains = tuple(domains)
        self.seed, self.replicate, self.weight, self.mode = seed, replicate, weight, kernels
        self.population = population
        self.threads = max(1, threads)
        self.pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None
        self.clock = Clock(start, end, holidays)
        self.env: simpy.Environment = self.clock.env
        self.policy, self.world = SimpleNamespace(**policy), SimpleNamespace(**world)
        self.rule_params = {name: dict(values) for name, values in rule_params.items()}
        for domain in domains:
            for rule in domain.rules:
                self.rule_params.setdefault(rule.name, {name: p.default for name, p in rule.params.items()})
        self.schema = compose_schema(domains, columns)
        self.tables = Tables(self.schema.columns)
        self.ledger = Ledger(self.tables)
        self.relations: dict[str, NDArray[np.int32]] = {}
        self.relation_state: dict[str, tuple[int, NDArray[Any]]] = {}
        self.city: dict[str, Any] = dict.fromkeys(self.schema.city, 0.0)
        self.names: dict[str, tuple[str, ...]] = {}
        self.state: dict[str, dict[str, Any]] = {domain.name: {} for domain in domains}
        self.resources: dict[str, Any] = {}
        self.model = model
        self.grids: dict[str, NDArray[np.int64]] = {}
        self.profiles: dict[str, NDArray[np.int64]] = {}
        self.month_days = np.zeros(2, np.int64)
        self.observers: list[Observer] = []
        self.around_item: Callable[[Item, Callable[[], None]], None] | None = None
        self._objects: Any = None
        self._events = sorted(events, key=lambda event: event[0])
        self._outages: dict[tuple[str, int], list[tuple[int, int]]] = {}
        mode = "plain" if kernels == "objects" else kernels
        self.plan = build_plan(domains, self.schema, mode)
        self.finished = False
        self.day_opened = self.env.event()
        self._day_done: Instant | None = None

    def start(self, city: Any = None) -> None:
        """Fill the tables, size the grids, start the processes and the beat. `city` is passed to the domains' fill functions."""
        for domain in self.domains:
            for fill in domain.fill:
                fill(self, city)
        for grid in self.schema.grids.values():
            self.grids[grid.name] = np.zeros(self.grid_shape(grid), np.int64)
            if grid.profile:
                self.profiles[grid.name] = np.zeros((2, *self.grids[grid.name].shape), np.int64)
        if self.mode == "objects":
            from alatau_sim.engine.objects import ObjectRows

            self._objects = ObjectRows(self)
        for domain in self.domains:
            for begin in domain.start:
                begin(self)
        self.env.process(self._beat())

    def grid_shape(self, grid: Grid) -> tuple[int, ...]:
        """The lengths of a grid's axes."""
        lengths = []
        for axis in grid.axes:
            labels = grid.axis_labels(axis)
            lengths.append(24 if axis == "hour" else len(labels) if labels else self.tables[axis].n)
        return tuple(lengths)

    # --- the day ---------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Simulate one day, to the end of the beat that closes it."""
        if self.finished:
            raise RunError(f"the run ended on {self.clock.date}; a longer one needs a later run.end")
        self._day_done = self.clock.instant()
        self.env.run(until=self._day_done)

    def _beat(self) -> Generator[simpy.Event, None, None]:
        yield self.clock.beat(0)
        self._open_day()
        while True:
            yield self.clock.beat(DAY_S)
            self._close_day()
            self.finished = self.clock.day >= self.clock.last
            if not self.finished:
                self.clock.day += 1
                self._open_day()
            assert self._day_done is not None
            self._day_done.fire()
            if self.finished:
                return

    def _open_day(self) -> None:
        for grid in self.grids.values():
            grid[...] = 0
        while self._events and self._events[0][0] <= self.clock.day:
            self._events.pop(0)[1](self)
        for phase in OPENING:
            self._run(phase)
        opened, self.day_opened = self.day_opened, self.env.event()
        opened.succeed()

    def _close_day(self) -> None:
        for phase in CLOSING:
            self._run(phase)
        self.ledger.check()
        kind = self.clock.kind_of_day
        self.month_days[kind] += 1
        for name, profile in self.profiles.items():
            profile[kind] += self.grids[name]
        for observer in self.observers:
            observer.day_closed(self)
        if self.clock.ends("1 month"):
            for observer in self.observers:
                observer.month_closed(self)
            self.month_days[:] = 0
            for profile in self.profiles.values():
                profile[...] = 0
        if self.clock.ends("1 year"):
            for observer in self.observers:
                observer.year_closed(self)

    def _run(self, phase: str) -> None:
        for item in self.plan:
            if item.phase == phase and (item.due(self.clock) or (item.stale is not None and item.stale(self))):
                if self.around_item is not None:
                    self.around_item(item, partial(self._run_item, item))
                else:
                    self._run_item(item)

    def _run_item(self, item: Item) -> None:
        if self._objects is not None and item.runner is not None:
            self._objects.run(item.runner)
        else:
            item.run(self)

    # --- what domains ask for -------------------------------------------------------------------------------------------

    def uniform(self, stream: str, ids: NDArray[np.int64], k: int = 0, day: int | None = None) -> NDArray[np.float64]:
        """Keyed uniforms in [0, 1) of some ids: today's by default, of another day number, or (−1) of no day."""
        return uniform_array(stream_key(self.seed, self.replicate, stream, self.clock.day if day is None else day), ids, k)

    def starting_uniform(self, stream: str, ids: NDArray[np.int64], k: int = 0) -> NDArray[np.float64]:
        """Keyed uniforms for what the run starts with: the same in every replicate, unless the population is redrawn."""
        return uniform_array(stream_key(self.seed, self.population, stream, -1), ids, k)

    def in_sample(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which ids belong to the sample of one in `weight`: keyed and nested (a smaller sample is part of a larger one)."""
        return uniform_array(stream_key(self.seed, 0, "sample", -1), ids) < 1 / self.weight

    def uniform_of(self, name: str, number: int, stream: str, k: int = 0) -> float:
        """A uniform in [0, 1) for a process: by the thing's name and the number of its event, whatever the day."""
        return uniform(stream_key(self.seed, self.replicate, f"{stream}/{name}", -1), number, k)

    def month_profile(self, grid: str) -> NDArray[np.int64]:
        """The sum of a profiled grid over the month's days so far, by kind of day: shape (2, *grid)."""
        try:
            return self.profiles[grid]
        except KeyError:
            raise RunError(f"grid {grid!r} keeps no profile{did_you_mean(grid, self.profiles)}") from None

    def add_outage(self, system: str, row: int, start_s: int, end_s: int) -> None:
        """Let row `row` of a system be out from `start_s` to before `end_s` (seconds of the clock)."""
        self._outages.setdefault((system, row), []).append((int(start_s), int(end_s)))

    def outage(self, system: str, row: int) -> float:
        """Hours of the present dated outage that are left; 0 where there is none."""
        if (system, row) not in self._outages:
            return 0.0
        now = self.env.now
        return max((end - now for start, end in self._outages.get((system, row), []) if start <= now < end), default=0) / 3600

    def outage_s(self, system: str, row: int, start_s: int, end_s: int) -> int:
        """Seconds of dated outage of one row of a system within an interval."""
        if (system, row) not in self._outages:
            return 0
        covered = sorted((max(a, start_s), min(b, end_s)) for a, b in self._outages.get((system, row), []))
        seconds, reached = 0, start_s
        for a, b in covered:
            seconds += max(0, b - max(a, reached))
            reached = max(reached, b)
        return seconds

    def set_values(self, policy: Mapping[str, Section], world: Mapping[str, Section], rules: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace policy and world sections and rule parameters from now on."""
        self.policy, self.world = SimpleNamespace(**policy), SimpleNamespace(**world)
        for name, values in rules.items():
            self.rule_params[name] = dict(values)

    def key_word(self, text: str) -> int:
        """A non-negative int64 id for a name."""
        return stream_word(text) >> 1

    def close(self) -> None:
        """Give back the threads and the agents."""
        if self.pool is not None:
            self.pool.shutdown()
        if self._objects is not None:
            self._objects.close()
