"""What this version declares of the parameters of policies, worlds and rules: unit, meaning, evidence, source. For reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from alatau_sim.composition import composed

SAID = ("unit", "meaning", "evidence", "source")


def declared_parameters(rule_files: Sequence[str | Path] = (), plugins: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """The declarations by the key that sets the parameter in a scenario, such as `policy.mobility.fare_kzt` or `rules.give_birth.x`."""
    found = {}
    for domain in composed(rule_files, plugins):
        for part, section in (("policy", domain.policy), ("world", domain.world)):
            for name, one in (section.params() if section is not None else {}).items():
                found[f"{part}.{domain.name}.{name}"] = one
        for rule in domain.rules:
            found.update({f"rules.{rule.name}.{name}": one for name, one in rule.params.items()})
    return {key: {name: str(asdict(one)[name]) for name in SAID} for key, one in found.items()}
