"""The report in a real browser: whole, silent, usable by keyboard and screen reader, light and dark; and unharmed by any record."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from playwright.sync_api import Page

from pyscreen import report
from pyscreen.cli import main
from pyscreen.record import Record
from pyscreen.screening import Screener, Screening
from pyscreen.sources import parse_record, read_record
from pyscreen.whatif import Planner
from tests.browser import Browser, violations
from tests.hostile import hostile
from tests.partial import knowledge, screener

DAY = date(2026, 11, 22)
CASES = Path(__file__).parent.parent / "kb" / "trials" / "cd19_autoimmune" / "cases"


def record(name: str) -> Record:
    return read_record(CASES / f"{name}.yaml", knowledge())


@cache
def screening(name: str) -> Screening:
    return screener().screen(record(name), DAY)


@cache
def usual() -> str:
    """Return the report of a usual patient, whole."""
    return report.page(screening("marrow_missing"), planner=Planner(screener()))


@cache
def short(name: str) -> str:
    found = screening(name)
    return report.page(found, [found.verdict(code) for code in ("1.2", "1.3")], Planner(screener()))


class Elements(HTMLParser):
    """Collects elements, ids and the places that links lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("href", "src"):
                self.links.append(str(value))
            if name.startswith("on") or name == "style":
                self.handlers.append(f"{tag} {name}")


# ---- what stands in it -----------------------------------------------------------------------------------------------


def test_the_page_is_one_file_of_less_than_a_megabyte() -> None:
    page = usual()
    assert len(page.encode()) < 1_000_000
    elements = Elements(page)
    assert [link for link in elements.links if not link.startswith("#")] == []
    assert {"img", "link", "iframe", "object", "form"} & set(elements.tags) == set()
    assert elements.tags.count("script") == elements.tags.count("style") == 1
    assert elements.handlers == []


def test_ids_are_unique_and_every_link_leads_somewhere() -> None:
    elements = Elements(usual())
    assert len(elements.ids) == len(set(elements.ids))
    assert {link[1:] for link in elements.links} <= set(elements.ids)


def test_it_tells_every_verdict_clause_and_version() -> None:
    page, found = usual(), screening("marrow_missing")
    for verdict in found.verdicts.values():
        assert verdict.cohort.label.replace("'", "&#39;") in page
        for need in (*verdict.failing, *verdict.open):
            assert need.clause in page
            assert (
                found.kb.clauses[need.clause].text.replace("'", "&#39;").replace("<", "&lt;").replace(">", "&gt;")
                in page
            )
    for said in (found.kb.digest, "2026-11-22", "marrow_missing", "NCT06688799", "not a medical device", "clingo"):
        assert said in page
    for dependence in {d.reading for verdict in found.verdicts.values() for d in verdict.depends_on}:
        assert f'id="reading-{dependence}"' in page


def test_what_hangs_on_every_cohorts_questions_says_so() -> None:
    text = (CASES / "sle_itp_eligible.yaml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "finding: malignancy" not in line]
    found = screener().screen(parse_record("\n".join(lines).encode(), knowledge()), DAY)
    assert found.verdict("1.2").status == "undecided"
    assert "What is asked <a href=\"#shared\">in every cohort</a>" in report.page(found, [found.verdict("1.2")])
    assert "What is asked" not in report.page(screening("sle_itp_eligible"), [screening("sle_itp_eligible").verdict("1.2")])


def test_it_plans_what_would_make_the_patient_eligible() -> None:
    assert "Take a bone marrow sample" in usual()
    found = screening("marrow_missing")
    assert "Take a bone marrow sample" not in report.page(found, [found.verdict("1.2")])


def test_another_trial_has_a_report_too() -> None:
    from pyscreen import load

    kb = load("diabetic_kidney")
    found = Screener(kb).screen(parse_record(b"sex: female", kb), DAY)
    page = report.page(found)
    assert kb.title in page
    assert Elements(page).tags.count("section") >= 3


def test_without_jinja_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['jinja2'] = None; from pyscreen import report; from pyscreen.errors import RequestError\n"
        "try: report._templates()\nexcept RequestError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "pip install 'pyscreen[report]'" in done.stdout


# ---- in a browser ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_accessible(browser: Browser, dark: bool) -> None:
    page = browser.open(short("marrow_missing"), dark=dark)
    assert violations(page) == []
    page.click("#open-all")
    page.locator("details.graph > summary").first.click()
    assert violations(page) == []


def test_a_narrow_page_does_not_scroll_sideways(browser: Browser) -> None:
    page = browser.open(short("marrow_missing"), width=360, height=740)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert violations(page) == []


def test_an_outline_opens_to_the_evidence(browser: Browser) -> None:
    page = browser.open(short("marrow_missing"))
    line = page.locator("#sle_itp .entry", has_text="Platelets low enough").first
    evidence = line.locator(".evidence").first
    assert not evidence.is_visible()
    line.locator("summary").first.click()
    assert "Platelet count 18 10*9/L, 2026-11-17 [cbc-2]" in evidence.inner_text()
    page.click("#close-all")
    assert not evidence.is_visible()
    page.click("#open-all")
    assert evidence.is_visible()


def test_a_line_is_found_and_shown(browser: Browser) -> None:
    page = browser.open(usual())
    page.fill("#find", "bone marrow")
    hits = page.locator("#sle_itp .entry.hit")
    assert hits.first.is_visible()
    assert "found" in page.inner_text("#hits")
    assert not page.locator("#sle_itp .entry", has_text="Peripheral smear").first.is_visible()
    assert not page.locator("#sle_ple").is_visible()
    page.fill("#find", "no such thing anywhere")
    assert page.inner_text("#hits") == "0 lines found"
    page.fill("#find", "")
    assert page.locator("#sle_itp .entry", has_text="Peripheral smear").first.is_visible()


def box(page: Page) -> list[float]:
    return [float(part) for part in page.locator("#sle_tma svg").get_attribute("viewBox").split()]


def test_the_picture_moves_zooms_and_leads_to_the_outline(browser: Browser) -> None:
    page = browser.open(short("marrow_missing"))
    page.locator("#sle_tma details.graph > summary").click()
    canvas = page.locator("#sle_tma .canvas")
    canvas.focus()
    start = box(page)
    page.keyboard.press("ArrowRight")
    assert box(page)[0] > start[0]
    page.keyboard.press("+")
    assert box(page)[2] < start[2]
    page.locator("#sle_tma [data-zoom=fit]").click()
    whole = box(page)
    page.locator("#sle_tma [data-zoom=out]").click()
    assert box(page)[2] > whole[2]
    page.locator("#sle_tma [data-zoom=fit]").click()
    at = canvas.bounding_box()
    page.mouse.move(at["x"] + 300, at["y"] + 15)
    page.mouse.down()
    page.mouse.move(at["x"] + 380, at["y"] + 40, steps=4)
    page.mouse.up()
    assert box(page)[0] < whole[0]
    page.locator("#sle_tma [data-zoom=fit]").click()
    link = page.locator("#sle_tma svg a", has_text="Raised LDH").first
    link.hover()
    assert page.locator("#sle_tma svg .traced").count() > 2
    link.click()
    target = page.evaluate("location.hash")
    line = page.locator(target)
    assert "Raised LDH" in line.inner_text()
    assert line.is_visible()


def test_everything_is_reached_by_keyboard(browser: Browser) -> None:
    page = browser.open(short("marrow_missing"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "find"
    first = page.locator("#sle_itp details").first
    first.locator("summary").first.focus()
    assert first.get_attribute("open") is None
    page.keyboard.press("Enter")
    assert first.get_attribute("open") is not None


def test_paper_shows_the_checklist_of_the_chosen_cohort(browser: Browser) -> None:
    page = browser.open(short("marrow_missing"))
    page.select_option("#which", "sle_tma")
    page.emulate_media(media="print")
    assert page.locator("[data-cohort=sle_tma]").is_visible()
    assert not page.locator("[data-cohort=sle_itp]").is_visible()
    assert not page.locator("#verdicts").is_visible()
    assert not page.locator("#find").is_visible()
    said = page.inner_text("#checklist")
    for words in ("1.3.tma", "☐ yes", "Signature", "ex.6.infection", "Lactate dehydrogenase"):
        assert words in said
    assert page.pdf().startswith(b"%PDF")


# ---- hostile records -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sle_itp_eligible", "marrow_missing", "two_counts_at_one_time"])
def test_no_text_of_a_record_does_anything_in_the_page(browser: Browser, name: str) -> None:
    found = screener().screen(hostile(record(name)), DAY)
    text = report.page(found, [found.verdict(code) for code in ("1.2", "1.3", "4")], Planner(screener()))
    honest = screening(name)
    plain = report.page(honest, [honest.verdict(code) for code in ("1.2", "1.3", "4")], Planner(screener()))
    assert sorted(set(Elements(text).tags)) == sorted(set(Elements(plain).tags))
    assert re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", text) is None
    text.encode("utf-8")
    page = browser.open(text)
    page.click("#open-all")
    assert "screening of" in page.title()
    assert "<script>document.title='owned'</script>" in page.inner_text("main")
    assert "{{ 7 * 7 }}" in page.inner_text("main")


# ---- the command -----------------------------------------------------------------------------------------------------


def said(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    done = said("report", CASES / "age_71.yaml", "--on", DAY, "--cohort", "1.2", "--plans", 0, "-o", target)
    assert (done.exit_code, done.output) == (0, "")
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (
        said("report", CASES / "age_71.yaml", "--on", DAY, "--cohort", "1.2", "--plans", 0).output == target.read_text()
    )


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    done = said(
        "report", CASES / "age_71.yaml", "--on", DAY, "--cohort", "1.2", "--plans", 0, "-o", tmp_path / "no" / "x.html"
    )
    assert done.exit_code == 2
    assert "cannot be written" in done.output


@pytest.mark.parametrize("form", ["svg", "png"])
def test_explain_writes_a_picture(tmp_path: Path, form: str) -> None:
    target = tmp_path / f"why.{form}"
    done = said("explain", CASES / "age_71.yaml", "--on", DAY, "--cohort", "1.2", "--format", form, "-o", target)
    assert (done.exit_code, done.output) == (0, "")
    assert target.read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")
