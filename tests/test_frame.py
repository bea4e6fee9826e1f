"""What stands around the package: run.py that sets itself up, constraints.txt, .ci/run."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMES = re.compile(r"[A-Za-z0-9._-]+")


@pytest.fixture
def runner():
    """run.py as a module of its own for each test."""
    spec = importlib.util.spec_from_file_location("run_under_test", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def place(tmp_path, runner, monkeypatch):
    """A folder with spaces and Kazakh letters, and an installer that only makes files and notes what it was asked."""
    root = tmp_path / "Алатау қаласы"
    root.mkdir()
    (root / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    (root / "constraints.txt").write_text("a==1\n", encoding="utf-8")
    asked: list[list[str]] = []

    class Builder:
        def __init__(self, **_):
            pass

        def create(self, folder):
            python = runner.python_of(folder)
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_text("", encoding="utf-8")
            (folder / "pyvenv.cfg").write_text("", encoding="utf-8")

    def pip(command, **more):
        assert more["cwd"] == root
        asked.append(command)

    monkeypatch.setattr(runner.venv, "EnvBuilder", Builder)
    monkeypatch.setattr(runner.subprocess, "run", pip)
    return root, asked


def run(arguments, folder=ROOT, **more):
    return subprocess.run(
        [sys.executable, str(folder / "run.py"), *arguments], capture_output=True, encoding="utf-8", check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, **more,
    )


def test_an_old_python_gets_one_clear_message():
    source = (ROOT / "run.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    code = f"import runpy, sys; sys.version_info = (3, 9, 1); runpy.run_path({str(ROOT / 'run.py')!r}, run_name='__main__')"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert shown.returncode == 1
    assert "needs Python 3.11" in shown.stderr
    assert "3.9" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


def test_run_py_imports_the_standard_library_only():
    tree = ast.parse((ROOT / "run.py").read_text(encoding="utf-8"))
    names = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    names |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)


def test_the_first_start_installs_and_the_second_does_not(place, runner):
    root, asked = place
    folder = root / ".venv"
    assert not runner.ready(folder, root, tests=False)
    runner.set_up(folder, root, tests=False)
    assert runner.ready(folder, root, tests=False)
    assert asked[0][-4:] == ["-c", "constraints.txt", "-e", "."]
    assert not runner.ready(folder, root, tests=True)
    runner.set_up(folder, root, tests=True)
    assert asked[1][-1] == ".[test]"
    assert runner.ready(folder, root, tests=True)
    assert runner.ready(folder, root, tests=False)


def test_changed_constraints_install_again_and_keep_the_tests_extra(place, runner):
    root, asked = place
    folder = root / ".venv"
    runner.set_up(folder, root, tests=True)
    (root / "constraints.txt").write_text("a==2\n", encoding="utf-8")
    assert not runner.ready(folder, root, tests=False)
    runner.set_up(folder, root, tests=False)
    assert asked[-1][-1] == ".[test]"
    assert runner.ready(folder, root, tests=True)


@pytest.mark.parametrize("how", [KeyboardInterrupt(), subprocess.CalledProcessError(1, "pip"), OSError("no space")])
def test_a_broken_off_set_up_says_so_and_is_made_anew(place, runner, monkeypatch, how):
    root, _ = place
    folder = root / ".venv"

    def broken(*_, **__):
        raise how

    with monkeypatch.context() as patch:
        patch.setattr(runner.subprocess, "run", broken)
        with pytest.raises(SystemExit, match="Setting up"):
            runner.set_up(folder, root, tests=False)
    assert not runner.ready(folder, root, tests=False)
    (folder / "half.txt").write_text("", encoding="utf-8")
    runner.set_up(folder, root, tests=False)
    assert not (folder / "half.txt").exists()
    assert runner.ready(folder, root, tests=False)


def test_an_environment_of_the_users_own_is_not_deleted(place, runner):
    root, _ = place
    own = root / ".venv" / "own.txt"
    own.parent.mkdir()
    own.write_text("", encoding="utf-8")
    runner.set_up(root / ".venv", root, tests=False)
    assert own.exists()
    assert runner.ready(root / ".venv", root, tests=False)


def test_a_python_that_cannot_make_environments_is_told(place, runner, monkeypatch):
    root, asked = place
    monkeypatch.setattr(runner.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="ensurepip"):
        runner.set_up(root / ".venv", root, tests=False)
    assert not asked


def test_what_the_arguments_mean(runner, monkeypatch):
    monkeypatch.chdir(ROOT)
    scenarios = [str(Path("scenarios") / name) for name in ("baseline.yaml", "crypto_hub.yaml")]
    job = ["run", *scenarios, "-o", str(Path("outputs/baseline")), "--report"]
    assert runner.command_of([]) == job
    assert runner.command_of(["--force"]) == [*job, "--force"]
    assert runner.command_of(["check", "x.yaml"]) == ["check", "x.yaml"]
    assert runner.command_of(["--help"]) == ["--help"]
    for name in runner.MAIN_JOB:
        assert (ROOT / "scenarios" / name).exists()


def test_a_command_keeps_its_exit_code(runner):
    assert runner.call([sys.executable, "-c", "import sys; sys.exit(7)"]) == 7


def test_it_works_in_a_folder_with_spaces_and_kazakh_letters(tmp_path):
    folder = tmp_path / "Алатау қаласы, 2050"
    folder.mkdir()
    shutil.copy(ROOT / "run.py", folder)
    shown = run(["--help"], folder, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "scenarios/baseline.yaml" in shown.stdout
    assert not (folder / ".venv").exists()
    assert run(["chek"], folder).returncode == 2


def _closure(names):
    """Every distribution that these need, as far as it is installed here."""
    from packaging.requirements import Requirement

    seen, waiting = set(), [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name in seen or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        seen.add(name)
        waiting += [Requirement(text) for text in requires]
    return seen


def test_constraints_are_names_and_versions_of_all_that_is_needed():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9A-Za-z.]*", line) for line in lines)
    assert lines == sorted(lines, key=lambda line: line.partition("==")[0])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    named = {line.partition("==")[0] for line in lines}
    direct = {re.sub(r"[-_.]+", "-", NAMES.match(text).group()).lower() for text in wanted}
    assert direct <= named
    missing = _closure(wanted) - named
    assert not missing


def test_ci_runs_style_types_and_tests():
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert text.index("ruff check") < text.index("mypy") < text.rindex("run.py test")
    assert os.name == "nt" or os.access(script, os.X_OK)
