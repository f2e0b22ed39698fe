"""Partial dates, durations and spans, against the public tables and against brute force over all completions."""

from __future__ import annotations

import csv
import doctest
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pyscreen import dates
from pyscreen.dates import (
    Duration,
    DurationUnit,
    Order,
    Precision,
    Span,
    SpanOp,
    When,
    compare,
    compare_span,
    completed,
    completed_range,
    parse_duration,
    parse_when,
    shift,
    shift_when,
)
from pyscreen.truth import Truth

CONFORMANCE = Path(__file__).parent / "data" / "conformance"
TRUTH: dict[str, Truth] = {"T": True, "F": False, "U": None}
UNITS: dict[str, DurationUnit] = {"day": "d", "week": "wk", "month": "mo", "year": "a"}
SPANS: dict[str, Callable[[Span, Span], Truth]] = {
    "within": Span.inside,
    "contains": Span.contains,
    "overlaps": Span.overlaps,
    "before": Span.before,
    "after": Span.after,
}
DEVIATIONS = {
    "date-add.tsv:47": "'mo' and 'a' write the calendar month and year in pyscreen; it has no mean month or year",
}


def rows(file: str) -> list[Any]:
    """Return each row of a table as a test parameter, named by its file and number."""
    with (CONFORMANCE / file).open(encoding="utf-8", newline="") as table:
        names = ((f"{file}:{number}", row) for number, row in enumerate(csv.DictReader(table, delimiter="\t"), start=1))
        return [pytest.param(row, id=name) for name, row in names if name not in DEVIATIONS]


def named(name: str) -> dict[str, str]:
    """Return the row of that name."""
    file, _, number = name.partition(":")
    with (CONFORMANCE / file).open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))[int(number) - 1]


def span(text: str) -> Span:
    """Return the span written as "start..end", "start..open", or one day."""
    start, separator, end = text.partition("..")
    return Span(parse_when(start), None if end == "open" else parse_when(end if separator else start))


def written(when: When) -> str:
    """Return the range as the tables write it."""
    return str(when.earliest) if when.exact else f"{when.earliest}..{when.latest}"


# The public tables


@pytest.mark.parametrize("row", rows("date-add.tsv"))
def test_adding_and_subtracting_agrees_with_the_public_table(row: dict[str, str]) -> None:
    number, exact_units = int(row["n"]), row["unit"] == "UCUM 'd' / 'wk'"
    units: list[DurationUnit] = ["d", "wk"] if exact_units else [UNITS[row["unit"]]]
    expected = row["expected"].split(" / ") if exact_units else [row["sound recomputation"]]
    for unit, result in zip(units, expected, strict=True):
        duration, sign = Duration(abs(number), unit), 1 if number > 0 else -1
        if result == "error":
            with pytest.raises(ValueError, match="outside the years 1 to 9999"):
                shift_when(parse_when(row["base"]), duration, sign)
        else:
            assert written(shift_when(parse_when(row["base"]), duration, sign)) == result


@pytest.mark.parametrize("row", rows("date-duration.tsv"))
def test_completed_units_agree_with_the_public_table(row: dict[str, str]) -> None:
    low, _, high = row["sound recomputation"].partition("..")
    found = completed_range(UNITS[row["unit"]], parse_when(row["from"]), parse_when(row["to"]))
    assert found == (int(low), int(high or low))


@pytest.mark.parametrize("row", rows("date-compare.tsv"))
def test_comparing_agrees_with_the_public_table(row: dict[str, Any]) -> None:
    answer = compare(parse_when(row["a"]), row["op"], parse_when(row["b"]), row["at precision"] or None)
    assert answer is TRUTH[row["sound recomputation"]]


@pytest.mark.parametrize("row", rows("date-intervals.tsv"))
def test_spans_agree_with_the_public_table(row: dict[str, str]) -> None:
    assert SPANS[row["op"]](span(row["a"]), span(row["b"])) is TRUTH[row["sound recomputation"]]


@pytest.mark.parametrize("row", rows("date-partial-range.tsv"))
def test_a_partial_date_covers_the_days_of_the_public_table(row: dict[str, str]) -> None:
    recorded = row["recorded"].partition(" ")[0]
    if row["earliest"] == "error":
        with pytest.raises(ValueError, match="is no date; expected"):
            parse_when(recorded)
    else:
        when = parse_when(recorded)
        assert str(when.earliest).startswith(row["earliest"])
        assert str(when.latest).startswith(row["latest"])


def test_the_mean_month_and_year_are_not_refused() -> None:
    row = named("date-add.tsv:47")
    assert (row["unit"], row["sound recomputation"]) == ("UCUM 'mo' or 'a'", "error")
    assert [str(shift(date.fromisoformat(row["base"]), Duration(1, unit))) for unit in ("mo", "a")] == [
        "1974-01-25",
        "1974-12-25",
    ]
    assert set(DEVIATIONS) == {"date-add.tsv:47"}


def test_all_rows_are_there() -> None:
    files = ("date-add", "date-duration", "date-compare", "date-intervals", "date-partial-range")
    counts = [len(rows(f"{file}.tsv")) for file in files]
    assert counts == [51 - len(DEVIATIONS), 42, 247, 22, 15]


# Reading and writing


@pytest.mark.parametrize(
    ("text", "shown", "clock"),
    [
        ("2026", "2026", ""),
        (2026, "2026", ""),
        ("2022--", "2022", ""),
        ("2024-02", "2024-02", ""),
        (" 2026-05-02 ", "2026-05-02", ""),
        ("2026-05-02T08:30:00+01:00", "2026-05-02", "08:30:00"),
        ("2026-05-02T23:30:00.123-11:00", "2026-05-02", "23:30:00"),
        ("2026-05-02T08:30Z", "2026-05-02", "08:30"),
        ("2026-05-02 08:30", "2026-05-02", "08:30"),
        (date(2026, 5, 2), "2026-05-02", ""),
        (datetime(2026, 5, 2, 8, 30, tzinfo=UTC), "2026-05-02", "08:30:00"),
    ],
)
def test_a_date_is_read_as_written(text: str | int | date, shown: str, clock: str) -> None:
    when = parse_when(text)
    assert (str(when), when.clock) == (shown, clock)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "yesterday",
            "26",
            "0000",
            "2021-13",
            "2021-02-29",
            "2026-5-2",
            "02.05.2026",
            "2022-",
            "2022-05--",
            "٢٠٢٦",
        ),
        *("2026-05-02T", "2026-05-02T24:00:00", "2026-05-02T08:61", "2026-05T08:30", "2026-05-02Z"),
        *(20260502, 2026.05, True, None),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(text: Any) -> None:
    with pytest.raises(ValueError, match=r"is no date; expected a date such as 2026, 2026-05, 2026-05-02"):
        parse_when(text)


def test_a_time_of_day_needs_its_day() -> None:
    may = parse_when("2026-05")
    with pytest.raises(ValueError, match=r"needs an exact day, not 2026-05"):
        When(may.earliest, may.latest, "08:30")
    with pytest.raises(ValueError, match="is after the latest"):
        When(may.latest, may.earliest)
    with pytest.raises(ValueError, match="no time of day"):
        When.on(may.earliest, "8:30")


def test_clocks_order_the_items_of_a_day_and_decide_nothing() -> None:
    early, late = parse_when("2026-05-02T08:30"), parse_when("2026-05-02T09:00:00")
    assert sorted([parse_when("2026-05-03"), late, early], key=lambda when: when.order)[:2] == [early, late]
    assert early.order == parse_when("2026-05-02T08:30:00").order
    assert compare(early, "same", late) is True
    assert shift_when(late, Duration(1, "d")).clock == "09:00:00"


@pytest.mark.parametrize("text", ["12 wk", "0 d", "18 a", "6 mo"])
def test_a_duration_is_shown_as_written(text: str) -> None:
    assert str(parse_duration(text)) == text


@pytest.mark.parametrize("text", ["", "12", "wk", "-3 d", "1.5 a", "6 h", "6 weeks", "6 MO", "6 d d"])
def test_no_other_duration_is_read(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; expected a whole number and d, wk, mo or a"):
        parse_duration(text)


def test_a_duration_is_checked_when_made() -> None:
    with pytest.raises(ValueError, match="not negative"):
        Duration(-1, "d")
    with pytest.raises(ValueError, match="no unit of time"):
        Duration(1, "h")  # type: ignore[arg-type]


def test_exact_and_calendar_durations_are_not_mixed() -> None:
    day = date(2025, 1, 31)
    assert shift(day, Duration(4, "wk")) == date(2025, 2, 28) == shift(day, Duration(1, "mo"))
    assert shift(date(2025, 3, 1), Duration(4, "wk")) != shift(date(2025, 3, 1), Duration(1, "mo"))
    assert shift(shift(date(2026, 3, 31), Duration(1, "mo"), -1), Duration(1, "mo")) == date(2026, 3, 28)


def test_a_shift_past_the_calendar_says_so() -> None:
    with pytest.raises(ValueError, match="1 d after 9999-12-31 is outside the years 1 to 9999"):
        shift(date.max, Duration(1, "d"))
    with pytest.raises(ValueError, match="99999999999 wk before 2026-01-01 is outside"):
        shift(date(2026, 1, 1), Duration(99999999999, "wk"), -1)


def test_an_unknown_comparison_is_refused() -> None:
    with pytest.raises(ValueError, match="no order of dates"):
        compare(parse_when("2026"), "during", parse_when("2026"))  # type: ignore[arg-type]


def test_a_contradictory_span_answers_nothing() -> None:
    wrong, day = Span(parse_when("2026-05"), parse_when("2026-04")), Span.on(parse_when("2026-01-01"))
    assert not wrong.possible
    assert {ask(wrong, day) for ask in SPANS.values()} | {ask(day, wrong) for ask in SPANS.values()} == {None}


def test_an_open_span_has_no_end() -> None:
    ever = Span(None, None)
    assert ever.contains(Span.on(parse_when("9999-12-31"))) is True
    assert Span(parse_when("2026"), None).before(Span.on(parse_when("2030"))) is False


def test_the_examples_run() -> None:
    result = doctest.testmod(dates)
    assert result.attempted > 0
    assert result.failed == 0


# Properties: an answer is given exactly when every completion agrees

DAYS = st.dates(date(2023, 12, 1), date(2025, 3, 31))
DURATIONS = st.builds(Duration, st.integers(0, 40), st.sampled_from(get_args(DurationUnit)))
COMPARE_DAYS: dict[str, Callable[[Any, Any], bool]] = {
    "before": lambda a, b: a < b,
    "after": lambda a, b: a > b,
    "same": lambda a, b: a == b,
    "on_or_before": lambda a, b: a <= b,
    "on_or_after": lambda a, b: a >= b,
}
COMPARE_SPAN: dict[str, Callable[[date, date], bool]] = {  # the day on which the duration is over, and the end
    "at_least": lambda due, end: due <= end,
    "above": lambda due, end: due < end,
    "below": lambda due, end: due > end,
    "at_most": lambda due, end: due >= end,
    "equals": lambda due, end: due == end,
}


@st.composite
def whens(draw: st.DrawFn, longest: int = 45) -> When:
    first = draw(DAYS)
    return When(first, first + timedelta(days=draw(st.integers(0, longest))))


def completions(when: When) -> list[date]:
    return [when.earliest + timedelta(days=n) for n in range((when.latest - when.earliest).days + 1)]


def spans_of(one: Span) -> list[tuple[date, date]]:
    assert one.start is not None
    assert one.end is not None
    return [(start, end) for start in completions(one.start) for end in completions(one.end) if start <= end]


def agreed(answers: set[bool]) -> Truth:
    return answers.pop() if len(answers) == 1 else None


@given(whens(), st.sampled_from(get_args(Order)), whens(), st.sampled_from([*get_args(Precision), None]))
def test_comparing_is_exact_over_all_completions(a: When, op: Order, b: When, precision: Precision | None) -> None:
    parts = {"year": 1, "month": 2, "day": 3, None: 3}[precision]
    keys_a, keys_b = ([day.timetuple()[:parts] for day in completions(when)] for when in (a, b))
    assert compare(a, op, b, precision) is agreed({COMPARE_DAYS[op](x, y) for x in keys_a for y in keys_b})


@given(whens(), whens(), st.sampled_from(get_args(SpanOp)), DURATIONS)
def test_the_time_between_is_exact_over_all_completions(start: When, end: When, op: SpanOp, duration: Duration) -> None:
    due = {shift(day, duration) for day in completions(start)}
    expected = agreed({COMPARE_SPAN[op](day, last) for day in due for last in completions(end)})
    assert compare_span(start, end, op, duration) is expected


@given(
    whens(), st.sampled_from(get_args(SpanOp)), st.builds(Duration, st.integers(0, 3), st.just("mo")), st.integers(0, 2)
)
def test_the_time_between_is_exact_near_its_bound(start: When, op: SpanOp, duration: Duration, late: int) -> None:
    end = When.on(shift(start.latest, duration) + timedelta(days=late - 1))
    due = {shift(day, duration) for day in completions(start)}
    assert compare_span(start, end, op, duration) is agreed({COMPARE_SPAN[op](day, end.earliest) for day in due})


@pytest.mark.parametrize(
    ("start", "end", "truth"),
    [
        ("2025-02-01", "2025-03-01", True),
        ("2025-02-01", "2025-03", None),
        ("2025", "2025-03-28", None),
        ("2025", "2025-03-30", False),  # no day is one month before it
    ],
)
def test_a_month_is_over_on_one_day(start: str, end: str, truth: Truth) -> None:
    assert compare_span(parse_when(start), parse_when(end), "equals", Duration(1, "mo")) is truth


@given(whens(), DURATIONS, st.sampled_from([1, -1]))
def test_a_shifted_date_is_the_hull_of_its_shifted_days(when: When, duration: Duration, sign: int) -> None:
    days = [shift(day, duration, sign) for day in completions(when)]
    assert shift_when(when, duration, sign) == When(min(days), max(days))


@given(DAYS, DAYS, st.sampled_from(get_args(DurationUnit)))
def test_completed_units_are_the_most_that_fit(start: date, end: date, unit: DurationUnit) -> None:
    assume(start <= end)
    number = completed(unit, start, end)
    assert shift(start, Duration(number, unit)) <= end < shift(start, Duration(number + 1, unit))
    assert completed(unit, end, start) == -number


@given(DAYS, DURATIONS)
def test_a_duration_is_completed_when_it_is_over(day: date, duration: Duration) -> None:
    assert completed(duration.unit, day, shift(day, duration)) == duration.number


@given(whens(10), whens(10), st.sampled_from(get_args(DurationUnit)))
def test_a_range_of_completed_units_is_tight(start: When, end: When, unit: DurationUnit) -> None:
    counts = [completed(unit, a, b) for a in completions(start) for b in completions(end)]
    assert completed_range(unit, start, end) == (min(counts), max(counts))


JANUARY = st.tuples(st.integers(1, 14), st.integers(0, 5)).map(
    lambda days: When(date(2025, 1, days[0]), date(2025, 1, sum(days)))
)
SHORT = st.builds(Span, JANUARY, JANUARY).filter(lambda one: one.possible)


@given(SHORT, st.sampled_from(sorted(SPANS)), SHORT)
def test_spans_are_exact_over_all_completions(a: Span, op: str, b: Span) -> None:
    def holds(one: tuple[date, date], other: tuple[date, date]) -> bool:
        return {
            "within": other[0] <= one[0] and one[1] <= other[1],
            "contains": one[0] <= other[0] and other[1] <= one[1],
            "overlaps": one[0] <= other[1] and other[0] <= one[1],
            "before": one[1] < other[0],
            "after": one[0] > other[1],
        }[op]

    assert SPANS[op](a, b) is agreed({holds(one, other) for one in spans_of(a) for other in spans_of(b)})


@given(st.dates(), st.integers(1, 3))
def test_what_is_written_reads_back(day: date, parts: int) -> None:
    text = day.isoformat()[: (0, 4, 7, 10)[parts]]
    when = parse_when(text)
    assert str(when) == text
    assert when.earliest <= day <= when.latest
    assert when.exact is (parts == 3)
