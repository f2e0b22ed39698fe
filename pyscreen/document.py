"""The knowledge base as a document for clinicians: what a trial asks, in words, without reading a logic program.

Per cohort its requirements with clause, thresholds and units, the readings they go by with their alternatives, and the source of
every notion. Markdown and HTML are written from the same outline.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .knowledge import Cohort, Criterion, KnowledgeBase, Member, Need, Reading
from .words import words_of_test

_GROUPS = {
    "all_of": "all of",
    "any_of": "any of",
    "none_of": "none of",
    "known_by": "known by any of these; if they disagree, it is not known",
    "presumed_absent": "only where it is known; what the record does not say is presumed not to be so",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the outline: `level` 0 is a title, 1 to 3 a heading, `POINT` a point of a list, `TEXT` a paragraph.

    `anchor` names the line, `link` is the anchor that its text leads to; `text` is plain. A point may have points of its own.
    """

    level: int
    text: str
    anchor: str = ""
    link: str = ""
    after: str = ""
    points: tuple[Line, ...] = ()


POINT = 4
TEXT = 9


def outline(kb: KnowledgeBase) -> list[Line]:
    """Return the whole document as lines."""
    return list(_Outline(kb).lines())


class _Outline:
    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb
        self.anchors = {name: f"c{i}" for i, name in enumerate(kb.criteria)}

    def lines(self) -> Iterator[Line]:
        kb = self.kb
        yield Line(0, f"{kb.title} ({kb.registry}): what the knowledge base asks")
        yield Line(TEXT, f"Knowledge base {kb.digest}. A patient enters a cohort who meets all of its requirements and no exclusion.")
        yield Line(
            TEXT,
            "Under each of them stands what it asks as the protocol is read by default, and the readings that it goes by, with their "
            "other options. The definitions have the rest, down to single tests.",
        )
        for cohort in kb.cohorts.values():
            yield from self.cohort(cohort)
        yield Line(1, "Exclusions", "exclusions")
        for need in kb.exclusions:
            yield self.need(need)
        yield from self.definitions()
        yield from self.readings()
        yield from self.sources()

    def cohort(self, cohort: Cohort) -> Iterator[Line]:
        yield Line(1, f"{cohort.code} {cohort.label}", f"cohort-{cohort.id}")
        for need in sorted(cohort.needs, key=lambda need: not need.clause.startswith(f"{cohort.code}.")):
            yield self.need(need)

    def need(self, need: Need) -> Line:
        criterion = self.kb.criteria[need.criterion]
        clause = self.kb.clauses.get(need.clause)
        said = f": {clause.text}" if clause else ""
        points = (*self.asked(criterion), *self.choices(criterion))
        return Line(POINT, criterion.label, link=self.anchors[criterion.id], after=f" [{need.clause}{said}]", points=points)

    def asked(self, criterion: Criterion) -> Iterator[Line]:
        """Yield what a requirement asks by default: its own parts, each in words where it is a single test."""
        read = self.by_default(criterion)
        if read.kind == "constant":
            yield Line(POINT, "Asks nothing, as it is read" if read.id == "always" else "Never so, as it is read")
            return
        if read.kind == "test":
            yield Line(POINT, words_of_test(self.kb.tests[read.id]))
            return
        parts = tuple(self.part(self.by_default(self.kb.criteria[member.id])) for member in read.members)
        yield Line(POINT, f"{self.how(read)}:", points=parts)
        if read.source and read.source not in ("protocol", "computed"):
            yield Line(POINT, f"Source: {read.source}")

    def by_default(self, criterion: Criterion) -> Criterion:
        """Return what stands for a criterion under the default of every reading."""
        while criterion.kind == "by_reading":
            chosen = [m for m in criterion.members if self.kb.readings[m.detail[0]].default == m.detail[1]]
            criterion = self.kb.criteria[chosen[0].id]
        return criterion

    def part(self, criterion: Criterion) -> Line:
        if criterion.kind == "test":
            return Line(POINT, words_of_test(self.kb.tests[criterion.id]))
        return Line(POINT, criterion.label, link="" if criterion.kind == "constant" else self.anchors[criterion.id])

    def choices(self, criterion: Criterion) -> Iterator[Line]:
        """Yield the readings that decide about a requirement, each with its options, the default first.

        How old a state may be stands with each test, and is left out.
        """
        ages = {reading for *_, reading in (*self.kb.program.rows("current", 3), *self.kb.program.rows("denial", 2))}
        below = [node for node in self.kb.below([criterion.id]) if node.kind == "by_reading"]
        for name in dict.fromkeys(member.detail[0] for node in below for member in node.members):
            if name in ages:
                continue
            reading = self.kb.readings[name]
            others = [words for option, words in reading.options.items() if option != reading.default]
            after = f": {reading.question} {reading.options[reading.default]} (default); or {'; or '.join(others)}"
            yield Line(POINT, name, link=f"reading-{name}", after=after)

    def definitions(self) -> Iterator[Line]:
        yield Line(1, "Definitions", "definitions")
        roots = [need.criterion for cohort in self.kb.cohorts.values() for need in cohort.needs]
        roots += [need.criterion for need in self.kb.exclusions]
        for criterion in self.kb.below(roots):
            yield from self.definition(criterion)

    def definition(self, criterion: Criterion) -> Iterator[Line]:
        anchor = self.anchors[criterion.id]
        clauses = f" [{', '.join(criterion.clauses)}]" if criterion.clauses else ""
        if criterion.kind == "test":
            yield Line(3, criterion.label, anchor, after=clauses)
            yield Line(TEXT, f"Asks: {words_of_test(self.kb.tests[criterion.id])}.")
            return
        if criterion.kind == "constant":
            return
        yield Line(3, criterion.label, anchor, after=clauses)
        yield Line(TEXT, f"{self.how(criterion)}:")
        for member in criterion.members:
            yield self.member(criterion, member)

    def how(self, criterion: Criterion) -> str:
        if criterion.kind == "by_reading":
            readings = dict.fromkeys(member.detail[0] for member in criterion.members)
            return f"As reading {', '.join(readings)} has it"
        if criterion.kind == "n_of":
            return f"At least {criterion.number} of"
        if criterion.kind == "points":
            return f"At least {criterion.number} points; in each domain the heaviest item counts"
        words = _GROUPS[criterion.kind]
        return words[0].upper() + words[1:]

    def member(self, criterion: Criterion, member: Member) -> Line:
        below = self.kb.criteria[member.id]
        link = "" if below.kind == "constant" else self.anchors[member.id]
        after = ""
        if criterion.kind == "by_reading":
            reading = self.kb.readings[member.detail[0]]
            chosen = " (default)" if reading.default == member.detail[1] else ""
            after = f" - {reading.id}: {reading.options[member.detail[1]]}{chosen}"
        elif criterion.kind == "points":
            after = f" - {member.detail[1]} points ({member.detail[0].replace('_', ' ')})"
        return Line(POINT, below.label, link=link, after=after)

    def readings(self) -> Iterator[Line]:
        yield Line(1, "Readings of the protocol's text", "readings")
        for reading in self.kb.readings.values():
            yield from self.reading(reading)

    def reading(self, reading: Reading) -> Iterator[Line]:
        yield Line(3, f"{reading.id} ({', '.join(reading.clauses)}), confidence {reading.confidence}", f"reading-{reading.id}")
        yield Line(TEXT, reading.question)
        for option, words in sorted(reading.options.items(), key=lambda pair: pair[0] != reading.default):
            yield Line(POINT, words, after=" (default)" if option == reading.default else "")
        if reading.why:
            yield Line(TEXT, f"Why: {reading.why}.")

    def sources(self) -> Iterator[Line]:
        yield Line(1, "Sources", "sources")
        by_source: dict[str, list[str]] = {}
        for criterion in self.kb.criteria.values():
            if criterion.source:
                by_source.setdefault(criterion.source, []).append(criterion.label)
        for source, labels in sorted(by_source.items()):
            shown = "; ".join(dict.fromkeys(labels[:8]))
            yield Line(POINT, source, after=f" - {shown}" + (f" and {len(labels) - 8} more" if len(labels) > 8 else ""))


def markdown(kb: KnowledgeBase) -> str:
    """Return the document in Markdown."""
    return "\n".join(_markdown_lines(outline(kb))) + "\n"


def _markdown_lines(lines: Iterable[Line]) -> Iterator[str]:
    before = 0
    for line in lines:
        text = _escaped(line.text)
        if line.link:
            text = f"[{text}](#{line.link})"
        text += _escaped(line.after)
        if before == POINT and line.level != POINT:
            yield ""
        if line.level == POINT:
            yield f"- {text}"
            yield from (f"  {point}" for point in _markdown_lines(line.points))
        elif line.level == TEXT:
            yield f"{text}\n"
        else:
            mark = f'<a id="{line.anchor}"></a>' if line.anchor else ""
            yield f"{'#' * (line.level + 1)} {mark}{text}\n"
        before = line.level


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|" else c for c in text)


_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.25rem; border-bottom: 1px solid; margin-top: 2.5rem; }
h3, h4 { font-size: 1rem; margin: 1.2rem 0 0.2rem; } li li { font-size: 0.9rem; } p { margin: 0.2rem 0; } ul { margin: 0.2rem 0; }
:target { outline: 2px solid; outline-offset: 4px; }
@media print { a { color: inherit; text-decoration: none; } h3, h4 { break-after: avoid; } }
"""


def page(kb: KnowledgeBase) -> str:
    """Return the document as one self-contained HTML page."""
    title = html.escape(f"{kb.title}: what the knowledge base asks")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "\n".join(_html_lines(outline(kb)))
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head><body><main>\n{body}\n</main></body></html>\n'


def _html_lines(lines: Iterable[Line]) -> Iterator[str]:
    listed = False
    heading = 0
    for line in lines:
        text = html.escape(line.text)
        if line.link:
            text = f'<a href="#{line.link}">{text}</a>'
        text += html.escape(line.after)
        if listed is not (line.level == POINT):
            listed = not listed
            yield "<ul>" if listed else "</ul>"
        if line.level == POINT:
            yield f"<li>{text}{''.join(_html_lines(line.points))}</li>"
        elif line.level == TEXT:
            yield f"<p>{text}</p>"
        else:
            anchor = f' id="{html.escape(line.anchor)}"' if line.anchor else ""
            heading = min(line.level, heading) + 1  # no step is left out between headings
            yield f"<h{heading}{anchor}>{text}</h{heading}>"
    if listed:
        yield "</ul>"
