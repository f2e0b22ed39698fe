"""Every clause of the protocol with the criteria that encode it and the worked cases that exercise it both ways.

A trial's worked cases lie in `cases` beside its main file: those of `cases*.yaml` each name a record and its verdicts; a row of
`clauses*.yaml` derives two from the record of another, one in which a clause fails by itself and one in which it alone is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from .errors import Problem, RecordError
from .form import SECTIONS
from .kleene import MET, UNKNOWN, UNMET
from .knowledge import Clause, KnowledgeBase
from .markup import load
from .record import Record
from .screening import ELIGIBLE, INELIGIBLE, UNDECIDED, Screener, Screening, Verdict
from .sources import read_form, read_record
from .written import build

FAILS, OPENS = "fails", "opens"
NAMED_BY = ("quantity", "drug", *SECTIONS.values())
"""The fields of an item that name its concept."""


@dataclass(frozen=True, slots=True)
class Case:
    """A worked record: where it is, the day it is screened on, the sentence it stands for.

    A derived one (`way` fails or opens) changes the record: `change` replaces what it names, `without` is left out. Then
    `blamed` is every clause that fails or is open for the `cohort`, the case's own `clause` or the one that leans on it first.
    """

    name: str
    path: Path
    day: date
    says: str
    cohort: str = ""
    clause: str = ""
    way: str = ""
    blamed: tuple[str, ...] = ()
    change: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    readings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Coverage:
    """A clause: the criteria that cite it, the tests and readings under them, the cases in which they are met and unmet, and
    those in which the clause alone fails, or alone is open. What is `presumed` absent is never open.
    """

    clause: Clause
    criteria: tuple[str, ...]
    tests: tuple[str, ...]
    readings: tuple[str, ...]
    met_in: tuple[str, ...]
    unmet_in: tuple[str, ...]
    fails_in: tuple[str, ...]
    open_in: tuple[str, ...]
    presumed: bool = False

    @property
    def missing(self) -> str:
        """What is missing, in words; nothing where the clause is covered."""
        if not self.criteria:
            return "no criterion cites it"
        if self.clause.role == "rule":
            return ""
        ways = {"fails alone in no case": self.fails_in, "left open alone in no case": self.open_in or self.presumed}
        return ", ".join(words for words, cases in ways.items() if not cases)


# ---- the cases -------------------------------------------------------------------------------------------------------


def cases(kb: KnowledgeBase) -> list[Case]:
    """Return the worked cases of a trial, then those derived from their records. Raises RecordError."""
    folder = kb.main.parent / "cases"
    listed = {}
    for path, row in _rows(folder, "cases*.yaml"):
        case = _made(path, row, _listed)
        listed[case.path.name] = case
    derived: dict[str, Case] = {}
    for path, row in _rows(folder, "clauses*.yaml"):
        for case in _made(path, row, lambda folder, row: _derived(kb, listed, row)):
            if case.name in derived:
                raise RecordError([Problem(f"a second case {case.name}; give one a `name`", str(path))])
            derived[case.name] = case
    return [*listed.values(), *derived.values()]


def _rows(folder: Path, pattern: str) -> Iterator[tuple[Path, Any]]:
    for path in sorted(folder.glob(pattern)):
        document = load(path.read_bytes(), str(path))
        if document.problems or not isinstance(document.value, list):
            raise RecordError(document.problems or [Problem("expected a list of cases", str(path))])
        yield from ((path, row) for row in document.value)


def _made(path: Path, row: Any, make: Any) -> Any:
    try:
        return make(path.parent, row)
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise RecordError([Problem(f"no proper case, {error!r}: {row}", str(path))]) from None


def _listed(folder: Path, row: Mapping[str, Any]) -> Case:
    path = folder / row["record"]
    fits = [code for code, verdict in row.get("verdicts", {}).items() if verdict == ELIGIBLE]
    return Case(path.stem, path, date.fromisoformat(row["on"]), row.get("says", ""), cohort=next(iter(fits), ""))


def _derived(kb: KnowledgeBase, listed: Mapping[str, Case], row: Mapping[str, Any]) -> list[Case]:
    """Return the cases of a row: `clause`, `like`, `fails` and `opens`; where needed `through`, `with`, `readings`, `name`."""
    unknown = set(row) - {"clause", "like", "says", FAILS, OPENS, "through", "with", "readings", "name"}
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    base, clause = listed[row["like"]], kb.clauses[row["clause"]]
    codes = {cohort.code for cohort in kb.cohorts.values()}
    found = []
    for way in (way for way in (FAILS, OPENS) if way in row):
        change = row[way] if isinstance(row[way], dict) else {"without": row[way]}
        case = Case(
            name=row.get("name", clause.id) + " " + way,
            path=base.path,
            day=base.day,
            says=row.get("says", clause.text),
            cohort=clause.cohort if clause.cohort in codes else base.cohort,
            clause=clause.id,
            way=way,
            blamed=(row.get("through", clause.id), *change.get("with", row.get("with", ()))),
            change={name: value for name, value in change.items() if name not in ("without", "with")},
            without=tuple(change.get("without", ())),
            readings=row.get("readings", {}),
        )
        found.append(case)
    return found


def record_of(case: Case, kb: KnowledgeBase) -> Record:
    """Return the record of a case; of a derived one, the other record with what it changes. Raises RecordError."""
    if not case.way:
        return read_record(case.path, kb)
    return build(form_of(case, kb), kb.vocabulary, file=case.name, name=case.name)


def form_of(case: Case, kb: KnowledgeBase) -> Mapping[str, Any]:
    """Return the record of a case in its written form. Raises RecordError."""
    written, _ = read_form(case.path, kb)
    return _changed(written, case) if case.way else written


def _changed(written: Mapping[str, Any], case: Case) -> dict[str, Any]:
    """Leave out what the case is without, and put what it changes in the place of what is said of the same concept."""
    absent = {name for name in case.without if name not in written and name not in written.get("complete", ())}
    changed = {name: value for name, value in written.items() if name not in case.without}
    if "complete" in changed:
        changed["complete"] = [name for name in changed["complete"] if name not in case.without]
    for section in SECTIONS:
        new = case.change.get(section, [])
        gone = {*case.without, *map(_concept, new)}
        absent -= {_concept(item) for item in changed.get(section, [])}
        changed[section] = [*(item for item in changed.get(section, []) if _concept(item) not in gone), *new]
    if absent:
        raise RecordError([Problem(f"{case.path.name} says nothing of {', '.join(sorted(absent))}", case.name)])
    return changed | {name: value for name, value in case.change.items() if name not in SECTIONS}


def _concept(item: Mapping[str, Any]) -> str:
    return next((str(item[name]) for name in NAMED_BY if name in item), "")


def screened(case: Case, screener: Screener) -> Screening:
    """Screen a case, under its readings, without asking which other reading would change a verdict."""
    return screener.screen(record_of(case, screener.kb), case.day, case.readings, dependences=False)


def fault(case: Case, screening: Screening) -> str:
    """Return what is wrong with a derived case, in words; nothing where its clause fails, or is open, as it says."""
    verdict, found = screening.verdict(case.cohort), []
    wanted = INELIGIBLE if case.way == FAILS else UNDECIDED
    if verdict.status != wanted:
        found.append(f"cohort {case.cohort} is {verdict.status}")
    for words, is_so, ought in (
        ("fails", _failing(verdict), case.blamed if case.way == FAILS else ()),
        ("open", _open(verdict), case.blamed if case.way == OPENS else ()),
    ):
        if is_so != set(ought):
            found.append(f"{words}: {', '.join(sorted(is_so)) or 'nothing'}; expected {', '.join(ought) or 'nothing'}")
    parts = _cited(screening.kb).get(case.clause, ())
    if case.clause not in case.blamed and not any(screening.statuses[part] == _status(case.way) for part in parts):
        found.append(f"{case.clause} is not {_status(case.way)}: {', '.join(parts)}")
    return "; ".join(found)


def _status(way: str) -> str:
    return UNMET if way == FAILS else UNKNOWN


def _failing(verdict: Verdict) -> set[str]:
    return {need.clause for need in (*verdict.failing, *verdict.excluded_by)}


def _open(verdict: Verdict) -> set[str]:
    return {need.clause for need in (*verdict.open, *verdict.open_exclusions)}


# ---- the clauses -----------------------------------------------------------------------------------------------------


def coverage(kb: KnowledgeBase, screener: Screener | None = None) -> list[Coverage]:
    """Return every clause with what encodes it and which cases exercise it both ways, in the order of the protocol."""
    screener = screener or Screener(kb)
    screenings = [(case, screened(case, screener)) for case in cases(kb)]
    alone = _alone(screenings)
    cited = _cited(kb)
    return [_covered(kb, clause, cited.get(clause.id, ()), screenings, alone) for clause in kb.clauses.values()]


def _alone(screenings: Iterable[tuple[Case, Screening]]) -> dict[tuple[str, str], dict[str, None]]:
    """Return by clause and way the cases in which it fails, or is open, by itself for some cohort, or as a derived case says."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for case, screening in screenings:
        if case.way:
            named = (case.clause, *(case.blamed if len(case.blamed) == 1 else ()))
            pairs = [] if fault(case, screening) else [(clause, case.way) for clause in named]
        else:
            pairs = [pair for verdict in screening.verdicts.values() for pair in _by_itself(verdict)]
        for pair in pairs:
            found.setdefault(pair, {})[case.name] = None
    return found


def _by_itself(verdict: Verdict) -> Iterator[tuple[str, str]]:
    failing, open_ = _failing(verdict), _open(verdict)
    if len(failing) + len(open_) == 1:
        yield from ((clause, FAILS) for clause in failing)
        yield from ((clause, OPENS) for clause in open_)


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
    kb: KnowledgeBase,
    clause: Clause,
    criteria: Iterable[str],
    screenings: Iterable[tuple[Case, Screening]],
    alone: Mapping[tuple[str, str], Iterable[str]],
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
        tuple(alone.get((clause.id, FAILS), ())),
        tuple(alone.get((clause.id, OPENS), ())),
        bool(known) and all(kb.criteria[name].kind == "presumed_absent" for name in known),
    )


def _cases_with(status: str, criteria: Iterable[str], screenings: Iterable[tuple[Case, Screening]]) -> Iterator[str]:
    names = list(criteria)
    for case, screening in screenings:
        if any(screening.statuses[name] == status for name in names):
            yield case.name
