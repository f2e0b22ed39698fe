"""What would make this patient eligible: the lightest plans, or why there is none.

A plan is a set of acts after which the cohort is eligible whatever else is unknown. `kb/engine/whatif.lp` says what an act may find
out or change; clingo finds the cheapest. Waiting is screening on a later day: what time alone changes is answered as of that day, and
what will be out of date by then is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from . import cells
from .answers import Answers, answer
from .dates import shift
from .engine import Program
from .kleene import MET, UNMET
from .knowledge import Cohort, Need
from .questions import Test
from .screening import ELIGIBLE, Inputs, Screener, Screening

LEVELS = {1: "question", 2: "test", 3: "invasive test", 4: "intervention"}
SEARCH = ("--opt-strategy=usc", "--restart-on-model")
"""Core-guided optimisation: some forty times faster here than clingo's default on a first plan."""
_HORIZON = 366 * 20
_MOST_DATES = 8


@dataclass(frozen=True, slots=True)
class Aim:
    """An answer that a step must bring: the test, whether it must be yes, and the clauses that need it."""

    test: str
    label: str
    yes: bool
    clauses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One act: what it is, what it is about, the answers it must bring, and the clauses that need them.

    `remedy` is obtain (find out), attest (a judgement or consent), or manage (change without harm).
    """

    act: str
    label: str
    level: int
    remedy: str
    about: tuple[str, ...]
    aims: tuple[Aim, ...]
    clauses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Acts after which the cohort is eligible on `day`; `waits` tells what time alone changes until then."""

    cohort: Cohort
    day: date
    steps: tuple[Step, ...]
    cost: tuple[int, ...]
    waits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """A smallest set of requirements and exclusions that cannot be satisfied together, with the fixed facts behind each."""

    needs: tuple[Need, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer for one cohort: its verdict now, plans cheapest first, or the bar where there is none."""

    cohort: Cohort
    status: str
    plans: tuple[Plan, ...] = ()
    bar: Bar | None = None


class Planner:
    """A knowledge base made ready for planning: grounded once for all patients."""

    def __init__(self, screener: Screener) -> None:
        self.screener = screener
        self.kb = screener.kb
        root = self.kb.root
        files = [self.kb.main, root / "engine" / "whatif.lp"]
        self._program = Program(files, facts=cells.facts(self.kb.tests.values()), options=SEARCH)
        self._inputs = Inputs(self._program)
        self._recorded = self._program.literals("recorded", 2)
        self._wanted = self._program.literals("wanted")
        self._unwanted = self._program.literals("unwanted")
        self._ripe = self._program.literals("ripe")
        self._shown = {"take": self._program.literals("take", 2), "change": self._program.literals("change", 2)}
        self._shown["disturbed"] = self._program.literals("disturbed")

    def plans(self, screening: Screening, cohort: str, limit: int = 3) -> WhatIf:
        """Return up to `limit` cheapest plans for a cohort (id or code), or the bar where there is none.

        Raises RequestError for a cohort that does not exist.
        """
        verdict = screening.verdict(cohort)
        if verdict.status == ELIGIBLE:
            return WhatIf(verdict.cohort, verdict.status, (Plan(verdict.cohort, screening.day, (), ()),))
        found: list[Plan] = []
        for day, waits in self._days(screening, verdict.cohort):
            answers = screening.answers if day == screening.day else self._answers(screening, day)
            found += self._plans_on(screening, answers, verdict.cohort, day, waits, limit)
        best = _undominated(sorted(found, key=lambda plan: (plan.cost, plan.day)))[:limit]
        bar = None if best else self._bar(screening, verdict.cohort)
        return WhatIf(verdict.cohort, verdict.status, tuple(best), bar)

    def _answers(self, screening: Screening, day: date) -> Answers:
        return answer(screening.record, self.kb.tests.values(), self.kb.vocabulary, day)

    # ---- solving -----------------------------------------------------------------------------------------------------

    def _given(self, answers: Answers, readings: Mapping[str, str]) -> list[int]:
        literals = self._inputs.choices(readings)
        for key, literal in self._recorded.items():
            test, _, way = key.rpartition(",")
            truth = answers[test].truth
            literals.append(literal if truth is (way == "yes") else -literal)
        return literals

    def _goals(self, needs: Iterable[Need], exclusions: Iterable[Need]) -> list[int]:
        wanted = {need.criterion for need in needs}
        unwanted = {need.criterion for need in exclusions}
        return [lit if name in wanted else -lit for name, lit in self._wanted.items()] + [
            lit if name in unwanted else -lit for name, lit in self._unwanted.items()
        ]

    def _plans_on(
        self, screening: Screening, answers: Answers, cohort: Cohort, day: date, waits: tuple[str, ...], limit: int
    ) -> Iterator[Plan]:
        assumed = self._given(answers, screening.readings) + self._goals(cohort.needs, self.kb.exclusions)
        assumed += self._held(screening.day, day)
        with self._program.guard() as guard:
            for _ in range(limit):
                outcome = self._program.solve([*assumed, guard.literal], self._shown)
                if outcome is None:
                    return
                holds = (f"{self.kb.criteria[test].label}, after the change" for test in outcome.holds["disturbed"])
                yield self._plan(cohort, day, (*waits, *sorted(holds)), answers, outcome.holds, outcome.cost)
                taken = [self._shown["take"][key] for key in outcome.holds["take"]]
                if not taken:
                    return
                guard.forbid(taken)

    def _plan(
        self,
        cohort: Cohort,
        day: date,
        waits: tuple[str, ...],
        answers: Answers,
        holds: Mapping[str, frozenset[str]],
        cost: tuple[int, ...],
    ) -> Plan:
        changed = dict(_split(key) for key in holds["change"])
        taken: dict[str, list[str]] = {}
        for key in sorted(holds["take"]):
            act, concept = _split(key)
            taken.setdefault(act, []).append(concept)
        steps: list[Step] = []
        for act, concepts in taken.items():
            level, label = self._acts[act]
            steps.append(self._step(cohort, act, label, level, concepts, changed, answers))
        steps.sort(key=lambda step: (step.remedy != "manage", step.level, _first_clause(step)))
        return Plan(cohort, day, tuple(steps), cost, waits)

    def _step(
        self,
        cohort: Cohort,
        act: str,
        label: str,
        level: int,
        concepts: list[str],
        changed: Mapping[str, str],
        answers: Answers,
    ) -> Step:
        tests = sorted(test for test in changed if self._about.get(test) in concepts)
        needs = (*cohort.needs, *self.kb.exclusions)
        aims = tuple(
            Aim(
                test,
                self.kb.criteria[test].label,
                changed[test] == "yes",
                tuple(dict.fromkeys(need.clause for need in needs if test in self._leaves[need.criterion])),
            )
            for test in tests
        )
        kinds = {self.kb.tests[test].selection.kind for test in tests}
        remedy = "attest" if kinds <= {"judgement", "consent"} else "obtain"
        if any(answers[test].truth is not None for test in tests):
            remedy = "manage"
        about = tuple(self._concept_label(concept) for concept in concepts)
        clauses = tuple(dict.fromkeys(need.clause for need in needs if any(need.clause in aim.clauses for aim in aims)))
        return Step(act, label, level, remedy, about, aims, clauses)

    @cached_property
    def _acts(self) -> dict[str, tuple[int, str]]:
        return {str(act): (int(str(level)), str(label)) for act, level, label in self._program.facts("act", 3)}

    @cached_property
    def _about(self) -> dict[str, str]:
        return {str(test): str(concept) for test, concept in self._program.facts("about", 2)}

    @cached_property
    def _leaves(self) -> dict[str, frozenset[str]]:
        needs = [need for cohort in self.kb.cohorts.values() for need in cohort.needs]
        return {
            need.criterion: frozenset(c.id for c in self.kb.below([need.criterion]) if c.kind == "test")
            for need in (*needs, *self.kb.exclusions)
        }

    def _concept_label(self, concept: str) -> str:
        kinds = self.kb.vocabulary.kinds_of(concept)
        return self.kb.vocabulary.label(kinds[0], concept) if kinds else concept

    def _held(self, start: date, day: date) -> list[int]:
        """Return the literals that say which doses, moved on the first day, will have been held long enough by the other."""
        return [lit if self._holding(test, start) <= day else -lit for test, lit in self._ripe.items()]

    @cached_property
    def _movable_doses(self) -> frozenset[str]:
        """The tests of an unchanged dose that a clinician may move."""
        movable = {row[2] for row in self._program.rows("changes", 4)}
        return frozenset(test for test in self._ripe if self._about.get(test) in movable)

    def _holding(self, test: str, start: date) -> date:
        duration = self.kb.tests[test].comparison.thresholds[0].duration
        assert duration is not None
        return shift(start, duration)

    # ---- waiting -----------------------------------------------------------------------------------------------------

    def _days(self, screening: Screening, cohort: Cohort) -> list[tuple[date, tuple[str, ...]]]:
        """Return the screening day, and later days on which time alone has turned a contrary answer."""
        turning: dict[date, list[str]] = {screening.day: []}
        leaves = set().union(*(self._leaves[n.criterion] for n in (*cohort.needs, *self.kb.exclusions)))
        contrary = [name for name in sorted(leaves) if screening.answers[name].truth is not None]
        for name in contrary:
            test = self.kb.tests[name]
            if not _bound_to_time(test):
                continue
            day = self._turns(screening, test)
            if day is not None:
                turning.setdefault(day, []).append(self.kb.criteria[name].label)
        for name in sorted(leaves & self._movable_doses):
            turning.setdefault(self._holding(name, screening.day), [])
        days = sorted(turning)[: _MOST_DATES + 1]
        waits: list[str] = []
        result = []
        for day in days:
            waits += [label for label in turning[day] if label not in waits]
            result.append((day, tuple(waits)))
        return result

    def _turns(self, screening: Screening, test: Test) -> date | None:
        """Return the first later day on which a test's answer is the opposite of today's, if nothing else changes."""
        now = screening.answers[test.id].truth

        def turned(days: int) -> bool:
            later = answer(screening.record, [test], self.kb.vocabulary, screening.day + timedelta(days=days))
            return later[test.id].truth is (not now)

        probe = 1
        while probe <= _HORIZON and not turned(probe):
            probe *= 2
        if probe > _HORIZON:
            return None
        low, high = probe // 2, probe
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if turned(middle) else (middle, high)
        return screening.day + timedelta(days=high)

    # ---- no plan -----------------------------------------------------------------------------------------------------

    def _bar(self, screening: Screening, cohort: Cohort) -> Bar:
        """Return a smallest set of requirements and exclusions that no plan satisfies, by leaving out one after the other."""
        given = self._given(screening.answers, screening.readings)
        goals: list[tuple[Need, bool]] = [(n, False) for n in cohort.needs] + [(n, True) for n in self.kb.exclusions]
        kept = list(goals)
        for goal in goals:
            fewer = [other for other in kept if other != goal]
            if not self._possible(given, fewer):
                kept = fewer
        needs = tuple(need for need, _ in kept)
        return Bar(needs, tuple(self._fixed_facts(screening, kept)))

    def _possible(self, given: list[int], goals: list[tuple[Need, bool]]) -> bool:
        literals = self._goals([n for n, excludes in goals if not excludes], [n for n, excludes in goals if excludes])
        return self._program.satisfiable([*given, *literals, *self._ripe.values()])

    def _fixed_facts(self, screening: Screening, goals: list[tuple[Need, bool]]) -> Iterator[str]:
        """Yield the evidence of the tests that decide why the goals fail."""
        for need, excludes in goals:
            if screening.statuses[need.criterion] != (MET if excludes else UNMET):
                continue
            for name in screening.deciding_tests(need.criterion):
                for evidence in screening.answers[name].evidence:
                    yield str(evidence)


def _split(key: str) -> tuple[str, str]:
    """Split `a,b` where only the last or the first part is plain: the one before the last comma outside brackets."""
    depth = 0
    for i in range(len(key) - 1, -1, -1):
        depth += (key[i] == ")") - (key[i] == "(")
        if key[i] == "," and depth == 0:
            return key[:i], key[i + 1 :]
    raise AssertionError(key)


def _first_clause(step: Step) -> str:
    return step.clauses[0] if step.clauses else ""


def _bound_to_time(test: Test) -> bool:
    """Tell whether the passing of time can turn a test's answer."""
    if test.summary in ("unchanged", "time_since") or test.selection.concept == "age":
        return True
    stack = [test.selection]
    while stack:
        selection = stack.pop()
        if any(selection.condition(name) for name in _TIMED):
            return True
        stack += [condition.selection for condition in selection.conditions if condition.selection]
    return False


_TIMED = ("within", "inside", "ahead", "ago", "lasting", "age", "as_of")


def _undominated(plans: list[Plan]) -> list[Plan]:
    """Leave out a plan whose acts include all acts of one that is ready no later."""
    kept: list[Plan] = []
    for plan in plans:
        acts = {(step.act, step.about) for step in plan.steps}
        if not any({(s.act, s.about) for s in other.steps} <= acts and other.day <= plan.day for other in kept):
            kept.append(plan)
    return kept
