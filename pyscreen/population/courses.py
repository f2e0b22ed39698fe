"""Courses of drugs of many patients: entries that meet the dose conditions and touch, as in `pyscreen.items`, column by column.

Days may be known in part: entries that touch whatever these days turn out to be are one course for certain, and entries that may
touch may be one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..items import meets
from ..quantities import Interval
from ..questions import Comparison, Selection
from ..record import Dose
from .columns import Days, Flags, Floats, Ints
from .rows import FIRST_DAY, LAST_DAY, Hard, Items, Truths, pairs
from .thresholds import ordered
from .view import View

Rows = npt.NDArray[np.int64]
_MOST_ENTRIES = 63
NOBODY = -2
_BY_WEIGHT = {("mg/d", "mg/kg/d"), ("mg/kg/d", "mg/d")}


@dataclass(frozen=True)
class Entries:
    """The entries that count on the screening date, by drug, patient and days.

    `chain` numbers those that may touch, whatever their dose, `firm` those that certainly do; `loose` are entries of a chain in which
    these differ or may differ, `whole` those whose chain certainly hangs together. `bit` tells the entries of one drug and patient
    apart; where there are too many for that they are `crowded`.
    """

    rows: Ints
    place: Ints
    drug: Ints
    first: Days
    last: Days
    start: Days
    end: Days
    goes_on: Flags
    ongoing: Flags
    dose: Ints
    route: Ints
    response: Ints
    reasons: Ints
    chain: npt.NDArray[np.int64]
    firm: npt.NDArray[np.int64]
    loose: Flags
    whole: Flags
    bit: npt.NDArray[np.uint64]
    crowded: Flags
    slices: dict[int, slice]


class Courses:
    """The courses of a chunk's patients as of a screening date."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.vocabulary = view.vocabulary
        self.drugs = list(self.vocabulary.labels("therapy"))
        self.entries = self._entries()
        self._reasons: dict[tuple[frozenset[str], bool], Flags] = {}
        self._items: dict[tuple[frozenset[str], str, tuple[str, ...]], tuple[Items, Rows]] = {}
        self._amounts: dict[tuple[str, int, int], Dose | None] = {}
        self._fitting: dict[tuple[str, Comparison], tuple[Truths, Flags]] = {}

    def _entries(self) -> Entries:
        view, vocabulary = self.view, self.vocabulary
        section = view.columns.sections["therapies"]
        start, end, drug = section["start"], section["end"], section["concept"]
        systemic = np.array([bool(vocabulary.ancestors(name) & vocabulary.systemic) for name in self.drugs], np.bool_)
        local = np.array([*(name in vocabulary.local_routes for name in sorted(vocabulary.routes)), False], np.bool_)
        apart = ~section["taken"] | section["planned"] | (start.known & (start.first > view.day))
        apart |= systemic[drug] & local[section["route"]]
        nothing = np.zeros(len(drug), np.int32)
        unsaid = Days(nothing, nothing, np.zeros(len(drug), np.bool_))
        first, last = view.extent(start, end, section["ongoing"], unsaid)
        rows = np.flatnonzero(~apart)
        rows = rows[np.lexsort((last.last[rows], first.first[rows], section["place"][rows], drug[rows]))]
        place, drug, first, last = section["place"][rows], drug[rows], first.at(rows), last.at(rows)
        end = end.at(rows)
        ongoing = section["ongoing"][rows]
        group, sizes = _runs((drug, place))
        exact = (first.first == first.last) & (last.first == last.last)
        number = np.repeat(np.arange(len(group)), sizes)
        chain = _chains(number, first.first, last.last)
        members = np.bincount(chain, minlength=1)[chain]
        loose = (members > 1) & (np.bincount(chain, weights=~exact, minlength=1)[chain] > 0)
        firm = chain.copy()
        firm[loose] = len(rows) + _firm(number[loose], first.at(loose), last.at(loose))
        firm = np.unique(firm, return_inverse=True)[1].ravel()
        bit = np.arange(len(rows)) - np.repeat(group, sizes)
        slices = {int(drug[at]): slice(at, at + size) for at, size in zip(*(part.tolist() for part in _runs((drug,))), strict=True)}
        return Entries(
            rows.astype(np.int32), place, drug, first, last, start.at(rows), end,
            ongoing | (end.known & (end.first > view.day)), ongoing,
            section["dose"][rows], section["route"][rows], section["response"][rows], section["reasons"][rows],
            chain=chain, firm=firm, loose=loose, whole=np.bincount(firm, minlength=1)[firm] == members,
            bit=np.uint64(1) << np.minimum(bit, _MOST_ENTRIES).astype(np.uint64),
            crowded=np.repeat(sizes > _MOST_ENTRIES, sizes), slices=slices,
        )  # fmt: skip

    def at(self, selection: Selection) -> npt.NDArray[np.int64]:
        """Return which entries are of the drugs asked for, by drug and patient."""
        parts = [self.entries.slices.get(number) for number, name in enumerate(self.drugs) if name in selection.members]
        found = [np.arange(part.start, part.stop) for part in parts if part]
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def items(self, selection: Selection) -> Items:
        """Return the courses of a selection, sorted by patient; what is asked of whole courses makes no difference."""
        of_entries = tuple(repr(condition) for condition in selection.conditions if condition.name in ("dose", "route"))
        key = (selection.members, self._class_of(selection), of_entries)
        if key not in self._items:
            self._items[key] = self._joined_up(selection)
        found, hard = self._items[key]
        for condition in selection.conditions:
            if condition.name == "for" and len(hard):
                # What was all given for something else is no course that is asked for, however its entries hang together.
                chain = self.entries.chain[hard]
                hard = hard[self.perhaps_for(condition.word)[chain] | self._unsaid[chain]]
        return replace(found, hard=self.entries.place[hard])

    def _class_of(self, selection: Selection) -> str:
        """Return the class in whose equivalent doses are compared, if in any."""
        return selection.concept if selection.concept in self.vocabulary.equivalents else ""

    def _joined_up(self, selection: Selection) -> tuple[Items, Rows]:
        """Return the courses of a selection, and the entries of which that is not told here."""
        entries = self.entries
        rows = self.at(selection)
        hard = [rows[entries.crowded[rows]]]
        rows = rows[~entries.crowded[rows]]
        fits, unsure = self._fits(selection, rows)
        hard.append(rows[unsure])
        rows, fits = rows[fits >= 0], fits[fits >= 0]
        group = _numbered((entries.drug[rows], entries.place[rows]))
        wide = _chains(group, entries.first.first[rows], entries.last.last[rows])
        # Entries that meet the dose conditions and touch are one course; one that may meet them stands alone, and may be of it.
        plain, loose = (fits > 0) & ~entries.loose[rows], (fits > 0) & entries.loose[rows]
        course = 3 * len(rows) + np.arange(len(rows))
        course[plain] = _chains(group[plain], entries.first.first[rows[plain]], entries.last.last[rows[plain]])
        course[loose] = len(rows) + _firm(group[loose], entries.first.at(rows[loose]), entries.last.at(rows[loose]))
        order = np.argsort(course, kind="stable")
        rows, fits, wide, course = rows[order], fits[order], wide[order], course[order]
        starts, _ = _runs((course,))
        place = entries.place[rows][starts]
        columns = self._courses(rows, wide, starts)
        order = np.argsort(place, kind="stable")
        columns = {name: column.at(order) if hasattr(column, "at") else column[order] for name, column in columns.items()}
        return Items("therapy", place[order], fits[starts][order], np.ones(len(order), np.bool_), columns), np.concatenate(hard)

    def _courses(self, rows: Rows, wide: Rows, starts: Rows) -> dict[str, Any]:
        """Return the columns of courses: each a run of entries, which may reach as far as all the entries of its number in `wide`."""
        entries = self.entries

        def over(ufunc: np.ufunc, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.asarray(ufunc.reduceat(column[rows], starts)) if len(starts) else column[:0]

        widest = wide[starts]

        def possibly(ufunc: np.ufunc, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
            found = np.zeros(int(wide.max(initial=-1)) + 1, column.dtype)
            order = np.argsort(wide, kind="stable")
            first, _ = _runs((wide[order],))
            if len(first):
                found[wide[order][first]] = ufunc.reduceat(column[rows[order]], first)
            return found[widest]

        known = np.ones(len(starts), np.bool_)
        ongoing = over(np.logical_or, entries.goes_on)
        start = Days(possibly(np.minimum, entries.first.first), over(np.minimum, entries.first.last), known)
        last = Days(over(np.maximum, entries.last.first), possibly(np.maximum, entries.last.last), known)
        end = Days(last.first, last.last, ~ongoing)
        first, last = self.view.extent(start, end, ongoing, Days(last.first, last.last, ~known))
        parts, around = over(np.bitwise_or, entries.bit), possibly(np.bitwise_or, entries.bit)
        return {
            "start": start, "over": end, "goes_on": ongoing, "first": first, "last": last, "concept": entries.drug[rows][starts],
            "response": self._response(rows, starts, (parts != around) | ~entries.whole[rows[starts]]),
            "chain": entries.chain[rows[starts]], "firm": entries.firm[rows[starts]], "parts": parts, "around": around,
        }  # fmt: skip

    def _response(self, rows: Rows, starts: Rows, open_: Flags) -> Ints:
        """Return the last response recorded in each course, else the next one after it without a gap; -1 where it is open."""
        entries = self.entries
        if not len(starts):
            return np.zeros(0, np.int32)
        sizes = np.diff(np.r_[starts, len(rows)])
        told = entries.response[rows] >= 0
        last = np.maximum.reduceat(np.where(told, entries.first.first[rows], -1), starts)
        counts = told & (entries.first.last[rows] >= np.repeat(last, sizes))
        found = _agreed_in(entries.response[rows], counts, starts)
        own = last >= 0
        number = entries.chain[rows[starts]]
        if open_.any():
            found = np.where(open_, np.where(own, self._told_in_chain[number], -1), found)
        for at in np.flatnonzero(~open_ & ~own & (self._told_in_chain[number] != NOBODY)).tolist():
            found[at] = self._next_response(rows[starts[at] : starts[at] + sizes[at]])
        return found

    @cached_property
    def _told_in_chain(self) -> Ints:
        """The response on which all entries of a chain agree (-1: they do not); `NOBODY` where none tells of one."""
        entries = self.entries
        starts, _ = _runs((entries.chain,))
        told = entries.response >= 0
        if not len(starts):
            return np.zeros(1, np.int32)
        found = _agreed_in(entries.response, told, starts)
        return np.where(np.logical_or.reduceat(told, starts), found, NOBODY)

    def _next_response(self, own: Rows) -> int:
        """Return the response of the next entry after a course without one, where it follows without a gap."""
        entries, first = self.entries, self.entries.first
        chain = np.arange(*np.searchsorted(entries.chain, [entries.chain[own[0]], entries.chain[own[0]] + 1]))
        later = chain[(entries.response[chain] >= 0) & (first.last[chain] >= first.first[own].max())]
        if not len(later):
            return -1
        next_ = later[first.first[later] <= first.last[later].min()]
        following = entries.response[next_]
        agreed = (following == following[0]).all() and first.first[next_].min() >= first.last[own].max()
        return int(following[0]) if agreed else -1

    def given_for(self, reasons: frozenset[str], firm: bool = True) -> Flags:
        """Tell of each firm run of entries (or of each chain) whether it was given for one of some reasons; for any, of none."""
        key = (reasons, firm)
        if key not in self._reasons:
            sets = self.view.columns.reason_sets
            of_set = np.array([bool(reasons.intersection(words)) if reasons else bool(words) for words in sets], np.bool_)
            number = self.entries.firm if firm else self.entries.chain
            found = np.zeros(int(number.max(initial=-1)) + 1, np.bool_)
            found[number[of_set[self.entries.reasons]]] = True
            self._reasons[key] = found
        return self._reasons[key]

    def perhaps_for(self, reason: str) -> Flags:
        """Tell of each chain of entries whether it was given for a reason, a kind of it, or something wider."""
        kinds = self.vocabulary.members(reason)
        return self.given_for(frozenset(name for kind in kinds for name in self.vocabulary.ancestors(kind)), firm=False)

    @cached_property
    def _unsaid(self) -> Flags:
        """Tell of each chain whether some entry does not say what it was given for."""
        empty = np.array([not words for words in self.view.columns.reason_sets], np.bool_)
        found = np.zeros(int(self.entries.chain.max(initial=-1)) + 1, np.bool_)
        found[self.entries.chain[empty[self.entries.reasons]]] = True
        return found

    # ---- doses -------------------------------------------------------------------------------------------------------

    def _fits(self, selection: Selection, rows: npt.NDArray[np.int64]) -> tuple[Truths, Flags]:
        """Return whether entries meet the conditions on dose and route, and where that is not told here."""
        fits, unsure = np.ones(len(rows), np.int8), np.zeros(len(rows), np.bool_)
        for condition in selection.conditions:
            if condition.name == "route":
                route = self.entries.route[rows]
                wanted = sorted(self.vocabulary.routes).index(condition.word)
                np.minimum(fits, np.where(route < 0, 0, np.where(route == wanted, 1, -1)).astype(np.int8), out=fits)
            elif condition.name == "dose" and condition.comparison:
                found, doubtful = self._dose_meets(selection, rows, condition.comparison)
                np.minimum(fits, found, out=fits)
                unsure |= doubtful
        return fits, unsure

    def _dose_meets(self, selection: Selection, rows: Rows, comparison: Comparison) -> tuple[Truths, Flags]:
        key = (self._class_of(selection), comparison)
        if key not in self._fitting:
            self._fitting[key] = self._compared(selection, comparison)
        fits, unsure = self._fitting[key]
        return fits[rows], unsure[rows]

    def _compared(self, selection: Selection, comparison: Comparison) -> tuple[Truths, Flags]:
        """Return of every entry whether its dose meets a comparison, and where that is not told here."""
        entries, unit = self.entries, comparison.thresholds[0].unit
        many = len(self.view.codes.doses) + 1
        keys, which = np.unique(entries.drug.astype(np.int64) * many + entries.dose + 1, return_inverse=True)
        table = np.zeros(len(keys), np.int8)
        by_weight: dict[int, Dose] = {}
        for number, key in enumerate(keys.tolist()):
            drug, code = divmod(key, many)
            dose = self.amount(selection, drug, code - 1) if code else None
            if dose is not None and dose.unit == unit:
                truth = meets(Interval.exactly(dose.amount), comparison)
                table[number] = 0 if truth is None else 1 if truth else -1
            elif dose is not None and (dose.unit, unit) in _BY_WEIGHT:
                by_weight[number] = dose
        fits, unsure = table[which], np.zeros(len(which), np.bool_)
        rows = np.flatnonzero(np.isin(which, list(by_weight)))
        if len(rows):
            fits[rows], unsure[rows] = self._by_weight(rows, which[rows], by_weight, comparison)
        return fits, unsure

    def amount(self, selection: Selection, drug: int, code: int) -> Dose | None:
        """Return a dose in the equivalent of the class asked for; None where it has none."""
        key = (self._class_of(selection), drug, code)
        if key not in self._amounts:
            self._amounts[key] = self._amount(selection, drug, code)
        return self._amounts[key]

    def _amount(self, selection: Selection, drug: int, code: int) -> Dose | None:
        dose, factor = self.view.codes.doses[code], Fraction(1)
        if selection.concept in self.vocabulary.equivalents:
            factors = self.vocabulary.equivalents[selection.concept][1]
            if self.drugs[drug] not in factors:
                return None
            factor = factors[self.drugs[drug]]
        return Dose(dose.amount * factor, dose.unit)

    def _by_weight(self, rows: Rows, which: Rows, doses: dict[int, Dose], comparison: Comparison) -> tuple[Truths, Flags]:
        """Compare doses with one by weight, or the other way round, given the weight nearest to the start of each."""
        unit = comparison.thresholds[0].unit
        low, high, unsure = np.zeros(len(rows)), np.full(len(rows), np.inf), np.zeros(len(rows), np.bool_)
        for number, dose in doses.items():
            here = np.flatnonzero(which == number)
            low[here], high[here], unsure[here] = self.about_weighed(rows[here], dose, unit)
        ops = ["at_least", "at_most"] if comparison.op == "between" else [comparison.op]
        truths = np.isfinite(high).astype(np.int8)
        for op, threshold in zip(ops, comparison.thresholds, strict=True):
            bound = float(threshold.number)
            found = ordered(np.sign(low - bound).astype(np.int8), np.sign(high - bound).astype(np.int8), op)
            near = (np.abs(low - bound) <= 1e-9 * (low + bound)) | ~(np.abs(high - bound) > 1e-9 * (high + bound))
            for at in np.flatnonzero(near & (truths != 0)).tolist():
                daily = self.weighed(int(rows[at]), doses[int(which[at])], unit)
                truth = None if daily is None else meets(daily, Comparison(op, (threshold,)))
                found[at] = 0 if truth is None else 1 if truth else -1
            np.minimum(truths, found, out=truths)
        return np.where(np.isfinite(high), truths, np.int8(0)), unsure

    def about_weighed(self, rows: Rows, dose: Dose, unit: str) -> tuple[Floats, Floats, Flags]:
        """Return about how much a dose is at least and at most in another unit, by entries' weights, and where that is not told."""
        if (dose.unit, unit) not in _BY_WEIGHT:
            return np.zeros(len(rows)), np.full(len(rows), np.inf), np.zeros(len(rows), np.bool_)
        least, most = (end[rows] for end in self._about)
        known, amount = np.isfinite(most), float(dose.amount)
        low, high = (amount / most, amount / least) if dose.unit == "mg/d" else (amount * least, amount * most)
        return np.where(known, low, 0.0), np.where(known, high, np.inf), self._weights[2][rows]

    @cached_property
    def _about(self) -> tuple[Floats, Floats]:
        """About how much each entry's patient weighs at least and at most; up to anything where that is not known."""
        light, heavy, unsure = self._weights
        values, known = self.view.columns.sections["measurements"]["values"], np.flatnonzero((light >= 0) & ~unsure)
        least, most = np.ones(len(light)), np.full(len(light), np.inf)
        least[known], most[known] = (self.view.about(values.at(end[known]))[0] for end in (light, heavy))
        return least, most

    def weighed(self, row: int, dose: Dose, unit: str) -> Interval | None:
        """Return an entry's dose in another unit by weight; None where no weight tells. Raises Hard where that is not told here."""
        light, heavy, unsure = (part[row] for part in self._weights)
        if unsure:
            raise Hard
        if light < 0 or (dose.unit, unit) not in _BY_WEIGHT:
            return None
        values = self.view.columns.sections["measurements"]["values"]
        least, most = (self.view.interval(values, int(end)).low for end in (light, heavy))
        assert least is not None
        assert most is not None
        if dose.unit == "mg/d":
            return Interval(dose.amount / most, dose.amount / least)
        return Interval(dose.amount * least, dose.amount * most)

    @cached_property
    def _weights(self) -> tuple[Rows, Rows, Flags]:
        """The rows of the lowest and highest weight that may be the one nearest to the start of each entry (-1: none is known).

        Also where that is not told here: several may be, and they are no plain numbers, or too close in different units.
        """
        entries, section = self.entries, self.view.columns.sections["measurements"]
        part = section.slices.get("weight", slice(0, 0))
        weights = np.arange(part.start, part.stop)
        when = section["when"].at(weights)
        weights = weights[~(when.known & (when.first > self.view.day))]
        when, values = self.view.clamped(section["when"].at(weights)), section["values"].at(weights)
        order = np.argsort(entries.place, kind="stable")
        everything = np.ones(len(order), np.bool_), np.ones(len(weights), np.bool_)
        one, other = pairs(entries.place[order], section["place"][weights], *everything)
        one = order[one]
        start = self.view.clamped(entries.start).at(one)
        target = Days(np.where(start.known, start.first, FIRST_DAY), np.where(start.known, start.last, self.view.day), start.known)
        near = _nearest(target, when.at(other), one, len(order))
        one, other = one[near], other[near]
        light, heavy = (np.full(len(order), -1, np.int64) for _ in range(2))
        unsure = np.zeros(len(order), np.bool_)
        kilos = np.where(values.other < 0, self.view.about(values)[0], 0)
        by_value = np.lexsort((kilos[other], one))
        one, other = one[by_value], other[by_value]
        starts, sizes = _runs((one,))
        if not len(starts):
            return light, heavy, unsure
        first, last = other[starts], other[starts + sizes - 1]
        light[one[starts]], heavy[one[starts]] = weights[first], weights[last]
        plain = np.maximum.reduceat(values.other[other], starts) < 0
        close = np.diff(kilos[other]) <= 1e-9 * np.abs(kilos[other][1:])
        odd = (np.diff(one) == 0) & close & (np.diff(values.unit[other]) != 0)
        unsure[one[starts]] = ~plain
        unsure[one[1:][odd]] = True
        nothing = plain & (values.number[first] <= 0)
        boundless = np.array([value.low is None or value.high is None for value in self.view.codes.intervals] + [False], np.bool_)
        nothing |= np.logical_or.reduceat(boundless[values.other[other]], starts)
        unsure[one[starts[nothing]]] = False
        light[one[starts[nothing]]] = -1
        return light, heavy, unsure


def _nearest(target: Days, when: Days, one: Rows, many: int) -> Flags:
    """Tell of days, sorted into `many` groups by `one`, which may be the nearest to a target: of exact ones the earliest of those."""
    farthest = np.where(when.known, np.maximum(when.last - target.first, target.last - when.first), LAST_DAY - FIRST_DAY)
    nearest = np.where(when.known, np.maximum(np.maximum(when.first - target.last, target.first - when.last), 0), 0)
    least = np.full(many, LAST_DAY)
    np.minimum.at(least, one, farthest)
    near = np.asarray(nearest <= least[one])
    exact = np.ones(many, np.bool_)
    exact[one[near & ~when.exact]] = False
    exact &= np.bincount(one, weights=~target.exact, minlength=many) == 0
    first = np.full(many, LAST_DAY)
    np.minimum.at(first, one[near], when.first[near])
    return np.asarray(near & (~exact[one] | (when.first == first[one])))


def _runs(keys: tuple[npt.NDArray[Any], ...]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where runs of equal keys start, and how long they are."""
    many = len(keys[0])
    if not many:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    change = np.zeros(many, np.bool_)
    change[0] = True
    for key in keys:
        change[1:] |= key[1:] != key[:-1]
    starts = np.flatnonzero(change)
    return starts, np.diff(np.r_[starts, many])


def _numbered(keys: tuple[npt.NDArray[Any], ...]) -> npt.NDArray[np.int64]:
    """Return for each row the number of its run of equal keys."""
    starts, sizes = _runs(keys)
    return np.repeat(np.arange(len(starts)), sizes)


def _chains(group: npt.NDArray[np.int64], first: Ints, last: Ints) -> npt.NDArray[np.int64]:
    """Number the runs of entries, sorted by group and first day, between which no day is free."""
    if not len(group):
        return np.zeros(0, np.int64)
    span = np.int64(date.max.toordinal() + 2)
    until = np.maximum.accumulate(group * span + last)
    gap = np.ones(len(group), np.bool_)
    gap[1:] = (group[1:] != group[:-1]) | (group[1:] * span + first[1:] > until[:-1] + 1)
    return np.cumsum(gap) - 1


def _firm(group: npt.NDArray[np.int64], first: Days, last: Days) -> npt.NDArray[np.int64]:
    """Number the runs of entries of one group between which no day is free, whatever their days are; below twice as many as entries.

    Two entries touch for certain where each surely begins by the day after the other surely still goes on. So an entry counts as the
    time from its last possible beginning to that day; of one that may end before it begins only those can be sure that cover it.
    """
    span = np.int64(date.max.toordinal() + 2)
    begun, until = group * span + first.last, group * span + last.first + 1
    found = len(group) + np.arange(len(group))
    order = np.argsort(begun, kind="stable")
    plain = order[(begun <= until)[order]]
    if not len(plain):
        return found
    reach = np.maximum.accumulate(until[plain])
    gap = np.ones(len(plain), np.bool_)
    gap[1:] = begun[plain[1:]] > reach[:-1]
    number = np.cumsum(gap) - 1
    found[plain] = number
    odd = np.flatnonzero(begun > until)
    at = np.searchsorted(begun[plain], until[odd], "right") - 1
    covered = (at >= 0) & (reach[at] >= begun[odd])
    found[odd[covered]] = number[at[covered]]
    return found


def _agreed_in(responses: Ints, counts: Flags, starts: Rows) -> Ints:
    """Return for each run the response on which those that count agree; -1 where they do not, or none counts."""
    most = np.maximum.reduceat(np.where(counts, responses, -1), starts)
    least = np.minimum.reduceat(np.where(counts, responses, np.iinfo(np.int32).max), starts)
    return np.where(most == least, most, -1).astype(np.int32)
