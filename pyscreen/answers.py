"""The record's answer to each test: yes, no or unknown, with the evidence it rests on.

Nothing here knows a trial. An answer is yes or no only where every way of filling in what is not known agrees; two different
values at one instant are a conflict, and a conflict answers nothing. What the items of the record leave open, a person's direct answer
to the test settles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction

from .dates import When, compare, shift
from .items import ONE_DAY, WRONG_DATE, Item, Patient, meets, spans
from .quantities import Interval
from .questions import Condition, Test
from .record import DirectAnswer, Note, Record, Therapy
from .truth import Truth, both, either
from .vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Evidence:
    """One item of the record that an answer rests on: as it was written, and as it was understood.

    `note` says why it does not count, where it does not; `value` is that of a measurement, in the canonical unit; `present` is
    false for a statement that something is not so.
    """

    text: str
    when: When | None = None
    id: str | None = None
    note: str = ""
    known: When | None = field(default=None, repr=False, compare=False)
    """The day as of which it says so, where it shows another or none."""
    kind: str = ""
    concept: str = ""
    value: Interval | None = None
    present: bool = True

    def __str__(self) -> str:
        said = f"{self.text}, {self.when}" if self.when else self.text
        return said + (f" [{self.id}]" if self.id else "") + (f" - {self.note}" if self.note else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """`truth` is True, False or None (unknown); `why` says in words what is missing where it is unknown."""

    test: str
    truth: Truth
    evidence: tuple[Evidence, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """Every test's answer, and the conflicts met on the way."""

    day: date
    by_test: Mapping[str, Answer]
    conflicts: tuple[Note, ...]

    def __getitem__(self, test: str) -> Answer:
        return self.by_test[test]


class Conflict(Exception):
    """Two values that cannot both be right."""

    def __init__(self, message: str, items: Iterable[Item] = (), evidence: Iterable[Evidence] = ()) -> None:
        self.evidence = (*_evidence(items), *evidence)
        super().__init__(message)


def answer(
    record: Record,
    tests: Iterable[Test],
    vocabulary: Vocabulary,
    day: date,
    patients: dict[date, Patient] | None = None,
) -> Answers:
    """Answer every test from a record as of a screening date; `patients` keeps what was worked out for a day, for the next call."""
    patients = {} if patients is None else patients
    found: dict[str, Answer] = {}
    conflicts: dict[str, Note] = {note.message: note for note in record.notes if note.kind == "conflict"}
    told = _told(record, day)
    for test in tests:
        asked = _day_of(test, day)
        patient = patients.get(asked) or patients.setdefault(asked, Patient(record, asked, vocabulary))
        try:
            found[test.id] = _SUMMARIES[test.summary](patient, test)
            if test.id in told:
                found[test.id] = _with_direct(found[test.id], test, told[test.id], record, day)
        except Conflict as conflict:
            message = str(conflict)
            ids = " ".join(item.id for item in conflict.evidence if item.id) or None
            conflicts.setdefault(message, Note("conflict", message, ids))
            found[test.id] = Answer(test.id, None, conflict.evidence, f"conflict: {message}")
    return Answers(day, found, tuple(conflicts.values()))


# ---- direct answers --------------------------------------------------------------------------------------------------


def _told(record: Record, day: date) -> dict[str, list[DirectAnswer]]:
    """Return the direct answers that were given by a day, the latest of each test; several where they are of one day."""
    told: dict[str, list[DirectAnswer]] = {}
    for direct in record.answers:
        others = told.setdefault(direct.test, [])
        if direct.day <= day and all(other.day <= direct.day for other in others):
            told[direct.test] = [*(other for other in others if other.day == direct.day), direct]
    return {test: answers for test, answers in told.items() if answers}


def _with_direct(answer: Answer, test: Test, told: list[DirectAnswer], record: Record, day: date) -> Answer:
    """Join what the items say with what a person answered to the test itself; raise Conflict where they disagree."""
    direct = told[0]
    if test.bound_to_time and direct.day != day:
        again = f"answered on {direct.day}; to be asked again"
        return replace(answer, why=f"{again}; {answer.why}") if answer.truth is None else answer
    said = tuple(map(_said, told))
    if len({other.yes for other in told}) > 1:
        raise Conflict(f"{test.id}: answered directly both yes and no on {direct.day}", evidence=said)
    if answer.truth is None:
        return Answer(test.id, direct.yes, said)
    if answer.truth is direct.yes or _is_newer(answer.evidence, direct.day, record):
        return answer
    message = f"{test.id}: '{said[0]}' disagrees with {'; '.join(map(str, answer.evidence)) or 'the record'}"
    raise Conflict(message, evidence=(*said, *answer.evidence))


def _said(direct: DirectAnswer) -> Evidence:
    by = f" (by {direct.by})" if direct.by else ""
    return Evidence(f"answered directly: {'yes' if direct.yes else 'no'}{by}", When.on(direct.day), direct.id)


def _is_newer(evidence: tuple[Evidence, ...], day: date, record: Record) -> bool:
    """Tell whether some item is certainly of a later day; what a record says by its silence is as old as the record."""
    known = [item.known for item in evidence if item.known]
    if not known:
        return record.recorded is not None and record.recorded > day
    return any(when.earliest > day for when in known)


def _day_of(test: Test, day: date) -> date:
    """Return the day as of which a test is asked: the screening date, or so long before it."""
    as_of = test.selection.condition("as_of")
    return shift(day, as_of.duration, -1) if as_of and as_of.duration else day


def _evidence(items: Iterable[Item]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            item.text, _shown_when(item), item.id, known=_known_when(item), kind=item.kind, concept=item.concept, value=item.value,
            present=item.present,
        )
        for item in items
    )  # fmt: skip


def _known_when(item: Item) -> When | None:
    """Return the day as of which an item says what it says: of a course its last day, of all else when it was so."""
    return (item.end or item.start) if item.kind == "therapy" and not item.ongoing else item.stated or item.start


def _shown_when(item: Item) -> When | None:
    return None if item.kind == "therapy" else item.start or item.stated


# ---- some ------------------------------------------------------------------------------------------------------------


def _some(patient: Patient, test: Test) -> Answer:
    """At least one item meets all the conditions."""
    matched = patient.matched(test.selection)
    yes = [item for item, truth, _ in matched if truth and item.present]
    if yes:
        return Answer(test.id, True, _evidence(yes))
    if test.selection.kind == "sex":
        return Answer(test.id, False if matched else None, _evidence(i for i, _, _ in matched), "" if matched else "not recorded")
    open_items = [(item, doubts) for item, truth, doubts in matched if truth is None and item.present]
    if open_items:
        why = "; ".join(dict.fromkeys(doubt for _, doubts in open_items for doubt in doubts))
        return Answer(test.id, None, _evidence(item for item, _ in open_items), why)
    denied = [item for item, truth, _ in matched if truth and not item.present]
    if denied or patient.complete(test.selection):
        return Answer(test.id, False, _evidence(denied) or _not_counted(matched))
    return Answer(test.id, None, _not_counted(matched), _missing(patient, test, matched))


def _not_counted(matched: Iterable[tuple[Item, Truth, tuple[str, ...]]]) -> tuple[Evidence, ...]:
    """Return items that do not meet the conditions, each with those that it misses."""
    return tuple(
        replace(shown, note="; ".join(missed), known=None) for item, _, missed in matched for shown in _evidence([item])
    )


def _instead(patient: Patient, test: Test, items: list[Item]) -> tuple[Evidence, ...]:
    """Return what an open answer rests on; where no item counts, the latest of those that do not, each with why."""
    if items:
        return _evidence(items)
    matched = patient.matched(test.selection)
    last = _candidates([item for item, _, _ in matched])
    return _not_counted(row for row in matched if row[0] in last)


def _missing(patient: Patient, test: Test, matched: list[tuple[Item, Truth, tuple[str, ...]]]) -> str:
    if not matched:
        return "not recorded"
    return "what is recorded does not meet the conditions, and the record does not say that it is complete"


# ---- latest, earliest, lowest, highest -------------------------------------------------------------------------------


def _latest(patient: Patient, test: Test) -> Answer:
    """The latest item decides; where several may be the latest, all must agree."""
    certain, maybe, open_why = _usable(patient, test)
    if not certain and not maybe and _silently_denied(patient, test):
        return Answer(test.id, False)
    if not certain:
        return Answer(test.id, None, _instead(patient, test, maybe), open_why)
    states = [state for item in certain for state in _states(patient, item, test)]
    if not states:
        return Answer(test.id, None, _evidence(certain), "one kind of it has ended, which says nothing of the others")
    candidates = _candidates(states)
    others = [state for item in maybe for state in _states(patient, item, test)]
    candidates += [item for item in others if _may_follow(item, candidates)]
    newest = test.selection.condition("newest")
    if newest is not None and both(_recent(patient, item, newest) for item in candidates) is not True:
        return Answer(test.id, None, _evidence(candidates), _stale(candidates, newest))
    _refuse_clash(candidates, test)
    truth = _agreed(_truths(patient, test, candidates, certain=not set(others) & set(candidates)))
    why = "" if truth is not None else open_why or _unsettled(patient, test, candidates)
    return Answer(test.id, truth, _evidence(candidates), why)


def _silently_denied(patient: Patient, test: Test) -> bool:
    """Tell whether a record that holds every finding says by silence that this one is not there, as of the day it was made."""
    if test.selection.kind != "finding" or test.comparison.op != "present" or not patient.complete(test.selection):
        return False
    newest = test.selection.condition("newest")
    if newest is None or newest.duration is None:
        return True
    made = patient.record.recorded or patient.day
    return made >= shift(patient.day, newest.duration, -1)


def _agreed(truths: list[Truth]) -> Truth:
    """Return what all say, or unknown."""
    return truths[0] if len(set(truths)) == 1 else None


def _usable(patient: Patient, test: Test) -> tuple[list[Item], list[Item], str]:
    """Return the items that meet the conditions, those that may, and why it is open where it is."""
    matched = patient.matched(test.selection)
    certain = [item for item, truth, _ in matched if truth]
    maybe = [(item, doubts) for item, truth, doubts in matched if truth is None]
    why = "; ".join(dict.fromkeys(doubt for _, doubts in maybe for doubt in doubts))
    if not matched:
        why = "not recorded"
    elif not certain and not maybe:
        why = f"nothing recorded meets the conditions ({_outside(patient, test)})"
    return certain, [item for item, _ in maybe], why


def _outside(patient: Patient, test: Test) -> str:
    within = test.selection.condition("within")
    if within is None:
        return "see the conditions of the test"
    window = patient.window(within)
    if not window.possible:
        return f"it counts only from {window.start} on"
    return f"from {window.start} to {window.end}"


def _states(patient: Patient, item: Item, test: Test) -> list[Item]:
    """See a finding as a state: one that has ended is absent since then; one that may have ended is either."""
    if item.kind != "finding" or not item.present or item.end is None or item.ongoing:
        return [item]
    if item.end.earliest >= patient.day:
        return [replace(item, stated=When.on(patient.day))]
    end = When(item.end.earliest, min(item.end.latest, patient.day - ONE_DAY))
    ended = Item(
        item.kind, item.concept, f"{item.text} until {item.end}", item.start, end, False, end, False,
        method=item.method, id=item.id,
    )  # fmt: skip
    over = [ended] if test.selection.members <= patient.vocabulary.members(item.concept) else []
    still = replace(item, stated=When(item.end.earliest, patient.day))
    return over if item.end.latest < patient.day else [*over, still]


def _order(item: Item) -> When | None:
    return item.stated or item.start


def _candidates(items: list[Item], by_start: bool = False) -> list[Item]:
    """Return the items that may be the latest (or the latest to begin): undated ones always may."""
    whens = [(item, item.start if by_start else _order(item)) for item in items]
    dated = [(item, when) for item, when in whens if when]
    undated = [item for item, when in whens if when is None]
    if not dated:
        return undated
    bar = max(when.earliest for _, when in dated)
    late = [(item, when) for item, when in dated if when.latest >= bar]
    if all(when.clock for _, when in late):
        last = max(when.order for _, when in late)
        late = [(item, when) for item, when in late if when.order == last]
    return [item for item, _ in late] + undated


def _may_follow(item: Item, others: list[Item]) -> bool:
    """Tell whether an item may be as late as any of the others."""
    when = _order(item)
    return when is None or all(other is None or when.latest >= other.earliest for other in map(_order, others))


def _recent(patient: Patient, item: Item, newest: Condition) -> Truth:
    assert newest.duration is not None
    when = _order(item)
    if when is None:
        return None
    oldest = shift(patient.day, newest.duration, -1)
    if when.earliest >= oldest:
        return True
    return False if when.latest < oldest else None


def _stale(candidates: list[Item], newest: Condition) -> str:
    if any(item.slip for item in candidates):
        return WRONG_DATE
    undated = any(_order(item) is None for item in candidates)
    if undated:
        return f"not dated; it must be no older than {newest.duration}"
    last = max(str(_order(item)) for item in candidates)
    return f"too old: of {last}, but it must be no older than {newest.duration}"


def _refuse_clash(candidates: list[Item], test: Test) -> None:
    """Two different values at one and the same instant are a conflict, unless the test says which of them counts."""
    if test.argument in ("lowest", "highest"):
        return
    seen: dict[tuple[object, ...], Item] = {}
    for item in candidates:
        when = _order(item)
        if when is None or not when.exact:
            continue
        other = seen.setdefault((when, item.method), item)
        if (other.value, other.present) != (item.value, item.present):
            raise Conflict(f"{other.text} and {item.text} on {when}", [other, item])


def _equally_late(items: list[Item]) -> bool:
    """Tell whether all items are known to be of one day."""
    whens = [_order(item) for item in items]
    return all(when and when.exact for when in whens) and len({when.earliest for when in whens if when}) == 1


def _truths(patient: Patient, test: Test, items: list[Item], certain: bool = True) -> list[Truth]:
    op = test.comparison.op
    if op in ("present", "absent"):
        return [item.present is (op == "present") for item in items]
    if test.argument in ("lowest", "highest") and certain and _equally_late(items):
        return [_extreme_meets(patient, test, items, str(test.argument))]
    return [patient.value_meets(item, test.comparison) for item in items]


def _unsettled(patient: Patient, test: Test, items: list[Item]) -> str:
    """Say why recorded values leave a test open."""
    nothing_known = [item for item in items if item.value and item.value.low is None and item.value.high is None]
    if nothing_known and test.selection.concept in patient.vocabulary.derived:
        if any(item.method is None for item in nothing_known):
            return "by which equation (method) it was reported is not recorded: it may be another value than the one asked for"
        return "it cannot be computed from what is recorded"
    if any(t.limit for t in test.comparison.thresholds) and any(i.low is None and i.high is None for i in items):
        return "the laboratory's own limit is not recorded with the value"
    return (
        "the recorded value does not settle it"
        if len(items) == 1
        else "the recorded values do not agree, or their order is not known"
    )


def _extreme(items: list[Item], which: str) -> Interval | None:
    """Return the lowest or highest of the values, bounds included; None where a value is missing."""
    known = [item.value for item in items if item.value is not None]
    if not items or len(known) < len(items):
        return None
    pick = min if which == "lowest" else max
    lows = [(value.low, value.low_open) for value in known if value.low is not None]
    highs = [(value.high, not value.high_open) for value in known if value.high is not None]
    if len(lows) < len(known) and which == "lowest":
        lows = []
    if len(highs) < len(known) and which == "highest":
        highs = []
    low, low_open = pick(lows, default=(None, False))
    high, high_closed = pick(highs, default=(None, True))
    return Interval(low, high, low_open, not high_closed)


def _extremal(patient: Patient, test: Test) -> Answer:
    """Earliest, lowest or highest of the recorded values."""
    items, maybe, why = _usable(patient, test)
    if not items or maybe:
        return Answer(test.id, None, _instead(patient, test, [*items, *maybe]), why)
    if test.summary == "earliest":
        items = _first(items)
        _refuse_clash(items, test)
        truth = _agreed(_truths(patient, test, items))
    else:
        truth = _extreme_meets(patient, test, items, test.summary)
    return Answer(test.id, truth, _evidence(items), "" if truth is not None else _unsettled(patient, test, items))


def _first(items: list[Item]) -> list[Item]:
    """Return the items that may be the earliest to begin: undated ones always may."""
    dated = [(item, item.start) for item in items if item.start]
    undated = [item for item in items if item.start is None]
    bar = min((when.latest for _, when in dated), default=date.min)
    return [item for item, when in dated if when.earliest <= bar] + undated


def _extreme_meets(patient: Patient, test: Test, items: list[Item], which: str) -> Truth:
    """For laboratory limits each value is compared with its own; else the extreme of all is compared."""
    op = test.comparison.op
    if any(threshold.limit for threshold in test.comparison.thresholds):
        truths = [patient.value_meets(item, test.comparison) for item in items]
        if op in ("equals", "between"):
            return _agreed(truths)
        some = (which == "lowest") is (op in ("below", "at_most"))
        return either(truths) if some else both(truths)
    extreme = _extreme(items, which)
    return meets(extreme, test.comparison) if extreme else None


# ---- consecutive values ----------------------------------------------------------------------------------------------


def _by_day(items: list[Item], test: Test) -> list[list[Item]] | None:
    """Return for each day, the latest first, what may be its last item; None where the order of days is not known."""
    if any(item.start is None or not item.start.exact for item in items):
        return None
    days: dict[date, list[Item]] = {}
    for item in items:
        assert item.start is not None
        days.setdefault(item.start.earliest, []).append(item)
    chosen = []
    for _, same in sorted(days.items(), reverse=True):
        last = _candidates(same)
        _refuse_clash(last, test)
        chosen.append(last)
    return chosen


def _day_meets(patient: Patient, test: Test, last: list[Item]) -> Truth:
    """Tell whether the last value of a day meets the comparison; where several may be the last, all must agree."""
    return _agreed([patient.value_meets(item, test.comparison) for item in last])


def _flat(days: Iterable[list[Item]]) -> list[Item]:
    return [item for day in days for item in day]


def _each_of_latest(patient: Patient, test: Test) -> Answer:
    """Each of the latest N values, on different days."""
    items, maybe, why = _usable(patient, test)
    if not items or maybe:
        return Answer(test.id, None, _instead(patient, test, [*items, *maybe]), why)
    ordered = _by_day(items, test)
    if ordered is None:
        return Answer(test.id, None, _evidence(items), "a value without its day: the order of the values is not known")
    number = int(test.argument)
    latest = ordered[:number]
    newest = test.selection.condition("newest")
    if newest is not None and _recent(patient, latest[0][0], newest) is not True:
        return Answer(test.id, None, _evidence(latest[0]), _stale(latest[0], newest))
    truth = both(_day_meets(patient, test, day) for day in latest)
    if truth and len(latest) < number:
        return Answer(test.id, None, _evidence(_flat(latest)), f"only {len(latest)} of {number} values recorded")
    return Answer(test.id, truth, _evidence(_flat(latest)), "" if truth is not None else _unsettled(patient, test, _flat(latest)))


def _consecutive(patient: Patient, test: Test) -> Answer:
    """N values on different days, one directly after the other, anywhere in the record."""
    items, maybe, why = _usable(patient, test)
    ordered = _by_day(items, test) if items and not maybe else []
    if ordered is None:
        return Answer(test.id, None, _evidence(items), "a value without its day: the order of the values is not known")
    number = int(test.argument)
    newest = test.selection.condition("newest")
    runs = [ordered[i : i + number] for i in range(len(ordered) - number + 1)]
    truths = [
        both([_run_recent(patient, run, newest), *(_day_meets(patient, test, day) for day in run)])
        for run in runs
    ]
    for run, truth in zip(runs, truths, strict=True):
        if truth:
            return Answer(test.id, True, _evidence(_flat(run)))
    if either(truths) is False and patient.complete(test.selection) and not maybe:
        return Answer(test.id, False, _evidence(_flat(ordered)))
    return Answer(test.id, None, _evidence(_flat(ordered)), why or f"no {number} consecutive values recorded that meet it")


def _run_recent(patient: Patient, run: list[list[Item]], newest: Condition | None) -> Truth:
    return True if newest is None else _recent(patient, run[0][0], newest)


# ---- counts ----------------------------------------------------------------------------------------------------------


def _count(patient: Patient, test: Test) -> Answer:
    """How many items (of distinct time), drugs or direct sub-classes: an interval where some are uncertain."""
    matched = [(item, truth, doubts) for item, truth, doubts in patient.matched(test.selection) if item.present]
    certain = [item for item, truth, _ in matched if truth]
    maybe = [item for item, truth, _ in matched if truth is None]
    low, high = _tally(patient, test, certain)[0], _tally(patient, test, certain + maybe)[1]
    complete = patient.complete(test.selection)
    value = Interval(Fraction(low), Fraction(high) if complete else None)
    truth = meets(value, test.comparison)
    why = "" if truth is not None else _why_open(low, complete, [d for _, t, d in matched if t is None])
    return Answer(test.id, truth, _evidence([*certain, *maybe]), why)


def _why_open(low: int, complete: bool, doubts: list[tuple[str, ...]]) -> str:
    reasons = list(dict.fromkeys(doubt for row in doubts for doubt in row))
    if not complete:
        reasons.append("the record does not say that it is complete")
    return f"{low} certain; " + "; ".join(reasons or ["some may be one and the same"])


def _tally(patient: Patient, test: Test, items: list[Item]) -> tuple[int, int]:
    """Return at least and at most how many there are."""
    if test.argument == "drugs":
        drugs = {item.concept for item in items}
        return len(drugs), len(drugs)
    if test.argument == "classes":
        vocabulary = patient.vocabulary
        children = vocabulary.children(test.selection.concept)
        classes = {child for item in items for child in children & vocabulary.ancestors(item.concept)}
        return len(classes), len(classes)
    tallies = [distinct([item for item in items if item.concept == concept]) for concept in {i.concept for i in items}]
    return sum(low for low, _ in tallies), sum(high for _, high in tallies)


def distinct(items: list[Item]) -> tuple[int, int]:
    """Return at least and at most how many items of one concept there are, those of one day being one."""
    distinct = {(item.start.earliest, item.start.latest) for item in items if item.start}
    exact = [item for item in items if item.start and item.start.exact]
    repeated = len(exact) - len({item.start.earliest for item in exact if item.start})
    undated = 1 if any(item.start is None for item in items) and not distinct else 0
    return _disjoint(distinct) + undated, len(items) - repeated


def _disjoint(spans_: set[tuple[date, date]]) -> int:
    """Return how many of the periods are certainly different times: the most that do not overlap pairwise."""
    chosen = 0
    last = date.min
    for first, end in sorted(spans_, key=lambda span: (span[1], span[0])):
        if chosen == 0 or first > last:
            chosen += 1
            last = end
    return chosen


# ---- doses and stability ---------------------------------------------------------------------------------------------


def _daily_dose(patient: Patient, test: Test) -> Answer:
    """The total daily dose on the screening date, in the class's equivalent where it has one."""
    unit = test.comparison.thresholds[0].unit
    low, high = Fraction(0), Fraction(0)
    unbounded = not patient.complete(test.selection)
    used: list[Item] = []
    doubts: list[str] = ["the record does not say that its therapies are complete"] if unbounded else []
    for item, truth, unsure in patient.matched(test.selection):
        for part in item.parts:
            on = _on(patient, part)
            now = both([truth, on])
            if now is False:
                continue
            used.append(item)
            dose = patient.daily_dose(test.selection, part, unit)
            if now is None:
                doubts += list(unsure) or ["whether it still goes on is not recorded"]
            if dose is None or dose.low is None or dose.high is None:
                unbounded = True
                doubts.append("a dose is not recorded in full")
                continue
            low += dose.low if now else 0
            high += dose.high
    truth = meets(Interval(low, None if unbounded else high), test.comparison)
    return Answer(
        test.id, truth, _evidence(dict.fromkeys(used)), "" if truth is not None else "; ".join(dict.fromkeys(doubts))
    )


def _on(patient: Patient, part: Therapy) -> Truth:
    """Tell whether an entry was being taken on the screening date."""
    if part.start is not None and part.start.earliest > patient.day:
        return False
    if part.ongoing:
        return True
    if part.end is None:
        return None
    if part.end.latest < patient.day:
        return False
    return True if part.end.earliest >= patient.day else None


def _unchanged(patient: Patient, test: Test) -> Answer:
    """For how long up to screening no drug asked for was started, stopped or changed in dose."""
    duration = test.comparison.thresholds[0].duration
    assert duration is not None
    since = shift(patient.day, duration, -1)
    certain = {item: truth for item, truth, _ in patient.matched(test.selection) if truth is not False}
    items = list(certain)
    entries = [(item, part) for item in items for part in item.parts]
    truths: list[Truth] = []
    changed: list[Item] = []
    for item, part in entries:
        stable = _stable_since(patient, part, [p for _, p in entries if p.concept == part.concept], since)
        if stable is False and certain[item] is None:
            stable = None
        truths.append(stable)
        if stable is not True:
            changed.append(item)
    truth = both(truths)
    if truth is False:
        return Answer(test.id, False, _evidence(dict.fromkeys(changed)))
    if truth and patient.complete(test.selection):
        return Answer(test.id, True, _evidence(dict.fromkeys(items)))
    why = (
        "when a dose was started or changed is not recorded"
        if truth is None
        else "the record does not say that its therapies are complete"
    )
    return Answer(test.id, None, _evidence(dict.fromkeys(changed or items)), why)


def _stable_since(patient: Patient, part: Therapy, same_drug: list[Therapy], since: date) -> Truth:
    """Tell whether an entry neither began nor ended after a day, renewals at the same dose apart."""
    return both([_began_by(part, same_drug, since), _goes_on(patient, part, same_drug, since)])


def _began_by(part: Therapy, same_drug: list[Therapy], since: date) -> Truth:
    if part.start is None:
        return None
    if part.start.latest <= since:
        return True
    renewed = either(_renewed(other, part) for other in same_drug)
    return renewed if renewed is not False else False if part.start.earliest > since else None


def _goes_on(patient: Patient, part: Therapy, same_drug: list[Therapy], since: date) -> Truth:
    if part.ongoing:
        return True
    if part.end is None:
        return None
    if part.end.earliest >= patient.day or part.end.latest + ONE_DAY <= since:
        return True
    renewed = either(_renewed(part, other) for other in same_drug)
    if renewed is not False:
        return renewed
    return False if part.end.earliest + ONE_DAY > since and part.end.latest < patient.day else None


def _renewed(before: Therapy, after: Therapy) -> Truth:
    """Tell whether one entry is carried on by the other at the same dose, without a gap."""
    if before is after or before.ongoing:
        return False
    same = before.dose == after.dose if before.dose and after.dose else None
    if before.dose and after.dose and before.dose.unit != after.dose.unit:
        same = None
    first = compare(before.start, "before", after.start) if before.start and after.start else None
    end = before.end and When(before.end.earliest + ONE_DAY, before.end.latest + ONE_DAY)
    joined = compare(after.start, "on_or_before", end) if end and after.start else None
    return both([same, first, joined])


def _time_since(patient: Patient, test: Test) -> Answer:
    """The time from the latest item to screening; of a finding, which is stated again and again, from its first beginning."""
    items, maybe, why = _usable(patient, test)
    items = [item for item in items if item.present]
    if not items or maybe:
        return Answer(test.id, None, _instead(patient, test, [*items, *maybe]), why or "not recorded")
    if any(item.start is None for item in items):
        return Answer(test.id, None, _evidence(items), "its date is not recorded")
    dated = _first(items) if test.selection.kind == "finding" else _candidates(items)
    truth = _agreed([spans(item.start, When.on(patient.day), test.comparison) for item in dated if item.start])
    return Answer(test.id, truth, _evidence(dated), "" if truth is not None else "its date is not known well enough")


def _time_between(patient: Patient, test: Test) -> Answer:
    """The time from the earliest to the latest item."""
    items, maybe, why = _usable(patient, test)
    items = [item for item in items if item.present]
    if len(items) < 2 and not maybe and patient.complete(test.selection) and test.comparison.op in ("at_least", "above"):
        return Answer(test.id, False, _evidence(items))
    if len(items) < 2 or maybe:
        return Answer(test.id, None, _instead(patient, test, [*items, *maybe]), why or "fewer than two are recorded")
    if any(item.start is None for item in items):
        return Answer(test.id, None, _evidence(items), "a date is not recorded")
    truth = _agreed(
        [
            spans(first.start, last.start, test.comparison)
            for first in _first(items)
            for last in _candidates(items, by_start=True)
            if first.start and last.start
        ]
    )
    return Answer(test.id, truth, _evidence(items), "" if truth is not None else "a date is not known well enough")


# ---- changes ---------------------------------------------------------------------------------------------------------


def _change(patient: Patient, test: Test) -> Answer:
    """How far the latest value lies from the earliest one, the one before, or the most extreme one before."""
    items, maybe, why = _usable(patient, test)
    if not items or maybe:
        return Answer(test.id, None, _instead(patient, test, [*items, *maybe]), why)
    ordered = _by_day(items, test)
    if ordered is None:
        return Answer(test.id, None, _evidence(items), "a value without its day: the order of the values is not known")
    if len(ordered) < 2:
        return Answer(test.id, None, _evidence(_flat(ordered)), "only one value is recorded; a change needs two")
    newest = test.selection.condition("newest")
    if newest is not None and _recent(patient, ordered[0][0], newest) is not True:
        return Answer(test.id, None, _evidence(ordered[0]), _stale(ordered[0], newest))
    falling = test.summary.endswith("fall")
    before = _baseline(ordered[1:], str(test.argument), falling)
    now, then = _hull(ordered[0]), _extreme(before, "highest" if falling else "lowest")
    amount = _difference(then, now, falling, test.summary.startswith("relative")) if now and then else None
    truth = None if amount is None else meets(amount, test.comparison)
    used = [*before, *ordered[0]]
    return Answer(test.id, truth, _evidence(used), "" if truth is not None else _unsettled(patient, test, ordered[0]))


def _baseline(earlier: list[list[Item]], argument: str, falling: bool) -> list[Item]:
    """Return the items of which the most extreme is what the latest value is held against; `earlier` has the latest day first."""
    days = {"previous": earlier[:1], "extreme": earlier}.get(argument, earlier[-1:])
    hulls = [replace(day[0], value=_hull(day)) for day in days]
    extreme = _extreme(hulls, "highest" if falling else "lowest")
    if extreme is None:
        return hulls
    return [item for item in hulls if item.value and _may_be(item.value, extreme, falling)]


def _may_be(value: Interval, extreme: Interval, highest: bool) -> bool:
    """Tell whether a value may be the most extreme one."""
    if highest:
        return value.high is None or extreme.low is None or value.high >= extreme.low
    return value.low is None or extreme.high is None or value.low <= extreme.high


def _hull(items: list[Item]) -> Interval | None:
    """Return the range in which the last value of a day lies; None where a value is missing."""
    low, high = _extreme(items, "lowest"), _extreme(items, "highest")
    if low is None or high is None or len(items) == 1:
        return low
    return Interval(low.low, high.high, low.low_open, high.high_open)


def _difference(before: Interval, after: Interval, falling: bool, relative: bool) -> Interval | None:
    """Return how far a value fell (or rose), in its unit or in per cent of the earlier value; None where it cannot be told."""
    least = None if before.low is None or after.high is None else before.low - after.high
    most = None if before.high is None or after.low is None else before.high - after.low
    fell = (least, most) if falling else (None if most is None else -most, None if least is None else -least)
    if not relative:
        return Interval(*fell)
    if not before.exact or before.low is None or before.low <= 0:
        return None
    low, high = (None if end is None else 100 * end / before.low for end in fell)
    return Interval(low, high)


_SUMMARIES: Mapping[str, Callable[[Patient, Test], Answer]] = {
    "some": _some,
    "latest": _latest,
    "earliest": _extremal,
    "lowest": _extremal,
    "highest": _extremal,
    "each_of_latest": _each_of_latest,
    "consecutive": _consecutive,
    "count": _count,
    "daily_dose": _daily_dose,
    "unchanged": _unchanged,
    "time_since": _time_since,
    "time_between": _time_between,
    "fall": _change,
    "rise": _change,
    "relative_fall": _change,
    "relative_rise": _change,
}
