"""The scenario format as a JSON Schema (2020-12) for editors: keys, types, ranges, units and meanings from the declarations."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import TypeAdapter

from alatau_sim.city.words import LAND_USES, STANDARD_COLUMNS
from alatau_sim.engine.domain import Composition
from alatau_sim.fields import Param, Section, param_of
from alatau_sim.scenario.events import REZONE
from alatau_sim.scenario.specs import CitySpec, MapSpec, ResultsSpec, RunSpec, values_of

_DAY = r"^\d{4}-\d\d-\d\d$"
_MOMENT = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?$"
_TYPES: Mapping[Any, dict[str, Any]] = {
    bool: {"type": "boolean"}, int: {"type": "integer"}, float: {"type": "number"}, str: {"type": "string"}, Path: {"type": "string"},
    date: {"type": "string", "pattern": _DAY}, tuple[str, ...]: {"type": "array", "items": {"type": "string"}},
}  # fmt: skip
_TEXT = {"type": "string"}
_COLUMNS = {"type": "object", "properties": dict.fromkeys(STANDARD_COLUMNS, _TEXT), "additionalProperties": False}
_USES = {"type": "object", "additionalProperties": {"enum": list(LAND_USES)}}


def json_schema(composition: Composition) -> dict[str, Any]:
    """The schema of a scenario file for the domains of a composition; keys with dots are allowed in every map and not looked into."""
    parts: dict[str, Any] = {
        "run": _section(RunSpec),
        "map": _section(MapSpec, {"columns": _COLUMNS, "land_use": _USES}),
        "city": _section(CitySpec),
        "policy": _map({name: _section(kind) for name, kind in composition.policies.items()}, "levers: what the city can choose"),
        "world": _map({name: _section(kind) for name, kind in composition.worlds.items()}, "uncertainties: what the city cannot choose"),
        "rules": _map(
            {rule: _map({name: _leaf(type(p.default), p) for name, p in params.items()}) for rule, params in composition.rules.items()},
            "parameters of behavioural rules",
        ),
        "rezone": {"type": "array", "items": _rezone(), "description": "changes of zoning, by zones or by a layer of polygons"},
        "events": {"type": "array", "items": _event(composition), "description": "dated changes of values, and outages"},
        "results": _section(ResultsSpec),
        **{key: _records(kind) for key, kind in composition.records.items()},
    }
    title: dict[str, Any] = {"name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,80}$"}, "title": _TEXT, "description": _TEXT}
    block = _map({**title, **parts})
    whole = _map(
        {
            "format": {"const": 1, "description": "version of this format"},
            **title,
            "extends": {"type": "string", "description": "scenario file that this one builds on"},
            "overrides": {"type": "object", "additionalProperties": block, "description": "named blocks of changes to switch on with use"},
            "use": {"type": "array", "items": _TEXT, "description": "names of the overrides that are switched on"},
            **parts,
        }
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Alatau scenario", "required": ["format"], **whole}


def _map(properties: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    """A map with these keys, or dotted ones, or nothing in it yet."""
    found = {"type": ["object", "null"], "properties": dict(properties), "patternProperties": {r"\.": {}}, "additionalProperties": False}
    return {**found, "description": description} if description else found


def _section(kind: type[Section], instead: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The schema of a declared section; `instead` gives the schemas of some keys."""
    leaves = {name: _leaf(info.annotation, param_of(info)) for name, info in kind.model_fields.items()}
    for name, schema in (instead or {}).items():
        leaves[name] = {**schema, "description": leaves[name].get("description", "")}
    return _map(leaves, (kind.__doc__ or "").split("\n", 1)[0])


def _leaf(kind: Any, declared: Param | None) -> dict[str, Any]:
    """The schema of one value."""
    optional = get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)
    if optional and len(get_args(kind)) == 2:
        kind = next(part for part in get_args(kind) if part is not type(None))
    schema = dict(_TYPES[kind]) if kind in _TYPES else TypeAdapter(kind).json_schema()
    if "$defs" in schema:
        schema = {}  # its references would point to the top of this schema
    if optional and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    if declared is None:
        return schema
    if declared.one_of:
        schema["enum"] = [*declared.one_of, *([None] if optional else [])]
    if declared.within:
        schema["minimum"], schema["maximum"] = declared.within
    if declared.default is not ...:
        schema["default"] = values_of(declared.default, Path.as_posix)
    if declared.unit:
        schema["unit"] = declared.unit
    if declared.meaning:
        schema["description"] = declared.meaning + (f" [{declared.unit}]" if declared.unit else "")
    return schema


def _records(kind: type[Section]) -> dict[str, Any]:
    """A list of things, or the table that has them."""
    meaning = (kind.__doc__ or "").split("\n", 1)[0]
    required = [name for name, info in kind.model_fields.items() if info.is_required()]
    entry = {**_section(kind), "type": "object", "required": required}
    either = [{"type": "array", "items": entry}, {"type": ["string", "null"]}]
    return {"oneOf": either, "description": f"{meaning} (a list, or the name of a CSV or XLSX table)"}


def _rezone() -> dict[str, Any]:
    """One change of zoning."""
    leaves = {name: _leaf(kind, declared) for name, (kind, declared) in REZONE.items() if name not in ("columns", "land_use")}
    for leaf in leaves.values():
        leaf.pop("default", None)
    entry = _map({**leaves, "columns": _COLUMNS, "land_use": _USES})
    return {**entry, "type": "object", "required": ["at"], "oneOf": [{"required": ["zones"]}, {"required": ["layer"]}]}


def _event(composition: Composition) -> dict[str, Any]:
    """One dated event."""
    values: dict[str, Any] = {}
    for part, sections in (("policy", composition.policies), ("world", composition.worlds)):
        for domain, kind in sections.items():
            for name, info in kind.model_fields.items():
                values[f"{part}.{domain}.{name}"] = _leaf(info.annotation, param_of(info))
    for rule, params in composition.rules.items():
        for name, declared in params.items():
            values[f"rules.{rule}.{name}"] = _leaf(type(declared.default), declared)
    nested = dict.fromkeys(("policy", "world", "rules"), {"type": "object"})
    system = {"enum": list(composition.systems)} if composition.systems else _TEXT
    hours = {"type": "number", "exclusiveMinimum": 0, "maximum": 8784, "unit": "h", "description": "how long it lasts [h]"}
    outage = {
        "type": "object",
        "properties": {"system": system, "where": {**_TEXT, "description": "row of the system's table"}, "hours": hours},
        "required": ["system", "where", "hours"],
        "additionalProperties": False,
    }
    changes = {"type": "object", "properties": {**values, **nested}, "additionalProperties": False}
    degrees = {"type": "number", "minimum": -70, "maximum": 60, "unit": "C", "description": "temperature instead of the drawn one [C]"}
    weather = {**outage, "properties": {"temperature_c": degrees, "hours": hours}, "required": ["temperature_c", "hours"]}
    at = {"type": "string", "pattern": _MOMENT, "description": "a day, or for an outage or weather a local time"}
    entry = _map({"at": at, "set": changes, "outage": outage, "weather": weather})
    return {**entry, "type": "object", "required": ["at"], "oneOf": [{"required": [kind]} for kind in ("set", "outage", "weather")]}
