"""The bytes of every recorded table of one tiny city, so that no change of results goes unnoticed.

A change that is meant is taken over with `ALATAU_REGENERATE=1 python -m pytest tests/golden`; that run fails, and the changelog entry
starts with *Results:*. Byte identity is per platform: elsewhere the test is skipped.
"""

import hashlib
import json
import os
import platform
import sys
from pathlib import Path

import pytest

from alatau_sim.model import CityModel
from alatau_sim.results.recorder import Recorder
from alatau_sim.study.inputs import load_scenario

HERE = Path(__file__).parent
GOLDEN = HERE / "tables.json"
HOME = ("Linux", "x86_64")
SETS = [
    "city.residents=500", "run.end=2026-02-03", "world.payments.crypto_shops_share=0.3", "policy.payments.signup_bonus_kzt=20000",
]  # fmt: skip


def recorded(folder):
    """The hash of each table of the tiny city."""
    scenario = load_scenario(HERE.parents[1] / "scenarios" / "baseline.yaml", sets=SETS)
    with CityModel(scenario, threads=1) as model:
        recorder = Recorder(folder, scenario.name, 0, 0, model.result_tables, model.kpis, labels=model.labels)
        model.observe(recorder)
        for _ in range(model.days):
            model.step()
        recorder.finish()
    parts = sorted(folder.rglob("*.arrow"))
    return {path.relative_to(folder).parts[0]: hashlib.sha256(path.read_bytes()).hexdigest() for path in parts}


@pytest.mark.skipif((platform.system(), platform.machine()) != HOME, reason=f"byte identity is per platform; the hashes are of {HOME}")
def test_the_tiny_city_has_the_bytes_it_had(tmp_path):
    found = recorded(tmp_path)
    if os.environ.get("ALATAU_REGENERATE"):
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        pytest.fail("the hashes were written anew; run again without ALATAU_REGENERATE")
    kept = json.loads(GOLDEN.read_text(encoding="utf-8"))
    changed = sorted(name for name in kept.keys() | found.keys() if kept.get(name) != found.get(name))
    assert not changed, f"changed tables: {', '.join(changed)} (Python {sys.version_info[:2]})"
