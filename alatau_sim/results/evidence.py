"""How well founded a study's indicators are: the evidence of the parameters behind them, counted by domain.

The recorder writes `evidence.json` beside `kpis.json`. Which single parameter an indicator rests on is not traced: an indicator is given
the parameters of its own domain, and, apart, those of the domains whose columns, grids and accounts that domain reads. Nor are the
parameters weighed: one that decides everything counts as much as one that decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alatau_sim.results.files import read_json

KINDS = ("measured", "calibrated", "sourced", "assumed")
"""From the strongest evidence to none."""


@dataclass(frozen=True)
class Evidence:
    """Counts of declared parameters by kind of evidence: of a theme's own domain, and of all domains that it reads from (`upstream`)."""

    theme: str
    own: Mapping[str, int]
    upstream: Mapping[str, int] = field(default_factory=dict)
    reads: tuple[str, ...] = ()

    @property
    def founded_share(self) -> float | None:
        """The share of the domain's own parameters that are measured, calibrated or sourced; None where it has none."""
        return founded_share(self.own)

    def words(self) -> str:
        """`12 of 40 parameters have a source, 28 are assumed; of those that it reads from, 25 % have one`."""
        count, assumed, upstream = sum(self.own.values()), self.own.get("assumed", 0), founded_share(self.upstream)
        more = "" if upstream is None else f"; of the domains that it reads from, {100 * upstream:.0f} % have one"
        return f"{count - assumed} of {count} parameters have a source, {assumed} are assumed{more}"


def founded_share(counts: Mapping[str, int]) -> float | None:
    """The share of parameters with evidence better than `assumed`, or None where there are no parameters."""
    total = sum(counts.values())
    return (total - counts.get("assumed", 0)) / total if total else None


def evidence_of(model: Any) -> dict[str, dict[str, Any]]:
    """What the recorder writes about the parameters of a model: by domain, counts by evidence and the domains that it reads from.

    Asks the model only for `sim.domains` (with policy, world and rules) and `plan` (items with domain, reads and writes); a model without
    them has no evidence.
    """
    domains = getattr(getattr(model, "sim", None), "domains", ())
    reads = _reads(getattr(model, "plan", ()) if domains else ())
    found = {}
    for domain in domains:
        declared = [p for section in (domain.policy, domain.world) if section is not None for p in section.params().values()]
        declared += [p for rule in domain.rules for p in rule.params.values()]
        counts = Counter(one.evidence for one in declared)
        if counts:
            found[domain.name] = {"parameters": {kind: counts[kind] for kind in KINDS}, "reads": sorted(reads.get(domain.name, set()))}
    return found


def _reads(items: Iterable[Any]) -> dict[str, set[str]]:
    """The domains whose columns, grids or accounts each domain reads, from the items of the plan."""
    items = list(items)
    writers: dict[str, set[str]] = {}
    for item in items:
        for written in item.writes:
            writers.setdefault(written.removeprefix("+"), set()).add(item.domain)
    found: dict[str, set[str]] = {}
    for item in items:
        for read in item.reads:
            found.setdefault(item.domain, set()).update(writers.get(read, set()) - {item.domain})
    return found


def read_evidence(folder: Path) -> dict[str, Evidence]:
    """The evidence by theme that the runs of a study have written; empty for a study from before it was written."""
    path = folder / "evidence.json"
    words: dict[str, dict[str, Any]] = read_json(path) if path.is_file() else {}
    found = {}
    for theme, word in sorted(words.items()):
        upstream: Counter[str] = Counter()
        for other in word["reads"]:
            upstream.update(words.get(other, {}).get("parameters", {}))
        found[theme] = Evidence(theme, dict(word["parameters"]), dict(upstream), tuple(word["reads"]))
    return found
