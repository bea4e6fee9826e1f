"""Weather, the equipment of homes, and the closing of the electrical day: who went without, and how much was served.

Homes have no meters of their own in the model yet: the energy of a zone's homes, known by hour and end use, is shared among them by what
equipment they have (`use_keys`), in whole Wh that add up exactly. What a zone lacks is shared among homes, firms and transit in proportion.
"""

from __future__ import annotations

import calendar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.weather import anomaly, daily_cycle, day_means, day_values, daylight
from alatau_sim.domains.energy.params import BASE_TARIFF_KZT_PER_KWH
from alatau_sim.domains.energy.rules import open_share, workplace_w_m2
from alatau_sim.domains.energy.tables import HOMES, LOADS, USERS, USES
from alatau_sim.engine.clock import DAY_S, HOUR_S
from alatau_sim.engine.randomness import order_within, stream_key, uniform_array, words_of
from alatau_sim.engine.rule import settlement
from alatau_sim.errors import RunError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HEATING_BASE_C = 18.0


# --- weather ----------------------------------------------------------------------------------------------------------------


@settlement(
    phase="refresh",
    writes=("city:temperature_c", "city:temperature_mean_c", "city:daylight", "city:heating_degree_hours", "city:appliance_factor"),
)
def make_weather(sim: Any) -> None:
    """The day's temperature and daylight by hour, and how much appliances are used compared with 2026 and its tariff.

    A dated spell of weather has its temperature in every hour that begins within it.
    """
    state, world, date = sim.state["energy"], sim.world.energy, sim.clock.date
    climate, leap, row = state["climate"], calendar.isleap(date.year), date.timetuple().tm_yday - 1
    normal = day_means(tuple(climate.mean_c.tolist()), leap)[row]
    sd = day_values(tuple(climate.sd_c.tolist()), leap)[row] * world.temperature_spread_ratio
    span = day_values(tuple(climate.range_c.tolist()), leap)[row]
    mean = normal + world.temperature_shift_c + sd * anomaly(sim, sim.clock.day, world.temperature_persistence)
    temperature = mean + span * daily_cycle()
    spells = _in_spells(sim)
    if not np.isnan(spells).all():
        temperature = np.where(np.isnan(spells), temperature, spells)
        mean = float(temperature.mean())
    sim.city["temperature_c"] = temperature
    sim.city["temperature_mean_c"] = mean
    sim.city["heating_degree_hours"] = float(np.maximum(0.0, HEATING_BASE_C - temperature).sum())
    sim.city["daylight"] = daylight(row + 1, world.latitude_deg, world.longitude_deg, world.utc_offset_h)
    years = date.year + row / (366 if leap else 365) - 2026.0
    dearer = max(sim.policy.energy.tariff_kzt_per_kwh, 1.0) / BASE_TARIFF_KZT_PER_KWH
    sim.city["appliance_factor"] = (1.0 + world.appliance_growth) ** years * dearer**world.price_elasticity


def _in_spells(sim: Any) -> Floats:
    """The temperature of the day's hours that begin within a dated spell (the last one counts), and NaN in the others."""
    begins = sim.clock.day * DAY_S + np.arange(24) * HOUR_S
    temperature = np.full(24, np.nan)
    for start_s, end_s, spell_c in sim.state["energy"]["spells"]:
        temperature[(start_s <= begins) & (begins < end_s)] = spell_c
    return temperature


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
    phase="tally", reads=(*(f"grid:load_{use}" for use in LOADS), "zones.substation"),
    writes=("grid:load_wanted", "grid:wanted_by", "grid:substation_wanted", "grid:load_firms", "grid:load_transit"),
)
def sum_load(sim: Any) -> None:
    """Add up what each zone and each substation is asked for in each hour, when all uses are known.

    Zones without a substation (outside the city) ask for nothing here. In a sample, transit, which is whole, is rounded to multiples of
    the sample's weight, as all other use is.
    """
    grids, substation = sim.grids, sim.tables["zones"]["substation"]
    connected = substation >= 0
    grids["load_transit"][:] = (grids["load_transit"] + sim.weight // 2) // sim.weight * sim.weight * connected[:, None]
    grids["load_firms"][:] *= connected[:, None]
    homes = np.add.reduce([grids[f"load_{use}"] for use in USES])
    grids["wanted_by"][:] = np.stack([homes, grids["load_firms"], grids["load_transit"]], axis=1)
    grids["load_wanted"][:] = grids["wanted_by"].sum(axis=1)
    np.add.at(grids["substation_wanted"], substation[connected], grids["load_wanted"][connected])


# --- closing the day --------------------------------------------------------------------------------------------------------


@settlement(
    phase="refresh", every="1 month", writes=("households.unserved_month_wh", "households.outage_hours_month", "firms.metered_days")
)
def begin_energy_month(sim: Any) -> None:
    """Set the month's sums to zero; in January the year's as well."""
    homes = sim.tables["households"]
    homes["unserved_month_wh"][:] = 0
    homes["outage_hours_month"][:] = 0
    sim.tables["firms"]["metered_days"][:] = 0
    sums = totals(sim)
    for name, value in sums.items():
        if name.startswith("month_") or (name.startswith("year_") and sim.clock.first_of_year):
            sums[name] = value * 0


def totals(sim: Any) -> dict[str, Any]:
    """The domain's sums in Wh: month_wanted (loads × zones), month_unserved (users × zones), peaks, degree hours, and the year's.

    month_wh_m2 is what a m2 of workplace of each sector has used.
    """
    state = sim.state["energy"]
    if "totals" not in state:
        zones = sim.tables["zones"].n
        state["totals"] = {
            "month_wanted": np.zeros((len(LOADS), zones), np.int64), "month_unserved": np.zeros((len(USERS), zones), np.int64),
            "month_peak_wh": 0, "month_degree_hours": 0.0, "month_temperature": 0.0, "month_days": 0,
            "month_wh_m2": np.zeros(sim.tables["sectors"].n), "year_wanted": np.zeros(zones, np.int64),
            "year_unserved": np.zeros(zones, np.int64), "unbilled_wh": 0,
        }  # fmt: skip
    sums: dict[str, Any] = state["totals"]
    return sums


def served_in_month(sim: Any, user: int) -> Ints:
    """What each zone's homes, firms or transit were served this month so far, in Wh."""
    sums = totals(sim)
    wanted = sums["month_wanted"][: len(USES)].sum(axis=0) if user == HOMES else sums["month_wanted"][len(USES) + user - 1]
    return np.asarray(wanted - sums["month_unserved"][user])


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


def home_shares(keys: Floats, group: Ints, zones: int) -> Floats:
    """The share that each home has in its zone's load for each use, from its keys (uses, homes); a use that no home has is nobody's.

    `group` is the place of a home's zone among the `zones`.
    """
    of_zone = np.array([np.bincount(group, weights=key, minlength=zones) for key in keys])
    return np.asarray(keys / np.where(of_zone > 0, of_zone, 1.0)[:, group])


def home_weights(shares: Floats, load: NDArray[Any], group: Ints) -> Floats:
    """The expected Wh of each home, from its shares (uses, homes) and the loads of the zones by use (uses, zones)."""
    expected = np.zeros(len(group))
    for share, of_zone in zip(shares, load, strict=True):
        if of_zone.any():
            expected += share * of_zone[group]
    return expected


def whole(weights: Floats) -> Ints:
    """Weights as positive integers, to a thousandth."""
    return np.rint(weights * 1000.0).astype(np.int64) + 1


def rows_in(sim: Any, table_name: str, column: str, zones: NDArray[Any]) -> tuple[Ints, Ints]:
    """(rows of a table whose `column` names one of some zones, by zone and id; the place of each one's zone among `zones`, ascending)."""
    table = sim.tables[table_name]
    asked = np.zeros(sim.tables["zones"].n + 1, bool)  # the last place is for what is nowhere (−1)
    asked[zones] = True
    rows = np.flatnonzero(asked[table[column]])
    rows = rows[np.lexsort((table.id[rows], table[column][rows]))]
    return rows, np.searchsorted(zones, table[column][rows])


@settlement(
    phase="settle", reads=("grid:unserved_by", "households.home"),
    writes=("households.outage_hours", "households.outage_hours_month", "households.unserved_month_wh"),
)  # fmt: skip
def share_unserved(sim: Any) -> None:
    """Bring what homes were not served to them: in each hour homes of the zone lose their supply in keyed order until it is covered."""
    homes, unserved = sim.tables["households"], sim.grids["unserved_by"][:, HOMES]
    homes["outage_hours"][:] = 0
    short = np.flatnonzero(unserved.any(axis=1))
    if not len(short):
        return
    rows, group = rows_in(sim, "households", "home", short)
    shares = home_shares(use_keys(sim, rows), group, len(short))
    hours = np.zeros(len(rows))
    for hour in np.flatnonzero(unserved[short].any(axis=0)).tolist():
        load = np.array([sim.grids[f"load_{use}"][short, hour] for use in USES], np.int64)
        missing = unserved[short, hour] // sim.weight
        all_wanted = load.sum(axis=0) // sim.weight
        wants = split_groups(all_wanted, whole(home_weights(shares, load, group)), group)
        dark = (missing == all_wanted).all()  # then nobody need be chosen
        lost = wants if dark else lose(missing, wants, group, sim.uniform("shortage", homes.id[rows], k=hour))
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
    phase="settle", reads=("grid:wanted_by", "grid:unserved_by", "sectors.energy_w_m2", *(f"grid:load_{use}" for use in LOADS)),
    writes=("firms.metered_days", "account:grid", *(f"account:{user}" for user in USERS)),
)  # fmt: skip
def book_energy(sim: Any) -> None:
    """Book the day's served energy from the grid to its users, and add the day to the sums of the month and the year."""
    sim.tables["firms"]["metered_days"][:] += 1
    sums, wanted = totals(sim), sim.grids["wanted_by"]
    missing = sim.grids["unserved_by"].sum(axis=2).T
    served = wanted.sum(axis=(0, 2)) - missing.sum(axis=1)
    for user, name in enumerate(USERS):
        sim.ledger.book("Wh", "grid", name, int(served[user]))
    for row, use in enumerate(LOADS):
        sums["month_wanted"][row] += sim.grids[f"load_{use}"].sum(axis=1)
    sums["month_unserved"] += missing
    sums["month_wh_m2"] += workplace_day_wh_m2(sim)
    sums["year_wanted"] += wanted.sum(axis=(1, 2))
    sums["year_unserved"] += missing.sum(axis=0)
    sums["month_peak_wh"] = max(sums["month_peak_wh"], int(wanted.sum(axis=(0, 1)).max()))
    sums["month_degree_hours"] += sim.city["heating_degree_hours"]
    sums["month_temperature"] += sim.city["temperature_mean_c"]
    sums["month_days"] += 1


def workplace_day_wh_m2(sim: Any) -> Floats:
    """What a m2 of workplace of each sector uses today [Wh], by the formulas of `rules.firm_load`."""
    sectors, params, hours = sim.tables["sectors"], sim.rule_params["firm_load"], list(enumerate(sim.city["temperature_c"].tolist()))
    names = ("energy_w_m2", "standby_share", "opens", "closes", "day_off_share")
    day = []
    for power, standby, opens, closes, day_off_share in zip(*(sectors[name].tolist() for name in names), strict=True):
        active = [open_share(hour, opens, closes, sim.city["day_off"], day_off_share) for hour in range(24)]
        day.append(sum(workplace_w_m2(active[hour], power, standby, warmth, **params) for hour, warmth in hours))
    return np.array(day)


@settlement(phase="settle", reads=("grid:load_wanted", "grid:load_unserved"), writes=("zones.outage_share",))
def remember_outages(sim: Any) -> None:
    """Let each zone's smoothed share of electricity not served follow the day's (exponential smoothing)."""
    wanted, unserved = sim.grids["load_wanted"].sum(axis=1), sim.grids["load_unserved"].sum(axis=1)
    smoothed = sim.tables["zones"]["outage_share"]
    smoothed += (unserved / np.maximum(wanted, 1) - smoothed) / sim.world.energy.outage_memory_days


@settlement(
    phase="check", reads=("grid:wanted_by", "grid:unserved_by", "grid:load_unserved", "grid:substation_wanted", "grid:substation_served")
)
def check_energy(sim: Any) -> None:
    """Stop the run where a Wh is lost: unserved beyond wanted, or users or substations that do not agree with their zones."""
    wanted, unserved, zones = sim.grids["wanted_by"], sim.grids["unserved_by"], sim.grids["load_unserved"]
    wrong = np.argwhere((unserved < 0) | (unserved > wanted))
    if len(wrong):
        zone, user, hour = wrong[0].tolist()
        told = f"{unserved[zone, user, hour]} Wh unserved of {wanted[zone, user, hour]} Wh wanted"
        raise RunError(f"energy: {USERS[user]} of zone row {zone}, hour {hour}: {told}")
    wrong = np.argwhere(unserved.sum(axis=1) != zones)
    if len(wrong):
        zone, hour = wrong[0].tolist()
        told = f"{zones[zone, hour]} Wh were not served, its users miss {unserved[zone, :, hour].sum()} Wh"
        raise RunError(f"energy: zone row {zone}, hour {hour}: {told}")
    missing = int(sim.grids["substation_wanted"].sum() - sim.grids["substation_served"].sum())
    if missing != int(zones.sum()):
        raise RunError(f"energy: substations miss {missing} Wh, zones {int(zones.sum())} Wh")


SETTLEMENTS = (
    make_weather, furnish_homes, begin_energy_month, sum_load, share_unserved, book_energy, remember_outages, check_energy,
)  # fmt: skip
