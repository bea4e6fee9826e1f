"""What a scenario says against the content of the files that it points to, before anything is computed or written.

Reads every file as the run will, without the simulation's code: everything that is wrong is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems

if TYPE_CHECKING:
    from alatau_sim.city.zones import ZoneTable
    from alatau_sim.domains.energy.tables import SubstationRow
    from alatau_sim.engine.domain import Domain

FAR_M = 50_000.0
"""A zone farther than this from its substation is told: distribution lines of 10 to 35 kV do not reach so far. Assumed."""

MOST_A_DWELLING = 8
"""More residents than this to a dwelling are told: households are of 1 to 8 people and more. Assumed."""

MOST_NOTES = 20
MOST_PROBLEMS = 12
MOST_RESIDENTS = 20_000
"""So many residents are synthesised to try the margins, at most: a fraction of a second. Contradictions do not depend on the number."""

T = TypeVar("T")


def check_files(scenario: Any, domains: Sequence[Domain]) -> tuple[str, ...]:
    """Notes on a scenario's map, rezonings and substations; raises `InputError` that lists all that would stop the run."""
    return _Files(scenario, domains).check()


class _Files:
    """The problems and notes of one scenario while its files are read."""

    def __init__(self, scenario: Any, domains: Sequence[Domain]) -> None:
        self.scenario, self.domains = scenario, domains
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def check(self) -> tuple[str, ...]:
        """Read everything; the order is that of the scenario file."""
        from alatau_sim.scenario.zoning import load_map

        zones = self.tried("", lambda: load_map(self.scenario))
        if zones is not None:
            self.notes += _first(zones.notes, f"`alatau zones {self.scenario.path}` lists all")
        substations = self.city(zones)
        if zones is not None and substations is not None:
            self.far(zones, substations)
        if zones is not None:
            told = len(self.problems)
            self.rezonings(zones)
            if len(self.problems) == told:  # else the domains would tell the same again
                self.domain_checks(zones)
        self.outages(zones, substations)
        self.tables()
        raise_problems(self.problems)
        return tuple(self.notes)

    def tried(self, key: str, read: Callable[[], T]) -> T | None:
        """What `read` returns, or None and its problems; with a key, after the place that says so in the scenario."""
        try:
            return read()
        except InputError as error:
            for line in str(error).splitlines():
                self.problems.append(self.problem(key, f"{key}: {line.removeprefix('rezone: ')}") if key else Problem(line))
            return None

    def problem(self, key: str, message: str) -> Problem:
        """A problem at the place of a key of the scenario, or of the first key under it."""
        inside = [place for name, place in self.scenario.origins.items() if name == key or name.startswith(f"{key}.")]
        file, line = inside[0] if inside else (self.scenario.path, None)
        return Problem(message, file, line)

    def city(self, zones: ZoneTable | None) -> tuple[SubstationRow, ...] | None:
        """Try the files of the city's people and surroundings; returns the substations."""
        from alatau_sim.domains.energy.tables import read_climate, read_substations
        from alatau_sim.domains.people.tables import read_vital_rates

        city = self.scenario.city
        self.tried("", lambda: _try_margins(city.margins, min(city.residents, MOST_RESIDENTS), self.scenario.run.seed))
        self.tried("", lambda: read_vital_rates(city.vital_rates))
        self.tried("", lambda: read_climate(city.climate))
        if zones is not None:
            self.room(zones)
        return self.tried("", lambda: read_substations(city.substations))

    def room(self, zones: ZoneTable) -> None:
        """The city's residents can live on its map."""
        asked, inside = self.scenario.city.residents, ~zones.outside
        counts = (zones.residents_existing, zones.dwellings_existing, zones.dwellings_planned)
        living, today, homes = (int(count[inside].sum()) for count in counts)
        if not living and not homes:
            what = "no zone of the city has residents_existing, dwellings_existing or dwellings_planned: nobody could live in it"
            self.problems.append(Problem(what, zones.file))
        elif living and abs(living - asked) > 0.1 * asked:
            what = f"city.residents is {asked:,}, and residents_existing of the map adds up to {living:,}"
            self.notes.append(f"{what}: the first is how many, the second only where")
        elif not living and asked > MOST_A_DWELLING * homes:
            what = f"city.residents is {asked:,}, and the map has room for {homes:,} dwellings"
            self.notes.append(f"{what}: set the residents of your own city")
        elif asked > MOST_A_DWELLING * today:
            what = f"dwellings_existing of the map adds up to {today:,}, for {asked:,} residents"
            self.notes.append(f"{what}: nobody finds a home who comes before so many are built; give the dwellings of today")

    def far(self, zones: ZoneTable, substations: tuple[SubstationRow, ...]) -> None:
        """Note zones whose nearest substation is far away, as where a map of another city meets the shipped file."""
        import numpy as np
        import shapely

        from alatau_sim.city.metric import to_crs

        points = to_crs(shapely.points([(row.lon, row.lat) for row in substations]), "EPSG:4326", zones.metric_crs)
        dx = zones.centroid_x_m[:, None] - shapely.get_x(points)
        dy = zones.centroid_y_m[:, None] - shapely.get_y(points)
        gap = np.where(zones.outside, 0.0, np.hypot(dx, dy).min(axis=1))
        count = int((~(gap <= FAR_M)).sum())  # not a number is far away, too
        if count:
            self.notes.append(
                f"{self.scenario.city.substations}: {count} of {int((~zones.outside).sum())} zones are more than {FAR_M / 1000:g} km from "
                f"the nearest substation (up to {np.nanmax(gap) / 1000:,.0f} km). Is it the file of another city? List your own in "
                "city.substations (columns substation, lon, lat, capacity_mw); one large one will do where supply is not the question"
            )

    def domain_checks(self, zones: ZoneTable) -> None:
        """What the domains say of the scenario's lists, levers and files against the map."""
        from alatau_sim.scenario.zoning import City

        city = City(self.scenario, zones)
        found = [one for domain in self.domains for check in domain.checks
                 for one in self.tried("", lambda check=check: list(check(city))) or ()]  # type: ignore[misc]
        self.notes += [one for one in found if not isinstance(one, Problem)]
        self.problems += first_of_each_file([one for one in found if isinstance(one, Problem)])

    def rezonings(self, zones: ZoneTable) -> None:
        """Apply every rezoning in the order of its day, as the run does."""
        from alatau_sim.scenario.zoning import rezoned

        order = sorted(range(len(self.scenario.rezone)), key=lambda number: self.scenario.rezone[number].at)
        for number in order:
            spec, now = self.scenario.rezone[number], zones
            result = self.tried(f"rezone.{number}", lambda now=now, spec=spec: rezoned(now, spec))  # type: ignore[misc]
            if result is not None:
                zones = result.zones
                self.notes += _first([f"rezone.{number} on {spec.at}: {note}" for note in result.notes], "the rest is alike")

    def outages(self, zones: ZoneTable | None, substations: tuple[SubstationRow, ...] | None) -> None:
        """Every outage strikes a row that is there; rows of tables that a rule file or plug-in fills are known only to the run."""
        from alatau_sim.domains.payments.tables import RAILS

        known: dict[str, tuple[str, ...]] = {"rails": RAILS}
        if zones is not None:
            known["zones"] = zones.zone
        if substations is not None:
            known["substations"] = tuple(row.name for row in substations)
        systems = {system: table for domain in self.domains for system, table in domain.systems.items()}
        for number, event in enumerate(self.scenario.events):
            names = known.get(systems[event.outage.system]) if event.outage else None
            if names is not None and event.outage.where not in names:
                key, where = f"events.{number}.outage", event.outage.where
                message = f"{key}: {event.outage.system} has no {where!r}{did_you_mean(where, names)}"
                self.problems.append(self.problem(f"{key}.where", message))

    def tables(self) -> None:
        """Every table that is to be recorded exists."""
        known = {table.name for domain in self.domains for table in domain.tables}
        asked = [(f"results.tables.{k}", name, name, known) for k, name in enumerate(self.scenario.results.tables)]
        subjects = {name.removesuffix("_hour") for name in known if name.endswith("_hour")}
        asked += [(f"results.hourly.{k}", name, f"{name}_hour", subjects) for k, name in enumerate(self.scenario.results.hourly)]
        for key, name, table, names in asked:
            if table not in known:
                self.problems.append(self.problem(key, f"{key} is {name!r}, which is not recorded{did_you_mean(name, names)}"))


def first_of_each_file(problems: Sequence[Problem]) -> list[Problem]:
    """The first problems of each file, and how many more it has: a list of another city is wrong in every line."""
    kept: list[Problem] = []
    for file in dict.fromkeys(problem.file for problem in problems):
        mine = [problem for problem in problems if problem.file == file]
        kept += mine[:MOST_PROBLEMS]
        if len(mine) > MOST_PROBLEMS:
            more = len(mine) - MOST_PROBLEMS
            kept.append(Problem(f"and {more} more problems of this file; is it of another city? Give your own list, or none: []", file))
    return kept


def _try_margins(file: Path, residents: int, seed: int) -> None:
    """Read the margins and make residents from them, so that margins that contradict each other are told."""
    import numpy as np

    from alatau_sim.city.margins import read_margins
    from alatau_sim.city.synthesis import synthesise
    from alatau_sim.domains.people.tables import Wages

    margins = read_margins(file)
    Wages.read(margins)
    synthesise(margins, np.ones(1), residents, seed)


def _first(notes: Sequence[str], more: str) -> list[str]:
    """The first notes, and how many more there are."""
    rest = len(notes) - MOST_NOTES
    return [*notes[:MOST_NOTES], *([f"and {rest} more; {more}"] if rest > 0 else [])]
