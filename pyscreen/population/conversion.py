"""Populations from one form into another: a hospital's data as event tables, invented patients as a hospital would have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec

from ..errors import Problem, RecordError
from ..knowledge import KnowledgeBase
from .exports import write_parts
from .fhir_reader import is_bulk, read_bulk
from .fhir_writer import write_fhir
from .invented import generate
from .reading import Frames, Reading

REPORT = "reading.json"


def write(
    kb: KnowledgeBase, folder: Path | str, *, patients: int, seed: int, day: date, form: str = "tables"
) -> Counter[str]:
    """Write an invented population into a new folder, as event tables or as a FHIR bulk export; return what that cannot say.

    Raises RequestError where the folder exists already.
    """
    parts = generate(kb, patients, seed=seed, day=day)
    if form == "fhir":
        return write_fhir(parts, folder, kb.vocabulary, day)[1]
    write_parts(parts, folder)
    return Counter()


def convert(source: str, folder: Path | str, kb: KnowledgeBase) -> tuple[int, Reading]:
    """Write the event tables of a source into a new folder; return how many patients, and what was not used.

    The source is a folder of FHIR R4 NDJSON. Raises RecordError where it is none, RequestError where the folder exists.
    """
    reading = Reading()
    patients = write_parts(_parts(source, kb, reading), folder, in_order=False)
    report = msgspec.json.format(msgspec.json.encode({"source": source, "patients": patients, **reading.report()}))
    (Path(folder) / REPORT).write_bytes(report + b"\n")
    return patients, reading


def _parts(source: str, kb: KnowledgeBase, reading: Reading) -> Iterator[Frames]:
    if not Path(source).exists():
        raise RecordError([Problem("cannot be read: no such file or folder", source)])
    if is_bulk(source):
        return read_bulk(source, kb, reading)
    raise RecordError([Problem("is no source of patients; expected a folder of FHIR R4 NDJSON (*.ndjson)", source)])
