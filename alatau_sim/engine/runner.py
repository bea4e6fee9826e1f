"""Plan items that run: a rule's kernel over the rows of its table, and the columns that refresh derives."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any, NoReturn

import numpy as np

from alatau_sim.engine.binding import Source
from alatau_sim.engine.kernel import Kernel
from alatau_sim.engine.randomness import hash_array, order_within, stream_key, uniform
from alatau_sim.engine.rule import Derived, Mirror, Relation
from alatau_sim.engine.source import draw_number
from alatau_sim.engine.sums import group_bits, group_extremes, group_sums
from alatau_sim.engine.tables import Table
from alatau_sim.errors import RunError

_BLOCK = 32_768
ALL_PAIRS = 2**64 - 1


class KernelRunner:
    """Runs one kernel over all rows, in blocks on threads when compiled."""

    def __init__(self, kernel: Kernel, mode: str) -> None:
        self.kernel, self.rule = kernel, kernel.rule
        self.loop = kernel.compiled() if mode in ("compiled", "both") else kernel.plain()
        self.plain = kernel.plain() if mode == "both" else None
        self.sources = {source.argument: source for source in kernel.sources}

    def key(self, sim: Any) -> int:
        """The day's key of the rule's draws; a taste that lasts belongs to the chooser, as the starting people do, and not to luck."""
        if self.rule.kind == "choice" and not self.rule.fresh:
            return stream_key(sim.seed, sim.population, f"rule/{self.rule.name}", -1)
        return stream_key(sim.seed, sim.replicate, f"rule/{self.rule.name}", sim.clock.day)

    def arguments(self, sim: Any, *, plain: bool = False) -> list[Any]:
        """What the loop takes after (lo, hi, key), in order; numbers are plain Python numbers."""
        return [self._argument(sim, name, plain) for name, _ in self.kernel.arguments]

    def _argument(self, sim: Any, name: str, plain: bool) -> Any:
        rule, table = self.rule, sim.tables[self.rule.of]
        if name == "ids":
            return table.id
        if name == "alternative_ids":
            return sim.tables[rule.over].id
        if name == "limit":
            limit = sample_limit(rule.sample, sim.tables[rule.over].n)
            return limit if plain else np.uint64(limit)
        if name == "grid":
            return sim.grids[rule.into]
        if name == "weight":
            return sim.weight
        if name.startswith("own_"):
            return table[name[4:]]
        if name.startswith("rows_"):
            return sim.tables[name[5:]].n
        if name.startswith("alternative_"):
            return sim.tables[rule.over][name[12:]]
        if name.startswith("param_"):
            return sim.rule_params[rule.name][name[6:]]
        source = self.sources.get(name)
        if source is not None:
            return scalar_of(sim, source)
        if name.startswith("hourly_"):
            return np.broadcast_to(np.asarray(sim.city[name[7:]], np.float64), 24).copy()
        path = next(s.path for s in self.kernel.sources if s.kind == "hop" and name == f"hop_{s.path[1]}_{s.path[2]}")
        return sim.tables[path[1]][path[2]]

    def run(self, sim: Any) -> None:
        """Run the rule for every row of its table."""
        n = sim.tables[self.rule.of].n
        given = self.arguments(sim)
        if self.plain is not None:
            self._run_both(sim, n, given)
            return
        try:
            self._check(sim, self._blocks(sim, n, given))
        except ZeroDivisionError:
            raise RunError(f"rule {self.rule.name!r} on {sim.clock.date}: division by zero for {self._divides_by_zero(sim, n)}") from None

    def _divides_by_zero(self, sim: Any, n: int) -> str:
        """The first row for which the Python function divides by zero, and what it sees."""
        for row in range(n):
            try:
                self.explain(sim, row)
            except ZeroDivisionError:
                return f"{self.rule.of} {sim.tables[self.rule.of].id[row]}"
        return f"one of the {self.rule.of}"

    def _blocks(self, sim: Any, n: int, given: list[Any]) -> int:
        if isinstance(self.loop, FunctionType):
            return int(self.loop(0, n, self.key(sim), *given))
        key = np.uint64(self.key(sim))
        if sim.pool is None or n < 2 * _BLOCK:
            return int(self.loop(0, n, key, *given))
        blocks = sim.threads
        edges = [n * b // blocks for b in range(blocks + 1)]
        at = next((k for k, (name, _) in enumerate(self.kernel.arguments) if name == "grid"), None)
        jobs, parts = [], []
        for lo, hi in zip(edges, edges[1:], strict=False):
            mine = list(given)
            if at is not None:
                mine[at] = np.zeros_like(given[at])
                parts.append(mine[at])
            jobs.append(sim.pool.submit(self.loop, lo, hi, key, *mine))
        bad = [int(job.result()) for job in jobs]
        for part in parts:
            sim.grids[self.rule.into] += part
        return min((row for row in bad if row >= 0), default=-1)

    def _run_both(self, sim: Any, n: int, given: list[Any]) -> None:
        names = [name for name, _ in self.kernel.arguments]
        written = [f"own_{name}" for name in self.rule.writes] + (["grid"] if self.rule.into else [])
        copies = {name: given[names.index(name)].copy() for name in written}
        assert self.plain is not None
        plain_given = [copies.get(name, value) for name, value in zip(names, self.arguments(sim, plain=True), strict=True)]
        self._check(sim, int(self.plain(0, n, self.key(sim), *plain_given)))
        self._check(sim, self._blocks(sim, n, given))
        for name, copy in copies.items():
            if not np.array_equal(copy, given[names.index(name)]):
                row = int(np.flatnonzero((copy != given[names.index(name)]).reshape(len(copy), -1).any(axis=1))[0])
                raise RunError(f"rule {self.rule.name!r}: compiled and plain differ in {name.removeprefix('own_')} at row {row}")

    def _check(self, sim: Any, row: int) -> None:
        if row >= 0:
            self.refuse(sim, row)

    def refuse(self, sim: Any, row: int) -> NoReturn:
        """Stop the run because of what the rule decided in one row: RunError with what it saw and what the column holds."""
        seen, decided = self.explain(sim, row)
        given = ", ".join(f"{name}={value}" for name, value in seen.items())
        what = ", ".join(self.rule.writes) or self.rule.into or self.rule.over
        allowed = [sim.schema.columns[self.rule.of][name] for name in self.rule.writes] if self.rule.kind == "rule" else []
        limits = "; ".join(f"{c.name} holds {c.dtype}{f' within {c.within[0]:g} … {c.within[1]:g}' if c.within else ''}" for c in allowed)
        raise RunError(f"rule {self.rule.name!r} on {sim.clock.date}: {self.rule.of} {sim.tables[self.rule.of].id[row]} got {decided} "
                       f"for {what}{'; ' + limits if limits else ''} (it saw {given})")

    def explain(self, sim: Any, row: int) -> tuple[dict[str, Any], Any]:
        """(what the rule sees in one row, by argument; what the Python function decides for it now)."""
        table = sim.tables[self.rule.of]
        seen: dict[str, Any] = {}
        for argument in inspect.signature(self.rule.fn).parameters:
            if argument in self.rule.params:
                continue
            if argument in self.rule.draws:
                seen[argument] = uniform(self.key(sim), int(table.id[row]), draw_number(argument))
            else:
                seen[argument] = value_in_row(sim, table, self.sources[argument], row)
        if self.rule.kind == "choice" or any(source.kind == "hour" for source in self.kernel.sources):
            return {name: value for name, value in seen.items() if value is not None}, None
        return seen, self.rule.fn(*seen.values(), **sim.rule_params[self.rule.name])


def sample_limit(sample: int, alternatives: int) -> int:
    """The share of pairs that are looked at, as a limit on a 64-bit word: a power of two, so that one more alternative seldom moves it."""
    doublings = 0
    while alternatives >> (doublings + 1) >= sample:
        doublings += 1
    return ALL_PAIRS >> doublings


def scalar_of(sim: Any, source: Source) -> Any:
    """A policy, world or city value as a Python number."""
    if source.kind in ("policy", "world"):
        return getattr(getattr(getattr(sim, source.kind), source.path[0]), source.path[1])
    value = np.asarray(sim.city[source.path[0]])
    if value.ndim:
        raise RunError(f"city:{source.path[0]} has {value.size} values; read it in a tally with an argument 'hour'")
    return float(value)


def value_in_row(sim: Any, own: Table, source: Source, row: int) -> Any:
    """One argument's value in one row, as a Python number; None where it changes within the row (alternatives, hours)."""
    if source.kind == "own":
        return own[source.path[1]][row].item()
    if source.kind == "hop":
        index, table, column = source.path
        at = own[index][row]
        assert source.column is not None
        missing = source.column.default if source.column.missing is None else source.column.missing
        return sim.tables[table][column][at].item() if at >= 0 else missing
    if source.kind in ("alternative", "hour") or (source.kind == "city" and np.ndim(sim.city[source.path[0]])):
        return None
    return scalar_of(sim, source)


def run_mirror(mirror: Mirror, sim: Any) -> None:
    """Let a column follow the row that it points to; −1 (for index columns) or the default where there is none."""
    table = sim.tables[mirror.table]
    by, column = table[mirror.by], table.columns[mirror.name]
    source = sim.tables[table.columns[mirror.by].index][mirror.column]
    there = by >= 0
    table[mirror.name][:] = np.where(there, source[np.where(there, by, 0)] if len(source) else 0, -1 if column.index else column.default)


def run_relation(relation: Relation, sim: Any) -> None:
    """Rebuild a relation's rings where rows or groups have changed."""
    table = sim.tables[relation.table]
    group = table[relation.within]
    version, before = sim.relation_state.get(relation.name, (-1, None))
    if version == table.version and np.array_equal(before, group):
        return
    neighbours = np.full((table.n, relation.degree), -1, np.int32)
    members = np.flatnonzero(group >= 0)
    key = stream_key(sim.seed, 0, f"relation/{relation.name}", -1)
    for slot in range(relation.degree):
        order = members[order_within(group[members], hash_array(key, table.id[members], slot))]
        following = np.roll(order, -1)
        first = np.ones(len(order), bool)
        first[1:] = group[order][1:] != group[order][:-1]
        last = np.roll(first, -1)
        following[last] = order[first]
        neighbours[order, slot] = np.where(following == order, -1, following)
    sim.relations[relation.name] = neighbours
    sim.relation_state[relation.name] = (table.version, group.copy())


def run_derived(derived: Derived, sim: Any) -> None:
    """Compute a derived column."""
    source, target = sim.tables[derived.of], sim.tables[derived.table]
    by = sim.relations[derived.by] if derived.by in sim.relations else source[derived.by]
    take = source[derived.where] if derived.where else np.ones(source.n, bool)
    out = target[derived.name]
    if derived.how == "count":
        take = take & (source[derived.column] == derived.equals) if derived.equals is not None else take
        values: Any = np.ones(source.n, np.int64)
    else:
        values = source[derived.column] if derived.equals is None else source[derived.column] == derived.equals
    if derived.how == "any":
        values = values != 0
    if derived.how in ("min", "max"):
        out[:] = group_extremes(values, by, target.n, take, 1 if derived.how == "max" else -1, derived.empty)
        return
    if derived.how == "bits":
        out[:] = group_bits(values, by, target.n, take)
        return
    quantum = 1.0
    if values.dtype.kind == "f":
        quantum = derived.quantum
        values = np.rint(values.astype(np.float64) / quantum)
        if len(values) and np.abs(values).sum() >= 2.0**62:
            raise RunError(f"derived column {derived.table}.{derived.name}: the sum of {derived.column} in units of {quantum:g} is too "
                           "large for whole numbers; declare a larger quantum")
    total, count = group_sums(values.astype(np.int64), by, target.n, take)
    if derived.how == "any":
        out[:] = total > 0
    elif derived.how == "count":
        out[:] = count
    elif derived.how == "sum":
        out[:] = total if quantum == 1.0 else total * quantum
    else:
        out[:] = np.where(count > 0, total * quantum / np.maximum(count, 1), derived.empty)


