"""What `check` says that a scenario implies: sums that a hand can follow, beside references that are read from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from alatau_sim.cli import run_command
from alatau_sim.errors import InputError
from alatau_sim.study.implied import LABELS, implied, read_references
from alatau_sim.study.inputs import load_scenario

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "scenarios" / "baseline.yaml"


def figures(*sets):
    return {one.what: one for one in implied(load_scenario(BASELINE, sets=sets))}


def test_the_balance_of_the_shipped_city_is_that_of_its_sources():
    """SOURCES.md: 873 births, 459 deaths and 1,028 more who come than go make the city's growth of 2.63 %."""
    found = figures()
    assert set(found) == set(LABELS)
    growth = found["growth_share"]
    assert growth.value == pytest.approx(0.0263, abs=0.0002)
    assert growth.total == "+873 born, -459 dead, +1,028 moved a year"
    assert not growth.outside
    assert {one.name for one in growth.references} >= {"Astana 2025", "the plan to 2050"}


def test_more_invited_is_told_to_lie_outside():
    found = figures("policy.people.invitation_factor=6")
    assert found["growth_share"].outside
    assert found["net_arrivals_per_1000_month"].outside
    assert "OUTSIDE" in found["growth_share"].lines()[0]


def test_the_programme_and_the_projects_are_added_up_by_hand():
    lists = (
        "programme=[{zone: gate-02, use: homes, dwellings: 100, announced: 2026-02-01}, "
        "{zone: gate-02, use: homes, floor_m2: 1600, announced: 2027-02-01}, "
        "{zone: gate-02, use: homes, dwellings: 7, announced: 2029-01-01}]",
        "projects=[{name: a, zone: gate-03, sector: industry, announced: 2026-01-10, permit_days: 10, building_days: 100, jobs: 60}, "
        "{name: b, zone: gate-03, sector: industry, announced: 2027-12-01, permit_days: 10, building_days: 100, jobs: 90}]",
    )
    found = figures(*lists, "city.residents=10000", "policy.land.m2_per_dwelling=84", "policy.land.programme_factor=2")
    years = 730 / 365.2425
    assert found["homes_m2_per_resident_year"].value == pytest.approx(2 * (100 * 84 + 1600) / years / 10_000)
    assert found["jobs_per_resident_year"].value == pytest.approx(60 / years / 10_000)


def test_without_references_the_figures_stand_alone(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert run_command(["check", "scenarios/baseline.yaml", "--set", "city.reference=null"]) == 0
    shown = capsys.readouterr().out
    assert "growth of the population: 0.0263 (+873 born" in shown
    assert "beside " not in shown


def test_references_do_not_change_the_scenario():
    assert load_scenario(BASELINE).hash == load_scenario(BASELINE, sets=["city.reference=null"]).hash


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("what,name,unit,low,high\n", "ref.csv:1: the column 'value' is missing"),
        ("what,name,unit,low,high,value\ngrowth_share,a,1,0,x,1\n", "ref.csv:2: low, high and value must be numbers"),
        ("what,name,unit,low,high,value\ngrowth,a,1,0,1,1\n", "ref.csv:2: what is 'growth'; it must be one of growth_share"),
        ("what,name,unit,low,high,value\ngrowth_share,a,1,2,1,1\n", "with low up to high"),
    ],
)
def test_wrong_references_are_told_with_their_line(tmp_path, text, told):
    path = tmp_path / "ref.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        read_references(path)
