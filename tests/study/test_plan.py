"""Study files: what they say, what is wrong with them (file and line), and the cases of their sweeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_study import FakeModel, Heard

from alatau_sim.cli import run_command
from alatau_sim.errors import InputError
from alatau_sim.results.manifest import read_manifest
from alatau_sim.results.query import query
from alatau_sim.study.inputs import Inputs
from alatau_sim.study.plan import is_study, read_study
from alatau_sim.study.run import make_plan, plan_jobs, run_study

SHIPPED = Path(__file__).parents[2] / "scenarios"
FARE, WARM = "policy.mobility.fare_kzt", "world.energy.temperature_shift_c"


def study(folder, sweep="", **keys):
    keys = {"scenarios": f"[{SHIPPED}/baseline.yaml]", **keys}
    text = "format: 1\nstudy:\n" + "".join(f"  {key}: {value}\n" for key, value in keys.items())
    path = folder / "mine.yaml"
    path.write_text(text + (f"  sweep: {sweep}\n" if sweep else ""), encoding="utf-8")
    return path


def cases(folder, sweep, **keys):
    plan = make_plan([study(folder, sweep, **keys)], Inputs(), None, None)
    return [dict(case.values) for case in plan.cases.values()]


def wrong(folder, sweep="", **keys):
    with pytest.raises(InputError) as told:
        make_plan([study(folder, sweep, **keys)], Inputs(), None, None)
    return str(told.value).replace(f"{folder.as_posix()}/", "").splitlines()


def test_a_study_file_is_told_from_a_scenario(tmp_path):
    assert is_study(study(tmp_path))
    assert not is_study(SHIPPED / "baseline.yaml")
    assert not is_study(tmp_path / "none.yaml")


def test_what_it_says_is_used_and_the_command_line_has_the_last_word(tmp_path):
    path = study(tmp_path, scenarios=f"[{SHIPPED}/baseline.yaml, {SHIPPED}/frequent_buses.yaml]", name="money", replicates=3, worlds=1,
                 sets="{run.end: 2026-03-31, run: {sample: 0.1}}", seed=9)
    plan = make_plan([path], Inputs(), None, None)
    assert (plan.name, plan.replicates, plan.worlds) == ("money", 3, 1)
    assert [(s.name, s.run.seed, s.run.sample, str(s.run.end)) for s in plan.scenarios] == [
        ("baseline", 9, 0.1, "2026-03-31"), ("frequent_buses", 9, 0.1, "2026-03-31"),
    ]  # fmt: skip
    assert len(plan_jobs(plan.scenarios, tmp_path, plan.inputs, plan.replicates, plan.worlds)) == 2 * 3 * 2
    other = make_plan([path], Inputs(sets=("run.seed=4",)), 1, 0)
    assert (other.replicates, other.worlds, other.scenarios[0].run.seed) == (1, 0, 4)


def test_a_grid_has_all_combinations_and_more_values_of_its_first_key_change_no_case(tmp_path):
    few = cases(tmp_path, f"{{kind: grid, values: {{{FARE}: [50, 100], {WARM}: [0, 1]}}}}")
    assert few == [{FARE: f, WARM: w} for f in (50, 100) for w in (0.0, 1.0)]
    more = cases(tmp_path, f"{{kind: grid, values: {{{FARE}: [50, 100, 150], {WARM}: [0, 1]}}}}")
    assert more[: len(few)] == few


def test_a_latin_hypercube_has_one_point_in_each_part(tmp_path):
    found = cases(tmp_path, f"{{kind: latin hypercube, samples: 7, seed: 3, ranges: {{{FARE}: [0, 200], {WARM}: declared}}}}")
    assert sorted(int(case[FARE] * 7 / 200.0001) for case in found) == list(range(7))
    assert found == cases(tmp_path, f"{{kind: latin hypercube, samples: 7, seed: 3, ranges: {{{FARE}: [0, 200], {WARM}: declared}}}}")
    assert found != cases(tmp_path, f"{{kind: latin hypercube, samples: 7, seed: 4, ranges: {{{FARE}: [0, 200], {WARM}: declared}}}}")


def test_a_longer_sobol_sequence_begins_with_the_shorter(tmp_path):
    few, more = (cases(tmp_path, f"{{kind: sobol, samples: {n}, ranges: [{FARE}, {WARM}]}}") for n in (3, 9))
    assert len(few) == 3
    assert more[:3] == few


def test_a_file_of_cases(tmp_path):
    (tmp_path / "cases.csv").write_text(f"case,{FARE},{WARM},note\n1,50,0.5,cheap\n\n2,100,1,\n", encoding="utf-8")
    assert cases(tmp_path, "{kind: file, file: cases.csv}") == [{FARE: 50, WARM: 0.5}, {FARE: 100, WARM: 1.0}]


def test_a_file_of_cases_with_bad_values_is_told_with_its_lines(tmp_path):
    (tmp_path / "cases.csv").write_text(f"{FARE},{WARM}\n50,1\n-5,much\n7\n", encoding="utf-8")
    assert wrong(tmp_path, "{kind: file, file: cases.csv}") == ["cases.csv:4: has 1 values, and the first line names 2 columns"]
    (tmp_path / "cases.csv").write_text(f"{FARE},{WARM}\n50,1\n-5,much\n", encoding="utf-8")
    told = wrong(tmp_path, "{kind: file, file: cases.csv}")
    assert told[0].startswith(f"cases.csv:3: {FARE} is -5; it must be within 0 … ")
    assert told[1].startswith(f"cases.csv:3: {WARM} is 'much'; it must be a number")
    (tmp_path / "cases.csv").write_text("policy.mobility.far_kzt\n50\n", encoding="utf-8")
    assert wrong(tmp_path, "{kind: file, file: cases.csv}")[0].startswith("cases.csv:1: policy.mobility.far_kzt is not known; did you mean")


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("{kind: grid, values: {policy.mobility.far_kzt: [1]}}", "mine.yaml:4: policy.mobility.far_kzt is not known; did you mean"),
        ("{kind: grid, values: {run.seed: [1]}}", "mine.yaml:4: run.seed is not known; a sweep varies only policy, world and rules"),
        (f"{{kind: grid, values: {{{FARE}: []}}}}", f"mine.yaml:4: study.sweep.values.{FARE} is empty; list its values, such as [1, 2]"),
        ("{kind: grid, values: {}}", "mine.yaml:4: study.sweep.values is empty"),
        ("{kind: grid}", "mine.yaml:4: study.sweep.values is missing: a grid needs it"),
        (f"{{kind: grid, values: {{{FARE}: [-1]}}}}", f"mine.yaml:4: {FARE} is -1; it must be within 0"),
        ("{kind: gird, values: {}}", "mine.yaml:4: study.sweep.kind is 'gird'; it must be one of grid"),
        (f"{{kind: sobol, samples: 0, ranges: [{FARE}]}}", "mine.yaml:4: study.sweep.samples is 0; it must be within 1"),
        (f"{{kind: sobol, samples: 4, ranges: {{{FARE}: [9, 3]}}}}", f"mine.yaml:4: study.sweep.ranges.{FARE} is [9, 3]; the first"),
        (f"{{kind: sobol, samples: 4, ranges: {{{FARE}: [0, 1e9]}}}}", f"mine.yaml:4: {FARE} is 1000000000"),
        ("{kind: sobol, samples: 4, ranges: [world.energy.x]}", "mine.yaml:4: world.energy.x is not known"),
        ("{kind: file, file: none.csv}", "mine.yaml:4: study.sweep.file is 'none.csv'; the file "),
    ],
)
def test_what_is_wrong_with_a_sweep_is_told_with_its_line(tmp_path, sweep, said):
    assert wrong(tmp_path, sweep)[0].startswith(said)


def test_what_is_wrong_with_a_study_is_told_at_once(tmp_path):
    told = wrong(tmp_path, "{kind: grid}", replicate=3, worlds=-1, rules="[none.py]")
    assert told[0] == "mine.yaml:4: study.replicate is not known; did you mean 'replicates'?"
    assert told[1].startswith("mine.yaml:5: study.worlds is -1; it must be")
    assert told[2].startswith("mine.yaml:6: study.rules.0 is 'none.py'; the file")
    assert told[3].startswith("mine.yaml:7: study.sweep.values is missing")
    assert wrong(tmp_path, sets="{run.sed: 3}") == ["mine.yaml:4: sets: run.sed is not known; did you mean 'seed'?"]
    assert wrong(tmp_path, scenarios="[]")[0].startswith("mine.yaml:2: study.scenarios is missing")


def test_each_case_is_a_scenario_of_its_own_whose_manifest_has_its_values(tmp_path):
    path = study(tmp_path, f"{{kind: grid, values: {{{FARE}: [50, 100]}}}}", sets="{run.end: 2026-01-05}", replicates=2)
    out, heard = tmp_path / "out", Heard()
    result = run_study(path, out, model=FakeModelOfAny, progress=heard, workers=1)
    assert sorted(outcome.name for outcome in result.outcomes) == [f"baseline_case000{k}-0-{r}" for k in (1, 2) for r in (0, 1)]
    manifest = read_manifest(out, "baseline_case0002", 0, 1)
    assert (manifest["base"], manifest["case"], manifest["values"]) == ("baseline", 2, {FARE: 100})
    assert manifest["resolved"]["policy"]["mobility"]["fare_kzt"] == 100
    assert (out / "cases.csv").read_text(encoding="utf-8") == (
        f"scenario,base,case,{FARE}\nbaseline_case0001,baseline,1,50\nbaseline_case0002,baseline,2,100\n"
    )
    assert (out / "runs.csv").read_text(encoding="utf-8").splitlines()[1].startswith("baseline_case0001,0,0,complete,")
    found = query(out, f'SELECT r.scenario, "{FARE}" AS fare FROM runs r JOIN cases USING (scenario) WHERE replicate = 1 ORDER BY 1')
    assert found.to_pylist() == [{"scenario": "baseline_case0001", "fare": 50.0}, {"scenario": "baseline_case0002", "fare": 100.0}]


def test_check_reads_a_study_file_and_a_study_stands_alone(tmp_path, capsys):
    path = study(tmp_path, f"{{kind: grid, values: {{{FARE}: [50, 100]}}}}", replicates=5)
    assert run_command(["check", str(path)]) == 0
    assert "study mine: 2 scenarios, of them 2 cases, 10 runs" in capsys.readouterr().out
    assert run_command(["run", str(path), str(SHIPPED / "baseline.yaml")]) == 2
    assert "is a study file, which names its scenarios itself; give it alone" in capsys.readouterr().err


def test_the_words_of_a_missing_study(tmp_path):
    (tmp_path / "a.yaml").write_text("study: {scenarios: [x.yaml]}", encoding="utf-8")
    with pytest.raises(InputError, match="begins with 'format: 1'"):
        read_study(tmp_path / "a.yaml")


class FakeModelOfAny(FakeModel):
    """The fake model for a scenario that is a real one."""

    def step(self):
        scenario = self.scenario
        self.scenario = type("S", (), {"run": scenario.run, "trouble": "", "days": (scenario.run.end - scenario.run.start).days + 1})
        super().step()
        self.scenario = scenario
