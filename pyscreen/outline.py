"""An explanation as an outline: the graph told from the top, each criterion once, seen through the readings that lead to it.

Text, pages and pictures are written from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .explain import BLOCKS, HELPS, NONE, OPEN, effect
from .screening import Screening

if TYPE_CHECKING:
    import networkx as nx

MOST_CHILDREN = 14
_SUFFIX = re.compile(r" \((no older than [^()]*|of any age)\)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A criterion or test in its place: `effect` is what it does to eligibility, `none` where it does not matter.

    `readings` tells how the text was read on the way to it; `standing` is where a score stands, certain and possible; `again` that
    what is under it was told before; `more` how many further entries like its children are left out; `number` how many members or
    points the criterion takes (`n_of`, `points`).
    """

    id: str
    label: str
    kind: str
    status: str
    effect: str
    prefix: str = ""
    clauses: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
    evidence: tuple[Mapping[str, Any], ...] = ()
    why: str = ""
    standing: tuple[int, int] | None = None
    presumed: bool = False
    again: bool = False
    children: tuple[Entry, ...] = ()
    more: int = 0
    number: int = 0

    @property
    def missing(self) -> str:
        """What is missing, where there is no evidence to say it under."""
        if self.presumed:
            return "presumed: the record does not say so"
        return "" if self.evidence else self.why

    def walk(self) -> Iterator[Entry]:
        """Yield the entry and all under it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Part:
    """The requirements, or the exclusions: how many are in order, against and open, and an entry for each that is shown."""

    excludes: bool
    tally: Mapping[str, int]
    entries: tuple[Entry, ...]


def outline(
    screening: Screening,
    found: nx.DiGraph[str],
    everything: bool = False,
    each: bool = False,
    among: Collection[str] | None = None,
) -> list[Part]:
    """Return an explanation as its requirements and its exclusions (`among` these criteria).

    Only what decides the verdict is shown; with `each`, every requirement and exclusion with what decides its own status; with
    `everything`, all of the graph. A criterion shows at most `MOST_CHILDREN` children, unless everything is asked for.
    """
    outliner = _Outliner(screening, found, everything, each)
    root = found.graph["cohort"]
    parts = []
    for role in ("requires", "excludes"):
        edges = [(child, data) for _, child, data in found.out_edges(root, data=True) if data["role"] == role]
        edges = [(child, data) for child, data in edges if among is None or child in among]
        shown = [(child, data) for child, data in edges if everything or each or data["decides"]]
        excludes = role == "excludes"
        entries = tuple(outliner.entry(child, excludes, data["clause"]) for child, data in shown)
        parts.append(Part(excludes, _tally(found, edges, excludes), entries))
    return parts


def _tally(found: nx.DiGraph[str], edges: list[tuple[str, dict[str, Any]]], excludes: bool) -> dict[str, int]:
    counts = {HELPS: 0, BLOCKS: 0, OPEN: 0}
    for child, _ in edges:
        counts[effect(found.nodes[child]["status"], excludes)] += 1
    return counts


class _Outliner:
    def __init__(self, screening: Screening, found: nx.DiGraph[str], everything: bool, each: bool) -> None:
        self.screening = screening
        self.found = found
        self.everything = everything
        self.each = each
        self.told: set[str] = set()

    def entry(self, name: str, flipped: bool, clause: str = "", prefix: str = "") -> Entry:
        data = self.found.nodes[name]
        label, target, readings = self._unfolded(name)
        shown = self.found.nodes[target]
        again = target in self.told and bool(self.found.out_degree(target))
        self.told.add(target)
        entry = Entry(
            target,
            label,
            shown["kind"],
            data["status"],
            effect(data["status"], flipped) if data["matters"] or self.each else NONE,
            prefix,
            tuple(clause.split() if clause else data["clauses"]),
            readings,
            tuple(shown["evidence"]),
            shown["why"],
            (shown["points_certain"], shown["points_possible"]) if shown["kind"] == "points" else None,
            bool(shown.get("presumed")),
            again,
            number=shown["number"],
        )
        return entry if again else self._with_children(entry, flipped)

    def _with_children(self, entry: Entry, flipped: bool) -> Entry:
        edges = [(c, e) for _, c, e in self.found.out_edges(entry.id, data=True) if self.everything or e["decides"]]
        kept = edges if self.everything else edges[:MOST_CHILDREN]
        children = tuple(self.entry(c, flipped is not (e["role"] == "none_of"), "", _prefix(e)) for c, e in kept)
        return replace(entry, children=children, more=len(edges) - len(kept))

    def _unfolded(self, name: str) -> tuple[str, str, tuple[str, ...]]:
        """Go through readings to what was read, and say by which options."""
        label = self.found.nodes[name]["label"]
        readings = []
        while self.found.nodes[name]["kind"] == "by_reading":
            chosen = self._chosen(name)
            if chosen is None:
                break
            name, reading, option = chosen
            readings.append(f"{reading}: {self.screening.kb.readings[reading].options[option]}")
            below = self.found.nodes[name]["label"]
            if self.found.nodes[name]["kind"] == "test":
                label = below if below.startswith(label) else f"{label}: {below}"
        return label, name, tuple(readings)

    def _chosen(self, name: str) -> tuple[str, str, str] | None:
        for _, child, edge in self.found.out_edges(name, data=True):
            reading, option = edge["detail"].split(" ", 1)
            if self.screening.readings[reading] == option:
                return child, reading, option
        return None


def _prefix(edge: dict[str, Any]) -> str:
    if edge["role"] == "none_of":
        return "not: "
    if edge["role"] == "points":
        return f"{edge['weight']} points ({edge['domain'].replace('_', ' ')}): "
    return ""


def tally(part: Part) -> str:
    """Return in words how many requirements or exclusions are in order, against and open."""
    words = {HELPS: "in order", BLOCKS: "against", OPEN: "open"}
    return ", ".join(f"{count} {words[name]}" for name, count in part.tally.items() if count)


def evidence_line(item: Mapping[str, Any]) -> str:
    """Return an item of evidence in a line: as it was written, its day, its source, and why it does not count."""
    day = f", {item['date']}" if item["date"] else ""
    source = f" [{item['source']}]" if item["source"] else ""
    note = f" - {item['note']}" if item["note"] else ""
    return f"{item['text']}{day}{source}{note}"


def short(label: str) -> str:
    """Return a label without how old an item may be."""
    return _SUFFIX.sub("", label)
