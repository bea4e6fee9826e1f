"""A small world of its own for the engine's tests: people in places who adopt something, move and stay at home."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from math import exp

import numpy as np

from alatau_sim.engine.domain import Domain
from alatau_sim.engine.grids import Grid
from alatau_sim.engine.rule import Derived, Relation, choice, rule, settlement, tally, tally_span
from alatau_sim.engine.simulation import Simulation
from alatau_sim.fields import Column, Section, param

PLACES = 16
HALF = 0.5


class Policy(Section):
    push: float = param(0.1, within=(0, 1), unit="1", meaning="how hard the city pushes")


def logistic(x):
    return 1.0 / (1.0 + exp(-x))


@rule(of="people", writes=("state", "trust"), every="1 day")
def change(state, age, trust, place_share, friends_share, policy_push, u, u2, *, rate=param(0.02, within=(0, 1), meaning="daily hazard")):
    """Adopt, and trust a little more or less."""
    trust = min(1.0, max(0.0, trust + 0.1 * (u2 - HALF)))
    if state == 0 and age > 17 and u < rate * logistic(place_share + friends_share + policy_push - HALF):
        return 1, trust
    return state, trust


@tally(of="people", into="there", cell=("place",))
def stay(hour, age, city_temperature_c, u):
    """Be at home: at night, in the cold, and half of the people always."""
    return 1 if hour < 8 or u < HALF or city_temperature_c < 0.0 else 0


@tally_span(of="people", into="asleep", cell=("place",))
def sleep(age):
    """Sleep from ten to six; children longer."""
    return 22 if age > 12 else 20, 6, 1


@choice(of="people", over="places", writes="place", every="1 month", sample=PLACES)
def move(age, alternative_quality, *, weight=param(1.0, within=(0, 10), meaning="taste for quality")):
    """Prefer places of quality."""
    return weight * alternative_quality


def fill(sim, people):
    ids = np.asarray(people, np.int64)
    sim.tables["places"].insert(np.arange(PLACES) + 1, {"quality": np.linspace(0, 1, PLACES)})
    sim.tables["people"].insert(ids, {"age": ids % 90, "place": (ids % PLACES).astype(np.int32), "money": ids % 7})
    sim.ledger.watch("money", "people", "people", "money")


@settlement(phase="refresh", writes=("city:temperature_c",))
def weather(sim):
    sim.city["temperature_c"] = np.arange(24.0) - 10


@settlement(phase="account", reads=("people.state",), writes=("people.money", "account:people"))
def pay(sim):
    people = sim.tables["people"]
    due = np.minimum(people["money"], people["state"])
    people["money"][:] -= due
    sim.ledger.book("money", "people", "shop", int(due.sum()))


TOY = Domain(
    "toy",
    policy=Policy,
    columns={
        "people": (
            Column("age", "int16", within=(0, 120)),
            Column("state", "int8", within=(0, 3)),
            Column("trust", "float32", default=0.5, within=(0, 1)),
            Column("money", "int64"),
            Column("place", "int32", index="places"),
        ),
        "places": (Column("quality", "float64"),),
    },
    derived=(
        Derived("places", "share", "people", "place", "share", "state", equals=1),
        Derived("places", "mean_trust", "people", "place", "mean", "trust"),
        Derived("people", "friends_share", "people", "friends", "share", "state", equals=1),
    ),
    relations=(Relation("friends", "people", "place", 3),),
    grids=(Grid("there", ("places", "hour"), "people", "at home"), Grid("asleep", ("places", "hour"), "people", "asleep")),
    city={"temperature_c": "°C"},
    rules=(change, move, stay, sleep),
    settlements=(weather, pay),
    fill=(fill,),
)
STILL = replace(TOY, rules=(change, stay, sleep))  # nobody moves


def simulate(people, days=40, domain=TOY, kernels="compiled", threads=1, end=dt.date(2026, 12, 31), seed=3, push=0.1, events=(), **params):
    sim = Simulation(
        [domain], start=dt.date(2026, 1, 20), end=end, policy={"toy": Policy(push=push)}, world={}, rule_params=params, seed=seed,
        kernels=kernels, threads=threads, events=events,
    )  # fmt: skip
    sim.start(people)
    for _ in range(days):
        sim.step()
    return sim


def columns(sim, table="people"):
    """All columns of a table by id."""
    t = sim.tables[table]
    order = np.argsort(t.id)
    return {"id": t.id[order], **{name: t[name][order] for name in t.columns}}


def assert_same(a, b, only=None):
    for name in a:
        mask = slice(None) if only is None else only
        np.testing.assert_array_equal(a[name][mask], b[name][mask], err_msg=name)
