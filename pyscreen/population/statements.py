"""What is measured and what is stated in many records, as items; also what follows from a record's other facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..derived import HISTORY
from ..questions import Selection
from .columns import Days, Ints, Section
from .rows import Items, Truths
from .view import SECTION, View

_OF_STATEMENTS = ("concept", "start", "over", "goes_on", "stated", "first", "last", "clock", "method")
_OF_MEASUREMENTS = ("start", "stated", "first", "last", "goes_on", "clock", "method", "values")


def measurements(view: View, selection: Selection) -> Items:
    """Return the measurements of a quantity as they are reported."""
    section = view.section("measurements")
    rows = section.slices.get(selection.concept, slice(0, 0))
    place = section["place"][rows]
    columns = _taken(section.columns, rows, _OF_MEASUREMENTS)
    items = Items("measurement", place, np.ones(len(place), np.int8), np.ones(len(place), np.bool_), columns)
    return items.where(~section["apart"][rows])


def statements(view: View, selection: Selection) -> Items:
    """Return what is stated of what a selection asks for: also what follows from it, and what leaves it open."""
    section = view.section(SECTION[selection.kind])
    wanted = selection.members or {selection.concept}
    parts = []
    for concept, rows in section.slices.items():
        kinds = view.vocabulary.members(concept) or {concept}
        if_present = 1 if kinds <= wanted else 0 if kinds & wanted else None
        if_absent = wanted <= kinds
        if if_present is None and not if_absent:
            continue
        parts.append((rows, if_present, if_absent))
    rows = _together([part[0] for part in parts], section["place"])
    present = section["present"][rows]
    if len(parts) == 1 and parts[0][1:] == (1, True):
        whole: Truths = np.ones(len(present), np.int8)
        keep = ~section["apart"][rows]
    else:
        names = list(view.vocabulary.labels(selection.kind))
        asked = np.full((len(names), 2), -1, np.int8)
        for (part, if_present, if_absent) in parts:
            concept = section["concept"][part.start]
            asked[concept] = (1 if if_absent else -1, -1 if if_present is None else if_present)
        whole = asked[section["concept"][rows], present.astype(np.int8)]
        keep = ~section["apart"][rows] & (whole >= 0)
    items = Items(selection.kind, section["place"][rows], whole, present, _taken(section.columns, rows, _OF_STATEMENTS))
    items = items if keep.all() else items.where(keep)
    if selection.kind == "event":
        for name in sorted(view.vocabulary.derived & HISTORY.keys()):
            kinds = view.vocabulary.members(name) or {name}
            if kinds & wanted:
                items = _both(items, _history(view, name, kinds <= wanted))
    return items


def _history(view: View, name: str, certain: bool) -> Items:
    """Return events that follow from the record's other facts: the patient's death."""
    assert name == "death", name
    columns = view.columns
    place = np.flatnonzero(columns.died.known).astype(np.int32)
    died, recorded = columns.died.at(place), columns.recorded.at(place)
    latest = np.where(recorded.known, np.minimum(died.last, np.maximum(died.first, recorded.first)), died.last)
    died = Days(died.first, latest, died.known)
    never, nothing = np.zeros(len(place), np.bool_), np.full(len(place), -1, np.int32)
    rows = {
        "place": place, "present": ~never, "planned": never, "ongoing": never, "when": died, "stated": died,
        "end": Days(nothing, nothing, never), "clock": nothing,
        "concept": np.full(len(place), list(view.vocabulary.labels("event")).index(name), np.int32),
    }  # fmt: skip
    section = view.seen(Section("event", rows))
    whole = np.full(len(place), 1 if certain else 0, np.int8)
    items = Items("event", place, whole, ~never, _taken(section.columns, slice(None), _OF_STATEMENTS))
    return items.where(~section["apart"])


def _taken(columns: Mapping[str, Any], rows: Any, names: tuple[str, ...]) -> dict[str, Any]:
    kept = ((name, columns[name]) for name in names if name in columns)
    return {name: column.at(rows) if hasattr(column, "at") else column[rows] for name, column in kept}


def _both(one: Items, other: Items) -> Items:
    """Return the items of both, sorted by patient."""
    if not len(other):
        return one
    order = np.argsort(np.r_[one.place, other.place], kind="stable")
    columns = {name: _after_each_other(column, other[name]) for name, column in one.columns.items()}
    hard = np.concatenate([one.hard, other.hard])
    truth, present = np.concatenate([one.truth, other.truth]), np.concatenate([one.present, other.present])
    return Items(one.kind, np.concatenate([one.place, other.place]), truth, present, columns, hard).at(order)


def _after_each_other(one: Any, other: Any) -> Any:
    if isinstance(one, Days):
        return Days(*map(np.concatenate, zip(one, other, strict=True)))
    return np.concatenate([one, other])


def _together(parts: list[slice], place: Ints) -> Any:
    """Return the rows of several concepts, sorted by patient."""
    if not parts:
        return slice(0, 0)
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([np.arange(part.start, part.stop) for part in parts])
    return rows[np.argsort(place[rows], kind="stable")]
