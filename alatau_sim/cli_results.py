"""The commands about results: each a call into the package, imported when it is needed; `cli` registers them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alatau_sim.cli_parts import As, Force, Format, OnCluster, Out, Plugins, Rules, Scenario, Sets, Use, inputs_of, say, tell


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
        inputs=inputs_of(sets, use, rules, plugins), workers=workers, cluster=cluster, resume=resume, force=force,
    )
    say({Format.table: found.text, Format.json: found.json, Format.csv: found.csv}[format]().rstrip())
    for file in found.files:
        tell(str(file))
