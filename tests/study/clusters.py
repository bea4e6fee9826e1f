"""A real Dask scheduler and workers on the loopback, started as processes and ended by their ids."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
ADDRESS = re.compile(r"Scheduler at:\s+(tcp://\S+)")


class Cluster:
    """Use it in a `with` block; `address` is the scheduler's."""

    def __init__(self, folder: Path, workers: int = 2, failures: int = 3) -> None:
        self.folder, self.count, self.failures = folder, workers, failures
        self.workers: list[subprocess.Popen] = []

    def __enter__(self) -> Cluster:
        self.file = self.folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--scheduler-file", str(self.file), "--no-dashboard", "--port", "0")
        self.address = next(found[1] for line in self.scheduler.stderr if (found := ADDRESS.search(line)))
        for _ in range(self.count):
            self.add_worker()
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
            process.stderr.close()

    def add_worker(self) -> subprocess.Popen:
        """One worker process without a nanny, so that its id is the one to kill; it is there when this returns."""
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder), "--worker-port", "0")
        worker = self._start("worker", self.address, *options)
        next(line for line in worker.stderr if "Registered to" in line)
        self.workers.append(worker)
        return worker

    def _start(self, *arguments: str) -> subprocess.Popen:
        paths = os.pathsep.join([str(HERE.parents[2]), str(HERE.parent)])
        environment = {
            **os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", "TMPDIR": str(self.folder),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(self.failures),
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8", env=environment, cwd=self.folder,
        )  # fmt: skip
