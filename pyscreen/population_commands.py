"""The commands for whole populations: to invent one, to convert a hospital's data, to screen them for the cohorts."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import click

from . import console, knowledge
from .errors import Problem, RequestError
from .page import counted


@click.command()
@console.with_kb
@click.option("--on", "day", metavar="DATE", callback=console.day, help="The screening date that it is for (default: today).")
@click.option("-o", "--output", metavar="FOLDER", required=True, type=click.Path(path_type=Path), help="A new folder.")
@click.option("--patients", metavar="N", required=True, type=click.IntRange(1, 99_999_999), help="How many patients.")
@click.option("--seed", metavar="S", default=0, show_default=True, type=click.IntRange(0), help="Another seed, other patients.")
@click.option("--as", "form", type=click.Choice(["tables", "fhir", "omop"]), default="tables", show_default=True,
              help="Event tables, a FHIR R4 bulk export, or OMOP CDM 5.4 (a folder of Parquet, or a .duckdb file).")  # fmt: skip
def generate(
    output: Path, patients: int, seed: int, form: str, day: date | None, trial: str | None, root: Path | None
) -> None:
    """Invent patients over the trial's vocabulary, many near the bounds of its tests."""
    with _batch():
        from .population.conversion import write

    base, day = knowledge.load(trial, root), day or date.today()
    unsaid = write(base, output, patients=patients, seed=seed, day=day, form=form)
    click.echo(f"{counted(patients, 'patient')} in {output}")
    for what, number in sorted(unsaid.items()):
        click.echo(f"left out, since {form} cannot say it: {what}, {counted(number, 'time')}", err=True)


@click.command()
@console.with_kb
@click.argument("source", metavar="SOURCE")
@click.option("-o", "--output", metavar="FOLDER", required=True, type=click.Path(path_type=Path), help="A new folder.")
def convert(source: str, output: Path, trial: str | None, root: Path | None) -> None:
    """Turn a hospital's data into event tables; what of them is not used is counted in reading.json.

    SOURCE is a FHIR R4 bulk export (a folder of NDJSON), or an OMOP common data model 5.4: a folder of Parquet or CSV, a DuckDB
    file, or postgresql://user@host/database, whose search path finds its tables.
    """
    with _batch():
        from .population.conversion import convert as turn

    patients, reading = turn(source, output, knowledge.load(trial, root))
    lost = counted(reading.number_lost, "line")
    click.echo(f"{counted(patients, 'patient')} in {output}; {reading.number_aside:,} set aside, {lost} lost")
    _told(reading, output)


def _told(reading: Any, folder: Path) -> None:
    """Show who of a source was set aside and what was not used, as far as it is short."""
    lines = list(reading.lines())
    for line in lines[:console.SHOWN]:
        click.echo(f"pyscreen: {console.printable(line)}", err=True)
    if len(lines) > console.SHOWN:
        click.echo(f"pyscreen: {counted(len(lines) - console.SHOWN, 'more remark')} in {folder / 'reading.json'}", err=True)


@click.command()
@click.argument("source", metavar="SOURCE")
@console.with_kb
@click.option("-o", "--output", metavar="FILE", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="The table of verdicts to write (Parquet).")
@click.option("--on", "day", metavar="DATE", callback=console.day, help="The screening date (default: today).")
@click.option("--cohort", "cohorts", multiple=True, metavar="C", help="Only this cohort, by code or id; repeatable.")
@click.option("--readings", "chosen", metavar="FILE",
              help="A site's choice of readings (YAML or JSON, 'reading: option'), or robust: what holds under every option.")
@click.option("--dependences", is_flag=True, help="Also tell the options of readings under which a verdict would be another.")
@click.option("--verify", metavar="N", default=0, show_default=True, type=click.IntRange(0),
              help="Screen so many patients, chosen at random, with the engine too.")
@click.option("--workers", metavar="N", type=click.IntRange(1),
              help="How many processes share the work (default: one for each processor, at most four).")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)  # fmt: skip
def cohort(
    source: str, output: Path, day: date | None, cohorts: tuple[str, ...], chosen: str | None, dependences: bool, verify: int,
    workers: int | None, form: str, trial: str | None, root: Path | None,
) -> None:  # fmt: skip
    """Screen a whole population: SOURCE is event tables (a folder of Parquet or CSV, a DuckDB file), or what `convert` takes.

    A run that was stopped is taken up again where it was by the same command.
    """
    with _batch():
        from .population import report
        from .population.cohort import Run, beside
        from .population.conversion import event_tables
        from .population.tables import read_tables

    base, robust = knowledge.load(trial, root), chosen == console.ROBUST
    readings = console.read_readings(Path(chosen)) if chosen and not robust else None
    tables, reading = event_tables(source, beside(output, "tables", ""), base)
    if reading is not None:
        _told(reading, tables)
    run = Run(read_tables(tables), base, output, day or date.today(), readings, cohorts, verify, robust, dependences)
    with _progress(run.source.patients) as progress:
        parts = [progress(part) for part in run.parts(workers or min(os.cpu_count() or 1, 4))]
    summary = run.finish()
    for line in report.problems([line for part in parts for line in part.problems], sum(part.wrong for part in parts)):
        click.echo(f"pyscreen: set aside: {console.printable(line)}", err=True)
    for line in report.problems([line for part in parts for line in part.unread], sum(part.impossible for part in parts)):
        click.echo(f"pyscreen: unreadable: {console.printable(line)}", err=True)
    if form == "json":
        click.echo(console.as_json(run.as_json(summary)))
    else:
        click.echo(report.text(run, summary, bool(cohorts), console.width()), nl=False)


@contextmanager
def _progress(patients: int) -> Iterator[Callable[[Any], Any]]:
    """Show on a terminal how many patients are done, how fast and how long it will take."""
    if not sys.stderr.isatty():
        yield lambda part: part
        return
    began = time.monotonic()
    bar: Any
    with click.progressbar(length=patients, label="patients", show_pos=True, file=sys.stderr,
                           item_show_func=lambda rate: f"{rate:,}/s" if rate else None) as bar:  # fmt: skip

        def show(part: Any) -> Any:
            bar.update(part.patients, round((bar.pos + part.patients) / (time.monotonic() - began)))
            return part

        yield show


@contextmanager
def _batch() -> Iterator[None]:
    """Import what only whole populations need, and say how to install it where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; whole populations need: pip install 'pyscreen[batch]'"
        raise RequestError([Problem(message)]) from None
