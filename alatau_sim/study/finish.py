"""What is made of a study when its runs have ended: tables of runs and cases, the workbook, the map layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alatau_sim.results.runs import RUN_COLUMNS, as_csv, case_rows, run_rows, sorted_cases
from alatau_sim.results.store import Place
from alatau_sim.study import places
from alatau_sim.study.progress import Watcher
from alatau_sim.study.worker import Job

MOST_SCENARIOS = 40
"""A workbook and a map layer are made of so many scenarios, at most."""


def write_cases(place: Place, cases: Mapping[str, Any]) -> None:
    """Write `cases.csv`: the cases of this sweep, and those of others that have runs here."""
    if not cases:
        return
    mine = {name: {"scenario": name, "base": case.base, "case": case.number, **case.values} for name, case in cases.items()}
    others = {row["scenario"]: row for row in case_rows(places.manifests(place))}
    places.write(place, "cases.csv", as_csv(sorted_cases((others | mine).values())).encode())


def write_runs(place: Place, result: Any, jobs: Sequence[Job]) -> None:
    """Write `runs.csv`: a row for each run that has a manifest, and for each that was planned and has none."""
    rows = run_rows(places.manifests(place))
    known = {(row["scenario"], row["world"], row["replicate"]) for row in rows}
    how = {outcome.name: outcome for outcome in result.outcomes}
    for job in jobs:
        if (job.scenario.name, job.world, job.replicate) not in known:
            outcome = how.get(job.name)
            status, error = (outcome.how, outcome.message) if outcome is not None else ("not started", "")
            rows.append({"scenario": job.scenario.name, "world": job.world, "replicate": job.replicate, "status": status, "error": error})
    places.write(place, "runs.csv", as_csv(rows, RUN_COLUMNS).encode())


def make_files(place: Place, result: Any, watcher: Watcher, whole: bool, jobs: Sequence[Job]) -> Iterator[Path]:
    """The table of runs, and of a folder's whole runs the workbook and the map layer; a share of a study leaves those to the last one."""
    fresh = len(result.named("kept")) < len(result.outcomes)
    if fresh and places.manifests(place):
        write_runs(place, result, jobs)
    if not isinstance(place, Path) or not result.named("done", "kept"):
        return
    if len({job.scenario.name for job in jobs}) > MOST_SCENARIOS:
        return  # side by side they would fill no screen; runs.csv, cases.csv and queries show them
    files = [place / "summary.xlsx", place / "zones.gpkg"]
    if not fresh:
        yield from (path for path in files if path.exists())
        return
    if not whole:
        watcher.note("The workbook and the map are made when the last part of the study ends.")
        return
    from alatau_sim.results.geo import write_zones_gpkg
    from alatau_sim.results.workbook import write_workbook

    watcher.note("Writing summary.xlsx and zones.gpkg ...")
    yield write_workbook(place)
    yield write_zones_gpkg(place)
