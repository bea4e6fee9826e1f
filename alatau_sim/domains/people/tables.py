"""Columns, derived columns and grids of people: households, residents, yearly rates by age, and households on their way to the city."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.margins import MarginTable, read_margins
from alatau_sim.city.synthesis import Population, synthesise
from alatau_sim.engine.grids import Grid
from alatau_sim.engine.randomness import hash_array, id_array, stream_word
from alatau_sim.engine.rule import Derived, Mirror
from alatau_sim.errors import Problem, raise_problems
from alatau_sim.fields import Column

MALE, FEMALE = 0, 1
SEXES = ("male", "female")
CHILD, STUDENT, EMPLOYED, UNEMPLOYED, RETIRED, INACTIVE = range(6)
STATUSES = ("child", "student", "employed", "unemployed", "retired", "inactive")
EDUCATION = ("none", "secondary", "higher", "postgraduate")
OLDEST = 100
"""The last row of the table `ages`: 100 and more."""

COLUMNS: dict[str, tuple[Column, ...]] = {
    "households": (
        Column("home", "int32", meaning="zone the household lives in", index="zones"),
        Column("balance_kzt", "int64", "KZT", "money the household has"),
        Column("leaves", "bool", meaning="moves away from the city this month"),
    ),
    "residents": (
        Column("household", "int32", meaning="household the resident belongs to", index="households"),
        Column("birth_month", "int32", "months", "month of birth, counted from the year 0"),
        Column("age", "int16", "years", "whole years since birth", within=(0, 130)),
        Column("agegroup", "int32", meaning="row of the resident's rates", index="ages"),
        Column("sex", "int8", meaning="sex", labels=SEXES, within=(0, 1)),
        Column("education", "int8", meaning="highest schooling completed", labels=EDUCATION, within=(0, 3)),
        Column("status", "int8", meaning="what the resident does", labels=STATUSES, within=(0, 5)),
        Column("employed", "bool", meaning="has paid work"),
        Column("wage_kzt", "int64", "KZT/month", "what the resident's skills are worth, gross, at an average employer", within=(0, 10**9)),
        Column("income_kzt", "int64", "KZT/month", "wage or pension that comes in", within=(0, 10**9)),
        Column("skill_rank", "float32", "1", "rank of digital skill among people of one age and schooling", 0.5, within=(0, 1)),
        Column("digital_skill", "float32", "1", "ease with digital services, 0 to 1", 0.5, within=(0, 1)),
        Column("out_from", "int8", "h", "hour at which the resident leaves home today", within=(0, 24)),
        Column("out_to", "int8", "h", "hour at which the resident is back", within=(0, 24)),
        Column("home_hours", "int32", meaning="the day's hours at home, a bit each", default=2**24 - 1, within=(0, 2**24 - 1)),
        Column("gives_birth", "bool", meaning="has a child this month"),
        Column("children_born", "int8", meaning="children born in the city since the start", within=(0, 40)),
        Column("dies", "bool", meaning="dies this month"),
    ),
    "ages": (
        Column("mortality_male", "float64", "1/year", "deaths of men a person-year"),
        Column("mortality_female", "float64", "1/year", "deaths of women a person-year"),
        Column("fertility", "float64", "1/year", "births a woman-year"),
    ),
    "seekers": (
        Column("template", "int32", meaning="starting household whose people these resemble"),
        Column("size", "int8", "people", "people of the household"),
        Column("wanted", "int32", meaning="zone where the household would like to live", index="zones"),
    ),
    "zones": (
        Column("beyond_sample", "int64", "households", "households at the start, less those that the rows of the sample stand for"),
    ),
}

MIRRORS = (Mirror("residents", "home", "household", "home", every="1 month"),)

DERIVED = (
    Derived("households", "size", "residents", "household", "count", unit="people", meaning="people of the household", every="1 month"),
    Derived("households", "income_kzt", "residents", "household", "sum", "income_kzt", unit="KZT/month", meaning="wages and pensions"),
    Derived("households", "home_mask", "residents", "household", "bits", "home_hours", meaning="hours with anyone at home, a bit each"),
    Derived("zones", "residents", "residents", "home", "count", unit="people", meaning="people who live in the zone", every="1 month"),
    Derived("zones", "households", "households", "home", "count", unit="households", meaning="households of the zone", every="1 month"),
)

GRIDS = (Grid("present", ("zones", "hour"), "people", "residents at home", profile=True),)

CITY = {
    "month_index": "months since the year 0",
    "day_off": "1 on weekends and holidays, else 0",
    "departure_rate": "departures a person-year",
}

Ints = NDArray[np.int64]
FERTILE_BANDS = tuple(f"{low}-{low + 4}" for low in range(15, 50, 5))
TEMPLATES = 4000
"""Starting households that those who come resemble, at most."""


@dataclass(frozen=True)
class VitalRates:
    """Yearly rates: mortality and fertility by single age (0 … 100), boys per girl, arrivals a year, departures a person-year."""

    mortality: NDArray[np.float64]
    fertility: NDArray[np.float64]
    boys_per_girl: float
    arrivals_per_year: float
    departure_rate: float


def read_vital_rates(path: str | Path) -> VitalRates:
    """Rates from a table with the columns measure, age, sex, value; mortality holds from its age up to the next one listed.

    Raises InputError with file and line for what is missing, unknown or above 1 where a yearly rate by age is asked for.
    """
    table = read_margins(path, ("measure", "age", "sex", "value"))
    starts = sorted({age for age, _ in table.cells.get("mortality", {})}, key=lambda age: int(age) if age.isdigit() else 0)
    by_start = table.array("mortality", starts, SEXES)
    lacking = [(a, s) for a in starts for s in SEXES if (a, s) not in table.cells["mortality"]]
    problems = [Problem(f"mortality: no value for age {age}, {sex}", table.file) for age, sex in lacking]
    problems += [Problem(f"mortality: age is {age!r}; it must be a whole number within 0 … 100", table.file)
                 for age in starts if not (age.isdigit() and int(age) <= OLDEST)]
    problems += [Problem(f"{measure} at age {age}: value is {value:g}; it must be within 0 … 1 a year", table.file,
                         table.lines.get((measure, age, sex)))
                 for measure in ("mortality", "fertility") for (age, sex), value in table.cells.get(measure, {}).items() if value > 1]
    if "0" not in starts:
        problems.append(Problem("mortality: there is no value for age 0", table.file))
    for measure in ("sex_ratio_at_birth", "arrivals", "departures"):
        if ("", "") not in table.cells.get(measure, {}):
            problems.append(Problem(f"{measure} is missing (a row with neither age nor sex)", table.file))
    raise_problems(problems)
    ages = np.arange(OLDEST + 1)
    mortality = by_start[np.searchsorted(np.array([int(a) for a in starts]), ages, side="right") - 1]
    fertility = np.zeros(len(ages))
    fertility[15:50] = np.repeat(table.array("fertility", FERTILE_BANDS, ("female",))[:, 0], 5)
    one = {measure: table.cells[measure]["", ""] for measure in ("sex_ratio_at_birth", "arrivals", "departures")}
    return VitalRates(mortality, fertility, one["sex_ratio_at_birth"], one["arrivals"], one["departures"] / 1000)


@dataclass(frozen=True)
class Wages:
    """Lognormal monthly wages: means by schooling (KZT) and the standard deviation of the logarithm."""

    means: NDArray[np.float64]
    sigma: float

    @classmethod
    def read(cls, margins: MarginTable) -> Wages:
        """The margin `wage`; people without schooling earn what those with secondary schooling do."""
        found = margins.array("wage", (*EDUCATION[1:], "dispersion"))[:, 0]
        return cls(np.array([found[0], *found[:3]]), float(found[3]))

    def draw(self, rank: NDArray[np.float64], education: NDArray[Any]) -> Ints:
        """Wages in whole tenge a month of people at the rank `rank` (0 to 1) among those with their schooling."""
        from scipy.special import ndtri

        score = ndtri(np.clip(rank, 1e-6, 1 - 1e-6))
        return np.rint(self.means[education] * np.exp(self.sigma * score - self.sigma**2 / 2)).astype(np.int64)


@dataclass(frozen=True)
class Templates:
    """Households of the start, as patterns for those that come: sizes, and the columns of their people one after another."""

    size: Ints
    first: Ints
    columns: dict[str, NDArray[Any]]

    @property
    def count(self) -> int:
        """How many patterns there are."""
        return len(self.size)

    @property
    def mean_size(self) -> float:
        """People a household."""
        return float(self.size.mean())

    def members(self, template: NDArray[Any]) -> tuple[Ints, Ints]:
        """(rows into `columns` of the people of some templates, in order; which of the templates given each belongs to)."""
        size = self.size[template]
        of = np.repeat(np.arange(len(template)), size)
        return self.first[template][of] + np.arange(len(of)) - np.repeat(np.cumsum(size) - size, size), of


def statuses(people: Population, u: NDArray[np.float64], unemployed_share: float) -> NDArray[np.int8]:
    """What people of the start do: children, students up to 21, pensioners; of the others without work, as many look for it as known."""
    age = people.age
    status = np.where(age < 6, CHILD, np.where(age < 22, STUDENT, INACTIVE)).astype(np.int8)
    status[age >= np.where(people.sex == MALE, 63, 61)] = RETIRED
    status[people.employed] = EMPLOYED
    idle = np.flatnonzero(status == INACTIVE)
    looking = round(int(people.employed.sum()) * unemployed_share / max(1 - unemployed_share, 1e-9))
    status[idle[np.argsort(u[idle], kind="stable")[:looking]]] = UNEMPLOYED
    return status


def digital_skill(age: NDArray[Any], education: NDArray[Any], rank: NDArray[np.float32]) -> NDArray[np.float32]:
    """`rules.learn_digital` for arrays: the skills that people start with."""
    skill = 0.8 - 0.008 * np.maximum(age - 25.0, 0) + 0.1 * (education >= 2) + 0.4 * (rank.astype(np.float64) - 0.5)
    return np.clip(np.where(age < 10, 0.3, skill), 0.02, 1.0).astype(np.float32)


def fill_people(sim: Any, city: Any) -> None:
    """Put the starting people and the rates of their lives into the tables. They depend on the seed only, unless redrawn.

    Raises InputError where the files of margins or rates are wrong or contradict each other.
    """
    scenario, state = city.scenario, sim.state["people"]
    rates = read_vital_rates(scenario.city.vital_rates)
    sim.tables["ages"].insert(id_array(stream_word("age"), np.arange(OLDEST + 1)), {
        "mortality_male": rates.mortality[:, 0], "mortality_female": rates.mortality[:, 1], "fertility": rates.fertility,
    })  # fmt: skip
    state.update(boys_per_girl=rates.boys_per_girl, arrivals_per_year=rates.arrivals_per_year, departure_rate=rates.departure_rate)
    margins = read_margins(scenario.city.margins)
    state["wages"] = Wages.read(margins)
    homes = np.where(city.zones.outside, 0, city.zones.residents_existing)
    if not homes.any():
        homes = np.where(city.zones.outside, 0, city.zones.dwellings_existing)
    if not homes.any():
        homes = np.where(city.zones.outside, 0, city.zones.dwellings_planned)
    people = synthesise(margins, homes, scenario.city.residents, sim.seed, sim.population)
    state["synthesis"] = people.report
    columns = _columns(sim, people, state["wages"])
    state["templates"] = _templates(people, columns)
    _insert(sim, people, columns)


def _columns(sim: Any, people: Population, wages: Wages) -> dict[str, NDArray[Any]]:
    """The columns of the starting residents that do not depend on the month."""
    # Late digits of the rank among wages are as good as new draws for what has nothing to do with wages.
    status = statuses(people, people.rank * 31 % 1, sim.world.people.unemployed_share)
    wage = wages.draw(people.rank, people.education)
    skill_rank = (people.rank * 127 % 1).astype(np.float32)
    income = np.where(people.employed, wage, np.where(status == RETIRED, sim.world.people.pension_kzt, 0))
    return {
        "age_months": people.age_months, "sex": people.sex, "education": people.education, "status": status, "employed": people.employed,
        "income_kzt": income, "wage_kzt": wage, "skill_rank": skill_rank,
        "digital_skill": digital_skill(people.age, people.education, skill_rank),
    }  # fmt: skip


def _templates(people: Population, columns: dict[str, NDArray[Any]]) -> Templates:
    """Households with a head up to 50, picked by a hash of their ids: those who move are the younger ones (assumed)."""
    first = np.cumsum(people.size) - people.size
    young = np.flatnonzero(people.age[first] <= 50)
    rows = young[np.argsort(hash_array(0, people.household_id[young]), kind="stable")[:TEMPLATES]]
    everyone = Templates(people.size, first, {})
    members, _ = everyone.members(rows)
    size = people.size[rows]
    return Templates(size, np.cumsum(size) - size, {name: column[members] for name, column in columns.items()})


def _insert(sim: Any, people: Population, columns: dict[str, NDArray[Any]]) -> None:
    """Put households and residents into their tables; in a sample, one household in `sim.weight`, picked by key."""
    kept = np.ones(len(people.size), bool)
    if sim.weight > 1:
        kept = sim.in_sample(people.household_id)
    zones = sim.tables["zones"]
    drawn = np.bincount(people.zone[kept], minlength=zones.n) * sim.weight
    zones["beyond_sample"][:] = np.bincount(people.zone, minlength=zones.n) - drawn
    of = kept[people.household]
    row = (np.cumsum(kept) - 1)[people.household[of]].astype(np.int32)
    income = np.bincount(row, weights=columns["income_kzt"][of], minlength=int(kept.sum()))
    balance = np.rint(income * sim.world.people.savings_months).astype(np.int64)
    sim.tables["households"].insert(people.household_id[kept], {"home": people.zone[kept], "balance_kzt": balance})
    months = columns["age_months"][of]
    sim.tables["residents"].insert(people.id[of], {
        **{name: column[of] for name, column in columns.items() if name != "age_months"}, "household": row, "home": people.zone[kept][row],
        "birth_month": sim.clock.month_index - months, "age": months // 12, "agegroup": np.minimum(months // 12, OLDEST),
    })  # fmt: skip
