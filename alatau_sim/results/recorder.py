"""The recorder of one run: closed days, months and years become Arrow files, one a table and calendar year.

It only observes: it calls the tables' `build` and the KPIs' `compute` with the simulation and writes what they return. Equal content
gives equal bytes. It knows nothing of what the tables mean.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa

from alatau_sim.errors import InputError, RunError, did_you_mean
from alatau_sim.fields import ResultField
from alatau_sim.results.files import (
    check_name,
    hidden,
    manifest_path,
    read_json,
    rename,
    run_folder,
    sha256_of,
    write_json,
    writing,
)
from alatau_sim.results.kpis import Kpi, ResultTable
from alatau_sim.results.schemas import RESERVED, Columns, describe_kpis, describe_tables, fingerprints

Compression = Literal["none", "zstd", "lz4"]
BATCH_ROWS = 131_072  # a record batch is written when this many rows wait: memory stays bounded, and the cut depends on content only


@dataclass(frozen=True)
class Part:
    """One written file: its rows, size in bytes and SHA-256."""

    rows: int
    bytes: int
    sha256: str


@dataclass
class Recorded:
    """What a run has written: parts by their path inside the study folder (with `/`), rows by table, and what its tables and KPIs meant.

    `words` has a short hash of each declaration, so that a study of runs that mean different things by one name can be told.
    """

    parts: dict[str, Part] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    words: dict[str, dict[str, str]] = field(default_factory=dict)


def select_tables(tables: Sequence[ResultTable], hourly: Sequence[str] = (), extra: Sequence[str] = ()) -> list[ResultTable]:
    """The tables that a scenario's `results` section asks for: the default ones, `<subject>_hour` for each of `hourly`, and `extra`."""
    known = {table.name for table in tables}
    asked = {f"{subject.removesuffix('_hour')}_hour": ("results.hourly", subject) for subject in hourly}
    asked |= {name: ("results.tables", name) for name in extra}
    for name, (key, said) in asked.items():
        if name not in known:
            choices = [n.removesuffix("_hour") for n in known if n.endswith("_hour")] if key == "results.hourly" else known
            raise InputError(f"{key}: there is no table {said!r}{did_you_mean(said, choices)}")
    return [table for table in tables if table.default or table.name in asked]


def kpi_table(kpis: Sequence[Kpi]) -> ResultTable:
    """The long table `kpi_month`: month, KPI, value (null: not defined in that month)."""

    def build(sim: Any) -> dict[str, Any]:
        values = []
        for kpi in kpis:
            value = kpi.compute(sim)
            try:
                values.append(float(value))
            except (TypeError, ValueError) as error:
                raise RunError(f"KPI {kpi.name!r}: it must be one number, but is {value!r}") from error
            if values[-1] in (float("inf"), float("-inf")):
                raise RunError(f"KPI {kpi.name!r}: it is {value}; it must be finite, or NaN where it is not defined")
        return {"kpi": list(range(len(kpis))), "value": values}

    columns = (
        ResultField("kpi", "category", "", "name of the indicator; label, unit and formula are in kpis.json"),
        ResultField("value", "float64", "", "value of the month in the indicator's unit"),
    )
    return ResultTable("kpi_month", "month", columns, build, "Indicators by month")


class Recorder:
    """Writes the tables of one run into a study folder.

    Create it when the run starts (parts, manifest and hidden leftovers of an earlier attempt of this same run are removed: ask
    `manifest.is_whole` first), call `day_closed`, `month_closed` and `year_closed` when those periods have closed, then `finish`,
    or `abandon` for a run that stops early. `labels` are the dictionaries of categories that only the run knows
    (`{"zone": zone_ids}`); `evidence` is what `evidence.evidence_of` says of the model's parameters.
    """

    def __init__(
        self,
        folder: str | Path,
        scenario: str,
        world: int,
        replicate: int,
        tables: Sequence[ResultTable],
        kpis: Sequence[Kpi],
        compression: Compression | None = None,
        *,
        labels: Mapping[str, Sequence[str]] | None = None,
        batch_rows: int = BATCH_ROWS,
        evidence: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.scenario, self.world, self.replicate = check_name(scenario), int(world), int(replicate)
        names = [table.name for table in tables]
        for name in names:
            if name in RESERVED or names.count(name) > 1:
                raise InputError(f"table {name!r}: the name is {'reserved' if name in RESERVED else 'used twice'}")
        kpi_names = [kpi.name for kpi in kpis]
        for name in kpi_names:
            if kpi_names.count(name) > 1:
                raise InputError(f"KPI {name!r}: the name is used twice")
        given = dict(labels or {})
        self._remove_earlier()
        everything = [*tables, *([kpi_table(kpis)] if kpis else [])]
        self._words: dict[str, Mapping[str, Any]] = {"tables.json": describe_tables(everything), "kpis.json": describe_kpis(kpis)}
        self._meant = fingerprints(self._words["tables.json"], self._words["kpis.json"])
        self._words |= {"evidence.json": evidence} if evidence else {}
        self._describe()
        options = pa.ipc.IpcWriteOptions(compression=None if compression in (None, "none") else compression)
        target = partial(run_folder, self.folder, scenario=scenario, world=self.world, replicate=self.replicate)
        self._writers = [
            _Writer(Columns(table, {**given, "kpi": kpi_names} if table.name == "kpi_month" else given),
                    target(table.name), options, batch_rows)
            for table in everything
        ]

    def day_closed(self, sim: Any) -> None:
        """Record the hours and the day that have just closed."""
        self._record(sim, "hour", "day", first=lambda day: day)

    def month_closed(self, sim: Any) -> None:
        """Record the month of the day that has just closed, with its KPIs."""
        self._record(sim, "month", first=lambda day: day.replace(day=1))

    def year_closed(self, sim: Any) -> None:
        """Record the year of the day that has just closed."""
        self._record(sim, "year", first=lambda day: day.replace(month=1, day=1))

    def finish(self) -> Recorded:
        """Write what is still held, make the last parts visible, and say what was written."""
        for writer in self._writers:
            writer.close_part()
        self._describe()
        return self._recorded()

    def abandon(self) -> Recorded:
        """Give up the year that is open, keep the parts that are whole, and say which these are."""
        for writer in self._writers:
            writer.discard()
        return self._recorded()

    def _record(self, sim: Any, *periods: str, first: Callable[[date], date]) -> None:
        day: date = sim.clock.date
        for writer in self._writers:
            # a part is closed when the next year's first row comes, or at the end: a year's own tables come after its last day
            writer.turn_to(day.year)
            if writer.columns.table.period in periods:
                writer.add(first(day), writer.columns.table.build(sim))

    def _recorded(self) -> Recorded:
        recorded = Recorded(words=self._meant)
        for writer in self._writers:
            name = writer.columns.table.name
            recorded.rows[name] = sum(part.rows for part in writer.parts.values())
            for path, part in writer.parts.items():
                recorded.parts[path.relative_to(self.folder).as_posix()] = part
        return recorded

    def _describe(self) -> None:
        """Merge the words about tables and KPIs into the study's; each run writes them, and those of another rule file stay."""
        for name, words in self._words.items():
            path = self.folder / name
            old = read_json(path) if path.exists() else {}
            new = dict(sorted((old | dict(words)).items()))
            if new != old:
                write_json(path, new)

    def _remove_earlier(self) -> None:
        """Remove what an earlier attempt of this very run has left; the manifest goes first, so that the run never seems whole."""
        manifest = manifest_path(self.folder, self.scenario, self.world, self.replicate)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            manifest.unlink(missing_ok=True)
            for leftover in manifest.parent.glob(f".{manifest.name}.tmp-*"):
                leftover.unlink(missing_ok=True)
            for place in self.folder.iterdir():
                parts = run_folder(self.folder, place.name, self.scenario, self.world, self.replicate)
                if parts.is_dir():
                    shutil.rmtree(parts)


class _Writer:
    """One table's open part: batches wait in memory, go to a hidden file, and become a visible part when the year is over."""

    def __init__(self, columns: Columns, folder: Path, options: pa.ipc.IpcWriteOptions, batch_rows: int) -> None:
        self.columns = columns
        self.parts: dict[Path, Part] = {}
        self._folder, self._options, self._batch_rows = folder, options, batch_rows
        self._year: int | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._rows = 0
        self._file: BinaryIO | None = None
        self._stream: pa.RecordBatchFileWriter | None = None

    @property
    def path(self) -> Path:
        """The part's visible name."""
        return self._folder / f"part-{self._year}.arrow"

    def turn_to(self, year: int) -> None:
        if self._year is not None and self._year != year:
            self.close_part()

    def add(self, first: date, values: Mapping[str, Any]) -> None:
        batch = self.columns.batch(first, values)
        self._year = first.year
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        if self._waiting_rows >= self._batch_rows:
            self._flush()

    def _flush(self) -> None:
        with writing(self.path):
            if self._stream is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = hidden(self.path).open("wb")
                self._stream = pa.ipc.new_file(self._file, self.columns.schema, options=self._options)
            whole = pa.Table.from_batches(self._waiting, self.columns.schema).combine_chunks()
            for batch in whole.to_batches():
                self._stream.write_batch(batch)
        self._rows += self._waiting_rows
        self._waiting, self._waiting_rows = [], 0

    def close_part(self) -> None:
        """Write what waits, close the hidden file and give it its visible name."""
        if self._year is None:
            return
        self._flush()
        assert self._stream is not None
        assert self._file is not None
        aside, path = hidden(self.path), self.path
        with writing(path):
            self._stream.close()
            self._file.close()
            part = Part(self._rows, aside.stat().st_size, sha256_of(aside))
            rename(aside, path)
        self.parts[path] = part
        self._year, self._rows, self._stream, self._file = None, 0, None, None

    def discard(self) -> None:
        """Forget the open part and remove its hidden file."""
        if self._year is None:
            return
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk refuses the last bytes once more; the file goes away all the same
                self._file.close()
            hidden(self.path).unlink(missing_ok=True)
        self._waiting, self._waiting_rows, self._rows = [], 0, 0
        self._year, self._stream, self._file = None, None, None
