"""What the economy adds to the tables, the file of sectors, and what can be wrong with anchor projects before anything is built."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.city.rezoning import rezoned
from alatau_sim.city.words import LAND_USES
from alatau_sim.engine.rule import Mirror
from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems
from alatau_sim.fields import Column

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

EMPLOYED, UNEMPLOYED, RETIRED = 2, 3, 4
"""Codes of `residents.status`."""
HIGHER = 2
"""Code of `residents.education` from which one has a degree."""
SCHOOLS = "education"
"""The sector whose places of work are schools, where the file has it."""

TAXES = (
    "personal_income", "social", "pension", "health", "social_insurance", "value_added", "corporate_income", "property",
)  # fmt: skip
BUDGETS = ("republic_budget", "region_budget", "city_budget", "pension_fund", "social_funds")
"""Accounts that taxes and contributions go to."""
REPUBLIC, REGION, CITY, PENSION_FUND, SOCIAL_FUNDS = range(5)

WORKSPACE, DONE = 1, 4
"""Codes of `works.use` and `works.stage`."""
STAGES = ("planned", "announced", "permit", "waiting", "building", "built", "operating")
"""How far a project is: from `announced` to `built` as its building site."""
PLANNED, ANNOUNCED, OPERATING = 0, 1, 6

SECTOR_COLUMNS = (
    Column("jobs_share", "float64", "share", "share of today's jobs in the city", within=(0, 1)),
    Column("wage_level", "float64", "1", "wages over those of an average employer at the start", within=(0.01, 100)),
    Column("floor_m2_per_job", "float64", "m2", "floor space that a job needs", within=(0.1, 100_000)),
    Column("energy_w_m2", "float64", "W/m2", "mean electric power of floor space while it is open", within=(0, 100_000)),
    Column("standby_share", "float64", "share", "power while it is closed, over that", within=(0, 1)),
    Column("opens", "int8", "h", "hour at which it opens", within=(0, 24)),
    Column("closes", "int8", "h", "hour at which it closes", within=(0, 24)),
    Column("day_off_share", "float64", "share", "activity on days off over that of working days", within=(0, 1)),
    Column("degree_share", "float64", "share", "share of the jobs that ask for a degree", within=(0, 1)),
    Column("mean_size", "float64", "jobs", "mean jobs of a firm", within=(1, 100_000)),
    Column("purchase_share", "float64", "share", "share of what residents buy", within=(0, 1)),
    Column("sells_to_people", "bool", meaning="whether residents buy from it"),
    Column("public", "bool", meaning="whether budgets pay it"),
    Column("revenue_per_job_kzt", "float64", "KZT/month", "sales that a job makes where demand is as at the start", within=(0, 1e10)),
    Column("land_uses", "int32", meaning="land uses in which a new firm may open, a bit each"),
    Column("job_wage_kzt", "float64", "KZT/month", "mean gross wage at the start"),
    Column("local_share", "float64", "share", "sales to residents over all sales at the start", within=(0, 1)),
    Column("inputs_share", "float64", "share", "what firms buy but electricity, over sales: profit at the start is world.economy.margin"),
    Column("size_scale", "float64", "jobs", "scale of the Pareto law of sizes, so that its mean is mean_size"),
    Column("jobs_per_resident", "float64", "1", "jobs over residents at the start, kept up where public"),
    Column("staffing", "float64", "1", "public bodies: jobs that today's residents need over those there are", 1.0),
    Column("entry_rate", "float64", "1/year", "new firms over firms, so that they make up for closing ones at the start"),
    Column("entrant_scale", "float64", "jobs", "scale of the Pareto law of new firms' sizes: their mean is that of closing firms"),
    Column("busyness", "float64", "1", "last month's sales over what the staff can make where demand is as at the start", 1.0),
)
FIRM_COLUMNS = (
    Column("sector", "int32", meaning="sector", index="sectors"),
    Column("site", "int32", meaning="zone it is in", index="zones"),
    Column("jobs", "int32", "jobs", "positions, filled or not", within=(0, 10**6)),
    Column("staff", "int32", "people", "residents who work here", within=(0, 10**6)),
    Column("commuters", "int32", "people", "people from outside the city who work here", within=(0, 10**6)),
    Column("commuters_from", "int32", meaning="zone outside that they come from", index="zones"),
    Column("floor_m2", "int64", "m2", "floor space that it occupies"),
    Column("wage_level", "float32", "1", "wages over those of an average employer at the start", 1.0, within=(0.001, 1000)),
    Column("process_w", "int64", "W", "steady electric load beyond that of the floor space"),
    Column("demand", "float32", "1", "demand from outside the city, over its long-run mean", 1.0, within=(0, 1000)),
    Column("balance_kzt", "int64", "KZT", "money of the firm"),
    Column("revenue_kzt", "int64", "KZT/month", "sales of the last month (of a part of a month: scaled to the whole)"),
    Column("capacity_kzt", "int64", "KZT/month", "sales that its people could have made, where demand is as at the start"),
    Column("age_months", "int16", "months", "months since it opened", within=(0, 32_767)),
    Column("loss_months", "int8", "months", "months of losses without a break", within=(0, 100)),
    Column("anchor", "bool", meaning="anchor investment: keeps its jobs and does not close"),
    Column("stands_for", "int32", "firms", "firms of the city that the row stands for; in a sample, large ones stand for themselves", 1),
    Column("wanted_jobs", "int32", "jobs", "positions that it would like to have", within=(0, 10**6)),
    Column("shuts", "bool", meaning="closes when the next month opens"),
)
RESIDENT_COLUMNS = (
    Column("employer", "int32", meaning="firm that the resident works for; −1: none, or outside the city", index="firms"),
    Column("work", "int32", meaning="zone of the place of work, which may be outside", index="zones"),
    Column("looks", "bool", meaning="looks for work, or for other work, this month"),
    Column("quits", "bool", meaning="leaves the job this month"),
    Column("seeks", "int32", meaning="zone where the resident looked for work last; −1: never", index="zones"),
    Column("gross_kzt", "int64", "KZT/month", "wage before the employee's deductions", within=(0, 10**10)),
)
HOUSEHOLD_COLUMNS = (
    Column("shop", "int32", meaning="zone where the household does its shopping", index="zones"),
    Column("shop_for", "int32", meaning="home for which that was chosen", index="zones"),
    Column("shops_anew", "bool", meaning="chooses a place for shopping this month"),
)
ZONE_COLUMNS = (
    Column("jobs", "int64", "jobs", "jobs that are filled (outside: by people of the city), in the whole city where a sample runs"),
    Column("shop_jobs", "int64", "jobs", "filled jobs of firms that sell to people"),
    Column("vacancies", "int64", "jobs", "positions that nobody fills"),
    Column("vacancies_basic", "int64", "jobs", "positions offered to all at the beginning of the month"),
    Column("vacancies_degree", "int64", "jobs", "positions offered to people with a degree at the beginning of the month"),
    Column("wage_offered", "float64", "1", "mean wage level of the positions offered", 1.0),
    Column("outside_vacancies", "float64", "jobs", "positions offered outside the city, where the zone is outside"),
    Column("school", "int32", meaning="nearest zone with a school", index="zones"),
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "sectors": SECTOR_COLUMNS, "firms": FIRM_COLUMNS, "residents": RESIDENT_COLUMNS, "households": HOUSEHOLD_COLUMNS, "zones": ZONE_COLUMNS,
}  # fmt: skip
MIRRORS = (Mirror("residents", "shop", "household", "shop", every="1 month"),)


# --- the file of sectors --------------------------------------------------------------------------------------------------------

_RANGES: dict[str, tuple[float, float]] = {
    "jobs_share": (0, 1), "wage_level": (0.01, 100), "floor_m2_per_job": (0.1, 100_000), "power_w_m2": (0, 100_000),
    "standby_share": (0, 1), "opens_h": (0, 24), "closes_h": (0, 24), "day_off_share": (0, 1), "degree_share": (0, 1),
    "mean_size": (1, 100_000), "purchase_share": (0, 1), "public": (0, 1), "revenue_per_job_kzt": (0, 1e10),
}  # fmt: skip
_SHARES = ("jobs_share", "purchase_share")


def read_sectors(path: str | Path) -> tuple[tuple[str, ...], dict[str, NDArray[Any]]]:
    """(names of the sectors, columns of their table) of a file; InputError tells all that is missing, unknown or out of range.

    Shares of jobs and of purchases must add up to 1 (to half a percent; they are scaled to it exactly). `land_uses` are standard words,
    separated by semicolons.
    """
    rows = _rows(path)
    problems: list[Problem] = []
    names: dict[str, int] = {}
    numbers: dict[str, list[float]] = {name: [] for name in _RANGES}
    uses = []
    for line, row in rows:
        name = (row["sector"] or "").strip()
        if not name or name in names:
            problems.append(Problem(f"sector {name!r} is there twice" if name else "a sector has no name", path, line))
        names.setdefault(name, line)
        for column, found in numbers.items():
            found.append(_number(row, column, path, line, problems))
        uses.append(_land_uses(row["land_uses"] or "", path, line, problems))
    if not rows:
        problems.append(Problem("it lists no sector", path))
    for column in _SHARES:
        total = math.fsum(numbers[column])
        if rows and math.isfinite(total) and abs(total - 1) > 0.005:
            problems.append(Problem(f"{column} adds up to {total:.4f}; shares must add up to 1", path, rows[-1][0]))
    raise_problems(problems)
    given = {name: np.array(values) for name, values in numbers.items()}
    for column in _SHARES:
        given[column] /= given[column].sum()
    columns = {
        **given, "energy_w_m2": given["power_w_m2"], "opens": given["opens_h"].astype(np.int8),
        "closes": given["closes_h"].astype(np.int8), "sells_to_people": given["purchase_share"] > 0, "public": given["public"] == 1,
        "land_uses": np.array(uses, np.int32),
    }  # fmt: skip
    return tuple(names), {name: values for name, values in columns.items() if not name.endswith("_h") and name != "power_w_m2"}


def _rows(path: str | Path) -> list[tuple[int, dict[str, str]]]:
    """The rows of the file with their lines."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or ()
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 CSV ({error})") from None
    raise_problems(
        Problem(f"the column {name!r} is missing{did_you_mean(name, header)}", path, 1)
        for name in ("sector", *_RANGES, "land_uses") if name not in header
    )
    raise_problems(
        Problem("it has more values than the header has columns; put text with a comma into quotes", path, line)
        for line, row in rows if None in row
    )
    return rows


def _number(row: Mapping[str, str], column: str, path: str | Path, line: int, problems: list[Problem]) -> float:
    """A number of the file; not a number where it is none or out of range, which is told."""
    text, (low, high) = (row[column] or "").strip(), _RANGES[column]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    whole = column in ("opens_h", "closes_h", "public")
    if not low <= value <= high or (whole and value != int(value)):
        problems.append(
            Problem(f"{column} is {text!r}; it must be a {'whole ' if whole else ''}number within {low:g} … {high:g}", path, line)
        )
        return math.nan
    return value


def _land_uses(text: str, path: str | Path, line: int, problems: list[Problem]) -> int:
    """Words of land uses as bits."""
    mask = 0
    for word in (part.strip() for part in text.split(";")):
        if word in LAND_USES:
            mask |= 1 << LAND_USES.index(word)
        elif word:
            problems.append(Problem(f"land_uses has {word!r}, which is no standard land use{did_you_mean(word, LAND_USES)}", path, line))
    if not text.strip():
        problems.append(Problem("land_uses is empty; name at least one land use", path, line))
    return mask


def allows(land_use: NDArray[Any], land_uses: NDArray[Any] | int) -> NDArray[np.bool_]:
    """Whether zoning of the codes `land_use` is among the bits `land_uses`."""
    return np.asarray((np.asarray(land_uses) >> np.asarray(land_use, np.int64)) & 1 == 1)


# --- anchor projects ------------------------------------------------------------------------------------------------------------


def size_of(project: Any, floor_m2_per_job: float) -> tuple[int, int]:
    """(jobs, m2) of a project: what it does not say follows from the other by the sector's floor space a job."""
    jobs = project.jobs or round(project.floor_m2 / floor_m2_per_job)
    return max(jobs, 1), project.floor_m2 or max(1, round(project.jobs * floor_m2_per_job))


def check_projects(city: Any) -> Iterator[Problem | str]:
    """What is wrong with the sectors, and with the projects: unknown names, zones that forbid them or have no room, no size.

    Projects are compared with the zoning of the day on which each is announced.
    """
    scenario, zones = city.scenario, city.zones
    try:
        sectors, columns = read_sectors(scenario.city.sectors)
    except InputError as error:
        yield from (Problem(line) for line in str(error).splitlines())
        return
    sound = []
    names: set[str] = set()
    for number, project in enumerate(scenario.records["projects"]):
        wrong = list(_wrong(project, zones, sectors, names))
        yield from (Problem(f"project {project.name!r}: {what}", *scenario.place("projects", number)) for what in wrong)
        if not wrong:
            sound.append((project.announced, number, project))
    yield from _misplaced(city, sorted(sound, key=lambda found: found[:2]), sectors, columns)


def _wrong(project: Any, zones: Any, sectors: tuple[str, ...], names: set[str]) -> Iterator[str]:
    """What is wrong with one project by itself."""
    if project.name in names:
        yield "the name is there twice"
    names.add(project.name)
    if project.zone not in zones.zone:
        yield f"there is no zone {project.zone!r}{did_you_mean(project.zone, zones.zone)}"
    elif zones.outside[zones.zone.index(project.zone)]:
        yield f"zone {project.zone!r} is outside the city"
    if project.sector not in sectors:
        yield f"there is no sector {project.sector!r}{did_you_mean(project.sector, sectors)}"
    if not project.jobs and not project.floor_m2:
        yield "it has no size; give jobs or floor_m2 above 0"


def _misplaced(
    city: Any, projects: list[tuple[Any, int, Any]], sectors: tuple[str, ...], columns: Mapping[str, NDArray[Any]]
) -> Iterator[Problem]:
    """Projects that the zoning of their day forbids, or that are larger than what it has room for."""
    from alatau_sim.city.zones import Capacity  # here and not above: reading declarations must stay quick

    now, changes = city.zones, sorted(city.scenario.rezone, key=lambda spec: spec.at)
    homes = Capacity()
    used = now.jobs_existing * float((columns["jobs_share"] * columns["floor_m2_per_job"]).sum())
    for day, number, project in projects:
        while changes and changes[0].at <= day:
            now = rezoned(now, changes.pop(0)).zones
        zone, sector = now.zone.index(project.zone), sectors.index(project.sector)
        use, place = LAND_USES[now.land_use[zone]], city.scenario.place("projects", number)
        if not allows(now.land_use[zone], int(columns["land_uses"][sector])):
            allowed = [word for code, word in enumerate(LAND_USES) if int(columns["land_uses"][sector]) >> code & 1]
            yield Problem(f"project {project.name!r}: zone {project.zone!r} is zoned {use!r} on {day}, which sector {project.sector!r} may "
                          f"not use; it may use {', '.join(allowed)}", *place)
            continue
        _, floor_m2 = size_of(project, float(columns["floor_m2_per_job"][sector]))
        for_homes = homes.dwellings(now.area_m2, now.floor_area_ratio, now.land_use)[zone] * homes.m2_per_dwelling
        room = now.area_m2[zone] * now.floor_area_ratio[zone] - for_homes - used[zone]
        used[zone] += floor_m2
        if floor_m2 > room:
            yield Problem(f"project {project.name!r}: floor_m2 is {floor_m2:,}; zoning of {project.zone!r} has room for "
                          f"{max(0, int(room)):,} m2 beside the firms and projects there", *place)
