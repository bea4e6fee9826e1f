"""What `check` tells of the files that a scenario points to: all of it at once, with its place, before anything is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely

from alatau_sim.city.geofiles import write_map
from alatau_sim.cli import run_command
from alatau_sim.errors import InputError
from alatau_sim.study.files import MOST_NOTES, MOST_PROBLEMS
from alatau_sim.study.inputs import Inputs

SHIPPED = Path(__file__).parents[2] / "scenarios"
HEAD = "format: 1\nname: mine\nextends: baseline.yaml\nrun: {start: 2026-01-01, end: 2026-01-10}\n"
NO_LISTS = "programme: []\nprojects: []\nlines: []\n"
"""What a map of another city needs: the shipped lists name the zones of the shipped one."""


@pytest.fixture
def folder(tmp_path):
    """A folder of scenarios with the shipped city."""
    shutil.copytree(SHIPPED, tmp_path / "scenarios")
    return tmp_path / "scenarios"


def write(folder, text, name="mine.yaml"):
    path = folder / name
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def checked(path):
    """The notes on a scenario."""
    return Inputs().check(Inputs().load(path))


def wrong(path):
    """The lines of what is wrong."""
    with pytest.raises(InputError) as told:
        checked(path)
    return str(told.value).replace(path.parent.as_posix() + "/", "").splitlines()


def layer(file, *boxes, crs="EPSG:4326", **columns):
    """A map file of boxes (west, south, east, north)."""
    write_map(file, list(shapely.box(*np.array(boxes, float).T)), {name: np.array(values) for name, values in columns.items()}, crs)
    return file


def test_the_shipped_scenarios_have_nothing_to_tell():
    for name in ("baseline.yaml", "crypto_hub.yaml"):
        assert [note for note in checked(SHIPPED / name) if "are announced after the run's end" not in note] == []


def test_lists_of_another_city_are_told_in_few_lines(folder):
    layer(folder / "astana.gpkg", (71.4, 51.1, 71.41, 51.11), (71.41, 51.1, 71.42, 51.11), land_use=["residential", "residential"])
    told = wrong(write(folder, "map: {file: astana.gpkg}\n"))
    for name in ("programme", "projects", "lines"):
        mine = [line for line in told if line.startswith(f"alatau/{name}.csv")]
        assert 1 < len(mine) <= MOST_PROBLEMS + 1
        assert "more problems of this file; is it of another city?" in mine[-1]


def test_rezonings_are_all_tried(folder):
    layer(folder / "far.gpkg", (80, 50, 80.1, 50.1), land_use=["mixed"])
    layer(folder / "code.gpkg", (77.03, 43.42, 77.04, 43.43), land_use=["R9"])
    text = """rezone:
  - {layer: far.gpkg, at: 2026-01-02}
  - {zones: [gate-1], use: mixed, at: 2026-01-02}
  - {layer: code.gpkg, at: 2026-01-02}
  - {layer: far.gpkg, layer_name: north, at: 2026-01-02}
  - {layer: far.gpkg, crs: EPSG:32643, at: 2026-01-02}
"""
    told = wrong(write(folder, text))
    assert told[0] == "mine.yaml:6: rezone.0: far.gpkg: feature 1 covers no zone of zones.geojson"
    assert told[1].startswith("mine.yaml:7: rezone.1: there is no zone 'gate-1' in zones.geojson; did you mean 'gate-")
    assert told[2].startswith("mine.yaml:8: rezone.2: code.gpkg: land-use codes without a standard land use: 'R9' (1)")
    assert told[3] == "mine.yaml:9: rezone.3: far.gpkg: has no layer 'north'; known: far"
    assert "rezone.crs says EPSG:32643" in told[4]
    assert len(told) == 5


def test_what_a_rezoning_leaves_out_is_told(folder):
    layer(folder / "wide.gpkg", (75.0, 42.0, 79.0, 46.0), land_use=["mixed"])
    notes = checked(write(folder, "rezone:\n  - {layer: wide.gpkg, at: 2026-01-05}\n" + NO_LISTS))
    assert any(note.startswith("rezone.0 on 2026-01-05: ") and "is in none of the rezoned zones" in note for note in notes)


def test_outages_strike_what_is_there(folder):
    text = """events:
  - {at: 2026-01-03, outage: {system: power, where: gate-substaton, hours: 3}}
  - {at: 2026-01-03, outage: {system: payments, where: crypto, hours: 3}}
  - {at: 2026-01-03, outage: {system: payments, where: crypto_rail, hours: 3}}
"""
    assert wrong(write(folder, text)) == [
        "mine.yaml:6: events.0.outage: power has no 'gate-substaton'; did you mean 'gate-substation'?",
        "mine.yaml:7: events.1.outage: payments has no 'crypto'; did you mean 'crypto_rail'?",
    ]


def test_every_file_is_read_and_the_problems_of_all_are_told(folder):
    margins = (folder / "alatau" / "margins.csv").read_text(encoding="utf-8").splitlines()
    row = next(k for k, line in enumerate(margins) if line.startswith("age_sex,"))
    cells = margins[row].split(",")
    margins[row] = ",".join([*cells[:3], "0.9", *cells[4:]])
    for name, text in {
        "margins": "\n".join(margins), "rates": "measure,age,sex,value\n", "climate": "month,mean_temp_c\n1,x\n",
        "substations": "substation,lon,lat,capacity_mw\n",
    }.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    (folder / "zones.geojson").write_text('{"type": "FeatureCollection", "features": []}', encoding="utf-8")
    city = "city: {margins: margins.csv, vital_rates: rates.csv, climate: climate.csv, substations: substations.csv}\n"
    told = wrong(write(folder, city + "map: {file: zones.geojson}\nresults: {tables: [nothing], hourly: [lod]}\n"))
    for start in (
        "zones.geojson: ", "margins.csv:", "rates.csv: ", "climate.csv:1: ", "substations.csv: it lists no substation",
        "mine.yaml:7: results.tables.0 is 'nothing'", "mine.yaml:7: results.hourly.0 is 'lod', which is not recorded; did you mean",
    ):
        assert any(line.startswith(start) for line in told), (start, told)


def test_a_map_of_another_city_is_told_that_its_substations_are_far(folder):
    layer(folder / "astana.gpkg", (71.4, 51.1, 71.41, 51.11), (71.41, 51.1, 71.42, 51.11), land_use=["residential", "open"])
    notes = checked(write(folder, "map: {file: astana.gpkg}\n" + NO_LISTS))
    assert any("2 of 2 zones are more than 50 km from the nearest substation" in note for note in notes)
    assert any("city.residents is 54,747" in note and "dwellings" in note for note in notes)
    (folder / "own.csv").write_text("substation,lon,lat,capacity_mw\nmain,71.4,51.1,500\n", encoding="utf-8")
    own = write(folder, "map: {file: astana.gpkg}\ncity: {substations: own.csv}\n" + NO_LISTS)
    assert not any("substation" in note for note in checked(own))


def test_people_without_dwellings_are_told(folder):
    boxes = (77.0, 43.4, 77.01, 43.41), (77.01, 43.4, 77.02, 43.41)
    layer(folder / "plan.gpkg", *boxes, land_use=["residential", "open"], dwellings_planned=[900, 0])
    told = checked(write(folder, "map: {file: plan.gpkg}\ncity: {residents: 1200}\n" + NO_LISTS))
    assert any(note.startswith("dwellings_existing of the map adds up to 0, for 1,200 residents") for note in told)


def test_a_map_where_nobody_could_live_is_refused(folder):
    layer(folder / "fields.gpkg", (77.0, 43.4, 77.1, 43.5), land_use=["agriculture"])
    assert "nobody could live in it" in wrong(write(folder, "map: {file: fields.gpkg}\n"))[0]


def test_many_notes_are_cut(folder):
    boxes = [(77 + 0.01 * k, 43.4, 77.01 + 0.01 * k, 43.41) for k in range(MOST_NOTES + 20)]
    layer(folder / "same.gpkg", *boxes, land_use=["residential"] * len(boxes), zone=["a"] * len(boxes))
    notes = checked(write(folder, "map: {file: same.gpkg, columns: {zone: zone}}\n" + NO_LISTS))
    assert sum("repeats the zone id" in note for note in notes) <= MOST_NOTES
    assert any(note.startswith("and ") and "more" in note for note in notes)


def test_check_prints_the_notes_and_plan_and_run_refuse_before_they_write(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder.parent)
    layer(folder / "wide.gpkg", (75.0, 42.0, 79.0, 46.0), land_use=["mixed"])
    write(folder, "rezone:\n  - {layer: wide.gpkg, at: 2026-01-05}\n" + NO_LISTS)
    assert run_command(["check", "scenarios/mine.yaml"]) == 0
    assert "  note: rezone.0 on 2026-01-05: " in capsys.readouterr().out
    write(folder, "events:\n  - {at: 2026-01-03, outage: {system: power, where: nowhere, hours: 3}}\n")
    for command in ("check", "plan", "run"):
        assert run_command([command, "scenarios/mine.yaml"]) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith("Error: scenarios/mine.yaml:6: events.0.outage: power has no 'nowhere'")
        assert "Traceback" not in shown.err
        assert shown.out == ""
    assert not Path("outputs").exists()


@pytest.mark.parametrize("place", ["mine.yaml", "scenarios/mine.yaml", "ел қала/mine.yaml"])
def test_a_new_scenario_finds_the_city_from_any_folder(folder, place, monkeypatch, capsys):
    monkeypatch.chdir(folder.parent)
    Path(place).parent.mkdir(exist_ok=True)
    assert run_command(["new", place]) == 0
    assert run_command(["check", place]) == 0
    assert f"{place}: fine" in capsys.readouterr().out


def test_checking_loads_no_simulation(folder):
    code = (
        "import sys; from alatau_sim.study.inputs import Inputs; i = Inputs(); i.check(i.load(sys.argv[1]));"
        "print(sorted({'mesa', 'numba', 'geopandas', 'pandas', 'holidays'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder / "baseline.yaml")], capture_output=True, encoding="utf-8", check=True,
                          env={**os.environ, "PYTHONPATH": str(SHIPPED.parent)})
    assert done.stdout.strip() == "[]"
