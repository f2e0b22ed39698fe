"""The time from one day to another, of many pairs of days at once, which may be known in part."""

from __future__ import annotations

import numpy as np

from ..dates import Duration
from ..questions import Comparison
from .columns import EPOCH, Days, Ints
from .rows import FIRST_DAY, LAST_DAY, Hard, Truths, said

_OPERATORS = ("below", "at_most", "above", "at_least")


def spans(start: Days, end: Days, comparison: Comparison) -> Truths:
    """Compare the time from start to end with durations."""
    durations = [threshold.duration or Duration(0, "d") for threshold in comparison.thresholds]
    if comparison.op == "between":
        found = np.minimum(_span(start, end, "at_least", durations[0]), _span(start, end, "at_most", durations[1]))
    elif comparison.op in _OPERATORS:
        found = _span(start, end, comparison.op, durations[0])
    else:
        raise Hard
    return np.where(start.known & end.known, found, np.int8(0))


def _span(start: Days, end: Days, op: str, duration: Duration) -> Truths:
    """Compare the time from start to end with a duration, of days that are known."""
    first, last = shifted(start.first, duration), shifted(start.last, duration)
    match op:
        case "at_least":
            return said(last <= end.first, first > end.last)
        case "below":
            return said(first > end.last, last <= end.first)
        case "at_most":
            return said(end.last <= first, end.first > last)
    return said(end.first > last, end.last <= first)


def on_or_before(one: Days, other: Days) -> Truths:
    """Tell whether a day is the other one or comes before it; of days that are known."""
    return said(one.last <= other.first, one.first > other.last)


def within_of(one: Days, other: Days, duration: Duration) -> Truths:
    """Tell whether two days lie at most a duration apart, whichever comes first; of days that are known."""
    if (one.first == one.last).all() and (other.first == other.last).all():
        close = shifted(np.minimum(one.first, other.first), duration) >= np.maximum(one.first, other.first)
        return np.where(close, np.int8(1), np.int8(-1))
    before, after = one.last <= other.first, other.last <= one.first
    early = Days(np.where(before, one.first, other.first), np.where(before, one.last, other.last), one.known)
    late = Days(np.where(before, other.first, one.first), np.where(before, other.last, one.last), one.known)
    # Of days that may come in either order, it is certain only where the ends that lie farthest apart are near enough.
    first = one.last - other.first >= other.last - one.first
    near = shifted(np.where(first, other.first, one.first), duration) >= np.where(first, one.last, other.last)
    return np.where(before | after, _span(early, late, "at_most", duration), near.astype(np.int8))


def unbounded(days: Days) -> Days:
    """Return days of which those that are not known may be any."""
    return Days(np.where(days.known, days.first, FIRST_DAY), np.where(days.known, days.last, LAST_DAY), days.known)


def shifted(days: Ints, duration: Duration, sign: int = 1) -> Ints:
    """Return the days that lie a duration later (`sign` 1) or earlier (-1), months by the calendar (month ends clamp)."""
    number = sign * duration.number
    if duration.unit in ("d", "wk"):
        return days + np.int32(number * (7 if duration.unit == "wk" else 1))
    months = number * (12 if duration.unit == "a" else 1)
    found = (days - EPOCH).astype("M8[D]")
    month = found.astype("M8[M]")
    within = found - month.astype("M8[D]")
    target = month + months
    start = target.astype("M8[D]")
    length = (target + 1).astype("M8[D]") - start
    moved = start + np.minimum(within, length - np.timedelta64(1, "D"))
    return np.asarray(moved.astype(np.int64) + EPOCH, np.int32)
