"""How a study shows its progress: bars on a terminal, a line now and then elsewhere, always on stderr."""

from __future__ import annotations

import time
from datetime import date
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

STEP = 0.1  # the share of a run after which a plain line is printed
MOST_BARS = 16


class Watcher(Protocol):
    """What a study tells while it runs; `run` is the run's name, days are counted from 0 to `days`."""

    def note(self, text: str) -> None:
        """Say something once."""

    def planned(self, runs: int) -> None:
        """So many runs are to be done from now on."""

    def started(self, run: str, days: int) -> None:
        """A run has begun to be built."""

    def reached(self, run: str, done: int, day: date) -> None:
        """A run has closed one more day."""

    def ended(self, run: str, how: str) -> None:
        """A run is over: `done`, or what happened instead."""


class Silent:
    """Tells nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def planned(self, runs: int) -> None:
        """Say nothing."""

    def started(self, run: str, days: int) -> None:
        """Say nothing."""

    def reached(self, run: str, done: int, day: date) -> None:
        """Say nothing."""

    def ended(self, run: str, how: str) -> None:
        """Say nothing."""


class Lines:
    """Progress as plain lines, for logs and pipes: one when a run begins and ends, and one for each tenth of it."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._began: dict[str, float] = {}
        self._days: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self.whole = Whole()

    def planned(self, runs: int) -> None:
        """Remember how many runs there are."""
        self.whole = Whole(runs)

    def note(self, text: str) -> None:
        """Print the text as it is."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def started(self, run: str, days: int) -> None:
        """Print that the run begins."""
        self._began[run], self._days[run], self._told[run] = time.monotonic(), days, 0
        self.note(f"{run}: building the city")

    def reached(self, run: str, done: int, day: date) -> None:
        """Print a line when another tenth of the run is over."""
        tenth = int(done / self._days[run] / STEP + 1e-9)
        if done == 1:  # time left is judged from the first simulated day: building is over by then
            self._began[run] = time.monotonic()
        elif tenth > self._told[run] and done < self._days[run]:
            left = (time.monotonic() - self._began[run]) / (done - 1) * (self._days[run] - done)
            self.note(f"{run}: {day.isoformat()}, {done} of {self._days[run]} days, about {_time(left)} left")
        self._told[run] = tenth

    def ended(self, run: str, how: str) -> None:
        """Print how the run ended, and how long the study will go on."""
        self.whole.ended()
        self.note(f"{run}: {how}{self.whole.words()}")


class Whole:
    """How many of the planned runs are over, and how long the others will take at that pace."""

    def __init__(self, runs: int = 0) -> None:
        self.runs, self.over, self._began = runs, 0, time.monotonic()

    def ended(self) -> None:
        """One more run is over."""
        self.over += 1

    def words(self) -> str:
        """` (3 of 40 runs, about 12 min left)`; nothing for a single run."""
        if self.runs < 2 or self.over > self.runs:
            return ""
        left = (time.monotonic() - self._began) / self.over * (self.runs - self.over) if self.over else 0.0
        return f" ({self.over} of {self.runs} runs{f', about {_time(left)} left' if self.over < self.runs else ''})"


class Bars:
    """Progress as bars, one for each run that goes on and one for the study; a run that is over leaves one line."""

    def __init__(self, console: Console) -> None:
        self._lines = Lines(console)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[day]}"),
            TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
            console=console, transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._study: TaskID | None = None

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def planned(self, runs: int) -> None:
        """Show a bar for the study."""
        self._lines.planned(runs)
        if self._study is not None:
            self._progress.remove_task(self._study)
        self._study = self._progress.add_task("study", total=runs, day=f"{runs} runs") if runs > 1 else None

    def note(self, text: str) -> None:
        """Print the text above the bars."""
        self._lines.note(text)

    def started(self, run: str, days: int) -> None:
        """Show a bar for the run; where many go on at once, the study's bar stands for them."""
        if len(self._tasks) < MOST_BARS:
            self._tasks[run] = self._progress.add_task(run, total=days, day="building the city")

    def reached(self, run: str, done: int, day: date) -> None:
        """Move the run's bar."""
        if run in self._tasks:  # a last message may come after the end
            self._progress.update(self._tasks[run], completed=done, day=day.isoformat())

    def ended(self, run: str, how: str) -> None:
        """Replace the run's bar by a line."""
        if run in self._tasks:
            self._progress.remove_task(self._tasks.pop(run))
        if self._study is not None:
            self._progress.advance(self._study)
        self._lines.ended(run, how)


class Screen:
    """The progress that fits where stderr goes: bars on a terminal, else lines. Use it in a `with` block."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars: Bars | None = None

    def __enter__(self) -> Any:
        if not self._console.is_terminal:
            return Lines(self._console)
        self._bars = Bars(self._console)
        return self._bars.__enter__()

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.__exit__()


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
