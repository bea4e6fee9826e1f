"""A comparison for reading in a terminal: grouped by theme, fitted to the width; text is folded, numbers never are."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from alatau_sim.results.inputs import words_of_changes
from alatau_sim.results.numbers import number, percent

if TYPE_CHECKING:
    from alatau_sim.results.changes import Change
    from alatau_sim.results.compare import Comparison
    from alatau_sim.results.where import Place, Where

LABEL_LEAST, LABEL_MOST, UNIT_LEAST = 18, 44, 9
GAP = 2


@dataclass(frozen=True)
class Column:
    """A column of a table in text. `leave` says how early it goes where the width is short: the highest first, 0 never."""

    heading: str
    cells: list[str]
    right: bool = True
    leave: int = 0
    fold: tuple[int, int] | None = None

    @property
    def widest(self) -> int:
        """The widest cell or heading."""
        return max(map(len, [self.heading, *self.cells]))

    @property
    def least(self) -> int:
        """The width below which it is not folded."""
        if self.fold is None:
            return self.widest
        words = max((len(word) for cell in [self.heading, *self.cells] for word in cell.split()), default=0)
        return min(self.widest, max(self.fold[0], words))


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns for which there is room."""
    kept = list(columns)
    while sum(c.least for c in kept) + GAP * (len(kept) - 1) > width and any(c.leave for c in kept):
        kept.remove(max(kept, key=lambda c: c.leave))
    return kept


def table_lines(columns: Sequence[Column], width: int, heads: dict[int, str] | None = None) -> list[str]:
    """The rows as lines of at most `width` columns, if leaving columns out and folding text makes that possible.

    `heads` are lines to put before a row.
    """
    kept = fitting(columns, width)
    widths = [c.least for c in kept]
    for i, c in enumerate(kept):  # what is left goes to the text
        if c.fold is not None:
            spare = width - sum(widths) - GAP * (len(kept) - 1)
            widths[i] = min(c.widest, c.fold[1], widths[i] + max(0, spare))
    lines = _row([c.heading for c in kept], kept, widths)
    for row in range(len(kept[0].cells)):
        if heads and row in heads:
            lines += textwrap.wrap(heads[row], width, subsequent_indent="  ")
        lines += _row([c.cells[row] for c in kept], kept, widths)
    return lines


def _row(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
    folded = [
        textwrap.wrap(cell, w, subsequent_indent="  " if c.fold and w > 12 else "", break_long_words=False) or [""] if c.fold else [cell]
        for cell, c, w in zip(cells, columns, widths, strict=True)
    ]
    height = max(map(len, folded))
    lines = []
    for k in range(height):
        parts = [(f[k] if k < len(f) else "") for f in folded]
        line = (" " * GAP).join(p.rjust(w) if c.right else p.ljust(w) for p, c, w in zip(parts, columns, widths, strict=True))
        lines.append(line.rstrip())
    return lines


def text_of(comparison: Comparison, year: int | None, width: int, every: bool) -> str:
    """The whole text: each scenario, then the notes."""
    if not comparison.of_year(year):
        return f"{comparison.study}: no indicator has a value in {year}; years: {', '.join(map(str, comparison.years))}\n"
    lines: list[str] = []
    for name in comparison.scenarios[1:] or comparison.scenarios:
        if comparison.asked:
            lines += [*_where_tables(comparison, name, width), ""]
        else:
            lines += [*_scenario(comparison, name, year, width, every), ""]
    for note in comparison.notes:
        lines += textwrap.wrap(note, width, subsequent_indent="  ", break_long_words=False)
    return "\n".join(lines).strip("\n") + "\n"


def _scenario(comparison: Comparison, name: str, year: int | None, width: int, every: bool) -> list[str]:
    alone = name == comparison.baseline
    changed_inputs = comparison.inputs.get(name, [])
    said = [_cut(line, width) for line in words_of_changes(changed_inputs)] if not alone else []
    if name in comparison.identical:
        return [f"{name} against {comparison.baseline}: identical, byte for byte", *(said if changed_inputs else [])]
    own = [change for change in comparison.changes if change.scenario == name]
    shown_year = year if year is not None else max((c.year for c in own if c.pairs or alone), default=comparison.years[-1])
    rows = [change for change in own if change.year == shown_year]
    title = name if alone else f"{name} against {comparison.baseline}"
    lines = [f"{title}, {_of_years(comparison, shown_year)}", *said]
    changed, same = [row for row in rows if alone or row.differs], [row for row in rows if not (alone or row.differs)]
    shown = [*changed, *same] if every else [row for row in changed if alone or not row.slight]
    if shown:
        ordered = [*_by_theme(row for row in shown if row in changed), *_by_theme(same if every else [])]
        columns, heads = _columns(comparison, ordered)
        lines += ["", *table_lines(columns, width, heads)]
        left = [column.heading for column in columns if column not in fitting(columns, width)]
    else:
        left = []
    if changed and not alone:
        legend = _legend(comparison, changed) + ([f"no room here for: {', '.join(left)} (`--format csv` has all)"] if left else [])
        lines += ["", *(part for line in legend for part in textwrap.wrap(line, width, subsequent_indent="  "))]
    slight = len(changed) + len(same) - len(shown) - (0 if every else len(same))
    if not every and (same or slight):
        more = f", {slight} by less than 1 %" if slight else ""
        lines += textwrap.wrap(f"{len(same)} of {len(rows)} indicators do not differ{more}; `compare --all` lists them", width)
    return lines + _where_short(comparison, name, width)


def _by_theme(rows: Any) -> list[Change]:
    """The rows with those of one theme together, themes in the order in which they come."""
    found: dict[str, list[Change]] = {}
    for row in rows:
        found.setdefault(row.theme, []).append(row)
    return [row for group in found.values() for row in group]


def _of_years(comparison: Comparison, year: int) -> str:
    """The year, and which others there are."""
    others = [other for other in comparison.years if other != year]
    listed = ", ".join(map(str, others)) if len(others) <= 6 else f"{others[0]} … {others[-1]}"
    return f"{year} (`compare --year` shows {listed})" if others else str(year)


def _columns(comparison: Comparison, rows: Sequence[Change]) -> tuple[list[Column], dict[int, str]]:
    """The columns of one scenario's changes, without those that say nothing here, and the headings of themes."""
    name, base = rows[0].scenario, comparison.baseline
    heads = {}
    for place, row in enumerate(rows):
        if row.theme and (place == 0 or rows[place - 1].theme != row.theme):
            evidence = comparison.evidence.get(row.theme)
            heads[place] = f"{row.theme}: {evidence.words()}" if evidence else row.theme
    read = [_readable(row) for row in rows]

    def column(heading: str, cell: Callable[[Change], str], leave: int) -> Column:
        return Column(heading, [cell(row) for row in read], leave=leave)

    columns = [
        Column("indicator", [f"  {row.label}" if heads else row.label for row in read], False, fold=(LABEL_LEAST, LABEL_MOST)),
        Column("unit", [row.unit for row in read], False, fold=(UNIT_LEAST, 16)),
    ]
    if name == base:
        return [*columns, column(name, lambda row: number(row.mean), 0)], heads
    columns += [
        column(base, lambda row: number(row.baseline_mean), 5), column(name, lambda row: number(row.mean), 4),
        column("difference", lambda row: number(row.difference, sign=True), 0), column("relative", lambda row: percent(row.relative), 2),
    ]
    if any(row.pairs >= 2 for row in rows):
        columns.append(column("95 % interval", lambda row: _bounds(row.low, row.high), 0))
    if any(row.worlds >= 2 for row in rows):
        columns.append(column("P10 … P90", lambda row: _bounds(row.unknown_low, row.unknown_high), 1))
    if any(row.unknown_share is not None for row in rows):
        columns.append(column("not known", lambda row: _share(row.unknown_share), 3))
    # that there is one pair only is said once, below the table
    columns.append(Column("verdict", [row.verdict.partition(" (")[0] for row in read], False))
    return columns, heads


def _readable(change: Change) -> Change:
    """The change with large sums of money in millions."""
    if change.unit != "KZT" or max(abs(change.mean or 0.0), abs(change.baseline_mean or 0.0)) < 1e7:
        return change
    scaled = ("mean", "baseline_mean", "difference", "low", "high", "unknown_low", "unknown_high")
    values: dict[str, Any] = {name: getattr(change, name) for name in scaled}
    millions: dict[str, Any] = {name: None if value is None else value / 1e6 for name, value in values.items()}
    return replace(change, unit="million KZT", **millions)


def _bounds(low: float | None, high: float | None) -> str:
    return "–" if low is None else f"{number(low, sign=True)} … {number(high, sign=True)}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def _legend(comparison: Comparison, rows: Sequence[Change]) -> list[str]:
    """What the columns of bounds mean, and what they do not say."""
    pairs, worlds = max(row.pairs for row in rows), max(row.worlds for row in rows)
    if pairs < 2:
        lines = ["one pair: no interval of luck; `run -r 8` makes eight"]
    else:
        few = "; too narrow over so few pairs" if comparison.method.startswith("boot") and pairs < 10 else ""
        lines = [f"95 % interval: luck, by {comparison.method} over {pairs} pairs of replicates{few}"]
        tested = sum(row.p_adjusted is not None for row in rows)
        lines.append(f"verdict: corrected for the {tested} indicators that differ and were tested at once (Benjamini and Hochberg, 5 %); "
                     "not clear: may be luck" + _beside(rows))
        lines += _pairing(rows, pairs)
    if worlds >= 2:
        few = " (few: read it as a first hint)" if worlds < 10 else ""
        shares = any(row.unknown_share is not None for row in rows)
        lines.append(f"P10 … P90: what is not known, over {worlds} worlds{few}; " + (
            "not known: its share of a difference's variance, the rest is luck" if shares
            else "one replicate a world: its share and that of luck cannot be separated"))
    return lines


def _pairing(rows: Sequence[Change], pairs: int) -> list[str]:
    """How much the shared luck is worth: the median over the indicators of the table."""
    factors = [row.pairing_factor for row in rows if row.pairing_factor is not None]
    if not factors:
        return []
    factor = float(np.median(factors))
    few = " (rough, over so few pairs)" if pairs < 5 else ""
    removed, times = number(float(f"{100 * (1 - 1 / factor):.4g}")), number(float(f"{factor:.2g}"))
    return [f"common luck: pairing removes {removed} % of a difference's variance; without it, as narrow an interval takes {times} times "
            f"as many runs{few}"]


def _beside(rows: Sequence[Change]) -> str:
    """How many intervals leave out 0 without being a clear difference."""
    unclear = [row for row in rows if row.verdict == "not clear" and row.low is not None and row.high is not None]
    count = sum(not row.low <= 0 <= row.high for row in unclear)  # type: ignore[operator]
    return f", also where the interval alone leaves out 0 ({count} here)" if count else ""


def _where_short(comparison: Comparison, name: str, width: int) -> list[str]:
    """One line an indicator: the place with the largest change of each way to look."""
    found: dict[str, list[Where]] = {}
    for one in comparison.where:
        if one.scenario == name and one.places:
            found.setdefault(one.kpi, []).append(one)
    if not found:
        return []
    labels = {change.kpi: change.label for change in comparison.changes}
    lines = ["", "where and when it changes most (`compare --where NAME` lists more):"]
    for kpi, ways in found.items():
        read = [(way, *_readable_places(way)) for way in ways]
        told = "; ".join(
            f"{way.by} {places[0].label} {number(places[0].difference, sign=True)} {unit}".rstrip() for way, places, unit in read
        )
        lines += textwrap.wrap(f"  {labels[kpi]} [{kpi}]: {told}", width, subsequent_indent="    ", break_long_words=False)
    return lines


def _where_tables(comparison: Comparison, name: str, width: int) -> list[str]:
    """The places of the indicators that were asked for, a table a way to look."""
    title = f"{name} against {comparison.baseline}"
    lines: list[str] = []
    for kpi in comparison.asked:
        ways = [one for one in comparison.where if one.scenario == name and one.kpi == kpi]
        label = next((change.label for change in comparison.changes if change.kpi == kpi), kpi)
        if not ways:
            lines += textwrap.wrap(f"{title}: {label}: no recorded table tells it by zone, hour or group", width)
        for way in ways:
            fit = {"exact": "adds up to it", "near": "a profile of it", "named": "alike in name"}[way.fit]
            lines += textwrap.wrap(f"{title}, {way.year}: {label} by {way.by} ({way.table}.{way.column}, {fit}: {way.meaning})", width)
            lines += _places_table(comparison, way, name, width)
            if way.alone:
                listed = ", ".join(way.alone[:6]) + (f" and {len(way.alone) - 6} more" if len(way.alone) > 6 else "")
                lines += textwrap.wrap(f"without a partner, so not compared: {listed}", width, subsequent_indent="  ")
            lines.append("")
    return lines[:-1] if lines and not lines[-1] else lines


def _places_table(comparison: Comparison, way: Where, name: str, width: int) -> list[str]:
    if not way.places:
        return [f"none of {way.count} differs"]
    rows, unit = _readable_places(way)
    columns = [
        Column(way.by, [row.label for row in rows], False, fold=(12, LABEL_MOST)),
        Column(comparison.baseline, [number(row.baseline_mean) for row in rows], leave=3),
        Column(name, [number(row.mean) for row in rows], leave=2),
        Column(f"difference [{unit or '1'}]", [number(row.difference, sign=True) for row in rows]),
    ]
    if any(row.low is not None for row in rows):
        columns.append(Column("95 % interval", [_bounds(row.low, row.high) for row in rows]))
        columns.append(Column("", ["clear" if row.clear else "not clear" for row in rows], False))
    same = way.count - way.differing
    rest = [f"{way.differing - len(rows)} differ by less"] if way.differing > len(rows) else []
    rest += [f"{same} do not differ"] if same else []
    return [*table_lines(columns, width), *(["; ".join(rest)] if rest else [])]


def _readable_places(way: Where) -> tuple[list[Place], str]:
    """The places and their unit, with large energies and sums of money in millions."""
    most = max((max(abs(one.mean), abs(one.baseline_mean)) for one in way.places), default=0.0)
    if way.unit not in ("Wh", "W", "KZT") or most < 1e7:
        return way.places, way.unit
    scaled = [
        replace(one, baseline_mean=one.baseline_mean / 1e6, mean=one.mean / 1e6, difference=one.difference / 1e6,
                low=None if one.low is None else one.low / 1e6, high=None if one.high is None else one.high / 1e6)
        for one in way.places
    ]
    return scaled, "million KZT" if way.unit == "KZT" else f"M{way.unit}"
