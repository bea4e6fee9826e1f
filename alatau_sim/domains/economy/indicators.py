"""Recorded tables and indicators of firms, jobs and taxes, from the tables and the month's counts. A sample counts a row as its weight.

A firm's row in a sample stands for `stands_for` firms; its jobs and its money count `weight` times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.economy.tables import BUDGETS, OPERATING, STAGES, TAXES
from alatau_sim.fields import ResultField
from alatau_sim.results.kpis import Kpi, ResultTable

THEME = "economy"
SIZE_CLASSES = ("1", "2-4", "5-9", "10-19", "20-49", "50-99", "100-249", "250-999", "1000+")
_CUTS = (2, 5, 10, 20, 50, 100, 250, 1000)
_ZONE = ResultField("zone", "category", "", "zone")
_SECTOR = ResultField("sector", "category", "", "sector")
_FIRMS = ResultField("firms", "int64", "firms", "firms as the period ends")
_JOBS = (
    ResultField("jobs", "int64", "jobs", "positions, filled or not"),
    ResultField("filled", "int64", "jobs", "positions that are filled"),
    ResultField("commuters", "int64", "people", "those of them filled by people from outside the city"),
)
_BUDGET_WORDS = {
    "republic_budget": "the republic's budget", "region_budget": "the region's budget", "city_budget": "the city's budget",
    "pension_fund": "the pension fund", "social_funds": "health and social insurance",
}  # fmt: skip
_TAX_WORDS = {
    "personal_income": "Income tax on wages", "social": "Social tax", "pension": "Pension contributions",
    "health": "Contributions to health insurance", "social_insurance": "Contributions to social insurance",
    "value_added": "Value-added tax", "corporate_income": "Tax on profit", "property": "Property tax of firms",
}  # fmt: skip


def _inside(sim: Any) -> NDArray[np.int64]:
    """Rows of the zones that belong to the city."""
    return np.flatnonzero(~sim.tables["zones"]["outside"])


def _counted(sim: Any, cell: NDArray[Any], cells: int) -> dict[str, NDArray[np.int64]]:
    """Firms, positions and who fills them by cell."""
    firms, w = sim.tables["firms"], sim.weight
    staff, commuters = firms["staff"].astype(np.int64), firms["commuters"].astype(np.int64)
    sums = {
        "firms": firms["stands_for"], "jobs": firms["jobs"] * np.int64(w), "filled": (staff + commuters) * w, "commuters": commuters * w,
    }  # fmt: skip
    return {name: np.bincount(cell, weights=values, minlength=cells).astype(np.int64) for name, values in sums.items()}


def build_zones(sim: Any) -> Mapping[str, Any]:
    """Firms and jobs of each zone as the year ends."""
    rows = _inside(sim)
    sums = _counted(sim, sim.tables["firms"]["site"], sim.tables["zones"].n)
    return {"zone": rows, **{name: values[rows] for name, values in sums.items()}, "vacancies": (sums["jobs"] - sums["filled"])[rows]}


def build_firms(sim: Any) -> Mapping[str, Any]:
    """Firms and jobs of each zone and sector; pairs without firms are left out."""
    firms, sectors = sim.tables["firms"], sim.tables["sectors"].n
    sums = _counted(sim, firms["site"].astype(np.int64) * sectors + firms["sector"], sim.tables["zones"].n * sectors)
    there = np.flatnonzero(sums["firms"])
    return {"zone": there // sectors, "sector": there % sectors, **{name: values[there] for name, values in sums.items()}}


def build_jobs(sim: Any) -> Mapping[str, Any]:
    """Jobs of each zone, and where its residents work."""
    zones, residents, rows = sim.tables["zones"], sim.tables["residents"], _inside(sim)
    sums = _counted(sim, sim.tables["firms"]["site"], zones.n)
    home, work = residents["home"], residents["work"]
    outside = np.append(zones["outside"], False)[work]
    living = {
        "residents_at_work": (work >= 0) & (home >= 0), "residents_out": outside & (home >= 0),
    }  # fmt: skip
    return {
        "zone": rows, **{name: values[rows] for name, values in sums.items()}, "vacancies": (sums["jobs"] - sums["filled"])[rows],
        **{name: np.bincount(home[who], minlength=zones.n)[rows] * sim.weight for name, who in living.items()},
        "workspace_m2": zones["workspace_m2"][rows].copy(), "workspace_free_m2": zones["workspace_free_m2"][rows].copy(),
    }  # fmt: skip


def _taxes(sim: Any) -> NDArray[np.int64]:
    """The month's taxes (taxes, budgets) [KZT], of the whole city where a sample runs."""
    taxes = sim.state["economy"]["month"]["taxes"]
    return np.asarray(np.zeros((len(TAXES), len(BUDGETS)), np.int64) if taxes is None else taxes * sim.weight)


def build_taxes(sim: Any) -> Mapping[str, Any]:
    """Taxes and contributions by the budget or fund that receives them; pairs that never meet are left out."""
    taxes = _taxes(sim)
    tax, budget = np.nonzero(RECEIVES)
    return {"tax": tax, "budget": budget, "amount_kzt": taxes[tax, budget]}


RECEIVES = np.zeros((len(TAXES), len(BUDGETS)), bool)
"""Which tax goes to which budget."""
for _tax, _budgets in (
    ("personal_income", (1, 2)), ("social", (1, 2)), ("pension", (3,)), ("health", (4,)), ("social_insurance", (4,)),
    ("value_added", (0,)), ("corporate_income", (0, 1, 2)), ("property", (2,)),
):  # fmt: skip
    RECEIVES[TAXES.index(_tax), list(_budgets)] = True


def build_anchors(sim: Any) -> Mapping[str, Any]:
    """The anchor projects: how far they are, and their size."""
    investors = sim.state["economy"]["investors"]
    return {
        "anchor": [one.name for one in investors], "zone": [one.zone for one in investors], "stage": [one.stage for one in investors],
        "jobs": [one.jobs for one in investors], "floor_m2": [one.floor_m2 for one in investors],
        "power_mw": [one.process_w / 1e6 for one in investors],
    }  # fmt: skip


def build_sizes(sim: Any) -> Mapping[str, Any]:
    """Firms and jobs by size of the firm; a large firm's row in a sample has a part of its jobs."""
    firms = sim.tables["firms"]
    real = firms["jobs"].astype(np.int64) * sim.weight // firms["stands_for"]
    sums = _counted(sim, np.searchsorted(_CUTS, real, side="right"), len(SIZE_CLASSES))
    return {"size_class": np.arange(len(SIZE_CLASSES)), "firms": sums["firms"], "jobs": sums["jobs"]}


TABLES = (
    ResultTable(
        "zones_economy_year", "year",
        (_ZONE, _FIRMS, *_JOBS, ResultField("vacancies", "int64", "jobs", "positions that nobody fills")),
        build_zones, "firms and jobs of each zone as the year ends", THEME,
    ),
    ResultTable("firms_month", "month", (_ZONE, _SECTOR, _FIRMS, *_JOBS), build_firms, "firms and jobs by zone and sector", THEME),
    ResultTable(
        "jobs_month", "month",
        (
            _ZONE, _FIRMS, *_JOBS, ResultField("vacancies", "int64", "jobs", "positions that nobody fills"),
            ResultField("residents_at_work", "int64", "people", "residents with a place of work, in the city or outside"),
            ResultField("residents_out", "int64", "people", "residents who work outside the city"),
            ResultField("workspace_m2", "int64", "m2", "floor space for work"),
            ResultField("workspace_free_m2", "int64", "m2", "floor space for work that no firm occupies"),
        ),
        build_jobs, "jobs, workspace and working residents by zone", THEME,
    ),
    ResultTable(
        "taxes_month", "month",
        (
            ResultField("tax", "category", "", "tax or contribution", TAXES),
            ResultField("budget", "category", "", "budget or fund that receives it", BUDGETS),
            ResultField("amount_kzt", "int64", "KZT", "amount of the month"),
        ),
        build_taxes, "taxes by the budget that receives them", THEME,
    ),
    ResultTable(
        "anchors_month", "month",
        (
            ResultField("anchor", "text", "", "anchor project"), _ZONE, ResultField("stage", "category", "", "how far it is", STAGES),
            ResultField("jobs", "int64", "jobs", "jobs of the project"), ResultField("floor_m2", "int64", "m2", "floor space"),
            ResultField("power_mw", "float64", "MW", "steady load beyond that of the floor space"),
        ),
        build_anchors, "anchor projects as the month ends", THEME,
    ),
    ResultTable(
        "firm_sizes_year", "year",
        (
            ResultField("size_class", "category", "jobs", "jobs of the firm", SIZE_CLASSES), _FIRMS,
            ResultField("jobs", "int64", "jobs", "positions in firms of the size"),
        ),
        build_sizes, "firms by size as the year ends", THEME,
    ),
)  # fmt: skip


def _sum(table: str, column: str) -> Callable[[Any], float]:
    return lambda sim: float(sim.tables[table][column].sum(dtype=np.int64) * sim.weight)


def _month(name: str) -> Callable[[Any], float]:
    return lambda sim: float(sim.state["economy"]["month"][name] * sim.weight)


def _counts(name: str) -> Callable[[Any], float]:
    """Firms are counted as those that rows stand for."""
    return lambda sim: float(sim.state["economy"]["month"][name])


def _taxed(tax: str = "", budget: str = "") -> Callable[[Any], float]:
    rows = slice(None) if not tax else TAXES.index(tax)
    columns = slice(None) if not budget else BUDGETS.index(budget)
    return lambda sim: float(_taxes(sim)[rows, columns].sum())


def _filled(sim: Any) -> float:
    firms = sim.tables["firms"]
    return float((firms["staff"].sum(dtype=np.int64) + firms["commuters"].sum(dtype=np.int64)) * sim.weight)


def _vacancies(sim: Any) -> float:
    return float(sim.tables["firms"]["jobs"].sum(dtype=np.int64) * sim.weight) - _filled(sim)


def _commuters_out(sim: Any) -> float:
    work = sim.tables["residents"]["work"]
    return float(np.append(sim.tables["zones"]["outside"], False)[work].sum() * sim.weight)


def _mean_wage(sim: Any) -> float:
    gross = sim.tables["residents"]["gross_kzt"]
    paid = int((gross > 0).sum())
    return float(gross.sum()) / paid if paid else math.nan


def _anchors(sim: Any) -> float:
    return float(sum(one.stage == OPERATING for one in sim.state["economy"]["investors"]))


def _kpi(name: str, label: str, unit: str, better: Any, formula: str, table: str, compute: Any, over_year: Any = "last") -> Kpi:
    return Kpi(name, label, unit, better, formula, table, compute, over_year, THEME)


KPIS = (
    _kpi("jobs", "Filled jobs", "jobs", "higher", "sum of filled over zones", "jobs_month", _filled),
    _kpi("vacancies", "Vacant jobs", "jobs", "neither", "sum of jobs less filled over zones", "jobs_month", _vacancies),
    _kpi("commuters_in", "Commuters into the city", "people", "neither", "sum of commuters over zones", "jobs_month",
         _sum("firms", "commuters")),
    _kpi("commuters_out", "Residents who work outside", "people", "neither", "sum of residents_out over zones", "jobs_month",
         _commuters_out),
    _kpi("mean_wage", "Mean wage of residents", "KZT/month", "higher", "gross wages over residents who are paid one", "kpi_month",
         _mean_wage),
    _kpi("firms", "Firms", "firms", "higher", "sum of firms over zones", "jobs_month",
         lambda sim: float(sim.tables["firms"]["stands_for"].sum(dtype=np.int64))),
    _kpi("firm_entries", "Firms that opened", "firms", "higher", "firms that opened in the month", "kpi_month", _counts("entries"), "sum"),
    _kpi("firm_exits", "Firms that closed", "firms", "lower", "firms that closed in the month", "kpi_month", _counts("exits"), "sum"),
    _kpi("hires", "People who found work in the city", "people", "higher", "residents hired by firms of the city in the month", "kpi_month",
         _month("hires"), "sum"),
    _kpi("dismissals", "Dismissals", "people", "lower", "residents dismissed by firms that shrank", "kpi_month", _month("dismissals"),
         "sum"),
    _kpi("anchors_operating", "Anchor investments in operation", "projects", "higher", "anchors whose stage is operating", "anchors_month",
         _anchors),
    _kpi("revenue", "Sales of firms", "KZT", "higher", "sales of the month, value-added tax within", "kpi_month", _month("revenue_kzt"),
         "sum"),
    _kpi("outside_sales", "Sales outside the city", "KZT", "higher", "the part of sales paid from outside", "kpi_month",
         _month("outside_sales_kzt"), "sum"),
    _kpi("tax_revenue", "Taxes and contributions", "KZT", "neither", "sum of amount_kzt", "taxes_month", _taxed(), "sum"),
    *(_kpi(f"taxes_to_{budget}", f"Taxes to {words}", "KZT", "neither", f"sum of amount_kzt where budget is {budget}", "taxes_month",
           _taxed(budget=budget), "sum") for budget, words in _BUDGET_WORDS.items()),
    *(_kpi(f"tax_{tax}", words, "KZT", "neither", f"sum of amount_kzt where tax is {tax}", "taxes_month", _taxed(tax=tax), "sum")
      for tax, words in _TAX_WORDS.items()),
)  # fmt: skip
