"""What verdicts would be if the protocol's readings were read otherwise, on bit planes: which hang on a reading, which hold under all.

The tests are answered once; only the criteria above a reading are worked out again. Whether a verdict holds however all readings are
read is told by two bounds of every plane: what is set under every choice of options, and what may be set under some. Where the bounds
do not tell, a reading that makes a difference is read by each of its options in turn, and the bounds lie closer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt

from ..knowledge import Cohort
from .columns import Flags, Ints
from .planes import VERDICTS, Graph, Plane, Planes, Statuses, Truths, packed, unpacked

_ELIGIBLE, _INELIGIBLE, _UNDECIDED = range(len(VERDICTS))


@dataclass(frozen=True)
class Dependence:
    """The verdicts that would be others under an option of a reading: of which cohort and patient, and which (in `VERDICTS`)."""

    reading: str
    option: str
    cohorts: Ints
    patients: Ints
    codes: npt.NDArray[np.uint8]

    def of(self, patient: int) -> Iterator[tuple[int, str]]:
        """Yield the cohorts of which one patient's verdict would be another, and that verdict."""
        here = self.patients == patient
        yield from zip(self.cohorts[here].tolist(), (VERDICTS[code] for code in self.codes[here]), strict=True)


@dataclass(frozen=True)
class _Bounds:
    """What is set under every way of reading, and what under some, where the readings in `fixed` are read by one option.

    Where all are fixed, both are the same.
    """

    low: Planes
    high: Planes
    fixed: Mapping[str, str]

    def read(self, reading: str, option: str) -> _Bounds:
        """Return a copy, to be worked out, in which one more reading is fixed."""
        low = self.low.copy()
        return _Bounds(low, low if self.high is self.low else self.high.copy(), {**self.fixed, reading: option})

    def of(self, row: int) -> tuple[Plane, ...]:
        """Return the planes of one criterion."""
        return self.low.met[row], self.low.unmet[row], self.high.met[row], self.high.unmet[row]


@dataclass(frozen=True)
class _Asked:
    """What a cohort needs, by rows: its requirements, everything below them and below the exclusions, and the readings there."""

    needed: list[int]
    below: frozenset[int]
    readings: Mapping[str, list[int]]


class Alternatives:
    """The readings on which the verdicts of some cohorts may depend, made ready."""

    def __init__(self, graph: Graph, cohorts: Iterable[Cohort]) -> None:
        self.graph = graph
        self._parents: dict[int, list[int]] = {}
        self._members: dict[int, dict[str, int]] = {}
        self._reading: dict[int, str] = {}
        for row, name in enumerate(graph.names):
            for other in self._beneath(row):
                self._parents.setdefault(other, []).append(row)
            criterion = graph.kb.criteria[name]
            if criterion.kind == "by_reading":
                self._members[row] = {member.detail[1]: graph.numbers[member.id] for member in criterion.members}
                self._reading[row] = criterion.members[0].detail[0]
        self._excluding = [graph.numbers[need.criterion] for need in graph.kb.exclusions]
        self._asked = [self._of([graph.numbers[need.criterion] for need in cohort.needs]) for cohort in cohorts]
        self._below = frozenset[int]().union(*(asked.below for asked in self._asked))
        self._readings = self._read(self._below)

    def _of(self, needed: list[int]) -> _Asked:
        below, stack = set[int](), [*needed, *self._excluding]
        while stack:
            row = stack.pop()
            if row not in below:
                below.add(row)
                stack += self._beneath(row)
        return _Asked(needed, frozenset(below), self._read(below))

    def _read(self, rows: Iterable[int]) -> dict[str, list[int]]:
        """Return the readings that decide some of the rows, and which."""
        found: dict[str, list[int]] = {}
        for row in sorted(rows):
            if row in self._reading:
                found.setdefault(self._reading[row], []).append(row)
        return found

    def _beneath(self, row: int) -> list[int]:
        """Return what a criterion is made of, and what may put it in doubt."""
        name = self.graph.names[row]
        members = [member.id for member in self.graph.kb.criteria[name].members]
        return [self.graph.numbers[other] for other in (*members, *self.graph.doubts.get(name, ()))]

    # ---- one reading at a time ---------------------------------------------------------------------------------------

    def dependences(self, statuses: Statuses, truths: Mapping[str, Truths]) -> Iterator[Dependence]:
        """Yield each option under which, all other readings read as chosen, somebody's verdict would be another."""
        chosen = Planes(list(statuses.met), list(statuses.unmet))
        bounds, given = _Bounds(chosen, chosen, self.graph.readings), self._given(truths)
        codes = self._codes(chosen, statuses.patients)
        for reading in self._readings:
            for option in self.graph.kb.readings[reading].options:
                if option != self.graph.readings[reading]:
                    other = self._codes(self._reread(bounds, reading, option, given, self._below).low, statuses.patients)
                    cohorts, patients = np.nonzero(other != codes)
                    if len(patients):
                        yield Dependence(reading, option, cohorts, patients, other[cohorts, patients])

    def _reread(self, bounds: _Bounds, reading: str, option: str, given: Mapping[int, Plane], rows: frozenset[int]) -> _Bounds:
        """Read one more reading by an option, and work out what of some rows is above it, as far as something changes."""
        found = bounds.read(reading, option)
        queue, seen = list(self._readings[reading]), set[int]()
        heapify(queue)
        while queue:
            row = heappop(queue)
            if row in rows and row not in seen:
                seen.add(row)
                before = found.of(row)
                self._work(found, row, given)
                if not all(map(np.array_equal, before, found.of(row))):
                    for above in self._parents.get(row, ()):
                        heappush(queue, above)
        return found

    def _work(self, bounds: _Bounds, row: int, given: Mapping[int, Plane]) -> None:
        """Work out one criterion."""
        low, high = bounds.low, bounds.high
        if row in self._members:
            option, members = bounds.fixed.get(self._reading[row]), self._members[row]
            ways = [members[option]] if option is not None else list(members.values())
            for of, joined in ((low, np.bitwise_and), (high, np.bitwise_or)):
                of.put(row, (reduce(joined, [of.met[way] for way in ways]), reduce(joined, [of.unmet[way] for way in ways])))
            return
        if row in given:
            low.met[row] = high.met[row] = given[row]
        self.graph.step(row, low, high)
        if high is not low:
            self.graph.step(row, high, low)

    def _given(self, truths: Mapping[str, Truths]) -> dict[int, Plane]:
        """Return where the tests that may be put in doubt are answered yes."""
        return {self.graph.numbers[test]: packed(truths[test] == 1) for test in self.graph.doubts if test in truths}

    def _verdict(self, asked: _Asked, planes: Planes) -> tuple[Plane, Plane]:
        """Return where all that a cohort needs is met and nothing excludes, and where something is against it."""
        eligible = [planes.met[row] for row in asked.needed] + [planes.unmet[row] for row in self._excluding]
        against = [planes.unmet[row] for row in asked.needed] + [planes.met[row] for row in self._excluding]
        return reduce(np.bitwise_and, eligible), reduce(np.bitwise_or, against)

    def _codes(self, planes: Planes, patients: int) -> npt.NDArray[np.uint8]:
        found = np.empty((len(self._asked), patients), np.uint8)
        for asked, codes in zip(self._asked, found, strict=True):
            eligible, against = (unpacked(plane, patients) for plane in self._verdict(asked, planes))
            codes[:] = np.where(against, _INELIGIBLE, np.where(eligible, _ELIGIBLE, _UNDECIDED))
        return found

    # ---- all readings ------------------------------------------------------------------------------------------------

    def firm(self, statuses: Statuses, truths: Mapping[str, Truths], dependences: Iterable[Dependence]) -> Flags:
        """Tell whose verdict is decided, and the same in whatever way all readings are read: a row for each cohort."""
        codes = self._codes(Planes(list(statuses.met), list(statuses.unmet)), statuses.patients)
        found: Flags = codes != _UNDECIDED
        for dependence in dependences:
            found[dependence.cohorts, dependence.patients] = False
        bounds, given = self._bounds(truths, statuses.patients), self._given(truths)
        for asked, firm, own in zip(self._asked, found, codes, strict=True):
            wanted = packed(firm & (own == _ELIGIBLE)), packed(firm & (own == _INELIGIBLE))
            firm &= ~unpacked(self._refuted(asked, bounds, given, wanted), statuses.patients)
        return found

    def _bounds(self, truths: Mapping[str, Truths], patients: int) -> _Bounds:
        """Return the bounds where no reading is fixed."""
        tests = Planes(*self.graph.answered(truths, patients))
        bounds, given = _Bounds(tests.copy(), tests.copy(), {}), self._given(truths)
        for row in sorted(self._below):
            self._work(bounds, row, given)
        return bounds

    def _refuted(self, asked: _Asked, bounds: _Bounds, given: Mapping[int, Plane], wanted: tuple[Plane, Plane]) -> Plane:
        """Return who of those wanted as eligible, and of those wanted as ineligible, is not so under some way of reading."""
        eligible, ineligible = wanted
        (surely, surely_not), (maybe, maybe_not) = self._verdict(asked, bounds.low), self._verdict(asked, bounds.high)
        refuted = eligible & ~maybe | ineligible & ~maybe_not
        left: Plane = np.asarray((eligible & ~surely | ineligible & ~surely_not) & ~refuted)
        if not left.any():
            return refuted
        reading = self._next(asked, bounds, left)
        for option in self.graph.kb.readings[reading].options:
            left = left & ~refuted
            if left.any():
                closer = self._reread(bounds, reading, option, given, asked.below)
                refuted = refuted | self._refuted(asked, closer, given, (eligible & left, ineligible & left))
        return refuted

    def _next(self, asked: _Asked, bounds: _Bounds, left: Plane) -> str:
        """Return a reading that makes a difference for somebody who is left; one that decides further below comes first."""
        for reading, rows in asked.readings.items():
            for low_met, low_unmet, met, unmet in map(bounds.of, rows if reading not in bounds.fixed else ()):
                if (((low_met ^ met) | (low_unmet ^ unmet)) & left).any():
                    return reading
        raise AssertionError("where no reading makes a difference, both bounds are the same")
