"""Substations against renewal theory."""

from types import SimpleNamespace

import numpy as np
import pytest

from alatau_sim.domains.energy.params import World
from alatau_sim.domains.energy.process import YEAR_S, _exponential, run_hour
from alatau_sim.domains.energy.tables import SUBSTATION_COLUMNS
from alatau_sim.engine.randomness import stream_key, uniform
from alatau_sim.engine.tables import Table


def network(substations, failures_per_year, repair_h, seed=1, outage_s=lambda *_: 0):
    """Substations without a city: what `run_hour` asks of a simulation."""
    table = Table("substations", {column.name: column for column in SUBSTATION_COLUMNS})
    table.insert(np.arange(1000, 1000 + substations))
    sim = SimpleNamespace(
        tables={"substations": table}, outage_s=outage_s,
        world=SimpleNamespace(energy=World(substation_failures_per_year=failures_per_year, substation_repair_h=repair_h)),
        uniform_of=lambda name, number, stream: uniform(stream_key(seed, 0, f"{stream}/{name}", -1), number, 0),
    )  # fmt: skip
    for row in range(substations):
        table["wear_left"][row] = _exponential(sim, row, 0)
    return sim, table


def run(sim, table, hours):
    return np.array([[run_hour(sim, row, 3600 * hour) for hour in range(hours)] for row in range(table.n)])


def test_long_run_availability_is_mtbf_over_mtbf_plus_mttr():
    mtbf_h, mttr_h, substations, hours = 100.0, 8.0, 30, 3000
    sim, table = network(substations, YEAR_S / 3600 / mtbf_h, mttr_h)
    up = run(sim, table, hours)
    share = up[:, 500:].mean(axis=1) / 3600  # the first 500 hours forget that all start in working order
    expected = mtbf_h / (mtbf_h + mttr_h)
    assert abs(share.mean() - expected) < 4 * share.std(ddof=1) / np.sqrt(substations)
    assert share.std(ddof=1) / np.sqrt(substations) < 0.01


def test_failures_come_at_the_declared_rate_of_operating_time():
    sim, table = network(40, 60.0, 2.0)
    up = run(sim, table, 2000)
    expected = up.sum() / YEAR_S * 60.0
    assert abs(table["trips"].sum() - expected) < 4 * np.sqrt(expected)  # Poisson


def test_a_substation_that_cannot_fail_works_always():
    sim, table = network(3, 0.0, 2.0)
    assert (run(sim, table, 200) == 3600).all()


def test_a_dated_outage_takes_exactly_its_seconds():
    sim, table = network(1, 0.0, 2.0, outage_s=lambda system, row, start, end: max(0, min(end, 9000) - max(start, 4000)))
    assert run(sim, table, 4).tolist() == [[3600, 400, 1800, 3600]]


def test_a_higher_failure_rate_brings_failures_forward_with_the_same_luck():
    few, few_table = network(20, 20.0, 3.0)
    many, many_table = network(20, 40.0, 3.0)
    assert run(many, many_table, 600).sum() < run(few, few_table, 600).sum()
    assert (many_table["trips"] >= few_table["trips"]).all()


def test_seconds_are_lost_within_an_hour():
    sim, table = network(10, 900.0, 0.5)
    up = run(sim, table, 100)
    assert ((up > 0) & (up < 3600)).any()
    assert up.min() >= 0
    assert up.max() <= 3600


def test_no_second_is_lost_or_gained_by_the_bookkeeping():
    """Operating seconds times the hazard equal the hazard drawn and lived through, to the rounding of each failure to a second."""
    sim, table = network(1, 500.0, 1.0)
    up = run(sim, table, 3000).sum()
    trips = int(table["trips"][0])
    drawn = sum(_exponential(sim, 0, 2 * n) for n in range(trips + (not table["failed"][0])))
    left = 0.0 if table["failed"][0] else float(table["wear_left"][0])
    assert up * 500.0 / YEAR_S == pytest.approx(drawn - left, abs=(trips + 1) * 500.0 / YEAR_S)
