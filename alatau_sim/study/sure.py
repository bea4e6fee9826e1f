"""Runs until an interval is narrow enough: `--until-sure population±2%`, by a rule that looks at the spread once (Stein 1945).

The first stage runs some replicates of every scenario. From their spread alone follows how many are needed in all; the rest is run, and the
interval is made with the spread of the first stage. Judged are world 0, the last year, and the paired differences from the baseline (with
one scenario: its mean). A percentage is of the baseline's mean in the first stage, which is itself known with luck only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.results.numbers import number

FIRST = 8  # replicates of the first stage, unless the scenarios or the command line say more
AT_MOST = 100
_AIM = re.compile(r"([^\s±+:=%]+)\s*(?:±|\+/?-|:|=)\s*(\d+(?:\.\d+)?(?:[eE]-?\d+)?)\s*(%?)\Z")


@dataclass(frozen=True)
class Aim:
    """How narrow the interval of which indicator is to be: ±`half`, in the indicator's unit or (with `percent`) in % of the baseline."""

    kpi: str
    half: float
    percent: bool

    def __str__(self) -> str:
        return f"{self.kpi}±{self.half:g}{'%' if self.percent else ''}"


@dataclass(frozen=True)
class Found:
    """What the runs so far say: values by pair of each scenario (differences, if there is a baseline), and the baseline's mean."""

    year: int
    differences: Mapping[str, list[float]]
    mean: float


def read_aim(text: str) -> Aim:
    """`population±2%`, `population+-2%`, `population:2%`, or without % in the indicator's unit."""
    found = _AIM.match(text.strip())
    if not found or not float(found[2]) > 0:
        raise InputError(f"--until-sure {text!r}: it must be an indicator and how narrow its interval is to be, such as population±2%")
    return Aim(found[1], float(found[2]), found[3] == "%")


def until(aim: Aim, session: Any, at_most: int | None) -> Any:
    """Run a study in two stages; the result's `aim` says whether the interval is as narrow as asked."""
    plan = session.plan
    first = plan.replicates or max(FIRST, *(scenario.run.replicates for scenario in plan.scenarios))
    most = at_most or max(AT_MOST, first)
    if first < 2 or most < first:
        raise InputError(f"--until-sure needs at least 2 replicates first (-r is {first}), and --at-most ({most}) not below these")
    if not isinstance(session.out, Path):
        raise InputError("--until-sure reads results between its stages, so it needs a folder and no object store")
    _check_kpi(aim, session)
    session.do(session.jobs(first))
    if any(outcome.how not in ("done", "kept") for outcome in session.ended.values()):
        return session.finish(f"{aim}: not judged, because not all of the first {first} replicates are whole")
    pilot = _found(aim, session, first)
    half = aim.half * (abs(pilot.mean) / 100 if aim.percent else 1)
    if not half > 0:
        zero = f"{aim}: the baseline's mean is {number(pilot.mean)}, of which a percentage says nothing"
        return session.finish(f"{zero}; give a width without %")
    from alatau_sim.results import sure as kept
    from alatau_sim.results.statistics import stein_total

    # so that a comparison later gives this indicator the interval of the two stages, too
    kept.keep_aim(session.out, kept.Aim(aim.kpi, pilot.year, first))
    wanted = max(stein_total(values, half) for values in pilot.differences.values())
    total = min(wanted, most)
    more = f", as many as --at-most allows of the {wanted} needed" if total < wanted else ""
    session.watcher.note(f"{aim}: {first} replicates were run; {total} are needed in all" if not more else f"{aim}: runs {total}{more}")
    session.do(session.jobs(total))
    if any(outcome.how not in ("done", "kept") for outcome in session.ended.values()):
        return session.finish(f"{aim}: not judged, because not all of the {total} replicates are whole")
    return session.finish(_verdict(aim, _found(aim, session, total), first, total, wanted, half))


def _verdict(aim: Aim, found: Found, first: int, total: int, wanted: int, half: float) -> str:
    from alatau_sim.results.statistics import stein_interval

    widths = {}
    for name, values in found.differences.items():
        low, high = stein_interval(values, first)
        widths[name] = (high - low) / 2
    worst = max(widths, key=lambda name: widths[name])
    met = widths[worst] <= half * (1 + 1e-9)
    said = f"{aim} in {found.year}: {'met' if met else 'not met'} with {total} replicates"
    widest = f"the widest 95 % interval is ±{number(widths[worst])} ({worst}; asked: ±{number(half)})"
    return f"{said}; {widest}" + ("" if met else f"; {wanted} replicates were needed")


def _found(aim: Aim, session: Any, replicates: int) -> Found:
    """The last year's values of world 0, by pair."""
    from alatau_sim.results.dataset import open_study
    from alatau_sim.results.yearly import yearly_values

    study = open_study(session.out)
    yearly, _ = yearly_values(study)
    years = [year for kpi, year in yearly if kpi == aim.kpi]
    if not years:
        raise InputError(f"--until-sure: there is no indicator {aim.kpi!r}{did_you_mean(aim.kpi, {kpi for kpi, _ in yearly})}")
    year = max(years)
    names = [scenario.name for scenario in session.plan.scenarios]
    base = "baseline" if "baseline" in names else min(names)
    pairs = [(0, replicate) for replicate in range(replicates)]
    values = {name: [yearly[aim.kpi, year].get(name, {}).get(pair, math.nan) for pair in pairs] for name in names}
    for name, found in values.items():
        if any(math.isnan(value) for value in found):
            raise InputError(f"--until-sure: {aim.kpi} has no value in {year} in some runs of {name}")
    others = [name for name in names if name != base]
    differences = {name: [ours - theirs for ours, theirs in zip(values[name], values[base], strict=True)] for name in others}
    return Found(year, differences or {base: values[base]}, math.fsum(values[base]) / replicates)


def _check_kpi(aim: Aim, session: Any) -> None:
    """Refuse an indicator that the model does not have, before anything runs."""
    if session.model is None:
        known = {kpi.name for domain in session.plan.inputs.domains() for kpi in domain.kpis}
        if known and aim.kpi not in known:
            raise InputError(f"--until-sure: there is no indicator {aim.kpi!r}{did_you_mean(aim.kpi, known)}")
