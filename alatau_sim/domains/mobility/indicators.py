"""Recorded tables and indicators of getting around, from grids and the month's sums of the service.

Trips are those of the city's residents. Lines count commuters from outside, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from alatau_sim.domains.mobility.tables import BUS, MODES
from alatau_sim.fields import ResultField
from alatau_sim.results.kpis import Kpi, ResultTable

THEME = "mobility"
KINDS_OF_DAY = ("workday", "day off")
_LINE = ResultField("line", "category", "", "line")
_ZONE = ResultField("zone", "category", "", "zone")


def _inside(sim: Any) -> np.ndarray[Any, Any]:
    return np.flatnonzero(~sim.tables["zones"]["outside"])


def _month(sim: Any) -> dict[str, Any]:
    month: dict[str, Any] = sim.state["mobility"]["month"]
    return month


def _ratio(part: Any, whole: Any) -> np.ndarray[Any, Any]:
    """A part over its whole, NaN where there is none."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, math.nan), where=whole > 0)


def build_trips(sim: Any) -> Mapping[str, Any]:
    """Trips of the month by home zone and way of getting around."""
    zones, n = _inside(sim), len(MODES)
    sums = sim.month_profile("trips").sum(axis=(0, 3))[zones]
    return {"zone": np.repeat(zones, n), "mode": np.tile(np.arange(n), len(zones)), "trips": sums.ravel()}


def build_profile(sim: Any) -> Mapping[str, Any]:
    """Trips of the city on the month's mean working day and day off, by way of getting around and hour."""
    kinds = np.flatnonzero(sim.month_days)
    mean = sim.month_profile("trips")[kinds][:, _inside(sim)].sum(axis=1) / sim.month_days[kinds, None, None]
    kind, mode, hour = (index.ravel() for index in np.indices(mean.shape))
    return {"kind_of_day": kinds[kind], "mode": mode, "hour_of_day": hour, "trips_per_day": mean.ravel()}


def build_access(sim: Any) -> Mapping[str, Any]:
    """How each zone gets around, as the month ends."""
    zones, rows = sim.tables["zones"], _inside(sim)
    homes = sim.tables["households"]
    cars = np.bincount(homes["home"][homes["home"] >= 0], weights=homes["cars"][homes["home"] >= 0], minlength=zones.n)
    return {
        "zone": rows, "job_access": zones["job_access"][rows].copy(), "mean_trip_min": zones["mean_trip_min"][rows].copy(),
        "bus_share": zones["bus_share"][rows].copy(), "cars": (cars[rows] * sim.weight).astype(np.int64),
    }  # fmt: skip


def build_lines(sim: Any) -> Mapping[str, Any]:
    """The month of each line."""
    month, table = _month(sim), sim.tables["lines"]
    return {
        "line": np.arange(table.n), "vehicles": table["vehicles"].copy(),
        **{name: month[name].astype(np.int64) for name in ("departures", "late", "cancelled", "boardings", "left", "given_up")},
        "mean_wait_min": _ratio(month["wait_s"] / 60.0, month["boardings"]), "load_factor": _ratio(month["rider_m"], month["place_m"]),
        "vehicle_km": (month["vehicle_m"] + month["empty_m"]) / 1000.0, "rider_km": month["rider_m"] / 1000.0,
        "electricity_wh": month["energy_wh"].astype(np.int64),
    }  # fmt: skip


def build_loads(sim: Any) -> Mapping[str, Any]:
    """The mean day of the month by kind of day at each stop, in hours with a vehicle."""
    month, stops = _month(sim), sim.tables["stops"]
    calls = month["calls"]
    kind, stop, hour = np.nonzero(calls["calls"])
    days = np.maximum(month["days"], 1)[kind]
    return {
        "kind_of_day": kind, "line": stops["line"][stop], "direction": stops["direction"][stop], "position": stops["position"][stop],
        "zone": stops["zone"][stop], "hour_of_day": hour, "load": _ratio(calls["load"][kind, stop, hour], calls["calls"][kind, stop, hour]),
        **{name: calls[name][kind, stop, hour] / days for name in ("boarded", "alighted", "left")},
    }  # fmt: skip


TABLES = (
    ResultTable(
        "trips_month", "month",
        (_ZONE, ResultField("mode", "category", "", "way of getting around", MODES),
         ResultField("trips", "int64", "trips", "trips that the zone's residents made in the month")),
        build_trips, "trips by home zone and way of getting around", THEME,
    ),
    ResultTable(
        "trips_profile_month", "month",
        (ResultField("kind_of_day", "category", "", "working day, or weekend and holiday", KINDS_OF_DAY),
         ResultField("mode", "category", "", "way of getting around", MODES),
         ResultField("hour_of_day", "int32", "h", "hour of the day in which the trip begins"),
         ResultField("trips_per_day", "float64", "1/day", "trips of the city's residents, mean over the month's days of the kind")),
        build_profile, "trips by hour of the day", THEME,
    ),
    ResultTable(
        "zones_mobility_month", "month",
        (_ZONE, ResultField("job_access", "float64", "1", "jobs that can be reached, near ones more; mean over residents is 1"),
         ResultField("mean_trip_min", "float64", "min", "mean usual trip of the residents, door to door"),
         ResultField("bus_share", "float64", "share", "residents with a usual trip who go by bus"),
         ResultField("cars", "int64", "cars", "cars of the households")),
        build_access, "how each zone gets around", THEME,
    ),
    ResultTable(
        "lines_month", "month",
        (_LINE, ResultField("vehicles", "int64", "vehicles", "fleet at the end of the month"),
         ResultField("departures", "int64", "departures", "departures made"),
         ResultField("late", "int64", "departures", "of these, a minute late or more, for want of a free vehicle"),
         ResultField("cancelled", "int64", "departures", "departures for which no vehicle came in time"),
         ResultField("boardings", "int64", "riders", "riders who got on"),
         ResultField("left", "int64", "riders", "riders left behind by a full vehicle, counted at each"),
         ResultField("given_up", "int64", "riders", "riders for whom no vehicle with room came; with several lines, of the first of them"),
         ResultField("mean_wait_min", "float64", "min", "mean wait of those who got on; empty where nobody did"),
         ResultField("load_factor", "float64", "share", "riders' way over places' way; empty without departures"),
         ResultField("vehicle_km", "float64", "km", "way of the vehicles, empty runs within"),
         ResultField("rider_km", "float64", "km", "way of the riders"),
         ResultField("electricity_wh", "int64", "Wh", "electricity that electric vehicles used")),
        build_lines, "service of each line", THEME,
    ),
    ResultTable(
        "line_loads_profile_month", "month",
        (ResultField("kind_of_day", "category", "", "working day, or weekend and holiday", KINDS_OF_DAY), _LINE,
         ResultField("direction", "int32", "", "0 there, 1 back"), ResultField("position", "int32", "", "place of the stop along the way"),
         ResultField("zone", "category", "", "zone that the stop serves"), ResultField("hour_of_day", "int32", "h", "hour of the day"),
         ResultField("load", "float64", "riders", "riders on board of a vehicle when it leaves, mean"),
         ResultField("boarded", "float64", "1/day", "riders who get on, a day"),
         ResultField("alighted", "float64", "1/day", "riders who get off, a day"),
         ResultField("left", "float64", "1/day", "riders left behind, a day")),
        build_loads, "loads along each line by hour, on simulated days and those that they stand for", THEME,
    ),
)  # fmt: skip


def _trips_a_day(mode: int) -> Callable[[Any], float]:
    return lambda sim: float(sim.month_profile("trips")[:, _inside(sim), mode].sum() / max(int(sim.month_days.sum()), 1))


def _transit_share(sim: Any) -> float:
    sums = sim.month_profile("trips")[:, _inside(sim)].sum(axis=(0, 1, 3))
    return float(sums[BUS] / sums.sum()) if sums.sum() else math.nan


def _sum(name: str, per: float = 1.0) -> Callable[[Any], float]:
    return lambda sim: float(np.sum(_month(sim)[name]) / per)


def _mean(part: str, whole: str, per: float = 1.0) -> Callable[[Any], float]:
    return lambda sim: float(_ratio(np.sum(_month(sim)[part]) / per, np.sum(_month(sim)[whole])))


def _trip_minutes(sim: Any) -> float:
    people = sim.tables["residents"]
    travels = people["mode"] >= 0
    return float(people["trip_min"][travels].mean(dtype=np.float64)) if travels.any() else math.nan


def _cars(sim: Any) -> float:
    people = sim.tables["residents"].n
    return float(sim.tables["households"]["cars"].sum(dtype=np.int64) * 1000.0 / people) if people else math.nan


KPIS = (
    *(
        Kpi(f"trips_{name}", f"Trips {label}", "1/day", "neither", "trips of residents that begin in the month over its days",
            "trips_month", _trips_a_day(mode), "mean", THEME)
        for mode, (name, label) in enumerate(zip(MODES, ("on foot", "by bus", "by car", "by taxi"), strict=True))
    ),
    Kpi("transit_share", "Trips by bus among all", "share", "higher", "trips by bus over trips of residents", "trips_month", _transit_share,
        "mean", THEME),
    Kpi("boardings", "Boardings", "riders", "higher", "sum over lines, commuters from outside within", "lines_month", _sum("boardings"),
        "sum", THEME),
    Kpi("transit_wait", "Mean wait for the bus", "min", "lower", "waits of those who got on over their number", "lines_month",
        _mean("wait_s", "boardings", 60.0), "mean", THEME),
    Kpi("left_behind", "Riders left behind", "riders", "lower", "riders whom a full vehicle left at the stop, counted at each",
        "lines_month", _sum("left"), "sum", THEME),
    Kpi("given_up", "Riders who gave up", "riders", "lower", "riders for whom no vehicle with room came until the end of service",
        "lines_month", _sum("given_up"), "sum", THEME),
    Kpi("load_factor", "Load factor of vehicles", "share", "neither", "riders' way over places' way", "lines_month",
        _mean("rider_m", "place_m"), "mean", THEME),
    Kpi("departures_cancelled", "Cancelled departures", "departures", "lower", "departures for which no vehicle came in time",
        "lines_month", _sum("cancelled"), "sum", THEME),
    Kpi("vehicle_km", "Way of transit vehicles", "km", "neither", "way of all vehicles, empty runs within", "lines_month",
        lambda sim: float((_month(sim)["vehicle_m"] + _month(sim)["empty_m"]).sum() / 1000.0), "sum", THEME),
    Kpi("trip_minutes", "Mean usual trip", "min", "lower", "mean over residents with a usual trip, door to door", "zones_mobility_month",
        _trip_minutes, "mean", THEME),
    Kpi("cars_per_1000", "Cars for each 1,000 people", "cars", "neither", "cars of households over residents", "zones_mobility_month",
        _cars, "last", THEME),
    Kpi("transit_electricity", "Electricity of electric buses", "MWh", "neither", "way of electric vehicles times use", "lines_month",
        _sum("energy_wh", 1e6), "sum", THEME),
    Kpi("fares", "Fares", "KZT", "neither", "fares paid to the transit operator, in the whole city", "kpi_month", _sum("fares_kzt"), "sum",
        THEME),
)  # fmt: skip
