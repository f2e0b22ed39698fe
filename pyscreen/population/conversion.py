"""Populations from one form into another: a hospital's data as event tables, invented patients as a hospital would have them."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import msgspec

from ..errors import Problem, RecordError
from ..knowledge import KnowledgeBase
from .exports import new_folder, write_parts
from .fhir_reader import is_bulk, read_bulk
from .fhir_writer import write_fhir
from .invented import generate
from .omop_reader import is_omop, read_omop, shown
from .omop_writer import write_omop
from .reading import Reading

REPORT = "reading.json"


def write(
    kb: KnowledgeBase, folder: Path | str, *, patients: int, seed: int, day: date, form: str = "tables"
) -> Counter[str]:
    """Write an invented population into a new folder, as event tables, FHIR bulk export or OMOP; return what that cannot say.

    OMOP may be a new DuckDB file too. Raises RequestError where the folder exists already.
    """
    parts = generate(kb, patients, seed=seed, day=day)
    if form == "fhir":
        return write_fhir(parts, folder, kb.vocabulary, day)[1]
    if form == "omop":
        return write_omop(parts, folder, kb.vocabulary)[1]
    write_parts(parts, folder)
    return Counter()


def convert(source: str, folder: Path | str, kb: KnowledgeBase) -> tuple[int, Reading]:
    """Write the event tables of a source into a new folder; return how many patients, and what was not used.

    The source is a folder of FHIR R4 NDJSON, or an OMOP common data model: a folder, a DuckDB file or `postgresql://...`. Raises
    RecordError where it is none, RequestError where the folder exists.
    """
    reading = Reading()
    if is_omop(source):
        with new_folder(Path(folder)) as target:
            patients = read_omop(source, target, kb, reading)
            _report(target, source, patients, reading)
    elif is_bulk(source):
        patients = write_parts(read_bulk(source, kb, reading), folder, in_order=False)
        _report(Path(folder), source, patients, reading)
    elif not Path(source).exists():
        raise RecordError([Problem("cannot be read: no such file or folder", source)])
    else:
        expected = "a folder of FHIR R4 NDJSON (*.ndjson), or an OMOP model with its tables person and concept"
        raise RecordError([Problem(f"is no source of patients; expected {expected}", source)])
    return patients, reading


def _report(folder: Path, source: str, patients: int, reading: Reading) -> None:
    said = {"source": shown(source), "patients": patients, **reading.report()}
    (folder / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(said)) + b"\n")
