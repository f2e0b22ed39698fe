"""Values of many patients against thresholds: compared as doubles, and exactly where that does not tell."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..quantities import compare
from ..questions import Comparison, Test, Threshold
from .columns import Floats, Ints, Values
from .rows import Computed, Hard, Truths, said
from .view import View


def value_meets(view: View, values: Values, comparison: Comparison) -> Truths:
    """Compare values exactly, where needed with their laboratory's own limits; a double stands for its shortest decimal."""
    if comparison.op == "between":
        low, high = (Comparison(op, (t,)) for op, t in zip(("at_least", "at_most"), comparison.thresholds, strict=True))
        return np.minimum(value_meets(view, values, low), value_meets(view, values, high))
    threshold = comparison.thresholds[0]
    if isinstance(values, Computed):
        return _computed_meets(values, comparison.op, threshold)
    if threshold.limit:
        limits = values.high if threshold.limit == "[ULN]" else values.low
        return _against_limit(view, values, limits, comparison.op, threshold.number)
    found = _meets(_order(view, values, threshold.number), comparison.op)
    if (values.other >= 0).any():
        table = _table(view, comparison.op, threshold.number, values.other)
        found = np.where(values.other >= 0, table[values.other], found)
    return found


def _computed_meets(values: Computed, op: str, threshold: Threshold) -> Truths:
    """Compare computed values; only what is next to the threshold needs the exact formula."""
    found = np.zeros(len(values.number), np.int8)
    if threshold.limit:
        if not (np.isnan(values.low) & np.isnan(values.high)).all():
            raise Hard
        return found
    number = float(threshold.number)
    yes, no = {
        "below": (values.most < number, values.least >= number), "at_most": (values.most <= number, values.least > number),
        "above": (values.least > number, values.most <= number), "at_least": (values.least >= number, values.most < number),
    }.get(op, (found > 0, (values.most < number) | (values.least > number)))  # fmt: skip
    found = np.where(values.known, said(yes, no), found)
    near = np.minimum(np.abs(values.least - number), np.abs(values.most - number)) <= 1e-9 * (1 + abs(number))
    for row in np.flatnonzero(near & values.known).tolist():
        truth = compare(values.exactly(int(values.source[row])), op, threshold.number)  # type: ignore[arg-type]
        found[row] = 0 if truth is None else 1 if truth else -1
    return found


def _order(view: View, values: Values, number: Fraction) -> Truths:
    """Return whether each plain value lies below (-1), at (0) or above (1) a number in the canonical unit.

    A double next to the number, that is the nearest one to it, stands for a decimal that is compared exactly; all others lie
    where they seem to lie, since rounding keeps the order.
    """
    nearest, tie = np.zeros(len(view.codes.units)), np.zeros(len(view.codes.units), np.int8)
    for unit in np.unique(values.unit).tolist():
        factor, offset = view.codes.units[unit]
        exact = (number - offset) / factor
        nearest[unit] = float(exact)
        decimal = Fraction(repr(nearest[unit].item()))
        tie[unit] = (decimal > exact) - (decimal < exact)
    bound = nearest[values.unit]
    return np.where(values.number < bound, -1, np.where(values.number > bound, 1, tie[values.unit])).astype(np.int8)


def ordered(low: Truths, high: Truths, op: str) -> Truths:
    """Return the comparison that the orders of the lowest and the highest that a value may be say."""
    if op == "equals":
        return said((low == 0) & (high == 0), (low > 0) | (high < 0))
    one, other = _meets(low, op), _meets(high, op)
    return np.where(one == other, one, np.int8(0))


def _table(view: View, op: str, number: Fraction, used: Ints) -> Truths:
    table = np.zeros(len(view.codes.intervals) + 1, np.int8)
    for code in np.unique(used[used >= 0]).tolist():
        truth = compare(view.codes.intervals[code], op, number)  # type: ignore[arg-type]
        table[code] = 0 if truth is None else 1 if truth else -1
    return table


def _against_limit(view: View, values: Values, limits: Floats, op: str, times: Fraction) -> Truths:
    """Compare values with a multiple of a limit in the same unit; only near ties need exact fractions."""
    offset = np.array([offset != 0 for _, offset in view.codes.units], np.bool_)[values.unit]
    bound = float(times) * limits
    plain = (values.other < 0) & ~offset & ~np.isnan(limits)
    if times != 1:
        # A limit itself is compared as it stands: two decimals lie as their nearest doubles do.
        plain &= np.abs(values.number - bound) > 1e-12 * (np.abs(values.number) + np.abs(bound))
    order = (values.number > bound).astype(np.int8) - (values.number < bound).astype(np.int8)
    found = np.where(plain, _meets(order, op), np.int8(0))
    for row in np.flatnonzero(~np.isnan(limits) & ~plain).tolist():
        factor, offset = view.codes.units[values.unit[row]]
        value = view.interval(values, row)
        truth = compare(value, op, times * (Fraction(repr(float(limits[row]))) * factor + offset))  # type: ignore[arg-type]
        found[row] = 0 if truth is None else 1 if truth else -1
    return found


def change_meets(view: View, before: Values, now: Values, test: Test) -> Truths:
    """Compare how far values fell or rose; only near ties need exact fractions."""
    relative, sign = test.summary.startswith("relative"), 1 if test.summary.endswith("fall") else -1
    low, high = view.about(before)
    low_now, high_now = view.about(now)
    least, most = (low - high_now, high - low_now) if sign > 0 else (low_now - high, high_now - low)
    op, thresholds = test.comparison.op, test.comparison.thresholds
    ops = ["at_least", "at_most"] if op == "between" else [op]
    told = view.exact(before) & (low > 0) if relative else np.ones(len(low), np.bool_)
    whole = np.where(told, low, 1) / 100 if relative else np.ones(len(low))
    truths = told.astype(np.int8)
    for op, threshold in zip(ops, thresholds, strict=True):
        bound = float(threshold.number) * whole
        orders = [np.sign(end - bound).astype(np.int8) for end in (least, most)]
        size = 1e-9 * (np.abs(low) + np.abs(high) + np.abs(low_now) + np.abs(high_now) + np.abs(bound))
        near = [told & np.isfinite(end) & ~(np.abs(end - bound) > size) for end in (least, most)]
        for row in np.flatnonzero(near[0] | near[1]).tolist():
            for order, exact in zip(orders, _change(view, before, now, row, sign), strict=True):
                if exact is not None:
                    base = (view.interval(before, row).low or 0) / 100 if relative else 1
                    over = exact - threshold.number * base
                    order[row] = (over > 0) - (over < 0)
        np.minimum(truths, ordered(orders[0], orders[1], op), out=truths)
    return np.where(told, truths, np.int8(0))


def _change(view: View, before: Values, now: Values, row: int, sign: int) -> tuple[Fraction | None, Fraction | None]:
    """Return how far one value fell (or rose) at least and at most."""
    then, later = view.interval(before, row), view.interval(now, row)
    least = None if then.low is None or later.high is None else then.low - later.high
    most = None if then.high is None or later.low is None else then.high - later.low
    return (least, most) if sign > 0 else (None if most is None else -most, None if least is None else -least)


def _meets(order: Truths, op: str) -> Truths:
    yes = {"below": order < 0, "at_most": order <= 0, "above": order > 0, "at_least": order >= 0, "equals": order == 0}[op]
    return np.where(yes, np.int8(1), np.int8(-1))
