"""Derived quantities of many patients: `pyscreen.derived`, column by column.

Age is exact. CKD-EPI and Fridericia's formula are worked out in floating point, which settles every comparison but those next to the
threshold; these are left to the exact formula, value by value. What is rare, and of one day several inputs or days known in part, is
worked out by `pyscreen.derived` itself, patient by patient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import derived
from ..dates import When
from ..quantities import Interval
from ..record import Measurement, Record
from .columns import EPOCH, Days, Flags, Floats, Ints, Section, Values, clock_of, clock_text
from .rows import Computed, Items
from .view import View

_COMPUTED, _OLDEST = "computed", 150
_CKD_EPI = {
    "egfr_ckd_epi_2021": ("ckd_epi_2021", 142.0, -1.200, 0.9938, ((0.7, -0.241, 1.012), (0.9, -0.302, 1.0))),
    "egfr_ckd_epi_2009": ("ckd_epi_2009", 141.0, -1.209, 0.993, ((0.7, -0.329, 1.018), (0.9, -0.411, 1.0))),
}
_SEXES = ("female", "male")


@dataclass(frozen=True)
class _Part:
    """Some values of a derived quantity: whose, of which day, how they were found, and about between which numbers they lie."""

    place: Ints
    when: Days
    clock: Ints
    method: Ints
    least: Floats
    most: Floats
    low: Floats
    high: Floats
    exactly: Callable[[int], Interval]


@dataclass(frozen=True)
class _Made:
    """Values computed from measurements: of which of them each has its day, and about between which numbers it lies."""

    row: Ints
    least: Floats
    most: Floats
    exactly: Callable[[int], Interval]


def items(view: View, concept: str) -> Items | None:
    """Return the items of a derived quantity; None where there are no more than the reported ones."""
    if concept == "age":
        return _ages(view)
    odd = np.zeros(view.patients, np.bool_)
    if concept in _CKD_EPI:
        made = _egfr(view, concept)
    else:
        odd = _with_all(view, derived.INPUTS[concept])
        if not odd.any():
            return None
        made, odd = _qtcf(view, odd) if concept == "qtcf" else (_made_of_nothing(), odd)
    reported, joined = _reported(view, concept, made, odd)
    return _together(view, [reported, _not_joined(view, made, joined), _as_alone(view, concept, odd)])


def _with_all(view: View, inputs: Iterable[str]) -> Flags:
    """Tell which patients have a value of each of some quantities."""
    section, have = view.section("measurements"), np.ones(view.patients, np.bool_)
    for name in inputs:
        have &= np.bincount(section["place"][_rows(view, name)], minlength=view.patients) > 0
    return have


def _rows(view: View, concept: str) -> npt.NDArray[np.int64]:
    part = view.section("measurements").slices.get(concept, slice(0, 0))
    return np.arange(part.start, part.stop)


def _made_of_nothing() -> _Made:
    nothing = np.zeros(0)
    return _Made(np.zeros(0, np.int64), nothing, nothing, lambda _: Interval(None, None))


def _together(view: View, parts: list[_Part]) -> Items:
    """Return the values of several parts as items, but those that lie ahead."""
    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    when = Days(*(np.concatenate([part.when[end] for part in parts]) for end in range(3)))
    ends = np.cumsum([len(part.place) for part in parts])

    def exactly(number: int) -> Interval:
        part = int(np.searchsorted(ends, number, "right"))
        return parts[part].exactly(number - int(ends[part]) + len(parts[part].place))

    place, least, most = joined("place"), joined("least"), joined("most")
    many, number = len(place), np.arange(len(place))
    # No two are in one unit, so that they are told apart by their exact values alone.
    values = Computed(
        np.zeros(many), number, np.zeros(many, np.int32), joined("low"), joined("high"),
        least, most, np.isfinite(least) | np.isfinite(most), number, exactly,
    )  # fmt: skip
    start, whole = view.clamped(when), np.ones(many, np.int8)
    columns = {"start": start, "stated": start, "clock": joined("clock"), "method": joined("method"), "values": values}
    order = np.argsort(place, kind="stable")
    return Items("measurement", place, whole, whole > 0, columns).at(order[~(when.known & (when.first > view.day))[order]])


def _reported(view: View, concept: str, made: _Made, odd: Flags) -> tuple[_Part, Flags]:
    """Return the reported values, each joined with those computed of its day, and which of these are joined so.

    By which equation an eGFR was computed may not be recorded: beside a computed one it counts, else it may or may not.
    """
    section = view.section("measurements")
    rows, told = _rows(view, concept), np.ones(0, np.bool_)
    if concept in _CKD_EPI:
        of_any = _rows(view, "egfr")
        method = section["method"][of_any]
        of_any = of_any[(method < 0) | (method == list(view.vocabulary.methods).index(_CKD_EPI[concept][0]))]
        told = (section["method"][of_any] >= 0) | np.isin(_key(section, of_any), _key(section, made.row))
        rows = np.r_[rows, of_any]
    told = np.r_[np.ones(len(rows) - len(told), np.bool_), told]
    keep = ~odd[section["place"][rows]]
    rows, told = rows[keep], told[keep]
    values, when = section["values"].at(rows), section["when"].at(rows)
    least, most = (np.where(told, end, unknown) for end, unknown in zip(view.about(values), (-np.inf, np.inf), strict=True))
    keys, wanted = _key(section, made.row), _key(section, rows)
    order = np.argsort(keys, kind="stable")
    first, last = (np.searchsorted(keys[order], wanted, side) for side in ("left", "right"))
    last = np.where(when.known, last, first)
    for at in np.flatnonzero(last > first).tolist():
        of_day = order[first[at] : last[at]]
        least[at], most[at] = min(least[at], made.least[of_day].min()), max(most[at], made.most[of_day].max())

    def exactly(number: int) -> Interval:
        own = view.interval(section["values"], int(rows[number])) if told[number] else Interval(None, None)
        of_day = order[first[number] : last[number]].tolist()
        return _range([own, *map(made.exactly, of_day)]) if of_day else own

    plain = (first == last) & (section["concept"][rows] == list(view.vocabulary.quantities).index(concept))
    low, high = (np.where(plain, limit, np.nan) for limit in (values.low, values.high))
    part = _Part(section["place"][rows], when, section["clock"][rows], section["method"][rows], least, most, low, high, exactly)
    return part, np.isin(keys, wanted) & section["when"].known[made.row]


def _not_joined(view: View, made: _Made, joined: Flags) -> _Part:
    """Return computed values of the days of which none is reported; those of one day are one."""
    section, left = view.section("measurements"), np.flatnonzero(~joined)
    key = np.where(section["when"].known[made.row[left]], _key(section, made.row[left]), -1 - np.arange(len(left)))
    order = np.argsort(key, kind="stable")
    left, key = left[order], key[order]
    starts = np.flatnonzero(np.r_[len(key) > 0, key[1:] != key[:-1]])
    ends = np.r_[starts[1:], len(key)]
    rows, nothing = made.row[left[starts]], np.full(len(starts), np.nan)
    least, most = made.least[left], made.most[left]
    if len(starts):
        least, most = np.minimum.reduceat(least, starts), np.maximum.reduceat(most, starts)

    def exactly(number: int) -> Interval:
        of_day = left[starts[number] : ends[number]].tolist()
        return _range(list(map(made.exactly, of_day))) if len(of_day) > 1 else made.exactly(of_day[0])

    method = np.full(len(rows), len(view.vocabulary.methods), np.int32)
    when, clock = section["when"].at(rows), section["clock"][rows]
    return _Part(section["place"][rows], when, clock, method, least, most, nothing, nothing, exactly)


def _as_alone(view: View, concept: str, odd: Flags) -> _Part:
    """Return the values that some patients have by the one definition, from what is measured and reported of them."""
    section, methods = view.section("measurements"), [*view.vocabulary.methods, _COMPUTED]
    rows = np.concatenate([_rows(view, name) for name in (concept, *derived.INPUTS[concept])])
    rows = rows[odd[section["place"][rows]]]
    given: dict[int, list[Measurement]] = {}
    for row in rows.tolist():
        given.setdefault(int(section["place"][row]), []).append(_measurement(view, row, methods))
    found = [
        (place, value)
        for place, measured in given.items()
        for value in derived.measurements(Record("one", measurements=tuple(measured)), concept, frozenset((concept,)), view.date)
    ]
    ends = [(value.when.earliest.toordinal(), value.when.latest.toordinal(), 1) if value.when else (0, 0, 0) for _, value in found]
    first, last, known = np.array(ends, np.int32).reshape(-1, 3).T
    clock = [clock_of(value.when.clock) if value.when and value.when.clock else -1 for _, value in found]
    method = [methods.index(value.method) if value.method else -1 for _, value in found]
    least, most, low, high = (
        np.array([nothing if end is None else float(end) for end in told], np.float64)
        for nothing, told in (
            (-np.inf, [value.value.low for _, value in found]), (np.inf, [value.value.high for _, value in found]),
            (np.nan, [value.low for _, value in found]), (np.nan, [value.high for _, value in found]),
        )
    )  # fmt: skip
    return _Part(
        np.array([place for place, _ in found], np.int32), Days(first, last, known > 0),
        np.array(clock, np.int32), np.array(method, np.int32),
        least, most, low, high, lambda number: found[number][1].value,
    )  # fmt: skip


def _measurement(view: View, row: int, methods: list[str]) -> Measurement:
    """Return one measurement as it is recorded."""
    section, values = view.section("measurements"), view.section("measurements")["values"]
    concept = list(view.vocabulary.quantities)[section["concept"][row]]
    when, clock, method = _when(section["when"], row), int(section["clock"][row]), int(section["method"][row])
    if when is not None and clock >= 0:
        when = When(when.earliest, when.latest, clock_text(clock))
    factor, offset = view.codes.units[values.unit[row]]
    low, high = (
        None if np.isnan(limit[row]) else Fraction(repr(float(limit[row]))) * factor + offset for limit in (values.low, values.high)
    )
    return Measurement(concept, view.interval(values, row), "", when, low, high, methods[method] if method >= 0 else None)


def _range(values: list[Interval]) -> Interval:
    """Return the range in which all of some values lie."""
    lows, highs = [value.low for value in values if value.low is not None], [value.high for value in values if value.high is not None]
    return Interval(min(lows) if len(lows) == len(values) else None, max(highs) if len(highs) == len(values) else None)


def _qtcf(view: View, have: Flags) -> tuple[_Made, Flags]:
    """Fridericia's QTc of those with at most one QT and heart rate a day, each of an exact day; and who has others."""
    section = view.section("measurements")
    inputs = [_rows(view, name) for name in derived.INPUTS["qtcf"]]
    odd = np.zeros(view.patients, np.bool_)
    for rows in inputs:
        keys = _key(section, rows)
        again = np.isin(keys, np.sort(keys)[1:][np.diff(np.sort(keys)) == 0])
        odd[section["place"][rows][again | ~section["when"].at(rows).exact]] = True
    odd &= have
    qt, rate = (rows[have[section["place"][rows]] & ~odd[section["place"][rows]]] for rows in inputs)
    _, one, other = np.intersect1d(_key(section, qt), _key(section, rate), return_indices=True)
    qt, rate = qt[one], rate[other]
    (qt_low, qt_high), (low, high) = (view.about(section["values"].at(rows)) for rows in (qt, rate))

    def corrected(interval: Floats, beats: Floats, unknown: float) -> Floats:
        told = (interval > 0) & (beats > 0) & np.isfinite(interval) & np.isfinite(beats)
        return np.where(told, np.where(told, interval, 1) * np.cbrt(np.where(told, beats, 60) / 60), unknown)

    def exactly(number: int) -> Interval:
        methods = [*view.vocabulary.methods, _COMPUTED]
        measured = tuple(_measurement(view, int(rows[number]), methods) for rows in (qt, rate))
        (found,) = derived.measurements(Record("one", measurements=measured), "qtcf", frozenset(("qtcf",)), view.date)
        return found.value

    return _Made(qt, corrected(qt_low, low, -np.inf), corrected(qt_high, high, np.inf), exactly), odd


def _ages(view: View) -> Items:
    """Age in completed years on the screening date; patients with a reported age are hard."""
    birth = view.columns.birth
    place = np.flatnonzero(birth.known & (birth.first <= view.day) & ~view.columns.hard).astype(np.int32)
    today = np.full(len(place), view.day, np.int32)
    # Who is known to be born in a year that is not over is not yet one year old.
    fewest, most = _years(birth.last[place], np.maximum(today, birth.last[place])), _years(birth.first[place], today)
    other = np.full(len(place), -1, np.int32)
    for low, high in sorted(set(zip(fewest[fewest != most].tolist(), most[fewest != most].tolist(), strict=True))):
        other[(fewest == low) & (most == high)] = view.codes.interval(Interval(Fraction(low), Fraction(high)))
    scale = view.vocabulary.quantities["age"].scale
    unit = np.full(len(place), view.codes.unit(scale, scale.unit) or 0, np.int32)
    empty, days = np.full(len(place), np.nan), view.today(len(place))
    values = Values(fewest.astype(np.float64), unit, other, empty, empty)
    none = np.full(len(place), -1, np.int32)
    columns = {"start": days, "stated": days, "clock": none, "method": none, "values": values}
    section = view.section("measurements")
    reported = section["place"][section.slices.get("age", slice(0, 0))]
    return Items("measurement", place, np.ones(len(place), np.int8), np.ones(len(place), np.bool_), columns, reported)


def _egfr(view: View, concept: str) -> _Made:
    """CKD-EPI from each creatinine."""
    _, scale, exponent, per_year, by_sex = _CKD_EPI[concept]
    columns, section = view.columns, view.section("measurements")
    rows = _rows(view, "creatinine")
    when, place = section["when"].at(rows), section["place"][rows]
    birth, sex = columns.birth.at(place), columns.sex[place]
    begun = np.where(when.known, when.first, birth.first)
    youngest = np.where(birth.known, _years(birth.last, begun), 0)
    oldest = np.where(birth.known, _years(birth.first, np.where(when.known, when.last, view.day)), _OLDEST)
    low, high = view.about(section["values"].at(rows))
    least, most = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for number, (kappa, alpha, factor) in enumerate(by_sex):
        counts = (sex < 0) | (sex == number)
        for creatinine, years, pick, ends in ((high, oldest, np.minimum, least), (low, youngest, np.maximum, most)):
            ratio = np.where((creatinine > 0) & (creatinine < np.inf), creatinine, 1.0) / kappa
            shape = scale * factor * np.minimum(ratio, 1) ** alpha * np.maximum(ratio, 1) ** exponent
            np.copyto(ends, pick(ends, shape * per_year ** np.maximum(years, 0)), where=counts)
    least, most = np.where((high > 0) & (high < np.inf), least, 0.0), np.where(low > 0, most, np.inf)
    adult = youngest >= derived.ADULT
    least, most = np.where(adult, least, -np.inf), np.where(adult, most, np.inf)
    keep = np.flatnonzero(oldest >= derived.ADULT)

    def exactly(number: int) -> Interval:
        row = int(rows[keep[number]])
        at = int(section["place"][row])
        creatinine = Measurement("creatinine", view.interval(section["values"], row), "", _when(section["when"], row))
        told = _SEXES[columns.sex[at]] if columns.sex[at] >= 0 else None
        record = Record("one", birth=_when(columns.birth, at), sex=told, measurements=(creatinine,))
        (found,) = derived.measurements(record, concept, frozenset((concept,)), view.date)
        return found.value

    return _Made(rows[keep], least[keep], most[keep], exactly)


def _key(section: Section, rows: Ints) -> npt.NDArray[np.int64]:
    """Return a number for the patient and the days of each measurement; all that are not dated have one."""
    when = section["when"].at(rows)
    first, last = (np.where(when.known, end, 0).astype(np.int64) for end in (when.first, when.last))
    return np.asarray(section["place"][rows].astype(np.int64) << 44 | first << 22 | last)


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
