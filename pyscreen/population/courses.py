"""Courses of drugs of many patients: entries that meet the dose conditions and touch, as in `pyscreen.items`, column by column.

An entry that stands alone may be known as badly as it likes. Where a patient has several entries of one drug, their days must be exact
and their doses settled; else the patient is hard.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
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

_MOST_ENTRIES = 63
_BY_WEIGHT = {("mg/d", "mg/kg/d"), ("mg/kg/d", "mg/d")}
_TURNED = {"at_least": "at_most", "at_most": "at_least", "above": "below", "below": "above", "equals": "equals"}


@dataclass(frozen=True)
class Entries:
    """The entries that count on the screening date, by drug, patient and days. `chain` numbers those that touch, whatever their dose.

    `bit` tells the entries of one drug and patient apart; `tangled` are those of several of which not every day is known.
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
    alone: Flags
    tangled: Flags
    slices: dict[int, slice]


class Courses:
    """The courses of a chunk's patients as of a screening date."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.vocabulary = matcher.vocabulary
        self.drugs = list(self.vocabulary.labels("therapy"))
        self.entries = self._entries()
        self._reasons: dict[str, Flags] = {}

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
        alone = np.repeat(sizes == 1, sizes)
        settled = _each(np.logical_and, exact, group, sizes)
        bit = np.arange(len(rows)) - np.repeat(group, sizes)
        slices = {int(drug[at]): slice(at, at + size) for at, size in zip(*(part.tolist() for part in _runs((drug,))), strict=True)}
        return Entries(
            rows.astype(np.int32), place, drug, first, last, start.at(rows), end,
            ongoing | (end.known & (end.first > matcher.day)), ongoing,
            section["dose"][rows], section["route"][rows], section["response"][rows], section["reasons"][rows],
            chain=_chains(np.repeat(np.arange(len(group)), sizes), first.first, last.last),
            bit=np.uint64(1) << np.minimum(bit, _MOST_ENTRIES).astype(np.uint64),
            alone=alone, tangled=~alone & (~settled | np.repeat(sizes > _MOST_ENTRIES, sizes)), slices=slices,
        )  # fmt: skip

    def at(self, selection: Selection) -> npt.NDArray[np.int64]:
        """Return which entries are of the drugs asked for, by drug and patient."""
        parts = [self.entries.slices.get(number) for number, name in enumerate(self.drugs) if name in selection.members]
        found = [np.arange(part.start, part.stop) for part in parts if part]
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def items(self, selection: Selection) -> Items:
        """Return the courses of a selection, sorted by patient."""
        from .matching import Items

        entries = self.entries
        rows = self.at(selection)
        hard = [entries.place[rows[entries.tangled[rows]]]]
        rows = rows[~entries.tangled[rows]]
        fits, unsure = self._fits(selection, rows)
        doubtful = (fits == 0) & ~entries.alone[rows]
        hard += [entries.place[rows[unsure]], entries.place[rows[doubtful]]]
        keep = (fits >= 0) & ~doubtful
        rows, fits = rows[keep], fits[keep]
        whole = keep.all()
        course = entries.chain[rows] if whole else _chains(
            _numbered((entries.drug[rows], entries.place[rows])), entries.first.first[rows], entries.last.last[rows]
        )  # fmt: skip
        starts, sizes = _runs((course,))
        place = entries.place[rows][starts]
        columns = self._courses(rows, starts, sizes)
        order = np.argsort(place, kind="stable")
        columns = {name: column.at(order) if hasattr(column, "at") else column[order] for name, column in columns.items()}
        return Items("therapy", place[order], fits[starts][order], np.ones(len(order), np.bool_), columns, np.concatenate(hard))

    def _courses(self, rows: npt.NDArray[np.int64], starts: Ints, sizes: Ints) -> dict[str, Any]:
        """Return the columns of courses, each a run of entries."""
        entries = self.entries
        if not len(starts):
            starts = np.zeros(0, np.int64)

        def over(ufunc: np.ufunc, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
            found: npt.NDArray[Any] = ufunc.reduceat(column[rows], starts) if len(starts) else column[:0]
            return found

        known = np.ones(len(starts), np.bool_)
        ongoing = over(np.logical_or, entries.goes_on)
        start = Days(over(np.minimum, entries.first.first), over(np.minimum, entries.first.last), known)
        last = Days(over(np.maximum, entries.last.first), over(np.maximum, entries.last.last), known)
        end = Days(last.first, last.last, ~ongoing)
        nothing = Days(last.first, last.last, ~known)
        first, last = self.matcher.extent(start, end, ongoing, nothing)
        return {
            "start": start, "over": end, "goes_on": ongoing, "first": first, "last": last, "concept": entries.drug[rows][starts],
            "response": self._response(rows, starts, sizes), "chain": entries.chain[rows][starts],
            "parts": over(np.bitwise_or, entries.bit),
        }  # fmt: skip

    def _response(self, rows: npt.NDArray[np.int64], starts: Ints, sizes: Ints) -> Ints:
        """Return the last response recorded in each course, else the next one after it without a gap; -1 where it is open."""
        entries = self.entries
        found = entries.response[rows][starts].copy() if len(starts) else np.zeros(0, np.int32)
        for at in np.flatnonzero(self._company[entries.chain[rows[starts]]] > 1).tolist() if len(starts) else ():
            own = rows[starts[at] : starts[at] + sizes[at]]
            found[at] = self._response_of(own)
        return found

    @property
    def _company(self) -> Ints:
        """How many entries each chain has."""
        if not hasattr(self, "_sizes"):
            self._sizes = np.bincount(self.entries.chain, minlength=1)
        return self._sizes

    def _response_of(self, own: npt.NDArray[np.int64]) -> int:
        entries = self.entries
        told = own[entries.response[own] >= 0]
        if len(told):
            begun = entries.first.first[told]
            return _agreed(entries.response[told[begun == begun.max()]])
        number = entries.chain[own[0]]
        chain = np.arange(*np.searchsorted(entries.chain, [number, number + 1]))
        later = chain[(entries.response[chain] >= 0) & (entries.first.first[chain] >= entries.first.first[own].max())]
        if not len(later):
            return -1
        return _agreed(entries.response[later[entries.first.first[later] == entries.first.first[later].min()]])

    def given_for(self, reason: str) -> Flags:
        """Tell of each chain of entries whether it was given for a reason; for any, where that is left empty."""
        if reason not in self._reasons:
            sets = self.matcher.columns.reason_sets
            of_set = np.array([bool(words) if not reason else reason in words for words in sets], np.bool_)
            found = np.zeros(int(self.entries.chain.max(initial=-1)) + 1, np.bool_)
            found[self.entries.chain[of_set[self.entries.reasons]]] = True
            self._reasons[reason] = found
        return self._reasons[reason]

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

    def _dose_meets(self, selection: Selection, rows: npt.NDArray[np.int64], comparison: Comparison) -> tuple[Truths, Flags]:
        unit = comparison.thresholds[0].unit
        found, unsure = np.zeros(len(rows), np.int8), np.zeros(len(rows), np.bool_)
        keys = self.entries.drug[rows].astype(np.int64) * (len(self.matcher.codes.doses) + 1) + self.entries.dose[rows] + 1
        for key in np.unique(keys[self.entries.dose[rows] >= 0]).tolist():
            drug, code = divmod(key, len(self.matcher.codes.doses) + 1)
            amount = self.amount(selection, drug, code - 1)
            here = keys == key
            if amount is None:
                continue
            if amount.unit == unit:
                truth = meets(Interval.exactly(amount.amount), comparison)
                found[here] = 0 if truth is None else 1 if truth else -1
            elif (amount.unit, unit) in _BY_WEIGHT and amount.amount > 0:
                found[here], unsure[here] = self._by_weight(rows[here], amount, comparison)
            elif (amount.unit, unit) in _BY_WEIGHT:
                unsure[here] = True
        return found, unsure

    def amount(self, selection: Selection, drug: int, code: int) -> Dose | None:
        """Return a dose in the equivalent of the class asked for; None where it has none."""
        dose, factor = self.matcher.codes.doses[code], Fraction(1)
        if selection.concept in self.vocabulary.equivalents:
            factors = self.vocabulary.equivalents[selection.concept][1]
            if self.drugs[drug] not in factors:
                return None
            factor = factors[self.drugs[drug]]
        return Dose(dose.amount * factor, dose.unit)

    def _by_weight(self, rows: npt.NDArray[np.int64], dose: Dose, comparison: Comparison) -> tuple[Truths, Flags]:
        """Compare a dose with one by weight, or the other way round, given the weight nearest to the start."""
        from ..questions import Threshold

        chosen, unsure = self._weights(rows)
        known = chosen >= 0
        found = np.zeros(len(rows), np.int8)
        if not known.any():
            return found, unsure
        section = self.matcher.columns.sections["measurements"]
        values = section["values"].at(chosen[known])
        thresholds = [threshold.number for threshold in comparison.thresholds]
        ops = ["at_least", "at_most"] if comparison.op == "between" else [comparison.op]
        truths = np.ones(len(chosen[known]), np.int8)
        for op, number in zip(ops, thresholds, strict=True):
            if number <= 0:
                return found, unsure | known
            at, turned = (dose.amount / number, _TURNED[op]) if dose.unit == "mg/d" else (number / dose.amount, op)
            np.minimum(truths, self.matcher.value_meets(values, Comparison(turned, (Threshold("", at),))), out=truths)
        found[known] = truths
        return found, unsure

    def _weights(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Flags]:
        """Return for each entry the row of the weight measured nearest to its start (-1: none), and where that is not told here."""
        section = self.matcher.columns.sections["measurements"]
        part = section.slices.get("weight", slice(0, 0))
        weights = np.arange(part.start, part.stop)
        when = section["when"].at(weights)
        weights = weights[~(when.known & (when.first > self.matcher.day))]
        when, place = section["when"].at(weights), section["place"][weights]
        chosen, unsure = np.full(len(rows), -1, np.int64), np.zeros(len(rows), np.bool_)
        if not len(weights):
            return chosen, unsure
        of = self.entries.place[rows]
        left, right = np.searchsorted(place, of, "left"), np.searchsorted(place, of, "right")
        values = section["values"].at(weights)
        odd = np.r_[0, np.cumsum((values.other >= 0) | (values.number <= 0))]
        vague = np.r_[0, np.cumsum(~when.exact)]
        only = right - left == 1
        chosen[only] = weights[left[only]]
        several = right - left > 1
        start = self.matcher.clamped(self.entries.start.at(rows))
        unsure |= odd[right] > odd[left]
        unsure |= several & (~start.exact | (vague[right] > vague[left]))
        for at in np.flatnonzero(several & ~unsure).tolist():
            near = range(left[at], right[at])
            days = [int(when.first[row]) for row in near]
            target = int(start.first[at])
            day = min(days, key=lambda other: (abs(other - target), other))
            same = [row for row, other in zip(near, days, strict=True) if other == day]
            chosen[at] = weights[same[0]]
            unsure[at] = len({(float(values.number[row]), int(values.unit[row])) for row in same}) > 1
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


def _each(ufunc: np.ufunc, flags: Flags, starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> Flags:
    """Return for each row what holds over its run."""
    return np.repeat(ufunc.reduceat(flags, starts), sizes) if len(starts) else flags[:0]


def _chains(group: npt.NDArray[np.int64], first: Ints, last: Ints) -> npt.NDArray[np.int64]:
    """Number the runs of entries, sorted by group and first day, between which no day is free."""
    if not len(group):
        return np.zeros(0, np.int64)
    span = np.int64(date.max.toordinal() + 2)
    until = np.maximum.accumulate(group * span + last)
    gap = np.ones(len(group), np.bool_)
    gap[1:] = (group[1:] != group[:-1]) | (group[1:] * span + first[1:] > until[:-1] + 1)
    return np.cumsum(gap) - 1


def _agreed(responses: Ints) -> int:
    return int(responses[0]) if (responses == responses[0]).all() else -1
