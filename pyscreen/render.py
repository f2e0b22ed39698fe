"""Screenings and explanations as text for people and as JSON for programs. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Any

from . import engine
from .explain import BLOCKS, LEGEND, MARKS, OPEN, effect, evidence_data
from .gaps import Gaps
from .knowledge import KnowledgeBase, Need, Reading
from .outline import Entry, evidence_line, outline, short, tally
from .page import Page
from .screening import Screening, Verdict

if TYPE_CHECKING:
    import networkx as nx

    from .coverage import Coverage

DISCLAIMER = "Decision support for professionals; not a medical device. Check every answer against its source."
_MOST_EVIDENCE = 3


def version() -> str:
    """Return the version of the package."""
    try:
        return metadata.version("pyscreen")
    except metadata.PackageNotFoundError:
        return "unknown"


# ---- screening -------------------------------------------------------------------------------------------------------


def screening_text(screening: Screening, cohorts: Iterable[Verdict] | None = None, width: int = 100) -> str:
    """Return a screening as a page to read: a line for each cohort, then what fails, what is open, and what it rests on."""
    verdicts = list(screening.verdicts.values() if cohorts is None else cohorts)
    page = Page(width)
    page.item("", f"{screening.record.id}, screened on {screening.day} for {screening.kb.title} ({screening.kb.registry})")
    page.line()
    widest = max((len(verdict.cohort.label) for verdict in verdicts), default=0)
    for verdict in verdicts:
        page.item(f"  {verdict.cohort.code:<5}", f"{verdict.cohort.label:<{widest}}  {_status(verdict)}")
    told_later(page, screening)
    _shared_needs(page, screening, verdicts)
    for verdict in verdicts:
        _cohort_needs(page, screening, verdict, len(verdicts) > 1)
    _readings(page, screening, verdicts)
    _presumed(page, screening)
    _notes(page, screening)
    page.line()
    page.item("", f"Knowledge base {screening.kb.digest}, pyscreen {version()}, clingo {engine.version()}. {DISCLAIMER}")
    return page.text()


def _status(verdict: Verdict) -> str:
    return verdict.status.upper() + (" (exact)" if verdict.exact else "")


def _shared_needs(page: Page, screening: Screening, verdicts: list[Verdict]) -> None:
    """Say once what concerns every cohort: exclusions, and (with several cohorts) the general requirements."""
    if not verdicts:
        return
    first = verdicts[0]
    _needs(page, screening, "Excluded by", first.excluded_by, BLOCKS)
    _needs(page, screening, "Exclusions not settled", first.open_exclusions, OPEN)
    if len(verdicts) > 1:
        _needs(page, screening, "In every cohort, not met", _common(verdicts, "failing"), BLOCKS)
        _needs(page, screening, "In every cohort, not settled", _common(verdicts, "open"), OPEN)


def _common(verdicts: list[Verdict], part: str) -> list[Need]:
    first: list[Need] = list(getattr(verdicts[0], part))
    return [need for need in first if all(need in getattr(verdict, part) for verdict in verdicts)]


def _cohort_needs(page: Page, screening: Screening, verdict: Verdict, several: bool) -> None:
    shared = (
        [n for part in ("failing", "open") for n in _common(list(screening.verdicts.values()), part)] if several else []
    )
    failing = [need for need in verdict.failing if need not in shared]
    unsettled = [need for need in verdict.open if need not in shared]
    _needs(page, screening, f"{verdict.cohort.code} {verdict.cohort.label}: not met", failing, BLOCKS)
    _needs(page, screening, f"{verdict.cohort.code} {verdict.cohort.label}: not settled", unsettled, OPEN)


def _needs(page: Page, screening: Screening, title: str, needs: Iterable[Need], mark: str) -> None:
    needs = list(needs)
    if not needs:
        return
    page.line()
    page.line(title)
    for need in needs:
        page.item(f"{MARKS[mark]} {need.clause:<20} ", screening.kb.criteria[need.criterion].label, hang=23)
        for line in _grounds(screening, need.criterion):
            page.item(" " * 25, line)


def _grounds(screening: Screening, criterion: str) -> Iterator[str]:
    """Yield what the record says, or does not say, about the tests that decide a criterion; the few first of them."""
    said: dict[str, None] = {}
    unsaid: dict[str, None] = {}
    for test in screening.deciding_tests(criterion):
        given = screening.answers[test]
        if given.evidence:
            shown = "; ".join(map(str, given.evidence[:_MOST_EVIDENCE]))
            said[f"{shown} - {given.why}" if given.why else shown] = None
        else:
            label = short(screening.kb.criteria[test].label)
            unsaid[label if given.why in ("", "not recorded") else f"{label} ({given.why})"] = None
    yield from list(said)[:_MOST_EVIDENCE]
    yield from _scores(screening, criterion)
    if list(unsaid) == [screening.kb.criteria[criterion].label]:
        yield "not recorded"
    elif unsaid:
        more = f" and {len(unsaid) - 2} more" if len(unsaid) > 2 else ""
        yield f"not recorded: {'; '.join(list(unsaid)[:2])}{more}"


def _scores(screening: Screening, criterion: str) -> Iterator[str]:
    """Yield where each score that is asked stands."""
    for name in screening.path(criterion):
        node = screening.kb.criteria[name]
        if node.kind == "points":
            yield f"{node.label}: {_standing(*screening.points(name))}"


def _standing(certain: int, possible: int) -> str:
    return f"{certain} certain, {possible} possible"


def _readings(page: Page, screening: Screening, verdicts: list[Verdict]) -> None:
    lines: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        for dependence in verdict.depends_on:
            lines.setdefault((dependence.reading, dependence.option), []).append(
                f"{verdict.cohort.code} {dependence.verdict}"
            )
    if not lines:
        return
    page.line()
    page.line("Readings of the protocol that these verdicts depend on")
    for (name, option), changes in lines.items():
        reading = screening.kb.readings[name]
        now = reading.options[screening.readings[name]]
        page.item(
            f"  {name:<14} ",
            f"{reading.question} Read here: {now}. If read as '{reading.options[option]}': {', '.join(changes)}.",
        )


def _presumed(page: Page, screening: Screening) -> None:
    if screening.presumed:
        page.line()
        page.line("Presumed absent: the protocol asks only for what is known, and the record does not say it")
        for name in screening.presumed:
            page.item("  . ", screening.kb.criteria[name].label)


def told_later(page: Page, screening: Screening) -> None:
    """Tell what is dated after the screening date, where something is."""
    if screening.later:
        page.line()
        page.item("! ", screening.later.message)


def _notes(page: Page, screening: Screening) -> None:
    if screening.conflicts:
        page.line()
        page.line("Conflicts in the record (they decide nothing)")
        for note in screening.conflicts:
            page.item("  ! ", note.message + (f" [{note.id}]" if note.id else ""))
    others = [note for note in screening.notes if note is not screening.later]
    if others:
        page.line()
        page.line("In the record, but not used")
        for note in others:
            page.item("  - ", f"{note.kind}: {note.message}" + (f" [{note.id}]" if note.id else ""))


def screening_json(screening: Screening, cohorts: Iterable[Verdict] | None = None) -> dict[str, Any]:
    """Return a screening as plain data; the form is documented in docs/json.md."""
    verdicts = screening.verdicts.values() if cohorts is None else cohorts
    return {
        **head("screening", screening),
        "verdicts": [_verdict_json(screening, verdict) for verdict in verdicts],
        "presumed": [{"criterion": name, "label": screening.kb.criteria[name].label} for name in screening.presumed],
        "conflicts": [{"message": n.message, "source": n.id} for n in screening.conflicts],
        "notes": [
            {"kind": n.kind, "message": n.message, "source": n.id}
            for n in screening.notes
        ],
        "disclaimer": DISCLAIMER,
    }


def head(form: str, screening: Screening) -> dict[str, Any]:
    """Return what every answer in JSON begins with."""
    return {
        "format": f"pyscreen.{form}/1",
        "record": screening.record.id,
        "day": screening.day.isoformat(),
        "trial": {"id": screening.kb.trial, "title": screening.kb.title, "registry": screening.kb.registry},
        "knowledge_base": screening.kb.digest,
        "pyscreen": version(),
        "clingo": engine.version(),
        "readings": {
            name: option
            for name, option in screening.readings.items()
            if option != screening.kb.readings[name].default
        },
    }  # fmt: skip


def _verdict_json(screening: Screening, verdict: Verdict) -> dict[str, Any]:
    return {
        "cohort": verdict.cohort.id,
        "code": verdict.cohort.code,
        "label": verdict.cohort.label,
        "verdict": verdict.status,
        "exact": verdict.exact,
        "failing": [_tested_json(screening, need, False) for need in verdict.failing],
        "open": [_tested_json(screening, need, False) for need in verdict.open],
        "excluded_by": [_tested_json(screening, need, True) for need in verdict.excluded_by],
        "open_exclusions": [_tested_json(screening, need, True) for need in verdict.open_exclusions],
        "depends_on": [{"reading": d.reading, "option": d.option, "verdict": d.verdict} for d in verdict.depends_on],
    }


def _tested_json(screening: Screening, need: Need, excludes: bool) -> dict[str, Any]:
    tests = [_test_json(screening, test) for test in screening.deciding_tests(need.criterion)]
    return {**need_json(screening, need, excludes), "tests": tests}


def need_json(screening: Screening, need: Need, excludes: bool) -> dict[str, Any]:
    """Return a requirement or an exclusion for JSON: its status, and what that does to eligibility."""
    status = screening.statuses[need.criterion]
    return {
        "clause": need.clause,
        "criterion": need.criterion,
        "label": screening.kb.criteria[need.criterion].label,
        "status": status,
        "effect": effect(status, excludes),
    }


def _test_json(screening: Screening, test: str) -> dict[str, Any]:
    given = screening.answers[test]
    return {
        "test": test,
        "label": screening.kb.criteria[test].label,
        "answer": {True: "yes", False: "no", None: "unknown"}[given.truth],
        "why": given.why,
        "evidence": [evidence_data(item, screening.kb.vocabulary) for item in given.evidence],
    }


# ---- explanation -----------------------------------------------------------------------------------------------------


def explanation_text(screening: Screening, found: nx.DiGraph[str], everything: bool = False, width: int = 100) -> str:
    """Return an explanation as a tree: what helps (+), blocks (x) or is open (?), with clause and evidence.

    Without `everything`, only what matters to the verdict.
    """
    page = Page(width)
    root = found.graph["cohort"]
    verdict = screening.verdicts[root]
    page.item("", f"{screening.record.id}, {screening.day}: {verdict.cohort.code} {verdict.cohort.label} - {_status(verdict)}")
    told_later(page, screening)
    tree = _Tree(page)
    for part in outline(screening, found, everything):
        if part.entries:
            page.line()
            page.line(f"{'Exclusions (absent is good)' if part.excludes else 'Requirements'}: {tally(part)}")
        for entry in part.entries:
            tree.write(entry, 1)
    page.line()
    page.line(LEGEND)
    page.item("", DISCLAIMER)
    return page.text()


class _Tree:
    """Writes the entries of an outline, each under its parent."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def write(self, entry: Entry, depth: int) -> None:
        indent = "  " * depth
        tags = "".join(f" [{text}]" for text in (" ".join(entry.clauses), *entry.readings) if text)
        rest = " (see above)" if entry.again else f" - {entry.missing}" if entry.missing else ""
        self.page.item(f"{indent}{MARKS[entry.effect]} ", f"{entry.prefix}{entry.label}{tags}{rest}", extra=2)
        self._evidence(entry, f"{indent}    ")
        for child in entry.children:
            self.write(child, depth + 1)
        if entry.more:
            self.page.line(f"{indent}  ... and {entry.more} more like these (--all shows them)")

    def _evidence(self, entry: Entry, indent: str) -> None:
        if entry.standing:
            self.page.line(indent + _standing(*entry.standing))
        for item in entry.evidence[:_MOST_EVIDENCE]:
            self.page.item(indent, evidence_line(item))
        if len(entry.evidence) > _MOST_EVIDENCE:
            self.page.line(f"{indent}and {len(entry.evidence) - _MOST_EVIDENCE} more")
        if entry.evidence and entry.why:
            self.page.item(indent, f"unknown: {entry.why}")


def explanation_json(screening: Screening, found: nx.DiGraph[str], gaps: Gaps | None = None) -> dict[str, Any]:
    """Return an explanation as node-link data with its blockers and smallest missing sets; see docs/json.md."""
    from . import explain, exports

    missing = (gaps or Gaps(screening.kb)).missing(screening, found.graph["cohort"])
    return {
        **head("explanation", screening),
        "cohort": found.graph["cohort"],
        "verdict": screening.verdicts[found.graph["cohort"]].status,
        "graph": exports.node_link(found),
        "blockers": [
            {"test": b.test, "label": b.label, "contrary": b.contrary, "necessary": b.necessary}
            for b in explain.blockers(found)
        ],
        "missing_sets": [sorted(way) for way in missing.sets],
        "missing_sets_complete": missing.complete,
        "disclaimer": DISCLAIMER,
    }  # fmt: skip


# ---- readings --------------------------------------------------------------------------------------------------------


def readings_text(kb: KnowledgeBase, width: int = 100) -> str:
    """Return every reading with its options (the default first), why, and how sure it is."""
    page = Page(width)
    for reading in kb.readings.values():
        page.item(f"{reading.id:<14} ", f"{reading.question} [{', '.join(reading.clauses)}; confidence {reading.confidence}]")
        for option, words in _default_first(reading):
            mark = "*" if option == reading.default else "-"
            page.item(" " * 15, f"{mark} {option}: {words}", extra=2)
        page.item(" " * 15, f"Why: {reading.why}")
    page.line("* the default")
    return page.text()


def readings_json(kb: KnowledgeBase) -> list[dict[str, Any]]:
    """Return every reading as plain data."""
    return [
        {
            "reading": reading.id,
            "clauses": list(reading.clauses),
            "question": reading.question,
            "options": dict(_default_first(reading)),
            "default": reading.default,
            "why": reading.why,
            "confidence": reading.confidence,
        }
        for reading in kb.readings.values()
    ]


def _default_first(reading: Reading) -> list[tuple[str, str]]:
    return sorted(reading.options.items(), key=lambda pair: pair[0] != reading.default)


# ---- coverage --------------------------------------------------------------------------------------------------------


def coverage_text(rows: list[Coverage]) -> str:
    """Return the clauses as a table: clause, role, how many criteria, tests, readings and cases; then what is missing.

    A clause is met or unmet in a case, fails in it alone, or is open in it alone.
    """
    lines = [f"{'clause':<34} {'role':<12} criteria tests readings met in unmet in fails in open in"]
    for row in rows:
        counts = (row.criteria, row.tests, row.readings, row.met_in, row.unmet_in, row.fails_in, row.open_in)
        numbers = " ".join(f"{len(part):>{width}}" for part, width in zip(counts, (8, 5, 8, 6, 8, 8, 7), strict=True))
        lines.append(f"{row.clause.id:<34} {row.clause.role:<12} {numbers}{'  ' + row.missing if row.missing else ''}")
    missing = sum(bool(row.missing) for row in rows)
    lines.append(f"{len(rows)} clauses, {len(rows) - missing} covered, {missing} not")
    return "\n".join(lines) + "\n"


def coverage_json(rows: list[Coverage]) -> list[dict[str, Any]]:
    """Return the clauses as plain data, with the names behind the numbers."""
    return [
        {
            "clause": row.clause.id,
            "lines": row.clause.lines,
            "role": row.clause.role,
            "text": row.clause.text,
            "criteria": list(row.criteria),
            "tests": list(row.tests),
            "readings": list(row.readings),
            "met_in": list(row.met_in),
            "unmet_in": list(row.unmet_in),
            "fails_in": list(row.fails_in),
            "open_in": list(row.open_in),
            "missing": row.missing,
        }
        for row in rows
    ]
