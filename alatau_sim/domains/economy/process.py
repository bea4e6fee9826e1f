"""Anchor projects in event time: announced, permitted, built, operating.

Each investor is an agent with a SimPy process. On the day of its announcement a row of the table `works` is added for it (owner: its id),
with the days for permit and building that the record gives, so that the site has its permit, its crews and its floor space from the land
domain, and the room that zoning leaves is reserved. The process looks at the site when a day opens; on the day that hands it over, the
firm opens with all of its positions vacant. What was announced before the run has gone on since. Not modelled yet: projects that are
given up, stages of one project, builders as jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import simpy

from alatau_sim.domains.economy.firms.settle import ACCOUNTS, found
from alatau_sim.domains.economy.start.tables import wage_levels
from alatau_sim.domains.economy.tables import ANNOUNCED, OPERATING, PLANNED, WORKSPACE, size_of
from alatau_sim.engine.clock import DAY_S, day_number
from alatau_sim.engine.rule import settlement


def start_investors(sim: Any) -> None:
    """Make an agent and a process for each project of the scenario."""
    state = sim.state["economy"]
    state["investors"] = []
    if not state["projects"]:
        return
    from alatau_sim.domains.economy.agents import Investor  # the declarations must not load Mesa

    each = sim.tables["sectors"]["floor_m2_per_job"]
    for project, zone, sector in state["projects"]:
        jobs, floor_m2 = size_of(project, float(each[sector]))
        investor = Investor(
            sim.model, key=sim.key_word(f"project/{project.name}"), name=project.name, zone=zone, sector=sector, jobs=jobs,
            floor_m2=floor_m2, process_w=round(project.power_mw * 1e6), announced_day=day_number(project.announced),
            permit_days=-1 if project.permit_days is None else project.permit_days,
            building_days=-1 if project.building_days is None else project.building_days,
        )  # fmt: skip
        state["investors"].append(investor)
        sim.env.process(invest(sim, investor))


def invest(sim: Any, investor: Any) -> Iterator[simpy.Event]:
    """The life of one project: wait for the announcement, then for the building, and see the firm open."""
    works = sim.tables["works"]
    yield sim.env.timeout(max(investor.announced_day * DAY_S - int(sim.env.now), 0))
    while investor.stage != OPERATING:
        yield sim.day_opened
        investor.look(works)


@settlement(phase="events", reads=("works.stage", "works.done_day"), writes=("works", "firms", *ACCOUNTS))
def advance_projects(sim: Any) -> None:
    """Add the building sites of projects announced by today, and open the firms whose buildings have been handed over."""
    works = sim.tables["works"]
    for investor in sim.state["economy"]["investors"]:
        if investor.stage == PLANNED and investor.announced_day <= sim.clock.day:
            investor.stage = ANNOUNCED
            works.insert(np.array([investor.key], np.int64), {
                "zone": investor.zone, "use": WORKSPACE, "floor_m2": investor.floor_m2, "owner": investor.key,
                "announced_day": investor.announced_day, "permit_days": investor.permit_days, "building_days": investor.building_days,
            })  # fmt: skip
        if investor.stage in (PLANNED, OPERATING):
            continue
        investor.look(works)
        if investor.built and investor.handed_over(works):
            open_anchor(sim, investor)


def open_anchor(sim: Any, investor: Any) -> None:
    """Add the firm of a project. In a sample it is one thing of which each row counts for `weight`: it has that part of its size."""
    ids, w = np.array([investor.key], np.int64), sim.weight
    jobs = max(1, int(investor.jobs / w + sim.uniform("projects.jobs", ids, day=-1)[0])) if w > 1 else investor.jobs
    found(sim, ids, {
        "sector": np.array([investor.sector]), "site": np.array([investor.zone]), "jobs": np.array([jobs]),
        "floor_m2": np.array([investor.floor_m2 // w]), "process_w": np.array([investor.process_w // w]), "anchor": np.array([True]),
        "stands_for": np.array([1]), "wage_level": wage_levels(sim, ids, np.array([investor.sector])),
    })  # fmt: skip
    investor.stage, investor.opened_day = OPERATING, sim.clock.day
