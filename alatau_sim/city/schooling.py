"""Schooling and work by age and sex: one table fitted to the margins, and the same in whole people who meet them exactly.

The margins say how many people there are by age band and sex, how schooled each group of ages is, and how many of each group of ages
and sex work. How schooling and work go together within an age, and what the young cannot have, they do not say: it is assumed here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.margins import Axes, Floats, Ints, MarginTable, integerise, ipf, largest_remainder
from alatau_sim.errors import Problem, raise_problems

AGE_BANDS = (*(f"{low}-{low + 4}" for low in range(0, 100, 5)), "100+")
SEXES = ("male", "female")
EDUCATION = ("none", "secondary", "higher", "postgraduate")
EDUCATION_AGES = {"0-17": 0, "18-35": 18, "36-60": 36, "61+": 61}
EMPLOYMENT_AGES = {"0-14": 0, "15-24": 15, "25-54": 25, "55-64": 55, "65+": 65}
ADULT_AGE = 18
"""Nobody works before this age (assumed: few of 15 to 17 do)."""
SCHOOLING_FROM = (0, 15, 22, 24)
"""Youngest age with each level of EDUCATION (assumed: nine classes; then a degree at the age at which students leave the university)."""
ODDS_OF_GRADUATES = 2.0
"""How many times greater the odds of having work are with higher schooling than without, at one age and sex (assumed)."""
AGE_CUTS = np.unique([*range(0, 105, 5), *EDUCATION_AGES.values(), *EMPLOYMENT_AGES.values(), ADULT_AGE, *SCHOOLING_FROM])
"""Youngest ages of the age classes of the table: every band and group of the margins is made of whole classes."""
WORK_AXIS = 2
"""Length of the table's last axis: 0 without work, 1 with."""


def _groups(ages: Mapping[str, int]) -> Ints:
    """The group of each age class, numbered in the order of `ages` (name: youngest age)."""
    return np.searchsorted(list(ages.values()), AGE_CUTS, side="right") - 1


def _grouped(values: NDArray, group: Ints) -> NDArray:
    """Values by age class (first axis) added up by group."""
    return np.stack([values[group == number].sum(axis=0) for number in range(int(group.max()) + 1)])


def _share_from(age: int, people: Floats, group: Ints) -> Floats:
    """Which share of each group's people is `age` or older; 0 where there is nobody."""
    old = np.where(np.less(AGE_CUTS, age).reshape(-1, *[1] * (people.ndim - 1)), 0.0, people)
    return _grouped(old, group) / np.maximum(_grouped(people, group), 1e-300)


def fit_schooling_and_work(margins: MarginTable) -> Floats:
    """Shares of people by age class, sex, schooling and work (AGE_CUTS × SEXES × EDUCATION × 2), by iterative proportional fitting.

    Within a five-year band the years share equally. Raises InputError, naming file, line and totals, where margins contradict each
    other, also where they ask for more work or degrees than people are old enough for.
    """
    bands = margins.shares("age_sex", AGE_BANDS, SEXES)
    years = np.concatenate([np.repeat(bands[:-1] / 5, 5, axis=0), bands[-1:]])
    people = np.add.reduceat(years, AGE_CUTS, axis=0)
    school, work = _groups(EDUCATION_AGES), _groups(EMPLOYMENT_AGES)
    schooling = margins.shares("education", tuple(EDUCATION_AGES), EDUCATION, within_rows=True)
    employed = margins.array("employment", tuple(EMPLOYMENT_AGES), SEXES)
    lacking = _lacking_graduates(margins, schooling, people.sum(axis=1), school) + _lacking_workers(margins, employed, people, work)
    raise_problems(lacking)
    with_work = _grouped(people, work)[:, :, None] * np.stack([1 - employed, employed], axis=-1)
    targets = [people, _grouped(people.sum(axis=1), school)[:, None] * schooling, with_work]
    axes: list[Axes] = [(0, 1), ((0, school), 2), ((0, work), 1, 3)]
    return ipf(_seed(), targets, axes, 1e-8, file=margins.file, names=("age_sex", "education", "employment"))


def _seed() -> Floats:
    """What is assumed before any margin is known: graduates are likelier to work, and the young have neither work nor degrees."""
    seed = np.ones((len(AGE_CUTS), len(SEXES), len(EDUCATION), WORK_AXIS))
    seed[:, :, EDUCATION.index("higher") :, 1] = ODDS_OF_GRADUATES
    seed[np.less(AGE_CUTS, ADULT_AGE), :, :, 1] = 0
    for level, youngest in enumerate(SCHOOLING_FROM):
        seed[np.less(AGE_CUTS, youngest), :, level] = 0
    return seed


def _lacking_graduates(margins: MarginTable, schooling: Floats, people: Floats, group: Ints) -> list[Problem]:
    """Groups of ages that are asked to have more people at some level of schooling, or above, than are old enough for it."""
    problems = []
    for level, youngest in enumerate(SCHOOLING_FROM):
        asked, able = schooling[:, level:].sum(axis=1), _share_from(youngest, people, group)
        for row, ages in enumerate(EDUCATION_AGES):
            if level and schooling[row, level] > 0 and people[group == row].any() and asked[row] > able[row] + 1e-9:
                message = (f"margins contradict each other: 'education' has {asked[row]:.2%} of the people of {ages} with "
                           f"{EDUCATION[level]} schooling or more; by 'age_sex' only {able[row]:.2%} are old enough for that "
                           f"({youngest} or more)")
                problems.append(Problem(message, margins.file, margins.line("education", ages, EDUCATION[level])))
    return problems


def _lacking_workers(margins: MarginTable, employed: Floats, people: Floats, group: Ints) -> list[Problem]:
    """Groups of ages and sex that are asked to have more people with work than there are, or than there are adults."""
    problems, able = [], _share_from(ADULT_AGE, people, group)
    for (row, sex), share in np.ndenumerate(employed):
        ages, line = tuple(EMPLOYMENT_AGES)[row], margins.line("employment", tuple(EMPLOYMENT_AGES)[row], SEXES[sex])
        if share > 1:
            message = f"margin 'employment' has a share of {share:g} for {ages}, {SEXES[sex]}; it must be within 0 … 1"
            problems.append(Problem(message, margins.file, line))
        elif people[group == row, sex].any() and share > able[row, sex] + 1e-9:
            message = (f"margins contradict each other: 'employment' gives work to {share:.2%} of the people of {ages}, {SEXES[sex]}; "
                       f"by 'age_sex' only {able[row, sex]:.2%} are old enough for that ({ADULT_AGE} or more)")
            problems.append(Problem(message, margins.file, line))
    return problems


def count_schooling_and_work(margins: MarginTable, people: Ints) -> Ints:
    """The fitted table in whole people: exactly `people` by age class and sex, and each margin's shares of them by largest remainder.

    Schooling is counted first, within each group of its ages; then work, within each group of ages and sex, among people of known
    schooling. Only a city of very few people can need somebody whom SCHOOLING_FROM and ADULT_AGE hold too young.
    """
    fit = fit_schooling_and_work(margins)
    school, work = _groups(EDUCATION_AGES), _groups(EMPLOYMENT_AGES)
    schooled = np.zeros(fit.shape[:3], np.int64)
    for group, shares in enumerate(margins.shares("education", tuple(EDUCATION_AGES), EDUCATION, within_rows=True)):
        there = school == group
        rows, weights = people[there].ravel(), fit[there].sum(axis=3)
        counts = integerise(weights.reshape(-1, len(EDUCATION)), rows, largest_remainder(shares, int(rows.sum())))
        schooled[there] = counts.reshape(weights.shape)
    table = np.zeros(fit.shape, np.int64)
    for (group, sex), share in np.ndenumerate(margins.array("employment", tuple(EMPLOYMENT_AGES), SEXES)):
        there = work == group
        rows, weights = schooled[there, sex].ravel(), fit[there, sex]
        counts = integerise(weights.reshape(-1, WORK_AXIS), rows, largest_remainder(np.array([1 - share, share]), int(rows.sum())))
        table[there, sex] = counts.reshape(weights.shape)
    return table
