"""The worked records of each trial get the verdicts that stand beside them, by every road: pyscreen, stock clingo, FHIR.

The listed cases (`cases*.yaml`) go by each road; those derived from them for one clause (`clauses*.yaml`) by pyscreen.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import pyscreen
from pyscreen import coverage
from pyscreen.knowledge import KnowledgeBase, default_root
from pyscreen.markup import load
from pyscreen.record import Record
from pyscreen.screening import ELIGIBLE, INELIGIBLE, UNDECIDED, Screener, Screening, facts
from pyscreen.sources import read_record

MANY = Path(__file__).parent / "engine" / "cases.lp"
REASONS = ("failing", "open", "excluded_by", "open_exclusions")


@dataclass(frozen=True)
class Case:
    """A record that a trial's `cases*.yaml` lists, with what it must get."""

    folder: Path
    says: Mapping[str, Any]

    @property
    def trial(self) -> str:
        return self.folder.parent.name

    @property
    def day(self) -> date:
        return date.fromisoformat(self.says["on"])

    def __str__(self) -> str:
        return f"{self.trial}: {Path(self.says['record']).stem}"


def _cases() -> list[Case]:
    found = []
    for path in sorted(default_root().glob("trials/*/cases/cases*.yaml")):
        listed = load(path.read_bytes(), str(path)).value
        assert isinstance(listed, list), path
        found += [Case(path.parent, says) for says in listed if isinstance(says, dict)]
    return found


CASES = _cases()
BUNDLED = [case for case in CASES if "bundle" in case.says]
every_case = pytest.mark.parametrize("case", CASES, ids=str)
TRIALS = sorted({case.trial for case in CASES})


@cache
def screener(trial: str) -> Screener:
    return Screener(pyscreen.load(trial))


DERIVED = [(trial, case) for trial in TRIALS for case in coverage.cases(screener(trial).kb) if case.way]


@cache
def derived(trial: str, name: str) -> Screening:
    case = next(case for of, case in DERIVED if (of, case.name) == (trial, name))
    return coverage.screened(case, screener(trial))


def kb_of(case: Case) -> KnowledgeBase:
    return screener(case.trial).kb


def record_of(case: Case, field: str = "record") -> Record:
    return read_record(case.folder / case.says[field], kb_of(case))


@cache
def _screened(folder: Path, file: str, day: date) -> Screening:
    ready = screener(folder.parent.name)
    return ready.screen(read_record(folder / file, ready.kb), day)


def screened(case: Case, field: str = "record") -> Screening:
    return _screened(case.folder, case.says[field], case.day)


def clauses(screening: Screening, cohort: str) -> dict[str, list[str]]:
    """Return what fails or is open for a cohort, by clause."""
    verdict = screening.verdict(cohort)
    found = {name: [need.clause for need in getattr(verdict, name)] for name in REASONS}
    return {name: named for name, named in found.items() if named}


# ---- what the cases say ----------------------------------------------------------------------------------------------


@every_case
def test_the_case_gets_its_verdicts(case: Case) -> None:
    screening = screened(case)
    assert {code: screening.verdict(code).status for code in case.says["verdicts"]} == case.says["verdicts"]


@pytest.mark.parametrize(("trial", "case"), DERIVED, ids=[f"{trial}: {case.name}" for trial, case in DERIVED])
def test_the_clause_alone_fails_or_is_open(trial: str, case: coverage.Case) -> None:
    assert coverage.fault(case, derived(trial, case.name)) == ""


@every_case
def test_the_verdicts_rest_on_what_the_case_names(case: Case) -> None:
    screening = screened(case)
    expected = {
        code: {name: sorted(named) for name, named in why.items()} for code, why in case.says["because"].items()
    }
    found = {code: {name: sorted(named) for name, named in clauses(screening, code).items()} for code in expected}
    assert found == expected


@every_case
def test_conflicts_are_said_and_no_others(case: Case) -> None:
    messages = [note.message for note in screened(case).conflicts]
    assert messages == ([case.says["conflict"]] if "conflict" in case.says else [])


@pytest.mark.parametrize("case", [case for case in CASES if "depends_on" in case.says], ids=str)
def test_another_reading_gives_the_verdict_that_the_case_names(case: Case) -> None:
    for code, readings in case.says["depends_on"].items():
        told = {(d.reading, d.option): d.verdict for d in screened(case).verdict(code).depends_on}
        for reading, options in readings.items():
            for option, status in options.items():
                assert told[reading, option] == status
                other = screener(case.trial).screen(record_of(case), case.day, {reading: option})
                assert other.verdict(code).status == status


@pytest.mark.parametrize("trial", TRIALS)
def test_the_cases_are_all_there(trial: str) -> None:
    cases = [case for case in CASES if case.trial == trial]
    folder = cases[0].folder
    listed = [case.says[field] for case in cases for field in ("record", "bundle") if field in case.says]
    lists = {path for pattern in ("cases*.yaml", "clauses*.yaml") for path in folder.glob(pattern)}
    there = [path.name for path in folder.iterdir() if path.suffix in (".yaml", ".json") and path not in lists]
    assert sorted(listed) == sorted(there), "every file of the folder is a case, every case a file"
    cohorts = {cohort.code for cohort in kb_of(cases[0]).cohorts.values()}
    for case in cases:
        assert set(case.says["verdicts"]) | set(case.says["because"]) <= cohorts, case


@pytest.mark.parametrize("trial", TRIALS)
def test_every_cohort_has_its_cases(trial: str) -> None:
    kb = screener(trial).kb
    verdicts = [verdict for case in CASES if case.trial == trial for verdict in case.says["verdicts"].items()]
    derived = [(case.cohort, case.way) for of, case in DERIVED if of == trial]
    for cohort in kb.cohorts.values():
        found = {verdict for code, verdict in verdicts if code == cohort.code}
        found |= {INELIGIBLE if way == coverage.FAILS else UNDECIDED for code, way in derived if code == cohort.code}
        assert found == {ELIGIBLE, INELIGIBLE, UNDECIDED}, cohort.code


# ---- by other roads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trial", TRIALS)
def test_stock_clingo_agrees(trial: str, tmp_path: Path) -> None:
    """One process for all the cases of a trial, listed and derived: the trial's main.lp, and one model for each case."""
    screenings = [screened(case) for case in CASES if case.trial == trial]
    screenings += [derived(trial, case.name) for of, case in DERIVED if of == trial]
    found = _by_stock_clingo(default_root() / "trials" / trial / "main.lp", screenings, tmp_path / "answers.lp")
    for number, screening in enumerate(screenings):
        expected = {f"{verdict.status}({cohort})" for cohort, verdict in screening.verdicts.items()}
        assert found[number] == expected, screening.record.id


def _by_stock_clingo(main: Path, screenings: Sequence[Screening], answers: Path) -> dict[int, set[str]]:
    """Return what stock clingo shows of each screening, by its number."""
    said = [
        f"says({number},{line.split(').  %')[0].removesuffix(').')}))."
        for number, screening in enumerate(screenings)
        for line in facts(screening).splitlines()
        if not line.startswith("%")
    ]
    answers.write_text("\n".join(said))
    command = [sys.executable, "-m", "clingo", "0", str(main), str(MANY), str(answers), "--outf=2", "--warn=all"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not ran.stderr.strip(), ran.stderr
    models = [set(witness["Value"]) for witness in json.loads(ran.stdout)["Call"][0]["Witnesses"]]
    shown = {next(atom for atom in model if atom.startswith("screened(")): model for model in models}
    assert len(models) == len(shown) == len(screenings)
    return {number: shown[f"screened({number})"] - {f"screened({number})"} for number in range(len(screenings))}


@every_case
def test_exact_contradicts_no_decided_verdict(case: Case) -> None:
    plain = screened(case)
    exact = screener(case.trial).screen(record_of(case), case.day, exact=True)
    for cohort, verdict in plain.verdicts.items():
        sharpened = exact.verdicts[cohort]
        assert sharpened.status == verdict.status or (verdict.status == UNDECIDED and sharpened.exact)


@pytest.mark.parametrize("case", BUNDLED, ids=str)
def test_the_bundle_of_a_hospital_gets_the_same_verdicts(case: Case) -> None:
    written, bundled = screened(case), screened(case, "bundle")
    assert {c: v.status for c, v in bundled.verdicts.items()} == {c: v.status for c, v in written.verdicts.items()}
    for cohort in written.verdicts:
        assert clauses(bundled, cohort) == clauses(written, cohort)


@pytest.mark.parametrize("case", BUNDLED, ids=str)
def test_the_bundle_says_what_was_not_used(case: Case) -> None:
    notes = [f"{note.kind}: {note.message}" for note in record_of(case, "bundle").notes]
    assert any("status preliminary" in note or "status cancelled" in note for note in notes), notes
    assert "ignored: not read: 1 Encounter" in notes
    assert any(note.startswith("unmapped: ") for note in notes)
    assert not any(note.startswith("conflict") for note in notes)


def test_a_bundle_says_how_a_course_went_and_what_is_complete() -> None:
    case = next(case for case in BUNDLED if "itp" in case.says["bundle"])
    record = record_of(case, "bundle")
    assert record.complete == {"therapies", "procedures"}
    assert {t.concept for t in record.therapies if t.response == "none"} == {
        "methylprednisolone", "prednisone", "tacrolimus", "eltrombopag",
    }  # fmt: skip
