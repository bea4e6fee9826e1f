"""Integer arrays with declared axes, through which people's day plans reach infrastructure, and which come back as served."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """A declared int64 array. An axis is the name of a table (one cell a row), `hour` (24), or a named tuple of labels.

    `axes` are names; `labels` gives the labels of axes that are not tables and not `hour`. The grid is set to zero when the day
    opens, before the tallies. With `profile`, the sum over the days of each month is kept by kind of day, for the recorder.
    """

    name: str
    axes: tuple[str, ...]
    unit: str
    meaning: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    profile: bool = False

    def axis_labels(self, axis: str) -> tuple[str, ...]:
        """The labels of an axis of words, or nothing."""
        return dict(self.labels).get(axis, ())
