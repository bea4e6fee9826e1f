"""The firms that a run starts with, who works where, and what sectors earn and spend, so that the first month is in balance.

The city's firms are synthesised whole; a sample keeps the large ones with a share of their jobs and one small one in `sim.weight`. All
depends on the seed only, unless the population is redrawn. Not known and so assumed: who commutes from where; the jobs of a zone are held
by people in proportion to how near they live, and as many come from outside as world.economy.commuters_in_share says.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.margins import deal, integerise, ipf, largest_remainder
from alatau_sim.domains.economy.labour.settle import count_jobs, distances_km, outside_shares, outside_zone, vacancies_outside
from alatau_sim.domains.economy.money.settle import balance_sectors, begin_wages, start_books
from alatau_sim.domains.economy.tables import EMPLOYED, HIGHER, UNEMPLOYED, allows, read_sectors
from alatau_sim.engine.randomness import hash_array, id_array, order_within, stream_key, stream_word, uniform_array

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


# --- sizes ----------------------------------------------------------------------------------------------------------------------


def sizes(u: Floats, scale: Floats | float, exponent: float, largest: int) -> Ints:
    """Whole sizes for uniforms in [0, 1): a Pareto law cut off above `largest`, rounded down, at least 1 (tail: Axtell 2001)."""
    floor = np.minimum(scale / (largest + 1.0), 1.0) ** exponent
    size = scale * (1.0 - np.asarray(u) * (1.0 - floor)) ** (-1.0 / exponent)
    return np.clip(np.floor(size), 1, largest).astype(np.int64)


def mean_of_sizes(scale: float, exponent: float, largest: int) -> float:
    """The mean of `sizes`: 1 + Σ P(size ≥ s) over s = 2 … largest."""
    s = np.arange(2, largest + 1, dtype=np.float64)
    floor = min(scale / (largest + 1.0), 1.0) ** exponent
    above = (np.minimum(scale / s, 1.0) ** exponent - floor) / max(1.0 - floor, 1e-12)
    return 1.0 + float(np.clip(above, 0.0, 1.0).sum())


def scale_for(mean: float, exponent: float, largest: int) -> float:
    """The scale with which the mean of `sizes` is `mean` (bisection; the nearest possible where none is)."""
    low, high = 1e-9, float(largest)
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if mean_of_sizes(middle, exponent, largest) < mean else (low, middle)
    return math.sqrt(low * high)


# --- firms ----------------------------------------------------------------------------------------------------------------------


def jobs_by_zone(sim: Any, people: int) -> Ints:
    """Jobs in each zone of the city of `people` residents: the map's, else a share of the employed residents, spread by dwellings.

    Where the map has another number of residents, it says where people and jobs are, and the scenario how many: jobs go with people.
    """
    zones, residents = sim.tables["zones"], sim.tables["residents"]
    jobs, living = (np.where(zones["outside"], 0, zones[name]).astype(np.int64) for name in ("jobs_existing", "residents_existing"))
    if jobs.any():
        mapped = int(living.sum()) or people
        return jobs if mapped == people else largest_remainder(jobs, round(int(jobs.sum()) * people / mapped))
    homes = np.where(zones["outside"], 0, zones["dwellings_existing"])
    employed = int((residents["status"] == EMPLOYED).sum()) * sim.weight
    if not homes.any():
        homes = np.bincount(residents["home"][residents["home"] >= 0], minlength=zones.n)
    return largest_remainder(homes, round(sim.world.economy.local_jobs_share * employed) if homes.any() else 0)


def jobs_by_sector(sim: Any, jobs: Ints) -> Ints:
    """Jobs by zone and sector (whole numbers): zones and sectors have exactly theirs; sectors sit more often where zoning allows them."""
    zones, sectors = sim.tables["zones"], sim.tables["sectors"]
    counts = np.zeros((zones.n, sectors.n), np.int64)
    total = largest_remainder(sectors["jobs_share"], int(jobs.sum()))
    rows, columns = np.flatnonzero(jobs), np.flatnonzero(total)
    if not len(rows):
        return counts
    fits = allows(zones["land_use"][rows][:, None], sectors["land_uses"][columns][None, :])
    weights = np.where(fits, 1.0, max(sim.world.economy.unzoned_weight, 1e-3)) * total[columns][None, :]
    table = ipf(weights, [jobs[rows].astype(np.float64), total[columns].astype(np.float64)], [(0,), (1,)], tol=1e-7)
    counts[np.ix_(rows, columns)] = integerise(table, jobs[rows], total[columns])
    return counts


def whole_city(sim: Any, people: int) -> dict[str, NDArray[Any]]:
    """All firms of the city of `people` residents (ids, site, sector, jobs, age in months).

    Sizes are drawn until a zone's jobs of a sector are used up; the last firm gets what is left.
    """
    zones, sectors, world = sim.tables["zones"], sim.tables["sectors"], sim.world.economy
    counts = jobs_by_sector(sim, jobs_by_zone(sim, people)).ravel()
    cell = np.repeat(np.arange(len(counts)), counts)  # at most one firm a job
    number = np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    site, sector = np.divmod(cell, sectors.n)
    ids = id_array(stream_word("firm"), zones.id[site], sectors.id[sector], number)
    jobs = sizes(sim.starting_uniform("firms.size", ids), sectors["size_scale"][sector], world.size_exponent, world.largest_firm)
    before = np.cumsum(jobs) - jobs
    first = np.flatnonzero(number == 0)
    before -= np.repeat(before[first], counts[counts > 0])
    left = counts[cell] - before
    there = left > 0
    years = -np.log1p(-sim.starting_uniform("firms.age", ids[there])) / max(world.exit_rate, 0.01)
    return {
        "id": ids[there], "site": site[there], "sector": sector[there], "jobs": np.minimum(jobs, left)[there],
        "age": np.clip(years * 12, 1, 600).astype(np.int64),
    }  # fmt: skip


def represent(sim: Any, ids: Ints, jobs: Ints) -> tuple[NDArray[np.bool_], Ints, Ints]:
    """(which firms of the city have a row, the row's jobs, how many firms it stands for) in a sample of one in `sim.weight`.

    A firm with at least `weight` jobs stands for itself, with its jobs over the weight in whole ones by a keyed draw; of the others
    one in `weight` is kept as it is. So a sample's jobs times its weight are near the city's, however skewed sizes are.
    """
    w = sim.weight
    if w == 1:
        return np.ones(len(ids), bool), jobs, np.ones(len(ids), np.int64)
    large = jobs >= w
    rows = np.floor(jobs / w + uniform_array(stream_key(sim.seed, 0, "sample.firms", -1), ids)).astype(np.int64)
    return large | sim.in_sample(ids), np.where(large, rows, jobs), np.where(large, 1, w)


def wage_levels(sim: Any, ids: Ints, sector: Ints) -> Floats:
    """Wage levels of firms: the sector's, dispersed lognormally with mean 1."""
    spread = sim.world.economy.wage_dispersion
    return np.asarray(sim.tables["sectors"]["wage_level"][sector] * np.exp(spread * _normal(sim, "firms.wage", ids) - spread * spread / 2))


def demand_at_start(sim: Any, ids: Ints) -> Floats:
    """Demand of firms that begin, from the law that `rules.meet_demand` keeps."""
    spread = sim.world.economy.demand_spread
    return np.asarray(np.exp(spread * _normal(sim, "firms.demand", ids) - spread * spread / 2))


def _normal(sim: Any, stream: str, ids: Ints) -> Floats:
    """Standard normal numbers by id (Box and Muller)."""
    u, u2 = sim.starting_uniform(stream, ids, 0), sim.starting_uniform(stream, ids, 1)
    return np.asarray(np.sqrt(-2.0 * np.log1p(-u)) * np.sin(2.0 * np.pi * u2))


def plan_entries(sim: Any, whole: dict[str, NDArray[Any]]) -> None:
    """Set how many firms open in each sector, and how large, so that they make up for those that close among the firms of the start.

    Closing firms take their jobs along; besides, firms with one job vanish when they shrink, while others grow as much.
    """
    sectors, world = sim.tables["sectors"], sim.world.economy
    jobs = whole["jobs"].astype(np.float64)
    hazard = world.exit_rate * (1.0 + (world.young_exit_factor - 1.0) * np.exp(-whole["age"] / 30.0)) * jobs**-world.exit_size_effect
    closing, lost = (np.bincount(whole["sector"], weights=w, minlength=sectors.n) for w in (hazard, hazard * jobs))
    shrinks = 12 * sim.rule_params["plan_jobs"]["adjustment"] * world.demand_spread / math.sqrt(2 * math.pi)  # E max(0, −x), x normal
    closing = closing + np.bincount(whole["sector"], weights=jobs == 1, minlength=sectors.n) * shrinks
    sectors["entry_rate"][:] = closing / np.maximum(np.bincount(whole["sector"], minlength=sectors.n), 1)
    mean = np.where(closing > 0, lost / np.maximum(closing, 1e-9), sectors["mean_size"])
    sectors["entrant_scale"][:] = [scale_for(float(one), world.size_exponent, world.entrants_largest) for one in mean]


# --- filling the tables ---------------------------------------------------------------------------------------------------------


def fill_economy(sim: Any, city: Any) -> None:
    """Put sectors and firms into their tables, give residents their work, and set what sectors earn and spend.

    Raises InputError where the file of sectors is wrong.
    """
    names, columns = read_sectors(city.scenario.city.sectors)
    sim.names["sectors"] = names
    sectors, world = sim.tables["sectors"], sim.world.economy
    sectors.insert(np.array([sim.key_word(name) for name in names], np.int64), columns)
    sectors["size_scale"][:] = [scale_for(float(mean), world.size_exponent, world.largest_firm) for mean in sectors["mean_size"]]
    _fill_firms(sim, city.scenario.city.residents)
    place_people(sim)
    sim.state["economy"]["outside_vacancies"] = vacancies_outside(sim)
    begin_wages(sim)
    balance_sectors(sim)
    start_books(sim)
    count_jobs(sim)
    row = {text: number for number, text in enumerate(city.zones.zone)}
    sim.state["economy"]["projects"] = [
        (project, row[project.zone], names.index(project.sector)) for project in city.scenario.records["projects"]
    ]


def _fill_firms(sim: Any, people: int) -> None:
    """Insert the firms; wage levels have the mean 1 over the city's jobs; floor space stands for all of them."""
    firms, sectors, zones, state = sim.tables["firms"], sim.tables["sectors"], sim.tables["zones"], sim.state["economy"]
    whole = whole_city(sim, people)
    ids, site, sector, jobs = whole["id"], whole["site"], whole["sector"], whole["jobs"]
    level = wage_levels(sim, ids, sector)
    mean = float((level * jobs).sum() / max(jobs.sum(), 1)) or 1.0
    sectors["wage_level"][:] /= mean
    each = sectors["floor_m2_per_job"][sector]
    keep, rows, stands_for = represent(sim, ids, jobs)
    floor = np.maximum(np.rint(rows * each), 1).astype(np.int64)
    occupied = np.bincount(site, weights=np.maximum(np.rint(jobs * each), 1), minlength=zones.n).astype(np.int64)
    kept = np.bincount(site[keep], weights=floor[keep], minlength=zones.n).astype(np.int64)
    # A sample begins with the floor space of all firms, as it does with the homes of all households.
    state["beyond_m2"] = occupied - kept * sim.weight
    zones["workspace_m2"][:] = np.maximum(zones["workspace_m2"], occupied)
    plan_entries(sim, whole)
    firms.insert(ids[keep], {
        "sector": sector[keep], "site": site[keep], "jobs": rows[keep], "wanted_jobs": rows[keep], "floor_m2": floor[keep],
        "wage_level": (level / mean)[keep], "stands_for": stands_for[keep], "demand": demand_at_start(sim, ids[keep]),
        "age_months": whole["age"][keep],
    })  # fmt: skip


# --- who works where ------------------------------------------------------------------------------------------------------------


def place_people(sim: Any) -> None:
    """Give each employed resident a position in the city or work outside: exact numbers between zones, by keyed ranks.

    How many of a zone work where follows from distance, positions and places outside (a gravity table fitted to all of them). Within a
    zone, people with a degree get the positions that ask for one as far as both go. Some of the other positions are open, the rest are held
    by people from outside.
    """
    residents, firms, zones, world = sim.tables["residents"], sim.tables["firms"], sim.tables["zones"], sim.world.economy
    people = np.flatnonzero((residents["status"] == EMPLOYED) & (residents["home"] >= 0))
    work = _places(sim, residents["home"][people], residents.id[people])
    residents["work"][people] = work
    idle = people[work < 0]
    residents["status"][idle], residents["employed"][idle] = UNEMPLOYED, False
    searched = (residents["status"] == EMPLOYED) | (residents["status"] == UNEMPLOYED)
    residents["seeks"][searched] = residents["home"][searched]
    local = (work >= 0) & ~zones["outside"][work]
    _deal_positions(sim, people[local], work[local])
    firms["staff"][:] = np.bincount(residents["employer"][residents["employer"] >= 0], minlength=firms.n)
    firms["commuters_from"][:] = outside_zone(sim, firms.id, firms["site"])
    left = (firms["jobs"] - firms["staff"]).astype(np.int64)
    open_now = _some(sim, left, round(world.vacant_share * int(firms["jobs"].sum(dtype=np.int64))))
    firms["commuters"][:] = np.where(firms["commuters_from"] >= 0, left - open_now, 0)


def _some(sim: Any, left: Ints, number: int) -> Ints:
    """How many of the positions left at each firm are open: so many in all, by keyed ranks."""
    firms = sim.tables["firms"]
    firm = np.repeat(np.arange(firms.n), left)
    place = np.arange(len(firm)) - np.repeat(np.cumsum(left) - left, left)
    order = np.argsort(_words(sim, "jobs.open", id_array(firms.id[firm], place)))
    return np.bincount(firm[order[:number]], minlength=firms.n)


def _places(sim: Any, home: NDArray[Any], ids: Ints) -> Ints:
    """The zone of work of employed people with these homes and ids; −1 where there is work for some of them only."""
    zones, firms, world = sim.tables["zones"], sim.tables["firms"], sim.world.economy
    jobs = np.bincount(firms["site"], weights=firms["jobs"], minlength=zones.n).astype(np.int64)
    outside, lives = np.flatnonzero(zones["outside"]), np.bincount(home, minlength=zones.n)
    held = world.vacant_share + (world.commuters_in_share * (1 - world.vacant_share) if len(outside) else 0.0)
    local = min(round((1 - held) * int(jobs.sum())), len(home))
    supply, homes, left = largest_remainder(jobs, local), np.flatnonzero(lives), len(home) - local
    near = np.exp(-world.commute_decay_per_km * distances_km(sim, homes, np.arange(zones.n)))
    if len(outside):
        supply += largest_remainder(outside_shares(sim) * (near * lives[homes][:, None]).sum(axis=0), left)
        left = 0
    place = np.append(np.flatnonzero(supply), [-1] if left else []).astype(np.int64)
    count = np.append(supply[supply > 0], [left] if left else []).astype(np.int64)
    if not len(home):
        return np.empty(0, np.int64)
    weights = np.where(place >= 0, near[:, place], 1.0)
    table = ipf(np.maximum(weights, 1e-12), [lives[homes].astype(np.float64), count.astype(np.float64)], [(0,), (1,)], tol=1e-7)
    number = np.searchsorted(homes, home)
    return place[deal(number, sim.starting_uniform("jobs.place", ids), integerise(table, lives[homes], count))]


def _deal_positions(sim: Any, people: NDArray[Any], work: Ints) -> None:
    """Deal the positions of each zone to the people who work there; those that are left are for people from outside."""
    residents, firms, sectors = sim.tables["residents"], sim.tables["firms"], sim.tables["sectors"]
    jobs = firms["jobs"].astype(np.int64)
    firm = np.repeat(np.arange(firms.n), jobs)
    number = np.arange(len(firm)) - np.repeat(np.cumsum(jobs) - jobs, jobs)
    asks = np.floor(jobs * sectors["degree_share"][firms["sector"]] + sim.starting_uniform("jobs.degree", firms.id))
    basic = (number >= asks[firm]).astype(np.int64)
    at = firms["site"][firm].astype(np.int64)
    order = order_within(at, _words(sim, "jobs.position", id_array(firms.id[firm], number)))
    rank = np.arange(len(order)) - np.searchsorted(at[order], at[order])
    taken = order[rank < np.bincount(work, minlength=sim.tables["zones"].n)[at[order]]]
    # A zone's positions and its people, both with degrees first and in a keyed order.
    taken = taken[order_within(at[taken] * 2 + basic[taken], _words(sim, "jobs.position", id_array(firms.id[firm[taken]], number[taken])))]
    schooled = (residents["education"][people] < HIGHER).astype(np.int64)
    residents["employer"][people[order_within(work * 2 + schooled, _words(sim, "jobs.person", residents.id[people]))]] = firm[taken]


def _words(sim: Any, stream: str, ids: Ints) -> NDArray[np.uint64]:
    """Keyed words that depend on what the run starts with."""
    return hash_array(stream_key(sim.seed, sim.population, stream, -1), ids)
