"""What a scenario file may say, and how files, overrides and the command line come together."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_scenarios import BODY, COMPOSITION, load, write

from alatau_sim.errors import InputError
from alatau_sim.scenario import Scenario, load_scenario


def test_every_default_is_filled_in(folder: Path) -> None:
    scenario = load(write(folder))
    assert scenario.name == "base"
    assert scenario.run.start == date(2026, 1, 1)
    assert scenario.run.sample == 1.0
    assert scenario.policy.payments.signup_bonus_kzt == 500
    assert scenario.world["energy"].appliances == 4
    assert scenario.rules["change_wallet"]["peer"] == 0.05
    assert dict(scenario.rules.age) == {}
    assert scenario.map.file == folder / "city/zones.geojson"


def test_nested_dotted_and_mixed_spellings_mean_the_same(folder: Path) -> None:
    spellings = (
        "policy: {payments: {signup_bonus_kzt: 7, fee_share: 0.2}}\n",
        "policy.payments.signup_bonus_kzt: 7\npolicy.payments.fee_share: 0.2\n",
        "policy.payments: {signup_bonus_kzt: 7}\npolicy: {payments.fee_share: 0.2}\n",
        "policy:\n  payments:\n    signup_bonus_kzt: 7.0\npolicy.payments.fee_share: 2e-1\n",
    )
    assert len({load(write(folder, text)).hash for text in spellings}) == 1


def test_a_scenario_is_frozen_hashable_and_survives_pickling(folder: Path) -> None:
    scenario = load(write(folder, "policy.payments.hours: [day, night]\n"))
    copy = pickle.loads(pickle.dumps(scenario))
    assert copy == scenario
    assert copy.hash == scenario.hash
    assert {scenario: 1}[copy] == 1
    assert copy.policy.payments.hours == ("day", "night")
    with pytest.raises(AttributeError):
        scenario.policy.payments = None
    with pytest.raises(ValueError, match="frozen"):
        scenario.policy.payments.fee_share = 0.5
    with pytest.raises(AttributeError, match="seed"):
        scenario.seed = 5  # type: ignore[attr-defined]


def test_extends_lays_maps_over_each_other_and_replaces_lists(folder: Path) -> None:
    write(folder, "title: Base\nname: base\npolicy: {payments: {signup_bonus_kzt: 1, fee_share: 0.3, hours: [a, b]}}\n")
    write(folder, "policy.payments.signup_bonus_kzt: 2\n", "middle.yaml", "format: 1\nextends: base.yaml\n")
    top = write(folder, "policy: {payments: {hours: [c]}, energy: }\nrules:\n", "top.yaml", "format: 1\nextends: middle.yaml\n")
    scenario = load(top)
    payments = scenario.policy.payments
    assert (payments.signup_bonus_kzt, payments.fee_share, payments.hours) == (2, 0.3, ("c",))
    assert (scenario.name, scenario.title) == ("top", "")
    assert scenario.sources == (folder / "middle.yaml", folder / "base.yaml")
    assert scenario.origins["policy.payments.signup_bonus_kzt"] == ((folder / "middle.yaml").as_posix(), 3)


def test_files_are_relative_to_the_file_that_names_them(folder: Path) -> None:
    write(folder)
    (folder / "sub").mkdir()
    (folder / "sub" / "own.csv").write_text("x", encoding="utf-8")
    scenario = load(write(folder / "sub", "city.climate: own.csv\n", "child.yaml", "format: 1\nextends: ../base.yaml\n"))
    assert scenario.city.climate.samefile(folder / "sub" / "own.csv")
    assert scenario.city.margins.samefile(folder / "city" / "margins.csv")
    assert scenario.resolved()["city"]["margins"] == "../city/margins.csv"


def test_a_circle_of_extends_is_printed(folder: Path) -> None:
    write(folder, "", "a.yaml", "format: 1\nextends: b.yaml\n")
    write(folder, "", "b.yaml", "format: 1\nextends: a.yaml\n")
    with pytest.raises(InputError, match=r"b\.yaml:2: extends goes in a circle: .*a\.yaml → .*b\.yaml → .*a\.yaml\Z"):
        load(folder / "a.yaml")


OVERRIDES = """\
overrides:
  bonus: {policy.payments.signup_bonus_kzt: 9}
  fee: {policy: {payments: {fee_share: 0.5}}}
  both: {policy.payments: {fee_share: 0.4, signup_bonus_kzt: 3}}
"""


def test_overrides_are_off_until_used_and_can_be_combined(folder: Path) -> None:
    path = write(folder, OVERRIDES)
    assert load(path).hash == load(write(folder, name="plain.yaml")).hash
    combined = load(write(folder, OVERRIDES + "use: [bonus]\n"), use=("fee", "bonus"))
    assert (combined.policy.payments.signup_bonus_kzt, combined.policy.payments.fee_share) == (9, 0.5)
    assert combined.hash == load(write(folder, "policy.payments: {signup_bonus_kzt: 9, fee_share: 0.5}\n")).hash


def test_overrides_that_set_the_same_key_clash(folder: Path) -> None:
    with pytest.raises(InputError) as error:
        load(write(folder, OVERRIDES), use=("bonus", "both"))
    name = (folder / "base.yaml").as_posix()
    assert str(error.value) == (
        f"{name}:14: the overrides 'bonus' and 'both' both set policy.payments.signup_bonus_kzt ({name}:12 and {name}:14); use one of them"
    )


def test_an_override_that_sets_the_parent_of_another_clashes(folder: Path) -> None:
    text = "overrides:\n  a: {policy.payments.fee_share: 0.5}\n  b: {policy.payments: 3}\n"
    with pytest.raises(InputError, match="the overrides 'a' and 'b' both set policy.payments.fee_share"):
        load(write(folder, text), use=("a", "b"))


def test_unknown_overrides_and_what_an_override_may_not_set(folder: Path) -> None:
    with pytest.raises(InputError, match=r"base\.yaml:15: there is no override 'bonsu'; did you mean 'bonus'\?"):
        load(write(folder, OVERRIDES + "use: [bonsu]\n"))
    with pytest.raises(InputError, match="--use: there is no override 'x'"):
        load(write(folder, OVERRIDES), use=("x",))
    with pytest.raises(InputError, match=r"base\.yaml:12: overrides\.a: extends cannot be set in an override"):
        load(write(folder, "overrides:\n  a: {extends: b.yaml}\n"))
    with pytest.raises(InputError, match=r"overrides\.a\.polcy is not known; did you mean 'policy'"):
        load(write(folder, "overrides:\n  a: {polcy: {}}\n"))


def test_set_wins_over_everything_and_reads_yaml(folder: Path) -> None:
    path = write(folder, "use: [bonus]\n" + OVERRIDES)
    sets = ("policy.payments.signup_bonus_kzt=11", "run.end=2026-02-01", "policy.payments={hours: [x, y]}", "title='a: b'", "run.seed = 3")
    scenario = load(path, sets=sets)
    assert scenario.policy.payments.signup_bonus_kzt == 11
    assert scenario.run.end == date(2026, 2, 1)
    assert scenario.policy.payments.hours == ("x", "y")
    assert scenario.title == "a: b"
    assert scenario.run.seed == 3
    assert scenario.origins["run.seed"] == ("--set", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run.seed", "--set: 'run.seed' must have the form key=value"),
        ("run.sed=1", "--set: run.sed is not known; did you mean 'seed'?"),
        ("rnu.seed=1", "--set: rnu.seed is not known; did you mean 'run'?"),
        ("run.seed=x", "--set: run.seed is 'x'; it must be a whole number"),
        ("run.seed=[1", "--set: this is not valid YAML"),
        ("extends=a.yaml", "--set: extends cannot be set on the command line"),
        ("run.seed=", "--set: run.seed is empty"),
        ("run..seed=1", "must have the form key=value"),
    ],
)
def test_bad_set(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load(write(folder), sets=(text,))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_hash_is_of_the_meaning(folder: Path) -> None:
    first = load(write(folder))
    (folder / "moved").mkdir()
    (folder / "moved" / "m.csv").write_bytes((folder / "city" / "margins.csv").read_bytes())
    same = ("title: x\n", "description: y\n", "name: other\n", "policy.payments.signup_bonus_kzt: 500\n", "run.replicates: 4\n")
    same += ("use: []\n", "world.energy.steady: 1.0\n", "overrides: {a: {run.seed: 5}}\n", "run.threads: 2\n")
    assert {load(write(folder, text, "x.yaml")).hash for text in same} == {first.hash}
    moved = write(folder, "", "y.yaml", BODY.replace("city/margins.csv", "moved/m.csv"))
    assert load(moved).hash == first.hash
    different = ("run.seed: 2\n", "policy.payments.signup_bonus_kzt: 501\n", "results.hourly: [load]\n", "rules.change_wallet.peer: 0.06\n")
    hashes = {load(write(folder, text, "x.yaml")).hash for text in different}
    assert len(hashes | {first.hash}) == len(different) + 1
    (folder / "city" / "margins.csv").write_text("changed", encoding="utf-8")
    assert load(folder / "base.yaml").hash != first.hash
    assert load(folder / "base.yaml").files()[1].key == "city.margins"


def test_a_shapefile_is_hashed_with_its_parts(folder: Path) -> None:
    path = write(folder, "", "s.yaml", BODY.replace("zones.geojson", "zones.shp"))
    for ending in ("shp", "dbf"):
        (folder / "city" / f"zones.{ending}").write_text(ending, encoding="utf-8")
    before = load(path).hash
    (folder / "city" / "zones.dbf").write_text("other", encoding="utf-8")
    assert load(path).hash != before


def test_files_of_a_domain_are_found_hashed_and_named(folder: Path) -> None:
    path = write(folder, "policy.energy.prices: prices.csv\n")
    with pytest.raises(InputError, match=r"base\.yaml:11: policy.energy.prices is 'prices.csv'; the file .*prices\.csv does not exist"):
        load(path)
    (folder / "prices.csv").write_text("1", encoding="utf-8")
    first = load(path)
    assert first.files()[-1].key == "policy.energy.prices"
    assert load(write(folder, "", "again.yaml", first.to_yaml())).hash == first.hash
    (folder / "prices.csv").write_text("2", encoding="utf-8")
    assert load(path).hash != first.hash


def test_equal_means_same_meaning_and_same_name(folder: Path) -> None:
    assert load(write(folder)) == load(write(folder))
    assert load(write(folder)) != load(write(folder, "title: other\n"))
    assert load(write(folder)) != load(write(folder, "run.seed: 2\n"))


def test_to_yaml_with_origins_names_file_and_line(folder: Path) -> None:
    scenario = load(write(folder, "policy.payments.fee_share: 0.5\n"), sets=("run.seed=2",))
    lines = scenario.to_yaml(origins=True).splitlines()
    assert f"    fee_share: 0.5  # {(folder / 'base.yaml').as_posix()}:11" in lines
    assert "  seed: 2  # --set" in lines
    assert "    signup_bonus_kzt: 500" in lines


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 31)).map(date.isoformat)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "title": TEXTS,
        "description": TEXTS,
        "run.seed": st.integers(0, 999_999_999),
        "run.sample": st.integers(1, 20).map(lambda n: 1 / n),
        "policy.payments.signup_bonus_kzt": st.integers(0, 50_000),
        "policy.payments.fee_share": st.floats(0, 1),
        "policy.payments.crypto_legal_tender": st.booleans(),
        "policy.payments.rail": st.sampled_from(["own", "bank", "state"]),
        "policy.payments.hours": st.lists(TEXTS, max_size=3),
        "policy.payments.cap_kzt": st.none() | st.integers(1, 100),
        "world.energy.temperature_shift_c": st.floats(-5, 5),
        "rules.change_wallet.peer": st.floats(0, 1),
        "map.columns": st.fixed_dictionaries({}, optional={"zone": TEXTS, "coverage": TEXTS}),
        "map.land_use": st.dictionaries(TEXTS, st.sampled_from(["mixed", "open"]), max_size=3),
        "results.tables": st.lists(TEXTS, max_size=2),
        "rezone": st.lists(
            st.fixed_dictionaries({"zones": st.lists(TEXTS, min_size=1, max_size=3), "use": st.just("mixed"), "at": DAYS}), max_size=3
        ),
        "events": st.lists(
            st.fixed_dictionaries({"at": DAYS, "set": st.fixed_dictionaries({"policy.energy.low_kzt": st.floats(0, 20)})})
            | st.fixed_dictionaries(
                {"at": DAYS, "outage": st.fixed_dictionaries({"system": st.just("power"), "where": TEXTS, "hours": st.floats(0.5, 90)})}
            ),
            max_size=3,
            unique_by=lambda event: event["at"],
        ),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_round_trip(folder: Path, changes: dict[str, object]) -> None:
    first = load(write(folder, "".join(f"{key}: {json.dumps(value)}\n" for key, value in changes.items() if key not in ("rezone", "events"))
                       + "".join(f"{key}: {json.dumps(changes[key])}\n" for key in ("rezone", "events") if key in changes)))  # fmt: skip
    for origins in (False, True):
        again = load(write(folder, "", "again.yaml", first.to_yaml(origins=origins)))
        assert again == first
        assert again.hash == first.hash
        assert again.to_yaml() == first.to_yaml()


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys, alatau_sim.scenario as s; s.json_schema; "
        "print(sorted({'mesa', 'numba', 'pandas', 'scipy', 'geopandas', 'shapely', 'numpy', 'simpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.strip() == "[]"


def test_the_parts_of_the_map_use_the_words_of_the_city() -> None:
    from alatau_sim.city.words import STANDARD_COLUMNS
    from alatau_sim.city.zones import ZONE_COLUMNS

    assert ("zone", "name", *(column.name for column in ZONE_COLUMNS[:11])) == STANDARD_COLUMNS


def test_load_scenario_accepts_text_as_path(folder: Path) -> None:
    assert isinstance(load_scenario(str(write(folder)), composition=COMPOSITION), Scenario)
