"""Items of a record as tests see them on a screening date, and whether one item meets conditions (yes, no, unknown).

A course of a drug is made of contiguous entries of that drug that meet the dose conditions; every condition of a test is then
put to that same course. An attribute that is not recorded makes a condition unknown, never false.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import cast

from . import derived
from .dates import Duration, SpanOp, When, compare_span, shift
from .quantities import Interval, Op, compare, show
from .questions import Comparison, Condition, Selection, Threshold
from .record import Dose, Measurement, Record, Statement, Therapy
from .truth import Truth, both, either
from .vocabulary import Vocabulary

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Item:
    """One item: what it is, when, its value or dose, and the words to show it by.

    `start` to `end` is its extent; `ongoing` when it had not ended on the screening date; `stated` the day it was last known to be
    so; `present` false for a statement that something is not so.
    """

    kind: str
    concept: str
    text: str
    start: When | None = None
    end: When | None = None
    ongoing: bool = False
    stated: When | None = None
    present: bool = True
    value: Interval | None = None
    low: Fraction | None = None
    high: Fraction | None = None
    method: str | None = None
    response: str | None = None
    reasons: tuple[str, ...] = ()
    whole: bool | None = True
    id: str | None = None
    parts: tuple[Therapy, ...] = field(default=(), repr=False)


class Patient:
    """A record as of a screening date, in the words of a vocabulary."""

    def __init__(self, record: Record, day: date, vocabulary: Vocabulary) -> None:
        self.record = record
        self.day = day
        self.vocabulary = vocabulary
        self._selected: dict[Selection, tuple[Item, ...]] = {}
        self._matched: dict[Selection, list[tuple[Item, Truth, tuple[str, ...]]]] = {}

    # ---- which items -------------------------------------------------------------------------------------------------

    def items(self, selection: Selection) -> tuple[Item, ...]:
        """Return the items of a selection's kind and concept that count on the screening date, conditions not yet applied."""
        if selection not in self._selected:
            reader = {"measurement": self._measurements, "therapy": self._courses, "sex": self._sex}
            found = reader.get(selection.kind, self._statements)(selection)
            self._selected[selection] = tuple(item for item in found if not self._lies_ahead(item.start))
        return self._selected[selection]

    def _lies_ahead(self, when: When | None) -> bool:
        return when is not None and when.earliest > self.day

    def _clamped(self, when: When | None) -> When | None:
        """A partly known date of something already recorded cannot lie after the screening date."""
        if when is None or when.latest <= self.day or when.earliest > self.day:
            return when
        return When(when.earliest, self.day, when.clock)

    def _sex(self, selection: Selection) -> Iterator[Item]:
        if self.record.sex is not None:
            yield Item("sex", self.record.sex, f"sex: {self.record.sex}", present=self.record.sex == selection.concept)

    def _measurements(self, selection: Selection) -> Iterator[Item]:
        label = self.vocabulary.label("measurement", selection.concept)
        for value in derived.measurements(self.record, selection.concept, self.vocabulary.derived, self.day):
            yield self._measured(value, label)

    def _measured(self, value: Measurement, label: str) -> Item:
        when = self._clamped(value.when)
        text = f"{label} {value.text}" + (f" ({value.side})" if value.side else "")
        return Item(
            "measurement", value.concept, text, when, when, stated=when, value=value.value, low=value.low, high=value.high,
            method=value.method, id=value.id,
        )  # fmt: skip

    def _statements(self, selection: Selection) -> Iterator[Item]:
        for statement in self.record.statements(selection.kind):
            if statement.concept == selection.concept and not statement.planned:
                yield self._stated(selection.kind, statement)

    def _stated(self, kind: str, statement: Statement) -> Item:
        label = self.vocabulary.label(kind, statement.concept)
        words = {
            "finding": ("present", "absent"),
            "judgement": ("yes", "no"),
            "consent": ("given", "not given"),
            "procedure": ("done", "not done"),
            "event": ("happened", "did not happen"),
        }[kind]
        text = f"{label}: {words[0] if statement.present else words[1]}"
        if statement.by:
            text += f" ({statement.by})"
        start = self._clamped(statement.when)
        end = statement.end
        if kind in ("event", "procedure", "judgement", "consent"):
            end = start
        ongoing = statement.ongoing or (end is not None and end.earliest > self.day)
        stated = statement.stated or statement.when
        if ongoing:
            stated = When.on(min(self.day, self.record.recorded or self.day))
            end = None
        return Item(
            kind, statement.concept, text, start, end, ongoing, self._clamped(stated), statement.present,
            method=statement.method, id=statement.id,
        )  # fmt: skip

    # ---- courses -----------------------------------------------------------------------------------------------------

    def _courses(self, selection: Selection) -> Iterator[Item]:
        taken = [t for t in self.record.therapies if t.concept in selection.members and t.taken and not t.planned]
        taken = [t for t in taken if not self._lies_ahead(t.start) and not self._is_local(selection, t)]
        for drug in sorted({therapy.concept for therapy in taken}):
            entries = sorted((t for t in taken if t.concept == drug), key=_by_start)
            for chain in _contiguous(entries):
                yield from self._runs(selection, chain)

    def _is_local(self, selection: Selection, therapy: Therapy) -> bool:
        """A dose on the skin or inhaled has no equivalent."""
        return selection.concept in self.vocabulary.equivalents and therapy.route in self.vocabulary.local_routes

    def _runs(self, selection: Selection, chain: list[Therapy]) -> Iterator[Item]:
        """Split a chain of contiguous entries into the runs whose dose and route fit."""
        run: list[Therapy] = []
        truths: list[Truth] = []
        for entry in chain:
            truth = both(self._entry_meets(selection, entry, condition) for condition in selection.conditions)
            if truth is not False:
                run.append(entry)
                truths.append(truth)
                continue
            if run:
                yield self._course(run, chain, both(truths))
            run, truths = [], []
        if run:
            yield self._course(run, chain, both(truths))

    def _entry_meets(self, selection: Selection, entry: Therapy, condition: Condition) -> Truth:
        if condition.name == "route":
            return None if entry.route is None else entry.route == condition.word
        if condition.name == "dose" and condition.comparison:
            return self._dose_meets(selection, entry, condition.comparison)
        return True

    def _course(self, run: list[Therapy], chain: list[Therapy], whole: Truth) -> Item:
        first, last = run[0], run[-1]
        later = chain[chain.index(last) :]
        response = next((t.response for t in [*reversed(run), *later] if t.response), None)
        reasons = tuple(dict.fromkeys(reason for t in chain for reason in t.reasons))
        ongoing = last.ongoing or (last.end is not None and last.end.earliest > self.day)
        doses = list(dict.fromkeys(t.text for t in run if t.text))
        period = f"{first.start or '?'} to {'ongoing' if ongoing else last.end or '?'}"
        label = self.vocabulary.label("therapy", first.concept)
        text = " ".join([label, *([", ".join(doses)] if doses else []), period])
        if response:
            text += f", response: {response}"
        ids = " ".join(dict.fromkeys(t.id for t in run if t.id)) or None
        end = None if ongoing else last.end
        return Item(
            "therapy", first.concept, text, self._clamped(first.start), end, ongoing, response=response, reasons=reasons,
            whole=whole, id=ids, parts=tuple(run),
        )  # fmt: skip

    def daily_dose(self, selection: Selection, entry: Therapy, unit: str) -> Interval | None:
        """Return the daily dose of an entry in the unit asked for and in the class's equivalent; None where it cannot be told."""
        if entry.dose is None:
            return None
        factor = Fraction(1)
        if selection.concept in self.vocabulary.equivalents:
            factors = self.vocabulary.equivalents[selection.concept][1]
            if entry.concept not in factors:
                return None
            factor = factors[entry.concept]
        return self._in_unit(entry.dose, factor, unit, entry.start)

    def _in_unit(self, dose: Dose, factor: Fraction, unit: str, when: When | None) -> Interval | None:
        amount = dose.amount * factor
        if dose.unit == unit:
            return Interval.exactly(amount)
        weight = self.weight_near(when)
        if weight is None or weight.low is None or weight.high is None or not weight.low > 0:
            return None
        if (dose.unit, unit) == ("mg/d", "mg/kg/d"):
            return Interval(amount / weight.high, amount / weight.low)
        if (dose.unit, unit) == ("mg/kg/d", "mg/d"):
            return Interval(amount * weight.low, amount * weight.high)
        return None

    def weight_near(self, when: When | None) -> Interval | None:
        """Return the weight measured nearest in time, the earlier of two equally near, both if they share a day."""
        weights = [
            m for m in self.record.measurements if m.concept == "weight" and m.when and m.when.earliest <= self.day
        ]
        if not weights:
            return None
        target = when.earliest if when else self.day

        def distance(value: Measurement) -> tuple[int, date]:
            assert value.when is not None
            return abs((value.when.earliest - target).days), value.when.earliest

        nearest = min(distance(value) for value in weights)
        same = [value.value for value in weights if distance(value) == nearest]
        lows = [value.low for value in same if value.low is not None]
        highs = [value.high for value in same if value.high is not None]
        if len(lows) < len(same) or len(highs) < len(same):
            return None
        return Interval(min(lows), max(highs))

    def _dose_meets(self, selection: Selection, entry: Therapy, comparison: Comparison) -> Truth:
        dose = self.daily_dose(selection, entry, comparison.thresholds[0].unit)
        return None if dose is None else meets(dose, comparison)

    # ---- which items meet the conditions -----------------------------------------------------------------------------

    def matched(self, selection: Selection) -> list[tuple[Item, Truth, tuple[str, ...]]]:
        """Return every item with whether it meets all conditions, and what is not known where that is open."""
        if selection not in self._matched:
            self._matched[selection] = [(item, *self._meets_all(selection, item)) for item in self.items(selection)]
        return self._matched[selection]

    def _meets_all(self, selection: Selection, item: Item) -> tuple[Truth, tuple[str, ...]]:
        truths: list[Truth] = [item.whole]
        doubts = [] if item.whole is not None else ["the dose or route is not known exactly"]
        for condition in selection.conditions:
            if condition.name in ("dose", "route", "newest"):
                continue
            truth = self._meets(item, condition)
            truths.append(truth)
            if truth is None:
                doubts.append(_doubt(condition))
        verdict = both(truths)
        return verdict, tuple(doubts) if verdict is None else ()

    def _meets(self, item: Item, condition: Condition) -> Truth:
        match condition.name:
            case "within":
                window = self.window(condition)
                return self._in_window(item, window)
            case "ongoing":
                return self._is_ongoing(item)
            case "lasting":
                return self._lasts(item, condition.comparison) if item.whole else None
            case "outcome":
                responses = self.vocabulary.outcomes[condition.word]
                return None if item.response is None else item.response in responses
            case "for":
                return (condition.word in item.reasons) if item.reasons else None
            case "method":
                return None if item.method is None else item.method == condition.word
            case "value":
                return self.value_meets(item, condition.comparison)
            case "with":
                return self._with(item, condition)
            case "after":
                return self._after(item, condition)
            case "near":
                return self._near(item, condition)
            case "age":
                return self._age_at(item, condition)
        raise AssertionError(condition.name)

    def window(self, condition: Condition) -> tuple[date, date]:
        """Return the first and last day of a look-back window, both inside."""
        assert condition.duration is not None
        anchor = self.day
        if condition.selection is not None:
            anchor = self._planned_day(condition.selection) or self.day
        return shift(anchor, condition.duration, -1), self.day

    def _planned_day(self, selection: Selection) -> date | None:
        """Return the day of the next planned item of a selection, else of its last recorded one."""
        if selection.kind in ("therapy", "measurement", "sex"):
            return None
        planned = [
            s.when.earliest
            for s in self.record.statements(selection.kind)
            if s.concept == selection.concept and s.when and s.when.exact and s.when.earliest >= self.day
        ]
        past = [
            item.start.earliest for item in self.items(selection) if item.present and item.start and item.start.exact
        ]
        return min(planned) if planned else max(past, default=None)

    def _in_window(self, item: Item, window: tuple[date, date]) -> Truth:
        first, last = window
        if item.kind in ("finding", "therapy") and item.present:
            return _overlap(*self._certain(item), *self._possible(item), first, last)
        when = item.stated if item.kind == "finding" else item.start
        if when is None:
            return None
        if first <= when.earliest and when.latest <= last:
            return True
        return False if when.latest < first or when.earliest > last else None

    def _certain(self, item: Item) -> tuple[date | None, date | None]:
        """The days on which the item certainly was so."""
        if item.start is None:
            known = self.day if item.ongoing else (item.stated.latest if item.stated and item.stated.exact else None)
            return known, known
        first = item.start.latest
        if item.ongoing:
            return first, self.day
        if item.end is not None:
            return first, max(first, item.end.earliest)
        return first, max(first, item.stated.earliest) if item.stated else first

    def _possible(self, item: Item) -> tuple[date, date]:
        """The days on which the item may have been so."""
        first = item.start.earliest if item.start else date.min
        last = item.end.latest if item.end and not item.ongoing else self.day
        return first, last

    def _is_ongoing(self, item: Item) -> Truth:
        if not item.present:
            return False
        if item.ongoing:
            return True
        if item.end is None:
            return None
        if item.end.latest < self.day:
            return False
        return True if item.end.earliest >= self.day else None

    def span(self, item: Item) -> tuple[When, When] | None:
        """Return start and end of an item, the end being the first day after it, or the screening date while it goes on."""
        if item.start is None:
            return None
        if item.ongoing:
            return item.start, When.on(self.day)
        if item.end is None:
            return item.start, When(item.start.earliest, self.day)
        return item.start, When(item.end.earliest + ONE_DAY, item.end.latest + ONE_DAY)

    def _lasts(self, item: Item, comparison: Comparison | None) -> Truth:
        span = self.span(item)
        assert comparison is not None
        return None if span is None else spans(*span, comparison)

    def _with(self, item: Item, condition: Condition) -> Truth:
        assert condition.selection is not None
        truths: list[Truth] = []
        for other, truth, _ in self.matched(condition.selection):
            if other.parts and set(map(id, other.parts)) & set(map(id, item.parts)):
                continue
            truths.append(both([truth, self._together(item, other, condition.comparison)]))
        found = either(truths)
        return None if found is False and not self.complete(condition.selection) else found

    def _together(self, item: Item, other: Item, comparison: Comparison | None) -> Truth:
        first, last = self._possible(item)
        certain = self._certain(item)
        possible_other, certain_other = self._possible(other), self._certain(other)
        if max(first, possible_other[0]) > min(last, possible_other[1]):
            return False
        if None in certain or None in certain_other:
            return None
        begin, end = max(certain[0], certain_other[0]), min(certain[1], certain_other[1])  # type: ignore[type-var]
        if begin is None or end is None or begin > end:
            return None
        if comparison is None:
            return True
        exact = all(i.start and i.start.exact and (i.ongoing or (i.end and i.end.exact)) for i in (item, other))
        goes_on = item.ongoing and other.ongoing
        return spans(When.on(begin), When.on(end if goes_on else end + ONE_DAY), comparison) if exact else None

    def _after(self, item: Item, condition: Condition) -> Truth:
        assert condition.selection is not None
        truths: list[Truth] = []
        for other, truth, _ in self.matched(condition.selection):
            truths.append(both([truth, _later(item.start, other.start), other.present]))
        found = either(truths)
        return None if found is False and not self.complete(condition.selection) else found

    def _near(self, item: Item, condition: Condition) -> Truth:
        assert condition.selection is not None
        assert condition.duration is not None
        truths: list[Truth] = []
        for other, truth, _ in self.matched(condition.selection):
            close = _within_of(item.start, other.start, condition.duration)
            truths.append(both([truth, close, other.present]))
        found = either(truths)
        return None if found is False and not self.complete(condition.selection) else found

    def _age_at(self, item: Item, condition: Condition) -> Truth:
        if self.record.birth is None or item.start is None:
            return None
        assert condition.comparison is not None
        return spans(self.record.birth, item.start, condition.comparison)

    def value_meets(self, item: Item, comparison: Comparison | None) -> Truth:
        """Compare the item's value, where needed with its laboratory's own limits."""
        if item.value is None or comparison is None:
            return None
        numbers: list[Fraction] = []
        for threshold in comparison.thresholds:
            number = _resolved(threshold, item)
            if number is None:
                return None
            numbers.append(number)
        return _compared(item.value, comparison.op, numbers)

    # ---- what is complete --------------------------------------------------------------------------------------------

    def complete(self, selection: Selection) -> bool:
        """Tell whether the record declares that it holds every item of a selection, so that what is not there is not so."""
        declared = self.record.complete
        if selection.kind == "sex":
            return True
        if f"{selection.kind}s" in declared or (selection.kind == "therapy" and "therapies" in declared):
            return True
        if selection.kind != "therapy":
            return selection.concept in declared
        closed = declared | {t.concept for t in self.record.therapies if not t.taken}
        return all(self.vocabulary.ancestors(drug) & closed for drug in selection.members)


def meets(value: Interval, comparison: Comparison) -> Truth:
    """Compare a value with the plain numbers of a comparison."""
    return _compared(value, comparison.op, [threshold.number for threshold in comparison.thresholds])


def _compared(value: Interval, op: str, numbers: list[Fraction]) -> Truth:
    if op == "between":
        return both([compare(value, "at_least", numbers[0]), compare(value, "at_most", numbers[1])])
    return compare(value, cast(Op, op), numbers[0])


def spans(start: When, end: When, comparison: Comparison) -> Truth:
    """Compare the time from start to end with durations."""
    durations = [threshold.duration or Duration(0, "d") for threshold in comparison.thresholds]
    if comparison.op == "between":
        return both(
            [compare_span(start, end, "at_least", durations[0]), compare_span(start, end, "at_most", durations[1])]
        )
    return compare_span(start, end, cast(SpanOp, comparison.op), durations[0])


def _resolved(threshold: Threshold, item: Item) -> Fraction | None:
    if not threshold.limit:
        return threshold.number
    limit = item.high if threshold.limit == "[ULN]" else item.low
    return None if limit is None else threshold.number * limit


def _later(one: When | None, other: When | None) -> Truth:
    if one is None or other is None:
        return None
    if one.earliest > other.latest:
        return True
    return False if one.latest <= other.earliest else None


def _within_of(one: When | None, other: When | None, duration: Duration) -> Truth:
    """Tell whether two days lie at most a duration apart, whichever comes first."""
    if one is None or other is None:
        return None
    if one.latest <= other.earliest or (one.exact and other.exact and one.earliest <= other.earliest):
        return compare_span(one, other, "at_most", duration)
    if other.latest <= one.earliest:
        return compare_span(other, one, "at_most", duration)
    farthest = max(
        (one.latest, other.earliest), (other.latest, one.earliest), key=lambda ends: (ends[0] - ends[1]).days
    )
    return True if shift(farthest[1], duration) >= farthest[0] else None


def _overlap(
    certain_first: date | None,
    certain_last: date | None,
    first: date,
    last: date,
    window_first: date,
    window_last: date,
) -> Truth:
    if certain_first is not None and certain_last is not None:
        shared = max(certain_first, window_first), min(certain_last, window_last)
        if certain_first <= certain_last and shared[0] <= shared[1]:
            return True
    return False if max(first, window_first) > min(last, window_last) else None


def _by_start(therapy: Therapy) -> tuple[date, date]:
    return (therapy.start.earliest, therapy.start.latest) if therapy.start else (date.max, date.max)


def _contiguous(entries: Iterable[Therapy]) -> Iterator[list[Therapy]]:
    """Group entries of one drug, in order of their start, into chains without a gap of a day."""
    chain: list[Therapy] = []
    for entry in entries:
        if chain and _follows(chain[-1], entry):
            chain.append(entry)
            continue
        if chain:
            yield chain
        chain = [entry]
    if chain:
        yield chain


def _follows(before: Therapy, after: Therapy) -> bool:
    if not (before.end and before.end.exact and after.start and after.start.exact) or before.ongoing:
        return False
    return after.start.earliest <= before.end.earliest + ONE_DAY


def _doubt(condition: Condition) -> str:
    words = {
        "within": "its date is not known well enough",
        "ongoing": "whether it still goes on is not recorded",
        "lasting": "how long it lasted is not known well enough",
        "outcome": "the response is not recorded",
        "for": "what it was given for is not recorded",
        "method": "the method is not recorded",
        "value": "the value does not settle it",
        "age": "the age at the time is not known well enough",
    }
    if condition.name in ("with", "after", "near"):
        assert condition.selection is not None
        return f"'{condition.name} {condition.selection.label}' is not settled by the record"
    return words[condition.name]


def shown(value: Interval) -> str:
    """Write an interval for people."""
    if value.low is not None and value.low == value.high:
        return show(value.low)
    return str(value)
