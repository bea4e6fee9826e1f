"""What a model is and does, in text: its plan with an estimate of cost, its rules, and the days of one resident."""

from __future__ import annotations

import inspect
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import alatau_sim
from alatau_sim.composition import composed
from alatau_sim.engine.binding import bind
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.plan import Item, compose_schema, plan_rows
from alatau_sim.engine.rule import Rule
from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.fields import Param
from alatau_sim.model import CityModel
from alatau_sim.results.recorder import Recorder

PROBE_DAYS = 31
PACKAGE = Path(alatau_sim.__file__).parent


# --- alatau plan -----------------------------------------------------------------------------------------------------------


def plan_report(scenario: Any, *, rule_files: Sequence[str] = (), plugins: Sequence[str] = ()) -> str:
    """The plan as a table, with the time of each item, and what a whole run will take, measured over the run's first month."""
    began = time.perf_counter()
    with CityModel(scenario, rule_files=rule_files, plugins=plugins) as model, tempfile.TemporaryDirectory() as folder:
        built_s = time.perf_counter() - began
        spent: Counter[str] = Counter()
        model.sim.around_item = _stopwatch(spent)
        recorder = Recorder(Path(folder), scenario.name, 0, 0, model.result_tables, model.kpis, labels=model.labels)
        model.observe(recorder)
        days = min(PROBE_DAYS, model.days)
        began = time.perf_counter()
        for _ in range(days):
            model.step()
        probe_s = time.perf_counter() - began
        recorder.finish()
        lines = _plan_lines(model.plan, spent, days)
        lines += _estimate_lines(model, days, built_s, probe_s, Path(folder))
    return "\n".join(lines)


def _stopwatch(spent: Counter[str]) -> Callable[[Item, Callable[[], None]], None]:
    def around(item: Item, run: Callable[[], None]) -> None:
        began = time.perf_counter()
        run()
        spent[f"{item.phase} {item.domain} {item.name}"] += time.perf_counter() - began  # type: ignore[assignment]

    return around


def _plan_lines(items: Sequence[Item], spent: Counter[str], days: int) -> list[str]:
    rows = [("phase", "item", "kind", "domain", "every", "ms/day", "reads", "writes")]
    for item, (phase, name, kind, domain, every, reads, writes) in zip(items, plan_rows(items), strict=True):
        each = 1000 * spent[f"{item.phase} {item.domain} {item.name}"] / days
        rows.append((phase, name, kind, domain, every.removeprefix("1 "), f"{each:.2f}", _short(reads), _short(writes)))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _estimate_lines(model: CityModel, days: int, built_s: float, probe_s: float, folder: Path) -> list[str]:
    """Time, memory and disk of a whole run, from the probe. Monthly tables grow by the month, yearly ones by the year."""
    run = model.scenario.run
    months = (run.end.year - run.start.year) * 12 + run.end.month - run.start.month + 1
    probed = {"hour": days, "day": days, "month": 1 if days < PROBE_DAYS else days / 30.4, "year": 1}
    whole = {"hour": model.days, "day": model.days, "month": months, "year": run.end.year - run.start.year + 1}
    period = {table.name: table.period for table in model.result_tables} | {"kpi_month": "month"}
    written = {path.name: sum(part.stat().st_size for part in path.rglob("*.arrow")) for path in folder.iterdir() if path.is_dir()}
    disk = sum(size * whole[period[name]] / probed[period[name]] for name, size in written.items() if name in period)
    people, households, zones = (model.sim.tables[name].n for name in ("residents", "households", "zones"))
    columns = sum(table.nbytes for table in model.sim.tables.values())
    memory = psutil.Process().memory_info().rss
    runs = max(1, run.replicates) * (run.worlds + 1)
    one_s = built_s + probe_s / days * model.days
    return [
        "",
        f"{people:,} residents in {households:,} households and {zones} zones; {model.days:,} days; measured over {days} days",
        f"one run     {one_s:8.1f} s  ({built_s:.1f} s to build the city, {1000 * probe_s / days:.1f} ms a day)",
        f"all runs    {one_s * runs:8.1f} s  on one core: {runs} run{'s' if runs > 1 else ''} of this scenario",
        f"memory      {memory / 1e6:8.0f} MB a process ({columns / 1e6:.0f} MB of columns)",
        f"disk        {disk * runs / 1e6:8.1f} MB",
        "The population's growth within the run is not counted.",
    ]


# --- alatau rules ----------------------------------------------------------------------------------------------------------


def rules_report(name: str | None = None, *, rule_files: Sequence[str] = (), plugins: Sequence[str] = ()) -> str:
    """Every rule with what it reads and writes, its parameters and where its source is; of one named rule, the source too."""
    parts = composed(rule_files, plugins)
    schema = compose_schema(parts)
    rules = [(domain, rule) for domain in parts for rule in domain.rules]
    if name is not None:
        found = [(domain, rule) for domain, rule in rules if rule.name == name]
        if not found:
            raise InputError(f"there is no rule {name!r}{did_you_mean(name, [rule.name for _, rule in rules])}")
        return "\n\n".join([*(_rule_text(*pair, schema) for pair in found), *(inspect.getsource(rule.fn).rstrip() for _, rule in found)])
    return "\n\n".join(_rule_text(domain, rule, schema) for domain, rule in rules)


def _rule_text(domain: Domain, rule: Rule, schema: Any) -> str:
    sources = bind(replace(rule, domain=domain.name), schema)
    writes = f"grid {rule.into}" if rule.into else ", ".join(rule.writes)
    over = f" over {rule.over}" if rule.over else ""
    lines = [
        f"{rule.name} · {domain.name} · {rule.kind} of {rule.of}{over} · every {rule.every.split()[1]}",
        f"  {rule.meaning}",
        f"  reads   {', '.join(dict.fromkeys(source.reads for source in sources if source.kind != 'hour')) or 'nothing'}",
        f"  writes  {writes}",
    ]
    if rule.draws:
        lines.append(f"  draws   {', '.join(rule.draws)}")
    lines += [f"  rules.{rule.name}.{key} = {_parameter(declared)}" for key, declared in rule.params.items()]
    file = Path(inspect.getsourcefile(rule.fn) or "?")
    inside = file.is_relative_to(PACKAGE)
    shown = file.relative_to(PACKAGE.parent) if inside else file
    lines.append(f"  source  {shown.as_posix()}:{inspect.getsourcelines(rule.fn)[1]}")
    return "\n".join(lines)


def _parameter(declared: Param) -> str:
    source = f", {declared.source}" if declared.source else ""
    return f"{declared.default!r}  ({declared.meaning}; {declared.allowed()}; {declared.evidence}{source})"


# --- alatau follow ---------------------------------------------------------------------------------------------------------


def follow_report(
    scenario: Any, resident: int | str, *, days: int | None = None, rule_files: Sequence[str] = (), plugins: Sequence[str] = ()
) -> Iterator[str]:
    """What each rule saw and decided for one resident and the household, line by line, until the run ends or the resident is gone.

    `resident` is an id, or `first` for the first resident of the city.
    """
    with CityModel(scenario, rule_files=rule_files, plugins=plugins) as model:
        sim = model.sim
        lines: list[str] = []
        steps = min(days or model.days, model.days)
        last = model.date + timedelta(days=steps - 1)

        def around(item: Item, run: Callable[[], None]) -> None:
            table = item.runner.rule.of if item.runner is not None else ""
            row = _row(sim, table, ids[table]) if table in ids else -1
            if row < 0 or item.runner is None or sim.clock.date > last:  # a step also opens the day after it
                run()
                return
            seen, decided = item.runner.explain(sim, row)
            before = {name: sim.tables[table][name][row].item() for name in item.runner.rule.writes}
            run()
            lines.append(_decision(sim, item, row, seen, decided, before))

        who = _resident(model, resident)
        ids = {"residents": who, "households": _household(sim, who)}
        yield f"resident {who} of household {ids['households']}, {scenario.name}, from {model.date}"
        sim.around_item = around
        for _ in range(steps):
            model.step()
            yield from lines
            lines.clear()
            if _row(sim, "residents", who) < 0:
                yield f"{model.date}  the resident has died or left the city"
                return
            ids["households"] = _household(sim, who)


def _resident(model: CityModel, wanted: int | str) -> int:
    """The id of the resident that is asked for."""
    first = model.sim.tables["residents"].id[:5].tolist()
    if wanted == "first" and first:
        return int(first[0])
    number = int(wanted) if str(wanted).isdecimal() else -1
    if not 0 <= number < 2**63 or _row(model.sim, "residents", number) < 0:
        some = ", ".join(map(str, first))
        raise InputError(f"on {model.date} there is no resident {wanted}; the first are {some} (`--resident first` takes the first)")
    return number


def _row(sim: Any, table: str, row_id: int) -> int:
    return int(sim.tables[table].rows_of(np.array([row_id], np.int64))[0])


def _household(sim: Any, resident: int) -> int:
    at = sim.tables["residents"]["household"][_row(sim, "residents", resident)]
    return int(sim.tables["households"].id[at]) if at >= 0 else 0


def _decision(sim: Any, item: Item, row: int, seen: dict[str, Any], decided: Any, before: dict[str, Any]) -> str:
    assert item.runner is not None
    rule, table = item.runner.rule, sim.tables[item.runner.rule.of]
    saw = ", ".join(f"{name}={_value(sim, rule.of, name, value)}" for name, value in seen.items())
    if rule.writes:
        after = {name: table[name][row].item() for name in rule.writes}
        did = "; ".join(
            f"{name} {_value(sim, rule.of, name, before[name])} → {_value(sim, rule.of, name, after[name])}"
            if before[name] != after[name] else f"{name} stays {_value(sim, rule.of, name, after[name])}" for name in rule.writes
        )  # fmt: skip
    else:
        did = f"{decided} to {rule.into}" if decided is not None else f"an amount by the hour to {rule.into}"
    return f"{sim.clock.date}  {rule.of[:-1]:9s}  {rule.name:20s}  saw {saw or 'nothing'}  →  {did}"


def _value(sim: Any, table: str, name: str, value: Any) -> str:
    """A value in words: a category's label, a row's name, three digits of a fraction."""
    column = sim.schema.columns[table].get(name)
    if column is not None and column.labels and 0 <= int(value) < len(column.labels):
        return column.labels[int(value)]
    if column is not None and column.index in sim.names and int(value) >= 0:
        return str(sim.names[column.index][int(value)])
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.3g}"
