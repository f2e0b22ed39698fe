"""What changed and what it did, what hangs on a fact, why one cohort and not another: each as screening again says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyscreen import comparison
from pyscreen.cli import main
from pyscreen.errors import RequestError
from pyscreen.knowledge import KnowledgeBase
from pyscreen.record import Record
from pyscreen.screening import Screener, Screening
from pyscreen.sources import read_record
from tests.partial import knowledge, partial_records, screener
from tests.small_trial import screened

DAY = date(2026, 11, 22)
CASES = Path(__file__).parent.parent / "kb" / "trials" / "cd19_autoimmune" / "cases"
MISSING, ELIGIBLE = CASES / "marrow_missing.yaml", CASES / "sle_itp_eligible.yaml"


@cache
def record(path: Path) -> Record:
    return read_record(path, knowledge())


@cache
def screening(path: Path, days: int = 0) -> Screening:
    return screener().screen(record(path), DAY + timedelta(days=days))


# ---- two screenings --------------------------------------------------------------------------------------------------


def test_a_marrow_that_was_looked_at_makes_the_patient_eligible() -> None:
    found = comparison.difference(screening(MISSING), screening(ELIGIBLE))
    assert [(was.cohort.code, was.status, now.status) for was, now in found.verdicts] == [
        ("1.2", "undecided", "eligible")
    ]
    assert [item.concept for item in found.new] == ["marrow_of_immune_thrombocytopenia"]
    assert found.gone == ()
    (turn,) = [turn for turn in found.turns if turn.need.clause == "1.2.marrow"]
    assert (turn.before, turn.after, turn.effects) == ("unknown", "met", ("open", "helps"))
    assert [change.after.truth for change in turn.changes] == [True]


def test_nothing_changed_between_a_screening_and_itself() -> None:
    found = comparison.difference(screening(MISSING), screening(MISSING))
    assert (found.new, found.gone, found.changes, found.turns, found.verdicts) == ((), (), (), (), ())


@pytest.mark.parametrize("days", [60, 150, 191])
def test_time_alone_brings_no_item_and_takes_none(days: int) -> None:
    found = comparison.difference(screening(ELIGIBLE), screening(ELIGIBLE, days))
    assert found.changes
    assert (found.new, found.gone) == ((), ())


def test_time_alone_makes_items_too_old() -> None:
    found = comparison.difference(screening(ELIGIBLE), screening(ELIGIBLE, 60), ["1.2"])
    assert [(was.status, now.status) for was, now in found.verdicts] == [("eligible", "undecided")]
    assert (found.new, found.gone) == ((), ())
    assert "1.2.platelets" in {turn.need.clause for turn in found.turns}
    assert all(
        "too old" in change.after.why
        for turn in found.turns
        for change in turn.changes
        if turn.need.clause == "1.2.platelets"
    )


def test_a_difference_tells_every_status_that_changed_and_by_which_tests() -> None:
    records = list(partial_records(12, seed=5))
    for one, other in zip(records[::2], records[1::2], strict=True):
        before, after = (screener().screen(r, DAY, dependences=False) for r in (one, other))
        found = comparison.difference(before, after)
        assert {was.cohort.id for was, _ in found.verdicts} == {
            cohort for cohort in before.verdicts if before.verdicts[cohort].status != after.verdicts[cohort].status
        }
        turned = {turn.need.criterion for turn in found.turns}
        needs = {need.criterion for cohort in before.kb.cohorts.values() for need in cohort.needs} | {
            n.criterion for n in before.kb.exclusions
        }
        assert turned == {name for name in needs if before.statuses[name] != after.statuses[name]}
        assert {change.test for change in found.changes} == {
            test for test in before.kb.tests if before.answers[test].truth is not after.answers[test].truth
        }
        assert all(turn.changes for turn in found.turns)


def test_screenings_of_two_trials_are_not_compared(invented: Callable[[str], KnowledgeBase]) -> None:
    other = screened(Screener(invented("small")), {})
    with pytest.raises(RequestError, match="one trial"):
        comparison.difference(screening(MISSING), other)


# ---- one fact --------------------------------------------------------------------------------------------------------


def test_what_hangs_on_one_platelet_count() -> None:
    found = comparison.bearing(screener(), screening(MISSING), "cbc-2")
    assert [str(item) for item in found.items] == ["Platelet count 18 10*9/L, 2026-11-17 [cbc-2]"]
    deciding = {strand.need.clause for _, strands in found.strands for strand in strands if strand.decides}
    assert {"1.2.platelets", "1.2.class"} <= deciding
    assert found.without is not None
    assert [(turn.need.clause, turn.before, turn.after) for turn in found.without.turns] == [
        ("1.2.platelets", "unknown", "met")
    ]


@pytest.mark.parametrize("fact", ["platelets", "cbc-1", "age", "sex", "informed_consent", "prednisone", "lab-1"])
def test_the_ways_lead_from_a_requirement_down_to_the_test(fact: str) -> None:
    found = comparison.bearing(screener(), screening(ELIGIBLE), fact)
    kb, now = knowledge(), screening(ELIGIBLE)
    strands = [(given, strand) for given, more in found.strands for strand in more]
    assert strands
    for given, strand in strands:
        assert (strand.path[0], strand.path[-1]) == (strand.need.criterion, given.test)
        for one, other in zip(strand.path, strand.path[1:], strict=False):
            members = now.deciders(one) if strand.decides else [member.id for member in kb.criteria[one].members]
            assert other in members
        assert strand.decides is (given.test in now.deciding_tests(strand.need.criterion))


def test_without_a_fact_the_screening_is_that_of_the_record_without_it() -> None:
    whole = record(ELIGIBLE)
    left = replace(whole, measurements=tuple(m for m in whole.measurements if m.concept != "platelets"))
    found = comparison.bearing(screener(), screening(ELIGIBLE), "platelets")
    assert found.without is not None
    expected = screener().screen(left, DAY)
    assert {cohort: verdict.status for cohort, verdict in found.without.before.verdicts.items()} == {
        cohort: verdict.status for cohort, verdict in expected.verdicts.items()
    }
    assert ("sle_itp", "undecided", "eligible") in [
        (was.cohort.id, was.status, now.status) for was, now in found.without.verdicts
    ]


def test_a_fact_that_is_not_recorded_has_tests_and_nothing_to_leave_out() -> None:
    found = comparison.bearing(screener(), screening(MISSING), "marrow_of_immune_thrombocytopenia")
    assert (found.items, found.without) == ((), None)
    assert any(
        strand.need.clause == "1.2.marrow" and strand.decides for _, strands in found.strands for strand in strands
    )


def test_a_fact_of_no_name_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(RequestError, match="did you mean 'platelets'"):
        comparison.bearing(screener(), screening(MISSING), "platelet")


# ---- two cohorts -----------------------------------------------------------------------------------------------------


def test_two_cohorts_are_told_apart_by_what_only_one_requires() -> None:
    found = comparison.contrast(screening(ELIGIBLE), "1.2", "1.1")
    assert (found.one.status, found.other.status) == ("eligible", "undecided")
    assert "1.2.platelets" in {need.clause for need in found.only_one}
    assert "1.1.active" in {need.clause for need in found.only_other}
    assert {*found.only_one, *found.both} == set(found.one.cohort.needs)
    assert not {need.criterion for need in found.only_one} & {need.criterion for need in found.only_other}
    same = comparison.contrast(screening(ELIGIBLE), "1.2", "1.2")
    assert (same.only_one, same.only_other) == ((), ())


# ---- the commands ----------------------------------------------------------------------------------------------------


def said(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.output


WHY = ("explain", MISSING, "--on", DAY)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (
            ("--cohort", "1.1", "--blockers"),
            ["Every way in needs these otherwise", "ECOG performance status", "not recorded"],
        ),
        (
            ("--cohort", "1.2", "--missing"),
            ["Set 1: 1 answer", "Bone marrow morphology that fits immune thrombocytopenia: yes"],
        ),
        (("--cohort", "1.1", "--missing"), ["Set 8: 3 answers", "There are more, none of them smaller."]),
        (("--cohort", "1.3", "--missing"), ["what is known bars every way in"]),
        (("--cohort", "1.2", "--contrast", "1.1"), ["Only 1.2 asks", "Only 1.1 asks", "? 1.2.marrow"]),
        (("--fact", "cbc-2"), ["Platelet count 18 10*9/L, 2026-11-17 [cbc-2]", "would be open, not in order"]),
        (("--fact", "marrow_of_immune_thrombocytopenia"), ["not recorded", "1.2.marrow"]),
    ],
)
def test_a_question_is_answered_in_text_and_json(question: tuple[str, ...], words: list[str]) -> None:
    text = " ".join(said(*WHY, *question).split())
    assert [word for word in words if word not in text] == []
    data = json.loads(said(*WHY, *question, "--format", "json"))
    assert (
        data["format"]
        == f"pyscreen.{({'--fact': 'bearing'} | {f'--{name}': name for name in ('blockers', 'missing', 'contrast')})[next(q for q in question if q in ('--fact', '--blockers', '--missing', '--contrast'))]}/1"
    )


def test_a_wrong_question_is_refused() -> None:
    assert "one question at a time" in said(*WHY, "--cohort", "1.2", "--blockers", "--missing", code=2)
    assert "in text, json or markdown" in said(*WHY, "--cohort", "1.2", "--blockers", "--format", "svg", code=2)
    assert "which cohort?" in said(*WHY, code=2)
    assert "leave out --cohort" in said(*WHY, "--cohort", "1.2", "--fact", "cbc-2", code=2)
    assert "no meaning with --missing" in said(*WHY, "--cohort", "1.2", "--missing", "--all", code=2)
    assert "which cohort?" in said(*WHY, "--missing", code=2)
    assert "no cohort '9.9'" in said(*WHY, "--cohort", "1.2", "--contrast", "9.9", code=2)


def test_diff_of_two_records_and_of_two_days() -> None:
    text = said("diff", MISSING, ELIGIBLE, "--on", DAY)
    assert "1.2 SLE with immune thrombocytopenia: UNDECIDED -> ELIGIBLE" in text
    assert "Bone marrow morphology that fits immune thrombocytopenia: unknown -> yes" in text
    data = json.loads(
        said("diff", ELIGIBLE, "--on", DAY, "--then", DAY + timedelta(days=60), "--cohort", "1.2", "--format", "json")
    )
    assert [(row["before"], row["after"]) for row in data["verdicts"]] == [("eligible", "undecided")]
    assert data["before"]["day"] == DAY.isoformat()
    assert "No verdict changed." in said("diff", MISSING, MISSING, "--on", DAY)
    assert "to be compared with" in said("diff", MISSING, "--on", DAY, code=2)
