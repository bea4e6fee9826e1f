"""The command line as a user meets it: help, exit codes, one clear message for each thing that is wrong."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alatau_sim.cli import run_command
from alatau_sim.errors import InputError, RunError, StudyError
from alatau_sim.study.guard import guarded

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("run", "check", "show", "schema", "new", "plan", "zones", "gtfs", "rules", "follow", "compare", "query", "bench")


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command_and_the_first_steps(arguments, capsys):
    assert run_command(arguments) == 0
    shown = capsys.readouterr().out
    for name in COMMANDS:
        assert f" {name} " in shown
    assert "new scenarios/mine.yaml" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    assert run_command([name, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chek", "x"], "check"),
        (["run", "--replicate", "3", "x"], "--replicates"),
        (["run"], "SCENARIO"),
        (["run", "x", "-r", "0"], "-r"),
        (["run", "x", "-r", "many"], "-r"),
        (["compare", "x", "--format", "xml"], "--format"),
    ],
)
def test_a_wrong_call_ends_with_2_and_the_nearest_right_one(arguments, told, capsys):
    assert run_command(arguments) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError("a.yaml:3: x is 5"), 2, "Error: a.yaml:3: x is 5"),
        (InputError("one\ntwo"), 2, "Error:\n  one\n  two"),
        (RunError("the ledger broke"), 1, "the ledger broke"),
        (StudyError("2 runs failed"), 3, "2 runs failed"),
        (KeyboardInterrupt(), 1, "Stopped"),
        (KeyError("x"), 1, "--debug"),
        (MemoryError(), 1, "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device", "a/b.arrow"), 2, "a/b.arrow: No space left"),
    ],
)
def test_every_error_is_a_message_and_an_exit_code(error, code, told, capsys):
    def app(**_):
        raise error

    assert guarded(app, []) == code
    shown = capsys.readouterr().err
    assert told in shown
    assert "Traceback" not in shown
    if not isinstance(error, KeyboardInterrupt | MemoryError):
        assert guarded(app, ["--debug"]) == code
        assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error():
    code = "from alatau_sim.study.guard import guarded\nguarded(lambda **_: [print('x' * 1000) for _ in range(10_000)], [])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_new_writes_a_scenario_that_is_fine(tmp_path, capsys):
    folder = tmp_path / "Алатау қаласы"
    shutil.copytree(ROOT / "scenarios" / "alatau", folder / "alatau")
    file = folder / "mine.yaml"
    assert run_command(["new", str(file)]) == 0
    assert run_command(["check", str(file)]) == 0
    assert "fine" in capsys.readouterr().out
    assert run_command(["new", str(file)]) == 2
    assert run_command(["new", str(file), "--force"]) == 0


def test_show_prints_a_scenario_that_means_the_same(tmp_path, capsys):
    from alatau_sim import load_scenario

    assert run_command(["show", "scenarios/crypto_hub.yaml", "--set", "run.seed=7"]) == 0
    again = tmp_path / "again.yaml"
    text = capsys.readouterr().out.replace("alatau/", f"{(ROOT / 'scenarios' / 'alatau').as_posix()}/")
    again.write_text(text, encoding="utf-8")
    assert load_scenario(again).hash == load_scenario("scenarios/crypto_hub.yaml", sets=["run.seed=7"]).hash


def test_schema_is_json(capsys):
    assert run_command(["schema"]) == 0
    assert "policy" in json.loads(capsys.readouterr().out)["properties"]


def test_every_shipped_scenario_is_fine(capsys):
    assert run_command(["check", *(str(path) for path in sorted((ROOT / "scenarios").glob("*.yaml")))]) == 0
    assert capsys.readouterr().err == ""


def test_zones_reports_the_map_of_a_scenario(tmp_path, capsys):
    assert run_command(["zones", "scenarios/baseline.yaml", "-o", str(tmp_path / "repaired.gpkg")]) == 0
    assert "km2" in capsys.readouterr().out
    assert (tmp_path / "repaired.gpkg").exists()


BAD = {
    "a missing file": ("", "no such file"),
    "broken YAML": ("format: 1\nname: [x\n", "not valid YAML"),
    "an unknown key": ("extends: {base}\nformat: 1\nname: x\npolcy: {{}}\n", "policy"),
    "a value out of range": ("extends: {base}\nformat: 1\nname: x\nrun: {{seed: -1}}\n", ":4"),
    "a date outside the horizon": ("extends: {base}\nformat: 1\nname: x\nrezone:\n  - {{zones: [a], use: mixed, at: 2050-01-01}}\n", ":5"),
    "a date that is none": ("extends: {base}\nformat: 1\nname: x\nrun: {{start: 2026-13-01}}\n", ":4"),
    "a zone that does not exist": (
        "extends: {base}\nformat: 1\nname: x\nrezone:\n  - {{zones: [nowhere], use: mixed, at: 2026-02-01}}\n", "nowhere"),
    "a cycle in extends": ("extends: bad.yaml\nformat: 1\nname: x\n", "bad.yaml"),
    "clashing overrides": (
        "extends: {base}\nformat: 1\nname: x\noverrides: {{a: {{run.seed: 2}}, b: {{run.seed: 3}}}}\nuse: [a, b]\n", "run.seed"),
    "a map that is none": ("extends: {base}\nformat: 1\nname: x\nmap: {{file: bad.yaml}}\n", "bad.yaml"),
}


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_message_and_2(what, command, tmp_path, capsys):
    text, told = BAD[what]
    file = tmp_path / "bad.yaml"
    if text:
        file.write_text(text.format(base=(ROOT / "scenarios" / "baseline.yaml").as_posix()), encoding="utf-8")
    out = tmp_path / "out"
    assert run_command([command, str(file), *(["-o", str(out)] if command == "run" else [])]) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert not out.exists()


@pytest.mark.parametrize("arguments", [["compare", "nowhere"], ["query", "nowhere", "SELECT 1"], ["zones", "nowhere.gpkg"]])
def test_a_file_or_folder_that_is_not_there(arguments, capsys):
    assert run_command(arguments) == 2
    assert "nowhere" in capsys.readouterr().err
