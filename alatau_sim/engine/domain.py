"""What one domain brings to the composed model. Composition is a list of these; nothing else registers anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alatau_sim.engine.grids import Grid
from alatau_sim.engine.rule import Derived, Mirror, Relation, Rule, Settlement
from alatau_sim.errors import Problem
from alatau_sim.fields import Column, Param, Section


@dataclass(frozen=True)
class Domain:
    """One domain's declarations. `columns` maps a table's name to the columns it adds there.

    `fill` functions, called in order when a model is built, put the starting rows into the tables: `fill(simulation, city)`.
    `start` functions start the SimPy processes: `start(simulation)`. `city` names the scalars of the day that it sets, with unit.
    `tables` and `kpis` are `results.kpis.ResultTable` and `Kpi` objects. `systems` names what an `outage` event may strike, with
    the table whose rows `where` names. `records` names lists of things that a scenario may give, with the section that each entry is.
    `checks` compare what the scenario says with its map before anything is built: `check(city)` yields problems, and texts as notes.
    """

    name: str
    policy: type[Section] | None = None
    world: type[Section] | None = None
    columns: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    derived: tuple[Derived, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    relations: tuple[Relation, ...] = ()
    grids: tuple[Grid, ...] = ()
    city: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    fill: tuple[Callable[[Any, Any], None], ...] = ()
    start: tuple[Callable[[Any], None], ...] = ()
    tables: tuple[Any, ...] = ()
    kpis: tuple[Any, ...] = ()
    systems: Mapping[str, str] = field(default_factory=dict)
    records: Mapping[str, type[Section]] = field(default_factory=dict)
    checks: tuple[Callable[[Any], Iterable[Problem | str]], ...] = ()


@dataclass(frozen=True)
class Composition:
    """What a scenario may say, composed from the domains: sections, rule parameters, systems and records, without any code that runs."""

    policies: Mapping[str, type[Section]]
    worlds: Mapping[str, type[Section]]
    rules: Mapping[str, Mapping[str, Param]]
    systems: Mapping[str, str]
    records: Mapping[str, type[Section]] = field(default_factory=dict)


def compose(domains: tuple[Domain, ...]) -> Composition:
    """The scenario vocabulary of a list of domains; rules without parameters are listed with none."""
    return Composition(
        policies={d.name: d.policy for d in domains if d.policy is not None},
        worlds={d.name: d.world for d in domains if d.world is not None},
        rules={r.name: r.params for d in domains for r in d.rules},
        systems={name: table for d in domains for name, table in d.systems.items()},
        records={name: kind for d in domains for name, kind in d.records.items()},
    )
