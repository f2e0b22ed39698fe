"""Days known to the year, month or day; durations exact or by the calendar; three-valued answers about both.

A partial date is an interval of days. A question is answered yes or no only when every day that it may be agrees, else
None (unknown). Days and weeks are exact; months and years go by the calendar (the same day of another month; month ends
clamp); the two are never mixed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, get_args

from .errors import did_you_mean
from .truth import Truth, both, negate

DurationUnit = Literal["d", "wk", "mo", "a"]
Precision = Literal["year", "month", "day"]
Order = Literal["before", "after", "same", "on_or_before", "on_or_after"]
SpanOp = Literal["below", "at_most", "above", "at_least", "equals"]

_WHEN = re.compile(
    r"""(?P<year>[0-9]{4}) (?: -- | (?: -(?P<month>[0-9]{2}) (?: -(?P<day>[0-9]{2})
        (?: [T ] (?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?) (?:\.[0-9]+)? (?:Z|[+-][0-9]{2}:[0-9]{2})? )? )? )? )""",
    re.VERBOSE,
)
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60))?")
_DURATION = re.compile(r"([0-9]+) *(\S+)")
_DUE: dict[SpanOp, Order] = {
    "below": "after",
    "at_most": "on_or_after",
    "above": "before",
    "at_least": "on_or_before",
}
_EXPECTED = "expected a date such as 2026, 2026-05, 2026-05-02 or 2026-05-02T08:30:00+01:00"


@dataclass(frozen=True, slots=True)
class When:
    """A day, known to be one of `earliest` to `latest`; `clock` ("HH:MM[:SS]" as written) only orders items of one day.

    >>> When(date(2026, 5, 1), date(2026, 5, 31))
    When(earliest=datetime.date(2026, 5, 1), latest=datetime.date(2026, 5, 31), clock='')
    """

    earliest: date
    latest: date
    clock: str = ""

    def __post_init__(self) -> None:
        if self.earliest > self.latest:
            raise ValueError(f"the earliest day {self.earliest} is after the latest {self.latest}")
        if self.clock and not _CLOCK.fullmatch(self.clock):
            raise ValueError(f"'{self.clock}' is no time of day; expected HH:MM or HH:MM:SS")
        if self.clock and not self.exact:
            raise ValueError(f"a time of day ({self.clock}) needs an exact day, not {self}")

    @classmethod
    def on(cls, day: date, clock: str = "") -> When:
        """Return the exactly known day.

        >>> str(When.on(date(2026, 5, 2)))
        '2026-05-02'
        """
        return cls(day, day, clock)

    @property
    def exact(self) -> bool:
        """Whether the day itself is known."""
        return self.earliest == self.latest

    @property
    def order(self) -> tuple[date, date, str]:
        """A key to sort by: the latest day it may be, then the earliest, then the clock (08:30 is 08:30:00).

        >>> parse_when("2026-05-02T08:30").order < parse_when("2026-05-02T08:30:01").order < parse_when("2026-05").order
        True
        """
        return (self.latest, self.earliest, self.clock if len(self.clock) != 5 else f"{self.clock}:00")

    def __str__(self) -> str:
        """Return the day to the precision in which it is known.

        >>> [str(parse_when(text)) for text in ("2026--", "2026-05", "2026-05-02T08:30")]
        ['2026', '2026-05', '2026-05-02']
        """
        first, last = self.earliest, self.latest
        if first == last:
            return first.isoformat()
        if (first, last) == _year(first.year):
            return f"{first.year:04}"
        if (first, last) == _month(first.year, first.month):
            return f"{first.year:04}-{first.month:02}"
        return f"{first}..{last}"


def _year(year: int) -> tuple[date, date]:
    return date(year, 1, 1), date(year, 12, 31)


def _month(year: int, month: int) -> tuple[date, date]:
    first = date(year, month, 1)
    return first, first.replace(day=monthrange(year, month)[1])


def parse_when(written: str | int | date) -> When:
    """Return the day that is written: a `date`, a `datetime`, or text to the year, month, day or time of day.

    Date and clock are taken as written, in local time; the offset from UTC and fractions of a second are not used. A
    whole number is a year (so YAML reads an unquoted 2026). Raises `ValueError` for anything else.

    >>> parse_when("2026-02").latest
    datetime.date(2026, 2, 28)
    >>> parse_when("2026-05-02T08:30:00+01:00").clock
    '08:30:00'
    >>> parse_when("2021-13-40")
    Traceback (most recent call last):
    ValueError: '2021-13-40' is no date; expected a date such as 2026, 2026-05, 2026-05-02 or 2026-05-02T08:30:00+01:00
    """
    if isinstance(written, datetime):
        return When.on(written.date(), written.strftime("%H:%M:%S"))
    if isinstance(written, date):
        return When.on(written)
    found = None if isinstance(written, bool) else _WHEN.fullmatch(str(written).strip())
    if found is None:
        raise ValueError(f"'{written}' is no date; {_EXPECTED}")
    try:
        return _read(found)
    except ValueError:
        raise ValueError(f"'{written}' is no date; {_EXPECTED}") from None


def _read(found: re.Match[str]) -> When:
    year, month, day = (int(found[part] or 0) for part in ("year", "month", "day"))
    if found["day"]:
        return When.on(date(year, month, day), found["clock"] or "")
    return When(*(_month(year, month) if found["month"] else _year(year)))


@dataclass(frozen=True, slots=True)
class Duration:
    """A number of days (d) or weeks (wk), exact, or of calendar months (mo) or years (a).

    >>> str(Duration(12, "wk"))
    '12 wk'
    """

    number: int
    unit: DurationUnit

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError(f"a duration is not negative, but {self.number} {self.unit} is")
        if self.unit not in get_args(DurationUnit):
            raise ValueError(f"'{self.unit}' is no unit of time; expected d, wk, mo or a")

    def __str__(self) -> str:
        return f"{self.number} {self.unit}"


def parse_duration(text: str) -> Duration:
    """Return the duration that is written; a whole number of d, wk, mo or a. Raises `ValueError` for anything else.

    >>> parse_duration("12 wk")
    Duration(number=12, unit='wk')
    >>> parse_duration("6 mos")
    Traceback (most recent call last):
    ValueError: '6 mos' is no duration; expected a whole number and d, wk, mo or a, such as 12 wk (did you mean 'mo'?)
    """
    found = _DURATION.fullmatch(text.strip())
    for unit in get_args(DurationUnit):
        if found and found[2] == unit:
            return Duration(int(found[1]), unit)
    hint = did_you_mean(found[2], get_args(DurationUnit)) if found else ""
    raise ValueError(f"'{text}' is no duration; expected a whole number and d, wk, mo or a, such as 12 wk{hint}")


def shift(day: date, duration: Duration, sign: int = 1) -> date:
    """Return the day that lies the duration later (`sign` 1) or earlier (-1).

    Raises `ValueError` where that is outside the years 1 to 9999.

    >>> str(shift(date(2026, 3, 31), Duration(1, "mo"), -1)), str(shift(date(2024, 2, 29), Duration(1, "a")))
    ('2026-02-28', '2025-02-28')
    >>> str(shift(date(2026, 3, 31), Duration(12, "wk"), -1))
    '2026-01-06'
    """
    number = sign * duration.number
    try:
        if duration.unit in ("d", "wk"):
            return day + timedelta(days=number * (7 if duration.unit == "wk" else 1))
        return _same_day(day, number * (12 if duration.unit == "a" else 1))
    except (OverflowError, ValueError):
        way = "after" if sign > 0 else "before"
        raise ValueError(f"{duration} {way} {day} is outside the years 1 to 9999") from None


def _same_day(day: date, months: int) -> date:
    """Return the same day of the month so many months on, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def shift_when(when: When, duration: Duration, sign: int = 1) -> When:
    """Return the interval from its shifted first to its shifted last day; the clock of an exact day stays.

    >>> str(shift_when(parse_when("2014"), Duration(25, "mo")))
    '2016-02-01..2017-01-31'
    """
    return When(shift(when.earliest, duration, sign), shift(when.latest, duration, sign), when.clock)


def completed(unit: DurationUnit, start: date, end: date) -> int:
    """Return the whole units from start to end: the largest n for which n units after start is not after end.

    Where the end is before the start, the negative of the whole units from end to start.

    >>> completed("a", date(1984, 9, 6), date(2020, 2, 24)), completed("mo", date(2014, 1, 31), date(2014, 2, 28))
    (35, 1)
    """
    if end < start:
        return -completed(unit, end, start)
    if unit in ("d", "wk"):
        return (end - start).days // (7 if unit == "wk" else 1)
    months = (end.year - start.year) * 12 + end.month - start.month
    months -= _same_day(start, months) > end
    return months // 12 if unit == "a" else months


def completed_range(unit: DurationUnit, start: When, end: When) -> tuple[int, int]:
    """Return the fewest and the most whole units that may lie between.

    >>> completed_range("a", parse_when("1980-06-17"), parse_when("2012"))
    (31, 32)
    """
    return completed(unit, start.latest, end.earliest), completed(unit, start.earliest, end.latest)


def compare_span(start: When, end: When, op: SpanOp, duration: Duration) -> Truth:
    """Return whether the time from start to end is below, at_most, above, at_least or equals the duration.

    `at_least` six months: six calendar months after the start is not after the end. The two days are taken as
    independent. Raises `ValueError` where the duration leads outside the years 1 to 9999.

    >>> started, screened = parse_when("2025-11"), parse_when("2026-05-15")
    >>> compare_span(started, screened, "at_least", Duration(5, "mo"))
    True
    >>> compare_span(started, screened, "at_least", Duration(6, "mo")) is None
    True
    """
    if op == "equals":
        return _equals(start, end, duration)
    due = shift_when(start, duration)
    return compare(due, _DUE[op], end)


def _equals(start: When, end: When, duration: Duration) -> Truth:
    """Whether end is a day due. Days due may have gaps (no day is a month before 30 March): their hull would not do."""
    days = range(start.earliest.toordinal(), start.latest.toordinal() + 1)

    def due(ordinal: int) -> date:
        return shift(date.fromordinal(ordinal), duration)

    first = bisect_left(days, end.earliest, key=due)
    if first == len(days) or due(days[first]) > end.latest:
        return False
    return True if end.exact and due(days[0]) == due(days[-1]) else None


def compare(a: When, op: Order, b: When, precision: Precision | None = None) -> Truth:
    """Return whether a is before, after, the same as, on_or_before, on_or_after b, to a precision (else to the day).

    True or false only when every completion of both dates agrees; clocks are not looked at.

    >>> compare(parse_when("2026-05"), "before", parse_when("2026-06-01"))
    True
    >>> compare(parse_when("2026-05"), "same", parse_when("2026-05")) is None
    True
    >>> compare(parse_when("2026-05"), "same", parse_when("2026-05-02"), "month")
    True
    """
    if op == "before":
        return negate(compare(b, "on_or_before", a, precision))
    if op == "after":
        return negate(compare(a, "on_or_before", b, precision))
    if op == "on_or_after":
        return compare(b, "on_or_before", a, precision)
    first, last = (_rounded(day, precision) for day in (a.earliest, a.latest))
    first_b, last_b = (_rounded(day, precision) for day in (b.earliest, b.latest))
    if op == "on_or_before":
        return True if last <= first_b else False if first > last_b else None
    if op == "same":
        return False if last < first_b or last_b < first else True if first == last == first_b == last_b else None
    raise ValueError(f"'{op}' is no order of dates; expected {', '.join(get_args(Order))}")


def _rounded(day: date, precision: Precision | None) -> date:
    if precision == "year":
        return day.replace(month=1, day=1)
    return day.replace(day=1) if precision == "month" else day


@dataclass(frozen=True, slots=True)
class Span:
    """From start to end, both days included; None is open: without a beginning, or without an end.

    An end that is merely unknown is not None but a `When` up to the last day that it may be. A span whose end is before
    its start is a contradiction: every question about it is answered with unknown.

    >>> stay = Span(parse_when("2026-01-07"), parse_when("2026-01"))
    >>> stay.inside(Span(parse_when("2026-01-05"), None))
    True
    >>> stay.overlaps(Span.on(parse_when("2026-01-20"))) is None
    True
    """

    start: When | None
    end: When | None

    @classmethod
    def on(cls, when: When) -> Span:
        """Return the span of one day."""
        return cls(when, when)

    @property
    def possible(self) -> bool:
        """Whether the end can be on or after the start."""
        return self.start is None or self.end is None or self.start.earliest <= self.end.latest

    @property
    def first(self) -> When:
        """The day on which it starts, which cannot be after the end."""
        start, end = self.start or When.on(date.min), self.end or When.on(date.max)
        return When(start.earliest, min(start.latest, end.latest))

    @property
    def last(self) -> When:
        """The day on which it ends, which cannot be before the start."""
        start, end = self.start or When.on(date.min), self.end or When.on(date.max)
        return When(max(start.earliest, end.earliest), end.latest)

    def inside(self, other: Span) -> Truth:
        """Return whether it lies wholly in the other."""
        if not (self.possible and other.possible):
            return None
        return both([compare(other.first, "on_or_before", self.first), compare(self.last, "on_or_before", other.last)])

    def contains(self, other: Span) -> Truth:
        """Return whether the other lies wholly in it."""
        return other.inside(self)

    def overlaps(self, other: Span) -> Truth:
        """Return whether they have a day in common."""
        if not (self.possible and other.possible):
            return None
        return both([compare(self.first, "on_or_before", other.last), compare(other.first, "on_or_before", self.last)])

    def before(self, other: Span) -> Truth:
        """Return whether it ends before the other starts."""
        if not (self.possible and other.possible):
            return None
        return compare(self.last, "before", other.first)

    def after(self, other: Span) -> Truth:
        """Return whether it starts after the other ends."""
        return other.before(self)
