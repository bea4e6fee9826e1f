"""A study's tables for other programs: Parquet, CSV with a data dictionary, Excel, and what `layers` and `investors` make of them.

Every part is compared with the hash in its manifest while it is read. GTFS is made from scenarios and not from results: see
`alatau_sim.study.feeds`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.results.dataset import PARTITIONS, RunRecord, Study, open_study
from alatau_sim.results.files import sha256_of
from alatau_sim.results.staging import Stage, staged

Format = Literal["parquet", "csv", "xlsx", "gpkg", "geojson", "geoparquet"]
Write = Callable[[Stage], None]
FORMATS: tuple[str, ...] = get_args(Format)
TABLES = ("parquet", "csv")
"""The formats that take tables as they are; of the others, `xlsx` takes them when they are named."""
KEY_WORDS = {"scenario": "scenario of the run", "world": "world of the run: 0 is the central one", "replicate": "draw of luck of the run"}


def export(
    out: str | Path | Study,
    to: str | Path,
    format: str,
    *,
    tables: Sequence[str] = (),
    scenarios: Sequence[str] = (),
    baseline: str | None = None,
    whole: bool = False,
    discount_rate: float | None = None,
    force: bool = False,
) -> list[Path]:
    """Write a study's results into a folder in another format, and return the files.

    `tables` and `scenarios` are all unless named. Parquet is in hive folders (`<table>/scenario=…/world=…/replicate=…/part-2026.parquet`),
    or with `whole` one file a table with columns for the run, as CSV always is. `xlsx` is the workbook for investors, or the tables
    that are named, a sheet each. `gpkg`, `geojson` and `geoparquet` have the zones by year, and their changes against the `baseline`.
    Nothing appears in the folder unless everything could be written.
    """
    study = out if isinstance(out, Study) else open_study(out)
    if format not in FORMATS:
        raise InputError(f"format {format!r}: it must be one of {', '.join(FORMATS)}{did_you_mean(format, FORMATS)}")
    if tables and format not in (*TABLES, "xlsx"):
        raise InputError(f"--tables {tables[0]}: {format} has the zones by year and takes no tables")
    names = _tables(study, tables)
    study = only(study, scenarios)
    place = Path(to)
    _keep_out(study, place)
    if format == "xlsx":
        files, write = _plan_workbook(study, names if tables else [], baseline, discount_rate)
    elif format in TABLES:
        files, write = _plan_tables(study, names, format, whole)
    else:
        from alatau_sim.results.layers import plan_layers

        files, write = plan_layers(study, format, baseline)
    with staged(place, files, force=force) as stage:
        write(stage)
    if format == "parquet" and not whole and force:
        _remove_stale(place, names, stage.made)
    return stage.made


def only(study: Study, scenarios: Sequence[str]) -> Study:
    """The study with the runs of these scenarios only; all of them where none is named."""
    study.files(study.tables[0] if study.tables else "")  # says what is broken, before anything else
    for name in scenarios:
        if name not in study.scenarios:
            raise InputError(f"{study.folder}: there is no complete run of scenario {name!r}{did_you_mean(name, study.scenarios)}")
    return Study(study.folder, [run for run in study.runs if not scenarios or run.scenario in scenarios], study.unfinished)


def _tables(study: Study, tables: Sequence[str]) -> list[str]:
    for name in tables:
        study.files(name)  # raises for one that is not there, with the nearest name
    return list(dict.fromkeys(tables)) or study.tables


def _plan_workbook(study: Study, tables: list[str], baseline: str | None, rate: float | None) -> tuple[list[str], Write]:
    """The workbook that an export will make, and what makes it: the one for investors, or one of the tables."""
    if not tables:
        from alatau_sim.results.investors import write_investors

        return ["investors.xlsx"], lambda stage: write_investors(study, stage.file("investors.xlsx"), baseline=baseline, rate=rate)
    from alatau_sim.results.tablebook import check_rows, write_tables

    check_rows(study, tables)
    return ["tables.xlsx"], lambda stage: write_tables(study, tables, stage.file("tables.xlsx"))


def _plan_tables(study: Study, tables: list[str], format: str, whole: bool) -> tuple[list[str], Write]:
    """The files of tables that an export will make, and what makes them."""
    tables = [name for name in tables if name in study.tables]
    if format == "csv":
        return [*(f"{name}.csv" for name in tables), "dictionary.csv", "kpis.csv"], lambda stage: _write_csv(study, tables, stage)
    if whole:
        return [f"{name}.parquet" for name in tables], lambda stage: _write_whole(study, tables, stage)
    return [_hive(part) for name in tables for _, part in parts_of(study, name)], lambda stage: _write_hive(study, tables, stage)


def _keep_out(study: Study, place: Path) -> None:
    """Refuse the study's own folder and its tables': files of another format among the parts would be read as results."""
    home, place = study.folder.resolve(), place.resolve()
    own = {"runs", *study.describe()}
    if place == home or (place.is_relative_to(home) and place.relative_to(home).parts[0] in own):
        raise InputError(f"{place}: is the study's own folder; export into another one, such as {study.folder / 'export'}")


def parts_of(study: Study, table: str) -> Iterator[tuple[RunRecord, str]]:
    """The parts of a table, by scenario, world, replicate and year, each with its run."""
    for run in study.runs:
        for part in sorted(run.manifest["parts"]):
            if part.split("/", 1)[0] == table:
                yield run, part


def read_part(study: Study, run: RunRecord, part: str) -> pa.Table:
    """One part in memory; an `InputError` says if its bytes are not those that the run wrote."""
    path = study.folder / part
    with study.naming_damage([path]):
        if sha256_of(path) != run.manifest["parts"][part]["sha256"]:
            raise InputError(f"{path}: is damaged (its bytes are not those that the run wrote); run it again with --force")
        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_file(file).read_all()


def tables_of(study: Study, name: str) -> Iterator[pa.Table]:
    """The parts of a table with the run's columns in front, in one schema."""
    schema = schema_of(study, name)
    for run, part in parts_of(study, name):
        found = read_part(study, run, part)
        keys = (pa.repeat(pa.scalar(run.scenario, pa.string()), len(found)), pa.repeat(pa.scalar(run.world, pa.int32()), len(found)),
                pa.repeat(pa.scalar(run.replicate, pa.int32()), len(found)))
        columns = dict(zip(PARTITIONS.names, keys, strict=True)) | {column: found[column] for column in found.column_names}
        missing = {field.name: pa.nulls(len(found), field.type) for field in schema if field.name not in columns}
        columns |= missing
        yield pa.table([columns[field.name] for field in schema], schema=_nullable(schema))


def schema_of(study: Study, name: str) -> pa.Schema:
    """The table's schema with the run's columns in front; unit and meaning are in the fields' metadata."""
    table = study.dataset(name).schema
    keys = [pa.field(field.name, field.type, False, {"unit": "", "meaning": KEY_WORDS[field.name]}) for field in PARTITIONS]
    return pa.schema([*keys, *(field for field in table if field.name not in KEY_WORDS)], table.metadata)


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema], schema.metadata)


def _hive(part: str) -> str:
    return part.removesuffix(".arrow") + ".parquet"


def _write_hive(study: Study, tables: Sequence[str], stage: Stage) -> None:
    import pyarrow.parquet as pq

    for name in tables:
        for run, part in parts_of(study, name):
            pq.write_table(read_part(study, run, part), stage.file(_hive(part)), compression="zstd")


def _write_whole(study: Study, tables: Sequence[str], stage: Stage) -> None:
    import pyarrow.parquet as pq

    for name in tables:
        with pq.ParquetWriter(stage.file(f"{name}.parquet"), _nullable(schema_of(study, name)), compression="zstd") as writer:
            for table in tables_of(study, name):
                writer.write_table(table)


def _remove_stale(place: Path, tables: Sequence[str], made: Sequence[Path]) -> None:
    """Parts of an earlier export that this one did not replace: a reader would take them for results of this one."""
    kept = {path.resolve() for path in made}
    for name in tables:
        for path in (place / name).glob("scenario=*/world=*/replicate=*/part-*.parquet"):
            if path.resolve() not in kept:
                path.unlink()


# ---- CSV ----
def _write_csv(study: Study, tables: Sequence[str], stage: Stage) -> None:
    import pyarrow.csv as pacsv

    for name in tables:
        schema = pa.schema([field.with_type(_plain(field.type)) for field in _nullable(schema_of(study, name))])
        with pacsv.CSVWriter(str(stage.file(f"{name}.csv")), schema) as writer:
            for table in tables_of(study, name):
                writer.write_table(table.cast(schema))
    _rows(stage.file("dictionary.csv"), ("table", "column", "type", "unit", "meaning"), dictionary(study, tables))
    columns = ("kpi", "label", "unit", "better", "over_year", "theme", "formula", "table")
    infos = study.kpis().values()
    _rows(stage.file("kpis.csv"), columns, [(i.name, i.label, i.unit, i.better, i.over_year, i.theme, i.formula, i.table) for i in infos])


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def dictionary(study: Study, tables: Sequence[str]) -> list[tuple[str, str, str, str, str]]:
    """What the tables' columns mean: table, column, type, unit, meaning; a row without a column tells of the table."""
    rows = []
    for name in tables:
        schema = schema_of(study, name)
        rows.append((name, "", "", "", _word(schema.metadata, "meaning")))
        for field in schema:
            kind = "category" if pa.types.is_dictionary(field.type) else str(field.type)
            rows.append((name, field.name, kind, _word(field.metadata, "unit"), _word(field.metadata, "meaning")))
    return rows


def _word(metadata: Any, key: str) -> str:
    return (metadata or {}).get(key.encode(), b"").decode()


def _rows(path: Path, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
