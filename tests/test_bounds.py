"""Every bound of the knowledge base has cases below, at, above and missing: the tables in tests/kb, put through the screening.

A table row is a sentence with a record fragment in the written form:

    - name: a wedge pressure of 15 mmHg is at most 15
      criterion: normal_wedge_pressure                 # whose status is asked
      patient: precapillary                            # a fragment named in the file; `given` replaces its items of one concept
      readings: {G40: at_most_15, P01: [current, any_age]}    # a list: the same under each
      each: {F: [a, b]}                                # or a list of mappings; <F> stands for each in turn
      given: {measurements: [{quantity: pawp, value: $, unit: "mm[Hg]"}]}
      values: {14.9: met, 15: met, 15.1: unmet}        # what stands for $, and the status it gives
      missing: unknown                                 # without the items that hold $, and without `complete`
      unsaid: unknown                                  # without the fields that hold $
    - name: ...
      given: {...}
      expect: {met: [...], unmet: [...], unknown: [...]}

Screened on 2026-11-22 unless `on` says otherwise. That a status is right is asserted row by row; that no bound was
forgotten, by mutants: each bound of each test is moved, each condition dropped, and some asserted case must notice.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import pyscreen
from pyscreen import kleene
from pyscreen.answers import Answers, answer
from pyscreen.dates import Duration, shift
from pyscreen.form import SECTIONS
from pyscreen.knowledge import Criterion, KnowledgeBase
from pyscreen.markup import load
from pyscreen.questions import Comparison, Condition, Selection, Test, Threshold
from pyscreen.record import Record
from pyscreen.screening import MET, UNKNOWN, UNMET, Screener, Screening, Verdict
from pyscreen.truth import Truth
from pyscreen.written import build

TABLES = Path(__file__).parent / "kb"
DAY = date(2026, 11, 22)
STATUSES = (MET, UNMET, UNKNOWN)


class Quick(Screener):
    """Screens without asking what other options of the readings would change."""

    def _with_dependences(self, verdicts: Mapping[str, Verdict], *_: Any) -> dict[str, Verdict]:
        return dict(verdicts)


@cache
def knowledge() -> KnowledgeBase:
    return pyscreen.load("cd19_autoimmune")


@cache
def screener() -> Screener:
    return Quick(knowledge())


# ---- reading the tables ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Point:
    """One record fragment under one choice of readings, and the statuses it must give."""

    what: str
    record: Record
    day: date
    readings: Mapping[str, str]
    expect: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a table."""

    file: str
    name: str
    body: Mapping[str, Any]
    patients: Mapping[str, Mapping[str, Any]]

    @property
    def points(self) -> tuple[Point, ...]:
        return points(self)


@cache
def rows() -> tuple[Row, ...]:
    found = []
    for path in sorted(TABLES.glob("*.yaml")):
        entries = load(path.read_bytes(), str(path)).value
        assert isinstance(entries, list), path
        patients = {entry["patient"]: entry["is"] for entry in entries if "is" in entry}
        found += [Row(path.stem, str(entry["name"]), entry, patients) for entry in entries if "is" not in entry]
    return tuple(found)


@cache
def points(row: Row) -> tuple[Point, ...]:
    return tuple(_points(row))


FIELDS = {"name", "criterion", "patient", "readings", "each", "given", "values", "missing", "unsaid", "expect", "on"}


def _points(row: Row) -> Iterator[Point]:
    assert set(row.body) <= FIELDS, f"{row.file}: {row.name}: {set(row.body) - FIELDS}"
    for named in _each(row.body.get("each", {})):
        body = _filled(dict(row.body), named)
        base = row.patients[body["patient"]] if "patient" in body else {}
        day = date.fromisoformat(body["on"]) if "on" in body else DAY
        for readings in _each(body.get("readings", {})):
            for what, given, expect in _variants(body, base):
                words = ", ".join([*(f"{k} {v}" for k, v in (named | readings).items()), what])
                record = build(given, knowledge().vocabulary, name=row.name[:60])
                yield Point(words, record, day, readings, expect)


def _each(said: Any) -> Iterator[dict[str, str]]:
    """Yield each combination: of lists in a mapping, or the mappings of a list."""
    if isinstance(said, list):
        yield from said
        return
    lists = [values if isinstance(values, list) else [values] for values in said.values()]
    yield from (dict(zip(said, chosen, strict=True)) for chosen in itertools.product(*lists))


def _filled(value: Any, named: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {_filled(key, named): _filled(part, named) for key, part in value.items() if key != "each"}
    if isinstance(value, list):
        return [_filled(part, named) for part in value]
    if isinstance(value, str):
        return re.sub(r"<(\w+)>", lambda found: named.get(found[1], found[0]), value)
    return value


def _variants(body: Mapping[str, Any], base: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    given, criterion = body["given"], body.get("criterion", "")
    criteria = criterion if isinstance(criterion, list) else [criterion]
    for value, status in body.get("values", {}).items():
        yield str(value), _merged(base, _with(given, value)), dict.fromkeys(criteria, status)
    if "missing" in body:
        left = {section: items for section, items in _merged(base, given).items() if section != "complete"}
        left = {s: [i for i in items if not _holds(i)] if s in SECTIONS else items for s, items in left.items()}
        yield (
            "missing",
            {s: items for s, items in left.items() if not _holds(items)},
            dict.fromkeys(criteria, body["missing"]),
        )
    if "unsaid" in body:
        yield "unsaid", _unsaid(_merged(base, given)), dict.fromkeys(criteria, body["unsaid"])
    if "expect" in body:
        expect = {name: status for status, names in body["expect"].items() for name in names}
        yield "", _merged(base, given), expect


def _with(value: Any, put: str) -> Any:
    if isinstance(value, dict):
        return {key: _with(part, put) for key, part in value.items()}
    if isinstance(value, list):
        return [_with(part, put) for part in value]
    if value == "$":
        return {"true": True, "false": False}.get(put, put)
    return value.replace("$", put) if isinstance(value, str) else value


def _holds(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_holds, parts)) or (isinstance(value, str) and "$" in value)


def _unsaid(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unsaid(part) for key, part in value.items() if not (isinstance(part, str) and "$" in part)}
    return [_unsaid(part) for part in value] if isinstance(value, list) else value


def _merged(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Add a fragment to a named patient; its items stand in for those of the same concept."""
    merged = dict(base)
    for section, items in given.items():
        if section in SECTIONS:
            key = {"measurements": "quantity", "therapies": "drug"}.get(section, SECTIONS[section])
            said = {item[key] for item in items}
            merged[section] = [item for item in base.get(section, []) if item[key] not in said] + items
        else:
            merged[section] = items
    return merged


# ---- every row holds -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a point gives: the answers to the tests under its criteria, and the statuses that follow."""

    point: Point
    readings: Mapping[str, str]
    truths: Mapping[str, Truth]
    statuses: Mapping[str, str]

    def deciding(self) -> set[str]:
        """Return the criteria and tests on which the statuses asked for rest, and those that put them in doubt."""
        screening = Screening(
            knowledge(), self.point.record, self.point.day, self.readings, _NONE, self.statuses, (), {}
        )
        found: set[str] = set()
        wanted = set(self.point.expect)
        while wanted:
            fresh = {name for criterion in wanted for name in screening.path(criterion)} - found
            found |= fresh
            wanted = {doubt for name in fresh if self.truths.get(name) for doubt in doubts().get(name, ())}
        return found


_NONE = Answers(DAY, {}, ())


@cache
def doubts() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for test, doubt in knowledge().program.rows("doubt", 2):
        found[test] = (*found.get(test, ()), doubt)
    return found


@cache
def asked_under(criteria: tuple[str, ...]) -> tuple[Test, ...]:
    """Return the tests under some criteria, and under what puts them in doubt."""
    kb = knowledge()
    found: dict[str, None] = {}
    wanted = list(criteria)
    while wanted:
        below = [criterion.id for criterion in kb.below(wanted) if criterion.id not in found]
        found |= dict.fromkeys(below)
        wanted = [doubt for name in below for doubt in doubts().get(name, ()) if doubt not in found]
    return tuple(kb.tests[name] for name in found if name in kb.tests)


def derived(
    criteria: Iterable[str],
    truths: Mapping[str, Truth],
    readings: Mapping[str, str],
    changed: Criterion | None = None,
) -> dict[str, str]:
    """Return the statuses of criteria and everything under them (strong Kleene logic, as the engine has it).

    `changed` stands in for the criterion of its name.
    """
    kb, statuses = knowledge(), {"always": MET, "never": UNMET}

    def settle(name: str) -> str:
        if name in statuses:
            return statuses[name]
        criterion = changed if changed and changed.id == name else kb.criteria[name]
        if criterion.kind == "test":
            truth = truths[name]
            doubted = truth is True and MET in [settle(doubt) for doubt in doubts().get(name, ())]
            statuses[name] = UNKNOWN if truth is None or doubted else MET if truth else UNMET
        else:
            for member in criterion.members:
                settle(member.id)
            statuses[name] = kleene.status(criterion, statuses, readings)
        return statuses[name]

    for name in criteria:
        settle(name)
    return statuses


@cache
def outcome(point: Point) -> Outcome:
    kb = knowledge()
    readings = kb.chosen(point.readings)
    given = answer(point.record, asked_under(tuple(point.expect)), kb.vocabulary, point.day)
    truths = {name: one.truth for name, one in given.by_test.items()}
    return Outcome(point, readings, truths, derived(point.expect, truths, readings))


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.file}: {row.name}")
def test_the_rows_hold(row: Row) -> None:
    assert row.points, "the row says nothing"
    wrong = []
    for point in row.points:
        unknown = [name for name in point.expect if name not in knowledge().criteria]
        assert not unknown, f"no such criterion is asked: {unknown}"
        assert set(point.expect.values()) <= set(STATUSES), point.expect
        statuses = outcome(point).statuses
        wrong += [
            f"{name} is {statuses[name]}, not {status} ({point.what})"
            for name, status in point.expect.items()
            if statuses[name] != status
        ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", sorted({row.file for row in rows()}))
def test_the_engine_gives_the_same_statuses(file: str) -> None:
    """The statuses above are derived without clingo, for speed; here one point of each row is screened in full."""
    for row in rows():
        if row.file == file:
            point = row.points[0]
            statuses = screener().screen(point.record, point.day, point.readings).statuses
            assert {name: statuses[name] for name in point.expect} == {
                name: outcome(point).statuses[name] for name in point.expect
            }, f"{row.name} ({point.what})"


def test_every_table_is_of_a_file_of_the_knowledge_base() -> None:
    root = knowledge().root
    known = {path.stem for folder in ("criteria", "trials/cd19_autoimmune") for path in (root / folder).glob("*.lp")}
    assert {path.stem for path in TABLES.glob("*.yaml")} <= known


# ---- no bound is forgotten -------------------------------------------------------------------------------------------

COHORTS = tuple(knowledge().cohorts)
"""The cohorts of which every bound must have its cases; the exclusions and general clauses are in each of them."""

NOT_SEEN: Mapping[str, str] = {}
"""Tests with a bound that are not seen met, unmet and unknown on a deciding path, and why."""

SURVIVE: Mapping[str, str] = {
    **{f"dose_unchanged({drug}): above": "how long a dose is unchanged is asked by at_least only (kb/README.md)"
       for drug in ("immunosuppressant", "immunosuppressant_or_hydroxychloroquine", "iim_named_immunosuppressant")},
    **{f'long_course_now({drug},at_least("2 mo")): {what}': "what is unchanged for 2 months was taken for 2 months"
       for drug in ("immunosuppressant", "immunosuppressant_or_hydroxychloroquine", "iim_named_immunosuppressant")
       for what in ("no lasting", "lasting 2 mo less")},
    **{f"{age}(bvas_after({after},equals)): at_most": "no BVAS is below 0"
       for age in ("any_age", "recent") for after in ("after_cyclophosphamide", "after_rituximab")},
    **{
        f'cyclophosphamide_course(with({dose},at_least("6 mo")),at_least("6 mo")): {what}': "6 months together are 6 months"
        for dose in ("high_dose_or_more", "high_dose_exactly", "high_dose_exceeded")
        for what in ("no lasting", "lasting 6 mo less")
    },
    **{
        f"{test}: above": "how long a dose is unchanged is asked by at_least only (kb/README.md)"
        for test in (
            "glucocorticoid_unchanged",
            "pah_drugs_unchanged",
            "immunosuppressant_unchanged_so_far",
            "pah_drugs_unchanged_so_far",
        )
    },
}
"""Mutants that no case can tell from the original, and why."""


@cache
def covered() -> tuple[str, ...]:
    """Return what the cohorts covered need, and what excludes."""
    kb = knowledge()
    needs = [need for cohort in COHORTS for need in kb.cohorts[cohort].needs]
    return tuple(dict.fromkeys(need.criterion for need in (*needs, *kb.exclusions)))


@cache
def bounded() -> tuple[Test, ...]:
    """Return the tests with a bound (number, duration, count) under the cohorts covered."""
    return tuple(test for test in asked_under(covered()) if _bounds(test))


def _bounds(test: Test) -> bool:
    return bool(test.comparison.thresholds) or any(_bound_of(condition) for condition in test.selection.conditions)


def _bound_of(condition: Condition) -> bool:
    nested = condition.selection.conditions if condition.selection else ()
    return bool(condition.duration or condition.comparison) or any(map(_bound_of, nested))


@cache
def decided_by() -> Mapping[str, tuple[Outcome, ...]]:
    """Return for every criterion and test the outcomes that rest on it."""
    found: dict[str, list[Outcome]] = {}
    for row in rows():
        for point in row.points:
            for name in outcome(point).deciding():
                found.setdefault(name, []).append(outcome(point))
    return {name: tuple(outcomes) for name, outcomes in found.items()}


def test_every_bound_is_seen_met_unmet_and_unknown() -> None:
    missing = []
    for test in bounded():
        seen = {one.truths[test.id] for one in decided_by().get(test.id, ())}
        lacking = [word for word, truth in (("yes", True), ("no", False), ("unknown", None)) if truth not in seen]
        if lacking and test.id not in NOT_SEEN:
            missing.append(f"{test.id}: never {', '.join(lacking)}")
    assert not missing, f"{len(missing)} bounds\n" + "\n".join(missing)


def test_a_bound_that_is_moved_is_noticed() -> None:
    alive = []
    for test in bounded():
        for what, mutant in mutants(test):
            name = f"{test.id}: {what}"
            if name not in SURVIVE and not any(notices(one, mutant) for one in decided_by().get(test.id, ())):
                alive.append(name)
    assert not alive, f"{len(alive)} mutants\n" + "\n".join(alive)


def notices(one: Outcome, mutant: Test) -> bool:
    """Tell whether a point would have another status with the mutant in place of its test."""
    given = answer(one.point.record, [mutant], knowledge().vocabulary, one.point.day)[mutant.id].truth
    if given == one.truths[mutant.id]:
        return False
    statuses = derived(one.point.expect, {**one.truths, mutant.id: given}, one.readings)
    return any(statuses[name] != status for name, status in one.point.expect.items())


def mutants(test: Test) -> Iterator[tuple[str, Test]]:
    """Yield the test with its comparison changed, a bound moved a little, or a condition changed or dropped."""
    whole = test.summary == "count" or (test.selection.kind == "measurement" and _whole(test.selection.concept))
    for what, comparison in _comparisons(test.comparison, whole):
        yield what, replace(test, comparison=comparison)
    for what, conditions in _changed(test.selection.conditions, whole):
        yield what, replace(test, selection=replace(test.selection, conditions=conditions))


def _whole(concept: str) -> bool:
    scale = knowledge().vocabulary.quantities[concept].scale
    return scale.unit == "{score}" or scale.name == "years"


_STRICTER = {"below": "at_most", "at_most": "below", "above": "at_least", "at_least": "above"}


def _comparisons(comparison: Comparison, whole: bool) -> Iterator[tuple[str, Comparison]]:
    thresholds = comparison.thresholds
    if comparison.op in _STRICTER:
        yield _STRICTER[comparison.op], replace(comparison, op=_STRICTER[comparison.op])
    if comparison.op == "equals":
        yield "at_least", replace(comparison, op="at_least")
        yield "at_most", replace(comparison, op="at_most")
    if comparison.op == "between":
        yield "no lower end", Comparison("at_most", thresholds[1:])
        yield "no upper end", Comparison("at_least", thresholds[:1])
    for number, threshold in enumerate(thresholds):
        for sign in (-1, 1):
            moved = (*thresholds[:number], _moved(threshold, sign, whole), *thresholds[number + 1 :])
            yield f"{threshold.text} {'less' if sign < 0 else 'more'}", replace(comparison, thresholds=moved)


def _moved(threshold: Threshold, sign: int, whole: bool) -> Threshold:
    if threshold.duration is not None:
        return replace(threshold, duration=_days(threshold.duration, sign, Fraction(1, 20)))
    step = Fraction(1) if whole else abs(threshold.number) / 20 or Fraction(1, 20)
    return replace(threshold, number=threshold.number + sign * step)


def _days(duration: Duration, sign: int, share: Fraction = Fraction(0)) -> Duration:
    """Return a duration in days, a day (or a share of it) longer or shorter."""
    days = (DAY - shift(DAY, duration, -1)).days
    return Duration(days + sign * max(1, round(days * share)), "d")


def _changed(conditions: tuple[Condition, ...], whole: bool) -> Iterator[tuple[str, tuple[Condition, ...]]]:
    for number, condition in enumerate(conditions):
        before, after = conditions[:number], conditions[number + 1 :]
        yield f"no {condition.name} {condition.word}".rstrip(), before + after
        for what, changed in _conditions(condition, whole):
            yield f"{condition.name} {what}", (*before, changed, *after)


def _conditions(condition: Condition, whole: bool) -> Iterator[tuple[str, Condition]]:
    if condition.duration is not None:
        for sign in (-1, 1):
            yield (
                f"a day {'less' if sign < 0 else 'more'}",
                replace(condition, duration=_days(condition.duration, sign)),
            )
    if condition.comparison is not None:
        for what, comparison in _comparisons(condition.comparison, whole and condition.name == "value"):
            yield what, replace(condition, comparison=comparison)
    if condition.selection is not None:
        selection: Selection = condition.selection
        for what, conditions in _changed(selection.conditions, False):
            yield f"({what})", replace(condition, selection=replace(selection, conditions=conditions))


# ---- no member of a group is forgotten -------------------------------------------------------------------------------

EQUAL: Mapping[str, str] = {
    "points(acr_eular_2013_ssc_items,9): finding(skin_thickening_proximal_to_mcp) weighs 10": "9 are enough alone",
    **{f"points(aps_clinical_items,3): {what}": "3 are enough alone"
       for what in ("vte_without_high_risk weighs 4", "arterial_without_high_risk weighs 3", "arterial_without_high_risk weighs 5",
                    "any_established_microvascular_aps weighs 4", "any_established_microvascular_aps weighs 6",
                    "preeclampsia_or_placental_insufficiency weighs 4", "finding(valve_vegetation) weighs 3",
                    "finding(valve_vegetation) weighs 5")},
    **{f"points(aps_clinical_items,3): {what}": "either alone is 3, and 3 are enough"
       for what in ("without preeclampsia_and_placental_insufficiency", "preeclampsia_and_placental_insufficiency weighs 3",
                    "preeclampsia_and_placental_insufficiency weighs 5")},
    **{f"points(aps_laboratory_items,3): {what}": "the single anticoagulant and IgM make at most 2, all else at least 4"
       for what in ("4", "without finding(lupus_anticoagulant_positive)", "without persistent_igm",
                    "finding(lupus_anticoagulant_positive) weighs 0", "persistent_igm weighs 0",
                    "persistent_lupus_anticoagulant_known weighs 4", "persistent_lupus_anticoagulant_known weighs 6",
                    "persistent_igg weighs 3", "persistent_igg weighs 5")},
    **{f"points(aps_laboratory_items,3): {what}": "who has IgG of 80 has IgG of 40, which is enough"
       for what in ("without persistent_high_igg", "without persistent_high_igg_of_both", "persistent_high_igg weighs 4",
                    "persistent_high_igg weighs 6", "persistent_high_igg_of_both weighs 6", "persistent_high_igg_of_both weighs 8")},
    "points(eular_acr_2019_sle_items,10): finding(nephritis_class_ii_or_v) weighs 9": "no item weighs 1 to make 10 with it",
    "points(eular_acr_2019_sle_items,10): finding(nephritis_class_iii_or_iv) weighs 11": "10 are enough alone",
    **{
        f'points(sledai_2k_items("{days} d"),8): active({descriptor},"{days} d") weighs 9': "8 are enough alone"
        for days in (30, 10)
        for descriptor in (
            "seizure",
            "psychosis",
            "organic_brain_syndrome",
            "visual_disturbance",
            "cranial_neuropathy",
            "lupus_headache",
            "stroke",
            "vasculitis",
        )
    },
}
"""Changes of a group that no case can tell from the original, and why."""


def test_a_group_that_is_changed_is_noticed() -> None:
    alive = []
    for criterion in knowledge().below(covered()):
        for what, mutant in changes(criterion):
            name = f"{criterion.id}: {what}"
            if name not in EQUAL and not any(differs(one, mutant) for one in decided_by().get(criterion.id, ())):
                alive.append(name)
    assert not alive, f"{len(alive)} changes\n" + "\n".join(alive)


def test_every_option_of_a_reading_is_read_by_a_case() -> None:
    unread = []
    for criterion in knowledge().below(covered()):
        if criterion.kind == "by_reading":
            for member in criterion.members:
                reading, option = member.detail
                if not any(one.readings[reading] == option for one in decided_by().get(criterion.id, ())):
                    unread.append(f"{criterion.id}: {reading} {option}")
    assert not unread, f"{len(unread)} options\n" + "\n".join(unread)


def differs(one: Outcome, mutant: Criterion) -> bool:
    statuses = derived(one.point.expect, one.truths, one.readings, mutant)
    return any(statuses[name] != status for name, status in one.point.expect.items())


_TURNED = {"all_of": "any_of", "any_of": "all_of", "none_of": "any_of"}


def changes(criterion: Criterion) -> Iterator[tuple[str, Criterion]]:
    """Yield a group with each member dropped, its kind turned, its number moved, a weight moved."""
    if criterion.kind not in (*_TURNED, "n_of", "known_by", "points"):
        return
    if len(criterion.members) > 1:
        for number, member in enumerate(criterion.members):
            left = criterion.members[:number] + criterion.members[number + 1 :]
            yield f"without {member.id}", replace(criterion, members=left)
    if criterion.kind in _TURNED:
        yield _TURNED[criterion.kind], replace(criterion, kind=_TURNED[criterion.kind])
    if criterion.kind in ("n_of", "points"):
        for step in (-1, 1):
            yield f"{criterion.number + step}", replace(criterion, number=criterion.number + step)
    if criterion.kind == "points":
        for number, member in enumerate(criterion.members):
            for step in (-1, 1):
                weight = str(int(member.detail[1]) + step)
                moved = replace(member, detail=(member.detail[0], weight))
                members = (*criterion.members[:number], moved, *criterion.members[number + 1 :])
                yield f"{member.id} weighs {weight}", replace(criterion, members=members)
