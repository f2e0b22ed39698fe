"""What is dated after the screening day: it is told, and where the record was made before, it leaves open what it bears on."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pyscreen import Screener
from pyscreen.cli import main
from pyscreen.knowledge import KnowledgeBase
from pyscreen.markup import dump, load
from pyscreen.screening import ELIGIBLE, UNDECIDED, Screening
from pyscreen.written import build

DAY = date(2026, 11, 22)
TUMOUR = {"finding": "malignancy", "date": "2062-01-03", "id": "typo"}


@pytest.fixture(scope="module")
def eligible(kb: KnowledgeBase) -> dict[str, Any]:
    path = kb.main.parent / "cases" / "sle_itp_eligible.yaml"
    return dict(load(path.read_bytes(), str(path)).value)


def screened(screener: Screener, written: dict[str, Any], day: date = DAY) -> Screening:
    return screener.screen(build(written, screener.kb.vocabulary, tests=screener.kb.tests), day, dependences=False)


def test_a_tumour_dated_ahead_of_the_record_leaves_the_verdict_open(screener: Screener, eligible: dict[str, Any]) -> None:
    assert screened(screener, eligible).verdict("1.2").status == ELIGIBLE
    found = screened(screener, {**eligible, "findings": [*eligible["findings"], TUMOUR]})
    assert found.verdict("1.2").status == UNDECIDED
    assert [need.clause for need in found.verdict("1.2").open_exclusions] == ["ex.4.malignancy"]
    answers = [answer for answer in found.answers.by_test.values() if any(one.id == "typo" for one in answer.evidence)]
    assert answers
    for answer in answers:
        assert answer.truth is None
        assert "its date lies ahead, though the record was made before: it cannot be right" in answer.why
        assert any("dated 2062-01-03" in one.text for one in answer.evidence)


def test_on_a_day_before_that_of_the_record_what_came_later_is_not_known_yet(screener: Screener, eligible: dict[str, Any]) -> None:
    later = {**TUMOUR, "date": "2026-11-25"}
    found = screened(screener, {**eligible, "recorded": "2026-11-26", "findings": [*eligible["findings"], later]})
    assert found.verdict("1.2").status == ELIGIBLE
    assert found.later
    assert found.later.message == (
        "1 item is dated after the screening date, 2026-11-22; it does not count, or only as a plan: Malignant tumour, 2026-11-25 [typo]"
    )


def test_a_value_dated_ahead_is_no_older_one_s_successor_nor_passed_over(screener: Screener, eligible: dict[str, Any]) -> None:
    high = {"quantity": "platelets", "value": "200 10*9/L", "date": "2027-11-17"}
    found = screened(screener, {**eligible, "measurements": [*eligible["measurements"], high]})
    assert found.verdict("1.2").status == UNDECIDED
    low = {**high, "value": "5 10*9/L"}
    assert screened(screener, {**eligible, "measurements": [low]}).verdict("1.2").status == UNDECIDED


def test_a_denial_last_known_ahead_of_the_record_is_no_recent_one(screener: Screener, eligible: dict[str, Any]) -> None:
    rest = [row for row in eligible["findings"] if row["finding"] != "malignancy"]
    denial = {"finding": "malignancy", "present": False, "date": "2019-03-01", "id": "typo"}
    for stated, status in (("2026-11-17", ELIGIBLE), ("2062-11-17", UNDECIDED), ("2026-11-23", UNDECIDED)):
        found = screened(screener, {**eligible, "findings": [*rest, {**denial, "stated": stated}]})
        assert found.verdict("1.2").status == status, stated
        assert (found.later is None) is (status == ELIGIBLE)
    undated = {"finding": "malignancy", "present": False, "stated": "2062-11-17"}
    assert screened(screener, {**eligible, "findings": [*rest, undated]}).verdict("1.2").status == UNDECIDED


def test_all_that_lies_ahead_is_told_but_for_plans(screener: Screener) -> None:
    items: dict[str, Any] = {
        "birth_date": "2027",
        "died": "2028-05",
        "measurements": [{"quantity": "platelets", "value": "22 10*9/L", "date": "2026-12-01"}],
        "therapies": [{"drug": "prednisone", "start": "2026-12-02"}, {"drug": "prednisone", "start": "2026-12-09", "planned": True}],
        "procedures": [{"procedure": "hysterectomy", "date": "2026-12-09", "planned": True}, {"procedure": "hysterectomy", "date": "2026"}],
        "consents": [{"consent": "informed_consent", "date": "2026-11-23"}],
        "answers": [{"test": "sex(male)", "answer": True, "date": "2026-11-23"}],
    }
    found = screened(screener, {**items, "birth_date": "1990", "died": None})
    assert [row[:2] for row in found.record.later(DAY)] == [
        ("measurement", "platelets"), ("therapy", "prednisone"), ("consent", "informed_consent"), ("answer", "sex(male)"),
    ]  # fmt: skip
    living = screened(screener, {"birth_date": "2027", "died": "2028-05"})
    assert living.later
    assert living.later.message.endswith("they do not count, or only as plans: birth, 2027; death, 2028-05")
    assert screened(screener, {"birth_date": "1990"}).later is None
    many = screened(screener, {"findings": [{"finding": "sle", "date": f"2027-01-0{n}"} for n in range(1, 8)]})
    assert many.later
    assert many.later.message.endswith("2027-01-05; and 2 more")


def test_a_birth_after_the_day_of_the_record_is_a_conflict(screener: Screener) -> None:
    found = screened(screener, {"birth_date": "2062-03-01", "recorded": "2026-11-20"})
    assert found.record.birth is None
    assert [note.message for note in found.conflicts] == [
        "birth_date: 2062-03-01 is after the day of the record, 2026-11-20; the date is not used"
    ]


def test_it_is_said_wherever_a_screening_is_shown(eligible: dict[str, Any], tmp_path: Path) -> None:
    record, target = tmp_path / "anna.yaml", tmp_path / "report.html"
    record.write_text(dump({**eligible, "findings": [*eligible["findings"], TUMOUR]}), encoding="utf-8")
    said = "1 item is dated after the screening date, 2026-11-22; the record was made on 2026-11-20"

    def run(*line: str) -> str:
        done = CliRunner().invoke(main, [*line, "--on", "2026-11-22"])
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    assert f"! {said}" in run("screen", str(record))
    assert f"! {said}" in run("explain", str(record), "--cohort", "1.2")
    assert f"! {said}" in run("whatif", str(record), "--cohort", "1.2")
    assert f"! {said}" in run("next", str(record))
    (note,) = json.loads(run("screen", str(record), "--format", "json"))["notes"]
    assert note["kind"] == "later"
    assert note["message"].startswith(said)
    run("report", str(record), "-o", str(target))
    assert said in target.read_text(encoding="utf-8")
