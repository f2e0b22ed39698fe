"""Strong Kleene logic over the criterion graph: the status of one criterion from those of its members.

The engine decides; this tells quickly what a change could reach (tests hold the two equal on every criterion).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from copy import copy
from dataclasses import dataclass

from .knowledge import Criterion, Member
from .truth import Truth

MET, UNMET, UNKNOWN = "met", "unmet", "unknown"


def status(criterion: Criterion, statuses: Mapping[str, str], readings: Mapping[str, str]) -> str:
    """Return the status of a criterion other than a test, given its members' statuses and how the readings are read."""
    if criterion.kind == "by_reading":
        return next((statuses[m.id] for m in criterion.members if readings[m.detail[0]] == m.detail[1]), UNKNOWN)
    members = [statuses[member.id] for member in criterion.members]
    match criterion.kind:
        case "all_of":
            return UNMET if UNMET in members else UNKNOWN if UNKNOWN in members else MET
        case "any_of":
            return MET if MET in members else UNKNOWN if UNKNOWN in members else UNMET
        case "none_of":
            return UNMET if MET in members else UNKNOWN if UNKNOWN in members else MET
        case "n_of":
            certain, possible = members.count(MET), len(members) - members.count(UNMET)
            return MET if certain >= criterion.number else UNMET if possible < criterion.number else UNKNOWN
        case "known_by":
            known = set(members) - {UNKNOWN}
            return known.pop() if len(known) == 1 else UNKNOWN
        case "presumed_absent":
            return MET if MET in members else UNMET
        case "points":
            certain, possible = points(criterion, statuses)
            return MET if certain >= criterion.number else UNMET if possible < criterion.number else UNKNOWN
    return statuses[criterion.id]


def points(criterion: Criterion, statuses: Mapping[str, str]) -> tuple[int, int]:
    """Return the points of a score that are certain, and the most that are still possible.

    Per domain the heaviest item counts; an item of negative weight always counts.
    """
    low: dict[str, int] = {}
    high: dict[str, int] = {}
    for member in criterion.members:
        domain, weight = member.detail[0], int(member.detail[1])
        now = statuses[member.id]
        if weight < 0:
            low[member.id] = weight if now != UNMET else 0
            high[member.id] = weight if now == MET else 0
            continue
        if now == MET:
            low[domain] = max(low.get(domain, 0), weight)
        if now != UNMET:
            high[domain] = max(high.get(domain, 0), weight)
    return sum(low.values()), sum(high.values())


class Ripple:
    """What changes above some criteria when their status does, tests that `doubts` names among it."""

    def __init__(self, criteria: Mapping[str, Criterion], doubts: Mapping[str, Iterable[str]] | None = None) -> None:
        self.criteria = criteria
        self.doubts = doubts or {}
        self.parents: dict[str, list[str]] = {}
        for criterion in criteria.values():
            for member in criterion.members:
                self.parents.setdefault(member.id, []).append(criterion.id)
        for test, those in self.doubts.items():
            for doubt in those:
                self.parents.setdefault(doubt, []).append(test)

    def changed(
        self,
        starts: Iterable[str],
        statuses: Mapping[str, str],
        readings: Mapping[str, str],
        truth: Callable[[str], Truth],
    ) -> dict[str, str]:
        """Return every criterion at or above `starts` whose status differs under these readings, with the new one.

        `truth` tells how a test was answered.
        """
        now = dict(statuses)
        queue = list(starts)
        while queue:
            name = queue.pop(0)
            if self.criteria[name].kind == "test":
                fresh = _answered(truth(name), self.doubts.get(name, ()), now)
            else:
                fresh = status(self.criteria[name], now, readings)
            if fresh != now[name]:
                now[name] = fresh
                queue.extend(self.parents.get(name, ()))
        return {name: fresh for name, fresh in now.items() if fresh != statuses[name]}


def _answered(truth: Truth, doubting: Iterable[str], statuses: Mapping[str, str]) -> str:
    """Return the status of a test from its answer and what may put it in doubt."""
    if truth and any(statuses[doubt] == MET for doubt in doubting):
        return UNKNOWN
    return UNKNOWN if truth is None else MET if truth else UNMET


def doubts(rows: Iterable[tuple[str, ...]]) -> dict[str, list[str]]:
    """Return for each test that another fact can put in doubt the criteria that do, from the facts `doubt/2`."""
    found: dict[str, list[str]] = {}
    for test, doubt in rows:
        found.setdefault(test, []).append(doubt)
    return found


class Graph:
    """The criteria of a trial, each behind its members. A test that is answered yes is in doubt where what `doubts` names is met."""

    def __init__(self, criteria: Mapping[str, Criterion], doubts: Mapping[str, Iterable[str]] | None = None) -> None:
        self.criteria = criteria
        self.doubts = {test: tuple(doubt) for test, doubt in (doubts or {}).items()}
        self.order = _members_first(criteria, self.doubts)

    def statuses(self, truths: Mapping[str, Truth], readings: Mapping[str, str]) -> dict[str, str]:
        """Return the status of every criterion, given the answers to the tests; a test that is not named is unknown."""
        found: dict[str, str] = {}
        for criterion in self.order:
            if criterion.kind == "test":
                doubting = self.doubts.get(criterion.id, ())
                found[criterion.id] = _answered(truths.get(criterion.id), doubting, found)
            elif criterion.kind == "constant":
                found[criterion.id] = MET if criterion.id == "always" else UNMET
            else:
                found[criterion.id] = status(criterion, found, readings)
        return found

    def under(self, criteria: Iterable[str], readings: Mapping[str, str] | None = None) -> frozenset[str]:
        """Return the tests that criteria lean on, as the readings are read, or may be read."""
        return frozenset(name for name in self._behind(criteria, readings) if self.criteria[name].kind == "test")

    def part(self, criteria: Iterable[str], readings: Mapping[str, str]) -> Graph:
        """Return the graph of these criteria and of what they lean on, as the readings are read: statuses of it take less time."""
        names = self._behind(criteria, readings)
        part = copy(self)
        part.order = [criterion for criterion in self.order if criterion.id in names]
        return part

    def _behind(self, criteria: Iterable[str], readings: Mapping[str, str] | None) -> set[str]:
        stack, seen = list(criteria), set[str]()
        while stack:
            name = stack.pop()
            if name not in seen:
                seen.add(name)
                criterion = self.criteria[name]
                members = criterion.members
                stack += [m.id for m in members if readings is None or _counts(criterion, m, readings)]
                stack += self.doubts.get(name, ())
        return seen

    def reach(self, truths: Mapping[str, Truth], movable: Collection[tuple[str, bool]], readings: Mapping[str, str]) -> Reach:
        """Return what may become of each criterion where tests can come to the answers in `movable`, and keep theirs otherwise.

        An optimistic look at each criterion alone: what it rules out is impossible; what it lets pass may still fail where two
        criteria lean on one test or value.
        """
        moving = {test for test, _ in movable}
        stays = self.statuses({test: None if test in moving else truth for test, truth in truths.items()}, readings)
        met, unmet = set[str](), set[str]()
        for criterion in self.order:
            if criterion.kind == "test":
                truth = truths.get(criterion.id)
                may = truth is True or (criterion.id, True) in movable
                may_not = truth is False or (criterion.id, False) in movable
            else:
                may, may_not = _reach(criterion, met, unmet, stays, readings)
            if may:
                met.add(criterion.id)
            if may_not:
                unmet.add(criterion.id)
        return Reach(self.criteria, met, unmet, stays, readings)


@dataclass(frozen=True)
class Reach:
    """Which criteria may become `met` and which `unmet`; `stays` is the status of those that cannot but keep theirs."""

    criteria: Mapping[str, Criterion]
    met: Set[str]
    unmet: Set[str]
    stays: Mapping[str, str]
    readings: Mapping[str, str]

    def reason(self, name: str, to_be_met: bool) -> list[str]:
        """Return a smallest set of tests that keep a criterion from becoming met (or unmet)."""
        known: dict[tuple[str, bool], frozenset[str]] = {}

        def of(one: str, met: bool) -> frozenset[str]:
            if (one, met) not in known:
                known[one, met] = self._why(self.criteria[one], met, of)
            return known[one, met]

        return sorted(of(name, to_be_met))

    def _why(self, criterion: Criterion, met: bool, of: Callable[[str, bool], frozenset[str]]) -> frozenset[str]:
        if criterion.kind in ("test", "constant"):
            return frozenset([criterion.id] if criterion.kind == "test" else [])
        number, wanted = _failures(criterion, met)
        members = [m.id for m in criterion.members if _counts(criterion, m, self.readings)]
        stuck = [m for m in members if self.stays[m] == (UNMET if met else MET)]
        if criterion.kind == "known_by" and stuck:
            number, members = 1, stuck
        failing = sorted((of(m, wanted) for m in members if m not in (self.met if wanted else self.unmet)), key=len)
        return frozenset[str]().union(*(failing if number is None else failing[:number]))


def _counts(criterion: Criterion, member: Member, readings: Mapping[str, str]) -> bool:
    return criterion.kind != "by_reading" or readings[member.detail[0]] == member.detail[1]


def _failures(criterion: Criterion, met: bool) -> tuple[int | None, bool]:
    """Return how many members that fail are enough to fail a criterion (None: all of them), and whether they should be met."""
    size = len(criterion.members)
    match criterion.kind, met:
        case ("all_of", True) | ("any_of", False):
            return 1, met
        case ("none_of", True):
            return 1, False
        case ("none_of", False):
            return None, True
        case ("n_of", True):
            return size - criterion.number + 1, True
        case ("n_of", False):
            return criterion.number, False
    return None, met


def _members_first(criteria: Mapping[str, Criterion], doubts: Mapping[str, Iterable[str]]) -> list[Criterion]:
    ordered: dict[str, Criterion] = {}

    def visit(criterion: Criterion) -> None:
        if criterion.id not in ordered:
            for name in (*(member.id for member in criterion.members), *doubts.get(criterion.id, ())):
                visit(criteria[name])
            ordered[criterion.id] = criterion

    for criterion in criteria.values():
        visit(criterion)
    return list(ordered.values())


def _reach(
    criterion: Criterion, can: set[str], cannot: set[str], stays: Mapping[str, str], readings: Mapping[str, str]
) -> tuple[bool, bool]:
    """Tell whether a criterion other than a test may become met, and whether it may become unmet."""
    members = [member.id for member in criterion.members]
    met, unmet = sum(m in can for m in members), sum(m in cannot for m in members)
    match criterion.kind:
        case "all_of":
            return met == len(members), unmet > 0
        case "any_of":
            return met > 0, unmet == len(members)
        case "none_of":
            return unmet == len(members), met > 0
        case "n_of":
            return met >= criterion.number, unmet > len(members) - criterion.number
        case "known_by":
            stuck = {stays[m] for m in members}
            return met > 0 and UNMET not in stuck, unmet > 0 and MET not in stuck
        case "presumed_absent":
            return met > 0, all(stays[m] != MET for m in members)
        case "by_reading":
            chosen = next((m.id for m in criterion.members if readings[m.detail[0]] == m.detail[1]), "")
            return chosen in can, chosen in cannot
        case "points":
            return _most(criterion, can) >= criterion.number, True
    return criterion.id == "always", criterion.id == "never"


def _most(criterion: Criterion, can: set[str]) -> int:
    """Return the most points that a score may reach."""
    heaviest: dict[str, int] = {}
    for member in criterion.members:
        domain, weight = member.detail[0], int(member.detail[1])
        if weight > 0 and member.id in can:
            heaviest[domain] = max(heaviest.get(domain, 0), weight)
    return sum(heaviest.values())
