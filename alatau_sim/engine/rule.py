"""What a modeller writes: rules, tallies, choices, derived columns, relations and settlements, as declarations.

The signature of a rule is its whole contract:

- a positional argument is the agent's own column (`age`); the own column wins over any other reading of a name;
- `<index>_<column>` follows an index column one hop into another table (`home_rent_kzt` is `zones.rent_kzt[home]`);
- `city_<name>` is a scalar of the day (for tallies it may be a vector of 24); `policy_<name>` and `world_<name>` read the
  scenario, of the rule's own domain or with the domain's name in front (`policy_payments_signup_bonus_kzt`);
- `u`, `u2` … `u9` are uniform draws in [0, 1) of this agent, this rule, this day;
- keyword-only arguments are parameters (`fields.param`), settable in a scenario under `rules: {<rule>: {<parameter>: value}}`;
- it returns the new values of `writes`, in that order.

This module only declares; `engine.kernel` compiles, `engine.plan` orders and checks. It imports neither numba nor mesa.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from alatau_sim.errors import InputError
from alatau_sim.fields import Param, param_of

DRAW = re.compile(r"u[2-9]?\Z")
CADENCE = re.compile(r"1 (day|week|month|year)\Z")
PHASES = ("settle", "account", "check", "record", "events", "life", "refresh", "decide", "tally")
How = Literal["sum", "mean", "share", "count", "min", "max", "any", "bits"]


def _cadence(every: str, name: str) -> str:
    if not CADENCE.match(every):
        raise InputError(f"rule {name!r}: every={every!r}; it must be '1 day', '1 week', '1 month' or '1 year'")
    return every


@dataclass(frozen=True, eq=False)
class Rule:
    """One declared decision: a scalar function of one row, and what it reads, writes and draws.

    `kind` is rule, tally, span or choice. Calling the object calls the function, with the declared defaults for the parameters
    that are not given.
    """

    fn: Callable[..., Any]
    kind: Literal["rule", "tally", "span", "choice"]
    of: str
    every: str
    phase: str
    writes: tuple[str, ...] = ()
    into: str = ""
    cell: tuple[str, ...] = ()
    over: str = ""
    sample: int = 0
    fresh: bool = False
    when: str = ""
    domain: str = ""
    inputs: tuple[str, ...] = field(init=False)
    draws: tuple[str, ...] = field(init=False)
    params: Mapping[str, Param] = field(init=False)

    def __post_init__(self) -> None:
        inputs, draws, params = [], [], {}
        for argument in inspect.signature(self.fn).parameters.values():
            if argument.kind is argument.KEYWORD_ONLY:
                declared = param_of(argument.default)
                if declared is None:
                    raise InputError(f"rule {self.name!r}: the keyword argument {argument.name!r} must have param(…) as its default")
                params[argument.name] = declared
            elif argument.kind is not argument.POSITIONAL_OR_KEYWORD or argument.default is not argument.empty:
                raise InputError(f"rule {self.name!r}: the argument {argument.name!r} must be plain (no default, no * or /)")
            elif DRAW.match(argument.name):
                draws.append(argument.name)
            else:
                inputs.append(argument.name)
        object.__setattr__(self, "inputs", tuple(inputs))
        object.__setattr__(self, "draws", tuple(draws))
        object.__setattr__(self, "params", params)

    @property
    def name(self) -> str:
        """The function's name, under which a scenario sets its parameters."""
        return self.fn.__name__

    @property
    def meaning(self) -> str:
        """The first line of the docstring."""
        return (inspect.getdoc(self.fn) or "").split("\n", 1)[0]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value, with declared defaults for the parameters that are not given."""
        return self.fn(*args, **{**{name: p.default for name, p in self.params.items()}, **kwargs})


def rule(
    *, of: str, writes: str | tuple[str, ...], every: str, phase: Literal["life", "decide"] = "decide"
) -> Callable[[Callable[..., Any]], Rule]:
    """Declare a decision of one row of table `of` that returns the new values of the columns `writes`.

    `every` is '1 day', '1 week' (Mondays), '1 month' (on the first) or '1 year' (on 1 January). Rules of phase `life` run before
    people are added or removed that day, the others afterwards.
    """

    def declare(fn: Callable[..., Any]) -> Rule:
        written = (writes,) if isinstance(writes, str) else tuple(writes)
        return Rule(fn, "rule", of, _cadence(every, fn.__name__), phase, written)

    return declare


def tally(*, of: str, into: str, cell: tuple[str, ...], every: str = "1 day") -> Callable[[Callable[..., Any]], Rule]:
    """Declare amounts that each row adds to one cell of the grid `into`.

    `cell` names an integer column of the row for each leading axis of the grid; the function returns one integer for each cell of
    the trailing axes taken together (one integer when `cell` covers all axes; a tuple of 24 for a trailing hour axis). A cell
    index of −1 adds nothing.
    """
    return lambda fn: Rule(fn, "tally", of, _cadence(every, fn.__name__), "tally", into=into, cell=tuple(cell))


def tally_span(*, of: str, into: str, cell: tuple[str, ...] = (), every: str = "1 day") -> Callable[[Callable[..., Any]], Rule]:
    """Declare an amount that each row adds to a span of hours: the function returns (from hour, to hour, amount).

    The grid's last axis must be `hour`; `cell` gives the other axes. Hours run from `from` to before `to`, modulo 24, so that
    (22, 6, 1) adds to 22, 23, 0 … 5; equal hours add nothing, and (0, 24, 1) adds to every hour.
    """
    return lambda fn: Rule(fn, "span", of, _cadence(every, fn.__name__), "tally", into=into, cell=tuple(cell))


def choice(
    *, of: str, over: str, writes: str, every: str, sample: int = 30, fresh: bool = False, when: str = "",
    phase: Literal["life", "decide"] = "decide",
) -> Callable[[Callable[..., Any]], Rule]:
    """Declare the utility of one alternative (a row of table `over`) for one chooser (a row of `of`); the best is written.

    `alternative_<column>` reads the alternative. The choice is a logit: the utility plus one Gumbel term keyed by (chooser's id,
    alternative's id), and by the day as well where `fresh`. About `sample` alternatives, picked by key, are looked at (all, where
    the table has no more). `when` names a bool column: rows where it is false keep what they have. A utility of −inf rules an
    alternative out; if all are, −1 is written.
    """
    return lambda fn: Rule(
        fn, "choice", of, _cadence(every, fn.__name__), phase, (writes,), over=over, sample=sample, fresh=fresh, when=when
    )


@dataclass(frozen=True)
class Derived:
    """A column computed in refresh: `table.name` = how(`of`.`column`) over the rows of `of` whose `by` points to this row.

    `by` is an index column of `of` that points to `table`, or the name of a relation of `of` (then `table` is `of`). `column` is
    empty for `count`. `equals` compares the column with a code first (share of residents whose wallet_state equals 2); `where`
    names a bool column that rows must have. Means and shares of nobody are `empty`. Float columns are summed in units of
    `quantum`, so that sums depend on no order. `every` says how often it is computed; besides, it is on the first day and whenever rows
    have come or gone. With phase `tally` it is computed after the day's decisions and before the tallies, so that these see the day's
    own plans.
    """

    table: str
    name: str
    of: str
    by: str
    how: How
    column: str = ""
    equals: int | None = None
    where: str = ""
    unit: str = ""
    meaning: str = ""
    empty: float = 0.0
    quantum: float = 1e-6
    every: str = "1 day"
    phase: Literal["refresh", "tally"] = "refresh"


def aggregate(*, of: str, into: str, by: str, how: How, name: str, column: str = "", **more: Any) -> Derived:
    """A derived column, written the way a rule is: `aggregate(of="residents", into="households", by="household", how="sum", …)`."""
    return Derived(table=into, name=name, of=of, by=by, how=how, column=column, **more)


@dataclass(frozen=True)
class Mirror:
    """A column of `table` that follows `column` of the row that `by` points to (`residents.home` follows `households.home`).

    It is copied every `every`, and whenever rows of `table` have come or gone.
    """

    table: str
    name: str
    by: str
    column: str
    every: str = "1 day"


@dataclass(frozen=True)
class Relation:
    """A sparse graph among the rows of one table: each row knows `degree` others that share the value of its index column `within`.

    For each of the `degree` slots the members of a group stand on a ring in the order of a keyed hash of their ids, and each knows
    the next one: one more member changes only its neighbours on the rings of its own group. Rows alone in their group, or in no
    group (−1), know nobody.
    """

    name: str
    table: str
    within: str
    degree: int
    meaning: str = ""


@dataclass(frozen=True)
class Settlement:
    """A vectorised step of the day: a function of the running simulation with declared reads and writes.

    `reads` and `writes` name `table.column`, `table` (structure: rows added or removed), `grid:<name>`, `city:<name>` or
    `account:<name>`.
    """

    fn: Callable[[Any], None]
    phase: str
    every: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    domain: str = ""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.fn.__name__

    @property
    def meaning(self) -> str:
        """The first line of the docstring."""
        return (inspect.getdoc(self.fn) or "").split("\n", 1)[0]


def settlement(
    *, phase: str, every: str = "1 day", reads: tuple[str, ...] = (), writes: tuple[str, ...] = ()
) -> Callable[[Callable[[Any], None]], Settlement]:
    """Declare a vectorised step of the day in one of the phases settle, account, check (closing) or events, life, refresh (opening)."""

    def declare(fn: Callable[[Any], None]) -> Settlement:
        if phase not in PHASES:
            raise InputError(f"settlement {fn.__name__!r}: phase={phase!r}; it must be one of {', '.join(PHASES)}")
        return Settlement(fn, phase, _cadence(every, fn.__name__), tuple(reads), tuple(writes))

    return declare
