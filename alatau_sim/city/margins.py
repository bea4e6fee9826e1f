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

    def shares(self, margin: str, categories: Sequence[str], subcategories: Sequence[str] = ("",), *, within_rows: bool = False) -> Floats:
        """A margin of shares, scaled to sum to exactly 1 (in each row with `within_rows`), as rounding in the source leaves a little.

        Raises InputError naming the file and both totals where the sum is not within 0.5 % of 1.
        """
        values = self.array(margin, categories, subcategories)
        sums = values.sum(axis=1) if within_rows else np.array([values.sum()])
        rows = categories if within_rows else [""]
        raise_problems(
            Problem(f"margin {margin!r}{f' of {row!r}' if row else ''} adds up to {total:.4f}; shares must add up to 1", self.file)
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


def _project(table: NDArray, axes: tuple[int, ...]) -> NDArray:
    """The table summed over every axis that is not in `axes`."""
    return table.sum(axis=tuple(a for a in range(table.ndim) if a not in axes))


def _spread(values: NDArray, axes: tuple[int, ...], ndim: int) -> NDArray:
    """A margin shaped so that it broadcasts over the whole table."""
    return values.reshape([values.shape[axes.index(a)] if a in axes else 1 for a in range(ndim)])


def _check_margins(shape: tuple[int, ...], margins: Sequence[NDArray], axes: Sequence[tuple[int, ...]], file: str | Path | None,
                   names: Sequence[str], tol: float) -> None:
    """Raise InputError where margins have another shape than the table, or totals that differ by more than `tol` of the first."""
    first = float(margins[0].sum())
    problems = []
    for name, margin, axis in zip(names, margins, axes, strict=True):
        wanted = tuple(shape[a] for a in axis)
        if tuple(axis) != tuple(sorted(axis)) or margin.shape != wanted:
            problems.append(Problem(f"margin {name!r} has the shape {margin.shape}; the table needs {wanted}", file))
        elif abs(float(margin.sum()) - first) > tol * max(abs(first), 1e-300):
            totals = f"{names[0]!r} adds up to {first:.10g} and {name!r} to {float(margin.sum()):.10g}"
            problems.append(Problem(f"margins contradict each other: {totals}; the totals must be equal", file))
    raise_problems(problems)


def ipf(seed: NDArray, margins: Sequence[NDArray], axes: Sequence[tuple[int, ...]], tol: float = 1e-9, max_iter: int = 1000, *,
        file: str | Path | None = None, names: Sequence[str] = ()) -> Floats:
    """The table nearest to `seed` (in relative entropy) that has the given margins: iterative proportional fitting.

    `margins[i]` has the shape of the table's axes `axes[i]` (in ascending order). The result meets all margins within `tol` of
    the total. Source: W. E. Deming and F. F. Stephan (1940). Raises InputError, naming `file` and the margins, where totals differ,
    where a margin asks for something in cells that the seed holds empty, or where the margins cannot be met together.
    """
    table = np.array(seed, np.float64)
    targets = [np.asarray(margin, np.float64) for margin in margins]
    axes = [tuple(a) for a in axes]
    names = list(names) or [f"axis {', '.join(map(str, a))}" for a in axes]
    _check_margins(table.shape, targets, axes, file, names, 1e-6)
    total = float(targets[0].sum())
    for name, target, axis in zip(names, targets, axes, strict=True):
        empty = (_project(table, axis) <= 0) & (target > 0)
        if empty.any():
            where = tuple(int(i) for i in np.argwhere(empty)[0])
            message = f"margin {name!r} asks for {target[where]:g} in cell {where}, where the seed table holds 0"
            raise InputError(str(Problem(message, file)))
    for _ in range(max_iter):
        for target, axis in zip(targets, axes, strict=True):
            have = _project(table, axis)
            table *= _spread(np.divide(target, have, out=np.zeros_like(target), where=have > 0), axis, table.ndim)
        gaps = [float(np.abs(_project(table, axis) - target).max(initial=0)) for target, axis in zip(targets, axes, strict=True)]
        if max(gaps) <= tol * max(total, 1e-300):
            return table
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


def integerise(weights: NDArray, margins: Sequence[NDArray], axes: Sequence[tuple[int, ...]], *, file: str | Path | None = None,
               names: Sequence[str] = ()) -> Ints:
    """Whole numbers near `weights` (least total distance) that meet whole margins exactly, by linear programming on the fractions.

    Each cell is its floor plus a 0 or 1; where that cannot be, more is added or taken at a higher price. With two axes the problem is
    a network and its solution is whole by itself; otherwise branch and bound is used. Raises InputError where margins contradict.
    """
    # SciPy takes 0.3 s to import, which commands that only check a scenario should not pay.
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, hstack, vstack

    table = np.asarray(weights, np.float64)
    targets = [np.asarray(margin, np.int64) for margin in margins]
    axes = [tuple(a) for a in axes]
    names = list(names) or [f"axis {', '.join(map(str, a))}" for a in axes]
    _check_margins(table.shape, targets, axes, file, names, 0.0)
    # A cell that is whole but for rounding keeps its number.
    floors = np.floor(table + 1e-7)
    fractions = np.clip(table - floors, 0.0, 1.0).ravel()
    cells = np.arange(table.size).reshape(table.shape)
    blocks, needs = [], []
    for target, axis in zip(targets, axes, strict=True):
        index = np.arange(target.size).reshape(target.shape)
        rows = np.broadcast_to(_spread(index, axis, table.ndim), table.shape).ravel()
        blocks.append(csr_array((np.ones(table.size), (rows, cells.ravel())), shape=(target.size, table.size)))
        needs.append((target - _project(floors, axis)).ravel())
    matrix = vstack(blocks)
    need = np.concatenate(needs)
    # One more (0 or 1) costs 1 − 2 × fraction of distance; anything beyond costs more, and empty cells stay empty where they can.
    dear = np.where(table.ravel() > 0, 3.0, 1e3)
    costs = np.concatenate([np.where(table.ravel() > 0, 1 - 2 * fractions, 1e3), dear, np.full(table.size, 3.0)])
    upper = np.concatenate([np.ones(table.size), np.full(table.size, float(max(1, np.abs(need).max(initial=1)))), floors.ravel()])
    network = len(axes) <= 2 and all(len(a) == 1 for a in axes)
    solved = milp(costs, constraints=LinearConstraint(hstack([matrix, matrix, -matrix]).tocsr(), need, need), bounds=Bounds(0, upper),
                  integrality=np.full(costs.size, 0 if network else 1, np.int8))
    if solved.x is None:
        raise InputError(str(Problem(f"margins {', '.join(map(repr, names))} cannot be met together in whole numbers", file)))
    one, more, less = np.rint(solved.x).astype(np.int64).reshape(3, *table.shape)
    return floors.astype(np.int64) + one + more - less


def quota_codes(group: NDArray, rank: NDArray, shares: NDArray) -> NDArray[np.int8]:
    """A code for each member so that within each group the shares are met exactly (largest remainder): lowest `rank` gets code 0.

    `group` numbers the rows of `shares` (groups × codes); −1 belongs to none and gets 0.
    """
    codes = np.zeros(len(group), np.int8)
    for number, share in enumerate(shares):
        members = np.flatnonzero(group == number)
        counts = largest_remainder(share, len(members)) if len(members) else np.zeros(len(share), np.int64)
        order = members[np.argsort(rank[members], kind="stable")]
        codes[order] = np.repeat(np.arange(len(share), dtype=np.int8), counts)
    return codes
