"""What holds for the whole city: the same in every mode, order and with every observer; no edit, no difference; books that balance."""

import gc
import weakref

import mesa
import numpy as np
import pytest
from cities import Happenings, assert_same, simulate, small, tables_of

from alatau_sim.errors import InputError, RunError
from alatau_sim.model import CityModel, Resident
from alatau_sim.results.recorder import Recorder


@pytest.fixture(scope="module")
def base():
    return simulate()


def test_the_small_city_meets_everything_that_the_other_tests_compare(base):
    met = Happenings()
    again = simulate(start=lambda model: model.observe(met))
    assert 0 not in met.counts.values(), met.counts
    assert_same(tables_of(base), tables_of(again))


@pytest.mark.parametrize("kernels", ["plain", "both"])
def test_compiled_is_plain(base, kernels):
    other = simulate(kernels=kernels)
    assert_same(tables_of(base), tables_of(other))
    for name, grid in base.sim.grids.items():
        np.testing.assert_array_equal(grid, other.sim.grids[name], err_msg=name)


def test_compiled_is_mesa_agents_under_shuffle_do():
    met = Happenings()
    tiny = ("city.residents=300", "run.start=2026-01-20")  # a first and a Monday lie ahead
    one = simulate(*tiny, days=16, start=lambda model: model.observe(met))
    other = simulate(*tiny, days=16, kernels="objects")
    assert_same(tables_of(one), tables_of(other))
    assert 0 not in met.counts.values(), met.counts


def test_threads_do_not_matter(base, monkeypatch):
    monkeypatch.setattr("alatau_sim.engine.runner._BLOCK", 50)  # so that a small city is cut into blocks at all
    assert_same(tables_of(base), tables_of(simulate(threads=2)))


def test_row_order_does_not_matter(base):
    def turn_round(model):
        """Put the residents and households into the opposite order."""
        for name in ("residents", "households"):
            table = model.sim.tables[name]
            old = np.arange(table.n)[::-1].copy()
            table._ids[: table.n] = table.id[old]
            for column in table.columns:
                table[column][:] = table[column][old]
            table._changed()
            for other, column in table.referrers:
                pointers = other[column]
                pointers[pointers >= 0] = table.n - 1 - pointers[pointers >= 0]

    assert_same(tables_of(base), tables_of(simulate(start=turn_round)))


def test_recording_changes_nothing(base, tmp_path):
    def record(model):
        model.observe(Recorder(tmp_path, "x", 0, 0, model.result_tables, model.kpis, labels=model.labels))

    assert_same(tables_of(base), tables_of(simulate(start=record)))


def test_no_edit_no_difference_and_a_longer_horizon_changes_no_earlier_day(base):
    assert_same(tables_of(base), tables_of(simulate()))
    shorter = simulate(days=40)
    assert_same(tables_of(shorter), tables_of(simulate("run.end=2027-12-31", days=40)))


def test_luck_is_the_replicate_and_the_starting_population_is_not(base):
    start = dict.fromkeys(("residents", "households", "zones"), slice(None))
    assert_same(*(tables_of(simulate(days=0, replicate=r)) for r in (0, 1)), only=start)
    first, second = (simulate(days=1, replicate=r) for r in (0, 1))
    assert set(tables_of(first)["residents"]["id"]) != set(tables_of(second)["residents"]["id"])
    temperature = [m.sim.city["temperature_mean_c"] for m in (first, second)]
    assert temperature[0] != temperature[1]
    assert base.sim.city["temperature_mean_c"] == simulate().sim.city["temperature_mean_c"]


def test_one_more_resident_changes_nobody_elsewhere():
    far = {}

    def add(model):
        """A household of one adult in a zone of its own substation's area, like an existing one."""
        sim = model.sim
        homes, people = sim.tables["households"], sim.tables["residents"]
        host = int(np.argmax(people["age"] > 30))
        home = int(homes["home"][people["household"][host]])
        far["zone"], far["substation"] = home, int(sim.tables["zones"]["substation"][home])
        row = homes.insert(np.array([77]), {"home": home})
        copied = {name: people[name][host : host + 1].copy() for name in people.columns if name != "household"}
        people.insert(np.array([78]), {**copied, "household": row})
        for table in ("residents", "households"):
            if ("people", table) in {(c, t) for c, _, t, col in sim.ledger._watched if not col}:
                sim.ledger.book("people", "opening", next(a for _, a, t, col in sim.ledger._watched if t == table and not col), 1)

    wide = ("policy.payments.crypto_rail_capacity_per_s=50",)  # a rail that queues would be shared by all, and rightly so
    a, b = simulate(*wide), simulate(*wide, start=add)
    before, after = tables_of(a), tables_of(b)
    zone_id = a.sim.tables["zones"].id[far["zone"]]
    near = set(a.sim.tables["zones"].id[a.sim.tables["zones"]["substation"] == far["substation"]])
    homes = np.array([z not in near for z in before["households"]["home"]])
    people = np.array([z not in near for z in before["residents"]["home"]])
    assert 0.2 < people.mean() < 1
    zones = np.array([z not in near for z in before["zones"]["id"]])
    assert zone_id in near
    assert_same(before, after, only={"households": homes, "residents": people, "zones": zones})


def test_the_books_balance_every_day_and_every_commodity_sums_to_zero(base):
    ledger = base.sim.ledger
    assert set(ledger._balances) >= {"people", "tenge", "Wh"}
    for commodity in ledger._balances:
        assert sum(ledger.balances(commodity).values()) == 0
    assert ledger.balance("people", "city") == base.sim.tables["residents"].n
    assert ledger.balance("tenge", "households") == base.sim.tables["households"]["balance_kzt"].sum()


def test_a_broken_book_stops_the_run():
    model = CityModel(small())
    model.step()
    model.sim.tables["households"]["balance_kzt"][0] += 1
    with pytest.raises(RunError, match="the books do not balance: account 'households'"):
        model.step()
    model.close()


def test_mesa_sees_columns_as_agents(base):
    assert base.agents_by_type[Resident] is base.residents
    assert Resident in base.agent_types
    assert len(base.residents) == base.sim.tables["residents"].n
    assert base.residents.agg("age", np.max) == base.sim.tables["residents"]["age"].max()
    resident = base.residents[5]
    assert resident.age == base.sim.tables["residents"]["age"][5]
    assert len(base.agents) == 0
    assert base.steps == base.days
    assert base.running is False


def test_a_closed_model_is_forgotten():
    model = CityModel(small())
    gone = weakref.ref(model)
    model.close()
    assert model not in mesa.Agent._ids
    del model
    gc.collect()
    assert gone() is None


def test_a_sample_has_the_citys_size_and_smaller_ones_are_part_of_larger():
    whole, half, quarter = (simulate("city.residents=6000", f"run.sample={s}", days=1) for s in ("1.0", "0.5", "0.25"))
    homes = [set(m.sim.tables["households"].id.tolist()) for m in (whole, half, quarter)]
    assert homes[2] < homes[1] < homes[0]
    population = next(kpi for kpi in whole.kpis if kpi.name == "population")
    sizes = [population.compute(m.sim) for m in (whole, half, quarter)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.08)
    assert sizes[2] == pytest.approx(sizes[0], rel=0.12)


def test_worlds_differ_in_what_is_not_known_only():
    central, drawn = simulate(days=1), simulate(days=1, world=3)
    assert central.sim.world.people == small().world.people
    assert drawn.sim.world.people != central.sim.world.people
    assert drawn.sim.policy.payments == central.sim.policy.payments


def test_an_unknown_table_is_told(base):
    model = CityModel(small("results.hourly=[lode]"))
    with pytest.raises(InputError, match="results.hourly: there is no table 'lode'; did you mean 'load'"):
        _ = model.result_tables
    model.close()
