"""What electricity adds to the tables, the grids of load, and the files that they start from."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.engine.grids import Grid
from alatau_sim.errors import InputError, Problem, raise_problems
from alatau_sim.fields import Column

USES = ("cooking", "lighting", "appliances", "heating", "cooling", "hot_water")
"""End uses of electricity in homes; the grid of each is `load_<use>`."""

LOADS = (*USES, "firms", "transit")
"""All uses of electricity: those of homes, firms, and vehicles that charge; the grid of each is `load_<use>`."""

USERS = ("homes", "firms", "transit")
HOMES, FIRMS, TRANSIT = range(3)
"""Who uses electricity: what a zone lacks is shared among them in proportion."""

HOUSEHOLD_COLUMNS = (
    Column("furnished", "bool", meaning="whether the home's equipment has been drawn"),
    Column("stove_electric", "bool", meaning="cooks with electricity"),
    Column("heating_electric", "bool", meaning="heats with electricity"),
    Column("boiler_electric", "bool", meaning="warms water with electricity"),
    Column("air_conditioner", "bool", meaning="has an air conditioner"),
    Column("appliance_w", "float32", "W", "mean power of appliances in use when the first person is at home and awake", within=(0, 5000)),
    Column("lighting_w", "float32", "W", "power of the lamps in use in the dark", within=(0, 2000)),
    Column("heat_loss_w_per_k", "float32", "W/K", "heat loss of the dwelling", within=(0, 5000)),
    Column("outage_hours", "float32", "h", "hours without electricity on the day that closed last", within=(0, 24.001)),
    Column("outage_hours_month", "float32", "h", "hours without electricity this month so far", within=(0, 745)),
    Column("unserved_month_wh", "int64", "Wh", "electricity wanted and not served this month so far"),
    Column("energy_month_wh", "int64", "Wh", "electricity used in the last month that was billed"),
    Column("energy_bill_kzt", "int64", "KZT", "last month's bill for electricity"),
    Column("arrears_kzt", "int64", "KZT", "electricity billed and not paid, for want of money"),
)
SUBSTATION_COLUMNS = (
    Column("capacity_w", "int64", "W", "rated capacity", within=(0, 1e12)),
    Column("failed", "bool", meaning="whether it is being repaired at the end of the last hour"),
    Column("repair_left_s", "int64", "s", "time until a failed substation works again"),
    Column("wear_left", "float64", "1", "cumulated hazard left until the next failure (unit exponential)"),
    Column("trips", "int32", "1", "failures so far"),
    Column("shed_hours", "int32", "h", "hours so far in which more was wanted than the capacity"),
)
ZONE_COLUMNS = (
    Column("substation", "int32", index="substations", missing=-1, meaning="the nearest substation, which serves the zone"),
    Column(
        "outage_share", "float64", "share", "electricity wanted and not served, over wanted: exponentially smoothed over days",
        within=(0, 1),
    ),
)
FIRM_COLUMNS = (
    Column("metered_days", "int8", "days", "days of this month so far on which the firm was there", within=(0, 31)),
    Column("energy_month_wh", "int64", "Wh", "electricity used in the last month that was billed"),
    Column("energy_bill_kzt", "int64", "KZT", "last month's bill for electricity"),
)
COLUMNS = {"households": HOUSEHOLD_COLUMNS, "substations": SUBSTATION_COLUMNS, "zones": ZONE_COLUMNS, "firms": FIRM_COLUMNS}

_BY = ("zones", "user", "hour")
GRIDS = (
    *(
        Grid(f"load_{use}", ("zones", "hour"), "Wh", f"electricity wanted by homes for {use.replace('_', ' ')}", profile=True)
        for use in USES
    ),
    Grid("load_firms", ("zones", "hour"), "Wh", "electricity wanted by firms", profile=True),
    Grid("load_transit", ("zones", "hour"), "Wh", "electricity wanted by vehicles of public transport that charge", profile=True),
    Grid("load_wanted", ("zones", "hour"), "Wh", "electricity wanted, all uses", profile=True),
    Grid("load_unserved", ("zones", "hour"), "Wh", "electricity wanted and not served", profile=True),
    Grid("wanted_by", _BY, "Wh", "electricity wanted, by user", labels=(("user", USERS),)),
    Grid("unserved_by", _BY, "Wh", "electricity wanted and not served, by user", labels=(("user", USERS),)),
    Grid("substation_wanted", ("substations", "hour"), "Wh", "electricity wanted from a substation"),
    Grid("substation_served", ("substations", "hour"), "Wh", "electricity served by a substation"),
    Grid("substation_up", ("substations", "hour"), "s", "time in which a substation worked"),
)
CITY = {
    "temperature_c": "C", "temperature_mean_c": "C", "daylight": "1", "heating_degree_hours": "K h", "appliance_factor": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Climate:
    """Twelve monthly values each: mean temperature, standard deviation of daily means, mean daily range (maximum − minimum) [C]."""

    mean_c: NDArray[np.float64]
    sd_c: NDArray[np.float64]
    range_c: NDArray[np.float64]


@dataclass(frozen=True)
class SubstationRow:
    """One substation of the file: name, longitude and latitude [degrees], capacity [MW]."""

    name: str
    lon: float
    lat: float
    capacity_mw: float


def read_climate(path: str | Path) -> Climate:
    """The climate table; InputError tells all that is missing, is no number or is out of range."""
    rows = _rows(path, ("month", "mean_temp_c", "sd_daily_c", "diurnal_range_c"))
    problems: list[Problem] = []
    found: dict[int, tuple[float, float, float]] = {}
    for line, row in rows:
        month = _number(row, "month", 1, 12, path, line, problems)
        values = (
            _number(row, "mean_temp_c", -60, 50, path, line, problems),
            _number(row, "sd_daily_c", 0, 20, path, line, problems),
            _number(row, "diurnal_range_c", 0, 40, path, line, problems),
        )
        if month in found:
            problems.append(Problem(f"month {month:g} is there twice", path, line))
        if math.isfinite(month):
            found[int(month)] = values
    missing = [str(month) for month in range(1, 13) if month not in found]
    if missing and not problems:
        problems.append(Problem(f"the climate table has no row for month {', '.join(missing)}", path))
    raise_problems(problems)
    mean, sd, span = (np.array([found[month][k] for month in range(1, 13)]) for k in range(3))
    return Climate(mean, sd, span)


def read_substations(path: str | Path) -> tuple[SubstationRow, ...]:
    """The substations of a file; InputError tells all that is missing, double, is no number or is out of range."""
    problems: list[Problem] = []
    found: dict[str, SubstationRow] = {}
    for line, row in _rows(path, ("substation", "lon", "lat", "capacity_mw")):
        name = (row["substation"] or "").strip()
        if not name or name in found:
            problems.append(Problem(f"substation {name!r} is there twice" if name else "a substation has no name", path, line))
        lon = _number(row, "lon", -180, 180, path, line, problems)
        lat = _number(row, "lat", -90, 90, path, line, problems)
        found[name] = SubstationRow(name, lon, lat, _number(row, "capacity_mw", 0, 1e5, path, line, problems))
    if not found:
        problems.append(Problem("it lists no substation; give at least one (a large one, where supply is not the question)", path))
    raise_problems(problems)
    return tuple(found.values())


def fill(sim: Any, city: Any) -> None:
    """Put the substations into their table, connect each zone of the city with the nearest one, and read the climate.

    Dated spells of weather, (start, end, temperature) in seconds of the clock and C, are kept in the domain's state; at first there are
    none. The files are those of the scenario's `city` section; `city.zones` has centroids in `metric_crs`. Zones outside the city have no
    substation.
    """
    from pyproj import Transformer  # here and not above: reading declarations must stay quick

    state, files = sim.state["energy"], city.scenario.city
    state["climate"] = read_climate(files.climate)
    state.setdefault("spells", [])
    rows = read_substations(files.substations)
    sim.names["substations"] = tuple(row.name for row in rows)
    ids = np.array([sim.key_word(row.name) for row in rows], np.int64)
    sim.tables["substations"].insert(ids, {"capacity_w": np.array([round(row.capacity_mw * 1e6) for row in rows], np.int64)})
    zones, metric = sim.tables["zones"], city.zones.metric_crs
    x_m, y_m = np.asarray(city.zones.centroid_x_m), np.asarray(city.zones.centroid_y_m)
    to_metric = Transformer.from_crs("EPSG:4326", metric, always_xy=True)
    at_x, at_y = to_metric.transform([row.lon for row in rows], [row.lat for row in rows])
    zones["substation"][:] = nearest(x_m, y_m, np.asarray(at_x), np.asarray(at_y))
    zones["substation"][np.asarray(city.zones.outside, bool)] = -1


def nearest(
    x_m: NDArray[np.float64], y_m: NDArray[np.float64], at_x_m: NDArray[np.float64], at_y_m: NDArray[np.float64]
) -> NDArray[np.int32]:
    """For each point the row of the nearest place; the first of several that are equally near."""
    square = (x_m[:, None] - at_x_m[None, :]) ** 2 + (y_m[:, None] - at_y_m[None, :]) ** 2
    return square.argmin(axis=1).astype(np.int32)


def _rows(path: str | Path, needed: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 CSV ({error})") from None
    raise_problems(Problem(f"the column {name!r} is missing", path, 1) for name in missing)
    raise_problems(
        Problem("it has more values than the header has columns; put text with a comma into quotes", path, line)
        for line, row in rows if None in row
    )
    return rows


def _number(row: dict[str, str], name: str, low: float, high: float, path: str | Path, line: int, problems: list[Problem]) -> float:
    text = (row[name] or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        problems.append(Problem(f"{name} is {text!r}; it must be a number within {low:g} … {high:g}", path, line))
        return math.nan
    return value
