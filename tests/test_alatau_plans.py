"""What is planned and what runs in the built-in city: programme, projects and lines stand in zones that exist, allow and hold them."""

from __future__ import annotations

import csv
import math
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from alatau_sim.city.words import LAND_USES
from alatau_sim.city.zones import Capacity, ZoneTable, load_zones

FOLDER = Path(__file__).resolve().parents[1] / "scenarios" / "alatau"
FLOOR_M2 = 100.3  # gross floor space of a planned home
JOB_M2 = 44  # floor space that stands for each job of today, some of it free
Row = dict[str, str]


def rows(name: str) -> list[Row]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def zones() -> ZoneTable:
    return load_zones(FOLDER / "zones.geojson")


# --- programme and projects ------------------------------------------------------------------------------------------------------------


def test_the_programme_names_zones_of_the_city_and_fits_zoning(zones: ZoneTable) -> None:
    homes: Counter[str] = Counter()
    workspace: Counter[str] = Counter()
    for row in rows("programme.csv"):
        assert row["zone"] in zones.zone, row
        assert row["use"] in ("homes", "workspace")
        assert (int(row["dwellings"]) > 0) == (row["use"] == "homes")
        assert int(row["floor_m2"]) > 0 or row["use"] == "homes"
        assert 2025 <= date.fromisoformat(row["announced"]).year <= 2030
        homes[row["zone"]] += int(row["dwellings"])
        workspace[row["zone"]] += int(row["floor_m2"]) if row["use"] == "workspace" else 0
    room = Capacity(m2_per_dwelling=FLOOR_M2).dwellings(zones.area_m2, zones.floor_area_ratio, zones.land_use)
    for at, zone in enumerate(zones.zone):
        if zone in homes or zone in workspace:
            assert not zones.outside[at]
            standing = int(zones.dwellings_existing[at])
            # Half as large again, as in growth_high.
            assert standing + 1.5 * homes[zone] <= min(float(room[at]), int(zones.dwellings_planned[at])) or not homes[zone], zone
            free = zones.area_m2[at] * zones.floor_area_ratio[at] - room[at] * FLOOR_M2
            assert 1.5 * workspace[zone] + JOB_M2 * zones.jobs_existing[at] <= free or not workspace[zone], zone


def test_the_programme_is_modest_at_first(zones: ZoneTable) -> None:
    table = rows("programme.csv")
    first = sum(int(row["dwellings"]) for row in table if row["announced"] < "2026-10-01")
    assert 0.02 < first / int(zones.dwellings_existing.sum()) < 0.04
    assert [row["announced"] for row in table] == sorted(row["announced"] for row in table)


def test_projects_stand_where_their_sector_may_be_and_there_is_room(zones: ZoneTable) -> None:
    sectors = {row["sector"]: row for row in rows("sectors.csv")}
    floor: Counter[str] = Counter()
    for row in rows("projects.csv"):
        at = zones.zone.index(row["zone"])
        assert LAND_USES[zones.land_use[at]] in sectors[row["sector"]]["land_uses"].split(";"), row
        assert bool(row["permit_days"]) == bool(row["building_days"]), row
        assert 2024 <= date.fromisoformat(row["announced"]).year <= 2030
        assert int(row["jobs"]) > 0
        assert 0 <= float(row["power_mw"]) <= 5
        floor[row["zone"]] += int(row["floor_m2"])
    for row in rows("programme.csv"):
        floor[row["zone"]] += int(row["floor_m2"]) if row["use"] == "workspace" else 0
    homes_m2 = Capacity().dwellings(zones.area_m2, zones.floor_area_ratio, zones.land_use) * Capacity().m2_per_dwelling
    for zone, wanted in floor.items():
        at = zones.zone.index(zone)
        assert wanted + JOB_M2 * zones.jobs_existing[at] <= zones.area_m2[at] * zones.floor_area_ratio[at] - homes_m2[at], zone


def test_projects_have_the_published_jobs() -> None:
    jobs = {row["name"]: int(row["jobs"]) for row in rows("projects.csv")}
    assert len(jobs) == len(rows("projects.csv"))

    def of(text: str) -> int:
        return sum(number for name, number in jobs.items() if text in name)

    assert of("PepsiCo") == 900
    assert of("Zhetygen transport and logistics centre") == 3_500
    assert of("zone Kairat") == pytest.approx(66 / 7.6 * 100, rel=0.01)
    assert 30_000 < sum(jobs.values()) < 31_000
    floor = {row["name"]: int(row["floor_m2"]) for row in rows("projects.csv")}
    assert sum(m2 for name, m2 in floor.items() if name.startswith("Iconic")) == 276_800


# --- lines -----------------------------------------------------------------------------------------------------------------------------


def gaps_km(row: Row, zones: ZoneTable) -> list[tuple[str, str, float]]:
    """(stop, next stop, straight distance) along a line."""
    stops = row["stops"].split(";")
    at = [(zones.centroid_x_m[zones.zone.index(stop)], zones.centroid_y_m[zones.zone.index(stop)]) for stop in stops]
    return [(a, b, math.dist(p, q) / 1000) for a, b, p, q in zip(stops, stops[1:], at, at[1:], strict=False)]


@pytest.mark.parametrize("name", ["lines.csv", "full_size_lines.csv"])
def test_stops_of_a_line_are_neighbours_and_its_fleet_keeps_the_headway(name: str, zones: ZoneTable) -> None:
    outside = {zone for zone, away in zip(zones.zone, zones.outside, strict=True) if away}
    table = rows(name)
    assert len({row["line"] for row in table}) == len(table)
    for row in table:
        stops = row["stops"].split(";")
        assert len(set(stops)) == len(stops) >= 2, row["line"]
        gaps = gaps_km(row, zones)
        express = row["name"].startswith("Express") or row["line"] == "102"
        most_km = 13 if express else 8 if name == "lines.csv" else 11  # rows of the full size pass farmland
        for a, b, gap in gaps:
            assert gap < (28 if {a, b} & outside else most_km), (row["line"], a, b, gap)
        # Ways 1.3 times the straight distance, a seventh for stops, five minutes at each end.
        round_trip_min = 2 * 1.3 * sum(gap for *_, gap in gaps) / float(row["speed_kmh"]) * 60 * 1.15 + 10
        assert int(row["vehicles"]) * float(row["headway_peak_min"]) >= 0.95 * round_trip_min, row["line"]
        assert float(row["headway_peak_min"]) <= float(row["headway_min"]) <= float(row["headway_day_off_min"])
        assert "05:00" <= row["first_time"] < "08:00" < "20:00" <= row["last_time"] <= "24:00"
        assert int(row["capacity"]) >= 30
        assert row["electric"] in ("true", "false")


def test_every_settlement_has_a_line_and_the_highway_one_reaches_konaev(zones: ZoneTable) -> None:
    table = {row["line"]: row["stops"].split(";") for row in rows("lines.csv")}
    served = {zones.settlement_labels[zones.settlement[zones.zone.index(stop)]] for stops in table.values() for stop in stops}
    assert set(zones.settlement_labels) - {"none"} <= served
    highway = [zones.name[zones.zone.index(stop)] for stop in table["102"]]
    assert (highway[0], highway[-1]) == ("Almaty", "Konaev")
    assert {"Zhetygen south", "Arna"} <= set(highway)
    assert {row["electric"] for row in rows("lines.csv")} == {"true", "false"}


# --- reference -------------------------------------------------------------------------------------------------------------------------


def test_references_lie_in_their_range_but_for_the_plan() -> None:
    table = rows("reference.csv")
    assert {row["what"] for row in table} == {
        "growth_share", "net_arrivals_per_1000_month", "homes_m2_per_resident_year", "jobs_per_resident_year",
    }  # fmt: skip
    for row in table:
        within = float(row["low"]) <= float(row["value"]) <= float(row["high"])
        assert within == (not row["name"].startswith("the p")), row
        assert {other["low"] + other["high"] for other in table if other["what"] == row["what"]} == {row["low"] + row["high"]}


def test_computed_references_follow_from_the_figures_they_name() -> None:
    value = {(row["what"], row["name"]): float(row["value"]) for row in rows("reference.csv")}
    assert value["growth_share", "the plan to 2050"] == pytest.approx((1_870_000 / 54_747) ** (1 / 24) - 1, abs=1e-4)
    assert value["growth_share", "Alatau City 2024-25"] == pytest.approx((54_747 / 52_086) ** (12 / 23) - 1, abs=1e-4)
    assert value["net_arrivals_per_1000_month", "Almaty region 2025"] == pytest.approx(33_126 / 1_596.331 / 12, abs=0.01)
    assert value["homes_m2_per_resident_year", "Kazakhstan 2025"] == pytest.approx(20.1 / 20.495975, abs=0.01)
    assert value["jobs_per_resident_year", "Kazakhstan 2025"] == pytest.approx(110 / 20_495.975, abs=1e-4)
