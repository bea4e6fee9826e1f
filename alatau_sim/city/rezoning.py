"""Rezoning: new land use, floor-area ratio, coverage or planned dwellings, by zone ids or by polygons drawn over the zones.

The set of zones stays as it is (docs/decisions/001): a zone that is partly covered takes area-weighted values. Dwellings and people
that exist never change here. Knows no dates: the scenario's events say when.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from alatau_sim.city.geofiles import RawMap, read_map
from alatau_sim.city.metric import to_metres
from alatau_sim.city.words import LAND_USES, STANDARD_COLUMNS
from alatau_sim.city.zones import (
    DEFAULT_OVERLAP_THRESHOLD_M2,
    ZONE_COLUMNS,
    Capacity,
    ZoneTable,
    land_use_codes,
    numbers,
    overlaps,
    unusable,
    valid,
)
from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems

DRAWING_SHARE = 0.001
"""A piece below this share of the zone and of the polygon is drawing tolerance (none); cover above one minus it is full. Assumed."""


@dataclass(frozen=True)
class Changes:
    """What a rezoning sets; None leaves it as it is. `dwellings_planned` is the count of each zone, or of each drawn polygon."""

    use: str | None = None
    floor_area_ratio: float | None = None
    coverage: float | None = None
    dwellings_planned: int | None = None

    def problems(self) -> list[Problem]:
        """What is wrong with the values."""
        found = []
        if self.use is not None and self.use not in LAND_USES:
            found.append(Problem(f"rezone: use {self.use!r} is no standard land use{did_you_mean(self.use, LAND_USES)}"))
        for column in ZONE_COLUMNS:
            value = getattr(self, column.name, None)
            if column.within and value is not None and not column.within[0] <= value <= column.within[1]:
                low, high = column.within
                found.append(Problem(f"rezone: {column.name} is {value:g}; it must be within {low:g} … {high:g} [{column.unit}]"))
        return found


@dataclass(frozen=True, eq=False)
class RezoneResult:
    """The zones afterwards, and how much of each was rezoned.

    `covered_share` (float64, one a zone) is the share of each zone's area; `rows` are the zones with a share above 0; `notes` say
    what the planner should know.
    """

    zones: ZoneTable
    covered_share: np.ndarray
    rows: np.ndarray
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Pieces of zones that get new zoning, one a row: the zone's row, the share of the zone's area, and the new values.

    `use` −1, `far` and `coverage` NaN keep the zone's; `planned` −1 lets the dwellings follow the zoning.
    """

    row: np.ndarray
    share: np.ndarray
    use: np.ndarray
    far: np.ndarray
    coverage: np.ndarray
    planned: np.ndarray


def rezoned(zones: ZoneTable, spec: Any) -> RezoneResult:
    """The zones after one rezoning of a scenario (`scenario.specs.RezoneSpec`), and what the planner should know of it."""
    if spec.layer is not None:
        return rezone(
            zones, layer=spec.layer, layer_name=spec.layer_name, crs=spec.crs, columns=spec.columns, land_use=spec.land_use
        )  # fmt: skip
    changes = Changes(spec.use, spec.floor_area_ratio, spec.coverage, spec.dwellings_planned)
    return rezone(zones, zone_ids=spec.zones, changes=changes)


def rezone(
    zones: ZoneTable,
    *,
    zone_ids: Sequence[str] | None = None,
    layer: str | os.PathLike[str] | None = None,
    layer_name: str | None = None,
    changes: Changes | None = None,
    crs: str | None = None,
    columns: Mapping[str, str] | None = None,
    land_use: Mapping[Any, str] | None = None,
    base_dir: str | os.PathLike[str] | None = None,
    capacity: Capacity | None = None,
) -> RezoneResult:
    """Rezone the zones named in `zone_ids`, or the polygons of the map file `layer` (any format and coordinates `read_map` takes;
    `layer_name` is needed where the file has several layers).

    A layer's own columns come before `changes`. Where planned dwellings are not given they follow the zoning: in proportion to the
    residential floor space permitted before and after, or by the difference where nothing was planned or permitted. Raises
    `InputError` for unknown zones, values out of range, polygons that cannot be used, overlap each other or touch no zone.
    """
    changes = changes or Changes()
    if (zone_ids is None) == (layer is None):
        raise InputError("rezone: give either zones or a layer")
    raise_problems(changes.problems())
    notes: list[str] = []
    if zone_ids is not None:
        if changes == Changes():
            raise InputError("rezone: says nothing of use, floor_area_ratio, coverage or dwellings_planned")
        pieces = _whole_zones(np.unique(zones.rows_of(zone_ids)), changes)
    else:
        path = Path(base_dir, str(layer)) if base_dir is not None else Path(str(layer))
        raw = read_map(path, crs=crs, columns=columns, known=STANDARD_COLUMNS, layer=layer_name, key="rezone")
        pieces = _overlay(zones, raw, land_use or {}, changes, notes)
    covered = np.minimum(np.bincount(pieces.row, pieces.share, len(zones)), 1.0)
    rows = np.flatnonzero(covered > 0)
    after = _blend(zones, pieces, covered, capacity or Capacity())
    asked = np.bincount(pieces.row, np.where(pieces.planned < 0, np.nan, pieces.planned), len(zones))
    for row in rows[asked[rows] < zones.dwellings_existing[rows]]:
        notes.append(f"zone {zones.zone[row]!r}: {asked[row]:g} dwellings planned are below the existing: {after.dwellings_planned[row]}")
    return RezoneResult(after, covered, rows, tuple(notes))


def _whole_zones(rows: np.ndarray, changes: Changes) -> _Pieces:
    def each(value: float | None, keep: float, dtype: type) -> np.ndarray:
        return np.full(len(rows), keep if value is None else value, dtype=dtype)

    use = None if changes.use is None else LAND_USES.index(changes.use)
    return _Pieces(
        rows, np.ones(len(rows)), each(use, -1, np.int64), each(changes.floor_area_ratio, np.nan, np.float64),
        each(changes.coverage, np.nan, np.float64), each(changes.dwellings_planned, -1, np.int64),
    )  # fmt: skip


def _overlay(zones: ZoneTable, raw: RawMap, land_use: Mapping[Any, str], changes: Changes, notes: list[str]) -> _Pieces:
    """Cut the drawn polygons by the zones."""
    use, far, coverage, planned, drawn = _plots(zones, raw, land_use, changes)
    row, plot = shapely.STRtree(drawn).query(zones.geometry_m, predicate="intersects")
    area = shapely.area(shapely.intersection(zones.geometry_m[row], drawn[plot]))
    share = area / shapely.area(zones.geometry_m)[row]
    whole = shapely.area(drawn)
    spill = (share < DRAWING_SHARE) & (area < DRAWING_SHARE * whole[plot])
    for k in np.flatnonzero(spill & (area >= 0.5)):  # less is rounding of coordinates
        notes.append(f"zone {zones.zone[row[k]]!r} is touched by {area[k]:,.0f} m2 of {raw.feature(int(plot[k]))}: left as it is")
    keep = ~spill & (area > 0)
    row, plot, area, share = row[keep], plot[keep], area[keep], share[keep]
    total = np.bincount(row, share, len(zones))[row]
    share = np.where(total > 1 - DRAWING_SHARE, share / total, share)  # full but for drawing: exactly full
    inside = np.bincount(plot, area, len(drawn))
    nowhere = [int(k) for k in np.flatnonzero(inside == 0)]
    raise_problems(Problem(f"{raw.feature(k)} covers no zone of {zones.file.name}", raw.file) for k in nowhere)
    for k in np.flatnonzero(inside < whole * (1 - DRAWING_SHARE)):
        notes.append(f"{raw.file}: {raw.feature(int(k))}: {1 - inside[k] / whole[k]:.1%} of its area is in none of the rezoned zones")
    return _Pieces(row, share, use[plot], far[plot], coverage[plot], _apportion(planned, plot, area))


def _plots(
    zones: ZoneTable, raw: RawMap, land_use: Mapping[Any, str], changes: Changes
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The layer's land use, floor-area ratio, coverage and planned dwellings a polygon, and the polygons in the zones' metres."""
    problems = unusable(raw)
    use = land_use_codes(raw, land_use, problems, required=False, empty=True)
    names = ("floor_area_ratio", "coverage", "dwellings_planned")
    given = {name: numbers(raw, name, problems) for name in names}
    raise_problems(problems)
    if use is None and all(values is None for values in given.values()) and changes == Changes():
        raise InputError(f"{raw.file}: the layer has none of land_use, {', '.join(names)}; set columns")
    default_use = -1 if changes.use is None else LAND_USES.index(changes.use)
    uses = np.full(len(raw), -1) if use is None else use.astype(np.int64)
    uses = np.where(uses < 0, default_use, uses)
    filled = []
    for name in names:
        value = getattr(changes, name)
        default = np.nan if value is None else float(value)
        column = given[name]
        filled.append(np.full(len(raw), default) if column is None else np.where(np.isnan(column), default, column))
    planned = np.where(np.isnan(filled[2]), -1, filled[2]).astype(np.int64)
    shapes = np.array([shape.geometry for shape in raw.shapes], dtype=object)
    drawn = valid(to_metres(shapes, raw.crs, zones.metric_crs))
    raise_problems(
        Problem(f"{raw.feature(i)} and {raw.feature(j)} overlap by {area:,.0f} m2: which of them holds there?", raw.file)
        for i, j, area in overlaps(shapes, raw.crs, zones.metric_crs, DEFAULT_OVERLAP_THRESHOLD_M2)
    )
    return uses, filled[0], filled[1], planned, drawn


def _apportion(planned: np.ndarray, plot: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Each polygon's whole dwellings over its pieces by area, largest remainders first, so that the pieces sum to the polygon's count."""
    pieces = np.full(len(plot), -1, dtype=np.int64)
    for k in np.flatnonzero(planned >= 0):
        mine = np.flatnonzero(plot == k)
        exact = planned[k] * area[mine] / area[mine].sum()
        count = np.floor(exact).astype(np.int64)
        first = np.lexsort((mine, count - exact))[: planned[k] - count.sum()]
        count[first] += 1
        pieces[mine] = count
    return pieces


def _blend(zones: ZoneTable, pieces: _Pieces, covered: np.ndarray, capacity: Capacity) -> ZoneTable:
    """The zone table with area-weighted zoning; zones without a piece keep their values to the last bit."""
    n = len(zones)
    row, share = pieces.row, pieces.share
    rest = 1 - covered
    rest[covered > 1 - 1e-9] = 0.0

    def weighted(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        mixed = rest * old + np.bincount(row, share * np.where(np.isnan(new), old[row], new), n)
        return np.where(covered > 0, mixed, old)

    old_use = zones.land_use.astype(np.int64)
    use = np.where(pieces.use < 0, old_use[row], pieces.use)
    weight = np.zeros((n, len(LAND_USES)))
    weight[np.arange(n), old_use] = rest
    np.add.at(weight, (row, use), share)
    stays = weight[np.arange(n), old_use] >= weight.max(axis=1) - 1e-12
    land_use = np.where(stays, old_use, weight.argmax(axis=1)).astype(np.int8)

    far = np.where(np.isnan(pieces.far), zones.floor_area_ratio[row], pieces.far)
    area = zones.area_m2[row] * share
    before = capacity.dwellings(area, zones.floor_area_ratio[row], old_use[row])
    after = capacity.dwellings(area, far, use)
    planned = zones.dwellings_planned[row] * share
    scaled = planned * np.divide(after, before, out=np.ones_like(after), where=before > 0)
    follows = np.where((planned > 0) & (before > 0), scaled, np.maximum(planned + after - before, 0))
    set_count = np.bincount(row, np.where(pieces.planned < 0, 0, pieces.planned), n)
    unset = rest * zones.dwellings_planned + np.bincount(row, np.where(pieces.planned < 0, follows, 0), n)
    dwellings = np.maximum(np.rint(set_count + unset).astype(np.int64), zones.dwellings_existing)
    return dataclasses.replace(
        zones, land_use=land_use,
        floor_area_ratio=weighted(zones.floor_area_ratio, pieces.far), coverage=weighted(zones.coverage, pieces.coverage),
        dwellings_planned=np.where(covered > 0, dwellings, zones.dwellings_planned),
    )  # fmt: skip
