"""Event tables as a FHIR R4 bulk export: a folder of NDJSON, one file a resource type, and the manifest.

A concept is written by the first code of the vocabulary that reads back as that concept alone, else by its own name in the
system `urn:pyscreen:<kind>`. What R4 has no element for (`said` lists it) is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import polars as pl

from ..codebook import OWN_SYSTEM, ROUTES, SYSTEMS, Codebook, Sense
from ..doses import parse_dose
from ..fhir import COMPLETE, RESPONSE
from ..form import SECTIONS, UNKNOWN
from ..resources import Coding, Concept
from ..vocabulary import Vocabulary
from .exports import Frames, new_folder

Json = dict[str, Any]
MANIFEST = "manifest.json"
_URIS = {name: uri for uri, name in reversed(SYSTEMS.items())}
_UCUM = "http://unitsofmeasure.org"
_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


@dataclass
class Codes:
    """The code by which each concept is written."""

    vocabulary: Vocabulary
    found: dict[tuple[str, str, str | None], Json] = field(default_factory=dict)
    methods: set[tuple[str, str]] = field(default_factory=set)
    """Quantities and methods for which a code says the method."""

    def __post_init__(self) -> None:
        book = Codebook(self.vocabulary)
        for (system, code), (kind, concept) in self.vocabulary.codes.items():
            method = self.vocabulary.code_methods.get((system, code))
            coding = Coding(_URIS[system], code)
            if book.senses(Concept((coding,))) == [Sense(kind, concept, method=method)]:
                self.found.setdefault((kind, concept, method), self._coded(kind, concept, coding.system, code))
                if method:
                    self.methods.add((concept, method))

    def code(self, kind: str, concept: str, method: str | None = None) -> Json:
        """Return the CodeableConcept of a concept."""
        key = (kind, concept, method)
        if key not in self.found:
            self.found[key] = self._coded(kind, concept, OWN_SYSTEM + kind, concept)
        return self.found[key]

    def _coded(self, kind: str, concept: str, system: str, code: str) -> Json:
        return {"coding": [{"system": system, "code": code}], "text": self.vocabulary.label(kind, concept)}


def said(frames: Mapping[str, pl.DataFrame], codes: Codes, day: date) -> tuple[Frames, Counter[str]]:
    """Return event tables as a bulk export can say them, and how often it cannot say what.

    The day on which a record was compiled is that of the export. Not said: the side of anything, the method of a finding (and of
    a measurement where no code says it), unit and limits of what cannot be read. A denial has one date.
    """
    found, unsaid = dict(frames), Counter[str]()
    found["patients"] = frames["patients"].with_columns(pl.lit(day.isoformat()).alias("recorded"))
    for table, column in (("measurements", "side"), ("findings", "side"), ("findings", "method"), ("procedures", "side")):
        found[table] = _without(found[table], table, column, pl.col(column).is_not_null(), unsaid)
    pairs = pl.struct("quantity", "method").is_in([{"quantity": q, "method": m} for q, m in sorted(codes.methods)] or [None])
    found["measurements"] = _without(
        found["measurements"], "measurements", "method", pl.col("method").is_not_null() & ~pairs, unsaid
    )
    for column in ("unit", "low", "high"):
        unread = (pl.col("text") == UNKNOWN).fill_null(False) & pl.col(column).is_not_null()
        found["measurements"] = _without(found["measurements"], "measurements", column, unread, unsaid)
    denied = pl.when(~pl.col("present")).then(pl.coalesce("stated", "date"))
    unsaid["findings: a denial stated on another day"] = found["findings"].filter(
        ~pl.col("present") & (pl.col("date").is_null() | (pl.col("date") != pl.col("stated"))) & pl.col("stated").is_not_null()
    ).height
    found["findings"] = found["findings"].with_columns(
        denied.otherwise("date").alias("date"), denied.otherwise("stated").alias("stated")
    )
    return found, +unsaid


def _without(frame: pl.DataFrame, table: str, column: str, where: pl.Expr, unsaid: Counter[str]) -> pl.DataFrame:
    unsaid[f"{table}: {column}"] += frame.filter(where).height
    return frame.with_columns(pl.when(~where).then(column).alias(column))


def write_fhir(
    parts: Iterable[Mapping[str, pl.DataFrame]], folder: Path | str, vocabulary: Vocabulary, day: date
) -> tuple[int, Counter[str]]:
    """Write event tables as a bulk export into a new folder; return how many patients, and what could not be said.

    Raises RequestError where the folder exists already, or cannot be written.
    """
    codes, unsaid, patients = Codes(vocabulary), Counter[str](), 0
    with new_folder(Path(folder)) as target, ExitStack() as stack:
        files = _Files(target, stack)
        for part in parts:
            frames, more = said(part, codes, day)
            unsaid += more
            patients += frames["patients"].height
            _write(frames, codes, files)
        files.manifest(day)
    return patients, unsaid


class _Files:
    """A file for each resource type, opened when its first resource comes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.open: dict[str, BinaryIO] = {}
        self.written: Counter[str] = Counter()
        self.encoder = msgspec.json.Encoder()

    def add(self, resource: Json) -> None:
        """Write a resource on a line of its own, with an id if it has none."""
        kind = resource["resourceType"]
        if kind not in self.open:
            self.open[kind] = self.stack.enter_context((self.folder / f"{kind}.ndjson").open("wb", buffering=1 << 20))
        self.written[kind] += 1
        resource.setdefault("id", f"{kind[0].lower()}{self.written[kind]}")
        self.open[kind].write(self.encoder.encode({key: value for key, value in resource.items() if value is not None}) + b"\n")

    def manifest(self, day: date) -> None:
        """Write what a server answers to say that an export is ready."""
        output = [{"type": kind, "url": f"{kind}.ndjson", "count": count} for kind, count in sorted(self.written.items())]
        text = {"transactionTime": f"{day.isoformat()}T00:00:00Z", "requiresAccessToken": False, "output": output, "error": []}
        (self.folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(text)) + b"\n")


def _write(frames: Frames, codes: Codes, files: _Files) -> None:
    for row in frames["patients"].iter_rows(named=True):
        for resource in _person(row):
            files.add(resource)
    for section, kind in SECTIONS.items():
        make = _RESOURCES[kind]
        for row in frames[section].iter_rows(named=True) if section in frames else ():
            files.add(make(codes, kind, row))


def _subject(row: Mapping[str, Any]) -> Json:
    return {"reference": f"Patient/{row['patient']}"}


def _person(row: Mapping[str, Any]) -> Iterator[Json]:
    yield {
        "resourceType": "Patient",
        "id": row["patient"],
        "gender": row["sex"],
        "birthDate": row["birth_date"],
        "deceasedDateTime": row["died"],
    }
    if row["complete"]:
        coding = [{"system": COMPLETE, "code": name} for name in row["complete"]]
        yield {"resourceType": "List", "status": "current", "mode": "snapshot", "subject": _subject(row), "code": {"coding": coding}}


def _observation(codes: Codes, kind: str, row: Mapping[str, Any], code: Json, value: Json) -> Json:
    when = row["date"]
    if when and row.get("time"):
        when = f"{when}T{row['time']}:00Z"
    head = {"resourceType": "Observation", "status": "final", "code": code, "subject": _subject(row)}
    return {**head, "effectiveDateTime": when, **value}


def _measurement(codes: Codes, kind: str, row: Mapping[str, Any]) -> Json:
    code = codes.code("measurement", row["quantity"], row["method"])
    text, unit = row["text"], row["unit"]
    ucum = unit == codes.vocabulary.quantities[row["quantity"]].scale.unit
    if text is None:
        value = {"valueQuantity": _quantity(row["value"], unit, ucum)}
    elif text[0] in "<>":
        sign = text[: 2 if text[1] == "=" else 1]
        value = {"valueQuantity": {"comparator": sign, **_quantity(float(text[len(sign) :]), unit, ucum)}}
    elif text.startswith("1:"):
        value = {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": int(text[2:])}}}
    else:
        value = {"valueString": text}
    limits = {side: _quantity(row[side], unit, ucum) for side in ("low", "high") if row[side] is not None}
    return _observation(codes, kind, row, code, {**value, "referenceRange": [limits] if limits else None})


def _quantity(value: float, unit: str | None, ucum: bool = True) -> Json:
    """Return a Quantity; a unit that laboratories use beside UCUM stands in words alone."""
    found: Json = {"value": value, "unit": unit} if unit else {"value": value}
    return {**found, "system": _UCUM, "code": unit} if unit and ucum else found


def _finding(codes: Codes, kind: str, row: Mapping[str, Any]) -> Json:
    code = codes.code(kind, row["finding"])
    looked_up = code["coding"][0]["system"] == _URIS["loinc"]
    if looked_up and not (row["end"] or (row["stated"] and row["stated"] != row["date"])):
        return _observation(codes, kind, row, code, {"valueBoolean": row["present"]})
    return _condition(code, row, row["present"])


def _condition(code: Json, row: Mapping[str, Any], so: bool) -> Json:
    end = row.get("end")
    resource = {"resourceType": "Condition", "code": code, "subject": _subject(row)}
    if not so:
        refuted = {"coding": [{"system": _VERIFIED, "code": "refuted"}]}
        return {**resource, "verificationStatus": refuted, "recordedDate": row.get("stated") or row["date"]}
    status = "active" if end == "ongoing" else "resolved" if end else None
    return {
        **resource,
        "clinicalStatus": {"coding": [{"system": _CLINICAL, "code": status}]} if status else None,
        "verificationStatus": {"coding": [{"system": _VERIFIED, "code": "confirmed"}]},
        "onsetDateTime": row["date"],
        "abatementDateTime": None if end == "ongoing" else end,
        "recordedDate": row.get("stated"),
    }


def _event(codes: Codes, kind: str, row: Mapping[str, Any]) -> Json:
    code = codes.code(kind, row["event"])
    if not row["planned"] and (not row["happened"] or row["end"] is None):
        return _condition(code, row, row["happened"])
    status = "planned" if row["planned"] else "in-progress" if row["end"] == "ongoing" else "finished"
    period = {"start": row["date"], "end": None if row["end"] == "ongoing" else row["end"]}
    return {"resourceType": "Encounter", "status": status, "type": [code], "subject": _subject(row), "period": _filled(period)}


def _procedure(codes: Codes, kind: str, row: Mapping[str, Any]) -> Json:
    status = "preparation" if row["planned"] else "completed" if row["done"] else "not-done"
    code = codes.code(kind, row["procedure"])
    return {"resourceType": "Procedure", "status": status, "code": code, "subject": _subject(row), "performedDateTime": row["date"]}


def _therapy(codes: Codes, kind: str, row: Mapping[str, Any]) -> Json:
    end = row["end"]
    if row["planned"]:
        status = "intended"
    elif not row["taken"]:
        status = "not-taken"
    else:
        status = "active" if end == "ongoing" else "completed"
    period = _filled({"start": row["start"], "end": None if end == "ongoing" else end})
    dosage = _filled({**_dose(row["dose"]), "route": _ROUTES.get(row["route"], {"text": row["route"]}) if row["route"] else None})
    return {
        "resourceType": "MedicationStatement",
        "status": status,
        "medicationCodeableConcept": codes.code(kind, row["drug"]),
        "subject": _subject(row),
        "effectivePeriod": period or None,
        "dosage": [dosage] if dosage else None,
        "reasonCode": [codes.code("finding", reason) for reason in row["for"]] if row["for"] else None,
        "extension": [{"url": RESPONSE, "valueCode": row["response"]}] if row["response"] else None,
    }


_ROUTES = {
    route: {"coding": [{"system": _URIS[system], "code": code}], "text": route} for (system, code), route in ROUTES.items()
}


def _dose(text: str | None) -> Json:
    """Return a daily dose as an amount once a day."""
    if text is None:
        return {}
    dose = parse_dose(text)
    unit = dose.unit.removesuffix("/d")
    daily = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    return {"timing": daily, "doseAndRate": [{"doseQuantity": _quantity(float(dose.amount), unit)}]}


def _judgement(codes: Codes, kind: str, row: Mapping[str, Any]) -> Json:
    return _observation(codes, kind, row, codes.code(kind, row["judgement"]), {"valueBoolean": row["answer"]})


def _consent(codes: Codes, kind: str, row: Mapping[str, Any]) -> Json:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"text": "research"},
        "category": [codes.code(kind, row["consent"])],
        "patient": _subject(row),
        "dateTime": row["date"],
        "provision": {"type": "permit" if row["given"] else "deny"},
    }


def _filled(part: Json) -> Json:
    return {key: value for key, value in part.items() if value is not None}


_RESOURCES = {
    "measurement": _measurement,
    "finding": _finding,
    "therapy": _therapy,
    "event": _event,
    "procedure": _procedure,
    "judgement": _judgement,
    "consent": _consent,
}
