"""Numbers for reading: thousands separated, four significant digits below a thousand."""

from __future__ import annotations

import math
import shutil


def number(value: float | None, *, sign: bool = False) -> str:
    """`54,747`, `12.35`, `0.001235`; `–` where there is no value; with `sign`, `+3` for what grows."""
    if value is None or math.isnan(value):
        return "–"
    plus = "+" if sign and value > 0 else ""
    size = abs(value)
    if size >= 999.95 or value == 0:
        return f"{plus}{value:,.0f}" if value else "0"
    if size < 1e-4:
        return f"{plus}{value:.3e}"
    text = f"{value:.{max(0, 3 - math.floor(math.log10(size)))}f}"
    return plus + (text.rstrip("0").rstrip(".") if "." in text else text)


def screen_width() -> int:
    """Columns of the terminal, 80 … 200; 140 where the output goes elsewhere."""
    return min(max(shutil.get_terminal_size((140, 40)).columns, 80), 200)


def percent(value: float | None) -> str:
    """A relative change: `+3.2 %`; to three digits; `about 0 %` below a hundredth of a percent."""
    if value is None or not math.isfinite(value):
        return "–"
    if 0 < abs(value) < 1e-4:
        return "about 0 %"
    return f"{number(float(f'{100 * value:.3g}'), sign=True)} %"
