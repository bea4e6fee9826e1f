"""A small city for electricity to run in without the other domains: homes, people, firms, vehicles that charge, and a map."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from alatau_sim.domains.energy import DOMAIN, Policy, World
from alatau_sim.domains.energy.tables import LOADS
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.rule import settlement
from alatau_sim.engine.simulation import Simulation
from alatau_sim.fields import Column

CLIMATE = Path(__file__).parents[2] / "scenarios" / "alatau" / "climate.csv"
DAY_WORKER = 0b111111000000000001111111  # away from 7:00 to 18:00
SECTORS = {
    "energy_w_m2": [8.0, 25.0, 15.0], "standby_share": [0.2, 0.5, 0.1], "opens": [9, 0, 20], "closes": [18, 24, 4],
    "day_off_share": [0.5, 1.0, 0.0],
}  # fmt: skip
"""A shop, a plant and a night club."""

COLUMNS = {
    "zones": (Column("outside", "bool"),),
    "households": (
        Column("home", "int32", index="zones"), Column("size", "int32"), Column("income_kzt", "int64"),
        Column("balance_kzt", "int64"), Column("home_mask", "int32"),
    ),
    "residents": (Column("age", "int8"), Column("household", "int32", index="households")),
    "sectors": (
        Column("energy_w_m2", "float64"), Column("standby_share", "float64"), Column("opens", "int8"), Column("closes", "int8"),
        Column("day_off_share", "float64"),
    ),
    "firms": (
        Column("sector", "int32", index="sectors"), Column("site", "int32", index="zones"), Column("floor_m2", "int64"),
        Column("process_w", "int64"), Column("balance_kzt", "int64"),
    ),
}  # fmt: skip


def stub(homes: int, zones: int, firms: int, transit_wh: int) -> Domain:
    """Homes of 1 to 6 people, spread over the zones, some with nobody there by day; firms likewise; vehicles charge from midnight to 5."""

    def fill(sim: Any, city: Any) -> None:
        sim.tables["zones"].insert(city.zone_ids, {"outside": city.zones.outside})
        ids = np.arange(5000, 5000 + homes)
        sim.tables["households"].insert(ids, {
            "home": np.arange(homes) % (zones - 1), "size": 1 + ids % 6, "income_kzt": 200_000 + 1000 * (ids % 300),
            "home_mask": np.where(ids % 3 == 0, DAY_WORKER, (1 << 24) - 1),
        })  # fmt: skip
        sim.tables["sectors"].insert(np.arange(3), SECTORS)
        number = np.arange(firms)
        sim.tables["firms"].insert(7000 + number, {
            "sector": number % 3, "site": number % (zones - 1), "floor_m2": 40 + 13 * (number % 17), "process_w": 900 * (number % 5 == 1),
        })  # fmt: skip
        for account in ("households", "firms"):
            sim.ledger.watch("tenge", account, account, "balance_kzt")

    @settlement(phase="tally", writes=("grid:load_transit",))
    def charge(sim: Any) -> None:
        """Vehicles charge, also in the zone outside."""
        sim.grids["load_transit"][:, :5] += transit_wh

    @settlement(phase="events", writes=("city:day_off",))
    def read_calendar(sim: Any) -> None:
        """Whether it is a day off."""
        sim.city["day_off"] = float(sim.clock.kind_of_day)

    return Domain("stub", columns=COLUMNS, city={"day_off": ""}, settlements=(read_calendar, charge), fill=(fill,))


def city(tmp_path: Path, capacity_mw: tuple[float, ...] = (5.0, 5.0), zones: int = 5) -> Any:
    """Four zones in a row and one outside, and substations at the ends of the row."""
    file = tmp_path / "substations.csv"
    rows = [f"east-{n},{77.0 + 0.1 * n},43.4,{mw}" for n, mw in enumerate(capacity_mw)]
    file.write_text("substation,lon,lat,capacity_mw\n" + "\n".join(rows), encoding="utf-8")
    layout = SimpleNamespace(
        metric_crs="EPSG:32643", outside=np.arange(zones) == zones - 1,
        centroid_x_m=np.array([662_000.0, 663_000.0, 668_000.0, 670_000.0, 690_000.0][:zones]), centroid_y_m=np.full(zones, 4_807_000.0),
    )  # fmt: skip
    scenario = SimpleNamespace(city=SimpleNamespace(climate=CLIMATE, substations=file))
    return SimpleNamespace(scenario=scenario, zones=layout, zone_ids=np.arange(100, 100 + zones))


def simulate(
    tmp_path: Path, days: int = 10, *, homes: int = 200, firms: int = 0, transit_wh: int = 0, capacity_mw: tuple[float, ...] = (5.0, 5.0),
    start: dt.date = dt.date(2026, 1, 1), policy: Any = None, weight: int = 1, seed: int = 1, replicate: int = 0, outage: Any = None,
    check: Any = None, month: Any = None, kernels: str = "plain", zones: int = 5, spells: Any = (), holidays: Any = (), **world: Any,
) -> Any:  # fmt: skip
    """Run some days and give back the simulation; `check(sim)` is called as each day closes, `month(sim)` as each month does."""
    sim = Simulation(
        (stub(homes, zones, firms, transit_wh), DOMAIN), start=start, end=start + dt.timedelta(days - 1),
        policy={"energy": policy or Policy()}, world={"energy": World(**world)}, rule_params={}, seed=seed, replicate=replicate,
        kernels=kernels, weight=weight, holidays=holidays,
    )  # fmt: skip

    def nothing(sim: Any) -> None:
        pass

    sim.observers.append(SimpleNamespace(day_closed=check or nothing, month_closed=month or nothing, year_closed=nothing))
    sim.start(city(tmp_path, capacity_mw, zones))
    sim.state["energy"]["spells"].extend(spells)
    if outage:
        sim.add_outage("power", *outage)
    while not sim.finished:
        sim.step()
    return sim


def load(sim: Any) -> Any:
    """All that the city's zones want, by hour."""
    return sum(sim.grids[f"load_{use}"] for use in LOADS)
