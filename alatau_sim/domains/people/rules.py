"""A resident's life month by month, and the day's hours out of home.

Hazards are yearly rates by age; the chance in a month is 1 − exp(−rate / 12) for what happens once, and rate / 12 for births. Schooling
and retirement are first-depth transitions whose rates are assumed so that the shares of the starting population roughly stay; who finds
and loses work is not decided here. Not modelled yet: marriage, separation and young people who found households.
"""

from __future__ import annotations

import math

from alatau_sim.domains.people.tables import CHILD, EMPLOYED, FEMALE, INACTIVE, MALE, OLDEST, RETIRED, STUDENT, UNEMPLOYED
from alatau_sim.engine.rule import rule, tally_span
from alatau_sim.fields import param, uniform_between

SCHOOL_AGE = 6
ADULT_AGE = 18
DEGREE_AGE = 22
SECONDARY, HIGHER = 1, 2
ALL_DAY = 16777215


def month_chance(rate_per_year: float) -> float:
    """The chance that an event of a yearly rate happens within a month (constant hazard)."""
    return 1.0 - math.exp(-rate_per_year / 12.0)


@rule(of="residents", writes=("age", "agegroup"), every="1 month", phase="life")
def grow_older(birth_month: int, city_month_index: float) -> tuple[int, int]:
    """Whole years since birth, and the row of the rates for that age."""
    age = (int(city_month_index) - birth_month) // 12
    return age, min(age, OLDEST)


@rule(of="residents", writes="gives_birth", every="1 month", phase="life")
def give_birth(sex: int, agegroup_fertility: float, world_fertility_factor: float, u: float) -> bool:
    """Have a child this month, by the mother's age; births a woman-year over twelve, one child at a time."""
    return sex == FEMALE and u < agegroup_fertility * world_fertility_factor / 12.0


@rule(of="residents", writes="dies", every="1 month", phase="life")
def die(
    sex: int, agegroup_mortality_male: float, agegroup_mortality_female: float, world_mortality_factor: float, u: float
) -> bool:
    """Die this month, by age and sex."""
    rate = agegroup_mortality_male if sex == MALE else agegroup_mortality_female
    return u < month_chance(rate * world_mortality_factor)


@rule(of="households", writes="leaves", every="1 month", phase="life")
def move_away(
    outage_hours_month: float, city_departure_rate: float, world_departure_factor: float, u: float,
    *, outage_push: float = param(
        0.02, within=(0, 10), unit="1/h", spread=uniform_between(0.0, 0.05),
        meaning="rise of the rate for each hour without electricity in the month before, in multiples of it (assumed)"),
) -> bool:  # fmt: skip
    """Leave the city with the whole household; the rate is the same for all but for those who sat in the dark."""
    return u < month_chance(city_departure_rate * world_departure_factor * (1.0 + outage_push * outage_hours_month))


@rule(of="residents", writes=("status", "employed", "education", "wage_kzt"), every="1 month", phase="life")
def change_status(
    status: int, age: int, sex: int, education: int, wage_kzt: int, u: float,
    *, pension_age_men: int = param(63, within=(40, 80), unit="years", meaning="age from which men can retire (assumed)"),
    pension_age_women: int = param(61, within=(40, 80), unit="years", meaning="age from which women can retire (assumed)"),
    stop_studying: float = param(0.02, within=(0, 1), unit="1/month", meaning="students of 18 to 21 who leave without a degree (assumed)"),
    take_job: float = param(0.004, within=(0, 1), unit="1/month", meaning="inactive people who begin to look for work (assumed)"),
    give_up: float = param(0.01, within=(0, 1), unit="1/month", meaning="unemployed who no longer look for work (assumed)"),
    leave_work: float = param(0.0007, within=(0, 1), unit="1/month", meaning="employed who give up work before retirement (assumed)"),
    retire: float = param(0.03, within=(0, 1), unit="1/month", meaning="employed of pension age who retire (assumed)"),
    degree_premium: float = param(1.7177, within=(1, 5), unit="1", evidence="sourced",
        meaning="mean wage with higher over that with secondary schooling",
        source="https://kaz.zakon.kz/kogam-tynysy/6069430-ebek-naryynday-zhaa-krsetksh-azastandytar-ansha-tabady.html",
    ),
) -> tuple[int, bool, int, int]:  # fmt: skip
    """School, study, looking for work, giving it up, retirement: one step a month at most. Employers hire and fire."""
    pension_age = pension_age_men if sex == MALE else pension_age_women
    if status == CHILD and age >= SCHOOL_AGE:
        status = STUDENT
    elif status == STUDENT and age >= DEGREE_AGE:
        status = UNEMPLOYED
        if education < HIGHER:
            education = HIGHER
            wage_kzt = int(round(wage_kzt * degree_premium))
    elif status == STUDENT and age >= ADULT_AGE:
        education = max(education, SECONDARY)
        if u < stop_studying:
            status = UNEMPLOYED
    elif status == UNEMPLOYED and age >= pension_age or status == INACTIVE and age >= pension_age:
        status = RETIRED
    elif status == INACTIVE and u < take_job:
        status = UNEMPLOYED
    elif status == UNEMPLOYED and u < give_up:
        status = INACTIVE
    elif status == EMPLOYED and age >= pension_age:
        if u < retire:
            status = RETIRED
    elif status == EMPLOYED and u < leave_work:
        status = INACTIVE
    return status, status == EMPLOYED, education, wage_kzt


@rule(of="residents", writes="digital_skill", every="1 month", phase="life")
def learn_digital(age: int, education: int, skill_rank: float) -> float:
    """Ease with digital services: less with age, more with schooling, and differing between people (assumed shape)."""
    if age < 10:
        return 0.3
    skill = 0.8 - 0.008 * max(age - 25.0, 0.0) + 0.4 * (skill_rank - 0.5)
    return min(max(skill + 0.1 if education >= HIGHER else skill, 0.02), 1.0)


@rule(of="residents", writes=("out_from", "out_to", "home_hours"), every="1 day", phase="life")
def plan_day(
    status: int, age: int, city_day_off: float, u: float, u2: float, u3: float,
    *, works_day_off: float = param(0.2, within=(0, 1), unit="share", meaning="employed who work on a day off (assumed)"),
    works_at_home: float = param(0.06, within=(0, 1), unit="share", meaning="employed who work at home on a working day (assumed)"),
    kindergarten: float = param(0.6, within=(0, 1), unit="share", meaning="children of 3 to 5 in kindergarten on working days (assumed)"),
    errands: float = param(0.7, within=(0, 1), unit="share", meaning="people without work or school who go out for some hours (assumed)"),
) -> tuple[int, int, int]:  # fmt: skip
    """When the resident leaves home and is back, and the hours at home as bits (schedules assumed: no survey of time use at hand)."""
    start, hours = 10 + int(8.0 * u3), 2 if u2 < errands else 0
    if status == EMPLOYED:
        if (city_day_off == 0.0 and u >= works_at_home) or (city_day_off != 0.0 and u < works_day_off):
            start, hours = 7 + int(3.0 * u3), 9 + int(30.0 * u3) % 2
    elif status == STUDENT:
        if city_day_off == 0.0:
            start, hours = 8, 5 + int(4.0 * u3)
    elif status == CHILD and age >= 3 and city_day_off == 0.0 and u < kindergarten:
        start, hours = 8, 9
    if hours == 0:
        return 0, 0, ALL_DAY
    return start, start + hours, ALL_DAY - (((1 << hours) - 1) << start)


@tally_span(of="residents", into="present", cell=("home",))
def go_out(out_from: int, out_to: int) -> tuple[int, int, int]:
    """Take the resident out of those present, who are all of the zone at first (few hours are out, so this is the shorter count)."""
    return out_from, out_to, -1


RULES = (grow_older, give_birth, die, move_away, change_status, learn_digital, plan_day, go_out)
