"""The algebra of tests: every summary and condition on small records, and that no answer goes beyond what the record says.

`Known` answers a test on a record in which everything is known and complete, in two-valued logic, the plain way. An answer on an open
record is right when no completion of the record answers otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyscreen.answers import Answer, answer
from pyscreen.dates import Duration, When, shift
from pyscreen.questions import Comparison, Condition, Selection, Test
from pyscreen.record import Dose, Measurement, Record, Therapy
from pyscreen.written import build
from randoms import DAY, ONE_DAY, WORDS, ago, completed, last_day, question, small_records, touching

# ---- the plain reference ---------------------------------------------------------------------------------------------


class Unsaid(Exception):
    """The completion itself leaves open what is asked: a conflict, or nothing to go by."""


@dataclass(frozen=True, eq=False)
class Thing:
    """One item of a fully known record: from `first` to `last` day, `ended` the first day after it."""

    concept: str
    present: bool
    first: date | None
    last: date | None = None
    ended: date | None = None
    stated: date | None = None
    clock: str = ""
    value: Fraction | None = None
    limits: tuple[Fraction | None, Fraction | None] = (None, None)
    method: str | None = None
    response: str | None = None
    reasons: tuple[str, ...] = ()
    parts: tuple[Therapy, ...] = ()


def number(value: Any) -> Fraction:
    assert value.low is not None
    assert value.low == value.high
    return value.low  # type: ignore[no-any-return]


def compared(value: Fraction, op: str, numbers: list[Fraction]) -> bool:
    return {
        "below": lambda: value < numbers[0],
        "at_most": lambda: value <= numbers[0],
        "above": lambda: value > numbers[0],
        "at_least": lambda: value >= numbers[0],
        "equals": lambda: value == numbers[0],
        "between": lambda: numbers[0] <= value <= numbers[1],
    }[op]()


def spanned(start: date, end: date, comparison: Comparison) -> bool:
    """Compare the time from one day to another: "at least D" is reached on the day that lies D after the start."""
    due = [shift(start, threshold.duration or Duration(0, "d")) for threshold in comparison.thresholds]
    return {
        "below": lambda: end < due[0],
        "at_most": lambda: end <= due[0],
        "above": lambda: end > due[0],
        "at_least": lambda: end >= due[0],
        "equals": lambda: end == due[0],
        "between": lambda: due[0] <= end <= due[1],
    }[comparison.op]()


class Known:
    """A fully known and complete record."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def truth(self, test: Test) -> bool:
        summary: Callable[[Test], bool] = getattr(self, f"_{test.summary}")
        return summary(test)

    # ---- items -------------------------------------------------------------------------------------------------------

    def things(self, selection: Selection) -> Iterator[Thing]:
        if selection.kind == "sex":
            yield Thing(selection.concept, self.record.sex == selection.concept, None)
        elif selection.kind == "measurement":
            for value in self.record.measurements:
                if value.concept == selection.concept and value.when and value.when.earliest <= DAY:
                    day = value.when.earliest
                    yield Thing(
                        value.concept, True, day, day, day + ONE_DAY, day, value.when.clock, number(value.value), (value.low, value.high), value.method
                    )  # fmt: skip
        elif selection.kind == "therapy":
            yield from self.courses(selection)
        else:
            yield from self.statements(selection)

    def statements(self, selection: Selection) -> Iterator[Thing]:
        for said in self.record.statements(selection.kind):
            if said.concept != selection.concept or said.planned or (said.when and said.when.earliest > DAY):
                continue
            first = said.when.earliest if said.when else None
            if selection.kind != "finding" or not said.present:
                ended = first + ONE_DAY if first else None
                yield Thing(said.concept, said.present, first, first, ended, first, method=said.method)
                continue
            assert first is not None
            stated = said.stated.earliest if said.stated else first
            if said.ongoing or (said.end and said.end.earliest > DAY):
                yield Thing(said.concept, True, first, DAY, None, DAY, method=said.method)
            elif said.end:
                last = said.end.earliest
                yield Thing(said.concept, True, first, last, last + ONE_DAY, stated, method=said.method)
            else:
                yield Thing(said.concept, True, first, stated, None, stated, method=said.method)

    def entries(self, selection: Selection) -> list[Therapy]:
        taken = [t for t in self.record.therapies if t.taken and not t.planned and t.concept in selection.members]
        local = [t for t in taken if t.route in WORDS.local_routes and WORDS.ancestors(t.concept) & WORDS.systemic]
        return [t for t in taken if t not in local and t.start and t.start.earliest <= DAY]

    def courses(self, selection: Selection) -> Iterator[Thing]:
        entries = self.entries(selection)
        fitting = [entry for entry in entries if self.fits(entry, selection)]
        left = list(fitting)
        while left:
            run = touching(left[0], fitting)
            left = [entry for entry in left if not any(entry is other for other in run)]
            chain = touching(run[0], entries)
            last = max(map(last_day, run))
            goes_on = any(entry.ongoing or (entry.end and entry.end.earliest > DAY) for entry in run)
            yield Thing(
                run[0].concept,
                True,
                min(entry.start.earliest for entry in run if entry.start),
                last,
                None if goes_on else last + ONE_DAY,
                response=response(run, chain),
                reasons=tuple(reason for entry in chain for reason in entry.reasons),
                parts=tuple(run),
            )

    def fits(self, entry: Therapy, selection: Selection) -> bool:
        for condition in selection.conditions:
            if condition.name == "route" and entry.route != condition.word:
                return False
            if condition.name == "dose":
                assert condition.comparison is not None
                amount = self.dose(entry, selection, condition.comparison.thresholds[0].unit)
                if not compared(amount, condition.comparison.op, [t.number for t in condition.comparison.thresholds]):
                    return False
        return True

    def dose(self, entry: Therapy, selection: Selection, unit: str) -> Fraction:
        assert entry.dose is not None
        assert entry.start is not None
        equivalents = WORDS.equivalents.get(selection.concept)
        amount = entry.dose.amount * (equivalents[1][entry.concept] if equivalents else 1)
        if entry.dose.unit == unit:
            return amount
        days = {m.when.earliest for m in self.record.measurements if m.concept == "weight" and m.when}
        if not days:
            raise Unsaid
        start = entry.start.earliest
        nearest = min(days, key=lambda day: (abs((day - start).days), day))
        weights = {number(m.value) for m in self.record.measurements if m.concept == "weight" and m.when and m.when.earliest == nearest}
        if len(weights) > 1:
            raise Unsaid
        weight = weights.pop()
        return amount / weight if unit == "mg/kg/d" else amount * weight

    # ---- conditions --------------------------------------------------------------------------------------------------

    def matched(self, selection: Selection) -> list[Thing]:
        return [thing for thing in self.things(selection) if all(self.holds(thing, c, selection) for c in selection.conditions)]

    def holds(self, thing: Thing, condition: Condition, selection: Selection) -> bool:
        if condition.name in ("newest", "dose", "route"):
            return True
        check: Callable[[Thing, Condition, str], bool] = getattr(self, f"_is_{condition.name}")
        return check(thing, condition, selection.kind)

    def _is_within(self, thing: Thing, condition: Condition, kind: str) -> bool:
        assert condition.duration is not None
        anchor = self.anchor(condition.selection) if condition.selection else DAY
        first = shift(anchor, condition.duration, -1)
        if kind in ("finding", "therapy") and thing.present:
            assert thing.first is not None
            assert thing.last is not None
            return thing.first <= DAY and thing.last >= first and first <= DAY
        if thing.first is None:
            raise Unsaid
        return first <= thing.first <= DAY

    def anchor(self, selection: Selection) -> date:
        said = self.record.statements(selection.kind)
        planned = [
            s.when.earliest
            for s in said
            if s.concept == selection.concept and s.present and s.when and s.when.earliest >= DAY
        ]
        if planned:
            return min(planned)
        return max((thing.first for thing in self.matched(selection) if thing.present and thing.first), default=DAY)

    def _is_ongoing(self, thing: Thing, _condition: Condition, _kind: str) -> bool:
        return thing.present and thing.last is not None and thing.last >= DAY

    def _is_lasting(self, thing: Thing, condition: Condition, _kind: str) -> bool:
        assert condition.comparison is not None
        if thing.first is None or not thing.present:
            raise Unsaid
        return spanned(thing.first, thing.ended or DAY, condition.comparison)

    def _is_outcome(self, thing: Thing, condition: Condition, _kind: str) -> bool:
        if thing.response is None:
            raise Unsaid
        return thing.response in WORDS.outcomes[condition.word]

    def _is_for(self, thing: Thing, condition: Condition, _kind: str) -> bool:
        if not thing.reasons:
            raise Unsaid
        return condition.word in thing.reasons

    def _is_method(self, thing: Thing, condition: Condition, _kind: str) -> bool:
        return thing.method == condition.word

    def _is_value(self, thing: Thing, condition: Condition, _kind: str) -> bool:
        assert condition.comparison is not None
        return self.meets(thing, condition.comparison)

    def _is_age(self, thing: Thing, condition: Condition, _kind: str) -> bool:
        assert condition.comparison is not None
        assert self.record.birth is not None
        if thing.first is None:
            raise Unsaid
        return spanned(self.record.birth.earliest, thing.first, condition.comparison)

    def _is_after(self, thing: Thing, condition: Condition, _kind: str) -> bool:
        assert condition.selection is not None
        firsts = [other.first for other in self.matched(condition.selection) if other.present]
        if thing.first is None:
            raise Unsaid
        return any(first is not None and thing.first > first for first in firsts)

    def _is_near(self, thing: Thing, condition: Condition, _kind: str) -> bool:
        assert condition.selection is not None
        assert condition.duration is not None
        if thing.first is None:
            raise Unsaid
        firsts = [other.first for other in self.matched(condition.selection) if other.present]
        return any(max(thing.first, first) <= shift(min(thing.first, first), condition.duration) for first in firsts if first)

    def _is_with(self, thing: Thing, condition: Condition, _kind: str) -> bool:
        assert condition.selection is not None
        for other in self.matched(condition.selection):
            same = any(part is own for part in other.parts for own in thing.parts)
            if same or not other.present or None in (thing.first, thing.last, other.first, other.last):
                continue
            assert thing.first and thing.last and other.first and other.last  # noqa: PT018
            begin, end = max(thing.first, other.first), min(thing.last, other.last)
            if begin > end:
                continue
            if condition.comparison is None:
                return True
            go_on = thing.ended is None and other.ended is None
            if spanned(begin, DAY if go_on else end + ONE_DAY, condition.comparison):
                return True
        return False

    def meets(self, thing: Thing, comparison: Comparison) -> bool:
        numbers = []
        for threshold in comparison.thresholds:
            limit = {"": Fraction(1), "[LLN]": thing.limits[0], "[ULN]": thing.limits[1]}[threshold.limit]
            if limit is None:
                raise Unsaid
            numbers.append(threshold.number * limit)
        assert thing.value is not None
        return compared(thing.value, comparison.op, numbers)

    # ---- summaries ---------------------------------------------------------------------------------------------------

    def _some(self, test: Test) -> bool:
        return any(thing.present for thing in self.matched(test.selection))

    def _latest(self, test: Test) -> bool:
        states = []
        for thing in self.matched(test.selection):
            if thing.present and thing.last and thing.last < DAY and thing.ended and test.selection.kind == "finding":
                thing = replace(thing, present=False, stated=thing.last)
            states.append(thing)
        if any(thing.stated is None for thing in states) or not states:
            raise Unsaid
        last = self.last(states, test)
        if test.comparison.op in ("present", "absent"):
            return agreed(thing.present is (test.comparison.op == "present") for thing in last)
        if test.argument in ("lowest", "highest"):
            return self.extreme(last, str(test.argument), test.comparison)
        return agreed(self.meets(thing, test.comparison) for thing in last)

    def last(self, things: list[Thing], test: Test) -> list[Thing]:
        """Return what may be the last item: those of the last day, by the clock where all of them have one."""
        day = max(thing.stated for thing in things if thing.stated)
        newest = test.selection.condition("newest")
        if newest:
            assert newest.duration is not None
            if day < shift(DAY, newest.duration, -1):
                raise Unsaid
        found = [thing for thing in things if thing.stated == day]
        if all(thing.clock for thing in found):
            clock = max(thing.clock for thing in found)
            found = [thing for thing in found if thing.clock == clock]
        if test.argument not in ("lowest", "highest"):
            refuse_clash(found)
        return found

    def extreme(self, things: list[Thing], which: str, comparison: Comparison) -> bool:
        pick = min if which == "lowest" else max
        if any(threshold.limit for threshold in comparison.thresholds):
            met = [self.meets(thing, comparison) for thing in things]
            if comparison.op in ("equals", "between"):
                return agreed(met)
            return any(met) if (which == "lowest") is (comparison.op in ("below", "at_most")) else all(met)
        value = pick(thing.value for thing in things if thing.value is not None)
        return compared(value, comparison.op, [threshold.number for threshold in comparison.thresholds])

    def _lowest(self, test: Test) -> bool:
        things = self.matched(test.selection)
        if not things:
            raise Unsaid
        return self.extreme(things, test.summary, test.comparison)

    _highest = _lowest

    def _earliest(self, test: Test) -> bool:
        things = self.matched(test.selection)
        if not things:
            raise Unsaid
        day = min(thing.first for thing in things if thing.first)
        first = [thing for thing in things if thing.first == day]
        refuse_clash(first)
        return agreed(self.meets(thing, test.comparison) for thing in first)

    def by_day(self, test: Test) -> list[list[Thing]]:
        things = self.matched(test.selection)
        anyhow = replace(test, selection=replace(test.selection, conditions=()))
        days = sorted({thing.first for thing in things if thing.first}, reverse=True)
        return [self.last([thing for thing in things if thing.first == day], anyhow) for day in days]

    def recent(self, day: list[Thing], test: Test) -> bool:
        newest = test.selection.condition("newest")
        if newest is None:
            return True
        assert newest.duration is not None
        assert day[0].first is not None
        return day[0].first >= shift(DAY, newest.duration, -1)

    def _each_of_latest(self, test: Test) -> bool:
        days = self.by_day(test)
        if not days or not self.recent(days[0], test):
            raise Unsaid
        met = [agreed(self.meets(thing, test.comparison) for thing in day) for day in days[: int(test.argument)]]
        if all(met) and len(days) < int(test.argument):
            raise Unsaid
        return all(met)

    def _consecutive(self, test: Test) -> bool:
        days = self.by_day(test)
        size = int(test.argument)
        runs = [days[i : i + size] for i in range(len(days) - size + 1)]
        return any(
            self.recent(run[0], test) and all(agreed(self.meets(t, test.comparison) for t in day) for day in run) for run in runs
        )

    def _count(self, test: Test) -> bool:
        things = [thing for thing in self.matched(test.selection) if thing.present]
        if test.argument == "drugs":
            found: set[Any] = {thing.concept for thing in things}
        elif test.argument == "classes":
            children = WORDS.children(test.selection.concept)
            found = {child for thing in things for child in children & WORDS.ancestors(thing.concept)}
        else:
            found = {(thing.concept, thing.first) for thing in things}
        return compared(Fraction(len(found)), test.comparison.op, [t.number for t in test.comparison.thresholds])

    def _daily_dose(self, test: Test) -> bool:
        unit = test.comparison.thresholds[0].unit
        now = [part for thing in self.matched(test.selection) for part in thing.parts if last_day(part) >= DAY]
        total = sum((self.dose(part, test.selection, unit) for part in now), Fraction(0))
        return compared(total, test.comparison.op, [t.number for t in test.comparison.thresholds])

    def _unchanged(self, test: Test) -> bool:
        duration = test.comparison.thresholds[0].duration
        assert duration is not None
        since = shift(DAY, duration, -1)
        parts = [part for thing in self.matched(test.selection) for part in thing.parts]
        return all(self.began_by(part, parts, since) and self.goes_on(part, parts, since) for part in parts)

    def began_by(self, part: Therapy, parts: list[Therapy], since: date) -> bool:
        assert part.start is not None
        return part.start.earliest <= since or any(renewed(other, part) for other in parts)

    def goes_on(self, part: Therapy, parts: list[Therapy], since: date) -> bool:
        last = last_day(part)
        return last >= DAY or last + ONE_DAY <= since or any(renewed(part, other) for other in parts)

    def _time_since(self, test: Test) -> bool:
        days = [thing.first for thing in self.matched(test.selection) if thing.present]
        if not days or None in days:
            raise Unsaid
        known = [day for day in days if day]
        return spanned(min(known) if test.selection.kind == "finding" else max(known), DAY, test.comparison)

    def _time_between(self, test: Test) -> bool:
        days = [thing.first for thing in self.matched(test.selection) if thing.present]
        if len(days) < 2 or None in days:
            raise Unsaid
        known = [day for day in days if day]
        return spanned(min(known), max(known), test.comparison)

    def _fall(self, test: Test) -> bool:
        days = self.by_day(test)
        if len(days) < 2 or not self.recent(days[0], test):
            raise Unsaid
        falling = test.summary.endswith("fall")
        earlier = {"previous": days[1:2], "extreme": days[1:]}.get(str(test.argument), days[-1:])
        ends = [[self.only(day)] for day in earlier]
        before = (max if falling else min)(value for day in ends for value in day)
        now = self.only(days[0])
        amount = before - now if falling else now - before
        if test.summary.startswith("relative"):
            if before <= 0:
                raise Unsaid
            amount = 100 * amount / before
        return compared(amount, test.comparison.op, [t.number for t in test.comparison.thresholds])

    _rise = _relative_fall = _relative_rise = _fall

    def only(self, day: list[Thing]) -> Fraction:
        values = {thing.value for thing in day if thing.value is not None}
        if len(values) != 1:
            raise Unsaid
        return values.pop()


def refuse_clash(things: list[Thing]) -> None:
    """Two different values of one instant and method are a conflict."""
    for one in things:
        for other in things:
            same = (one.clock, one.method) == (other.clock, other.method)
            if same and (one.value, one.present) != (other.value, other.present):
                raise Unsaid


def agreed(truths: Iterator[bool] | list[bool]) -> bool:
    found = set(truths)
    if len(found) != 1:
        raise Unsaid
    return found.pop()


def response(run: list[Therapy], chain: list[Therapy]) -> str | None:
    """Return the last response in a course, else the next one after it without a gap."""
    told = [entry for entry in run if entry.response]
    begun = max(entry.start.earliest for entry in run if entry.start)
    if told:
        last = max(entry.start.earliest for entry in told if entry.start)
        told = [entry for entry in told if entry.start and entry.start.earliest == last]
    else:
        later = [entry for entry in chain if entry.response and entry.start and entry.start.earliest >= begun]
        first = min((entry.start.earliest for entry in later if entry.start), default=begun)
        told = [entry for entry in later if entry.start and entry.start.earliest == first]
    found = {entry.response for entry in told}
    return found.pop() if len(found) == 1 else None


def renewed(before: Therapy, after: Therapy) -> bool:
    assert before.start and after.start  # noqa: PT018
    if before.concept != after.concept or before.ongoing or before.end is None or before.dose != after.dose:
        return False
    if before.start.earliest >= after.start.earliest:
        return False
    return after.start.earliest <= before.end.earliest + ONE_DAY


# ---- no answer goes beyond the record ----------------------------------------------------------------------------------

_WINDOWS = ("7 d", "28 d", "1 mo", "12 wk")
_VALUE = st.builds(lambda op, v: f'{op}("{v}")', st.sampled_from(("below", "at_most", "above", "at_least", "equals")), st.sampled_from(("30 10*9/L", "50 10*9/L", "1 [LLN]", "1 [ULN]"))) | st.just(
    'between("20 10*9/L","30 10*9/L")'
)
_PLAIN = st.builds(lambda op, v: f'{op}("{v} 10*9/L")', st.sampled_from(("below", "at_least", "above")), st.sampled_from((0, 1, 10, 30)))
_LENGTH = st.builds(lambda op, v: f'{op}("{v}")', st.sampled_from(("below", "at_most", "above", "at_least")), st.sampled_from(("1 d", "3 d", "7 d", "28 d", "1 mo", "12 wk")))
_DOSE = st.builds(lambda op, v: f'{op}("{v}")', st.sampled_from(("below", "at_most", "above", "at_least", "equals")), st.sampled_from(("30 mg/d", "5 mg/d", "60 mg/d", "1 mg/kg/d")))
_DRUGS = st.sampled_from(("therapy(prednisone)", "therapy(steroid)", "therapy(steroid)", "therapy(suppressant)", "therapy(except(suppressant,purine))", "therapy(azathioprine)"))
_SELECTIONS: dict[str, tuple[str, ...]] = {
    "pulse": ("therapy(prednisone)", 'dose(at_least("30 mg/d"))', 'lasting(at_least("3 d"))'),
    "low_count": ("measurement(platelets)", 'value(below("30 10*9/L"))'),
    "late_relapse": ("event(relapse)", 'within("28 d")'),
}
_OTHERS = st.sampled_from(("steroid", "azathioprine", "pulse", "low_count", "event(relapse)", "finding(rash)", "late_relapse"))
_ANCHORS = st.sampled_from(("event(depletion)", "procedure(transplant)", "late_relapse"))


def _within() -> st.SearchStrategy[str]:
    return st.sampled_from(_WINDOWS).map(lambda w: f'within("{w}")') | st.builds(lambda w, a: f'within("{w}",{a})', st.sampled_from(_WINDOWS), _ANCHORS)


def _related() -> st.SearchStrategy[str]:
    return (
        _OTHERS.map(lambda other: f"after({other})")
        | _OTHERS.map(lambda other: f"with({other})")
        | st.builds(lambda other, length: f"with({other},{length})", _OTHERS, _LENGTH)
        | st.builds(lambda other, window: f'near({other},"{window}")', _OTHERS, st.sampled_from(_WINDOWS))
        | st.sampled_from(('age(at_least("40 a"))', 'age(below("40 a"))'))
    )


_CONDITIONS: dict[str, st.SearchStrategy[str]] = {
    "measurement": _within() | _related() | _VALUE.map(lambda v: f"value({v})") | st.just("method(elisa)"),
    "finding": _within() | _related() | st.just("ongoing"),
    "therapy": _within() | _related() | st.just("ongoing") | _LENGTH.map(lambda v: f"lasting({v})") | _DOSE.map(lambda v: f"dose({v})") | st.sampled_from(("route(oral)", "outcome(failed)", "outcome(responded)", "for(rash)")),
    "event": _within() | _related(),
    "procedure": _within() | _related(),
    "judgement": _within(),
}
_COUNT = st.builds(lambda op, n: f"{op}({n})", st.sampled_from(("below", "at_most", "at_least", "equals")), st.sampled_from((1, 2)))
_PRESENT = st.just("present")


@st.composite
def _questions(draw: st.DrawFn) -> Test:
    """Draw a test over the small vocabulary: any summary, up to two conditions."""
    kind = draw(st.sampled_from(("measurement", "measurement", "therapy", "therapy", "finding", "event", "judgement")))
    summaries = {
        "measurement": (
            ("some", _PRESENT), ("latest", _VALUE), ("latest(lowest)", _VALUE), ("latest(highest)", _VALUE), ("earliest", _VALUE),
            ("lowest", _VALUE), ("highest", _VALUE), ("each_of_latest(2)", _VALUE), ("consecutive(2)", _VALUE), ("count", _COUNT),
            ("time_since", _LENGTH), ("time_between", _LENGTH), ("fall", _PLAIN), ("rise(extreme)", _PLAIN), ("fall(previous)", _PLAIN),
            ("relative_fall(extreme)", st.just('at_least("10 %")')),
        ),
        "therapy": (
            ("some", _PRESENT), ("some", _PRESENT), ("count", _COUNT), ("count(drugs)", _COUNT), ("count(classes)", _COUNT),
            ("daily_dose", _DOSE), ("unchanged", st.sampled_from(("7 d", "28 d")).map(lambda v: f'at_least("{v}")')),
        ),
        "finding": (("some", _PRESENT), ("latest", st.sampled_from(("present", "absent"))), ("count", _COUNT), ("time_since", _LENGTH)),
        "event": (("some", _PRESENT), ("count", _COUNT), ("time_since", _LENGTH), ("time_between", _LENGTH)),
        "judgement": (("latest", st.sampled_from(("present", "absent"))),),
    }  # fmt: skip
    summary, comparison = draw(st.sampled_from(summaries[kind]))
    items = draw({
        "measurement": st.just("measurement(platelets)"),
        "therapy": _DRUGS,
        "finding": st.just("finding(rash)"),
        "event": st.just("event(relapse)"),
        "judgement": st.just("judgement(fit)"),
    }[kind])  # fmt: skip
    conditions = draw(st.lists(_CONDITIONS[kind], max_size=2))
    newest = summary.split("(")[0] in ("latest", "each_of_latest", "consecutive", "fall", "rise")
    if newest and draw(st.booleans()):
        conditions.append(f'newest("{draw(st.sampled_from(_WINDOWS))}")')
    return question(items, summary, draw(comparison), *dict.fromkeys(conditions), **_SELECTIONS)


def selections(selection: Selection) -> Iterator[tuple[Selection, str]]:
    """Yield a selection and those that its conditions lean on, with the condition's name."""
    yield selection, ""
    for condition in selection.conditions:
        if condition.selection is not None:
            for inner, _ in selections(condition.selection):
                yield inner, condition.name


def addable(test: Test, record: Record) -> list[tuple[str, str]]:
    """Return kinds and concepts of which further items would not be news that overtakes what the test goes by.

    `latest`, the extremes and whatever needs the order of items go by the items recorded; a window is anchored on the items
    recorded. A concept that is denied, or of which the record is complete, has no further items.
    """
    found: dict[tuple[str, str], None] = {}
    anchors = {inner.concept for inner, name in selections(test.selection) if name == "within"}
    for inner, name in selections(test.selection):
        if name == "" and test.summary not in ("some", "count", "daily_dose", "unchanged"):
            continue
        if name == "within" or inner.concept in anchors or inner.kind in ("sex", "judgement"):
            continue
        for concept in sorted(inner.members) or [inner.concept]:
            if not closed(record, inner.kind, concept):
                found[inner.kind, concept] = None
    return list(found)


def closed(record: Record, kind: str, concept: str) -> bool:
    section = "therapies" if kind == "therapy" else f"{kind}s"
    if section in record.complete or concept in record.complete:
        return True
    if kind == "therapy":
        never = {t.concept for t in record.therapies if not t.taken}
        return bool(WORDS.ancestors(concept) & (never | record.complete))
    return kind != "measurement" and any(s.concept == concept and not s.present for s in record.statements(kind))


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(small_records(), _questions(), st.integers(0, 2**32))
def test_a_yes_or_no_holds_however_the_unknown_turns_out(record: Record, test: Test, seed: int) -> None:
    """Whatever is open - dates, ends, doses, responses, reasons, limits, further items - no completion answers otherwise."""
    given_answer = answer(record, [test], WORDS, DAY)[test.id]
    if given_answer.truth is None:
        return
    further = addable(test, record)
    choice = Random(seed)
    for _ in range(6):
        whole = completed(record, choice, further, keep_ends=test.summary == "latest")
        try:
            truth = Known(whole).truth(test)
        except Unsaid:
            continue
        assert given_answer.truth is truth, (given_answer, whole)


@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
@given(small_records(), _questions(), st.integers(0, 2**32))
def test_a_record_that_leaves_nothing_open_is_answered(record: Record, test: Test, seed: int) -> None:
    """Where everything is known there is an answer, and it is the plain one."""
    whole = completed(record, Random(seed))
    found = answer(whole, [test], WORDS, DAY)[test.id]
    try:
        truth = Known(whole).truth(test)
    except Unsaid:
        return
    assert found.truth is truth, found
