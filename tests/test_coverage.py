"""Every clause of the protocol is in the knowledge base, and a case fails by it alone, another is left open by it alone."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyscreen import coverage, knowledge
from pyscreen.cli import main
from pyscreen.errors import RecordError
from tests.partial import covered

TRIAL = "cd19_autoimmune"
PROTOCOL = Path(__file__).parent.parent.parent / "shared" / "protocol" / "clauses.tsv"


@pytest.fixture(scope="module")
def rows() -> dict[str, coverage.Coverage]:
    return {row.clause.id: row for row in covered()}


@pytest.fixture
def missing(tmp_path: Path) -> Callable[[str, str], dict[str, str]]:
    """Return how to ask what is missing of the exclusions once a text among their cases is put for another."""

    def ask(old: str, new: str) -> dict[str, str]:
        root = tmp_path / "kb"
        shutil.copytree(knowledge.default_root(), root, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
        for path in (root / "trials" / TRIAL / "cases").glob("clauses*.yaml"):
            if path.stem != "clauses_exclusions":
                path.unlink()
                continue
            text = path.read_text(encoding="utf-8")
            assert text.count(old) == 1, old
            path.write_text(text.replace(old, new), encoding="utf-8")
        rows = coverage.coverage(knowledge.load(TRIAL, root))
        return {row.clause.id: row.missing for row in rows if row.missing and row.clause.role == "exclusion"}

    return ask


@pytest.mark.skipif(not PROTOCOL.exists(), reason="the protocol does not lie beside the project")
def test_every_clause_of_the_protocol_is_there() -> None:
    with PROTOCOL.open(encoding="utf-8", newline="") as file:
        written = {row["clause"]: (row["role"], row["cohort"]) for row in csv.DictReader(file, delimiter="\t")}
    assert {clause.id: (clause.role, clause.cohort) for clause in knowledge.load(TRIAL).clauses.values()} == written


@pytest.mark.skipif(not PROTOCOL.exists(), reason="the protocol does not lie beside the project")
def test_every_entry_of_the_register_is_a_reading() -> None:
    """No surer than the register is, and on the clauses that name the entry there; some are parted, as N14.ldh."""
    readings = knowledge.load(TRIAL).readings.values()
    register = dict(_register())
    assert len(register) > 150
    for entry, confidence in register.items():
        found = [reading for reading in readings if reading.id == entry or reading.id.startswith(f"{entry}.")]
        assert found, entry
        assert all("LMH".index(reading.confidence[0].upper()) <= max(map("LMH".find, confidence)) for reading in found), entry
    with PROTOCOL.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            for entry in row["register"].split():
                named = {clause for reading in readings if reading.id.split(".")[0] == entry for clause in reading.clauses}
                assert row["clause"] in named, (entry, row["clause"])


def _register() -> Iterator[tuple[str, str]]:
    """Yield the entries of the register, with the letters of their confidence (H, M, L)."""
    for line in (PROTOCOL.parent / "register.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) > 4 and re.fullmatch(r"[GXAN]\d+[a-z]?", cells[0]):
            yield cells[0], cells[-1].strip("*").split(".")[0].split(" (")[0]


def test_every_clause_fails_alone_and_is_open_alone(rows: dict[str, coverage.Coverage]) -> None:
    assert len(rows) == 136
    assert {name: row.missing for name, row in rows.items() if row.missing} == {}


def test_a_clause_counts_by_its_own_cases(rows: dict[str, coverage.Coverage]) -> None:
    assert "1.2.marrow fails" in rows["1.2.marrow"].fails_in
    assert {"1.2.marrow opens", "marrow_missing"} <= set(rows["1.2.marrow"].open_in)
    assert "1.2.marrow fails" not in rows["1.2.smear"].fails_in
    assert rows["1.4.relapse"].fails_in == ("1.4.relapse fails",), "a part counts by the cases of its own"


def test_a_case_that_is_taken_away_is_missed(missing: Callable[[str, str], dict[str, str]], tmp_path: Path) -> None:
    assert missing("  opens: [disseminated_intravascular_coagulation]\n", "") == {
        "ex.5.dic": "left open alone in no case"
    }
    ran = CliRunner().invoke(main, ["kb", "coverage", "--kb", str(tmp_path / "kb"), "--trial", TRIAL])
    assert ran.exit_code == 5
    assert re.search(r"^ex\.5\.dic .* left open alone in no case$", ran.output, re.MULTILINE)


def test_a_case_that_no_longer_fails_by_its_clause_is_missed(missing: Callable[[str, str], dict[str, str]]) -> None:
    assert missing("value: 290, unit: umol/L", "value: 90, unit: umol/L") == {"ex.9.egfr": "fails alone in no case"}


def test_a_name_that_the_record_does_not_hold_is_an_error(missing: Callable[[str, str], dict[str, str]]) -> None:
    with pytest.raises(RecordError, match="says nothing of disseminated_coagulation"):
        missing("opens: [disseminated_intravascular_coagulation]", "opens: [disseminated_coagulation]")


def test_a_field_that_no_row_has_is_an_error(missing: Callable[[str, str], dict[str, str]]) -> None:
    with pytest.raises(RecordError, match="unknown fields"):
        missing("opens: [disseminated_intravascular_coagulation]", "open: [disseminated_intravascular_coagulation]")
