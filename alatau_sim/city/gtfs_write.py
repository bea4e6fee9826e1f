"""Writes a GTFS feed: a zip whose bytes depend on the feed only, so that equal feeds are equal files."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from alatau_sim.city.gtfs_feed import EPOCH, FILES, NO_TIME, Column, Feed, clock
from alatau_sim.errors import InputError
from alatau_sim.results.files import replacing

OPTIONAL = ("calendar", "calendar_dates", "frequencies")
CHUNK = 500  # rows at a time
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_gtfs(feed: Feed, path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Write a feed as a zip: reading it again gives an equal feed. Raises `InputError` where the file is there already, unless forced."""
    path = Path(path)
    if path.suffix.lower() != ".zip":
        raise InputError(f"{path}: a GTFS feed is written as a zip; give it a name that ends with .zip")
    if path.exists() and not force:
        raise InputError(f"{path}: is there already; --force overwrites it")
    with replacing(path) as aside, zipfile.ZipFile(aside, "w") as archive:
        for name in FILES:
            if feed.table(name).n or name not in OPTIONAL:
                entry = zipfile.ZipInfo(f"{name}.txt", ZIP_EPOCH)
                entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same on every system
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, _text(feed, name).encode("utf-8"))


def _text(feed: Feed, name: str) -> str:
    """One file: the columns that must be there, and those that say anything."""
    table, text = feed.table(name), io.StringIO(newline="")
    written = [column for column in FILES[name] if column.needed or column.default is None or not _all_default(table[column.name], column)]
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.gtfs for column in written])
    for row in range(0, table.n, CHUNK):
        writer.writerows(zip(*(_cells(feed, table[column.name][row : row + CHUNK], column) for column in written), strict=True))
    return text.getvalue()


def _all_default(values: np.ndarray, column: Column) -> bool:
    return bool(np.all(np.isnan(values) if column.kind == "float" else values == column.default))


def _cells(feed: Feed, values: np.ndarray, column: Column) -> list[str]:
    """A column as the file has it; an empty cell where a ref, time or number is missing."""
    if column.kind == "ref":
        ids: Sequence[str] | np.ndarray = feed.services if column.to == "services" else feed.table(column.to)["id"]
        return ["" if row < 0 else str(ids[row]) for row in values.tolist()]
    word = WORDS.get(column.kind, str)
    return [word(value) for value in values.tolist()]


def _number(value: float) -> str:
    return "" if np.isnan(value) else repr(value)


WORDS: dict[str, Callable[..., str]] = {
    "int": lambda value: "" if value < 0 else str(value),
    "float": _number,
    "time": cache(lambda value: "" if value == NO_TIME else clock(value)),
    "date": lambda value: (EPOCH + dt.timedelta(days=value)).strftime("%Y%m%d"),
}
