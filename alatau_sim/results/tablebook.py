"""Recorded tables as an Excel workbook, a sheet each, with a sheet that explains their columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from alatau_sim.errors import InputError
from alatau_sim.results.cells import Sheet, workbook
from alatau_sim.results.dataset import Study
from alatau_sim.results.export import dictionary, schema_of, tables_of
from alatau_sim.results.workbook import sheet_name

MOST_ROWS = 1_048_576
"""Rows of an Excel sheet, the heading within (Microsoft: Excel specifications and limits)."""


def check_rows(study: Study, tables: Sequence[str]) -> None:
    """Refuse tables that no sheet can hold."""
    long = [f"{name}: {rows:,} rows" for name in tables if (rows := _rows_of(study, name)) >= MOST_ROWS]
    if long:
        raise InputError(f"{'; '.join(long)}: a sheet of Excel holds {MOST_ROWS - 1:,} besides its heading; choose fewer scenarios with "
                         "--scenario, or --format parquet or csv")


def write_tables(study: Study, tables: Sequence[str], path: Path) -> None:
    """Write one sheet a table: the run's columns in front, units in the heading, dates as dates."""
    with workbook(path, study.folder.name, constant_memory=True) as book:
        used: set[str] = set()
        told = Sheet(book, sheet_name("Dictionary", used), widths=(28, 28, 14, 16, 90))
        for column, head in enumerate(("Table", "Column", "Type", "Unit", "Meaning")):
            told.text(0, column, head, "head")
        for row, line in enumerate(dictionary(study, tables), 1):
            for column, word in enumerate(line):
                told.text(row, column, word, "bold" if not line[1] else "text")
        told.freeze(1, 0)
        for name in tables:
            sheet = Sheet(book, sheet_name(name, used, capital=False))
            schema = schema_of(study, name)
            for column, field in enumerate(schema):
                unit = (field.metadata or {}).get(b"unit", b"").decode()
                head = f"{field.name} [{unit}]" if unit else field.name
                is_text = pa.types.is_dictionary(field.type) or pa.types.is_string(field.type)
                sheet.width(column, max(24 if is_text else 12, len(head) + 3))
                sheet.text(0, column, head, "head" if is_text or pa.types.is_temporal(field.type) else "head right")
            row = 1
            for table in tables_of(study, name):
                row = _append(sheet, row, table)
            sheet.freeze(1, 0)
            sheet.filter(row - 1, len(schema) - 1)


def _rows_of(study: Study, name: str) -> int:
    return sum(run.manifest["rows"].get(name, 0) for run in study.runs)


def _append(sheet: Sheet, row: int, table: pa.Table) -> int:
    """Write the rows below, and return the next free row."""
    for values in zip(*(column.to_pylist() for column in table.columns), strict=True):
        for column, value in enumerate(values):
            sheet.value(row, column, value)
        row += 1
    return row


