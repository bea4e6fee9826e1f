"""Simulate Alatau City: people, payments and energy, hour by hour, for decisions that rest on differences.

The names below load what they need when they are first used: importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["CityModel", "__version__", "compare", "load_scenario", "open_study", "run"]

_PLACES = {
    "CityModel": ("alatau_sim.model", "CityModel"),
    "compare": ("alatau_sim.results.compare", "compare"),
    "load_scenario": ("alatau_sim.study.inputs", "load_scenario"),
    "open_study": ("alatau_sim.results.dataset", "open_study"),
    "run": ("alatau_sim.study.run", "run_study"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
