"""Hourly use of electricity by one household, by end use, and by one firm, in Wh.

Each tally is called for each hour of the day; who is at home comes as a mask of 24 bits, the weather as the hour's temperature and
daylight. The draw `u` belongs to the household and the day, so all hours of a day see the same one. Profiles over the day are assumed:
no survey of the use of time or of loads in Kazakhstan was at hand. Not modelled yet: circulation pumps of gas boilers, portable
heaters, holidays away, street lights and pumps of the waterworks.

Magnitude: with the defaults a resident uses roughly 60 to 110 kWh a month. Comparators: the supplier's first block of 90 kWh a resident
and month, and 5,950 kWh a head and year for the whole economy of Kazakhstan (an upper bound, industry included).
"""

from __future__ import annotations

from alatau_sim.engine.rule import tally
from alatau_sim.fields import param

# Share of a day's cooking in each hour: breakfast, lunch, dinner (assumed; sums to 1).
COOKING = (
    0.0, 0.0, 0.0, 0.0, 0.0, 0.01, 0.05, 0.09, 0.06, 0.03, 0.02, 0.04,
    0.10, 0.07, 0.03, 0.02, 0.03, 0.07, 0.13, 0.13, 0.08, 0.03, 0.01, 0.0,
)  # fmt: skip
# Share of those at home who are awake in each hour (assumed).
AWAKE = (
    0.15, 0.05, 0.03, 0.03, 0.05, 0.15, 0.45, 0.75, 0.90, 0.95, 0.95, 0.95,
    0.95, 0.95, 0.95, 0.95, 0.95, 0.97, 1.0, 1.0, 1.0, 0.95, 0.75, 0.40,
)  # fmt: skip
# Share of a day's hot water in each hour (assumed; sums to 1).
HOT_WATER = (
    0.01, 0.01, 0.0, 0.0, 0.01, 0.03, 0.08, 0.10, 0.07, 0.05, 0.04, 0.03,
    0.04, 0.03, 0.02, 0.02, 0.03, 0.05, 0.07, 0.09, 0.09, 0.07, 0.04, 0.02,
)  # fmt: skip
WATER_WH_PER_L_K = 1.163


def at_home(home_mask: int, hour: int) -> int:
    """1 if anyone of the household is at home in this hour, else 0."""
    return (home_mask >> hour) & 1


def heating_need_w(temperature_c: float, heat_loss_w_per_k: float, indoor_c: float, free_heat_k: float) -> float:
    """Heat that keeps a dwelling at `indoor_c` in steady state [W]: loss times the degrees that free heat does not cover."""
    return heat_loss_w_per_k * max(0.0, indoor_c - free_heat_k - temperature_c)


@tally(of="households", into="load_cooking", cell=("home",))
def cooking_load(
    hour: int, home_mask: int, stove_electric: bool, size: int, u: float,
    *, meal_wh: float = param(600.0, within=(0, 5000), unit="Wh/day", meaning="a home's cooking a day, whoever is there (assumed)"),
    meal_person_wh: float = param(350.0, within=(0, 3000), unit="Wh/person/day", meaning="and for each person (assumed)"),
    kettle_share: float = param(
        0.15, within=(0, 1), unit="share", meaning="use of homes that cook with gas, for kettles and ovens (assumed)"
    ),
) -> int:
    """Cooking [Wh]: meals follow the clock, the day's amount varies by half up or down."""
    day_wh = (meal_wh + meal_person_wh * size) * (0.5 + u)
    share = 1.0 if stove_electric else kettle_share
    return int(round(at_home(home_mask, hour) * share * COOKING[hour] * day_wh))


@tally(of="households", into="load_lighting", cell=("home",))
def lighting_load(hour: int, home_mask: int, lighting_w: float, city_daylight: float) -> int:
    """Lighting [Wh]: lamps of those at home and awake, for the part of the hour without daylight."""
    return int(round(at_home(home_mask, hour) * AWAKE[hour] * (1.0 - city_daylight) * lighting_w))


@tally(of="households", into="load_appliances", cell=("home",))
def appliance_load(
    hour: int, home_mask: int, appliance_w: float, size: int, city_appliance_factor: float,
    *, standing_w: float = param(55.0, within=(0, 500), unit="W", meaning="refrigerator and standby of a home at all hours (assumed)"),
    person_share: float = param(0.15, within=(0, 1), unit="share", meaning="extra use for each person after the first (assumed)"),
) -> int:
    """Refrigerator, standby and what people at home and awake use [Wh]; grows with the years, answers to the tariff."""
    active_w = appliance_w * (1.0 + person_share * max(0, size - 1)) * AWAKE[hour] * at_home(home_mask, hour)
    return int(round((standing_w + active_w) * city_appliance_factor))


@tally(of="households", into="load_heating", cell=("home",))
def heating_load(
    hour: int, heating_electric: bool, heat_loss_w_per_k: float, city_temperature_c: float,
    world_indoor_c: float, world_free_heat_k: float,
    *, heater_w: float = param(9000.0, within=(0, 50000), unit="W", meaning="largest heating power of a home (assumed)"),
) -> int:
    """Electric heating [Wh]: heat loss against the outside, at most what the heaters can give."""
    if not heating_electric:
        return 0
    return int(round(min(heater_w, heating_need_w(city_temperature_c, heat_loss_w_per_k, world_indoor_c, world_free_heat_k))))


@tally(of="households", into="load_cooling", cell=("home",))
def cooling_load(
    hour: int, home_mask: int, air_conditioner: bool, city_temperature_c: float,
    *, cooling_from_c: float = param(25.0, within=(15, 40), unit="C", meaning="outside temperature above which people cool (assumed)"),
    cooling_w_per_k: float = param(110.0, within=(0, 1000), unit="W/K", meaning="electric power for each degree above (assumed)"),
    cooler_w: float = param(1100.0, within=(0, 10000), unit="W", meaning="largest electric power of a home's air conditioner (assumed)"),
) -> int:
    """Cooling [Wh] while someone is at home: grows with the degrees above a threshold up to the unit's power."""
    if not air_conditioner or at_home(home_mask, hour) == 0:
        return 0
    return int(round(min(cooler_w, cooling_w_per_k * max(0.0, city_temperature_c - cooling_from_c))))


@tally(of="households", into="load_hot_water", cell=("home",))
def hot_water_load(
    hour: int, boiler_electric: bool, size: int, u: float,
    *, litres: float = param(28.0, within=(0, 200), unit="l/person/day", meaning="hot water that a person draws (assumed)"),
    warming_k: float = param(40.0, within=(5, 80), unit="K", meaning="how far an electric boiler warms the water (assumed)"),
) -> int:
    """Electric hot water [Wh]: litres times warming; the tank is kept warm whether or not anyone is there."""
    if not boiler_electric:
        return 0
    return int(round(HOT_WATER[hour] * litres * size * warming_k * WATER_WH_PER_L_K * (0.6 + 0.8 * u)))


def open_share(hour: int, opens: int, closes: int, day_off: float, day_off_share: float) -> float:
    """The activity of a workplace in an hour: 1 from `opens` to before `closes` (past midnight where it closes first), else 0.

    On days off it is `day_off_share` (0 to 1) of that.
    """
    inside = opens <= hour < closes if opens <= closes else hour >= opens or hour < closes
    return (day_off_share if day_off != 0.0 else 1.0) if inside else 0.0


def workplace_w_m2(
    active: float, power_w_m2: float, standby_share: float, temperature_c: float, heating_w_m2_k: float, heating_from_c: float,
    cooling_w_m2_k: float, cooling_from_c: float,
) -> float:  # fmt: skip
    """Electric power of a m2 of workplace [W/m2]: standby and activity, heating at all hours, cooling as far as someone is there."""
    heating = heating_w_m2_k * max(0.0, heating_from_c - temperature_c)
    cooling = active * cooling_w_m2_k * max(0.0, temperature_c - cooling_from_c)
    return power_w_m2 * (standby_share + (1.0 - standby_share) * active) + heating + cooling


@tally(of="firms", into="load_firms", cell=("site",))
def firm_load(
    hour: int, floor_m2: int, process_w: int, sector_energy_w_m2: float, sector_standby_share: float, sector_opens: int, sector_closes: int,
    sector_day_off_share: float, city_day_off: float, city_temperature_c: float,
    *, heating_w_m2_k: float = param(
        0.1, within=(0, 10), unit="W/m2/K", meaning="electric heating of the mean workplace a degree, few of which heat so (assumed)"
    ),
    heating_from_c: float = param(15.0, within=(0, 30), unit="C", meaning="outside temperature below which workplaces heat (assumed)"),
    cooling_w_m2_k: float = param(
        0.6, within=(0, 10), unit="W/m2/K", meaning="electricity for cooling the mean workplace a degree, under half are cooled (assumed)"
    ),
    cooling_from_c: float = param(22.0, within=(10, 40), unit="C", meaning="outside temperature above which workplaces cool (assumed)"),
) -> int:  # fmt: skip
    """A firm's use [Wh]: its floor space by the sector's power and opening hours and by the weather, and its processes at all hours."""
    active = open_share(hour, sector_opens, sector_closes, city_day_off, sector_day_off_share)
    w_m2 = workplace_w_m2(
        active, sector_energy_w_m2, sector_standby_share, city_temperature_c, heating_w_m2_k, heating_from_c, cooling_w_m2_k, cooling_from_c
    )
    return int(round(floor_m2 * w_m2)) + process_w


RULES = (cooking_load, lighting_load, appliance_load, heating_load, cooling_load, hot_water_load, firm_load)
