"""Margins: reading them, fitting a table to them (iterative proportional fitting), and whole numbers that meet them exactly.

A margin is a known total along one or more axes of a table. This module knows no meaning of the axes: only numbers and names.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Axes = Sequence[int | tuple[int, Ints]]
COLUMNS = ("margin", "category", "subcategory", "value")


@dataclass(frozen=True)
class MarginTable:
    """The margins of one file: `cells[margin][category, subcategory]` is a value; `lines` says on which line each was."""

    file: Path
    cells: Mapping[str, Mapping[tuple[str, str], float]]
    lines: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    def array(self, margin: str, categories: Sequence[str], subcategories: Sequence[str] = ("",)) -> Floats:
        """One margin as a (categories × subcategories) array; cells that the file leaves out are 0.

        Raises InputError for a margin that is not there and for a category that is not among the expected ones.
        """
        if margin not in self.cells:
            raise InputError(f"{self.file}: margin {margin!r} is missing{did_you_mean(margin, self.cells)}")
        found = self.cells[margin]
        problems = []
        for category, subcategory in found:
            for word, known in ((category, categories), (subcategory, subcategories)):
                if word not in known:
                    message = f"margin {margin!r} has {word!r}{did_you_mean(word, known) or f'; known: {len(known)} categories'}"
                    problems.append(Problem(message, self.file, self.lines.get((margin, category, subcategory))))
        raise_problems(problems)
        return np.array([[found.get((c, s), 0.0) for s in subcategories] for c in categories])

    def line(self, margin: str, category: str, subcategory: str = "") -> int | None:
        """The first line of a margin, of one of its categories, or of one cell, where lines are known."""
        lines = (n for (m, c, s), n in self.lines.items() if m == margin and category in ("", c) and subcategory in ("", s))
        return min(lines, default=None)

    def shares(self, margin: str, categories: Sequence[str], subcategories: Sequence[str] = ("",), *, within_rows: bool = False) -> Floats:
        """A margin of shares, scaled to sum to exactly 1 (in each row with `within_rows`), as rounding in the source leaves a little.

        Raises InputError naming file, line and total where the sum is not within 0.5 % of 1.
        """
        values = self.array(margin, categories, subcategories)
        sums = values.sum(axis=1) if within_rows else np.array([values.sum()])
        rows = categories if within_rows else [""]
        raise_problems(
            Problem(f"margin {margin!r}{f' of {row!r}' if row else ''} adds up to {total:.4f}; shares must add up to 1", self.file,
                    self.line(margin, row))
            for row, total in zip(rows, sums, strict=True)
            if abs(total - 1) > 0.005
        )
        return values / (sums[:, None] if within_rows else sums[0])


def read_margins(path: str | Path, columns: Sequence[str] = COLUMNS) -> MarginTable:
    """Read a long table with the columns margin, category, subcategory, value; other columns (unit, source) are kept for people.

    Raises InputError with file and line for a missing file, missing columns, values that are no number or negative, and repeated cells.
    """
    file = Path(path)
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            lacking = [name for name in columns if name not in (reader.fieldnames or ())]
            rows = [] if lacking else [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8 text: {error.reason} at byte {error.start}") from error
    if lacking:
        raise InputError(f"{file}:1: missing column{'s' * (len(lacking) > 1)} {', '.join(lacking)}; needed: {', '.join(columns)}")
    cells: dict[str, dict[tuple[str, str], float]] = {}
    lines: dict[tuple[str, str, str], int] = {}
    problems = []
    for line, row in rows:
        margin, category, subcategory, text = ((row[name] or "").strip() for name in columns)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            message = f"margin {margin!r}, {category} {subcategory}: value is {text!r}; it must be a number of at least 0"
            problems.append(Problem(message, file, line))
        elif (category, subcategory) in cells.setdefault(margin, {}):
            first = lines[margin, category, subcategory]
            problems.append(Problem(f"margin {margin!r}, {category} {subcategory}: is there twice (first on line {first})", file, line))
        else:
            cells[margin][category, subcategory] = value
            lines[margin, category, subcategory] = line
    raise_problems(problems)
    return MarginTable(file, cells, lines)


def _cells(shape: tuple[int, ...], axes: Axes, wanted: tuple[int, ...]) -> Ints:
    """For each cell of a table, in order, the cell of the margin over `axes` that it belongs to; `wanted` is the margin's shape."""
    places = np.indices(shape)
    at = [places[a] if isinstance(a, int) else a[1][places[a[0]]] for a in axes]
    return np.ravel_multi_index(at, wanted).ravel()


def _margin_shape(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape that a margin over `axes` must have; groups are numbered from 0 without gaps at the end."""
    return tuple(shape[a] if isinstance(a, int) else int(a[1].max()) + 1 for a in axes)


def _check_margins(shape: tuple[int, ...], margins: Sequence[NDArray], axes: Sequence[Axes], file: str | Path | None,
                   names: Sequence[str], tol: float) -> None:
    """Raise InputError where margins have another shape than the table, or totals that differ by more than `tol` of the first."""
    first = float(margins[0].sum())
    problems = []
    for name, margin, axis in zip(names, margins, axes, strict=True):
        wanted = _margin_shape(shape, axis)
        if margin.shape != wanted:
            problems.append(Problem(f"margin {name!r} has the shape {margin.shape}; the table needs {wanted}", file))
        elif abs(float(margin.sum()) - first) > tol * max(abs(first), 1e-300):
            totals = f"{names[0]!r} adds up to {first:.10g} and {name!r} to {float(margin.sum()):.10g}"
            problems.append(Problem(f"margins contradict each other: {totals}; the totals must be equal", file))
    raise_problems(problems)


def ipf(seed: NDArray, margins: Sequence[NDArray], axes: Sequence[Axes], tol: float = 1e-9, max_iter: int = 1000, *,
        file: str | Path | None = None, names: Sequence[str] = ()) -> Floats:
    """The table nearest to `seed` (in relative entropy) that has the given margins: iterative proportional fitting.

    `margins[i]` has the shape of the table's axes `axes[i]`. An axis may be given with a coarser group for each of its places,
    as (axis, group numbers): the margin then has a place for each group. The result meets all margins within `tol` of the total.
    Source: W. E. Deming and F. F. Stephan (1940). Raises InputError, naming `file` and the margins, where totals differ, where a
    margin asks for something in cells that the seed holds empty, or where the margins cannot be met together.
    """
    table = np.array(seed, np.float64).ravel()
    targets = [np.asarray(margin, np.float64) for margin in margins]
    names = list(names) or [f"number {i}" for i in range(len(axes))]
    _check_margins(seed.shape, targets, axes, file, names, 1e-6)
    cells = [_cells(seed.shape, axis, target.shape) for target, axis in zip(targets, axes, strict=True)]
    total = float(targets[0].sum())
    for name, target, cell in zip(names, targets, cells, strict=True):
        empty = (np.bincount(cell, table, target.size).reshape(target.shape) <= 0) & (target > 0)
        if empty.any():
            where = tuple(int(i) for i in np.argwhere(empty)[0])
            message = f"margin {name!r} asks for {target[where]:g} in cell {where}, where the seed table holds 0"
            raise InputError(str(Problem(message, file)))
    for _ in range(max_iter):
        gaps = []
        for target, cell in zip(targets, cells, strict=True):
            have = np.bincount(cell, table, target.size)
            gaps.append(float(np.abs(have - target.ravel()).max(initial=0)))
            table *= np.divide(target.ravel(), have, out=np.zeros(target.size), where=have > 0)[cell]
        if max(gaps) <= tol * max(total, 1e-300):
            return table.reshape(seed.shape)
    worst = int(np.argmax(gaps))
    message = f"margins contradict each other: {names[worst]!r} is missed by {gaps[worst]:g} after {max_iter} rounds"
    raise InputError(str(Problem(message, file)))


def largest_remainder(weights: NDArray, total: int) -> Ints:
    """Whole numbers in proportion to `weights` that add up to `total`: floors, and one more for the largest remainders (Hamilton).

    Ties go to the earlier cell. Raises InputError where nothing has weight and the total is above 0.
    """
    flat = np.asarray(weights, np.float64).ravel()
    whole = float(flat.sum())
    if whole <= 0:
        if total:
            raise InputError(f"{total} cannot be shared out: all weights are 0")
        return np.zeros(np.shape(weights), np.int64)
    exact = flat * (total / whole)
    counts = np.floor(exact + 1e-9).astype(np.int64)
    short = total - int(counts.sum())
    order = np.argsort(-(exact - counts), kind="stable")
    if short >= 0:
        counts[order[:short]] += 1
    else:
        counts[order[short:]] -= 1
    return counts.reshape(np.shape(weights))


def split(whole: NDArray, wish: NDArray, total: int) -> Ints:
    """How many of the `whole[i]` members of each cell are chosen, near `wish[i]` of them and `total` in all: floors, then remainders.

    Where the wishes add up to the total, each is met within less than 1. Cells without a wish are taken last. `total` must be within
    0 and the sum of `whole`.
    """
    chosen = np.minimum(np.floor(wish + 1e-9).astype(np.int64), whole)
    while short := int(total - chosen.sum()):
        more = short > 0
        room = whole - chosen if more else chosen
        free = np.flatnonzero((room > 0) & (wish > 0))
        free = free if len(free) else np.flatnonzero(room > 0)
        # All get the same as long as that is one or more; what is left goes to the largest remainders, or is taken from the smallest.
        each = abs(short) // len(free)
        if not each:
            remainder = (wish - chosen)[free]
            free, each = free[np.argsort(-remainder if more else remainder, kind="stable")[: abs(short)]], 1
        chosen[free] += np.minimum(room[free], each) * (1 if more else -1)
    return chosen


def integerise(weights: NDArray, rows: NDArray, columns: NDArray, *, file: str | Path | None = None,
               names: tuple[str, str] = ("rows", "columns")) -> Ints:
    """Whole numbers near `weights` (rows × columns) whose sums are exactly the whole numbers `rows` and `columns`.

    One column after another takes its share of what is left in the rows, by largest remainders. Columns with fewer cells go first, so
    empty cells stay empty whenever the rows of each column contain those of every column with fewer. Raises InputError, naming both
    totals, where they differ.
    """
    _check_margins(np.shape(weights), [np.asarray(rows), np.asarray(columns)], [(0,), (1,)], file, names, 0.0)
    counts, left = np.zeros(np.shape(weights), np.int64), np.array(rows, np.int64)
    order = np.argsort((np.asarray(weights)[left > 0] > 0).sum(axis=0), kind="stable")
    # What each column and those after it weigh, row by row.
    behind = np.cumsum(weights[:, order[::-1]], axis=1)[:, ::-1]
    for turn, column in enumerate(order):
        share = np.divide(weights[:, column], behind[:, turn], out=np.zeros(len(left)), where=behind[:, turn] > 0)
        counts[:, column] = split(left, left * np.minimum(share, 1.0), int(columns[column]))
        left -= counts[:, column]
    return counts


def deal(cell: NDArray, rank: NDArray, counts: NDArray) -> Ints:
    """A code for each member so that every cell has exactly its `counts` (cells × codes): the lowest `rank` (0 to 1) gets code 0.

    `cell` numbers the rows of `counts`, whose sums are the members of each cell.
    """
    codes = np.empty(len(cell), np.int64)
    codes[np.argsort(cell + rank, kind="stable")] = np.repeat(np.tile(np.arange(counts.shape[1]), len(counts)), counts.ravel())
    return codes
