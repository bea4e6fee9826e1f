"""Differences between the scenarios of a study, indicator by indicator, with what is luck and what is not known.

*Luck*: in world 0, replicate r of a scenario is paired with replicate r of the baseline; the 95 % interval of the mean difference is
Student's t over the pairs, or on request a bootstrap. *Not known*: where worlds were drawn, the range P10 … P90 of the worlds' mean
differences. *Many at once*: the verdicts of one scenario and year are corrected for the number of indicators (Benjamini and Hochberg 1995).
Reads Arrow and JSON only.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.results.changes import Change, Changes
from alatau_sim.results.compare_text import text_of
from alatau_sim.results.dataset import KpiInfo, RunRecord, Study, open_study
from alatau_sim.results.evidence import Evidence
from alatau_sim.results.inputs import InputChange, input_changes
from alatau_sim.results.mixture import check_inputs, mixed_meanings, mixture_notes
from alatau_sim.results.numbers import screen_width
from alatau_sim.results.statistics import Bootstrap, interval
from alatau_sim.results.where import Place, Places, Where
from alatau_sim.results.yearly import Run, Yearly, central_mean, yearly_values, years_of

__all__ = ["Change", "Comparison", "Run", "Yearly", "central_mean", "compare", "interval", "same_bytes", "yearly_values"]

TOP = 3
"""Indicators of a scenario for which `where="top"` looks into zones, hours and groups."""
METHODS = {None: "Student's t", "percentile": "bootstrap (percentile)", "bca": "bootstrap (BCa)"}


@dataclass(frozen=True)
class Comparison:
    """All changes of a study against its baseline. `identical` lists scenarios whose every part is the baseline's, byte for byte.

    `inputs` are the differences of each scenario's inputs, `where` the places with the largest changes of the indicators that were looked
    into (`asked`: by name), `evidence` the parameters' evidence by theme, `method` says how intervals were made.
    """

    study: str
    baseline: str
    scenarios: list[str]
    identical: list[str]
    changes: list[Change]
    notes: list[str]
    inputs: dict[str, list[InputChange]] = field(default_factory=dict)
    where: list[Where] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    method: str = METHODS[None]
    asked: tuple[str, ...] = ()

    @property
    def years(self) -> list[int]:
        """The years with values, in order."""
        return sorted({change.year for change in self.changes})

    def of_year(self, year: int | None = None) -> list[Change]:
        """The changes of one year, by default the last."""
        wanted = (self.years[-1] if self.years else None) if year is None else year
        return [change for change in self.changes if change.year == wanted]

    def text(self, year: int | None = None, *, width: int | None = None, every: bool = False) -> str:
        """The comparison of one year (by default the last) for reading in a terminal.

        It shows the indicators that differ by a hundredth or more and counts the others; with `every`, it lists all, those that do not
        differ below. Of indicators that were asked for by `where`, it shows the places instead.
        """
        return text_of(self, year, width or screen_width(), every)

    def json(self) -> str:
        """Everything as JSON."""
        plain = {
            **{name: getattr(self, name) for name in ("study", "baseline", "method", "scenarios", "identical", "notes")},
            "inputs": {name: [vars(one) for one in found] for name, found in self.inputs.items()},
            "evidence": {theme: vars(one) for theme, one in self.evidence.items()},
            "where": [asdict(one) for one in self.where],
        }
        head = json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False)
        # a change a line: the compiled encoder is many times faster than one that indents
        rows = ",\n".join("  " + json.dumps(vars(change), ensure_ascii=False, allow_nan=False) for change in self.changes)
        return head[: head.rindex("\n}")] + f',\n "changes": [\n{rows}\n ]\n}}\n'

    def csv(self) -> str:
        """All changes as CSV, one row an indicator, year and scenario; of indicators asked for by `where`, one row a place."""
        if not self.asked:
            return _csv(list(Change.__dataclass_fields__), [vars(change) for change in self.changes])
        shared = [name for name in Where.__dataclass_fields__ if name not in ("places", "alone", "count")]
        rows = [{**{name: getattr(one, name) for name in shared}, **vars(place)} for one in self.where for place in one.places]
        return _csv([*shared, *Place.__dataclass_fields__], rows)


def _csv(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    target = io.StringIO()
    writer = csv.DictWriter(target, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


def compare(
    out: str | Path | Study, baseline: str | None = None, *, bootstrap: Bootstrap | None = None,
    where: Sequence[str] | Literal["top"] = (), year: int | None = None,
) -> Comparison:
    """Compare every scenario of a study with the baseline: the one named, else `baseline`, else the first by name.

    `bootstrap` makes the intervals by resampling the pairs (percentile or bca) instead of Student's t; the verdicts stay with t.
    `where` names indicators to look into by zone, hour and group in `year` (the last that both have, unless given); `top` takes the three
    of each scenario with the largest clear change.
    """
    if bootstrap not in METHODS:
        raise InputError(f"bootstrap {bootstrap!r}: it must be percentile or bca")
    study = out if isinstance(out, Study) else open_study(out)
    scenarios = study.scenarios
    base = baseline or ("baseline" if "baseline" in scenarios or not scenarios else min(scenarios))
    study.files("kpi_month")  # says what is wrong with a study that has no complete run
    if base not in scenarios:
        raise InputError(f"{study.folder}: there is no complete run of a baseline {base!r}{did_you_mean(base, scenarios)}")
    check_inputs(study)
    infos, others = study.kpis(), sorted(name for name in scenarios if name != base)
    asked = () if where == "top" else _known_kpis(study, where, infos)
    left_out = mixed_meanings(study, "kpis")
    work = Changes(study, base, others, set(left_out), bootstrap)
    for each in years_of(study):
        work.add(each)
    if not work.found:
        raise InputError(f"{study.folder}: no indicator can be compared\n" + "\n".join(mixture_notes(study, left_out)))
    notes = [*work.notes(), *mixture_notes(study, left_out)]
    notes += [f"not counted: {run.name} ({run.problem})" for run in study.unfinished]
    notes += [f"{year} has {count} of its 12 months" for year, count in sorted(work.months.items()) if count < 12]
    places = _places(study, work, asked, year) if where else []
    return Comparison(
        study.folder.name, base, [base, *others], [name for name in others if same_bytes(study, name, base)], work.found, notes,
        {name: input_changes(study, base, name) for name in others}, places, work.evidence, METHODS[bootstrap], asked,
    )


def _known_kpis(study: Study, names: Sequence[str], infos: Mapping[str, KpiInfo]) -> tuple[str, ...]:
    for name in names:
        if name not in infos:
            raise InputError(f"{study.folder}: there is no indicator {name!r}{did_you_mean(name, infos)}")
    return tuple(names)


def _places(study: Study, work: Changes, asked: Sequence[str], year: int | None) -> list[Where]:
    """The zones, hours and groups of the indicators that were asked for, or of those with the largest clear change."""
    places, infos, found = Places(study, work.base), study.kpis(), []
    for name in work.others:
        own = [change for change in work.found if change.scenario == name and change.pairs]
        shown = max((change.year for change in own), default=None) if year is None else year
        chosen = [change for change in own if change.year == shown]
        chosen = [change for change in chosen if change.kpi in asked] if asked else largest(chosen)
        replicates = sorted(set.intersection(*(
            {run.replicate for run in study.runs if run.scenario == one and run.world == 0} for one in (name, work.base)
        )))
        looked = 0
        for change in chosen:
            if looked == TOP and not asked:
                break
            values = {one: work.value(change.kpi, change.year, one, replicates[0]) for one in (work.base, name)}
            ways = places.of(infos[change.kpi], name, change.year, replicates, values)
            looked += bool(ways)
            found += ways
    return found


def largest(changes: Sequence[Change]) -> list[Change]:
    """The clear changes that are not slight, by their size beside the baseline; the largest of each theme before all others."""
    found = [change for change in changes if change.clear and change.relative is not None and not change.slight]
    found.sort(key=lambda change: -abs(change.relative or 0.0))
    first = {change.theme: change for change in reversed(found)}.values()
    return [*(one for one in found if one in first), *(one for one in found if one not in first)]


def same_bytes(study: Study, one: str, other: str) -> bool:
    """Whether the runs that both scenarios have (same world and replicate) wrote the same parts with the same hashes."""

    def hashes(scenario: str) -> dict[Run, dict[str, str]]:
        runs = [run for run in study.runs if run.scenario == scenario]
        return {(run.world, run.replicate): _hashes(run) for run in runs}

    ours, theirs = hashes(one), hashes(other)
    shared = set(ours) & set(theirs)
    return bool(shared) and all(ours[run] == theirs[run] for run in shared)


def _hashes(run: RunRecord) -> dict[str, str]:
    """Hash by table and year's part: the part's path without the run's own folders."""
    return {f"{path.split('/')[0]}/{path.split('/')[-1]}": part["sha256"] for path, part in run.manifest["parts"].items()}
