"""A screening as one self-contained HTML page: verdicts, outlines down to the evidence, pictures, plans, and a checklist to sign.

The page asks nothing of a network, and its Content-Security-Policy lets nothing run but its own script. Every text of a record is
escaped, and its control characters are left out. Needs the extra `report`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from itertools import count
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from . import drawing, engine, explain
from .errors import RequestError
from .explain import BLOCKS, HELPS, NONE, OPEN
from .exports import COLOURS, plain
from .knowledge import Reading
from .outline import Entry, Part, outline, short, tally
from .render import DISCLAIMER, version
from .screening import ELIGIBLE, INELIGIBLE, UNDECIDED, Screening, Verdict
from .whatif import LEVELS, Planner, WhatIf

if TYPE_CHECKING:
    import jinja2
    import networkx as nx

MARKS = {HELPS: "\N{CHECK MARK}", BLOCKS: "\N{MULTIPLICATION X}", OPEN: "?", NONE: "\N{MIDDLE DOT}"}
WORDS = {HELPS: "in order", BLOCKS: "against", OPEN: "open", NONE: "does not matter"}
EFFECTS = {ELIGIBLE: HELPS, INELIGIBLE: BLOCKS, UNDECIDED: OPEN}
_MOST_MISSING = 12
_MOST_HANGING = 3
_MOST_SAID = 3
_SVG = "http://www.w3.org/2000/svg"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the checklist: a requirement or exclusion, the clause in our words, and what the record says, with dates."""

    clauses: tuple[str, ...]
    label: str
    texts: tuple[str, ...]
    effect: str
    evidence: tuple[tuple[str, str], ...]
    more: int
    missing: str
    excludes: bool


class Anchors:
    """Names the element of each entry of some outlines."""

    def __init__(self, parts: Iterable[Part], numbers: Iterator[int]) -> None:
        self._parts = list(parts)  # entries are told apart by identity, so they must stay
        self._names = {id(below): f"e{next(numbers)}" for below in _entries(self._parts)}

    def get(self, entry: Entry) -> str:
        """Return the name of an entry's element."""
        return self._names[id(entry)]


def _entries(parts: Iterable[Part]) -> Iterator[Entry]:
    for part in parts:
        for entry in part.entries:
            yield from entry.walk()


@dataclass(frozen=True, slots=True)
class Chapter:
    """What the page tells of one cohort."""

    verdict: Verdict
    effect: str
    parts: tuple[Part, ...]
    anchors: Anchors
    blockers: tuple[explain.Blocker, ...]
    rows: tuple[Row, ...]
    picture: str
    outlook: WhatIf | None
    tally: str

    @property
    def hangs(self) -> list[Entry]:
        """The first requirements of its own that fail, or else that are open."""
        entries = [entry for part in self.parts for entry in part.entries]
        against = [entry for entry in entries if entry.effect == BLOCKS]
        return (against or [entry for entry in entries if entry.effect == OPEN])[:_MOST_HANGING]


def page(
    screening: Screening, cohorts: Iterable[Verdict] | None = None, planner: Planner | None = None, plans: int = 1
) -> str:
    """Return a screening as an HTML page; with a planner also with so many plans for each cohort.

    Raises RequestError where a library of the extra `report` is not installed.
    """
    asked = screening.verdicts.values() if cohorts is None else cohorts
    verdicts = list({verdict.cohort.id: verdict for verdict in asked}.values())
    templates = _templates()
    style, script = (_asset(name) for name in ("report.css", "report.js"))
    policy = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    return templates.get_template("report.html").render(
        _Book(screening, verdicts, planner, plans).contents(), style=style, script=script, policy=policy
    )


def _templates() -> jinja2.Environment:
    try:
        import jinja2
    except ImportError:
        raise RequestError("a report needs Jinja2: pip install 'pyscreen[report]'") from None

    def shown(value: Any) -> Any:
        return plain(value) if type(value) is str else value

    found = jinja2.Environment(
        loader=jinja2.PackageLoader("pyscreen"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
    )
    found.filters["short"] = short
    found.globals.update(MARKS=MARKS, WORDS=WORDS, LEVELS=LEVELS, EFFECTS=EFFECTS)
    return found


def _asset(name: str) -> str:
    return resources.files("pyscreen").joinpath("templates", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


class _Book:
    """Gathers what the page tells."""

    def __init__(self, screening: Screening, verdicts: list[Verdict], planner: Planner | None, plans: int) -> None:
        self.screening = screening
        self.kb = screening.kb
        self.verdicts = verdicts
        self.planner = planner
        self.plans = plans
        self.drawn = _can_draw()
        self.shared = self._shared()
        self.numbers = count()

    def _shared(self) -> frozenset[str]:
        """Return what every cohort needs, and what excludes from all of them: it is told once."""
        needed = [{need.criterion for need in cohort.needs} for cohort in self.kb.cohorts.values()]
        general = set.intersection(*needed) if len(needed) > 1 else set()
        return frozenset(general | {need.criterion for need in self.kb.exclusions})

    def contents(self) -> dict[str, Any]:
        """Return what the template asks for by name."""
        screening = self.screening
        graphs = {v.cohort.id: explain.graph(screening, v.cohort.id) for v in self.verdicts}
        first = next(iter(graphs.values()), None)
        shared = outline(screening, first, each=True, among=self.shared) if first is not None else []
        chapters = [self.chapter(verdict, graphs[verdict.cohort.id]) for verdict in self.verdicts]
        best = min(self.verdicts, key=self._rank, default=None)
        return {
            "screening": screening,
            "kb": self.kb,
            "counts": {s: sum(v.status == s for v in self.verdicts) for s in (ELIGIBLE, UNDECIDED, INELIGIBLE)},
            "best": best and best.cohort.id,
            "chapters": chapters,
            "shared": shared,
            "shared_tally": [tally(part) for part in shared],
            "shared_rows": self.rows(shared),
            "shared_anchors": Anchors(shared, self.numbers),
            "readings": self.readings([part for chapter in chapters for part in chapter.parts] + shared),
            "notes": [note for note in screening.notes if note is not screening.later],
            "drawn": self.drawn,
            "planned": self.planner is not None,
            "in_words": self.in_words,
            "versions": {"pyscreen": version(), "clingo": engine.version()},
            "disclaimer": DISCLAIMER,
        }

    def _rank(self, verdict: Verdict) -> tuple[int, int]:
        order = (ELIGIBLE, UNDECIDED, INELIGIBLE)
        return order.index(verdict.status), len(verdict.failing) + len(verdict.open)

    def chapter(self, verdict: Verdict, found: nx.DiGraph[str]) -> Chapter:
        own = {need.criterion for need in verdict.cohort.needs} - self.shared
        parts = [part for part in outline(self.screening, found, each=True, among=own) if part.entries]
        anchors = Anchors(parts, self.numbers)
        return Chapter(
            verdict,
            EFFECTS[verdict.status],
            tuple(parts),
            anchors,
            tuple(explain.blockers(found)[:_MOST_MISSING]),
            tuple(self.rows(parts)),
            self.picture(verdict, found, own, parts, anchors) if self.drawn else "",
            self.planner.plans(self.screening, verdict.cohort.id, self.plans) if self.planner else None,
            "; ".join(map(tally, parts)),
        )

    def in_words(self, entry: Entry) -> list[str]:
        """Return the clauses of an entry in our words."""
        return [self.kb.clauses[clause].text for clause in entry.clauses if clause in self.kb.clauses]

    def rows(self, parts: Iterable[Part]) -> list[Row]:
        return [self.row(entry, part.excludes) for part in parts for entry in part.entries]

    def row(self, entry: Entry, excludes: bool) -> Row:
        tests = [self.screening.answers[test] for test in self.screening.deciding_tests(entry.id)]
        said = list(dict.fromkeys((item.text, str(item.when or "")) for test in tests for item in test.evidence))
        missing = "" if said else next((test.why for test in tests if test.why), "; ".join(entry.readings))
        shown, more = tuple(said[:_MOST_SAID]), max(len(said) - _MOST_SAID, 0)
        return Row(
            entry.clauses, entry.label, tuple(self.in_words(entry)), entry.effect, shown, more, missing, excludes
        )

    def readings(self, parts: Iterable[Part]) -> list[tuple[Reading, str]]:
        """Return every reading that the page leans on, with the option by which it is read."""
        named = {tag.split(":")[0] for entry in _entries(parts) for tag in entry.readings}
        named |= {dependence.reading for verdict in self.verdicts for dependence in verdict.depends_on}
        return [(reading, self.screening.readings[name]) for name, reading in self.kb.readings.items() if name in named]

    def picture(
        self, verdict: Verdict, found: nx.DiGraph[str], own: Collection[str], parts: list[Part], anchors: Anchors
    ) -> str:
        """Return what decides a verdict as SVG to stand in the page; what all cohorts share is one box for each effect."""
        links: dict[str, str] = {}
        for entry in _entries(parts):
            links.setdefault(entry.id, anchors.get(entry))
        shown = [part for part in outline(self.screening, found, among=own) if part.entries]
        for part in outline(self.screening, found, among=self.shared):
            boxes = [
                drawing.one_of([entry for entry in part.entries if entry.effect == effect], "In every cohort: ")
                for effect in dict.fromkeys(entry.effect for entry in part.entries)
            ]
            links.update((box.id, "shared") for box in boxes)
            shown.append(Part(part.excludes, {}, tuple(boxes)))
        dot = drawing.source(self.screening, found, shown, links=links)
        return inline(drawing.rendered(dot, "svg"), f"Why {verdict.cohort.code} is {verdict.status}")


def _can_draw() -> bool:
    """Tell whether Graphviz is installed."""
    from importlib.util import find_spec

    return find_spec("pygraphviz") is not None


# ---- pictures in the page --------------------------------------------------------------------------------------------


def inline(svg: bytes, title: str) -> str:
    """Return a picture as it stands in a page: without what every text repeats, its colours named, so that the page's style rules."""
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(svg)
    names = {colour: effect for effect, colour in COLOURS.items()}
    _strip(root, names)
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.set("class", "picture")
    root.set("role", "group")
    root.set("aria-label", title)
    text = ElementTree.tostring(root, encoding="unicode")
    return text.replace("\n", "")


_NUMBER = re.compile(r"-?\d+\.\d+")
_KEPT = {"d", "points", "x", "y", "viewBox", "transform", "href"}
_FILLS = {"white": "paper", "#f1f3f5": "group", "#5f6368": "note"}


def _strip(node: ElementTree.Element, names: Mapping[str, str]) -> None:
    title = node.findtext(f"{{{_SVG}}}title") or ""
    for child in list(node):
        if child.tag == f"{{{_SVG}}}title":
            node.remove(child)
        else:
            _strip(child, names)
    given = dict(node.attrib)
    words = [_FILLS.get(given.get("fill", ""), "")]
    if node.tag.endswith("polygon") and given.get("fill") in names:
        words.append("band")
    if given.get("font-weight") == "bold":
        words.append("white" if given.get("fill") == "white" else "bold")
    if given.get("font-style") == "italic":
        words.append("italic")
    node.attrib.clear()
    if given.get("class", "").startswith(("node", "edge")):
        words.append(given["class"])
        node.attrib.update(_ends(given["class"], title))
    for name, value in given.items():
        plain_name = name.split("}")[-1]
        if plain_name in _KEPT:
            node.set(plain_name, _NUMBER.sub(_rounded, value) if plain_name in ("d", "points", "x", "y") else value)
    if said := " ".join(word for word in words if word):
        node.set("class", said)


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _ends(kind: str, title: str) -> dict[str, str]:
    """Return the name of a box, or the boxes that a line joins, from the titles that Graphviz gives them."""
    if kind.startswith("node"):
        return {"data-box": title}
    one, _, other = title.replace(":e", "").replace(":w", "").partition("->")
    return {"data-from": one, "data-to": other}
