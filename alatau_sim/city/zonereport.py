"""What is wrong with a map of zones, what was repaired, and what it covers: the report of `alatau zones`.

Measures in the metric coordinate reference system, judges in the map's own. Repairs no overlap: which zone is right is the planner's word.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from alatau_sim.city.geofiles import RawMap, read_map, write_map
from alatau_sim.city.metric import metric_crs, to_crs, to_metres
from alatau_sim.city.words import LAND_USES, STANDARD_COLUMNS
from alatau_sim.city.zones import (
    DEFAULT_OVERLAP_THRESHOLD_M2,
    NUMBER_COLUMNS,
    clean_id,
    far_away,
    land_use_codes,
    numbers,
    outside_flags,
    overlaps,
    valid,
    zone_ids,
)
from alatau_sim.errors import InputError, Problem

SLIVER_WIDTH_M = 5.0
"""Polygons whose mean width (twice the area over the perimeter) is below this are slivers. Assumed: narrower than a lane with its verge."""


@dataclass(frozen=True)
class Fault:
    """One feature that was not fine as drawn: why, where (degrees), and its area in m2 as drawn and as kept (0 = unusable)."""

    feature: str
    zone: str
    reason: str
    lon: float | None
    lat: float | None
    before_m2: float
    after_m2: float


@dataclass(frozen=True)
class Sliver:
    """One very thin polygon: part `part` (from 1) of a zone, its mean width in m, its area in m2, and where (degrees)."""

    zone: str
    part: int
    width_m: float
    area_m2: float
    lon: float
    lat: float


@dataclass(frozen=True)
class ZoneReport:
    """What `report_zones` found. Areas are in km2, `middle` in degrees; `outside_km2` is the part of `after_km2` marked outside."""

    file: Path
    crs: str
    metric_crs: str
    middle: tuple[float, float] | None
    features: int
    kinds: dict[str, int]
    before_km2: float
    after_km2: float
    outside_km2: float
    overlap_threshold_m2: float
    repaired: tuple[Fault, ...] = ()
    unusable: tuple[Fault, ...] = ()
    overlaps: tuple[tuple[str, str, float], ...] = ()
    slivers: tuple[Sliver, ...] = ()
    land_uses: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    written: Path | None = None

    @property
    def invalid(self) -> tuple[Fault, ...]:
        """Every feature that was not fine as drawn: the repaired and the unusable."""
        return self.repaired + self.unusable

    @property
    def fit(self) -> bool:
        """Whether a run would take this map as it is."""
        return not (self.unusable or self.overlaps or self.problems) and self.features > 0

    def text(self) -> str:
        """The report as aligned plain text."""
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.kinds.items())
        uses = ", ".join(f"{use} {count}" for use, count in self.land_uses.items())
        facts = [
            ("features", f"{self.features} ({kinds})" if kinds else "0"),
            ("coordinates", f"{self.crs if len(self.crs) < 40 else 'given as WKT'}; areas measured in {self.metric_crs}"),
            *([("middle of the map", _place(*self.middle))] if self.middle else []),
            ("area as drawn", f"{self.before_km2:,.3f} km2"),
            ("area after repair", f"{self.after_km2:,.3f} km2"),
            *([("of it outside", f"{self.outside_km2:,.3f} km2")] if self.outside_km2 else []),
            *([("land uses", uses)] if uses else []),
        ]
        lines = [f"Zones of {self.file}", *_aligned(facts)]
        lines += _part("Repaired", self.repaired, lambda fault: (*_head(fault), _areas(fault), fault.reason))
        lines += _part("Unusable, left out", self.unusable, lambda fault: (*_head(fault), fault.reason))
        lines += _part(f"Overlaps above {self.overlap_threshold_m2:g} m2", self.overlaps, lambda o: (o[0], o[1], f"{o[2]:,.0f} m2"))
        lines += _part(
            f"Slivers (mean width below {SLIVER_WIDTH_M:g} m), kept",
            self.slivers,
            lambda s: (s.zone, f"part {s.part}", _place(s.lon, s.lat), f"{s.width_m:.2f} m wide", f"{s.area_m2:,.1f} m2"),
        )
        lines += [f"\nProblems ({len(self.problems)})", *(f"  {text}" for text in self.problems)] if self.problems else []
        lines += ["\nNotes", *(f"  {text}" for text in self.notes)] if self.notes else []
        lines += [f"\nRepaired map written to {self.written}"] if self.written else []
        lines.append("\nA run takes this map as it is." if self.fit else "\nA run does not take this map as it is.")
        return "\n".join(lines)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of cells as lines with columns of equal width."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))] if rows else []
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _part(title: str, items: Sequence[Any], cells: Any) -> list[str]:
    return [f"\n{title} ({len(items)})", *_aligned([cells(item) for item in items])]


def _head(fault: Fault) -> tuple[str, ...]:
    return fault.feature, fault.zone, _place(fault.lon, fault.lat)


def _areas(fault: Fault) -> str:
    return f"{fault.before_m2 / 1e6:,.6f} → {fault.after_m2 / 1e6:,.6f} km2"


def _place(lon: float | None, lat: float | None) -> str:
    return "no location" if lon is None or lat is None else f"at {lon:.6f}, {lat:.6f}"


def report_zones(
    path: str | os.PathLike[str],
    *,
    layer: str | None = None,
    crs: str | None = None,
    columns: Mapping[str, str] | None = None,
    land_use: Mapping[Any, str] | None = None,
    overlap_threshold_m2: float = DEFAULT_OVERLAP_THRESHOLD_M2,
    out: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> ZoneReport:
    """Report a map's features, faults, repairs, areas, overlaps, slivers and repeated ids; with `out`, write the repaired map.

    The repaired map has the file's own columns and coordinates, ids made different, and leaves out only what the report lists as
    unusable. Raises `InputError` where nothing can be read, or where nothing is left to write.
    """
    raw = read_map(path, layer=layer, crs=crs, columns=columns, known=STANDARD_COLUMNS)
    zone, notes = zone_ids(raw)
    problems: list[Problem] = []
    uses = land_use_codes(raw, land_use or {}, problems)
    outside = outside_flags(raw, problems)
    for name in NUMBER_COLUMNS:
        numbers(raw, name, problems)
    drawn = np.array([shape.drawn for shape in raw.shapes], dtype=object)
    kept = np.array([shape.geometry for shape in raw.shapes], dtype=object)
    known = drawn[shapely.is_geometry(drawn)]
    metric, away, middle = metric_crs(raw.crs, known) if len(known) else ("no metric system", np.array([], dtype=int), None)
    if middle is not None:
        problems += far_away(raw, np.flatnonzero(shapely.is_geometry(drawn))[away], middle)
    before, after = _areas_m2(drawn, raw.crs, metric), _areas_m2(kept, raw.crs, metric)
    faults = _faults(raw, zone, before, after)
    rows = np.flatnonzero(shapely.is_geometry(kept))
    if not len(rows):
        problems.append(Problem("the map has no usable zone"))
    usable_m = valid(to_metres(kept[rows], raw.crs, metric)) if len(rows) else kept[rows]
    pairs = overlaps(kept[rows], raw.crs, metric, overlap_threshold_m2)
    if out is not None:
        notes += _write(raw, zone, rows, out, force)
    return ZoneReport(
        file=raw.file, crs=raw.crs, metric_crs=metric, middle=middle, features=len(raw),
        kinds=dict(Counter(shape.kind for shape in raw.shapes)),
        before_km2=float(before.sum()) / 1e6, after_km2=float(after.sum()) / 1e6,
        outside_km2=float(after[outside].sum()) / 1e6, overlap_threshold_m2=overlap_threshold_m2,
        repaired=tuple(fault for fault in faults if fault.after_m2 > 0), unusable=tuple(fault for fault in faults if fault.after_m2 == 0),
        overlaps=tuple((zone[rows[i]], zone[rows[j]], area) for i, j, area in pairs),
        slivers=_slivers(usable_m, [zone[row] for row in rows], metric),
        land_uses={} if raw.column("land_use") is None or uses is None else _count_uses(uses),
        problems=tuple(problem.message for problem in problems), notes=(*raw.notes, *notes), written=Path(out) if out is not None else None,
    )  # fmt: skip


def _areas_m2(shapes: np.ndarray, crs: str, metric: str) -> np.ndarray:
    """Area in m2 of each shape as it stands (a figure of eight counts its lobes against each other); 0 where there is none."""
    area = np.zeros(len(shapes))
    there = shapely.is_geometry(shapes)
    if there.any():
        area[there] = shapely.area(to_metres(shapes[there], crs, metric))
    return area


def _faults(raw: RawMap, zone: Sequence[str], before: np.ndarray, after: np.ndarray) -> list[Fault]:
    rows = [row for row, shape in enumerate(raw.shapes) if shape.reasons]
    places: list[tuple[float | None, float | None]] = []
    for row in rows:
        at = raw.shapes[row].at
        point = None if at is None else to_crs(shapely.Point(at), raw.crs, "EPSG:4326")
        places.append((None, None) if point is None else (float(point.x), float(point.y)))
    return [
        Fault(f"feature {row + 1}", zone[row], "; ".join(raw.shapes[row].reasons), lon, lat, float(before[row]), float(after[row]))
        for row, (lon, lat) in zip(rows, places, strict=True)
    ]


def _slivers(geometry_m: np.ndarray, zone: Sequence[str], metric: str) -> tuple[Sliver, ...]:
    """Very thin polygons among the parts of all zones."""
    if not len(geometry_m):
        return ()
    parts, owner = shapely.get_parts(geometry_m, return_index=True)
    width = 2 * shapely.area(parts) / shapely.length(parts)
    thin = np.flatnonzero(width < SLIVER_WIDTH_M)
    first = np.searchsorted(owner, owner)
    places: Any = to_crs(shapely.point_on_surface(parts[thin]), metric, "EPSG:4326") if len(thin) else []
    return tuple(
        Sliver(zone[owner[k]], int(k - first[k]) + 1, float(width[k]), float(parts[k].area), float(place.x), float(place.y))
        for k, place in zip(thin, places, strict=True)
    )


def _count_uses(codes: np.ndarray) -> dict[str, int]:
    return {use: count for code, use in enumerate(LAND_USES) if (count := int((codes == code).sum()))}


def _write(raw: RawMap, zone: Sequence[str], rows: np.ndarray, out: str | os.PathLike[str], force: bool) -> list[str]:
    """Write the usable features with the file's columns; returns notes."""
    if not len(rows):
        raise InputError(f"{raw.file}: the map has no usable zone, so nothing was written")
    if Path(out).resolve() == raw.file.resolve():
        raise InputError(f"{out}: is the map itself; give the repaired map another name")
    columns = dict(raw.columns)
    name = raw.standard.get("zone", "zone")
    columns[name] = np.array(zone, dtype=object) if _needs_ids(raw, zone) else columns[name]
    kept = {key: cells[rows] for key, cells in columns.items()}
    notes = write_map(out, [raw.shapes[row].geometry for row in rows], kept, raw.crs, force=force)
    if len(rows) < len(raw):
        notes.append(f"{out}: {len(raw) - len(rows)} unusable features left out")
    return notes


def _needs_ids(raw: RawMap, zone: Sequence[str]) -> bool:
    cells = raw.column("zone")
    return cells is None or any(clean_id(cell) != text for cell, text in zip(cells, zone, strict=True))
