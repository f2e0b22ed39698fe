"""A patient's record: dated, unit-bearing facts in the words of the vocabulary.

Read from a file by `pyscreen.written` (YAML, JSON) or `pyscreen.fhir` (FHIR R4). Values are exact and in the canonical unit
of their quantity; what was written is kept beside them as evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from .dates import When
from .quantities import Interval


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value of a quantity, canonical unit; `low` and `high` are the laboratory's own limits, canonical unit too."""

    concept: str
    value: Interval
    text: str
    when: When | None = None
    low: Fraction | None = None
    high: Fraction | None = None
    method: str | None = None
    side: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A finding, event, procedure, judgement or consent: stated to be so, or not to be so.

    `when` is the day of onset, of the event, or of the statement; `end` the day a finding ended (or an event of several days),
    `ongoing` that it had not ended when the record was made. `stated` is the day on which it was last known to be as stated.
    """

    concept: str
    present: bool
    when: When | None = None
    end: When | None = None
    ongoing: bool = False
    stated: When | None = None
    planned: bool = False
    by: str | None = None
    method: str | None = None
    side: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Dose:
    """A daily dose: `amount` per day in `unit` (`mg/d`, or `mg/kg/d` where it is by weight), exact."""

    amount: Fraction
    unit: str


@dataclass(frozen=True, slots=True)
class Therapy:
    """A course of a drug at one dose. `taken` false: stated never to have been taken. Without `end` and not `ongoing`: end unknown."""

    concept: str
    dose: Dose | None = None
    text: str = ""
    route: str | None = None
    start: When | None = None
    end: When | None = None
    ongoing: bool = False
    response: str | None = None
    reasons: tuple[str, ...] = ()
    planned: bool = False
    taken: bool = True
    id: str | None = None


@dataclass(frozen=True, slots=True)
class DirectAnswer:
    """What a person answered to a test of the knowledge base itself, on a day; `by` says who."""

    test: str
    yes: bool
    day: date
    by: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something in the source that was not used, and why: unmapped, ignored, or in conflict. Nothing is dropped silently."""

    kind: str
    message: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One patient. `complete` names the sections or concepts whose history is complete: what is not recorded there is absent."""

    id: str
    birth: When | None = None
    sex: str | None = None
    died: When | None = None
    recorded: date | None = None
    measurements: tuple[Measurement, ...] = ()
    findings: tuple[Statement, ...] = ()
    therapies: tuple[Therapy, ...] = ()
    events: tuple[Statement, ...] = ()
    procedures: tuple[Statement, ...] = ()
    judgements: tuple[Statement, ...] = ()
    consents: tuple[Statement, ...] = ()
    answers: tuple[DirectAnswer, ...] = ()
    complete: frozenset[str] = frozenset()
    notes: tuple[Note, ...] = ()

    def statements(self, kind: str) -> Iterable[Statement]:
        """Return the statements of one kind: finding, event, procedure, judgement or consent."""
        return {
            "finding": self.findings,
            "event": self.events,
            "procedure": self.procedures,
            "judgement": self.judgements,
            "consent": self.consents,
        }[kind]

    def later(self, day: date) -> Iterator[tuple[str, str, When, str | None]]:
        """Yield kind, concept, date and id of every item that is dated after a day and not said to be planned.

        The birth and the death are of the kinds `birth` and `death`, a direct answer is of the kind `answer`.
        """
        life = (("birth", self.birth), ("death", self.died))
        found: list[tuple[str, str, When | None, str | None]] = [(kind, kind, when, None) for kind, when in life]
        found += [("measurement", item.concept, item.when, item.id) for item in self.measurements]
        found += [("therapy", item.concept, item.start, item.id) for item in self.therapies if not item.planned]
        for kind in ("finding", "event", "procedure", "judgement", "consent"):
            said = [item for item in self.statements(kind) if not item.planned]
            found += [(kind, item.concept, _later_of(item.when, item.stated, day), item.id) for item in said]
        found += [("answer", item.test, When.on(item.day), item.id) for item in self.answers]
        yield from ((kind, concept, when, name) for kind, concept, when, name in found if when and when.earliest > day)


def _later_of(when: When | None, stated: When | None, day: date) -> When | None:
    """Return the date of a statement, or that on which it was last known to be so, where only that is after a day."""
    return stated if stated and stated.earliest > day and not (when and when.earliest > day) else when
