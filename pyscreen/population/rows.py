"""Items of many patients in rows, sorted by patient, and what is done with rows whatever they are of.

Answers are 1 (yes), 0 (unknown) and -1 (no), so that `both` is the minimum and `either` the maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..items import FAR_AHEAD, LONG_AGO
from ..quantities import Interval
from .columns import Flags, Floats, Ints, Values

Truths = npt.NDArray[np.int8]
FIRST_DAY, LAST_DAY = LONG_AGO.toordinal(), FAR_AHEAD.toordinal()
"""The first and the last day that one may be of which nothing is known."""


class Hard(Exception):
    """A selection that the columns cannot answer for anybody."""


class Ahead(Exception):
    """A selection of what is planned, of which the columns hold nothing."""


@dataclass(frozen=True)
class Computed(Values):
    """Values known to lie about between two numbers (far closer than a millionth); `known` is false where nothing is known of one.

    `exactly` gives the interval of a value by its number in `source`.
    """

    least: Floats
    most: Floats
    known: Flags
    source: npt.NDArray[np.int64]
    exactly: Callable[[int], Interval]

    def at(self, rows: Any) -> Computed:
        """Return the values of some rows."""
        return Computed(
            self.number[rows], self.unit[rows], self.other[rows], self.low[rows], self.high[rows],
            self.least[rows], self.most[rows], self.known[rows], self.source[rows], self.exactly,
        )  # fmt: skip


@dataclass
class Items:
    """Items of a selection, sorted by patient: whose each is, whether it meets the conditions, whether it is present, and its columns.

    `hard` are the patients of whom the columns do not tell.
    """

    kind: str
    place: Ints
    truth: Truths
    present: Flags
    columns: dict[str, Any]
    hard: Ints = field(default_factory=lambda: np.zeros(0, np.int32))

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.place)

    def where(self, keep: Flags) -> Items:
        """Return the items for which a flag is set."""
        return self if keep.all() else self.at(keep)

    def at(self, keep: Any) -> Items:
        """Return the items of some rows."""
        columns = {name: column.at(keep) if hasattr(column, "at") else column[keep] for name, column in self.columns.items()}
        return Items(self.kind, self.place[keep], self.truth[keep], self.present[keep], columns, self.hard)


def said(yes: Flags, no: Flags) -> Truths:
    """Return answers; what is neither yes nor no is unknown."""
    return yes.astype(np.int8) - no.astype(np.int8)


def pairs(place: Ints, others: Ints, rows: Flags, other_rows: Flags) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return every pair of an item and another one of the same patient; both are sorted by patient."""
    left, right = np.flatnonzero(rows), np.flatnonzero(other_rows)
    first = np.searchsorted(others[right], place[left], "left")
    counts = np.searchsorted(others[right], place[left], "right") - first
    one = np.repeat(left, counts)
    offsets = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts)
    return one, right[np.repeat(first, counts) + offsets]
