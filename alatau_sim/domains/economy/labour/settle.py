"""Matching on the first of a month: who leaves, who applies where, who gets which position, and who comes from outside for the rest.

People apply in one zone each, those with a degree for positions that ask for one and, left over, with the others for the rest. Where more
apply and suit than there are positions, keyed draws rank them; positions are dealt to them in a keyed order. Work outside the city is not
limited: who applies and suits gets it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.economy.tables import EMPLOYED, HIGHER, SCHOOLS, UNEMPLOYED
from alatau_sim.engine.randomness import hash_array, id_array, order_within, stream_key
from alatau_sim.engine.ranking import served
from alatau_sim.engine.rule import settlement

Ints = NDArray[np.int64]
Rows = NDArray[Any]
JOBS = "jobs"
"""The commodity of the ledger: positions and those who fill them."""


# --- vacancies ------------------------------------------------------------------------------------------------------------------


def open_positions(sim: Any) -> tuple[Ints, Ints]:
    """(positions open to all, positions that ask for a degree) of each firm now; the share of the sector by keyed rounding."""
    firms, sectors = sim.tables["firms"], sim.tables["sectors"]
    free = np.maximum(firms["jobs"].astype(np.int64) - firms["staff"] - firms["commuters"], 0)
    share = sectors["degree_share"][firms["sector"]]
    degree = np.minimum(np.floor(free * share + sim.uniform("jobs.degree", firms.id)).astype(np.int64), free)
    return free - degree, degree


@settlement(
    phase="events", every="1 month",
    reads=("firms.jobs", "firms.staff", "firms.commuters", "firms.site", "firms.wage_level", "sectors.degree_share"),
    writes=("zones.vacancies_basic", "zones.vacancies_degree", "zones.wage_offered", "zones.outside_vacancies", "zones.shop_jobs"),
)
def post_vacancies(sim: Any) -> None:
    """Tell people the positions open in each zone, for whom, at which wages, and how many there are outside; and which shops are left."""
    firms, zones = sim.tables["firms"], sim.tables["zones"]
    basic, degree = open_positions(sim)
    site, level = firms["site"], np.rint(firms["wage_level"].astype(np.float64) * 1e6).astype(np.int64)
    total = np.bincount(site, weights=basic + degree, minlength=zones.n)
    wages = np.bincount(site, weights=(basic + degree) * level, minlength=zones.n)
    zones["vacancies_basic"][:] = np.bincount(site, weights=basic, minlength=zones.n) * sim.weight
    zones["vacancies_degree"][:] = np.bincount(site, weights=degree, minlength=zones.n) * sim.weight
    zones["wage_offered"][:] = np.where(total > 0, wages / np.maximum(total, 1) * 1e-6, 1.0)
    zones["outside_vacancies"][:] = sim.state["economy"]["outside_vacancies"] * sim.world.economy.outside_pull
    count_shop_jobs(sim)


def outside_shares(sim: Any) -> NDArray[np.float64]:
    """How large places outside the city are, by zone (0 inside): shares of the map's jobs there, or even ones."""
    zones = sim.tables["zones"]
    size = np.where(zones["outside"], zones["jobs_existing"], 0).astype(np.float64)
    if not size.any():
        size = zones["outside"].astype(np.float64)
    return np.asarray(size / max(size.sum(), 1.0))


def vacancies_outside(sim: Any) -> NDArray[np.float64]:
    """Positions offered outside by zone, such that applications keep up the share of residents who work outside at the start.

    With the positions that usual leaving opens in the city, `rules.seek_work` then sends that share of applications outside.
    """
    zones, firms, residents = sim.tables["zones"], sim.tables["firms"], sim.tables["residents"]
    choice, shares = sim.rule_params["seek_work"], outside_shares(sim)
    employed = residents["work"] >= 0
    lives = np.bincount(residents["home"][employed], minlength=zones.n)
    homes = np.flatnonzero(lives)
    out = float(np.clip(zones["outside"][residents["work"][employed]].mean(), 0.02, 0.98)) if employed.any() else 0.5
    jobs, paid = (np.bincount(firms["site"], weights=w, minlength=zones.n) for w in (firms["jobs"], firms["jobs"] * firms["wage_level"]))
    offered = jobs * sim.weight * sim.rule_params["look_for_work"]["leave"]
    wage = np.where(zones["outside"], sim.world.economy.outside_wage_ratio, paid / np.maximum(jobs, 1))
    near = np.exp(-choice["distance_weight"] * distances_km(sim, homes, np.arange(zones.n))) * wage ** choice["wage_weight"]
    here, there = near @ offered, near @ shares
    low, high = 1e-9, 1e12
    for _ in range(100):
        middle = math.sqrt(low * high)
        share = float((lives[homes] * (middle * there / np.maximum(here + middle * there, 1e-300))).sum() / max(lives.sum(), 1))
        low, high = (middle, high) if share < out else (low, middle)
    return np.asarray(shares * low)


def outside_zone(sim: Any, ids: Ints, zone: Rows) -> Rows:
    """For firms of some zones the place outside that their commuters come from: a keyed logit by size and distance; −1: none."""
    zones = sim.tables["zones"]
    places = np.flatnonzero(zones["outside"])
    if not len(places) or not len(ids):
        return np.full(len(ids), -1, np.int32)
    size = np.log(np.maximum(outside_shares(sim)[places], 1e-9))
    far = distances_km(sim, np.arange(zones.n), places) * sim.world.economy.commute_decay_per_km
    u = sim.starting_uniform("firms.commuters_from", id_array(ids[:, None], zones.id[places][None, :]))
    return places[(size - far[zone] - np.log(-np.log(np.clip(u, 1e-16, 1 - 1e-16)))).argmax(axis=1)].astype(np.int32)


def distances_km(sim: Any, rows: Rows, others: Rows) -> NDArray[np.float64]:
    """Straight distances [km] between the centroids of some zones and others: shape (rows, others)."""
    zones = sim.tables["zones"]
    x, y = zones["centroid_x_m"] / 1000.0, zones["centroid_y_m"] / 1000.0
    return np.hypot(x[rows][:, None] - x[others][None, :], y[rows][:, None] - y[others][None, :])


# --- matching -------------------------------------------------------------------------------------------------------------------


@settlement(
    phase="refresh", every="1 month",
    reads=(
        "residents.looks", "residents.quits", "residents.seeks", "residents.education", "residents.home", "firms.jobs", "firms.site",
        "firms.sector", "sectors.degree_share", "sectors.sells_to_people",
    ),
    writes=(
        "residents.employer", "residents.work", "residents.status", "residents.employed", "residents.looks", "firms.staff",
        "firms.commuters", "zones.jobs", "zones.shop_jobs", "zones.vacancies", "zones.school", "account:open", "account:residents_at_work",
        "account:commuters_at_work",
    ),
)  # fmt: skip
def match_jobs(sim: Any) -> None:
    """Let people leave and firms dismiss, rank those who look for work against the positions, and fill the rest from outside."""
    residents = sim.tables["residents"]
    part_ways(sim)
    send_commuters_home(sim)
    dismiss(sim)
    hire(sim)
    settle_the_rest(sim)
    residents["employed"][:] = residents["status"] == EMPLOYED
    bring_commuters(sim)
    count_jobs(sim)


def _take_off(sim: Any, rows: Rows, status: int | None = None) -> None:
    """Let residents give up their place of work; with a status, also what they do."""
    residents = sim.tables["residents"]
    residents["employer"][rows] = -1
    residents["work"][rows] = -1
    if status is not None:
        residents["status"][rows] = status
    count_staff(sim)


def count_staff(sim: Any) -> None:
    """Write each firm's staff: the residents whose employer it is; and book the difference."""
    firms, employer = sim.tables["firms"], sim.tables["residents"]["employer"]
    before = int(firms["staff"].sum(dtype=np.int64))
    firms["staff"][:] = np.bincount(employer[employer >= 0], minlength=firms.n)
    _book(sim, "residents_at_work", int(firms["staff"].sum(dtype=np.int64)) - before)


def _book(sim: Any, account: str, change: int) -> None:
    """Book people into (or, negative, out of) an account of those who fill positions."""
    source, target = ("open", account) if change >= 0 else (account, "open")
    sim.ledger.book(JOBS, source, target, abs(change))


def part_ways(sim: Any) -> None:
    """Let those leave who quit, and those who do not work any more (retired, inactive)."""
    residents = sim.tables["residents"]
    placed = (residents["employer"] >= 0) | (residents["work"] >= 0)
    working = residents["status"] == EMPLOYED
    _take_off(sim, np.flatnonzero(placed & ~working))
    quitters = np.flatnonzero(placed & working & residents["quits"])
    _take_off(sim, quitters, UNEMPLOYED)
    sim.state["economy"]["month"]["quits"] += len(quitters)


def send_commuters_home(sim: Any) -> None:
    """Let people from outside leave as often as residents do, and where positions have gone, before residents must."""
    firms = sim.tables["firms"]
    leave = sim.rule_params["look_for_work"]["leave"]
    left = np.floor(firms["commuters"] * leave + sim.uniform("jobs.commuters_leave", firms.id)).astype(np.int64)
    room = np.maximum(firms["jobs"].astype(np.int64) - firms["staff"], 0)
    change_commuters(sim, np.minimum(firms["commuters"] - left, room))


def change_commuters(sim: Any, now: Ints) -> None:
    """Write the people from outside of each firm, and book the difference."""
    firms = sim.tables["firms"]
    before = int(firms["commuters"].sum(dtype=np.int64))
    firms["commuters"][:] = now
    _book(sim, "commuters_at_work", int(now.sum()) - before)


def dismiss(sim: Any) -> None:
    """Where a firm has more staff than positions, the last by a keyed rank must go; they look for work from the next month on."""
    residents, firms = sim.tables["residents"], sim.tables["firms"]
    short = np.append(firms["staff"] > firms["jobs"], False)  # the last entry answers for an employer of −1
    rows = np.flatnonzero(short[residents["employer"]])
    if not len(rows):
        return
    employer = residents["employer"][rows]
    order = order_within(employer, hash_array(stream_key(sim.seed, sim.replicate, "jobs.dismiss", sim.clock.day), residents.id[rows]))
    rows, employer = rows[order], employer[order]
    rank = np.arange(len(rows)) - np.searchsorted(employer, employer)
    gone = rows[rank >= firms["jobs"][employer]]
    _take_off(sim, gone, UNEMPLOYED)
    sim.state["economy"]["month"]["dismissals"] += len(gone)


def hire(sim: Any) -> None:
    """Rank those who apply and suit in a zone against its positions: first those that ask for a degree, then the others."""
    residents, zones = sim.tables["residents"], sim.tables["zones"]
    seeks = residents["seeks"]
    inside = np.append(~zones["outside"], False)[seeks]
    rows = np.flatnonzero(residents["looks"] & inside)
    rows = rows[sim.uniform("jobs.suits", residents.id[rows]) < sim.world.economy.suits_share]
    basic, degree = open_positions(sim)
    rank = sim.uniform("jobs.rank", residents.id[rows])
    hired = 0
    for positions, least in ((degree, HIGHER), (basic, 0)):
        firm = dealt(sim, positions)
        at = sim.tables["firms"]["site"][firm]
        supply = np.bincount(at, minlength=zones.n)
        got = served(np.where(residents["education"][rows] >= least, seeks[rows], -1), residents.id[rows], rank, supply)
        best = np.flatnonzero(got)
        best = best[np.lexsort((residents.id[rows[best]], rank[best], seeks[rows[best]]))]
        zone = seeks[rows[best]]
        place = np.searchsorted(at, zone) + np.arange(len(best)) - np.searchsorted(zone, zone)
        _give_work(sim, rows[best], firm[place])
        hired += len(best)
        rows, rank = rows[~got], rank[~got]
    sim.state["economy"]["month"]["hires"] += hired


def dealt(sim: Any, positions: Ints) -> Ints:
    """The firm of each of some positions (`positions` of each firm), by zone and within it in a keyed order."""
    firms = sim.tables["firms"]
    firm = np.repeat(np.arange(firms.n), positions)
    number = np.arange(len(firm)) - np.repeat(np.cumsum(positions) - positions, positions)
    key = stream_key(sim.seed, sim.replicate, "jobs.position", sim.clock.day)
    return firm[order_within(firms["site"][firm], hash_array(key, id_array(firms.id[firm], number)))]


def _give_work(sim: Any, rows: Rows, firm: Rows) -> None:
    """Let residents work for firms of the city."""
    residents = sim.tables["residents"]
    residents["employer"][rows] = firm
    residents["work"][rows] = sim.tables["firms"]["site"][firm]
    residents["status"][rows] = EMPLOYED
    residents["looks"][rows] = False
    count_staff(sim)


def settle_the_rest(sim: Any) -> None:
    """Those who applied outside and suit find work there; those whose firm has closed are unemployed if they have found none."""
    residents, zones = sim.tables["residents"], sim.tables["zones"]
    outside = np.append(zones["outside"], False)
    looking = np.flatnonzero(residents["looks"] & outside[residents["seeks"]] & ~outside[residents["work"]])
    found = looking[sim.uniform("jobs.suits", residents.id[looking]) < sim.world.economy.suits_share]
    residents["work"][found], residents["status"][found] = residents["seeks"][found], EMPLOYED
    sim.state["economy"]["month"]["hires_outside"] += len(found)
    idle = (residents["status"] == EMPLOYED) & (residents["employer"] < 0) & ~outside[residents["work"]]
    residents["work"][idle], residents["status"][idle] = -1, UNEMPLOYED


def bring_commuters(sim: Any) -> None:
    """Fill a share of the positions that residents have left from outside the city, in whole people by a keyed draw."""
    firms = sim.tables["firms"]
    left = np.maximum(firms["jobs"].astype(np.int64) - firms["staff"] - firms["commuters"], 0)
    share = np.where(firms["commuters_from"] >= 0, sim.world.economy.commuters_hired_share, 0.0)
    come = np.minimum(np.floor(left * share + sim.uniform("jobs.commuters_come", firms.id)).astype(np.int64), left)
    change_commuters(sim, firms["commuters"] + np.where(share > 0, come, 0))


# --- what others see ------------------------------------------------------------------------------------------------------------


def count_jobs(sim: Any) -> None:
    """Write the jobs, vacancies and jobs in shops of each zone, and the nearest school; of the whole city where a sample runs."""
    firms, zones, work = sim.tables["firms"], sim.tables["zones"], sim.tables["residents"]["work"]
    site, filled = firms["site"], firms["staff"].astype(np.int64) + firms["commuters"]
    outside = np.where(zones["outside"], np.bincount(work[work >= 0], minlength=zones.n), 0)
    zones["jobs"][:] = (np.bincount(site, weights=filled, minlength=zones.n) + outside) * sim.weight
    count_shop_jobs(sim)
    zones["vacancies"][:] = np.bincount(site, weights=firms["jobs"] - filled, minlength=zones.n) * sim.weight
    schools = np.zeros(zones.n, bool)
    names = sim.names["sectors"]
    if SCHOOLS in names:
        schools[site[(firms["sector"] == names.index(SCHOOLS)) & (firms["jobs"] > 0)]] = True
    state = sim.state["economy"]
    if not np.array_equal(schools, state.get("schools")):
        zones["school"][:] = nearest(sim, schools)
        state["schools"] = schools


def count_shop_jobs(sim: Any) -> None:
    """Write the filled jobs in shops of each zone."""
    firms, zones = sim.tables["firms"], sim.tables["zones"]
    people = np.where(sim.tables["sectors"]["sells_to_people"][firms["sector"]], firms["staff"] + firms["commuters"], 0)
    zones["shop_jobs"][:] = np.bincount(firms["site"], weights=people, minlength=zones.n) * sim.weight


def nearest(sim: Any, places: NDArray[np.bool_]) -> Rows:
    """For each zone the nearest of some zones (the first of equals); itself where there are none."""
    rows, n = np.flatnonzero(places), sim.tables["zones"].n
    if not len(rows):
        return np.arange(n, dtype=np.int32)
    return rows[distances_km(sim, np.arange(n), rows).argmin(axis=1)].astype(np.int32)
