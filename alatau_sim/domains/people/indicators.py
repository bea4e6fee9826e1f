"""Recorded tables and indicators of people, from the tables and the month's counts. A sample counts each row as its weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.people.settle import FLOWS
from alatau_sim.domains.people.tables import EMPLOYED, SEXES, STUDENT, UNEMPLOYED
from alatau_sim.fields import ResultField
from alatau_sim.results.kpis import Kpi, ResultTable

AGE_BANDS = (*(f"{low}-{low + 4}" for low in range(0, 100, 5)), "100+")
KINDS_OF_DAY = ("workday", "day off")
_ZONE = ResultField("zone", "category", "", "zone")
_STOCKS = (
    ResultField("residents", "int64", "people", "people who live in the zone at the end of the period"),
    ResultField("households", "int64", "households", "households that live in the zone at the end of the period"),
    ResultField("employed", "int64", "people", "residents with paid work at the end of the period"),
    ResultField("mean_income_kzt", "float64", "KZT/month", "mean income of the households; empty where there are none"),
)


def _inside(sim: Any) -> NDArray[np.int64]:
    """Rows of the zones that belong to the city."""
    return np.flatnonzero(~sim.tables["zones"]["outside"])


def _stocks(sim: Any) -> dict[str, Any]:
    """What there is in each zone of the city now."""
    households, residents = sim.tables["households"], sim.tables["residents"]
    rows, n = _inside(sim), sim.tables["zones"].n
    home, lives = households["home"], residents["home"]
    count = np.bincount(home[home >= 0], minlength=n)
    income = np.bincount(home[home >= 0], weights=households["income_kzt"][home >= 0], minlength=n)
    return {
        "zone": rows,
        "residents": np.bincount(lives[lives >= 0], minlength=n)[rows] * sim.weight,
        "households": count[rows] * sim.weight,
        "employed": np.bincount(lives[(lives >= 0) & residents["employed"]], minlength=n)[rows] * sim.weight,
        "mean_income_kzt": np.divide(income, count, out=np.full(n, math.nan), where=count > 0)[rows],
    }


def build_month(sim: Any) -> Mapping[str, Any]:
    """People and work by zone at the end of the month, and who was born, died, came and left in it."""
    rows = _inside(sim)
    return {**_stocks(sim), **{name: flow[rows] * sim.weight for name, flow in sim.state["people"]["flows"].items()}}


def build_zones_year(sim: Any) -> Mapping[str, Any]:
    """People and work by zone at the end of the year."""
    return _stocks(sim)


def build_population(sim: Any) -> Mapping[str, Any]:
    """The city's people by age band and sex at the end of the year."""
    residents = sim.tables["residents"]
    band = np.minimum(residents["age"] // 5, len(AGE_BANDS) - 1).astype(np.int64)
    counts = np.bincount(band * 2 + residents["sex"], minlength=2 * len(AGE_BANDS)) * sim.weight
    return {"age_band": np.repeat(np.arange(len(AGE_BANDS)), 2), "sex": np.tile(np.arange(2), len(AGE_BANDS)), "residents": counts}


def build_presence(sim: Any) -> Mapping[str, Any]:
    """The mean day of the month by kind of day: residents at home by zone and hour."""
    rows, kinds = _inside(sim), np.flatnonzero(sim.month_days)
    present = sim.month_profile("present")[kinds][:, rows] / sim.month_days[kinds, None, None]
    kind, zone, hour = (index.ravel() for index in np.indices(present.shape))
    return {"kind_of_day": kinds[kind], "hour_of_day": hour, "zone": rows[zone], "present": present.ravel()}


_FLOW_FIELDS = tuple(
    ResultField(name, "int64", "people", meaning)
    for name, meaning in zip(FLOWS, ("born in the month", "died", "moved to the city", "moved away from the city"), strict=True)
)
TABLES = (
    ResultTable("people_month", "month", (_ZONE, *_STOCKS, *_FLOW_FIELDS), build_month, "people and work by zone", "people"),
    ResultTable("zones_year", "year", (_ZONE, *_STOCKS), build_zones_year, "zones at the end of the year", "people"),
    ResultTable(
        "population_year", "year",
        (
            ResultField("age_band", "category", "years", "age", AGE_BANDS), ResultField("sex", "category", "", "sex", SEXES),
            ResultField("residents", "int64", "people", "people at the end of the year"),
        ),
        build_population, "people by age and sex", "people",
    ),
    ResultTable(
        "presence_profile_month", "month",
        (
            ResultField("kind_of_day", "category", "", "working day, or weekend and holiday", KINDS_OF_DAY),
            ResultField("hour_of_day", "int32", "h", "hour of the day, 0 to 23"), _ZONE,
            ResultField("present", "float64", "people", "residents at home in the hour, mean over the month's days of the kind"),
        ),
        build_presence, "residents at home by hour of the day", "people",
    ),
)  # fmt: skip


def _flow(name: str) -> Callable[[Any], float]:
    return lambda sim: float(sim.state["people"]["flows"][name].sum() * sim.weight)


def _mean_age(sim: Any) -> float:
    """Mean of whole years plus a half."""
    age = sim.tables["residents"]["age"]
    return float(age.mean()) + 0.5 if len(age) else math.nan


def _unemployment(sim: Any) -> float:
    status = sim.tables["residents"]["status"]
    looking, working = int((status == UNEMPLOYED).sum()), int((status == EMPLOYED).sum())
    return looking / (looking + working) if looking + working else math.nan


def _mean_income(sim: Any) -> float:
    income = sim.tables["households"]["income_kzt"]
    return float(income.mean()) if len(income) else math.nan


def _count(table: str) -> Callable[[Any], float]:
    return lambda sim: float(sim.tables[table].n * sim.weight)


KPIS = (
    Kpi("population", "Population", "people", "neither", "residents at the end of the month", "people_month", _count("residents"),
        theme="people"),
    Kpi("households", "Households", "households", "neither", "households at the end of the month", "people_month", _count("households"),
        theme="people"),
    *(
        Kpi(name, label, "people", "neither", f"sum of {name} over zones", "people_month", _flow(name), "sum", theme="people")
        for name, label in zip(FLOWS, ("Births", "Deaths", "Arrivals", "Departures"), strict=True)
    ),
    Kpi("turned_away", "Turned away for want of homes", "people", "lower", "people who wanted to come and found no vacant dwelling",
        "kpi_month", lambda sim: float(sim.state["people"]["turned_away"] * sim.weight), "sum", theme="people"),
    Kpi("mean_age", "Mean age", "years", "neither", "mean over residents", "population_year", _mean_age, theme="people"),
    Kpi("employed", "Employed residents", "people", "higher", "residents with paid work", "people_month",
        lambda sim: float(sim.tables["residents"]["employed"].sum() * sim.weight), theme="people"),
    Kpi("unemployment", "Unemployment", "share", "lower", "unemployed over employed and unemployed", "kpi_month", _unemployment,
        theme="people"),
    Kpi("students", "Pupils and students", "people", "neither", "residents at school or in study", "kpi_month",
        lambda sim: float((sim.tables["residents"]["status"] == STUDENT).sum() * sim.weight), theme="people"),
    Kpi("household_income", "Mean household income", "KZT/month", "higher", "mean over households", "people_month", _mean_income,
        theme="people"),
)  # fmt: skip
