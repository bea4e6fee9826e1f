"""What land adds to the tables, what zoning makes room for, what stands at the start, and whether the building programme fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.rezoning import rezoned
from alatau_sim.city.words import LAND_USES
from alatau_sim.city.zones import Capacity, clean_id
from alatau_sim.domains.land.params import USES, Policy, Programme, World
from alatau_sim.engine.clock import day_number
from alatau_sim.errors import Problem, did_you_mean
from alatau_sim.fields import Column

Ints = NDArray[np.int64]
HOMES, WORKSPACE = range(2)
ANNOUNCED, PERMIT, WAITING, BUILDING, DONE = range(5)
LEAST_M2 = 10
"""Floor space below which a dwelling of the programme is taken for an error."""
STAGES = ("announced", "permit", "waiting", "building", "done")

COLUMNS: dict[str, tuple[Column, ...]] = {
    "zones": (
        Column("dwellings_built", "int64", "dwellings", "dwellings completed since the start"),
        Column("vacant_dwellings", "int64", "dwellings", "dwellings offered on the first of the month: vacant, in a sample as whole rows"),
        Column("vacancy_share", "float64", "share", "vacant among all dwellings", within=(0, 1)),
        Column("attraction", "float64", "1", "what else draws households to the zone, in units of utility (0 unless something sets it)"),
        Column("home_rent_kzt", "float64", "KZT/month", "asking rent of the zone's mean dwelling", within=(0, 1e9)),
        Column("workspace_m2", "int64", "m2", "floor space for work that stands"),
        Column("workspace_free_m2", "int64", "m2", "floor space for work that no firm occupies"),
        Column("room_dwellings", "int64", "dwellings", "dwellings that zoning still allows, beyond those that stand or are being built"),
        Column("room_workspace_m2", "int64", "m2", "floor space for work that zoning still allows, beyond what stands or is being built"),
        Column("dwellings_in_works", "int64", "dwellings", "dwellings announced and not yet complete"),
        Column("workspace_in_works_m2", "int64", "m2", "floor space for work announced and not yet complete"),
        Column("reserved_dwellings", "int64", "dwellings", "dwellings of the building programme that are not announced yet"),
        Column("reserved_workspace_m2", "int64", "m2", "floor space for work of the building programme that is not announced yet"),
        Column("starts_dwellings", "int64", "dwellings", "dwellings that developers have decided to start"),
        Column("starts_workspace_m2", "int64", "m2", "floor space for work that developers have decided to start"),
    ),
    "households": (
        Column("owner", "bool", meaning="owns the home, and pays no rent"),
        Column("tenure_known", "bool", meaning="whether owning or renting has been drawn"),
        Column("rent_kzt", "int64", "KZT/month", "rent of the home; 0 for those who own it", within=(0, 10**9)),
        Column("moves", "bool", meaning="looks for another home in the city this month"),
        Column("wanted", "int32", meaning="zone where it would like to live, when it looked last", index="zones"),
    ),
    "works": (
        Column("zone", "int32", meaning="zone of the building site", index="zones"),
        Column("use", "int8", meaning="what is built", labels=USES),
        Column("dwellings", "int64", "dwellings", "dwellings"),
        Column("floor_m2", "int64", "m2", "gross floor space"),
        Column("stage", "int8", meaning="how far it is", labels=STAGES, within=(0, 4)),
        Column("crews", "int32", "crews", "crews at work"),
        Column("owner", "int64", meaning="investor who builds for itself; 0: the programme or the market"),
        Column("announced_day", "int32", "days since 1970-01-01", "day on which it was announced"),
        Column("done_day", "int32", "days since 1970-01-01", "day on which it was handed over; −1 before", -1),
        Column("permit_days", "int32", "days", "work on its permit; −1: as policy.land.permit_days says", -1),
        Column("building_days", "int32", "days", "time of building that its owner has set; −1: by size and crews", -1),
        Column("stage_day", "int32", "days since 1970-01-01", "day on which its stage began"),
        Column("waited_days", "int32", "days", "days waited for a permit and for crews, in stages that are over"),
        Column("until_s", "int64", "s", "second of the clock at which the permit or the building is ready"),
        Column("begun", "bool", meaning="whether it is in the books and runs"),
    ),
}


# --- what zoning makes room for -------------------------------------------------------------------------------------------------


def floor_share(use: int) -> NDArray[np.float64]:
    """The share of a zone's floor space for a use (`HOMES`, `WORKSPACE`), by land use.

    What is not for homes is for work; open land has neither.
    """
    homes = Capacity().dwellings(np.ones(len(LAND_USES)), np.ones(len(LAND_USES)), np.arange(len(LAND_USES))) * Capacity().m2_per_dwelling
    if use == HOMES:
        return np.asarray(homes)
    return np.where(np.arange(len(LAND_USES)) == LAND_USES.index("open"), 0.0, 1.0 - homes)


def capacity(zones: Mapping[str, Any] | Any, policy: Policy) -> tuple[Ints, Ints]:
    """(dwellings, m2 of workspace) that zoning allows in each zone, with what stands: by floor-area ratio, at most coverage × storeys.

    The plan's dwellings are a limit, too. `zones` has columns by name.
    """
    ratio = np.minimum(zones["floor_area_ratio"], zones["coverage"] * policy.storeys_most)
    inside, land_use = ~np.asarray(zones["outside"], bool), np.asarray(zones["land_use"])
    homes = Capacity(m2_per_dwelling=policy.m2_per_dwelling).dwellings(zones["area_m2"], ratio, land_use)
    workspace = zones["area_m2"] * ratio * floor_share(WORKSPACE)[land_use]
    dwellings = np.minimum(np.floor(homes + 1e-9).astype(np.int64), zones["dwellings_planned"])
    return np.where(inside, dwellings, 0), np.where(inside, np.floor(workspace + 1e-9), 0).astype(np.int64)


def starting_workspace(zones: Mapping[str, Any] | Any, world: World) -> Ints:
    """The m2 of workspace that stand at the start: enough for today's jobs, and the usual share of free space."""
    jobs = np.where(zones["outside"], 0, zones["jobs_existing"]).astype(np.float64)
    if not jobs.any():
        jobs = np.where(zones["outside"], 0, zones["dwellings_existing"]) * world.jobs_per_dwelling
    return np.rint(jobs * world.workspace_m2_per_job / (1.0 - world.natural_workspace_share)).astype(np.int64)


# --- the building programme -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """The entries of the building programme as arrays: keys of their sites, zone rows, uses, sizes and days; `announced` is changed.

    `past` says what was announced before the run: levers change nothing of that.
    """

    name: tuple[str, ...]
    key: Ints
    zone: Ints
    use: Ints
    dwellings: Ints
    floor_m2: Ints
    day: Ints
    past: NDArray[np.bool_]
    announced: NDArray[np.bool_]

    def days(self, policy: Policy) -> Ints:
        """The day on which each entry is announced."""
        return self.day + np.where(self.past, 0, policy.programme_delay_days)

    def sizes(self, use: int, policy: Policy) -> Ints:
        """The dwellings or the m2 of each entry, with the policy's factor."""
        return scaled((self.dwellings, self.floor_m2)[use], np.where(self.past, 1.0, policy.programme_factor))


def size_of(entry: Programme, policy: Policy) -> tuple[int, int]:
    """(dwellings, m2 of floor space) of an entry; homes lend each other what is missing, workspace has no dwellings."""
    if entry.use == USES[WORKSPACE]:
        return 0, entry.floor_m2
    dwellings = entry.dwellings or int(entry.floor_m2 // policy.m2_per_dwelling)
    return dwellings, entry.floor_m2 or round(dwellings * policy.m2_per_dwelling)


def scaled(size: Any, factor: Any) -> Ints:
    """Sizes of the programme, in multiples, as whole numbers."""
    return np.floor(np.asarray(size) * factor + 0.5).astype(np.int64)


def read_plan(sim: Any, city: Any) -> Plan:
    """The scenario's programme. Entries are keyed by what they say, so that one more changes none of the others."""
    entries = city.scenario.records["programme"]
    row = {text: number for number, text in enumerate(city.zones.zone)}
    seen: Counter[str] = Counter()
    keys = []
    for entry in entries:
        text = f"{entry.zone}/{entry.use}/{entry.announced}/{entry.name}"
        keys.append(sim.key_word(f"{text}/{seen[text]}"))
        seen[text] += 1
    sizes = [size_of(entry, sim.policy.land) for entry in entries]
    day = np.array([day_number(entry.announced) for entry in entries], np.int64)
    return Plan(
        name=tuple(entry.name or "programme" for entry in entries),
        key=np.array(keys, np.int64),
        zone=np.array([row[clean_id(entry.zone)] for entry in entries], np.int64),
        use=np.array([USES.index(entry.use) for entry in entries], np.int64),
        dwellings=np.array([dwellings for dwellings, _ in sizes], np.int64),
        floor_m2=np.array([floor for _, floor in sizes], np.int64),
        day=day,
        past=day < sim.clock.first,
        announced=np.zeros(len(entries), bool),
    )


def fill_land(sim: Any, city: Any) -> None:
    """Give the zones their starting rents and the workspace that stands, and read the building programme."""
    zones, policy, world = sim.tables["zones"], sim.policy.land, sim.world.land
    zones["home_rent_kzt"][:] = np.where(zones["outside"], 0.0, world.rent_kzt_m2 * policy.m2_per_dwelling)
    zones["workspace_m2"][:] = starting_workspace(zones, world)
    zones["workspace_free_m2"][:] = zones["workspace_m2"]
    sim.state["land"]["plan"] = read_plan(sim, city)
    sim.state["land"]["names"] = {}


# --- what is wrong with it ------------------------------------------------------------------------------------------------------


def check_programme(city: Any) -> Iterator[Problem | str]:
    """Problems of the building programme: unknown zones, uses that zoning does not allow, no size, more than fits; and notes.

    It is compared with the zoning of the day on which each entry is announced, without what developers start by themselves.
    """
    scenario, zones = city.scenario, city.zones
    policy = scenario.policy["land"]
    row = {text: number for number, text in enumerate(zones.zone)}
    entries = list(enumerate(scenario.records["programme"]))
    sound = []
    for number, entry in entries:
        problem = _wrong(entry, row, zones, policy)
        if problem:
            yield Problem(f"programme: {_called(entry)}{problem}", *scenario.place("programme", number))
        else:
            late = timedelta(days=0 if entry.announced < scenario.run.start else policy.programme_delay_days)
            sound.append((entry.announced + late, number, entry))
    late = sum(day > scenario.run.end for day, _, _ in sound)
    if late:
        yield f"programme: {late} of {len(entries)} entries are announced after the run's end, {scenario.run.end}"
    yield from _too_much(city, sorted(sound, key=lambda found: found[:2]), row, policy)
    beyond = zones.dwellings_planned - np.maximum(capacity(zones.columns(), policy)[HOMES], zones.dwellings_existing)
    beyond = np.where(zones.outside, 0, np.maximum(beyond, 0))
    if beyond.any():
        yield (f"zoning: {int(beyond.sum()):,} of {int(zones.dwellings_planned.sum()):,} planned dwellings, in {int((beyond > 0).sum())} "
               "zones, do not fit the zones' land use, floor_area_ratio and coverage: they cannot be built")


def _called(entry: Programme) -> str:
    return f"{entry.name!r}: " if entry.name else ""


def _wrong(entry: Programme, row: Mapping[str, int], zones: Any, policy: Policy) -> str:
    """What is wrong with one entry by itself, or nothing."""
    zone = clean_id(entry.zone)
    if zone not in row:
        return f"there is no zone {zone!r}{did_you_mean(zone, row)}"
    if zones.outside[row[zone]]:
        return f"zone {zone!r} is outside the city; nothing is built there"
    if entry.use == USES[WORKSPACE] and entry.dwellings:
        return f"use 'workspace' has no dwellings; it names {entry.dwellings}"
    if entry.use == USES[WORKSPACE] and not entry.floor_m2:
        return "workspace needs floor_m2 above 0 [m2]"
    if not entry.dwellings and not entry.floor_m2:
        return "homes need dwellings or floor_m2 above 0"
    if entry.dwellings and 0 < entry.floor_m2 < LEAST_M2 * entry.dwellings:
        return f"{entry.floor_m2} m2 for {entry.dwellings} dwellings are less than {LEAST_M2} m2 each"
    if entry.use == USES[HOMES] and not size_of(entry, policy)[0]:
        return f"{entry.floor_m2} m2 make no dwelling of {policy.m2_per_dwelling:g} m2 (policy.land.m2_per_dwelling)"
    return ""


def _too_much(
    city: Any, entries: list[tuple[date, int, Programme]], row: Mapping[str, int], policy: Policy
) -> Iterator[Problem]:
    """A problem for the first entry of each zone and use that zoning does not allow, or with which the programme passes what fits."""
    now, changes = city.zones, sorted(city.scenario.rezone, key=lambda spec: spec.at)
    standing = {HOMES: now.dwellings_existing, WORKSPACE: starting_workspace(now.columns(), city.scenario.world["land"])}
    sums: Counter[tuple[int, int]] = Counter()
    told: set[tuple[int, int]] = set()
    for day, number, entry in entries:
        while changes and changes[0].at <= day:
            now = rezoned(now, changes.pop(0)).zones
        zone, use = row[clean_id(entry.zone)], USES.index(entry.use)
        factor = 1.0 if entry.announced < city.scenario.run.start else policy.programme_factor
        sums[zone, use] += int(scaled(size_of(entry, policy)[use], factor))
        allowed, stands = int(capacity(now.columns(), policy)[use][zone]), int(standing[use][zone])
        room, land_use = max(allowed - stands, 0), LAND_USES[now.land_use[zone]]
        if (zone, use) in told or sums[zone, use] <= room:
            continue
        told.add((zone, use))
        place = city.scenario.place("programme", number)
        if floor_share(use)[now.land_use[zone]] == 0:
            what = f"zone {entry.zone!r} has the land use {land_use!r} on {day}, which allows no {USES[use]}"
            yield Problem(f"programme: {_called(entry)}{what}", *place)
            continue
        unit = ("dwellings", "m2 of workspace")[use]
        times = f" (sizes × policy.land.programme_factor {policy.programme_factor:g})" if policy.programme_factor != 1 else ""
        planned = f", {int(now.dwellings_planned[zone]):,} planned" if use == HOMES else ""
        yield Problem(
            f"programme: {_called(entry)}with it the programme has {sums[zone, use]:,} {unit} in zone {entry.zone!r}{times}; zoning has "
            f"room for {room:,} on {day} (allowed {allowed:,}: {land_use}, floor_area_ratio {now.floor_area_ratio[zone]:g}, coverage "
            f"{now.coverage[zone]:g}{planned}; standing {stands:,})", *place,
        )  # fmt: skip
