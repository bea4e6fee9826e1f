"""Waits at a bus stop against theory: evenly spaced buses, Poisson buses, and any headways (Osuna and Newell, 1972)."""

from __future__ import annotations

import math

import mesa
import numpy as np
import pytest
import simpy

from alatau_sim.city.boarding import Dwell, Measured, ServiceDay, Waiting, measure, waits_by_headway
from alatau_sim.city.timetable import Direction, Line, mean_wait_s
from alatau_sim.city.transit import rides_of, stops_of
from alatau_sim.domains.mobility.agents import Vehicle
from alatau_sim.domains.mobility.process import turns_of
from alatau_sim.engine.randomness import stream_key, uniform_array

FIRST_S, LAST_S = 6 * 3600, 22 * 3600
RIDERS = 20_000


def uniforms(stream, n):
    return uniform_array(stream_key(7, 0, stream, -1), np.arange(n))


def serve(*departures, at, capacity=10**6, dwell=Dwell(0.0, 0.0, 0.0), run_s=(300, 300), vehicles=40) -> tuple[Measured, ServiceDay]:  # noqa: B008
    """A day of lines along the same three stops, whose vehicles leave at given times; all riders go from the first stop to the last."""
    ways = [Direction((0, 1, 2), np.array(run_s), np.array([1000, 1000]), (np.asarray(times, np.int64), np.empty(0, np.int64)))
            for times in departures]  # fmt: skip
    lines = [Line(str(k), str(k), (way,), vehicles, capacity, electric=False) for k, way in enumerate(ways)]
    stops = stops_of(lines)
    rides = rides_of(stops)
    ride = np.flatnonzero((rides.start == 0) & (rides.end == 2))[0]
    saves, riders = np.ones(len(rides.board)), np.full(len(at), ride)
    waiting = Waiting(stops, rides, saves, riders, np.asarray(at, np.float64), np.zeros(len(at)))
    runs = (stops.run_s.tolist(), stops.run_s.tolist())
    day = ServiceDay(stops, waiting, [way.departures[0] for way in ways], runs, dwell, late_s=900)
    env, turns, model = simpy.Environment(), turns_of(lines), mesa.Model(rng=1)
    for way in range(len(ways)):
        for number in range(vehicles):
            env.process(Vehicle(model, "1", number, capacity).work(env, day, ((way, 0, 0),), turns, 0))
    env.run(until=86_400)
    mesa.Agent._ids.pop(model, None)
    return measure(day, rides), day


def test_even_buses_and_riders_at_random_wait_half_a_headway():
    headway = 600
    departures = np.arange(FIRST_S, LAST_S + 1, headway)
    at = FIRST_S + uniforms("even", RIDERS) * (LAST_S - FIRST_S)
    found, _ = serve(departures, at=at)
    waits = found.waits_s
    sd = headway / math.sqrt(12)
    assert len(waits) == RIDERS
    assert abs(waits.mean() - headway / 2) < 4 * sd / math.sqrt(RIDERS)
    # the coefficient of variation of a uniform wait is 1/sqrt(3); by the delta method its sampling variance is 8/45 over n
    assert abs(waits.std() / waits.mean() - 1 / math.sqrt(3)) < 4 * math.sqrt(8 / 45 / RIDERS)


def test_poisson_buses_and_riders_at_random_wait_a_whole_headway():
    headway, waits, buses = 300.0, [], 0
    for day in range(12):
        gaps = -np.log1p(-uniforms(f"gaps{day}", 2 * int((LAST_S - FIRST_S) / headway))) * headway
        times = FIRST_S + np.cumsum(gaps)
        departures = np.unique(times[times < LAST_S].astype(np.int64))
        at = FIRST_S + uniforms(f"riders{day}", 3000) * (departures[-1] - FIRST_S)
        found, _ = serve(departures, at=at)
        waits.append(found.waits_s)
        buses += len(departures)
    waits = np.concatenate(waits)
    # Σh²/2Σh of m exponential headways has the relative standard deviation sqrt(2/m), and n waits among them 1/sqrt(n)
    band = 4 * (math.sqrt(2 / buses) + 1 / math.sqrt(len(waits)))
    assert abs(waits.mean() / headway - 1) < band
    assert abs(waits.std() / waits.mean() - 1) < band


@pytest.mark.parametrize("spread", [0.0, 0.3, 0.8])
def test_measured_waits_follow_from_measured_headways(spread):
    mean = 480
    gaps = mean * (1 + spread * (2 * uniforms(f"spread{spread}", 200) - 1))
    times = (FIRST_S + np.cumsum(gaps)).astype(np.int64)
    departures = times[times <= LAST_S]
    at = departures[0] + uniforms("osuna", RIDERS) * (departures[-1] - departures[0])
    found, day = serve(departures, at=at, dwell=Dwell(5.0, 2.75, 1.75))
    log = np.array(day.log).reshape(-1, 9)
    called = np.sort(log[log[:, 0] == 0, 2])
    headways = np.diff(called)
    expected = headways.mean() / 2 * (1 + headways.var() / headways.mean() ** 2)  # Osuna and Newell (1972)
    assert abs(found.waits_s.mean() - expected) < 4 * found.waits_s.std() / math.sqrt(RIDERS)
    exact = waits_by_headway(3, log[:, 0], log[:, 2], (int(called[0]), int(called[-1])))
    assert exact[0] == pytest.approx(expected, rel=1e-9)
    assert mean_wait_s(called, int(called[0]), int(called[-1])) == pytest.approx(expected, rel=1e-9)


def test_full_buses_serve_in_order_of_arrival_and_lose_nobody():
    departures = np.arange(FIRST_S, LAST_S + 1, 900)
    at = FIRST_S + uniforms("full", 2400) * 4 * 3600  # more than the seats of these hours
    found, day = serve(departures, at=at, capacity=60, dwell=Dwell(5.0, 2.75, 1.75))
    log = np.array(day.log).reshape(-1, 9)
    first = log[log[:, 0] == 0]
    assert found.highest.max() == 60
    assert (first[:, 3] == np.cumsum(first[:, 5]) - first[:, 5]).all()  # each vehicle takes on from where the last one stopped
    assert first[:, 6].max() > 0
    assert found.boarded.sum() == found.alighted.sum() == found.served.sum() == 2400
    order = np.argsort(at)
    assert (np.diff(found.waits_s[order] + at[order]) >= 0).all()


def test_who_waits_after_the_last_bus_is_not_served():
    found, day = serve([FIRST_S, FIRST_S + 600], at=[FIRST_S - 60.0, FIRST_S + 300.0, FIRST_S + 601.0])
    assert found.served.sum() == 2
    assert len(day.waiting.at) == 3
    assert found.wanted.sum() == 3


# --- lines side by side -----------------------------------------------------------------------------------------------------


def test_two_lines_that_alternate_are_one_of_half_the_headway():
    headway = 1200
    one, other = (np.arange(FIRST_S + start, LAST_S + 1, headway) for start in (0, headway // 2))
    at = FIRST_S + uniforms("alternate", RIDERS) * (LAST_S - FIRST_S - headway)
    found, _ = serve(one, other, at=at)
    sd = headway / 2 / math.sqrt(12)
    assert len(found.waits_s) == RIDERS
    assert abs(found.waits_s.mean() - headway / 4) < 4 * sd / math.sqrt(RIDERS)
    # What each line alone would let people wait is what they expect of it: half of its own headway.
    assert found.wait_mean_s[[0, 3]] == pytest.approx([headway / 2] * 2, rel=0.03)
    share = found.boarded.sum(axis=1)[[0, 3]] / RIDERS
    assert abs(share[0] - 0.5) < 4 * 0.5 / math.sqrt(RIDERS)


def test_poisson_lines_come_together_as_often_as_both_and_share_riders_by_how_often_they_come():
    """Waits of 1 / Σ(1 / w) and shares in proportion to 1 / w, as the choice of ways takes them (Spiess and Florian, 1989)."""
    means, days, waits, first, buses = (300.0, 900.0), 12, [], 0, 0
    for day in range(days):
        lines = []
        for k, mean in enumerate(means):
            times = FIRST_S + np.cumsum(-np.log1p(-uniforms(f"line{k} day{day}", 4 * int((LAST_S - FIRST_S) / mean))) * mean)
            lines.append(np.unique(times[times < LAST_S].astype(np.int64)))
        at = FIRST_S + uniforms(f"riders{day}", 3000) * (max(times[-1] for times in lines) - FIRST_S)
        found, _ = serve(*lines, at=at)
        waits.append(found.waits_s)
        first += int(found.boarded[0].sum())
        buses += sum(map(len, lines))
    waits = np.concatenate(waits)
    expected, share = 1.0 / sum(1.0 / mean for mean in means), means[1] / sum(means)
    band = 4 * (math.sqrt(2 / buses) + 1 / math.sqrt(len(waits)))
    assert abs(waits.mean() / expected - 1) < band
    assert abs(first / len(waits) - share) < 4 * (0.5 / math.sqrt(buses) + 0.5 / math.sqrt(len(waits)))


def test_riders_of_full_lines_side_by_side_board_once_in_order_of_arrival():
    one, other = np.arange(FIRST_S, LAST_S + 1, 900), np.arange(FIRST_S + 200, LAST_S + 1, 1300)
    at = FIRST_S + uniforms("full", 2400) * 3 * 3600
    found, day = serve(one, other, at=at, capacity=60, dwell=Dwell(5.0, 2.75, 1.75))
    assert found.boarded.sum() == found.alighted.sum() == found.served.sum() == 2400
    assert found.highest.max() == 60
    assert found.boarded.sum(axis=1)[[0, 3]].min() > 600
    order = np.argsort(at)
    boarded = found.waits_s[order] + at[order]
    assert (np.diff(boarded) >= 0).all()  # one queue for both: nobody is overtaken
    log = np.array(day.log).reshape(-1, 9)
    first = log[np.isin(log[:, 0], [0, 3])]
    first = first[np.argsort(first[:, 2], kind="stable")]
    waiting = np.searchsorted(np.sort(at), first[:, 2], side="right") - np.cumsum(first[:, 5])
    assert (first[:, 6] == waiting).all()  # left behind: all who have come and not got on anything
    assert (first[first[:, 6] > 0, 8] == 60).all()  # and only by full vehicles
