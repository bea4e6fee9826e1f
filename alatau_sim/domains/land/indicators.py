"""Recorded tables and indicators of land: homes, workspace, rents, moves, building sites. Homes and floor space are whole in a sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.land.params import USES
from alatau_sim.domains.land.settle import in_works, room, unfinished, vacancies
from alatau_sim.domains.land.tables import ANNOUNCED, HOMES, STAGES, WAITING, WORKSPACE
from alatau_sim.engine.clock import date_of
from alatau_sim.fields import ResultField
from alatau_sim.results.kpis import Kpi, ResultTable

THEME = "land"
_ZONE = ResultField("zone", "category", "", "zone")
_STOCKS = (
    ResultField("dwellings", "int64", "dwellings", "dwellings at the end of the period"),
    ResultField("vacant_dwellings", "int64", "dwellings", "dwellings without a household at the end of the period"),
    ResultField("home_rent_kzt", "float64", "KZT/month", "asking rent of the zone's mean dwelling"),
    ResultField("dwellings_in_works", "int64", "dwellings", "dwellings announced and not yet complete"),
    ResultField("room_dwellings", "int64", "dwellings", "dwellings that zoning still allows beyond these"),
    ResultField("workspace_m2", "int64", "m2", "floor space for work at the end of the period"),
    ResultField("workspace_free_m2", "int64", "m2", "of it not occupied by firms"),
    ResultField("workspace_in_works_m2", "int64", "m2", "floor space for work announced and not yet complete"),
    ResultField("room_workspace_m2", "int64", "m2", "floor space for work that zoning still allows beyond these"),
)


def _inside(sim: Any) -> NDArray[np.int64]:
    """Rows of the zones that belong to the city."""
    return np.flatnonzero(~sim.tables["zones"]["outside"])


def _stocks(sim: Any) -> dict[str, Any]:
    """Homes and workspace of each zone of the city now."""
    zones, rows, left, coming = sim.tables["zones"], _inside(sim), room(sim), in_works(sim)
    return {
        "zone": rows, "dwellings": (zones["dwellings_existing"] + zones["dwellings_built"])[rows],
        "vacant_dwellings": vacancies(sim)[rows], "home_rent_kzt": zones["home_rent_kzt"][rows].copy(),
        "dwellings_in_works": coming[HOMES][rows], "room_dwellings": left[HOMES][rows],
        "workspace_m2": zones["workspace_m2"][rows].copy(), "workspace_free_m2": zones["workspace_free_m2"][rows].copy(),
        "workspace_in_works_m2": coming[WORKSPACE][rows], "room_workspace_m2": left[WORKSPACE][rows],
    }  # fmt: skip


def build_month(sim: Any) -> Mapping[str, Any]:
    """Homes and workspace by zone at the end of the month, and what was completed in it."""
    completed, rows = sim.state["land"]["month"]["completed"], _inside(sim)
    return {**_stocks(sim), "completed_dwellings": completed[HOMES][rows], "completed_workspace_m2": completed[WORKSPACE][rows]}


def waited(sim: Any) -> NDArray[np.int64]:
    """Days that each site has waited so far, for a permit and for crews."""
    works = sim.tables["works"]
    waits = np.isin(works["stage"], (ANNOUNCED, WAITING))
    return np.asarray(works["waited_days"] + np.where(waits, sim.clock.day + 1 - works["stage_day"], 0)).astype(np.int64)


def build_works(sim: Any) -> Mapping[str, Any]:
    """The building sites as the month ends, those that were finished in it too; the oldest first."""
    works, names = sim.tables["works"], sim.state["land"]["names"]
    rows = np.flatnonzero(works["begun"])
    rows = rows[np.lexsort((works.id[rows], works["announced_day"][rows]))]
    ids, owner = works.id[rows], works["owner"][rows]
    return {
        "site": ids,
        "name": ["investor" if mine else names.get(site, "") for site, mine in zip(ids.tolist(), owner.tolist(), strict=True)],
        "owner": owner, "zone": works["zone"][rows].astype(np.int64), "use": works["use"][rows].astype(np.int64),
        "stage": works["stage"][rows].astype(np.int64), "dwellings": works["dwellings"][rows], "floor_m2": works["floor_m2"][rows],
        "crews": works["crews"][rows].astype(np.int64),
        "announced": [date_of(day).isoformat() for day in works["announced_day"][rows].tolist()],
        "stage_days": sim.clock.day + 1 - works["stage_day"][rows].astype(np.int64), "waited_days": waited(sim)[rows],
    }  # fmt: skip


TABLES = (
    ResultTable(
        "homes_month", "month",
        (
            _ZONE, *_STOCKS, ResultField("completed_dwellings", "int64", "dwellings", "dwellings completed in the month"),
            ResultField("completed_workspace_m2", "int64", "m2", "floor space for work completed in the month"),
        ),
        build_month, "homes, rents and workspace by zone", THEME,
    ),
    ResultTable("zones_homes_year", "year", (_ZONE, *_STOCKS), _stocks, "homes and workspace of each zone at the end of the year", THEME),
    ResultTable(
        "works_month", "month",
        (
            ResultField("site", "int64", "", "number of the building site"),
            ResultField("name", "text", "", "entry of the programme; market (developers), investor"),
            ResultField("owner", "int64", "", "investor who builds for itself; 0: the programme or the market"), _ZONE,
            ResultField("use", "category", "", "what is built", USES),
            ResultField("stage", "category", "", "announced: waits for a permit; waiting: for crews", STAGES),
            ResultField("dwellings", "int64", "dwellings", "dwellings"), ResultField("floor_m2", "int64", "m2", "gross floor space"),
            ResultField("crews", "int64", "crews", "crews at work"), ResultField("announced", "text", "", "day of the announcement"),
            ResultField("stage_days", "int64", "days", "days in this stage"),
            ResultField("waited_days", "int64", "days", "days waited so far, for a permit and for crews"),
        ),
        build_works, "building sites and where they are stuck", THEME,
    ),
)  # fmt: skip


def _homes(sim: Any) -> NDArray[np.int64]:
    """Dwellings of each zone; none outside."""
    zones = sim.tables["zones"]
    return np.where(zones["outside"], 0, zones["dwellings_existing"] + zones["dwellings_built"]).astype(np.int64)


def _share(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else math.nan


def _mean_rent(sim: Any) -> float:
    homes = _homes(sim)
    return _share(float((homes * sim.tables["zones"]["home_rent_kzt"]).sum()), int(homes.sum()))


def _completed(use: int) -> Callable[[Any], float]:
    return lambda sim: float(sim.state["land"]["month"]["completed"][use].sum())


def _month(name: str, weighted: bool = True) -> Callable[[Any], float]:
    return lambda sim: float(sim.state["land"]["month"][name] * (sim.weight if weighted else 1))


def _waiting(stage: int) -> Callable[[Any], float]:
    return lambda sim: float((sim.tables["works"]["stage"] == stage).sum())


def _mean_wait(sim: Any) -> float:
    open_sites = unfinished(sim)
    return float(waited(sim)[open_sites].mean()) if open_sites.any() else math.nan


KPIS = (
    Kpi("dwellings", "Dwellings", "dwellings", "neither", "sum over zones", "homes_month", lambda sim: float(_homes(sim).sum()),
        theme=THEME),
    Kpi("vacancy", "Vacant dwellings", "share", "neither", "vacant_dwellings over dwellings", "homes_month",
        lambda sim: _share(vacancies(sim).sum(), _homes(sim).sum()), theme=THEME),
    Kpi("home_rent", "Mean rent of a home", "KZT/month", "lower", "asking rent, mean over dwellings", "homes_month", _mean_rent, "mean",
        THEME),
    Kpi("homes_completed", "Homes completed", "dwellings", "higher", "sum of completed_dwellings over zones", "homes_month",
        _completed(HOMES), "sum", THEME),
    Kpi("homes_in_works", "Homes announced or being built", "dwellings", "neither", "sum of dwellings_in_works over zones", "homes_month",
        lambda sim: float(in_works(sim)[HOMES].sum()), theme=THEME),
    Kpi("workspace", "Workspace", "m2", "neither", "sum of workspace_m2 over zones", "homes_month",
        lambda sim: float(sim.tables["zones"]["workspace_m2"].sum()), theme=THEME),
    Kpi("workspace_free", "Free workspace", "share", "neither", "workspace_free_m2 over workspace_m2", "homes_month",
        lambda sim: _share(sim.tables["zones"]["workspace_free_m2"].sum(), sim.tables["zones"]["workspace_m2"].sum()), theme=THEME),
    Kpi("workspace_completed", "Workspace completed", "m2", "higher", "sum of completed_workspace_m2 over zones", "homes_month",
        _completed(WORKSPACE), "sum", THEME),
    Kpi("households_moved", "Households that moved within the city", "households", "neither", "households that went to another zone",
        "kpi_month", _month("moved"), "sum", THEME),
    Kpi("rent_paid", "Rent paid", "KZT", "neither", "sum over renters, as far as their money goes", "kpi_month", _month("rent_kzt"), "sum",
        THEME),
    Kpi("rent_unpaid", "Rent not paid", "KZT", "lower", "rent due and not paid for want of money", "kpi_month", _month("rent_unpaid_kzt"),
        "sum", THEME),
    Kpi("sites_without_permit", "Sites that wait for a permit", "sites", "lower", "sites in the stage announced", "works_month",
        _waiting(ANNOUNCED), theme=THEME),
    Kpi("sites_without_crews", "Sites that wait for crews", "sites", "lower", "sites in the stage waiting", "works_month",
        _waiting(WAITING), theme=THEME),
    Kpi("site_wait", "Days that sites have waited", "days", "lower", "mean of waited_days over sites that are not done", "works_month",
        _mean_wait, "mean", THEME),
    Kpi("programme_cut", "Homes of the programme without room", "dwellings", "lower",
        "dwellings that were due and for which zoning had no room left", "kpi_month", _month("cut_dwellings", weighted=False), "sum",
        THEME),
)  # fmt: skip
