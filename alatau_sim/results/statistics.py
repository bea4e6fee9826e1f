"""Statistics of paired runs: intervals, corrected tests, shares of variance, and how many pairs make an interval narrow enough.

Pure functions of numbers. Arrays have the pairs on their last axis; NaN is a pair without a value. Nothing here knows a study. What none
of it knows: whether the model is right. An interval of luck says how much the mean would move with other luck, not how far it is
from the truth.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bootstrap = Literal["percentile", "bca"]
CONFIDENCE = 0.95
RESAMPLES = 4999
"""Resamples of a bootstrap: with 4,999, the ends of a 95 % interval are the 125th value from either side."""


def t_quantile(degrees: Any, confidence: float = CONFIDENCE) -> Any:
    """The two-sided quantile of Student's t: 2.365 for 7 degrees of freedom at 95 %."""
    from scipy.special import stdtrit

    return stdtrit(degrees, (1 + confidence) / 2)


def interval(differences: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """The interval of the mean of paired differences (Student 1908), or None with fewer than two."""
    n = len(differences)
    if n < 2:
        return None
    mean = math.fsum(differences) / n
    half = float(t_quantile(n - 1, confidence)) * float(np.std(differences, ddof=1)) / math.sqrt(n)
    return mean - half, mean + half


@dataclass(frozen=True)
class Paired:
    """Paired differences of many indicators at once; each array has one entry an indicator, NaN where there is nothing to say.

    `p` is the two-sided p-value of Student's t for no difference; `removed` is the share of variance that pairing removes,
    1 - var(d) / (var(a) + var(b)), and `factor` is (var(a) + var(b)) / var(d): how many times as many unpaired runs would be needed for an
    interval as narrow (NaN where the pairs do not differ in their difference at all).
    """

    pairs: NDArray[np.int64]
    ours: Floats
    theirs: Floats
    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    removed: Floats
    factor: Floats
    equal: NDArray[np.bool_]


def paired(ours: Floats, theirs: Floats) -> Paired:
    """Compare two arrays (indicators, pairs): a pair counts where both have a value."""
    from scipy.special import stdtr

    both = ~(np.isnan(ours) | np.isnan(theirs))
    n = both.sum(axis=-1)
    a, b = np.where(both, ours, 0.0), np.where(both, theirs, 0.0)
    d = a - b
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [np.where(n > 0, x.sum(axis=-1) / n, np.nan) for x in (a, b, d)]
        variances = [np.where(n > 1, (np.where(both, x - m[..., None], 0.0) ** 2).sum(axis=-1) / (n - 1), np.nan)
                     for x, m in zip((a, b, d), means, strict=True)]
        constant = (np.where(both, d, -np.inf).max(axis=-1, initial=-np.inf) == np.where(both, d, np.inf).min(axis=-1, initial=np.inf))
        variances[2] = np.where(constant & (n > 1), 0.0, variances[2])
        error = np.sqrt(variances[2] / n)
        half = t_quantile(np.maximum(n - 1, 1)) * error
        t = np.where(error > 0, means[2] / error, np.where(means[2] == 0, 0.0, np.inf))
        p = np.where(n > 1, 2 * stdtr(np.maximum(n - 1, 1), -np.abs(t)), np.nan)
        unpaired = variances[0] + variances[1]
        removed = np.where(unpaired > 0, 1 - variances[2] / unpaired, np.nan)
        factor = np.where((unpaired > 0) & (variances[2] > 0), unpaired / variances[2], np.nan)
    return Paired(n, means[0], means[1], means[2], means[2] - half, means[2] + half, p, removed, factor, (n > 0) & ~(d != 0).any(axis=-1))


def bootstrap_interval(differences: Floats, method: Bootstrap, resamples: int = RESAMPLES) -> tuple[Floats, Floats]:
    """The 95 % interval of the mean of each row's differences by the bootstrap (Efron 1979; BCa: Efron 1987).

    `differences` is (indicators, pairs). The resamples are keyed by the number of pairs alone, so equal differences have equal intervals.
    Equal differences in all pairs give an interval of no width; with fewer than two pairs there is none (NaN). Over few pairs (below
    about ten) these intervals are too narrow: Student's t is the better choice there.
    """
    low, high = np.full(len(differences), np.nan), np.full(len(differences), np.nan)
    valid = ~np.isnan(differences)
    for pattern in np.unique(valid, axis=0):
        rows = np.flatnonzero((valid == pattern).all(axis=1))
        n = int(pattern.sum())
        if n < 2:
            continue
        d = differences[rows][:, pattern]
        flat = (d == d[:, :1]).all(axis=1)
        low[rows[flat]] = high[rows[flat]] = d[flat, 0]
        if not flat.all():
            low[rows[~flat]], high[rows[~flat]] = _resampled(d[~flat], method, resamples)
    return low, high


def _resampled(d: Floats, method: Bootstrap, resamples: int) -> tuple[Floats, Floats]:
    from numpy.random import Generator, Philox
    from scipy.stats import bootstrap

    word = hashlib.blake2b(f"bootstrap of the mean/{d.shape[1]}/{resamples}".encode(), digest_size=16).digest()
    keyed = Generator(Philox(key=int.from_bytes(word, "little")))
    found = bootstrap((d,), np.mean, axis=-1, method="BCa" if method == "bca" else "percentile", n_resamples=resamples,
                      batch=max(1, 4_000_000 // d.size), rng=keyed, vectorized=True)
    return np.asarray(found.confidence_interval.low), np.asarray(found.confidence_interval.high)


def adjusted(p: Floats) -> Floats:
    """p-values corrected for testing many at once (Benjamini and Hochberg 1995): what stays at or below 5 % has at most 5 % false finds.

    NaN is no test and stays NaN.
    """
    found = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    stepped = p[order] * len(order) / np.arange(1, len(order) + 1)
    found[order] = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    return found


@dataclass(frozen=True)
class Components:
    """Variance of one paired difference, split into what is not known (worlds) and luck (replicates); arrays by indicator."""

    unknown: Floats
    luck: Floats

    @property
    def unknown_share(self) -> Floats:
        """The part of the variance that is between worlds, 0 … 1; NaN where nothing varies."""
        with np.errstate(invalid="ignore"):
            return self.unknown / (self.unknown + self.luck)


def variance_components(values: Floats) -> Components:
    """Variance components of differences (indicators, worlds, replicates), by a two-way analysis of variance (Searle et al. 1992).

    Replicate r has the same luck in every world, so worlds and replicates are crossed: a one-way analysis would take the luck that
    all worlds share for a lack of spread between them. Luck is the replicates' component and the rest (luck that works otherwise in
    another world). NaN with fewer than two worlds or replicates, or a missing value.
    """
    indicators, worlds, replicates = values.shape
    if worlds < 2 or replicates < 2:
        nothing = np.full(indicators, np.nan)
        return Components(nothing, nothing)
    grand = values.mean(axis=(1, 2), keepdims=True)
    world, replicate = values.mean(axis=2, keepdims=True), values.mean(axis=1, keepdims=True)
    of_worlds = replicates * ((world - grand) ** 2).sum(axis=(1, 2)) / (worlds - 1)
    of_replicates = worlds * ((replicate - grand) ** 2).sum(axis=(1, 2)) / (replicates - 1)
    rest = ((values - world - replicate + grand) ** 2).sum(axis=(1, 2)) / ((worlds - 1) * (replicates - 1))
    unknown = np.maximum(0.0, (of_worlds - rest) / replicates)
    return Components(unknown, np.maximum(0.0, (of_replicates - rest) / worlds) + rest)


def stein_total(first: Sequence[float], half_width: float, confidence: float = CONFIDENCE) -> int:
    """How many pairs in all make the interval of the mean at most ±`half_width` wide (Stein 1945), from those of the first stage alone.

    N = max(n0, ceil((t s / half_width)²)), where t has n0 - 1 degrees of freedom and s is the standard deviation of the n0 first pairs. The
    rule looks at the spread once: adding pairs until the interval looks narrow stops where the spread looks small by chance, and misses
    the truth more often than it says.
    """
    n = len(first)
    if n < 2:
        raise ValueError("the first stage needs at least two pairs")
    if not half_width > 0:
        raise ValueError("the half-width must be above 0")
    s = float(np.std(first, ddof=1))
    # a hair below the next whole number is that number: the square must not add a pair by rounding
    return max(n, math.ceil((float(t_quantile(n - 1, confidence)) * s / half_width) ** 2 - 1e-9))


def stein_interval(differences: Sequence[float], first: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval that belongs to `stein_total`: the mean of all pairs, with t and s of the `first` ones alone; it keeps its coverage."""
    if not 2 <= first <= len(differences):
        raise ValueError(f"the first stage has 2 … {len(differences)} pairs, not {first}")
    n = len(differences)
    mean = math.fsum(differences) / n
    half = float(t_quantile(first - 1, confidence)) * float(np.std(differences[:first], ddof=1)) / math.sqrt(n)
    return mean - half, mean + half


def stein_p(differences: Sequence[float], first: int) -> float:
    """The two-sided p-value of no difference that belongs to `stein_interval`."""
    from scipy.special import stdtr

    n = len(differences)
    mean, error = math.fsum(differences) / n, float(np.std(differences[:first], ddof=1)) / math.sqrt(n)
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return 2 * float(stdtr(first - 1, -abs(mean / error)))
