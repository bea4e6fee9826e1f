import datetime as dt
from dataclasses import replace

import numpy as np
from toy import PLACES, TOY, move, simulate

from alatau_sim.engine.domain import Domain
from alatau_sim.engine.runner import sample_limit

MOVERS = replace(TOY, rules=(move,))


def places_after(quality, people=40_000, weight=2.0):
    def fill(sim, _):
        sim.tables["places"].insert(np.arange(len(quality)) + 1, {"quality": np.array(quality, float)})
        sim.tables["people"].insert(np.arange(people) + 1, {"age": 30, "place": np.zeros(people, np.int32)})

    domain = Domain("toy", policy=TOY.policy, columns=TOY.columns, rules=(move,), fill=(fill,))
    sim = simulate(None, days=13, domain=domain, end=dt.date(2026, 2, 3), move={"weight": weight})
    return sim.tables["people"]["place"].copy()


def test_shares_meet_the_logit():
    quality = np.linspace(-1, 1, PLACES)
    people = 40_000
    expected = np.exp(2.0 * quality) / np.exp(2.0 * quality).sum()
    share = np.bincount(places_after(quality, people), minlength=PLACES) / people
    error = np.sqrt(expected * (1 - expected) / people)
    assert (np.abs(share - expected) < 4.5 * error).all()


def test_a_better_alternative_attracts_only_into_itself():
    before, after = places_after(np.zeros(PLACES)), places_after(np.eye(PLACES)[5])
    changed = before != after
    assert 0.05 < changed.mean() < 0.5
    assert (after[changed] == 5).all()


def test_a_new_alternative_takes_its_share_and_moves_nobody_elsewhere():
    before, after = places_after(np.zeros(14)), places_after(np.zeros(15))
    changed = before != after
    assert (after[changed] == 14).all()
    assert abs(changed.mean() - 1 / 15) < 0.006


def test_a_sample_of_alternatives_grows_by_doublings():
    for alternatives in (5, 30, 59, 60, 80, 119, 120, 2000):
        looked_at = alternatives * (sample_limit(30, alternatives) + 1) / 2**64
        assert min(alternatives, 30) <= looked_at <= 60


def test_tastes_last():
    sim = simulate(np.arange(1, 400), days=13, domain=MOVERS)
    first = sim.tables["people"]["place"].copy()
    for _ in range(30):
        sim.step()
    np.testing.assert_array_equal(first, sim.tables["people"]["place"])
