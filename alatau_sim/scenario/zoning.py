"""What a scenario says of zoning, carried out: its map read, its rezonings applied. Only this part of the scenario loads geometry."""

from __future__ import annotations

from dataclasses import dataclass

from alatau_sim.city.rezoning import rezoned
from alatau_sim.city.zones import ZoneTable, load_zones
from alatau_sim.scenario.specs import Scenario

__all__ = ["City", "load_map", "rezoned"]


@dataclass(frozen=True)
class City:
    """What the domains' checks and fill functions get: the scenario, and the zone table of its map."""

    scenario: Scenario
    zones: ZoneTable


def load_map(scenario: Scenario) -> ZoneTable:
    """The zone table of a scenario's map."""
    spec = scenario.map
    return load_zones(
        spec.file, layer=spec.layer, crs=spec.crs, columns=spec.columns, land_use=spec.land_use,
        overlap_threshold_m2=spec.overlap_threshold_m2,
    )  # fmt: skip

