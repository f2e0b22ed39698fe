"""What is missing: the smallest sets of answers that would make a cohort eligible, all of them, found by clingo.

A set holds answers to tests that are open now. It is enough, has nothing to spare, and contradicts nothing that is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .engine import Program
from .kleene import MET, UNKNOWN, UNMET
from .knowledge import KnowledgeBase
from .screening import ELIGIBLE, Inputs, Screening

_SEARCH = ("--opt-strategy=usc", "--restart-on-model")


@dataclass(frozen=True, slots=True)
class Missing:
    """Sets of answers (test to yes or no), the smallest first; `complete` tells whether there are no others."""

    sets: tuple[Mapping[str, bool], ...]
    complete: bool


class Gaps:
    """A knowledge base made ready to find what is missing: grounded once for all patients."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._program = Program([kb.main, kb.root / "engine" / "missing.lp"], options=_SEARCH)
        self._inputs = Inputs(self._program)
        self._eligible = self._program.literals(ELIGIBLE)
        self._conflicts = self._program.literals("conflict")

    def missing(self, screening: Screening, cohort: str, limit: int = 8) -> Missing:
        """Return at most so many smallest sets for a cohort (id or code); none where a known fact bars every way in.

        Of equally small sets beyond the limit, any may be left out. One empty set where the cohort is eligible already.
        Raises RequestError for a cohort that does not exist.
        """
        wanted = self._eligible.get(screening.verdict(cohort).cohort.id)
        if wanted is None:
            return Missing((), complete=True)
        given = self._inputs.assumptions(screening.answers, leave_unknown_open=True)
        given += self._inputs.choices(screening.readings)
        given += [-literal for name, literal in self._conflicts.items() if not _disputed(screening, name)]
        found: list[Mapping[str, bool]] = []
        with self._program.guard() as guard:
            for _ in range(limit + 1):
                outcome = self._program.solve(
                    [*given, wanted, *guard.assumed], {"yes": self._inputs.yes, "no": self._inputs.no}
                )
                if outcome is None:
                    return Missing(tuple(sorted(found, key=_order)), complete=True)
                way = {
                    test: test in outcome.holds["yes"]
                    for test in sorted(outcome.holds["yes"] | outcome.holds["no"])
                    if screening.answers[test].truth is None
                }
                found.append(way)
                if not way:
                    return Missing(tuple(found), complete=True)
                guard.forbid((self._inputs.yes if yes else self._inputs.no)[test] for test, yes in way.items())
        return Missing(tuple(sorted(found[:limit], key=_order)), complete=False)


def _order(way: Mapping[str, bool]) -> tuple[int, list[str]]:
    return len(way), list(way)


def _disputed(screening: Screening, name: str) -> bool:
    """Tell whether the record contradicts itself on a criterion already."""
    criterion = screening.kb.criteria[name]
    if screening.statuses[name] != UNKNOWN:
        return False
    if criterion.kind == "test":
        return screening.answers[name].truth is not None
    return {MET, UNMET} <= {screening.statuses[member.id] for member in criterion.members}
