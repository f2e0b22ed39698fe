"""Doses as they are written ("30 mg/d", "15 mg/wk", "500 mg twice daily"), exactly, as an amount a day."""

from __future__ import annotations

import re
from fractions import Fraction

from .errors import did_you_mean
from .record import Dose

_EXPECTED = "expected a dose such as '30 mg/d', '1 mg/kg/d', '15 mg/wk' or '500 mg twice daily'"
_DOSE = re.compile(r"(?P<amount>[0-9]{1,20}(?:\.[0-9]{1,18})?) *(?P<unit>[^\s0-9]\S*(?: \S+)*)?")
_UNITS = {
    "mg": ("mg", Fraction(1)),
    "g": ("mg", Fraction(1000)),
    **dict.fromkeys(("ug", "mcg", "µg", "μg"), ("mg", Fraction(1, 1000))),
    "[IU]": ("[IU]", Fraction(1)),
    "k[IU]": ("[IU]", Fraction(1000)),
}
_COMMON_UNITS = ("mg/d", "mg/kg/d", "mg/wk", "g/d", "ug/d")
_COMMON_FREQUENCIES = ("daily", "twice daily", "three times daily", "weekly", "every other day", "every 2 weeks")
_PER = {"kg": "/kg", "m2": "/m2"}
_DAYS = {"h": Fraction(1, 24), "d": Fraction(1), "wk": Fraction(7)}
_WORDS = {
    **dict.fromkeys(("h", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("wk", "week", "weeks"), "wk"),
}
_TIMES = {"once": 1, "twice": 2, "three times": 3, "four times": 4}
_HOW_OFTEN = (
    "expected how often: daily, twice daily, weekly, every other day, every 2 weeks, 1/d or 1/wk "
    "(a month is no exact number of days: write every 4 weeks)"
)
_TIMES_PER = re.compile(
    r"(?:(?P<times>once|twice|three times|four times|[0-9]{1,2} times) )?(?:daily|weekly|(?:a|per) (?:day|week))"
)
_EVERY = re.compile(r"every (?:(?P<other>other) )?(?:(?P<number>[0-9]{1,3}) )?(?P<unit>hours?|days?|weeks?)")
_UCUM = re.compile(r"(?P<times>[0-9]{1,3})?/(?:(?P<unit>h|d|wk)|\((?P<number>[0-9]{1,3})\.(?P<units>h|d|wk)\))")


def parse_frequency(text: str) -> Fraction:
    """Return how many times a day; raise ValueError for what is not exact (monthly, as needed).

    >>> [str(parse_frequency(text)) for text in ("twice daily", "weekly", "every 8 hours", "1/(2.wk)")]
    ['2', '1/7', '3', '1/14']
    """
    words = " ".join(text.split())
    for pattern, rate in ((_TIMES_PER, _times_per), (_EVERY, _every), (_UCUM, _ucum)):
        found = pattern.fullmatch(words)
        if found and (value := rate(found)):
            return value
    raise ValueError(f"'{words}' is no exact frequency; {_HOW_OFTEN}{did_you_mean(words, _COMMON_FREQUENCIES)}")


def _times_per(found: re.Match[str]) -> Fraction:
    times = found["times"] or "once"
    number = _TIMES[times] if times in _TIMES else int(times.split()[0])
    return Fraction(number, 7 if found[0].endswith(("weekly", "week")) else 1)


def _every(found: re.Match[str]) -> Fraction | None:
    number = int(found["number"] or (2 if found["other"] else 1))
    if not number or (found["other"] and found["number"]):
        return None
    return 1 / (number * _DAYS[_WORDS[found["unit"]]])


def _ucum(found: re.Match[str]) -> Fraction | None:
    times, number = int(found["times"] or 1), int(found["number"] or 1)
    return times / (number * _DAYS[found["unit"] or found["units"]]) if times and number else None


def parse_dose(dose: str | int | float, unit: str | None = None, frequency: str | None = None) -> Dose:
    """Return the amount a day in `mg/d`, `mg/kg/d`, `mg/m2/d` or `[IU]/d`, exact; raise ValueError for anything else.

    >>> parse_dose("15 mg/wk")
    Dose(amount=Fraction(15, 7), unit='mg/d')
    >>> parse_dose(500, "mg", "twice daily")
    Dose(amount=Fraction(1000, 1), unit='mg/d')
    """
    found = _DOSE.fullmatch(str(dose).strip())
    if not found:
        raise ValueError(f"'{dose}' is no dose; {_EXPECTED}")
    written, _, often = (found["unit"] or "").partition(" ")
    if written and unit and written != unit:
        raise ValueError(f"the dose is in '{written}', but its unit is said to be '{unit}'")
    if often and frequency:
        raise ValueError(f"the frequency is said twice: '{often}' and '{frequency}'")
    factor, daily, rate = _unit(written or unit or "")
    times = _rate(rate, often or frequency)
    return Dose(Fraction(found["amount"]) * factor * times, daily)


def _unit(text: str) -> tuple[Fraction, str, Fraction | None]:
    """Return the factor to a canonical unit, that unit by the day, and how many times a day the text itself says."""
    if not text:
        raise ValueError(f"the dose has no unit; {_EXPECTED}")
    base, *per = text.split("/")
    rate = 1 / _DAYS[_WORDS[per.pop()]] if per and per[-1] in _WORDS else None
    if base not in _UNITS or len(per) > 1 or any(part not in _PER for part in per):
        raise ValueError(f"a dose cannot be in '{text}'; {_EXPECTED}{did_you_mean(text, _COMMON_UNITS)}")
    name, factor = _UNITS[base]
    return factor, f"{name}{''.join(_PER[part] for part in per)}/d", rate


def _rate(said: Fraction | None, frequency: str | None) -> Fraction:
    """Return how many times a day, as the unit or the frequency says; both may say it if they agree."""
    times = parse_frequency(frequency) if frequency else None
    if said is None and times is None:
        raise ValueError("how often is not said; write the dose by the day or week (30 mg/d, 15 mg/wk) or a frequency")
    if said is not None and times is not None and said != times:
        raise ValueError(f"the unit already says how often, and '{frequency}' says otherwise; leave one out")
    return said or times or Fraction(0)
