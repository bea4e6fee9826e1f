"""Integer sums over groups and graphs, compiled once; exact, so that no order of rows or threads can matter."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

_jit = nb.njit(nogil=True, cache=True)


@_jit
def _by_group(values: Any, by: Any, take: Any, total: Any, count: Any) -> None:
    for i in range(len(by)):
        g = by[i]
        if g >= 0 and take[i]:
            total[g] += values[i]
            count[g] += 1


@_jit
def _by_neighbour(values: Any, neighbours: Any, take: Any, total: Any, count: Any) -> None:
    rows, degree = neighbours.shape
    for i in range(rows):
        for d in range(degree):
            other = neighbours[i, d]
            if other >= 0 and take[other]:
                total[i] += values[other]
                count[i] += 1


@_jit
def _bits(values: Any, by: Any, take: Any, out: Any) -> None:
    for i in range(len(by)):
        g = by[i]
        if g >= 0 and take[i]:
            out[g] |= values[i]


@_jit
def _extreme(values: Any, by: Any, take: Any, out: Any, count: Any, sign: float) -> None:
    for i in range(len(by)):
        g = by[i]
        if g >= 0 and take[i]:
            if count[g] == 0 or (values[i] - out[g]) * sign > 0:
                out[g] = values[i]
            count[g] += 1


def group_sums(
    values: NDArray[np.int64], by: NDArray[np.int32], groups: int, take: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(sums, counts), int64 of length `groups`, over the rows that `take` admits; `by` is the group of a row (−1: none).

    With `by` of two dimensions, a row's group is the rows that it names (its neighbours in a relation).
    """
    total, count = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    (_by_neighbour if by.ndim == 2 else _by_group)(values, by, take, total, count)
    return total, count


def group_bits(values: NDArray[Any], by: NDArray[np.int32], groups: int, take: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The bitwise or of an integer column over each group."""
    out = np.zeros(groups, np.int64)
    _bits(values, by, take, out)
    return out


def group_extremes(
    values: NDArray[Any], by: NDArray[np.int32], groups: int, take: NDArray[np.bool_], sign: int, empty: float
) -> NDArray[Any]:
    """The largest (sign 1) or smallest (sign −1) value of each group; `empty` where a group has no row."""
    out, count = np.zeros(groups, values.dtype), np.zeros(groups, np.int64)
    _extreme(values, by, take, out, count, float(sign))
    out[count == 0] = empty
    return out
