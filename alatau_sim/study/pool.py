"""Runs side by side in worker processes, and what Ctrl-C means to them.

Workers are spawned, never forked, so that it works the same everywhere. It knows nothing of what a run is.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from alatau_sim.study.progress import Watcher
from alatau_sim.study.worker import Job, Outcome, died, run_one, start_worker, work

LOOK_S = 0.2  # how often the parent looks for Ctrl-C
LAST_WORDS_S = 5.0  # how long it waits for the last messages; a worker that was killed may have left half of one
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """While it is entered, the first Ctrl-C only sets `asked`: runs stop at the end of their day; the second ends at once."""

    def __init__(self, watcher: Watcher) -> None:
        self.asked = False
        self._told = False
        self._watcher = watcher
        self._old: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():  # elsewhere signals cannot be caught
            self._old = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)

    def _ask(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def look(self) -> bool:
        """Whether to stop; the first time, the user is told."""
        if self.asked and not self._told:
            self._told = True
            self._watcher.note("Stopping at the end of the simulated day; finished parts are kept. Ctrl-C again stops at once.")
        return self.asked


def in_this_process(jobs: Sequence[Job], watcher: Watcher, interrupt: Interrupt) -> list[Outcome]:
    """Do the runs one after the other."""
    outcomes = []
    wrong = False
    for job in jobs:
        outcome = Outcome(job.name, "not started")
        if not wrong and not interrupt.look():
            outcome = run_one(job, lambda *message: tell(watcher, message), interrupt.look)
            wrong = outcome.wrong_input
        tell_end(watcher, outcome)
        outcomes.append(outcome)
    return outcomes


def in_workers(jobs: Sequence[Job], workers: int, watcher: Watcher, interrupt: Interrupt) -> list[Outcome]:
    """Do the runs in worker processes, each as it becomes free.

    When a process dies, all runs that were going on are done again, one at a time; the one that kills its process again has failed.
    """
    ended: dict[str, Outcome] = {}
    rest, suspects = list(jobs), list[Job]()
    while rest or suspects:
        batch = suspects[:1] or rest
        begun, outcomes = _one_pool(batch, min(workers, len(batch)), watcher, interrupt)
        missing = [job for job in batch if job.name not in outcomes]
        if suspects:
            suspects = suspects[1:]
            for job in missing:
                outcomes[job.name] = died(job)
                tell_end(watcher, outcomes[job.name])
        else:
            suspects = [job for job in missing if job.name in begun] or missing
            rest = [job for job in missing if job not in suspects]
            if suspects:
                watcher.note("A worker process died; the runs that were going on are done again, one at a time.")
        ended |= outcomes
    return [ended[job.name] for job in jobs]


def _one_pool(jobs: Sequence[Job], workers: int, watcher: Watcher, interrupt: Interrupt) -> tuple[set[str], dict[str, Outcome]]:
    """Do the runs in one pool; returns the names of those that began, and how those ended that did not die with the pool."""
    context = multiprocessing.get_context("spawn")
    messages, stop = context.Queue(), context.Event()
    begun: set[str] = set()
    outcomes: dict[str, Outcome] = {}
    # a thread of its own, because a worker ends only when all that it has told has been taken from it
    listener = threading.Thread(target=_listen, args=(messages, begun, watcher), daemon=True)
    listener.start()
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, context, start_worker, (messages, stop)) as pool:
        try:
            with _deaf_children():
                futures: dict[Future[Outcome], Job] = {pool.submit(work, job): job for job in jobs}
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, LOOK_S, FIRST_COMPLETED)
                for future in done:
                    outcome = _outcome(future)
                    if outcome is not None:
                        outcomes[outcome.name] = outcome
                        tell_end(watcher, outcome)
                if interrupt.look() or any(outcome.wrong_input for outcome in outcomes.values()):
                    stop.set()
                    for future in [future for future in waiting if future.cancel()]:
                        waiting.remove(future)
                        outcomes[futures[future].name] = Outcome(futures[future].name, "not started")
        except BaseException:
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
    messages.put(None)
    listener.join(LAST_WORDS_S)
    messages.close()
    return begun, outcomes


def _outcome(future: Future[Outcome]) -> Outcome | None:
    try:
        return future.result()
    except BrokenProcessPool:
        return None


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that are started in the block ignore Ctrl-C from their first moment on, where the system hands that down."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)


def _listen(messages: Any, begun: set[str], watcher: Watcher) -> None:
    """Pass on what the workers tell, until the parent says that it is over."""
    while (message := messages.get()) is not None:
        if message[1] == "started":
            begun.add(message[0])
        tell(watcher, message)


def tell(watcher: Watcher, message: tuple[str, str, int, Any]) -> None:
    """Tell the watcher what a worker has told."""
    name, what, number, day = message
    if what == "started":
        watcher.started(name, number)
    elif what == "reached":
        watcher.reached(name, number, day)


def tell_end(watcher: Watcher, outcome: Outcome) -> None:
    """Tell the watcher how a run ended."""
    if outcome.how != "not started":
        watcher.ended(outcome.name, outcome.how if not outcome.message else f"{outcome.how}: {outcome.message.splitlines()[0]}")
