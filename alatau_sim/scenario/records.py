"""Lists of things that a scenario gives (a building programme, projects, lines): inline, or as a CSV or XLSX table that it names.

What an entry may say is declared by a domain as a section; every value knows its file and line, in a table as in the scenario itself.
"""

from __future__ import annotations

import csv
import types
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.fields import Section
from alatau_sim.scenario.check import BAD, Check
from alatau_sim.scenario.yamltree import Item, near_files

FOR_PEOPLE = ("source", "confidence", "note", "unit")
"""Columns of a table that are kept for people and not read."""

Place = tuple[str, int | None]
_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no")


@dataclass(frozen=True)
class Records:
    """The entries of one list, where each was written, and the table that they are from, if they are from one."""

    entries: tuple[Section, ...] = ()
    places: tuple[Place, ...] = ()
    file: Path | None = None


def read_records(check: Check, kind: type[Section], item: Item | None, key: str) -> Records:
    """The entries of a list of the scenario; what is wrong is added to the problems of `check`, and the entry left out."""
    if item is None or item.value is None:
        return Records()
    file, rows = None, check.list(item, key) if not isinstance(item.value, str) else []
    if isinstance(item.value, str):
        file = item.folder / item.value
        try:
            rows = _table(check, kind, file, key) if _there(check, item, file, key) else []
        except InputError as error:
            check.problems.append(item.problem(f"{key}: {error}"))
    read = [(check.section(kind, row, key if file else f"{key}.{i}"), (row.file, row.line)) for i, row in enumerate(rows)]
    kept = [(entry, place) for entry, place in read if entry is not BAD]
    return Records(tuple(entry for entry, _ in kept), tuple(place for _, place in kept), file)


def _there(check: Check, item: Item, file: Path, key: str) -> bool:
    if file.is_file():
        return True
    check.problems.append(item.problem(f"{key} is {item.value!r}; the file {file.as_posix()} does not exist{near_files(file)}"))
    return False


def _table(check: Check, kind: type[Section], file: Path, key: str) -> list[Item]:
    """The rows of a table as maps of values; empty cells are left out."""
    lines = _xlsx(file) if file.suffix.lower() == ".xlsx" else _csv(file)
    header = [str(name or "").strip() for name in next(iter(lines), (1, []))[1]]
    for name in header:
        if name and name not in kind.model_fields and name not in FOR_PEOPLE:
            check.problems.append(Item(None, file.as_posix(), 1).problem(f"{key} has no {name!r}{did_you_mean(name, kind.model_fields)}"))
    rows = []
    for line, cells in lines[1:]:
        if len(cells) > len(header):
            check.problems.append(Item(None, file.as_posix(), line).problem(f"{len(cells)} cells under {len(header)} columns"))
        entry = {}
        for name, cell in zip(header, cells, strict=False):
            empty = cell is None or (isinstance(cell, str) and not cell.strip())
            if name in kind.model_fields and not empty:
                entry[name] = _cell(cell, kind.model_fields[name].annotation, file.as_posix(), line)
        if entry:
            rows.append(Item(entry, file.as_posix(), line))
    return rows


def _csv(file: Path) -> list[tuple[int, list[Any]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            return [(reader.line_num, list(row)) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file.as_posix()} cannot be read as UTF-8 CSV ({error})") from None


def _xlsx(file: Path) -> list[tuple[int, list[Any]]]:
    """The rows of the first sheet; formulas give the values that were last saved."""
    import openpyxl  # heavy, and most scenarios name no workbook

    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, openpyxl.utils.exceptions.InvalidFileException) as error:
        raise InputError(f"{file.as_posix()} cannot be read as a workbook ({error})") from None
    try:
        rows: Iterable[tuple[Any, ...]] = book.worksheets[0].iter_rows(values_only=True)
        return [(line, _trimmed(row)) for line, row in enumerate(rows, start=1) if any(cell is not None for cell in row)]
    finally:
        book.close()


def _trimmed(row: tuple[Any, ...]) -> list[Any]:
    cells = list(row)
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def _cell(cell: Any, kind: Any, file: str, line: int) -> Item:
    """One cell as the value of a scenario file: a number, a truth value, a date as text, a list between semicolons; else as it is."""
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if isinstance(cell, datetime | date):
        return Item(cell.isoformat()[:10], file, line)
    if get_origin(kind) is tuple:
        return Item([Item(part.strip(), file, line) for part in str(cell).split(";") if part.strip()], file, line)
    if kind is str:
        whole = isinstance(cell, float) and cell.is_integer()
        return Item((str(int(cell)) if whole else str(cell)).strip(), file, line)
    if isinstance(cell, str):
        cell = _number_or_truth(cell.strip(), kind)
    elif kind is bool and cell in (0, 1):
        cell = bool(cell)
    elif kind is int and isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return Item(cell, file, line)


def _number_or_truth(text: str, kind: Any) -> Any:
    """The text as what its column holds, or itself where it is no such thing (the check of the value then says so)."""
    try:
        if kind in (int, float):
            return kind(text)
    except ValueError:
        return text
    if kind is bool and text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    return text

