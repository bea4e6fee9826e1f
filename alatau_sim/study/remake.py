"""The scenario of a finished run, made again from what its manifest keeps and the input files that are still there.

A manifest has the resolved scenario, the hashes and base names of its input files, and the texts of rule files; it has no folders. So the
files are looked for where the scenario's own file is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alatau_sim.errors import InputError
from alatau_sim.study.inputs import Inputs

SHIPPED = Path(__file__).parents[2] / "scenarios"
MOST_LETTERS = 240  # of the words on how a scenario's file differs now
Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Remade:
    """A run's scenario again: `problems` say why it is not the run's (then `scenario` may be None), `notes` what else has changed."""

    scenario: Any
    inputs: Inputs
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def remake(
    manifest: Manifest, folder: Path, *, where: Sequence[Path] = (), rule_files: Sequence[str] = (), trust: bool = False,
    inputs: Inputs | None = None,
) -> Remade:
    """The scenario that a manifest tells of.

    `where` are scenario files, or folders with them; without any, `scenarios/` here and that of the package. `rule_files` are those of the
    run, whose hashes are compared; without them `trust` lets the texts in the manifest run, written into `folder`. `inputs` replaces what
    loads scenarios.
    """
    problems: list[str] = []
    rules = _rules(manifest, folder, rule_files, trust, problems)
    plugins = tuple(rule["plugin"] for rule in manifest.get("rules", ()) if "plugin" in rule)
    inputs = replace(inputs or Inputs(), rule_files=rules, plugins=plugins)
    if problems:
        return Remade(None, inputs, tuple(problems))
    home, own, notes = _home(manifest, where, inputs)
    if own is not None and _same(own, manifest):
        return Remade(own, inputs, (), tuple(notes))
    text = _with_places(manifest["resolved"], manifest.get("inputs", {}), home, problems)
    if problems:
        return Remade(None, inputs, tuple(problems), tuple(notes))
    file = folder / f"{manifest['scenario']}.yaml"
    file.write_text(json.dumps(text, ensure_ascii=False), encoding="utf-8")
    try:
        scenario = inputs.load(file)
    except InputError as error:
        said = str(error).replace(f"{file.as_posix()}:1: ", "").replace(str(file), "its resolved scenario").splitlines()[0]
        return Remade(None, inputs, (f"its scenario cannot be read by this version: {said}",), tuple(notes))
    changed = changed_inputs(scenario, manifest)
    if not _same(scenario, manifest):
        why = changed or ["the scenario means something else to this version of alatau_sim (its hash differs, its input files do not)"]
        return Remade(scenario, inputs, tuple(why), tuple(notes))
    return Remade(scenario, inputs, (), (*notes, *(f"{line}; the run's own list is in its manifest" for line in changed)))


def changed_inputs(scenario: Any, manifest: Manifest) -> list[str]:
    """The input files whose content is not what it was, in words."""
    now = {file.path.name: file.sha256 for file in scenario.files()}
    return [
        f"input {name}: its content has changed since the run (sha256 {sha[:12]} then, {now[name][:12]} now)"
        for name, sha in manifest.get("inputs", {}).items() if name in now and now[name] != sha
    ]


def _same(scenario: Any, manifest: Manifest) -> bool:
    from alatau_sim.study.worker import run_hash

    told = manifest.get("rules", [])
    return run_hash(scenario, told) == manifest["hash"]


def _rules(manifest: Manifest, folder: Path, given: Sequence[str], trust: bool, problems: list[str]) -> tuple[str, ...]:
    """The rule files of a run: those that the user names if their texts are the run's, or the manifest's texts where they are trusted."""
    kept = [rule for rule in manifest.get("rules", ()) if "file" in rule]
    if given:
        return _given_rules(kept, given, problems)
    if kept and not trust:
        names = ", ".join(rule["file"] for rule in kept)
        problems.append(f"it ran with the rule files {names}, which are code: name them with --rules, or let the texts in the manifest run "
                        "with --trust")
        return ()
    files = []
    for place, rule in enumerate(kept):
        if hashlib.sha256(rule["text"].encode()).hexdigest() != rule["sha256"]:
            problems.append(f"rule file {rule['file']}: the text in the manifest is not the one that ran; name the file with --rules")
            continue
        file = folder / f"rules-{place}" / rule["file"]
        file.parent.mkdir()
        file.write_bytes(rule["text"].encode())
        files.append(str(file))
    return tuple(files)


def _given_rules(kept: Sequence[Mapping[str, str]], given: Sequence[str], problems: list[str]) -> tuple[str, ...]:
    by_name = {Path(file).name: file for file in given}
    files = []
    for rule in kept:
        file = by_name.get(rule["file"])
        if file is None:
            problems.append(f"rule file {rule['file']}: is not among those named with --rules")
            continue
        try:
            digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error.strerror or error}") from error
        if digest != rule["sha256"]:
            problems.append(f"rule file {file}: has changed since the run (sha256 {rule['sha256'][:12]} then, {digest[:12]} now)")
        files.append(file)
    return tuple(files)


def _home(manifest: Manifest, where: Sequence[Path], inputs: Inputs) -> tuple[Path, Any, list[str]]:
    """(the folder that the scenario's files are named from, the scenario as its file is now, notes on how that differs)."""
    name, notes = manifest["scenario"], list[str]()
    for place in where:
        if not place.exists():
            raise InputError(f"{place}: there is no such file or folder; it is to say where the file of scenario {name!r} is")
    for place in where or (Path("scenarios"), SHIPPED):
        file = place / f"{name}.yaml" if place.is_dir() else place
        if not file.is_file():
            continue
        try:
            scenario = inputs.load(file)
        except InputError as error:
            notes.append(f"{file}: cannot be loaded now: {str(error).splitlines()[0]}")
            return file.parent, None, notes
        if scenario.name != name:
            continue
        if not _same(scenario, manifest):
            how = _differences(scenario, manifest)
            how = how if len(how) <= MOST_LETTERS else f"{how[:MOST_LETTERS]} …"
            notes.append(f"{file}: is not what ran ({how}); the manifest's resolved scenario is used")
        return file.parent, scenario, notes
    folders = [place if place.is_dir() else place.parent for place in where or (Path("scenarios"), SHIPPED)]
    for folder in folders:
        if folder.is_dir():
            notes.append(f"there is no scenario file of {name!r} in {folder}; the manifest's resolved scenario is used")
            return folder, None, notes
    raise InputError(f"scenario {name!r}: there is no {folders[0]}; say with --scenario where its file is")


def _differences(scenario: Any, manifest: Manifest) -> str:
    from alatau_sim.results.manifest import plain
    from alatau_sim.study.run import _differences as differences

    return differences(manifest.get("resolved", {}), plain(scenario.resolved()))


def _with_places(value: Any, names: Mapping[str, str], home: Path, problems: list[str]) -> Any:
    """The resolved scenario with its input files by their full paths; those that are not there are problems."""
    if isinstance(value, dict):
        return {key: _with_places(item, names, home, problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_places(item, names, home, problems) for item in value]
    if isinstance(value, str) and "\n" not in value and Path(value).name in names:
        for path in (home / value, home / Path(value).name):
            if path.exists():
                return str(path.resolve())
        problems.append(f"input {value}: is missing in {home}; say with --scenario where the scenario's file is")
    return value


def scenario_of(manifest: Manifest, where: Sequence[Path] = (), *, inputs: Inputs | None = None) -> Any:
    """The scenario of a run for reading it, not for running: rule files are not needed; an `InputError` says what is missing."""
    bare = {**manifest, "rules": []}
    with TemporaryDirectory(prefix="alatau-") as folder:
        remade = remake(bare, Path(folder), where=where, inputs=inputs)
    if remade.scenario is None:
        raise InputError(f"scenario {manifest['scenario']!r}: " + "; ".join(remade.problems))
    if changed := changed_inputs(remade.scenario, manifest):
        raise InputError(f"scenario {manifest['scenario']!r}: " + "; ".join(changed))
    return remade.scenario
