"""Declared parameters and columns: type, unit, range, meaning and evidence, each written once.

Validation, help, the JSON Schema, the recorded tables' metadata and the sampling of worlds all read these declarations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Evidence = Literal["measured", "calibrated", "sourced", "assumed"]


@dataclass(frozen=True)
class Spread:
    """How little is known of a parameter: the distribution that worlds 1, 2, … draw it from (world 0 takes the default).

    `kind` is fixed, uniform(low, high), triangular(low, high, around the default), normal(sd) or lognormal(sigma of the logarithm).
    """

    kind: Literal["fixed", "uniform", "triangular", "normal", "lognormal"] = "fixed"
    a: float = 0.0
    b: float = 0.0

    def quantile(self, p: float, central: float) -> float:
        """The value at probability `p` (0 < p < 1) of the distribution around the central value."""
        if self.kind == "uniform":
            return self.a + p * (self.b - self.a)
        if self.kind == "triangular":
            low, high = self.a, self.b
            cut = (central - low) / (high - low)
            if p < cut:
                return low + math.sqrt(p * (high - low) * (central - low))
            return high - math.sqrt((1 - p) * (high - low) * (high - central))
        if self.kind == "normal":
            return central + self.a * NormalDist().inv_cdf(p)
        if self.kind == "lognormal":
            return central * math.exp(self.a * NormalDist().inv_cdf(p))
        return central


fixed = Spread()


def uniform_between(low: float, high: float) -> Spread:
    """Any value between `low` and `high` is as likely as any other."""
    return Spread("uniform", low, high)


def triangular_between(low: float, high: float) -> Spread:
    """Between `low` and `high`, most likely at the default."""
    return Spread("triangular", low, high)


def normal_spread(sd: float) -> Spread:
    """Normal around the default with standard deviation `sd`; clipped to the parameter's range."""
    return Spread("normal", sd)


def lognormal_spread(sigma: float) -> Spread:
    """Lognormal with the default as median; `sigma` is the standard deviation of the logarithm."""
    return Spread("lognormal", sigma)


@dataclass(frozen=True)
class Param:
    """One declared parameter of a policy, a world or a rule."""

    default: Any
    within: tuple[float, float] | None = None
    one_of: tuple[str, ...] = ()
    unit: str = ""
    meaning: str = ""
    evidence: Evidence = "assumed"
    source: str = ""
    spread: Spread = field(default=fixed)

    def allowed(self) -> str:
        """The allowed values in words, with the unit: `within 0 … 1 [1/month]`."""
        unit = f" [{self.unit}]" if self.unit else ""
        if self.one_of:
            return f"one of {', '.join(self.one_of)}"
        if self.within is None:
            return type(self.default).__name__ + unit
        return f"within {self.within[0]:.15g} … {self.within[1]:.15g}{unit}"

    def clip(self, value: float) -> float:
        """The value moved into the allowed range; whole numbers stay whole."""
        if self.within is not None:
            value = min(max(value, self.within[0]), self.within[1])
        return round(value) if isinstance(self.default, int) else value


def param(
    default: Any,
    *,
    within: tuple[float, float] | None = None,
    one_of: tuple[str, ...] = (),
    unit: str = "",
    meaning: str,
    evidence: Evidence = "assumed",
    source: str = "",
    spread: Spread = fixed,
) -> Any:
    """Declare a parameter, as the default of a `Section` field or of a rule's keyword-only argument.

    `within` is the closed allowed range in `unit`; `source` names where a figure is from and is required unless the evidence is
    `assumed`; `spread` says what a world may draw.
    """
    declared = Param(default, within, one_of, unit, meaning, evidence, source, spread)
    if evidence != "assumed" and not source:
        raise ValueError(f"parameter with evidence {evidence!r} and meaning {meaning!r} needs a source")
    if within is not None and isinstance(default, int | float) and not within[0] <= default <= within[1]:
        raise ValueError(f"parameter with meaning {meaning!r}: the default {default!r} is not {declared.allowed()}")
    limits: dict[str, Any] = {} if within is None else {"ge": within[0], "le": within[1]}
    extra: dict[str, Any] = {"unit": unit, "evidence": evidence}
    if source:
        extra["source"] = source
    if one_of:
        extra["enum"] = list(one_of)
    info = Field(default, description=meaning, json_schema_extra=extra, **limits)
    info.metadata.append(declared)
    return info


def param_of(info: Any) -> Param | None:
    """The declaration behind a pydantic field or a rule argument's default, or None where it is not a `param`."""
    if isinstance(info, FieldInfo):
        return next((item for item in info.metadata if isinstance(item, Param)), None)
    return None


class Section(BaseModel):
    """A frozen part of a scenario, such as a domain's `Policy` (levers) or `World` (uncertainties)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)

    @classmethod
    def params(cls) -> dict[str, Param]:
        """The declared parameters by name, in the order of declaration."""
        found = {name: param_of(info) for name, info in cls.model_fields.items()}
        return {name: declared for name, declared in found.items() if declared is not None}


DType = Literal["bool", "int8", "int16", "int32", "int64", "float32", "float64"]


@dataclass(frozen=True)
class Column:
    """One column of a table: the type it is stored in, what it means, what is allowed.

    `index` names the table whose rows the column holds (int32, −1 = none); `missing` is what a reader gets through an index of −1
    into this column; `labels` name the codes of a category (0, 1, …), in order.
    """

    name: str
    dtype: DType
    unit: str = ""
    meaning: str = ""
    default: float | int | bool = 0
    within: tuple[float, float] | None = None
    labels: tuple[str, ...] = ()
    index: str | None = None
    missing: float | int | bool | None = None


@dataclass(frozen=True)
class ResultField:
    """One column of a recorded table: name, Arrow type in words, unit and meaning (stored as field metadata).

    `type` is int32, int64, float64, bool, text, or category (a fixed dictionary given as `labels`).
    """

    name: str
    type: Literal["int32", "int64", "float64", "bool", "text", "category"]
    unit: str = ""
    meaning: str = ""
    labels: tuple[str, ...] = ()
