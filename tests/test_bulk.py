"""Bulk exports: what is written as FHIR is read back as it was, patient by patient; what cannot be read is told and loses nobody else."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from pyscreen.cli import main
from pyscreen.codebook import Codebook
from pyscreen.errors import RequestError
from pyscreen.knowledge import KnowledgeBase
from pyscreen.population.exports import write_parts
from pyscreen.population.fhir_reader import is_bulk, read_bulk
from pyscreen.population.fhir_writer import Codes, said, write_fhir
from pyscreen.population.invented import generate
from pyscreen.population.reading import Reading
from pyscreen.population.tables import Tables, read_tables
from pyscreen.record import Record
from pyscreen.resources import Coding, Concept

DAY = date(2026, 11, 22)
PATIENTS = 300


@pytest.fixture(scope="module")
def frames(kb: KnowledgeBase) -> dict[str, pl.DataFrame]:
    (found,) = generate(kb, PATIENTS, seed=11, day=DAY)
    return found


@pytest.fixture(scope="module")
def folder(kb: KnowledgeBase, frames: Mapping[str, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("bulk") / "export"
    patients, unsaid = write_fhir([frames], target, kb.vocabulary, DAY)
    assert patients == PATIENTS
    assert unsaid["measurements: method"] > 0
    return target


def together(parts: list[dict[str, pl.DataFrame]]) -> Tables:
    return read_tables({table: pl.concat([part[table] for part in parts]) for table in parts[0]})


def records(tables: Tables, kb: KnowledgeBase) -> dict[str, Record]:
    return {name: chunk.record(place, kb) for chunk in tables for place, name in enumerate(chunk.ids)}


def plain(record: Record) -> Record:
    """Return a record without what only tells where something was written."""
    def bare(items: tuple[Any, ...]) -> tuple[Any, ...]:
        stripped = [replace(item, id=None, **({"text": ""} if hasattr(item, "text") else {})) for item in items]
        return tuple(sorted((_whole_clock(item) for item in stripped), key=repr))

    sections = ("measurements", "findings", "therapies", "events", "procedures", "judgements", "consents")
    return replace(record, notes=(), **{section: bare(getattr(record, section)) for section in sections})


def _whole_clock(item: Any) -> Any:
    """08:00 is 08:00:00."""
    when = getattr(item, "when", None)
    return replace(item, when=replace(when, clock=f"{when.clock}:00")) if when and len(when.clock) == 5 else item


def test_every_patient_is_read_back_as_written(
    kb: KnowledgeBase, frames: Mapping[str, pl.DataFrame], folder: Path
) -> None:
    expected = records(read_tables(said(frames, Codes(kb.vocabulary), DAY)[0]), kb)
    reading = Reading()
    found = records(together(list(read_bulk(folder, kb, reading))), kb)
    assert set(found) == set(expected)
    for name, record in expected.items():
        assert plain(found[name]) == plain(record), name
    assert reading.number_aside == 0
    assert {kind for kind, _ in reading.notes} == {"unmapped"}
    assert all("(unknown) cannot be read" in message for _, message in reading.notes)


def test_patients_come_in_shares_and_each_once(kb: KnowledgeBase, folder: Path) -> None:
    parts = list(read_bulk(folder, kb, Reading(), share=500_000))
    assert len(parts) > 5
    names = [name for part in parts for name in part["patients"]["patient"]]
    assert len(names) == len(set(names)) == PATIENTS
    whole = records(together(list(read_bulk(folder, kb, Reading()))), kb)
    assert records(together(parts), kb) == whole


def test_each_code_reads_back_as_the_concept_alone(kb: KnowledgeBase) -> None:
    codes, book = Codes(kb.vocabulary), Codebook(kb.vocabulary)
    for kind in ("measurement", "finding", "therapy", "event", "procedure", "judgement", "consent"):
        for concept in kb.vocabulary.labels(kind):
            coding = codes.code(kind, concept)["coding"][0]
            (sense,) = book.senses(Concept((Coding(coding["system"], coding["code"]),)))
            assert (sense.kind, sense.concept, sense.whole) == (kind, concept, True)
    assert codes.code("measurement", "platelets")["coding"][0]["system"] == "http://loinc.org"


# ---- by hand ---------------------------------------------------------------------------------------------------------


def export(folder: Path, *resources: Mapping[str, Any] | str, name: str = "all.ndjson") -> Path:
    folder.mkdir(exist_ok=True)
    lines = [one if isinstance(one, str) else json.dumps(one) for one in resources]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def count(patient: str, value: float, **more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "777-3"}]}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": code,
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-20",
        "valueQuantity": {"value": value, "unit": "10*9/L"},
        **more,
    }


def read(folder: Path, kb: KnowledgeBase) -> tuple[dict[str, Record], Reading]:
    reading = Reading()
    return records(together(list(read_bulk(folder, kb, reading))), kb), reading


def test_a_malformed_resource_sets_its_patient_aside_and_nobody_else(kb: KnowledgeBase, tmp_path: Path) -> None:
    bad = count("b", 20) | {"effectiveDateTime": "2026-13-40"}
    found, reading = read(export(tmp_path / "x", count("a", 30), bad, count("b", 21), count("c", 40)), kb)
    assert sorted(found) == ["a", "c"]
    (problem,) = reading.aside["b"]
    assert "all.ndjson:2" in str(problem)
    assert "2026-13-40" in str(problem)


def test_a_line_that_is_no_json_is_told_with_its_place(kb: KnowledgeBase, tmp_path: Path) -> None:
    found, reading = read(export(tmp_path / "x", count("a", 30), '{"resourceType": ', "[1]"), kb)
    assert sorted(found) == ["a"]
    assert [str(problem).split(":")[1] for problem in reading.problems] == ["2", "3"]


def test_a_reference_may_be_absolute_and_what_is_of_nobody_or_not_read_is_counted(kb: KnowledgeBase, tmp_path: Path) -> None:
    whole = count("a", 30) | {"subject": {"reference": "https://host/fhir/Patient/a/_history/2"}}
    nobody = count("a", 31)
    del nobody["subject"]
    resources = (whole, nobody, {"resourceType": "Patient", "id": "a", "gender": "female"}, {"resourceType": "Claim"}, {})
    found, reading = read(export(tmp_path / "x", *resources), kb)
    assert found["a"].sex == "female"
    assert len(found["a"].measurements) == 1
    assert reading.notes == {
        ("ignored", "Observation of no patient"): 1,
        ("ignored", "not read: Claim"): 1,
        ("ignored", "not read: a line without resourceType"): 1,
    }


@pytest.mark.parametrize("reference", ["Group/a", "#a", "Patient?identifier=x|a", "", "Patient/a\tb", "Patient/", 7, None, ["a"]])
def test_what_is_no_reference_to_a_patient_is_counted(kb: KnowledgeBase, tmp_path: Path, reference: object) -> None:
    found, reading = read(export(tmp_path / "x", count("b", 3), count("a", 30) | {"subject": {"reference": reference}}), kb)
    assert sorted(found) == ["b"]
    assert reading.notes["ignored", "Observation of no patient"] == 1


@pytest.mark.parametrize("reference", ["urn:uuid:a", "a", "Patient/a", "http://host/x/Patient/a"])
def test_a_patient_may_be_named_in_several_ways(kb: KnowledgeBase, tmp_path: Path, reference: str) -> None:
    found, reading = read(export(tmp_path / "x", {"resourceType": "Patient", "id": "a"}, count("a", 30) | {"subject": {"reference": reference}}), kb)
    assert sorted(found) == ["a"]
    assert len(found["a"].measurements) + sum(reading.notes.values()) == 1


def test_a_resource_that_is_not_read_may_have_any_form(kb: KnowledgeBase, tmp_path: Path) -> None:
    found, reading = read(export(tmp_path / "x", count("a", 30), {"resourceType": "ResearchStudy", "subject": [1], "patient": "x"}), kb)
    assert sorted(found) == ["a"]
    assert reading.number_lost == 0
    assert reading.notes["ignored", "not read: ResearchStudy"] == 1


def test_medications_that_many_refer_to_are_found(kb: KnowledgeBase, tmp_path: Path) -> None:
    drug = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "8640"}]}
    taken = [
        {
            "resourceType": "MedicationStatement",
            "status": "active",
            "medicationReference": {"reference": "Medication/m"},
            "subject": {"reference": f"Patient/{name}"},
        }
        for name in "ab"
    ]
    found, _ = read(export(tmp_path / "x", *taken, {"resourceType": "Medication", "id": "m", "code": drug}), kb)
    assert [found[name].therapies[0].concept for name in "ab"] == ["prednisone"] * 2


def test_files_may_be_compressed_and_the_manifest_gives_the_day(kb: KnowledgeBase, tmp_path: Path) -> None:
    folder = export(tmp_path / "x", {"resourceType": "Patient", "id": "a"})
    with gzip.open(folder / "more.ndjson.gz", "wt") as file:
        file.write(json.dumps(count("a", 30)) + "\n")
    (folder / "manifest.json").write_text('{"transactionTime": "2026-11-19T08:00:00Z"}')
    found, _ = read(folder, kb)
    assert found["a"].recorded == date(2026, 11, 19)
    assert len(found["a"].measurements) == 1


def test_what_is_a_bulk_export(tmp_path: Path) -> None:
    assert is_bulk(export(tmp_path / "x", "{}"))
    (tmp_path / "y").mkdir()
    assert not is_bulk(tmp_path / "y")
    assert not is_bulk(tmp_path / "z")


def test_an_export_overwrites_nothing(kb: KnowledgeBase, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="exists already"):
        write_fhir([], tmp_path, kb.vocabulary, DAY)


# ---- the commands ----------------------------------------------------------------------------------------------------


def run(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(word) for word in words])
    return done.exit_code, done.output


def test_a_population_goes_out_as_fhir_and_comes_back(tmp_path: Path) -> None:
    code, output = run("generate", "-o", tmp_path / "export", "--patients", "20", "--as", "fhir", "--on", "2026-11-22")
    assert code == 0
    assert "left out, since fhir cannot say it: measurements: method" in output
    code, output = run("convert", tmp_path / "export", "-o", tmp_path / "tables")
    assert code == 0
    assert "20 patients" in output
    assert read_tables(tmp_path / "tables").patients == 20
    report = json.loads((tmp_path / "tables" / "reading.json").read_text())
    assert report["patients"] == 20
    assert report["set_aside"] == 0


@pytest.mark.parametrize("source", ["nowhere", "empty"])
def test_what_is_no_source_is_told(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    code, output = run("convert", tmp_path / source, "-o", tmp_path / "tables")
    assert code == 4
    assert source in output
    assert not (tmp_path / "tables").exists()


def test_who_is_set_aside_is_named(tmp_path: Path) -> None:
    code, output = run("convert", export(tmp_path / "x", count("a", 30), count("b", 3) | {"status": 5}), "-o", tmp_path / "t")
    assert code == 0
    assert "1 patient in" in output
    assert "1 set aside" in output
    assert "patient b: all.ndjson:2" in output


def test_shares_are_put_in_order(kb: KnowledgeBase, folder: Path, tmp_path: Path) -> None:
    write_parts(read_bulk(folder, kb, Reading(), share=500_000), tmp_path / "t", in_order=False)
    names = pl.read_parquet(tmp_path / "t" / "measurements.parquet")["patient"].to_list()
    assert names == sorted(names)
    assert pl.read_parquet(tmp_path / "t" / "patients.parquet").height == PATIENTS
