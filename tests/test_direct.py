"""Direct answers: what a person says to a test of the knowledge base itself, beside what the items of the record say."""

from __future__ import annotations

from datetime import date

import jsonschema
import pytest

from pyscreen.answers import Answer, Answers, answer
from pyscreen.errors import RecordError
from pyscreen.form import schema
from pyscreen.knowledge import KnowledgeBase
from pyscreen.record import Record
from pyscreen.screening import Screener
from pyscreen.sources import parse_record

DAY = date(2026, 11, 22)
HYSTERECTOMY = "procedure(hysterectomy)"
COUNT = 'recent(below(platelets,"150 10*9/L"))'


def read(text: str, kb: KnowledgeBase) -> Record:
    return parse_record(text.encode(), kb, "anna")


def asked(text: str, kb: KnowledgeBase, test: str, day: date = DAY) -> tuple[Answer, Answers]:
    answers = answer(read(text, kb), [kb.tests[test]], kb.vocabulary, day)
    return answers[test], answers


def direct(test: str, yes: bool = True, day: str = "2026-11-20", more: str = "") -> str:
    return f"- {{test: '{test}', answer: {str(yes).lower()}, date: {day}{more}}}\n"


@pytest.mark.parametrize("yes", [True, False])
def test_a_direct_answer_settles_what_the_items_leave_open(kb: KnowledgeBase, yes: bool) -> None:
    found, _ = asked("answers:\n" + direct(HYSTERECTOMY, yes, more=", by: Dr Meier, id: a-1"), kb, HYSTERECTOMY)
    assert found.truth is yes
    assert [str(e) for e in found.evidence] == [f"answered directly: {'yes' if yes else 'no'} (by Dr Meier), 2026-11-20 [a-1]"]


def test_without_a_day_of_its_own_it_is_of_the_day_of_the_record(kb: KnowledgeBase) -> None:
    text = f"recorded: 2026-11-19\nanswers:\n- {{test: {HYSTERECTOMY}, answer: true}}"
    found, _ = asked(text, kb, HYSTERECTOMY)
    assert str(found.evidence[0]) == "answered directly: yes, 2026-11-19"


def test_the_latest_of_several_counts(kb: KnowledgeBase) -> None:
    rows = [direct(HYSTERECTOMY, True, "2026-11-18"), direct(HYSTERECTOMY, False, "2026-11-20"), direct(HYSTERECTOMY, True, "2026-11-19")]
    for order in (rows, rows[::-1]):
        assert asked("answers:\n" + "".join(order), kb, HYSTERECTOMY)[0].truth is False


def test_a_yes_and_a_no_of_one_day_are_a_conflict(kb: KnowledgeBase) -> None:
    found, answers = asked("answers:\n" + direct(HYSTERECTOMY) + direct(HYSTERECTOMY, False), kb, HYSTERECTOMY)
    assert found.truth is None
    assert [note.message for note in answers.conflicts] == [f"{HYSTERECTOMY}: answered directly both yes and no on 2026-11-20"]


def test_what_is_said_after_the_screening_date_does_not_count(kb: KnowledgeBase) -> None:
    text = "answers:\n" + direct(HYSTERECTOMY, day="2026-11-23")
    assert asked(text, kb, HYSTERECTOMY)[0].truth is None
    assert asked(text, kb, HYSTERECTOMY, date(2026, 11, 23))[0].truth is True


# ---- beside items ----------------------------------------------------------------------------------------------------


def procedure(day: str) -> str:
    return f"procedures: [{{procedure: hysterectomy, date: {day}, id: p}}]\nanswers:\n"


def test_what_items_settle_so_they_settle(kb: KnowledgeBase) -> None:
    found, answers = asked(procedure("2020-05-01") + direct(HYSTERECTOMY), kb, HYSTERECTOMY)
    assert (found.truth, [e.id for e in found.evidence], answers.conflicts) == (True, ["p"], ())


@pytest.mark.parametrize("day", ["2026-11-20", "2026-11-19", "2020", "2026-11"])
def test_an_answer_against_items_that_are_not_newer_is_a_conflict(kb: KnowledgeBase, day: str) -> None:
    found, answers = asked(procedure(day) + direct(HYSTERECTOMY, False), kb, HYSTERECTOMY)
    assert found.truth is None
    assert found.why.startswith("conflict: ")
    assert HYSTERECTOMY in answers.conflicts[0].message


def test_newer_items_win(kb: KnowledgeBase) -> None:
    found, answers = asked(procedure("2026-11-21") + direct(HYSTERECTOMY, False), kb, HYSTERECTOMY)
    assert (found.truth, answers.conflicts) == (True, ())


@pytest.mark.parametrize(("recorded", "truth"), [("2026-11-20", None), ("2026-11-21", False)])
def test_the_silence_of_a_complete_record_is_as_old_as_the_record(kb: KnowledgeBase, recorded: str, truth: bool | None) -> None:
    text = f"recorded: {recorded}\ncomplete: [procedures]\nanswers:\n" + direct(HYSTERECTOMY)
    assert asked(text, kb, HYSTERECTOMY)[0].truth is truth


@pytest.mark.parametrize(("end", "truth"), [("2026-11-21", True), ("2026-11-20", None)])
def test_a_course_is_as_new_as_its_end(kb: KnowledgeBase, end: str, truth: bool | None) -> None:
    course = f"therapies: [{{drug: rituximab, start: 2026-01-01, end: {end}, response: none, for: systemic_sclerosis}}]"
    test = "course_for_ssc_failed(biologic)"
    assert asked(course, kb, test)[0].truth is True
    assert asked(f"{course}\nanswers:\n" + direct(test, False), kb, test)[0].truth is truth


def test_a_conflict_of_items_stays_one(kb: KnowledgeBase) -> None:
    values = "measurements:\n" + "".join(f"- {{quantity: platelets, value: {n} 10*9/L, date: 2026-11-22}}\n" for n in (20, 80))
    found, _ = asked(values + "answers:\n" + direct(COUNT, day="2026-11-22"), kb, COUNT)
    assert found.truth is None
    assert found.why.startswith("conflict: ")


# ---- what time can turn ----------------------------------------------------------------------------------------------


def test_what_time_can_turn_is_answered_for_its_own_day(kb: KnowledgeBase) -> None:
    text = "answers:\n" + direct(COUNT, day="2026-11-22")
    assert asked(text, kb, COUNT)[0].truth is True
    later, answers = asked(text, kb, COUNT, date(2026, 11, 23))
    assert later.truth is None
    assert "answered on 2026-11-22; to be asked again" in later.why
    assert answers.conflicts == ()


def test_an_outdated_answer_is_no_conflict(kb: KnowledgeBase) -> None:
    value = "measurements: [{quantity: platelets, value: 20 10*9/L, date: 2026-11-20}]\nanswers:\n"
    found, answers = asked(value + direct(COUNT, False, day="2026-11-21"), kb, COUNT)
    assert (found.truth, answers.conflicts) == (True, ())


@pytest.mark.parametrize(
    ("test", "bound"),
    [
        (HYSTERECTOMY, False),
        ('any_age(below(platelets,"150 10*9/L"))', False),
        (COUNT, True),
        ("glucocorticoid_unchanged", True),
        ("background_glucocorticoid_limited", True),
        ("glucocorticoid_now", True),
        ("sjogren_diagnosis_old", True),
        ("latest_lvef_low", True),
        ("of_late(procedure(solid_organ_transplant))", True),
        ('any_age(between(age,"18 a","70 a"))', True),
    ],
)
def test_which_tests_time_can_turn(kb: KnowledgeBase, test: str, bound: bool) -> None:
    assert kb.tests[test].bound_to_time is bound


def test_nothing_else_turns_by_time_alone(kb: KnowledgeBase) -> None:
    """A direct answer that counts later is of a test that a record of the same facts answers alike ten years later."""
    record = read("birth_date: 1980-01-01\nfindings: [{finding: sle, date: 2019}]", kb)
    free = [test for test in kb.tests.values() if not test.bound_to_time]
    now, later = (answer(record, free, kb.vocabulary, date(year, 11, 22)) for year in (2026, 2036))
    assert [t.id for t in free if now[t.id].truth is not later[t.id].truth] == []


# ---- wrong answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "place", "words"),
    [
        (f"{{test: {HYSTERECTOMY[:-2]}), answer: true, date: 2026-11-20}}", "answers[0].test", f"(did you mean '{HYSTERECTOMY}'?)"),
        ("{test: consent(informed_consent), answer: true, date: 2026-11-20}", "answers[0].test", "write informed_consent under consents"),
        (f"{{test: {HYSTERECTOMY}, answer: true, date: 2026-11}}", "answers[0].date", "'2026-11' is no exact day"),
        (f"{{test: {HYSTERECTOMY}, answer: true}}", "answers[0].date", "the day of the answer is missing"),
        (f"{{test: {HYSTERECTOMY}, answer: maybe, date: 2026-11-20}}", "answers[0].answer", "expected true or false"),
        (f"{{test: {HYSTERECTOMY}, date: 2026-11-20}}", "answers[0].answer", "answer is missing"),
        ("{answer: true, date: 2026-11-20}", "answers[0].test", "test is missing"),
        ("yes", "answers[0]", "expected fields"),
    ],
)
def test_a_wrong_answer_is_an_error_with_its_place(kb: KnowledgeBase, row: str, place: str, words: str) -> None:
    with pytest.raises(RecordError) as raised:
        read(f"sex: female\nanswers:\n- {row}", kb)
    assert (raised.value.problems[0].line, raised.value.problems[0].field) == (3, place)
    assert words in raised.value.problems[0].message


def test_all_wrong_answers_are_reported_at_once(kb: KnowledgeBase) -> None:
    with pytest.raises(RecordError) as raised:
        read("answers: [{test: x, answer: true, date: 2026-11-20}, {test: y, answer: true, date: never}]", kb)
    assert [problem.field for problem in raised.value.problems] == ["answers[0].test", "answers[1].test", "answers[1].date"]
    with pytest.raises(RecordError, match="answers: expected a list"):
        read("answers: yes", kb)


def test_a_judgement_is_refused_with_a_hint(kb: KnowledgeBase) -> None:
    test = next(t for t in kb.tests.values() if t.selection.kind == "judgement")
    with pytest.raises(RecordError, match=f"write {test.selection.concept} under judgements"):
        read("answers:\n" + direct(test.id), kb)


def test_blanks_in_the_id_of_a_test_do_not_count(kb: KnowledgeBase) -> None:
    (found,) = read("answers:\n" + direct(' recent( below(platelets, "150 10*9/L"))'), kb).answers
    assert found.test == COUNT


def test_the_schema_knows_what_may_be_answered(kb: KnowledgeBase) -> None:
    made = schema(kb.vocabulary, kb.answerable)
    jsonschema.Draft202012Validator.check_schema(made)

    def accepts(test: str) -> bool:
        row = {"test": test, "answer": True, "date": "2026-11-20"}
        return jsonschema.Draft202012Validator(made).is_valid({"answers": [row]})

    assert accepts(HYSTERECTOMY)
    assert not accepts("consent(informed_consent)")
    assert not accepts("procedure(hysterctomy)")


def test_a_direct_answer_moves_the_verdict(kb: KnowledgeBase, screener: Screener) -> None:
    """Two of three ways out of a pregnancy question are procedures: that one was done settles it."""
    record = read("sex: female\nanswers:\n" + direct("finding(congenital_long_qt_syndrome)"), kb)
    screening = screener.screen(record, DAY)
    assert {verdict.status for verdict in screening.verdicts.values()} == {"ineligible"}
    assert any("answered directly: yes" in str(e) for a in screening.answers.by_test.values() for e in a.evidence)
