"""The built-in scenarios: each says what it asks and rests on, loads, fits its map, and differs from the baseline in what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from alatau_sim.domains import domains
from alatau_sim.engine.domain import Domain, compose
from alatau_sim.errors import Problem
from alatau_sim.scenario import Scenario, load_scenario
from alatau_sim.scenario.zoning import City, load_map

FOLDER = Path(__file__).resolve().parents[1] / "scenarios"
NAMES = sorted(file.stem for file in FOLDER.glob("*.yaml"))
BUILT_IN = {
    "baseline", "cold_snap", "crypto_hub", "frequent_buses", "full_size", "growth_high", "growth_low", "rezoning_demo",
}  # fmt: skip


@pytest.fixture(scope="module")
def parts() -> tuple[Domain, ...]:
    return domains()


@pytest.fixture(scope="module")
def scenarios(parts: tuple[Domain, ...]) -> dict[str, Scenario]:
    return {name: load_scenario(FOLDER / f"{name}.yaml", composition=compose(parts)) for name in NAMES}


def test_the_built_in_scenarios_are_there() -> None:
    assert set(NAMES) >= BUILT_IN


@pytest.mark.parametrize("name", NAMES)
def test_a_head_comment_says_what_it_asks_and_rests_on(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert text.startswith("# ")
    assert sum(line.startswith("# Asks: ") for line in head) == 1
    assert sum(line.startswith("# Rests on: ") for line in head) == 1
    assert "assumed" in "".join(head).lower()


@pytest.mark.parametrize("name", NAMES)
def test_what_it_names_fits_its_map(name: str, scenarios: dict[str, Scenario], parts: tuple[Domain, ...]) -> None:
    city = City(scenarios[name], load_map(scenarios[name]))
    problems = [str(found) for part in parts for check in part.checks for found in check(city) if isinstance(found, Problem)]
    assert not problems
    assert scenarios[name].name == name


def differing(base: Scenario, other: Scenario) -> set[str]:
    """The parts in which two scenarios differ, policies and worlds by domain."""
    same = ("run", "map", "city", "rules", "rezone", "records", "results")
    found = {part for part in same if getattr(base, part) != getattr(other, part)}
    for kind in ("policy", "world"):
        ours, theirs = getattr(base, kind), getattr(other, kind)
        found |= {f"{kind}.{domain}" for domain in ours if ours[domain] != theirs[domain]}
    return found


@pytest.mark.parametrize(
    ("name", "parts_that_differ"),
    [
        ("crypto_hub", {"policy.payments"}),
        ("frequent_buses", {"policy.mobility"}),
        ("cold_snap", set()),
        ("growth_low", {"policy.land", "policy.people", "world.economy"}),
        ("growth_high", {"policy.land", "policy.people", "policy.economy", "world.economy"}),
        ("rezoning_demo", {"rezone"}),
        ("full_size", {"run", "map", "city", "records", "policy.payments", "world.economy"}),
    ],
)
def test_it_differs_from_the_baseline_in_what_it_says(name: str, parts_that_differ: set[str], scenarios: dict[str, Scenario]) -> None:
    assert differing(scenarios["baseline"], scenarios[name]) == parts_that_differ


def test_the_hub_has_one_outage_of_its_rail_and_grants_that_fall(scenarios: dict[str, Scenario]) -> None:
    outages = [event.outage for event in scenarios["crypto_hub"].events if event.outage]
    assert [(o.system, o.where, o.hours) for o in outages] == [("payments", "crypto_rail", 12)]
    grants = [event.set["policy.payments.merchant_grant_kzt"] for event in scenarios["crypto_hub"].events if event.set
              and "policy.payments.merchant_grant_kzt" in event.set]  # fmt: skip
    assert len(grants) == 2
    assert grants == sorted(grants, reverse=True)


def test_the_cold_snap_takes_the_tight_substation_for_the_same_hours(scenarios: dict[str, Scenario]) -> None:
    cold, out = scenarios["cold_snap"].events
    assert cold.weather is not None
    assert out.outage is not None
    assert (cold.weather.temperature_c, cold.weather.hours) == (-37.7, 36)
    assert (out.outage.system, out.outage.where, out.outage.hours) == ("power", "zhetygen-substation", 36)
    assert cold.at == out.at


def test_growth_is_slower_and_faster_than_the_baseline(scenarios: dict[str, Scenario]) -> None:
    low, base, high = (scenarios[name] for name in ("growth_low", "baseline", "growth_high"))
    land = [scenario.policy["land"] for scenario in (low, base, high)]
    for lever in ("programme_factor", "market_starts_factor"):
        values = [getattr(policy, lever) for policy in land]
        assert values == sorted(set(values)), lever
    assert [policy.permit_days for policy in land] == sorted({policy.permit_days for policy in land}, reverse=True)
    invited = [scenario.policy["people"].invitation_factor for scenario in (low, base, high)]
    assert invited == sorted(set(invited))
    growth = [scenario.world["economy"].demand_growth for scenario in (low, base, high)]
    assert growth == sorted(set(growth))


def test_buses_come_twice_as_often_with_twice_the_fleet(scenarios: dict[str, Scenario]) -> None:
    mobility = scenarios["frequent_buses"].policy["mobility"]
    assert (mobility.frequency_factor, mobility.fleet_factor) == (2, 2)


def test_the_full_size_city_has_the_people_homes_and_jobs_of_the_plan(scenarios: dict[str, Scenario]) -> None:
    scenario = scenarios["full_size"]
    zones = load_map(scenario)
    inside = ~zones.outside
    assert scenario.city.residents == int(zones.residents_existing[inside].sum()) == 1_870_000
    assert int(zones.dwellings_existing[inside].sum()) == 550_000
    assert int(zones.jobs_existing[inside].sum()) == 1_000_000
    assert not scenario.records["programme"]
    assert not scenario.records["projects"]
    assert len(scenario.records["lines"]) > 20
    assert (scenario.run.end - scenario.run.start).days == 30
