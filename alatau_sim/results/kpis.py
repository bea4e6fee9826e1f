"""Recorded tables and key performance indicators: what each holds, in which unit, and how it is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alatau_sim.fields import ResultField

Period = Literal["hour", "day", "month", "year"]


@dataclass(frozen=True)
class ResultTable:
    """A recorded table, named `<subject>_<period>`; the time column is called after the period and comes first.

    `build(simulation)` returns the columns (numpy arrays or lists of equal length, without the time column) of the period that has just
    ended; an hourly table is built once a day and brings its own `hour` column (0 … 23), which the recorder turns into timestamps.
    `default` is false for tables that only `results.hourly` or `results.tables` switches on. `theme` is the sheet of the summary.
    """

    name: str
    period: Period
    fields: tuple[ResultField, ...]
    build: Callable[[Any], Mapping[str, Any]]
    meaning: str = ""
    theme: str = ""
    default: bool = True


@dataclass(frozen=True)
class Kpi:
    """One indicator of the month: `compute(simulation)` is called when the month closes and returns one number (NaN: not defined).

    `over_year` says how months make a year: sum, mean, last or max. `better` says which direction is good, `formula` explains in
    words, `table` names the recorded table that it can be checked against.
    """

    name: str
    label: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    formula: str
    table: str
    compute: Callable[[Any], float]
    over_year: Literal["sum", "mean", "last", "max"] = "last"
    theme: str = ""
