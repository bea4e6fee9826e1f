"""The aim of a study that was finished by the two-stage rule of `--until-sure`, kept beside its runs.

The number of its pairs depends on the spread of the first ones, so that a plain t interval over all pairs misses the truth more often than
it says (92.7 % instead of 95 % over 5 first pairs). `compare` uses for this indicator and year the interval that belongs to the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from alatau_sim.errors import InputError
from alatau_sim.results.files import read_json, write_json
from alatau_sim.results.statistics import Paired, stein_interval, stein_p
from alatau_sim.results.yearly import Run

FILE = "until_sure.json"


@dataclass(frozen=True)
class Aim:
    """The indicator and year that decided how many replicates were run, and the number of replicates of the first stage."""

    kpi: str
    year: int
    first: int


def keep_aim(out: Path, aim: Aim) -> None:
    """Keep the aim beside the runs; do it before the second stage starts."""
    write_json(out / FILE, asdict(aim))


def read_aim(out: Path) -> Aim | None:
    """The aim that the study was finished by, or None."""
    path = out / FILE
    if not path.is_file():
        return None
    words = read_json(path)
    try:
        return Aim(str(words["kpi"]), int(words["year"]), int(words["first"]))
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(f"{path}: is broken; it must have kpi, year and first") from error


def with_aim(found: Paired, aim: Aim, row: int, differences: np.ndarray, runs: Sequence[Run]) -> Paired:
    """The comparison with the interval and p-value of one indicator (`row`) by the spread of the first stage.

    `differences` is (indicators, pairs), `runs` are the pairs; where a pair of the first stage is missing, nothing changes.
    """
    first = [place for place, (_, replicate) in enumerate(runs) if replicate < aim.first]
    if aim.first < 2 or len(first) < aim.first or np.isnan(differences[row]).any():
        return found
    ordered = [*differences[row][first], *np.delete(differences[row], first)]
    low, high, p = found.low.copy(), found.high.copy(), found.p.copy()
    low[row], high[row] = stein_interval(ordered, aim.first)
    p[row] = stein_p(ordered, aim.first)
    return replace(found, low=low, high=high, p=p)
