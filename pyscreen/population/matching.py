"""Items of many patients as tests see them on a screening date, and which of them meet conditions: `pyscreen.items`, column by column.

Answers are 1 (yes), 0 (unknown) and -1 (no), so that `both` is the minimum and `either` the maximum. What is said here of days known
only in part and of attributes that are not recorded is what `pyscreen.items` says of them one by one; tests hold the two equal. Where
the columns do not do (`hard`), the patient is answered there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..dates import Duration, shift
from ..derived import HISTORY
from ..form import SECTIONS
from ..items import FAR_AHEAD, LONG_AGO
from ..quantities import Interval, compare
from ..questions import Comparison, Condition, Selection, Test, Threshold
from . import computed
from .columns import EPOCH, Columns, Days, Flags, Floats, Ints, Section, Values, either
from .computed import Computed
from .courses import Courses

Truths = npt.NDArray[np.int8]
_LONG_AGO, _FAR_AHEAD = LONG_AGO.toordinal(), FAR_AHEAD.toordinal()
SECTION = {kind: section for section, kind in SECTIONS.items()}
_OPERATORS = {"below": "after", "at_most": "on_or_after", "above": "before", "at_least": "on_or_before"}


class Hard(Exception):
    """A selection that the columns cannot answer for anybody."""


class Ahead(Exception):
    """A selection of what is planned, of which the columns hold nothing."""


@dataclass
class Items:
    """Items of a selection, sorted by patient: whose each is, whether it meets the conditions, whether it is present, and its columns.

    `hard` are the patients of whom the columns do not tell.
    """

    kind: str
    place: Ints
    truth: Truths
    present: Flags
    columns: dict[str, Any]
    hard: Ints = field(default_factory=lambda: np.zeros(0, np.int32))

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.place)

    def where(self, keep: Flags) -> Items:
        """Return the items for which a flag is set."""
        return self if keep.all() else self.at(keep)

    def at(self, keep: Any) -> Items:
        """Return the items of some rows."""
        columns = {name: column.at(keep) if hasattr(column, "at") else column[keep] for name, column in self.columns.items()}
        return Items(self.kind, self.place[keep], self.truth[keep], self.present[keep], columns, self.hard)


class Matcher:
    """A chunk's items as of a screening date."""

    def __init__(self, columns: Columns, day: date) -> None:
        self.columns = columns
        self.codes = columns.codes
        self.vocabulary = columns.vocabulary
        self.date = day
        self.day = day.toordinal()
        self.patients = columns.patients
        self._matched: dict[Selection, Items] = {}
        self._bare: dict[Selection, Selection] = {}
        self._conditions: dict[tuple[int, Condition], tuple[Truths, Ints]] = {}
        self._ageless: dict[Selection, Selection] = {}
        self._stated: dict[tuple[str, str, frozenset[str]], Items] = {}
        self._complete: dict[tuple[str, str, frozenset[str]], Flags] = {}
        self._prepared: dict[str, Section] = {}
        self._known_ends: tuple[Floats, Floats, Flags] | None = None
        self._factors: Floats = np.ones((0, 2))
        self.kept: dict[tuple[Selection, str], Any] = {}
        """What else was worked out of a selection, by whoever did so, under the name of what it is."""

    @cached_property
    def courses(self) -> Courses:
        """The patients' courses of drugs."""
        return Courses(self)

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
        if key not in self._stated:
            read = self._measurements if selection.kind == "measurement" else self._statements
            self._stated[key] = read(selection)
        return self._stated[key]

    def _statements(self, selection: Selection) -> Items:
        section = self.section(SECTION[selection.kind])
        wanted = selection.members or {selection.concept}
        parts = []
        for concept, rows in section.slices.items():
            kinds = self.vocabulary.members(concept) or {concept}
            if_present = 1 if kinds <= wanted else 0 if kinds & wanted else None
            if_absent = wanted <= kinds
            if if_present is None and not if_absent:
                continue
            parts.append((rows, if_present, if_absent))
        rows = _together([part[0] for part in parts], section["place"])
        present = section["present"][rows]
        if len(parts) == 1 and parts[0][1:] == (1, True):
            whole: Truths = np.ones(len(present), np.int8)
            keep = ~section["apart"][rows]
        else:
            names = list(self.vocabulary.labels(selection.kind))
            asked = np.full((len(names), 2), -1, np.int8)
            for (part, if_present, if_absent) in parts:
                concept = section["concept"][part.start]
                asked[concept] = (1 if if_absent else -1, -1 if if_present is None else if_present)
            whole = asked[section["concept"][rows], present.astype(np.int8)]
            keep = ~section["apart"][rows] & (whole >= 0)
        items = Items(selection.kind, section["place"][rows], whole, present, _taken(section.columns, rows, _OF_STATEMENTS))
        items = items if keep.all() else items.where(keep)
        if selection.kind == "event":
            for name in sorted(self.vocabulary.derived & HISTORY.keys()):
                kinds = self.vocabulary.members(name) or {name}
                if kinds & wanted:
                    items = _both(items, self._history(name, kinds <= wanted))
        return items

    def _history(self, name: str, certain: bool) -> Items:
        """Return events that follow from the record's other facts: the patient's death."""
        assert name == "death", name
        columns = self.columns
        place = np.flatnonzero(columns.died.known).astype(np.int32)
        died, recorded = columns.died.at(place), columns.recorded.at(place)
        latest = np.where(recorded.known, np.minimum(died.last, np.maximum(died.first, recorded.first)), died.last)
        died = Days(died.first, latest, died.known)
        never, nothing = np.zeros(len(place), np.bool_), np.full(len(place), -1, np.int32)
        rows = {
            "place": place, "present": ~never, "planned": never, "ongoing": never, "when": died, "stated": died,
            "end": Days(nothing, nothing, never), "clock": nothing,
            "concept": np.full(len(place), list(self.vocabulary.labels("event")).index(name), np.int32),
        }  # fmt: skip
        section = Section("event", rows)
        section.columns |= self._of_statements(section)
        whole = np.full(len(place), 1 if certain else 0, np.int8)
        items = Items("event", place, whole, ~never, _taken(section.columns, slice(None), _OF_STATEMENTS))
        return items.where(~section["apart"])

    def section(self, name: str) -> Section:
        """Return a section with what holds of its items on the screening date."""
        if name not in self._prepared:
            section = self.columns.sections[name]
            prepare = self._of_measurements if name == "measurements" else self._of_statements
            self._prepared[name] = Section(section.kind, {**section.columns, **prepare(section)}, section.slices)
        return self._prepared[name]

    def clamped(self, days: Days) -> Days:
        """A partly known date of something already recorded cannot lie after the screening date."""
        ahead = days.first > self.day
        return Days(days.first, np.where(ahead, days.last, np.minimum(days.last, self.day)), days.known)

    def _of_measurements(self, section: Section) -> dict[str, Any]:
        when = self.clamped(section["when"])
        never = np.zeros(len(when.known), np.bool_)
        first, last = self.extent(when, when, never, when)
        return {"start": when, "stated": when, "first": first, "last": last, "goes_on": never,
                "apart": when.known & (when.first > self.day)}  # fmt: skip

    def _of_statements(self, section: Section) -> dict[str, Any]:
        """`apart` are planned or lie ahead; `extent` is the first and the last day."""
        when, end = section["when"], section["end"]
        ahead = when.known & (when.first > self.day)
        start = self.clamped(when)
        if section.kind != "finding":
            over = Days(end.first, end.last, end.known | section["ongoing"])
            end = either(over, start)
            end = Days(end.first, end.last, end.known & ~section["ongoing"])
        ongoing = section["ongoing"] | (end.known & (end.first > self.day) & ~(start.known & (start.first > self.day)))
        recorded = self.columns.recorded.at(section["place"])
        until = np.where(recorded.known, np.minimum(recorded.first, self.day), self.day)
        stated = section["stated"]
        stated = Days(np.where(ongoing, until, stated.first), np.where(ongoing, until, stated.last), stated.known | ongoing)
        stated = self.clamped(stated)
        end = Days(end.first, end.last, end.known & ~ongoing)
        first, last = self.extent(start, end, ongoing, stated)
        return {"start": start, "over": end, "goes_on": ongoing, "stated": stated, "first": first, "last": last,
                "apart": section["planned"] | ahead}  # fmt: skip

    def extent(self, start: Days, end: Days, ongoing: Flags, stated: Days) -> tuple[Days, Days]:
        """Return first and last day of something, as far as they are known on the screening date."""
        day = np.int32(self.day)
        still = ongoing | (end.known & (end.first > day))
        known = np.maximum(np.where(start.known, start.first, _LONG_AGO), np.where(stated.known, stated.first, _LONG_AGO))
        last_first = np.where(still, day, np.where(end.known, end.first, np.minimum(known, day)))
        last_last = np.where(still, day, np.where(end.known, np.minimum(end.last, day), day))
        open_ = ~still & ~end.known & stated.known
        begun = np.minimum(np.where(open_, np.minimum(day, stated.last), day), last_last)
        first = np.where(start.known, start.first, _LONG_AGO)
        first_last = np.maximum(first, np.minimum(np.where(start.known, start.last, begun), begun))
        always = np.ones(len(first), np.bool_)
        # It cannot start after its end, nor end before its start.
        return (
            Days(first.astype(np.int32), np.minimum(first_last, last_last).astype(np.int32), always),
            Days(np.maximum(first, last_first).astype(np.int32), last_last.astype(np.int32), always),
        )

    # ---- measurements ------------------------------------------------------------------------------------------------

    def _measurements(self, selection: Selection) -> Items:
        concept = selection.concept
        found = computed.items(self, concept) if concept in self.vocabulary.derived else None
        if found is not None:
            return found
        section = self.section("measurements")
        rows = section.slices.get(concept, slice(0, 0))
        place = section["place"][rows]
        columns = _taken(section.columns, rows, _OF_MEASUREMENTS)
        items = Items("measurement", place, np.ones(len(place), np.int8), np.ones(len(place), np.bool_), columns)
        return items.where(~section["apart"][rows])

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
                return self.spans(items["start"], self.today(len(items)), comparison), nobody
            case "ongoing":
                last = items["last"]
                found = _sign(last.first >= self.day, last.last < self.day)
                return np.where(items.present, found, np.int8(-1)), nobody
            case "lasting" if comparison:
                return self._lasts(items, comparison), nobody
            case "method":
                wanted = list(self.vocabulary.methods).index(condition.word)
                return np.where(items["method"] < 0, 0, np.where(items["method"] == wanted, 1, -1)).astype(np.int8), nobody
            case "value" if comparison:
                return self.value_meets(items["values"], comparison), nobody
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
                birth = self.columns.birth.at(items.place)
                return self.spans(birth, items["start"], comparison), nobody
            case "near" if condition.selection and condition.duration:
                return self._near(items, condition, so_far)
            case "after" if condition.selection:
                return self._after(items, condition, so_far)
            case "since" if condition.selection:
                return self._since(items, condition, so_far)
        raise Hard

    def today(self, many: int) -> Days:
        on = np.full(many, self.day, np.int32)
        return Days(on, on, np.ones(many, np.bool_))

    def _reach(self, items: Items, condition: Condition) -> Any:
        """Return the first day of a window; what is counted in half-lives goes by each item's own drug."""
        if not condition.half_lives:
            assert condition.duration is not None
            return shift(self.date, condition.duration, -1).toordinal()
        pick = min if condition.word == "shortest" else max
        days = [self.day] * len(self.courses.drugs)
        for number, name in enumerate(self.courses.drugs):
            if name in self.vocabulary.half_lives:
                lives = Duration(int(condition.half_lives * self.vocabulary.half_lives[name]), "d")
                reaches = [lives, condition.duration] if condition.duration else [lives]
                days[number] = shift(self.date, pick(reaches, key=lambda reach: shift(self.date, reach)), -1).toordinal()
        return np.array(days, np.int32)[items["concept"]]

    def _in_window(self, items: Items, first: Any, last: Any) -> Truths:
        """Tell whether items lie in a window, which begins between two days and ends on the screening date: findings overlap it."""
        when = items["stated"] if items.kind == "finding" else items["start"]
        inside = _sign((when.first >= last) & (when.last <= self.day), (when.last < first) | (when.first > self.day))
        inside[~when.known] = 0
        if items.kind not in ("finding", "therapy"):
            return inside
        until = items["last"]
        overlaps = _sign(until.first >= last, until.last < first)
        return np.where(items.present, overlaps, inside)

    def _anchored(self, items: Items, selection: Selection, duration: Duration) -> tuple[Truths, Ints]:
        """Tell whether items lie in the window before the next planned item of a selection, else before its last one."""
        others = self._others(selection)
        first, last = np.full(self.patients, self.day), np.full(self.patients, self.day)
        past = others.where((others.truth >= 0) & others.present)
        begun, certain = past["first"], past.truth == 1
        bar, high, low = np.full(self.patients, -1), np.full(self.patients, -1), np.full(self.patients, _FAR_AHEAD)
        np.maximum.at(bar, past.place[certain], begun.first[certain])
        np.maximum.at(high, past.place, begun.last)
        np.minimum.at(low, past.place, begun.first)
        some, sure = high >= 0, bar >= 0
        first = np.where(sure, bar, np.where(some, low, first))
        last = np.where(sure, high, last)
        due = self._due(selection)
        soon, late = np.full(self.patients, _FAR_AHEAD + 1), np.full(self.patients, _FAR_AHEAD + 1)
        np.minimum.at(soon, due[0], due[1].first)
        np.minimum.at(late, due[0], due[1].last)
        planned = soon <= _FAR_AHEAD
        first, last = np.where(planned, soon, first), np.where(planned, late, last)
        begin, end = (shifted(days.astype(np.int32), duration, -1)[items.place] for days in (first, last))
        found = self._in_window(items, begin, np.minimum(end, self.day))
        return np.where(begin <= self.day, found, np.int8(-1)), _among(others.hard, items.place)

    def _due(self, selection: Selection) -> tuple[Ints, Days]:
        """Return what is planned of a selection: whose, and when; some day from the screening date on where none is named."""
        section = self.columns.sections[SECTION[selection.kind]]
        wanted = selection.members or {selection.concept}
        rows = [np.arange(part.start, part.stop) for concept, part in section.slices.items()
                if (self.vocabulary.members(concept) or {concept}) <= wanted]  # fmt: skip
        at = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        when = section["when"].at(at)
        due = section["present"][at] & (section["planned"][at] | (when.known & (when.first >= self.day)))
        due &= ~when.known | (when.last >= self.day)
        at, when = at[due], when.at(due)
        first = np.where(when.known, np.maximum(when.first, self.day), self.day)
        return section["place"][at], Days(first, np.where(when.known, when.last, _FAR_AHEAD), when.known)

    def _lasts(self, items: Items, comparison: Comparison) -> Truths:
        """Compare the time from the start to the first day after the end, or to the screening date while it goes on."""
        last, over, ongoing = items["last"], items["over"], items["goes_on"]
        exact = over.known & (over.first == over.last)
        first = np.where(ongoing, self.day, np.where(exact, last.first + 1, np.minimum(last.first + 1, self.day)))
        until = np.where(ongoing, self.day, last.last + 1)
        return self.spans(items["start"], Days(first, until, np.ones(len(items), np.bool_)), comparison)

    def spans(self, start: Days, end: Days, comparison: Comparison) -> Truths:
        """Compare the time from start to end with durations."""
        durations = [threshold.duration or Duration(0, "d") for threshold in comparison.thresholds]
        if comparison.op == "between":
            found = np.minimum(_span(start, end, "at_least", durations[0]), _span(start, end, "at_most", durations[1]))
        elif comparison.op in _OPERATORS:
            found = _span(start, end, comparison.op, durations[0])
        else:
            raise Hard
        return np.where(start.known & end.known, found, np.int8(0))

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
        close = np.where(start.known & end.known, _within_of(start, end, condition.duration), np.int8(0))
        truths = np.minimum(close, others.truth[other])
        found = self._either(truths, one, len(items), items.place, condition.selection)
        return found, _among(others.hard, items.place[so_far > -1])

    def _after(self, items: Items, condition: Condition, so_far: Truths) -> tuple[Truths, Ints]:
        assert condition.selection is not None
        others = self._others(condition.selection)
        one, other = pairs(items.place, others.place, so_far > -1, (others.truth > -1) & others.present)
        start, end = _unbounded(items["start"].at(one)), _unbounded(others["start"].at(other))
        truths = np.minimum(_sign(start.first > end.last, start.last <= end.first), others.truth[other])
        return self._either(truths, one, len(items), items.place, condition.selection), _among(others.hard, items.place[so_far > -1])

    def _since(self, items: Items, condition: Condition, so_far: Truths) -> tuple[Truths, Ints]:
        """Tell whether items came after the latest other one on record, so after every one of them."""
        assert condition.selection is not None
        others = self._others(condition.selection)
        one, other = pairs(items.place, others.place, so_far > -1, (others.truth > -1) & others.present)
        start, end = _unbounded(items["start"].at(one)), _unbounded(others["start"].at(other))
        later, truth = _sign(start.first > end.last, start.last <= end.first), others.truth[other]
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
        meet = np.minimum(_on_or_before(first, last_other), _on_or_before(first_other, last))
        if comparison is None:
            return meet
        exact = first.exact & last.exact & first_other.exact & last_other.exact
        begin, end = np.maximum(first.first, first_other.first), np.minimum(last.first, last_other.first)
        end = end + np.where(items["goes_on"][one] & others["goes_on"][other], 0, 1)
        known = np.ones(len(begin), np.bool_)
        long = self.spans(Days(begin, begin, known), Days(end, end, known), comparison)
        return np.where(meet == 1, np.where(exact, long, np.int8(0)), meet)

    def _either(self, truths: Truths, one: Ints, many: int, place: Ints, selection: Selection) -> Truths:
        """Return for each item whether some other one fits; where none is known to, that is open unless the record is complete."""
        found = np.full(many, -1, np.int8)
        np.maximum.at(found, one, truths)
        found[(found == -1) & ~self.complete(selection)[place]] = 0
        return found

    # ---- values ------------------------------------------------------------------------------------------------------

    def value_meets(self, values: Values, comparison: Comparison) -> Truths:
        """Compare values exactly, where needed with their laboratory's own limits; a double stands for its shortest decimal."""
        if comparison.op == "between":
            low, high = (Comparison(op, (t,)) for op, t in zip(("at_least", "at_most"), comparison.thresholds, strict=True))
            return np.minimum(self.value_meets(values, low), self.value_meets(values, high))
        threshold = comparison.thresholds[0]
        if isinstance(values, Computed):
            return self._computed_meets(values, comparison.op, threshold)
        if threshold.limit:
            limits = values.high if threshold.limit == "[ULN]" else values.low
            return self._against_limit(values, limits, comparison.op, threshold.number)
        found = _meets(self._order(values, threshold.number), comparison.op)
        if (values.other >= 0).any():
            table = self._table(comparison.op, threshold.number, values.other)
            found = np.where(values.other >= 0, table[values.other], found)
        return found

    def _computed_meets(self, values: Computed, op: str, threshold: Threshold) -> Truths:
        """Compare computed values; only what is next to the threshold needs the exact formula."""
        found = np.zeros(len(values.number), np.int8)
        if threshold.limit:
            if not (np.isnan(values.low) & np.isnan(values.high)).all():
                raise Hard
            return found
        number = float(threshold.number)
        yes, no = {
            "below": (values.most < number, values.least >= number), "at_most": (values.most <= number, values.least > number),
            "above": (values.least > number, values.most <= number), "at_least": (values.least >= number, values.most < number),
        }.get(op, (found > 0, (values.most < number) | (values.least > number)))  # fmt: skip
        found = np.where(values.known, _sign(yes, no), found)
        near = np.minimum(np.abs(values.least - number), np.abs(values.most - number)) <= 1e-9 * (1 + abs(number))
        for row in np.flatnonzero(near & values.known).tolist():
            truth = compare(values.exactly(int(values.source[row])), op, threshold.number)  # type: ignore[arg-type]
            found[row] = 0 if truth is None else 1 if truth else -1
        return found

    def _order(self, values: Values, number: Fraction) -> Truths:
        """Return whether each plain value lies below (-1), at (0) or above (1) a number in the canonical unit."""
        return self.orders(values, np.zeros(len(values.number), np.int64), {0: number})

    def orders(self, values: Values, which: Ints, numbers: Mapping[int, Fraction]) -> Truths:
        """Return the same against one of several numbers for each value.

        A double next to the number, that is the nearest one to it, stands for a decimal that is compared exactly; all others lie
        where they seem to lie, since rounding keeps the order.
        """
        rows = max(numbers) + 1
        nearest, tie = np.zeros((rows, len(self.codes.units))), np.zeros((rows, len(self.codes.units)), np.int8)
        for unit in np.unique(values.unit).tolist():
            factor, offset = self.codes.units[unit]
            for row, number in numbers.items():
                exact = (number - offset) / factor
                nearest[row, unit] = float(exact)
                decimal = Fraction(repr(nearest[row, unit].item()))
                tie[row, unit] = (decimal > exact) - (decimal < exact)
        bound = nearest[which, values.unit]
        return np.where(values.number < bound, -1, np.where(values.number > bound, 1, tie[which, values.unit])).astype(np.int8)

    def ordered(self, low: Truths, high: Truths, op: str) -> Truths:
        """Return the comparison that the orders of the lowest and the highest that a value may be say."""
        if op == "equals":
            return _sign((low == 0) & (high == 0), (low > 0) | (high < 0))
        one, other = _meets(low, op), _meets(high, op)
        return np.where(one == other, one, np.int8(0))

    def _table(self, op: str, number: Fraction, used: Ints) -> Truths:
        table = np.zeros(len(self.codes.intervals) + 1, np.int8)
        for code in np.unique(used[used >= 0]).tolist():
            truth = compare(self.codes.intervals[code], op, number)  # type: ignore[arg-type]
            table[code] = 0 if truth is None else 1 if truth else -1
        return table

    def _against_limit(self, values: Values, limits: Floats, op: str, times: Fraction) -> Truths:
        """Compare values with a multiple of a limit in the same unit; only near ties need exact fractions."""
        offset = np.array([offset != 0 for _, offset in self.codes.units], np.bool_)[values.unit]
        bound = float(times) * limits
        plain = (values.other < 0) & ~offset & ~np.isnan(limits)
        if times != 1:
            # A limit itself is compared as it stands: two decimals lie as their nearest doubles do.
            plain &= np.abs(values.number - bound) > 1e-12 * (np.abs(values.number) + np.abs(bound))
        order = (values.number > bound).astype(np.int8) - (values.number < bound).astype(np.int8)
        found = np.where(plain, _meets(order, op), np.int8(0))
        for row in np.flatnonzero(~np.isnan(limits) & ~plain).tolist():
            factor, offset = self.codes.units[values.unit[row]]
            value = self.interval(values, row)
            truth = compare(value, op, times * (Fraction(repr(float(limits[row]))) * factor + offset))  # type: ignore[arg-type]
            found[row] = 0 if truth is None else 1 if truth else -1
        return found

    def change_meets(self, before: Values, now: Values, test: Test) -> Truths:
        """Compare how far values fell or rose; only near ties need exact fractions."""
        relative, sign = test.summary.startswith("relative"), 1 if test.summary.endswith("fall") else -1
        low, high = self.about(before)
        low_now, high_now = self.about(now)
        least, most = (low - high_now, high - low_now) if sign > 0 else (low_now - high, high_now - low)
        op, thresholds = test.comparison.op, test.comparison.thresholds
        ops = ["at_least", "at_most"] if op == "between" else [op]
        told = self.exact(before) & (low > 0) if relative else np.ones(len(low), np.bool_)
        whole = np.where(told, low, 1) / 100 if relative else np.ones(len(low))
        truths = told.astype(np.int8)
        for op, threshold in zip(ops, thresholds, strict=True):
            bound = float(threshold.number) * whole
            orders = [np.sign(end - bound).astype(np.int8) for end in (least, most)]
            size = 1e-9 * (np.abs(low) + np.abs(high) + np.abs(low_now) + np.abs(high_now) + np.abs(bound))
            near = [told & np.isfinite(end) & ~(np.abs(end - bound) > size) for end in (least, most)]
            for row in np.flatnonzero(near[0] | near[1]).tolist():
                for order, exact in zip(orders, self._change(before, now, row, sign), strict=True):
                    if exact is not None:
                        base = (self.interval(before, row).low or 0) / 100 if relative else 1
                        over = exact - threshold.number * base
                        order[row] = (over > 0) - (over < 0)
            np.minimum(truths, self.ordered(orders[0], orders[1], op), out=truths)
        return np.where(told, truths, np.int8(0))

    def _change(self, before: Values, now: Values, row: int, sign: int) -> tuple[Fraction | None, Fraction | None]:
        """Return how far one value fell (or rose) at least and at most."""
        then, later = self.interval(before, row), self.interval(now, row)
        least = None if then.low is None or later.high is None else then.low - later.high
        most = None if then.high is None or later.low is None else then.high - later.low
        return (least, most) if sign > 0 else (None if most is None else -most, None if least is None else -least)

    def about(self, values: Values) -> tuple[Floats, Floats]:
        """Return between which numbers, about, values lie in their canonical unit."""
        if isinstance(values, Computed):
            return np.where(values.known, values.least, -np.inf), np.where(values.known, values.most, np.inf)
        if len(self._factors) < len(self.codes.units):
            self._factors = np.array([(float(factor), float(offset)) for factor, offset in self.codes.units])
        factors = self._factors[values.unit]
        low = values.number * factors[:, 0] + factors[:, 1]
        if (values.other < 0).all():
            return low, low
        least, most, _ = self._ends
        return np.where(values.other < 0, low, least[values.other]), np.where(values.other < 0, low, most[values.other])

    def exact(self, values: Values) -> Flags:
        """Tell which values are known exactly."""
        if isinstance(values, Computed):
            return np.array([self.interval(values, row).exact for row in range(len(values.number))], np.bool_)
        return self._ends[2][values.other]

    @property
    def _ends(self) -> tuple[Floats, Floats, Flags]:
        if self._known_ends is None or len(self._known_ends[0]) <= len(self.codes.intervals):
            self._known_ends = self.codes.ends()
        return self._known_ends

    def interval(self, values: Values, row: int) -> Interval:
        """Return one value exactly, in the canonical unit."""
        if isinstance(values, Computed):
            return values.exactly(int(values.source[row])) if values.known[row] else Interval(None, None)
        if values.other[row] >= 0:
            return self.codes.intervals[int(values.other[row])]
        factor, offset = self.codes.units[values.unit[row]]
        return Interval.exactly(Fraction(repr(float(values.number[row]))) * factor + offset)

    # ---- what is complete --------------------------------------------------------------------------------------------

    def complete(self, selection: Selection) -> Flags:
        """Tell for each patient whether the record holds every item of a selection, so that what is not there is not so."""
        key = (selection.kind, selection.concept, selection.members)
        if key not in self._complete:
            self._complete[key] = self._is_complete(selection)
        return self._complete[key]

    def _is_complete(self, selection: Selection) -> Flags:
        if selection.kind == "sex":
            return np.ones(self.patients, np.bool_)
        declared, codes = self.columns.complete
        section = SECTION[selection.kind]
        closed = section if selection.concept not in self.vocabulary.attested else None
        lines = [self.vocabulary.ancestors(name) for name in selection.members or {selection.concept}]
        found: Flags = np.array([closed in names or all(line & names for line in lines) for names in declared], np.bool_)[codes]
        if selection.kind == "therapy":
            self._with_never(found, lines, closed)
        if selection.kind in ("event", "procedure"):
            found = found | self._all_denied(selection)
        return found

    def _with_never(self, found: Flags, lines: list[frozenset[str]], closed: str | None) -> None:
        """Add what patients are said never to have taken."""
        declared, codes = self.columns.complete
        for place, never in self._never.items():
            names = declared[codes[place]] | never
            found[place] = closed in declared[codes[place]] or all(line & names for line in lines)

    @cached_property
    def _never(self) -> Mapping[int, frozenset[str]]:
        section = self.columns.sections["therapies"]
        rows = np.flatnonzero(~section["taken"])
        names = list(self.vocabulary.labels("therapy"))
        found: dict[int, set[str]] = {}
        for place, concept in zip(section["place"][rows].tolist(), section["concept"][rows].tolist(), strict=True):
            found.setdefault(place, set()).add(names[concept])
        return {place: frozenset(words) for place, words in found.items()}

    def _all_denied(self, selection: Selection) -> Flags:
        """Tell who has only undated denials of what is asked."""
        section = self.section(SECTION[selection.kind])
        wanted = selection.members or {selection.concept}
        told, more = (np.zeros(self.patients, np.bool_) for _ in range(2))
        for concept, rows in section.slices.items():
            kinds = self.vocabulary.members(concept) or {concept}
            present, place = section["present"][rows], section["place"][rows]
            asked = np.where(present, bool(kinds & wanted), wanted <= kinds)
            told[place[asked]] = True
            more[place[asked & (present | section["when"].known[rows])]] = True
        return told & ~more


_OF_STATEMENTS = ("concept", "start", "over", "goes_on", "stated", "first", "last", "clock", "method")
_OF_MEASUREMENTS = ("start", "stated", "first", "last", "goes_on", "clock", "method", "values")


def _taken(columns: Mapping[str, Any], rows: Any, names: tuple[str, ...]) -> dict[str, Any]:
    kept = ((name, columns[name]) for name in names if name in columns)
    return {name: column.at(rows) if hasattr(column, "at") else column[rows] for name, column in kept}


def _both(one: Items, other: Items) -> Items:
    """Return the items of both, sorted by patient."""
    if not len(other):
        return one
    order = np.argsort(np.r_[one.place, other.place], kind="stable")
    columns = {name: _after_each_other(column, other[name]) for name, column in one.columns.items()}
    hard = np.concatenate([one.hard, other.hard])
    truth, present = np.concatenate([one.truth, other.truth]), np.concatenate([one.present, other.present])
    return Items(one.kind, np.concatenate([one.place, other.place]), truth, present, columns, hard).at(order)


def _after_each_other(one: Any, other: Any) -> Any:
    if isinstance(one, Days):
        return Days(*map(np.concatenate, zip(one, other, strict=True)))
    return np.concatenate([one, other])


def _among(places: Ints, others: Ints) -> Ints:
    """Return the places that are among others."""
    return places[np.isin(places, others)] if len(places) else places


def _together(parts: list[slice], place: Ints) -> Any:
    """Return the rows of several concepts, sorted by patient."""
    if not parts:
        return slice(0, 0)
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([np.arange(part.start, part.stop) for part in parts])
    return rows[np.argsort(place[rows], kind="stable")]


def _sign(yes: Flags, no: Flags) -> Truths:
    return yes.astype(np.int8) - no.astype(np.int8)


def _on_or_before(one: Days, other: Days) -> Truths:
    return _sign(one.last <= other.first, one.first > other.last)


def _within_of(one: Days, other: Days, duration: Duration) -> Truths:
    """Tell whether two days lie at most a duration apart, whichever comes first; of days that are known."""
    if (one.first == one.last).all() and (other.first == other.last).all():
        close = shifted(np.minimum(one.first, other.first), duration) >= np.maximum(one.first, other.first)
        return np.where(close, np.int8(1), np.int8(-1))
    before, after = one.last <= other.first, other.last <= one.first
    early = Days(np.where(before, one.first, other.first), np.where(before, one.last, other.last), one.known)
    late = Days(np.where(before, other.first, one.first), np.where(before, other.last, one.last), one.known)
    # Of days that may come in either order, it is certain only where the ends that lie farthest apart are near enough.
    first = one.last - other.first >= other.last - one.first
    near = shifted(np.where(first, other.first, one.first), duration) >= np.where(first, one.last, other.last)
    return np.where(before | after, _span(early, late, "at_most", duration), near.astype(np.int8))


def _unbounded(days: Days) -> Days:
    return Days(np.where(days.known, days.first, _LONG_AGO), np.where(days.known, days.last, _FAR_AHEAD), days.known)


def _meets(order: npt.NDArray[np.int8], op: str) -> Truths:
    yes = {"below": order < 0, "at_most": order <= 0, "above": order > 0, "at_least": order >= 0, "equals": order == 0}[op]
    return np.where(yes, np.int8(1), np.int8(-1))


def _span(start: Days, end: Days, op: str, duration: Duration) -> Truths:
    """Compare the time from start to end with a duration, of days that are known."""
    first, last = shifted(start.first, duration), shifted(start.last, duration)
    match op:
        case "at_least":
            return _sign(last <= end.first, first > end.last)
        case "below":
            return _sign(first > end.last, last <= end.first)
        case "at_most":
            return _sign(end.last <= first, end.first > last)
    return _sign(end.first > last, end.last <= first)


def shifted(days: Ints, duration: Duration, sign: int = 1) -> Ints:
    """Return the days that lie a duration later (`sign` 1) or earlier (-1), months by the calendar (month ends clamp)."""
    number = sign * duration.number
    if duration.unit in ("d", "wk"):
        return days + np.int32(number * (7 if duration.unit == "wk" else 1))
    months = number * (12 if duration.unit == "a" else 1)
    found = (days - EPOCH).astype("M8[D]")
    month = found.astype("M8[M]")
    within = found - month.astype("M8[D]")
    target = month + months
    start = target.astype("M8[D]")
    length = (target + 1).astype("M8[D]") - start
    moved = start + np.minimum(within, length - np.timedelta64(1, "D"))
    return np.asarray(moved.astype(np.int64) + EPOCH, np.int32)


def pairs(place: Ints, others: Ints, rows: Flags, other_rows: Flags) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return every pair of an item and another one of the same patient; both are sorted by patient."""
    left, right = np.flatnonzero(rows), np.flatnonzero(other_rows)
    first = np.searchsorted(others[right], place[left], "left")
    counts = np.searchsorted(others[right], place[left], "right") - first
    one = np.repeat(left, counts)
    offsets = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts)
    return one, right[np.repeat(first, counts) + offsets]
