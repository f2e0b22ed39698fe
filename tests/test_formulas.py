"""Computed quantities against published values; thresholds are decided on the unrounded number."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from pyscreen.dates import When
from pyscreen.derived import FORMULAS, measurements
from pyscreen.quantities import Interval, compare
from pyscreen.record import Measurement, Record

DAY = date(2026, 11, 22)
MG_PER_UMOL = Fraction(5, 442)


def value(concept: str, number: str | Fraction) -> Measurement:
    return Measurement(concept, Interval.exactly(Fraction(number)), str(number), When.on(DAY))


def patient(age: int, sex: str, *values: Measurement) -> Record:
    return Record("r", birth=When.on(date(DAY.year - age, 1, 1)), sex=sex, measurements=values)


def computed(concept: str, record: Record) -> list[Interval]:
    return [item.value for item in measurements(record, concept, frozenset(FORMULAS), DAY)]


# creatinine in mg/dL, age, sex, CKD-EPI 2021 to three digits (published pairs, recomputed; kidney.org and public code)
PAIRS_2021 = [
    ("1.14", 34, "male", "86.548"), ("0.8", 60, "female", "84.298"), ("0.9", 40, "male", "110.726"),
    ("0.8", 70, "male", "95.206"), ("0.8", 70, "female", "79.215"), ("1.8", 55, "male", "43.903"),
    ("1.8", 55, "female", "32.863"), ("1.1", 50, "male", "81.782"), ("0.8", 34, "female", "99.093"),
    ("0.7", 55, "female", "102.074"), ("0.9", 50, "male", "104.049"), ("2.5", 55, "male", "29.60"),
    ("2.5", 40, "female", "24.32"), ("2.3", 19, "female", "30.63"),
]  # fmt: skip
# creatinine in umol/L, age, sex, CKD-EPI 2009 (SCREAM, checked against kidney.org)
PAIRS_2009 = [
    (50, 40, "male", "128.85"), (50, 40, "female", "116.25"), (30, 50, "male", "148.17"), (30, 50, "female", "128.20"),
    (60, 60, "male", "103.88"), (60, 60, "female", "95.13"), (100, 70, "male", "65.40"), (100, 70, "female", "49.14"),
]  # fmt: skip


@pytest.mark.parametrize(("creatinine", "age", "sex", "expected"), PAIRS_2021)
def test_ckd_epi_2021(creatinine: str, age: int, sex: str, expected: str) -> None:
    (found,) = computed("egfr_ckd_epi_2021", patient(age, sex, value("creatinine", creatinine)))
    assert found.low is not None
    assert abs(found.low - Fraction(expected)) < Fraction(1, 10 ** len(expected.split(".")[1]))


@pytest.mark.parametrize(("umol", "age", "sex", "expected"), PAIRS_2009)
def test_ckd_epi_2009(umol: int, age: int, sex: str, expected: str) -> None:
    (found,) = computed("egfr_ckd_epi_2009", patient(age, sex, value("creatinine", umol * MG_PER_UMOL)))
    assert found.low is not None
    assert abs(found.low - Fraction(expected)) < Fraction(1, 100)


def test_egfr_is_compared_unrounded_and_only_for_adults() -> None:
    (found,) = computed("egfr_ckd_epi_2021", patient(55, "male", value("creatinine", "2.5")))
    assert compare(found, "below", Fraction(30)) is True
    adult = computed("egfr_ckd_epi_2021", patient(18, "male", value("creatinine", "2.5")))
    child = computed("egfr_ckd_epi_2021", patient(17, "male", value("creatinine", "2.5")))
    unborn = computed("egfr_ckd_epi_2021", Record("r", sex="male", measurements=(value("creatinine", "2.5"),)))
    assert [compare(found, "below", Fraction(60)) for found in adult] == [True]
    assert not any(compare(found, "below", Fraction(60)) is not None for found in (*child, *unborn))


def test_a_reported_value_beside_a_computed_one_leaves_open_what_lies_between() -> None:
    reported = Measurement("egfr", Interval.exactly(Fraction(30)), "30", When.on(DAY), method="ckd_epi_2021")
    (found,) = computed("egfr_ckd_epi_2021", patient(55, "male", value("creatinine", "2.5"), reported))
    assert compare(found, "below", Fraction(30)) is None
    assert compare(found, "below", Fraction(31)) is True


QTCF = [(400, 60, "400.00"), (360, 75, "387.80"), (400, 70, "421.09"), (400, 75, "430.89"), (440, 72, "467.57"),
        (440, 74, "471.86"), (410, 90, "469.33"), (411, 90, "470.48"), (380, 110, "465.08"), (500, 50, "470.52"),
        (480, 56, "469.09"), (400, 100, "474.25")]  # fmt: skip


@pytest.mark.parametrize(("qt", "rate", "expected"), QTCF)
def test_qtcf(qt: int, rate: int, expected: str) -> None:
    (found,) = computed("qtcf", patient(40, "male", value("qt_interval", str(qt)), value("heart_rate", str(rate))))
    assert found.low is not None
    assert abs(found.low - Fraction(expected)) < Fraction(1, 100)
    assert compare(found, "at_least", Fraction(470)) is (Fraction(expected) >= 470)


def test_qtcf_of_exactly_470() -> None:
    (found,) = computed("qtcf", patient(40, "male", value("qt_interval", "470"), value("heart_rate", "60")))
    assert found == Interval.exactly(Fraction(470))
    assert compare(found, "at_least", Fraction(470)) is True
    assert compare(found, "above", Fraction(470)) is False


@pytest.mark.parametrize(
    ("mpap", "pawp", "output", "expected"),
    [("21", "10", "5.5", Fraction(2)), ("25", "10", "5", Fraction(3)), ("45", "8", "3.7", Fraction(10)), ("20", "10", "4", Fraction(5, 2))],
)
def test_pvr(mpap: str, pawp: str, output: str, expected: Fraction) -> None:
    values = (value("mpap", mpap), value("pawp", pawp), value("cardiac_output", output))
    assert computed("pvr", patient(40, "male", *values)) == [Interval.exactly(expected)]


def test_age_is_in_completed_years_and_an_interval_where_the_birthday_is_not_known() -> None:
    assert computed("age", Record("r", birth=When.on(date(2008, 11, 22)))) == [Interval.exactly(Fraction(18))]
    assert computed("age", Record("r", birth=When.on(date(2008, 11, 23)))) == [Interval.exactly(Fraction(17))]
    (found,) = computed("age", Record("r", birth=When(date(2008, 11, 1), date(2008, 11, 30))))
    assert (found.low, found.high) == (17, 18)
