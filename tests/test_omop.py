"""OMOP: what is written into the model is read back as it was, from a folder, a DuckDB file and PostgreSQL; what cannot be read is counted."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner
from test_bulk import plain

from pyscreen import Screener
from pyscreen.cli import main
from pyscreen.errors import RecordError
from pyscreen.knowledge import KnowledgeBase
from pyscreen.population.conversion import convert
from pyscreen.population.fhir_writer import Codes
from pyscreen.population.invented import generate
from pyscreen.population.omop_reader import is_omop, read_omop
from pyscreen.population.omop_writer import said, write_omop
from pyscreen.population.reading import Reading
from pyscreen.population.tables import read_tables
from pyscreen.record import Record

DAY = date(2026, 11, 22)
PATIENTS = 300


@pytest.fixture(scope="module")
def frames(kb: KnowledgeBase) -> dict[str, pl.DataFrame]:
    (found,) = generate(kb, PATIENTS, seed=12, day=DAY)
    return found


@pytest.fixture(scope="module")
def sayable(kb: KnowledgeBase, frames: Mapping[str, pl.DataFrame]) -> dict[str, Record]:
    return records(read_tables(said(frames, Codes(kb.vocabulary))[0]), kb)


@pytest.fixture(scope="module")
def model(kb: KnowledgeBase, frames: Mapping[str, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("omop") / "model"
    patients, unsaid = write_omop([frames], target, kb.vocabulary)
    assert patients == PATIENTS
    assert {"therapies: for", "measurements: not dated to the day", "findings: end", "events: planned"} <= set(unsaid)
    return target


def records(tables: Any, kb: KnowledgeBase) -> dict[str, Record]:
    return {str(int(name)): chunk.record(place, kb) for chunk in tables for place, name in enumerate(chunk.ids)}


def read(source: Path | str, kb: KnowledgeBase, folder: Path) -> tuple[dict[str, Record], Reading]:
    assert is_omop(str(source))
    reading = Reading()
    folder.mkdir()
    read_omop(str(source), folder, kb, reading)
    return records(read_tables(folder), kb), reading


def alike(found: Record, expected: Record) -> bool:
    """Whether two records say the same, whatever they are called."""
    return plain(replace(found, id="")) == plain(replace(expected, id=""))


def test_every_patient_is_read_back_from_a_folder(kb: KnowledgeBase, model: Path, sayable: dict[str, Record], tmp_path: Path) -> None:
    found, reading = read(model, kb, tmp_path / "tables")
    assert found.keys() == sayable.keys()
    for name, record in sayable.items():
        assert alike(found[name], record), name
    assert {kind for kind, _ in reading.notes} == {"unmapped"}
    assert all("(unknown) cannot be read" in message for _, message in reading.notes)


def test_every_patient_is_read_back_from_a_database(
    kb: KnowledgeBase, frames: Mapping[str, pl.DataFrame], sayable: dict[str, Record], tmp_path: Path
) -> None:
    write_omop([frames], tmp_path / "model.duckdb", kb.vocabulary)
    found, _ = read(tmp_path / "model.duckdb", kb, tmp_path / "tables")
    assert all(alike(found[name], record) for name, record in sayable.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.duckdb", "tables"]


def test_the_same_patients_get_the_same_verdicts(kb: KnowledgeBase, screener: Screener, model: Path, sayable: dict[str, Record], tmp_path: Path) -> None:
    found, _ = read(model, kb, tmp_path / "tables")
    for name in list(sayable)[:60]:
        first, second = (screener.screen(record, DAY).verdicts for record in (sayable[name], found[name]))
        assert [verdict.status for verdict in first.values()] == [verdict.status for verdict in second.values()]


# ---- PostgreSQL ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgres(postgres_binaries: Path) -> Iterator[str]:
    """Run a server of our own on the loopback address, which the superuser may not do."""
    folder = Path(tempfile.mkdtemp(prefix="pyscreen-postgres-"))
    owner: list[str] = []
    if os.geteuid() == 0:
        owner = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} -c fsync=off"
    controls = [*owner, str(postgres_binaries / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w"]
    make = [*owner, str(postgres_binaries / "initdb"), "-D", str(data), "-U", "reader", "-A", "trust", "-E", "UTF8"]
    subprocess.run(make, check=True, capture_output=True, timeout=120)
    subprocess.run([*controls, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL, timeout=120)
    try:
        yield f"postgresql://reader:secret@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*controls, "-m", "immediate", "stop"], check=False, stdout=subprocess.DEVNULL, timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


def test_every_patient_is_read_back_from_postgresql(
    kb: KnowledgeBase, postgres: str, model: Path, sayable: dict[str, Record], tmp_path: Path
) -> None:
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA cdm")
        for path in sorted(model.glob("*.parquet")):
            cursor.adbc_ingest(path.stem, pl.read_parquet(path).to_arrow(), mode="create", db_schema_name="cdm")
        cursor.execute("ALTER ROLE reader SET search_path = cdm")
        connection.commit()
    found, _ = read(postgres, kb, tmp_path / "tables")
    assert all(alike(found[name], record) for name, record in sayable.items())


def test_a_server_that_does_not_answer_is_told_without_the_password(kb: KnowledgeBase, tmp_path: Path) -> None:
    pytest.importorskip("adbc_driver_postgresql")
    with pytest.raises(RecordError) as raised:
        convert("postgresql://me:secret@127.0.0.1:1/x", tmp_path / "tables", kb)
    assert "cannot be read" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert not (tmp_path / "tables").exists()


# ---- by hand ---------------------------------------------------------------------------------------------------------

CONCEPTS = (
    (8532, "FEMALE", "Gender", "F"),
    (1, "Platelets", "LOINC", "777-3"),
    (2, "10*9/L", "UCUM", "10*9/L"),
    (3, "<", "SNOMED", "276139006"),
    (4, "Lupus nephritis", "SNOMED", "68815009"),
    (5, "SLE glomerular disease", "ICD10CM", "M32.14"),
    (6, "Malignant tumour of breast", "ICD10CM", "C50.9"),
    (7, "prednisone 5 MG Oral Tablet", "RxNorm", "312617"),
    (8, "prednisone", "RxNorm", "8640"),
    (9, "mg", "UCUM", "mg"),
    (10, "Oral", "SNOMED", "26643006"),
    (11, "No", "SNOMED", "373067005"),
    (12, "Something else", "SNOMED", "1"),
    (13, "furlong", "UCUM", "[fur_us]"),
    (14, "Malignancy", "SNOMED", "363346000"),
    (15, "three", "SNOMED", "2"),
    (0, "No matching concept", "None", "No matching concept"),
)


class Model:
    """A small model in a folder of CSV."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.put("concept", concept_id=CONCEPTS[0][0], concept_name="FEMALE", vocabulary_id="Gender", concept_code="F")
        rows = [dict(zip(("concept_id", "concept_name", "vocabulary_id", "concept_code"), row, strict=True)) for row in CONCEPTS]
        pl.DataFrame(rows).write_csv(folder / "concept.csv")
        self.put("person", person_id=1, gender_concept_id=8532, year_of_birth=1990, month_of_birth=4)
        self.put("observation_period", person_id=1, observation_period_end_date="2026-11-20")

    def put(self, table: str, **columns: Any) -> None:
        pl.DataFrame({name: value if isinstance(value, list) else [value] for name, value in columns.items()}).write_csv(
            self.folder / f"{table}.csv"
        )


@pytest.fixture
def small(tmp_path: Path) -> Model:
    return Model(tmp_path / "model")


def one(small: Model, kb: KnowledgeBase, tmp_path: Path) -> tuple[Record, dict[tuple[str, str], int]]:
    found, reading = read(small.folder, kb, tmp_path / "tables")
    notes = {key: number for key, number in reading.notes.items() if not key[1].startswith("no table ")}
    return found["1"], notes


def test_a_person(small: Model, kb: KnowledgeBase, tmp_path: Path) -> None:
    small.put("death", person_id=1, death_date="2026-11-21")
    record, _ = one(small, kb, tmp_path)
    assert (record.sex, str(record.birth), str(record.died), record.recorded) == ("female", "1990-04", "2026-11-21", date(2026, 11, 20))


def test_values_with_their_unit_operator_and_limits(small: Model, kb: KnowledgeBase, tmp_path: Path) -> None:
    small.put(
        "measurement",
        person_id=[1] * 6,
        measurement_concept_id=[1] * 6,
        measurement_date=[f"2026-11-0{n}" for n in range(1, 7)],
        measurement_datetime=["2026-11-01 00:00:00", "2026-11-02 08:30:00", None, None, None, None],
        operator_concept_id=[None, 3, None, 15, None, None],
        value_as_number=[50, 20, 30, 40, None, None],
        unit_concept_id=[2, 2, 13, 2, 2, None],
        unit_source_value=["K/uL", "", "", "", "", "K/uL"],
        value_source_value=["50", "<20", "30", "40", "clotted", ""],
        range_low=[150, None, None, None, None, None],
    )
    record, notes = one(small, kb, tmp_path)
    values = sorted(record.measurements, key=lambda item: str(item.when))
    assert [(str(item.value), str(item.when), item.when.clock if item.when else "") for item in values] == [
        ("50", "2026-11-01", ""),
        ("< 20", "2026-11-02", "08:30:00"),
        ("any number", "2026-11-03", ""),
        ("any number", "2026-11-04", ""),
        ("any number", "2026-11-05", ""),
    ]
    assert values[0].low == 150
    assert ("ignored", "Platelets (loinc 777-3): no value") in notes
    assert any("[fur_us]" in message for _, message in notes)
    assert sum(number for (kind, _), number in notes.items() if kind == "unmapped") >= 3


def test_a_number_that_cannot_be_is_a_value_that_is_not_known(small: Model, kb: KnowledgeBase, tmp_path: Path) -> None:
    small.put(
        "measurement",
        person_id=[1] * 5,
        measurement_concept_id=[1] * 5,
        measurement_date=[f"2026-11-0{n}" for n in range(1, 6)],
        operator_concept_id=[None, None, 3, None, 3],
        value_as_number=[-22.0, 0.0, -5.0, -0.001, 0.0],
        unit_concept_id=[2] * 5,
        unit_source_value=[""] * 5,
        value_source_value=[""] * 5,
        range_low=[150, None, None, None, None],
    )
    record, notes = one(small, kb, tmp_path)
    values = sorted(record.measurements, key=lambda item: str(item.when))
    assert [(str(item.value), item.low) for item in values] == [("any number", None), ("0", None), *[("any number", None)] * 3]
    assert notes["unmapped", "platelets: a number that is impossible; expected 0 10*9/L or more"] == 3
    assert [note.message for note in record.notes] == [
        "measurements[1].value: platelets: '<0.0 10*9/L' is impossible; expected 0 10*9/L or more; it counts as one that cannot be read"
    ]


def test_standard_and_source_concept_are_two_codings_of_one_thing(small: Model, kb: KnowledgeBase, tmp_path: Path) -> None:
    small.put(
        "condition_occurrence",
        person_id=[1, 1, 1, 1],
        condition_concept_id=[4, 0, 12, 0],
        condition_source_concept_id=[5, 6, 0, None],
        condition_source_value=["M32.14", "C50.9", "x", "weird"],
        condition_start_date=["2020-01-01", "2021-01-01", "2022-01-01", "2022-01-01"],
        condition_end_date=[None, "2021-06-01", None, None],
    )
    record, notes = one(small, kb, tmp_path)
    said = sorted((item.concept, str(item.when), str(item.end)) for item in record.findings)
    assert said == [("lupus_nephritis", "2020-01-01", "None"), ("malignancy", "2021-01-01", "2021-06-01"), ("sle", "2020-01-01", "None")]
    assert notes == {("unmapped", "Something else (snomed 1)"): 1, ("unmapped", "weird"): 1}


def test_a_denial_is_an_observation_and_one_kind_denied_says_nothing_of_the_others(small: Model, kb: KnowledgeBase, tmp_path: Path) -> None:
    small.put(
        "observation",
        person_id=[1, 1, 1, 2],
        observation_concept_id=[14, 6, 14, 14],
        observation_date=["2026-10-01", "2026-10-02", "2026-10-03", "2026-10-03"],
        value_as_concept_id=[11, 11, None, 11],
    )
    record, notes = one(small, kb, tmp_path)
    assert [(item.concept, item.present, str(item.when)) for item in record.findings] == [("malignancy", False, "2026-10-01")]
    assert notes == {
        ("ignored", "one kind of malignancy is absent, which says nothing of the others"): 1,
        ("ignored", "Malignancy (snomed 363346000): no value"): 1,
        ("ignored", "observation of nobody in the table person"): 1,
    }


def test_a_course_has_its_dose_from_strength_number_and_days(small: Model, kb: KnowledgeBase, tmp_path: Path) -> None:
    small.put(
        "drug_exposure",
        person_id=[1, 1, 1],
        drug_concept_id=[7, 7, 8],
        drug_exposure_start_date=["2026-10-01", "2026-11-01", "2026-01-01"],
        drug_exposure_end_date=["2026-10-10", "2026-11-30", "2026-01-05"],
        quantity=[20, 15, 20],
        days_supply=[10, 30, 5],
        route_concept_id=[10, 10, 0],
    )
    small.put("drug_strength", drug_concept_id=7, ingredient_concept_id=8, amount_value=5.0, amount_unit_concept_id=9)
    record, notes = one(small, kb, tmp_path)
    courses = [
        (item.concept, item.dose and (str(item.dose.amount), item.dose.unit), item.route, str(item.start), item.ongoing)
        for item in sorted(record.therapies, key=lambda item: str(item.start))
    ]
    assert courses == [
        ("prednisone", None, None, "2026-01-01", False),
        ("prednisone", ("10", "mg/d"), "oral", "2026-10-01", False),
        ("prednisone", ("5/2", "mg/d"), "oral", "2026-11-01", True),
    ]
    assert notes == {}


def test_cells_that_cannot_be_read_and_persons_without_a_name_are_counted(small: Model, kb: KnowledgeBase, tmp_path: Path) -> None:
    small.put("person", person_id=["1", "1", "x"], gender_concept_id=[8532, 8532, 8532], year_of_birth=[1990, 1990, 1991])
    small.put(
        "condition_occurrence",
        person_id=["1", "x", "7"],
        condition_concept_id=[4, 4, 4],
        condition_start_date=["2026-13-40", "2026-01-01", "2026-01-01"],
    )
    record, notes = one(small, kb, tmp_path)
    assert [(item.concept, item.when) for item in record.findings] == [("lupus_nephritis", None)]
    assert notes == {
        ("ignored", "person.person_id: no bigint"): 1,
        ("ignored", "a person without person_id"): 1,
        ("ignored", "a second row of a person; one of them is read"): 1,
        ("ignored", "condition_occurrence.person_id: no bigint"): 1,
        ("ignored", "condition_occurrence.condition_start_date: no date"): 1,
        ("ignored", "condition_occurrence of nobody in the table person"): 2,
    }


def test_tables_that_are_not_read_are_counted(small: Model, kb: KnowledgeBase, tmp_path: Path) -> None:
    small.put("visit_occurrence", visit_occurrence_id=[1, 2], person_id=[1, 1])
    assert one(small, kb, tmp_path)[1] == {("ignored", "not read: visit_occurrence"): 2}


def test_a_model_without_concepts_is_refused(small: Model, kb: KnowledgeBase, tmp_path: Path) -> None:
    (small.folder / "concept.csv").unlink()
    with pytest.raises(RecordError, match="no table 'concept'"):
        convert(str(small.folder), tmp_path / "tables", kb)
    assert not (tmp_path / "tables").exists()


def test_a_file_that_is_no_parquet_is_told(small: Model, kb: KnowledgeBase, tmp_path: Path) -> None:
    (small.folder / "death.parquet").write_text("nothing")
    with pytest.raises(RecordError, match="cannot be read"):
        convert(str(small.folder), tmp_path / "tables", kb)


def test_other_databases_are_no_model(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "x.duckdb")) as database:
        database.execute("CREATE TABLE patients (patient VARCHAR)")
    assert not is_omop(str(tmp_path / "x.duckdb"))
    assert not is_omop(str(tmp_path / "y.duckdb"))
    assert not is_omop(str(tmp_path))


# ---- the commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model", "model.duckdb"])
def test_a_population_goes_out_as_omop_and_comes_back(tmp_path: Path, name: str) -> None:
    words = ["generate", "-o", str(tmp_path / name), "--patients", "20", "--as", "omop", "--on", "2026-11-22"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "left out, since omop cannot say it: therapies: for" in done.output
    done = CliRunner().invoke(main, ["convert", str(tmp_path / name), "-o", str(tmp_path / "tables")])
    assert done.exit_code == 0, done.output
    assert "20 patients" in done.output
    assert read_tables(tmp_path / "tables").patients == 20


@pytest.mark.parametrize("form", ["fhir", "omop"])
def test_a_population_is_screened_from_where_it_is(tmp_path: Path, form: str) -> None:
    """The tables made of it stay beside the verdicts and are used again."""
    source, output = tmp_path / "source", tmp_path / "verdicts.parquet"
    words = ["generate", "-o", str(source), "--patients", "15", "--as", form, "--on", "2026-11-22"]
    assert CliRunner().invoke(main, words).exit_code == 0
    screen = ["cohort", str(source), "-o", str(output), "--on", "2026-11-22", "--cohort", "1.2"]
    first = CliRunner().invoke(main, screen)
    assert first.exit_code == 0, first.output
    verdicts = pl.read_parquet(output)
    assert verdicts["patient"].n_unique() == 15
    made = (tmp_path / "verdicts.tables" / "patients.parquet").stat().st_mtime_ns
    again = CliRunner().invoke(main, screen)
    assert again.exit_code == 0, again.output
    assert (tmp_path / "verdicts.tables" / "patients.parquet").stat().st_mtime_ns == made
    assert pl.read_parquet(output).equals(verdicts)
    explained = CliRunner().invoke(main, ["screen", str(tmp_path / "verdicts.tables"), "--patient", verdicts["patient"][0], "--on", "2026-11-22"])
    assert explained.exit_code == 0, explained.output
    (source / ("Patient.ndjson" if form == "fhir" else "person.parquet")).touch()
    changed = CliRunner().invoke(main, screen)
    assert changed.exit_code == 2
    assert "another state of it" in changed.output
