"""Intervals cover the truth, and tests reject it, at their nominal rates in made-up studies with a known effect.

Rates are over fixed made-up draws (a keyed generator), with bands of four standard errors of the rate itself.
"""

import math

import numpy as np
import pytest
from scipy import stats

from alatau_sim.results.statistics import (
    adjusted,
    bootstrap_interval,
    interval,
    paired,
    stein_interval,
    stein_total,
    t_quantile,
    variance_components,
)


def draws(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key))


def band(rate: float, count: int) -> float:
    return 4 * math.sqrt(rate * (1 - rate) / count)


def test_paired_intervals_cover_a_known_effect_and_tests_reject_none_at_their_rate():
    made, studies = draws(1), 20_000
    luck = made.normal(0, 5, (studies, 8))  # shared by both scenarios
    ours, theirs = 100 + 2 + luck + made.normal(0, 1, (studies, 8)), 100 + luck + made.normal(0, 1, (studies, 8))
    found = paired(ours, theirs)
    inside = (found.low <= 2) & (found.high >= 2)
    assert inside.mean() == pytest.approx(0.95, abs=band(0.95, studies))
    none = paired(ours - 2, theirs)
    assert (none.p <= 0.05).mean() == pytest.approx(0.05, abs=band(0.05, studies))
    # luck has variance 25 in each and cancels: var(d) = 2, var(a) + var(b) = 52
    assert np.median(found.removed) == pytest.approx(1 - 2 / 52, abs=0.01)
    assert np.median(found.factor) == pytest.approx(26, rel=0.1)


def test_one_row_agrees_with_scipy_and_with_the_scalar():
    a, b = np.array([[4.0, 7.0, 1.0, 9.0, np.nan]]), np.array([[3.0, 5.0, 0.5, 8.0, 2.0]])
    found = paired(a, b)
    told = stats.ttest_rel(a[0, :4], b[0, :4])
    assert found.p[0] == pytest.approx(told.pvalue)
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(told.confidence_interval(0.95)))
    assert (found.low[0], found.high[0]) == pytest.approx(interval(list(a[0, :4] - b[0, :4])))
    assert found.pairs[0] == 4


def test_bootstraps_cover_over_many_pairs_and_are_too_narrow_over_few():
    made, studies = draws(2), 400
    many, few = made.exponential(1, (studies, 40)), made.normal(0, 1, (studies, 4))
    for method in ("percentile", "bca"):
        low, high = bootstrap_interval(many, method, 999)
        assert ((low <= 1) & (high >= 1)).mean() == pytest.approx(0.925, abs=band(0.925, studies))
        low, high = bootstrap_interval(few, method, 999)
        assert ((low <= 0) & (high >= 0)).mean() < 0.9
    low, high = bootstrap_interval(few[:5], "percentile")
    assert bootstrap_interval(few[:5], "percentile") == (pytest.approx(low), pytest.approx(high))


def test_a_bootstrap_of_equal_or_too_few_differences_says_so():
    d = np.array([[2.0, 2.0, 2.0], [np.nan, np.nan, 1.0], [1.0, 2.0, np.nan]])
    low, high = bootstrap_interval(d, "bca", 199)
    assert (low[0], high[0]) == (2.0, 2.0)
    assert math.isnan(low[1])
    assert 1 <= low[2] <= high[2] <= 2


def test_adjusted_p_values_are_those_of_benjamini_and_hochberg():
    # the 15 p-values of Benjamini and Hochberg (1995), section 3.2: at 5 % the first four are found (Bonferroni finds three)
    p = np.array([1e-4, 4e-4, 19e-4, 95e-4, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1.0])
    assert (adjusted(p) <= 0.05).sum() == 4
    shuffled = draws(3).permutation(p)
    assert adjusted(shuffled) == pytest.approx(stats.false_discovery_control(shuffled))
    with_gap = np.array([0.01, np.nan, 0.02])
    assert adjusted(with_gap)[[0, 2]] == pytest.approx([0.02, 0.02])
    assert math.isnan(adjusted(with_gap)[1])
    assert adjusted(np.array([np.nan])).shape == (1,)


def test_few_of_many_indicators_are_called_different_where_none_is():
    made, studies = draws(4), 1000
    none = paired(made.normal(0, 1, (studies, 100, 8)), made.normal(0, 1, (studies, 100, 8)))
    alone, corrected = (none.p <= 0.05).any(axis=1).mean(), np.mean([(adjusted(p) <= 0.05).any() for p in none.p])
    assert alone > 0.98  # uncorrected, nearly every study of a hundred indicators finds a difference that is none
    assert corrected == pytest.approx(0.05, abs=band(0.05, studies))


def test_components_of_a_constructed_case():
    # worlds -3, 0, 3 (variance 9) and luck -1, 1 (variance 2), added: nothing is left over
    worlds, luck = np.array([-3.0, 0.0, 3.0]), np.array([-1.0, 1.0])
    found = variance_components((10 + worlds[:, None] + luck[None, :])[None])
    assert (found.unknown[0], found.luck[0]) == (pytest.approx(9), pytest.approx(2))
    assert found.unknown_share[0] == pytest.approx(9 / 11)
    alike = variance_components((10 + 0 * worlds[:, None] + luck[None, :])[None])
    assert alike.unknown_share[0] == 0
    assert math.isnan(variance_components(np.zeros((1, 3, 2))).unknown_share[0])
    assert math.isnan(variance_components(np.ones((1, 3, 1))).unknown_share[0])


def test_components_are_unbiased_where_worlds_share_their_luck():
    made, studies, w, r = draws(5), 4000, 8, 6
    values = made.normal(0, 2, (studies, w, 1)) + made.normal(0, 3, (studies, 1, r)) + made.normal(0, 1, (studies, w, r))
    found = variance_components(values)
    assert found.unknown.mean() == pytest.approx(4, rel=0.05)
    assert found.luck.mean() == pytest.approx(9 + 1, rel=0.05)


def covered(rule, key: int, studies: int = 8000) -> float:
    """How often a stopping rule's interval holds the true mean 0; the spread of a pair is 1, the aim ±0.5."""
    made, inside = draws(key).normal(0, 1, (studies, 60)), 0
    for pairs in made:
        low, high = rule(pairs)
        inside += low <= 0 <= high
    return inside / studies


def test_the_two_stage_rule_keeps_its_coverage():
    def two_stages(pairs):
        total = min(stein_total(list(pairs[:5]), 0.5), len(pairs))
        return stein_interval(list(pairs[:total]), 5)

    rate = covered(two_stages, 6)
    assert rate >= 0.95 - band(0.95, 8000)


def test_stopping_when_it_looks_narrow_misses_the_truth_more_often():
    quantiles = {n: float(t_quantile(n - 1)) for n in range(2, 61)}

    def until_narrow(pairs):
        for n in range(5, len(pairs) + 1):
            mean, half = pairs[:n].mean(), quantiles[n] * pairs[:n].std(ddof=1) / math.sqrt(n)
            if half <= 0.5:
                break
        return mean - half, mean + half

    assert covered(until_narrow, 6, 4000) < 0.95 - band(0.95, 4000)


def test_stein_s_total_by_hand():
    # differences 1, 2, 3, 4: s² = 5/3, t(3) = 3.18245; (t s / 1)² = 16.88
    first = [1.0, 2.0, 3.0, 4.0]
    assert stein_total(first, 1.0) == 17
    assert stein_total(first, 100.0) == 4  # never fewer than the first stage
    assert stein_total([2.0, 2.0], 0.1) == 2
    low, high = stein_interval([*first, 2.5], 4)
    assert (high - low) / 2 == pytest.approx(3.18245 * math.sqrt(5 / 3) / math.sqrt(5), rel=1e-4)
    for wrong in (lambda: stein_total([1.0], 1.0), lambda: stein_total(first, 0.0), lambda: stein_interval(first, 5)):
        with pytest.raises(ValueError, match="first stage|half-width"):
            wrong()
