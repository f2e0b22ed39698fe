"""The next question: what it could decide it decides, what no longer matters changes nothing, and good questions are few."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

import pytest

from benchmarks.questions import asked, in_protocol_order
from pyscreen import asktext
from pyscreen.answers import Answer, Answers
from pyscreen.asking import LIKELY_PRESENT, WEIGHT, Asker, State
from pyscreen.screening import UNDECIDED, Screening
from pyscreen.sources import parse_record
from tests.partial import DAY, knowledge, partial, partial_records, screener, worked

MANY = 12


@cache
def asker() -> Asker:
    return Asker(knowledge())


@cache
def screened(number: int) -> Screening:
    return screener().screen(list(partial_records(MANY, seed=23))[number], DAY, dependences=False)


def told(screening: Screening, answers: dict[str, bool]) -> Screening:
    """Return a screening in which some tests are answered."""
    given = screening.answers.by_test | {name: Answer(name, yes) for name, yes in answers.items()}
    statuses = asker().graph.statuses({name: a.truth for name, a in given.items()}, screening.readings)
    return replace(screening, answers=Answers(DAY, given, ()), statuses=statuses)


def verdicts(state: State) -> dict[str, str]:
    return {cohort: state.verdict(cohort) for cohort in asker().needs}


@pytest.mark.parametrize("number", range(MANY))
def test_the_numbers_tell_the_verdicts(number: int) -> None:
    """The graph without the engine gives every status and verdict that the engine gives."""
    screening = screened(number)
    truths = {name: answer.truth for name, answer in screening.answers.by_test.items()}
    assert asker().graph.statuses(truths, screening.readings) == screening.statuses
    state = asker().begin(screening)
    assert verdicts(state) == {cohort: verdict.status for cohort, verdict in screening.verdicts.items()}
    assert all((state.work[cohort] > 0) <= (verdict == UNDECIDED) for cohort, verdict in verdicts(state).items())


@pytest.mark.parametrize("number", range(0, MANY, 2))
def test_what_an_answer_could_decide_it_decides(number: int) -> None:
    screening = screened(number)
    state = asker().begin(screening)
    before = list(state.met), list(state.unmet)
    advice = state.advice(4)
    assert (state.met, state.unmet) == before, "looking ahead leaves no trace"
    codes = {cohort.id: cohort.code for cohort in knowledge().cohorts.values()}
    for one in advice:
        after = [verdicts(asker().begin(told(screening, answers))) for _, answers in state.outcomes(one.question)]
        decided = {codes[cohort] for cohort in state.undecided if any(way[cohort] != UNDECIDED for way in after)}
        assert set(one.decides) <= decided
        assert one.worth >= 0
        assert one.clauses
    assert [one.worth for one in advice] == sorted((one.worth for one in advice), reverse=True)


@pytest.mark.parametrize("number", range(MANY))
def test_what_no_longer_matters_changes_no_verdict(number: int) -> None:
    """At most a further way of knowing contradicts a known one, and the conflict leaves open what was decided."""
    screening, random = screened(number), Random(number)
    state = asker().begin(screening)
    moot = state.moot()
    for _ in range(3):
        some = {name: random.random() < 0.5 for name in moot if random.random() < 0.5}
        after = verdicts(asker().begin(told(screening, some)))
        for cohort, verdict in verdicts(state).items():
            assert after[cohort] in (verdict, UNDECIDED)
        assert set(moot).isdisjoint(state.mattering())


def test_an_answer_is_as_likely_as_is_said() -> None:
    state = asker().begin(screened(0))
    for question in state.questions():
        ways = state.outcomes(question)
        assert sum(chance for chance, _ in ways) == pytest.approx(1)
        assert all(set(answers) <= set(question.tests) for _, answers in ways)
        if question.kind == "finding":
            assert [chance for chance, _ in ways] == [LIKELY_PRESENT, 1 - LIKELY_PRESENT]
        assert question.level in WEIGHT


def test_one_value_answers_its_tests_together() -> None:
    """Nobody is at once under 18 and between 18 and 70."""
    state = asker().begin(screener().screen(parse_record(b"sex: female", knowledge()), DAY, dependences=False))
    (birth,) = [question for question in state.questions() if question.kind == "birth"]
    child, adult = 'recent(below(age,"18 a"))', 'recent(between(age,"18 a","70 a"))'
    ways = [(answers[child], answers[adult]) for _, answers in state.outcomes(birth)]
    assert set(ways) == {(True, False), (False, True), (False, False)}


def test_what_is_put_off_is_not_asked_again() -> None:
    first = asker().begin(screened(1)).advice()[0].question
    later = asker().begin(screened(1), [first.key])
    assert first.key not in {question.key for question in later.questions()}


def test_good_questions_are_fewer_than_in_protocol_order() -> None:
    counts = [0, 0]
    random = Random(3)
    for i in range(2):
        whole = random.choice(worked(derived=False))
        screening = screener().screen(partial(whole, random, i), DAY, dependences=False)
        oracle = screener().screen(whole, DAY, dependences=False)
        for way, choose in enumerate((lambda state: state.advice()[0].question, in_protocol_order)):
            count, _, left, _ = asked(asker(), screening, oracle, choose)
            counts[way] += count
            assert left == 0
    assert counts[0] < counts[1]


def test_who_is_decided_is_asked_nothing() -> None:
    record = parse_record(b"findings: [{finding: malignancy, date: 2026-11-20}]", knowledge())
    state = asker().begin(screener().screen(record, DAY, dependences=False))
    assert (state.undecided, state.questions(), state.advice()) == ([], [], [])
    assert "every cohort is decided" in asktext.next_text(state, [])


def test_the_next_question_is_told_with_its_reason() -> None:
    state = asker().begin(screened(2))
    advice = state.advice(3)
    text = asktext.next_text(state, advice)
    assert "Next question: " in text
    assert advice[0].clauses[0] in text
    assert all(part in text for part in ("how: ", "why: ", "After that"))
