"""What is handed to other programs: read back by four of them, in every format, and refused where it cannot be right."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from datetime import date, datetime
from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from fake_city import HOURS, TABLES, YEARS, ZONES, draw_map, record

from alatau_sim.errors import InputError
from alatau_sim.fields import ResultField
from alatau_sim.results import export as export_module
from alatau_sim.results.dataset import open_study
from alatau_sim.results.export import FORMATS, export
from alatau_sim.results.geo import save_map, write_zones_gpkg
from alatau_sim.results.kpis import ResultTable

ODD = ResultTable(
    "odd_month", "month",
    (
        ResultField("name", "text", "", "=2+3 is a name"), ResultField("count", "int64", "people", "whole numbers beyond those of floats"),
        ResultField("share", "float64", "share", "with a hole"), ResultField("flag", "bool", "", "yes or no"),
        ResultField("small", "int32", "m2", "may be negative"),
    ),
    lambda sim: {
        "name": ['=HYPERLINK("x")', "", 'quote " , and\nline', "Қонаев"], "count": [2**60 + 1, 0, -1, 7],
        "share": np.array([0.1, np.nan, 1 / 3, -0.0]), "flag": [True, False, True, False], "small": [-(2**31), 2**31 - 1, 0, 1],
    },
    "What breaks careless writers", "odd",
)  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("export") / "plan"
    for scenario, lift in (("baseline", 0.0), ("hub", 10.0)):
        for replicate in (0, 1):
            record(out, scenario, 0, replicate, lift=lift + replicate, start=date(2026, 12, 1), tables=(*TABLES, ODD))
    draw_map(out)
    return out


@pytest.fixture
def own(study, tmp_path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(study, tmp_path / "plan"))


def plain(table: pa.Table) -> dict[str, list]:
    """Values by column, whatever holds them, in the order of the rows."""
    return {name: table[name].to_pylist() for name in table.column_names}


def rows_of(study: Path, name: str) -> pa.Table:
    table = open_study(study).table(name)
    return table.select(["scenario", "world", "replicate", *(c for c in table.column_names if c not in ("scenario", "world", "replicate"))])


def as_read(value):
    """One value as all readers can say it."""
    if value is None or (isinstance(value, float) and value != value) or value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value


@pytest.mark.parametrize("name", ["load_hour", "zones_day", "zones_year", "kpi_month", "odd_month"])
def test_results_and_parquet_read_back_identically_in_four_readers(study, tmp_path, name):
    (file,) = export(study, tmp_path, "parquet", tables=[name], whole=True)
    wanted = plain(rows_of(study, name))
    arrow = sorted(str(path) for path in open_study(study).files(name))
    assert plain(pq.read_table(file)) == wanted
    assert plain(pl.read_parquet(file).to_arrow()) == wanted
    with duckdb.connect() as connection:
        assert plain(connection.sql(f"FROM read_parquet('{file.as_posix()}')").to_arrow_table()) == wanted
    frame = pd.read_parquet(file)
    days = {field.name for field in pq.read_schema(file) if pa.types.is_date(field.type)}
    for column, values in wanted.items():
        found = [as_read(value) for value in frame[column].tolist()]
        assert [value.date() if isinstance(value, datetime) and column in days else value for value in found] == values
    # the study's own files, in the same four
    bare = {column: values for column, values in wanted.items() if column not in ("scenario", "world", "replicate")}
    parts = [pads.dataset(path, format="ipc").to_table() for path in arrow]
    assert plain(pa.concat_tables(parts).unify_dictionaries()) == bare
    assert plain(pl.concat([pl.read_ipc(path) for path in arrow]).to_arrow()) == bare
    dataset = pads.dataset(arrow, format="ipc")
    with duckdb.connect() as connection:
        connection.register("part", dataset)
        assert plain(connection.sql("FROM part").to_arrow_table()) == bare
    frames = pd.concat([pa.ipc.open_file(path).read_pandas(date_as_object=True) for path in arrow])
    assert {column: [as_read(value) for value in frames[column].tolist()] for column in bare} == bare


def test_parquet_keeps_types_categories_times_units_and_meanings(study, tmp_path):
    export(study, tmp_path, "parquet", whole=True)
    schema = pq.read_schema(tmp_path / "load_hour.parquet")
    assert schema.names == ["scenario", "world", "replicate", "hour", "zone", "use", "load_wh"]
    assert pa.types.is_timestamp(schema.field("hour").type)
    assert schema.field("hour").type.tz is None
    assert pa.types.is_dictionary(schema.field("zone").type)
    assert schema.field("load_wh").type == pa.int64()
    assert schema.field("load_wh").metadata[b"unit"] == b"Wh"
    assert schema.field("load_wh").metadata[b"meaning"] == b"energy used in the hour"
    assert schema.metadata[b"meaning"] == b"Load by hour"
    frame = pd.read_parquet(tmp_path / "load_hour.parquet")
    assert list(frame["zone"].cat.categories) == list(ZONES)
    assert frame["hour"].iloc[23 * 6] == pd.Timestamp("2026-12-01 23:00")
    assert pl.read_parquet_schema(tmp_path / "zones_day.parquet")["day"] == pl.Date


def test_hive_folders_have_a_part_for_each_of_the_run_s(study, tmp_path):
    made = export(study, tmp_path, "parquet")
    assert tmp_path / "zones_year/scenario=hub/world=0/replicate=1/part-2027.parquet" in made
    with duckdb.connect() as connection:
        files = f"{tmp_path.as_posix()}/zones_year/**/*.parquet"
        found = connection.execute(f"SELECT scenario, replicate, count(*) FROM '{files}' GROUP BY ALL ORDER BY ALL").fetchall()
    assert found == [(scenario, replicate, 6) for scenario in ("baseline", "hub") for replicate in (0, 1)]
    again = pads.dataset(tmp_path / "kpi_month", format="parquet", partitioning="hive").to_table()
    assert again.num_rows == open_study(study).table("kpi_month").num_rows
    # parts of a scenario that a later export leaves out do not stay among its own
    export(study, tmp_path, "parquet", tables=["zones_year"], scenarios=["hub"], force=True)
    assert {path.parts[-4] for path in (tmp_path / "zones_year").rglob("*.parquet")} == {"scenario=hub"}


def test_csv_is_read_back_and_explained(study, tmp_path):
    made = export(study, tmp_path, "csv")
    assert {path.name for path in made} >= {"load_hour.csv", "kpi_month.csv", "dictionary.csv", "kpis.csv"}
    assert not (tmp_path / "odd_month.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    wanted = rows_of(study, "odd_month")
    frame = pd.read_csv(tmp_path / "odd_month.csv", keep_default_na=False, na_values={"share": [""]}, parse_dates=["month"])
    for name in wanted.column_names:
        values = wanted[name].to_pylist()
        found = [as_read(value) for value in frame[name].tolist()]
        assert [value.date() if name == "month" else value for value in found] == values
    hours = pl.read_csv(tmp_path / "load_hour.csv", try_parse_dates=True)
    assert hours["hour"].to_list() == rows_of(study, "load_hour")["hour"].to_pylist()
    with (tmp_path / "dictionary.csv").open(encoding="utf-8", newline="") as file:
        words = {(row["table"], row["column"]): row for row in csv.DictReader(file)}
    assert words["load_hour", ""]["meaning"] == "Load by hour"
    assert (words["load_hour", "load_wh"]["unit"], words["load_hour", "zone"]["type"]) == ("Wh", "category")
    assert words["odd_month", "name"]["meaning"] == "=2+3 is a name"
    for path in made:
        if path.name not in ("dictionary.csv", "kpis.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                assert all((path.stem, column) in words for column in next(csv.reader(file)))
    with (tmp_path / "kpis.csv").open(encoding="utf-8", newline="") as file:
        assert [row["kpi"] for row in csv.DictReader(file)] == ["energy", "comfort", "wallets", "highest", "=never"]


def test_tables_as_a_workbook_with_units_and_dates(study, tmp_path):
    (file,) = export(study, tmp_path, "xlsx", tables=["odd_month", "zones_year", "load_hour"], scenarios=["hub"])
    book = openpyxl.load_workbook(file)
    assert book.sheetnames == ["Dictionary", "odd_month", "zones_year", "load_hour"]
    sheet = book["odd_month"]
    head = [cell.value for cell in sheet[1]]
    assert head == ["scenario", "world", "replicate", "month", "name", "count [people]", "share [share]", "flag", "small [m2]"]
    first = dict(zip(head, sheet[2], strict=True))
    assert first["name"].value == '=HYPERLINK("x")'
    assert first["name"].data_type != "f" or first["name"].quotePrefix
    assert first["name"].quotePrefix
    assert first["month"].value == datetime(2026, 12, 1)
    assert first["flag"].value is True
    assert sheet.max_row == 1 + rows_of(study, "odd_month").num_rows // 2
    assert book["load_hour"]["D3"].number_format == "yyyy-mm-dd hh:mm"


def test_a_table_that_no_sheet_can_hold_is_refused_with_the_limit(study, tmp_path, monkeypatch):
    monkeypatch.setattr("alatau_sim.results.tablebook.MOST_ROWS", 100)
    with pytest.raises(InputError, match=r"load_hour: [\d,]+ rows.*holds 99 besides its heading; .*--format parquet or csv"):
        export(study, tmp_path / "to", "xlsx", tables=["load_hour", "zones_year"])
    assert not (tmp_path / "to").exists()


def test_the_geopackage_has_a_layer_a_scenario_and_its_changes(study, tmp_path):
    (file,) = export(study, tmp_path, "gpkg")
    assert [name for name, _ in pyogrio.list_layers(file)] == ["baseline", "hub", "hub-against-baseline", "columns"]
    hub, changes = gpd.read_file(file, layer="hub"), gpd.read_file(file, layer="hub-against-baseline")
    assert hub.crs.to_epsg() == 4326
    assert set(hub["scenario"]) == {"hub"}
    assert len(hub) == len(changes) == 2 * 3
    row = changes[(changes.zone == "gate-02") & (changes.year == 2027)].iloc[0]
    assert (row["baseline"], row["change_peak_load_w"], row["change_residents"]) == ("baseline", 10.0, 0.0)
    assert row.geometry.equals(shapely.box(77, 43, 78, 44))
    assert np.isnan(changes[changes.zone == "Қонаев"].iloc[0]["change_peak_load_w"])
    words = pyogrio.read_dataframe(file, layer="columns").set_index("column")
    assert (words.loc["peak_load_w", "unit"], words.loc["peak_load_w", "meaning"]) == ("W", "highest load")
    assert words.loc["change_peak_load_w", "meaning"] == "change against the baseline: highest load"
    assert set(hub.columns) | set(changes.columns) == {*words.index, "geometry"}
    (other,) = export(study, tmp_path / "other", "gpkg", baseline="hub")
    assert "baseline-against-hub" in [name for name, _ in pyogrio.list_layers(other)]


def test_a_map_in_degrees_has_the_code_that_gis_programs_know(own, tmp_path):
    squares = np.array([shapely.box(76 + i, 43, 77 + i, 44) for i in range(3)], dtype=object)
    save_map(own, ZONES, ZONES, ["x"] * 3, squares, "OGC:CRS84")
    (file,) = export(own, tmp_path / "to", "gpkg")
    for layer in (gpd.read_file(file, layer="hub"), gpd.read_file(write_zones_gpkg(own))):
        assert layer.crs.to_epsg() == 4326
        assert layer.total_bounds.tolist() == [76, 43, 79, 44]


def test_geojson_is_that_of_rfc_7946_from_any_map(own, tmp_path):
    utm = gpd.GeoSeries([shapely.box(76 + i, 43, 76.1 + i, 43.1) for i in range(3)], crs="EPSG:4326").to_crs("EPSG:32643")
    save_map(own, ZONES, ZONES, ["x"] * 3, np.array(utm.values), "EPSG:32643")
    made = export(own, tmp_path / "to", "geojson")
    assert sorted(path.name for path in made) == ["zones-baseline.geojson", "zones-hub-against-baseline.geojson", "zones-hub.geojson"]
    told = json.loads((tmp_path / "to/zones-hub.geojson").read_text(encoding="utf-8"))
    assert "crs" not in told
    feature = told["features"][0]
    ring = feature["geometry"]["coordinates"][0][0]
    assert shapely.LinearRing(ring).is_ccw
    assert all(76 - 1e-6 <= x <= 78.2 and 43 - 1e-6 <= y <= 43.2 for x, y in ring)
    assert feature["properties"]["date"] == "2026-01-01"
    assert gpd.read_file(made[0]).crs.to_epsg() == 4326


def test_geoparquet_is_read_by_geopandas_with_its_coordinates(study, tmp_path):
    export(study, tmp_path, "geoparquet")
    layer = gpd.read_parquet(tmp_path / "zones-hub.parquet")
    assert layer.crs.to_epsg() == 4326
    assert layer.total_bounds.tolist() == [76, 43, 79, 44]
    told = json.loads(pq.read_schema(tmp_path / "zones-hub.parquet").metadata[b"geo"])
    assert (told["version"], told["columns"]["geometry"]["encoding"]) == ("1.1.0", "WKB")
    assert layer.set_index(["zone", "year"]).loc[("gate-01", 2027), "peak_load_w"] == 11.5
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT count(*) FROM '{(tmp_path / 'zones-hub.parquet').as_posix()}'").fetchone() == (6,)


@pytest.mark.parametrize("format", FORMATS)
def test_equal_results_give_equal_files_and_only_force_overwrites(study, tmp_path, format):
    first = {path.name: path.read_bytes() for path in export(study, tmp_path, format)}
    with pytest.raises(InputError, match=r"there already; --force overwrites"):
        export(study, tmp_path, format)
    assert {path.name: path.read_bytes() for path in export(study, tmp_path, format, force=True)} == first
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_is_one_message_and_leaves_nothing(study, tmp_path, monkeypatch, format):
    def refuse(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(InputError, match=r"cannot be written: the disk is full; free some space or choose another folder with --to"):
            export(study, tmp_path / "new/to", format)
    assert not (tmp_path / "new").exists()


def test_a_disk_that_fills_up_while_a_table_is_written(study, tmp_path, monkeypatch):
    def fill(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "kept.txt").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(export_module, "_rows", fill)
    with pytest.raises(InputError, match="the disk is full"):
        export(study, tmp_path, "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize(("asked", "said"), [
    ({"format": "parqet"}, r"format 'parqet': it must be one of .*did you mean 'parquet'"),
    ({"format": "csv", "tables": ["zones_yeer"]}, r"there is no table 'zones_yeer'; did you mean 'zones_year'"),
    ({"format": "csv", "scenarios": ["hb"]}, r"no complete run of scenario 'hb'; did you mean 'hub'"),
    ({"format": "gpkg", "tables": ["zones_year"]}, r"--tables zones_year: gpkg has the zones by year"),
    ({"format": "gpkg", "baseline": "basline"}, r"no complete run of a baseline 'basline'; did you mean 'baseline'"),
    ({"format": "xlsx", "baseline": "basline"}, r"no complete run of a baseline 'basline'; did you mean 'baseline'"),
    ({"format": "xlsx", "discount_rate": 8.0}, r"--discount-rate 8: it must be a share a year"),
])
def test_what_is_asked_wrongly_is_told_with_the_nearest_name(study, tmp_path, asked, said):
    with pytest.raises(InputError, match=said):
        export(study, tmp_path / "to", **asked)
    assert not (tmp_path / "to").exists()


def test_no_study_and_the_study_s_own_folder_are_refused(study, tmp_path):
    with pytest.raises(InputError, match="is no study"):
        export(tmp_path, tmp_path / "to", "csv")
    for place in (study, study / "zones_year", study / "runs"):
        with pytest.raises(InputError, match="is the study's own folder"):
            export(study, place, "parquet")
    assert len(export(study, study / "export", "parquet", tables=["zones_year"])) == 8
    shutil.rmtree(study / "export")


@pytest.mark.parametrize("format", ["parquet", "csv", "gpkg", "geojson", "geoparquet"])
def test_a_part_that_was_changed_is_named(own, tmp_path, format):
    part = own / "zones_year/scenario=hub/world=0/replicate=1/part-2027.arrow"
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(InputError, match=r"part-2027.arrow: is damaged"):
        export(own, tmp_path / "to", format)
    part.unlink()
    with pytest.raises(InputError, match=r"part-2027.arrow: is missing"):
        export(own, tmp_path / "to", format)
    assert not (tmp_path / "to").exists()


def test_columns_that_only_some_runs_have_are_empty_in_the_others(tmp_path):
    more = ResultTable("zones_year", "year", (*YEARS.fields, ResultField("extra", "int64", "people", "of a rule file")),
                       lambda sim: {**YEARS.build(sim), "extra": [1, 2, 3]})
    record(tmp_path / "s", "a", tables=(HOURS, YEARS))
    record(tmp_path / "s", "b", tables=(HOURS, more))
    (file,) = export(tmp_path / "s", tmp_path / "to", "parquet", tables=["zones_year"], whole=True)
    assert pq.read_table(file)["extra"].to_pylist() == [None] * 6 + [1, 2, 3] * 2
