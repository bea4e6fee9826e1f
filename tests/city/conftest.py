from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from city_maps import box, degrees, geojson


@pytest.fixture
def block(tmp_path: Path) -> Callable[..., Path]:
    """Writes a map of 2 × 2 zones of 1 km2 each, in degrees: a b below, c d above."""

    def write(name: str = "block.geojson", **columns: Sequence[Any]) -> Path:
        shapes = [degrees(box(k % 2, k // 2)) for k in range(4)]
        base: dict[str, Sequence[Any]] = {"zone": ["a", "b", "c", "d"], "land_use": ["residential", "mixed", "industry", "open"]}
        table = {key: list(values) for key, values in (base | columns).items()}
        return geojson(tmp_path / name, shapes, [{key: values[k] for key, values in table.items()} for k in range(4)])

    return write


@pytest.fixture
def grid(tmp_path: Path) -> Callable[[int, int], Path]:
    """Writes a map of columns × rows zones of 1 km2."""

    def write(columns: int, rows: int) -> Path:
        cells = [(i, j) for j in range(rows) for i in range(columns)]
        shapes = degrees(np.array([box(i, j) for i, j in cells], dtype=object))
        return geojson(tmp_path / "grid.geojson", list(shapes), [{"zone": f"z{i}-{j}", "land_use": "mixed"} for i, j in cells])

    return write
