"""People: households and residents, births, deaths, arrivals and departures, school and retirement, and the hours they are at home."""

from __future__ import annotations

from alatau_sim.domains.people.indicators import KPIS, TABLES
from alatau_sim.domains.people.params import Policy, World
from alatau_sim.domains.people.rules import RULES
from alatau_sim.domains.people.settle import SETTLEMENTS, begin
from alatau_sim.domains.people.tables import CITY, COLUMNS, DERIVED, GRIDS, MIRRORS, fill_people
from alatau_sim.engine.domain import Domain

DOMAIN = Domain(
    name="people",
    policy=Policy,
    world=World,
    columns=COLUMNS,
    derived=DERIVED,
    mirrors=MIRRORS,
    grids=GRIDS,
    city=CITY,
    rules=RULES,
    settlements=SETTLEMENTS,
    fill=(fill_people,),
    start=(begin,),
    tables=TABLES,
    kpis=KPIS,
)
