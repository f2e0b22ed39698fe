"""The answers of many records to every test: `pyscreen.answers`, column by column.

Each family of tests is answered for all patients at once where the columns tell it exactly, and for the few others record by record,
by the one definition in `pyscreen.answers`. So the answers are the same; only the way is shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction

import numpy as np

from ..answers import answer
from ..dates import shift
from ..errors import RecordError
from ..items import meets
from ..knowledge import KnowledgeBase
from ..quantities import Interval
from ..questions import CHANGES, Comparison, Selection, Test, Threshold
from ..record import Record
from .columns import Codes, Columns, Flags, Ints
from .matching import Ahead, Hard, Items, Matcher, Truths
from .tables import Chunk

_CODES: Mapping[bool | None, int] = {True: 1, False: -1, None: 0}


@dataclass
class Answered:
    """A chunk's answers: for each test 1, 0 or -1 a patient. `aside` are the patients whose record cannot be read, with why.

    `one_by_one` counts the patients and the families of tests that were answered record by record.
    """

    truths: dict[str, Truths]
    aside: dict[int, RecordError] = field(default_factory=dict)
    one_by_one: tuple[int, int] = (0, 0)


class Batch:
    """A knowledge base's tests made ready for many records."""

    def __init__(self, kb: KnowledgeBase, day: date, tests: Iterable[Test] | None = None) -> None:
        self.kb = kb
        self.day = day
        self.codes = Codes(kb.vocabulary)
        self.families: dict[str, list[Test]] = {}
        for test in tests if tests is not None else kb.tests.values():
            self.families.setdefault(test.family, []).append(test)

    def answers(self, chunk: Chunk) -> Answered:
        """Answer every test for every patient of a chunk."""
        columns = Columns(chunk, self.codes)
        columns.check_declarations()
        matcher = Matcher(columns, self.day)
        found = Answered({})
        hard: dict[str, Flags] = {}
        for family, tests in self.families.items():
            hard[family] = columns.hard.copy()
            for test in tests:
                found.truths[test.id], unsure = _answered(matcher, test)
                hard[family][unsure] = True
        self._one_by_one(chunk, hard, found)
        return found

    def _one_by_one(self, chunk: Chunk, hard: Mapping[str, Flags], found: Answered) -> None:
        """Answer record by record what the columns do not tell."""
        asked: dict[int, list[str]] = {}
        for family, flags in hard.items():
            for place in np.flatnonzero(flags).tolist():
                asked.setdefault(place, []).append(family)
        for place, families in asked.items():
            tests = [test for family in families for test in self.families[family]]
            try:
                record = chunk.record(place, self.kb)
            except RecordError as error:
                found.aside[place] = error
                continue
            answers = answer(record, tests, self.kb.vocabulary, self.day)
            for test in tests:
                found.truths[test.id][place] = _CODES[answers[test.id].truth]
        found.one_by_one = (len(asked), sum(map(len, asked.values())))


# ---- summaries -------------------------------------------------------------------------------------------------------

_Found = tuple[Truths, Ints]


def _answered(matcher: Matcher, test: Test) -> _Found:
    """Answer a test for every patient, or tell who has items that the columns do not tell of."""
    try:
        return _SUMMARIES.get(test.summary, _of_nothing)(matcher, test)
    except Ahead:
        return np.zeros(matcher.patients, np.int8), np.arange(matcher.patients, dtype=np.int32)
    except Hard:
        pass
    try:
        return _of_nothing(matcher, test)
    except Hard:
        return _of_nothing(matcher, replace(test, selection=matcher.bare(test.selection)), test)


def _of_nothing(matcher: Matcher, test: Test, asked: Test | None = None) -> _Found:
    """Answer a test for those who have no item that counts; all others are hard."""
    items = matcher.matched(test.selection)
    everything = test.selection.members or {test.selection.concept}
    silent, complete = (_said(matcher, asked or test, names) for names in (frozenset[str](), everything))
    found = np.where(matcher.complete(test.selection), np.int8(complete), np.int8(silent))
    return found, np.concatenate([items.hard, items.place[items.truth >= 0]])


def _said(matcher: Matcher, test: Test, complete: Iterable[str]) -> int:
    """Return what a record answers that says nothing but what is complete."""
    record = Record("silent", complete=frozenset(complete))
    return _CODES[answer(record, [test], matcher.vocabulary, matcher.date)[test.id].truth]


def _some(matcher: Matcher, test: Test) -> _Found:
    """At least one item meets all the conditions."""
    if test.selection.kind == "sex":
        sex = matcher.columns.sex
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
    found: Flags = np.zeros(matcher.patients, np.bool_)
    found[items.place[flags]] = True
    return found


def _latest(matcher: Matcher, test: Test) -> _Found:
    """The latest item decides; where several may be the latest, all must agree."""
    if test.argument:
        raise Hard
    items = matcher.matched(test.selection)
    counted = items.truth >= 0
    certain = _who(matcher, items, items.truth == 1)
    silent = ~_who(matcher, items, counted) & _silently_denied(matcher, test)
    items = items if counted.all() else items.where(counted)
    hard = [items.hard]
    if items.kind == "finding":
        items, unsure = _states(matcher, items, test.selection)
        hard.append(unsure)
    late, of_clocks = _candidates(items)
    hard.append(of_clocks)
    found = np.zeros(matcher.patients, np.int8)
    place = items.place[late]
    truths = _compared(matcher, items.where(late), test)
    newest = test.selection.condition("newest")
    if newest is not None and newest.duration is not None:
        when = items["stated"].at(late)
        fresh = when.known & (when.first >= shift(matcher.date, newest.duration, -1).toordinal())
        truths = np.where(fresh, truths, np.int8(0))
    if len(place):
        starts = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
        high, low = np.maximum.reduceat(truths, starts), np.minimum.reduceat(truths, starts)
        found[place[starts]] = np.where(high == low, high, 0)
        if items.kind == "measurement":
            hard.append(_clashing(items.where(late), starts))
    found[~certain] = 0
    found[silent] = -1
    return found, np.concatenate(hard)


def _silently_denied(matcher: Matcher, test: Test) -> Flags:
    """Tell whether a record that holds every finding says by silence that this one is not there, as of the day it was made."""
    if test.selection.kind != "finding" or test.comparison.op != "present":
        return np.zeros(matcher.patients, np.bool_)
    complete = matcher.complete(test.selection)
    newest = test.selection.condition("newest")
    if newest is None or newest.duration is None:
        return complete
    recorded = matcher.columns.recorded
    made = np.where(recorded.known, recorded.first, matcher.day)
    return complete & (made >= shift(matcher.date, newest.duration, -1).toordinal())


def _states(matcher: Matcher, items: Items, selection: Selection) -> tuple[Items, Ints]:
    """See findings as states: one that has ended is absent since then; the patients of one that may have ended are hard."""
    over, day = items["over"], matcher.day
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
    members = matcher.vocabulary.members
    return np.array([selection.members <= members(name) for name in matcher.vocabulary.labels("finding")], np.bool_)


def _candidates(items: Items) -> tuple[Flags, Ints]:
    """Tell which items may be the latest of their patient: undated ones always may. Patients with times of day in doubt are hard."""
    when, place = items["stated"], items.place
    many = len(place)
    if not many:
        return np.zeros(0, np.bool_), np.zeros(0, np.int32)
    starts = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
    sizes = np.diff(np.r_[starts, many])
    if len(starts) == many:
        return np.ones(many, np.bool_), np.zeros(0, np.int32)
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
    return late, np.zeros(0, np.int32)


def _compared(matcher: Matcher, items: Items, test: Test) -> Truths:
    op = test.comparison.op
    if op in ("present", "absent"):
        return np.where(items.present == (op == "present"), np.int8(1), np.int8(-1))
    return matcher.value_meets(items["values"], test.comparison)


def _clashing(items: Items, starts: Ints) -> Ints:
    """Return the patients of whom several values may be the latest and are not one and the same."""
    sizes = np.diff(np.r_[starts, len(items)])
    if (sizes == 1).all():
        return np.zeros(0, np.int32)
    values = items["values"]
    same = np.ones(len(starts), np.bool_)
    for column in (values.number, values.unit, values.other):
        same &= np.maximum.reduceat(column, starts) == np.minimum.reduceat(column, starts)
    limited = np.maximum.reduceat(~np.isnan(values.low) | ~np.isnan(values.high), starts)
    found: Ints = items.place[starts[~same | (limited & (sizes > 1))]]
    return found


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
    truths = matcher.value_meets(items["values"], Comparison(op, (threshold,)))
    some = (which == "lowest") is (op in ("below", "at_most"))
    found = np.full(matcher.patients, -1 if some else 1, np.int8)
    (np.maximum if some else np.minimum).at(found, items.place, truths)
    return found


# ---- items of several days -------------------------------------------------------------------------------------------


def _plainly(matcher: Matcher, test: Test, same_day: bool = False) -> tuple[Items, _Found]:
    """Return the items of those patients who have only certain ones on exact days, by patient and day, and the answer of the others.

    Unless `same_day`, patients with two items of one concept on one day are hard too.
    """
    items = matcher.matched(test.selection)
    found, _ = _of_nothing(matcher, test)
    items = items.where(items.truth >= 0)
    days = items["start"]
    odd = (items.truth == 0) | ~days.exact | ~items.present
    items = items.at(np.lexsort((days.first, items.place)))
    if not same_day and len(items):
        days = items["start"]
        again = np.r_[False, (items.place[1:] == items.place[:-1]) & (days.first[1:] == days.first[:-1])]
        odd = (items.truth == 0) | ~days.exact | ~items.present | again
    hard = np.concatenate([items.hard, items.place[odd]])
    left_out = np.zeros(matcher.patients, np.bool_)
    left_out[hard] = True
    return items.where(~left_out[items.place]), (found, hard)


def _ends(items: Items) -> tuple[Ints, Ints]:
    """Return the first and the last row of each patient."""
    starts = np.flatnonzero(np.r_[True, items.place[1:] != items.place[:-1]]) if len(items) else np.zeros(0, np.int64)
    return starts, np.r_[starts[1:], len(items)] - 1 if len(items) else starts


def _count(matcher: Matcher, test: Test) -> _Found:
    """How many items of distinct days and concepts."""
    if test.argument:
        raise Hard
    items, (found, hard) = _plainly(matcher, test, same_day=True)
    if not len(items):
        return found, hard
    concept = items["concept"] if "concept" in items.columns else np.zeros(len(items), np.int32)
    distinct = np.unique(np.stack([items.place, concept, items["start"].first]), axis=1)[0]
    place, counts = np.unique(distinct, return_counts=True)
    complete = matcher.complete(test.selection)[place]
    table = {(number, whole): _truth(meets(Interval(Fraction(number), Fraction(number) if whole else None), test.comparison))
             for number in np.unique(counts).tolist() for whole in (False, True)}  # fmt: skip
    found[place] = [table[pair] for pair in zip(counts.tolist(), complete.tolist(), strict=True)]
    return found, hard


def _time(matcher: Matcher, test: Test) -> _Found:
    """The time from the latest item (of a finding the first) to screening, or from the earliest item to the latest."""
    items, (found, hard) = _plainly(matcher, test, same_day=True)
    starts, ends = _ends(items)
    days = items["start"]
    if test.summary == "time_since":
        since = days.at(starts if items.kind == "finding" else ends)
        found[items.place[starts]] = matcher.spans(since, matcher.today(len(starts)), test.comparison)
        return found, hard
    several = ends > starts
    # Of one item what is said of none holds.
    between = matcher.spans(days.at(starts[several]), days.at(ends[several]), test.comparison)
    found[items.place[starts[several]]] = between
    return found, hard


def _in_a_row(matcher: Matcher, test: Test) -> _Found:
    """Each of the latest N values, or N values one after the other, on different days."""
    number = int(test.argument)
    newest = test.selection.condition("newest")
    items, (found, hard) = _plainly(matcher, test)
    starts, ends = _ends(items)
    if not len(items):
        return found, hard
    truths = matcher.value_meets(items["values"], test.comparison)
    first = np.repeat(starts, ends - starts + 1)
    run = truths.copy()
    whole = np.arange(len(items)) - first >= number - 1
    for back in range(1, number):
        earlier = np.maximum(np.arange(len(items)) - back, first)
        np.minimum(run, truths[earlier], out=run)
    if newest is not None and newest.duration is not None:
        recent = items["start"].first >= shift(matcher.date, newest.duration, -1).toordinal()
    else:
        recent = np.ones(len(items), np.bool_)
    place = items.place[ends]
    if test.summary == "each_of_latest":
        latest = np.where(whole[ends], run[ends], np.minimum(run[ends], 0))
        found[place] = np.where(recent[ends], latest, 0)
        return found, hard
    run = np.where(whole & recent, run, np.int8(-1))
    best = np.maximum.reduceat(run, starts)
    found[place] = np.where(best == 1, 1, np.where((best == -1) & matcher.complete(test.selection)[place], -1, 0))
    return found, hard


def _change(matcher: Matcher, test: Test) -> _Found:
    """How far the latest value lies from the earliest one, or from the one before."""
    if test.argument not in ("", "previous"):
        raise Hard
    newest = test.selection.condition("newest")
    items, (found, hard) = _plainly(matcher, test)
    starts, ends = _ends(items)
    several = ends > starts
    found[items.place[ends]] = 0
    starts, ends = starts[several], ends[several]
    if not len(starts):
        return found, hard
    values = items["values"]
    before, now = values.at(starts if not test.argument else ends - 1), values.at(ends)
    place = items.place[ends]
    plain = (before.other < 0) & (now.other < 0) & (before.unit == now.unit)
    truths = matcher.change_meets(before, now, test, plain)
    if newest is not None and newest.duration is not None:
        recent = items["start"].first[ends] >= shift(matcher.date, newest.duration, -1).toordinal()
        truths = np.where(recent, truths, np.int8(0))
    found[place] = truths
    return found, np.concatenate([hard, place[~plain]])


# ---- doses -----------------------------------------------------------------------------------------------------------


def _daily_dose(matcher: Matcher, test: Test) -> _Found:
    """The total daily dose on the screening date, of those who take one drug then, or none."""
    if test.selection.conditions:
        raise Hard
    found, _ = _of_nothing(matcher, test)
    courses = matcher.courses
    entries = courses.entries
    rows = courses.at(test.selection)
    end = entries.end.at(rows)
    over = ~entries.ongoing[rows] & end.known & (end.last < matcher.day)
    on = entries.ongoing[rows] | (end.known & (end.first >= matcher.day))
    taken = np.bincount(entries.place[rows[~over]], minlength=matcher.patients)
    maybe = np.zeros(matcher.patients, np.bool_)
    maybe[entries.place[rows[~over & ~on]]] = True
    now = rows[on & (taken[entries.place[rows]] == 1)]
    complete = matcher.complete(test.selection)
    unsure: list[Ints] = [entries.place[rows[entries.tangled[rows]]], np.flatnonzero(maybe | (taken > 1))]
    unit = test.comparison.thresholds[0].unit
    for row in now.tolist():
        place = entries.place[row]
        dose = courses.amount(test.selection, int(entries.drug[row]), int(entries.dose[row])) if entries.dose[row] >= 0 else None
        if dose is not None and dose.unit != unit:
            unsure.append(np.array([place]))
            continue
        low = dose.amount if dose else Fraction(0)
        found[place] = _truth(meets(Interval(low, low if dose and complete[place] else None), test.comparison))
    return found, np.concatenate(unsure)


def _unchanged(matcher: Matcher, test: Test) -> _Found:
    """For how long no drug asked for was started, stopped or changed in dose, of those with one entry of each drug."""
    duration = test.comparison.thresholds[0].duration
    if test.selection.conditions or duration is None:
        raise Hard
    since = shift(matcher.date, duration, -1).toordinal()
    courses = matcher.courses
    entries = courses.entries
    rows = courses.at(test.selection)
    start, end, ongoing = entries.start.at(rows), entries.end.at(rows), entries.ongoing[rows]
    began = np.where(start.known, np.where(start.last <= since, 1, np.where(start.first > since, -1, 0)), 0)
    stopped = (end.first + 1 > since) & (end.last < matcher.day)
    goes_on = (end.first >= matcher.day) | (end.last + 1 <= since)
    ended = np.where(ongoing, 1, np.where(end.known, np.where(goes_on, 1, np.where(stopped, -1, 0)), 0))
    worst = np.ones(matcher.patients, np.int8)
    np.minimum.at(worst, entries.place[rows], np.minimum(began, ended).astype(np.int8))
    complete = matcher.complete(test.selection)
    found = np.where(worst == -1, -1, np.where((worst == 1) & complete, 1, 0)).astype(np.int8)
    return found, entries.place[rows[~entries.alone[rows]]]


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
