"""Where and when an indicator differs: columns that add up to it, zones, districts, hours and groups; other maps and horizons."""

import csv
import io
import json
from datetime import date

import pyarrow as pa
import pytest
from places_city import draw_town, record_town

from alatau_sim.errors import InputError
from alatau_sim.results.compare import compare
from alatau_sim.results.where import Where


def both(out, replicates=3, **hub):
    for replicate in range(replicates):
        record_town(out, "baseline", replicate)
        record_town(out, "hub", replicate, **{"extra": {"south": 300 + replicate}, **hub})
    draw_town(out)
    return out


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return both(tmp_path_factory.mktemp("where") / "plan")


def ways(comparison, kpi="trips") -> dict[str, Where]:
    return {one.by: one for one in comparison.where if one.kpi == kpi}


def test_the_column_that_adds_up_is_found_and_not_its_neighbour(study):
    found = ways(compare(study, where=["trips"]))
    assert list(found) == ["zone", "district", "hour", "line"]
    assert (found["zone"].table, found["zone"].column, found["zone"].fit) == ("zones_trips_month", "trips", "exact")
    assert (found["hour"].table, found["hour"].fit) == ("trips_profile_month", "near")
    assert found["line"].fit == "exact"


def test_places_are_paired_and_the_largest_change_comes_first(study):
    found = ways(compare(study, where=["trips"]))
    (place,) = found["zone"].places  # the others are the same in every pair
    assert (place.key, place.label, place.pairs) == ("south", "south (South end)", 3)
    assert place.difference == pytest.approx(12 * 301)  # the pairs differ by 300, 301, 302 a month
    assert place.low is not None
    assert place.low < 12 * 301 < place.high
    assert place.clear
    assert (found["zone"].count, found["zone"].differing) == (3, 1)
    assert [one.key for one in found["district"].places] == ["new"]
    assert found["district"].places[0].difference == pytest.approx(12 * 301)
    assert found["hour"].places[0].label in ("08 h workday", "08 h day off")
    assert found["line"].places[0].key == "2"


def test_what_does_not_add_up_is_found_by_name_and_says_so(study):
    (zone, district) = (ways(compare(study, where=["wait"]), "wait")[by] for by in ("zone", "district"))
    assert (zone.column, zone.fit) == ("mean_wait_min", "named")
    assert zone.places[0].difference == pytest.approx(0.301)
    assert district.places[0].difference == pytest.approx(0.301)  # averaged, not added: one zone
    assert "alike in name" in compare(study, where=["wait"]).text()


def test_an_indicator_without_a_table_says_so(study):
    comparison = compare(study, where=["mood"])
    assert comparison.where == []
    assert "Mood: no recorded table tells it by zone, hour or group" in comparison.text()


def test_the_largest_clear_changes_are_looked_into_by_themselves(study):
    comparison = compare(study, where="top")
    assert {one.kpi for one in comparison.where} == {"trips", "wait"}
    assert "where and when it changes most" in comparison.text()
    assert "zone south (South end) +3,612 trips" in comparison.text()
    assert compare(study).where == []


def test_an_unknown_indicator_is_refused_with_the_nearest(study):
    with pytest.raises(InputError, match=r"no indicator 'trip'; did you mean 'trips'\?"):
        compare(study, where=["trip"])


def test_zones_of_other_maps_are_met_by_their_ids(tmp_path):
    out = both(tmp_path / "s", zones=("north", "south", "airport"))
    found = ways(compare(out, where=["trips"]))["zone"]
    assert {one.key for one in found.places} == {"south"}
    assert found.count == 2
    assert found.alone == ["airport (Airport) (only in hub)", "middle (only in baseline)"]
    assert "without a partner, so not compared: airport (Airport) (only in hub), middle (only in baseline)" in (
        " ".join(compare(out, where=["trips"]).text().split())
    )


def test_other_horizons_are_compared_over_what_both_have(tmp_path):
    out = both(tmp_path / "s", end=date(2027, 6, 30))
    comparison = compare(out)
    assert [(c.year, c.months, c.difference) for c in comparison.changes if c.kpi == "trips" and c.scenario == "hub"] == [
        (2026, 12, pytest.approx(12 * 301)), (2027, 6, None),
    ]
    assert "baseline has no 2027, hub has: not compared" in comparison.notes
    assert "hub against baseline, 2026" in comparison.text()
    half = both(tmp_path / "half", end=date(2026, 3, 31))
    comparison = compare(half, where=["trips"])
    (change,) = [c for c in comparison.changes if c.kpi == "trips" and c.scenario == "hub"]
    assert (change.months, change.difference) == (3, pytest.approx(3 * 301))
    assert change.baseline_mean == pytest.approx(3 * (6000 + 30))
    assert "2026: hub has 3 months and baseline 12; compared over the 3 that both have" in comparison.notes
    assert ways(comparison)["zone"].places[0].difference == pytest.approx(3 * 301)


def test_places_come_as_csv_and_json(study):
    comparison = compare(study, where=["trips"])
    rows = list(csv.DictReader(io.StringIO(comparison.csv())))
    assert len(rows) == sum(len(one.places) for one in comparison.where)
    first = comparison.where[0]
    assert (rows[0]["by"], rows[0]["key"], float(rows[0]["difference"])) == ("zone", "south", first.places[0].difference)
    told = json.loads(comparison.json())["where"]
    assert told[0]["places"][0]["difference"] == first.places[0].difference
    assert told[0]["alone"] == []


def test_each_indicator_file_is_opened_once_and_places_read_one_year_of_few_tables(tmp_path, monkeypatch):
    for replicate in range(2):
        for name, extra in (("baseline", 0), ("hub", 300), ("more", 900)):
            record_town(tmp_path, name, replicate, extra={"south": extra + replicate}, end=date(2028, 12, 31))
    opened = []
    original = pa.memory_map
    monkeypatch.setattr(pa, "memory_map", lambda path, *rest: opened.append(path) or original(path, *rest))
    compare(tmp_path)
    assert len(opened) == len(set(opened)) == 3 * 2 * 3  # scenarios x replicates x years, no other table
    opened.clear()
    compare(tmp_path, where=["trips"])
    places = [path for path in opened if "kpi_month" not in path]
    assert all("part-2028" in path for path in places)
    ways_to_look = 3
    sampled = 3  # one run of each table, to find the columns
    assert len(places) <= ways_to_look * 3 * 2 + sampled  # the baseline's are read once for both scenarios


def test_a_damaged_table_is_named(tmp_path):
    out = both(tmp_path / "s")
    path = next((out / "zones_trips_month" / "scenario=hub").rglob("*.arrow"))
    content = bytearray(path.read_bytes())
    content[-40:] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        compare(out, where=["trips"])
