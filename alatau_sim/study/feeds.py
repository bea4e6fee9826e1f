"""The bus lines of a study's scenarios as GTFS, made from the scenario in the manifest and the map that it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alatau_sim.errors import InputError


def export_gtfs(
    out: str | Path, to: str | Path, *, scenarios: Sequence[str] = (), where: Sequence[Path] = (), force: bool = False
) -> list[Path]:
    """Write `<scenario>-gtfs.zip` for each scenario of a study that has lines; `where` are the scenarios' files, or folders with them."""
    from alatau_sim.city.daysoff import holidays_between
    from alatau_sim.city.gtfs import write_gtfs
    from alatau_sim.domains.mobility.tables import scenario_feed
    from alatau_sim.results.dataset import open_study
    from alatau_sim.results.export import only
    from alatau_sim.results.staging import staged
    from alatau_sim.scenario.zoning import City, load_map
    from alatau_sim.study.remake import scenario_of

    study = only(open_study(out), scenarios)
    feeds: dict[str, Any] = {}
    for name in study.scenarios:
        scenario = scenario_of(next(run.manifest for run in study.runs if run.scenario == name), where)
        if scenario.records.get("lines") or scenario.city.gtfs is not None:
            run = scenario.run
            feeds[f"{name}-gtfs.zip"] = scenario_feed(City(scenario, load_map(scenario)), holidays_between(run.start, run.end))
    if not feeds:
        raise InputError(f"{study.folder}: no scenario has lines: {', '.join(study.scenarios)}")
    with staged(to, list(feeds), force=force) as stage:
        for file, feed in feeds.items():
            write_gtfs(feed, stage.file(file))
    return stage.made
