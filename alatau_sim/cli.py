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
from pathlib import Path
from typing import Annotated, Any

import typer

from alatau_sim import __version__, cli_results
from alatau_sim.cli_parts import Force, OnCluster, Plugins, Rules, Scenario, Scenarios, Sets, Use, inputs_of, say, tell
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

    inputs = inputs_of(sets, use, rules, plugins)
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
    say(inputs_of(sets, use, rules, plugins).load(scenario).to_yaml(origins=origins).rstrip())


@app.command(rich_help_panel=LOOK)
def schema(rules: Rules = [], plugins: Plugins = []) -> None:  # noqa: B006
    """Print the JSON Schema of scenario files, for editors that complete and check YAML."""
    import json

    from alatau_sim.scenario import json_schema

    say(json.dumps(json_schema(inputs_of((), (), rules, plugins).composition()), ensure_ascii=False, indent=1))


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

    inputs = inputs_of(sets, use, rules, plugins)
    (loaded,), (notes,) = inputs.check_all([scenario])
    say(plan_report(loaded, rule_files=inputs.rule_files, plugins=inputs.plugins).rstrip())
    for note in notes:
        say(f"note: {note}")


_RESULTS = (
    cli_results.compare, cli_results.report, cli_results.query, cli_results.export, cli_results.verify, cli_results.sensitivity,
)  # fmt: skip
for _command in _RESULTS:
    app.command(rich_help_panel=RESULTS)(_command)


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

    inputs = inputs_of(sets, use, rules, plugins)
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
    if page.exists() and page.stat().st_mtime >= max(path.stat().st_mtime for path in (out / "runs").glob("[!.]*.json")):
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
