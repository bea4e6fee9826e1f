"""Cells of an Excel workbook: text that stays text, numbers in formats that suit them, and sheets that print on pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

CREATED = datetime(2026, 1, 1)  # a fixed date: the same results give the same file
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""What a text may begin with that a spreadsheet would take for a formula when the cell is edited or pasted."""
INK, BAND, INPUT = "#1F3A56", "#DDE6EE", "#FFF6D6"
STYLES: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 16, "font_color": INK},
    "section": {"bold": True, "font_size": 12, "font_color": INK, "bottom": 1, "bottom_color": INK},
    "head": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"},
    "head right": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top", "align": "right"},
    "case": {"bold": True, "bg_color": BAND},
    "year": {"bold": True, "align": "center", "bg_color": BAND},
    "text": {"text_wrap": True, "valign": "top"},
    "line": {"valign": "top"},
    "note": {"italic": True, "font_color": "#595959"},
    "bold": {"bold": True, "valign": "top"},
    "total": {"bold": True, "top": 1},
    "number": {"num_format": "0.0000", "valign": "top"},
    "hundredths": {"num_format": "#,##0.00", "valign": "top"},
    "whole": {"num_format": "#,##0", "valign": "top"},
    "plain": {"valign": "top"},
    "left": {"valign": "top", "align": "left"},
    "percent": {"num_format": "0.0%", "valign": "top", "align": "right"},
    "money": {"num_format": "#,##0.0", "valign": "top"},
    "money total": {"num_format": "#,##0.0", "bold": True, "top": 1},
    "money input": {"num_format": "#,##0.0", "bg_color": INPUT, "border": 1, "border_color": "#D9C77A"},
    "percent input": {"num_format": "0.0%", "bg_color": INPUT, "border": 1, "border_color": "#D9C77A", "align": "left"},
    "percent total": {"num_format": "0.0%", "bold": True, "align": "right"},
    "date": {"num_format": "yyyy-mm-dd", "align": "left", "valign": "top"},
    "time": {"num_format": "yyyy-mm-dd hh:mm", "align": "left", "valign": "top"},
}
"""What cells look like."""


class Book(xlsxwriter.Workbook):
    """A workbook that remembers the formats it has made."""

    made: dict[tuple[str, bool], Any]


@contextmanager
def workbook(path: Path, title: str, **options: Any) -> Iterator[Book]:
    """A workbook that is written when the block ends well; an `OSError` says why it could not be."""
    keep = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    try:
        book = Book(str(path), {**keep, **options})
        book.set_properties({"title": title, "created": CREATED})
        book.set_calc_mode("auto")
        book.made = {}
        yield book
        book.close()
    except xlsxwriter.exceptions.FileCreateError as error:
        raise (error.__cause__ if isinstance(error.__cause__, OSError) else OSError(str(error))) from error


def size_of(values: Sequence[float | None]) -> str:
    """Which number format suits a row: whole numbers from 1,000, two decimals from 10, else four."""
    found = [abs(value) for value in values if value is not None and math.isfinite(value)]
    largest, whole = max(found, default=0.0), all(value == int(value) for value in found)
    return "whole" if largest >= 1000 or whole else "hundredths" if largest >= 10 else "number"


def cell(row: int, column: int, *, fixed: bool = False) -> str:
    """The cell's name, such as `C4` or `$C$4`."""
    return str(xl_rowcol_to_cell(row, column, row_abs=fixed, col_abs=fixed))


def span(row: int, first: int, last: int) -> str:
    """The cells of a row as a range, such as `D7:F7`."""
    return f"{cell(row, first)}:{cell(row, last)}"


class Sheet:
    """A worksheet that is written cell by cell with named styles; rows and columns count from 0."""

    def __init__(self, book: Book, name: str, *, widths: Sequence[float] = (), color: str | None = None) -> None:
        self.book, self.name = book, name
        self.sheet = book.add_worksheet(name)
        for column, width in enumerate(widths):
            self.width(column, width)
        if color:
            self.sheet.set_tab_color(color)
        self.sheet.set_landscape()
        self.sheet.set_paper(9)  # A4
        self.sheet.fit_to_pages(1, 0)
        self.sheet.set_footer("&L&F&C&A&R&P / &N")

    def style(self, name: str, *, quoted: bool = False) -> Any:
        """The workbook's format of that name, made when it is first used."""
        made = self.book.made
        if (name, quoted) not in made:
            made[name, quoted] = self.book.add_format({**STYLES[name], **({"quote_prefix": True} if quoted else {})})
        return made[name, quoted]

    def width(self, column: int, width: float, last: int | None = None) -> None:
        """Set the width of one column, or of all up to `last`."""
        self.sheet.set_column(column, column if last is None else max(column, last), width)

    def text(self, row: int, column: int, word: str, style: str = "line") -> None:
        """Write a text; one that looks like a formula is marked as text, so that it stays one when it is edited."""
        self.sheet.write_string(row, column, word, self.style(style, quoted=word.startswith(RISKY)))

    def number(self, row: int, column: int, value: float | None, style: str = "number") -> None:
        """Write a number; nothing where there is none."""
        if value is None or not math.isfinite(value):
            self.sheet.write_blank(row, column, None, self.style(style))
        else:
            self.sheet.write_number(row, column, value, self.style(style))

    def formula(self, row: int, column: int, formula: str, value: float | str | None, style: str = "money") -> None:
        """Write a formula with the value that it has, for programs that do not calculate."""
        self.sheet.write_formula(row, column, formula, self.style(style), "" if value is None else value)

    def across(self, row: int, first: int, last: int, word: str, style: str) -> None:
        """Write a text over several columns of a row."""
        if last > first:
            self.sheet.merge_range(row, first, row, last, word, self.style(style, quoted=word.startswith(RISKY)))
        else:
            self.text(row, first, word, style)

    def value(self, row: int, column: int, value: Any) -> None:
        """Write what a table holds, as what it is."""
        if isinstance(value, bool):
            self.sheet.write_boolean(row, column, value)
        elif isinstance(value, datetime):
            self.sheet.write_datetime(row, column, value, self.style("time"))
        elif isinstance(value, date):
            self.sheet.write_datetime(row, column, datetime(value.year, value.month, value.day), self.style("date"))
        elif isinstance(value, int | float):
            if math.isfinite(value):
                self.sheet.write_number(row, column, value)
        elif value is not None:
            self.text(row, column, str(value), "plain")

    def height(self, row: int, text: str, width: int) -> None:
        """Make a row high enough for a text wrapped at so many characters; not every program finds it out."""
        self.sheet.set_row(row, 15.0 * (1 + len(text) // width))

    def freeze(self, rows: int, columns: int) -> None:
        """Keep the first rows and columns in sight, and repeat those rows on every printed page."""
        self.sheet.freeze_panes(rows, columns)
        if rows:
            self.sheet.repeat_rows(0, rows - 1)

    def filter(self, last_row: int, last_column: int, first_row: int = 0) -> None:
        """Let the reader choose rows by their values."""
        self.sheet.autofilter(first_row, 0, max(last_row, first_row), last_column)

    def reference(self, row: int, first: int, last: int) -> str:
        """A range of this sheet for charts and formulas of others."""
        quoted = self.name.replace("'", "''")
        return f"='{quoted}'!${xl_col_to_name(first)}${row + 1}:${xl_col_to_name(last)}${row + 1}"
