"""A researcher's rule file: a new state, a rule and a KPI in 25 lines; every other table stays as it was, to the byte."""

import hashlib

import pytest
from cities import ROOT, simulate

from alatau_sim.errors import InputError
from alatau_sim.extensions import domains_with
from alatau_sim.results.recorder import Recorder

TRUST = ROOT / "docs" / "examples" / "trust.py"


def recorded(tmp_path, name, rule_files=()):
    """The bytes of every recorded table of a small run."""
    holder = {}

    def record(model):
        holder["recorder"] = Recorder(tmp_path / name, "x", 0, 0, model.result_tables, model.kpis, labels=model.labels)
        model.observe(holder["recorder"])

    simulate(start=record, rule_files=rule_files)
    holder["recorder"].finish()
    parts = {}
    for path in sorted((tmp_path / name).rglob("*.arrow")):
        table = path.relative_to(tmp_path / name).parts[0]
        parts.setdefault(table, hashlib.sha256()).update(path.read_bytes())
    return {table: digest.hexdigest() for table, digest in parts.items()}


def test_a_new_state_rule_and_indicator_leave_every_other_table_as_it_was(tmp_path):
    assert len(TRUST.read_text(encoding="utf-8").splitlines()) <= 25
    without, with_trust = recorded(tmp_path, "without"), recorded(tmp_path, "with", (TRUST,))
    assert set(with_trust) - set(without) == set()
    changed = {table for table in without if without[table] != with_trust[table]}
    assert changed == {"kpi_month"}  # it has one indicator more


def test_a_rule_of_the_same_name_takes_the_built_in_rules_place(tmp_path):
    file = tmp_path / "stay.py"
    file.write_text(
        "from alatau_sim.engine.domain import Domain\n"
        "from alatau_sim.engine.rule import rule\n"
        "@rule(of='households', writes='leaves', every='1 month', phase='life')\n"
        "def move_away():\n"
        "    return False\n"
        "DOMAIN = Domain('nobody_leaves', rules=(move_away,))\n",
        encoding="utf-8",
    )
    base, stay = simulate(), simulate(rule_files=(file,))
    names = [item.name for item in base.plan]
    assert [item.name for item in stay.plan] == names
    assert stay.sim.tables["households"].n > base.sim.tables["households"].n


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n", "defines no DOMAIN"),
        ("import nowhere_to_be_found\n", r"rules.py:1: ModuleNotFoundError"),
        ("a = (\n", r"rules.py:1: SyntaxError"),
        ("\n\nboom\n", r"rules.py:3: NameError"),
        ("from alatau_sim.engine.domain import Domain\nDOMAIN = Domain('people')\n", "there is a domain 'people' already"),
    ],
)
def test_a_wrong_rule_file_is_told_with_its_line(tmp_path, text, says):
    file = tmp_path / "rules.py"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        domains_with((file,))


def test_a_missing_rule_file_or_plug_in_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        domains_with((tmp_path / "none.py",))
    with pytest.raises(InputError, match="no plug-in 'trusst'"):
        domains_with((), ("trusst",))


def test_an_installed_plug_in_is_loaded_and_a_broken_one_is_told(tmp_path, monkeypatch):
    (tmp_path / "trust_plug_in.py").write_text(TRUST.read_text(encoding="utf-8"), encoding="utf-8")
    info = tmp_path / "trust_plug_in-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trust-plug-in\nVersion: 1.0\n", encoding="utf-8")
    names = "whole = trust_plug_in\ndomain = trust_plug_in:DOMAIN\nbroken = trust_plug_in_of_nobody\n"
    (info / "entry_points.txt").write_text(f"[alatau_sim.plugins]\n{names}", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("whole", "domain"):
        assert domains_with((), (name,))[-1].name == "trust"
    with pytest.raises(InputError, match=r"plug-in broken \(trust_plug_in_of_nobody\): ModuleNotFoundError"):
        domains_with((), ("broken",))
