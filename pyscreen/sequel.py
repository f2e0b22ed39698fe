"""The record as it will be once a plan has been carried out: what was found out written as items, where items can say it.

A value that answers several tests is one measurement; a finding, procedure, event, judgement or consent is a statement of the day; a
dose that is lowered ends the courses that go on and begins another. What no item of one day can say is answered directly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from . import cells
from .answers import Answers, answer
from .dates import When
from .knowledge import KnowledgeBase
from .quantities import Interval, outside, show
from .questions import Condition, Test
from .record import DirectAnswer, Dose, Measurement, Record, Statement, Therapy
from .truth import Truth

_SECTIONS = {
    "finding": "findings",
    "procedure": "procedures",
    "event": "events",
    "judgement": "judgements",
    "consent": "consents",
}
_ATTESTED = ("judgement", "consent")


def after(kb: KnowledgeBase, record: Record, aims: Mapping[str, bool], day: date, moved: date | None = None) -> Record:
    """Return the record of a day on which the aims were reached; doses were moved on the day `moved` (default: that day)."""
    tests = [kb.tests[name] for name in aims]
    known = answer(record, tests, kb.vocabulary, day)
    made = _with_values(kb, record, [t for t in tests if _measured(t, aims[t.id])], aims, day)
    for test in tests:
        if test.selection.kind in _SECTIONS and test.summary in ("some", "latest"):
            made = _with_statement(kb, made, test, aims[test.id], day)
        elif test.summary == "daily_dose" and known[test.id].truth is False and aims[test.id]:
            made = _with_dose(kb, made, test, moved or day)
    given = answer(made, tests, kb.vocabulary, day)
    said = [
        DirectAnswer(test.id, aims[test.id], day)
        for test in tests
        if given[test.id].truth is None and test.selection.kind not in _ATTESTED
    ]
    return replace(made, answers=(*made.answers, *said))


def told(
    kb: KnowledgeBase, record: Record, aims: Mapping[str, bool], said: Iterable[str], day: date, moved: date | None = None
) -> Record:
    """Return the same with the aims in `said` as direct answers of the day; judgements and consents as what they are.

    Where the record says otherwise, or contradicts itself, a direct answer settles nothing: there an item is written all the same.
    """
    direct = {name: aims[name] for name in said}
    made = after(kb, record, {name: yes for name, yes in aims.items() if name not in direct}, day, moved)
    for name, yes in direct.items():
        test = kb.tests[name]
        if test.selection.kind in _ATTESTED:
            made = _with_statement(kb, made, test, yes, day)
        else:
            made = replace(made, answers=(*made.answers, DirectAnswer(name, yes, day)))
    given = answer(made, [kb.tests[name] for name in direct], kb.vocabulary, day)
    settled = [name for name, yes in direct.items() if given[name].truth is yes]
    return made if len(settled) == len(direct) else told(kb, record, aims, settled, day, moved)


def _measured(test: Test, yes: bool) -> bool:
    """Tell whether one value can answer a test: of the latest it is the answer, of "some" only where it is so."""
    return test.selection.kind == "measurement" and (test.summary == "latest" or (test.summary == "some" and yes))


# ---- values ----------------------------------------------------------------------------------------------------------


def _with_values(kb: KnowledgeBase, record: Record, tests: list[Test], aims: Mapping[str, bool], day: date) -> Record:
    by_items: dict[tuple[str, str | None], list[Test]] = {}
    for test in tests:
        by_items.setdefault((test.selection.concept, _method(test)), []).append(test)
    made = record
    for (concept, method), asked in by_items.items():
        value = _value(kb, made, concept, method, asked, aims, day)
        if value is not None:
            made = replace(made, measurements=(*made.measurements, value))
    return made


def _method(test: Test) -> str | None:
    condition = test.selection.condition("method")
    return condition.word if condition else None


def _value(
    kb: KnowledgeBase,
    record: Record,
    concept: str,
    method: str | None,
    tests: list[Test],
    aims: Mapping[str, bool],
    day: date,
) -> Measurement | None:
    """Return a measurement that answers all the tests as wanted, and no other aim otherwise: of those that upset the fewest further
    answers the one in the middle."""
    about = [t for t in kb.tests.values() if t.selection.concept == concept and t.selection.kind == "measurement"]
    before = answer(record, about, kb.vocabulary, day)
    others = [test.id for test in about if test.id not in aims]
    fitting: dict[int, list[Measurement]] = {}
    possible = kb.vocabulary.quantities[concept].possible
    for number in dict.fromkeys((*_samples(tests), *_samples(about))):
        if 0 in fitting:
            break
        if outside(Interval.exactly(number), possible):
            continue
        one = Fraction(1)
        value = Measurement(concept, Interval.exactly(number), show(number), When.on(day), one, one, method)
        given = answer(replace(record, measurements=(*record.measurements, value)), about, kb.vocabulary, day)
        if all(given[t.id].truth is aims[t.id] for t in tests) and not _against(given, before, aims):
            upset = [name for name in others if _upsets(kb, name, before[name].truth, given[name].truth)]
            fitting.setdefault(len(upset), []).append(value)
    best = fitting[min(fitting)] if fitting else []
    return best[len(best) // 2] if best else None


def _against(given: Answers, before: Answers, aims: Mapping[str, bool]) -> bool:
    """Tell whether an aim that was open is answered otherwise."""
    named = (name for name in given.by_test if name in aims and before[name].truth is None)
    return any(given[name].truth is (not aims[name]) for name in named)


def _upsets(kb: KnowledgeBase, test: str, before: Truth, now: Truth) -> bool:
    """Tell whether a value answers a further test in a way that may spoil something: otherwise, or so that it raises a doubt."""
    return now is not before if before is not None else bool(now) and test in kb.doubting


def _samples(tests: Iterable[Test]) -> list[Fraction]:
    """Return a number in every range between the thresholds."""
    conditions = (test.selection.condition("value") for test in tests)
    compared = [*(test.comparison for test in tests), *(c.comparison for c in conditions if c and c.comparison)]
    numbers = sorted({threshold.number for comparison in compared for threshold in comparison.thresholds})
    return [cell.sample for cell in cells.cut(numbers)] or [Fraction(1)]


# ---- statements ------------------------------------------------------------------------------------------------------


def _with_statement(kb: KnowledgeBase, record: Record, test: Test, yes: bool, day: date) -> Record:
    """Return the record with what the test asks for stated on a day, or its absence; unchanged where conditions ask for more."""
    if not all(_of_the_day(condition) for condition in test.selection.conditions):
        return record
    selection, present = test.selection, yes is (test.comparison.op == "present")
    concept = selection.concept
    if present and selection.members:
        own = (m for m in sorted(selection.members) if kb.vocabulary.members(m) <= selection.members)
        concept = concept if kb.vocabulary.members(concept) <= selection.members else next(own, concept)
    section = _SECTIONS[selection.kind]
    statement = Statement(concept, present, When.on(day), stated=When.on(day), method=_method(test))
    held: tuple[Statement, ...] = getattr(record, section)
    extended: dict[str, Any] = {section: (*held, statement)}
    return record if statement in held else replace(record, **extended)


def _of_the_day(condition: Condition) -> bool:
    """Tell whether something of the day itself meets a condition."""
    return condition.name in ("newest", "within", "method")


# ---- doses -----------------------------------------------------------------------------------------------------------


def _with_dose(kb: KnowledgeBase, record: Record, test: Test, day: date) -> Record:
    """Return the record with the courses that go on ended, and one of them carried on at a dose that is low enough."""
    members, threshold = test.selection.members, test.comparison.thresholds[0]
    going = [t for t in record.therapies if t.concept in members and t.taken and not t.planned and _goes_on(t, day)]
    if not going:
        return record
    drug = going[0].concept
    factor = Fraction(1)
    if test.selection.concept in kb.vocabulary.equivalents:
        factor = kb.vocabulary.equivalents[test.selection.concept][1].get(drug, factor)
    amount = threshold.number / factor / (2 if test.comparison.op == "below" else 1)
    ended = When.on(day - timedelta(days=1))
    kept = [replace(t, end=ended, ongoing=False) if any(t is one for one in going) else t for t in record.therapies]
    lower = Therapy(drug, Dose(amount, threshold.unit), f"{show(amount)} {threshold.unit}", start=When.on(day), ongoing=True)
    return replace(record, therapies=(*kept, lower))


def _goes_on(therapy: Therapy, day: date) -> bool:
    return therapy.ongoing or (therapy.end is not None and therapy.end.latest >= day)
