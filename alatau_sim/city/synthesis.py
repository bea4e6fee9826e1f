"""A synthetic population: people in households in zones, from margins, by keyed draws that depend on the seed alone.

Met exactly: people by age band and sex, households by size, schooling by age group, employment by age group and sex; the last two come
from one table that is fitted to all of them (see schooling). Zones get the number of people asked for and the city's mixture otherwise,
because no margin by zone is known. Within a household ages fit together (partners of similar age, parents 18 to 45 years older than their
children) as well as the margins allow; nothing else of kinship is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.margins import Ints, MarginTable, deal, largest_remainder
from alatau_sim.city.schooling import ADULT_AGE, AGE_BANDS, AGE_CUTS, SEXES, count_schooling_and_work
from alatau_sim.engine.randomness import id_array, stream_key, stream_word, uniform_array
from alatau_sim.errors import InputError

MALE, FEMALE = 0, 1
SIZES = tuple(str(size) for size in range(1, 9))
YOUNGEST_PARENT, OLDEST_PARENT = 18, 45
"""Years between a parent and a child that are held plausible (at the birth)."""


@dataclass(frozen=True)
class Report:
    """What whole numbers could not keep: people beyond 8 in the largest households, people placed in another zone, unlikely parents."""

    residents: int
    households: int
    beyond_largest: int
    misplaced: int
    unlikely_parents_share: float


@dataclass(frozen=True, eq=False)
class Population:
    """Households and the people in them; people stand together by household, the head first.

    `household` is the row of each person's household; `age_months` counts whole months since birth, `sex` 0 male and 1 female;
    `education` is a code into EDUCATION; `rank` is a lasting uniform that decides the place among wages.
    """

    household_id: Ints
    zone: NDArray[np.int32]
    size: Ints
    id: Ints
    household: NDArray[np.int32]
    age_months: NDArray[np.int32]
    sex: NDArray[np.int8]
    education: NDArray[np.int8]
    employed: NDArray[np.bool_]
    rank: NDArray[np.float64]
    report: Report

    @property
    def age(self) -> NDArray[np.int16]:
        """Ages in whole years."""
        return (self.age_months // 12).astype(np.int16)


class Draws:
    """Keyed uniforms for the decisions of one synthesis: by name of the decision and ids."""

    def __init__(self, seed: int, replicate: int) -> None:
        self.seed, self.replicate = seed, replicate

    def __call__(self, name: str, ids: Ints) -> NDArray[np.float64]:
        """Uniforms in [0, 1) of the decision `name` for each id."""
        return uniform_array(stream_key(self.seed, self.replicate, f"synthesis/{name}", -1), ids)


def synthesise(margins: MarginTable, zone_weights: NDArray, residents: int, seed: int, replicate: int = 0) -> Population:
    """Make `residents` people who live in zones in proportion to `zone_weights` (length: zones).

    Raises InputError that names the margins' file where margins are missing, do not add up, or contradict each other.
    """
    draw = Draws(seed, replicate)
    people = largest_remainder(margins.shares("age_sex", AGE_BANDS, SEXES), residents)
    number = np.arange(residents, dtype=np.int64)
    ids = id_array(stream_word("resident"), 0, number)
    age_months, sex = _ages(people, draw("birthday", ids))
    counts, beyond = household_sizes(margins, residents)
    size, zone, misplaced = place_households(counts, beyond, largest_remainder(zone_weights, residents))
    order, unlikely = assemble(size, age_months // 12, sex, ids, draw, margins.file)
    household = np.repeat(np.arange(len(size), dtype=np.int32), size)
    ids, age_months, sex = ids[order], age_months[order], sex[order]
    education, employed = _schooling_and_work(margins, age_months // 12, sex, draw("schooling and work", ids))
    return Population(
        household_id=id_array(stream_word("household"), 0, np.arange(len(size), dtype=np.int64)), zone=zone, size=size, id=ids,
        household=household, age_months=age_months.astype(np.int32), sex=sex, education=education, employed=employed,
        rank=draw("wage", ids), report=Report(residents, len(size), beyond, misplaced, unlikely),
    )


def _ages(people: Ints, u: NDArray) -> tuple[Ints, NDArray[np.int8]]:
    """Ages in months and sexes of people counted by age band and sex; within a five-year band the years share equally."""
    counts = people.ravel()
    cell = np.repeat(np.arange(counts.size), counts)
    within = np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    years = np.where(cell // 2 < len(AGE_BANDS) - 1, within * 5 // counts[cell], 0)
    return (cell // 2 * 5 + years) * 12 + (u * 12).astype(np.int64), (cell % 2).astype(np.int8)


def household_sizes(margins: MarginTable, residents: int) -> tuple[Ints, int]:
    """(households by size 1 … 8, people beyond 8 in the households of "8 or more"): together they hold exactly `residents` people."""
    shares = margins.shares("household_size", SIZES)[:, 0]
    persons = np.arange(1, len(SIZES) + 1)
    households = int(residents / float(shares @ persons)) + 1
    while households > 1:
        counts = largest_remainder(shares, households)
        beyond = residents - int(counts @ persons)
        # Without a household of 8 or more nobody can be beyond 8; a very small city then has to have whatever fits.
        if beyond == 0 or (beyond > 0 and (counts[-1] or households * shares[-1] < 1)):
            break
        households -= 1
    else:
        counts, beyond = np.bincount([min(residents, 8) - 1], minlength=8), max(0, residents - 8)
    if beyond and not counts[-1]:
        # Households of the largest size there is grow instead.
        counts = counts.copy()
        while beyond:
            largest = int(np.flatnonzero(counts)[-1])
            step = min(beyond, 7 - largest)
            if not step:
                break
            counts[largest] -= 1
            counts[largest + step] += 1
            beyond -= step
    return counts.astype(np.int64), beyond


def place_households(counts: Ints, beyond: int, zone_residents: Ints) -> tuple[Ints, NDArray[np.int32], int]:
    """(size and zone of each household, people who could not be in the zone they were asked for).

    Sizes are shared out among zones in proportion, in whole numbers that keep the households of each size; then pairs of zones
    exchange a larger for a smaller household until each has its people.
    """
    households, persons = int(counts.sum()), np.arange(1, len(counts) + 1)
    of_zone = largest_remainder(zone_residents, households)
    # All households in a row in which each size comes at even steps, cut into zones: both margins hold, and each zone has the mixture.
    kind = np.repeat(np.arange(len(counts)), counts)
    even = (np.arange(households) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / counts[kind]
    cell = np.repeat(np.arange(len(zone_residents)), of_zone) * len(counts) + kind[np.argsort(even, kind="stable")]
    table = np.bincount(cell, minlength=len(zone_residents) * len(counts)).reshape(-1, len(counts))
    surplus = table @ persons - zone_residents
    _exchange(table, surplus)
    size = np.repeat(persons, counts)
    zone = np.concatenate([np.repeat(np.arange(len(zone_residents)), table[:, c]) for c in range(len(counts))]).astype(np.int32)
    if beyond:
        largest = np.flatnonzero(size == size.max())
        grown = largest[np.argsort(surplus[zone[largest]], kind="stable")]
        np.add.at(size, np.resize(grown, beyond), 1)
        np.add.at(surplus, zone[np.resize(grown, beyond)], 1)
    return size, zone, int(np.abs(surplus).sum()) // 2


def _exchange(table: Ints, surplus: Ints) -> None:
    """Let zones with too many people swap a household for a smaller one of a zone with too few; changes both arrays in place."""
    steps = np.arange(table.shape[1])
    difference = steps[:, None] - steps[None, :]
    stuck: set[int] = set()
    while True:
        order = [int(z) for z in np.argsort(-surplus, kind="stable") if surplus[z] > 0 and int(z) not in stuck]
        if not order:
            return
        giver, done = order[0], False
        for taker in np.argsort(surplus, kind="stable"):
            if surplus[taker] >= 0:
                break
            most = min(int(surplus[giver]), -int(surplus[taker]))
            fits = np.where((table[giver] > 0)[:, None] & (table[taker] > 0)[None, :] & (difference <= most), difference, 0)
            large, small = np.unravel_index(int(fits.argmax()), fits.shape)
            step = int(fits[large, small])
            if step > 0:
                times = int(min(most // step, table[giver, large], table[taker, small]))
                table[giver, large] -= times
                table[giver, small] += times
                table[taker, large] += times
                table[taker, small] -= times
                surplus[giver] -= step * times
                surplus[taker] += step * times
                done = True
                break
        if not done:
            stuck.add(giver)


def assemble(size: Ints, age: Ints, sex: NDArray, ids: Ints, draw: Draws, file: Path) -> tuple[Ints, float]:
    """(the person in each place, household by household and the head first; share of children with an unlikely parent).

    Every household has an adult at its head. Places are made for children, couples, single heads and other adults; then people are
    matched to places by rank of age, so that ages fit as well as they can all together.
    """
    households, minors, adults = len(size), np.flatnonzero(age < ADULT_AGE), np.flatnonzero(age >= ADULT_AGE)
    if len(adults) < households:
        raise InputError(f"{file}: margins contradict each other: 'household_size' makes {households} households, 'age_sex' has only "
                         f"{len(adults)} adults to head them")
    of = np.repeat(np.arange(households), size)
    start = np.cumsum(size) - size
    place = np.arange(len(of)) - start[of]
    u = draw("place", np.arange(len(of), dtype=np.int64))
    child = _child_places(place, u, len(minors))
    with_child = np.bincount(of[child], minlength=households) > 0
    couple = np.zeros(households, bool)
    couple[of[(place == 1) & ~child]] = True
    shuffled = np.argsort(draw("order", np.arange(households, dtype=np.int64)), kind="stable")
    person = np.full(len(of), -1, np.int64)
    free = _Free(age, sex, adults, draw("role", ids))
    parents, pairs = shuffled[(couple & with_child)[shuffled]], shuffled[(couple & ~with_child)[shuffled]]
    lone_parents, alone = shuffled[(~couple & with_child)[shuffled]], shuffled[(~couple & ~with_child)[shuffled]]
    for homes, middle, width in ((parents, 36.0, 12.0), (pairs, 58.0, 60.0)):
        husbands, wives = free.take_couples(len(homes), middle, width)
        person[start[homes[: len(husbands)]]] = husbands
        person[start[homes[: len(wives)]] + 1] = wives
    mothers = free.take(round(0.85 * len(lone_parents)), 37.0, 12.0, FEMALE)
    person[start[lone_parents[: len(mothers)]]] = mothers
    for homes, middle, width in ((lone_parents, 40.0, 15.0), (alone, 48.0, 70.0)):
        heads = start[homes]
        heads = heads[person[heads] < 0]
        person[heads] = free.take(len(heads), middle, width)
    rest = np.flatnonzero((person < 0) & ~child & (place <= 1))
    person[rest] = free.take(len(rest), 45.0, 40.0)
    _match_others(person, np.flatnonzero((person < 0) & ~child), start[of], age, free.left(), u)
    return person, _match_children(person, np.flatnonzero(child), start, of, couple, age, sex, minors, u)


def _child_places(place: Ints, u: NDArray, children: int) -> NDArray[np.bool_]:
    """Which places children take: mostly the third and later ones of a household, seldom the second (one parent), never the first."""
    score = np.where(place >= 2, u, 0.6 + 2 * u)
    score[place == 0] = np.inf
    child = np.zeros(len(place), bool)
    # There are as many places as people and no more heads than adults, so the children find places behind the heads.
    child[np.argsort(score, kind="stable")[:children]] = True
    return child


class _Free:
    """Adults who have no place yet, taken by nearness to an age."""

    def __init__(self, age: Ints, sex: NDArray, adults: Ints, u: NDArray) -> None:
        self.age, self.sex, self.u = age, sex, u
        self.free = np.zeros(len(age), bool)
        self.free[adults] = True

    def left(self) -> Ints:
        """The people without a place."""
        return np.flatnonzero(self.free)

    def take(self, count: int, middle: float, width: float, sex: int = -1) -> Ints:
        """Up to `count` people with ages around `middle`, blurred by ± `width` years; those under 22 last."""
        there = np.flatnonzero(self.free & (self.sex == sex)) if sex >= 0 else self.left()
        far = np.abs(self.age[there] - middle) + width * self.u[there] + 100.0 * (self.age[there] < 22)
        chosen = there[np.argsort(far, kind="stable")[:count]]
        self.free[chosen] = False
        return chosen

    def take_couples(self, count: int, middle: float, width: float) -> tuple[Ints, Ints]:
        """Up to `count` men and as many women, paired by rank of age with a blur of a few years, in no order of age."""
        count = min(count, int((self.free & (self.sex == MALE)).sum()), int((self.free & (self.sex == FEMALE)).sum()))
        men, women = self.take(count, middle + 2, width, MALE), self.take(count, middle, width, FEMALE)
        # Late digits of the draw blur and mix, so that pairing does not follow who was taken first.
        men = men[np.argsort(self.age[men] + 5 * (self.u[men] * 1009 % 1), kind="stable")]
        women = women[np.argsort(self.age[women] + 5 * (self.u[women] * 1009 % 1), kind="stable")]
        mixed = np.argsort(self.u[men] * 7919 % 1, kind="stable")
        return men[mixed], women[mixed]


def _match_others(person: Ints, places: Ints, head: Ints, age: Ints, others: Ints, u: NDArray) -> None:
    """Fill the other adults' places by rank of age: grown children of older heads, parents of younger heads."""
    of_head = age[person[head[places]]]
    fitting = np.where(of_head >= 44, of_head - 22 - 8 * u[places], of_head + 22 + 8 * u[places])
    person[places[np.argsort(fitting, kind="stable")]] = others[np.argsort(age[others], kind="stable")]


def _match_children(person: Ints, places: Ints, start: Ints, of: Ints, couple: NDArray, age: Ints, sex: NDArray, minors: Ints,
                    u: NDArray) -> float:
    """Give children to parents by rank of the age that birth order suggests; repair unlikely ages; return the share that stays unlikely.

    Where a set of children and parents can be matched at all with parents 18 to 45 years older, matching both in order of age does it.
    """
    if not len(places):
        return 0.0
    home = of[places]
    parent = person[start[home]]
    partner = person[np.minimum(start[home] + 1, len(person) - 1)]
    parent_age = age[np.where(couple[home] & (sex[parent] == MALE), partner, parent)]
    first = np.flatnonzero(np.diff(home, prepend=-1))
    order_of_birth = np.arange(len(home)) - np.repeat(first, np.diff(first, append=len(home)))
    fitting = parent_age - 21 - 9 * u[start[home]] - (2 + 3 * u[places]) * order_of_birth
    given = np.empty(len(places), np.int64)
    given[np.argsort(fitting, kind="stable")] = minors[np.argsort(age[minors], kind="stable")]
    for turn in range(12):
        gap = parent_age - age[given]
        wrong = (gap < YOUNGEST_PARENT) | (gap > OLDEST_PARENT)
        if not wrong.any():
            break
        # As many well-matched families, another set each turn, give the others somebody to exchange with.
        share = min(1.0, 2 * float(wrong.mean()) + 0.01)
        again = np.flatnonzero(wrong | ((u[places] * 31 + turn * 0.618034) % 1 < share))
        given[again[np.argsort(parent_age[again], kind="stable")]] = given[again[np.argsort(age[given[again]], kind="stable")]]
    person[places] = given
    gap = parent_age - age[given]
    return float(((gap < YOUNGEST_PARENT) | (gap > OLDEST_PARENT)).mean())


def _schooling_and_work(margins: MarginTable, age: Ints, sex: NDArray, u: NDArray) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Everybody's schooling and whether they have work: the counted table, dealt out by rank among people of one age class and sex."""
    cell = (np.searchsorted(AGE_CUTS, age, side="right") - 1) * len(SEXES) + sex
    people = np.bincount(cell, minlength=len(AGE_CUTS) * len(SEXES)).reshape(-1, len(SEXES))
    codes = deal(cell, u, count_schooling_and_work(margins, people).reshape(people.size, -1))
    return (codes // 2).astype(np.int8), codes % 2 == 1
