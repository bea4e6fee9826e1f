"""The arrows of the design: who may import whom, read from the source of every module; and what a quick start must not load."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "alatau_sim"
BASE = ("errors", "units", "fields")
LOWER = (*BASE, "engine", "results", "scenario", "city")
# part of the package -> the parts that it may import besides itself
MAY = {
    "errors": (), "units": ("errors",), "fields": ("errors", "units"),
    "engine": BASE,
    "results": BASE,
    "scenario": (*BASE, "engine", "results", "city"),
    "city": (*BASE, "engine", "results"),
    "domains": LOWER,
    "extensions": (*LOWER, "domains"),
    "composition": (*LOWER, "domains", "extensions"),
    "model": (*LOWER, "domains", "extensions", "composition"),
    "study": (*LOWER, "domains", "extensions", "composition", "model"),
    "report": (*BASE, "results"),
    "cli_parts": (*BASE, "study"),
    "cli_results": (*LOWER, "study", "report", "cli_parts"),
    "cli": (*LOWER, "domains", "extensions", "composition", "model", "study", "report", "cli_parts", "cli_results"),
    "__init__": (), "__main__": ("cli",),
}
# room of a domain -> what it may import of the package, besides its own domain, and which libraries it may not
ROOMS = {
    "params": (BASE, ("numpy", "simpy", "mesa", "numba")),
    # tables also fill their first rows
    "tables": ((*BASE, "engine", "city", "results.kpis"), ("simpy", "mesa", "numba")),
    "rules": ((*BASE, "engine.rule"), ("numpy", "simpy", "mesa", "numba", "random")),
    "settle": ((*BASE, "engine", "city"), ("simpy", "mesa")),
    "process": ((*BASE, "engine", "city"), ("mesa", "numba")),
    "agents": ((*BASE, "engine", "city"), ("numba",)),
    "indicators": ((*BASE, "engine", "results.kpis"), ("simpy", "mesa", "numba")),
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The full names of the modules that a file imports anywhere in it (of the package: without its name in front)."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            inside = [f"{node.module}.{name.name}" for name in node.names]
            found |= {name if (PACKAGE.parent / Path(*name.split("."))).with_suffix(".py").exists() else node.module for name in inside}
    return {name.removeprefix("alatau_sim.") if name.startswith("alatau_sim.") else name for name in found} - {"__future__", "alatau_sim"}


def own(names: set[str]) -> set[str]:
    """The imports that are of the package."""
    return {name for name in names if name.split(".")[0] in MAY}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def within(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_dependencies_run_one_way(path):
    part = name_of(path).split(".")[0]
    assert part in MAY, f"{part} has no place in the design's arrows"
    wrong = sorted(name for name in own(imports(path)) if not within(name, (part, *MAY[part])))
    assert not wrong, f"{name_of(path)} may import of the package only {MAY[part]}, not {wrong}"


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path).startswith("domains.")], ids=name_of)
def test_no_domain_imports_another_and_rooms_keep_to_theirs(path):
    parts = name_of(path).split(".")
    if len(parts) == 2:  # the list of domains
        return
    domain, room = f"domains.{parts[1]}", parts[-1]
    names = imports(path)
    others = sorted(name for name in own(names) if name.startswith("domains.") and not within(name, (domain,)))
    assert not others, f"{name_of(path)} imports another domain: {others}"
    assert room in ROOMS or len(parts) == 2 or path.name == "__init__.py", f"{room} is no room of a domain"
    if room in ROOMS:
        allowed, refused = ROOMS[room]
        wrong = sorted(name for name in own(names) if not within(name, (domain, *allowed)))
        wrong += sorted(name for name in names if name.split(".")[0] in refused)
        assert not wrong, f"{name_of(path)} is a {room} room and may not import {wrong}"


def words_of(tree: ast.AST) -> set[str]:
    """The names that code uses and gives, in lower case; not its strings and comments, which may explain by examples."""
    found = set()
    for node in ast.walk(tree):
        found |= {str(value).lower() for key, value in ast.iter_fields(node) if key in ("name", "id", "attr", "arg") and value}
    return found


def test_the_engine_has_no_word_of_the_city():
    words = ("tenge", "kzt", "zone", "zoning", "substation", "wallet", "resident", "household", "bus", "city_name")
    for path in sorted((PACKAGE / "engine").rglob("*.py")):
        used = words_of(ast.parse(path.read_text(encoding="utf-8")))
        assert not [word for word in words if word in {part for name in used for part in name.split("_")}], name_of(path)


def test_nothing_is_random_but_by_key():
    for path in MODULES:
        names = imports(path)
        assert not {name for name in names if name.split(".")[0] in ("random", "secrets")}, name_of(path)
        assert "np.random" not in path.read_text(encoding="utf-8"), name_of(path)


def test_mesa_is_touched_in_few_places_only():
    touching = {name_of(path) for path in MODULES if any(name.split(".")[0] == "mesa" for name in imports(path))}
    agents = {name for name in touching if name.startswith("domains.") and name.endswith(".agents")}
    assert touching - agents <= {"model", "engine.population", "engine.objects", "study.bench"}, touching


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        ("import alatau_sim.engine.rule", ("mesa", "numba", "pandas", "numpy", "simpy", "pyarrow")),
        ("import alatau_sim", ("mesa", "numba", "pandas", "geopandas", "pyarrow", "duckdb", "pydantic", "typer")),
        ("from alatau_sim.domains import domains; domains()", ("mesa", "numba", "pandas", "geopandas", "duckdb")),
        ("import alatau_sim.cli", ("mesa", "numba", "pandas", "geopandas", "pyarrow", "duckdb")),
        ("import alatau_sim.results", ("mesa", "numba", "alatau_sim.engine", "alatau_sim.domains", "alatau_sim.scenario")),
    ],
)
def test_a_quick_start_loads_nothing_slow(code, refused):
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*[name for name in {refused!r} if name in sys.modules])"],
        capture_output=True, encoding="utf-8", env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.split() == []


def test_every_exported_name_is_there():
    import alatau_sim

    for name in alatau_sim.__all__:
        assert getattr(alatau_sim, name), name
    with pytest.raises(AttributeError, match="nothing"):
        _ = alatau_sim.nothing
