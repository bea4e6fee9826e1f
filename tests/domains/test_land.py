"""Homes: rents follow vacancies, nobody is housed twice, who rents pays, and luck is shared between cities that differ a little."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from land_city import FIRST, ROWS, STAY, entry, run, start

from alatau_sim.city.homes import offers, vacancies
from alatau_sim.domains.land import DOMAIN
from alatau_sim.domains.land.rules import adjust_rent, choose_home, choose_next_home, consider_moving, home_utility, missing, start_building
from alatau_sim.domains.land.settle import relocate
from alatau_sim.domains.land.tables import starting_workspace
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.randomness import id_array
from alatau_sim.engine.ranking import served
from alatau_sim.engine.rule import settlement

UNIFORM = st.floats(0, 1, exclude_max=True)
SHARE = st.floats(0, 1)
KPI = {kpi.name: kpi for kpi in DOMAIN.kpis}


# --- rules -------------------------------------------------------------------------------------------------------------------


def rent(vacancy, before=168_000.0, homes=100):
    return adjust_rent(before, vacancy, homes, 0, 84.0, 2000.0, 1.0, 0.06)  # 2,000 KZT/m2 × 84 m2 = 168,000


@given(SHARE, SHARE)
def test_rents_fall_with_vacancies_stay_at_the_natural_rate_and_are_bounded(vacancy, other):
    low, high = min(vacancy, other), max(vacancy, other)
    assert rent(low) >= rent(high)
    assert rent(0.06) == 168_000
    assert rent(0.0) == pytest.approx(168_000 * (1 + 0.06 / 12))
    assert rent(vacancy, homes=0) == 168_000
    value = 168_000.0
    for _ in range(2000):
        value = rent(vacancy, value)
        assert 0.4 * 168_000 <= value <= 3 * 168_000


@given(st.integers(0, 10**5), SHARE, st.floats(0, 0.5), st.integers(0, 10**4))
def test_what_is_missing_brings_the_natural_share(stock, free, natural, coming):
    gap = missing(stock, free, natural, coming)
    assert gap >= 0
    if gap > 0:
        whole = stock + coming + gap
        assert whole * (1 - natural) == pytest.approx(stock * (1 - free))


def starts(homes=1000, vacancy=0.0, coming=0, space=0, reserved=0, rent_kzt=161_000.0, factor=1.0, room=10**6, u=0.5):
    """What is started where rent just covers the cost: 230,000 KZT/m2 × 84 m2 × a tenth a year."""
    return start_building(
        homes, 0, vacancy, coming, room, reserved, rent_kzt, space, 0, 0, 10**6, 0, 84.0, factor, 230_000.0, 0.1, 1.5, 0.6, 0.06, 0.08,
        u, u,
    )  # fmt: skip


def test_starts_are_the_declared_share_of_the_gap_a_year():
    month = [starts(u=(k + 0.5) / 1000)[0] for k in range(1000)]
    gap = missing(1000, 0.0, 0.06, 0)
    assert np.mean(month) == pytest.approx(0.6 / 12 * gap, abs=1e-3)
    assert set(month) == {math.floor(0.05 * gap), math.floor(0.05 * gap) + 1}
    assert starts(homes=0)[0] == starts(vacancy=0.06, u=0.999)[0] == 0
    assert starts(coming=64, u=0.9)[0] == 0


@given(st.floats(10_000, 1e6), st.floats(10_000, 1e6), SHARE, st.integers(0, 200), st.integers(0, 60), UNIFORM)
def test_starts_rise_with_rent_and_fall_with_vacancies_and_stay_within_the_room(one, other, vacancy, room, reserved, u):
    low, high = (starts(vacancy=vacancy, rent_kzt=r, room=room, reserved=reserved, u=u)[0] for r in sorted((one, other)))
    assert 0 <= low <= high <= max(room - reserved, 0)
    assert starts(vacancy=min(vacancy + 0.1, 1.0), rent_kzt=one, u=u)[0] <= starts(vacancy=vacancy, rent_kzt=one, u=u)[0]
    space = starts(space=40_000, u=u)[1]
    assert space % 100 == 0
    assert abs(space - 0.05 * missing(40_000, 0.0, 0.08, 0)) <= 100


@given(st.booleans(), st.integers(1, 9), st.integers(0, 10**6), st.integers(0, 10**6), SHARE, UNIFORM)
def test_renters_move_before_owners_and_reasons_only_add(owner, size, income, rent_kzt, outage, u):
    calm = consider_moving(owner, 3, 10**9, 1, 0.0, u)
    assert not calm or consider_moving(owner, size, income, rent_kzt, outage, u)
    assert not consider_moving(True, size, income, rent_kzt, outage, u) or consider_moving(False, size, income, rent_kzt, outage, u)


def test_the_share_that_moves_in_a_year_is_the_declared_rate():
    even = (np.arange(20_000) + 0.5) / 20_000
    for owner, rate in ((True, 0.01), (False, 0.15)):
        stay = 1 - np.mean([consider_moving(owner, 3, 10**9, 1, 0.0, float(u)) for u in even])
        assert stay**12 == pytest.approx(math.exp(-rate), abs=12 / 20_000)


WEIGHTS = (1.0, 1.0, 0.5, 5.0)


def test_homes_draw_in_proportion_to_their_number_and_rent():
    """Twice the homes draw twice the households, a tenth more rent draws a tenth less (elasticity −1); none draw none."""
    base = home_utility(10, 0.0, 0.0, 1000.0, 1.0, 0.0, *WEIGHTS)
    assert math.exp(home_utility(20, 0.0, 0.0, 1000.0, 1.0, 0.0, *WEIGHTS) - base) == pytest.approx(2)
    assert math.exp(home_utility(10, 0.0, 0.0, 1100.0, 1.0, 0.0, *WEIGHTS) - base) == pytest.approx(1 / 1.1)
    assert math.exp(home_utility(10, 0.0, 0.0, 1000.0, 4.0, 0.0, *WEIGHTS) - base) == pytest.approx(2)
    assert home_utility(10, 0.0, 0.0, 1000.0, 1.0, 0.1, *WEIGHTS) < base
    assert choose_home(0, 0.0, 0.0, 1000.0, 1.0, 0.0, *WEIGHTS) == -math.inf
    near = choose_next_home(0.0, 0.0, 0.0, 0.0, 10, 0.0, 0.0, 1000.0, 1.0, 0.0, *WEIGHTS)
    far = choose_next_home(0.0, 0.0, 3000.0, 4000.0, 10, 0.0, 0.0, 1000.0, 1.0, 0.0, *WEIGHTS)
    assert near == base
    assert near - far == pytest.approx(5 * 0.15)


@given(st.lists(st.tuples(st.integers(-1, 3), SHARE), max_size=60), st.lists(st.integers(0, 20), min_size=4, max_size=4))
def test_homes_go_to_the_lowest_ranks_whatever_the_row_order(seekers, supply):
    wanted, rank = np.array([s[0] for s in seekers], np.int64), np.array([s[1] for s in seekers])
    ids, supply = np.arange(len(seekers)), np.array(supply)
    got = served(wanted, ids, rank, supply)
    for zone in range(4):
        there = np.flatnonzero(wanted == zone)
        assert got[there].sum() == min(len(there), supply[zone])
        if got[there].any() and not got[there].all():
            assert rank[there[got[there]]].max() <= rank[there[~got[there]]].min()
    assert not got[wanted < 0].any()
    back = np.argsort(-ids)
    assert np.array_equal(served(wanted[back], ids[back], rank[back], supply), got[back])


# --- moves within the city -----------------------------------------------------------------------------------------------------------


RESTLESS = {"consider_moving": {"renter_rate": 12.0, "owner_rate": 6.0}}


def lived_in(sim):
    """Households by zone."""
    return np.bincount(sim.tables["households"]["home"], minlength=sim.tables["zones"].n)


def test_nobody_is_housed_twice_and_old_homes_become_vacant():
    sim = start(150, rules=RESTLESS, programme=[entry("new", dwellings=100, after=-400)])
    many, ids = sim.tables["households"].n, sim.tables["households"].id.copy()

    def check(sim):
        zones = sim.tables["zones"]
        homes = zones["dwellings_existing"] + zones["dwellings_built"]
        assert (lived_in(sim) <= homes).all()
        assert np.array_equal(vacancies(sim), np.where(zones["outside"], 0, homes - lived_in(sim)))
        assert lived_in(sim).sum() == many == sim.tables["households"].n

    run(sim, check)
    assert np.array_equal(sim.tables["households"].id, ids)
    assert lived_in(sim)[1] > 50  # the new quarter has filled
    assert KPI["households_moved"].compute(sim) > 0


def test_homes_of_a_zone_go_to_the_lowest_keyed_ranks():
    """Thirty want one of the twenty vacant homes of a zone: twenty get one, the others stay where they are."""
    sim = start(1, rules=STAY)
    households = sim.tables["households"]
    movers = np.flatnonzero(households["home"] == 2)[:30]
    households["moves"][movers], households["wanted"][movers] = True, 0
    free = int(offers(sim)[0])
    assert free == 20
    relocate.fn(sim)
    moved = households["home"][movers] == 0
    rank = sim.uniform("move_rank", households.id[movers])
    assert moved.sum() == free
    assert rank[moved].max() < rank[~moved].min()
    assert offers(sim)[0] == 0
    assert offers(sim)[2] == 10 + free


def test_those_who_stay_keep_what_they_wanted_and_nobody_moves_outside():
    sim = run(start(100, rules=RESTLESS))
    households = sim.tables["households"]
    assert not np.isin(households["home"], [3, 4]).any()
    assert not (households["wanted"] == 4).any()
    assert sum(len(wanted) for wanted in sim.state["stub"]["wanted"]) == 30  # the seekers of three months
    assert all((wanted >= 0).all() and (wanted <= 2).all() for wanted in sim.state["stub"]["wanted"])


# --- rents ---------------------------------------------------------------------------------------------------------------------------


def rents(sim):
    """The zones' rents at the end of each month."""
    found = []
    run(sim, lambda s: found.append(s.tables["zones"]["home_rent_kzt"].copy()) if s.clock.last_of_month else None)
    return np.array(found)


def test_more_homes_never_make_rents_higher():
    """The same luck with a larger programme: no month and no zone with a higher rent, and lower ones where it is built."""
    few, more, most = (
        rents(start(365, programme=[entry("old", dwellings=60, after=-300)] * n, market=False, rules=STAY)) for n in (0, 2, 5)
    )
    assert (few >= more).all()
    assert (more >= most).all()
    assert few[-1, 0] > more[-1, 0] > most[-1, 0]
    assert np.array_equal(few[:, 2], most[:, 2])


def test_who_moves_gains_from_more_homes_elsewhere():
    """With households that move, homes in one zone relieve the others, too: the mean rent of the city falls with each step."""
    means = [
        rents(start(365, programme=[entry("new", dwellings=60, after=-300)] * n, market=False, rules=RESTLESS)) for n in (0, 2, 5)
    ]
    weights = np.array([400, 0, 200, 0, 0]) / 600
    last = [float(found[-1] @ weights) for found in means]
    assert last[0] > last[1] > last[2]


@pytest.mark.parametrize(("first", "days", "shares"), [
    (dt.date(2026, 1, 1), 31, [1.0]), (dt.date(2026, 1, 22), 10 + 28 + 1, [10 / 31, 1.0, 1 / 31]),
])
def test_renters_pay_for_the_days_of_the_run_and_owners_live_free(first, days, shares):
    sim = start(days, first=first, savings_months=12, rules=STAY, world={"rent_adjustment": 0.0})
    households = sim.tables["households"]
    before, owner = households["balance_kzt"].copy(), households["owner"].copy()
    run(sim)
    paid = before - households["balance_kzt"]
    assert (paid[owner] == 0).all()
    # 1,500 KZT for 84 m2, of which a rented home has 0.65
    assert (paid[~owner] == sum(round(81_900 * share) for share in shares)).all()
    assert sim.ledger.balance("tenge", "landlords") == paid.sum()


def test_nobody_pays_rent_that_is_not_there():
    sim = start(90, savings_months=0, rules=STAY)
    households = sim.tables["households"]
    households["balance_kzt"][::2] = 100
    households["balance_kzt"][1] = -5000  # a debt
    sim.ledger.book("tenge", "rest_of_world", "households", int((households["balance_kzt"] > 0).sum()) * 100)
    sim.ledger.book("tenge", "households", "rest_of_world", 5000)
    run(sim)
    assert (households["balance_kzt"][~households["owner"]] <= 0).all()
    assert households["balance_kzt"][1] == -5000
    assert KPI["rent_unpaid"].compute(sim) > 0


def test_rent_leaves_what_the_day_has_cost():
    sim = start(31, savings_months=0, rules=STAY)
    households, people = sim.tables["households"], sim.tables["residents"]
    n = households.n
    people.insert(np.arange(2 * n) + 10, {"household": np.tile(np.arange(n), 2), "spend_today_kzt": 700})
    households["balance_kzt"][:] = 50_000
    sim.ledger.book("tenge", "rest_of_world", "households", 50_000 * n)
    run(sim)
    assert set(households["balance_kzt"][households["rent_kzt"] > 0].tolist()) == {2 * 1400}


# --- who owns ------------------------------------------------------------------------------------------------------------------------


@settlement(phase="life", every="1 month", writes=("households",))
def arrive(sim):
    """A thousand households come, whatever homes there are."""
    sim.tables["households"].insert(id_array(5, sim.clock.month_index, np.arange(1000)), {"home": 0, "size": 2, "income_kzt": 1000})


def test_the_declared_shares_own_the_same_ones_in_every_replicate():
    one, other = (start(2, rows=big(), extra=(Domain("arrivals", settlements=(arrive,)),), replicate=r) for r in (0, 4))
    homes = one.tables["households"]
    assert abs(homes["owner"].mean() - 0.868) < 4 * math.sqrt(0.868 * 0.132 / homes.n)
    for sim in (one, other):
        sim.step()
    new = homes["size"] == 2
    assert homes["tenure_known"].all()
    assert abs(homes["owner"][new].mean() - 0.5) < 4 * math.sqrt(0.25 / 1000)
    assert np.array_equal(homes["owner"], other.tables["households"]["owner"])


def test_a_redrawn_population_owns_anew():
    one, same_one, other = (start(1, rows=big(), population=number) for number in (0, 0, 1))
    owners = [sim.tables["households"]["owner"] for sim in (one, same_one, other)]
    assert np.array_equal(owners[0], owners[1])
    assert 0.1 < (owners[0] != owners[2]).mean() < 0.4


def big():
    """A city of one zone with many homes."""
    return (("old", "residential", 0.5, 2_000_000, 4000, 9000, 50, False), ROWS[-1])


# --- the start, samples, kernels, records ---------------------------------------------------------------------------------------------


def test_workspace_of_the_start_holds_todays_jobs_and_the_usual_free_share():
    zones, world = start(1).tables["zones"], DOMAIN.world()
    assert np.array_equal(zones["workspace_m2"], starting_workspace(zones, world))
    assert zones["workspace_m2"] @ np.ones(5) == pytest.approx(550 * 40 / 0.92, abs=3)
    bare = {name: np.zeros(2, np.int64) for name in ("jobs_existing", "dwellings_existing")} | {"outside": np.array([False, True])}
    bare["dwellings_existing"][:] = 100
    assert starting_workspace(bare, world).tolist() == [round(75 * 40 / 0.92), 0]


def test_developers_have_sites_when_the_run_begins_and_none_that_are_over():
    sim = start(1, occupied_share=1.0, world={"adjustment_speed": 3.0})
    works, names = sim.tables["works"], sim.state["land"]["names"]
    assert works.n > 0
    assert set(names) == set(works.id.tolist())
    assert (works["announced_day"] < sim.clock.first).all()
    assert start(1, occupied_share=1.0, market=False).tables["works"].n == 0
    sim.step()
    assert (works["until_s"] >= sim.clock.first * 86_400).all()
    assert (works["waited_days"] == 0).all()


def state_of(sim):
    """Every column of every table, by id."""
    found = {}
    for name, table in sim.tables.items():
        order = np.argsort(table.id)
        found |= {f"{name}.{column}": table[column][order].copy() for column in table.columns} | {name: table.id[order].copy()}
    return found


def same(one, other):
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def lively(**how):
    programme = [entry("new", dwellings=100, after=3), entry("plant", use="workspace", floor_m2=5000, after=12)]
    return start(70, programme=programme, rules=RESTLESS, world={"adjustment_speed": 6.0}, **how)


@pytest.mark.parametrize("kernels", ["both", "objects"])
def test_every_kind_of_kernel_builds_and_moves_the_same(kernels):
    same(state_of(run(lively())), state_of(run(lively(kernels=kernels))))


def test_the_same_inputs_give_the_same_bytes():
    same(state_of(run(lively())), state_of(run(lively())))


def test_row_order_does_not_matter():
    straight, turned = lively(), lively()
    for name in ("households", "works"):
        table = turned.tables[name]
        ids, columns = table.id[::-1].copy(), {column: table[column][::-1].copy() for column in table.columns}
        table.remove(np.arange(table.n))
        table.insert(ids, columns)
    same(state_of(run(straight)), state_of(run(turned)))


@pytest.mark.parametrize("weight", [2, 10])
def test_a_sample_has_the_homes_of_the_whole_city_and_gives_away_no_more(weight):
    whole, sample = lively(), lively(weight=weight)
    assert np.array_equal(vacancies(whole), vacancies(sample))
    assert np.array_equal(whole.tables["works"].id, sample.tables["works"].id)

    def check(sim):
        zones = sim.tables["zones"]
        homes = zones["dwellings_existing"] + zones["dwellings_built"]
        people = lived_in(sim) * weight + zones["beyond_sample"]
        assert (people < homes + weight).all()

    run(sample, check)
    run(whole)
    assert sample.ledger.balances("m2 of workspace") == whole.ledger.balances("m2 of workspace")
    paid = [KPI["rent_paid"].compute(sim) for sim in (whole, sample)]
    assert paid[1] == pytest.approx(paid[0], rel=8 / math.sqrt(570 * 0.13 / weight))


def test_recorded_tables_hold_their_declared_columns_and_agree_with_the_indicators():
    sim = run(lively())
    built = {table.name: table.build(sim) for table in DOMAIN.tables}
    for table in DOMAIN.tables:
        assert set(built[table.name]) == {field.name for field in table.fields}
        assert len({len(values) for values in built[table.name].values()}) == 1
    month, works = built["homes_month"], built["works_month"]
    assert month["zone"].tolist() == [0, 1, 2, 3]
    assert month["dwellings"].sum() == KPI["dwellings"].compute(sim)
    assert month["vacant_dwellings"].sum() / month["dwellings"].sum() == KPI["vacancy"].compute(sim)
    assert month["dwellings_in_works"].sum() == works["dwellings"].sum() == KPI["homes_in_works"].compute(sim)
    assert KPI["workspace_free"].compute(sim) == 1.0
    assert works["announced"][0] < works["announced"][-1]
    assert set(works["name"]) == {"market", "programme"}
    assert all(np.isscalar(kpi.compute(sim)) for kpi in DOMAIN.kpis)
    assert (month["room_dwellings"] >= 0).all()
    assert FIRST.isoformat() > works["announced"][0]
