"""A rule's own source as the text of a kernel module: checked for the subset of Python on which Python and numba agree bit for bit.

Where Python's math raises, compiled code follows IEEE 754 (exp(800) is infinite, log(0) is −infinity, sqrt(−1) is no number), and so
does the plain loop (`IEEE`). Whole numbers beyond 63 bits wrap around when compiled and grow in Python: kernels `both` finds them.
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import BuiltinFunctionType, FunctionType, SimpleNamespace
from typing import Any

from alatau_sim.engine.rule import Rule
from alatau_sim.errors import InputError


def _ieee(fn: Callable[[float], float], where: Callable[[float], float]) -> Callable[[float], float]:
    """A math function that gives what IEEE 754 says (`where`) instead of raising."""

    def call(x: float) -> float:
        try:
            return fn(x)
        except (ValueError, OverflowError):
            return where(x)

    return call


IEEE = SimpleNamespace(
    exp=_ieee(math.exp, lambda x: math.inf),
    log=_ieee(math.log, lambda x: -math.inf if x == 0 else math.nan),
    log1p=_ieee(math.log1p, lambda x: -math.inf if x == -1 else math.nan),
    sqrt=_ieee(math.sqrt, lambda x: math.nan),
    sin=_ieee(math.sin, lambda x: math.nan),
    tanh=math.tanh, erf=math.erf, floor=math.floor, ceil=math.ceil, inf=math.inf, nan=math.nan, pi=math.pi, e=math.e,
)  # fmt: skip
"""What `math` is in the plain loop."""

MATH = frozenset({"exp", "log", "log1p", "sqrt", "sin", "tanh", "erf", "floor", "ceil"})
LEAN = "_nrt=False"
"""Compiled without numba's counting of references to arrays: rules allocate nothing, and the counting took most of the time of some."""
RESERVED = frozenset({"kernel", "njit", "int64", "float64", "uint64"})
BUILTINS = frozenset({"min", "max", "abs", "int", "float", "bool", "round", "range"})
_NODES = (
    ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.If, ast.IfExp, ast.Compare,
    ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Load, ast.Store, ast.Constant, ast.Tuple, ast.Attribute,
    ast.For, ast.While, ast.Break,
    ast.Continue, ast.Subscript, ast.Expr, ast.Pass, ast.cmpop, ast.boolop, ast.unaryop,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.LShift, ast.RShift, ast.BitAnd, ast.BitOr, ast.BitXor,
)  # fmt: skip


def rule_source(rule: Rule, late: Mapping[str, str], given: Sequence[str]) -> tuple[str, str]:
    """(helpers and constants, the rule as a function `rule_<name>` of the arguments `given`), as text.

    `late` maps arguments to expressions of `given` that are computed where their value is used: draws and loads are pure, and many
    rows decide before they need them. Raises InputError that names the rule, the line and the reason for anything outside the checked
    subset.
    """
    collected: dict[str, str] = {}
    objects: dict[str, Any] = {}
    function = _checked(_tree(rule.fn, rule), rule.fn, rule, collected, objects)
    function.name = f"rule_{rule.name}"
    stored = {part.id for part in ast.walk(function) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    taken = sorted(stored & (set(given) - set(inspect.signature(rule.fn).parameters)))
    if taken:
        raise InputError(f"rule {rule.name!r}: the engine uses the name {taken[0]!r}; call the variable something else")
    _check_returns(function, rule)
    _compute_late(function, {name: ast.parse(text, mode="eval").body for name, text in late.items()}, stored)
    function.args.args = [ast.arg(name) for name in given]
    ast.fix_missing_locations(function)
    return "\n\n".join(collected.values()), ast.unparse(function)


def _check_returns(function: ast.FunctionDef, rule: Rule) -> None:
    """Refuse a rule that returns another number of values than it writes, as far as that is seen in its text."""
    wanted = len(rule.writes) if rule.kind == "rule" else 3 if rule.kind == "span" else 1
    for part in ast.walk(function):
        if isinstance(part, ast.Return):
            values = len(part.value.elts) if isinstance(part.value, ast.Tuple) else 1
            named = isinstance(part.value, ast.Name | ast.Call | ast.IfExp)  # what is behind a name is seen when it runs
            if values != wanted and not (named and wanted > 1) and not (rule.kind == "tally" and values > 1):
                what = ", ".join(rule.writes) or ("from hour, to hour, amount" if rule.kind == "span" else "one value")
                raise InputError(f"{inspect.getsourcefile(rule.fn)}:{part.lineno}: rule {rule.name!r} returns {values} "
                                 f"value{'s' if values > 1 else ''} for {wanted} ({what})")


def draw_number(draw: str) -> int:
    """The number of a draw: 0 for `u`, 1 for `u2`, …"""
    return 0 if draw == "u" else int(draw[1:]) - 1


def _compute_late(function: ast.FunctionDef, late: Mapping[str, ast.expr], stored: set[str]) -> None:
    """Put expressions where names are read: all draws, and values that are read once; other values are computed first."""
    reads = Counter(part.id for part in ast.walk(function) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load))
    placed = {n: e for n, e in late.items() if n not in stored and (reads[n] == 1 or n.startswith("u") and isinstance(e, ast.Call))}

    class Place(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return ast.copy_location(placed[node.id], node) if node.id in placed and isinstance(node.ctx, ast.Load) else node

    body = [Place().visit(statement) for statement in function.body]
    first: list[ast.stmt] = [ast.Assign([ast.Name(n, ast.Store())], e) for n, e in late.items() if n not in placed and reads[n]]
    function.body = [*first, *body]


def _tree(fn: Callable[..., Any], rule: Rule) -> ast.FunctionDef:
    try:
        lines, first = inspect.getsourcelines(fn)
    except (OSError, TypeError):
        raise InputError(f"rule {rule.name!r}: the source of {fn.__name__!r} cannot be read; write it in a file") from None
    node = ast.parse(textwrap.dedent("".join(lines))).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise InputError(f"rule {rule.name!r}: {fn.__name__!r} must be written with def")
    return ast.increment_lineno(node, first - 1)


def _checked(
    node: ast.FunctionDef, fn: Callable[..., Any], rule: Rule, collected: dict[str, str], objects: dict[str, Any]
) -> ast.FunctionDef:
    """The function without docstring, decorators, annotations and defaults; its helpers and constants are collected on the way."""

    def refuse(part: ast.AST, reason: str) -> InputError:
        line = getattr(part, "lineno", node.lineno)
        return InputError(f"{inspect.getsourcefile(fn)}:{line}: rule {rule.name!r}: {reason}")

    arguments = node.args
    arguments.args += arguments.kwonlyargs
    arguments.kwonlyargs, arguments.kw_defaults, arguments.defaults = [], [], []
    node.decorator_list, node.returns = [], None
    for argument in arguments.args:
        argument.annotation = None
    if isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant) and len(node.body) > 1:
        node.body = node.body[1:]
    local = {argument.arg for argument in arguments.args}
    local |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    known = {**fn.__globals__, **inspect.getclosurevars(fn).nonlocals}
    for part in ast.walk(node):
        if not isinstance(part, _NODES):
            what = "'**' differs between Python and numba; multiply, or use exp and log" if isinstance(part, ast.Pow) else ""
            raise refuse(part, what or f"{type(part).__name__} is outside the subset that compiles")
        if isinstance(part, ast.Constant) and not isinstance(part.value, bool | int | float):
            raise refuse(part, f"the constant {part.value!r} is no number")
        if isinstance(part, ast.Attribute):
            owner = known.get(part.value.id) if isinstance(part.value, ast.Name) else None
            if owner is not math or (part.attr not in MATH and part.attr not in ("inf", "pi", "e")):
                raise refuse(part, f"{ast.unparse(part)!r} is not allowed; math has {', '.join(sorted(MATH))}")
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "round" and len(part.args) > 1:
            raise refuse(part, "round with a number of digits differs between Python and numba; round to whole numbers")
        if isinstance(part, ast.Name) and part.id not in local and part.id not in BUILTINS:
            _collect(part.id, known.get(part.id), rule, collected, objects, partial(refuse, part))
    return node


def _collect(
    name: str, value: Any, rule: Rule, collected: dict[str, str], objects: dict[str, Any], refuse: Callable[[str], InputError]
) -> None:
    """Write one global that the function uses: a math function, a helper or a constant."""
    if name in RESERVED or name.startswith(("keyed_", "rule_")):
        raise refuse(f"the name {name!r} is the engine's own; choose another")
    if name in objects:
        if objects[name] is not value and objects[name] != value:
            raise refuse(f"two different things are called {name!r}")
        return
    objects[name] = value
    if value is math:
        return
    builtin = value.__name__ if isinstance(value, BuiltinFunctionType) else ""
    if builtin and getattr(math, builtin, None) is value:
        if builtin not in MATH:
            raise refuse(f"math.{builtin} may differ between Python and numba; allowed: {', '.join(sorted(MATH))}")
        collected[name] = f"{name} = math.{builtin}"
    elif isinstance(value, FunctionType):
        helper = _checked(_tree(value, rule), value, rule, collected, objects)
        helper.name = name
        collected[name] = f"@njit({LEAN})\n{ast.unparse(helper)}"
    elif isinstance(value, bool | int | float) or (isinstance(value, tuple) and all(isinstance(v, bool | int | float) for v in value)):
        collected[name] = f"{name} = {_literal(value)}"
    else:
        raise refuse(f"{name!r} is {'not defined' if value is None else type(value).__name__}; rules use numbers, math and plain functions")


def _literal(value: Any) -> str:
    if isinstance(value, tuple):
        return "(" + "".join(f"{_literal(v)}, " for v in value) + ")"
    if isinstance(value, float) and not math.isfinite(value):
        return "math.nan" if math.isnan(value) else "math.inf" if value > 0 else "-math.inf"
    return repr(value)
