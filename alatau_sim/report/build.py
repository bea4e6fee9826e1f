"""From a study's folder to the report: reads it, composes the sections, writes the file and, on request, its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alatau_sim.report import about, breaks, electric, indicators, maps, pictures, places, transit
from alatau_sim.report.html import write_page
from alatau_sim.report.indicators import Context
from alatau_sim.report.page import Block, Note, Page, Section
from alatau_sim.report.read import Missing, Source
from alatau_sim.report.words import Words
from alatau_sim.results.compare import compare
from alatau_sim.results.dataset import Study, open_study
from alatau_sim.results.files import replacing

LONGEST_LABEL = 48
KPIS = {
    "peaks": ("peak_load", "electricity_wanted", "electricity_unserved", "outage_hours_per_home"),
    "transit": ("boardings", "transit_wait", "left_behind", "transit_share"),
    "homes": ("dwellings", "vacancy", "home_rent", "homes_completed"),
    "jobs": ("jobs", "unemployment", "mean_wage", "firms", "revenue", "taxes_to_city_budget"),
    "adoption": ("wallet_user_share", "crypto_shop_share", "crypto_payment_share", "crypto_acceptance"),
    "payments": ("payments_value", "lost_sales", "crypto_wait", "crypto_outage"),
    "people": ("population", "arrivals", "departures", "household_income"),
}


def report(
    out: str | Path,
    *,
    baseline: str | None = None,
    language: str = "en",
    file: str | Path | None = None,
    figures: str | Path | None = None,
    form: str = "png",
    declared: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Path]:
    """Write the report of a study (by default `report.html` in its folder) and its figures; returns the paths written.

    `declared` says of parameters, by key, their unit, meaning, evidence and source, where the study does not (`parameters.json`).
    """
    words = Words(language)
    pictures.check_form(form)
    study = open_study(out)
    page = compose(study, words, baseline, declared or {})
    text = write_page(page, words)
    path = Path(file) if file is not None else study.folder / "report.html"
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")
    return [path, *(pictures.write_figures(page, words, Path(figures), form) if figures is not None else [])]


def compose(study: Study, words: Words, baseline: str | None = None, declared: Mapping[str, Mapping[str, Any]] | None = None) -> Page:
    """The page of a study."""
    comparison = compare(study, baseline)
    source = Source(study, comparison.baseline)
    ctx = Context(source, words, comparison, _labels(source), declared or {})
    districts = places.districts_of(ctx)
    sections = [
        _section(ctx, "short", lambda: indicators.headline(ctx)),
        _section(ctx, "maps", lambda: maps.map_figure(source, words, ctx.labels)),
        _section(ctx, "breaks", lambda: breaks.breaks(ctx, districts)),
        _section(
            ctx,
            "load",
            lambda: electric.load_figures(ctx),
            _kpis(ctx, "peaks"),
            lambda: electric.peak_figure(ctx),
            lambda: [electric.peak_days(ctx)],
            lambda: electric.substation_figure(ctx),
            lambda: electric.district_figure(ctx, districts) if districts else [],
        ),
        _section(ctx, "transit", _kpis(ctx, "transit"), lambda: transit.line_load(ctx), lambda: transit.lines_figure(ctx)),
        _section(ctx, "homes", _kpis(ctx, "homes"), lambda: places.works_figure(ctx)),
        _section(ctx, "jobs", _kpis(ctx, "jobs"), lambda: places.sectors_figure(ctx), lambda: [places.anchors_table(ctx)]),
        _section(ctx, "payments", _kpis(ctx, "adoption"), lambda: places.wallets_figure(ctx), _kpis(ctx, "payments")),
        _section(ctx, "people", _kpis(ctx, "people")),
        _section(ctx, "districts", lambda: places.district_growth(ctx, districts)),
        _section(ctx, "inputs", lambda: about.inputs(ctx)),
        _section(ctx, "assumptions", lambda: about.assumptions(ctx)),
        _section(ctx, "manifest", lambda: about.manifest(ctx)),
    ]
    descriptions = [str(source.resolved(name).get("description") or "") for name in source.scenarios]
    scenarios = [(label, colour, dash, text) for (label, colour, dash), text in zip(ctx.legend, descriptions, strict=True)]
    return Page(study.folder.resolve().name, _lead(ctx), words.language, _facts(ctx), sections, scenarios)


def _kpis(ctx: Context, name: str) -> Callable[[], list[Block]]:
    return lambda: [indicators.kpi_figure(ctx, name, KPIS[name])]


def _section(ctx: Context, name: str, *makers: Callable[[], Iterable[Block]]) -> Section:
    """The blocks of a section; where a table or column is missing, a sentence says so and the others go on."""
    blocks: list[Block] = []
    for make in makers:
        try:
            blocks += make()
        except Missing as missing:
            key = "missing_column" if missing.column else "missing_table"
            blocks.append(Note(ctx.words(key, table=missing.table, column=missing.column), "missing"))
    text = ctx.words(f"x_{name}") if name in ("inputs", "assumptions", "manifest") else ""
    return Section(name, ctx.words(f"s_{name}"), blocks, text)


def _labels(source: Source) -> list[str]:
    """The scenarios' titles, shortened; their names where a title is missing or another's, too."""
    titles = [str(source.resolved(name).get("title") or name) for name in source.scenarios]
    short = [title if len(title) <= LONGEST_LABEL else title[: LONGEST_LABEL - 1].rstrip() + "…" for title in titles]
    return [label if short.count(label) == 1 else f"{label} ({name})" for label, name in zip(short, source.scenarios, strict=True)]


def _lead(ctx: Context) -> str:
    others, base = ctx.labels[1:], ctx.labels[0]
    if not others:
        return base
    return (
        ctx.words("against_one", scenario=others[0], baseline=base)
        if len(others) == 1
        else ctx.words("against", n=len(others), baseline=base)
    )


def _period(ctx: Context) -> str:
    times = ctx.series[0]
    first, last = times[0], times[-1]
    run: Mapping[str, Any] = ctx.source.resolved(ctx.source.baseline).get("run", {})
    try:
        start, end = ([int(part) for part in str(run[key]).split("-")] for key in ("start", "end"))
        return f"{ctx.words.day(*start)} – {ctx.words.day(*end)}"
    except (KeyError, ValueError, TypeError):
        return f"{ctx.words.month(first)} – {ctx.words.month(last)}"


def _facts(ctx: Context) -> list[tuple[str, str]]:
    words, source = ctx.words, ctx.source
    resolved = source.resolved(source.baseline)
    counts = sorted({len(runs) for runs in source.runs.values()})
    worlds = {run.world for run in source.study.runs if run.world > 0}
    residents = (resolved.get("city") or {}).get("residents")
    share = (resolved.get("run") or {}).get("sample") or 1.0
    weight = round(1 / share) if isinstance(share, int | float) and share > 0 else 1
    facts = [
        (words("scenarios"), str(len(source.scenarios))),
        (words("runs"), words("runs_each", runs=" … ".join(map(str, counts)))),
        (words("worlds"), str(len(worlds)) if worlds else words("worlds_none")),
        (words("period"), _period(ctx)),
    ]
    if isinstance(residents, int | float) and np.isfinite(residents):
        facts.append((words("people_start"), words.number(residents)))
    facts.append((words("sample"), words("sample_of", w=weight) if weight > 1 else words("sample_all")))
    return facts
