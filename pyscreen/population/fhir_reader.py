"""A FHIR R4 bulk export, a folder of NDJSON, as event tables: patient by patient, in memory that does not grow with the folder.

The lines are first dealt into files on disk by whom they are about, so that all resources of a patient meet. Each patient is
then read as a single record is (`pyscreen.fhir`). A patient with a malformed resource is set aside with every problem; what is
not used is counted.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import msgspec
import polars as pl

from ..codebook import Codebook
from ..dates import parse_when
from ..errors import Problem, RecordError
from ..fhir import read_resources
from ..knowledge import KnowledgeBase
from ..resources import READ, File, Found, Medication, Place
from .reading import Frames, Reading
from .tables import frames_of

ENDINGS = (".ndjson", ".ndjson.gz")
SHARE = 32_000_000
"""Bytes of NDJSON that are held at a time, more or less."""
MOST_SHARES = 400


class _Line(msgspec.Struct, rename="camel"):
    """What says whom a resource is about."""

    resource_type: str = ""
    id: str = ""
    subject: Any = None
    patient: Any = None


class _Manifest(msgspec.Struct, rename="camel"):
    transaction_time: str = ""


def is_bulk(path: Path | str) -> bool:
    """Tell whether a path is a folder of NDJSON files."""
    path = Path(path)
    return path.is_dir() and any(file.name.endswith(ENDINGS) for file in path.iterdir())


def read_bulk(folder: Path | str, kb: KnowledgeBase, reading: Reading, share: int = SHARE) -> Iterator[Frames]:
    """Yield the event tables of a bulk export, some patients at a time; what is not used goes into `reading`.

    The day of a record is that of the export, where the folder holds its manifest. Raises RecordError where nothing can be read.
    """
    folder = Path(folder)
    files = sorted(file for file in folder.iterdir() if file.name.endswith(ENDINGS))
    total = sum(file.stat().st_size * (8 if file.suffix == ".gz" else 1) for file in files)
    recorded = _recorded(folder)
    with tempfile.TemporaryDirectory(prefix="pyscreen-") as scratch:
        dealer = _Dealer(Path(scratch), min(total // share + 1, MOST_SHARES), reading)
        dealer.deal(files)
        reader = _Patients(Codebook(kb.vocabulary), dealer.medications(), recorded, reading)
        for stack in dealer.stacks:
            yield reader.read(stack)


def _recorded(folder: Path) -> str | None:
    """Return the day of the export, from a manifest in the folder."""
    for path in sorted(folder.glob("*.json")):
        try:
            said = msgspec.json.decode(path.read_bytes(), type=_Manifest)
            return parse_when(said.transaction_time).earliest.isoformat()
        except (msgspec.MsgspecError, ValueError):
            continue
    return None


class _Dealer:
    """Deals lines into stacks by patient; keeps the medications, to which many patients refer."""

    def __init__(self, scratch: Path, stacks: int, reading: Reading) -> None:
        self.stacks = [scratch / f"{number:03}" for number in range(stacks)]
        self.reading = reading
        self.shared: dict[str, tuple[bytes, str]] = {}
        self.decoder = msgspec.json.Decoder(_Line)

    def deal(self, files: list[Path]) -> None:
        """Deal every line of some files."""
        with ExitStack() as stack:
            out = [stack.enter_context(open(path, "wb", buffering=1 << 16)) for path in self.stacks]
            for file in files:
                opened: Any = gzip.open(file, "rb") if file.suffix == ".gz" else open(file, "rb")  # noqa: SIM115
                with opened as lines:
                    for number, line in enumerate(lines, 1):
                        self.line(line.strip(), f"{file.name}:{number}", out)

    def line(self, line: bytes, place: str, out: list[BinaryIO]) -> None:
        if not line:
            return
        try:
            head = self.decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.reading.lost(Problem(f"is no FHIR resource: {error}", place))
            return
        if head.resource_type == "Medication":
            self.shared[f"Medication/{head.id}"] = (line, place)
            return
        if head.resource_type not in READ:
            self.reading.count("ignored", f"not read: {head.resource_type or 'a line without resourceType'}")
            return
        person = f"Patient/{head.id}" if head.resource_type == "Patient" else _person(head)
        if not person or not person.isprintable():
            self.reading.count("ignored", f"{head.resource_type} of no patient")
            return
        key = person.encode()
        out[crc32(key) % len(out)].write(b"%b\t%b\t%b\n" % (key, place.encode(), line))

    def medications(self) -> Mapping[str, Found]:
        """Return the medications that can be read, by `Medication/id`."""
        file = File("")
        for line, place in self.shared.values():
            file.walk(line, Place(path=place))
        for problem in file.problems:
            self.reading.lost(problem)
        return {found.name: found for found in file.found if isinstance(found.body, Medication)}


def _person(head: _Line) -> str:
    """Return `Patient/id`, whatever stands before it in a reference; nothing where that is none to a patient."""
    said = head.subject or head.patient
    reference = said.get("reference") if isinstance(said, dict) else None
    if not isinstance(reference, str) or "?" in reference or "#" in reference or not reference.isprintable():
        return ""
    *before, name = reference.split("/_history/")[0].removeprefix("urn:uuid:").split("/")
    return f"Patient/{name}" if name and (not before or before[-1] == "Patient") else ""


class _Patients:
    """Reads the patients of one stack after the other."""

    def __init__(self, codebook: Codebook, shared: Mapping[str, Found], recorded: str | None, reading: Reading) -> None:
        self.codebook = codebook
        self.shared = shared
        self.recorded = recorded
        self.reading = reading

    def read(self, stack: Path) -> Frames:
        """Return the event tables of the patients in a stack, sorted by patient."""
        people: dict[str, File] = {}
        with open(stack, "rb") as lines:
            for line in lines:
                person, place, resource = line.rstrip(b"\n").split(b"\t", 2)
                file = people.setdefault(person.decode(), File(""))
                file.walk(resource, Place(path=place.decode()))
        written = [found for person in sorted(people) if (found := self.person(person, people[person])) is not None]
        return numbered(frames_of(written))

    def person(self, person: str, file: File) -> dict[str, Any] | None:
        file.settle()
        name = person.split("/", 1)[1]
        try:
            written, tally = read_resources(file, self.codebook, self.shared, self.recorded)
        except RecordError as error:
            self.reading.set_aside(name, error.problems)
            return None
        for (kind, message), number in tally.items():
            self.reading.count(kind, message, number)
        for remark in file.remarks:
            self.reading.count("ignored", remark)
        return {**written, "record": name}


_PLAIN = r"^-?[0-9]{1,9}(\.[0-9]{1,6})?$"


def numbered(frames: Mapping[str, pl.DataFrame]) -> Frames:
    """Return event tables in which plain numbers stand as numbers, and all else of a measurement's value as text."""
    found = dict(frames)
    values = found["measurements"]
    plain = pl.col("text").str.contains(_PLAIN)
    number = pl.when(plain).then(pl.col("text")).cast(pl.Float64)
    found["measurements"] = values.with_columns(
        number.alias("value"),
        pl.when(~plain).then("text").alias("text"),
        pl.col("low", "high").cast(pl.Float64),
    )
    return found
