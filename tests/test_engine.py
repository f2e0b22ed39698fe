"""A score's two bounds are exact: random scores in clingo, against every way in which the unknown items may turn out.

The other kinds of criterion are in tests/test_logic.py.
"""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from pyscreen.engine import Program
from pyscreen.kleene import MET, UNKNOWN, UNMET
from pyscreen.knowledge import default_root

Item = tuple[str, str, int]


def score(choice: Random) -> list[Item]:
    """Return domain, test and weight of a few items; some weights are negative."""
    return [(choice.choice("xyz"), name, choice.choice((1, 2, 2, 3, 5, -1, -2))) for name in "abcde"[: choice.randint(1, 5)]]


def total(items: list[Item], met: dict[str, bool]) -> int:
    """Add up, for each domain, the heaviest item that is met, and every negative one that is."""
    domains = {domain: [weight for d, name, weight in items if d == domain and met[name]] for domain, _, _ in items}
    return sum(max([0, *weights]) + sum(weight for weight in weights if weight < 0) for weights in domains.values())


def program(items: list[Item], thresholds: range) -> Program:
    facts = [f'cohort(c, "1", "C"). finding({name}, "{name}").' for _, name, _ in items]
    facts += [f"item(s, {domain}, finding({name}), {weight})." for domain, name, weight in items]
    facts += [f'requires(c, "1.{n}", points(s, {n})).' for n in thresholds]
    engine = default_root() / "engine"
    return Program([engine / "main.lp", engine / "open.lp"], facts="\n".join(facts))


@pytest.mark.parametrize("seed", range(40))
def test_bounds_of_a_random_score_are_exact(seed: int) -> None:
    items = score(Random(seed))
    reach = [total(items, dict(zip("abcde", way, strict=True))) for way in product((True, False), repeat=5)]
    thresholds = range(min(reach) - 1, max(reach) + 2)
    loaded = program(items, thresholds)
    yes, no = loaded.literals("yes"), loaded.literals("no")
    shown = {status: loaded.literals(status) for status in (MET, UNMET, UNKNOWN)}
    names = [name for _, name, _ in items]
    for truths in product((True, False, None), repeat=len(items)):
        given = []
        for name, truth in zip(names, truths, strict=True):
            test = f"finding({name})"
            given += [yes[test] if truth is True else -yes[test], no[test] if truth is False else -no[test]]
        outcome = loaded.solve(given, shown)
        assert outcome is not None
        ways = product(*((True, False) if truth is None else (truth,) for truth in truths))
        sums = [total(items, dict(zip(names, way, strict=True))) for way in ways]
        for n in thresholds:
            expected = MET if min(sums) >= n else UNMET if max(sums) < n else UNKNOWN
            found = [status for status in shown if f"points(s,{n})" in outcome.holds[status]]
            assert found == [expected], (items, truths, n)


def test_a_core_is_what_does_not_fit_together() -> None:
    facts = "#external yes(X) : X = 1..9. #external no(1). :- yes(3), yes(7), not no(1)."
    loaded = Program([], facts=facts)
    yes, no = loaded.literals("yes"), loaded.literals("no")
    assert loaded.core([*yes.values(), -no["1"]]) == {yes["3"], yes["7"], -no["1"]}
    assert loaded.core([*yes.values(), no["1"]]) is None
    assert loaded.core([*yes.values()][:6]) is None
