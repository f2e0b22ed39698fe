"""Numbers, thresholds and units: against public tables, brute force, and the traps that a UCUM library holds."""

from __future__ import annotations

import csv
import doctest
import math
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscreen import quantities, ucum
from pyscreen.quantities import (
    Comparator,
    Interval,
    Op,
    Scale,
    UnitError,
    between,
    bound,
    compare,
    parse_quantity,
    show,
)
from pyscreen.truth import Truth, negate

CONFORMANCE = Path(__file__).parent / "data" / "conformance"
EXTERNAL = Path(__file__).parents[2] / "shared" / "external"
TRUTH: dict[str, Truth] = {"T": True, "F": False, "U": None}

needs_library = pytest.mark.skipif(find_spec("ucumvert") is None, reason="the optional UCUM library is not installed")
needs_tables = pytest.mark.skipif(
    not (EXTERNAL / "ucum-validity.tsv").exists(),
    reason=f"the UCUM tables (EPL-1.0) are not copied into the project and not in {EXTERNAL}",
)


def table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a tab-separated table; none where it is absent."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def one(text: str) -> Fraction:
    return Fraction(text)


# Comparing, against the public table


def both_units(path: Path) -> dict[str, dict[str, str]]:
    """Read the table, whose two columns `unit` carry one name."""
    with path.open(encoding="utf-8", newline="") as file:
        next(file)
        names = ("source", "a", "unit", "op", "b", "unit.1", "expected")
        rows = [dict(zip(names, line, strict=True)) for line in csv.reader(file, delimiter="\t")]
    return {f"{path.name}:{number}": row for number, row in enumerate(rows, start=1)}


LENGTH = Scale("length", "cm", {"m": (one("100"), one("0"))})
MASS = Scale("mass", "mg", {"g": (one("1000"), one("0")), "kg": (one("1e6"), one("0"))})
TIME = Scale(
    "time",
    "ms",
    {
        unit: (Fraction(seconds * 1000), Fraction(0))
        for unit, seconds in {"s": 1, "min": 60, "h": 3600, "d": 86400, "wk": 604800}.items()
    },
)
MONTHS = Scale("calendar", "mo", {"a": (one("12"), one("0"))})
WORDS = {"millisecond": "ms", "second": "s", "minute": "min", "hour": "h", "day": "d", "week": "wk", "month": "mo"}
WORDS |= {"year": "a"}
OPS: dict[str, Op] = {"eq": "equals", "ne": "equals"}
COMPARISONS = both_units(CONFORMANCE / "quantity-compare.tsv")
_CALENDAR = (
    "'mo' and 'a' write the calendar month and year in pyscreen; it has no mean month or year to be unsure about"
)
_POUND = "no scale of ours lists the pound and the library may be absent: see the tests of the library below"
COMPARE_DEVIATIONS = {f"quantity-compare.tsv:{row}": _CALENDAR for row in (44, 45, 47, 48, 49, 51)}
COMPARE_DEVIATIONS |= {"quantity-compare.tsv:63": _POUND}
COMPARABLE = {name for name, row in COMPARISONS.items() if row["op"] == "comparable"}


def read(number: str, unit: str) -> tuple[Scale, Fraction]:
    """Return scale and canonical number of a quantity of the table; calendar words are our units."""
    words = unit.removeprefix("calendar ").removesuffix("s") if unit.startswith("calendar ") else ""
    unit = WORDS.get(words, unit)
    scale = next(scale for scale in (LENGTH, MASS, TIME, MONTHS) if unit in scale.units)
    return scale, scale.to_canonical(Fraction(number), unit)


def answer(row: dict[str, str]) -> Truth:
    (scale, a), (other, b) = read(row["a"], row["unit"]), read(row["b"], row["unit.1"])
    assert scale is other
    truth = compare(Interval.exactly(a), OPS.get(row["op"], row["op"]), b)  # type: ignore[arg-type]
    return negate(truth) if row["op"] == "ne" else truth


@pytest.mark.parametrize("name", [n for n in COMPARISONS if n not in COMPARABLE and n not in COMPARE_DEVIATIONS])
def test_comparing_agrees_with_the_public_table(name: str) -> None:
    assert answer(COMPARISONS[name]) is TRUTH[COMPARISONS[name]["expected"]]


@pytest.mark.parametrize("name", [n for n, reason in COMPARE_DEVIATIONS.items() if reason is _CALENDAR])
def test_calendar_months_and_years_are_what_mo_and_a_mean(name: str) -> None:
    row = COMPARISONS[name]
    assert row["expected"] == "U"
    assert answer(row) is (row["op"] == "eq")


def test_the_pound_is_on_no_scale_here() -> None:
    row = COMPARISONS["quantity-compare.tsv:63"]
    assert row["unit"] == "[lb_av]"
    assert not any(row["unit"] in scale.units for scale in (LENGTH, MASS, TIME, MONTHS))


def test_all_rows_are_there() -> None:
    assert (len(COMPARISONS), len(COMPARABLE)) == (66, 3)


@needs_library
@pytest.mark.parametrize("name", sorted(COMPARABLE))
def test_the_library_converts_only_what_is_commensurable(name: str) -> None:
    row = COMPARISONS[name]
    if row["expected"] == "commensurable":
        assert Scale("length", row["unit"]).to_canonical(Fraction(row["b"]), row["unit.1"]) == Fraction("2.54")
    else:
        with pytest.raises(UnitError, match="is not accepted on scale length"):
            Scale("length", row["unit"]).to_canonical(Fraction(row["b"]), row["unit.1"])


# Reading and showing


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("22 10*9/L", ("", "22", "10*9/L")),
        ("<20 [IU]/mL", ("<", "20", "[IU]/mL")),
        ("<= 5", ("<=", "5", None)),
        ("≥5 %", (">=", "5", "%")),
        (">-2.5 {score}", (">", "-2.5", "{score}")),
        ("1:80", ("", "80", None)),
        ("<1:80", ("<", "80", None)),
        ("1 : 320 {titer}", ("", "320", "{titer}")),
        ("8.0", ("", "8", None)),
        ("20mg", ("", "20", "mg")),
        ("30/uL", ("", "30", "/uL")),
        ("5eq", ("", "5", "eq")),
        ("5 1/mL", ("", "5", "1/mL")),
        ("0.5 1", ("", "1/2", "1")),
        (".5 mg", ("", "1/2", "mg")),
        (" 7  mg ", ("", "7", "mg")),
        ("1e3", ("", "1000", None)),
        (8, ("", "8", None)),
        (8.25, ("", "33/4", None)),
        (0.1, ("", "1/10", None)),
        (1e-7, ("", "1/10000000", None)),
        (Decimal("1E+2"), ("", "100", None)),
        (Fraction(1, 3), ("", "1/3", None)),
    ],
)
def test_a_quantity_is_read_exactly(written: Any, expected: tuple[str, str, str | None]) -> None:
    comparator, number, unit = expected
    assert parse_quantity(written) == (comparator, Fraction(number), unit)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "nan",
            "inf",
            "mg",
            "< mg",
            "10*9/L",
            "1,200 /uL",
            "0,5 mg",
            "1 200 /uL",
            "1.2.3",
            "5 - 10",
            "5-10",
            "٣ mg",
        ),
        *("1:0", "2:80", "=5", "~5", "1e9999", "++5", "5 .5", math.nan, math.inf, Decimal("NaN"), True, None),
    ],
)
def test_what_is_no_number_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match=r"is no quantity; expected a number and a unit"):
        parse_quantity(written)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
def test_a_decimal_shows_as_it_reads(number: Decimal) -> None:
    text = show(Fraction(number))
    assert parse_quantity(text)[1] == Fraction(number)
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", text)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e30, max_value=1e30))
def test_a_float_is_the_decimal_that_it_is_written_with(number: float) -> None:
    assert parse_quantity(number)[1] == Fraction(Decimal(repr(number)))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1/3", "about 0.333333"),
        ("-2/3", "about -0.666667"),
        ("1/7000000", "about 0.000000142857"),
        ("10000000000/3", "about 3333330000"),
        ("3000001/3", "about 1000000"),
        ("0", "0"),
        ("-1/8", "-0.125"),
        ("1200", "1200"),
        ("1/1024", "0.0009765625"),
    ],
)
def test_a_number_is_shown_exactly_or_as_about(number: str, text: str) -> None:
    assert show(Fraction(number)) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(None, None), "any number"),
        (bound("", one("8")), "8"),
        (bound("<", one("20")), "< 20"),
        (bound("<=", one("20")), "<= 20"),
        (bound(">", one("20")), "> 20"),
        (bound(">=", one("20")), ">= 20"),
        (Interval(one("3"), one("5")), "3 to 5"),
        (Interval(one("3"), one("5"), low_open=True), "> 3 and <= 5"),
    ],
)
def test_an_interval_is_shown_in_plain_words(interval: Interval, text: str) -> None:
    assert str(interval) == text


def test_an_interval_holds_a_number() -> None:
    with pytest.raises(ValueError, match="no number lies between 5 and 3"):
        Interval(one("5"), one("3"))
    with pytest.raises(ValueError, match="no number lies between 5 and 5"):
        Interval(one("5"), one("5"), high_open=True)
    with pytest.raises(ValueError, match="nothing is between 5 and 3"):
        between(Interval.exactly(one("4")), one("5"), one("3"))
    with pytest.raises(ValueError, match="no comparison"):
        compare(Interval.exactly(one("4")), "near", one("5"))  # type: ignore[arg-type]


# Thresholds, against brute force: between neighbouring whole thresholds one number stands for all

ENDS = st.none() | st.integers(-3, 3).map(Fraction)
GRID = [Fraction(n, 4) for n in range(-40, 41)]


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    low, high = draw(ENDS), draw(ENDS)
    if low is not None and high is not None and low >= high:
        return Interval.exactly(low)
    return Interval(low, high, low is not None and draw(st.booleans()), high is not None and draw(st.booleans()))


def members(value: Interval) -> list[Fraction]:
    above = [x for x in GRID if value.low is None or x > value.low or (x == value.low and not value.low_open)]
    return [x for x in above if value.high is None or x < value.high or (x == value.high and not value.high_open)]


def agreed(answers: set[bool]) -> Truth:
    return answers.pop() if len(answers) == 1 else None


@given(intervals(), st.sampled_from(get_args(Op)), st.integers(-4, 4).map(Fraction))
def test_a_threshold_is_exact_over_all_members(value: Interval, op: Op, threshold: Fraction) -> None:
    holds: dict[str, Callable[[Fraction], bool]] = {
        "below": lambda x: x < threshold,
        "at_most": lambda x: x <= threshold,
        "above": lambda x: x > threshold,
        "at_least": lambda x: x >= threshold,
        "equals": lambda x: x == threshold,
    }
    assert compare(value, op, threshold) is agreed({holds[op](x) for x in members(value)})


@given(intervals(), st.integers(-4, 4).map(Fraction), st.integers(0, 4).map(Fraction))
def test_between_is_exact_over_all_members(value: Interval, low: Fraction, width: Fraction) -> None:
    assert between(value, low, low + width) is agreed({low <= x <= low + width for x in members(value)})


@given(st.sampled_from(get_args(Comparator)), st.integers(-3, 3).map(Fraction))
def test_a_comparator_bounds_the_number(comparator: Comparator, number: Fraction) -> None:
    holds = {"": "equals", "<": "below", "<=": "at_most", ">": "above", ">=": "at_least"}
    assert compare(bound(comparator, number), holds[comparator], number) is True  # type: ignore[arg-type]
    assert (number in members(bound(comparator, number))) is (comparator in ("", "<=", ">="))


# Scales

CELLS = Scale("cells", "10*9/L", {"K/uL": (one("1"), one("0")), "{cells}/uL": (one("1/1000"), one("0"))})
HBA1C = Scale("hba1c", "%", {"mmol/mol": (one("0.09148"), one("2.152"))})
CLASS = Scale("functional_class", "1", grades={"III": one("3"), "IV": one("4")})


def test_a_scale_reads_its_own_units_exactly() -> None:
    assert CELLS.read("22 10*9/L") == Interval.exactly(one("22"))
    assert CELLS.read("22 K/uL") == Interval.exactly(one("22"))
    assert CELLS.read("<1 {cells}/uL") == bound("<", one("0.001"))
    assert HBA1C.read("53 mmol/mol") == Interval.exactly(one("53") * one("0.09148") + one("2.152"))
    assert CELLS.units == ("10*9/L", "K/uL", "{cells}/uL")


def test_a_number_may_stand_alone_only_where_the_unit_says_nothing() -> None:
    assert CLASS.read(3) == CLASS.read("III") == CLASS.read("3 1")
    assert Scale("points", "{score}").read("7").low == 7
    with pytest.raises(UnitError, match=r"a number on scale cells needs a unit; expected 10\*9/L, K/uL, {cells}/uL"):
        CELLS.read("22")
    with pytest.raises(UnitError, match="needs a unit"):
        Scale("rate", "mL/min/{1.73_m2}").read(30)


def test_a_wrong_grade_is_answered_with_the_grades() -> None:
    with pytest.raises(ValueError, match=r"'IIII' is no quantity; .* or a grade: III, IV \(did you mean 'III'\?\)"):
        CLASS.read("IIII")


@pytest.mark.parametrize("unit", ["10x9/L", "10*9/l2", "[IU]/L", "g/L", "{cells}", "", " 10*9/L"])
def test_a_wrong_unit_is_answered_with_the_right_ones(unit: str) -> None:
    expected = rf"unit '{re.escape(unit)}' is not accepted on scale cells; expected 10\*9/L, K/uL, {{cells}}/uL"
    with pytest.raises(UnitError, match=expected):
        CELLS.to_canonical(one("1"), unit)


def test_a_factor_must_keep_the_order() -> None:
    for factor in ("-1", "0"):
        with pytest.raises(ValueError, match=f"scale odd: the factor of 'b' must be above 0, not {factor}"):
            Scale("odd", "a", {"b": (one(factor), one("0"))})


def test_without_the_library_only_listed_units_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ucumvert", None)
    ucum._library.cache_clear()
    ucum._meaning.cache_clear()
    try:
        assert CELLS.to_canonical(one("22"), "K/uL") == 22
        with pytest.raises(UnitError, match=r"units that are not listed need the package 'pyscreen\[units\]'"):
            CELLS.to_canonical(one("22000"), "10*6/L")
    finally:
        ucum._library.cache_clear()
        ucum._meaning.cache_clear()


# The library: what it may answer, and what is refused although it would answer

UNLIKE = [
    ("10*9/L", "K/uL"),
    ("/mL", "[IU]/mL"),
    ("[IU]/L", "U/L"),
    ("/[LPF]", "/[HPF]"),
    ("mmol/L", "meq/L"),
    ("d", "mo"),
    ("mo", "a"),
    ("%", "mmol/mol"),
    ("mg/mmol", "mg/g"),
    ("K", "Cel"),
]


@needs_library
@pytest.mark.parametrize(
    ("canonical", "unit", "factor"),
    [
        ("10*9/L", "10*6/L", "1/1000"),
        ("10*9/L", "/uL", "1/1000"),
        ("mg/dL", "g/L", "100"),
        ("mg/dL", "mg/dl", "1"),
        ("g/d", "mg/h", "24/1000"),
        ("[IU]/mL", "m[IU]/mL", "1/1000"),
        ("[wood'U]", "mm[Hg].min/L", "1"),
        ("mg/g", "ug/mg", "1"),
        ("d", "wk", "7"),
        ("U/L", "nkat/L", "6/100"),
        ("1", "%", "1/100"),
        ("kg", "[lb_av]", "0.45359237"),
    ],
)
def test_the_library_gives_exact_factors(canonical: str, unit: str, factor: str) -> None:
    assert Scale("this", canonical).to_canonical(one("3"), unit) == 3 * Fraction(factor)


@needs_library
@pytest.mark.parametrize(
    ("canonical", "unit", "reason"),
    [
        *((canonical, unit, "do not measure the same") for canonical, unit in UNLIKE),
        ("%", "{ratio}", "annotation"),
        ("mL/min", "mL/min/{1.73_m2}", "annotation"),
        ("B", "dB", "inexactly"),
        ("[mu_0]", "g.m.C-2", "inexactly"),
        ("/uL", "10+3/uL", "is written"),
        ("1", "200 /uL", "no UCUM unit"),
    ],
)
def test_what_only_looks_like_a_conversion_is_refused(canonical: str, unit: str, reason: str) -> None:
    with pytest.raises(UnitError, match=reason):
        Scale("this", canonical).to_canonical(one("3"), unit)


@needs_library
def test_a_capital_letter_does_not_make_it_a_billion_times_more() -> None:
    mass = Scale("mass", "mg/dL", {"g/L": (one("100"), one("0"))})
    with pytest.raises(UnitError, match="it means something else than 'mg/dL'"):
        mass.to_canonical(one("3"), "Mg/dL")
    assert mass.to_canonical(one("3"), "G/L".lower()) == 300


_ANNOTATION = "an annotation may mean anything: such a unit must be listed"
_INEXACT = "no exact rational factor"
_AFFINE = "needs an offset: such a unit must be listed"
_PER_ANALYTE = "needs a molar mass or a charge: such factors are listed per analyte"
_MERCURY = "pint has the conventional 133.322387415 Pa for mm[Hg], the UCUM table 133.322"
_WORDS = "not a single quantity, but a computation in words"
VALIDITY_DEVIATIONS = {
    **dict.fromkeys(("1-115", "1-116", "1-117", "1-119", "k=1=009", "k=1=011", "k=1=017", "k=1=030"), _ANNOTATION),
    **dict.fromkeys(("k=1=034", "k=1=037", "k=1=041", "k=1=045", "k=1=049", "k=1=052", "k=1=053"), _ANNOTATION),
    **dict.fromkeys(("k=1=081", "k=1=087", "k=1=093", "k=1=094", "k=1=268", "k=1=270"), _ANNOTATION),
    **dict.fromkeys(("1-114", "1-120a", "k=1=022", "k=1=149"), _INEXACT),
}
CONVERT_DEVIATIONS = {
    **dict.fromkeys((23, 24, 25), _INEXACT),
    26: _MERCURY,
    **dict.fromkeys((34, 35, 36, 37, 76), _AFFINE),
    **dict.fromkeys((*range(43, 52), *range(53, 58), *range(64, 72), 73), _PER_ANALYTE),
    74: _PER_ANALYTE,
    **dict.fromkeys((77, 78, 79), _WORDS),
}
VALIDITY = table(EXTERNAL / "ucum-validity.tsv")
CONVERT = dict(enumerate(table(EXTERNAL / "ucum-convert.tsv"), start=1))


def valid(unit: str) -> bool:
    try:
        return ucum.factor(unit, unit) == 1
    except ucum.UnknownUnit:
        return False


@needs_library
@needs_tables
@pytest.mark.parametrize("row", VALIDITY, ids=[row["official id"] for row in VALIDITY])
def test_a_unit_is_read_exactly_when_ucum_has_it(row: dict[str, str]) -> None:
    expected = row["expected"] == "valid" and row["official id"] not in VALIDITY_DEVIATIONS
    assert valid(row["unit"]) is expected


@needs_tables
def test_each_unit_named_as_a_deviation_is_a_valid_one() -> None:
    named_rows = [row for row in VALIDITY if row["official id"] in VALIDITY_DEVIATIONS]
    assert {row["official id"] for row in named_rows} == set(VALIDITY_DEVIATIONS)
    assert {row["expected"] for row in named_rows} == {"valid"}
    annotated = {row["official id"] for row in named_rows if "{" in row["unit"]}
    assert annotated == {name for name, reason in VALIDITY_DEVIATIONS.items() if reason is _ANNOTATION}


def agrees(found: Fraction, row: dict[str, str]) -> bool:
    """Whether a result is the expected one to the tolerance of the table."""
    expected, (size, *kind) = Fraction(row["expected"]), row["tolerance"].split(" ")
    if size == "exact":
        return found == expected
    if kind and kind[0] in ("significant", "sd"):
        magnitude = math.floor(math.log10(abs(expected)))
        return abs(found - expected) <= Fraction(10) ** (magnitude + 1 - int(size)) / 2
    return abs(found - expected) <= (Fraction(10) ** -int(size) / 2 if kind else Fraction(size))


@needs_library
@needs_tables
@pytest.mark.parametrize("number", [number for number in CONVERT if number not in CONVERT_DEVIATIONS])
def test_a_conversion_agrees_with_the_public_table(number: int) -> None:
    row = CONVERT[number]
    if row["expected"].startswith("refuse"):
        with pytest.raises(UnitError, match="do not measure the same"):
            Scale("this", row["to"]).to_canonical(Fraction(row["value"]), row["from"])
    else:
        assert agrees(Scale("this", row["to"]).to_canonical(Fraction(row["value"]), row["from"]), row)


@needs_library
@needs_tables
@pytest.mark.parametrize("number", [n for n, reason in CONVERT_DEVIATIONS.items() if reason is not _WORDS])
def test_each_conversion_named_as_a_deviation_deviates(number: int) -> None:
    row = CONVERT[number]
    assert not row["expected"].startswith("refuse")
    scale = Scale("this", row["to"])
    if CONVERT_DEVIATIONS[number] is _MERCURY:
        assert not agrees(scale.to_canonical(Fraction(row["value"]), row["from"]), row)
    else:
        with pytest.raises(UnitError):
            scale.to_canonical(Fraction(row["value"]), row["from"])


@needs_tables
@pytest.mark.parametrize("number", [n for n, reason in CONVERT_DEVIATIONS.items() if reason is _WORDS])
def test_each_conversion_in_words_is_no_quantity(number: int) -> None:
    assert " over " in CONVERT[number]["value"] or " over " in CONVERT[number]["from"]


def test_the_examples_run() -> None:
    result = doctest.testmod(quantities, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0


@needs_library
def test_the_examples_of_the_library_run() -> None:
    result = doctest.testmod(ucum)
    assert result.attempted > 0
    assert result.failed == 0
