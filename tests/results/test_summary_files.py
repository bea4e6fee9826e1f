import errno
import os
import sqlite3
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pytest
import shapely
from fake_city import HOURS, TABLES, ZONES, draw_map, record

from alatau_sim.errors import InputError
from alatau_sim.fields import ResultField
from alatau_sim.results.compare import central_mean, yearly_values
from alatau_sim.results.dataset import open_study
from alatau_sim.results.geo import read_map, save_map, unit_name, write_zones_gpkg
from alatau_sim.results.kpis import ResultTable
from alatau_sim.results.workbook import write_workbook


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("summary") / "plan"
    for scenario, lift in (("baseline", 0.0), ("hub", 10.0)):
        for replicate in (0, 1):
            record(out, scenario, 0, replicate, lift=lift + replicate, start=date(2026, 12, 1), tables=TABLES[1:])
        record(out, scenario, 1, 0, lift=1000.0, start=date(2026, 12, 1), tables=TABLES[1:])
    draw_map(out)
    return out


def test_the_workbook_has_a_sheet_a_theme_with_scenarios_side_by_side(study):
    path = write_workbook(study)
    assert path == study / "summary.xlsx"
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Read me", "Energy", "Pay ments"]
    sheet = book["Energy"]
    head = [[cell.value for cell in row] for row in sheet.iter_rows(max_row=2)]
    assert head[0][3:7] == ["2026 (1 months)", None, "2027", None]
    assert head[1] == ["Indicator", "Unit", "Better", "baseline", "hub", "baseline", "hub", "Months make a year by", "Formula"]
    assert sheet.freeze_panes == "D3"
    assert sheet.column_dimensions["A"].width > 30
    yearly, _ = yearly_values(open_study(study))
    rows = {row[0].value: row for row in sheet.iter_rows(min_row=3)}
    assert list(rows) == ["Label of energy", "Label of comfort", "Label of highest", "Label of =never"]
    energy = rows["Label of energy"]
    assert [cell.value for cell in energy[:3]] == ["Label of energy", "MWh", "lower"]
    expected = [central_mean(yearly["energy", year][name]) for year in (2026, 2027) for name in ("baseline", "hub")]
    assert [cell.value for cell in energy[3:7]] == pytest.approx(expected)
    assert all(isinstance(cell.value, int | float) and cell.number_format == "#,##0.00" for cell in energy[3:7])
    assert [cell.value for cell in rows["Label of =never"][3:7]] == [None] * 4


def test_text_that_looks_like_a_formula_stays_text(study):
    book = openpyxl.load_workbook(write_workbook(study))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
    risky = [cell for cell in cells if cell.value.startswith("=")]
    assert len(risky) >= 7  # five formulas and two titles
    assert {cell.data_type for cell in risky} <= {"s", "f"}
    plain = openpyxl.load_workbook(write_workbook(study), data_only=True)
    for cell in risky:
        assert plain[cell.parent.title][cell.coordinate].value == cell.value


def test_the_read_me_tells_scenarios_and_horizon(study):
    write_workbook(study)
    sheet = openpyxl.load_workbook(study / "summary.xlsx")["Read me"]
    words = {row[0].value: row[1].value for row in sheet.iter_rows() if row[0].value}
    assert words["hub"].startswith("=Title of hub; 2026-12-01 to 2027-12-31; replicates: 2, worlds: 2, seed 1; inputs hhhh")
    assert words["Incomplete years"] == "2026 (1 months)"


def test_equal_results_give_equal_files(study):
    first = (write_workbook(study).read_bytes(), write_zones_gpkg(study).read_bytes())
    assert first == (write_workbook(study).read_bytes(), write_zones_gpkg(study).read_bytes())
    assert not list(study.glob(".*"))


def test_the_zone_layer_opens_in_gis_with_a_date_and_means_over_replicates(study):
    layer = gpd.read_file(write_zones_gpkg(study), layer="zones")
    assert len(layer) == 2 * 2 * 3
    assert layer.crs.to_epsg() == 4326
    assert list(layer.columns) == ["zone", "name", "district", "scenario", "year", "date", "residents", "peak_load_w", "geometry"]
    row = layer[(layer.scenario == "hub") & (layer.year == 2027) & (layer.zone == "gate-02")].iloc[0]
    assert (row["name"], row["district"], row["residents"], row["peak_load_w"]) == ("Gate 2", "Gate", 200, 12.5)
    assert row["date"].date() == date(2027, 1, 1)
    assert row.geometry.equals(shapely.box(77, 43, 78, 44))
    assert layer[layer.zone == "Қонаев"]["peak_load_w"].isna().all()
    with sqlite3.connect(study / "zones.gpkg") as file:
        types = {name: kind for _, name, kind, *_ in file.execute("PRAGMA table_info(zones)")}
    file.close()
    assert types["date"] == "DATE"
    assert types["year"] == "MEDIUMINT"


def test_zone_tables_of_several_domains_stand_side_by_side(tmp_path):
    fields = (
        ResultField("zone", "category"), ResultField("residents", "int64", "people"), ResultField("bill_kzt", "int64", "KZT"),
        ResultField("substation", "int32", "", "row of the substation"), ResultField("peak_load", "float64", "W"),
    )
    energy = ResultTable("zones_energy_year", "year", fields, lambda sim: {
        "zone": [2, 0], "residents": [31, 11], "bill_kzt": [int(sim.lift), 100], "substation": [4, 5],
        "peak_load": [np.nan, 1.0 + sim.lift],
    })
    for replicate in (0, 1):
        record(tmp_path, replicate=replicate, lift=replicate, end=date(2026, 12, 31), tables=(TABLES[2], energy))
    draw_map(tmp_path)
    zones = gpd.read_file(write_zones_gpkg(tmp_path)).set_index("zone").loc[list(ZONES)]
    assert zones["energy_residents"].fillna(0).tolist() == [11, 0, 31]
    assert zones["residents"].tolist() == [100, 200, 300]
    assert zones.loc["Қонаев", "bill_kzt"] == 0.5
    assert zones.loc["Қонаев", "substation"] == 4
    assert zones["energy_peak_load_w"].fillna(0).tolist() == [1.5, 0, 0]
    record(tmp_path / "none", end=date(2026, 11, 2), tables=TABLES[1:2])
    draw_map(tmp_path / "none")
    with pytest.raises(InputError, match="no table of zones by year was recorded"):
        write_zones_gpkg(tmp_path / "none")


def test_a_column_that_two_domains_fill_alike_is_there_once(tmp_path):
    again = ResultTable("zones_more_year", "year", TABLES[2].fields, TABLES[2].build)
    record(tmp_path, end=date(2026, 12, 31), tables=(TABLES[2], again))
    draw_map(tmp_path)
    layer = gpd.read_file(write_zones_gpkg(tmp_path))
    assert [name for name in layer.columns if "residents" in name or "peak" in name] == ["residents", "peak_load_w"]


def test_the_map_is_kept_as_the_run_used_it(study):
    table = read_map(study)
    assert table["zone"].to_pylist() == list(ZONES)
    assert table["outside"].to_pylist() == [False, False, True]
    assert table.schema.metadata[b"crs"] == b"EPSG:4326"


def test_what_the_zone_layer_needs_is_named_when_missing(tmp_path, study):
    out = tmp_path / "s"
    record(out, start=date(2027, 12, 1), tables=(HOURS, TABLES[2]))
    with pytest.raises(InputError, match=r"map.arrow: is missing"):
        write_zones_gpkg(out)
    save_map(out, ["other"], ["x"], ["y"], np.array([shapely.box(0, 0, 1, 1)]), "EPSG:4326")
    with pytest.raises(InputError, match=r"zone 'gate-01' of the recorded tables is not in map.arrow \(3 such\)"):
        write_zones_gpkg(out)
    draw_map(out)
    (out / "map.arrow").write_bytes((out / "map.arrow").read_bytes()[:200])
    with pytest.raises(InputError, match=r"map.arrow: is damaged"):
        write_zones_gpkg(out)
    save_map(out, ZONES, ZONES, ZONES, np.array([shapely.box(0, 0, 1, 1)] * 3), "EPSG:99999999")
    with pytest.raises(InputError, match=r"zones.gpkg: cannot be written"):
        write_zones_gpkg(out)
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("write", [write_workbook, write_zones_gpkg])
def test_a_file_open_elsewhere_or_a_full_disk_is_one_message(study, monkeypatch, write):
    for number, said in ((errno.EACCES, "open in another program"), (errno.ENOSPC, "the disk is full")):
        def refuse(*args: object, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", refuse)
            with pytest.raises(InputError, match=rf"plan/\w+\.(xlsx|gpkg): cannot be written: .*{said}"):
                write(study)
        assert not list(study.glob(".*"))


@pytest.mark.parametrize(("name", "unit", "said"), [
    ("peak_load", "W", "peak_load_w"), ("load_wh", "Wh", "load_wh"), ("residents", "people", "residents"),
    ("wallets_share", "share", "wallets_share"), ("made", "1", "made"),
    ("area", "m²", "area_m2"), ("price", "KZT/kWh", "price_kzt_kwh"), ("income_kzt", "KZT/month", "income_kzt_month"), ("x", "", "x"),
])
def test_columns_of_the_layer_carry_their_unit(name, unit, said):
    assert unit_name(name, unit) == said
