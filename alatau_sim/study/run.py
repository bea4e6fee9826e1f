"""A study: which runs there are to do, where they are done, and what is made of the results when the runs have ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alatau_sim.errors import InputError, StudyError
from alatau_sim.study.inputs import Inputs, each_of
from alatau_sim.study.pool import Interrupt, in_this_process, in_workers
from alatau_sim.study.progress import Screen, Watcher
from alatau_sim.study.worker import Job, Outcome, rule_texts, run_hash

Model = Callable[..., Any]
Out = Any
"""A folder, a URI that pyarrow knows, or an `ObjectStore`."""


@dataclass(frozen=True)
class StudyResult:
    """What became of a study: where it is, how each run ended in the order in which they were planned, and what was made of them.

    `aim` says what became of `until_sure`.
    """

    out: Any
    outcomes: tuple[Outcome, ...]
    made: tuple[Path, ...] = ()
    aim: str = ""

    def named(self, *how: str) -> list[Outcome]:
        """The runs that ended in one of these ways."""
        return [outcome for outcome in self.outcomes if outcome.how in how]

    @property
    def stopped(self) -> bool:
        """Whether the study was stopped before its end, by the user or because its cluster went away."""
        return bool(self.named("stopped", "not started"))

    @property
    def exit_code(self) -> int:
        """0 fine, 1 stopped, 3 some runs failed or are being written by another process."""
        return 1 if self.stopped else StudyError.exit_code if self.named("failed", "busy") else 0


@dataclass(frozen=True)
class Plan:
    """What a study is of: its scenarios (with the cases that some of them are), how often each is run, and from which inputs."""

    name: str
    scenarios: tuple[Any, ...]
    inputs: Inputs
    replicates: int | None = None
    worlds: int | None = None
    cases: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def run_study(
    scenario_paths: str | Path | Sequence[str | Path],
    out: Out | None = None,
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
    resume: bool = False,
    part: str | None = None,
    cluster: str | None = None,
    until_sure: str | None = None,
    at_most: int | None = None,
    progress: Watcher | None = None,
    model: Model | None = None,
    inputs: Inputs | None = None,
) -> StudyResult:
    """Run scenarios × worlds × replicates, or a study file, into one folder; nothing is written if an input is wrong.

    `out` is `outputs/<first scenario's name>` or `outputs/<study's name>` unless given; `s3://…` and the like go to an object store.
    Worlds are numbered 0 (central values) to `worlds`, replicates from 0. A run that is there and whole is kept, others are done; one made
    from other inputs is an `InputError` unless `force`. `resume` says that the study must be there already. `part` is one share, `3/40`.
    `workers` defaults to the number of cores; `cluster` is the address of a Dask scheduler or its file. `until_sure` (`kpi±5%`) adds
    replicates, `at_most` so many, until the 95 % interval of the indicator is narrow enough. `model` replaces `CityModel` (it must be
    importable by name in worker processes), `inputs` everything that `sets`, `use`, `rule_files` and `plugins` say. In a script,
    call this under `if __name__ == "__main__":`, because worker processes import the script.
    """
    paths = [scenario_paths] if isinstance(scenario_paths, str | Path) else list(scenario_paths)
    given = (*sets, *([] if seed is None else [f"run.seed={seed}"]))
    inputs = inputs or Inputs(tuple(given), tuple(use), tuple(str(file) for file in rule_files), tuple(plugins))
    plan = make_plan(paths, inputs, replicates, worlds)
    how: dict[str, Any] = {"workers": workers, "cluster": cluster, "force": force, "resume": resume, "progress": progress, "model": model}
    with Session(plan, out, part=part, **how) as session:
        if until_sure is None:
            session.do(session.jobs(plan.replicates))
            return session.finish()
        from alatau_sim.study.sure import read_aim, until

        aim = read_aim(until_sure)
        if part is not None:
            raise InputError("--until-sure needs the whole study, so it does not go with --part")
        return until(aim, session, at_most)


def make_plan(paths: Sequence[str | Path], inputs: Inputs, replicates: int | None, worlds: int | None) -> Plan:
    """The plan of scenario files, or of one study file, with what the command line says laid over it."""
    from alatau_sim.study.plan import is_study, read_study

    if not paths:
        raise InputError("no scenario was named; try scenarios/baseline.yaml")
    studies = [path for path in paths if is_study(path)]
    if not studies:
        scenarios = inputs.load_all(paths)
        _check_names([scenario.name for scenario in scenarios], paths)
        return Plan(scenarios[0].name, tuple(scenarios), inputs, replicates, worlds)
    if len(paths) > 1:
        raise InputError(f"{studies[0]}: is a study file, which names its scenarios itself; give it alone")
    file = read_study(paths[0]).with_inputs(inputs)
    found, cases = file.load()
    _check_names([scenario.name for scenario in found], [cases[s.name].base if s.name in cases else s.path for s in found])
    return Plan(
        file.name, tuple(found), file.inputs, file.replicates if replicates is None else replicates,
        file.worlds if worlds is None else worlds, cases, file.notes(found),
    )  # fmt: skip


class Session:
    """A study while it goes on: does jobs where they are to be done, and makes the tables of the whole in the end."""

    def __init__(
        self, plan: Plan, out: Out | None, *, workers: int | None = None, cluster: str | None = None, force: bool = False,
        resume: bool = False, part: str | None = None, progress: Watcher | None = None, model: Model | None = None,
    ) -> None:
        from alatau_sim.results.store import place_of
        from alatau_sim.study.places import absolute

        self.plan, self.workers, self.model, self.address = plan, workers, model, cluster
        self.force, self.progress = force, progress
        self.out = place_of(out if out is not None else Path("outputs") / plan.name)
        self.target = absolute(self.out) if cluster else self.out
        self.share = read_part(part) if part is not None else None
        if resume and force:
            raise InputError("--resume keeps what is whole, and --force runs it anew; give one of them")
        if resume and not _begun(self.out):
            raise InputError(f"{self.out}: there is no study to go on with; leave --resume out to begin one")
        self.planned: list[Job] = []
        self.ended: dict[str, Outcome] = {}
        self.checked: set[str] = set()
        self.cluster: Any = None

    def __enter__(self) -> Session:
        self.stack = ExitStack()
        self.watcher = self.progress if self.progress is not None else self.stack.enter_context(Screen())
        self.interrupt = self.stack.enter_context(Interrupt(self.watcher))
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.__exit__(*error)

    def jobs(self, replicates: int | None) -> list[Job]:
        """The runs of this share of the study with so many replicates."""
        jobs = self._everything(replicates)
        return jobs if self.share is None else jobs[self.share[0] - 1 :: self.share[1]]

    def _everything(self, replicates: int | None) -> list[Job]:
        """All runs of the study, whatever share this is."""
        plan = self.plan
        return plan_jobs(plan.scenarios, self.target, plan.inputs, replicates, plan.worlds, self.model, cases=plan.cases)

    def do(self, jobs: Sequence[Job]) -> None:
        """Do what of some runs is not there and whole; an input that is wrong is an `InputError`."""
        known = {job.name for job in self.planned}
        fresh = [replace(job, force=self.force) for job in jobs if job.name not in known]
        self.planned += fresh
        kept, todo = ([], fresh) if self.force else sort_jobs(fresh, self.watcher)
        self.ended |= {outcome.name: outcome for outcome in kept}
        if not todo or self.interrupt.asked:
            self.ended |= {job.name: Outcome(job.name, "not started") for job in todo}
            return
        self._check(todo)
        self._prepare()
        self.watcher.planned(len(todo))
        done = self._run(todo)
        self.ended |= {outcome.name: outcome for outcome in done}
        wrong = next((outcome for outcome in done if outcome.wrong_input), None)
        if wrong is not None:
            raise InputError(f"{wrong.message}\nThe run {wrong.name} could not go on; runs that were finished are kept.")

    def _check(self, todo: Sequence[Job]) -> None:
        """Check what the scenarios say against their files, of the cases of a sweep only the first: they name the same files."""
        first = {self._base(job): job.scenario for job in reversed(todo)}
        new = [scenario for base, scenario in reversed(first.items()) if base not in self.checked]
        self.checked |= set(first)
        for scenario, notes in zip(new, each_of(self.plan.inputs.check, new), strict=True):
            for note in notes:
                self.watcher.note(f"{scenario.name}: {note}")

    def _base(self, job: Job) -> str:
        case = self.plan.cases.get(job.scenario.name)
        return case.base if case is not None else str(job.scenario.name)

    def _prepare(self) -> None:
        """Once, before the first run: the place takes files, the cluster is there and sees it, the table of cases is written."""
        from alatau_sim.results.files import remove_leftovers
        from alatau_sim.study.finish import write_cases
        from alatau_sim.study.places import check_writable

        if self.address is not None and self.cluster is None:
            from alatau_sim.study.cluster import Cluster

            self.cluster = self.stack.enter_context(Cluster(self.address, self.watcher))
        check_writable(self.target)
        if isinstance(self.target, Path):
            remove_leftovers(self.target)
            remove_leftovers(self.target / "runs")
        if self.cluster is not None:
            self.cluster.check(self.target)
        write_cases(self.target, self.plan.cases)
        for note in self.plan.notes:
            self.watcher.note(note)

    def _run(self, jobs: Sequence[Job]) -> list[Outcome]:
        if self.cluster is not None:
            from alatau_sim.study.cluster import on_cluster

            return on_cluster(self.cluster, jobs, self.watcher, self.interrupt)
        if self.model is None:
            from alatau_sim.composition import compile_ahead

            self.watcher.note("Preparing the rules (a first start compiles them; later ones find them compiled) ...")
            compile_ahead(self.plan.inputs.rule_files, self.plan.inputs.plugins, cores())
        count = max(1, min(self.workers or cores(), len(jobs)))
        threads = max(1, cores() // count)
        ready = [replace(job, threads=job.scenario.run.threads or threads) for job in jobs]
        here = count == 1
        return in_this_process(ready, self.watcher, self.interrupt) if here else in_workers(ready, count, self.watcher, self.interrupt)

    def finish(self, aim: str = "") -> StudyResult:
        """Write the tables of the whole study, and say how each run of this share ended."""
        from alatau_sim.study.finish import make_files

        outcomes = tuple(self.ended[job.name] for job in self.planned)
        result = StudyResult(self.out, outcomes, aim=aim)
        if not outcomes:
            self.watcher.note("This part of the study has no runs; there are more parts than runs.")
            return result
        everything = self.planned if self.share is None else self._everything(self.plan.replicates)
        whole = all(job.name in self.ended or not _unfinished(job) for job in everything)
        return replace(result, made=tuple(make_files(self.out, result, self.watcher, whole, everything)))


def _unfinished(job: Job) -> str:
    from alatau_sim.study.places import not_whole

    return not_whole(job)


def plan_jobs(
    scenarios: Sequence[Any], out: Any, inputs: Inputs, replicates: int | None, worlds: int | None, model: Model | None = None,
    cases: Mapping[str, Any] | None = None,
) -> list[Job]:
    """The runs of a study: each world and replicate of each scenario; pairs that are compared come next to each other."""
    jobs = []
    rules = rule_texts(inputs)
    told = {name: case.told() for name, case in (cases or {}).items()}
    counts = [
        (scenario, replicates if replicates is not None else scenario.run.replicates,
         worlds if worlds is not None else scenario.run.worlds, run_hash(scenario, rules))
        for scenario in scenarios
    ]
    for world in range(max(count for _, _, count, _ in counts) + 1):
        for replicate in range(max(count for _, count, _, _ in counts)):
            for scenario, most_replicates, most_worlds, digest in counts:
                if world <= most_worlds and replicate < most_replicates:
                    more = told.get(scenario.name, {})
                    jobs.append(Job(scenario, world, replicate, out, digest, inputs, rules, model=model, more=more))
    return jobs


def read_part(text: str) -> tuple[int, int]:
    """`3/40`: the third of forty shares."""
    number, slash, count = text.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return int(number), int(count)
    raise InputError(f"--part {text!r}: it must be K/N with K from 1 to N, such as 3/40")


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: a container or a job scheduler may give fewer than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begun(place: Any) -> bool:
    if isinstance(place, Path):
        return (place / "runs").is_dir() or (place / "cases.csv").is_file()
    return bool(place.names(""))


def _check_names(names: Sequence[str], places: Sequence[Any]) -> None:
    seen: dict[str, Any] = {}
    for name, place in zip(names, places, strict=True):
        if name in seen:
            raise InputError(f"{place}: name is {name!r}, as in {seen[name]}; a study needs different names")
        seen[name] = place


def sort_jobs(jobs: Sequence[Job], watcher: Watcher) -> tuple[list[Outcome], list[Job]]:
    """Which runs are there and whole, and which are still to do; one that was made from other inputs is an error."""
    from alatau_sim.results.manifest import plain
    from alatau_sim.study.places import damage_of, manifest_of

    kept, todo, clashes = [], [], []
    for job in jobs:
        manifest = manifest_of(job)
        if manifest is None:
            todo.append(job)
        elif manifest["status"] == "complete" and manifest["hash"] != job.hash:
            what = _differences(manifest.get("resolved", {}), plain(job.scenario.resolved()))
            clashes.append(f"{job.out}: holds a run {job.name} of other inputs ({what})")
        elif manifest["status"] != "complete" or damage_of(job.out, manifest):
            watcher.note(f"{job.name}: was {damage_of(job.out, manifest) and 'damaged' or manifest['status']}; it runs again")
            todo.append(job)
        else:
            kept.append(Outcome(job.name, "kept"))
    if clashes:
        more = [f"and {len(clashes) - MOST_TOLD} more"] if len(clashes) > MOST_TOLD else []
        raise InputError("\n".join([*clashes[:MOST_TOLD], *more, "Overwrite with --force, or name another output folder with -o."]))
    for outcome in kept[:MOST_TOLD]:
        watcher.note(f"{outcome.name}: is there and whole ({jobs[0].out}); --force runs it anew")
    if len(kept) > MOST_TOLD:
        watcher.note(f"and {len(kept) - MOST_TOLD} more runs that are there and whole")
    return kept, todo


MOST_TOLD = 12


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
