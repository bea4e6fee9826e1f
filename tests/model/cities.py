"""Small cities for the model's tests: the built-in map with few people and few days."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alatau_sim.domains.payments.tables import CARD, CRYPTO
from alatau_sim.model import CityModel
from alatau_sim.study.inputs import load_scenario

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "scenarios" / "baseline.yaml"
HECTIC = (Path(__file__).parent / "hectic_rates.csv").as_posix()
SMALL = (
    "city.residents=600", "run.end=2026-03-03", f"city.vital_rates={HECTIC}", "world.people.fertility_factor=3",
    "world.people.mortality_factor=3", "world.people.departure_factor=5", "world.payments.crypto_shops_share=0.5",
    "policy.payments.crypto_rail_capacity_per_s=0.002", "world.payments.card_failures_per_year=200",
    "world.energy.substation_failures_per_year=30",
)  # fmt: skip
"""So much happens in few days to few people that every step of the model has work to do; `Happenings` counts it.

The file holds the built-in rates with ten times the deaths and departures and three times the births.
"""


class Happenings:
    """An observer that counts over a run what an eventful city must have met, by name."""

    def __init__(self):
        names = ("cards_failed", "crypto_failed", "fallback", "lost", "unserved_wh", "births", "deaths", "came", "gone")
        self.counts = dict.fromkeys(names, 0)
        self._before = set()

    def day_closed(self, sim):
        failed = (sim.grids["payments_fallback"] + sim.grids["payments_lost"]).sum(axis=(0, 2)).tolist()
        self._add(cards_failed=failed[CARD], crypto_failed=failed[CRYPTO])
        self._add(**{name: int(sim.grids[f"payments_{name}"].sum()) for name in ("fallback", "lost")})
        self._add(unserved_wh=int(sim.grids["load_unserved"].sum()))
        booked, households = sim.ledger.balances("people"), set(sim.tables["households"].id.tolist())
        self.counts |= {"births": -booked.get("births", 0), "deaths": booked.get("deaths", 0)}
        before, self._before = self._before or households, households
        self._add(came=len(households - before), gone=len(before - households))

    def month_closed(self, sim):
        pass

    def year_closed(self, sim):
        pass

    def _add(self, **counts):
        for name, count in counts.items():
            self.counts[name] += count


def small(*sets, path=BASELINE, rule_files=()):
    """The scenario of a small city."""
    return load_scenario(path, sets=[*SMALL, *sets], rule_files=rule_files)


def simulate(*sets, days=None, start=None, path=BASELINE, rule_files=(), **how):
    """A model that has been run to its end, or for some days; `start(model)` is called before the first day."""
    model = CityModel(small(*sets, path=path, rule_files=rule_files), rule_files=rule_files, threads=how.pop("threads", 1), **how)
    if start is not None:
        start(model)
    for _ in range(model.days if days is None else days):
        model.step()
    model.close()
    return model


def tables_of(model):
    """Every column of every table, by id."""
    found = {}
    for name, table in model.sim.tables.items():
        order = np.argsort(table.id)
        found[name] = {"id": table.id[order], **{column: table[column][order] for column in table.columns}}
        for column, spec in table.columns.items():
            if spec.index:  # rows depend on the order of others; ids do not
                target, at = model.sim.tables[spec.index], table[column][order]
                found[name][column] = np.where(at >= 0, target.id[np.maximum(at, 0)] if target.n else -1, -1)
    return found


def assert_same(a, b, only=None):
    """Equal to the last bit, table by table; `only` maps a table's name to a mask of rows of `a`, or leaves it out with None."""
    for table, columns in a.items():
        if only is not None and table not in only:
            continue
        for name, values in columns.items():
            other = b[table][name]
            if only is not None:
                mine = np.isin(columns["id"], columns["id"][only[table]])
                theirs = np.isin(b[table]["id"], columns["id"][only[table]])
                values, other = values[mine], other[theirs]
            np.testing.assert_array_equal(values, other, err_msg=f"{table}.{name}")
