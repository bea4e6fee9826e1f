"""The `alatau` command: arguments in, text out. Everything it does is a call into the package, imported when it is needed.

Progress goes to stderr, results to stdout. Exit codes: 0 fine, 1 the run failed or was stopped, 2 the input is wrong, 3 a study with
failed runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
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
        "Simulate Alatau City, or a city of your own map: people, homes, firms, buses, payments, power, hour by hour; compare scenarios.",
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


class Kind(StrEnum):
    """What `export` writes."""

    parquet = "parquet"
    csv = "csv"
    xlsx = "xlsx"
    gpkg = "gpkg"
    geojson = "geojson"
    geoparquet = "geoparquet"
    gtfs = "gtfs"


class Method(StrEnum):
    """How `sensitivity` looks."""

    morris = "morris"
    sobol = "sobol"


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
    scenarios: Annotated[list[Path], typer.Argument(metavar="SCENARIO", help="Scenario files, or one study file (YAML).")],
    replicates: Annotated[int | None, typer.Option("--replicates", "-r", min=1, help="Draws of luck for each scenario.")] = None,
    worlds: Annotated[int | None, typer.Option("--worlds", "-w", min=0, help="Draws of what is not known, besides world 0.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", "-j", min=1, help="Worker processes; all cores unless given.")] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="Folder or store (s3://…) to write to; outputs/<first name> else.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of all luck, instead of the scenarios'.")] = None,
    sets: Sets = [],  # noqa: B006 - typer copies it
    use: Use = [],  # noqa: B006
    rules: Rules = [],  # noqa: B006
    plugins: Plugins = [],  # noqa: B006
    force: Force = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a study, which must be there: whole runs are kept.")] = False,
    part: Annotated[str | None, typer.Option("--part", metavar="K/N", help="Only the K-th of N shares, for job arrays.")] = None,
    cluster: OnCluster = None,
    until_sure: Annotated[str | None, typer.Option("--until-sure", metavar="KPI±X%", help="Add replicates until it is so narrow.")] = None,
    at_most: Annotated[int | None, typer.Option("--at-most", min=2, help="Most replicates that --until-sure may run; 100 else.")] = None,
    with_report: Annotated[bool, typer.Option("--report", help="Write the report (one HTML file), too, when the runs have ended.")] = False,
) -> None:
    """Simulate scenarios with the same luck, write their tables, and compare them.

    A run that is there and whole is not done again, also without --resume; one that failed or was stopped is. Ctrl-C ends the runs at the
    end of their day and keeps the parts that are finished.
    """
    from alatau_sim.study.run import run_study

    result = run_study(
        scenarios, out, replicates=replicates, worlds=worlds, workers=workers, seed=seed, sets=sets, use=use, rule_files=rules,
        plugins=plugins, force=force, resume=resume, part=part, cluster=cluster, until_sure=until_sure, at_most=at_most,
    )
    _after(result, compared=part is None)
    if with_report and isinstance(result.out, Path) and result.named("done", "kept"):
        say(f"The report, for a browser:\n  {_fresh_report(result.out, rules, plugins)}")
    raise typer.Exit(result.exit_code)


@app.command(rich_help_panel=FIRST)
def check(scenarios: Scenarios, sets: Sets = [], use: Use = [], rules: Rules = [], plugins: Plugins = []) -> None:  # noqa: B006
    """Check scenario files and what they point to; all that is wrong is told at once, with file and line."""
    from alatau_sim.study.implied import implied

    inputs = _inputs(sets, use, rules, plugins)
    scenarios = [path for path in scenarios if not _checked_study(path, inputs)]
    for path, scenario, notes in zip(scenarios, *inputs.check_all(scenarios), strict=True):
        days = (scenario.run.end - scenario.run.start).days + 1
        say(f"{path}: fine ({scenario.name}: {scenario.run.start} to {scenario.run.end}, {days:,} days)")
        for note in notes:
            say(f"  note: {note}")
        say("  It implies, before anything is simulated:")
        for line in (line for row in implied(scenario) for line in row.lines()):
            say(f"    {line}")


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
    feed: Annotated[Path, typer.Argument(metavar="FEED", help="GTFS feed (a zip, or a folder with its files), or a scenario with lines.")],
    date: Annotated[datetime, typer.Option("--date", metavar="DATE", formats=["%Y-%m-%d"], help="Service day, such as 2026-09-01.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the feed, with its times filled in, to this zip.")] = None,
    force: Force = False,
) -> None:
    """Report a GTFS feed on a date: routes, trips, stops, service hours, headways, vehicles, and what was skipped and why.

    Of a scenario, the feed is made from its lines; with --out it is written as GTFS, to be edited in other programs.
    """
    from alatau_sim.city.gtfs import gtfs_report, read_gtfs, write_gtfs

    found = _feed_of(feed) if feed.suffix in (".yaml", ".yml") else read_gtfs(feed)
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


@app.command(rich_help_panel=RESULTS)
def compare(
    out: Out,
    baseline: Annotated[str | None, typer.Option(help="Scenario to compare with; `baseline`, else the first, unless given.")] = None,
    year: Annotated[int | None, typer.Option(help="Year to show; the last unless given.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Show the indicators that do not differ, too.")] = False,
    where: Annotated[list[str], typer.Option(metavar="INDICATOR", help="Show where and when this indicator changes most.")] = [],  # noqa: B006
    bootstrap: Annotated[
        str | None, typer.Option(metavar="percentile|bca", help="Make intervals by resampling the pairs instead of Student's t.")
    ] = None,
    format: As = Format.table,
) -> None:
    """Say what differs between scenarios: inputs, indicators with paired 95 % intervals, and where and when.

    The table shows one year and the indicators that differ; json and csv have all indicators and years.
    """
    from alatau_sim.results.compare import compare as compare_study

    found = compare_study(out, baseline, bootstrap=bootstrap, where=where or "top", year=year)  # type: ignore[arg-type]
    say((found.text(year, every=every) if format is Format.table else found.json() if format is Format.json else found.csv()).rstrip())


@app.command(rich_help_panel=RESULTS)
def report(
    out: Out,
    baseline: Annotated[str | None, typer.Option(help="Scenario to compare with; `baseline`, else the first, unless given.")] = None,
    language: Annotated[str, typer.Option("--lang", metavar="en|ru|kk", help="Language of the report: English, Russian, Kazakh.")] = "en",
    file: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; report.html in the study's folder unless given.")] = None,
    figures: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write every figure into this folder, too.")] = None,
    form: Annotated[str, typer.Option("--format", metavar="png|svg", help="Format of the figures.")] = "png",
    rules: Rules = [], plugins: Plugins = [],  # noqa: B006
) -> None:
    """Write one HTML file with maps, charts and tables that opens offline, reads on a phone and prints."""
    from alatau_sim.report.build import report as write_report
    from alatau_sim.study.declared import declared_parameters

    made = write_report(out, baseline=baseline, language=language, file=file, figures=figures, form=form,
                        declared=declared_parameters(rules, plugins))  # fmt: skip
    for path in made:
        say(str(path))


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


@app.command(rich_help_panel=RESULTS)
def export(
    out: Out,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Folder to write into.")],
    format: Annotated[Kind, typer.Option("--format", help="xlsx is a workbook for investors; gpkg, geojson, geoparquet: zones by year.")],
    tables: Annotated[list[str], typer.Option("--tables", metavar="NAME", help="Only these tables (a,b or again); all else.")] = [],  # noqa: B006
    scenarios: Annotated[list[str], typer.Option("--scenario", metavar="NAME", help="Only this scenario; may be given again.")] = [],  # noqa: B006
    baseline: Annotated[str | None, typer.Option(help="Scenario that differences are counted from.")] = None,
    one_file: Annotated[bool, typer.Option("--one-file", help="Parquet: one file a table instead of folders by run.")] = False,
    discount_rate: Annotated[float | None, typer.Option(metavar="SHARE", help="xlsx: real rate a year; 0.1 (assumed) else.")] = None,
    where: Annotated[list[Path], typer.Option("--from", metavar="PATH", help="gtfs: where the scenario files are; scenarios/ else.")] = [],  # noqa: B006
    force: Force = False,
) -> None:
    """Hand a study's results to other programs: Excel, QGIS, R, Python, transit planners.

    Parquet and CSV have every table as recorded (--tables chooses), with units and meanings. xlsx is a workbook for investors; with
    --tables, these tables, a sheet each. gpkg, geojson and geoparquet have a layer of zones by year for each scenario and one of its
    changes from the baseline. gtfs has the lines of each scenario, from its manifest and its map. Only --force overwrites.
    """
    names = [part for text in tables for part in text.split(",") if part]
    if format is Kind.gtfs:
        from alatau_sim.study.feeds import export_gtfs

        made = export_gtfs(out, to, scenarios=scenarios, where=where, force=force)
    else:
        from alatau_sim.results.export import export as export_study

        made = export_study(out, to, format.value, tables=names, scenarios=scenarios, baseline=baseline, whole=one_file,
                            discount_rate=discount_rate, force=force)
    shown = made if len(made) <= 12 else []
    say("\n".join(map(str, shown)) if shown else f"{len(made)} files in {to}")


@app.command(rich_help_panel=RESULTS)
def verify(
    out: Out,
    runs: Annotated[int, typer.Option(min=0, help="How many runs to make again, one of each scenario in turn; 0: hashes only.")] = 1,
    run: Annotated[list[str], typer.Option("--run", metavar="NAME", help="Run to make again, such as baseline-0-0.")] = [],  # noqa: B006
    days: Annotated[int | None, typer.Option(min=1, help="Stop each after so many days and compare what there is by then.")] = None,
    scenarios: Annotated[list[Path], typer.Option("--scenario", metavar="FILE", help="Where a scenario's file is; scenarios/ else.")] = [],  # noqa: B006
    rules: Rules = [],  # noqa: B006
    trust: Annotated[bool, typer.Option("--trust", help="Run the rule texts that the manifests keep: they are code.")] = False,
) -> None:
    """Make runs of a study again and compare the bytes; say what differs: code, inputs, versions, machine.

    Exit code 0: the same; 1: something differs; 2: it cannot be verified, and why.
    """
    from alatau_sim.study.verify import verify as verify_study

    found = verify_study(out, runs=runs, names=run, days=days, where=scenarios, rule_files=rules, trust=trust)
    say(found.text().rstrip())
    raise typer.Exit(found.exit_code)


@app.command(rich_help_panel=RESULTS)
def sensitivity(
    scenario: Scenario,
    kpi: Annotated[str, typer.Option(metavar="NAME", help="Indicator, as in kpi_month.")],
    method: Annotated[Method, typer.Option(help="morris ranks many parameters; sobol gives shares of variance.")] = Method.morris,
    params: Annotated[list[str], typer.Option(metavar="KEY", help="Keys (a,b or again; world.energy.*); all spreads else.")] = [],  # noqa: B006
    samples: Annotated[int | None, typer.Option(min=2, help="morris: trajectories (10); sobol: base points, a power of 2 (64).")] = None,
    year: Annotated[int | None, typer.Option(help="Year of the indicator; the last unless given.")] = None,
    replicates: Annotated[int | None, typer.Option("--replicates", "-r", min=1, help="Draws of luck at each point.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", "-j", min=1, help="Worker processes; all cores unless given.")] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="Folder; outputs/<scenario>_<method> unless given.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the points.")] = 1,
    cluster: OnCluster = None,
    sets: Sets = [], use: Use = [], rules: Rules = [], plugins: Plugins = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a study, which must be there.")] = False,
    force: Force = False,
    format: As = Format.table,
) -> None:
    """Say which parameters of world, rules and policy drive an indicator, with a tornado chart (SVG, HTML, PNG)."""
    from alatau_sim.study.sensitivity import EVERYTHING, sensitivity

    names = [part for text in params for part in text.split(",") if part] or EVERYTHING
    found = sensitivity(
        scenario, kpi, out, method=method.value, params=names, samples=samples, seed=seed, year=year, replicates=replicates,
        inputs=_inputs(sets, use, rules, plugins), workers=workers, cluster=cluster, resume=resume, force=force,
    )
    say({Format.table: found.text, Format.json: found.json, Format.csv: found.csv}[format]().rstrip())
    for file in found.files:
        tell(str(file))


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


def _checked_study(path: Path, inputs: Inputs) -> bool:
    """Whether a file is a study file; if so, it has been checked, and what it says was told."""
    from alatau_sim.study.plan import is_study
    from alatau_sim.study.run import make_plan, plan_jobs

    if not is_study(path):
        return False
    plan = make_plan([path], inputs, None, None)
    runs = len(plan_jobs(plan.scenarios, Path(), plan.inputs, plan.replicates, plan.worlds))
    cases = f", of them {len(plan.cases):,} cases" if plan.cases else ""
    say(f"{path}: fine (study {plan.name}: {len(plan.scenarios):,} scenarios{cases}, {runs:,} runs)")
    for note in plan.notes:
        say(f"  {note}")
    return True


def _inputs(sets: Sequence[str], use: Sequence[str], rules: Sequence[str], plugins: Sequence[str]) -> Inputs:
    return Inputs(tuple(sets), tuple(use), tuple(rules), tuple(plugins))


def _feed_of(scenario: Path) -> Any:
    """The lines of a scenario as a GTFS feed."""
    from alatau_sim.city.daysoff import holidays_between
    from alatau_sim.domains.mobility.tables import scenario_feed
    from alatau_sim.scenario.zoning import City, load_map

    found, _ = Inputs().check_all([scenario])
    run = found[0].run
    feed = scenario_feed(City(found[0], load_map(found[0])), holidays_between(run.start, run.end))
    return replace(feed, path=scenario)


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


def _after(result: Any, compared: bool) -> None:
    """Say how the runs of a study ended, what differs, and what to do next."""
    for outcome in result.named("failed", "busy"):
        trace = f"\n  The trace is in {result.out}/runs/{outcome.name}.json" if outcome.how == "failed" else ""
        tell(f"{outcome.name}: {outcome.how}: {outcome.message}{trace}")
    if isinstance(result.out, Path) and result.made and result.named("done", "kept") and compared:
        from alatau_sim.results.compare import compare as compare_study

        say(compare_study(result.out, None, where="top").text().rstrip())
        say(_what_next(result.out, result.made))
    elif result.outcomes:
        whole = len(result.named("done", "kept"))
        say(f"{whole} of {len(result.outcomes)} runs are whole in {result.out}; runs.csv there lists them all")
    if result.aim:
        say(result.aim)
    if result.stopped:
        tell(f"Stopped. Finished runs and parts are kept in {result.out}; the same command with --resume goes on with what is missing.")


def _fresh_report(out: Path, rules: Sequence[str], plugins: Sequence[str]) -> Path:
    """The report of a study; one that is newer than every run is kept."""
    from alatau_sim.report.build import report as write_report
    from alatau_sim.study.declared import declared_parameters

    page = out / "report.html"
    if page.exists() and page.stat().st_mtime >= max(path.stat().st_mtime for path in (out / "runs").glob("*.json")):
        return page
    tell("Writing the report ...")
    return write_report(out, declared=declared_parameters(rules, plugins))[0]


def _what_next(out: Path, made: Sequence[Path]) -> str:
    kinds = {".xlsx": "for a spreadsheet", ".gpkg": "for QGIS"}
    files = [f"  {path}   {kinds.get(path.suffix, '')}" for path in made]
    return "\n".join([
        f"\nThe results are in {out}:", *files, f"  {out}/*/   Arrow tables, for any Arrow reader",
        "What next:",
        f"  {command()} report {out}   writes one HTML file with maps and charts",
        f'  {command()} query {out} "SELECT * FROM kpi_month LIMIT 10"',
        f"  {command()} run scenarios/baseline.yaml scenarios/crypto_hub.yaml -r 8 -w 16 -o outputs/full   the same with luck and worlds",
        f"  {command()} new scenarios/mine.yaml   begins a scenario of your own",
    ])


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(app, given or ["--help"])


def main() -> None:
    """The console script."""
    sys.exit(run_command())
