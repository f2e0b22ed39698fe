"""On the real knowledge base: knowing less never says the opposite, whatever is taken back from a record.

A worked case is a completion of every record that says less of the same items. So an answer or verdict on the lesser record is
unknown, or that of the case. Screening itself (partitions, order, readings, further facts) is in tests/test_verdicts.py.
"""

from __future__ import annotations

from functools import cache
from random import Random

import pytest

from pyscreen.answers import answer
from pyscreen.record import Record
from pyscreen.screening import ELIGIBLE, INELIGIBLE, MET, UNMET, Screener, Screening
from tests.partial import DAY, knowledge, partial_records, screener, worked
from tests.randoms import blurred

MANY = 240
SHARES = (0.02, 0.1, 0.3, 0.6)


@cache
def records() -> tuple[Record, ...]:
    return (*partial_records(20, seed=5), *worked(derived=False), *worked(derived=True))


@cache
def whole(number: int) -> Screening:
    return screener().screen(records()[number], DAY)


class Quick(Screener):
    """Screens without asking what other options of the readings would change."""

    def _with_dependences(self, verdicts, *_):  # type: ignore[no-untyped-def]
        return dict(verdicts)


@cache
def quick() -> Screener:
    return Quick(knowledge())


def pairs(first: int, last: int) -> list[tuple[int, int]]:
    return [(seed, seed % len(records())) for seed in range(first, last)]


@pytest.mark.parametrize("part", range(6))
def test_an_answer_to_less_is_unknown_or_the_same(part: int) -> None:
    tests = knowledge().tests
    settled = 0
    for seed in range(part * MANY // 6, (part + 1) * MANY // 6):
        number = seed % len(records())
        less = blurred(records()[number], Random(seed), SHARES[seed % len(SHARES)])
        found = answer(less, tests.values(), knowledge().vocabulary, DAY)
        before = whole(number).answers
        for test in tests:
            truth, known = found[test].truth, before[test].truth
            if truth is not None and known is not None:
                settled += 1
                assert truth is known, (seed, test, found[test], before[test])
    assert settled > 1000


@pytest.mark.parametrize("part", range(6))
def test_a_verdict_on_less_is_undecided_or_the_same(part: int) -> None:
    decided = 0
    for seed in range(part * MANY // 6, (part + 1) * MANY // 6):
        number = seed % len(records())
        less = blurred(records()[number], Random(seed), SHARES[seed % len(SHARES)])
        found = quick().screen(less, DAY)
        again = quick().screen(less, DAY)
        assert (again.statuses, again.verdicts) == (found.statuses, found.verdicts)
        for cohort, verdict in found.verdicts.items():
            known = whole(number).verdicts[cohort].status
            assert {verdict.status, known} != {ELIGIBLE, INELIGIBLE}, (seed, cohort)
            decided += verdict.status in (ELIGIBLE, INELIGIBLE)
        for criterion, status in found.statuses.items():
            assert {status, whole(number).statuses[criterion]} != {MET, UNMET}, (seed, criterion)
    assert decided > 10
