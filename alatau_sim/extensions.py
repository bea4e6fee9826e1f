"""Rule files and plug-ins: Python that a user names on the command line, which adds to the built-in domains or replaces rules.

Such a file defines `DOMAIN = Domain(...)`, like a built-in domain: columns, derived columns, rules, KPIs and tables of its own. A rule
with the name of a built-in rule takes its place. A scenario file alone never runs code.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from alatau_sim.domains import domains
from alatau_sim.engine.domain import Domain
from alatau_sim.errors import InputError, did_you_mean

PLUGIN_GROUP = "alatau_sim.plugins"


def domains_with(rule_files: Sequence[str | Path] = (), plugins: Sequence[str] = ()) -> tuple[Domain, ...]:
    """The built-in domains, changed and followed by those of rule files and of installed plug-ins (entry points of `alatau_sim.plugins`).

    Raises InputError for a file that cannot be read or fails, a missing DOMAIN, an unknown plug-in, and a name that is taken.
    """
    parts = domains()
    for file in rule_files:
        parts = _joined(parts, _from_file(Path(file)), str(file))
    for name in plugins:
        parts = _joined(parts, _from_plugin(name), f"plug-in {name}")
    return parts


def _from_file(path: Path) -> Domain:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the rule file cannot be read: {error.strerror or error}") from None
    module_name = f"alatau_rules_{path.stem}_{hashlib.sha256(text).hexdigest()[:16]}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise InputError(f"{path}: a rule file is a Python file; its name must end with .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            # Not through the loader: its cache takes an edit within the same second, of the same size, for no edit.
            exec(compile(text, str(path), "exec"), module.__dict__)
        except InputError as error:
            del sys.modules[module_name]
            raise InputError(f"{path}: {error}") from None
        except Exception as error:  # whatever a user's file raises is told with its line
            del sys.modules[module_name]
            frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
            line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
            raise InputError(f"{path}{f':{line}' if line else ''}: {type(error).__name__}: {error}") from None
    return _domain_of(sys.modules[module_name], str(path))


def _from_plugin(name: str) -> Domain:
    found = {entry.name: entry for entry in entry_points(group=PLUGIN_GROUP)}
    if name not in found:
        known = did_you_mean(name, found) if found else f"; no installed package offers one (entry point group {PLUGIN_GROUP!r})"
        raise InputError(f"there is no plug-in {name!r}{known}")
    try:
        loaded = found[name].load()
    except Exception as error:  # whatever a plug-in raises is the plug-in's fault, and told with its name
        raise InputError(f"plug-in {name} ({found[name].value}): {type(error).__name__}: {error}") from error
    return loaded if isinstance(loaded, Domain) else _domain_of(loaded, f"plug-in {name}")


def _domain_of(module: object, where: str) -> Domain:
    domain = getattr(module, "DOMAIN", None)
    if not isinstance(domain, Domain):
        raise InputError(f"{where}: it defines no DOMAIN = Domain(...)")
    return domain


def _joined(parts: tuple[Domain, ...], new: Domain, where: str) -> tuple[Domain, ...]:
    """Put the new domain last; its rules that have a built-in rule's name take that rule's place instead."""
    if new.name in {domain.name for domain in parts}:
        raise InputError(f"{where}: there is a domain {new.name!r} already; choose another name")
    replacing = {rule.name: rule for rule in new.rules}
    taken: set[str] = set()
    changed = []
    for domain in parts:
        taken |= {rule.name for rule in domain.rules if rule.name in replacing}
        changed.append(replace(domain, rules=tuple(replacing.get(rule.name, rule) for rule in domain.rules)))
    return (*changed, replace(new, rules=tuple(rule for rule in new.rules if rule.name not in taken)))
