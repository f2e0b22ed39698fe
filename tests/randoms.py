"""Random records, and the ways in which what they leave open may turn out.

A small vocabulary with records over it drawn by hypothesis (for the algebra of tests) and `completed` in random ways; records of a
real knowledge base with some of what they say taken back (`blurred`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import TypeVar

import clingo
from hypothesis import strategies as st

from pyscreen.dates import When
from pyscreen.engine import Term
from pyscreen.quantities import Interval, Scale, bound
from pyscreen.questions import Questions, Test
from pyscreen.record import Dose, Measurement, Record, Statement, Therapy
from pyscreen.vocabulary import Quantity, Vocabulary

T = TypeVar("T")
DAY = date(2026, 11, 20)
ONE_DAY = timedelta(days=1)

CELLS = Scale("cells", "10*9/L", {"K/uL": (Fraction(1), Fraction(0)), "10*8/L": (Fraction(1, 10), Fraction(0))})
KILOS = Scale("weight", "kg", {"g": (Fraction(1, 1000), Fraction(0))})
WORDS = Vocabulary(
    quantities={
        "platelets": Quantity("platelets", "Platelets", CELLS),
        "ldh": Quantity("ldh", "LDH", Scale("enzyme", "U/L")),
        "weight": Quantity("weight", "Weight", KILOS),
    },
    findings={"rash": "Rash", "ache": "Ache", "skin": "A disease of the skin"},
    events={"relapse": "Relapse", "depletion": "Depletion", "death": "Death", "sudden_death": "Sudden death"},
    procedures={"transplant": "Transplant"},
    judgements={"fit": "Fit"},
    consents={"informed": "Informed consent"},
    drugs={
        "prednisone": "Prednisone",
        "dexamethasone": "Dexamethasone",
        "azathioprine": "Azathioprine",
        "mercaptopurine": "Mercaptopurine",
        "methotrexate": "Methotrexate",
        "hydroxychloroquine": "Hydroxychloroquine",
    },
    classes={"steroid": "Steroid", "suppressant": "Suppressant", "purine": "Purine", "antimalarial": "Antimalarial"},
    methods={"elisa": "ELISA", "rapid": "Rapid test"},
    routes=frozenset(("oral", "intravenous", "topical")),
    local_routes=frozenset(("topical",)),
    systemic=frozenset(("steroid",)),
    parents={
        "rash": frozenset(["skin"]),
        "sudden_death": frozenset(["death"]),
        "prednisone": frozenset(["steroid"]),
        "dexamethasone": frozenset(["steroid"]),
        "azathioprine": frozenset(["purine"]),
        "mercaptopurine": frozenset(["purine"]),
        "purine": frozenset(["suppressant"]),
        "methotrexate": frozenset(["suppressant"]),
        "hydroxychloroquine": frozenset(["antimalarial", "suppressant"]),
    },
    outcomes={"failed": frozenset(["none", "progression"]), "responded": frozenset(["partial"])},
    derived=frozenset(("death",)),
    equivalents={"steroid": ("mg/d", {"prednisone": Fraction(1), "dexamethasone": Fraction(20, 3)})},
)


# ---- questions -------------------------------------------------------------------------------------------------------


def term(text: str) -> Term | str | int:
    """Read a term as clingo writes it."""
    return _term(clingo.parse_term(text))


def _term(symbol: clingo.Symbol) -> Term | str | int:
    if symbol.type is clingo.SymbolType.Number:
        return symbol.number
    if symbol.type is clingo.SymbolType.String:
        return symbol.string
    return Term(symbol.name, tuple(map(_term, symbol.arguments)))


def question(items: str, summary: str, comparison: str, *given: str, **selections: Sequence[str]) -> Test:
    """Return a test over the small vocabulary; a named selection is its items and its conditions."""
    complaints: list[str] = []
    conditions = {"asked": [term(text) for text in given]}
    conditions |= {name: [term(text) for text in words[1:]] for name, words in selections.items()}
    questions = Questions(
        WORDS,
        {name: _whole(words[0]) for name, words in selections.items()},
        {owner: [c for c in found if isinstance(c, Term)] for owner, found in conditions.items()},
        lambda message, _: complaints.append(message),
    )
    test = questions.test(Term("asked"), _whole(items), _whole(summary), _whole(comparison))
    assert test is not None, complaints
    assert not complaints, complaints
    return test


def _whole(text: str) -> Term:
    found = term(text)
    assert isinstance(found, Term)
    return found


# ---- small records ---------------------------------------------------------------------------------------------------

_AGO = (0, 1, 2, 3, 5, 6, 7, 8, 9, 13, 14, 15, 21, 27, 28, 29, 30, 31, 45, 83, 84, 85, 120, 365)


def ago(days: int) -> date:
    """Return the day so many days before the screening day."""
    return DAY - timedelta(days=days)


_days = st.sampled_from(_AGO).map(ago)


@st.composite
def _whens(draw: st.DrawFn, clock: bool = False) -> When | None:
    kind = draw(st.sampled_from(("exact", "exact", "exact", "range", "none")))
    if kind == "none":
        return None
    day = draw(_days)
    if kind == "range":
        return When(day, day + timedelta(days=draw(st.sampled_from((1, 5, 13, 30, 90)))))
    return When.on(day, draw(st.sampled_from(("", "", "08:00", "20:00"))) if clock else "")


_numbers = st.sampled_from((10, 20, 29, 30, 31, 50, 60)).map(Fraction)


@st.composite
def _values(draw: st.DrawFn) -> Interval:
    sign = draw(st.sampled_from(("", "", "", "", "<", "<=", ">", ">=", "any")))
    return Interval(None, None) if sign == "any" else bound(sign, draw(_numbers))  # type: ignore[arg-type]


@st.composite
def _measurements(draw: st.DrawFn) -> Measurement:
    concept = draw(st.sampled_from(("platelets", "platelets", "platelets", "weight", "ldh")))
    return Measurement(
        concept,
        draw(_values()),
        concept,
        draw(_whens(clock=True)),
        low=draw(st.none() | st.sampled_from((25, 40)).map(Fraction)),
        high=draw(st.none() | st.sampled_from((45, 55)).map(Fraction)),
        method=draw(st.sampled_from((None, None, "elisa", "rapid"))),
    )


def _fits(start: When | None, end: When | None) -> bool:
    return start is None or end is None or start.earliest <= end.latest


@st.composite
def _findings(draw: st.DrawFn) -> Statement:
    concept = draw(st.sampled_from(("rash", "ache")))
    when = draw(_whens())
    if not draw(st.sampled_from((True, True, False))):
        return Statement(concept, False, when)
    end = draw(_whens())
    ongoing = end is None and draw(st.booleans())
    if not _fits(when, end):
        end = None
    stated = draw(_days) if end is None and draw(st.booleans()) else None
    if stated and when and when.earliest > stated:
        stated = None
    return Statement(concept, True, when, end, ongoing, When.on(stated) if stated else None)


@st.composite
def _statements(draw: st.DrawFn, kinds: Sequence[str]) -> Statement:
    concept = draw(st.sampled_from(kinds))
    present = draw(st.sampled_from((True, True, True, False)))
    if concept == "depletion" and present and draw(st.booleans()):
        first = DAY + timedelta(days=draw(st.sampled_from((0, 1, 3, 10))))
        return Statement(concept, True, When(first, first + timedelta(days=draw(st.sampled_from((0, 0, 4))))), planned=True)
    return Statement(concept, present, draw(_whens()))


_doses = st.sampled_from((None, Dose(Fraction(5), "mg/d"), Dose(Fraction(30), "mg/d"), Dose(Fraction(60), "mg/d"), Dose(Fraction(1), "mg/kg/d")))
DRUGS = ("prednisone", "prednisone", "prednisone", "dexamethasone", "azathioprine", "mercaptopurine", "methotrexate", "hydroxychloroquine")


@st.composite
def _therapies(draw: st.DrawFn) -> list[Therapy]:
    """Draw one entry, or a few of one drug of which one follows the other."""
    drug = draw(st.sampled_from(DRUGS))
    found: list[Therapy] = []
    start = draw(_whens())
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
        end = draw(_whens()) if draw(st.booleans()) else None
        if start is not None and start.exact and draw(st.booleans()):
            end = When.on(start.earliest + timedelta(days=draw(st.sampled_from((0, 2, 7, 27, 83)))))
        if not _fits(start, end):
            end = None
        found.append(
            Therapy(
                drug,
                draw(_doses),
                route=draw(st.sampled_from((None, "oral", "oral", "topical"))),
                start=start,
                end=end,
                ongoing=end is None and draw(st.booleans()),
                response=draw(st.sampled_from((None, None, "none", "partial"))),
                reasons=draw(st.sampled_from(((), (), ("rash",), ("ache",)))),
            )
        )
        if end is None or end.earliest >= DAY:
            break
        gap = timedelta(days=draw(st.sampled_from((1, 1, 2, 10))))
        start = When(end.earliest + gap, end.latest + gap)
    return [t for t in found if t.start is None or t.start.earliest <= DAY]


@st.composite
def small_records(draw: st.DrawFn) -> Record:
    """Draw a record of a few items over the small vocabulary, much of it open."""
    therapies = [t for entries in draw(st.lists(_therapies(), max_size=3)) for t in entries]
    never = sorted(set(WORDS.drugs) - {t.concept for t in therapies})
    if never and draw(st.booleans()):
        therapies.append(Therapy(draw(st.sampled_from(never)), taken=False))
    closable = ("measurements", "findings", "therapies", "events", "procedures", "platelets", "rash", "relapse", "steroid", "purine", "prednisone")
    return Record(
        "small",
        birth=draw(st.none() | st.just(When.on(date(1986, 11, 1))) | st.just(When(date(1986, 1, 1), date(1986, 12, 31)))),
        sex=draw(st.sampled_from((None, "male", "female"))),
        measurements=tuple(draw(st.lists(_measurements(), max_size=4))),
        findings=tuple(draw(st.lists(_findings(), max_size=3))),
        therapies=tuple(therapies),
        events=tuple(draw(st.lists(_statements(("relapse", "depletion")), max_size=3))),
        procedures=tuple(draw(st.lists(_statements(("transplant",)), max_size=1))),
        judgements=tuple(draw(st.lists(_statements(("fit",)), max_size=2))),
        complete=frozenset(draw(st.lists(st.sampled_from(closable), max_size=3))),
    )


# ---- completions -----------------------------------------------------------------------------------------------------


def completed(record: Record, choice: Random, addable: Iterable[tuple[str, str]] = (), keep_ends: bool = False) -> Record:
    """Return one way in which everything that a small record leaves open may turn out.

    Dates become exact days that are not after the screening day (unless planned), intervals become numbers, missing attributes
    are chosen. `addable` are the kinds and concepts of which further items may come to light. What is not filled in:

    - the end of a finding, with `keep_ends` (asked for its latest state, what was last known of it holds);
    - the response and reason of an entry that touches one with a response or reason: they are those of the course;
    - a route that is not recorded is not a local one.
    """
    filler = _Filler(choice, keep_ends)
    birth = When.on(filler.between(record.birth)) if record.birth else When.on(date(choice.choice((1960, 1986, 2010)), 11, 1))
    found = replace(
        record,
        birth=birth,
        sex=record.sex or choice.choice(("male", "female")),
        measurements=tuple(map(filler.measurement, record.measurements)),
        findings=tuple(map(filler.finding, record.findings)),
        therapies=tuple(filler.courses([filler.therapy(t) for t in record.therapies])),
        events=tuple(map(filler.statement, record.events)),
        procedures=tuple(map(filler.statement, record.procedures)),
        judgements=tuple(map(filler.statement, record.judgements)),
    )
    for kind, concept in addable:
        if choice.random() < 0.5:
            found = filler.added(found, kind, concept)
    return replace(found, complete=frozenset(("measurements", "findings", "therapies", "events", "procedures")))


class _Filler:
    def __init__(self, choice: Random, keep_ends: bool) -> None:
        self.choice = choice
        self.keep_ends = keep_ends

    def between(self, when: When | None, first: date = date.min, last: date = DAY) -> date:
        """Return a day of a partly known date, or any day, from `first` to `last`."""
        low = max(first, when.earliest if when else max(first, last - timedelta(days=400)))
        high = min(when.latest, last) if when else last
        if when and when.earliest > last:
            return when.earliest
        span = (max(high, low) - low).days
        return low + timedelta(days=self.choice.choice((0, span, min(span, 1), self.choice.randint(0, span))))

    def day(self, when: When | None, first: date = date.min, last: date = DAY) -> When:
        return When.on(self.between(when, first, last), when.clock if when and when.exact else "")

    def number(self, value: Interval) -> Interval:
        low = value.low if value.low is not None else (value.high or Fraction(70)) - 60
        high = value.high if value.high is not None else low + 60
        options = [low] * (not value.low_open) + [high] * (not value.high_open) + [(low + high) / 2]
        options += [number for number in map(Fraction, (20, 30, 50)) if low < number < high]
        return Interval.exactly(self.choice.choice(options))

    def measurement(self, item: Measurement) -> Measurement:
        return replace(
            item,
            value=self.number(item.value),
            when=self.day(item.when),
            low=item.low if item.low is not None else Fraction(self.choice.choice((15, 35, 40))),
            high=item.high if item.high is not None else Fraction(self.choice.choice((41, 58))),
            method=item.method or self.choice.choice(("elisa", "rapid")),
        )

    def finding(self, item: Statement) -> Statement:
        if not item.present:
            return replace(item, when=self.day(item.when))
        latest = min(day for day in (DAY, item.end and item.end.latest, item.stated and item.stated.latest) if day)
        when = self.day(item.when, last=latest)
        if item.ongoing or (item.end is None and self.keep_ends):
            return replace(item, when=when)
        known = max(when.earliest, item.stated.earliest if item.stated else when.earliest)
        if item.end is None and self.choice.random() < 0.3:
            return replace(item, when=when, ongoing=True)
        return replace(item, when=when, end=self.day(item.end, first=known, last=date.max if item.end else DAY))

    def statement(self, item: Statement) -> Statement:
        if item.planned:
            return replace(item, when=self.day(item.when, last=date.max))
        if item.when is None and not item.present:
            return item
        return replace(item, when=self.day(item.when))

    def therapy(self, item: Therapy) -> Therapy:
        if not item.taken:
            return item
        start = self.day(item.start, last=min(DAY, item.end.latest) if item.end else DAY)
        end, ongoing = item.end, item.ongoing
        if not ongoing and end is None and self.choice.random() < 0.3:
            ongoing = True
        elif not ongoing:
            end = self.day(end, first=start.earliest, last=date.max if end else DAY)
        dose = item.dose or Dose(Fraction(self.choice.choice((5, 30, 45, 60))), "mg/d")
        route = item.route or self.choice.choice(("oral", "intravenous"))
        return replace(item, start=start, end=end, ongoing=ongoing, dose=dose, route=route)

    def courses(self, entries: list[Therapy]) -> Iterator[Therapy]:
        """Fill in the response and the reason of courses that have none."""
        for entry in entries:
            chain = list(touching(entry, entries)) if entry.taken else [entry]
            if entry.taken and not any(other.response for other in chain):
                entry = replace(entry, response=self.choice.choice(("none", "partial", "progression")))
            if entry.taken and not any(other.reasons for other in chain):
                entry = replace(entry, reasons=self.choice.choice((("rash",), ("ache",), ("rash", "ache"))))
            yield entry

    def added(self, record: Record, kind: str, concept: str) -> Record:
        when = self.day(None)
        if kind == "measurement":
            value = Fraction(self.choice.choice((10, 30, 60)))
            extra = Measurement(concept, Interval.exactly(value), concept, when, Fraction(25), Fraction(45), self.choice.choice(("elisa", "rapid")))
            return replace(record, measurements=(*record.measurements, extra))
        if kind == "finding":
            item = Statement(concept, True, when, self.day(None, first=when.earliest))
            return replace(record, findings=(*record.findings, item))
        if kind in ("event", "procedure"):
            item = Statement(concept, True, when)
            field = f"{kind}s"
            return replace(record, **{field: (*record.statements(kind), item)})  # type: ignore[arg-type]
        entry = Therapy(
            concept,
            Dose(Fraction(self.choice.choice((5, 30, 60))), "mg/d"),
            route="oral",
            start=when,
            end=self.day(None, first=when.earliest),
            response=self.choice.choice(("none", "partial")),
            reasons=(self.choice.choice(("rash", "ache")),),
        )
        if len(touching(entry, [*record.therapies, entry])) > 1:
            return record
        return replace(record, therapies=(*record.therapies, entry))


def last_day(entry: Therapy) -> date:
    """Return the last day up to the screening day on which a fully known entry was taken."""
    return DAY if entry.ongoing or entry.end is None else min(entry.end.earliest, DAY)


def touching(entry: Therapy, entries: Sequence[Therapy]) -> list[Therapy]:
    """Return the fully known entries of its drug that an entry touches or overlaps, directly or through others."""
    found = [entry]
    queue = [entry]
    while queue:
        one = queue.pop()
        for other in entries:
            if other.concept != entry.concept or not other.taken or other.planned or any(other is known for known in found):
                continue
            assert one.start
            assert other.start
            if one.start.earliest <= last_day(other) + ONE_DAY and other.start.earliest <= last_day(one) + ONE_DAY:
                found.append(other)
                queue.append(other)
    return found


# ---- records of which less is known ----------------------------------------------------------------------------------


def blurred(record: Record, choice: Random, share: float = 0.3) -> Record:
    """Return a record of which the given one is a completion: dates, values and attributes partly taken back, nothing added.

    Kept: which items there are (a missing later value would make an older one the latest), a route that keeps a dose from
    counting, the end of a finding, and responses and reasons of entries that may be of one course.
    """
    blur = _Blur(choice, share)
    drugs = [entry.concept for entry in record.therapies]
    return replace(
        record,
        birth=blur.when(record.birth),
        sex=blur.less(record.sex),
        measurements=tuple(map(blur.measurement, record.measurements)),
        findings=tuple(map(blur.finding, record.findings)),
        therapies=tuple(blur.therapy(entry, drugs.count(entry.concept) == 1) for entry in record.therapies),
        events=tuple(map(blur.statement, record.events)),
        procedures=tuple(map(blur.statement, record.procedures)),
        judgements=tuple(map(blur.statement, record.judgements)),
        complete=frozenset(name for name in sorted(record.complete) if choice.random() >= share),
    )


class _Blur:
    def __init__(self, choice: Random, share: float) -> None:
        self.choice = choice
        self.share = share

    def happens(self) -> bool:
        return self.choice.random() < self.share

    def when(self, when: When | None) -> When | None:
        if when is None or not self.happens():
            return when
        low = when.earliest - timedelta(days=self.choice.choice((0, 1, 7, 30, 400)))
        high = when.latest + timedelta(days=self.choice.choice((0, 1, 7, 30)))
        months = When(when.earliest.replace(day=1), when.latest)
        return self.choice.choice((None, When(low, high), months, When(when.earliest, high)))

    def less(self, attribute: T) -> T | None:
        return None if self.happens() else attribute

    def value(self, value: Interval) -> Interval:
        if not self.happens():
            return value
        low = None if value.low is None else value.low - self.choice.choice((0, 1, 10))
        high = None if value.high is None else value.high + self.choice.choice((0, 1, 10))
        return self.choice.choice((Interval(low, high), Interval(None, high), Interval(low, None)))

    def measurement(self, item: Measurement) -> Measurement:
        return replace(
            item,
            value=self.value(item.value),
            when=self.when(item.when),
            low=self.less(item.low),
            high=self.less(item.high),
            method=self.less(item.method),
        )

    def finding(self, item: Statement) -> Statement:
        when = self.when(item.when)
        return replace(item, when=when, stated=when if item.stated == item.when else item.stated)

    def statement(self, item: Statement) -> Statement:
        return item if item.planned or not item.present else self.finding(item)

    def therapy(self, item: Therapy, alone: bool) -> Therapy:
        if not item.taken or item.planned:
            return item
        return replace(
            item,
            dose=self.less(item.dose),
            start=self.when(item.start),
            end=self.when(item.end),
            ongoing=item.ongoing and not self.happens(),
            response=self.less(item.response) if alone else item.response,
            reasons=() if alone and self.happens() else item.reasons,
        )
