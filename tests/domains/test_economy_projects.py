"""Anchor projects from announcement to operation, the file of sectors, and what is told of wrong ones."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from alatau_sim.city.words import LAND_USES
from alatau_sim.domains.economy.indicators import build_jobs
from alatau_sim.domains.economy.params import Project
from alatau_sim.domains.economy.tables import OPERATING, allows, check_projects, read_sectors
from alatau_sim.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
from economy_city import HEADER, JOBS, SECTORS, USES, run, simulation, write_sectors  # noqa: E402

# --- anchor projects ------------------------------------------------------------------------------------------------------------


def project(**changes):
    given = {"name": "plant", "zone": "zone-2", "sector": "industry", "announced": dt.date(2026, 1, 5), "jobs": 90, "floor_m2": 5000,
             "power_mw": 2.5}  # fmt: skip
    return Project(**{**given, **changes})


def life(sim):
    """The stage of the only investor at the end of each day."""
    stages = []
    while not sim.finished:
        sim.step()
        stages.append(sim.state["economy"]["investors"][0].stage_name)
    return stages


def test_an_anchor_goes_from_announcement_to_operation(tmp_path):
    sim = simulation(tmp_path, 60, projects=(project(permit_days=10, building_days=20),))
    assert sim.state["economy"]["investors"][0] in set(sim.model.agents)
    stages = life(sim)
    assert stages[2] == "planned"  # the fourth is open
    assert set(stages[4:12]) <= {"announced", "permit"}
    assert stages[20] == "building"
    assert stages[32] == "building"
    assert stages[33] == "operating"  # the fourth of February has opened
    firms = sim.tables["firms"]
    row = int(firms.rows_of(np.array([sim.key_word("project/plant")]))[0])
    assert firms["anchor"][row]
    assert (firms["jobs"][row], firms["floor_m2"][row], firms["process_w"][row], firms["site"][row]) == (90, 5000, 2_500_000, 2)
    assert sim.tables["works"]["owner"][0] == firms.id[row]
    assert firms["staff"][row] > 0


def test_an_anchor_that_opens_within_a_month_shows_its_vacancies_in_that_month(tmp_path):
    sim = run(simulation(tmp_path, 45, projects=(project(permit_days=1, building_days=33),)))
    built = build_jobs(sim)
    assert (built["vacancies"] == built["jobs"] - built["filled"]).all()
    assert built["vacancies"][2] >= 90


def test_without_days_of_its_own_an_anchor_takes_those_of_the_site(tmp_path):
    sim = simulation(tmp_path, 200, projects=(project(),))
    stages = life(sim)
    assert stages.index("operating") == 4 + 60 + 120 - 1
    assert stages.index("building") == 4 + 60 - 1


def test_an_anchor_of_before_the_run_has_gone_on(tmp_path):
    sim = simulation(tmp_path, 5, projects=(project(announced=dt.date(2020, 1, 1), permit_days=10, building_days=20),))
    assert life(sim)[-1] == "operating"
    assert sim.state["economy"]["investors"][0].stage == OPERATING


def test_an_anchor_changes_nothing_before_it_is_announced(tmp_path):
    with_one, without = (simulation(tmp_path, 30, projects=p) for p in ((project(announced=dt.date(2026, 6, 1)),), ()))
    for sim in (with_one, without):
        run(sim)
    for name in ("firms", "residents", "households", "zones"):
        for column in with_one.tables[name].columns:
            np.testing.assert_array_equal(with_one.tables[name][column], without.tables[name][column], err_msg=f"{name}.{column}")


def test_a_sample_has_a_part_of_an_anchor(tmp_path):
    sim = simulation(tmp_path, 45, weight=4, scale=10, projects=(project(permit_days=1, building_days=10, jobs=400, floor_m2=20_000),))
    run(sim)
    firms = sim.tables["firms"]
    row = int(firms.rows_of(np.array([sim.key_word("project/plant")]))[0])
    assert (firms["jobs"][row], firms["floor_m2"][row], firms["process_w"][row], firms["stands_for"][row]) == (100, 5000, 625_000, 1)


# --- bad input ------------------------------------------------------------------------------------------------------------------


def test_the_file_of_sectors_is_read(tmp_path):
    names, columns = read_sectors(write_sectors(tmp_path))
    assert names == ("industry", "trade", "services", "education")
    assert columns["sells_to_people"].tolist() == [False, True, True, False]
    may = allows(np.arange(len(LAND_USES)), int(columns["land_uses"][0]))
    assert [LAND_USES[code] for code in np.flatnonzero(may)] == ["industry", "logistics"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("trade,0.35", "trade,0.40"), r"sectors.csv:5: jobs_share adds up to 1.0500; shares must add up to 1"),
        ((",12,0,0,", ",12,0.5,0,"), r"purchase_share adds up to 1.5000"),
        (("mixed;business,assumed", "mixd;business,assumed"), r"sectors.csv:3: land_uses has 'mixd'.*did you mean 'mixed'"),
        (("services", "trade"), r"sectors.csv:4: sector 'trade' is there twice"),
        (("0.35,0.8", "0.35,cheap"), r"sectors.csv:3: wage_level is 'cheap'; it must be a number within 0.01 … 100"),
        (("0.35,0.8", "0,35,0.8"), r"sectors.csv:3: it has more values than the header has columns; put text with a comma into quotes$"),
        ((",9,21,", ",9,25,"), r"sectors.csv:3: closes_h is '25'; it must be a whole number within 0 … 24"),
    ],
)
def test_wrong_sectors_are_told_with_their_line(tmp_path, change, told):
    path = write_sectors(tmp_path, tuple(row.replace(*change) for row in SECTORS))
    with pytest.raises(InputError, match=told):
        read_sectors(path)


def test_missing_columns_and_files_are_told(tmp_path):
    with pytest.raises(InputError, match=r"sectors.csv:1: the column 'mean_size' is missing; did you mean 'mean_siz'"):
        read_sectors(write_sectors(tmp_path, header=HEADER.replace("mean_size", "mean_siz")))
    with pytest.raises(InputError, match="there is no such file"):
        read_sectors(tmp_path / "none.csv")


def checked(tmp_path, *projects, rows=SECTORS):
    """What is told of some projects in the small city's zoning, with 10 ha a zone."""
    n = len(USES) + 2
    zones = SimpleNamespace(
        zone=tuple(f"zone-{k}" for k in range(n)), outside=np.arange(n) >= len(USES), land_use=np.append(USES, [1, 1]),
        area_m2=np.full(n, 100_000), floor_area_ratio=np.full(n, 0.4), jobs_existing=np.append(JOBS, [0, 0]),
    )  # fmt: skip
    scenario = SimpleNamespace(
        city=SimpleNamespace(sectors=write_sectors(tmp_path, rows)), records={"projects": projects}, rezone=(),
        place=lambda key, number: ("projects.csv", number + 2),
    )  # fmt: skip
    return [str(problem) for problem in check_projects(SimpleNamespace(scenario=scenario, zones=zones))]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"zone": "zone2"}, "projects.csv:2: project 'plant': there is no zone 'zone2'; did you mean"),
        ({"zone": "zone-5"}, "projects.csv:2: project 'plant': zone 'zone-5' is outside the city"),
        ({"sector": "industri"}, "there is no sector 'industri'; did you mean 'industry'?"),
        ({"zone": "zone-0"}, "is zoned 'residential' on 2026-01-05, which sector 'industry' may not use; it may use industry, logistics"),
        ({"floor_m2": 50_000}, "floor_m2 is 50,000; zoning of 'zone-2' has room for"),
        ({"jobs": 0, "floor_m2": 0}, "it has no size; give jobs or floor_m2 above 0"),
    ],
)
def test_wrong_projects_are_told_with_their_line(tmp_path, changes, told):
    found = checked(tmp_path, project(**changes))
    assert len(found) == 1
    assert told in found[0]


def test_wrong_sectors_are_told_without_a_run_and_without_projects(tmp_path):
    found = checked(tmp_path, rows=tuple(row.replace("trade,0.35", "trade,0.45").replace("mixed;", "mixt;") for row in SECTORS))
    assert len(found) == 4
    assert all("sectors.csv:" in line for line in found)
    assert checked(tmp_path) == []


def test_projects_share_the_room_of_their_zone(tmp_path):
    assert checked(tmp_path, project(floor_m2=15_000)) == []
    both = checked(tmp_path, project(floor_m2=15_000), project(name="second", floor_m2=15_000, announced=dt.date(2026, 3, 1)))
    assert len(both) == 1
    assert "'second'" in both[0]
    assert "the name is there twice" in checked(tmp_path, project(), project())[0]
