"""A tiny stand-in for a city with zones, hours and groups: recorded tables that add up to the indicators, as the domains' do."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from fake_city import FakeCity, run_days
from shapely import box

from alatau_sim.fields import ResultField
from alatau_sim.results.geo import save_map
from alatau_sim.results.kpis import Kpi, ResultTable
from alatau_sim.results.manifest import new_manifest, write_manifest
from alatau_sim.results.recorder import Recorder

ZONES = ("north", "middle", "south", "airport")
LINES = ("1", "2")
ZONE = ResultField("zone", "category", "", "zone")
HOUR = ResultField("hour_of_day", "int32", "h", "hour")
KIND = ResultField("kind_of_day", "category", "", "kind of day", ("workday", "day off"))


class Town(FakeCity):
    """`trips` by zone in a month; `extra` is added in some zones, `luck` everywhere."""

    def __init__(self, start: date, extra: dict[str, int], luck: int, zones: tuple[str, ...]) -> None:
        super().__init__(start)
        self.zones = zones
        self.trips = np.array([1000 * (1 + i) + luck + extra.get(zone, 0) for i, zone in enumerate(zones)])


def _zones(sim: Town) -> dict[str, Any]:
    return {"zone": list(sim.zones), "trips": sim.trips, "other": sim.trips * 2, "mean_wait_min": sim.trips / 1000}


def _lines(sim: Town) -> dict[str, Any]:
    whole = int(sim.trips.sum())
    return {"line": [0, 1], "trips": [whole // 4, whole - whole // 4]}


def _profile(sim: Town) -> dict[str, Any]:
    k, z, h = (axis.ravel() for axis in np.meshgrid([0, 1], range(len(sim.zones)), range(24), indexing="ij"))
    return {"kind_of_day": k, "zone": [sim.zones[i] for i in z], "hour_of_day": h,
            "trips_per_day": sim.trips[z] / 30.4 * np.where(h == 8, 0.54, 0.02)}


TABLES = (
    ResultTable("zones_trips_month", "month", (
        ZONE, ResultField("trips", "int64", "trips", "trips that begin there"), ResultField("other", "int64", "trips", "twice as many"),
        ResultField("mean_wait_min", "float64", "min", "mean wait"),
    ), _zones, "Trips by zone", "mobility"),
    ResultTable("lines_month", "month", (
        ResultField("line", "category", "", "line", LINES), ResultField("trips", "int64", "trips", "trips"),
    ), _lines, "Trips by line", "mobility"),
    ResultTable("trips_profile_month", "month", (KIND, ZONE, HOUR, ResultField("trips_per_day", "float64", "1/day", "trips a day")),
                _profile, "Trips by hour", "mobility"),
)
KPIS = (
    Kpi("trips", "Trips", "trips", "higher", "sum over zones", "zones_trips_month", lambda sim: float(sim.trips.sum()), "sum", "mobility"),
    Kpi("wait", "Mean wait", "min", "lower", "mean wait", "zones_trips_month", lambda sim: float(sim.trips.mean() / 1000), "mean",
        "mobility"),
    Kpi("mood", "Mood", "1", "higher", "asked", "kpi_month", lambda sim: float(sim.trips[0]), "mean", "people"),
)
EVIDENCE = {
    "mobility": {"parameters": {"measured": 1, "calibrated": 0, "sourced": 2, "assumed": 5}, "reads": ["people"]},
    "people": {"parameters": {"measured": 2, "calibrated": 0, "sourced": 0, "assumed": 0}, "reads": []},
}


def record_town(
    out: Path, scenario: str, replicate: int = 0, *, world: int = 0, extra: dict[str, int] | None = None, luck: int | None = None,
    start: date = date(2026, 1, 1), end: date = date(2026, 12, 31), zones: tuple[str, ...] = ZONES[:3], kpis: tuple[Kpi, ...] = KPIS,
    hash: str = "h" * 64, version: str = "1", resolved: dict[str, Any] | None = None, rules: tuple[dict[str, str], ...] = (),
    inputs: dict[str, str] | None = None,
) -> None:
    """One whole run; its luck is 10 x the replicate, unless given."""
    town = Town(start, extra or {}, 10 * replicate if luck is None else luck, zones)
    recorder = Recorder(out, scenario, world, replicate, TABLES, kpis, labels={"zone": ZONES}, evidence=EVIDENCE)
    run_days(recorder, town, end)
    manifest = new_manifest(
        scenario=scenario, world=world, replicate=replicate, hash=hash, recorded=recorder.finish(), seed=1, kernels="compiled", wall_s=1.0,
        resolved=resolved or {"name": scenario, "run": {"end": end.isoformat()}}, rules=rules, inputs=inputs,
    )
    manifest["versions"] = {"alatau_sim": version}
    write_manifest(out, manifest)


def draw_town(out: Path) -> None:
    """The map: north and middle in one district, south in another."""
    squares = np.array([box(i, 0, i + 1, 1) for i in range(4)], dtype=object)
    save_map(out, ZONES, ["North end", "middle", "South end", "Airport"], ["old", "old", "new", "-"], squares, "EPSG:4326")
