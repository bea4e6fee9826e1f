"""Firms: sizes against Axtell's law, exact numbers at the start, samples, positions and floor space, opening and closing."""

from __future__ import annotations

import datetime as dt
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_sim.domains.economy.firms.settle import (
    candidates,
    choose_site,
    clear_month,
    expected_entries,
    free_space,
    in_order,
    lease_space,
    open_firms,
)
from alatau_sim.domains.economy.rules import close_down, exit_hazard, meet_demand, plan_jobs, steady_change
from alatau_sim.domains.economy.start.tables import mean_of_sizes, scale_for, sizes, whole_city
from alatau_sim.domains.economy.tables import allows
from alatau_sim.engine.randomness import stream_key, uniform_array

sys.path.insert(0, str(Path(__file__).parent))
from economy_city import JOBS, SECTORS, USES, run, simulation  # noqa: E402

AXTELL = 1.059


def draws(stream: str, n: int, k: int = 0) -> np.ndarray:
    return uniform_array(stream_key(5, 0, stream, -1), np.arange(n), k)


# --- sizes ----------------------------------------------------------------------------------------------------------------------


def test_the_tail_of_sizes_is_axtells():
    """P(size ≥ s) = (scale / s) to the exponent, within four standard errors; and the exponent is found again by maximum likelihood."""
    n, scale, least = 200_000, 2.0, 20
    found = sizes(draws("size", n), scale, AXTELL, 10**9)
    for s in (3, 10, 50, 200, 1000):
        p = (scale / s) ** AXTELL
        assert abs((found >= s).mean() - p) < 4 * math.sqrt(p * (1 - p) / n)
    # The sizes are continuous ones rounded down: half a job more is their middle. Hill's estimator has the standard error a / √n.
    tail = found[found >= least] + 0.5
    hill = len(tail) / np.log(tail / least).sum()
    assert hill == pytest.approx(AXTELL, abs=4 * AXTELL / math.sqrt(len(tail)) + 0.02)


@pytest.mark.parametrize("mean", [1.5, 4.0, 12.0, 60.0])
def test_sizes_have_the_mean_of_their_sector(mean):
    scale = scale_for(mean, AXTELL, 2000)
    assert mean_of_sizes(scale, AXTELL, 2000) == pytest.approx(mean, rel=1e-6)
    even = (np.arange(400_000) + 0.5) / 400_000
    assert sizes(even, scale, AXTELL, 2000).mean() == pytest.approx(mean, rel=0.002)


@given(st.floats(0, 1, exclude_max=True), st.floats(1e-6, 5000), st.floats(0.5, 3), st.integers(1, 10_000))
def test_sizes_stay_within_one_and_the_largest(u, scale, exponent, largest):
    assert 1 <= int(sizes(np.array([u]), scale, exponent, largest)[0]) <= largest


# --- the start ------------------------------------------------------------------------------------------------------------------


def test_firms_of_the_start_have_exactly_the_jobs_of_zones_and_sectors(tmp_path):
    sim = simulation(tmp_path, scale=7)
    whole = whole_city(sim, 1)
    jobs = np.bincount(whole["site"], weights=whole["jobs"], minlength=len(USES))
    assert jobs.tolist() == [7 * number for number in JOBS]
    share = np.bincount(whole["sector"], weights=whole["jobs"]) / jobs.sum()
    assert np.abs(share - sim.tables["sectors"]["jobs_share"]).max() < 1 / jobs.sum()
    firms = sim.tables["firms"]
    level = (firms["wage_level"].astype(float) * firms["jobs"]).sum() / firms["jobs"].sum()
    assert level == pytest.approx(1, abs=1e-6)
    each = sim.tables["sectors"]["floor_m2_per_job"][firms["sector"]]
    assert (firms["floor_m2"] == np.maximum(np.rint(firms["jobs"] * each), 1)).all()


def test_a_city_of_twice_the_people_of_its_map_has_twice_the_jobs(tmp_path):
    sim = simulation(tmp_path, scale=7)
    sim.tables["zones"]["residents_existing"][:] = 50 * ~sim.tables["zones"]["outside"]
    people = int(sim.tables["zones"]["residents_existing"].sum())
    once, twice = (np.bincount(whole_city(sim, n)["site"], weights=whole_city(sim, n)["jobs"]) for n in (people, 2 * people))
    assert twice.tolist() == (2 * once).tolist()


def test_sectors_sit_more_often_where_zoning_allows_them(tmp_path):
    sim = simulation(tmp_path, scale=10)
    firms, zones, sectors = sim.tables["firms"], sim.tables["zones"], sim.tables["sectors"]
    fits = allows(zones["land_use"][firms["site"]], sectors["land_uses"][firms["sector"]])
    evenly = allows(zones["land_use"][:5, None], sectors["land_uses"][None, :]) * np.outer(JOBS, sectors["jobs_share"])
    assert firms["jobs"][fits].sum() / firms["jobs"].sum() > evenly.sum() / sum(JOBS) + 0.1


def test_one_more_zone_with_jobs_changes_no_firm_elsewhere(tmp_path):
    """Sizes, ids and wages are keyed by zone, sector and number; only how many jobs of a sector a zone has can move."""
    few, more = (simulation(tmp_path, jobs=jobs, rows=ONE_SECTOR) for jobs in ((120, 300, 400, 200, 0), (120, 300, 400, 200, 60)))
    old, new = few.tables["firms"], more.tables["firms"]
    rows = new.rows_of(old.id)
    assert (rows >= 0).all()
    for name in ("site", "sector", "jobs", "demand", "age_months"):
        np.testing.assert_array_equal(old[name], new[name][rows])


ONE_SECTOR = ("trade,1,1,30,20,0.2,9,21,1,0.3,4,1,0,3000000,residential;mixed;business;industry,assumed,test,",)


def test_a_map_without_jobs_gets_a_share_of_the_employed(tmp_path):
    sim = simulation(tmp_path, jobs=(0, 0, 0, 0, 0), scale=3)
    employed = int(sim.tables["residents"]["employed"].sum())
    assert int(sim.tables["firms"]["jobs"].sum()) == round(sim.world.economy.local_jobs_share * employed)


@pytest.mark.parametrize("weight", [2, 5, 10])
def test_a_sample_stands_for_the_city(tmp_path, weight):
    whole, part = simulation(tmp_path, scale=60), simulation(tmp_path, scale=60, weight=weight)
    jobs = part.tables["firms"]["jobs"].sum() * weight
    assert jobs == pytest.approx(whole.tables["firms"]["jobs"].sum(), rel=0.06)
    assert part.tables["firms"]["stands_for"].sum() == pytest.approx(whole.tables["firms"].n, rel=0.06)
    np.testing.assert_array_equal(free_space(part), free_space(whole))
    assert set(part.tables["firms"].id.tolist()) <= set(whole.tables["firms"].id.tolist())
    run(part)


def test_a_smaller_sample_of_small_firms_is_part_of_a_larger(tmp_path):
    half, tenth = (simulation(tmp_path, scale=20, weight=w) for w in (2, 10))
    small = tenth.tables["firms"].id[tenth.tables["firms"]["jobs"] == 1]
    assert set(small.tolist()) <= set(half.tables["firms"].id.tolist())


# --- positions and floor space --------------------------------------------------------------------------------------------------

UNIFORM = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10**4), st.integers(0, 10**12), st.integers(0, 10**12), st.booleans(), st.booleans(), st.floats(0, 5), UNIFORM)
def test_positions_change_by_a_quarter_at_most(jobs, sales, able, anchor, public, staffing, u):
    wanted = plan_jobs(jobs, sales, able, anchor, public, staffing, 0.3, 0.03, 0.15, 0.9, 0.5, u)
    assert math.floor(jobs * 0.75) <= wanted <= math.ceil(jobs * 1.25) or wanted == jobs == 1
    if anchor:
        assert wanted == jobs


def test_whole_positions_have_the_mean_that_sales_ask_for():
    u = ((np.arange(20_000) + 0.5) / 20_000).tolist()
    for jobs in (1, 3, 40):
        wanted = np.mean([plan_jobs(jobs, 120, 100, False, False, 1.0, 1.0, 0.0, 0.0, 0.9, 0.5, one) for one in u])
        assert wanted == pytest.approx(jobs * (1 + 0.1 * math.log(1.2)), abs=jobs / 20_000 + 1e-3)


def test_busier_firms_never_want_fewer_positions():
    wanted = [plan_jobs(17, sales, 100, False, False, 1.0, 0.0, 0.03, 0.15, 0.9, 0.5, 0.4) for sales in range(1, 400)]
    assert wanted == sorted(wanted)


def test_demand_keeps_its_law():
    """The logarithm is normal with the declared deviation and the mean of demand is 1, for ever; a month later 0.9 of it is left."""
    n, spread, stays = 20_000, 0.15, 0.9
    demand = np.exp(spread * np.sqrt(-2 * np.log1p(-draws("d", n))) * np.sin(2 * np.pi * draws("d", n, 1)) - spread**2 / 2)
    start = demand
    for month in range(3):
        u = [draws(f"m{month}", n, k).tolist() for k in (0, 1)]
        demand = np.array([meet_demand(d, stays, spread, a, b) for d, a, b in zip(demand.tolist(), *u, strict=True)])
    assert demand.mean() == pytest.approx(1, abs=4 * spread / math.sqrt(n))
    assert np.log(demand).std() == pytest.approx(spread, abs=4 * spread / math.sqrt(2 * n))
    assert np.corrcoef(np.log(start), np.log(demand))[0, 1] == pytest.approx(stays**3, abs=4 / math.sqrt(n))


def test_lucky_firms_do_not_make_the_city_grow():
    """Mean growth of positions over ten years with shocks only: nothing, within four standard errors; without the correction it is not."""
    n, a, spread, stays = 4000, 0.1, 0.25, 0.9
    x = spread * np.sqrt(-2 * np.log1p(-draws("x", n))) * np.sin(2 * np.pi * draws("x", n, 1)) - spread**2 / 2
    plain, steady = np.ones(n), np.ones(n)
    for month in range(120):
        shock = np.sqrt(-2 * np.log1p(-draws(f"s{month}", n))) * np.sin(2 * np.pi * draws(f"s{month}", n, 1))
        x = stays * (x + spread**2 / 2) + spread * math.sqrt(1 - stays**2) * shock - spread**2 / 2
        plain *= 1 + a * x
        steady *= 1 + a * x + steady_change(a, spread, stays)
    error = 4 * steady.std() / math.sqrt(n)
    assert abs(steady.mean() - 1) < error
    assert plain.mean() > 1 + error


def test_firms_never_take_more_floor_space_than_there_is(tmp_path):
    """Everyone wants twice the positions in a city with a little room: space is used up to what one more position needs, and no further."""
    sim = simulation(tmp_path, scale=5, room=1.1)
    clear_month(sim)
    firms, before = sim.tables["firms"], free_space(sim)
    firms["wanted_jobs"][:] = firms["jobs"] * 2
    lease_space.fn(sim)
    after = free_space(sim)
    assert (after >= 0).all()
    assert (after[before > 100] < before[before > 100] * 0.2 + 100).all()
    assert (firms["wanted_jobs"] == firms["jobs"]).all()


def test_positions_that_close_leave_their_floor_space(tmp_path):
    sim = simulation(tmp_path)
    firms, before = sim.tables["firms"], free_space(sim)
    rows = np.flatnonzero(firms["jobs"] > 4)
    firms["wanted_jobs"][rows] = firms["jobs"][rows] // 2
    lease_space.fn(sim)
    assert (free_space(sim) - before).sum() > 0
    assert (firms["jobs"][rows] == firms["wanted_jobs"][rows]).all()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), max_size=40), st.randoms(use_true_random=False))
def test_who_comes_later_finds_what_is_left(needs, shuffled):
    group, need = np.array([g for g, _ in needs], int), np.array([n for _, n in needs], np.int64)
    rank = list(range(len(needs)))
    shuffled.shuffle(rank)
    order = np.lexsort((rank, group))
    left = in_order(group, order, need, np.array([100, 60, 30, 0]))
    for row in range(len(needs)):
        earlier = [need[i] for i in range(len(needs)) if group[i] == group[row] and rank[i] < rank[row]]
        assert left[row] == (100, 60, 30, 0)[group[row]] - sum(earlier)


# --- opening and closing --------------------------------------------------------------------------------------------------------


def test_young_small_and_losing_firms_close_more_often():
    even = ((np.arange(20_000) + 0.5) / 20_000).tolist()

    def chance(jobs, age, losses):
        return np.mean([close_down(1, jobs, 1, age, losses, False, False, 1.0, 0.083, 2.0, 0.25, 3.0, u)[0] for u in even])

    assert chance(1, 600, 0) == pytest.approx(1 - math.exp(-0.083 / 12), abs=1e-4)
    assert exit_hazard(1, 0, 0.083, 2.0, 0.25) == pytest.approx(2 * exit_hazard(1, 600, 0.083, 2.0, 0.25), rel=1e-6)
    assert chance(1, 5, 0) > chance(1, 100, 0) > chance(50, 100, 0)
    assert chance(50, 100, 3) == pytest.approx(3 * chance(50, 100, 0), rel=0.05)
    assert close_down(3, 5, 1, 10, 9, True, False, 1.0, 5.0, 2.0, 0.0, 3.0, 0.0) == (False, 11)
    assert close_down(0, 5, 1, 10, 0, False, False, 1.0, 0.0, 2.0, 0.0, 3.0, 0.5)[0]


def test_in_a_sample_a_firm_closes_as_often_as_in_the_whole():
    """The row of a large firm has a tenth of its jobs, that of a small one stands for ten; both have the hazard of the firm."""
    rest = (600, 0, False, False)
    for u in ((np.arange(2000) + 0.5) / 2000 * 0.01).tolist():
        assert close_down(1, 400, 1, *rest, 1.0, 0.083, 2.0, 0.25, 3.0, u) == close_down(1, 40, 1, *rest, 10.0, 0.083, 2.0, 0.25, 3.0, u)
        assert close_down(1, 4, 1, *rest, 1.0, 0.083, 2.0, 0.25, 3.0, u) == close_down(1, 4, 10, *rest, 10.0, 0.083, 2.0, 0.25, 3.0, u)


def opened(tmp_path, relief, room=1.6, scale=40):
    """The firms that open on the first of February, which the run has begun before."""
    sim = simulation(tmp_path, 20, start=dt.date(2026, 1, 15), scale=scale, room=room, tax_relief_share=relief)
    before = set(sim.tables["firms"].id.tolist())
    for _ in range(18):
        sim.step()
    return {i: int(sim.tables["firms"]["site"][row]) for row, i in enumerate(sim.tables["firms"].id.tolist()) if i not in before}


@pytest.mark.parametrize("room", [1.6, 1.005])
def test_a_stronger_lever_opens_the_same_firms_and_more(tmp_path, room):
    without, half, full = (opened(tmp_path, relief, room) for relief in (0.0, 0.5, 1.0))
    assert without.items() <= half.items() <= full.items()
    if room > 1.5:
        assert len(without) < len(full)


def test_relief_draws_as_many_as_the_study_says(tmp_path):
    """All tax on profit gone: 20 points less, so 1.6 × 0.2 more private firms; candidates are whole, so within one a sector."""
    numbers = []
    for relief in (0.0, 1.0):
        sim = simulation(tmp_path, scale=100, tax_relief_share=relief)
        numbers.append(np.bincount(candidates(sim)[1], minlength=4))
    assert numbers[0][3] == numbers[1][3] == 0
    assert np.abs(numbers[1][:3] - numbers[0][:3] * 1.32).max() < 2


def test_new_firms_open_where_zoning_allows_them_and_there_is_room(tmp_path):
    sim = simulation(tmp_path, 130, scale=40, room=1.05)
    old = set(sim.tables["firms"].id.tolist())
    run(sim)
    firms, zones, sectors = sim.tables["firms"], sim.tables["zones"], sim.tables["sectors"]
    new = np.array([i not in old for i in firms.id.tolist()])
    assert new.any()
    assert allows(zones["land_use"][firms["site"][new]], sectors["land_uses"][firms["sector"][new]]).all()
    assert (zones["workspace_free_m2"] >= 0).all()


def test_firms_that_open_make_up_for_those_that_close(tmp_path):
    """Ten years without shocks, growth and very large firms, whose closing would be luck: firms and jobs stay as many as they were."""
    still = {"demand_growth": 0.0, "demand_spread": 0.02, "largest_firm": 30}
    sim = simulation(tmp_path, 3650, scale=8, world=still, rows=tuple(row.replace("0.2,0.2,12,", "0.2,0.2,4,") for row in SECTORS))
    firms, jobs = sim.tables["firms"].n, sim.tables["firms"]["jobs"].sum()
    run(sim)
    assert sim.tables["firms"].n == pytest.approx(firms, rel=0.1)
    assert sim.tables["firms"]["jobs"].sum() == pytest.approx(jobs, rel=0.12)


def test_public_positions_follow_the_residents(tmp_path):
    sim = simulation(tmp_path, 400, scale=10)
    firms, sectors = sim.tables["firms"], sim.tables["sectors"]
    jobs = int(firms["jobs"][firms["sector"] == 3].sum())
    sectors["jobs_per_resident"][3] *= 1.3  # as if there were 30 % more residents for those positions
    run(sim)
    assert firms["jobs"][firms["sector"] == 3].sum() == pytest.approx(1.3 * jobs, rel=0.03)


def test_an_anchor_hospital_leaves_the_citys_clinics_what_they_are(tmp_path):
    """Public positions follow what residents need; a large public anchor is made for the region and is not counted among them."""
    clinics = []
    for anchor in (False, True):
        sim = simulation(tmp_path, 200, scale=4, world={"demand_spread": 0.0})
        firms = sim.tables["firms"]
        old = firms.id[firms["sector"] == 3]
        if anchor:
            firms.insert(np.array([77]), {"sector": 3, "site": 1, "jobs": 500, "wanted_jobs": 500, "anchor": True, "floor_m2": 1})
            sim.ledger.book("jobs", "no_position", "positions", 500)
        run(sim)
        clinics.append(int(firms["jobs"][firms.rows_of(old)].sum()))
    assert clinics[0] == clinics[1]


def test_new_firms_choose_their_zone_by_the_logit(tmp_path):
    """Of many like candidates, as many choose each zone as the closed form says (four standard errors)."""
    sim = simulation(tmp_path, scale=40)
    zones, sectors = sim.tables["zones"], sim.tables["sectors"]
    free, ids = np.array([900, 4000, 0, 20_000, 5000, 9999, 9999]), np.arange(20_000)
    people = np.bincount(sim.tables["residents"]["home"], minlength=zones.n)
    for sector in (1, 2):
        chosen = choose_site(sim, ids, np.full(len(ids), sector), np.full(len(ids), 30), free)
        pull = np.log1p(people) if sectors["sells_to_people"][sector] else sim.world.economy.gathering * np.log1p(zones["jobs"])
        may = allows(zones["land_use"], sectors["land_uses"][sector]) & (free >= 30) & ~zones["outside"]
        weight = np.where(may, free * np.exp(pull), 0.0)
        share, found = weight / weight.sum(), np.bincount(chosen, minlength=zones.n) / len(ids)
        assert np.abs(found - share).max() < 4 * math.sqrt(0.25 / len(ids))
        assert (found[~may] == 0).all()


def test_a_zone_that_gains_room_draws_candidates_into_itself_only(tmp_path):
    sim = simulation(tmp_path, scale=40)
    ids, sector, need = np.arange(5000), np.full(5000, 1), np.full(5000, 30)
    free = np.array([900, 4000, 0, 20_000, 5000, 0, 0])
    before, after = (choose_site(sim, ids, sector, need, room) for room in (free, free + np.array([0, 0, 0, 9000, 0, 0, 0])))
    assert set(after[before != after].tolist()) == {3}


@pytest.mark.parametrize(("less", "more"), [({"corporate_rate": 0.2}, {"corporate_rate": 0.1}), ({"corporate_rate": 0.3}, {})])
def test_a_lower_tax_on_profit_draws_firms_as_relief_does(tmp_path, less, more):
    """What counts is the rate that firms pay: half of it by a lower rate is half of it by relief, and the firms are the same ones."""
    few, many = (simulation(tmp_path, scale=100, **policy) for policy in (less, more))
    base, factor = expected_entries(few)
    assert (expected_entries(many)[0] == base).all()
    assert (expected_entries(many)[1][:3] > factor[:3]).all()
    assert set(candidates(few)[0].tolist()) < set(candidates(many)[0].tolist())
    relieved = simulation(tmp_path, scale=100, tax_relief_share=0.5)
    halved = simulation(tmp_path, scale=100, corporate_rate=0.1)
    assert candidates(relieved)[0].tolist() == candidates(halved)[0].tolist()


def test_a_firm_that_closes_takes_its_money_and_leaves_its_people(tmp_path):
    sim = simulation(tmp_path, start=dt.date(2026, 1, 30))
    sim.step()  # the last of January is open
    firms, residents = sim.tables["firms"], sim.tables["residents"]
    row = int(firms["staff"].argmax())
    staff, gone, money, entries = residents.id[residents["employer"] == row], firms.id[[row]].copy(), [], []
    sim.observers.append(SimpleNamespace(
        day_closed=lambda sim: None, month_closed=lambda sim: money.append(int(firms["balance_kzt"][row])), year_closed=lambda sim: None,
    ))  # fmt: skip
    book = sim.ledger.book
    sim.ledger.book = lambda *entry: (entries.append(entry), book(*entry))
    firms["shuts"][row] = True
    sim.step()  # and now the first of February
    assert int(firms.rows_of(gone)[0]) < 0
    assert ("tenge", "firms", "rest_of_world", money[0]) in entries
    people = residents.rows_of(staff)
    outside = np.append(sim.tables["zones"]["outside"], False)[residents["work"][people]]
    placed = (residents["employer"][people] >= 0) | outside
    assert (placed == (residents["status"][people] == 2)).all()
    assert 0 < placed.sum() < len(people)
    assert sim.state["economy"]["month"]["exits"] == 1
    run(sim)


@pytest.mark.parametrize("share", [0.0, 0.002])
def test_a_city_with_hardly_a_firm_lives(tmp_path, share):
    sim = run(simulation(tmp_path, 65, jobs=(0, 0, 0, 0, 0), world={"local_jobs_share": share}))
    assert (sim.tables["residents"]["employer"] >= 0).sum() <= sim.tables["firms"]["jobs"].sum()


def test_no_firm_opens_on_the_first_day_when_none_closes(tmp_path):
    sim = simulation(tmp_path, scale=40)
    before = sim.tables["firms"].n
    open_firms.fn(sim)
    assert sim.tables["firms"].n == before
