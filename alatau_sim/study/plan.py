"""A study file → which scenarios, how often, and which cases of a sweep; every problem is told with file and line.

    format: 1
    study:
      name: buses
      scenarios: [baseline.yaml, frequent_buses.yaml]
      replicates: 4
      sweep: {kind: grid, values: {policy.mobility.fare_kzt: [0, 60, 120]}}

Cases are numbered from 1. The first cases stay what they are when a grid's first key gets more values at its end, when a file gets more
rows, and when `kind: sobol` gets more samples. A Latin hypercube of another size is another one: all its cases change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alatau_sim.errors import InputError, Problem, raise_problems
from alatau_sim.scenario.check import BAD, Check
from alatau_sim.scenario.events import apply_set
from alatau_sim.scenario.load import check_name
from alatau_sim.scenario.specs import RunSpec, Scenario
from alatau_sim.scenario.write import flow
from alatau_sim.scenario.yamltree import Item, dotted, leaves, near_files, plain, read_file
from alatau_sim.study.inputs import Inputs
from alatau_sim.study.sweep import Sweep, read_sweep

KEYS = ("name", "scenarios", "replicates", "worlds", "seed", "sets", "use", "rules", "plugins", "sweep")
TOP = ("format", "study")


@dataclass(frozen=True)
class Case:
    """One case of a sweep: the scenario that it varies, its number from 1, the values by dotted key, and the word in its name."""

    base: str
    number: int
    values: Mapping[str, Any] = field(default_factory=dict)
    word: str = "case"

    @property
    def name(self) -> str:
        """The name of the scenario that it makes."""
        return f"{self.base}_{self.word}{self.number:04d}"

    def told(self) -> dict[str, Any]:
        """What the manifests of its runs say besides."""
        return {"base": self.base, "case": self.number, "values": dict(self.values)}


@dataclass(frozen=True)
class StudyFile:
    """What a study file says; paths are as seen from the current folder. `place` is the file and line of each key."""

    path: Path
    name: str
    scenarios: tuple[Path, ...]
    replicates: int | None
    worlds: int | None
    inputs: Inputs
    sweep: Sweep | None
    places: Mapping[str, str]

    def with_inputs(self, more: Inputs) -> StudyFile:
        """The same study with what the command line adds: its keys are set last."""
        mine = self.inputs
        return replace(self, inputs=replace(
            more, sets=(*mine.sets, *more.sets), use=(*mine.use, *more.use), rule_files=(*mine.rule_files, *more.rule_files),
            plugins=(*mine.plugins, *more.plugins),
        ))

    def load(self) -> tuple[list[Scenario], dict[str, Case]]:
        """The scenarios of the study (of a sweep: one for each scenario and case), and the cases by their names."""
        try:
            bases = self.inputs.load_all(self.scenarios)
        except InputError as error:
            raise InputError("\n".join(self._placed(line) for line in str(error).splitlines())) from None
        return self.varied(bases)

    def varied(self, bases: Sequence[Scenario]) -> tuple[list[Scenario], dict[str, Case]]:
        """The scenarios with the cases of the sweep laid over them."""
        if self.sweep is None:
            return list(bases), {}
        composition = self.inputs.composition()
        found = [(base, Case(base.name, number, values)) for base in bases for number, values in self.sweep.cases(base, composition)]
        origin = (self.path.as_posix(), int(self.places.get("sweep", ":0").rpartition(":")[2]) or None)
        return [vary(base, case, composition, origin) for base, case in found], {case.name: case for _, case in found}

    def notes(self, scenarios: Sequence[Scenario]) -> tuple[str, ...]:
        """What the user should know: a swept value holds only until a dated event sets its key."""
        swept = [axis.key for axis in self.sweep.axes] if self.sweep is not None else []
        events = {(event.at.date(), key) for scenario in scenarios for event in scenario.events for key in event.set if key in swept}
        return tuple(f"note: {key} is swept, and an event sets it on {day}: the sweep holds until then" for day, key in sorted(events))

    def _placed(self, line: str) -> str:
        if line.startswith("--set: ") and "sets" in self.places:
            return f"{self.places['sets']}: sets: {line.removeprefix('--set: ')}"
        return line


def vary(base: Scenario, case: Case, composition: Any, origin: tuple[str, int | None]) -> Scenario:
    """A scenario of its own with the values of a case."""
    check_name(case.name)
    try:
        settings = apply_set(base.settings, case.values, composition)
    except InputError as error:
        raise InputError("\n".join(f"{Problem(f'case {case.number}: {line}', *origin)}" for line in str(error).splitlines())) from None
    words = ", ".join(f"{key.rpartition('.')[2]} {_short(value)}" for key, value in list(case.values.items())[:8])
    title = f"{base.title or base.name}: {case.word} {case.number} ({words})"
    origins = {**base.origins, **dict.fromkeys(case.values, origin)}
    return replace(base, name=case.name, title=title, policy=settings.policy, world=settings.world, rules=settings.rules, origins=origins)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else flow(value)


def is_study(path: str | Path) -> bool:
    """Whether a file is a study file; one that cannot be read is none."""
    path = Path(path)
    if path.suffix.lower() not in (".yaml", ".yml") or not path.is_file():
        return False
    try:
        return "study" in read_file(path, []).value
    except InputError:
        return False


def read_study(path: str | Path) -> StudyFile:
    """What a study file says, checked as far as it can be without its scenarios; `InputError` lists all that is wrong."""
    path = Path(path)
    problems: list[Problem] = []
    tree = read_file(path, problems)
    check = Check(problems)
    check.keys(tree.value, "", TOP)
    version = tree.value.get("format")
    if version is None or isinstance(version.value, bool) or version.value != 1:
        problems.append((version or tree).problem("a study file begins with 'format: 1'"))
    item = tree.value["study"]
    study = _Reader(path, check, item, check.map(item, "study")).study()
    raise_problems(sorted(problems, key=lambda problem: (str(problem.file) != path.as_posix(), problem.line or 0)))
    assert study is not None  # without problems all was read
    return study


class _Reader:
    """Reads the keys of one study file."""

    def __init__(self, path: Path, check: Check, item: Item, entries: dict[str, Item]) -> None:
        self.path, self.check, self.item, self.entries = path, check, item, entries

    def study(self) -> StudyFile | None:
        """The study, or None when a problem was noted."""
        self.check.keys(self.entries, "study", KEYS)
        name = self.name()
        scenarios = self.files("scenarios")
        if not scenarios and not self.check.problems:
            self.check.problems.append(self.item.problem("study.scenarios is missing: the scenario files, such as [baseline.yaml]"))
        replicates, worlds, seed = self.number("replicates"), self.number("worlds"), self.number("seed")
        sets = (*self.sets(), *([] if seed is None else [f"run.seed={seed}"]))
        inputs = Inputs(sets, self.texts("use"), tuple(str(file) for file in self.files("rules")), self.texts("plugins"))
        sweep = read_sweep(self.check, self.entries["sweep"]) if "sweep" in self.entries else None
        if self.check.problems:
            return None
        places = {key: f"{entry.file}:{entry.line}" for key, entry in self.entries.items()}
        return StudyFile(self.path, name, scenarios, replicates, worlds, inputs, sweep, places)

    def name(self) -> str:
        """The study's name, which its folder gets: the file's unless given."""
        item = self.entries.get("name")
        value = self.path.stem if item is None else self.check.value(item, "study.name", str)
        if value is not BAD:
            try:
                check_name(value)
            except InputError as error:
                self.check.problems.append((item or self.item).problem(f"study.name: {error}"))
        return str(value)

    def number(self, key: str) -> int | None:
        """A whole number in the range that a scenario's run has for it."""
        if key not in self.entries:
            return None
        value = self.check.value(self.entries[key], f"study.{key}", int, RunSpec.params()[key])
        return None if value is BAD else int(value)

    def files(self, key: str) -> tuple[Path, ...]:
        """Files that must be there, relative to the study file's folder."""
        item = self.entries.get(key)
        given = [item] if item is not None and isinstance(item.value, str) else self.check.list(item, f"study.{key}")
        found = []
        for number, entry in enumerate(given):
            if not isinstance(entry.value, str):
                self.check.wrong(entry, f"study.{key}.{number}", "the name of a file")
                continue
            file = entry.folder / entry.value
            if file.is_file():
                found.append(file)
            else:
                message = f"study.{key}.{number} is {entry.value!r}; the file {file.as_posix()} does not exist{near_files(file)}"
                self.check.problems.append(entry.problem(message))
        return tuple(found)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of words."""
        value = self.check.value(self.entries[key], f"study.{key}", tuple[str, ...]) if key in self.entries else ()
        return () if value is BAD else tuple(value)

    def sets(self) -> tuple[str, ...]:
        """Keys set in every scenario: a map, or a list of `key=value`."""
        item = self.entries.get("sets")
        if item is not None and isinstance(item.value, list):
            return self.texts("sets")
        return tuple(f"{dotted(path)}={flow(plain(child))}" for path, child in leaves(item or Item({}, "", None)) if path)
