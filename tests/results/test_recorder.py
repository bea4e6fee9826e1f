import errno
import json
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from fake_city import DAYS, HOURS, TABLES, YEARS, ZONES, FakeCity, kpis, record, run_days

from alatau_sim.errors import InputError, RunError
from alatau_sim.fields import ResultField
from alatau_sim.results.files import read_json, write_json
from alatau_sim.results.kpis import Kpi, ResultTable
from alatau_sim.results.recorder import Recorder, select_tables


def bytes_of(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.arrow")}


def read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def test_parts_lie_by_year_with_explicit_schema_units_and_true_rows(tmp_path):
    recorded = record(tmp_path)
    folder = "scenario=baseline/world=0/replicate=0"
    assert sorted(recorded.parts) == sorted(
        f"{table}/{folder}/part-{year}.arrow" for table in ("load_hour", "zones_day", "zones_year", "kpi_month") for year in (2026, 2027)
    )
    assert recorded.rows == {"load_hour": 426 * 144, "zones_day": 426 * 3, "zones_year": 6, "kpi_month": 14 * 5}
    table = read(tmp_path / "load_hour" / folder / "part-2026.arrow")
    schema = table.schema
    assert schema.names == ["hour", "zone", "use", "load_wh"]
    assert schema.types == [pa.timestamp("s"), pa.dictionary(pa.int16(), pa.string()), pa.dictionary(pa.int8(), pa.string()), pa.int64()]
    assert schema.field("load_wh").metadata == {b"unit": b"Wh", b"meaning": b"energy used in the hour"}
    assert schema.metadata == {b"meaning": b"Load by hour", b"period": b"hour", b"theme": b"energy"}
    assert table.num_rows == 61 * 144
    first = table.slice(144 + 2 * 6 + 5, 1).to_pylist()[0]
    load = 50 + date(2026, 11, 2).toordinal() % 7 + 2
    assert first == {"hour": datetime(2026, 11, 2, 2), "zone": "Қонаев", "use": "heating", "load_wh": load}
    years = read(tmp_path / "zones_year" / folder / "part-2027.arrow").to_pylist()
    assert [row["year"] for row in years] == [date(2027, 1, 1)] * 3
    assert years[2]["peak_load"] is None
    months = read(tmp_path / "kpi_month" / folder / "part-2026.arrow").to_pylist()
    assert months[0] == {"month": date(2026, 11, 1), "kpi": "energy", "value": 11.0}
    assert months[4] == {"month": date(2026, 11, 1), "kpi": "=never", "value": None}


def test_equal_content_is_equal_bytes_whatever_the_run_is_called(tmp_path):
    record(tmp_path / "a", "one", 0, 0)
    record(tmp_path / "b", "two", 3, 4)
    a, b = bytes_of(tmp_path / "a"), bytes_of(tmp_path / "b")
    assert list(a.values()) == [b[name.replace("scenario=one/world=0/replicate=0", "scenario=two/world=3/replicate=4")] for name in a]


def test_a_longer_horizon_leaves_the_earlier_year_as_it_was(tmp_path):
    record(tmp_path / "short", end=date(2026, 12, 31))
    record(tmp_path / "long")
    short, long = bytes_of(tmp_path / "short"), bytes_of(tmp_path / "long")
    assert short == {name: long[name] for name in short}


def test_several_batches_hold_the_same_rows(tmp_path):
    record(tmp_path / "a", end=date(2026, 12, 31))
    record(tmp_path / "b", end=date(2026, 12, 31), batch_rows=1000)
    for name in bytes_of(tmp_path / "a"):
        assert read(tmp_path / "a" / name).equals(read(tmp_path / "b" / name))


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_parts_hold_the_same_rows_in_fewer_bytes(tmp_path, compression):
    plain = record(tmp_path / "a", end=date(2026, 11, 30))
    packed = record(tmp_path / "b", end=date(2026, 11, 30), compression=compression)
    name = next(iter(plain.parts))
    assert read(tmp_path / "a" / name).equals(read(tmp_path / "b" / name))
    assert packed.parts[name].bytes < plain.parts[name].bytes


CUT_OFF = """
import os, sys
from datetime import date
from pathlib import Path
from fake_city import TABLES, ZONES, FakeCity, kpis, run_days
from alatau_sim.results.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), "baseline", 0, 0, TABLES, kpis(), labels={"zone": ZONES}, batch_rows=100)
run_days(recorder, FakeCity(date(2026, 12, 1)), date(2027, 3, 15))
os._exit(9)
"""


def test_a_run_that_is_killed_leaves_only_whole_parts_visible_and_the_next_attempt_cleans_up(tmp_path):
    killed = subprocess.run([sys.executable, "-c", CUT_OFF, str(tmp_path)], cwd=Path(__file__).parent, check=False)
    assert killed.returncode == 9
    assert {path.name for path in tmp_path.rglob("part-*")} == {"part-2026.arrow"}
    hidden = list(tmp_path.rglob(".part-*"))
    assert hidden
    assert all(path.name.startswith(".part-2027.arrow.tmp-") for path in hidden)
    seen = pads.dataset(tmp_path / "load_hour", format="ipc").to_table()
    assert seen.num_rows == 31 * 144
    Recorder(tmp_path, "baseline", 0, 0, TABLES, kpis(), labels={"zone": ZONES})
    assert list(tmp_path.rglob("*part-*")) == []


def test_an_abandoned_run_keeps_the_years_that_are_whole(tmp_path):
    recorder = Recorder(tmp_path, "baseline", 0, 0, TABLES, kpis(), labels={"zone": ZONES}, batch_rows=100)
    run_days(recorder, FakeCity(date(2026, 12, 1)), date(2027, 3, 15))
    recorded = recorder.abandon()
    assert {Path(name).name for name in recorded.parts} == {"part-2026.arrow"}
    assert list(tmp_path.rglob(".part-*")) == []


def test_a_new_attempt_touches_no_other_run(tmp_path):
    record(tmp_path, "a")
    record(tmp_path, "a", replicate=1)
    before = bytes_of(tmp_path)
    record(tmp_path, "a", end=date(2026, 11, 30), tables=(DAYS,))
    after = bytes_of(tmp_path)
    assert {n: b for n, b in after.items() if "replicate=1" in n} == {n: b for n, b in before.items() if "replicate=1" in n}
    assert sorted(n.split("/")[0] for n in after if "replicate=0" in n) == ["kpi_month", "zones_day"]


def test_words_about_tables_and_kpis_are_merged_by_name(tmp_path):
    record(tmp_path, "a", end=date(2026, 11, 2))
    extra = Kpi("trust", "Trust", "share", "higher", "mean of trust", "", lambda sim: 0.5)
    Recorder(tmp_path, "b", 0, 0, (), (*kpis(), extra)).finish()
    record(tmp_path, "c", end=date(2026, 11, 2))
    words = json.loads((tmp_path / "kpis.json").read_text(encoding="utf-8"))
    assert set(words) == {"energy", "comfort", "wallets", "highest", "=never", "trust"}
    assert words["trust"]["place"] == 5
    tables = json.loads((tmp_path / "tables.json").read_text(encoding="utf-8"))
    assert tables["zones_day"]["columns"][1] == {"name": "load_wh", "type": "int32", "unit": "Wh", "meaning": "energy of the day"}


def table_of(kind: str, value: Any, labels: tuple[str, ...] = ()) -> ResultTable:
    return ResultTable("thing_day", "day", (ResultField("x", kind, labels=labels), ResultField("y", "int32")),  # type: ignore[arg-type]
                       lambda sim: {"x": value, "y": [1, 2]})


@pytest.mark.parametrize(("kind", "value", "said"), [
    ("int64", [1], "column 'y' has 2 rows, but 'x' has 1"),
    ("int64", [1.0, float("nan")], "column 'x' is nan in row 1; it must be a whole number"),
    ("int64", [1.5, 2], "column 'x' is 1.5 in row 0"),
    ("int32", [1, 2**31], "column 'x' is 2147483648 in row 1; it must be within"),
    ("int64", ["a", "b"], "needs one dimension of whole numbers"),
    ("int64", np.zeros((2, 2)), "2 dimensions"),
    ("float64", [1, float("inf")], "column 'x' is inf in row 1; it must be finite"),
    ("float64", ["a", "b"], "needs one dimension of numbers"),
    ("bool", [0, 2], "within 0 … 1"),
    ("text", [1, 2], "column 'x' must be text"),
    ("category", [0, 2], "column 'x' is 2 in row 1; it must be within 0 … 1"),
    ("category", [0, -1], "column 'x' is -1"),
    ("category", ["a", "c"], "column 'x' has 'c'; it must be one of its 2 labels: a, b"),
])
def test_a_wrong_column_stops_the_run_and_is_named(tmp_path, kind, value, said):
    recorder = Recorder(tmp_path, "a", 0, 0, [table_of(kind, value, ("a", "b") if kind == "category" else ())], ())
    with pytest.raises(RunError, match="table thing_day: ") as caught:
        recorder.day_closed(FakeCity(date(2026, 1, 1)))
    assert said in str(caught.value)


def test_columns_that_are_missing_or_not_declared_are_named(tmp_path):
    table = ResultTable("thing_day", "day", (ResultField("x", "int32"),), lambda sim: {"z": [1]})
    recorder = Recorder(tmp_path, "a", 0, 0, [table], ())
    with pytest.raises(RunError, match="table thing_day: columns missing: x; columns not declared: z"):
        recorder.day_closed(FakeCity(date(2026, 1, 1)))


def test_the_recorder_keeps_copies_of_the_model_s_arrays(tmp_path):
    live = np.array([1, 2], dtype=np.int64)
    numbers = np.array([0.5, 1.5])
    fields = (ResultField("x", "int64"), ResultField("y", "float64"))
    recorder = Recorder(tmp_path, "a", 0, 0, [ResultTable("thing_day", "day", fields, lambda sim: {"x": live, "y": numbers})], ())
    sim = FakeCity(date(2026, 1, 1))
    recorder.day_closed(sim)
    live += 10
    numbers += 10
    sim.clock.date = date(2026, 1, 2)
    recorder.day_closed(sim)
    part = tmp_path / next(iter(recorder.finish().parts))
    days = [date(2026, 1, 1)] * 2 + [date(2026, 1, 2)] * 2
    assert read(part).to_pydict() == {"day": days, "x": [1, 2, 11, 12], "y": [0.5, 1.5, 10.5, 11.5]}


@pytest.mark.parametrize(("tables", "kpi_names", "said"), [
    ((YEARS, YEARS), (), "used twice"),
    ((ResultTable("runs", "day", (), lambda sim: {}),), (), "reserved"),
    ((ResultTable("a_day", "day", (ResultField("scenario", "text"),), lambda sim: {}),), (), "bad column 'scenario'"),
    ((ResultTable("../x", "day", (ResultField("x", "text"),), lambda sim: {}),), (), "bad name"),
    ((HOURS,), (), "the category 'zone' has no labels"),
    ((), ("a", "a"), "KPI 'a': the name is used twice"),
])
def test_bad_declarations_are_refused_at_the_start(tmp_path, tables, kpi_names, said):
    indicators = [Kpi(name, name, "", "higher", "", "", lambda sim: 0.0) for name in kpi_names]
    with pytest.raises(InputError, match=said):
        Recorder(tmp_path, "a", 0, 0, tables, indicators)


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "a=b", "a b", "x" * 101, "_a", "a%20", "a."])
def test_a_scenario_s_name_must_make_a_folder(tmp_path, name):
    with pytest.raises(InputError, match="scenario name"):
        Recorder(tmp_path, name, 0, 0, (), ())


def test_a_kpi_must_be_one_finite_number(tmp_path):
    sim = FakeCity(date(2026, 1, 31))
    for value, said in ((float("inf"), "finite"), (None, "one number")):
        kpi = Kpi("a", "A", "", "higher", "", "", lambda sim, value=value: value)
        with pytest.raises(RunError, match=said):
            Recorder(tmp_path, "a", 0, 0, (), [kpi]).month_closed(sim)


def test_tables_are_chosen_by_the_scenario():
    quarter = ResultTable("people_day", "day", (), lambda sim: {}, default=False)
    tables = [*TABLES, quarter]
    assert [t.name for t in select_tables(tables)] == ["zones_day", "zones_year"]
    assert [t.name for t in select_tables(tables, ["load"], ["people_day"])] == ["load_hour", "zones_day", "zones_year", "people_day"]
    with pytest.raises(InputError, match=r"results.hourly: there is no table 'lod'; did you mean 'load'\?"):
        select_tables(tables, ["lod"])
    with pytest.raises(InputError, match=r"results.tables: there is no table 'zone_day'; did you mean 'zones_day'\?"):
        select_tables(tables, (), ["zone_day"])


@pytest.mark.parametrize(("number", "said"), [
    (errno.ENOSPC, "the disk is full"), (errno.EACCES, "no permission"), (errno.EROFS, "read-only"),
])
def test_a_disk_that_refuses_gives_one_clear_message(tmp_path, monkeypatch, number, said):
    recorder = Recorder(tmp_path, "a", 0, 0, TABLES, kpis(), labels={"zone": ZONES})
    run_days(recorder, FakeCity(date(2026, 12, 1)), date(2026, 12, 31))

    def refuse(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match=said) as caught:
        recorder.finish()
    assert "part-2026.arrow: cannot be written" in str(caught.value)
    assert recorder.abandon().parts == {}
    assert list(tmp_path.rglob("*part-*")) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_while_writing(tmp_path, monkeypatch):
    monkeypatch.setattr("alatau_sim.results.recorder.hidden", lambda path: Path("/dev/full"))
    recorder = Recorder(tmp_path, "a", 0, 0, TABLES, (), labels={"zone": ZONES}, batch_rows=5000)
    with pytest.raises(InputError, match=r"part-2026.arrow: cannot be written: the disk is full"):
        run_days(recorder, FakeCity(date(2026, 1, 1)), date(2026, 12, 31))
    monkeypatch.setattr("alatau_sim.results.recorder.hidden", lambda path: tmp_path / "gone")
    recorder.abandon()


def test_a_rename_that_is_refused_for_a_moment_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr("alatau_sim.results.files.TRIES", 3)
    refusals = [PermissionError(errno.EACCES, "in use"), PermissionError(errno.EACCES, "in use")]
    real = os.replace

    def replace(*args: Any) -> None:
        if refusals:
            raise refusals.pop()
        real(*args)

    monkeypatch.setattr(os, "replace", replace)
    write_json(tmp_path / "a.json", {"x": 1})
    assert read_json(tmp_path / "a.json") == {"x": 1}


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "out").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="out: cannot be written: a file stands where a folder is needed"):
        Recorder(tmp_path / "out", "a", 0, 0, (), ())
    with pytest.raises(InputError, match="a part of the path is a file"):
        Recorder(tmp_path / "out" / "in", "a", 0, 0, (), ())


def test_the_recorder_asks_the_simulation_for_nothing_but_the_date(tmp_path):
    recorder = Recorder(tmp_path, "a", 0, 0, [ResultTable("thing_day", "day", (ResultField("x", "int32"),), lambda sim: {"x": []})], ())
    recorder.day_closed(SimpleNamespace(clock=SimpleNamespace(date=date(2026, 5, 1))))
    recorded = recorder.finish()
    assert recorded.rows == {"thing_day": 0}
    assert read(tmp_path / next(iter(recorded.parts))).num_rows == 0
