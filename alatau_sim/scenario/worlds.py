"""Worlds: numbered draws of what is not known, the same for every scenario. World 0 has the central values.

Each parameter is stratified on its own: among the worlds 1 … 2^m (and in every later block of 2^m) each 2^m-th part of its distribution
is hit once, whatever m is. So worlds can be added, which changes none, and any power of two is a Latin hypercube (McKay, Beckman and
Conover, 1979). The points are van der Corput's sequence, shuffled and scrambled in Owen's nested way (Owen, 1995; Burley, 2020), keyed
by the seed and the parameter's name. So a parameter that is added or taken away leaves the others' draws as they are, and no two
parameters move together by construction (in a Sobol sequence of 60 dimensions some do, among 16 or 32 worlds).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from alatau_sim.engine.domain import Composition
from alatau_sim.errors import InputError
from alatau_sim.fields import Param
from alatau_sim.scenario.check import reason
from alatau_sim.scenario.specs import Names, Scenario

_BITS = 32


def world_values(scenario: Scenario, composition: Composition, world: int) -> tuple[Names[Any], Names[Any]]:
    """World sections and rule parameters of world `world` of a scenario.

    World 0 is the scenario as it stands. Otherwise every number with a spread is drawn around the scenario's value. Where the scenario
    departs from the default, a normal, lognormal or triangular spread moves with it; a uniform one has no centre to move, and a value
    outside a triangle has no place in it: such a value is kept.
    """
    if world < 0:
        raise InputError(f"world is {world}; it must not be negative")
    if world == 0:
        return scenario.world, scenario.rules
    sections: dict[str, Any] = {}
    for domain, kind in composition.worlds.items():
        old = scenario.world[domain]
        new = {name: _draw(scenario, f"world.{domain}.{name}", p, getattr(old, name), world) for name, p in kind.params().items()}
        try:
            sections[domain] = kind.model_validate({**dict(old), **new})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InputError(f"world {world} of scenario {scenario.name!r}: world.{domain}: {reason(first['msg'])}") from None
    rules = {
        rule: Names({name: _draw(scenario, f"rules.{rule}.{name}", p, scenario.rules[rule][name], world) for name, p in params.items()})
        for rule, params in composition.rules.items()
    }
    return Names(sections), Names(rules)


def _draw(scenario: Scenario, name: str, declared: Param, value: Any, world: int) -> Any:
    """The value of one parameter in a world."""
    spread = declared.spread
    if spread.kind == "fixed" or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if spread.kind == "uniform" and value != declared.default:
        return value
    if spread.kind == "triangular" and not spread.a <= value <= spread.b:
        return value
    around = replace(declared, default=value)  # whole numbers stay whole, and a float is none even if its default is written as one
    return around.clip(spread.quantile(stratified(world - 1, scenario.run.seed, name), value))


def stratified(index: int, seed: int, name: str) -> float:
    """Point `index` (0, 1, …) of the keyed sequence of a parameter, in (0, 1): stratified in every aligned block of 2^m points.

    The order of the points is shuffled so that aligned blocks stay together; then the bits of the place in that order, lowest first, are
    the digits of the point, each turned or not as a hash of those before it says.
    """
    key = f"{seed}/world/{name}"
    place = 0
    for level in reversed(range(_BITS)):
        place = place << 1 | _turned(index >> level & 1, f"{key}/order/{level}/{index >> level + 1}")
    point = 0
    for level in range(_BITS):
        point = point << 1 | _turned(place >> level & 1, f"{key}/point/{level}/{place & (1 << level) - 1}")
    return (point + 0.5) / (1 << _BITS)


def _turned(bit: int, key: str) -> int:
    return (hashlib.blake2b(key.encode(), digest_size=1).digest()[0] & 1) ^ bit
