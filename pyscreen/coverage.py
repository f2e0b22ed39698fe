"""Every clause of the protocol with the criteria that encode it and the worked cases that exercise it both ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from .errors import Problem, RecordError
from .kleene import MET, UNMET
from .knowledge import Clause, KnowledgeBase
from .markup import load
from .screening import Screener, Screening
from .sources import read_record


@dataclass(frozen=True, slots=True)
class Case:
    """A worked record: where it is, the day it is screened on, the sentence it stands for."""

    path: Path
    day: date
    says: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """A clause: the criteria that cite it, the tests and readings under them, the cases in which they are met and unmet."""

    clause: Clause
    criteria: tuple[str, ...]
    tests: tuple[str, ...]
    readings: tuple[str, ...]
    met_in: tuple[str, ...]
    unmet_in: tuple[str, ...]

    @property
    def missing(self) -> str:
        """What is missing, in words; nothing where the clause is covered."""
        if self.clause.role == "rule" and self.criteria:
            return ""
        if not self.criteria:
            return "no criterion cites it"
        ways = {"met": self.met_in, "unmet": self.unmet_in}
        return ", ".join(f"{way} in no case" for way, cases in ways.items() if not cases and self.clause.role != "note")


def cases(kb: KnowledgeBase) -> list[Case]:
    """Return the worked cases of a trial, from `cases/cases.yaml` beside its main file. Raises RecordError."""
    path = kb.main.parent / "cases" / "cases.yaml"
    if not path.exists():
        return []
    document = load(path.read_bytes(), str(path))
    if document.problems or not isinstance(document.value, list):
        raise RecordError(document.problems or [Problem("expected a list of cases", str(path))])
    return [_case(path, entry) for entry in document.value]


def _case(path: Path, entry: Any) -> Case:
    try:
        return Case(
            path.parent / str(entry["record"]), date.fromisoformat(str(entry["on"])), str(entry.get("says", ""))
        )
    except (TypeError, KeyError, ValueError) as error:
        raise RecordError([Problem(f"a case needs record and on: {error}", str(path))]) from None


def coverage(kb: KnowledgeBase, screener: Screener | None = None) -> list[Coverage]:
    """Return every clause with what encodes it and which cases exercise it both ways, in the order of the protocol."""
    screener = screener or Screener(kb)
    screenings = {
        case.path.stem: screener.screen(read_record(case.path, kb), case.day) for case in cases(kb)
    }  # fmt: skip
    cited = _cited(kb)
    return [_covered(kb, clause, cited.get(clause.id, ()), screenings) for clause in kb.clauses.values()]


def _cited(kb: KnowledgeBase) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    needs = [need for cohort in kb.cohorts.values() for need in cohort.needs]
    for need in (*needs, *kb.exclusions):
        found.setdefault(need.clause, {})[need.criterion] = None
    for criterion in kb.criteria.values():
        for clause in criterion.clauses:
            found.setdefault(clause, {})[criterion.id] = None
    for row in kb.program.rows("combines", 2):
        found.setdefault(row[0], {})[row[1]] = None
    return {clause: list(criteria) for clause, criteria in found.items()}


def _covered(
    kb: KnowledgeBase, clause: Clause, criteria: Iterable[str], screenings: Mapping[str, Screening]
) -> Coverage:
    known = [name for name in criteria if name in kb.criteria]
    below = list(kb.below(known))
    tests = tuple(node.id for node in below if node.kind == "test")
    used = (m.detail[0] for node in below if node.kind == "by_reading" for m in node.members)
    own = [reading.id for reading in kb.readings.values() if clause.id in reading.clauses]
    return Coverage(
        clause,
        tuple(criteria),
        tests,
        tuple(dict.fromkeys([*own, *used])),
        tuple(_cases_with(MET, known, screenings)),
        tuple(_cases_with(UNMET, known, screenings)),
    )


def _cases_with(status: str, criteria: Iterable[str], screenings: Mapping[str, Screening]) -> Iterator[str]:
    names = list(criteria)
    for case, screening in screenings.items():
        if any(screening.statuses[name] == status for name in names):
            yield case
