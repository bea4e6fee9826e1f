"""What a scenario may say about land and homes: the levers of the city, what it does not know, and the building programme."""

from __future__ import annotations

from datetime import date

from alatau_sim.fields import Section, lognormal_spread, param, triangular_between, uniform_between

USES = ("homes", "workspace")
"""What is built."""

_HOME = (
    "28 m2 computed from the housing plan, https://qazinform.com/news/what-we-know-about-kazakhstans-new-alatau-city-project-728dbe; "
    "3 people an urban household, https://mgorod.kz/news/bolee-chetverti-kazaxstancev-zhivut-v-domoxozyajstvax-po-pyat-i-bolee-chelovek"
)
_OWNERS = "https://mgorod.kz/news/bolee-chetverti-kazaxstancev-zhivut-v-domoxozyajstvax-po-pyat-i-bolee-chelovek"
_RENTS = "statistics bureau: 2,074 KZT/m2 in Taraz, 4,471 in the nation, 5,364 in Almaty (a September, year not stated), https://kazkorean.kz"
_COSTS = (
    "computed: 437.7 billion KZT for 1.9 million m2 of homes in two months, "
    "https://7kun.kz/ru/news/v-kazahstane-za-dva-mesaca-postroili-bolee-4-tys-zilyh-zdanij"
)
_BUILT = "20.1 million m2 in 2025, https://www.inform.kz/ru/gde-v-kazahstane-bolshe-vsego-zhilya-vveli-v-ekspluatatsiyu-d2d460"
_BASELINE = "scenarios/baseline.yaml: 350 to 400 homes a year are completed in 2026 and 2027 (2.5 % of today's, as people grow)"


class Programme(Section):
    """The building programme: what is to be built where, announced on a day."""

    name: str = param("", meaning="name of the entry")
    zone: str = param(..., meaning="zone in which it is built")
    use: str = param(..., one_of=USES, meaning="homes or workspace")
    dwellings: int = param(
        0, within=(0, 1_000_000), unit="dwellings", meaning="dwellings; homes without a number have as many as their floor space makes"
    )
    floor_m2: int = param(
        0, within=(0, 100_000_000), unit="m2", meaning="gross floor space; homes without it have policy.land.m2_per_dwelling a dwelling"
    )
    announced: date = param(..., meaning="day on which it is announced; what was announced before the run has gone on without waiting")


class Policy(Section):
    """Levers: how fast permits are given, how much can be built at once, and how much is asked for."""

    permit_days: int = param(
        100, within=(0, 3650), unit="days", meaning="work on one building permit (assumed: about three months, surveys and design within)"
    )
    permits_at_once: int = param(
        120, within=(0, 100_000), unit="permits", meaning="permits that are worked on at once; the others wait in order (assumed)"
    )
    crews: int = param(
        700, within=(0, 1_000_000), unit="crews",
        meaning="building crews of five at work in the city at once (assumed: 3,500 builders; the press counts 1,000 at one plant)",
    )  # fmt: skip
    programme_factor: float = param(
        1.0, within=(0, 20), unit="1", meaning="size of what the building programme has not announced yet, in multiples"
    )
    programme_delay_days: int = param(
        0, within=(0, 36_500), unit="days", meaning="days by which what the programme has not announced yet comes later"
    )
    market_starts_factor: float = param(1.0, within=(0, 20), unit="1", meaning="what developers start by themselves, in multiples")
    m2_per_dwelling: float = param(
        84.0, within=(20, 500), unit="m2", evidence="sourced", source=_HOME,
        meaning="gross floor space of a dwelling: 28 m2 a resident × 3 residents",
    )  # fmt: skip
    storeys_most: float = param(
        25.0, within=(1, 200), unit="storeys", meaning="most storeys that are allowed anywhere: floor space ≤ coverage × storeys (assumed)"
    )
    site_m2: int = param(
        20_000, within=(500, 10_000_000), unit="m2", meaning="largest building site; more is built in several, side by side (assumed)"
    )


class World(Section):
    """Uncertainties of rents, building and moving."""

    owner_share: float = param(
        0.868, within=(0, 1), unit="share", evidence="sourced", source=_OWNERS, meaning="households of the start that own their home"
    )
    arrival_owner_share: float = param(
        0.5, within=(0, 1), unit="share", spread=uniform_between(0.3, 0.7),
        meaning="households that come which buy their home; the others rent (assumed)",
    )  # fmt: skip
    rent_kzt_m2: float = param(
        1500.0, within=(10, 100_000), unit="KZT/m2/month", source=_RENTS, spread=lognormal_spread(0.2),
        meaning="asking rent at the start (assumed: the cheapest regional centre has 2,074 for homes with all amenities; half without)",
    )  # fmt: skip
    rented_size_ratio: float = param(
        0.65, within=(0.05, 2), unit="1", spread=uniform_between(0.5, 0.8),
        meaning="floor space of rented homes over that of the mean dwelling (assumed: two rooms, about 55 m2)",
    )  # fmt: skip
    rent_adjustment: float = param(
        1.0, within=(0, 20), unit="1/year", spread=lognormal_spread(0.5),
        meaning="yearly change of rents over what the vacancy rate lies below the natural one (assumed; form of Rosen and Smith, 1983)",
    )  # fmt: skip
    natural_vacancy_share: float = param(
        0.06, within=(0, 0.5), unit="share", spread=triangular_between(0.04, 0.09),
        meaning="vacant homes at which rents stay as they are (assumed; estimates for American cities lie about 0.065)",
    )  # fmt: skip
    natural_workspace_share: float = param(
        0.08, within=(0, 0.5), unit="share", spread=triangular_between(0.05, 0.15),
        meaning="free workspace that developers keep up, and its share at the start (assumed)",
    )  # fmt: skip
    building_cost_kzt_m2: float = param(
        230_000.0, within=(1000, 10_000_000), unit="KZT/m2", source=_COSTS, spread=lognormal_spread(0.15),
        meaning="cost of a m2 of homes (assumed: the national mean of early 2025)",
    )  # fmt: skip
    required_return: float = param(
        0.08, within=(0.005, 1), unit="1/year", spread=triangular_between(0.06, 0.12),
        meaning="gross rent a year that developers ask for, as a share of the cost (assumed)",
    )  # fmt: skip
    supply_elasticity: float = param(
        1.5, within=(0, 20), unit="1", spread=uniform_between(0.5, 3.0),
        meaning="elasticity of starts by rent over what covers the cost (assumed)",
    )  # fmt: skip
    adjustment_speed: float = param(
        0.5, within=(0, 12), unit="1/year", evidence="calibrated", source=_BASELINE, spread=lognormal_spread(0.3),
        meaning="share of the missing homes or workspace that developers start in a year, where rent just covers the cost",
    )  # fmt: skip
    crew_m2_per_day: float = param(
        0.8, within=(0.01, 100), unit="m2/day", source=_BUILT, spread=lognormal_spread(0.2),
        meaning="floor space that a crew of five builds in a day (assumed: 57 m2 a builder and year, if 3.5 % of workers build homes)",
    )  # fmt: skip
    site_days: int = param(
        365, within=(1, 36_500), unit="days", spread=uniform_between(270, 540),
        meaning="time in which a site is meant to be built; it takes the crews for that (assumed)",
    )  # fmt: skip
    site_crews_most: int = param(
        60, within=(1, 100_000), unit="crews", meaning="most crews that work on one site; larger ones take longer (assumed)"
    )
    site_days_least: int = param(
        120, within=(1, 36_500), unit="days", spread=uniform_between(90, 180), meaning="shortest time of building (assumed)"
    )
    workspace_m2_per_job: float = param(
        40.0, within=(1, 1000), unit="m2", spread=uniform_between(30.0, 55.0),
        meaning="gross floor space for each job of today, which stands at the start (assumed: offices have 20, plants and stores up to 90)",
    )  # fmt: skip
    jobs_per_dwelling: float = param(
        0.75, within=(0, 20), unit="jobs", meaning="jobs of today for each dwelling, where the map has no jobs_existing (assumed)"
    )
    rent_weight: float = param(
        1.0, within=(0, 20), unit="1", spread=uniform_between(0.3, 2.0),
        meaning="elasticity of a zone's share of those who look for a home by its rent, taken negative (assumed)",
    )  # fmt: skip
    access_weight: float = param(
        0.5, within=(0, 20), unit="1", spread=uniform_between(0.1, 1.0),
        meaning="elasticity of that share by the jobs within reach (assumed)",
    )  # fmt: skip
    outage_weight: float = param(
        5.0, within=(0, 1000), unit="1", spread=uniform_between(1.0, 10.0),
        meaning="utility lost with all electricity, in proportion to the share that is not served (assumed)",
    )  # fmt: skip
    vacancy_weight: float = param(1.0, within=(-20, 20), unit="1", meaning="utility of a zone with all homes vacant (assumed)")
