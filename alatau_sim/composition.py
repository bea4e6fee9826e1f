"""What the model is composed of: the zoning map's columns in front, the built-in domains, and what rule files and plug-ins bring.

Importing it loads no Mesa and no compiler, so that `alatau check` is quick and kernels can be compiled ahead in processes of their own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from alatau_sim.city.words import LAND_USES
from alatau_sim.city.zones import ZONE_COLUMNS
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.kernel import Kernel, build
from alatau_sim.engine.plan import compose_schema
from alatau_sim.extensions import domains_with
from alatau_sim.fields import ResultField
from alatau_sim.results.kpis import ResultTable
from alatau_sim.scenario.zoning import City


def fill_zones(sim: Any, city: City) -> None:
    """Put the map's zones into the zones table."""
    sim.tables["zones"].insert(city.zones.ids, city.zones.columns())
    sim.names["zones"] = city.zones.zone


def _zoning_of_year(sim: Any) -> dict[str, Any]:
    """What zoning allows in each zone as the year ends, after the rezonings so far."""
    zones = sim.tables["zones"]
    rows = np.flatnonzero(~zones["outside"])
    return {"zone": rows, **{field.name: zones[field.name][rows].copy() for field in ZONING.fields[1:]}}


ZONING = ResultTable(
    "zones_zoning_year", "year",
    (
        ResultField("zone", "category", "", "zone"),
        ResultField("land_use", "category", "", "land use", LAND_USES),
        ResultField("floor_area_ratio", "float64", "1", "permitted floor space over the zone's area"),
        ResultField("coverage", "float64", "share", "built share of the zone's area"),
        ResultField("dwellings_planned", "int64", "dwellings", "dwellings at full build-out, including the existing"),
        ResultField("area_m2", "int64", "m2", "area"),
    ),
    _zoning_of_year, "what zoning allows in each zone, with the rezonings up to the year's end", "zoning",
)  # fmt: skip


def composed(rule_files: Sequence[str | Path] = (), plugins: Sequence[str] = ()) -> tuple[Domain, ...]:
    """The list that composes everything: schema, tables, rules and processes, in the order in which rules run within a phase."""
    zoning = Domain("zoning", columns={"zones": ZONE_COLUMNS}, fill=(fill_zones,), tables=(ZONING,))
    return (zoning, *domains_with(rule_files, plugins))


def kernels_of(parts: Sequence[Domain]) -> list[Kernel]:
    """The kernels of all rules, not yet compiled."""
    schema = compose_schema(parts)
    return [build(replace(rule, domain=domain.name), schema) for domain in parts for rule in domain.rules]


def compile_ahead(rule_files: Sequence[str | Path] = (), plugins: Sequence[str] = (), processes: int | None = None) -> None:
    """Compile what is not in the cache yet, side by side, before runs start that would all compile the same."""
    missing = [kernel.name for kernel in kernels_of(composed(rule_files, plugins)) if not kernel.is_compiled()]
    count = min(processes or os.cpu_count() or 1, len(missing) // 4)
    if count < 2:
        _compile(rule_files, plugins, missing)
        return
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        jobs = [pool.submit(_compile, rule_files, plugins, missing[k::count]) for k in range(count)]
        for job in jobs:
            job.result()


def _compile(rule_files: Sequence[str | Path], plugins: Sequence[str], names: Sequence[str]) -> None:
    """Compile the named rules into the cache."""
    if names:
        for kernel in kernels_of(composed(rule_files, plugins)):
            if kernel.name in names:
                kernel.compiled()
