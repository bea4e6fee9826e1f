"""Which recorded table and column tell where and when an indicator arises: by zone, by hour of the day, by group.

An indicator names one table that it can be checked against, and no column. So the columns of its theme's tables are tried on one run: where
the rows add up to the indicator's own value, the column is it. Profiles are means of days and can only be near. Shares, waits and other
values that do not add up are found by name and unit; whoever shows them shows table and column with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alatau_sim.results.dataset import KpiInfo
from alatau_sim.results.rows import Rows

INTENSIVE = ("share", "1", "min", "s", "h", "C", "years", "1/s", "KZT/month", "K h", "%")
UNIT_ENDS = re.compile(r"_(kzt|wh|w|mw|m2|h|s|min|share|per_day|per_s|km)\Z")
NUMBERS = ("int32", "int64", "float64")
NO_VALUES = ("hour_of_day", "direction", "position", "peak_hour", "site", "owner")
SCALES = (1.0, 1e-3, 1e-6, 1e3, 1e6)  # Wh to MWh, KZT to million KZT, and back
EXACT, NEAR = 1e-6, 0.15


@dataclass(frozen=True)
class Source:
    """One way to look into an indicator: group the rows of `table` by `keys` and make years of `column`.

    `by` is zone, hour, or the column of the groups; `chosen` maps columns to the one label that belongs to the indicator; `additive` says
    whether rows are summed, else averaged; `over_year` how months make a year. `fit` is exact where the rows add up to the indicator, near
    where a profile does within a seventh, named where only name and unit say so.
    """

    table: str
    period: str
    column: str
    unit: str
    meaning: str
    by: str
    keys: tuple[str, ...]
    chosen: tuple[tuple[str, str], ...]
    additive: bool
    over_year: str
    fit: str


def sources_of(
    tables: Mapping[str, Mapping[str, Any]], info: KpiInfo, sample: Callable[[str], Rows | None], value: float
) -> list[Source]:
    """The best table for each way to look: by zone, by hour, by each kind of group; none where no table has the indicator.

    `tables` are the recorded ones in words; `sample(table)` gives one run's rows of one year, `value` is the indicator of that run and
    year.
    """
    best: dict[str, tuple[float, Source]] = {}
    for name, words in tables.items():
        related = name == info.table or (bool(info.theme) and words["theme"] == info.theme)
        if not related or name == "kpi_month" or words["period"] == "hour":
            continue
        rows = sample(name)
        if rows is None or not len(rows):
            continue
        for score, source in _ways(name, words, info, rows, value):
            if source.by not in best or score > best[source.by][0]:
                best[source.by] = score, source
    order = ["zone", "hour"]
    return [best[by][1] for by in sorted(best, key=lambda by: (order.index(by) if by in order else 2, by))]


def _ways(
    name: str, words: Mapping[str, Any], info: KpiInfo, rows: Rows, value: float
) -> Iterator[tuple[float, Source]]:
    """The ways to look into one table by the column that fits best, with a score."""
    columns = {c["name"]: c for c in words["columns"]}
    groups = [c for c in columns if c != "kind_of_day" and pa.types.is_dictionary(rows.table.schema.field(c).type)]
    groups += [c for c in ("zone", "anchor") if c in columns and c not in groups]  # some tables hold them as text
    chosen = _chosen(groups, info, rows)
    part = rows.part(chosen)
    hours = "hour_of_day" in columns
    found = _best_column(columns, info, rows, part, value, words["period"])
    if found is None:
        return
    fit, like, column = found
    score = {"exact": 20, "near": 10, "named": 0}[fit] + like + (1 if name == info.table else 0) - 0.1 * len(columns)
    ways: dict[str, tuple[str, ...]] = {by: (by,) for by in groups if by not in dict(chosen)}
    if hours:
        ways["hour"] = tuple(c for c in ("kind_of_day", "hour_of_day") if c in columns)
    for by, keys in ways.items():
        c = columns[column]
        yield score, Source(name, words["period"], column, c["unit"], c["meaning"], by, keys, chosen, additive(c), info.over_year, fit)


def _best_column(
    columns: Mapping[str, Mapping[str, Any]], info: KpiInfo, rows: Rows, part: NDArray[np.bool_], value: float, period: str
) -> tuple[str, float, str] | None:
    """The column that is the indicator: (how it fits, how like in name, its name), or None."""
    found = []
    for place, (name, column) in enumerate(columns.items()):
        if column["type"] not in NUMBERS or name in NO_VALUES:
            continue
        like = _likeness(name, column["unit"], info)
        if not additive(column):
            fit = "named" if like >= 1 and column["unit"] == info.unit else ""
        elif "hour_of_day" in columns:
            fit = "near" if like > 0 and _near(_daily(rows, name, part), value, _days(rows)) else ""
        else:
            total = _total(rows, name, part, info.over_year, period)
            per_day = info.unit == "1/day" and like > 0 and _near(total / 30.4, value, 1.0)
            fit = "exact" if _exact(total, value) else "near" if per_day else ""
        if fit:
            found.append((("named", "near", "exact").index(fit), like, -place, fit, name))
    if not found:
        return None
    _, like, _, fit, name = max(found)
    return fit, like, name


def _likeness(name: str, unit: str, info: KpiInfo) -> float:
    """How like a column is in name: the share of its words that the indicator's name or formula has, and how many of the name's."""
    own = set(UNIT_ENDS.sub("", name).removeprefix("mean_").split("_"))
    said = set(info.name.split("_")) | set(re.findall(r"[a-z]+", info.formula.lower()))
    theirs = set(info.name.split("_"))
    inside = len(own & said) / len(own)
    return inside + len(own & theirs) / len(own | theirs) if inside == 1 or unit == info.unit else 0.5 * inside


def additive(column: Mapping[str, Any]) -> bool:
    """Whether values of several rows may be added: not shares, means, waits or rates."""
    name = column["name"]
    return column["unit"] not in INTENSIVE and not name.startswith(("mean_", "peak_")) and not name.endswith("_share")


def _total(rows: Rows, column: str, part: NDArray[np.bool_], over_year: str, period: str) -> float:
    """The sum of a column over everything but time, made into a year."""
    values = np.where(part, np.nan_to_num(rows.numbers(column)), 0.0)
    if period == "year":
        return float(values.sum())
    sums = np.bincount(rows.months, weights=values, minlength=12)[rows.months_there]
    return float({"sum": sums.sum(), "mean": sums.mean(), "last": sums[-1], "max": sums.max()}[over_year])


def _daily(rows: Rows, column: str, part: NDArray[np.bool_]) -> float:
    """The mean day of a profile."""
    values = np.where(part, np.nan_to_num(rows.numbers(column)) * rows.day_weights(), 0.0)
    return float(values.sum()) / len(rows.months_there)


def _days(rows: Rows) -> float:
    return 30.4 * len(rows.months_there)


def _exact(total: float, value: float) -> bool:
    return value != 0 and any(abs(total * scale / value - 1) < EXACT for scale in SCALES)


def _near(daily: float, value: float, days: float) -> bool:
    return value != 0 and any(abs(daily * scale * span / value - 1) < NEAR for scale in SCALES for span in (1.0, days))


def _chosen(groups: Sequence[str], info: KpiInfo, rows: Rows) -> tuple[tuple[str, str], ...]:
    """The labels that belong to the indicator: those of its formula (`where tax is health`), else of its name (`electricity_heating`)."""
    said, named = [], []
    for group in groups:
        if group == "zone":
            continue
        words = re.search(rf"\b{group} is (\w+)", info.formula)
        for label in sorted(rows.labels_there(group)):
            word = re.sub(r"\W+", "_", label.lower())
            if words and words[1] == word:
                said.append((group, label))
            elif f"_{word}_" in f"_{info.name}_":
                named.append((group, label))
    return tuple(said or named[:1])
