"""A study: which runs there are to do, their worker processes, and what is made of the results when the runs have ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alatau_sim.errors import InputError, StudyError
from alatau_sim.study.inputs import Inputs, each_of
from alatau_sim.study.pool import Interrupt, in_this_process, in_workers
from alatau_sim.study.progress import Screen, Watcher
from alatau_sim.study.worker import Job, Outcome, rule_texts, run_hash

PROBE_BYTES = 1_000_000  # a disk that cannot take this takes no study


@dataclass(frozen=True)
class StudyResult:
    """What became of a study: its folder, and how each run ended, in the order in which they were planned."""

    out: Path
    outcomes: tuple[Outcome, ...]
    made: tuple[Path, ...] = ()

    def named(self, *how: str) -> list[Outcome]:
        """The runs that ended in one of these ways."""
        return [outcome for outcome in self.outcomes if outcome.how in how]

    @property
    def stopped(self) -> bool:
        """Whether the user stopped the study before its end."""
        return bool(self.named("stopped", "not started"))

    @property
    def exit_code(self) -> int:
        """0 fine, 1 stopped, 3 some runs failed."""
        return 1 if self.stopped else StudyError.exit_code if self.named("failed") else 0


def run_study(
    scenario_paths: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    replicates: int | None = None,
    worlds: int | None = None,
    workers: int | None = None,
    seed: int | None = None,
    sets: Sequence[str] = (),
    use: Sequence[str] = (),
    rule_files: Sequence[str | Path] = (),
    plugins: Sequence[str] = (),
    force: bool = False,
    progress: Watcher | None = None,
    model: Callable[..., Any] | None = None,
    inputs: Inputs | None = None,
) -> StudyResult:
    """Run scenarios × worlds × replicates on this machine and write them into one folder; nothing is written if an input is wrong.

    `out` is `outputs/<first scenario's name>` unless given. Worlds are numbered 0 (central values) to `worlds`, replicates from 0.
    A run that is there and whole is kept; one made from other inputs is an `InputError` unless `force`. `workers` defaults to the
    number of cores. `model` replaces `CityModel` (it must be importable by name in worker processes), `inputs` everything that
    `sets`, `use`, `rule_files` and `plugins` say. In a script, call this under `if __name__ == "__main__":`, because worker
    processes import the script.
    """
    paths = [scenario_paths] if isinstance(scenario_paths, str | Path) else list(scenario_paths)
    if not paths:
        raise InputError("no scenario was named; try scenarios/baseline.yaml")
    given = (*sets, *([] if seed is None else [f"run.seed={seed}"]))
    inputs = inputs or Inputs(tuple(given), tuple(use), tuple(str(file) for file in rule_files), tuple(plugins))
    scenarios = inputs.load_all(paths)
    _check_names(scenarios, paths)
    folder = Path(out) if out is not None else Path("outputs") / scenarios[0].name
    jobs = plan_jobs(scenarios, folder, inputs, replicates, worlds, model)
    with ExitStack() as stack:
        watcher = progress if progress is not None else stack.enter_context(Screen())
        kept, todo = ([], jobs) if force else _sort(jobs, watcher)
        if not todo:
            return StudyResult(folder, tuple(kept), tuple(path for path in _made(folder) if path.exists()))
        fresh = list({job.scenario.name: job.scenario for job in todo}.values())
        for scenario, notes in zip(fresh, each_of(inputs.check, fresh), strict=True):
            for note in notes:
                watcher.note(f"{scenario.name}: {note}")
        _check_writable(folder)
        interrupt = stack.enter_context(Interrupt(watcher))
        done = _do(todo, workers, inputs, model, watcher, interrupt)
        ended = {outcome.name: outcome for outcome in (*kept, *done)}
        wrong = next((outcome for outcome in done if outcome.wrong_input), None)
        if wrong is not None:
            raise InputError(f"{wrong.message}\nThe run {wrong.name} could not go on; runs that were finished are kept.")
        result = StudyResult(folder, tuple(ended[job.name] for job in jobs))
        made = tuple(_make(folder, watcher)) if result.named("done", "kept") else ()
    return StudyResult(folder, result.outcomes, made)


def plan_jobs(
    scenarios: Sequence[Any], out: Path, inputs: Inputs, replicates: int | None, worlds: int | None, model: Callable[..., Any] | None = None
) -> list[Job]:
    """The runs of a study: each world and replicate of each scenario; pairs that are compared come next to each other."""
    jobs = []
    rules = rule_texts(inputs)
    counts = [
        (scenario, replicates if replicates is not None else scenario.run.replicates,
         worlds if worlds is not None else scenario.run.worlds, run_hash(scenario, rules))
        for scenario in scenarios
    ]
    for world in range(max(count for _, _, count, _ in counts) + 1):
        for replicate in range(max(count for _, count, _, _ in counts)):
            for scenario, most_replicates, most_worlds, digest in counts:
                if world <= most_worlds and replicate < most_replicates:
                    jobs.append(Job(scenario, world, replicate, out, digest, inputs, rules, model=model))
    return jobs


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: a container or a job scheduler may give fewer than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_names(scenarios: Sequence[Any], paths: Sequence[str | Path]) -> None:
    seen: dict[str, str | Path] = {}
    for scenario, path in zip(scenarios, paths, strict=True):
        if scenario.name in seen:
            raise InputError(f"{path}: name is {scenario.name!r}, as in {seen[scenario.name]}; a study needs different names")
        seen[scenario.name] = path


def _sort(jobs: Sequence[Job], watcher: Watcher) -> tuple[list[Outcome], list[Job]]:
    """Which runs are there and whole, and which are still to do; one that was made from other inputs is an error."""
    from alatau_sim.results.manifest import damage, plain, read_manifest

    kept, todo, clashes = [], [], []
    for job in jobs:
        manifest = read_manifest(job.out, job.scenario.name, job.world, job.replicate)
        if manifest is None:
            todo.append(job)
        elif manifest["status"] == "complete" and manifest["hash"] != job.hash:
            what = _differences(manifest.get("resolved", {}), plain(job.scenario.resolved()))
            clashes.append(f"{job.out}: holds a run {job.name} of other inputs ({what})")
        elif manifest["status"] != "complete" or damage(job.out, manifest):
            watcher.note(f"{job.name}: was {damage(job.out, manifest) and 'damaged' or manifest['status']}; it runs again")
            todo.append(job)
        else:
            kept.append(Outcome(job.name, "kept"))
            watcher.note(f"{job.name}: is there and whole ({job.out}); --force runs it anew")
    if clashes:
        raise InputError("\n".join([*clashes, "Overwrite with --force, or name another output folder with -o."]))
    return kept, todo


def _differences(old: Any, new: Any, limit: int = 3) -> str:
    """The first few keys in which two resolved scenarios differ, in words."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key) and key not in ("title", "description")]
    words = [f"{key}: {before.get(key, 'not set')} there, {after.get(key, 'not set')} here" for key in keys[:limit]]
    if len(keys) > limit:
        words.append(f"and {len(keys) - limit} more")
    return "; ".join(words) or "the content of an input or rule file"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to, or a disk that is full, before anything is computed."""
    from alatau_sim.results.files import replacing, writing

    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    probe = folder / "probe"
    try:
        with replacing(probe) as aside:
            aside.write_bytes(bytes(PROBE_BYTES))
    except InputError:
        for made in missing:  # nothing is left behind of a study that cannot be written
            made.rmdir()
        raise
    probe.unlink()


def _do(
    jobs: Sequence[Job], workers: int | None, inputs: Inputs, model: Callable[..., Any] | None, watcher: Watcher, interrupt: Interrupt
) -> list[Outcome]:
    """Do the runs, one after the other here or side by side in worker processes."""
    if model is None:
        from alatau_sim.composition import compile_ahead

        watcher.note("Preparing the rules (a first start compiles them; later ones find them compiled) ...")
        compile_ahead(inputs.rule_files, inputs.plugins, cores())
    count = max(1, min(workers or cores(), len(jobs)))
    threads = max(1, cores() // count)
    ready = [Job(**{**vars(job), "threads": job.scenario.run.threads or threads}) for job in jobs]
    return in_this_process(ready, watcher, interrupt) if count == 1 else in_workers(ready, count, watcher, interrupt)


def _made(folder: Path) -> list[Path]:
    return [folder / "summary.xlsx", folder / "zones.gpkg"]


def _make(folder: Path, watcher: Watcher) -> Iterator[Path]:
    """The workbook and the map layer of the runs that are whole."""
    from alatau_sim.results.geo import write_zones_gpkg
    from alatau_sim.results.workbook import write_workbook

    watcher.note("Writing summary.xlsx and zones.gpkg ...")
    yield write_workbook(folder)
    yield write_zones_gpkg(folder)
