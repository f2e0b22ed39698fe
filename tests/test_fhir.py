"""FHIR R4 resources become the written form, exactly; what is not used is noted, what is malformed is refused."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pyscreen import fhir
from pyscreen.errors import RecordError
from pyscreen.quantities import Scale
from pyscreen.record import Note
from pyscreen.vocabulary import Quantity, Vocabulary
from pyscreen.written import build

DATA = Path(__file__).parent / "data" / "fhir"
ONE = (Fraction(1), Fraction(0))

SCALES = {
    "platelets": Scale("cells", "10*9/L", {"10*3/uL": ONE}),
    "creatinine": Scale("creatinine", "mg/dL"),
    "egfr": Scale("egfr", "mL/min/{1.73_m2}"),
    "ana_titre": Scale("titre", "{titer}"),
    "upcr": Scale("ratio", "mg/g"),
    "nyha_class": Scale("class", "{score}", grades={n: Fraction(i) for i, n in enumerate(("I", "II", "III", "IV"), 1)}),
    "ecog": Scale("ecog", "{score}"),
    "systolic": Scale("pressure", "mm[Hg]"),
}
VOCABULARY = Vocabulary(
    quantities={name: Quantity(name, name.replace("_", " "), scale) for name, scale in SCALES.items()},
    findings={
        name: name for name in ("sle", "lupus_nephritis", "malignancy", "ana_positive", "diabetes", "schistocytes")
    },
    events={"relapse": "Relapse"},
    procedures={"hysterectomy": "Hysterectomy", "transplant": "Transplant"},
    judgements={"taper_allowed": "Taper allowed"},
    consents={"informed_consent": "Informed consent"},
    drugs={"prednisone": "Prednisone", "methotrexate": "Methotrexate", "rituximab": "Rituximab"},
    methods={"ckd_epi_2021": "CKD-EPI 2021"},
    routes=frozenset({"oral", "intravenous", "topical"}),
    codes={
        ("loinc", "777-3"): ("measurement", "platelets"),
        ("loinc", "2160-0"): ("measurement", "creatinine"),
        ("loinc", "98979-8"): ("measurement", "egfr"),
        ("loinc", "5048-4"): ("measurement", "ana_titre"),
        ("loinc", "2890-2"): ("measurement", "upcr"),
        ("loinc", "88020-3"): ("measurement", "nyha_class"),
        ("loinc", "89247-1"): ("measurement", "ecog"),
        ("loinc", "8480-6"): ("measurement", "systolic"),
        ("loinc", "42254-3"): ("finding", "ana_positive"),
        ("loinc", "800-3"): ("finding", "schistocytes"),
        ("snomed", "55464009"): ("finding", "sle"),
        ("snomed", "263855007"): ("event", "relapse"),
        ("snomed", "73211009"): ("finding", "diabetes"),
        ("snomed", "44054006*"): ("finding", "diabetes"),
        ("snomed", "236886002"): ("procedure", "hysterectomy"),
        ("icd10", "M32.14"): ("finding", "lupus_nephritis"),
        ("icd10", "M32.1*"): ("finding", "sle"),
        ("icd10", "C*"): ("finding", "malignancy"),
        ("icd10", "Z94.0*"): ("procedure", "transplant"),
        ("rxnorm", "8640"): ("therapy", "prednisone"),
        ("rxnorm", "6851"): ("therapy", "methotrexate"),
        ("atc", "L01FA01"): ("therapy", "rituximab"),
    },
    code_methods={("loinc", "98979-8"): "ckd_epi_2021"},
)

Json = dict[str, Any]

PATIENT: Json = {"resourceType": "Patient", "id": "p1", "birthDate": "1990-06-15", "gender": "female"}
SYSTEMS = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "icd10": "http://hl7.org/fhir/sid/icd-10-cm",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "own": "urn:pyscreen:judgement",
    "hl7": "http://terminology.hl7.org/CodeSystem/x",
}


def concept(*codes: str, text: str = "") -> Json:
    """A CodeableConcept of codes such as "loinc 777-3"."""
    pairs = [code.split(" ", 1) for code in codes]
    return {"coding": [{"system": SYSTEMS[system], "code": code} for system, code in pairs], "text": text}


def quantity(value: Any, unit_code: str = "", /, **more: Any) -> Json:
    return {"value": value, "system": "http://unitsofmeasure.org", "code": unit_code, **more}


def observation(code: str, /, **fields: Any) -> Json:
    base = {"resourceType": "Observation", "id": "o1", "status": "final", "subject": {"reference": "Patient/p1"}}
    return {**base, "code": concept(code), "effectiveDateTime": "2026-05-02", **fields}


def condition(code: str, /, **fields: Any) -> Json:
    base = {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}, "code": concept(code)}
    return {**base, "clinicalStatus": concept("hl7 active"), **fields}


def statement(**fields: Any) -> Json:
    base = {"resourceType": "MedicationStatement", "id": "s1", "status": "active"}
    return {**base, "medicationCodeableConcept": concept("rxnorm 8640"), **fields}


def bundle(*resources: Json, **fields: Any) -> bytes:
    entries = [{"resource": resource} for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries, **fields}).encode()


def read(*resources: Json) -> tuple[Json, list[Note]]:
    """Read a bundle of the patient and the resources; whatever is read must stand as a record."""
    written, notes = fhir.read(bundle(PATIENT, *resources), VOCABULARY, name="b.json")
    build(written, VOCABULARY, notes=notes)
    return written, notes


def noted(*resources: Json) -> list[str]:
    """The notes on resources of which no fact may come."""
    written, notes = read(*resources)
    assert set(written) <= {"record", "birth_date", "sex"}, written
    return [f"{note.kind}: {note.message}" for note in notes]


def problems(data: bytes) -> list[str]:
    with pytest.raises(RecordError) as caught:
        fhir.read(data, VOCABULARY, name="b.json")
    return [str(problem) for problem in caught.value.problems]


def only(written: Json, section: str) -> Json:
    (item,) = written[section]
    return dict(item)


# --- the whole ---


def test_a_bundle_as_hospitals_send_it() -> None:
    written, notes = fhir.read((DATA / "lupus.json").read_bytes(), VOCABULARY, name="lupus.json")
    assert written == {
        "record": "anna",
        "recorded": "2026-11-20",
        "birth_date": "1990-06-15",
        "sex": "female",
        "measurements": [
            {
                "quantity": "platelets", "value": "22.0", "unit": "10*3/uL", "date": "2026-11-18", "time": "07:30:00",
                "low": "150", "high": "400", "id": "Observation/plt",
            }
        ],
        "findings": [
            {
                "finding": "sle", "present": True, "date": "2019-05", "end": "ongoing", "stated": "2026-11-02",
                "id": "Condition/c1",
            }
        ],
        "therapies": [
            {
                "drug": "prednisone", "dose": "60", "unit": "mg", "frequency": "1/d", "route": "oral",
                "start": "2026-08-01", "end": "ongoing", "for": ["sle"], "id": "MedicationStatement/pred",
            }
        ],
    }  # fmt: skip
    assert notes == [Note("ignored", "not read: 2 Encounter")]
    record = build(written, VOCABULARY, notes=notes)
    assert record.measurements[0].low == 150


@pytest.mark.parametrize("kind", ["collection", "transaction", "searchset", "document", "batch"])
def test_every_bundle_that_may_hold_a_record(kind: str) -> None:
    assert fhir.read(bundle(PATIENT, type=kind), VOCABULARY, name="b")[0]["record"] == "p1"


@pytest.mark.parametrize("kind", ["history", "message", "batch-response", "searchsett"])
def test_other_bundles_are_refused(kind: str) -> None:
    assert f"a Bundle of type '{kind}' is no patient's record" in problems(bundle(PATIENT, type=kind))[0]


@pytest.mark.parametrize(("stamp", "day"), [("2026-11-20T00:00:00Z", "2026-11-20"), ("2026", None)])
def test_the_day_of_the_record_is_that_of_the_bundle(stamp: str, day: str | None) -> None:
    written, _ = fhir.read(bundle(PATIENT, timestamp=stamp), VOCABULARY, name="b")
    assert written.get("recorded") == day


def test_a_single_resource() -> None:
    data = json.dumps(observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"))).encode()
    written, notes = fhir.read(data, VOCABULARY, name="o.json")
    assert (written["record"], only(written, "measurements")["value"]) == ("p1", "22")
    assert notes == [Note("ignored", "the file has no Patient: birth date and sex are not known")]


def test_ndjson_with_a_bundle_in_it_and_a_byte_order_mark() -> None:
    lines = [json.dumps(PATIENT).encode(), b"", bundle(condition("snomed 55464009"))]
    written, _ = fhir.read(b"\xef\xbb\xbf" + b"\r\n".join(lines), VOCABULARY, name="b.ndjson")
    assert only(written, "findings")["id"] == "Condition/c1"


def test_a_bundle_in_a_bundle() -> None:
    inner = json.loads(bundle(condition("snomed 55464009")))
    assert only(read(inner)[0], "findings")["finding"] == "sle"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"resourceType": "Patient"}', True),
        (b'\xef\xbb\xbf \n{\n  "id": "x",\n  "resourceType" : "Bundle"}', True),
        (b'<Bundle xmlns="http://hl7.org/fhir">', True),
        (b"record: p1\n", False),
        (b'{"record": "p1"}', False),
        (b"", False),
    ],
)
def test_fhir_is_told_from_the_written_form(data: bytes, expected: bool) -> None:
    assert fhir.looks_like_fhir(data) is expected


# --- whose record ---


def test_two_patients_are_named_and_one_can_be_chosen() -> None:
    other = {**PATIENT, "id": "p2"}
    seen = observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"))
    data = bundle(PATIENT, other, seen, {**seen, "id": "o2", "subject": {"reference": "Patient/p2"}})
    assert fhir.patients(data) == ["p1", "p2"]
    assert problems(data) == ["b.json: one patient at a time, but the file holds 2: p1, p2"]
    written, notes = fhir.read(data, VOCABULARY, name="b", patient="p2")
    assert (written["record"], only(written, "measurements")["id"]) == ("p2", "Observation/o2")
    assert notes == [Note("ignored", "Observation of another patient (Patient/p1)", "Observation/o1")]
    with pytest.raises(RecordError, match=r"no patient 'p3'; the file holds p1, p2"):
        fhir.read(data, VOCABULARY, name="b", patient="p3")


def test_two_subjects_without_a_patient_are_not_mixed() -> None:
    seen = observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"))
    data = bundle(seen, {**seen, "id": "o2", "subject": {"reference": "Patient/p2"}})
    assert problems(data) == ["b.json: one patient at a time, but the file holds 2: p1, p2"]


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "http://host/fhir/Patient/p1",
        "Patient/p1/_history/3",
        "urn:uuid:p1",
        "urn:uuid:abc",
        "Patient?identifier=urn:x|7",
    ],
)
def test_ways_to_name_the_patient(reference: str) -> None:
    seen = observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"), subject={"reference": reference})
    patient = {**PATIENT, "identifier": [{"system": "urn:x", "value": "7"}]}
    entries = [{"fullUrl": "urn:uuid:abc", "resource": patient}, {"resource": seen}]
    written, notes = fhir.read(bundle(entry=entries), VOCABULARY, name="b")
    assert only(written, "measurements")["id"] == "Observation/o1"
    assert not notes


@pytest.mark.parametrize("reference", ["Patient/p2", "urn:uuid:other", "Group/p1", "#p1", "Patient?identifier=urn:x|8"])
def test_another_patients_resources_are_not_used(reference: str) -> None:
    seen = observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"), subject={"reference": reference})
    assert noted(seen) == [f"ignored: Observation of another patient ({reference})"]


def test_what_is_said_of_a_fetus_or_changed_by_an_extension_is_not_used() -> None:
    value = quantity(22, "10*9/L")
    focus = observation("loinc 777-3", valueQuantity=value, focus=[{"reference": "BodyStructure/fetus"}])
    changed = condition("snomed 55464009", modifierExtension=[{"url": "urn:x:family-history", "valueBoolean": True}])
    assert noted(focus, changed) == [
        "ignored: (loinc 777-3): said of something else than the patient",
        "ignored: Condition whose meaning an unknown extension changes",
    ]


@pytest.mark.parametrize(
    ("fields", "expected", "notes"),
    [
        ({"birthDate": "1990"}, {"birth_date": "1990"}, []),
        ({"gender": "male"}, {"sex": "male"}, []),
        ({"gender": "other"}, {}, ["gender 'other': the sex is not known"]),
        ({"gender": "unknown"}, {}, ["gender 'unknown': the sex is not known"]),
        ({"deceasedDateTime": "2026-01-03T10:00:00Z"}, {"died": "2026-01-03"}, []),
        ({"deceasedBoolean": True}, {}, ["the patient is recorded as dead; the date is not known"]),
        ({"deceasedBoolean": False}, {}, []),
    ],
)
def test_the_patient(fields: Json, expected: Json, notes: list[str]) -> None:
    written, found = fhir.read(bundle({"resourceType": "Patient", "id": "x", **fields}), VOCABULARY, name="b")
    assert written == {"record": "x", **expected}
    assert [note.message for note in found] == notes


# --- observations: measurements ---

PLATELETS = {"quantity": "platelets", "date": "2026-05-02", "id": "Observation/o1"}


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        ("777-3", {"valueQuantity": quantity(22, "10*9/L")}, ("22", "10*9/L")),
        ("777-3", {"valueQuantity": quantity(22, "10*9/L", comparator="<")}, ("<22", "10*9/L")),
        ("777-3", {"valueQuantity": quantity(22, "10*9/L", comparator=">=")}, (">=22", "10*9/L")),
        ("777-3", {"valueQuantity": {"value": 22, "unit": "10*9/L"}}, ("22", "10*9/L")),
        ("777-3", {"valueQuantity": quantity(22, "10*9/L", unit="x10E9 per litre")}, ("22", "10*9/L")),
        ("5048-4", {"valueInteger": 80}, ("80", None)),
        ("5048-4", {"valueString": "1:80"}, ("1:80", None)),
        ("5048-4", {"valueString": " <1:80 "}, ("<1:80", None)),
        ("5048-4", {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 80}}}, ("1:80", None)),
        ("5048-4", {"valueRatio": {"numerator": quantity(1, "1"), "denominator": quantity(80, "1")}}, ("1:80", None)),
        ("2890-2", {"valueRatio": {"numerator": quantity(30, "mg"), "denominator": quantity(1, "g")}}, ("30", "mg/g")),
        ("88020-3", {"valueCodeableConcept": concept("snomed 420913000")}, ("III", None)),
        ("88020-3", {"valueCodeableConcept": concept(text="NYHA class III (marked limitation)")}, ("III", None)),
        ("88020-3", {"valueString": "III"}, ("III", None)),
        ("89247-1", {"valueCodeableConcept": concept("loinc LA9624-3")}, ("2", None)),
    ],
)
def test_values(code: str, value: Json, expected: tuple[str, str | None]) -> None:
    written, notes = read(observation(f"loinc {code}", **value))
    item = only(written, "measurements")
    assert (item["value"], item.get("unit")) == expected
    assert not notes


@pytest.mark.parametrize("text", ["8.0", "8.00", "0.1", "1e2", "12345678.123456789", "-0"])
def test_numbers_are_exactly_those_written(text: str) -> None:
    data = bundle(PATIENT, observation("loinc 2160-0", valueQuantity=quantity(0, "mg/dL")))
    written, _ = fhir.read(data.replace(b'"value": 0', f'"value": {text}'.encode()), VOCABULARY, name="b")
    item = only(written, "measurements")
    assert Fraction(item["value"]) == Fraction(text)
    assert "e" not in item["value"].lower()


@pytest.mark.parametrize(
    ("code", "value", "reason"),
    [
        ("777-3", {"valueQuantity": {"unit": "10*9/L"}}, "the value (None 10*9/L) cannot be read"),
        ("777-3", {"valueQuantity": quantity(22, "10*9/L", comparator="ad")}, "the value (ad22 10*9/L) cannot be read"),
        ("777-3", {"valueQuantity": quantity(22, "mg/dL")}, "22 mg/dL: unit 'mg/dL' is not accepted on scale cells"),
        ("777-3", {"valueQuantity": quantity(22)}, "22 : a number on scale cells needs a unit"),
        ("777-3", {"valueString": "clumped"}, "the value (clumped) cannot be read as measurement platelets"),
        ("777-3", {"valueDateTime": "2026"}, "the value (of another kind) cannot be read"),
        ("777-3", {}, "the value (missing) cannot be read"),
        ("5048-4", {"valueString": "negative"}, "the value (negative) cannot be read as measurement ana_titre"),
        ("5048-4", {"valueCodeableConcept": concept("snomed 260385009")}, "cannot be read as measurement ana_titre"),
        ("5048-4", {"valueRatio": {"numerator": {"value": 2}, "denominator": {"value": 80}}}, "cannot be read"),
        ("88020-3", {"valueCodeableConcept": concept(text="NYHA II-III")}, "cannot be read as measurement nyha_class"),
        ("777-3", {"valueQuantity": quantity(-22, "10*9/L")}, "'-22 10*9/L' is impossible; expected 0 10*9/L or more"),
        ("777-3", {"valueQuantity": quantity(0, "10*9/L", comparator="<")}, "'<0 10*9/L' is impossible"),
        ("777-3", {"valueQuantity": quantity(-1, "10*9/L", comparator=">=")}, "'>=-1 10*9/L' is impossible"),
        ("777-3", {"valueString": "1:30"}, "1:30 : '1:30' is a titre, and the quantity is none"),
        ("777-3", {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 30}}}, "'1:30' is a titre"),
        ("5048-4", {"valueInteger": -80}, "'-80' is impossible; expected 0 or more"),
    ],
)
def test_values_that_cannot_be_read_are_listed_and_stand_as_unknown(code: str, value: Json, reason: str) -> None:
    """Else an older value would pass for the latest; without any value nothing was measured."""
    written, (note,) = read(observation(f"loinc {code}", **value))
    assert note.message.startswith(f"(loinc {code}): ")
    assert note.kind == "unmapped"
    assert reason in note.message
    assert [item["value"] for item in written.get("measurements", [])] == (["unknown"] if value else [])


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"effectiveDateTime": "2026"}, {"date": "2026"}),
        ({"effectiveDateTime": "2026-05"}, {"date": "2026-05"}),
        ({"effectiveDateTime": "2026-05-02T23:30:00-05:00"}, {"date": "2026-05-02", "time": "23:30:00"}),
        ({"effectivePeriod": {"start": "2026-05-01", "end": "2026-05-02"}}, {"date": "2026-05-02"}),
        ({"effectivePeriod": {"start": "2026-05-01"}}, {"date": "2026-05-01"}),
        ({"effectiveInstant": "2026-05-02T08:00:00.123Z"}, {"date": "2026-05-02", "time": "08:00:00"}),
        ({}, {}),
    ],
)
def test_dates_keep_their_precision(when: Json, expected: Json) -> None:
    seen = observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"))
    del seen["effectiveDateTime"]
    item = only(read({**seen, **when})[0], "measurements")
    assert {key: item[key] for key in ("date", "time") if key in item} == expected


def test_the_date_of_issue_stands_in_with_a_note() -> None:
    seen = observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"), issued="2026-05-03T10:00:00Z")
    del seen["effectiveDateTime"]
    written, (note,) = read(seen)
    assert only(written, "measurements")["date"] == "2026-05-03"
    assert "the date of issue stands in" in note.message


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([{"low": quantity(150, "10*9/L"), "high": quantity(400, "10*9/L")}], {"low": "150", "high": "400"}),
        ([{"low": {"value": 150}}], {"low": "150"}),
        ([{"low": quantity(150, "10*3/uL")}], {}),
        ([{"high": quantity(400, "10*9/L"), "type": concept("hl7 therapeutic")}], {}),
        ([{"high": quantity(400, "10*9/L"), "type": concept("hl7 normal")}], {"high": "400"}),
        ([{"low": {"value": 150}}, {"low": {"value": 140}}], {}),
        ([{"low": {"value": 150}, "appliesTo": [concept("hl7 child")]}, {"low": {"value": 140}}], {"low": "140"}),
        ([{"text": "150-400"}], {}),
        ([{"low": {"value": -150}, "high": {"value": 400}}], {"high": "400"}),
    ],
)
def test_reference_ranges(ranges: list[Json], expected: Json) -> None:
    seen = observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"), referenceRange=ranges)
    item = only(read(seen)[0], "measurements")
    assert {key: item[key] for key in ("low", "high") if key in item} == expected


def test_a_code_that_says_how_it_was_measured() -> None:
    seen = observation("loinc 98979-8", valueQuantity=quantity(55, "mL/min/{1.73_m2}"))
    assert only(read(seen)[0], "measurements")["method"] == "ckd_epi_2021"


def test_every_coding_is_tried() -> None:
    seen = observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"))
    seen["code"] = concept("hl7 PLT", "loinc 99999-9", "loinc 777-3")
    assert only(read(seen)[0], "measurements")["quantity"] == "platelets"


def test_a_value_is_read_in_the_sense_that_fits_it() -> None:
    seen = observation("loinc 5048-4", valueCodeableConcept=concept("snomed 260385009"))
    seen["code"] = concept("loinc 5048-4", "loinc 42254-3")
    assert only(read(seen)[0], "findings")["present"] is False


def test_components_are_mapped_by_their_own_codes() -> None:
    parts = [
        {"code": concept("loinc 8480-6"), "valueQuantity": quantity(120, "mm[Hg]")},
        {"code": concept("loinc 8462-4"), "valueQuantity": quantity(80, "mm[Hg]")},
        {"code": concept("loinc 777-3"), "dataAbsentReason": concept("hl7 error")},
    ]
    written, notes = read(observation("loinc 85354-9", component=parts))
    assert only(written, "measurements") == {
        "quantity": "systolic", "value": "120", "unit": "mm[Hg]", "date": "2026-05-02",
        "id": "Observation/o1.component[0]",
    }  # fmt: skip
    assert [(note.kind, note.message, note.id) for note in notes] == [
        ("unmapped", "(loinc 8462-4)", "Observation/o1.component[1]"),
        ("ignored", "(loinc 777-3): no value (error)", "Observation/o1.component[2]"),
    ]


@pytest.mark.parametrize("status", ["registered", "preliminary", "cancelled", "entered-in-error", "unknown", ""])
def test_results_that_are_not_final_are_not_facts(status: str) -> None:
    seen = observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"), status=status)
    assert noted(seen) == [f"ignored: (loinc 777-3): status {status or 'not given'}"]


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_results_that_are_final(status: str) -> None:
    assert read(observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"), status=status))[0]["measurements"]


# --- observations: findings ---

POSITIVE: list[Json] = [
    {"valueCodeableConcept": concept(code)}
    for code in ("snomed 10828004", "snomed 52101004", "snomed 260373001", "loinc LA6576-8", "loinc LA33-6")
]
POSITIVE += [{"valueCodeableConcept": concept(text=text)} for text in ("Positive", "Present (qualifier value)", "yes")]
POSITIVE += [
    {"valueBoolean": True},
    {"valueString": "DETECTED"},
    {"interpretation": [concept("hl7 POS")]},
    {"valueQuantity": quantity(33, "[arb'U]/mL"), "interpretation": [concept("hl7 H"), concept("hl7 POS")]},
]
NEGATIVE: list[Json] = [
    {"valueCodeableConcept": concept(code)}
    for code in ("snomed 260385009", "snomed 2667000", "snomed 260415000", "loinc LA6577-6", "loinc LA32-8")
]
NEGATIVE += [{"valueCodeableConcept": concept(text=text)} for text in ("Negative", "Not detected", "absent")]
NEGATIVE += [{"valueBoolean": False}, {"valueString": "none seen"}, {"interpretation": [concept("hl7 NEG")]}]
UNREAD: list[Json] = [
    {"valueString": "equivocal"},
    {"valueCodeableConcept": concept("snomed 42425007")},
    {"valueQuantity": quantity(33, "[arb'U]/mL")},
    {"interpretation": [concept("hl7 IND")]},
]


@pytest.mark.parametrize(("value", "so"), [*((v, True) for v in POSITIVE), *((v, False) for v in NEGATIVE)])
def test_presence(value: Json, so: bool) -> None:
    written, notes = read(observation("loinc 800-3", **value))
    assert only(written, "findings") == {
        "finding": "schistocytes", "present": so, "date": "2026-05-02", "stated": "2026-05-02", "id": "Observation/o1",
    }  # fmt: skip
    assert not notes


@pytest.mark.parametrize("value", UNREAD)
def test_neither_present_nor_absent(value: Json) -> None:
    (note,) = noted(observation("loinc 800-3", **value))
    assert "cannot be read as finding schistocytes" in note


def test_value_and_interpretation_that_disagree_are_a_conflict() -> None:
    seen = observation("loinc 800-3", valueString="negative", interpretation=[concept("hl7 POS")])
    assert noted(seen) == ["conflict: schistocytes: value and interpretation disagree"]


def test_judgements_and_events_can_be_observed() -> None:
    judged = observation("own taper_allowed", valueBoolean=True, performer=[{"display": "Dr Li"}])
    written, _ = read(judged, observation("snomed 263855007", id="o2", valueBoolean=True))
    assert only(written, "judgements") == {
        "judgement": "taper_allowed", "answer": True, "date": "2026-05-02", "by": "Dr Li", "id": "Observation/o1",
    }  # fmt: skip
    assert only(written, "events") == {
        "event": "relapse",
        "happened": True,
        "date": "2026-05-02",
        "id": "Observation/o2",
    }


def test_an_own_name_that_the_vocabulary_lacks_is_unmapped() -> None:
    assert noted(observation("own taper", valueBoolean=True)) == ["unmapped: (urn:pyscreen:judgement taper)"]


# --- conditions ---


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"onsetDateTime": "2019-05"}, {"date": "2019-05", "end": "ongoing"}),
        ({"clinicalStatus": concept("hl7 relapse")}, {"end": "ongoing"}),
        ({"clinicalStatus": concept("hl7 recurrence")}, {"end": "ongoing"}),
        ({"clinicalStatus": concept("hl7 remission")}, {}),
        ({"clinicalStatus": concept("hl7 inactive")}, {}),
        ({"clinicalStatus": concept("hl7 resolved"), "abatementDateTime": "2024"}, {"end": "2024"}),
        ({"abatementDateTime": "2024"}, {"end": "2024"}),
        ({"clinicalStatus": concept()}, {}),
        ({"recordedDate": "2020-01-02"}, {"stated": "2020-01-02", "end": "ongoing"}),
        ({"verificationStatus": concept("hl7 confirmed")}, {"end": "ongoing"}),
        ({"onsetPeriod": {"start": "2019-03-02", "end": "2019-03-20"}}, {"date": "2019-03", "end": "ongoing"}),
        ({"onsetPeriod": {"start": "2019-03-02"}}, {"date": "2019-03-02", "end": "ongoing"}),
        (
            {"verificationStatus": concept("hl7 refuted"), "recordedDate": "2020-01-02"},
            {"present": False, "date": "2020-01-02", "stated": "2020-01-02"},
        ),
    ],
)
def test_conditions(fields: Json, expected: Json) -> None:
    written, notes = read(condition("snomed 55464009", **fields))
    item = only(written, "findings")
    assert item == {"finding": "sle", "present": True, "id": "Condition/c1", **expected}
    assert not notes


@pytest.mark.parametrize("status", ["unconfirmed", "provisional", "differential", "entered-in-error"])
def test_conditions_that_are_not_sure_are_not_facts(status: str) -> None:
    sure = condition("snomed 55464009", verificationStatus=concept(f"hl7 {status}"))
    assert noted(sure) == [f"ignored: (snomed 55464009): {status}"]


@pytest.mark.parametrize(
    ("born", "age", "expected"),
    [
        ("1990-01-01", quantity(30, "a"), "2020"),
        ("1990-06-15", quantity(30, "a"), "between 2020-06-15 and 2021-06-14"),
        ("1990-06-15", quantity(6, "mo"), "cannot be computed"),
    ],
)
def test_onset_at_an_age(born: str, age: Json, expected: str) -> None:
    data = bundle({**PATIENT, "birthDate": born}, condition("snomed 55464009", onsetAge=age))
    written, notes = fhir.read(data, VOCABULARY, name="b")
    date = only(written, "findings").get("date")
    assert date == expected or (date is None and expected in notes[0].message)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("icd10 M32.14", ["lupus_nephritis", "sle"]),
        ("icd10 M3214", ["lupus_nephritis", "sle"]),
        ("icd10 m32.19", ["sle"]),
        ("icd10 C50.911", ["malignancy"]),
        ("snomed 44054006", ["diabetes"]),
        ("snomed 440540061", []),
        ("icd10 M32", []),
        ("icd10 M32.141", ["sle"]),
    ],
)
def test_codes_and_patterns(code: str, found: list[str]) -> None:
    written, notes = read(condition(code))
    assert [item["finding"] for item in written.get("findings", [])] == found
    assert bool(notes) is not bool(found)


def test_a_kind_that_is_refuted_says_nothing_of_the_others() -> None:
    refuted = {"verificationStatus": concept("hl7 refuted")}
    assert noted(condition("icd10 C50.9", **refuted)) == [
        "ignored: one kind of malignancy is absent, which says nothing of the others"
    ]
    assert only(read(condition("snomed 73211009", **refuted))[0], "findings")["present"] is False
    assert "findings" not in read(condition("snomed 44054006", **refuted))[0]


def test_a_state_after_a_procedure_does_not_date_it() -> None:
    written, _ = read(condition("icd10 Z94.0", onsetDateTime="2020-01-01"))
    assert only(written, "procedures") == {"procedure": "transplant", "done": True, "id": "Condition/c1"}


# --- procedures and consents ---


def procedure(status: str, code: str = "snomed 236886002", **fields: Any) -> Json:
    return {"resourceType": "Procedure", "id": "x1", "status": status, "code": concept(code), **fields}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (procedure("completed", performedDateTime="2018-03"), {"done": True, "date": "2018-03"}),
        (procedure("completed", performedPeriod={"start": "2018-03-01", "end": "2018-03-02"}), {"date": "2018-03-01"}),
        (procedure("completed", performedPeriod={"end": "2018-03-02"}), {"date": "2018-03-02"}),
        (procedure("not-done"), {"done": False}),
        (procedure("preparation", performedDateTime="2027-01"), {"planned": True, "date": "2027-01"}),
    ],
)
def test_procedures(resource: Json, expected: Json) -> None:
    item = only(read(resource)[0], "procedures")
    assert item == {"procedure": "hysterectomy", "done": True, "id": "Procedure/x1", **expected}


@pytest.mark.parametrize("status", ["in-progress", "on-hold", "stopped", "entered-in-error", "unknown", ""])
def test_procedures_that_were_not_completed_are_not_facts(status: str) -> None:
    assert noted(procedure(status)) == [f"ignored: (snomed 236886002): status {status or 'not given'}"]


def test_a_procedure_code_may_stand_for_an_event_or_finding() -> None:
    written, notes = read(
        procedure("completed", "snomed 263855007", performedDateTime="2026-01-02"),
        procedure("preparation", "snomed 55464009", id="x2"),
    )
    assert only(written, "events")["date"] == "2026-01-02"
    assert [note.message for note in notes] == ["(snomed 55464009): planned, which a finding cannot be"]


def consent(status: str, **fields: Any) -> Json:
    category = {"coding": [{"system": "urn:pyscreen:consent", "code": "informed_consent"}]}
    return {"resourceType": "Consent", "id": "k1", "status": status, "category": [category], **fields}


@pytest.mark.parametrize(
    ("resource", "given"),
    [
        (consent("active", provision={"type": "permit"}), True),
        (consent("active", provision={"type": "deny"}), False),
        (consent("rejected"), False),
        (consent("active"), None),
        (consent("active", provision={"type": "permit", "provision": [{"type": "deny"}]}), None),
        (consent("proposed", provision={"type": "permit"}), None),
        (consent("active", category=[concept("hl7 research")], provision={"type": "permit"}), None),
    ],
)
def test_consents(resource: Json, given: bool | None) -> None:
    resource |= {"dateTime": "2026-04-01", "performer": [{"display": "Anna"}], "patient": {"reference": "Patient/p1"}}
    written, notes = read(resource)
    expected = {"consent": "informed_consent", "given": given, "date": "2026-04-01", "by": "Anna", "id": "Consent/k1"}
    assert written.get("consents", []) == ([] if given is None else [expected])
    assert bool(notes) is (given is None)


# --- medication ---


def request(**fields: Any) -> Json:
    base = {"resourceType": "MedicationRequest", "id": "r1", "status": "active", "intent": "order"}
    return {**base, "medicationCodeableConcept": concept("rxnorm 8640"), **fields}


def administration(**fields: Any) -> Json:
    base = {"resourceType": "MedicationAdministration", "id": "a1", "status": "completed"}
    return {**base, "medicationCodeableConcept": concept("rxnorm 8640"), **fields}


PERIOD = {"start": "2026-01-02", "end": "2026-03"}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (statement(), {"end": "ongoing"}),
        (statement(effectivePeriod=PERIOD), {"start": "2026-01-02", "end": "2026-03"}),
        (statement(effectiveDateTime="2026-01"), {"start": "2026-01", "end": "ongoing"}),
        (statement(status="completed", effectivePeriod=PERIOD), {"start": "2026-01-02", "end": "2026-03"}),
        (statement(status="stopped", effectiveDateTime="2026-01"), {"start": "2026-01"}),
        (statement(status="on-hold"), {}),
        (statement(status="intended"), {"planned": True}),
        (statement(status="not-taken"), {"taken": False}),
        (request(authoredOn="2026-01-02"), {"start": "2026-01-02", "end": "ongoing"}),
        (request(authoredOn="2026-01-02", status="stopped"), {"start": "2026-01-02"}),
        (request(authoredOn="2026-01-01", dispenseRequest={"validityPeriod": PERIOD}), dict(PERIOD)),
        (request(intent="proposal"), {"planned": True}),
        (request(intent="plan"), {"planned": True}),
        (request(intent="plan", reportedBoolean=True), {"end": "ongoing"}),
        (administration(effectiveDateTime="2026-01-02T10:00:00Z"), {"start": "2026-01-02", "end": "2026-01-02"}),
        (administration(effectivePeriod=PERIOD), {"start": "2026-01-02", "end": "2026-03"}),
        (
            administration(status="in-progress", effectivePeriod={"start": "2026-01"}),
            {"start": "2026-01", "end": "ongoing"},
        ),
    ],
)
def test_courses(resource: Json, expected: Json) -> None:
    written, notes = read(resource)
    item = only(written, "therapies")
    assert item == {"drug": "prednisone", "id": f"{resource['resourceType']}/{resource['id']}", **expected}
    assert not notes


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        *((statement(status=status), f"status {status}") for status in ("entered-in-error", "unknown")),
        *((request(status=status), f"status {status}") for status in ("cancelled", "draft", "entered-in-error")),
        *((administration(status=status), f"status {status}") for status in ("not-done", "entered-in-error")),
        (statement(status=""), "status not given"),
        (request(doNotPerform=True), "not to be given"),
        (statement(status="not-taken", effectiveDateTime="2020"), "not taken at that time"),
    ],
)
def test_drugs_that_were_not_given_are_not_facts(resource: Json, reason: str) -> None:
    (note,) = noted(resource)
    assert note.startswith("ignored: ")
    assert reason in note


def dosage(amount: Json | None = None, repeat: Json | None = None, **fields: Any) -> Json:
    rate = {"doseAndRate": [{"doseQuantity": amount}]} if amount else {}
    return {**rate, **({"timing": {"repeat": repeat}} if repeat else {}), **fields}


def every(period: Any, unit: str, frequency: int = 1) -> Json:
    return {"frequency": frequency, "period": period, "periodUnit": unit}


def timing(code: str) -> Json:
    return {"timing": {"code": concept(f"hl7 {code}")}}


@pytest.mark.parametrize(
    ("instruction", "daily"),
    [
        (dosage(quantity(60, "mg"), every(1, "d")), "60 mg/d"),
        (dosage(quantity(7.5, "mg"), every(1, "d", 2)), "15 mg/d"),
        (dosage(quantity(15, "mg"), every(1, "wk")), "15/7 mg/d"),
        (dosage(quantity(1, "g"), every(2, "wk")), "500/7 mg/d"),
        (dosage(quantity(500, "ug"), every(8, "h")), "3/2 mg/d"),
        (dosage(quantity(1, "mg/kg"), every(1, "d")), "1 mg/kg/d"),
        (dosage(quantity(10, "mg"), **timing("QD")), "10 mg/d"),
        (dosage(quantity(10, "mg"), **timing("BID")), "20 mg/d"),
        (dosage(quantity(10, "mg"), **timing("TID")), "30 mg/d"),
        (dosage(quantity(10, "mg"), **timing("QID")), "40 mg/d"),
        (dosage(quantity(10, "mg"), **timing("QOD")), "5 mg/d"),
        (dosage(quantity(14, "mg"), **timing("QW")), "2 mg/d"),
        ({"doseAndRate": [{"rateQuantity": quantity(1, "mg/kg/d")}]}, "1 mg/kg/d"),
        ({"doseAndRate": [{"rateQuantity": quantity(40, "mg/d")}]}, "40 mg/d"),
    ],
)
def test_doses(instruction: Json, daily: str) -> None:
    written, notes = read(statement(dosage=[instruction]))
    (therapy,) = build(written, VOCABULARY).therapies
    assert therapy.dose
    assert f"{therapy.dose.amount} {therapy.dose.unit}" == daily
    assert not notes


@pytest.mark.parametrize(
    ("instruction", "reason"),
    [
        (dosage(quantity(60, "mg"), every(1, "d"), asNeededBoolean=True), "taken as needed"),
        (dosage(quantity(60, "mg"), asNeededCodeableConcept=concept(text="pain")), "taken as needed"),
        (dosage(quantity(60, "mg")), "how often is not said"),
        (dosage(quantity(60, "mg"), every(1, "mo")), "how often is not said"),
        (dosage(quantity(60, "mg"), {**every(1, "d"), "frequencyMax": 2}), "how often is not said"),
        (dosage(quantity(60, "mg"), {**every(1, "wk"), "dayOfWeek": ["mon", "wed"]}), "how often is not said"),
        (dosage({"value": 2, "unit": "tablet"}, every(1, "d")), "2 tablet"),
        (dosage(quantity(60, "mg", comparator="<"), every(1, "d")), "no single amount"),
        ({"doseAndRate": [{"doseRange": {"low": quantity(10, "mg")}}]}, "no single amount"),
        ({"text": "as directed"}, "said in words: as directed"),
    ],
)
def test_doses_that_are_not_known(instruction: Json, reason: str) -> None:
    written, (note,) = read(statement(dosage=[instruction]))
    assert "dose" not in only(written, "therapies")
    assert note.message.startswith("the dose is not known: ")
    assert reason in note.message


def test_a_taper_is_a_course_for_every_dose() -> None:
    steps = [
        dosage(quantity(40, "mg"), {**every(1, "d"), "boundsPeriod": {"start": "2026-01-01", "end": "2026-01-14"}}),
        dosage(quantity(20, "mg"), {**every(1, "d"), "boundsPeriod": {"start": "2026-01-15"}}),
    ]
    written, notes = read(request(authoredOn="2026-01-01", dosageInstruction=steps))
    assert [(item["dose"], item["start"], item["end"]) for item in written["therapies"]] == [
        ("40", "2026-01-01", "2026-01-14"),
        ("20", "2026-01-15", "ongoing"),
    ]
    assert not notes


def test_several_dosages_at_once_have_no_known_dose() -> None:
    steps = [dosage(quantity(40, "mg"), every(1, "d")), dosage(quantity(20, "mg"), every(1, "d"))]
    written, (note,) = read(request(dosageInstruction=steps))
    assert "dose" not in only(written, "therapies")
    assert "several dosages" in note.message


@pytest.mark.parametrize(
    ("bound", "end"),
    [
        ({"boundsDuration": quantity(14, "d")}, "2026-01-14"),
        ({"boundsDuration": quantity(2, "wk")}, "2026-01-14"),
        ({"boundsDuration": quantity(2, "mo")}, None),
        ({"boundsRange": {"high": quantity(3, "d")}}, None),
        ({"count": 3}, None),
    ],
)
def test_a_course_for_so_long_is_not_ongoing(bound: Json, end: str | None) -> None:
    step = dosage(quantity(40, "mg"), {**every(1, "d"), **bound})
    written, _ = read(request(authoredOn="2026-01-01", dosageInstruction=[step]))
    assert only(written, "therapies").get("end") == end


@pytest.mark.parametrize(
    ("given", "dose"),
    [
        ({"dose": quantity(1000, "mg")}, ("1000", "mg", "1/d")),
        ({"dose": quantity(250, "mL")}, None),
        ({"rateQuantity": quantity(10, "mg/h")}, None),
    ],
)
def test_what_is_given_on_one_day(given: Json, dose: tuple[str, str, str] | None) -> None:
    written, _ = read(administration(effectiveDateTime="2026-01-02", dosage=given))
    item = only(written, "therapies")
    assert (item["start"], item["end"]) == ("2026-01-02", "2026-01-02")
    assert tuple(item[key] for key in ("dose", "unit", "frequency") if key in item) == (dose or ())


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (concept("snomed 26643006"), "oral"),
        (concept("snomed 47625008"), "intravenous"),
        (concept(text="PO"), "oral"),
        (concept(text="Intravenous route (qualifier value)"), "intravenous"),
        (concept("snomed 6064005"), "topical"),
        (concept(text="via nasogastric tube"), None),
        (concept("snomed 78421000"), None),
    ],
)
def test_routes(route: Json, expected: str | None) -> None:
    written, notes = read(statement(dosage=[{"route": route}]))
    assert only(written, "therapies").get("route") == expected
    assert [note.kind for note in notes] == ([] if expected else ["unmapped"])


MEDICATION: Json = {"resourceType": "Medication", "id": "m1", "code": concept("rxnorm 6851")}


@pytest.mark.parametrize(
    "fields",
    [
        {"medicationReference": {"reference": "#m1"}, "contained": [{"resourceType": "Organization"}, MEDICATION]},
        {"medicationReference": {"reference": "Medication/m1"}},
        {"medicationReference": {"reference": "https://host/fhir/Medication/m1/_history/2"}},
        {"medicationReference": {"reference": "urn:uuid:0001"}},
    ],
)
def test_a_drug_that_is_referred_to(fields: Json) -> None:
    taken = statement(**fields)
    del taken["medicationCodeableConcept"]
    entries: list[Json] = [{"resource": PATIENT}, {"resource": taken}]
    if "contained" not in fields:
        entries.append({"fullUrl": "urn:uuid:0001", "resource": MEDICATION})
    written, notes = fhir.read(bundle(entry=entries), VOCABULARY, name="b")
    assert only(written, "therapies")["drug"] == "methotrexate"
    assert not notes


def test_a_drug_that_is_referred_to_but_not_there() -> None:
    taken = statement(medicationReference={"reference": "Medication/m9"})
    del taken["medicationCodeableConcept"]
    assert noted(taken) == ["unmapped: Medication/m9, which is not in the file"]


def test_what_a_drug_was_given_for() -> None:
    reasons = [concept("icd10 M32.14"), concept(text="rash")]
    written, (note,) = read(statement(reasonCode=reasons))
    assert only(written, "therapies")["for"] == ["lupus_nephritis", "sle"]
    assert (note.kind, note.message) == ("unmapped", "reason for a drug: rash")


def test_an_unmapped_product_is_listed_with_the_drug_that_it_may_be() -> None:
    product = {"coding": [{"system": SYSTEMS["rxnorm"], "code": "312617", "display": "predniSONE 5 MG Oral Tablet"}]}
    _, (note,) = read(statement(medicationCodeableConcept=product))
    expected = "predniSONE 5 MG Oral Tablet (rxnorm 312617) (perhaps Prednisone; its code is not in the vocabulary)"
    assert note == Note("unmapped", expected, "MedicationStatement/s1")


# --- what is not used, and what is wrong ---


def test_what_is_unmapped_is_listed_once_and_counted() -> None:
    width = {"coding": [{"system": SYSTEMS["loinc"], "code": "32207-3", "display": "platelet distribution width"}]}
    seen = [observation("loinc 0-0", id=f"o{n}", code=width, valueQuantity=quantity(n, "fL")) for n in range(12)]
    _, notes = read(*seen, condition("hl7 x", code={"text": "tired"}))
    assert notes == [
        Note("unmapped", "platelet distribution width (loinc 32207-3), 12 times", "Observation/o0"),
        Note("unmapped", "tired", "Condition/c1"),
    ]


def test_a_resource_that_stands_twice_is_read_once_as_last_updated() -> None:
    old = observation("loinc 777-3", valueQuantity=quantity(22, "10*9/L"), meta={"lastUpdated": "2026-05-02T00:00:00Z"})
    new = {**old, "valueQuantity": quantity(23, "10*9/L"), "meta": {"lastUpdated": "2026-05-03T00:00:00Z"}}
    written, notes = read(new, old, new)
    assert only(written, "measurements")["value"] == "23"
    assert "stands in the file with different contents" in notes[0].message


def test_a_page_and_a_deletion_are_noted() -> None:
    entries = [{"resource": PATIENT}, {"request": {"method": "DELETE"}, "resource": condition("snomed 55464009")}]
    data = bundle(entry=entries, type="searchset", link=[{"relation": "next", "url": "http://host/next"}])
    written, notes = fhir.read(data, VOCABULARY, name="b")
    assert "findings" not in written
    assert [note.message for note in notes] == [
        "the Bundle is one page of several (link 'next'); the others are not in the file",
        "entry[1] deletes a resource; not read",
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"resourceType": "Bundle",\n "entry": [}', "b.json:2: JSON is malformed"),
        (b'{"resourceType": "Bundle"', "b.json: Input data was truncated"),
        (b"[]", "b.json: Expected `object`, got `array`"),
        (b"", "b.json: Input data was truncated"),
        (b"\xff{", "b.json:1: JSON is malformed"),
        (b'{"id": "x"}', "b.json: this is no FHIR resource: it has no resourceType"),
        (b'{"resourceType": "Observaton"}', "found Observaton (did you mean 'Observation'?)"),
        (b'{"resourceType": "Patient"}\n{"resourceType": 1}', "b.json:2 resourceType: Expected `str`, got `int`"),
        (b'<Bundle xmlns="http://hl7.org/fhir"/>', "FHIR is read as JSON, not as XML"),
        (b"[" * 100_000, "b.json"),
    ],
)
def test_what_is_no_fhir(data: bytes, expected: str) -> None:
    assert expected in problems(data)[0]


def test_every_problem_is_told_with_its_path() -> None:
    value = quantity("many", "10*9/L")
    data = bundle(
        {**PATIENT, "birthDate": "1990-13-01"},
        observation("loinc 777-3", valueQuantity=value),
        observation("loinc 777-3", id="o2", effectiveDateTime="yesterday", valueQuantity=quantity(1, "10*9/L")),
        observation("loinc 777-3", id="o3", component=[{"code": concept("loinc 777-3"), "valueInteger": 10**20}]),
        condition("snomed 55464009", onsetPeriod={"start": "02/05/2019"}),
        statement(dosage=[dosage(repeat={"boundsPeriod": {"end": "2026-02-30"}})]),
        observation("loinc 777-3", id="o4", valueQuantity=quantity("NaN", "10*9/L")),
        {"resourceType": "Condition", "code": "SLE"},
        observation("loinc 777-3", id="o\n5"),
        timestamp="today",
    )
    found = [problem.split(": ")[0] for problem in problems(data)]
    assert sorted(found) == [
        "b.json entry[0].resource.birthDate",
        "b.json entry[1].resource.valueQuantity.value",
        "b.json entry[2].resource.effectiveDateTime",
        "b.json entry[3].resource.component[0].valueInteger.value",
        "b.json entry[4].resource.onsetPeriod.start",
        "b.json entry[5].resource.dosage[0].timing.repeat.boundsPeriod.end",
        "b.json entry[6].resource.valueQuantity",
        "b.json entry[7].resource.code",
        "b.json entry[8].resource.id",
        "b.json timestamp",
    ]
