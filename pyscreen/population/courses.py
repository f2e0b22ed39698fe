"""Courses of drugs of many patients: entries that meet the dose conditions and touch, as in `pyscreen.items`, column by column.

An entry that touches no other of its drug may be known as badly as it likes. Where some touch, their days must be exact; else the
patient is hard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..items import meets
from ..quantities import Interval
from ..questions import Comparison, Selection
from ..record import Dose
from .columns import Days, Flags, Ints

if TYPE_CHECKING:
    from .matching import Items, Matcher, Truths

Rows = npt.NDArray[np.int64]
_MOST_ENTRIES = 63
NOBODY = -2
_BY_WEIGHT = {("mg/d", "mg/kg/d"), ("mg/kg/d", "mg/d")}
_TURNED = {"at_least": "at_most", "at_most": "at_least", "above": "below", "below": "above", "equals": "equals"}


@dataclass(frozen=True)
class Entries:
    """The entries that count on the screening date, by drug, patient and days. `chain` numbers those that touch, whatever their dose.

    `bit` tells the entries of one drug and patient apart; `tangled` are those that may touch another, where not every day is known.
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
    bit: npt.NDArray[np.uint64]
    tangled: Flags
    slices: dict[int, slice]


class Courses:
    """The courses of a chunk's patients as of a screening date."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.vocabulary = matcher.vocabulary
        self.drugs = list(self.vocabulary.labels("therapy"))
        self.entries = self._entries()
        self._reasons: dict[frozenset[str], Flags] = {}
        self._items: dict[tuple[frozenset[str], str, tuple[str, ...]], tuple[Items, Rows]] = {}
        self._amounts: dict[tuple[str, int, int], Dose | None] = {}
        self._fitting: dict[tuple[str, Comparison], tuple[Truths, Flags]] = {}

    def _entries(self) -> Entries:
        matcher, vocabulary = self.matcher, self.vocabulary
        section = matcher.columns.sections["therapies"]
        start, end, drug = section["start"], section["end"], section["concept"]
        systemic = np.array([bool(vocabulary.ancestors(name) & vocabulary.systemic) for name in self.drugs], np.bool_)
        local = np.array([*(name in vocabulary.local_routes for name in sorted(vocabulary.routes)), False], np.bool_)
        apart = ~section["taken"] | section["planned"] | (start.known & (start.first > matcher.day))
        apart |= systemic[drug] & local[section["route"]]
        nothing = np.zeros(len(drug), np.int32)
        unsaid = Days(nothing, nothing, np.zeros(len(drug), np.bool_))
        first, last = matcher.extent(start, end, section["ongoing"], unsaid)
        rows = np.flatnonzero(~apart)
        rows = rows[np.lexsort((last.last[rows], first.first[rows], section["place"][rows], drug[rows]))]
        place, drug, first, last = section["place"][rows], drug[rows], first.at(rows), last.at(rows)
        end = end.at(rows)
        ongoing = section["ongoing"][rows]
        group, sizes = _runs((drug, place))
        exact = (first.first == first.last) & (last.first == last.last)
        chain = _chains(np.repeat(np.arange(len(group)), sizes), first.first, last.last)
        members = np.bincount(chain, minlength=1)[chain]
        settled = np.bincount(chain, weights=~exact, minlength=1)[chain] == 0
        bit = np.arange(len(rows)) - np.repeat(group, sizes)
        slices = {int(drug[at]): slice(at, at + size) for at, size in zip(*(part.tolist() for part in _runs((drug,))), strict=True)}
        return Entries(
            rows.astype(np.int32), place, drug, first, last, start.at(rows), end,
            ongoing | (end.known & (end.first > matcher.day)), ongoing,
            section["dose"][rows], section["route"][rows], section["response"][rows], section["reasons"][rows],
            chain=chain,
            bit=np.uint64(1) << np.minimum(bit, _MOST_ENTRIES).astype(np.uint64),
            tangled=((members > 1) & ~settled) | np.repeat(sizes > _MOST_ENTRIES, sizes), slices=slices,
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
        from .matching import Items

        entries = self.entries
        rows = self.at(selection)
        hard = [rows[entries.tangled[rows]]]
        rows = rows[~entries.tangled[rows]]
        fits, unsure = self._fits(selection, rows)
        hard.append(rows[unsure])
        rows, fits = rows[fits >= 0], fits[fits >= 0]
        wide = self._joined(rows)
        # Entries that meet the dose conditions and touch are one course; one that may meet them stands alone, and may be of it.
        certain = fits > 0
        course = np.zeros(len(rows), np.int64)
        course[certain] = self._joined(rows[certain])
        course[~certain] = len(rows) + np.arange(np.count_nonzero(~certain))
        order = np.argsort(course, kind="stable")
        rows, fits, wide, course = rows[order], fits[order], wide[order], course[order]
        starts, _ = _runs((course,))
        place = entries.place[rows][starts]
        columns = self._courses(rows, wide, starts)
        order = np.argsort(place, kind="stable")
        columns = {name: column.at(order) if hasattr(column, "at") else column[order] for name, column in columns.items()}
        return Items("therapy", place[order], fits[starts][order], np.ones(len(order), np.bool_), columns), np.concatenate(hard)

    def _joined(self, rows: Rows) -> Rows:
        """Number the runs of entries that touch, of some entries in order."""
        entries = self.entries
        group = _numbered((entries.drug[rows], entries.place[rows]))
        return _chains(group, entries.first.first[rows], entries.last.last[rows])

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
        first, last = self.matcher.extent(start, end, ongoing, Days(last.first, last.last, ~known))
        parts, around = over(np.bitwise_or, entries.bit), possibly(np.bitwise_or, entries.bit)
        return {
            "start": start, "over": end, "goes_on": ongoing, "first": first, "last": last, "concept": entries.drug[rows][starts],
            "response": self._response(rows, starts, parts != around), "chain": entries.chain[rows][starts],
            "parts": parts, "around": around,
        }  # fmt: skip

    def _response(self, rows: Rows, starts: Rows, open_: Flags) -> Ints:
        """Return the last response recorded in each course, else the next one after it without a gap; -1 where it is open."""
        entries = self.entries
        if not len(starts):
            return np.zeros(0, np.int32)
        sizes = np.diff(np.r_[starts, len(rows)])
        told, first = entries.response[rows] >= 0, entries.first.first[rows]
        last = np.maximum.reduceat(np.where(told, first, -1), starts)
        counts = told & (first == np.repeat(last, sizes))
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
        entries = self.entries
        chain = np.arange(*np.searchsorted(entries.chain, [entries.chain[own[0]], entries.chain[own[0]] + 1]))
        later = chain[(entries.response[chain] >= 0) & (entries.first.first[chain] >= entries.first.first[own].max())]
        if not len(later):
            return -1
        following = entries.response[later[entries.first.first[later] == entries.first.first[later].min()]]
        return int(following[0]) if (following == following[0]).all() else -1

    def given_for(self, reasons: frozenset[str]) -> Flags:
        """Tell of each chain of entries whether it was given for one of some reasons; for any, where there is none of them."""
        if reasons not in self._reasons:
            sets = self.matcher.columns.reason_sets
            of_set = np.array([bool(reasons.intersection(words)) if reasons else bool(words) for words in sets], np.bool_)
            found = np.zeros(int(self.entries.chain.max(initial=-1)) + 1, np.bool_)
            found[self.entries.chain[of_set[self.entries.reasons]]] = True
            self._reasons[reasons] = found
        return self._reasons[reasons]

    def perhaps_for(self, reason: str) -> Flags:
        """Tell of each chain of entries whether it was given for a reason, a kind of it, or something wider."""
        kinds = self.vocabulary.members(reason)
        return self.given_for(frozenset(name for kind in kinds for name in self.vocabulary.ancestors(kind)))

    @cached_property
    def _unsaid(self) -> Flags:
        """Tell of each chain whether some entry does not say what it was given for."""
        empty = np.array([not words for words in self.matcher.columns.reason_sets], np.bool_)
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
        many = len(self.matcher.codes.doses) + 1
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
        dose, factor = self.matcher.codes.doses[code], Fraction(1)
        if selection.concept in self.vocabulary.equivalents:
            factors = self.vocabulary.equivalents[selection.concept][1]
            if self.drugs[drug] not in factors:
                return None
            factor = factors[self.drugs[drug]]
        return Dose(dose.amount * factor, dose.unit)

    def _by_weight(self, rows: Rows, which: Rows, doses: dict[int, Dose], comparison: Comparison) -> tuple[Truths, Flags]:
        """Compare doses with one by weight, or the other way round, given the weight nearest to the start of each."""
        chosen, unsure = self._weights[0][rows], self._weights[1][rows]
        known = chosen >= 0
        values = self.matcher.columns.sections["measurements"]["values"].at(np.maximum(chosen, 0))
        ops = ["at_least", "at_most"] if comparison.op == "between" else [comparison.op]
        truths = np.ones(len(rows), np.int8)
        for op, threshold in zip(ops, comparison.thresholds, strict=True):
            bounds = {number: self._turned(dose, op, threshold.number) for number, dose in doses.items()}
            none = [number for number, bound in bounds.items() if bound is None]
            unsure = unsure | (known & np.isin(which, none))
            for turned in set(_TURNED.values()):
                of = {number: bound[0] for number, bound in bounds.items() if bound is not None and bound[1] == turned}
                here = np.isin(which, list(of))
                if here.any():
                    order = self.matcher.orders(values.at(here), which[here], of)
                    truths[here] = np.minimum(truths[here], self.matcher.ordered(order, turned))
        return np.where(known & ~unsure, truths, np.int8(0)), unsure

    def _turned(self, dose: Dose, op: str, number: Fraction) -> tuple[Fraction, str] | None:
        """Return the weight at which a dose is at a threshold, and how the weight must then be compared."""
        if number <= 0 or dose.amount <= 0:
            return None
        return (dose.amount / number, _TURNED[op]) if dose.unit == "mg/d" else (number / dose.amount, op)

    def weighed(self, row: int, dose: Dose, unit: str) -> Dose | None:
        """Return an entry's dose in another unit by weight; None where no weight tells. Raises Hard where that is not told here."""
        from .matching import Hard

        chosen, unsure = self._weights[0][row], self._weights[1][row]
        if unsure:
            raise Hard
        if chosen < 0 or (dose.unit, unit) not in _BY_WEIGHT:
            return None
        weight = self.matcher.interval(self.matcher.columns.sections["measurements"]["values"], int(chosen)).low
        assert weight is not None
        return Dose(dose.amount / weight if dose.unit == "mg/d" else dose.amount * weight, unit)

    @cached_property
    def _weights(self) -> tuple[Rows, Flags]:
        """The row of the weight measured nearest to the start of each entry (-1: none), and where that is not told here."""
        from .matching import pairs

        entries, section = self.entries, self.matcher.columns.sections["measurements"]
        part = section.slices.get("weight", slice(0, 0))
        weights = np.arange(part.start, part.stop)
        when = section["when"].at(weights)
        weights = weights[~(when.known & (when.first > self.matcher.day))]
        when, place, values = section["when"].at(weights), section["place"][weights], section["values"].at(weights)
        order = np.argsort(entries.place, kind="stable")
        everything = np.ones(len(order), np.bool_), np.ones(len(weights), np.bool_)
        one, other = pairs(entries.place[order], place, *everything)
        one = order[one]
        count = np.bincount(one, minlength=len(order))
        odd = np.bincount(one, weights=((values.other >= 0) | (values.number <= 0))[other], minlength=len(order)) > 0
        vague = np.bincount(one, weights=~when.exact[other], minlength=len(order)) > 0
        start = self.matcher.clamped(entries.start)
        unsure = odd | ((count > 1) & (vague | ~start.exact))
        # Of two equally near the earlier counts.
        far = np.where(count[one] > 1, 2 * np.abs(when.first[other] - start.first[one]) + (when.first[other] > start.first[one]), 0)
        nearest = np.full(len(order), np.iinfo(np.int64).max)
        np.minimum.at(nearest, one, far)
        near = far == nearest[one]
        chosen = np.full(len(order), -1, np.int64)
        chosen[one[near]] = weights[other[near]]
        number, unit = section["values"].number, section["values"].unit
        last = chosen[one[near]]
        differ = (number[weights[other[near]]] != number[last]) | (unit[weights[other[near]]] != unit[last])
        unsure[one[near][differ]] = True
        chosen[unsure] = -1
        return chosen, unsure


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


def _agreed_in(responses: Ints, counts: Flags, starts: Rows) -> Ints:
    """Return for each run the response on which those that count agree; -1 where they do not, or none counts."""
    most = np.maximum.reduceat(np.where(counts, responses, -1), starts)
    least = np.minimum.reduceat(np.where(counts, responses, np.iinfo(np.int32).max), starts)
    return np.where(most == least, most, -1).astype(np.int32)
