"""A tiny stand-in for a running simulation: a calendar and a few numbers; the recorder needs no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import shapely

from alatau_sim.fields import ResultField
from alatau_sim.results.geo import save_map
from alatau_sim.results.kpis import Kpi, ResultTable
from alatau_sim.results.manifest import new_manifest, write_manifest
from alatau_sim.results.recorder import Recorded, Recorder

ZONES = ("gate-01", "gate-02", "Қонаев")
USES = ("cooking", "heating")


class FakeCity:
    """Days pass; the load of each zone and use depends on the day, and on what `lift` adds."""

    def __init__(self, start: date, lift: float = 0.0) -> None:
        self.clock = SimpleNamespace(date=start)
        self.lift = lift

    @property
    def load(self) -> np.ndarray:
        day = self.clock.date.toordinal()
        return np.arange(6, dtype=np.int64).reshape(3, 2) * 10 + day % 7 + int(self.lift)


def hours(sim: FakeCity) -> dict[str, Any]:
    hour, zone, use = (axis.ravel() for axis in np.meshgrid(range(24), range(3), range(2), indexing="ij"))
    return {"hour": hour, "zone": zone, "use": use, "load_wh": sim.load[zone, use] + hour}


def zone_days(sim: FakeCity) -> dict[str, Any]:
    load = sim.load.sum(axis=1)
    return {"zone": list(ZONES), "load_wh": load, "mean_w": load / 24, "peak": load > 50, "wait_s": np.where(load > 30, 1.5, np.nan)}


def zone_years(sim: FakeCity) -> dict[str, Any]:
    return {"zone": [0, 1, 2], "residents": [100, 200, 300], "peak_load": np.array([1.0, 2.0, np.nan]) + sim.lift}


HOURS = ResultTable("load_hour", "hour", (
    ResultField("zone", "category", "", "zone"),
    ResultField("use", "category", "", "end use", USES),
    ResultField("load_wh", "int64", "Wh", "energy used in the hour"),
), hours, "Load by hour", "energy", default=False)
DAYS = ResultTable("zones_day", "day", (
    ResultField("zone", "text", "", "zone"),
    ResultField("load_wh", "int32", "Wh", "energy of the day"),
    ResultField("mean_w", "float64", "W", "mean power"),
    ResultField("peak", "bool", "", "a day of high load"),
    ResultField("wait_s", "float64", "s", "mean wait; none where nobody waited"),
), zone_days, "Zones by day", "energy")
YEARS = ResultTable("zones_year", "year", (
    ResultField("zone", "category", "", "zone"),
    ResultField("residents", "int64", "people", "people at the end of the year"),
    ResultField("peak_load", "float64", "W", "highest load"),
), zone_years, "Zones by year", "city")
TABLES = (HOURS, DAYS, YEARS)


def kpis() -> tuple[Kpi, ...]:
    def kpi(name: str, better: str, over_year: str, compute: Callable[[FakeCity], float], theme: str = "energy") -> Kpi:
        return Kpi(name, f"Label of {name}", "MWh", better, f"=formula of {name}", "zones_day", compute, over_year, theme)  # type: ignore[arg-type]

    def wallets(sim: FakeCity) -> float:
        return sim.clock.date.month * 1000 + sim.lift if sim.clock.date.month < 12 else float("nan")

    return (
        kpi("energy", "lower", "sum", lambda sim: sim.clock.date.month + sim.lift),
        kpi("comfort", "higher", "mean", lambda sim: sim.clock.date.month + sim.lift),
        kpi("wallets", "neither", "last", wallets, "pay/ments"),
        kpi("highest", "lower", "max", lambda sim: -abs(sim.clock.date.month - 5) + sim.lift),
        kpi("=never", "lower", "sum", lambda sim: float("nan")),
    )


def run_days(recorder: Recorder, sim: FakeCity, end: date) -> None:
    """Close each day from the fake's date to `end`, months and years with them, as the engine does."""
    while sim.clock.date <= end:
        today, tomorrow = sim.clock.date, sim.clock.date + timedelta(days=1)
        recorder.day_closed(sim)
        if tomorrow.month != today.month:
            recorder.month_closed(sim)
        if tomorrow.year != today.year:
            recorder.year_closed(sim)
        sim.clock.date = tomorrow


def record(
    out: Path, scenario: str = "baseline", world: int = 0, replicate: int = 0, *, lift: float = 0.0, start: date = date(2026, 11, 1),
    end: date = date(2027, 12, 31), tables: tuple[ResultTable, ...] = TABLES, whole: bool = True, **options: Any,
) -> Recorded:
    """Record one whole run with its manifest."""
    recorder = Recorder(out, scenario, world, replicate, tables, kpis(), labels={"zone": ZONES}, **options)
    run_days(recorder, FakeCity(start, lift), end)
    recorded = recorder.finish()
    if whole:
        resolved = {"title": f"=Title of {scenario}", "run": {"start": start, "end": end}, "map": {"file": "/data/someone/zones.geojson"}}
        write_manifest(out, new_manifest(
            scenario=scenario, world=world, replicate=replicate, hash="h" * 64, resolved=resolved, recorded=recorded, seed=1,
            kernels="compiled", wall_s=1.25, inputs={"/data/someone/zones.geojson": "ab"}, rules=[{"file": "wallet.py", "text": "a = 1"}],
        ))
    return recorded


def draw_map(out: Path) -> None:
    squares = np.array([shapely.box(76 + i, 43, 77 + i, 44) for i in range(3)], dtype=object)
    save_map(out, ZONES, ["Gate 1", "Gate 2", "Қонаев"], ["Gate", "Gate", "-"], squares, "EPSG:4326", outside=[False, False, True])
