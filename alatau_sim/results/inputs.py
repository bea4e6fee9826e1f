"""What differs in the inputs of two scenarios of a study: keys, zoning, events, lists, files, rules; read from the runs' manifests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alatau_sim.results.dataset import RunRecord, Study
from alatau_sim.results.numbers import number

What = Literal["changed", "added", "removed"]
WORDS = ("name", "title", "description")  # what a scenario is called is no difference
COUNTS = ("run.replicates", "run.worlds", "run.threads")  # change no run
IDENTIFYING = ("line", "name", "zone", "at")
ALIKE = 0.4
"""Share of equal fields from which two entries of one label are one entry that changed."""
SHOWN = 12


@dataclass(frozen=True)
class InputChange:
    """One difference of the inputs.

    `part` is key, rezone, event, list, file or rule; `name` is the dotted key, the list's name, the file's or the rule's;
    `entry` says which entry of a list, with the field that differs where only some do.
    """

    part: Literal["key", "rezone", "event", "list", "file", "rule"]
    name: str
    what: What
    baseline: Any = None
    value: Any = None
    entry: str = ""

    def words(self) -> str:
        """One line: `policy.mobility.fare_kzt: 120 → 150`."""
        place = f"{self.name}: {self.entry}" if self.entry else self.name
        if self.what == "changed":
            return place + ": " + ("other content" if self.part in ("file", "rule") else f"{_short(self.baseline)} → {_short(self.value)}")
        value = self.value if self.what == "added" else self.baseline
        told = "" if self.part in ("file", "rule") or value is None else f" {_short(value)}"
        return f"{place}: {self.what}{told}"


def input_changes(study: Study, baseline: str, scenario: str) -> list[InputChange]:
    """All differences of a scenario's inputs from the baseline's, as the manifests of their first runs tell them."""
    theirs, ours = _first(study, baseline).manifest, _first(study, scenario).manifest
    before, after = theirs.get("resolved", {}), ours.get("resolved", {})
    keys, changes = [], []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if key in WORDS or old == new:
            continue
        if isinstance(old if new is None else new, list):
            changes += _list_changes(key, old or [], new or [])
        else:
            keys += list(_key_changes(key, old, new))
    keys = [one for one in keys if one.name not in COUNTS]
    files = _hash_changes("file", theirs.get("inputs", {}), ours.get("inputs", {}))
    return [*keys, *changes, *files, *_hash_changes("rule", _rules(theirs), _rules(ours))]


def words_of_changes(changes: Sequence[InputChange], most: int = SHOWN) -> list[str]:
    """The differences one a line, the first `most`, then how many more there are."""
    if not changes:
        return ["inputs: no difference"]
    lines = [f"  {change.words()}" for change in changes]
    rest = len(lines) - most
    return ["inputs that differ:", *(lines if rest <= 0 else [*lines[:most], f"  and {rest} more (`compare --format json` lists them)"])]


def _first(study: Study, scenario: str) -> RunRecord:
    return min((run for run in study.runs if run.scenario == scenario), key=lambda run: (run.world, run.replicate))


def _key_changes(place: str, old: Any, new: Any) -> Iterator[InputChange]:
    """The leaves that differ below a dotted key."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            if old.get(key) != new.get(key):
                yield from _key_changes(f"{place}.{key}", old.get(key), new.get(key))
    elif isinstance(old or new, Mapping) and (old is None or new is None):
        for key in old or new:
            yield from _key_changes(f"{place}.{key}", (old or {}).get(key), (new or {}).get(key))
    elif old != new:
        yield InputChange("key", place, "added" if old is None else "removed" if new is None else "changed", old, new)


def _list_changes(name: str, old: Sequence[Any], new: Sequence[Any]) -> list[InputChange]:
    """Entries added, removed and changed: an entry has changed where both lists have one of its line, name, zone or date."""
    part: Any = {"rezone": "rezone", "events": "event"}.get(name, "list")
    left, right = _without(old, new), _without(new, old)
    by_label: dict[str, list[Any]] = {}
    for entry in left:
        by_label.setdefault(_label(entry), []).append(entry)
    found, added = [], []
    for entry in right:
        others = by_label.get(_label(entry), [])
        partner = max(others, key=lambda other, entry=entry: _alike(other, entry), default=None)  # type: ignore[misc]
        if partner is None or _alike(partner, entry) < ALIKE:
            added.append(InputChange(part, name, "added", None, entry, _label(entry)))
            continue
        others.remove(partner)
        for field in dict.fromkeys([*partner, *entry]):
            if partner.get(field) != entry.get(field):
                found.append(InputChange(part, name, "changed", partner.get(field), entry.get(field), f"{_label(partner)}, {field}"))
    gone = [InputChange(part, name, "removed", entry, None, _label(entry)) for entries in by_label.values() for entry in entries]
    return [*found, *gone, *added]


def _without(entries: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """The entries that the other list does not have, each counted as often as it stands there."""
    rest = Counter(_key(entry) for entry in others)
    found = []
    for entry in entries:
        key = _key(entry)
        if rest[key] > 0:
            rest[key] -= 1
        else:
            found.append(entry)
    return found


def _key(entry: Any) -> str:
    return json.dumps(entry, sort_keys=True, ensure_ascii=False)


def _alike(one: Any, other: Any) -> float:
    """The share of fields that two entries have in common."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return 0.0
    fields = dict.fromkeys([*one, *other])
    return sum(field in one and field in other and one[field] == other[field] for field in fields) / len(fields)


def _label(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return ""
    first = next((field for field in IDENTIFYING if entry.get(field)), None)
    return "" if first is None else f"{first} {entry[first]}"


def _rules(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Rule files with their hash (or text), plug-ins with their version."""
    found = {}
    for rule in manifest.get("rules", []):
        if "plugin" in rule:
            found[f"plug-in {rule['plugin']}"] = str(rule.get("version", ""))
        else:
            found[str(rule.get("file", "rules"))] = str(rule.get("sha256") or rule.get("text", ""))
    return found


def _hash_changes(part: Any, old: Mapping[str, str], new: Mapping[str, str]) -> list[InputChange]:
    found = []
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            what: What = "added" if name not in old else "removed" if name not in new else "changed"
            found.append(InputChange(part, name, what, old.get(name), new.get(name)))
    return found


def _short(value: Any, most: int = 60) -> str:
    """A value in a few words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "nothing"
    if isinstance(value, int | float):
        return f"{value}" if isinstance(value, int) and abs(value) < 10_000 else number(value)
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {_short(item, 30)}" for key, item in value.items() if item not in (None, "", [], 0))
    elif isinstance(value, list | tuple):
        value = f"{', '.join(map(str, value[:3]))}{f' and {len(value) - 3} more' if len(value) > 3 else ''}"
    text = " ".join(str(value).split())
    return text if len(text) <= most else text[: most - 1] + "…"
