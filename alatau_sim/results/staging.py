"""Files that are handed on: made in a hidden folder beside their place, and put there together when all of them are whole."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alatau_sim.errors import InputError
from alatau_sim.results.files import attempt, output_error, rename

LISTED = 4  # so many files that are there already are named


class Stage:
    """A hidden folder that is filled; `place` is where its files will be seen, `made` what was put there."""

    def __init__(self, hidden: Path, place: Path) -> None:
        self.hidden, self.place = hidden, place
        self.made: list[Path] = []

    def file(self, name: str) -> Path:
        """The path at which to write the file that will be called `name` (with `/`) in the folder."""
        path = self.hidden / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@contextmanager
def staged(place: str | Path, names: Sequence[str], *, force: bool = False) -> Iterator[Stage]:
    """Fill a folder with the files `names`: all of them appear when the block ends well, none when it does not.

    A file that is there already is an `InputError` before anything is written, unless `force`; so is a disk that refuses a file.
    """
    place = Path(place)
    there = [place / name for name in names if (place / name).exists()]
    if there and not force:
        more = f" and {len(there) - LISTED} more" if len(there) > LISTED else ""
        raise InputError(f"{', '.join(map(str, there[:LISTED]))}{more}: there already; --force overwrites, --to names another folder")
    missing = [folder for folder in (place, *place.parents) if not folder.exists()]
    stage = Stage(place / f".export.tmp-{attempt()}", place)
    whole = False
    try:
        stage.hidden.mkdir(parents=True)
        yield stage
        _show(stage)
        whole = True
    except OSError as error:
        raise _told(error, place) from error
    finally:
        shutil.rmtree(stage.hidden, ignore_errors=True)
        if not whole:
            _undo(missing)


def _show(stage: Stage) -> None:
    """Give the files their visible names; those that were not there before go away again if one is refused."""
    new: list[Path] = []
    try:
        for path in sorted(path for path in stage.hidden.rglob("*") if path.is_file()):
            target = stage.place / path.relative_to(stage.hidden)
            new += [made for made in (target, *target.parents) if not made.exists()]
            target.parent.mkdir(parents=True, exist_ok=True)
            rename(path, target)
            stage.made.append(target)
    except OSError as error:
        _undo(new)
        raise _told(error, target) from error


def _undo(paths: Sequence[Path]) -> None:
    """Remove files, and folders that are empty then, the deepest first."""
    for path in sorted(set(paths), key=lambda path: -len(path.parts)):
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def _told(error: OSError, path: Path) -> InputError:
    return InputError(str(output_error(error, path)).replace("another output folder with -o", "another folder with --to"))
