"""Populations from one form into another: a hospital's data as event tables, invented patients as a hospital would have them."""

from __future__ import annotations

from collections import Counter
from datetime import date
from hashlib import sha256
from pathlib import Path

import msgspec

from ..errors import Problem, RecordError, RequestError
from ..knowledge import KnowledgeBase
from .exports import new_folder, write_parts
from .fhir_reader import is_bulk, read_bulk
from .fhir_writer import write_fhir
from .invented import generate
from .omop_reader import is_omop, read_omop, shown
from .omop_writer import write_omop
from .reading import Reading

REPORT = "reading.json"
IDENTITY = "source.txt"


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


def event_tables(source: str, folder: Path, kb: KnowledgeBase) -> tuple[Path, Reading | None]:
    """Return where the event tables of a source are: itself, or the folder into which a FHIR export or OMOP model is converted.

    The folder is kept, so that patients can be looked up in it, and used again while the source and the vocabulary are as they
    were; then, and where the source is event tables, there is no report. Raises RequestError where the folder is of another source.
    """
    if not (is_omop(source) or is_bulk(source)):
        return Path(source), None
    identity = f"{_state(source)} {kb.digest}"
    if not folder.exists():
        reading = convert(source, folder, kb)[1]
        (folder / IDENTITY).write_text(identity, encoding="utf-8")
        return folder, reading
    kept = folder / IDENTITY
    if kept.is_file() and kept.read_text(encoding="utf-8") == identity:
        return folder, None
    raise RequestError([Problem("holds the tables of another source, or of another state of it; remove it", str(folder))])


def _state(source: str) -> str:
    """Return what tells one state of a source from another; of a server only its name is known."""
    path = Path(source)
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.is_file() else []
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return sha256(repr((shown(source), stats)).encode()).hexdigest()[:16]


def _report(folder: Path, source: str, patients: int, reading: Reading) -> None:
    said = {"source": shown(source), "patients": patients, **reading.report()}
    (folder / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(said)) + b"\n")
