"""A record from wherever it comes: a hand-written file (YAML, JSON), FHIR R4 (Bundle, resource, NDJSON), or event tables."""

from __future__ import annotations

import sys
from pathlib import Path

from .errors import Problem, RecordError, RequestError
from .knowledge import KnowledgeBase
from .record import Record


def read_record(path: Path | str, kb: KnowledgeBase, patient: str | None = None) -> Record:
    """Read a record in the words of a knowledge base; `-` reads standard input.

    `patient` chooses one by id where a FHIR file holds several, and of event tables (a folder, or a DuckDB file). Raises
    RecordError with every problem found.
    """
    name = str(path)
    if name == "-":
        return parse_record(sys.stdin.buffer.read(), kb, "record", patient)
    if Path(path).is_dir() or Path(path).suffix == ".duckdb":
        return _of_tables(Path(path), kb, patient)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise RecordError([Problem(f"cannot be read: {error.strerror or error}", name)]) from None
    return parse_record(data, kb, name, patient)


def _of_tables(path: Path, kb: KnowledgeBase, patient: str | None) -> Record:
    try:
        from .population.tables import read_patient
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; event tables need: pip install 'pyscreen[batch]'"
        raise RequestError([Problem(message, str(path))]) from None
    if patient is None:
        raise RequestError([Problem("which patient? name one with --patient", str(path))])
    return read_patient(path, kb, patient)


def parse_record(data: bytes, kb: KnowledgeBase, name: str = "record", patient: str | None = None) -> Record:
    """Read a record from bytes; `name` stands in messages and, without its ending, for a record that has no id."""
    from . import fhir, written

    if not fhir.looks_like_fhir(data):
        return written.read(name, kb.vocabulary, text=data, tests=kb.tests)
    form, notes = fhir.read(data, kb.vocabulary, name=name, patient=patient)
    return written.build(form, kb.vocabulary, file=name, name=Path(name).stem, notes=notes, tests=kb.tests)
