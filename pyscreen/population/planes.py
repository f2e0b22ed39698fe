"""The criterion graph in strong Kleene logic on bit planes: one bit a patient, one plane for met and one for unmet.

A criterion is met, unmet or neither, by the same rules as in `kb/engine/status.lp` and `score.lp`; tests hold the two equal. Nodes are
worked out in an order in which members come first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..engine import text_of
from ..kleene import MET, UNKNOWN, UNMET
from ..knowledge import Cohort, Criterion, KnowledgeBase, Need
from ..screening import ELIGIBLE, INELIGIBLE, UNDECIDED

Plane = npt.NDArray[np.uint64]
Truths = npt.NDArray[np.int8]
"""Three-valued answers: 1 yes, 0 unknown, -1 no."""
VERDICTS = (ELIGIBLE, INELIGIBLE, UNDECIDED)
_BITS = 64


def packed(flags: npt.NDArray[np.bool_]) -> Plane:
    """Return flags, one a patient, as a plane; the bits after the last patient are 0.

    >>> packed(np.array([True, False, True])).tolist()
    [5]
    """
    padded = np.zeros(-(-max(len(flags), 1) // _BITS) * _BITS, np.bool_)
    padded[: len(flags)] = flags
    return np.packbits(padded, bitorder="little").view(np.uint64)


def unpacked(plane: Plane, patients: int) -> npt.NDArray[np.bool_]:
    """Return a plane as flags, one a patient."""
    return np.unpackbits(plane.view(np.uint8), count=patients, bitorder="little").view(np.bool_)


@dataclass(frozen=True)
class Statuses:
    """The status of every criterion for some patients: two planes each, by the criterion's number in `names`."""

    names: tuple[str, ...]
    numbers: Mapping[str, int]
    met: npt.NDArray[np.uint64]
    unmet: npt.NDArray[np.uint64]
    patients: int

    def of(self, criterion: str, patient: int) -> str:
        """Return the status of one criterion for one patient."""
        word, bit = divmod(patient, _BITS)
        row = self.numbers[criterion]
        one = np.uint64(1) << np.uint64(bit)
        return MET if self.met[row, word] & one else UNMET if self.unmet[row, word] & one else UNKNOWN

    def flags(self, criterion: str, status: str) -> npt.NDArray[np.bool_]:
        """Return for each patient whether a criterion has a status."""
        row = self.numbers[criterion]
        if status == UNKNOWN:
            return unpacked(~(self.met[row] | self.unmet[row]), self.patients)
        return unpacked((self.met if status == MET else self.unmet)[row], self.patients)


_Rows: TypeAlias = npt.NDArray[np.uint64]
Rows: TypeAlias = list[Plane] | _Rows


@dataclass(frozen=True)
class Planes:
    """Where each criterion is met and where it is unmet: a plane a row."""

    met: Rows
    unmet: Rows

    def copy(self) -> Planes:
        """Return a copy, in which planes may be put that are others."""
        return Planes(list(self.met), list(self.unmet))

    def put(self, row: int, planes: tuple[Plane, Plane]) -> None:
        """Set one criterion's planes."""
        self.met[row], self.unmet[row] = planes


class Graph:
    """The criteria of a trial made ready, under a choice of readings."""

    def __init__(self, kb: KnowledgeBase, readings: Mapping[str, str] | None = None) -> None:
        self.kb = kb
        self.readings = kb.chosen(readings)
        self.doubts: dict[str, list[str]] = {}
        for test, other in kb.program.facts("doubt", 2):
            if text_of(test) in kb.tests:
                self.doubts.setdefault(text_of(test), []).append(text_of(other))
        self.names = tuple(self._in_order())
        self.numbers = {name: number for number, name in enumerate(self.names)}
        self._steps = [self._step(kb.criteria[name]) for name in self.names]

    def _in_order(self) -> list[str]:
        """Return every criterion after its members, and after what puts it in doubt."""
        found: dict[str, None] = {}
        for root in self.kb.criteria:
            stack = [(root, False)]
            while stack:
                name, done = stack.pop()
                if done:
                    found[name] = None
                elif name not in found:
                    below = (*(m.id for m in self.kb.criteria[name].members), *self.doubts.get(name, ()))
                    stack.append((name, True))
                    stack.extend((other, False) for other in below if other not in found)
        return list(found)

    def evaluate(self, truths: Mapping[str, Truths], patients: int) -> Statuses:
        """Return the status of every criterion, given the answers to the tests; a test that is not answered is unknown."""
        met, unmet = self.answered(truths, patients)
        planes = Planes(met, unmet)
        for row in range(len(self.names)):
            self.step(row, planes, planes)
        return Statuses(self.names, self.numbers, met, unmet, patients)

    def answered(self, truths: Mapping[str, Truths], patients: int) -> tuple[_Rows, _Rows]:
        """Return where each test is answered yes, and where no, a plane a row; those of all other criteria are empty."""
        met, unmet = (np.zeros((len(self.names), -(-max(patients, 1) // _BITS)), np.uint64) for _ in range(2))
        for test, answers in truths.items():
            row = self.numbers[test]
            met[row], unmet[row] = packed(answers == 1), packed(answers == -1)
        return met, unmet

    def step(self, row: int, planes: Planes, against: Planes) -> None:
        """Work out one criterion from those before it; what speaks against it is looked up in `against`.

        So a bound of all planes can be worked out from the same bound of those before, and the opposite one where it speaks against.
        """
        work = self._steps[row]
        if work is not None:
            planes.put(row, work(planes, against))
        for other in self.doubts.get(self.names[row], ()):
            planes.met[row] = planes.met[row] & ~against.met[self.numbers[other]]

    def _step(self, criterion: Criterion) -> _Step | None:
        rows = [self.numbers[member.id] for member in criterion.members]
        match criterion.kind:
            case "test":
                return None
            case "constant":
                return _always if criterion.id == "always" else _never
            case "all_of":
                return lambda of, _: (_all(of.met, rows), _any(of.unmet, rows))
            case "any_of":
                return lambda of, _: (_any(of.met, rows), _all(of.unmet, rows))
            case "none_of":
                return lambda of, _: (_all(of.unmet, rows), _any(of.met, rows))
            case "known_by":
                return lambda of, no: (_any(of.met, rows) & ~_any(no.unmet, rows), _any(of.unmet, rows) & ~_any(no.met, rows))
            case "presumed_absent":
                return lambda of, no: (_any(of.met, rows), ~_any(no.met, rows))
            case "by_reading":
                return self._chosen(criterion)
            case "n_of":
                return lambda of, _: _at_least(criterion.number, [(1, [row]) for row in rows], [], of)
            case "points":
                return self._points(criterion)
        raise AssertionError(criterion.kind)

    def _chosen(self, criterion: Criterion) -> _Step:
        for member in criterion.members:
            reading, option = member.detail
            if self.readings[reading] == option:
                row = self.numbers[member.id]
                return lambda of, _: (of.met[row], of.unmet[row])
        return lambda of, _: (np.zeros_like(of.met[0]), np.zeros_like(of.met[0]))

    def _points(self, criterion: Criterion) -> _Step:
        """A ladder a domain: each weight is a step that adds the difference to the one below."""
        domains: dict[str, dict[int, list[int]]] = {}
        against = []
        for member in criterion.members:
            domain, weight = member.detail[0], int(member.detail[1])
            if weight < 0:
                against.append((-weight, self.numbers[member.id]))
            else:
                domains.setdefault(domain, {}).setdefault(weight, []).append(self.numbers[member.id])
        steps = []
        for weights in domains.values():
            below = 0
            for weight in sorted(set(weights) - {0}):
                steps.append((weight - below, [row for other, rows in weights.items() if other >= weight for row in rows]))
                below = weight
        return lambda of, _: _at_least(criterion.number, steps, against, of)


_Step = Callable[[Planes, Planes], tuple[Plane, Plane]]


def _all(planes: Rows, rows: list[int]) -> Plane:
    found: Plane = reduce(np.bitwise_and, (planes[row] for row in rows))
    return found


def _any(planes: Rows, rows: list[int]) -> Plane:
    found: Plane = reduce(np.bitwise_or, (planes[row] for row in rows))
    return found


def _always(of: Planes, _: Planes) -> tuple[Plane, Plane]:
    return ~np.zeros_like(of.met[0]), np.zeros_like(of.met[0])


def _never(of: Planes, _: Planes) -> tuple[Plane, Plane]:
    return np.zeros_like(of.met[0]), ~np.zeros_like(of.met[0])


def _at_least(number: int, steps: list[tuple[int, list[int]]], against: list[tuple[int, int]], of: Planes) -> tuple[Plane, Plane]:
    """Return where so many points are reached for certain, and where they are out of reach.

    Each step adds its points where one of its rows is met; each row in `against` takes its points off unless it is unmet.
    """
    met, unmet = of.met, of.unmet
    patients = len(met[0]) * _BITS
    certain, possible = (np.zeros(patients, np.int32) for _ in range(2))
    for points, rows in steps:
        certain += points * unpacked(_any(met, rows), patients)
        possible += points * unpacked(~_all(unmet, rows), patients)
    for points, row in against:
        certain -= points * unpacked(~unmet[row], patients)
        possible -= points * unpacked(met[row], patients)
    return packed(certain >= number), packed(possible < number)


# ---- verdicts --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdicts:
    """A cohort's verdicts for some patients, each by its number in `VERDICTS`.

    `failing` and `open` hold a row of flags for each of `needs`, the exclusions last.
    """

    cohort: Cohort
    needs: tuple[Need, ...]
    failing: npt.NDArray[np.bool_]
    open: npt.NDArray[np.bool_]
    codes: npt.NDArray[np.uint8]

    def among(self, patients: slice) -> Verdicts:
        """Return the verdicts of some of the patients."""
        return replace(self, failing=self.failing[:, patients], open=self.open[:, patients], codes=self.codes[patients])

    def kept(self, firm: npt.NDArray[np.bool_]) -> Verdicts:
        """Return the verdicts, undecided but for some patients."""
        return replace(self, codes=np.where(firm, self.codes, np.uint8(VERDICTS.index(UNDECIDED))))

    def status(self, patient: int) -> str:
        """Return one patient's verdict."""
        return VERDICTS[self.codes[patient]]


def verdicts(kb: KnowledgeBase, cohort: Cohort, statuses: Statuses) -> Verdicts:
    """Return a cohort's verdicts."""
    asked = [(need, UNMET) for need in cohort.needs] + [(need, MET) for need in kb.exclusions]
    failing = np.array([statuses.flags(need.criterion, fails) for need, fails in asked]).reshape(len(asked), -1)
    open_ = np.array([statuses.flags(need.criterion, UNKNOWN) for need, _ in asked]).reshape(len(asked), -1)
    codes = np.where(failing.any(axis=0), 1, np.where(open_.any(axis=0), 2, 0)).astype(np.uint8)
    return Verdicts(cohort, tuple(need for need, _ in asked), failing, open_, codes)
