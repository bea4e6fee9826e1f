"""A scenario file → a checked `Scenario`: read, extend, override, set, validate. All problems are told at once.

The order of precedence, from weakest: the files it extends, the file itself, the overrides in use, `--set`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from alatau_sim.city.words import LAND_USES, STANDARD_COLUMNS
from alatau_sim.engine.domain import Composition
from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems
from alatau_sim.fields import Section
from alatau_sim.scenario import events
from alatau_sim.scenario.check import BAD, Check
from alatau_sim.scenario.records import Place, Records, read_records
from alatau_sim.scenario.specs import (
    EARLIEST,
    CitySpec,
    InputFile,
    MapSpec,
    Names,
    ResultsSpec,
    RunSpec,
    Scenario,
    Settings,
    named_files,
)
from alatau_sim.scenario.yamltree import SET, Item, Map, dotted, leaves, merge, near_files, read_file, read_text, shown, split_key

KEYS = (
    "format", "name", "title", "description", "extends", "overrides", "use", "run", "map", "city", "policy", "world", "rules", "rezone",
    "events", "results",
)  # fmt: skip
"""The top-level keys of a scenario file, besides the lists that domains declare."""

_OF_ONE_FILE = ("format", "name", "title", "description", "extends")
_OF_THE_FILE = ("format", "extends", "overrides", "use")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)\Z", re.IGNORECASE)
_NAME_WORDS = "must be 1 to 80 of the characters A-Z a-z 0-9 _ - and no device's name such as 'con'"
_SHAPEFILE = {".shp", ".shx", ".dbf", ".prj", ".cpg"}


def load_scenario(path: str | Path, *, composition: Composition, sets: Sequence[str] = (), use: Sequence[str] = ()) -> Scenario:
    """The scenario of a file, resolved and checked.

    `sets` are `key=value` strings with the value in YAML; `use` names overrides to switch on besides those of the file.
    Raises `InputError` with every problem found, one a line, each with its file and line.
    """
    path = Path(path)
    problems: list[Problem] = []
    keys = (*KEYS, *composition.records)
    tree, sources = _chain(path, keys, problems)
    tree = _overridden(tree, use, keys, Check(problems))
    for text in sets:
        tree = _set(tree, text, keys, problems)
    scenario = _Reader(path, tree, composition, problems).scenario()
    raise_problems(sorted(problems, key=lambda p: (_rank(p.file, path, sources), str(p.file), p.line or 0)))
    assert scenario is not None  # without problems every part was read
    return replace(scenario, sources=sources)


def _rank(file: str | Path | None, path: Path, sources: tuple[Path, ...]) -> int:
    """The place of a file in the order in which problems are told."""
    order = [SET, path.as_posix(), *(source.as_posix() for source in sources)]
    return order.index(str(file)) if str(file) in order else len(order)


def _chain(path: Path, keys: Sequence[str], problems: list[Problem]) -> tuple[Item, tuple[Path, ...]]:
    """The file's tree laid over those that it extends, and the paths of those."""
    trees: list[Item] = []
    seen: list[Path] = []
    current: Path | None = path
    while current is not None:
        tree = read_file(current, problems)
        trees.append(tree)
        seen.append(current)
        check = Check(problems)
        check.keys(tree.value, "", keys)
        _check_format(tree, problems)
        current = _base(tree, seen, check)
    merged = trees[-1]
    for tree in reversed(trees[:-1]):
        own = {key: item for key, item in merged.value.items() if key not in _OF_ONE_FILE}
        merged = merge(Item(own, merged.file, merged.line), tree)
    return merged, tuple(seen[1:])


def _check_format(tree: Item, problems: list[Problem]) -> None:
    item = tree.value.get("format")
    if item is None:
        problems.append(tree.problem("format is missing; a scenario begins with 'format: 1'"))
    elif isinstance(item.value, bool) or item.value != 1:
        problems.append(item.problem(f"format is {shown(item.value)}; this version reads format 1"))


def _base(tree: Item, seen: list[Path], check: Check) -> Path | None:
    """The file that a tree extends, or None."""
    item = tree.value.get("extends")
    if item is None or item.value is None:
        return None
    if not isinstance(item.value, str):
        check.wrong(item, "extends", "the name of one file")
        return None
    base = item.folder / item.value
    if base.is_dir():
        check.wrong(item, "extends", "the name of one file, not of a folder")
        return None
    if not base.exists():
        check.problems.append(item.problem(f"extends is {item.value!r}; the file {base.as_posix()} does not exist{near_files(base)}"))
        return None
    resolved = [file.resolve() for file in seen]
    if base.resolve() in resolved:
        ring = [*seen[resolved.index(base.resolve()) :], base]
        raise InputError(str(item.problem("extends goes in a circle: " + " → ".join(file.as_posix() for file in ring))))
    return base


def _overridden(tree: Item, use: Sequence[str], keys: Sequence[str], check: Check) -> Item:
    """The tree with the overrides in use laid over it; two of them that set the same key are a problem."""
    blocks = check.map(tree.value.get("overrides"), "overrides")
    for name, block in blocks.items():
        for key, item in check.map(block, f"overrides.{name}").items():
            if key in _OF_THE_FILE:
                check.problems.append(item.problem(f"overrides.{name}: {key} cannot be set in an override"))
            elif key not in keys:
                check.unknown(item, f"overrides.{name}.{key}", key, keys)
    chosen: dict[str, Item] = {}
    for i, item in enumerate(check.list(tree.value.get("use"), "use")):
        if isinstance(item.value, str):
            chosen.setdefault(item.value, item)
        else:
            check.wrong(item, f"use.{i}", "the name of an override")
    for name in use:
        chosen.setdefault(name, Item(name, "--use", None))
    for name, item in chosen.items():
        if name not in blocks:
            hint = did_you_mean(name, blocks) or "; the file has no overrides"
            check.problems.append(item.problem(f"there is no override {name!r}{hint}"))
    picked = {name: blocks[name] for name in chosen if name in blocks}
    used = {name: Item(check.map(block, f"overrides.{name}"), block.file, block.line) for name, block in picked.items()}
    _clashes(used, check)
    for block in used.values():
        tree = merge(tree, Item({key: item for key, item in block.value.items() if key not in _OF_THE_FILE}, block.file, block.line))
    return tree


def _clashes(used: dict[str, Item], check: Check) -> None:
    """Note every key that two overrides set, or of which one sets a part and another the whole."""
    taken: dict[tuple[str, ...], tuple[str, Item]] = {}
    for name, block in used.items():
        mine = [(path, item) for path, item in leaves(block) if item.value is not None]
        for path, item in mine:
            for other, (first, where) in taken.items():
                short = min(len(path), len(other))
                if path[:short] == other[:short]:
                    here = f"{item.file}:{item.line}"
                    check.problems.append(
                        item.problem(
                            f"the overrides {first!r} and {name!r} both set {dotted(max(path, other, key=len))} "
                            f"({where.file}:{where.line} and {here}); use one of them"
                        )
                    )
        taken.update({path: (name, item) for path, item in mine})


def _set(tree: Item, text: str, keys: Sequence[str], problems: list[Problem]) -> Item:
    """The tree with one `key=value` of the command line laid over it."""
    key, equals, value = text.partition("=")
    parts = split_key((), key.strip())
    if not equals or not all(parts):
        problems.append(Problem(f"{text!r} must have the form key=value, such as run.seed=2", SET))
        return tree
    if parts[0] in _OF_THE_FILE:
        problems.append(Problem(f"{parts[0]} cannot be set on the command line", SET))
        return tree
    if parts[0] not in keys:
        problems.append(Problem(f"{key} is not known{did_you_mean(parts[0], keys)}", SET))
        return tree
    try:
        item = read_text(value, SET, problems, parts)
    except InputError as error:
        problems.append(Problem(str(error)))
        return tree
    item = item or Item(None, SET, None)
    for part in reversed(parts):
        item = Item({part: item}, SET, None)
    return merge(tree, item)


def _is_name(text: str) -> bool:
    return bool(_NAME.match(text)) and not _DEVICES.match(text)


def check_name(name: str) -> None:
    """Raise `InputError` unless a scenario may have this name."""
    if not _is_name(name):
        raise InputError(f"the name {name!r} {_NAME_WORDS}")


class _Reader:
    """Reads the parts of a merged tree into a scenario."""

    def __init__(self, path: Path, tree: Item, composition: Composition, problems: list[Problem]) -> None:
        self.path, self.tree, self.composition, self.problems = path, tree, composition, problems
        self.check = Check(problems)

    def scenario(self) -> Scenario | None:
        """The scenario, or None when there are problems."""
        top = self.tree.value
        run = self.run(top.get("run"))
        zones, city, results = self.part(MapSpec, "map"), self.part(CitySpec, "city"), self.part(ResultsSpec, "results")
        self.words(top.get("map"), "map")
        settings = self.settings()
        reader = events.Reader(self.check, self.composition, self.horizon(top.get("run")), self.words)
        rezone = reader.rezone(top.get("rezone"))
        happenings = reader.events(top.get("events"), settings)
        lists = {key: read_records(self.check, kind, top.get(key), key) for key, kind in self.composition.records.items()}
        name, title, description = self.name(), self.text("title"), self.text("description")
        if self.problems or settings is None:
            return None
        parts = {"map": zones, "city": city, "policy": settings.policy, "world": settings.world, "rules": settings.rules}
        named = [found for key, part in {**parts, "rezone": rezone, "events": happenings}.items() for found in named_files(part, key)]
        inputs = self.hashed([*named, *((key, found.file) for key, found in lists.items() if found.file is not None)])
        origins = {dotted(path): (item.file, item.line) for path, item in _numbered(self.tree)}
        return Scenario(
            name, title, description, run, zones, city, settings.policy, settings.world, settings.rules, rezone, happenings, results,
            self.path, *_lists(lists), (), inputs, origins,
        )  # fmt: skip

    def part(self, kind: type[Section], key: str) -> Any:
        """A fixed part of the scenario."""
        item = self.tree.value.get(key)
        return self.check.section(kind, item if item is not None else Item(None, self.tree.file, None), key)

    def name(self) -> str:
        """The scenario's name: safe as a file name on every system."""
        item = self.tree.value.get("name")
        value = self.path.stem if item is None or item.value is None else item.value
        if not isinstance(value, str) or not _is_name(value):
            words = f"name is {shown(value)}; it" if item else f"there is no name, and the file's, {shown(value)}, will not do: it"
            self.problems.append((item or self.tree).problem(f"{words} {_NAME_WORDS}"))
        return str(value)

    def text(self, key: str) -> str:
        """A text without meaning for the run."""
        item = self.tree.value.get(key)
        return "" if item is None or item.value is None else str(self.check.value(item, key, str))

    def run(self, item: Item | None) -> Any:
        """When and how often: dates in order, a sample that is one in a whole number."""
        run = self.part(RunSpec, "run")
        if run is BAD:
            return BAD
        entries: Map = item.value if item is not None and item.value is not None else {}
        before = len(self.problems)

        def place(key: str) -> Item:
            return entries.get(key) or item or self.tree

        if run.start <= EARLIEST:
            self.problems.append(place("start").problem(f"run.start is {run.start}; it must be after {EARLIEST}"))
        if run.end < run.start:
            key = "end" if "end" in entries else "start"
            self.problems.append(place(key).problem(f"run.end is {run.end}; it must not be before run.start, {run.start}"))
        if run.end.year > 2200:
            self.problems.append(place("end").problem(f"run.end is {run.end}; it must be before 2201-01-01"))
        parts = round(1 / run.sample)
        if abs(1 / run.sample - parts) > 1e-4:
            near = f"{1 / parts:.6g} (one in {parts})"
            self.problems.append(place("sample").problem(f"run.sample is {run.sample:g}; it must be 1, 1/2, 1/3 … 1/20; nearest: {near}"))
        return BAD if len(self.problems) > before else run.model_copy(update={"sample": 1 / parts})

    def horizon(self, item: Item | None) -> tuple[date, date] | None:
        """First and last day, if both can be read, whatever else is wrong with the run."""
        silent = Check([])
        entries, days = silent.map(item, "run"), RunSpec()
        start = silent.value(entries["start"], "", date) if "start" in entries else days.start
        end = silent.value(entries["end"], "", date) if "end" in entries else days.end
        return None if BAD in (start, end) or end < start else (start, end)

    def words(self, item: Item | None, path: str) -> None:
        """The planner's words in a map or layer: standard columns on the left, standard land uses on the right."""
        entries = item.value if item is not None and isinstance(item.value, dict) else {}
        columns, uses = entries.get("columns"), entries.get("land_use")
        if columns is not None and isinstance(columns.value, dict):
            self.check.keys(columns.value, f"{path}.columns", STANDARD_COLUMNS)
        for code, use in (uses.value.items() if uses is not None and isinstance(uses.value, dict) else ()):
            if isinstance(use.value, str) and use.value not in LAND_USES:
                self.check.one_of(use, f"{path}.land_use.{code}", LAND_USES)

    def settings(self) -> Settings | None:
        """Policy, world and rule parameters with every default filled in."""
        kinds = {"policy": self.composition.policies, "world": self.composition.worlds}
        parts: dict[str, Names[Any]] = {}
        for key, sections in kinds.items():
            other = "world" if key == "policy" else "policy"
            entries = self.check.map(self.tree.value.get(key), key)
            self.check.keys(entries, key, sections)
            read = {}
            for domain, kind in sections.items():
                elsewhere = kinds[other].get(domain)
                hints = {name: f"; did you mean '{other}.{domain}.{name}'?" for name in (elsewhere.model_fields if elsewhere else ())}
                item = entries.get(domain, Item(None, self.tree.file, None))
                read[domain] = self.check.section(kind, item, f"{key}.{domain}", hints)
            parts[key] = Names(read)
        entries = self.check.map(self.tree.value.get("rules"), "rules")
        self.check.keys(entries, "rules", self.composition.rules)
        rules = {name: self.check.rule(params, entries.get(name), f"rules.{name}") for name, params in self.composition.rules.items()}
        if any(value is BAD for part in parts.values() for value in part.values()) or any(BAD in r.values() for r in rules.values()):
            return None
        return Settings(parts["policy"], parts["world"], Names({name: Names(values) for name, values in rules.items()}))

    def hashed(self, named: list[tuple[str, Path]]) -> tuple[InputFile, ...]:
        """The named files with the hashes of their contents."""
        found = []
        for key, file in named:
            try:
                found.append(InputFile(key, file, content_hash(file)))
            except OSError as error:
                self.problems.append(Problem(f"{key}: the file {file.as_posix()} cannot be read: {error.strerror}"))
        return tuple(found)


def _lists(found: Mapping[str, Records]) -> tuple[Names[tuple[Section, ...]], dict[str, tuple[Place, ...]]]:
    """The entries of the lists, and where they were written."""
    return Names({key: records.entries for key, records in found.items()}), {key: records.places for key, records in found.items()}


def _numbered(item: Item, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Item]]:
    """Every value with its path, the entries of lists by number."""
    if isinstance(item.value, dict):
        return [found for key, child in item.value.items() for found in _numbered(child, (*path, key))]
    if isinstance(item.value, list):
        entries = [((*path, str(i)), child) for i, child in enumerate(item.value) if isinstance(child.value, dict)]
        return [(path, item), *entries] + [found for i, child in enumerate(item.value) for found in _numbered(child, (*path, str(i)))]
    return [(path, item)]


def content_hash(path: Path) -> str:
    """SHA-256 of a file's content; of a Shapefile or a geodatabase folder, of all its parts."""
    digest = hashlib.sha256()
    if path.is_dir():
        parts = sorted(part for part in path.rglob("*") if part.is_file() and part.suffix != ".lock")
    elif path.suffix.lower() == ".shp":
        parts = sorted(part for part in path.parent.iterdir() if part.stem == path.stem and part.suffix.lower() in _SHAPEFILE)
    else:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    for part in parts:
        digest.update(f"{part.suffix.lower() if path.is_file() else part.relative_to(path).as_posix()}\0".encode())
        digest.update(hashlib.sha256(part.read_bytes()).digest())
    return digest.hexdigest()
