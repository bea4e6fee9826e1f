"""Streams of money by case and year, ready for present values and internal rates of return: live formulas with the values they have.

Flows are in constant prices and come at the end of their year, as Excel's NPV has it; so the discount rate is a real one. The rate is
assumed: it is one cell that the reader changes. A simulated stream is no forecast and no offer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy_financial as npf

from alatau_sim.results.cases import Cases, each_run
from alatau_sim.results.cells import Sheet, cell, span
from alatau_sim.results.compare import Run, central_mean, interval
from alatau_sim.results.workbook import year_words

RATE = 0.10
"""The real discount rate unless another is given: assumed, within the 8 to 12 % that development banks use for infrastructure."""
CITY_TAXES = "taxes_to_city_budget"
MILLION = 1e6
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Taxes and contributions", (
        "taxes_to_city_budget", "taxes_to_region_budget", "taxes_to_republic_budget", "taxes_to_pension_fund", "taxes_to_social_funds",
        "tax_revenue",
    )),
    ("Firms", ("revenue", "outside_sales", "firm_electricity_bills")),
    ("Homes", ("rent_paid",)),
    ("Transport", ("fares",)),
    ("Payments", ("payments_value", "crypto_value", "lost_sales_value")),
    ("Costs to the city", ("wallet_bonus_cost", "merchant_grant_cost")),
)  # fmt: skip
"""The flows by group; the last of the taxes is their sum."""
TOTALS = ("tax_revenue",)
FLOW, UNIT, PRESENT, START, FIRST = range(5)  # columns
RATE_NAME = "discount_rate"


@dataclass(frozen=True)
class PresentValue:
    """The present value of the city's tax stream in a case [KZT], and its difference from the baseline with a 95 % interval."""

    case: str
    value: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0


def present_value(flows: Sequence[float | None], rate: float) -> float:
    """The value today of flows at the ends of years 1, 2, …; a year without a value has none (numpy-financial's `npv`)."""
    return float(npf.npv(rate, [0.0, *(flow or 0.0 for flow in flows)]))


def present_values(cases: Cases, rate: float, kpi: str = CITY_TAXES) -> list[PresentValue]:
    """The present value of a stream in each case; differences are paired by replicate, in world 0."""
    if not cases.known([kpi]):
        return []
    found: dict[str, dict[Run, float]] = {}
    for name in cases.names:
        found[name] = each_run(cases, name, lambda run, name=name: _of_run(cases, kpi, name, run, rate))  # type: ignore[misc]
    made = []
    for name in cases.names:
        pairs = sorted(run for run in found[name] if run in found[cases.baseline] and run[0] == 0)
        changes = [found[name][run] - found[cases.baseline][run] for run in pairs]
        if name == cases.baseline or not changes:
            made.append(PresentValue(name, central_mean(found[name])))
            continue
        bounds = interval(changes)
        low, high = bounds if bounds is not None else (None, None)
        made.append(PresentValue(name, central_mean(found[name]), sum(changes) / len(changes), low, high, len(changes)))
    return made


def _of_run(cases: Cases, kpi: str, name: str, run: Run, rate: float) -> float | None:
    flows = [cases.runs(kpi, year, name).get(run) for year in cases.years]
    return None if all(flow is None for flow in flows) else present_value(flows, rate)


def cash_flow_sheet(sheet: Sheet, cases: Cases, rate: float) -> None:
    """Every case's flows by year with their present values, and rows that wait for an investment."""
    years, last = cases.years, FIRST + len(cases.years) - 1
    for column, width in enumerate((50, 14, 16, 13)):
        sheet.width(column, width)
    sheet.width(FIRST, 16, last)
    sheet.text(0, 0, "Cash flow by case", "title")
    sheet.text(1, 0, "Million tenge in constant prices of 2025; means over the replicates of world 0. Flows count at their year's end. "
                     "Change the discount rate on the sheet Assumptions; fill in the yellow cells for a return of your own.", "note")
    for column, word in enumerate(("Flow", "Unit", "Present value", "At start")):
        sheet.text(3, column, word, "head" if column < PRESENT else "head right")
    for number, year in enumerate(years):
        sheet.text(3, FIRST + number, year_words(year, cases.months), "head right")
    row = 4
    for name in cases.names:
        row = _case(sheet, cases, name, row, rate) + 1
    if not cases.known([kpi for _, kpis in GROUPS for kpi in kpis]):
        sheet.text(row, 0, "The study has none of the flows that this sheet shows.", "note")
    sheet.freeze(4, FLOW + 1)


def _case(sheet: Sheet, cases: Cases, name: str, row: int, rate: float) -> int:
    """One case's block; returns the next free row."""
    last = FIRST + len(cases.years) - 1
    for column in range(last + 1):
        sheet.text(row, column, "", "case")
    sheet.text(row, 0, name, "case")
    row += 1
    city = None
    for group, kpis in GROUPS:
        known = cases.known(kpis)
        if not known:
            continue
        sheet.text(row, 0, group, "bold")
        row += 1
        for info in known:
            city = row if info.name == CITY_TAXES else city
            _flow(sheet, row, info.label, cases.values(info.name, name), rate, total=info.name in TOTALS)
            row += 1
    if city is not None:
        row = _return(sheet, cases, name, row, city, rate)
    return row


def _flow(sheet: Sheet, row: int, label: str, values: Sequence[float | None], rate: float, *, total: bool = False) -> None:
    """A flow by year, with a formula for its present value."""
    style = "money total" if total else "money"
    flows = [None if value is None else value / MILLION for value in values]
    sheet.text(row, FLOW, ("" if total else "  ") + label, "total" if total else "line")
    sheet.text(row, UNIT, "million KZT", "total" if total else "line")
    sheet.formula(row, PRESENT, f"=NPV({RATE_NAME},{span(row, FIRST, FIRST + len(flows) - 1)})", present_value(flows, rate), style)
    if total:
        sheet.number(row, START, None, style)
    for column, flow in enumerate(flows, FIRST):
        sheet.number(row, column, flow, style)


def _return(sheet: Sheet, cases: Cases, name: str, row: int, city: int, rate: float) -> int:
    """Rows for an investment of the reader's: what the city's budget gets (beyond the baseline's), the net flow, its value, its return."""
    other = name != cases.baseline
    values, first = cases.values(CITY_TAXES, name), cases.values(CITY_TAXES, cases.baseline)
    flows = [((ours or 0.0) - (theirs or 0.0) if other else ours or 0.0) / MILLION for ours, theirs in zip(values, first, strict=True)]
    last = FIRST + len(flows) - 1
    sheet.text(row, FLOW, "Return on an investment of yours", "bold")
    words = "  Taxes to the city's budget beyond the baseline's" if other else "  Taxes to the city's budget"
    _flow(sheet, row + 1, words.strip(), [flow * MILLION for flow in flows], rate)
    sheet.text(row + 2, FLOW, "  Investment and running cost (enter as negative)", "line")
    sheet.text(row + 3, FLOW, "  Net flow", "line")
    for line in (row + 2, row + 3):
        sheet.text(line, UNIT, "million KZT", "line")
    for column in range(START, last + 1):
        sheet.number(row + 2, column, 0.0, "money input")
        above = cell(row + 1, column) if column > START else "0"
        sheet.formula(row + 3, column, f"={above}+{cell(row + 2, column)}", flows[column - FIRST] if column > START else 0.0, "money total")
    for line in (row + 2, row + 3):
        value = 0.0 if line == row + 2 else present_value(flows, rate)
        formula = f"={cell(line, START)}+NPV({RATE_NAME},{span(line, FIRST, last)})"
        sheet.formula(line, PRESENT, formula, value, "money total" if line == row + 3 else "money")
    sheet.text(row + 4, FLOW, "  Internal rate of return (a year, real)", "line")
    sheet.formula(row + 4, PRESENT, f'=IFERROR(IRR({span(row + 3, START, last)}),"enter an investment")', "enter an investment",
                  "percent total")
    return row + 5
