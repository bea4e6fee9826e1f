"""Reading a study: its runs, and its tables as Arrow with the columns scenario, world and replicate. Needs no model code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.results.files import read_json, sha256_of
from alatau_sim.results.manifest import Manifest, damage, read_manifests

PARTITIONS = pa.schema([("scenario", pa.string()), ("world", pa.int32()), ("replicate", pa.int32())])


@dataclass(frozen=True)
class RunRecord:
    """One run of a study; it counts when `problem` is empty."""

    scenario: str
    world: int
    replicate: int
    status: str
    manifest: Manifest
    problem: str = ""

    @property
    def name(self) -> str:
        """Scenario, world and replicate in one word."""
        return f"{self.scenario}-{self.world}-{self.replicate}"


@dataclass(frozen=True)
class KpiInfo:
    """What an indicator means, as the recorder wrote it."""

    name: str
    label: str
    unit: str
    better: str
    over_year: str
    theme: str
    formula: str
    table: str


class Study:
    """A folder of runs. `runs` are those that count; `unfinished` are the others, with the reason in `problem`."""

    def __init__(self, folder: Path, runs: list[RunRecord], unfinished: list[RunRecord]) -> None:
        self.folder, self.runs, self.unfinished = folder, runs, unfinished

    @property
    def scenarios(self) -> list[str]:
        """Names of the scenarios with at least one complete run."""
        return list(dict.fromkeys(run.scenario for run in self.runs))

    @cached_property
    def tables(self) -> list[str]:
        """Names of the tables that complete runs have recorded."""
        return sorted({part.split("/", 1)[0] for run in self.runs for part in run.manifest["parts"]})

    def kpis(self) -> dict[str, KpiInfo]:
        """The indicators by name, in the order of the model that recorded them."""
        path = self.folder / "kpis.json"
        words: dict[str, Any] = read_json(path) if path.is_file() else {}
        ordered = sorted(words.items(), key=lambda item: (item[1]["place"], item[0]))
        return {name: KpiInfo(name, *(w[key] for key in KpiInfo.__dataclass_fields__ if key != "name")) for name, w in ordered}

    def describe(self) -> dict[str, dict[str, Any]]:
        """The recorded tables in words: period, meaning, theme, and columns with type, unit and meaning."""
        path = self.folder / "tables.json"
        words: dict[str, dict[str, Any]] = read_json(path) if path.is_file() else {}
        return dict(sorted(words.items(), key=lambda item: (item[1]["place"], item[0])))

    def files(
        self, name: str, scenario: str | Sequence[str] | None = None, world: int | None = None, replicate: int | None = None,
        year: int | None = None,
    ) -> list[Path]:
        """The parts of a table in the chosen complete runs (of one calendar year), by scenario, world, replicate and year."""
        self._check_complete()
        if name not in self.tables:
            recorded = "; it was declared, but no complete run has rows of it" if name in self.describe() else ""
            raise InputError(f"{self.folder}: there is no table {name!r}{recorded or did_you_mean(name, self.tables)}")
        wanted = self.scenarios if scenario is None else [scenario] if isinstance(scenario, str) else list(scenario)
        for one in wanted:
            if one not in self.scenarios:
                raise InputError(f"{self.folder}: there is no complete run of scenario {one!r}{did_you_mean(one, self.scenarios)}")
        chosen = [
            run for run in self.runs
            if run.scenario in wanted and world in (None, run.world) and replicate in (None, run.replicate)
        ]
        end = "" if year is None else f"/part-{year}.arrow"
        return [
            self.folder / part for run in chosen for part in sorted(run.manifest["parts"])
            if part.split("/", 1)[0] == name and part.endswith(end)
        ]

    def dataset(self, name: str, **chosen: Any) -> pads.Dataset:
        """The table as a `pyarrow.dataset` over its files: nothing is read yet. Choose runs as in `files`."""
        return self._open(name, self.files(name, **chosen))

    def table(
        self, name: str, scenario: str | Sequence[str] | None = None, world: int | None = None, replicate: int | None = None,
        columns: Sequence[str] | None = None, year: int | None = None,
    ) -> pa.Table:
        """The table in memory (of one calendar year), with the columns scenario, world and replicate; rows by these and time."""
        files = self.files(name, scenario, world, replicate, year)
        if not files:
            raise InputError(f"{self.folder}: no complete run has {name} of scenario {scenario}, world {world}, replicate {replicate}"
                             f"{f' in {year}' if year is not None else ''}")
        with self.naming_damage(files):
            found = self._open(name, files).to_table(columns=None if columns is None else list(columns))
            return found.unify_dictionaries()

    def verify(self) -> list[str]:
        """Compare every part of every complete run with the hash in its manifest; one line for each that differs."""
        return [
            f"{self.folder / name}: its bytes are not those that the run wrote"
            for run in self.runs for name, part in run.manifest["parts"].items() if sha256_of(self.folder / name) != part["sha256"]
        ]

    @contextmanager
    def naming_damage(self, files: Sequence[Path], *errors: type[Exception]) -> Iterator[None]:
        """A block in which a reader's error (Arrow's, the system's, or one of `errors`) about a broken file names the file."""
        try:
            yield
        except (pa.ArrowException, OSError, *errors) as error:
            self._name_damage(files, error)
            if isinstance(error, errors):
                raise
            raise InputError(f"{self.folder}: cannot be read: {str(error).splitlines()[0]}") from error

    def _name_damage(self, files: Sequence[Path], error: Exception) -> None:
        known = {self.folder / name: part["sha256"] for run in self.runs for name, part in run.manifest["parts"].items()}
        for path in files:
            if not path.is_file():
                raise InputError(f"{path}: is missing; run its scenario again with --force") from error
            if sha256_of(path) != known[path]:
                raise InputError(f"{path}: is damaged (its bytes are not those that the run wrote); run it again with --force") from error

    def _open(self, name: str, files: list[Path]) -> pads.Dataset:
        with self.naming_damage(files):
            partitioning = pads.partitioning(PARTITIONS, flavor="hive")
            base = str(self.folder / name)
            # one file a run is looked at: a table has one schema in a run, but rule files may add labels or columns in some runs
            first = {path.parent: path for path in reversed(files)}
            schemas = [pads.dataset(str(path), format="ipc").schema for path in dict.fromkeys(first.values())]
            schema = pa.unify_schemas([*schemas, PARTITIONS]) if schemas else PARTITIONS
            return pads.dataset(
                [str(path) for path in files], schema=schema, format="ipc", partitioning=partitioning, partition_base_dir=base
            )

    def _check_complete(self) -> None:
        hurt = [run for run in self.unfinished if run.status == "complete"]
        if hurt:
            raise InputError("\n".join(f"{run.problem}; run {run.name} again with --force" for run in hurt))
        if not self.runs:
            listed = "; ".join(f"{run.name}: {run.problem}" for run in self.unfinished[:8]) or "there is none"
            raise InputError(f"{self.folder}: no run is complete ({listed})")


def _unwritten(folder: Path, known: set[tuple[str, int, int]]) -> list[RunRecord]:
    """Runs that have left folders but no manifest: they are running now, or were killed.

    Hidden folders are another study's way of working, and may go while they are looked at.
    """
    found: set[tuple[str, int, int]] = set()
    for path in folder.glob("[!.]*/scenario=*/world=*/replicate=*"):
        values = [part.split("=", 1)[1] for part in path.parts[-3:]]
        if values[1].isdecimal() and values[2].isdecimal():
            found.add((values[0], int(values[1]), int(values[2])))
    return [RunRecord(*key, "unfinished", {}, "has no manifest: it is still running, or was killed") for key in sorted(found - known)]


def open_study(path: str | Path) -> Study:
    """The study in a folder; an `InputError` says what was found instead."""
    folder = Path(path)
    if not folder.exists():
        siblings = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
        raise InputError(f"{folder}: there is no such folder{did_you_mean(folder.name, siblings)}")
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; a study is a folder such as outputs/baseline")
    records = []
    for manifest in read_manifests(folder):
        status, stage = manifest["status"], manifest.get("stage") or "an unknown stage"
        problem = damage(folder, manifest) if status == "complete" else f"{status} at {stage}"
        records.append(RunRecord(manifest["scenario"], manifest["world"], manifest["replicate"], status, manifest, problem))
    records += _unwritten(folder, {(r.scenario, r.world, r.replicate) for r in records})
    if not records:
        inside = sorted(p.name + ("/" if p.is_dir() else "") for p in folder.iterdir() if not p.name.startswith("."))
        studies = [p.name for p in sorted(folder.iterdir()) if (p / "runs").is_dir()]
        found = f"found: {', '.join(inside[:8])}{' …' if len(inside) > 8 else ''}" if inside else "it is empty"
        hint = f"; studies inside it: {', '.join(studies[:8])}" if studies else "; `alatau run` makes one"
        raise InputError(f"{folder}: is no study, because it has no runs/*.json ({found}){hint}")
    return Study(folder, [r for r in records if not r.problem], [r for r in records if r.problem])
