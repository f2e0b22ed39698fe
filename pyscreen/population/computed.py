"""Derived quantities of many patients: `pyscreen.derived`, column by column.

Age is exact. CKD-EPI is worked out in floating point, which settles every comparison but those next to the threshold; these are left
to the exact formula, value by value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import derived
from ..dates import When, completed_range
from ..quantities import Interval
from ..record import Measurement, Record
from .columns import EPOCH, Flags, Floats, Ints, Values

if TYPE_CHECKING:
    from .matching import Items, Matcher

_OF_ALL_INPUTS = ("qtcf", "pvr")
"""The derived quantities that are computed only where all of what they read is there."""
_CKD_EPI = {
    "egfr_ckd_epi_2021": (142.0, -1.200, 0.9938, ((0.7, -0.241, 1.012), (0.9, -0.302, 1.0))),
    "egfr_ckd_epi_2009": (141.0, -1.209, 0.993, ((0.7, -0.329, 1.018), (0.9, -0.411, 1.0))),
}
_SEXES = ("female", "male")


@dataclass(frozen=True)
class Computed(Values):
    """Values known to lie about between two numbers (far closer than a millionth); `known` is false where nothing is known of one.

    `exactly` gives the interval of a value by its number in `source`.
    """

    least: Floats
    most: Floats
    known: Flags
    source: npt.NDArray[np.int64]
    exactly: Callable[[int], Interval]

    def at(self, rows: Any) -> Computed:
        """Return the values of some rows."""
        return Computed(
            self.number[rows], self.unit[rows], self.other[rows], self.low[rows], self.high[rows],
            self.least[rows], self.most[rows], self.known[rows], self.source[rows], self.exactly,
        )  # fmt: skip


def items(matcher: Matcher, concept: str) -> Items | None:
    """Return the items of a derived quantity; None where there are no more than the reported ones."""
    if concept == "age":
        return _ages(matcher)
    return _egfr(matcher, concept) if concept in _CKD_EPI else None


def hard(matcher: Matcher, concept: str) -> Ints:
    """Return the patients who have what a value may be computed from, where that is not done here."""
    section = matcher.section("measurements")
    inputs = [name for name in derived.INPUTS[concept] if name in matcher.vocabulary.quantities]
    have = np.zeros((len(inputs), matcher.patients), np.bool_)
    for row, name in enumerate(inputs):
        have[row, section["place"][section.slices.get(name, slice(0, 0))]] = True
    needed = have.all(axis=0) if concept in _OF_ALL_INPUTS else have.any(axis=0)
    return np.flatnonzero(needed).astype(np.int32)


def _ages(matcher: Matcher) -> Items:
    """Age in completed years on the screening date; patients with a reported age are hard."""
    from .matching import Items

    birth = matcher.columns.birth
    place = np.flatnonzero(birth.known & (birth.first <= matcher.day) & ~matcher.columns.hard).astype(np.int32)
    distinct, inverse = np.unique(np.stack([birth.first[place], birth.last[place]]), axis=1, return_inverse=True)
    number, other = np.zeros(distinct.shape[1]), np.full(distinct.shape[1], -1, np.int32)
    for column, (first, last) in enumerate(distinct.T.tolist()):
        low, high = completed_range("a", When(date.fromordinal(first), date.fromordinal(last)), When.on(matcher.date))
        number[column] = low
        if low != high:
            other[column] = matcher.codes.interval(Interval(Fraction(low), Fraction(high)))
    inverse = inverse.ravel()
    scale = matcher.vocabulary.quantities["age"].scale
    unit = np.full(len(place), matcher.codes.unit(scale, scale.unit) or 0, np.int32)
    empty, days = np.full(len(place), np.nan), matcher.today(len(place))
    values = Values(number[inverse], unit, other[inverse], empty, empty)
    none = np.full(len(place), -1, np.int32)
    columns = {"start": days, "stated": days, "clock": none, "method": none, "values": values}
    section = matcher.section("measurements")
    reported = section["place"][section.slices.get("age", slice(0, 0))]
    return Items("measurement", place, np.ones(len(place), np.int8), np.ones(len(place), np.bool_), columns, reported)


def _egfr(matcher: Matcher, concept: str) -> Items:
    """CKD-EPI from each creatinine; patients with a reported value, or a creatinine that is no plain number of one day, are hard."""
    from .matching import Items

    scale, exponent, per_year, by_sex = _CKD_EPI[concept]
    columns, section = matcher.columns, matcher.section("measurements")
    rows = np.arange(*section.slices.get("creatinine", slice(0, 0)).indices(len(section["place"]))[:2])
    rows = rows[~section["apart"][rows]]
    values, when, place = section["values"].at(rows), section["when"].at(rows), section["place"][rows]
    birth, sex = columns.birth.at(place), columns.sex[place]
    odd = (values.other >= 0) | (values.number <= 0) | ~when.exact
    youngest = np.where(birth.known, _years(birth.last, when.first), 0)
    oldest = np.where(birth.known, _years(birth.first, when.first), 150)
    factors = np.array([(float(factor), float(offset)) for factor, offset in matcher.codes.units] or [(1.0, 0.0)])[values.unit]
    creatinine = np.where(odd, 1.0, values.number * factors[:, 0] + factors[:, 1])
    least, most = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for number, (kappa, alpha, factor) in enumerate(by_sex):
        ratio = creatinine / kappa
        shape = scale * factor * np.minimum(ratio, 1) ** alpha * np.maximum(ratio, 1) ** exponent
        counts = (sex < 0) | (sex == number)
        least = np.where(counts, np.minimum(least, shape * per_year**oldest), least)
        most = np.where(counts, np.maximum(most, shape * per_year**youngest), most)
    nothing = np.full(len(rows), np.nan)
    computed = Computed(
        values.number, values.unit, np.zeros(len(rows), np.int32), nothing, nothing,
        least, most, youngest >= derived.ADULT, rows, partial(_exactly, matcher, concept),
    )  # fmt: skip
    days = matcher.clamped(when)
    method = np.full(len(rows), -2, np.int32)
    taken = {"start": days, "stated": days, "clock": section["clock"][rows], "method": method, "values": computed}
    reported = [section["place"][section.slices.get(name, slice(0, 0))] for name in ("egfr", concept)]
    certain, present = np.ones(len(rows), np.int8), np.ones(len(rows), np.bool_)
    found = Items("measurement", place, certain, present, taken, np.concatenate([place[odd], *reported]))
    return found.where(oldest >= derived.ADULT)


def _exactly(matcher: Matcher, concept: str, row: int) -> Interval:
    """Return one value by the exact formula."""
    columns, section = matcher.columns, matcher.section("measurements")
    place, day = int(section["place"][row]), date.fromordinal(int(section["when"].first[row]))
    birth = columns.birth
    born = When(date.fromordinal(int(birth.first[place])), date.fromordinal(int(birth.last[place]))) if birth.known[place] else None
    value = matcher.interval(section["values"], row)
    sex = _SEXES[columns.sex[place]] if columns.sex[place] >= 0 else None
    record = Record("one", birth=born, sex=sex, measurements=(Measurement("creatinine", value, "", When.on(day)),))
    (found,) = derived.measurements(record, concept, frozenset((concept,)), matcher.date)
    return found.value


def _years(start: Ints, end: Ints) -> npt.NDArray[np.int64]:
    """Return the completed years from one day to another that is not before it."""
    months = _month(end).astype(np.int64) - _month(start).astype(np.int64)
    within = (start - EPOCH).astype("M8[D]") - _month(start).astype("M8[D]")
    first = _month(end).astype("M8[D]")
    length = (_month(end) + 1).astype("M8[D]") - first
    due = first + np.minimum(within, length - np.timedelta64(1, "D"))
    return np.asarray((months - (due > (end - EPOCH).astype("M8[D]"))) // 12, np.int64)


def _month(days: Ints) -> npt.NDArray[np.datetime64]:
    return (days - EPOCH).astype("M8[D]").astype("M8[M]")
