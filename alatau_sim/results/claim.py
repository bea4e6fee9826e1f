"""The claim of a run while it is written into a folder: two processes, wherever they are, never write the same run at once.

A claim is a lock of the operating system on `runs/.<run>.claim`, which ends with its process however that ends, also on most shared
disks. Where the disk has no locks there is no claim: equal runs write equal bytes under names of their own, so nothing is harmed.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alatau_sim.errors import AlatauError
from alatau_sim.results.files import attempt, writing

_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


class Busy(AlatauError):
    """Another process is writing this run now."""


class SecondAttempt(AlatauError):
    """The same submission began this run before, and its process died."""


@contextmanager
def claimed(path: Path, token: str = "") -> Iterator[None]:
    """Hold the claim at `path` (`runs/.<run>.claim`) during the block; `Busy` tells who holds it.

    `token` names a submission: if an attempt of the same one began here and left its claim behind, its process died and this is
    a `SecondAttempt`.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file, held = _open(path)
    try:
        said = _read(file)
        if not held:
            raise Busy(f"is being written by another process ({said.split(' ')[0] or 'unknown'})")
        try:
            if token and said.endswith(f" {token}"):
                raise SecondAttempt("the worker process died")
            with writing(path):
                os.ftruncate(file, 0)
                os.lseek(file, 0, os.SEEK_SET)
                os.write(file, f"{attempt()} {token}".encode())
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows removes no file that is open; without its lock it claims nothing
                path.unlink(missing_ok=True)
    finally:
        os.close(file)


def _open(path: Path) -> tuple[int, bool]:
    """The file at the path, and whether it is locked by us: an earlier holder may have removed the one that was just opened."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        held = _lock(file)
        try:
            if not held or os.path.samestat(os.fstat(file), path.stat()):
                return file, held
        except FileNotFoundError:
            pass
        os.close(file)


def _read(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    return os.read(file, 1000).decode(errors="replace")


def _lock(file: int) -> bool:
    """Lock without waiting; true also where the disk knows no locks."""
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(file, 1 << 20, os.SEEK_SET)  # behind the text, which others may read
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _TAKEN
    return True
