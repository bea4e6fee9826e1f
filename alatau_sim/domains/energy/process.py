"""Substations: one SimPy process each, which serves what its zones want, hour by hour, as far as it works and as its capacity goes.

A substation alternates between working and being repaired, to the second. Its next failure comes when the hazard it has lived through
reaches a unit-exponential draw, so a change of the failure rate acts at once and keeps the luck; repairs are exponential. More wanted
than capacity means that load is shed down to capacity. The state is in the table `substations`. Not modelled yet: lines between
substations, transfer of load to a neighbour, voltage, wear by overload.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

HOUR_S = 3_600
YEAR_S = 31_557_600
NEVER_S = 1 << 40


def start_substations(sim: Any) -> None:
    """Start a process for each substation."""
    table = sim.tables["substations"]
    for row in range(table.n):
        table["wear_left"][row] = _exponential(sim, row, 0)
        sim.env.process(operate(sim, row))


def operate(sim: Any, row: int) -> Iterator[simpy.Event]:
    """The life of one substation: for each hour of each day, serve that hour."""
    while True:
        yield sim.day_opened
        for hour in range(24):
            serve_hour(sim, row, hour)
            yield sim.env.timeout(HOUR_S)


def serve_hour(sim: Any, row: int, hour: int) -> None:
    """Serve one hour: what is wanted, up to the capacity, for the seconds in which the substation works.

    Zones share what is there in proportion, and within a zone homes, firms and transit do.
    """
    table, total = sim.tables["substations"], int(sim.grids["substation_wanted"][row, hour])
    up_s = run_hour(sim, row, int(sim.env.now))
    capacity = round(int(table["capacity_w"][row]) * (1.0 + sim.policy.energy.substation_reserve_share))
    # Served energy is a multiple of the sample's weight, as wanted energy is, so that the shortage can reach whole households.
    units = min(total, capacity) * up_s // HOUR_S // sim.weight
    sim.grids["substation_served"][row, hour] = units * sim.weight
    sim.grids["substation_up"][row, hour] = up_s
    if units * sim.weight < total:
        zones = np.flatnonzero(sim.tables["zones"]["substation"] == row)
        wanted = sim.grids["load_wanted"][zones, hour] // sim.weight
        missing = wanted - split(units, wanted)
        sim.grids["load_unserved"][zones, hour] = missing * sim.weight
        for zone, units in zip(zones.tolist(), missing.tolist(), strict=True):
            parts = split(units, sim.grids["wanted_by"][zone, :, hour] // sim.weight)
            sim.grids["unserved_by"][zone, :, hour] = parts * sim.weight
        table["shed_hours"][row] += total > capacity


def run_hour(sim: Any, row: int, start_s: int) -> int:
    """Let a substation live through one hour; the seconds (0 … 3600) in which it worked.

    In a dated outage (`sim.outage_s`) it neither works nor wears; a repair goes on.
    """
    table, world = sim.tables["substations"], sim.world.energy
    hazard = world.substation_failures_per_year / YEAR_S
    out_s = sim.outage_s("power", row, start_s, start_s + HOUR_S)
    left, up_s = HOUR_S - out_s, 0
    if left == HOUR_S and not table["failed"][row] and table["wear_left"][row] > hazard * HOUR_S:
        table["wear_left"][row] -= hazard * HOUR_S
        return HOUR_S  # nearly every hour
    if table["failed"][row]:
        table["repair_left_s"][row] -= min(out_s, int(table["repair_left_s"][row]))
    while left > 0:
        if table["failed"][row]:
            step = min(left, int(table["repair_left_s"][row]))
            table["repair_left_s"][row] -= step
            if table["repair_left_s"][row] == 0:
                table["failed"][row] = False
                table["wear_left"][row] = _exponential(sim, row, 2 * int(table["trips"][row]))
        else:
            until = math.ceil(float(table["wear_left"][row]) / hazard) if hazard > 0 else NEVER_S
            step = min(left, until)
            up_s += step
            if until <= left:
                table["failed"][row] = True
                table["trips"][row] += 1
                mean_s = world.substation_repair_h * HOUR_S
                table["repair_left_s"][row] = max(1, round(mean_s * _exponential(sim, row, 2 * int(table["trips"][row]) - 1)))
            else:
                table["wear_left"][row] -= hazard * step
        left -= step
    return up_s


def _exponential(sim: Any, row: int, number: int) -> float:
    """The unit-exponential draw of one event of one substation; even numbers: lifetimes, odd ones: repairs."""
    u = sim.uniform_of(str(int(sim.tables["substations"].id[row])), number, "substation")
    return -math.log1p(-u)


def split(total: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """A whole total in whole parts in proportion to whole weights; the parts add up exactly; none passes its weight if the total does not.

    Parts are differences of rounded-down running shares, so each is within one of its exact share.
    """
    running = np.cumsum(weights, dtype=np.int64)
    if not len(running) or running[-1] == 0:
        return np.zeros(len(weights), np.int64)
    whole = int(running[-1])
    if total * whole < 1 << 63:
        shares = total * running // whole
    else:  # Python's integers have no end
        shares = np.array([total * reached // whole for reached in running.tolist()], np.int64)
    return np.diff(shares, prepend=0)
