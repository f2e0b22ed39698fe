"""Plans do what they say: applied to the answers they make the cohort eligible, no step can be spared, none does harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from pyscreen.answers import Answers, answer
from pyscreen.screening import ELIGIBLE, Inputs, Screening
from pyscreen.whatif import Planner, WhatIf
from tests.partial import DAY, knowledge, partial_records, screener

MANY = 40
RECORDS = list(partial_records(MANY, seed=7))
COHORTS = ("1.1", "1.2", "1.3", "1.4", "1.5", "1.6")


@cache
def planner() -> Planner:
    return Planner(screener())


@cache
def screened(number: int) -> Screening:
    return screener().screen(RECORDS[number], DAY)


@cache
def planned(number: int, cohort: str) -> WhatIf:
    return planner().plans(screened(number), cohort, limit=2)


def verdict_after(screening: Screening, answers: Answers, changed: Mapping[str, bool], cohort: str) -> bool:
    """Decide with clingo whether the cohort is eligible once these tests are answered so."""
    given = {name: replace(a, truth=changed[name]) if name in changed else a for name, a in answers.by_test.items()}
    program = knowledge().program
    inputs = Inputs(program)
    assumed = inputs.assumptions(Answers(DAY, given, ())) + inputs.choices(screening.readings)
    return program.satisfiable([*assumed, program.literals(ELIGIBLE)[knowledge().cohort(cohort).id]])


EVERY = [(number, COHORTS[number % len(COHORTS)]) for number in range(MANY)]


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_a_plan_makes_the_cohort_eligible_and_has_nothing_to_spare(number: int, cohort: str) -> None:
    screening = screened(number)
    for plan in planned(number, cohort).plans:
        answers = answer(screening.record, knowledge().tests.values(), knowledge().vocabulary, plan.day)
        aims = {aim.test: aim.yes for step in plan.steps for aim in step.aims}
        assert verdict_after(screening, answers, aims, cohort)
        for test in aims:
            fewer = {other: yes for other, yes in aims.items() if other != test}
            assert not verdict_after(screening, answers, fewer, cohort), test


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_a_plan_moves_only_what_is_open_or_can_be_managed(number: int, cohort: str) -> None:
    """A known answer is changed only in the direction in which a clinician can move what it is about."""
    manageable = {(row[0], row[1]) for row in knowledge().program.rows("manage", 3)}
    screening = screened(number)
    for plan in planned(number, cohort).plans:
        answers = answer(screening.record, knowledge().tests.values(), knowledge().vocabulary, plan.day)
        for step in plan.steps:
            for aim in step.aims:
                known = answers[aim.test].truth
                assert known is not aim.yes
                if known is not None:
                    assert step.remedy == "manage"
                    concept = knowledge().tests[aim.test].selection.concept
                    assert any(name == concept for name, _ in manageable)


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_where_there_is_no_plan_a_smallest_bar_says_why(number: int, cohort: str) -> None:
    found = planned(number, cohort)
    assert bool(found.plans) is (found.bar is None)
    if found.bar is None:
        return
    screening, kb = screened(number), knowledge()
    chosen = kb.cohort(cohort)
    goals = [(n, False) for n in chosen.needs if n in found.bar.needs]
    goals += [(n, True) for n in kb.exclusions if n in found.bar.needs]
    given = planner()._given(screening.answers, screening.readings)
    assert len(goals) == len(found.bar.needs) > 0
    assert not planner()._possible(given, goals)
    for goal in goals:
        assert planner()._possible(given, [other for other in goals if other != goal])


def test_the_records_have_plans_and_bars() -> None:
    found = [planned(number, cohort) for number, cohort in EVERY]
    assert sum(bool(what.plans) for what in found) >= 8
    assert sum(what.bar is not None for what in found) >= 8


def test_plans_come_cheapest_first() -> None:
    for number, cohort in EVERY:
        costs = [(plan.cost, plan.day) for plan in planned(number, cohort).plans]
        assert costs == sorted(costs)


def test_an_eligible_patient_needs_nothing() -> None:
    for number in range(MANY):
        for cohort, verdict in screened(number).verdicts.items():
            if verdict.status == ELIGIBLE:
                (plan,) = planner().plans(screened(number), cohort).plans
                assert plan.steps == ()

