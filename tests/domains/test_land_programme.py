"""The building programme: announced on its days, as far as zoning has room, and told before the run where it does not fit."""

from __future__ import annotations

import datetime as dt
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest
from land_city import FIRST, entry, run, start

from alatau_sim.city.zones import load_zones
from alatau_sim.domains.land import DOMAIN
from alatau_sim.domains.land.params import Programme
from alatau_sim.domains.land.settle import COMMODITIES
from alatau_sim.domains.land.tables import HOMES, WORKSPACE, capacity, check_programme, starting_workspace
from alatau_sim.engine.clock import DAY_S, date_of, day_number
from alatau_sim.errors import Problem
from alatau_sim.scenario.specs import RezoneSpec

DAY_ONE = day_number(FIRST)
MAP = Path(__file__).parents[2] / "scenarios" / "alatau" / "zones.geojson"


# --- in the run ------------------------------------------------------------------------------------------------------------------


def test_a_larger_programme_builds_the_same_sites_and_more():
    programme = [entry("new", dwellings=200)]
    few, many = (run(start(10, programme=programme, programme_factor=f, site_m2=2000, market=False)) for f in (1, 2))
    assert set(few.tables["works"].id) < set(many.tables["works"].id)


def test_the_programme_keeps_its_land_from_developers():
    """Land that a later entry of the programme needs is not built on before, so that all of it comes."""
    full = [entry("old", dwellings=480, after=150)]
    sim = run(start(200, programme=full, world={"adjustment_speed": 12.0, "natural_vacancy_share": 0.4}, market_starts_factor=5.0))
    assert sim.ledger.balance("dwellings", "announced") <= -480
    assert sim.state["land"]["plan"].announced.all()
    works = sim.tables["works"]
    assert works["dwellings"][works["announced_day"] == DAY_ONE + 150].sum() == 480


def test_announcements_fall_on_their_days():
    sim = start(40, programme=[entry("new", dwellings=5, after=3), entry("new", dwellings=7, after=9)], programme_delay_days=10,
                market=False)  # fmt: skip
    days = deque()
    run(sim, lambda s: days.append(s.tables["works"]["dwellings"].sum()))
    assert [days[k] for k in (12, 13, 18, 19)] == [0, 5, 5, 12]
    assert [date_of(day) for day in sim.tables["works"]["announced_day"].tolist()] == [FIRST + dt.timedelta(days=k) for k in (13, 19)]
    assert int(sim.env.now) // DAY_S == DAY_ONE + 40


def test_an_entry_more_or_elsewhere_in_the_list_changes_no_other_ones_sites():
    one, two = entry("new", dwellings=40, name="a"), entry("old", dwellings=40, name="b")
    base, turned = (run(start(5, programme=p, market=False)) for p in ([one], [two, one]))
    sites = [{int(i) for i, z in zip(s.tables["works"].id, s.tables["works"]["zone"], strict=True) if z == 1} for s in (base, turned)]
    assert sites[0] == sites[1] != set()
    twice = run(start(5, programme=[one, one], market=False))
    assert twice.tables["works"]["dwellings"].sum() == 80


def test_what_has_no_room_when_its_day_comes_is_left_out_and_told():
    """Two entries fit the zone's zoning of the first day; then it is rezoned to fewer."""
    def rezone(sim):
        sim.tables["zones"]["dwellings_planned"][1] = 250

    programme = [entry("new", dwellings=200, after=1), entry("new", dwellings=200, after=20)]
    sim = start(31, programme=programme, events=[(DAY_ONE + 10, rezone)], market=False)
    run(sim)
    assert sim.tables["works"]["dwellings"].sum() == 250
    cut = next(kpi for kpi in DOMAIN.kpis if kpi.name == "programme_cut")
    assert cut.compute(sim) == 150


# --- before the run --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zones():
    return load_zones(MAP)


def told(zones, *entries, rezone=(), end=dt.date(2027, 12, 31), **policy):
    """What the check says of a programme, each entry on the line after the one before (the first on line 2)."""
    scenario = SimpleNamespace(
        records={"programme": entries}, place=lambda key, number: (f"{key}.csv", number + 2), policy={"land": DOMAIN.policy(**policy)},
        world={"land": DOMAIN.world()}, rezone=rezone, run=SimpleNamespace(start=dt.date(2026, 1, 1), end=end),
    )
    return [found if isinstance(found, str) else str(found) for found in check_programme(SimpleNamespace(scenario=scenario, zones=zones))]


def programme_of(zone, use="homes", at="2026-05-01", name="", **size):
    return Programme(name=name, zone=zone, use=use, announced=dt.date.fromisoformat(at), **size)


def room_of(zones, zone, use):
    """What zoning allows in a zone beyond what stands."""
    row = zones.zone.index(zone)
    stands = (zones.dwellings_existing, starting_workspace(zones.columns(), DOMAIN.world()))[use]
    return int(capacity(zones.columns(), DOMAIN.policy())[use][row]) - int(stands[row])


def problems(lines):
    return [line for line in lines if line.startswith("programme.csv:")]


@pytest.mark.parametrize(("entry", "words"), [
    (programme_of("gatte-02", dwellings=5), "there is no zone 'gatte-02'; did you mean 'gate-02'?"),
    (programme_of("almaty", dwellings=5), "zone 'almaty' is outside the city; nothing is built there"),
    (programme_of("gate-02"), "homes need dwellings or floor_m2 above 0"),
    (programme_of("gate-02", floor_m2=50), "50 m2 make no dwelling of 84 m2 (policy.land.m2_per_dwelling)"),
    (programme_of("gate-02", floor_m2=50, dwellings=50), "50 m2 for 50 dwellings are less than 10 m2 each"),
    (programme_of("gate-03", "workspace"), "workspace needs floor_m2 above 0 [m2]"),
    (programme_of("gate-03", "workspace", dwellings=3, floor_m2=9), "use 'workspace' has no dwellings; it names 3"),
    (programme_of("gate-03", dwellings=3), "zone 'gate-03' has the land use 'industry' on 2026-05-01, which allows no homes"),
    (programme_of("growing-29", "workspace", floor_m2=9),
     "zone 'growing-29' has the land use 'open' on 2026-05-01, which allows no workspace"),
])  # fmt: skip
def test_what_is_wrong_with_an_entry_is_told_with_file_and_line(zones, entry, words):
    assert problems(told(zones, programme_of("gate-04", dwellings=1), entry)) == [f"programme.csv:3: programme: {words}"]
    named = Programme(**{**dict(entry), "name": "First quarter"})
    assert problems(told(zones, named)) == [f"programme.csv:2: programme: 'First quarter': {words}"]


def test_more_than_zoning_allows_is_told_at_the_row_that_passes_it(zones):
    """Rows count in the order of their days; the first that passes the zone's room is named, with the numbers."""
    fits = room_of(zones, "gate-02", HOMES)
    rows = [programme_of("gate-02", at="2027-01-01", dwellings=2), programme_of("gate-02", at="2026-01-01", dwellings=fits - 1),
            programme_of("gate-02", at="2027-02-01", dwellings=1)]  # fmt: skip
    assert not problems(told(zones, rows[1], programme_of("gate-02", at="2027-01-01", dwellings=1)))
    (line,) = problems(told(zones, *rows))
    row = zones.zone.index("gate-02")
    assert line == (
        f"programme.csv:2: programme: with it the programme has {fits + 1:,} dwellings in zone 'gate-02'; zoning has room for {fits:,} on "
        f"2027-01-01 (allowed {fits + zones.dwellings_existing[row]:,}: residential, floor_area_ratio {zones.floor_area_ratio[row]:g}, "
        f"coverage {zones.coverage[row]:g}, {zones.dwellings_planned[row]:,} planned; standing {zones.dwellings_existing[row]:,})"
    )
    space = room_of(zones, "gate-05", WORKSPACE)
    assert not problems(told(zones, programme_of("gate-05", "workspace", floor_m2=space)))
    (line,) = problems(told(zones, programme_of("gate-05", "workspace", floor_m2=space + 1)))
    assert f"{space + 1:,} m2 of workspace in zone 'gate-05'; zoning has room for {space:,}" in line
    (line,) = problems(told(zones, programme_of("gate-02", dwellings=fits // 2 + 1), programme_factor=2.0))
    assert "(sizes × policy.land.programme_factor 2)" in line


def test_zoning_is_that_of_the_day_of_the_announcement(zones):
    """Industry becomes a mixed quarter: homes fit from that day on, and not with a programme that comes before it."""
    change = RezoneSpec(at=dt.date(2026, 7, 1), zones=("gate-03",), use="mixed", dwellings_planned=100)
    after, before = programme_of("gate-03", at="2026-07-01", dwellings=100), programme_of("gate-03", at="2026-06-30", dwellings=100)
    assert not problems(told(zones, after, rezone=(change,)))
    assert "'industry' on 2026-06-30, which allows no homes" in problems(told(zones, before, rezone=(change,)))[0]
    assert not problems(told(zones, before, rezone=(change,), programme_delay_days=1))
    assert len(problems(told(zones, after, programme_of("gate-03", at="2026-08-01", dwellings=1), rezone=(change,)))) == 1


def test_what_comes_after_the_run_is_a_note_and_plans_that_zoning_forbids_too(zones):
    lines = told(zones, programme_of("gate-02", at="2031-01-01", dwellings=1), programme_of("gate-02", dwellings=1))
    assert "programme: 1 of 2 entries are announced after the run's end, 2027-12-31" in lines
    assert not problems(lines)
    low = told(zones, storeys_most=1.0)
    assert any(line.startswith("zoning: ") and "planned dwellings" in line for line in low)


def test_a_programme_that_passes_the_check_is_built_whole_where_nobody_else_builds():
    for use in (HOMES, WORKSPACE):
        size = {"dwellings": 499} if use == HOMES else {"floor_m2": 9_999}
        sim = run(start(3, programme=[entry("new", use=("homes", "workspace")[use], after=1, **size)], market=False))
        assert -sim.ledger.balance(COMMODITIES[use], "announced") == max(size.values())
    assert isinstance(next(iter(check_programme(broken()))), Problem)


def broken():
    """A scenario whose programme names a zone that is not there."""
    zones = SimpleNamespace(zone=("a",))
    scenario = SimpleNamespace(
        records={"programme": (entry("b", dwellings=1),)}, place=lambda key, number: (key, number), policy={"land": DOMAIN.policy()}
    )
    return SimpleNamespace(scenario=scenario, zones=zones)
