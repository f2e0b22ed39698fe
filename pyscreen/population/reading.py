"""What became of a source that was read into event tables: who was set aside and why, and what was not used, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from ..errors import Problem

Frames = dict[str, pl.DataFrame]
MOST = 2_000
"""How many different remarks are kept, and how many problems; of more only the number is told."""


@dataclass
class Reading:
    """Filled while a source is read. `notes` count kind and words of what was not used; nothing is dropped silently."""

    notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    aside: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    number_aside: int = 0
    number_lost: int = 0

    def count(self, kind: str, message: str, number: int = 1) -> None:
        """Count something that was not used."""
        key = (kind, message)
        if key not in self.notes and len(self.notes) >= MOST:
            key = (kind, "other remarks")
        self.notes[key] += number

    def set_aside(self, patient: str, problems: Iterable[Problem]) -> None:
        """Keep a patient out, who cannot be read."""
        self.number_aside += 1
        if len(self.aside) < MOST:
            self.aside[patient] = tuple(problems)

    def lost(self, problem: Problem) -> None:
        """Keep what cannot be read and is of no known patient."""
        self.number_lost += 1
        if len(self.problems) < MOST:
            self.problems.append(problem)

    def lines(self) -> Iterator[str]:
        """Yield what there is to say: who was set aside, what was lost, then what was not used, the most frequent first."""
        for patient, problems in self.aside.items():
            yield from (f"set aside: patient {patient}: {problem}" for problem in problems)
        yield from (f"lost: {problem}" for problem in self.problems)
        for (kind, message), number in self._by_number():
            yield f"{kind}: {message}, {number:,} times" if number > 1 else f"{kind}: {message}"

    def _by_number(self) -> list[tuple[tuple[str, str], int]]:
        return sorted(self.notes.items(), key=lambda item: (-item[1], item[0]))

    def report(self) -> dict[str, Any]:
        """Return all of it as plain data: numbers, and the first of each."""
        return {
            "set_aside": self.number_aside,
            "lost": self.number_lost,
            "patients_set_aside": {patient: [str(one) for one in problems] for patient, problems in self.aside.items()},
            "lines_lost": [str(problem) for problem in self.problems],
            "notes": [{"kind": kind, "message": message, "count": n} for (kind, message), n in self._by_number()],
        }
