"""The parts of a scenario that no domain brings: run, map, city, rezoning, events, results; and the scenario itself.

Everything here is frozen, can be pickled, and can be compared by content. What a domain's lever means is not known here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from alatau_sim.fields import Section, param

T = TypeVar("T")

EARLIEST = date(2024, 3, 1)
"""The day on which Kazakhstan's clocks became UTC+5 all year: runs start after it, so that local time has no jumps."""


class RunSpec(Section):
    """When, how often and how a scenario is run."""

    start: date = param(date(2026, 1, 1), meaning="first day")
    end: date = param(date(2027, 12, 31), meaning="last day (it is simulated too)")
    seed: int = param(1, within=(0, 999_999_999), meaning="number that all luck follows from")
    replicates: int = param(1, within=(1, 10_000), meaning="how many draws of luck")
    worlds: int = param(0, within=(0, 10_000), meaning="how many draws of what is not known; 0: central values only")
    sample: float = param(1.0, within=(0.05, 1), unit="share", meaning="share of the households that is simulated: 1, 1/2, 1/3 … 1/20")
    population: str = param(
        "fixed", one_of=("fixed", "redrawn"), meaning="whether replicates share the starting population or each draws its own"
    )
    kernels: str = param("compiled", one_of=("compiled", "plain", "objects", "both"), meaning="how rules are run; the results are the same")
    threads: int = param(0, within=(0, 1024), meaning="threads of one run; 0: as many as there are cores")
    transit_days: str = param(
        "typical", one_of=("typical", "all"), meaning="days on which vehicles run stop by stop; waits of typical days hold for others"
    )


class MapSpec(Section):
    """The map of zones and how its own words translate."""

    file: Path = param(..., meaning="map of the zones: GeoPackage, GeoJSON, Shapefile or another format of GDAL")
    layer: str | None = param(None, meaning="layer of the file, where it has several")
    crs: str | None = param(None, meaning="coordinate system such as EPSG:32643, where the file names none")
    columns: dict[str, str] = param({}, meaning="standard column: column of the file")
    land_use: dict[str, str] = param({}, meaning="code of land use in the file: standard land use")
    overlap_threshold_m2: float = param(100.0, within=(0, 1_000_000), unit="m²", meaning="overlaps of zones above this area are reported")


class CitySpec(Section):
    """The city's people and surroundings on the first day."""

    residents: int = param(..., within=(1, 10_000_000), unit="persons", meaning="residents on the first day")
    margins: Path = param(..., meaning="CSV of counts that the synthetic population meets")
    vital_rates: Path = param(..., meaning="CSV of births, deaths and moves by age and sex")
    climate: Path = param(..., meaning="CSV of monthly climate means")
    substations: Path = param(..., meaning="CSV of substations")
    sectors: Path = param(..., meaning="CSV of economic sectors: jobs, wages, floor space, electricity, what they sell to whom")
    reference: Path | None = param(None, meaning="CSV of reference figures that `alatau check` sets beside what the scenario implies")
    gtfs: Path | None = param(None, meaning="GTFS timetable (zip) that brings lines, besides those listed under lines")
    gtfs_workday: date | None = param(None, meaning="date of the timetable that stands for working days; the busiest unless given")
    gtfs_day_off: date | None = param(None, meaning="date of the timetable that stands for weekends and holidays; the busiest unless given")


class ResultsSpec(Section):
    """What is recorded in addition to the default tables, and how."""

    hourly: tuple[str, ...] = param((), meaning="subjects recorded for every hour of every zone, such as load")
    tables: tuple[str, ...] = param((), meaning="tables recorded in addition to the default ones")
    compression: str = param("none", one_of=("none", "zstd", "lz4"), meaning="compression of the Arrow files; browsers open only none")


@dataclass(frozen=True)
class RezoneSpec:
    """A change of zoning on one day: either of named zones, or by a layer of polygons laid over the map.

    `layer` is the file; `layer_name` the layer in it, where it has several; `crs` its coordinate system, where the file names none.
    """

    at: date
    zones: tuple[str, ...] = ()
    use: str | None = None
    floor_area_ratio: float | None = None
    coverage: float | None = None
    dwellings_planned: int | None = None
    layer: Path | None = None
    layer_name: str | None = None
    crs: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    land_use: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OutageSpec:
    """A part of a technical system that stands still for some hours; `where` names the row of the system's table."""

    system: str
    where: str
    hours: float


@dataclass(frozen=True)
class WeatherSpec:
    """Weather that is given instead of drawn: a temperature [C] for some hours."""

    temperature_c: float
    hours: float


@dataclass(frozen=True)
class EventSpec:
    """Something that happens at a local time: values change at midnight (`set`: dotted path → value), an outage or weather begins."""

    at: datetime
    set: Mapping[str, Any] = field(default_factory=dict)
    outage: OutageSpec | None = None
    weather: WeatherSpec | None = None


class Names(Mapping[str, T]):
    """A frozen mapping whose entries are attributes too: `scenario.policy.payments.signup_bonus_kzt`."""

    _entries: dict[str, T]
    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[str, T]) -> None:
        object.__setattr__(self, "_entries", dict(entries))

    def __getitem__(self, name: str) -> T:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getattr__(self, name: str) -> T:
        if name.startswith("_") or name not in self._entries:
            raise AttributeError(name)
        return self._entries[name]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name!r} cannot be set: a scenario is frozen")

    def __reduce__(self) -> tuple[Any, ...]:
        return (Names, (self._entries,))

    def __repr__(self) -> str:
        return f"Names({self._entries!r})"


@dataclass(frozen=True)
class Settings:
    """The values that dated events may change: policy and world sections by domain, rule parameters by rule."""

    policy: Names[Section]
    world: Names[Section]
    rules: Names[Names[Any]]


@dataclass(frozen=True)
class InputFile:
    """A file that the scenario points to: the key that names it, its path, and the hash of its content."""

    key: str
    path: Path
    sha256: str


@dataclass(frozen=True, eq=False)
class Scenario:
    """One set of inputs, resolved: every default filled in, every value checked, every file found.

    `path` is the scenario file; `sources` the files it extends, nearest first; `origins` maps the dotted path of each value that
    was set to its file and line. `records` are the lists that domains declare (a building programme, lines); `place` tells where an entry
    was written. Scenarios are equal when they mean the same and have the same name.
    """

    name: str
    title: str
    description: str
    run: RunSpec
    map: MapSpec
    city: CitySpec
    policy: Names[Section]
    world: Names[Section]
    rules: Names[Names[Any]]
    rezone: tuple[RezoneSpec, ...]
    events: tuple[EventSpec, ...]
    results: ResultsSpec
    path: Path
    records: Names[tuple[Section, ...]] = field(default_factory=lambda: Names({}))
    places: Mapping[str, tuple[tuple[str, int | None], ...]] = field(default_factory=dict)
    sources: tuple[Path, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    origins: Mapping[str, tuple[str, int | None]] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """Policy, world and rules together, as dated events change them."""
        return Settings(self.policy, self.world, self.rules)

    def place(self, key: str, number: int) -> tuple[str, int | None]:
        """The file and line of one entry of a list."""
        return self.places[key][number]

    def files(self) -> tuple[InputFile, ...]:
        """The files that the scenario points to, with the hashes they had when it was loaded."""
        return self.inputs

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what one run of this scenario means: contents of files instead of their names, every default filled in.

        Left out is what changes no run: name, title and description; how many replicates and worlds there are; threads; references.
        """
        digests = {file.path: file.sha256 for file in self.inputs}
        content = self.resolved(lambda path: digests[path])
        for key in ("name", "title", "description"):
            del content[key]
        for key in ("replicates", "worlds", "threads"):
            del content["run"][key]
        content["city"].pop("reference", None)
        for key in ("rezone", "events"):
            content[key].sort(key=lambda entry: str(entry["at"])[:10])
        text = json.dumps(content, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def resolved(self, show_path: Callable[[Path], str] | None = None) -> dict[str, Any]:
        """Everything as plain values in the shape of a scenario file; files relative to the scenario's folder."""
        show = show_path or self._relative
        content: dict[str, Any] = {"format": 1, "name": self.name, "title": self.title, "description": self.description}
        for key in ("run", "map", "city"):
            content[key] = _without_absent(values_of(getattr(self, key), show))
        for key in ("policy", "world", "rules"):
            content[key] = values_of(getattr(self, key), show)
        content["rezone"] = [_without_absent(values_of(vars(spec), show)) for spec in self.rezone]
        content["events"] = [_event_values(event, show) for event in self.events]
        content["results"] = values_of(self.results, show)
        content |= {key: [_without_absent(values_of(entry, show)) for entry in entries] for key, entries in self.records.items()}
        return content

    def to_yaml(self, *, origins: bool = False) -> str:
        """The resolved scenario as a file that means the same, to be put beside this one.

        With `origins`, a comment behind each value that was set says in which file and line.
        """
        from alatau_sim.scenario.write import yaml_text

        return yaml_text(self.resolved(), self.origins if origins else {})

    def _relative(self, path: Path) -> str:
        try:
            return Path(os.path.relpath(path, self.path.parent)).as_posix()
        except ValueError:  # another drive
            return path.absolute().as_posix()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scenario):
            return NotImplemented
        return self.hash == other.hash and self.resolved(_no_path) == other.resolved(_no_path)

    def __hash__(self) -> int:
        return hash(self.hash)


def _no_path(path: Path) -> str:
    return ""


def _event_values(event: EventSpec, show: Callable[[Path], str]) -> dict[str, Any]:
    values: dict[str, Any] = {"at": event.at.date().isoformat() if event.set else event.at.isoformat()}
    if event.set:
        values["set"] = values_of(event.set, show)
    if event.outage:
        values["outage"] = values_of(vars(event.outage), show)
    if event.weather:
        values["weather"] = values_of(vars(event.weather), show)
    return values


def _without_absent(values: dict[str, Any]) -> dict[str, Any]:
    """The entries that say something: optional ones that are absent or empty are left out."""
    return {key: value for key, value in values.items() if value is not None and value not in ({}, [])}


def named_files(value: Any, key: str) -> Iterator[tuple[str, Path]]:
    """Every file in a part of a scenario, with the dotted key that names it."""
    if isinstance(value, Path):
        yield key, value
    elif isinstance(value, Section):
        yield from named_files({name: getattr(value, name) for name in type(value).model_fields}, key)
    elif isinstance(value, RezoneSpec | EventSpec):
        yield from named_files(vars(value), key)
    elif isinstance(value, Mapping):
        for name, entry in value.items():
            yield from named_files(entry, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for i, entry in enumerate(value):
            yield from named_files(entry, f"{key}.{i}")


def values_of(value: Any, show_path: Callable[[Path], str]) -> Any:
    """Plain values (numbers, text, lists, dicts) of a section, mapping, sequence, date or path."""
    if isinstance(value, Section):
        return {name: values_of(getattr(value, name), show_path) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(name): values_of(entry, show_path) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [values_of(entry, show_path) for entry in value]
    if isinstance(value, Path):
        return show_path(value)
    return value.isoformat() if isinstance(value, date) else value
