"""Quantities computed from others, in one place: unrounded, with their formula's source, only within their validity.

Each formula gives measurements dated as their inputs are; a value reported for the same day is joined with the computed one into
one interval, so that a threshold between the two is left open rather than decided by the more convenient of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction

from .dates import When, completed_range
from .quantities import Interval, show
from .record import Measurement, Record, Statement

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
    """The patient's death, on the day that the record gives."""
    if record.died is not None:
        yield Statement("death", True, record.died, stated=record.died)


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
    lows, highs = (one.value.low, other.value.low), (one.value.high, other.value.high)
    low = None if None in lows else min(x for x in lows if x is not None)
    high = None if None in highs else max(x for x in highs if x is not None)
    text = f"{one.text}, {other.text}"
    return Measurement(one.concept, Interval(low, high), text, one.when, method=one.method, id=one.id)


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
    for day_values in _same_day(record, "qt_interval", "heart_rate"):
        qt, rate = (value.value.low for value in day_values)
        if qt and rate and all(value.value.low == value.value.high for value in day_values):
            low, high = _cube_root(qt**3 * rate / 60)
            yield _computed("qtcf", Interval(low, high), "ms", "from QT and heart rate", day_values)


def pvr(record: Record, _day: date) -> Iterator[Measurement]:
    """Pulmonary vascular resistance: (mPAP - PAWP) / cardiac output, in Wood units, from one day's values (memory: definition)."""
    for day_values in _same_day(record, "mpap", "pawp", "cardiac_output"):
        mpap, pawp, output = (value.value.low for value in day_values)
        exact = all(value.value.low == value.value.high for value in day_values)
        if exact and mpap is not None and pawp is not None and output:
            resistance = Interval.exactly((mpap - pawp) / output)
            yield _computed("pvr", resistance, "WU", "from mPAP, PAWP and cardiac output", day_values)


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
    _day: date,
    method: str,
    scale: Decimal,
    exponent: Decimal,
    per_year: Decimal,
    by_sex: Mapping[str, tuple[str, str, str]],
) -> Iterator[Measurement]:
    concept = f"egfr_{method}"
    for value in record.measurements:
        if value.concept == "egfr" and value.method == method:
            yield Measurement(concept, value.value, value.text, value.when, method=method, id=value.id)
    if record.birth is None or record.sex is None or record.sex not in by_sex:
        return
    kappa, alpha, factor = map(Decimal, by_sex[record.sex])

    def egfr(creatinine: Fraction, years: int) -> Fraction:
        with localcontext() as context:
            context.prec = 40
            ratio = Decimal(creatinine.numerator) / Decimal(creatinine.denominator) / kappa
            low, high = min(ratio, Decimal(1)), max(ratio, Decimal(1))
            return Fraction(scale * low**alpha * high**exponent * per_year**years * factor)

    for value in record.measurements:
        if value.concept != "creatinine" or value.when is None:
            continue
        youngest, oldest = completed_range("a", record.birth, value.when)
        if youngest < 18:
            continue
        low, high = value.value.low, value.value.high
        bounds = Interval(
            _widened(egfr(high, oldest), -1) if high else Fraction(0),
            _widened(egfr(low, youngest), 1) if low else None,
        )
        yield _computed(concept, bounds, "mL/min/1.73 m2", "CKD-EPI from creatinine", [value])


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


def _same_day(record: Record, *concepts: str) -> Iterator[list[Measurement]]:
    """Yield one value of each concept for every exact day that has them all; the last of a day by its clock."""
    by_day: dict[date, dict[str, Measurement]] = {}
    for value in record.measurements:
        if value.concept in concepts and value.when and value.when.exact:
            day_values = by_day.setdefault(value.when.earliest, {})
            before = day_values.get(value.concept)
            if before is None or before.when is None or before.when.clock <= value.when.clock:
                day_values[value.concept] = value
    for _, day_values in sorted(by_day.items()):
        if len(day_values) == len(concepts):
            yield [day_values[concept] for concept in concepts]


def _computed(concept: str, value: Interval, unit: str, how: str, inputs: list[Measurement]) -> Measurement:
    middle = value.low if value.low is not None else value.high
    shown = "" if middle is None or not math.isfinite(middle) else f"{show(Fraction(round(middle, 2)))} {unit} "
    ids = " ".join(item.id for item in inputs if item.id) or None
    used = "; ".join(item.text for item in inputs)
    return Measurement(concept, value, f"{shown}computed ({how}: {used})", inputs[0].when, method="computed", id=ids)


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
