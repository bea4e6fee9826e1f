"""The toolkit's errors: each takes exactly one message (SimPy rebuilds an exception from its arguments)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


class AlatauError(Exception):
    """Base of every error that the toolkit raises on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(AlatauError):
    """The user's input is wrong: nothing has been written."""

    exit_code = 2


class RunError(AlatauError):
    """A run failed while it was running."""


class StudyError(AlatauError):
    """A study went on to its end, but some of its runs failed."""

    exit_code = 3


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in the input, and where."""

    message: str
    file: str | Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = "" if self.file is None else f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return place + self.message


def raise_problems(problems: Iterable[Problem]) -> None:
    """Raise one `InputError` that lists all problems, one a line, in the order given; do nothing if there are none."""
    lines = list(dict.fromkeys(str(problem) for problem in problems))
    if lines:
        raise InputError("\n".join(lines))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known name, or the list of a few known names, or nothing."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, 1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 12 else ""
