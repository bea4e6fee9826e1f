"""What a day of service came to: riders served, what people learn of waits, the month's sums, and the charging of electric vehicles.

On days that are not simulated stop by stop the last simulated day of their kind holds, in proportion to the day's own riders. Electric
vehicles charge at night in the zone of their depot.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.boarding import Measured, measure
from alatau_sim.engine.rule import settlement
from alatau_sim.errors import RunError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BY_LINE = (
    "scheduled", "departures", "late", "cancelled", "vehicle_m", "empty_m", "place_m", "boardings", "given_up", "wait_s", "rider_m", "left",
    "energy_wh",
)  # fmt: skip
"""What is summed up by line in a month."""
BY_CALL = ("boarded", "alighted", "left", "load", "calls")
"""What is summed up by kind of day, stop and hour in a month."""
WORKING_DAYS = 5
"""A measured day stands for at most so many working days in what people learn."""
SETTLED_SHARE, BY_CHANCE = 0.1, 3.0
"""The waits of a line's way are settled where a working day's differ from those expected by less than this share and what chance does:
so many times the share 1 / √riders."""


def begin_month(sim: Any) -> None:
    """Set the month's sums to zero."""
    network = sim.state["mobility"]["network"]
    month = {name: np.zeros(len(network.lines)) for name in BY_LINE}
    calls = {name: np.zeros((2, network.stops.n, 24), np.int64) for name in BY_CALL}
    sim.state["mobility"]["month"] = {**month, "calls": calls, "days": np.zeros(2, np.int64), "simulated": 0, "fares_kzt": 0}


# --- charging -----------------------------------------------------------------------------------------------------------------


@settlement(phase="tally", reads=("lines.to_charge_wh", "lines.electric", "lines.depot"), writes=("grid:load_transit", "lines.charging_wh"))
def charge_buses(sim: Any) -> None:
    """Ask for what electric vehicles have used and not charged yet, in equal parts of the night's hours, where their depot is."""
    lines, hours = sim.tables["lines"], sim.policy.mobility.charge_hours
    asking = lines["depot"] >= 0
    lines["charging_wh"][:] = np.where(asking, lines["to_charge_wh"], 0)
    for hour, amount in enumerate(charging(lines["charging_wh"][asking], hours)):
        np.add.at(sim.grids["load_transit"][:, hour], lines["depot"][asking], amount)


def charging(total: Ints, hours: int) -> list[Ints]:
    """Whole amounts in equal parts over some hours."""
    return [total * (hour + 1) // hours - total * hour // hours for hour in range(hours)]


def unserved_share(wanted: Ints, unserved: Ints) -> Floats:
    """The part of the electricity wanted that was not served."""
    return np.asarray(unserved / np.maximum(wanted, 1))


def charged(sim: Any) -> Ints:
    """What each line's vehicles have charged this night, in Wh: of what they asked for, the part that was served."""
    lines, hours, grids = sim.tables["lines"], sim.policy.mobility.charge_hours, sim.grids
    got = np.zeros(lines.n, np.int64)
    for hour, amount in enumerate(charging(lines["charging_wh"], hours)):
        missing = unserved_share(grids["load_wanted"][:, hour], grids["load_unserved"][:, hour])[np.maximum(lines["depot"], 0)]
        got += amount - np.ceil(amount * missing - 1e-9).astype(np.int64)
    return got


# --- closing the day ------------------------------------------------------------------------------------------------------------


@settlement(
    phase="settle", reads=("grid:riders_wanted", "grid:load_wanted", "grid:load_unserved", "lines.charging_wh"),
    writes=("grid:riders_served", "stops.wait_min", "stops.run_min", "lines.to_charge_wh"),
)
def close_service(sim: Any) -> None:
    """Read what the day's service came to, or take over that of the last simulated day of its kind with today's riders."""
    state, kind = sim.state["mobility"], sim.clock.kind_of_day
    if sim.clock.first_of_month:
        begin_month(sim)
    day = state.pop("day", None)
    state["unlearnt"] += kind == 0
    if day is None:
        found = state["typical_days"][kind]
        sim.grids["riders_served"] += as_that_day(sim.grids["riders_wanted"], found, state["network"].rides.start, sim.weight)
    else:
        found = state["measured"] = measure(day, state["network"].rides)
        sim.grids["riders_served"] += found.served
        state["month"]["simulated"] += 1
        if state["kept_back"].any():
            state["again"].add(kind)  # no typical day: the next of its kind is simulated
        if not state["kept_back"].any() or kind not in state["typical_days"]:
            state["typical_days"][kind] = found
        if kind == 0:
            learn(sim, found)
    add_to_month(sim, found)


def learn(sim: Any, found: Measured) -> None:
    """Let people expect a little more of what a working day measured (exponential smoothing, so that the city does not flip-flop).

    A day that is simulated for the sake of some lines teaches nothing about the others, so that these know nothing of them.
    """
    state, share = sim.state["mobility"], sim.world.mobility.smoothing_share
    stops = state["network"].stops
    ways = state["unsettled"] | (state["kept_back"][stops.line_of_way] > 0) | state["regular"]
    days = np.where(ways, np.minimum(state["unlearnt"], WORKING_DAYS), 0)
    state["unlearnt"][ways] = 0
    expect(sim, found, (1.0 - (1.0 - share) ** days)[stops.way])


def as_that_day(wanted: Ints, found: Measured, start: Ints, weight: int) -> Ints:
    """Riders served if of each zone and hour the same share is as on a measured day, in multiples of the sample's weight."""
    short = found.served < found.wanted
    if not short.any():
        return wanted
    by_zone = np.zeros((2, int(start.max()) + 1, 24))
    for sums, riders in zip(by_zone, (found.served, found.wanted), strict=True):
        np.add.at(sums, start, riders)
    share = np.where(by_zone[1] > 0, by_zone[0] / np.maximum(by_zone[1], 1), 1.0)[start]
    return np.asarray(np.floor(wanted // weight * share + 1e-9).astype(np.int64) * weight)


def expect(sim: Any, found: Measured, share: float | Floats) -> None:
    """Move the waits and times that people expect to those measured by a share (for each stop), and say which ways had surprises."""
    stops, state, network = sim.tables["stops"], sim.state["mobility"], sim.state["mobility"]["network"].stops
    riders, wait, n = found.boarded.sum(axis=1), found.wait_mean_s / 60.0, len(state["unsettled"])
    known, surprise, people = (
        np.bincount(network.way, weights=riders * minutes, minlength=n) for minutes in (stops["wait_min"], wait - stops["wait_min"], 1.0)
    )
    state["unsettled"] = np.abs(surprise) > (SETTLED_SHARE + BY_CHANCE / np.sqrt(np.maximum(people, 1.0))) * known
    for name, minutes in (("wait_min", wait), ("run_min", found.run_mean_s / 60.0)):
        stops[name][:] += share * (minutes - stops[name])
    state["stale"] = True


def add_to_month(sim: Any, found: Measured) -> None:
    """Add the day to the month's sums, and what electric vehicles have used to what they must charge.

    Boardings, waits and riders' way are the measured day's in proportion to today's riders; departures, loads by stop and those left
    behind are that day's. Who gave up counts for the first of the lines that would have taken him.
    """
    state, lines, kind = sim.state["mobility"], sim.tables["lines"], sim.clock.kind_of_day
    network, month, served = state["network"], state["month"], sim.grids["riders_served"]
    stops, rides, n = network.stops, network.rides, lines.n
    month["days"][kind] += 1
    for name in BY_CALL:
        month["calls"][name][kind] += getattr(found, name)
    by_way = {
        "departures": found.departures, "late": found.late, "cancelled": found.cancelled, "vehicle_m": found.vehicle_m,
        "empty_m": found.empty_m, "scheduled": found.departures + found.cancelled,
    }  # fmt: skip
    day: dict[str, Any] = {name: np.bincount(stops.line_of_way, weights=values, minlength=n) for name, values in by_way.items()}
    day["place_m"] = day["vehicle_m"] * lines["capacity"]
    riders, those = int(served.sum()), max(int(found.served.sum()), 1)
    boarded = np.cumsum(np.bincount(stops.line, weights=found.boarded.sum(axis=1), minlength=n)).astype(np.int64)
    day["boardings"] = np.diff(boarded * riders // those, prepend=0)  # whole riders that add up to today's
    for name, values in (("wait_s", found.wait_s), ("rider_m", found.load.sum(axis=1) * stops.length_m)):
        day[name] = np.bincount(stops.line, weights=values, minlength=n) * (riders / those)
    day["left"] = np.bincount(stops.line, weights=found.left.sum(axis=1), minlength=n)
    lost = (sim.grids["riders_wanted"] - served).sum(axis=1)
    day["given_up"] = np.bincount(stops.line[rides.board[rides.first[:-1]]], weights=lost, minlength=n)
    used = np.rint((day["vehicle_m"] + day["empty_m"]) * sim.world.mobility.bus_wh_per_km / 1000.0) * lines["electric"]
    day["energy_wh"] = used
    for name in BY_LINE:
        month[name] += day[name]
    lines["to_charge_wh"][:] += used.astype(np.int64) - charged(sim)


@settlement(phase="check", reads=("grid:riders_wanted", "grid:riders_served"))
def check_transit(sim: Any) -> None:
    """Stop the run where riders are lost: more served than wanted, more boarded than alighted, or more on board than there is room."""
    served, wanted, state = sim.grids["riders_served"], sim.grids["riders_wanted"], sim.state["mobility"]
    found, state["measured"] = state["measured"], None
    if ((served < 0) | (served > wanted)).any():
        raise RunError(f"mobility on {sim.clock.date}: more riders served than wanted")
    if found is None:
        return
    boarded, alighted = int(found.boarded.sum()), int(found.alighted.sum())
    if not boarded == alighted == int(served.sum()):
        raise RunError(f"mobility on {sim.clock.date}: {boarded} riders boarded, {alighted} alighted, {int(served.sum())} were served")
    over = np.flatnonzero(found.highest > sim.tables["lines"]["capacity"][sim.tables["stops"]["line"]])
    if len(over):
        line = sim.names["lines"][int(sim.tables["stops"]["line"][over[0]])]
        raise RunError(f"mobility on {sim.clock.date}: {int(found.highest[over[0]])} riders on a vehicle of line {line}")

