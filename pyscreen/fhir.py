"""A patient's FHIR R4 resources as the written form of a record, with a note on everything that was not used.

Concepts come from the vocabulary's codes alone: every coding of a resource is tried in order. A code in the system
`urn:pyscreen:<kind>` (`urn:pyscreen:judgement`) is the vocabulary's own name, for what no code system knows. Two things
R4 has no element for are said in the same way: how a course of a drug went, by an extension `urn:pyscreen:response` of
the medication resource (`valueCode`, a response of the vocabulary); and that a section or concept is completely recorded,
by a current List with a code in the system `urn:pyscreen:complete` (`therapies`). Dates and
clocks are those written, whatever the offset from UTC. What is planned, refuted, withdrawn, of another patient, or said
in a way that cannot be read becomes a note and not a fact.
"""

from __future__ import annotations

import re
from collections import ChainMap, Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from .codebook import (
    ROUTE_WORDS,
    ROUTES,
    STATES,
    Codebook,
    Sense,
    code_of,
    coded,
    decimal,
    grade_of,
    limits_of,
    plausible,
    present,
    spoken,
    titre_of,
    words_of,
    words_of_value,
)
from .dates import Duration, parse_when, shift
from .doses import parse_dose
from .errors import RecordError, did_you_mean
from .form import CLOSABLE, SECTIONS, UNKNOWN
from .quantities import Impossible, parse_quantity
from .record import Note
from .resources import (
    ABSENT,
    AdministeredDosage,
    Concept,
    Condition,
    Consent,
    Dosage,
    Encounter,
    File,
    Found,
    List,
    Medication,
    MedicationAdministration,
    MedicationRequest,
    MedicationStatement,
    Observation,
    Patient,
    Period,
    Place,
    Prescribed,
    Procedure,
    Quantity,
    Reference,
    Repeat,
    Result,
    Timing,
    decode_file,
    looks_like_fhir,
)
from .written import value_of

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

__all__ = ["looks_like_fhir", "patients", "read", "read_resources"]

Item = dict[str, Any]
SECTION_OF = {kind: section for section, kind in SECTIONS.items()}

FREQUENCIES = {
    **dict.fromkeys(("QD", "AM", "PM", "BED"), "1/d"),
    "BID": "2/d",
    "TID": "3/d",
    "QID": "4/d",
    "QOD": "1/(2.d)",
    **dict.fromkeys(("QW", "WK"), "1/wk"),
    "Q4H": "6/d",
    "Q6H": "4/d",
    "Q8H": "3/d",
    "Q12H": "2/d",
}
"""Codes of how often (HL7 GTSAbbreviation) as the written form says it."""

PLANNED = "planned"
VISITS = {
    "finished": "",
    **dict.fromkeys(("in-progress", "arrived", "triaged", "onleave"), "ongoing"),
    "planned": PLANNED,
}
"""Status of an Encounter that is read: over, going on, or still to come."""

COMPARATORS = ("", "<", "<=", ">", ">=")
LONGEST_NAME = 100
RESPONSE = "urn:pyscreen:response"
"""The extension of a medication resource that says how the course went."""
COMPLETE = "urn:pyscreen:complete"
"""The code system of a List that says what is completely recorded."""


def patients(data: bytes) -> list[str]:
    """Return the ids of the patients of a FHIR file; a file without Patient resources names none.

    >>> patients(b'{"resourceType": "Patient", "id": "p1"}')
    ['p1']
    """
    return [found.body.id for found in decode_file(data, "").found if isinstance(found.body, Patient)]


def read(
    data: bytes, vocabulary: Vocabulary, *, name: str, patient: str | None = None
) -> tuple[dict[str, Any], list[Note]]:
    """Return a patient's record in the written form, and what was not used.

    `patient` chooses by id where the file holds several. Raises RecordError with every problem: what is no FHIR,
    numbers and dates that are malformed, more than one patient.
    """
    reader = _Reader(decode_file(data, name), Codebook(vocabulary))
    reader.choose(patient)
    reader.stamp()
    reader.read_all()
    return reader.written(), reader.notes()


def read_resources(
    file: File, codebook: Codebook, shared: Mapping[str, Found], recorded: str | None
) -> tuple[dict[str, Any], Counter[tuple[str, str]]]:
    """Return the record of the one patient whose resources a file holds, and kind and words of what was not used, counted.

    `shared` are resources by `Type/id` that many patients refer to; `recorded` is the day of the record. Raises RecordError.
    """
    reader = _Reader(file, codebook, shared)
    reader.choose(None)
    reader.record["recorded"] = recorded
    reader.read_all()
    return reader.written(), reader.tally


# --- dates ---


def _covering(first: date, last: date) -> str | None:
    """Return the shortest date that covers both: the day, month or year; None where they lie in two years.

    >>> _covering(date(2020, 3, 1), date(2020, 3, 20)), _covering(date(2019, 12, 30), date(2020, 1, 2))
    ('2020-03', None)
    """
    one, other = first.isoformat(), last.isoformat()
    return next((one[:length] for length in (10, 7, 4) if one[:length] == other[:length]), None)


@dataclass(frozen=True, slots=True)
class Course:
    """A time of treatment, in dates as written; `ongoing` says that nothing ended it."""

    start: str | None = None
    end: str | None = None
    ongoing: bool = False

    @property
    def item(self) -> Item:
        """Its fields in the written form."""
        return {"start": self.start, "end": self.end or ("ongoing" if self.ongoing else None)}


# --- the resources of one patient ---


class _Reader:
    def __init__(self, file: File, codebook: Codebook, shared: Mapping[str, Found] | None = None) -> None:
        self.file = file
        self.vocabulary = codebook.vocabulary
        self.codebook = codebook
        self.patient: Found | None = None
        self.names: set[str] = set()
        self.record: Item = {}
        self.items: dict[str, list[Item]] = {section: [] for section in SECTIONS}
        self.tally: Counter[tuple[str, str]] = Counter()
        self.where: dict[tuple[str, str], str | None] = {}
        own = {key: found for found in file.found for key in (found.name, found.url) if key}
        self.index: Mapping[str, Found] = ChainMap(own, cast(MutableMapping[str, Found], shared or {}))

    # what was read, and what was not

    def written(self) -> dict[str, Any]:
        filled = {section: items for section, items in self.items.items() if items}
        return _said(self.record) | filled

    def stamp(self) -> None:
        """Take the day on which the (last) Bundle was put together as that of the record."""
        days = [day for stamp in self.file.timestamps if (day := self.day(stamp, Place(path="timestamp")))]
        self.record["recorded"] = max((day for day in days if len(day) == 10), default=None)

    def notes(self) -> list[Note]:
        counted = [(kind, message, number) for (kind, message), number in self.tally.items()]
        noted = [
            Note(kind, f"{message}, {number} times" if number > 1 else message, self.where[kind, message])
            for kind, message, number in counted
        ]
        noted += [Note("ignored", remark) for remark in self.file.remarks]
        return noted + [
            Note("ignored", f"not read: {count} {kind}") for kind, count in sorted(self.file.unread.items())
        ]

    def note(self, kind: str, message: str, where: Found | str | None = None) -> None:
        """Note once what is not used; repeats are counted, and the first keeps its id."""
        self.tally[kind, message] += 1
        self.where.setdefault((kind, message), where.name if isinstance(where, Found) else where)

    def add(self, kind: str, concept: str, item: Item, where: str) -> None:
        key = {"measurement": "quantity", "therapy": "drug"}.get(kind, kind)
        self.items[SECTION_OF[kind]].append(_said({key: concept, **item, "id": where}))

    def state(self, sense: Sense, so: bool, item: Item, where: str) -> None:
        """Add a finding, event, procedure, judgement or consent, with the fields that its kind has."""
        fields = {"finding": ("date", "end", "stated"), "event": ("date", "planned"), "procedure": ("date", "planned")}
        kept = {field: item.get(field) for field in fields.get(sense.kind, ("date", "by"))}
        self.add(sense.kind, sense.concept, {STATES[sense.kind]: so, **kept}, where)

    # dates

    def day(self, text: str | None, place: Place) -> str | None:
        """Return the date part, to its precision; a malformed one is a problem."""
        return self.moment(text, place)[0]

    def moment(self, text: str | None, place: Place) -> tuple[str | None, str | None]:
        """Return date and clock as written."""
        if text is None:
            return None, None
        try:
            when = parse_when(text)
        except ValueError as error:
            self.file.problem(str(error), place)
            return None, None
        return text[:10], when.clock or None

    def covering(self, period: Period, place: Place, found: Found) -> str | None:
        """Return the date within which something lies that happened at some time of a period."""
        start, end = self.day(period.start, place.at("start")), self.day(period.end, place.at("end"))
        if not (start and end):
            return start
        covered = _covering(parse_when(start).earliest, parse_when(end).latest)
        if covered is None:
            self.note("ignored", f"a date between {start} and {end}: the year is not known", found)
        return covered

    def at_age(self, age: Quantity, found: Found) -> str | None:
        """Return the date of a birthday's year; two calendar years cannot be told apart."""
        born, years = self.record.get("birth_date"), _whole(age.value)
        if not born or years is None or age.measure not in ("a", "yr", "year", "years"):
            self.note("ignored", "a date that is given as an age, and cannot be computed", found)
            return None
        birth = parse_when(born)
        try:
            first, after = shift(birth.earliest, Duration(years, "a")), shift(birth.latest, Duration(years + 1, "a"))
        except ValueError:
            return None
        last = shift(after, Duration(1, "d"), -1)
        covered = _covering(first, last)
        if covered is None:
            self.note("ignored", f"a date given as the age of {years}: between {first} and {last}", found)
        return covered

    # whose record it is

    def choose(self, wanted: str | None) -> None:
        """Settle whose record is read; more than one person is a problem that names them."""
        people = [found for found in self.file.found if isinstance(found.body, Patient)]
        subjects = sorted({tail for found in self.file.found if (tail := _tail(found.body.person))})
        ids = [person.body.id or person.name for person in people] or [subject.split("/")[-1] for subject in subjects]
        if wanted is not None and wanted not in ids:
            known = ", ".join(ids) or "nobody"
            self.file.problem(f"no patient '{wanted}'; the file holds {known}{did_you_mean(wanted, ids)}", Place())
        elif wanted is None and len(ids) > 1:
            self.file.problem(f"one patient at a time, but the file holds {len(ids)}: {', '.join(ids)}", Place())
        elif people:
            self.patient = people[ids.index(wanted) if wanted else 0]
            self.names = set(_names(self.patient))
        elif ids:
            chosen = subjects[ids.index(wanted) if wanted else 0]
            self.record["record"], self.names = chosen.split("/")[-1], {chosen}
        if not people:
            self.note("ignored", "the file has no Patient: birth date and sex are not known")
        if self.patient:
            self.person(self.patient)

    def person(self, found: Found) -> None:
        patient = found.body
        assert isinstance(patient, Patient)
        self.record["record"] = patient.id or None
        self.record["birth_date"] = self.day(patient.birth_date, found.place.at("birthDate"))
        self.record["died"] = self.day(patient.deceased_date_time, found.place.at("deceasedDateTime"))
        self.record["sex"] = patient.gender if patient.gender in ("male", "female") else None
        if patient.gender and not self.record["sex"]:
            self.note("ignored", f"gender '{patient.gender}': the sex is not known", found)
        if patient.deceased_boolean and "death" in self.vocabulary.events:
            self.add("event", "death", {"happened": True}, found.name)
        elif patient.deceased_boolean:
            self.note("ignored", "the patient is recorded as dead; the date is not known", found)

    def read_all(self) -> None:
        """Read every resource. Raises RecordError with every problem."""
        for found in self.file.found:
            self.read(found)
        if self.file.problems:
            raise RecordError(self.file.problems)

    def read(self, found: Found) -> None:
        """Read one resource, if it is the patient's and may be read."""
        if isinstance(found.body, Patient | Medication):
            return
        tail = _tail(found.body.person)
        if tail and self.names and not {found.body.person, tail} & self.names:
            self.note("ignored", f"{found.type} of another patient ({tail})", found)
        elif found.body.modifier_extension or found.body.implicit_rules:
            self.note("ignored", f"{found.type} whose meaning an unknown extension changes", found)
        else:
            self.dispatch(found)

    def dispatch(self, found: Found) -> None:
        match found.body:
            case Observation():
                self.observation(found, found.body)
            case Condition():
                self.condition(found, found.body)
            case Procedure():
                self.procedure(found, found.body)
            case Encounter():
                self.encounter(found, found.body)
            case Consent():
                self.consent(found, found.body)
            case MedicationStatement():
                self.statement(found, found.body)
            case MedicationRequest():
                self.request(found, found.body)
            case MedicationAdministration():
                self.administration(found, found.body)
            case List():
                self.completed(found, found.body)

    def completed(self, found: Found, said: List) -> None:
        """Take a section or concept as completely recorded."""
        names = [coding.code for coding in said.code.coding if coding.system == COMPLETE]
        if said.status != "current" or not names:
            self.note("ignored", f"list: {words_of(said.code)}: it does not say what is complete", found)
            return
        for name in names:
            if name in CLOSABLE or self.vocabulary.kinds_of(name):
                self.record.setdefault("complete", []).append(name)
            else:
                self.note("unmapped", f"completely recorded: {name}", found)

    # observations

    def observation(self, found: Found, seen: Observation) -> None:
        if seen.status not in ("final", "amended", "corrected"):
            self.note("ignored", f"{words_of(seen.code)}: status {seen.status or 'not given'}", found)
            return
        if any(not {focus.reference, _tail(focus.reference)} & self.names for focus in seen.focus):
            self.note("ignored", f"{words_of(seen.code)}: said of something else than the patient", found)
            return
        when = self.observed(found, seen)
        when["by"] = _by(seen.performer)
        self.result(found, seen, when, found.name, found.place, panel=bool(seen.component or seen.has_member))
        for number, component in enumerate(seen.component):
            part = f"component[{number}]"
            self.result(found, component, when, f"{found.name}.{part}", found.place.at(part))

    def observed(self, found: Found, seen: Observation) -> Item:
        """Return date and clock of the observation; of a period its end."""
        period = seen.effective_period or Period()
        texts = {
            "effectiveDateTime": seen.effective_date_time,
            "effectivePeriod.end": period.end,
            "effectivePeriod.start": period.start,
            "effectiveInstant": seen.effective_instant,
            "issued": seen.issued,
        }
        path = next((path for path, text in texts.items() if text), None)
        if path == "issued":
            self.note("ignored", f"{words_of(seen.code)}: not dated; the date of issue stands in", found)
        moment, clock = self.moment(texts[path], found.place.at(path)) if path else (None, None)
        return {"date": moment, "time": clock}

    def result(self, found: Found, value: Result, when: Item, where: str, place: Place, panel: bool = False) -> None:
        """Add what one value says, or note why it says nothing."""
        if value.data_absent_reason is not None:
            reason = code_of(value.data_absent_reason) or "no reason given"
            self.note("ignored", f"{words_of(value.code)}: no value ({reason})", where)
            return
        if panel and not value.valued:
            return
        senses = self.codebook.senses(value.code)
        if not senses:
            self.note("unmapped", words_of(value.code), where)
        elif not any(self.measured(sense, value, when, where, place) for sense in senses):
            said = words_of_value(value)
            self.note(
                "unmapped", f"{words_of(value.code)}: the value ({said}) cannot be read as {_named(senses)}", where
            )

    def measured(self, sense: Sense, value: Result, when: Item, where: str, place: Place) -> bool:
        """Add the value in one sense of its code; return whether it could be read so."""
        if sense.kind == "therapy":
            return False
        if sense.kind != "measurement":
            return self.stated(sense, present(value), {**when, "stated": when["date"]}, where)
        number = self.number(sense.concept, value, place)
        if number is None:
            if value.valued:
                self.unreadable(sense, when, where)
            return False
        refused = self.refused(sense.concept, *number)
        if refused:
            self.note("unmapped", f"{words_of(value.code)}: {refused}", where)
            self.unreadable(sense, when, where)
        else:
            limits = self.limits(sense.concept, value, number[1], where)
            said = {"value": number[0], "unit": number[1] or None, "date": when["date"], "time": when["time"]}
            item = {**said, "method": sense.method, **limits}
            self.add("measurement", sense.concept, item, where)
        return True

    def unreadable(self, sense: Sense, when: Item, where: str) -> None:
        """Add that something was measured, lest an older value pass for the latest."""
        self.add("measurement", sense.concept, {"value": UNKNOWN, **when, "method": sense.method}, where)

    def refused(self, concept: str, text: str, unit: str) -> str:
        """Return why something cannot be a value of the quantity, or nothing."""
        quantity = self.vocabulary.quantities.get(concept)
        if quantity is None:
            return ""
        try:
            value_of(text, unit or None, quantity)
        except Impossible as error:
            return str(error)
        except ValueError as error:
            return f"{text} {unit}: {error}"
        return ""

    def limits(self, concept: str, value: Result, unit: str, where: str) -> dict[str, str]:
        """Return the laboratory's limits of normal, but for those that no value can have."""
        limits = limits_of(value.reference_range, unit)
        refused = {side: reason for side, limit in limits.items() if (reason := self.refused(concept, limit, unit))}
        for side, reason in refused.items():
            self.note("ignored", f"{words_of(value.code)}: the {side} limit of normal: {reason}", where)
        return {side: limit for side, limit in limits.items() if side not in refused}

    def stated(self, sense: Sense, said: set[bool], item: Item, where: str) -> bool:
        """Add a statement; a kind of the concept that is absent does not make the concept absent."""
        if len(said) == 2:
            self.note("conflict", f"{sense.concept}: value and interpretation disagree", where)
        elif said == {False} and not sense.whole:
            self.note("ignored", f"one kind of {sense.concept} is absent, which says nothing of the others", where)
        elif said:
            self.state(sense, said.pop(), item, where)
        else:
            return False
        return True

    def number(self, concept: str, value: Result, place: Place) -> tuple[str, str] | None:
        """Return the value as written and its unit ("" for none)."""
        if value.value_quantity is not None:
            return self.quantity(value.value_quantity, place.at("valueQuantity"))
        if value.value_integer is not None:
            return self.quantity(Quantity(Decimal(value.value_integer)), place.at("valueInteger"))
        if value.value_ratio is not None:
            return titre_of(value.value_ratio)
        quantity = self.vocabulary.quantities.get(concept)
        grades = quantity.scale.grades if quantity else {}
        if value.value_string is not None:
            text = value.value_string.strip()
            return (text, "") if text in grades or _is_number(text) else None
        grade = grade_of(value.value_codeable_concept, grades) if value.value_codeable_concept else None
        return (grade, "") if grade else None

    def quantity(self, quantity: Quantity, place: Place) -> tuple[str, str] | None:
        number = quantity.value
        if number is None or quantity.comparator not in COMPARATORS:
            return None
        if not plausible(number):
            self.file.problem(f"'{number:.6g}' is outside everything that is measured", place.at("value"))
            return None
        return f"{quantity.comparator}{decimal(number)}", quantity.measure

    # conditions, procedures, consents

    def condition(self, found: Found, condition: Condition) -> None:
        certain = code_of(condition.verification_status)
        if certain not in ("", "confirmed", "refuted"):
            self.note("ignored", f"{words_of(condition.code)}: {certain}", found)
            return
        recorded = self.day(condition.recorded_date, found.place.at("recordedDate"))
        if certain == "refuted":
            self.mapped(found, condition.code, False, {"date": recorded, "stated": recorded})
            return
        onset, end = self.onset(found, condition), self.abatement(found, condition)
        active = code_of(condition.clinical_status) in ("active", "recurrence", "relapse")
        end = end or ("ongoing" if active else None)
        self.mapped(found, condition.code, True, {"date": onset, "end": end, "stated": recorded})

    def onset(self, found: Found, condition: Condition) -> str | None:
        if condition.onset_period:
            return self.covering(condition.onset_period, found.place.at("onsetPeriod"), found)
        if condition.onset_age:
            return self.at_age(condition.onset_age, found)
        return self.day(condition.onset_date_time, found.place.at("onsetDateTime"))

    def abatement(self, found: Found, condition: Condition) -> str | None:
        if condition.abatement_period:
            return self.covering(condition.abatement_period, found.place.at("abatementPeriod"), found)
        if condition.abatement_age:
            return self.at_age(condition.abatement_age, found)
        return self.day(condition.abatement_date_time, found.place.at("abatementDateTime"))

    def procedure(self, found: Found, procedure: Procedure) -> None:
        if procedure.status not in ("completed", "not-done", "preparation"):
            self.note("ignored", f"{words_of(procedure.code)}: status {procedure.status or 'not given'}", found)
            return
        period = procedure.performed_period or Period()
        done = self.day(procedure.performed_date_time, found.place.at("performedDateTime"))
        start = self.day(period.start, found.place.at("performedPeriod.start"))
        day = done or start or self.day(period.end, found.place.at("performedPeriod.end"))
        item = {"date": day, "stated": day, "planned": procedure.status == "preparation"}
        self.mapped(found, procedure.code, procedure.status != "not-done", item)

    def encounter(self, found: Found, encounter: Encounter) -> None:
        """Add a visit or stay as an event from its first to its last day; what is of no mapped type is counted as not read."""
        senses = [sense for type_ in encounter.type for sense in self.codebook.senses(type_) if sense.kind == "event"]
        if not senses:
            self.file.unread["Encounter"] += 1
        elif encounter.status not in VISITS:
            self.note("ignored", f"{words_of(encounter.type[0])}: status {encounter.status or 'not given'}", found)
        else:
            how = VISITS[encounter.status]
            course = self.course(encounter.period or Period(), found.place.at("period"))
            end = None if how == PLANNED else course.end or how or None
            item = {"happened": True, "date": course.start, "end": end, "planned": how == PLANNED}
            for concept in dict.fromkeys(sense.concept for sense in senses):
                self.add("event", concept, item, found.name)

    def mapped(self, found: Found, code: Concept, so: bool, item: Item) -> None:
        """Add what a code says of the patient: in every sense where it is so, in the first where it is not."""
        senses = [sense for sense in self.codebook.senses(code) if sense.kind in STATES]
        if not senses:
            self.note("unmapped", words_of(code), found)
        for sense in senses if so else senses[:1]:
            if item.get("planned") and sense.kind not in ("procedure", "event"):
                self.note("ignored", f"{words_of(code)}: planned, which a {sense.kind} cannot be", found)
            elif sense.kind == "procedure" and isinstance(found.body, Condition):
                self.stated(sense, {so}, {}, found.name)  # the state after it began (Z94) on another day
            else:
                self.stated(sense, {so}, item, found.name)

    def consent(self, found: Found, consent: Consent) -> None:
        concepts = [*consent.category, consent.scope]
        senses = [sense for concept in concepts for sense in self.codebook.senses(concept) if sense.kind == "consent"]
        words = words_of(next((concept for concept in concepts if concept != Concept()), Concept()))
        given = _given(consent)
        if not senses:
            self.note("unmapped", f"consent: {words}", found)
        elif given is None:
            self.note("ignored", f"consent: {words}: neither plainly given nor refused", found)
        else:
            signed = self.day(consent.date_time, found.place.at("dateTime"))
            self.state(senses[0], given, {"date": signed, "by": _by(consent.performer)}, found.name)

    # medication

    def statement(self, found: Found, taken: MedicationStatement) -> None:
        known = ("active", "completed", "stopped", "on-hold", "intended", "not-taken")
        drugs = self.drugs(found, taken, taken.status in known)
        if not drugs:
            return
        if taken.effective_period:
            course = self.course(taken.effective_period, found.place.at("effectivePeriod"))
        else:
            course = Course(self.day(taken.effective_date_time, found.place.at("effectiveDateTime")))
        if taken.status == "not-taken":
            self.not_taken(found, drugs, course)
            return
        course = replace(course, ongoing=taken.status == "active")
        item = {"planned": taken.status == "intended" or None} | self.reasons(taken) | self.response(found, taken)
        self.courses(found, drugs, item, course, taken.dosage, "dosage")

    def not_taken(self, found: Found, drugs: list[str], course: Course) -> None:
        """Add that a drug was never taken; that it was not taken at some time says nothing of other times."""
        for drug in drugs:
            if course == Course():
                self.add("therapy", drug, {"taken": False}, found.name)
            else:
                self.note("ignored", f"{drug}: not taken at that time, which says nothing of other times", found)

    def request(self, found: Found, order: MedicationRequest) -> None:
        valid = order.status in ("active", "on-hold", "completed", "stopped") and not order.do_not_perform
        drugs = self.drugs(found, order, valid)
        if not drugs:
            return
        reported = order.reported_boolean or order.reported_reference is not None
        planned = order.intent in ("proposal", "plan", "option") and not reported
        validity = order.dispense_request.validity_period if order.dispense_request else None
        course = self.course(validity or Period(), found.place.at("dispenseRequest.validityPeriod"))
        start = course.start or self.day(order.authored_on, found.place.at("authoredOn"))
        course = Course(start, course.end, order.status == "active" and not planned)
        item = {"planned": planned or None} | self.reasons(order) | self.response(found, order)
        self.courses(found, drugs, item, course, order.dosage_instruction, "dosageInstruction")

    def administration(self, found: Found, given: MedicationAdministration) -> None:
        drugs = self.drugs(found, given, given.status in ("in-progress", "completed", "stopped", "on-hold"))
        if not drugs:
            return
        if given.effective_period:
            course = self.course(given.effective_period, found.place.at("effectivePeriod"))
            course = replace(course, ongoing=given.status == "in-progress")
        else:
            day = self.day(given.effective_date_time, found.place.at("effectiveDateTime"))
            course = Course(day, day)
        dosage = given.dosage or AdministeredDosage()
        item = self.reasons(given) | self.response(found, given) | course.item | self.route(found, dosage.route)
        item |= self.administered(found, dosage, course.start is not None and course.start == course.end)
        for drug in drugs:
            self.add("therapy", drug, item, found.name)

    def drugs(self, found: Found, prescribed: Prescribed, valid: bool) -> list[str]:
        """Return the drugs that a medication resource is about; notes what is unmapped or not to be used."""
        medication = self.medication(found, prescribed)
        concepts = [
            medication.code,
            *(i.item_codeable_concept or Concept() for i in medication.ingredient if i.is_active),
        ]
        if not valid or medication.status == "entered-in-error":
            status = (prescribed.status if not valid else medication.status) or "not given"
            forbidden = isinstance(prescribed, MedicationRequest) and prescribed.do_not_perform
            self.note(
                "ignored", f"{words_of(concepts[0])}: {'not to be given' if forbidden else f'status {status}'}", found
            )
            return []
        for group in (concepts[:1], concepts[1:]):
            senses = [self.codebook.senses(concept) for concept in group]
            drugs = [[sense.concept for sense in one if sense.kind == "therapy"][:1] for one in senses]
            if any(drugs):
                return list(dict.fromkeys(drug for one in drugs for drug in one))
        self.note("unmapped", f"{words_of(concepts[0])}{self.hint(concepts[0])}", found)
        return []

    def hint(self, concept: Concept) -> str:
        """Name the drug whose name stands in the words of a product: nothing is concluded from it."""
        said = set(re.findall(r"[a-z]+", words_of(concept).lower()))
        named = [label for drug, label in self.vocabulary.drugs.items() if set(drug.split("_")) <= said]
        return f" (perhaps {max(named, key=len)}; its code is not in the vocabulary)" if named else ""

    def medication(self, found: Found, prescribed: Prescribed) -> Medication:
        """Return the medication, whether a concept, contained, or elsewhere in the file."""
        if prescribed.medication_codeable_concept is not None:
            return Medication(code=prescribed.medication_codeable_concept)
        reference = prescribed.medication_reference
        if reference is None:
            return Medication()
        body = self.referred(found, reference.reference, Medication)
        words = reference.display or f"{reference.reference}, which is not in the file"
        return body if isinstance(body, Medication) else Medication(code=Concept(text=words))

    def referred(self, found: Found, reference: str, kind: type[Medication] | type[Condition]) -> object:
        """Return the resource that a reference leads to: contained, or in the file by Type/id or fullUrl."""
        if reference.startswith("#"):
            for number, raw in enumerate(found.body.contained):
                body = self.file.decode(raw, kind, found.place.at(f"contained[{number}]"))
                if body is not None and body.id == reference[1:]:
                    return body
        target = self.index.get(reference) or self.index.get(_tail(reference))
        return target.body if target else None

    def reasons(self, prescribed: Prescribed) -> Item:
        """Return the findings that a drug was given for, where they are mapped."""
        concepts = list(prescribed.reason_code)
        for reference in prescribed.reason_reference:
            target = self.index.get(reference.reference) or self.index.get(_tail(reference.reference))
            if target and isinstance(target.body, Condition):
                concepts.append(target.body.code)
        named: dict[str, None] = {}
        for concept in concepts:
            findings = [sense.concept for sense in self.codebook.senses(concept) if sense.kind == "finding"]
            named |= dict.fromkeys(findings)
            if not findings:
                self.note("unmapped", f"reason for a drug: {words_of(concept)}")
        return {"for": list(named)} if named else {}

    def response(self, found: Found, prescribed: Prescribed) -> Item:
        """Return how the course went, where an extension says so in the words of the vocabulary."""
        said = [extension.value_code or "" for extension in prescribed.extension if extension.url == RESPONSE]
        if not said:
            return {}
        if len(said) > 1 or said[0] not in self.vocabulary.responses:
            self.note("unmapped", f"response to a drug: {', '.join(said) or 'not given'}", found)
            return {}
        return {"response": said[0]}

    def course(self, period: Period, place: Place) -> Course:
        return Course(self.day(period.start, place.at("start")), self.day(period.end, place.at("end")))

    def courses(
        self, found: Found, drugs: list[str], item: Item, course: Course, dosages: tuple[Dosage, ...], path: str
    ) -> None:
        """Add a course for every drug, and for every dosage where each has its own time."""
        bounds = [self.bounded(course, dosage, found.place.at(f"{path}[{n}]")) for n, dosage in enumerate(dosages)]
        if len(dosages) > 1 and None in bounds:
            self.note("ignored", "several dosages without their own dates: the dose is not known", found)
            dosages = ()
        parts = [
            item | (bound or course).item | self.route(found, dosage.route) | self.dose(found, dosage)
            for dosage, bound in zip(dosages, bounds, strict=False)
        ]
        for drug in drugs:
            for part in parts or [item | course.item]:
                self.add("therapy", drug, part, found.name)

    def bounded(self, course: Course, dosage: Dosage, place: Place) -> Course | None:
        """Return the course within the bounds of a dosage; None where it has none."""
        repeat = dosage.timing.repeat if dosage.timing else None
        if repeat is None:
            return None
        place = place.at("timing.repeat")
        if repeat.bounds_period:
            bounds = self.course(repeat.bounds_period, place.at("boundsPeriod"))
            return Course(bounds.start or course.start, bounds.end or course.end, course.ongoing)
        if repeat.bounds_duration or repeat.count or repeat.bounds_range != ABSENT:
            return Course(course.start, course.end or _after(course.start, repeat.bounds_duration))
        return None

    def route(self, found: Found, route: Concept | None) -> Item:
        if route is None:
            return {}
        named = coded(route, ROUTES) or spoken(route, ROUTE_WORDS)
        if named not in self.vocabulary.routes:
            self.note("unmapped", f"route: {words_of(route)}", found)
            return {}
        return {"route": named}

    def dose(self, found: Found, dosage: Dosage) -> Item:
        """Return the dose in the written form, or nothing and a note that says why it is not known."""
        item, reason = _dose(dosage)
        if reason:
            self.note("ignored", f"the dose is not known: {reason}", found)
        return item

    def administered(self, found: Found, dosage: AdministeredDosage, one_day: bool) -> Item:
        """Return what was given in one day; a dose given over several days is not known by the day."""
        said = dosage.dose if one_day else dosage.rate_quantity
        item, reason = _amount(said, "1/d" if one_day else None)
        if reason and dosage != AdministeredDosage(route=dosage.route):
            self.note("ignored", f"the dose is not known: {reason}", found)
        return item


def _said(item: Item) -> Item:
    """Return the item without the fields of which nothing is said."""
    return {key: value for key, value in item.items() if value is not None and (key, value) != ("planned", False)}


def _is_number(text: str) -> bool:
    try:
        return parse_quantity(text)[2] is None and plausible(Decimal(parse_quantity(text)[1].numerator))
    except ValueError:
        return False


def _named(senses: list[Sense]) -> str:
    return " or ".join(f"{sense.kind} {sense.concept}" for sense in senses)


def _tail(reference: str) -> str:
    """Return the `Type/id` with which a reference ends, or the reference (urn:uuid:..., #contained)."""
    parts = reference.split("/_history/")[0].split("/")
    return "/".join(parts[-2:]) if len(parts) > 1 and "?" not in reference else reference


def _names(patient: Found) -> Iterator[str]:
    """Yield every way in which a reference may name the patient."""
    body = patient.body
    assert isinstance(body, Patient)
    if body.id:
        yield f"Patient/{body.id}"
        yield f"urn:uuid:{body.id}"
    if patient.url:
        yield patient.url
    for identifier in body.identifier:
        yield f"Patient?identifier={identifier.system}|{identifier.value}"


def _given(consent: Consent) -> bool | None:
    """Return whether a consent was given or refused; None where it is neither plainly."""
    if consent.status == "rejected":
        return False
    provision = consent.provision
    if consent.status != "active" or provision is None or provision.provision:
        return None
    return {"permit": True, "deny": False}.get(provision.type)


def _whole(number: Decimal | None) -> int | None:
    """Return a number of at least 0 without a fraction, as it is."""
    return int(number) if number is not None and 0 <= number < 10_000 and number == int(number) else None


def _after(start: str | None, duration: Quantity | None) -> str | None:
    """Return the last day of so many days or weeks from a known day."""
    days = {"d": 1, "wk": 7}.get(duration.code or duration.unit) if duration else None
    number = _whole(duration.value) if duration else None
    if not (start and len(start) == 10 and days and number):
        return None
    try:
        return shift(date.fromisoformat(start), Duration(number * days - 1, "d")).isoformat()
    except ValueError:
        return None


def _by(people: Iterable[Reference]) -> str | None:
    """Return the first person's name, on one line."""
    named = next((who.display or who.reference for who in people), "")
    return " ".join(named.split())[:LONGEST_NAME] or None


def _dose(dosage: Dosage) -> tuple[Item, str]:
    """Return the dose in the written form, or why it is not known ("" where nothing is said of it)."""
    if dosage.as_needed_boolean or dosage.as_needed_codeable_concept is not None:
        return {}, "taken as needed"
    if not dosage.dose_and_rate:
        return {}, f"said in words: {dosage.text}" if dosage.text else ""
    if len(dosage.dose_and_rate) > 1:
        return {}, "several doses"
    said = dosage.dose_and_rate[0]
    if said.rate_quantity:
        return _amount(said.rate_quantity, None)
    return _amount(said.dose_quantity, _frequency(dosage.timing))


def _amount(quantity: Quantity | None, frequency: str | None) -> tuple[Item, str]:
    """Return a dose by mass; tablets, volumes, ranges and bounds are not known as one."""
    if quantity is None or quantity.value is None or quantity.comparator or not plausible(quantity.value):
        return {}, "no single amount"
    item = _said({"dose": decimal(quantity.value), "unit": quantity.measure or None, "frequency": frequency})
    try:
        parse_dose(item["dose"], item.get("unit"), frequency)
    except ValueError as error:
        return {}, f"{item['dose']} {quantity.measure}: {str(error).split(';')[0]}"
    return item, ""


def _frequency(timing: Timing | None) -> str | None:
    """Return how often, as the written form says it; None where that is not exact."""
    repeat = timing.repeat if timing else None
    if repeat is not None and repeat.period is not None:
        return _repeated(repeat)
    codes = [coding.code.upper() for coding in timing.code.coding] if timing and timing.code else []
    said = timing.code.text.upper() if timing and timing.code else ""
    return next((FREQUENCIES[code] for code in (*codes, said) if code in FREQUENCIES), None)


def _repeated(repeat: Repeat) -> str | None:
    """Return a frequency such as 2/d or 1/(2.wk)."""
    period = _whole(repeat.period)
    inexact = repeat.frequency_max or repeat.period_max or repeat.day_of_week or repeat.time_of_day or repeat.when
    if inexact or repeat.period_unit not in ("h", "d", "wk") or not period:
        return None
    if period > 999 or not 1 <= repeat.frequency <= 999:
        return None
    each = repeat.period_unit if period == 1 else f"({period}.{repeat.period_unit})"
    return f"{repeat.frequency}/{each}"
