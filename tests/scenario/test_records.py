"""Lists of a scenario: written in it or in a table, with every value's file and line."""

from __future__ import annotations

from datetime import date

import openpyxl
import pytest
from sample_scenarios import load, write

from alatau_sim.errors import InputError

INLINE = """\
sites:
  - {zone: a-1, at: 2026-03-01, dwellings: 12, stops: [x, y], days: 30}
  - {zone: a-2, use: workspace, at: 2026-04-01, electric: true, share: 0.25}
"""
TABLE = """\
zone,use,dwellings,share,at,stops,electric,days,source
a-1,,12,,2026-03-01,x;y,,30,a report
a-2,workspace,,0.25,2026-04-01,,1,,
"""


def test_a_list_and_a_table_of_the_same_say_the_same(folder):
    inline = load(write(folder, INLINE))
    (folder / "sites.csv").write_text(TABLE, encoding="utf-8")
    table = load(write(folder, "sites: sites.csv\n", "table.yaml"))
    first, second = inline.records["sites"]
    assert (first.zone, first.dwellings, first.at, first.stops, first.days) == ("a-1", 12, date(2026, 3, 1), ("x", "y"), 30)
    assert (second.use, second.electric, second.share, second.days) == ("workspace", True, 0.25, None)
    assert table.records["sites"] == inline.records["sites"]
    assert table.hash == inline.hash
    assert [line for _, line in inline.places["sites"]] == [12, 13]
    assert table.place("sites", 1) == ((folder / "sites.csv").as_posix(), 3)
    assert [file.path for file in table.files() if file.key == "sites"] == [folder / "sites.csv"]


def test_a_workbook_is_a_table_too(folder):
    book = openpyxl.Workbook()
    for row in (["zone", "dwellings", "at", "share", "stops"], ["a-1", 12.0, date(2026, 3, 1), 0.5, "x; y"], [None], [7, 3, "2026-04-01"]):
        book.active.append(row)
    book.save(folder / "sites.xlsx")
    found = load(write(folder, "sites: sites.xlsx\n")).records["sites"]
    assert [(site.zone, site.dwellings, site.at) for site in found] == [("a-1", 12, date(2026, 3, 1)), ("7", 3, date(2026, 4, 1))]
    assert found[0].stops == ("x", "y")


def test_a_scenario_without_the_list_has_none_and_resolves_to_the_same(folder):
    scenario = load(write(folder, INLINE))
    again = folder / "again.yaml"
    again.write_text(scenario.to_yaml(), encoding="utf-8")
    assert load(again).hash == scenario.hash
    empty = load(write(folder, "", "empty.yaml"))
    assert empty.records["sites"] == ()
    assert empty.hash != scenario.hash


def test_a_list_replaces_that_of_the_extended_file(folder):
    write(folder, INLINE)
    (folder / "more.yaml").write_text("format: 1\nextends: base.yaml\nsites: [{zone: b, at: 2026-05-01}]\n", encoding="utf-8")
    assert [site.zone for site in load(folder / "more.yaml").records["sites"]] == ["b"]


def test_each_wrong_cell_is_told_with_its_line(folder):
    text = "zone,use,dwellings,at,electric\na,homs,x,2026-13-01,maybe\nb,homes,5000,2026-01-02,no\n,homes,1,2026-01-02,\n"
    (folder / "sites.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(write(folder, "sites: sites.csv\n"))
    told = str(caught.value).splitlines()
    where = (folder / "sites.csv").as_posix()
    wanted = (
        (2, "sites.use is 'homs'"), (2, "sites.dwellings is 'x'"), (2, "sites.at is '2026-13-01'"), (2, "sites.electric is 'maybe'"),
        (3, "sites.dwellings is 5000; it must be within 0 … 1000 [dwellings]"), (4, "sites.zone is missing"),
    )  # fmt: skip
    for line, message in wanted:
        assert any(row.startswith(f"{where}:{line}: ") and message in row for row in told), (message, told)
    assert len(told) == len(wanted)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("sites.csv", "zone,dwelings,at\na,1,2026-01-01\n", "did you mean 'dwellings'"),
        ("sites.csv", "zone,at\na,2026-01-01,more\n", "3 cells under 2 columns"),
        ("sites.xlsx", "no workbook", "cannot be read as a workbook"),
        ("site.csv", "zone,at\n", "did you mean 'site.csv'"),
    ],
)
def test_tables_that_cannot_be_read(folder, name, content, told):
    (folder / name).write_text(content, encoding="utf-8")
    asked = "sites.csv" if name == "site.csv" else name
    with pytest.raises(InputError, match=told):
        load(write(folder, f"sites: {asked}\n"))


def test_weather_is_an_event(folder):
    text = "events: [{at: 2026-01-14T18:00, weather: {temperature_c: -37.7, hours: 36}}]\n"
    (event,) = load(write(folder, text)).events
    assert event.weather is not None
    assert (event.weather.temperature_c, event.weather.hours, event.at.hour) == (-37.7, 36, 18)
    for wrong, told in (
        ("weather: {temperature_c: -100, hours: 36}", "within -70 … 60"), ("weather: {hours: 36}", "temperature_c is missing"),
        ("weather: {temperature_c: 1, hours: 0}", "more than 0"), ("weather: {temperature_c: 1, hours: 2}, set: {}", "must have one of"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=told):
            load(write(folder, f"events: [{{at: 2026-01-14T18:00, {wrong}}}]\n"))
