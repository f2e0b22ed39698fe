"""What is computed from inputs that are partly known or do not agree; the formulas themselves are in tests/test_formulas.py."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest

from pyscreen.answers import answer
from pyscreen.dates import When
from pyscreen.derived import FORMULAS, measurements
from pyscreen.knowledge import KnowledgeBase
from pyscreen.quantities import Interval, bound, compare
from pyscreen.record import Dose, Measurement, Record, Therapy

DAY = date(2026, 11, 22)
MONTH = When(date(2026, 11, 1), date(2026, 11, 22))


def value(concept: str, number: int | str | Interval, when: When | None = When.on(DAY), method: str | None = None) -> Measurement:  # noqa: B008
    found = number if isinstance(number, Interval) else Interval.exactly(Fraction(number))
    return Measurement(concept, found, str(number), when, method=method)


def adult(*values: Measurement, sex: str | None = "male", born: When | None = When.on(date(1971, 6, 1))) -> Record:  # noqa: B008
    return Record("r", birth=born, sex=sex, measurements=values)


def computed(concept: str, record: Record) -> list[Measurement]:
    return measurements(record, concept, frozenset(FORMULAS), DAY)


def only(concept: str, record: Record) -> Interval:
    (found,) = computed(concept, record)
    return found.value


def clocked(number: int, clock: str) -> Measurement:
    return value("qt_interval", number, When.on(DAY, clock))


def test_the_last_of_a_day_by_the_clock_counts_whatever_the_order_in_the_record() -> None:
    early, late, rate = clocked(400, "08:00"), clocked(470, "09:30"), value("heart_rate", 60)
    for values in ((early, late, rate), (rate, late, early)):
        assert only("qtcf", adult(*values)) == Interval.exactly(Fraction(470))


def test_two_values_of_a_day_without_an_order_give_a_range() -> None:
    for values in ((value("qt_interval", 400), value("qt_interval", 480)), (value("qt_interval", 480), value("qt_interval", 400))):
        found = only("qtcf", adult(*values, value("heart_rate", 60)))
        assert (found.low, found.high) == (400, 480)


def test_inputs_of_different_days_give_nothing() -> None:
    assert computed("qtcf", adult(value("qt_interval", 400), value("heart_rate", 60, When.on(DAY - timedelta(days=1))))) == []


@pytest.mark.parametrize("when", [MONTH, None], ids=["to the month", "undated"])
def test_inputs_that_may_be_of_one_day_may_give_any_value(when: When | None) -> None:
    """Else a reported value of an earlier day would pass for the latest."""
    reported = value("qtcf", 450, When.on(DAY - timedelta(days=40)))
    found = computed("qtcf", adult(value("qt_interval", 480, when), value("heart_rate", 60, when), reported))
    assert len(found) == 2
    assert (found[1].value.low, found[1].value.high, found[1].when) == (None, None, when)


def test_a_bound_gives_a_bound() -> None:
    found = only("qtcf", adult(value("qt_interval", bound(">=", Fraction(470))), value("heart_rate", 60)))
    assert compare(found, "at_least", Fraction(470)) is True
    assert compare(found, "above", Fraction(500)) is None


def test_pvr_of_ranges_holds_every_quotient() -> None:
    found = only("pvr", adult(value("mpap", Interval(Fraction(25), Fraction(30))), value("pawp", Interval(Fraction(10), Fraction(15))), value("cardiac_output", Interval(Fraction(4), Fraction(5)))))
    assert (found.low, found.high) == (2, 5)
    backwards = only("pvr", adult(value("mpap", Interval(Fraction(5), Fraction(12))), value("pawp", 10), value("cardiac_output", Interval(Fraction(1), Fraction(5)))))
    assert (backwards.low, backwards.high) == (-5, 2)
    assert only("pvr", adult(value("mpap", 25), value("pawp", 10), value("cardiac_output", 0))) == Interval(None, None)


CREATININE = value("creatinine", "2.4")


def test_without_the_sex_the_range_of_both_is_known() -> None:
    man, woman = (only("egfr_ckd_epi_2021", adult(CREATININE, sex=sex)) for sex in ("male", "female"))
    either = only("egfr_ckd_epi_2021", adult(CREATININE, sex=None))
    assert (either.low, either.high) == (woman.low, man.high)
    assert compare(woman, "below", Fraction(30)) is True
    assert compare(man, "below", Fraction(30)) is False
    assert compare(either, "below", Fraction(30)) is None


def test_a_birth_year_gives_the_range_of_both_ages() -> None:
    ages = [only("egfr_ckd_epi_2021", adult(CREATININE, born=When.on(date(year, 11, 22)))) for year in (1970, 1971)]
    found = only("egfr_ckd_epi_2021", adult(CREATININE, born=When(date(1970, 11, 23), date(1971, 11, 22))))
    assert (found.low, found.high) == (ages[1].low, ages[1].high), "born on any of these days: 55"
    wider = only("egfr_ckd_epi_2021", adult(CREATININE, born=When(date(1970, 11, 22), date(1971, 11, 22))))
    assert (wider.low, wider.high) == (ages[0].low, ages[1].high)


@pytest.mark.parametrize("born", [None, When(date(2008, 1, 1), date(2008, 12, 31))], ids=["not known", "perhaps a child"])
def test_where_the_patient_may_be_under_age_nothing_is_known(born: When | None) -> None:
    assert only("egfr_ckd_epi_2021", adult(CREATININE, born=born)) == Interval(None, None)


def test_a_child_has_no_ckd_epi() -> None:
    assert computed("egfr_ckd_epi_2021", adult(CREATININE, born=When.on(DAY.replace(year=2008, day=23)))) == []


def test_an_undated_creatinine_is_of_any_age_of_the_adult() -> None:
    (found,) = computed("egfr_ckd_epi_2021", adult(value("creatinine", "2.4", None)))
    assert found.when is None
    assert found.value == Interval(None, None), "it may be from childhood"


def test_a_reported_value_by_an_equation_that_is_not_said_may_count() -> None:
    reported = value("egfr", 60)
    assert only("egfr_ckd_epi_2021", adult(reported)) == Interval(None, None)
    beside = only("egfr_ckd_epi_2021", adult(reported, value("creatinine", "2.6")))
    assert compare(beside, "below", Fraction(30)) is None
    assert compare(beside, "below", Fraction(61)) is True
    assert computed("egfr_ckd_epi_2021", adult(value("egfr", 60, method="bedside_schwartz"))) == []


@pytest.mark.parametrize("number", ["-1", "0"])
def test_what_cannot_be_is_no_reason_to_fail(number: str) -> None:
    for concept, values in (
        ("egfr_ckd_epi_2021", [value("creatinine", number)]),
        ("qtcf", [value("qt_interval", number), value("heart_rate", number)]),
        ("pvr", [value("mpap", number), value("pawp", number), value("cardiac_output", number)]),
    ):
        for found in computed(concept, adult(*values)):
            assert compare(found.value, "below", Fraction(10**6)) is not False


# One milligram in milligrams of prednisone (reference A section 8 and 10).
PREDNISONE = {
    "prednisone": "1", "prednisolone": "1", "methylprednisolone": "5/4", "triamcinolone": "5/4", "hydrocortisone": "1/4",
    "cortisone": "1/5", "dexamethasone": "20/3", "betamethasone": "25/3", "deflazacort": "5/6",
}  # fmt: skip


@pytest.mark.parametrize("drug", PREDNISONE)
def test_prednisone_equivalents(kb: KnowledgeBase, drug: str) -> None:
    """The dose that is worth 30 mg of prednisone is not above 30 mg, and a milligram more is."""
    limit = kb.tests["background_glucocorticoid_limited"]
    assert set(kb.vocabulary.members("glucocorticoid")) == set(PREDNISONE)
    worth = 30 / Fraction(PREDNISONE[drug])
    for dose, expected in ((worth, True), (worth + Fraction(1, 1000), False)):
        entry = Therapy(drug, Dose(dose, "mg/d"), start=When.on(DAY - timedelta(days=60)), ongoing=True)
        record = Record("r", therapies=(entry,), complete=frozenset(["therapies"]))
        assert answer(record, [limit], kb.vocabulary, DAY)[limit.id].truth is expected


def test_why_a_reported_filtration_rate_is_open(kb: KnowledgeBase) -> None:
    low = kb.tests['recent(below(egfr_ckd_epi_2021,"30 mL/min/{1.73_m2}"))']
    for record, words in (
        (adult(value("egfr", 25)), "by which equation (method) it was reported is not recorded"),
        (adult(value("creatinine", "2.2"), sex=None), "the recorded value does not settle it"),
    ):
        found = answer(record, [low], kb.vocabulary, DAY)[low.id]
        assert found.truth is None
        assert found.why.startswith(words)
