"""What an invented population is like: shares, usual values and groups, from `population.yaml` beside a trial."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from ..errors import KnowledgeBaseError, Problem, PyscreenError, did_you_mean
from ..knowledge import KnowledgeBase
from ..markup import load
from ..vocabulary import KINDS, Vocabulary

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Size = Annotated[float, msgspec.Meta(ge=0, le=1e9)]

class Draw(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How often a concept is recorded and what is said of it; what is left out is as in the entry `default`."""

    share: Share | None = None
    """Of the patients, of whom something is recorded."""
    present: Share | None = None
    """Of those, of whom it is said to be so."""
    count: Size | None = None
    """How many items such a patient has, on average."""
    median: Size | None = None
    spread: Size | None = None
    normal: tuple[Size, Size] | None = None
    """The laboratory's limits, in the canonical unit."""
    prefix: str | None = None
    """What stands before the number ("1:")."""
    doses: tuple[Size, ...] | None = None
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
    share: Share


class Profile(Drawn, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a population is like. Shares are of patients, dates or values, from 0 to 1."""

    female: Share = 0.5
    unsexed: Share = 0.01
    age: tuple[Size, Size] = (5, 90)
    complete: dict[str, Share] = {}
    routes: dict[str, Share] = {}
    groups: tuple[Group, ...] = ()
    like_worked: Share = 0.15
    near: Share = 0.2
    partial: Share = 0.02
    undated: Share = 0.01
    measured_partial: Share = 0.002
    measured_undated: Share = 0.001
    """Laboratories date what they measure; histories often do not."""
    comparator: Share = 0.02
    unreadable: Share = 0.002
    foreign_unit: Share = 0.2
    unasked: Share = 0.2
    """How much rarer is what no test asks about."""


STANDARD = Draw(share=0.1, present=0.5, count=1.3, spread=0.5)


def profile_of(kb: KnowledgeBase) -> Profile:
    """Return the profile beside a trial, or the standard one. Raises KnowledgeBaseError for what it cannot mean."""
    path = kb.main.parent / "population.yaml"
    return read_profile(path, kb.vocabulary) if path.exists() else Profile()


def read_profile(path: Path, vocabulary: Vocabulary) -> Profile:
    """Read a profile from a YAML file. Raises KnowledgeBaseError for names, fields and numbers that it cannot have."""
    try:
        document = load(path.read_bytes(), str(path))
    except PyscreenError as error:
        raise KnowledgeBaseError(error.problems) from None
    problems = list(document.problems)
    try:
        profile = msgspec.convert(document.value, Profile, strict=False)
    except msgspec.ValidationError as error:
        raise KnowledgeBaseError([*problems, Problem(str(error), str(path))]) from None
    for part in (profile, *profile.groups):
        problems += _unknown(part, vocabulary, str(path))
    if problems:
        raise KnowledgeBaseError(problems)
    return profile


def _unknown(part: Drawn, vocabulary: Vocabulary, file: str) -> Iterator[Problem]:
    for kind in KINDS:
        known = vocabulary.labels(kind)
        for name in getattr(part, kind):
            if name not in known and name != "default":
                yield Problem(f"unknown {kind} '{name}'{did_you_mean(name, known)}", file)
