"""What a page is made of: sections of figures, tables and notes. Nothing here knows HTML or Vega."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alatau_sim.report.cube import Cube


@dataclass(frozen=True)
class Panel:
    """One chart of a figure: its rows are those of the figure's cube that have the `fixed` labels and the controls' choices."""

    title: str
    spec: Mapping[str, Any]
    fixed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Control:
    """A choice of a label of one axis: `start` is the place on it chosen first, `only` what can be chosen."""

    axis: str
    label: str
    kind: str = "select"
    start: int = 0
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class MapPart:
    """What a map needs besides its cube: outlines, colour ranges and units by indicator, and names by zone."""

    features: list[dict[str, Any]]
    ranges: dict[str, dict[str, Any]]
    baseline: str


@dataclass(frozen=True)
class Figure:
    """Charts that share data, controls and a legend; `legend` lists label, colour and dash pattern."""

    name: str
    title: str
    text: str
    alt: str
    cube: Cube
    panels: Sequence[Panel]
    controls: Sequence[Control] = ()
    legend: Sequence[tuple[str, str, str]] = ()
    note: str = ""
    map: MapPart | None = None
    wide: bool = False

    def choices(self) -> dict[str, Any]:
        """The labels that the controls begin with."""
        return {control.axis: self.cube.axes[control.axis][control.start] for control in self.controls}


@dataclass(frozen=True)
class Table:
    """Rows of text under a head; the columns named in `left` are words, the others numbers. `folded` tables open on request,
    and on paper if `paper` says so.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[int] = (0,)
    folded: bool = False
    paper: bool = True
    text: str = ""
    marks: Mapping[tuple[int, int], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    """A sentence, and words in front of it that stand out; `kind` is note, missing or finding."""

    text: str
    kind: str = "note"
    strong: str = ""


Block = Figure | Table | Note


@dataclass(frozen=True)
class Section:
    """A part of the page under one heading."""

    name: str
    title: str
    blocks: Sequence[Block]
    text: str = ""


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    lead: str
    language: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    scenarios: Sequence[tuple[str, str, str, str]]  # label, colour, dash, description

    @property
    def figures(self) -> list[Figure]:
        """All figures, in the order of the page."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]
