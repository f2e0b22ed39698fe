"""What strong Kleene logic leaves open although every consistent completion agrees, `exact` decides."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from random import Random

import pytest

import pyscreen
from pyscreen import cells
from pyscreen.knowledge import KnowledgeBase, default_root
from pyscreen.screening import ELIGIBLE, INELIGIBLE, UNDECIDED, Screener
from pyscreen.truth import Truth
from pyscreen.written import parse
from tests.randoms import question
from tests.small_trial import BELOW_30, BELOW_50, screened, small_verdict, small_worlds, some_truths

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


# ---- the small trial, world by world ---------------------------------------------------------------------------------

VERDICTS = {True: ELIGIBLE, False: INELIGIBLE, None: UNDECIDED}


@pytest.fixture(scope="module")
def small(invented: Callable[[str], KnowledgeBase]) -> Screener:
    return Screener(invented("small"))


@cache
def worlds() -> tuple[dict[str, bool], ...]:
    return tuple(small_worlds())


def answers(kb: KnowledgeBase, seed: int) -> dict[str, Truth]:
    """Return the answers of one world with some taken back, so that they can all be right; now and then any answers."""
    choice = Random(seed)
    if seed % 5 == 0:
        return some_truths(kb, choice, 0.5)
    share = choice.uniform(0.1, 0.9)
    return {test: None if choice.random() < share else truth for test, truth in choice.choice(worlds()).items()}


def fitting(truths: Mapping[str, Truth]) -> list[dict[str, bool]]:
    return [world for world in worlds() if all(truth in (None, world[test]) for test, truth in truths.items())]


@pytest.mark.parametrize("cohort", ["low", "scored", "read"])
def test_exact_is_what_all_worlds_agree_on(small: Screener, cohort: str) -> None:
    decided = 0
    for seed in range(150):
        truths = answers(small.kb, seed)
        plain = screened(small, truths).verdicts[cohort]
        assert plain.status == VERDICTS[small_verdict(cohort, truths)], truths
        found = {small_verdict(cohort, world) for world in fitting(truths)}
        agreed = VERDICTS[next(iter(found))] if len(found) == 1 else UNDECIDED
        exact = screened(small, truths, exact=True).verdicts[cohort]
        assert exact.status == (plain.status if plain.status != UNDECIDED else agreed), truths
        assert exact.exact is (exact.status != plain.status)
        if found:
            assert plain.status in (UNDECIDED, agreed), "Kleene logic never says what some world denies"
        decided += exact.exact
    assert decided or cohort == "scored", "nothing was decided exactly: the test shows nothing"


def test_a_count_not_below_50_is_not_below_30(small: Screener) -> None:
    truths = {BELOW_50: False, "finding(rash)": True, "finding(cough)": False, "consent(informed)": True}
    assert screened(small, truths).verdicts["low"].status == UNDECIDED
    exact = screened(small, truths, exact=True).verdicts["low"]
    assert (exact.status, exact.exact) == (INELIGIBLE, True)


def test_answers_that_cannot_all_be_right_decide_nothing_more(small: Screener) -> None:
    truths = {BELOW_50: False, BELOW_30: True}
    plain, exact = screened(small, truths), screened(small, truths, exact=True)
    assert {c: v.status for c, v in plain.verdicts.items()} == {c: v.status for c, v in exact.verdicts.items()}


COUNT = "measurement(platelets)"


@pytest.mark.parametrize(
    ("expected", "tests"),
    [
        (1, [(COUNT, "latest", 'below("30 10*9/L")'), (COUNT, "latest", 'above("50 K/uL")')]),
        (0, [(COUNT, "latest", 'below("30 10*9/L")'), (COUNT, "latest", 'below("1 [LLN]")')]),
        (0, [(COUNT, "latest", 'below("30 10*9/L")'), (COUNT, "lowest", 'below("30 10*9/L")')]),
        (0, [(COUNT, "latest", 'below("30 10*9/L")'), (COUNT, "latest", 'below("50 10*9/L")', 'newest("7 d")')]),
        (1, [(COUNT, "each_of_latest(2)", 'below("30 10*9/L")'), (COUNT, "each_of_latest(2)", 'below("50 10*9/L")')]),
        (0, [(COUNT, "each_of_latest(2)", 'below("30 10*9/L")'), (COUNT, "each_of_latest(2)", 'at_least("30 10*9/L")')]),
        (0, [("therapy(steroid)", "daily_dose", 'at_most("30 mg/d")'), ("therapy(steroid)", "daily_dose", 'at_most("1 mg/kg/d")')]),
        (1, [("therapy(steroid)", "unchanged", 'at_least("4 wk")'), ("therapy(steroid)", "unchanged", 'at_least("30 d")')]),
        (0, [("therapy(steroid)", "unchanged", 'at_least("30 d")'), ("therapy(steroid)", "unchanged", 'at_least("1 mo")')]),
    ],
)  # fmt: skip
def test_tests_lean_on_one_value_only_where_it_is_one(expected: int, tests: list[tuple[str, ...]]) -> None:
    """Two of the latest values can be at once not all below 30 and not all at least 30; February has fewer than 30 days."""
    named = [replace(question(*words), id=str(i)) for i, words in enumerate(tests)]
    assert len(cells.families(named)) == expected
