"""Do the results still come out as they were written? Parts against their manifests, then chosen runs made again and compared.

A re-run goes into a temporary folder and leaves the study as it is. It says what differs, and which of the known reasons it may be: code,
inputs, versions of packages, machine. A difference without any of these is a fault that is worth a report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alatau_sim.errors import AlatauError, InputError, did_you_mean
from alatau_sim.results.dataset import RunRecord, Study, open_study
from alatau_sim.results.manifest import machine, source_hashes, versions
from alatau_sim.study.inputs import Inputs
from alatau_sim.study.progress import Screen, Watcher
from alatau_sim.study.remake import Remade, remake

LISTED = 6  # so many parts that differ are named
SAME, DIFFERS, UNKNOWN = 0, 1, 2
VERDICTS = {SAME: "same", DIFFERS: "differs", UNKNOWN: "cannot be verified"}


@dataclass
class Checked:
    """What came of one run: its verdict, the parts that were compared whole and in part, those that differ, and why that may be."""

    run: str
    code: int = SAME
    whole: int = 0
    begun: int = 0
    days: int = 0
    of_days: int = 0
    different: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The run in words."""
        yield f"{self.run}: {VERDICTS[self.code]}{self._extent() if self.code != UNKNOWN else ''}"
        for part in self.different[:LISTED]:
            yield f"  {part}"
        if len(self.different) > LISTED:
            yield f"  and {len(self.different) - LISTED} more parts"
        for reason in self.why:
            yield f"  {'why' if self.code == UNKNOWN else 'likely because'}: {reason}"
        for note in self.notes:
            yield f"  note: {note}"

    def _extent(self) -> str:
        words = [f"{self.whole} parts by their bytes"] if self.whole else []
        words += [f"{self.begun} by the rows so far"] if self.begun else []
        return f" ({', '.join(words) or 'no part has rows yet'}; {self.days} of {self.of_days} days)"


@dataclass(frozen=True)
class Verification:
    """What came of a study: parts whose bytes are not those of their manifests, runs that do not count, and runs made again."""

    parts: int
    damaged: list[str]
    not_counted: list[str]
    runs: list[Checked]

    @property
    def exit_code(self) -> int:
        """0 the same, 1 something differs, 2 a run could not be verified."""
        codes = [DIFFERS] * bool(self.damaged) + [run.code for run in self.runs]
        return DIFFERS if DIFFERS in codes else UNKNOWN if UNKNOWN in codes else SAME

    def text(self) -> str:
        """Everything in words."""
        lines = [f"{self.parts} parts compared with the hashes in their manifests: " + (
            f"{len(self.damaged)} are not what the runs wrote" if self.damaged else "all are what the runs wrote")]
        lines += [f"  {line}" for line in self.damaged]
        lines += [f"not counted: {line}" for line in self.not_counted]
        lines += [line for run in self.runs for line in run.lines()]
        if not self.runs:
            lines.append("no run was made again; --runs 1 makes one")
        return "\n".join(lines) + "\n"


def verify(
    out: str | Path,
    *,
    runs: int = 1,
    names: Sequence[str] = (),
    days: int | None = None,
    where: Sequence[str | Path] = (),
    rule_files: Sequence[str] = (),
    trust: bool = False,
    threads: int | None = None,
    progress: Watcher | None = None,
    model: Callable[..., Any] | None = None,
    inputs: Inputs | None = None,
) -> Verification:
    """Compare a study with its manifests, then make runs again: those of `names`, else the first `runs`, one of each scenario in turn.

    `days` stops each re-run after so many days: parts that are whole by then are compared by their bytes, those that have begun by their
    rows. `where` are scenario files or folders with them; `rule_files` and `trust` are about runs with rule files (see `remake`). `model`
    replaces `CityModel`, `inputs` what loads scenarios.
    """
    if days is not None and days < 1:
        raise InputError(f"--days {days}: it must be 1 or more")
    study = open_study(out)
    chosen = _chosen(study, runs, names)
    damaged = [*study.verify(), *(run.problem for run in study.unfinished if run.status == "complete")]
    not_counted = [f"{run.name} ({run.problem})" for run in study.unfinished if run.status != "complete"]
    parts = sum(len(run.manifest["parts"]) for run in study.runs)
    checked = []
    with ExitStack() as stack:
        watcher = progress if progress is not None else stack.enter_context(Screen())
        for run in chosen:
            with TemporaryDirectory(prefix="alatau-verify-", ignore_cleanup_errors=True) as folder:
                remade = remake(run.manifest, Path(folder), where=[Path(place) for place in where], rule_files=rule_files, trust=trust,
                                inputs=inputs)
                checked.append(_check(study, run, remade, Path(folder) / "study", days, threads, watcher, model))
            watcher.ended(run.name, VERDICTS[checked[-1].code])
    return Verification(parts, damaged, not_counted, checked)


def _chosen(study: Study, count: int, names: Sequence[str]) -> list[RunRecord]:
    """The runs to be made again: by name, or the first of each scenario, then the second of each."""
    known = {run.name: run for run in study.runs}
    for name in names:
        if name not in known:
            failed = {run.name: run.problem for run in study.unfinished}
            why = f": it does not count ({failed[name]})" if name in failed else did_you_mean(name, known)
            raise InputError(f"{study.folder}: there is no complete run {name!r}{why}")
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    if not study.runs and any(run.status != "complete" for run in study.unfinished) and not any(
        run.status == "complete" for run in study.unfinished
    ):
        study.files("")  # raises: no run is complete
    turns: dict[str, int] = {}
    ordered = []
    for run in study.runs:
        turns[run.scenario] = turns.get(run.scenario, 0) + 1
        ordered.append((turns[run.scenario], run))
    ordered.sort(key=lambda item: item[0])
    return [run for _, run in ordered[:count]]


def _check(
    study: Study, run: RunRecord, remade: Remade, folder: Path, days: int | None, threads: int | None, watcher: Watcher,
    model: Callable[..., Any] | None,
) -> Checked:
    found = Checked(run.name, notes=list(remade.notes))
    if remade.problems:
        found.code, found.why = UNKNOWN, list(remade.problems)
        if any("this version" in problem for problem in remade.problems):
            found.why += reasons(run.manifest)
        return found
    try:
        again = _again(run, remade, folder, days, threads, watcher, model, found)
    except InputError as error:
        found.code, found.why = UNKNOWN, [str(error), *reasons(run.manifest)]
        return found
    except (AlatauError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        found.code = DIFFERS
        found.different = [f"the run that was whole fails here: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"]
        found.why = reasons(run.manifest) or ["nothing known differs: this is worth a report"]
        return found
    _compare(study, run, folder, again, found)
    found.code = DIFFERS if found.different else SAME
    known = reasons(run.manifest)
    if found.different:
        found.why = known or ["nothing known: code, inputs, versions and machine are as they were; that is worth a report"]
    else:
        found.notes += [f"the bytes are the same, though {reason}" for reason in known]
    return found


def _again(
    run: RunRecord, remade: Remade, folder: Path, days: int | None, threads: int | None, watcher: Watcher, model: Callable[..., Any] | None,
    found: Checked,
) -> Mapping[str, Any]:
    """Make the run again into a folder; returns the parts by path."""
    from alatau_sim.study.run import cores
    from alatau_sim.study.worker import Job, recorder_of, rule_texts

    scenario = remade.scenario
    job = Job(scenario, run.world, run.replicate, folder, run.manifest["hash"], remade.inputs, rule_texts(remade.inputs))
    found.of_days = job.days
    wanted = min(days or job.days, job.days)
    watcher.started(job.name, wanted)
    if model is None:
        from alatau_sim.composition import compile_ahead
        from alatau_sim.model import CityModel

        model = CityModel
        compile_ahead(remade.inputs.rule_files, remade.inputs.plugins, cores())
    city = model(scenario, world=run.world, replicate=run.replicate, threads=threads or scenario.run.threads or cores(),
                 rule_files=remade.inputs.rule_files, plugins=remade.inputs.plugins)
    try:
        recorder = recorder_of(city, job)
        city.observe(recorder)
        for day in range(wanted):
            city.step()
            found.days = day + 1
            watcher.reached(job.name, found.days, scenario.run.start + timedelta(days=day))
        return dict(recorder.finish().parts)
    finally:
        city.close()


def _compare(study: Study, run: RunRecord, folder: Path, again: Mapping[str, Any], found: Checked) -> None:
    """Compare the parts made again with those that the manifest lists: by bytes, or by rows where the re-run stopped within a part."""
    told = run.manifest["parts"]
    cut = found.days < found.of_days
    for name, part in again.items():
        if name not in told:
            found.different.append(f"{name}: is new")
        elif part.sha256 == told[name]["sha256"]:
            found.whole += 1
        elif not cut or part.rows >= told[name]["rows"]:
            found.whole += 1
            found.different.append(f"{name}: {_rows_that_differ(folder / name, study.folder / name)}")
        else:
            found.begun += 1
            if difference := _rows_that_differ(folder / name, study.folder / name, begun=True):
                found.different.append(f"{name}: {difference}")
    if not cut:
        found.different += [f"{name}: is not made any more" for name in told if name not in again]


def _rows_that_differ(ours: Path, theirs: Path, *, begun: bool = False) -> str:
    """Where two parts differ first, in words; empty if the rows of the first are the beginning of the second."""
    import pyarrow as pa

    try:
        new, old = (pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in (ours, theirs))
    except (pa.ArrowException, OSError):
        return "the part in the study cannot be read"
    if new.schema != old.schema:
        names = sorted(set(new.column_names) ^ set(old.column_names))
        return f"columns differ: {', '.join(names)}" if names else "types or meanings of columns differ"
    if new.num_rows > old.num_rows or (new.num_rows < old.num_rows and not begun):
        return f"{new.num_rows:,} rows now, {old.num_rows:,} then"
    old = old.slice(0, new.num_rows)
    different = [name for name in new.column_names if not new[name].equals(old[name])]
    if not different:
        return "" if begun else "the rows are the same, the bytes are not (another version of pyarrow, or other dictionaries)"
    first = different[0]
    row = next(k for k, (a, b) in enumerate(zip(new[first].to_pylist(), old[first].to_pylist(), strict=True)) if a != b)
    when, verb = new.column_names[0], "differs" if len(different) == 1 else "differ"
    return (f"{', '.join(different)} {verb}; first in row {row} ({when} {new[when][row].as_py()}): "
            f"{first} {new[first][row].as_py()} now, {old[first][row].as_py()} then")


def reasons(manifest: Mapping[str, Any]) -> list[str]:
    """What is not as it was when the run was made, in words: code, versions, machine."""
    found = []
    then = manifest.get("source")
    if then is None:
        found.append("the manifest is older than the hashes of the code, so the code may differ")
    else:
        now = source_hashes()
        parts = sorted(part for part in {**then, **now} if then.get(part) != now.get(part))
        if parts:
            found.append(f"the code of alatau_sim differs in {', '.join(parts[:LISTED])}{' …' if len(parts) > LISTED else ''}")
    for word, now in (("version", versions()), ("machine", machine())):
        then = manifest.get(f"{word}s" if word == "version" else word, {})
        for name in {**then, **now} if then else ():
            if then.get(name) != now.get(name):
                found.append(f"{word} of {name}: {then.get(name, 'none')} then, {now.get(name, 'none')} now" if word == "version"
                             else f"machine: {name.replace('_', ' ')} {then.get(name, 'not told')} then, {now.get(name, 'not told')} now")
    for rule in manifest.get("rules", ()):
        if "plugin" in rule and (installed := _plugin_version(rule["plugin"])) != rule.get("version", ""):
            found.append(f"plug-in {rule['plugin']}: {rule.get('version') or 'no version'} then, {installed or 'not installed'} now")
    return found


def _plugin_version(name: str) -> str:
    from importlib.metadata import entry_points

    entry = next(iter(entry_points(group="alatau_sim.plugins", name=name)), None)
    return entry.dist.version if entry is not None and entry.dist is not None else ""


