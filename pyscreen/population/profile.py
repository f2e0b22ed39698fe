"""What an invented population is like: shares, usual values and groups, from `population.yaml` beside a trial."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..errors import KnowledgeBaseError, Problem, did_you_mean
from ..knowledge import KnowledgeBase
from ..markup import load
from ..vocabulary import KINDS, Vocabulary


class Draw(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How often a concept is recorded and what is said of it; what is left out is as in the entry `default`."""

    share: float | None = None
    """Of the patients, of whom something is recorded."""
    present: float | None = None
    """Of those, of whom it is said to be so."""
    count: float | None = None
    """How many items such a patient has, on average."""
    median: float | None = None
    spread: float | None = None
    normal: tuple[float, float] | None = None
    """The laboratory's limits, in the canonical unit."""
    prefix: str | None = None
    """What stands before the number ("1:")."""
    doses: tuple[float, ...] | None = None
    """Usual doses, in mg a day."""


class Drawn(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What is drawn of each kind, by concept."""

    measurement: dict[str, Draw] = {}
    finding: dict[str, Draw] = {}
    therapy: dict[str, Draw] = {}
    event: dict[str, Draw] = {}
    procedure: dict[str, Draw] = {}
    judgement: dict[str, Draw] = {}
    consent: dict[str, Draw] = {}


class Group(Drawn, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Patients who have something in common; what it does not say is as for everybody."""

    name: str
    share: float


class Profile(Drawn, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a population is like. Shares are of patients, dates or values, from 0 to 1."""

    female: float = 0.5
    unsexed: float = 0.01
    age: tuple[float, float] = (5, 90)
    complete: dict[str, float] = {}
    routes: dict[str, float] = {}
    groups: tuple[Group, ...] = ()
    like_worked: float = 0.15
    near: float = 0.2
    partial: float = 0.02
    undated: float = 0.01
    comparator: float = 0.02
    unreadable: float = 0.002
    foreign_unit: float = 0.2
    unasked: float = 0.2
    """How much rarer is what no test asks about."""


STANDARD = Draw(share=0.1, present=0.5, count=1.3, spread=0.5)


def profile_of(kb: KnowledgeBase) -> Profile:
    """Return the profile beside a trial, or the standard one. Raises KnowledgeBaseError for what it cannot mean."""
    path = kb.main.parent / "population.yaml"
    if not path.exists():
        return Profile()
    document = load(path.read_bytes(), str(path))
    problems = list(document.problems)
    try:
        profile = msgspec.convert(document.value, Profile, strict=False)
    except msgspec.ValidationError as error:
        raise KnowledgeBaseError([*problems, Problem(str(error), str(path))]) from None
    for part in (profile, *profile.groups):
        problems += _unknown(part, kb.vocabulary, str(path))
    if problems:
        raise KnowledgeBaseError(problems)
    return profile


def _unknown(part: Drawn, vocabulary: Vocabulary, file: str) -> Iterator[Problem]:
    for kind in KINDS:
        known = vocabulary.labels(kind)
        for name in getattr(part, kind):
            if name not in known and name != "default":
                yield Problem(f"unknown {kind} '{name}'{did_you_mean(name, known)}", file)
