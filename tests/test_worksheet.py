"""The worksheet: its page decides as pyscreen and clingo do, on worked and on random records, and is one that people can use.

The page is opened in a real browser (tests/browser.py), which fails a test for anything that it complains about on its console.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from datetime import date
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import CliRunner

from pyscreen import form, knowledge
from pyscreen.cli import main
from pyscreen.coverage import cases, form_of
from pyscreen.errors import RecordError, RequestError
from pyscreen.knowledge import KnowledgeBase
from pyscreen.markup import load
from pyscreen.record import Record
from pyscreen.screening import Inputs, Screener, Screening
from pyscreen.sources import parse_record, read_record
from pyscreen.worksheet import MODULES, YAML, bundle, file, page
from pyscreen.written import build
from tests.writtens import DAY, Asked, worked, written_records

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Page

    from tests.browser import Browser

ROOT = Path(__file__).parent.parent
CASES = ROOT / "kb" / "trials" / "cd19_autoimmune" / "cases"
MARROW = CASES / "marrow_missing.yaml"

# ---- the page decides as pyscreen does -------------------------------------------------------------------------------

SCREEN = """([rows, texts]) => rows.map(({written, day, readings}) => {
    const found = pyscreen.screen(written, day, readings);
    if (found.problems.length) return {problems: found.problems.map(problem => problem.place)};
    const answers = [...found.answers.byTest.values()];
    return {
        answers: answers.map(({truth}) => truth === null ? "?" : truth ? "y" : "n").join(""),
        texts: texts ? answers.map(({why, evidence}) => [why, ...evidence.map(pyscreen.showEvidence)]) : [],
        missing: answers.filter(answer => answer.notHere).length,
        statuses: Object.keys(found.kb.criteria).map(id => found.statuses.get(id)[2]).join(""),
        verdicts: Object.fromEntries([...found.verdicts].map(([cohort, verdict]) => [cohort, verdict.status])),
        conflicts: found.conflicts.map(conflict => conflict.message),
        later: found.later && found.later.message,
    };
})"""
"""Answers and statuses come as a letter each, in the order of the tests and criteria: there are many of them."""


def ready(opened: Page) -> Page:
    """Wait until a page has unpacked what it decides by."""
    opened.wait_for_function("globalThis.pyscreen")
    return opened


@pytest.fixture(scope="module")
def decide(chromium: Chromium) -> Callable[[KnowledgeBase], Page]:
    """Return the opened page of a trial, one for many tests."""
    pages: dict[str, Page] = {}

    def opened(kb: KnowledgeBase) -> Page:
        if kb.trial not in pages or pages[kb.trial].is_closed():
            pages[kb.trial] = chromium.new_context(offline=True).new_page()
            pages[kb.trial].set_content(page(kb))
            ready(pages[kb.trial])
        return pages[kb.trial]

    return opened


def screened_by(opened: Page, rows: Iterable[Asked], texts: bool = False) -> list[dict[str, Any]]:
    """Screen records in the page, some at a time."""
    given = [{"written": row.written, "day": row.day.isoformat(), "readings": dict(row.readings)} for row in rows]
    found: list[dict[str, Any]] = []
    for start in range(0, len(given), 50):
        found += opened.evaluate(SCREEN, [given[start : start + 50], texts])
    return found


def expected(screener: Screener, row: Asked, texts: bool = False) -> dict[str, Any] | None:
    """Return what pyscreen says of a record, nothing where it refuses it."""
    try:
        record = build(row.written, screener.kb.vocabulary, tests=screener.kb.tests)
    except RecordError:
        return None
    screening = screener.screen(record, row.day, row.readings, dependences=False)
    answers = [screening.answers[name] for name in screener.kb.tests]
    return {
        "answers": "".join("?" if answer.truth is None else "y" if answer.truth else "n" for answer in answers),
        "texts": [[answer.why, *map(str, answer.evidence)] for answer in answers] if texts else [],
        "missing": 0,
        "statuses": "".join(screening.statuses[name][2] for name in screener.kb.criteria),
        "verdicts": {cohort: verdict.status for cohort, verdict in screening.verdicts.items()},
        "conflicts": [note.message for note in screening.conflicts],
        "later": screening.later and screening.later.message,
    }


def assert_decided_alike(screener: Screener, opened: Page, rows: list[Asked], texts: bool = False) -> set[str]:
    """Compare the page with pyscreen on every record; return the tests that were answered yes or no."""
    settled: set[str] = set()
    for row, found in zip(rows, screened_by(opened, rows, texts), strict=True):
        wanted = expected(screener, row, texts)
        if wanted is None:
            assert "problems" in found, f"only pyscreen refuses {row.written}"
            continue
        assert "problems" not in found, f"only the page refuses {found['problems']} of {row.written}"
        differ = [name for name, one, other in zip(screener.kb.tests, found["answers"], wanted["answers"], strict=True) if one != other]
        assert not differ, f"{differ} of {row}"
        assert found == wanted, row
        settled.update(name for name, said in zip(screener.kb.tests, wanted["answers"], strict=True) if said != "?")
    return settled


@pytest.fixture(scope="module", params=["cd19_autoimmune", "diabetic_kidney"])
def trial(request: pytest.FixtureRequest) -> Screener:
    return Screener(knowledge.load(request.param))


def test_the_page_answers_every_worked_case_as_pyscreen_does(trial: Screener, decide: Callable[[KnowledgeBase], Page]) -> None:
    """Those that are listed to the word, with evidence and reasons."""
    for listed in (True, False):
        rows = [Asked(dict(form_of(case, trial.kb)), case.day, case.readings) for case in cases(trial.kb) if listed is not bool(case.way)]
        assert rows
        assert_decided_alike(trial, decide(trial.kb), rows, texts=listed)


def test_the_page_answers_random_records_as_pyscreen_does(
    trial: Screener, decide: Callable[[KnowledgeBase], Page]
) -> None:
    rows = list(written_records(trial.kb, 300, 11))
    settled = assert_decided_alike(trial, decide(trial.kb), rows)
    assert len(settled) > 0.9 * len(trial.kb.tests)


def test_the_page_answers_the_whole_algebra_as_pyscreen_does_to_the_word(
    invented: Callable[[str], KnowledgeBase], decide: Callable[[KnowledgeBase], Page]
) -> None:
    """Every summary, comparison and condition over few concepts, so that records of a few items meet most of it."""
    screener = Screener(invented("algebra"))
    settled = assert_decided_alike(screener, decide(screener.kb), list(written_records(screener.kb, 250, 7)), texts=True)
    assert len(settled) > 0.97 * len(screener.kb.tests)


DECIDE = """rows => rows.map(([truths, readings]) => {
    const said = {y: true, n: false};
    const {statuses, conflicting} = pyscreen.decide(Object.fromEntries(pyscreen.tests.map((test, i) => [test, said[truths[i]]])), readings);
    return [pyscreen.criteria.map(id => statuses.get(id)[2]).join(""), [...conflicting].sort()];
})"""


def test_the_page_decides_random_answers_as_clingo_does(
    trial: Screener, decide: Callable[[KnowledgeBase], Page]
) -> None:
    """Whatever the answers are: far from every record, so that every rule is met both ways, conflicts and doubts too."""
    kb, random, given = trial.kb, Random(5), []
    for _ in range(1000):
        known, yes = random.choice((0.2, 0.5, 0.8, 0.95, 1)), random.choice((0.3, 0.5, 0.7))
        truths = "".join("?" if random.random() > known else "y" if random.random() < yes else "n" for _ in kb.tests)
        readings = {reading.id: random.choice(list(reading.options)) for reading in kb.readings.values() if random.random() < 0.3}
        given.append((truths, readings))
    inputs = Inputs(kb.program)
    shown = {name: kb.program.literals(name) for name in ("met", "unmet", "conflict")}
    letters = [set(), set()]  # type: list[set[int]]
    for (truths, readings), found in zip(given, decide(kb).evaluate(DECIDE, given), strict=True):
        said = dict(zip(kb.tests, truths, strict=True))
        literals = [literal if said[test] == "y" else -literal for test, literal in inputs.yes.items()]
        literals += [literal if said[test] == "n" else -literal for test, literal in inputs.no.items()]
        outcome = kb.program.solve(literals + inputs.choices(kb.chosen(readings)), shown)
        assert outcome is not None
        holds = outcome.holds
        wanted = "".join("t" if name in holds["met"] else "m" if name in holds["unmet"] else "k" for name in kb.criteria)
        assert found == [wanted, sorted(holds["conflict"])]
        for seen, letter in zip(letters, "tm", strict=True):
            seen.update(i for i, one in enumerate(wanted) if one == letter)
    assert len(letters[0] & letters[1]) > 0.9 * len(kb.criteria)


@pytest.mark.parametrize(
    "written",
    [
        {"sex": "unknown"},
        {"birth_date": "1989-13-01"},
        {"birth_date": True},
        {"recorded": "2026-11"},
        {"weight": "72 kg"},
        {"complete": "therapies"},
        {"complete": ["therapy"]},
        {"findings": {"finding": "sle"}},
        {"findings": ["sle"]},
        {"findings": [{"finding": "slee"}]},
        {"findings": [{"finding": "sle", "present": "true"}]},
        {"findings": [{"finding": "sle", "present": None}]},
        {"findings": [{"finding": "__proto__"}]},
        {"findings": [{"present": True}]},
        {"findings": [{"finding": "sle", "id": "a\x07b"}]},
        {"findings": [{"finding": "sle", "by": "Dr Meier"}]},
        {"findings": [{"finding": "s" * 201}]},
        {"measurements": [{"quantity": "platelets", "value": "1,200 10*9/L"}]},
        {"measurements": [{"quantity": "platelets", "value": "22"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 mg/dL"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "unit": "/uL"}]},
        {"measurements": [{"quantity": "platelets", "value": "9e99 10*9/L"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "low": "<150"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "low": "-150"}]},
        *({"measurements": [{"quantity": "platelets", "value": f"{value} 10*9/L"}]} for value in ("-22", "<0", "< -5", ">= -1", "> -1", "1:30")),
        *({"measurements": [{"quantity": "lvef", "value": f"{value} %"}]} for value in ("100.1", "> 100", "<=101", "-1")),
        *({"measurements": [{"quantity": "ana_titre", "value": value}]} for value in ("-80", "1:80 %", "1:80 10*9/L")),
        {"measurements": [{"quantity": "hba1c", "value": "-1 mmol/mol"}]},
        {"measurements": [{"quantity": "nyha_class", "value": "0"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "time": "08:30"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "date": "2026-11-20", "time": "25:00"}]},
        {"measurements": [{"quantity": "constructor", "value": "22"}]},
        {"measurements": [{"quantity": "platelets"}]},
        {"therapies": [{"drug": "glucocorticoid", "dose": "5 mg/d"}]},
        {"therapies": [{"drug": "prednisone", "dose": "5"}]},
        {"therapies": [{"drug": "prednisone", "dose": "5 mg monthly"}]},
        {"therapies": [{"drug": "prednisone", "dose": "5 mg/d daily weekly"}]},
        {"therapies": [{"drug": "prednisone", "unit": "mg"}]},
        {"therapies": [{"drug": "prednisone", "route": "by mouth"}]},
        {"therapies": [{"drug": "prednisone", "end": "ongoin"}]},
        {"therapies": [{"drug": "prednisone", "for": ["sle", "slee"]}]},
        {"answers": [{"test": "no_such_test", "answer": True, "date": "2026-11-20"}]},
        {"answers": [{"test": "finding(sle)", "answer": True}]},
        {"answers": [{"test": "finding(sle)", "answer": True, "date": "2026-11"}]},
        {"answers": [{"test": "consent(informed_consent)", "answer": True, "date": "2026-11-20"}]},
        {"answers": [{"test": "finding(sle)", "date": "2026-11-20"}]},
    ],
    ids=str,
)
def test_the_page_refuses_what_pyscreen_refuses(
    written: dict[str, Any], screener: Screener, decide: Callable[[KnowledgeBase], Page]
) -> None:
    row = Asked(written, DAY, {})
    assert expected(screener, row) is None
    (found,) = screened_by(decide(screener.kb), [row])
    assert len(found["problems"]) == 1


def test_the_page_takes_what_lies_at_the_edge_of_what_can_be(screener: Screener, decide: Callable[[KnowledgeBase], Page]) -> None:
    values = [("platelets", f"{value} 10*9/L") for value in ("0", "-0", "<=0", ">0")] + [("lvef", f"{value} %") for value in ("100", "<100", ">=100")]
    values += [("hba1c", "0 mmol/mol"), ("rap", "-2 mm[Hg]"), ("nyha_class", "4"), ("ana_titre", "1:80 {titer}")]
    rows = [Asked({"measurements": [{"quantity": quantity, "value": value, "date": "2026-11-20"}]}, DAY, {}) for quantity, value in values]
    assert_decided_alike(screener, decide(screener.kb), rows, texts=True)
    assert None not in [expected(screener, row) for row in rows]


def test_the_page_knows_every_field_of_the_written_form(kb: KnowledgeBase, decide: Callable[[KnowledgeBase], Page]) -> None:
    fields = decide(kb).evaluate("pyscreen.fields")
    record = {one.encode_name: one.type for one in msgspec.structs.fields(form.WrittenRecord)}
    assert set(fields) == {*form.SECTIONS, form.ANSWERS}
    for section, found in fields.items():
        (kind,) = re.findall(r"form\.(Written\w+)", str(record[section]))
        known = {one.encode_name: one.type for one in msgspec.structs.fields(getattr(form, kind))}
        assert list(found) == list(known)
        assert [name for name, taken in found.items() if taken == "flag"] == [name for name, of in known.items() if of is bool or "bool" in str(of)]
        assert [name for name, taken in found.items() if isinstance(taken, list)] == [name for name, of in known.items() if "Literal" in str(of)]


# ---- the page is one file that leaves nothing out and lets nothing out -----------------------------------------------


def test_the_page_is_one_file_of_a_moderate_size(kb: KnowledgeBase) -> None:
    text = page(kb)
    assert len(text.encode()) < 750_000
    assert not re.findall(r"<(?:link|img|iframe|object|embed|base|form)\b|<script[^>]+\bsrc=", text)
    assert text.count("<script") == text.count("</script>") == 4


def test_the_policy_lets_run_only_what_stands_in_the_page(kb: KnowledgeBase) -> None:
    text = page(kb)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    scripts = [body for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL) if "text/plain" not in attributes]
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)

    def hashed(body: str) -> str:
        return f"'sha256-{b64encode(sha256(body.encode()).digest()).decode()}'"

    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["script-src"].split() == [hashed(body) for body in scripts]
    assert rules["style-src"] == hashed(style)
    assert "unsafe" not in policy
    assert not re.findall(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|fetch|XMLHttpRequest)\b", bundle())


def test_the_modules_stand_in_the_page_and_so_does_the_licence_of_what_is_not_ours() -> None:
    web = ROOT / "pyscreen" / "web"
    assert {path.stem for path in web.glob("*.js")} == set(MODULES)
    assert sha256(file("vendor/js-yaml.umd.min.js").encode()).hexdigest() == (
        "7518bca569e550f1a4022863d5d383011d407bcf7b156d43bf73ee55b6e9357e"
    )
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert f"js-yaml {YAML}" in notice
    assert "MIT" in file("vendor/js-yaml.LICENSE").splitlines()[0]


HOSTILE = "</script><script>document.title='x'</script><img src=x onerror=\"document.title='x'\">\u2028'\"&lt;"


def test_a_hostile_record_is_inert(kb: KnowledgeBase, browser: Browser) -> None:
    text = HOSTILE.replace("\u2028", "")
    form = {
        "record": text,
        "description": HOSTILE,
        "findings": [{"finding": "sle", "date": "2019-05", "id": text}],
        "judgements": [{"judgement": min(kb.vocabulary.judgements), "by": text}],
    }
    opened = ready(browser.open(page(kb, form, DAY)))
    assert "<img src=x" in opened.locator("#record").inner_text()
    assert opened.locator("img, #record script, #cohort script").count() == 0
    assert opened.title().startswith("</script>")


def test_wrong_requests_are_told(kb: KnowledgeBase, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no cohort '1\.22'"):
        page(kb, cohorts=["1.22"])
    with pytest.raises(RequestError, match="no reading 'no_such'"):
        page(kb, readings={"no_such": "x"})
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("sex: unknown\n", encoding="utf-8")
    target = tmp_path / "sheet.html"
    done = CliRunner().invoke(main, ["worksheet", str(wrong), "-o", str(target)])
    assert done.exit_code == 4
    assert not target.exists()

    with pytest.raises(RecordError, match=r"measurements\[0\]: the page does not know the unit 'cells/pL'"):
        page(kb, {"measurements": [{"quantity": "platelets", "value": "22 cells/pL"}]})
    assert CliRunner().invoke(main, ["worksheet", "-o", str(tmp_path / "no" / "sheet.html")]).exit_code == 2


def test_the_command_writes_a_page_with_the_record_the_day_the_cohorts_and_the_readings(tmp_path: Path, browser: Browser) -> None:
    target, readings = tmp_path / "sheet.html", tmp_path / "readings.yaml"
    readings.write_text("G17: below_30\n", encoding="utf-8")
    line = ["worksheet", str(MARROW), "-o", str(target), "--on", "2026-11-22", "--cohort", "1.2", "--cohort", "1.1", "--readings", str(readings)]
    done = CliRunner().invoke(main, line)
    assert (done.exit_code, done.output) == (0, "")
    opened = ready(browser.open(target))
    assert opened.locator("nav .code").all_inner_texts() == ["1.1", "1.2"]
    assert opened.get_by_label("Screened on").input_value() == "2026-11-22"
    assert "Read otherwise than by default: G17" in opened.locator("#cohort").inner_text()


def test_a_fhir_record_is_read_into_the_page_and_what_was_not_used_is_told(tmp_path: Path, browser: Browser) -> None:
    target = tmp_path / "sheet.html"
    bundle_ = CASES / "sle_itp_eligible.bundle.json"
    done = CliRunner().invoke(main, ["worksheet", str(bundle_), "-o", str(target), "--on", "2026-11-22"])
    assert done.exit_code == 0
    opened = ready(browser.open(target))
    assert opened.locator("nav button[aria-current]").inner_text().splitlines()[:2] == ["✓", "1.2"]


# ---- a coordinator's hour ---------------------------------------------------------------------------------------------


@pytest.fixture
def sheet(kb: KnowledgeBase, browser: Browser) -> Page:
    """Open the page with the record that lacks one thing, its cohort 1.2 chosen."""
    from pyscreen.sources import read_form

    form, _ = read_form(MARROW, kb)
    opened = ready(browser.open(page(kb, form, DAY)))
    assert opened.locator("#cohort h2").inner_text() == "1.2 SLE with immune thrombocytopenia"
    return opened


def verdict(opened: Page) -> str:
    return opened.locator("#cohort .verdict b").inner_text()


def said(opened: Page) -> str:
    return opened.locator("#said").inner_text()


def saved(opened: Page, words: str = "Save as YAML") -> str:
    """Save the record, and return what was written."""
    with opened.expect_download() as download:
        opened.get_by_role("button", name=words).click()
    return Path(download.value.path()).read_text(encoding="utf-8")


def verdicts(screening: Screening) -> dict[str, str]:
    return {one.cohort.code: one.status.capitalize() for one in screening.verdicts.values()}


def shown(opened: Page) -> dict[str, str]:
    rows = opened.locator("nav .cohort").all()
    return {row.locator(".code").inner_text(): row.locator(".word").inner_text() for row in rows}


def screened(text: str, screener: Screener, day: date = DAY) -> Screening:
    return screener.screen(parse_record(text.encode(), screener.kb), day)


def test_an_answer_moves_the_verdict_and_can_be_taken_back(sheet: Page) -> None:
    assert verdict(sheet) == "Undecided"
    assert "Ask next (1 question matters)" in sheet.locator("#cohort").inner_text()
    sheet.locator("#cohort").get_by_role("button", name="Yes", exact=True).click()
    assert verdict(sheet) == "Eligible"
    assert said(sheet).endswith("1.2 is now eligible, it was undecided")
    sheet.get_by_role("button", name="Undo").click()
    assert verdict(sheet) == "Undecided"
    sheet.get_by_role("button", name="Redo").click()
    assert verdict(sheet) == "Eligible"
    row = sheet.locator("#record li", has_text="Bone marrow morphology")
    assert "2026-11-22 · new" in row.inner_text()
    row.get_by_role("button", name="Delete").click()
    assert verdict(sheet) == "Undecided"
    sheet.locator("#cohort").get_by_role("button", name="No", exact=True).click()
    assert verdict(sheet) == "Ineligible"
    assert sheet.locator("#cohort h3").first.inner_text() == "In the way"


def test_an_entry_is_corrected(sheet: Page) -> None:
    sheet.locator("#cohort").get_by_role("button", name="Yes", exact=True).click()
    for old, new in (("18 10*9/L", "180"), ("180 10*9/L", "18")):
        sheet.locator("#record li", has_text=old).get_by_role("button", name="Edit").click()
        editor = sheet.locator("form.editing")
        assert editor.get_by_label("Unit").input_value() == "10*9/L"
        editor.get_by_label("Value").fill(new)
        editor.get_by_role("button", name="Save").click()
        assert verdict(sheet) == ("Ineligible" if new == "180" else "Eligible")


def test_a_wrong_entry_is_refused_with_the_reason_and_changes_nothing(sheet: Page) -> None:
    before = sheet.locator("#record").get_by_text("Entered (").inner_text()
    sheet.locator("#add summary").first.click()
    sheet.locator("#add").get_by_label("What was measured").fill("Platelet count")
    sheet.locator("#add").get_by_label("Date").click()
    sheet.locator("#add").get_by_label("Value").fill("many")
    sheet.locator("#add").get_by_role("button", name="Add").click()
    assert "'many' is no quantity" in sheet.locator("#record .refusal").inner_text()
    assert sheet.locator("#record").get_by_text("Entered (").inner_text() == before
    sheet.get_by_label("Screened on").fill("tomorrow")
    sheet.get_by_label("Screened on").press("Enter")
    assert "'tomorrow' is no day" in sheet.locator("#bar .refusal").inner_text()


def test_a_value_at_the_screening_date_decides_by_its_unit(sheet: Page) -> None:
    sheet.locator("#cohort").get_by_role("button", name="Yes", exact=True).click()
    sheet.locator("#add summary").first.click()
    add = sheet.locator("#add")
    add.get_by_label("What was measured").fill("Platelet count")
    add.get_by_label("Date").click()
    add.get_by_label("Value").fill("60000")
    add.get_by_label("Unit").select_option("/uL")
    add.get_by_role("button", name="Add").click()
    assert verdict(sheet) == "Ineligible"
    assert sheet.locator("#record li", has_text="60000 /uL").count() == 1


def measured_ldh(sheet: Page, day: str) -> None:
    add = sheet.locator("#add")
    sheet.locator("#add summary").first.click()
    add.get_by_label("What was measured").fill("ldh")
    add.get_by_label("Date").fill(day)
    add.get_by_label("Value").fill("9")
    add.get_by_label("Unit").select_option("ukat/L")
    add.get_by_role("button", name="Add").click()


def test_two_values_of_one_day_are_a_conflict_that_is_shown_and_solved(sheet: Page) -> None:
    measured_ldh(sheet, "2026-11-17")
    conflicts = sheet.locator(".conflicts")
    assert "Lactate dehydrogenase (LDH) 9 ukat/L on 2026-11-17" in conflicts.inner_text()
    assert "A conflict decides nothing until solved" in conflicts.inner_text()
    conflicts.get_by_role("button", name="Delete Lactate dehydrogenase (LDH) 9").click()
    assert conflicts.count() == 0


def test_what_is_dated_after_the_screening_is_shown_and_mended(sheet: Page) -> None:
    measured_ldh(sheet, "2062-11-17")
    later = sheet.locator(".later")
    assert "1 item is dated after the screening date, 2026-11-22" in later.inner_text()
    later.get_by_role("button", name="Delete Lactate dehydrogenase (LDH) 9").click()
    assert later.count() == 0


def test_a_form_is_empty_again_when_its_entry_is_taken_and_its_refusal_gone(sheet: Page) -> None:
    add = sheet.locator("#add")
    sheet.locator("#add summary").first.click()
    add.get_by_label("What was measured").fill("Body weight")
    for value, refused in (("heavy", 1), ("71", 0)):
        add.get_by_label("Value").fill(value)
        add.get_by_role("button", name="Add").click()
        assert sheet.locator("#record .refusal").count() == refused
    assert add.get_by_label("What was measured").input_value() == ""
    assert add.get_by_label("Date").input_value() == "2026-11-22"


def test_what_stands_in_the_forms_follows_the_record_and_the_day(sheet: Page) -> None:
    birth = sheet.locator("#record").get_by_label("Birth date")
    birth.fill("1985")
    birth.press("Enter")
    assert said(sheet).startswith("Birth date: 1985")
    sheet.get_by_role("button", name="Undo").click()
    assert birth.input_value() == "1985-06-30"
    day = sheet.get_by_label("Screened on")
    day.fill("2026-12-01")
    day.press("Enter")
    assert sheet.locator("#cohort").get_by_label("Since, or seen on").first.input_value() == "2026-12-01"


def test_a_course_is_entered_from_the_question_that_asks_for_it(sheet: Page) -> None:
    sheet.get_by_label("Search questions").fill("refractory 1.2")
    sheet.locator(".results").get_by_role("button", name="Change").first.click()
    question = sheet.locator(".results .question", has=sheet.get_by_role("button", name="Enter a course")).first
    question.get_by_role("button", name="Enter a course").click()
    add = sheet.locator("#add")
    drugs = add.get_by_label("Drug").locator("option").count()
    assert 1 <= drugs < 60
    add.get_by_label("Dose").fill("1 mg/kg/d")
    add.get_by_label("First day").fill("2026-01-01")
    add.get_by_label("Last day").fill("2026-04-01")
    add.get_by_role("button", name="Add").click()
    assert sheet.locator("#record li", has_text="2026-01-01 to 2026-04-01").locator("b").inner_text() == "1 mg/kg/d"


def test_not_known_takes_back_what_was_answered_and_only_that(sheet: Page) -> None:
    question = sheet.locator("#cohort .questions .question").first
    question.get_by_role("button", name="Not known").click()
    assert "no unsaved changes" in sheet.locator("#bar").inner_text()
    question.get_by_role("button", name="Yes", exact=True).click()
    sheet.get_by_label("Search questions").fill("marrow")
    found = sheet.locator(".results .question").first
    found.get_by_role("button", name="Change").click()
    assert found.get_by_role("button", name="Yes", exact=True).get_attribute("aria-pressed") == "true"
    found.get_by_role("button", name="Not known").click()
    assert verdict(sheet) == "Undecided"


def test_a_page_without_a_day_screens_on_the_day_on_which_it_is_opened(kb: KnowledgeBase, browser: Browser) -> None:
    before = date.today()
    opened = ready(browser.open(page(kb)))
    shown_day = date.fromisoformat(opened.get_by_label("Screened on").input_value())
    assert before <= shown_day <= date.today()


def test_a_long_record_shows_its_latest_entries_and_finds_the_others(kb: KnowledgeBase, browser: Browser) -> None:
    rows = [{"quantity": "platelets", "value": f"{number} 10*9/L", "date": "2026-01"} for number in range(1, 301)]
    opened = ready(browser.open(page(kb, {"record": "long", "measurements": rows}, DAY)))
    assert "The last 50 of 300" in opened.locator("#record").inner_text()
    opened.get_by_label("Only entries with").fill(" 7 10*9/L")
    assert [text.splitlines()[0] for text in opened.locator("#record .items li").all_inner_texts()] != []
    assert opened.locator("#record .items li").first.locator("b").inner_text().endswith("7 10*9/L")


def test_an_entry_says_since_when_until_when_and_as_of_when(kb: KnowledgeBase, browser: Browser) -> None:
    findings = [
        {"finding": "immune_thrombocytopenia", "date": "2024-03", "end": "ongoing", "stated": "2026-11-17"},
        {"finding": "malignancy", "end": "2020"},
    ]
    opened = ready(browser.open(page(kb, {"findings": findings}, DAY)))
    entries = opened.locator("#record li")
    for words in ("2024-03 to ongoing, last known 2026-11-17", "? to 2020"):
        assert entries.filter(has_text=words).count() == 1
    assert opened.locator(".conflicts").count() == 0


def test_a_question_of_no_plain_item_is_answered_itself(kb: KnowledgeBase, browser: Browser, screener: Screener) -> None:
    opened = ready(browser.open(page(kb, {"record": "new", "recorded": "2026-11-22", "sex": "female"}, DAY, cohorts=["1.2"])))
    opened.get_by_label("Search questions").fill("1.2.refractory")
    question = opened.locator(".results .question", has_text="The question itself").first
    label = question.locator(".label").inner_text()
    question.get_by_role("button", name="Yes", exact=True).click()
    assert f"{label}: yes" in said(opened)
    text = saved(opened)
    (answer,) = load(text).value["answers"]  # type: ignore[index, call-overload]
    assert answer["answer"] is True
    assert screened(text, screener).answers[answer["test"]].truth is True


def test_the_screening_date_and_a_reading_change_the_verdicts(sheet: Page, kb: KnowledgeBase, screener: Screener) -> None:
    record = read_record(MARROW, kb)
    day = sheet.get_by_label("Screened on")
    day.fill("2027-06-01")
    day.press("Enter")
    assert shown(sheet) == verdicts(screener.screen(record, date(2027, 6, 1)))
    sheet.get_by_role("button", name="Undo").click()
    assert shown(sheet) == verdicts(screener.screen(record, DAY))
    sheet.locator("details.readings > summary").click()
    reading = sheet.locator(".readings li", has_text="G17")
    reading.get_by_role("combobox").select_option("below_30")
    assert "Read otherwise than by default: G17" in sheet.locator("#cohort").inner_text()
    assert shown(sheet) == verdicts(screener.screen(record, DAY, {"G17": "below_30"}))


def test_what_the_verdict_depends_on_is_what_pyscreen_says(kb: KnowledgeBase, browser: Browser, screener: Screener) -> None:
    from pyscreen.sources import read_form

    named = 0
    for name in ("platelets_of_40", "sle_itp_eligible", "mpap_of_20_exactly"):
        path = CASES / f"{name}.yaml"
        found = screener.screen(read_record(path, kb), DAY)
        opened = ready(browser.open(page(kb, read_form(path, kb)[0], DAY)))
        for one in found.verdicts.values():
            opened.locator(f'nav [data-key="cohort {one.cohort.id}"]').click()
            lines = opened.locator("#cohort details.note li").all_text_contents()
            wanted = [
                f"{d.verdict.capitalize()} under {d.reading}: {kb.readings[d.reading].options[d.option]}" for d in one.depends_on
            ]
            assert sorted(lines) == sorted(wanted)
            named += len(lines)
    assert named > 5


@pytest.mark.parametrize("words", ["Save as YAML", "Save as JSON"])
def test_a_saved_file_gives_pyscreen_the_verdicts_that_the_page_shows(sheet: Page, screener: Screener, words: str) -> None:
    sheet.locator("#cohort").get_by_role("button", name="Yes", exact=True).click()
    assert sheet.title().startswith("* ")
    text = saved(sheet, words)
    assert shown(sheet) == verdicts(screened(text, screener))
    assert shown(sheet)["1.2"] == "Eligible"
    assert not sheet.title().startswith("* ")
    sheet.locator("#file").set_input_files({"name": "again.yaml", "mimeType": "text/plain", "buffer": text.encode()})
    sheet.locator("#said", has_text="again.yaml opened").wait_for(state="attached")
    assert shown(sheet)["1.2"] == "Eligible"
    assert saved(sheet, words) == text


def test_every_random_record_is_saved_as_it_was_read(screener: Screener, decide: Callable[[KnowledgeBase], Page]) -> None:
    """What the page writes, pyscreen reads without complaint and as the same record."""
    rows = [*worked(screener.kb), *(row.written for row in written_records(screener.kb, 150, 3))]
    rows += [{"record": text, "judgements": [{"judgement": "x", "by": text}]} for text in TEXTS]
    copies = decide(screener.kb).evaluate("rows => rows.map(pyscreen.copied)", rows)
    for row, (yaml, back) in zip(rows, copies, strict=True):
        assert load(yaml).value == row == back, yaml


TEXTS = ("on", "No", "1:40", "007", "0x1f", "1e3", "1_000", "~", "null", "true", "2026-05-02", "- a", "a: b", "#", "'", '"', "a\\b", "&a", "*a", "!x", "%", "@",
         " a ", "é", "你好", "😀", "{a}", "[a]", "? a", "| a", "> a", "a,b", "=", "<<", "12:30:45", ".5", "+1", "-", "--- a")  # fmt: skip


def test_a_file_that_is_no_record_is_refused_and_changes_nothing(sheet: Page) -> None:
    before = shown(sheet)
    for text, why in (
        ("- a", "expected a record"),
        ("a: [", "not readable as YAML or JSON"),
        ("sex: unknown\nfindings: [{finding: slee}]", "unknown finding 'slee'"),
        ('{"resourceType": "Bundle"}', "this is FHIR"),
    ):
        sheet.locator("#file").set_input_files({"name": "wrong.yaml", "mimeType": "text/plain", "buffer": text.encode()})
        sheet.locator("#problems:not([hidden])").get_by_text(why).wait_for()
        assert shown(sheet) == before


def test_a_file_of_any_spelling_is_read_as_pyscreen_reads_it(sheet: Page, kb: KnowledgeBase, screener: Screener) -> None:
    text = (
        "# by hand\nrecord: 007\nbirth_date: 1985\nsex: female\n"
        'measurements:\n- {quantity: ana_titre, value: 1:320, date: 2021-06}\n- quantity: ldh\n  value: "<5e2 U/L"\n  date: \'2026-11-18\'\n'
    )
    sheet.locator("#file").set_input_files({"name": "hand.yaml", "mimeType": "text/plain", "buffer": text.encode()})
    sheet.locator("#said", has_text="hand.yaml opened").wait_for(state="attached")
    assert shown(sheet) == verdicts(screened(text, screener))
    assert screened(saved(sheet), screener).record == record_named(parse_record(text.encode(), kb), "007")


def record_named(record: Record, name: str) -> Record:
    assert record.id == name
    return record


def test_leaving_with_unsaved_changes_asks_first(sheet: Page) -> None:
    script = "() => { const leave = new Event('beforeunload', {cancelable: true}); dispatchEvent(leave); return leave.defaultPrevented }"
    assert sheet.evaluate(script) is False
    sheet.locator("#cohort").get_by_role("button", name="Yes", exact=True).click()
    assert sheet.evaluate(script) is True
    saved(sheet)
    assert sheet.evaluate(script) is False


def test_the_keyboard_is_enough(sheet: Page, kb: KnowledgeBase) -> None:
    yes = sheet.locator("#cohort").get_by_role("button", name="Yes", exact=True)
    for _ in range(80):
        sheet.keyboard.press("Tab")
        if yes.evaluate("button => button === document.activeElement"):
            break
    sheet.keyboard.press("Enter")
    assert verdict(sheet) == "Eligible"
    assert sheet.evaluate("document.activeElement !== document.body")
    with sheet.expect_download():
        sheet.keyboard.press("Control+s")


def test_a_half_filled_question_outlives_the_answer_to_another(kb: KnowledgeBase, browser: Browser) -> None:
    opened = ready(browser.open(page(kb, {"record": "new", "recorded": "2026-11-22"}, DAY, cohorts=["1.2"])))
    opened.get_by_label("Search questions").fill("platelet")
    opened.locator(".results").get_by_label("Value").first.fill("21")
    opened.locator("#record").get_by_label("Sex").select_option("female")
    assert opened.locator(".results").get_by_label("Value").first.input_value() == "21"


@pytest.mark.parametrize(("dark", "width"), [(False, 1440), (True, 1440), (False, 390)])
def test_the_page_is_accessible(kb: KnowledgeBase, browser: Browser, dark: bool, width: int) -> None:
    from pyscreen.sources import read_form
    from tests.browser import violations

    opened = ready(browser.open(page(kb, read_form(MARROW, kb)[0], DAY), dark=dark, width=width))
    assert violations(opened) == []
    opened.get_by_label("Search questions").fill("platelets")
    opened.locator("#add summary").first.click()
    opened.locator("details.readings > summary").click()
    opened.locator("#record").get_by_role("button", name="Edit").first.click()
    for need in opened.locator("#cohort details.need:not([open]) > summary").all()[:6]:
        need.click()
    assert violations(opened) == []
    opened.locator('nav [data-key="cohort sle_tma"]').click()
    opened.locator("#cohort").get_by_role("button", name="Change").first.click()
    assert violations(opened) == []


def test_nothing_is_wider_than_a_narrow_window(kb: KnowledgeBase, browser: Browser) -> None:
    opened = ready(browser.open(page(kb, {"record": "new"}, DAY), width=360))
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360


def test_print_shows_every_requirement_opened(sheet: Page) -> None:
    closed = "document.querySelectorAll('#cohort details.need:not([open])').length"
    assert sheet.evaluate(closed) > 5
    sheet.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert sheet.evaluate(closed) == 0
    sheet.evaluate("dispatchEvent(new Event('afterprint'))")
    assert sheet.evaluate(closed) > 5

