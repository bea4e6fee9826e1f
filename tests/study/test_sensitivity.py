"""Sensitivity: indices of a function whose indices are known, through the runs of an ordinary study."""

from __future__ import annotations

import csv
import json
import math

import pytest
from fake_study import FakeInputs, Heard, IshigamiModel, LeverInputs

from alatau_sim.cli import run_command
from alatau_sim.errors import InputError, StudyError
from alatau_sim.study.sensitivity import analyse, sensitivity, unit_points
from alatau_sim.study.sweep import swept_keys

# Ishigami and Homma (1990) with a = 7, b = 0.1: variance and its parts in closed form
A, B = 7.0, 0.1
V1 = 0.5 * (1 + B * math.pi**4 / 5) ** 2
V2 = A**2 / 8
V13 = 8 * B**2 * math.pi**8 / 225
TOTAL = V1 + V2 + V13
FIRST = {"x1": V1 / TOTAL, "x2": V2 / TOTAL, "x3": 0.0}
WHOLE = {"x1": (V1 + V13) / TOTAL, "x2": V2 / TOTAL, "x3": V13 / TOTAL}


def look(tmp_path, trouble="", **more):
    path = tmp_path / "toy.txt"
    path.write_text(f"toy;1;{trouble}", encoding="utf-8")
    heard = Heard()
    found = sensitivity(path, "height", tmp_path / "out", inputs=LeverInputs(), model=IshigamiModel, progress=heard, workers=1, **more)
    return found, heard


def short(effect):
    return effect.parameter.rpartition(".")[2]


def near(effects, samples):
    """Within bands that follow from the number of samples: the estimators' standard errors are below 0.7/sqrt(n) for this function."""
    band = 2 / math.sqrt(samples)
    for effect in effects:
        assert abs(effect.total - WHOLE[short(effect)]) < band
        assert abs(effect.first - FIRST[short(effect)]) < band


def test_sobol_indices_of_ishigami(tmp_path):
    found, _ = look(tmp_path, method="sobol", samples=64, params=["world.toy.*"])
    assert found.runs == 64 * 5  # three parameters have a spread
    near(found.effects, 64)
    assert short(found.effects[-1]) == "x3"


def test_more_samples_come_closer(tmp_path):
    path = tmp_path / "toy.txt"
    path.write_text("toy;1;", encoding="utf-8")
    inputs = LeverInputs()
    spans = swept_keys(["world.toy.*"], inputs.load(path), inputs.composition(), "--params")
    for samples in (256, 1024):
        points = unit_points("sobol", spans, samples, seed=3)
        values = []
        for point in points:
            x1, x2, x3 = (span.at(p) for span, p in zip(spans, point, strict=True))
            values.append(math.sin(x1) + A * math.sin(x2) ** 2 + B * x3**4 * math.sin(x1))
        near(analyse("sobol", spans, points, values, seed=3), samples)


def test_morris_finds_what_matters_and_what_does_not(tmp_path):
    found, _ = look(tmp_path, method="morris", samples=12, params=["world.toy.*", "world.toy.idle"])
    effects = {short(effect): effect for effect in found.effects}
    assert (effects["idle"].total, effects["idle"].spread) == (0, 0)
    assert (effects["idle"].low, effects["idle"].high) == (0, 10)
    # x3 acts only through x1: its mean effect is spread around 0, its size is not
    assert min(effects[name].total for name in ("x1", "x2", "x3")) > 1
    assert effects["x3"].spread > abs(effects["x3"].first)
    assert found.runs == 12 * 5


def test_tables_and_chart_are_written_and_a_second_call_runs_nothing(tmp_path):
    found, _ = look(tmp_path, method="morris", samples=3, params=["world.toy.*"])
    assert [file.suffix for file in found.files] == [".csv", ".json", ".svg", ".html", ".png"]
    assert all(file.stat().st_size for file in found.files)
    rows = list(csv.DictReader(found.files[0].read_text(encoding="utf-8").splitlines()))
    assert [row["parameter"] for row in rows] == [effect.parameter for effect in found.effects]
    assert json.loads(found.files[1].read_text(encoding="utf-8"))["kpi"] == "height"
    assert "world.toy.x1" in found.files[2].read_text(encoding="utf-8")
    assert "cdn" not in found.files[3].read_text(encoding="utf-8")[:2000]
    assert found.text().splitlines()[0] == "height [m] in 2026: morris, 3 samples, 12 points"
    again, heard = look(tmp_path, method="morris", samples=3, params=["world.toy.*"], resume=True)
    assert not heard.days
    assert again.csv() == found.csv()
    assert (tmp_path / "out" / "cases.csv").read_text(encoding="utf-8").count("\n") == 13


def test_what_is_wrong_is_told_before_anything_runs(tmp_path):
    for params, said in (
        (["world.toy.x9"], "world.toy.x9 is not known; did you mean 'world.toy.x"),
        (["world.toi.*"], "world.toi.* is not known"),
        (["world.toy.x1"], "morris needs at least 2 parameters"),
    ):
        with pytest.raises(InputError, match=said.replace(".*", r"\.\*")):
            look(tmp_path, params=params)
    with pytest.raises(InputError, match="power of two, such as 128"):
        look(tmp_path, method="sobol", samples=100, params=["world.toy.*"])
    assert not (tmp_path / "out").exists()


def test_a_failed_run_stops_the_analysis_with_the_studys_exit_code(tmp_path):
    with pytest.raises(StudyError, match="runs are not whole") as told:
        look(tmp_path, trouble="fail:1", method="morris", samples=2, params=["world.toy.*"])
    assert told.value.exit_code == 3


def test_an_unknown_indicator_of_the_shipped_model_is_told_at_once(capsys):
    assert run_command(["sensitivity", "scenarios/baseline.yaml", "--kpi", "populaton"]) == 2
    assert "there is no indicator 'populaton'; did you mean 'population'?" in capsys.readouterr().err


def test_declared_spreads_of_all_kinds_have_ends(tmp_path):
    path = tmp_path / "toy.txt"
    path.write_text("toy;1;", encoding="utf-8")
    inputs = LeverInputs()
    spans = swept_keys(["world.toy.*"], inputs.load(path), inputs.composition(), "--params")
    assert [span.at(0.0) for span in spans] == [-math.pi] * 3
    assert isinstance(inputs, FakeInputs)
