"""The study as an Excel workbook: what it is, then one sheet a theme with scenarios side by side by year."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from alatau_sim.results.cells import Sheet, size_of, workbook
from alatau_sim.results.compare import Yearly, central_mean, yearly_values
from alatau_sim.results.dataset import KpiInfo, Study, open_study
from alatau_sim.results.files import replacing

FORBIDDEN = re.compile(r"[\[\]:*?/\\']")
FIRST_COLUMNS = (("Indicator", 44), ("Unit", 14), ("Better", 9))


def write_workbook(out: str | Path | Study) -> Path:
    """Write `summary.xlsx` into the study's folder and return its path."""
    study = out if isinstance(out, Study) else open_study(out)
    yearly, months = yearly_values(study)
    path = study.folder / "summary.xlsx"
    with replacing(path) as aside, workbook(aside, study.folder.name) as book:
        _read_me(Sheet(book, "Read me", widths=(22, 100)), study, months)
        used = {"read me"}
        for theme, infos in themes(study).items():
            theme_sheet(Sheet(book, sheet_name(theme, used)), study.scenarios, infos, yearly, months)
    return path


def themes(study: Study) -> dict[str, list[KpiInfo]]:
    """The study's indicators by theme, in the order of the model."""
    found: dict[str, list[KpiInfo]] = {}
    for info in study.kpis().values():
        found.setdefault(info.theme or "indicators", []).append(info)
    return found


def sheet_name(theme: str, used: set[str], *, capital: bool = True) -> str:
    """A name that Excel accepts (31 characters, no brackets and the like) and that is not among `used`; it joins them."""
    name = FORBIDDEN.sub(" ", theme).strip()[:28] or "Indicators"
    name = name.capitalize() if capital else name
    candidate, count = name, 2
    while candidate.lower() in used:
        candidate, count = f"{name} {count}", count + 1
    used.add(candidate.lower())
    return candidate


def year_words(year: int, months: Mapping[int, int]) -> str:
    """The year, with its recorded months where some are missing."""
    return str(year) if months.get(year, 12) == 12 else f"{year} ({months[year]} months)"


def _read_me(sheet: Sheet, study: Study, months: dict[int, int]) -> None:
    partial = [year_words(year, months) for year, count in sorted(months.items()) if count < 12]
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
    sheet.text(0, 0, f"Summary of the study {study.folder.name}", "title")
    scenario_rows(sheet, study, read_rows(sheet, lines, 2) + 1)


def read_rows(sheet: Sheet, lines: Sequence[tuple[str, str]], row: int, last: int = 1, width: int = 95) -> int:
    """Write words beside what they are about, over the columns 1 to `last` of so many characters; return the next free row."""
    for left, right in lines:
        sheet.text(row, 0, left, "bold")
        sheet.across(row, 1, last, right, "text")
        sheet.height(row, right, width)
        row += 1
    return row


def scenario_rows(sheet: Sheet, study: Study, row: int, last: int = 1, width: int = 95) -> int:
    """Write what each scenario is, as `read_rows` does, and return the next free row."""
    for column, heading in enumerate(("Scenario", "What it is")):
        sheet.text(row, column, heading, "head")
    return read_rows(sheet, [(name, scenario_words(study, name)) for name in study.scenarios], row + 1, last, width)


def scenario_words(study: Study, name: str) -> str:
    """Title, description, horizon, runs and hash of a scenario in one line."""
    runs = [run for run in study.runs if run.scenario == name]
    resolved = runs[0].manifest.get("resolved", {})
    horizon = resolved.get("run", {}) if isinstance(resolved.get("run"), dict) else {}
    dates = f"{horizon['start']} to {horizon['end']}" if {"start", "end"} <= set(horizon) else ""
    worlds = len({run.world for run in runs})
    counts = f"replicates: {len({run.replicate for run in runs})}, worlds: {worlds}, seed {runs[0].manifest.get('seed', '?')}"
    words = [resolved.get("title"), resolved.get("description"), dates, counts, f"inputs {runs[0].manifest['hash'][:12]}"]
    return "; ".join(" ".join(str(word).split()).rstrip(".;") for word in words if word)


def theme_sheet(sheet: Sheet, scenarios: Sequence[str], infos: Sequence[KpiInfo], yearly: Yearly, months: Mapping[int, int]) -> None:
    """One row an indicator; for each year the scenarios side by side."""
    years = sorted({year for _, year in yearly})
    for column, (heading, width) in enumerate(FIRST_COLUMNS):
        sheet.width(column, width)
        sheet.text(1, column, heading, "head")
    first = len(FIRST_COLUMNS)
    for number, year in enumerate(years):
        start = first + number * len(scenarios)
        sheet.across(0, start, start + len(scenarios) - 1, year_words(year, months), "year")
        for offset, name in enumerate(scenarios):
            sheet.text(1, start + offset, name, "head right")
    after = first + len(years) * len(scenarios)
    sheet.width(first, 15, after - 1)
    for column, (heading, width) in enumerate((("Months make a year by", 23), ("Formula", 70)), after):
        sheet.width(column, width)
        sheet.text(1, column, heading, "head")
    for row, info in enumerate(infos, 2):
        for column, word in enumerate((info.label, info.unit, info.better)):
            sheet.text(row, column, word, "text")
        values = [central_mean(yearly.get((info.name, year), {}).get(name, {})) for year in years for name in scenarios]
        style = size_of(values)
        for column, value in enumerate(values, first):
            sheet.number(row, column, value, style)
        sheet.text(row, after, info.over_year, "text")
        sheet.text(row, after + 1, info.formula, "text")
    sheet.freeze(2, first)
