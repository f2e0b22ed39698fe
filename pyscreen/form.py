"""The form in which a record is written by hand, as typed structs, and its JSON Schema.

Every field may be left out but the name of an item's concept and the value of a measurement: what is not written is
unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, ValidationError, convert, field
from msgspec.structs import FieldInfo, fields

from .errors import did_you_mean
from .markup import Place

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

SCHEMA_ID = "urn:pyscreen:record"
TEXT_LENGTH = 200

# No pattern here: msgspec 0.22 frees a pattern's regular expression once too often, and the process crashes.
Text = Annotated[str, Meta(max_length=TEXT_LENGTH)]
Prose = Annotated[str, Meta(max_length=20_000)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Day = Text | Whole
"""A date to the year, month or day; a whole number is a year."""
Amount = Text | Whole | float

_DATE = Meta(description="a date: 2026, 2026-05 or 2026-05-02", examples=["2026-05-02", "2026-05"])
_END = Meta(description="the last day, or the word 'ongoing'; left out: not known", examples=["2026-05-02", "ongoing"])
_LASTED = Meta(description="the last day, or 'ongoing', of what took longer than its date", examples=["2026-05-09"])
_STATED = Meta(description="the day on which it was last known to be so", examples=["2026-05-02"])
_PLANNED = Meta(description="true: not done yet, but planned for that date")
_METHOD = Meta(description="how it was found: a method of the vocabulary")
_SIDE = Meta(description="the side of the body")
_ID = Meta(description="a name for this item, returned with the evidence")
_LOW = Meta(description="the laboratory's lower limit of normal, in the value's unit")
_HIGH = Meta(description="the laboratory's upper limit of normal, in the value's unit")
_ONSET = Meta(description="the day of its onset, or on which it was seen", examples=["2026-05"])
_RECORDED = Meta(description="the day it was compiled; undated statements hold for that day", examples=["2026-11-20"])
_COMPLETE = Meta(
    description="sections (measurements, findings, therapies, events, procedures) or concepts of which everything is "
    "written: what is not, is absent"
)
_BY = Meta(description="who said so")

Side = Literal["left", "right", "both"]
Sex = Literal["female", "male"]


UNKNOWN = "unknown"
"""The value of something that was measured but cannot be read: a later value than the one before, of whatever size."""


class WrittenMeasurement(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A value of a quantity."""

    quantity: Annotated[Text, Meta(description="what was measured: a quantity of the vocabulary")]
    value: Annotated[
        Amount,
        Meta(
            description="a number, with or without its unit, or a grade; '<20' is a bound; 'unknown' is unreadable",
            examples=[22, "22 10*9/L", "<20 [IU]/mL", "1:80", "unknown"],
        ),
    ]
    unit: Annotated[Text | None, Meta(description="the unit (UCUM), if not in the value", examples=["10*9/L"])] = None
    date: Annotated[Day | None, _DATE] = None
    time: Annotated[Text | None, Meta(description="the time of day", examples=["08:30"])] = None
    method: Annotated[Text | None, _METHOD] = None
    low: Annotated[Amount | None, _LOW] = None
    high: Annotated[Amount | None, _HIGH] = None
    side: Annotated[Side | None, _SIDE] = None
    id: Annotated[Day | None, _ID] = None


class WrittenFinding(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A finding or diagnosis that is present, or stated to be absent."""

    finding: Annotated[Text, Meta(description="what is so: a finding of the vocabulary")]
    present: Annotated[bool, Meta(description="false: stated to be absent")] = True
    date: Annotated[Day | None, _ONSET] = None
    end: Annotated[Day | None, _END] = None
    stated: Annotated[Day | None, _STATED] = None
    method: Annotated[Text | None, _METHOD] = None
    side: Annotated[Side | None, _SIDE] = None
    id: Annotated[Day | None, _ID] = None


class WrittenTherapy(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A course of a drug at one dose, or a drug stated never to have been taken."""

    drug: Annotated[Text, Meta(description="what was taken: a drug or class of the vocabulary")]
    taken: Annotated[bool, Meta(description="false: never taken")] = True
    dose: Annotated[Amount | None, Meta(description="the dose", examples=["30 mg/d", "1 mg/kg/d", "15 mg/wk"])] = None
    unit: Annotated[Text | None, Meta(description="the dose's unit, if not in the dose", examples=["mg"])] = None
    frequency: Annotated[
        Text | None,
        Meta(description="how often, if not in the unit", examples=["daily", "twice daily", "every 2 weeks", "1/wk"]),
    ] = None
    route: Annotated[Text | None, Meta(description="the route: one of the vocabulary")] = None
    start: Annotated[Day | None, _DATE] = None
    end: Annotated[Day | None, _END] = None
    response: Annotated[Text | None, Meta(description="how it went: a response of the vocabulary")] = None
    reasons: Annotated[
        Text | list[Text] | None, Meta(description="the finding, or findings, that it was given for")
    ] = field(default=None, name="for")
    planned: Annotated[bool, _PLANNED] = False
    id: Annotated[Day | None, _ID] = None


class WrittenEvent(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something that happened, or is stated not to have happened."""

    event: Annotated[Text, Meta(description="what happened: an event of the vocabulary")]
    happened: Annotated[bool, Meta(description="false: stated not to have happened")] = True
    date: Annotated[Day | None, _DATE] = None
    end: Annotated[Day | None, _LASTED] = None
    planned: Annotated[bool, _PLANNED] = False
    id: Annotated[Day | None, _ID] = None


class WrittenProcedure(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A procedure that was done, or is stated not to have been done."""

    procedure: Annotated[Text, Meta(description="what was done: a procedure of the vocabulary")]
    done: Annotated[bool, Meta(description="false: stated not to have been done")] = True
    date: Annotated[Day | None, _DATE] = None
    planned: Annotated[bool, _PLANNED] = False
    side: Annotated[Side | None, _SIDE] = None
    id: Annotated[Day | None, _ID] = None


class WrittenJudgement(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person judged."""

    judgement: Annotated[Text, Meta(description="what was judged: a judgement of the vocabulary")]
    answer: Annotated[bool, Meta(description="false: judged not to be so")] = True
    date: Annotated[Day | None, _DATE] = None
    by: Annotated[Text | None, _BY] = None
    id: Annotated[Day | None, _ID] = None


class WrittenConsent(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the patient agreed to, or refused."""

    consent: Annotated[Text, Meta(description="what was asked for: a consent of the vocabulary")]
    given: Annotated[bool, Meta(description="false: refused")] = True
    date: Annotated[Day | None, _DATE] = None
    by: Annotated[Text | None, _BY] = None
    id: Annotated[Day | None, _ID] = None


class WrittenAnswer(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person answered to a test of the knowledge base itself."""

    test: Annotated[Text, Meta(description="the test, by its id (`pyscreen kb list tests`)")]
    answer: Annotated[bool, Meta(description="true: it is so; false: it is not")]
    date: Annotated[Day | None, Meta(description="the day of the answer, exactly; left out: the day of the record")] = None
    by: Annotated[Text | None, _BY] = None
    id: Annotated[Day | None, _ID] = None


class WrittenRecord(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A patient's record, written by hand: dated facts in the words of the vocabulary. What is left out is unknown."""

    record: Annotated[Day | None, Meta(description="the record's name; else that of the file")] = None
    description: Annotated[Prose | None, Meta(description="a few words for people; not used")] = None
    recorded: Annotated[Day | None, _RECORDED] = None
    birth_date: Annotated[Day | None, _DATE] = None
    sex: Annotated[Sex | None, Meta(description="the patient's sex")] = None
    died: Annotated[Day | None, _DATE] = None
    complete: Annotated[list[Text] | None, _COMPLETE] = None
    measurements: Annotated[list[WrittenMeasurement] | None, Meta(description="values that were measured")] = None
    findings: Annotated[list[WrittenFinding] | None, Meta(description="findings and diagnoses")] = None
    therapies: Annotated[list[WrittenTherapy] | None, Meta(description="courses of drugs")] = None
    events: Annotated[list[WrittenEvent] | None, Meta(description="what happened")] = None
    procedures: Annotated[list[WrittenProcedure] | None, Meta(description="what was done")] = None
    judgements: Annotated[list[WrittenJudgement] | None, Meta(description="what a clinician judged")] = None
    consents: Annotated[list[WrittenConsent] | None, Meta(description="what the patient agreed to")] = None
    answers: Annotated[list[WrittenAnswer] | None, Meta(description="answers to tests of the knowledge base itself")] = None


SECTIONS: Mapping[str, str] = {
    "measurements": "measurement",
    "findings": "finding",
    "therapies": "therapy",
    "events": "event",
    "procedures": "procedure",
    "judgements": "judgement",
    "consents": "consent",
}
"""Each section of a record and the kind of its items."""

ANSWERS = "answers"
"""The section of answers to the tests themselves."""

ITEMS: Mapping[str, type[Struct]] = {
    "measurements": WrittenMeasurement,
    "findings": WrittenFinding,
    "therapies": WrittenTherapy,
    "events": WrittenEvent,
    "procedures": WrittenProcedure,
    "judgements": WrittenJudgement,
    "consents": WrittenConsent,
    ANSWERS: WrittenAnswer,
}
"""Each section, that of answers too, and the form of its items."""

CLOSABLE = ("measurements", "findings", "therapies", "events", "procedures")
"""The sections that a record may declare complete."""


def schema(vocabulary: Vocabulary | None = None, tests: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the written form; with a vocabulary, concepts are those that it knows.

    With `tests` (id to label), only they can be answered directly.

    >>> schema()["title"], sorted(schema()["$defs"])[:2]
    ('A written patient record', ['WrittenAnswer', 'WrittenConsent'])
    """
    _, parts = msgspec.json.schema_components([WrittenRecord], ref_template="#/$defs/{name}")
    record = parts.pop("WrittenRecord")
    made: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **record,
        "title": "A written patient record",
        "$defs": parts,
    }
    if vocabulary:
        _name_concepts(made, vocabulary)
    if tests:
        parts["test"] = _names("test", tests)
        _refer(parts["WrittenAnswer"]["properties"]["test"], {"$ref": "#/$defs/test"})
    return made


_CONCEPT_FIELDS = {
    ("WrittenMeasurement", "quantity"): "measurement",
    ("WrittenFinding", "finding"): "finding",
    ("WrittenTherapy", "drug"): "therapy",
    ("WrittenEvent", "event"): "event",
    ("WrittenProcedure", "procedure"): "procedure",
    ("WrittenJudgement", "judgement"): "judgement",
    ("WrittenConsent", "consent"): "consent",
}
_NAME_FIELDS = {
    ("WrittenMeasurement", "method"): "method",
    ("WrittenFinding", "method"): "method",
    ("WrittenTherapy", "route"): "route",
    ("WrittenTherapy", "response"): "response",
}


def _name_concepts(made: dict[str, Any], vocabulary: Vocabulary) -> None:
    """Let each field that takes a name of the vocabulary take the known names only."""
    parts = made["$defs"]
    for (part, field_name), kind in _CONCEPT_FIELDS.items():
        _refer(parts[part]["properties"][field_name], {"$ref": f"#/$defs/{kind}"})
    for (part, field_name), kind in _NAME_FIELDS.items():
        _refer(parts[part]["properties"][field_name], {"anyOf": [{"$ref": f"#/$defs/{kind}"}, {"type": "null"}]})
    finding = {"$ref": "#/$defs/finding"}
    reasons = {"anyOf": [finding, {"type": "array", "items": finding}, {"type": "null"}]}
    _refer(parts["WrittenTherapy"]["properties"]["for"], reasons)
    kinds = [{"$ref": f"#/$defs/{kind}"} for kind in SECTIONS.values()]
    closed = {"type": "array", "items": {"anyOf": [{"enum": list(CLOSABLE)}, *kinds]}}
    _refer(made["properties"]["complete"], {"anyOf": [closed, {"type": "null"}]})
    for kind in SECTIONS.values():
        parts[kind] = _names(kind, vocabulary.labels(kind))
    parts["method"] = _names("method", vocabulary.methods)
    parts["route"] = _names("route", dict.fromkeys(vocabulary.routes, ""))
    parts["response"] = _names("response", dict.fromkeys(vocabulary.responses, ""))


def _refer(part: dict[str, Any], to: dict[str, Any]) -> None:
    """Replace what a field accepts; its description stays."""
    for keyword in ("type", "anyOf", "maxLength"):
        part.pop(keyword, None)
    part.update(to)


def _names(title: str, labels: Mapping[str, str]) -> dict[str, Any]:
    lines = (f"{name}: {label}" if label else name for name, label in sorted(labels.items()))
    return {"title": title, "description": "\n".join(lines), "enum": sorted(labels)}


# ---- filling in the form ---------------------------------------------------------------------------------------------

Report = Callable[[Place, str], None]
_Form = TypeVar("_Form", bound=Struct)


def fill(form: type[_Form], written: object, place: Place, report: Report) -> _Form | None:
    """Return a mapping as the struct of its form; where fields are wrong, report each and go on without them."""
    if not isinstance(written, Mapping):
        report(place, f"expected fields ({', '.join(_fields(form))}), found {named(written)}")
        return None
    try:
        return convert(written, form)
    except (ValidationError, UnicodeError):
        return _salvaged(form, written, place, report)


def _salvaged(form: type[_Form], written: Mapping[object, object], place: Place, report: Report) -> _Form:
    known = _fields(form)
    for name in written:
        if name not in known:
            report((*place, str(name)), f"unknown field {shown(name)}{near(str(name), known)}")
    kept: dict[str, object] = {}
    for name, field_info in known.items():
        value, here = written.get(name), (*place, name)
        if field_info.required:
            kept[field_info.name] = ""
        if value is None and field_info.required:
            report(here, f"{name} is missing")
        elif name in written:
            _keep(kept, field_info, value, here, report)
    return form(**kept)


def _keep(kept: dict[str, object], field_info: FieldInfo, value: object, place: Place, report: Report) -> None:
    """Keep a field's value if it is of the right type."""
    try:
        kept[field_info.name] = convert(value, field_info.type)
    except (ValidationError, UnicodeError):
        report(place, _mismatch(value, list(_parts(field_info.type))))


def _fields(form: type[Struct]) -> dict[str, FieldInfo]:
    return {field_info.encode_name: field_info for field_info in fields(form)}


def taken(form: type[Struct]) -> dict[str, frozenset[object]]:
    """Return each field of a form with the plain types and literal words that it takes."""
    return {name: frozenset(_parts(info.type)) for name, info in _fields(form).items()}


def _mismatch(value: object, parts: list[object]) -> str:
    """Say what is wrong with a value that does not fit its field's type."""
    words = [part for part in parts if isinstance(part, str)]
    if words:
        hint = near(value, words) if isinstance(value, str) else ""
        return f"expected {' or '.join(words)}, found {named(value)}{hint}"
    if bool in parts:
        return f"expected true or false, found {named(value)}"
    if isinstance(value, str) and str in parts:
        return "the text is too long"
    if list in parts:
        strange = [part for part in value if not isinstance(part, str)] if isinstance(value, list) else [value]
        return f"expected a list of names, found {named(strange[0]) if strange else 'a name that is too long'}"
    if isinstance(value, int) and int in parts and not isinstance(value, bool):
        return "the number is too large"
    return f"expected {'text or a number' if int in parts else 'text'}, found {named(value)}"


def _parts(kind: object) -> Iterable[object]:
    """Yield the plain types and the literal words of which a type is made."""
    origin, members = get_origin(kind), get_args(kind)
    if origin is Literal:
        yield from members
    elif origin is list:
        yield list
    elif origin is None:
        yield kind
    else:
        for part in members if origin in (Union, UnionType) else members[:1]:
            yield from _parts(part)


def named(value: object) -> str:
    """Say in a word or two what a value is.

    >>> named([1]), named({}), named(True), named("on")
    ('a list', 'fields', 'true', "'on'")
    """
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return shown(value)
        case Mapping():
            return "fields"
        case list() | tuple():
            return "a list"
        case int() | float():
            return "a number"
    return "something else"


def shown(value: object) -> str:
    """Return a value in quotes, cut short, its control characters escaped."""
    text = str(value)
    return f"'{printable(text if len(text) <= 60 else f'{text[:57]}...')}'"


def printable(text: str) -> str:
    """Return a text with its control characters and broken characters escaped.

    >>> printable("a\\x1b[31m")
    'a\\\\x1b[31m'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def near(name: str, known: Iterable[str] | Mapping[str, str]) -> str:
    """Return the nearest known name as a question, also by its label; a long name is near to none.

    >>> near("Lupus", {"sle": "lupus"})
    " (did you mean 'sle'?)"
    """
    if len(name) > 60:
        return ""
    labels = known.items() if isinstance(known, Mapping) else ()
    for concept, label in labels:
        if isinstance(label, str) and label.casefold() == name.casefold():
            return f" (did you mean '{concept}'?)"
    return did_you_mean(name, known)
