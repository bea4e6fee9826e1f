"""The economy: firms by sector and zone, positions and who fills them, shopping, wages and taxes, anchor investments."""

from __future__ import annotations

from alatau_sim.domains.economy.indicators import KPIS, TABLES
from alatau_sim.domains.economy.params import Policy, Project, World
from alatau_sim.domains.economy.process import start_investors
from alatau_sim.domains.economy.rules import RULES
from alatau_sim.domains.economy.settle import SETTLEMENTS, choose_first_shops, open_books
from alatau_sim.domains.economy.start.tables import fill_economy
from alatau_sim.domains.economy.tables import COLUMNS, MIRRORS, check_projects
from alatau_sim.engine.domain import Domain

DOMAIN = Domain(
    name="economy",
    policy=Policy,
    world=World,
    columns=COLUMNS,
    mirrors=MIRRORS,
    rules=RULES,
    settlements=SETTLEMENTS,
    fill=(fill_economy,),
    start=(open_books, choose_first_shops, start_investors),
    tables=TABLES,
    kpis=KPIS,
    records={"projects": Project},
    checks=(check_projects,),
)
