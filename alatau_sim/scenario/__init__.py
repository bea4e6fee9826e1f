"""Scenarios: files → checked, frozen inputs of a run; dated changes; worlds; the JSON Schema and a template for editors.

This package does not know what a lever means: it is handed the composed declarations of the domains.
"""

from alatau_sim.scenario.events import apply_set, timeline
from alatau_sim.scenario.load import load_scenario
from alatau_sim.scenario.schema import json_schema
from alatau_sim.scenario.specs import EventSpec, Names, OutageSpec, RezoneSpec, Scenario, Settings, WeatherSpec
from alatau_sim.scenario.template import template
from alatau_sim.scenario.worlds import world_values

__all__ = [
    "EventSpec", "Names", "OutageSpec", "RezoneSpec", "Scenario", "Settings", "WeatherSpec", "apply_set", "json_schema", "load_scenario",
    "template", "timeline", "world_values",
]  # fmt: skip
