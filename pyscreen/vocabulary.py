"""What may be said of a patient: the vocabulary's facts, typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from .errors import KnowledgeBaseError, Problem
from .quantities import Impossible, Interval, Scale, outside

if TYPE_CHECKING:
    from .engine import Program

KINDS = ("measurement", "finding", "therapy", "procedure", "event", "judgement", "consent")


NOT_NEGATIVE = Interval(Fraction(0), None)
"""What a quantity can be of which the vocabulary says nothing else."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something measured: its label, the scale it is measured on, and what it can be, in the canonical unit."""

    id: str
    label: str
    scale: Scale
    possible: Interval = NOT_NEGATIVE

    @property
    def range(self) -> str:
        """What it can be, for people."""
        unit = "" if self.scale.unitless else f" {self.scale.unit}"
        return f"{self.possible}{unit}".removeprefix(">= ") + (" or more" if self.possible.high is None else "")

    def check(self, value: Interval, text: str) -> None:
        """Raise Impossible, which tells the range, for a value that it cannot have."""
        if outside(value, self.possible):
            raise Impossible(f"'{text}' is impossible; expected {self.range}")


@dataclass(frozen=True)
class Vocabulary:
    """Every concept by id, with its label in plain words."""

    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    derived: frozenset[str] = frozenset()
    findings: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    procedures: Mapping[str, str] = field(default_factory=dict)
    judgements: Mapping[str, str] = field(default_factory=dict)
    consents: Mapping[str, str] = field(default_factory=dict)
    drugs: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    attested: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
    local_routes: frozenset[str] = frozenset()
    systemic: frozenset[str] = frozenset()
    parents: Mapping[str, frozenset[str]] = field(default_factory=dict)
    half_lives: Mapping[str, Fraction] = field(default_factory=dict)
    outcomes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    equivalents: Mapping[str, tuple[str, Mapping[str, Fraction]]] = field(default_factory=dict)
    codes: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    code_methods: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @cached_property
    def responses(self) -> frozenset[str]:
        """Every response that a record may give."""
        return frozenset().union(*self.outcomes.values())

    def labels(self, kind: str) -> Mapping[str, str]:
        """Return id to label for one kind of item; therapies are drugs and classes."""
        return self._labels[kind]

    @cached_property
    def _labels(self) -> Mapping[str, Mapping[str, str]]:
        return {
            "measurement": {quantity.id: quantity.label for quantity in self.quantities.values()},
            "finding": self.findings,
            "therapy": {**self.drugs, **self.classes},
            "event": self.events,
            "procedure": self.procedures,
            "judgement": self.judgements,
            "consent": self.consents,
        }

    def kinds_of(self, concept: str) -> list[str]:
        """Return the kinds under which a concept is declared."""
        return [kind for kind in KINDS if concept in self.labels(kind)]

    def label(self, kind: str, concept: str) -> str:
        """Return the plain words for a concept, or its id."""
        return self.labels(kind).get(concept, concept.replace("_", " "))

    def ancestors(self, concept: str) -> frozenset[str]:
        """Return a concept and every class (or wider finding, event, procedure) that it belongs to."""
        if concept not in self._ancestors:
            found = {concept}
            queue = [concept]
            while queue:
                fresh = self.parents.get(queue.pop(), frozenset()) - found
                found |= fresh
                queue.extend(fresh)
            self._ancestors[concept] = frozenset(found)
        return self._ancestors[concept]

    @cached_property
    def _ancestors(self) -> dict[str, frozenset[str]]:
        """What was asked for once."""
        return {}

    def members(self, concept: str) -> frozenset[str]:
        """Return every drug of a drug or class; of a finding, event or procedure itself and every kind of it."""
        return self._members.get(concept, frozenset())

    @cached_property
    def _members(self) -> Mapping[str, frozenset[str]]:
        members: dict[str, set[str]] = {}
        for member in (*self.drugs, *self.findings, *self.events, *self.procedures):
            for ancestor in self.ancestors(member):
                members.setdefault(ancestor, set()).add(member)
        return {concept: frozenset(found) for concept, found in members.items()}

    def children(self, concept: str) -> frozenset[str]:
        """Return the direct sub-classes and members of a class."""
        return frozenset(child for child, parents in self.parents.items() if concept in parents)


def read_vocabulary(program: Program) -> Vocabulary:
    """Read the vocabulary out of a grounded program; raises KnowledgeBaseError for numbers that are none."""
    reader = _Reader(program)
    scales = reader.scales()
    ranges = reader.ranges()
    quantities = {}
    for concept, label, scale in reader.rows("quantity", 3):
        if scale in scales:
            quantities[concept] = Quantity(concept, label, scales[scale], ranges(concept, scale))
        else:
            reader.problems.append(Problem(f"quantity {concept} is measured on the undeclared scale {scale}"))
    vocabulary = Vocabulary(
        quantities=quantities,
        derived=frozenset(row[0] for row in reader.rows("derived", 1)),
        findings=reader.labels("finding"),
        events=reader.labels("event"),
        procedures=reader.labels("procedure"),
        judgements=reader.labels("judgement"),
        consents=reader.labels("consent"),
        drugs=reader.labels("drug"),
        classes=reader.labels("class"),
        methods=reader.labels("method"),
        attested=frozenset(row[0] for row in reader.rows("attested", 1)),
        routes=frozenset(row[0] for row in reader.rows("route", 1)),
        local_routes=frozenset(row[0] for row in reader.rows("not_systemic", 1)),
        systemic=frozenset(row[0] for row in reader.rows("systemic", 1)),
        parents=_grouped(reader.rows("in_class", 2)),
        half_lives=reader.half_lives(),
        outcomes=_grouped((o, r) for o, r in reader.rows("outcome", 2)),
        equivalents=reader.equivalents(),
        codes=reader.codes(),
        code_methods={(system, code): method for system, code, method in reader.rows("code_method", 3)},
    )
    if reader.problems:
        raise KnowledgeBaseError(reader.problems)
    return vocabulary


def _grouped(pairs: Iterable[tuple[str, ...]]) -> dict[str, frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, set()).add(value)
    return {key: frozenset(values) for key, values in groups.items()}


_DAYS = {"h": Fraction(1, 24), "d": Fraction(1)}


class _Reader:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.problems: list[Problem] = []

    def rows(self, name: str, arity: int) -> list[tuple[str, ...]]:
        return self.program.rows(name, arity)

    def labels(self, name: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self.rows(name, 2)}

    def number(self, text: str, of: str) -> Fraction:
        try:
            return Fraction(text)
        except (ValueError, ZeroDivisionError):
            self.problems.append(Problem(f"{of}: '{text}' is not a number"))
            return Fraction(1)

    def scales(self) -> dict[str, Scale]:
        offsets = {(s, u): self.number(o, f"offset of {u} on scale {s}") for s, u, o in self.rows("offset", 3)}
        factors: dict[str, dict[str, tuple[Fraction, Fraction]]] = {}
        for scale, unit, factor in self.rows("unit", 3):
            exact = self.number(factor, f"unit {unit} of scale {scale}")
            factors.setdefault(scale, {})[unit] = (exact, offsets.get((scale, unit), Fraction(0)))
        grades: dict[str, dict[str, Fraction]] = {}
        for scale, grade, number in self.rows("grade", 3):
            grades.setdefault(scale, {})[grade] = self.number(number, f"grade {grade} of scale {scale}")
        return {
            scale: Scale(
                name=scale,
                unit=unit,
                factors={unit: (Fraction(1), Fraction(0)), **factors.get(scale, {})},
                grades=grades.get(scale, {}),
            )
            for scale, unit in self.rows("scale", 2)
        }

    def ranges(self) -> Callable[[str, str], Interval]:
        """Return a function from a quantity and its scale to what is possible: its own bounds, else the scale's, else 0 or more."""
        lowest = {name: self.number(number, f"lowest of {name}") for name, number in self.rows("lowest", 2)}
        highest = {name: self.number(number, f"highest of {name}") for name, number in self.rows("highest", 2)}

        def possible(quantity: str, scale: str) -> Interval:
            low = lowest.get(quantity, lowest.get(scale, Fraction(0)))
            high = highest.get(quantity, highest.get(scale))
            try:
                return Interval(low, high)
            except ValueError as error:
                self.problems.append(Problem(f"lowest and highest of {quantity}: {error}"))
                return Interval(low, None)

        return possible

    def half_lives(self) -> dict[str, Fraction]:
        """Return the half-life of each drug in days."""
        found = {}
        for drug, text in self.rows("half_life", 2):
            number, _, unit = text.partition(" ")
            if unit not in _DAYS:
                self.problems.append(Problem(f"half_life of {drug}: '{text}' is not in hours or days (13 h, 7 d)"))
            found[drug] = self.number(number, f"half_life of {drug}") * _DAYS.get(unit, 1)
        return found

    def equivalents(self) -> dict[str, tuple[str, Mapping[str, Fraction]]]:
        found: dict[str, tuple[str, dict[str, Fraction]]] = {}
        for group, unit, drug, factor in self.rows("equivalent", 4):
            found.setdefault(group, (unit, {}))[1][drug] = self.number(factor, f"equivalent of {drug} in {group}")
        return {group: (unit, factors) for group, (unit, factors) in found.items()}

    def codes(self) -> dict[tuple[str, str], tuple[str, str]]:
        from .engine import Term

        found = {}
        for system, code, item in self.program.facts("code", 3):
            if isinstance(item, Term) and item.name in KINDS and len(item.args) == 1:
                found[str(system), str(code)] = (item.name, str(item.args[0]))
            else:
                self.problems.append(Problem(f"code {system} {code} stands for no kind of item: {item}"))
        return found
