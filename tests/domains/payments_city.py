"""A small city of homes, people, shops and their network, enough for payments to run in it without the other domains."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from alatau_sim.domains.payments import DOMAIN
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.grids import Grid
from alatau_sim.engine.randomness import id_array
from alatau_sim.engine.rule import Mirror, settlement
from alatau_sim.engine.simulation import Simulation
from alatau_sim.fields import Column

PEOPLE_A_ZONE = 300
ZONES = 4
SHOPS_A_ZONE = 60
LOAD_WH = 1000


def fill(sim: Any, people_a_zone: Any) -> None:
    """Three zones of households of three (two adults), a hundred each unless told otherwise, and one outside.

    Four of five households shop in their own zone, the others in the next. Of three firms two are shops, one in ten larger.
    """
    sim.tables["zones"].insert(np.arange(ZONES) + 1, {"outside": np.arange(ZONES) == ZONES - 1})
    homes = np.repeat(np.arange(ZONES - 1), (people_a_zone or PEOPLE_A_ZONE) // 3)
    households = np.arange(len(homes))
    ids = id_array(7, households)
    income = 200_000 + (sim.uniform("income", ids, day=-1) * 600_000).astype(np.int64)
    shop = np.where(households % 5 == 0, (homes + 1) % (ZONES - 1), homes)
    sim.tables["households"].insert(ids, {"home": homes, "shop": shop, "income_kzt": income, "balance_kzt": income})
    member = np.repeat(households, 3)
    people = id_array(8, np.arange(len(member)))
    sim.tables["residents"].insert(people, {
        "household": member, "home": homes[member], "shop": shop[member], "age": np.tile([40, 38, 9], len(homes)),
        "digital_skill": sim.uniform("skill", people, day=-1).astype(np.float32),
    })  # fmt: skip
    sim.tables["sectors"].insert(np.arange(2), {"sells_to_people": [True, False]})
    firms = np.arange(SHOPS_A_ZONE * 3 // 2 * (ZONES - 1))
    sim.tables["firms"].insert(id_array(9, firms), {
        "sector": (firms % 3 == 2).astype(np.int32), "site": firms % (ZONES - 1), "staff": 1 + firms % 7 + 20 * (firms % 10 == 0),
        "stands_for": sim.weight,
    })  # fmt: skip
    sim.ledger.watch("tenge", "firms", "firms", "balance_kzt")


@settlement(phase="tally", writes=("grid:load_wanted", "grid:load_unserved"))
def light_up(sim: Any) -> None:
    """Every zone of the city wants the same in every hour; what is not served is what a test has put into `state`."""
    sim.grids["load_wanted"][: ZONES - 1] = LOAD_WH
    sim.grids["load_unserved"] += sim.state["stub"].get("unserved", 0)


@settlement(
    phase="account", every="1 month", reads=("households.income_kzt",),
    writes=("+households.balance_kzt", "account:households", "account:rest_of_world"),
)  # fmt: skip
def pay_incomes(sim: Any) -> None:
    """Households get their income as the month ends; the tills are left to fill."""
    income = sim.tables["households"]["income_kzt"]
    sim.tables["households"]["balance_kzt"][:] += income
    sim.ledger.book("tenge", "rest_of_world", "households", int(income.sum()))


CITY = Domain(
    "stub",
    columns={
        "zones": (Column("outside", "bool"),),
        "households": (
            Column("home", "int32", index="zones"), Column("shop", "int32", index="zones"), Column("income_kzt", "int64"),
            Column("balance_kzt", "int64"),
        ),
        "residents": (
            Column("household", "int32", index="households"), Column("age", "int16"),
            Column("digital_skill", "float32"),
        ),
        "sectors": (Column("sells_to_people", "bool"),),
        "firms": (
            Column("sector", "int32", index="sectors"), Column("site", "int32", index="zones"), Column("staff", "int32"),
            Column("commuters", "int32"), Column("stands_for", "int32"), Column("balance_kzt", "int64"),
        ),
    },
    grids=(Grid("load_wanted", ("zones", "hour"), "Wh", "wanted"), Grid("load_unserved", ("zones", "hour"), "Wh", "not served")),
    mirrors=(Mirror("residents", "home", "household", "home"), Mirror("residents", "shop", "household", "shop")),
    settlements=(light_up, pay_incomes),
    fill=(fill,),
)  # fmt: skip


def simulation(
    days: int = 10, *, kernels: str = "compiled", start: dt.date = dt.date(2026, 1, 1), world: Any = None, weight: int = 1,
    people_a_zone: int = PEOPLE_A_ZONE, rules: Any = None, seed: int = 3, **policy: Any,
) -> Any:  # fmt: skip
    """A run of the small city, started and not yet stepped. `rules` holds parameters of rules that differ from the declared ones."""
    assert DOMAIN.policy is not None
    assert DOMAIN.world is not None
    sim = Simulation(
        (CITY, DOMAIN), start=start, end=start + dt.timedelta(days=days - 1), policy={"payments": DOMAIN.policy(**policy)},
        world={"payments": DOMAIN.world(**(world or {}))}, rule_params={}, seed=seed, kernels=kernels, weight=weight,
    )  # fmt: skip
    for name, values in (rules or {}).items():
        sim.rule_params[name].update(values)
    sim.start(people_a_zone)
    return sim
