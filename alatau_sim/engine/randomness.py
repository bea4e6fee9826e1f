"""Keyed randomness: every draw is a pure function of who decides, what, when and which draw; there is no state and so no order.

`uniform(key, who, k)` hashes the agent's id with the number of the draw and the key of (seed, replicate, stream, day); two rounds of
the 64-bit finaliser of SplitMix64 (Steele, Lea and Flood, 2014) mix them. The scalar functions exist twice, for Python integers and (as
text, `COMPILED_SOURCE`) for numba, and once for numpy arrays; tests hold them equal.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_MASK = 0xFFFFFFFFFFFFFFFF
_GOLDEN = 0x9E3779B97F4A7C15
_M1 = 0xBF58476D1CE4E5B9
_M2 = 0x94D049BB133111EB
_UNIT = 1.0 / 9007199254740992.0

COMPILED_SOURCE = '''
@njit(inline="always")
def keyed_mix(z):
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return z ^ (z >> uint64(31))


@njit(inline="always")
def keyed_uniform(key, who, k):
    z = keyed_mix(uint64(who) * uint64(0x9E3779B97F4A7C15) + uint64(k) + uint64(1))
    return float64(keyed_mix(z ^ key) >> uint64(11)) * 1.1102230246251565e-16


@njit(inline="always")
def keyed_pair(who, other):
    z = keyed_mix(uint64(who) * uint64(0x9E3779B97F4A7C15) + uint64(1))
    return keyed_mix(z ^ (uint64(other) * uint64(0x9E3779B97F4A7C15) + uint64(2)))


@njit(inline="always")
def keyed_gumbel(key, both):
    return -math.log(-math.log((float64(keyed_mix(both ^ key) >> uint64(11)) + 0.5) * 1.1102230246251565e-16))


@njit(inline="always")
def keyed_sampled(both, limit):
    return keyed_mix(both ^ uint64(0x9E3779B97F4A7C15)) < limit
'''


def mix(z: int) -> int:
    """One round of the finaliser on a 64-bit word."""
    z = ((z ^ (z >> 30)) * _M1) & _MASK
    z = ((z ^ (z >> 27)) * _M2) & _MASK
    return z ^ (z >> 31)


def uniform(key: int, who: int, k: int) -> float:
    """The k-th uniform in [0, 1) of `who` under `key`, for Python integers."""
    z = mix(((who & _MASK) * _GOLDEN + k + 1) & _MASK)
    return (mix(z ^ key) >> 11) * _UNIT


def pair(who: int, other: int) -> int:
    """One 64-bit word for an ordered pair of ids."""
    return mix(mix(((who & _MASK) * _GOLDEN + 1) & _MASK) ^ (((other & _MASK) * _GOLDEN + 2) & _MASK))


def gumbel_uniform(key: int, both: int) -> float:
    """The uniform in (0, 1) behind the Gumbel term of a pair under `key`."""
    return ((mix(both ^ key) >> 11) + 0.5) * _UNIT


def sampled(both: int, limit: int) -> bool:
    """Whether a pair belongs to the sample that holds `limit` of 2**64 pairs."""
    return mix(both ^ _GOLDEN) < limit


def mix64(*words: int) -> int:
    """One unsigned 64-bit word from several integers, in order; `mix64(…) >> 1` is a non-negative id."""
    z = 0
    for word in words:
        z = mix((z * _GOLDEN + (word & _MASK) + 1) & _MASK)
    return z


def stream_word(stream: str) -> int:
    """An unsigned 64-bit word for the name of a stream."""
    return int.from_bytes(hashlib.blake2b(stream.encode("utf-8"), digest_size=8).digest(), "little")


def stream_key(seed: int, replicate: int, stream: str, day: int) -> int:
    """The key of one stream on one absolute day (days since 1970-01-01; −1: a draw that never changes)."""
    return stream_word(f"{seed}/{replicate}/{stream}/{day}")


def _mix_array(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_M1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_M2)
    return z ^ (z >> np.uint64(31))


def hash_array(key: int, who: NDArray[np.int64], k: int = 0) -> NDArray[np.uint64]:
    """The 64-bit words behind `uniform_array`, for sorting by a keyed hash."""
    z = np.asarray(who).astype(np.int64, copy=False).view(np.uint64) * np.uint64(_GOLDEN) + np.uint64(k + 1)
    return _mix_array(_mix_array(z) ^ np.uint64(key))


def uniform_array(key: int, who: NDArray[np.int64], k: int = 0) -> NDArray[np.float64]:
    """The k-th uniforms in [0, 1) of the ids `who` under `key`; equal to `uniform` element by element."""
    return (hash_array(key, who, k) >> np.uint64(11)).astype(np.float64) * _UNIT


def id_array(*words: int | NDArray[np.int64]) -> NDArray[np.int64]:
    """Non-negative ids `mix64(*words) >> 1`, element by element where a word is an array."""
    z = np.zeros(np.broadcast_shapes(*(np.shape(word) for word in words)), np.uint64)
    for word in words:
        w = np.uint64(word & _MASK) if isinstance(word, int) else np.asarray(word, np.int64).view(np.uint64)
        with np.errstate(over="ignore"):
            z = _mix_array(z * np.uint64(_GOLDEN) + w + np.uint64(1))
    return (z >> np.uint64(1)).astype(np.int64)


def order_within(group: NDArray[np.int32] | NDArray[np.int64], words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The order by group (0, 1, …; below 2**24) and, within it, by 64-bit words.

    One sort of joined keys takes a third of the time of two; where two of a group share their first 40 bits, both are sorted by.
    """
    joined = group.astype(np.uint64) << np.uint64(40) | words >> np.uint64(24)
    order = np.argsort(joined)
    keys = joined[order]
    return np.lexsort((words, group)) if (keys[1:] == keys[:-1]).any() else order


def words_of(uniforms: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Uniforms in [0, 1) as 64-bit words in the same order."""
    return (uniforms * 2.0**53).astype(np.uint64) << np.uint64(11)
