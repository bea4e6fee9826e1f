"""The JSON Schema and the template say what the loader accepts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sample_scenarios import COMPOSITION, load

from alatau_sim.errors import InputError
from alatau_sim.scenario import json_schema, template
from alatau_sim.scenario.load import KEYS


def test_schema_has_every_key_with_unit_range_and_meaning() -> None:
    schema = json_schema(COMPOSITION)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) == {*KEYS, "sites"}
    assert schema["additionalProperties"] is False
    bonus = schema["properties"]["policy"]["properties"]["payments"]["properties"]["signup_bonus_kzt"]
    assert bonus == {
        "type": "integer", "minimum": 0, "maximum": 50_000, "default": 500, "unit": "tenge",
        "description": "bonus at opening a wallet [tenge]",
    }  # fmt: skip
    for part, sections in (("policy", COMPOSITION.policies), ("world", COMPOSITION.worlds)):
        for domain, kind in sections.items():
            assert set(schema["properties"][part]["properties"][domain]["properties"]) == set(kind.model_fields)
    assert schema["properties"]["policy"]["properties"]["payments"]["properties"]["mode"]["enum"] == ["calm", "bold"]
    changes = schema["properties"]["events"]["items"]["properties"]["set"]["properties"]
    assert changes["rules.change_wallet.peer"]["maximum"] == 1
    assert schema["properties"]["run"]["properties"]["start"]["default"] == "2026-01-01"
    assert json.loads(json.dumps(schema)) == schema


def test_shipped_keys_of_a_file_are_allowed_by_the_schema(folder: Path) -> None:
    from sample_scenarios import write

    schema = json_schema(COMPOSITION)

    def allowed(value: object, part: dict[str, object], path: str) -> None:
        if isinstance(value, dict) and "properties" in part:
            known: dict = part["properties"]  # type: ignore[assignment]
            for key, child in value.items():
                assert key in known, path + key
                allowed(child, known[key], f"{path}{key}.")

    allowed(load(write(folder, "policy.payments.hours: [a]\n")).resolved(), schema, "")


def _template_city(folder: Path) -> None:
    (folder / "city").rename(folder / "alatau")
    for name in ("sites", "programme", "projects", "lines", "reference"):
        (folder / "alatau" / f"{name}.csv").write_text("source\n", encoding="utf-8")


def test_the_template_loads_and_means_the_defaults(folder: Path) -> None:
    _template_city(folder)
    path = folder / "my_city.yaml"
    path.write_text(template("my_city", COMPOSITION), encoding="utf-8")
    scenario = load(path)
    assert scenario.name == "my_city"
    assert scenario.policy.payments.signup_bonus_kzt == 500
    assert "policy.payments.signup_bonus_kzt" not in scenario.origins


def test_every_commented_lever_of_the_template_can_be_switched_on(folder: Path) -> None:
    _template_city(folder)
    text = template("my_city", COMPOSITION)
    path = folder / "my_city.yaml"
    path.write_text(text, encoding="utf-8")
    plain = load(path)
    path.write_text(re.sub(r"^( {2,4})# ([a-z_0-9]+: )(?=\S)(?!.*; )", r"\1\2", text, flags=re.MULTILINE), encoding="utf-8")
    switched = load(path)
    assert switched.hash == plain.hash
    for part, sections in (("policy", COMPOSITION.policies), ("world", COMPOSITION.worlds)):
        for domain, kind in sections.items():
            for name in kind.model_fields:
                assert f"{part}.{domain}.{name}" in switched.origins


def test_the_examples_of_the_template_are_right(folder: Path) -> None:
    _template_city(folder)
    (folder / "quarter.gpkg").write_text("x", encoding="utf-8")
    text = template("my_city", COMPOSITION)
    start = text.index("# rezone:")
    tail = re.sub(r"^# (?=rezone|events|overrides|use|  )", "", text[start:], flags=re.MULTILINE)
    path = folder / "my_city.yaml"
    path.write_text(text[:start] + tail, encoding="utf-8")
    scenario = load(path)
    assert len(scenario.rezone) == 2
    assert len(scenario.events) == 3
    assert scenario.run.seed == 2


def test_a_template_needs_a_usable_name() -> None:
    with pytest.raises(InputError, match="the name 'a/b' must be"):
        template("a/b", COMPOSITION)


def test_the_real_domains_have_a_schema_and_a_template_that_loads(folder: Path) -> None:
    from alatau_sim.domains import domains
    from alatau_sim.engine.domain import compose
    from alatau_sim.scenario import load_scenario, world_values

    composition = compose(domains())
    json.dumps(json_schema(composition))
    _template_city(folder)
    path = folder / "real.yaml"
    path.write_text(template("real", composition), encoding="utf-8")
    scenario = load_scenario(path, composition=composition)
    again = folder / "again.yaml"
    again.write_text(scenario.to_yaml(), encoding="utf-8")
    assert load_scenario(again, composition=composition).hash == scenario.hash
    for world in range(1, 17):
        world_values(scenario, composition, world)
