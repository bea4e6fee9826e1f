"""The files of a GTFS feed as text: a folder or a zip, UTF-8 with or without a mark, each column as its different cells and codes.

Nothing is unpacked to disk, and names in a zip that point elsewhere are not followed.
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from alatau_sim.city.gtfs_feed import FILES, NAMED, listed
from alatau_sim.errors import InputError, Problem, did_you_mean

CHUNK = 500
"""Rows at a time; so few that their cells stay in the processor's cache, which is four times as fast as 50,000."""
NOT_USED = (
    "areas", "attributions", "booking_rules", "fare_attributes", "fare_leg_rules", "fare_media", "fare_products", "fare_rules",
    "fare_transfer_rules", "feed_info", "levels", "location_group_stops", "location_groups", "networks", "pathways", "rider_categories",
    "route_networks", "shapes", "stop_areas", "timeframes", "transfers", "translations",
)  # fmt: skip
"""Files of GTFS that are passed over with a note."""
MAY_BE_EMPTY = ("/calendar.txt", "/calendar_dates.txt", "/frequencies.txt")


@dataclass(frozen=True)
class Cells:
    """One column: `texts` are its different cells, `codes` (rows) says which one each row has."""

    texts: list[str]
    codes: np.ndarray

    def __getitem__(self, row: int) -> str:
        return self.texts[self.codes[row]]


@dataclass(frozen=True)
class RawFile:
    """One file: the columns that are kept by their GTFS name, and the line where each row ends. `file` is how messages call it."""

    file: str
    columns: dict[str, Cells]
    line: np.ndarray

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.line)


@dataclass
class Findings:
    """What was found on the way: problems (the feed cannot be used), notes (it can), and the files of which rows are `lost`."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)

    def add(self, message: str, file: str, line: int | None = None) -> None:
        """One problem."""
        self.problems.append(Problem(message, file, line))

    def add_rows(self, raw: RawFile, rows: Sequence[int] | np.ndarray, message: Callable[[int], str]) -> None:
        """A problem for each row; of many alike the first are told, and how many more there are."""
        for row in rows[:NAMED]:
            self.add(message(int(row)), raw.file, int(raw.line[row]))
        if len(rows) > NAMED:
            row = int(rows[NAMED])
            self.add(f"{message(row)} (and {len(rows) - NAMED - 1} more like it)", raw.file, int(raw.line[row]))


def read_raw(path: Path, found: Findings) -> dict[str, RawFile]:
    """The files of a feed by their names without .txt; a file that is not there or cannot be read is left out.

    Raises `InputError` where the feed is neither a folder nor a zip.
    """
    with _opened(path, found) as (names, open_file):
        unused = sorted(set(names) - {f"{name}.txt" for name in FILES})
        if unused:
            found.notes.append(f"files not used: {listed(unused)}")
        _tell_missing(path, names, found)
        raws = {}
        for name in FILES:
            if f"{name}.txt" not in names:
                continue
            file, before = f"{path.as_posix()}/{name}.txt", len(found.problems)
            try:
                with open_file(f"{name}.txt") as stream:
                    raw = _read(stream, name, file, found)
            except UnicodeDecodeError as error:
                found.add(f"is not UTF-8 text (byte {error.object[error.start]:#04x}); save it as UTF-8", file)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
                found.add(f"cannot be unpacked: {error}", file)
            except OSError as error:
                found.add(f"cannot be read: {error.strerror or error}", file)
            else:
                if raw is not None:
                    raws[name] = raw
            if len(found.problems) > before:
                found.lost.add(name)
    return raws


def _near(name: str, others: Iterable[str]) -> str:
    """The name that was meant, perhaps, among names that mean nothing here."""
    words = did_you_mean(name, others)
    return words if "did you mean" in words else ""


def _tell_missing(path: Path, names: Sequence[str], found: Findings) -> None:
    here = [name for name in names if name.lower().endswith(".txt")]
    other = set(here) - {f"{name}.txt" for name in (*FILES, *NOT_USED)}
    for name in ("agency", "stops", "routes", "trips", "stop_times"):
        if f"{name}.txt" not in names:
            near = _near(f"{name}.txt", other) if here else "; the feed has no .txt file at its top"
            found.add(f"{name}.txt is missing{near}", path.as_posix())
    if not {"calendar.txt", "calendar_dates.txt"} & set(names):
        found.add("calendar.txt and calendar_dates.txt are both missing; one of them must say when services run", path.as_posix())


Opener = Callable[[str], IO[bytes]]


@contextmanager
def _opened(path: Path, found: Findings) -> Iterator[tuple[list[str], Opener]]:
    """The names of the feed's files, and what opens one."""
    if path.is_dir():
        yield [entry.name for entry in sorted(path.iterdir()) if entry.is_file()], lambda name: (path / name).open("rb")
        return
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: is neither a zip nor a folder ({error}); a GTFS feed is one of them, with stops.txt inside") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    with archive:
        inside = [info.filename for info in archive.infolist() if not info.is_dir()]
        names = {name: name for name in inside if "/" not in name and "\\" not in name}
        folders = {name.rpartition("/")[0] for name in inside if name.endswith("/stops.txt")} - {"__MACOSX"}
        if "stops.txt" not in names and len(folders) == 1 and _harmless(folder := folders.pop()):
            names = {name.rpartition("/")[2]: name for name in inside if name.rpartition("/")[0] == folder}
            found.notes.append(f"the files were found in the zip's folder {folder}; GTFS wants them at the top")
        elsewhere = sorted(set(inside) - set(names.values()))
        if elsewhere:
            found.notes.append(f"entries of the zip that are not at its top were ignored: {listed(elsewhere)}")
        twice = sorted({name for name in inside if inside.count(name) > 1}) if len(set(inside)) < len(inside) else []
        if twice:
            found.add(f"the zip has {', '.join(twice)} more than once", path.as_posix())
        yield list(names), lambda name: archive.open(names[name])


def _harmless(folder: str) -> bool:
    return not folder.startswith("/") and ":" not in folder and "\\" not in folder and ".." not in folder.split("/")


def _read(stream: IO[bytes], name: str, file: str, found: Findings) -> RawFile | None:
    """One file as columns; None where its heading cannot be used."""
    with io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
        rows = csv.reader(text, strict=True)
        try:
            header = [title.strip() for title in next(rows, [])]
            places = _places(header, name, file, found)
            return None if places is None else _columns(rows, len(header), places, file, found)
        except csv.Error as error:
            found.add(f"is no table of comma-separated values: {error}", file, rows.line_num)
            return None


def _places(header: Sequence[str], name: str, file: str, found: Findings) -> dict[str, int] | None:
    """Where each kept column stands in the heading; None where one that must be there is not."""
    titles = [title for title in header if title]
    if not titles:
        found.add("is empty; its first line must name the columns", file)
        return None
    wanted = {column.gtfs: column for column in FILES[name]}
    missing = [column.gtfs for column in FILES[name] if (column.needed or column.default is None) and column.gtfs not in titles]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    for title in missing:
        found.add(f"the column {title} is missing{_near(title, set(titles) - set(wanted))}", file, 1)
    for title in twice:
        found.add(f"the column {title} is there more than once", file, 1)
    unused = [title for title in titles if title not in wanted]
    if unused:
        found.notes.append(f"{name}.txt: columns not used: {listed(unused)}")
    return None if missing or twice else {title: header.index(title) for title in wanted if title in titles}


def _columns(rows: Any, width: int, places: dict[str, int], file: str, found: Findings) -> RawFile:
    """The kept columns of a table whose heading has been read."""
    seen: dict[str, defaultdict[str, int]] = {}
    codes: dict[str, list[np.ndarray]] = {title: [np.empty(0, np.int32)] for title in places}
    for title in places:
        seen[title] = defaultdict(int)
        seen[title].default_factory = seen[title].__len__  # a cell not seen before gets the next code
    lines, irregular, before = [np.empty(0, np.int64)], list[tuple[int, int]](), rows.line_num
    while chunk := list(islice(rows, CHUNK)):
        line = np.arange(before + 1, before + 1 + len(chunk))
        if rows.line_num != line[-1] or set(map(len, chunk)) != {width}:
            chunk, line = _regular(chunk, width, before, irregular)
        before = rows.line_num
        cells = list(zip(*chunk, strict=True))
        for title, place in places.items():
            if cells:
                codes[title].append(np.fromiter(map(seen[title].__getitem__, cells[place]), np.int32, len(chunk)))
        lines.append(line)
    for line_of, length in irregular[:NAMED]:
        found.add(f"the row has {length} cells, the heading has {width}", file, line_of)
    if len(irregular) > NAMED:
        found.add(f"and {len(irregular) - NAMED} more rows with another number of cells than the heading", file, irregular[NAMED][0])
    columns = {title: _stripped(list(seen[title]), np.concatenate(codes[title])) for title in places}
    raw = RawFile(file, columns, np.concatenate(lines))
    if not raw.n and not irregular and not file.endswith(MAY_BE_EMPTY):
        found.add("has no rows", file)
    return raw


def _regular(rows: list[list[str]], width: int, line: int, irregular: list[tuple[int, int]]) -> tuple[list[list[str]], np.ndarray]:
    """The rows with as many cells as the heading and the lines where they end; blank lines are passed over, others noted as irregular."""
    kept, lines = [], []
    for row in rows:
        line += 1 + sum(cell.count("\n") + cell.count("\r") - cell.count("\r\n") for cell in row)
        if len(row) == width or (len(row) > width and not any(map(str.strip, row[width:]))):
            kept.append(row[:width])
            lines.append(line)
        elif any(map(str.strip, row)):
            irregular.append((line, len(row)))
    return kept, np.array(lines, np.int64)


def _stripped(texts: list[str], codes: np.ndarray) -> Cells:
    """The cells without blanks around them."""
    merged: dict[str, int] = {}
    remap = np.array([merged.setdefault(text.strip(), len(merged)) for text in texts], np.int32)
    return Cells(list(merged), remap[codes] if len(codes) else codes)
