"""Service: vehicles in event time, who is served, typical days against all, samples, electric buses and their charging."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from mobility_city import NORTH, SOUTH, line, simulation

from alatau_sim.domains.mobility.agents import Vehicle
from alatau_sim.domains.mobility.indicators import KPIS, TABLES
from alatau_sim.domains.mobility.process import places, turns_of
from alatau_sim.domains.mobility.service.settle import charging
from alatau_sim.domains.mobility.tables import BUS
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.plan import build_plan
from alatau_sim.engine.rule import settlement

LINES = (line("1", SOUTH), line("2", NORTH), line("3", "a0 b0 b4 a4 a9"))


def run(sim, days):
    for _ in range(days):
        sim.step()
    return sim


def month(sim):
    return sim.state["mobility"]["month"]


def kpi(sim, name):
    return next(kpi for kpi in KPIS if kpi.name == name).compute(sim)


class Days:
    """Keeps what every simulated day measured."""

    def __init__(self, sim):
        self.found, self.served, self.wanted = [], [], []
        sim.observers.append(self)
        sim.around_item = self.around
        self.sim = sim

    def around(self, item, run):
        run()
        if item.name == "close_service" and self.sim.state["mobility"]["measured"] is not None:
            self.found.append(self.sim.state["mobility"]["measured"])
            self.served.append(self.sim.grids["riders_served"].copy())
            self.wanted.append(self.sim.grids["riders_wanted"].copy())

    def day_closed(self, sim): ...

    def month_closed(self, sim): ...

    def year_closed(self, sim): ...


# --- conservation -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [80, 6])
def test_who_boards_alights_and_who_does_not_has_given_up(capacity):
    lines = [one.model_copy(update={"capacity": capacity}) for one in LINES]
    sim = simulation(lines, days=9, people=300, transit_days="all")
    days = Days(sim)
    run(sim, 9)
    assert len(days.found) == 9
    for found, served, wanted in zip(days.found, days.served, days.wanted, strict=True):
        assert found.boarded.sum() == found.alighted.sum() == found.served.sum() == served.sum()
        assert ((served >= 0) & (served <= wanted)).all()
        assert found.highest.max() <= capacity
        assert (found.wanted == wanted).all()
    total = month(sim)
    assert total["boardings"].sum() + total["given_up"].sum() == sum(wanted.sum() for wanted in days.wanted)
    assert (total["left"].sum() > 0) == (capacity == 6)
    assert total["simulated"] == 9


def test_riders_way_is_the_load_carried():
    sim = simulation(LINES, days=2, people=300, transit_days="all")
    days = Days(sim)
    run(sim, 1)
    stops = sim.state["mobility"]["network"].stops
    carried = (days.found[0].load.sum(axis=1) * stops.length_m).sum()
    assert month(sim)["rider_m"].sum() == carried
    assert 0 < kpi(sim, "load_factor") < 1


def test_vehicles_are_mesa_agents_of_their_lines():
    sim = run(simulation(LINES, days=3), 2)
    vehicles = list(sim.model.agents)
    assert {type(vehicle) for vehicle in vehicles} == {Vehicle}
    assert len(vehicles) == sum(one.vehicles for one in LINES)
    assert all(vehicle.load == 0 for vehicle in vehicles)


# --- fleets and timetables --------------------------------------------------------------------------------------------------


def departures(stops=SOUTH, **more):
    sim = run(simulation((line("1", stops, **more),), days=2, people=30), 1)
    return {name: int(month(sim)[name].sum()) for name in ("scheduled", "departures", "late", "cancelled", "empty_m")}


def test_a_fleet_that_is_large_enough_keeps_the_timetable():
    enough = departures(vehicles=12)
    assert enough["departures"] == enough["scheduled"] > 0
    assert enough["cancelled"] == enough["late"] == enough["empty_m"] == 0


@pytest.mark.parametrize("headways", [(20.0, 30.0), (30.0, 40.0), (45.0, 60.0), (7.0, 25.0)])
@pytest.mark.parametrize("stops", ["a0 a3", "a0 a5 a9", SOUTH])
def test_vehicles_stand_where_the_day_needs_them(headways, stops):
    """A fleet that just suffices, and one vehicle for ends that do not fit, is late nowhere though headways change with the hour."""
    peak, other = headways
    given = {"headway_peak_min": peak, "headway_min": other, "headway_day_off_min": other}
    one = simulation((line("1", stops, **given),), people=30).state["mobility"]["network"].lines[0]
    found = departures(stops=stops, vehicles=one.needed(0, 300) + 1, **given)
    assert found["late"] == found["cancelled"] == 0
    assert found["departures"] == found["scheduled"] > 0


def test_a_small_fleet_is_late_and_cancels():
    found = [departures(vehicles=vehicles)["cancelled"] for vehicles in (1, 2, 4, 6, 9, 12)]
    assert found[0] > found[2] > found[-1] == 0
    assert found == sorted(found, reverse=True)
    assert departures(vehicles=6)["departures"] > 3 * departures(vehicles=1)["departures"]


def test_more_frequent_service_needs_more_vehicles():
    sim = run(simulation((line("1", SOUTH, vehicles=8),), days=2, people=30, frequency_factor=2.0), 1)
    assert month(sim)["cancelled"].sum() > 0
    sim = run(simulation((line("1", SOUTH, vehicles=8),), days=2, people=30, frequency_factor=2.0, fleet_factor=2.0), 1)
    assert month(sim)["cancelled"].sum() == 0
    sim = run(simulation((line("1", SOUTH, vehicles=9), line("2", NORTH, vehicles=9)), days=2, people=30, extra_lines=("2",)), 1)
    assert month(sim)["cancelled"].sum() == 0
    made = month(sim)["departures"]
    assert made[1] == pytest.approx(2 * made[0], rel=0.05)
    assert sim.tables["lines"]["vehicles"].tolist() == [9, 18]


def test_what_a_vehicle_does_next():
    one = simulation((line("1", "a0 a5"),), people=30).state["mobility"]["network"].lines[0]
    round_trip = replace(one, directions=(replace(one.directions[0], zones=(0, 5, 0)),))
    single = replace(one, directions=one.directions[:1])
    turns = turns_of((one, round_trip, single))
    assert turns[0][0] == (1, 0, 0)
    assert turns[0][1][0] == 0
    assert turns[0][1][1] > 0
    assert turns[2] == ((2, 0, 0),)
    assert turns[3][0][0] == 3
    assert turns[3][0][1:] == (one.directions[0].scheduled_s, int(one.directions[0].length_m.sum()))


def test_vehicles_begin_where_they_are_needed():
    one = simulation((line("1", SOUTH),), people=30).state["mobility"]["network"].lines[0]
    times = [np.arange(6, 20) * 3600, np.arange(12, 20) * 3600]
    assert places(one, [0, 1], times, 300, 4) == [0] * 4
    assert places(one, [0, 1], [times[0], times[0]], 300, 4) == [0, 0, 1, 1]
    assert places(one, [7], times, 300, 2) == [7, 7]


# --- paired answers ---------------------------------------------------------------------------------------------------------


def test_twice_the_buses_never_wait_longer():
    def wait(**policy):
        return kpi(run(simulation(LINES, days=12, people=300, start=dt.date(2026, 3, 1), **policy), 12), "transit_wait")

    waits = [wait(frequency_factor=factor, fleet_factor=factor) for factor in (0.5, 1.0, 2.0)]
    assert waits[0] > waits[1] > waits[2]
    assert waits[1] == pytest.approx(7.5, rel=0.15)  # headway / 2


def test_more_frequent_buses_win_riders():
    few, more = (run(simulation(LINES, days=3, people=300, frequency_factor=factor, fleet_factor=2.0), 2) for factor in (0.5, 2.0))
    assert kpi(more, "boardings") > kpi(few, "boardings")


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("transit_days", ["typical", "all"])
def test_a_line_elsewhere_changes_no_wait_and_nobody_whom_it_does_not_reach(first, transit_days):
    """A line that is full and so simulated more often, in front of the others or behind them, is nothing to the people of another."""
    one, other = line("1", "a0 a1 a2", capacity=9), line("2", "b7 b8 b9", capacity=2, headway_peak_min=60.0)
    more = (other, one) if first else (one, other)
    alone, both = (
        run(simulation(lines, days=45, people=300, transit_days=transit_days, world={"traffic_alpha": 0.0}), 29) for lines in ((one,), more)
    )
    row = more.index(one)
    stops = both.tables["stops"]
    stops["wait_min"][stops["line"] != row] *= 4.0  # the people of the other line will be surprised
    run(alone, 16)
    run(both, 16)
    assert month(both)["simulated"] > month(alone)["simulated"] or transit_days == "all"
    assert month(both)["left"].min() > 0
    for table, names in (("stops", ("wait_min", "run_min")), ("lines", ("vehicles",))):
        mine, theirs = alone.tables[table], both.tables[table]
        rows = theirs.rows_of(mine.id)
        assert all((mine[name] == theirs[name][rows]).all() for name in names), table
    if transit_days == "all":  # else another day may stand for the month
        assert all(month(alone)[name][0] == month(both)[name][row] > 0 for name in ("boardings", "wait_s"))
    people, others = alone.tables["residents"], both.tables["residents"]
    reached = (people["home"] % 10 >= 5) & (people["goes_to"] % 10 >= 5)  # both within a walk of the other line
    assert (people.id == others.id).all()
    assert 0.2 < reached.mean() < 0.8
    for name in ("mode", "trip_min", "boards", "back_hour"):
        assert (people[name][~reached] == others[name][~reached]).all(), name


def test_a_line_beside_another_serves_its_riders_too():
    """People of a full and rare line do not wait for it where another one comes: waits are those of both lines together."""
    rare = line("2", SOUTH, headway_peak_min=60.0, headway_min=60.0, capacity=8)
    alone, beside = (run(simulation(lines, days=8, people=300), 5) for lines in ((line("1", SOUTH),), (rare, line("1", SOUTH))))
    assert kpi(beside, "transit_wait") < kpi(alone, "transit_wait")
    boarded = month(beside)["boardings"]
    assert 0 < boarded[0] < boarded[1]
    assert kpi(beside, "given_up") == 0


def test_the_city_knows_its_full_buses_from_the_first_working_day_and_they_do_not_take_turns():
    full = [one.model_copy(update={"capacity": 6}) for one in LINES]
    sim = simulation(full, days=84, people=300, transit_days="all")
    days = Days(sim)
    run(sim, 84)
    waits = np.array([found.waits_s.mean() / 60 for found in days.found if found.waits_s.size > 400])
    working = np.array([sim.clock.first + k for k in range(84) if (k % 7) < 5])
    assert len(waits) >= len(working)
    left = sum(found.left.sum() for found in days.found)
    assert left > 0.5 * sum(found.boarded.sum() for found in days.found)
    assert waits.max() < 1.4 * waits.min()
    assert abs(waits[:5].mean() / waits[-20:].mean() - 1) < 0.15


def test_a_lever_that_changes_makes_people_think_at_once():
    def more_buses(sim):
        sim.set_values({"mobility": sim.policy.mobility.model_copy(update={"frequency_factor": 4.0, "fleet_factor": 4.0})},
                       {"mobility": sim.world.mobility}, {})  # fmt: skip

    rare = tuple(one.model_copy(update={"headway_peak_min": 60.0, "headway_min": 60.0}) for one in LINES)
    start = dt.date(2026, 3, 2)
    day = (start - dt.date(1970, 1, 1)).days + 2
    sim = simulation(rare, days=6, people=300, events=((day, more_buses),))
    run(sim, 1)
    assert sim.city["service_changed"] == 0
    before, wait = sim.grids["riders_wanted"].sum(), sim.tables["stops"]["wait_min"].copy()
    run(sim, 1)
    assert sim.city["service_changed"] == 1
    assert sim.grids["riders_wanted"].sum() > before
    assert sim.tables["stops"]["wait_min"].mean() < wait.mean() / 2
    run(sim, 1)
    assert sim.city["service_changed"] == 0


# --- typical days -----------------------------------------------------------------------------------------------------------


def test_typical_days_are_the_first_of_their_kind():
    sim = simulation(LINES, days=92, people=30)
    simulated = {}
    for _ in range(91):
        date, planned = sim.clock.date, sim.state["mobility"].get("simulate")
        simulated[date] = planned
        sim.step()
    dates = [date for date, planned in simulated.items() if planned]
    assert [date for date in dates if date.month == 3] == [dt.date(2026, 3, day) for day in (7, 9, 14, 16, 21, 23, 28)]
    assert [date for date in dates if date.month == 5] == [dt.date(2026, 5, 1), dt.date(2026, 5, 2)]


def test_typical_days_stand_for_all_within_a_few_percent():
    typical, every = (run(simulation(LINES, days=60, people=300, transit_days=days), 60) for days in ("typical", "all"))
    assert (month(every)["simulated"], month(typical)["simulated"]) == (30, 2)
    for name, error in (("boardings", 0.02), ("transit_wait", 0.05), ("vehicle_km", 0.001), ("load_factor", 0.03)):
        assert kpi(typical, name) == pytest.approx(kpi(every, name), rel=error), name


def test_in_a_crowded_service_typical_days_are_more_and_less_exact():
    full = [one.model_copy(update={"capacity": 6}) for one in LINES]
    typical, every = (run(simulation(full, days=60, people=300, transit_days=days), 60) for days in ("typical", "all"))
    assert 2 <= month(typical)["simulated"] <= 6  # as long as waits surprise people, a working day a week
    assert kpi(every, "left_behind") > 0.3 * kpi(every, "boardings")
    for name, error in (("boardings", 0.03), ("transit_wait", 0.2), ("load_factor", 0.05), ("left_behind", 0.3)):
        assert kpi(typical, name) == pytest.approx(kpi(every, name), rel=error), name


def test_a_sample_gives_the_same_service():
    full, part = (run(simulation(LINES, days=6, people=1500, weight=weight), 6) for weight in (1, 5))
    assert (part.grids["trips"][:20] % 5 == 0).all()
    n = month(part)["boardings"].sum() / 5
    assert month(part)["boardings"].sum() == pytest.approx(month(full)["boardings"].sum(), rel=5 / np.sqrt(n) + 0.05)
    assert kpi(part, "transit_wait") == pytest.approx(kpi(full, "transit_wait"), rel=0.05)
    assert month(part)["vehicle_m"].sum() == month(full)["vehicle_m"].sum()


# --- electric buses ---------------------------------------------------------------------------------------------------------


def powered(lines, missing, days=5, **more):
    """A run in which homes take no power, and `missing` (a function of the day's number) of the buses' charging is not served."""

    @settlement(phase="tally", writes=("grid:load_wanted", "grid:load_unserved"))
    def share_power(sim):
        """What is wanted, and what of it is not served."""
        sim.grids["load_wanted"] += sim.grids["load_transit"]
        sim.grids["load_unserved"] += np.rint(sim.grids["load_transit"] * missing(sim.clock.day - sim.clock.first)).astype(np.int64)

    sim = simulation(lines, days=days, people=30, **more)
    sim.plan = (*sim.plan, *build_plan((Domain("power", settlements=(share_power,)),), sim.schema, "compiled"))
    return sim


ELECTRIC = (line("1", SOUTH, electric=True, vehicles=8),)


def test_electric_buses_charge_what_they_have_used():
    sim = powered(ELECTRIC, lambda day: 0.0)
    run(sim, 1)
    used = month(sim)["energy_wh"].sum()
    assert used == round((month(sim)["vehicle_m"].sum()) * sim.world.mobility.bus_wh_per_km / 1000)
    asked = sim.grids["load_transit"]
    assert asked.sum() == used
    assert asked[0, :5].min() > 0
    assert asked[0, 5:].sum() == asked[1:].sum() == 0
    run(sim, 1)
    assert sim.tables["lines"]["to_charge_wh"][0] == month(sim)["energy_wh"].sum() - used
    assert kpi(sim, "transit_electricity") == month(sim)["energy_wh"].sum() / 1e6


def test_buses_that_could_not_charge_stay_and_charge_later():
    sim = powered(ELECTRIC, lambda day: 0.5 if day == 1 else 0.0)
    run(sim, 1)
    whole, used = month(sim)["departures"].sum(), month(sim)["energy_wh"].sum()
    run(sim, 1)
    fewer = month(sim)["departures"].sum() - whole
    assert fewer < whole
    assert month(sim)["cancelled"].sum() == whole - fewer
    assert month(sim)["simulated"] == 2  # the day without some buses is run stop by stop
    today = month(sim)["energy_wh"].sum() - used
    assert sim.tables["lines"]["to_charge_wh"][0] == pytest.approx(used / 2 + today, abs=10)
    run(sim, 1)
    assert month(sim)["departures"].sum() == 2 * whole + fewer
    assert sim.tables["lines"]["to_charge_wh"][0] == pytest.approx(month(sim)["energy_wh"].sum() - used - today, abs=10)


def test_all_lines_can_be_made_electric():
    sim = run(simulation((line("1", SOUTH),), days=2, people=30, all_electric=True), 1)
    assert month(sim)["energy_wh"].sum() > 0


def test_charging_parts_add_up():
    total = np.array([0, 1, 7, 1_000_003])
    parts = charging(total, 5)
    assert (sum(parts) == total).all()
    assert max(int(part.max()) for part in parts) - min(int(part[3]) for part in parts) <= 1


# --- tables and indicators ----------------------------------------------------------------------------------------------------


def test_tables_agree_with_indicators():
    sim = simulation(LINES, days=31, people=60, start=dt.date(2026, 3, 1))
    tables = {}

    class Keeper:
        def day_closed(self, sim): ...

        def month_closed(self, sim):
            tables.update({table.name: dict(table.build(sim)) for table in TABLES})
            tables["kpi"] = {kpi.name: kpi.compute(sim) for kpi in KPIS}

        def year_closed(self, sim): ...

    sim.observers.append(Keeper())
    run(sim, 31)
    for table in TABLES:
        assert set(tables[table.name]) == {field.name for field in table.fields}
        assert len({len(values) for values in tables[table.name].values()}) == 1
    lines, kpis = tables["lines_month"], tables["kpi"]
    assert lines["boardings"].sum() == kpis["boardings"]
    assert lines["vehicle_km"].sum() == pytest.approx(kpis["vehicle_km"])
    assert (lines["mean_wait_min"] * lines["boardings"]).sum() / lines["boardings"].sum() == pytest.approx(kpis["transit_wait"])
    trips = tables["trips_month"]
    by_mode = np.bincount(trips["mode"], weights=trips["trips"], minlength=4)
    assert by_mode / 31 == pytest.approx([kpis[f"trips_{name}"] for name in ("walk", "bus", "car", "taxi")])
    assert kpis["transit_share"] == pytest.approx(by_mode[1] / by_mode.sum())
    loads = tables["line_loads_profile_month"]
    assert loads["boarded"].sum() == pytest.approx(loads["alighted"].sum())
    assert kpis["fares"] > 0
    assert all(np.isfinite(value) for value in kpis.values())


def test_who_was_not_served_does_not_pay():
    late = tuple(one.model_copy(update={"last_time": "12:00"}) for one in LINES)  # nobody is brought home
    sim = simulation(late, days=2, people=900)
    days = Days(sim)
    run(sim, 1)
    served, wanted = days.served[0].sum(), days.wanted[0].sum()
    assert 0 < served < 0.8 * wanted
    assert month(sim)["given_up"].sum() == wanted - served
    fare = sim.policy.mobility.fare_kzt
    assert abs(month(sim)["fares_kzt"] / fare - served) < 5 * np.sqrt(wanted)


def test_every_boarding_is_paid_once_though_ways_change():
    """Fares follow the rides that people make and not those that they would make now: on every day as many are paid as boarded."""
    sim = simulation(LINES, days=40, people=300)
    fare, homes = sim.policy.mobility.fare_kzt, sim.tables["households"]
    sim.ledger.book("tenge", "rest_of_world", "households", 10**9 * homes.n)
    homes["balance_kzt"][:] += 10**9
    sim.step()
    paid, differ = sim.ledger.balance("tenge", "transit_operator"), 0
    for _ in range(39):
        people, wanted = sim.tables["residents"], int(sim.grids["riders_wanted"].sum())
        differ += int((people["boards"] != people["bus_rides"])[people["mode"] == BUS].sum())
        sim.tables["stops"]["wait_min"][:20] *= 1.05  # line 1 seems to come less often from day to day
        sim.state["mobility"]["stale"] = True
        sim.step()
        now = sim.ledger.balance("tenge", "transit_operator")
        assert now - paid == wanted * fare
        paid = now
    assert differ > 0
