"""Getting around: usual trips, the choice of how to go, cars, traffic, access to jobs, fares."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from mobility_city import CITY, EMPLOYED, INACTIVE, MAP, NORTH, SOUTH, STUDENT, line, simulation

from alatau_sim.domains.mobility import DOMAIN
from alatau_sim.domains.mobility.rules import RULES, choose_mode, go_today, head_for, think_again
from alatau_sim.domains.mobility.settle import hansen, poisson
from alatau_sim.domains.mobility.tables import BUS, CAR, MODES, TAXI, WALK
from alatau_sim.engine.plan import compose_schema
from alatau_sim.engine.randomness import stream_key, uniform_array

LINES = (line("1", SOUTH), line("2", NORTH), line("3", "a0 b0 b4 a4 a9"))


def run(sim, days):
    for _ in range(days):
        sim.step()
    return sim


def same(one, other):
    for name, table in one.tables.items():
        assert (table.id == other.tables[name].id).all(), name
        for column in table.columns:
            assert np.array_equal(table[column], other.tables[name][column], equal_nan=table[column].dtype.kind == "f"), (name, column)


# --- rules ------------------------------------------------------------------------------------------------------------------


def test_where_people_head_for():
    assert head_for(EMPLOYED, 40, True, 7, 2, 4) == 7
    assert head_for(EMPLOYED, 40, True, -1, 2, 4) == 2
    assert head_for(STUDENT, 12, False, -1, 2, 4) == 4
    assert head_for(INACTIVE, 40, False, -1, 2, 4) == 2
    assert head_for(0, 9, False, -1, 2, 4) == -1


def test_work_is_not_reached_in_an_errand():
    assert go_today(EMPLOYED, True, CAR, 3, 30.0, 8, 17) == (CAR, 16)
    assert go_today(EMPLOYED, True, CAR, 3, 30.0, 10, 12) == (WALK, 11)
    assert go_today(INACTIVE, False, BUS, 3, 30.0, 10, 12) == (BUS, 11)
    assert go_today(INACTIVE, False, BUS, 3, 600.0, 10, 12) == (BUS, 10)
    assert go_today(EMPLOYED, True, CAR, 3, 30.0, 0, 0) == (-1, 0)
    assert go_today(EMPLOYED, True, CAR, -1, 30.0, 8, 17) == (-1, 0)


def test_people_think_again_when_something_has_changed():
    def thinks(**changed):
        given = {"trip_to": 1, "trip_from": 0, "trip_changed": False, "mode": CAR, "bus_min": 20.0, "city_service_changed": 0.0,
                 "city_review_day": 0.0, "u": 0.5}  # fmt: skip
        return think_again(**{**given, **changed})

    assert not thinks()
    assert thinks(trip_changed=True)
    assert thinks(city_service_changed=1.0)
    assert thinks(mode=-1)
    assert thinks(mode=BUS, bus_min=-1.0)
    assert thinks(city_review_day=1.0, u=0.1)
    assert not thinks(city_review_day=1.0, u=0.9)
    assert not thinks(trip_to=-1, trip_changed=True)


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_every_rule_binds_and_says_what_it_does(name):
    rule = next(rule for rule in RULES if rule.name == name)
    assert rule.meaning
    assert all(declared.meaning for declared in rule.params.values())
    compose_schema((CITY, DOMAIN))


# --- the choice -------------------------------------------------------------------------------------------------------------


def utilities(sim, row):
    people, homes = sim.tables["residents"], sim.tables["households"]
    world, home = sim.world.mobility, people["household"][row]
    seen = [people[name][row].item() for name in ("trip_m", "car_min", "bus_min", "bus_rides", "age", "employed")]
    seen += [int(homes["cars"][home]), int(homes["workers"][home])]
    setting = [getattr(world, name) for name in ("walk_speed_kmh", "walk_weight", "wait_weight", "value_of_time_kzt_h", "car_km_kzt",
                                                 "taxi_base_kzt", "taxi_km_kzt", "taxi_wait_min")]  # fmt: skip
    return np.array([choose_mode(*seen, mode, sim.policy.mobility.fare_kzt, *setting) for mode in range(len(MODES))])


def test_shares_are_those_of_the_logit():
    sim = simulation(LINES, people=900)
    people, homes = sim.tables["residents"], sim.tables["households"]
    sim.step()
    for name, value in (("trip_m", 3000.0), ("car_min", 9.0), ("bus_min", 22.0), ("bus_rides", 2), ("age", 40), ("employed", True),
                        ("rechooses", True)):  # fmt: skip
        people[name][:] = value
    homes["cars"][:], homes["workers"][:] = 1, 2
    next(item for item in sim.plan if item.name == "choose_mode").run(sim)
    weight = np.exp(utilities(sim, 0))
    share = weight / weight.sum()
    found = np.bincount(people["mode"], minlength=4) / people.n
    assert (np.abs(found - share) < 4 * np.sqrt(share * (1 - share) / people.n)).all()
    assert (share > 0.01).all()


def test_a_better_bus_wins_people_only_for_itself():
    sim = run(simulation(LINES, people=300), 1)
    people, item = sim.tables["residents"], next(item for item in sim.plan if item.name == "choose_mode")
    people["rechooses"][:] = True
    item.run(sim)
    before = people["mode"].copy()
    able = people["bus_min"] > 0
    people["bus_min"][able] *= 0.6
    item.run(sim)
    changed = people["mode"] != before
    assert changed.any()
    assert (people["mode"][changed] == BUS).all()


def test_ways_to_go_that_are_not_there_are_not_chosen():
    sim = run(simulation((), people=300), 3)
    people, homes = sim.tables["residents"], sim.tables["households"]
    assert not (people["mode"] == BUS).any()
    assert not (people["mode"][homes["cars"][people["household"]] == 0] == CAR).any()
    far = people["trip_m"] > sim.rule_params["choose_mode"]["farthest_walk_m"]
    assert not (people["mode"][far] == WALK).any()
    assert sim.grids["riders_wanted"].size == 0


# --- trips ------------------------------------------------------------------------------------------------------------------


def test_trips_come_in_pairs_at_the_hours_of_the_plan():
    sim = run(simulation(LINES, days=2, people=300), 1)
    people, trips = sim.tables["residents"], sim.grids["trips"]
    out = people["mode_today"] >= 0
    assert out.sum() > 0.8 * people.n
    for mode in range(4):
        mine = people["mode_today"] == mode
        leaving = np.bincount(people["out_from"][mine], minlength=24)
        back = np.bincount(people["back_hour"][mine], minlength=24)
        assert (trips[~MAP.outside, mode].sum(axis=0) == leaving + back).all()
    assert (people["back_hour"][out] >= people["out_from"][out]).all()


def test_bus_riders_are_those_who_go_by_bus():
    sim = run(simulation(LINES, days=2, people=300), 1)
    people = sim.tables["residents"]
    by_bus = people["mode_today"] == BUS
    legs = sum((people[name] >= 0).astype(int) for name in ("ride", "ride2", "ride_back", "ride_back2"))
    assert (legs[people["mode"] != BUS] == 0).all()
    assert (legs == people["boards"]).all()
    plan = sim.state["mobility"]["commuter_plan"]
    guests = int((plan["counts"][:, BUS, :3].sum(axis=1) * (plan["rides"][:2] >= 0).sum(axis=0)).sum())
    guests += int((plan["counts"][:, BUS, 3:].sum(axis=1) * (plan["rides"][2:] >= 0).sum(axis=0)).sum())
    assert sim.grids["riders_wanted"].sum() == legs[by_bus].sum() + guests
    rides = sim.tables["rides"]
    one = by_bus & (people["ride2"] < 0)
    distance = sim.state["mobility"]["network"].roads.distance_m
    for end, zone in (("start", "home"), ("end", "goes_to")):
        at, wanted = rides[end][people["ride"][one]], people[zone][one]
        assert (distance[at, wanted][at != wanted] <= sim.world.mobility.access_most_m).all()
        assert (at == wanted).mean() > 0.5


def test_commuters_from_outside_come_and_go_on_working_days():
    lines = (*LINES, line("9", "a4 a9 far", vehicles=20))
    sim = run(simulation(lines, days=8), 1)
    trips = sim.grids["trips"][MAP.outside].sum(axis=(0, 1))
    assert trips.sum() == 2 * 46
    assert trips[[7, 8, 9]].sum() == trips[[16, 17, 18]].sum() == 46
    run(sim, 4)
    assert sim.clock.kind_of_day == 1
    assert sim.grids["trips"][MAP.outside].sum() == 0


def test_the_way_is_looked_up_when_the_home_changes():
    sim = run(simulation(LINES, days=5, people=300), 1)
    people, homes = sim.tables["residents"], sim.tables["households"]
    before, mode = people["trip_m"].copy(), people["mode"].copy()
    homes["home"][0] = 9
    sim.step()
    members = people["household"] == 0
    assert (people["trip_from"][members] == 9).all()
    assert (people["trip_m"][members] != before[members]).any()
    assert (people["mode"][~members] == mode[~members]).all()
    assert (people["trip_m"][~members] == before[~members]).all()


# --- cars, roads, access ----------------------------------------------------------------------------------------------------


def test_poisson_counts_have_their_mean_and_shares():
    mean, n = 1.0, 40_000
    found = poisson(np.full(n, mean), uniform_array(stream_key(1, 0, "cars", -1), np.arange(n)))
    share = np.array([math.exp(-mean) * mean**k / math.factorial(k) for k in range(4)])
    assert (np.abs(np.bincount(found, minlength=4)[:4] / n - share) < 4 * np.sqrt(share * (1 - share) / n)).all()


def test_cars_are_as_many_as_the_facts_say_and_more_with_income():
    sim = run(simulation((), people=900, world={"reference_income_kzt": 500_000 / 3}), 1)
    homes = sim.tables["households"]
    assert 241 <= homes["cars"].sum() / sim.tables["residents"].n * 1000 <= 335
    rich = homes["income_kzt"] > np.median(homes["income_kzt"])
    assert homes["cars"][rich].mean() > homes["cars"][~rich].mean()


def test_a_household_more_changes_no_others_cars():
    few, many = (run(simulation((), people=people), 1).tables["households"] for people in (60, 90))
    shared = many.rows_of(few.id)
    assert (shared >= 0).any()
    there = shared >= 0
    same_home = few["home"][there] == many["home"][shared[there]]
    assert (few["cars"][there][same_home] == many["cars"][shared[there]][same_home]).all()


def test_more_traffic_means_longer_times_and_more_lanes_shorter_ones():
    def delays(**policy):
        sim = run(simulation((), days=40, people=900, start=dt.date(2026, 3, 1), world={"peak_hour_share": 1.0}, **policy), 33)
        return sim.state["mobility"]["delay"], sim.state["mobility"]["car_peak"]

    (narrow, slow), (wide, quick) = delays(road_lanes_per_km=0.05), delays(road_lanes_per_km=5.0)
    assert narrow.max() > 1.01
    assert (narrow >= 1).all()
    assert wide.max() < 1.01
    assert (quick <= slow + 1e-4).all()


def test_access_to_jobs_is_hansens_and_means_one():
    sim = run(simulation(LINES, people=300), 2)
    zones, people = sim.tables["zones"], sim.tables["residents"]
    weight = hansen(sim, sim.state["mobility"])
    access = weight @ zones["jobs"].astype(float)
    residents = np.bincount(people["home"], minlength=zones.n)
    assert zones["job_access"] @ residents / residents.sum() == pytest.approx(1.0)
    ratio = zones["job_access"] / access
    assert ratio.max() / ratio.min() == pytest.approx(1.0)
    assert zones["job_access"][MAP.outside].max() < zones["job_access"][~MAP.outside].min()


def test_one_more_line_makes_no_way_longer():
    rare = line("1", SOUTH, headway_peak_min=60.0, headway_min=60.0)
    off = dt.date(2026, 2, 28)  # a weekend: by the timetables
    few, more = (
        run(simulation(lines, people=30, start=off), 1).state["mobility"]["paths"].felt for lines in ((rare,), (rare, line("2", NORTH)))
    )
    assert (more <= few + 1e-3).all()
    assert (more < few - 1).any()


# --- fares ------------------------------------------------------------------------------------------------------------------


def test_fares_go_from_households_to_the_operator_as_far_as_money_goes():
    sim = simulation(LINES, days=4, people=300)
    homes = sim.tables["households"]
    homes["balance_kzt"][::2] = 101  # less than a fare
    sim.ledger = type(sim.ledger)(sim.tables)
    sim.ledger.watch("tenge", "households", "households", "balance_kzt")
    run(sim, 2)
    people = sim.tables["residents"]
    assert set(homes["balance_kzt"][::2].tolist()) <= {101, 51, 26}  # half stays for what else the day takes
    assert sim.ledger.balance("tenge", "transit_operator") > 0
    fare = sim.policy.mobility.fare_kzt
    run(sim, 1)
    paid = sim.ledger.balance("tenge", "transit_operator")
    boards = people["boards"] * (people["mode_today"] == BUS)
    boardings = np.bincount(people["household"], weights=boards, minlength=homes.n).astype(np.int64)
    expected = np.minimum(boardings * fare, homes["balance_kzt"] // 2).sum()
    guests = sim.ledger.balance("tenge", "rest_of_world")
    run(sim, 1)
    more = sim.ledger.balance("tenge", "transit_operator") - paid
    assert more == expected + (guests - sim.ledger.balance("tenge", "rest_of_world"))


def test_a_dearer_fare_never_wins_riders():
    def riders(fare):
        return run(simulation(LINES, people=300, fare_kzt=fare), 2).grids["riders_wanted"].sum()

    assert riders(0) > riders(120) > riders(1000)


# --- equality ---------------------------------------------------------------------------------------------------------------


def test_compiled_and_plain_are_the_same():
    run(simulation(LINES, days=8, kernels="both"), 8)


def test_objects_are_the_same_as_columns():
    columns, objects = (run(simulation(LINES, days=3, people=24, kernels=mode), 3) for mode in ("compiled", "objects"))
    same(columns, objects)
    objects.close()


def test_no_edit_no_difference_and_replicates_differ():
    one, two, other = (run(simulation(LINES, days=9, replicate=replicate), 9) for replicate in (0, 0, 1))
    same(one, two)
    assert (one.tables["residents"]["back_hour"] != other.tables["residents"]["back_hour"]).any()
    assert (one.tables["households"]["cars"] == other.tables["households"]["cars"]).all()


def test_modes_have_their_names():
    assert MODES == ("walk", "bus", "car", "taxi")
    assert (WALK, BUS, CAR, TAXI) == (0, 1, 2, 3)
