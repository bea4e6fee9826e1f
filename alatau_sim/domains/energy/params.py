"""What a scenario may say about electricity: the levers (tariff, network reserve) and what is not known (weather, equipment, failures)."""

from __future__ import annotations

from alatau_sim.fields import Section, lognormal_spread, normal_spread, param, triangular_between

TARIFF = "energy_water_tariffs.csv in the facts: zakon.kz, 15 July 2025, household base price with VAT"
BLOCKS = "esalmaty.kz home tariffs (supplier; year not stated)"
RATIOS = "levels 1/2/3 of April 2015 (press.esalmaty.kz) and an undated press list (abctv.kz)"
PLACE = "settlements.csv in the facts: the air base beside Zhetygen, 43.7330 N, 77.1168 E"
BASE_TARIFF_KZT_PER_KWH = 35.67


class Policy(Section):
    """What the city and its utility can choose."""

    tariff_kzt_per_kwh: float = param(
        BASE_TARIFF_KZT_PER_KWH, within=(0, 500), unit="KZT/kWh", evidence="sourced", source=TARIFF,
        meaning="price of the first block for households, VAT included, at prices of 2025; use answers by world.energy.price_elasticity",
    )
    firm_tariff_kzt_per_kwh: float = param(
        30.08, within=(0, 500), unit="KZT/kWh", evidence="sourced",
        source="energy_water_tariffs.csv in the facts: Halyq Uni report on the Almaty price, from a 15 October (year not given)",
        meaning="price for firms and public transport, without VAT (which firms get back)",
    )
    block2_ratio: float = param(
        1.34, within=(1, 5), unit="1", evidence="sourced", source=RATIOS,
        meaning="price of the second block relative to the first",
    )
    block3_ratio: float = param(
        1.67, within=(1, 10), unit="1", evidence="sourced", source=RATIOS,
        meaning="price of the third block relative to the first",
    )
    block1_kwh: float = param(
        90.0, within=(0, 1000), unit="kWh/person/month", evidence="sourced", source=BLOCKS,
        meaning="end of the first block in homes without an electric stove",
    )
    block1_stove_kwh: float = param(
        115.0, within=(0, 1000), unit="kWh/person/month", evidence="sourced", source=BLOCKS,
        meaning="end of the first block in homes with an electric stove",
    )
    block2_width_ratio: float = param(
        1.8, within=(1, 10), unit="1",
        meaning="end of the second block relative to the end of the first (assumed: the facts give the end of the first block only)",
    )
    substation_reserve_share: float = param(
        0.0, within=(-0.5, 2), unit="1",
        meaning="transformer capacity that the utility adds to each substation's rating, as a share of it; 0 leaves the rating as given",
    )


class World(Section):
    """What nobody chooses: weather, equipment of homes, failures."""

    temperature_shift_c: float = param(
        0.0, within=(-10, 15), unit="C", spread=normal_spread(0.5),
        meaning="added to every hour's temperature (assumed spread; +0.5 C a decade has been observed in Almaty since 1976)",
    )
    temperature_persistence: float = param(
        0.75, within=(0, 0.95), unit="", spread=triangular_between(0.65, 0.85),
        meaning="correlation of a day's temperature anomaly with the day before (assumed: usual for continental stations)",
    )
    temperature_spread_ratio: float = param(
        1.0, within=(0, 2), unit="1", spread=triangular_between(0.8, 1.2),
        meaning="standard deviation of daily anomalies relative to the climate table, whose deviations are assumed",
    )
    latitude_deg: float = param(
        43.73, within=(-89, 89), unit="deg", evidence="sourced", source=PLACE,
        meaning="latitude at which the day's hours of daylight are reckoned, north positive; give your own city's",
    )
    longitude_deg: float = param(
        77.12, within=(-180, 180), unit="deg", evidence="sourced", source=PLACE,
        meaning="longitude at which the day's hours of daylight are reckoned, east positive; give your own city's",
    )
    utc_offset_h: float = param(
        5.0, within=(-12, 14), unit="h", evidence="sourced",
        source="Kazakhstan uses one zone, UTC+5 without summer time, since 1 March 2024",
        meaning="local clock time minus universal time; places the hours of daylight",
    )
    indoor_c: float = param(
        20.0, within=(10, 28), unit="C", spread=triangular_between(18, 22), meaning="temperature that heated homes are kept at (assumed)"
    )
    heat_loss_w_per_k: float = param(
        160.0, within=(10, 1000), unit="W/K", spread=lognormal_spread(0.25),
        meaning="median heat loss of a dwelling for each degree between inside and outside (assumed: about 75 m2, mostly village houses)",
    )
    free_heat_k: float = param(
        3.0, within=(0, 10), unit="K", spread=triangular_between(2, 4),
        meaning="warming of a dwelling by people, appliances and sun, taken off the heating need (assumed)",
    )
    electric_heating_share: float = param(
        0.06, within=(0, 1), unit="share", spread=triangular_between(0.02, 0.15),
        meaning="share of homes heated by electricity; the others burn gas or coal or have district heat (assumed: not in the facts)",
    )
    electric_stove_share: float = param(
        0.35, within=(0, 1), unit="share", spread=triangular_between(0.15, 0.6),
        meaning="share of homes that cook with electricity (assumed; press reports say that gas is missing in places)",
    )
    electric_boiler_share: float = param(
        0.35, within=(0, 1), unit="share", spread=triangular_between(0.2, 0.6),
        meaning="share of homes with an electric water heater (assumed)",
    )
    air_conditioner_share: float = param(
        0.30, within=(0, 1), unit="share", spread=triangular_between(0.15, 0.5),
        meaning="share of homes with an air conditioner at the reference income (assumed)",
    )
    reference_income_kzt: float = param(
        450_000.0, within=(1, 1e8), unit="KZT/month",
        meaning="household income at which the shares of equipment hold (assumed: near one average wage of 2025)",
    )
    income_elasticity: float = param(
        0.3, within=(0, 1.5), unit="1", spread=triangular_between(0.1, 0.6),
        meaning="relative change of appliances and air conditioners owned with relative change of household income (assumed)",
    )
    price_elasticity: float = param(
        -0.15, within=(-1, 0), unit="1", spread=triangular_between(-0.35, -0.05),
        meaning="relative change of the use of appliances with the relative change of the tariff from that of 2025 (assumed)",
    )
    appliance_growth: float = param(
        0.01, within=(-0.1, 0.2), unit="1/year", spread=normal_spread(0.01),
        meaning="growth of the use of appliances a home, counted from 1 January 2026 (assumed)",
    )
    outage_memory_days: float = param(
        30.0, within=(1, 3650), unit="days", spread=triangular_between(10, 90),
        meaning="time over which a zone's outages are remembered: its smoothed share of outages moves to a new level by 63 % (assumed)",
    )
    substation_failures_per_year: float = param(
        1.5, within=(0, 1000), unit="1/year", spread=lognormal_spread(0.5),
        meaning="mean number of failures of a substation in a year of operation (assumed: no statistics of the local network found)",
    )
    substation_repair_h: float = param(
        3.0, within=(0.1, 1000), unit="h", spread=lognormal_spread(0.4), meaning="mean time until a failed substation works again (assumed)"
    )
