"""A new scenario file to start from: everything that can be said, with unit, range and meaning, and levers commented out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alatau_sim.city.words import LAND_USES, STANDARD_COLUMNS
from alatau_sim.engine.domain import Composition
from alatau_sim.fields import Param, Section
from alatau_sim.scenario.load import check_name
from alatau_sim.scenario.specs import MapSpec, ResultsSpec, RunSpec, values_of
from alatau_sim.scenario.write import flow, word

_HEAD = """\
# A scenario: one set of inputs of a simulation. Lines that begin with '#' are comments; take the '#' away from a line to set its value
# (what is shown there is the default). File names are relative to this file. Check it with: alatau check <this file>
format: 1
name: {name}
title: {title}
# description: what this scenario asks, and who made it
# extends: baseline.yaml     # build on another scenario: then only what differs is needed here
"""

_MAP = """\
# With a map of your own: translate its columns and land-use codes here, see what is wrong in it with: alatau zones <this file>,
# give `city` below your own residents and substations (one large one will do where supply is not the question), and the lists further
# down (programme, projects, lines) your own zones, or nothing: []
# Standard columns (only land_use is needed; dwellings_existing and residents_existing say where people live today):
#   {columns}
# Example:
#   columns: {{zone: ID, land_use: ZONE_CODE}}
#   land_use: {{R1: residential, C2: business}}
map:
  file: {data}/zones.geojson
"""

_CITY = """\
# The city's people and surroundings on the first day
city:
  residents: 54747                           # persons
  margins: {data}/margins.csv                # counts that the synthetic population meets
  vital_rates: {data}/vital_rates.csv        # births, deaths and moves by age and sex
  climate: {data}/climate.csv                # monthly climate means
  substations: {data}/substations.csv        # columns substation, lon, lat, capacity_mw; a zone has the nearest
  sectors: {data}/sectors.csv                # economic sectors: jobs, wages, floor space, electricity, what they sell to whom
  reference: {data}/reference.csv            # figures that `alatau check` sets beside what the scenario implies
  # gtfs: feed.zip                           # a timetable; brings lines besides those under `lines`
"""

_TAIL = """\
# Changes of zoning on a day: of named zones, or by polygons drawn in a GIS.
# Uses: {uses}
# rezone:
#   - {{zones: [zone-1, zone-2], use: mixed, floor_area_ratio: 2.5, coverage: 0.4, dwellings_planned: 900, at: 2027-01-01}}
#   - {{layer: quarter.gpkg, at: 2027-07-01}}
# A layer's polygons have land_use, floor_area_ratio, coverage or dwellings_planned as columns. Besides, as for the map: layer_name (of a
# file with several layers), crs (of one that names none), columns, land_use.

# Dated events: values of policy, world or rules that change at midnight, and outages
# events:
#   - at: 2027-07-01
#     set: {{{example}}}
#   - at: 2027-01-14T18:00
#     outage: {{system: {system}, where: name, hours: 36}}     # where: which one, such as a substation's name
#   - at: 2027-01-14T18:00
#     weather: {{temperature_c: -37.7, hours: 36}}            # instead of the drawn weather

# Named blocks of changes; `use` (or --use NAME) switches them on, and two that set the same key are an error
# overrides:
#   another_seed: {{run.seed: 2}}
# use: [another_seed]

"""


def template(name: str, composition: Composition, data: str = "alatau") -> str:
    """The text of a documented scenario called `name` for the domains of a composition.

    `data` is the folder of the city's files as seen from the scenario; as it is for a scenario in `scenarios/`.
    """
    check_name(name)
    lines = [_HEAD.format(name=word(name), title=word(name.replace("_", " ")))]
    lines += ["run:\n", *_fixed(RunSpec, shown=("start", "end", "seed", "replicates")), "\n"]
    columns = ", ".join(STANDARD_COLUMNS[:6]) + ",\n#   " + ", ".join(STANDARD_COLUMNS[6:])
    lines += [_MAP.format(columns=columns, data=data), *_fixed(MapSpec, skip=("file",)), "\n"]
    lines += [_CITY.format(data=data), "\n"]
    lines += ["# Levers: what the city can choose\n", *_domains("policy", composition.policies), "\n"]
    lines += ["# Uncertainties: what the city cannot choose (worlds 1, 2, … draw them where they have a spread)\n"]
    lines += [*_domains("world", composition.worlds), "\n"]
    lines += ["# Behavioural rules\n", "rules:\n"]
    for rule, params in composition.rules.items():
        if params:
            lines += [f"  {word(rule)}:\n", *_params(params, "    ")]
    example = next(_examples(composition), "policy.domain.lever: value")
    lines += ["\n", *(line for key, kind in composition.records.items() for line in _list(key, kind, data))]
    lines += [_TAIL.format(uses=", ".join(LAND_USES), example=example, system=next(iter(composition.systems), "power"))]
    lines += ["# What is recorded besides the default tables\n", "results:\n", *_fixed(ResultsSpec)]
    return "".join(lines)


def _list(key: str, kind: type[Section], data: str) -> Iterator[str]:
    """A list that the scenario may give, here or in a table."""
    yield f"# {_one_line((kind.__doc__ or '').split(chr(10), 1)[0])} A list of maps here, or a CSV or XLSX table. Fields:\n"
    for name, declared in kind.params().items():
        needed = "" if declared.default is ... else f"; {_text(declared)} unless given"
        allowed = f"; {declared.allowed()}" if declared.within or declared.one_of else f"; [{declared.unit}]" if declared.unit else ""
        yield f"#   {name}: {_one_line(declared.meaning)}{allowed}{needed}\n"
    yield f"{word(key)}: {data}/{key}.csv\n\n"


def _examples(composition: Composition) -> Iterator[str]:
    for domain, kind in composition.policies.items():
        for name, declared in kind.params().items():
            yield f"policy.{domain}.{name}: {_text(declared)}"


def _domains(part: str, sections: Mapping[str, type[Section]]) -> Iterator[str]:
    yield f"{part}:\n"
    for domain, kind in sections.items():
        yield f"  {word(domain)}:\n"
        yield from _params(kind.params(), "    ")


def _fixed(kind: type[Section], *, shown: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> Iterator[str]:
    """A section that no domain brings."""
    return _params({name: declared for name, declared in kind.params().items() if name not in skip}, "  ", shown=shown, figures=False)


def _params(params: Mapping[str, Param], indent: str, *, shown: tuple[str, ...] = (), figures: bool = True) -> Iterator[str]:
    """Two lines for each parameter: what it means and may be (of figures also the evidence); its default, commented out unless `shown`."""
    for name, declared in params.items():
        allowed = f"; {declared.allowed()}" if declared.within or declared.one_of else f"; [{declared.unit}]" if declared.unit else ""
        evidence = f"; {declared.evidence}" if figures else ""
        yield f"{indent}# {_one_line(declared.meaning)}{allowed}{evidence}\n"
        yield f"{indent}{'' if name in shown else '# '}{word(name)}: {_text(declared)}\n"


def _text(declared: Param) -> Any:
    return flow(values_of(declared.default, Path.as_posix))


def _one_line(text: str) -> str:
    return " ".join(text.split())
