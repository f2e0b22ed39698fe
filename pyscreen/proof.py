"""Plans put to the proof: carried out on the record, and decided again as far as what is new can matter.

What a plan finds out enters a record as items, or as direct answers. An item says more than a test asked for: a value may put another
fact in doubt, or answer a further test otherwise. So a plan is shown only where both ways make the cohort eligible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from . import cells, derived, sequel
from .answers import answer
from .form import SECTIONS
from .knowledge import KnowledgeBase
from .questions import Selection, Test
from .record import Record
from .truth import Truth

Truths = Mapping[str, Truth]
_Concept = tuple[str, str]


class Readers:
    """Which tests read what is said of a concept."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb
        self._of: dict[_Concept, set[str]] = {}
        for test in kb.tests.values():
            for selection in _selections(test):
                for concept in _read(selection):
                    self._of.setdefault(concept, set()).add(test.id)

    def of_new(self, old: Record, new: Record) -> frozenset[str]:
        """Return the tests that may be answered otherwise because the sections of two records differ."""
        found = {direct.test for direct in new.answers if direct not in old.answers}
        for kind, concept in _differing(old, new):
            for name in self.kb.vocabulary.members(concept) | {concept}:
                found |= self._of.get((kind, name), set())
        return frozenset(found & self.kb.tests.keys())


def _selections(test: Test) -> Iterator[Selection]:
    stack = [test.selection]
    while stack:
        selection = stack.pop()
        yield selection
        stack += [condition.selection for condition in selection.conditions if condition.selection]


def _read(selection: Selection) -> Iterator[_Concept]:
    """Yield the concepts of which a selection reads the items: also those from which a value is computed."""
    yield from ((selection.kind, name) for name in selection.members or (selection.concept,))
    if selection.kind == "measurement":
        yield from ((selection.kind, name) for name in derived.INPUTS.get(selection.concept, ()))
    if selection.kind == "therapy":
        yield "measurement", "weight"


def _differing(old: Record, new: Record) -> Iterator[_Concept]:
    """Yield the kind and concept of every item that only one of two records has."""
    for section, kind in SECTIONS.items():
        before, after = getattr(old, section), getattr(new, section)
        if before is not after:
            one, other = {id(item): item for item in before}, {id(item): item for item in after}
            yield from ((kind, (one.get(key) or other[key]).concept) for key in one.keys() ^ other.keys())


@dataclass(frozen=True)
class Trial:
    """A plan to be proven: what it finds out and what it changes, when; the answers of its day if nothing is done.

    `before` holds the tests that its cohort leans on; `decide` tells from answers to them whether the cohort is eligible.
    """

    record: Record
    day: date
    start: date
    found: Mapping[str, bool]
    changed: Mapping[str, bool]
    before: Truths
    decide: Callable[[Truths], bool]


class Prover:
    """A knowledge base made ready to prove plans."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb
        self._readers = Readers(kb)
        self._renewed = cells.renewed(kb.tests.values())

    def spoilers(self, trial: Trial) -> list[str]:
        """Return the aims that, written as items, keep the cohort from being eligible; none where the plan does in both forms.

        An aim that cannot be reached at all, since the record contradicts itself, stands for the others.
        """
        by_concept: dict[_Concept, list[str]] = {}
        for name in trial.found:
            selection = self.kb.tests[name].selection
            by_concept.setdefault((selection.kind, selection.concept), []).append(name)
        answers = self._carried_out(trial, trial.found)
        missed = [name for name, yes in trial.found.items() if answers[name] is not yes]
        if missed or not trial.decide(answers):
            return missed[:1] or [*trial.found, *trial.changed]
        if trial.decide(self._carried_out(trial, ())):
            return []
        for names in by_concept.values():
            if not trial.decide(self._carried_out(trial, [name for name in trial.found if name not in names])):
                return names
        told: list[str] = []
        for names in by_concept.values():
            if not trial.decide(self._carried_out(trial, [*told, *names])):
                told += names
        return [name for name in trial.found if name not in told]

    def doubts(self, trial: Trial) -> Iterator[tuple[dict[str, bool], str]]:
        """Yield aims of one value, and a test of which the value must say no too, lest it put in doubt what the cohort leans on."""
        for group in self._renewed:
            aims = {test.id: trial.found[test.id] for test in group if test.id in trial.found}
            asked = [test for test in group if test.id in aims]
            for test in group if aims else ():
                if test.id in aims or test.id not in self.kb.doubting or trial.before.get(test.id, True) is not None:
                    continue
                both = any(cells.holds(test, value) and _fits(asked, aims, value) for value in cells.samples(group))
                if both and not trial.decide({**trial.before, **trial.found, **trial.changed, test.id: True}):
                    yield aims, test.id

    def _carried_out(self, trial: Trial, told: Iterable[str]) -> dict[str, Truth]:
        """Return the answers once the plan is carried out, some of its aims as direct answers."""
        aims = {**trial.found, **trial.changed}
        made = sequel.told(self.kb, trial.record, aims, told, trial.day, trial.start)
        names = sorted(self._readers.of_new(trial.record, made) & trial.before.keys())
        given = answer(made, [self.kb.tests[name] for name in names], self.kb.vocabulary, trial.day)
        return {**trial.before, **{name: given[name].truth for name in names}}


def _fits(tests: Iterable[Test], aims: Mapping[str, bool], value: Fraction) -> bool:
    return all(cells.holds(test, value) is aims[test.id] for test in tests)
