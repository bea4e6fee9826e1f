"""A model, scenarios and inputs that stand in for the real ones: small, quick, and able to fail or to be stopped on a day."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import shapely

from alatau_sim.engine.domain import Domain
from alatau_sim.engine.randomness import stream_key, uniform
from alatau_sim.errors import InputError
from alatau_sim.fields import ResultField, Section, param, uniform_between
from alatau_sim.results.kpis import Kpi, ResultTable
from alatau_sim.scenario.specs import Names, Settings
from alatau_sim.study.inputs import Inputs

ZONES = ("north", "south")


@dataclass(frozen=True)
class FakeScenario:
    """A scenario file of the form `name;days;what goes wrong`."""

    name: str
    days: int
    trouble: str = ""
    seed: int = 1
    path: Path = Path("fake.txt")
    origins: dict = field(default_factory=dict)

    @property
    def run(self) -> SimpleNamespace:
        start = date(2026, 1, 1)
        return SimpleNamespace(start=start, end=start + timedelta(self.days - 1), seed=self.seed, replicates=1, worlds=0, kernels="plain",
                               threads=1)

    @property
    def results(self) -> SimpleNamespace:
        return SimpleNamespace(compression="none")

    @property
    def hash(self) -> str:
        return hashlib.sha256(f"{self.days};{self.seed}".encode()).hexdigest()

    def resolved(self) -> dict:
        return {"name": self.name, "run": {"days": self.days, "seed": self.seed}}

    def files(self) -> tuple:
        return ()


@dataclass(frozen=True)
class FakeInputs(Inputs):
    """Loads fake scenarios."""

    def load(self, path: str | Path) -> FakeScenario:
        path = Path(path)
        if not path.exists():
            raise InputError(f"{path}: the file does not exist")
        name, days, trouble = path.read_text(encoding="utf-8").strip().split(";")
        return FakeScenario(name, int(days), trouble, path=path)

    def check(self, scenario: FakeScenario) -> tuple[str, ...]:
        """Nothing that it points to can be wrong, or is worth a note."""
        return ()


class FakeModel:
    """Counts days. The scenario's trouble: `fail:N` raises on day N, `input:N` an InputError, `die:N` kills the process on day N."""

    def __init__(self, scenario: FakeScenario, *, world: int, replicate: int, **_: object) -> None:
        squares = np.array([shapely.box(43 + k, 77, 43.5 + k, 77.5) for k in range(2)])
        zones = SimpleNamespace(zone=ZONES, name=ZONES, district_labels=("all",), district=np.zeros(2, int), geometry=squares,
                                crs="EPSG:4326", outside=np.zeros(2, bool))
        self.scenario, self.city, self.labels = scenario, SimpleNamespace(zones=zones), {"zone": ZONES}
        self.clock = SimpleNamespace(date=scenario.run.start)
        self.luck, self.done, self.observers = replicate + 10 * world, 0, []
        self.kpis = (
            Kpi("days_done", "Days", "d", "neither", "counted", "zones_year", lambda sim: float(sim.done + sim.luck), theme="Time"),
        )
        self.result_tables = (
            ResultTable("zones_year", "year", (ResultField("zone", "category"), ResultField("days", "int64", "d")),
                        lambda sim: {"zone": [0, 1], "days": [sim.done, sim.done]}, "Zones", "Time"),
        )

    def observe(self, recorder: object) -> None:
        self.observers.append(recorder)

    def step(self) -> None:
        self.clock.date = self.scenario.run.start + timedelta(self.done)
        self.done += 1
        kind, _, day = self.scenario.trouble.partition(":")
        if kind and int(day) == self.done:
            if kind == "die":
                os._exit(9)
            raise {"fail": ZeroDivisionError("no homes"), "input": InputError("a rule asks for 'agee'"), "stop": KeyboardInterrupt()}[kind]
        tomorrow = self.clock.date + timedelta(1)
        last = self.done == self.scenario.days
        for observer in self.observers:
            observer.day_closed(self)
            if last or tomorrow.day == 1:
                observer.month_closed(self)
            if last or tomorrow.year != self.clock.date.year:
                observer.year_closed(self)

    def close(self) -> None:
        self.observers.clear()


class Heard:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.days: dict[str, int] = {}
        self.ends: dict[str, str] = {}

    def note(self, text: str) -> None:
        self.notes.append(text)

    def planned(self, runs: int) -> None:
        self.runs = runs

    def started(self, run: str, days: int) -> None:
        self.days[run] = 0

    def reached(self, run: str, done: int, day: date) -> None:
        self.days[run] = done

    def ended(self, run: str, how: str) -> None:
        self.ends[run] = how


class IshigamiWorld(Section):
    """The three inputs of Ishigami's function, and one that has no effect."""

    x1: float = param(0.0, within=(-4, 4), meaning="first", spread=uniform_between(-math.pi, math.pi))
    x2: float = param(0.0, within=(-4, 4), meaning="second", spread=uniform_between(-math.pi, math.pi))
    x3: float = param(0.0, within=(-4, 4), meaning="third", spread=uniform_between(-math.pi, math.pi))
    idle: int = param(5, within=(0, 10), meaning="a whole number without effect")


class NoLevers(Section):
    """Nothing to choose."""


@dataclass(frozen=True)
class LeverScenario(FakeScenario):
    """A fake scenario with parameters, as `apply_set` changes them."""

    title: str = ""
    policy: Names = field(default_factory=lambda: Names({"toy": NoLevers()}))
    world: Names = field(default_factory=lambda: Names({"toy": IshigamiWorld()}))
    rules: Names = field(default_factory=lambda: Names({}))
    events: tuple = ()

    @property
    def settings(self) -> Settings:
        return Settings(self.policy, self.world, self.rules)

    @property
    def hash(self) -> str:
        return hashlib.sha256(f"{self.days};{self.seed};{self.world}".encode()).hexdigest()

    def resolved(self) -> dict:
        return {**super().resolved(), "world": {"toy": dict(self.world.toy)}}


@dataclass(frozen=True)
class LeverInputs(FakeInputs):
    """Loads fake scenarios with parameters."""

    def domains(self) -> tuple[Domain, ...]:
        return (Domain("toy", policy=NoLevers, world=IshigamiWorld),)

    def load(self, path: str | Path) -> LeverScenario:
        return LeverScenario(**vars(super().load(path)))


class IshigamiModel(FakeModel):
    """Its indicator is Ishigami's function of the scenario's world."""

    def __init__(self, scenario: LeverScenario, **more: object) -> None:
        super().__init__(scenario, **more)
        toy = scenario.world.toy
        value = math.sin(toy.x1) + 7 * math.sin(toy.x2) ** 2 + 0.1 * toy.x3**4 * math.sin(toy.x1)
        self.kpis = (Kpi("height", "Height", "m", "neither", "Ishigami", "zones_year", lambda sim: value, theme="Time"),)


class LuckyModel(FakeModel):
    """Its indicator is luck that is normal with standard deviation 2 around 100, and 1 more in scenarios whose name begins with b."""

    def __init__(self, scenario: FakeScenario, *, world: int, replicate: int, **more: object) -> None:
        super().__init__(scenario, world=world, replicate=replicate, **more)
        shared = uniform(stream_key(1, replicate, "luck", 0), 7, 0)
        own = uniform(stream_key(1, replicate, scenario.name, 0), 7, 0)
        value = 100 + 10 * NormalDist().inv_cdf(shared) + NormalDist(0, 2).inv_cdf(own) + scenario.name.startswith("b")
        self.kpis = (Kpi("wealth", "Wealth", "KZT", "higher", "drawn", "zones_year", lambda sim: value, theme="Time"),)
