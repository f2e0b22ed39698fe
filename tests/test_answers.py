"""The algebra of tests: every summary and condition on small records, and that no answer goes beyond what the record says.

`Known` answers a test on a record in which everything is known and complete, in two-valued logic, the plain way. An answer on an open
record is right when no completion of the record answers otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyscreen.answers import Answer, answer
from pyscreen.dates import Duration, shift
from pyscreen.questions import Comparison, Condition, Selection, Test
from pyscreen.record import Record, Therapy
from pyscreen.written import build
from tests.randoms import DAY, ONE_DAY, WORDS, ago, completed, last_day, question, small_records, touching

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
                yield Thing(said.concept, True, first, last, last + ONE_DAY, max(stated, last), method=said.method)
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
        return not WORDS.members(condition.word).isdisjoint(thing.reasons)

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

    def _is_since(self, thing: Thing, condition: Condition, _kind: str) -> bool:
        assert condition.selection is not None
        firsts = [other.first for other in self.matched(condition.selection) if other.present]
        if thing.first is None or None in firsts:
            raise Unsaid
        return bool(firsts) and thing.first > max(first for first in firsts if first)

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
    assert before.dose and after.dose  # noqa: PT018
    if before.concept != after.concept or before.ongoing or before.end is None:
        return False
    if before.dose.unit != after.dose.unit:
        raise Unsaid
    if before.dose != after.dose:
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
        | _OTHERS.map(lambda other: f"since({other})")
        | _OTHERS.map(lambda other: f"with({other})")
        | st.builds(lambda other, length: f"with({other},{length})", _OTHERS, _LENGTH)
        | st.builds(lambda other, window: f'near({other},"{window}")', _OTHERS, st.sampled_from(_WINDOWS))
        | st.sampled_from(('age(at_least("40 a"))', 'age(below("40 a"))'))
    )


_CONDITIONS: dict[str, st.SearchStrategy[str]] = {
    "measurement": _within() | _related() | _VALUE.map(lambda v: f"value({v})") | st.just("method(elisa)"),
    "finding": _within() | _related() | st.just("ongoing"),
    "therapy": _within() | _related() | st.just("ongoing") | _LENGTH.map(lambda v: f"lasting({v})") | _DOSE.map(lambda v: f"dose({v})") | st.sampled_from(("route(oral)", "outcome(failed)", "outcome(responded)", "for(rash)", "for(skin)")),
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
    recorded, and what came since the latest of them goes by them. A concept that is denied, or of which the record is complete, has no further items.
    """
    found: dict[tuple[str, str], None] = {}
    fixed = {c for inner, name in selections(test.selection) if name in ("within", "since") for c in concepts(inner)}
    if test.summary not in ("some", "count", "daily_dose", "unchanged"):
        fixed |= concepts(test.selection)
    for inner, _ in selections(test.selection):
        for concept in sorted(concepts(inner) - fixed):
            if inner.kind not in ("sex", "judgement") and not closed(record, inner.kind, concept):
                found[inner.kind, concept] = None
    return list(found)


def concepts(selection: Selection) -> set[str]:
    return set(selection.members) or {selection.concept}


def closed(record: Record, kind: str, concept: str) -> bool:
    section = "therapies" if kind == "therapy" else f"{kind}s"
    if section in record.complete or concept in record.complete:
        return True
    if kind == "therapy":
        never = {t.concept for t in record.therapies if not t.taken}
        return bool(WORDS.ancestors(concept) & (never | record.complete))
    return kind != "measurement" and any(s.concept == concept and not s.present for s in record.statements(kind))


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
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


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
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


# ---- each summary and condition, by tables -----------------------------------------------------------------------------

MONTH_END = date(2026, 3, 31)


def asked(written: dict[str, Any], test: Test, on: date = DAY) -> Answer:
    """Answer one test on a record as it is written by hand."""
    return answer(build(written, WORDS), [test], WORDS, on)[test.id]


def counts(*rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Write platelet counts: value, date, and further fields."""
    return [
        {"quantity": "platelets", "value": row[0], **({"unit": "10*9/L"} if isinstance(row[0], int) else {})}
        | ({"date": str(row[1])} if len(row) > 1 and row[1] else {})
        | (row[2] if len(row) > 2 else {})
        for row in rows
    ]


def course(drug: str, start: Any = None, end: Any = None, **fields: Any) -> dict[str, Any]:
    days = {name: str(day) for name, day in (("start", start), ("end", end)) if day}
    return {"drug": drug, **days, **fields}


YES, NO, OPEN = True, False, None
LOW = ("measurement(platelets)", "latest", 'below("30 10*9/L")')

MEASURED = [
    # what the row shows, counts, test, answer
    ("nothing recorded is unknown, not no", counts(), LOW, OPEN),
    ("the latest value decides, not the lowest", counts((20, ago(9)), (40, ago(8))), LOW, NO),
    ("a value at the bound is not below it", counts((30, ago(1))), LOW, NO),
    ("a value after screening does not count", counts((40, ago(1)), (20, ago(-1))), LOW, NO),
    ("only values after screening are no values", counts((20, ago(-1))), LOW, OPEN),
    ("less than 20 is below 30", counts(("<20 10*9/L", ago(1))), LOW, YES),
    ("less than 20 is below 20", counts(("<20 10*9/L", ago(1))), (*LOW[:2], 'below("20 10*9/L")'), YES),
    ("less than 20 may be below 10 or not", counts(("<20 10*9/L", ago(1))), (*LOW[:2], 'below("10 10*9/L")'), OPEN),
    ("at most 20 may be below 20 or not", counts(("<=20 10*9/L", ago(1))), (*LOW[:2], 'below("20 10*9/L")'), OPEN),
    ("an undated value may be the latest", counts((20,), (40, ago(8))), LOW, OPEN),
    ("an undated value that agrees settles it too", counts((20,), (25, ago(8))), LOW, YES),
    ("two undated values that agree are no conflict", counts((20,), (25,)), LOW, YES),
    ("a value of that month may be the latest", counts((20, "2026-11"), (40, ago(8))), LOW, OPEN),
    ("a value of the month before is not", counts((20, "2026-10"), (40, ago(8))), LOW, NO),
    ("on one day the clock orders", counts((40, ago(8), {"time": "08:00"}), (20, ago(8), {"time": "08:01"})), LOW, YES),
    ("without a clock on both the order is open", counts((40, ago(8), {"time": "08:00"}), (20, ago(8))), LOW, OPEN),
    ("without a clock both may agree", counts((10, ago(8), {"time": "08:00"}), (20, ago(8))), LOW, YES),
    ("two different values at one instant answer nothing", counts((10, ago(8)), (20, ago(8))), LOW, OPEN),
    ("the same value twice is one", counts((10, ago(8)), (10, ago(8))), LOW, YES),
    ("of equally late values the lowest, if asked", counts((10, ago(8)), (40, ago(8))), (LOW[0], "latest(lowest)", LOW[2]), YES),
    ("of equally late values the highest, if asked", counts((10, ago(8)), (40, ago(8))), (LOW[0], "latest(highest)", LOW[2]), NO),
    ("an older value is not equally late", counts((10, ago(9)), (40, ago(8))), (LOW[0], "latest(lowest)", LOW[2]), NO),
    ("a value that may be as late may be the lowest", counts((10,), (40, ago(8))), (LOW[0], "latest(lowest)", LOW[2]), OPEN),
    ("newest: exactly so old is new enough", counts((20, ago(28))), (*LOW, 'newest("28 d")'), YES),
    ("newest: a day older is not", counts((20, ago(29))), (*LOW, 'newest("28 d")'), OPEN),
    ("newest: undated is not", counts((20,)), (*LOW, 'newest("28 d")'), OPEN),
    ("newest: a stale value is not denied by its number", counts((40, ago(29))), (*LOW, 'newest("28 d")'), OPEN),
    ("within: the first day is inside", counts((20, ago(7)), (40, ago(9))), (*LOW, 'within("7 d")'), YES),
    ("within: the day before is outside", counts((20, ago(8))), (*LOW, 'within("7 d")'), OPEN),
    ("within: the screening day is inside", counts((20, ago(0)), (40, ago(3))), (*LOW, 'within("7 d")'), YES),
    ("without the laboratory's limit a multiple of it is open", counts((20, ago(1))), (*LOW[:2], 'below("1 [LLN]")'), OPEN),
    ("with it, it is settled", counts((20, ago(1), {"low": "21"})), (*LOW[:2], 'below("1 [LLN]")'), YES),
    ("half the limit", counts((20, ago(1), {"low": "40"})), (*LOW[:2], 'below("0.5 [LLN]")'), NO),
    ("the upper limit is not the lower", counts((20, ago(1), {"low": "10"})), (*LOW[:2], 'above("1 [ULN]")'), OPEN),
    ("each value has its own limit", counts((20, ago(1), {"low": "10"}), (20, ago(2), {"low": "21"})), (LOW[0], "lowest", 'below("1 [LLN]")'), YES),
    ("lowest", counts((20, ago(9)), (40, ago(8))), (LOW[0], "lowest", LOW[2]), YES),
    ("highest", counts((20, ago(9)), (40, ago(8))), (LOW[0], "highest", LOW[2]), NO),
    ("lowest of bounds keeps the open end", counts(("<20 10*9/L", ago(9)), (40, ago(8))), (LOW[0], "lowest", 'below("20 10*9/L")'), YES),
    ("highest with a bound is open", counts((">20 10*9/L", ago(9)), (25, ago(8))), (LOW[0], "highest", LOW[2]), OPEN),
    ("earliest", counts((20, ago(9)), (40, ago(8))), (LOW[0], "earliest", LOW[2]), YES),
    ("between has both ends", counts((30, ago(1))), (*LOW[:2], 'between("30 10*9/L","50 10*9/L")'), YES),
    ("between ends there", counts((51, ago(1))), (*LOW[:2], 'between("30 10*9/L","50 10*9/L")'), NO),
    ("each of the latest two", counts((20, ago(9)), (25, ago(8)), (40, ago(10))), (LOW[0], "each_of_latest(2)", LOW[2]), YES),
    ("two on one day are one", counts((20, ago(9), {"time": "08:00"}), (25, ago(9), {"time": "09:00"})), (LOW[0], "each_of_latest(2)", LOW[2]), OPEN),
    ("the last of a day counts", counts((20, ago(9)), (40, ago(8), {"time": "08:00"}), (25, ago(8), {"time": "09:00"})), (LOW[0], "each_of_latest(2)", LOW[2]), YES),
    ("one that is not suffices for no", counts((40, ago(9))), (LOW[0], "each_of_latest(2)", LOW[2]), NO),
    ("an unclear day leaves it open", counts((20, ago(9)), (40, ago(8), {"time": "08:00"}), (25, ago(8))), (LOW[0], "each_of_latest(2)", LOW[2]), OPEN),
    ("each of the latest two, the newer new enough", counts((20, ago(90)), (25, ago(28))), (LOW[0], "each_of_latest(2)", LOW[2], 'newest("28 d")'), YES),
    ("consecutive, anywhere", counts((40, ago(9)), (20, ago(8)), (25, ago(7)), (40, ago(6))), (LOW[0], "consecutive(2)", LOW[2]), YES),
    ("not consecutive", counts((20, ago(8)), (40, ago(7)), (20, ago(6))), (LOW[0], "consecutive(2)", LOW[2]), OPEN),
    ("counted", counts((20, ago(8)), (20, ago(7))), (LOW[0], "count", "at_least(2)", 'value(below("30 10*9/L"))'), YES),
    ("those of one day are one", counts((20, ago(8)), (21, ago(8))), (LOW[0], "count", "at_least(2)", 'value(below("30 10*9/L"))'), OPEN),
    ("of one month may be one", counts((20, "2026-05"), (20, "2026-05")), (LOW[0], "count", "at_least(2)", 'value(below("30 10*9/L"))'), OPEN),
    ("of two months are two", counts((20, "2026-05"), (20, "2026-06")), (LOW[0], "count", "at_least(2)", 'value(below("30 10*9/L"))'), YES),
    ("by another method", counts((20, ago(8), {"method": "rapid"})), (*LOW, "method(elisa)"), OPEN),
    ("by that method, though a later one is by another", counts((20, ago(8), {"method": "elisa"}), (40, ago(7), {"method": "rapid"})), (*LOW, "method(elisa)"), YES),
    ("a later one by an unknown method may count", counts((20, ago(8), {"method": "elisa"}), (40, ago(7))), (*LOW, "method(elisa)"), OPEN),
    ("fell by 10 from the first", counts((50, ago(9)), (30, ago(8)), (40, ago(7))), (LOW[0], "fall", 'at_least("10 10*9/L")'), YES),
    ("fell by 10 from the one before", counts((50, ago(9)), (30, ago(8)), (40, ago(7))), (LOW[0], "fall(previous)", 'at_least("10 10*9/L")'), NO),
    ("rose by 10 from the lowest", counts((50, ago(9)), (30, ago(8)), (40, ago(7))), (LOW[0], "rise(extreme)", 'at_least("10 10*9/L")'), YES),
    ("one value is no change", counts((50, ago(9))), (LOW[0], "fall", 'at_least("10 10*9/L")'), OPEN),
    ("by a fifth", counts((50, ago(9)), (40, ago(8))), (LOW[0], "relative_fall", 'at_least("20 %")'), YES),
    ("by more than a fifth", counts((50, ago(9)), (40, ago(8))), (LOW[0], "relative_fall", 'above("20 %")'), NO),
    ("time between", counts((20, ago(84)), (20, ago(0))), (LOW[0], "time_between", 'at_least("12 wk")'), YES),
    ("time since the latest", counts((20, ago(84)), (20, ago(28))), (LOW[0], "time_since", 'at_most("28 d")'), YES),
]  # fmt: skip


@pytest.mark.parametrize(("measurements", "words", "expected"), [row[1:] for row in MEASURED], ids=[row[0] for row in MEASURED])
def test_measurements(measurements: list[dict[str, Any]], words: tuple[str, ...], expected: bool | None) -> None:
    found = asked({"measurements": measurements}, question(*words))
    assert found.truth is expected, found
    assert (found.truth is None) is bool(found.why), found


@pytest.mark.parametrize("summary", ["consecutive(2)", "count"])
def test_only_a_complete_record_denies_what_may_be_anywhere(summary: str) -> None:
    given = {"measurements": counts((40, ago(8)), (20, ago(6)))}
    words = {"consecutive(2)": ('below("30 10*9/L")',), "count": ("at_least(2)", 'value(below("30 10*9/L"))')}[summary]
    test = question("measurement(platelets)", summary, *words)
    assert asked(given, test).truth is None
    assert asked(given | {"complete": ["platelets"]}, test).truth is False
    assert asked(given | {"complete": ["measurements"]}, test).truth is False
    assert asked(given | {"complete": ["ldh"]}, test).truth is None


def test_a_conflict_is_named_with_both_values() -> None:
    test = question(*LOW)
    found = answer(build({"measurements": counts((10, ago(8), {"id": "a"}), (20, ago(8), {"id": "b"}))}, WORDS), [test], WORDS, DAY)
    assert [note.kind for note in found.conflicts] == ["conflict"]
    assert found.conflicts[0].id == "a b"
    assert str(ago(8)) in found.conflicts[0].message


@pytest.mark.parametrize(
    ("duration", "first"),
    [("1 mo", date(2026, 2, 28)), ("12 mo", date(2025, 3, 31)), ("4 wk", date(2026, 3, 3)), ("1 a", date(2025, 3, 31)), ("18 mo", date(2024, 9, 30))],
)
def test_a_window_begins_on_the_day_that_lies_so_far_back_and_month_ends_clamp(duration: str, first: date) -> None:
    test = question("event(relapse)", "some", "present", f'within("{duration}")')
    for day, expected in ((first, True), (first - ONE_DAY, False), (MONTH_END, True)):
        record = {"events": [{"event": "relapse", "date": str(day)}], "complete": ["events"]}
        assert asked(record, test, MONTH_END).truth is expected, day


EVENTS = [
    ("recorded", [{"event": "relapse", "date": str(ago(8))}], ("some", "present"), YES),
    ("not recorded", [], ("some", "present"), OPEN),
    ("stated not to have happened", [{"event": "relapse", "happened": False}], ("some", "present"), NO),
    ("never happened, so not lately either", [{"event": "relapse", "happened": False}], ("some", "present", 'within("7 d")'), NO),
    ("never happened counts none", [{"event": "relapse", "happened": False}], ("count", "at_least(1)"), NO),
    ("an undated one may lie in the window", [{"event": "relapse"}], ("some", "present", 'within("7 d")'), OPEN),
    ("one of a month that reaches into it may", [{"event": "relapse", "date": "2026-11"}], ("some", "present", 'within("7 d")'), OPEN),
    ("one of the month before does not", [{"event": "relapse", "date": "2026-10"}], ("some", "present", 'within("7 d")'), OPEN),
    ("this month's cannot lie after screening", [{"event": "relapse", "date": "2026-11"}], ("some", "present", 'within("1 mo")'), YES),
    ("one after screening does not count", [{"event": "relapse", "date": str(ago(-1))}], ("some", "present"), OPEN),
    ("a planned one does not count", [{"event": "relapse", "date": str(ago(-9)), "planned": True}], ("some", "present"), OPEN),
    ("time since the latest", [{"event": "relapse", "date": str(ago(9))}, {"event": "relapse", "date": str(ago(7))}], ("time_since", 'at_most("7 d")'), YES),
    ("time since, to the month", [{"event": "relapse", "date": "2026-10"}], ("time_since", 'at_most("7 wk")'), OPEN),
    ("two of one month may be one", [{"event": "relapse", "date": "2026-05"}, {"event": "relapse", "date": "2026-05-03"}], ("count", "at_least(2)"), OPEN),
    ("of two years are two", [{"event": "relapse", "date": "2024"}, {"event": "relapse", "date": "2025"}], ("count", "at_least(2)"), YES),
    ("between a partner that is near and not", [{"event": "relapse", "date": str(ago(8))}, {"event": "depletion", "date": str(ago(15))}], ("some", "present", 'near(event(depletion),"7 d")'), YES),
    ("a day too far", [{"event": "relapse", "date": str(ago(8))}, {"event": "depletion", "date": str(ago(16))}], ("some", "present", 'near(event(depletion),"7 d")'), OPEN),
    ("after another event", [{"event": "relapse", "date": str(ago(8))}, {"event": "depletion", "date": str(ago(9))}], ("some", "present", "after(event(depletion))"), YES),
    ("after the latest of several", [{"event": "relapse", "date": str(ago(7))}, {"event": "depletion", "date": str(ago(9))}, {"event": "depletion", "date": str(ago(8))}], ("some", "present", "since(event(depletion))"), YES),
    ("after one of several, but before the latest", [{"event": "relapse", "date": str(ago(8))}, {"event": "depletion", "date": str(ago(9))}, {"event": "depletion", "date": str(ago(7))}], ("some", "present", "since(event(depletion))"), OPEN),
    ("before the latest, which is only planned", [{"event": "relapse", "date": str(ago(8))}, {"event": "depletion", "date": str(ago(9))}, {"event": "depletion", "date": str(ago(-7)), "planned": True}], ("some", "present", "since(event(depletion))"), YES),
    ("perhaps before the latest", [{"event": "relapse", "date": str(ago(8))}, {"event": "depletion", "date": str(ago(9))}, {"event": "depletion", "date": "2026-11"}], ("some", "present", "since(event(depletion))"), OPEN),
    ("since what is not on record", [{"event": "relapse", "date": str(ago(8))}], ("some", "present", "since(event(depletion))"), OPEN),
    ("the same day is not after", [{"event": "relapse", "date": str(ago(8))}, {"event": "depletion", "date": str(ago(8))}], ("some", "present", "after(event(depletion))"), OPEN),
]  # fmt: skip


@pytest.mark.parametrize(("events", "words", "expected"), [row[1:] for row in EVENTS], ids=[row[0] for row in EVENTS])
def test_events(events: list[dict[str, Any]], words: tuple[str, ...], expected: bool | None) -> None:
    found = asked({"events": events}, question("event(relapse)", *words))
    assert found.truth is expected, found


LYING_AHEAD = [{"start": str(ago(-3))}, {"start": "2027", "planned": True}, {"start": str(ago(-3)), "end": str(ago(-90))}]


@pytest.mark.parametrize("course", LYING_AHEAD, ids=str)
def test_for_how_long_what_lies_ahead_will_go_on_is_not_known(course: dict[str, Any]) -> None:
    record = {"therapies": [{"drug": "prednisone", **course}], "complete": ["therapies"]}
    for condition, expected in (('lasting(at_least("4 wk"))', OPEN), ('lasting(below("4 wk"))', OPEN), ("ongoing", NO)):
        found = asked(record, question("therapy(steroid)", "some", "present", 'ahead("2 a")', condition))
        assert found.truth is expected, found


@pytest.mark.parametrize("condition", ['lasting(at_least("4 wk"))', "ongoing"])
def test_what_is_planned_without_a_day_is_open(condition: str) -> None:
    planned = {"therapies": [{"drug": "prednisone", "planned": True}], "complete": ["therapies"]}
    assert asked(planned, question("therapy(steroid)", "some", "present", 'ahead("2 a")', condition)).truth is OPEN


PLANNED = {"event": "depletion", "planned": True}
ANCHORED = [
    ("ahead of a planned event", [PLANNED | {"date": str(ago(-3))}], ago(4), YES),
    ("too long before it", [PLANNED | {"date": str(ago(-3))}], ago(5), NO),
    ("screening stands in where none is planned", [], ago(7), YES),
    ("and then reaches no further", [], ago(8), NO),
    ("the next planned one counts", [PLANNED | {"date": str(ago(-9))}, PLANNED | {"date": str(ago(-3))}], ago(4), YES),
    ("planned for some day of a month", [PLANNED | {"date": "2026-11"}], ago(4), OPEN),
    ("planned without a day", [PLANNED], ago(3), OPEN),
    ("a past one, where none is planned", [{"event": "depletion", "date": str(ago(10))}], ago(17), YES),
    ("a planned one before a past one", [{"event": "depletion", "date": str(ago(10))}, PLANNED | {"date": str(ago(-3))}], ago(17), NO),
    ("of a past one the month is known", [{"event": "depletion", "date": "2026-11"}], ago(17), OPEN),
]  # fmt: skip


@pytest.mark.parametrize(("depletions", "relapsed", "expected"), [row[1:] for row in ANCHORED], ids=[row[0] for row in ANCHORED])
def test_windows_anchored_on_an_event(depletions: list[dict[str, Any]], relapsed: date, expected: bool | None) -> None:
    record = {"events": [{"event": "relapse", "date": str(relapsed)}, *depletions], "complete": ["events"]}
    found = asked(record, question("event(relapse)", "some", "present", 'within("7 d",event(depletion))'))
    assert found.truth is expected, found


OPEN_FOR = [
    # what the row shows, record, test, why it is open, and what is said of the item that does not count
    ("said before the window", {"findings": [{"finding": "rash", "date": str(ago(20))}]},
     ("finding(rash)", "latest", "absent", 'within("7 d")'),
     f"said of {ago(20)}, before the time asked for (from {ago(7)} on): whether it was still so is not recorded", ""),
    ("denied before the window", {"findings": [{"finding": "rash", "present": False, "date": str(ago(20))}]},
     ("finding(rash)", "latest", "absent", 'within("7 d")'),
     f"nothing recorded meets the conditions (from {ago(7)} to {ago(0)})", "not at the time asked for"),
    ("not dated", {"findings": [{"finding": "rash", "present": False}]},
     ("finding(rash)", "latest", "absent", 'within("7 d")'), "its date is not recorded", ""),
    ("dated to the month", {"events": [{"event": "relapse", "date": "2026-11"}]},
     ("event(relapse)", "some", "present", 'within("7 d")'), "its date is not known well enough", ""),
    ("before the course", {"measurements": counts((20, ago(9)), (30, ago(12))), "therapies": [course("prednisone", ago(8), ago(7))], "complete": ["therapies"]},
     (*LOW, "after(steroid)"), "nothing recorded meets the conditions (see the conditions of the test)", "not after: Steroid"),
    ("for something wider", {"therapies": [course("prednisone", **{"for": "skin"})]},
     ("therapy(steroid)", "some", "present", "for(rash)"), "what it was given for is not recorded closely enough", ""),
]  # fmt: skip


@pytest.mark.parametrize(("record", "words", "why", "note"), [row[1:] for row in OPEN_FOR], ids=[row[0] for row in OPEN_FOR])
def test_an_open_answer_says_what_is_missing(record: dict[str, Any], words: tuple[str, ...], why: str, note: str) -> None:
    found = asked(record, question(*words))
    assert (found.truth, found.why) == (None, why)
    assert [item.note for item in found.evidence] == [note], "the latest that does not count is shown, with why"


def test_an_anchor_that_may_not_count_leaves_the_window_open() -> None:
    """Of a depletion in October it is not known whether it was in the last 28 days; if not, screening stands in."""
    late = {"late": ("event(depletion)", 'within("28 d")')}
    test = question("event(relapse)", "some", "present", 'within("7 d",late)', **late)
    for depleted, relapsed, expected in (("2026-10", ago(17), OPEN), ("2026-10", ago(5), YES), ("2026-11-01", ago(17), YES), ("2026-09", ago(17), NO)):
        events = [{"event": "relapse", "date": str(relapsed)}, {"event": "depletion", "date": depleted}]
        assert asked({"events": events, "complete": ["events"]}, test).truth is expected, (depleted, relapsed)


FINDINGS = [
    ("present", [{"finding": "rash"}], ("some", "present"), YES),
    ("denied", [{"finding": "rash", "present": False}], ("some", "present"), NO),
    ("present once suffices for a history", [{"finding": "rash", "present": False, "date": str(ago(1))}, {"finding": "rash", "date": str(ago(9))}], ("some", "present"), YES),
    ("another finding", [{"finding": "ache"}], ("some", "present"), OPEN),
    ("the latest statement decides", [{"finding": "rash", "date": str(ago(9))}, {"finding": "rash", "present": False, "date": str(ago(8))}], ("latest", "present"), NO),
    ("both on one day is a conflict", [{"finding": "rash", "date": str(ago(8))}, {"finding": "rash", "present": False, "date": str(ago(8))}], ("latest", "present"), OPEN),
    ("ongoing is present", [{"finding": "rash", "date": str(ago(90)), "end": "ongoing"}], ("latest", "present", 'newest("7 d")'), YES),
    ("ended is absent since then", [{"finding": "rash", "date": str(ago(90)), "end": str(ago(7))}], ("latest", "absent", 'newest("7 d")'), YES),
    ("ended longer ago is stale", [{"finding": "rash", "date": str(ago(90)), "end": str(ago(8))}], ("latest", "absent", 'newest("7 d")'), OPEN),
    ("ending on the screening day is present", [{"finding": "rash", "date": str(ago(90)), "end": str(ago(0))}], ("latest", "present"), YES),
    ("ending this month may be either", [{"finding": "rash", "date": str(ago(90)), "end": "2026-11"}], ("latest", "present"), OPEN),
    ("ended on a day, absent before a later onset", [{"finding": "rash", "date": str(ago(90)), "end": str(ago(40))}, {"finding": "rash", "date": str(ago(30))}], ("latest", "present"), YES),
    ("ongoing now", [{"finding": "rash", "date": str(ago(90)), "end": "ongoing"}], ("some", "present", "ongoing"), YES),
    ("with an end that is not known", [{"finding": "rash", "date": str(ago(90))}], ("some", "present", "ongoing"), OPEN),
    ("last seen on the screening day", [{"finding": "rash", "date": str(ago(90)), "stated": str(ago(0))}], ("some", "present", "ongoing"), YES),
    ("overlapping a window", [{"finding": "rash", "date": str(ago(90)), "end": str(ago(7))}], ("some", "present", 'within("7 d")'), YES),
    ("over before it", [{"finding": "rash", "date": str(ago(90)), "end": str(ago(8))}], ("some", "present", 'within("7 d")'), OPEN),
    ("begun and ended in one unknown span of a month", [{"finding": "rash", "date": "2026-11", "end": "2026-11"}], ("some", "present", 'within("1 d")'), OPEN),
    ("lasting", [{"finding": "rash", "date": str(ago(9)), "end": str(ago(7))}], ("some", "present", 'lasting(at_least("3 d"))'), YES),
    ("lasting a day less", [{"finding": "rash", "date": str(ago(9)), "end": str(ago(8))}], ("some", "present", 'lasting(at_least("3 d"))'), OPEN),
    ("since its first beginning", [{"finding": "rash", "date": str(ago(30)), "end": "ongoing"}, {"finding": "rash", "date": str(ago(8))}], ("time_since", 'at_least("28 d")'), YES),
]  # fmt: skip


@pytest.mark.parametrize(("findings", "words", "expected"), [row[1:] for row in FINDINGS], ids=[row[0] for row in FINDINGS])
def test_findings(findings: list[dict[str, Any]], words: tuple[str, ...], expected: bool | None) -> None:
    found = asked({"findings": findings}, question("finding(rash)", *words))
    assert found.truth is expected, found


def test_a_finding_is_denied_only_where_the_record_says_it_is_complete() -> None:
    test = question("finding(rash)", "some", "present")
    assert asked({}, test).truth is None
    for complete, expected in (("findings", False), ("rash", False), ("ache", None), ("events", None)):
        assert asked({"complete": [complete]}, test).truth is expected


def test_the_latest_judgement_counts() -> None:
    test = question("judgement(fit)", "latest", "present")
    yes, no = {"judgement": "fit", "date": str(ago(9))}, {"judgement": "fit", "answer": False, "date": str(ago(8))}
    assert asked({}, test).truth is None
    assert asked({"judgements": [yes]}, test).truth is True
    assert asked({"judgements": [no, yes]}, test).truth is False
    assert asked({"judgements": [yes, no | {"date": str(ago(10))}]}, test).truth is True
    assert asked({"judgements": [yes | {"date": str(ago(29))}]}, question("judgement(fit)", "latest", "present", 'newest("28 d")')).truth is None


@pytest.mark.parametrize(("sex", "expected"), [("female", True), ("male", False), (None, None)])
def test_sex(sex: str | None, expected: bool | None) -> None:
    assert asked({"sex": sex} if sex else {}, question("sex(female)", "some", "present")).truth is expected


TWELVE_WEEKS = 'lasting(at_least("12 wk"))'
MG30, MG60 = {"dose": "30 mg/d"}, {"dose": "60 mg/d"}
COURSES = [
    # what the row shows, courses, whether the record is complete, test, answer
    ("taken", [course("prednisone")], False, ("therapy(steroid)", "some", "present"), YES),
    ("not recorded", [], False, ("therapy(steroid)", "some", "present"), OPEN),
    ("the list of therapies is complete", [], True, ("therapy(steroid)", "some", "present"), NO),
    ("one drug of a class never taken leaves the others", [course("prednisone", taken=False)], False, ("therapy(steroid)", "some", "present"), OPEN),
    ("every drug of a class never taken", [course("prednisone", taken=False), course("dexamethasone", taken=False)], False, ("therapy(steroid)", "some", "present"), NO),
    ("a class never taken", [course("steroid", taken=False)], False, ("therapy(steroid)", "some", "present"), NO),
    ("a class never taken, asked of one drug", [course("steroid", taken=False)], False, ("therapy(prednisone)", "some", "present"), NO),
    ("a sub-class never taken leaves the class open", [course("purine", taken=False)], False, ("therapy(suppressant)", "some", "present"), OPEN),
    ("ongoing", [course("prednisone", ago(90), "ongoing")], False, ("therapy(steroid)", "some", "present", "ongoing"), YES),
    ("ended", [course("prednisone", ago(90), ago(1))], True, ("therapy(steroid)", "some", "present", "ongoing"), NO),
    ("the last day is a day of dosing", [course("prednisone", ago(90), ago(0))], True, ("therapy(steroid)", "some", "present", "ongoing"), YES),
    ("an end that is not known", [course("prednisone", ago(90))], True, ("therapy(steroid)", "some", "present", "ongoing"), OPEN),
    ("an end ahead goes on", [course("prednisone", ago(90), ago(-5))], True, ("therapy(steroid)", "some", "present", "ongoing"), YES),
    ("planned is not taken", [course("prednisone", ago(-5), planned=True)], True, ("therapy(steroid)", "some", "present"), NO),
    ("a start ahead is not taken", [course("prednisone", ago(-5), "ongoing")], True, ("therapy(steroid)", "some", "present"), NO),
    ("12 weeks to the day", [course("prednisone", ago(84), "ongoing")], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS), YES),
    ("a day less", [course("prednisone", ago(83), "ongoing")], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS), NO),
    ("ended: the last day counts", [course("prednisone", ago(90), ago(7))], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS), YES),
    ("ended a day earlier", [course("prednisone", ago(90), ago(8))], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS), NO),
    ("a pulse of three days", [course("prednisone", ago(9), ago(7))], True, ("therapy(steroid)", "some", "present", 'lasting(at_least("3 d"))'), YES),
    ("of two", [course("prednisone", ago(9), ago(8))], True, ("therapy(steroid)", "some", "present", 'lasting(at_least("3 d"))'), NO),
    ("entries without a gap are one course", [course("prednisone", ago(90), ago(50)), course("prednisone", ago(49), ago(7))], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS), YES),
    ("a day between splits it", [course("prednisone", ago(90), ago(50)), course("prednisone", ago(48), ago(7))], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS), NO),
    ("overlapping entries are one, with the last end", [course("prednisone", ago(90), ago(7)), course("prednisone", ago(80), ago(70))], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS), YES),
    ("an open end may reach the next entry", [course("prednisone", ago(90)), course("prednisone", ago(49), ago(7))], True, ("therapy(steroid)", "some", "present", 'lasting(below("12 wk"))'), OPEN),
    ("two drugs of a class are two courses", [course("prednisone", ago(90), ago(50)), course("dexamethasone", ago(49), ago(7))], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS), NO),
    ("the dose must have been such all the while", [course("prednisone", ago(90), ago(50), **MG60), course("prednisone", ago(49), ago(7), **MG30)], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS, 'dose(at_least("60 mg/d"))'), NO),
    ("at whatever such dose", [course("prednisone", ago(90), ago(50), **MG60), course("prednisone", ago(49), ago(7), **MG30)], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS, 'dose(at_least("30 mg/d"))'), YES),
    ("a dose not recorded in the middle", [course("prednisone", ago(90), ago(50), **MG60), course("prednisone", ago(49), ago(7))], True, ("therapy(steroid)", "some", "present", TWELVE_WEEKS, 'dose(at_least("30 mg/d"))'), OPEN),
    ("failed", [course("prednisone", response="none")], True, ("therapy(steroid)", "some", "present", "outcome(failed)"), YES),
    ("response not recorded", [course("prednisone")], True, ("therapy(steroid)", "some", "present", "outcome(failed)"), OPEN),
    ("the response of a course is the last one", [course("prednisone", ago(90), ago(50), response="partial"), course("prednisone", ago(49), ago(7), response="none")], True, ("therapy(steroid)", "some", "present", "outcome(responded)"), NO),
    ("given for", [course("prednisone", **{"for": "rash"})], True, ("therapy(steroid)", "some", "present", "for(rash)"), YES),
    ("for something else", [course("prednisone", **{"for": "ache"})], True, ("therapy(steroid)", "some", "present", "for(rash)"), NO),
    ("for a kind of it", [course("prednisone", **{"for": "rash"})], True, ("therapy(steroid)", "some", "present", "for(skin)"), YES),
    ("for no kind of it", [course("prednisone", **{"for": "ache"})], True, ("therapy(steroid)", "some", "present", "for(skin)"), NO),
    ("for something wider", [course("prednisone", **{"for": "skin"})], True, ("therapy(steroid)", "some", "present", "for(rash)"), OPEN),
    ("for something wider, beside something else", [course("prednisone", **{"for": ["skin", "ache"]})], True, ("therapy(steroid)", "some", "present", "for(rash)"), OPEN),
    ("for what is not recorded", [course("prednisone")], True, ("therapy(steroid)", "some", "present", "for(rash)"), OPEN),
    ("one long course, another that failed: no one course did both", [course("azathioprine", ago(200), ago(7)), course("methotrexate", ago(30), ago(7), response="none"), ], True, ("therapy(suppressant)", "some", "present", TWELVE_WEEKS, "outcome(failed)"), OPEN),
    ("one long course that responded, another that failed", [course("azathioprine", ago(200), ago(7), response="partial"), course("methotrexate", ago(30), ago(7), response="none")], True, ("therapy(suppressant)", "some", "present", TWELVE_WEEKS, "outcome(failed)"), NO),
    ("one long course that failed", [course("azathioprine", ago(200), ago(7), response="none"), course("methotrexate", ago(30), ago(7), response="partial")], True, ("therapy(suppressant)", "some", "present", TWELVE_WEEKS, "outcome(failed)"), YES),
    ("excepted and not excepted: the exception does not save it", [course("azathioprine"), course("methotrexate")], True, ("therapy(except(suppressant,purine))", "some", "present"), YES),
    ("only excepted", [course("azathioprine")], True, ("therapy(except(suppressant,purine))", "some", "present"), NO),
    ("with a partner", [course("prednisone", ago(90), ago(50)), course("azathioprine", ago(50), ago(7))], True, ("therapy(steroid)", "some", "present", "with(suppressant)"), YES),
    ("the partner came later", [course("prednisone", ago(90), ago(50)), course("azathioprine", ago(49), ago(7))], True, ("therapy(steroid)", "some", "present", "with(suppressant)"), NO),
    ("with a partner for long enough", [course("prednisone", ago(90), ago(7)), course("azathioprine", ago(34), ago(7))], True, ("therapy(steroid)", "some", "present", 'with(suppressant,at_least("4 wk"))'), YES),
    ("a day too short", [course("prednisone", ago(90), ago(7)), course("azathioprine", ago(33), ago(7))], True, ("therapy(steroid)", "some", "present", 'with(suppressant,at_least("4 wk"))'), NO),
    ("a partner that may have been taken then", [course("prednisone", ago(90), ago(50)), course("azathioprine", "2026-10", ago(7))], True, ("therapy(steroid)", "some", "present", "with(suppressant)"), OPEN),
    ("a partner that is not on record", [course("prednisone", ago(90), ago(50))], False, ("therapy(steroid)", "some", "present", "with(suppressant)"), OPEN),
    ("a response that a later entry may overrule", [course("prednisone", ago(90), response="none"), course("prednisone", ago(49), ago(7), response="partial")], True, ("therapy(prednisone)", "some", "present", "outcome(failed)"), OPEN),
    ("by mouth", [course("prednisone", route="oral")], True, ("therapy(prednisone)", "some", "present", "route(oral)"), YES),
    ("by which route is not recorded", [course("prednisone")], True, ("therapy(prednisone)", "some", "present", "route(oral)"), OPEN),
    ("drugs counted", [course("azathioprine"), course("azathioprine"), course("methotrexate")], True, ("therapy(suppressant)", "count(drugs)", "equals(2)"), YES),
    ("classes counted: direct sub-classes", [course("azathioprine"), course("mercaptopurine"), course("methotrexate")], True, ("therapy(suppressant)", "count(classes)", "equals(2)"), YES),
    ("courses counted, two drugs begun on one day are two", [course("azathioprine", ago(9), ago(8)), course("methotrexate", ago(9), ago(8))], True, ("therapy(suppressant)", "count", "equals(2)"), YES),
    ("entries that may be one course may be one", [course("azathioprine", ago(99)), course("azathioprine", ago(9), ago(8))], True, ("therapy(suppressant)", "count", "at_least(2)"), OPEN),
    ("more may be on no record", [course("azathioprine")], False, ("therapy(suppressant)", "count(drugs)", "at_most(1)"), OPEN),
]  # fmt: skip


@pytest.mark.parametrize(("courses", "complete", "words", "expected"), [row[1:] for row in COURSES], ids=[row[0] for row in COURSES])
def test_courses(courses: list[dict[str, Any]], complete: bool, words: tuple[str, ...], expected: bool | None) -> None:
    record = {"therapies": courses} | ({"complete": ["therapies"]} if complete else {})
    found = asked(record, question(*words))
    assert found.truth is expected, found


def now(drug: str, dose: str | None, **fields: Any) -> dict[str, Any]:
    return course(drug, ago(90), "ongoing", **({"dose": dose} if dose else {}), **fields)


DOSES = [
    ("prednisone and dexamethasone add up in equivalents", [now("prednisone", "10 mg/d"), now("dexamethasone", "3 mg/d")], 'equals("30 mg/d")', YES),
    ("weekly doses are spread", [now("prednisone", "70 mg/wk")], 'equals("10 mg/d")', YES),
    ("on the skin does not count", [now("prednisone", "10 mg/d"), now("dexamethasone", "3 mg/d", route="topical")], 'equals("10 mg/d")', YES),
    ("a dose not recorded is open", [now("prednisone", "10 mg/d"), now("dexamethasone", None)], 'at_most("30 mg/d")', OPEN),
    ("but only upwards", [now("prednisone", "10 mg/d"), now("dexamethasone", None)], 'at_least("10 mg/d")', YES),
    ("ended does not count", [course("prednisone", ago(90), ago(1), dose="10 mg/d")], 'equals("0 mg/d")', YES),
    ("an end that is not known may count", [course("prednisone", ago(90), dose="10 mg/d")], 'at_least("10 mg/d")', OPEN),
    ("and is no more than that", [course("prednisone", ago(90), dose="10 mg/d")], 'at_most("10 mg/d")', YES),
    ("none is nought", [], 'above("0 mg/d")', NO),
    ("by weight", [now("prednisone", "1 mg/kg/d")], 'equals("60 mg/d")', YES),
    ("asked by weight", [now("prednisone", "30 mg/d")], 'equals("0.5 mg/kg/d")', YES),
]  # fmt: skip


@pytest.mark.parametrize(("courses", "comparison", "expected"), [row[1:] for row in DOSES], ids=[row[0] for row in DOSES])
def test_daily_dose(courses: list[dict[str, Any]], comparison: str, expected: bool | None) -> None:
    weights = [{"quantity": "weight", "value": "60 kg", "date": str(ago(91))}, {"quantity": "weight", "value": "70 kg", "date": str(ago(60))}]
    record = {"therapies": courses, "measurements": weights, "complete": ["therapies"]}
    found = asked(record, question("therapy(steroid)", "daily_dose", comparison))
    assert found.truth is expected, found


def test_a_dose_by_weight_needs_the_weight_and_knows_which() -> None:
    test = question("therapy(steroid)", "daily_dose", 'at_least("60 mg/d")')
    entry = course("prednisone", ago(30), "ongoing", dose="1 mg/kg/d")

    def truth(*weights: tuple[str, str | None], **fields: Any) -> bool | None:
        rows = [{"quantity": "weight", "value": value} | ({"date": day} if day else {}) for value, day in weights]
        return asked({"therapies": [entry | fields], "measurements": rows, "complete": ["therapies"]}, test).truth

    assert truth() is None
    assert truth(("60 kg", str(ago(31))), ("50 kg", str(ago(28)))) is True
    assert truth(("60 kg", str(ago(32))), ("50 kg", str(ago(28)))) is True, "the earlier of two equally near"
    assert truth(("60 kg", str(ago(33))), ("50 kg", str(ago(28)))) is False
    assert truth(("60 kg", str(ago(31))), ("50 kg", None)) is None, "an undated weight may be the nearest"
    assert truth(("60 kg", str(ago(31))), ("50 kg", str(ago(90))), start="2026") is None, "which is nearest is open"


@pytest.mark.parametrize(("days", "expected"), [(27, False), (28, True), (29, True)])
def test_unchanged_for_four_weeks(days: int, expected: bool) -> None:
    test = question("therapy(steroid)", "unchanged", 'at_least("4 wk")')
    complete = {"complete": ["therapies"]}
    started = [course("prednisone", ago(days), "ongoing", dose="5 mg/d")]
    raised = [course("prednisone", ago(99), ago(days + 1), dose="5 mg/d"), course("prednisone", ago(days), "ongoing", dose="10 mg/d")]
    renewed_entry = [course("prednisone", ago(99), ago(days + 1), dose="5 mg/d"), course("prednisone", ago(days), "ongoing", dose="5 mg/d")]
    gap = [course("prednisone", ago(99), ago(days + 2), dose="5 mg/d"), course("prednisone", ago(days), "ongoing", dose="5 mg/d")]
    stopped = [course("prednisone", ago(99), ago(days + 1), dose="5 mg/d")]
    assert asked(complete | {"therapies": started}, test).truth is expected
    assert asked(complete | {"therapies": raised}, test).truth is expected
    assert asked(complete | {"therapies": gap}, test).truth is expected
    assert asked(complete | {"therapies": stopped}, test).truth is expected
    assert asked(complete | {"therapies": renewed_entry}, test).truth is True, "renewed at the same dose"
    assert asked({"therapies": started}, test).truth is (None if expected else False)


def test_a_renewal_that_is_not_fully_recorded_may_be_none() -> None:
    test = question("therapy(steroid)", "unchanged", 'at_least("4 wk")')
    after = course("prednisone", ago(9), "ongoing", dose="5 mg/d")
    for before in (course("prednisone", ago(99), dose="5 mg/d"), course("prednisone", ago(99), ago(10)), course("prednisone", None, ago(10), dose="5 mg/d")):
        assert asked({"therapies": [before, after], "complete": ["therapies"]}, test).truth is None


def test_a_change_of_what_may_not_be_meant_is_open() -> None:
    test = question("therapy(steroid)", "unchanged", 'at_least("4 wk")', "route(oral)")
    entry = course("prednisone", ago(9), "ongoing", dose="5 mg/d")
    for route, expected in (("oral", NO), ("intravenous", YES), (None, OPEN)):
        given = {"therapies": [entry | ({"route": route} if route else {})], "complete": ["therapies"]}
        assert asked(given, test).truth is expected, route


def test_what_contradicts_the_question_is_refused_when_it_is_read() -> None:
    for words in (
        ("measurement(platelets)", "lowest", 'below("30 10*9/L")', 'newest("28 d")'),
        ("therapy(steroid)", "latest", "present"),
        ("measurement(platelets)", "latest", 'below("30 kg")'),
        ("finding(rash)", "some", "present", 'dose(at_least("1 mg/d"))'),
    ):
        with pytest.raises(AssertionError):
            question(*words)


def test_an_item_that_does_not_count_says_what_it_misses() -> None:
    test = question("therapy(steroid)", "some", "present", "for(rash)", TWELVE_WEEKS, "outcome(failed)", "ongoing")
    short = course("prednisone", ago(9), ago(7), response="partial", **{"for": "ache"})
    found = asked({"therapies": [short], "complete": ["therapies"]}, test)
    assert found.truth is False
    assert found.evidence[0].note == (
        "not given for: Rash; not as long as asked for (at least 12 wk); no longer so; it is not recorded as 'failed'"
    )
