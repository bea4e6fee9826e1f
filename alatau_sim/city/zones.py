"""The zone table: one row a zone of the city, with land use, zoning, dwellings, people and area, from any planner's map.

Knows nothing of people's decisions; areas, centroids and distances are in metres in a UTM zone, not on the ellipsoid (the difference
is below 0.1 % within the UTM zone).
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from alatau_sim.city.geofiles import RawMap, read_map, text_of
from alatau_sim.city.metric import MAX_DEGREES, metric_crs, to_crs, to_metres
from alatau_sim.city.repair import make_polygonal
from alatau_sim.city.words import LAND_USES, STANDARD_COLUMNS
from alatau_sim.errors import Problem, did_you_mean, raise_problems
from alatau_sim.fields import Column, Section, param

DEFAULT_FLOOR_AREA_RATIO = {
    "residential": 0.6, "mixed": 1.2, "business": 1.5, "industry": 0.4, "logistics": 0.4, "education": 0.5, "health": 0.6,
    "recreation": 0.1, "agriculture": 0.01, "infrastructure": 0.05, "open": 0.0,
}  # fmt: skip
"""Floor space over the whole zone's area, streets included, where a map has no floor_area_ratio. Assumed, low-rise suburban values."""

DEFAULT_COVERAGE = {
    "residential": 0.25, "mixed": 0.35, "business": 0.4, "industry": 0.4, "logistics": 0.4, "education": 0.2, "health": 0.25,
    "recreation": 0.05, "agriculture": 0.01, "infrastructure": 0.05, "open": 0.0,
}  # fmt: skip
"""Built share of the zone's area where a map has no coverage. Assumed."""

DEFAULT_OVERLAP_THRESHOLD_M2 = 100.0
"""Overlaps of two zones up to this many m2 are drawing tolerance (a 1 km border drawn 0.1 m apart). Assumed."""

ZONE_COLUMNS = (
    Column("land_use", "int8", meaning="standard land use", labels=LAND_USES),
    Column("district", "int16", meaning="district, a code into the map's districts"),
    Column("settlement", "int16", meaning="settlement, a code into the map's settlements"),
    Column("floor_area_ratio", "float64", "1", "permitted floor space over the zone's area", within=(0, 50)),
    Column("coverage", "float64", "1", "built share of the zone's area", within=(0, 1)),
    Column("dwellings_existing", "int64", "dwellings", "dwellings today", within=(0, 10**7)),
    Column("dwellings_planned", "int64", "dwellings", "dwellings at full build-out, including the existing", within=(0, 10**7)),
    Column("residents_existing", "int64", "people", "people who live in the zone today", within=(0, 10**8)),
    Column("jobs_existing", "int64", "jobs", "jobs in the zone today", within=(0, 10**8)),
    Column("jobs_planned", "int64", "jobs", "jobs at full build-out", within=(0, 10**8)),
    Column("outside", "bool", meaning="outside the city: work and travel only"),
    Column("area_m2", "int64", "m2", "area"),
    Column("centroid_x_m", "float64", "m", "centroid, east, in the metric coordinate reference system"),
    Column("centroid_y_m", "float64", "m", "centroid, north, in the metric coordinate reference system"),
)
"""Columns of the zone table, in order."""

COUNT_COLUMNS = ("dwellings_existing", "dwellings_planned", "residents_existing", "jobs_existing", "jobs_planned")
NUMBER_COLUMNS = ("floor_area_ratio", "coverage", *COUNT_COLUMNS)
_TRUE, _FALSE = ("1", "true", "yes", "y", "да", "иә"), ("", "0", "false", "no", "n", "нет", "жоқ")


class Capacity(Section):
    """How many dwellings zoning makes room for: area × floor-area ratio × share of residential floor space ÷ m2 a dwelling."""

    m2_per_dwelling: float = param(
        84.0, within=(20, 500), unit="m2", evidence="sourced", meaning="gross floor space a dwelling: 28 m2 a resident × 3 residents",
        source="28 m2 computed from the housing plan, https://qazinform.com/news/what-we-know-about-kazakhstans-new-alatau-city-project-728dbe;"
        " 3 people an urban household, https://mgorod.kz/news/bolee-chetverti-kazaxstancev-zhivut-v-domoxozyajstvax-po-pyat-i-bolee-chelovek",
    )  # fmt: skip
    residential_share: float = param(0.9, within=(0, 1), unit="1", meaning="share of floor space that is dwellings, land use residential")
    mixed_share: float = param(0.5, within=(0, 1), unit="1", meaning="share of floor space that is dwellings, land use mixed")

    def dwellings(self, area_m2: np.ndarray, floor_area_ratio: np.ndarray, land_use: np.ndarray) -> np.ndarray:
        """Dwellings (float) that fit each zone; land uses other than residential and mixed have none."""
        share = np.zeros(len(LAND_USES))
        share[LAND_USES.index("residential")], share[LAND_USES.index("mixed")] = self.residential_share, self.mixed_share
        return area_m2 * floor_area_ratio * share[land_use] / self.m2_per_dwelling


@dataclass(frozen=True, eq=False)
class ZoneTable:
    """One row a zone, in the map's order. Arrays are not to be written to; `rezone` makes a new table with the same rows.

    `zone` are the text ids, `ids` their stable int64 hashes; `geometry` is in `crs` (the map's), `geometry_m` in `metric_crs`;
    `district` and `settlement` are codes into their labels; `extra` are the map's other columns; `notes` what loading had to do.
    """

    file: Path
    crs: str
    metric_crs: str
    zone: tuple[str, ...]
    name: tuple[str, ...]
    ids: np.ndarray
    geometry: np.ndarray
    geometry_m: np.ndarray
    land_use: np.ndarray
    district: np.ndarray
    settlement: np.ndarray
    floor_area_ratio: np.ndarray
    coverage: np.ndarray
    dwellings_existing: np.ndarray
    dwellings_planned: np.ndarray
    residents_existing: np.ndarray
    jobs_existing: np.ndarray
    jobs_planned: np.ndarray
    outside: np.ndarray
    area_m2: np.ndarray
    centroid_x_m: np.ndarray
    centroid_y_m: np.ndarray
    district_labels: tuple[str, ...] = ()
    settlement_labels: tuple[str, ...] = ()
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.zone)

    def columns(self) -> dict[str, np.ndarray]:
        """The columns of `ZONE_COLUMNS` by name."""
        return {column.name: getattr(self, column.name) for column in ZONE_COLUMNS}

    def rows_of(self, zones: Iterable[str]) -> np.ndarray:
        """Rows of text ids; raises `InputError` that names each unknown zone and the nearest known one."""
        row_of = {text: row for row, text in enumerate(self.zone)}
        wanted = [clean_id(zone) for zone in zones]
        unknown = [zone for zone in wanted if zone not in row_of]
        raise_problems(Problem(f"there is no zone {zone!r} in {self.file.name}{did_you_mean(zone, self.zone)}") for zone in unknown)
        return np.array([row_of[zone] for zone in wanted], dtype=np.int64)


def clean_id(value: Any) -> str:
    """A zone's text id: stripped, in Unicode's composed form, whole numbers without a decimal point."""
    return unicodedata.normalize("NFC", text_of(value))


def stable_ids(texts: Iterable[str]) -> np.ndarray:
    """Non-negative int64 ids that depend on the text alone (BLAKE2b, 63 bits), so a zone keeps its luck when others come or go."""
    return np.array([int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1 for text in texts], dtype=np.int64)


def load_zones(
    file: str | os.PathLike[str],
    *,
    layer: str | None = None,
    crs: str | None = None,
    columns: Mapping[str, str] | None = None,
    land_use: Mapping[Any, str] | None = None,
    overlap_threshold_m2: float = DEFAULT_OVERLAP_THRESHOLD_M2,
    capacity: Capacity | None = None,
    base_dir: str | os.PathLike[str] | None = None,
) -> ZoneTable:
    """The zone table of a map; `base_dir` is the folder that a relative `file` is in.

    Self-intersections and the like are repaired and noted. Raises `InputError` that lists all features that cannot be used, land uses
    without a standard one, values out of range, and overlaps above the threshold (area would count twice).
    """
    path = Path(base_dir, file) if base_dir is not None else Path(file)
    raw = read_map(path, layer=layer, crs=crs, columns=columns, known=STANDARD_COLUMNS)
    problems = unusable(raw)
    uses = land_use_codes(raw, land_use or {}, problems)
    values = {name: numbers(raw, name, problems) for name in NUMBER_COLUMNS}
    outside = outside_flags(raw, problems)
    raise_problems(problems)
    assert uses is not None
    zone, notes = zone_ids(raw)
    geometry = np.array([shape.geometry for shape in raw.shapes], dtype=object)
    metric, away, middle = metric_crs(raw.crs, geometry)
    raise_problems(far_away(raw, away, middle))
    geometry_m = valid(to_metres(geometry, raw.crs, metric))
    labels = [f"{path}: {raw.feature(row)}" for row in range(len(raw))]
    limit = f"above map.overlap_threshold_m2 = {overlap_threshold_m2:g}"
    raise_problems(
        Problem(f"zones {zone[i]!r} and {zone[j]!r} overlap by {area:,.0f} m2, {limit}", path)
        for i, j, area in overlaps(geometry, raw.crs, metric, overlap_threshold_m2)
    )
    notes = [*raw.notes, *(f"{labels[row]}: repaired: {'; '.join(s.reasons)}" for row, s in enumerate(raw.shapes) if s.repaired), *notes]
    area = shapely.area(geometry_m)
    filled = _fill(values, uses, area, outside, capacity or Capacity(), notes)
    centroid = shapely.centroid(geometry_m)
    name = raw.column("name")
    district, district_labels = _categories(raw.column("district"), len(raw))
    settlement, settlement_labels = _categories(raw.column("settlement"), len(raw))
    return ZoneTable(
        file=path, crs=raw.crs, metric_crs=metric, zone=zone, ids=stable_ids(zone), geometry=geometry, geometry_m=geometry_m,
        name=zone if name is None else tuple(text_of(value) or zone[row] for row, value in enumerate(name)),
        land_use=uses, district=district, settlement=settlement, outside=outside, area_m2=np.rint(area).astype(np.int64),
        centroid_x_m=shapely.get_x(centroid), centroid_y_m=shapely.get_y(centroid), district_labels=district_labels,
        settlement_labels=settlement_labels, notes=tuple(notes), **filled,
        extra={name: cells for name, cells in raw.columns.items() if name not in raw.standard.values()},
    )  # fmt: skip


def unusable(raw: RawMap) -> list[Problem]:
    """One problem a feature that has no polygon with an area, and how to go on."""
    problems = [
        Problem(f"{raw.feature(row)} cannot be used: {'; '.join(shape.reasons)}", raw.file)
        for row, shape in enumerate(raw.shapes) if not shape.usable
    ]  # fmt: skip
    if len(problems) == len(raw):
        problems.append(Problem(f"the map has no usable polygon ({len(raw)} features)", raw.file))
    elif problems:
        how = f"`alatau zones \"{raw.file}\" --out repaired.gpkg`"
        problems.append(Problem(f"correct these features, or write a map without them with {how}", raw.file))
    return problems


def far_away(raw: RawMap, rows: Iterable[int], middle: tuple[float, float]) -> list[Problem]:
    """One problem a feature too far from the map's middle (degrees) to be measured together with the others."""
    where = f"more than {MAX_DEGREES:g} degrees from the map's middle at {middle[0]:.4f}, {middle[1]:.4f}"
    return [Problem(f"{raw.feature(int(row))} reaches {where}", raw.file) for row in rows]


def zone_ids(raw: RawMap) -> tuple[tuple[str, ...], list[str]]:
    """Text ids, all different, and notes: a missing id becomes `zone-<feature number>`, a repeated one gets the suffix -2, -3, …."""
    cells = raw.column("zone")
    given = [clean_id(value) for value in cells] if cells is not None else [clean_id(value) for value in raw.ids] or [""] * len(raw)
    taken = set(given)
    seen: set[str] = set()
    ids, notes = [], []
    for row, text in enumerate(given):
        new = text or f"zone-{row + 1}"
        number = 2
        while new in seen or (new != text and new in taken):
            new = f"{text or f'zone-{row + 1}'}-{number}"
            number += 1
        seen.add(new)
        ids.append(new)
        if text and new != text:
            notes.append(f"{raw.file}: feature {row + 1} repeats the zone id {text!r}: called {new!r}")
    if (missing := given.count("")) > 0:
        notes.append(f"{raw.file}: {missing} features have no zone id: called zone-<number of the feature>")
    return tuple(ids), notes


def land_use_codes(
    raw: RawMap, mapping: Mapping[Any, str], problems: list[Problem], *, required: bool = True, empty: bool = False
) -> np.ndarray | None:
    """Codes into `LAND_USES` (−1 where unknown, a problem; with `empty`, a missing one is none); None without the column."""
    problems.extend(
        Problem(f"{raw.key}.land_use: {use!r} for code {code!r} is no standard land use{did_you_mean(str(use), LAND_USES)}", raw.file)
        for code, use in mapping.items() if use not in LAND_USES
    )  # fmt: skip
    cells = raw.column("land_use")
    if cells is None:
        if required:
            near = did_you_mean("land_use", raw.columns) or f"; the file has {', '.join(raw.columns) or 'no columns'}"
            problems.append(Problem(f"the map has no column land_use; set {raw.key}.columns.land_use to the file's column{near}", raw.file))
        return None
    known = {use: code for code, use in enumerate(LAND_USES)}
    known |= {text_of(code).casefold(): LAND_USES.index(use) for code, use in mapping.items() if use in LAND_USES}
    texts = [text_of(value) for value in cells]
    unknown = Counter(text for text in texts if text.casefold() not in known and (text or not empty))
    if unknown:
        listed = ", ".join(f"{text!r} ({count})" if text else f"empty ({count})" for text, count in unknown.most_common())
        how = f"set {raw.key}.land_use; standard: {', '.join(LAND_USES)}"
        problems.append(Problem(f"land-use codes without a standard land use: {listed}; {how}", raw.file))
    return np.array([known.get(text.casefold(), -1) for text in texts], dtype=np.int8)


def numbers(raw: RawMap, name: str, problems: list[Problem]) -> np.ndarray | None:
    """A column of numbers, NaN where empty; values that are no numbers, out of range or broken counts are problems; None without it."""
    cells = raw.column(name)
    if cells is None:
        return None
    spec = next(column for column in ZONE_COLUMNS if column.name == name)
    low, high = spec.within or (-np.inf, np.inf)
    values = np.full(len(raw), np.nan)
    for row, cell in enumerate(cells):
        text = text_of(cell).replace(" ", "").replace("\u00a0", "").replace(",", ".")
        if not text:
            continue
        try:
            values[row] = float(text)
        except ValueError:
            problems.append(Problem(f"{raw.feature(row)}: {name} is {cell!r}; it must be a number", raw.file))
            continue
        whole = spec.dtype != "int64" or values[row] == np.rint(values[row])
        if not low <= values[row] <= high or not whole:
            kind = "a number" if spec.dtype == "float64" else "a whole number"
            problems.append(
                Problem(f"{raw.feature(row)}: {name} is {cell}; it must be {kind} within {low:g} … {high:g} [{spec.unit}]", raw.file)
            )
    return values


def outside_flags(raw: RawMap, problems: list[Problem]) -> np.ndarray:
    """Which features are marked outside the city; what is neither true nor false is a problem."""
    cells = raw.column("outside")
    if cells is None:
        return np.zeros(len(raw), dtype=bool)
    texts = [text_of(value).casefold() for value in cells]
    for row, text in enumerate(texts):
        if text not in _TRUE + _FALSE:
            problems.append(Problem(f"{raw.feature(row)}: outside is {cells[row]!r}; it must be true or false", raw.file))
    return np.array([text in _TRUE for text in texts])


def _categories(cells: np.ndarray | None, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes into sorted labels; a zone without one is `none`."""
    texts = ["none"] * n if cells is None else [clean_id(value) or "none" for value in cells]
    labels = tuple(sorted(set(texts)))
    return np.array([labels.index(text) for text in texts], dtype=np.int16), labels


def _fill(
    given: dict[str, np.ndarray | None], uses: np.ndarray, area: np.ndarray, outside: np.ndarray, capacity: Capacity, notes: list[str]
) -> dict[str, np.ndarray]:
    """Zoning and counts with defaults where the map has none; says in `notes` what was assumed."""
    filled: dict[str, np.ndarray] = {}
    for name, defaults in (("floor_area_ratio", DEFAULT_FLOOR_AREA_RATIO), ("coverage", DEFAULT_COVERAGE)):
        by_use = np.array([defaults[use] for use in LAND_USES])[uses]
        values = given[name]
        missing = np.ones(len(uses), dtype=bool) if values is None else np.isnan(values)
        filled[name] = by_use if values is None else np.where(missing, by_use, values)
        if missing.any():
            notes.append(f"{name} of {missing.sum()} zones assumed from their land use")
    for name in COUNT_COLUMNS:
        values = given[name]
        filled[name] = np.zeros(len(uses), dtype=np.int64) if values is None else np.nan_to_num(values, nan=0.0).astype(np.int64)
    existing, planned = filled["dwellings_existing"], filled["dwellings_planned"]
    if all(given[name] is None for name in ("dwellings_existing", "dwellings_planned", "residents_existing")):
        room = np.floor(capacity.dwellings(area, filled["floor_area_ratio"], uses)).astype(np.int64)
        filled["dwellings_planned"] = np.where(outside, 0, room)
        notes.append(f"dwellings_planned derived: area × floor_area_ratio × residential share ÷ {capacity.m2_per_dwelling:g} m2 a dwelling")
    elif (less := planned < existing).any():
        filled["dwellings_planned"] = np.maximum(planned, existing)
        notes.append(f"dwellings_planned of {less.sum()} zones was below dwellings_existing (or missing): raised to it")
    return filled


def valid(geometry: np.ndarray) -> np.ndarray:
    """The geometries made valid again where carrying them into another coordinate reference system bent a border across another."""
    bad = ~shapely.is_valid(geometry)
    if bad.any():
        geometry = geometry.copy()
        geometry[bad] = [make_polygonal(shape) or shape for shape in geometry[bad]]
    return geometry


def overlaps(geometry: np.ndarray, crs: str, metric: str, threshold_m2: float) -> list[tuple[int, int, float]]:
    """Pairs of rows (i < j) whose common area is above the threshold, in order: found in the map's coordinates, measured in metres."""
    left, right = shapely.STRtree(geometry).query(geometry, predicate="intersects")
    left, right = left[left < right], right[left < right]
    if not len(left):
        return []
    shared = shapely.area(to_crs(shapely.intersection(geometry[left], geometry[right]), crs, metric))
    over = np.flatnonzero(shared > threshold_m2)
    return sorted((int(left[k]), int(right[k]), float(shared[k])) for k in over)
