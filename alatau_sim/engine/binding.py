"""From a rule's argument names to where each value comes from: own column, a hop, the city, policy, world, or a draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from alatau_sim.engine.grids import Grid
from alatau_sim.engine.rule import Rule
from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.fields import Column, Param, Section

Kind = Literal["own", "hop", "alternative", "city", "policy", "world", "draw", "hour", "param"]


@dataclass(frozen=True)
class Schema:
    """Everything that a rule's argument may name."""

    columns: Mapping[str, Mapping[str, Column]]
    grids: Mapping[str, Grid]
    city: Mapping[str, str]
    policy: Mapping[str, type[Section]]
    world: Mapping[str, type[Section]]


@dataclass(frozen=True)
class Source:
    """Where one argument comes from. `path` is (table, column), (index, table, column), (domain, name) or (name,)."""

    argument: str
    kind: Kind
    path: tuple[str, ...]
    type: Literal["int", "float", "bool"]
    column: Column | None = None

    @property
    def reads(self) -> str:
        """The source in the plan's words (`zones.rent_kzt by home`)."""
        if self.kind == "own" or self.kind == "alternative":
            return ".".join(self.path)
        if self.kind == "hop":
            return f"{self.path[1]}.{self.path[2]}"
        return f"{self.kind}:{'.'.join(self.path)}"


def type_of(column: Column) -> Literal["int", "float", "bool"]:
    """The scalar type that a column's values are computed in."""
    return "bool" if column.dtype == "bool" else "float" if column.dtype.startswith("float") else "int"


def _type_of_param(declared: Param, where: str) -> Literal["int", "float", "bool"]:
    if isinstance(declared.default, bool):
        return "bool"
    if isinstance(declared.default, int | float):
        return "float" if isinstance(declared.default, float) else "int"
    raise InputError(f"{where} is a {type(declared.default).__name__}; rules read numbers and true or false")


def _setting(rule: Rule, argument: str, kind: Literal["policy", "world"], sections: Mapping[str, type[Section]]) -> Source:
    """`policy_<name>` of the rule's own domain, or `policy_<domain>_<name>`."""
    name = argument[len(kind) + 1 :]
    found = [(d, n) for d, s in sections.items() for n in s.params() if name == f"{d}_{n}" or (d == rule.domain and name == n)]
    if len(found) > 1:
        raise InputError(f"rule {rule.name!r}: {argument!r} can be {' or '.join(f'{kind}.{d}.{n}' for d, n in found)}; rename one")
    if not found:
        known = [f"{kind}_{d}_{n}" for d, s in sections.items() for n in s.params()]
        known += [f"{kind}_{n}" for n in (sections[rule.domain].params() if rule.domain in sections else ())]
        raise InputError(f"rule {rule.name!r} asks for {argument!r}; there is no such {kind} value{did_you_mean(argument, known)}")
    domain, field = found[0]
    return Source(argument, kind, (domain, field), _type_of_param(sections[domain].params()[field], f"{kind}.{domain}.{field}"))


def _hops(columns: Mapping[str, Mapping[str, Column]], table: str, argument: str) -> list[tuple[str, str, str]]:
    """Every reading of `<index>_<column>` from a table."""
    found = []
    for index, column in columns[table].items():
        if column.index and argument.startswith(index + "_") and argument[len(index) + 1 :] in columns[column.index]:
            found.append((index, column.index, argument[len(index) + 1 :]))
    return found


def _column_source(rule: Rule, argument: str, schema: Schema) -> Source:
    own = schema.columns[rule.of]
    if argument in own:
        return Source(argument, "own", (rule.of, argument), type_of(own[argument]), own[argument])
    found = _hops(schema.columns, rule.of, argument)
    if len(found) > 1:
        readings = " or ".join(f"{table}.{column} by {index}" for index, table, column in found)
        raise InputError(f"rule {rule.name!r}: {argument!r} can be {readings}; rename one")
    if found:
        index, table, name = found[0]
        if table == rule.of and name in rule.writes:
            raise InputError(f"rule {rule.name!r} reads {argument!r} of other {rule.of} through {index!r} and writes {name!r}: the order "
                             "of the rows would matter; read a derived column instead")
        column = schema.columns[table][name]
        return Source(argument, "hop", found[0], type_of(column), column)
    known = [*own, *(f"{i}_{c}" for i, column in own.items() if column.index for c in schema.columns[column.index])]
    known += [f"city_{name}" for name in schema.city]
    raise InputError(f"rule {rule.name!r} asks for {argument!r}; {rule.of} have no such column{did_you_mean(argument, known)}")


def source_of(rule: Rule, argument: str, schema: Schema) -> Source:
    """Where one positional argument of a rule comes from; InputError names the rule, the argument and the nearest known name."""
    if argument in schema.columns[rule.of]:
        return _column_source(rule, argument, schema)
    if argument == "hour" and rule.kind == "tally":
        return Source(argument, "hour", (), "int")
    if argument.startswith("alternative_") and rule.kind == "choice":
        name, over = argument.removeprefix("alternative_"), schema.columns[rule.over]
        if name not in over:
            raise InputError(f"rule {rule.name!r} asks for {argument!r}; {rule.over} have no column {name!r}{did_you_mean(name, over)}")
        if rule.over == rule.of and name in rule.writes:
            raise InputError(f"rule {rule.name!r} reads {argument!r}, which it writes in others: the order of the rows would matter")
        return Source(argument, "alternative", (rule.over, name), type_of(over[name]), over[name])
    if argument.startswith("city_"):
        name = argument.removeprefix("city_")
        if name not in schema.city:
            raise InputError(f"rule {rule.name!r} asks for {argument!r}; no domain sets it{did_you_mean(name, schema.city)}")
        return Source(argument, "city", (name,), "float")
    if argument.startswith("policy_"):
        return _setting(rule, argument, "policy", schema.policy)
    if argument.startswith("world_"):
        return _setting(rule, argument, "world", schema.world)
    return _column_source(rule, argument, schema)


def bind(rule: Rule, schema: Schema) -> tuple[Source, ...]:
    """The sources of a rule's inputs, in order, after checking its tables, columns and grid."""
    for role, table in (("of", rule.of), ("over", rule.over)):
        if table and table not in schema.columns:
            raise InputError(f"rule {rule.name!r}: {role}={table!r} is no table{did_you_mean(table, schema.columns)}")
    own = schema.columns[rule.of]
    for name in (*rule.writes, *rule.cell, *((rule.when,) if rule.when else ())):
        if name not in own:
            raise InputError(f"rule {rule.name!r}: {rule.of} have no column {name!r}{did_you_mean(name, own)}")
    if rule.into and rule.into not in schema.grids:
        raise InputError(f"rule {rule.name!r}: into={rule.into!r} is no grid{did_you_mean(rule.into, schema.grids)}")
    if rule.kind == "choice" and own[rule.writes[0]].index != rule.over:
        raise InputError(f"rule {rule.name!r}: {rule.of}.{rule.writes[0]} must be an index column into {rule.over!r}")
    return tuple(source_of(rule, argument, schema) for argument in rule.inputs)
