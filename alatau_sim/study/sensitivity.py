"""Which parameters drive an indicator: Morris's elementary effects and Sobol's indices through SALib, over declared ranges and spreads.

Every point is an ordinary run of a study, so that it can be stopped, resumed and spread over workers. All points share their luck: the
indicator is a function of the parameters. Parameters are varied by the probability of their spread, 0 to 1; for Morris, whose points
lie on the ends, normal and lognormal spreads are cut to their middle 95 %. Morris (1991) ranks many parameters with few runs
(samples × (parameters + 1)); Sobol's total index (Saltelli 2010; Jansen 1999) is the share of the variance that a parameter takes part in
(samples × (parameters + 2) runs). Neither says anything of parameters that were not varied.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from alatau_sim.errors import InputError, StudyError, did_you_mean
from alatau_sim.results.files import replacing
from alatau_sim.results.numbers import number, screen_width
from alatau_sim.study.inputs import Inputs
from alatau_sim.study.plan import Case, vary
from alatau_sim.study.run import Plan, Session, StudyResult
from alatau_sim.study.sweep import Span, swept_keys

Method = Literal["morris", "sobol"]
SAMPLES = {"morris": 10, "sobol": 64}
LEVELS = 4
WHERE = "--params"
EVERYTHING = ("world.*", "rules.*")
MOST_BARS = 30
MISSING: dict[str, Any] = dict.fromkeys(("total", "total_ci", "first", "first_ci", "spread"), math.nan)


@dataclass(frozen=True)
class Effect:
    """One parameter's effect on the indicator.

    Morris: `total` is mu*, the mean size of the change between the ends of the range, in the indicator's unit; `first` is mu, with sign;
    `spread` is sigma, from interactions and curvature. Sobol: `total` and `first` are the shares of variance ST and S1, `spread` is NaN.
    `total_ci` and `first_ci` are half-widths of 95 % intervals by bootstrap over the samples (Morris has none for mu).
    """

    parameter: str
    total: float
    total_ci: float
    first: float
    first_ci: float
    spread: float
    low: float
    high: float
    unit: str
    evidence: str
    meaning: str


@dataclass(frozen=True)
class Sensitivity:
    """The effects on one indicator, largest first."""

    method: Method
    kpi: str
    unit: str
    year: int
    samples: int
    runs: int
    effects: tuple[Effect, ...]
    study: StudyResult | None = None
    files: tuple[Path, ...] = ()

    def text(self) -> str:
        """The effects as a table for reading."""
        import io

        from rich.console import Console
        from rich.table import Table

        total, first = ("mu*", "mu") if self.method == "morris" else ("ST", "S1")
        shown = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("parameter", total, "±", first, *(["sigma"] if self.method == "morris" else ["±"]), "from", "to", "unit", "evidence"):
            shown.add_column(name, justify="left" if name in ("parameter", "unit", "evidence") else "right", overflow="fold")
        for one in self.effects:
            last = one.spread if self.method == "morris" else one.first_ci
            numbers = (one.total, one.total_ci, one.first, last, one.low, one.high)
            shown.add_row(one.parameter, *(number(value) for value in numbers), one.unit, one.evidence)
        target = io.StringIO()
        Console(file=target, width=screen_width(), color_system=None, highlight=False, markup=False, emoji=False).print(shown)
        head = f"{self.kpi} [{self.unit}] in {self.year}: {self.method}, {self.samples} samples, {self.runs} points"
        return "\n".join([head, *(line.rstrip() for line in target.getvalue().splitlines())]) + "\n"

    def csv(self) -> str:
        """The effects as CSV."""
        from alatau_sim.results.runs import as_csv

        return as_csv([_plain(one) for one in self.effects], [field.name for field in fields(Effect)])

    def json(self) -> str:
        """Everything as JSON."""
        head = {name: getattr(self, name) for name in ("method", "kpi", "unit", "year", "samples", "runs")}
        return json.dumps({**head, "effects": [_plain(one) for one in self.effects]}, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _plain(effect: Effect) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in asdict(effect).items()}


def sensitivity(
    scenario_path: str | Path,
    kpi: str,
    out: Any = None,
    *,
    method: Method = "morris",
    params: Sequence[str] = EVERYTHING,
    samples: int | None = None,
    seed: int = 1,
    year: int | None = None,
    replicates: int | None = None,
    inputs: Inputs | None = None,
    **how: Any,
) -> Sensitivity:
    """Vary the parameters of one scenario, run what is not there yet, and say which of them drive an indicator.

    `params` are dotted keys, `prefix*` takes all with a spread. `samples` are trajectories (Morris) or base points (Sobol, a power of two).
    `how` goes to `Session`: workers, cluster, resume, force, progress, model. Files are written beside the runs.
    """
    _library()
    inputs = inputs or Inputs()
    base = inputs.load(scenario_path)
    spans = swept_keys(params, base, inputs.composition(), WHERE)
    count = samples or SAMPLES[method]
    points = unit_points(method, spans, count, seed)
    if how.get("model") is None:
        known = {one.name for domain in inputs.domains() for one in domain.kpis}
        if kpi not in known:
            raise InputError(f"--kpi: there is no indicator {kpi!r}{did_you_mean(kpi, known)}")
    cases = [
        Case(base.name, number, {span.key: span.at(p) for span, p in zip(spans, point, strict=True)}, method)
        for number, point in enumerate(points, start=1)
    ]
    composition, origin = inputs.composition(), (WHERE, None)
    scenarios = tuple(vary(base, case, composition, origin) for case in cases)
    repeats = base.run.replicates if replicates is None else replicates
    plan = Plan(f"{base.name}_{method}", scenarios, inputs, repeats, 0, {case.name: case for case in cases})
    with Session(plan, out, **how) as session:
        if not isinstance(session.out, Path):
            raise InputError(f"{session.out}: a sensitivity study is read when it has run, so it needs a folder and no object store")
        session.watcher.note(f"{method}: {len(spans)} parameters, {len(cases)} points, {len(cases) * repeats} runs")
        session.do(session.jobs(repeats))
        study = session.finish()
    if study.exit_code:
        raise _incomplete(study)
    values, unit, last = _values(study.out, kpi, [case.name for case in cases], year)
    effects = analyse(method, spans, points, values, seed)
    found = Sensitivity(method, kpi, unit, last, count, len(cases), effects, study)
    return replace(found, files=tuple(_write(found, study.out)))


def _incomplete(study: StudyResult) -> StudyError:
    bad = [outcome.name for outcome in study.outcomes if outcome.how not in ("done", "kept")]
    names = f"{', '.join(bad[:5])}{' …' if bad[5:] else ''}"
    message = f"{study.out}: {len(bad)} of {len(study.outcomes)} runs are not whole ({names}), and the method needs all"
    error = StudyError(f"{message}; the same command with --resume goes on")
    error.exit_code = study.exit_code
    return error


def analyse(method: Method, spans: Sequence[Span], points: Any, values: Sequence[float], seed: int) -> tuple[Effect, ...]:
    """The effects that follow from points of the unit cube and the indicator's values there, largest first."""
    import numpy as np

    y = np.asarray(values, np.float64)
    problem = _problem(spans)
    if y.std() == 0:  # nothing that was varied has any effect; the indices would be 0/0
        none = np.zeros(len(spans))
        found = {"total": none, "total_ci": none, "first": none, "first_ci": none, "spread": none}
    elif method == "morris":
        from SALib.analyze import morris

        ends = np.array([_ends(method, span) for span in spans])
        unit = (np.asarray(points) - ends[:, 0]) / (ends[:, 1] - ends[:, 0])  # 0 and 1 are the ends of each range
        made = morris.analyze(problem, unit, y, num_levels=LEVELS, seed=seed)
        found = {"total": made["mu_star"], "total_ci": made["mu_star_conf"], "first": made["mu"], "spread": made["sigma"]}
    else:
        from SALib.analyze import sobol

        made = sobol.analyze(problem, y, calc_second_order=False, seed=seed)
        found = {"total": made["ST"], "total_ci": made["ST_conf"], "first": made["S1"], "first_ci": made["S1_conf"]}
    rows = []
    for k, span in enumerate(spans):
        numbers = {name: float(array[k]) for name, array in found.items()}
        low, high = (float(span.at(p)) for p in _ends(method, span))
        declared = span.declared
        rows.append(Effect(**{**MISSING, **numbers}, parameter=span.key, low=low, high=high, unit=declared.unit, evidence=declared.evidence,
                           meaning=declared.meaning))
    return tuple(sorted(rows, key=lambda effect: (-effect.total, effect.parameter)))


def _library() -> None:
    try:
        import SALib  # noqa: F401
    except ImportError:
        raise InputError("alatau sensitivity needs SALib: pip install 'alatau-sim[sensitivity]'") from None


def _problem(spans: Sequence[Span]) -> dict[str, Any]:
    return {"num_vars": len(spans), "names": [span.key for span in spans], "bounds": [[0.0, 1.0]] * len(spans)}


def unit_points(method: Method, spans: Sequence[Span], samples: int, seed: int) -> list[list[float]]:
    """Points of the unit cube, in probability of each parameter's spread."""
    if len(spans) < (2 if method == "morris" else 1):
        raise InputError(f"{WHERE}: {method} needs at least {2 if method == 'morris' else 1} parameters with a range or spread")
    if method == "morris":
        from SALib.sample import morris

        raw = morris.sample(_problem(spans), samples, num_levels=LEVELS, seed=seed)
    else:
        if samples & (samples - 1):
            raise InputError(f"--samples is {samples}; Sobol's method needs a power of two, such as {1 << samples.bit_length()}")
        from SALib.sample import sobol

        raw = sobol.sample(_problem(spans), samples, calc_second_order=False, seed=seed)
    scaled = raw.copy()
    for column, span in enumerate(spans):
        low, high = _ends(method, span)
        scaled[:, column] = low + (high - low) * raw[:, column]
    return scaled.tolist()


def _ends(method: Method, span: Span) -> tuple[float, float]:
    """The probabilities between which a parameter is varied."""
    endless = span.bounds is None and span.declared.spread.kind in ("normal", "lognormal")
    return (0.025, 0.975) if endless and method == "morris" else (0.0, 1.0)


def _values(out: Path, kpi: str, names: Sequence[str], year: int | None) -> tuple[list[float], str, int]:
    """The indicator's value at each point (the mean over replicates), its unit, and the year."""
    from alatau_sim.results.dataset import open_study
    from alatau_sim.results.yearly import yearly_values

    study = open_study(out)
    infos = study.kpis()
    if kpi not in infos:
        raise InputError(f"--kpi: there is no indicator {kpi!r}{did_you_mean(kpi, infos)}")
    yearly, _ = yearly_values(study)
    years = sorted(found for name, found in yearly if name == kpi)
    last = years[-1] if year is None and years else year
    if last is None or last not in years:
        raise InputError(f"--kpi: {kpi} has no value{f' in {year}; years: {years}' if years else ''}")
    runs = yearly[kpi, last]
    missing = [name for name in names if not runs.get(name)]
    if missing:
        raise InputError(f"--kpi: {kpi} is not defined in {last} in {len(missing)} runs, such as those of {missing[0]}")
    return [math.fsum(runs[name].values()) / len(runs[name]) for name in names], infos[kpi].unit, last


def _write(found: Sensitivity, out: Path) -> list[Path]:
    """The table and the chart, beside the runs."""
    stem = f"sensitivity-{found.kpi}-{found.method}"
    chart = tornado(found)
    import vl_convert

    spec = chart.to_dict()
    contents = {
        ".csv": found.csv().encode(), ".json": found.json().encode(), ".svg": vl_convert.vegalite_to_svg(spec).encode(),
        ".html": vl_convert.vegalite_to_html(spec, bundle=True).encode(), ".png": vl_convert.vegalite_to_png(spec, scale=2),
    }  # fmt: skip
    made = []
    for suffix, content in contents.items():
        path = out / f"{stem}{suffix}"
        with replacing(path) as aside:
            aside.write_bytes(content)
        made.append(path)
    return made


def tornado(found: Sensitivity) -> Any:
    """A bar for each parameter, the largest on top: the total effect with its interval, and the first-order effect as a tick."""
    import altair as alt

    total, first = ("mean size of the effect, mu*", "mean effect, mu") if found.method == "morris" else ("total share ST", "own share S1")
    shown = found.effects[:MOST_BARS]
    rows = [
        {"parameter": one.parameter, "total": one.total, "first": one.first,
         "low": one.total - one.total_ci, "high": one.total + one.total_ci} for one in shown
    ]  # fmt: skip
    order = [one.parameter for one in shown]
    axis = alt.Y("parameter:N", sort=order, title=None, axis=alt.Axis(labelLimit=400))
    unit = f" [{found.unit}]" if found.method == "morris" and found.unit else ""
    data = alt.Data(values=rows)
    bars = alt.Chart(data).mark_bar(color="#0072b2", height={"band": 0.7}).encode(
        y=axis, x=alt.X("total:Q", title=f"{total}{unit}; the tick is the {first}"),
        tooltip=["parameter:N", alt.Tooltip("total:Q", format=".4g"), alt.Tooltip("first:Q", format=".4g")],
    )  # fmt: skip
    rules = alt.Chart(data).mark_rule(color="#222222").encode(y=axis, x="low:Q", x2="high:Q")
    ticks = alt.Chart(data).mark_tick(color="#e69f00", thickness=3).encode(y=axis, x="first:Q")
    more = f"; {len(found.effects) - len(shown)} smaller ones are in the table" if len(found.effects) > len(shown) else ""
    title = {"text": f"What drives {found.kpi} in {found.year}", "subtitle": f"{found.method}, {found.runs} points; 95 % intervals{more}"}
    return (bars + rules + ticks).properties(title=title, width=480)
