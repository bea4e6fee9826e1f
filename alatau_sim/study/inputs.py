"""What a run is made from besides its scenario file: keys set by hand, overrides switched on, rule files and plug-ins.

It knows no scenario key itself: the vocabulary is composed from the built-in domains and from what rule files and plug-ins bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alatau_sim.errors import InputError, Problem, did_you_mean, raise_problems

if TYPE_CHECKING:
    from alatau_sim.engine.domain import Composition


@dataclass(frozen=True)
class Inputs:
    """What the command line adds to every scenario of a study; it travels to the worker processes."""

    sets: tuple[str, ...] = ()
    use: tuple[str, ...] = ()
    rule_files: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()

    def composition(self) -> Composition:
        """The vocabulary of a scenario; the model's code is imported only where a rule file or plug-in was asked for."""
        from alatau_sim.domains import domains
        from alatau_sim.engine.domain import compose

        if not self.rule_files and not self.plugins:
            return compose(domains())
        from alatau_sim.extensions import domains_with

        return compose(domains_with(self.rule_files, self.plugins))

    def load(self, path: str | Path) -> Any:
        """The checked, frozen scenario of a file."""
        from alatau_sim.scenario.load import load_scenario as load

        return load(Path(path), composition=self.composition(), sets=self.sets, use=self.use)

    def check(self, scenario: Any) -> None:
        """Check what the scenario says against the content of the files that it points to."""
        check_files(scenario)

    def load_all(self, paths: Sequence[str | Path]) -> list[Any]:
        """The scenarios of several files; all that is wrong in any of them is told at once."""
        scenarios, wrong = [], []
        for path in paths:
            try:
                scenarios.append(self.load(path))
            except InputError as error:
                wrong.append(str(error))
        if wrong:
            raise InputError("\n".join(dict.fromkeys("\n".join(wrong).splitlines())))
        return scenarios


def check_files(scenario: Any) -> None:
    """Check what a scenario says against the content of its map: it can be used, and has the zones that are rezoned."""
    from alatau_sim.city.zones import load_zones

    spec = scenario.map
    zones = load_zones(spec.file, layer=spec.layer, crs=spec.crs, columns=spec.columns, land_use=spec.land_use,
                       overlap_threshold_m2=spec.overlap_threshold_m2)
    known = set(zones.zone)
    problems = []
    for number, change in enumerate(scenario.rezone):
        for zone in change.zones or ():
            if str(zone) not in known:
                file, line = _place(scenario, f"rezone.{number}")
                message = f"rezone: there is no zone {str(zone)!r} in {spec.file.name}{did_you_mean(str(zone), known)}"
                problems.append(Problem(message, file, line))
    raise_problems(problems)


def _place(scenario: Any, path: str) -> tuple[str | Path, int | None]:
    """File and line of a key of a scenario, or of the first key under it."""
    inside = [place for key, place in scenario.origins.items() if key == path or key.startswith((f"{path}.", f"{path}["))]
    return inside[0] if inside else (scenario.path, None)


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
