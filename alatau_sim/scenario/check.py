"""Checks of single values and of declared sections: type, range, unknown and missing keys, each with its place.

It reads declarations (`fields.Section`, `fields.Param`) and knows no scenario key by name.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from alatau_sim.errors import Problem, did_you_mean
from alatau_sim.fields import Param, Section, param_of
from alatau_sim.scenario.yamltree import Item, Map, near_files, plain, shown

BAD: Any = object()
"""What a check returns for a value that is wrong; the problem has been noted."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(:\d\d)?)\Z")
_WORDS = {
    bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "the name of a file",
    date: "a date such as 2026-01-31", datetime: "a date such as 2026-01-31 or a time such as 2026-01-31T18:00",
}  # fmt: skip


class Check:
    """Collects problems while values are read."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems

    def wrong(self, item: Item, path: str, must: str) -> Any:
        """Note that a value is not what it must be."""
        self.problems.append(item.problem(f"{path} is {shown(item.value)}; it must be {must}"))
        return BAD

    def map(self, item: Item | None, path: str) -> Map:
        """The entries of a map; nothing for an absent or empty one."""
        if item is None or item.value is None:
            return {}
        if isinstance(item.value, dict):
            return item.value
        self.wrong(item, path, "a map of keys and values")
        return {}

    def list(self, item: Item | None, path: str) -> list[Item]:
        """The entries of a list; nothing for an absent or empty one."""
        if item is None or item.value is None:
            return []
        if isinstance(item.value, list):
            return item.value
        self.wrong(item, path, "a list")
        return []

    def unknown(self, item: Item, path: str, name: str, known: Any, hint: str = "") -> None:
        """Note a key that does not exist."""
        self.problems.append(item.problem(f"{path} is not known{hint or did_you_mean(name, known)}"))

    def keys(self, entries: Map, path: str, known: Any) -> None:
        """Note every key that is not among the known ones."""
        for name, item in entries.items():
            if name not in known:
                self.unknown(item, join(path, name), name, known)

    def section(self, kind: type[Section], item: Item | None, path: str, hint: Mapping[str, str] | None = None) -> Any:
        """A section with the values of a map and the declared defaults, or BAD. `hint` explains some unknown keys."""
        before = len(self.problems)
        entries = self.map(item, path)
        values = {}
        for name, child in entries.items():
            if name in kind.model_fields:
                info = kind.model_fields[name]
                values[name] = self.value(child, join(path, name), info.annotation, param_of(info))
            else:
                self.unknown(child, join(path, name), name, kind.model_fields, (hint or {}).get(name, ""))
        for name, info in kind.model_fields.items():
            if info.is_required() and name not in entries:
                meaning = f": {info.description}" if info.description else ""
                place = item or Item(None, "", None)
                self.problems.append(Problem(f"{join(path, name)} is missing{meaning}", place.file or None, place.line))
            elif name not in entries and info.annotation is float and isinstance(info.default, int):
                values[name] = float(info.default)  # so that a default of 1 and a value of 1.0 are the same
        if len(self.problems) > before:
            return BAD
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            for part in error.errors(include_url=False):
                name = str(part["loc"][0]) if part["loc"] else ""
                place = entries.get(name) or item or Item(None, "", None)
                self.problems.append(Problem(f"{join(path, name)}: {reason(part['msg'])}", place.file or None, place.line))
            return BAD

    def rule(self, params: Mapping[str, Param], item: Item | None, path: str) -> dict[str, Any]:
        """The parameters of a rule with the declared defaults."""
        values = {name: declared.default for name, declared in params.items()}
        for name, child in self.map(item, path).items():
            if name not in params:
                self.unknown(child, join(path, name), name, params, "" if params else "; this rule has no parameters")
            else:
                values[name] = self.value(child, join(path, name), type(params[name].default), params[name])
        return values

    def value(self, item: Item, path: str, kind: Any, declared: Param | None = None) -> Any:
        """A value of the wanted type and range, or BAD. Numbers are not truth values, and text is not a number."""
        if get_origin(kind) in (Union, types.UnionType):
            inner = [part for part in get_args(kind) if part is not type(None)]
            if item.value is None and len(inner) < len(get_args(kind)):
                return None
            kind = inner[0] if len(inner) == 1 else kind
        if isinstance(kind, type) and issubclass(kind, Section):
            return self.section(kind, item, path)
        if get_origin(kind) is Literal:
            return item.value if item.value in get_args(kind) else self.one_of(item, path, tuple(map(str, get_args(kind))))
        if get_origin(kind) is tuple and get_args(kind)[1:] == (Ellipsis,) and get_args(kind)[0] in _WORDS:
            values = [self.value(child, f"{path}.{i}", get_args(kind)[0]) for i, child in enumerate(self.list(item, path))]
            return BAD if BAD in values or not isinstance(item.value, list | None) else tuple(values)
        if kind == dict[str, str]:
            texts = {name: self.value(child, join(path, name), str) for name, child in self.map(item, path).items()}
            return BAD if BAD in texts.values() or not isinstance(item.value, dict | None) else texts
        if kind in _WORDS:
            return self.scalar(item, path, kind, declared)
        try:
            return TypeAdapter(kind).validate_python(plain(item))
        except ValidationError as error:
            for part in error.errors(include_url=False):
                place = ".".join([path, *map(str, part["loc"])])
                self.problems.append(item.problem(f"{place} is {shown(part['input'])}; {reason(part['msg'])}"))
            return BAD

    def scalar(self, item: Item, path: str, kind: type, declared: Param | None) -> Any:
        """A single value of one of the plain types."""
        value = _typed(item.value, kind)
        if value is BAD:
            return self.wrong(item, path, _must(item.value, kind, declared))
        if kind is Path:
            return self.file(item, path, item.folder / value)
        if declared is not None:
            if declared.one_of and value not in declared.one_of:
                return self.one_of(item, path, declared.one_of)
            if declared.within and not declared.within[0] <= value <= declared.within[1]:
                return self.wrong(item, path, declared.allowed())
        return value

    def one_of(self, item: Item, path: str, words: tuple[str, ...]) -> Any:
        """Note that a value is none of some words."""
        hint = did_you_mean(str(item.value), words)
        return self.wrong(item, path, f"one of {', '.join(words)}" + (hint if "did you mean" in hint else ""))

    def file(self, item: Item, path: str, file: Path) -> Any:
        """A file that must be there."""
        if file.is_file() or (file.is_dir() and file.suffix == ".gdb"):
            return file
        what = "is a folder" if file.is_dir() else "does not exist"
        near = "" if file.is_dir() else near_files(file)
        self.problems.append(item.problem(f"{path} is {shown(item.value)}; the file {file.as_posix()} {what}{near}"))
        return BAD


def _typed(value: Any, kind: type) -> Any:
    """The value as `kind`, or BAD."""
    if kind in (date, datetime):
        return moment(value, kind) if isinstance(value, str) else BAD
    if kind is bool or isinstance(value, bool):
        return value if kind is bool and isinstance(value, bool) else BAD
    if kind is int:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value if isinstance(value, int) else BAD
    if kind is float:
        if isinstance(value, int) and abs(value) > 1 << 1000:
            return BAD
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else BAD
    if not isinstance(value, str) or (kind is Path and not value.strip()):
        return BAD
    return value


def _must(value: Any, kind: type, declared: Param | None) -> str:
    """What a value of the wrong type must be."""
    words = _WORDS[kind]
    if kind is str and declared is not None and declared.one_of:
        words = declared.allowed()
    elif kind in (int, float) and declared is not None and declared.within:
        words = f"{words} {declared.allowed()}"
    if kind is bool and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return f"{words} (in YAML 1.2 {value} is text)"
    if kind in (int, float) and isinstance(value, str) and value.strip()[:1].isdigit():
        return f"{words} (without quotes, units or spaces{', and with a decimal point' if kind is float else ''})"
    return f"{words} (put it in quotes)" if kind is str and isinstance(value, int | float) else words


def moment(text: str, kind: type) -> Any:
    """A date or (where `kind` is datetime) a local time from its text, or BAD if the calendar does not have it."""
    try:
        if _DATE.match(text):
            day = date.fromisoformat(text)
            return day if kind is date else datetime(day.year, day.month, day.day)
        if kind is datetime and (parts := _MOMENT.match(text)):
            return datetime.fromisoformat(f"{parts[1]}T{parts[2]}")
    except ValueError:
        pass  # the words of the problem say what a date looks like
    return BAD


def join(path: str, name: str) -> str:
    """A dotted path with one more part."""
    return f"{path}.{name}" if path and name else path or name


def reason(message: str) -> str:
    """A validator's message as the end of a sentence."""
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message[:1].lower() + message[1:]
