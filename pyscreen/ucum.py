"""Exact factors between UCUM units, from the optional library `ucumvert` (with `pint`), imported only when asked for.

It is asked about units that no scale lists. What it cannot say exactly is refused, and so are conversions that only
look right: it takes [IU], [HPF] or an annotation such as {cells} for the number 1, an equivalent and an osmole for a
mole, a month for 30.4375 days, 1 mmol/mol for 0.1 %, and knows offsets (Cel) and logarithms (dB). Units with
annotations are refused; each other such unit, and each ratio of like to like, counts here as a kind of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import import_module
from typing import Any

_NUMBERS = {"_10", "percent", "ppth", "ppm", "ppb", "pptr"}
_KINDS = {"equivalents", "osmole"}
_CALENDAR = ("month", "year")
_INEXACT = "the library knows the factor only inexactly"
_NUMBER_WITH_POWER = re.compile(r"(?:^|[./(])[0-9]+[+-]")


class UnknownUnit(ValueError):
    """A unit, or a conversion between two, that cannot be told exactly; the message says why."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """A unit as a number times powers of base units and of kinds of their own."""

    number: Fraction
    powers: Counter[str]


def factor(source: str, target: str) -> Fraction:
    """Return the exact number of target units in one source unit. Raises `UnknownUnit` where there is none to be told.

    >>> factor("mg/dL", "g/L")
    Fraction(1, 100)
    >>> factor("[IU]/mL", "/mL")
    Traceback (most recent call last):
    pyscreen.ucum.UnknownUnit: '[IU]/mL' and '/mL' do not measure the same
    """
    one, other = _meaning(source), _meaning(target)
    if one.powers != other.powers:
        raise UnknownUnit(f"'{source}' and '{target}' do not measure the same")
    return one.number / other.number


@cache
def _meaning(unit: str) -> _Meaning:
    """Return what a unit means. The library would drop annotations, and read 10+3, which is no UCUM, as 1000."""
    if "{" in unit:
        raise UnknownUnit(f"what '{unit}' means is only written in its annotation")
    if _NUMBER_WITH_POWER.search(unit):
        raise UnknownUnit(f"'{unit}' is no UCUM unit: a power of ten is written 10*3")
    read = _library()
    try:
        return _sum(read(unit))
    except UnknownUnit:
        raise
    except Exception as error:  # the library raises errors of many kinds, its parser's, pint's and Python's own
        raise UnknownUnit(f"'{unit}' is no UCUM unit that can be read") from error


def _sum(quantity: Any) -> _Meaning:
    """Return the meaning of the library's quantity: its number, times the meanings of its units."""
    number, powers, above = _exact(quantity.magnitude), Counter[str](), Counter[str]()
    for atom, power in quantity.unit_items():
        part = _atom(quantity._REGISTRY, atom)
        number *= part.number ** _whole(power)
        for base, exponent in part.powers.items():
            powers[base] += exponent * _whole(power)
            above[f"{base} in {base}"] += max(exponent * _whole(power), 0)
    left = Counter({base: power for base, power in powers.items() if power})
    return _Meaning(number, left or Counter({ratio: power for ratio, power in above.items() if power}))


def _atom(registry: Any, atom: str) -> _Meaning:
    """Return the meaning of one unit of the library, in base units or as a kind of its own."""
    _, name, _ = registry.parse_unit_name(atom)[0]
    try:
        root = registry.Quantity(1, atom).to_root_units()
    except TypeError:  # a logarithm; where NumPy is installed, the library's takes no fractions
        raise UnknownUnit(_INEXACT) from None
    bases = Counter({base: _whole(power) for base, power in root.unit_items() if base != "radian"})
    if name in _NUMBERS or (bases and not _is_kind(name) and _proportional(registry, atom)):
        return _Meaning(_exact(root.magnitude), bases)
    return _Meaning(_exact(registry.Quantity(1, atom).to(name).magnitude), Counter({name: 1}))


def _is_kind(name: str) -> bool:
    return name in _KINDS or (name.endswith(_CALENDAR) and name != "light_year")


def _proportional(registry: Any, atom: str) -> bool:
    """Whether twice the number is twice as much: not so for offsets and logarithms."""
    one, two = (registry.Quantity(number, atom).to_root_units().magnitude for number in (1, 2))
    return bool(two == 2 * one)


def _exact(number: object) -> Fraction:
    if isinstance(number, int | Fraction):
        return Fraction(number)
    if number == 1.0:  # what becomes of an exact 1 in the library's divisions
        return Fraction(1)
    raise UnknownUnit(_INEXACT)


def _whole(power: Any) -> int:
    if power != int(power):
        raise UnknownUnit("a root of a unit is no unit")
    return int(power)


@cache
def _library() -> Callable[[str], Any]:
    """Return the library's reader of UCUM text. Raises `UnknownUnit` where it is not installed."""
    try:
        ucumvert = import_module("ucumvert")
    except ImportError:
        raise UnknownUnit("units that are not listed need the package 'pyscreen[units]'") from None
    registry = ucumvert.PintUcumRegistry(non_int_type=Fraction)
    parser, transformer = ucumvert.get_ucum_parser(), ucumvert.UcumToPintTransformer(ureg=registry)

    def read(unit: str) -> Any:
        return transformer.transform(ucumvert.parse_ucum(unit, parser))

    return read
