"""The tables of tests/kb: record fragments, and the statuses that they must give.

A table row is a sentence with a record fragment in the written form:
    - name: a wedge pressure of 15 mmHg is at most 15
      criterion: normal_wedge_pressure                 # whose status is asked
      patient: precapillary                            # a fragment named in the file; `given` replaces its items of one concept
      readings: {G40: at_most_15, P01: [current, any_age]}    # a list: the same under each; `at_most_15 (default)`: not chosen
      each: {F: [a, b]}                                # or a list of mappings; <F> stands for each in turn
      given: {measurements: [{quantity: pawp, value: $, unit: "mm[Hg]"}]}
      values: {14.9: met, 15: met, 15.1: unmet}        # what stands for $, and the status it gives
      missing: unknown                                 # without the items that hold $, and without `complete`
      unsaid: unknown                                  # without the fields that hold $
    - name: ...
      given: {...}
      expect: {met: [...], unmet: [...], unknown: [...]}

Screened on 2026-11-22 unless `on` says otherwise.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pyscreen
from pyscreen import kleene
from pyscreen.answers import Answers, answer
from pyscreen.form import SECTIONS
from pyscreen.knowledge import Criterion, KnowledgeBase
from pyscreen.markup import load
from pyscreen.questions import Test
from pyscreen.record import Record
from pyscreen.screening import MET, UNKNOWN, UNMET, Screening
from pyscreen.truth import Truth
from pyscreen.written import build

TABLES = Path(__file__).parent / "kb"
DAY = date(2026, 11, 22)


@cache
def knowledge() -> KnowledgeBase:
    return pyscreen.load("cd19_autoimmune")


# ---- reading the tables ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Point:
    """One record fragment under one choice of readings, and the statuses it must give."""

    what: str
    record: Record
    day: date
    readings: Mapping[str, str]
    expect: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a table."""

    file: str
    name: str
    body: Mapping[str, Any]
    patients: Mapping[str, Mapping[str, Any]]

    @property
    def points(self) -> tuple[Point, ...]:
        return points(self)


@cache
def rows() -> tuple[Row, ...]:
    found = []
    for path in sorted(TABLES.glob("*.yaml")):
        entries = load(path.read_bytes(), str(path)).value
        assert isinstance(entries, list), path
        patients = {entry["patient"]: entry["is"] for entry in entries if "is" in entry}
        found += [Row(path.stem, str(entry["name"]), entry, patients) for entry in entries if "is" not in entry]
    return tuple(found)


@cache
def points(row: Row) -> tuple[Point, ...]:
    return tuple(_points(row))


DEFAULT = " (default)"
FIELDS = {"name", "criterion", "patient", "readings", "each", "given", "values", "missing", "unsaid", "expect", "on"}


def _points(row: Row) -> Iterator[Point]:
    assert set(row.body) <= FIELDS, f"{row.file}: {row.name}: {set(row.body) - FIELDS}"
    for named in _each(row.body.get("each", {})):
        body = _filled(dict(row.body), named)
        base = row.patients[body["patient"]] if "patient" in body else {}
        day = date.fromisoformat(body["on"]) if "on" in body else DAY
        for readings in _each(body.get("readings", {})):
            for what, given, expect in _variants(body, base):
                words = ", ".join([*(f"{k} {v}" for k, v in (named | readings).items()), what])
                record = build(given, knowledge().vocabulary, name=row.name[:60])
                yield Point(words, record, day, _chosen(readings), expect)


def _chosen(readings: Mapping[str, str]) -> dict[str, str]:
    """Leave out an option that is said to be the default, so that a case notices when another one becomes it."""
    for reading, option in readings.items():
        if option.endswith(DEFAULT):
            assert knowledge().readings[reading].default == option.removesuffix(DEFAULT), (reading, option)
    return {reading: option for reading, option in readings.items() if not option.endswith(DEFAULT)}


def _each(said: Any) -> Iterator[dict[str, str]]:
    """Yield each combination: of lists in a mapping, or the mappings of a list."""
    if isinstance(said, list):
        yield from said
        return
    lists = [values if isinstance(values, list) else [values] for values in said.values()]
    yield from (dict(zip(said, chosen, strict=True)) for chosen in itertools.product(*lists))


def _filled(value: Any, named: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {_filled(key, named): _filled(part, named) for key, part in value.items() if key != "each"}
    if isinstance(value, list):
        return [_filled(part, named) for part in value]
    if isinstance(value, str):
        return re.sub(r"<(\w+)>", lambda found: named.get(found[1], found[0]), value)
    return value


def _variants(body: Mapping[str, Any], base: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    given, criterion = body["given"], body.get("criterion", "")
    criteria = criterion if isinstance(criterion, list) else [criterion]
    for value, status in body.get("values", {}).items():
        yield str(value), _merged(base, _with(given, value)), dict.fromkeys(criteria, status)
    if "missing" in body:
        left = {section: items for section, items in _merged(base, given).items() if section != "complete"}
        left = {s: [i for i in items if not _holds(i)] if s in SECTIONS else items for s, items in left.items()}
        yield (
            "missing",
            {s: items for s, items in left.items() if not _holds(items)},
            dict.fromkeys(criteria, body["missing"]),
        )
    if "unsaid" in body:
        yield "unsaid", _unsaid(_merged(base, given)), dict.fromkeys(criteria, body["unsaid"])
    if "expect" in body:
        expect = {name: status for status, names in body["expect"].items() for name in names}
        yield "", _merged(base, given), expect


def _with(value: Any, put: str) -> Any:
    if isinstance(value, dict):
        return {key: _with(part, put) for key, part in value.items()}
    if isinstance(value, list):
        return [_with(part, put) for part in value]
    if value == "$":
        return {"true": True, "false": False}.get(put, put)
    return value.replace("$", put) if isinstance(value, str) else value


def _holds(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_holds, parts)) or (isinstance(value, str) and "$" in value)


def _unsaid(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unsaid(part) for key, part in value.items() if not (isinstance(part, str) and "$" in part)}
    return [_unsaid(part) for part in value] if isinstance(value, list) else value


def _merged(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Add a fragment to a named patient; its items stand in for those of the same concept."""
    merged = dict(base)
    for section, items in given.items():
        if section in SECTIONS:
            key = {"measurements": "quantity", "therapies": "drug"}.get(section, SECTIONS[section])
            said = {item[key] for item in items}
            merged[section] = [item for item in base.get(section, []) if item[key] not in said] + items
        else:
            merged[section] = items
    return merged


# ---- what a row gives ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a point gives: the answers to the tests under its criteria, and the statuses that follow."""

    point: Point
    readings: Mapping[str, str]
    truths: Mapping[str, Truth]
    statuses: Mapping[str, str]

    def deciding(self) -> set[str]:
        """Return the criteria and tests on which the statuses asked for rest, and those that put them in doubt or contradict them."""
        screening = Screening(
            knowledge(), self.point.record, self.point.day, self.readings, _NONE, self.statuses, (), {}
        )
        found: set[str] = set()
        wanted = set(self.point.expect)
        while wanted:
            fresh = {name for criterion in wanted for name in screening.path(criterion)} - found
            found |= fresh
            wanted = {doubt for name in fresh if self.truths.get(name) for doubt in doubts().get(name, ())}
            ways = [knowledge().criteria[name] for name in fresh if knowledge().criteria[name].kind == "known_by"]
            wanted |= {member.id for criterion in ways for member in criterion.members}
            wanted -= found
        return found


_NONE = Answers(DAY, {}, ())


@cache
def doubts() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for test, doubt in knowledge().program.rows("doubt", 2):
        found[test] = (*found.get(test, ()), doubt)
    return found


@cache
def asked_under(criteria: tuple[str, ...]) -> tuple[Test, ...]:
    """Return the tests under some criteria, and under what puts them in doubt."""
    kb = knowledge()
    found: dict[str, None] = {}
    wanted = list(criteria)
    while wanted:
        below = [criterion.id for criterion in kb.below(wanted) if criterion.id not in found]
        found |= dict.fromkeys(below)
        wanted = [doubt for name in below for doubt in doubts().get(name, ()) if doubt not in found]
    return tuple(kb.tests[name] for name in found if name in kb.tests)


def derived(
    criteria: Iterable[str],
    truths: Mapping[str, Truth],
    readings: Mapping[str, str],
    changed: Criterion | None = None,
    doubted: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, str]:
    """Return the statuses of criteria and everything under them (strong Kleene logic, as the engine has it).

    `changed` stands in for the criterion of its name, `doubted` for the doubts of the knowledge base.
    """
    doubted = doubts() if doubted is None else doubted
    kb, statuses = knowledge(), {"always": MET, "never": UNMET}

    def settle(name: str) -> str:
        if name in statuses:
            return statuses[name]
        criterion = changed if changed and changed.id == name else kb.criteria[name]
        if criterion.kind == "test":
            truth = truths[name]
            in_doubt = truth is True and MET in [settle(doubt) for doubt in doubted.get(name, ())]
            statuses[name] = UNKNOWN if truth is None or in_doubt else MET if truth else UNMET
        else:
            for member in criterion.members:
                settle(member.id)
            statuses[name] = kleene.status(criterion, statuses, readings)
        return statuses[name]

    for name in criteria:
        settle(name)
    return statuses


@cache
def outcome(point: Point) -> Outcome:
    kb = knowledge()
    readings = kb.chosen(point.readings)
    given = answer(point.record, asked_under(tuple(point.expect)), kb.vocabulary, point.day)
    truths = {name: one.truth for name, one in given.by_test.items()}
    return Outcome(point, readings, truths, derived(point.expect, truths, readings))
