"""Who gets the scarce things that several want: within each place the lowest keyed ranks, as far as its supply goes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def served(place: NDArray[Any], ids: NDArray[np.int64], rank: NDArray[Any], supply: NDArray[Any]) -> NDArray[np.bool_]:
    """Who gets one of the things of the place they want (−1: none): within each place the lowest ranks, up to its supply.

    Ids decide between equal ranks, so that the order of the rows does not matter.
    """
    order = np.lexsort((ids, rank, place))
    ordered = place[order]
    first = np.searchsorted(ordered, ordered, side="left")
    got = np.zeros(len(place), bool)
    if len(order):
        got[order] = (ordered >= 0) & (np.arange(len(ordered)) - first < supply[np.maximum(ordered, 0)])
    return got
