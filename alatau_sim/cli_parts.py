"""What commands share: the arguments that several take, and how they speak."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alatau_sim.study.inputs import Inputs


class Format(StrEnum):
    """How a table is printed."""

    table = "table"
    json = "json"
    csv = "csv"


Scenario = Annotated[Path, typer.Argument(metavar="SCENARIO", help="Scenario file (YAML).")]
Scenarios = Annotated[list[Path], typer.Argument(metavar="SCENARIO", help="Scenario files (YAML).")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a study, such as outputs/baseline.")]
Sets = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Set one key of every scenario: --set run.seed=7.")]
Use = Annotated[list[str], typer.Option("--use", metavar="NAME", help="Switch on a named block of the scenario's overrides.")]
Rules = Annotated[list[str], typer.Option("--rules", metavar="FILE", help="Python file with rules of your own.")]
Plugins = Annotated[list[str], typer.Option("--plugin", metavar="NAME", help="Installed plug-in to load.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
OnCluster = Annotated[str | None, typer.Option("--cluster", metavar="ADDRESS", help="Dask scheduler: tcp://host:port, or its file.")]
As = Annotated[Format, typer.Option("--format", help="How to print the result.")]


def say(text: str) -> None:
    """Print a result."""
    print(text)


def tell(text: str) -> None:
    """Print what is no result."""
    print(text, file=sys.stderr)


def inputs_of(sets: Sequence[str], use: Sequence[str], rules: Sequence[str], plugins: Sequence[str]) -> Inputs:
    """What the options add to every scenario."""
    return Inputs(tuple(sets), tuple(use), tuple(rules), tuple(plugins))
