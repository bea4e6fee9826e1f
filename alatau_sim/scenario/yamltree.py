"""YAML 1.2 text → a tree of values that know their file and line. It does not know what the values mean.

Dates stay text; dotted keys become nested maps; a key written twice, tags and endless aliases are problems.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from alatau_sim.errors import InputError, Problem

SET = "--set"
# Below these keys a dot is part of the name: codes and columns are the planner's own words.
_OWN_WORDS = (("map", "columns"), ("map", "land_use"), ("rezone", "*", "columns"), ("rezone", "*", "land_use"), ("overrides",))
_TAG = "tag:yaml.org,2002:"
_MOST_NODES = 500_000


@dataclass(frozen=True)
class Item:
    """One value of a scenario file: a map of items, a list of items or a scalar, with the file and line where it was written."""

    value: Any
    file: str
    line: int | None

    def problem(self, message: str) -> Problem:
        """A problem at this place."""
        return Problem(message, self.file, self.line)

    @property
    def folder(self) -> Path:
        """The folder that file names in this value are relative to: its file's, or the current one for `--set`."""
        return Path() if self.file == SET else Path(self.file).parent


Map = dict[str, Item]


def read_file(path: Path, problems: list[Problem]) -> Item:
    """The tree of one file; what cannot be read at all raises `InputError` with file and line, the rest is added to `problems`."""
    name = path.as_posix()
    if path.is_dir():
        raise InputError(f"{name}: this is a folder, not a scenario file")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file{near_files(path)}") from None
    except OSError as error:
        raise InputError(f"{name}: the file cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{name}:{line}: the text is not UTF-8 (byte 0x{data[error.start]:02x}); save the file as UTF-8") from None
    item = read_text(text, name, problems)
    if item is None:
        raise InputError(f"{name}: the file is empty; a scenario begins with 'format: 1'")
    if not isinstance(item.value, dict):
        raise InputError(f"{name}:{item.line}: a scenario is a map of keys, such as 'format: 1', and not {shown(item.value)}")
    return item


def near_files(path: Path) -> str:
    """`; did you mean 'x.yaml'?` for the nearest file in the same folder, or nothing."""
    import difflib

    if not path.parent.is_dir():
        return f" (there is no folder {path.parent.as_posix()})"
    near = difflib.get_close_matches(path.name, sorted(p.name for p in path.parent.iterdir()), 1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def read_text(text: str, file: str, problems: list[Problem], within: tuple[str, ...] = ()) -> Item | None:
    """The tree of a YAML text, or None if there is nothing in it; broken YAML raises `InputError`."""
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None or file == SET else mark.line + 1
        hint = "; indent with spaces" if "'\\t'" in str(error.problem) else ""
        raise InputError(str(Problem(f"this is not valid YAML: {error.problem or error.context}{hint}", file, line))) from None
    except ReaderError as error:
        line = text[: error.position].count("\n") + 1
        bad = f"0x{ord(error.character):04x}" if isinstance(error.character, str) else f"0x{error.character:04x}"
        raise InputError(f"{file}:{line}: the character {bad} is not allowed in YAML") from None
    except YAMLError as error:
        raise InputError(f"{file}: this is not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise InputError(f"{file}: the maps and lists are nested too deeply") from None
    return None if node is None else _Builder(file, problems).item(node, within, None)


class _Builder:
    """Turns composed YAML nodes of one file into items."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file, self.problems = file, problems
        self.open: list[int] = []
        self.count = 0

    def item(self, node: Node, path: tuple[str, ...], line: int | None) -> Item:
        """One node with everything below it; `line` is that of its key, if it has one."""
        if line is None and self.file != SET:
            line = node.start_mark.line + 1
        self.count += 1
        if id(node) in self.open or self.count > _MOST_NODES:
            raise InputError(str(Problem("the aliases (*name) of this file have no end", self.file, line)))
        self.open.append(id(node))
        value: Any = None
        if isinstance(node, MappingNode):
            value = self.map(node, path)
        elif isinstance(node, SequenceNode):
            value = [self.item(child, (*path, "*"), None) for child in node.value]
        elif isinstance(node, ScalarNode):
            value = self.scalar(node, line)
        self.open.pop()
        return Item(value, self.file, line)

    def scalar(self, node: ScalarNode, line: int | None) -> Any:
        """A number, truth value, null or text; anything that only looks like a date is text."""
        tag, text = str(node.tag), str(node.value)
        if not tag.startswith(_TAG):
            self.problems.append(Problem(f"the tag {tag} is not used in scenarios", self.file, line))
            return text
        plain = text.replace("_", "").lower()
        try:
            if tag == _TAG + "int":
                return int(plain, 0 if plain.lstrip("+-")[:2] in ("0x", "0o", "0b") else 10)
            if tag == _TAG + "float":
                return float(plain.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            return text
        if tag == _TAG + "bool":
            return plain in ("true", "yes", "on")
        return None if tag == _TAG + "null" else text

    def map(self, node: MappingNode, path: tuple[str, ...]) -> Map:
        """A map with its dotted keys opened."""
        found: Map = {}
        written: dict[str, int] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            place = None if self.file == SET else line
            if not isinstance(key_node, ScalarNode):
                self.problems.append(Problem("a key must be a word, not a map or a list", self.file, place))
                continue
            key = str(key_node.value)
            parts = split_key(path, key)
            if key in written:
                self.problems.append(Problem(f"{dotted((*path, key))} is written twice (first on line {written[key]})", self.file, place))
            elif not all(parts[:-1]) or not (parts[-1] or _own_words((*path, *parts[:-1]))):
                self.problems.append(Problem(f"the key {key!r} has an empty part", self.file, place))
            else:
                written[key] = line
                item = self.item(child, (*path, *parts), place)
                for part in reversed(parts[1:]):
                    item = Item({part: item}, self.file, place)
                self.put(found, parts[0], item, path)
        return found

    def put(self, into: Map, key: str, item: Item, path: tuple[str, ...]) -> None:
        """Add an item to a map; dotted and nested spellings of one map come together, two values of one key are a problem."""
        old = into.get(key)
        if old is None or (old.value is None and isinstance(item.value, dict)):
            into[key] = item
        elif isinstance(old.value, dict) and isinstance(item.value, dict):
            for name, child in item.value.items():
                self.put(old.value, name, child, (*path, key))
        elif not (isinstance(old.value, dict) and item.value is None):
            self.problems.append(item.problem(f"{dotted((*path, key))} is written twice (first on line {old.line})"))


def split_key(path: tuple[str, ...], key: str) -> tuple[str, ...]:
    """The parts of a dotted key that stands in the map at `path`; below maps of the planner's own words the rest stays whole."""
    parts: tuple[str, ...] = ()
    rest = key
    while "." in rest and not _own_words((*path, *parts)):
        head, rest = rest.split(".", 1)
        parts = (*parts, head)
    return (*parts, rest)


def _own_words(path: tuple[str, ...]) -> bool:
    if path[:1] == ("overrides",) and len(path) > 1:
        path = path[2:]
    return path in _OWN_WORDS


def dotted(path: tuple[str, ...]) -> str:
    """A path in the words of a scenario: `policy.payments.signup_bonus_kzt`."""
    return ".".join(path)


def merge(base: Item, top: Item) -> Item:
    """`top` laid over `base`: maps merge, everything else (lists too) is replaced; an empty map leaves the base as it is."""
    if not isinstance(base.value, dict):
        return top
    if top.value is None:
        return base
    if not isinstance(top.value, dict):
        return top
    merged = dict(base.value)
    for key, item in top.value.items():
        merged[key] = merge(merged[key], item) if key in merged else item
    return Item(merged, top.file, top.line)


def leaves(item: Item, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Item]]:
    """Every value that is not a map, with its path; empty maps have none."""
    if isinstance(item.value, dict):
        for key, child in item.value.items():
            yield from leaves(child, (*path, key))
    else:
        yield path, item


def plain(item: Item) -> Any:
    """The values alone, without their places."""
    if isinstance(item.value, dict):
        return {key: plain(child) for key, child in item.value.items()}
    return [plain(child) for child in item.value] if isinstance(item.value, list) else item.value


def wrapped(value: Any) -> Item:
    """Plain values (dicts, sequences, scalars) as items without a place; dates become text as in a file."""
    if isinstance(value, Mapping):
        return Item({str(key): wrapped(child) for key, child in value.items()}, "", None)
    if isinstance(value, list | tuple):
        return Item([wrapped(child) for child in value], "", None)
    return Item(value.isoformat() if isinstance(value, date) else value, "", None)


def shown(value: Any) -> str:
    """A value as a message shows it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "a map" if isinstance(value, dict) else "a list"
    return repr(value if len(str(value)) <= 60 else str(value)[:57] + "...") if isinstance(value, str) else str(value)
