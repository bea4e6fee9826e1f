"""Anchor investors: agents that live in event time, each with a project from its announcement to its operation."""

from __future__ import annotations

from typing import Any

import mesa
import numpy as np

from alatau_sim.domains.economy.tables import DONE, OPERATING, PLANNED, STAGES


class Investor(mesa.Agent):
    """One anchor investor. All of its state is here and in the row of its building site in the table `works`.

    `key` is its id among sites and firms, `stage` one of `STAGES`; `zone` and `sector` are rows, days are days since 1970-01-01 (−1: not
    yet); `jobs`, `floor_m2` and `process_w` are those of the whole investment.
    """

    def __init__(
        self, model: Any, *, key: int, name: str, zone: int, sector: int, jobs: int, floor_m2: int, process_w: int, announced_day: int,
        permit_days: int, building_days: int,
    ) -> None:  # fmt: skip
        super().__init__(model)
        self.key, self.name, self.zone, self.sector = key, name, zone, sector
        self.jobs, self.floor_m2, self.process_w = jobs, floor_m2, process_w
        self.announced_day, self.permit_days, self.building_days = announced_day, permit_days, building_days
        self.stage, self.opened_day = PLANNED, -1

    def look(self, works: Any) -> None:
        """See how far the building site is."""
        row = int(works.rows_of(np.array([self.key], np.int64))[0])
        if row >= 0 and self.stage not in (PLANNED, OPERATING):
            self.stage = int(works["stage"][row]) + 1

    @property
    def built(self) -> bool:
        """Whether the building is finished, and the firm has not opened yet."""
        return self.stage == DONE + 1

    def handed_over(self, works: Any) -> bool:
        """Whether the finished building's floor space has become the zone's."""
        row = int(works.rows_of(np.array([self.key], np.int64))[0])
        return row < 0 or bool(works["done_day"][row] >= 0)

    @property
    def stage_name(self) -> str:
        """The stage in words."""
        return STAGES[self.stage]
