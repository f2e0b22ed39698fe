"""Reads a record that was written by hand, in YAML or JSON (its form: `pyscreen.form`), into a `Record`.

What is malformed is a problem, and all problems of a file are raised together. What contradicts itself (an end before
its start, a value after death) is kept out of the record and reported there as a note of kind `conflict`; since
something is then known to be missing, the record is no longer taken as complete on that concept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from .dates import When, parse_when
from .doses import parse_dose
from .errors import Problem, RecordError, did_you_mean
from .form import (
    ANSWERS,
    CLOSABLE,
    SECTIONS,
    UNKNOWN,
    Amount,
    WrittenAnswer,
    WrittenConsent,
    WrittenEvent,
    WrittenFinding,
    WrittenJudgement,
    WrittenMeasurement,
    WrittenProcedure,
    WrittenRecord,
    WrittenTherapy,
    fill,
    named,
    near,
    printable,
    schema,
    shown,
)
from .markup import Place, dump, load
from .quantities import Interval, UnitError, bound, parse_quantity
from .record import DirectAnswer, Dose, Measurement, Note, Record, Statement, Therapy

if TYPE_CHECKING:
    from .questions import Test
    from .vocabulary import Quantity, Vocabulary

__all__ = ["WrittenRecord", "build", "dump", "parse", "read", "schema"]

MOST_PROBLEMS = 100
"""How many problems of one record are reported before reading stops."""
_LONGEST_NUMBER = 40
_ANY = Interval(None, None)
_BLANKS = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')
_LARGEST, _SMALLEST = Fraction(10) ** 18, Fraction(1, 10**18)

Locate = Callable[[Place], int | None]
Tests = Mapping[str, "Test"]
_Form = TypeVar("_Form", bound=msgspec.Struct)
_Item = TypeVar("_Item", Measurement, Statement, Therapy)


def read(
    path: Path | str, vocabulary: Vocabulary, *, text: str | bytes | None = None, tests: Tests | None = None
) -> Record:
    """Return the record in a file; with `text`, that text, and the path only names it. Raises RecordError."""
    path = Path(path)
    if text is None:
        try:
            text = path.read_bytes()
        except OSError as error:
            raise RecordError([Problem(f"cannot be read: {error.strerror or error}", str(path))]) from None
    return _read(text, vocabulary, str(path), path.stem, tests)


def parse(text: str | bytes, vocabulary: Vocabulary, name: str = "record", tests: Tests | None = None) -> Record:
    """Return the record in a YAML or JSON text, by that name where it has none of its own. Raises RecordError.

    >>> from pyscreen.vocabulary import Vocabulary
    >>> known = Vocabulary(findings={"sle": "Systemic lupus erythematosus"})
    >>> parse("findings: [{finding: sle, date: 2019-05}]", known).findings[0].concept
    'sle'
    >>> parse("findings: [{finding: slee}]", known)
    Traceback (most recent call last):
    pyscreen.errors.RecordError: record:1 findings[0].finding: unknown finding 'slee' (did you mean 'sle'?)
    """
    return _read(text, vocabulary, name, name, tests)


def build(
    written: Mapping[str, object],
    vocabulary: Vocabulary,
    *,
    locate: Locate = lambda place: None,
    file: str = "",
    name: str = "record",
    notes: Iterable[Note] = (),
    tests: Tests | None = None,
) -> Record:
    """Return the record that a mapping of the written form says, with further notes. Raises RecordError.

    Numbers are best given as the text that was written; a float is taken as the decimal that it shows. `locate` tells
    the line of a place in the source. Direct answers are checked against `tests`; without them any name is taken.
    """
    reader = _Reader(vocabulary, locate, file, tests)
    record = reader.collect(written, name, tuple(notes))
    if reader.problems:
        raise RecordError(reader.problems.values())
    return record


def _read(text: str | bytes, vocabulary: Vocabulary, file: str, name: str, tests: Tests | None) -> Record:
    document = load(text, file)
    if not isinstance(document.value, dict):
        found = "nothing" if document.value is None else named(document.value)
        message = f"expected a record (fields such as birth_date, findings, measurements), found {found}"
        raise RecordError([*document.problems, Problem(message, file, 1)])
    try:
        record = build(document.value, vocabulary, locate=document.line, file=file, name=name, tests=tests)
    except RecordError as error:
        raise RecordError(_in_order([*document.problems, *error.problems])) from None
    if document.problems:
        raise RecordError(document.problems)
    return record


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.line or 0)


class _TooMany(Exception):
    """Enough problems were found."""


class _Reader:
    """Collects the items of one record, and everything that is wrong with it."""

    def __init__(self, vocabulary: Vocabulary, locate: Locate, file: str, tests: Tests | None = None) -> None:
        self.vocabulary = vocabulary
        self.tests = tests
        self.locate = locate
        self.file = file
        self.labels = {kind: vocabulary.labels(kind) for kind in SECTIONS.values()}
        self.problems: dict[Place, Problem] = {}
        self.conflicts: list[Note] = []
        self.doubted: set[tuple[str, str]] = set()
        self.amounts: dict[tuple[str, str, str | None, str | None], tuple[Interval, str | None]] = {}
        self.birth: When | None = None
        self.died: When | None = None
        self.recorded: date | None = None

    # ---- the whole ---------------------------------------------------------------------------------------------------

    def collect(self, written: Mapping[str, object], name: str, notes: tuple[Note, ...]) -> Record:
        """Return the record, as far as it is free of problems."""
        try:
            return self.record(written, name, notes)
        except _TooMany:
            self.problems[("",)] = Problem(f"more than {MOST_PROBLEMS} problems; reading stopped", self.file)
            return Record(name)

    def record(self, written: Mapping[str, object], name: str, notes: tuple[Note, ...]) -> Record:
        rest = {field: value for field, value in written.items() if field not in SECTIONS and field != ANSWERS}
        head = fill(WrittenRecord, rest, (), self.problem)
        if head is None:
            return Record(name)
        self.life(head)
        measurements = self.items(written, "measurements", WrittenMeasurement, self.measurement)
        findings = self.items(written, "findings", WrittenFinding, self.finding)
        therapies = self.items(written, "therapies", WrittenTherapy, self.therapy)
        events = self.items(written, "events", WrittenEvent, self.event)
        procedures = self.items(written, "procedures", WrittenProcedure, self.procedure)
        judgements = self.items(written, "judgements", WrittenJudgement, self.judgement)
        consents = self.items(written, "consents", WrittenConsent, self.consent)
        return Record(
            id=self.text(head.record, ("record",)) or name,
            birth=self.birth,
            sex=head.sex,
            died=self.died,
            recorded=self.recorded,
            measurements=measurements,
            findings=findings,
            therapies=therapies,
            events=events,
            procedures=procedures,
            judgements=judgements,
            consents=consents,
            answers=tuple(self.answers(written.get(ANSWERS))),
            complete=self.complete(head.complete or []),
            notes=(*notes, *self.conflicts),
        )

    def life(self, head: WrittenRecord) -> None:
        self.birth = self.when(head.birth_date, ("birth_date",))
        self.died = self.when(head.died, ("died",))
        recorded = self.when(head.recorded, ("recorded",))
        if recorded and not recorded.exact:
            self.problem(("recorded",), f"'{head.recorded}' is no exact day; expected one such as 2026-11-20")
        elif recorded:
            self.recorded = recorded.earliest
        if _surely_before(self.died, self.birth):
            message = f"died: {self.died} is before the birth on {self.birth}; neither date is used"
            self.conflicts.append(Note("conflict", message))
            self.birth = self.died = None
        if _surely_before(self.day_recorded(), self.birth):
            message = f"birth_date: {self.birth} is after the day of the record, {self.recorded}; the date is not used"
            self.conflicts.append(Note("conflict", message))
            self.birth = None

    def complete(self, names: list[str]) -> frozenset[str]:
        """Return what is complete, but not that of which a contradictory item was kept out."""
        for index, name in enumerate(names):
            if name not in CLOSABLE and not self.vocabulary.kinds_of(name):
                known = [*CLOSABLE, *(concept for labels in self.labels.values() for concept in labels)]
                expected = f"expected a section ({', '.join(CLOSABLE)}) or a concept"
                message = f"unknown name {shown(name)}; {expected}{near(name, known)}"
                self.problem(("complete", index), message)
        return frozenset(name for name in names if not any(self.covers(name, *doubt) for doubt in self.doubted))

    def covers(self, name: str, kind: str, concept: str) -> bool:
        """Whether a name is the concept or its section, or one above or below it."""
        lineage = self.vocabulary.ancestors
        return SECTIONS.get(name) == kind or name in lineage(concept) or concept in lineage(name)

    def items(
        self,
        written: Mapping[str, object],
        section: str,
        form: type[_Form],
        make: Callable[[_Form, Place], _Item],
    ) -> tuple[_Item, ...]:
        """Return the items of a section that contradict neither themselves nor the patient's life."""
        rows = written.get(section)
        if rows is None:
            return ()
        if not isinstance(rows, list | tuple):
            self.problem((section,), f"expected a list, found {named(rows)}")
            return ()
        found = []
        for index, row in enumerate(rows):
            place = (section, index)
            filled = fill(form, row, place, self.problem)
            if filled is not None:
                item = make(filled, place)
                if not self.contradicts(item, SECTIONS[section], place):
                    found.append(item)
        return tuple(item for item in found if not self.overclaims(item, SECTIONS[section]))

    def overclaims(self, item: Measurement | Statement | Therapy, kind: str) -> bool:
        """Note that an item says "never" of something of which a contradictory item was kept out."""
        never = isinstance(item, Therapy) and not item.taken
        never = never or (isinstance(item, Statement) and not item.present and kind in ("event", "procedure"))
        if not never or not any(self.covers(item.concept, *doubt) for doubt in self.doubted):
            return False
        message = f"{item.concept}: said never to be so, but a contradictory item says more; neither is used"
        self.conflicts.append(Note("conflict", message, item.id))
        return True

    # ---- what contradicts itself -------------------------------------------------------------------------------------

    def contradicts(self, item: Measurement | Statement | Therapy, kind: str, place: Place) -> bool:
        """Note the contradiction in an item, if there is one; its concept is then no longer completely recorded."""
        reason = self.contradiction(item)
        if reason:
            message = f"{_field(place)} {item.concept}: {reason}; the item is not used"
            self.conflicts.append(Note("conflict", message, item.id))
            self.doubted.add((kind, item.concept))
        return bool(reason)

    def contradiction(self, item: Measurement | Statement | Therapy) -> str:
        if isinstance(item, Measurement):
            if item.low is not None and item.high is not None and item.high < item.low:
                return "the upper limit of normal is below the lower"
            return self.outside_life(item.when)
        start = item.start if isinstance(item, Therapy) else item.when
        if _surely_before(item.end, start):
            return f"it ends on {item.end}, before it starts on {start}"
        if isinstance(item, Therapy) and not item.taken and (start or item.end or item.ongoing or item.dose):
            return "it is said never to have been taken, and when or how much"
        return self.outside_life(start, item.end)

    def outside_life(self, *days: When | None) -> str:
        for day in days:
            if _surely_before(day, self.birth):
                return f"{day} is before the birth on {self.birth}"
            if _surely_before(self.died, day):
                return f"{day} is after the death on {self.died}"
        return ""

    # ---- the items ---------------------------------------------------------------------------------------------------

    def measurement(self, form: WrittenMeasurement, place: Place) -> Measurement:
        self.concept("measurement", form.quantity, (*place, "quantity"))
        value, low, high = self.values(form, place)
        return Measurement(
            concept=form.quantity,
            value=value,
            text=_words(form.value, form.unit),
            when=self.moment(form, place),
            low=low,
            high=high,
            method=self.name("method", form.method, self.vocabulary.methods, (*place, "method")),
            side=form.side,
            id=self.text(form.id, (*place, "id")),
        )

    def finding(self, form: WrittenFinding, place: Place) -> Statement:
        self.concept("finding", form.finding, (*place, "finding"))
        when = self.when(form.date, (*place, "date"))
        end, ongoing = self.end(form.end, (*place, "end"))
        stated = self.when(form.stated, (*place, "stated"))
        return Statement(
            concept=form.finding,
            present=form.present,
            when=when,
            end=end,
            ongoing=ongoing,
            stated=stated or (self.day_recorded() if ongoing else None) or self.stated(when),
            method=self.name("method", form.method, self.vocabulary.methods, (*place, "method")),
            side=form.side,
            id=self.text(form.id, (*place, "id")),
        )

    def therapy(self, form: WrittenTherapy, place: Place) -> Therapy:
        self.drug(form, (*place, "drug"))
        end, ongoing = self.end(form.end, (*place, "end"))
        return Therapy(
            concept=form.drug,
            dose=self.dose(form, place),
            text=_words(form.dose, form.unit, form.frequency),
            route=self.name("route", form.route, self.vocabulary.routes, (*place, "route")),
            start=self.when(form.start, (*place, "start")),
            end=end,
            ongoing=ongoing,
            response=self.name("response", form.response, self.vocabulary.responses, (*place, "response")),
            reasons=self.reasons(form.reasons, (*place, "for")),
            planned=form.planned,
            taken=form.taken,
            id=self.text(form.id, (*place, "id")),
        )

    def event(self, form: WrittenEvent, place: Place) -> Statement:
        self.concept("event", form.event, (*place, "event"))
        when = self.when(form.date, (*place, "date"))
        end, ongoing = self.end(form.end, (*place, "end"))
        return Statement(
            form.event,
            form.happened,
            when,
            end=end,
            ongoing=ongoing,
            stated=self.stated(when),
            planned=form.planned,
            id=self.text(form.id, (*place, "id")),
        )

    def procedure(self, form: WrittenProcedure, place: Place) -> Statement:
        self.concept("procedure", form.procedure, (*place, "procedure"))
        when = self.when(form.date, (*place, "date"))
        stated = self.stated(when)
        return Statement(
            form.procedure,
            form.done,
            when,
            stated=stated,
            planned=form.planned,
            side=form.side,
            id=self.text(form.id, (*place, "id")),
        )

    def judgement(self, form: WrittenJudgement, place: Place) -> Statement:
        self.concept("judgement", form.judgement, (*place, "judgement"))
        when = self.when(form.date, (*place, "date"))
        return Statement(
            form.judgement,
            form.answer,
            when,
            stated=self.stated(when),
            by=self.text(form.by, (*place, "by")),
            id=self.text(form.id, (*place, "id")),
        )

    def consent(self, form: WrittenConsent, place: Place) -> Statement:
        self.concept("consent", form.consent, (*place, "consent"))
        when = self.when(form.date, (*place, "date"))
        return Statement(
            form.consent,
            form.given,
            when,
            stated=self.stated(when),
            by=self.text(form.by, (*place, "by")),
            id=self.text(form.id, (*place, "id")),
        )

    def answers(self, rows: object) -> Iterator[DirectAnswer]:
        """Yield the answers to tests themselves."""
        if not isinstance(rows, list | tuple | None):
            self.problem((ANSWERS,), f"expected a list, found {named(rows)}")
            return
        for index, row in enumerate(rows or ()):
            place = (ANSWERS, index)
            form = fill(WrittenAnswer, row, place, self.problem)
            answer = None if form is None else self.answer(form, place)
            if answer is not None:
                yield answer

    def answer(self, form: WrittenAnswer, place: Place) -> DirectAnswer | None:
        test = self.test(form.test, (*place, "test"))
        by, name = self.text(form.by, (*place, "by")), self.text(form.id, (*place, "id"))
        when = self.when(form.date, (*place, "date")) or self.day_recorded()
        if when is not None and when.exact:
            return DirectAnswer(test, form.answer, when.earliest, by, name)
        found = f"'{form.date}' is no exact day" if form.date else "the day of the answer is missing"
        self.problem((*place, "date"), f"{found}; expected one such as 2026-11-20")
        return None

    # ---- names -------------------------------------------------------------------------------------------------------

    def concept(self, kind: str, name: str, place: Place) -> None:
        """Check that a name is a concept of that kind."""
        known = self.labels[kind]
        if name in known:
            return
        others = self.vocabulary.kinds_of(name)
        if others:
            section = next(section for section, of in SECTIONS.items() if of == others[0])
            message = (
                f"{shown(name)} is {_with_article(others[0])}, not {_with_article(kind)}; write it under {section}"
            )
        else:
            message = f"unknown {kind} {shown(name)}{near(name, known)}"
        self.problem(place, message)

    def test(self, name: str, place: Place) -> str:
        """Return the id of a test, after a check that a person may answer it directly; blanks between its words do not count."""
        plain = _BLANKS.sub(lambda found: found[1] or "", name)
        if self.tests is None:
            return plain
        test = self.tests.get(plain)
        if test is None:
            self.problem(place, f"unknown test {shown(name)}{did_you_mean(plain, self.tests)}")
        elif test.selection.kind in ("judgement", "consent"):
            kind, concept = test.selection.kind, test.selection.concept
            self.problem(place, f"{shown(name)} asks for {_with_article(kind)}; write {concept} under {kind}s")
        return plain

    def drug(self, form: WrittenTherapy, place: Place) -> None:
        """A course is of one drug; that none was ever taken may be said of a whole class."""
        self.concept("therapy", form.drug, place)
        if form.taken and form.drug in self.vocabulary.classes and form.drug not in self.vocabulary.drugs:
            some = ", ".join(sorted(self.vocabulary.members(form.drug))[:5])
            which = f" such as {some}" if some else ""
            self.problem(place, f"{shown(form.drug)} is a class of drugs; a course is of one drug{which}")

    def name(self, kind: str, name: str | None, known: Collection[str], place: Place) -> str | None:
        """Check that a name, where there is one, is known."""
        if name is not None and name not in known:
            hint = near(name, known) or f"; expected {', '.join(sorted(known)[:12])}"
            self.problem(place, f"unknown {kind} {shown(name)}{hint}")
        return name

    def reasons(self, reasons: str | list[str] | None, place: Place) -> tuple[str, ...]:
        if reasons is None:
            return ()
        if isinstance(reasons, str):
            self.concept("finding", reasons, place)
            return (reasons,)
        for index, reason in enumerate(reasons):
            self.concept("finding", reason, (*place, index))
        return tuple(reasons)

    def text(self, written: str | int | None, place: Place) -> str | None:
        """Check that a free text can be shown."""
        text = None if written is None else str(written)
        if text is not None and not text.isprintable():
            self.problem(place, f"the text holds control characters: {shown(text)}")
        return text

    # ---- days --------------------------------------------------------------------------------------------------------

    def when(self, written: str | int | None, place: Place) -> When | None:
        if written is None:
            return None
        try:
            return parse_when(written)
        except ValueError as error:
            self.problem(place, str(error))
            return None

    def end(self, written: str | int | None, place: Place) -> tuple[When | None, bool]:
        """Return the last day, and whether it was still to come."""
        if written == "ongoing":
            return None, True
        if isinstance(written, str) and near(written, ("ongoing",)):
            self.problem(place, f"{shown(written)} is no date (did you mean 'ongoing'?)")
            return None, False
        return self.when(written, place), False

    def moment(self, form: WrittenMeasurement, place: Place) -> When | None:
        """Return the day of a measurement, with its time of day."""
        when = self.when(form.date, (*place, "date"))
        if form.time is None or (*place, "date") in self.problems:
            return when
        place = (*place, "time")
        if when is None or when.clock:
            self.problem(place, "a time of day needs a date" if when is None else "the date already has a time of day")
            return when
        try:
            return replace(when, clock=form.time)
        except ValueError as error:
            self.problem(place, str(error))
            return when

    def stated(self, when: When | None) -> When | None:
        """Return the day on which something was last known: its own, or for what is undated the day of the record."""
        return when or self.day_recorded()

    def day_recorded(self) -> When | None:
        return When.on(self.recorded) if self.recorded else None

    # ---- amounts -----------------------------------------------------------------------------------------------------

    def values(self, form: WrittenMeasurement, place: Place) -> tuple[Interval, Fraction | None, Fraction | None]:
        """Return value, lower and upper limit in the quantity's canonical unit."""
        quantity = self.vocabulary.quantities.get(form.quantity)
        if quantity is None:
            return _ANY, None, None
        value, unit = _ANY, form.unit
        try:
            value, unit = self.value(quantity, form.value, form.unit)
        except ValueError as error:
            field = "unit" if form.unit is not None and isinstance(error, UnitError) else "value"
            self.problem((*place, field), f"{quantity.id}: {error}")
            if field == "unit" or unit is None:
                return value, None, None
        low = self.limit(quantity, form.low, unit, (*place, "low"))
        return value, low, self.limit(quantity, form.high, unit, (*place, "high"))

    def limit(self, quantity: Quantity, written: Amount | None, unit: str | None, place: Place) -> Fraction | None:
        """Return a limit of normal, which is in the value's unit unless it has its own."""
        if written is None:
            return None
        try:
            limit, _ = self.value(quantity, written, None, unit)
        except ValueError as error:
            self.problem(place, f"{quantity.id}: {error}")
            return None
        if not limit.exact:
            self.problem(place, f"{shown(written)} is no limit; expected a number")
        return limit.low

    def value(
        self, quantity: Quantity, written: Amount, unit: str | None, default: str | None = None
    ) -> tuple[Interval, str | None]:
        """Return a grade or quantity in the canonical unit, and the unit in which it is written; raise ValueError."""
        key = (quantity.id, str(written).strip(), unit, default)
        if key not in self.amounts:
            self.amounts[key] = value_of(key[1], unit, quantity, default)
        return self.amounts[key]

    def dose(self, form: WrittenTherapy, place: Place) -> Dose | None:
        if form.dose is None:
            if form.unit is not None:
                self.problem((*place, "unit"), "a unit without a dose")
            return None
        try:
            return parse_dose(form.dose, form.unit, form.frequency)
        except ValueError as error:
            self.problem((*place, "dose"), f"{form.drug}: {error}")
            return None

    def problem(self, place: Place, message: str) -> None:
        """Report a problem; of several at one place, the first tells most."""
        if place in self.problems:
            return
        if len(self.problems) == MOST_PROBLEMS:
            raise _TooMany
        self.problems[place] = Problem(printable(message), self.file, self.locate(place), _field(place))


def value_of(text: str, unit: str | None, quantity: Quantity, default: str | None = None) -> tuple[Interval, str | None]:
    """Return what a value of a quantity says, and the unit in which it is written; raise ValueError (UnitError, Impossible)."""
    scale = quantity.scale
    if text == UNKNOWN:
        return Interval(None, None), unit or default or scale.unit
    if text in scale.grades:
        return Interval.exactly(scale.grades[text]), None
    if len(re.split(r"[^0-9.,eE+-]", text.lstrip("<>=≤≥ "), maxsplit=1)[0]) > _LONGEST_NUMBER:
        raise ValueError(f"a number of more than {_LONGEST_NUMBER} characters")
    comparator, number, found = parse_quantity(text, titre=scale.titre)
    if unit and found and unit != found:
        raise UnitError(f"the value is in '{found}', but its unit is said to be '{unit}'")
    if number and not _SMALLEST <= abs(number) <= _LARGEST:
        raise ValueError(f"'{text}' is outside everything that is measured")
    found = found or unit or default
    value = bound(comparator, scale.to_canonical(number, found))
    quantity.check(value, text if unit is None else f"{text} {unit}")
    return value, found


def _surely_before(first: When | None, second: When | None) -> bool:
    return first is not None and second is not None and first.latest < second.earliest


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _field(place: Place) -> str:
    """Return a place as it is said: `measurements[2].unit`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{printable(step[:60])}" for step in place)
    return "".join(steps).removeprefix(".")


def _words(*parts: Amount | None) -> str:
    return " ".join(str(part) for part in parts if part is not None)
