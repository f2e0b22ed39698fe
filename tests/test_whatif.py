"""Plans in the small trial, against all plans: the fewest acts of every level, and none where none will do (tests/test_plans.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import combinations, product
from random import Random

import pytest

from pyscreen.answers import Answer
from pyscreen.knowledge import KnowledgeBase
from pyscreen.screening import ELIGIBLE, Screener
from pyscreen.truth import Truth
from pyscreen.turning import Ahead
from pyscreen.whatif import Planner, WhatIf
from tests.randoms import DAY
from tests.small_trial import ABOVE_450, BELOW_30, BELOW_50, COUNTS, screened, small_verdict, small_world, some_truths

# What tests/engine/small.lp says of remedies, said again: act, level, the tests that it finds out.
OBTAINS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "ask": (1, ("finding(rash)", "finding(ache)", "low_dose")),
    "sign": (1, ("consent(informed)",)),
    "judge": (1, ("judgement(fit)",)),
    "sample": (2, ("finding(fever)", "finding(cough)", BELOW_30, BELOW_50, ABOVE_450, "high_count")),
    "needle": (3, ("finding(itch)",)),
}
# Act, level, and the known answer that it can change, to which other.
MANAGES: Mapping[str, tuple[int, str, bool]] = {"taper": (4, "low_dose", True), "treat": (4, "finding(cough)", False)}
LEVELS = {name: level for name, (level, *_) in (*OBTAINS.items(), *MANAGES.items())}
COUNTED = (BELOW_30, BELOW_50, ABOVE_450, "high_count")
COHORTS = ("low", "scored", "read")


@pytest.fixture(scope="module")
def planner(invented: Callable[[str], KnowledgeBase]) -> Planner:
    return Planner(Screener(invented("small")))


def patient(kb: KnowledgeBase, seed: int) -> dict[str, Truth]:
    """Return answers that one patient can have, some of them open."""
    choice = Random(seed)
    truths = some_truths(kb, choice, choice.choice((0.2, 0.5, 0.8)))
    world = small_world(choice.choice(COUNTS), dict.fromkeys(("rash", "ache", "fever", "cough", "itch", "fit", "informed", "low_dose"), True))
    return truths | {test: None if truths[test] is None else world[test] for test in COUNTED}


def planned(planner: Planner, truths: Mapping[str, Truth], cohort: str, limit: int = 3) -> WhatIf:
    return planner.plans(screened(planner.screener, truths), cohort, limit)


def least_luck(truths: Mapping[str, Truth], acts: tuple[str, ...], cohort: str) -> int | None:
    """Return how few findings must turn out present, that some outcome of the acts makes the cohort eligible; None where none does.

    The tests of one count are answered together, or not; a finding that is not looked for stays open.
    """
    found = [test for act in acts if act in OBTAINS for test in OBTAINS[act][1] if truths[test] is None]
    start: dict[str, Truth] = dict(truths)
    for act in acts:
        if act in MANAGES and truths[MANAGES[act][1]] is not None:
            start[MANAGES[act][1]] = MANAGES[act][2]
    counts = [way for way in outcomes([t for t in found if t in COUNTED], (True, False, None)) if one_count(start | way)]
    others = sorted(outcomes([t for t in found if t not in COUNTED], (True, False, None)), key=luck)
    return next((luck(other) for other in others for one in counts if small_verdict(cohort, start | one | other)), None)


def luck(outcome: Mapping[str, Truth]) -> int:
    """Return how many findings turned out present."""
    return sum(bool(truth) for test, truth in outcome.items() if test.startswith("finding("))


def outcomes(tests: list[str], truths: tuple[Truth, ...]) -> Iterator[dict[str, Truth]]:
    for values in product(truths, repeat=len(tests)):
        yield dict(zip(tests, values, strict=True))


def one_count(truths: Mapping[str, Truth]) -> bool:
    """Tell whether some count answers the tests of the count so."""
    return any(all(truths[test] in (None, world[test]) for test in COUNTED) for world in _BY_COUNT)


_BY_COUNT = [{BELOW_30: n < 30, BELOW_50: n < 50, ABOVE_450: n > 450, "high_count": n >= 400} for n in COUNTS]


def fewest(truths: Mapping[str, Truth], cohort: str) -> tuple[int, ...] | None:
    """Return the cost of the cheapest set of acts, by trying all of them: acts of levels 4 and 3, luck, acts of levels 2 and 1."""
    if least_luck(truths, tuple(LEVELS), cohort) is None:
        return None
    best: tuple[int, ...] = (len(LEVELS) + 1,)
    for acts in every_set():
        four, three, two, one = weigh(acts)
        if (four, three, 0, two, one) < best:
            hoped = least_luck(truths, acts, cohort)
            best = best if hoped is None else min(best, (four, three, hoped, two, one))
    return best


def every_set() -> Iterator[tuple[str, ...]]:
    for size in range(len(LEVELS) + 1):
        yield from combinations(LEVELS, size)


def weigh(acts: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(sum(LEVELS[act] == level for act in acts) for level in (4, 3, 2, 1))


@pytest.mark.parametrize("cohort", COHORTS)
def test_the_first_plan_has_the_fewest_acts_of_every_level(planner: Planner, cohort: str) -> None:
    feasible = barred = 0
    for seed in range(24):
        truths = patient(planner.kb, seed)
        found = planned(planner, truths, cohort, limit=1)
        least = fewest(truths, cohort)
        if least is None:
            assert not found.plans, truths
            assert found.bar is not None
            barred += 1
        else:
            assert found.plans, (truths, least)
            four, three, _, two, one = least
            assert weigh(tuple({step.act for step in found.plans[0].steps})) == (four, three, two, one), truths
            assert found.plans[0].cost[:5] == least, truths
            feasible += 1
    assert feasible >= 4
    assert barred >= 4


@pytest.mark.parametrize("cohort", COHORTS)
def test_plans_lead_there_by_what_can_be_found_out_or_changed(planner: Planner, cohort: str) -> None:
    steps = 0
    for seed in range(40):
        truths = patient(planner.kb, 100 + seed)
        found = planned(planner, truths, cohort)
        acts = [{(step.act, step.about) for step in plan.steps} for plan in found.plans]
        assert not any(one < other for one in acts for other in acts), "a plan within a plan"
        for plan in found.plans:
            aims = {aim.test: aim.yes for step in plan.steps for aim in step.aims}
            assert small_verdict(cohort, truths | aims) is True
            for test, yes in aims.items():
                fewer = {other: truth for other, truth in aims.items() if other != test}
                assert small_verdict(cohort, truths | fewer) is not True, "an aim to spare"
                (act,) = [step.act for step in plan.steps if test in {aim.test for aim in step.aims}]
                if truths[test] is None:
                    assert test in OBTAINS[act][1]
                else:
                    assert (test, yes) == MANAGES[act][1:]
                steps += 1
            assert all(aim.clauses for step in plan.steps for aim in step.aims)
    assert steps


def test_nobody_is_asked_to_get_worse(planner: Planner) -> None:
    """A count that is too high and a rash that is not there are no aims; the dose and the cough are."""
    well = dict.fromkeys(("consent(informed)", "low_dose"), True) | {"finding(rash)": False, BELOW_50: False, BELOW_30: False, "finding(cough)": False}
    found = planned(planner, well, "low")
    assert not found.plans
    assert found.bar is not None
    assert [need.clause for need in found.bar.needs] == ["1.count"]
    managed = planned(planner, well | {"finding(rash)": True, BELOW_50: True, "low_dose": False, "finding(cough)": True}, "low")
    assert [{step.act for step in plan.steps} for plan in managed.plans] == [{"taper", "treat"}]
    assert {step.remedy for step in managed.plans[0].steps} == {"manage"}


def test_a_bar_of_two_needs_that_exclude_each_other(planner: Planner) -> None:
    """In cohort `read` a fever known only from a count of 400 or more, and nobody may be above 450: no bar; without a rash there is."""
    base = {"consent(informed)": True, "finding(cough)": False, "finding(ache)": False}
    assert planned(planner, base | {"finding(rash)": True}, "read").plans
    found = planned(planner, base | {"finding(rash)": False}, "read")
    assert found.bar is not None
    assert [need.clause for need in found.bar.needs] == ["3.read"]


def test_an_eligible_patient_has_the_empty_plan(planner: Planner) -> None:
    truths = {"consent(informed)": True, "finding(cough)": False, "low_dose": True, BELOW_30: True}
    found = planned(planner, truths, "low")
    assert found.status == ELIGIBLE
    assert [(plan.day, plan.steps) for plan in found.plans] == [(DAY, ())]


def test_planning_twice_and_for_others_between_gives_the_same(planner: Planner) -> None:
    """What is forbidden while plans are enumerated is forgotten afterwards."""
    cases = [(patient(planner.kb, seed), cohort) for seed in range(6) for cohort in COHORTS]
    once = [planned(planner, truths, cohort) for truths, cohort in cases]
    again = [planned(planner, truths, cohort) for truths, cohort in reversed(cases)][::-1]
    assert [[(p.cost, p.day) for p in what.plans] for what in once] == [[(p.cost, p.day) for p in what.plans] for what in again]
    assert [what.bar for what in once] == [what.bar for what in again]


def test_waiting_is_screening_on_the_day_on_which_time_has_turned_an_answer(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    later = DAY + timedelta(days=9)
    truths = {"consent(informed)": True, "finding(cough)": False, "low_dose": True, BELOW_30: False, BELOW_50: False}
    ripe = {BELOW_30: True, BELOW_50: True}
    monkeypatch.setattr(Ahead, "may_turn", lambda _, test: test.id in ripe)
    monkeypatch.setattr(Ahead, "days", lambda *_: [later])
    monkeypatch.setattr(Ahead, "answer", lambda ahead, test, day: Answer(test.id, ripe[test.id]) if day == later and test.id in ripe else ahead.answers[test.id])
    found = planner.plans(screened(planner.screener, truths), "low")
    assert [(plan.day, plan.steps) for plan in found.plans] == [(later, ())]
    assert [(wait.day, wait.label, wait.clauses) for wait in found.plans[0].waits] == [(later, "Platelets < 30 10*9/L", ("1.count",))]
    assert planner.plans(screened(planner.screener, truths), "low", by=later).plans
    refused = planner.plans(screened(planner.screener, truths), "low", by=later - timedelta(days=1))
    assert (refused.plans, refused.bar, refused.not_before) == ((), None, later)
