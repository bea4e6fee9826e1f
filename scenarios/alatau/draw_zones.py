"""Draws the schematic zoning map of Alatau City: four districts, twelve settlements, two outside cities -> zones.geojson.

Run by hand (`python draw_zones.py [file]`); the map beside it is its output, byte for byte. No official geometry is public as data, so
this is a drawing from descriptions: the highway's known ends, the two rivers that bound Golden, the reservoir shore, and the areas
and plans listed in SOURCES.md. It knows no true borders, and the places of eleven settlements are assumed.

The drawing is made in a straightened frame: `v` metres east of the highway, `u` metres north of the southern edge. Moving each point
by the highway's bend (a shear) gives EPSG:32643 without changing areas.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import shapely
from pyproj import Transformer
from shapely import MultiPoint, Point, Polygon

HERE = Path(__file__).resolve().parent
TO_METRES = Transformer.from_crs("EPSG:4326", "EPSG:32643", always_xy=True)
TO_DEGREES = Transformer.from_crs("EPSG:32643", "EPSG:4326", always_xy=True)

# The Almaty-Konaev highway (A3), schematic: longitude, latitude from the southern edge at Otegen Batyr to the edge of Konaev.
HIGHWAY = ((77.02, 43.405), (77.035, 43.48), (77.06, 43.56), (77.085, 43.65), (77.095, 43.73), (77.085, 43.80), (77.068, 43.878))
ALMATY, KONAEV = (76.94578, 43.238949), (77.0678, 43.8778)
AIR_BASE = (77.1168, 43.733)

HA = 10_000.0
CITY_HA = 88_000.0
# Gate: press. Green: assumed equal to the land that came from Konaev. Golden and Growing: assumed, together they close the sum.
DISTRICT_HA = {"gate": 4_000.0, "golden": 26_000.0, "growing": 47_038.0, "green": 10_962.0}
ZONES = {"gate": 23, "golden": 32, "growing": 36, "green": 17}  # before the settlements are cut out
ROWS = {"gate": 6, "golden": 6, "growing": 7, "green": 3}
# Homes and jobs at full build-out. Gate and the sums: press; the split of the other three districts is assumed.
DWELLINGS = {"gate": 65_000, "golden": 275_000, "growing": 165_000, "green": 45_000}
JOBS = {"gate": 181_000, "golden": 390_000, "growing": 354_000, "green": 75_000}
HOUSEHOLD = 3.4
DWELLING_M2 = 100.3  # 29.5 m2 a resident x 3.4
GATE_RESIDENTS = 15_000
RESIDENTS = 54_747
RESIDENTS_PLANNED = 1_870_000
VACANT_SHARE = 0.03  # of today's homes; assumed, so that somebody can move
# Jobs today, all assumed (SOURCES.md says why): the total, and where those are that do not serve the people next door.
JOBS_TODAY = 13_800
JOBS_AT = {
    "Gate food and industry park": 1_000, "Zhetygen railway logistics park": 700, "Growing industrial park": 300, "Zhetygen air base": 400,
}  # fmt: skip
FARM_JOBS = 1_800  # on farmland, by area
# Jobs in the two cities outside that are held by people of Almaty region, today and in 2050; assumed (SOURCES.md says why).
JOBS_OUTSIDE = {"Almaty": 300_000, "Konaev": 20_000}

# How far the city reaches west and east of the highway, by distance along it (km).
REACH_KM = (
    (0.0, 2.2, 2.3), (3.0, 2.6, 2.8), (6.5, 2.8, 3.1), (8.5, 4.2, 6.0), (11.0, 6.0, 9.5), (15.0, 7.6, 11.2), (22.0, 8.8, 11.6),
    (30.0, 9.6, 11.4), (38.0, 9.2, 12.6), (44.0, 7.8, 14.4), (52.0, 6.6, 15.5),
)  # fmt: skip
# Where the city ends in the north: fields west of Konaev, the reservoir's shore east of it (km east of the highway, km along it).
NORTH_KM = ((-14, 43.0), (-8, 45.6), (-3, 47.6), (0, 49.0), (2.2, 50.2), (5, 49.4), (9, 47.9), (13, 45.8), (20, 42.4))


@dataclass(frozen=True)
class Settlement:
    """One of the twelve: district, where in it (t along it 0 … 1, s across -1 … 1), people today, radius of the drawn place."""

    name: str
    district: str
    t: float
    s: float
    residents: int
    radius_m: float


# People: Zhetygen over 25,000 and Gate about 15,000 (press); everything else is assumed and closes the sum.
SETTLEMENTS = (
    Settlement("Koyankus", "gate", 0.35, 0.45, 5_200, 640),
    Settlement("Yntymak", "gate", 0.6, -0.5, 4_400, 600),
    Settlement("Zhanatalap", "golden", 0.3, -0.3, 1_700, 800),
    Settlement("Zhanadaur", "golden", 0.4, 0.25, 2_000, 800),
    Settlement("Kairat", "golden", 0.3, 0.62, 2_000, 800),
    Settlement("Daulet", "golden", 0.65, 0.6, 1_500, 750),
    Settlement("Enbek", "growing", 0.2, -0.35, 1_700, 800),
    Settlement("Zhetygen", "growing", 0.55, 0.25, 25_200, 2_000),
    Settlement("Zhanaarna", "growing", 0.7, -0.3, 1_600, 800),
    Settlement("Kuigan", "growing", 0.75, 0.6, 1_100, 750),
    Settlement("Arna", "green", 0.35, 0.2, 1_500, 650),
    Settlement("Zarechnoye", "green", 0.5, -0.35, 1_000, 600),
)

# Land use by the nearest of these anchors (use, t along the district, s across it); all assumed from each district's purpose.
ANCHORS: dict[str, tuple[tuple[str, float, float], ...]] = {
    "gate": (
        ("mixed", 0.05, 0), ("business", 0.3, 0), ("business", 0.6, 0), ("business", 0.85, 0.05), ("mixed", 0.4, -0.4), ("mixed", 0.7, 0.4),
        ("residential", 0.15, -0.7), ("residential", 0.55, -0.8), ("residential", 0.5, 0.75), ("residential", 0.85, 0.75),
        ("recreation", 0.95, -0.7),
    ),
    "golden": (
        ("mixed", 0.08, 0), ("education", 0.35, -0.05), ("mixed", 0.55, -0.2), ("mixed", 0.6, 0.2), ("mixed", 0.9, 0),
        ("residential", 0.12, -0.45), ("residential", 0.1, 0.45), ("residential", 0.4, -0.5), ("residential", 0.35, 0.5),
        ("residential", 0.7, -0.45), ("residential", 0.7, 0.5), ("residential", 0.9, 0.4), ("recreation", 0.95, -0.65),
        ("agriculture", 0.4, 0.92), ("agriculture", 0.75, 0.95), ("agriculture", 0.3, -0.92), ("agriculture", 0.65, -0.95),
        ("recreation", 0.05, 0.85),
    ),
    "growing": (
        ("mixed", 0.06, 0), ("logistics", 0.3, 0.02), ("industry", 0.35, 0.35), ("logistics", 0.5, 0.0), ("industry", 0.75, 0.4),
        ("industry", 0.45, -0.35), ("mixed", 0.7, 0), ("residential", 0.1, -0.35), ("residential", 0.1, 0.35),
        ("residential", 0.75, -0.35), ("residential", 0.93, 0.3), ("mixed", 0.95, 0), ("residential", 0.55, 0.5),
        ("agriculture", 0.15, 0.85), ("agriculture", 0.45, 0.9), ("agriculture", 0.2, -0.85), ("agriculture", 0.5, -0.85),
        ("open", 0.85, 0.9), ("open", 0.85, -0.85), ("agriculture", 0.7, 0.85),
    ),
    "green": (
        ("residential", 0.2, 0), ("residential", 0.2, 0.45), ("mixed", 0.6, 0.05), ("recreation", 0.85, 0.3), ("recreation", 0.7, 0.6),
        ("recreation", 0.6, -0.35), ("open", 0.5, 0.92), ("agriculture", 0.3, -0.8), ("residential", 0.25, -0.35),
        ("open", 0.15, 0.8),
    ),
}  # fmt: skip
# Named zones: the nearest free zone takes the name and the use. The projects are in projects lists of the press; the places are assumed.
NAMED = (
    ("gate", 0.1, 0.7, "industry", "Gate food and industry park"),
    ("gate", 0.75, -0.45, "education", "Gate schools campus"),
    ("golden", 0.3, 0.0, "education", "Academic town"),
    ("golden", 0.5, 0.05, "education", "International education centre"),
    ("golden", 0.72, 0.08, "health", "Medical cluster"),
    ("golden", 0.5, -0.12, "business", "K-Park"),
    ("growing", 0.6, -0.02, "infrastructure", "Zhetygen air base"),
    ("growing", 0.42, 0.3, "logistics", "Zhetygen railway logistics park"),
    ("growing", 0.3, -0.12, "industry", "Growing industrial park"),
    ("green", 0.85, 0.12, "business", "Green resort and casino quarter"),
    ("green", 0.8, 0.4, "recreation", "Green aquapark and golf"),
    ("green", 0.5, 0.6, "recreation", "Green race track reserve"),
)
# Relative floor space for homes and for jobs, gross m2 a job, mean storeys: all assumed, but for Gate's offices 3.6 m m2 / 181,000 jobs.
USES = {
    "residential": (1.0, 0.12, 30, 6), "mixed": (1.3, 1.0, 25, 8), "business": (0.0, 3.0, 19.9, 12), "industry": (0.0, 0.8, 60, 1.2),
    "logistics": (0.0, 0.5, 90, 1.2), "education": (0.0, 0.8, 40, 4), "health": (0.0, 1.0, 45, 5), "recreation": (0.0, 0.15, 40, 2),
    "agriculture": (0.0, 0.02, 60, 1), "infrastructure": (0.0, 0.2, 90, 1.2), "open": (0.0, 0.002, 40, 1),
}  # fmt: skip
HOMES_SHARE = {"residential": 0.9, "mixed": 0.5}  # of a zone's floor space, as zoning is read in the model; nothing elsewhere

Curve = Callable[[np.ndarray], np.ndarray]


@dataclass
class Zone:
    """A piece of the map: its shape in the straightened frame and what is known of it."""

    district: str
    shape: Polygon
    settlement: str = ""
    name: str = ""
    use: str = ""
    residents: int = 0
    dwellings: int = 0
    planned: int = 0
    residents_planned: int = 0
    jobs_today: int = 0
    jobs: int = 0


def main(path: Path) -> None:
    """Draw the map and write it to `path`."""
    zones = draw()
    give_uses(zones)
    give_people(zones)
    give_jobs(zones)
    give_plans(zones)
    path.write_text(as_geojson(zones), encoding="utf-8", newline="\n")


# --- the frame -----------------------------------------------------------------------------------------------------------------------


def highway_bend() -> tuple[np.ndarray, float]:
    """The highway as a polynomial x(y - y0) in EPSG:32643, and y0."""
    points = np.array([TO_METRES.transform(*p) for p in HIGHWAY])
    y0 = float(points[0, 1])
    return np.polyfit((points[:, 1] - y0) / 1e4, points[:, 0], 4), y0


BEND, Y0 = highway_bend()


def to_metres(vu: np.ndarray) -> np.ndarray:
    """Points of the straightened frame, shape (n, 2), in EPSG:32643 on a grid of whole metres."""
    return np.round(np.column_stack([np.polyval(BEND, vu[:, 1] / 1e4) + vu[:, 0], vu[:, 1] + Y0]))


def from_degrees(lon: float, lat: float) -> tuple[float, float]:
    """A place's (v, u) in the straightened frame."""
    x, y = TO_METRES.transform(lon, lat)
    return float(x - np.polyval(BEND, (y - Y0) / 1e4)), float(y - Y0)


def bisect(area_of: Callable[[float], float], target: float, low: float, high: float) -> float:
    """The value between `low` and `high` at which the growing function `area_of` reaches `target`."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if area_of(middle) < target else (low, middle)
    return (low + high) / 2


# --- outline and districts -----------------------------------------------------------------------------------------------------------


def north(v: np.ndarray) -> np.ndarray:
    """The northern edge, with the small bays of a shore."""
    k, u = np.array(NORTH_KM).T
    return 1e3 * np.interp(v / 1e3, k, u) + 170 * np.sin(v / 900) + 110 * np.sin(v / 410 + 1)


def malaya_almatinka(v: np.ndarray) -> np.ndarray:
    """The river between Gate and Golden (shape only: it is moved until Gate has its area)."""
    return 0.18 * v + 160 * np.sin(v / 1100) + 70 * np.sin(v / 450)


def kaskelen(v: np.ndarray) -> np.ndarray:
    """The river between Golden and Growing (shape only: it is moved until Golden has its area)."""
    return -0.16 * v + 420 * np.sin(v / 2600) + 150 * np.sin(v / 900 + 2)


def behind_shore(v: np.ndarray) -> np.ndarray:
    """The line between Growing and Green: follows the northern edge at a distance."""
    k, u = np.array(NORTH_KM).T
    return 1e3 * np.interp(v / 1e3, k, np.convolve(np.pad(u, 1, "edge"), [0.25, 0.5, 0.25], "valid")) + 200 * np.sin(v / 2300)


def reach(u: np.ndarray, stretch: float) -> tuple[np.ndarray, np.ndarray]:
    """How far the city reaches west and east of the highway at `u`, in metres; `stretch` widens all but the narrow south."""
    k, west, east = np.array(REACH_KM).T
    widen = 1 + (stretch - 1) * np.clip((u / 1e3 - 6.5) / 3, 0, 1)
    left = np.interp(u / 1e3, k, west) * 1e3 + 130 * np.sin(u / 1500)
    right = np.interp(u / 1e3, k, east) * 1e3 + 150 * np.sin(u / 1900 + 1)
    return widen * left, widen * right


def below(curve: Curve, at: float) -> Polygon:
    """Everything south of a curve moved north by `at` metres."""
    v = np.arange(-40e3, 40e3 + 1, 250.0)
    return Polygon([(-40e3, -40e3), *zip(v.tolist(), (curve(v) + at).tolist(), strict=True), (40e3, -40e3)])


def outline(stretch: float) -> Polygon:
    """The city's edge, kept clear of Konaev."""
    u = np.arange(0, 52e3 + 1, 250.0)
    west, east = reach(u, stretch)
    sides = Polygon([*zip(east.tolist(), u.tolist(), strict=True), *zip((-west[::-1]).tolist(), u[::-1].tolist(), strict=True)])
    return largest(sides.intersection(below(north, 0)).difference(Point(from_degrees(*KONAEV)).buffer(2_750)))


@cache
def districts() -> tuple[dict[str, Polygon], dict[str, tuple[Curve, Curve]], float]:
    """The four districts cut from the outline at their areas, their southern and northern curves, and the outline's stretch."""
    stretch = bisect(lambda k: outline(k).area, CITY_HA * HA, 0.5, 2.0)
    city = outline(stretch)
    gate_ha, golden_ha, growing_ha = (DISTRICT_HA[name] for name in ("gate", "golden", "growing"))
    lines: list[tuple[Curve, float]] = []
    for curve, ha in ((malaya_almatinka, gate_ha), (kaskelen, gate_ha + golden_ha), (behind_shore, gate_ha + golden_ha + growing_ha)):
        lines.append((curve, bisect(lambda at, c=curve: city.intersection(below(c, at)).area, ha * HA, -50e3, 60e3)))  # type: ignore[misc]
    moved = [lambda v, c=c, at=at: c(v) + at for c, at in lines]
    curves: list[Curve] = [lambda v: np.zeros_like(v), *moved, north]
    souths = [below(c, at) for c, at in lines]
    pieces = [
        largest(city.intersection(souths[0])),
        largest(city.intersection(souths[1]).difference(souths[0])),
        largest(city.intersection(souths[2]).difference(souths[1])),
        largest(city.difference(souths[2])),
    ]
    return dict(zip(DISTRICT_HA, pieces, strict=True)), dict(zip(DISTRICT_HA, zip(curves, curves[1:], strict=False), strict=True)), stretch


# --- zones ---------------------------------------------------------------------------------------------------------------------------


def place(t: float, s: float, curves: tuple[Curve, Curve], stretch: float) -> tuple[float, float]:
    """The (v, u) of a place given by its share along (t) and across (s) its district."""
    u = v = 0.0
    for _ in range(20):  # the reach depends on u, and u on v through the sloping edges: a few rounds settle it
        edges = [float(curve(np.array([v]))[0]) for curve in curves]
        u = edges[0] + t * (edges[1] - edges[0])
        west, east = reach(np.array([u]), stretch)
        v = float(s * (east[0] if s > 0 else west[0]))
    return v, u


def seeds(name: str, curves: tuple[Curve, Curve], stretch: float) -> list[tuple[float, float]]:
    """Centres of a district's zones: rows across the highway, staggered, closer together near it."""
    rows = ROWS[name]
    counts = [ZONES[name] * (row + 1) // rows - ZONES[name] * row // rows for row in range(rows)]
    found = []
    for row, count in enumerate(counts):
        for column in range(count):
            s = (column + 0.5 + (0.2 if row % 2 else -0.2)) / count * 2 - 1
            found.append(place((row + 0.5) / rows, math.copysign(abs(s) ** 1.15, s), curves, stretch))
    return found


def cells(district: Polygon, centres: list[tuple[float, float]]) -> list[Polygon]:
    """The district cut into Voronoi cells of the centres, evened out by one round of moving each centre to its cell's middle."""
    found: list[Polygon] = []
    for _ in range(2):
        raw = shapely.voronoi_polygons(MultiPoint(centres), extend_to=district.buffer(20e3).envelope)
        found = [largest(cell.intersection(district)) for cell in shapely.get_parts(raw)]
        centres = sorted((c.centroid.x, c.centroid.y) for c in found)
    return found


def largest(shape: shapely.Geometry) -> Polygon:
    """The largest polygon of a shape that an edge may have cut into several."""
    parts = [part for part in shapely.get_parts(shape) if isinstance(part, Polygon)]
    return max(parts, key=lambda part: part.area)


def draw() -> list[Zone]:
    """All zones inside the city: Voronoi cells of each district with the settlements cut out, as one coverage without gaps."""
    shapes, curves, stretch = districts()
    lines: list[shapely.Geometry] = []
    towns: list[tuple[Settlement, Polygon]] = []
    for name, district in shapes.items():
        found = cells(district, seeds(name, curves[name], stretch))
        inner = [corner for corner in corners(found) if district.exterior.distance(Point(corner)) > 700]
        circles = []
        for town in (t for t in SETTLEMENTS if t.district == name):
            wanted = place(town.t, town.s, curves[name], stretch)
            centre = min(inner, key=lambda c: math.dist(c, wanted))  # a corner of zones: no zone is cut in two or holed
            circles.append(octagon(centre, town.radius_m))
            towns.append((town, circles[-1]))
        edges = shapely.union_all([cell.exterior for cell in found]).difference(shapely.union_all(circles))
        lines += [edges, district.exterior, shapely.union_all([c.exterior for c in circles]).intersection(district)]
        lines += [middle_line(c) for (town, c) in towns if town.name == "Zhetygen" and town.district == name]
    noded = shapely.union_all(lines, grid_size=1.0)
    zones = []
    for shape in (part for part in shapely.get_parts(shapely.polygonize([noded])) if isinstance(part, Polygon)):
        inside = shape.representative_point()
        home = next((town.name for town, circle in towns if circle.contains(inside)), "")
        zones.append(Zone(next(n for n, d in shapes.items() if d.contains(inside)), shape, settlement=home))
    order = list(DISTRICT_HA)
    return sorted(zones, key=lambda z: (order.index(z.district), round(z.shape.centroid.y), round(z.shape.centroid.x)))


def corners(found: Sequence[Polygon]) -> list[tuple[float, float]]:
    """Points where three cells meet, from south to north."""
    counts: dict[tuple[int, int], int] = {}
    for cell in found:
        for x, y in set(cell.exterior.coords):
            key = round(x), round(y)
            counts[key] = counts.get(key, 0) + 1
    return sorted((float(x), float(y)) for (x, y), n in counts.items() if n >= 3)


def octagon(centre: tuple[float, float], radius: float) -> Polygon:
    """A regular octagon."""
    turns = [math.pi / 4 * (k + 0.5) for k in range(8)]
    return Polygon([(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in turns])


def middle_line(shape: Polygon) -> shapely.LineString:
    """The west-east line through a shape's middle: Zhetygen is drawn as a southern and a northern half."""
    left, _, right, _ = shape.bounds
    return shapely.LineString([(left, shape.centroid.y), (right, shape.centroid.y)])


# --- what the zones hold -------------------------------------------------------------------------------------------------------------


def give_uses(zones: list[Zone]) -> None:
    """Land use and names: settlements are residential, named projects take the nearest zone, the rest its nearest anchor."""
    _, curves, stretch = districts()
    air_base = from_degrees(*AIR_BASE)
    for zone in (z for z in zones if z.settlement):
        zone.use, zone.name = "residential", zone.settlement
    halves = [z for z in zones if z.settlement == "Zhetygen"]
    for zone, half in zip(halves, ("south", "north"), strict=True):
        zone.name = f"Zhetygen {half}"
    for district, t, s, use, name in NAMED:
        at = air_base if "air base" in name else place(t, s, curves[district], stretch)
        free = [z for z in zones if z.district == district and not z.name]
        nearest = min(free, key=lambda z: z.shape.distance(Point(at)) * 1e3 + math.dist(z.shape.centroid.coords[0], at))
        nearest.use, nearest.name = use, name
    counts: dict[str, int] = {}
    for zone in (z for z in zones if not z.name):
        centre = zone.shape.centroid.coords[0]
        spots = [(use, place(t, s, curves[zone.district], stretch)) for use, t, s in ANCHORS[zone.district]]
        zone.use = min(spots, key=lambda spot: math.dist(spot[1], centre))[0]
        label = f"{zone.district.capitalize()} {zone.use}"
        counts[label] = counts.get(label, 0) + 1
        zone.name = f"{label} {counts[label]}"


def share_out(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to the weights that sum to `total`: the largest remainders get the rest."""
    exact = [total * w / sum(weights) for w in weights]
    whole = [math.floor(x) for x in exact]
    by_rest = sorted(range(len(exact)), key=lambda i: (whole[i] - exact[i], i))
    for i in by_rest[: total - sum(whole)]:
        whole[i] += 1
    return whole


def give_people(zones: list[Zone]) -> None:
    """Today's residents and homes: the settlements, then scattered dacha dwellers in the other residential and mixed zones."""
    for town in SETTLEMENTS:
        parts = [z for z in zones if z.settlement == town.name]
        for zone, people in zip(parts, share_out(town.residents, [z.shape.area for z in parts]), strict=True):
            zone.residents = people
    in_gate = sum(t.residents for t in SETTLEMENTS if t.district == "gate")
    scattered = {"gate": GATE_RESIDENTS - in_gate}
    scattered["golden"] = RESIDENTS - sum(t.residents for t in SETTLEMENTS) - scattered["gate"]
    for district, total in scattered.items():
        homes = [z for z in zones if z.district == district and not z.settlement and z.use in ("residential", "mixed")]
        for zone, people in zip(homes, share_out(total, [z.shape.area for z in homes]), strict=True):
            zone.residents = people
    for zone in zones:
        zone.dwellings = math.ceil(zone.residents / HOUSEHOLD / (1 - VACANT_SHARE))


def give_jobs(zones: list[Zone]) -> None:
    """Today's jobs: the known sites, farms by area, and all others where people live: shops, schools, clinics, yards and workshops."""
    for zone in zones:
        zone.jobs_today = JOBS_AT.get(zone.name, 0)
    near_people = JOBS_TODAY - sum(JOBS_AT.values()) - FARM_JOBS
    farms = share_out(FARM_JOBS, [z.shape.area * (z.use == "agriculture") for z in zones])
    others = share_out(near_people, [z.residents for z in zones])
    for zone, farm, other in zip(zones, farms, others, strict=True):
        zone.jobs_today += farm + other


def give_plans(zones: list[Zone]) -> None:
    """Homes, jobs and people at full build-out: each district's total by use and area, denser near the highway; today's stay."""
    for district in DISTRICT_HA:
        inside = [z for z in zones if z.district == district]
        near = [math.exp(-abs(z.shape.centroid.x) / 6e3) * z.shape.area for z in inside]
        new = DWELLINGS[district] - sum(z.dwellings for z in inside)
        homes = share_out(new, [w * USES[z.use][0] for z, w in zip(inside, near, strict=True)])
        new_jobs = JOBS[district] - sum(z.jobs_today for z in inside)
        jobs = share_out(new_jobs, [w * USES[z.use][1] for z, w in zip(inside, near, strict=True)])
        for zone, added, posts in zip(inside, homes, jobs, strict=True):
            zone.planned, zone.jobs = zone.dwellings + added, zone.jobs_today + posts
    for zone, people in zip(zones, share_out(RESIDENTS_PLANNED, [z.planned for z in zones]), strict=True):
        zone.residents_planned = people


# --- writing -------------------------------------------------------------------------------------------------------------------------


def floor_area_ratio(zone: Zone, area_m2: float) -> float:
    """The plan's gross floor space and a fifth more, over the whole zone; at least so that homes and jobs each fit into their share."""
    homes_m2, jobs_m2 = zone.planned * DWELLING_M2, zone.jobs * USES[zone.use][2]
    share = HOMES_SHARE.get(zone.use, 0.0)
    needed = max(homes_m2 / share if share else 0.0, jobs_m2 / (1 - share))
    return max(0.005, 1.2 * (homes_m2 + jobs_m2) / area_m2, 1.05 * needed / area_m2)  # open land keeps a minimum


def features(zones: list[Zone]) -> list[tuple[dict[str, object], Polygon]]:
    """Each zone's columns (the standard ones and residents_planned) and its polygon in EPSG:32643, then the two outside cities."""
    found = []
    for district in DISTRICT_HA:
        for number, zone in enumerate((z for z in zones if z.district == district), 1):
            shape = shapely.transform(zone.shape, to_metres)
            storeys, ratio = USES[zone.use][3], floor_area_ratio(zone, shape.area)
            columns = {
                "zone": f"{district}-{number:02d}", "name": zone.name, "district": district, "settlement": zone.settlement,
                "land_use": zone.use, "floor_area_ratio": round(ratio, 3), "coverage": round(ratio / storeys, 4),
                "dwellings_existing": zone.dwellings, "dwellings_planned": zone.planned, "residents_existing": zone.residents,
                "residents_planned": zone.residents_planned, "jobs_existing": zone.jobs_today, "jobs_planned": zone.jobs, "outside": False,
            }  # fmt: skip
            found.append((columns, shape))
    for name, at, radius in (("Almaty", ALMATY, 10_500.0), ("Konaev", KONAEV, 2_600.0)):
        columns = {
            "zone": name.lower(), "name": name, "district": "", "settlement": "", "land_use": "mixed", "floor_area_ratio": 0.0,
            "coverage": 0.0, "dwellings_existing": 0, "dwellings_planned": 0, "residents_existing": 0, "residents_planned": 0,
            "jobs_existing": JOBS_OUTSIDE[name], "jobs_planned": JOBS_OUTSIDE[name], "outside": True,
        }  # fmt: skip
        x, y = TO_METRES.transform(*at)
        found.append((columns, shapely.set_precision(octagon((x, y), radius), 1.0)))
    return found


def as_geojson(zones: list[Zone]) -> str:
    """The map as GeoJSON in WGS 84: one feature a line, coordinates with six decimals (a tenth of a metre)."""
    head = {
        "type": "FeatureCollection",
        "name": "alatau_zones",
        "description": "Schematic map of Alatau City, drawn from published descriptions; not official borders. See SOURCES.md.",
    }
    lines = []
    for columns, shape in features(zones):
        ring = shapely.normalize(shape).exterior.coords
        degrees = [[round(value, 6) for value in TO_DEGREES.transform(x, y)] for x, y in ring][::-1]
        geometry = {"type": "Polygon", "coordinates": [degrees]}
        lines.append(json.dumps({"type": "Feature", "properties": columns, "geometry": geometry}, ensure_ascii=False))
    return json.dumps(head)[:-1] + ', "features": [\n' + ",\n".join(lines) + "\n]}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "zones.geojson")
