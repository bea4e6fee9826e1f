"""The cases of a sweep: all combinations of given values, points spread over ranges, or the rows of a CSV file.

Points are drawn by scipy.stats.qmc from the seed of the sweep: a Latin hypercube (McKay, Beckman and Conover, 1979), or a scrambled Sobol
sequence (Owen, 1998), of which a longer one begins with the shorter.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alatau_sim.engine.domain import Composition
from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems
from alatau_sim.fields import Param
from alatau_sim.scenario.check import BAD, Check
from alatau_sim.scenario.events import target_value
from alatau_sim.scenario.specs import Scenario
from alatau_sim.scenario.yamltree import Item, dotted, leaves, near_files, read_text

NEEDS = {
    "grid": ("values",), "latin hypercube": ("ranges", "samples"), "sobol": ("ranges", "samples"), "file": ("file",),
}  # fmt: skip
"""The kinds of sweep, and what each must say."""

MOST_CASES = 100_000
DECLARED = "declared"
IGNORED = ("case", "note", "source")
"""Columns of a file of cases that set nothing."""

_COUNT = Param(1, within=(1, MOST_CASES))
_SEED = Param(1, within=(0, 999_999_999))


@dataclass(frozen=True)
class Axis:
    """One swept key: where it was written, and its values, or its range (`bounds`; None: as declared)."""

    key: str
    item: Item
    values: tuple[Item, ...] = ()
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Span:
    """What a key may be between probability 0 and 1: a range, or the declared spread around the scenario's value."""

    key: str
    declared: Param
    value: float
    bounds: tuple[float, float] | None = None

    def at(self, p: float) -> float | int:
        """The value at probability p (0 < p < 1), within what is allowed; whole numbers stay whole."""
        if self.bounds is None:
            return self.declared.clip(self.declared.spread.quantile(min(max(p, 1e-9), 1 - 1e-9), self.value))
        low, high = self.bounds
        return self.declared.clip(low + p * (high - low))


@dataclass(frozen=True)
class Sweep:
    """A sweep as it was written. `rows` are those of a file; `samples` and `seed` belong to points."""

    kind: str
    axes: tuple[Axis, ...]
    samples: int = 0
    seed: int = 1
    rows: tuple[tuple[Item, ...], ...] = ()

    def cases(self, base: Scenario, composition: Composition) -> Iterator[tuple[int, dict[str, Any]]]:
        """The number and the values of each case over a scenario; `InputError` lists keys that are no lever and values out of range."""
        problems: list[Problem] = []
        check = Check(problems)
        if self.kind in ("grid", "file"):
            rows = self.rows if self.kind == "file" else itertools.product(*(axis.values for axis in self.axes))
            found = _checked(check, self.axes, rows, composition)
        else:
            spans = [span for axis in self.axes if (span := span_of(check, axis, base, composition)) is not None]
            found = [] if problems else [
                {span.key: span.at(p) for span, p in zip(spans, point, strict=True)}
                for point in points(self.kind, len(spans), self.samples, self.seed)
            ]  # fmt: skip
        raise_problems(replace(one, message=one.message.replace("events set only", "a sweep varies only")) for one in problems)
        yield from enumerate(found, start=1)


def _checked(check: Check, axes: Sequence[Axis], rows: Any, composition: Composition) -> list[dict[str, Any]]:
    """The values of each row as their keys want them; each written value is looked at once, and an unknown key told once."""
    unknown = [axis for axis in axes if not _is_key(composition, axis.key)]
    for axis in unknown:
        target_value(check, composition, tuple(axis.key.split(".")), axis.item)
    if unknown:
        return []
    seen: dict[tuple[str, int], Any] = {}
    found = []
    for row in rows:
        for axis, item in zip(axes, row, strict=True):
            if (axis.key, id(item)) not in seen:
                seen[axis.key, id(item)] = target_value(check, composition, tuple(axis.key.split(".")), item)
        found.append({axis.key: seen[axis.key, id(item)] for axis, item in zip(axes, row, strict=True)})
    return found


def points(kind: str, dimensions: int, samples: int, seed: int) -> list[list[float]]:
    """Points of the unit cube."""
    from scipy.stats import qmc

    if kind == "sobol":
        return qmc.Sobol(dimensions, rng=seed).random_base2((samples - 1).bit_length())[:samples].tolist()
    return qmc.LatinHypercube(dimensions, rng=seed).random(samples).tolist()


def span_of(check: Check, axis: Axis, base: Scenario, composition: Composition) -> Span | None:
    """What a swept key may be over a scenario, or None when that is a problem."""
    path = tuple(axis.key.split("."))
    before = len(check.problems)
    declared = declared_at(composition, path)
    if declared is None:
        target_value(check, composition, path, axis.item)  # tells why
        if len(check.problems) == before:
            check.problems.append(axis.item.problem(f"{axis.key} has no declared range; sweep it by a grid of values"))
        return None
    value = _value_at(base, path)
    if isinstance(value, bool) or not isinstance(value, int | float):
        check.problems.append(axis.item.problem(f"{axis.key} is no number; sweep it by a grid of values"))
        return None
    if axis.bounds is None:
        return _declared_span(check, axis, declared, value)
    for bound in axis.bounds:
        target_value(check, composition, path, replace(axis.item, value=round(bound) if isinstance(declared.default, int) else bound))
    return Span(axis.key, declared, value, axis.bounds) if len(check.problems) == before else None


def _declared_span(check: Check, axis: Axis, declared: Param, value: float) -> Span | None:
    spread, around = declared.spread, replace(declared, default=value)
    if spread.kind == "uniform":
        return Span(axis.key, around, value, (spread.a, spread.b))
    if spread.kind == "triangular" and not spread.a <= value <= spread.b:
        return Span(axis.key, around, value, (min(spread.a, value), max(spread.b, value)))
    if spread.kind != "fixed":
        return Span(axis.key, around, value)
    if declared.within is None:
        check.problems.append(axis.item.problem(f"{axis.key} declares neither a spread nor a range; give [low, high]"))
        return None
    return Span(axis.key, around, value, declared.within)


def declared_at(composition: Composition, path: tuple[str, ...]) -> Param | None:
    """The declaration of a key of policy, world or rules, or None where there is none."""
    if len(path) != 3:
        return None
    part, name, key = path
    if part == "rules":
        return composition.rules.get(name, {}).get(key)
    section = {"policy": composition.policies, "world": composition.worlds}.get(part, {}).get(name)
    return None if section is None else section.params().get(key)


def _is_key(composition: Composition, key: str) -> bool:
    part, _, rest = key.partition(".")
    name, _, last = rest.partition(".")
    if part == "rules":
        return last in composition.rules.get(name, {})
    section = {"policy": composition.policies, "world": composition.worlds}.get(part, {}).get(name)
    return section is not None and last in section.model_fields


def _value_at(base: Scenario, path: tuple[str, ...]) -> Any:
    part, name, key = path
    section = getattr(base, part)[name]
    return section[key] if part == "rules" else getattr(section, key)


# ---- reading ----


def read_sweep(check: Check, item: Item) -> Sweep | None:
    """The sweep of a study file, or None when a problem was noted."""
    before = len(check.problems)
    entries = check.map(item, "study.sweep")
    kind = check.value(entries["kind"], "study.sweep.kind", str, Param("", one_of=tuple(NEEDS))) if "kind" in entries else BAD
    if "kind" not in entries:
        check.problems.append(item.problem(f"study.sweep.kind is missing: one of {', '.join(NEEDS)}"))
    if kind is BAD:
        return None
    known = ("kind", *NEEDS[kind], *(("seed",) if "samples" in NEEDS[kind] else ()))
    check.keys(entries, "study.sweep", known)
    for key in NEEDS[kind]:
        if key not in entries:
            check.problems.append(item.problem(f"study.sweep.{key} is missing: a {kind} needs it"))
    if len(check.problems) > before:
        return None
    if kind == "file":
        return _of_file(check, entries["file"])
    if kind == "grid":
        return _grid(check, entries["values"])
    samples = check.value(entries["samples"], "study.sweep.samples", int, _COUNT)
    seed = check.value(entries["seed"], "study.sweep.seed", int, _SEED) if "seed" in entries else 1
    axes = _ranges(check, entries["ranges"])
    return None if len(check.problems) > before else Sweep(kind, axes, samples, seed)


def _grid(check: Check, item: Item) -> Sweep | None:
    before = len(check.problems)
    axes, count = [], 1
    for path, child in leaves(item):
        values = check.list(child, f"study.sweep.values.{dotted(path)}")
        if not values and len(check.problems) == before:
            check.problems.append(child.problem(f"study.sweep.values.{dotted(path)} is empty; list its values, such as [1, 2]"))
        axes.append(Axis(dotted(path), child, tuple(values)))
        count *= len(values)
    if not axes or not isinstance(item.value, dict):
        check.problems.append(item.problem("study.sweep.values is empty; name keys with their values, such as {policy.x.y: [1, 2]}"))
    if count > MOST_CASES:
        check.problems.append(item.problem(f"the grid has {count:,} cases; at most {MOST_CASES:,} are run"))
    return None if len(check.problems) > before else Sweep("grid", tuple(axes))


def _ranges(check: Check, item: Item) -> tuple[Axis, ...]:
    """The keys with their ranges: a map to [low, high] or `declared`, or a list of keys whose ranges are declared."""
    if isinstance(item.value, list):
        texts = [entry for entry in item.value if isinstance(entry.value, str) or check.wrong(entry, "study.sweep.ranges", "a key") is None]
        axes = [Axis(str(entry.value), entry) for entry in texts]
    else:
        axes = [_range(check, dotted(path), child) for path, child in leaves(item)] if isinstance(item.value, dict) else []
    if not axes:
        check.problems.append(item.problem("study.sweep.ranges is empty; name keys with [low, high] or 'declared'"))
    for number, axis in enumerate(axes):
        if axis.key in [other.key for other in axes[:number]]:
            check.problems.append(axis.item.problem(f"study.sweep.ranges names {axis.key} twice"))
    return tuple(axes)


def _range(check: Check, key: str, item: Item) -> Axis:
    if item.value == DECLARED or item.value is None:
        return Axis(key, item)
    path = f"study.sweep.ranges.{key}"
    if not isinstance(item.value, list) or len(item.value) != 2:
        check.wrong(item, path, f"[low, high] or {DECLARED}")
        return Axis(key, item)
    low, high = (check.value(entry, path, float) for entry in item.value)
    if BAD not in (low, high) and not low < high:
        check.problems.append(item.problem(f"{path} is [{low:g}, {high:g}]; the first must be the lower"))
    return Axis(key, item, bounds=None if BAD in (low, high) else (low, high))


def _of_file(check: Check, item: Item) -> Sweep | None:
    """A CSV file: a header of dotted keys, then one case a row; a value is read as in a scenario."""
    if not isinstance(item.value, str):
        check.wrong(item, "study.sweep.file", "the name of a CSV file")
        return None
    file = item.folder / item.value
    if not file.is_file():
        message = f"study.sweep.file is {item.value!r}; the file {file.as_posix()} does not exist{near_files(file)}"
        check.problems.append(item.problem(message))
        return None
    try:
        return _rows(check, file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        check.problems.append(Problem(f"cannot be read as UTF-8 CSV ({error})", file.as_posix()))
        return None


def _rows(check: Check, file: Path) -> Sweep | None:
    name, before = file.as_posix(), len(check.problems)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream)
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(cell.strip() for cell in row)]
    head = lines[0][1] if lines else []
    used = [place for place, key in enumerate(head) if key not in IGNORED]
    keys = [head[place] for place in used]
    if not keys or len(lines) < 2:
        check.problems.append(Problem("it has no case; the first line names keys, such as policy.x.y, and each other line is a case", name))
    for key in {key for key in keys if keys.count(key) > 1 or not key}:
        check.problems.append(Problem(f"the column {key!r} stands twice" if key else "a column has no name", name, 1))
    rows = []
    for line, cells in lines[1:]:
        if len(cells) != len(head):
            check.problems.append(Problem(f"has {len(cells)} values, and the first line names {len(head)} columns", name, line))
        else:
            rows.append(tuple(_cell(check, cells[place], name, line) for place in used))
    axes = tuple(Axis(key, Item(None, name, 1)) for key in keys)
    return None if len(check.problems) > before else Sweep("file", axes, rows=tuple(rows))


def _cell(check: Check, text: str, name: str, line: int) -> Item:
    """One value of a file of cases."""
    try:
        item = read_text(text, name, check.problems)
    except InputError:
        return Item(text, name, line)
    return Item(None if item is None else item.value, name, line)


def swept_keys(names: Sequence[str], base: Scenario, composition: Composition, where: str) -> list[Span]:
    """Spans of keys that the command line names; `name*` takes all keys that begin so; `InputError` for those that are none."""
    known = {f"world.{d}.{k}": p for d, kind in composition.worlds.items() for k, p in kind.params().items()}
    known |= {f"rules.{r}.{k}": p for r, params in composition.rules.items() for k, p in params.items()}
    known |= {f"policy.{d}.{k}": p for d, kind in composition.policies.items() for k, p in kind.params().items()}
    problems: list[Problem] = []
    check, found = Check(problems), dict[str, Span]()
    for name in names:
        starts = [name]
        if name.endswith("*"):
            starts = [key for key, p in known.items() if key.startswith(name[:-1]) and p.spread.kind != "fixed"]
        if not starts or (starts == [name] and name not in known):
            problems.append(Problem(f"{name} is not known{did_you_mean(name.rstrip('*'), known)}", where))
            continue
        for key in starts:
            span = span_of(check, Axis(key, Item(DECLARED, where, None)), base, composition)
            if span is not None:
                found[key] = span
    raise_problems(problems)
    return list(found.values())
