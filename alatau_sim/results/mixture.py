"""Whether the runs of a study belong together: made from one set of inputs by one version, with one meaning for each name.

A study can grow over time: more replicates, another version of the toolkit, a rule file. What then cannot be compared is refused or
left out by name, never averaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alatau_sim.errors import InputError
from alatau_sim.results.dataset import RunRecord, Study

MOST = 4


def check_inputs(study: Study) -> None:
    """Refuse a study in which the runs of one scenario were made from different inputs."""
    problems = []
    for scenario in study.scenarios:
        groups = _grouped((run, run.manifest["hash"][:12]) for run in study.runs if run.scenario == scenario)
        if len(groups) > 1:
            told = "; ".join(f"{value}…: {_names(runs)}" for value, runs in groups.items())
            problems.append(f"{study.folder}: the runs of {scenario} were made from different inputs (hash {told}); "
                            "run it again with --force")
    if problems:
        raise InputError("\n".join(problems))


def version_notes(study: Study) -> list[str]:
    """One line for each package whose version differs between runs, and for each pair of seeds: which runs, which versions."""
    notes = []
    packages = sorted({name for run in study.runs for name in run.manifest.get("versions", {})})
    for name in packages:
        groups = _grouped((run, run.manifest.get("versions", {}).get(name, "none")) for run in study.runs)
        if len(groups) > 1:
            told = "; ".join(f"{value}: {_names(runs)}" for value, runs in groups.items())
            notes.append(f"mixed versions of {name}: {told}; `run --force` makes all runs with one")
    seeds = _grouped((run, str(run.manifest.get("seed"))) for run in study.runs)
    if len(seeds) > 1:
        told = "; ".join(f"{value}: {_names(runs)}" for value, runs in seeds.items())
        notes.append(f"mixed seeds, so that pairs do not share their luck: {told}")
    return notes


def mixed_meanings(study: Study, kind: str) -> dict[str, str]:
    """The `kpis` or `tables` that mean different things (unit, formula, columns) in different runs, with the runs of each meaning."""
    told: dict[str, list[tuple[RunRecord, str]]] = {}
    for run in study.runs:
        words: Mapping[str, Any] = run.manifest.get("words", {}).get(kind, {})
        for name, meaning in words.items():
            told.setdefault(name, []).append((run, str(meaning)))
    found = {}
    for name, runs in sorted(told.items()):
        groups = _grouped(runs)
        if len(groups) > 1:
            found[name] = " | ".join(f"{_version(runs_[0])}: {_names(runs_)}" for runs_ in groups.values())
    return found


def mixture_notes(study: Study, left_out: Mapping[str, str]) -> list[str]:
    """What of a study is mixed, in words; `left_out` are the indicators of `mixed_meanings`."""
    notes = version_notes(study)
    for meaning in dict.fromkeys(left_out.values()):
        names = [name for name, other in left_out.items() if other == meaning]
        listed = ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
        notes.append(f"left out, because unit or formula differ between versions: {listed} ({meaning}); "
                     "run the older ones again with --force")
    return notes


def _version(run: RunRecord) -> str:
    return f"alatau_sim {run.manifest.get('versions', {}).get('alatau_sim', 'of unknown version')}"


def _grouped(runs: Iterable[tuple[RunRecord, str]]) -> dict[str, list[RunRecord]]:
    groups: dict[str, list[RunRecord]] = {}
    for run, value in runs:
        groups.setdefault(value, []).append(run)
    return groups


def _names(runs: list[RunRecord]) -> str:
    listed = ", ".join(run.name for run in runs[:MOST])
    return listed + (f" and {len(runs) - MOST} more" if len(runs) > MOST else "")
