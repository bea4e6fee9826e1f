"""The page as one HTML file: everything that it needs stands inside it, and every word from outside is escaped."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from alatau_sim import __version__
from alatau_sim.report.charts import CONFIG
from alatau_sim.report.cube import packed
from alatau_sim.report.page import Block, Control, Figure, Note, Page, Section, Table
from alatau_sim.report.words import Words, script

HERE = Path(__file__).parent
GLOBALS = "window.vegaEmbed = vegaEmbed; window.vega = vega;"
WORDY = 18  # letters; longer cells get room
LONG_TABLE = 40  # rows; longer folded tables stay folded on paper


def vega_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from vl-convert's own copy; safe inside a script element."""
    import vl_convert

    text: str = vl_convert.javascript_bundle(GLOBALS)
    return re.sub(r"</(?=script)", r"<\\/", text, flags=re.IGNORECASE).replace("<!--", "<\\!--")


def write_page(page: Page, words: Words) -> str:
    """The whole file."""
    cubes, numbers = packed({figure.name: figure.cube for figure in page.figures})
    about = {
        "language": page.language,
        "config": CONFIG,
        "formatLocale": words.format_locale,
        "timeLocale": words.time_locale,
        "cubes": cubes,
        "same": words("no difference"),
        "figures": {figure.name: _figure_words(figure) for figure in page.figures},
    }
    style = (HERE / "page.css").read_text(encoding="utf-8")
    code = (HERE / "page.js").read_text(encoding="utf-8")
    contents = "".join(f'<li><a href="#{section.name}">{escape(section.title)}</a></li>' for section in page.sections)
    return "".join(
        [
            f'<!DOCTYPE html>\n<html lang="{page.language}">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{escape(words('report'))}: {escape(page.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n",
            _header(page, words),
            f'<nav aria-label="{escape(words("contents"))}"><ul>{contents}</ul></nav>\n<main>\n',
            f'<noscript><p class="missing">{escape(words("no_script"))}</p></noscript>\n',
            *(_section(section, words) for section in page.sections),
            f"</main>\n<footer><p>alatau-sim {escape(__version__)}</p></footer>\n",
            f'<script type="application/json" id="page-words">{script(about)}</script>\n',
            f'<script type="text/plain" id="page-numbers">{numbers}</script>\n',
            f"<script>{vega_bundle()}</script>\n<script>\n{code}</script>\n</body>\n</html>\n",
        ]
    )


def _figure_words(figure: Figure) -> dict[str, Any]:
    found: dict[str, Any] = {
        "alt": figure.alt,
        "panels": [{"title": panel.title, "spec": panel.spec, "fixed": panel.fixed} for panel in figure.panels],
    }
    if figure.map is not None:
        found["map"] = {"features": figure.map.features, "ranges": figure.map.ranges}
    return found


def _header(page: Page, words: Words) -> str:
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in page.facts)
    scenarios = "".join(
        f"<li>{_swatch(colour, dash)}<span><strong>{escape(label)}</strong>{' – ' if about else ''}{escape(about)}</span></li>"
        for label, colour, dash, about in page.scenarios
    )
    return (
        f'<header>\n<p class="kicker">{escape(words("report"))}: {escape(page.title)}</p>\n<h1>{escape(page.lead)}</h1>\n'
        f'<dl class="facts">{facts}</dl>\n<h3>{escape(words("compared"))}</h3>\n<ul class="scenarios">{scenarios}</ul>\n'
        f'<p class="soft">{escape(words("x_compared") if len(page.scenarios) > 1 else words("only_baseline"))}</p>\n</header>\n'
    )


def _swatch(colour: str, dash: str) -> str:
    dashes = f' stroke-dasharray="{escape(dash)}"' if dash else ""
    return (
        '<svg width="28" height="10" aria-hidden="true" focusable="false">'
        f'<line x1="1" y1="5" x2="27" y2="5" stroke="{escape(colour)}" stroke-width="4"{dashes}/></svg>'
    )


def _section(section: Section, words: Words) -> str:
    text = f'<p class="soft">{escape(section.text)}</p>\n' if section.text else ""
    blocks = "".join(_block(block, words) for block in section.blocks)
    return f'<section id="{section.name}">\n<h2>{escape(section.title)}</h2>\n{text}{blocks}</section>\n'


def _block(block: Block, words: Words) -> str:
    if isinstance(block, Figure):
        return _figure(block, words)
    if isinstance(block, Table):
        return _table(block)
    return _note(block)


def _note(note: Note) -> str:
    strong = f"<strong>{escape(note.strong)}</strong> " if note.strong else ""
    return f'<p class="{escape(note.kind)}">{strong}{escape(note.text)}</p>\n'


def _figure(figure: Figure, words: Words) -> str:
    legend = "".join(f"<span>{_swatch(colour, dash)}{escape(label)}</span>" for label, colour, dash in figure.legend)
    controls = "".join(_control(control, figure) for control in figure.controls)
    chosen = " · ".join(f"{c.label}: {figure.cube.axes[c.axis][c.start]}" for c in figure.controls)
    panels = "".join(f'<div class="panel"><h4>{escape(panel.title)}</h4><div class="chart"></div></div>' for panel in figure.panels)
    title, columns = f"title-{figure.name}", _columns(figure)
    return "".join(
        [
            f'<figure id="figure-{figure.name}" aria-labelledby="{title}">\n<figcaption><h3 id="{title}">{escape(figure.title)}</h3>',
            f"<p>{escape(figure.text)}</p></figcaption>\n",
            f'<div class="legend">{legend}</div>\n' if legend else "",
            f'<div class="controls">{controls}</div>\n<p class="chosen">{escape(chosen)}</p>\n' if controls else "",
            f'<div class="panels" style="--columns:{columns}" role="group" aria-label="{escape(figure.alt)}">{panels}</div>\n',
            f'<p class="note">{escape(figure.note)}</p>\n' if figure.note else "",
            "</figure>\n",
        ]
    )


def _columns(figure: Figure) -> int:
    """Panels side by side where there is room: so many that no row is left with one alone."""
    count = len(figure.panels)
    return 1 if figure.wide else count if count <= 3 else 2 if count == 4 else 3


def _control(control: Control, figure: Figure) -> str:
    labels = figure.cube.axes[control.axis]
    about = f'data-axis="{escape(control.axis)}" data-label="{escape(control.label)}"'
    if control.kind == "slider":
        at, last = escape(str(labels[control.start])), len(labels) - 1
        return (
            f'<label class="slider">{escape(control.label)}<span><input type="range" min="0" max="{last}" step="1" '
            f'value="{control.start}" {about} aria-valuetext="{at}"><output>{at}</output></span></label>'
        )
    chosen = control.only or labels
    options = "".join(
        f'<option value="{escape(str(label))}"{" selected" if label == labels[control.start] else ""}>{escape(str(label))}</option>'
        for label in chosen
    )
    return f"<label>{escape(control.label)}<select {about}>{options}</select></label>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col"{_left(i, table)}>{escape(name)}</th>' for i, name in enumerate(table.head))
    rows = "".join(
        f"<tr>{''.join(_cell(cell, row, i, table) for i, cell in enumerate(cells))}</tr>" for row, cells in enumerate(table.rows)
    )
    caption = "" if table.folded else f"<caption>{escape(table.title)}</caption>"
    text = f'<p class="note">{escape(table.text)}</p>\n' if table.text else ""
    body = (
        f'{text}<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}"><table>{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )
    long = ' class="long"' if len(table.rows) > LONG_TABLE or not table.paper else ""
    return f"<details{long}><summary>{escape(table.title)}</summary>{body}</details>\n" if table.folded else body


def _left(i: int, table: Table) -> str:
    return ' class="left"' if i in table.left else ""


def _cell(text: str, row: int, i: int, table: Table) -> str:
    word = "left wordy" if len(text) > WORDY else "left"
    kinds = [word if i in table.left else "number", *([table.marks[row, i]] if (row, i) in table.marks else [])]
    return f'<td class="{escape(" ".join(kinds))}">{escape(text)}</td>'
