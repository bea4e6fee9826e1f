"""Getting around: where people go, how they choose to, lines whose vehicles run in event time, traffic, fares, and access to jobs."""

from __future__ import annotations

from alatau_sim.domains.mobility.commuters.settle import add_commuters, count_commuters
from alatau_sim.domains.mobility.fares.settle import pay_fares
from alatau_sim.domains.mobility.indicators import KPIS, TABLES
from alatau_sim.domains.mobility.params import LineRecord, Policy, World
from alatau_sim.domains.mobility.process import rehearse, start_service
from alatau_sim.domains.mobility.rules import RULES
from alatau_sim.domains.mobility.service.settle import charge_buses, check_transit, close_service
from alatau_sim.domains.mobility.settle import find_trips, give_cars, measure_access, plan_service, set_out, update_traffic
from alatau_sim.domains.mobility.tables import CITY, COLUMNS, DERIVED, GRIDS, check_fleets, check_lines, fill
from alatau_sim.engine.domain import Domain

DOMAIN = Domain(
    name="mobility",
    policy=Policy,
    world=World,
    columns=COLUMNS,
    derived=DERIVED,
    grids=GRIDS,
    city=CITY,
    rules=RULES,
    settlements=(
        plan_service, update_traffic, give_cars, find_trips, count_commuters, measure_access, set_out, add_commuters, rehearse,
        charge_buses, close_service, pay_fares, check_transit,
    ),  # fmt: skip
    fill=(fill,),
    start=(start_service,),
    tables=TABLES,
    kpis=KPIS,
    records={"lines": LineRecord},
    checks=(check_lines, check_fleets),
)
