"""Answers to what is asked of explanations, as text for people and as JSON for programs: blockers, what is missing, one fact, two
screenings, two cohorts. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .answers import Answer
from .comparison import Bearing, Change, Contrast, Difference, Strand
from .explain import BLOCKS, HELPS, MARKS, NONE, OPEN, Blocker, effect, evidence_data
from .gaps import Missing
from .knowledge import Cohort, Need
from .outline import short
from .page import Page
from .render import DISCLAIMER, head, need_json
from .screening import Screening, Verdict

_TRUTHS = {True: "yes", False: "no", None: "unknown"}
_WORDS = {HELPS: "in order", BLOCKS: "against", OPEN: "open", NONE: "does not matter"}
_MOST = 3


def _title(page: Page, screening: Screening, rest: str) -> None:
    page.item("", f"{screening.record.id}, {screening.day}: {rest}")


def _verdict(verdict: Verdict) -> str:
    return f"{verdict.cohort.code} {verdict.cohort.label} - {verdict.status.upper()}"


def _finished(page: Page) -> str:
    page.line()
    page.item("", DISCLAIMER)
    return page.text()


# ---- blockers --------------------------------------------------------------------------------------------------------


def blockers_text(screening: Screening, cohort: str, blockers: Iterable[Blocker], width: int = 100) -> str:
    """Return the tests between a patient and a cohort: those that every way in needs otherwise, then the alternatives."""
    page = Page(width)
    _title(page, screening, _verdict(screening.verdict(cohort)))
    found = list(blockers)
    for necessary, title in (
        (True, "Every way in needs these otherwise"),
        (False, "One or another of these, by different ways"),
    ):
        some = [blocker for blocker in found if blocker.necessary is necessary]
        if some:
            page.line()
            page.line(title)
        for blocker in some:
            page.item(f"{MARKS[BLOCKS if blocker.contrary else OPEN]} ", short(blocker.label))
            _answer(page, screening.answers[blocker.test], 6)
    if not found:
        page.line("Nothing stands in the way.")
    return _finished(page)


def blockers_json(screening: Screening, cohort: str, blockers: Iterable[Blocker]) -> dict[str, Any]:
    """Return the same as plain data; see docs/json.md."""
    verdict = screening.verdict(cohort)
    return {
        **head("blockers", screening),
        "cohort": verdict.cohort.id,
        "verdict": verdict.status,
        "blockers": [blocker_json(blocker) for blocker in blockers],
        "disclaimer": DISCLAIMER,
    }


def blocker_json(blocker: Blocker) -> dict[str, Any]:
    """Return a blocker as plain data."""
    return {
        "test": blocker.test,
        "label": blocker.label,
        "contrary": blocker.contrary,
        "necessary": blocker.necessary,
    }


def _answer(page: Page, given: Answer, indent: int) -> None:
    """Write what an answer rests on, or what is missing."""
    for item in given.evidence[:_MOST]:
        page.item(" " * indent, str(item))
    if len(given.evidence) > _MOST:
        page.line(f"{' ' * indent}and {len(given.evidence) - _MOST} more")
    if given.truth is None:
        page.item(" " * indent, given.why or "not recorded")


# ---- what is missing -------------------------------------------------------------------------------------------------


def missing_text(screening: Screening, cohort: str, missing: Missing, width: int = 100) -> str:
    """Return the smallest sets of answers that would make a cohort eligible."""
    page = Page(width)
    verdict = screening.verdict(cohort)
    _title(page, screening, _verdict(verdict))
    page.line()
    if not missing.sets:
        page.item("", "No answers to what is open would do: what is known bars every way in.")
    elif not missing.sets[0]:
        page.line("Nothing is missing.")
    else:
        page.item("", "Each of these sets of answers would make the patient eligible, and none has an answer to spare.")
    for number, way in enumerate((way for way in missing.sets if way), 1):
        page.line()
        page.line(f"Set {number}: {len(way)} answer{'s' if len(way) > 1 else ''}")
        for test, yes in way.items():
            page.item("  ? ", f"{short(screening.kb.criteria[test].label)}: {_TRUTHS[yes]}")
    if not missing.complete:
        page.line()
        page.line("There are more, none of them smaller.")
    return _finished(page)


def missing_json(screening: Screening, cohort: str, missing: Missing) -> dict[str, Any]:
    """Return the same as plain data; see docs/json.md."""
    verdict = screening.verdict(cohort)
    return {
        **head("missing", screening),
        "cohort": verdict.cohort.id,
        "verdict": verdict.status,
        "sets": [
            [
                {"test": test, "label": screening.kb.criteria[test].label, "answer": _TRUTHS[yes]}
                for test, yes in way.items()
            ]
            for way in missing.sets
        ],
        "complete": missing.complete,
        "disclaimer": DISCLAIMER,
    }


# ---- one fact --------------------------------------------------------------------------------------------------------


def bearing_text(screening: Screening, found: Bearing, width: int = 100) -> str:
    """Return what hangs on a fact: from its items through the tests up to the requirements, and the verdicts without it."""
    page = Page(width)
    _title(page, screening, f"what hangs on {found.fact}")
    for item in found.items:
        page.item("  ", str(item))
    if not found.items:
        page.line("  not recorded")
    _without(page, screening, found.without)
    idle = []
    for given, strands in found.strands:
        deciding = [strand for strand in strands if strand.decides]
        if deciding:
            _strands(page, screening, given, deciding)
        else:
            idle.append(f"{screening.kb.criteria[given.test].label}: {_TRUTHS[given.truth]}")
    if idle:
        page.line()
        page.line("Tests of it that decide nothing now")
        for line in idle:
            page.item("  . ", line)
    return _finished(page)


def _without(page: Page, screening: Screening, found: Difference | None) -> None:
    page.line()
    if found is None:
        page.line("Nothing of the record can be left out to see what would change.")
        return
    page.line("Without it" if found.turns else "Without it, nothing would change.")
    for was, now in found.verdicts:
        page.item(
            "  ",
            f"{was.cohort.code} {was.cohort.label} would be {was.status.upper()}, not {now.status.upper()}",
            extra=2,
        )
    for turn in found.turns:
        before, after = turn.effects
        said = (
            f"{short(turn.label)} [{_listed(screening, turn.cohorts)}] would be {_WORDS[before]}, not {_WORDS[after]}"
        )
        page.item(f"  {MARKS[before]} {turn.need.clause:<20} ", said, hang=6)


def _strands(page: Page, screening: Screening, given: Answer, deciding: list[Strand]) -> None:
    """Write a test and what it decides, with the way from the one to the other."""
    page.line()
    why = f" ({given.why})" if given.why else ""
    page.item("", f"{screening.kb.criteria[given.test].label}: {_TRUTHS[given.truth]}{why}", extra=2)
    for strand in deciding:
        label = short(screening.kb.criteria[strand.need.criterion].label)
        page.item(
            f"  {MARKS[strand.effect]} {strand.need.clause:<20} ",
            f"{label} [{_listed(screening, strand.cohorts)}]",
            hang=6,
        )
        between = [short(screening.kb.criteria[name].label) for name in strand.path[1:-1]]
        if between:
            page.item("      by ", " > ".join(between), extra=-3)


def _listed(screening: Screening, cohorts: tuple[Cohort, ...]) -> str:
    if len(cohorts) == len(screening.kb.cohorts) > 1:
        return "every cohort"
    return " ".join(cohort.code for cohort in cohorts)


def bearing_json(screening: Screening, found: Bearing) -> dict[str, Any]:
    """Return the same as plain data; see docs/json.md."""
    vocabulary = screening.kb.vocabulary
    return {
        **head("bearing", screening),
        "fact": found.fact,
        "items": [evidence_data(item, vocabulary) for item in found.items],
        "tests": [
            {
                "test": given.test,
                "label": screening.kb.criteria[given.test].label,
                "answer": _TRUTHS[given.truth],
                "why": given.why,
                "strands": [
                    {
                        **_standing_json(screening, strand.need, strand.excludes),
                        "decides": strand.decides,
                        "path": list(strand.path),
                        "cohorts": [cohort.id for cohort in strand.cohorts],
                    }
                    for strand in strands
                ],
            }
            for given, strands in found.strands
        ],
        "without": None if found.without is None else _effects_json(found.without),
        "disclaimer": DISCLAIMER,
    }


def _standing_json(screening: Screening, need: Need, excludes: bool) -> dict[str, Any]:
    return {**need_json(screening, need, excludes), "excludes": excludes}


# ---- two screenings --------------------------------------------------------------------------------------------------


def difference_text(found: Difference, width: int = 100) -> str:
    """Return what changed between two screenings, and what it did: verdicts, requirements, and the tests behind them."""
    page = Page(width)
    before, after = found.before, found.after
    page.item("", f"{before.record.id}, {before.day}, and {after.record.id}, {after.day}: what changed")
    page.line()
    for was, now in found.verdicts:
        page.item("  ", f"{was.cohort.code} {was.cohort.label}: {was.status.upper()} -> {now.status.upper()}", extra=2)
    if not found.verdicts:
        page.line("  No verdict changed.")
    for title, items in (("New", found.new), ("No longer used, or no longer there", found.gone)):
        if items:
            page.line()
            page.line(title)
        for item in items:
            page.item("  - ", str(item))
    if found.turns:
        page.line()
        page.line("What it did")
    for turn in found.turns:
        old, new = turn.effects
        said = f"{short(turn.label)} [{_listed(before, turn.cohorts)}]: {_WORDS[old]} -> {_WORDS[new]}"
        page.item(f"{MARKS[new]} {turn.need.clause:<20} ", said, hang=4)
        for change in turn.changes[:_MOST]:
            page.item(
                "      ", f"{short(change.label)}: {_TRUTHS[change.before.truth]} -> {_TRUTHS[change.after.truth]}"
            )
            _answer(page, change.after, 8)
    return _finished(page)


def difference_json(found: Difference) -> dict[str, Any]:
    """Return the same as plain data; see docs/json.md."""
    vocabulary = found.after.kb.vocabulary
    return {
        **head("difference", found.after),
        "before": {"record": found.before.record.id, "day": found.before.day.isoformat()},
        "new": [evidence_data(item, vocabulary) for item in found.new],
        "gone": [evidence_data(item, vocabulary) for item in found.gone],
        "changes": [_change_json(change) for change in found.changes],
        **_effects_json(found),
        "disclaimer": DISCLAIMER,
    }


def _effects_json(found: Difference) -> dict[str, Any]:
    return {
        "verdicts": [
            {"cohort": was.cohort.id, "code": was.cohort.code, "before": was.status, "after": now.status}
            for was, now in found.verdicts
        ],
        "turns": [
            {
                "clause": turn.need.clause,
                "criterion": turn.need.criterion,
                "label": turn.label,
                "excludes": turn.excludes,
                "before": turn.before,
                "after": turn.after,
                "cohorts": [cohort.id for cohort in turn.cohorts],
                "tests": [change.test for change in turn.changes],
            }
            for turn in found.turns
        ],
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "test": change.test,
        "label": change.label,
        "before": _TRUTHS[change.before.truth],
        "after": _TRUTHS[change.after.truth],
    }


# ---- two cohorts -----------------------------------------------------------------------------------------------------


def contrast_text(screening: Screening, found: Contrast, width: int = 100) -> str:
    """Return why the one cohort and not the other: what only the one asks, what only the other does, and what both share."""
    page = Page(width)
    _title(page, screening, f"why {found.one.cohort.code} and not {found.other.cohort.code}?")
    page.line()
    for verdict in (found.one, found.other):
        page.item("  ", _verdict(verdict))
    for verdict, needs in ((found.one, found.only_one), (found.other, found.only_other)):
        page.line()
        page.line(f"Only {verdict.cohort.code} asks")
        for need in needs:
            _need(page, screening, need)
    shared = [need for need in found.both if screening.statuses[need.criterion] != "met"]
    page.line()
    page.line(f"Both ask {len(found.both)} more, {len(found.both) - len(shared)} in order")
    for need in shared:
        _need(page, screening, need)
    return _finished(page)


def _need(page: Page, screening: Screening, need: Need) -> None:
    what = effect(screening.statuses[need.criterion])
    page.item(f"{MARKS[what]} {need.clause:<20} ", short(screening.kb.criteria[need.criterion].label), hang=4)
    if what == HELPS:
        return
    for test in screening.deciding_tests(need.criterion)[:_MOST]:
        page.item("      ", short(screening.kb.criteria[test].label))
        _answer(page, screening.answers[test], 8)


def contrast_json(screening: Screening, found: Contrast) -> dict[str, Any]:
    """Return the same as plain data; see docs/json.md."""
    return {
        **head("contrast", screening),
        "cohort": found.one.cohort.id,
        "verdict": found.one.status,
        "other": found.other.cohort.id,
        "other_verdict": found.other.status,
        "only_cohort": [_standing_json(screening, need, False) for need in found.only_one],
        "only_other": [_standing_json(screening, need, False) for need in found.only_other],
        "both": [_standing_json(screening, need, False) for need in found.both],
        "disclaimer": DISCLAIMER,
    }
