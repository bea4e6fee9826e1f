"""Births, burials, moves: people are added and removed when a month opens, by keyed draws, and each is booked in the ledger of people.

A household that comes has a place in a fixed list of its month (month and number), so that inviting more people admits the same ones and
more. Where more want homes in a zone than there are, a keyed draw ranks them; those left over do not come. Where they want to live is
written into `seekers.wanted` by whoever knows homes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.homes import offers
from alatau_sim.domains.people.tables import CHILD, EMPLOYED, MALE, OLDEST, UNEMPLOYED, digital_skill
from alatau_sim.engine.randomness import id_array, stream_word
from alatau_sim.engine.ranking import served
from alatau_sim.engine.rule import settlement
from alatau_sim.errors import RunError

Ints = NDArray[np.int64]
PEOPLE, MONEY = "people", "tenge"
MOVED_MONEY = ("account:households", "account:rest_of_world")
FLOWS = ("births", "deaths", "arrivals", "departures")
ADULT_AGE = 18


def clear_month(sim: Any) -> None:
    """Set the month's counts of people by zone, and of those turned away, to zero."""
    state = sim.state["people"]
    state["flows"] = {name: np.zeros(sim.tables["zones"].n, np.int64) for name in FLOWS}
    state["turned_away"] = 0


def _count(sim: Any, flow: str, zone: NDArray[Any]) -> None:
    """Add one person at each of some zones to a flow of the month, and book them between the city and where they come from or go."""
    sim.state["people"]["flows"][flow] += np.bincount(zone[zone >= 0], minlength=sim.tables["zones"].n)
    source, target = {"births": ("births", "city"), "deaths": ("city", "deaths")}.get(
        flow, ("rest_of_world", "city") if flow == "arrivals" else ("city", "rest_of_world")
    )
    sim.ledger.book(PEOPLE, source, target, len(zone))


def _zone_of(sim: Any, rows: NDArray[Any]) -> NDArray[np.int32]:
    """Home zones of some residents, through their households (the mirror follows later in the day)."""
    return np.asarray(sim.tables["households"]["home"][sim.tables["residents"]["household"][rows]])


@settlement(phase="events", writes=("city:month_index", "city:day_off", "city:departure_rate"))
def read_calendar(sim: Any) -> None:
    """Tell the rules the month, and whether it is a day off."""
    sim.city["month_index"] = float(sim.clock.month_index)
    sim.city["day_off"] = float(sim.clock.kind_of_day)
    sim.city["departure_rate"] = sim.state["people"]["departure_rate"]


@settlement(phase="events", every="1 month")
def begin_people_month(sim: Any) -> None:
    """Begin the month's counts of births, deaths and moves."""
    clear_month(sim)


@settlement(phase="life", every="1 month", reads=("residents.gives_birth",), writes=("residents", "account:births", "account:city"))
def bear(sim: Any) -> None:
    """Add the month's newborn to their mothers' households; a child's id follows from its mother and its birth order."""
    residents = sim.tables["residents"]
    mothers = np.flatnonzero(residents["gives_birth"])
    if not len(mothers):
        return
    residents["children_born"][mothers] += 1
    ids = id_array(stream_word("birth"), residents.id[mothers], residents["children_born"][mothers].astype(np.int64))
    boy_share = sim.state["people"]["boys_per_girl"] / (1 + sim.state["people"]["boys_per_girl"])
    wages, skill_rank = sim.state["people"]["wages"], sim.uniform("skill_rank", ids, day=-1).astype(np.float32)
    _count(sim, "births", _zone_of(sim, mothers))
    residents.insert(ids, {
        "household": residents["household"][mothers].copy(), "birth_month": sim.clock.month_index, "agegroup": 0, "status": CHILD,
        "sex": np.where(sim.uniform("sex_at_birth", ids, day=-1) < boy_share, MALE, 1 - MALE),
        "wage_kzt": wages.draw(sim.uniform("wage", ids, day=-1), np.zeros(len(ids), np.int64)),
        "skill_rank": skill_rank, "digital_skill": digital_skill(np.zeros(len(ids)), np.zeros(len(ids)), skill_rank),
    })  # fmt: skip


@settlement(
    phase="life", every="1 month", reads=("residents.dies",),
    writes=("residents", "households", "account:city", "account:deaths", *MOVED_MONEY),
)  # fmt: skip
def bury(sim: Any) -> None:
    """Remove the month's dead, and households without people; children left alone join another household of their zone."""
    residents = sim.tables["residents"]
    dead = np.flatnonzero(residents["dies"])
    if len(dead):
        _count(sim, "deaths", _zone_of(sim, dead))
        residents.remove(dead)
    _adopt(sim)
    dissolve(sim, np.flatnonzero(np.bincount(residents["household"], minlength=sim.tables["households"].n) == 0))


def _adopt(sim: Any) -> None:
    """Let children without an adult join a household of their zone, else of any, with the money of theirs.

    Each pair of the two households has a keyed draw, and the lowest counts: one more household changes only who joins it.
    """
    residents, households = sim.tables["residents"], sim.tables["households"]
    members = np.bincount(residents["household"], minlength=households.n)
    adults = np.bincount(residents["household"][residents["age"] >= ADULT_AGE], minlength=households.n)
    orphaned = np.flatnonzero((members > 0) & (adults == 0))
    if not len(orphaned) or not adults.any():
        return
    hosts = np.flatnonzero(adults > 0)
    for home in orphaned.tolist():
        near = hosts[households["home"][hosts] == households["home"][home]]
        choices = near if len(near) else hosts
        pairs = id_array(int(households.id[home]), households.id[choices])
        host = choices[sim.uniform("adoption", pairs).argmin()]
        residents["household"][residents["household"] == home] = host
        households["balance_kzt"][host] += households["balance_kzt"][home]
        households["balance_kzt"][home] = 0


def dissolve(sim: Any, rows: NDArray[Any]) -> None:
    """Remove households; their money goes with them (a debt is written off)."""
    households = sim.tables["households"]
    balance = households["balance_kzt"][rows]
    sim.ledger.book(MONEY, "households", "rest_of_world", int(balance[balance > 0].sum()))
    sim.ledger.book(MONEY, "rest_of_world", "households", -int(balance[balance < 0].sum()))
    households.remove(rows)


@settlement(
    phase="life", every="1 month", reads=("households.leaves",), writes=("residents", "households", "account:city", *MOVED_MONEY)
)
def depart(sim: Any) -> None:
    """Let the households that move away leave the city with all their people."""
    households, residents = sim.tables["households"], sim.tables["residents"]
    if not households["leaves"].any():
        return
    going = np.flatnonzero(households["leaves"][residents["household"]])
    _count(sim, "departures", _zone_of(sim, going))
    leaving = np.flatnonzero(households["leaves"])
    residents.remove(going)
    dissolve(sim, leaving)


@settlement(
    phase="life", every="1 month", reads=("seekers.wanted", "zones.dwellings_existing", "zones.dwellings_built"),
    writes=("residents", "households", "seekers", "account:city", *MOVED_MONEY),
)
def arrive(sim: Any) -> None:
    """Give the vacant homes to those who want them, ranked by keyed draw; the others do not come. Then the next month's come forward."""
    seekers = sim.tables["seekers"]
    wanted = seekers["wanted"].astype(np.int64)
    settled = np.flatnonzero(served(wanted, seekers.id, sim.uniform("home_rank", seekers.id), offers(sim)))
    state = sim.state["people"]
    state["turned_away"] += int(seekers["size"].sum()) - int(seekers["size"][settled].sum())
    settled = settled[np.argsort(seekers.id[settled])]
    welcome(sim, seekers.id[settled].copy(), seekers["template"][settled].copy(), wanted[settled])
    seekers.remove(np.arange(seekers.n))
    call_seekers(sim, sim.clock.month_index + 1)


def call_seekers(sim: Any, month: int) -> None:
    """Put the households that want to come in a month (counted from the year 0) into the table of seekers: the first ones of its list."""
    state = sim.state["people"]
    templates = state["templates"]
    people = state["arrivals_per_year"] / 12 * sim.policy.people.invitation_factor * sim.world.people.arrival_factor
    expected = people / templates.mean_size if templates.count else 0.0
    number = int(expected + sim.uniform_of("arrivals", month, "people"))
    ids = id_array(stream_word("arrival"), month, np.arange(number, dtype=np.int64))
    if sim.weight > 1:
        ids = ids[sim.in_sample(ids)]
    template = (sim.uniform("template", ids, day=-1) * templates.count).astype(np.int64)
    sim.tables["seekers"].insert(ids, {"template": template, "size": templates.size[template] if len(ids) else 0, "wanted": -1})


def welcome(sim: Any, ids: Ints, template: NDArray[Any], zone: Ints) -> None:
    """Add households that come, with people like those of their templates and wages of their own, and the money they bring.

    Those of them who worked look for work here.
    """
    if not len(ids):
        return
    households, residents, state = sim.tables["households"], sim.tables["residents"], sim.state["people"]
    like, of = state["templates"].members(template)
    rows = households.insert(ids, {"home": zone})
    place = np.arange(len(of)) - np.searchsorted(of, of, side="left")
    people = id_array(stream_word("arrival"), ids[of], place)
    values: Mapping[str, NDArray[Any]] = state["templates"].columns
    columns: dict[str, Any] = {name: column[like] for name, column in values.items() if name != "age_months"}
    months = values["age_months"][like]
    columns["wage_kzt"] = state["wages"].draw(sim.uniform("wage", people, day=-1), columns["education"])
    # What they have lived on; it decides what they own, and is what they bring. From tomorrow on they have what they earn here.
    columns["income_kzt"] = np.where(columns["employed"], columns["wage_kzt"], columns["income_kzt"])
    columns["status"] = np.where(columns["status"] == EMPLOYED, UNEMPLOYED, columns["status"])
    columns["employed"] = np.zeros(len(like), bool)
    residents.insert(people, {
        **columns, "household": rows[of], "home": zone[of], "birth_month": sim.clock.month_index - months, "age": months // 12,
        "agegroup": np.minimum(months // 12, OLDEST),
    })  # fmt: skip
    _count(sim, "arrivals", zone[of])
    income = np.bincount(of, weights=columns["income_kzt"], minlength=len(ids))
    money = np.rint(income * sim.world.people.savings_months).astype(np.int64)
    households["balance_kzt"][rows] = money
    sim.ledger.book(MONEY, "rest_of_world", "households", int(money.sum()))


@settlement(phase="refresh", reads=("zones.residents",), writes=("grid:present",))
def count_everyone(sim: Any) -> None:
    """Count all residents of a zone as at home in every hour; the day's tally takes out those who leave."""
    sim.grids["present"] += sim.tables["zones"]["residents"][:, None] * sim.weight


@settlement(phase="check", every="1 month", reads=("residents.household", "households.home"))
def check_people(sim: Any) -> None:
    """Stop the run where a resident has no household or a household no home or no people."""
    residents, households = sim.tables["residents"], sim.tables["households"]
    lost = int((residents["household"] < 0).sum())
    homeless = int((households["home"] < 0).sum())
    empty = int((np.bincount(np.maximum(residents["household"], 0), minlength=households.n) == 0).sum())
    if lost or homeless or empty:
        raise RunError(f"people on {sim.clock.date}: {lost} residents without a household, {homeless} households without a home, "
                       f"{empty} households without people")


def begin(sim: Any) -> None:
    """Open the books of people, and call those who come on the first day that is the first of a month."""
    clear_month(sim)
    call_seekers(sim, sim.clock.month_index + (not sim.clock.first_of_month))
    sim.ledger.watch(PEOPLE, "city", "residents")


SETTLEMENTS = (read_calendar, begin_people_month, bear, bury, depart, arrive, count_everyone, check_people)
