"""The plan: every item of the day in its phase, with cadence, reads and writes; one writer a column and phase; printable."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alatau_sim.engine.binding import Schema
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.kernel import build
from alatau_sim.engine.rule import PHASES, Derived, Mirror, Relation, Rule
from alatau_sim.engine.runner import KernelRunner, run_derived, run_mirror, run_relation
from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.fields import Column

CLOSING = ("settle", "account", "check", "record")
OPENING = ("events", "life", "refresh", "decide", "tally")
_AT_START_OF_PERIOD = (*OPENING, "settle")


@dataclass(frozen=True)
class Item:
    """One step of the day. `run` takes the running simulation; `stale` says of a computed column that it must be made before it is due."""

    phase: str
    name: str
    kind: str
    domain: str
    every: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    run: Callable[[Any], None]
    runner: KernelRunner | None = None
    stale: Callable[[Any], bool] | None = None

    def due(self, clock: Any) -> bool:
        """Whether the item runs on the clock's day.

        What opens a day, and what settles it, runs on the first day of its period; accounts, checks and records on the last.
        """
        return bool(clock.starts(self.every) if self.phase in _AT_START_OF_PERIOD else clock.ends(self.every))


def derived_column(derived: Derived, source: Column | None) -> Column:
    """The column that a derived value is stored in: shares, means and float sums as float64, counts and sums as int64."""
    integer = source is None or not source.dtype.startswith("float")
    if derived.how in ("mean", "share") or (derived.how == "sum" and not integer):
        dtype = "float64"
    elif derived.how == "any":
        dtype = "bool"
    elif derived.how in ("min", "max"):
        assert source is not None
        dtype = source.dtype
    else:
        dtype = "int64"
    default = derived.empty if dtype == "float64" else 0
    return Column(derived.name, dtype, derived.unit, derived.meaning, default)  # type: ignore[arg-type]


def compose_schema(domains: Sequence[Domain], base: Iterable[tuple[str, tuple[Column, ...]]] = ()) -> Schema:
    """The columns, grids, city values and sections of a list of domains; a column declared twice is an error that names both."""
    columns: dict[str, dict[str, Column]] = {}
    owner: dict[tuple[str, str], str] = {}

    def add(table: str, column: Column, who: str) -> None:
        if (table, column.name) in owner:
            raise InputError(f"column {table}.{column.name} is declared by {owner[table, column.name]} and by {who}")
        owner[table, column.name] = who
        columns.setdefault(table, {})[column.name] = column

    for table, specs in base:
        columns.setdefault(table, {})
        for column in specs:
            add(table, column, "the model")
    for domain in domains:
        for table, specs in domain.columns.items():
            columns.setdefault(table, {})
            for column in specs:
                add(table, column, domain.name)
    for domain in domains:
        for mirror in domain.mirrors:
            target = columns[columns[mirror.table][mirror.by].index or ""][mirror.column]
            add(mirror.table, replace(target, name=mirror.name), domain.name)
    for domain in domains:
        for derived in domain.derived:
            what = f"derived column {derived.table}.{derived.name}"
            for table in (derived.table, derived.of):
                if table not in columns:
                    raise InputError(f"{what}: there is no table {table!r}{did_you_mean(table, columns)}")
            source = columns[derived.of].get(derived.column)
            if source is None and derived.how != "count":
                hint = did_you_mean(derived.column, columns[derived.of])
                raise InputError(f"{what}: {derived.of} have no column {derived.column!r}{hint}")
            add(derived.table, derived_column(derived, source), domain.name)
    for table, specs_ in columns.items():
        for column in specs_.values():
            if column.index and column.index not in columns:
                hint = did_you_mean(column.index, columns)
                raise InputError(f"column {table}.{column.name} points to {column.index!r}, which is no table{hint}")
    return Schema(
        columns=columns,
        grids=_named(domains, "grid", lambda domain: {grid.name: grid for grid in domain.grids}),
        city=_named(domains, "city value", lambda domain: domain.city),
        policy={domain.name: domain.policy for domain in domains if domain.policy is not None},
        world={domain.name: domain.world for domain in domains if domain.world is not None},
    )


def _named(domains: Sequence[Domain], what: str, of: Callable[[Domain], Mapping[str, Any]]) -> dict[str, Any]:
    """The named things of all domains; one declared twice is an error that names both domains."""
    found: dict[str, Any] = {}
    owner: dict[str, str] = {}
    for domain in domains:
        for name, thing in of(domain).items():
            if name in owner:
                raise InputError(f"{what} {name!r} is declared by {owner[name]} and by {domain.name}")
            owner[name], found[name] = domain.name, thing
    return found


def _once(rules: Sequence[Rule], domain: str) -> dict[str, Rule]:
    """The rules of a domain by name; two of one name would share their draws and parameters."""
    names = [rule.name for rule in rules]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"domain {domain!r} has two rules called {twice!r}")
    return {rule.name: rule for rule in rules}


def build_plan(domains: Sequence[Domain], schema: Schema, mode: str) -> tuple[Item, ...]:
    """All items in the order in which a day runs them: closing phases first, then opening ones."""
    items: list[Item] = []
    _named(domains, "rule", lambda domain: _once(domain.rules, domain.name))
    for domain in domains:
        items += [_rule_item(replace(rule, domain=domain.name), schema, mode) for rule in domain.rules]
        items += [
            Item(s.phase, s.name, "settlement", domain.name, s.every, s.reads, s.writes, s.fn) for s in domain.settlements
        ]
    for domain in domains:
        items += [_mirror_item(mirror, domain.name) for mirror in domain.mirrors]
    for domain in domains:
        items += [_relation_item(relation, domain.name) for relation in domain.relations]
    for domain in domains:
        items += [_derived_item(derived, domain.name) for derived in domain.derived]
    refreshed = {"mirror": 0, "relation": 1, "derived": 2}
    items.sort(key=lambda item: (PHASES.index(item.phase), refreshed.get(item.kind, 3)))
    _check_writers(items)
    return tuple(items)


def _rule_item(rule: Rule, schema: Schema, mode: str) -> Item:
    try:
        kernel = build(rule, schema)
        runner = KernelRunner(kernel, mode)
    except InputError as error:
        place = f"{inspect.getsourcefile(rule.fn)}:{rule.fn.__code__.co_firstlineno}: "
        raise InputError(f"{'' if '.py:' in str(error) else place}{error}") from None
    reads = tuple(dict.fromkeys([source.reads for source in kernel.sources if source.kind not in ("hour",)]))
    writes = (f"grid:{rule.into}",) if rule.into else tuple(f"{rule.of}.{name}" for name in rule.writes)
    return Item(rule.phase, rule.name, rule.kind, rule.domain, rule.every, reads, writes, runner.run, runner)


def _mirror_item(mirror: Mirror, domain: str) -> Item:
    reads, writes = (f"{mirror.table}.{mirror.by}",), (f"{mirror.table}.{mirror.name}",)
    run, stale = _until_rows_change((mirror.table,), lambda sim: run_mirror(mirror, sim))
    return Item("refresh", mirror.name, "mirror", domain, mirror.every, reads, writes, run, stale=stale)


def _relation_item(relation: Relation, domain: str) -> Item:
    reads = (f"{relation.table}.{relation.within}",)
    writes = (f"relation:{relation.name}",)
    return Item("refresh", relation.name, "relation", domain, "1 day", reads, writes, lambda sim: run_relation(relation, sim))


def _derived_item(derived: Derived, domain: str) -> Item:
    reads = (f"{derived.of}.{derived.column or derived.by}",)
    writes = (f"{derived.table}.{derived.name}",)
    run, stale = _until_rows_change((derived.table, derived.of), lambda sim: run_derived(derived, sim))
    return Item(derived.phase, derived.name, "derived", domain, derived.every, reads, writes, run, stale=stale)


def _until_rows_change(tables: Sequence[str], compute: Callable[[Any], None]) -> tuple[Callable[[Any], None], Callable[[Any], bool]]:
    """(how to compute a column of these tables, whether rows have come or gone since): new rows must not wait till it is due."""
    seen: list[int] = []

    def versions(sim: Any) -> list[int]:
        return [sim.tables[name].version for name in tables]

    def run(sim: Any) -> None:
        compute(sim)
        seen[:] = versions(sim)

    return run, lambda sim: seen != versions(sim)


def _check_writers(items: Iterable[Item]) -> None:
    """Refuse two writers of one column or city value in one phase, naming both.

    Grids, structure (a table's name) and accounts may be added to by several; so may a column whose writers all say `+` (they add).
    """
    writers: dict[tuple[str, str], tuple[Item, bool]] = {}
    for item in items:
        for written in item.writes:
            adds, name = written.startswith("+"), written.removeprefix("+")
            if name.startswith(("grid:", "account:", "relation:")) or ("." not in name and not name.startswith("city:")):
                continue
            before, added = writers.setdefault((item.phase, name), (item, adds))
            if before is not item and not (adds and added):
                raise InputError(f"{name} has two writers in phase {item.phase!r}: {before.kind} {before.name!r} of {before.domain} and "
                                 f"{item.kind} {item.name!r} of {item.domain}; each state has one")


def plan_rows(items: Iterable[Item]) -> list[tuple[str, ...]]:
    """The plan as rows of (phase, item, kind, domain, cadence, reads, writes), in the order of a day."""
    return [
        (item.phase, item.name, item.kind, item.domain, item.every, ", ".join(item.reads), ", ".join(item.writes)) for item in items
    ]


