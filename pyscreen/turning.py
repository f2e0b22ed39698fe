"""The days on which time alone may turn the answer to a test: a window closes, an age is reached, a drug was stopped long enough ago.

An answer can turn only on a day that lies as far from a date of the record as the test says, or next to it. Those days are few;
they are tried one by one, so the first day found is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from fractions import Fraction

from .answers import Answer, Answers, answer
from .dates import Duration, When, shift
from .items import Item, Patient
from .questions import Comparison, Selection, Test
from .record import Record
from .truth import Truth
from .vocabulary import Vocabulary

HORIZON = timedelta(days=366 * 20)
"""How far ahead is looked."""
_NOTHING = Duration(0, "d")
_MONTH_ENDS = range(-1, 5)
"""Months differ in length: counted back and counted forth, they may miss each other by so many days."""


class Ahead:
    """A record as it will be answered on later days, if nothing is added to it."""

    def __init__(self, record: Record, answers: Answers, vocabulary: Vocabulary) -> None:
        self.record = record
        self.answers = answers
        self.vocabulary = vocabulary
        self.day = answers.day
        self._patients: dict[date, Patient] = {}
        self._known: dict[tuple[str, date], Answer] = {}
        self._days: dict[str, list[date]] = {}
        self._later = sorted({day for when in _dates(record) for day in (when.earliest, when.latest) if day > self.day})
        by_weight = any(measurement.concept == "weight" for measurement in record.measurements)
        self._settled = not self._later and not (by_weight and any(t.start is None for t in record.therapies))

    def answer(self, test: Test, day: date) -> Answer:
        """Return the answer of a later day."""
        if day == self.day or not self.may_turn(test):
            return self.answers[test.id]
        key = (test.id, day)
        if key not in self._known:
            self._known[key] = answer(self.record, [test], self.vocabulary, day, self._patients)[test.id]
        return self._known[key]

    def may_turn(self, test: Test) -> bool:
        """Tell whether a test's answer may be another one on a later day."""
        return test.bound_to_time or not self._settled

    def turns(self, test: Test) -> date | None:
        """Return the first later day on which a known answer is the opposite of the screening day's."""
        now = self.answers[test.id].truth
        return None if now is None else self._first(test, self.day, lambda truth: truth is (not now))

    def changes(self, test: Test, since: date) -> date | None:
        """Return the first day after `since` on which the answer is another one, or no longer known."""
        now = self.answer(test, since).truth
        return self._first(test, since, lambda truth: truth is not now)

    def _first(self, test: Test, since: date, accepts: Callable[[Truth], bool]) -> date | None:
        later = (day for day in self.days(test) if day > since)
        return next((day for day in later if accepts(self.answer(test, day).truth)), None)

    def days(self, test: Test) -> list[date]:
        """Return, in order, the later days on which a test's answer may turn."""
        if test.id not in self._days:
            found = set(self._candidates(test)) if self.may_turn(test) else set()
            self._days[test.id] = sorted(day for day in found if self.day < day <= self.day + HORIZON)
        return self._days[test.id]

    def _candidates(self, test: Test) -> Iterator[date]:
        selections = list(_selections(test.selection))
        durations = set(_durations(test, selections, self.vocabulary))
        two_steps = any(_from_elsewhere(selection) for selection in selections)
        for base in self._bases(selections):
            yield from _around(base, _NOTHING)
            for duration in durations:
                for reached in _around(base, duration):
                    yield reached
                    if two_steps:
                        yield from (day for other in durations for day in _around(reached, other))

    def _bases(self, selections: Iterable[Selection]) -> set[date]:
        """Return the dates of the record that a test may count from."""
        patient = self._patients.setdefault(self.day, Patient(self.record, self.day, self.vocabulary))
        whens = [self.record.birth, *(when for s in selections for item in patient.items(s) for when in _whens(item))]
        found = {day for when in whens if when for day in (when.earliest, when.latest)}
        return found | set(self._later) | ({self.record.recorded} if self.record.recorded else set())


def _from_elsewhere(selection: Selection) -> bool:
    """Tell whether a time is counted from a day that itself lies a time away from an item or from the screening date."""
    anchored = (condition.selection for condition in selection.conditions if condition.name in ("within", "inside"))
    return selection.condition("as_of") is not None or any(anchored)


def _around(day: date, duration: Duration) -> list[date]:
    """Return the days on which a time from a day is over, or just over."""
    days = (0, 1) if duration.unit in ("d", "wk") else _MONTH_ENDS
    try:
        return [shift(day, duration) + timedelta(days=n) for n in days]
    except (ValueError, OverflowError):
        return []


def _selections(selection: Selection) -> Iterator[Selection]:
    yield selection
    for condition in selection.conditions:
        if condition.selection is not None:
            yield from _selections(condition.selection)


def _durations(test: Test, selections: Iterable[Selection], vocabulary: Vocabulary) -> Iterator[Duration]:
    yield from _compared(test.comparison)
    if test.selection.concept == "age":
        for threshold in test.comparison.thresholds:
            yield from (Duration(int(threshold.number) + more, "a") for more in (0, 1))
    for selection in selections:
        for condition in selection.conditions:
            if condition.duration is not None:
                yield condition.duration
            if condition.comparison is not None:
                yield from _compared(condition.comparison)
            for drug in selection.members if condition.half_lives else ():
                yield Duration(int(condition.half_lives * vocabulary.half_lives.get(drug, Fraction(0))), "d")


def _compared(comparison: Comparison) -> Iterator[Duration]:
    yield from (threshold.duration for threshold in comparison.thresholds if threshold.duration is not None)


def _whens(item: Item) -> Iterator[When | None]:
    yield from (item.start, item.end, item.stated)
    for part in (*item.parts, *item.rest):
        yield from (part.start, part.end)


def _dates(record: Record) -> Iterator[When]:
    """Yield every date of a record."""
    statements = (*record.findings, *record.events, *record.procedures, *record.judgements, *record.consents)
    whens = [record.died, *(measurement.when for measurement in record.measurements)]
    whens += [when for statement in statements for when in (statement.when, statement.end, statement.stated)]
    whens += [when for therapy in record.therapies for when in (therapy.start, therapy.end)]
    yield from (when for when in whens if when is not None)
    yield from (When.on(answer.day) for answer in record.answers)
    if record.recorded is not None:
        yield When.on(record.recorded)
