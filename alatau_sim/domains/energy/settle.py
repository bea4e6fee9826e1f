"""Weather, the equipment of homes, and the closing of the electrical day: who went without, and how much was served.

Homes have no meters of their own in the model yet: the energy of a zone, known by hour and end use, is shared among its homes by what
equipment they have (`use_keys`), in whole Wh that add up exactly.
"""

from __future__ import annotations

import calendar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.weather import anomaly, daily_cycle, day_means, day_values, daylight
from alatau_sim.domains.energy.params import BASE_TARIFF_KZT_PER_KWH, Policy
from alatau_sim.domains.energy.tables import USES
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


# --- bills ------------------------------------------------------------------------------------------------------------------

OWED = "tenge owed"
"""What is billed and not yet paid, as a commodity of the ledger."""


@settlement(
    phase="account", every="1 month",
    reads=(
        "households.home", "households.size", "households.stove_electric", "households.unserved_month_wh", "households.balance_kzt",
        "households.arrears_kzt",
    ),
    writes=(
        "households.energy_month_wh", "households.energy_bill_kzt", "households.arrears_kzt", "+households.balance_kzt",
        "account:households", "account:homes", "account:utility",
    ),
)  # fmt: skip
def bill_homes(sim: Any) -> None:
    """Share each zone's energy of the month among its homes in whole Wh, and bill it by blocks in whole tenge.

    Of a month that the run has in part, the blocks are of that part. A home pays the bill and what it owes from before as far as its
    money goes; the rest is arrears, without interest or cutting off.
    """
    homes, sums = sim.tables["households"], totals(sim)
    energy = np.zeros(homes.n, np.int64)
    served = sums["month_wanted"].sum(axis=0) - sums["month_unserved"]
    zones = np.flatnonzero(served)
    rows, group = homes_of(sim, zones)
    if len(rows):
        keys = use_keys(sim, rows)
        expected = home_weights(keys, sums["month_wanted"][:, zones], group) / sim.weight
        weights = whole(np.maximum(0.0, expected - homes["unserved_month_wh"][rows]))
        energy[rows] = split_groups(served[zones] // sim.weight, weights, group)
    lived_in = np.bincount(group, minlength=len(zones)) > 0
    sums["unbilled_wh"] += int(served[zones[~lived_in]].sum())  # everyone has left since
    bill = block_bill_kzt(energy, homes["size"], homes["stove_electric"], sim.policy.energy, month_share(sim))
    homes["energy_month_wh"][:] = energy
    homes["energy_bill_kzt"][:] = bill
    due = homes["arrears_kzt"] + bill
    paid = np.minimum(due, np.maximum(homes["balance_kzt"], 0))
    homes["arrears_kzt"][:] = due - paid
    homes["balance_kzt"][:] -= paid
    sim.ledger.book(OWED, "utility", "homes", int(bill.sum()))
    sim.ledger.book(OWED, "homes", "utility", int(paid.sum()))
    sim.ledger.book("tenge", "households", "utility", int(paid.sum()))


@settlement(phase="settle", writes=("account:homes", "account:written_off"))
def write_off_arrears(sim: Any) -> None:
    """Write off what those homes owed as the day before closed that are gone now.

    By their ids and not by the difference to the books, so that a column that has gone wrong does not agree with them again.
    """
    ids, arrears = sim.state["energy"]["debtors"]
    gone = sim.tables["households"].rows_of(ids) < 0
    sim.ledger.book(OWED, "homes", "written_off", int(arrears[gone].sum()))


@settlement(phase="record", reads=("households.arrears_kzt",), writes=())
def remember_debtors(sim: Any) -> None:
    """Keep the ids of the homes that owe something as the day closes, and how much."""
    homes = sim.tables["households"]
    owing = np.flatnonzero(homes["arrears_kzt"])
    sim.state["energy"]["debtors"] = (homes.id[owing].copy(), homes["arrears_kzt"][owing].copy())


def watch_arrears(sim: Any) -> None:
    """Let the ledger compare what homes owe with their arrears every day."""
    sim.ledger.watch(OWED, "homes", "households", "arrears_kzt")
    remember_debtors.fn(sim)


def month_share(sim: Any) -> float:
    """How much of the month the run has had so far, today included: 1 at the end of a whole month."""
    date = sim.clock.date
    return float(totals(sim)["month_days"] / calendar.monthrange(date.year, date.month)[1])


def block_bill_kzt(energy_wh: Ints, size: NDArray[Any], stove_electric: NDArray[Any], policy: Policy, months: float = 1.0) -> Ints:
    """The bill of each home in whole tenge: three blocks whose ends grow with the people in the home and the time billed [months]."""
    kwh = energy_wh / 1000.0
    first = np.where(stove_electric, policy.block1_stove_kwh, policy.block1_kwh) * size * months
    second = first * policy.block2_width_ratio
    blocks = (
        np.minimum(kwh, first) + policy.block2_ratio * np.clip(kwh - first, 0.0, second - first)
        + policy.block3_ratio * np.maximum(0.0, kwh - second)
    )  # fmt: skip
    return np.rint(policy.tariff_kzt_per_kwh * blocks).astype(np.int64)


SETTLEMENTS = (
    make_weather, furnish_homes, begin_energy_month, sum_load, share_unserved, book_energy, check_energy, write_off_arrears, bill_homes,
    remember_debtors,
)  # fmt: skip
