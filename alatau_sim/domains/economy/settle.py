"""What holds at every beat: staff is who works there, no position is filled twice, floor space and money add up."""

from __future__ import annotations

from typing import Any

import numpy as np

from alatau_sim.domains.economy.firms.settle import (
    begin_economy_month,
    clear_month,
    close_firms,
    lease_space,
    occupy,
    open_firms,
    survey_sectors,
)
from alatau_sim.domains.economy.labour.settle import JOBS, match_jobs, post_vacancies
from alatau_sim.domains.economy.money.settle import MONEY, close_month
from alatau_sim.domains.economy.process import advance_projects
from alatau_sim.engine.rule import settlement
from alatau_sim.errors import RunError


@settlement(
    phase="check",
    reads=("residents.employer", "firms.staff", "firms.commuters", "firms.jobs", "firms.floor_m2", "zones.workspace_free_m2"),
)
def check_economy(sim: Any) -> None:
    """Stop the run where staff is not who works there, positions are filled twice, or floor space is lost.

    Staff is compared firm by firm on the first and the last day of a month, and as a sum on the others.
    """
    firms, zones, employer = sim.tables["firms"], sim.tables["zones"], sim.tables["residents"]["employer"]
    staff = firms["staff"]
    if sim.clock.first_of_month or sim.clock.ends("1 month"):
        staff = np.bincount(employer[employer >= 0], minlength=firms.n)
    elif int((employer >= 0).sum()) != int(staff.sum(dtype=np.int64)):
        raise RunError(f"economy on {sim.clock.date}: firms have another number of people than the residents who work for firms")
    occupied = np.bincount(firms["site"], weights=firms["floor_m2"], minlength=zones.n).astype(np.int64) * sim.weight
    state = sim.state["economy"]
    space = occupied + state["beyond_m2"] + zones["workspace_free_m2"]
    for what, wrong in (
        ("firm row {} has another staff than residents who work there", staff != firms["staff"]),
        ("firm row {} has more people than positions", firms["staff"].astype(np.int64) + firms["commuters"] > firms["jobs"]),
        ("zone row {}: floor space that is occupied and that is free do not add up", space != state.get("workspace_m2", space)),
    ):
        if wrong.any():
            raise RunError(f"economy on {sim.clock.date}: {what.format(int(np.flatnonzero(wrong)[0]))}")


def open_books(sim: Any) -> None:
    """Let the ledger compare the money of firms, their positions and those who fill them with their columns every day."""
    clear_month(sim)
    sim.ledger.watch(MONEY, "firms", "firms", "balance_kzt")
    for account, column in (("positions", "jobs"), ("residents_at_work", "staff"), ("commuters_at_work", "commuters")):
        sim.ledger.watch(JOBS, account, "firms", column)


def choose_first_shops(sim: Any) -> None:
    """Let households have a place for shopping from the first day on, whichever day of the month that is."""
    for item in sim.plan:
        if item.name in ("think_of_shops", "choose_shop"):
            item.run(sim)


SETTLEMENTS = (
    begin_economy_month, advance_projects, close_firms, lease_space, open_firms, post_vacancies, match_jobs, survey_sectors, occupy,
    close_month, check_economy,
)  # fmt: skip
