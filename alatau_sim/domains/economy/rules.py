"""Decisions of firms about positions, of residents about work, of households about shopping, and what a month's work brings home.

Firms plan on the first of a month with last month's sales; positions that they open or close then take effect when the next month opens.
Not modelled yet: prices and wages that answer to shortage, investment, several shopping places of a household, careers.
"""

from __future__ import annotations

import math

from alatau_sim.domains.economy.tables import EMPLOYED, HIGHER, RETIRED, UNEMPLOYED
from alatau_sim.engine.rule import choice, rule
from alatau_sim.fields import lognormal_spread, param, uniform_between

# --- firms ----------------------------------------------------------------------------------------------------------------------


@rule(of="firms", writes="wanted_jobs", every="1 month")
def plan_jobs(
    jobs: int, revenue_kzt: int, capacity_kzt: int, anchor: bool, sector_public: bool, sector_staffing: float,
    sector_local_share: float, world_demand_growth: float, world_demand_spread: float, world_demand_persistence: float,
    world_public_new_share: float, u: float,
    *, adjustment: float = param(0.1, within=(0, 1), unit="1/month", spread=uniform_between(0.05, 0.15),
        meaning="relative change of positions in a month over that of sales beyond what the staff can make (assumed)"),
    most: float = param(0.25, within=(0, 1), unit="1/month", meaning="largest change of positions in a month (assumed)"),
) -> int:  # fmt: skip
    """The positions that a firm would like: more where its people sold more than they can, fewer where less; public ones by residents.

    Whole positions by a keyed draw, so that small firms change as much as large ones on the mean. Sales outside grow by a trend; lucky
    firms grow and so weigh more, and `steady_change` takes that out, so that all together grow by the trend.
    """
    if anchor or jobs == 0:
        return jobs
    if sector_public:
        change = (sector_staffing - 1.0) * (1.0 - world_public_new_share if sector_staffing > 1.0 else 1.0)
    else:
        outside = 1.0 - sector_local_share
        change = world_demand_growth / 12.0 * outside
        if capacity_kzt > 0:
            change += adjustment * math.log(max(revenue_kzt / capacity_kzt, 0.01))
            change += steady_change(adjustment, outside * world_demand_spread, world_demand_persistence)
    return max(int(math.floor(jobs * (1.0 + min(max(change, -most), most)) + u)), 1 if sector_public else 0)


def steady_change(adjustment: float, spread: float, persistence: float) -> float:
    """What to add to the change of positions so that their mean stays where demand follows an AR(1) in logarithms with mean 1.

    With x the logarithm of demand, E Π(1 + a x) grows by a E(x) + a² Σ cov(x, x later) a month: −a s²/2 + a² s² p / (1 − p).
    """
    return adjustment * spread * spread * (0.5 - adjustment * persistence / (1.0 - persistence))


@rule(of="firms", writes=("shuts", "age_months"), every="1 month")
def close_down(
    wanted_jobs: int, jobs: int, stands_for: int, age_months: int, loss_months: int, anchor: bool, sector_public: bool,
    city_sample_weight: float, world_exit_rate: float, world_young_exit_factor: float, world_exit_size_effect: float,
    world_loss_exit_factor: float, u: float,
) -> tuple[bool, int]:  # fmt: skip
    """Close when the next month opens: young and small firms more often, those that lose money most; and grow a month older.

    In a sample the row of a large firm, which stands for itself alone, has a part of its jobs.
    """
    age = min(age_months + 1, 32_000)
    if anchor or sector_public:
        return False, age
    losing = world_loss_exit_factor if loss_months >= 3 else 1.0
    size = jobs * city_sample_weight / stands_for
    rate = exit_hazard(size, age_months, world_exit_rate, world_young_exit_factor, world_exit_size_effect) * losing
    return wanted_jobs == 0 or u < 1.0 - math.exp(-rate / 12.0), age


def exit_hazard(jobs: float, age_months: int, base: float, young: float, size_effect: float) -> float:
    """Yearly hazard that a firm closes: falls with age to the base within about five years, and with the logarithm of size."""
    return base * (1.0 + (young - 1.0) * math.exp(-age_months / 30.0)) * math.exp(-size_effect * math.log(max(jobs, 1.0)))


@rule(of="firms", writes="demand", every="1 month")
def meet_demand(demand: float, world_demand_persistence: float, world_demand_spread: float, u: float, u2: float) -> float:
    """Demand from outside for the month: the logarithm goes back to its mean and is shaken (AR(1)); the mean of demand is 1."""
    middle = 0.5 * world_demand_spread * world_demand_spread
    shock = world_demand_spread * math.sqrt(1.0 - world_demand_persistence * world_demand_persistence) * normal(u, u2)
    return math.exp(world_demand_persistence * (math.log(max(demand, 1e-6)) + middle) + shock - middle)


def normal(u: float, u2: float) -> float:
    """A standard normal number from two uniform ones (Box and Muller, 1958)."""
    return math.sqrt(-2.0 * math.log(1.0 - u)) * math.sin(2.0 * math.pi * u2)


# --- work -----------------------------------------------------------------------------------------------------------------------


@rule(of="residents", writes=("looks", "quits"), every="1 month", phase="life")
def look_for_work(
    status: int, employer: int, work_outside: bool, home: int, seeks: int, u: float, u2: float,
    *, search: float = param(0.46, within=(0, 1), unit="1/month", spread=uniform_between(0.38, 0.54), evidence="calibrated",
        source="with suits_share and leave: 4.6 % unemployed, https://www.kt.kz/eng/government/kazakhstan_reports_unemployment_rate_at_4_6_in_h1_2025_1377980538.html",  # noqa: E501
        meaning="unemployed who apply once more in a month: with 0.0072 who lose work and 0.0032 who begin to look, a month and person "
        "with work, and f = 0.46 × 0.6 × 0.8 (a fifth of those who suit find the positions taken), u = 0.0104 / (0.0104 + 0.22)"),
    search_outside: float = param(0.02, within=(0, 1), unit="1/month", spread=lognormal_spread(0.5),
        meaning="people with work outside the city who apply for work in it in a month (assumed)"),
    leave: float = param(0.0072, within=(0, 1), unit="1/month",
        meaning="people with work who lose or leave it in a month, dismissals by shrinking firms not counted (assumed)"),
) -> tuple[bool, bool]:  # fmt: skip
    """Who applies for work this month and who leaves his own.

    Those who have never applied (newcomers, school leavers), and those whose firm has closed, always do. Newcomers are nowhere (−1)
    until their first night.
    """
    if status == UNEMPLOYED:
        return home >= 0 and (seeks < 0 or u < search), False
    if status != EMPLOYED:
        return False, False
    if employer < 0 and not work_outside:
        return home >= 0, False
    return work_outside and u < search_outside, u2 < leave


@choice(of="residents", over="zones", writes="seeks", every="1 month", sample=400, fresh=True, when="looks", phase="life")
def seek_work(
    education: int, home_centroid_x_m: float, home_centroid_y_m: float, alternative_outside: bool, alternative_vacancies_basic: int,
    alternative_vacancies_degree: int, alternative_outside_vacancies: float, alternative_wage_offered: float,
    alternative_centroid_x_m: float, alternative_centroid_y_m: float, world_outside_wage_ratio: float,
    *, wage_weight: float = param(2.0, within=(0, 100), unit="1", spread=uniform_between(1.0, 3.0),
        meaning="elasticity of applications by the wage offered (assumed)"),
    distance_weight: float = param(0.05, within=(0, 10), unit="1/km", spread=lognormal_spread(0.3),
        meaning="utility lost with a km between home and work (assumed)"),
) -> float:  # fmt: skip
    """The zone where a resident applies: vacancies that his schooling allows (size term), wages and distance (logit, McFadden 1978)."""
    vacancies = alternative_vacancies_basic * 1.0
    if education >= HIGHER:
        vacancies += alternative_vacancies_degree
    wage = alternative_wage_offered
    if alternative_outside:
        vacancies, wage = alternative_outside_vacancies, world_outside_wage_ratio
    if vacancies <= 0.0 or wage <= 0.0:
        return -math.inf
    x, y = alternative_centroid_x_m - home_centroid_x_m, alternative_centroid_y_m - home_centroid_y_m
    return math.log(vacancies) + wage_weight * math.log(wage) - distance_weight * math.sqrt(x * x + y * y) / 1000.0


def withheld(rate: float, wage: float, cap: float) -> int:
    """A contribution in whole tenge: a share of the wage up to a cap."""
    return int(round(rate * min(wage, cap)))


def income_tax(taxable: float, rate: float, high_rate: float, high_from: float) -> int:
    """Income tax of a month in whole tenge: one rate up to a limit, a higher one on what is above."""
    taxed = max(taxable, 0.0)
    return int(round(rate * min(taxed, high_from) + high_rate * max(taxed - high_from, 0.0)))


@rule(of="residents", writes=("gross_kzt", "income_kzt"), every="1 month")
def earn(
    status: int, wage_kzt: int, employer: int, employer_wage_level: float, work_outside: bool, world_outside_wage_ratio: float,
    world_people_pension_kzt: int, policy_pension_rate: float, policy_pension_cap_wages: float, policy_health_rate: float,
    policy_health_cap_wages: float, policy_income_rate: float, policy_income_rate_high: float, policy_income_high_from_mci: int,
    policy_deduction_mci: float, policy_mci_kzt: int, policy_minimum_wage_kzt: int,
) -> tuple[int, int]:  # fmt: skip
    """A month's wage before and after the employee's deductions; the retired get a pension, others nothing.

    Deductions: contributions to pension and health insurance up to their caps, and income tax on what is left beyond a free amount.
    """
    if status == RETIRED:
        return 0, world_people_pension_kzt
    if status != EMPLOYED or (employer < 0 and not work_outside):
        return 0, 0
    gross = int(round(wage_kzt * (employer_wage_level if employer >= 0 else world_outside_wage_ratio)))
    pension = withheld(policy_pension_rate, gross, policy_pension_cap_wages * policy_minimum_wage_kzt)
    health = withheld(policy_health_rate, gross, policy_health_cap_wages * policy_minimum_wage_kzt)
    free, high_from = policy_deduction_mci * policy_mci_kzt, policy_income_high_from_mci * policy_mci_kzt / 12.0
    tax = income_tax(gross - pension - health - free, policy_income_rate, policy_income_rate_high, high_from)
    return gross, gross - pension - health - tax


# --- shopping -------------------------------------------------------------------------------------------------------------------


@rule(of="households", writes=("shops_anew", "shop_for"), every="1 month", phase="life")
def think_of_shops(
    shop: int, shop_for: int, home: int, shop_shop_jobs: int, u: float,
    *, reconsider: float = param(1 / 12, within=(0, 1), unit="1/month", meaning="households that look for another place (assumed)"),
) -> tuple[bool, int]:  # fmt: skip
    """Choose a place for shopping: on arrival, after a move, where the shops have closed, and now and then."""
    anew = shop < 0 or home != shop_for or shop_shop_jobs == 0 or u < reconsider
    return anew, home


@choice(of="households", over="zones", writes="shop", every="1 month", sample=400, when="shops_anew", phase="life")
def choose_shop(
    home_centroid_x_m: float, home_centroid_y_m: float, alternative_shop_jobs: int, alternative_centroid_x_m: float,
    alternative_centroid_y_m: float,
    *, size_weight: float = param(0.8, within=(0, 10), unit="1", spread=uniform_between(0.6, 1.0),
        meaning="elasticity of visits by the jobs in shops (assumed)"),
    distance_weight: float = param(0.3, within=(0, 10), unit="1/km", spread=lognormal_spread(0.3),
        meaning="utility lost with a km between home and shops (assumed)"),
) -> float:  # fmt: skip
    """The zone where a household shops: the size of its shops and the distance (logit; Huff 1964)."""
    if alternative_shop_jobs <= 0:
        return -math.inf
    x, y = alternative_centroid_x_m - home_centroid_x_m, alternative_centroid_y_m - home_centroid_y_m
    return size_weight * math.log(alternative_shop_jobs * 1.0) - distance_weight * math.sqrt(x * x + y * y) / 1000.0


RULES = (plan_jobs, close_down, meet_demand, look_for_work, seek_work, earn, think_of_shops, choose_shop)
