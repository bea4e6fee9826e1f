"""A small city of homes and people, enough for payments to run in it without the people domain."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from alatau_sim.domains.payments import DOMAIN
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.randomness import id_array
from alatau_sim.engine.rule import Mirror
from alatau_sim.engine.simulation import Simulation
from alatau_sim.fields import Column

PEOPLE_A_ZONE = 300
ZONES = 4


def fill(sim: Any, people_a_zone: Any) -> None:
    """Three zones of households of three (two adults), a hundred each unless told otherwise, and one outside."""
    sim.tables["zones"].insert(np.arange(ZONES) + 1, {"outside": np.arange(ZONES) == ZONES - 1})
    homes = np.repeat(np.arange(ZONES - 1), (people_a_zone or PEOPLE_A_ZONE) // 3)
    households = np.arange(len(homes))
    ids = id_array(7, households)
    income = 200_000 + (sim.uniform("income", ids, day=-1) * 600_000).astype(np.int64)
    sim.tables["households"].insert(ids, {"home": homes, "income_kzt": income, "balance_kzt": income})
    member = np.repeat(households, 3)
    people = id_array(8, np.arange(len(member)))
    sim.tables["residents"].insert(people, {
        "household": member, "home": homes[member], "age": np.tile([40, 38, 9], len(homes)),
        "digital_skill": sim.uniform("skill", people, day=-1).astype(np.float32),
    })  # fmt: skip


CITY = Domain(
    "stub",
    columns={
        "zones": (Column("outside", "bool"),),
        "households": (Column("home", "int32", index="zones"), Column("income_kzt", "int64"), Column("balance_kzt", "int64")),
        "residents": (
            Column("household", "int32", index="households"), Column("age", "int16"),
            Column("digital_skill", "float32"),
        ),
    },
    mirrors=(Mirror("residents", "home", "household", "home"),),
    fill=(fill,),
)  # fmt: skip


def simulation(
    days: int = 10, *, kernels: str = "compiled", start: dt.date = dt.date(2026, 1, 1), world: Any = None, weight: int = 1,
    people_a_zone: int = PEOPLE_A_ZONE, **policy: Any,
) -> Any:  # fmt: skip
    """A run of the small city, started and not yet stepped."""
    assert DOMAIN.policy is not None
    assert DOMAIN.world is not None
    sim = Simulation(
        (CITY, DOMAIN), start=start, end=start + dt.timedelta(days=days - 1), policy={"payments": DOMAIN.policy(**policy)},
        world={"payments": DOMAIN.world(**(world or {}))}, rule_params={}, seed=3, kernels=kernels,
        weight=weight,
    )  # fmt: skip
    sim.start(people_a_zone)
    return sim
