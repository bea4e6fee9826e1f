"""Building sites: homes and floor space are conserved, zoning is never passed, and permits and crews give the queue that theory says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st
from land_city import FIRST, ROWS, STAY, entry, run, start, zones_of

from alatau_sim.domains.land import DOMAIN
from alatau_sim.domains.land.process import Pool, crews_for, days_for
from alatau_sim.domains.land.settle import insert_sites, room, unfinished
from alatau_sim.domains.land.tables import (
    ANNOUNCED,
    BUILDING,
    DONE,
    HOMES,
    PERMIT,
    WAITING,
    WORKSPACE,
    capacity,
    floor_share,
    scaled,
    size_of,
)
from alatau_sim.engine.clock import day_number
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.rule import settlement
from alatau_sim.errors import RunError

SLOW = {"crew_m2_per_day": 1.0, "site_days": 20, "site_days_least": 1, "site_crews_most": 2}
DAY_ONE = day_number(FIRST)


# --- lending -----------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), min_size=1, max_size=30), st.integers(1, 8))
def test_a_pool_lends_in_order_and_never_more_than_there_are(asked, capacity_):
    env, began = simpy.Environment(), []
    pool = Pool(env, lambda: capacity_)

    def use(number, units, hours):
        got = yield pool.request(units)
        assert got == min(units, capacity_)
        assert pool.count <= capacity_
        began.append(number)
        yield env.timeout(hours)
        pool.release(got)

    for number, (units, hours) in enumerate(asked):
        env.process(use(number, units, hours))
    env.run()
    assert began == list(range(len(asked)))  # first come, first served: a small request does not overtake a large one
    assert pool.count == 0


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 5))
def test_single_requests_wait_as_in_the_queue_of_several_servers(hours, servers):
    """Start times follow the recursion of a first-come queue with c servers (Kiefer and Wolfowitz, 1955), all arriving at once."""
    env, began = simpy.Environment(), {}
    pool = Pool(env, lambda: servers)

    def use(number, duration):
        yield pool.request(1)
        began[number] = env.now
        yield env.timeout(duration)
        pool.release(1)

    free = [0] * servers
    expected = {}
    for number, duration in enumerate(hours):
        env.process(use(number, duration))
        free.sort()
        expected[number] = free[0]
        free[0] += duration
    env.run()
    assert began == expected


def test_a_pool_follows_its_capacity_while_things_are_out():
    env, size = simpy.Environment(), [3]
    pool = Pool(env, lambda: size[0])
    first, second, third = pool.request(2), pool.request(2), pool.request(1)
    assert (first.triggered, second.triggered, third.triggered) == (True, False, False)
    size[0] = 1
    pool.release(2)
    assert (second.triggered, second.value, third.triggered) == (True, 1, False)  # it gets what there is
    size[0] = 2
    pool.serve()
    assert third.triggered
    size[0] = 0
    pool.release(2)
    assert not pool.request(1).triggered


# --- zoning ------------------------------------------------------------------------------------------------------------------


def test_capacity_is_zonings_floor_space_by_hand():
    zones = zones_of((("a", "residential", 0.5, 200_000, 0, 9999, 0, False), ("b", "mixed", 1.0, 84_000, 0, 400, 0, False),
                      ("c", "industry", 0.4, 100_000, 0, 50, 0, False), ("d", "open", 0.4, 100_000, 0, 0, 0, False),
                      ("e", "mixed", 1.0, 84_000, 0, 400, 0, True)))  # fmt: skip
    policy = DOMAIN.policy()
    homes, work = capacity(zones.columns(), policy)
    assert homes.tolist() == [200_000 * 5 * 9 // 100 // 84, 400, 0, 0, 0]  # residential: nine tenths; mixed: half (500), capped by the plan
    assert work.tolist() == [10_000, 42_000, 40_000, 0, 0]
    low, low_work = capacity(zones.columns(), policy.model_copy(update={"storeys_most": 1.0}))  # coverage is half the ratio here
    assert low.tolist() == [homes[0] // 2, 250, 0, 0, 0]
    assert low_work.tolist() == [5000, 21_000, 20_000, 0, 0]
    assert (floor_share(HOMES) + floor_share(WORKSPACE) <= 1).all()


@given(st.integers(0, 900), st.integers(0, 90_000), st.floats(0, 20))
def test_sizes_of_the_programme_are_whole_and_fill_each_other(dwellings, floor, factor):
    policy = DOMAIN.policy()
    homes, space = size_of(entry("x", dwellings=dwellings, floor_m2=floor), policy)
    assert homes == (dwellings or floor // 84)
    assert space == (floor or 84 * dwellings)
    assert size_of(entry("x", use="workspace", floor_m2=floor), policy) == (0, floor)
    assert abs(int(scaled(homes, factor)) - homes * factor) <= 0.5


@given(st.integers(1, 100_000), st.integers(1, 1000))
def test_crews_build_in_the_time_that_is_meant_as_far_as_they_find_room(floor, days):
    world = SimpleNamespace(crew_m2_per_day=0.8, site_crews_most=60, site_days_least=120)
    crews = crews_for(floor, days, world)
    assert 1 <= crews <= 60
    assert days_for(floor, crews, world) <= max(days, 120) or crews == 60
    assert days_for(floor, crews, world) * crews * 0.8 >= floor


# --- one site after the other ----------------------------------------------------------------------------------------------------


def stages_of(sim, found):
    """Note the days on which each site entered each stage, by its name."""
    works, names = sim.tables["works"], sim.state["land"]["names"]
    for row in range(works.n):
        days = found.setdefault(names[int(works.id[row])], {})
        days.setdefault(int(works["stage"][row]), int(works["stage_day"][row]) - DAY_ONE)


def test_permits_and_crews_give_the_queue_by_hand():
    """One permit desk of ten days; three crews; sites of two, two and one crew that take twenty days each."""
    programme = [entry("new", dwellings=2, after=0, name="a"), entry("new", dwellings=2, after=1, name="b"),
                 entry("new", dwellings=1, after=2, name="c")]  # fmt: skip
    sim = start(70, programme=programme, world=SLOW, permit_days=10, permits_at_once=1, crews=3, m2_per_dwelling=20, market=False)
    found = {}
    run(sim, lambda s: stages_of(s, found))
    assert found["a"] == {PERMIT: 0, BUILDING: 10, DONE: 30}
    assert found["b"] == {ANNOUNCED: 1, PERMIT: 10, WAITING: 20, BUILDING: 30, DONE: 50}  # one crew is free, two are needed
    assert found["c"] == {ANNOUNCED: 2, PERMIT: 20, BUILDING: 30, DONE: 50}  # and c, which needs one, does not overtake b
    assert sim.tables["zones"]["dwellings_built"].tolist() == [0, 5, 0, 0, 0]


def test_waits_are_counted_until_they_are_over():
    programme = [entry("new", dwellings=2, after=k, name=name) for k, name in enumerate("abc")]
    sim = start(28, programme=programme, world=SLOW, permit_days=10, permits_at_once=1, crews=2, m2_per_dwelling=20, market=False)
    run(sim)
    built = next(table for table in DOMAIN.tables if table.name == "works_month").build(sim)
    shown = {name: (stage, waited) for name, stage, waited in zip(built["name"], built["stage"], built["waited_days"], strict=True)}
    assert shown == {"a": (BUILDING, 0), "b": (WAITING, 9 + 8), "c": (PERMIT, 18)}
    kpis = {kpi.name: kpi.compute(sim) for kpi in DOMAIN.kpis}
    assert (kpis["sites_without_permit"], kpis["sites_without_crews"], kpis["site_wait"]) == (0, 1, 35 / 3)


def test_a_site_done_is_there_until_the_next_month_and_its_homes_on_the_day():
    seen = []
    programme = [entry("new", dwellings=1, name="a")]
    sim = start(60, programme=programme, world=SLOW, permit_days=0, crews=1, m2_per_dwelling=20, market=False)
    run(sim, lambda s: seen.append((s.tables["works"]["done_day"].tolist(), int(s.tables["zones"]["dwellings_built"].sum()))))
    assert seen[19] == ([-1], 0)
    assert seen[20] == seen[30] == ([DAY_ONE + 20], 1)
    assert seen[31] == ([], 1)


PAST_SITES = [entry("new", dwellings=1, after=-95, name="permit"), entry("new", dwellings=1, after=-115, name="building"),
              entry("new", dwellings=1, after=-400, name="ready")]  # fmt: skip
"""Sites announced before the run; a permit takes a hundred days where no lever says otherwise."""


def test_what_was_announced_before_the_run_has_gone_on_without_waiting():
    sim = start(40, programme=PAST_SITES, world=SLOW, permits_at_once=1, crews=1, m2_per_dwelling=20, market=False)
    found = {}
    run(sim, lambda s: stages_of(s, found))
    assert found["permit"][PERMIT] == 0
    assert found["permit"][DONE] == 25
    assert found["building"] == {BUILDING: 0, DONE: 5}
    assert found["ready"][DONE] == 1


def test_levers_change_nothing_of_the_past():
    """Slow permits, a smaller and later programme and idle developers: on the first day the same sites are as far as without."""
    levers = {"permit_days": 300, "programme_factor": 0.5, "programme_delay_days": 365, "market_starts_factor": 0.0}
    programme = [*PAST_SITES, entry("old", dwellings=40, after=3)]
    plain, slow = (start(2, programme=programme, world={"adjustment_speed": 3.0}, **more) for more in ({}, levers))
    for sim in (plain, slow):
        sim.step()
    assert plain.tables["works"].n > len(PAST_SITES)
    assert np.array_equal(np.sort(plain.tables["works"].id), np.sort(slow.tables["works"].id))
    order, other = np.argsort(plain.tables["works"].id), np.argsort(slow.tables["works"].id)
    for column in ("stage", "dwellings", "floor_m2", "announced_day"):
        assert np.array_equal(plain.tables["works"][column][order], slow.tables["works"][column][other]), column


def test_quicker_permits_bring_homes_no_later():
    """Paired: what is in works when the run begins does not get lost where a lever says that its permit was quick."""
    def built(days):
        found, world = [], {"adjustment_speed": 6.0, "site_days": 60, "site_days_least": 10}
        sim = start(200, world=world, rules=STAY, permit_days=days)
        run(sim, lambda sim: found.append(int(sim.tables["zones"]["dwellings_built"].sum())))
        return np.array(found)

    slow, usual, quick = (built(days) for days in (150, 100, 30))
    assert (slow <= usual).all()
    assert (usual <= quick).all()
    assert quick.sum() > usual.sum() > slow.sum()


def test_more_crews_from_an_event_begin_sites_at_once():
    policy = {"permit_days": 0, "m2_per_dwelling": 20, "market": False}

    def hire(sim):
        sim.set_values({"land": DOMAIN.policy(permit_days=0, m2_per_dwelling=20, crews=2)}, vars(sim.world), {})

    programme = [entry("new", dwellings=1, after=k, name=name) for k, name in enumerate("ab")]
    sim = start(40, programme=programme, world=SLOW, crews=1, events=[(DAY_ONE + 7, hire)], **policy)
    found = {}
    run(sim, lambda s: stages_of(s, found))
    assert (found["a"][BUILDING], found["b"][BUILDING]) == (0, 7)


@settlement(phase="events", writes=("works",))
def invest(sim):
    """An investor's site on the third day."""
    if sim.clock.day == DAY_ONE + 2:
        sim.tables["works"].insert(np.array([99]), {
            "zone": 3, "use": WORKSPACE, "floor_m2": 50_000, "owner": 7, "announced_day": sim.clock.day, "permit_days": 4,
            "building_days": 9,
        })  # fmt: skip


def test_an_investor_brings_a_site_with_days_of_its_own():
    found = {}

    def look(sim):
        works = sim.tables["works"]
        for stage in works["stage"][works["owner"] == 7].tolist():
            found.setdefault(stage, sim.clock.day - DAY_ONE)

    sim = start(31, extra=(Domain("investors", settlements=(invest,)),), market=False)
    free = int(sim.tables["zones"]["workspace_free_m2"][3])
    run(sim, look)
    # A day is looked at as it closes: the permit is ready at midnight of day 6, and the stage that then begins is there on day 5's close.
    assert found == {PERMIT: 2, BUILDING: 5, DONE: 14}
    assert sim.tables["zones"]["workspace_free_m2"][3] == free + 50_000
    assert sim.tables["zones"]["workspace_m2"][3] == free + 50_000


# --- conservation and limits -----------------------------------------------------------------------------------------------------


def growing(**policy):
    """A city that builds all it may."""
    programme = [entry("new", dwellings=300, after=20), entry("new", dwellings=300, after=60), entry("old", floor_m2=9000, after=31),
                 entry("plant", use="workspace", floor_m2=30_000, after=40), entry("mixed", use="workspace", floor_m2=11_111, after=5)]
    lively = {"site_days": 60, "site_days_least": 10, "crew_m2_per_day": 4.0, "adjustment_speed": 12.0}
    return start(200, programme=programme, world=lively, permit_days=20, site_m2=5000, **{"market_starts_factor": 5.0, **policy})


def conserved(sim):
    """Every home and every m2 is in works or in zones, and both are as announced."""
    works, zones = sim.tables["works"], sim.tables["zones"]
    for commodity, use, size, built in (("dwellings", HOMES, "dwellings", zones["dwellings_built"].sum()),
                                        ("m2 of workspace", WORKSPACE, "floor_m2", zones["workspace_m2"].sum())):  # fmt: skip
        booked = sim.ledger.balances(commodity)
        assert sum(booked.values()) == 0
        assert booked["zones"] == built
        going = works[size][unfinished(sim) & (works["use"] == use)].sum()
        assert booked["works"] == going
        assert going + built == -booked["announced"] - booked.get("opening", 0)
    for name, out in (("permits", (works["stage"] == PERMIT).sum()), ("crews", works["crews"].sum())):
        pool, before = sim.resources[name], sim.state["stub"].get(name, np.inf)
        assert pool.count == out <= max(pool.capacity, before)  # sites of before the run have theirs, however many there are
        sim.state["stub"][name] = out
    assert (works["floor_m2"] >= 0).all()


def within_zoning(sim):
    """What stands and what is being built never passes the larger of zoning's capacity and what stood at the start."""
    zones, works = sim.tables["zones"], sim.tables["works"]
    allowed = capacity(zones, sim.policy.land)
    stood = (zones["dwellings_existing"], sim.state["stub"].setdefault("stood", zones["workspace_m2"].copy()))
    stands = (zones["dwellings_existing"] + zones["dwellings_built"], zones["workspace_m2"])
    for use, size in ((HOMES, "dwellings"), (WORKSPACE, "floor_m2")):
        rows = unfinished(sim) & (works["use"] == use)
        coming = np.bincount(works["zone"][rows], weights=works[size][rows], minlength=zones.n)
        assert (stands[use] + coming <= np.maximum(allowed[use], stood[use])).all()


@pytest.mark.parametrize("policy", [{}, {"crews": 5}, {"permits_at_once": 1}, {"programme_factor": 3.0}])
def test_homes_and_floor_space_are_conserved_and_zoning_is_never_passed(policy):
    sim = growing(**policy)

    def check(sim):
        conserved(sim)
        within_zoning(sim)

    run(sim, check)
    assert -sim.ledger.balance("dwellings", "announced") > 300
    if policy == {"programme_factor": 3.0}:
        cut = next(kpi for kpi in DOMAIN.kpis if kpi.name == "programme_cut")
        assert cut.over_year == "sum"
        assert -sim.ledger.balance("dwellings", "announced") <= room_of_all() < 3 * 707


def room_of_all():
    return int(room(start(1))[HOMES].sum())


def test_a_lost_home_stops_the_run_with_the_numbers():
    sim = growing()
    for _ in range(30):
        sim.step()
    rows = np.flatnonzero(unfinished(sim) & (sim.tables["works"]["use"] == HOMES))
    sim.tables["works"]["dwellings"][rows[0]] += 1
    with pytest.raises(RunError, match=r"land on 2026-01-31: \d+ dwellings in works, \d+ in the books"):
        sim.step()


@given(st.integers(1, 3000), st.integers(20, 300), st.integers(500, 30_000))
def test_an_undertaking_is_split_into_sites_that_add_up(dwellings, each, site):
    sim = SITES
    works = sim.tables["works"]
    works.remove(np.arange(works.n))
    sim.set_values({"land": DOMAIN.policy(site_m2=site)}, vars(sim.world), {})
    insert_sites(sim, 5, 1, HOMES, dwellings, dwellings * each, DAY_ONE, "x")
    assert works["dwellings"].sum() == dwellings
    assert works["floor_m2"].sum() == dwellings * each
    assert (works["floor_m2"] <= max(site, each)).all()
    more = works.id.copy()
    insert_sites(sim, 6, 1, WORKSPACE, 0, dwellings, DAY_ONE, "y")
    assert works["floor_m2"].sum() == dwellings * each + dwellings
    assert set(more) < set(works.id)


SITES = start(1)


def test_rezoning_in_mid_run_makes_room_and_takes_it_away():
    """A village is rezoned to industry: no more homes are started there, those that stand stay; the plant becomes homes."""
    from alatau_sim.city.words import LAND_USES

    def rezone(sim):
        zones = sim.tables["zones"]
        zones["land_use"][[0, 3]] = LAND_USES.index("industry"), LAND_USES.index("residential")
        zones["dwellings_planned"][3] = 200

    seen = []
    sim = start(150, events=[(DAY_ONE + 50, rezone)], market_starts_factor=5.0, programme=[entry("plant", dwellings=150, after=70)])
    run(sim, lambda s: seen.append((room(s)[HOMES].tolist(), s.tables["works"]["announced_day"][s.tables["works"]["zone"] == 0].tolist())))
    zones = sim.tables["zones"]
    assert seen[49][0][0] > 0
    assert seen[49][0][3] == 0
    assert seen[50][0][0] == 0
    assert seen[50][0][3] == 200
    assert seen[75][0][3] == 50
    assert zones["dwellings_existing"][0] == 400
    assert max(day for _, days in seen for day in days) <= DAY_ONE + 50


@pytest.mark.parametrize("days", range(29, 34))
def test_developers_do_not_start_what_a_rezoning_has_just_forbidden(days):
    """What was decided on the first of a month is announced on the second; a rezoning in between, or any day around, is kept to."""
    from alatau_sim.city.words import LAND_USES

    def rezone(sim):
        sim.tables["zones"]["land_use"][[0, 2]] = LAND_USES.index("open")

    eager = {"adjustment_speed": 0.5, "natural_vacancy_share": 0.4, "natural_workspace_share": 0.4}
    sim = run(start(70, events=[(DAY_ONE + days, rezone)], world=eager, market_starts_factor=5.0))
    works = sim.tables["works"]
    late = works["announced_day"] >= DAY_ONE + days
    assert not np.isin(works["zone"][late], [0, 2]).any()
    assert np.isin(works["zone"][~late], [0, 2]).any()


# --- luck that is shared ------------------------------------------------------------------------------------------------------------


def starts_by_zone(sim):
    """The market's sites so far, by zone id: (day, use, size)."""
    found = {}

    def look(sim):
        works, zones = sim.tables["works"], sim.tables["zones"]
        for row in range(works.n):
            if sim.state["land"]["names"][int(works.id[row])] == "market":
                where = int(zones.id[works["zone"][row]])
                what = (int(works["announced_day"][row]), int(works["use"][row]), int(works["dwellings"][row]), int(works["floor_m2"][row]))
                found.setdefault(where, {})[int(works.id[row])] = what

    run(sim, look)
    return found


def test_one_more_zone_or_site_changes_no_other_zones_starts():
    eager = {"adjustment_speed": 3.0, "natural_vacancy_share": 0.2}
    base = starts_by_zone(start(120, world=eager, rules=STAY))
    wider = starts_by_zone(start(120, rows=(("first", "residential", 0.5, 200_000, 300, 800, 0, False), *ROWS), world=eager, rules=STAY))
    assert sum(len(sites) for sites in base.values()) > 10
    assert all(wider[zone] == sites for zone, sites in base.items())
    assert len(wider) == len(base) + 1
    more = starts_by_zone(start(120, programme=[entry("new", dwellings=200, after=10)], world=eager, rules=STAY))
    assert more == base


def test_starts_of_before_the_run_are_the_same_in_every_replicate():
    one, other, seed = start(1, replicate=0), start(1, replicate=5), start(1, seed=4)
    assert one.tables["works"].n > 0
    assert np.array_equal(one.tables["works"].id, other.tables["works"].id)
    assert np.array_equal(one.tables["works"]["dwellings"], other.tables["works"]["dwellings"])
    assert not np.array_equal(one.tables["works"].id, seed.tables["works"].id)
