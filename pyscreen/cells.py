"""Tests that lean on one value: the ranges into which their thresholds cut it, as facts for the engine.

A count cannot be at once not below 50 and below 30. Tests of one family (same items, conditions and summary) are answered by one
value; `facts` lists the ranges that value may lie in and which tests hold there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from .quantities import show
from .questions import Test, Threshold

_LENGTHS = {"d": 1, "wk": 7, "mo": 1, "a": 12}
_OF_SEVERAL = ("each_of_latest", "consecutive")
_OF_THE_DAY = ("newest", "within", "method")
_DIRECTIONS = {"below": "highest", "at_most": "highest", "above": "lowest", "at_least": "lowest"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A range of a value: a point (`low == high`) or the open range between two thresholds; None is unbounded."""

    low: Fraction | None
    high: Fraction | None

    @property
    def sample(self) -> Fraction:
        """A number inside, above 0 where there is one."""
        if self.low is None and self.high is not None and 0 < self.high < 1:
            return self.high / 2
        if self.low is None:
            return (self.high or Fraction(0)) - 1
        if self.high is None:
            return self.low + 1
        return (self.low + self.high) / 2

    def __str__(self) -> str:
        if self.low is not None and self.low == self.high:
            return show(self.low)
        low = f"above {show(self.low)}" if self.low is not None else ""
        high = f"below {show(self.high)}" if self.high is not None else ""
        return " and ".join(part for part in (low, high) if part) or "any"


@dataclass(frozen=True, slots=True)
class Family:
    """Tests that one value answers, the cells of that value, and for each test the cells in which it holds."""

    tests: tuple[str, ...]
    cells: tuple[Cell, ...]
    holds: Mapping[str, frozenset[int]]


def families(tests: Iterable[Test]) -> dict[str, Family]:
    """Return the families of two tests or more, by their key."""
    groups: dict[str, list[Test]] = {}
    for test in tests:
        key = _value_of(test)
        if key is not None:
            groups.setdefault(key, []).append(test)
    return {key: _family(group) for key, group in sorted(groups.items()) if len(group) > 1}


def _value_of(test: Test) -> str | None:
    """Name the one value that answers a test: that of its family, in one unit and, of several items, the worst in one direction."""
    op = test.comparison.op
    if op in ("present", "absent"):
        return f"{test.family}|presence"
    scales = {_scale(threshold) for threshold in test.comparison.thresholds}
    if len(scales) != 1:
        return None
    direction = ""
    if test.summary in _OF_SEVERAL:
        if op not in _DIRECTIONS:
            return None
        direction = _DIRECTIONS[op]
    return "|".join((test.family, *scales, direction))


def _scale(threshold: Threshold) -> str:
    """Name what numbers can be told apart on: days and calendar months have no fixed order."""
    if threshold.duration is None:
        return threshold.limit or threshold.unit
    return "days" if threshold.duration.unit in ("d", "wk") else "months"


def _family(tests: list[Test]) -> Family:
    numbers = sorted({_number(threshold) for test in tests for threshold in test.comparison.thresholds})
    whole = all(test.summary == "count" for test in tests)
    cells = [cell for cell in cut(numbers) if not (whole and _empty_of_whole(cell))]
    if not numbers:
        cells = [Cell(Fraction(0), Fraction(0)), Cell(Fraction(1), Fraction(1))]
    held = {
        test.id: frozenset(i for i, cell in enumerate(cells) if holds(test, cell.sample))
        for test in tests
    }  # fmt: skip
    return Family(tuple(sorted(test.id for test in tests)), tuple(cells), held)


def renewed(tests: Iterable[Test]) -> list[list[Test]]:
    """Return the tests that a value of the day itself answers, together those that one value does, however far back they look."""
    groups: dict[str, list[Test]] = {}
    for test in tests:
        selection = test.selection
        of_the_day = all(c.name in _OF_THE_DAY and c.selection is None for c in selection.conditions)
        scales = {_scale(threshold) for threshold in test.comparison.thresholds}
        if selection.kind == "measurement" and test.summary == "latest" and not test.argument and of_the_day and len(scales) == 1:
            method = selection.condition("method")
            groups.setdefault("|".join((selection.concept, method.word if method else "", *scales)), []).append(test)
    return [group for _, group in sorted(groups.items()) if len(group) > 1]


def cut(numbers: list[Fraction]) -> Iterator[Cell]:
    """Yield the ranges into which ascending numbers cut all values, the numbers themselves among them."""
    previous: Fraction | None = None
    for number in numbers:
        yield Cell(previous, number)
        yield Cell(number, number)
        previous = number
    yield Cell(previous, None)


def samples(tests: Iterable[Test]) -> list[Fraction]:
    """Return a number inside every range into which the thresholds of tests of one scale cut their value."""
    numbers = sorted({_number(threshold) for test in tests for threshold in test.comparison.thresholds})
    return [cell.sample for cell in cut(numbers)]


def _empty_of_whole(cell: Cell) -> bool:
    """Tell whether an open range holds no whole number (a count is one, and not negative)."""
    if cell.low is not None and cell.low == cell.high:
        return False
    low = Fraction(-1) if cell.low is None else cell.low
    return cell.high is not None and cell.high - low <= 1


def _number(threshold: Threshold) -> Fraction:
    if threshold.duration is not None:
        return Fraction(threshold.duration.number * _LENGTHS[threshold.duration.unit])
    return threshold.number


def holds(test: Test, value: Fraction) -> bool:
    numbers = [_number(threshold) for threshold in test.comparison.thresholds]
    match test.comparison.op:
        case "below":
            return value < numbers[0]
        case "at_most":
            return value <= numbers[0]
        case "above":
            return value > numbers[0]
        case "at_least":
            return value >= numbers[0]
        case "equals":
            return value == numbers[0]
        case "between":
            return numbers[0] <= value <= numbers[1]
        case "present":
            return value == 1
    return value == 0


def facts(tests: Iterable[Test]) -> str:
    """Return the families as facts: `cell(F, I)`, `settled_by(T, F)`, `holds(T, I)`; F and I are numbers."""
    lines = []
    for f, family in enumerate(families(tests).values()):
        lines += [f"cell({f},{i})." for i in range(len(family.cells))]
        for test in family.tests:
            lines.append(f"settled_by({test},{f}).")
            lines += [f"holds({test},{i})." for i in sorted(family.holds[test])]
    return "\n".join(lines)


def facts_of_renewed(tests: Iterable[Test]) -> str:
    """Return what a new value answers as facts: `span(G, I)`, `spans(T, G)`, `fits(T, I)`; G and I are numbers."""
    lines = []
    for g, group in enumerate(renewed(tests)):
        family = _family(group)
        lines += [f"span({g},{i})." for i in range(len(family.cells))]
        for test in family.tests:
            lines.append(f"spans({test},{g}).")
            lines += [f"fits({test},{i})." for i in sorted(family.holds[test])]
    return "\n".join(lines)
