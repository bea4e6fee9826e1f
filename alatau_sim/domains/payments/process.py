"""Payment rails as SimPy processes: one queue each, with capacity, patience, failures and repair.

A rail confirms payments one after another, each in 1 / capacity seconds, in the order of arrival (first come, first served). Arrivals
of an hour are spread by keyed uniforms; the hour is settled when it ends, payment by payment and not as one event each. Where even all of
the hour's payments at once could not wait too long, all are served and the mean wait is that of the M/D/1 queue (Pollaczek 1930,
Khinchine 1932).
A payment that would wait longer than people's patience leaves before it is served. In an hour in which a part of a zone's load is not
served, that part of its shops' payments cannot be made and does not reach the rail.
In a sample, too, each of the payments that a row stands for queues by itself; what was served is then rounded to whole rows.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from alatau_sim.domains.payments.tables import RAIL_INSTRUMENTS, RAILS, SYSTEM
from alatau_sim.engine.clock import DAY_S, HOUR_S
from alatau_sim.engine.randomness import id_array

YEAR_S = 31_556_952
_Floats = NDArray[np.float64]


def serve_first_come(
    arrival_s: _Floats,
    service_s: _Floats,
    free_at_s: Sequence[float],
    patience_s: float = math.inf,
    down: Sequence[tuple[float, float]] = (),
) -> tuple[_Floats, list[float]]:
    """Waits of payments in a queue with `len(free_at_s)` servers, first come, first served; NaN for those that leave unserved.

    `arrival_s` (ascending) and `service_s` have one entry a payment; `free_at_s` says when each server has done its earlier work. No
    service starts within the intervals `down` (ascending). Returns the waits [s] and the servers' new `free_at_s`.
    """
    waits = [math.nan] * len(arrival_s)
    free = list(free_at_s)
    heapq.heapify(free)
    for i, (arrived, takes) in enumerate(zip(arrival_s.tolist(), service_s.tolist(), strict=True)):
        start = free[0] if free[0] > arrived else arrived
        for begins, ends in down:
            if begins <= start < ends:
                start = ends
        if start - arrived <= patience_s:
            waits[i] = start - arrived
            heapq.heapreplace(free, start + takes)
    return np.array(waits), free


def waits_if_patient(arrival_s: _Floats, service_s: float, free_at_s: float) -> tuple[_Floats, float]:
    """Waits in a queue with one server and equal services whom nobody leaves: `serve_first_come` without its loop."""
    if not len(arrival_s):
        return np.empty(0), free_at_s
    before = np.arange(len(arrival_s)) * service_s
    start = np.maximum.accumulate(np.maximum(arrival_s, free_at_s) - before) + before
    return start - arrival_s, float(start[-1] + service_s)


def mean_wait_md1_s(arrivals_per_s: float, capacity_per_s: float) -> float:
    """Mean wait of the M/D/1 queue below its capacity: ρ / (2 μ (1 − ρ)) (Pollaczek 1930, Khinchine 1932)."""
    load = arrivals_per_s / capacity_per_s
    return load / (2 * capacity_per_s * (1 - load))


def start_rails(sim: Any) -> None:
    """Start the failures and the hours of each rail."""
    for row in range(len(RAILS)):
        sim.env.process(_failures(sim, row))
        sim.env.process(_hours(sim, row))


def _failures(sim: Any, row: int) -> Generator[simpy.Event, Any, None]:
    """Failures and repairs of one rail, both exponential, keyed by the number of the failure."""
    rails, short = sim.tables["rails"], RAILS[row].removesuffix("_rail")
    while True:
        number = int(rails["failures"][row])
        per_year = getattr(sim.world.payments, f"{short}_failures_per_year")
        if per_year <= 0:
            yield sim.env.timeout(DAY_S)
            continue
        # An hour at least between two outages, so that an hour never has parts of two.
        gap = -math.log1p(-sim.uniform_of(RAILS[row], number, "payments.failure")) * YEAR_S / per_year
        yield sim.env.timeout(HOUR_S + int(gap))
        mean = getattr(sim.world.payments, f"{short}_repair_hours") * HOUR_S
        repair = max(1, int(-math.log1p(-sim.uniform_of(RAILS[row], number, "payments.repair")) * mean))
        rails["failures"][row] = number + 1
        rails["up"][row], rails["down_from_s"][row], rails["down_until_s"][row] = False, sim.env.now, sim.env.now + repair
        yield sim.env.timeout(repair)
        rails["up"][row] = True


def _hours(sim: Any, row: int) -> Generator[simpy.Event, Any, None]:
    """One rail's day: what each hour brought is settled when the hour ends."""
    rails = sim.tables["rails"]
    while True:
        yield sim.day_opened
        for name in ("wanted_today", "served_today", "wait_today_s", "peak_wait_s", "outage_today_s"):
            rails[name][row] = 0
        for hour in range(24):
            out_already = sim.outage(SYSTEM, row) > 0
            yield sim.env.timeout(HOUR_S)
            _settle_hour(sim, row, hour, out_already)


def _down_in(sim: Any, row: int, start: int, out_already: bool) -> list[tuple[float, float]]:
    """The parts of the hour from `start` in which the rail was out: by its own failure, or by an event of the scenario."""
    rails, end = sim.tables["rails"], start + HOUR_S
    spans = [(int(rails["down_from_s"][row]), int(rails["down_until_s"][row]))]
    seconds = sim.outage_s(SYSTEM, row, start, end)
    if seconds:
        spans.append((start, start + seconds) if out_already else (end - seconds, end))
        if seconds == HOUR_S:
            # The rest is not known here; it is long enough that nobody waits for it.
            spans[-1] = (start, end + math.ceil(sim.world.payments.patience_s))
    merged: list[tuple[float, float]] = []
    for a, b in sorted((a, b) for a, b in spans if a < end and b > start):
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        else:
            merged.append((a, b))
    return merged


def _settle_hour(sim: Any, row: int, hour: int, out_already: bool) -> None:
    """Serve the payments that reached one rail in the hour that ends now, and note who was served."""
    rails, start = sim.tables["rails"], int(sim.env.now) - HOUR_S
    instruments = list(RAIL_INSTRUMENTS[row])
    wanted = with_power(sim, sim.grids["payments_wanted"][:, instruments, hour], instruments, hour)
    count = int(wanted.sum())
    capacity = getattr(sim.policy.payments, f"{RAILS[row]}_capacity_per_s")
    patience = sim.world.payments.patience_s
    down = _down_in(sim, row, start, out_already)
    rails["outage_today_s"][row] += int(sum(min(b, start + HOUR_S) - max(a, start) for a, b in down))
    rails["wanted_today"][row] += count
    if count == 0:
        return
    free_at = max(float(rails["free_at_s"][row]), float(start)) - start
    if not down and free_at + count / capacity <= patience and count < 0.9 * capacity * HOUR_S:
        served, waited = wanted, mean_wait_md1_s(count / HOUR_S, capacity) * count
    else:
        cells, arrival = _arrivals(sim, RAILS[row], wanted, instruments, hour)
        waits, free_at = _waits(arrival, 1 / capacity, free_at, patience, [(a - start, b - start) for a, b in down])
        through = ~np.isnan(waits)
        served = np.bincount(cells[through], minlength=wanted.size).reshape(wanted.shape)
        waited = float(waits[through].mean()) if through.any() else 0.0
        if sim.weight > 1:
            cell = id_array(sim.tables["zones"].id[:, None], np.array(instruments, np.int64) * 24 + hour)
            served = in_whole_rows(served, sim.weight, sim.uniform(f"payments.rounding.{RAILS[row]}", cell))
        waited *= int(served.sum())
        rails["free_at_s"][row] = start + free_at
    confirmed = int(served.sum())
    sim.grids["payments_served"][:, instruments, hour] = served
    rails["served_today"][row] += confirmed
    rails["wait_today_s"][row] += waited
    rails["peak_wait_s"][row] = max(float(rails["peak_wait_s"][row]), waited / max(confirmed, 1))


def with_power(sim: Any, wanted: NDArray[np.int64], instruments: list[int], hour: int) -> NDArray[np.int64]:
    """The payments (zones, instruments) of an hour whose shops have power: as large a part of them as of the zone's load is served.

    Whole payments, in a sample whole rows; what is left over of a cell is rounded by a keyed draw, so that the mean is exact.
    """
    unserved, load = sim.grids["load_unserved"][:, hour], sim.grids["load_wanted"][:, hour]
    if not unserved.any():
        return wanted
    lit = 1.0 - unserved / np.maximum(load, 1)
    cell = id_array(sim.tables["zones"].id[:, None], np.array(instruments, np.int64) * 24 + hour)
    rows = wanted // sim.weight
    able = np.floor(rows * lit[:, None] + sim.uniform("payments.power", cell)).astype(np.int64)
    return np.asarray(np.minimum(able, rows) * sim.weight)


def in_whole_rows(payments: NDArray[np.int64], weight: int, u: _Floats) -> NDArray[np.int64]:
    """Payments of cells as multiples of `weight`, up or down by the uniforms `u` so that the mean stays: rows are served as a whole."""
    rows, rest = np.divmod(payments, weight)
    return np.asarray((rows + (u * weight < rest)) * weight)


def _waits(
    arrival_s: _Floats, service_s: float, free_at_s: float, patience_s: float, down: Sequence[tuple[float, float]]
) -> tuple[_Floats, float]:
    """Waits of one rail's payments, NaN for those that leave; the quick way where nobody leaves."""
    if not down:
        waits, free = waits_if_patient(arrival_s, service_s, free_at_s)
        if waits.max(initial=0.0) <= patience_s:
            return waits, free
    waits, servers = serve_first_come(arrival_s, np.full(len(arrival_s), service_s), [free_at_s], patience_s, down)
    return waits, servers[0]


def _arrivals(sim: Any, name: str, wanted: NDArray[np.int64], instruments: list[int], hour: int) -> tuple[NDArray[np.int64], _Floats]:
    """Cells and times [s after the hour] of an hour's payments, in order; keyed by zone, instrument, hour and number in the cell."""
    counts = wanted.ravel()
    cells = np.repeat(np.arange(counts.size), counts)
    number = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
    zone = sim.tables["zones"].id[cells // len(instruments)]
    instrument = np.array(instruments, np.int64)[cells % len(instruments)]
    at = sim.uniform(f"payments.arrival.{name}", id_array(zone, instrument * 24 + hour, number)) * HOUR_S
    order = np.argsort(at, kind="stable")
    return cells[order], at[order]
