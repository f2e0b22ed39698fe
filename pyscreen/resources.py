"""The resources of a FHIR R4 file, decoded: only the types and elements that `pyscreen.fhir` reads; numbers stay exact.

A file is a Bundle, a single resource, or NDJSON (a resource a line, Bundles too). Every resource is decoded on its own,
so that one that is malformed hides no other; what is wrong is collected as problems with line and path
(`entry[3].resource.status`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

import msgspec

from .errors import Problem, did_you_mean

BUNDLES = ("collection", "transaction", "searchset", "document", "batch")
_DEEPEST = 5
_BOM = b"\xef\xbb\xbf"
_FHIR_JSON = re.compile(rb'"resourceType"\s*:')
_FHIR_XML = b"http://hl7.org/fhir"
_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_ID = re.compile(r"[^\x00-\x1f\x7f]{0,100}")
_BYTE = re.compile(r" \(byte (?P<byte>[0-9]+)\)$")


# --- the elements of R4 ---


ABSENT = msgspec.Raw()
"""What an element that is not decoded holds where it is not there."""


class Element(msgspec.Struct, frozen=True, rename="camel"):
    """An element or resource of R4; elements that are not named here are skipped."""


def _check_finite(number: Decimal | None) -> None:
    if number is not None and not number.is_finite():
        raise ValueError(f"Expected a number, got `{number}`")


class Coding(Element, frozen=True):
    system: str = ""
    code: str = ""
    display: str = ""


class Concept(Element, frozen=True):
    """A CodeableConcept."""

    coding: tuple[Coding, ...] = ()
    text: str = ""


class Identifier(Element, frozen=True):
    system: str = ""
    value: str = ""


class Reference(Element, frozen=True):
    reference: str = ""
    display: str = ""


class Period(Element, frozen=True):
    start: str | None = None
    end: str | None = None


class Quantity(Element, frozen=True):
    """A Quantity, also an Age or Duration."""

    value: Decimal | None = None
    comparator: str = ""
    unit: str = ""
    system: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        _check_finite(self.value)

    @property
    def measure(self) -> str:
        """The unit: its UCUM code, else the words."""
        return self.code if self.code and self.system == "http://unitsofmeasure.org" else self.unit or self.code


class Ratio(Element, frozen=True):
    numerator: Quantity = Quantity()
    denominator: Quantity = Quantity()


class Range(Element, frozen=True):
    low: Quantity | None = None
    high: Quantity | None = None


class ReferenceRange(Range, frozen=True):
    type: Concept | None = None
    applies_to: tuple[Concept, ...] = ()
    age: Range | None = None


class Meta(Element, frozen=True):
    last_updated: str = ""


class Resource(Element, frozen=True):
    """What every resource has that is read here. `subject` is the patient, whatever the type calls it."""

    id: str = ""
    meta: Meta = Meta()
    contained: tuple[msgspec.Raw, ...] = ()
    modifier_extension: tuple[msgspec.Raw, ...] = ()
    implicit_rules: str = ""
    status: str = ""
    subject: Reference | None = None

    @property
    def person(self) -> str:
        """The reference to whom it is about, or nothing."""
        return self.subject.reference if self.subject else ""


class Patient(Resource, frozen=True):
    identifier: tuple[Identifier, ...] = ()
    birth_date: str | None = None
    gender: str | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None


class Result(Resource, frozen=True):
    """An Observation or one of its components (which has no status or subject of its own)."""

    code: Concept = Concept()
    value_quantity: Quantity | None = None
    value_integer: int | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_ratio: Ratio | None = None
    value_codeable_concept: Concept | None = None
    value_range: msgspec.Raw = ABSENT
    value_date_time: msgspec.Raw = ABSENT
    value_time: msgspec.Raw = ABSENT
    value_period: msgspec.Raw = ABSENT
    value_sampled_data: msgspec.Raw = ABSENT
    data_absent_reason: Concept | None = None
    interpretation: tuple[Concept, ...] = ()
    reference_range: tuple[ReferenceRange, ...] = ()

    @property
    def valued(self) -> bool:
        """Whether there is a value of any kind."""
        return any(
            getattr(self, name) not in (None, ABSENT) for name in self.__struct_fields__ if name.startswith("value_")
        )


class Observation(Result, frozen=True):
    focus: tuple[Reference, ...] = ()
    performer: tuple[Reference, ...] = ()
    effective_date_time: str | None = None
    effective_period: Period | None = None
    effective_instant: str | None = None
    issued: str | None = None
    component: tuple[Result, ...] = ()
    has_member: tuple[Reference, ...] = ()


class Condition(Resource, frozen=True):
    code: Concept = Concept()
    clinical_status: Concept | None = None
    verification_status: Concept | None = None
    onset_date_time: str | None = None
    onset_period: Period | None = None
    onset_age: Quantity | None = None
    abatement_date_time: str | None = None
    abatement_period: Period | None = None
    abatement_age: Quantity | None = None
    recorded_date: str | None = None


class Repeat(Element, frozen=True):
    bounds_period: Period | None = None
    bounds_duration: Quantity | None = None
    bounds_range: msgspec.Raw = ABSENT
    count: int | None = None
    frequency: int = 1
    frequency_max: int | None = None
    period: Decimal | None = None
    period_max: Decimal | None = None
    period_unit: str = ""
    day_of_week: tuple[str, ...] = ()
    time_of_day: tuple[str, ...] = ()
    when: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_finite(self.period)


class Timing(Element, frozen=True):
    event: tuple[str, ...] = ()
    repeat: Repeat | None = None
    code: Concept | None = None


class DoseAndRate(Element, frozen=True):
    dose_quantity: Quantity | None = None
    dose_range: msgspec.Raw = ABSENT
    rate_quantity: Quantity | None = None
    rate_ratio: msgspec.Raw = ABSENT
    rate_range: msgspec.Raw = ABSENT


class Dosage(Element, frozen=True):
    text: str = ""
    timing: Timing | None = None
    as_needed_boolean: bool = False
    as_needed_codeable_concept: Concept | None = None
    route: Concept | None = None
    dose_and_rate: tuple[DoseAndRate, ...] = ()


class AdministeredDosage(Element, frozen=True):
    """The dosage of a MedicationAdministration: what was given, once."""

    text: str = ""
    route: Concept | None = None
    dose: Quantity | None = None
    rate_quantity: Quantity | None = None


class Ingredient(Element, frozen=True):
    item_codeable_concept: Concept | None = None
    is_active: bool = True


class Medication(Resource, frozen=True):
    code: Concept = Concept()
    ingredient: tuple[Ingredient, ...] = ()


class Extension(Element, frozen=True):
    """An extension whose value is a code."""

    url: str = ""
    value_code: str | None = None


class Prescribed(Resource, frozen=True):
    """What the three medication resources have in common."""

    extension: tuple[Extension, ...] = ()
    medication_codeable_concept: Concept | None = None
    medication_reference: Reference | None = None
    reason_code: tuple[Concept, ...] = ()
    reason_reference: tuple[Reference, ...] = ()


class MedicationStatement(Prescribed, frozen=True):
    effective_date_time: str | None = None
    effective_period: Period | None = None
    dosage: tuple[Dosage, ...] = ()


class Dispense(Element, frozen=True):
    validity_period: Period | None = None


class MedicationRequest(Prescribed, frozen=True):
    intent: str = "order"
    do_not_perform: bool = False
    reported_boolean: bool = False
    reported_reference: Reference | None = None
    authored_on: str | None = None
    dispense_request: Dispense | None = None
    dosage_instruction: tuple[Dosage, ...] = ()


class MedicationAdministration(Prescribed, frozen=True):
    effective_date_time: str | None = None
    effective_period: Period | None = None
    dosage: AdministeredDosage | None = None


class Procedure(Resource, frozen=True):
    code: Concept = Concept()
    performed_date_time: str | None = None
    performed_period: Period | None = None


class Encounter(Resource, frozen=True):
    type: tuple[Concept, ...] = ()
    period: Period | None = None


class Provision(Element, frozen=True):
    type: str = ""
    provision: tuple[msgspec.Raw, ...] = ()


class Consent(Resource, frozen=True):
    patient: Reference | None = None
    scope: Concept = Concept()
    category: tuple[Concept, ...] = ()
    date_time: str | None = None
    performer: tuple[Reference, ...] = ()
    provision: Provision | None = None

    @property
    def person(self) -> str:
        """The reference to whom it is about, or nothing."""
        return self.patient.reference if self.patient else ""


class List(Resource, frozen=True):
    """A list; what it says is its code, its entries are not read."""

    code: Concept = Concept()


READ: dict[str, type[Resource]] = {
    kind.__name__: kind
    for kind in (
        Patient,
        Observation,
        Condition,
        Medication,
        MedicationStatement,
        MedicationRequest,
        MedicationAdministration,
        Procedure,
        Encounter,
        Consent,
        List,
    )
}


# --- the file ---


class _Head(Element, frozen=True):
    resource_type: str = ""


class _Link(Element, frozen=True):
    relation: str = ""


class _Request(Element, frozen=True):
    method: str = ""


class _Entry(Element, frozen=True):
    full_url: str = ""
    resource: msgspec.Raw = ABSENT
    request: _Request | None = None


class _Bundle(Element, frozen=True):
    type: str = "collection"
    timestamp: str | None = None
    link: tuple[_Link, ...] = ()
    entry: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the file: the line (of NDJSON), and the path."""

    line: int | None = None
    path: str = ""

    def at(self, path: str) -> Place:
        """Return the place further down."""
        return Place(self.line, ".".join(part for part in (self.path, path) if part))


@dataclass(frozen=True, slots=True)
class Found:
    """A resource that was read, and where it stands. `name` is `Type/id`, or its place where it has no id."""

    body: Resource
    place: Place
    url: str = ""

    @property
    def type(self) -> str:
        """The resource type."""
        return type(self.body).__name__

    @property
    def name(self) -> str:
        """`Type/id`, or the type and the place."""
        where = self.place.path or (f"line {self.place.line}" if self.place.line else "the top")
        return f"{self.type}/{self.body.id}" if self.body.id else f"{self.type} at {where}"


_Decoded = TypeVar("_Decoded", bound=Element)


@dataclass(slots=True)
class File:
    """What a file holds: the resources read, how many of each type were not, and what is wrong or missing."""

    name: str
    found: list[Found] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    bundles: int = 0
    remarks: list[str] = field(default_factory=list)
    timestamps: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, message: str, place: Place) -> None:
        """Add a problem."""
        self.problems.append(Problem(message, self.name, place.line, place.path))

    def decode(self, raw: bytes | msgspec.Raw, kind: type[_Decoded], place: Place) -> _Decoded | None:
        """Return the element decoded, or None and a problem that says where and what was expected."""
        try:
            return msgspec.json.decode(raw, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._malformed(str(error), raw, place)
        return None

    def _malformed(self, message: str, raw: bytes | msgspec.Raw, place: Place) -> None:
        at, byte = _AT.search(message), _BYTE.search(message)
        if byte and not place.path and place.line is None:
            place = Place(bytes(raw).count(b"\n", 0, int(byte["byte"])) + 1)
        self.problem(_AT.sub("", message), place.at(at["path"]) if at else place)

    def walk(self, raw: bytes | msgspec.Raw, place: Place, url: str = "", depth: int = 0) -> None:
        """Add a resource, or every resource of a Bundle."""
        head = self.decode(raw, _Head, place)
        if head is None:
            return
        if not head.resource_type:
            self.problem("this is no FHIR resource: it has no resourceType", place)
        elif head.resource_type == "Bundle":
            self._open(raw, place, depth)
        elif head.resource_type in READ:
            body = self.decode(raw, READ[head.resource_type], place)
            if body is not None and not _ID.fullmatch(body.id):
                self.problem("Expected an id of at most 100 characters on one line", place.at("id"))
            elif body is not None:
                self.found.append(Found(body, place, url))
        else:
            self.unread[head.resource_type] += 1

    def _open(self, raw: bytes | msgspec.Raw, place: Place, depth: int) -> None:
        self.bundles += 1
        bundle = self.decode(raw, _Bundle, place)
        if bundle is None:
            return
        if bundle.type not in BUNDLES:
            wanted = f"expected {', '.join(BUNDLES)}{did_you_mean(bundle.type, BUNDLES)}"
            self.problem(f"a Bundle of type '{bundle.type}' is no patient's record; {wanted}", place.at("type"))
        elif depth == _DEEPEST:
            self.problem(f"Bundles in Bundles, more than {_DEEPEST} deep", place)
        else:
            self._remark(bundle)
            for number, entry in enumerate(bundle.entry):
                self._enter(entry, place.at(f"entry[{number}]"), depth)

    def _remark(self, bundle: _Bundle) -> None:
        if bundle.timestamp:
            self.timestamps.append(bundle.timestamp)
        if any(link.relation == "next" for link in bundle.link):
            self.remarks.append("the Bundle is one page of several (link 'next'); the others are not in the file")

    def _enter(self, entry: _Entry, place: Place, depth: int) -> None:
        if entry.request and entry.request.method == "DELETE":
            self.remarks.append(f"{place.path} deletes a resource; not read")
        elif entry.resource != ABSENT:
            self.walk(entry.resource, place.at("resource"), entry.full_url, depth + 1)

    def settle(self) -> None:
        """Keep one of the resources that stand in the file more than once: the one updated last."""
        kept: dict[str, Found] = {}
        for found in self.found:
            kept[found.name] = self._later(kept[found.name], found) if found.name in kept else found
        self.found = list(kept.values())

    def _later(self, first: Found, second: Found) -> Found:
        if first.body == second.body:
            return first
        self.remarks.append(f"{first.name} stands in the file with different contents; the one updated last is read")
        return max(second, first, key=lambda found: found.body.meta.last_updated)


def looks_like_fhir(data: bytes) -> bool:
    """Return whether the file is meant as FHIR, in JSON or (which is not read) XML.

    >>> looks_like_fhir(b'{"resourceType": "Bundle"}'), looks_like_fhir(b"record: p1")
    (True, False)
    """
    start = data.removeprefix(_BOM).lstrip()
    if start.startswith(b"<"):
        return _FHIR_XML in start
    return start.startswith(b"{") and _FHIR_JSON.search(start) is not None


def decode_file(data: bytes, name: str) -> File:
    """Return the resources of a FHIR R4 file, with everything that is wrong with it among its problems."""
    file = File(name)
    data = data.removeprefix(_BOM)
    if data.lstrip().startswith(b"<"):
        file.problem("FHIR is read as JSON, not as XML; ask for application/fhir+json", Place())
        return file
    for raw, place in _documents(data):
        file.walk(raw, place)
    if not (file.found or file.problems or file.bundles):
        _nothing_read(file)
    file.settle()
    return file


def _documents(data: bytes) -> Iterator[tuple[bytes, Place]]:
    """Yield the whole file, or every line of NDJSON."""
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    bare = [line.strip() for _, line in lines[:2]]
    if len(bare) == 2 and bare[0].startswith(b"{") and bare[0].endswith(b"}") and bare[1].startswith(b"{"):
        yield from ((line, Place(number)) for number, line in lines)
    else:
        yield data, Place()


def _nothing_read(file: File) -> None:
    hint = "".join(did_you_mean(type_, [*READ, "Bundle"]) for type_ in file.unread)
    found = f"{', '.join(sorted(file.unread))}{hint}"
    file.problem(f"expected a Bundle or one of {', '.join(READ)}; found {found}", Place(path="resourceType"))
