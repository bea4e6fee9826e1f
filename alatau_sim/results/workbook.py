"""The study as an Excel workbook: what it is, then one sheet a theme with scenarios side by side by year."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from alatau_sim.results.compare import Yearly, central_mean, yearly_values
from alatau_sim.results.dataset import KpiInfo, Study, open_study
from alatau_sim.results.files import replacing

CREATED = datetime(2026, 1, 1)  # a fixed date: the same results give the same file
FORBIDDEN = re.compile(r"[\[\]:*?/\\']")
FIRST_COLUMNS = (("Indicator", 44), ("Unit", 14), ("Better", 9))


def write_workbook(out: str | Path | Study) -> Path:
    """Write `summary.xlsx` into the study's folder and return its path."""
    study = out if isinstance(out, Study) else open_study(out)
    yearly, months = yearly_values(study)
    path = study.folder / "summary.xlsx"
    with replacing(path) as aside:
        try:
            book = xlsxwriter.Workbook(str(aside), {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False})
            book.set_properties({"title": study.folder.name, "created": CREATED})
            styles = _styles(book)
            _read_me(book, styles, study, months)
            themes: dict[str, list[KpiInfo]] = {}
            for info in study.kpis().values():
                themes.setdefault(info.theme or "indicators", []).append(info)
            used = {"read me"}
            for theme, infos in themes.items():
                _theme_sheet(book.add_worksheet(_sheet_name(theme, used)), styles, study, infos, yearly, months)
            book.close()
        except xlsxwriter.exceptions.FileCreateError as error:
            raise (error.__cause__ if isinstance(error.__cause__, OSError) else OSError(str(error))) from error
    return path


def _styles(book: Any) -> dict[str, Any]:
    base = {"valign": "top"}
    return {
        "title": book.add_format({"bold": True, "font_size": 14}),
        "head": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, **base}),
        "year": book.add_format({"bold": True, "align": "center", "bg_color": "#DDE6EE"}),
        "text": book.add_format({"text_wrap": True, **base}),
        "bold": book.add_format({"bold": True, **base}),
        "large": book.add_format({"num_format": "#,##0", **base}),
        "medium": book.add_format({"num_format": "#,##0.00", **base}),
        "small": book.add_format({"num_format": "0.0000", **base}),
    }


def _sheet_name(theme: str, used: set[str]) -> str:
    """A name that Excel accepts (31 characters, no brackets and the like) and that no other sheet has."""
    name = FORBIDDEN.sub(" ", theme).strip()[:28].capitalize() or "Indicators"
    candidate, count = name, 2
    while candidate.lower() in used:
        candidate, count = f"{name} {count}", count + 1
    used.add(candidate.lower())
    return candidate


def _read_me(book: Any, styles: dict[str, Any], study: Study, months: dict[int, int]) -> None:
    sheet = book.add_worksheet("Read me")
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 100)
    partial = [f"{year} ({count} months)" for year, count in sorted(months.items()) if count < 12]
    lines: list[tuple[str, str]] = [
        ("What this is", "Indicators of simulated scenarios of a city, by year. One sheet a theme; one row an indicator, with its unit; "
                         "for each year the scenarios side by side."),
        ("How to read it", "Each number is the mean over the replicates (draws of luck) of the central world, world 0. Empty cells: not "
                           "defined. Intervals of the differences: `alatau compare`. The last columns say how an indicator is computed "
                           "and how its months make a year."),
        ("Assumptions", "Results rest on the parameters of each scenario; many are assumed, as their declarations say (`alatau show`). "
                        "They show differences between scenarios and do not forecast."),
        ("Incomplete years", ", ".join(partial) or "none"),
    ]
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    row = 2
    sheet.write_string(0, 0, f"Summary of the study {study.folder.name}", styles["title"])
    for left, right in lines:
        sheet.write_string(row, 0, left, styles["bold"])
        sheet.write_string(row, 1, right, styles["text"])
        sheet.set_row(row, _height(right))
        row += 1
    row += 1
    for column, heading in enumerate(("Scenario", "What it is")):
        sheet.write_string(row, column, heading, styles["head"])
    for name in study.scenarios:
        row += 1
        sheet.write_string(row, 0, name, styles["bold"])
        words = _scenario_words(study, name)
        sheet.write_string(row, 1, words, styles["text"])
        sheet.set_row(row, _height(words))


def _height(text: str) -> float:
    """Points of a row that shows a wrapped text in the column of 100 characters; not every program finds it out."""
    return 15.0 * (1 + len(text) // 95)


def _scenario_words(study: Study, name: str) -> str:
    runs = [run for run in study.runs if run.scenario == name]
    resolved = runs[0].manifest.get("resolved", {})
    horizon = resolved.get("run", {}) if isinstance(resolved.get("run"), dict) else {}
    dates = f"{horizon['start']} to {horizon['end']}" if {"start", "end"} <= set(horizon) else ""
    worlds = len({run.world for run in runs})
    counts = f"replicates: {len({run.replicate for run in runs})}, worlds: {worlds}, seed {runs[0].manifest.get('seed', '?')}"
    words = [resolved.get("title"), resolved.get("description"), dates, counts, f"inputs {runs[0].manifest['hash'][:12]}"]
    return "; ".join(" ".join(str(word).split()).rstrip(".;") for word in words if word)


def _theme_sheet(
    sheet: Any, styles: dict[str, Any], study: Study, infos: list[KpiInfo], yearly: Yearly, months: dict[int, int]
) -> None:
    years, scenarios = sorted({year for _, year in yearly}), study.scenarios
    for column, (heading, width) in enumerate(FIRST_COLUMNS):
        sheet.set_column(column, column, width)
        sheet.write_string(1, column, heading, styles["head"])
    first = len(FIRST_COLUMNS)
    for number, year in enumerate(years):
        start = first + number * len(scenarios)
        text = str(year) if months.get(year, 12) == 12 else f"{year} ({months[year]} months)"
        if len(scenarios) > 1:
            sheet.merge_range(0, start, 0, start + len(scenarios) - 1, text, styles["year"])
        else:
            sheet.write_string(0, start, text, styles["year"])
        for offset, name in enumerate(scenarios):
            sheet.write_string(1, start + offset, name, styles["head"])
    after = first + len(years) * len(scenarios)
    sheet.set_column(first, max(first, after - 1), 15)
    for column, (heading, width) in enumerate((("Months make a year by", 23), ("Formula", 70)), after):
        sheet.set_column(column, column, width)
        sheet.write_string(1, column, heading, styles["head"])
    for row, info in enumerate(infos, 2):
        for column, word in enumerate((info.label, info.unit, info.better)):
            sheet.write_string(row, column, word, styles["text"])
        values = [central_mean(yearly.get((info.name, year), {}).get(name, {})) for year in years for name in scenarios]
        style = styles[_size(values)]
        for column, value in enumerate(values, first):
            if value is not None:
                sheet.write_number(row, column, value, style)
        sheet.write_string(row, after, info.over_year, styles["text"])
        sheet.write_string(row, after + 1, info.formula, styles["text"])
    sheet.freeze_panes(2, first)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0, 1)


def _size(values: list[float | None]) -> str:
    """Which number format suits a row: whole numbers from 1,000, two decimals from 10, else four."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    whole = all(value is None or value == int(value) for value in values)
    return "large" if largest >= 1000 or (whole and largest >= 10) else "medium" if largest >= 10 else "small"
