"""Weather, the equipment of homes, and the closing of the electrical day: who went without, and how much was served.

Homes have no meters of their own in the model yet: the energy of a zone, known by hour and end use, is shared among its homes by what
equipment they have (`use_keys`), in whole Wh that add up exactly.
"""

from __future__ import annotations

import calendar
import math
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.energy.params import BASE_TARIFF_KZT_PER_KWH
from alatau_sim.domains.energy.tables import USES
from alatau_sim.engine.randomness import order_within, stream_key, uniform_array, words_of
from alatau_sim.engine.rule import settlement
from alatau_sim.errors import RunError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MEMORY_DAYS = 60
HEATING_BASE_C = 18.0
HORIZON_DEG = -0.833  # sun's upper edge on the horizon, with refraction


# --- weather ----------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def day_means(monthly: tuple[float, ...], leap: bool) -> tuple[float, ...]:
    """A daily curve whose mean over each month equals the monthly value: straight lines between values at mid-month.

    The twelve mid-month values solve a linear system (the idea of Sheng and Zwiers, 1998, for boundary conditions in climate models).
    The curve closes on itself at the turn of the year.
    """
    weights = _interpolation(leap)
    month_of_day = np.repeat(np.arange(12), _lengths(leap))
    system = np.array([weights[month_of_day == month].mean(axis=0) for month in range(12)])
    return tuple((weights @ np.linalg.solve(system, np.array(monthly))).tolist())


@lru_cache(maxsize=8)
def day_values(monthly: tuple[float, ...], leap: bool) -> tuple[float, ...]:
    """Straight lines between monthly values placed at mid-month."""
    return tuple((_interpolation(leap) @ np.array(monthly)).tolist())


def _lengths(leap: bool) -> list[int]:
    return [calendar.monthrange(2024 if leap else 2025, month)[1] for month in range(1, 13)]


def _interpolation(leap: bool) -> Floats:
    """The weights (days × 12) of mid-month values in each day's value; they sum to one."""
    lengths = np.array(_lengths(leap))
    days, middle = lengths.sum(), np.cumsum(lengths) - lengths / 2
    weights = np.zeros((days, 12))
    for day in range(days):
        after = int(np.searchsorted(middle, day + 0.5)) % 12
        before = (after - 1) % 12
        span = (middle[after] - middle[before]) % days
        weights[day, after] = ((day + 0.5 - middle[before]) % days) / span
        weights[day, before] = 1.0 - weights[day, after]
    return weights


def anomaly(sim: Any, day: int, persistence: float) -> float:
    """The standardised anomaly of a day's mean temperature: mean 0, variance 1, correlation from day to day `persistence`.

    A weighted sum of the keyed normal draws of this and the 59 days before (a first-order autoregression, cut off), so it is stationary
    and depends on the day alone, not on when the run starts.
    """
    days = np.arange(day, day - MEMORY_DAYS, -1)
    normal = NormalDist()
    draws = np.array([normal.inv_cdf(u + 2.0**-55) for u in sim.uniform("weather", days, day=-1).tolist()])
    weights = np.array([persistence**lag for lag in range(MEMORY_DAYS)])
    return float(draws @ weights / math.sqrt(float(weights @ weights)))


def daily_cycle() -> Floats:
    """The shape of a day's temperature by hour: half waves from the coldest at 6:00 to the warmest at 15:00; mean 0, range 1."""
    rising = [-0.5 * math.cos(math.pi * (hour - 6) / 9) for hour in range(6, 15)]
    falling = [0.5 * math.cos(math.pi * ((hour - 15) % 24) / 15) for hour in (*range(15, 24), *range(6))]
    shape = np.array([*falling[9:], *rising, *falling[:9]])
    return shape - shape.mean()


def daylight(day_of_year: int, lat_deg: float, lon_deg: float, utc_offset_h: float) -> Floats:
    """The share of each hour of clock time with the sun above the horizon.

    Declination and equation of time after Spencer (1971); sunrise and sunset from the standard hour-angle formula.
    """
    g = 2.0 * math.pi * (day_of_year - 1) / 365.0
    declination = (
        0.006918 - 0.399912 * math.cos(g) + 0.070257 * math.sin(g) - 0.006758 * math.cos(2 * g) + 0.000907 * math.sin(2 * g)
        - 0.002697 * math.cos(3 * g) + 0.00148 * math.sin(3 * g)
    )  # fmt: skip
    time_equation_h = 24.0 / (2.0 * math.pi) * (
        0.000075 + 0.001868 * math.cos(g) - 0.032077 * math.sin(g) - 0.014615 * math.cos(2 * g) - 0.04089 * math.sin(2 * g)
    )  # fmt: skip
    lat = math.radians(lat_deg)
    cosine = (math.sin(math.radians(HORIZON_DEG)) - math.sin(lat) * math.sin(declination)) / (math.cos(lat) * math.cos(declination))
    half_day_h = math.acos(min(1.0, max(-1.0, cosine))) * 12.0 / math.pi
    noon = 12.0 + utc_offset_h - lon_deg / 15.0 - time_equation_h
    hours = np.arange(24.0)
    return np.clip(np.minimum(noon + half_day_h, hours + 1.0) - np.maximum(noon - half_day_h, hours), 0.0, 1.0)


@settlement(
    phase="refresh",
    writes=("city:temperature_c", "city:temperature_mean_c", "city:daylight", "city:heating_degree_hours", "city:appliance_factor"),
)
def make_weather(sim: Any) -> None:
    """The day's temperature and daylight by hour, and how much appliances are used compared with 2026 and its tariff."""
    state, world, date = sim.state["energy"], sim.world.energy, sim.clock.date
    climate, leap, row = state["climate"], calendar.isleap(date.year), date.timetuple().tm_yday - 1
    normal = day_means(tuple(climate.mean_c.tolist()), leap)[row]
    sd = day_values(tuple(climate.sd_c.tolist()), leap)[row] * world.temperature_spread_ratio
    span = day_values(tuple(climate.range_c.tolist()), leap)[row]
    mean = normal + world.temperature_shift_c + sd * anomaly(sim, sim.clock.day, world.temperature_persistence)
    temperature = mean + span * daily_cycle()
    sim.city["temperature_c"] = temperature
    sim.city["temperature_mean_c"] = mean
    sim.city["heating_degree_hours"] = float(np.maximum(0.0, HEATING_BASE_C - temperature).sum())
    sim.city["daylight"] = daylight(row + 1, world.latitude_deg, world.longitude_deg, world.utc_offset_h)
    years = date.year + row / (366 if leap else 365) - 2026.0
    dearer = max(sim.policy.energy.tariff_kzt_per_kwh, 1.0) / BASE_TARIFF_KZT_PER_KWH
    sim.city["appliance_factor"] = (1.0 + world.appliance_growth) ** years * dearer**world.price_elasticity


# --- the equipment of homes -------------------------------------------------------------------------------------------------

EQUIPMENT = (
    "furnished", "stove_electric", "heating_electric", "boiler_electric", "air_conditioner", "appliance_w", "lighting_w",
    "heat_loss_w_per_k",
)  # fmt: skip


@settlement(
    phase="refresh", reads=("households.income_kzt", "households.size"), writes=tuple(f"households.{name}" for name in EQUIPMENT)
)
def furnish_homes(sim: Any) -> None:
    """Draw the equipment of households that are new, keyed by the household alone: the same in every replicate and scenario."""
    homes, world = sim.tables["households"], sim.world.energy
    new = np.flatnonzero(~homes["furnished"])
    if not len(new):
        return
    ids = homes.id[new]
    key = stream_key(sim.seed, 0, "equipment", -1)
    u = [uniform_array(key, ids, k) for k in range(6)]
    income = np.maximum(homes["income_kzt"][new].astype(np.float64), 0.0)
    # Against a fixed income and not the mean of the homes there are, so that one more home changes no other.
    relative = np.clip(income / world.reference_income_kzt, 0.2, 5.0) ** world.income_elasticity
    homes["stove_electric"][new] = u[0] < world.electric_stove_share
    homes["heating_electric"][new] = u[1] < world.electric_heating_share
    homes["boiler_electric"][new] = u[2] < world.electric_boiler_share
    homes["air_conditioner"][new] = u[3] < world.air_conditioner_share * relative
    # Assumed: 170 W in use while someone is awake at home, 60 W of lamps and a room's lamp more for each person; a third up or down.
    homes["appliance_w"][new] = 170.0 * relative * (0.67 + 0.66 * u[4])
    homes["lighting_w"][new] = (60.0 + 12.0 * homes["size"][new]) * (0.67 + 0.66 * u[4])
    homes["heat_loss_w_per_k"][new] = world.heat_loss_w_per_k * np.exp(1.2 * (u[5] - 0.5))
    homes["furnished"][new] = True


@settlement(
    phase="tally", reads=(*(f"grid:load_{use}" for use in USES), "zones.substation"), writes=("grid:load_wanted", "grid:substation_wanted")
)
def sum_load(sim: Any) -> None:
    """Add up what each zone and each substation is asked for in each hour, when the homes' uses are known."""
    wanted = sim.grids["load_wanted"]
    for use in USES:
        wanted += sim.grids[f"load_{use}"]
    substation = sim.tables["zones"]["substation"]
    connected = np.flatnonzero(substation >= 0)
    np.add.at(sim.grids["substation_wanted"], substation[connected], wanted[connected])


# --- closing the day --------------------------------------------------------------------------------------------------------


@settlement(phase="refresh", every="1 month", writes=("households.unserved_month_wh", "households.outage_hours_month"))
def begin_energy_month(sim: Any) -> None:
    """Set the month's sums to zero; in January the year's as well."""
    homes = sim.tables["households"]
    homes["unserved_month_wh"][:] = 0
    homes["outage_hours_month"][:] = 0
    sums = totals(sim)
    for name, value in sums.items():
        if name.startswith("month_") or (name.startswith("year_") and sim.clock.first_of_year):
            sums[name] = value * 0


def totals(sim: Any) -> dict[str, Any]:
    """The domain's sums: month_wanted (uses × zones), month_unserved (zones), peaks, degree hours, and the year's, in Wh."""
    state = sim.state["energy"]
    if "totals" not in state:
        zones = sim.tables["zones"].n
        state["totals"] = {
            "month_wanted": np.zeros((len(USES), zones), np.int64), "month_unserved": np.zeros(zones, np.int64),
            "month_peak_wh": 0, "month_degree_hours": 0.0, "month_temperature": 0.0, "month_days": 0,
            "year_wanted": np.zeros(zones, np.int64), "year_unserved": np.zeros(zones, np.int64), "unbilled_wh": 0,
        }  # fmt: skip
    sums: dict[str, Any] = state["totals"]
    return sums


def use_keys(sim: Any, rows: NDArray[Any]) -> Floats:
    """How a zone's energy for each use is shared among its homes: relative weights, shape (uses, homes)."""
    homes, params = sim.tables["households"], sim.rule_params
    size = homes["size"][rows].astype(np.float64)
    cooking, appliances = params["cooking_load"], params["appliance_load"]
    stove = np.where(homes["stove_electric"][rows], 1.0, cooking["kettle_share"])
    people = 1.0 + appliances["person_share"] * np.maximum(0.0, size - 1.0)
    return np.array([
        stove * (cooking["meal_wh"] + cooking["meal_person_wh"] * size),
        homes["lighting_w"][rows].astype(np.float64),
        appliances["standing_w"] + 0.6 * homes["appliance_w"][rows] * people,  # at home and awake 0.6 of the time
        homes["heating_electric"][rows] * homes["heat_loss_w_per_k"][rows].astype(np.float64),
        homes["air_conditioner"][rows].astype(np.float64),
        homes["boiler_electric"][rows] * size,
    ])  # fmt: skip


def home_weights(keys: Floats, load: NDArray[Any], group: Ints) -> Floats:
    """The expected Wh of each home, from its keys (uses, homes), the loads of the zones by use (uses, zones) and the homes' zones.

    `group` is the place of a home's zone in `load`. Uses that no home of the zone has add nothing.
    """
    zones = load.shape[1]
    of_zone = np.array([np.bincount(group, weights=key, minlength=zones) for key in keys])
    each = np.where(of_zone > 0, load / np.where(of_zone > 0, of_zone, 1.0), 0.0)
    return np.asarray((each[:, group] * keys).sum(axis=0))


def whole(weights: Floats) -> Ints:
    """Weights as positive integers, to a thousandth."""
    return np.rint(weights * 1000.0).astype(np.int64) + 1


def homes_of(sim: Any, zones: NDArray[Any]) -> tuple[Ints, Ints]:
    """(rows of the households of some zones, by zone and id; the place of each one's zone among `zones`, ascending)."""
    homes = sim.tables["households"]
    asked = np.zeros(sim.tables["zones"].n + 1, bool)  # the last place is for homes that are nowhere (−1)
    asked[zones] = True
    rows = np.flatnonzero(asked[homes["home"]])
    rows = rows[np.lexsort((homes.id[rows], homes["home"][rows]))]
    return rows, np.searchsorted(zones, homes["home"][rows])


@settlement(
    phase="settle", reads=("grid:load_unserved", "households.home"),
    writes=("households.outage_hours", "households.outage_hours_month", "households.unserved_month_wh"),
)  # fmt: skip
def share_unserved(sim: Any) -> None:
    """Bring what was not served to the homes: in each hour homes of the zone lose their supply in keyed order until it is covered."""
    homes, unserved = sim.tables["households"], sim.grids["load_unserved"]
    homes["outage_hours"][:] = 0
    short = np.flatnonzero(unserved.any(axis=1))
    if not len(short):
        return
    rows, group = homes_of(sim, short)
    keys = use_keys(sim, rows)
    hours = np.zeros(len(rows))
    for hour in np.flatnonzero(unserved[short].any(axis=0)).tolist():
        load = np.array([sim.grids[f"load_{use}"][short, hour] for use in USES], np.int64)
        missing = unserved[short, hour] // sim.weight
        wants = split_groups(load.sum(axis=0) // sim.weight, whole(home_weights(keys, load, group)), group)
        lost = lose(missing, wants, group, sim.uniform("shortage", homes.id[rows], k=hour))
        felt = np.bincount(group, weights=lost, minlength=len(short)).astype(np.int64)
        if (felt * sim.weight != unserved[short, hour]).any():
            at = int(np.flatnonzero(felt * sim.weight != unserved[short, hour])[0])
            told = f"{unserved[short[at], hour]} Wh were not served, homes miss {felt[at] * sim.weight} Wh"
            raise RunError(f"energy: zone row {short[at]}, hour {hour}: {told}")
        homes["unserved_month_wh"][rows] += lost
        hours += lost / np.maximum(wants, 1)
    homes["outage_hours"][rows] = hours
    homes["outage_hours_month"][rows] += hours.astype(np.float32)


def split_groups(total: Ints, weights: Ints, group: Ints) -> Ints:
    """`process.split` for many totals at once: `group` (ascending) says which total a weight belongs to.

    Weights whose products with their total would pass 63 bits lose their last bits, alike within the group, down to 1. Each group is
    split by what is its own, so that a change in one changes no other.
    """
    largest = np.bincount(group, weights=weights, minlength=len(total)) * total.astype(np.float64)
    spare = np.maximum(0, np.ceil(np.log2(np.maximum(1.0, largest)) - 61)).astype(np.int64)[group]
    weights = np.where(spare > 0, np.maximum(weights >> spare, 1), weights)
    running, first = _running(weights, group)
    whole_of = np.bincount(group, weights=weights, minlength=len(total)).astype(np.int64)
    shares = total[group] * running // np.maximum(whole_of[group], 1)
    parts = np.diff(shares, prepend=0)
    parts[first] = shares[first]
    return parts


def _running(values: Ints, group: Ints) -> tuple[Ints, Ints]:
    """(the running sum within each group, the first row of each group that has one); groups ascend."""
    first = np.flatnonzero(np.diff(group, prepend=-1))
    running = np.cumsum(values)
    before = np.repeat(running[first] - values[first], np.diff(np.append(first, len(group))))
    return running - before, first


def lose(missing: Ints, wants: Ints, group: Ints, rank: Floats) -> Ints:
    """What each home loses of what it wants when `missing` Wh of its zone are to be cut.

    Homes of a zone go in the order of `rank`, whole until it is covered; `group` (ascending) says which entry of `missing` is theirs.
    """
    order = order_within(group, words_of(rank))
    ranked = wants[order]
    running, _ = _running(ranked, group[order])
    lost = np.zeros(len(wants), np.int64)
    lost[order] = np.clip(missing[group[order]] - (running - ranked), 0, ranked)
    return lost


@settlement(
    phase="settle", reads=tuple(f"grid:load_{use}" for use in (*USES, "wanted", "unserved")),
    writes=("account:grid", "account:homes"),
)  # fmt: skip
def book_energy(sim: Any) -> None:
    """Book the day's served energy from the grid to homes, and add the day to the sums of the month and the year."""
    sums, unserved = totals(sim), sim.grids["load_unserved"]
    by_hour, missing = sim.grids["load_wanted"].sum(axis=0), unserved.sum(axis=1)
    sim.ledger.book("Wh", "grid", "homes", int(by_hour.sum() - missing.sum()))
    for row, use in enumerate(USES):
        sums["month_wanted"][row] += sim.grids[f"load_{use}"].sum(axis=1)
    sums["month_unserved"] += missing
    sums["year_wanted"] += sim.grids["load_wanted"].sum(axis=1)
    sums["year_unserved"] += missing
    sums["month_peak_wh"] = max(sums["month_peak_wh"], int(by_hour.max()))
    sums["month_degree_hours"] += sim.city["heating_degree_hours"]
    sums["month_temperature"] += sim.city["temperature_mean_c"]
    sums["month_days"] += 1


@settlement(phase="check", reads=("grid:load_wanted", "grid:load_unserved", "grid:substation_wanted", "grid:substation_served"))
def check_energy(sim: Any) -> None:
    """Stop the run where a Wh is lost: unserved beyond wanted, or substations that do not agree with their zones."""
    wanted, unserved = sim.grids["load_wanted"], sim.grids["load_unserved"]
    wrong = np.argwhere((unserved < 0) | (unserved > wanted))
    if len(wrong):
        zone, hour = wrong[0].tolist()
        raise RunError(f"energy: zone row {zone}, hour {hour}: {unserved[zone, hour]} Wh unserved of {wanted[zone, hour]} Wh wanted")
    missing = int(sim.grids["substation_wanted"].sum() - sim.grids["substation_served"].sum())
    if missing != int(unserved.sum()):
        raise RunError(f"energy: substations miss {missing} Wh, zones {int(unserved.sum())} Wh")


SETTLEMENTS = (make_weather, furnish_homes, begin_energy_month, sum_load, share_unserved, book_energy, check_energy)
