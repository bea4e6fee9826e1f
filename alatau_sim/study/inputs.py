"""What a run is made from besides its scenario file: keys set by hand, overrides switched on, rule files and plug-ins.

It knows no scenario key itself: the vocabulary is composed from the built-in domains and from what rule files and plug-ins bring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alatau_sim.errors import InputError

if TYPE_CHECKING:
    from alatau_sim.engine.domain import Composition, Domain


@dataclass(frozen=True)
class Inputs:
    """What the command line adds to every scenario of a study; it travels to the worker processes."""

    sets: tuple[str, ...] = ()
    use: tuple[str, ...] = ()
    rule_files: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()

    def domains(self) -> tuple[Domain, ...]:
        """The built-in domains and those of rule files and plug-ins; the model's code is imported only where one was asked for."""
        from alatau_sim.domains import domains

        if not self.rule_files and not self.plugins:
            return domains()
        from alatau_sim.extensions import domains_with

        return domains_with(self.rule_files, self.plugins)

    def composition(self) -> Composition:
        """The vocabulary of a scenario."""
        from alatau_sim.engine.domain import compose

        return compose(self.domains())

    def load(self, path: str | Path) -> Any:
        """The checked, frozen scenario of a file."""
        from alatau_sim.scenario.load import load_scenario as load

        return load(Path(path), composition=self.composition(), sets=self.sets, use=self.use)

    def check(self, scenario: Any) -> tuple[str, ...]:
        """Check what the scenario says against the content of the files that it points to; returns what the user should know.

        Raises `InputError` with all that would otherwise stop the run later.
        """
        from alatau_sim.study.files import check_files

        return check_files(scenario, self.domains())

    def load_all(self, paths: Sequence[str | Path]) -> list[Any]:
        """The scenarios of several files; all that is wrong in any of them is told at once."""
        return each_of(self.load, paths)

    def check_all(self, paths: Sequence[str | Path]) -> tuple[list[Any], list[tuple[str, ...]]]:
        """The scenarios of several files and the notes on each, checked with the files that they point to."""
        scenarios = self.load_all(paths)
        return scenarios, each_of(self.check, scenarios)


def each_of(do: Callable[[Any], Any], things: Sequence[Any]) -> list[Any]:
    """What `do` makes of each; what is wrong with any of them is told at once, each thing once."""
    made, wrong = [], []
    for thing in things:
        try:
            made.append(do(thing))
        except InputError as error:
            wrong += str(error).splitlines()
    if wrong:
        raise InputError("\n".join(dict.fromkeys(wrong)))
    return made


def load_scenario(
    path: str | Path,
    *,
    sets: Sequence[str] = (),
    use: Sequence[str] = (),
    rule_files: Sequence[str | Path] = (),
    plugins: Sequence[str] = (),
) -> Any:
    """Load and check a scenario file: `load_scenario("scenarios/baseline.yaml", sets=["run.seed=7"])`.

    `sets` are `key=value` as after `--set`; `use` names overrides of the file; rule files and plug-ins widen what the file may say.
    Raises `InputError` that lists everything that is wrong, with file and line.
    """
    return Inputs(tuple(sets), tuple(use), tuple(str(file) for file in rule_files), tuple(plugins)).load(path)
