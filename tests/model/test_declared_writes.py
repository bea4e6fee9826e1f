"""Each item of the built-in plan writes what it declares and nothing else, so that the plan says who writes a state."""

from __future__ import annotations

import copy

import numpy as np
from cities import small

from alatau_sim.model import CityModel


class Watched:
    """Compares the state of a running city before and after each item."""

    def __init__(self, sim):
        self.sim, self.undeclared = sim, set()

    def state(self):
        """Every state by the name under which a plan declares it."""
        sim = self.sim
        found = {f"{name}.{column}": table[column].copy() for name, table in sim.tables.items() for column in table.columns}
        found |= {name: table.id.copy() for name, table in sim.tables.items()}
        found |= {f"grid:{name}": grid.copy() for name, grid in sim.grids.items()}
        found |= {f"city:{name}": copy.copy(value) for name, value in sim.city.items()}
        accounts = {account for commodity in sim.ledger._balances.values() for account in commodity}
        return found | {f"account:{a}": [sim.ledger.balance(c, a) for c in ("people", "tenge", "tenge owed", "Wh")] for a in accounts}

    def around(self, item, run):
        before = self.state()
        run()
        declared = {name.removeprefix("+") for name in item.writes}
        structure = {name for name in self.sim.tables if not np.array_equal(before[name], self.sim.tables[name].id)}
        for name, value in self.state().items():
            old = before.get(name, [0] * 4)
            floats = getattr(value, "dtype", np.dtype(int)).kind == "f"
            table, _, column = name.partition(".")
            if np.array_equal(old, value, equal_nan=floats) or name in declared:
                continue
            # Rows that come or go change every column, and the index columns that point to them.
            if column and (table in structure & declared or self.sim.tables[table].columns[column].index in structure & declared):
                continue
            self.undeclared.add(f"{item.phase}: {item.kind} {item.name!r} of {item.domain} writes {name}")


def test_each_item_writes_only_what_it_declares():
    model = CityModel(small("run.end=2026-02-04", "policy.payments.signup_bonus_kzt=20000"), threads=1)
    watched = Watched(model.sim)
    model.sim.around_item = watched.around
    for _ in range(model.days):
        model.step()
    model.close()
    assert not watched.undeclared, "\n".join(sorted(watched.undeclared))
