"""A day's temperature and daylight by the hour: monthly normals, a keyed anomaly, a daily cycle, and the sun.

Not in it: cloud, wind, humidity, and differences between places of the city.
"""

from __future__ import annotations

import calendar
import math
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MEMORY_DAYS = 60
HORIZON_DEG = -0.833  # sun's upper edge on the horizon, with refraction


@lru_cache(maxsize=8)
def day_means(monthly: tuple[float, ...], leap: bool) -> tuple[float, ...]:
    """A daily curve whose mean over each month equals the monthly value: straight lines between values at mid-month.

    The twelve mid-month values solve a linear system (the idea of Sheng and Zwiers, 1998, for boundary conditions in climate models).
    The curve closes on itself at the turn of the year.
    """
    weights = _interpolation(leap)
    month_of_day = np.repeat(np.arange(12), _lengths(leap))
    system = np.array([weights[month_of_day == month].mean(axis=0) for month in range(12)])
    return tuple((weights @ np.linalg.solve(system, np.array(monthly))).tolist())


@lru_cache(maxsize=8)
def day_values(monthly: tuple[float, ...], leap: bool) -> tuple[float, ...]:
    """Straight lines between monthly values placed at mid-month."""
    return tuple((_interpolation(leap) @ np.array(monthly)).tolist())


def _lengths(leap: bool) -> list[int]:
    return [calendar.monthrange(2024 if leap else 2025, month)[1] for month in range(1, 13)]


def _interpolation(leap: bool) -> Floats:
    """The weights (days × 12) of mid-month values in each day's value; they sum to one."""
    lengths = np.array(_lengths(leap))
    days, middle = lengths.sum(), np.cumsum(lengths) - lengths / 2
    weights = np.zeros((days, 12))
    for day in range(days):
        after = int(np.searchsorted(middle, day + 0.5)) % 12
        before = (after - 1) % 12
        span = (middle[after] - middle[before]) % days
        weights[day, after] = ((day + 0.5 - middle[before]) % days) / span
        weights[day, before] = 1.0 - weights[day, after]
    return weights


def anomaly(sim: Any, day: int, persistence: float) -> float:
    """The standardised anomaly of a day's mean temperature: mean 0, variance 1, correlation from day to day `persistence`.

    A weighted sum of the keyed normal draws of this and the 59 days before (a first-order autoregression, cut off), so it is stationary
    and depends on the day alone, not on when the run starts.
    """
    days = np.arange(day, day - MEMORY_DAYS, -1)
    normal = NormalDist()
    draws = np.array([normal.inv_cdf(u + 2.0**-55) for u in sim.uniform("weather", days, day=-1).tolist()])
    weights = np.array([persistence**lag for lag in range(MEMORY_DAYS)])
    return float(draws @ weights / math.sqrt(float(weights @ weights)))


def daily_cycle() -> Floats:
    """The shape of a day's temperature by hour: half waves from the coldest at 6:00 to the warmest at 15:00; mean 0, range 1."""
    rising = [-0.5 * math.cos(math.pi * (hour - 6) / 9) for hour in range(6, 15)]
    falling = [0.5 * math.cos(math.pi * ((hour - 15) % 24) / 15) for hour in (*range(15, 24), *range(6))]
    shape = np.array([*falling[9:], *rising, *falling[:9]])
    return shape - shape.mean()


def daylight(day_of_year: int, lat_deg: float, lon_deg: float, utc_offset_h: float) -> Floats:
    """The share of each hour of clock time with the sun above the horizon.

    Declination and equation of time after Spencer (1971); sunrise and sunset from the standard hour-angle formula.
    """
    g = 2.0 * math.pi * (day_of_year - 1) / 365.0
    declination = (
        0.006918 - 0.399912 * math.cos(g) + 0.070257 * math.sin(g) - 0.006758 * math.cos(2 * g) + 0.000907 * math.sin(2 * g)
        - 0.002697 * math.cos(3 * g) + 0.00148 * math.sin(3 * g)
    )  # fmt: skip
    time_equation_h = 24.0 / (2.0 * math.pi) * (
        0.000075 + 0.001868 * math.cos(g) - 0.032077 * math.sin(g) - 0.014615 * math.cos(2 * g) - 0.04089 * math.sin(2 * g)
    )  # fmt: skip
    lat = math.radians(lat_deg)
    cosine = (math.sin(math.radians(HORIZON_DEG)) - math.sin(lat) * math.sin(declination)) / (math.cos(lat) * math.cos(declination))
    half_day_h = math.acos(min(1.0, max(-1.0, cosine))) * 12.0 / math.pi
    noon = 12.0 + utc_offset_h - lon_deg / 15.0 - time_equation_h
    hours = np.arange(24.0)
    return np.clip(np.minimum(noon + half_day_h, hours + 1.0) - np.maximum(noon - half_day_h, hours), 0.0, 1.0)
