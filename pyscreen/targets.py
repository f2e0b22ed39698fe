"""What an act must show, in values with their units: "platelet count below 50 10*9/L in each of the latest 2".

Tests of one family are answered by one value, so the answers that a plan needs of them are one interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .knowledge import KnowledgeBase
from .questions import Test, Threshold
from .truth import Truth

_COMPLEMENT = {"below": "at least", "at_most": "above", "above": "at most", "at_least": "below"}
_WORDS = {"below": "below", "at_most": "at most", "above": "above", "at_least": "at least"}
_UPPER = ("below", "at most")
_OF = {
    "each_of_latest": ", each of the latest {0}",
    "consecutive": ", {0} times in a row",
    "lowest": ", the lowest",
    "highest": ", the highest",
    "earliest": ", the earliest",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What must come out: about what, the value or answer that is needed, and the tests that it answers."""

    label: str
    value: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.label}: {self.value}"


class Targets:
    """The tests of a knowledge base by the value that answers them."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb
        self._by_value: dict[str, list[Test]] = {}
        for test in kb.tests.values():
            self._by_value.setdefault(_value_of(test), []).append(test)

    def of(self, wanted: Mapping[str, bool], truths: Mapping[str, Truth]) -> tuple[Target, ...]:
        """Return what the wanted answers to tests come to, one for each value that answers several of them.

        `truths` are the answers of the record; what it already says of the same value narrows the interval.
        """
        after = {**truths, **wanted}
        found = []
        for value in dict.fromkeys(_value_of(self.kb.tests[name]) for name in wanted):
            alike = self._by_value[value]
            asked = [test for test in alike if test.id in wanted]
            others = [test for test in alike if test.id not in wanted and after.get(test.id) is not None]
            found.append(_target(self.kb, asked, others, after))
        return tuple(found)


def answered(kb: KnowledgeBase, test: Test, yes: bool) -> str:
    """Return in words what a test is about and the value or answer that makes it so."""
    return str(_target(kb, [test], [], {test.id: yes}))


def _value_of(test: Test) -> str:
    """Name the value that answers a test; a test that is compared with no number stands for itself."""
    limits = {threshold.limit or threshold.unit for threshold in test.comparison.thresholds}
    return f"{test.family}|{'|'.join(sorted(limits))}" if _is_value(test) else test.id


def _is_value(test: Test) -> bool:
    return test.selection.kind == "measurement" and test.comparison.op in (*_WORDS, "between", "equals")


def _target(kb: KnowledgeBase, tests: list[Test], others: list[Test], truths: Mapping[str, Truth]) -> Target:
    names = tuple(test.id for test in tests)
    first = tests[0]
    if not _is_value(first) or first.summary not in ("latest", *_OF):
        return Target(kb.criteria[first.id].label, "yes" if truths[first.id] else "no", names)
    value = _interval([*tests, *others], truths)
    newest = first.selection.condition("newest")
    within = first.selection.condition("within")
    value += _OF.get(first.summary, "").format(first.argument)
    value += f", no older than {newest.duration}" if newest else ""
    value += f", within {within.duration}" if within and within.duration else ""
    method = first.selection.condition("method")
    label = first.selection.label + (f" ({kb.vocabulary.methods[method.word]})" if method else "")
    return Target(label, value, names)


def _interval(tests: Iterable[Test], truths: Mapping[str, Truth]) -> str:
    """Return the interval in which a value must lie: the tightest bound on either side, then what it must not be."""
    lower: dict[str, Threshold] = {}
    upper: dict[str, Threshold] = {}
    rest: list[str] = []
    for test in tests:
        yes, op, thresholds = bool(truths[test.id]), test.comparison.op, test.comparison.thresholds
        if op in _WORDS:
            word = _WORDS[op] if yes else _COMPLEMENT[op]
            _tighten(upper if word in _UPPER else lower, word, thresholds[0])
        elif op == "between" and yes:
            _tighten(lower, "at least", thresholds[0])
            _tighten(upper, "at most", thresholds[1])
        elif op == "between":
            rest.append(f"outside {thresholds[0].text} to {thresholds[1].text}")
        else:
            rest.append(thresholds[0].text if yes else f"other than {thresholds[0].text}")
    bounds = [f"{word} {threshold.text}" for part in (lower, upper) for word, threshold in part.items()]
    return " and ".join([*bounds, *rest])


def _tighten(side: dict[str, Threshold], word: str, threshold: Threshold) -> None:
    """Keep the tighter of two bounds of one side; of equal ones that which leaves its number out."""
    if not side:
        side[word] = threshold
        return
    (old, known), = side.items()
    upper, strict = word in _UPPER, word in ("below", "above")
    tighter = threshold.number < known.number if upper else threshold.number > known.number
    if tighter or (threshold.number == known.number and strict and old not in ("below", "above")):
        side.clear()
        side[word] = threshold
