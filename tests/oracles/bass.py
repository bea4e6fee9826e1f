"""The Bass diffusion curve (Bass 1969), which adoption by media and word of mouth alone is held against."""

from __future__ import annotations

import math


def bass_share(innovation: float, imitation: float, time: float) -> float:
    """The share that has adopted by `time`: F' = (p + q F)(1 − F), F(0) = 0."""
    decay = math.exp(-(innovation + imitation) * time)
    return (1 - decay) / (1 + imitation / innovation * decay)
