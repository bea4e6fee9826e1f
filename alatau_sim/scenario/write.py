"""Plain values → the text of a scenario file. Text is quoted where a reader could take it for something else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Origins = Mapping[str, tuple[str, int | None]]

_PLAIN = re.compile(r"[A-Za-z_][\w/-]*(?:\.[\w/-]+)*\Z|\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?)?\Z", re.ASCII)
_TAKEN = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def yaml_text(content: Mapping[str, Any], origins: Origins) -> str:
    """A block of YAML; behind each value that `origins` knows stands a comment with its file and line."""
    return "".join(line + "\n" for line in _map(content, "", "", origins))


def _map(content: Mapping[str, Any], indent: str, path: str, origins: Origins) -> Iterator[str]:
    for key, value in content.items():
        place = f"{path}.{key}" if path else key
        yield from _entry(f"{indent}{word(key)}:", value, indent + "  ", place, origins)


def _entry(head: str, value: Any, indent: str, path: str, origins: Origins) -> Iterator[str]:
    """The lines of one value behind its key."""
    if isinstance(value, Mapping) and value:
        yield head
        yield from _map(value, indent, path, origins)
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        yield head
        for i, entry in enumerate(value):
            lines = list(_map(entry, indent + "  ", f"{path}.{i}", origins))
            yield f"{indent}- {lines[0].lstrip()}"
            yield from lines[1:]
    else:
        yield f"{head} {flow(value)}{_origin(path, origins)}"


def _origin(path: str, origins: Origins) -> str:
    if path not in origins:
        return ""
    file, line = origins[path]
    return f"  # {file}:{line}" if line else f"  # {file}"


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{word(key)}: {flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(entry) for entry in value) + "]"
    if isinstance(value, str):
        return word(value)
    return "null" if value is None else json.dumps(value)


def word(text: str) -> str:
    """Text, plain where it cannot be mistaken and in double quotes where it can."""
    if _PLAIN.match(text) and text.lower() not in _TAKEN:
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character == " " or character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
