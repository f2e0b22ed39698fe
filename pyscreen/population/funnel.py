"""What each criterion of a cohort costs: how many patients fail it, how many by it alone, and how many are left after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..knowledge import KnowledgeBase
from .planes import VERDICTS, Verdicts

_TOTALS = ("patients", "eligible", "ineligible", "undecided")
_COUNTS = ("failing", "open", "alone", "decides", "left", "certain")

_Counted = TypeVar("_Counted", "Step", "Funnel")


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
        eligible, ineligible, undecided = np.bincount(found.codes[~aside], minlength=len(VERDICTS)).tolist()
        many, cohort = int(np.count_nonzero(~aside)), found.cohort
        return cls(cohort.id, cohort.code, cohort.label, many, eligible, ineligible, undecided, tuple(steps))

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Funnel:
        """Return a funnel as it was written by `as_json`."""
        return cls(**{**written, "steps": tuple(Step(**step) for step in written["steps"])})

    def __add__(self, other: Funnel) -> Funnel:
        """Add the same cohort's counts of other patients."""
        steps = tuple(_sum(one, more, _COUNTS) for one, more in zip(self.steps, other.steps, strict=True))
        return replace(_sum(self, other, _TOTALS), steps=steps)

    def as_json(self) -> dict[str, Any]:
        """Return the funnel for JSON."""
        return asdict(self)


def _sum(one: _Counted, other: _Counted, names: Iterable[str]) -> _Counted:
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in names})
