"""Writes the infrastructure of the city of 1.87 million people: sectors, substations and lines -> full_size_*.csv.

Run by hand (`python make_full_size.py [folder]`); the files beside it are its output, byte for byte. The inputs are the plan on the map
(`zones.geojson`) and the sectors of today (`sectors.csv`). No plan of the networks is public: what is written is sized so that the city
can run, by the rules below, which are assumed. It knows no streets.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from pyproj import Transformer
from shapely import Polygon

HERE = Path(__file__).resolve().parent
TO_METRES = Transformer.from_crs("EPSG:4326", "EPSG:32643", always_xy=True)
TO_DEGREES = Transformer.from_crs("EPSG:32643", "EPSG:4326", always_xy=True)
Point = tuple[float, float]

# Shares of the jobs of a large city: more industry, logistics and offices than in the villages, hardly any farming; assumed.
JOBS_SHARE = {
    "agriculture": 0.01, "industry": 0.17, "utilities": 0.015, "construction": 0.07, "trade": 0.12, "transport": 0.14, "hospitality": 0.04,
    "it": 0.05, "finance": 0.04, "real_estate": 0.02, "professional": 0.1, "public": 0.04, "education": 0.09, "health": 0.065,
    "other_services": 0.03,
}  # fmt: skip
# What residents spend, and what a job then takes in a month: the purchases of today's people a head, over the jobs of the plan.
PURCHASES = {"trade": (0.8, 1_370_000), "hospitality": (0.1, 510_000), "other_services": (0.1, 680_000)}

# Kilowatts on a cold working day of January, at noon and in the evening: a home; a job by land use, as the model gives them.
HOME_KW = (0.65, 1.0)
JOB_KW = {
    "residential": (0.78, 0.66), "mixed": (0.68, 0.55), "business": (0.67, 0.55), "industry": (1.02, 0.98), "logistics": (1.0, 0.96),
    "education": (0.74, 0.57), "health": (0.87, 0.78), "recreation": (0.8, 0.74), "agriculture": (0.85, 0.76),
    "infrastructure": (0.8, 0.74), "open": (0.9, 0.82),
}  # fmt: skip
RESERVE = 1.3
SITES_APART_M, SITE_FROM_MW = 2_600, 6
CAPACITY_STEP_MW = 5

BAND_M, FAR_M = 2_600.0, 6_000.0  # a row of zones, from west to east, is as high; the trunk's stops are not as far apart
BUSY = 1_500  # planned people and jobs from which a zone has a stop
DETOUR, SLACK, REST_MIN = 1.3, 1.15, 10  # way over straight distance; time with stops over that in motion; rest at the two ends
SPARE = 1.6  # vehicles over what the headway needs: traffic, and long stops at busy places
# Riders past the busiest stop in the busiest hour, as the model gives them when there is room for all (SOURCES.md).
RIDERS = {
    "T1": 22_000, "T2": 28_000, "T3": 9_200, "W": 7_900, "E": 6_300, "R01": 4_400, "R02": 4_400, "R03": 2_300, "R04": 2_600, "R05": 4_000,
    "R06": 5_100, "R07": 8_700, "R08": 5_300, "R09": 1_600, "R10": 100, "R11": 1_900, "R12": 1_100, "R13": 3_100, "R14": 1_500,
    "R15": 1_700, "R16": 2_000, "R17": 450, "R18": 4_500, "R19": 550,
}  # fmt: skip
VEHICLES = (100, 160, 250, 400, 600, 1_200, 2_000)  # buses of 12, 18 and 25 m, one and two light rail sets, trains of 5 and 8 cars
FILLED, MOST_AN_HOUR, LONGEST_MIN = 0.85, 16, 8


@dataclass(frozen=True)
class Zone:
    """A zone of the plan: centre in EPSG:32643, people, homes and jobs at full build-out."""

    zone: str
    district: str
    use: str
    at: Point
    people: int
    homes: int
    jobs: int

    @property
    def load_mw(self) -> float:
        """Electricity on a cold day, when it is most."""
        return max(self.homes * home + self.jobs * job for home, job in zip(HOME_KW, JOB_KW[self.use], strict=True)) / 1000

    @property
    def weight(self) -> int:
        """People who live or work here."""
        return self.people + self.jobs


def main(folder: Path) -> None:
    """Write the three files into `folder`."""
    zones = read_zones()
    write(folder / "full_size_sectors.csv", sectors())
    write(folder / "full_size_substations.csv", substations(zones))
    write(folder / "full_size_lines.csv", lines(zones))


def read_zones() -> dict[str, Zone]:
    """The zones of the map by id, the outside cities with them."""
    found = {}
    for feature in json.loads((HERE / "zones.geojson").read_text(encoding="utf-8"))["features"]:
        columns = feature["properties"]
        middle = shapely.transform(Polygon(feature["geometry"]["coordinates"][0]), to_metres).centroid
        plan = (columns[name] for name in ("residents_planned", "dwellings_planned", "jobs_planned"))
        found[columns["zone"]] = Zone(columns["zone"], columns["district"], columns["land_use"], (middle.x, middle.y), *plan)
    return found


def to_metres(points: np.ndarray) -> np.ndarray:
    """Degrees, shape (n, 2), in EPSG:32643."""
    return np.column_stack(TO_METRES.transform(points[:, 0], points[:, 1]))


def sectors() -> list[dict[str, object]]:
    """The sectors of today with the shares of jobs and purchases of a large city."""
    with (HERE / "sectors.csv").open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, object]] = [dict(row) for row in csv.DictReader(file)]
    for row in rows:
        name = str(row["sector"])
        row["jobs_share"] = JOBS_SHARE[name]
        if name in PURCHASES:
            row["purchase_share"], row["revenue_per_job_kzt"] = PURCHASES[name]
        row["confidence"] = "assumed; all but the shares of jobs and purchases as in sectors.csv"
        row["source"], row["note"] = "not found; see SOURCES.md", ""
    return rows


def substations(zones: dict[str, Zone]) -> list[dict[str, object]]:
    """In the middle of zones with a heavy load, apart from each other; the capacity is what the nearest zones want and a reserve."""
    inside = sorted((zone for zone in zones.values() if zone.district), key=lambda z: (-z.load_mw, z.zone))
    sites: list[Zone] = []
    for zone in inside:
        if zone.load_mw >= SITE_FROM_MW and all(math.dist(zone.at, site.at) > SITES_APART_M for site in sites):
            sites.append(zone)
    load = dict.fromkeys((site.zone for site in sites), 0.0)
    for zone in inside:
        load[min(sites, key=lambda site: math.dist(site.at, zone.at)).zone] += zone.load_mw
    rows = []
    for site in sorted(sites, key=lambda z: z.zone):
        lon, lat = TO_DEGREES.transform(*site.at)
        rows.append({
            "substation": f"{site.zone}-substation", "name": f"Substation {site.zone}", "lon": round(lon, 4), "lat": round(lat, 4),
            "capacity_mw": CAPACITY_STEP_MW * math.ceil(RESERVE * load[site.zone] / CAPACITY_STEP_MW), "district": site.district,
            "unit": "MW; degrees", "confidence": "assumed", "source": "not found; sized from the plan, see SOURCES.md",
        })  # fmt: skip
    return rows


def lines(zones: dict[str, Zone]) -> list[dict[str, object]]:
    """A trunk through the middle of all bands, expresses at both ends, a line beside it on either side, and a row in each band."""
    bands = into_bands([zone for zone in zones.values() if zone.district and zone.weight >= BUSY])
    middles = trunk(bands)
    west, east = beside(bands, middles, -1), beside(bands, middles, 1)
    half = len(middles) // 2
    rows = [
        line(zones, "T1", "Trunk Almaty - Konaev", ["almaty", *(z.zone for z in middles), "konaev"], 38),
        line(zones, "T2", "Express from Almaty", ["almaty", *(z.zone for z in middles[1 : half + 2 : 2])], 55),
        line(zones, "T3", "Express from Konaev", ["konaev", *(z.zone for z in middles[: half - 2 : -2])], 55),
        line(zones, "W", "West of the trunk", [z.zone for z in west], 30),
        line(zones, "E", "East of the trunk", [z.zone for z in east], 30),
    ]
    for number, band in enumerate(bands, 1):
        if f"R{number:02d}" in RIDERS:
            rows.append(line(zones, f"R{number:02d}", f"Row {number}", [z.zone for z in band], 22))
    return rows


def service(riders: int) -> tuple[int, float]:
    """(capacity, minutes between departures in the peak) for so many riders an hour: the smallest vehicles that need not come too often."""
    for capacity in VEHICLES:
        an_hour = riders / (FILLED * capacity)
        if an_hour <= MOST_AN_HOUR:
            break
    return capacity, min(LONGEST_MIN, math.floor(120 / an_hour) / 2)


def into_bands(zones: list[Zone]) -> list[list[Zone]]:
    """Zones in bands from south to north, each from west to east."""
    south = min(zone.at[1] for zone in zones)
    bands: dict[int, list[Zone]] = {}
    for zone in zones:
        bands.setdefault(int((zone.at[1] - south) // BAND_M), []).append(zone)
    return [sorted(bands[number], key=lambda z: z.at[0]) for number in sorted(bands)]


def trunk(bands: list[list[Zone]]) -> list[Zone]:
    """From south to north a busy zone of each band that is not far from the one before; a band whose zones are all far has none."""
    found = [max(bands[0], key=lambda z: z.weight)]
    for band in bands[1:]:
        before = found[-1].at
        best = max(band, key=lambda z: z.weight / (1 + (math.dist(z.at, before) / BAND_M) ** 2))
        if math.dist(best.at, before) < FAR_M:
            found.append(best)
    return found


def beside(bands: list[list[Zone]], middles: list[Zone], step: int) -> list[Zone]:
    """The next zone west (-1) or east (1) of the trunk's in each band that has a stop of the trunk; that stop where there is none."""
    places = [(band, band.index(middle) + step) for band in bands for middle in middles if middle in band]
    return [band[min(max(place, 0), len(band) - 1)] for band, place in places]


def line(zones: dict[str, Zone], name: str, title: str, stops: list[str], speed_kmh: int) -> dict[str, object]:
    """A line of electric vehicles, as large, frequent and many as its riders need."""
    way_km = DETOUR * sum(math.dist(zones[a].at, zones[b].at) for a, b in zip(stops, stops[1:], strict=False)) / 1000
    round_trip_min = 2 * way_km / speed_kmh * 60 * SLACK + REST_MIN
    capacity, peak_min = service(RIDERS[name])
    return {
        "line": name, "name": title, "stops": ";".join(stops), "headway_peak_min": peak_min, "headway_min": 1.5 * peak_min,
        "headway_day_off_min": 2 * peak_min, "first_time": "05:30", "last_time": "23:30",
        "vehicles": math.ceil(SPARE * round_trip_min / peak_min), "capacity": capacity, "electric": "true", "speed_kmh": speed_kmh,
        "confidence": "assumed", "source": "not found; see SOURCES.md", "note": "",
    }  # fmt: skip


def write(path: Path, rows: list[dict[str, object]]) -> None:
    """One CSV file with a header, in UTF-8 and with plain line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
