"""Rows of a recorded table as arrays: numbers, labels as codes, months; each made once and kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

KIND_WEIGHTS = {"workday": 5 / 7, "day off": 2 / 7}
"""The parts of the kinds of day in a mean day; holidays are not counted."""


def months_of(days: pa.ChunkedArray) -> NDArray[np.int64]:
    """The month of the year (0 … 11) of each day of one time column."""
    numbers = days.cast(pa.date32()).cast(pa.int32()).to_numpy()
    if not len(numbers):
        return np.empty(0, np.int64)
    first, last = int(numbers.min()), int(numbers.max())
    # a calendar of the days between, looked up: many times faster than converting each
    calendar = np.arange(first, last + 1).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    found: NDArray[np.int64] = calendar[numbers - first]
    return found


class Rows:
    """A table in memory, column by column. The time column comes first."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._numbers: dict[str, NDArray[np.float64]] = {}
        self._codes: dict[str, tuple[list[str], NDArray[np.int64]]] = {}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, column: str) -> bool:
        """Whether there is such a column."""
        return column in self.table.column_names

    @cached_property
    def months(self) -> NDArray[np.int64]:
        """The month of the year of each row, 0 … 11."""
        return months_of(self.table.column(0))

    @cached_property
    def months_there(self) -> NDArray[np.int64]:
        """The months that have rows, in order."""
        return np.flatnonzero(np.bincount(self.months, minlength=12))

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column as numbers; NaN where there is none."""
        if column not in self._numbers:
            self._numbers[column] = np.asarray(self.table[column].to_numpy(), np.float64)
        return self._numbers[column]

    def codes(self, column: str) -> tuple[list[str], NDArray[np.int64]]:
        """The labels of a column, as text, and which of them each row has."""
        if column not in self._codes:
            whole = self.table[column].combine_chunks()
            encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
            labels = [str(label) for label in encoded.dictionary.to_pylist()]
            self._codes[column] = labels, np.asarray(encoded.indices.to_numpy(), np.int64)
        return self._codes[column]

    def labels_there(self, column: str) -> list[str]:
        """The labels of a column that some row has."""
        labels, codes = self.codes(column)
        return [labels[code] for code in np.flatnonzero(np.bincount(codes, minlength=len(labels)))]

    def part(self, chosen: tuple[tuple[str, str], ...]) -> NDArray[np.bool_]:
        """Which rows have all these labels."""
        found = np.ones(len(self), np.bool_)
        for column, label in chosen:
            labels, codes = self.codes(column)
            found &= codes == (labels.index(label) if label in labels else -1)
        return found

    def day_weights(self) -> NDArray[np.float64]:
        """What each row of a profile counts in a mean day, by its kind of day."""
        return self.by_label("kind_of_day", KIND_WEIGHTS) if self.has("kind_of_day") else np.ones(len(self))

    def by_label(self, column: str, values: Mapping[str, float]) -> NDArray[np.float64]:
        """A number for each row by its label; 1 for a label without one."""
        labels, codes = self.codes(column)
        return np.array([values.get(label, 1.0) for label in labels])[codes]
