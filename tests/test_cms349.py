"""An outside judge: the measure CMS349 written as facts (tests/external/cms349), with its own patients and their official results.

Each patient of tests/data/conformance/cms349-*.tsv becomes a FHIR bundle. Where the bundle declares the history complete, every
population must be as the measure's test deck says; without that a population may be left undecided, but never contradicted.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pyscreen import Screener, load
from pyscreen.checking import check
from pyscreen.screening import ELIGIBLE, INELIGIBLE, Screening
from pyscreen.sources import parse_record

HERE = Path(__file__).parent
ROOT = HERE / "external" / "cms349"
TABLES = HERE / "data" / "conformance"
LAST_DAY = date(2026, 12, 31)
POPULATIONS = ("IP", "DENOM", "EXCL", "NUM", "EXCEPTION")
SECTIONS = ("measurements", "findings", "events")
SYSTEMS = {
    "cpt": "http://www.ama-assn.org/go/cpt",
    "icd-9-cm": "http://hl7.org/fhir/sid/icd-9-cm",
    "loinc": "http://loinc.org",
    "sct": "http://snomed.info/sct",
}


def rows(name: str) -> list[dict[str, str]]:
    with (TABLES / f"cms349-{name}.tsv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


CASES = rows("cases")
FACTS = rows("facts")
VISITS = {row["code"]: row["concept"] for row in rows("codes") if row["system"] == "cpt" and "visit" in row["concept"]}
"""CPT code to the kind of visit, from the measure's table: no knowledge base holds them."""


# ---- the bundles -----------------------------------------------------------------------------------------------------


def codings(text: str) -> Iterator[dict[str, str]]:
    """Yield the codings of a fact; a visit's CPT code also as the kind of visit that the table says it is."""
    for coding in text.split():
        system, code = coding.split(":")
        yield {"system": SYSTEMS[system], "code": code}
        if system == "cpt" and code in VISITS:
            yield {"system": "urn:pyscreen:event", "code": VISITS[code]}


def status(code: str) -> dict[str, Any]:
    return {"coding": [{"code": code}]}


def resource(fact: dict[str, str], number: int) -> dict[str, Any]:
    kind, start, end = fact["resource"], fact["start"], fact["end"]
    code = {"coding": list(codings(fact["code"]))}
    made: dict[str, Any] = {
        "resourceType": kind,
        "id": f"{kind.lower()}-{number}",
        "subject": {"reference": "Patient/p"},
    }
    if kind == "Encounter":
        period = {name: day for name, day in (("start", start), ("end", end)) if day}
        return made | {"status": fact["status"], "class": {"code": "AMB"}, "type": [code], "period": period}
    if kind == "Observation":
        when = {"effectiveDateTime": start} if start else {}
        return made | {"status": fact["status"], "code": code, "valueString": fact["value"], **when}
    said = dict(pair.split("=") for pair in fact["further"].split())
    made |= {"code": code, "clinicalStatus": status(said["clinical"])}
    if said["verification"] != "absent":
        made["verificationStatus"] = status(said["verification"])
    return made | {name: day for name, day in (("onsetDateTime", start), ("abatementDateTime", end)) if day}


def bundle(case: dict[str, str], complete: bool) -> bytes:
    """Return the FHIR R4 bundle of a case; `complete` adds the lists that declare its history complete."""
    patient = {"resourceType": "Patient", "id": "p", "birthDate": case["birth date"], "gender": case["gender"]}
    if case["died"]:
        patient["deceasedDateTime"] = case["died"]
    facts = [fact for fact in FACTS if fact["case"] == case["case"]]
    lists = [
        {
            "resourceType": "List", "id": section, "status": "current", "mode": "snapshot",
            "subject": {"reference": "Patient/p"}, "code": {"coding": [{"system": "urn:pyscreen:complete", "code": section}]},
        }
        for section in SECTIONS
    ]  # fmt: skip
    resources = [patient, *(resource(fact, n) for n, fact in enumerate(facts)), *(lists if complete else [])]
    made = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    return json.dumps(made).encode()


# ---- what the engine says --------------------------------------------------------------------------------------------


@cache
def screener() -> Screener:
    return Screener(load("cms349", ROOT))


def screened(case: dict[str, str], complete: bool) -> Screening:
    ready = screener()
    return ready.screen(parse_record(bundle(case, complete), ready.kb, case["case"]), LAST_DAY)


def official(case: dict[str, str]) -> dict[str, str]:
    return {population: ELIGIBLE if case[population] == "1" else INELIGIBLE for population in POPULATIONS}


every_case = pytest.mark.parametrize("case", CASES, ids=[f"{case['case']}-{case['upstream tag']}" for case in CASES])


@every_case
def test_a_complete_history_gets_the_official_result(case: dict[str, str]) -> None:
    screening = screened(case, complete=True)
    assert {population: screening.verdict(population).status for population in POPULATIONS} == official(case)


@every_case
def test_an_incomplete_history_never_contradicts_it(case: dict[str, str]) -> None:
    screening = screened(case, complete=False)
    for population, wanted in official(case).items():
        against = ELIGIBLE if wanted == INELIGIBLE else INELIGIBLE
        assert screening.verdict(population).status != against, population


def test_what_an_incomplete_history_leaves_open_is_what_is_not_recorded() -> None:
    """Without the declaration no population is entered by silence; who is proved to belong still does."""
    found = Counter(
        (population, screened(case, complete=False).verdict(population).status, official(case)[population])
        for case in CASES
        for population in ("IP", "EXCL")
    )
    assert found["IP", ELIGIBLE, ELIGIBLE] == sum(case["IP"] == "1" for case in CASES)
    assert found["EXCL", ELIGIBLE, ELIGIBLE] == sum(case["EXCL"] == "1" for case in CASES)


def test_the_tables_are_whole() -> None:
    assert len(CASES) == 36
    assert {fact["case"] for fact in FACTS} <= {case["case"] for case in CASES}
    assert set(VISITS.values()) <= set(screener().kb.vocabulary.events)


def test_no_knowledge_base_holds_a_code_of_the_table_of_visits() -> None:
    held = {code for _, code in screener().kb.vocabulary.codes} | {code for _, code in load().vocabulary.codes}
    assert not held & set(VISITS)


def test_the_measure_has_no_mistakes() -> None:
    assert [str(finding) for finding in check("cms349", ROOT)] == []
