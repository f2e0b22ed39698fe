"""Which question next: the one whose answer brings the decision nearer at the least burden.

Every criterion carries two numbers: the least burden of the answers that would make it met, and of those that would make it unmet.
A cohort has so much work left as its cheapest way to eligibility (or, where that is closed, to ineligibility); decided, it has none.
The worth of a question is the work that its answers take away from all cohorts together, over what the act of asking it weighs. Ranges
of a value count as equally likely, so do yes and no; a finding, procedure or event is there in one of five, and an answer that would
shut out every cohort at once is one of twenty.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf

from . import cells, kleene
from .kleene import MET, UNMET, Graph
from .knowledge import Criterion, KnowledgeBase
from .questions import Test
from .screening import ELIGIBLE, INELIGIBLE, UNDECIDED, Screening

WEIGHT = {1: 1, 2: 3, 3: 10, 4: 30}
"""What an act of each level weighs: a blood test as much as three questions."""
LIKELY_PRESENT = 0.2
"""How likely a finding, procedure or event is there when it is asked for."""
SHUTS_OUT = 0.05
"""How likely an answer is that shuts every cohort at once: most who are screened have none of what excludes."""
_STATED = ("finding", "procedure", "event")
_OF_THE_DAY = frozenset(("newest", "within", "method"))


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask. `kind` says how it is answered and recorded.

    value (a measurement), birth (the birth date), sex, finding, procedure, event, judgement, consent, or direct (the test itself,
    yes or no). `tests` are the open tests that one answer settles.
    """

    kind: str
    concept: str
    label: str
    tests: tuple[str, ...]
    act: str
    level: int
    method: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same question whenever it is asked."""
        return self.kind, self.concept, self.method


@dataclass(frozen=True, slots=True)
class Advice:
    """A question with why it is asked.

    `worth` is the work that an answer takes away on average, over the burden; `clauses` need it; `decides` are the cohorts (codes)
    that one of its answers decides at once, `serves` those that it brings nearer.
    """

    question: Question
    worth: float
    clauses: tuple[str, ...]
    decides: tuple[str, ...]
    serves: tuple[str, ...]


class Asker:
    """A knowledge base made ready to choose questions for any patient."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb
        self.graph = Graph(kb.criteria, kleene.doubts(kb.program.rows("doubt", 2)))
        self.order = self.graph.order
        self.place = {criterion.id: i for i, criterion in enumerate(self.order)}
        self.members = [[self.place[m.id] for m in criterion.members] for criterion in self.order]
        self.parents: list[list[int]] = [[] for _ in self.order]
        for i, members in enumerate(self.members):
            for member in dict.fromkeys(members):
                self.parents[member].append(i)
        self.needs = {c.id: [self.place[need.criterion] for need in c.needs] for c in kb.cohorts.values()}
        self.exclusions = [self.place[need.criterion] for need in kb.exclusions]

    @cached_property
    def acts(self) -> dict[str, tuple[str, int, str]]:
        """For each concept the act by which it is found out: its id, level and words."""
        acts = {row[0]: (row[0], int(row[1]), row[2]) for row in self.kb.program.rows("act", 3)}
        return {row[0]: acts[row[1]] for row in self.kb.program.rows("obtain", 2) if row[1] in acts}

    @cached_property
    def labels(self) -> dict[str, str]:
        """Each act in words."""
        return {row[0]: row[2] for row in self.kb.program.rows("act", 3)}

    @cached_property
    def subjects(self) -> dict[str, tuple[str, str, str]]:
        """For each test that can be found out the question that it belongs to."""
        return {t.id: _subject(t) for t in self.kb.tests.values() if self.act_of(t) is not None}

    def act_of(self, test: Test) -> tuple[str, int, str] | None:
        return self.acts.get("sex" if test.selection.kind == "sex" else test.selection.concept)

    def begin(self, screening: Screening, put_off: Collection[tuple[str, str, str]] = ()) -> State:
        """Return how a screening stands; the questions in `put_off` (their keys) are not asked again."""
        return State(self, screening, frozenset(put_off))

    def question(self, key: tuple[str, str, str], tests: Iterable[str]) -> Question:
        """Return the question of a subject, for some of its tests."""
        asked = sorted(tests, key=lambda name: self.place[name])
        first = self.kb.tests[asked[0]]
        found = self.act_of(first)
        assert found is not None
        return Question(key[0], key[1], self._label(key, first), tuple(asked), found[0], found[1], key[2])

    def _label(self, key: tuple[str, str, str], test: Test) -> str:
        kind, concept, method = key
        if kind == "birth":
            return "Birth date"
        if kind == "sex":
            return "Sex"
        if kind == "direct":
            return self.kb.criteria[test.id].label
        kinds = {"value": "measurement"}
        label = self.kb.vocabulary.label(kinds.get(kind, kind), concept)
        return f"{label} ({self.kb.vocabulary.methods[method]})" if method else label


def _subject(test: Test) -> tuple[str, str, str]:
    """Return kind, concept and method of the question that a test belongs to."""
    selection = test.selection
    plain = all(condition.name in _OF_THE_DAY for condition in selection.conditions)
    method = selection.condition("method")
    word = method.word if method else ""
    if selection.kind == "sex":
        return "sex", "sex", ""
    if selection.concept == "age" and plain:
        return "birth", "age", ""
    if selection.kind == "measurement" and test.summary == "latest" and plain:
        return "value", selection.concept, word
    if selection.kind in _STATED and test.summary in ("some", "latest") and plain and not _part(selection.concept, selection.members):
        return selection.kind, selection.concept, word
    if selection.kind in ("judgement", "consent") and plain:
        return selection.kind, selection.concept, ""
    return "direct", test.id, ""


def _part(concept: str, members: Collection[str]) -> bool:
    """Tell whether some of a concept's kinds are excepted: then to say it of the whole says too much."""
    return bool(members) and concept not in members and len(members) > 0


class State:
    """How far a patient's cohorts are from being decided, and which questions would bring them nearer."""

    def __init__(self, asker: Asker, screening: Screening, put_off: frozenset[tuple[str, str, str]]) -> None:
        self.asker = asker
        self.screening = screening
        self.readings = screening.readings
        self.put_off = put_off
        self.met = [inf] * len(asker.order)
        self.unmet = [inf] * len(asker.order)
        for i, criterion in enumerate(asker.order):
            self.met[i], self.unmet[i] = self._fresh(i, criterion)
        self.work = self._work()

    # ---- the numbers -------------------------------------------------------------------------------------------------

    def _fresh(self, i: int, criterion: Criterion) -> tuple[float, float]:
        if criterion.kind == "test":
            status = self.screening.statuses[criterion.id]
            if status == MET:
                return 0, inf
            if status == UNMET:
                return inf, 0
            subject = self.asker.subjects.get(criterion.id)
            if subject is None or subject in self.put_off or self.screening.answers[criterion.id].truth is not None:
                return inf, inf
            return (self._weight(criterion.id),) * 2
        if criterion.kind == "constant":
            return (0, inf) if criterion.id == "always" else (inf, 0)
        return self._composed(i, criterion)

    def _weight(self, test: str) -> float:
        found = self.asker.act_of(self.asker.kb.tests[test])
        return WEIGHT[found[1]] if found else inf

    def _composed(self, i: int, criterion: Criterion) -> tuple[float, float]:
        members = self.asker.members[i]
        met, unmet = [self.met[m] for m in members], [self.unmet[m] for m in members]
        match criterion.kind:
            case "all_of":
                return sum(met), min(unmet)
            case "any_of":
                return min(met), sum(unmet)
            case "none_of":
                return sum(unmet), min(met)
            case "n_of":
                return sum(sorted(met)[: criterion.number]), sum(sorted(unmet)[: len(members) - criterion.number + 1])
            case "known_by":
                return min(met) if 0 not in unmet else inf, min(unmet) if 0 not in met else inf
            case "presumed_absent":
                return met[0], inf if met[0] == 0 else 0
            case "by_reading":
                pairs = zip(members, criterion.members, strict=True)
                chosen = [place for place, m in pairs if self.readings[m.detail[0]] == m.detail[1]]
                return (self.met[chosen[0]], self.unmet[chosen[0]]) if chosen else (inf, inf)
        return self._points(criterion, met, unmet)

    def _points(self, criterion: Criterion, met: list[float], unmet: list[float]) -> tuple[float, float]:
        """Return about what it takes to reach a score's threshold, and to fall short of it."""
        statuses = {
            member.id: MET if yes == 0 else UNMET if no == 0 else kleene.UNKNOWN
            for member, yes, no in zip(criterion.members, met, unmet, strict=True)
        }
        certain, possible = kleene.points(criterion, statuses)
        if certain >= criterion.number or possible < criterion.number:
            return (0, inf) if certain >= criterion.number else (inf, 0)
        weights = [abs(int(member.detail[1])) for member in criterion.members]
        up = _least(criterion.number - certain, [(cost, w) for cost, w in zip(met, weights, strict=True) if cost > 0])
        down = _least(possible - criterion.number + 1, [(cost, w) for cost, w in zip(unmet, weights, strict=True) if cost > 0])
        return up, down

    def _work(self) -> dict[str, float]:
        excluding = sum(self.unmet[i] for i in self.asker.exclusions)
        excluded = min((self.met[i] for i in self.asker.exclusions), default=inf)
        work = {}
        for cohort, needs in self.asker.needs.items():
            enter = sum([self.met[i] for i in needs], excluding)
            fail = min(min((self.unmet[i] for i in needs), default=inf), excluded)
            work[cohort] = 0 if 0 in (enter, fail) else enter if enter < inf else fail if fail < inf else 0
        return work

    def verdict(self, cohort: str) -> str:
        """Return the verdict that follows from the numbers."""
        needs = self.asker.needs[cohort]
        if any(self.unmet[i] == 0 for i in needs) or any(self.met[i] == 0 for i in self.asker.exclusions):
            return INELIGIBLE
        if all(self.met[i] == 0 for i in needs) and all(self.unmet[i] == 0 for i in self.asker.exclusions):
            return ELIGIBLE
        return UNDECIDED

    @property
    def undecided(self) -> list[str]:
        """The cohorts that are not decided."""
        return [cohort for cohort in self.asker.needs if self.verdict(cohort) == UNDECIDED]

    # ---- the questions -----------------------------------------------------------------------------------------------

    def mattering(self) -> set[str]:
        """Return the open tests that an undecided cohort still leans on."""
        undecided = self.undecided
        return self._under(undecided, lambda i: self.met[i] > 0 and self.unmet[i] > 0) if undecided else set()

    def _under(self, cohorts: Iterable[str], follow: Callable[[int], bool]) -> set[str]:
        """Return the tests under cohorts and exclusions, as the readings are read, through what `follow` lets pass."""
        asker = self.asker
        stack = [i for cohort in cohorts for i in asker.needs[cohort]] + asker.exclusions
        seen: set[int] = set()
        while stack:
            i = stack.pop()
            if i in seen or not follow(i):
                continue
            seen.add(i)
            criterion = asker.order[i]
            for member, place in zip(criterion.members, asker.members[i], strict=True):
                if criterion.kind != "by_reading" or self.readings[member.detail[0]] == member.detail[1]:
                    stack.append(place)
        return {asker.order[i].id for i in seen if asker.order[i].kind == "test"}

    def questions(self) -> list[Question]:
        """Return every question that still matters."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for name in self.mattering():
            key = self.asker.subjects.get(name)
            if key is not None and key not in self.put_off and self.screening.answers[name].truth is None:
                groups.setdefault(key, []).append(name)
        return sorted((self.asker.question(key, tests) for key, tests in groups.items()), key=lambda q: self.asker.place[q.tests[0]])

    def moot(self) -> list[str]:
        """Return the open tests that no longer matter, though the trial asks them; what is presumed absent still does."""
        presumed = [c.id for c in self.asker.order if c.kind == "presumed_absent" and self.met[self.asker.place[c.id]] > 0]
        under = {criterion.id for criterion in self.asker.kb.below(presumed)}
        asked = self._under(self.asker.needs, lambda _: True) - self.mattering() - under
        return [name for name, answer in self.screening.answers.by_test.items() if answer.truth is None and name in asked]

    def advice(self, most: int = 1) -> list[Advice]:
        """Return the best next questions, the best first; none where all is decided or nothing more can be asked."""
        before = self.work
        total = sum(before.values())
        found = []
        for question in self.questions():
            ways = [(chance, self._after(answers)) for chance, answers in self.outcomes(question)]
            left = sum(chance * sum(work.values()) for chance, work in _as_likely(ways))
            decided = {cohort for _, work in ways for cohort in work if work[cohort] == 0 < before[cohort]}
            moved = {cohort for _, work in ways for cohort in work if work[cohort] != before[cohort]}
            found.append(((total - left) / WEIGHT[question.level], question, decided, moved))
        found.sort(key=lambda row: (-row[0], row[1].level, self.asker.place[row[1].tests[0]]))
        return [self._advice(*row) for row in found[:most]]

    def _advice(self, worth: float, question: Question, decided: set[str], moved: set[str]) -> Advice:
        kb = self.asker.kb
        clauses = dict.fromkeys(
            need.clause
            for cohort in self.undecided
            for need in (*kb.cohorts[cohort].needs, *kb.exclusions)
            if self._leans(need.criterion, question.tests)
        )

        def codes(among: set[str]) -> tuple[str, ...]:
            return tuple(cohort.code for cohort in kb.cohorts.values() if cohort.id in among)

        return Advice(question, worth, tuple(clauses), codes(decided), codes(moved))

    def _leans(self, criterion: str, tests: tuple[str, ...]) -> bool:
        i = self.asker.place[criterion]
        return self.met[i] > 0 and self.unmet[i] > 0 and not self.asker.kb.leaves[criterion].isdisjoint(tests)

    def outcomes(self, question: Question) -> list[tuple[float, dict[str, bool]]]:
        """Return how a question may be answered, how likely, and what its tests then say."""
        tests = [self.asker.kb.tests[name] for name in question.tests]
        if question.kind in ("value", "birth"):
            return list(_ranges(tests))
        if question.kind == "sex":
            ways = [{t.id: t.selection.concept == sex for t in tests} for sex in ("female", "male")]
            return [(0.5, way) for way in ways]
        present = LIKELY_PRESENT if tests[0].selection.kind in _STATED else 0.5
        yes = {t.id: t.comparison.op != "absent" for t in tests}
        return [(present, yes), (1 - present, {name: not way for name, way in yes.items()})]

    def _after(self, answers: Mapping[str, bool]) -> dict[str, float]:
        """Return the work left of every cohort once some tests are answered; the state stays as it is."""
        undo: list[tuple[int, float, float]] = []
        queue: list[int] = []
        for name, yes in answers.items():
            i = self.asker.place[name]
            undo.append((i, self.met[i], self.unmet[i]))
            self.met[i], self.unmet[i] = (0, inf) if yes else (inf, 0)
            queue += self.asker.parents[i]
        queue = list(dict.fromkeys(queue))
        heapq.heapify(queue)
        waiting = set(queue)
        while queue:
            i = heapq.heappop(queue)
            waiting.discard(i)
            met, unmet = self._composed(i, self.asker.order[i])
            if (met, unmet) != (self.met[i], self.unmet[i]):
                undo.append((i, self.met[i], self.unmet[i]))
                self.met[i], self.unmet[i] = met, unmet
                for parent in self.asker.parents[i]:
                    if parent not in waiting:
                        waiting.add(parent)
                        heapq.heappush(queue, parent)
        work = self._work()
        for i, met, unmet in reversed(undo):
            self.met[i], self.unmet[i] = met, unmet
        return work


def _as_likely(ways: list[tuple[float, dict[str, float]]]) -> list[tuple[float, dict[str, float]]]:
    """Return the outcomes with those that leave no work at all made as unlikely as they are."""
    closing = sum(chance for chance, work in ways if not any(work.values()))
    if closing <= SHUTS_OUT or closing >= 1:
        return ways
    rest = (1 - SHUTS_OUT) / (1 - closing)
    return [(chance * (rest if any(work.values()) else SHUTS_OUT / closing), work) for chance, work in ways]


def _least(points: int, ways: list[tuple[float, int]]) -> float:
    """Return about the least cost of so many points, the cheapest by the point first."""
    total = 0.0
    for cost, weight in sorted(ways, key=lambda way: (way[0] / way[1] if way[1] else inf)):
        if points <= 0:
            break
        total += cost
        points -= weight
    return total if points <= 0 else inf


def _ranges(tests: list[Test]) -> Iterator[tuple[float, dict[str, bool]]]:
    """Yield the ranges in which one value may lie, each as what the tests then say; values of several scales stand by themselves."""
    scales: dict[str, list[Test]] = {}
    for test in tests:
        scales.setdefault("|".join(sorted({t.limit or t.unit for t in test.comparison.thresholds})), []).append(test)
    for alike in scales.values():
        ways: dict[tuple[bool, ...], int] = {}
        for sample in cells.samples(alike):
            ways[tuple(cells.holds(test, sample) for test in alike)] = 1
        for way in ways:
            yield 1 / len(ways) / len(scales), dict(zip((t.id for t in alike), way, strict=True))

