"""Building sites that begin and end, vacancies and rents, who owns, who moves within the city, and the books of homes and floor space.

Rows of `works` come and go, and zones get their new homes and workspace, only when a day opens. What is done stays in the table until the
next month begins, so that whoever built it finds it there.
"""

from __future__ import annotations

from calendar import monthrange
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.homes import offers, vacancies
from alatau_sim.domains.land.process import PAST, build, building_days, crews_wanted, go_on, open_pools
from alatau_sim.domains.land.tables import BUILDING, DONE, HOMES, PERMIT, WORKSPACE, capacity
from alatau_sim.engine.clock import date_of, day_number
from alatau_sim.engine.randomness import id_array, stream_word
from alatau_sim.engine.ranking import served
from alatau_sim.engine.rule import settlement
from alatau_sim.engine.source import draw_number
from alatau_sim.errors import RunError

Ints = NDArray[np.int64]
DWELLINGS, SPACE, MONEY = "dwellings", "m2 of workspace", "tenge"
COMMODITIES = (DWELLINGS, SPACE)
SIZES = ("dwellings", "floor_m2")


def clear_month(sim: Any) -> None:
    """Set the month's sums to zero: completed homes and workspace by zone, moves, rents, what the programme had no room for."""
    n = sim.tables["zones"].n
    sim.state["land"]["month"] = {
        "completed": np.zeros((2, n), np.int64), "moved": 0, "rent_kzt": 0, "rent_unpaid_kzt": 0, "cut_dwellings": 0,
    }  # fmt: skip


# --- sites ----------------------------------------------------------------------------------------------------------------------


def unfinished(sim: Any) -> NDArray[np.bool_]:
    """Which sites have not been handed over."""
    return np.asarray(sim.tables["works"]["done_day"] < 0)


def in_works(sim: Any) -> tuple[Ints, Ints]:
    """(dwellings, m2 of workspace) by zone that have been announced and not been handed over."""
    works, n = sim.tables["works"], sim.tables["zones"].n
    found = []
    for use, size in enumerate(SIZES):
        rows = np.flatnonzero(unfinished(sim) & (works["use"] == use))
        sums = np.zeros(n, np.int64)
        np.add.at(sums, works["zone"][rows], works[size][rows])
        found.append(sums)
    return found[HOMES], found[WORKSPACE]


def room(sim: Any) -> tuple[Ints, Ints]:
    """(dwellings, m2 of workspace) by zone that zoning still allows beyond what stands and is being built; what exists stays."""
    zones = sim.tables["zones"]
    homes, space = capacity(zones, sim.policy.land)
    homes_coming, space_coming = in_works(sim)
    stands = zones["dwellings_existing"] + zones["dwellings_built"]
    return np.maximum(homes - stands - homes_coming, 0), np.maximum(space - zones["workspace_m2"] - space_coming, 0)


def insert_sites(sim: Any, key: int | Ints, zone: int, use: int, dwellings: int, floor_m2: int, day: int, name: str) -> None:
    """Add the building sites of one undertaking: as many as it needs at `policy.land.site_m2` each, with whole sizes that add up."""
    units = dwellings if use == HOMES else floor_m2
    if not units:
        return
    per_site = max(1, int(sim.policy.land.site_m2 * units // max(floor_m2, 1)))
    number = np.arange(-(-units // per_site), dtype=np.int64)
    reached = np.minimum((number + 1) * per_site, units)
    floor = [floor_m2 * int(end) // units for end in reached]
    ids = id_array(stream_word("site"), key, number)
    sim.tables["works"].insert(ids, {
        "zone": zone, "use": use, "dwellings": np.diff(reached, prepend=0) if use == HOMES else 0,
        "floor_m2": np.diff(np.array(floor, np.int64), prepend=0), "announced_day": day,
    })  # fmt: skip
    sim.state["land"]["names"].update(dict.fromkeys(ids.tolist(), name))


def remove_sites(sim: Any, rows: Ints) -> None:
    """Take sites out of the table, and their names."""
    for site in sim.tables["works"].id[rows].tolist():
        sim.state["land"]["names"].pop(site, None)
    sim.tables["works"].remove(rows)


@settlement(phase="events", every="1 month", reads=("works.done_day",), writes=("works",))
def begin_land_month(sim: Any) -> None:
    """Begin the month's sums, and take out of the table what was done before."""
    clear_month(sim)
    remove_sites(sim, np.flatnonzero(sim.tables["works"]["done_day"] >= 0))


@settlement(
    phase="events", reads=("works.zone", "works.use", "works.dwellings", "works.floor_m2", "works.stage"),
    writes=(
        "works.done_day", "zones.dwellings_built", "zones.workspace_m2", "zones.workspace_free_m2", "account:works", "account:zones",
    ),
)  # fmt: skip
def hand_over(sim: Any) -> None:
    """Give the zones the homes and the workspace of the sites that were finished since the day before opened."""
    works, zones = sim.tables["works"], sim.tables["zones"]
    done = np.flatnonzero((works["stage"] == DONE) & (works["done_day"] < 0))
    if not len(done):
        return
    works["done_day"][done] = sim.clock.day
    for use, size in enumerate(SIZES):
        rows = done[works["use"][done] == use]
        added = np.zeros(zones.n, np.int64)
        np.add.at(added, works["zone"][rows], works[size][rows])
        for column in ("dwellings_built",) if use == HOMES else ("workspace_m2", "workspace_free_m2"):
            zones[column][:] += added
        sim.state["land"]["month"]["completed"][use] += added
        sim.ledger.book(COMMODITIES[use], "works", "zones", int(added.sum()))


@settlement(
    phase="events", reads=("zones.starts_dwellings", "zones.starts_workspace_m2"),
    writes=("works", "zones.starts_dwellings", "zones.starts_workspace_m2"),
)  # fmt: skip
def announce(sim: Any) -> None:
    """Announce what the programme has for today, as far as zoning has room, and what developers decided the day before."""
    announce_programme(sim)
    zones = sim.tables["zones"]
    for use, column in enumerate(("starts_dwellings", "starts_workspace_m2")):
        for zone in np.flatnonzero(zones[column]).tolist():
            announce_market(sim, zone, use, int(zones[column][zone]), sim.clock.month_index, sim.clock.day)
        zones[column][:] = 0


def announce_market(sim: Any, zone: int, use: int, size: int, month: int, day: int) -> None:
    """Add the sites that developers start in a zone in a month (counted from the year 0), as far as zoning still has room."""
    key = int(id_array(stream_word("market"), sim.tables["zones"].id[[zone]], month, use)[0])
    size = min(size, int(room(sim)[use][zone]))
    dwellings, floor = (size, round(size * sim.policy.land.m2_per_dwelling)) if use == HOMES else (0, size)
    insert_sites(sim, key, zone, use, dwellings, floor, day, "market")


def announce_programme(sim: Any) -> None:
    """Announce the entries of the programme whose day has come; what zoning has no room for by then is left out and counted."""
    plan, policy = sim.state["land"]["plan"], sim.policy.land
    days, sizes = plan.days(policy), [plan.sizes(use, policy) for use in (HOMES, WORKSPACE)]
    due = np.flatnonzero(~plan.announced & (days <= sim.clock.day))
    for number in due[np.argsort(plan.day[due], kind="stable")].tolist():
        plan.announced[number] = True
        zone, use = int(plan.zone[number]), int(plan.use[number])
        wanted = int(sizes[use][number])
        fits = min(wanted, int(room(sim)[use][zone]))
        if use == HOMES:
            sim.state["land"]["month"]["cut_dwellings"] += wanted - fits
        size = int((plan.dwellings, plan.floor_m2)[use][number])
        floor = int(plan.floor_m2[number]) * fits // size if size else 0
        insert_sites(sim, int(plan.key[number]), zone, use, fits if use == HOMES else 0, floor, int(days[number]), plan.name[number])


@settlement(
    phase="refresh", reads=("works",),
    writes=(
        "works.begun", "works.stage", "works.stage_day", "works.until_s", "works.crews", "works.waited_days", "account:announced",
        "account:works",
    ),
)  # fmt: skip
def begin_sites(sim: Any) -> None:
    """Take the sites that are new into the books and let them run, whoever announced them; those of before the run have gone on."""
    works, first = sim.tables["works"], sim.clock.first
    new = np.flatnonzero(~works["begun"])
    if len(new):
        new = new[np.lexsort((works.id[new], sim.uniform("site_order", works.id[new], day=-1), works["announced_day"][new]))]
    works["begun"][new] = True
    works["stage_day"][new] = sim.clock.day
    for use, size in enumerate(SIZES):
        sim.ledger.book(COMMODITIES[use], "announced", "works", int(works[size][new[works["use"][new] == use]].sum()))
    for row in new.tolist():
        if works["announced_day"][row] < first:
            go_on(sim, row, first - int(works["announced_day"][row]))
        sim.env.process(build(sim, int(works.id[row])))
    for name in ("permits", "crews"):
        sim.resources[name].serve()  # a lever may have changed


@settlement(
    phase="refresh",
    reads=(
        "works.zone", "works.use", "works.dwellings", "works.floor_m2", "works.done_day", "zones.land_use", "zones.floor_area_ratio",
        "zones.coverage", "zones.area_m2", "zones.dwellings_planned", "zones.dwellings_built", "zones.workspace_m2",
    ),
    writes=tuple(f"zones.{name}" for name in (
        "room_dwellings", "room_workspace_m2", "dwellings_in_works", "workspace_in_works_m2", "reserved_dwellings", "reserved_workspace_m2",
    )),
)  # fmt: skip
def measure_room(sim: Any) -> None:
    """Write what zoning still allows, what is being built, and what the programme has not announced yet."""
    zones, plan = sim.tables["zones"], sim.state["land"]["plan"]
    zones["room_dwellings"][:], zones["room_workspace_m2"][:] = room(sim)
    zones["dwellings_in_works"][:], zones["workspace_in_works_m2"][:] = in_works(sim)
    for use, column in ((HOMES, "reserved_dwellings"), (WORKSPACE, "reserved_workspace_m2")):
        zones[column][:] = 0
        later = np.flatnonzero(~plan.announced & (plan.use == use))
        np.add.at(zones[column], plan.zone[later], plan.sizes(use, sim.policy.land)[later])


# --- homes ----------------------------------------------------------------------------------------------------------------------


@settlement(
    phase="events", every="1 month", reads=("households.home", "zones.dwellings_existing", "zones.dwellings_built", "zones.outside"),
    writes=("zones.vacant_dwellings", "zones.vacancy_share"),
)
def count_vacancies(sim: Any) -> None:
    """Write the dwellings that each zone offers, and its vacant ones as a share; zones outside have none."""
    zones, vacant = sim.tables["zones"], vacancies(sim)
    zones["vacant_dwellings"][:] = offers(sim) * sim.weight
    zones["vacancy_share"][:] = vacant / np.maximum(zones["dwellings_existing"] + zones["dwellings_built"], 1)


@settlement(
    phase="life", every="1 month", reads=("households.moves", "households.wanted", "zones.dwellings_existing", "zones.dwellings_built"),
    writes=("households.home",),
)
def relocate(sim: Any) -> None:
    """Give vacant homes to the households of the city that want to move there, ranked by keyed draw; their old homes become vacant."""
    households = sim.tables["households"]
    movers = np.flatnonzero(households["moves"] & (households["wanted"] >= 0) & (households["wanted"] != households["home"]))
    wanted, ids = households["wanted"][movers].astype(np.int64), households.id[movers]
    got = served(wanted, ids, sim.uniform("move_rank", ids), offers(sim))
    households["home"][movers[got]] = wanted[got]
    sim.state["land"]["month"]["moved"] += int(got.sum())


def draw_tenure(sim: Any, rows: NDArray[Any], owner_share: float) -> None:
    """Draw who of some households owns the home: keyed by the household alone, as the population is and not by luck."""
    households = sim.tables["households"]
    households["owner"][rows] = sim.starting_uniform("owner", households.id[rows]) < owner_share
    households["tenure_known"][rows] = True


@settlement(
    phase="refresh", every="1 month", reads=("households.tenure_known", "households.home", "zones.home_rent_kzt"),
    writes=("households.owner", "households.tenure_known", "households.rent_kzt"),
)
def settle_in(sim: Any) -> None:
    """Let the households that have come buy or rent, and tell those who rent the month's rent."""
    new = np.flatnonzero(~sim.tables["households"]["tenure_known"])
    draw_tenure(sim, new, sim.world.land.arrival_owner_share)
    set_rents(sim)


def set_rents(sim: Any) -> None:
    """Write the rent of each household: its zone's asking rent, or 0 for those who own their home."""
    households = sim.tables["households"]
    rent = np.rint(sim.tables["zones"]["home_rent_kzt"] * sim.world.land.rented_size_ratio).astype(np.int64)
    households["rent_kzt"][:] = np.where(households["owner"] | (households["home"] < 0), 0, rent[households["home"]])


@settlement(
    phase="account", every="1 month", reads=("households.rent_kzt", "residents.household", "residents.spend_today_kzt"),
    writes=("+households.balance_kzt", "account:households", "account:landlords"),
)
def pay_rent(sim: Any) -> None:
    """Renters pay the month's rent, as far as they have it: twice what today's purchases cost stays for these and for fares.

    Of a month that the run has in part, they pay that part.
    """
    households, people, month = sim.tables["households"], sim.tables["residents"], sim.state["land"]["month"]
    renters = np.flatnonzero(households["rent_kzt"])
    days, date = int(sim.month_days.sum()) + 1, sim.clock.date  # those closed before, and today
    due = np.rint(households["rent_kzt"][renters] * (days / monthrange(date.year, date.month)[1])).astype(np.int64)
    spent = np.bincount(people["household"], weights=people["spend_today_kzt"], minlength=households.n)[renters].astype(np.int64)
    paid = np.minimum(due, np.maximum(households["balance_kzt"][renters] - 2 * spent, 0))
    households["balance_kzt"][renters] -= paid
    sim.ledger.book(MONEY, "households", "landlords", int(paid.sum()))
    month["rent_kzt"] += int(paid.sum())
    month["rent_unpaid_kzt"] += int((due - paid).sum())


# --- the books ------------------------------------------------------------------------------------------------------------------


@settlement(phase="check", reads=("works", "zones.dwellings_built", "zones.workspace_m2"))
def check_land(sim: Any) -> None:
    """Stop the run where a home, floor space, a permit or a crew is lost; what zones have, the ledger compares by itself."""
    works = sim.tables["works"]
    for use, size in enumerate(SIZES):
        held = int(works[size][unfinished(sim) & works["begun"] & (works["use"] == use)].sum())
        booked = sim.ledger.balance(COMMODITIES[use], "works")
        if held != booked:
            raise RunError(f"land on {sim.clock.date}: {held} {COMMODITIES[use]} in works, {booked} in the books")
    out = (int((works["stage"] == PERMIT).sum()), int(works["crews"][works["stage"] == BUILDING].sum()))
    lent = (sim.resources["permits"].count, sim.resources["crews"].count)
    if out != lent:
        raise RunError(f"land on {sim.clock.date}: sites have {out[0]} permits and {out[1]} crews; {lent[0]} and {lent[1]} are lent out")


def begin_land(sim: Any) -> None:
    """Open the books, draw who owns, and let the sites be there that developers announced before the run."""
    clear_month(sim)
    open_pools(sim)
    count_vacancies.fn(sim)
    draw_tenure(sim, np.arange(sim.tables["households"].n), sim.world.land.owner_share)
    set_rents(sim)
    sim.ledger.watch(DWELLINGS, "zones", "zones", "dwellings_built")
    sim.ledger.watch(SPACE, "zones", "zones", "workspace_m2")
    announce_before(sim)


def announce_before(sim: Any) -> None:
    """Add the homes that developers announced in the months before the run and that are not finished yet, by the rule of today.

    They depend on the seed, the world and the state of the first day, and on no lever. Those that would be finished are among the homes
    that stand.
    """
    works, first = sim.tables["works"], sim.clock.first
    longest = PAST.permit_days + sim.world.land.site_days
    months = [date for date in (date_of(first - back) for back in range(longest + 31, 0, -1)) if date.day == 1]
    for date in months:
        measure_room.fn(sim)
        month = date.year * 12 + date.month - 1
        starts = market_starts(sim, month)
        for zone in np.flatnonzero(starts).tolist():
            announce_market(sim, zone, HOMES, int(starts[zone]), month, day_number(date))
        needed = [PAST.permit_days + building_days(sim, row, crews_wanted(sim, row)) for row in range(works.n)]
        remove_sites(sim, np.flatnonzero(first - works["announced_day"] >= np.array(needed, np.int64)))


def market_starts(sim: Any, month: int) -> Ints:
    """Dwellings that the rule `start_building` has developers start in each zone in a month (counted from the year 0) before the run."""
    from alatau_sim.engine.runner import value_in_row  # here and not above: reading declarations must not load the compiler

    zones, runner = sim.tables["zones"], next(item.runner for item in sim.plan if item.name == "start_building")
    rule, params = runner.rule, sim.rule_params["start_building"]
    draws = {name: sim.starting_uniform("market_before", zones.id, month * 10 + draw_number(name)) for name in rule.draws}
    starts = np.zeros(zones.n, np.int64)
    for zone in range(zones.n):
        given = {name: value_in_row(sim, zones, runner.sources[name], zone) for name in rule.inputs}
        given |= {"policy_market_starts_factor": PAST.market_starts_factor} if "policy_market_starts_factor" in given else {}
        given |= {name: float(values[zone]) for name, values in draws.items()}
        starts[zone] = rule.fn(**given, **params)[HOMES]
    return starts


SETTLEMENTS = (
    begin_land_month, hand_over, announce, count_vacancies, relocate, begin_sites, measure_room, settle_in, pay_rent, check_land,
)  # fmt: skip
