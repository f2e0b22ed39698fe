"""What the commands of the command line have in common: what they take, how they fail, and how an answer is written."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from .errors import KnowledgeBaseError, Problem, PyscreenError, RecordError, RequestError
from .files import write_whole

_Command = TypeVar("_Command", bound=Callable[..., Any])
ROBUST = "robust"
SHOWN = 20
"""How many remarks on a source are shown; all are in its report."""
EXIT = {RequestError: 2, RecordError: 4, KnowledgeBaseError: 5}


class Group(click.Group):
    """Shows every problem of an error on its own line, and never a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except PyscreenError as error:
            for problem in error.problems:
                click.echo(f"pyscreen: {printable(str(problem))}", err=True)
            context.exit(next((code for kind, code in EXIT.items() if isinstance(error, kind)), 1))
        except BrokenPipeError:
            sys.stderr.close()
            context.exit(1)

    def main(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            _forget_output()
            where = error.filename or "the answer cannot be written"
            click.echo(f"pyscreen: {printable(f'{where}: {error.strerror or error}')}", err=True)
            sys.exit(EXIT[RequestError])


def _forget_output() -> None:
    """Let what is not written yet go nowhere: a full disk would be met again at the end."""
    if sys.__stdout__ is not None and sys.stdout is sys.__stdout__:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """Return a text on one line, without control characters."""
    return "".join(c if c.isprintable() else " " for c in text)


def day(_context: click.Context, _param: click.Parameter, value: str | None) -> date | None:
    """Read an option that is a day; raises BadParameter."""
    if value is None:
        return None
    try:
        found = datetime.strptime(value, "%Y-%m-%d").date()
    except ValueError:
        raise click.BadParameter(f"'{value}' is no day; write it as 2026-11-22") from None
    if not 1900 <= found.year <= 2200:
        raise click.BadParameter(f"'{value}' is outside the years 1900 to 2200")
    return found


def with_kb(command: _Command) -> _Command:
    """Let a command take a trial and a knowledge base."""
    command = click.option("--trial", metavar="NAME", help="The trial, a folder of the knowledge base.")(command)
    return click.option("--kb", "root", metavar="PATH", type=click.Path(file_okay=False, path_type=Path),
                        envvar="PYSCREEN_KB", help="Another knowledge base than the one installed.")(command)  # fmt: skip


def read_readings(path: Path) -> Mapping[str, str]:
    """Read a site's choice of readings; raises RequestError with the file and what was expected."""
    value = choices(path)
    if not all(isinstance(option, str) for option in value.values()):
        raise _not_choices(path, "'G17: below_30', a reading and one of its options")
    return {name: str(option) for name, option in value.items()}


def one_choice(chosen: str | None, who: str) -> Mapping[str, str] | None:
    """Read a site's choice of readings for what knows one reading of each place only."""
    if chosen == ROBUST:
        raise RequestError(f"{who} decides by one reading of each place; 'robust' reads them all")
    return read_readings(Path(chosen)) if chosen else None


def choices(path: Path) -> dict[str, Any]:
    """Read what a site chooses, name by name; raises RequestError."""
    return choices_and_lines(path)[0]


def choices_and_lines(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Read the same with the line on which each name stands."""
    from .markup import load

    try:
        document = load(path.read_bytes(), str(path))
    except OSError as error:
        raise RequestError([Problem(f"cannot be read: {error.strerror or error}", str(path))]) from None
    except PyscreenError as error:
        raise RequestError(error.problems) from None
    value = document.value
    if document.problems:
        raise RequestError(document.problems)
    if not isinstance(value, dict):
        raise _not_choices(path, "'name: choice'")
    return dict(value), {name: document.line((name,)) or 1 for name in value}


def _not_choices(path: Path, example: str) -> RequestError:
    return RequestError([Problem(f"expected lines such as {example}", str(path))])


def width() -> int:
    """Return how wide a text is written."""
    return min(shutil.get_terminal_size((100, 24)).columns, 120)


def as_json(data: Any) -> str:
    """Return data as JSON to read."""
    return json.dumps(data, indent=2, ensure_ascii=False)


def page(write: Callable[[int], str], form: str = "text") -> str:
    """Return a page as wide as the terminal, or as Markdown; on a terminal in colour."""
    from . import styling

    if form == "markdown":
        return styling.markdown(write(styling.UNWRAPPED))
    return styling.coloured(write(width())) if styling.wants_colour(sys.stdout) else write(width())


def with_output(command: _Command) -> _Command:
    """Let a command take a file to write."""
    return click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
                        help="The file to write (default: print).")(command)  # fmt: skip


def write(data: str | bytes, output: Path | None) -> None:
    """Write a whole answer to a file, or print it; raises RequestError where it cannot be written."""
    if output is None:
        if isinstance(data, bytes) and b"\0" in data and sys.stdout.isatty():
            raise RequestError("a picture is nothing to print on a terminal; name a file with --output")
        click.echo(data, nl=False)
        return
    try:
        write_whole(output, data if isinstance(data, bytes) else data.encode())
    except OSError as error:
        raise RequestError([Problem(f"cannot be written: {error.strerror or error}", str(output))]) from None
