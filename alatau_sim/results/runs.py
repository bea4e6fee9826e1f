"""The runs of a study as a table, one row a run with its stage and traceback where it failed; and the cases of a sweep."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

RUN_COLUMNS = (
    "scenario", "world", "replicate", "status", "stage", "error", "traceback", "days", "wall_s", "peak_memory_bytes", "finished_at", "base",
    "case", "seed", "hash",
)  # fmt: skip
WHOLE = ("world", "replicate", "days", "peak_memory_bytes", "case", "seed")
Row = dict[str, Any]


def run_rows(manifests: Iterable[Mapping[str, Any]]) -> list[Row]:
    """One row a manifest: `error` is the last line of its `traceback`; `base` and `case` are those of a sweep."""
    rows = []
    for manifest in manifests:
        row = {name: manifest.get(name) for name in RUN_COLUMNS}
        trace = str(manifest.get("error") or "")
        rows.append({**row, "error": trace.strip().rpartition("\n")[2], "traceback": trace, "stage": manifest.get("stage") or ""})
    return rows


def case_rows(manifests: Iterable[Mapping[str, Any]]) -> list[Row]:
    """One row a case that has a manifest: scenario, base, case, and the values by key."""
    found = {
        m["scenario"]: {**{key: m[key] for key in ("scenario", "base", "case")}, **m.get("values", {})} for m in manifests if "case" in m
    }
    return sorted_cases(found.values())


def sorted_cases(rows: Iterable[Row]) -> list[Row]:
    """Cases by base and number."""
    return sorted(rows, key=lambda row: (str(row["base"]), int(row["case"])))


def as_csv(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """Rows as CSV; the columns given first, then those that rows have besides."""
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    target = io.StringIO()
    writer = csv.DictWriter(target, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({name: _word(value) for name, value in row.items()} for row in rows)
    return target.getvalue()


def _word(value: Any) -> Any:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else ";".join(map(str, value)) if isinstance(
        value, list | tuple) else value


def as_arrow(rows: Sequence[Row], columns: Sequence[str]) -> Any:
    """Rows as an Arrow table; a column of several types becomes text."""
    import pyarrow as pa

    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    arrays = []
    for name in names:
        values = [row.get(name) for row in rows]
        if name in WHOLE:
            arrays.append(pa.array(values, pa.int64()))
        elif values and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            arrays.append(pa.array(values, pa.float64()))
        else:
            arrays.append(pa.array([None if v is None else str(_word(v)) for v in values], pa.string()))
    return pa.table(arrays, names=names)
