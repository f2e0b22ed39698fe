"""What can go wrong, each with where and how to mend it.

PyscreenError
├── KnowledgeBaseError   the knowledge base is wrong (file, line, what, did you mean)
├── RecordError          the record is wrong, or cannot be read
└── RequestError         the question is wrong: no such cohort, trial, reading, option
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it stands, and what was probably meant."""

    message: str
    file: str = ""
    line: int | None = None
    field: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        where = " ".join(part for part in (place, self.field) if part)
        return f"{where}: {self.message}" if where else self.message


class PyscreenError(Exception):
    """Base of all errors; carries every problem found, not only the first."""

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        self.problems = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class KnowledgeBaseError(PyscreenError):
    """The knowledge base cannot be used as it is."""


class RecordError(PyscreenError):
    """The patient record cannot be used as it is."""


class RequestError(PyscreenError):
    """The question names something that does not exist."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest known name, or nothing.

    >>> did_you_mean("platelts", ["platelets", "pvr"])
    " (did you mean 'platelets'?)"
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""
