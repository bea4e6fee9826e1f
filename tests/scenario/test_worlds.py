"""Worlds are stratified, numbered, the same for every scenario, and drawn around the scenario's values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_scenarios import COMPOSITION, load, write

from alatau_sim.errors import InputError
from alatau_sim.scenario import world_values
from alatau_sim.scenario.worlds import stratified


@given(seed=st.integers(0, 10**6), name=st.text(max_size=10), power=st.integers(0, 6), block=st.integers(0, 5))
def test_every_aligned_block_of_a_power_of_two_is_a_latin_hypercube(seed: int, name: str, power: int, block: int) -> None:
    n = 2**power
    points = [stratified(index, seed, name) for index in range(block * n, (block + 1) * n)]
    assert sorted(int(point * n) for point in points) == list(range(n))
    assert all(0 < point < 1 for point in points)


def test_points_of_different_parameters_do_not_move_together() -> None:
    n, count = 256, 40
    points = np.array([[stratified(index, 1, f"p{i}") for index in range(n)] for i in range(count)])
    off = np.corrcoef(points)[np.triu_indices(count, 1)]
    assert np.mean(off**2) < 2.2 / n  # independent permutations have 1/n, in which each pair of neighbours is split 2/n
    assert np.abs(off).max() < 6 / np.sqrt(n)


def test_world_zero_is_the_scenario(folder: Path) -> None:
    scenario = load(write(folder, "world.energy.growth: 2\n"))
    assert world_values(scenario, COMPOSITION, 0) == (scenario.world, scenario.rules)
    with pytest.raises(InputError, match="world is -1"):
        world_values(scenario, COMPOSITION, -1)


def test_worlds_are_the_same_for_every_scenario_with_the_seed(folder: Path) -> None:
    plain = load(write(folder))
    other = load(write(folder, "policy.payments.fee_share: 0.5\nrun.end: 2026-06-01\nrun.worlds: 9\nname: o\n", body=_without_end()))
    assert world_values(plain, COMPOSITION, 5) == world_values(other, COMPOSITION, 5)
    assert world_values(plain, COMPOSITION, 5) != world_values(plain, COMPOSITION, 6)
    assert world_values(plain, COMPOSITION, 5) != world_values(load(write(folder, "run.seed: 2\n")), COMPOSITION, 5)


def _without_end() -> str:
    from sample_scenarios import BODY

    return BODY.replace(", end: 2026-12-31", "")


def test_what_has_no_spread_stays_and_the_rest_stays_in_range(folder: Path) -> None:
    scenario = load(write(folder))
    drawn = [world_values(scenario, COMPOSITION, world) for world in range(1, 65)]
    assert {world.energy.steady for world, _ in drawn} == {1.0}
    assert {rules.change_wallet.peer for _, rules in drawn} == {0.05}
    assert {type(world.energy.appliances) for world, _ in drawn} == {int}
    assert all(2 <= world.energy.appliances <= 10 for world, _ in drawn)
    trust = np.sort([world.payments.trust for world, _ in drawn])
    edges = np.linspace(0.2, 0.8, 65)
    assert np.all((edges[:-1] < trust) & (trust < edges[1:]))
    growth = np.sort([world.energy.growth for world, _ in drawn])
    assert growth[31] < 1.0 < growth[32]


def test_a_scenario_moves_the_centre_and_keeps_what_has_none(folder: Path) -> None:
    plain = load(write(folder))
    text = "world.energy: {temperature_shift_c: 1.0, growth: 2.0, appliances: 1}\n"
    text += "world.payments.trust: 0.7\nrules.change_wallet.base: 0.003\n"
    moved = load(write(folder, text))
    for world in range(1, 9):
        before, _ = world_values(plain, COMPOSITION, world)
        after, rules = world_values(moved, COMPOSITION, world)
        assert after.energy.temperature_shift_c == pytest.approx(before.energy.temperature_shift_c + 1.0)
        assert after.energy.growth == pytest.approx(2 * before.energy.growth)
        assert after.energy.appliances == 1  # outside its triangle
        assert (after.payments.trust, rules.change_wallet.base) == (0.7, 0.003)


def test_a_parameter_that_is_added_changes_no_other(folder: Path) -> None:
    from dataclasses import replace

    scenario = load(write(folder))
    smaller = replace(COMPOSITION, worlds={"energy": COMPOSITION.worlds["energy"]})
    assert world_values(scenario, smaller, 3)[0].energy == world_values(scenario, COMPOSITION, 3)[0].energy


def test_a_world_equal_to_the_default_is_not_a_departure(folder: Path) -> None:
    said, unsaid = load(write(folder, "world.payments.trust: 0.5\n")), load(write(folder))
    assert world_values(said, COMPOSITION, 3) == world_values(unsaid, COMPOSITION, 3)
