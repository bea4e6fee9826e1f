"""Land and people together: newcomers and movers share the vacant homes, and nobody is housed twice."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from land_city import ROWS, entry, run, zones_of

from alatau_sim.city.homes import vacancies
from alatau_sim.city.zones import ZONE_COLUMNS
from alatau_sim.domains.land import DOMAIN as LAND
from alatau_sim.domains.people import DOMAIN as PEOPLE
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.simulation import Simulation
from alatau_sim.fields import Column

DATA = Path(__file__).parents[2] / "scenarios" / "alatau"
FIRST = dt.date(2026, 1, 1)


def fill(sim, city):
    sim.tables["zones"].insert(city.zones.ids, {**city.zones.columns(), "job_access": 1.0})
    sim.names["zones"] = city.zones.zone


OTHERS = Domain(
    "others",
    columns={
        "zones": (*ZONE_COLUMNS, Column("job_access", "float64", default=1.0), Column("outage_share", "float64")),
        "households": (Column("outage_hours_month", "float32"),), "residents": (Column("spend_today_kzt", "int64"),),
    },
    fill=(fill,),
    start=(lambda sim: sim.ledger.watch("tenge", "households", "households", "balance_kzt"),),
)


def city(days, *, kernels="compiled", weight=1, invitation=10.0, renters=3.0, developers=6.0, quarter=True, **policy):
    """A lively city of 1,900 people, with a quarter that is completed in the second month."""
    zones = zones_of(ROWS)
    zones.dwellings_existing[:] = [400, 0, 200, 0, 0]
    zones.residents_existing[:] = [1250, 0, 650, 0, 0]
    params = {rule.name: {name: p.default for name, p in rule.params.items()} for domain in (LAND, PEOPLE) for rule in domain.rules}
    params["consider_moving"] |= {"renter_rate": renters, "owner_rate": renters / 5}
    sim = Simulation(
        (OTHERS, LAND, PEOPLE), start=FIRST, end=FIRST + dt.timedelta(days=days - 1), weight=weight, kernels=kernels, seed=2,
        policy={"land": LAND.policy(**policy), "people": PEOPLE.policy(invitation_factor=invitation)}, rule_params=params,
        world={"land": LAND.world(adjustment_speed=developers), "people": PEOPLE.world(departure_factor=5.0)},
    )
    files = SimpleNamespace(margins=DATA / "margins.csv", vital_rates=DATA / "vital_rates.csv", residents=1900)
    programme = (entry("new", dwellings=120, after=-420), entry("new", dwellings=30, after=-300)) if quarter else ()
    scenario = SimpleNamespace(city=files, run=SimpleNamespace(population="fixed"), records={"programme": programme})
    sim.start(SimpleNamespace(zones=zones, scenario=scenario))
    return sim


def homes(sim):
    zones = sim.tables["zones"]
    return zones["dwellings_existing"] + zones["dwellings_built"]


def lived_in(sim):
    return np.bincount(sim.tables["households"]["home"], minlength=sim.tables["zones"].n)


@pytest.mark.parametrize("weight", [1, 5])
def test_nobody_is_housed_twice_while_all_come_and_move(weight):
    sim, moved = city(150, weight=weight), 0
    first = sim.tables["households"].id.copy()
    full = np.maximum(homes(sim), lived_in(sim) * weight + sim.tables["zones"]["beyond_sample"])  # two households too many may start there

    def check(sim):
        zones = sim.tables["zones"]
        people = lived_in(sim) * weight + zones["beyond_sample"]
        assert (people < np.maximum(homes(sim), full) + weight).all()
        residents, households = sim.tables["residents"], sim.tables["households"]
        assert np.array_equal(residents["home"], households["home"][residents["household"]])
        assert np.array_equal(zones["households"], lived_in(sim))
        assert households["tenure_known"].all()
        nonlocal moved
        moved += sim.state["land"]["month"]["moved"] if sim.clock.first_of_month else 0

    run(sim, check)
    assert lived_in(sim)[1] > 0
    assert (~np.isin(sim.tables["households"].id, first)).sum() > 20 / weight  # who has come
    assert moved > 0
    assert vacancies(sim).sum() < 150


def test_moving_within_the_city_changes_no_number_of_homes_and_no_books():
    """With homes for all, as many households live in the city however many move within it, and what is vacant is vacant elsewhere."""
    still, lively = (run(city(59, renters=r, invitation=0.05, developers=0.0)) for r in (0.0, 6.0))
    assert still.state["people"]["turned_away"] == lively.state["people"]["turned_away"] == 0
    assert np.array_equal(np.sort(still.tables["households"].id), np.sort(lively.tables["households"].id))
    assert vacancies(still).sum() == vacancies(lively).sum()
    assert not np.array_equal(vacancies(still), vacancies(lively))
    assert all(sum(sim.ledger.balances(what).values()) == 0 for sim in (still, lively) for what in ("people", "dwellings", "tenge"))


def test_a_larger_programme_houses_more_and_moves_rents_down():
    few, many = (run(city(150, developers=0.0, quarter=there)) for there in (False, True))
    assert many.tables["households"].n > few.tables["households"].n
    rents = [sim.tables["zones"]["home_rent_kzt"] for sim in (few, many)]
    assert (rents[0] >= rents[1]).all()
    assert rents[0][1] > rents[1][1]


@pytest.mark.parametrize("kernels", ["both", "objects"])
def test_every_kind_of_kernel_houses_the_same_people(kernels):
    one, other = (run(city(33, kernels=kind)) for kind in ("compiled", kernels))
    for name in ("households", "zones", "works"):
        tables = [sim.tables[name] for sim in (one, other)]
        orders = [np.argsort(table.id) for table in tables]
        assert np.array_equal(tables[0].id[orders[0]], tables[1].id[orders[1]])
        for column in tables[0].columns:
            np.testing.assert_array_equal(tables[0][column][orders[0]], tables[1][column][orders[1]], err_msg=f"{name}.{column}")
