"""No plan is cheaper: records of the real trial with all but a handful of facts known, against every set of steps and outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import combinations, product
from random import Random

from pyscreen import cells
from pyscreen.kleene import MET, UNMET, Graph
from pyscreen.knowledge import Cohort
from pyscreen.questions import Test
from pyscreen.record import Record
from pyscreen.screening import ELIGIBLE, Screening
from pyscreen.truth import Truth
from pyscreen.whatif import Planner
from tests.partial import DAY, knowledge, screener, worked

SECTIONS = ("measurements", "findings", "procedures", "events", "judgements", "consents", "therapies")
MOST_STEPS, MOST_WAYS = 12, 10**6
Way = tuple[dict[str, bool], int]
"""What a step may bring: answers, and how much of it is luck."""


@cache
def planner() -> Planner:
    return Planner(screener())


@cache
def eligible() -> list[tuple[Screening, Cohort]]:
    """Return each worked record that is eligible, with one of its cohorts."""
    screenings = [screener().screen(record, DAY, dependences=False) for record in worked(derived=False)]
    return [(s, next(v.cohort for v in s.verdicts.values() if v.status == ELIGIBLE)) for s in screenings if s.best.status == ELIGIBLE]


def without(record: Record, concepts: set[str]) -> Record:
    """Return a record from which everything of some concepts is left out, as if nobody had looked for it."""
    left = {section: tuple(item for item in getattr(record, section) if item.concept not in concepts) for section in SECTIONS}
    return replace(record, complete=frozenset(), **left)


def little_known(seed: int) -> tuple[Screening, Cohort]:
    """Return an eligible record with two to four of the facts left out on which it rests."""
    random = Random(seed)
    screening, cohort = random.choice(eligible())
    needs = [need.criterion for need in (*cohort.needs, *knowledge().exclusions)]
    resting = {name for need in needs for name in screening.deciding_tests(need)}
    known = sorted({planner().about[name] for name in resting if screening.answers[name].truth is not None and name in planner().about})
    left = without(screening.record, set(random.sample(known, random.randint(2, 4))))
    complete = replace(left, complete=screening.record.complete) if random.random() < 0.5 else left
    return screener().screen(complete, DAY, dependences=False), cohort


class Handful:
    """The steps that could matter for a cohort, and all that each may bring."""

    def __init__(self, screening: Screening, cohort: Cohort) -> None:
        self.screening, self.cohort = screening, cohort
        self.truths: dict[str, Truth] = {name: answer.truth for name, answer in screening.answers.by_test.items()}
        graph = planner()._graph
        self.met = [need.criterion for need in cohort.needs if screening.statuses[need.criterion] != MET]
        self.unmet = [need.criterion for need in knowledge().exclusions if screening.statuses[need.criterion] != UNMET]
        self.part: Graph = graph.part([*self.met, *self.unmet], screening.readings)
        asked = [knowledge().tests[c.id] for c in self.part.order if c.kind == "test"]
        acts = {(str(test), str(x)): str(act) for test, x, act in planner()._program.facts("opens", 3)}
        self.steps: dict[tuple[str, str], list[Test]] = {}
        for test in asked:
            about = planner().about.get(test.id, "")
            if self.truths[test.id] is None and (test.id, about) in acts:
                self.steps.setdefault((acts[test.id, about], about), []).append(test)

    def ways(self, step: tuple[str, str]) -> list[Way]:
        """Return all that a step may bring, without contradicting itself or what is known; what is not looked at stays open."""
        tests, found = self.steps[step], []
        for truths in product((True, False, None), repeat=len(tests)):
            brought = {test.id: truth for test, truth in zip(tests, truths, strict=True) if truth is not None}
            if brought and one_value({**self.truths, **brought}, brought):
                found.append((brought, int(any(lucky(test, brought.get(test.id)) for test in tests))))
        return sorted(found, key=lambda way: way[1])

    def cheapest(self) -> tuple[int, ...] | None:
        """Return the cost of the cheapest steps some outcome of which makes the cohort eligible; None where none do."""
        ways = {step: self.ways(step) for step in self.steps}
        subsets = [some for size in range(len(ways) + 1) for some in combinations(ways, size)]
        best: tuple[int, ...] | None = None
        for steps in sorted(subsets, key=lambda some: weigh(some, 0, 0)):
            if best is not None and weigh(steps, 0, 0) >= best:
                break
            for outcome in product(*(ways[step] for step in steps)):
                brought = {test: yes for answers, _ in outcome for test, yes in answers.items()}
                cost = weigh(steps, sum(luck for _, luck in outcome), len(brought))
                if (best is None or cost < best) and self.works(brought):
                    best = cost
        return best

    def works(self, brought: Mapping[str, bool]) -> bool:
        truths = {**self.truths, **brought}
        statuses = self.part.statuses(truths, self.screening.readings)
        if any(statuses[name] != MET for name in self.met) or any(statuses[name] != UNMET for name in self.unmet):
            return False
        return planner()._eligible(self.cohort, truths, self.screening.readings)

    @property
    def size(self) -> int:
        """How many outcomes there are at most."""
        total = 1
        for step in self.steps:
            total *= 1 + len(self.ways(step))
        return total


@cache
def leaning() -> list[dict[str, set[int]]]:
    """Return the tests that lean on one value, with the ranges in which each holds."""
    tests = knowledge().tests
    found = [{name: set(held) for name, held in family.holds.items()} for family in cells.families(tests.values()).values()]
    for group in cells.renewed(tests.values()):
        values = cells.samples(group)
        found.append({test.id: {i for i, value in enumerate(values) if cells.holds(test, value)} for test in group})
    return found


def one_value(truths: Mapping[str, Truth], brought: Mapping[str, bool]) -> bool:
    """Tell whether one value answers alike all tests that lean on it and of which some are answered anew."""
    for held in leaning():
        answered = [name for name in held if truths[name] is not None]
        if any(name in brought for name in answered):
            every = set().union(*held.values()) | {-1, -2}
            if not any(all((i in held[name]) is truths[name] for name in answered) for i in every):
                return False
    return True


def lucky(test: Test, yes: Truth) -> bool:
    """Tell whether an answer is luck: a history that must turn out to be there."""
    return test.selection.kind in ("finding", "procedure", "event") and yes is {"present": True, "absent": False}.get(test.comparison.op)


def weigh(steps: tuple[tuple[str, str], ...], luck: int, answers: int) -> tuple[int, ...]:
    """Return the cost of steps as plans count it: interventions, invasive tests, luck, tests, questions; then how many things, and answers."""
    levels = [planner().acts[act].level for act in {act for act, _ in steps}]
    four, three, two, one = (levels.count(level) for level in (4, 3, 2, 1))
    return four, three, luck, two, one, len(steps), answers


@cache
def handfuls() -> list[Handful]:
    found = (Handful(*little_known(seed)) for seed in range(80))
    return [one for one in found if 0 < len(one.steps) <= MOST_STEPS and one.size <= MOST_WAYS]


def test_the_lightest_plan_is_as_light_as_any_set_of_steps_and_outcome() -> None:
    for one in handfuls():
        plans = [plan for plan in planner().plans(one.screening, one.cohort.id, 1).plans if plan.day == DAY]
        least = one.cheapest()
        assert [plan.cost for plan in plans] == ([] if least is None else [least]), (one.screening.record.id, one.cohort.id)


def test_the_handfuls_are_worth_trying() -> None:
    assert len(handfuls()) >= 30
    assert sum(len(one.steps) >= 4 for one in handfuls()) >= 10
    assert sum((one.cheapest() or (0, 0, 0))[2] > 0 for one in handfuls()) >= 1, "some hope for luck"
