"""The document for clinicians: what each requirement asks stands under it, with its readings, and every link leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from pyscreen.document import POINT, Line, markdown, outline, page
from pyscreen.knowledge import KnowledgeBase


@pytest.fixture(scope="module")
def lines(kb: KnowledgeBase) -> list[Line]:
    return outline(kb)


def requirements(kb: KnowledgeBase, lines: list[Line]) -> Iterator[tuple[str, Line]]:
    """Yield the points of the cohorts and exclusions, with the criterion of each."""
    by_anchor = {line.anchor: line.text for line in lines if line.anchor}
    for line in lines:
        if line.text == "Definitions":
            return
        if line.level == POINT:
            assert line.link in by_anchor
            yield list(kb.criteria)[int(line.link[1:])], line


def test_every_requirement_says_what_it_asks_by_default(kb: KnowledgeBase, lines: list[Line]) -> None:
    found = [line for _, line in requirements(kb, lines)]
    assert len(found) == sum(len(cohort.needs) for cohort in kb.cohorts.values()) + len(kb.exclusions)
    assert all(line.points for line in found)
    (catheter, *_) = [line for line in found if "[3.2.rhc" in line.after]
    asked, *readings = catheter.points
    assert [point.text for point in asked.points] == [
        "Mean pulmonary artery pressure at rest; the latest above 20 mm[Hg]; no older than 12 mo",
        "Pulmonary artery wedge pressure at rest; the latest at most 15 mm[Hg]; no older than 12 mo",
        "Pulmonary vascular resistance at rest; the latest above 2 [wood'U]; no older than 12 mo",
    ]
    assert [point.text for point in readings if not point.text.startswith("Source")] == ["G39", "G40"]


def test_every_reading_that_decides_about_a_requirement_stands_under_it(kb: KnowledgeBase, lines: list[Line]) -> None:
    ages = {"P01"}
    for name, line in requirements(kb, lines):
        deciding = {m.detail[0] for node in kb.below([name]) if node.kind == "by_reading" for m in node.members}
        assert {point.text for point in line.points if point.link.startswith("reading-")} == deciding - ages, name
        for point in line.points:
            if point.link:
                assert all(words in point.after for words in kb.readings[point.text].options.values())


def test_links_lead_somewhere_and_lists_are_closed(kb: KnowledgeBase) -> None:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.anchors: set[str] = set()
            self.links: set[str] = set()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag != "meta":
                self.open.append(tag)
            self.anchors |= {str(value) for name, value in attrs if name == "id"}
            self.links |= {str(value)[1:] for name, value in attrs if name == "href"}

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    reader = Reader()
    reader.feed(page(kb))
    assert reader.open == []
    assert reader.links <= reader.anchors


def test_points_of_points_are_indented(kb: KnowledgeBase) -> None:
    text = markdown(kb)
    assert re.search(r"^- \[Pre-capillary .*\n  - All of:\n    - Mean pulmonary", text, re.MULTILINE)
