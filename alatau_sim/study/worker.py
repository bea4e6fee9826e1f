"""One run from its scenario to its manifest, in this process or in a worker process.

It knows of the model only what it calls: build, observe, step, close.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from alatau_sim.errors import InputError, RunError
from alatau_sim.study.inputs import Inputs

if TYPE_CHECKING:
    from alatau_sim.results.recorder import Recorded

How = Literal["done", "kept", "stopped", "failed", "busy", "not started"]
Report = Callable[[str, str, int, Any], None]
"""What a run tells: (run's name, "started", days, None), (…, "reached", days done, date) or (…, "ended", 0, text)."""


@dataclass(frozen=True)
class Job:
    """One run to be done: scenario, world and replicate, and the folder or store (`results.store.Place`) that it is written to.

    `hash` is that of everything that decides the result besides world and replicate, `rules` what `rule_texts` has read for it;
    `model` replaces `CityModel`, if given. `more` is what its manifest says besides, such as the case of a sweep; `token` names the
    submission to a cluster, which may begin a run only once; `force` does it anew also if it is there and whole.
    """

    scenario: Any
    world: int
    replicate: int
    out: Any
    hash: str
    inputs: Inputs = field(default_factory=Inputs)
    rules: tuple[dict[str, str], ...] = ()
    threads: int | None = None
    model: Callable[..., Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    token: str = ""
    force: bool = False

    @property
    def name(self) -> str:
        """Scenario, world and replicate in one word, as the manifest is called."""
        return f"{self.scenario.name}-{self.world}-{self.replicate}"

    @property
    def days(self) -> int:
        """How many days the run has."""
        return (self.scenario.run.end - self.scenario.run.start).days + 1


@dataclass(frozen=True)
class Outcome:
    """How a run ended; `message` says why, where it did not end well. `wrong_input` means that no other run will fare better.

    `busy` is a run that another process is writing now.
    """

    name: str
    how: How
    message: str = ""
    wrong_input: bool = False


class _Stopped(Exception):
    """The user has asked to stop; the day that was open has been finished."""


def run_hash(scenario: Any, rules: Sequence[dict[str, str]]) -> str:
    """The scenario's hash, together with `rule_texts`: in their order, because a later rule takes an earlier one's place."""
    if not rules:
        return str(scenario.hash)
    told = [{key: value for key, value in rule.items() if key != "text"} for rule in rules]
    return hashlib.sha256(json.dumps([scenario.hash, told], sort_keys=True).encode()).hexdigest()


def rule_texts(inputs: Inputs) -> tuple[dict[str, str], ...]:
    """What was named on the command line, in that order: file, sha256 and text of each rule file; name and version of each plug-in.

    Files by their names without folders; two of one name are told apart by their place.
    """
    from importlib.metadata import entry_points

    found = []
    for file in inputs.rule_files:
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error.strerror or error}") from error
        # a file in another encoding than Python's default is kept readable; its hash is that of the bytes
        text = content.decode("utf-8", errors="replace")
        found.append({"file": Path(file).name, "sha256": hashlib.sha256(content).hexdigest(), "text": text})
    for name in inputs.plugins:
        entry = next(iter(entry_points(group="alatau_sim.plugins", name=name)), None)
        found.append({"plugin": name, "version": entry.dist.version if entry is not None and entry.dist is not None else ""})
    return tuple(found)


def run_one(job: Job, report: Report, stopping: Callable[[], bool]) -> Outcome:
    """Do one run. What goes wrong in it becomes a manifest row with the stage and the traceback, and an outcome; it raises nothing.

    `stopping` is asked after every day: when it says yes, the parts that are whole are kept and the manifest says `stopped`.
    """
    from alatau_sim.results.claim import Busy, SecondAttempt
    from alatau_sim.study.places import not_whole

    if stopping():
        return Outcome(job.name, "not started")
    try:
        with _folder(job) as here:
            if not job.force and not not_whole(job):  # another process has done it since this study was planned
                return Outcome(job.name, "done")
            return _run_here(here, report, stopping)
    except SecondAttempt:
        return died(replace(job, token=""))
    except Busy as error:
        return Outcome(job.name, "busy", str(error))
    except InputError as unwritable:
        return Outcome(job.name, "failed", str(unwritable), wrong_input=True)


def _run_here(job: Job, report: Report, stopping: Callable[[], bool]) -> Outcome:
    report(job.name, "started", job.days, None)
    run = _Run(job)
    try:
        run.go(report, stopping)
    except _Stopped:
        return run.over("stopped", f"stopped on {run.day.isoformat()}, after {run.done} of {job.days} days")
    except Exception as error:  # noqa: BLE001 - whatever a run dies of is its result: the study goes on
        return run.over("failed", f"{error}" if isinstance(error, InputError | RunError) else f"{type(error).__name__}: {error}", error)
    return Outcome(job.name, "done")


@contextmanager
def _folder(job: Job) -> Iterator[Job]:
    """The job with the folder that its run is recorded into, claimed; what is for an object store is put there in the end."""
    from alatau_sim.results.claim import claimed
    from alatau_sim.results.store import ObjectStore

    claim, run = f"runs/.{job.name}.claim", (job.scenario.name, job.world, job.replicate)
    if not isinstance(job.out, ObjectStore):
        with claimed(job.out / claim, job.token):
            yield job
        return
    with job.out.claimed(claim, job.token), tempfile.TemporaryDirectory(prefix="alatau-", ignore_cleanup_errors=True) as folder:
        yield replace(job, out=Path(folder))
        if (Path(folder) / "runs").is_dir():  # else nothing was done
            job.out.take(Path(folder), *run)


class _Run:
    """The state of one run while it goes on."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.stage = "build"
        self.day: date = job.scenario.run.start
        self.done = 0
        self.began = time.monotonic()
        self.recorder: Any = None

    def go(self, report: Report, stopping: Callable[[], bool]) -> None:
        job = self.job
        model = self._build()
        try:
            self.recorder = recorder_of(model, job)
            keep_map(model, job.out)
            model.observe(self.recorder)
            self.stage = "simulate"
            while self.done < job.days:
                if stopping():
                    raise _Stopped
                self.day = job.scenario.run.start + timedelta(days=self.done)
                model.step()
                self.done += 1
                report(job.name, "reached", self.done, self.day)
            self.stage = "write"
            self._manifest("complete", self.recorder.finish())
        finally:
            model.close()

    def _build(self) -> Any:
        job = self.job
        now = rule_texts(job.inputs)
        if now != job.rules:
            changed = [rule.get("file") or rule["plugin"] for rule in now if rule not in job.rules]
            raise InputError(f"{', '.join(changed)}: changed while the study was running; run it again")
        return (job.model or _city_model())(job.scenario, world=job.world, replicate=job.replicate, threads=job.threads,
                                            rule_files=job.inputs.rule_files, plugins=job.inputs.plugins)

    def over(self, how: Literal["stopped", "failed"], message: str, error: Exception | None = None) -> Outcome:
        """Keep the parts that are whole and write why the run is not; a folder that takes no manifest takes nothing more."""
        from alatau_sim.results.recorder import Recorded

        where = "" if error is None else f" ({self.stage}, {self.day.isoformat()})" if self.done else f" ({self.stage})"
        wrong_input = isinstance(error, InputError)
        try:
            recorded = self.recorder.abandon() if self.recorder is not None else Recorded()
            self._manifest(how, recorded, error)
        except InputError as unwritable:
            if not wrong_input:
                message, wrong_input = f"{message}; and {unwritable}", True
        return Outcome(self.job.name, how, message + where, wrong_input)

    def _manifest(self, status: Literal["complete", "stopped", "failed"], recorded: Recorded, error: Exception | None = None) -> None:
        from alatau_sim.results.manifest import new_manifest, write_manifest

        job, scenario = self.job, self.job.scenario
        write_manifest(job.out, new_manifest(
            scenario=scenario.name, world=job.world, replicate=job.replicate, hash=job.hash, resolved=scenario.resolved(),
            recorded=recorded, seed=scenario.run.seed, kernels=scenario.run.kernels, wall_s=time.monotonic() - self.began,
            status=status, inputs={file.path.name: file.sha256 for file in scenario.files()}, rules=job.rules,
            stage="" if status == "complete" else self.stage, error=error, more={"days": self.done, **job.more},
        ))


def _city_model() -> Callable[..., Any]:
    from alatau_sim.model import CityModel  # takes a second to import, and only where a run is done

    return CityModel


def died(job: Job) -> Outcome:
    """The outcome of a run whose worker process died, with a manifest that says so."""
    message = "the worker process died: killed from outside, or out of memory (fewer workers with -j need less)"
    from alatau_sim.results.claim import Busy

    try:
        with _folder(job) as here:
            return _Run(here).over("failed", message, RunError(message))
    except (Busy, InputError) as error:
        return Outcome(job.name, "failed", f"{message}; {error}", wrong_input=isinstance(error, InputError))


def recorder_of(model: Any, job: Job) -> Any:
    """The recorder of a run, for the tables that its scenario asks for."""
    from alatau_sim.results.evidence import evidence_of
    from alatau_sim.results.recorder import Recorder

    return Recorder(job.out, job.scenario.name, job.world, job.replicate, model.result_tables, model.kpis,
                    job.scenario.results.compression, labels=model.labels, evidence=evidence_of(model))


def keep_map(model: Any, out: Path) -> None:
    """Write the outlines of the zones into the study, for maps of its results."""
    from alatau_sim.results.geo import save_map

    zones = model.city.zones
    districts = [zones.district_labels[code] if code >= 0 else "" for code in zones.district]
    save_map(out, zones.zone, zones.name, districts, zones.geometry, zones.crs, outside=zones.outside)


# ---- in a worker process: the two ways to the parent, set once when the process starts ----
_ways: dict[str, Any] = {}


def start_worker(messages: Any, stop: Any) -> None:
    """Prepare a worker process: Ctrl-C is the parent's to handle, which then sets `stop`; without its parent it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _ways["messages"], _ways["stop"] = messages, stop
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work(job: Job) -> Outcome:
    """Do one run in a worker process."""

    def report(name: str, what: str, number: int, value: Any) -> None:
        _ways["messages"].put((name, what, number, value))

    return run_one(job, report, _ways["stop"].is_set)
