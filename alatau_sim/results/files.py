"""Where a study's files are, and how they are written: under a hidden name first, renamed when whole, with clear errors.

Readers of a folder skip names that begin with a dot, so a run that is killed leaves nothing that looks like a result.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alatau_sim.errors import InputError

NAME = re.compile(r"[^\W_][\w.+-]*\Z")
REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "no permission to write there, or the file is open in another program",
    errno.EPERM: "no permission to write there",
    errno.EROFS: "the disk is read-only",
    errno.ENOTDIR: "a part of the path is a file and not a folder",
    errno.EEXIST: "a file stands where a folder is needed",
    errno.EISDIR: "a folder stands where the file is needed",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EMFILE: "too many files are open",
}


TRIES, PAUSE_S = (6, 0.05) if os.name == "nt" else (1, 0.0)


def output_error(error: OSError, path: Path) -> InputError:
    """The message for a file that could not be written."""
    reason = REASONS.get(error.errno or 0) or error.strerror or str(error)
    return InputError(f"{path}: cannot be written: {reason}; free some space or choose another output folder with -o")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` inside the block into an `InputError` that names `path` and the reason."""
    try:
        yield
    except OSError as error:
        raise output_error(error, path) from error


def attempt() -> str:
    """Who writes just now: host, process and thread, so that no two that write the same file at once share a hidden name."""
    host = re.sub(r"[^A-Za-z0-9]+", "_", platform.node())[:40] or "host"
    return f"{host}-{os.getpid()}-{threading.get_native_id()}"


def hidden(path: Path, *, keep_suffix: bool = False) -> Path:
    """The hidden name under which this thread writes `path`; with `keep_suffix` for writers that look at the suffix."""
    if keep_suffix:
        return path.with_name(f".{path.stem}.tmp-{attempt()}{path.suffix}")
    return path.with_name(f".{path.name}.tmp-{attempt()}")


def remove_leftovers(folder: Path) -> None:
    """Remove hidden files directly in a folder whose writer was a process of this machine that is no more."""
    import psutil

    host = attempt().split("-")[0]
    for path in folder.glob(".*.tmp-*"):
        written = re.search(r"\.tmp-([A-Za-z0-9_]+)-(\d+)-\d+", path.name)
        if written and written[1] == host and not psutil.pid_exists(int(written[2])):
            path.unlink(missing_ok=True)


def rename(aside: Path, path: Path) -> None:
    """Give a whole file its visible name; where another process reads the old one just now, Windows refuses, so it is tried again."""
    for attempt in range(TRIES):
        try:
            aside.replace(path)
            return
        except PermissionError:
            if attempt == TRIES - 1:
                raise
            time.sleep(PAUSE_S * 2**attempt)


@contextmanager
def replacing(path: Path, *, keep_suffix: bool = False) -> Iterator[Path]:
    """Give a hidden name to write to; it becomes `path` when the block ends well, and is removed when it does not."""
    aside = hidden(path, keep_suffix=keep_suffix)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            rename(aside, path)
        finally:
            aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON (UTF-8, keys in the order given), aside and renamed."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file of a study; an `InputError` names a file that is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{path}: is broken ({error}); run the scenario again with --force") from error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_name(name: str, what: str = "scenario") -> str:
    """The name, if it can be a folder's name everywhere: letters of any alphabet, digits, and . _ + - after the first."""
    if not NAME.match(name) or name.endswith(".") or len(name) > 100:
        raise InputError(f"{what} name {name!r}: it must be 1 … 100 letters, digits or . _ + - and begin with a letter or digit")
    return name


def run_folder(out: Path, table: str, scenario: str, world: int, replicate: int) -> Path:
    """The folder of the parts of one table of one run."""
    return out / table / f"scenario={scenario}" / f"world={world}" / f"replicate={replicate}"


def manifest_path(out: Path, scenario: str, world: int, replicate: int) -> Path:
    """The manifest of one run."""
    return out / "runs" / f"{scenario}-{world}-{replicate}.json"
