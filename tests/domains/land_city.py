"""A small city of zones and households, enough for land to run in it without people, firms, electricity and travel."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import numpy as np

from alatau_sim.city.words import LAND_USES
from alatau_sim.city.zones import ZONE_COLUMNS
from alatau_sim.domains.land import DOMAIN
from alatau_sim.domains.land.params import Programme
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.randomness import id_array, stream_word
from alatau_sim.engine.rule import settlement
from alatau_sim.engine.simulation import Simulation
from alatau_sim.fields import Column

FIRST = dt.date(2026, 1, 1)
ROWS = (
    # zone, land use, floor-area ratio, area m2, dwellings, planned, jobs, outside
    ("old", "residential", 0.5, 200_000, 400, 900, 50, False),
    ("new", "residential", 0.5, 200_000, 0, 500, 0, False),
    ("mixed", "mixed", 1.0, 60_000, 200, 350, 300, False),
    ("plant", "industry", 0.4, 100_000, 0, 0, 200, False),
    ("away", "mixed", 0.0, 100_000, 0, 0, 0, True),
)
"""Five zones: a village, land for a quarter, a mixed quarter, industry, and a place outside."""
STAY = {"consider_moving": {"renter_rate": 0.0, "owner_rate": 0.0}}
"""Rule parameters with which nobody moves within the city."""


def zones_of(rows: Any) -> Any:
    """A zone table of bare arrays."""
    columns = {column.name: np.zeros(len(rows), column.dtype) for column in ZONE_COLUMNS}
    names, uses, ratio, area, homes, planned, jobs, outside = zip(*rows, strict=True)
    columns |= {
        "land_use": np.array([LAND_USES.index(use) for use in uses], np.int8), "floor_area_ratio": np.array(ratio),
        "coverage": np.array(ratio) / 2, "area_m2": np.array(area), "dwellings_existing": np.array(homes),
        "dwellings_planned": np.array(planned), "jobs_existing": np.array(jobs), "outside": np.array(outside),
        "centroid_x_m": np.arange(len(rows)) * 1000.0,
    }  # fmt: skip
    ids = np.array([stream_word(name) >> 1 for name in names], np.int64)
    return SimpleNamespace(**columns, zone=names, ids=ids, columns=lambda: columns)


def fill(sim: Any, city: Any) -> None:
    """Zones as given, and a household for so many of their homes; in a sample one in `weight` of them."""
    zones = sim.tables["zones"]
    zones.insert(city.zones.ids, {**city.zones.columns(), "job_access": 1.0})
    sim.names["zones"] = city.zones.zone
    lived_in = np.rint(zones["dwellings_existing"] * city.occupied_share).astype(np.int64)
    home = np.repeat(np.arange(zones.n), lived_in)
    number = np.arange(len(home)) - np.repeat(np.cumsum(lived_in) - lived_in, lived_in)
    ids = id_array(11, zones.id[home], number)
    kept = sim.in_sample(ids)
    zones["beyond_sample"][:] = lived_in - np.bincount(home[kept], minlength=zones.n) * sim.weight
    income = 200_000 + (sim.uniform("income", ids[kept], day=-1) * 600_000).astype(np.int64)
    sim.tables["households"].insert(
        ids[kept], {"home": home[kept], "size": 3, "income_kzt": income, "balance_kzt": income * city.savings_months}
    )


def watch_money(sim: Any) -> None:
    """Let the ledger compare the households' account with their balances."""
    sim.ledger.watch("tenge", "households", "households", "balance_kzt")


@settlement(phase="life", every="1 month", reads=("seekers.wanted",), writes=("seekers",))
def come_forward(sim: Any) -> None:
    """Let ten households look for a home each month; where they settle is not this city's question."""
    seekers = sim.tables["seekers"]
    sim.state["stub"].setdefault("wanted", []).append(seekers["wanted"].copy())
    seekers.remove(np.arange(seekers.n))
    seekers.insert(id_array(12, sim.clock.month_index, np.arange(10)), {"wanted": -1})


CITY = Domain(
    "stub",
    columns={
        "zones": (
            *ZONE_COLUMNS, Column("beyond_sample", "int64"), Column("job_access", "float64", default=1.0),
            Column("outage_share", "float64"),
        ),
        "households": (
            Column("home", "int32", index="zones"), Column("size", "int8"), Column("income_kzt", "int64"), Column("balance_kzt", "int64"),
        ),
        "residents": (Column("household", "int32", index="households"), Column("spend_today_kzt", "int64")),
        "seekers": (Column("wanted", "int32", index="zones"),),
    },
    settlements=(come_forward,),
    fill=(fill,),
    start=(watch_money,),
)  # fmt: skip


def entry(zone: str, *, use: str = "homes", dwellings: int = 0, floor_m2: int = 0, after: int = 0, name: str = "") -> Programme:
    """An entry of the building programme, announced so many days after the run's first."""
    announced = FIRST + dt.timedelta(days=after)
    return Programme(name=name, zone=zone, use=use, dwellings=dwellings, floor_m2=floor_m2, announced=announced)


def start(
    days: int = 31, *, programme: Any = (), rows: Any = ROWS, occupied_share: float = 0.95, savings_months: int = 1, world: Any = None,
    first: dt.date = FIRST, extra: Any = (), events: Any = (), rules: Any = None, kernels: str = "plain", seed: int = 3, replicate: int = 0,
    weight: int = 1, market: bool = True, population: int = 0, **policy: Any,
) -> Any:  # fmt: skip
    """A run of the small city, started and not yet stepped; `extra` are more domains, `events` as the simulation takes them.

    Without `market` developers start nothing by themselves, and have not before the run.
    """
    world = {**(world or {}), **({} if market else {"adjustment_speed": 0.0})}
    assert DOMAIN.policy is not None
    assert DOMAIN.world is not None
    params = {rule.name: {name: p.default for name, p in rule.params.items()} for rule in DOMAIN.rules}
    for name, values in (rules or {}).items():
        params[name] |= values
    sim = Simulation(
        (CITY, DOMAIN, *extra), start=first, end=first + dt.timedelta(days=days - 1), policy={"land": DOMAIN.policy(**policy)},
        world={"land": DOMAIN.world(**world)}, rule_params=params, seed=seed, replicate=replicate, kernels=kernels,
        weight=weight, events=events, population=population,
    )  # fmt: skip
    scenario = SimpleNamespace(records={"programme": tuple(programme)})
    sim.start(SimpleNamespace(zones=zones_of(rows), scenario=scenario, occupied_share=occupied_share, savings_months=savings_months))
    return sim


def run(sim: Any, each_day: Any = None) -> Any:
    """Run to the end; `each_day(sim)` is called when each day has closed."""
    if each_day is not None:
        sim.observers.append(SimpleNamespace(day_closed=each_day, month_closed=lambda _: None, year_closed=lambda _: None))
    while not sim.finished:
        sim.step()
    return sim
