"""Studies: what is run, kept, refused, failed and stopped, in this process and in workers."""

from __future__ import annotations

import errno
import hashlib
import signal
from pathlib import Path

import pytest
from fake_study import FakeInputs, FakeModel, Heard

from alatau_sim.errors import InputError
from alatau_sim.results.manifest import is_whole, read_manifest
from alatau_sim.study.run import StudyResult, plan_jobs, run_study
from alatau_sim.study.worker import Outcome, rule_texts, run_hash, run_one


def scenario(folder: Path, name: str, days: int = 40, trouble: str = "") -> Path:
    path = folder / f"{name}.txt"
    path.write_text(f"{name};{days};{trouble}", encoding="utf-8")
    return path


def study(paths, out, **more) -> tuple[StudyResult, Heard]:
    heard = Heard()
    result = run_study(paths, out, model=FakeModel, progress=heard, **{"workers": 1, "inputs": FakeInputs(), **more})
    return result, heard


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.arrow"))}


def test_every_scenario_world_and_replicate_is_run(tmp_path):
    out = tmp_path / "қала out"
    result, heard = study([scenario(tmp_path, "a"), scenario(tmp_path, "b", 10)], out, replicates=2, worlds=1)
    assert result.exit_code == 0
    assert sorted(outcome.name for outcome in result.outcomes) == sorted(f"{s}-{w}-{r}" for s in "ab" for w in (0, 1) for r in (0, 1))
    assert {outcome.how for outcome in result.outcomes} == {"done"}
    assert heard.days["a-0-0"] == 40
    assert heard.days["b-1-1"] == 10
    assert [path.name for path in result.made] == ["summary.xlsx", "zones.gpkg"]
    assert all(path.stat().st_size for path in result.made)


def test_workers_write_the_same_bytes(tmp_path):
    paths = [scenario(tmp_path, "a"), scenario(tmp_path, "b")]
    one, _ = study(paths, tmp_path / "one")
    two, heard = study(paths, tmp_path / "two", workers=2)
    assert [outcome.how for outcome in two.outcomes] == ["done", "done"]
    assert files(one.out) == files(two.out)
    assert heard.days == {"a-0-0": 40, "b-0-0": 40}


def test_a_whole_run_is_kept_and_force_runs_it_anew(tmp_path):
    path = scenario(tmp_path, "a")
    study(path, tmp_path / "out")
    again, heard = study(path, tmp_path / "out")
    assert [outcome.how for outcome in again.outcomes] == ["kept"]
    assert not heard.days
    assert "whole" in heard.notes[0]
    assert len(again.made) == 2
    more, _ = study(path, tmp_path / "out", replicates=2)
    assert [outcome.how for outcome in more.outcomes] == ["kept", "done"]
    forced, _ = study(path, tmp_path / "out", force=True)
    assert [outcome.how for outcome in forced.outcomes] == ["done"]


def test_a_run_of_other_inputs_is_not_overwritten(tmp_path):
    out = tmp_path / "out"
    study(scenario(tmp_path, "a", 40), out)
    before = files(out)
    with pytest.raises(InputError, match=r"run\.days: 40 there, 50 here") as caught:
        study([scenario(tmp_path, "b"), scenario(tmp_path, "a", 50)], out)
    assert "--force" in str(caught.value)
    assert files(out) == before
    study(scenario(tmp_path, "a", 50), out, force=True)
    assert read_manifest(out, "a", 0, 0)["resolved"]["run"]["days"] == 50


def test_a_damaged_run_is_done_again(tmp_path):
    out = tmp_path / "out"
    path = scenario(tmp_path, "a")
    study(path, out)
    next(out.rglob("part-*.arrow")).unlink()
    result, heard = study(path, out)
    assert [outcome.how for outcome in result.outcomes] == ["done"]
    assert "damaged" in heard.notes[0]


def test_nothing_is_written_when_one_input_is_wrong(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError) as caught:
        study([scenario(tmp_path, "a"), tmp_path / "no1.txt", tmp_path / "no2.txt"], out)
    assert len(str(caught.value).splitlines()) == 2
    assert not out.exists()


def test_two_scenarios_with_one_name_are_refused(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match="different names"):
        study([scenario(tmp_path, "a"), scenario(tmp_path / "x", "a")], tmp_path / "out")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_run_is_a_row_and_the_study_goes_on(tmp_path, workers):
    out = tmp_path / "out"
    result, heard = study([scenario(tmp_path, "bad", 40, "fail:35"), scenario(tmp_path, "good")], out, workers=workers)
    assert result.exit_code == 3
    assert [outcome.how for outcome in result.outcomes] == ["failed", "done"]
    assert "no homes" in result.outcomes[0].message
    manifest = read_manifest(out, "bad", 0, 0)
    assert (manifest["status"], manifest["stage"], manifest["days"]) == ("failed", "simulate", 34)
    assert "fake_study.py" in manifest["error"]
    assert heard.ends["bad-0-0"].startswith("failed")
    again, _ = study([scenario(tmp_path, "bad", 40), scenario(tmp_path, "good")], out)
    assert [outcome.how for outcome in again.outcomes] == ["done", "kept"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_wrong_input_found_while_building_ends_the_study(tmp_path, workers):
    with pytest.raises(InputError, match="agee"):
        study([scenario(tmp_path, "bad", 40, "input:1"), *(scenario(tmp_path, n, 400) for n in "abc")], tmp_path / "out", workers=workers)


def test_a_worker_that_dies_is_one_failed_run(tmp_path):
    out = tmp_path / "out"
    paths = [scenario(tmp_path, "dead", 40, "die:3"), *(scenario(tmp_path, name) for name in "abc")]
    result, _ = study(paths, out, workers=2)
    assert [outcome.how for outcome in result.outcomes] == ["failed", "done", "done", "done"]
    assert "died" in read_manifest(out, "dead", 0, 0)["error"]


class _Interrupts(Heard):
    """Presses Ctrl-C on a day."""

    def reached(self, run, done, day) -> None:
        super().reached(run, done, day)
        if (run, done) == ("a-0-0", 400):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_what_is_finished_and_a_second_start_goes_on(tmp_path, workers):
    out = tmp_path / "out"
    paths = [scenario(tmp_path, name, 100_000) for name in "ab"]
    heard = _Interrupts()
    old = signal.getsignal(signal.SIGINT)
    result = run_study(paths, out, inputs=FakeInputs(), model=FakeModel, progress=heard, workers=workers)
    assert signal.getsignal(signal.SIGINT) is old
    assert result.exit_code == 1
    assert result.stopped
    assert any("Stopping" in note for note in heard.notes)
    manifest = read_manifest(out, "a", 0, 0)
    assert manifest["status"] == "stopped"
    assert manifest["days"] >= 400
    assert "zones_year/scenario=a/world=0/replicate=0/part-2026.arrow" in manifest["parts"]
    assert not list(out.rglob(".*tmp*"))
    again, _ = study([scenario(tmp_path, name, 40) for name in "ab"], out)
    assert [outcome.how for outcome in again.outcomes] == ["done", "done"]


def test_a_folder_that_cannot_be_written_is_told_before_anything_runs(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    heard = Heard()
    with pytest.raises(InputError, match="cannot be written"):
        run_study(scenario(tmp_path, "a"), blocked / "out", inputs=FakeInputs(), model=FakeModel, progress=heard)
    assert not heard.days


def test_a_disk_that_fills_up_ends_the_study_with_one_message(tmp_path, monkeypatch):
    def full(source, target):
        if "zones_year" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return replace(source, target)

    replace = Path.replace
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="the disk is full"):
        study([scenario(tmp_path, "a"), scenario(tmp_path, "b")], tmp_path / "out")
    assert not is_whole(tmp_path / "out", "a", 0, 0, FakeInputs().load(tmp_path / "a.txt").hash)


def rule_file(folder, text, name="rules.py"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_rule_files_and_their_order_are_part_of_the_hash_and_folders_are_not(tmp_path):
    loaded = FakeInputs().load(scenario(tmp_path, "a"))

    def digest(*files):
        return run_hash(loaded, rule_texts(FakeInputs(rule_files=files)))

    one, two = rule_file(tmp_path / "one", "a = 1"), rule_file(tmp_path / "two", "a = 2")
    other = rule_file(tmp_path / "one", "a = 1", "other.py")
    kinds = [digest(), digest(one), digest(two), digest(one, two), digest(two, one), digest(two, two), digest(other)]
    assert len(set(kinds)) == len(kinds)
    assert kinds[0] == loaded.hash
    assert digest(one) == digest(rule_file(tmp_path / "three", "a = 1"))


def test_the_manifest_keeps_the_text_of_rule_files(tmp_path):
    files = [rule_file(tmp_path / "one", "a = 1\n"), rule_file(tmp_path / "two", "# Жетыген\n")]
    study([scenario(tmp_path, "a")], tmp_path / "out", inputs=FakeInputs(rule_files=tuple(files)))
    kept = read_manifest(tmp_path / "out", "a", 0, 0)["rules"]
    assert [(rule["file"], rule["text"]) for rule in kept] == [("rules.py", "a = 1\n"), ("rules.py", "# Жетыген\n")]
    assert [rule["sha256"] for rule in kept] == [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]


def test_a_rule_file_that_changes_while_the_study_runs_stops_it(tmp_path):
    file = rule_file(tmp_path, "a = 1")
    inputs = FakeInputs(rule_files=(file,))
    job = plan_jobs([inputs.load(scenario(tmp_path, "a"))], tmp_path / "out", inputs, 1, 0, FakeModel)[0]
    rule_file(tmp_path, "a = 2")
    outcome = run_one(job, lambda *told: None, lambda: False)
    assert (outcome.how, outcome.wrong_input) == ("failed", True)
    assert outcome.message.startswith("rules.py: changed while the study was running")


def test_exit_codes():
    def code(*how):
        return StudyResult(Path(), tuple(Outcome("x", one) for one in how)).exit_code

    assert (code("done", "kept"), code("done", "failed"), code("done", "stopped"), code("failed", "not started")) == (0, 3, 1, 1)
