"""SQL over a study's tables with DuckDB, locked: a query reads nothing but the study and writes nothing."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.results.dataset import Study, open_study
from alatau_sim.results.numbers import number, screen_width
from alatau_sim.results.runs import RUN_COLUMNS, as_arrow, case_rows, run_rows

LOCKED: dict[str, Any] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "temp_directory": "",  # otherwise a large sort would write into the current folder
    "lock_configuration": "true",
}
# DESCRIBE, SHOW, SUMMARIZE, VALUES and FROM are SELECT to DuckDB. EXPLAIN ANALYZE runs what it explains, but under the same locks
READING = ("SELECT", "EXPLAIN")
NO_TABLE = re.compile(r"Table with name \"?([^\s\"]+)\"? does not exist")


def query(out: str | Path | Study, sql: str) -> pa.Table:
    """The result of one reading statement over the study's tables, each with the columns scenario, world and replicate."""
    study = out if isinstance(out, Study) else open_study(out)
    datasets = {name: study.dataset(name) for name in study.tables}
    connection = duckdb.connect(":memory:", config=LOCKED)
    try:
        _check_reading(connection, sql)
        for name, dataset in datasets.items():
            connection.register(name, dataset)
        for name, rows in _tables_of_runs(study).items():
            connection.register(name, rows)
        files = [path for name in datasets for path in study.files(name)]
        with study.naming_damage(files, duckdb.InvalidInputException, duckdb.IOException):
            table: pa.Table = connection.sql(sql).to_arrow_table()
        return _whole_numbers(table)
    except duckdb.Error as error:
        raise InputError(_first_line(error, study)) from error
    finally:
        connection.close()


def _tables_of_runs(study: Study) -> dict[str, pa.Table]:
    """`runs`: a row a run with its stage and traceback where it failed; `cases`: the values of each case of a sweep."""
    manifests = [run.manifest for run in (*study.runs, *study.unfinished) if run.manifest]
    cases = case_rows(manifests)
    tables = {"runs": as_arrow(run_rows(manifests), RUN_COLUMNS)}
    return tables | ({"cases": as_arrow(cases, ("scenario", "base", "case"))} if cases else {})


def _whole_numbers(table: pa.Table) -> pa.Table:
    """The table with DuckDB's sums of whole numbers (128 bits) as int64, where they fit."""
    for place, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type) and field.type.scale == 0:
            largest = max((abs(value) for value in table[field.name].to_pylist() if value is not None), default=0)
            if largest < 2**63:
                table = table.set_column(place, field.name, table[field.name].cast(pa.int64()))
    return table


def _check_reading(connection: Any, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise InputError(f"SQL: there are {len(statements)} statements; give one" if statements else "SQL: the query is empty")
    kind = statements[0].type.name
    if kind not in READING:
        hint = "; write the values out: PIVOT … ON x IN ('a', 'b')" if kind == "MULTI" else ""
        raise InputError(f"SQL: {kind} statements are not allowed; a query may only read (SELECT, FROM, DESCRIBE, SHOW, EXPLAIN){hint}")


def _first_line(error: Exception, study: Study) -> str:
    message = str(error).strip()
    unknown = NO_TABLE.search(message)
    if unknown:
        near = did_you_mean(unknown[1], study.tables) or f"; tables: {', '.join(study.tables)}"
        return f"SQL: there is no table {unknown[1]!r}{near}"
    lines = message.splitlines() or [type(error).__name__]
    candidates = next((f" ({line.strip()})" for line in lines[1:] if line.startswith(("Candidate", "Did you mean"))), "")
    return f"SQL: {lines[0]}{candidates}"


def as_text(table: pa.Table, *, rows: int = 40, width: int | None = None) -> str:
    """The table for reading: the first rows with thousands separated, and how many more there are."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for field in table.schema:
        numeric = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        shown.add_column(field.name, justify="right" if numeric else "left", overflow="fold")
    for row in table.slice(0, rows).to_pylist():
        shown.add_row(*(_word(name, value) for name, value in row.items()))
    target = io.StringIO()
    Console(file=target, width=width or screen_width(), color_system=None, highlight=False, markup=False, emoji=False).print(shown)
    lines = [line.rstrip() for line in target.getvalue().splitlines()]
    if not table.num_rows:
        lines.append("(no rows)")
    more = table.num_rows - rows
    return "\n".join([*lines, f"… {more:,} more rows"] if more > 0 else lines) + "\n"


def _word(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float | Decimal):
        return number(float(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if name in ("world", "replicate", "year") else f"{value:,}"
    return str(value)


def _json_value(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return None if isinstance(value, float) and value != value else str(value) if not isinstance(value, int | float | str | bool) else value


def as_csv(table: pa.Table) -> str:
    """The table as CSV (comma, point, dates as ISO 8601), empty where there is no value."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow(["" if value is None else _json_value(value) for value in row.values()])
    return target.getvalue()


def as_json(table: pa.Table) -> str:
    """The table as a JSON list of rows."""
    rows = [{name: None if value is None else _json_value(value) for name, value in row.items()} for row in table.to_pylist()]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
