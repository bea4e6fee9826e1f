"""What differs in the inputs, how well founded an indicator is, what is not known, mixtures of versions; text that fits its width."""

import json
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest
from places_city import KPIS, record_town

from alatau_sim.errors import InputError
from alatau_sim.fields import Param
from alatau_sim.results.compare import compare
from alatau_sim.results.compare_text import Column, table_lines
from alatau_sim.results.evidence import evidence_of
from alatau_sim.results.statistics import stein_interval
from alatau_sim.results.sure import Aim, keep_aim

LINE = {"line": "89", "name": "Gate", "stops": ["a", "b"], "vehicles": 22, "capacity": 90}
BASE = {
    "name": "baseline", "title": "Base", "run": {"end": "2026-12-31", "replicates": 2},
    "policy": {"mobility": {"fare_kzt": 120, "all_electric": False}}, "rules": {"die": {}},
    "rezone": [], "events": [{"at": "2026-05-01", "set": {"policy.mobility.fare_kzt": 130}}],
    "lines": [LINE, {**LINE, "line": "90"}], "projects": [{"name": "Plant", "jobs": 10}, {"name": "Plant", "jobs": 10}],
}  # fmt: skip
HUB = {
    **BASE, "name": "hub", "title": "Hub", "run": {"end": "2026-12-31", "replicates": 8},
    "policy": {"mobility": {"fare_kzt": 150, "all_electric": True}}, "rules": {"die": {"rate": 0.5}},
    "rezone": [{"zones": ["gate-1", "gate-2", "gate-3", "gate-4"], "use": "mixed", "at": "2028-01-01"}],
    "events": [{"at": "2026-05-01", "set": {"policy.mobility.fare_kzt": 140}}, {"at": "2027-01-01", "weather": {"hours": 3}}],
    "lines": [{**LINE, "vehicles": 44}], "projects": [{"name": "Plant", "jobs": 10}],
}  # fmt: skip
FAST = {"end": date(2026, 1, 31)}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("inputs") / "plan"
    record_town(out, "baseline", resolved=BASE, inputs={"zones.geojson": "a", "lines.csv": "b"}, **FAST)
    record_town(out, "hub", resolved=HUB, inputs={"zones.geojson": "a", "lines.csv": "c", "new.csv": "d"},
                rules=({"file": "mine.py", "sha256": "e", "text": "x"}, {"plugin": "water", "version": "2"}), **FAST)
    return out


def test_every_difference_of_the_inputs_is_told(study):
    assert [one.words() for one in compare(study).inputs["hub"]] == [
        "policy.mobility.fare_kzt: 120 → 150",
        "policy.mobility.all_electric: no → yes",
        "rules.die.rate: added 0.5",
        "rezone: at 2028-01-01: added zones gate-1, gate-2, gate-3 and 1 …, use mixed, at 2028-01…",
        "events: at 2026-05-01, set: policy.mobility.fare_kzt 130 → policy.mobility.fare_kzt 140",
        "events: at 2027-01-01: added at 2027-01-01, weather hours 3",
        "lines: line 89, vehicles: 22 → 44",
        "lines: line 90: removed line 90, name Gate, stops a, b, vehicles 22, capacity 90",
        "projects: name Plant: removed name Plant, jobs 10",
        "lines.csv: other content", "new.csv: added", "mine.py: added", "plug-in water: added",
    ]  # fmt: skip


def test_the_text_tells_the_first_and_json_tells_all(study):
    comparison = compare(study)
    text = comparison.text(width=80)
    assert "inputs that differ:\n  policy.mobility.fare_kzt: 120 → 150\n" in text
    assert "and 1 more (`compare --format json` lists them)" in text
    told = json.loads(comparison.json())["inputs"]["hub"]
    assert len(told) == 13
    assert told[0] == {"part": "key", "name": "policy.mobility.fare_kzt", "what": "changed", "baseline": 120, "value": 150, "entry": ""}


def test_an_edit_that_changes_no_byte_is_called_identical(study):
    # both made the same results here, though their inputs differ
    comparison = compare(study)
    assert comparison.identical == ["hub"]
    assert "hub against baseline: identical, byte for byte" in comparison.text()
    assert {change.verdict for change in comparison.changes} == {"baseline", "no difference"}
    assert all(change.p_adjusted is None for change in comparison.changes)


def test_equal_inputs_have_no_difference(tmp_path):
    record_town(tmp_path, "baseline", resolved=BASE, **FAST)
    record_town(tmp_path, "same", resolved={**BASE, "name": "same", "title": "Same"}, **FAST)
    assert compare(tmp_path).inputs == {"same": []}


# ---- evidence ----


def test_each_indicator_shows_how_well_founded_it_is(study):
    comparison = compare(study)
    change = next(one for one in comparison.changes if one.kpi == "trips")
    assert (change.founded_share, change.upstream_founded_share) == (3 / 8, 1.0)
    assert comparison.evidence["mobility"].reads == ("people",)
    different = replace(comparison, identical=[], changes=[
        replace(one, verdict="higher", relative=0.5) if one.scenario == "hub" else one for one in comparison.changes
    ])  # fmt: skip
    head = "mobility: 3 of 8 parameters have a source, 5 are assumed; of the domains that it reads from, 100 % have one"
    assert head in different.text(width=200)


def test_evidence_is_counted_by_domain_with_what_it_reads():
    def section(*evidence):
        return SimpleNamespace(params=lambda: {str(i): Param(1, evidence=one, source="x") for i, one in enumerate(evidence)})

    def domain(name, policy, world, rule):
        return SimpleNamespace(name=name, policy=policy, world=world, rules=[SimpleNamespace(params=rule.params())])

    item = SimpleNamespace
    model = SimpleNamespace(
        sim=SimpleNamespace(domains=[domain("a", section("measured"), section("assumed", "assumed"), section("sourced")),
                                     domain("b", None, None, section("calibrated")), domain("empty", None, None, section())]),
        plan=[item(domain="a", reads=("firms.jobs", "grid:load"), writes=("zones.rent",)),
              item(domain="b", reads=(), writes=("+firms.jobs",))],
    )  # fmt: skip
    assert evidence_of(model) == {
        "a": {"parameters": {"measured": 1, "calibrated": 0, "sourced": 1, "assumed": 2}, "reads": ["b"]},
        "b": {"parameters": {"measured": 0, "calibrated": 1, "sourced": 0, "assumed": 0}, "reads": []},
    }
    assert evidence_of(object()) == {}


# ---- worlds ----


def test_shares_of_variance_stand_beside_the_intervals(tmp_path):
    for world, shift in enumerate((0, 10, 20, 60)):
        for replicate in range(3):
            record_town(tmp_path, "baseline", replicate, world=world, **FAST)
            record_town(tmp_path, "hub", replicate, world=world, extra={"south": 100 + shift + replicate}, **FAST)
    comparison = compare(tmp_path)
    change = next(one for one in comparison.changes if one.kpi == "trips" and one.scenario == "hub")
    # worlds 10, 20, 60 have variance 700, luck 0, 1, 2 has variance 1, and nothing is left over
    assert change.unknown_share == pytest.approx(700 / 701)
    assert change.worlds == 3
    text = " ".join(comparison.text(width=140).split())
    assert "P10 … P90: what is not known, over 3 worlds" in text
    assert "not known: its share of a difference's variance, the rest is luck" in text


def test_one_replicate_a_world_cannot_separate_luck(tmp_path):
    for world in range(3):
        record_town(tmp_path, "baseline", world=world, **FAST)
        record_town(tmp_path, "hub", world=world, extra={"south": 100 + world}, **FAST)
    comparison = compare(tmp_path)
    assert all(change.unknown_share is None for change in comparison.changes)
    assert "its share and that of luck cannot be separated" in " ".join(comparison.text().split())


# ---- many indicators, other intervals ----


def test_verdicts_are_corrected_for_the_number_of_indicators(tmp_path):
    def lifted(sim, i):
        # in the scenario, the first indicator rises a little and unevenly, the others swing around no difference
        luck, hub = int(sim.trips[0] // 10 % 10), int(sim.trips[2] % 10)
        return luck + hub * ((luck + 2.0) if i == 0 else (-1.0) ** (luck + i))

    many = tuple(
        replace(KPIS[2], name=f"k{i}", label=f"K{i}", better="neither", compute=lambda sim, i=i: lifted(sim, i)) for i in range(12)
    )
    for replicate in range(4):
        record_town(tmp_path, "baseline", replicate, kpis=many, **FAST)
        record_town(tmp_path, "hub", replicate, kpis=many, extra={"south": 1}, **FAST)
    found = {one.kpi: one for one in compare(tmp_path).changes if one.scenario == "hub"}
    rising = found["k0"]  # by hand: 2, 3, 4, 5 have t = 5.42, p = 0.0123 with 3 degrees of freedom, one of twelve tested
    assert (rising.p, rising.p_adjusted) == (pytest.approx(0.0123, abs=1e-4), pytest.approx(12 * rising.p))
    assert rising.low > 0
    assert rising.verdict == "not clear"
    assert {one.verdict for one in found.values()} == {"not clear"}


def test_an_interval_without_0_may_still_be_luck_among_many(study):
    comparison = compare(study)
    one = next(c for c in comparison.changes if c.scenario == "hub" and c.kpi == "trips")
    unclear = replace(one, verdict="not clear", low=1.0, high=2.0, difference=1.5, relative=0.1, pairs=4, p=0.04, p_adjusted=0.3)
    text = " ".join(replace(comparison, identical=[], changes=[unclear]).text(width=100).split())
    assert "corrected for the 1 indicators that differ and were tested at once (Benjamini and Hochberg, 5 %)" in text
    assert "also where the interval alone leaves out 0 (1 here)" in text


def test_bootstrap_intervals_are_named_and_repeat(tmp_path):
    for replicate in range(4):
        record_town(tmp_path, "baseline", replicate, **FAST)
        record_town(tmp_path, "hub", replicate, extra={"south": 300 + 7 * replicate}, **FAST)
    first, again = (compare(tmp_path, bootstrap="bca") for _ in range(2))
    assert first.json() == again.json()
    assert first.method == "bootstrap (BCa)"
    assert "by bootstrap (BCa) over 4 pairs of replicates; too narrow over so few pairs" in " ".join(first.text().split())
    change = next(one for one in first.changes if one.kpi == "trips" and one.scenario == "hub")
    assert 300 <= change.low <= change.high <= 321
    with pytest.raises(InputError, match="percentile or bca"):
        compare(tmp_path, bootstrap="normal")  # type: ignore[arg-type]


def test_a_study_finished_by_the_two_stage_rule_keeps_its_interval(tmp_path):
    lifts = [300, 310, 320, 305, 315]
    for replicate, lift in enumerate(lifts):
        record_town(tmp_path, "baseline", replicate, **FAST)
        record_town(tmp_path, "hub", replicate, extra={"south": lift}, **FAST)
    plain = next(one for one in compare(tmp_path).changes if one.kpi == "trips" and one.scenario == "hub")
    keep_aim(tmp_path, Aim("trips", 2026, 3))
    comparison = compare(tmp_path)
    kept = next(one for one in comparison.changes if one.kpi == "trips" and one.scenario == "hub")
    assert (kept.low, kept.high) == pytest.approx(stein_interval(lifts, 3))
    assert kept.high - kept.low > plain.high - plain.low
    assert kept.difference == plain.difference
    assert any("by the spread of the first 3 (Stein 1945)" in note for note in comparison.notes)
    (tmp_path / "until_sure.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=r"until_sure\.json: is broken"):
        compare(tmp_path)


# ---- what does not belong together ----


def test_runs_of_one_scenario_from_other_inputs_are_refused(tmp_path):
    record_town(tmp_path, "baseline", 0, **FAST)
    record_town(tmp_path, "baseline", 1, hash="i" * 64, **FAST)
    with pytest.raises(InputError, match=r"runs of baseline were made from different inputs \(hash h+…: baseline-0-0; i+…: baseline-0-1\)"):
        compare(tmp_path)


def test_mixed_versions_are_told_and_changed_indicators_left_out(tmp_path):
    record_town(tmp_path, "baseline", 0, version="1.0", **FAST)
    other = (replace(KPIS[0], over_year="mean"), *KPIS[1:])
    record_town(tmp_path, "hub", 0, version="2.0", kpis=other, extra={"south": 30}, **FAST)
    comparison = compare(tmp_path)
    assert "mixed versions of alatau_sim: 1.0: baseline-0-0; 2.0: hub-0-0; `run --force` makes all runs with one" in comparison.notes
    assert ("left out, because unit or formula differ between versions: trips (alatau_sim 1.0: baseline-0-0 | alatau_sim 2.0: hub-0-0); "
            "run the older ones again with --force") in comparison.notes
    assert {change.kpi for change in comparison.changes} == {"wait", "mood"}


def test_an_indicator_that_only_one_has_is_listed(tmp_path):
    record_town(tmp_path, "baseline", 0, kpis=KPIS[:2], **FAST)
    record_town(tmp_path, "hub", 0, **FAST)
    comparison = compare(tmp_path)
    assert "only hub has values of mood; baseline has none" in comparison.notes
    assert next(c for c in comparison.changes if c.kpi == "mood" and c.scenario == "hub").verdict == "no pairs"


# ---- text ----


def test_no_line_is_wider_than_the_screen_and_no_number_is_cut(study):
    comparison = compare(study)
    one = next(c for c in comparison.changes if c.scenario == "hub" and c.kpi == "trips")
    long = replace(one, verdict="higher", label="A long name of an indicator that must be folded into several lines", mean=4_711_082.0,
                   baseline_mean=4_000_000.0, difference=711_082.0, low=-4_709_771.0, high=4_712_393.0, relative=0.18, pairs=4,
                   unit="million KZT a month")
    shown = replace(comparison, identical=[], inputs={}, changes=[long])
    for width in (80, 100, 120):
        lines = shown.text(width=width).splitlines()
        assert max(map(len, lines)) <= width
        assert any("+711,082" in line and "-4,709,771 … +4,712,393" in line for line in lines)
    assert "4,000,000" not in shown.text(width=80)
    assert "no room here for: baseline" in shown.text(width=80)
    assert "4,000,000" in shown.text(width=120)


def test_a_table_leaves_out_the_least_needed_column_first():
    columns = [Column("name", ["some words here"], False, fold=(6, 20)), Column("x", ["123456"], leave=2), Column("y", ["123456"], leave=1)]
    assert table_lines(columns, 40)[1].split() == ["some", "words", "here", "123456", "123456"]
    assert table_lines(columns, 20)[0].split() == ["name", "y"]
    assert table_lines(columns, 14)[1:] == ["some    123456", "words", "here"]
    assert table_lines(columns, 8)[0] == "name"
