"""What changed between two screenings and what it did; what hangs on one fact; why one cohort and not another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from .answers import Answer, Evidence
from .errors import RequestError, did_you_mean
from .explain import effect
from .knowledge import Cohort, KnowledgeBase, Need
from .record import Record
from .screening import Screener, Screening, Verdict

# ---- two screenings --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """A test that is answered otherwise."""

    test: str
    label: str
    before: Answer
    after: Answer


@dataclass(frozen=True, slots=True)
class Turn:
    """A requirement or exclusion that stands otherwise: in which cohorts, and by which changed tests."""

    need: Need
    label: str
    excludes: bool
    before: str
    after: str
    cohorts: tuple[Cohort, ...]
    changes: tuple[Change, ...]

    @property
    def effects(self) -> tuple[str, str]:
        """What it did to eligibility before and does after."""
        return effect(self.before, self.excludes), effect(self.after, self.excludes)


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed: items that answers rest on, tests, requirements, verdicts (before, after)."""

    before: Screening
    after: Screening
    new: tuple[Evidence, ...]
    gone: tuple[Evidence, ...]
    changes: tuple[Change, ...]
    turns: tuple[Turn, ...]
    verdicts: tuple[tuple[Verdict, Verdict], ...]


def difference(before: Screening, after: Screening, cohorts: Iterable[str] | None = None) -> Difference:
    """Return what changed between two screenings of a trial (two records, or two days), and what it did.

    `cohorts` (ids or codes) are looked at, default all. Raises RequestError for two knowledge bases, or a cohort that does not exist.
    """
    if (before.kb.trial, before.kb.digest) != (after.kb.trial, after.kb.digest):
        raise RequestError("two screenings can be compared where they are of one trial and one knowledge base")
    looked = [before.kb.cohort(name) for name in cohorts] if cohorts is not None else list(before.kb.cohorts.values())
    changes = {change.test: change for change in _changes(before, after)}
    was, now = (dict.fromkeys(_items(screening)) for screening in (before, after))
    verdicts = [(before.verdicts[cohort.id], after.verdicts[cohort.id]) for cohort in looked]
    return Difference(
        before,
        after,
        tuple(item for item in now if item not in was),
        tuple(item for item in was if item not in now),
        tuple(changes.values()),
        tuple(_turns(before, after, looked, changes)),
        tuple(pair for pair in verdicts if pair[0].status != pair[1].status),
    )


def _items(screening: Screening) -> Iterator[Evidence]:
    """Yield every item that an answer rests on, as it was written."""
    for given in screening.answers.by_test.values():
        for item in given.evidence:
            computed = item.concept in screening.kb.vocabulary.derived or item.concept == "age"
            yield replace(item, note="", when=None if computed else item.when)


def _changes(before: Screening, after: Screening) -> Iterator[Change]:
    for test, was in before.answers.by_test.items():
        now = after.answers[test]
        if was.truth is not now.truth:
            yield Change(test, before.kb.criteria[test].label, was, now)


def _turns(before: Screening, after: Screening, cohorts: list[Cohort], changes: dict[str, Change]) -> Iterator[Turn]:
    for need, excludes, concerned in _needs(before.kb, cohorts):
        was, now = before.statuses[need.criterion], after.statuses[need.criterion]
        if was != now:
            below = (criterion.id for criterion in before.kb.below([need.criterion]))
            deciding = {*before.deciding_tests(need.criterion), *after.deciding_tests(need.criterion)}
            by = tuple(changes[name] for name in below if name in changes and name in deciding)
            yield Turn(need, before.kb.criteria[need.criterion].label, excludes, was, now, concerned, by)


def _needs(kb: KnowledgeBase, cohorts: list[Cohort]) -> Iterator[tuple[Need, bool, tuple[Cohort, ...]]]:
    """Yield each requirement once with the cohorts that have it, and each exclusion."""
    found: dict[Need, list[Cohort]] = {}
    for cohort in cohorts:
        for need in cohort.needs:
            found.setdefault(need, []).append(cohort)
    yield from ((need, False, tuple(concerned)) for need, concerned in found.items())
    yield from ((need, True, tuple(cohorts)) for need in kb.exclusions)


# ---- one fact --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Strand:
    """A requirement or exclusion that leans on a test, by a path of criteria; `decides` tells whether the test decides it."""

    need: Need
    excludes: bool
    effect: str
    decides: bool
    path: tuple[str, ...]
    cohorts: tuple[Cohort, ...]


@dataclass(frozen=True, slots=True)
class Bearing:
    """What hangs on one fact: its items, the tests that ask for it with what leans on them, and the screening without it."""

    fact: str
    items: tuple[Evidence, ...]
    strands: tuple[tuple[Answer, tuple[Strand, ...]], ...]
    without: Difference | None


def bearing(screener: Screener, screening: Screening, fact: str) -> Bearing:
    """Return what hangs on a fact: an item's id in the record, a concept of the vocabulary, or a test.

    Raises RequestError where nothing in the record or the knowledge base has that name.
    """
    kb = screening.kb
    asked = [given for given in screening.answers.by_test.values() if _concerns(kb, given, fact)]
    if not asked:
        raise RequestError(f"no item, concept or test '{fact}'{did_you_mean(fact, _known(screening))}")
    items = dict.fromkeys(
        replace(e, note="") for given in asked for e in given.evidence if _is_item(e, fact) or given.test == fact
    )
    strands = tuple((given, tuple(_strands(screening, given.test))) for given in asked)
    left = _without(screening.record, fact)
    without = None
    if left != screening.record:
        again = screener.screen(left, screening.day, screening.readings, dependences=False)
        without = difference(again, screening)
    return Bearing(fact, tuple(items), strands, without)


def _is_item(item: Evidence, fact: str) -> bool:
    return (
        item.concept == fact
        or item.kind == fact == "sex"
        or (item.id is not None and fact in (item.id, *item.id.split()))
    )


def _concerns(kb: KnowledgeBase, given: Answer, fact: str) -> bool:
    selection = kb.tests[given.test].selection
    if selection.kind == fact == "sex":
        return True
    return (
        fact in (given.test, selection.concept)
        or fact in selection.members
        or any(_is_item(e, fact) for e in given.evidence)
    )


def _known(screening: Screening) -> set[str]:
    names = {item.id for given in screening.answers.by_test.values() for item in given.evidence if item.id}
    names |= {test.selection.concept for test in screening.kb.tests.values()}
    return names | set(screening.kb.tests)


def _strands(screening: Screening, test: str) -> Iterator[Strand]:
    for need, excludes, cohorts in _needs(screening.kb, list(screening.kb.cohorts.values())):
        decides = test in screening.path(need.criterion)
        path = _path(screening, need.criterion, test, decides)
        if path:
            yield Strand(need, excludes, effect(screening.statuses[need.criterion], excludes), decides, path, cohorts)


def _path(screening: Screening, root: str, test: str, deciding: bool) -> tuple[str, ...]:
    """Return a shortest way from a criterion down to a test; only through what decides, where that is asked for."""
    came: dict[str, str] = {root: ""}
    queue = [root]
    for name in queue:
        if name == test:
            break
        members = screening.deciders(name) if deciding else [m.id for m in screening.kb.criteria[name].members]
        for member in members:
            if member not in came:
                came[member] = name
                queue.append(member)
    path: list[str] = []
    at = test if test in came else ""
    while at:
        path.append(at)
        at = came[at]
    return tuple(reversed(path))


def _without(record: Record, fact: str) -> Record:
    """Return a record without the items of that id or concept."""

    def left(items: Any) -> Any:
        return tuple(
            item for item in items if fact not in (getattr(item, name, None) for name in ("concept", "id", "test"))
        )

    kept: dict[str, Any] = {
        field.name: left(getattr(record, field.name))
        for field in fields(record)
        if isinstance(getattr(record, field.name), tuple) and field.name != "notes"
    }
    if fact == "sex" or fact == record.sex:
        kept["sex"] = None
    if fact == "age":
        kept["birth"] = None
    return replace(record, **kept)


# ---- two cohorts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two cohorts of one screening: what both require, and what only the one or only the other does."""

    one: Verdict
    other: Verdict
    both: tuple[Need, ...]
    only_one: tuple[Need, ...]
    only_other: tuple[Need, ...]


def contrast(screening: Screening, one: str, other: str) -> Contrast:
    """Return why the one cohort and not the other (ids or codes); raises RequestError for a cohort that does not exist."""
    first, second = screening.verdict(one), screening.verdict(other)
    theirs = {need.criterion for need in second.cohort.needs}
    ours = {need.criterion for need in first.cohort.needs}
    return Contrast(
        first,
        second,
        tuple(need for need in first.cohort.needs if need.criterion in theirs),
        tuple(need for need in first.cohort.needs if need.criterion not in theirs),
        tuple(need for need in second.cohort.needs if need.criterion not in ours),
    )
