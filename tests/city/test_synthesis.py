"""Margins are met to the last person, contradictions are told, and households hold together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alatau_sim.city.margins import MarginTable, deal, integerise, ipf, largest_remainder, read_margins, split
from alatau_sim.city.schooling import (
    AGE_BANDS,
    AGE_CUTS,
    EDUCATION,
    EDUCATION_AGES,
    EMPLOYMENT_AGES,
    ODDS_OF_GRADUATES,
    SCHOOLING_FROM,
    SEXES,
    count_schooling_and_work,
    fit_schooling_and_work,
)
from alatau_sim.city.synthesis import SIZES, household_sizes, place_households, synthesise
from alatau_sim.errors import InputError

MARGINS = Path(__file__).parents[2] / "scenarios" / "alatau" / "margins.csv"


@pytest.fixture(scope="module")
def margins() -> MarginTable:
    return read_margins(MARGINS)


def changed(margins: MarginTable, **cells: dict[tuple[str, str], float]) -> MarginTable:
    return MarginTable(margins.file, {**margins.cells, **cells}, margins.lines)


# --- fitting ------------------------------------------------------------------------------------------------------------------


def test_fit_from_an_even_seed_is_the_product_of_the_margins():
    """Without association in the seed the fit is row × column / total (independence)."""
    rows, columns = np.array([10.0, 30.0, 60.0]), np.array([25.0, 75.0])
    assert ipf(np.ones((3, 2)), [rows, columns], [(0,), (1,)]) == pytest.approx(np.outer(rows, columns) / 100)


@given(st.floats(0.05, 20))
def test_fit_of_two_by_two_meets_the_closed_form(odds):
    """A fit keeps the seed's odds ratio; with even margins of 1 the corner solves x² / (1 − x)² = odds."""
    fitted = ipf(np.array([[odds, 1.0], [1.0, 1.0]]), [np.ones(2), np.ones(2)], [(0,), (1,)])
    corner = np.sqrt(odds) / (1 + np.sqrt(odds))
    assert fitted == pytest.approx(np.array([[corner, 1 - corner], [1 - corner, corner]]), abs=1e-6)


def test_fit_of_three_axes_meets_a_pair_margin_and_a_single_one():
    seed = 1.0 + np.arange(24).reshape(2, 3, 4) % 5
    pair, single = np.full((2, 3), 4.0), np.array([3.0, 6.0, 9.0, 6.0])
    fitted = ipf(seed, [pair, single], [(0, 1), (2,)])
    assert fitted.sum(axis=2) == pytest.approx(pair)
    assert fitted.sum(axis=(0, 1)) == pytest.approx(single)


def test_fit_meets_margins_over_coarser_groups_that_cut_an_axis_differently():
    """One margin knows places 0-1 and 2-3 together, the other 0, 1-2 and 3."""
    pairs, odd = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    truth = 1.0 + np.arange(12).reshape(4, 3) * 7 % 5
    by_pair, by_odd = truth.reshape(2, 2, 3).sum(axis=1), np.array([truth[0].sum(), truth[1:3].sum(), truth[3].sum()])
    fitted = ipf(np.ones((4, 3)), [by_pair, by_odd], [((0, pairs), 1), ((0, odd),)])
    assert fitted.reshape(2, 2, 3).sum(axis=1) == pytest.approx(by_pair)
    assert np.bincount(odd, fitted.sum(axis=1)) == pytest.approx(by_odd)


def test_contradictory_totals_name_the_file_and_both_totals():
    with pytest.raises(InputError) as caught:
        ipf(np.ones((2, 2)), [np.array([1.0, 2.0]), np.array([2.0, 2.0])], [(0,), (1,)], file="m.csv", names=("age", "size"))
    assert all(word in str(caught.value) for word in ("m.csv", "'age'", "3", "'size'", "4"))


def test_margin_over_empty_cells_is_refused():
    with pytest.raises(InputError, match="'rows' asks for 2 in cell"):
        ipf(np.array([[0.0, 0.0], [1.0, 1.0]]), [np.array([2.0, 2.0]), np.array([2.0, 2.0])], [(0,), (1,)], names=("rows", "columns"))


def test_margins_that_empty_cells_keep_apart_are_refused():
    seed = np.array([[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(InputError, match="contradict"):
        ipf(seed, [np.array([1.0, 3.0]), np.array([2.0, 2.0])], [(0,), (1,)], max_iter=50)


# --- whole numbers ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(lambda w: sum(w) > 1e-3), st.integers(0, 10**7))
def test_largest_remainder_meets_the_total_and_stays_within_one(weights, total):
    counts = largest_remainder(np.array(weights), total)
    assert counts.sum() == total
    assert (np.abs(counts - np.array(weights) * (total / sum(weights))) < 1 + 1e-6).all()


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1)), min_size=1, max_size=12), st.floats(0, 1))
def test_split_meets_the_total_within_the_cells_and_near_the_wishes(cells, part):
    whole, wish = np.array([n for n, _ in cells]), np.array([n * share for n, share in cells])
    any_total = round(whole.sum() * part)
    chosen = split(whole, wish, any_total)
    assert chosen.sum() == any_total
    assert ((chosen >= 0) & (chosen <= whole)).all()
    wished_total = round(wish.sum())
    scaled = wish * min(1.0, wished_total / max(wish.sum(), 1e-9))
    if abs(scaled.sum() - wished_total) < 1e-6:
        assert (np.abs(split(whole, scaled, wished_total) - scaled) < 1 + 1e-6).all()


def test_split_takes_cells_without_a_wish_last():
    whole, wish = np.array([5, 5, 5]), np.array([2.0, 0.0, 1.0])
    assert split(whole, wish, 10).tolist() == [5, 0, 5]
    assert split(whole, wish, 12).tolist() == [5, 2, 5]


@given(st.integers(1, 12), st.integers(1, 9), st.data())
def test_whole_table_meets_both_margins_whatever_the_weights(n, m, data):
    table = np.array(data.draw(st.lists(st.lists(st.integers(0, 40), min_size=m, max_size=m), min_size=n, max_size=n)))
    weights = np.array(data.draw(st.lists(st.floats(0, 50), min_size=n * m, max_size=n * m))).reshape(n, m)
    whole = integerise(weights, table.sum(axis=1), table.sum(axis=0))
    assert (whole.sum(axis=1) == table.sum(axis=1)).all()
    assert (whole.sum(axis=0) == table.sum(axis=0)).all()
    assert (whole >= 0).all()


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=12))
def test_whole_table_of_two_columns_stays_within_one_of_a_fit(cells):
    table = np.array(cells)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    weights = np.outer(rows, columns) / max(table.sum(), 1)
    assert (np.abs(integerise(weights, rows, columns) - weights) < 1 + 1e-6).all()


@given(st.lists(st.integers(0, 30), min_size=12, max_size=12))
def test_whole_table_keeps_nested_empty_cells_empty(cells):
    allowed = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]])
    table = np.array(cells).reshape(4, 3) * allowed
    whole = integerise(1.0 * allowed, table.sum(axis=1), table.sum(axis=0))
    assert (whole[allowed == 0] == 0).all()


def test_whole_table_refuses_contradictory_totals():
    with pytest.raises(InputError, match="'people' adds up to 3 and 'homes' to 4"):
        integerise(np.ones((2, 2)), np.array([1, 2]), np.array([2, 2]), names=("people", "homes"))


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=6))
def test_codes_are_dealt_in_the_counts_of_each_cell_by_rank(counts):
    counts = np.array(counts)
    cell = np.repeat(np.arange(len(counts)), counts.sum(axis=1))[::-1]
    rank = (np.arange(len(cell)) * 0.618) % 1
    codes = deal(cell, rank, counts)
    for number, count in enumerate(counts):
        there = cell == number
        assert np.bincount(codes[there], minlength=3).tolist() == count.tolist()
        assert (np.diff(codes[there][np.argsort(rank[there])]) >= 0).all()


# --- reading ------------------------------------------------------------------------------------------------------------------


def test_file_problems_are_told_all_at_once_with_lines(tmp_path):
    file = tmp_path / "margins.csv"
    rows = ("margin,category,subcategory,value", "age_sex,0-4,male,half", "age_sex,0-4,female,-1", "wage,x,,1", "wage,x,,2")
    file.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_margins(file)
    assert [f":{line}: " in str(caught.value) for line in (2, 3, 5)] == [True] * 3
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read"):
        read_margins(tmp_path / "nowhere.csv")
    file.write_text("margin,value\n", encoding="utf-8")
    with pytest.raises(InputError, match="missing columns category, subcategory"):
        read_margins(file)


def test_shares_that_do_not_add_up_name_the_file_and_the_total(margins):
    wrong = changed(margins, household_size={**margins.cells["household_size"], ("3", ""): 0.5})
    with pytest.raises(InputError, match=r"margins\.csv:\d+: margin 'household_size' adds up to 1\.2"):
        wrong.shares("household_size", SIZES)


def test_unknown_category_names_the_nearest(margins):
    wrong = changed(margins, age_sex={**margins.cells["age_sex"], ("0-4", "males"): 0.0})
    with pytest.raises(InputError, match="has 'males'; did you mean 'male'"):
        wrong.shares("age_sex", AGE_BANDS, SEXES)


def test_more_households_than_adults_is_a_contradiction(margins):
    alone = {(size, ""): float(size == "1") for size in SIZES}
    with pytest.raises(InputError, match="'household_size' makes 1000 households, 'age_sex' has only"):
        synthesise(changed(margins, household_size=alone), np.ones(3), 1000, seed=1)


# --- households ---------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 50), min_size=8, max_size=8).filter(lambda s: sum(s) > 0), st.integers(1, 5000))
def test_household_sizes_hold_exactly_the_residents(weights, residents):
    shares = {(str(k + 1), ""): w / sum(weights) for k, w in enumerate(weights)}
    counts, beyond = household_sizes(MarginTable(Path("m.csv"), {"household_size": shares}), residents)
    assert (counts >= 0).all()
    assert beyond >= 0
    assert counts @ np.arange(1, 9) + beyond == residents
    size, zone, misplaced = place_households(counts, beyond, largest_remainder(np.array([5.0, 0.0, 2.0, 1.0]), residents))
    assert size.sum() == residents
    assert len(zone) == counts.sum()
    assert 0 <= misplaced <= residents


@pytest.mark.parametrize("residents", [300, 5473, 54747])
def test_population_meets_its_margins(margins, residents):
    weights = np.array([400.0, 0.0, 25.0, 3.0, 90.0])
    people = synthesise(margins, weights, residents, seed=7)
    band = np.minimum(people.age // 5, 20).astype(int)
    by_cell = np.bincount(band * 2 + people.sex, minlength=42).reshape(21, 2)
    assert (by_cell == largest_remainder(margins.shares("age_sex", AGE_BANDS, SEXES), residents)).all()
    sizes = np.bincount(np.minimum(people.size, 8), minlength=9)[1:]
    assert (sizes == largest_remainder(margins.shares("household_size", SIZES)[:, 0], len(people.size))).all()
    assert (np.bincount(people.household, minlength=len(people.size)) == people.size).all()
    assert len(people.id) == residents == len(np.unique(people.id))
    assert len(np.unique(people.household_id)) == len(people.size)
    by_zone = np.bincount(people.zone, weights=people.size, minlength=5)
    assert np.abs(by_zone - largest_remainder(weights, residents)).sum() <= 2 * people.report.misplaced + 1
    assert people.report.misplaced <= 8


# --- schooling and work -------------------------------------------------------------------------------------------------------


def group_of(ages, values):
    """The group (name: youngest age) that each age belongs to."""
    return np.searchsorted(list(ages.values()), values, side="right") - 1


@pytest.mark.parametrize("residents", [7, 300, 20_000, 54_747])
def test_schooling_and_work_meet_their_shares_exactly(margins, residents):
    people = synthesise(margins, np.ones(4), residents, seed=3)
    group = group_of(EDUCATION_AGES, people.age)
    for number, share in enumerate(margins.shares("education", tuple(EDUCATION_AGES), EDUCATION, within_rows=True)):
        members = group == number
        assert (np.bincount(people.education[members], minlength=4) == largest_remainder(share, int(members.sum()))).all()
    band = group_of(EMPLOYMENT_AGES, people.age)
    share = margins.array("employment", tuple(EMPLOYMENT_AGES), SEXES)
    for row in range(len(EMPLOYMENT_AGES)):
        for sex in range(2):
            members = (band == row) & (people.sex == sex)
            assert people.employed[members].sum() == largest_remainder(np.array([1 - share[row, sex], share[row, sex]]), members.sum())[1]


def test_fit_keeps_the_odds_of_graduates_and_gives_the_young_nothing(margins):
    """Fitting scales margins, so within an age class and sex the seed's odds ratio between schooling and work stays."""
    fit = fit_schooling_and_work(margins)
    grown = fit[np.greater_equal(AGE_CUTS, SCHOOLING_FROM[-1])]
    odds = grown[..., 1] / grown[..., 0]
    assert odds[:, :, 2] / odds[:, :, 1] == pytest.approx(np.full(odds.shape[:2], ODDS_OF_GRADUATES))
    assert fit.sum() == pytest.approx(1)
    assert not fit[AGE_CUTS < 18][..., 1].any()
    for level, youngest in enumerate(SCHOOLING_FROM):
        assert not fit[np.less(AGE_CUTS, youngest), :, level].any()


def test_whole_people_stay_next_to_the_fit_and_the_young_have_no_work_and_no_degree(margins):
    people = synthesise(margins, np.ones(4), 54_747, seed=5)
    fit = fit_schooling_and_work(margins)
    counts = np.zeros(fit.shape)
    np.add.at(counts, (np.searchsorted(AGE_CUTS, people.age, side="right") - 1, people.sex, people.education, people.employed * 1), 1)
    there = counts.sum(axis=(2, 3), keepdims=True)
    assert np.abs(counts - fit * there / fit.sum(axis=(2, 3), keepdims=True)).max() < 2
    assert people.age[people.employed].min() >= 18
    assert (people.age >= np.array(SCHOOLING_FROM)[people.education]).all()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 12), min_size=len(AGE_CUTS) * 2, max_size=len(AGE_CUTS) * 2))
def test_whole_table_of_any_people_meets_their_numbers_and_the_shares(cells):
    margins, people = read_margins(MARGINS), np.array(cells).reshape(-1, 2)
    table = count_schooling_and_work(margins, people)
    assert (table >= 0).all()
    assert np.array_equal(table.sum(axis=(2, 3)), people)
    group = group_of(EDUCATION_AGES, AGE_CUTS)
    for number, share in enumerate(margins.shares("education", tuple(EDUCATION_AGES), EDUCATION, within_rows=True)):
        by_level = table[group == number].sum(axis=(0, 1, 3))
        assert (by_level == largest_remainder(share, int(by_level.sum()))).all()


def test_work_beyond_the_adults_is_a_contradiction_told_with_its_line_and_both_shares(margins):
    most = {**margins.cells["employment"], ("15-24", "male"): 0.9, ("65+", "female"): 1.5, ("0-14", "female"): 0.01}
    with pytest.raises(InputError) as caught:
        fit_schooling_and_work(changed(margins, employment=most))
    told = str(caught.value).splitlines()
    assert len(told) == 3
    assert "'employment' gives work to 1.00% of the people of 0-14, female; by 'age_sex' only 0.00%" in told[0]
    assert f"margins.csv:{margins.lines['employment', '15-24', 'male']}: margins contradict each other" in told[1]
    assert "gives work to 90.00% of the people of 15-24, male; by 'age_sex' only 66." in told[1]
    assert "share of 1.5 for 65+, female; it must be within 0 … 1" in told[2]


def test_degrees_beyond_those_old_enough_are_a_contradiction(margins):
    degrees = {**margins.cells["education"], ("18-35", "secondary"): 0.06, ("18-35", "higher"): 0.9}
    with pytest.raises(InputError) as caught:
        synthesise(changed(margins, education=degrees), np.ones(2), 500, seed=1)
    assert f"margins.csv:{margins.lines['education', '18-35', 'higher']}: " in str(caught.value)
    assert "has 92.00% of the people of 18-35 with higher schooling or more; by 'age_sex' only 7" in str(caught.value)


def test_shares_of_schooling_that_do_not_add_up_are_told_with_their_line(margins):
    wrong = {**margins.cells["education"], ("61+", "none"): 0.5}
    with pytest.raises(InputError, match=rf"margins\.csv:{margins.lines['education', '61+', 'none']}: .*'61\+' adds up to 1\.47"):
        fit_schooling_and_work(changed(margins, education=wrong))


# --- the population -----------------------------------------------------------------------------------------------------------


def test_households_have_an_adult_and_likely_parents(margins):
    people = synthesise(margins, np.ones(6), 20_000, seed=11)
    heads = np.cumsum(people.size) - people.size
    assert (people.age[heads] >= 18).all()
    assert people.report.unlikely_parents_share < 0.02
    pairs = heads[people.size == 2]
    adult = people.age[pairs + 1] >= 18
    gap = np.abs(people.age[pairs].astype(int) - people.age[pairs + 1])[adult]
    assert np.median(gap) <= 6


def test_population_follows_from_the_seed_alone(margins):
    one, same, other = (synthesise(margins, np.ones(5), 3000, seed=seed) for seed in (1, 1, 2))
    for name in ("id", "household", "zone", "age_months", "sex", "education", "employed", "rank"):
        assert np.array_equal(getattr(one, name), getattr(same, name))
    assert not np.array_equal(one.age_months, other.age_months)
    assert np.array_equal(np.sort(one.id), np.sort(other.id))
