"""What each criterion of a cohort costs: how many patients fail it, how many by it alone, and how many are left after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..knowledge import KnowledgeBase
from .planes import Verdicts

_COUNTS = ("failing", "open", "alone", "decides", "left", "certain")


@dataclass(frozen=True, slots=True)
class Step:
    """One requirement or exclusion, in order.

    `failing` and `open` count the patients who fail it and for whom it is open; `alone` those who fail nothing else, and `decides`
    those of them for whom nothing is open either: they would be eligible without it. `left` do not fail it nor anything before it,
    and of them `certain` pass all that for certain.
    """

    clause: str
    label: str
    role: str
    failing: int = 0
    open: int = 0
    alone: int = 0
    decides: int = 0
    left: int = 0
    certain: int = 0


@dataclass(frozen=True, slots=True)
class Funnel:
    """A cohort's verdicts and steps over all patients who could be read."""

    cohort: str
    code: str
    label: str
    patients: int
    eligible: int
    ineligible: int
    undecided: int
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, kb: KnowledgeBase, found: Verdicts, aside: npt.NDArray[np.bool_]) -> Funnel:
        """Count the verdicts of a cohort, without the patients set aside."""
        failing, open_ = found.failing & ~aside, found.open & ~aside
        fails, opens = failing.sum(axis=0), open_.sum(axis=0)
        left = certain = ~aside
        steps = []
        for row, need in enumerate(found.needs):
            left, certain = left & ~failing[row], certain & ~failing[row] & ~open_[row]
            alone = failing[row] & (fails == 1)
            counts = (failing[row], open_[row], alone, alone & (opens == 0), left, certain)
            role = "requirement" if row < len(found.cohort.needs) else "exclusion"
            label = kb.criteria[need.criterion].label
            steps.append(Step(need.clause, label, role, *(int(np.count_nonzero(count)) for count in counts)))
        many, ineligible = int(np.count_nonzero(~aside)), int(np.count_nonzero(fails))
        eligible = int(np.count_nonzero((fails == 0) & (opens == 0) & ~aside))
        cohort = found.cohort
        return cls(cohort.id, cohort.code, cohort.label, many, eligible, ineligible, many - eligible - ineligible, tuple(steps))

    @classmethod
    def sum(cls, funnels: Iterable[Mapping[str, Any]]) -> Funnel:
        """Add up the funnels of several parts, each as it was written by `as_json`."""
        rows = list(funnels)
        total = {name: sum(row[name] for row in rows) for name in ("patients", "eligible", "ineligible", "undecided")}
        steps = []
        for same in zip(*(row["steps"] for row in rows), strict=True):
            counts = {name: sum(step[name] for step in same) for name in _COUNTS}
            steps.append(Step(same[0]["clause"], same[0]["label"], same[0]["role"], **counts))
        first = rows[0]
        return cls(first["cohort"], first["code"], first["label"], **total, steps=tuple(steps))

    def as_json(self) -> dict[str, Any]:
        """Return the funnel for JSON."""
        return asdict(self)
