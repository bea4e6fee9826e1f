"""What a scenario says of zoning, carried out: its map read, its rezonings applied. Only this part of the scenario loads geometry."""

from __future__ import annotations

from alatau_sim.city.rezoning import Changes, RezoneResult, rezone
from alatau_sim.city.zones import ZoneTable, load_zones
from alatau_sim.scenario.specs import RezoneSpec, Scenario


def load_map(scenario: Scenario) -> ZoneTable:
    """The zone table of a scenario's map."""
    spec = scenario.map
    return load_zones(
        spec.file, layer=spec.layer, crs=spec.crs, columns=spec.columns, land_use=spec.land_use,
        overlap_threshold_m2=spec.overlap_threshold_m2,
    )  # fmt: skip


def rezoned(zones: ZoneTable, spec: RezoneSpec) -> RezoneResult:
    """The zones after one rezoning of the scenario, and what the planner should know of it."""
    if spec.layer is not None:
        return rezone(
            zones, layer=spec.layer, layer_name=spec.layer_name, crs=spec.crs, columns=spec.columns, land_use=spec.land_use
        )  # fmt: skip
    changes = Changes(spec.use, spec.floor_area_ratio, spec.coverage, spec.dwellings_planned)
    return rezone(zones, zone_ids=spec.zones, changes=changes)
