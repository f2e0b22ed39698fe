"""Every bound of the knowledge base has cases below, at, above and missing: the tables in tests/kb, put through the screening.

A table row is a sentence with a record fragment in the written form:

    - name: a wedge pressure of 15 mmHg is at most 15
      criterion: normal_wedge_pressure                 # whose status is asked
      patient: precapillary                            # a fragment named in the file; `given` replaces its items of one concept
      readings: {G40: at_most_15, P01: [current, any_age]}    # a list: the same under each
      each: {F: [a, b]}                                # or a list of mappings; <F> stands for each in turn
      given: {measurements: [{quantity: pawp, value: $, unit: "mm[Hg]"}]}
      values: {14.9: met, 15: met, 15.1: unmet}        # what stands for $, and the status it gives
      missing: unknown                                 # without the items that hold $, and without `complete`
      unsaid: unknown                                  # without the fields that hold $
    - name: ...
      given: {...}
      expect: {met: [...], unmet: [...], unknown: [...]}

Screened on 2026-11-22 unless `on` says otherwise. That a status is right is asserted row by row; that no bound was
forgotten, by mutants: each bound of each test is moved, each condition dropped, and some asserted case must notice.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import pyscreen
from pyscreen.answers import Answers, answer
from pyscreen.dates import Duration, shift
from pyscreen.form import SECTIONS
from pyscreen.knowledge import KnowledgeBase
from pyscreen.markup import load
from pyscreen.questions import Comparison, Condition, Selection, Test, Threshold
from pyscreen.record import Record
from pyscreen.screening import MET, UNKNOWN, UNMET, Screener, Screening, Verdict
from pyscreen.truth import Truth
from pyscreen.written import build

TABLES = Path(__file__).parent / "kb"
DAY = date(2026, 11, 22)
STATUSES = (MET, UNMET, UNKNOWN)


class Quick(Screener):
    """Screens without asking what other options of the readings would change."""

    def _with_dependences(self, verdicts: Mapping[str, Verdict], *_: Any) -> dict[str, Verdict]:
        return dict(verdicts)


@cache
def knowledge() -> KnowledgeBase:
    return pyscreen.load("cd19_autoimmune")


@cache
def screener() -> Screener:
    return Quick(knowledge())


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
                yield Point(words, record, day, readings, expect)


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
        yield "missing", {s: items for s, items in left.items() if not _holds(items)}, dict.fromkeys(criteria, body["missing"])
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


# ---- every row holds -------------------------------------------------------------------------------------------------


@cache
def screened(point: Point) -> Screening:
    return screener().screen(point.record, point.day, point.readings)


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.file}: {row.name}")
def test_the_rows_hold(row: Row) -> None:
    assert row.points, "the row says nothing"
    wrong = []
    for point in row.points:
        statuses = screened(point).statuses
        unknown = [name for name in point.expect if name not in statuses]
        assert not unknown, f"no such criterion is asked: {unknown}"
        assert set(point.expect.values()) <= set(STATUSES), point.expect
        wrong += [
            f"{name} is {statuses[name]}, not {status} ({point.what})"
            for name, status in point.expect.items()
            if statuses[name] != status
        ]
    assert not wrong, "\n".join(wrong)


def test_every_table_is_of_a_file_of_the_knowledge_base() -> None:
    root = knowledge().root
    known = {path.stem for folder in ("criteria", "trials/cd19_autoimmune") for path in (root / folder).glob("*.lp")}
    tables = {path.stem for path in TABLES.glob("*.yaml")}
    assert tables <= known
    without_bounds = {"main", "clauses"} | {stem for stem in known if stem.startswith("readings")}
    assert known - tables <= without_bounds
