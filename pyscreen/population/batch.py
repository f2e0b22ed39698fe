"""The answers of many records to every test: `pyscreen.answers`, column by column.

Each family of tests is answered for all patients at once where the columns tell it exactly, and for the few others record by record,
by the one definition in `pyscreen.answers`. So the answers are the same; only the way is shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np

from ..answers import answer, distinct
from ..dates import When, shift
from ..derived import INPUTS
from ..errors import Problem, RecordError
from ..items import Item, meets
from ..knowledge import KnowledgeBase
from ..quantities import Interval
from ..questions import CHANGES, Comparison, Selection, Test, Threshold
from ..record import Dose, Record
from .columns import Codes, Columns, Flags, Ints
from .matching import Matcher
from .rows import Ahead, Hard, Items, Truths, pairs
from .spans import spans
from .tables import CONCEPT, Chunk, readable
from .thresholds import change_meets, ordered, value_meets
from .view import SECTION

_AT_ONCE = 1000
"""How many records are taken out of the tables at a time."""
_CODES: Mapping[bool | None, int] = {True: 1, False: -1, None: 0}


@dataclass
class Answered:
    """A chunk's answers: for each test 1, 0 or -1 a patient. `aside` are the patients whose record cannot be read, with why.

    `unread` are values that cannot be, by patient: they count as values that cannot be read.
    `one_by_one` counts the patients and the families of tests that were answered record by record.
    """

    truths: dict[str, Truths]
    aside: dict[int, RecordError] = field(default_factory=dict)
    unread: dict[int, list[Problem]] = field(default_factory=dict)
    one_by_one: tuple[int, int] = (0, 0)


class Batch:
    """A knowledge base's tests made ready for many records. Nothing is kept of one chunk for the next: all values would not fit."""

    def __init__(self, kb: KnowledgeBase, day: date, tests: Iterable[Test] | None = None) -> None:
        self.kb = kb
        self.day = day
        self.families: dict[str, list[Test]] = {}
        self._bear: dict[str, Mapping[str, frozenset[str]]] = {}
        for test in tests if tests is not None else kb.tests.values():
            self.families.setdefault(test.family, []).append(test)

    def answers(self, chunk: Chunk) -> Answered:
        """Answer every test for every patient of a chunk."""
        columns = Columns(chunk, Codes(self.kb.vocabulary))
        columns.check_declarations()
        matcher = Matcher(columns, self.day)
        found = Answered({})
        alone = columns.hard | columns.slipped(self.day)
        hard: dict[str, Flags] = {}
        for family, tests in self.families.items():
            hard[family] = alone.copy()
            for test in tests:
                found.truths[test.id], unsure = _answered(matcher, test)
                hard[family][unsure] = True
        self._one_by_one(chunk, hard, columns.doubted, found)
        forms = chunk.forms(np.flatnonzero(columns.impossible).tolist())
        found.unread = {at: readable(form, self.kb.vocabulary)[1] for at, form in forms.items() if at not in found.aside}
        return found

    def _one_by_one(self, chunk: Chunk, hard: Mapping[str, Flags], whole: Container[int], found: Answered) -> None:
        """Answer record by record what the columns do not tell; of some patients the whole record is read."""
        flags = np.array(list(hard.values()), np.bool_).reshape(len(hard), -1)
        families = list(hard)
        places = np.flatnonzero(flags.any(axis=0))
        for some in (places[at : at + _AT_ONCE] for at in range(0, len(places), _AT_ONCE)):
            forms = chunk.forms(some)
            for place in some.tolist():
                asked = np.flatnonzero(flags[:, place])
                tests = [test for number in asked.tolist() for test in self.families[families[number]]]
                form = forms[place]
                if len(asked) < len(families) and place not in whole:
                    form = self._part(form, {families[number] for number in asked.tolist()})
                self._alone(chunk, place, form, tests, found)
        found.one_by_one = (len(places), int(np.count_nonzero(flags)))

    def _alone(self, chunk: Chunk, place: int, form: Mapping[str, Any], tests: list[Test], found: Answered) -> None:
        try:
            record = chunk.built(place, form, self.kb)
        except RecordError as error:
            found.aside[place] = error
            return
        answers = answer(record, tests, self.kb.vocabulary, self.day)
        for test in tests:
            found.truths[test.id][place] = _CODES[answers[test.id].truth]

    def _part(self, form: Mapping[str, Any], families: Iterable[str]) -> dict[str, Any]:
        """Return what of a record in order bears on some families of tests."""
        wanted: dict[str, set[str]] = {}
        for family in families:
            for section, concepts in self._bearing(family).items():
                wanted.setdefault(section, set()).update(concepts)
        part = dict(form)
        for section, name in CONCEPT.items():
            if section in part:
                kept = wanted.get(section, ())
                part[section] = [item for item in part[section] if item[name] in kept]
        return part

    def _bearing(self, family: str) -> Mapping[str, frozenset[str]]:
        """Return the concepts of each section that bear on a family of tests."""
        if family not in self._bear:
            found: dict[str, set[str]] = {}
            for test in self.families[family]:
                self._add(test.selection, found)
                if test.summary == "daily_dose":
                    found.setdefault("measurements", set()).add("weight")
            self._bear[family] = {section: frozenset(names) for section, names in found.items()}
        return self._bear[family]

    def _add(self, selection: Selection, found: dict[str, set[str]]) -> None:
        vocabulary = self.kb.vocabulary
        for condition in selection.conditions:
            if condition.selection is not None:
                self._add(condition.selection, found)
            if condition.name == "dose":
                found.setdefault("measurements", set()).add("weight")
        if selection.kind == "sex":
            return
        names = found.setdefault(SECTION[selection.kind], set())
        if selection.kind == "measurement":
            names |= {selection.concept, *INPUTS.get(selection.concept, ())}
            return
        wanted = selection.members or {selection.concept}
        names.update(name for name in vocabulary.labels(selection.kind) if ({name} | vocabulary.members(name)) & wanted)


# ---- summaries -------------------------------------------------------------------------------------------------------

_Found = tuple[Truths, Ints]


def _answered(matcher: Matcher, test: Test) -> _Found:
    """Answer a test for every patient, or tell who has items that the columns do not tell of."""
    bare = replace(test, selection=matcher.bare(test.selection))
    ways: tuple[Callable[[], _Found], ...] = (
        lambda: _SUMMARIES.get(test.summary, _of_nothing)(matcher, test),
        lambda: _of_nothing(matcher, test),
        lambda: _of_nothing(matcher, bare, test),
    )
    for way in ways:
        try:
            return way()
        except Hard:
            continue
        except Ahead:
            break
    return np.zeros(matcher.view.patients, np.int8), np.arange(matcher.view.patients, dtype=np.int32)


def _of_nothing(matcher: Matcher, test: Test, asked: Test | None = None) -> _Found:
    """Answer a test for those who have no item that counts; all others are hard."""
    items = matcher.matched(test.selection)
    everything = test.selection.members or {test.selection.concept}
    silent, complete = (_said(matcher, asked or test, names) for names in (frozenset[str](), everything))
    closed = matcher.complete(test.selection)
    found = np.where(closed, np.int8(complete), np.int8(silent))
    # What a silent record says of a finding is as old as the record.
    dated = test.selection.kind == "finding" and test.summary == "latest"
    hard = [items.hard, items.place[items.truth >= 0], *([np.flatnonzero(closed)] if dated else [])]
    return found, np.concatenate(hard)


def _said(matcher: Matcher, test: Test, complete: Iterable[str]) -> int:
    """Return what a record answers that says nothing but what is complete."""
    record = Record("silent", complete=frozenset(complete))
    return _CODES[answer(record, [test], matcher.view.vocabulary, matcher.view.date)[test.id].truth]


def _some(matcher: Matcher, test: Test) -> _Found:
    """At least one item meets all the conditions."""
    if test.selection.kind == "sex":
        sex = matcher.view.columns.sex
        wanted = ("female", "male").index(test.selection.concept)
        return np.where(sex < 0, 0, np.where(sex == wanted, 1, -1)).astype(np.int8), np.zeros(0, np.int32)
    items = matcher.matched(test.selection)
    yes, maybe, denied = (_who(matcher, items, flags) for flags in (
        (items.truth == 1) & items.present, (items.truth == 0) & items.present, (items.truth == 1) & ~items.present
    ))  # fmt: skip
    no = denied | matcher.complete(test.selection)
    found = np.where(yes, 1, np.where(maybe, 0, np.where(no, -1, 0))).astype(np.int8)
    return found, items.hard[~yes[items.hard]]  # what is certainly there stays so, whatever else is


def _who(matcher: Matcher, items: Items, flags: Flags) -> Flags:
    """Tell which patients have an item that is flagged."""
    found: Flags = np.zeros(matcher.view.patients, np.bool_)
    found[items.place[flags]] = True
    return found


def _latest(matcher: Matcher, test: Test) -> _Found:
    """The latest item decides; where several may be the latest, all must agree."""
    last = _last(matcher, test.selection)
    found = np.zeros(matcher.view.patients, np.int8)
    items, starts = last.items, last.starts
    if len(items):
        when, aged = items["stated"], test.selection.condition("newest") is not None
        fresh = when.known & _recently(matcher, test, when.first) if aged else np.ones(len(items), np.bool_)
        truths = np.where(fresh, _compared(matcher, items, test), np.int8(0))
        high, low = np.maximum.reduceat(truths, starts), np.minimum.reduceat(truths, starts)
        found[items.place[starts]] = np.where(high == low, high, 0)
        if test.argument in ("lowest", "highest"):
            _extreme_of_latest(matcher, items, starts, test, found, fresh, (low, high))
        elif items.kind == "measurement":
            found[last.clashing(matcher)] = 0
    found[~last.certain] = 0
    found[last.nobody & _silently_denied(matcher, test)] = -1
    return found, last.hard


@dataclass
class _Last:
    """What may be the latest item of each patient, and where each patient's begin; who has a certain one, and who none at all."""

    items: Items
    starts: Ints
    certain: Flags
    nobody: Flags
    hard: Ints
    clash: Ints | None = None

    def clashing(self, matcher: Matcher) -> Ints:
        """Return the patients with two different values at one instant."""
        if self.clash is None:
            self.clash = _clashing(matcher, self.items, self.starts)
        return self.clash


def _last(matcher: Matcher, selection: Selection) -> _Last:
    """Return what may be the latest items of a selection."""
    selection = matcher.ageless(selection)
    key = (selection, "last")
    if key not in matcher.kept:
        items = matcher.matched(selection)
        counted = items.truth >= 0
        certain, some = _who(matcher, items, items.truth == 1), _who(matcher, items, counted)
        items = items.where(counted)
        hard = [items.hard]
        if items.kind == "finding":
            items, unsure = _states(matcher, items, selection)
            hard.append(unsure)
        items = items.where(_candidates(items))
        starts, _ = _ends(items.place)
        matcher.kept[key] = _Last(items, starts, certain, ~some, np.concatenate(hard))
    found: _Last = matcher.kept[key]
    return found


def _silently_denied(matcher: Matcher, test: Test) -> Flags:
    """Tell whether a record that holds every finding says by silence that this one is not there, as of the day it was made."""
    if test.selection.kind != "finding" or test.comparison.op != "present":
        return np.zeros(matcher.view.patients, np.bool_)
    complete = matcher.complete(test.selection)
    newest = test.selection.condition("newest")
    if newest is None or newest.duration is None:
        return complete
    recorded = matcher.view.columns.recorded
    made = np.where(recorded.known, recorded.first, matcher.view.day)
    return complete & (made >= shift(matcher.view.date, newest.duration, -1).toordinal())


def _states(matcher: Matcher, items: Items, selection: Selection) -> tuple[Items, Ints]:
    """See findings as states: one that has ended is absent since then; the patients of one that may have ended are hard."""
    over, day = items["over"], matcher.view.day
    ends = items.present & over.known & ~items["goes_on"]
    still, ended = ends & (over.first >= day), ends & (over.last < day)
    unsure = items.place[ends & ~still & ~ended]
    if not ends.any():
        return items, unsure
    stated = items["stated"]
    first = np.where(still, day, np.where(ended, over.first, stated.first))
    last = np.where(still, day, np.where(ended, np.minimum(over.last, day - 1), stated.last))
    days = type(stated)(first, last, stated.known | still | ended)
    clock = np.where(ends, -1, items["clock"])
    columns = {"stated": days, "clock": clock, "over": over}
    seen = Items(items.kind, items.place, items.truth, items.present & ~ended, columns, items.hard)
    wider = _wider(matcher, selection)
    keep = ~ended | wider[items["concept"]]
    return seen if keep.all() else seen.where(keep), unsure


def _wider(matcher: Matcher, selection: Selection) -> Flags:
    """Tell of each finding whether its end says that everything asked for has ended."""
    members = matcher.view.vocabulary.members
    return np.array([selection.members <= members(name) for name in matcher.view.vocabulary.labels("finding")], np.bool_)


def _candidates(items: Items) -> Flags:
    """Tell which items may be the latest of their patient: undated ones always may."""
    when, place = items["stated"], items.place
    many = len(place)
    if not many:
        return np.zeros(0, np.bool_)
    starts = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
    sizes = np.diff(np.r_[starts, many])
    if len(starts) == many:
        return np.ones(many, np.bool_)
    certain = np.where(when.known & (items.truth == 1), when.first, np.int32(-1))
    bar = np.repeat(np.maximum.reduceat(certain, starts), sizes)
    late = ~when.known | (when.last >= bar)
    clock = items["clock"]
    if (clock[late] >= 0).any():
        timed = np.where(late & (items.truth == 1) & when.known, clock >= 0, True)
        ordered = np.repeat(np.minimum.reduceat(timed, starts), sizes)
        last = np.where(late & (items.truth == 1) & when.known, clock // 2, -1)
        latest = np.repeat(np.maximum.reduceat(last, starts), sizes)
        late &= ~(ordered & when.known & (items.truth == 1) & (clock // 2 < latest))
    return np.asarray(late)


def _compared(matcher: Matcher, items: Items, test: Test) -> Truths:
    op = test.comparison.op
    if op in ("present", "absent"):
        return np.where(items.present == (op == "present"), np.int8(1), np.int8(-1))
    return value_meets(matcher.view, items["values"], test.comparison)


def _extreme_of_latest(
    matcher: Matcher, items: Items, starts: Ints, test: Test, found: Truths, fresh: Flags, ends: tuple[Truths, Truths]
) -> None:
    """Let the lowest or highest of the values of one day count, where all are of one day."""
    days = items["stated"]
    plain = np.minimum.reduceat(days.exact & (items.truth == 1), starts)
    one_day = plain & (np.maximum.reduceat(days.first, starts) == np.minimum.reduceat(days.first, starts))
    place, comparison = items.place[starts], test.comparison
    if comparison.op not in ("equals", "between"):
        some = (test.argument == "lowest") is (comparison.op in ("below", "at_most"))
        found[place[one_day]] = (ends[1] if some else ends[0])[one_day]
    elif not any(threshold.limit for threshold in comparison.thresholds):
        truths = []
        for op, threshold in (("at_least", comparison.thresholds[0]), ("at_most", comparison.thresholds[-1])):
            some = (test.argument == "lowest") is (op == "at_most")
            truth = np.where(fresh, value_meets(matcher.view, items["values"], Comparison(op, (threshold,))), np.int8(0))
            truths.append((np.maximum if some else np.minimum).reduceat(truth, starts))
        found[place[one_day]] = np.minimum(*truths)[one_day]


def _clashing(matcher: Matcher, items: Items, starts: Ints) -> Ints:
    """Return the patients with two different values at one instant."""
    nobody = items.place[:0]
    if len(starts) == len(items):
        return nobody
    several = np.repeat(np.diff(np.r_[starts, len(items)]) > 1, np.diff(np.r_[starts, len(items)]))
    rows = np.flatnonzero(items["stated"].exact & several)
    keys = (items["method"][rows], items["clock"][rows], items["stated"].first[rows], items.place[rows])
    order = np.lexsort(keys)
    instant, rows = [part[order] for part in keys], rows[order]
    change = np.r_[True, np.any([part[1:] != part[:-1] for part in instant], axis=0)] if len(rows) else np.zeros(0, np.bool_)
    first = np.flatnonzero(change)
    if len(first) == len(rows):
        return nobody
    values, place = items["values"].at(rows), instant[3][first]

    def same(column: Any) -> Flags:
        return np.asarray(np.minimum.reduceat(column, first) == np.maximum.reduceat(column, first))

    alike, differ = same(values.unit) & same(values.other), ~same(values.number)
    plain = np.maximum.reduceat(values.other, first) < 0
    clash = alike & plain & differ
    sizes = np.diff(np.r_[first, len(rows)])
    for at in np.flatnonzero(~alike | (~plain & differ)).tolist():
        clash[at] = len({matcher.view.interval(values, row) for row in range(first[at], first[at] + sizes[at])}) > 1
    return np.asarray(place[clash])


def _extremal(matcher: Matcher, test: Test) -> _Found:
    """Lowest or highest of the recorded values: one is below where any is, the other where all are."""
    items = matcher.matched(test.selection)
    maybe, certain = _who(matcher, items, items.truth == 0), items.truth == 1
    items = items.where(certain)
    op = test.comparison.op
    if op in ("equals", "between"):
        if any(threshold.limit for threshold in test.comparison.thresholds):
            raise Hard
        low = test.comparison.thresholds[0]
        high = test.comparison.thresholds[-1]
        parts = [_extreme(matcher, items, test.summary, "at_least", low), _extreme(matcher, items, test.summary, "at_most", high)]
        found = np.minimum(*parts)
    else:
        found = _extreme(matcher, items, test.summary, op, test.comparison.thresholds[0])
    known = _who(matcher, items, np.ones(len(items), np.bool_))
    return np.where(known & ~maybe, found, np.int8(0)), items.hard


def _extreme(matcher: Matcher, items: Items, which: str, op: str, threshold: Threshold) -> Truths:
    truths = value_meets(matcher.view, items["values"], Comparison(op, (threshold,)))
    some = (which == "lowest") is (op in ("below", "at_most"))
    found = np.full(matcher.view.patients, -1 if some else 1, np.int8)
    (np.maximum if some else np.minimum).at(found, items.place, truths)
    return found


# ---- items of several days -------------------------------------------------------------------------------------------


def _by_day(matcher: Matcher, test: Test) -> tuple[Items, Ints, _Found]:
    """Return what may be the last item of each day, by patient and day, where the days begin, and the answer of the other patients.

    A patient with an item that may not count, or of a day that is not known, or with two values at one instant, has none.
    """
    key = (matcher.ageless(test.selection), "by day")
    if key not in matcher.kept:
        matcher.kept[key] = _days_of(matcher, test)
    items, days, left_out = matcher.kept[key]
    found, _ = _of_nothing(matcher, test)
    found[left_out] = 0
    return items, days, (found, items.hard)


def _days_of(matcher: Matcher, test: Test) -> tuple[Items, Ints, Flags]:
    items = matcher.matched(test.selection)
    items = items.where(items.truth >= 0)
    left_out = _who(matcher, items, (items.truth == 0) | ~items["start"].exact)
    items = items.where(~left_out[items.place])
    items = items.at(np.lexsort((items["start"].first, items.place)))
    last = _last_of_day(items)
    items = items if last is None else items.where(last)
    days = _day_starts(items)
    if len(days) < len(items):
        left_out[_clashing(matcher, items, days)] = True
        items = items.where(~left_out[items.place])
        days = _day_starts(items)
    return items, days, left_out


def _day_starts(items: Items) -> Ints:
    """Return the first row of each patient's day, of items in order."""
    day = items["start"].first
    return np.flatnonzero(np.r_[len(items) > 0, (items.place[1:] != items.place[:-1]) | (day[1:] != day[:-1])])


def _last_of_day(items: Items) -> Flags | None:
    """Tell which items may be the last of their day: where each has its time of day, those of the latest; None: all of them."""
    starts = _day_starts(items)
    if len(starts) == len(items):
        return None
    clock = items["clock"] // 2
    sizes = np.diff(np.r_[starts, len(items)])
    timed = np.repeat(np.minimum.reduceat(clock, starts) >= 0, sizes)
    return np.asarray(~timed | (clock == np.repeat(np.maximum.reduceat(clock, starts), sizes)))


def _ends(place: Ints) -> tuple[Ints, Ints]:
    """Return the first and the last row of each patient."""
    starts = np.flatnonzero(np.r_[True, place[1:] != place[:-1]]) if len(place) else np.zeros(0, np.int64)
    return starts, np.r_[starts[1:], len(place)] - 1 if len(place) else starts


def _count(matcher: Matcher, test: Test) -> _Found:
    """How many items of distinct days and concepts, at least and at most."""
    if test.argument:
        return _count_of_kinds(matcher, test)
    items = matcher.matched(test.selection)
    found, _ = _of_nothing(matcher, test)
    items = items.where((items.truth >= 0) & items.present)
    concept = items["concept"] if "concept" in items.columns else np.zeros(len(items), np.int32)

    def days(rows: Flags) -> Ints:
        keys = np.stack([items.place[rows], concept[rows], items["start"].first[rows]])
        return np.bincount(np.unique(keys, axis=1)[0], minlength=matcher.view.patients)

    low, high = days(items.truth == 1), days(items.truth >= 0)
    vague = _who(matcher, items, ~items["start"].exact)
    rows = np.flatnonzero(vague[items.place])
    for who, some in _by_patient(rows, items.place):
        low[who] = _tallied(items, concept, some[items.truth[some] == 1])[0]
        high[who] = _tallied(items, concept, some)[1]
    place = np.unique(items.place)
    complete = matcher.complete(test.selection)[place]
    triples, inverse = np.unique(np.stack([low[place], high[place], complete]), axis=1, return_inverse=True)
    intervals = [Interval(Fraction(least), Fraction(most) if whole else None) for least, most, whole in triples.T.tolist()]
    found[place] = np.array([_truth(meets(interval, test.comparison)) for interval in intervals], np.int8)[inverse.ravel()]
    return found, items.hard


def _by_patient(rows: Ints, place: Ints) -> Iterator[tuple[int, Ints]]:
    """Yield each patient with the rows of it, of rows sorted by patient."""
    if len(rows):
        cuts = np.flatnonzero(np.diff(place[rows])) + 1
        yield from ((int(place[some[0]]), some) for some in np.split(rows, cuts))


def _tallied(items: Items, concept: Ints, rows: Ints) -> tuple[int, int]:
    """Return at least and at most how many items there are among those of one patient, some of whose days are not known."""
    by_concept: dict[int, list[Item]] = {}
    days = items["start"].at(rows)
    for kind, first, last, known in zip(concept[rows].tolist(), *(part.tolist() for part in days), strict=True):
        when = When(date.fromordinal(first), date.fromordinal(last)) if known else None
        by_concept.setdefault(kind, []).append(Item(items.kind, "", "", when))
    tallies = [distinct(of_kind) for of_kind in by_concept.values()]
    return sum(low for low, _ in tallies), sum(high for _, high in tallies)


def _count_of_kinds(matcher: Matcher, test: Test) -> _Found:
    """How many distinct drugs, or direct sub-classes of the class asked for: at least those that certainly count."""
    items = matcher.matched(test.selection)
    names = list(matcher.view.vocabulary.labels(test.selection.kind))
    if "concept" not in items.columns:
        raise Hard
    kinds = sorted(matcher.view.vocabulary.children(test.selection.concept)) if test.argument == "classes" else names
    used = np.unique(items["concept"]).tolist()
    lineage = matcher.view.vocabulary.ancestors if test.argument == "classes" else lambda name: {name}
    low, high = (np.zeros(matcher.view.patients, np.int32) for _ in range(2))
    for kind in kinds:
        of_kind = [number for number in used if kind in lineage(names[number])]
        if of_kind:
            within = np.isin(items["concept"], of_kind) & items.present
            low += _who(matcher, items, within & (items.truth == 1))
            high += _who(matcher, items, within & (items.truth >= 0))
    complete = matcher.complete(test.selection)
    found = np.zeros(matcher.view.patients, np.int8)
    triples, inverse = np.unique(np.stack([low, high, complete.astype(np.int32)]), axis=1, return_inverse=True)
    intervals = [Interval(Fraction(least), Fraction(most) if whole else None) for least, most, whole in triples.T.tolist()]
    found[:] = np.array([_truth(meets(interval, test.comparison)) for interval in intervals], np.int8)[inverse.ravel()]
    return found, items.hard


def _time(matcher: Matcher, test: Test) -> _Found:
    """The time from the latest item (of a finding the first) to screening, or from the earliest item to the latest."""
    items = matcher.matched(test.selection)
    found, _ = _of_nothing(matcher, test)
    items = items.where(items.truth >= 0)
    maybe = _who(matcher, items, items.truth == 0)
    found[maybe] = 0
    items = items.where(items.present & ~maybe[items.place])
    items = items.at(np.lexsort((items["start"].first, items.place)))
    starts, ends = _ends(items.place)
    if not len(starts):
        return found, items.hard
    days, place, several = items["start"], items.place[starts], ends > starts
    dated = np.minimum.reduceat(days.known, starts)
    exact = np.minimum.reduceat(days.exact, starts)
    if test.summary == "time_since":
        since = days.at(starts if items.kind == "finding" else ends)
        found[place] = np.where(dated, spans(since, matcher.view.today(len(starts)), test.comparison), np.int8(0))
        return found, np.concatenate([items.hard, place[several & dated & ~exact]])
    # Of one item what is said of none holds.
    between = spans(days.at(starts), days.at(ends), test.comparison)
    found[place[several]] = np.where(dated, between, np.int8(0))[several]
    return found, np.concatenate([items.hard, place[several & dated & ~exact]])


def _in_a_row(matcher: Matcher, test: Test) -> _Found:
    """Each of the latest N values, or N values one after the other, on different days."""
    number = int(test.argument)
    items, days, (found, hard) = _by_day(matcher, test)
    if not len(items):
        return found, hard
    of_items = value_meets(matcher.view, items["values"], test.comparison)
    high, low = np.maximum.reduceat(of_items, days), np.minimum.reduceat(of_items, days)
    truths, place = np.where(high == low, high, np.int8(0)), items.place[days]
    starts, ends = _ends(place)
    first = np.repeat(starts, ends - starts + 1)
    run = truths.copy()
    whole = np.arange(len(place)) - first >= number - 1
    for back in range(1, number):
        earlier = np.maximum(np.arange(len(place)) - back, first)
        np.minimum(run, truths[earlier], out=run)
    recent = _recently(matcher, test, items["start"].first[days])
    place = place[ends]
    if test.summary == "each_of_latest":
        latest = np.where(whole[ends], run[ends], np.minimum(run[ends], 0))
        found[place] = np.where(recent[ends], latest, 0)
        return found, hard
    run = np.where(whole & recent, run, np.int8(-1))
    best = np.maximum.reduceat(run, starts)
    found[place] = np.where(best == 1, 1, np.where((best == -1) & matcher.complete(test.selection)[place], -1, 0))
    return found, hard


def _recently(matcher: Matcher, test: Test, day: Ints) -> Flags:
    """Tell which days are as recent as the test asks the newest item to be."""
    newest = test.selection.condition("newest")
    if newest is None or newest.duration is None:
        return np.ones(len(day), np.bool_)
    return np.asarray(day >= shift(matcher.view.date, newest.duration, -1).toordinal())


def _change(matcher: Matcher, test: Test) -> _Found:
    """How far the latest value lies from the earliest one, or from the one before."""
    if test.argument not in ("", "previous"):
        raise Hard
    items, days, (found, hard) = _by_day(matcher, test)
    starts, ends = _ends(items.place[days])
    several = ends > starts
    found[items.place[days[ends]]] = 0
    starts, ends = starts[several], ends[several]
    if not len(starts):
        return found, hard
    values = items["values"]
    before, now = values.at(days[starts if not test.argument else ends - 1]), values.at(days[ends])
    place = items.place[days[ends]]
    truths = change_meets(matcher.view, before, now, test)
    found[place] = np.where(_recently(matcher, test, items["start"].first[days[ends]]), truths, np.int8(0))
    # Of a day with several values that may be the last there is a range.
    many = np.diff(np.r_[days, len(items)]) > 1
    return found, np.concatenate([hard, place[many[ends] | many[starts if not test.argument else ends - 1]]])


# ---- doses -----------------------------------------------------------------------------------------------------------


def _daily_dose(matcher: Matcher, test: Test) -> _Found:
    """The total daily dose on the screening date; patients with a dose by a weight that is not told here are hard."""
    if test.selection.conditions:
        raise Hard
    found, _ = _of_nothing(matcher, test)
    courses, unit = matcher.courses, test.comparison.thresholds[0].unit
    entries, rows = courses.entries, courses.at(test.selection)
    end = entries.end.at(rows)
    taken = entries.ongoing[rows] | ~end.known | (end.last >= matcher.view.day)
    now = (entries.ongoing[rows] | (end.known & (end.first >= matcher.view.day)))[taken]
    rows = rows[taken]
    if not len(rows):
        return found, rows
    place, complete = entries.place[rows], matcher.complete(test.selection)

    def amount(row: int) -> Dose | None:
        code = int(entries.dose[row])
        return courses.amount(test.selection, int(entries.drug[row]), code) if code >= 0 else None

    # About how much each entry is at least and at most, the same for all entries of a drug and dose in the unit asked for.
    _, first, which = np.unique(np.stack([entries.drug[rows], entries.dose[rows]]), axis=1, return_index=True, return_inverse=True)
    low, high = np.zeros(len(rows)), np.full(len(rows), np.inf)
    hard = np.zeros(len(rows), np.bool_)
    for number, row in enumerate(rows[first].tolist()):
        dose, here = amount(row), np.flatnonzero(which.ravel() == number)
        if dose is not None and dose.unit == unit:
            low[here] = high[here] = float(dose.amount)
        elif dose is not None:
            low[here], high[here], hard[here] = courses.about_weighed(rows[here], dose, unit)
    least = np.bincount(place, weights=np.where(now, low, 0.0), minlength=matcher.view.patients)
    most = np.bincount(place, weights=high, minlength=matcher.view.patients)
    most[~complete] = np.inf

    def exactly(of: Ints) -> Interval:
        low, high = Fraction(0), Fraction(0) if complete[place[of[0]]] else None
        for row, certain in zip(rows[of].tolist(), now[of].tolist(), strict=True):
            dose = amount(row)
            daily = None if dose is None else Interval.exactly(dose.amount) if dose.unit == unit else courses.weighed(row, dose, unit)
            low += daily.low if certain and daily is not None and daily.low is not None else 0
            high = None if high is None or daily is None or daily.high is None else high + daily.high
        return Interval(low, high)

    taking = np.unique(place)
    found[taking] = 1
    ops = ("at_least", "at_most") if test.comparison.op == "between" else (test.comparison.op,)
    order = np.argsort(place, kind="stable")
    unsure = np.unique(place[hard])
    for op, threshold in zip(ops, test.comparison.thresholds, strict=True):
        bound = float(threshold.number)
        near = np.abs(least - bound) <= 1e-9 * (least + bound)
        near |= np.isfinite(most) & ~(np.abs(most - bound) > 1e-9 * (most + bound))
        truths = ordered(np.sign(least - bound).astype(np.int8), np.sign(most - bound).astype(np.int8), op)
        for who in np.setdiff1d(taking[near[taking]], unsure).tolist():
            of = order[slice(*np.searchsorted(place[order], [who, who + 1]))]
            truths[who] = _truth(meets(exactly(of), Comparison(op, (threshold,))))
        found[taking] = np.minimum(found[taking], truths[taking])
    return found, unsure.astype(np.int32)


def _unchanged(matcher: Matcher, test: Test) -> _Found:
    """For how long up to screening no drug asked for was started, stopped or changed in dose."""
    duration = test.comparison.thresholds[0].duration
    if test.selection.conditions or duration is None:
        raise Hard
    since = shift(matcher.view.date, duration, -1).toordinal()
    entries = matcher.courses.entries
    rows = matcher.courses.at(test.selection)
    start, end, ongoing = entries.start.at(rows), entries.end.at(rows), entries.ongoing[rows]
    renewing, renewed = _renewals(matcher, rows)
    began = np.where(renewing > -1, renewing, np.where(start.first > since, -1, 0))
    began = np.where(start.known, np.where(start.last <= since, 1, began), 0)
    stopped = (end.first + 1 > since) & (end.last < matcher.view.day)
    ended = np.where(renewed > -1, renewed, np.where(stopped, -1, 0))
    ended = np.where((end.first >= matcher.view.day) | (end.last + 1 <= since), 1, ended)
    ended = np.where(ongoing, 1, np.where(end.known, ended, 0))
    worst = np.ones(matcher.view.patients, np.int8)
    np.minimum.at(worst, entries.place[rows], np.minimum(began, ended).astype(np.int8))
    complete = matcher.complete(test.selection)
    found = np.where(worst == -1, -1, np.where((worst == 1) & complete, 1, 0)).astype(np.int8)
    return found, np.zeros(0, np.int32)


def _renewals(matcher: Matcher, rows: Ints) -> tuple[Truths, Truths]:
    """Tell of each entry whether it carries on another of its drug at the same dose without a gap, and whether one carries it on."""
    entries = matcher.courses.entries
    key = entries.drug[rows].astype(np.int64) * (matcher.view.patients + 1) + entries.place[rows]
    everything = np.ones(len(rows), np.bool_)
    before, after = pairs(key, key, everything, everything)
    apart = (before != after) & ~entries.ongoing[rows[before]]
    before, after = before[apart], after[apart]
    one, two = rows[before], rows[after]
    same = _same_dose(matcher, entries.dose[one], entries.dose[two])
    start, end, next_ = entries.start.at(one), entries.end.at(one), entries.start.at(two)
    first = _sign(start.last < next_.first, start.first >= next_.last)
    first[~(start.known & next_.known)] = 0
    joined = _sign(next_.last <= end.first + 1, next_.first > end.last + 1)
    joined[~(end.known & next_.known)] = 0
    truths = np.minimum(np.minimum(same, first), joined)
    renewing, renewed = np.full(len(rows), -1, np.int8), np.full(len(rows), -1, np.int8)
    np.maximum.at(renewing, after, truths)
    np.maximum.at(renewed, before, truths)
    return renewing, renewed


def _same_dose(matcher: Matcher, one: Ints, other: Ints) -> Truths:
    """Tell whether two doses are the same; doses in different units may be."""
    doses = matcher.view.codes.doses
    numbers: dict[Dose, int] = {}
    units: dict[str, int] = {}
    amount = np.array([numbers.setdefault(dose, len(numbers)) for dose in doses] + [-1], np.int32)
    unit = np.array([units.setdefault(dose.unit, len(units)) for dose in doses] + [-1], np.int32)
    told = (one >= 0) & (other >= 0) & (unit[one] == unit[other])
    return np.where(told, np.where(amount[one] == amount[other], 1, -1), 0).astype(np.int8)


def _sign(yes: Flags, no: Flags) -> Truths:
    return yes.astype(np.int8) - no.astype(np.int8)


def _truth(truth: bool | None) -> int:
    return _CODES[truth]


_SUMMARIES: Mapping[str, Callable[[Matcher, Test], _Found]] = {
    "some": _some,
    "latest": _latest,
    "lowest": _extremal,
    "highest": _extremal,
    "count": _count,
    "time_since": _time,
    "time_between": _time,
    "each_of_latest": _in_a_row,
    "consecutive": _in_a_row,
    "daily_dose": _daily_dose,
    "unchanged": _unchanged,
    **dict.fromkeys(CHANGES, _change),
}
