"""Shares of a study, --resume, runs that are taken, object stores, and what is left when everything is killed."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from fake_study import FakeInputs, FakeModel, Heard, LuckyModel

from alatau_sim.errors import InputError
from alatau_sim.results.claim import Busy, SecondAttempt, claimed
from alatau_sim.results.files import attempt, remove_leftovers
from alatau_sim.results.query import query
from alatau_sim.results.store import ObjectStore, place_of
from alatau_sim.study.run import read_part, run_study
from alatau_sim.study.sure import read_aim

HERE = Path(__file__).resolve()


def scenario(folder: Path, name: str, days: int = 40, trouble: str = "") -> Path:
    path = folder / f"{name}.txt"
    path.write_text(f"{name};{days};{trouble}", encoding="utf-8")
    return path


def study(paths, out, heard=None, **more):
    heard = heard or Heard()
    return run_study(paths, out, progress=heard, **{"model": FakeModel, "workers": 1, "inputs": FakeInputs(), **more}), heard


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.arrow"))}


def rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "runs.csv").read_text(encoding="utf-8").splitlines()))


# ---- shares ----


def test_shares_together_are_the_study_and_the_last_makes_its_tables(tmp_path):
    paths = [scenario(tmp_path, name) for name in "abc"]
    whole, _ = study(paths, tmp_path / "whole", replicates=3)
    names, made = [], []
    for k in (2, 4, 1, 3):
        result, _ = study(paths, tmp_path / "parts", replicates=3, part=f"{k}/4")
        names += [outcome.name for outcome in result.outcomes]
        made.append(len(result.made))
        assert result.exit_code == 0
    assert sorted(names) == sorted(outcome.name for outcome in whole.outcomes)
    assert made == [0, 0, 0, 2]
    assert files(tmp_path / "parts") == files(whole.out)
    assert (tmp_path / "parts" / "zones.gpkg").read_bytes() == (whole.out / "zones.gpkg").read_bytes()


def test_shares_side_by_side_do_each_other_no_harm(tmp_path):
    paths = [scenario(tmp_path, name) for name in "ab"]
    code = (
        "import sys; from pathlib import Path; from fake_study import *; from alatau_sim.study.run import run_study; "
        "run_study([Path(p) for p in sys.argv[3:]], sys.argv[1], part=sys.argv[2], replicates=4, inputs=FakeInputs(), model=FakeModel, "
        "progress=Heard(), workers=1)"
    )
    shares = [python(code, tmp_path / "out", f"{k}/3", *paths) for k in (1, 2, 3, 3)]  # one of them twice
    told = [share.communicate()[0].decode() for share in shares]
    assert [share.returncode for share in shares] == [0, 0, 0, 0], told
    whole, _ = study(paths, tmp_path / "whole", replicates=4)
    assert files(tmp_path / "out") == files(whole.out)
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_share_without_runs_says_so(tmp_path):
    result, heard = study(scenario(tmp_path, "a"), tmp_path / "out", part="2/2")
    assert (result.outcomes, result.exit_code) == ((), 0)
    assert "no runs" in heard.notes[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["0/4", "5/4", "a/b", "3", "1/0", "-1/2"])
def test_a_bad_share_is_told(text):
    with pytest.raises(InputError, match="must be K/N"):
        read_part(text)


# ---- --resume ----


def test_resume_needs_a_study_and_skips_what_is_whole(tmp_path):
    paths = [scenario(tmp_path, "a"), scenario(tmp_path, "bad", 40, "fail:3")]
    with pytest.raises(InputError, match="there is no study to go on with"):
        study(paths, tmp_path / "out", resume=True)
    with pytest.raises(InputError, match="give one of them"):
        study(paths, tmp_path / "out", resume=True, force=True)
    assert not (tmp_path / "out").exists()
    assert study(paths, tmp_path / "out")[0].exit_code == 3
    assert [(row["scenario"], row["status"], row["stage"]) for row in rows(tmp_path / "out")] == [
        ("a", "complete", ""), ("bad", "failed", "simulate"),
    ]  # fmt: skip
    assert "fake_study.py" in rows(tmp_path / "out")[1]["traceback"]
    failed = query(tmp_path / "out", "SELECT error FROM runs WHERE status = 'failed'")
    assert failed.to_pylist() == [{"error": "ZeroDivisionError: no homes"}]
    scenario(tmp_path, "bad", 40)
    again, _ = study(paths, tmp_path / "out", resume=True)
    assert [outcome.how for outcome in again.outcomes] == ["kept", "done"]


# ---- taken runs ----


def test_a_run_that_another_process_writes_is_left_to_it(tmp_path):
    paths = [scenario(tmp_path, name) for name in "ab"]
    with claimed(tmp_path / "out" / "runs" / ".a-0-0.claim"):
        result, _ = study(paths, tmp_path / "out")
    assert [outcome.how for outcome in result.outcomes] == ["busy", "done"]
    assert attempt() in result.outcomes[0].message
    assert result.exit_code == 3
    assert [(row["scenario"], row["status"]) for row in rows(tmp_path / "out")] == [("b", "complete"), ("a", "busy")]
    assert study(paths, tmp_path / "out", resume=True)[0].exit_code == 0


def test_a_claim_tells_a_second_attempt_of_the_same_submission(tmp_path):
    claim = tmp_path / ".a-0-0.claim"
    with claimed(claim, "t1"), pytest.raises(Busy), claimed(claim, "t2"):
        pass
    assert not claim.exists()
    claim.write_text("host-1-1 t1", encoding="utf-8")  # left by a process that died
    with pytest.raises(SecondAttempt), claimed(claim, "t1"):
        pass
    with claimed(claim, "t1"):
        assert claim.exists()


def test_hidden_files_of_dead_processes_are_removed_and_those_of_others_are_not(tmp_path):
    host = attempt().split("-")[0]
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old, mine, far = (tmp_path / f".x.json.tmp-{who}" for who in (f"{host}-{dead.pid}-1", attempt(), "elsewhere-1-1"))
    for path in (old, mine, far):
        path.write_text("", encoding="utf-8")
    remove_leftovers(tmp_path)
    assert [path.exists() for path in (old, mine, far)] == [False, True, True]


# ---- object stores ----


def store(folder: Path) -> ObjectStore:
    folder.mkdir(exist_ok=True)
    return ObjectStore(pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem()), "bucket/mine", "mock://bucket/mine")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_object_store_gets_the_same_bytes(tmp_path, workers):
    paths = [scenario(tmp_path, name) for name in "ab"]
    place = store(tmp_path / "objects")
    result, _ = study(paths, place, replicates=2, workers=workers)
    assert result.exit_code == 0
    local, _ = study(paths, tmp_path / "out", replicates=2)
    assert files(tmp_path / "objects" / "bucket" / "mine") == files(local.out)
    assert (tmp_path / "objects/bucket/mine/kpis.json").read_bytes() == (local.out / "kpis.json").read_bytes()
    assert [row["status"] for row in rows(tmp_path / "objects/bucket/mine")] == ["complete"] * 4
    again, heard = study(paths, place, replicates=2, resume=True)
    assert [outcome.how for outcome in again.outcomes] == ["kept"] * 4
    assert not heard.days
    next((tmp_path / "objects").rglob("part-*.arrow")).unlink()
    mended, _ = study(paths, place, replicates=2, resume=True)
    assert sorted(outcome.how for outcome in mended.outcomes) == ["done", "kept", "kept", "kept"]


def test_a_failed_run_in_a_store_is_a_row_and_nothing_hidden_stays(tmp_path):
    place = store(tmp_path / "objects")
    result, _ = study([scenario(tmp_path, "bad", 400, "fail:380"), scenario(tmp_path, "good")], place)
    assert result.exit_code == 3
    assert place.manifest("bad", 0, 0)["stage"] == "simulate"
    assert [name for name in place.names("") if "/." in name or name.startswith(".")] == []


def test_a_store_that_takes_nothing_is_told_before_anything_runs(tmp_path):
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "bucket").write_text("a file where a folder is needed", encoding="utf-8")
    heard = Heard()
    with pytest.raises(InputError, match=r"mock://bucket/mine/probe: the store cannot be used"):
        study(scenario(tmp_path, "a"), store(tmp_path / "objects"), heard)
    assert not heard.days


def test_uris(tmp_path):
    assert place_of("out/x") == Path("out/x")
    assert place_of((tmp_path / "a b").as_uri()) == tmp_path / "a b"
    with pytest.raises(InputError, match="ftp://x: is no store that can be used"):
        place_of("ftp://user:secret@x")


# ---- kill -9 of the whole study ----


def python(code: str, *arguments: object) -> subprocess.Popen:
    paths = os.pathsep.join([str(HERE.parents[2]), str(HERE.parent)])
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], env={**os.environ, "PYTHONPATH": paths},
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


KILLED = """
import os, signal, sys
from pathlib import Path
from fake_study import *
from alatau_sim.study.run import run_study

class Kills(Heard):
    def reached(self, run, done, day):
        if run.startswith("b") and done > 300:
            os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    paths, workers = [Path(p) for p in sys.argv[3:]], int(sys.argv[2])
    run_study(paths, sys.argv[1], inputs=FakeInputs(), model=FakeModel, progress=Kills(), workers=workers)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_study_that_is_killed_goes_on_to_the_bytes_of_an_uninterrupted_one(tmp_path, workers):
    paths = [scenario(tmp_path, name, days) for name, days in (("a", 40), ("b", 3000), ("c", 500))]
    (tmp_path / "killed.py").write_text(KILLED, encoding="utf-8")
    code = f"import runpy, sys; runpy.run_path({str(tmp_path / 'killed.py')!r}, run_name='__main__')"
    killed = python(code, tmp_path / "out", workers, *paths)
    killed.communicate()  # its workers have the pipe too: they have ended when this returns
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out" / "runs" / "b-0-0.json").exists()
    result, _ = study(paths, tmp_path / "out", workers=workers, resume=True)
    assert result.exit_code == 0
    whole, _ = study(paths, tmp_path / "whole")
    assert files(tmp_path / "out") == files(whole.out)
    assert not list((tmp_path / "out").rglob(".*"))


# ---- --until-sure ----


def sure(tmp_path, aim, names=("a", "b"), **more):
    return study([scenario(tmp_path, name, 1) for name in names], tmp_path / "out", until_sure=aim, model=LuckyModel, **more)


def test_replicates_are_added_in_one_step_until_the_interval_is_narrow(tmp_path):
    result, heard = sure(tmp_path, "wealth±1", replicates=6)
    assert result.aim.startswith("wealth±1 in 2026: met with ")
    total = len(result.outcomes) // 2
    assert total > 6
    assert any(f"{total} are needed in all" in note for note in heard.notes)
    again, more = sure(tmp_path, "wealth±1", replicates=6)
    assert again.aim == result.aim
    assert not more.days


def test_the_budget_is_kept_and_the_aim_is_said_to_be_missed(tmp_path):
    result, _ = sure(tmp_path, "wealth±0.1%", replicates=4, at_most=6)
    assert len(result.outcomes) == 12
    assert result.aim.startswith("wealth±0.1% in 2026: not met with 6 replicates")
    assert result.exit_code == 0


def test_one_scenario_is_judged_by_its_mean(tmp_path):
    result, _ = sure(tmp_path, "wealth+-50%", names=("a",), replicates=3)
    assert result.aim.startswith("wealth±50% in 2026: met with 3 replicates")
    assert "(a; asked: ±" in result.aim


def test_aims_that_cannot_be_read_or_judged(tmp_path):
    assert str(read_aim("wealth: 2 %")) == "wealth±2%"
    for text in ("wealth", "wealth±0%", "±5%", "wealth±x%", "wealth±-2"):
        with pytest.raises(InputError, match="--until-sure"):
            read_aim(text)
    with pytest.raises(InputError, match="at least 2 replicates"):
        sure(tmp_path, "wealth±1%", replicates=1)
    with pytest.raises(InputError, match="does not go with --part"):
        sure(tmp_path, "wealth±1%", replicates=3, part="1/2")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="no indicator 'welth'; did you mean 'wealth'"):
        sure(tmp_path, "welth±1%", replicates=3)
