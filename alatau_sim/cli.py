"""The `alatau` command: arguments in, text out. Everything it does is a call into the package, imported when it is needed.

Progress goes to stderr, results to stdout. Exit codes: 0 fine, 1 the run failed or was stopped, 2 the input is wrong, 3 a study with
failed runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from alatau_sim import __version__
from alatau_sim.errors import InputError
from alatau_sim.study.guard import command, guarded
from alatau_sim.study.inputs import Inputs

FIRST = "First steps"
LOOK = "Look into a scenario or a map"
RESULTS = "Results"
MORE = "For those who change the model"

app = typer.Typer(
    name="alatau", rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="\n\n".join([
        "Simulate Alatau City, or a city of your own map: people, payments and energy, hour by hour, and compare scenarios.",
        "[bold]New here?[/bold] This runs two scenarios with the same luck, and says what differs:",
        f"  {command()} run scenarios/baseline.yaml scenarios/crypto_hub.yaml",
        "This begins a scenario of your own, tells what is wrong in it, and reports on your zoning map:",
        f"  {command()} new scenarios/mine.yaml\n\n  {command()} check scenarios/mine.yaml\n\n  {command()} zones MAP",
    ]),
    epilog=f"Every command explains itself: {command()} run --help. Exit codes: 0 fine, 1 the run failed or was stopped, 2 the input is "
           "wrong, 3 a study with failed runs. --debug with any command shows the whole trace of an error.",
)


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
As = Annotated[Format, typer.Option("--format", help="How to print the result.")]


def _version(asked: bool) -> None:
    if asked:
        say(f"alatau_sim {__version__}")
        raise typer.Exit


@app.callback()
def _alatau(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")] = False,
) -> None:
    pass  # --debug is taken out of the arguments by the guard, wherever it stands


@app.command(rich_help_panel=FIRST)
def run(
    scenarios: Scenarios,
    replicates: Annotated[int | None, typer.Option("--replicates", "-r", min=1, help="Draws of luck for each scenario.")] = None,
    worlds: Annotated[int | None, typer.Option("--worlds", "-w", min=0, help="Draws of what is not known, besides world 0.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", "-j", min=1, help="Worker processes; all cores unless given.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to; outputs/<first scenario> unless given.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of all luck, instead of the scenarios'.")] = None,
    sets: Sets = [],  # noqa: B006 - typer copies it
    use: Use = [],  # noqa: B006
    rules: Rules = [],  # noqa: B006
    plugins: Plugins = [],  # noqa: B006
    force: Force = False,
) -> None:
    """Simulate scenarios with the same luck, write their tables, and compare them.

    A run that is there and whole is not done again. Ctrl-C ends the runs at the end of their day and keeps the parts that are finished.
    """
    from alatau_sim.study.run import run_study

    result = run_study(
        scenarios, out, replicates=replicates, worlds=worlds, workers=workers, seed=seed, sets=sets, use=use,
        rule_files=rules, plugins=plugins, force=force,
    )
    for outcome in result.named("failed"):
        tell(f"{outcome.name}: failed: {outcome.message}\n  The trace is in {result.out / 'runs' / outcome.name}.json")
    if result.named("done", "kept"):
        from alatau_sim.results.compare import compare as compare_study

        say(compare_study(result.out, None).text().rstrip())
        say(_what_next(result.out, result.made))
    if result.stopped:
        tell(f"Stopped. Finished runs and parts are kept in {result.out}; the same command goes on with what is missing.")
    raise typer.Exit(result.exit_code)


@app.command(rich_help_panel=FIRST)
def check(scenarios: Scenarios, sets: Sets = [], use: Use = [], rules: Rules = [], plugins: Plugins = []) -> None:  # noqa: B006
    """Check scenario files and what they point to; all that is wrong is told at once, with file and line."""
    inputs = _inputs(sets, use, rules, plugins)
    for path, scenario, notes in zip(scenarios, *inputs.check_all(scenarios), strict=True):
        days = (scenario.run.end - scenario.run.start).days + 1
        say(f"{path}: fine ({scenario.name}: {scenario.run.start} to {scenario.run.end}, {days:,} days)")
        for note in notes:
            say(f"  note: {note}")


@app.command(rich_help_panel=FIRST)
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write, such as scenarios/mine.yaml.")], force: Force = False
) -> None:
    """Write a scenario with every key explained, to be changed."""
    from alatau_sim.results.files import replacing
    from alatau_sim.scenario import template

    file = file if file.suffix in (".yaml", ".yml") else file.with_name(file.name + ".yaml")
    if file.exists() and not force:
        raise InputError(f"{file}: is there already; --force overwrites it")
    text = template(file.stem, Inputs().composition(), _city_files(file.parent))
    with replacing(file) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")
    say(str(file))
    quoted = f'"{file}"' if " " in str(file) else str(file)
    tell(f"Next: change it, then   {command()} check {quoted}   and   {command()} run {quoted}")


@app.command(rich_help_panel=LOOK)
def show(
    scenario: Scenario,
    sets: Sets = [], use: Use = [], rules: Rules = [], plugins: Plugins = [],  # noqa: B006
    origins: Annotated[bool, typer.Option("--origins/--plain", help="Say behind each value which file and line set it.")] = True,
) -> None:
    """Print a scenario with everything filled in: what it extends, overrides, defaults."""
    say(_inputs(sets, use, rules, plugins).load(scenario).to_yaml(origins=origins).rstrip())


@app.command(rich_help_panel=LOOK)
def schema(rules: Rules = [], plugins: Plugins = []) -> None:  # noqa: B006
    """Print the JSON Schema of scenario files, for editors that complete and check YAML."""
    import json

    from alatau_sim.scenario import json_schema

    say(json.dumps(json_schema(_inputs((), (), rules, plugins).composition()), ensure_ascii=False, indent=1))


@app.command(rich_help_panel=LOOK)
def zones(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="Zoning map of any GDAL format, or a scenario that names one.")],
    layer: Annotated[str | None, typer.Option(help="Layer of the file, where it has several.")] = None,
    crs: Annotated[str | None, typer.Option(help="Coordinate system such as EPSG:32643, where the file names none.")] = None,
    column: Annotated[list[str], typer.Option(metavar="STANDARD=COLUMN", help="Column of the file for a standard one.")] = [],  # noqa: B006
    land_use: Annotated[list[str], typer.Option(metavar="CODE=STANDARD", help="Standard land use for a code of the file.")] = [],  # noqa: B006
    overlap_threshold_m2: Annotated[float, typer.Option(min=0, help="Overlaps above this area are reported.")] = 100.0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the repaired map to this file.")] = None,
    force: Force = False,
) -> None:
    """Report a zoning map: counts, kinds, faults with their place, repairs, areas, overlaps; write the repaired map."""
    from alatau_sim.city.zonereport import report_zones

    given: dict[str, Any] = {
        "layer": layer, "crs": crs, "columns": _pairs(column, "--column"), "land_use": _pairs(land_use, "--land-use"),
        "overlap_threshold_m2": overlap_threshold_m2,
    }
    if map_file.suffix in (".yaml", ".yml"):
        spec = Inputs().load(map_file).map
        map_file, given = spec.file, {name: getattr(spec, name) for name in given}
    report = report_zones(map_file, **given, out=out, force=force)
    say(report.text().rstrip())
    if not report.fit:
        raise InputError(f"{map_file}: the map cannot be used as it is; the report says why")


@app.command(rich_help_panel=LOOK)
def gtfs(
    feed: Annotated[Path, typer.Argument(metavar="FEED", help="GTFS feed of public transport: a zip, or a folder with its files.")],
    date: Annotated[datetime, typer.Option("--date", metavar="DATE", formats=["%Y-%m-%d"], help="Service day, such as 2026-09-01.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the feed, with its times filled in, to this zip.")] = None,
    force: Force = False,
) -> None:
    """Report a GTFS feed on a date: routes, trips, stops, service hours, headways, vehicles, and what was skipped and why."""
    from alatau_sim.city.gtfs import gtfs_report, read_gtfs, write_gtfs

    found = read_gtfs(feed)
    say(gtfs_report(found, date.date()).text())
    if out is not None:
        write_gtfs(found, out, force=force)
        say(f"\nFeed written to {out}")


@app.command(rich_help_panel=LOOK)
def plan(scenario: Scenario, sets: Sets = [], use: Use = [], rules: Rules = [], plugins: Plugins = []) -> None:  # noqa: B006
    """Print the day's plan (phase, item, cadence, reads, writes) and what a run will cost in time, memory and disk."""
    from alatau_sim.study.describe import plan_report

    inputs = _inputs(sets, use, rules, plugins)
    (loaded,), (notes,) = inputs.check_all([scenario])
    say(plan_report(loaded, rule_files=inputs.rule_files, plugins=inputs.plugins).rstrip())
    for note in notes:
        say(f"note: {note}")


@app.command(rich_help_panel=MORE)
def rules(
    name: Annotated[str | None, typer.Argument(metavar="[RULE]", help="Only this rule, with its source.")] = None,
    rules: Rules = [], plugins: Plugins = [],  # noqa: B006
) -> None:
    """List every rule with the columns that it reads and writes, its parameters with their evidence, and its source."""
    from alatau_sim.study.describe import rules_report

    say(rules_report(name, rule_files=tuple(rules), plugins=tuple(plugins)).rstrip())


@app.command(rich_help_panel=MORE)
def follow(
    scenario: Scenario,
    resident: Annotated[str, typer.Option(metavar="ID", help="Id of the resident, or `first`.")],
    days: Annotated[int | None, typer.Option(min=1, help="Stop after this many days; the whole run unless given.")] = None,
    sets: Sets = [], use: Use = [], rules: Rules = [], plugins: Plugins = [],  # noqa: B006
) -> None:
    """Print what each rule saw and decided for one resident, day by day."""
    from alatau_sim.study.describe import follow_report

    inputs = _inputs(sets, use, rules, plugins)
    for line in follow_report(inputs.load(scenario), resident, days=days, rule_files=inputs.rule_files, plugins=inputs.plugins):
        say(line)


@app.command(rich_help_panel=RESULTS)
def compare(
    out: Out,
    baseline: Annotated[str | None, typer.Option(help="Scenario to compare with; `baseline`, else the first, unless given.")] = None,
    year: Annotated[int | None, typer.Option(help="Year to show; the last unless given.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Show the indicators that do not differ, too.")] = False,
    format: As = Format.table,
) -> None:
    """Print mean, difference and paired 95 % interval of each indicator that differs; as json or csv, of all indicators and years."""
    from alatau_sim.results.compare import compare as compare_study

    found = compare_study(out, baseline)
    say((found.text(year, every=every) if format is Format.table else found.json() if format is Format.json else found.csv()).rstrip())


@app.command(rich_help_panel=RESULTS)
def query(
    out: Out,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One reading statement; each table has scenario, world and replicate.")],
    format: As = Format.table,
) -> None:
    """Ask a study's tables in SQL (DuckDB), such as "FROM kpi_month LIMIT 5"; "SHOW TABLES" lists them."""
    from alatau_sim.results.query import as_csv, as_json, as_text
    from alatau_sim.results.query import query as ask

    table = ask(out, sql)
    say({Format.table: as_text, Format.json: as_json, Format.csv: as_csv}[format](table).rstrip())


@app.command(rich_help_panel=MORE)
def bench(
    quick: Annotated[bool, typer.Option(help="Smaller sizes: a minute instead of many.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the results to this Markdown file, too.")] = None,
) -> None:
    """Measure speed and memory: ratios inside one run, with the machine stated."""
    from alatau_sim.study.bench import run_bench

    text = run_bench(quick=quick)
    say(text.rstrip())
    if out is not None:
        from alatau_sim.results.files import replacing

        with replacing(out) as aside:
            aside.write_text(text, encoding="utf-8", newline="\n")


def say(text: str) -> None:
    """Print a result."""
    print(text)


def tell(text: str) -> None:
    """Print what is no result."""
    print(text, file=sys.stderr)


def _inputs(sets: Sequence[str], use: Sequence[str], rules: Sequence[str], plugins: Sequence[str]) -> Inputs:
    return Inputs(tuple(sets), tuple(use), tuple(rules), tuple(plugins))


def _city_files(folder: Path) -> str:
    """The folder of the built-in city's files as seen from a folder; `alatau` where they are not found."""
    for place in (folder / "alatau", Path("scenarios/alatau"), Path(__file__).parents[1] / "scenarios" / "alatau"):
        if (place / "zones.geojson").exists():
            try:
                return Path(os.path.relpath(place, folder)).as_posix()
            except ValueError:  # another drive
                return place.resolve().as_posix()
    return "alatau"


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise InputError(f"{option} {name + equals + value!r}: it must be NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _what_next(out: Path, made: Sequence[Path]) -> str:
    kinds = {".xlsx": "for a spreadsheet", ".gpkg": "for QGIS"}
    files = [f"  {path}   {kinds.get(path.suffix, '')}" for path in made]
    return "\n".join([
        f"\nThe results are in {out}:", *files, f"  {out}/*/   Arrow tables, for any Arrow reader",
        "What next:",
        f"  {command()} compare {out} --format csv",
        f'  {command()} query {out} "SELECT * FROM kpi_month LIMIT 10"',
        f"  {command()} new scenarios/mine.yaml   begins a scenario of your own",
    ])


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(app, given or ["--help"])


def main() -> None:
    """The console script."""
    sys.exit(run_command())
