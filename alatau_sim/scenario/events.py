"""Dated changes: values set at midnight, outages, rezoning; read and checked here, carried out by the model.

`timeline` lists them by day; `apply_set` gives the settings that hold after a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from alatau_sim.city.words import LAND_USES
from alatau_sim.engine.domain import Composition
from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems
from alatau_sim.fields import Param, param_of
from alatau_sim.scenario.check import BAD, Check, join, reason
from alatau_sim.scenario.specs import EventSpec, Names, OutageSpec, RezoneSpec, Scenario, Settings, WeatherSpec
from alatau_sim.scenario.yamltree import Item, dotted, leaves, wrapped

_EPOCH = date(1970, 1, 1)
_PARTS = ("policy", "world", "rules")
_USE = Param("", one_of=LAND_USES)
REZONE: Mapping[str, tuple[Any, Param | None]] = {
    "at": (date, None),
    "zones": (tuple[str, ...], None),
    "use": (str, _USE),
    "floor_area_ratio": (float, Param(0.0, within=(0, 50), unit="m²/m²", meaning="floor area over site area")),
    "coverage": (float, Param(0.0, within=(0, 1), unit="share", meaning="built share of the site")),
    "dwellings_planned": (int, Param(0, within=(0, 1_000_000), unit="dwellings", meaning="at full build-out, existing ones too")),
    "layer": (Path, None),
    "layer_name": (str, Param("", meaning="layer of the file, where it has several")),
    "crs": (str, Param("", meaning="coordinate system such as EPSG:32643, where the file names none")),
    "columns": (dict[str, str], None),
    "land_use": (dict[str, str], None),
}
"""The keys of a rezoning: type and declaration."""

_CHANGES = ("use", "floor_area_ratio", "coverage", "dwellings_planned")
_OF_A_LAYER = ("layer_name", "crs", "columns", "land_use")
_HOURS = Param(0.0, within=(0, 8784), unit="h")
_CELSIUS = Param(0.0, within=(-70, 60), unit="C")
_KINDS = ("set", "outage", "weather")


def timeline(scenario: Scenario) -> list[tuple[int, str, EventSpec | RezoneSpec]]:
    """All dated changes as (days since 1970-01-01, kind, payload), in the order of their time.

    The kind is set, rezone, outage or weather.
    """
    found: list[tuple[datetime, int, str, EventSpec | RezoneSpec]] = []
    for event in scenario.events:
        kind = "outage" if event.outage else "weather" if event.weather else "set"
        found.append((event.at, 0 if kind == "set" else 2, kind, event))
    found += [(datetime.combine(spec.at, time()), 1, "rezone", spec) for spec in scenario.rezone]
    found.sort(key=lambda entry: entry[:2])
    return [((at.date() - _EPOCH).days, kind, payload) for at, _, kind, payload in found]


def apply_set(settings: Settings, changes: Mapping[str, Any], composition: Composition) -> Settings:
    """The settings after changes `{dotted path: value}`; raises `InputError` for unknown paths and values that are not allowed."""
    problems: list[Problem] = []
    check = Check(problems)
    parts: dict[str, dict[str, Any]] = {part: dict(getattr(settings, part)) for part in _PARTS}
    typed: dict[tuple[str, str], dict[str, Any]] = {}
    for path, raw in changes.items():
        keys = tuple(path.split("."))
        value = target_value(check, composition, keys, wrapped(raw))
        if value is not BAD:
            typed.setdefault((keys[0], keys[1]), {})[keys[2]] = value
    for (part, name), values in typed.items():
        old = parts[part][name]
        try:
            parts[part][name] = Names({**old, **values}) if part == "rules" else type(old).model_validate({**dict(old), **values})
        except ValidationError as error:
            problems += [Problem(f"{part}.{name}: {reason(problem['msg'])}") for problem in error.errors(include_url=False)]
    raise_problems(Problem(problem.message) for problem in problems)
    return Settings(Names(parts["policy"]), Names(parts["world"]), Names(parts["rules"]))


def target_value(check: Check, composition: Composition, path: tuple[str, ...], item: Item) -> Any:
    """The value for a dotted path of policy, world or rules, checked against its declaration, or BAD."""
    found: Any = {
        "policy": {name: kind.model_fields for name, kind in composition.policies.items()},
        "world": {name: kind.model_fields for name, kind in composition.worlds.items()},
        "rules": composition.rules,
    }
    for i, name in enumerate(path[:3]):
        if name not in found:
            hint = "; events set only policy, world and rules" if i == 0 else did_you_mean(name, found)
            check.unknown(item, dotted(path), name, (), hint)
            return BAD
        found = found[name]
    if len(path) != 3:
        keys = f"name one of its keys: {', '.join(sorted(found)[:12])}" if len(path) < 3 else f"{dotted(path[:3])} is a single value"
        check.unknown(item, dotted(path), "", (), f"; {keys}")
        return BAD
    declared = found if isinstance(found, Param) else param_of(found)
    kind = type(found.default) if isinstance(found, Param) else found.annotation
    return check.value(item, dotted(path), kind, declared)


class Reader:
    """Reads `rezone` and `events` of a scenario; `words` checks the planner's words of a layer."""

    def __init__(
        self, check: Check, composition: Composition, horizon: tuple[date, date] | None, words: Callable[[Item | None, str], None]
    ) -> None:
        self.check, self.composition, self.horizon, self.words = check, composition, horizon, words

    def rezone(self, item: Item | None) -> tuple[RezoneSpec, ...]:
        """The rezonings; meaningful only if no problem was noted."""
        found = [self.one_rezone(entry, f"rezone.{i}") for i, entry in enumerate(self.check.list(item, "rezone"))]
        return tuple(spec for spec in found if spec is not None)

    def one_rezone(self, item: Item, path: str) -> RezoneSpec | None:
        """One rezoning: of zones or by a layer, with a day."""
        entries = self.check.map(item, path)
        self.check.keys(entries, path, REZONE)
        values = {
            name: self.check.value(entries[name], join(path, name), kind, declared)
            for name, (kind, declared) in REZONE.items()
            if name in entries
        }
        self.words(item, path)
        problem = ""
        if "at" not in entries:
            problem = f"{path}.at is missing: the day of the change"
        elif ("zones" in entries) == ("layer" in entries):
            problem = f"{path} must have either zones or a layer"
        elif values.get("zones") == ():
            problem = f"{path}.zones is empty; name at least one zone"
        elif "zones" in entries and not any(name in entries for name in _CHANGES):
            problem = f"{path} changes nothing; give one of {', '.join(_CHANGES)}"
        elif stray := [name for name in (_OF_A_LAYER if "zones" in entries else _CHANGES) if name in entries]:
            problem = f"{path}.{stray[0]} does not go with {'zones' if 'zones' in entries else 'a layer (the layer brings its own values)'}"
        if problem:
            self.check.problems.append(item.problem(problem))
        if values.get("at", BAD) is not BAD:
            self.within_horizon(entries["at"], f"{path}.at", values["at"])
        if problem or any(value is BAD for value in values.values()):
            return None
        return RezoneSpec(**values)

    def events(self, item: Item | None, settings: Settings | None) -> tuple[EventSpec, ...]:
        """The events; their changes are also tried one after the other on the settings, so that sections stay valid as a whole."""
        read = [(entry, self.event(entry, f"events.{i}")) for i, entry in enumerate(self.check.list(item, "events"))]
        found = [(entry, event) for entry, event in read if event is not None]
        before: dict[tuple[datetime, str], Item] = {}
        for entry, event in sorted(found, key=lambda pair: pair[1].at):
            for path in event.set:
                if (event.at, path) in before:
                    first = before[event.at, path]
                    message = f"{path} is set twice on {event.at.date()} (also on line {first.line} of {first.file})"
                    self.check.problems.append(entry.problem(message))
                before[event.at, path] = entry
            if settings is not None and event.set:
                try:
                    settings = apply_set(settings, event.set, self.composition)
                except InputError as error:
                    self.check.problems.append(entry.problem(f"after this event: {error}"))
        return tuple(event for _, event in found)

    def event(self, item: Item, path: str) -> EventSpec | None:
        """One event."""
        entries = self.check.map(item, path)
        self.check.keys(entries, path, ("at", *_KINDS))
        if "at" not in entries:
            self.check.problems.append(item.problem(f"{path}.at is missing: the day, or for an outage or weather the time"))
        one = sum(kind in entries for kind in _KINDS) == 1
        if not one:
            self.check.problems.append(item.problem(f"{path} must have one of {', '.join(_KINDS)}"))
        at = self.check.value(entries["at"], f"{path}.at", datetime) if "at" in entries else BAD
        if at is not BAD:
            self.within_horizon(entries["at"], f"{path}.at", at.date())
            if "set" in entries and at.time() != time():
                self.check.wrong(entries["at"], f"{path}.at", "a day, because values change at midnight")
        changes = self.changes(entries["set"], f"{path}.set") if "set" in entries else {}
        outage = self.outage(entries["outage"], f"{path}.outage") if "outage" in entries else None
        weather = self.weather(entries["weather"], f"{path}.weather") if "weather" in entries else None
        if changes is None or BAD in (at, outage, weather) or not one:
            return None
        return EventSpec(at, changes, outage, weather)

    def changes(self, item: Item, path: str) -> dict[str, Any] | None:
        """The values that an event sets, by dotted path; None if one is wrong."""
        if not self.check.map(item, path):
            if item.value in (None, {}):
                self.check.wrong(item, path, "a map such as {policy.<domain>.<lever>: value}")
            return None
        found = {dotted(keys): target_value(self.check, self.composition, keys, child) for keys, child in leaves(item)}
        return None if any(value is BAD for value in found.values()) else found

    def parts(self, item: Item, path: str, names: tuple[str, ...]) -> Any:
        """The entries of a map that must have just these, or BAD."""
        entries = self.check.map(item, path)
        before = len(self.check.problems)
        self.check.keys(entries, path, names)
        for name in names:
            if name not in entries:
                self.check.problems.append(item.problem(f"{path}.{name} is missing"))
        return BAD if len(self.check.problems) > before else entries

    def hours(self, item: Item, path: str) -> Any:
        """How long something lasts, or BAD."""
        hours = self.check.value(item, path, float, _HOURS)
        return self.check.wrong(item, path, "more than 0 [h]") if hours == 0 else hours

    def weather(self, item: Item, path: str) -> Any:
        """The given weather of an event, or BAD."""
        entries = self.parts(item, path, ("temperature_c", "hours"))
        if entries is BAD:
            return BAD
        degrees = self.check.value(entries["temperature_c"], f"{path}.temperature_c", float, _CELSIUS)
        hours = self.hours(entries["hours"], f"{path}.hours")
        return BAD if BAD in (degrees, hours) else WeatherSpec(degrees, hours)

    def outage(self, item: Item, path: str) -> Any:
        """The outage of an event, or BAD."""
        entries = self.parts(item, path, ("system", "where", "hours"))
        if entries is BAD:
            return BAD
        systems = tuple(self.composition.systems)
        system = self.check.value(entries["system"], f"{path}.system", str, Param("", one_of=systems or ("(none: no domain has any)",)))
        where = self.check.value(entries["where"], f"{path}.where", str)
        hours = self.hours(entries["hours"], f"{path}.hours")
        return BAD if BAD in (system, where, hours) else OutageSpec(system, where, hours)

    def within_horizon(self, item: Item, path: str, day: date) -> None:
        """Note a day outside the run."""
        if self.horizon is not None and not self.horizon[0] <= day <= self.horizon[1]:
            self.check.wrong(item, path, f"within the run, {self.horizon[0]} … {self.horizon[1]}")
