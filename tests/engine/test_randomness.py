import numba as nb
import numpy as np
from scipy import stats

from alatau_sim.engine import randomness as r


def test_scalar_array_and_compiled_draws_are_the_same():
    names = {}
    exec("import math\nfrom numba import njit, int64, float64, uint64\n" + r.COMPILED_SOURCE, names)
    uniform = names["keyed_uniform"]
    key, ids = r.stream_key(7, 2, "a stream", 20_000), np.array([0, 1, 2**62, 123_456_789_012_345], np.int64)
    for k in (0, 1, 8):
        scalar = [r.uniform(key, int(i), k) for i in ids]
        assert scalar == r.uniform_array(key, ids, k).tolist()
        assert scalar == [uniform(np.uint64(key), int(i), k) for i in ids]
    pair, sampled = names["keyed_pair"], names["keyed_sampled"]
    limit = 2**61
    both = [(r.pair(int(a), int(b)), pair(int(a), int(b))) for a in ids for b in ids]
    assert all(p == q for p, q in both)
    assert [r.sampled(p, limit) for p, _ in both] == [sampled(np.uint64(q), np.uint64(limit)) for _, q in both]
    assert nb.__version__


def test_draws_are_uniform_and_independent():
    ids = np.arange(200_000, dtype=np.int64)
    streams = (("a", 0, 0), ("a", 0, 1), ("a", 1, 0), ("b", 0, 0))
    draws = [r.uniform_array(r.stream_key(1, 0, stream, day), ids, k) for stream, day, k in streams]
    for one in draws:
        assert one.min() >= 0
        assert one.max() < 1
        assert stats.kstest(one, "uniform").pvalue > 1e-4
        assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.012
    correlation = np.corrcoef(draws) - np.eye(4)
    assert np.abs(correlation).max() < 0.012  # five standard errors of 1/sqrt(n)


def test_ids_are_positive_and_equal_for_integers_and_arrays():
    numbers = np.arange(1000, dtype=np.int64)
    ids = r.id_array(5, numbers, 3)
    assert ids.tolist() == [r.mix64(5, int(i), 3) >> 1 for i in numbers]
    assert (ids >= 0).all()
    assert len(np.unique(ids)) == len(ids)
