"""The rules as ordinary Mesa agents: the oracle, the teaching mode and the debugger (`kernels: objects`; small cities only).

Every row of a table that a rule runs over is a `mesa.Agent` that carries the row's values as attributes; Mesa's own
`AgentSet.shuffle_do` calls them in random order. The columns are read into the agents before a rule and written back after it.
"""

from __future__ import annotations

from typing import Any

import mesa
from mesa.agent import AgentSet
from numpy.typing import NDArray

from alatau_sim.engine.runner import KernelRunner


class RowAgent(mesa.Agent):
    """One row as an agent: its attributes are the row's values. `row_id` and `row` say where they belong."""

    row_id: int
    row: int

    def decide(self, runner: KernelRunner, key: int, given: list[Any], refused: list[int]) -> None:
        """Run one rule for this agent alone; the row is added to `refused` where the rule decides what cannot be stored."""
        if runner.loop(self.row, self.row + 1, key, *given) >= 0:
            refused.append(self.row)


class _Attribute:
    """An attribute of all agents of a table, read and written like a column; stores are as narrow as the column."""

    def __init__(self, agents: list[RowAgent], name: str, column: NDArray[Any]) -> None:
        self._agents, self._name, self._narrow = agents, name, column.dtype.type

    def __getitem__(self, row: int) -> Any:
        return getattr(self._agents[row], self._name)

    def __setitem__(self, row: int, value: Any) -> None:
        setattr(self._agents[row], self._name, self._narrow(value).item())


class ObjectRows:
    """The agents behind the tables of a simulation in objects mode."""

    def __init__(self, sim: Any) -> None:
        self.sim = sim
        self.model = mesa.Model(rng=sim.seed)
        self._rows: dict[str, tuple[int, list[RowAgent], AgentSet]] = {}

    def _agents(self, table_name: str) -> tuple[list[RowAgent], AgentSet]:
        """The agents of a table in the order of its rows, with new rows added and removed rows taken out."""
        table = self.sim.tables[table_name]
        version, before, agents = self._rows.get(table_name, (-1, [], None))
        if version != table.version or agents is None:
            by_id = {agent.row_id: agent for agent in before}
            rows = []
            for row, row_id in enumerate(table.id.tolist()):
                agent = by_id.pop(row_id, None) or RowAgent(self.model)
                agent.row_id, agent.row = row_id, row
                rows.append(agent)
            for gone in by_id.values():
                gone.remove()
            agents = AgentSet(rows, random=self.model.random)
            self._rows[table_name] = table.version, rows, agents
        return self._rows[table_name][1], agents

    def run(self, runner: KernelRunner) -> None:
        """Run one rule by `shuffle_do` over the agents of its table."""
        rule, table = runner.rule, self.sim.tables[runner.rule.of]
        rows, agents = self._agents(rule.of)
        given = runner.arguments(self.sim, plain=True)
        for at, (name, _) in enumerate(runner.kernel.arguments):
            if name.startswith("own_"):
                column = table[name[4:]]
                for agent, value in zip(rows, column.tolist(), strict=True):
                    setattr(agent, name[4:], value)
                given[at] = _Attribute(rows, name[4:], column)
        refused: list[int] = []
        agents.shuffle_do("decide", runner, runner.key(self.sim), given, refused)
        if refused:
            runner.refuse(self.sim, min(refused))
        for name in rule.writes:
            table[name][:] = [getattr(agent, name) for agent in rows]

    def close(self) -> None:
        """Let Mesa forget the model (it keeps every model alive in a table of agent numbers)."""
        self.model.remove_all_agents()
        mesa.Agent._ids.pop(self.model, None)
        self._rows.clear()

