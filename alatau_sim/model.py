"""The city model: a `mesa.Model` that composes the domains over a zoning map on SimPy's clock.

`model.agents` holds ordinary agents only: vehicles and anchor investors. Residents, households, firms and zones are rows of column
tables; `model.residents`, `model.households`, `model.firms`, `model.zones` and `model.agents_by_type` show them as Mesa agent sets.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mesa

from alatau_sim.city.daysoff import holidays_between
from alatau_sim.composition import composed
from alatau_sim.engine.clock import DAY_S, day_number
from alatau_sim.engine.domain import Composition, Domain, compose
from alatau_sim.engine.plan import Item
from alatau_sim.engine.population import ColumnAgentSet, Row
from alatau_sim.engine.simulation import Observer, Simulation
from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems
from alatau_sim.results.kpis import Kpi, ResultTable
from alatau_sim.results.recorder import select_tables
from alatau_sim.scenario.events import apply_set, timeline
from alatau_sim.scenario.specs import EventSpec, Names, RezoneSpec, Scenario, Settings
from alatau_sim.scenario.worlds import world_values
from alatau_sim.scenario.zoning import City, load_map, rezoned


class Resident(Row):
    """One resident: a look at a row of `residents`."""


class Household(Row):
    """One household: a look at a row of `households`."""


class Firm(Row):
    """One firm: a look at a row of `firms`."""


class Zone(Row):
    """One zone: a look at a row of `zones`."""


AGENT_TYPES: dict[type[Row], str] = {Resident: "residents", Household: "households", Firm: "firms", Zone: "zones"}


class CityModel(mesa.Model):
    """One run of a scenario: one world (what is not known), one replicate (luck).

    `step()` simulates one day and is the only way to advance time. `threads` is the number of threads of the compiled rules (0: one a
    core). Close the model when it is done with (it is a context manager), because Mesa keeps every model alive.

    Raises InputError where the map, the margins or a rule do not fit, RunError where a run cannot go on.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        world: int = 0,
        replicate: int = 0,
        kernels: str | None = None,
        threads: int | None = None,
        rule_files: Sequence[str | Path] = (),
        plugins: Sequence[str] = (),
    ) -> None:
        super().__init__(rng=scenario.run.seed)
        self.scenario, self.world_number, self.replicate = scenario, world, replicate
        self.city = City(scenario, load_map(scenario))
        parts = composed(rule_files, plugins)
        found = [one for part in parts for check in part.checks for one in check(self.city)]
        raise_problems(one for one in found if isinstance(one, Problem))
        sections, rules = world_values(scenario, compose(parts), world)
        self.sim = Simulation(
            parts,
            start=scenario.run.start,
            end=scenario.run.end,
            policy=scenario.policy,
            world=sections,
            rule_params=rules,
            seed=scenario.run.seed,
            replicate=replicate,
            kernels=kernels or scenario.run.kernels,
            threads=(scenario.run.threads if threads is None else threads) or os.cpu_count() or 1,
            weight=round(1 / scenario.run.sample),
            population=replicate if scenario.run.population == "redrawn" else 0,
            holidays=frozenset(map(day_number, holidays_between(scenario.run.start, scenario.run.end))),
            events=_events(self.city, parts),
            model=self,
        )
        self.sim.start(self.city)
        self._sets = {kind: ColumnAgentSet(self, self.sim.tables[table], kind) for kind, table in AGENT_TYPES.items()}

    # --- time ------------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Simulate one day: run the SimPy clock until the beat that closes it has finished."""
        self.sim.step()
        self.running = not self.sim.finished

    @property
    def date(self) -> dt.date:
        """The day that is open (after the last step: the last day)."""
        return self.sim.clock.date

    @property
    def days(self) -> int:
        """Days of the whole run."""
        return self.sim.clock.last - self.sim.clock.first + 1

    def observe(self, observer: Observer) -> None:
        """Let a recorder watch; it changes nothing."""
        self.sim.observers.append(observer)

    # --- agents, as Mesa sees them ----------------------------------------------------------------------------------------

    @property
    def residents(self) -> ColumnAgentSet:
        """All residents."""
        return self._sets[Resident]

    @property
    def households(self) -> ColumnAgentSet:
        """All households."""
        return self._sets[Household]

    @property
    def firms(self) -> ColumnAgentSet:
        """All firms."""
        return self._sets[Firm]

    @property
    def zones(self) -> ColumnAgentSet:
        """All zones, those outside the city too."""
        return self._sets[Zone]

    @property
    def agents_by_type(self) -> dict[type, Any]:
        """Agent sets by type: the column tables and Mesa's registered agents."""
        return {**self._sets, **super().agents_by_type}

    @property
    def agent_types(self) -> list[type]:
        """All agent types."""
        return list(self.agents_by_type)

    # --- what is recorded -------------------------------------------------------------------------------------------------

    @property
    def result_tables(self) -> tuple[ResultTable, ...]:
        """The recorded tables: the default ones and those that the scenario asks for."""
        known = [table for domain in self.sim.domains for table in domain.tables]
        return tuple(select_tables(known, self.scenario.results.hourly, self.scenario.results.tables))

    @property
    def kpis(self) -> tuple[Kpi, ...]:
        """All indicators."""
        return tuple(kpi for domain in self.sim.domains for kpi in domain.kpis)

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The names of rows, for recorded categories: `zone`, `substation`, … after their tables, and the map's districts."""
        named = {table.removesuffix("s"): names for table, names in self.sim.names.items()}
        return {**named, "district": self.city.zones.district_labels, "settlement": self.city.zones.settlement_labels}

    @property
    def plan(self) -> tuple[Item, ...]:
        """Every item of the day in order."""
        return self.sim.plan

    def close(self) -> None:
        """Give back threads, and let Mesa forget the model."""
        self.sim.close()
        self.remove_all_agents()
        mesa.Agent._ids.pop(self, None)

    def __enter__(self) -> CityModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _events(city: City, parts: Sequence[Domain]) -> list[tuple[int, Callable[[Simulation], None]]]:
    """What the scenario's dated changes do when their day opens."""
    composition = compose(tuple(parts))
    now = {"zones": city.zones}

    def set_values(event: EventSpec) -> Callable[[Simulation], None]:
        def change(sim: Simulation) -> None:
            before = Settings(Names(vars(sim.policy)), Names(vars(sim.world)), Names({n: Names(v) for n, v in sim.rule_params.items()}))
            after = apply_set(before, event.set, composition)
            sim.set_values(after.policy, after.world, after.rules)

        return change

    def strike(event: EventSpec) -> Callable[[Simulation], None]:
        def begin(sim: Simulation) -> None:
            assert event.outage is not None
            row = outage_row(sim, composition, event.outage.system, event.outage.where)
            sim.add_outage(event.outage.system, row, *_span_s(event.at, event.outage.hours))

        return begin

    def give_weather(event: EventSpec) -> Callable[[Simulation], None]:
        def begin(sim: Simulation) -> None:
            assert event.weather is not None
            spells = sim.state["energy"].setdefault("spells", [])
            spells.append((*_span_s(event.at, event.weather.hours), event.weather.temperature_c))

        return begin

    def change_zoning(spec: RezoneSpec) -> Callable[[Simulation], None]:
        def change(sim: Simulation) -> None:
            now["zones"] = rezoned(now["zones"], spec).zones
            for name, values in now["zones"].columns().items():
                sim.tables["zones"][name][:] = values

        return change

    doing: dict[str, Callable[[Any], Callable[[Simulation], None]]] = {
        "set": set_values, "outage": strike, "weather": give_weather, "rezone": change_zoning,
    }  # fmt: skip
    return [(day, doing[kind](payload)) for day, kind, payload in timeline(city.scenario)]


def _span_s(at: dt.datetime, hours: float) -> tuple[int, int]:
    """The start and the end of some hours in seconds of the clock."""
    start = day_number(at.date()) * DAY_S + at.hour * 3600 + at.minute * 60 + at.second
    return start, start + round(hours * 3600)


def outage_row(sim: Simulation, composition: Composition, system: str, where: str) -> int:
    """The row of a system's table that an outage strikes; InputError with the nearest name."""
    names = sim.names.get(composition.systems[system], ())
    if where not in names:
        raise InputError(f"outage of {system}: there is no {where!r}{did_you_mean(where, names)}")
    return names.index(where)
