"""How the whole small city answers: pairs of runs that share all luck and differ in one thing, which has an effect of known direction."""

import numpy as np
import pytest
from cities import simulate, tables_of

from alatau_sim.domains.mobility.tables import BUS
from alatau_sim.engine.clock import DAY_S

WEEKS = ("city.residents=1200", "run.end=2026-01-16")
"""Days off, the first working day with its rehearsals, and a week more."""


def kpi(model, name):
    return next(kpi for kpi in model.kpis if kpi.name == name).compute(model.sim)


@pytest.fixture(scope="module")
def base():
    return simulate(*WEEKS)


# --- buses ------------------------------------------------------------------------------------------------------------------


def test_more_frequent_buses_mean_shorter_waits_and_more_riders(base):
    few = simulate(*WEEKS, "policy.mobility.frequency_factor=0.5")
    many = simulate(*WEEKS, "policy.mobility.frequency_factor=2", "policy.mobility.fleet_factor=2")
    waits = [kpi(model, "transit_wait") for model in (few, base, many)]
    assert waits[0] > waits[1] > waits[2]
    riders = [kpi(model, "boardings") for model in (few, base, many)]
    assert riders[0] < riders[1] < riders[2]


def test_shorter_buses_leave_riders_behind_who_wait_longer_and_look_for_other_ways(base):
    """A shortage reaches people: left behind, they wait, and some go otherwise."""
    def shrink(model):
        model.sim.tables["lines"]["capacity"][:] = 2
        for line in model.sim.state["mobility"]["network"].lines:
            object.__setattr__(line, "capacity", 2)

    small = simulate(*WEEKS, start=shrink)
    assert kpi(small, "left_behind") > kpi(base, "left_behind")
    assert kpi(small, "transit_wait") > kpi(base, "transit_wait")
    assert kpi(small, "boardings") < kpi(base, "boardings")
    by_mode = [model.sim.grids["trips"].sum(axis=(0, 2)) for model in (small, base)]
    assert by_mode[0].sum() == by_mode[1].sum() > 0  # the same trips, made otherwise
    assert by_mode[0][BUS] < by_mode[1][BUS]


def test_a_line_elsewhere_changes_nobody_whom_it_does_not_reach(base):
    """One more line in the far north, in front of the others, with the traffic of cars without delays: most people travel as before."""
    calm = "world.mobility.traffic_alpha=0"
    without = simulate(*WEEKS, calm)
    scenario = [
        {"line": one.line, "stops": list(one.stops), **{name: getattr(one, name) for name in (
            "headway_peak_min", "headway_min", "headway_day_off_min", "first_time", "last_time", "vehicles", "capacity", "electric",
            "speed_kmh")}}
        for one in without.scenario.records["lines"]
    ]  # fmt: skip
    more = {"line": "north", "stops": ["green-01", "green-02"], "vehicles": 9, "capacity": 60}
    lines = ", ".join(_flow(one) for one in (more, *scenario))
    plus = simulate(*WEEKS, calm, f"lines=[{lines}]")
    assert plus.sim.names["lines"][0] == "north"
    before, after = tables_of(without)["residents"], tables_of(plus)["residents"]
    assert (before["id"] == after["id"]).all()
    zones = without.sim.names["zones"]
    ids = dict(zip(without.sim.tables["zones"].id.tolist(), zones, strict=True))
    north = np.array([ids.get(int(home), "").startswith("green") for home in before["home"]])
    north |= np.array([ids.get(int(to), "").startswith("green") for to in before["goes_to"]])
    assert 0.01 < north.mean() < 0.5
    for name in ("mode", "mode_today", "trip_min", "ride", "ride2", "ride_back", "ride_back2", "boards", "back_hour"):
        np.testing.assert_array_equal(before[name][~north], after[name][~north], err_msg=name)


def _flow(record):
    """A record as YAML's flow mapping."""
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in record.items()) + "}"


def _scalar(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


# --- homes ------------------------------------------------------------------------------------------------------------------


def test_more_homes_mean_rents_no_higher_in_any_zone():
    """What is built is ready on the second day; nothing else is."""
    places = ("gate-02", "growing-22")

    def built(dwellings):
        entries = [f"{{zone: {zone}, use: homes, dwellings: {dwellings}, announced: 2020-01-01}}" for zone in places if dwellings]
        return simulate(f"programme=[{', '.join(entries)}]", "world.land.adjustment_speed=0", "run.end=2026-02-02", "city.residents=1200")

    models = [built(dwellings) for dwellings in (0, 200, 400)]
    assert [kpi(model, "dwellings") - kpi(models[0], "dwellings") for model in models] == [0, 400, 800]
    dear, less, cheap = (model.sim.tables["zones"]["home_rent_kzt"] for model in models)
    assert (less <= dear).all()
    assert (cheap <= less).all()
    row = models[0].sim.names["zones"].index(places[1])
    assert dear[row] > less[row] > cheap[row]


# --- power ------------------------------------------------------------------------------------------------------------------


class Sums:
    """Adds up, day by day, electricity served by substation and zone, and sales lost by zone."""

    def __init__(self, model):
        self.served, self.unserved, self.lost = 0, 0, 0
        model.observe(self)

    def day_closed(self, sim):
        self.served = self.served + sim.grids["substation_served"].sum(axis=1)
        self.unserved = self.unserved + sim.grids["load_unserved"].sum(axis=1)
        self.lost = self.lost + sim.grids["payments_lost"].sum(axis=(1, 2))

    def month_closed(self, sim):
        pass

    def year_closed(self, sim):
        pass


def test_an_outage_takes_power_and_sales_there_and_nowhere_else():
    sure = ("city.residents=1200", "run.end=2026-01-16", "world.energy.substation_failures_per_year=0",
            "world.payments.card_failures_per_year=0", "policy.payments.crypto_rail_capacity_per_s=50")  # fmt: skip
    sums = {}

    def watch(name, row=None):
        def start(model):
            sums[name] = Sums(model)
            if row is not None:
                midnight = model.sim.clock.day * DAY_S
                model.sim.add_outage("power", row, midnight + 5 * DAY_S, midnight + 7 * DAY_S)

        return start

    calm = simulate(*sure, start=watch("calm"))
    zones = calm.sim.tables["zones"]
    shops = np.bincount(zones["substation"][zones["substation"] >= 0], weights=zones["shop_jobs"][zones["substation"] >= 0])
    struck = int(shops.argmax())
    simulate(*sure, start=watch("dark", struck))
    dark, light = sums["dark"], sums["calm"]
    there = zones["substation"] == struck
    assert light.unserved.sum() == light.lost.sum() == 0
    assert dark.served[struck] < light.served[struck]
    assert dark.unserved[there].sum() > 0
    assert dark.unserved[~there].sum() == 0
    assert dark.lost[there].sum() > 0
    assert dark.lost[~there].sum() == 0


# --- money ------------------------------------------------------------------------------------------------------------------


def test_no_household_owes_anything_at_any_moment():
    """Rent, fares, purchases and bills of a day never take more than there is, whatever comes first; a month's end is within."""
    lowest = []

    def watch(model):
        homes = model.sim.tables["households"]

        def around(item, run):
            run()
            if item.phase == "account":
                lowest.append(int(homes["balance_kzt"].min()))

        model.sim.around_item = around

    simulate("world.people.savings_months=0.05", "run.end=2026-03-03", start=watch)
    assert len(lowest) > 2 * 62
    assert min(lowest) >= 0
