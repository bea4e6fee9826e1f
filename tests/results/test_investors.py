"""The workbook for investors: what a reader finds in it, and that its money is right by another hand."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from fake_city import TABLES, FakeCity, run_days

from alatau_sim.results.cases import Cases, growth, growth_a_year, open_cases
from alatau_sim.results.cashflow import CITY_TAXES, RATE, present_value, present_values
from alatau_sim.results.dataset import open_study
from alatau_sim.results.export import export
from alatau_sim.results.investors import write_investors
from alatau_sim.results.kpis import Kpi
from alatau_sim.results.manifest import new_manifest, write_manifest
from alatau_sim.results.recorder import Recorder

RISKY = "=1+1 name"


def indicators(people: float, grows: float) -> tuple[Kpi, ...]:
    """People who grow by a share a year, and taxes of a million tenge a head and month."""

    def heads(sim: FakeCity) -> float:
        return people * (1 + grows) ** (sim.clock.date.year - 2026)

    def taxes(sim: FakeCity) -> float:
        return heads(sim) * 1e6 + sim.lift

    return (
        Kpi("population", RISKY, "people", "neither", "counted", "zones_day", heads, "last", "people"),
        Kpi(CITY_TAXES, "Taxes to the city's budget", "KZT", "neither", "summed", "zones_day", taxes, "sum", "money"),
        Kpi("transit_share", "Trips by bus", "share", "higher", "-shared", "zones_day", lambda sim: 0.25, "mean", "money"),
        Kpi("jobs", "Jobs", "jobs", "higher", "@counted", "zones_day", lambda sim: heads(sim) / 4, "last", "people"),
    )


def record(out: Path, scenario: str, replicate: int, kpis: tuple[Kpi, ...], end: date = date(2028, 6, 30), lift: float = 0.0) -> None:
    recorder = Recorder(out, scenario, 0, replicate, TABLES[1:2], kpis)
    run_days(recorder, FakeCity(date(2026, 1, 1), lift), end)
    recorded = recorder.finish()
    resolved = {"title": f"={scenario}", "policy": {"economy": {"rate": 0.1 if scenario == "baseline" else 0.2, "cap": [1, 2]}},
                "world": {"shared": "@same"}}
    write_manifest(out, new_manifest(scenario=scenario, world=0, replicate=replicate, hash="h" * 64, resolved=resolved, recorded=recorded,
                                     seed=1, kernels="plain", wall_s=1.0))


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("investors") / "plan"
    for replicate in (0, 1):
        record(out, "baseline", replicate, indicators(1000, 0.0), lift=1e6 * replicate)
        record(out, "high", replicate, indicators(1000, 0.1), lift=3e6 * replicate)
    return out


@pytest.fixture(scope="module")
def book(study, tmp_path_factory):
    (file,) = export(study, tmp_path_factory.mktemp("to"), "xlsx", discount_rate=0.08)
    return openpyxl.load_workbook(file), openpyxl.load_workbook(file, data_only=True)


def cells(sheet) -> list[list]:
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def row_of(sheet, *words: str, after: int = 0) -> list:
    """The first row below `after` whose cells begin with these words."""
    return next(row for row in cells(sheet)[after:] if [str(value).strip() for value in row[: len(words)]] == list(words))


def test_the_sheets(book):
    names = ["Summary", "Cases by year", "Growth", "Per resident", "Differences", "Cash flow", "People", "Money", "Assumptions"]
    assert book[0].sheetnames == names
    for sheet in book[0]:
        assert sheet.freeze_panes or sheet.title == "Assumptions"
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.page_setup.paperSize == 9


def test_cases_stand_side_by_side_by_year_with_units(book):
    sheet = book[1]["Cases by year"]
    assert row_of(sheet, "Indicator and case", "Unit")[2:5] == ["2026", "2027", "2028 (6 months)"]
    table = cells(sheet)
    start = next(k for k, row in enumerate(table) if row[0] == "Taxes to the city's budget")
    assert table[start][1] == "million KZT"
    assert table[start + 1][0].strip() == "baseline"
    assert table[start + 1][2:5] == pytest.approx([12_006.0, 12_006.0, 6_003.0])
    assert table[start + 2][2:5] == pytest.approx([12_018.0, 13_218.0, 7_269.0])
    assert row_of(book[1]["People"], "Indicator", "Unit", "Better")[3:9] == ["baseline", "high"] * 3


def test_growth_is_of_complete_years_only(book):
    sheet = book[1]["Growth"]
    high = row_of(sheet, RISKY, "high")
    assert high[2] == pytest.approx(0.1)
    assert high[3:6] == [None, pytest.approx(0.1), None]
    assert row_of(sheet, RISKY, "baseline")[2] == 0
    assert not any(row[0] == "Trips by bus" for row in cells(sheet))
    summary = book[1]["Summary"]
    assert row_of(summary, RISKY, "people")[2:7] == pytest.approx([1000, 1100, 0.0, 0.1, 100])


def test_figures_a_head(book):
    sheet = book[1]["Per resident"]
    taxes = row_of(sheet, "Taxes to the city's budget", "high", "KZT a resident")
    assert taxes[3:6] == pytest.approx([12_018_000, 13_218_000 / 1.1, 7_269_000 / 1.21])
    assert row_of(sheet, "Jobs", "baseline", "jobs for each 1,000 residents")[3] == 250


def test_differences_have_intervals_and_the_shown_year_comes_first(book):
    sheet = book[1]["Differences"]
    rows = [row for row in cells(sheet)[3:] if row[3] == "Taxes to the city's budget"]
    assert [row[0] for row in rows] == [2027, 2028, 2026]
    changes = np.array([1.2e9, 1.224e9])  # by replicate
    half = 12.706204736 * changes.std(ddof=1) / math.sqrt(2)  # Student's t with one degree of freedom
    assert rows[0][7:10] == pytest.approx([changes.mean(), changes.mean() - half, changes.mean() + half])
    assert rows[0][13] == 2


def test_the_cash_flow_is_worth_what_another_hand_finds(book):
    live, values = book[0]["Cash flow"], book[1]["Cash flow"]
    flows = row_of(values, "Taxes to the city's budget", "million KZT")
    assert flows[4:7] == pytest.approx([12_006.0, 12_006.0, 6_003.0])
    by_hand = sum(flow / 1.08 ** (k + 1) for k, flow in enumerate(flows[4:7]))
    assert flows[2] == pytest.approx(by_hand)
    line = next(k for k, row in enumerate(cells(live), 1) if str(row[0]).strip() == "Taxes to the city's budget")
    assert live.cell(line, 3).value == f"=NPV(discount_rate,E{line}:G{line})"
    second = next(k for k, row in enumerate(cells(values)) if row[0] == "high")
    beyond = row_of(values, "Taxes to the city's budget beyond the baseline's", after=second)
    assert beyond[4:7] == pytest.approx([12.0, 1_212.0, 1_266.0])
    net = row_of(values, "Net flow", after=second)
    assert net[2] == pytest.approx(12 / 1.08 + 1212 / 1.08**2 + 1266 / 1.08**3)
    returns = row_of(live, "Internal rate of return (a year, real)", after=second)
    assert returns[2].startswith("=IFERROR(IRR(D")


def test_the_discount_rate_is_one_cell_that_the_formulas_name(book):
    sheet = book[1]["Assumptions"]
    assert (sheet["B3"].value, "assumed" in sheet["A3"].value) == (0.08, True)
    assert book[0].defined_names["discount_rate"].attr_text == "Assumptions!$B$3"
    assert any("no terminal value" in str(row[1]) for row in cells(sheet))


def test_parameters_that_differ_come_first(book):
    sheet = book[1]["Assumptions"]
    start = next(k for k, row in enumerate(cells(sheet)) if row[0] == "Key")
    rows = cells(sheet)[start + 1:]
    assert rows[0][:3] == ["policy.economy.rate", "0.1", "0.2"]
    assert ["policy.economy.cap", "[1, 2]", "[1, 2]"] in [row[:3] for row in rows]


def test_text_that_looks_like_a_formula_is_marked_as_text(book):
    risky = [cell for sheet in book[0] for row in sheet.iter_rows() for cell in row
             if isinstance(cell.value, str) and cell.value.startswith(("=", "+", "-", "@")) and cell.data_type != "f"]
    formulas = [cell for sheet in book[0] for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert all(cell.parent.title == "Cash flow" or cell.quotePrefix for cell in formulas)
    assert all(cell.quotePrefix for cell in risky)
    values = [cell.value for row in book[1]["Assumptions"].iter_rows() for cell in row]
    assert "@same" in values
    assert sum(str(value).startswith(RISKY) for row in cells(book[1]["People"]) for value in row) == 1


def test_charts_are_drawn_over_complete_years(book):
    charts = book[0]["Summary"]._charts
    assert len(charts) == 2  # population and jobs: what this study has of them
    series = charts[0].series
    assert len(series) == 2
    assert series[0].val.numRef.f == "'Cases by year'!$C$5:$D$5"


def test_present_values_are_paired_by_replicate(study):
    cases = open_cases(open_study(study))
    first, other = present_values(cases, 0.08)
    assert (first.case, first.difference) == ("baseline", None)
    runs = [sum((1e9 * (1.1 ** k - 1) * months + 2e6 * replicate * months) / 1.08 ** (k + 1) for k, months in enumerate((12, 12, 6)))
            for replicate in (0, 1)]
    assert other.difference == pytest.approx(np.mean(runs))
    half = 12.706204736 * np.std(runs, ddof=1) / math.sqrt(2)
    assert (other.low, other.high) == pytest.approx((np.mean(runs) - half, np.mean(runs) + half))
    assert other.value == pytest.approx(first.value + other.difference)
    assert present_value([110.0, None, 133.1], 0.1) == pytest.approx(200)


def test_growth_says_nothing_where_it_means_nothing():
    assert growth([100, 110, None, 120, 0, 5]) == [None, pytest.approx(0.1), None, None, -1, None]
    assert growth_a_year([100, 3, 121]) == pytest.approx(0.1)
    assert [growth_a_year(values) for values in ([], [1], [0, 1], [None, 1], [1, None], [2, -1])] == [None] * 6


def test_a_study_of_one_scenario_and_a_few_days_is_written_too(tmp_path):
    record(tmp_path / "s", "alone", 0, indicators(10, 0.0), end=date(2026, 1, 31))
    (file,) = export(tmp_path / "s", tmp_path / "to", "xlsx")
    book = openpyxl.load_workbook(file, data_only=True)
    assert "two complete years" in book["Growth"]["A4"].value
    assert book["Differences"]["A4"].value == "There is one case only."
    assert book["Assumptions"]["B3"].value == RATE


def test_a_study_without_money_and_people_says_so(tmp_path):
    kpi = Kpi("comfort", "Comfort", "share", "higher", "felt", "zones_day", lambda sim: 0.5, "mean", "life")
    record(tmp_path / "s", "a", 0, (kpi,), end=date(2026, 2, 28))
    file = tmp_path / "book.xlsx"
    write_investors(open_study(tmp_path / "s"), file)
    book = openpyxl.load_workbook(file, data_only=True)
    assert any("none of the flows" in str(row[0]) for row in cells(book["Cash flow"]))
    assert "no indicator `population`" in book["Per resident"]["A4"].value
    assert isinstance(open_cases(open_study(tmp_path / "s")), Cases)
