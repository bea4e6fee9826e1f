import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest
from fake_city import record

from alatau_sim.errors import InputError
from alatau_sim.results.numbers import number, percent
from alatau_sim.results.query import as_csv, as_json, as_text, query


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("query") / "study"
    for replicate in (0, 1):
        record(out, "baseline", 0, replicate, lift=replicate, end=date(2026, 12, 31))
    return out


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty current folder, in which a query must leave nothing."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_sums_of_whole_numbers_are_whole_numbers(study):
    table = query(study, "SELECT sum(load_wh) AS wh, sum(load_wh) * 9223372036854775807 AS huge, 1.25::DECIMAL(5, 2) AS d FROM load_hour")
    wh = table["wh"][0].as_py()
    assert isinstance(wh, int)
    assert json.loads(as_json(table)) == [{"wh": wh, "huge": wh * 9223372036854775807, "d": 1.25}]
    assert as_text(table).splitlines()[1].split()[0] == f"{wh:,}"


def test_tables_go_by_their_names_with_the_run_s_columns(study):
    found = query(study, "SELECT scenario, world, replicate, sum(load_wh) AS wh FROM load_hour GROUP BY ALL ORDER BY ALL")
    assert found.column_names == ["scenario", "world", "replicate", "wh"]
    assert found["replicate"].to_pylist() == [0, 1]
    assert found["wh"][1].as_py() - found["wh"][0].as_py() == 61 * 144
    months = query(study, "SELECT month, value FROM kpi_month WHERE kpi = 'energy' AND replicate = 0 ORDER BY month").to_pylist()
    assert months == [{"month": date(2026, 11, 1), "value": 11.0}, {"month": date(2026, 12, 1), "value": 12.0}]


@pytest.mark.parametrize("sql", [
    "WITH a AS (SELECT 1 AS x) SELECT * FROM a", "FROM kpi_month", "VALUES (1)", "DESCRIBE load_hour", "SHOW TABLES", "SUMMARIZE kpi_month",
    "EXPLAIN SELECT * FROM kpi_month", "SELECT 1;", "-- a comment\nSELECT 1",
    "PIVOT kpi_month ON kpi IN ('energy', 'comfort') USING sum(value) GROUP BY month",
])
def test_reading_statements_work(study, sql):
    assert query(study, sql).num_rows > 0


@pytest.mark.parametrize("sql", [
    "COPY kpi_month TO 'x.csv'", "CREATE TABLE a AS SELECT 1", "CREATE TEMP TABLE a AS SELECT 1", "ATTACH 'x.db'", "INSTALL httpfs",
    "LOAD httpfs", "SET threads = 1", "RESET threads", "PRAGMA database_list", "CALL pragma_version()", "EXPORT DATABASE 'x'", "USE memory",
    "INSERT INTO kpi_month VALUES (1)", "DROP VIEW kpi_month", "DELETE FROM kpi_month", "CHECKPOINT", "VACUUM",
    "PIVOT kpi_month ON kpi USING sum(value)",
])
def test_anything_but_reading_is_refused(study, here, sql):
    with pytest.raises(InputError, match=r"SQL: \w+ statements are not allowed; a query may only read"):
        query(study, sql)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("sql", [
    "SELECT * FROM read_csv('secret.csv')", "FROM 'secret.csv'", "FROM read_text('secret.csv')", "FROM read_blob('secret.csv')",
    "FROM glob('*')", "FROM sniff_csv('secret.csv')", "FROM read_json('secret.csv')", "FROM parquet_scan('secret.csv')",
    "EXPLAIN ANALYZE COPY kpi_month TO 'x.csv'", "SELECT * FROM secret", "FROM query('COPY kpi_month TO ''x.csv''')",
    "SELECT getenv('HOME')",
])
def test_nothing_outside_the_study_can_be_reached(study, here, sql):
    import pandas as pd

    (here / "secret.csv").write_text("word\nhidden\n", encoding="utf-8")
    secret = pd.DataFrame({"word": ["hidden"]})  # DuckDB would find this variable by its name, were it allowed to
    with pytest.raises(InputError, match="SQL: "):
        query(study, sql)
    assert [path.name for path in here.iterdir()] == ["secret.csv"]
    assert len(secret) == 1


def test_a_study_is_not_changed_by_queries(study):
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in study.rglob("*")}
    query(study, "SELECT * FROM load_hour ORDER BY load_wh DESC LIMIT 5")
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in study.rglob("*")}


@pytest.mark.parametrize(("sql", "said"), [
    ("SELEC 1", r"SQL: Parser Error: syntax error at or near \"selec\"\Z"),
    ("SELECT * FROM load_hours", r"SQL: there is no table 'load_hours'; did you mean 'load_hour'\?\Z"),
    ("SELECT * FROM qqqq", r"SQL: there is no table 'qqqq'; known: kpi_month, load_hour, zones_day, zones_year\Z"),
    ("SELECT valu FROM kpi_month", r"SQL: Binder Error: Referenced column \"valu\" not found in FROM clause! \(Cand.*value"),
    ("SELECT 1; SELECT 2", r"SQL: there are 2 statements; give one\Z"),
    ("", r"SQL: the query is empty"),
    ("-- nothing", r"SQL: the query is empty"),
    ("SELECT 'a'::INT", r"SQL: Conversion Error: .*a"),
])
def test_errors_are_one_clear_line(study, sql, said):
    with pytest.raises(InputError, match=f"(?i){said}") as caught:
        query(study, sql)
    assert "\n" not in str(caught.value)


def test_output_as_text_csv_and_json(study):
    sql = "SELECT month, kpi, CASE WHEN kpi = 'energy' THEN 54747 ELSE NULL END AS n, value * 1000 AS big, true AS yes FROM kpi_month " \
          "WHERE replicate = 0 AND kpi IN ('energy', '=never') ORDER BY month, kpi"
    table = query(study, sql)
    lines = as_text(table, rows=3).splitlines()
    assert lines[0].split() == ["month", "kpi", "n", "big", "yes"]
    assert lines[1].split() == ["2026-11-01", "=never", "–", "–", "True"]
    assert lines[2].split() == ["2026-11-01", "energy", "54,747", "11,000", "True"]
    assert lines[4] == "… 1 more rows"
    rows = list(csv.DictReader(io.StringIO(as_csv(table))))
    assert rows[1] == {"month": "2026-11-01", "kpi": "energy", "n": "54747", "big": "11000.0", "yes": "True"}
    assert rows[0]["big"] == ""
    assert json.loads(as_json(table))[0] == {"month": "2026-11-01", "kpi": "=never", "n": None, "big": None, "yes": True}


@pytest.mark.parametrize(("value", "said"), [
    (0, "0"), (54747, "54,747"), (1234567.8, "1,234,568"), (12.3456, "12.35"), (0.00123456, "0.001235"), (999.97, "1,000"),
    (999.4, "999.4"), (100, "100"), (5.0, "5"), (-1234, "-1,234"), (1.5e-7, "1.500e-07"), (None, "–"), (float("nan"), "–"), (9.9999, "10"),
])
def test_numbers_read_well(value, said):
    assert number(value) == said


def test_signs_and_shares():
    assert (number(3, sign=True), number(-3, sign=True), number(0, sign=True)) == ("+3", "-3", "0")
    assert (percent(0.0321), percent(-1.5), percent(None)) == ("+3.21 %", "-150 %", "–")
