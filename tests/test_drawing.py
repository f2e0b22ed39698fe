"""Pictures of explanations: Graphviz draws them whole and legible, whatever the record says."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from functools import cache
from xml.etree import ElementTree

import pygraphviz
import pytest

from pyscreen import drawing, explain
from pyscreen.errors import RequestError
from pyscreen.outline import Entry, outline
from pyscreen.screening import Screening
from tests.hostile import ATTACKS, hostile
from tests.partial import DAY, partial_records, screener, worked

SVG = "{http://www.w3.org/2000/svg}"
RECORDS = list(partial_records(14, seed=8))


@cache
def screened(number: int) -> Screening:
    return screener().screen(RECORDS[number], DAY, dependences=False)


def texts(svg: bytes) -> str:
    return " ".join("".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text"))


@pytest.mark.parametrize("number", range(14))
def test_a_picture_shows_every_requirement_that_decides(number: int) -> None:
    screening = screened(number)
    cohort = list(screening.verdicts)[number]
    found = explain.graph(screening, cohort)
    said = texts(drawing.draw(screening, found))
    verdict = screening.verdicts[cohort]
    assert verdict.status.upper() in said
    for part in outline(screening, found):
        folded = part.excludes and sum(entry.effect == "helps" for entry in part.entries) > 4
        for entry in part.entries:
            if not (folded and entry.effect == "helps"):
                assert any(f"[{clause}" in said or f" {clause}" in said for clause in entry.clauses), entry


def test_a_large_explanation_stays_legible_and_the_whole_of_it_can_be_drawn() -> None:
    empty = min(worked(derived=False), key=lambda record: len(record.findings) + len(record.measurements))
    screening = screener().screen(empty, DAY, dependences=False)
    found = explain.graph(screening, "1.5")
    assert len(explain.why(found)) > 250
    assert boxes(drawing.draw(screening, found)) < 130
    whole = explain.graph(screening, "1.5", everything=True)
    entries = [below for part in outline(screening, whole, everything=True) for entry in part.entries for below in entry.walk()]
    assert boxes(drawing.draw(screening, whole, everything=True)) == len(entries) + 1 > 250


def boxes(svg: bytes) -> int:
    return svg.count(b'class="node')


@pytest.mark.parametrize("number", range(14))
def test_the_layout_goes_from_left_to_right_in_the_order_of_the_protocol(number: int) -> None:
    screening = screened(number)
    found = explain.graph(screening, list(screening.verdicts)[number])
    parts = outline(screening, found)
    laid = pygraphviz.AGraph(string=drawing.rendered(drawing.source(screening, found, parts), "dot").decode())
    place = {node: tuple(map(float, node.attr["pos"].split(","))) for node in laid.nodes()}
    assert all(place[one][0] < place[other][0] for one, other in laid.edges())
    for node in laid.nodes():
        below = sorted(laid.successors(node), key=lambda name: int(name[1:]))  # boxes are numbered in the order of the outline
        tops = [place[child][1] for child in below]
        assert tops == sorted(tops, reverse=True), node


def test_an_absent_exclusion_is_drawn_as_good_news() -> None:
    entry = Entry("x", "Active infection", "test", "unmet", explain.HELPS, clauses=("ex.6",))
    writer = drawing._Writer({})
    writer.group(entry, excludes=True)
    text = writer.text()
    assert "Excludes, if present" in text
    assert "<B>+</B>" in text
    assert drawing.COLOURS["helps"] in text
    assert drawing.COLOURS["blocks"] not in text


def test_png_is_a_picture() -> None:
    screening = screened(1)
    data = drawing.draw(screening, explain.graph(screening, "1.2"), "png")
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 200
    assert height > 50


def test_no_text_of_a_record_breaks_a_picture() -> None:
    for number in range(4):
        screening = screener().screen(hostile(RECORDS[number]), DAY, dependences=False)
        for cohort in ("sle_itp", "sle_tma"):
            found = explain.graph(screening, cohort, everything=True)
            svg = drawing.draw(screening, found, everything=True)
            root = ElementTree.fromstring(svg)
            assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
                "svg",
                "g",
                "title",
                "polygon",
                "path",
                "text",
            }
            assert re.search(rb"[\x00-\x08\x0b-\x1f]", svg) is None
    assert any(attack[:8] in texts(svg) for attack in ATTACKS)


def test_without_graphviz_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pygraphviz'] = None; from pyscreen import drawing; "
        "from pyscreen.errors import RequestError\n"
        "try: drawing.rendered('digraph {}', 'svg')\nexcept RequestError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "pip install 'pyscreen[graph]'" in done.stdout
    assert issubclass(RequestError, Exception)


def test_graphviz_says_nothing_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    drawing.rendered("digraph { a [label=<<B>b</B>>] }", "png")
    assert capfd.readouterr().err == ""
