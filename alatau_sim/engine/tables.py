"""Tables of columns: rows without objects, with stable ids, growth, compaction and index columns that follow it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.errors import RunError, did_you_mean
from alatau_sim.fields import Column

Rows = NDArray[np.int32]


class Table:
    """Columns of equal length. `table[name]` is a view of the rows that exist; it is valid until rows are added or removed.

    `id` (int64, unique) names a row for ever; the row number changes when another row is removed, because a hole is filled by the
    last row. `version` counts these structural changes.
    """

    def __init__(self, name: str, columns: Mapping[str, Column]) -> None:
        self.name = name
        self.columns = dict(columns)
        self.n = 0
        self.version = 0
        self.referrers: list[tuple[Table, str]] = []
        self._ids: NDArray[np.int64] = np.empty(0, np.int64)
        self._data: dict[str, NDArray[Any]] = {c.name: np.empty(0, c.dtype) for c in columns.values()}
        self._sorted: tuple[NDArray[np.int64], Rows] | None = None

    def __len__(self) -> int:
        return self.n

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    @property
    def id(self) -> NDArray[np.int64]:
        """The rows' ids, int64 of length n."""
        return self._ids[: self.n]

    def __getitem__(self, column: str) -> NDArray[Any]:
        try:
            return self._data[column][: self.n]
        except KeyError:
            raise RunError(f"table {self.name!r} has no column {column!r}{did_you_mean(column, self.columns)}") from None

    def rows_of(self, ids: NDArray[np.int64]) -> Rows:
        """The rows (int32) of some ids; −1 where an id is not in the table."""
        if self._sorted is None:
            order = np.argsort(self.id, kind="stable").astype(np.int32)
            self._sorted = self.id[order], order
        keys, order = self._sorted
        wanted = np.asarray(ids, np.int64)
        if not len(keys):
            return np.full(wanted.shape, -1, np.int32)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, order[at], np.int32(-1)).astype(np.int32)

    def insert(self, ids: NDArray[np.int64], values: Mapping[str, Any] | None = None) -> Rows:
        """Add rows and return their numbers; columns that `values` leaves out take their declared default.

        Raises RunError for an id that is there already or occurs twice, and for an unknown column.
        """
        values = values or {}
        unknown = set(values) - set(self.columns)
        if unknown:
            name = min(unknown)
            raise RunError(f"table {self.name!r} has no column {name!r}{did_you_mean(name, self.columns)}")
        ids = np.asarray(ids, np.int64)
        if len(np.unique(ids)) != len(ids) or (self.n and (self.rows_of(ids) >= 0).any()):
            raise RunError(f"table {self.name!r}: an id would be there twice")
        start, end = self.n, self.n + len(ids)
        self._grow(end)
        self._ids[start:end] = ids
        for name, column in self.columns.items():
            self._data[name][start:end] = values.get(name, -1 if column.index else column.default)
        self.n = end
        self._changed()
        return np.arange(start, end, dtype=np.int32)

    def remove(self, rows: NDArray[Any]) -> None:
        """Remove rows; the last rows fill the holes, and index columns that point here follow (−1 where the target is gone)."""
        gone = np.unique(np.asarray(rows, np.int64))
        if not len(gone):
            return
        keep = self.n - len(gone)
        holes = gone[gone < keep]
        stays = np.ones(self.n - keep, bool)
        stays[gone[gone >= keep] - keep] = False
        movers = np.flatnonzero(stays) + keep
        for data in (self._ids, *self._data.values()):
            data[holes] = data[movers]
        moved = np.arange(self.n, dtype=np.int32)
        moved[gone] = -1
        moved[movers] = holes
        self.n = keep
        self._changed()
        for table, column in self.referrers:
            pointers = table[column]
            there = pointers >= 0
            pointers[there] = moved[pointers[there]]

    def add_column(self, column: Column) -> None:
        """Add a column, filled with its default."""
        self.columns[column.name] = column
        self._data[column.name] = np.full(len(self._ids), -1 if column.index else column.default, column.dtype)

    def total(self, column: str) -> int:
        """The integer sum of an integer column; of the empty name, the number of rows."""
        return int(self[column].sum(dtype=np.int64)) if column else self.n

    @property
    def nbytes(self) -> int:
        """Bytes held by the columns, ids and spare capacity."""
        return self._ids.nbytes + sum(data.nbytes for data in self._data.values())

    def _grow(self, needed: int) -> None:
        capacity = len(self._ids)
        if needed <= capacity:
            return
        # A first fill is exact; later growth leaves an eighth to spare, so that monthly arrivals do not copy the table each time.
        capacity = needed if capacity == 0 else max(needed, capacity + capacity // 8)
        for name, data in [("", self._ids), *self._data.items()]:
            larger = np.empty(capacity, data.dtype)
            larger[: self.n] = data[: self.n]
            if name:
                self._data[name] = larger
            else:
                self._ids = larger

    def _changed(self) -> None:
        self.version += 1
        self._sorted = None


class Tables(Mapping[str, Table]):
    """All tables of a model by name, with the index columns among them connected."""

    def __init__(self, columns: Mapping[str, Mapping[str, Column]]) -> None:
        self._tables = {name: Table(name, specs) for name, specs in columns.items()}
        for table in self._tables.values():
            for column in table.columns.values():
                if column.index:
                    self[column.index].referrers.append((table, column.name))

    def __getitem__(self, name: str) -> Table:
        try:
            return self._tables[name]
        except KeyError:
            raise RunError(f"there is no table {name!r}{did_you_mean(name, self._tables)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)
