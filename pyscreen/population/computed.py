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
from .columns import EPOCH, Days, Flags, Floats, Ints, Values

if TYPE_CHECKING:
    from .matching import Items, Matcher

_OF_ALL_INPUTS = ("qtcf", "pvr")
"""The derived quantities that are computed only where all of what they read is there."""
_CKD_EPI = {
    "egfr_ckd_epi_2021": ("ckd_epi_2021", 142.0, -1.200, 0.9938, ((0.7, -0.241, 1.012), (0.9, -0.302, 1.0))),
    "egfr_ckd_epi_2009": ("ckd_epi_2009", 141.0, -1.209, 0.993, ((0.7, -0.329, 1.018), (0.9, -0.411, 1.0))),
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
    """CKD-EPI from each creatinine, and reported values; of which equation is not said counts only beside a computed one.

    Patients with two of one day, and those with a value reported under the equation's own name, are hard.
    """
    from .matching import Items

    method, scale, exponent, per_year, by_sex = _CKD_EPI[concept]
    columns, section = matcher.columns, matcher.section("measurements")
    part = section.slices.get("creatinine", slice(0, 0))
    rows = np.arange(part.start, part.stop)
    rows = rows[~section["apart"][rows]]
    when, place = section["when"].at(rows), section["place"][rows]
    birth, sex = columns.birth.at(place), columns.sex[place]
    begun = np.where(when.known, when.first, birth.first)
    youngest = np.where(birth.known, _years(birth.last, begun), 0)
    oldest = np.where(birth.known, _years(birth.first, np.where(when.known, when.last, matcher.day)), 150)
    low, high = matcher.about(section["values"].at(rows))
    least, most = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for number, (kappa, alpha, factor) in enumerate(by_sex):
        counts = (sex < 0) | (sex == number)
        for creatinine, years, pick, ends in ((high, oldest, np.minimum, least), (low, youngest, np.maximum, most)):
            ratio = np.where((creatinine > 0) & (creatinine < np.inf), creatinine, 1.0) / kappa
            shape = scale * factor * np.minimum(ratio, 1) ** alpha * np.maximum(ratio, 1) ** exponent
            np.copyto(ends, pick(ends, shape * per_year ** np.maximum(years, 0)), where=counts)
    least, most = np.where((high > 0) & (high < np.inf), least, 0.0), np.where(low > 0, most, np.inf)
    values, nothing = section["values"].at(rows), np.full(len(rows), np.nan)
    computed = Computed(
        values.number, values.unit, np.zeros(len(rows), np.int32), nothing, nothing,
        least, most, youngest >= derived.ADULT, rows, partial(_exactly, matcher, concept),
    )  # fmt: skip
    keep = oldest >= derived.ADULT
    rows, place, computed, when = rows[keep], place[keep], computed.at(keep), when.at(keep)
    told, both = _reported(matcher, method, place, when)
    order = np.argsort(np.r_[place, told.place], kind="stable")
    many = np.r_[rows, told["rows"]][order]
    joined = _joined(computed, told["values"], order)
    days = section["start"].at(many)
    found = {"start": days, "stated": days, "clock": section["clock"][many], "method": section["method"][many], "values": joined}
    certain, present = np.ones(len(many), np.int8), np.ones(len(many), np.bool_)
    own = section["place"][section.slices.get(concept, slice(0, 0))]
    return Items("measurement", np.r_[place, told.place][order], certain, present, found, np.concatenate([both, own]))


def _joined(one: Computed, other: Computed, order: npt.NDArray[np.int64]) -> Computed:
    def both(name: str) -> Any:
        return np.concatenate([getattr(one, name), getattr(other, name)])[order]

    return Computed(
        both("number"), both("unit"), both("other"), both("low"), both("high"),
        both("least"), both("most"), both("known"), both("source"), one.exactly,
    )  # fmt: skip


def _reported(matcher: Matcher, method: str, places: Ints, days: Days) -> tuple[Items, Ints]:
    """Return reported values that are or may be of an equation, and the patients with two values of one day, one of them computed."""
    from .matching import Items

    section = matcher.section("measurements")
    part = section.slices.get("egfr", slice(0, 0))
    rows = np.arange(part.start, part.stop)
    of = section["method"][rows]
    rows = rows[((of < 0) | (of == list(matcher.vocabulary.methods).index(method))) & ~section["apart"][rows]]
    values, when, place = section["values"].at(rows), section["when"].at(rows), section["place"][rows]
    nothing = np.full(len(rows), np.nan)
    # Of another day than any computed value, and by which equation is not said: it may count, or not.
    computed = Computed(
        values.number, values.unit, np.ones(len(rows), np.int32), nothing, nothing,
        *matcher.about(values), section["method"][rows] >= 0, rows, partial(_exactly, matcher, ""),
    )  # fmt: skip
    beside, counts = np.unique(_key(places, days)[days.known], return_counts=True)
    shared = np.isin(_key(place, when), beside) & when.known
    several = (beside[counts > 1] >> 44).astype(np.int32)
    whole = np.ones(len(rows), np.int8)
    return Items("measurement", place, whole, whole > 0, {"rows": rows, "values": computed}), np.concatenate([place[shared], several])


def _key(place: Ints, days: Days) -> npt.NDArray[np.int64]:
    """Return a number for each patient and pair of days."""
    return np.asarray(place.astype(np.int64) << 44 | days.first.astype(np.int64) << 22 | days.last.astype(np.int64))


def _exactly(matcher: Matcher, concept: str, row: int) -> Interval:
    """Return one value exactly: as reported, or by the formula."""
    columns, section = matcher.columns, matcher.section("measurements")
    value, place = matcher.interval(section["values"], row), int(section["place"][row])
    if list(matcher.vocabulary.quantities)[section["concept"][row]] != "creatinine":
        return value
    sex = _SEXES[columns.sex[place]] if columns.sex[place] >= 0 else None
    creatinine = Measurement("creatinine", value, "", _when(section["when"], row))
    record = Record("one", birth=_when(columns.birth, place), sex=sex, measurements=(creatinine,))
    (found,) = derived.measurements(record, concept, frozenset((concept,)), matcher.date)
    return found.value


def _when(days: Days, row: int) -> When | None:
    if not days.known[row]:
        return None
    return When(date.fromordinal(int(days.first[row])), date.fromordinal(int(days.last[row])))


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
