"""Every figure as PNG or SVG, through vl-convert: no browser is needed. Controls stand at their first choice, as on paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.report.charts import CONFIG
from alatau_sim.report.maps import map_rows
from alatau_sim.report.page import Figure, Page, Panel
from alatau_sim.report.words import Words
from alatau_sim.results.files import replacing

FORMS = ("png", "svg")
WIDTH = 420  # of a panel [px]
SCALE = 2.0
FONT = "Liberation Sans, DejaVu Sans, Arial, sans-serif"


def check_form(form: str) -> None:
    """Refuse a format that figures cannot have."""
    if form not in FORMS:
        raise InputError(f"format {form!r}: it must be {' or '.join(FORMS)}{did_you_mean(form, FORMS)}")


def write_figures(page: Page, words: Words, folder: Path, form: str = "png") -> list[Path]:
    """One file a figure into the folder, named after the figure."""
    import vl_convert

    paths = []
    for figure in page.figures:
        spec = whole_spec(figure)
        locales: dict[str, Any] = {"format_locale": words.format_locale, "time_format_locale": words.time_locale}
        made: Any = (
            vl_convert.vegalite_to_png(spec, scale=SCALE, **locales)
            if form == "png"
            else vl_convert.vegalite_to_svg(spec, **locales).encode()
        )
        path = folder / f"{figure.name}.{form}"
        with replacing(path) as aside:
            aside.write_bytes(made)
        paths.append(path)
    return paths


def whole_spec(figure: Figure) -> dict[str, Any]:
    """The figure with its data as one Vega-Lite specification: panels side by side, choices and legend in the title."""
    choices = figure.choices()
    datasets: dict[str, Any] = {}
    charts = [_panel(figure, panel, choices, number, datasets) for number, panel in enumerate(figure.panels)]
    said = [f"{control.label}: {choices[control.axis]}" for control in figure.controls]
    title = {"text": figure.title, "subtitle": said, "anchor": "start", "fontSize": 17, "subtitleFontSize": 12, "offset": 14}
    columns = 1 if figure.wide or len(charts) == 1 else 2
    parts = [*charts, *([_legend(figure)] if figure.legend else [])]
    config = {**CONFIG, "font": FONT, "background": "white"}
    for key in ("axis", "legend", "title"):
        config[key] = {name: FONT if name.lower().endswith("font") else value for name, value in CONFIG[key].items()}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": title,
        "description": figure.alt,
        "datasets": datasets,
        "config": config,
        "concat": parts,
        "columns": columns,
        "resolve": {"scale": {"color": "independent", "strokeDash": "independent", "x": "independent", "y": "independent"}},
    }


def _panel(figure: Figure, panel: Panel, choices: Mapping[str, Any], number: int, datasets: dict[str, Any]) -> dict[str, Any]:
    rows_name, title = f"rows{number}", panel.title
    if figure.map is not None:
        rows, bounds = map_rows(figure, panel, choices)
        datasets["zones"] = figure.map.features
        unit = figure.map.ranges[choices["map"]]["moved" if panel.fixed["role"] == "difference" else "unit"]
        title = panel.title.replace("{scenario}", str(choices.get("scenario", ""))) + (f", {unit}" if unit else "")
    else:
        rows, bounds = figure.cube.rows({**panel.fixed, **choices}), {}
        for row in rows:
            if "stop" in row:
                row["position"] = int(str(row["stop"]).split(". ", 1)[0])
    datasets[rows_name] = rows
    spec = _renamed(panel.spec, rows_name, bounds)
    return {**spec, "width": WIDTH, "title": {"text": title, "anchor": "start", "fontSize": 13}}


def _renamed(value: Any, rows: str, bounds: Mapping[str, float]) -> Any:
    """The specification with its own dataset and the map's bounds as numbers, so that several can stand in one."""
    if isinstance(value, Mapping):
        if value.get("name") == "rows" and len(value) == 1:
            return {"name": rows}
        if value.get("expr") in bounds:
            return bounds[value["expr"]]
        return {key: _renamed(inner, rows, bounds) for key, inner in value.items() if key != "params"}
    return [_renamed(inner, rows, bounds) for inner in value] if isinstance(value, list | tuple) else value


def _legend(figure: Figure) -> dict[str, Any]:
    """The legend as a small chart: a stroke and a label each."""
    labels = [label for label, _, _ in figure.legend]
    rows = [{"label": label, "x": 0, "x2": 1} for label in labels]
    colours = {"domain": labels, "range": [colour for _, colour, _ in figure.legend]}
    dashes = {"domain": labels, "range": [[float(n) for n in dash.split()] or [1, 0] for _, _, dash in figure.legend]}
    axis = {"orient": "right", "title": None, "domain": False, "ticks": False, "labelLimit": 380, "labelFontSize": 12}
    return {
        "data": {"values": rows},
        "width": 36,
        "height": {"step": 18},
        "mark": {"type": "rule", "strokeWidth": 4},
        "encoding": {
            "y": {"field": "label", "type": "nominal", "sort": labels, "axis": axis},
            "x": {"field": "x", "type": "quantitative", "axis": None},
            "x2": {"field": "x2"},
            "color": {"field": "label", "type": "nominal", "scale": colours, "legend": None},
            "strokeDash": {"field": "label", "type": "nominal", "scale": dashes, "legend": None},
        },
    }
