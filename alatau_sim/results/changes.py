"""The changes of indicators, year after year: pairs aligned on what both scenarios have, with intervals, corrected tests and shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.results.dataset import Study
from alatau_sim.results.evidence import founded_share, read_evidence
from alatau_sim.results.statistics import Bootstrap, Paired, adjusted, bootstrap_interval, paired, variance_components
from alatau_sim.results.sure import read_aim, with_aim
from alatau_sim.results.where import number_or_none
from alatau_sim.results.yearly import Run, YearOfRuns

SLIGHT = 0.01
"""Relative difference below which a short comparison does not list an indicator."""
FALSE_FINDS = 0.05
"""The share of false finds that verdicts may have, and one less the confidence of intervals."""


@dataclass(frozen=True)
class Change:
    """One indicator of one year in one scenario, beside the baseline; means are over the pairs of world 0.

    `months` are those that both recorded and the year is made of. `low` and `high` bound the mean difference at 95 % (None with fewer
    than two pairs); `unknown_low` and `unknown_high` are P10 and P90 over `worlds` drawn worlds (None with fewer than two).
    `p` is the p-value of no difference, `p_adjusted` is it corrected for all indicators tested in this scenario and year.
    `variance_removed` is the share of variance that pairing removed, `pairing_factor` how many times as many unpaired runs an interval as
    narrow would take. `unknown_share` is the share of a difference's variance that is between worlds; the rest is luck. `founded_share`
    is the share of parameters with evidence better than assumed, in the indicator's domain and in the domains that it reads from
    (`upstream_founded_share`). The baseline's own rows have a mean and no difference.
    """

    kpi: str
    label: str
    unit: str
    theme: str
    better: str
    year: int
    months: int
    scenario: str
    mean: float | None
    baseline_mean: float | None
    difference: float | None
    low: float | None
    high: float | None
    relative: float | None
    pairs: int
    unknown_low: float | None
    unknown_high: float | None
    worlds: int
    verdict: str
    p: float | None = None
    p_adjusted: float | None = None
    variance_removed: float | None = None
    pairing_factor: float | None = None
    unknown_share: float | None = None
    founded_share: float | None = None
    upstream_founded_share: float | None = None

    @property
    def differs(self) -> bool:
        """Whether any pair of runs differs, or cannot be compared: what a short comparison shows."""
        return self.verdict != "no difference" or bool(self.unknown_low) or bool(self.unknown_high)

    @property
    def slight(self) -> bool:
        """Whether the difference is below a hundredth of the baseline: what a short comparison counts and does not list."""
        return self.relative is not None and abs(self.relative) < SLIGHT

    @property
    def clear(self) -> bool:
        """Whether the difference is told from luck, corrected for all indicators that were tested."""
        return self.p_adjusted is not None and self.p_adjusted <= FALSE_FINDS and bool(self.difference)


class Changes:
    """The changes so far, year after year."""

    def __init__(self, study: Study, base: str, others: Sequence[str], left_out: set[str], bootstrap: Bootstrap | None) -> None:
        self.study, self.base, self.others, self.left_out, self.bootstrap = study, base, others, left_out, bootstrap
        self.found: list[Change] = []
        self.months: dict[int, int] = {}
        self.evidence = read_evidence(study.folder)
        self._aim = read_aim(study.folder)
        self._made: dict[int, tuple[dict[tuple[str, Run], int], dict[str, int], NDArray[np.float64]]] = {}
        self._aligned: list[str] = []
        self._lacking: dict[tuple[str, str], list[int]] = {}

    def add(self, year: YearOfRuns) -> None:
        """The changes of one year: indicators in the model's order, the baseline first."""
        self.months[year.year] = int(year.recorded.any(axis=0).sum())
        known = {name: year.rows(name) for name in (self.base, *self.others)}
        values = year.made(range(len(year.runs)))
        places = {run: row for row, run in enumerate(zip(year.scenarios, year.runs, strict=True))}
        self._made[year.year] = places, {info.name: k for k, info in enumerate(year.kpis)}, values
        kept = [k for k, info in enumerate(year.kpis) if info.name not in self.left_out and not np.isnan(values[:, k]).all()]
        by_name = {name: self._scenario(year, name, known, kept) for name in self.others}
        by_name[self.base] = self._baseline(year, known[self.base], kept)
        self.found += [by_name[name][place] for place in range(len(kept)) for name in known]

    def value(self, kpi: str, year: int, scenario: str, replicate: int) -> float:
        """The year's value in one run of world 0; 0 where it has none."""
        places, columns, values = self._made[year]
        row = places.get((scenario, (0, replicate)))
        return 0.0 if row is None else float(np.nan_to_num(values[row, columns[kpi]]))

    def _baseline(self, year: YearOfRuns, rows: list[int], kept: list[int]) -> list[Change]:
        months = year.months(rows)
        values = year.made([row for row in rows if year.runs[row][0] == 0], months)[:, kept].T
        means = paired(values, values)
        return [self._change(year, k, months, self.base, means, i, None) for i, k in enumerate(kept)]

    def _scenario(self, year: YearOfRuns, name: str, known: Mapping[str, list[int]], kept: list[int]) -> list[Change]:
        base = self.base
        ours = {year.runs[row]: row for row in known[name]}
        theirs = {year.runs[row]: row for row in known[base]}
        for one, other in ((ours, base), (theirs, name)):
            if not one:
                self._lacking.setdefault((name if one is ours else base, other), []).append(year.year)
        runs = sorted(run for run in ours if run in theirs)
        months = year.months([*known[name], *known[base]]) if runs else year.months(known[name] or known[base])
        self._note_months(year, name, known, months)
        central = [run for run in runs if run[0] == 0]
        a, b = (year.made([rows[run] for run in central], months)[:, kept].T for rows in (ours, theirs))
        found = paired(a, b)
        if self.bootstrap is not None:
            low, high = bootstrap_interval(a - b, self.bootstrap)
            found = replace(found, low=low, high=high)
        elif self._aim is not None and year.year == self._aim.year:
            named = [i for i, k in enumerate(kept) if year.kpis[k].name == self._aim.kpi]
            for row in named:
                found = with_aim(found, self._aim, row, a - b, central)
        worlds = Worlds.of(year, runs, ours, theirs, months, kept)
        corrected = adjusted(np.where(found.equal, np.nan, found.p))
        return [self._change(year, k, months, name, found, i, worlds, corrected) for i, k in enumerate(kept)]

    def _change(
        self, year: YearOfRuns, kpi: int, months: NDArray[np.bool_], name: str, found: Paired, i: int, worlds: Worlds | None,
        corrected: NDArray[np.float64] | None = None,
    ) -> Change:
        info, same, pairs = year.kpis[kpi], name == self.base, int(found.pairs[i])
        evidence = self.evidence.get(info.theme)
        told = {"mean": found.ours, "baseline_mean": found.theirs, "difference": found.difference, "low": found.low, "high": found.high}
        if not same:
            told |= {"p": found.p, "variance_removed": found.removed, "pairing_factor": found.factor}
        values: dict[str, Any] = {key: number_or_none(column[i]) for key, column in told.items()}
        if same or not pairs:
            values |= dict.fromkeys(("difference", "low", "high", "p"))
        if not pairs and not same:  # without pairs, each side's own mean
            sides = (year.made([row for row in year.rows(one) if year.runs[row][0] == 0])[:, kpi] for one in (name, self.base))
            values |= {key: number_or_none(_mean(side)) for key, side in zip(("mean", "baseline_mean"), sides, strict=True)}
        p_adjusted = number_or_none(corrected[i]) if corrected is not None else None
        difference, base_mean = values["difference"], values["baseline_mean"]
        return Change(
            info.name, info.label, info.unit, info.theme, info.better, year.year, int(months.sum()), name, **values,
            relative=difference / abs(base_mean) if difference is not None and base_mean else None, pairs=pairs,
            **(worlds.told(i) if worlds is not None else {"unknown_low": None, "unknown_high": None, "worlds": 0}),
            verdict="baseline" if same else _verdict(info.better, difference, pairs, bool(found.equal[i]), p_adjusted),
            p_adjusted=p_adjusted,
            founded_share=evidence.founded_share if evidence else None,
            upstream_founded_share=founded_share(evidence.upstream) if evidence else None,
        )

    def _note_months(self, year: YearOfRuns, name: str, known: Mapping[str, list[int]], months: NDArray[np.bool_]) -> None:
        ours, theirs = (int(year.months(known[one]).sum()) for one in (name, self.base))
        if known[name] and known[self.base] and ours != theirs:
            self._aligned.append(f"{year.year}: {name} has {ours} months and {self.base} {theirs}; compared over the {int(months.sum())} "
                                 "that both have")

    def notes(self) -> list[str]:
        """What has no partner, and what was cut to what both have."""
        notes = _pair_notes(self.study, self.base, self.others) + self._aligned
        for (name, other), years in self._lacking.items():
            listed = f"{years[0]} to {years[-1]}" if len(years) > 2 else " and ".join(map(str, years))
            notes.append(f"{name} has no {listed}, {other} has: not compared")
        if self._aim is not None and self.bootstrap is None:
            notes.append(f"{self._aim.kpi} in {self._aim.year}: --until-sure chose the number of replicates, so its interval is by the "
                         f"spread of the first {self._aim.first} (Stein 1945)")
        return notes + self._alone()

    def _alone(self) -> list[str]:
        """Indicators that only one of two scenarios has."""
        notes = []
        has: dict[str, set[str]] = {}
        for change in self.found:
            if change.mean is not None:
                has.setdefault(change.scenario, set()).add(change.kpi)
        for name in self.others:
            for one, other in ((name, self.base), (self.base, name)):
                alone = sorted(has.get(one, set()) - has.get(other, set()))
                if alone and has.get(other):
                    notes.append(f"only {one} has values of {', '.join(alone[:6])}{' …' if len(alone) > 6 else ''}; {other} has none")
        return notes


@dataclass(frozen=True)
class Worlds:
    """What is not known, for each indicator: P10, P90, the number of worlds, and its share of the variance."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]
    share: NDArray[np.float64]

    @classmethod
    def of(
        cls, year: YearOfRuns, runs: Sequence[Run], ours: Mapping[Run, int], theirs: Mapping[Run, int], months: NDArray[np.bool_],
        kept: list[int],
    ) -> Worlds:
        """What the drawn worlds of two scenarios say, over the runs that both have."""
        drawn = [run for run in runs if run[0] > 0]
        worlds, replicates = sorted({w for w, _ in drawn}), sorted({r for _, r in drawn})
        cells = np.full((len(kept), len(worlds), len(replicates)), np.nan)
        if drawn:
            a, b = (year.made([rows[run] for run in drawn], months)[:, kept].T for rows in (ours, theirs))
            cells[:, [worlds.index(w) for w, _ in drawn], [replicates.index(r) for _, r in drawn]] = a - b
        some = ~np.isnan(cells)
        with np.errstate(invalid="ignore"):
            means = np.where(some, cells, 0.0).sum(axis=2) / some.sum(axis=2)
        count = (~np.isnan(means)).sum(axis=1)
        low, high = np.full(len(kept), np.nan), np.full(len(kept), np.nan)
        for i in np.flatnonzero(count >= 2):
            low[i], high[i] = np.quantile(means[i][~np.isnan(means[i])], [0.1, 0.9])
        whole = [r for r in range(len(replicates)) if all((w, replicates[r]) in ours and (w, replicates[r]) in theirs for w in worlds)]
        return cls(low, high, count, variance_components(cells[:, :, whole]).unknown_share)

    def told(self, i: int) -> dict[str, Any]:
        """The fields of a change."""
        return {"unknown_low": number_or_none(self.low[i]), "unknown_high": number_or_none(self.high[i]), "worlds": int(self.count[i]),
                "unknown_share": number_or_none(self.share[i])}


def _mean(values: NDArray[np.float64]) -> float:
    found = values[~np.isnan(values)]
    return float(found.mean()) if len(found) else float("nan")


def _verdict(better: str, difference: float | None, pairs: int, equal: bool, p_adjusted: float | None) -> str:
    if difference is None:
        return "no pairs"
    if equal:
        return "no difference"
    if pairs > 1 and not (p_adjusted is not None and p_adjusted <= FALSE_FINDS):
        return "not clear"
    direction = "higher" if difference > 0 else "lower"
    word = direction if better == "neither" else "better" if direction == better else "worse"
    return word if pairs > 1 else f"{word} (one pair: no interval)"


def _pair_notes(study: Study, base: str, others: Sequence[str]) -> list[str]:
    runs = {name: {(r.world, r.replicate) for r in study.runs if r.scenario == name} for name in [base, *others]}
    notes = []
    for name in others:
        alone = sorted(runs[name] ^ runs[base])
        if alone:
            listed = ", ".join(f"world {world} replicate {replicate}" for world, replicate in alone[:6])
            notes.append(f"{name} and {base}: without a partner, so left out: {listed}{' …' if len(alone) > 6 else ''}")
    return notes
