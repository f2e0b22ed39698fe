"""Items of a record as tests see them on a screening date, and whether one item meets conditions (yes, no, unknown).

A course of a drug is made of entries of that drug that meet the dose conditions and touch or overlap; every condition of a test
is then put to that same course. Where it is not known whether entries touch, or meet the dose conditions, the extent of the course
is not known either. An attribute that is not recorded makes a condition unknown, never false.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import cached_property
from typing import cast

from . import derived
from .dates import Duration, Span, SpanOp, When, compare, compare_span, shift, shift_when
from .quantities import Interval, Op, show
from .quantities import compare as compare_value
from .questions import Comparison, Condition, Selection, Threshold
from .record import Dose, Measurement, Record, Statement, Therapy
from .truth import Truth, both, either
from .vocabulary import Vocabulary

ONE_DAY = timedelta(days=1)
LONG_AGO, FAR_AHEAD = date(1000, 1, 1), date(9000, 1, 1)
"""Stand for the ends of time, with room for a window around them."""
WRONG_DATE = "its date lies ahead, though the record was made before: it cannot be right"
UNPLANNED = ("measurement", "finding", "judgement", "consent")
"""The kinds of items that no record says are planned: one that lies ahead of the day of the record is dated wrongly."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item: what it is, when, its value or dose, and the words to show it by.

    `start` to `end` is its extent; `ongoing` when it had not ended on the screening date; `stated` the day it was last known to be
    so; `present` false for a statement that something is not so. Of a course, `whole` tells whether its entries meet the dose
    conditions, `parts` are the entries that are certainly of it, `rest` those that may be. Of a `slip` the date cannot be right: it
    may be of any day, and whether it counts is open.
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
    other_reasons: tuple[str, ...] = ()
    whole: bool | None = True
    slip: bool = False
    id: str | None = None
    parts: tuple[Therapy, ...] = field(default=(), repr=False)
    rest: tuple[Therapy, ...] = field(default=(), repr=False)


class Patient:
    """A record as of a screening date, in the words of a vocabulary."""

    def __init__(self, record: Record, day: date, vocabulary: Vocabulary) -> None:
        self.record = record
        self.day = day
        self.vocabulary = vocabulary
        self._selected: dict[Selection, tuple[Item, ...]] = {}
        self._matched: dict[Selection, list[tuple[Item, Truth, tuple[str, ...]]]] = {}
        self._made: dict[tuple[str, tuple[Truth, ...]], list[Item]] = {}
        self._doses: dict[tuple[int, str, str], Interval | None] = {}
        self._weights: dict[When | None, Interval | None] = {}

    # ---- which items -------------------------------------------------------------------------------------------------

    def items(self, selection: Selection) -> tuple[Item, ...]:
        """Return the items of a selection's kind and concept that count on the screening date, conditions not yet applied."""
        if selection not in self._selected:
            reader = {"measurement": self._measurements, "therapy": self._courses, "sex": self._sex}
            found = reader.get(selection.kind, self._statements)(selection)
            ahead = selection.condition("ahead") is not None
            self._selected[selection] = tuple(item for item in found if ahead or not self._lies_ahead(item.start))
        return self._selected[selection]

    def _lies_ahead(self, when: When | None) -> bool:
        return when is not None and when.earliest > self.day

    def _slipped(self, kind: str, when: When | None) -> bool:
        """Tell whether a date lies ahead of a record that was made by the screening date, though nothing of the kind is planned."""
        made = self.record.recorded
        return kind in UNPLANNED and made is not None and made <= self.day and self._lies_ahead(when)

    def _clamped(self, when: When | None) -> When | None:
        """A partly known date of something already recorded cannot lie after the screening date."""
        return _clamp(when, self.day)

    def _sex(self, selection: Selection) -> Iterator[Item]:
        if self.record.sex is not None:
            yield Item("sex", self.record.sex, f"sex: {self.record.sex}", present=self.record.sex == selection.concept)

    def _measurements(self, selection: Selection) -> Iterator[Item]:
        label = self.vocabulary.label("measurement", selection.concept)
        for value in derived.measurements(self.record, selection.concept, self.vocabulary.derived, self.day):
            yield self._measured(value, label)

    def _measured(self, value: Measurement, label: str) -> Item:
        slip = self._slipped("measurement", value.when)
        when = None if slip else self._clamped(value.when)
        text = f"{label} {value.text}" + (f" ({value.side})" if value.side else "") + (f", dated {value.when}" if slip else "")
        return Item(
            "measurement", value.concept, text, when, when, stated=when, value=value.value, low=value.low, high=value.high,
            method=value.method, whole=None if slip else True, slip=slip, id=value.id,
        )  # fmt: skip

    def _statements(self, selection: Selection) -> Iterator[Item]:
        ahead = selection.condition("ahead") is not None
        for statement in derived.statements(self.record, selection.kind, self.vocabulary.derived):
            asked_for = self._asked_for(selection, statement)
            slip = self._slipped(selection.kind, statement.when)
            if asked_for is not False and (statement.planned or (self._lies_ahead(statement.when) and not slip)) is ahead:
                yield self._stated(selection.kind, statement, asked_for, slip)

    def _asked_for(self, selection: Selection, statement: Statement) -> Truth:
        """Tell whether a statement is of what is asked for: a wider one may be; one that denies must deny every kind of it."""
        wanted = selection.members or {selection.concept}
        kinds = self.vocabulary.members(statement.concept) or {statement.concept}
        if not statement.present:
            return wanted <= kinds
        return True if kinds <= wanted else None if kinds & wanted else False

    def _stated(self, kind: str, statement: Statement, asked_for: Truth = True, slip: bool = False) -> Item:
        label = self.vocabulary.label(kind, statement.concept)
        words = {
            "finding": ("present", "absent"),
            "judgement": ("yes", "no"),
            "consent": ("given", "not given"),
            "procedure": ("done", "not done"),
            "event": ("happened", "did not happen"),
        }[kind]
        text = f"{label}: {words[0] if statement.present else words[1]}"
        if statement.present and not slip and (statement.planned or self._lies_ahead(statement.when)):
            text = f"{label}: planned"
        if statement.by:
            text += f" ({statement.by})"
        if slip:
            text, method = f"{text}, dated {statement.when}", statement.method
            return Item(
                kind, statement.concept, text, present=statement.present, method=method, whole=None, slip=True, id=statement.id
            )  # fmt: skip
        start = self._clamped(statement.when)
        if start and statement.planned:
            start = When(max(start.earliest, min(self.day, start.latest)), start.latest)
        end = statement.end
        if kind != "finding" and end is None and not statement.ongoing:
            end = start
        ongoing = statement.ongoing or (end is not None and end.earliest > self.day and not self._lies_ahead(start))
        stated = statement.stated or statement.when
        if self._slipped(kind, stated):
            first = start.earliest if start else LONG_AGO
            stated = When(first, max(first, self.record.recorded or self.day))
        if ongoing:
            stated = When.on(min(self.day, self.record.recorded or self.day))
            end = None
        return Item(
            kind, statement.concept, text, start, end, ongoing, self._clamped(stated), statement.present,
            method=statement.method, whole=asked_for, id=statement.id,
        )  # fmt: skip

    # ---- courses -----------------------------------------------------------------------------------------------------

    def _courses(self, selection: Selection) -> Iterator[Item]:
        if selection.condition("ahead"):
            yield from self._planned_courses(selection)
            return
        of_entries = [condition for condition in selection.conditions if condition.name in ("route", "dose")]
        for drug in sorted(self._taken.keys() & selection.members):
            entries = self._taken[drug]
            fits = tuple(both(self._entry_meets(selection, t, c) for c in of_entries) for t in entries.entries)
            if (drug, fits) not in self._made:
                self._made[drug, fits] = [self._course(entries, group, fits) for group in entries.courses(fits)]
            yield from self._made[drug, fits]

    @cached_property
    def _taken(self) -> dict[str, _Entries]:
        """The entries of each drug that was taken, apart from those given locally where the treatment meant is systemic."""
        found: dict[str, list[Therapy]] = {}
        for entry in self.record.therapies:
            if entry.taken and not entry.planned and not self._lies_ahead(entry.start) and not self._is_local(entry):
                found.setdefault(entry.concept, []).append(entry)
        return {drug: _Entries(self.day, sorted(entries, key=_by_start)) for drug, entries in found.items()}

    def _planned_courses(self, selection: Selection) -> Iterator[Item]:
        for entry in self.record.therapies:
            planned = entry.planned or self._lies_ahead(entry.start)
            if entry.concept in selection.members and entry.taken and planned and not self._is_local(entry):
                label = self.vocabulary.label("therapy", entry.concept)
                whole = both(self._entry_meets(selection, entry, c) for c in selection.conditions)
                text = f"{label} {entry.text} planned".replace("  ", " ")
                yield Item("therapy", entry.concept, text, entry.start, whole=whole, id=entry.id)

    def _is_local(self, therapy: Therapy) -> bool:
        """Tell whether a drug that is meant as a systemic treatment was given on the skin, inhaled, or into a joint."""
        systemic = self.vocabulary.ancestors(therapy.concept) & self.vocabulary.systemic
        return bool(systemic) and therapy.route in self.vocabulary.local_routes

    def _entry_meets(self, selection: Selection, entry: Therapy, condition: Condition) -> Truth:
        if condition.name == "route":
            return None if entry.route is None else entry.route == condition.word
        if condition.name == "dose" and condition.comparison:
            return self._dose_meets(selection, entry, condition.comparison)
        return True

    def _course(self, entries: _Entries, group: list[int], fits: Sequence[Truth]) -> Item:
        """Return the course of a group of entries, its extent as far as it is known; `fits` tells which entries meet the dose."""
        widest = entries.widest(group, [i for i, truth in enumerate(fits) if truth is not False])
        run = [entries.entries[i] for i in group]
        spans_ = [entries.spans[i] for i in group]
        possible = [entries.spans[i] for i in widest]
        start = When(min(s.first.earliest for s in possible), min(s.first.latest for s in spans_))
        last = When(max(s.last.earliest for s in spans_), max(s.last.latest for s in possible))
        ongoing = any(entries.goes_on(t) for t in run)
        response = entries.response(group, widest)
        reasons, other_reasons = entries.reasons(group)
        first, end = run[0], max(run, key=lambda t: t.end.latest if t.end else FAR_AHEAD)
        doses = list(dict.fromkeys(t.text for t in run if t.text))
        period = f"{first.start or '?'} to {'ongoing' if ongoing else end.end or '?'}"
        label = self.vocabulary.label("therapy", first.concept)
        text = " ".join([label, *([", ".join(doses)] if doses else []), period])
        if response:
            text += f", response: {response}"
        ids = " ".join(dict.fromkeys(t.id for t in run if t.id)) or None
        return Item(
            "therapy", first.concept, text, start, None if ongoing else last, ongoing, response=response, reasons=reasons,
            other_reasons=other_reasons, whole=both(fits[i] for i in group), id=ids, parts=tuple(run),
            rest=tuple(entries.entries[i] for i in widest if i not in group),
        )  # fmt: skip

    def daily_dose(self, selection: Selection, entry: Therapy, unit: str) -> Interval | None:
        """Return the daily dose of an entry in the unit asked for and in the class's equivalent; None where it cannot be told."""
        of_class = selection.concept if selection.concept in self.vocabulary.equivalents else ""
        key = (id(entry), of_class, unit)
        if key not in self._doses:
            self._doses[key] = self._daily_dose(of_class, entry, unit)
        return self._doses[key]

    def _daily_dose(self, of_class: str, entry: Therapy, unit: str) -> Interval | None:
        factors = self.vocabulary.equivalents[of_class][1] if of_class else {entry.concept: Fraction(1)}
        if entry.dose is None or entry.concept not in factors:
            return None
        return self._in_unit(entry.dose, factors[entry.concept], unit, entry.start)

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
        """Return the weight measured nearest in time, the earlier of two equally near; all that may be the nearest as a range."""
        if when not in self._weights:
            self._weights[when] = self._weight_near(when)
        return self._weights[when]

    def _weight_near(self, when: When | None) -> Interval | None:
        weights = [
            m for m in self.record.measurements if m.concept == "weight" and not (m.when and m.when.earliest > self.day)
        ]
        if not weights:
            return None
        target = _clamp(when, self.day) or When(LONG_AGO, self.day)
        least = min(_farthest(self._clamped(value.when), target) for value in weights)
        near = [value for value in weights if _nearest(self._clamped(value.when), target) <= least]
        if target.exact and all(value.when and value.when.exact for value in near):
            first = min(value.when.earliest for value in near if value.when)
            near = [value for value in near if value.when and value.when.earliest == first]
        lows = [value.value.low for value in near if value.value.low is not None]
        highs = [value.value.high for value in near if value.value.high is not None]
        if len(lows) < len(near) or len(highs) < len(near):
            return None
        return Interval(min(lows), max(highs))

    def _dose_meets(self, selection: Selection, entry: Therapy, comparison: Comparison) -> Truth:
        dose = self.daily_dose(selection, entry, comparison.thresholds[0].unit)
        return None if dose is None else meets(dose, comparison)

    # ---- which items meet the conditions -----------------------------------------------------------------------------

    def matched(self, selection: Selection) -> list[tuple[Item, Truth, tuple[str, ...]]]:
        """Return every item with whether it meets all conditions; where that is open what is not known, else what it misses."""
        if selection not in self._matched:
            self._matched[selection] = [(item, *self._meets_all(selection, item)) for item in self.items(selection)]
        return self._matched[selection]

    def _meets_all(self, selection: Selection, item: Item) -> tuple[Truth, tuple[str, ...]]:
        truths: list[Truth] = [item.whole]
        doubts = [] if item.whole is not None else [_open_of_itself(item)]
        missed: list[str] = []
        for condition in selection.conditions:
            if condition.name in ("dose", "route", "newest", "as_of"):
                continue
            truth = self._meets(item, condition)
            truths.append(truth)
            if truth is None:
                doubts.append(self._doubt(item, condition))
            elif not truth:
                missed.append(self._miss(condition))
        verdict = both(truths)
        return verdict, tuple(doubts if verdict is None else missed)

    def _meets(self, item: Item, condition: Condition) -> Truth:
        match condition.name:
            case "within":
                return self._in_window(item, self.window(condition, item))
            case "inside":
                return self._inside(item, self.window(condition, item))
            case "ahead":
                return self._ahead(item, condition)
            case "ago":
                return self._began(item, condition.comparison)
            case "ongoing":
                return self._is_ongoing(item)
            case "lasting":
                return self._lasts(item, condition.comparison)
            case "outcome":
                responses = self.vocabulary.outcomes[condition.word]
                return None if item.response is None else item.response in responses
            case "for":
                return self._given_for(item, condition.word)
            case "method":
                return None if item.method is None else item.method == condition.word
            case "value":
                return self.value_meets(item, condition.comparison)
            case "with":
                return self._with(item, condition)
            case "after":
                return self._after(item, condition)
            case "since":
                return self._since(item, condition)
            case "near":
                return self._near(item, condition)
            case "age":
                return self._age_at(item, condition)
        raise AssertionError(condition.name)

    def _miss(self, condition: Condition) -> str:
        """Say in a few words which condition an item does not meet."""
        match condition.name:
            case "outcome":
                return f"it is not recorded as '{condition.word}'"
            case "for":
                kinds = self.vocabulary.kinds_of(condition.word)
                label = self.vocabulary.label(kinds[0], condition.word) if kinds else condition.word
                return f"not given for: {label}"
            case "method":
                return f"not by the method {self.vocabulary.methods[condition.word]}"
            case "with" | "after" | "since" | "near":
                assert condition.selection is not None
                return f"not {condition.name}: {condition.selection.label}"
        return _MISSES[condition.name] + (f" ({_in_words(condition.comparison)})" if condition.comparison else "")

    def _doubt(self, item: Item, condition: Condition) -> str:
        """Say in a few words what is not known of an item that may meet a condition."""
        match condition.name:
            case "within" | "inside" | "ahead" | "ago":
                return self._doubt_of_time(item, condition)
            case "with" | "after" | "since" | "near":
                assert condition.selection is not None
                return f"'{condition.name} {condition.selection.label}' is not settled by the record"
            case "for" if item.reasons:
                return "what it was given for is not recorded closely enough"
        return _DOUBTS[condition.name]

    def _doubt_of_time(self, item: Item, condition: Condition) -> str:
        if item.start is None and item.stated is None:
            return "its date is not recorded"
        said = item.stated or item.start
        if condition.name == "within" and item.present and item.kind in ("finding", "therapy") and said is not None:
            since = self.window(condition, item).start
            if since is not None and said.latest < since.earliest:
                return f"said of {said}, before the time asked for (from {since} on): whether it was still so is not recorded"
        return "its date is not known well enough"

    def window(self, condition: Condition, item: Item | None = None) -> Span:
        """Return the look-back window, first and last day inside; what is counted in half-lives goes by the item's own drug."""
        duration = self._reach(condition, item)
        anchor = When.on(self.day)
        if condition.selection is not None:
            anchor = self._anchor(condition.selection) or anchor
        return Span(shift_when(anchor, duration, -1), When.on(self.day))

    def _reach(self, condition: Condition, item: Item | None) -> Duration:
        reaches = [condition.duration] if condition.duration else []
        if condition.half_lives and item is not None:
            days = condition.half_lives * self.vocabulary.half_lives[item.concept]
            reaches.append(Duration(int(days), "d"))
        pick = min if condition.word == "shortest" else max
        return pick(reaches, key=lambda reach: shift(self.day, reach).toordinal())

    def _anchor(self, selection: Selection) -> When | None:
        """Return the day of the next planned item of a selection, else of its last recorded one, as far as it is known."""
        planned = [When(max(w.earliest, self.day), w.latest) for w in self._planned(selection) if w.latest >= self.day]
        if planned:
            return When(min(when.earliest for when in planned), min(when.latest for when in planned))
        past = [
            (extent(item, self.day).first, truth)
            for item, truth, _ in self.matched(selection)
            if item.present and truth is not False
        ]
        certain = [when for when, truth in past if truth]
        if not past:
            return None
        # Screening stands in where none is recorded: a last item that may not count leaves the anchor open up to screening.
        return When(
            max((when.earliest for when in certain), default=min(when.earliest for when, _ in past)),
            max(when.latest for when, _ in past) if certain else self.day,
        )

    def _planned(self, selection: Selection) -> Iterator[When]:
        """Yield the days of what is planned; some day from the screening date on where none is named."""
        some_day = When(self.day, FAR_AHEAD)
        if selection.kind == "therapy":
            for therapy in self.record.therapies:
                due = therapy.planned or self._lies_ahead(therapy.start)
                if therapy.concept in selection.members and therapy.taken and due:
                    yield therapy.start or some_day
        elif selection.kind not in ("measurement", "sex"):
            for statement in self.record.statements(selection.kind):
                due = statement.planned or (statement.when is not None and statement.when.earliest >= self.day)
                due = due and not self._slipped(selection.kind, statement.when)
                if statement.present and due and self._asked_for(selection, statement):
                    yield statement.when or some_day

    def _in_window(self, item: Item, window: Span) -> Truth:
        if not window.possible:
            return False
        if item.kind in ("finding", "therapy") and item.present:
            return extent(item, self.day).overlaps(window)
        when = item.stated if item.kind == "finding" else item.start
        return None if when is None else Span.on(when).inside(window)

    def _inside(self, item: Item, window: Span) -> Truth:
        """Tell whether something began and ended in a window; what goes on has not ended."""
        if not window.possible or item.ongoing:
            return False
        return extent(item, self.day).inside(window)

    def _ahead(self, item: Item, condition: Condition) -> Truth:
        """Tell whether something planned is due by the end of a time from the screening date on."""
        assert condition.duration is not None
        if item.start is None:
            return None if item.present else True
        return Span.on(item.start).inside(Span(When.on(self.day), When.on(shift(self.day, condition.duration))))

    def _began(self, item: Item, comparison: Comparison | None) -> Truth:
        """Compare the time from something's beginning to the screening date."""
        assert comparison is not None
        return None if item.start is None else spans(item.start, When.on(self.day), comparison)

    def _is_ongoing(self, item: Item) -> Truth:
        if not item.present or self._lies_ahead(item.start):
            return False
        return compare(extent(item, self.day).last, "on_or_after", When.on(self.day))

    def span(self, item: Item) -> tuple[When, When] | None:
        """Return start and end of an item, the end being the first day after it, or the screening date while it goes on.

        None of what is undated, or lies ahead: for how long it will go on is not known.
        """
        if item.start is None or self._lies_ahead(item.start):
            return None
        if item.ongoing:
            return item.start, When.on(self.day)
        last = extent(item, self.day).last
        # Ending on the screening date and going on after it differ by a day.
        exact = item.end is not None and item.end.exact
        return item.start, When(last.earliest + ONE_DAY if exact else min(last.earliest + ONE_DAY, self.day), last.latest + ONE_DAY)

    def _lasts(self, item: Item, comparison: Comparison | None) -> Truth:
        span = self.span(item)
        assert comparison is not None
        return None if span is None else spans(*span, comparison)

    def _given_for(self, item: Item, reason: str) -> Truth:
        """Tell whether a course was given for a reason or a kind of it; one given for something wider may have been."""
        wanted = self.vocabulary.members(reason)
        if wanted.intersection(item.reasons):
            return True
        possible = {kind for told in (*item.reasons, *item.other_reasons) for kind in self.vocabulary.members(told)}
        return None if not item.reasons or wanted & possible else False

    def _with(self, item: Item, condition: Condition) -> Truth:
        assert condition.selection is not None
        truths: list[Truth] = []
        own, near = _same(item.parts), _same((*item.parts, *item.rest))
        for other, truth, _ in self.matched(condition.selection):
            if own & _same(other.parts):
                continue
            apart = None if near & _same((*other.parts, *other.rest)) else True
            truths.append(both([truth, other.present, apart, self._together(item, other, condition.comparison)]))
        found = either(truths)
        return None if found is False and not self.complete(condition.selection) else found

    def _together(self, item: Item, other: Item, comparison: Comparison | None) -> Truth:
        one, two = extent(item, self.day), extent(other, self.day)
        meet = one.overlaps(two)
        if comparison is None or not meet:
            return meet
        if not all(part.exact for span in (one, two) for part in (span.first, span.last)):
            return None
        begin, end = max(one.first, two.first, key=_latest), min(one.last, two.last, key=_latest)
        goes_on = item.ongoing and other.ongoing
        return spans(begin, end if goes_on else When.on(end.latest + ONE_DAY), comparison)

    def _after(self, item: Item, condition: Condition) -> Truth:
        assert condition.selection is not None
        truths: list[Truth] = []
        for other, truth, _ in self.matched(condition.selection):
            truths.append(both([truth, other.present, compare(_start(item), "after", _start(other))]))
        found = either(truths)
        return None if found is False and not self.complete(condition.selection) else found

    def _since(self, item: Item, condition: Condition) -> Truth:
        """Tell whether an item came after the latest other one on record, so after every one of them."""
        assert condition.selection is not None
        others = [(other, truth) for other, truth, _ in self.matched(condition.selection) if other.present and truth is not False]
        later = [(truth, compare(_start(item), "after", _start(other))) for other, truth in others]
        after_one = either(both(pair) for pair in later)
        if after_one is False and not any(truth for _, truth in others):
            return False if self.complete(condition.selection) else None
        # Whether an item came too early for one that may not count is open.
        return both([after_one, *(after if truth else after or None for truth, after in later)])

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
        section = "therapies" if selection.kind == "therapy" else f"{selection.kind}s"
        if section in declared and selection.concept not in self.vocabulary.attested:
            return True
        if selection.kind in ("event", "procedure"):
            statements = self.record.statements(selection.kind)
            stated = [s for s in statements if self._asked_for(selection, s) is not False]
            if stated and not any(s.present or s.when for s in stated):
                return True
        never = {t.concept for t in self.record.therapies if not t.taken} if selection.kind == "therapy" else set()
        closed = declared | never
        return all(self.vocabulary.ancestors(name) & closed for name in selection.members or {selection.concept})


def _clamp(when: When | None, day: date) -> When | None:
    if when is None or when.latest <= day or when.earliest > day:
        return when
    return When(when.earliest, day, when.clock)


def meets(value: Interval, comparison: Comparison) -> Truth:
    """Compare a value with the plain numbers of a comparison."""
    return _compared(value, comparison.op, [threshold.number for threshold in comparison.thresholds])


def _compared(value: Interval, op: str, numbers: list[Fraction]) -> Truth:
    if op == "between":
        return both([compare_value(value, "at_least", numbers[0]), compare_value(value, "at_most", numbers[1])])
    return compare_value(value, cast(Op, op), numbers[0])


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


def _by_start(therapy: Therapy) -> tuple[date, date]:
    return (therapy.start.earliest, therapy.start.latest) if therapy.start else (FAR_AHEAD, FAR_AHEAD)


def extent(item: Item, day: date) -> Span:
    """Return the first and the last day of something that is or was so, as far as they are known on a day."""
    return _extent(item.start, item.end, item.ongoing, item.stated, day)


def _extent(start: When | None, end: When | None, ongoing: bool, stated: When | None, day: date) -> Span:
    begun = day
    if ongoing or (end is not None and end.earliest > day):
        last = When.on(day)
    elif end is not None:
        last = When(end.earliest, min(end.latest, day))
    else:
        known = max(when.earliest if when else LONG_AGO for when in (start, stated))
        last = When(min(known, day), day)
        begun = min(day, stated.latest) if stated else day
    begun = min(begun, last.latest)
    first = start or When(LONG_AGO, begun)
    return Span(When(first.earliest, max(first.earliest, min(first.latest, begun))), last)


class _Entries:
    """The entries of one drug, in order of their start, and which of them make one course."""

    def __init__(self, day: date, entries: list[Therapy]) -> None:
        self.day = day
        self.entries = entries
        self.spans = [_extent(t.start, t.end, t.ongoing, None, day) for t in entries]
        self.touching = [[self._touch(one, other) for other in self.spans] for one in self.spans]

    def _touch(self, one: Span, other: Span) -> Truth:
        """Tell whether there is no day between two entries."""
        return both([compare(one.first, "on_or_before", _next(other.last)), compare(other.first, "on_or_before", _next(one.last))])

    def goes_on(self, entry: Therapy) -> bool:
        return entry.ongoing or (entry.end is not None and entry.end.earliest > self.day)

    def courses(self, fits: Sequence[Truth]) -> Iterator[list[int]]:
        """Yield groups of entries that certainly are of one course; an entry that may not fit stands alone."""
        seen: set[int] = set()
        for i, fit in enumerate(fits):
            if i in seen or fit is False:
                continue
            group = self._reached([i], [j for j, truth in enumerate(fits) if truth], certain=True) if fit else [i]
            seen.update(group)
            yield group

    def widest(self, group: list[int], among: list[int]) -> list[int]:
        """Return every entry that may be of the course of a group."""
        return self._reached(group, among, certain=False)

    def _reached(self, start: list[int], among: list[int], certain: bool) -> list[int]:
        found = set(start)
        queue = list(start)
        while queue:
            near = self.touching[queue.pop()]
            fresh = {i for i in among if i not in found and (near[i] if certain else near[i] is not False)}
            found |= fresh
            queue.extend(fresh)
        return sorted(found)

    def response(self, group: list[int], widest: list[int]) -> str | None:
        """Return the last response recorded in a course, else the next one after it without a gap; None where it is open."""
        everything = list(range(len(self.entries)))
        chain = self._reached(group, everything, certain=False)
        told = [i for i in chain if self.entries[i].response]
        own = [i for i in told if i in group]
        if set(widest) != set(group) or chain != self._reached(group, everything, certain=True):
            return self._agreed(told) if own else None
        if own:
            last = max(self.spans[i].first.earliest for i in own)
            return self._agreed(i for i in own if self.spans[i].first.latest >= last)
        by, until = (max(bound(self.spans[i].first) for i in group) for bound in (_earliest, _latest))
        later = [i for i in told if self.spans[i].first.latest >= by]
        first = min((self.spans[i].first.latest for i in later), default=until)
        next_ = [i for i in later if self.spans[i].first.earliest <= first]
        return self._agreed(next_) if all(self.spans[i].first.earliest >= until for i in next_) else None

    def _agreed(self, told: Iterable[int]) -> str | None:
        responses = {self.entries[i].response for i in told}
        return responses.pop() if len(responses) == 1 else None

    def reasons(self, group: list[int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what the course of a group was given for, with what went before and after it, and what it may have been for."""
        everything = list(range(len(self.entries)))
        certain = self._reached(group, everything, certain=True)
        possible = self._reached(group, everything, certain=False)
        known = dict.fromkeys(reason for i in certain for reason in self.entries[i].reasons)
        others = dict.fromkeys(reason for i in possible for reason in self.entries[i].reasons if reason not in known)
        return tuple(known), tuple(others)


def _farthest(when: When | None, target: When) -> int:
    """Return how many days may lie between two days at most."""
    if when is None:
        return (FAR_AHEAD - LONG_AGO).days
    return max((when.latest - target.earliest).days, (target.latest - when.earliest).days)


def _nearest(when: When | None, target: When) -> int:
    """Return how many days lie between two days at least."""
    if when is None:
        return 0
    return max((when.earliest - target.latest).days, (target.earliest - when.latest).days, 0)


def _next(when: When) -> When:
    return When(when.earliest + ONE_DAY, when.latest + ONE_DAY)


def _earliest(when: When) -> date:
    return when.earliest


def _latest(when: When) -> date:
    return when.latest


def _start(item: Item) -> When:
    return item.start or When(LONG_AGO, FAR_AHEAD)


def _same(parts: Iterable[Therapy]) -> set[int]:
    return set(map(id, parts))


def _open_of_itself(item: Item) -> str:
    """Say why it is open of an item itself whether it counts."""
    if item.slip:
        return WRONG_DATE
    return "the dose or route is not known exactly" if item.kind == "therapy" else "of which kind it is, is not recorded"


def _in_words(comparison: Comparison) -> str:
    return f"{comparison.op.replace('_', ' ')} {' and '.join(threshold.text for threshold in comparison.thresholds)}"


_MISSES = {
    **dict.fromkeys(("within", "inside", "ahead", "ago"), "not at the time asked for"),
    "ongoing": "no longer so",
    "lasting": "not as long as asked for",
    "value": "not of the value asked for",
    "age": "not at the age asked for",
}


_DOUBTS = {
    "ongoing": "whether it still goes on is not recorded",
    "lasting": "how long it lasted is not known well enough",
    "outcome": "the response is not recorded",
    "for": "what it was given for is not recorded",
    "method": "the method is not recorded",
    "value": "the value does not settle it",
    "age": "the age at the time is not known well enough",
}


def shown(value: Interval) -> str:
    """Write an interval for people."""
    if value.low is not None and value.low == value.high:
        return show(value.low)
    return str(value)
