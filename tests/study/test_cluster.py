"""Runs on a real Dask cluster on the loopback: the same bytes as here, whatever dies; and clusters that are not there."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from clusters import Cluster as Processes
from fake_study import Heard
from test_big_studies import files, rows, scenario, store, study

from alatau_sim.cli import run_command
from alatau_sim.errors import InputError
from alatau_sim.results.manifest import read_manifest
from alatau_sim.study import cluster as clusters
from alatau_sim.study import places
from alatau_sim.study.parcel import Files, collect, digest_of, pack, unpack
from alatau_sim.study.run import plan_jobs

pytest.importorskip("distributed")
LONG = 4000


class Once(Heard):
    """Does something when a run has first got somewhere."""

    def __init__(self, do) -> None:
        super().__init__()
        self.do = do

    def reached(self, run, done, day) -> None:
        super().reached(run, done, day)
        if done > 1 and self.do is not None:
            do, self.do = self.do, None
            do()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with Processes(tmp_path_factory.mktemp("cluster")) as processes:
        yield processes


def test_the_same_bytes_as_on_this_machine_and_nothing_is_left_behind(shared, tmp_path):
    paths = [scenario(tmp_path, name) for name in "abc"]
    result, heard = study(paths, tmp_path / "out", replicates=2, cluster=shared.address)
    assert [outcome.how for outcome in result.outcomes] == ["done"] * 6
    assert heard.days["c-0-1"] == 40
    assert (heard.runs, heard.ends["a-0-0"]) == (6, "done")
    local, _ = study(paths, tmp_path / "local", replicates=2)
    assert files(result.out) == files(local.out)
    assert not list(result.out.rglob(".*"))
    again, _ = study(paths, tmp_path / "out", replicates=2, cluster=shared.address, resume=True)
    assert {outcome.how for outcome in again.outcomes} == {"kept"}


def test_a_scheduler_file_and_an_object_store(shared, tmp_path):
    paths = [scenario(tmp_path, name) for name in "ab"]
    place = store(tmp_path / "objects")
    result, _ = study(paths, place, cluster=str(shared.file))
    assert result.exit_code == 0
    local, _ = study(paths, tmp_path / "local")
    assert files(tmp_path / "objects" / "bucket" / "mine") == files(local.out)
    assert not [name for name in place.names("") if name.startswith(".") or "/." in name]


def test_a_failed_run_is_a_row_and_wrong_input_ends_the_study(shared, tmp_path):
    result, _ = study([scenario(tmp_path, "bad", 40, "fail:7"), scenario(tmp_path, "good")], tmp_path / "out", cluster=shared.address)
    assert [outcome.how for outcome in result.outcomes] == ["failed", "done"]
    assert result.exit_code == 3
    assert {row["scenario"]: row["stage"] for row in rows(result.out)} == {"bad": "simulate", "good": ""}
    paths = [scenario(tmp_path, "wrong", 40, "input:1"), *(scenario(tmp_path, name, LONG) for name in "xyz")]
    with pytest.raises(InputError, match="agee"):
        study(paths, tmp_path / "two", cluster=shared.address)


def test_ctrl_c_reaches_the_workers(shared, tmp_path):
    heard = Once(lambda: os.kill(os.getpid(), signal.SIGINT))
    paths = [scenario(tmp_path, name, 100_000) for name in "ab"]
    result, _ = study(paths, tmp_path / "out", heard, cluster=shared.address)
    assert result.exit_code == 1
    assert "stopped" in {outcome.how for outcome in result.outcomes}
    assert any("Stopping" in note for note in heard.notes)


def test_two_studies_write_the_same_runs_without_harm(shared, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    paths = [scenario(tmp_path, name, 400) for name in "abc"]
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(study, paths, tmp_path / "out", cluster=shared.address) for _ in range(2)]
        hows = {outcome.how for one in both for outcome in one.result()[0].outcomes}
    assert hows <= {"done", "kept", "busy"}
    local, _ = study(paths, tmp_path / "local")
    assert files(tmp_path / "out") == files(local.out)


def test_a_worker_that_is_killed_costs_nothing_but_time(tmp_path):
    paths = [scenario(tmp_path, name, LONG) for name in "abcd"]
    with Processes(tmp_path) as processes:
        heard = Once(processes.workers[0].kill)
        result, _ = study(paths, tmp_path / "out", heard, cluster=processes.address)
    assert [outcome.how for outcome in result.outcomes] == ["done"] * 4
    assert any(note.startswith("A worker died") for note in heard.notes)
    local, _ = study(paths, tmp_path / "local")
    assert files(result.out) == files(local.out)
    assert not list(result.out.rglob(".*"))


@pytest.mark.parametrize("failures", [0, 3])
def test_a_run_that_kills_its_worker_twice_has_failed_whatever_the_scheduler_allows(tmp_path, failures):
    paths = [scenario(tmp_path, "dead", 40, "die:3"), *(scenario(tmp_path, name) for name in "ab")]
    with Processes(tmp_path, workers=3, failures=failures) as processes:
        result, _ = study(paths, tmp_path / "out", cluster=processes.address)
        alive = [worker.poll() is None for worker in processes.workers]
    assert [outcome.how for outcome in result.outcomes] == ["failed", "done", "done"]
    assert "died" in read_manifest(tmp_path / "out", "dead", 0, 0)["error"]
    assert sum(alive) == 1


def test_a_cluster_that_dies_in_the_middle_loses_nothing(tmp_path):
    paths = [scenario(tmp_path, name, days) for name, days in (("a", 5), ("b", LONG), ("c", LONG), ("d", LONG))]
    with Processes(tmp_path) as processes:
        heard = Once(processes.scheduler.kill)
        result, _ = study(paths, tmp_path / "out", heard, cluster=processes.address)
        assert result.exit_code == 1
        assert any("went away" in note and "--resume" in note for note in heard.notes)
    again, _ = study(paths, tmp_path / "out", workers=2, resume=True)
    assert again.exit_code == 0
    local, _ = study(paths, tmp_path / "local")
    assert files(tmp_path / "out") == files(local.out)


def test_a_cluster_that_loses_its_last_worker_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "ALONE_S", 0.0)
    with Processes(tmp_path, workers=1) as processes:
        heard = Once(processes.workers[0].kill)
        result, _ = study([scenario(tmp_path, "a", LONG)], tmp_path / "out", heard, cluster=processes.address)
    assert result.exit_code == 1
    assert any("has lost its last worker" in note for note in heard.notes)


def test_a_cluster_without_workers_and_a_folder_that_they_do_not_see(tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT_S", 2.0)
    with Processes(tmp_path, workers=0) as processes:
        with pytest.raises(InputError, match="has no workers; start some with `dask worker"):
            study(scenario(tmp_path, "a"), tmp_path / "out", cluster=processes.address)
        processes.add_worker()
        monkeypatch.setattr(places, "write", lambda *given: None)  # as on a disk that only this machine has
        with pytest.raises(InputError, match="does not see .*; name a folder that all workers share"):
            study(scenario(tmp_path, "a"), tmp_path / "out", cluster=processes.address)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://127.0.0.1:9", "no cluster answers there"), ("127.0.0.1:9", "no cluster answers there"),
        ("nonsense", "must be an address such as tcp://host:8786"), ("none.json", "there is no such file"),
    ],
)
def test_a_cluster_that_is_not_there(tmp_path, monkeypatch, address, said):
    monkeypatch.setattr(clusters, "CONNECT_S", 0.5)
    heard = Heard()
    with pytest.raises(InputError, match=said):
        study(scenario(tmp_path, "a"), tmp_path / "out", heard, cluster=address)
    assert not (tmp_path / "out").exists()
    assert not heard.days


def test_a_file_that_no_scheduler_wrote(tmp_path):
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is no file that a Dask scheduler has written"):
        study(scenario(tmp_path, "a"), tmp_path / "out", cluster=str(tmp_path / "x.json"))


def test_the_command_line_tells_it_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(clusters, "CONNECT_S", 0.5)
    assert run_command(["run", "scenarios/baseline.yaml", "-o", str(tmp_path / "out"), "--cluster", "127.0.0.1:9"]) == 2
    assert "no cluster answers there" in capsys.readouterr().err


# ---- what travels ----


def test_jobs_travel_with_the_content_of_their_files_and_read_the_same_there(tmp_path):
    from alatau_sim.study.inputs import Inputs

    rules = tmp_path / "my_rules.py"
    rules.write_text("from alatau_sim.engine.domain import Domain\nDOMAIN = Domain('mine')\n", encoding="utf-8")
    inputs = Inputs(rule_files=(str(rules),))
    loaded = inputs.load(Path(__file__).parents[2] / "scenarios" / "frequent_buses.yaml")
    (job,) = plan_jobs([loaded], tmp_path / "out", inputs, 1, 0)
    parcel = collect([job])
    assert digest_of(parcel.packed()) == digest_of(collect([job]).packed())
    where = Files.unpacked(parcel.packed()).lay_out(tmp_path / "there")
    there = unpack(pack(job, parcel), where)
    assert there.scenario.hash == job.scenario.hash
    assert there.scenario.resolved() == job.scenario.resolved()
    assert there.inputs.rule_files == (str(where[str(rules)]),)
    for file in there.scenario.files():
        assert (tmp_path / "there") in file.path.parents


def test_a_file_that_changes_before_it_travels_is_told(tmp_path):
    import shutil

    from alatau_sim.study.inputs import Inputs

    shutil.copytree(Path(__file__).parents[2] / "scenarios", tmp_path / "s")
    loaded = Inputs().load(tmp_path / "s" / "baseline.yaml")
    (tmp_path / "s" / "alatau" / "climate.csv").write_text("month\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"climate\.csv: changed while the study was prepared"):
        collect(plan_jobs([loaded], tmp_path / "out", Inputs(), 1, 0))
