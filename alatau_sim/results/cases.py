"""A study as cases that are read side by side: what each indicator was by year, and figures that are made from several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from alatau_sim.results.compare import Comparison, Run, Yearly, central_mean, compare, yearly_values
from alatau_sim.results.dataset import KpiInfo, Study

PER_HEAD = {
    "KZT": (1.0, "KZT a resident"), "MWh": (1000.0, "kWh a resident"), "payments": (1.0, "payments a resident"),
    "riders": (1.0, "rides a resident"), "km": (1.0, "km a resident"), "jobs": (1000.0, "jobs for each 1,000 residents"),
    "dwellings": (1000.0, "dwellings for each 1,000 residents"), "firms": (1000.0, "firms for each 1,000 residents"),
    "m2": (1.0, "m2 a resident"), "1/day": (1.0, "a day and resident"), "MW": (1000.0, "kW a resident"),
}  # fmt: skip
"""Units of sums and counts of the whole city, with the factor and the unit of the figure a head."""
NOT_A_HEAD = ("Mean ", "Hours ", "Electricity served a resident", "Days ")
"""Beginnings of labels of indicators that are means already."""


@dataclass(frozen=True)
class Cases:
    """The scenarios of a study, the baseline first, and their yearly values; `complete` are the years with twelve months."""

    study: Study
    names: list[str]
    yearly: Yearly
    months: dict[int, int]
    infos: dict[str, KpiInfo]
    comparison: Comparison
    population: Yearly

    @property
    def baseline(self) -> str:
        """The case that others are compared with."""
        return self.names[0]

    @property
    def years(self) -> list[int]:
        """All years with values."""
        return sorted({year for _, year in self.yearly})

    @property
    def complete(self) -> list[int]:
        """The years of which every month was recorded."""
        return [year for year in self.years if self.months.get(year, 12) == 12]

    @property
    def shown_year(self) -> int | None:
        """The year that headlines show: the last complete one, else the last."""
        years = self.complete or self.years
        return years[-1] if years else None

    def known(self, names: Sequence[str]) -> list[KpiInfo]:
        """Those of the indicators that the study has values of."""
        valued = {kpi for kpi, _ in self.yearly}
        return [self.infos[name] for name in names if name in valued]

    def runs(self, kpi: str, year: int, case: str) -> dict[Run, float]:
        """An indicator's value of the year in each run of a case."""
        return self.yearly.get((kpi, year), {}).get(case, {})

    def values(self, kpi: str, case: str, years: Sequence[int] | None = None) -> list[float | None]:
        """An indicator's mean over the replicates of world 0, year by year."""
        return [central_mean(self.runs(kpi, year, case)) for year in (self.years if years is None else years)]

    def per_head(self, kpi: str, case: str) -> list[float | None]:
        """An indicator over the people: its sum over the year's mean population, or its state over the population at the end."""
        factor = PER_HEAD[self.infos[kpi].unit][0]
        people = self.yearly if self.infos[kpi].over_year in ("last", "max") else self.population
        found = []
        for year in self.years:
            heads = people.get(("population", year), {}).get(case, {})
            ratios = {run: factor * value / heads[run] for run, value in self.runs(kpi, year, case).items() if heads.get(run)}
            found.append(central_mean(ratios))
        return found

    def a_head(self) -> list[KpiInfo]:
        """The indicators that make sense a head."""
        valued = self.known(list(self.infos)) if ("population", self.years[-1] if self.years else 0) in self.population else []
        return [info for info in valued if info.unit in PER_HEAD and not info.label.startswith(NOT_A_HEAD)]


def open_cases(study: Study, baseline: str | None = None) -> Cases:
    """The cases of a study."""
    comparison = compare(study, baseline)
    yearly, months = yearly_values(study)
    return Cases(study, list(comparison.scenarios), yearly, months, study.kpis(), comparison, _population(study))


def _population(study: Study) -> Yearly:
    """The mean population over the months of each year."""
    if "population" not in study.kpis():
        return {}
    table = study.table("kpi_month")
    ours = pc.call_function("equal", [table["kpi"].cast("string"), pa.scalar("population")])
    table = table.filter(pc.call_function("and", [ours, table["value"].is_valid()]))
    table = table.append_column("year", pc.call_function("year", [table["month"]]))
    keys = ["year", "scenario", "world", "replicate"]
    means = table.group_by(keys, use_threads=False).aggregate([("value", "mean")])
    found: Yearly = {}
    for row in means.to_pylist():
        by_case = found.setdefault(("population", row["year"]), {})
        by_case.setdefault(row["scenario"], {})[row["world"], row["replicate"]] = row["value_mean"]
    return found


def growth(values: Sequence[float | None]) -> list[float | None]:
    """Each year's change over the year before, as a share; none where either is missing or not positive."""
    pairs = zip([None, *values[:-1]], values, strict=True)
    return [now / before - 1 if before is not None and now is not None and before > 0 and now >= 0 else None for before, now in pairs]


def growth_a_year(values: Sequence[float | None]) -> float | None:
    """The constant growth a year that leads from the first value to the last (compound annual growth rate)."""
    if len(values) < 2 or values[0] is None or values[-1] is None or values[0] <= 0 or values[-1] < 0:
        return None
    return math.pow(values[-1] / values[0], 1 / (len(values) - 1)) - 1


def each_run(cases: Cases, case: str, of: Callable[[Run], float | None]) -> dict[Run, float]:
    """What `of` makes of each run of a case."""
    runs = [(run.world, run.replicate) for run in cases.study.runs if run.scenario == case]
    return {run: value for run in runs if (value := of(run)) is not None}
