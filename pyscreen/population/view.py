"""The columns of a chunk as of a screening date: what holds of its items on that day, and what its values are."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np

from ..form import SECTIONS
from ..quantities import Interval
from .columns import Columns, Days, Flags, Floats, Section, Values, either
from .rows import FIRST_DAY, Computed

SECTION = {kind: section for section, kind in SECTIONS.items()}
"""The section in which each kind of item is written."""


class View:
    """A chunk as of a screening date, before anything is asked of it."""

    def __init__(self, columns: Columns, day: date) -> None:
        self.columns = columns
        self.codes = columns.codes
        self.vocabulary = columns.vocabulary
        self.date = day
        self.day = day.toordinal()
        self.patients = columns.patients
        self._prepared: dict[str, Section] = {}
        self._known_ends: tuple[Floats, Floats, Flags] | None = None
        self._factors: Floats = np.ones((0, 2))

    # ---- sections and days -------------------------------------------------------------------------------------------

    def section(self, name: str) -> Section:
        """Return a section with what holds of its items on the screening date."""
        if name not in self._prepared:
            self._prepared[name] = self.seen(self.columns.sections[name])
        return self._prepared[name]

    def seen(self, section: Section) -> Section:
        """Return rows with what holds of them on the screening date beside their own columns."""
        see = self._of_measurements if section.kind == "measurement" else self._of_statements
        return Section(section.kind, {**section.columns, **see(section)}, section.slices)

    def clamped(self, days: Days) -> Days:
        """A partly known date of something already recorded cannot lie after the screening date."""
        ahead = days.first > self.day
        return Days(days.first, np.where(ahead, days.last, np.minimum(days.last, self.day)), days.known)

    def _of_measurements(self, section: Section) -> dict[str, Any]:
        when = self.clamped(section["when"])
        never = np.zeros(len(when.known), np.bool_)
        first, last = self.extent(when, when, never, when)
        return {"start": when, "stated": when, "first": first, "last": last, "goes_on": never,
                "apart": when.known & (when.first > self.day)}  # fmt: skip

    def _of_statements(self, section: Section) -> dict[str, Any]:
        """`apart` are planned or lie ahead; `extent` is the first and the last day."""
        when, end = section["when"], section["end"]
        ahead = when.known & (when.first > self.day)
        start = self.clamped(when)
        if section.kind != "finding":
            over = Days(end.first, end.last, end.known | section["ongoing"])
            end = either(over, start)
            end = Days(end.first, end.last, end.known & ~section["ongoing"])
        ongoing = section["ongoing"] | (end.known & (end.first > self.day) & ~(start.known & (start.first > self.day)))
        recorded = self.columns.recorded.at(section["place"])
        until = np.where(recorded.known, np.minimum(recorded.first, self.day), self.day)
        stated = section["stated"]
        stated = Days(np.where(ongoing, until, stated.first), np.where(ongoing, until, stated.last), stated.known | ongoing)
        stated = self.clamped(stated)
        end = Days(end.first, end.last, end.known & ~ongoing)
        first, last = self.extent(start, end, ongoing, stated)
        return {"start": start, "over": end, "goes_on": ongoing, "stated": stated, "first": first, "last": last,
                "apart": section["planned"] | ahead}  # fmt: skip

    def extent(self, start: Days, end: Days, ongoing: Flags, stated: Days) -> tuple[Days, Days]:
        """Return first and last day of something, as far as they are known on the screening date."""
        day = np.int32(self.day)
        still = ongoing | (end.known & (end.first > day))
        known = np.maximum(np.where(start.known, start.first, FIRST_DAY), np.where(stated.known, stated.first, FIRST_DAY))
        last_first = np.where(still, day, np.where(end.known, end.first, np.minimum(known, day)))
        last_last = np.where(still, day, np.where(end.known, np.minimum(end.last, day), day))
        open_ = ~still & ~end.known & stated.known
        begun = np.minimum(np.where(open_, np.minimum(day, stated.last), day), last_last)
        first = np.where(start.known, start.first, FIRST_DAY)
        first_last = np.maximum(first, np.minimum(np.where(start.known, start.last, begun), begun))
        always = np.ones(len(first), np.bool_)
        # It cannot start after its end, nor end before its start.
        return (
            Days(first.astype(np.int32), np.minimum(first_last, last_last).astype(np.int32), always),
            Days(np.maximum(first, last_first).astype(np.int32), last_last.astype(np.int32), always),
        )

    def today(self, many: int) -> Days:
        """Return the screening date so many times."""
        on = np.full(many, self.day, np.int32)
        return Days(on, on, np.ones(many, np.bool_))

    # ---- values ------------------------------------------------------------------------------------------------------

    def about(self, values: Values) -> tuple[Floats, Floats]:
        """Return between which numbers, about, values lie in their canonical unit."""
        if isinstance(values, Computed):
            return np.where(values.known, values.least, -np.inf), np.where(values.known, values.most, np.inf)
        if len(self._factors) < len(self.codes.units):
            self._factors = np.array([(float(factor), float(offset)) for factor, offset in self.codes.units])
        factors = self._factors[values.unit]
        low = values.number * factors[:, 0] + factors[:, 1]
        if (values.other < 0).all():
            return low, low
        least, most, _ = self._ends
        return np.where(values.other < 0, low, least[values.other]), np.where(values.other < 0, low, most[values.other])

    def exact(self, values: Values) -> Flags:
        """Tell which values are known exactly."""
        if isinstance(values, Computed):
            return np.array([self.interval(values, row).exact for row in range(len(values.number))], np.bool_)
        return self._ends[2][values.other]

    @property
    def _ends(self) -> tuple[Floats, Floats, Flags]:
        if self._known_ends is None or len(self._known_ends[0]) <= len(self.codes.intervals):
            self._known_ends = self.codes.ends()
        return self._known_ends

    def interval(self, values: Values, row: int) -> Interval:
        """Return one value exactly, in the canonical unit."""
        if isinstance(values, Computed):
            return values.exactly(int(values.source[row])) if values.known[row] else Interval(None, None)
        if values.other[row] >= 0:
            return self.codes.intervals[int(values.other[row])]
        factor, offset = self.codes.units[values.unit[row]]
        return Interval.exactly(Fraction(repr(float(values.number[row]))) * factor + offset)
