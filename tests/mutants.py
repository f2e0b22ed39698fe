"""What would happen if something in the knowledge base were wrong: every change of a kind, and whether a case notices it.

    python -m tests.mutants

prints how many changes of each kind there are, how many are noticed, and every survivor by name with its reason. A change is noticed
where a row of tests/kb (or, for a requirement, a worked case of the trial) would no longer give what stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

from pyscreen import coverage, kleene
from pyscreen.answers import answer
from pyscreen.dates import Duration, shift
from pyscreen.knowledge import Criterion
from pyscreen.questions import Comparison, Condition, Selection, Test, Threshold
from pyscreen.screening import UNKNOWN
from pyscreen.vocabulary import Vocabulary
from tests import codes
from tests.tables import DAY, Outcome, asked_under, derived, doubts, knowledge, outcome, rows


@dataclass(frozen=True)
class Mutant:
    """A change of the knowledge base: its kind, which one it is, and whether a case notices it."""

    kind: str
    name: str
    noticed: bool


Changed = tuple[str, str, Test]
"""The kind of a change, which one it is, and the test with it."""

MOVED = "a bound moved by a step, a window by a day"
SIGN = "a strict sign made inclusive and back, an end of a range left open"
CONDITION = "a condition of a test dropped"
MEMBER = "a member of a group dropped"
TURNED = "all made any and back"
NUMBER = "n of m and the points needed, one more and one fewer"
WEIGHT = "a weight, one more and one less"
NEED = "a requirement or an exclusion dropped"
DOUBT = "a doubt dropped"
DEFAULT = "the default of a reading switched to each other option"
CLASS = "a drug or finding taken out of its class"
OUTCOME = "a response taken out of its outcome"
DOSE = "a dose equivalent changed by a twentieth"
CODE = "a character of a code changed"
KINDS = (MOVED, SIGN, CONDITION, MEMBER, TURNED, NUMBER, WEIGHT, NEED, DOUBT, DEFAULT, CLASS, OUTCOME, DOSE, CODE)


def mutants() -> Iterator[Mutant]:
    """Yield every change of the knowledge base, kind by kind."""
    yield from of_tests()
    yield from of_groups()
    yield from of_needs()
    yield from of_doubts()
    yield from of_defaults()
    yield from of_the_vocabulary()
    yield from of_codes()


# ---- what the cases rest on ------------------------------------------------------------------------------------------


@cache
def covered() -> tuple[str, ...]:
    """Return what the cohorts need, and what excludes."""
    kb = knowledge()
    needs = [need for cohort in kb.cohorts.values() for need in cohort.needs]
    return tuple(dict.fromkeys(need.criterion for need in (*needs, *kb.exclusions)))


@cache
def decided_by() -> Mapping[str, tuple[Outcome, ...]]:
    """Return for every criterion and test the outcomes that rest on it."""
    found: dict[str, list[Outcome]] = {}
    for row in rows():
        for point in row.points:
            for name in outcome(point).deciding():
                found.setdefault(name, []).append(outcome(point))
    return {name: tuple(outcomes) for name, outcomes in found.items()}


def _differs(one: Outcome, statuses: Mapping[str, str]) -> bool:
    return any(statuses[name] != status for name, status in one.point.expect.items())


# ---- tests: bounds, signs, conditions --------------------------------------------------------------------------------


@cache
def bounded() -> tuple[Test, ...]:
    """Return the tests with a bound: a number, a duration or a count."""
    return tuple(test for test in asked_under(covered()) if _bounds(test))


def _bounds(test: Test) -> bool:
    return bool(test.comparison.thresholds) or any(_bound_of(condition) for condition in test.selection.conditions)


def _bound_of(condition: Condition) -> bool:
    nested = condition.selection.conditions if condition.selection else ()
    return bool(condition.duration or condition.comparison) or any(map(_bound_of, nested))



def of_tests() -> Iterator[Mutant]:
    """Yield each test with its comparison changed, a bound moved, or a condition changed or dropped."""
    for test in bounded():
        resting = decided_by().get(test.id, ())
        for kind, what, changed in _changes_of(test):
            yield Mutant(kind, f"{test.id}: {what}", any(_notices(one, changed) for one in resting))


def _notices(one: Outcome, changed: Test) -> bool:
    given = answer(one.point.record, [changed], knowledge().vocabulary, one.point.day)[changed.id].truth
    if given == one.truths[changed.id]:
        return False
    return _differs(one, derived(one.point.expect, {**one.truths, changed.id: given}, one.readings))


def _changes_of(test: Test) -> Iterator[Changed]:
    whole = test.summary == "count" or (test.selection.kind == "measurement" and _whole(test.selection.concept))
    for kind, what, comparison in _comparisons(test.comparison, whole):
        yield kind, what, replace(test, comparison=comparison)
    for kind, what, conditions in _changed(test.selection.conditions, whole):
        yield kind, what, replace(test, selection=replace(test.selection, conditions=conditions))


def _whole(concept: str) -> bool:
    scale = knowledge().vocabulary.quantities[concept].scale
    return scale.unit == "{score}" or scale.name == "years"


_STRICTER = {"below": "at_most", "at_most": "below", "above": "at_least", "at_least": "above"}


def _comparisons(comparison: Comparison, whole: bool) -> Iterator[tuple[str, str, Comparison]]:
    thresholds = comparison.thresholds
    if comparison.op in _STRICTER:
        yield SIGN, _STRICTER[comparison.op], replace(comparison, op=_STRICTER[comparison.op])
    if comparison.op == "equals":
        yield SIGN, "at_least", replace(comparison, op="at_least")
        yield SIGN, "at_most", replace(comparison, op="at_most")
    if comparison.op == "between":
        yield SIGN, "no lower end", Comparison("at_most", thresholds[1:])
        yield SIGN, "no upper end", Comparison("at_least", thresholds[:1])
    for number, threshold in enumerate(thresholds):
        for sign in (-1, 1):
            moved = (*thresholds[:number], _moved(threshold, sign, whole), *thresholds[number + 1 :])
            yield MOVED, f"{threshold.text} {'less' if sign < 0 else 'more'}", replace(comparison, thresholds=moved)


def _moved(threshold: Threshold, sign: int, whole: bool) -> Threshold:
    if threshold.duration is not None:
        return replace(threshold, duration=_days(threshold.duration, sign, Fraction(1, 20)))
    step = Fraction(1) if whole else abs(threshold.number) / 20 or Fraction(1, 20)
    return replace(threshold, number=threshold.number + sign * step)


def _days(duration: Duration, sign: int, share: Fraction = Fraction(0)) -> Duration:
    """Return a duration in days, a day (or a share of it) longer or shorter."""
    days = (DAY - shift(DAY, duration, -1)).days
    return Duration(days + sign * max(1, round(days * share)), "d")


def _changed(conditions: tuple[Condition, ...], whole: bool) -> Iterator[tuple[str, str, tuple[Condition, ...]]]:
    for number, condition in enumerate(conditions):
        before, after = conditions[:number], conditions[number + 1 :]
        yield CONDITION, f"no {condition.name} {condition.word}".rstrip(), before + after
        for kind, what, changed in _conditions(condition, whole):
            yield kind, f"{condition.name} {what}", (*before, changed, *after)


def _conditions(condition: Condition, whole: bool) -> Iterator[tuple[str, str, Condition]]:
    if condition.duration is not None:
        for sign in (-1, 1):
            moved = replace(condition, duration=_days(condition.duration, sign))
            yield MOVED, f"a day {'less' if sign < 0 else 'more'}", moved
    if condition.comparison is not None:
        for kind, what, comparison in _comparisons(condition.comparison, whole and condition.name == "value"):
            yield kind, what, replace(condition, comparison=comparison)
    if condition.selection is not None:
        selection: Selection = condition.selection
        for kind, what, conditions in _changed(selection.conditions, False):
            yield kind, f"({what})", replace(condition, selection=replace(selection, conditions=conditions))


# ---- groups: members, kinds, numbers, weights ------------------------------------------------------------------------


def of_groups() -> Iterator[Mutant]:
    """Yield each group with a member dropped, its kind turned, its number moved, a weight moved."""
    for criterion in knowledge().below(covered()):
        resting = decided_by().get(criterion.id, ())
        for kind, what, changed in _group_changes(criterion):
            noticed = any(_differs(one, derived(one.point.expect, one.truths, one.readings, changed)) for one in resting)
            yield Mutant(kind, f"{criterion.id}: {what}", noticed or span(changed) != span(criterion))


SPANS: Mapping[str, tuple[int, int]] = {
    "points(eular_acr_2019_sle_items,10)": (0, 51),
    "points(acr_eular_2013_ssc_items,9)": (0, 28),
    "points(acr_eular_2016_sjogren_items,4)": (0, 9),
    'points(sledai_2k_items("10 d"),8)': (0, 105),
    'points(sledai_2k_items("30 d"),8)': (0, 105),
    "points(aps_clinical_items,3)": (0, 22),
    "points(aps_laboratory_items,3)": (0, 12),
    "points(iim_items,55)": (0, 208),
    "points(iim_biopsy_items,67)": (0, 295),
    "points(gpa_items,5)": (-5, 17),
    "points(mpa_items,5)": (-8, 12),
    "points(egpa_items,6)": (-4, 14),
}
"""The fewest and the most points of each score: GPA, MPA, EGPA as published, the others added up from the published tables."""


def span(score: Criterion) -> tuple[int, int] | None:
    """Return the fewest and the most points that a score can give; nothing for another criterion."""
    if score.kind != "points":
        return None
    return kleene.points(score, dict.fromkeys((member.id for member in score.members), UNKNOWN))


_TURNED = {"all_of": "any_of", "any_of": "all_of", "none_of": "any_of"}


def _group_changes(criterion: Criterion) -> Iterator[tuple[str, str, Criterion]]:
    if criterion.kind not in (*_TURNED, "n_of", "known_by", "points"):
        return
    if len(criterion.members) > 1:
        for number, member in enumerate(criterion.members):
            left = criterion.members[:number] + criterion.members[number + 1 :]
            yield MEMBER, f"without {member.id}", replace(criterion, members=left)
    if criterion.kind in _TURNED:
        yield TURNED, _TURNED[criterion.kind], replace(criterion, kind=_TURNED[criterion.kind])
    if criterion.kind in ("n_of", "points"):
        for step in (-1, 1):
            yield NUMBER, f"{criterion.number + step}", replace(criterion, number=criterion.number + step)
    if criterion.kind == "points":
        for number, member in enumerate(criterion.members):
            for step in (-1, 1):
                weight = str(int(member.detail[1]) + step)
                moved = replace(member, detail=(member.detail[0], weight))
                members = (*criterion.members[:number], moved, *criterion.members[number + 1 :])
                yield WEIGHT, f"{member.id} weighs {weight}", replace(criterion, members=members)


# ---- requirements, doubts, defaults ----------------------------------------------------------------------------------


def of_needs() -> Iterator[Mutant]:
    """Yield each requirement and exclusion dropped; noticed by a worked case that fails by it alone."""
    kb = knowledge()
    alone = {(case.cohort, *case.blamed) for case in coverage.cases(kb) if case.way == coverage.FAILS}
    clauses = {clause for _, *blamed in alone for clause in blamed if len(blamed) == 1}
    for cohort in kb.cohorts.values():
        for need in cohort.needs:
            own = kb.clauses[need.clause].cohort == cohort.code
            noticed = (cohort.code, need.clause) in alone if own else need.clause in clauses
            yield Mutant(NEED, f"{cohort.code} without {need.clause}", noticed)
    for need in kb.exclusions:
        yield Mutant(NEED, f"without {need.clause}", need.clause in clauses)


def of_doubts() -> Iterator[Mutant]:
    """Yield each doubt dropped."""
    for test, those in doubts().items():
        for doubt in those:
            resting = decided_by().get(doubt, ())
            left = {**doubts(), test: tuple(other for other in those if other != doubt)}
            noticed = any(_differs(one, derived(one.point.expect, one.truths, one.readings, doubted=left)) for one in resting)
            yield Mutant(DOUBT, f"{test}: not doubted by {doubt}", noticed)


def of_defaults() -> Iterator[Mutant]:
    """Yield each reading with another of its options for a default."""
    kb = knowledge()
    by_reading: dict[str, set[str]] = {}
    for criterion in kb.below(covered()):
        if criterion.kind == "by_reading":
            by_reading.setdefault(criterion.members[0].detail[0], set()).add(criterion.id)
    for reading in kb.readings.values():
        resting = {id(one): one for name in by_reading.get(reading.id, ()) for one in decided_by().get(name, ())}
        for option in reading.options:
            if option != reading.default:
                noticed = any(_notices_default(one, reading.id, option) for one in resting.values())
                yield Mutant(DEFAULT, f"{reading.id}: {option}", noticed)


def _notices_default(one: Outcome, reading: str, option: str) -> bool:
    if reading in one.point.readings:
        return False
    return _differs(one, derived(one.point.expect, one.truths, {**one.readings, reading: option}))


# ---- the vocabulary --------------------------------------------------------------------------------------------------


def of_the_vocabulary() -> Iterator[Mutant]:
    """Yield each member taken out of its class, each response out of its outcome, each equivalent changed."""
    words = knowledge().vocabulary
    for member, above in sorted(words.parents.items()):
        for name in sorted(above):
            changed = replace(words, parents={**words.parents, member: above - {name}})
            noticed = any(changed.members(one) != members for one, members in codes.classes().items())
            yield Mutant(CLASS, f"{member} is no {name}", noticed)
    for result, responses in sorted(words.outcomes.items()):
        for response in sorted(responses if result in _asked_outcomes() else ()):
            changed = replace(words, outcomes={**words.outcomes, result: responses - {response}})
            yield Mutant(OUTCOME, f"{response} is no {result}", _notices_words(changed, {response}))
    for group, (unit, factors) in sorted(words.equivalents.items()):
        for drug, factor in sorted(factors.items()):
            for part in (Fraction(19, 20), Fraction(21, 20)):
                equivalents = {**words.equivalents, group: (unit, {**factors, drug: factor * part})}
                noticed = _notices_words(replace(words, equivalents=equivalents), {drug})
                yield Mutant(DOSE, f"{group}: {drug} counts {factor * part}", noticed)


@cache
def _asked_outcomes() -> frozenset[str]:
    """Return the outcomes of a course that the cohorts and exclusions ask for."""
    conditions = (condition for test in asked_under(covered()) for condition in test.selection.conditions)
    return frozenset(condition.word for condition in conditions if condition.name == "outcome")


def _notices_words(changed: Vocabulary, said: Iterable[str]) -> bool:
    return any(_notices_word(one, changed) for one in dict.fromkeys(one for name in said for one in _saying().get(name, ())))


def _notices_word(one: Outcome, changed: Vocabulary) -> bool:
    given = answer(one.point.record, asked_under(tuple(one.point.expect)), changed, one.point.day)
    truths = {name: said.truth for name, said in given.by_test.items()}
    return truths != one.truths and _differs(one, derived(one.point.expect, truths, one.readings))


@cache
def _saying() -> Mapping[str, tuple[Outcome, ...]]:
    """Return for every concept and response the outcomes whose record holds it."""
    found: dict[str, dict[Outcome, None]] = {}
    for row in rows():
        for point in row.points:
            items = [*point.record.therapies, *point.record.findings, *point.record.events, *point.record.procedures]
            for item in items:
                for word in (item.concept, getattr(item, "response", None)):
                    if word:
                        found.setdefault(word, {})[outcome(point)] = None
    return {word: tuple(outcomes) for word, outcomes in found.items()}


# ---- codes -----------------------------------------------------------------------------------------------------------


def of_codes() -> Iterator[Mutant]:
    """Yield each code with one character changed."""
    for system, code, _, concept in codes.CODES:
        for changed in codes.changes(code):
            noticed = not codes.is_well_formed(system, changed) or (system, code) in codes.listed()
            yield Mutant(CODE, f"{system} {changed} for {concept}", noticed)


# ---- what stands all the same ----------------------------------------------------------------------------------------

SURVIVORS: Mapping[str, str] = {
    **{f"dose_unchanged({drug}): above": "how long a dose is unchanged is asked by at_least only (kb/README.md)"
       for drug in ("immunosuppressant", "immunosuppressant_or_hydroxychloroquine", "iim_named_immunosuppressant")},
    **{f'long_course_now({drug},at_least("2 mo")): {what}': "what is unchanged for 2 months was taken for 2 months"
       for drug in ("immunosuppressant", "immunosuppressant_or_hydroxychloroquine", "iim_named_immunosuppressant")
       for what in ("no lasting", "lasting 2 mo less")},
    **{f"{age}(bvas_after({after},equals)): at_most": "no BVAS is below 0"
       for age in ("any_age", "recent") for after in ("after_cyclophosphamide", "after_rituximab")},
    **{
        f'cyclophosphamide_course(with({dose},at_least("6 mo")),at_least("6 mo"),{lupus}): {what}': "6 months together are 6 months"
        for dose in ("high_dose_or_more", "high_dose_rounded", "high_dose_exactly", "high_dose_exceeded")
        for lupus in ("yes", "no")
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
    "points(eular_acr_2019_sle_items,10): finding(nephritis_class_ii_or_v) weighs 9": "no item weighs 1 to make 10 with it",
    "points(aps_clinical_items,3): preeclampsia_or_placental_insufficiency weighs 4": "3 are enough alone",
    **{
        f"points(aps_laboratory_items,3): {what}": "the single anticoagulant and IgM make at most 2, all else at least 4"
        for what in (
            "4",
            "without finding(lupus_anticoagulant_positive)",
            "without persistent_igm",
            "finding(lupus_anticoagulant_positive) weighs 0",
            "persistent_igm weighs 0",
            "persistent_igg weighs 3",
            "persistent_igg weighs 5",
        )
    },
    **{
        f"points(aps_laboratory_items,3): {what}": "who has IgG of 80 has IgG of 40, which is enough"
        for what in ("without persistent_high_igg", "persistent_high_igg weighs 4", "persistent_high_igg weighs 6")
    },
}
"""Changes that no case can tell from the original, and why."""


def main() -> None:
    """Print the report."""
    found = list(mutants())
    width = max(map(len, KINDS))
    print(f"{'change':{width}}  changes  noticed  survive")
    for kind in (*KINDS, "all"):
        those = [mutant for mutant in found if kind in (mutant.kind, "all")]
        noticed = sum(mutant.noticed for mutant in those)
        print(f"{kind:{width}}  {len(those):7}  {noticed:7}  {len(those) - noticed:7}")
    for mutant in found:
        if not mutant.noticed:
            print(f"survives: {mutant.name} ({SURVIVORS.get(mutant.name, 'NOT NAMED')})")


if __name__ == "__main__":
    main()
