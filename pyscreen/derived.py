"""Quantities computed from others, in one place: unrounded, with their formula's source, only within their validity.

Each formula gives measurements dated as their inputs are; a value reported for the same day is joined with the computed one into
one interval, so that a threshold between the two is left open rather than decided by the more convenient of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product

from .dates import When, completed_range
from .quantities import Interval, show
from .record import Measurement, Record, Statement

ADULT = 18
_OLDEST = 150
Formula = Callable[[Record, date], Iterator[Measurement]]


def measurements(record: Record, concept: str, derived: frozenset[str], day: date) -> list[Measurement]:
    """Return the record's values of a quantity, with those computed for it where a formula of its name exists."""
    reported = [item for item in record.measurements if item.concept == concept]
    if concept not in derived:
        return reported
    values = [*reported, *FORMULAS[concept](record, day)]
    return _joined(values)


def statements(record: Record, kind: str, derived: frozenset[str]) -> Iterator[Statement]:
    """Yield the record's statements of a kind, with what follows from its other facts where a formula of that name exists."""
    yield from record.statements(kind)
    if kind == "event":
        yield from (event for name in sorted(derived & set(HISTORY)) for event in HISTORY[name](record))


def death(record: Record) -> Iterator[Statement]:
    """The patient's death, on the day that the record gives; of a day known in part, not after the day of the record."""
    if record.died is not None:
        latest = min(record.died.latest, max(record.died.earliest, record.recorded or date.max))
        when = replace(record.died, latest=latest)
        yield Statement("death", True, when, stated=when)


def _joined(values: list[Measurement]) -> list[Measurement]:
    """Join a computed value (method `computed`) with the reported value of its day."""
    computed = [value for value in values if value.method == "computed"]
    found = [value for value in values if value.method != "computed"]
    for value in computed:
        same_day = [i for i, other in enumerate(found) if other.when and value.when and _day(other) == _day(value)]
        if not same_day:
            found.append(value)
        for i in same_day:
            found[i] = _join(found[i], value)
    return found


def _day(value: Measurement) -> tuple[date, date] | None:
    return (value.when.earliest, value.when.latest) if value.when else None


def _join(one: Measurement, other: Measurement) -> Measurement:
    text = f"{one.text}, {other.text}"
    return Measurement(one.concept, _range([one, other]), text, one.when, method=one.method, id=one.id)


def age(record: Record, day: date) -> Iterator[Measurement]:
    """Age in completed years on the screening date; an interval where the birth date is partly known."""
    if record.birth is None or record.birth.earliest > day:
        return
    low, high = completed_range("a", record.birth, When.on(day))
    text = f"{low} a" if low == high else f"{low} to {high} a"
    yield Measurement("age", Interval(Fraction(low), Fraction(high)), f"{text}, born {record.birth}", When.on(day))


def qtcf(record: Record, _day: date) -> Iterator[Measurement]:
    """QT corrected by Fridericia: QT / (60 / heart rate) ** (1/3), in ms, from one day's QT and heart rate.

    Exact where the root is, else an interval some 1e-12 ms wide. Source: clinical-a section 9 (seen).
    """
    for (qt, rate), inputs, when in _same_day(record, "qt_interval", "heart_rate"):
        low = _cube_root(qt.low**3 * rate.low / 60)[0] if qt.low and rate.low and qt.low > 0 and rate.low > 0 else None
        high = _cube_root(qt.high**3 * rate.high / 60)[1] if qt.high and rate.high and qt.high > 0 and rate.high > 0 else None
        yield _computed("qtcf", Interval(low, high), "ms", "from QT and heart rate", inputs, when)


def pvr(record: Record, _day: date) -> Iterator[Measurement]:
    """Pulmonary vascular resistance: (mPAP - PAWP) / cardiac output, in Wood units, from one day's values (memory: definition)."""
    for (mpap, pawp, output), inputs, when in _same_day(record, "mpap", "pawp", "cardiac_output"):
        resistance = Interval(None, None)
        ends = (mpap.low, mpap.high, pawp.low, pawp.high, output.low, output.high)
        if None not in ends and output.low is not None and output.low > 0:
            mpap_low, mpap_high, pawp_low, pawp_high, least, most = (end for end in ends if end is not None)
            fall = (mpap_low - pawp_high, mpap_high - pawp_low)
            resistance = Interval(min(fall[0] / least, fall[0] / most), max(fall[1] / least, fall[1] / most))
        yield _computed("pvr", resistance, "WU", "from mPAP, PAWP and cardiac output", inputs, when)


def egfr_ckd_epi_2021(record: Record, day: date) -> Iterator[Measurement]:
    """CKD-EPI 2021, adults: 142 min(S/k,1)^a max(S/k,1)^-1.200 0.9938^age [1.012 female] (seen: kidney.org)."""
    return _ckd_epi(
        record, day, "ckd_epi_2021", Decimal(142), Decimal("-1.200"), Decimal("0.9938"),
        {"female": ("0.7", "-0.241", "1.012"), "male": ("0.9", "-0.302", "1")},
    )  # fmt: skip


def egfr_ckd_epi_2009(record: Record, day: date) -> Iterator[Measurement]:
    """CKD-EPI 2009 without the race factor, adults (seen: public code)."""
    return _ckd_epi(
        record, day, "ckd_epi_2009", Decimal(141), Decimal("-1.209"), Decimal("0.993"),
        {"female": ("0.7", "-0.329", "1.018"), "male": ("0.9", "-0.411", "1")},
    )  # fmt: skip


def _ckd_epi(
    record: Record,
    day: date,
    method: str,
    scale: Decimal,
    exponent: Decimal,
    per_year: Decimal,
    by_sex: Mapping[str, tuple[str, str, str]],
) -> Iterator[Measurement]:
    concept = f"egfr_{method}"
    computed = list(_ckd_epi_of_creatinine(record, day, concept, scale, exponent, per_year, by_sex))
    days = {_day(value) for value in computed}
    for value in record.measurements:
        if value.concept == "egfr" and value.method in (method, None):
            # By which equation it was computed is not recorded: it may count, or not.
            told = value.method is not None or _day(value) in days
            yield Measurement(
                concept, value.value if told else Interval(None, None), value.text, value.when, method=value.method, id=value.id
            )
    yield from computed


def _ckd_epi_of_creatinine(
    record: Record,
    day: date,
    concept: str,
    scale: Decimal,
    exponent: Decimal,
    per_year: Decimal,
    by_sex: Mapping[str, tuple[str, str, str]],
) -> Iterator[Measurement]:
    sexes = [by_sex[record.sex]] if record.sex and record.sex in by_sex else list(by_sex.values())

    def egfr(creatinine: Fraction, years: int) -> Iterator[Fraction]:
        for kappa, alpha, factor in sexes:
            with localcontext() as context:
                context.prec = 40
                ratio = Decimal(creatinine.numerator) / Decimal(creatinine.denominator) / Decimal(kappa)
                low, high = min(ratio, Decimal(1)), max(ratio, Decimal(1))
                yield Fraction(scale * low ** Decimal(alpha) * high**exponent * per_year**years * Decimal(factor))

    for value in record.measurements:
        if value.concept != "creatinine":
            continue
        when = value.when or When(record.birth.earliest if record.birth else date.min, day)
        youngest, oldest = completed_range("a", record.birth, when) if record.birth else (0, _OLDEST)
        if oldest < ADULT:
            continue
        low, high = value.value.low, value.value.high
        bounds = Interval(
            _widened(min(egfr(high, oldest)), -1) if high and high > 0 else Fraction(0),
            _widened(max(egfr(low, youngest)), 1) if low and low > 0 else None,
        )
        # Where the patient may have been under age, there may be no such value at all.
        known = bounds if youngest >= ADULT else Interval(None, None)
        yield _computed(concept, known, "mL/min/1.73 m2", "CKD-EPI from creatinine", [value], value.when)


def _widened(number: Fraction, sign: int) -> Fraction:
    """Take the rounding error of forty digits into the interval."""
    return number * (1 + sign * Fraction(1, 10**30))


def _cube_root(number: Fraction) -> tuple[Fraction, Fraction]:
    """Return rational bounds of a cube root, equal where it is exact."""
    digits = 10**12
    numerator, denominator = number.numerator, number.denominator
    exact = Fraction(_integer_cube_root(numerator), _integer_cube_root(denominator))
    if exact**3 == number:
        return exact, exact
    floor = _integer_cube_root(numerator * digits**3 // denominator)
    return Fraction(floor, digits), Fraction(floor + 1, digits)


def _integer_cube_root(number: int) -> int:
    root = 1 << -(-number.bit_length() // 3)
    while root**3 > number:
        root = (2 * root + number // root**2) // 3
    return root


def _same_day(record: Record, *concepts: str) -> Iterator[tuple[list[Interval], list[Measurement], When | None]]:
    """Yield the values of all the concepts on each day that has them, with the measurements and the day.

    Of a day's values the last by its clock counts; where the order is open, all of them as a range. Values that may be of one
    day, their dates being partly known, give a range without bounds: something may be computed then.
    """
    by_concept = [[value for value in record.measurements if value.concept == concept] for concept in concepts]
    days = [_by_day(values) for values in by_concept]
    for day in sorted(set.intersection(*map(set, days))):
        inputs = [_last(found[day]) for found in days]
        yield [_range(values) for values in inputs], [value for values in inputs for value in values], inputs[0][0].when
    if all(value.when and value.when.exact for values in by_concept for value in values):
        return
    for combined in product(*by_concept):
        whens = [value.when for value in combined]
        first = max((when.earliest for when in whens if when), default=date.min)
        last = min((when.latest for when in whens if when), default=date.max)
        if first <= last and not all(when and when.exact for when in whens):
            known = When(first, last) if any(whens) else None
            yield [Interval(None, None) for _ in combined], list(combined), known


def _by_day(values: list[Measurement]) -> dict[date, list[Measurement]]:
    days: dict[date, list[Measurement]] = {}
    for value in values:
        if value.when and value.when.exact:
            days.setdefault(value.when.earliest, []).append(value)
    return days


def _last(values: list[Measurement]) -> list[Measurement]:
    """Return what may be the last of one day's values."""
    if not all(value.when and value.when.clock for value in values):
        return values
    last = max(value.when.order for value in values if value.when)
    return [value for value in values if value.when and value.when.order == last]


def _range(values: list[Measurement]) -> Interval:
    lows, highs = [value.value.low for value in values], [value.value.high for value in values]
    low = None if None in lows else min(x for x in lows if x is not None)
    high = None if None in highs else max(x for x in highs if x is not None)
    return Interval(low, high)


def _computed(
    concept: str, value: Interval, unit: str, how: str, inputs: list[Measurement], when: When | None
) -> Measurement:
    middle = value.low if value.low is not None else value.high
    shown = "" if middle is None or not math.isfinite(middle) else f"{show(Fraction(round(middle, 2)))} {unit} "
    ids = " ".join(item.id for item in inputs if item.id) or None
    used = "; ".join(item.text for item in inputs)
    return Measurement(concept, value, f"{shown}computed ({how}: {used})", when, method="computed", id=ids)


FORMULAS: Mapping[str, Formula] = {
    "age": age,
    "qtcf": qtcf,
    "pvr": pvr,
    "egfr_ckd_epi_2021": egfr_ckd_epi_2021,
    "egfr_ckd_epi_2009": egfr_ckd_epi_2009,
}

HISTORY: Mapping[str, Callable[[Record], Iterator[Statement]]] = {"death": death}
"""Events that follow from the record's other facts."""

INPUTS: Mapping[str, tuple[str, ...]] = {
    "age": (),
    "qtcf": ("qt_interval", "heart_rate"),
    "pvr": ("mpap", "pawp", "cardiac_output"),
    "egfr_ckd_epi_2021": ("creatinine", "egfr", "ckd_epi_2021"),
    "egfr_ckd_epi_2009": ("creatinine", "egfr", "ckd_epi_2009"),
}
"""The quantities and methods that each formula reads."""
