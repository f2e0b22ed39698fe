"""Strong Kleene logic over the criterion graph: the status of one criterion from those of its members.

The engine decides; this tells quickly what a change could reach (tests hold the two equal on every criterion).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .knowledge import Criterion

MET, UNMET, UNKNOWN = "met", "unmet", "unknown"


def status(criterion: Criterion, statuses: Mapping[str, str], readings: Mapping[str, str]) -> str:
    """Return the status of a criterion other than a test, given its members' statuses and how the readings are read."""
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
        case "by_reading":
            return next((statuses[m.id] for m in criterion.members if readings[m.detail[0]] == m.detail[1]), UNKNOWN)
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
    """What changes above some criteria when their status does."""

    def __init__(self, criteria: Mapping[str, Criterion]) -> None:
        self.criteria = criteria
        self.parents: dict[str, list[str]] = {}
        for criterion in criteria.values():
            for member in criterion.members:
                self.parents.setdefault(member.id, []).append(criterion.id)

    def changed(
        self, starts: Iterable[str], statuses: Mapping[str, str], readings: Mapping[str, str]
    ) -> dict[str, str]:
        """Return every criterion at or above `starts` whose status differs under these readings, with the new one."""
        now = dict(statuses)
        queue = list(starts)
        while queue:
            name = queue.pop(0)
            fresh = status(self.criteria[name], now, readings)
            if fresh != now[name]:
                now[name] = fresh
                queue.extend(self.parents.get(name, ()))
        return {name: fresh for name, fresh in now.items() if fresh != statuses[name]}
