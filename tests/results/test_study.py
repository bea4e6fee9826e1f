import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from fake_city import DAYS, HOURS, TABLES, ZONES, FakeCity, kpis, record, run_days

from alatau_sim.errors import InputError, RunError
from alatau_sim.results.dataset import open_study
from alatau_sim.results.files import manifest_path
from alatau_sim.results.manifest import is_whole, new_manifest, plain, read_manifest, read_manifests, write_manifest
from alatau_sim.results.query import query
from alatau_sim.results.recorder import Recorded, Recorder


@pytest.fixture
def study(tmp_path) -> Path:
    out = tmp_path / "қала study"
    for scenario, lift in (("baseline", 0.0), ("қала+2", 1.0)):
        for replicate in (0, 1):
            record(out, scenario, 0, replicate, lift=lift + replicate, end=date(2027, 1, 31))
    return out


def test_a_study_gives_its_runs_tables_and_words(study):
    opened = open_study(study)
    assert [run.name for run in opened.runs] == ["baseline-0-0", "baseline-0-1", "қала+2-0-0", "қала+2-0-1"]
    assert opened.tables == ["kpi_month", "load_hour", "zones_day", "zones_year"]
    assert list(opened.kpis()) == ["energy", "comfort", "wallets", "highest", "=never"]
    assert opened.kpis()["comfort"].over_year == "mean"
    assert opened.describe()["zones_day"]["period"] == "day"
    table = opened.table("zones_day")
    assert table.num_rows == 4 * 92 * 3
    assert table.schema.field("replicate").type == pa.int32()
    assert table.schema.field("load_wh").metadata[b"unit"] == b"Wh"
    one = opened.table("zones_day", "қала+2", replicate=1)
    assert set(one["scenario"].to_pylist()) == {"қала+2"}
    assert one.num_rows == 92 * 3
    assert opened.table("zones_day", columns=["zone"]).column_names == ["zone"]
    assert opened.verify() == []


def test_four_readers_read_the_same(study):
    ours = open_study(study).table("load_hour", "қала+2", replicate=1).drop_columns(["scenario", "world", "replicate"])
    rows = ours.to_pylist()
    assert len(rows) == 92 * 144
    assert ours["hour"].to_pylist() == sorted(ours["hour"].to_pylist())
    parts = sorted((study / "load_hour" / "scenario=қала+2" / "world=0" / "replicate=1").glob("part-*.arrow"))
    assert pa.concat_tables([pa.ipc.open_file(pa.memory_map(str(part))).read_all() for part in parts]).to_pylist() == rows
    frame = pd.concat([pd.read_feather(part) for part in parts])
    assert frame.astype({"zone": str, "use": str}).to_dict("records") == [{**row, "hour": pd.Timestamp(row["hour"])} for row in rows]
    assert pl.concat([pl.read_ipc(part) for part in parts]).to_dicts() == rows
    sql = query(study, "SELECT hour, zone, use, load_wh FROM load_hour WHERE scenario = 'қала+2' AND replicate = 1 ORDER BY ALL")
    assert sql.to_pylist() == sorted(rows, key=lambda r: (r["hour"], r["zone"], r["use"]))


def test_undefined_numbers_are_null_to_every_reader(study):
    ours = open_study(study).table("zones_day", "baseline", replicate=0)
    expected = [value for value in ours["wait_s"].to_pylist() if value is not None]
    assert 0 < len(expected) < ours.num_rows
    sql = query(study, "SELECT count(wait_s) AS n, avg(wait_s) AS mean FROM zones_day WHERE scenario='baseline' AND replicate = 0")
    assert sql.to_pylist() == [{"n": len(expected), "mean": 1.5}]
    part = next((study / "zones_day" / "scenario=baseline" / "world=0" / "replicate=0").glob("part-2026.arrow"))
    assert pl.read_ipc(part)["wait_s"].mean() == 1.5
    assert pd.read_feather(part)["wait_s"].mean() == 1.5


def test_the_manifest_says_what_went_in_and_out_and_no_place_on_this_machine(study, tmp_path):
    manifest = read_manifest(study, "baseline", 0, 1)
    assert manifest is not None
    assert manifest["status"] == "complete"
    assert manifest["rows"]["zones_day"] == 92 * 3
    assert manifest["resolved"]["run"] == {"start": "2026-11-01", "end": "2027-01-31"}
    assert manifest["resolved"]["map"]["file"] == "zones.geojson"
    assert manifest["inputs"] == {"zones.geojson": "ab"}
    assert {"python", "numpy", "pyarrow", "mesa", "numba", "alatau_sim"} <= set(manifest["versions"])
    assert manifest["peak_memory_bytes"] > 1e7
    text = manifest_path(study, "baseline", 0, 1).read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "/home" not in text
    assert [m["replicate"] for m in read_manifests(study)] == [0, 1, 0, 1]


def test_only_a_complete_manifest_with_all_parts_counts(study):
    assert is_whole(study, "baseline", 0, 0, "h" * 64)
    assert not is_whole(study, "baseline", 0, 0, "other")
    assert not is_whole(study, "baseline", 0, 7, "h" * 64)
    part = study / "zones_day" / "scenario=baseline" / "world=0" / "replicate=0" / "part-2026.arrow"
    whole = part.read_bytes()
    part.write_bytes(whole[:-10])
    assert not is_whole(study, "baseline", 0, 0, "h" * 64)
    part.unlink()
    assert not is_whole(study, "baseline", 0, 0, "h" * 64)


def test_a_new_attempt_takes_the_manifest_away_first(study):
    Recorder(study, "baseline", 0, 0, TABLES, kpis(), labels={"zone": ZONES})
    assert not is_whole(study, "baseline", 0, 0, "h" * 64)
    assert [run.name for run in open_study(study).runs] == ["baseline-0-1", "қала+2-0-0", "қала+2-0-1"]


def test_runs_that_are_not_whole_are_listed_and_not_read(study):
    record(study, "killed", whole=False, end=date(2026, 12, 31))
    recorder = Recorder(study, "stopped", 0, 0, TABLES, kpis(), labels={"zone": ZONES})
    run_days(recorder, FakeCity(date(2026, 12, 1)), date(2027, 1, 5))
    common = {"world": 0, "replicate": 0, "hash": "x", "resolved": {}, "seed": 1, "kernels": "plain", "wall_s": 1.0}
    write_manifest(study, new_manifest(scenario="stopped", recorded=recorder.abandon(), status="stopped", stage="2027-01-05", **common))
    try:
        raise RunError("the rail has no capacity")
    except RunError as error:
        manifest = new_manifest(scenario="failed", recorded=Recorded(), status="failed", stage="decide", error=error, **common)
    write_manifest(study, manifest)
    opened = open_study(study)
    assert {run.name: run.problem for run in opened.unfinished} == {
        "failed-0-0": "failed at decide",
        "stopped-0-0": "stopped at 2027-01-05",
        "killed-0-0": "has no manifest: it is still running, or was killed",
    }
    assert set(opened.table("zones_day")["scenario"].to_pylist()) == {"baseline", "қала+2"}
    failed = read_manifest(study, "failed", 0, 0)
    assert failed is not None
    assert failed["error"].splitlines()[-1] == "RunError: the rail has no capacity"
    assert failed["error"].startswith("test_study.py:")


def test_a_damaged_part_is_named(study):
    part = study / "zones_day" / "scenario=baseline" / "world=0" / "replicate=0" / "part-2026.arrow"
    whole = part.read_bytes()
    part.write_bytes(b"X" * len(whole))
    opened = open_study(study)
    with pytest.raises(InputError, match=r"part-2026.arrow: is damaged") as caught:
        opened.table("zones_day")
    assert str(part) in str(caught.value)
    with pytest.raises(InputError, match=r"part-2026.arrow: is damaged"):
        query(study, "SELECT count(*), sum(load_wh) FROM zones_day")
    later = part.with_name("part-2027.arrow")
    good = later.read_bytes()
    part.write_bytes(whole)
    later.write_bytes(b"X" * len(good))
    with pytest.raises(InputError, match=r"part-2027.arrow: is damaged"):
        query(study, "SELECT count(*), sum(load_wh) FROM zones_day")
    later.write_bytes(good)
    part.write_bytes(b"X" * len(whole))
    assert opened.verify() == [f"{part}: its bytes are not those that the run wrote"]
    part.write_bytes(whole[:100])
    with pytest.raises(InputError, match=r"part-2026.arrow: has 100 bytes instead of \d+; run baseline-0-0 again with --force"):
        open_study(study).table("zones_day")


def test_what_is_no_study_says_what_was_found(tmp_path, study):
    with pytest.raises(InputError, match=r"no such folder; did you mean 'қала study'\?"):
        open_study(tmp_path / "қала studi")
    with pytest.raises(InputError, match=r"is no study, .*found: қала study/.*studies inside it: қала study"):
        open_study(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"it is empty"):
        open_study(tmp_path / "empty")
    with pytest.raises(InputError, match=r"is a file"):
        open_study(study / "kpis.json")
    record(tmp_path / "half", whole=False, end=date(2026, 11, 2))
    with pytest.raises(InputError, match=r"no run is complete \(baseline-0-0: has no manifest"):
        open_study(tmp_path / "half").table("zones_day")
    (study / "runs" / "baseline-0-0.json").write_text('{"format": 1,', encoding="utf-8")
    with pytest.raises(InputError, match=r"baseline-0-0.json: is broken"):
        open_study(study)
    (study / "runs" / "baseline-0-0.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"is not the manifest of a run"):
        open_study(study)


def test_unknown_tables_scenarios_and_replicates_are_named(study):
    opened = open_study(study)
    with pytest.raises(InputError, match=r"no table 'zones_dya'; did you mean 'zones_day'\?"):
        opened.table("zones_dya")
    with pytest.raises(InputError, match=r"no complete run of scenario 'basline'; did you mean 'baseline'\?"):
        opened.table("zones_day", "basline")
    with pytest.raises(InputError, match=r"replicate 9"):
        opened.table("zones_day", replicate=9)
    record(study.parent / "short", tables=(DAYS, *TABLES[2:]), end=date(2026, 11, 30))
    with pytest.raises(InputError, match=r"'zones_year'; it was declared, but no complete run has rows of it"):
        open_study(study.parent / "short").table("zones_year")


def test_runs_with_other_labels_are_read_together(tmp_path):
    out = tmp_path / "out"
    record(out, "a", end=date(2026, 11, 1), tables=(HOURS,))
    recorder = Recorder(out, "b", 0, 0, (HOURS,), (), labels={"zone": ("new-1", "gate-01", "x")})
    run_days(recorder, FakeCity(date(2026, 11, 1)), date(2026, 11, 1))
    write_manifest(out, new_manifest(scenario="b", world=0, replicate=0, hash="x", resolved={}, seed=1, kernels="plain", wall_s=1.0,
                                     recorded=recorder.finish()))
    rows = open_study(out).table("load_hour").to_pylist()
    assert {row["zone"] for row in rows if row["scenario"] == "b"} == {"new-1", "gate-01", "x"}
    found = query(out, "SELECT DISTINCT zone FROM load_hour WHERE scenario = 'b' ORDER BY 1")["zone"].to_pylist()
    assert found == ["gate-01", "new-1", "x"]


def test_json_words_are_plain():
    assert plain({"a": (1, float("inf")), "C:\\x\\map.gpkg": Path("/a/b.csv"), "d": date(2026, 1, 2)}) == {
        "a": [1, "inf"], "map.gpkg": "b.csv", "d": "2026-01-02",
    }
    with pytest.raises(InputError, match="cannot hold"):
        plain(object())


def test_results_read_without_the_model():
    code = (
        "import sys; import alatau_sim.results.compare, alatau_sim.results.query, alatau_sim.results.workbook, alatau_sim.results.geo;"
        "import alatau_sim.results.export, alatau_sim.results.investors, alatau_sim.results.layers, alatau_sim.results.tablebook;"
        "own = [m for m in sys.modules if m.startswith('alatau_sim.') and not m.startswith('alatau_sim.results')];"
        "print(sorted(own), [m for m in ('mesa', 'simpy', 'numba', 'geopandas', 'shapely') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert run.stdout.strip() == "['alatau_sim.errors', 'alatau_sim.fields'] []"


def test_hidden_folders_are_not_looked_into(study):
    """They belong to a study that is at work and may be gone at any moment."""
    before = [run.name for run in open_study(study).unfinished]
    for folder in (".inputs", "table_month"):
        (study / folder / "scenario=ghost" / "world=0" / "replicate=0").mkdir(parents=True)
        found = [run.name for run in open_study(study).unfinished]
        assert found == (before if folder == ".inputs" else [*before, "ghost-0-0"])
