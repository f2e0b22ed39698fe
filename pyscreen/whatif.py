"""What would make this patient eligible: the lightest plans, or why there is none.

A plan is a set of acts after which the cohort is eligible whatever else is unknown. `kb/engine/whatif.lp` says what an act may find
out or change; clingo finds the cheapest. Waiting is screening on a later day: what time alone changes is answered as of that day, and
what will be out of date by then is asked again. The criterion graph tells beforehand on which days there is any hope.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

from . import cells
from .dates import shift
from .engine import Program
from .errors import Problem, RequestError, did_you_mean
from .kleene import MET, UNMET, Graph, Reach, doubts
from .knowledge import Cohort, KnowledgeBase, Need
from .proof import Prover, Trial
from .screening import ELIGIBLE, Inputs, Screener, Screening
from .targets import Target, Targets
from .truth import Truth
from .turning import Ahead

LEVELS = {1: "question", 2: "test", 3: "invasive test", 4: "intervention"}
SEARCH = ("--opt-strategy=usc", "--restart-on-model")
"""Core-guided optimisation: some forty times faster here than clingo's default on a first plan."""
_MOST_REFUSED = 20
"""So many plans of a day that a proof refuses are passed over; each leaves out what spoilt it, so there are few."""
Truths = Mapping[str, Truth]


@dataclass(frozen=True, slots=True)
class Act:
    """What can be done: its burden (1 question to 4 intervention) and who does it."""

    id: str
    label: str
    level: int
    who: str


@dataclass(frozen=True, slots=True)
class Aim:
    """An answer that a step must bring: the test, whether it must be yes, and the clauses that need it."""

    test: str
    label: str
    yes: bool
    clauses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One act: what it is, who does it, what it is about, what it must show, and the clauses that need it.

    `remedy` is obtain (find out), attest (a judgement or consent), or manage (change without harm). `targets` says in values what the
    aims say test by test. `after` names the acts of the same plan that come first.
    """

    act: str
    label: str
    level: int
    who: str
    remedy: str
    about: tuple[str, ...]
    aims: tuple[Aim, ...]
    targets: tuple[Target, ...]
    clauses: tuple[str, ...]
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """What time alone brings: the day from which it is so, in words, with the clauses that need it."""

    day: date
    label: str
    clauses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lapse:
    """The first day on which the cohort would no longer be eligible, if nothing else changed, and by what."""

    day: date
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Acts after which the cohort is eligible on `day`, the earliest one; `waits` is what time alone brings until then."""

    cohort: Cohort
    day: date
    steps: tuple[Step, ...]
    cost: tuple[int, ...]
    waits: tuple[Wait, ...] = ()
    lapse: Lapse | None = None

    @property
    def aims(self) -> dict[str, bool]:
        """The answers that the plan brings, test by test."""
        return {aim.test: aim.yes for step in self.steps for aim in step.aims}


@dataclass(frozen=True, slots=True)
class Bar:
    """A smallest set of requirements and exclusions that cannot be satisfied together, with the fixed facts behind it.

    `others` are further ones that bar each by itself.
    """

    needs: tuple[Need, ...]
    facts: tuple[str, ...]
    others: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer for one cohort: its verdict now, plans cheapest first, or the bar where there is none.

    `not_before` is the earliest day of a plan, where one was asked for by an earlier day and there is none.
    """

    cohort: Cohort
    status: str
    plans: tuple[Plan, ...] = ()
    bar: Bar | None = None
    not_before: date | None = None


@dataclass(frozen=True, slots=True)
class Burden:
    """How a site weighs an act: its level, who does it; None as the knowledge base says."""

    level: int | None = None
    who: str | None = None


@dataclass(frozen=True)
class _State:
    """How a record stands on a day, if nothing is done: answers (`expired`: known before), statuses, and what may become of them."""

    truths: Truths
    expired: Mapping[str, bool]
    statuses: Mapping[str, str]
    reach: Reach


@dataclass(frozen=True)
class _Outlook:
    """What is worked out once for all cohorts of a screening.

    `outgrown` are, by cohort and day, answers out of date by then that stand against it all the same.
    """

    screening: Screening
    ahead: Ahead
    asked: frozenset[str]
    states: dict[date, _State] = field(default_factory=dict)
    outgrown: dict[tuple[str, date], dict[str, bool]] = field(default_factory=dict)


class Planner:
    """A knowledge base made ready for planning: grounded once for all patients."""

    def __init__(self, screener: Screener, burdens: Mapping[str, Burden] | None = None) -> None:
        self.screener = screener
        self.kb = screener.kb
        self.burdens = burdens or {}
        root = self.kb.root
        weighed = [f"burden({act},{burden.level})." for act, burden in self.burdens.items() if burden.level]
        tests = self.kb.tests.values()
        facts = "\n".join([cells.facts(tests), cells.facts_of_renewed(tests), *weighed])
        self._program = Program([self.kb.main, root / "engine" / "whatif.lp"], facts=facts, options=SEARCH)
        self._inputs = Inputs(self._program)
        self._recorded = self._program.literals("recorded", 2)
        self._wanted = self._program.literals("wanted")
        self._unwanted = self._program.literals("unwanted")
        self._ripe = self._program.literals("ripe")
        self._take = self._program.literals("take", 2)
        self._change = {_split(key): literal for key, literal in self._program.literals("change", 2).items()}
        self._graph = Graph(self.kb.criteria, doubts(self._program.rows("doubt", 2)))
        self._targets = Targets(self.kb)
        self._prover = Prover(self.kb)
        self._parts: dict[tuple[str, ...], Graph] = {}
        self._looking: _Outlook | None = None

    def plans(self, screening: Screening, cohort: str, limit: int = 3, by: date | None = None) -> WhatIf:
        """Return up to `limit` cheapest plans for a cohort (id or code), or the bar where there is none.

        With `by`, only plans that can be complete by that day. Raises RequestError for a cohort that does not exist.
        """
        verdict = screening.verdict(cohort)
        if verdict.status == ELIGIBLE:
            return WhatIf(verdict.cohort, verdict.status, (self._timed(screening, Plan(verdict.cohort, screening.day, (), ())),))
        chosen, status = verdict.cohort, verdict.status
        first = self._soonest(screening, chosen, limit)
        if not first:
            return WhatIf(chosen, status, bar=self._bar(screening, chosen))
        if by is not None and first[0].day > by:
            return WhatIf(chosen, status, not_before=first[0].day)
        later = (day for day in self._later(screening, chosen, first[0].day) if by is None or day <= by)
        found = [*first, *(plan for day in later for plan in self._plans_on(screening, chosen, day, limit))]
        best = _undominated(sorted(found, key=lambda plan: (plan.cost, plan.day)))[:limit]
        return WhatIf(chosen, status, tuple(self._timed(screening, plan) for plan in best))

    def ranked(self, screening: Screening, limit: int = 1, by: date | None = None) -> list[WhatIf]:
        """Return the answers for every cohort, the nearest first: eligible, then by the cheapest plan, then by how much bars."""
        answers = [self.plans(screening, cohort, limit, by) for cohort in self.kb.cohorts]

        def nearness(answer: WhatIf) -> tuple[int, tuple[int, ...], date, int]:
            if answer.plans:
                plan = answer.plans[0]
                return (0 if answer.status == ELIGIBLE else 1), plan.cost, plan.day, 0
            if answer.not_before:
                return 2, (), answer.not_before, 0
            bars = len(answer.bar.needs) + len(answer.bar.others) if answer.bar else 0
            return 3, (), date.max, bars

        return sorted(answers, key=nearness)

    # ---- the facts behind --------------------------------------------------------------------------------------------

    @cached_property
    def acts(self) -> dict[str, Act]:
        """Every act, as the site weighs it."""
        return acts(self.kb, self.burdens)

    @cached_property
    def _first(self) -> dict[str, set[str]]:
        """For each act, those that come before it where both are done."""
        found: dict[str, set[str]] = {}
        for act, other in self._program.rows("needs_first", 2):
            found.setdefault(act, set()).add(other)
        return found

    @cached_property
    def about(self) -> dict[str, str]:
        """What each test is about."""
        return {str(test): str(concept) for test, concept in self._program.facts("about", 2)}

    @cached_property
    def _opened_by(self) -> dict[str, set[tuple[str, str]]]:
        """By which acts, on which concept, each test can be found out."""
        found: dict[str, set[tuple[str, str]]] = {}
        for test, concept, act in self._program.facts("opens", 3):
            found.setdefault(str(test), set()).add((str(act), str(concept)))
        return found

    @cached_property
    def _changed_by(self) -> dict[tuple[str, bool], set[tuple[str, str]]]:
        """By which acts, on which concept, a clinician can move each test to an answer."""
        found: dict[tuple[str, bool], set[tuple[str, str]]] = {}
        for test, answer, concept, act in self._program.facts("changes", 4):
            found.setdefault((str(test), str(answer) == "yes"), set()).add((str(act), str(concept)))
        return found

    @cached_property
    def _leaning(self) -> dict[str, frozenset[str]]:
        """The tests that each requirement and exclusion leans on: its leaves, and what may put one of them in doubt."""
        return {need: self._graph.under([need]) for need in self.kb.leaves}

    def _concept_label(self, concept: str) -> str:
        kinds = self.kb.vocabulary.kinds_of(concept)
        return self.kb.vocabulary.label(kinds[0], concept) if kinds else concept

    def _outlook(self, screening: Screening) -> _Outlook:
        """Return what is worked out once for all cohorts of a screening."""
        if self._looking is None or self._looking.screening is not screening:
            ahead = Ahead(screening.record, screening.answers, self.kb.vocabulary)
            needs = (*(need for cohort in self.kb.cohorts.values() for need in cohort.needs), *self.kb.exclusions)
            asked = self._graph.under((need.criterion for need in needs), screening.readings)
            self._looking = _Outlook(screening, ahead, asked)
        return self._looking

    def _ahead(self, screening: Screening) -> Ahead:
        return self._outlook(screening).ahead

    def known(self, screening: Screening, test: str, day: date) -> Truth:
        """Return the record's answer to a test on a day, if nothing is done."""
        return self._state(screening, day).truths[test]

    def _state(self, screening: Screening, day: date) -> _State:
        """Return how the record stands on a day, if nothing is done."""
        states = self._outlook(screening).states
        if day not in states:
            truths, expired = self._answers_on(screening, day)
            statuses = self._graph.statuses(truths, screening.readings)
            found = {(name, way) for name in self._opened_by if truths[name] is None for way in (True, False)}
            found -= {(name, not way) for name, way in expired.items()}
            movable = found | {(name, way) for name, way in self._changed_by if truths[name] is (not way)}
            states[day] = _State(truths, expired, statuses, self._graph.reach(truths, movable, screening.readings))
        return states[day]

    def _answers_on(self, screening: Screening, day: date) -> tuple[dict[str, Truth], dict[str, bool]]:
        """Return the answers of a day, and what was known on the screening date and is out of date by then.

        That is asked again, but nobody waits for it to come out otherwise: a count that is too high today does not become open by
        growing old. What a clinician would have to change stays as it is until then.
        """
        ahead, truths, expired = self._ahead(screening), dict[str, Truth](), dict[str, bool]()
        for name, test in self.kb.tests.items():
            now, then = screening.answers[name].truth, ahead.answer(test, day).truth
            if now is not None and then is None and (name, not now) in self._changed_by:
                then = now
            elif now is not None and then is None:
                expired[name] = now
            truths[name] = then
        return truths, expired

    # ---- solving -----------------------------------------------------------------------------------------------------

    def _given(self, truths: Truths, readings: Mapping[str, str]) -> list[int]:
        literals = self._inputs.choices(readings)
        for (test, way), literal in self._answers_of.items():
            literals.append(literal if truths[test] is way else -literal)
        return literals

    @cached_property
    def _answers_of(self) -> dict[tuple[str, bool], int]:
        return {(test, way == "yes"): lit for key, lit in self._recorded.items() for test, way in (_split(key),)}

    def _goals(self, needs: Iterable[Need], exclusions: Iterable[Need]) -> list[int]:
        wanted = {need.criterion for need in needs}
        unwanted = {need.criterion for need in exclusions}
        return [lit if name in wanted else -lit for name, lit in self._wanted.items()] + [
            lit if name in unwanted else -lit for name, lit in self._unwanted.items()
        ]

    def _plans_on(self, screening: Screening, cohort: Cohort, day: date, limit: int) -> Iterator[Plan]:
        """Yield the cheapest plans of a day; none that only stands because a contrary answer has grown old."""
        truths = self._state(screening, day).truths
        with self._program.guard() as guard:
            for _ in range(limit + _MOST_REFUSED):
                assumed = self._assumed(screening, cohort, day) + self._unneeded(screening, cohort, day)
                outcome = self._program.best([*assumed, *guard.assumed])
                if outcome is None:
                    return
                plan = self._plan(screening, cohort, day, truths, outcome.holds, outcome.cost)
                if self._outgrown(screening, plan):
                    continue
                refused = self._refused(screening, plan)
                if not refused:
                    yield plan
                    limit -= 1
                if limit == 0 or not plan.steps:
                    return
                guard.forbid(refused or [self._take[key] for key in outcome.holds.get("take", ())])

    def _assumed(self, screening: Screening, cohort: Cohort, day: date) -> list[int]:
        """Return the literals that say what the record answers, what is wanted, and which doses will have been held long enough."""
        truths = {**self._state(screening, day).truths, **self._outlook(screening).outgrown.get((cohort.id, day), {})}
        goals = self._goals(cohort.needs, self.kb.exclusions)
        return self._given(truths, screening.readings) + goals + self._held(screening.day, day)

    def _outgrown(self, screening: Screening, plan: Plan) -> bool:
        """Tell whether a plan only stands because contrary answers have grown old; they then count as they were on that day."""
        expired = self._state(screening, plan.day).expired
        truths = {**self._state(screening, plan.day).truths, **expired, **plan.aims}
        if self._eligible(plan.cohort, truths, screening.readings):
            return False
        held = self._outlook(screening).outgrown.setdefault((plan.cohort.id, plan.day), {})
        old = [name for name in self._all_leaves(plan.cohort) if name in expired and name not in plan.aims and name not in held]
        alone = [name for name in old if self._eligible(plan.cohort, {**truths, name: None}, screening.readings)]
        held |= {name: expired[name] for name in alone or old}
        return bool(old)

    def _refused(self, screening: Screening, plan: Plan) -> list[int]:
        """Return the literals that may not hold together, since a plan with them would not do; none where it is proven."""
        trial = self._trial(screening, plan)
        spoilers = self._prover.spoilers(trial)
        if spoilers:
            return self._changing({test: plan.aims[test] for test in spoilers})
        for aims, doubt in self._prover.doubts(trial):
            return [*self._changing(aims), -self._change[doubt, "no"]]
        return []

    def _changing(self, aims: Mapping[str, bool]) -> list[int]:
        return [self._change[test, "yes" if yes else "no"] for test, yes in aims.items()]

    def _trial(self, screening: Screening, plan: Plan) -> Trial:
        """Return a plan as it is put to the proof."""
        state, cohort = self._state(screening, plan.day), plan.cohort
        ahead, part = self._ahead(screening), self._part(cohort, screening.readings)
        return Trial(
            screening.record,
            plan.day,
            screening.day,
            found={test: yes for test, yes in plan.aims.items() if state.truths[test] is None},
            changed={test: yes for test, yes in plan.aims.items() if state.truths[test] is not None},
            before={test.id: ahead.answer(test, plan.day).truth for c in part.order if (test := self.kb.tests.get(c.id))},
            decide=lambda truths: self._eligible(cohort, truths, screening.readings),
        )

    def _part(self, cohort: Cohort, readings: Mapping[str, str]) -> Graph:
        """Return the graph of what a cohort leans on."""
        key = (cohort.id, *readings.values())
        if key not in self._parts:
            needs = (*cohort.needs, *self.kb.exclusions)
            self._parts[key] = self._graph.part((need.criterion for need in needs), readings)
        return self._parts[key]

    def _unneeded(self, screening: Screening, cohort: Cohort, day: date) -> list[int]:
        """Return the literals that leave alone what only settled criteria lean on, and ask nothing again to hear otherwise."""
        state = self._state(screening, day)
        needed = self._unsettled(screening, cohort, state.statuses)
        wanted = {(test, way) for test in needed for way in ("yes", "no")}
        wanted |= {(test, "no") for test in self.kb.doubting & self._all_leaves(cohort)}
        wanted -= {(test, "no" if way else "yes") for test, way in state.expired.items()}
        return [-literal for change, literal in self._change.items() if change not in wanted]

    def _unsettled(self, screening: Screening, cohort: Cohort, statuses: Mapping[str, str]) -> frozenset[str]:
        """Return the tests under what is not in order, as the readings are read."""
        wrong = self._wrong(cohort, statuses)
        leaves = frozenset[str]().union(*(self.kb.leaves[need.criterion] for need in wrong))
        return leaves & self._outlook(screening).asked

    def _wrong(self, cohort: Cohort, statuses: Mapping[str, str]) -> list[Need]:
        """Return the requirements and exclusions that are not in order."""
        wrong = [need for need in cohort.needs if statuses[need.criterion] != MET]
        return wrong + [need for need in self.kb.exclusions if statuses[need.criterion] != UNMET]

    def _plan(
        self,
        screening: Screening,
        cohort: Cohort,
        day: date,
        truths: Truths,
        holds: Mapping[str, frozenset[str]],
        cost: tuple[int, ...],
    ) -> Plan:
        changed = {test: way == "yes" for test, way in map(_split, holds.get("change", ()))}
        taken: dict[str, list[str]] = {}
        for key in sorted(holds.get("take", ())):
            act, concept = _split(key)
            taken.setdefault(act, []).append(concept)
        steps = [self._step(screening, cohort, act, concepts, changed, truths) for act, concepts in taken.items()]
        held = holds.get("disturbed", frozenset())
        waits = [
            Wait(self._holding(test, screening.day), f"{self.kb.criteria[test].label}, after the change", self._clauses(cohort, test))
            for test in held
        ]
        waits += self._waits(screening, cohort, day, truths, changed)
        return Plan(cohort, day, tuple(self._in_order(steps)), cost, tuple(sorted(waits, key=lambda w: (w.day, w.label))))

    def _in_order(self, steps: list[Step]) -> list[Step]:
        """Put what must come first first; else changes, then by burden and clause."""
        left = sorted(steps, key=lambda step: (step.remedy != "manage", step.level, step.clauses))
        ordered: list[Step] = []
        while left:
            waiting = {step.act for step in left}
            free = next((step for step in left if not set(step.after) & (waiting - {step.act})), left[0])
            ordered.append(free)
            left.remove(free)
        acts = {step.act for step in steps}
        return [replace(step, after=tuple(act for act in step.after if act in acts)) for step in ordered]

    def _step(
        self,
        screening: Screening,
        cohort: Cohort,
        act: str,
        concepts: list[str],
        changed: Mapping[str, bool],
        truths: Truths,
    ) -> Step:
        done = {(act, concept) for concept in concepts}
        tests = sorted(test for test, yes in changed.items() if done & self._means(test, yes, truths[test]))
        aims = tuple(Aim(t, self.kb.criteria[t].label, changed[t], self._clauses(cohort, t)) for t in tests)
        kinds = {self.kb.tests[test].selection.kind for test in tests}
        remedy = "attest" if kinds <= {"judgement", "consent"} else "obtain"
        if any(truths[test] is not None for test in tests):
            remedy = "manage"
        needs = (*cohort.needs, *self.kb.exclusions)
        clauses = tuple(dict.fromkeys(n.clause for n in needs if any(n.clause in aim.clauses for aim in aims)))
        known = self.acts[act]
        return Step(
            act,
            known.label,
            known.level,
            known.who,
            remedy,
            tuple(map(self._concept_label, concepts)),
            aims,
            self._targets.of({test: changed[test] for test in tests}, truths),
            clauses,
            tuple(sorted(self._first.get(act, ()))),
        )

    def _means(self, test: str, yes: bool, known: Truth) -> set[tuple[str, str]]:
        """Return the acts, on which concept, that find an open answer out, or change a known one."""
        return self._opened_by.get(test, set()) if known is None else self._changed_by.get((test, yes), set())

    def _clauses(self, cohort: Cohort, test: str) -> tuple[str, ...]:
        needs = (*cohort.needs, *self.kb.exclusions)
        return tuple(dict.fromkeys(need.clause for need in needs if test in self._leaning[need.criterion]))

    # ---- time --------------------------------------------------------------------------------------------------------

    def _soonest(self, screening: Screening, cohort: Cohort, limit: int) -> list[Plan]:
        """Return the cheapest plans of the first day that has any; none where no day has.

        Days are passed over on which all that stands in the way is as it was.
        """
        day: date | None = screening.day
        while day is not None:
            barred = self._barring(screening, cohort, day)
            plans = [] if barred else list(self._plans_on(screening, cohort, day, limit))
            if plans:
                return plans
            day = self._next_hope(screening, cohort, day, barred)
        return []

    def _next_hope(self, screening: Screening, cohort: Cohort, day: date, barred: list[Need]) -> date | None:
        """Return the first later day on which something that stands in the way has changed; None where nothing ever will."""
        if not barred:
            return min(self._turning(screening, self._opposed(screening, cohort, day), day), default=None)
        reach, turns = self._state(screening, day).reach, []
        for need in barred:
            tests = reach.reason(need.criterion, need in cohort.needs)
            turns.append(min(self._turning(screening, tests, day), default=None))
            if turns[-1] is None:
                return None
        return max(turn for turn in turns if turn is not None)

    def _turning(self, screening: Screening, tests: Iterable[str], day: date) -> Iterator[date]:
        """Yield for tests the next day on which the answer of the record is another, or a dose moved now has been held long enough."""
        ahead = self._ahead(screening)
        for name in tests:
            turn = ahead.changes(self.kb.tests[name], day)
            if turn is not None:
                yield turn
            if name in self._movable_doses and self._holding(name, screening.day) > day:
                yield self._holding(name, screening.day)

    def _opposed(self, screening: Screening, cohort: Cohort, day: date) -> frozenset[str]:
        """Return tests of which one must be answered otherwise, or be older, before what a cohort needs can be satisfied together."""
        expired = self._state(screening, day).expired.items()
        again = [-self._change[test, "no" if way else "yes"] for test, way in expired]
        core = self._program.core(self._assumed(screening, cohort, day) + again)
        if core is None:
            return self._all_leaves(cohort)
        named = (self._answers_of, self._change)
        found = {test for table in named for (test, _), literal in table.items() if {literal, -literal} & core}
        return frozenset(found | {test for test, literal in self._ripe.items() if {literal, -literal} & core})

    def _later(self, screening: Screening, cohort: Cohort, first: date) -> list[date]:
        """Return the days after the first on which there may be lighter plans: time alone has turned a contrary answer."""
        turning = set()
        for name in self._contrary(screening, cohort):
            day = self._ahead(screening).turns(self.kb.tests[name])
            if day is not None:
                turning.add(day)
        turning |= {self._holding(name, screening.day) for name in self._all_leaves(cohort) & self._movable_doses}
        return [day for day in sorted(turning) if day > first and not self._barring(screening, cohort, day)]

    def _contrary(self, screening: Screening, cohort: Cohort) -> list[str]:
        """Return the known answers under what is not in order that time may turn."""
        ahead, tests = self._ahead(screening), self.kb.tests
        leaves = sorted(self._unsettled(screening, cohort, screening.statuses))
        return [n for n in leaves if screening.answers[n].truth is not None and ahead.may_turn(tests[n])]

    def _all_leaves(self, cohort: Cohort) -> frozenset[str]:
        return frozenset[str]().union(*(self._leaning[need.criterion] for need in (*cohort.needs, *self.kb.exclusions)))

    def _held(self, start: date, day: date) -> list[int]:
        """Return the literals that say which doses, moved on the first day, will have been held long enough by the other."""
        return [lit if self._holding(test, start) <= day else -lit for test, lit in self._ripe.items()]

    @cached_property
    def _movable_doses(self) -> frozenset[str]:
        """The tests of an unchanged dose that a clinician may move."""
        movable = {row[2] for row in self._program.rows("changes", 4)}
        return frozenset(test for test in self._ripe if self.about.get(test) in movable)

    def _holding(self, test: str, start: date) -> date:
        duration = self.kb.tests[test].comparison.thresholds[0].duration
        assert duration is not None
        return shift(start, duration)

    def _waits(
        self, screening: Screening, cohort: Cohort, day: date, truths: Truths, changed: Mapping[str, bool]
    ) -> Iterator[Wait]:
        """Yield what had to turn by itself until the day, and would bar the cohort had it not."""
        if day == screening.day:
            return
        ahead = self._ahead(screening)
        for name in self._contrary(screening, cohort):
            before = screening.answers[name].truth
            if truths[name] is not (not before) or name in changed:
                continue
            if not self._eligible(cohort, {**truths, **changed, name: before}, screening.readings):
                turned = ahead.turns(self.kb.tests[name]) or day
                so = screening.answers[name] if before else ahead.answer(self.kb.tests[name], day)
                since = "; ".join(map(str, so.evidence[: 3 if before else 1]))
                label = self.kb.criteria[name].label + (f" ({since})" if since else "")
                yield Wait(min(turned, day), label, self._clauses(cohort, name))

    def _eligible(self, cohort: Cohort, truths: Truths, readings: Mapping[str, str]) -> bool:
        statuses = self._part(cohort, readings).statuses(truths, readings)
        met = all(statuses[need.criterion] == MET for need in cohort.needs)
        return met and all(statuses[need.criterion] == UNMET for need in self.kb.exclusions)

    def _timed(self, screening: Screening, plan: Plan) -> Plan:
        """Return a plan with the day on which what it reaches would lapse."""
        return replace(plan, lapse=self._lapse(screening, plan))

    def _lapse(self, screening: Screening, plan: Plan) -> Lapse | None:
        truths: dict[str, Truth] = {**self._state(screening, plan.day).truths, **plan.aims}
        part = self._part(plan.cohort, screening.readings)
        after = replace(screening, statuses=part.statuses(truths, screening.readings))
        needs = (*plan.cohort.needs, *self.kb.exclusions)
        resting = dict.fromkeys(test for need in needs for test in after.deciding_tests(need.criterion))
        ends: dict[date, list[str]] = {}
        for name in resting:
            day = self._ends(screening, plan, name)
            if day is not None:
                ends.setdefault(day, []).append(name)
        ahead = self._ahead(screening)
        for day in sorted(ends):
            for name in ends[day]:
                truths[name] = None if name in plan.aims else ahead.answer(self.kb.tests[name], day).truth
            if not self._eligible(plan.cohort, truths, screening.readings):
                return Lapse(day, tuple(dict.fromkeys(self.kb.criteria[name].label for name in ends[day])))
        return None

    def _ends(self, screening: Screening, plan: Plan, name: str) -> date | None:
        """Return the first day on which an answer that a plan rests on no longer holds by itself."""
        test = self.kb.tests[name]
        if name not in plan.aims:
            return self._ahead(screening).changes(test, plan.day)
        windows = [c.duration for c in map(test.selection.condition, ("newest", "within")) if c and c.duration]
        firsts = []
        for window in windows:
            over = shift(plan.day, window)
            days = (over + timedelta(days=n) for n in range(-1, 6))
            firsts.append(next(day for day in days if shift(day, window, -1) > plan.day))
        return min(firsts, default=None)

    # ---- no plan -----------------------------------------------------------------------------------------------------

    def _barring(self, screening: Screening, cohort: Cohort, day: date) -> list[Need]:
        """Return the requirements and exclusions that nothing but time can satisfy after a day."""
        reach = self._state(screening, day).reach
        barred = [need for need in cohort.needs if need.criterion not in reach.met]
        return barred + [need for need in self.kb.exclusions if need.criterion not in reach.unmet]

    def _bar(self, screening: Screening, cohort: Cohort) -> Bar:
        """Return a smallest set of requirements and exclusions that no plan satisfies.

        Where plans satisfy all but none stands the proof, it is what is not in order.
        """
        barring = self._barring(screening, cohort, screening.day)
        if barring:
            first = self._goal(cohort, barring[0])
            return Bar((barring[0],), tuple(self._fixed_facts(screening, [first])), tuple(barring[1:]))
        truths = self._state(screening, screening.day).truths
        given = self._given(truths, screening.readings)
        kept: list[tuple[Need, bool]] = [(n, False) for n in cohort.needs] + [(n, True) for n in self.kb.exclusions]
        if self._possible(given, kept):
            wrong = self._wrong(cohort, self._state(screening, screening.day).statuses)
            return Bar(tuple(wrong), tuple(self._contradictions(screening, wrong)))
        for goal in list(kept):
            fewer = [other for other in kept if other != goal]
            if not self._possible(given, fewer):
                kept = fewer
        return Bar(tuple(need for need, _ in kept), tuple(self._fixed_facts(screening, kept)))

    def _contradictions(self, screening: Screening, needs: Iterable[Need]) -> Iterator[str]:
        """Yield what the record says of tests under some needs without answering them."""
        leaves = frozenset[str]().union(*(self.kb.leaves[need.criterion] for need in needs)) & self._outlook(screening).asked
        asked = (screening.answers[name] for name in sorted(leaves))
        yield from dict.fromkeys(given.why for given in asked if given.truth is None and len(given.evidence) > 1)

    def _goal(self, cohort: Cohort, need: Need) -> tuple[Need, bool]:
        return need, need not in cohort.needs

    def _possible(self, given: list[int], goals: list[tuple[Need, bool]]) -> bool:
        literals = self._goals([n for n, excludes in goals if not excludes], [n for n, excludes in goals if excludes])
        return self._program.satisfiable([*given, *literals, *self._ripe.values()])

    def _fixed_facts(self, screening: Screening, goals: list[tuple[Need, bool]]) -> Iterator[str]:
        """Yield the evidence of a smallest set of tests that decide why the goals fail."""
        reach = self._state(screening, screening.day).reach
        for need, excludes in goals:
            if need.criterion in (reach.unmet if excludes else reach.met):
                continue
            for name in reach.reason(need.criterion, not excludes):
                given = screening.answers[name]
                label = self.kb.criteria[name].label
                yield from (str(evidence) for evidence in given.evidence[:2])
                if not given.evidence:
                    yield f"{label}: {'the record is complete' if given.truth is not None else 'cannot be found out'}"


def acts(kb: KnowledgeBase, burdens: Mapping[str, Burden] | None = None) -> dict[str, Act]:
    """Return every act of a knowledge base by its id, as a site weighs it."""
    doers = {row[0]: row[1] for row in kb.program.rows("doer", 2)}
    who = {row[0]: row[1] for row in kb.program.rows("done_by", 2)}
    found = {}
    for act, level, label in kb.program.rows("act", 3):
        own = (burdens or {}).get(act, Burden())
        found[act] = Act(act, label, own.level or int(level), own.who or doers.get(who.get(act, ""), ""))
    return found


def read_burdens(
    written: Mapping[str, object], acts: Collection[str], file: str = "", lines: Mapping[str, int] | None = None
) -> dict[str, Burden]:
    """Return how a site weighs acts: `blood_test: 1`, `imaging: invasive test`, `walk_test: {level: 2, who: the physiotherapist}`.

    Raises RequestError with everything that is wrong, by the lines on which the acts stand.
    """
    problems: list[Problem] = []
    found: dict[str, Burden] = {}
    for act, value in written.items():
        line = (lines or {}).get(act)
        if act not in acts:
            hint = did_you_mean(str(act), acts) or " (`pyscreen kb list acts` names them)"
            problems.append(Problem(f"no act '{act}'{hint}", file, line))
            continue
        parts = value if isinstance(value, Mapping) else {"level": value}
        unknown = set(parts) - {"level", "who"}
        level = _level(parts.get("level"))
        if unknown or not parts or (level is None and ("level" in parts or "who" not in parts)):
            expected = f"a level ({', '.join(f'{n} {word}' for n, word in LEVELS.items())}), or level and who"
            near = [did_you_mean(str(word), ("level", "who")) for word in unknown]
            near += [did_you_mean(str(parts["level"]), LEVELS.values())] if level is None and "level" in parts else []
            problems.append(Problem(f"{act}: expected {expected}{''.join(near)}", file, line))
            continue
        who = parts.get("who")
        found[str(act)] = Burden(level, str(who) if who is not None else None)
    if problems:
        raise RequestError(problems)
    return found


def _level(value: object) -> int | None:
    words = {word: number for number, word in LEVELS.items()} | {str(number): number for number in LEVELS}
    return words.get(str(value))


def _split(key: str) -> tuple[str, str]:
    """Split `a,b` where only the last or the first part is plain: the one before the last comma outside brackets."""
    depth = 0
    for i in range(len(key) - 1, -1, -1):
        depth += (key[i] == ")") - (key[i] == "(")
        if key[i] == "," and depth == 0:
            return key[:i], key[i + 1 :]
    raise AssertionError(key)


def _undominated(plans: list[Plan]) -> list[Plan]:
    """Leave out a plan whose acts include all acts of one that is ready no later."""
    kept: list[Plan] = []
    for plan in plans:
        if not any(_takes(other) <= _takes(plan) and other.day <= plan.day for other in kept):
            kept.append(plan)
    return kept


def _takes(plan: Plan) -> set[tuple[str, str]]:
    """Return what a plan does: act by act, thing by thing."""
    return {(step.act, concept) for step in plan.steps for concept in step.about}
