"""Land: zoning's capacity, building sites, homes and workspace that stand, vacancies and rents, and where households live."""

from __future__ import annotations

from alatau_sim.domains.land.indicators import KPIS, TABLES
from alatau_sim.domains.land.params import Policy, Programme, World
from alatau_sim.domains.land.rules import RULES
from alatau_sim.domains.land.settle import SETTLEMENTS, begin_land
from alatau_sim.domains.land.tables import COLUMNS, check_programme, fill_land
from alatau_sim.engine.domain import Domain

DOMAIN = Domain(
    name="land",
    policy=Policy,
    world=World,
    columns=COLUMNS,
    rules=RULES,
    settlements=SETTLEMENTS,
    fill=(fill_land,),
    start=(begin_land,),
    tables=TABLES,
    kpis=KPIS,
    records={"programme": Programme},
    checks=(check_programme,),
)
