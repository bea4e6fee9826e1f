"""What a scenario implies before anything is simulated, beside reference figures: growth, moves, building, jobs, a year and resident.

Reads the files that the scenario names and adds up; nobody is simulated. Homes that the market starts and firms that grow come on top.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from alatau_sim.errors import InputError, Problem, raise_problems

COLUMNS = ("what", "name", "unit", "low", "high", "value")
DAYS_A_YEAR = 365.2425
LABELS = {
    "growth_share": "growth of the population",
    "net_arrivals_per_1000_month": "people who come less those who go",
    "homes_m2_per_resident_year": "homes of the programme",
    "jobs_per_resident_year": "jobs of the projects",
}
"""What is computed, in words, in the order of the report."""


@dataclass(frozen=True)
class Reference:
    """One reference figure: where it was seen, and the range in which such figures usually are."""

    name: str
    unit: str
    low: float
    high: float
    value: float


@dataclass(frozen=True)
class Implied:
    """One figure that a scenario implies, in the unit of its references; `total` says the same in whole numbers."""

    what: str
    value: float
    total: str
    references: tuple[Reference, ...]

    @property
    def outside(self) -> bool:
        """Whether it lies outside the range of its references."""
        return any(not (one.low <= self.value <= one.high) for one in self.references)

    def lines(self) -> list[str]:
        """The figure with the range of its references, and these below it."""
        what = f"{LABELS[self.what]}: {self.value:.3g}"
        if not self.references:
            return [f"{what} ({self.total})"]
        first, where = self.references[0], "OUTSIDE" if self.outside else "within"
        beside = "; ".join(f"{one.name} {one.value:.3g}" for one in self.references)
        return [f"{what} {first.unit}, {where} {first.low:g} … {first.high:g} ({self.total})", f"  beside {beside}"]


def implied(scenario: Any) -> tuple[Implied, ...]:
    """The figures that a scenario implies on its first day and over its horizon; InputError where its files are wrong."""
    references = read_references(scenario.city.reference) if scenario.city.reference else {}
    found = {**_people(scenario), **_programme(scenario), **_projects(scenario)}
    return tuple(Implied(what, *found[what], references.get(what, ())) for what in LABELS if what in found)


def read_references(path: Path) -> dict[str, tuple[Reference, ...]]:
    """Reference figures by what they are of; InputError with file and line for missing columns and what is no number."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            rows = [] if missing else [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 CSV ({error})") from None
    problems = [Problem(f"the column {name!r} is missing", path, 1) for name in missing]
    found: dict[str, list[Reference]] = {}
    for line, row in rows:
        try:
            low, high, value = (float(row[name]) for name in ("low", "high", "value"))
        except (TypeError, ValueError):
            problems.append(Problem("low, high and value must be numbers", path, line))
            continue
        if row["what"] not in LABELS or not low <= high:
            problems.append(Problem(f"what is {row['what']!r}; it must be one of {', '.join(LABELS)}, with low up to high", path, line))
        found.setdefault(row["what"], []).append(Reference(row["name"], row["unit"], low, high, value))
    raise_problems(problems)
    return {what: tuple(rows) for what, rows in found.items()}


def _people(scenario: Any) -> dict[str, tuple[float, str]]:
    """Births, deaths and moves of a year that are expected of the people of the first day, if all who want to come find homes."""
    from alatau_sim.city.margins import read_margins
    from alatau_sim.city.schooling import AGE_BANDS, SEXES
    from alatau_sim.domains.people.tables import read_vital_rates

    people, world = scenario.city.residents, scenario.world.people
    rates = read_vital_rates(scenario.city.vital_rates)
    bands = read_margins(scenario.city.margins).shares("age_sex", AGE_BANDS, SEXES) * people
    ages = np.repeat(bands, 5, axis=0)[: len(rates.mortality)] / 5
    ages[-1] += bands.sum(axis=0) - ages.sum(axis=0)  # the last band is open
    births = float((ages[:, 1] * rates.fertility).sum()) * world.fertility_factor
    deaths = float((ages * rates.mortality).sum()) * world.mortality_factor
    come = rates.arrivals_per_year * scenario.policy.people.invitation_factor * world.arrival_factor
    go = rates.departure_rate * people * world.departure_factor
    growth = f"{births:+,.0f} born, {-deaths:+,.0f} dead, {come - go:+,.0f} moved a year"
    moves = f"{come / 12:,.0f} want to come and {go / 12:,.0f} go a month; who finds no home does not come"
    return {
        "growth_share": ((births - deaths + come - go) / people, growth),
        "net_arrivals_per_1000_month": ((come - go) / 12 / people * 1000, moves),
    }


def _years(scenario: Any) -> float:
    return float(((scenario.run.end - scenario.run.start).days + 1) / DAYS_A_YEAR)


def _programme(scenario: Any) -> dict[str, tuple[float, str]]:
    """Floor space of homes that the building programme announces within the run."""
    policy, run = scenario.policy.land, scenario.run
    late = timedelta(days=policy.programme_delay_days)
    due = [entry for entry in scenario.records["programme"] if entry.use == "homes" and run.start <= entry.announced <= run.end - late]
    m2 = sum(entry.floor_m2 or entry.dwellings * policy.m2_per_dwelling for entry in due) * policy.programme_factor
    a_year = m2 / _years(scenario)
    homes = f"{a_year:,.0f} m2 a year, about {a_year / policy.m2_per_dwelling:,.0f} homes; the market's come on top"
    return {"homes_m2_per_resident_year": (a_year / scenario.city.residents, homes)}


def _projects(scenario: Any) -> dict[str, tuple[float, str]]:
    """Jobs of the anchor investors that open within the run, if nothing holds them up."""
    from alatau_sim.domains.economy.tables import read_sectors

    names, columns = read_sectors(scenario.city.sectors)
    each = dict(zip(names, columns["floor_m2_per_job"].tolist(), strict=True))
    land, run, jobs = scenario.world.land, scenario.run, 0
    for one in scenario.records["projects"]:
        m2_per_job = each.get(one.sector, math.inf)  # a sector that is not there is told elsewhere
        floor_m2 = one.floor_m2 or (one.jobs * m2_per_job if math.isfinite(m2_per_job) else 0)
        permit = scenario.policy.land.permit_days if one.permit_days is None else one.permit_days
        crews = min(land.site_crews_most, math.ceil(floor_m2 / (land.site_days * land.crew_m2_per_day))) or 1
        days = max(land.site_days_least, math.ceil(floor_m2 / (crews * land.crew_m2_per_day)))
        opens = one.announced + timedelta(days=permit + (days if one.building_days is None else one.building_days))
        jobs += (one.jobs or int(floor_m2 / m2_per_job)) if run.start <= opens <= run.end else 0
    a_year = jobs / _years(scenario)
    return {"jobs_per_resident_year": (a_year / scenario.city.residents, f"{a_year:,.0f} jobs a year; other firms grow and shrink besides")}

