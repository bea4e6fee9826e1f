"""A workbook made for investors: cases side by side, growth, figures a head, differences with intervals, cash flow, assumptions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from alatau_sim.errors import InputError
from alatau_sim.results.cases import PER_HEAD, Cases, growth, growth_a_year, open_cases
from alatau_sim.results.cashflow import MILLION, RATE, RATE_NAME, PresentValue, cash_flow_sheet, present_values
from alatau_sim.results.cells import Sheet, cell, size_of, workbook
from alatau_sim.results.dataset import Study
from alatau_sim.results.workbook import read_rows, scenario_rows, sheet_name, theme_sheet, themes, year_words

HEADLINES = (
    "population", "households", "dwellings", "jobs", "firms", "anchors_operating", "household_income", "revenue", "outside_sales",
    "tax_revenue", "taxes_to_city_budget", "rent_paid", "fares", "payments_value", "crypto_payment_share", "electricity_wanted",
    "peak_load", "electricity_unserved", "transit_share",
)  # fmt: skip
"""What the first page shows, of what the study has."""
CHARTS = ("population", "jobs", "tax_revenue", "electricity_wanted")
MONEY, COLORS = "KZT", ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")  # Okabe and Ito (2008)
NO_GROWTH = ("share", "C", "K d", "days", "years")
"""Units of indicators of which a growth rate says nothing."""


def write_investors(study: Study, path: Path, *, baseline: str | None = None, rate: float | None = None) -> None:
    """Write the workbook; `rate` is the real discount rate a year, `RATE` unless given."""
    rate = RATE if rate is None else rate
    if not -0.5 < rate < 1:
        raise InputError(f"--discount-rate {rate:g}: it must be a share a year within -0.5 … 1, such as 0.08")
    cases = open_cases(study, baseline)
    with workbook(path, f"Cases of {study.folder.name}") as book:
        front, by_year = Sheet(book, "Summary", color="#1F3A56"), Sheet(book, "Cases by year", color="#1F3A56")
        places = _by_year(by_year, cases)
        _summary(front, cases, by_year, places, rate)
        _growth(Sheet(book, "Growth", color="#0072B2"), cases)
        _per_head(Sheet(book, "Per resident", color="#0072B2"), cases)
        _differences(Sheet(book, "Differences", color="#0072B2"), cases)
        cash_flow_sheet(Sheet(book, "Cash flow", color="#009E73"), cases, rate)
        used = {str(sheet.name).lower() for sheet in book.worksheets()} | {"assumptions"}
        for theme, infos in themes(study).items():
            theme_sheet(Sheet(book, sheet_name(theme, used)), cases.names, infos, cases.yearly, cases.months)
        row = _assumptions(Sheet(book, "Assumptions", color="#E69F00"), cases, rate)
        book.define_name(RATE_NAME, f"=Assumptions!{cell(row, 1, fixed=True)}")


def scaled(unit: str, values: Sequence[float | None]) -> tuple[str, list[float | None]]:
    """Large sums of money in millions."""
    if unit == MONEY and max((abs(value) for value in values if value is not None), default=0.0) >= MILLION:
        return f"million {MONEY}", [None if value is None else value / MILLION for value in values]
    return unit, list(values)


# ---- the first page ----
def _summary(sheet: Sheet, cases: Cases, by_year: Sheet, places: dict[str, int], rate: float) -> None:
    year, names = cases.shown_year, cases.names
    sheet.width(0, 42)
    sheet.width(1, 15)
    sheet.width(2, 17, 2 + 3 * len(names))
    sheet.text(0, 0, f"{cases.study.folder.name}: cases side by side", "title")
    sheet.text(1, 0, f"Simulated, not forecast. {'No year' if year is None else year_words(year, cases.months)}; means over replicates; "
                     f"growth a year over {_span_words(cases.complete)}; differences from {cases.baseline}; real values in tenge of 2025. "
                     "Assumptions: last sheet.", "note")
    row, first = 3, 2
    sheet.across(row, first, first + len(names) - 1, str(year), "year")
    sheet.across(row, first + len(names), first + 2 * len(names) - 1, "growth a year", "year")
    if names[1:]:
        sheet.across(row, first + 2 * len(names), first + 3 * len(names) - 2, "difference", "year")
    for column, word in enumerate(("Indicator", "Unit", *names, *names, *names[1:])):
        sheet.text(row + 1, column, word, "head" if column < first else "head right")
    row += 2
    for info in cases.known(HEADLINES):
        unit, values = scaled(info.unit, [cases.values(info.name, name, [year] if year else [])[0] for name in names])
        sheet.text(row, 0, info.label)
        sheet.text(row, 1, unit)
        for column, value in enumerate(values, first):
            sheet.number(row, column, value, "percent" if info.unit == "share" else size_of(values))
        for column, name in enumerate(names, first + len(names)):
            rate_of = None if info.unit in NO_GROWTH else growth_a_year(cases.values(info.name, name, cases.complete))
            sheet.number(row, column, rate_of, "percent")
        for column, value in enumerate(values[1:], first + 2 * len(names)):
            change = None if value is None or values[0] is None else value - values[0]
            sheet.number(row, column, change, "percent" if info.unit == "share" else size_of([change, *values]))
        row += 1
    row = _present_values(sheet, present_values(cases, rate), row + 1, rate)
    row = _titles(sheet, cases, row + 1)
    _charts(sheet, cases, by_year, places, row + 1)
    sheet.freeze(5, 1)


def _span_words(years: Sequence[int]) -> str:
    return f"{years[0]} to {years[-1]}" if len(years) > 1 else "complete years: it takes two, and there are not"


def _titles(sheet: Sheet, cases: Cases, row: int) -> int:
    """The title of each case in one line, and the next free row."""
    sheet.text(row, 0, "Cases", "section")
    for line, name in enumerate(cases.names, row + 1):
        sheet.text(line, 0, name, "bold")
        sheet.text(line, 1, " ".join(str(_resolved(cases, name).get("title") or "").split()))
    return row + 1 + len(cases.names)


def _present_values(sheet: Sheet, found: Sequence[PresentValue], row: int, rate: float) -> int:
    """The present value of each case's city taxes, with the differences' intervals; returns the next free row."""
    if not found:
        return row
    sheet.text(row, 0, f"Present value of the taxes to the city's budget, at {rate:.1%} a year (assumed; the sheet Cash flow recalculates)",
               "section")
    for column, word in enumerate(("Case", "Unit", "Present value", "Difference", "95 % from", "95 % to", "Pairs")):
        sheet.text(row + 1, column, word, "head" if column < 2 else "head right")
    for line, one in enumerate(found, row + 2):
        sheet.text(line, 0, one.case)
        sheet.text(line, 1, "million KZT")
        for column, value in enumerate((one.value, one.difference, one.low, one.high), 2):
            sheet.number(line, column, None if value is None else value / MILLION, "money")
        if one.pairs:
            sheet.number(line, 6, one.pairs, "whole")
    return row + 2 + len(found)


def _charts(sheet: Sheet, cases: Cases, by_year: Sheet, places: dict[str, int], row: int) -> None:
    """A chart for each of a few headlines over the complete years, drawn from the sheet of cases by year."""
    years = cases.complete
    if not years:
        return
    first = 2 + cases.years.index(years[0])
    last = 2 + cases.years.index(years[-1])
    for number, info in enumerate(info for info in cases.known(CHARTS) if info.name in places):
        chart: Any = sheet.book.add_chart({"type": "line" if len(years) > 2 else "column"})
        for place, name in enumerate(cases.names):
            color, line = COLORS[place % len(COLORS)], places[info.name] + place
            chart.add_series({
                "name": name, "categories": by_year.reference(2, first, last), "values": by_year.reference(line, first, last),
                "line": {"color": color, "width": 2.25}, **({"fill": {"color": color}} if len(years) <= 2 else {}),
            })  # fmt: skip
        unit = scaled(info.unit, [v for name in cases.names for v in cases.values(info.name, name)])[0]
        chart.set_title({"name": f"{info.label} [{unit}]", "name_font": {"size": 11}, "overlay": False})
        chart.set_legend({"position": "bottom"})
        chart.set_y_axis({"num_format": "#,##0", "major_gridlines": {"visible": True, "line": {"color": "#E0E0E0"}}, "min": 0})
        chart.set_size({"width": 560, "height": 300})
        sheet.sheet.insert_chart(row + 16 * (number // 2), 0 if number % 2 == 0 else 4, chart, {"x_offset": 5, "y_offset": 5})


# ---- tables by year ----
def _by_year(sheet: Sheet, cases: Cases) -> dict[str, int]:
    """Each headline by case and year; returns the row of the first case of each."""
    note = "Means over the replicates of world 0; money in real tenge of 2025."
    _year_head(sheet, cases, "Cases by year", note, ("Indicator and case", "Unit"))
    row, places = 3, {}
    for info in cases.known(HEADLINES):
        everything = [value for name in cases.names for value in cases.values(info.name, name)]
        unit, values = scaled(info.unit, everything)
        sheet.text(row, 0, info.label, "bold")
        sheet.text(row, 1, unit, "bold")
        places[info.name] = row + 1
        for place, name in enumerate(cases.names):
            row += 1
            sheet.text(row, 0, f"  {name}")
            own = values[len(cases.years) * place:][:len(cases.years)]
            for column, value in enumerate(own, 2):
                sheet.number(row, column, value, "percent" if info.unit == "share" else size_of(values))
        row += 1
    return places


def _year_head(sheet: Sheet, cases: Cases, title: str, note: str, words: Sequence[str]) -> None:
    sheet.text(0, 0, title, "title")
    sheet.text(1, 0, note, "note")
    sheet.width(0, 46)
    sheet.width(1, 16)
    for column, word in enumerate(words):
        sheet.text(2, column, word, "head")
    for column, year in enumerate(cases.years, len(words)):
        sheet.text(2, column, year_words(year, cases.months), "head right")
    sheet.width(len(words), 15, len(words) + len(cases.years) - 1)
    sheet.freeze(3, 1)


def _growth(sheet: Sheet, cases: Cases) -> None:
    """Growth from year to year and a year over all, of every indicator for which it means something."""
    words = ("Indicator", "Case", "Growth a year")
    note = (f"Change over the year before; growth a year: over {_span_words(cases.complete)}. Left out: years with fewer than twelve "
            "months, shares, and what has no positive value.")
    _year_head(sheet, cases, "Growth", note, words)
    sheet.width(1, 24)
    sheet.width(2, 15)
    row = 3
    for info in cases.known(list(cases.infos)):
        if info.unit in NO_GROWTH:
            continue
        rates = {name: cases.values(info.name, name, cases.complete) for name in cases.names}
        if all(growth_a_year(values) is None for values in rates.values()):
            continue
        for name, values in rates.items():
            sheet.text(row, 0, info.label)
            sheet.text(row, 1, name)
            sheet.number(row, 2, growth_a_year(values), "percent total")
            for year, value in zip(cases.complete, growth(values), strict=True):
                sheet.number(row, 3 + cases.years.index(year), value, "percent")
            row += 1
    if row > 3:
        sheet.filter(row - 1, 2 + len(cases.years), 2)
    else:
        sheet.text(row, 0, "Growth takes two complete years, and the study has not two.", "note")


def _per_head(sheet: Sheet, cases: Cases) -> None:
    """Sums of the year over the mean population, states over the population at the end."""
    note = "Sums of a year over its mean population; states over the population at its end. A year with fewer months has their sums only."
    _year_head(sheet, cases, "Per resident", note, ("Indicator", "Case", "Unit"))
    sheet.width(1, 24)
    sheet.width(2, 34)
    row = 3
    for info in cases.a_head():
        for name in cases.names:
            values = cases.per_head(info.name, name)
            sheet.text(row, 0, info.label)
            sheet.text(row, 1, name)
            sheet.text(row, 2, PER_HEAD[info.unit][1])
            for column, value in enumerate(values, 3):
                sheet.number(row, column, value, size_of(values))
            row += 1
    if row == 3:
        sheet.text(row, 0, "The study has no indicator `population`, so nothing can be divided by it.", "note")
    else:
        sheet.filter(row - 1, 2 + len(cases.years), 2)


def _differences(sheet: Sheet, cases: Cases) -> None:
    """Every indicator of every case beside the baseline with its interval, the year of the summary first."""
    sheet.text(0, 0, f"Differences from {cases.baseline}", "title")
    sheet.text(1, 0, "Paired by replicate in world 0; 95 %: the interval of luck, empty with one pair; P10 and P90: what is not "
                     "known, over drawn worlds. Choose with the arrows of the heading.", "note")
    columns = (
        ("Year", 9), ("Case", 24), ("Theme", 14), ("Indicator", 46), ("Unit", 14), (cases.baseline, 17), ("Case's value", 17),
        ("Difference", 17), ("95 % from", 17), ("95 % to", 17), ("Relative", 11), ("P10", 15), ("P90", 15), ("Pairs", 8), ("Verdict", 32),
    )  # fmt: skip
    for column, (word, width) in enumerate(columns):
        sheet.width(column, width)
        sheet.text(2, column, word, "head right" if 5 <= column <= 12 else "head")
    years = sorted(cases.comparison.years, key=lambda year: (year != cases.shown_year, -year))
    changes = [c for year in years for c in cases.comparison.of_year(year) if c.scenario != cases.baseline]
    for row, change in enumerate(changes, 3):
        sheet.number(row, 0, change.year, "left")
        for column, word in enumerate((change.scenario, change.theme, change.label, change.unit), 1):
            sheet.text(row, column, word)
        figures = (change.baseline_mean, change.mean, change.difference, change.low, change.high)
        style = size_of(figures)
        for column, value in enumerate(figures, 5):
            sheet.number(row, column, value, style)
        sheet.number(row, 10, change.relative, "percent")
        for column, value in enumerate((change.unknown_low, change.unknown_high), 11):
            sheet.number(row, column, value, style)
        sheet.number(row, 13, change.pairs, "left")
        sheet.text(row, 14, change.verdict)
    if not changes:
        sheet.text(3, 0, "There is one case only.", "note")
    else:
        sheet.filter(2 + len(changes), len(columns) - 1, 2)
    sheet.freeze(3, 4)


# ---- what it rests on ----
def _assumptions(sheet: Sheet, cases: Cases, rate: float) -> int:
    """What the numbers rest on, and every parameter by case, those that differ first; returns the row of the discount rate."""
    sheet.width(0, 58)
    count = len(cases.names)
    each = max(24, 110 // count)
    sheet.width(1, each, count)
    sheet.text(0, 0, "Assumptions", "title")
    sheet.text(2, 0, "Discount rate (real, a year): assumed; change it here", "bold")
    sheet.number(2, 1, rate, "percent input")
    lines: tuple[tuple[str, str], ...] = (
        ("Prices", "Constant tenge of 2025: no inflation, no exchange rate in the flows; so the discount rate is a real one."),
        ("Present values", "Flows of a year count at its end (Excel's NPV); a year with fewer months has those months' flows only; nothing "
                           "is added for the time after the last year (no terminal value)."),
        ("Taxes", "Rates and who receives them are parameters below (policy.economy); the special regime's levers are among them."),
        ("Luck and not knowing", "Intervals are of luck (replicates). What is not known comes in with drawn worlds (run -w)."),
        ("Evidence", "Many behavioural parameters are assumed, as their declarations say (`alatau rules`, `alatau show`). The cases show "
                     "differences under these assumptions; they are no forecast, no valuation and no offer."),
    )  # fmt: skip
    lines += tuple((f"Evidence: {theme}", found.words()) for theme, found in cases.comparison.evidence.items())
    over = {"last": count, "width": count * each - 8}
    row = scenario_rows(sheet, cases.study, read_rows(sheet, lines, 4, **over) + 1, **over) + 1
    sheet.text(row, 0, "Parameters (those that differ between cases first)", "section")
    row += 1
    for column, word in enumerate(("Key", *cases.names)):
        sheet.text(row, column, word, "head")
    first = row
    told = ("title", "description")
    leaves = {name: {key: word for key, word in _leaves(_resolved(cases, name)) if key not in told} for name in cases.names}
    keys = list(dict.fromkeys(key for own in leaves.values() for key in own))
    differ = [key for key in keys if len({leaves[name].get(key, "") for name in cases.names}) > 1]
    for key in [*differ, *(key for key in keys if key not in set(differ))]:
        row += 1
        sheet.text(row, 0, key, "bold" if key in set(differ) else "line")
        for column, name in enumerate(cases.names, 1):
            sheet.text(row, column, leaves[name].get(key, ""), "line")
    sheet.filter(row, len(cases.names), first)
    return 2


def _resolved(cases: Cases, name: str) -> dict[str, Any]:
    manifest = next(run.manifest for run in cases.study.runs if run.scenario == name)
    resolved = manifest.get("resolved")
    return {key: value for key, value in resolved.items() if key not in ("format", "name")} if isinstance(resolved, dict) else {}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value with its dotted key; a list of many entries by its length, a short one as JSON."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        text = json.dumps(value, ensure_ascii=False)
        yield path, text if len(text) <= 200 else f"{len(value)} entries"
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


