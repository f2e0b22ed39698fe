"""An explanation as a picture, left to right, laid out by Graphviz: the verdict, what it rests on, and the evidence in the leaves.

Colour and mark tell what each part does to eligibility; every requirement is a group of its own; of many parts alike only one box is
drawn, with their names. Needs the extra `graph`.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from .errors import RequestError
from .explain import BLOCKS, HELPS, MARKS, NONE, OPEN, effect
from .exports import COLOURS, plain
from .outline import Entry, Part, evidence_line, outline, short, tally
from .screening import Screening

if TYPE_CHECKING:
    import networkx as nx

FORMATS = ("svg", "png")
MANY = "many"
_WIDE, _WIDEST = 40, 50
_WIDTH = 235
_MOST_LEAVES = 4
_MOST_NAMES = 18
_MOST_BOXES = 70
_DEEPEST = 9
_MOST_EVIDENCE = 3
_ALIKE = {HELPS: "in order", BLOCKS: "against", OPEN: "open", NONE: "that do not matter"}
_GATES = {
    "all_of": "all of",
    "any_of": "any of",
    "none_of": "none of",
    "known_by": "known by any of",
    "presumed_absent": "if known: any of",
    "n_of": "at least {} of",
    "points": "at least {} points from",
}


def draw(screening: Screening, found: nx.DiGraph[str], form: str = "svg", everything: bool = False) -> bytes:
    """Return a picture of an explanation, as `svg` (UTF-8) or `png`; raises RequestError where Graphviz is not installed."""
    return rendered(source(screening, found, outline(screening, found, everything), everything), form)


def rendered(dot: str, form: str) -> bytes:
    """Return a graph in the DOT language as a picture; raises RequestError where Graphviz is not installed."""
    try:
        import pygraphviz
    except ImportError:
        raise RequestError("a picture needs Graphviz: pip install 'pyscreen[graph]'") from None
    with _quiet():
        picture: bytes = pygraphviz.AGraph(string=dot).draw(format=form, prog="dot")
    return picture


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Graphviz's libraries say of the fonts of a machine off standard error; its own errors are exceptions."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def source(
    screening: Screening,
    found: nx.DiGraph[str],
    parts: Sequence[Part],
    everything: bool = False,
    links: Mapping[str, str] | None = None,
) -> str:
    """Return the picture of an outline in the DOT language; `links` names the place that the box of an entry leads to."""
    writer = _Writer(links or {})
    writer.root(screening, found, parts)
    for part in parts if everything else _collapsed_parts(parts):
        for entry in part.entries:
            writer.group(entry, part.excludes)
    return writer.text()


# ---- what is drawn of many parts alike -------------------------------------------------------------------------------


def _collapsed_parts(parts: Sequence[Part]) -> list[Part]:
    """Draw as much as is legible: exclusions that are all absent in one box, and of a large explanation not the deepest parts."""
    for depth in range(_DEEPEST, 1, -1):
        found = [
            replace(part, entries=tuple(_collapsed(_pruned(entry, depth)) for entry in part.entries)) for part in parts
        ]
        found = [replace(part, entries=tuple(_absent(part.entries))) if part.excludes else part for part in found]
        if sum(1 for part in found for entry in part.entries for _ in _drawn(entry)) <= _MOST_BOXES:
            break
    return found


def _pruned(entry: Entry, depth: int) -> Entry:
    """Draw under an entry so many levels, and of what lies deeper only the names of its leaves."""
    if depth > 1:
        return replace(entry, children=tuple(_pruned(child, depth - 1) for child in entry.children))
    leaves = [below for below in entry.walk() if below is not entry and not below.children]
    return replace(entry, children=(one_of(leaves),), more=0) if len(leaves) > 1 else entry


def _absent(entries: tuple[Entry, ...]) -> list[Entry]:
    helping = [entry for entry in entries if entry.effect == HELPS]
    if len(helping) <= _MOST_LEAVES:
        return list(entries)
    return [*(entry for entry in entries if entry.effect != HELPS), one_of(helping)]


def _drawn(entry: Entry) -> Iterator[Entry]:
    yield entry
    for child in entry.children if entry.kind != MANY else ():
        yield from _drawn(child)


def _collapsed(entry: Entry) -> Entry:
    """Draw under an entry a single leaf in the box that it settles, and many leaves alike in one."""
    if entry.kind == MANY:
        return entry
    children: list[Entry] = []
    for (_, leaf), alike in groupby(map(_collapsed, entry.children), key=lambda child: (child.effect, _is_leaf(child))):
        group = list(alike)
        children += [one_of(group)] if leaf and len(group) > _MOST_LEAVES else group
    return _merged(replace(entry, children=tuple(children)))


def _is_leaf(entry: Entry) -> bool:
    return not entry.children and not entry.more and entry.kind != MANY


def _merged(entry: Entry) -> Entry:
    if len(entry.children) != 1 or entry.more or not _is_leaf(entry.children[0]) or entry.standing:
        return entry
    (leaf,) = entry.children
    label = short(entry.label)
    said = (
        leaf.label
        if leaf.label.startswith(label)
        else label
        if leaf.evidence
        else f"{label}: {leaf.prefix}{leaf.label}"
    )
    clauses = tuple(dict.fromkeys((*entry.clauses, *leaf.clauses)))
    readings = (*entry.readings, *leaf.readings)
    return replace(leaf, id=entry.id, label=said, prefix=entry.prefix, clauses=clauses, readings=readings)


def one_of(group: Sequence[Entry], before: str = "") -> Entry:
    """Return one entry that stands for many with the same effect: how many, and their names."""
    label = f"{before}{len(group)} {_ALIKE[group[0].effect]}"
    return Entry(group[0].id, label, MANY, group[0].status, group[0].effect, children=tuple(group))


# ---- boxes -----------------------------------------------------------------------------------------------------------


class _Writer:
    def __init__(self, links: Mapping[str, str]) -> None:
        self.links = links
        self.count = 0
        self.edges: list[str] = []
        self.lines = [
            "digraph explanation {",
            '  graph [rankdir=LR, ordering=out, ranksep=0.45, nodesep=0.1, fontname="Helvetica", bgcolor=white];',
            '  node [shape=plain, fontname="Helvetica", fontsize=10];',
            "  edge [arrowhead=none, penwidth=1.4, tailport=e, headport=w];",
        ]

    def text(self) -> str:
        return "\n".join([*self.lines, "}"]) + "\n"

    def root(self, screening: Screening, found: nx.DiGraph[str], parts: Iterable[Part]) -> None:
        verdict = screening.verdicts[found.graph["cohort"]]
        lines = [
            *map(_bold, _wrapped(f"{verdict.cohort.code} {verdict.cohort.label}", _WIDE)),
            _bold(verdict.status.upper()),
        ]
        for part in parts:
            if told := tally(part):
                lines.append(_small(f"{'Exclusions' if part.excludes else 'Requirements'}: {told}"))
        lines.append(_grey(_cut(f"{screening.record.id}, {screening.day}")))
        self._box("root", effect(verdict.status), lines)

    def group(self, entry: Entry, excludes: bool) -> None:
        """Write a requirement or an exclusion with all under it, as a group of its own."""
        name = f"n{self.count}"
        self.lines.append(f'  subgraph cluster_{name} {{ style="rounded,filled"; color="#f1f3f5"; margin=5; label="";')
        self.edges.clear()
        self.entry(entry, "Excludes, if present" if excludes else "")
        self.lines += reversed(self.edges)  # within a cluster Graphviz draws the last one first
        self.lines.append("  }")
        self.lines.append(_edge("root", name, entry.effect))

    def entry(self, entry: Entry, title: str = "") -> str:
        name = self._next()
        lines = [*([_grey(title)] if title else []), *_lines(entry)]
        self._box(name, entry.effect, lines, self.links.get(entry.id, ""))
        if entry.kind == MANY:
            return name
        for child in entry.children:
            self.edges.append(_edge(name, self.entry(child), child.effect))
        if entry.more:
            more, what = self._next(), entry.children[-1].effect
            self._box(more, what, [_small(f"... and {entry.more} more like these")])
            self.edges.append(_edge(name, more, what))
        return name

    def _next(self) -> str:
        self.count += 1
        return f"n{self.count - 1}"

    def _box(self, name: str, what: str, lines: list[str], link: str = "") -> None:
        colour = COLOURS[what]
        mark = f'<TD BGCOLOR="{colour}" WIDTH="16"><FONT COLOR="white"><B>{MARKS[what]}</B></FONT></TD>'
        text = f'<TD ALIGN="LEFT" BALIGN="LEFT" BGCOLOR="white" WIDTH="{_WIDTH}">{"<BR/>".join(lines)}</TD>'
        table = f'<TABLE BORDER="1" COLOR="{colour}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="4"><TR>{mark}{text}</TR></TABLE>'
        leads = f', URL="#{link}", target="_self"' if link else ""
        self.lines.append(f'  {name} [label=<{table}>, class="{what}"{leads}];')


def _edge(one: str, other: str, what: str) -> str:
    style = "dotted" if what == NONE else "solid"
    return f'  {one} -> {other} [color="{COLOURS[what]}", style={style}, class="{what}"];'


def _lines(entry: Entry) -> Iterator[str]:
    """Yield the lines of a box: what it asks, where it stands in the protocol, how that was read, and the evidence."""
    yield from map(_bold, _wrapped(f"{entry.prefix}{short(entry.label)}", _WIDE))
    if entry.kind == MANY:
        names = [f"{child.prefix}{short(child.label)}" for child in entry.children]
        yield from (_small(_cut(name)) for name in names[:_MOST_NAMES])
        if len(names) > _MOST_NAMES:
            yield _small(f"and {len(names) - _MOST_NAMES} more")
        return
    clauses = [f"[{' '.join(entry.clauses)}]"] if entry.clauses else []
    readings = [reading.split(":")[0] for reading in entry.readings]
    if clauses or readings:
        yield from map(_grey, _wrapped(" ".join([*clauses, *readings]), _WIDEST))
    if entry.standing:
        yield _small("{} points certain, {} possible".format(*entry.standing))
    for item in entry.evidence[:_MOST_EVIDENCE]:
        yield from map(_small, _wrapped(evidence_line(item), _WIDEST))
    if len(entry.evidence) > _MOST_EVIDENCE:
        yield _small(f"and {len(entry.evidence) - _MOST_EVIDENCE} more")
    if entry.missing or entry.why:
        yield from map(_small, _wrapped(entry.missing or f"unknown: {entry.why}", _WIDEST))
    if entry.again:
        yield _grey("(as above)")
    elif entry.children and entry.kind in _GATES:
        yield f"<I>{_grey(_GATES[entry.kind].format(entry.number))}</I>"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(" ".join(plain(text).split()), width) or [" "]


def _cut(text: str) -> str:
    return textwrap.shorten(" ".join(plain(text).split()), _WIDEST + 6, placeholder=" ...")


def _bold(text: str) -> str:
    return f"<B>{_html(text)}</B>"


def _small(text: str) -> str:
    return f'<FONT POINT-SIZE="9">{_html(text)}</FONT>'


def _grey(text: str) -> str:
    return f'<FONT POINT-SIZE="9" COLOR="#5f6368">{_html(text)}</FONT>'


def _html(text: str) -> str:
    return escape(plain(text))
