"""What strong Kleene logic leaves open although every consistent completion agrees, `exact` decides."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

import pyscreen
from pyscreen.knowledge import default_root
from pyscreen.screening import ELIGIBLE, INELIGIBLE, UNDECIDED, Screener
from pyscreen.written import parse

HERE = Path(__file__).parent / "kb"
DAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def screener(tmp_path_factory: pytest.TempPathFactory) -> Screener:
    root = tmp_path_factory.mktemp("exact") / "kb"
    shutil.copytree(HERE / "broken" / "sound", root)
    shutil.copytree(default_root() / "engine", root / "engine")
    for folder in ("vocabulary", "criteria"):
        (root / folder / "broken.lp").write_text("% Nothing is broken here.\n", encoding="utf-8")
    shutil.copy(HERE / "exact" / "broken.lp", root / "trials" / "tiny" / "broken.lp")
    return Screener(pyscreen.load("tiny", root))


def verdicts(screener: Screener, exact: bool, measurements: str = "") -> dict[str, str]:
    events = "events: [{event: fall, happened: false, date: 2026-11-01}]\nprocedures: [{procedure: scan, done: false, date: 2026-11-01}]\n"
    record = parse(f"{events}{measurements}", screener.kb.vocabulary)
    found = screener.screen(record, DAY, exact=exact).verdicts
    return {verdict.cohort.code: verdict.status for verdict in found.values() if verdict.cohort.code != "1"}


def test_what_holds_for_every_value_is_decided(screener: Screener) -> None:
    assert verdicts(screener, exact=False) == {"2": UNDECIDED, "3": UNDECIDED}
    assert verdicts(screener, exact=True) == {"2": ELIGIBLE, "3": INELIGIBLE}


def test_a_known_value_needs_no_exactness(screener: Screener) -> None:
    known = "measurements: [{quantity: sugar, value: 3 g/L, date: 2026-11-20}]"
    assert verdicts(screener, exact=False, measurements=known) == {"2": ELIGIBLE, "3": INELIGIBLE}


def test_the_exact_verdict_says_so(screener: Screener) -> None:
    record = parse("events: [{event: fall, happened: false}]", screener.kb.vocabulary)
    found = screener.screen(record, DAY, exact=True)
    assert found.verdict("3").exact
    assert not screener.screen(record, DAY).verdict("3").exact
