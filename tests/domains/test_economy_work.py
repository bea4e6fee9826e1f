"""Work: who works where at the start, matching by schooling and keyed rank, the steady state of unemployment, logit shares, shopping."""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_sim.domains.economy.firms.settle import clear_month
from alatau_sim.domains.economy.labour.settle import distances_km, hire, open_positions, outside_zone
from alatau_sim.domains.economy.rules import choose_shop, look_for_work, seek_work, think_of_shops
from alatau_sim.domains.economy.tables import EMPLOYED, RETIRED, UNEMPLOYED
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.randomness import id_array
from alatau_sim.engine.rule import settlement
from alatau_sim.errors import RunError

sys.path.insert(0, str(Path(__file__).parent))
from economy_city import JOBS, SECTORS, USES, run, simulation, with_params  # noqa: E402

IDLE = {"demand_growth": 0.0, "demand_spread": 0.0, "exit_rate": 0.0, "entry_factor": 0.0}
"""A world in which firms neither grow nor shrink, close nor open."""


def outside_of(sim, work):
    return np.append(sim.tables["zones"]["outside"], False)[work]


def watch(sim, **seen):
    """Call functions of the simulation when each month closes; returns the values by name."""
    found = {name: [] for name in seen}
    note = lambda s: [found[name].append(fn(s)) for name, fn in seen.items()]  # noqa: E731
    sim.observers.append(SimpleNamespace(day_closed=lambda s: None, month_closed=note, year_closed=lambda s: None))
    return found


# --- the start ------------------------------------------------------------------------------------------------------------------


def test_everyone_employed_has_work_and_no_position_is_filled_twice(tmp_path):
    sim = simulation(tmp_path, scale=5)
    residents, firms = sim.tables["residents"], sim.tables["firms"]
    employed = residents["status"] == EMPLOYED
    assert (residents["work"][employed] >= 0).all()
    assert (residents["work"][~employed] == -1).all()
    local = residents["employer"] >= 0
    assert (local == (employed & ~outside_of(sim, residents["work"]))).all()
    assert (residents["work"][local] == firms["site"][residents["employer"][local]]).all()
    np.testing.assert_array_equal(np.bincount(residents["employer"][local], minlength=firms.n), firms["staff"])
    assert (firms["staff"] + firms["commuters"] <= firms["jobs"]).all()
    jobs = 5 * sum(JOBS)
    assert (firms["jobs"] - firms["staff"] - firms["commuters"]).sum() == round(0.01 * jobs)
    assert local.sum() == round(0.99 * 0.85 * jobs)
    zones = sim.tables["zones"]
    assert (zones["jobs"] + zones["vacancies"])[: len(JOBS)].tolist() == [5 * number for number in JOBS]


def test_people_work_near_and_with_their_degrees_where_they_can(tmp_path):
    sim = simulation(tmp_path, scale=20, world={"commute_decay_per_km": 0.2})
    residents, firms, zones = sim.tables["residents"], sim.tables["firms"], sim.tables["zones"]
    local = residents["employer"] >= 0
    x, y = zones["centroid_x_m"], zones["centroid_y_m"]
    home, work = residents["home"][local], residents["work"][local]
    away = np.hypot(x[home] - x[work], y[home] - y[work]).mean()
    shuffled = np.hypot(x[home] - x[np.roll(work, 7919)], y[home] - y[np.roll(work, 7919)]).mean()
    assert away < shuffled
    schooled = residents["education"][local] >= 2
    of = firms["sector"][residents["employer"][local]]
    assert schooled[of == 3].mean() > schooled[of == 0].mean() + 0.2  # schools ask for degrees, plants do not


def test_more_jobs_than_people_leave_the_rest_to_commuters(tmp_path):
    sim = simulation(tmp_path, jobs=(1200, 1200, 1200, 1200, 1200))
    residents, firms = sim.tables["residents"], sim.tables["firms"]
    assert not outside_of(sim, residents["work"]).any()
    assert firms["commuters"].sum() == 6000 - 60 - residents["employed"].sum()


def test_without_a_place_outside_those_left_over_have_no_work(tmp_path):
    sim = simulation(tmp_path, 40, outside=False, scale=2)
    residents, firms = sim.tables["residents"], sim.tables["firms"]
    assert firms["staff"].sum() == round(0.99 * firms["jobs"].sum()) == residents["employed"].sum()
    assert firms["commuters"].sum() == 0
    run(sim)
    assert firms["commuters"].sum() == 0


# --- who looks and leaves -------------------------------------------------------------------------------------------------------

UNIFORM = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 5), st.integers(-1, 9), st.booleans(), st.integers(-1, 9), st.integers(-1, 9), UNIFORM, UNIFORM)
def test_only_people_with_work_leave_it_and_only_those_with_a_home_look(status, employer, outside, home, seeks, u, u2):
    looks, quits = look_for_work(status, employer, outside, home, seeks, u, u2)
    if quits:
        assert status == EMPLOYED
        assert employer >= 0 or outside
    if looks and status == UNEMPLOYED:
        assert home >= 0
    if status not in (EMPLOYED, UNEMPLOYED):
        assert not looks
    if status == EMPLOYED and employer >= 0 and not outside:
        assert not looks


def test_who_has_never_applied_looks_at_once():
    assert look_for_work(UNEMPLOYED, -1, False, 3, -1, 0.999, 0.999) == (True, False)  # newcomer, or out of school
    assert look_for_work(UNEMPLOYED, -1, False, 3, 4, 0.999, 0.999) == (False, False)
    assert look_for_work(UNEMPLOYED, -1, False, -1, -1, 0.0, 0.0) == (False, False)  # not arrived yet
    assert look_for_work(EMPLOYED, -1, False, 3, 4, 0.999, 0.0) == (True, False)  # the firm has closed


# --- matching -------------------------------------------------------------------------------------------------------------------


def market(tmp_path, more=0, rows=SECTORS, scale=10, open_share=0.3):
    """A city on the eve of matching: a part of the positions is open, and the unemployed apply by key; `more` positions a firm."""
    sim = simulation(tmp_path, start=dt.date(2026, 1, 15), rows=rows, scale=scale, world={"suits_share": 1.0})
    clear_month(sim)
    residents, firms = sim.tables["residents"], sim.tables["firms"]
    leaves = (residents["employer"] >= 0) & (sim.uniform("leaves", residents.id, day=-1) < open_share)
    residents["employer"][leaves], residents["work"][leaves], residents["status"][leaves] = -1, -1, UNEMPLOYED
    firms["staff"][:] = np.bincount(residents["employer"][residents["employer"] >= 0], minlength=firms.n)
    firms["jobs"][:] += more
    residents["looks"][:] = residents["status"] == UNEMPLOYED
    residents["seeks"][:] = np.where(residents["looks"], (sim.uniform("seeks", residents.id, day=-1) * 5).astype(int), -1)
    return sim


def test_more_positions_hire_the_same_people_and_more(tmp_path):
    hired = []
    for more in (0, 1, 3):
        sim = market(tmp_path, more)
        before = sim.tables["residents"]["employer"].copy()
        hire(sim)
        hired.append(set(np.flatnonzero(sim.tables["residents"]["employer"] != before).tolist()))
    assert hired[0] < hired[1] < hired[2]


def test_each_position_is_dealt_once_and_only_where_people_applied(tmp_path):
    sim = market(tmp_path)
    residents, firms = sim.tables["residents"], sim.tables["firms"]
    free, looked, seeks = firms["jobs"] - firms["staff"] - firms["commuters"], residents["looks"].copy(), residents["seeks"].copy()
    before = firms["staff"].copy()
    hire(sim)
    assert (firms["staff"] - before <= free).all()
    hired = looked & (residents["employer"] >= 0)
    assert (residents["work"][hired] == seeks[hired]).all()
    assert (firms["site"][residents["employer"][hired]] == seeks[hired]).all()
    assert sim.state["economy"]["month"]["hires"] == hired.sum()
    # A zone has open positions for all, or people whom it has turned away, never both.
    basic, _ = open_positions(sim)
    left = np.bincount(firms["site"], weights=basic, minlength=5)[:5] > 0
    waiting = np.bincount(seeks[looked & (residents["employer"] < 0)], minlength=5)[:5] > 0
    assert not (left & waiting).any()


def test_the_lowest_keyed_ranks_are_hired(tmp_path):
    sim = market(tmp_path, scale=20, open_share=0.1)
    residents, looked = sim.tables["residents"], sim.tables["residents"]["looks"].copy()
    rank = sim.uniform("jobs.rank", residents.id)
    hire(sim)
    basic = looked & (residents["education"] < 2)
    for zone in range(5):
        there = basic & (residents["seeks"] == zone)
        got = there & (residents["employer"] >= 0)
        if got.any() and (there & ~got).any():
            assert rank[got].max() < rank[there & ~got].min()


def test_positions_that_ask_for_a_degree_go_to_nobody_else(tmp_path):
    sim = market(tmp_path, rows=tuple(re.sub(r",0\.\d+,(12|4|5|20),", r",1,\1,", row) for row in SECTORS))
    assert (sim.tables["sectors"]["degree_share"] == 1).all()
    residents, looked = sim.tables["residents"], sim.tables["residents"]["looks"].copy()
    hire(sim)
    hired = looked & (residents["employer"] >= 0)
    assert hired.any()
    assert (residents["education"][hired] >= 2).all()


# --- months ---------------------------------------------------------------------------------------------------------------------


def test_unemployment_settles_where_losing_and_finding_balance(tmp_path):
    """With work outside only: u = s / (s + f), s the share that leaves in a month and f = search × suits; band four standard errors.

    Fifty months from another start; the memory of a month is 1 − s − f, so they tell as much as (s + f) / (2 − s − f) of them would.
    """
    s, search, suits = 0.03, 0.5, 0.6
    sim = simulation(
        tmp_path, 365 * 6, jobs=(1, 0, 0, 0, 0), scale=8, world={**IDLE, "suits_share": suits},
        params=with_params(look_for_work, search=search, leave=s),
    )  # fmt: skip
    status = sim.tables["residents"]["status"]
    seen = watch(sim, share=lambda _: (status == UNEMPLOYED).sum() / ((status == UNEMPLOYED) | (status == EMPLOYED)).sum())
    run(sim)
    u, people = s / (s + search * suits), int(((status == UNEMPLOYED) | (status == EMPLOYED)).sum())
    months = np.array(seen["share"][22:])
    told = len(months) * (s + search * suits) / (2 - s - search * suits)
    assert months.mean() == pytest.approx(u, abs=4 * math.sqrt(u * (1 - u) / people / told))


def test_the_share_that_works_outside_stays_where_nothing_changes(tmp_path):
    """Positions outside are such that applications keep up the share of the start; over two years it moves little."""
    sim = simulation(tmp_path, 730, scale=20, world=IDLE)
    work = sim.tables["residents"]["work"]
    before = outside_of(sim, work).mean()
    run(sim)
    assert outside_of(sim, work).mean() == pytest.approx(before, rel=0.3)


def test_a_firm_that_shrinks_dismisses_the_last_of_a_keyed_rank(tmp_path):
    sim = simulation(tmp_path, start=dt.date(2026, 1, 30), scale=2, params=with_params(look_for_work, leave=0.0), world=IDLE)
    sim.step()
    firms, residents = sim.tables["firms"], sim.tables["residents"]
    row = int(firms["staff"].argmax())
    staff = residents.id[residents["employer"] == row].copy()
    firms["wanted_jobs"][row] = firms["staff"][row] // 2
    left = int(firms["wanted_jobs"][row])
    sim.step()
    rows = residents.rows_of(staff)
    assert (residents["employer"][rows] == row).sum() == firms["staff"][row] == left
    assert firms["commuters"][row] == 0
    assert sim.state["economy"]["month"]["dismissals"] == len(staff) - left
    assert (residents["status"][rows][residents["employer"][rows] != row] == UNEMPLOYED).all()


def test_people_from_outside_leave_before_residents_must(tmp_path):
    sim = simulation(tmp_path, start=dt.date(2026, 1, 30), scale=4, params=with_params(look_for_work, leave=0.0), world=IDLE)
    sim.step()
    firms = sim.tables["firms"]
    row = int(np.argmax(np.minimum(firms["commuters"], firms["staff"])))
    staff = int(firms["staff"][row])
    firms["wanted_jobs"][row] = staff
    sim.step()
    assert (firms["staff"][row], firms["commuters"][row]) == (staff, 0)


def change_of_month(change):
    """A domain that changes residents when a month opens, before the economy does."""
    @settlement(phase="life", every="1 month", reads=(), writes=("residents", "households", "residents.status"))
    def turn(sim):
        """Change residents."""
        if sim.clock.day > sim.clock.first:
            change(sim)

    return Domain("lives", settlements=(turn,))


def test_the_retired_the_dead_and_those_who_left_give_up_their_work(tmp_path):
    def change(sim):
        residents = sim.tables["residents"]
        draw = sim.uniform("fate", residents.id)
        retire = (residents["status"] == EMPLOYED) & (draw < 0.1)
        residents["status"][retire] = RETIRED
        residents.remove(np.flatnonzero(draw > 0.9))

    sim = run(simulation(tmp_path, 65, extra=(change_of_month(change),)))
    residents = sim.tables["residents"]
    working = residents["status"] == EMPLOYED
    assert (residents["work"][~working] == -1).all()
    assert (residents["employer"][~working] == -1).all()
    assert (residents["employed"] == working).all()
    assert (residents["income_kzt"][residents["status"] == RETIRED] == 130_000).all()


def test_newcomers_look_for_work_and_for_shops_in_the_month_in_which_they_come(tmp_path):
    came = []

    def change(sim):
        households, residents = sim.tables["households"], sim.tables["residents"]
        ids = id_array(99, sim.clock.month_index, np.arange(40))
        rows = households.insert(ids, {"home": np.arange(40) % 5})
        people = id_array(98, ids)
        came.extend(people.tolist())
        residents.insert(people, {"household": rows, "status": UNEMPLOYED, "education": 1, "wage_kzt": 300_000, "home": np.arange(40) % 5})

    sim = simulation(tmp_path, 35, extra=(change_of_month(change),), scale=4)
    run(sim)
    residents = sim.tables["residents"]
    rows = residents.rows_of(np.array(came))
    assert (residents["seeks"][rows] >= 0).all()
    found = residents["status"][rows] == EMPLOYED
    assert found.sum() == pytest.approx(0.6 * 40, abs=4 * math.sqrt(40 * 0.24))
    assert ((residents["work"][rows] >= 0) == found).all()
    assert ((residents["income_kzt"][rows] > 0) == found).all()
    assert (sim.tables["households"]["shop"] >= 0).all()


def test_staff_that_does_not_work_there_stops_the_run(tmp_path):
    sim = simulation(tmp_path)
    sim.step()
    sim.tables["residents"]["employer"][np.flatnonzero(sim.tables["residents"]["employer"] >= 0)[0]] = -1
    with pytest.raises(RunError, match="another number of people"):
        sim.step()


def test_positions_and_people_are_in_the_books(tmp_path):
    sim = run(simulation(tmp_path, 100, scale=3))
    booked, firms = sim.ledger.balances("jobs"), sim.tables["firms"]
    assert booked["positions"] == firms["jobs"].sum()
    assert booked["residents_at_work"] == firms["staff"].sum()
    assert booked["commuters_at_work"] == firms["commuters"].sum()
    assert sum(booked.values()) == 0


# --- choices --------------------------------------------------------------------------------------------------------------------


def logit_gap(counts, utility):
    """The largest distance between shares that were chosen and those of the logit, in standard errors."""
    share = np.where(np.isfinite(utility), np.exp(utility - np.nanmax(utility[np.isfinite(utility)])), 0.0)
    share /= share.sum()
    n = counts.sum()
    return (np.abs(counts / n - share) / np.sqrt(np.maximum(share * (1 - share), 1e-9) / n)).max()


def test_applications_are_the_logits(tmp_path):
    """Of people of one home and schooling, as many apply in each zone as the closed form says (four standard errors)."""
    sim = simulation(tmp_path, 2, start=dt.date(2026, 1, 31), scale=60, params=with_params(look_for_work, search=1.0, leave=0.05))
    sim.tables["residents"]["status"][sim.tables["residents"]["status"] == RETIRED] = UNEMPLOYED
    sim.tables["residents"]["seeks"][:] = -1
    sim.tables["firms"]["wanted_jobs"][:] = np.ceil(sim.tables["firms"]["jobs"] * 1.1)
    sim.step()  # the first of February is open
    residents, zones = sim.tables["residents"], sim.tables["zones"]
    choice, ratio = sim.rule_params["seek_work"], sim.world.economy.outside_wage_ratio
    for home in (0, 1):
        for degree in (False, True):
            sought = (residents["home"] == home) & ((residents["education"] >= 2) == degree) & (residents["seeks"] >= 0)
            counts = np.bincount(residents["seeks"][sought], minlength=zones.n)
            assert counts.sum() > 1500
            utility = np.array([
                seek_work.fn(2 if degree else 1, *centre(zones, home), bool(zones["outside"][z]), int(zones["vacancies_basic"][z]),
                             int(zones["vacancies_degree"][z]), float(zones["outside_vacancies"][z]), float(zones["wage_offered"][z]),
                             *centre(zones, z), ratio, **choice)
                for z in range(zones.n)
            ])  # fmt: skip
            assert logit_gap(counts, utility) < 4


def centre(zones, zone):
    return float(zones["centroid_x_m"][zone]), float(zones["centroid_y_m"][zone])


def test_shopping_is_the_logits(tmp_path):
    sim = simulation(tmp_path, scale=40)
    households, zones = sim.tables["households"], sim.tables["zones"]
    for home in (0, 3):
        counts = np.bincount(households["shop"][households["home"] == home], minlength=zones.n)
        utility = np.array([
            choose_shop.fn(*centre(zones, home), int(zones["shop_jobs"][z]), *centre(zones, z), **sim.rule_params["choose_shop"])
            for z in range(zones.n)
        ])  # fmt: skip
        assert logit_gap(counts, utility) < 4


def test_a_place_for_shopping_is_kept_until_there_is_a_reason():
    keep = {"reconsider": 1 / 12}
    assert think_of_shops(2, 4, 4, 10, 0.5, **keep) == (False, 4)
    assert think_of_shops(-1, -1, 4, 0, 0.5, **keep) == (True, 4)  # new
    assert think_of_shops(2, 3, 4, 10, 0.5, **keep) == (True, 4)  # moved
    assert think_of_shops(2, 4, 4, 0, 0.5, **keep) == (True, 4)  # no shops any more
    assert think_of_shops(2, 4, 4, 10, 0.05, **keep) == (True, 4)  # now and then


def test_households_leave_a_zone_on_the_day_on_which_its_last_shop_closes(tmp_path):
    sim = simulation(tmp_path, 40, start=dt.date(2026, 1, 15), scale=4)
    households, firms, zones = sim.tables["households"], sim.tables["firms"], sim.tables["zones"]
    zone = int(np.argmax(np.bincount(households["shop"], minlength=zones.n)))
    while sim.clock.date < dt.date(2026, 1, 31):
        sim.step()
    assert (households["shop"] == zone).any()
    firms["shuts"][(firms["site"] == zone) & sim.tables["sectors"]["sells_to_people"][firms["sector"]]] = True
    sim.step()  # and now the first of February
    assert not (households["shop"] == zone).any()
    run(sim)
    assert zones["till_kzt"][zone] == 0


def test_where_commuters_come_from_is_the_logit(tmp_path):
    sim = simulation(tmp_path)
    zones, ids = sim.tables["zones"], np.arange(20_000)
    places, km = np.flatnonzero(zones["outside"]), distances_km(sim, np.arange(zones.n), np.flatnonzero(zones["outside"]))
    for zone in (0, 3):
        weight = zones["jobs_existing"][places] * np.exp(-sim.world.economy.commute_decay_per_km * km[zone])
        found = np.bincount(outside_zone(sim, ids, np.full(len(ids), zone)), minlength=zones.n)[places] / len(ids)
        assert np.abs(found - weight / weight.sum()).max() < 4 * math.sqrt(0.25 / len(ids))


def test_nobody_applies_where_nothing_is_open_for_him():
    assert seek_work(1, 0.0, 0.0, False, 0, 9, 0.0, 1.0, 0.0, 0.0, 1.2) == -math.inf
    assert seek_work(2, 0.0, 0.0, False, 0, 9, 0.0, 1.0, 0.0, 0.0, 1.2) == pytest.approx(math.log(9))
    assert seek_work(1, 0.0, 0.0, True, 0, 0, 50.0, 1.0, 0.0, 30_000.0, 1.2) < math.log(50) + 2 * math.log(1.2)


def test_schools_are_the_nearest_zones_with_some(tmp_path):
    sim = simulation(tmp_path)
    firms, zones = sim.tables["firms"], sim.tables["zones"]
    there = np.unique(firms["site"][firms["sector"] == 3])
    assert set(zones["school"].tolist()) <= set(there.tolist())
    assert (zones["school"][there] == there).all()
    assert len(USES) + 2 == zones.n
