"""A record from wherever it comes: a hand-written file (YAML, JSON), FHIR R4 (Bundle, resource, NDJSON), or event tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from .errors import Problem, RecordError, RequestError
from .knowledge import KnowledgeBase
from .record import Note, Record


def read_record(path: Path | str, kb: KnowledgeBase, patient: str | None = None) -> Record:
    """Read a record in the words of a knowledge base; `-` reads standard input.

    `patient` chooses one by id where a FHIR file holds several, and of event tables (a folder, or a DuckDB file). Raises
    RecordError with every problem found.
    """
    if _is_tables(path):
        return _of_tables(Path(path), kb, patient)
    return parse_record(_bytes(path), kb, _name(path), patient)


def read_form(path: Path | str, kb: KnowledgeBase, patient: str | None = None) -> tuple[Mapping[str, object], tuple[Note, ...]]:
    """Read a record as `read_record` does, and return its written form, with numbers and days as text, and what was not used of it.

    What the file is called stands in it as the record's name where it has none. Raises RecordError with every problem found.
    """
    from . import fhir, markup

    if _is_tables(path):
        from .population.tables import read_tables, readable

        record = _of_tables(Path(path), kb, patient)
        form: object = readable(read_tables(path).of(record.id).written(0), kb.vocabulary)[0]
    else:
        data, name = _bytes(path), _name(path)
        record = parse_record(data, kb, name, patient)
        is_fhir = fhir.looks_like_fhir(data)
        form = fhir.read(data, kb.vocabulary, name=name, patient=patient)[0] if is_fhir else markup.load(data, name).value
    assert isinstance(form, Mapping)
    rest = {field: _as_text(value) for field, value in form.items() if field != "record"}
    return {"record": record.id, **rest}, record.notes


def _as_text(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _as_text(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(inner) for inner in value]
    return value if value is None or isinstance(value, bool) else str(value)


def _is_tables(path: Path | str) -> bool:
    folder = str(path) != "-" and Path(path).is_dir() and any(Path(path).iterdir())
    return folder or Path(path).suffix == ".duckdb"


def _name(path: Path | str) -> str:
    return "record" if str(path) == "-" else str(path)


def _bytes(path: Path | str) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RecordError([Problem(f"cannot be read: {error.strerror or error}", str(path))]) from None


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
        record = written.read(name, kb.vocabulary, text=data, tests=kb.tests)
        if patient not in (None, record.id):
            raise RecordError([Problem(f"no patient '{patient}'; the file holds {record.id}", name)])
        return record
    form, notes = fhir.read(data, kb.vocabulary, name=name, patient=patient)
    return written.build(form, kb.vocabulary, file=name, name=Path(name).stem, notes=notes, tests=kb.tests)
