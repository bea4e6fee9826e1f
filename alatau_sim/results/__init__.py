"""Results: recorded while a run goes, read back, compared and handed on. Nothing here imports the model."""

from __future__ import annotations

from typing import Any

__all__ = ["open_study"]


def __getattr__(name: str) -> Any:
    # Arrow takes a second to import: only who opens a study waits for it
    if name == "open_study":
        from alatau_sim.results.dataset import open_study

        return open_study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
