"""Which items of many patients meet conditions on a screening date: `pyscreen.items`, column by column.

What is said here of days known only in part and of attributes that are not recorded is what `pyscreen.items` says of them one by one;
tests hold the two equal. Where the columns do not do (`hard`), the patient is answered there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np

from ..dates import Duration, shift
from ..questions import Comparison, Condition, Selection
from . import computed
from .columns import Columns, Days, Flags, Ints
from .completeness import Completeness
from .courses import Courses
from .rows import LAST_DAY, Ahead, Hard, Items, Truths, pairs, said
from .spans import on_or_before, shifted, spans, unbounded, within_of
from .statements import measurements, statements
from .thresholds import value_meets
from .view import SECTION, View


class Matcher:
    """A chunk's items as of a screening date, and which of them meet conditions."""

    def __init__(self, columns: Columns, day: date) -> None:
        self.view = View(columns, day)
        self.vocabulary = columns.vocabulary
        self._matched: dict[Selection, Items] = {}
        self._bare: dict[Selection, Selection] = {}
        self._conditions: dict[tuple[int, Condition], tuple[Truths, Ints]] = {}
        self._ageless: dict[Selection, Selection] = {}
        self._written: dict[tuple[str, str, frozenset[str]], Items] = {}
        self._completeness = Completeness(self.view)
        self.kept: dict[tuple[Selection, str], Any] = {}
        """What else was worked out of a selection, by whoever did so, under the name of what it is."""

    @cached_property
    def courses(self) -> Courses:
        """The patients' courses of drugs."""
        return Courses(self.view)

    # ---- items -------------------------------------------------------------------------------------------------------

    def matched(self, selection: Selection) -> Items:
        """Return the items of a selection with whether each meets its conditions; raises Hard."""
        selection = self.ageless(selection)
        if selection not in self._matched:
            self._matched[selection] = self._met(self._items(selection), selection)
        return self._matched[selection]

    def ageless(self, selection: Selection) -> Selection:
        """Return a selection without what it says of how new the newest item must be, which no item meets by itself."""
        if selection.condition("newest") is None:
            return selection
        if selection not in self._ageless:
            conditions = tuple(condition for condition in selection.conditions if condition.name != "newest")
            self._ageless[selection] = replace(selection, conditions=conditions)
        return self._ageless[selection]

    def bare(self, selection: Selection) -> Selection:
        """Return a selection without its conditions."""
        return self._bare.setdefault(selection, replace(selection, conditions=()))

    def _items(self, selection: Selection) -> Items:
        if any(condition.name in ("as_of", "inside") for condition in selection.conditions):
            raise Hard
        if selection.condition("ahead"):
            raise Ahead
        if selection.kind == "therapy":
            return self.courses.items(selection)
        key = (selection.kind, selection.concept, selection.members)
        if key not in self._written:
            self._written[key] = self._read(selection)
        return self._written[key]

    def _read(self, selection: Selection) -> Items:
        if selection.kind != "measurement":
            return statements(self.view, selection)
        found = computed.items(self.view, selection.concept) if selection.concept in self.vocabulary.derived else None
        return measurements(self.view, selection) if found is None else found

    def complete(self, selection: Selection) -> Flags:
        """Tell for each patient whether the record holds every item of a selection, so that what is not there is not so."""
        return self._completeness.of(selection)

    # ---- conditions --------------------------------------------------------------------------------------------------

    def _met(self, items: Items, selection: Selection) -> Items:
        truth = items.truth.copy()
        hard = [items.hard]
        for condition in sorted(selection.conditions, key=lambda condition: condition.selection is not None):
            if condition.name in ("dose", "route", "newest"):
                continue
            if not len(items):
                break
            if condition.selection is not None:
                found, unsure = self._meets(items, condition, truth)
            else:
                # Items of one kind have their columns in common, whatever else is asked of them: what they meet is kept for all.
                key = (id(items.columns), condition)
                if key not in self._conditions:
                    self._conditions[key] = self._meets(items, condition, truth)
                found, unsure = self._conditions[key]
            np.minimum(truth, found, out=truth)
            hard.append(unsure)
        return Items(items.kind, items.place, truth, items.present, items.columns, np.concatenate(hard))

    def _meets(self, items: Items, condition: Condition, so_far: Truths) -> tuple[Truths, Ints]:
        """Return whether each item meets a condition, and the patients for whom that is not told here."""
        comparison = condition.comparison
        nobody = np.zeros(0, np.int32)
        other = condition.selection
        match condition.name:
            case "within" if other is None:
                first = self._reach(items, condition)
                return self._in_window(items, first, first), nobody
            case "within" if other and other.kind in ("event", "procedure") and condition.duration and not condition.half_lives:
                return self._anchored(items, other, condition.duration)
            case "ago" if comparison:
                return spans(items["start"], self.view.today(len(items)), comparison), nobody
            case "ongoing":
                last = items["last"]
                found = said(last.first >= self.view.day, last.last < self.view.day)
                return np.where(items.present, found, np.int8(-1)), nobody
            case "lasting" if comparison:
                return self._lasts(items, comparison), nobody
            case "method":
                wanted = list(self.vocabulary.methods).index(condition.word)
                return np.where(items["method"] < 0, 0, np.where(items["method"] == wanted, 1, -1)).astype(np.int8), nobody
            case "value" if comparison:
                return value_meets(self.view, items["values"], comparison), nobody
            case "outcome":
                good = [response in self.vocabulary.outcomes[condition.word] for response in sorted(self.vocabulary.responses)]
                meets = np.where([*good, False], 1, -1)[items["response"]]
                return np.where(items["response"] < 0, 0, meets).astype(np.int8), nobody
            case "for":
                chain, firm, kinds = items["chain"], items["firm"], self.vocabulary.members(condition.word)
                something, perhaps = self.courses.given_for(frozenset())[firm], self.courses.perhaps_for(condition.word)[chain]
                found = np.where(something & ~perhaps, -1, 0)
                return np.where(self.courses.given_for(kinds)[firm], 1, found).astype(np.int8), nobody
            case "with" if condition.selection:
                return self._with(items, condition, so_far)
            case "age" if comparison:
                birth = self.view.columns.birth.at(items.place)
                return spans(birth, items["start"], comparison), nobody
            case "near" if condition.selection and condition.duration:
                return self._near(items, condition, so_far)
            case "after" if condition.selection:
                return self._after(items, condition, so_far)
            case "since" if condition.selection:
                return self._since(items, condition, so_far)
        raise Hard

    def _reach(self, items: Items, condition: Condition) -> Any:
        """Return the first day of a window; what is counted in half-lives goes by each item's own drug."""
        if not condition.half_lives:
            assert condition.duration is not None
            return shift(self.view.date, condition.duration, -1).toordinal()
        pick = min if condition.word == "shortest" else max
        days = [self.view.day] * len(self.courses.drugs)
        for number, name in enumerate(self.courses.drugs):
            if name in self.vocabulary.half_lives:
                lives = Duration(int(condition.half_lives * self.vocabulary.half_lives[name]), "d")
                reaches = [lives, condition.duration] if condition.duration else [lives]
                days[number] = shift(self.view.date, pick(reaches, key=lambda reach: shift(self.view.date, reach)), -1).toordinal()
        return np.array(days, np.int32)[items["concept"]]

    def _in_window(self, items: Items, first: Any, last: Any) -> Truths:
        """Tell whether items lie in a window, which begins between two days and ends on the screening date: findings overlap it."""
        when = items["stated"] if items.kind == "finding" else items["start"]
        inside = said((when.first >= last) & (when.last <= self.view.day), (when.last < first) | (when.first > self.view.day))
        inside[~when.known] = 0
        if items.kind not in ("finding", "therapy"):
            return inside
        until = items["last"]
        overlaps = said(until.first >= last, until.last < first)
        return np.where(items.present, overlaps, inside)

    def _anchored(self, items: Items, selection: Selection, duration: Duration) -> tuple[Truths, Ints]:
        """Tell whether items lie in the window before the next planned item of a selection, else before its last one."""
        others = self._others(selection)
        first, last = np.full(self.view.patients, self.view.day), np.full(self.view.patients, self.view.day)
        past = others.where((others.truth >= 0) & others.present)
        begun, certain = past["first"], past.truth == 1
        bar, high, low = np.full(self.view.patients, -1), np.full(self.view.patients, -1), np.full(self.view.patients, LAST_DAY)
        np.maximum.at(bar, past.place[certain], begun.first[certain])
        np.maximum.at(high, past.place, begun.last)
        np.minimum.at(low, past.place, begun.first)
        some, sure = high >= 0, bar >= 0
        first = np.where(sure, bar, np.where(some, low, first))
        last = np.where(sure, high, last)
        due = self._due(selection)
        soon, late = np.full(self.view.patients, LAST_DAY + 1), np.full(self.view.patients, LAST_DAY + 1)
        np.minimum.at(soon, due[0], due[1].first)
        np.minimum.at(late, due[0], due[1].last)
        planned = soon <= LAST_DAY
        first, last = np.where(planned, soon, first), np.where(planned, late, last)
        begin, end = (shifted(days.astype(np.int32), duration, -1)[items.place] for days in (first, last))
        found = self._in_window(items, begin, np.minimum(end, self.view.day))
        return np.where(begin <= self.view.day, found, np.int8(-1)), _among(others.hard, items.place)

    def _due(self, selection: Selection) -> tuple[Ints, Days]:
        """Return what is planned of a selection: whose, and when; some day from the screening date on where none is named."""
        section = self.view.columns.sections[SECTION[selection.kind]]
        wanted = selection.members or {selection.concept}
        rows = [np.arange(part.start, part.stop) for concept, part in section.slices.items()
                if (self.vocabulary.members(concept) or {concept}) <= wanted]  # fmt: skip
        at = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        when = section["when"].at(at)
        due = section["present"][at] & (section["planned"][at] | (when.known & (when.first >= self.view.day)))
        due &= ~when.known | (when.last >= self.view.day)
        at, when = at[due], when.at(due)
        first = np.where(when.known, np.maximum(when.first, self.view.day), self.view.day)
        return section["place"][at], Days(first, np.where(when.known, when.last, LAST_DAY), when.known)

    def _lasts(self, items: Items, comparison: Comparison) -> Truths:
        """Compare the time from the start to the first day after the end, or to the screening date while it goes on."""
        last, over, ongoing = items["last"], items["over"], items["goes_on"]
        exact = over.known & (over.first == over.last)
        first = np.where(ongoing, self.view.day, np.where(exact, last.first + 1, np.minimum(last.first + 1, self.view.day)))
        until = np.where(ongoing, self.view.day, last.last + 1)
        return spans(items["start"], Days(first, until, np.ones(len(items), np.bool_)), comparison)

    # ---- one item and another ----------------------------------------------------------------------------------------

    def _others(self, selection: Selection) -> Items:
        try:
            return self.matched(selection)
        except Ahead:
            raise Hard from None

    def _near(self, items: Items, condition: Condition, so_far: Truths) -> tuple[Truths, Ints]:
        assert condition.selection is not None
        assert condition.duration is not None
        others = self._others(condition.selection)
        one, other = pairs(items.place, others.place, so_far > -1, (others.truth > -1) & others.present)
        start, end = items["start"].at(one), others["start"].at(other)
        close = np.where(start.known & end.known, within_of(start, end, condition.duration), np.int8(0))
        truths = np.minimum(close, others.truth[other])
        found = self._either(truths, one, len(items), items.place, condition.selection)
        return found, _among(others.hard, items.place[so_far > -1])

    def _after(self, items: Items, condition: Condition, so_far: Truths) -> tuple[Truths, Ints]:
        assert condition.selection is not None
        others = self._others(condition.selection)
        one, other = pairs(items.place, others.place, so_far > -1, (others.truth > -1) & others.present)
        start, end = unbounded(items["start"].at(one)), unbounded(others["start"].at(other))
        truths = np.minimum(said(start.first > end.last, start.last <= end.first), others.truth[other])
        return self._either(truths, one, len(items), items.place, condition.selection), _among(others.hard, items.place[so_far > -1])

    def _since(self, items: Items, condition: Condition, so_far: Truths) -> tuple[Truths, Ints]:
        """Tell whether items came after the latest other one on record, so after every one of them."""
        assert condition.selection is not None
        others = self._others(condition.selection)
        one, other = pairs(items.place, others.place, so_far > -1, (others.truth > -1) & others.present)
        start, end = unbounded(items["start"].at(one)), unbounded(others["start"].at(other))
        later, truth = said(start.first > end.last, start.last <= end.first), others.truth[other]
        after_one, certain = np.full(len(items), -1, np.int8), np.zeros(len(items), np.bool_)
        np.maximum.at(after_one, one, np.minimum(later, truth))
        certain[one[truth == 1]] = True
        found = after_one.copy()
        # Whether an item came too early for one that may not count is open.
        np.minimum.at(found, one, np.where((truth == 1) | (later == 1), later, np.int8(0)))
        nothing = np.where(self.complete(condition.selection)[items.place], np.int8(-1), np.int8(0))
        return np.where((after_one == -1) & ~certain, nothing, found), _among(others.hard, items.place[so_far > -1])

    def _with(self, items: Items, condition: Condition, so_far: Truths) -> tuple[Truths, Ints]:
        assert condition.selection is not None
        others = self._others(condition.selection)
        if "first" not in items.columns or "first" not in others.columns:
            raise Hard
        one, other = pairs(items.place, others.place, so_far > -1, (others.truth > -1) & others.present)
        apart: Any = np.int8(1)
        if items.kind == others.kind == "therapy":
            same = items["concept"][one] == others["concept"][other]
            shared = same & ((items["parts"][one] & others["parts"][other]) != 0)
            one, other, same = one[~shared], other[~shared], same[~shared]
            # An entry that may be of both leaves open whether they are two.
            apart = np.where(same & ((items["around"][one] & others["around"][other]) != 0), 0, 1).astype(np.int8)
        together = self._together(items, others, one, other, condition.comparison)
        truths = np.minimum(np.minimum(together, apart), others.truth[other])
        return self._either(truths, one, len(items), items.place, condition.selection), _among(others.hard, items.place[so_far > -1])

    def _together(self, items: Items, others: Items, one: Ints, other: Ints, comparison: Comparison | None) -> Truths:
        """Tell whether an item and another one overlap, and for as long as is asked."""
        first, last = items["first"].at(one), items["last"].at(one)
        first_other, last_other = others["first"].at(other), others["last"].at(other)
        meet = np.minimum(on_or_before(first, last_other), on_or_before(first_other, last))
        if comparison is None:
            return meet
        exact = first.exact & last.exact & first_other.exact & last_other.exact
        begin, end = np.maximum(first.first, first_other.first), np.minimum(last.first, last_other.first)
        end = end + np.where(items["goes_on"][one] & others["goes_on"][other], 0, 1)
        known = np.ones(len(begin), np.bool_)
        long = spans(Days(begin, begin, known), Days(end, end, known), comparison)
        return np.where(meet == 1, np.where(exact, long, np.int8(0)), meet)

    def _either(self, truths: Truths, one: Ints, many: int, place: Ints, selection: Selection) -> Truths:
        """Return for each item whether some other one fits; where none is known to, that is open unless the record is complete."""
        found = np.full(many, -1, np.int8)
        np.maximum.at(found, one, truths)
        found[(found == -1) & ~self.complete(selection)[place]] = 0
        return found


def _among(places: Ints, others: Ints) -> Ints:
    """Return the places that are among others."""
    return places[np.isin(places, others)] if len(places) else places
