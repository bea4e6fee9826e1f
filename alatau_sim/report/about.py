"""What was put in and how it was made: input differences, assumptions with their evidence, versions, seeds and hashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alatau_sim import __version__
from alatau_sim.errors import InputError
from alatau_sim.report.indicators import Context
from alatau_sim.report.page import Block, Note, Table
from alatau_sim.results.evidence import KINDS as EVIDENCE
from alatau_sim.results.files import read_json
from alatau_sim.results.inputs import InputChange

PARTS = ("policy", "world", "rules")
SHORT_HASH = 16
MOST_ROWS = 30


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings by dotted path; lists are leaves."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _shown(ctx: Context, value: Any) -> str:
    if value is None:
        return ctx.words("not_set")
    if isinstance(value, list):
        few = len(value) <= 2 and not any(isinstance(one, Mapping) for one in value)
        return (", ".join(map(str, value)) or "[]") if few else ctx.words("entries", n=len(value))
    if isinstance(value, Mapping):
        return _entry(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return ctx.words.number(value) if abs(value) >= 1e4 or isinstance(value, float) else str(value)


def inputs(ctx: Context) -> list[Block]:
    """What each scenario sets otherwise than the baseline."""
    words = ctx.words
    blocks: list[Block] = []
    for name, label in zip(ctx.source.scenarios[1:], ctx.labels[1:], strict=True):
        rows = [_input_row(ctx, change) for change in ctx.comparison.inputs.get(name, [])]
        if not rows:
            text = words("identical" if name in ctx.comparison.identical else "no_changes")
            blocks.append(Note(text, strong=f"{label}:"))
            continue
        marks = {(i, 0): "code" for i in range(len(rows))}
        blocks.append(Table(label, [words("key"), ctx.labels[0], label], rows, left=(0, 1, 2), marks=marks, folded=len(rows) > MOST_ROWS))
    return blocks or [Note(words("only_baseline"))]


def _input_row(ctx: Context, change: InputChange) -> list[str]:
    place = f"{change.name}: {change.entry}" if change.entry else change.name
    if change.part in ("file", "rule"):
        there = [ctx.words("none") if one is None else str(one)[:SHORT_HASH] for one in (change.baseline, change.value)]
        return [place, *there]
    return [
        place,
        *(
            ctx.words("none") if gone else _shown(ctx, value)
            for gone, value in ((change.what == "added", change.baseline), (change.what == "removed", change.value))
        ),
    ]


def _entry(entry: Any) -> str:
    return (
        "; ".join(f"{key} {value}" for key, value in flat(entry) if value not in (None, "", [], {}))
        if isinstance(entry, Mapping)
        else str(entry)
    )


def parameters(ctx: Context) -> Mapping[str, Mapping[str, Any]]:
    """What is said of each parameter, by its key: by the study's own `parameters.json`, else by the caller."""
    path = ctx.source.study.folder / "parameters.json"
    if not path.is_file():
        return ctx.declared
    found = read_json(path)
    if not isinstance(found, Mapping) or not all(isinstance(one, Mapping) for one in found.values()):
        raise InputError(f"{path}: must map parameters to their unit, meaning, evidence and source")
    return found


def _evidence_table(ctx: Context) -> list[Block]:
    """Parameters by domain and kind of evidence, as the study recorded them."""
    words, rows = ctx.words, []
    for theme, one in ctx.comparison.evidence.items():
        share = one.founded_share
        rows.append([theme, *(str(one.own.get(kind, 0)) for kind in EVIDENCE), words.percent(share, digits=2)])
    head = [words("domain"), *(words.category(kind) for kind in EVIDENCE), words("founded")]
    return [Table(words("evidence_table"), head, rows)] if rows else []


def assumptions(ctx: Context) -> list[Block]:
    """The values of the baseline, with meaning, evidence and source where the study holds them."""
    words, known = ctx.words, parameters(ctx)
    resolved = ctx.source.resolved(ctx.source.baseline)
    blocks = _evidence_table(ctx)
    if not known:
        blocks.append(Note(words("x_no_evidence"), "missing"))
    ran = str(ctx.source.runs[ctx.source.baseline][0].manifest.get("versions", {}).get("alatau_sim", __version__))
    if known is ctx.declared and ran != __version__:
        blocks.append(Note(words("x_other_version", ran=ran, here=__version__), "missing"))
    for part in PARTS:
        rows = []
        for key, value in flat(resolved.get(part) or {}):
            said = known.get(f"{part}.{key}", {})
            if value == {}:
                continue
            more = [
                words.unit(str(said.get("unit", ""))),
                words.category(str(said.get("evidence", ""))),
                str(said.get("meaning", "")),
                str(said.get("source", "")),
            ]
            rows.append([key, _shown(ctx, value), *(more if known else [])])
        head = [words("parameter"), words("value"), *([words(key) for key in ("unit", "evidence", "meaning", "source")] if known else [])]
        if rows:
            blocks.append(
                Table(
                    f"{words(part)}: {len(rows)}",
                    head,
                    rows,
                    left=(0, 2, 3, 4, 5),
                    folded=True,
                    marks={(i, 0): "code" for i in range(len(rows))},
                )
            )
    events = resolved.get("events") or []
    if events:
        blocks.append(Table(words("events"), [words("events")], [[_entry(event)] for event in events], folded=True))
    return blocks


def manifest(ctx: Context) -> list[Block]:
    """Versions, seeds, hashes and times of the runs."""
    words = ctx.words
    blocks: list[Block] = []
    first = ctx.source.runs[ctx.source.baseline][0].manifest
    versions = sorted({(name, version) for run in ctx.source.study.runs for name, version in run.manifest.get("versions", {}).items()})
    blocks.append(Table(words("versions"), [words("versions"), ""], [list(pair) for pair in versions], left=(0, 1), folded=True))
    rows = []
    for name, label in zip(ctx.source.scenarios, ctx.labels, strict=True):
        runs = [run.manifest for run in ctx.source.study.runs if run.scenario == name]
        rows.append(
            [
                label,
                name,
                str(len(runs)),
                _span(ctx, [one.get("wall_s") for one in runs]),
                _span(ctx, [(one.get("peak_memory_bytes") or 0) / 2**30 for one in runs]),
                ", ".join(sorted({str(one.get("seed", "–")) for one in runs})),
                str(runs[0]["hash"])[:SHORT_HASH],
                max(str(one.get("finished_at", "–")) for one in runs)[:16].replace("T", " "),
            ]
        )
    head = [words("scenario"), "", *(words(key) for key in ("runs", "wall", "memory", "seed", "hash", "finished"))]
    blocks.insert(0, Table(words("runs"), head, rows, left=(0, 1, 6, 7), marks={(i, 6): "code" for i in range(len(rows))}))
    files = first.get("inputs") or {}
    if files:
        blocks.append(
            Table(
                words("inputs"),
                [words("inputs"), "SHA-256"],
                [[name, str(value)] for name, value in files.items()],
                left=(0, 1),
                folded=True,
                marks={(i, 1): "code" for i in range(len(files))},
            )
        )
    rules = [str(rule.get("file") or rule.get("name") or rule) for rule in first.get("rules") or [] if isinstance(rule, Mapping)]
    blocks.append(Note(f"{words('rule_files')}: {', '.join(rules) or words('none')}"))
    noted = [note for note in ctx.comparison.notes if not note.startswith("not counted") and " of its 12 months" not in note]
    blocks += [Note(note) for note in noted]
    return [*blocks, *(Note(words("not_counted", run=run.name, why=run.problem), "missing") for run in ctx.source.study.unfinished)]


def _span(ctx: Context, numbers: list[Any]) -> str:
    known = sorted(float(f"{one:.3g}") for one in numbers if isinstance(one, int | float))
    if not known:
        return "–"
    low, high = ctx.words.number(known[0]), ctx.words.number(known[-1])
    return low if low == high else f"{low} … {high}"
