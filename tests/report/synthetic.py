"""A made-up study of any size: the tables, maps and manifests that a real one has, with numbers that grow and differ by scenario.

Run as a script, it writes the study that the report's size and time are measured on: `python tests/report/synthetic.py FOLDER`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from alatau_sim.results.files import run_folder, sha256_of, write_json
from alatau_sim.results.geo import save_map
from alatau_sim.results.manifest import new_manifest, write_manifest
from alatau_sim.results.recorder import Part, Recorded

USES = ("cooking", "lighting", "appliances", "heating", "cooling", "hot_water", "firms", "transit")
KINDS = ("workday", "day off")
MODES = ("walk", "bus", "car", "taxi")
STAGES = ("announced", "permit", "waiting", "building", "done")
SECTORS = ("industry", "trade", "education", "health", "it")
DISTRICTS = ("gate", "golden", "growing", "green")
KPIS = (  # name, unit, better, over the year, theme, level
    ("population", "people", "neither", "last", "people", 55e3),
    ("arrivals", "people", "neither", "sum", "people", 400),
    ("departures", "people", "neither", "sum", "people", 90),
    ("household_income", "KZT/month", "higher", "last", "people", 4e5),
    ("dwellings", "dwellings", "neither", "last", "land", 16e3),
    ("vacancy", "share", "neither", "last", "land", 0.03),
    ("home_rent", "KZT/month", "lower", "mean", "land", 126e3),
    ("homes_completed", "dwellings", "higher", "sum", "land", 60),
    ("jobs", "jobs", "higher", "last", "economy", 14e3),
    ("unemployment", "share", "lower", "last", "economy", 0.045),
    ("mean_wage", "KZT/month", "higher", "last", "economy", 4e5),
    ("firms", "firms", "higher", "last", "economy", 4500),
    ("revenue", "KZT", "higher", "sum", "economy", 2.2e10),
    ("taxes_to_city_budget", "KZT", "neither", "sum", "economy", 6.8e8),
    ("electricity_wanted", "MWh", "neither", "sum", "energy", 1e4),
    ("peak_load", "MW", "lower", "max", "energy", 23),
    ("electricity_unserved", "MWh", "lower", "sum", "energy", 6),
    ("outage_hours_per_home", "h", "lower", "sum", "energy", 0.4),
    ("boardings", "riders", "higher", "sum", "mobility", 9e5),
    ("transit_wait", "min", "lower", "mean", "mobility", 11),
    ("left_behind", "riders", "lower", "sum", "mobility", 2e5),
    ("transit_share", "share", "higher", "mean", "mobility", 0.26),
    ("wallet_user_share", "share", "neither", "last", "payments", 0.08),
    ("crypto_shop_share", "share", "neither", "last", "payments", 0.02),
    ("crypto_payment_share", "share", "neither", "mean", "payments", 0.002),
    ("crypto_acceptance", "share", "neither", "last", "payments", 0.03),
    ("payments_value", "KZT", "higher", "sum", "payments", 6.7e9),
    ("lost_sales", "payments", "lower", "sum", "payments", 500),
    ("crypto_wait", "s", "lower", "mean", "payments", 1.2),
    ("crypto_outage", "h", "lower", "sum", "payments", 4),
)
Axis = tuple[str, Sequence[Any]]


def tables(zones: Sequence[str], lines: int, substations: int, stops: int) -> dict[str, tuple[str, list[Axis], dict[str, float]]]:
    """Period, axes and columns (with their level) by table; a whole level makes whole numbers."""
    zone, kind, hour = ("zone", zones), ("kind_of_day", KINDS), ("hour_of_day", range(24))
    line = ("line", [str(100 + n) for n in range(lines)])
    return {
        "kpi_month": ("month", [("kpi", [one[0] for one in KPIS])], {"value": 1.0}),
        "people_month": ("month", [zone], {"residents": 450, "mean_income_kzt": 400000.5}),
        "homes_month": ("month", [zone], {"dwellings": 140, "vacant_dwellings": 5, "dwellings_in_works": 9, "home_rent_kzt": 120000.5}),
        "jobs_month": ("month", [zone], {"filled": 120}),
        "firms_month": ("month", [zone, ("sector", SECTORS)], {"filled": 25}),
        "wallets_month": ("month", [zone], {"users": 30, "trying": 5, "dropped": 6, "aware": 80, "unaware": 220}),
        "acceptance_month": ("month", [zone], {"acceptance_share": 0.02, "shops": 8}),
        "zones_mobility_month": ("month", [zone], {"bus_share": 0.25, "mean_trip_min": 38.5, "job_access": 1.01}),
        "zones_energy_month": (
            "month",
            [zone],
            {
                "wanted_wh": 80_000_000,
                "unserved_wh": 50_000,
                "homes_wanted_wh": 50_000_000,
                "firms_wanted_wh": 28_000_000,
                "transit_wanted_wh": 2_000_000,
            },
        ),
        "zones_energy_year": ("year", [zone], {"wanted_wh": 960_000_000}),
        "load_use_month": ("month", [kind, ("use", USES), hour], {"wanted_w": 1.7e6}),
        "load_profile_month": ("month", [kind, zone, hour], {"wanted_w": 110e3 + 0.5}),
        "lines_month": (
            "month",
            [line],
            {"boardings": 70_000, "left": 2_000, "departures": 4_000, "cancelled": 20, "mean_wait_min": 8.5, "load_factor": 0.15},
        ),
        "line_loads_profile_month": ("month", [kind, line, ("direction", range(2)), ("position", range(stops)), hour], {"load": 30.5}),
        "works_month": ("month", [("stage", STAGES)], {"dwellings": 300}),
        "anchors_month": ("month", [("anchor", ["Plant", "Centre"])], {"jobs": 500}),
        "rail_day": (
            "day",
            [("rail", ("crypto_rail", "card_rail"))],
            {"capacity_per_s": 0.05, "wanted": 400, "peak_wait_s": 20.5, "outage_h": 0.0},
        ),
        "load_peak_day": ("day", [], {"peak_w": 20_000_000, "peak_hour": 19, "unserved_wh": 0}),
        "weather_day": ("day", [], {"temperature_min_c": -5.5}),
        "substations_hour": (
            "hour",
            [("substation", [f"s{n}-substation" for n in range(substations)])],
            {"wanted_wh": 1_500_000, "served_wh": 1_500_000, "capacity_w": 4_000_000, "available_share": 1.0},
        ),
    }


def _times(period: str, year: int, months: int) -> np.ndarray[Any, Any]:
    begin, end = np.datetime64(f"{year}-01"), np.datetime64(f"{year}-01") + months
    if period == "month":
        return np.arange(begin, end).astype("datetime64[D]")
    if period == "year":
        return np.array([f"{year}-01-01"], "datetime64[D]")
    return np.arange(
        begin.astype("datetime64[D]"), end.astype("datetime64[D]"), dtype="datetime64[D]" if period == "day" else "datetime64[h]"
    )


def _column(name: str, level: float, shape: tuple[int, ...], growth: float, lift: float, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    fixed = name.startswith("capacity") or name in ("available_share", "outage_h", "peak_hour")
    season = 1 + 0.2 * np.cos(np.linspace(0, 2 * np.pi, shape[0]))
    values = np.full(shape, level) if fixed else level * growth * lift * (0.9 + 0.2 * rng.random(shape, np.float32))
    values = values if fixed else values * season.reshape(-1, *([1] * (len(shape) - 1)))
    return np.rint(values).astype(np.int64) if isinstance(level, int) else values.astype(np.float64)


def _part(
    name: str,
    spec: tuple[str, list[Axis], dict[str, float]],
    year: int,
    months: int,
    growth: float,
    lift: float,
    rng: np.random.Generator,
    districts: int,
) -> pa.Table:
    period, axes, columns = spec
    times = _times(period, year, months)
    shape = (len(times), *(len(labels) for _, labels in axes))
    places = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    stamp = pa.array(times[places[0].ravel()].astype("datetime64[s]" if period == "hour" else "datetime64[D]"))
    found: dict[str, Any] = {period: stamp}
    for (axis, labels), place in zip(axes, places[1:], strict=True):
        if isinstance(labels, range):
            found[axis] = pa.array(place.ravel().astype(np.int32))
        else:
            found[axis] = pa.DictionaryArray.from_arrays(pa.array(place.ravel().astype(np.int16)), pa.array(list(labels)))
    for column, level in columns.items():
        values = _column(column, level, shape, growth, lift, rng)
        if name == "kpi_month":
            values = values * np.array([one[-1] for one in KPIS])
        found[column] = pa.array(values.ravel())
    rows = len(stamp)
    if name == "zones_energy_year":
        found["substation"] = pa.array([f"s{n % districts}-substation" for n in range(rows)]).dictionary_encode()
    if name == "line_loads_profile_month":
        found["zone"] = pa.DictionaryArray.from_arrays(
            pa.array(places[4].ravel().astype(np.int16)), pa.array([f"z{n}" for n in range(shape[4])])
        )
    if name == "anchors_month":
        found |= {"zone": pa.array(["z1"] * rows), "stage": pa.array(["building" if growth < 1.02 else "operating"] * rows)}
    return pa.table(found)


def write_study(
    out: Path,
    scenarios: Sequence[str] = ("baseline", "other"),
    replicates: int = 2,
    years: Sequence[int] = (2026, 2027),
    *,
    zones: int = 12,
    lines: int = 3,
    substations: int = 4,
    stops: int = 5,
    months: int = 12,
    leave_out: Sequence[str] = (),
    last_only: Sequence[str] = (),
    title: str = "Title of {name}",
    with_map: bool = True,
    rename: Mapping[str, Mapping[str, str]] | None = None,
) -> Path:
    """Write the study; `leave_out`: tables that are not written, `last_only`: those of which only the last year is; `rename`: columns."""
    names = [f"z{n}" for n in range(zones)]
    specs = {name: spec for name, spec in tables(names, lines, substations, stops).items() if name not in leave_out}
    for table, columns in (rename or {}).items():
        period, axes, measures = specs[table]
        specs[table] = (period, axes, {columns.get(name, name): level for name, level in measures.items()})
    out.mkdir(parents=True, exist_ok=True)
    for s, scenario in enumerate(scenarios):
        for r in range(replicates):
            _write_run(out, scenario, s, r, specs, years, months, last_only, substations, title)
    kpis = {
        name: {
            "label": name.replace("_", " ").capitalize(),
            "unit": unit,
            "better": better,
            "over_year": over,
            "theme": theme,
            "formula": "",
            "table": "",
            "place": n,
        }
        for n, (name, unit, better, over, theme, _) in enumerate(KPIS)
    }
    write_json(out / "kpis.json", kpis)
    write_json(
        out / "tables.json",
        {name: {"period": spec[0], "place": n, "meaning": "", "theme": "", "columns": []} for n, (name, spec) in enumerate(specs.items())},
    )
    if with_map:
        side = int(np.ceil(np.sqrt(zones)))
        boxes = np.array(
            [
                shapely.box(77 + n % side * 0.02, 43.5 + n // side * 0.02, 77.02 + n % side * 0.02, 43.52 + n // side * 0.02)
                for n in range(zones)
            ],
            dtype=object,
        )
        save_map(
            out,
            names,
            [f"Zone <{n}>" for n in range(zones)],
            [DISTRICTS[n % 4] for n in range(zones)],
            boxes,
            "EPSG:4326",
            outside=[False] * zones,
        )
    return out


def _write_run(
    out: Path,
    scenario: str,
    s: int,
    r: int,
    specs: dict[str, Any],
    years: Sequence[int],
    months: int,
    last_only: Sequence[str],
    districts: int,
    title: str,
) -> None:
    recorded = Recorded()
    for t, (name, spec) in enumerate(specs.items()):
        for y, year in enumerate(years):
            if name in last_only and year != years[-1]:
                continue
            table = _part(name, spec, year, months, 1.05**y, 1 + 0.02 * s, np.random.default_rng([t, y, r]), districts)
            path = run_folder(out, name, scenario, 0, r) / f"part-{year}.arrow"
            path.parent.mkdir(parents=True, exist_ok=True)
            with pa.ipc.new_file(str(path), table.schema) as writer:
                writer.write_table(table)
            recorded.parts[path.relative_to(out).as_posix()] = Part(table.num_rows, path.stat().st_size, sha256_of(path))
    resolved = {
        "name": scenario,
        "title": title.format(name=scenario),
        "description": f"What {scenario} does.",
        "run": {"start": date(years[0], 1, 1), "end": date(years[-1], 12, 31), "seed": 1, "sample": 1.0},
        "city": {"residents": 54747},
        "policy": {"mobility": {"fare_kzt": 120 + 10 * s}},
        "world": {"payments": {"patience_s": 60.0}},
        "rules": {"change_wallet": {"media": 0.003}},
        "events": [],
        "lines": [{"line": "100", "name": "A", "capacity": 90}],
    }
    write_manifest(
        out,
        new_manifest(
            scenario=scenario,
            world=0,
            replicate=r,
            hash=json.dumps([scenario]).ljust(64, "0"),
            resolved=resolved,
            recorded=recorded,
            seed=1,
            kernels="compiled",
            wall_s=1.5,
            inputs={"zones.geojson": "ab"},
        ),
    )


if __name__ == "__main__":
    write_study(
        Path(sys.argv[1]),
        ("baseline", "low", "high", "buses", "crypto"),
        8,
        range(2026, 2051),
        zones=121,
        lines=16,
        substations=8,
        stops=20,
        last_only=("load_profile_month", "line_loads_profile_month"),
    )
