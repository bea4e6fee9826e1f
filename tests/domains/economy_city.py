"""A small city of homes and people, enough for the economy to run in it without the other domains."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mesa
import numpy as np

from alatau_sim.domains.economy import DOMAIN
from alatau_sim.domains.economy.tables import EMPLOYED, RETIRED, UNEMPLOYED
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.randomness import id_array
from alatau_sim.engine.rule import Derived, Mirror, settlement
from alatau_sim.engine.simulation import Simulation
from alatau_sim.fields import Column, Section, param

HEADER = (
    "sector,jobs_share,wage_level,floor_m2_per_job,power_w_m2,standby_share,opens_h,closes_h,day_off_share,degree_share,mean_size,"
    "purchase_share,public,revenue_per_job_kzt,land_uses,confidence,source,note"
)  # fmt: skip
SECTORS = (
    "industry,0.25,1.1,60,30,0.3,8,18,0.2,0.2,12,0,0,2500000,industry;logistics,assumed,test,",
    "trade,0.35,0.8,30,20,0.2,9,21,1,0.15,4,0.8,0,3000000,residential;mixed;business,assumed,test,",
    "services,0.2,1.2,20,15,0.2,9,18,0,0.5,5,0.2,0,1800000,mixed;business,assumed,test,",
    "education,0.2,0.9,15,10,0.1,8,17,0,0.7,20,0,1,0,residential;mixed;education,assumed,test,",
)
USES = (0, 1, 3, 2, 0)
"""Land uses of the five zones: residential, mixed, industry, business, residential; the last two rows of the table are outside."""
JOBS = (120, 300, 400, 200, 60)
HOMES = (300, 200, 0, 50, 150)
CENTRES_KM = ((0, 0), (3, 1), (6, 0), (4, 4), (1, 6), (30, 0), (0, 45))
OUTSIDE_JOBS = (900_000, 30_000)
HOUSEHOLD = 3


class People(Section):
    """What the people domain's world has and the economy reads."""

    pension_kzt: int = param(130_000, within=(0, 10**7), unit="KZT/month", meaning="pension")


class Payments(Section):
    """What the payments domain's world has and the economy reads."""

    spend_share: float = param(0.5, within=(0, 1), unit="share", meaning="share of income spent in shops")


def write_sectors(folder: Path, rows: tuple[str, ...] = SECTORS, header: str = HEADER) -> Path:
    """A file of sectors."""
    path = folder / "sectors.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def fill_people(sim: Any, city: Any) -> None:
    """Zones, and households of three: two of working age (of whom most work) and one retired, when `homes` says so."""
    zones, scale = sim.tables["zones"], city.scale
    inside, n = len(USES), len(USES) + (len(OUTSIDE_JOBS) if city.outside else 0)
    out = np.arange(n) >= inside
    jobs = np.append(np.array(city.jobs) * scale, OUTSIDE_JOBS)[:n]
    x, y = np.array(CENTRES_KM, float).T[:, :n] * 1000
    zones.insert(np.arange(n) * 7919 + 5, {
        "land_use": np.append(USES, [1, 1])[:n], "outside": out, "jobs_existing": jobs, "centroid_x_m": x, "centroid_y_m": y,
        "dwellings_existing": np.append(np.array(HOMES) * scale, [0, 0])[:n],
        "workspace_m2": np.where(out, 0, (jobs * 40 * city.room).astype(np.int64)),
    })  # fmt: skip
    home = np.repeat(np.arange(inside), np.array(HOMES) * scale)
    ids = id_array(7, np.arange(len(home)))
    kept = sim.in_sample(ids)
    home, ids = home[kept], ids[kept]
    sim.tables["households"].insert(ids, {"home": home, "balance_kzt": 10**6})
    member = np.repeat(np.arange(len(home)), HOUSEHOLD)
    place = np.tile(np.arange(HOUSEHOLD), len(home))
    people = id_array(ids[member], place)
    u = sim.starting_uniform("status", people)
    status = np.where(place == 2, RETIRED, np.where(u < 0.046, UNEMPLOYED, EMPLOYED))
    sim.tables["residents"].insert(people, {
        "household": member, "home": home[member], "status": status, "employed": status == EMPLOYED,
        "education": np.where(sim.starting_uniform("education", people) < city.degrees, 2, 1),
        "wage_kzt": (200_000 + 450_000 * sim.starting_uniform("wage", people)).astype(np.int64),
    })  # fmt: skip


@settlement(
    phase="account", reads=("households.income_kzt",),
    writes=("+households.balance_kzt", "+zones.till_kzt", "+zones.till_crypto_kzt", "account:households", "account:tills"),
)  # fmt: skip
def shop(sim: Any) -> None:
    """Every day each household spends a 60th of its income where it shops, a tenth of that in crypto."""
    households, zones = sim.tables["households"], sim.tables["zones"]
    spent = np.where(households["shop"] >= 0, np.clip(households["income_kzt"] // 60, 0, np.maximum(households["balance_kzt"], 0)), 0)
    households["balance_kzt"][:] -= spent
    there = households["shop"] >= 0
    taken = np.bincount(households["shop"][there], weights=spent[there], minlength=zones.n).astype(np.int64)
    zones["till_kzt"][:] += taken
    zones["till_crypto_kzt"][:] += taken // 10
    sim.ledger.book("tenge", "households", "tills", int(taken.sum()))


@settlement(phase="events", reads=("works.stage",), writes=("works.done_day", "works.stage", "zones.workspace_m2"))
def build(sim: Any) -> None:
    """A site's permit and building take the days of its row, else 60 and 120, from the announcement; then its floor space is there."""
    works, day = sim.tables["works"], sim.clock.day
    permit = np.where(works["permit_days"] < 0, 60, works["permit_days"])
    ready = works["announced_day"] + permit + np.where(works["building_days"] < 0, 120, works["building_days"])
    stage = np.where(day >= ready, 4, np.where(day >= works["announced_day"] + permit, 3, 1))
    works["stage"][:] = stage
    done = np.flatnonzero((stage == 4) & (works["done_day"] < 0))
    works["done_day"][done] = day
    np.add.at(sim.tables["zones"]["workspace_m2"], works["zone"][done], works["floor_m2"][done])


@settlement(
    phase="account", every="1 month", reads=("firms.jobs",), writes=("firms.energy_bill_kzt", "+firms.balance_kzt", "account:firms")
)  # fmt: skip
def bill(sim: Any) -> None:
    """As a month ends, firms pay for electricity: `state` says how much a position."""
    firms = sim.tables["firms"]
    firms["energy_bill_kzt"][:] = firms["jobs"] * sim.state["power"].get("bill_kzt", 0)
    firms["balance_kzt"][:] -= firms["energy_bill_kzt"]
    sim.ledger.book("tenge", "firms", "utility", int(firms["energy_bill_kzt"].sum()))


def watch(sim: Any) -> None:
    """The books of households and tills."""
    sim.city["sample_weight"] = float(sim.weight)
    sim.ledger.watch("tenge", "households", "households", "balance_kzt")
    sim.ledger.watch("tenge", "tills", "zones", "till_kzt")


PEOPLE = Domain(
    "people",
    world=People,
    columns={
        "zones": (
            Column("land_use", "int8"), Column("outside", "bool"), Column("jobs_existing", "int64"), Column("dwellings_existing", "int64"),
            Column("residents_existing", "int64"),
            Column("centroid_x_m", "float64"), Column("centroid_y_m", "float64"), Column("workspace_m2", "int64"),
            Column("workspace_free_m2", "int64"), Column("till_kzt", "int64"), Column("till_crypto_kzt", "int64"),
            Column("outage_share", "float64"),
        ),
        "households": (Column("home", "int32", index="zones"), Column("balance_kzt", "int64")),
        "residents": (
            Column("household", "int32", index="households"), Column("education", "int8"), Column("status", "int8", within=(0, 5)),
            Column("employed", "bool"), Column("wage_kzt", "int64"), Column("income_kzt", "int64"),
        ),
        "firms": (Column("accepts_crypto", "bool"), Column("energy_bill_kzt", "int64")),
        "works": (
            Column("zone", "int32", index="zones"), Column("use", "int8"), Column("floor_m2", "int64"), Column("owner", "int64"),
            Column("stage", "int8"), Column("announced_day", "int32"), Column("done_day", "int32", default=-1),
            Column("permit_days", "int32", default=-1), Column("building_days", "int32", default=-1),
        ),
    },
    mirrors=(Mirror("residents", "home", "household", "home"),),
    derived=(Derived("households", "income_kzt", "residents", "household", "sum", "income_kzt"),),
    settlements=(build, shop),
    fill=(fill_people,),
    start=(watch,),
    city={"sample_weight": ""},
)  # fmt: skip
POWER = Domain("power", settlements=(bill,))
SPENDING = Domain("payments", world=Payments)


def simulation(
    folder: Path, days: int = 40, *, kernels: str = "compiled", start: dt.date = dt.date(2026, 1, 1), world: Any = None, weight: int = 1,
    scale: int = 1, rows: tuple[str, ...] = SECTORS, projects: tuple[Any, ...] = (), seed: int = 3, replicate: int = 0, room: float = 1.6,
    jobs: tuple[int, ...] = JOBS, outside: bool = True, degrees: float = 0.35, params: Any = None, extra: tuple[Domain, ...] = (),
    threads: int = 1, **policy: Any,
) -> Any:  # fmt: skip
    """A run of the small city, started and not yet stepped; `scale` multiplies its homes and jobs, `room` its floor space."""
    assert DOMAIN.policy is not None
    assert DOMAIN.world is not None
    n = len(USES) + (len(OUTSIDE_JOBS) if outside else 0)
    scenario = SimpleNamespace(city=SimpleNamespace(sectors=write_sectors(folder, rows), residents=1), records={"projects": projects})
    zones = SimpleNamespace(zone=tuple(f"zone-{k}" for k in range(n)))
    city = SimpleNamespace(
        scale=scale, jobs=jobs, room=room, outside=outside, degrees=degrees, zones=zones, scenario=scenario
    )  # fmt: skip
    sim = Simulation(
        (PEOPLE, SPENDING, *extra, DOMAIN, POWER), start=start, end=start + dt.timedelta(days=days - 1),
        policy={"economy": DOMAIN.policy(**policy)},
        world={"people": People(), "payments": Payments(), "economy": DOMAIN.world(**(world or {}))}, rule_params=params or {}, seed=seed,
        replicate=replicate, kernels=kernels, weight=weight, threads=threads, model=mesa.Model(rng=seed) if projects else None,
    )  # fmt: skip
    sim.start(city)
    return sim


def with_params(rule: Any, **changes: Any) -> dict[str, dict[str, Any]]:
    """The parameters of a rule with some changed."""
    return {rule.name: {name: changes.get(name, declared.default) for name, declared in rule.params.items()}}


def run(sim: Any) -> Any:
    """The simulation at the end of its last day."""
    while not sim.finished:
        sim.step()
    return sim
