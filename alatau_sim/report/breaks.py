"""What breaks first: by asset and year, how likely it is overloaded by then, what drives it, and the capacity that would last.

The limits are written in the report. Those of a bus line and of homes are assumed: LEFT_LIMIT riders left behind for a boarding, and
VACANT_LIMIT of the homes vacant as the year ends. A substation's load growth is known by homes, firms and electric buses, not by end use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.report import charts
from alatau_sim.report.cube import Cube, known
from alatau_sim.report.electric import plain_name, substation_use
from alatau_sim.report.indicators import Context, value
from alatau_sim.report.page import Figure, Note, Panel, Table
from alatau_sim.report.read import Missing, column

Floats = NDArray[np.float64]
LEFT_LIMIT = 0.05  # riders left behind for a boarding in a year (assumed)
VACANT_LIMIT = 0.01  # vacant homes among all as the year ends (assumed)
PATIENCE_S = 60.0  # what people wait for a payment, where the scenario does not say [s]
LASTS = 0.9  # share of the runs that the lasting capacity carries to the horizon
MOST_ASSETS = 24
LEAST_MONTHS = 24  # for growth between the first and the last twelve months


@dataclass
class Asset:
    """One thing that can be overloaded. `use`: (scenario, run, year), demand over capacity; above 1 it is overloaded.

    `capacity` and `lasting` are in words by scenario; `driver` likewise.
    """

    kind: str
    name: str
    use: Floats
    capacity: list[str]
    lasting: list[str]
    driver: list[str]
    years: list[int] = field(default_factory=list)


def probabilities(use: Floats) -> Floats:
    """By scenario and year: the share of runs in which the use was above 1 in that year or before; NaN where none recorded the year."""
    lived: Any = np.isfinite(use).any(axis=2)
    broken: Any = np.maximum.accumulate(np.nan_to_num(use) > 1.0, axis=2)
    runs = lived.sum(axis=1)[:, None]
    recorded: Any = np.isfinite(use).any(axis=1)
    return np.where(recorded, (broken & lived[:, :, None]).sum(axis=1) / np.maximum(runs, 1), np.nan)


def median_break(use: Floats, years: list[int]) -> int | None:
    """The year by which at least half of the runs (run, year) have been overloaded; None: later than the last year."""
    chances = probabilities(use[None])[0]
    found = np.flatnonzero(chances >= 0.5)
    return years[int(found[0])] if found.size else None


def lasting_use(use: Floats) -> float:
    """The highest use up to the horizon that LASTS of the runs (run, year) do not pass."""
    lived = use[np.isfinite(use).any(axis=1)]
    return float(np.quantile(np.nanmax(lived, axis=1), LASTS)) if len(lived) else math.nan


def _years(times: list[tuple[int, int]]) -> tuple[list[int], list[list[int]]]:
    years = sorted({year for year, _ in times})
    return years, [[t for t, (year, _) in enumerate(times) if year == one] for one in years]


def _summed(values: Floats, rows: list[list[int]]) -> Floats:
    """Months (axis 2) added up by year; NaN where a run has none."""
    return np.stack([np.where(np.isfinite(values[:, :, r]).any(axis=2), np.nansum(values[:, :, r], axis=2), np.nan) for r in rows], axis=2)


def _last_mean(runs: Floats) -> float:
    """The mean over the runs (run, year) in the last year that is known."""
    years = np.flatnonzero(np.isfinite(runs).any(axis=0))
    return float(known(runs[:, years[-1]]).mean()) if years.size else math.nan


def _first(values: Floats) -> list[float]:
    """By scenario, the first known number among the runs and years."""
    return [float(one[np.isfinite(one)][0]) if np.isfinite(one).any() else math.nan for one in values.reshape(len(values), -1)]


def substations(ctx: Context) -> list[Asset]:
    """Each substation: the year's highest hour over its capacity."""
    words, found = ctx.words, substation_use(ctx)
    drivers = _drivers(ctx)
    assets = []
    for k, name in enumerate(found.labels["substation"]):
        use, now = found["ratio"][..., k], _first(found["capacity"][..., k])
        lasting = [lasting_use(found["peak"][s, :, :, k]) / 1e6 for s in range(len(ctx.labels))]
        mw = words.unit("MW")
        assets.append(
            Asset(
                "k_substation",
                plain_name(name),
                use,
                [f"{words.number(one / 1e6)} {mw}" for one in now],
                [f"{words.number(_up(one))} {mw}" for one in lasting],
                drivers.get(name, ["–"] * len(ctx.labels)),
                [year for year, _ in found.times],
            )
        )
    return assets


def _up(number: float) -> float:
    """Two digits, rounded up."""
    if not math.isfinite(number) or number <= 0:
        return number
    step = 10.0 ** (math.floor(math.log10(number)) - 1)
    return float(f"{math.ceil(number / step - 1e-9) * step:.6g}")


def _drivers(ctx: Context) -> Mapping[str, list[str]]:
    """By substation, in words for each scenario: the use with the largest share of the growth (of a short study: of the load)."""
    try:
        places = ctx.source.gather("zones_energy_year", {"n": value("sum", ("wanted_wh",))}, ["zone", "substation"], step="year")
        of_zone = {
            zone: sub
            for z, zone in enumerate(places.labels["zone"])
            for k, sub in enumerate(places.labels["substation"])
            if np.isfinite(places["n"][:, :, -1, z, k]).any()
        }
        names = {"u_homes": "homes_wanted_wh", "u_firms": "firms_wanted_wh", "u_transit": "transit_wanted_wh"}
        found = ctx.source.gather(
            "zones_energy_month", {key: column(name) for key, name in names.items()}, ["zone"], regroup={"zone": of_zone}
        )
    except Missing:
        return {}
    said: dict[str, list[str]] = {}
    for k, substation in enumerate(found.labels["zone"]):
        said[substation] = []
        for s in range(len(ctx.labels)):
            grows = int(np.isfinite(found["u_homes"][s]).any(axis=(0, 2)).sum()) >= LEAST_MONTHS
            parts = {key: _grown(found[key][s, :, :, k], grows) for key in names}
            said[substation].append(_largest(ctx, parts, grows))
    return said


def _grown(months: Floats, grows: bool) -> float:
    """Growth between the first and the last twelve months, or else the sum, mean over the runs (run, month)."""
    lived = months[np.isfinite(months).any(axis=1)][:, np.isfinite(months).any(axis=0)]
    if not len(lived):
        return 0.0
    return float(
        (np.nansum(lived[:, -12:], axis=1) - np.nansum(lived[:, :12], axis=1)).mean() if grows else np.nansum(lived, axis=1).mean()
    )


def _largest(ctx: Context, parts: Mapping[str, float], grows: bool) -> str:
    gains = {key: gain for key, gain in parts.items() if gain > 0}
    if not gains:
        return "–"
    key = max(gains, key=lambda one: gains[one])
    return ctx.words(
        "drive_growth" if grows else "drive_load", use=ctx.words(key), share=ctx.words.percent(gains[key] / sum(gains.values()), digits=2)
    )


def lines(ctx: Context) -> list[Asset]:
    """Each bus line: riders left behind over boardings in the year, against LEFT_LIMIT."""
    words = ctx.words
    found = ctx.source.gather("lines_month", {name: column(name) for name in ("boardings", "left", "departures")}, ["line"])
    years, rows = _years(found.times)
    sums = {name: _summed(array, rows) for name, array in found.values.items()}
    assets = []
    for k, name in enumerate(found.labels["line"]):
        boarded, left, runs = (sums[one][..., k] for one in ("boardings", "left", "departures"))
        share = left / np.maximum(boarded, 1)
        days = np.array([len(r) for r in rows]) * 365.25 / 12
        daily = [_last_mean(one) for one in runs / days]
        most = [lasting_use(share[s]) for s in range(len(ctx.labels))]
        drive = [_change(one) for one in boarded]
        assets.append(
            Asset(
                "k_line",
                str(name),
                share / LEFT_LIMIT,
                [f"{words.number(_round(one))} {words.unit('departures')} {words.unit('1/day')}" for one in daily],
                [
                    f"{words.number(_up(one * (1 + extra)))} {words.unit('departures')} {words.unit('1/day')}"
                    if extra > LEFT_LIMIT
                    else "–"
                    for one, extra in zip(daily, most, strict=True)
                ],
                [words("drive_riders", share=words.percent(one, sign=True, digits=2)) if one is not None else "–" for one in drive],
                years,
            )
        )
    return assets


def _round(number: float) -> float:
    return float(f"{number:.3g}")


def _change(years: Floats) -> float | None:
    """Relative change from the first to the last year, mean over the runs (run, year); None of a single year."""
    lived = years[:, np.isfinite(years).any(axis=0)]
    lived = lived[np.isfinite(lived).all(axis=1)]
    if not len(lived) or lived.shape[1] < 2 or not lived[:, 0].mean():
        return None
    return float(lived[:, -1].mean() / lived[:, 0].mean() - 1)


def rails(ctx: Context) -> list[Asset]:
    """Each payment rail: the highest wait of an hour on days in service over people's patience."""
    words = ctx.words
    patience = _patience(ctx)
    in_service: Callable[..., Floats] = lambda wait, outage: np.where(outage > 0, np.nan, wait / patience)  # noqa: E731
    held: Callable[..., Floats] = lambda wait, wanted: np.where(wait <= patience, wanted, np.nan)  # noqa: E731
    found = ctx.source.gather(
        "rail_day",
        {
            "use": value("max", ("peak_wait_s", "outage_h"), in_service),
            "most": value("max", ("wanted", "outage_h"), lambda n, out: np.where(out > 0, np.nan, n)),
            "held": value("max", ("peak_wait_s", "wanted"), held),
            "capacity": column("capacity_per_s", "max"),
            "wanted": column("wanted"),
        },
        ["rail"],
        step="year",
    )
    assets = []
    for k, name in enumerate(found.labels["rail"]):
        now = [float(known(one).max(initial=0.0)) for one in found["capacity"][..., k]]
        unit = f"{words.unit('payments')} {words.unit('1/s')}"
        lasting = []
        for s, capacity in enumerate(now):
            held_most, most = found["held"][s, :, :, k], found["most"][s, :, :, k]
            factor = lasting_use(most) / max(float(known(held_most).max()), 1.0) if known(held_most).size else math.nan
            lasting.append(f"{words.number(_up(capacity * factor))} {unit}" if factor > 1 else "–")
        drive = [_change(one) for one in found["wanted"][..., k]]
        said = [words("drive_payments", share=words.percent(one, sign=True, digits=2)) if one is not None else "–" for one in drive]
        shown = [f"{words.number(one)} {unit}" for one in now]
        assets.append(Asset("k_rail", words.category(name), found["use"][..., k], shown, lasting, said, [year for year, _ in found.times]))
    return assets


def _patience(ctx: Context) -> float:
    world = ctx.source.resolved(ctx.source.baseline).get("world", {})
    return float(world.get("payments", {}).get("patience_s", PATIENCE_S))


def homes(ctx: Context, districts: Mapping[str, str]) -> list[Asset]:
    """Homes of each district: VACANT_LIMIT over the vacant share as the year ends."""
    words = ctx.words
    found = ctx.source.gather(
        "homes_month", {name: column(name) for name in ("dwellings", "vacant_dwellings")}, ["zone"], regroup={"zone": districts}
    )
    years, rows = _years(found.times)
    ends = [r[-1] for r in rows]
    world = ctx.source.resolved(ctx.source.baseline).get("world", {}).get("land", {})
    natural = float(world.get("natural_vacancy_share", 0.06))
    assets = []
    for k, name in enumerate(found.labels["zone"]):
        stock, vacant = found["dwellings"][:, :, ends, k], found["vacant_dwellings"][:, :, ends, k]
        share = vacant / np.maximum(stock, 1)
        use = np.where(stock > 0, np.minimum(VACANT_LIMIT / np.maximum(share, 1e-4), 100.0), np.nan)
        taken = stock - vacant
        unit = words.unit("dwellings")
        said = [
            words("drive_homes", a=words.percent(a, sign=True, digits=2), b=words.percent(b, sign=True, digits=2)) if a is not None else "–"
            for a, b in zip((_change(one) for one in taken), (_change(one) for one in stock), strict=True)
        ]
        now = [f"{words.number(_round(one))} {unit}" for one in _first(stock)]
        lasting = [f"{words.number(_up(lasting_use(one) / (1 - natural)))} {unit}" for one in taken]
        assets.append(Asset("k_homes", words.district(name), use, now, lasting, said, years))
    return assets


def breaks(ctx: Context, districts: Mapping[str, str]) -> list[Figure | Table | Note]:
    """The picture and the tables, with what is missing said."""
    words, notes, assets = ctx.words, [], []
    for make in (substations, lines, rails, lambda one: homes(one, districts)):
        try:
            assets += make(ctx)
        except Missing as missing:
            notes.append(
                Note(words("missing_column" if missing.column else "missing_table", table=missing.table, column=missing.column), "missing")
            )
    assets = [asset for asset in assets if np.isfinite(asset.use).any()]
    if not assets:
        return [*notes, Note(words("nothing_here"), "missing")]
    years = sorted({year for asset in assets for year in asset.years})
    blocks: list[Figure | Table | Note] = [_picture(ctx, assets, years), Note(words("x_breaks_table"), "note")]
    for s in range(len(ctx.labels)):
        chances = _chances(assets, years, len(ctx.labels))[:, s]
        broken = [a for a, asset in enumerate(assets) if np.isfinite(asset.use[s]).any() and np.nan_to_num(chances[a]).max() > 0]
        holding = [a for a, asset in enumerate(assets) if np.isfinite(asset.use[s]).any() and a not in broken]
        label = ctx.labels[s]
        named = f"{label}: {words('table_of_breaks')}"
        blocks.append(
            _table(ctx, s, named, broken, assets, years) if broken else Note(words("none_breaks", year=years[-1]), strong=f"{label}:")
        )
        if holding:
            blocks.append(_table(ctx, s, words("holding", scenario=label, n=len(holding)), holding, assets, years, folded=True))
    return [*blocks, *notes]


def _chances(assets: list[Asset], years: list[int], scenarios: int) -> Floats:
    """(asset, scenario, year)."""
    made = np.full((len(assets), scenarios, len(years)), np.nan)
    for a, asset in enumerate(assets):
        made[a][:, [years.index(year) for year in asset.years]] = probabilities(asset.use)
    return made


def _title(ctx: Context, asset: Asset) -> str:
    return f"{ctx.words(asset.kind)}: {asset.name}"


def _picture(ctx: Context, assets: list[Asset], years: list[int]) -> Figure:
    words = ctx.words
    chances = _chances(assets, years, len(ctx.labels))
    highest = np.nan_to_num(np.nanmax(np.where(np.isfinite(chances), chances, -1), axis=1))
    order = np.lexsort((-highest.sum(axis=1), -highest[:, -1]))
    order = np.array([a for a in order if highest[a, -1] > 0][:MOST_ASSETS] or order[:6])
    names = [_title(ctx, assets[a]) for a in order]
    cube = Cube({"asset": names, "scenario": ctx.labels, "year": [str(year) for year in years]}, {"mean": chances[order]})
    spec = charts.heat(words, names, [str(year) for year in years])
    text = words("x_breaks", left=f"{100 * LEFT_LIMIT:g}", vacant=f"{100 * VACANT_LIMIT:g}", patience=words.number(_patience(ctx)))
    return Figure(
        "breaks",
        words("first_breaks"),
        text,
        words("first_breaks"),
        cube,
        [Panel(label, spec, {"scenario": label}) for label in ctx.labels],
    )


def _table(ctx: Context, s: int, title: str, picked: list[int], assets: list[Asset], years: list[int], *, folded: bool = False) -> Table:
    words = ctx.words
    rows: list[list[str]] = []
    marks: dict[tuple[int, int], str] = {}
    marked = _marked_years(years)
    chances = _chances(assets, years, len(ctx.labels))[:, s]
    order = sorted(
        picked, key=lambda a: (-np.nan_to_num(chances[a, -1]), -np.nan_to_num(chances[a]).mean(), assets[a].kind, assets[a].name)
    )
    for a in order:
        asset, use = assets[a], assets[a].use[s]
        for i, year in enumerate(marked):
            chance = chances[a, years.index(year)]
            if chance > 0:
                marks[len(rows), 2 + i] = "hot" if chance >= 0.5 else "warm"
        rows.append(
            [
                words(asset.kind),
                asset.name,
                *(words.percent(float(chances[a, years.index(year)]), digits=2) for year in marked),
                _median(ctx, asset, use),
                asset.driver[s],
                asset.capacity[s],
                asset.lasting[s],
            ]
        )
    head = [
        words("kind"),
        words("asset"),
        *(words("p_by", year=year) for year in marked),
        words("median_year"),
        words("driver"),
        words("today"),
        words("lasting"),
    ]
    left = (0, 1, len(head) - 3)
    return Table(title, head, rows, left=left, marks=marks, folded=folded or s > 0, paper=not folded)


def _marked_years(years: list[int]) -> list[int]:
    """The years of the table's columns: all of few, else about four and the last."""
    if len(years) <= 4:
        return years
    step = math.ceil(len(years) / 4)
    return sorted(set(years[step - 1 :: step]) | {years[-1]})


def _median(ctx: Context, asset: Asset, use: Floats) -> str:
    found = median_break(use, asset.years)
    there: Any = np.isfinite(use).any(axis=0)
    lived = [asset.years[int(y)] for y in np.flatnonzero(there)]
    if found is None:
        return ctx.words("after", year=lived[-1])
    return ctx.words("already", year=found) if found == lived[0] else str(found)
