"""An interview: the best question, an answer written into the record, the verdicts that move, until all is decided.

An answer becomes what it is: a value a measurement, a finding a finding, what a clinician judged a judgement; only what no item of one
day can say is a direct answer to the test itself. What the record would not take is refused, and asked again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from .asking import Advice, Asker, Question, State
from .dates import parse_when
from .errors import Problem, RecordError, RequestError
from .files import write_whole
from .markup import amended, dump, load
from .screening import Screener, Screening
from .written import build

YES, NO = ("yes", "y", "true"), ("no", "n", "false")
_ON = re.compile(r"\s+on\s+(\S+)$", re.IGNORECASE)
_LIMITS = re.compile(r"\s*\(\s*([^()\s]+)\s*(?:-|to)\s*([^()\s]+)\s*\)$")
_TOLD = {"finding": "present", "procedure": "done", "event": "happened", "judgement": "answer", "consent": "given"}
"""The field of each kind of statement that says whether it is so."""


class Refused(ValueError):
    """An answer that the record cannot take, and why."""


@dataclass(frozen=True, slots=True)
class Move:
    """A verdict that another answer has changed."""

    code: str
    before: str
    after: str


@dataclass
class Interview:
    """A record in the making. `written` is its written form; `by` says who answers, where the form has a place for it.

    `source` is the text that it was read from, of which the comments are kept when it is saved.
    """

    screener: Screener
    written: dict[str, Any]
    name: str
    day: date
    readings: Mapping[str, str] | None = None
    by: str | None = None
    source: str = ""
    put_off: list[tuple[str, str, str]] = field(default_factory=list)
    asked: int = 0
    _before: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.asker = Asker(self.screener.kb)
        self.screening = self._screened(self.written)

    def _screened(self, written: Mapping[str, Any]) -> Screening:
        kb = self.screener.kb
        record = build(written, kb.vocabulary, name=self.name, tests=kb.tests)
        return self.screener.screen(record, self.day, self.readings, dependences=False)

    @property
    def state(self) -> State:
        """How far the cohorts are from being decided."""
        return self.asker.begin(self.screening, self.put_off)

    def next(self) -> Advice | None:
        """Return the best question, or None where all is decided or nothing more can be asked."""
        return next(iter(self.state.advice()), None)

    def answer(self, question: Question, text: str) -> list[Move]:
        """Write an answer into the record, and return the verdicts that move; raises Refused."""
        written = deepcopy(self.written)
        self._write(written, question, " ".join(text.split()))
        try:
            screening = self._screened(written)
        except RecordError as error:
            raise Refused("; ".join(problem.message for problem in error.problems)) from None
        fresh = [note for note in screening.record.notes if note not in self.screening.record.notes]
        if fresh:
            raise Refused("; ".join(note.message for note in fresh))
        moves = self._moves(screening)
        self._keep(question)
        self.written, self.screening = written, screening
        return moves

    def do_not_know(self, question: Question) -> None:
        """Put a question off."""
        self._keep(question)

    def back(self) -> bool:
        """Take the last answer back; tell whether there was one."""
        if not self._before:
            return False
        self.written, self.put_off = self._before.pop()
        self.asked -= 1
        self.screening = self._screened(self.written)
        return True

    def _keep(self, question: Question) -> None:
        self._before.append((self.written, list(self.put_off)))
        self.put_off.append(question.key)
        self.asked += 1

    def _moves(self, screening: Screening) -> list[Move]:
        before = self.screening.verdicts
        return [
            Move(verdict.cohort.code, before[cohort].status, verdict.status)
            for cohort, verdict in screening.verdicts.items()
            if verdict.status != before[cohort].status
        ]

    # ---- writing -----------------------------------------------------------------------------------------------------

    def _write(self, written: dict[str, Any], question: Question, text: str) -> None:
        if question.kind == "sex":
            written["sex"] = self._word(text, {"female": ("female", "f"), "male": ("male", "m")})
        elif question.kind == "birth":
            written["birth_date"] = self._date(text)
        elif question.kind == "value":
            _add(written, "measurements", self._value(question, text))
        elif question.kind == "direct":
            yes, _ = self._yes(text)
            _add(written, "answers", {"test": question.concept, "answer": yes, "date": self.day.isoformat(), **self._said()})
        else:
            _add(written, f"{question.kind}s", self._statement(question, text))

    def _value(self, question: Question, text: str) -> dict[str, Any]:
        text, day = self._dated(text)
        limits = _LIMITS.search(text)
        row = {"quantity": question.concept, "value": _LIMITS.sub("", text), "date": day or self.day.isoformat()}
        if limits:
            row |= {"low": limits[1], "high": limits[2]}
        return row | ({"method": question.method} if question.method else {})

    def _statement(self, question: Question, text: str) -> dict[str, Any]:
        yes, day = self._yes(text)
        row: dict[str, Any] = {question.kind: question.concept}
        if not yes:
            row[_TOLD[question.kind]] = False
        today = self.day.isoformat()
        if question.kind == "finding" and yes:
            row |= {"stated": today} | ({"date": day} if day else {})
        elif question.kind in ("procedure", "event") and yes:
            row |= {"date": day} if day else {}
        else:
            row["date"] = day or today
        if question.method:
            row["method"] = question.method
        return row | (self._said() if question.kind in ("judgement", "consent") else {})

    def _said(self) -> dict[str, str]:
        return {"by": self.by} if self.by else {}

    def _yes(self, text: str) -> tuple[bool, str | None]:
        text, day = self._dated(text)
        return self._word(text, {"yes": YES, "no": NO}) == "yes", day

    def _word(self, text: str, words: Mapping[str, tuple[str, ...]]) -> str:
        for word, ways in words.items():
            if text.casefold() in ways:
                return word
        raise Refused(f"expected {' or '.join(words)}")

    def _dated(self, text: str) -> tuple[str, str | None]:
        """Split `22 10*9/L on 2026-11-18` into the answer and its date."""
        found = _ON.search(text)
        return (text[: found.start()], self._date(found[1])) if found else (text, None)

    def _date(self, text: str) -> str:
        try:
            when = parse_when(text)
        except ValueError as error:
            raise Refused(str(error)) from None
        if when.earliest > self.day:
            raise Refused(f"{text} is after the screening date, {self.day}")
        return text


def _add(written: dict[str, Any], section: str, row: dict[str, Any]) -> None:
    """Add a row to a section, which may not be there yet."""
    written[section] = [*(written.get(section) or ()), row]


# ---- files -----------------------------------------------------------------------------------------------------------


def open_record(path: Path, screener: Screener, patient: str | None = None) -> dict[str, Any]:
    """Return the written form of a record in a file (also of FHIR); of a file that does not exist, an empty record by its name.

    Raises RecordError with everything that is wrong with it.
    """
    from . import fhir

    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {"record": path.stem}
    except OSError as error:
        raise RecordError([Problem(f"cannot be read: {error.strerror or error}", str(path))]) from None
    kb = screener.kb
    if fhir.looks_like_fhir(data):
        form, _ = fhir.read(data, kb.vocabulary, name=str(path), patient=patient)
        return dict(form)
    from .sources import parse_record

    parse_record(data, kb, str(path), patient)  # tells every problem with its line
    value = load(data, str(path)).value
    assert isinstance(value, dict)
    return dict(value)


def file_to_save(path: Path) -> Path:
    """Return the file to save to; raises RequestError where that is FHIR, which says more than a written record keeps of it."""
    from . import fhir

    if path.is_file() and fhir.looks_like_fhir(path.read_bytes()):
        raise RequestError([Problem("is FHIR, and is not written over; name another file with --output", str(path))])
    return path


def comments_of(path: Path) -> str:
    """Return the text of a YAML file that may be worth keeping line by line; nothing of what is none, or not there."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return "" if text.lstrip()[:1] == "{" else text


def save(written: Mapping[str, Any], path: Path, source: str = "") -> None:
    """Write a record whole or not at all, as YAML, or JSON where the file's name ends so; raises RequestError.

    Of the YAML text `source` every line is kept, comments among them, where what is new goes between them.
    """
    import json

    if path.suffix == ".json":
        text = json.dumps(written, indent=2, ensure_ascii=False) + "\n"
    else:
        text = (amended(source, written) if source else None) or dump(written)
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise RequestError([Problem(f"cannot be written: {error.strerror or error}", str(path))]) from None
