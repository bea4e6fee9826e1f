import csv
import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from fake_city import DAYS, record
from scipy import stats

from alatau_sim.errors import InputError
from alatau_sim.results.compare import Change, compare, interval, yearly_values
from alatau_sim.results.dataset import open_study

YEAR = {"start": date(2026, 1, 1), "end": date(2026, 12, 31), "tables": (DAYS,)}
BASE = [0.0, 3.0, 1.5, 8.0]
HUB = [0.9, 4.4, 2.1, 9.2]


def study_of(out: Path, **lifts: list[float]) -> Path:
    """One run a replicate of each scenario, whose KPIs are lifted by the given amounts."""
    for scenario, values in lifts.items():
        for replicate, lift in enumerate(values):
            record(out, scenario, 0, replicate, lift=lift, **YEAR)  # type: ignore[arg-type]
    return out


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return study_of(tmp_path_factory.mktemp("compare") / "plan", baseline=BASE, hub=HUB)


def change(found: list[Change], kpi: str, scenario: str = "hub") -> Change:
    return next(one for one in found if one.kpi == kpi and one.scenario == scenario)


def test_months_make_a_year_as_each_indicator_declares(study):
    yearly, months = yearly_values(open_study(study))
    assert months == {2026: 12}
    first = {kpi: runs["baseline"][0, 0] for (kpi, _), runs in yearly.items()}
    # wallets has no value in December, so the last is November's; "=never" has none and is absent
    assert first == {"energy": 78.0, "comfort": 6.5, "wallets": 11000.0, "highest": 0.0}
    assert yearly["energy", 2026]["hub"][0, 3] == pytest.approx(78 + 12 * 9.2)


def test_the_paired_interval_is_student_s(study):
    comparison = compare(study)
    for kpi, months in (("energy", 12), ("comfort", 1)):
        found = change(comparison.changes, kpi)
        differences = months * (np.array(HUB) - np.array(BASE))
        expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
        assert found.pairs == 4
        assert found.difference == pytest.approx(differences.mean())
        assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
        assert found.mean - found.baseline_mean == pytest.approx(found.difference)  # type: ignore[operator]
        assert found.relative == pytest.approx(found.difference / found.baseline_mean)  # type: ignore[operator]
    # by hand: differences 0.9, 1.4, 0.6, 1.2 have mean 1.025 and standard deviation 0.35; t(3) at 97.5 % is 3.1824 (any table)
    comfort = change(comparison.changes, "comfort")
    assert comfort.low == pytest.approx(1.025 - 3.1824 * 0.35 / 2, abs=1e-4)
    assert comfort.high == pytest.approx(1.025 + 3.1824 * 0.35 / 2, abs=1e-4)


def test_better_and_worse_follow_the_indicator_s_sign(study):
    found = compare(study).changes
    assert {kpi: change(found, kpi).verdict for kpi in ("energy", "comfort", "wallets")} == {
        "energy": "worse", "comfort": "better", "wallets": "higher",
    }
    turned = compare(study, "hub").changes
    assert {kpi: change(turned, kpi, "baseline").verdict for kpi in ("energy", "comfort", "wallets")} == {
        "energy": "better", "comfort": "worse", "wallets": "lower",
    }


def test_the_interval_covers_the_truth_at_its_nominal_rate():
    # 4,000 made-up studies of five pairs with the true difference 2: the standard error of the rate is 0.34 %
    draws = np.random.Generator(np.random.Philox(7)).normal(2, 3, (4000, 5))
    inside = [low <= 2 <= high for low, high in (interval(list(pairs)) for pairs in draws)]  # type: ignore[misc]
    assert np.mean(inside) == pytest.approx(0.95, abs=4 * 0.0034)


def test_noise_is_not_called_a_difference(tmp_path):
    comparison = compare(study_of(tmp_path / "s", baseline=[0.0, 1.0, 2.0], noise=[1.0, 0.0, 2.1]))
    assert change(comparison.changes, "energy", "noise").verdict == "not clear"


def test_one_pair_has_a_difference_and_no_interval(tmp_path):
    comparison = compare(study_of(tmp_path / "s", baseline=[0.0], hub=[1.0]))
    found = change(comparison.changes, "energy")
    assert (found.difference, found.low, found.high, found.pairs) == (12.0, None, None, 1)
    assert found.verdict == "worse (one pair: no interval)"
    assert "one pair: no interval" in comparison.text()
    assert interval([1.0]) is None


def test_equal_bytes_are_called_identical(tmp_path):
    comparison = compare(study_of(tmp_path / "s", baseline=[0.0, 1.0], same=[0.0, 1.0], other=[0.0, 1.0001]))
    assert comparison.identical == ["same"]
    assert "same against baseline: identical, byte for byte" in comparison.text()
    assert "other against baseline: identical" not in comparison.text()
    found = change(comparison.changes, "energy", "same")
    assert (found.difference, found.low, found.high, found.verdict) == (0.0, 0.0, 0.0, "no difference")


def test_a_scenario_against_itself_is_exactly_zero(study):
    comparison = compare(study, "hub")
    own = [one for one in comparison.changes if one.scenario == "hub"]
    assert {one.verdict for one in own} == {"baseline"}
    assert all(one.mean == one.baseline_mean and one.difference is None for one in own)


def test_worlds_give_the_range_of_what_is_not_known(tmp_path):
    out = tmp_path / "s"
    shifts = [0.0, 1.0, 2.0, 5.0, 3.0]  # by world; world 0 is the central one
    for world, shift in enumerate(shifts):
        for replicate in (0, 1):
            record(out, "baseline", world, replicate, lift=replicate, **YEAR)  # type: ignore[arg-type]
            record(out, "hub", world, replicate, lift=replicate + 1 + shift, **YEAR)  # type: ignore[arg-type]
    comparison = compare(out)
    found = change(comparison.changes, "comfort")
    assert (found.pairs, found.worlds, found.difference) == (2, 4, pytest.approx(1))
    low, high = np.quantile([2, 3, 6, 4], [0.1, 0.9])
    assert (found.unknown_low, found.unknown_high) == (pytest.approx(low), pytest.approx(high))
    assert "P10 … P90: what is not known, over 4 worlds" in comparison.text()


def test_runs_without_a_partner_are_left_out_and_listed(tmp_path):
    out = study_of(tmp_path / "s", baseline=[0.0, 1.0], hub=[2.0, 3.0, 100.0])
    record(out, "killed", whole=False, **YEAR)  # type: ignore[arg-type]
    comparison = compare(out)
    found = change(comparison.changes, "comfort")
    assert (found.pairs, found.mean) == (2, pytest.approx(9.0))
    assert comparison.notes == [
        "hub and baseline: without a partner, so left out: world 0 replicate 2",
        "not counted: killed-0-0 (has no manifest: it is still running, or was killed)",
    ]
    assert "world 0 replicate 2" in comparison.text()


def test_the_last_year_is_shown_and_all_years_are_kept(tmp_path):
    out = tmp_path / "s"
    for scenario, lift in (("baseline", 0.0), ("hub", 1.0)):
        record(out, scenario, lift=lift, start=date(2026, 1, 1), end=date(2027, 6, 30), tables=(DAYS,))
    comparison = compare(out)
    assert comparison.years == [2026, 2027]
    assert "hub against baseline, 2027" in comparison.text()
    assert "hub against baseline, 2026" in comparison.text(2026)
    assert "2027 has 6 of its 12 months" in comparison.text()
    assert change(comparison.of_year(2026), "energy").difference == 12
    assert change(comparison.of_year(), "energy").difference == 6
    assert comparison.text(1999) == "s: no indicator has a value in 1999; years: 2026, 2027\n"


def test_the_baseline_is_found_or_refused(tmp_path, study):
    assert compare(study).baseline == "baseline"
    assert compare(study_of(tmp_path / "s", zeta=[0.0], alpha=[1.0])).baseline == "alpha"
    with pytest.raises(InputError, match=r"no complete run of a baseline 'baselin'; did you mean 'baseline'\?"):
        compare(study, "baselin")


def test_one_scenario_alone_shows_its_values(tmp_path):
    text = compare(study_of(tmp_path / "s", only=[0.0])).text()
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["only,", "2026"]
    assert ["Label", "of", "energy", "MWh", "78"] in lines


def test_the_text_shows_what_differs_and_counts_the_rest(study):
    comparison = compare(study)
    assert all(one.differs == (one.verdict != "no difference") for one in comparison.changes)
    comparison = replace(comparison, changes=[
        replace(one, verdict="no difference", difference=0.0, relative=0.0) if one.kpi == "comfort" and one.scenario == "hub" else one
        for one in comparison.changes
    ])  # fmt: skip
    short, whole = comparison.text(), comparison.text(every=True)
    assert "Label of comfort" not in short
    assert "1 of 4 indicators do not differ, 1 by less than 1 %; `compare --all` lists them" in short
    (slight,) = [one for one in comparison.of_year() if one.scenario == "hub" and one.differs and one.slight]
    assert slight.label not in short
    assert slight.label in whole
    assert "Label of energy" in short
    shown = [line.strip().partition("  ")[0] for line in whole.splitlines() if line.startswith("  Label of")]
    assert len(shown) == 4
    assert shown[-1] == "Label of comfort"
    assert "do not differ" not in whole


def test_a_difference_in_a_drawn_world_alone_is_shown(study):
    found = change(compare(study).changes, "energy", "hub")
    same = replace(found, verdict="no difference", difference=0.0, unknown_low=0.0, unknown_high=0.0)
    assert not same.differs
    assert replace(same, unknown_high=1.0).differs


def test_large_money_is_read_in_millions(study):
    comparison = compare(study)
    found = change(comparison.changes, "energy", "hub")
    money = replace(found, unit="KZT", mean=57_585_559.0, baseline_mean=4_024_994_081.0, difference=-3_967_408_522.0, low=None, high=None)
    line = next(line for line in replace(comparison, changes=[money]).text(width=200).splitlines() if line.startswith("  Label of energy"))
    assert " ".join(line.split()).startswith("Label of energy million KZT 4,025 57.59 -3,967")
    small = replace(money, mean=9e6, baseline_mean=1e6)
    assert " KZT " in replace(comparison, changes=[small]).text(width=200)
    assert "million" not in replace(comparison, changes=[small]).text()


def test_text_json_and_csv_say_the_same(study):
    comparison = compare(study)
    line = next(line for line in comparison.text(width=200).splitlines() if line.startswith("  Label of energy"))
    assert " ".join(line.split()) == "Label of energy MWh 115.5 127.8 +12.3 +10.6 % +5.617 … +18.98 worse"
    told = json.loads(comparison.json())
    assert told["baseline"] == "baseline"
    assert told["changes"][0] | {"label": ""} == {**told["changes"][0], "label": ""}
    rows = list(csv.DictReader(io.StringIO(comparison.csv())))
    assert len(rows) == len(comparison.changes) == 8
    assert float(next(r for r in rows if r["kpi"] == "energy" and r["scenario"] == "hub")["difference"]) == pytest.approx(12.3)
    assert next(r for r in rows if r["scenario"] == "baseline")["difference"] == ""
