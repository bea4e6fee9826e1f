"""From a declared result table to Arrow: the schema with units, and checked columns of one period."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from alatau_sim.errors import InputError, RunError
from alatau_sim.fields import ResultField
from alatau_sim.results.kpis import Kpi, ResultTable

TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
TIME_MEANING = {
    "hour": "start of the hour, local time",
    "day": "the day",
    "month": "first day of the month",
    "year": "first day of the year",
}
RESERVED = {"runs", "map", "kpi_month"}
PATH_COLUMNS = ("scenario", "world", "replicate")
Labels = Mapping[str, Sequence[str]]


def labels_of(table: ResultTable, column: ResultField, labels: Labels) -> tuple[str, ...]:
    """The fixed dictionary of a category: its declared labels, else those that the run gave under the column's name."""
    found = column.labels or tuple(labels.get(column.name, ()))
    if not found:
        raise InputError(f"table {table.name}: the category {column.name!r} has no labels, declared or given by the run")
    if len(set(found)) != len(found):
        raise InputError(f"table {table.name}: the category {column.name!r} has a label twice")
    return found


def _arrow_type(table: ResultTable, column: ResultField, labels: Labels) -> pa.DataType:
    if column.type != "category":
        return {"int32": pa.int32(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_(), "text": pa.string()}[column.type]
    count = len(labels_of(table, column, labels))
    if column.labels and count <= 127:
        return pa.dictionary(pa.int8(), pa.string())
    # labels that the run gives (zones, KPIs) get the same width in small and in large cities, so that runs can be read together
    return pa.dictionary(pa.int16() if count <= 32767 else pa.int32(), pa.string())


def arrow_schema(table: ResultTable, labels: Labels) -> pa.Schema:
    """The table's schema: the time column first, unit and meaning as field metadata, nothing that varies between runs."""
    names = [column.name for column in table.fields]
    wrong = sorted({name for name in names if names.count(name) > 1} | ({table.period, *PATH_COLUMNS} & set(names)))
    if not TABLE_NAME.match(table.name) or wrong:
        raise InputError(f"table {table.name!r}: bad name" if not wrong else f"table {table.name!r}: bad column {wrong[0]!r}")
    time_type = pa.timestamp("s") if table.period == "hour" else pa.date32()
    fields = [pa.field(table.period, time_type, False, {"unit": "", "meaning": TIME_MEANING[table.period]})]
    for column in table.fields:
        fields.append(
            pa.field(column.name, _arrow_type(table, column, labels), True, {"unit": column.unit, "meaning": column.meaning})
        )
    return pa.schema(fields, {"meaning": table.meaning, "period": table.period, "theme": table.theme})


def describe_tables(tables: Sequence[ResultTable]) -> dict[str, dict[str, Any]]:
    """The tables in words for `tables.json`: period, meaning, theme, place in the list, and columns with type, unit, meaning."""
    described = {}
    for place, table in enumerate(tables):
        columns = [{"name": f.name, "type": f.type, "unit": f.unit, "meaning": f.meaning} for f in table.fields]
        described[table.name] = {
            "period": table.period, "meaning": table.meaning, "theme": table.theme, "place": place, "columns": columns,
        }
    return described


def describe_kpis(kpis: Sequence[Kpi]) -> dict[str, dict[str, Any]]:
    """The KPIs in words for `kpis.json`: all that `compare` needs without the model's code."""
    return {
        kpi.name: {
            "label": kpi.label, "unit": kpi.unit, "better": kpi.better, "over_year": kpi.over_year, "theme": kpi.theme,
            "formula": kpi.formula, "table": kpi.table, "place": place,
        }
        for place, kpi in enumerate(kpis)
    }


def fingerprints(tables: Mapping[str, Mapping[str, Any]], kpis: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """A short hash of what each table and KPI means (not of its label, theme or place), from their descriptions."""

    def short(value: Any) -> str:
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]

    return {
        "tables": {name: short([w["period"], [[c["name"], c["type"], c["unit"]] for c in w["columns"]]]) for name, w in tables.items()},
        "kpis": {name: short([w["unit"], w["better"], w["over_year"], w["formula"], w["table"]]) for name, w in kpis.items()},
    }


class Columns:
    """The checked columns of one table: `batch(day, values)` gives the record batch of one closed period."""

    def __init__(self, table: ResultTable, labels: Labels) -> None:
        self.table = table
        self.schema = arrow_schema(table, labels)
        self._labels = {f.name: labels_of(table, f, labels) for f in table.fields if f.type == "category"}
        self._codes = {name: {label: code for code, label in enumerate(found)} for name, found in self._labels.items()}
        self._dictionaries = {name: pa.array(found, pa.string()) for name, found in self._labels.items()}

    def batch(self, first: date, values: Mapping[str, Any]) -> pa.RecordBatch:
        """The rows of the period that began on `first`; a `RunError` names the table and the column that is wrong."""
        table = self.table
        wanted = [f.name for f in table.fields] + (["hour"] if table.period == "hour" else [])
        if set(values) != set(wanted):
            missing, extra = sorted(set(wanted) - set(values)), sorted(set(values) - set(wanted))
            raise RunError(f"table {table.name}: " + "; ".join(
                f"{word} {', '.join(names)}" for word, names in (("columns missing:", missing), ("columns not declared:", extra)) if names
            ))
        lengths = {name: len(values[name]) for name in wanted}
        rows = lengths[wanted[0]] if wanted else 0
        for name, length in lengths.items():
            if length != rows:
                raise RunError(f"table {table.name}: column {name!r} has {length} rows, but {wanted[0]!r} has {rows}")
        arrays = [self._time(first, values, rows)]
        arrays += [self._array(f, values[f.name]) for f in table.fields]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _time(self, first: date, values: Mapping[str, Any], rows: int) -> pa.Array:
        if self.table.period != "hour":
            days = np.full(rows, first.toordinal() - date(1970, 1, 1).toordinal(), dtype=np.int32)
            return pa.array(days, pa.int32()).cast(pa.date32())
        hours = self._whole("hour", np.asarray(values["hour"]), 0, 23)
        midnight = np.datetime64(first, "s")
        return pa.array(midnight + (hours * 3600).astype("timedelta64[s]"), pa.timestamp("s"))

    def _wrong(self, name: str, what: str) -> RunError:
        return RunError(f"table {self.table.name}: column {name!r} {what}")

    def _whole(self, name: str, value: np.ndarray, low: int, high: int) -> np.ndarray:
        """A copy as int64, after checking that each is a whole number within low … high."""
        if value.ndim != 1 or (value.size and value.dtype.kind not in "iubf"):
            raise self._wrong(name, f"has {value.dtype} values of {value.ndim} dimensions; it needs one dimension of whole numbers")
        if value.dtype.kind == "f":
            bad = np.flatnonzero(~(np.isfinite(value) & (value == np.floor(value))))
            if bad.size:
                raise self._wrong(name, f"is {value[bad[0]]} in row {bad[0]}; it must be a whole number")
        bad = np.flatnonzero((value < low) | (value > high)) if value.size else np.empty(0, np.int64)
        if bad.size:
            raise self._wrong(name, f"is {value[bad[0]]} in row {bad[0]}; it must be within {low} … {high}")
        return value.astype(np.int64)  # always a copy: the model goes on writing into its own arrays

    def _array(self, field: ResultField, value: Any) -> pa.Array:
        if field.type == "text":
            return self._text(field.name, value)
        if field.type == "category":
            return self._category(field.name, value)
        array = np.asarray(value)
        if field.type == "float64":
            return self._float(field.name, array)
        if field.type == "bool":
            return pa.array(self._whole(field.name, array, 0, 1) == 1, pa.bool_())
        bits = np.iinfo(np.int32 if field.type == "int32" else np.int64)
        whole = self._whole(field.name, array, int(bits.min), int(bits.max))
        return pa.array(whole.astype(field.type), pa.int32() if field.type == "int32" else pa.int64())

    def _float(self, name: str, array: np.ndarray) -> pa.Array:
        """Numbers; NaN means not defined and is stored as null, which averages skip in every reader."""
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iubf"):
            raise self._wrong(name, f"has {array.dtype} values of {array.ndim} dimensions; it needs one dimension of numbers")
        numbers = array.astype(np.float64)
        infinite = np.flatnonzero(np.isinf(numbers))
        if infinite.size:
            raise self._wrong(name, f"is {numbers[infinite[0]]} in row {infinite[0]}; it must be finite, or NaN where it is not defined")
        undefined = np.isnan(numbers)
        if not undefined.any():
            return pa.array(numbers, pa.float64())
        numbers[undefined] = 0.0  # one bit pattern below every null, so that equal content is equal bytes
        return pa.array(numbers, pa.float64(), mask=undefined)

    def _text(self, name: str, value: Any) -> pa.Array:
        try:
            return pa.array(value.tolist() if isinstance(value, np.ndarray) else list(value), pa.string())
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise self._wrong(name, f"must be text: {error}") from error

    def _category(self, name: str, value: Any) -> pa.Array:
        array = np.asarray(value)
        if array.dtype.kind in "UO" and array.size:
            codes = self._codes[name]
            unknown = next((item for item in array.tolist() if item not in codes), None)
            if unknown is not None or None in array.tolist():
                raise self._wrong(name, f"has {unknown!r}; it must be one of its {len(codes)} labels: {', '.join(list(codes)[:12])}")
            array = np.fromiter((codes[item] for item in array.tolist()), np.int64, array.size)
        whole = self._whole(name, array, 0, len(self._labels[name]) - 1)
        index_type = self.schema.field(name).type.index_type
        return pa.DictionaryArray.from_arrays(pa.array(whole, pa.int64()).cast(index_type), self._dictionaries[name])
