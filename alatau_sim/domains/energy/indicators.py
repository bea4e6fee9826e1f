"""Recorded tables and KPIs of electricity. Load is that of homes, firms and charging vehicles: street lights and pumps are not in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alatau_sim.domains.energy.bills.settle import month_share
from alatau_sim.domains.energy.settle import served_in_month, totals
from alatau_sim.domains.energy.tables import FIRMS, HOMES, LOADS, TRANSIT, USES
from alatau_sim.fields import ResultField
from alatau_sim.results.kpis import Kpi, ResultTable

THEME = "energy"
KINDS = ("workday", "day off")
KIND = ResultField("kind_of_day", "category", "", "working day, or weekend and holiday", KINDS)
ZONE = ResultField("zone", "category", "", "zone")
HOUR = ResultField("hour_of_day", "int32", "h", "start of the hour")
USE = ResultField("use", "category", "", "use of electricity: end use in homes, firms, or transit", LOADS)


def _inside(sim: Any) -> Any:
    return np.flatnonzero(~sim.tables["zones"]["outside"])


def _profile(sim: Any, grid: str, kinds: Any, zones: Any) -> Any:
    """The mean day of the month by kind of day: float array (kinds, zones, 24)."""
    return sim.month_profile(grid)[kinds][:, zones] / sim.month_days[kinds, None, None]


def _load_profile(sim: Any) -> dict[str, Any]:
    zones, kinds = _inside(sim), np.flatnonzero(sim.month_days)
    k, z, h = np.meshgrid(kinds, zones, np.arange(24), indexing="ij")
    wanted = _profile(sim, "load_wanted", kinds, zones)
    return {
        "kind_of_day": k.ravel(), "zone": z.ravel(), "hour_of_day": h.ravel(), "wanted_w": wanted.ravel(),
        "unserved_w": _profile(sim, "load_unserved", kinds, zones).ravel(),
    }  # fmt: skip


def _load_use(sim: Any) -> dict[str, Any]:
    zones, kinds = _inside(sim), np.flatnonzero(sim.month_days)
    k, u, h = np.meshgrid(kinds, np.arange(len(LOADS)), np.arange(24), indexing="ij")
    wanted = np.stack([_profile(sim, f"load_{use}", kinds, zones).sum(axis=1) for use in LOADS], axis=1)
    return {"kind_of_day": k.ravel(), "use": u.ravel(), "hour_of_day": h.ravel(), "wanted_w": wanted.ravel()}


def _load_hour(sim: Any) -> dict[str, Any]:
    zones = _inside(sim)
    h, z, u = np.meshgrid(np.arange(24), zones, np.arange(len(LOADS)), indexing="ij")
    wanted = np.stack([sim.grids[f"load_{use}"][zones] for use in LOADS], axis=-1)
    return {"hour": h.ravel(), "zone": z.ravel(), "use": u.ravel(), "wanted_wh": wanted.transpose(1, 0, 2).ravel()}


def _substations_hour(sim: Any) -> dict[str, Any]:
    table, grids = sim.tables["substations"], sim.grids
    h, s = np.meshgrid(np.arange(24), np.arange(table.n), indexing="ij")
    capacity = np.rint(table["capacity_w"] * (1.0 + sim.policy.energy.substation_reserve_share)).astype(np.int64)
    return {
        "hour": h.ravel(), "substation": s.ravel(), "wanted_wh": grids["substation_wanted"].T.ravel(),
        "served_wh": grids["substation_served"].T.ravel(), "capacity_w": capacity[s].ravel(),
        "available_share": grids["substation_up"].T.ravel() / 3600.0,
    }  # fmt: skip


def _load_peak(sim: Any) -> dict[str, Any]:
    by_hour = sim.grids["load_wanted"].sum(axis=0)
    return {
        "peak_w": [int(by_hour.max())], "peak_hour": [int(by_hour.argmax())], "wanted_wh": [int(by_hour.sum())],
        "unserved_wh": [int(sim.grids["load_unserved"].sum())],
    }  # fmt: skip


def _weather(sim: Any) -> dict[str, Any]:
    t = sim.city["temperature_c"]
    return {
        "temperature_mean_c": [sim.city["temperature_mean_c"]],
        "temperature_min_c": [float(t.min())], "temperature_max_c": [float(t.max())],
        "heating_degree_hours": [sim.city["heating_degree_hours"]], "daylight_h": [float(sim.city["daylight"].sum())],
    }  # fmt: skip


def _zones_year(sim: Any) -> dict[str, Any]:
    zones, sums, homes = _inside(sim), totals(sim), sim.tables["households"]
    home = homes["home"][homes["home"] >= 0]
    count = np.bincount(home, minlength=sim.tables["zones"].n) * sim.weight
    return {
        "zone": zones, "substation": sim.tables["zones"]["substation"][zones], "households": count[zones],
        "wanted_wh": sums["year_wanted"][zones], "unserved_wh": sums["year_unserved"][zones],
    }  # fmt: skip


def _zones_month(sim: Any) -> dict[str, Any]:
    zones, sums, homes, people, firms = _inside(sim), totals(sim), *(sim.tables[name] for name in ("households", "residents", "firms"))

    def by_zone(place: Any, values: Any = None) -> Any:
        there = place >= 0
        weights = None if values is None else values[there].astype(np.float64)
        return np.bincount(place[there], weights=weights, minlength=sim.tables["zones"].n)[zones] * sim.weight

    household = people["household"]
    living = np.where(household >= 0, homes["home"][household] if homes.n else -1, -1)
    wanted, unserved = sums["month_wanted"][:, zones], sums["month_unserved"][:, zones]
    return {
        "zone": zones, "residents": by_zone(living), "households": by_zone(homes["home"]),
        "wanted_wh": wanted.sum(axis=0), "unserved_wh": unserved.sum(axis=0),
        "homes_wanted_wh": wanted[: len(USES)].sum(axis=0), "homes_unserved_wh": unserved[HOMES],
        "firms_wanted_wh": wanted[LOADS.index("firms")], "firms_unserved_wh": unserved[FIRMS],
        "transit_wanted_wh": wanted[LOADS.index("transit")], "transit_unserved_wh": unserved[TRANSIT],
        "outage_share": sim.tables["zones"]["outage_share"][zones],
        "outage_h": by_zone(homes["home"], homes["outage_hours_month"]),
        **{name: by_zone(homes["home"], homes[column]).astype(np.int64)
           for name, column in (("bills_kzt", "energy_bill_kzt"), ("arrears_kzt", "arrears_kzt"))},
        "firm_bills_kzt": by_zone(firms["site"], firms["energy_bill_kzt"]).astype(np.int64),
    }  # fmt: skip


TABLES = (
    ResultTable(
        "load_profile_month", "month",
        (KIND, ZONE, HOUR, ResultField("wanted_w", "float64", "W", "mean electricity wanted in this hour of the day"),
         ResultField("unserved_w", "float64", "W", "mean electricity wanted and not served")),
        _load_profile, "Load of each zone on the month's mean working day and day off", THEME,
    ),
    ResultTable(
        "load_use_month", "month",
        (KIND, USE, HOUR, ResultField("wanted_w", "float64", "W", "mean electricity wanted in the city in this hour of the day")),
        _load_use, "Load of the city by use on the month's mean working day and day off", THEME,
    ),
    ResultTable(
        "substations_hour", "hour",
        (ResultField("substation", "category", "", "substation"), ResultField("wanted_wh", "int64", "Wh", "electricity wanted from it"),
         ResultField("served_wh", "int64", "Wh", "electricity that it served"),
         ResultField("capacity_w", "int64", "W", "capacity, the utility's reserve included"),
         ResultField("available_share", "float64", "share", "share of the hour in which it worked")),
        _substations_hour, "Substations hour by hour", THEME,
    ),
    ResultTable(
        "load_peak_day", "day",
        (ResultField("peak_w", "int64", "W", "mean load of the day's highest hour"), ResultField("peak_hour", "int32", "h", "its start"),
         ResultField("wanted_wh", "int64", "Wh", "electricity wanted in the day"),
         ResultField("unserved_wh", "int64", "Wh", "electricity wanted and not served in the day")),
        _load_peak, "Highest hour of each day", THEME,
    ),
    ResultTable(
        "weather_day", "day",
        (ResultField("temperature_mean_c", "float64", "C", "mean temperature"),
         ResultField("temperature_min_c", "float64", "C", "coldest hour"),
         ResultField("temperature_max_c", "float64", "C", "warmest hour"),
         ResultField("heating_degree_hours", "float64", "K h", "sum over hours of degrees below 18 C"),
         ResultField("daylight_h", "float64", "h", "hours of daylight")),
        _weather, "Weather of each day", THEME,
    ),
    ResultTable(
        "zones_energy_month", "month",
        (ZONE, ResultField("residents", "int64", "people", "residents as the month ends"),
         ResultField("households", "int64", "households", "households as the month ends"),
         ResultField("wanted_wh", "int64", "Wh", "electricity wanted"),
         ResultField("unserved_wh", "int64", "Wh", "electricity wanted and not served"),
         ResultField("homes_wanted_wh", "int64", "Wh", "the part of wanted_wh that homes wanted"),
         ResultField("homes_unserved_wh", "int64", "Wh", "the part of unserved_wh that homes missed"),
         ResultField("firms_wanted_wh", "int64", "Wh", "the part of wanted_wh that firms wanted"),
         ResultField("firms_unserved_wh", "int64", "Wh", "the part of unserved_wh that firms missed"),
         ResultField("transit_wanted_wh", "int64", "Wh", "the part of wanted_wh that vehicles of public transport wanted"),
         ResultField("transit_unserved_wh", "int64", "Wh", "the part of unserved_wh that they missed"),
         ResultField("outage_share", "float64", "share", "share of wanted electricity not served, smoothed over days, as the month ends"),
         ResultField("outage_h", "float64", "h", "hours without electricity, summed over the households"),
         ResultField("bills_kzt", "int64", "KZT", "the month's bills of the households"),
         ResultField("arrears_kzt", "int64", "KZT", "electricity billed and not paid as the month ends"),
         ResultField("firm_bills_kzt", "int64", "KZT", "the month's bills of the firms")),
        _zones_month, "Electricity of each zone by month", THEME,
    ),
    ResultTable(
        "zones_energy_year", "year",
        (ZONE, ResultField("substation", "category", "", "substation that serves the zone"),
         ResultField("households", "int64", "households", "households at the end of the year"),
         ResultField("wanted_wh", "int64", "Wh", "electricity wanted"),
         ResultField("unserved_wh", "int64", "Wh", "electricity wanted and not served")),
        _zones_year, "Electricity of each zone by year", THEME,
    ),
    ResultTable(
        "load_hour", "hour", (ZONE, USE, ResultField("wanted_wh", "int64", "Wh", "electricity wanted")),
        _load_hour, "Load of each zone and use, hour by hour", THEME, default=False,
    ),
)  # fmt: skip


def _use_mwh(row: int) -> Callable[[Any], float]:
    return lambda sim: float(totals(sim)["month_wanted"][row].sum() / 1e6)


def _missed_mwh(user: int) -> Callable[[Any], float]:
    return lambda sim: float(totals(sim)["month_unserved"][user].sum() / 1e6)


def _mean_outage(sim: Any) -> float:
    homes = sim.tables["households"]
    return float(homes["outage_hours_month"].mean(dtype=np.float64)) if homes.n else float("nan")


def _per_resident(sim: Any) -> float:
    people = sim.tables["residents"].n * sim.weight
    served_kwh = served_in_month(sim, HOMES).sum() / 1000.0
    return float(served_kwh / people / month_share(sim)) if people else float("nan")


def _mean_bill(sim: Any) -> float:
    homes = sim.tables["households"]
    return float(homes["energy_bill_kzt"].mean(dtype=np.float64)) if homes.n else float("nan")


def _arrears(sim: Any) -> float:
    return float(int(sim.tables["households"]["arrears_kzt"].sum()) * sim.weight)


def _firm_bills(sim: Any) -> float:
    return float(int(sim.tables["firms"]["energy_bill_kzt"].sum()) * sim.weight)


def _over_days(name: str, per: float) -> Callable[[Any], float]:
    return lambda sim: float(totals(sim)[name] / per)


_USED_FOR = {"firms": "Electricity of firms", "transit": "Electricity of public transport"}

KPIS = (
    Kpi("electricity_wanted", "Electricity wanted", "MWh", "neither", "sum over zones, hours and uses", "load_peak_day",
        lambda sim: float(totals(sim)["month_wanted"].sum() / 1e6), "sum", THEME),
    *(Kpi(f"electricity_{use}", _USED_FOR.get(use, f"Electricity of homes for {use.replace('_', ' ')}"), "MWh", "neither",
          "wanted, sum over zones and hours", "load_use_month", _use_mwh(row), "sum", THEME) for row, use in enumerate(LOADS)),
    Kpi("electricity_per_resident", "Electricity served a resident and month", "kWh", "neither",
        "served electricity of homes over residents at the month's end; of a part of a month, scaled to the whole", "zones_energy_month",
        _per_resident, "mean", THEME),
    Kpi("peak_load", "Peak load", "MW", "lower", "highest hourly mean load of the month", "load_peak_day",
        lambda sim: totals(sim)["month_peak_wh"] / 1e6, "max", THEME),
    Kpi("electricity_unserved", "Electricity wanted and not served", "MWh", "lower", "sum over zones and hours", "load_peak_day",
        lambda sim: float(totals(sim)["month_unserved"].sum() / 1e6), "sum", THEME),
    *(Kpi(f"electricity_unserved_{user}", f"Electricity that {label} wanted and did not get", "MWh", "lower", "sum over zones and hours",
          "zones_energy_month", _missed_mwh(row), "sum", THEME)
      for row, user, label in ((HOMES, "homes", "homes"), (FIRMS, "firms", "firms"), (TRANSIT, "transit", "public transport"))),
    Kpi("outage_hours_per_home", "Hours without electricity a home", "h", "lower",
        "mean over households of hours without supply (SAIDI of IEEE 1366, homes only)", "zones_energy_month", _mean_outage, "sum", THEME),
    Kpi("electricity_bill", "Mean electricity bill of a home", "KZT", "lower", "mean over households of the month's bill",
        "zones_energy_month", _mean_bill, "sum", THEME),
    Kpi("electricity_arrears", "Electricity bills not paid", "KZT", "lower", "sum over households of what they owe at the month's end",
        "zones_energy_month", _arrears, "last", THEME),
    Kpi("firm_electricity_bills", "Electricity bills of firms", "KZT", "neither", "sum over firms of the month's bill",
        "zones_energy_month", _firm_bills, "sum", THEME),
    Kpi("temperature", "Mean temperature", "C", "neither", "mean of the days' means", "weather_day",
        lambda sim: totals(sim)["month_temperature"] / max(1, totals(sim)["month_days"]), "mean", THEME),
    Kpi("heating_degree_days", "Heating degree days", "K d", "neither", "hourly degrees below 18 C, summed and divided by 24",
        "weather_day", _over_days("month_degree_hours", 24.0), "sum", THEME),
)  # fmt: skip
