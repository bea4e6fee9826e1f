"""The loop around a rule: one generated module holds the draws, the rule's own source, its helpers, constants, column types and the loop.

The same text runs compiled (numba), plain (Python) and, with agents in place of columns, as objects. The module's name is the hash of
its text and of the versions, so an edited rule, helper or constant takes effect, and an unchanged one loads from the cache.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import platformdirs

from alatau_sim.engine import randomness
from alatau_sim.engine.binding import Schema, Source, bind, type_of
from alatau_sim.engine.rule import Rule
from alatau_sim.engine.source import IEEE, LEAN, draw_number, rule_source
from alatau_sim.errors import InputError
from alatau_sim.fields import Column

HEADER = "import math\nfrom numba import njit, int64, float64, uint64\n"
_NUMBA = {"int": "int64", "float": "float64", "bool": "boolean"}
_CAST = {"int": "int64", "float": "float64", "bool": "bool"}
LARGEST_AMOUNT = 2**53
_LARGEST = {"float32": 3.4e38, "float64": 1.79e308}


@dataclass(frozen=True)
class Kernel:
    """A bound rule with the text of its loop. `arguments` names what the loop takes after (lo, hi, key), each with its numba type."""

    rule: Rule
    sources: tuple[Source, ...]
    arguments: tuple[tuple[str, str], ...]
    text: str
    name: str

    def plain(self) -> Callable[..., Any]:
        """The loop as Python."""
        names: dict[str, Any] = {
            "math": IEEE, "int64": int, "float64": float, "uint64": int,
            "njit": _undecorated, "keyed_uniform": randomness.uniform, "keyed_pair": randomness.pair, "keyed_sampled": randomness.sampled,
            "keyed_gumbel": lambda key, both: -math.log(-math.log(randomness.gumbel_uniform(key, both))),
        }  # fmt: skip
        exec(compile(self.text, f"<rule {self.rule.name}>", "exec"), names)  # the text is generated above from checked source
        return cast(Callable[..., Any], names["kernel"])

    def module_text(self) -> str:
        """The text of the compiled module."""
        return HEADER + randomness.COMPILED_SOURCE + self.text

    @cached_property
    def module_name(self) -> str:
        """The compiled module's name: the rule's, and the hash of the text and of the versions that compile it."""
        versions = " ".join([platform.python_version(), *(version(name) for name in ("numba", "numpy", "llvmlite"))])
        digest = hashlib.sha256(f"{versions}\n{self.module_text()}".encode()).hexdigest()
        return f"alatau_kernel_{self.rule.name}_{digest[:24]}"

    def is_compiled(self) -> bool:
        """Whether the cache has the compiled loop."""
        return any((cache_folder() / "__pycache__").glob(f"{self.module_name}.kernel-*.nbi"))

    def compiled(self) -> Callable[..., Any]:
        """The loop compiled by numba, from the cache where the same text was compiled before."""
        import numba

        text, module_name = self.module_text(), self.module_name
        if module_name not in sys.modules:
            path = cache_folder() / f"{module_name}.py"
            if not path.exists():
                aside = path.with_name(f".{path.name}.{os.getpid()}")
                aside.write_text(text, encoding="utf-8")
                aside.replace(path)
            spec = importlib.util.spec_from_file_location(module_name, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module
            try:
                spec.loader.exec_module(module)
            except BaseException as error:
                del sys.modules[module_name]  # a module that was interrupted half way must not be found again
                if not isinstance(error, numba.core.errors.NumbaError):
                    raise
                reason = next((line.strip() for line in str(error).splitlines() if line.strip() and "Failed in" not in line), "")
                raise InputError(f"rule {self.rule.name!r} cannot be compiled: {reason}; is every value that it returns of its column's "
                                 "type (whole numbers for integer columns)?") from None
        return cast(Callable[..., Any], sys.modules[module_name].kernel)


def _undecorated(*args: Any, **_: Any) -> Any:
    return args[0] if args and callable(args[0]) else lambda fn: fn


def cache_folder() -> Path:
    """The folder of compiled kernels: `ALATAU_CACHE`, else the user's cache folder."""
    folder = Path(os.environ.get("ALATAU_CACHE") or platformdirs.user_cache_dir("alatau_sim")) / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the kernel cache cannot be written ({error.strerror}); set ALATAU_CACHE to another folder") from None
    return folder


def build(rule: Rule, schema: Schema) -> Kernel:
    """Bind a rule and write its loop; InputError tells what the rule asks for that is not there, or uses that is not allowed."""
    sources = bind(rule, schema)
    writer = _Writer(rule, sources, schema)
    return writer.kernel()


class _Writer:
    """Writes the text of one kernel."""

    def __init__(self, rule: Rule, sources: tuple[Source, ...], schema: Schema) -> None:
        self.rule, self.sources, self.schema = rule, sources, schema
        self.arguments: dict[str, str] = {"ids": "int64[::1]"}
        self.source = ("", "")
        self.whole_day = any(source.kind == "hour" for source in sources)

    def kernel(self) -> Kernel:
        body = {"rule": self._rule_body, "tally": self._tally_body, "span": self._span_body, "choice": self._choice_body}[self.rule.kind]()
        helpers, function = self.source
        arguments = tuple(self.arguments.items())
        signature = ", ".join(["int64", "int64", "uint64", *(t for _, t in arguments)])
        names = ", ".join(["lo", "hi", "key", *(n for n, _ in arguments)])
        loop = [
            f'@njit("int64({signature})", nogil=True, cache=True, error_model="python", {LEAN})',
            f"def kernel({names}):",
            *("    " + line for line in body),
            "    return -1",
        ]
        text = f"{helpers}\n\n@njit({LEAN})\n{function}\n\n\n" + "\n".join(loop) + "\n"
        return Kernel(self.rule, self.sources, arguments, text, self.rule.name)

    def _take(self, name: str, numba_type: str) -> str:
        self.arguments[name] = numba_type
        return name

    def _array(self, prefix: str, column: Column) -> str:
        numba_type = "boolean" if column.dtype == "bool" else column.dtype
        return self._take(f"{prefix}_{column.name}", f"{numba_type}[::1]")

    def _expression(self, source: Source) -> str:
        """The text that yields one argument's value in row i (alternative j, hour h)."""
        cast = _CAST[source.type]
        if source.kind == "own":
            assert source.column is not None
            return f"{cast}({self._array('own', source.column)}[i])"
        if source.kind == "alternative":
            assert source.column is not None
            return f"{cast}({self._array('alternative', source.column)}[j])"
        if source.kind == "hop":
            assert source.column is not None
            index, table, _ = source.path
            at = self._array("own", self.schema.columns[self.rule.of][index])
            array = self._array(f"hop_{table}", source.column)
            missing = source.column.default if source.column.missing is None else source.column.missing
            value = {"int": int, "float": float, "bool": bool}[source.type](missing)
            return f"({cast}({array}[{at}[i]]) if {at}[i] >= 0 else {value!r})"
        if source.kind == "hour":
            return "h"
        if source.kind == "city" and self.whole_day:
            return self._take(f"hourly_{source.path[0]}", "float64[::1]") + "[h]"
        return self._take(source.argument, _NUMBA[source.type])

    def _call(self) -> tuple[list[str], str]:
        """Lines that fetch what does not change within the row, and the call of the rule.

        A rule computes draws and loads where it uses them; within the loops of tallies and choices loads are fetched once before.
        """
        before, given, late = ["who = int64(ids[i])"], {}, {}
        for number, source in enumerate(self.sources):
            text = self._expression(source)
            if source.kind in ("own", "hop") and self.rule.kind == "rule":
                late[source.argument] = text
            elif source.kind in ("own", "hop"):
                before.append(f"a{number} = {text}")
                given[source.argument] = f"a{number}"
            else:
                given[source.argument] = text
        for draw in self.rule.draws:
            late[draw] = f"keyed_uniform(key, who, {draw_number(draw)})"
        for name, declared in self.rule.params.items():
            kind = "bool" if isinstance(declared.default, bool) else "int" if isinstance(declared.default, int) else "float"
            given[name] = self._take(f"param_{name}", _NUMBA[kind])
        arrays = [name for name in self.arguments if name.startswith(("own_", "hop_"))] if self.rule.kind == "rule" else []
        # Inside the rule the engine's own names end in an underscore, so that `i` or `key` are free for the rule's variables.
        passed = {"key_": "key", "who_": "who", "i_": "i", **{f"{name}_": name for name in arrays}, **given}
        renamed = {old: new for new, old in passed.items() if new.endswith("_") and new not in given}
        late = {name: re.sub(r"\w+", lambda word: renamed.get(word[0], word[0]), text) for name, text in late.items()}
        self.source = rule_source(self.rule, late, list(passed))
        return before, f"rule_{self.rule.name}({', '.join(passed.values())})"

    def _store(self, value: str, column: Column, indent: str) -> list[str]:
        out = self._array("own", column)
        kind = type_of(column)
        if kind == "bool":
            return [f"{indent}{out}[i] = bool({value})"]
        if kind == "int":
            bits = int(column.dtype[3:])
            low, high = column.within or (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            value = f"({value} | 0)"  # refuses a float where a whole number must be
            low, high = int(low), int(high)
            if column.index:
                rows = self._take(f"rows_{column.index}", "int64")
                return [f"{indent}if not (-1 <= {value} < {rows}):", f"{indent}    return i", f"{indent}{out}[i] = {value}"]
        else:
            limit = _LARGEST[column.dtype]
            low, high = column.within or (-limit, limit)
            low, high = float(low), float(high)
        return [f"{indent}if not ({low!r} <= {value} <= {high!r}):", f"{indent}    return i", f"{indent}{out}[i] = {value}"]

    def _rule_body(self) -> list[str]:
        before, call = self._call()
        columns = [self.schema.columns[self.rule.of][name] for name in self.rule.writes]
        values = [f"v{n}" for n in range(len(columns))]
        lines = ["for i in range(lo, hi):", *("    " + line for line in before), f"    {', '.join(values)} = {call}"]
        checks: list[str] = []
        stores: list[str] = []
        for value, column in zip(values, columns, strict=True):
            *check, store = self._store(value, column, "    ")
            checks += check
            stores.append(store)
        return lines + checks + stores

    def _cells(self, axes: int) -> tuple[list[str], str]:
        grid = self.schema.grids[self.rule.into]
        self._take("grid", f"int64[{', '.join([':'] * (len(grid.axes) - 1) + ['::1'])}]")
        if len(self.rule.cell) != axes:
            reason = f"grid {grid.name!r} has the axes {grid.axes}; cell={self.rule.cell} must name {axes}"
            raise InputError(f"rule {self.rule.name!r}: {reason}")
        lines, index = [], []
        for number, name in enumerate(self.rule.cell):
            array = self._array("own", self.schema.columns[self.rule.of][name])
            lines += [f"    c{number} = {array}[i]", f"    if c{number} < 0:", "        continue"]
            lines += [f"    if c{number} >= grid.shape[{number}]:", "        return i"]
            index.append(f"c{number}")
        return lines, ", ".join(index)

    def _tally_body(self) -> list[str]:
        grid = self.schema.grids[self.rule.into]
        trailing = len(grid.axes) - len(self.rule.cell)
        if trailing not in (0, 1) or (self.whole_day and (trailing != 1 or grid.axes[-1] != "hour")):
            raise InputError(f"rule {self.rule.name!r}: grid {grid.name!r} has the axes {grid.axes}; cell must leave none or the hour")
        cells, index = self._cells(len(self.rule.cell))
        before, call = self._call()
        self._take("weight", "int64")
        lines = ["for i in range(lo, hi):", *cells, *("    " + line for line in before)]
        if trailing == 0:
            return [*lines, f"    v = {call} | 0", *self._add(index, "    ")]
        at = f"{index}, h" if index else "h"
        if self.whole_day:  # without a way out of the loop over the hours, so that the compiler can take several at once
            return [
                *lines, "    wrong = False", "    for h in range(24):", f"        v = {call} | 0",
                f"        wrong |= not (-{LARGEST_AMOUNT} < v < {LARGEST_AMOUNT})", f"        grid[{at}] += weight * v",
                "    if wrong:", "        return i",
            ]  # fmt: skip
        return [
            *lines, f"    t = {call}", f"    if len(t) != grid.shape[{len(grid.axes) - 1}]:", "        return i",
            "    for h in range(len(t)):", "        v = t[h] | 0", *self._add(at, "        "),
        ]  # fmt: skip

    @staticmethod
    def _add(at: str, indent: str) -> list[str]:
        """Add one amount to a cell; amounts beyond what floats hold exactly come from a broken computation."""
        return [f"{indent}if not (-{LARGEST_AMOUNT} < v < {LARGEST_AMOUNT}):", f"{indent}    return i", f"{indent}grid[{at}] += weight * v"]

    def _span_body(self) -> list[str]:
        grid = self.schema.grids[self.rule.into]
        if grid.axes[-1] != "hour":
            raise InputError(f"rule {self.rule.name!r}: the last axis of grid {grid.name!r} must be the hour; it has {grid.axes}")
        cells, index = self._cells(len(grid.axes) - 1)
        before, call = self._call()
        self._take("weight", "int64")
        at = f"{index}, h" if index else "h"
        return [
            "for i in range(lo, hi):", *cells, *("    " + line for line in before),
            f"    start, end, amount = {call}",
            "    hours = 24 if start == 0 and end == 24 else (end - start) % 24",
            "    v = amount | 0",
            "    for step in range(hours):",
            "        h = (start + step) % 24",
            *self._add(at, "        "),
        ]  # fmt: skip

    def _choice_body(self) -> list[str]:
        before, call = self._call()
        self._take("alternative_ids", "int64[::1]")
        self._take("limit", "uint64")
        out = self._array("own", self.schema.columns[self.rule.of][self.rule.writes[0]])
        lines = ["for i in range(lo, hi):"]
        if self.rule.when:
            when = self._array("own", self.schema.columns[self.rule.of][self.rule.when])
            lines += [f"    if not {when}[i]:", "        continue"]
        return [
            *lines, *("    " + line for line in before),
            "    best, best_j = -math.inf, -1",
            "    for j in range(len(alternative_ids)):",
            "        both = keyed_pair(who, int64(alternative_ids[j]))",
            "        if not keyed_sampled(both, limit):",
            "            continue",
            f"        v = {call} * 1.0",
            "        if v != v or v == math.inf:",
            "            return i",
            "        if v == -math.inf:",
            "            continue",
            "        v += keyed_gumbel(key, both)",
            "        if v > best:",
            "            best, best_j = v, j",
            f"    {out}[i] = best_j",
        ]  # fmt: skip
