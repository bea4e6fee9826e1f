"""Dwellings without a household, counted where homes and people meet: by zone, now, in a sample without bias.

Reads columns only (`zones.dwellings_existing`, `dwellings_built`, `beyond_sample`, `outside`; `households.home`), whoever writes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def vacancies(sim: Any) -> NDArray[np.int64]:
    """Dwellings without a household by zone, now.

    A sample begins with the households of the whole city, not with `weight` times those drawn: else chance would leave homes empty.
    """
    zones, home = sim.tables["zones"], sim.tables["households"]["home"]
    lived_in = np.bincount(home[home >= 0], minlength=zones.n) * sim.weight + zones["beyond_sample"]
    homes = zones["dwellings_existing"] + zones["dwellings_built"]
    return np.where(zones["outside"], 0, np.clip(homes - lived_in, 0, homes)).astype(np.int64)


def offers(sim: Any) -> NDArray[np.int64]:
    """Rows of households that each zone has homes for, now: in a sample the rest below a row counts where a lasting draw says so."""
    rows, rest = np.divmod(vacancies(sim), sim.weight)
    return np.asarray(rows + (sim.uniform("part_of_home", sim.tables["zones"].id, day=-1) * sim.weight < rest))
