"""Weather against the climate table, the theory of autoregressions, and the almanac."""

import calendar
import datetime as dt
from types import SimpleNamespace

import numpy as np
import pytest

from alatau_sim.city.weather import anomaly, daily_cycle, day_means, day_values, daylight
from alatau_sim.engine.clock import day_number
from alatau_sim.engine.randomness import stream_key, uniform_array

MONTHLY = (-4.56, -2.37, 4.6, 12.12, 16.6, 21.6, 23.8, 22.9, 17.5, 9.9, 2.83, -2.74)
ALMATY = (43.4, 77.1)


def luck(seed=1, replicate=0):
    """The part of a simulation that the weather asks for."""
    return SimpleNamespace(uniform=lambda stream, ids, k=0, day=None: uniform_array(stream_key(seed, replicate, stream, day), ids, k))


@pytest.mark.parametrize("leap", [False, True])
def test_the_daily_curve_has_exactly_the_months_means(leap):
    curve, at = np.array(day_means(MONTHLY, leap)), 0
    for month, mean in enumerate(MONTHLY, 1):
        days = calendar.monthrange(2024 if leap else 2025, month)[1]
        assert curve[at : at + days].mean() == pytest.approx(mean, abs=1e-11)
        at += days
    assert at == len(curve)


def test_the_daily_curve_is_smooth_also_at_the_turn_of_the_year():
    curve = np.array(day_means(MONTHLY, False))
    assert np.abs(np.diff(curve, append=curve[0])).max() < 0.5
    assert min(MONTHLY) - 1.5 < curve.min() < curve.max() < max(MONTHLY) + 1.5


def test_values_between_months_stay_between_them():
    curve = np.array(day_values((1.0, 2.0) * 6, False))
    assert curve.min() >= 1.0 - 1e-12
    assert curve.max() <= 2.0 + 1e-12


def test_anomalies_have_mean_zero_variance_one_and_the_declared_persistence():
    persistence, years = 0.75, 60
    sim, start = luck(), day_number(dt.date(2026, 1, 1))
    x = np.array([anomaly(sim, start + day, persistence) for day in range(365 * years)])
    # The standard error of the mean of n values with lag-one correlation r is sqrt((1 + r) / (1 - r) / n).
    error = np.sqrt((1 + persistence) / (1 - persistence) / len(x))
    assert abs(x.mean()) < 4 * error
    # The variance of the variance: 2 / n × (1 + r²) / (1 − r²) (Bartlett).
    assert abs(x.var() - 1) < 4 * np.sqrt(2 / len(x) * (1 + persistence**2) / (1 - persistence**2))
    assert np.corrcoef(x[:-1], x[1:])[0, 1] == pytest.approx(persistence, abs=4 * np.sqrt((1 - persistence**2) / len(x)))
    assert np.corrcoef(x[:-3], x[3:])[0, 1] == pytest.approx(persistence**3, abs=6 / np.sqrt(len(x)) * 2)


def test_many_seeds_meet_the_monthly_mean():
    day, seeds = day_number(dt.date(2027, 1, 1)), 150
    means = np.array([np.mean([anomaly(luck(seed), day + d, 0.75) for d in range(31)]) for seed in range(seeds)])
    assert abs(means.mean()) < 4 * means.std(ddof=1) / np.sqrt(seeds)
    assert means.std() > 0.2  # months differ from seed to seed: it is weather and no climate


def test_weather_depends_on_the_day_and_the_replicate_only():
    day = day_number(dt.date(2028, 2, 29))
    assert anomaly(luck(), day, 0.7) == anomaly(luck(), day, 0.7)
    assert anomaly(luck(replicate=1), day, 0.7) != anomaly(luck(), day, 0.7)
    assert anomaly(luck(seed=2), day, 0.7) != anomaly(luck(), day, 0.7)


def test_the_day_is_coldest_at_six_and_warmest_at_fifteen():
    shape = daily_cycle()
    assert shape.argmin() == 6
    assert shape.argmax() == 15
    assert shape.max() - shape.min() == pytest.approx(1)
    assert shape.sum() == pytest.approx(0, abs=1e-12)
    assert (np.diff(shape[6:16]) > 0).all()
    assert (np.diff(np.roll(shape, -15)[:16]) < 0).all()


def sun(month, day):
    number = dt.date(2026, month, day).timetuple().tm_yday
    return daylight(number, *ALMATY, 5.0)


def rise_and_set(hours):
    """Clock times of sunrise and sunset from the hours' shares of daylight."""
    up = np.flatnonzero(hours)
    return up[0] + 1 - hours[up[0]], up[-1] + hours[up[-1]]


def test_sunrise_and_sunset_at_the_equinox_follow_from_the_meridian():
    # On 20 March the sun is up 12 h and about 8 min (refraction and radius); noon is 12 + 5 − 77.1/15 h + 7.5 min (equation of time).
    rise, set_ = rise_and_set(sun(3, 20))
    noon = 12 + 5 - ALMATY[1] / 15 + 7.5 / 60
    assert (rise + set_) / 2 == pytest.approx(noon, abs=2 / 60)
    assert set_ - rise == pytest.approx(12 + 8 / 60, abs=6 / 60)


def test_days_are_longest_in_june_and_shortest_in_december():
    # Day length at 43.4 degrees north by the sunrise equation: 15 h 23 min at most, 8 h 58 min at least (almanac tables, a few minutes).
    lengths = [daylight(n, *ALMATY, 5.0).sum() for n in range(1, 366)]
    assert 165 < int(np.argmax(lengths)) < 180
    assert max(lengths) == pytest.approx(15.38, abs=0.1)
    assert min(lengths) == pytest.approx(8.98, abs=0.1)


def test_beyond_the_polar_circle_the_sun_stays_up_or_down():
    assert daylight(172, 80.0, 75.0, 5.0).sum() == pytest.approx(24, abs=0.2)
    assert daylight(355, 80.0, 75.0, 5.0).sum() == 0
