"""Many records at once are answered as each of them alone: every test, on records near every bound."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from datetime import date
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscreen.answers import answer
from pyscreen.dates import When
from pyscreen.errors import RecordError
from pyscreen.items import _Entries
from pyscreen.knowledge import KnowledgeBase
from pyscreen.population.batch import Answered, Batch
from pyscreen.population.columns import IMPOSSIBLE, Codes, Days
from pyscreen.population.courses import _firm
from pyscreen.population.invented import generate
from pyscreen.population.tables import Chunk, frames_of, read_tables
from pyscreen.quantities import Impossible, Interval
from pyscreen.questions import Test
from pyscreen.record import Therapy
from pyscreen.written import value_of
from tests import randoms
from tests.populations import DAY, forms, worked_forms
from tests.randoms import WORDS
from tests.small_tables import entangled, inputs, laboratory, of_courses, questions, records

CODES = {True: 1, False: -1, None: 0}


def answered(kb: KnowledgeBase, source: Mapping[str, pl.DataFrame]) -> tuple[Chunk, Answered]:
    (chunk,) = read_tables(source)
    return chunk, Batch(kb, DAY).answers(chunk)


def same_as_alone(kb: KnowledgeBase, chunk: Chunk, found: Answered) -> None:
    """Check each patient's answers against those of the record alone."""
    for place, name in enumerate(chunk.ids):
        if place in found.aside:
            with pytest.raises(RecordError):
                chunk.record(place, kb)
            continue
        alone = answer(chunk.record(place, kb), kb.tests.values(), kb.vocabulary, DAY)
        wrong = [test for test in kb.tests if found.truths[test][place] != CODES[alone[test].truth]]
        assert wrong == [], name


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_records_like_the_worked_ones(kb: KnowledgeBase, seed: int) -> None:
    same_as_alone(kb, *answered(kb, frames_of(forms(100, seed))))


def test_the_worked_records(kb: KnowledgeBase) -> None:
    chunk, found = answered(kb, frames_of(worked_forms()))
    assert found.aside == {}
    same_as_alone(kb, chunk, found)


@pytest.mark.parametrize("seed", [1, 2])
def test_invented_patients_near_the_bounds_of_tests(kb: KnowledgeBase, seed: int) -> None:
    (frames,) = generate(kb, 250, seed=seed, day=DAY)
    same_as_alone(kb, *answered(kb, frames))


def test_most_is_not_answered_record_by_record(kb: KnowledgeBase) -> None:
    (frames,) = generate(kb, 1000, seed=5, day=DAY)
    _, found = answered(kb, frames)
    assert found.one_by_one[1] < 0.02 * 1000 * len({test.family for test in kb.tests.values()})


# ---- single patients -------------------------------------------------------------------------------------------------


def one(kb: KnowledgeBase, **record: Any) -> tuple[Chunk, Answered]:
    return answered(kb, frames_of([{"record": "anna", "birth_date": "1990-05-02", "sex": "female", **record}]))


@pytest.mark.parametrize(
    "record",
    [
        {"findings": [{"finding": "slee"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 mg"}]},
        {"measurements": [{"quantity": "platelets", "value": "1e30 10*9/L"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "date": "2026-13-01"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "time": "08:00"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "date": "2026-11-01", "time": "25:00"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "side": "up"}]},
        {"therapies": [{"drug": "glucocorticoid", "start": "2026-01-01"}]},
        {"therapies": [{"drug": "prednisone", "dose": "a lot"}]},
        {"therapies": [{"drug": "prednisone", "unit": "mg/d"}]},
        {"therapies": [{"drug": "prednisone", "for": "slee"}]},
        {"therapies": [{"drug": "prednisone", "response": "odd"}]},
        {"findings": [{"finding": "systemic_lupus_erythematosus", "id": "a\x1b[31m"}]},
        {"findings": [{"finding": "systemic_lupus_erythematosus", "end": "onging"}]},
        {"complete": ["everything"]},
        {"recorded": "2026-11"},
        {"sex": "woman"},
        {"answers": [{"test": "no_such_test", "answer": True, "date": "2026-11-01"}]},
    ],
    ids=str,
)
def test_a_record_that_cannot_be_read_is_set_aside(kb: KnowledgeBase, record: dict[str, Any]) -> None:
    _, found = one(kb, **record)
    assert list(found.aside) == [0]


@pytest.mark.parametrize(
    "record",
    [
        {"died": "1980-01-01"},
        {"birth_date": "2062-03-01", "recorded": "2026-11-20"},
        *(
            {"findings": [{"finding": "malignancy", "present": False, "date": "2026-11-17"}, {"finding": "malignancy", "date": later}], **made}
            for later in ("2026-11-23", "2062") for made in ({}, {"recorded": "2026-11-20"}, {"recorded": "2026-11-22"}, {"recorded": "2026-11-23"})
        ),
        {"measurements": [{"quantity": "platelets", "value": f"{n} 10*9/L", "date": f"2026-11-{n}"} for n in (10, 30)], "recorded": "2026-11-20"},
        *(
            {"findings": [{"finding": "malignancy", "present": so, "stated": "2062-11-17", **day}], "recorded": "2026-11-20"}
            for so in (True, False) for day in ({}, {"date": "2019-03-01"}, {"date": "2026-11"}, {"date": "2026-11-21"})
        ),
        {"died": "2026-11-01"},
        {"died": "2026", "recorded": "2026-11-20", "complete": ["events"]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "date": "1980-11-01"}]},
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "low": "400", "high": "150", "date": "2026-11-01"}]},
        {"therapies": [{"drug": "prednisone", "start": "2026-03-01", "end": "2026-02-01"}], "complete": ["therapies"]},
        {"therapies": [{"drug": "prednisone", "taken": False, "dose": "5 mg/d"}], "complete": ["therapies"]},
        {"answers": [{"test": "recent(finding(active_infection))", "answer": False, "date": "2026-11-22"}]},
        {"measurements": [{"quantity": "platelets", "value": value, "date": "2026-11-01"} for value in ("22 10*9/L", "23 10*9/L")]},
        {"measurements": [{"quantity": "platelets", "value": value, "date": "2026-11-01"} for value in ("22 10*9/L", "22000 /uL")]},
        *(
            {"measurements": [{"quantity": "creatinine", "value": value, "date": "2026-11-01"} for value in values] + more}
            for values in (["1.2 mg/dL"], ["1.2 mg/dL", "0.8 mg/dL"], [">9 mg/dL"], ["<0.3 mg/dL"], ["unknown"])
            for more in ([], [{"quantity": "egfr", "value": "29 mL/min/{1.73_m2}", "date": day} for day in ("2026-11-01", "2026-11-02")],
                         [{"quantity": "egfr", "value": "<30 mL/min/{1.73_m2}", "method": "ckd_epi_2021", "date": "2026-11-09"}])
        ),
        {"measurements": [{"quantity": "platelets", "value": "22 10*9/L", "date": "2026-11-01T08:30:00"}]},
    ],
    ids=str,
)
def test_what_contradicts_itself_is_answered_as_alone(kb: KnowledgeBase, record: dict[str, Any]) -> None:
    chunk, found = one(kb, **record)
    assert found.aside == {}
    same_as_alone(kb, chunk, found)


@pytest.mark.parametrize(
    ("quantity", "rows"),
    [
        ("platelets", [{"value": "22 10*9/L", "date": "2026-11-01"}, {"value": value, "date": "2026-11-02", "low": "125", "high": "-4"}])
        for value in ("-22 10*9/L", "<0 10*9/L", ">= -1 10*9/L", "-1 /uL", "-0.0000001 10*9/L", "0 10*9/L", "<=0 10*9/L")
    ]
    + [("lvef", [{"value": "45 %", "date": "2026-11-01"}, {"value": value, "date": "2026-11-02"}]) for value in ("101 %", "> 100 %", "100 %")]
    + [("ldh", [{"value": "700 U/L", "low": "-5", "high": high, "date": "2026-11-02"}]) for high in ("-1", "0", "250", "250 U/L", "-250 U/L")]
    + [("hba1c", [{"value": value, "unit": "mmol/mol", "date": "2026-11-02"}]) for value in ("-1", "0", "30")],
    ids=str,
)
def test_a_value_that_cannot_be_is_one_that_cannot_be_read(kb: KnowledgeBase, quantity: str, rows: list[dict[str, str]]) -> None:
    """Written as text and, where they are plain, as numbers; an older value does not pass for the latest."""
    texts = [{"quantity": quantity, **row} for row in rows]
    parts = [row["value"].rpartition(" ") if "unit" not in row else (row["value"], "", row["unit"]) for row in texts]
    numbers = [{**row, "value": number, "unit": unit} for row, (number, _, unit) in zip(texts, parts, strict=True)]
    for measurements in (texts, numbers):
        chunk, found = one(kb, measurements=measurements)
        assert found.aside == {}
        same_as_alone(kb, chunk, found)
        told = [str(problem) for problem in found.unread.get(0, ())]
        assert [note.message for note in chunk.record(0, kb).notes if note.kind == "ignored"] == told
        assert all("is impossible; expected" in line for line in told)
    if rows[-1]["value"] == "-22 10*9/L":
        assert [line.split(" ")[0] for line in told] == ["measurements[1].value:"]
        assert not any(found.truths[test][0] == 1 for test in kb.tests if test.startswith("below(platelets"))


@pytest.mark.parametrize("ending", [2**-40, 0, -(2**-40)])
def test_a_double_stands_for_its_shortest_decimal(kb: KnowledgeBase, ending: float) -> None:
    """At a bound that no double holds exactly, in a unit that is converted."""
    values = [0.1 + ending, 29.999999999999996, 30.0, 30.000000000000004, 49.99999999999999, 50, 30000.000000000004, 1e-7, 3e5 + ending]
    rows = [(f"p{i}{unit}", "platelets", value, unit, "2026-11-20") for i, value in enumerate(map(float, values)) for unit in ("10*9/L", "/uL")]
    measurements = pl.DataFrame(rows, ["patient", "quantity", "value", "unit", "date"], orient="row")
    chunk, found = answered(kb, {"patients": measurements.select("patient"), "measurements": measurements})
    assert found.aside == {}
    same_as_alone(kb, chunk, found)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_computed_from_other_values_is_computed_as_alone(kb: KnowledgeBase, seed: int) -> None:
    """From several inputs of one day, of days known in part, and beside values that are reported themselves."""
    derived = {name: test for name, test in kb.tests.items() if test.selection.concept in kb.vocabulary.derived - {"age", "death"}}
    few: Any = SimpleNamespace(vocabulary=kb.vocabulary, tests=derived)
    (chunk,) = read_tables(frames_of(inputs(300, seed)))
    found = Batch(few, DAY).answers(chunk)
    assert found.aside == {}
    assert found.one_by_one == (0, 0)
    same_as_alone(few, chunk, found)
    assert all(set(truths.tolist()) == {-1, 0, 1} for truths in found.truths.values())


def test_values_as_text_are_read_as_in_a_record(kb: KnowledgeBase) -> None:
    """Of every quantity in every unit: bounds and titres as they are usually written are read in a way of their own."""
    codes = Codes(kb.vocabulary)
    texts = ("1:80", "1:1", "1:0", "1:080", "<20", "<=20.5", ">0", "<0", ">=0.00001", "<00.5", ">1000000", ">=100", "<5", "1:100000", "-1", "III")
    for name, quantity in kb.vocabulary.quantities.items():
        for unit, text in itertools.product((None, *quantity.scale.units, "nonsense"), texts):
            found = codes.text(name, text, unit)
            try:
                value, _ = value_of(text, unit, quantity)
            except Impossible:
                assert found == (0.0, 0, IMPOSSIBLE), (name, unit, text)
            except ValueError:
                assert found is None, (name, unit, text)
            else:
                assert found is not None, (name, unit, text)
                number, which, other = found
                factor, offset = codes.units[which]
                told = codes.intervals[other] if other >= 0 else Interval.exactly(Fraction(repr(number)) * factor + offset)
                assert told == value, (name, unit, text)


# ---- any test of the algebra -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_any_question_is_answered_as_alone(seed: int) -> None:
    """Also conditions and ways of summing up that no trial asks for yet, on records of which much is open."""
    known, alone = small_answers(list(questions(150, seed)), records(120, seed))
    assert known > 1000
    assert alone < 0.3


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 202])
def test_entries_that_may_touch_make_the_courses_that_they_make_alone(seed: int) -> None:
    """Of a drug several entries, the days of which are known in part, and doses by a weight that is not known well."""
    known, alone = small_answers([*questions(120, seed, "therapy"), *of_courses()], entangled(120, seed))
    assert known > 1000
    assert alone < 0.25


@pytest.mark.parametrize("seed", range(4))
def test_several_values_of_a_day_are_answered_as_alone(seed: int) -> None:
    known, alone = small_answers(list(questions(200, seed, "measurement")), laboratory(150, seed))
    assert known > 1000
    assert alone < 0.3


@pytest.mark.parametrize(
    "record",
    [
        {"therapies": [
            {"drug": "prednisone", "dose": "60 mg/d", "start": "2026-09-20", "end": "2026-10-20"},
            {"drug": "prednisone", "dose": "5 mg/d", "start": "2026-10", "end": "2026-11-20", "response": "none"},
            {"drug": "prednisone", "dose": "5 mg/d", "start": "2026-10-21", "end": "ongoing", "response": "partial"},
        ]},
        {"measurements": [{"quantity": "weight", "value": weight, "date": day} for weight, day in (("90 kg", "2026-10-01"), ("20 kg", "2026-10-03"))],
         "therapies": [{"drug": drug, "dose": dose, "start": "2026-10-02", "end": "2026-11-19", "response": "none", "for": "rash"}
                       for drug, dose in (("prednisone", "30 mg/d"), ("methotrexate", "0.5 mg/kg/d"))]},
    ],
    ids=str,
)  # fmt: skip
def test_courses_in_which_one_day_or_weight_more_or_less_tells(record: dict[str, Any]) -> None:
    known, alone = small_answers(list(of_courses()), [{"record": "anna", **record}])
    assert known > 1
    assert alone == 0


def small_answers(asked: list[Test], written: Iterable[dict[str, Any]]) -> tuple[int, float]:
    """Check the answers of records over the small vocabulary against those of each alone; return how many are known, and the share one by one."""
    tests = {test.id: test for test in asked}
    small: Any = SimpleNamespace(vocabulary=WORDS, tests=tests)
    (chunk,) = read_tables(frames_of(written))
    found = Batch(small, randoms.DAY).answers(chunk)
    known = 0
    for place, name in enumerate(chunk.ids):
        if place in found.aside:
            continue
        alone = answer(chunk.record(place, small), tests.values(), WORDS, randoms.DAY)
        for test in tests.values():
            assert found.truths[test.id][place] == CODES[alone[test.id].truth], (name, test, alone[test.id])
            known += alone[test.id].truth is not None
    return known, found.one_by_one[1] / (len(tests) * len(chunk.ids))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=7))
def test_entries_that_touch_whatever_their_days_turn_out_to_be(drawn: list[tuple[int, int, int, int]]) -> None:
    def day(number: int) -> date:
        return randoms.ago(40 - number)

    entries = [
        Therapy("prednisone", start=When(day(at), day(at + a)), end=When(day(at + b), day(at + max(a, b) + c))) for at, a, b, c in drawn
    ]
    alone = _Entries(randoms.DAY, entries)
    courses = sorted(sorted(group) for group in alone.courses([True] * len(entries)))
    first, last = (
        Days(*(np.array([getattr(end, name).toordinal() for end in ends], np.int32) for name in ("earliest", "latest")), np.ones(len(ends), np.bool_))
        for ends in ([span.first for span in alone.spans], [span.last for span in alone.spans])
    )  # fmt: skip
    numbers = _firm(np.zeros(len(entries), np.int64), first, last)
    assert sorted(np.flatnonzero(numbers == number).tolist() for number in np.unique(numbers)) == courses


def test_nothing_but_a_value_that_cannot_be(kb: KnowledgeBase) -> None:
    chunk, found = one(kb, measurements=[{"quantity": "platelets", "value": "<0 10*9/L", "low": "150", "high": "400", "date": "2026-11-01"}])
    assert found.aside == {}
    assert list(found.unread) == [0]
    same_as_alone(kb, chunk, found)
