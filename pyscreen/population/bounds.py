"""What the tests of a knowledge base turn on: the values, doses, days and spans at which some answer changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from ..dates import Duration, shift
from ..questions import Comparison, Condition, Selection, Test
from ..vocabulary import Vocabulary

Key = tuple[str, str]
"""Kind and concept."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Per concept, in ascending order, what its tests compare with.

    `values` are in the canonical unit, `limits` are multiples of the laboratory's upper ("[ULN]") or lower limit, `doses` are
    of the drug itself, `days` lie before the screening day (negative: after it), `spans` are durations in days.
    """

    asked: frozenset[Key]
    values: Mapping[str, tuple[float, ...]]
    limits: Mapping[str, tuple[tuple[float, str], ...]]
    doses: Mapping[str, tuple[tuple[float, str], ...]]
    days: Mapping[Key, tuple[int, ...]]
    spans: Mapping[Key, tuple[int, ...]]
    methods: Mapping[Key, tuple[str, ...]]
    reasons: Mapping[str, tuple[str, ...]]


def bounds(tests: Iterable[Test], vocabulary: Vocabulary, day: date) -> Bounds:
    """Return what some tests turn on, as of a screening day."""
    collector = _Collector(vocabulary, day)
    for test in tests:
        collector.test(test)
    return collector.bounds()


@dataclass
class _Collector:
    vocabulary: Vocabulary
    day: date
    asked: set[Key] = field(default_factory=set)
    found: defaultdict[str, defaultdict[object, set[object]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )

    def bounds(self) -> Bounds:
        plain = {name: {key: tuple(sorted(found)) for key, found in of.items()} for name, of in self.found.items()}  # type: ignore[type-var]
        names = ("values", "limits", "doses", "days", "spans", "methods", "reasons")
        return Bounds(frozenset(self.asked), **{name: plain.get(name, {}) for name in names})  # type: ignore[arg-type]

    def test(self, test: Test) -> None:
        self.selection(test.selection)
        keys = self.keys(test.selection)
        if test.summary in ("time_since", "time_between", "unchanged"):
            self.durations("days" if test.summary == "time_since" else "spans", keys, test.comparison)
        elif test.summary == "daily_dose":
            self.dose(test.selection, test.comparison)
        elif test.selection.kind == "measurement" and test.summary not in ("count", "some"):
            self.value(test.selection.concept, test.comparison)

    def keys(self, selection: Selection) -> list[Key]:
        return [(selection.kind, concept) for concept in selection.members or {selection.concept}]

    def selection(self, selection: Selection) -> None:
        keys = self.keys(selection)
        self.asked.update(keys)
        for condition in selection.conditions:
            self.condition(selection, keys, condition)
            if condition.selection is not None:
                self.selection(condition.selection)

    def condition(self, selection: Selection, keys: list[Key], condition: Condition) -> None:
        name = condition.name
        if name in ("within", "newest", "ahead", "inside", "as_of"):
            self.window(keys, condition)
        elif name in ("ago", "lasting") and condition.comparison:
            self.durations("days" if name == "ago" else "spans", keys, condition.comparison)
        elif name == "dose" and condition.comparison:
            self.dose(selection, condition.comparison)
        elif name == "value" and condition.comparison:
            self.value(selection.concept, condition.comparison)
        elif name == "method":
            self.add("methods", keys, condition.word)
        elif name == "for":
            self.add("reasons", [concept for _, concept in keys], condition.word)

    def add(self, name: str, keys: Iterable[object], value: object) -> None:
        for key in keys:
            self.found[name][key].add(value)

    def window(self, keys: list[Key], condition: Condition) -> None:
        if condition.duration is not None:
            sign = -1 if condition.name == "ahead" else 1
            self.add("days", keys, sign * self.back(condition.duration))
        for kind, concept in keys if condition.half_lives else ():
            life = self.vocabulary.half_lives[concept]
            self.add("days", [(kind, concept)], round(condition.half_lives * life))

    def back(self, duration: Duration) -> int:
        return (self.day - shift(self.day, duration, -1)).days

    def durations(self, name: str, keys: list[Key], comparison: Comparison) -> None:
        for threshold in comparison.thresholds:
            if threshold.duration is not None:
                self.add(name, keys, self.back(threshold.duration))

    def value(self, concept: str, comparison: Comparison) -> None:
        for threshold in comparison.thresholds:
            if threshold.limit:
                self.add("limits", [concept], (float(threshold.number), threshold.limit))
            elif threshold.duration is None:
                self.add("values", [concept], float(threshold.number))

    def dose(self, selection: Selection, comparison: Comparison) -> None:
        """Add the dose of each drug that is worth the dose compared with."""
        _, worth = self.vocabulary.equivalents.get(selection.concept, ("", {}))
        for threshold in comparison.thresholds:
            for drug in selection.members:
                amount = float(threshold.number / worth.get(drug, 1))
                self.add("doses", [drug], (round(amount, 4), threshold.unit))
