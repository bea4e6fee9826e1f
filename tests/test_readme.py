"""What README and guide tell a user to type works: quick commands for real, long ones by their arguments, Python on a small study."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer.main

from alatau_sim.cli import app, run_command

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(shell|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ("README.md", "docs/guide.md")
QUICK = ("check", "show", "schema", "new", "zones", "gtfs", "rules", "compare", "query")


def blocks(kind: str) -> list[tuple[str, str]]:
    return [(page, text) for page in PAGES for which, text in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")) if which == kind]


def commands() -> list[str]:
    return list(dict.fromkeys(line for _, text in blocks("shell") for line in text.splitlines() if line.strip()))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder like a fresh clone, with a small study of the first days of 2026 in the places that the pages name."""
    folder = tmp_path_factory.mktemp("Алатау қаласы")
    for name in ("scenarios", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small = ["--set", "run.end=2026-01-03", "--set", "run.sample=0.05"]
        assert run_command(["run", "scenarios/baseline.yaml", "-o", "outputs/baseline", "-j", "1", *small]) == 0
        shutil.copytree(folder / "outputs" / "baseline", folder / "outputs" / "cases")
    return folder


def arguments_of(line: str) -> list[str] | None:
    """The arguments for `alatau` in a line of a page; None for the lines that are of another program."""
    words = shlex.split(line)
    if words[:2] == ["python", "run.py"]:
        return words[2:]
    return words[1:] if words[0] == "alatau" else None


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_pages_is_one(line):
    arguments = arguments_of(line)
    if arguments is None:
        assert line == "pip install -c constraints.txt -e ."
        return
    if arguments in ([], ["test"]):  # the main job and the tests
        return
    group = typer.main.get_command(app)
    context = group.make_context("alatau", list(arguments))
    name, command, rest = group.resolve_command(context, arguments)
    assert command.make_context(name, rest, parent=context)
    for word in rest:
        if word.startswith(("scenarios/", "docs/")) and "mine" not in word:
            assert (ROOT / word).exists(), word


def test_the_quick_commands_run(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    quick = [arguments for line in commands() if (arguments := arguments_of(line)) and arguments[0] in QUICK]
    assert len(quick) >= 6
    for arguments in quick:
        assert run_command(arguments) == 0, (arguments, capsys.readouterr().err)


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_the_python_of_the_pages_runs(page, text, home, monkeypatch):
    monkeypatch.chdir(home)
    names: dict[str, object] = {}
    exec(compile(text, page, "exec"), names)
    assert names.keys() - {"__builtins__"}, f"{page}: the block does nothing"


def test_links_between_pages_point_to_files():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
