"""The command line: each command is a call to the library and a rendering, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import console, knowledge, population_commands
from .errors import RequestError
from .knowledge import KnowledgeBase
from .page import counted
from .render import version
from .screening import Screener, Screening

if TYPE_CHECKING:
    from .whatif import Planner

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _with_record(command: _Command) -> _Command:
    command = console.with_kb(command)
    command = click.option("--patient", metavar="ID", help="Which patient, where a FHIR file holds several.")(command)
    command = click.option("--readings", "chosen", metavar="FILE",
                           help="A site's choice of readings (YAML or JSON, 'reading: option'), or robust: what holds "
                           "under every option.")(command)  # fmt: skip
    command = click.option("--on", "day", metavar="DATE", callback=console.day, help="The screening date (default: today).")(
        command
    )
    return click.argument("record", metavar="RECORD")(command)


def _with_burdens(command: _Command) -> _Command:
    return click.option("--burdens", metavar="FILE", help="How a site weighs acts (YAML or JSON, 'act: level').")(command)


def _planner(screener: Screener, burdens: str | None) -> Planner:
    from .whatif import Planner, acts, read_burdens

    if burdens is None:
        return Planner(screener)
    written, lines = console.choices_and_lines(Path(burdens))
    return Planner(screener, read_burdens(written, acts(screener.kb), burdens, lines))


def _screening(
    record: str, day: date | None, chosen: str | None, patient: str | None, trial: str | None, root: Path | None,
    exact: bool = False,
) -> tuple[Screener, Screening]:  # fmt: skip
    from .sources import read_record

    kb = knowledge.load(trial, root)
    readings = console.read_readings(Path(chosen)) if chosen and chosen != console.ROBUST else None
    kb.chosen(readings)
    read = read_record(record, kb, patient)
    screener = Screener(kb)
    return screener, screener.screen(read, day, readings, exact, robust=chosen == console.ROBUST)


@click.group(cls=console.Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="pyscreen")
def main() -> None:
    """Can this patient enter this trial; if not, why not; and what would make them eligible?

    RECORD is a file: a hand-written record (YAML or JSON), or FHIR R4 (Bundle or NDJSON); - reads standard input.
    Exit status: 0 answered, 2 wrong request, 4 wrong record, 5 wrong knowledge base.
    """


@main.command()
@_with_record
@click.option("--cohort", "cohorts", multiple=True, metavar="C", help="Only this cohort, by code or id; repeatable.")
@click.option("--exact", is_flag=True, help="Decide over the consistent completions what Kleene logic leaves open.")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def screen(cohorts: tuple[str, ...], exact: bool, form: str, **source: Any) -> None:
    """Say for each cohort whether the patient is eligible, ineligible or undecided, and on what it rests."""
    from . import render

    _, screening = _screening(exact=exact, **source)
    verdicts = [screening.verdict(cohort) for cohort in cohorts] or None
    if form == "json":
        click.echo(console.as_json(render.screening_json(screening, verdicts)))
    else:
        click.echo(console.page(lambda width: render.screening_text(screening, verdicts, width), form), nl=False)


@main.command()
@_with_record
@click.option("--cohort", metavar="C", help="The cohort, by code or id.")
@click.option("--all", "everything", is_flag=True, help="Also what does not matter to the verdict.")
@click.option("--blockers", is_flag=True, help="Instead: the tests that stand in the way, and which of them every way in needs.")
@click.option("--missing", is_flag=True, help="Instead: the smallest sets of answers that would make the patient eligible.")
@click.option("--contrast", metavar="C", help="Instead: why the one cohort and not this other one.")
@click.option("--fact", metavar="NAME", help="Instead: what hangs on an item (its id), a concept or a test, in all cohorts.")
@click.option("--exact", is_flag=True, help="Decide over the consistent completions what Kleene logic leaves open.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown", "svg", "png", "dot", "mermaid", "graphml"]),
    default="text",
    show_default=True,
)
@console.with_output
def explain(
    cohort: str | None, everything: bool, exact: bool, form: str, output: Path | None, blockers: bool, missing: bool,
    contrast: str | None, fact: str | None, **source: Any,
) -> None:  # fmt: skip
    """Show why: the criteria of a cohort down to the evidence, with their clauses; or answer another question about it."""
    from . import drawing, exports, render
    from . import explain as explanation

    questions = {"--blockers": blockers, "--missing": missing, "--contrast": contrast, "--fact": fact}
    asked = [name for name, value in questions.items() if value]
    if len(asked) > 1:
        raise RequestError(f"one question at a time: {' or '.join(asked)}")
    if asked and form not in ("text", "json", "markdown"):
        raise RequestError(f"{asked[0]} is answered in text, json or markdown, not in {form}")
    if asked and everything:
        raise RequestError(f"--all shows more of an explanation; it has no meaning with {asked[0]}")
    if fact and cohort:
        raise RequestError("--fact looks at all cohorts; leave out --cohort")
    if cohort is None and fact is None:
        raise RequestError("which cohort? name one with --cohort, by code or id ('pyscreen kb list' shows them)")
    screener, screening = _screening(exact=exact, **source)
    if asked:
        console.write(_reply(screener, screening, cohort or "", asked[0], contrast or fact or "", form), output)
        return
    assert cohort is not None
    found = explanation.graph(screening, cohort, everything)
    shown = found if everything else explanation.why(found)
    match form:
        case "text" | "markdown":
            console.write(console.page(lambda width: render.explanation_text(screening, found, everything, width), form), output)
        case "json":
            console.write(console.as_json(render.explanation_json(screening, found)) + "\n", output)
        case "svg" | "png":
            console.write(drawing.draw(screening, found, form, everything), output)
        case _:
            console.write({"dot": exports.dot, "mermaid": exports.mermaid, "graphml": exports.graphml}[form](shown), output)


def _reply(screener: Screener, screening: Screening, cohort: str, asked: str, other: str, form: str) -> str:
    """Return the answer to one of the questions of `explain`."""
    from . import comparison, replies
    from . import explain as explanation
    from .gaps import Gaps

    match asked:
        case "--blockers":
            blockers = explanation.blockers(explanation.graph(screening, cohort))
            data = replies.blockers_json(screening, cohort, blockers)
            text = console.page(lambda width: replies.blockers_text(screening, cohort, blockers, width), form)
        case "--missing":
            missing = Gaps(screening.kb).missing(screening, cohort)
            data = replies.missing_json(screening, cohort, missing)
            text = console.page(lambda width: replies.missing_text(screening, cohort, missing, width), form)
        case "--contrast":
            contrast = comparison.contrast(screening, cohort, other)
            data = replies.contrast_json(screening, contrast)
            text = console.page(lambda width: replies.contrast_text(screening, contrast, width), form)
        case _:
            bearing = comparison.bearing(screener, screening, other)
            data = replies.bearing_json(screening, bearing)
            text = console.page(lambda width: replies.bearing_text(screening, bearing, width), form)
    return console.as_json(data) + "\n" if form == "json" else text


@main.command()
@click.argument("record", metavar="RECORD")
@click.argument("other", metavar="[OTHER]", required=False)
@click.option("--on", "day", metavar="DATE", callback=console.day, help="The screening date (default: today).")
@click.option("--then", "then", metavar="DATE", callback=console.day, help="The screening date of OTHER (default: that of RECORD).")
@click.option("--cohort", "cohorts", multiple=True, metavar="C", help="Only this cohort, by code or id; repeatable.")
@click.option("--readings", "chosen", metavar="FILE", help="A site's choice of readings, or robust.")
@click.option("--patient", metavar="ID", help="Which patient, where a FHIR file holds several.")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@console.with_kb
def diff(
    record: str, other: str | None, day: date | None, then: date | None, cohorts: tuple[str, ...], form: str, **source: Any
) -> None:
    """Show what changed between two screenings and what it did: of RECORD and OTHER, or of RECORD on two days."""
    from . import replies
    from .comparison import difference

    if other is None and then is None:
        raise RequestError("what is RECORD to be compared with? name another record, or another day with --then")
    day = day or date.today()
    _, before = _screening(record=record, day=day, **source)
    _, after = _screening(record=other or record, day=then or day, **source)
    found = difference(before, after, cohorts or None)
    if form == "json":
        click.echo(console.as_json(replies.difference_json(found)))
    else:
        click.echo(console.page(lambda width: replies.difference_text(found, width), form), nl=False)


@main.command()
@_with_record
@click.option("--cohort", "cohorts", multiple=True, metavar="C", help="Only this cohort, by code or id; repeatable.")
@click.option("--plans", "limit", default=None, type=click.IntRange(1, 50),
              help="At most so many plans for each cohort (default: 1, and 3 where cohorts are named).")  # fmt: skip
@click.option("--by", metavar="DATE", callback=console.day, help="Only what can be complete by that day.")
@_with_burdens
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def whatif(
    cohorts: tuple[str, ...], limit: int | None, by: date | None, burdens: str | None, form: str, **source: Any
) -> None:
    """Plan what would make the patient eligible, the lightest first; or say what bars it."""
    from . import plantext

    screener, screening = _screening(**source)
    planner = _planner(screener, burdens)
    if cohorts:
        answers = [planner.plans(screening, name, limit or 3, by) for name in cohorts]
    else:
        answers = planner.ranked(screening, limit or 1, by)
    if form == "json":
        click.echo(console.as_json(plantext.whatif_json(screening, answers)))
    else:
        click.echo(console.page(lambda width: plantext.whatif_text(screening, answers, width, by), form), nl=False)


@main.command()
@_with_record
@click.option("--cohort", "cohorts", multiple=True, metavar="C", help="Only this cohort, by code or id; repeatable.")
@click.option("--plans", default=1, show_default=True, type=click.IntRange(0, 50), help="At most so many plans for each cohort.")
@click.option("--exact", is_flag=True, help="Decide over the consistent completions what Kleene logic leaves open.")
@console.with_output
def report(cohorts: tuple[str, ...], plans: int, exact: bool, output: Path | None, **source: Any) -> None:
    """Write a screening as one HTML page to read, to show and to sign; it needs no network."""
    from . import report as pages
    from .whatif import Planner

    screener, screening = _screening(exact=exact, **source)
    verdicts = [screening.verdict(cohort) for cohort in cohorts] or None
    planner = Planner(screener) if plans else None
    console.write(pages.page(screening, verdicts, planner, plans), output)


@main.command("next")
@_with_record
@click.option("--questions", default=5, show_default=True, type=click.IntRange(1, 50), help="At most so many questions.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def next_question(questions: int, form: str, **source: Any) -> None:
    """Say what to ask next: the question whose answer brings the decision nearer at the least burden."""
    from . import asktext
    from .asking import Asker

    screener, screening = _screening(**source)
    state = Asker(screener.kb).begin(screening)
    advice = state.advice(questions)
    if form == "json":
        click.echo(console.as_json(asktext.next_json(state, advice)))
    else:
        click.echo(asktext.next_text(state, advice, console.width()), nl=False)


@main.command("interview")
@_with_record
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              help="The file to save to (default: RECORD itself; never over FHIR).")  # fmt: skip
@click.option("--by", metavar="NAME", help="Who answers: stands with judgements, consents and direct answers.")
def interview_(
    record: str, day: date | None, chosen: str | None, patient: str | None, trial: str | None, root: Path | None,
    output: Path | None, by: str | None,
) -> None:  # fmt: skip
    """Ask in the terminal until all is decided, and save the record; RECORD need not exist yet.

    An answer is a value with its unit, yes or no, with 'on DATE' behind it where it is not of today; '?' is don't know, 'back' takes
    the last answer back, 'stop' ends. What was answered is saved at once: the next interview goes on from there.
    """
    from .dialogue import talk
    from .interview import Interview, comments_of, file_to_save, open_record

    readings = console.one_choice(chosen, "an interview")
    if record == "-":
        raise RequestError("an interview reads its answers from standard input; RECORD is a file")
    base = knowledge.load(trial, root)
    screener = Screener(base)
    source = Path(record)
    written = open_record(source, screener, patient)
    target = file_to_save(output or source)
    asked = Interview(screener, written, source.stem, day or date.today(), readings, by, comments_of(source))
    talk(asked, _hear, lambda text: click.echo(text, nl=False), target, console.width())


def _hear(prompt: str) -> str | None:
    """Ask for a line; None at the end of the input."""
    click.echo(prompt, nl=False)
    line = sys.stdin.readline()
    if not sys.stdin.isatty():
        click.echo(console.printable(line.rstrip("\n")))
    return line.rstrip("\n") if line else None


@main.command()
@_with_record
def facts(**source: Any) -> None:
    """Print the record's answers as facts for stock clingo."""
    from .screening import facts as write

    _, screening = _screening(**source)
    click.echo(write(screening), nl=False)


@main.command()
@click.argument("what", type=click.Choice(["record", "explanation"]), default="record")
@console.with_kb
def schema(what: str, trial: str | None, root: Path | None) -> None:
    """Print a JSON Schema: of a hand-written record, with the concepts of the knowledge base; or of an explanation graph."""
    from . import exports
    from .written import schema as build

    base = knowledge.load(trial, root)
    click.echo(console.as_json(exports.schema() if what == "explanation" else build(base.vocabulary, base.answerable)))


@main.command()
@click.argument("record", metavar="[RECORD]", required=False)
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="The page to write.")
@click.option("--on", "day", metavar="DATE", callback=console.day, help="The screening date (default: the day on which it is opened).")
@click.option("--cohort", "cohorts", multiple=True, metavar="C", help="Only this cohort, by code or id; repeatable.")
@click.option("--readings", "chosen", metavar="FILE", help="A site's choice of readings (YAML or JSON, 'reading: option').")
@click.option("--patient", metavar="ID", help="Which patient, where a FHIR file holds several.")
@console.with_kb
def worksheet(
    record: str | None, output: Path, day: date | None, cohorts: tuple[str, ...], chosen: str | None, patient: str | None,
    trial: str | None, root: Path | None,
) -> None:
    """Write a page in which questions are answered and the verdicts change at once, in a browser without a network.

    With a RECORD the page holds it, and so is confidential itself; it can also open and save one.
    """
    from .sources import read_form
    from .worksheet import page

    base, readings = knowledge.load(trial, root), console.one_choice(chosen, "a worksheet")
    form, notes = read_form(record, base, patient) if record else (None, ())
    console.write(page(base, form, day, cohorts, readings), output)
    for note in notes:
        click.echo(f"pyscreen: {console.printable(f'{note.kind}: {note.message}')}", err=True)


main.add_command(population_commands.cohort)
main.add_command(population_commands.convert)
main.add_command(population_commands.generate)


@main.group()
def kb() -> None:
    """Look into the knowledge base, and check it."""


_LISTS = ("cohorts", "clauses", "readings", "criteria", "tests", "quantities", "findings", "therapies", "procedures",
          "events", "judgements", "consents", "acts")  # fmt: skip


@kb.command("list")
@click.argument("what", type=click.Choice(_LISTS), default="cohorts")
@console.with_kb
def kb_list(what: str, trial: str | None, root: Path | None) -> None:
    """List cohorts (default), clauses, readings, criteria, tests, the concepts of one kind, or the acts of plans with their burden."""
    for name, words in catalogue(knowledge.load(trial, root), what):
        click.echo(f"{name:<44} {words}")


def catalogue(base: KnowledgeBase, what: str) -> list[tuple[str, str]]:
    """Return ids with words for one kind of thing in a knowledge base."""
    match what:
        case "cohorts":
            return [(f"{c.code} {c.id}", c.label) for c in base.cohorts.values()]
        case "clauses":
            return [(c.id, f"{c.role}: {c.text}") for c in base.clauses.values()]
        case "readings":
            return [
                (r.id, f"{r.question} Default: {r.options[r.default]} ({r.confidence})") for r in base.readings.values()
            ]
        case "criteria" | "tests":
            return [(c.id, c.label) for c in base.criteria.values() if (c.kind == "test") is (what == "tests")]
        case "acts":
            from .whatif import LEVELS, acts

            told = sorted(acts(base).values(), key=lambda act: (act.level, act.id))
            return [(act.id, f"{act.level} {LEVELS[act.level]}: {act.label}" + (f" ({act.who})" if act.who else "")) for act in told]
    kind = {"quantities": "measurement", "therapies": "therapy"}.get(what, what[:-1])
    return sorted(base.vocabulary.labels(kind).items())


@kb.command("show")
@click.argument("name")
@console.with_kb
def kb_show(name: str, trial: str | None, root: Path | None) -> None:
    """Show what the knowledge base says about a criterion, cohort, clause, reading or concept."""
    from .describe import describe

    click.echo(describe(knowledge.load(trial, root), name), nl=False)


@kb.command("check")
@console.with_kb
@click.pass_context
def kb_check(context: click.Context, trial: str | None, root: Path | None) -> None:
    """Look for mistakes in a trial and all it leans on; exit status 5 where there are any."""
    from .checking import check, together

    findings = check(trial, root)
    for finding in findings:
        click.echo(str(finding))
    errors = sum(finding.level == "error" for finding in findings)
    if not errors:
        for code, others in together(trial, root).items():
            click.echo(f"who is eligible for {code} can also be for {', '.join(others) or 'no other cohort'}")
    click.echo(f"{counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}", err=True)
    if errors:
        context.exit(5)


@kb.command("readings")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@console.with_kb
def kb_readings(form: str, trial: str | None, root: Path | None) -> None:
    """List how damaged or ambiguous text is read: options, the default, why, and how sure that is."""
    from . import render

    base = knowledge.load(trial, root)
    click.echo(console.as_json(render.readings_json(base)) if form == "json" else render.readings_text(base, console.width()))


@kb.command("document")
@click.option("--format", "form", type=click.Choice(["markdown", "html"]), default="markdown", show_default=True)
@console.with_output
@console.with_kb
def kb_document(form: str, output: Path | None, trial: str | None, root: Path | None) -> None:
    """Write what a trial asks as a document for clinicians to review."""
    from . import document

    base = knowledge.load(trial, root)
    console.write(document.page(base) if form == "html" else document.markdown(base), output)


@kb.command("export")
@click.option("--schema", "as_schema", is_flag=True, help="The JSON Schema of it instead.")
@console.with_output
@console.with_kb
def kb_export(as_schema: bool, output: Path | None, trial: str | None, root: Path | None) -> None:
    """Write a trial with its criteria, typed tests and vocabulary as JSON, for programs that decide by them."""
    from . import interchange

    found = interchange.schema() if as_schema else interchange.export(knowledge.load(trial, root))
    console.write(console.as_json(found) + "\n", output)


@kb.command("coverage")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@console.with_kb
@click.pass_context
def kb_coverage(context: click.Context, form: str, trial: str | None, root: Path | None) -> None:
    """Show clause by clause what encodes the protocol and which worked cases exercise it; exit status 5 where one is missing."""
    from . import render
    from .coverage import coverage

    rows = coverage(knowledge.load(trial, root))
    click.echo(console.as_json(render.coverage_json(rows)) if form == "json" else render.coverage_text(rows), nl=form == "json")
    if any(row.missing for row in rows):
        context.exit(5)
