"""Runs on a Dask cluster that is there already: `tcp://host:port`, or the file that its scheduler has written.

Nothing but small tasks goes through the scheduler: what runs need (scenarios, maps, rule files) is put beside the results, by content, and
runs are written where all workers see it. A task begins a run once: Dask would start one four times whose worker dies. Not more tasks are
submitted than there are workers, so that a worker that dies takes one run with it. That run is done again alone; one that kills its
worker again has failed. One worker process does one run at a time, with as many threads as it was given.
"""

from __future__ import annotations

import logging
import os
import queue
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from alatau_sim.errors import InputError, RunError
from alatau_sim.results.store import Place
from alatau_sim.study import places
from alatau_sim.study.parcel import Files, collect, digest_of, pack, unpack
from alatau_sim.study.pool import LOOK_S, Interrupt, tell, tell_end
from alatau_sim.study.progress import Watcher
from alatau_sim.study.worker import Job, Outcome, died, run_one

CONNECT_S = 5.0  # a cluster that has not answered by then is not there
ALONE_S = 60.0  # so long a study waits for a worker when the last one has gone
INPUTS = ".inputs"  # the folder of parcels beside the results
MOST_UNPACKED = 4  # a worker keeps the inputs of so many studies
REPORTS = 100  # a run tells its progress about so often
MUST_AGREE = ("alatau_sim", "mesa", "numba", "numpy", "pyarrow", "simpy")


@dataclass(frozen=True)
class Task:
    """What goes to a worker: where the study is, the parcels of files and of the scenario, and which run to do."""

    place: Place
    files: str
    scenario: str
    world: int
    replicate: int
    token: str
    topic: str


class Cluster:
    """A connection to a cluster; use it in a `with` block."""

    def __init__(self, address: str, watcher: Watcher) -> None:
        self.address, self.watcher = address, watcher
        self.client: Any = None

    def __enter__(self) -> Cluster:
        distributed = _library()
        where = _where(self.address)
        self._quiet = ExitStack()
        self._quiet.enter_context(_quiet())
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                self.client = distributed.Client(**where, timeout=CONNECT_S, set_as_default=False, name="alatau")
        except (OSError, ValueError, RuntimeError, TimeoutError) as error:
            self._quiet.close()
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"--cluster {self.address}: no cluster answers there ({reason}); start one with `dask scheduler`") from None
        for one in told:
            self.watcher.note(f"note: {str(one.message).strip().splitlines()[0]}")
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):
            self.client.close(timeout=CONNECT_S)
        self._quiet.close()

    @property
    def alive(self) -> bool:
        """Whether the scheduler is still connected."""
        return bool(self.client.status == "running")

    def workers(self) -> int:
        """How many workers there are now."""
        try:
            return len(self.client.sync(self.client.scheduler.ncores, callback_timeout=CONNECT_S)) if self.alive else 0
        except (OSError, TimeoutError, _library().TimeoutError):  # it is going away just now
            return 0

    def check(self, place: Place) -> None:
        """Refuse workers that have other code, or do not see the place of the results, before anything is computed."""
        distributed = _library()
        try:
            self.client.wait_for_workers(1, timeout=CONNECT_S)
        except (TimeoutError, distributed.TimeoutError):
            raise InputError(f"--cluster {self.address}: has no workers; start some with `dask worker {self.address}`") from None
        probe = f"{INPUTS}/probe-{os.urandom(6).hex()}"
        places.write(place, probe, b"seen")
        try:
            found = self.client.run(_facts, place, probe, on_error="return")
        finally:
            places.remove(place, probe)
        ours = _facts(None, "")
        for worker, facts in found.items():
            if isinstance(facts, Exception):
                lacks = isinstance(facts, ImportError)
                raise InputError(f"worker {worker}: {'has no alatau_sim of this version' if lacks else 'cannot be used'}: {facts}")
            differ = [f"{name} {facts['versions'].get(name)} there, {ours['versions'].get(name)} here" for name in MUST_AGREE
                      if facts["versions"].get(name) != ours["versions"].get(name)]
            if differ:
                raise InputError(f"worker {worker}: has other versions, and its results could differ: {'; '.join(differ)}")
            if not facts["sees"]:
                raise InputError(f"worker {worker}: does not see {place}; name a folder that all workers share, or a store (s3://…)")


def on_cluster(cluster: Cluster, jobs: Sequence[Job], watcher: Watcher, interrupt: Interrupt) -> list[Outcome]:
    """Do the runs on the cluster; those that it did not come to when it went away are `not started`."""
    study = _Submission(cluster, jobs, watcher, interrupt)
    rest, suspects = list(jobs), list[Job]()
    while (rest or suspects) and not study.over:
        alone = not rest
        batch = [suspects.pop(0)] if alone else rest
        lost = study.do(batch)
        if alone:
            for job in lost:
                study.end(job, died(job))
        else:
            rest, suspects = [], lost
            if lost and not study.over:
                watcher.note("A worker died; the runs that it was doing are done again, one at a time.")
    study.close()
    return [study.ended.get(job.name) or study.unknown(job) for job in jobs]


class _Submission:
    """The runs of one study on a cluster: submitted as workers become free, and how they ended."""

    def __init__(self, cluster: Cluster, jobs: Sequence[Job], watcher: Watcher, interrupt: Interrupt) -> None:
        self.cluster, self.watcher, self.interrupt = cluster, watcher, interrupt
        self.client = cluster.client
        self.ended: dict[str, Outcome] = {}
        self.over = False
        self.topic = f"alatau-{os.urandom(8).hex()}"
        self.names = {job.name for job in jobs}
        self.client.subscribe_topic(self.topic, self._heard)
        self.place = jobs[0].out
        files = collect({job.scenario.name: job for job in jobs}.values())
        self.files = self._put(files.packed())
        self.scenarios: dict[str, str] = {}
        self.parcels = files
        self.round = 0
        self.alone_since: float | None = None

    def _put(self, packed: bytes) -> str:
        """Put a parcel beside the results, under a name of this submission; returns its digest."""
        digest = digest_of(packed)
        places.write(self.place, f"{INPUTS}/{self.topic}-{digest}", packed)
        return digest

    def _heard(self, event: tuple[float, Any]) -> None:
        name, what, number, day = event[1]
        if name in self.names and name not in self.ended:
            tell(self.watcher, (name, what, number, None if day is None else date.fromisoformat(day)))

    def task(self, job: Job) -> Task:
        """The task of a run; the scenario's parcel is put down with its first run."""
        if job.scenario.name not in self.scenarios:
            self.scenarios[job.scenario.name] = self._put(pack(job, self.parcels))
        token = f"{self.topic}-{self.round}"
        return Task(self.place, self.files, self.scenarios[job.scenario.name], job.world, job.replicate, token, self.topic)

    def do(self, jobs: Sequence[Job]) -> list[Job]:
        """Do some runs; returns those whose worker died."""
        self.round += 1
        waiting, running, lost = list(jobs), dict[str, tuple[Any, Job]](), list[Job]()
        done: queue.Queue[str] = queue.Queue()
        while (waiting or running) and not self.over:
            while waiting and len(running) < self.cluster.workers():
                job = waiting.pop(0)
                future = self.client.submit(run_there, self.task(job), key=f"{job.name}-{self.topic}-{self.round}", retries=0, pure=True)
                running[job.name] = (future, job)
                future.add_done_callback(lambda _, name=job.name: done.put(name))
            with suppress(queue.Empty):
                name = done.get(timeout=LOOK_S)
                future, job = running.pop(name)
                outcome = self._outcome(future, job)
                if outcome is None:
                    lost.append(job)
                else:
                    self.end(job, outcome)
            self._look(waiting, running)
        return [*lost, *(job for _, job in running.values())] if not self.over else lost

    def _outcome(self, future: Any, job: Job) -> Outcome | None:
        """How a run ended, or None when its worker died or the cluster went away. A run is done when its manifest says so."""
        if future.status != "finished":
            return self._trouble(future, job) if future.status == "error" else None
        try:
            outcome: Outcome = future.result(timeout=CONNECT_S)
        except Exception:  # noqa: BLE001 - the worker that held the answer has gone: what it wrote says how the run ended
            outcome = self.unknown(job)
            return outcome if outcome.how == "done" else None
        if outcome.how == "failed" and outcome.message.startswith("the worker process died"):
            return None
        problem = places.not_whole(job) if outcome.how == "done" else ""
        return Outcome(job.name, "failed", f"the worker says that it is done, but {problem}") if problem else outcome

    def _trouble(self, future: Any, job: Job) -> Outcome | None:
        """A task that itself failed: its worker was killed, or something outside the run went wrong."""
        error = future.exception(timeout=CONNECT_S)
        if isinstance(error, _library().scheduler.KilledWorker):
            return None
        return Outcome(job.name, "failed", f"{type(error).__name__}: {error}", wrong_input=isinstance(error, InputError | ImportError))

    def _look(self, waiting: list[Job], running: dict[str, tuple[Any, Job]]) -> None:
        """Look whether the user wants to stop, an input is wrong, or the cluster is gone."""
        if not self.cluster.alive:
            self._gone("went away")
            return
        if self.cluster.workers():
            self.alone_since = None
        elif self.alone_since is None:
            self.alone_since = time.monotonic()
        elif time.monotonic() - self.alone_since >= ALONE_S:
            self._gone("has lost its last worker")
            return
        if self.interrupt.look() or any(outcome.wrong_input for outcome in self.ended.values()):
            with suppress(Exception):  # workers that come and go meanwhile
                self.client.run(_stop, self.topic, on_error="ignore")
            waiting.clear()
            for name, (future, _) in list(running.items()):
                if future.status == "cancelled":
                    del running[name]

    def _gone(self, what: str) -> None:
        self.over = True
        self.watcher.note(f"The cluster at {self.cluster.address} {what}. Runs that are whole are kept; --resume goes on with the others.")

    def end(self, job: Job, outcome: Outcome) -> None:
        """Note how a run ended."""
        self.ended[job.name] = outcome
        tell_end(self.watcher, outcome)

    def unknown(self, job: Job) -> Outcome:
        """How a run ended of which nothing was heard."""
        return Outcome(job.name, "not started") if places.not_whole(job) else Outcome(job.name, "done")

    def close(self) -> None:
        """Take the parcels away, unless a worker could still want them."""
        with suppress(Exception):
            self.client.unsubscribe_topic(self.topic)
        if not self.over:
            for digest in (self.files, *self.scenarios.values()):
                places.remove(self.place, f"{INPUTS}/{self.topic}-{digest}")


def _library() -> Any:
    try:
        import distributed
    except ImportError:
        raise InputError("--cluster needs Dask: pip install 'alatau-sim[cluster]'") from None
    return distributed


def _where(address: str) -> dict[str, str]:
    """What the client is told: an address, or a scheduler file that must be there."""
    if "://" in address:
        return {"address": address}
    path, port = Path(address), address.rpartition(":")[2]
    if path.is_file():
        try:
            if "address" in path.read_text(encoding="utf-8"):
                return {"scheduler_file": str(path)}
        except (OSError, UnicodeDecodeError):
            pass
        raise InputError(f"--cluster {address}: is no file that a Dask scheduler has written (`dask scheduler --scheduler-file FILE`)")
    if not port.isdecimal() and (path.suffix or len(path.parts) > 1):
        raise InputError(f"--cluster {address}: there is no such file; a scheduler writes it with `dask scheduler --scheduler-file FILE`")
    if port.isdecimal() and address.rpartition(":")[0]:
        return {"address": f"tcp://{address}"}
    raise InputError(f"--cluster {address}: must be an address such as tcp://host:8786, or the file that a scheduler has written")


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask tells on stderr what is told here in a sentence."""
    logger = logging.getLogger("distributed")
    old = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(old)


# ---- in a worker of the cluster ----
_ONE = threading.Lock()
_stops: set[str] = set()
_unpacked: dict[str, tuple[Any, dict[str, Path]]] = {}
_compiled: set[str] = set()


def _facts(place: Place | None, probe: str) -> dict[str, Any]:
    """What a worker has: versions, and whether it sees a file that the parent has just written."""
    from alatau_sim.results.manifest import source_hashes, versions

    return {"versions": versions(), "source": source_hashes(), "sees": place is None or places.read(place, probe) == b"seen"}


def _stop(topic: str) -> None:
    _stops.add(topic)


def run_there(task: Task) -> Outcome:
    """Do one run in a worker of the cluster."""
    distributed = _library()
    worker = distributed.get_worker()

    def report(name: str, what: str, number: int, day: date | None) -> None:
        if what != "reached" or number == 1 or number % max(1, job.days // REPORTS) == 0:
            worker.log_event(task.topic, (name, what, number, None if day is None else day.isoformat()))

    with _ONE:
        job = _job(task)
        if job.model is None:
            _compile(job, task.files)
        threads = job.scenario.run.threads or worker.state.nthreads
        return run_one(replace(job, threads=threads), report, lambda: task.topic in _stops)


def _job(task: Task) -> Job:
    """The job of a task, with its files laid out on this machine."""
    if task.files not in _unpacked:
        packed = places.read(task.place, f"{INPUTS}/{task.topic}-{task.files}")
        if packed is None or digest_of(packed) != task.files:
            raise RunError(f"{task.place}: the inputs of the study are not there, or not whole")
        while len(_unpacked) >= MOST_UNPACKED:
            _unpacked.pop(next(iter(_unpacked)))[0].cleanup()
        folder = tempfile.TemporaryDirectory(prefix="alatau-inputs-", ignore_cleanup_errors=True)
        _unpacked[task.files] = (folder, Files.unpacked(packed).lay_out(Path(folder.name)))
    packed = places.read(task.place, f"{INPUTS}/{task.topic}-{task.scenario}")
    if packed is None:
        raise RunError(f"{task.place}: the inputs of the study are not there any more")
    job = unpack(packed, _unpacked[task.files][1])
    return replace(job, world=task.world, replicate=task.replicate, out=task.place, token=task.token)


def _compile(job: Job, files: str) -> None:
    """Compile the rules ahead, once in a process; here, because a worker of Dask may have no children."""
    from alatau_sim.composition import compile_ahead

    if files not in _compiled:
        compile_ahead(job.inputs.rule_files, job.inputs.plugins, 1)
        _compiled.add(files)
