"""A second trial, invented: docs/write-a-trial.md runs, and each mechanism that it needs holds at its bounds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pyscreen import Screener, load, written
from pyscreen.cli import main
from pyscreen.screening import ELIGIBLE, INELIGIBLE, UNDECIDED, Screening

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "write-a-trial.md"
TRIAL = "diabetic_kidney"
DAY = date(2026, 11, 22)


# ---- the page --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """A command of the page, the line it stands on, and what stands under it."""

    line: int
    text: str
    output: tuple[str, ...]


def commands() -> list[Command]:
    found: list[Command] = []
    for number, line in enumerate(PAGE.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("    $ "):
            found.append(Command(number, line[6:], ()))
        elif found and number == found[-1].line + len(found[-1].output) + 1 and (line.startswith("    ") or not line):
            found[-1] = Command(found[-1].line, found[-1].text, (*found[-1].output, line[4:]))
    return found


def facts() -> list[str]:
    """Return the facts and the parts of cases that the page quotes."""
    blocks = re.split(r"^(?! {4}|$).*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line[4:] for block in blocks if "    $ " not in block for line in block.splitlines() if line]


def test_the_commands_of_the_page_print_what_stands_under_them(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "kb", tmp_path / "kb")
    bin_ = Path(sys.executable).parent
    environment = {
        name: value for name, value in os.environ.items() if name != "PYSCREEN_KB"
    } | {"PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}  # fmt: skip
    for command in commands():
        ran = subprocess.run(
            command.text, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        printed = (ran.stdout + ran.stderr).splitlines()
        place = 0
        for line in command.output:
            if line.strip() in ("...", ""):
                continue
            assert line.rstrip() in printed[place:], (
                f"{PAGE.name}:{command.line}: {command.text} does not print {line!r}"
            )
            place += printed[place:].index(line.rstrip()) + 1


def test_the_page_has_commands_and_facts() -> None:
    assert len(commands()) >= 10
    assert len(facts()) >= 20


def test_the_facts_of_the_page_are_those_of_the_trial() -> None:
    files = [*(ROOT / "kb" / "trials" / TRIAL).rglob("*.*"), ROOT / "kb" / "vocabulary" / "diabetic_kidney.lp"]
    held = {line.rstrip() for path in files for line in path.read_text(encoding="utf-8").splitlines()}
    assert [fact for fact in facts() if fact.rstrip() not in held] == []


def test_the_trial_is_facts_alone() -> None:
    """No rule, and nothing of it in the engine or in Python."""
    folder = ROOT / "kb" / "trials" / TRIAL
    assert not [path.name for path in folder.glob("*.lp") if ":-" in path.read_text(encoding="utf-8")]
    code = [*(ROOT / "kb" / "engine").glob("*.lp"), *(ROOT / "pyscreen").glob("*.py")]
    words = ("diabetic_kidney", "semaglutide", "basal_cell", "glucose_lowering", "randomisation")
    assert not [(path.name, word) for path in code for word in words if word in path.read_text(encoding="utf-8")]


# ---- the mechanisms at their bounds ----------------------------------------------------------------------------------


@cache
def screener() -> Screener:
    return Screener(load(TRIAL))


def screened(day: date = DAY, exact: bool = False, **record: Any) -> Screening:
    ready = screener()
    return ready.screen(written.build(record, ready.kb.vocabulary), day, exact=exact)


def status(criterion: str, day: date = DAY, **record: Any) -> str:
    return screened(day, **record).statuses[criterion]


def before(days: int) -> str:
    return (DAY - timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("drug", "days", "wanted"),
    [
        ("dapagliflozin", 27, "met"),
        ("dapagliflozin", 28, "met"),
        ("dapagliflozin", 29, "unmet"),
        ("dulaglutide", 28, "met"),  # five half-lives are 25 days, less than 28
        ("dulaglutide", 29, "unmet"),
        ("semaglutide", 34, "met"),
        ("semaglutide", 35, "met"),
        ("semaglutide", 36, "unmet"),
        ("metformin", 1, "unmet"),
        ("insulin", 1, "unmet"),
    ],
)
def test_a_wash_out_is_the_longer_of_days_and_half_lives(drug: str, days: int, wanted: str) -> None:
    course = {"drug": drug, "start": "2025-01-01", "end": before(days)}
    assert status("recent_glucose_lowering_drug", complete=["therapies"], therapies=[course]) == wanted


def test_a_wash_out_is_open_while_the_end_or_the_history_is() -> None:
    ended = {"drug": "semaglutide", "start": "2025-01-01", "end": "2026-10"}
    assert status("recent_glucose_lowering_drug", complete=["therapies"], therapies=[ended]) == "unknown"
    assert status("recent_glucose_lowering_drug") == "unknown"
    assert (
        status("recent_glucose_lowering_drug", therapies=[{"drug": "glucose_lowering_drug", "taken": False}]) == "unmet"
    )


LUNG = {"finding": "malignancy", "date": "2025"}
SKIN = {"finding": "basal_cell_carcinoma", "date": "2025"}


@pytest.mark.parametrize(
    ("findings", "complete", "wanted"),
    [
        ([], [], "unknown"),
        ([], ["malignancy"], "unmet"),
        ([SKIN], [], "unknown"),
        ([SKIN], ["malignancy"], "unmet"),
        ([SKIN], ["basal_cell_carcinoma"], "unknown"),
        ([LUNG], ["malignancy"], "unknown"),  # it may be the excepted one
        ([SKIN, LUNG], ["malignancy"], "unknown"),
        ([{"finding": "malignancy", "present": False, "date": "2026-11-20"}], [], "unmet"),
        ([{"finding": "basal_cell_carcinoma", "present": False, "date": "2026-11-20"}], [], "unknown"),
        ([{**LUNG, "date": "2015", "end": "2016"}, SKIN], ["malignancy"], "unmet"),
    ],
)
def test_an_exception_belongs_to_the_item(findings: list[dict[str, Any]], complete: list[str], wanted: str) -> None:
    assert status("recent_malignancy", findings=findings, complete=complete) == wanted


def test_a_kind_of_a_finding_is_the_finding() -> None:
    record = {"findings": [{"finding": "type_2_diabetes", "date": "2012"}]}
    vocabulary = screener().kb.vocabulary
    assert vocabulary.members("diabetes_mellitus") >= {"diabetes_mellitus", "type_2_diabetes"}
    assert status("finding(type_2_diabetes)", **record) == "met"
    wider = {"findings": [{"finding": "diabetes_mellitus", "date": "2012"}], "complete": ["findings"]}
    assert status("finding(type_2_diabetes)", **wider) == "unknown"


@pytest.mark.parametrize(
    ("planned", "injury", "wanted"),
    [
        ("2026-12-01", "2026-09-02", "met"),  # 90 days before the planned day
        ("2026-12-01", "2026-09-01", "unmet"),
        (None, before(90), "met"),
        (None, before(91), "unmet"),
        ("2026-12", "2026-09-10", "unknown"),
    ],
)
def test_a_planned_event_anchors_the_window(planned: str | None, injury: str, wanted: str) -> None:
    events: list[dict[str, Any]] = [{"event": "acute_kidney_injury", "date": injury}]
    if planned:
        events.append({"event": "randomisation", "date": planned, "planned": True})
    assert status("recent_kidney_injury", events=events, complete=["acute_kidney_injury"]) == wanted


@pytest.mark.parametrize(
    ("imaging", "wanted"),
    [
        ({"date": "2026-11-22", "planned": True}, "met"),
        ({"date": (DAY + timedelta(weeks=16)).isoformat(), "planned": True}, "met"),
        ({"date": (DAY + timedelta(weeks=16, days=1)).isoformat(), "planned": True}, "unmet"),
        ({"date": "2026-11", "planned": True}, "met"),  # what is planned is still to come
        ({"planned": True}, "unknown"),
        ({"date": "2026-11-01"}, "unmet"),  # done is not planned
        ({"done": False, "planned": True}, "unmet"),
    ],
)
def test_what_is_planned_is_asked_for_ahead(imaging: dict[str, Any], wanted: str) -> None:
    procedures = [{"procedure": "contrast_imaging", **imaging}]
    assert status("contrast_planned", procedures=procedures, complete=["procedures"]) == wanted


def test_what_must_be_known_is_presumed_absent_and_shown_so() -> None:
    allergy = {"finding": "study_drug_hypersensitivity", "date": "2021"}
    silent = screened()
    assert silent.statuses["known_hypersensitivity"] == "unmet"
    assert silent.presumed == ["known_hypersensitivity"]
    denied = screened(findings=[{**allergy, "present": False}])
    assert (denied.statuses["known_hypersensitivity"], denied.presumed) == ("unmet", [])
    known = screened(findings=[allergy])
    assert (known.statuses["known_hypersensitivity"], known.presumed) == ("met", [])


def test_what_is_presumed_stays_so_when_decided_exactly() -> None:
    from pyscreen.markup import load as read

    path = ROOT / "kb" / "trials" / TRIAL / "cases" / "one_risk_known.yaml"
    record = read(path.read_bytes(), str(path)).value
    assert isinstance(record, dict)
    assert screened(exact=True, **record).best.status == UNDECIDED
    record["measurements"][-1]["value"] = "7.5 %"
    assert screened(exact=True, **record).best.status == ELIGIBLE
    record["findings"].append({"finding": "study_drug_hypersensitivity"})
    assert screened(exact=True, **record).best.status == INELIGIBLE


def test_waiting_for_a_washout_names_the_drug_that_is_not_washed_out() -> None:
    record = ROOT / "kb/trials/diabetic_kidney/cases/semaglutide_five_weeks_ago.yaml"
    line = ["whatif", str(record), "--trial", "diabetic_kidney", "--on", "2026-11-22", "--format", "json"]
    (plan,) = json.loads(CliRunner().invoke(main, line).stdout)["cohorts"][0]["plans"]
    (wait,) = plan["waits"]
    assert wait["day"] == "2026-11-23"
    assert "Semaglutide 1 mg/wk" in wait["label"]
    assert "Dapagliflozin" not in wait["label"]


def test_one_open_cohort_is_one() -> None:
    record = ROOT / "kb/trials/diabetic_kidney/cases/one_risk_known.yaml"
    said = CliRunner().invoke(main, ["next", str(record), "--trial", "diabetic_kidney", "--on", "2026-11-22"]).stdout
    assert "1 of 1 cohorts is open (1)" in said
