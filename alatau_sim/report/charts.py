"""The charts as Vega-Lite, made with Altair: each reads the rows of a dataset named `rows` that the page, or the exporter, fills.

Colours are those of Okabe and Ito (2008), which colour-blind readers tell apart; dashes say the same without colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from alatau_sim.report.words import Words

COLOURS = ("#4d4d4d", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F")
DASHES = ("", "6 3", "2 2", "8 3 2 3", "4 2", "10 4", "1 3", "12 3")
CATEGORIES = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#A9B4BF",
    "#332288",
    "#DDCC77",
    "#AA4499",
    "#44AA99",
    "#999933",
    "#882255",
    "#661100",
    "#6699CC",
)
HEIGHT = 210
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"
CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "padding": 4,
    "axis": {
        "labelColor": "#444",
        "titleColor": "#444",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": "#e6e6e6",
        "domainColor": "#999",
        "tickColor": "#999",
        "labelFont": FONT,
        "titleFont": FONT,
    },
    "legend": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelFont": FONT,
        "titleFont": FONT,
        "labelLimit": 300,
    },
    "title": {"anchor": "start", "fontSize": 13, "fontWeight": 600, "font": FONT, "color": "#222"},
    "concat": {"spacing": 24},
}
PLAIN = ",.3~f"
Legend = tuple[tuple[str, str, str], ...]
"""Label, colour and dash of each scenario or category."""


def palette(labels: Sequence[str], colours: Sequence[str] = COLOURS, dashes: Sequence[str] = DASHES) -> Legend:
    """Label, colour and dash of each scenario, or of each category."""
    return tuple((label, colours[i % len(colours)], dashes[i % len(dashes)] if dashes else "") for i, label in enumerate(labels))


def _colour(field: str, legend: Legend) -> alt.Color:
    scale = alt.Scale(domain=[label for label, _, _ in legend], range=[colour for _, colour, _ in legend])
    return alt.Color(f"{field}:N", scale=scale, legend=None)


def _dash(field: str, legend: Legend) -> alt.StrokeDash:
    patterns = [[float(part) for part in dash.split()] or [1, 0] for _, _, dash in legend]
    return alt.StrokeDash(f"{field}:N", scale=alt.Scale(domain=[label for label, _, _ in legend], range=patterns), legend=None)


def _time(steps: int, yearly: bool) -> alt.X:
    every: Any = {"interval": "year" if yearly else "month", "step": max(1, math.ceil(steps / 5))}
    return alt.X("time:T", title=None, axis=alt.Axis(format="%Y" if yearly else "%b %Y", tickCount=every, labelOverlap=True, grid=False))


def _hour(words: Words) -> alt.X:
    axis = alt.Axis(values=[0, 6, 12, 18, 23], format="d", grid=False)
    return alt.X("hour:Q", title=words("hour"), scale=alt.Scale(domain=[0, 23], nice=False), axis=axis)


def _base() -> alt.Chart:
    return alt.Chart(alt.NamedData(name="rows"))


def _done(chart: Any, height: int = HEIGHT) -> dict[str, Any]:
    found = chart.properties(width="container", height=height).to_dict()
    found.pop("config", None)
    found.pop("$schema", None)
    return dict(found)


def _banded(words: Words, x: alt.X, legend: Legend, when: alt.Tooltip, *, zero: bool, points: int, form: str) -> dict[str, Any]:
    y = alt.Y("mean:Q", title=None, scale=alt.Scale(zero=zero), axis=alt.Axis(tickCount=5, format=PLAIN))
    colour, dash = _colour("scenario", legend), _dash("scenario", legend)
    tips = [
        alt.Tooltip("scenario:N", title=words("scenario")),
        when,
        alt.Tooltip("mean:Q", title=words("mean"), format=form),
        alt.Tooltip("low:Q", title=words("low"), format=form),
        alt.Tooltip("high:Q", title=words("high"), format=form),
    ]
    base = _base().encode(x=x)
    return _done(
        alt.layer(
            base.mark_area(opacity=0.16).encode(y=alt.Y("low:Q", title=None, scale=alt.Scale(zero=zero)), y2="high:Q", color=colour),
            base.mark_line(strokeWidth=2).encode(y=y, color=colour, strokeDash=dash, tooltip=tips),
            base.mark_point(filled=True, size=points or 90, opacity=1 if points else 0).encode(y=y, color=colour, tooltip=tips),
        )
    )


@cache  # many panels are alike, and to check a specification takes a tenth of a second
def time_band(words: Words, legend: Legend, steps: int, *, yearly: bool, zero: bool = False, form: str = ",.4~f") -> dict[str, Any]:
    """Lines of scenarios over time with the band of their runs: fields scenario, time, mean, low, high."""
    when = alt.Tooltip("time:T", title=words("time"), format="%Y" if yearly else "%B %Y")
    return _banded(words, _time(steps, yearly), legend, when, zero=zero, points=28 if steps <= 6 else 0, form=form)


@cache
def hour_band(words: Words, legend: Legend) -> dict[str, Any]:
    """Lines of scenarios over the hours of a day, with bands: fields scenario, hour, mean, low, high."""
    return _banded(words, _hour(words), legend, alt.Tooltip("hour:Q", title=words("hour")), zero=True, points=0, form=",.3~f")


def stack(words: Words, field: str, title: str, legend: Legend, steps: int, *, hours: bool, yearly: bool = False) -> dict[str, Any]:
    """Areas that add up, over hours or time: fields `field`, hour or time, mean."""
    x = _hour(words) if hours else _time(steps, yearly)
    when = (
        alt.Tooltip("hour:Q", title=words("hour"))
        if hours
        else alt.Tooltip("time:T", title=words("time"), format="%Y" if yearly else "%B %Y")
    )
    order = {label: place for place, (label, _, _) in enumerate(legend)}
    base = (
        _base()
        .transform_calculate(place=f"indexof({list(order)!r}, datum[{field!r}])")
        .encode(
            x=x,
            y=alt.Y("mean:Q", title=None, stack="zero", axis=alt.Axis(tickCount=5, format=PLAIN)),
            color=_colour(field, legend),
            order=alt.Order("place:Q"),
            tooltip=[alt.Tooltip(f"{field}:N", title=title), when, alt.Tooltip("mean:Q", title=words("mean"), format=",.3~f")],
        )
    )
    mark = base.mark_bar(size=40) if steps == 1 else base.mark_area(line={"strokeWidth": 0.5, "color": "white"})
    return _done(mark)


def bars(words: Words, field: str, title: str, labels: Sequence[str], legend: Legend, unit: str, at: float | None = None) -> dict[str, Any]:
    """Bars by category and scenario, with the range of the runs, and a rule `at` a limit: fields `field`, scenario, mean, low, high."""
    y = alt.Y(f"{field}:N", title=None, sort=list(labels), axis=alt.Axis(labelLimit=150, ticks=False, domain=False))
    offset = alt.YOffset("scenario:N", sort=[label for label, _, _ in legend])
    tips = [
        alt.Tooltip(f"{field}:N", title=title),
        alt.Tooltip("scenario:N", title=words("scenario")),
        *(alt.Tooltip(f"{name}:Q", title=words(name), format=",.4~f") for name in ("mean", "low", "high")),
    ]
    base = _base().encode(y=y, yOffset=offset)
    return _done(
        alt.layer(
            base.mark_bar().encode(
                x=alt.X("mean:Q", title=unit, axis=alt.Axis(tickCount=5, format=PLAIN)), color=_colour("scenario", legend), tooltip=tips
            ),
            base.mark_rule(color="#111", strokeWidth=1.5).encode(x="low:Q", x2="high:Q"),
            *([_base().mark_rule(color="#a50f15", strokeDash=[4, 3], strokeWidth=1.5).encode(x=alt.datum(at))] if at is not None else []),
        ),
        max(22, (len(legend) + 1) * 8) * len(labels) + 30,
    )


def forest(words: Words, labels: Sequence[str], legend: Legend) -> dict[str, Any]:
    """Relative differences with their intervals: fields kpi, scenario, mean, and at, low, high within the edges [%]."""
    y = alt.Y(
        "kpi:N", title=None, sort=list(labels), axis=alt.Axis(labelLimit=190, ticks=False, domain=False, grid=True, gridColor="#f0f0f0")
    )
    tips = [
        alt.Tooltip("kpi:N", title=words("indicator")),
        alt.Tooltip("mean:Q", title=words("difference") + ", %", format="+,.3~f"),
        alt.Tooltip("low:Q", title="95 % ↓", format="+,.3~f"),
        alt.Tooltip("high:Q", title="95 % ↑", format="+,.3~f"),
    ]
    base, colour = _base().encode(y=y), _colour("scenario", legend)
    x = alt.X(
        "at:Q",
        title="%",
        axis=alt.Axis(tickCount=4, labelExpr="datum.value == 0 ? '0' : format(datum.value, '+,.3~f')"),
        scale=alt.Scale(padding=44),
    )
    return _done(
        alt.layer(
            _base().mark_rule(color="#555").encode(x=alt.datum(0)),
            base.mark_rule(strokeWidth=2.5, opacity=0.6).encode(x=alt.X("low:Q", title="%"), x2="high:Q", color=colour),
            base.mark_point(filled=True, size=80, opacity=1).encode(x=x, color=colour, tooltip=tips),
            base.mark_text(align="left", dx=7, fontSize=11, color="#222").encode(
                x=alt.X("high:Q", title="%"), text=alt.Text("mean:Q", format="+,.2~r")
            ),
        ),
        24 * len(labels) + 10,
    )


def along_line(words: Words, legend: Legend, stops: int) -> dict[str, Any]:
    """Riders on board from stop to stop, downwards: fields stop (`1. name`), position, scenario, mean, low, high, places."""
    y = alt.Y("stop:N", title=None, sort=alt.SortField("position"), axis=alt.Axis(labelLimit=150, grid=False))
    tips = [
        alt.Tooltip("stop:N", title=words("stop")),
        alt.Tooltip("scenario:N", title=words("scenario")),
        *(alt.Tooltip(f"{name}:Q", title=words(name), format=",.3~f") for name in ("mean", "low", "high")),
        alt.Tooltip("places:Q", title=words("places")),
    ]
    x = alt.X("mean:Q", title=words("riders"), scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5, format=PLAIN))
    base, colour = _base().encode(y=y), _colour("scenario", legend)
    return _done(
        alt.layer(
            _base().mark_rule(color="#555", strokeDash=[2, 3]).encode(x=alt.X("max(places):Q", title=words("riders"))),
            base.mark_rule(strokeWidth=5, opacity=0.2).encode(x="low:Q", x2="high:Q", color=colour),
            base.mark_line(strokeWidth=2).encode(x=x, color=colour, strokeDash=_dash("scenario", legend), order="position:Q"),
            base.mark_point(filled=True, size=50, opacity=1).encode(x=x, color=colour, tooltip=tips),
        ),
        30 * stops,
    )


def heat(words: Words, labels: Sequence[str], years: Sequence[str]) -> dict[str, Any]:
    """Probability by asset and year: fields asset, year, mean [0 … 1]."""
    base = _base().encode(
        x=alt.X(
            "year:O", title=None, axis=alt.Axis(labelAngle=0, values=list(years[:: math.ceil(len(years) / 4)]), domain=False, ticks=False)
        ),
        y=alt.Y("asset:N", title=None, sort=list(labels), axis=alt.Axis(labelLimit=170, ticks=False, domain=False)),
    )
    scale = alt.Scale(domain=[0, 1], range=["#f4f4f4", "#fee08b", "#f28e2b", "#a50f15"])
    legend = alt.Legend(orient="bottom", format=".0%", gradientLength=160, title=words("probability"), values=[0, 0.5, 1])
    rect = base.mark_rect(stroke="white").encode(
        color=alt.Color("mean:Q", scale=scale, legend=legend),
        tooltip=[
            alt.Tooltip("asset:N", title=words("asset")),
            alt.Tooltip("year:O", title=words("year")),
            alt.Tooltip("mean:Q", title=words("probability"), format=".0%"),
        ],
    )
    if len(years) > 10:
        return _done(rect, 20 * len(labels))
    text = base.mark_text(fontSize=11).encode(
        text=alt.Text("mean:Q", format=".0%"), color=alt.condition("datum.mean > 0.8", alt.value("white"), alt.value("#222"))
    )
    return _done(alt.layer(rect, text), 20 * len(labels))
