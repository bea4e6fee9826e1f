"""A small city along a road, with people who have work and school, enough for mobility to run in it without the other domains.

Two rows of zones, `a0` to `a9` in the south and `b0` to `b9` in the north, 1.5 km square each, and a place outside, `far`, 20 km east.
"""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import numpy as np
import shapely

from alatau_sim.domains.mobility import DOMAIN
from alatau_sim.domains.mobility.params import LineRecord
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.grids import Grid
from alatau_sim.engine.randomness import id_array
from alatau_sim.engine.rule import Mirror, rule, settlement
from alatau_sim.engine.simulation import Simulation
from alatau_sim.errors import did_you_mean
from alatau_sim.fields import Column

COLUMNS_OF_ZONES, SIDE_M = 10, 1500.0
CORNER = (660_000.0, 4_820_000.0)
START = dt.date(2026, 3, 2)  # a Monday; the next day off is Saturday the 7th
EMPLOYED, STUDENT, INACTIVE = 2, 1, 5


class Map:
    """What mobility needs of a zone table."""

    def __init__(self) -> None:
        boxes = [shapely.box(*self._corner(i, j), *self._corner(i + 1, j + 1)) for j in (0, 1) for i in range(COLUMNS_OF_ZONES)]
        far = shapely.box(CORNER[0] + 35_000, CORNER[1], CORNER[0] + 40_000, CORNER[1] + 5_000)
        self.geometry_m = np.array([*boxes, far], dtype=object)
        self.zone = (*(f"{row}{i}" for row in "ab" for i in range(COLUMNS_OF_ZONES)), "far")
        self.name, self.metric_crs, self.file = self.zone, "EPSG:32643", "map.geojson"
        self.ids = np.arange(len(self.zone), dtype=np.int64) + 1
        self.outside = np.arange(len(self.zone)) == len(self.zone) - 1
        self.area_m2 = np.rint(shapely.area(self.geometry_m)).astype(np.int64)
        middle = shapely.centroid(self.geometry_m)
        self.centroid_x_m, self.centroid_y_m = shapely.get_x(middle), shapely.get_y(middle)

    @staticmethod
    def _corner(i: int, j: int) -> tuple[float, float]:
        return CORNER[0] + i * SIDE_M, CORNER[1] + j * SIDE_M

    def __len__(self) -> int:
        return len(self.zone)

    def rows_of(self, zones: Any) -> np.ndarray:
        unknown = [zone for zone in zones if zone not in self.zone]
        assert not unknown, did_you_mean(unknown[0], self.zone)
        return np.array([self.zone.index(zone) for zone in zones], np.int64)


MAP = Map()


def line(name: str, stops: str, **more: Any) -> LineRecord:
    """A line along zones given with spaces between; every quarter of an hour with plenty of vehicles unless told otherwise."""
    given = {"headway_peak_min": 15.0, "headway_min": 15.0, "headway_day_off_min": 15.0, "vehicles": 12, "capacity": 80}
    return LineRecord(line=name, stops=tuple(stops.split()), **{**given, **more})


SOUTH = " ".join(f"a{i}" for i in range(10))
NORTH = " ".join(f"b{i}" for i in range(10))


def scenario(lines: Any, *, transit_days: str = "typical", gtfs: Any = None, policy: Any = None, world: Any = None, **dates: Any) -> Any:
    """A scenario as mobility sees it."""
    files = SimpleNamespace(gtfs=gtfs, gtfs_workday=dates.get("gtfs_workday"), gtfs_day_off=dates.get("gtfs_day_off"))
    assert DOMAIN.policy is not None
    assert DOMAIN.world is not None
    return SimpleNamespace(
        name="stub", path="stub.yaml", city=files, run=SimpleNamespace(transit_days=transit_days, start=START, end=dt.date(2026, 12, 31)),
        records={"lines": tuple(lines)}, place=lambda key, number: ("stub.yaml", 10 + number),
        policy=SimpleNamespace(mobility=DOMAIN.policy(**(policy or {}))), world=SimpleNamespace(mobility=DOMAIN.world(**(world or {}))),
    )  # fmt: skip


def city(lines: Any = (), **more: Any) -> Any:
    """A scenario and its map, as checks and fill functions get them."""
    return SimpleNamespace(scenario=scenario(lines, **more), zones=MAP, people=more.get("people", 60))


def fill(sim: Any, town: Any) -> None:
    """Households of three in every zone: one works two to eight zones away in the other row or outside, one is at school, one at home."""
    n = len(MAP)
    sim.tables["zones"].insert(MAP.ids, {
        "outside": MAP.outside, "jobs": np.where(np.arange(n) % 3 == 0, 300, 50), "school": np.arange(n) // 2 * 2, "area_m2": MAP.area_m2,
    })  # fmt: skip
    homes = np.repeat(np.flatnonzero(~MAP.outside), getattr(town, "people", 60) // 3)
    ids = id_array(7, np.arange(len(homes)))
    kept = sim.in_sample(ids)
    homes, ids = homes[kept], ids[kept]
    income = 200_000 + (sim.starting_uniform("income", ids) * 600_000).astype(np.int64)
    sim.tables["households"].insert(ids, {"home": homes, "size": 3, "income_kzt": income, "balance_kzt": income})
    member = np.repeat(np.arange(len(homes)), 3)
    people = id_array(8, ids[member], np.tile(np.arange(3), len(homes)))
    u = sim.starting_uniform("work", people)
    work = (u * (n - 1)).astype(np.int64)
    work[u > 0.97] = n - 1
    kind = np.tile([EMPLOYED, STUDENT, INACTIVE], len(homes))
    sim.tables["residents"].insert(people, {
        "household": member, "home": homes[member], "status": kind, "age": np.tile([40, 15, 38], len(homes)), "employed": kind == EMPLOYED,
        "work": np.where(kind == EMPLOYED, work, -1), "shop": homes[member],
    })  # fmt: skip
    sim.tables["firms"].insert(np.arange(3) + 1, {"commuters": [6, 40, 0], "commuters_from": n - 1, "site": [4, 12, 3]})


@settlement(phase="events", writes=("city:day_off",))
def read_day(sim: Any) -> None:
    """Whether it is a day off."""
    sim.city["day_off"] = float(sim.clock.kind_of_day)


@rule(of="residents", writes=("out_from", "out_to"), every="1 day", phase="life")
def plan_day(status: int, city_day_off: float, u: float, u2: float) -> tuple[int, int]:
    """Out for work from seven to nine for nine hours, for school from eight for six, else for two hours."""
    if status == 2 and city_day_off == 0.0:
        return 7 + int(3.0 * u), 16 + int(3.0 * u)
    if status == 1 and city_day_off == 0.0:
        return 8, 14
    start = 10 + int(8.0 * u)
    return (start, start + 2) if u2 < 0.7 else (0, 0)


def _columns() -> dict[str, tuple[Column, ...]]:
    index = {"dtype": "int32"}
    return {
        "zones": (Column("outside", "bool"), Column("jobs", "int64"), Column("school", index="zones", **index), Column("area_m2", "int64")),
        "households": (
            Column("home", index="zones", **index), Column("size", "int64"), Column("income_kzt", "int64"), Column("balance_kzt", "int64"),
        ),
        "residents": (
            Column("household", index="households", **index), Column("status", "int8"), Column("age", "int16"), Column("employed", "bool"),
            Column("work", index="zones", **index), Column("shop", index="zones", **index), Column("out_from", "int8"),
            Column("out_to", "int8"),
        ),
        "firms": (
            Column("commuters", "int32"), Column("commuters_from", index="zones", **index), Column("site", index="zones", **index),
        ),
    }  # fmt: skip


def watch(sim: Any) -> None:
    """Let the ledger compare the households' account with their balances every day."""
    sim.ledger.watch("tenge", "households", "households", "balance_kzt")


CITY = Domain(
    "stub", columns=_columns(), mirrors=(Mirror("residents", "home", "household", "home"),), rules=(plan_day,), settlements=(read_day,),
    grids=tuple(Grid(f"load_{name}", ("zones", "hour"), "Wh", name) for name in ("transit", "wanted", "unserved")),
    city={"day_off": "1"}, fill=(fill,), start=(watch,),
)  # fmt: skip


def simulation(
    lines: Any = (), days: int = 5, *, kernels: str = "compiled", start: dt.date = START, world: Any = None, weight: int = 1,
    people: int = 60, transit_days: str = "typical", events: Any = (), replicate: int = 0, gtfs: Any = None, **policy: Any,
) -> Any:  # fmt: skip
    """A run of the small city, started and not yet stepped; `people` live in each zone."""
    town = city(lines, transit_days=transit_days, policy=policy, world=world, gtfs=gtfs)
    town.people = people
    sim = Simulation(
        (CITY, DOMAIN), start=start, end=start + dt.timedelta(days=days - 1), policy={"mobility": town.scenario.policy.mobility},
        world={"mobility": town.scenario.world.mobility}, rule_params={}, seed=3, kernels=kernels, weight=weight, events=events,
        replicate=replicate,
    )  # fmt: skip
    sim.start(town)
    return sim
