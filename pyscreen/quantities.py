"""Exact numbers with units: intervals, thresholds that answer in three values, and scales of measurement.

Numbers are fractions, read from the decimal that is written; no binary float decides anything. A value reported only as
a bound ("<20") is an interval. A scale lists the units in which it may be given, each with its exact factor; its list
comes first, and only a unit that it does not name goes to a UCUM library (`K/uL` is thousands per microlitre on a scale
that lists it, kelvin to a parser).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from fractions import Fraction
from typing import Literal, get_args

from . import ucum
from .errors import did_you_mean
from .truth import Truth, both, negate

Op = Literal["below", "at_most", "above", "at_least", "equals"]
Comparator = Literal["", "<", "<=", ">", ">="]

_QUANTITY = re.compile(
    r"""(?P<comparator><=|>=|<|>|≤|≥|) \s*
        (?: 1 \s* : \s* (?P<titre>[0-9]+) | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?) )
        (?: \s+ (?P<unit>(?:10[*^]|1/|1$|[^\W\d_]|[%\[{/(°]).*)
          | (?![eE][+-]?[0-9]) (?P<close>/?(?:[^\W\d_]|[%\[{°]).*) )?""",
    re.VERBOSE,
)
_COMPARATORS: Mapping[str, Comparator] = {"": "", "<": "<", "<=": "<=", "≤": "<=", ">": ">", ">=": ">=", "≥": ">="}
_UNITLESS = re.compile(r"1|\{[^{}]*\}")
_TITRE = "{titer}"


class UnitError(ValueError):
    """A unit in which a thing is not measured."""


class Impossible(ValueError):
    """A value that the thing measured cannot have."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number known to lie between two; None is no bound, `low_open` and `high_open` leave the bound itself out.

    >>> str(Interval(Fraction(3), Fraction(5))), str(bound("<", Fraction(20))), str(Interval.exactly(Fraction("8.25")))
    ('3 to 5', '< 20', '8.25')
    """

    low: Fraction | None
    high: Fraction | None
    low_open: bool = False
    high_open: bool = False

    def __post_init__(self) -> None:
        if self.low is None or self.high is None:
            return
        if self.low > self.high or (self.low == self.high and (self.low_open or self.high_open)):
            raise ValueError(f"no number lies between {show(self.low)} and {show(self.high)}")

    @classmethod
    def exactly(cls, number: Fraction) -> Interval:
        """Return the interval of that one number."""
        return cls(number, number)

    @property
    def exact(self) -> bool:
        """Whether the number itself is known."""
        return self.low is not None and self.low == self.high

    def __str__(self) -> str:
        low = "" if self.low is None else f"{'>' if self.low_open else '>='} {show(self.low)}"
        high = "" if self.high is None else f"{'<' if self.high_open else '<='} {show(self.high)}"
        if self.low is None or self.high is None:
            return low or high or "any number"
        if self.exact:
            return show(self.low)
        if not (self.low_open or self.high_open):
            return f"{show(self.low)} to {show(self.high)}"
        return f"{low} and {high}"


def bound(comparator: Comparator, number: Fraction) -> Interval:
    """Return what is known of a number that is reported with a comparator.

    >>> bound(">=", Fraction(5))
    Interval(low=Fraction(5, 1), high=None, low_open=False, high_open=False)
    """
    if not comparator:
        return Interval.exactly(number)
    if comparator in ("<", "<="):
        return Interval(None, number, high_open=comparator == "<")
    return Interval(number, None, low_open=comparator == ">")


def compare(value: Interval, op: Op, threshold: Fraction) -> Truth:
    """Return whether the value is below, at_most, above, at_least the threshold or equals it; None where not settled.

    >>> compare(Interval.exactly(Fraction(50)), "below", Fraction(50))
    False
    >>> compare(bound("<", Fraction(20)), "below", Fraction(20))
    True
    >>> compare(bound("<", Fraction(20)), "above", Fraction(10)) is None
    True
    """
    if op == "above":
        return negate(compare(value, "at_most", threshold))
    if op == "at_least":
        return negate(compare(value, "below", threshold))
    low, high = value.low, value.high
    if op == "below":
        if low is not None and low >= threshold:
            return False
        return True if high is not None and (high < threshold or (high == threshold and value.high_open)) else None
    if op == "at_most":
        if high is not None and high <= threshold:
            return True
        return False if low is not None and (low > threshold or (low == threshold and value.low_open)) else None
    if op == "equals":
        return both([compare(value, "at_least", threshold), compare(value, "at_most", threshold)])
    raise ValueError(f"'{op}' is no comparison; expected {', '.join(get_args(Op))}")


def between(value: Interval, low: Fraction, high: Fraction) -> Truth:
    """Return whether the value is at least low and at most high.

    >>> between(Interval.exactly(Fraction(18)), Fraction(18), Fraction(70))
    True
    """
    if low > high:
        raise ValueError(f"nothing is between {show(low)} and {show(high)}")
    return both([compare(value, "at_least", low), compare(value, "at_most", high)])


def outside(value: Interval, possible: Interval) -> bool:
    """Return whether a value cannot be: a bound of it lies outside what is possible, or nothing possible lies within it.

    >>> above = Interval(Fraction(0), None)
    >>> [outside(bound(sign, Fraction(number)), above) for sign, number in (("", 0), ("<", 0), (">=", -1), (">", 0))]
    [False, True, True, False]
    """
    ends = [end for end in (value.low, value.high) if end is not None]
    within = [end for end in ends if compare(possible, "below", end) is not True and compare(possible, "above", end) is not True]
    open_below = value.high_open and value.high is not None and value.high == possible.low
    open_above = value.low_open and value.low is not None and value.low == possible.high
    return len(within) < len(ends) or open_below or open_above


def parse_quantity(
    written: str | int | float | Decimal | Fraction, *, titre: bool = True
) -> tuple[Comparator, Fraction, str | None]:
    """Return comparator, number and unit of a quantity as written; of a titre ("1:80"), its reciprocal.

    A float is taken as the decimal that it is written with. Raises `ValueError` for what is no finite number ("nan",
    "1,200"), and without `titre` for a titre.

    >>> parse_quantity("<20 [IU]/mL")
    ('<', Fraction(20, 1), '[IU]/mL')
    >>> parse_quantity("1:80"), parse_quantity(8.25)
    (('', Fraction(80, 1), None), ('', Fraction(33, 4), None))
    """
    if isinstance(written, Fraction):
        return "", written, None
    found = None if isinstance(written, bool) else _QUANTITY.fullmatch(str(written).strip())
    if found is None or (found["titre"] and int(found["titre"]) == 0):
        raise ValueError(f"'{written}' is no quantity; expected a number and a unit, such as 22 10*9/L, <20 % or 1:80")
    number, unit = Fraction(found["titre"] or found["number"]), found["unit"] or found["close"]
    if found["titre"] and not titre:
        raise ValueError(f"'{written}' is a titre, and the quantity is none; expected a number and a unit")
    return _COMPARATORS[found["comparator"]], number, unit


def show(number: Fraction) -> str:
    """Return the shortest exact decimal, or "about" and six significant digits where there is none.

    >>> show(Fraction("8.250")), show(Fraction(1000)), show(Fraction(2, 3))
    ('8.25', '1000', 'about 0.666667')
    """
    places = _decimal_places(number.denominator)
    if places is None:
        context = Context(prec=6)
        rounded = context.divide(Decimal(number.numerator), Decimal(number.denominator))
        return f"about {format(rounded.normalize(context), 'f')}"
    digits = str(abs(number.numerator) * 10**places // number.denominator).zfill(places + 1)
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if number < 0 else "") + (f"{whole}.{part}" if part else whole)


def _decimal_places(denominator: int) -> int | None:
    """Return how many decimal places a lowest fraction with this denominator needs; None where it never ends."""
    counts = []
    for prime in (2, 5):
        count = 0
        while denominator % prime == 0:
            denominator, count = denominator // prime, count + 1
        counts.append(count)
    return max(counts) if denominator == 1 else None


@dataclass(frozen=True, slots=True)
class Scale:
    """A way of measuring: canonical unit, further units with (factor, offset), and named grades with their numbers.

    canonical = number * factor + offset, exactly. A canonical unit that is "1" or an annotation ("{score}") may be left
    out. Raises `ValueError` for a factor that is not above 0.

    >>> cells = Scale("cells", "10*9/L", {"K/uL": (Fraction(1), Fraction(0)), "/uL": (Fraction(1, 1000), Fraction(0))})
    >>> cells.to_canonical(Fraction(22), "K/uL"), str(cells.read("<50000 /uL"))
    (Fraction(22, 1), '< 50')
    >>> Scale("who_class", "1", grades={"III": Fraction(3)}).read("III").low
    Fraction(3, 1)
    """

    name: str
    unit: str
    factors: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict, hash=False)
    grades: Mapping[str, Fraction] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for unit, (factor, _) in self.factors.items():
            if factor <= 0:
                raise ValueError(f"scale {self.name}: the factor of '{unit}' must be above 0, not {show(factor)}")

    @property
    def units(self) -> tuple[str, ...]:
        """The units accepted as they stand, the canonical one first."""
        return (self.unit, *(unit for unit in self.factors if unit != self.unit))

    @property
    def unitless(self) -> bool:
        """Whether a number may stand without a unit."""
        return _UNITLESS.fullmatch(self.unit) is not None

    @property
    def titre(self) -> bool:
        """Whether a value may be written as a titre (1:80): the scale takes UCUM's annotation for one."""
        return _TITRE in self.units

    def to_canonical(self, number: Fraction, unit: str | None) -> Fraction:
        """Return the number in the canonical unit. Raises `UnitError`, which says what was expected.

        >>> Scale("cells", "10*9/L").to_canonical(Fraction(22), "10x9/L")
        Traceback (most recent call last):
        pyscreen.quantities.UnitError: unit '10x9/L' is not accepted on scale cells; expected 10*9/L
        (did you mean '10*9/L'?): ...
        """
        factor, offset = self._conversion(unit)
        return number * factor + offset

    def read(self, written: str | int | float | Decimal | Fraction) -> Interval:
        """Return what a written grade or quantity says, in the canonical unit. Raises `ValueError` (`UnitError`)."""
        if isinstance(written, str) and written.strip() in self.grades:
            return Interval.exactly(self.grades[written.strip()])
        try:
            comparator, number, unit = parse_quantity(written, titre=self.titre)
        except ValueError as error:
            if not self.grades:
                raise
            hint = did_you_mean(str(written), self.grades)
            raise ValueError(f"{error}; or a grade: {', '.join(self.grades)}{hint}") from None
        return bound(comparator, self.to_canonical(number, unit))

    def _conversion(self, unit: str | None) -> tuple[Fraction, Fraction]:
        if unit is None:
            if self.unitless:
                return Fraction(1), Fraction(0)
            raise UnitError(f"a number on scale {self.name} needs a unit; expected {', '.join(self.units)}")
        if unit == self.unit:
            return Fraction(1), Fraction(0)
        if unit in self.factors:
            return self.factors[unit]
        if self.titre:
            raise self._refused(unit, "a titre has no unit")
        return self._from_library(unit), Fraction(0)

    def _from_library(self, unit: str) -> Fraction:
        """Return the factor of a unit that is not listed; "Mg" is refused where "mg" is listed."""
        try:
            factor = ucum.factor(unit, self.unit)
        except ucum.UnknownUnit as error:
            raise self._refused(unit, str(error)) from None
        for listed in self.units:
            if listed.casefold() == unit.casefold() and self._conversion(listed) != (factor, Fraction(0)):
                raise self._refused(unit, f"it means something else than '{listed}'")
        return factor

    def _refused(self, unit: str, reason: str) -> UnitError:
        hint = did_you_mean(unit, self.units)
        expected = f"expected {', '.join(self.units)}{hint}"
        return UnitError(f"unit '{unit}' is not accepted on scale {self.name}; {expected}: {reason}")
