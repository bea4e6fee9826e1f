"""Electricity: weather, the load of homes, firms and transit by hour, substations that may fail or be too small, bills."""

from __future__ import annotations

from alatau_sim.domains.energy.bills.settle import BILLS, watch_arrears
from alatau_sim.domains.energy.indicators import KPIS, TABLES
from alatau_sim.domains.energy.params import Policy, World
from alatau_sim.domains.energy.process import start_substations
from alatau_sim.domains.energy.rules import RULES
from alatau_sim.domains.energy.settle import SETTLEMENTS
from alatau_sim.domains.energy.tables import CITY, COLUMNS, GRIDS, fill
from alatau_sim.engine.domain import Domain

DOMAIN = Domain(
    name="energy",
    policy=Policy,
    world=World,
    columns=COLUMNS,
    grids=GRIDS,
    city=CITY,
    rules=RULES,
    settlements=(*SETTLEMENTS, *BILLS),
    fill=(fill,),
    start=(start_substations, watch_arrears),
    tables=TABLES,
    kpis=KPIS,
    systems={"power": "substations"},
)
