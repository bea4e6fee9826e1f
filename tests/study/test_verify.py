"""Runs made again from their manifests: the same, or what differs and why. A small model stands in for the city, the scenarios are real."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from fake_study import FakeModel, FakeScenario, Heard

from alatau_sim.cli import run_command
from alatau_sim.errors import InputError
from alatau_sim.results.manifest import source_hashes, versions
from alatau_sim.study import verify as verify_module
from alatau_sim.study.inputs import Inputs
from alatau_sim.study.remake import scenario_of
from alatau_sim.study.run import run_study
from alatau_sim.study.verify import DIFFERS, SAME, UNKNOWN, reasons, verify

SHIPPED = Path(__file__).parents[2] / "scenarios"
RULE = 'from alatau_sim.engine.domain import Domain\n\nDOMAIN = Domain("mine")\n'


class Town(FakeModel):
    """The small model under a real scenario; `twist` is what another version of the code would count."""

    twist = 0
    trouble = ""

    def __init__(self, scenario: object, **more: object) -> None:
        days = (scenario.run.end - scenario.run.start).days + 1
        super().__init__(FakeScenario(scenario.name, days, self.trouble), **more)
        self.luck += round(100 * scenario.policy.land.programme_factor) + scenario.run.seed

    def step(self) -> None:
        super().step()
        self.luck += self.twist


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with scenarios and a study of two of them, run with keys set by hand."""
    folder = tmp_path_factory.mktemp("verify")
    shutil.copytree(SHIPPED, folder / "scenarios")
    (folder / "scenarios" / "hub.yaml").write_text("format: 1\nname: hub\nextends: baseline.yaml\npolicy.land.programme_factor: 1.5\n",
                                                   encoding="utf-8")
    sets = ("run.start=2026-01-01", "run.end=2027-02-20", "run.sample=0.5")
    study(folder / "out", [folder / "scenarios" / f"{name}.yaml" for name in ("baseline", "hub")], Inputs(sets=sets), replicates=2)
    return folder


def study(out: Path, paths: list[Path], inputs: Inputs, **more: object) -> None:
    result = run_study(paths, out, model=Town, progress=Heard(), workers=1, inputs=inputs, **more)
    assert result.exit_code == 0


@pytest.fixture
def own(made, tmp_path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(made, tmp_path / "own")
    return tmp_path / "own"


def again(folder: Path, **more: object):
    given = {"where": [folder / "scenarios"], "model": Town, "progress": Heard(), **more}
    return verify(folder / "out", **given)


def edit(folder: Path, change, run: str = "baseline-0-0") -> None:
    """Change a manifest."""
    path = folder / "out/runs" / f"{run}.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def test_runs_come_out_the_same(made):
    before = sorted(made.rglob("*"))
    found = again(made, runs=4)
    assert found.exit_code == SAME
    assert [run.run for run in found.runs] == ["baseline-0-0", "hub-0-0", "baseline-0-1", "hub-0-1"]  # one of each scenario in turn
    assert all((run.code, run.whole, run.begun, run.days) == (SAME, 4, 0, 416) for run in found.runs)
    assert "16 parts compared with the hashes in their manifests: all are what the runs wrote" in found.text()
    assert "baseline-0-0: same (4 parts by their bytes; 416 of 416 days)" in found.text()
    assert sorted(made.rglob("*")) == before


def test_keys_that_were_set_by_hand_are_told_and_used(made):
    notes = again(made).runs[0].notes
    assert any("baseline.yaml: is not what ran (run.end: 2027-02-20 there, " in note and "run.sample: 0.5 there" in note for note in notes)


def test_without_the_scenario_s_file_the_manifest_is_enough(own):
    (own / "scenarios/hub.yaml").unlink()
    found = again(own, names=["hub-0-1"])
    assert (found.exit_code, [run.run for run in found.runs]) == (SAME, ["hub-0-1"])
    assert "there is no scenario file of 'hub'" in found.text()
    with pytest.raises(InputError, match=r"nowhere: there is no such file or folder"):
        again(own, where=[own / "nowhere"])


def test_a_scenario_file_is_found_by_its_own_path(own):
    (own / "elsewhere").mkdir()
    shutil.move(own / "scenarios", own / "elsewhere/plans")
    found = again(own, where=[own / "elsewhere/plans/hub.yaml", own / "elsewhere/plans/baseline.yaml"], runs=2)
    assert [run.code for run in found.runs] == [SAME, SAME]


@pytest.mark.parametrize(("days", "whole", "begun"), [(20, 0, 0), (31, 0, 1), (365, 2, 0), (396, 2, 1)])
def test_a_few_days_are_compared_with_what_there_is_by_then(made, days, whole, begun):
    run = again(made, days=days).runs[0]
    assert (run.code, run.whole, run.begun, run.days, run.of_days) == (SAME, whole, begun, days, 416)


def test_other_code_is_told_with_the_row_that_differs(made, monkeypatch):
    monkeypatch.setattr(Town, "twist", 1)
    monkeypatch.setattr(verify_module, "source_hashes", lambda: {**source_hashes(), "domains/energy": "other"})
    found = again(made)
    assert found.exit_code == DIFFERS
    assert "value differs; first in row 0 (month 2026-01-01): value " in found.text()
    assert "likely because: the code of alatau_sim differs in domains/energy" in found.text()
    partly = again(made, days=40)
    assert (partly.exit_code, partly.runs[0].begun) == (DIFFERS, 1)


def test_a_difference_without_a_known_reason_is_worth_a_report(made, monkeypatch):
    monkeypatch.setattr(Town, "twist", 1)
    assert "likely because: nothing known: code, inputs, versions and machine are as they were" in again(made).text()


def test_a_run_that_fails_now_differs(made, monkeypatch):
    monkeypatch.setattr(Town, "trouble", "fail:35")
    found = again(made)
    assert found.exit_code == DIFFERS
    assert "the run that was whole fails here: ZeroDivisionError: no homes" in found.text()
    monkeypatch.setattr(Town, "trouble", "input:1")
    assert (again(made).exit_code, "why: a rule asks for 'agee'" in again(made).text()) == (UNKNOWN, True)


def test_another_version_and_machine_are_told_though_the_bytes_are_the_same(own):
    def change(manifest):
        manifest["versions"] |= {"numpy": "1.0", "gone": "3"}
        manifest["machine"]["architecture"] = "riscv64"

    edit(own, change)
    found = again(own)
    assert found.exit_code == SAME
    assert f"note: the bytes are the same, though version of numpy: 1.0 then, {versions()['numpy']} now" in found.text()
    assert "version of gone: 3 then, none now" in found.text()
    assert "machine: architecture riscv64 then" in found.text()
    edit(own, lambda manifest: manifest.pop("source"))
    assert "the manifest is older than the hashes of the code" in again(own).text()


def test_a_part_that_was_tampered_with_is_told_and_the_run_itself_is_not_to_blame(own):
    part = own / "out/kpi_month/scenario=baseline/world=0/replicate=0/part-2026.arrow"
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    found = again(own)
    assert found.exit_code == DIFFERS
    assert found.damaged == [f"{part}: its bytes are not those that the run wrote"]
    assert found.runs[0].code == SAME
    part.unlink()
    missing = again(own, runs=0)
    assert (missing.exit_code, missing.damaged) == (DIFFERS, [f"{part}: is missing"])
    assert "no run was made again; --runs 1 makes one" in missing.text()


def test_an_input_that_was_edited_or_is_gone_is_told_before_anything_runs(own):
    rates = own / "scenarios/alatau/vital_rates.csv"
    rates.write_text(rates.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    heard = Heard()
    found = again(own, progress=heard)
    assert (found.exit_code, heard.days) == (UNKNOWN, {})
    assert "baseline-0-0: cannot be verified" in found.text()
    assert "why: input vital_rates.csv: its content has changed since the run (sha256 " in found.text()
    rates.unlink()
    assert "why: input alatau/vital_rates.csv: is missing in " in again(own).text()


def test_a_list_that_was_edited_is_in_the_manifest(own):
    lines = own / "scenarios/alatau/lines.csv"
    text = lines.read_text(encoding="utf-8").splitlines()
    lines.write_text("\n".join(text[:-1]) + "\n", encoding="utf-8")
    found = again(own)
    assert found.exit_code == SAME
    assert "is not what ran (" in found.text()


def with_rules(own: Path) -> Path:
    (own / "mine.py").write_text(RULE, encoding="utf-8")
    inputs = Inputs(sets=("run.end=2026-02-20",), rule_files=(str(own / "mine.py"),))
    study(own / "out", [own / "scenarios/hub.yaml"], inputs, force=True)
    return own / "mine.py"


def test_rule_files_run_only_when_they_are_named_or_trusted(own):
    file = with_rules(own)
    asked = again(own, names=["hub-0-0"])
    assert asked.exit_code == UNKNOWN
    assert "why: it ran with the rule files mine.py, which are code: name them with --rules" in asked.text()
    assert again(own, names=["hub-0-0"], rule_files=[str(file)]).exit_code == SAME
    file.unlink()
    assert again(own, names=["hub-0-0"], trust=True).exit_code == SAME
    with pytest.raises(InputError, match=r"mine.py: cannot be read"):
        again(own, names=["hub-0-0"], rule_files=[str(file)])


def test_a_rule_file_that_changed_is_told(own):
    file = with_rules(own)
    file.write_text(RULE + "a = 1\n", encoding="utf-8")
    found = again(own, names=["hub-0-0"], rule_files=[str(file)])
    assert found.exit_code == UNKNOWN
    assert f"why: rule file {file}: has changed since the run (sha256 " in found.text()
    assert "mine.py: is not among those named" in again(own, names=["hub-0-0"], rule_files=["other.py"]).text()
    edit(own, lambda manifest: manifest["rules"][0].update(text="import os\n"), "hub-0-0")
    tampered = again(own, names=["hub-0-0"], trust=True)
    assert (tampered.exit_code, "the text in the manifest is not the one that ran" in tampered.text()) == (UNKNOWN, True)


def test_a_resolved_scenario_that_was_changed_is_not_run(own):
    def change(manifest):
        manifest["resolved"]["policy"]["land"]["permit_days"] += 1

    edit(own, change)
    found = again(own)
    assert found.exit_code == UNKNOWN
    assert "the scenario means something else to this version of alatau_sim (its hash differs, its input files do not)" in found.text()
    edit(own, lambda manifest: manifest["resolved"]["policy"].update(nothing=1))
    assert "its scenario cannot be read by this version: " in again(own).text()


def test_plug_ins_are_compared_by_version(made):
    manifest = {"source": source_hashes(), "versions": versions(), "rules": [{"plugin": "no_such", "version": "1.2"}]}
    assert reasons(manifest) == ["plug-in no_such: 1.2 then, not installed now"]


def test_what_is_asked_wrongly(own, tmp_path):
    with pytest.raises(InputError, match=r"no complete run 'baseline-0-7'; did you mean 'baseline-0-."):
        again(own, names=["baseline-0-7"])
    with pytest.raises(InputError, match="--days 0"):
        again(own, days=0)
    with pytest.raises(InputError, match="is no study"):
        verify(tmp_path / "own/scenarios")
    edit(own, lambda manifest: manifest.update(status="stopped"))
    with pytest.raises(InputError, match=r"'baseline-0-0': it does not count \(stopped at"):
        again(own, names=["baseline-0-0"])
    assert "not counted: baseline-0-0 (stopped" in again(own, runs=0).text()


def test_the_scenario_of_a_manifest_is_read_for_its_lines(own):
    manifest = json.loads((own / "out/runs/hub-0-0.json").read_text(encoding="utf-8"))
    assert scenario_of(manifest, [own / "scenarios"]).policy.land.programme_factor == 1.5
    (own / "scenarios/alatau/margins.csv").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"scenario 'hub': input margins.csv: its content has changed"):
        scenario_of(manifest, [own / "scenarios"])


def test_gtfs_of_a_study_s_scenarios(own, monkeypatch, capsys):
    monkeypatch.chdir(own)
    assert run_command(["export", "out", "--to", "feeds", "--format", "gtfs", "--scenario", "hub"]) == 0
    assert [path.name for path in (own / "feeds").iterdir()] == ["hub-gtfs.zip"]
    assert run_command(["gtfs", "feeds/hub-gtfs.zip", "--date", "2026-09-01"]) == 0
    assert "days with service  2026-01-01 to 2027-02-20" in capsys.readouterr().out
    assert run_command(["export", "out", "--to", "feeds", "--format", "gtfs"]) == 2
    assert "there already; --force overwrites" in capsys.readouterr().err


@pytest.mark.slow
def test_the_real_model_comes_out_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SHIPPED, "scenarios")
    sets = ["--set", "run.end=2026-02-03", "--set", "run.sample=0.1"]
    assert run_command(["run", "scenarios/baseline.yaml", "-o", "out", "-j", "1", *sets]) == 0
    capsys.readouterr()
    assert run_command(["verify", "out"]) == 0
    assert "baseline-0-0: same (" in capsys.readouterr().out


def test_the_hashes_of_the_code_are_of_what_can_change_a_run(made):
    manifest = json.loads((made / "out/runs/hub-0-0.json").read_text(encoding="utf-8"))
    assert manifest["source"] == source_hashes()
    assert {"engine", "domains/energy", "city", "scenario", "model", "results", "study"} <= set(manifest["source"])
    assert not {"cli", "report"} & set(manifest["source"])
    assert str(Path.home()) not in json.dumps(manifest["machine"])
