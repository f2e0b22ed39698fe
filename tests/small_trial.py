"""The small trial of tests/engine/small.lp: screened with answers given outright, and said again in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from random import Random
from unittest.mock import patch

from pyscreen.answers import Answer, Answers
from pyscreen.knowledge import KnowledgeBase
from pyscreen.record import Record
from pyscreen.screening import Screener, Screening
from pyscreen.truth import Truth, both, either, negate
from tests.randoms import DAY


def screened(
    screener: Screener, truths: Mapping[str, Truth], readings: Mapping[str, str] | None = None, exact: bool = False, robust: bool = False
) -> Screening:
    """Screen as if the record had answered so; a test that is not named is unknown."""
    kb = screener.kb
    answers = Answers(DAY, {test: Answer(test, truths.get(test)) for test in kb.tests}, ())
    with patch("pyscreen.screening.answer", lambda *_: answers):
        return screener.screen(Record("given"), DAY, readings, exact=exact, robust=robust)


def some_truths(kb: KnowledgeBase, choice: Random, open_share: float) -> dict[str, Truth]:
    """Return random answers to the tests of a knowledge base, about so many of them open."""
    return {test: None if choice.random() < open_share else choice.random() < 0.5 for test in kb.tests}


# ---- the small trial of tests/engine/small.lp, said again in plain Python ---------------------------------------------

COUNTS = (20, 30, 40, 50, 60, 400, 425, 450, 460)
FINDINGS = ("rash", "ache", "fever", "cough", "itch")
BELOW_30, BELOW_50, ABOVE_450 = (f'{op}(platelets,"{n} 10*9/L")' for op, n in (("below", 30), ("below", 50), ("above", 450)))


def small_world(count: int, yes: Mapping[str, bool]) -> dict[str, bool]:
    """Return the answers to every test of the small trial, where everything is known."""
    found = {f"finding({name})": yes[name] for name in FINDINGS}
    found |= {"judgement(fit)": yes["fit"], "consent(informed)": yes["informed"], "low_dose": yes["low_dose"]}
    return found | {BELOW_30: count < 30, BELOW_50: count < 50, ABOVE_450: count > 450, "high_count": count >= 400}


def small_worlds() -> Iterator[dict[str, bool]]:
    """Yield every consistent world: one count answers all its tests, and the two ways of knowing of the fever agree."""
    names = (*FINDINGS, "fit", "informed", "low_dose")
    for count in COUNTS:
        for values in product((True, False), repeat=len(names)):
            world = small_world(count, dict(zip(names, values, strict=True)))
            if world["finding(fever)"] is world["high_count"]:
                yield world


def small_verdict(cohort: str, truths: Mapping[str, Truth]) -> Truth:
    """Return whether a cohort of the small trial takes a patient, in strong Kleene logic."""
    rash, ache, fever, cough, itch = (truths.get(f"finding({name})") for name in FINDINGS)
    fit, informed, high = truths.get("judgement(fit)"), truths.get("consent(informed)"), truths.get("high_count")
    known = {fever, high} - {None}
    needs: dict[str, list[Truth]] = {
        "low": [either([truths.get(BELOW_30), both([truths.get(BELOW_50), rash])]), truths.get("low_dose")],
        "scored": [
            _at_least(3, lambda r, i, a, f: max(2 * r, 3 * i) + max(1 * a, 2 * f), rash, itch, ache, fever),
            _at_least(2, lambda *values: sum(values), rash, ache, fit),
        ],
        "read": [rash, known.pop() if len(known) == 1 else None, negate(either([ache, truths.get(ABOVE_450)]))],
    }
    return both([*needs[cohort], informed, negate(cough)])


def _at_least(number: int, points: Callable[..., int], *truths: Truth) -> Truth:
    ways = product(*((0, 1) if truth is None else (int(truth),) for truth in truths))
    found = {points(*way) >= number for way in ways}
    return found.pop() if len(found) == 1 else None
