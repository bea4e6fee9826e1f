"""Column tables as Mesa sees them: an AgentSet over rows, and the view of one row as an agent.

Nothing is registered with Mesa, and no object exists until one is asked for: a `Row` holds a table and an id, and reads and writes the
columns. Rows come and go only when the day opens, so methods that would add or remove agents refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import numpy as np
from mesa.agent import AgentSet, GroupBy
from numpy.typing import NDArray

from alatau_sim.engine.randomness import mix64
from alatau_sim.engine.tables import Table
from alatau_sim.errors import did_you_mean


class Row:
    """One row of a table, with its columns as attributes. It stays the same one when other rows come and go."""

    __slots__ = ("__weakref__", "_id", "_table", "model")
    _id: int
    _table: Table
    model: Any

    def __init__(self, model: Any, table: Table, row_id: int) -> None:
        for name, value in (("model", model), ("_table", table), ("_id", int(row_id))):
            object.__setattr__(self, name, value)

    @property
    def unique_id(self) -> int:
        """The stable id, the same in every scenario."""
        return self._id

    @property
    def row(self) -> int:
        """The present row number; LookupError when the row is gone."""
        row = int(self._table.rows_of(np.array([self._id]))[0])
        if row < 0:
            raise LookupError(f"{self._table.name} has no row with id {self._id} any more")
        return row

    def __getattr__(self, name: str) -> Any:
        table = object.__getattribute__(self, "_table")
        if name not in table.columns:
            raise AttributeError(f"{table.name} has no column {name!r}{did_you_mean(name, table.columns)}")
        return table[name][self.row].item()

    def __setattr__(self, name: str, value: Any) -> None:
        table = self._table
        if name not in table.columns:
            raise AttributeError(f"{table.name} has no column {name!r}{did_you_mean(name, table.columns)}")
        table[name][self.row] = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and other._id == self._id and other._table is self._table

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a row is a view of a running model and cannot be pickled; take its values")

    def remove(self) -> NoReturn:
        """Refused: rows are removed by the model when a day opens."""
        raise TypeError(_REFUSAL)


_REFUSAL = "rows are added and removed by the model when a day opens (sim.tables[…].insert and remove), not through an agent set"


class ColumnAgentSet(AgentSet):
    """Mesa's AgentSet verbs over a column table. Without `ids` it is the whole table, whatever happens; else the rows of these ids.

    `get` and `agg` hand over numpy arrays; `select` takes a function of a row, as Mesa's does, or a bool array. What only columns can
    do fast is done by column; what calls a function for each agent makes rows on the way.
    """

    def __init__(self, model: Any, table: Table, kind: type[Row] = Row, ids: NDArray[np.int64] | None = None) -> None:
        self.model, self.table, self.kind = model, table, kind
        self.random = model.random  # Mesa's shared stream; the toolkit itself never draws from it
        self._ids = ids
        self._resolved: tuple[int, NDArray[np.int32]] | None = None

    @property
    def rows(self) -> NDArray[np.int32]:
        """The present row numbers, in the set's order; rows that are gone have dropped out."""
        if self._ids is None:
            return np.arange(self.table.n, dtype=np.int32)
        if self._resolved is None or self._resolved[0] != self.table.version:
            rows = self.table.rows_of(self._ids)
            self._resolved = self.table.version, rows[rows >= 0]
        return self._resolved[1]

    @property
    def ids(self) -> NDArray[np.int64]:
        """The stable ids, in the set's order."""
        return self.table.id[self.rows]

    def _of(self, ids: NDArray[np.int64]) -> ColumnAgentSet:
        return ColumnAgentSet(self.model, self.table, self.kind, ids)

    def _become(self, ids: NDArray[np.int64], inplace: bool) -> ColumnAgentSet:
        if not inplace:
            return self._of(ids)
        self._ids, self._resolved = ids, None
        return self

    def _view(self, row_id: int) -> Row:
        return self.kind(self.model, self.table, row_id)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Any]:
        return (self._view(row_id) for row_id in self.ids.tolist())

    def __contains__(self, agent: object) -> bool:
        return isinstance(agent, Row) and agent._table is self.table and bool((self.ids == agent._id).any())

    def __getitem__(self, item: int | slice) -> Any:
        found = self.ids[item]
        return [self._view(i) for i in found.tolist()] if isinstance(item, slice) else self._view(int(found))

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The position of a row in the set; ValueError where it is not in it."""
        found = np.flatnonzero(self.ids[start:stop] == value.unique_id)
        if value not in self or not len(found):
            raise ValueError(f"{value!r} is not in the set")
        return start + int(found[0])

    def count(self, value: Any) -> int:
        """1 for a row of the set, else 0."""
        return int(value in self)

    def select(
        self,
        filter_func: Callable[[Any], bool] | NDArray[np.bool_] | None = None,
        at_most: int | float = float("inf"),
        inplace: bool = False,
        agent_type: type | None = None,
    ) -> ColumnAgentSet:
        """The rows for which a function of the row, or a bool array of the set's length, is true; at most so many (or a share)."""
        ids = self.ids
        if agent_type is not None and not issubclass(self.kind, agent_type):
            ids = ids[:0]
        elif isinstance(filter_func, np.ndarray):
            ids = ids[filter_func]
        elif filter_func is not None:
            ids = ids[np.fromiter((bool(filter_func(agent)) for agent in self), bool, len(ids))]
        if at_most != float("inf"):
            ids = ids[: int(len(self) * at_most) if isinstance(at_most, float) and at_most <= 1 else int(at_most)]
        return self._become(ids, inplace)

    def shuffle(self, inplace: bool = False) -> ColumnAgentSet:
        """The rows in a random order of Mesa's stream."""
        ids = self.ids
        return self._become(ids[np.argsort([mix64(self.random.getrandbits(63), i) for i in ids.tolist()])], inplace)

    def sort(self, key: Callable[[Any], Any] | str, ascending: bool = False, inplace: bool = False) -> ColumnAgentSet:
        """The rows by a column, or by a function of the row."""
        values = self.get(key) if isinstance(key, str) else np.array([key(agent) for agent in self])
        order = np.argsort(values, kind="stable")
        return self._become(self.ids[order if ascending else order[::-1]], inplace)

    def do(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> ColumnAgentSet:
        """Call a function (or a method by name) for each row, in the set's order."""
        self.map(method, *args, **kwargs)
        return self

    def shuffle_do(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> ColumnAgentSet:
        """Call a function for each row in a random order of Mesa's stream."""
        self.shuffle().map(method, *args, **kwargs)
        return self

    def map(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> list[Any]:
        """The results of a function (or a method by name) for each row."""
        if isinstance(method, str):
            return [getattr(agent, method)(*args, **kwargs) for agent in self]
        return [method(agent, *args, **kwargs) for agent in self]

    def agg(self, attribute: str, func: Callable[..., Any] | Iterable[Callable[..., Any]]) -> Any:
        """A function, or several, of a column's values (a numpy array)."""
        values = self.get(attribute)
        return func(values) if callable(func) else [f(values) for f in func]

    def get(self, attr_names: str | list[str], handle_missing: str = "error", default_value: Any = None) -> Any:
        """A column's values in the set's order, as a numpy array; of several columns, a list with a list for each row."""
        if not isinstance(attr_names, str):
            columns = [self.get(name, handle_missing, default_value).tolist() for name in attr_names]
            return [list(values) for values in zip(*columns, strict=True)]
        if attr_names == "unique_id":
            return self.ids
        if attr_names not in self.table.columns:
            if handle_missing == "default":
                return np.full(len(self), default_value)
            raise AttributeError(f"{self.table.name} has no column {attr_names!r}{did_you_mean(attr_names, self.table.columns)}")
        return self.table[attr_names][self.rows]

    def set(self, attr_name: str, value: Any) -> ColumnAgentSet:
        """Write one value, or an array in the set's order, into a column."""
        if attr_name not in self.table.columns:
            raise AttributeError(f"{self.table.name} has no column {attr_name!r}{did_you_mean(attr_name, self.table.columns)}")
        self.table[attr_name][self.rows] = value
        return self

    def groupby(self, by: Callable[[Any], Any] | str, result_type: str = "agentset") -> GroupBy:
        """Groups by a column or by a function of the row; `result_type` is agentset or list."""
        values = self.get(by) if isinstance(by, str) else np.array([by(agent) for agent in self])
        keys, codes = np.unique(values, return_inverse=True)
        order = np.argsort(codes, kind="stable")
        cuts = np.cumsum(np.bincount(codes, minlength=len(keys)))[:-1]
        parts = [self._of(ids) for ids in np.split(self.ids[order], cuts)]
        return GroupBy({key.item(): list(part) if result_type == "list" else part for key, part in zip(keys, parts, strict=True)})

    # --- as a set -----------------------------------------------------------------------------------------------------------

    def _ids_of(self, other: Any) -> NDArray[np.int64]:
        if isinstance(other, ColumnAgentSet):
            return other.ids if other.table is self.table else other.ids[:0]
        return np.array([a.unique_id for a in other if isinstance(a, Row) and a._table is self.table], np.int64)

    def __and__(self, other: Any) -> ColumnAgentSet:
        return self._of(self.ids[np.isin(self.ids, self._ids_of(other))])

    __rand__ = __and__

    def __or__(self, other: Any) -> ColumnAgentSet:
        more = self._ids_of(other)
        if len(more) != len(other):
            raise TypeError("sets of rows of one table can be united with each other only")
        return self._of(np.concatenate([self.ids, more[~np.isin(more, self.ids)]]))

    __ror__ = __or__

    def __sub__(self, other: Any) -> ColumnAgentSet:
        return self._of(self.ids[~np.isin(self.ids, self._ids_of(other))])

    def __rsub__(self, other: Any) -> ColumnAgentSet:
        more = self._ids_of(other)
        return self._of(more[~np.isin(more, self.ids)])

    def __xor__(self, other: Any) -> ColumnAgentSet:
        return (self - other) | self.__rsub__(other)

    __rxor__ = __xor__

    def isdisjoint(self, other: Any) -> bool:
        """Whether the two sets share no row."""
        return not np.isin(self.ids, self._ids_of(other)).any()

    def __le__(self, other: Any) -> bool:
        return bool(np.isin(self.ids, self._ids_of(other)).all())

    def __ge__(self, other: Any) -> bool:
        more = self._ids_of(other)
        return len(more) == len(other) and bool(np.isin(more, self.ids).all())

    def __lt__(self, other: Any) -> bool:
        return len(self) < len(other) and self <= other

    def __gt__(self, other: Any) -> bool:
        return len(self) > len(other) and self >= other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AgentSet | set | frozenset):
            return NotImplemented
        return len(self) == len(other) and self <= other

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> ColumnAgentSet:
        return ColumnAgentSet(self.model, self.table, self.kind, None if self._ids is None else self._ids.copy())

    def __deepcopy__(self, _: Any) -> NoReturn:
        raise TypeError("an agent set is a view of a running model and cannot be copied deeply; copy the columns (get)")

    def __reduce__(self) -> NoReturn:
        raise TypeError("an agent set is a view of a running model and cannot be pickled; take the columns (get)")

    __getstate__ = __reduce__

    def __setstate__(self, state: Any) -> NoReturn:
        self.__reduce__()

    def _refuse(self, *_: Any) -> NoReturn:
        raise TypeError(_REFUSAL)

    add = discard = remove = pop = clear = _refuse  # type: ignore[assignment]
    __ior__ = __iand__ = __isub__ = __ixor__ = _refuse
