"""A knowledge base with one of its trials as JSON: the criterion graph, the tests typed, the vocabulary, the readings.

For programs that are not written in Python: what `answers` and the engine need to decide a record stands in it, and nothing that
must be parsed again. Numbers are exact, as text (`1/7`); criteria and tests are by id; equal selections of items stand once, and
tests name them by their place. `pyscreen kb export --schema` prints its JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .knowledge import Criterion, KnowledgeBase, Member, Need
from .quantities import Scale
from .questions import Comparison, Condition, Selection, Test, Threshold
from .vocabulary import Quantity, Vocabulary
from .words import words_of_test

FORMAT = "pyscreen.knowledge/1"


def export(kb: KnowledgeBase) -> dict[str, Any]:
    """Return a trial with all that it leans on as one JSON object (its form: `schema`).

    >>> from pyscreen import load
    >>> found = export(load())
    >>> found["format"], sorted(found)[:4]
    ('pyscreen.knowledge/1', ['acts', 'clauses', 'cohorts', 'criteria'])
    """
    selections = _Selections()
    return {
        "format": FORMAT,
        "knowledge_base": kb.digest,
        "trial": {"id": kb.trial, "title": kb.title, "registry": kb.registry},
        "cohorts": [
            {"id": cohort.id, "code": cohort.code, "label": cohort.label, "needs": _needs(cohort.needs)}
            for cohort in kb.cohorts.values()
        ],
        "exclusions": _needs(kb.exclusions),
        "clauses": {
            clause.id: {"lines": clause.lines, "cohort": clause.cohort, "role": clause.role, "text": clause.text}
            for clause in kb.clauses.values()
        },
        "readings": {
            reading.id: {
                "clauses": list(reading.clauses),
                "question": reading.question,
                "options": dict(reading.options),
                "default": reading.default,
                "why": reading.why,
                "confidence": reading.confidence,
            }
            for reading in kb.readings.values()
        },
        "criteria": {criterion.id: _criterion(criterion) for criterion in kb.criteria.values()},
        "doubts": [[test, by] for test, by in kb.program.rows("doubt", 2) if test in kb.tests and by in kb.criteria],
        "tests": {test.id: _test(test, selections) for test in kb.tests.values()},
        "selections": selections.written,
        "vocabulary": _vocabulary(kb.vocabulary),
        "acts": _acts(kb),
    }


def _some(**values: Any) -> dict[str, Any]:
    """Return the fields that say something."""
    return {name: value for name, value in values.items() if value not in (None, "", 0, [], ())}


def _needs(needs: Iterable[Need]) -> list[dict[str, str]]:
    return [{"clause": need.clause, "criterion": need.criterion} for need in needs]


def _criterion(criterion: Criterion) -> dict[str, Any]:
    return {
        "kind": criterion.kind,
        "label": criterion.label,
        **_some(
            members=[_member(criterion, member) for member in criterion.members],
            number=criterion.number,
            clauses=list(criterion.clauses),
            source=criterion.source,
        ),
    }


def _member(criterion: Criterion, member: Member) -> dict[str, Any]:
    if criterion.kind == "by_reading":
        return {"criterion": member.id, "reading": member.detail[0], "option": member.detail[1]}
    if criterion.kind == "points":
        return {"criterion": member.id, "domain": member.detail[0], "weight": int(member.detail[1])}
    return {"criterion": member.id}


def _test(test: Test, selections: _Selections) -> dict[str, Any]:
    return {
        "selection": selections.place(test.selection),
        "summary": test.summary,
        **_some(argument=test.argument, bound_to_time=test.bound_to_time),
        "comparison": _comparison(test.comparison),
        "words": words_of_test(test),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {"op": comparison.op, **_some(thresholds=[_threshold(one) for one in comparison.thresholds])}


def _threshold(threshold: Threshold) -> dict[str, Any]:
    if threshold.duration is not None:
        return {"text": threshold.text, "duration": str(threshold.duration)}
    return {
        "text": threshold.text,
        "number": str(threshold.number),
        **_some(unit=threshold.unit, limit=threshold.limit),
    }


@dataclass
class _Selections:
    """Every selection once, those that others lean on first."""

    written: list[dict[str, Any]] = field(default_factory=list)
    places: dict[Selection, int] = field(default_factory=dict)

    def place(self, selection: Selection) -> int:
        if selection not in self.places:
            conditions = [self.condition(condition) for condition in selection.conditions]
            self.places[selection] = len(self.written)
            self.written.append(
                {
                    "kind": selection.kind,
                    "concept": selection.concept,
                    "label": selection.label,
                    **_some(members=sorted(selection.members), conditions=conditions),
                }
            )
        return self.places[selection]

    def condition(self, condition: Condition) -> dict[str, Any]:
        other = {} if condition.selection is None else {"selection": self.place(condition.selection)}
        return {
            "name": condition.name,
            **_some(
                word=condition.word,
                duration=str(condition.duration) if condition.duration else None,
                comparison=_comparison(condition.comparison) if condition.comparison else None,
                half_lives=condition.half_lives,
            ),
            **other,
        }


def _vocabulary(words: Vocabulary) -> dict[str, Any]:
    scales = {quantity.scale.name: quantity.scale for quantity in words.quantities.values()}
    return {
        "scales": {name: _scale(scale) for name, scale in sorted(scales.items())},
        "quantities": {q.id: _quantity(q) for q in words.quantities.values()},
        **{
            name: dict(sorted(getattr(words, name).items()))
            for name in ("findings", "events", "procedures", "judgements", "consents", "drugs", "classes", "methods")
        },
        **{
            name: sorted(getattr(words, name)) for name in ("derived", "attested", "routes", "local_routes", "systemic")
        },
        "parents": _sorted(words.parents),
        "outcomes": _sorted(words.outcomes),
        "half_lives": {drug: str(days) for drug, days in sorted(words.half_lives.items())},
        "equivalents": {
            group: {"unit": unit, "factors": {drug: str(factor) for drug, factor in sorted(factors.items())}}
            for group, (unit, factors) in sorted(words.equivalents.items())
        },
    }


def _quantity(quantity: Quantity) -> dict[str, str]:
    ends = {"lowest": quantity.possible.low, "highest": quantity.possible.high}
    numbers = {end: str(number) for end, number in ends.items() if number is not None}
    return {"label": quantity.label, "scale": quantity.scale.name, **numbers}


def _scale(scale: Scale) -> dict[str, Any]:
    units = {unit: [str(number) for number in scale.factors.get(unit, (1, 0))] for unit in scale.units}
    return {"unit": scale.unit, "units": units, **_some(grades={g: str(n) for g, n in scale.grades.items()} or None)}


def _sorted(groups: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    return {name: sorted(members) for name, members in sorted(groups.items())}


def _acts(kb: KnowledgeBase) -> dict[str, dict[str, Any]]:
    """Return by which act each concept can be found out, and how heavy that is (1 question to 4 intervention)."""
    acts = {act: (int(level), label) for act, level, label in kb.program.rows("act", 3)}
    obtained = sorted((concept, acts[act]) for concept, act in kb.program.rows("obtain", 2) if act in acts)
    return {concept: {"level": level, "label": label} for concept, (level, label) in obtained}


# ---- its form --------------------------------------------------------------------------------------------------------

_TEXT = {"type": "string"}
_NAMES = {"type": "array", "items": _TEXT}
_WORDS = {"type": "object", "additionalProperties": _TEXT}
_EXACT = {"type": "string", "pattern": "^-?[0-9]+(/[0-9]+)?$", "description": "an exact number: 50, 1/7"}
_DURATION = {"type": "string", "pattern": "^[0-9]+ (d|wk|mo|a)$", "description": "days and weeks are exact, months and years are not"}
_ITEM_KINDS = ["measurement", "finding", "therapy", "procedure", "event", "judgement", "consent", "sex"]
_CRITERION_KINDS = ["all_of", "any_of", "none_of", "n_of", "known_by", "presumed_absent", "by_reading", "points", "test", "constant"]
_OPS = ["below", "at_most", "above", "at_least", "equals", "between", "present", "absent"]


def _object(needed: Mapping[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**needed, **optional},
        "required": list(needed),
        "additionalProperties": False,
    }


def _by_id(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of}


def _list_of(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _part(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what `export` returns."""
    place = {"type": "integer", "minimum": 0, "description": "the place of a selection in the list of selections"}
    pair = {"type": "array", "items": _EXACT, "minItems": 2, "maxItems": 2, "description": "canonical = number * factor + offset"}
    whole = _object(
        {
            "format": {"const": FORMAT},
            "knowledge_base": _TEXT,
            "trial": _object({"id": _TEXT, "title": _TEXT, "registry": _TEXT}),
            "cohorts": _list_of(_part("cohort")),
            "exclusions": _list_of(_part("need")),
            "clauses": _by_id(_object({"lines": _TEXT, "cohort": _TEXT, "role": _TEXT, "text": _TEXT})),
            "readings": _by_id(_part("reading")),
            "criteria": _by_id(_part("criterion")),
            "doubts": _list_of({"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2}),
            "tests": _by_id(_part("test")),
            "selections": _list_of(_part("selection")),
            "vocabulary": _part("vocabulary"),
            "acts": _by_id(_object({"level": {"type": "integer", "minimum": 1, "maximum": 4}, "label": _TEXT})),
        }
    )
    parts = {
        "need": _object({"clause": _TEXT, "criterion": _TEXT}),
        "cohort": _object({"id": _TEXT, "code": _TEXT, "label": _TEXT, "needs": _list_of(_part("need"))}),
        "reading": _object(
            {"clauses": _NAMES, "question": _TEXT, "options": _WORDS, "default": _TEXT, "why": _TEXT, "confidence": _TEXT}
        ),
        "criterion": _object(
            {"kind": {"enum": _CRITERION_KINDS}, "label": _TEXT},
            members=_list_of(_part("member")), number={"type": "integer"}, clauses=_NAMES, source=_TEXT,
        ),
        "member": _object(
            {"criterion": _TEXT}, reading=_TEXT, option=_TEXT, domain=_TEXT, weight={"type": "integer"}
        ),
        "test": _object(
            {"selection": place, "summary": _TEXT, "comparison": _part("comparison"), "words": _TEXT},
            argument={"type": ["integer", "string"]}, bound_to_time={"const": True},
        ),
        "comparison": _object({"op": {"enum": _OPS}}, thresholds=_list_of(_part("threshold"))),
        "threshold": _object(
            {"text": _TEXT}, number=_EXACT, unit=_TEXT, limit={"enum": ["[ULN]", "[LLN]"]}, duration=_DURATION
        ),
        "selection": _object(
            {"kind": {"enum": _ITEM_KINDS}, "concept": _TEXT, "label": _TEXT},
            members=_NAMES, conditions=_list_of(_part("condition")),
        ),
        "condition": _object(
            {"name": _TEXT},
            word=_TEXT, duration=_DURATION, comparison=_part("comparison"), half_lives={"type": "integer"}, selection=place,
        ),
        "vocabulary": _object(
            {
                "scales": _by_id(_object({"unit": _TEXT, "units": _by_id(pair)}, grades=_by_id(_EXACT))),
                "quantities": _by_id(_object({"label": _TEXT, "scale": _TEXT}, lowest=_EXACT, highest=_EXACT)),
                **dict.fromkeys(
                    ("findings", "events", "procedures", "judgements", "consents", "drugs", "classes", "methods"), _WORDS
                ),
                **dict.fromkeys(("derived", "attested", "routes", "local_routes", "systemic"), _NAMES),
                "parents": _by_id(_NAMES),
                "outcomes": _by_id(_NAMES),
                "half_lives": _by_id(_EXACT),
                "equivalents": _by_id(_object({"unit": _TEXT, "factors": _by_id(_EXACT)})),
            }
        ),
    }  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:pyscreen:knowledge",
        "title": "A trial with its criteria, tests and vocabulary",
        **whole,
        "$defs": parts,
    }
