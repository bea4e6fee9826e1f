"""Firms that close, move into more floor space or open, on the first of a month; all in the floor space that zones have free.

Candidates for opening stand in a fixed list for each sector and month, so that a stronger lever or more demand admits the same ones and
more; the further down the list, the later a candidate chooses. Firms that stand take floor space before new ones do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.economy.labour.settle import JOBS, outside_zone
from alatau_sim.domains.economy.params import Policy
from alatau_sim.domains.economy.start.tables import demand_at_start, mean_of_sizes, represent, sizes, wage_levels
from alatau_sim.domains.economy.tables import allows
from alatau_sim.engine.randomness import hash_array, id_array, order_within, stream_key, stream_word
from alatau_sim.engine.rule import settlement

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
MONEY = "tenge"
ACCOUNTS = ("account:firms", "account:rest_of_world", "account:open", "account:residents_at_work", "account:commuters_at_work",
            "account:positions", "account:no_position")  # fmt: skip
FLOWS = ("entries", "exits", "hires", "hires_outside", "quits", "dismissals")


def clear_month(sim: Any) -> None:
    """Set the month's counts to zero: firms that open and close, people who find and lose work, taxes and sales."""
    sim.state["economy"]["month"] = {**dict.fromkeys(FLOWS, 0), "taxes": None, "revenue_kzt": 0, "outside_sales_kzt": 0}


@settlement(phase="events", every="1 month")
def begin_economy_month(sim: Any) -> None:
    """Open the month's counts."""
    clear_month(sim)


# --- floor space ----------------------------------------------------------------------------------------------------------------


def free_space(sim: Any) -> Ints:
    """The m2 of workspace of each zone that no firm occupies, of the whole city where a sample runs."""
    firms, zones = sim.tables["firms"], sim.tables["zones"]
    occupied = np.bincount(firms["site"], weights=firms["floor_m2"], minlength=zones.n).astype(np.int64)
    return np.asarray(zones["workspace_m2"] - occupied * sim.weight - sim.state["economy"]["beyond_m2"])


@settlement(phase="refresh", reads=("firms.site", "firms.floor_m2", "zones.workspace_m2"), writes=("zones.workspace_free_m2",))
def occupy(sim: Any) -> None:
    """Write the floor space of each zone that no firm occupies."""
    zones = sim.tables["zones"]
    zones["workspace_free_m2"][:] = free_space(sim)
    sim.state["economy"]["workspace_m2"] = zones["workspace_m2"].copy()


def in_order(group: NDArray[Any], order: Ints, need: Ints, supply: Ints) -> Ints:
    """What is left of the supply of each one's group when those before it in `order` have taken what they need (not below 0 needed)."""
    ranked, of = need[order], group[order]
    running = np.cumsum(ranked) - ranked
    first = np.searchsorted(of, of)
    left = np.empty(len(group), np.int64)
    left[order] = supply[of] - (running - running[first])
    return left


@settlement(
    phase="events", every="1 month", reads=("firms.wanted_jobs", "zones.workspace_m2"),
    writes=("firms.jobs", "firms.floor_m2", "account:positions", "account:no_position"),
)  # fmt: skip
def lease_space(sim: Any) -> None:
    """Give firms the positions that they want: those that shrink leave floor space, those that grow take it in a keyed order."""
    firms, sectors = sim.tables["firms"], sim.tables["sectors"]
    each = sectors["floor_m2_per_job"][firms["sector"]]
    before = firms["jobs"].astype(np.int64)
    shrink = np.flatnonzero(firms["wanted_jobs"] < before)
    firms["jobs"][shrink] = firms["wanted_jobs"][shrink]
    firms["floor_m2"][shrink] = np.rint(firms["jobs"][shrink] * each[shrink])
    grow = np.flatnonzero(firms["wanted_jobs"] > before)
    more, each, site = firms["wanted_jobs"][grow] - before[grow], each[grow], firms["site"][grow]
    key = stream_key(sim.seed, sim.replicate, "firms.lease", sim.clock.day)
    # One m2 more a row, because floor space is rounded to whole m2.
    need = (np.ceil(more * each) + 1).astype(np.int64) * sim.weight
    left = in_order(site, order_within(site, hash_array(key, firms.id[grow])), need, free_space(sim))
    room = np.floor((left / sim.weight - 1) / each)
    firms["jobs"][grow] = before[grow] + np.clip(room, 0, more).astype(np.int64)
    got = grow[firms["jobs"][grow] > before[grow]]
    firms["floor_m2"][got] = np.rint(firms["jobs"][got] * sectors["floor_m2_per_job"][firms["sector"][got]])
    firms["wanted_jobs"][:] = firms["jobs"]
    book_positions(sim, int(firms["jobs"].sum(dtype=np.int64)) - int(before.sum()))


def book_positions(sim: Any, change: int) -> None:
    """Book positions that open or (negative) close."""
    source, target = ("no_position", "positions") if change >= 0 else ("positions", "no_position")
    sim.ledger.book(JOBS, source, target, abs(change))


# --- closing --------------------------------------------------------------------------------------------------------------------


@settlement(phase="events", every="1 month", reads=("firms.shuts",), writes=("firms", *ACCOUNTS))
def close_firms(sim: Any) -> None:
    """Remove the firms that close; owners take their money, the staff is without work until it finds some."""
    firms = sim.tables["firms"]
    rows = np.flatnonzero(firms["shuts"])
    if not len(rows):
        return
    balance = firms["balance_kzt"][rows]
    sim.ledger.book(MONEY, "firms", "rest_of_world", int(balance[balance > 0].sum()))
    sim.ledger.book(MONEY, "rest_of_world", "firms", -int(balance[balance < 0].sum()))
    sim.ledger.book(JOBS, "residents_at_work", "open", int(firms["staff"][rows].sum(dtype=np.int64)))
    sim.ledger.book(JOBS, "commuters_at_work", "open", int(firms["commuters"][rows].sum(dtype=np.int64)))
    book_positions(sim, -int(firms["jobs"][rows].sum(dtype=np.int64)))
    sim.state["economy"]["month"]["exits"] += int(firms["stands_for"][rows].sum(dtype=np.int64))
    firms.remove(rows)


# --- opening --------------------------------------------------------------------------------------------------------------------


def expected_entries(sim: Any) -> tuple[Floats, Floats]:
    """(firms expected to open this month in each sector under today's tax on profit; the factor of the scenario's), in whole-city firms.

    Private ones make up for those that close, more where the sector sold more than it can; public ones where residents lack positions.
    """
    firms, sectors, world, policy = sim.tables["firms"], sim.tables["sectors"], sim.world.economy, sim.policy.economy
    count = np.bincount(firms["sector"], weights=firms["stands_for"], minlength=sectors.n)
    jobs = usual(sim, "jobs") * sim.weight
    busy = np.clip(sectors["busyness"], 0.2, 5.0) ** world.entry_demand_elasticity
    private = count * sectors["entry_rate"] / 12 * busy * world.entry_factor
    size = np.array([mean_of_sizes(float(scale), world.size_exponent, world.entrants_largest) for scale in sectors["entrant_scale"]])
    public = np.maximum(sectors["staffing"] - 1, 0) * jobs * world.public_new_share / size
    less = Policy().corporate_rate - policy.corporate_rate * (1 - policy.tax_relief_share)
    taxed = max(1 + world.entry_tax_response * less, 0.0)
    return np.where(sectors["public"], public, private), np.where(sectors["public"], 1.0, taxed)


def candidates(sim: Any) -> tuple[Ints, Ints]:
    """(ids, sectors) of those who would open a firm this month, in the order in which they choose."""
    sectors, month = sim.tables["sectors"], sim.clock.month_index
    base, factor = expected_entries(sim)
    ids, of, place = [], [], []
    for sector in np.flatnonzero(base > 0).tolist():
        u = sim.uniform_of(sim.names["sectors"][sector], month, "firms.entry")
        number = np.arange(int(base[sector] * factor[sector] + u), dtype=np.int64)
        ids.append(id_array(stream_word("entry"), int(sectors.id[sector]), month, number))
        of.append(np.full(len(number), sector, np.int64))
        place.append((number + 1 - u) / base[sector])
    if not ids:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.lexsort((np.concatenate(ids), np.concatenate(place)))
    return np.concatenate(ids)[order], np.concatenate(of)[order]


@settlement(
    phase="events", every="1 month", reads=("zones.land_use", "zones.workspace_m2", "zones.jobs", "sectors.busyness", "sectors.staffing"),
    writes=("firms", *ACCOUNTS),
)  # fmt: skip
def open_firms(sim: Any) -> None:
    """Let new firms choose a zone that allows their sector and has room, and open in it; none on the first day, as none closes then."""
    if sim.clock.day == sim.clock.first:
        return
    sectors, world = sim.tables["sectors"], sim.world.economy
    ids, sector = candidates(sim)
    u = sim.uniform("firms.size", ids, day=-1)
    jobs = sizes(u, sectors["entrant_scale"][sector], world.size_exponent, world.entrants_largest)
    keep, jobs, stands_for = represent(sim, ids, jobs)
    ids, sector, jobs, stands_for = ids[keep], sector[keep], jobs[keep], stands_for[keep]
    floor = np.maximum(np.rint(jobs * sectors["floor_m2_per_job"][sector]), 1).astype(np.int64)
    free = free_space(sim)
    zone = choose_site(sim, ids, sector, floor * sim.weight, free)
    there = np.flatnonzero(zone >= 0)
    order = np.argsort(zone[there], kind="stable")
    left = in_order(zone[there], order, floor[there] * sim.weight, free)
    opens = there[left >= floor[there] * sim.weight]
    found(sim, ids[opens], {"sector": sector[opens], "site": zone[opens], "jobs": jobs[opens], "floor_m2": floor[opens],
                            "stands_for": stands_for[opens], "wage_level": wage_levels(sim, ids[opens], sector[opens])})  # fmt: skip


def choose_site(sim: Any, ids: Ints, sector: Ints, need: Ints, free: Ints) -> Ints:
    """The zone that each candidate likes best among those that allow its sector and have room for it; −1: none.

    A logit whose utility is the log of the free floor space (size term) and the pull of residents, on shops and public bodies, or of jobs.
    """
    zones, sectors, home = sim.tables["zones"], sim.tables["sectors"], sim.tables["residents"]["home"]
    if not len(ids):
        return np.empty(0, np.int64)
    people = np.bincount(home[home >= 0], minlength=zones.n) * sim.weight
    to_people = (sectors["sells_to_people"] | sectors["public"])[sector]
    pull = np.where(to_people[:, None], np.log1p(people)[None, :], sim.world.economy.gathering * np.log1p(zones["jobs"])[None, :])
    utility = np.log(np.maximum(free, 1))[None, :] + pull
    may = allows(zones["land_use"][None, :], sectors["land_uses"][sector][:, None]) & (free[None, :] >= need[:, None]) & ~zones["outside"]
    u = np.clip(sim.uniform("firms.site", id_array(ids[:, None], zones.id[None, :]), day=-1), 1e-16, 1 - 1e-16)
    utility = np.where(may, utility - np.log(-np.log(u)), -np.inf)
    return np.where(may.any(axis=1), utility.argmax(axis=1), -1)


def found(sim: Any, ids: Ints, values: dict[str, Any]) -> None:
    """Add firms, with the money that owners bring for their first costs."""
    firms, sectors = sim.tables["firms"], sim.tables["sectors"]
    sector, jobs = values["sector"], values["jobs"]
    money = np.rint(sim.world.economy.cash_months * jobs * sectors["job_wage_kzt"][sector]).astype(np.int64)
    money[sectors["public"][sector]] = 0
    firms.insert(ids, {
        **values, "wanted_jobs": jobs, "balance_kzt": money, "demand": demand_at_start(sim, ids),
        "commuters_from": outside_zone(sim, ids, values["site"]),
    })  # fmt: skip
    sim.ledger.book(MONEY, "rest_of_world", "firms", int(money.sum()))
    book_positions(sim, int(jobs.sum()))
    sim.state["economy"]["month"]["entries"] += int(np.sum(values["stands_for"]))


# --- what sectors need ----------------------------------------------------------------------------------------------------------


@settlement(
    phase="refresh", every="1 month", reads=("firms.jobs", "firms.anchor", "firms.revenue_kzt", "firms.capacity_kzt", "firms.sector"),
    writes=("sectors.staffing", "sectors.busyness"),
)  # fmt: skip
def survey_sectors(sim: Any) -> None:
    """Compare public positions with what today's residents need, and private firms' last sales with what their staff can make.

    Anchors do not count: a hospital of the region leaves the city's clinics what they are.
    """
    sectors = sim.tables["sectors"]
    jobs, sales, able = (usual(sim, name) for name in ("jobs", "revenue_kzt", "capacity_kzt"))
    needed = sectors["jobs_per_resident"] * sim.tables["residents"].n
    sectors["staffing"][:] = np.where(jobs > 0, needed / np.maximum(jobs, 1), 1.0)
    sectors["busyness"][:] = np.where((able > 0) & ~sectors["public"], sales / np.maximum(able, 1), 1.0)


def usual(sim: Any, column: str) -> Floats:
    """A column of firms summed by sector, without anchors."""
    firms, sectors = sim.tables["firms"], sim.tables["sectors"].n
    return np.asarray(np.bincount(firms["sector"], weights=np.where(firms["anchor"], 0, firms[column]), minlength=sectors))
