"""Lives follow the published rates, people are conserved, and moves depend on who moves and not on row order."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_sim.city.homes import offers, vacancies
from alatau_sim.city.zones import ZONE_COLUMNS
from alatau_sim.domains.people import DOMAIN
from alatau_sim.domains.people.rules import (
    change_status,
    die,
    give_birth,
    go_out,
    grow_older,
    learn_digital,
    month_chance,
    move_away,
    plan_day,
)
from alatau_sim.domains.people.settle import _adopt
from alatau_sim.domains.people.tables import CHILD, EMPLOYED, FEMALE, INACTIVE, MALE, RETIRED, UNEMPLOYED, digital_skill, read_vital_rates
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.rule import choice, settlement
from alatau_sim.engine.simulation import Simulation
from alatau_sim.errors import InputError
from alatau_sim.fields import Column

DATA = Path(__file__).parents[2] / "scenarios" / "alatau"
RATES = DATA / "vital_rates.csv"


def zones_of(residents, dwellings, planned, outside):
    """A zone table of bare arrays."""
    n = len(residents)
    columns = {column.name: np.zeros(n, column.dtype) for column in ZONE_COLUMNS}
    columns |= {"residents_existing": np.array(residents), "dwellings_existing": np.array(dwellings), "outside": np.array(outside)}
    columns["dwellings_planned"] = np.array(planned)
    return SimpleNamespace(**columns, ids=np.arange(n, dtype=np.int64) * 7919 + 5, columns=lambda: columns)


def fill_zones(sim, city):
    sim.tables["zones"].insert(city.zones.ids, city.zones.columns())
    sim.state["homes"]["a_month"] = city.homes_a_month


@settlement(phase="events", every="1 month", writes=("zones.dwellings_built", "zones.vacant_dwellings"))
def build_homes(sim):
    """Complete the month's homes in the first zone, and count the rows that each zone has homes for."""
    zones = sim.tables["zones"]
    zones["dwellings_built"][0] += sim.state["homes"]["a_month"]
    zones["vacant_dwellings"][:] = offers(sim)


@choice(of="seekers", over="zones", writes="wanted", every="1 month", phase="life")
def want_home(alternative_vacant_dwellings: int) -> float:
    """Where more homes are vacant."""
    if alternative_vacant_dwellings < 1:
        return -math.inf
    return math.log(float(alternative_vacant_dwellings))


HOMES = Domain(
    "homes",
    columns={
        "zones": (*ZONE_COLUMNS, Column("dwellings_built", "int64"), Column("vacant_dwellings", "int64")),
        "households": (Column("outage_hours_month", "float32"),),
    },
    rules=(want_home,), settlements=(build_homes,), fill=(fill_zones,),
)  # fmt: skip
"""What people meet in others: zones with homes, where newcomers would like to live, hours without electricity."""


def start(residents=4000, days=59, *, policy=None, world=None, weight=1, seed=1, population="fixed", replicate=0,
          kernels="plain", homes_a_month=33):
    """A running city of people in three zones and one outside, on plain kernels; so many homes are completed each month."""
    zones = zones_of([3000, 0, 1000, 0], [900, 0, 400, 0], [1200, 500, 600, 99], [False, False, False, True])
    city = SimpleNamespace(margins=DATA / "margins.csv", vital_rates=RATES, residents=residents)
    scenario = SimpleNamespace(city=city, run=SimpleNamespace(population=population))
    first = dt.date(2026, 1, 1)
    sim = Simulation(
        (HOMES, DOMAIN), start=first, end=first + dt.timedelta(days=days - 1), policy={"people": policy or DOMAIN.policy()},
        world={"people": world or DOMAIN.world()}, rule_params={}, seed=seed, replicate=replicate, kernels=kernels, weight=weight,
        population=replicate if population == "redrawn" else 0,
    )
    sim.start(SimpleNamespace(zones=zones, scenario=scenario, homes_a_month=homes_a_month))
    return sim


def run(sim):
    while not sim.finished:
        sim.step()
    return sim


UNIFORM = st.floats(0, 1, exclude_max=True)


# --- rules against rates -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rates():
    return read_vital_rates(RATES)


def even(n):
    """Uniforms that are spread evenly, so that a share is met within 1 / n."""
    return (np.arange(n) + 0.5) / n


@pytest.mark.parametrize("age", [0, 30, 65, 90])
def test_survival_over_a_year_is_the_exponential_of_the_rate(rates, age):
    for sex in (MALE, FEMALE):
        deaths = sum(die(sex, *rates.mortality[age], 1.0, float(u)) for u in even(50_000))
        alive = (1 - deaths / 50_000) ** 12
        assert alive == pytest.approx(math.exp(-rates.mortality[age, sex]), abs=12 / 50_000)


def test_births_of_a_life_add_up_to_the_total_fertility(rates):
    """A woman who lives through ages 15 to 49 has the total fertility rate's number of children: 2.5 in the data."""
    births = sum(12 * sum(give_birth(FEMALE, rates.fertility[age], 1.0, float(u)) for u in even(4000)) / 4000 for age in range(101))
    assert births == pytest.approx(rates.fertility.sum(), abs=35 * 12 / 4000)
    assert rates.fertility.sum() == pytest.approx(2.5, abs=0.01)
    assert not give_birth(MALE, 1.0, 1.0, 0.0)


def test_life_expectancy_of_the_rates_is_the_published_one(rates):
    """The stationary cohort of the rules lives as long as the UN says for 2020-2025 (67 to 70 men, 75 to 78 women)."""
    survival = np.cumprod(np.vstack([np.ones(2), np.exp(-rates.mortality)]), axis=0)
    expectancy = ((survival[:-1] + survival[1:]) / 2).sum(axis=0)
    assert 66 < expectancy[MALE] < 71
    assert 74 < expectancy[FEMALE] < 79


@given(st.integers(0, 5), st.integers(0, 110), st.integers(0, 1), st.integers(0, 3), st.integers(0, 10**7), UNIFORM)
def test_status_stays_in_range_and_nobody_is_hired_or_fired(status, age, sex, education, wage, u):
    new, employed, schooling, pay = change_status(status, age, sex, education, wage, u)
    assert 0 <= new <= 5
    assert education <= schooling <= 3
    assert pay == wage or schooling > education
    assert employed == (new == EMPLOYED)
    assert new != EMPLOYED or status == EMPLOYED
    assert status != EMPLOYED or new in (EMPLOYED, INACTIVE, RETIRED)


def test_looking_for_work_begins_and_ends_at_the_declared_rates():
    for status, then, rate in ((INACTIVE, UNEMPLOYED, 0.004), (UNEMPLOYED, INACTIVE, 0.01), (EMPLOYED, INACTIVE, 0.0007)):
        became = [change_status(status, 40, MALE, 1, 300_000, float(u))[0] for u in even(20_000)]
        assert np.mean(np.array(became) == then) == pytest.approx(rate, abs=1e-4)
        assert set(became) == {status, then}
    assert change_status(UNEMPLOYED, 63, MALE, 1, 0, 0.9)[0] == RETIRED


@given(st.floats(0, 744), st.floats(0, 744), UNIFORM)
def test_households_in_the_dark_leave_first(hours, other, u):
    low, high = (move_away(h, 0.015, 1.0, u) for h in sorted((hours, other)))
    assert high or not low
    gone = np.mean([move_away(50.0, 0.015, 1.0, float(v)) for v in even(20_000)])
    assert gone == pytest.approx(month_chance(0.015 * 2), abs=1 / 20_000)


@given(st.integers(0, 5), st.integers(0, 110), st.sampled_from([0.0, 1.0]), UNIFORM, UNIFORM, UNIFORM)
def test_hours_at_home_are_the_hours_not_out(status, age, day_off, u, u2, u3):
    out_from, out_to, mask = plan_day(status, age, day_off, u, u2, u3)
    assert 0 <= out_from <= out_to <= 24
    assert [mask >> hour & 1 for hour in range(24)] == [int(not out_from <= hour < out_to) for hour in range(24)]
    since, until, amount = go_out(out_from, out_to)
    assert 24 + amount * (until - since) == mask.bit_count()


@pytest.mark.parametrize(("status", "day_off", "u"), [(EMPLOYED, 0, 0.01), (EMPLOYED, 1, 0.99), (INACTIVE, 0, 0.01), (CHILD, 1, 0.5)])
def test_the_declared_share_runs_errands_whoever_is_free(status, day_off, u):
    out = [plan_day(status, 30, float(day_off), u, float(u2), 0.5)[1] > 0 for u2 in even(1000)]
    assert np.mean(out) == pytest.approx(0.7)


@given(st.integers(0, 110), st.integers(0, 3), st.floats(0, 1, width=32))
def test_skill_of_the_start_is_what_people_go_on_with(age, education, rank):
    at_start = digital_skill(np.array([age]), np.array([education]), np.array([rank], np.float32))[0]
    assert at_start == np.float32(learn_digital(age, education, rank))
    assert learn_digital(age + 1, education, rank) <= at_start + 1e-6 or age == 9


def test_age_counts_whole_years_since_the_birth_month():
    assert grow_older(2000 * 12, float(2026 * 12)) == (26, 26)
    assert grow_older(2000 * 12 + 1, float(2026 * 12)) == (25, 25)
    assert grow_older(1900 * 12, float(2026 * 12)) == (126, 100)


# --- the running city --------------------------------------------------------------------------------------------------------


def band(expected):
    """Four standard deviations of a count of rare events."""
    return 4 * math.sqrt(expected) + 1


def test_births_and_deaths_of_two_months_lie_within_the_binomial_band(rates):
    sim = start(12_000, days=45, kernels="compiled")
    residents = sim.tables["residents"]
    age, women = np.minimum(residents["age"], 100), residents["sex"] == FEMALE
    births = 2 * rates.fertility[age[women]].sum() / 12
    deaths = 2 * month_of(rates.mortality[age, residents["sex"]]).sum()
    run(sim)
    booked = sim.ledger.balances("people")
    assert abs(-booked["births"] - births) < band(births)
    assert abs(booked["deaths"] - deaths) < band(deaths)


def month_of(rate):
    return -np.expm1(-rate / 12)


def test_cohorts_follow_the_projection(rates):
    """Without moves and births, each ten-year cohort shrinks over a year as the rates say."""
    world = DOMAIN.world(fertility_factor=0, departure_factor=0, arrival_factor=0)
    sim = start(12_000, days=365, world=world, kernels="compiled")
    residents = sim.tables["residents"]
    cohort, born, sex = residents["birth_month"] // 120, residents["birth_month"].copy(), residents["sex"].copy()
    expected = np.zeros(cohort.max() + 1)
    survival = np.ones(len(born))
    for month in range(12):
        survival *= np.exp(-rates.mortality[np.minimum((2026 * 12 + month - born) // 12, 100), sex] / 12)
    np.add.at(expected, cohort, survival)
    variance = np.bincount(cohort, weights=survival * (1 - survival))
    run(sim)
    left = np.bincount(sim.tables["residents"]["birth_month"] // 120, minlength=len(expected))
    assert (np.abs(left - expected) <= 4 * np.sqrt(variance) + 1).all()


def test_people_and_money_are_conserved_and_the_books_show_the_flows():
    sim = start(5000, days=90)
    opening = sim.tables["residents"].n
    run(sim)
    people = sim.ledger.balances("people")
    assert sum(people.values()) == 0
    assert people["city"] == sim.tables["residents"].n == opening - people["births"] - people["deaths"] - people["rest_of_world"]
    residents, households = sim.tables["residents"], sim.tables["households"]
    assert (residents["household"] >= 0).all()
    assert (np.bincount(residents["household"], minlength=households.n) > 0).all()
    adults = np.bincount(residents["household"][residents["age"] >= 18], minlength=households.n)
    assert (adults > 0).all()
    assert len(np.unique(residents.id)) == residents.n
    assert (sim.grids["present"][:, 3].sum()) == residents.n
    at_home = [np.bincount(residents["home"], weights=residents["home_hours"] >> hour & 1, minlength=4) for hour in range(24)]
    assert np.array_equal(sim.grids["present"], np.array(at_home).T)
    zones = sim.tables["zones"]
    assert zones["residents"].sum() == residents.n
    assert (zones["residents"][[3]] == 0).all()


def test_nobody_comes_where_no_home_is_vacant_and_more_homes_admit_more():
    full, built = (run(start(5200, 59, policy=DOMAIN.policy(invitation_factor=5), homes_a_month=homes)) for homes in (0, 500))
    assert full.state["people"]["turned_away"] > built.state["people"]["turned_away"]
    zones = full.tables["zones"]
    homes = zones["dwellings_existing"] + zones["dwellings_built"]
    room = np.maximum(homes, np.bincount(start(5200).tables["households"]["home"], minlength=4))
    assert (np.bincount(full.tables["households"]["home"], minlength=4) <= room).all()


def test_inviting_more_admits_the_same_households_and_more():
    """With homes for all, who comes under a weaker invitation comes under a stronger one too, and the residents' luck is the same."""
    few, many = (run(start(2000, 32, policy=DOMAIN.policy(invitation_factor=f), homes_a_month=0)) for f in (0.3, 0.6))
    assert few.state["people"]["turned_away"] == many.state["people"]["turned_away"] == 0
    assert set(few.tables["households"].id) < set(many.tables["households"].id)
    assert set(few.tables["residents"].id) < set(many.tables["residents"].id)


def test_newcomers_look_for_work_and_bring_their_savings():
    sim = start(2000, 1, policy=DOMAIN.policy(invitation_factor=3))
    before = sim.tables["residents"].id.copy()
    sim.step()
    residents, households = sim.tables["residents"], sim.tables["households"]
    new = ~np.isin(residents.id, before) & (residents["age"] > 0)
    assert new.sum() > 50
    assert not residents["employed"][new].any()
    assert (residents["status"][new] == UNEMPLOYED).any()
    worked = new & (residents["status"] == UNEMPLOYED) & (residents["income_kzt"] > 0)
    assert (residents["income_kzt"][worked] == residents["wage_kzt"][worked]).all()  # what they own on arrival follows from it
    assert worked.sum() > 20
    earners = households.id[np.unique(residents["household"][new & (residents["status"] == UNEMPLOYED)])]
    assert np.mean(households["balance_kzt"][households.rows_of(earners)] > 0) > 0.9


def test_start_is_fixed_over_replicates_unless_redrawn():
    one, other, redrawn = start(1500), start(1500, replicate=1), start(1500, replicate=1, population="redrawn")
    for name in ("age", "wage_kzt", "household", "home", "status"):
        assert np.array_equal(one.tables["residents"][name], other.tables["residents"][name])
    assert not np.array_equal(one.tables["residents"]["wage_kzt"], redrawn.tables["residents"]["wage_kzt"])


def test_sample_keeps_one_household_in_two_and_is_part_of_the_whole():
    whole, half, again = start(6000), start(6000, weight=2), start(6000, weight=2, replicate=3)
    assert np.array_equal(half.tables["residents"].id, again.tables["residents"].id)
    assert set(half.tables["residents"].id) < set(whole.tables["residents"].id)
    assert abs(half.tables["households"].n * 2 - whole.tables["households"].n) < 4 * math.sqrt(whole.tables["households"].n)


def test_a_sample_begins_with_the_vacant_homes_of_the_whole_city():
    whole, sample = start(4000), start(4000, weight=10)
    assert vacancies(whole).sum() > 0
    assert np.array_equal(vacancies(sample), vacancies(whole))


def test_a_sample_offers_its_vacant_homes_without_bias_and_gives_away_what_it_offers():
    sim = start(4000, weight=7)
    vacant = vacancies(sim)
    found = []
    for k in range(7):
        sim.uniform = lambda stream, ids, day=None, u=(k + 0.5) / 7: np.full(len(ids), u)
        found.append(offers(sim))
    assert np.array_equal(np.sum(found, axis=0), vacant)  # the mean of weight · offers is the number of vacant homes


def test_a_sample_fills_its_homes_to_the_last_row():
    """Where everyone wants to come, what is offered is taken, and the homes left over or given away too much are less than a row."""
    sim = start(4000, 32, weight=10, policy=DOMAIN.policy(invitation_factor=100), homes_a_month=0)
    assert offers(sim).sum() > 0
    run(sim)
    assert sim.state["people"]["turned_away"] > 0
    zones = sim.tables["zones"]
    lived_in = zones["households"] * 10 + zones["beyond_sample"]
    assert (np.abs(zones["dwellings_existing"] - lived_in)[[0, 2]] < 10).all()
    assert not offers(sim).any()


def adoptions(extra):
    """Which household takes in the children of each of some households whose adults die, by ids; `extra` adds one more that could."""
    sim = start(3000)
    homes, people = sim.tables["households"], sim.tables["residents"]
    adult = people["age"] >= 18
    grown, young = (np.bincount(people["household"][who], minlength=homes.n) for who in (adult, ~adult))
    orphaned = homes.id[(grown > 0) & (young > 0) & (homes["home"] == 0)][:40].copy()
    if extra:
        people.insert(np.array([770]), {"household": homes.insert(np.array([77]), {"home": 0}), "age": 40})
    people.remove(np.flatnonzero(np.isin(homes.id[people["household"]], orphaned) & (people["age"] >= 18)))
    child = {int(h): people.id[people["household"] == row][0] for h, row in zip(orphaned, homes.rows_of(orphaned), strict=True)}
    _adopt(sim)
    return {h: int(homes.id[people["household"][people.rows_of(np.array([kid]))[0]]]) for h, kid in child.items()}


def test_one_more_household_changes_only_who_joins_it():
    without, with_one = adoptions(False), adoptions(True)
    assert len(without) == 40
    assert all(without[h] == with_one[h] or with_one[h] == 77 for h in without)
    assert sum(without[h] != with_one[h] for h in without) <= 3
    assert len(set(without.values())) > 30


def test_children_born_in_the_run_have_skills_of_their_own():
    sim = run(start(3000, 45, kernels="compiled"))
    residents = sim.tables["residents"]
    born = residents["children_born"].sum()
    assert born > 0
    newborn = residents["birth_month"] >= 2026 * 12
    assert len(np.unique(residents["skill_rank"][newborn])) == newborn.sum() > 1
    expected = digital_skill(residents["age"], residents["education"], residents["skill_rank"])
    assert np.array_equal(residents["digital_skill"], expected)


def state_of(sim):
    """Residents' columns in the order of their ids, with the ids of their households instead of rows."""
    residents = sim.tables["residents"]
    order = np.argsort(residents.id)
    columns = {name: residents[name][order].copy() for name in residents.columns}
    columns["household"] = sim.tables["households"].id[columns["household"]]
    return {"id": residents.id[order].copy(), **columns}


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_row_order_does_not_matter():
    straight, turned = start(1500, 62), start(1500, 62)
    residents = turned.tables["residents"]
    ids, columns = residents.id[::-1].copy(), {name: residents[name][::-1].copy() for name in residents.columns}
    residents.remove(np.arange(residents.n))
    residents.insert(ids, columns)
    assert same(state_of(run(straight)), state_of(run(turned)))


@pytest.mark.parametrize("kernels", ["both", "objects"])
def test_every_kind_of_kernel_lives_the_same_lives(kernels):
    assert same(state_of(run(start(800, 32))), state_of(run(start(800, 32, kernels=kernels))))


def test_outages_drive_people_away():
    """The same luck with a dark month before: all who leave leave, and some more."""
    calm, dark = start(6000, 1), start(6000, 1)
    dark.tables["households"]["outage_hours_month"][:] = 100
    ids = calm.tables["households"].id.copy()
    for sim in (calm, dark):
        sim.step()
    stayed = [np.isin(ids, sim.tables["households"].id) for sim in (calm, dark)]
    assert (stayed[0] >= stayed[1]).all()
    assert stayed[0].sum() > stayed[1].sum()


def test_month_chance_is_small_for_small_rates():
    assert month_chance(0.012) == pytest.approx(0.001, rel=1e-3)


def test_recorded_tables_hold_their_declared_columns():
    sim = start(2000, days=31)
    run(sim)
    for table in DOMAIN.tables:
        built = table.build(sim)
        assert set(built) == {field.name for field in table.fields}
        assert len({len(values) for values in built.values()}) == 1
    month = {name: np.asarray(values) for name, values in DOMAIN.tables[0].build(sim).items()}
    assert month["residents"].sum() == sim.tables["residents"].n == DOMAIN.kpis[0].compute(sim)
    assert all(np.isscalar(kpi.compute(sim)) for kpi in DOMAIN.kpis)


def test_vital_rates_that_lack_something_are_refused(tmp_path):
    file = tmp_path / "rates.csv"
    file.write_text("measure,age,sex,value\nmortality,1,male,0.1\nmortality,1,female,7\ndepartures,,,15\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_vital_rates(file)
    words = ("no value for age 0", ":3: mortality at age 1: value is 7", "sex_ratio_at_birth is missing", "arrivals is missing")
    assert [word in str(caught.value) for word in words] == [True] * len(words)
