"""Plans as text for people and as JSON for programs. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from .knowledge import KnowledgeBase, Need
from .outline import short
from .page import Page
from .render import DISCLAIMER, head, told_later
from .screening import ELIGIBLE, Screening
from .whatif import LEVELS, Bar, Plan, Step, WhatIf

_MOST_FACTS = 4
_MOST_CAUSES = 3
_MOST_OTHERS = 3


def whatif_text(screening: Screening, answers: Iterable[WhatIf], width: int = 100, by: date | None = None) -> str:
    """Return plans as lists of steps, the cheapest first, or what bars the cohort."""
    answers = list(answers)
    page = Page(width)
    until = f" by {by}" if by else ""
    page.line(f"{screening.record.id}, {screening.day}: what would make this patient eligible{until}")
    told_later(page, screening)
    if len(answers) > 1:
        _ways(page, screening.kb, answers)
    for answer in answers:
        page.line()
        page.line(f"{answer.cohort.code} {answer.cohort.label} - {answer.status.upper()}")
        for number, plan in enumerate(answer.plans, 1):
            _plan(page, screening, plan, number, len(answer.plans))
        if answer.not_before is not None:
            page.line(f"  No plan can be complete by {by}; the earliest day is {answer.not_before}.")
        if answer.bar is not None:
            _bar(page, screening.kb, answer.bar)
    page.line()
    page.line("Behind each step stands what it must show; if it turns out otherwise, screen again.")
    page.item("", DISCLAIMER)
    return page.text()


def _ways(page: Page, kb: KnowledgeBase, answers: list[WhatIf]) -> None:
    """Say for the whole trial where there is a way in, the nearest first, and why there is none elsewhere."""
    page.line()
    open_ways = [answer for answer in answers if answer.plans]
    for answer in open_ways:
        plan = answer.plans[0]
        words = "eligible" if answer.status == ELIGIBLE else _summary(plan)
        page.item(f"  way into {answer.cohort.code:<4} ", f"{words}{_from(plan, answer)}")
    for codes, needs in barred_alike(answers):
        why = "; ".join(f"{kb.criteria[need.criterion].label} [{need.clause}]" for need in needs)
        page.item("  ", f"no way into {', '.join(codes)}: {why}", extra=4)


def _from(plan: Plan, answer: WhatIf) -> str:
    return "" if answer.status == ELIGIBLE or not plan.waits else f", from {plan.day}"


def barred_alike(answers: Iterable[WhatIf]) -> list[tuple[list[str], tuple[Need, ...]]]:
    """Return the cohorts without a way in (their codes in order), together where the same bars them."""
    groups: dict[tuple[Need, ...], list[str]] = {}
    for answer in answers:
        if answer.bar is not None:
            groups.setdefault(answer.bar.needs, []).append(answer.cohort.code)
    return [(sorted(codes), needs) for needs, codes in sorted(groups.items(), key=lambda group: min(group[1]))]


def _plan(page: Page, screening: Screening, plan: Plan, number: int, of: int) -> None:
    if not plan.steps and not plan.waits:
        page.line("  Nothing more is needed.")
    else:
        when = "" if plan.day == screening.day else f", no earlier than {plan.day}"
        page.line(f"  {f'Plan {number} of {of}' if of > 1 else 'Plan'}: {_summary(plan)}{when}")
    changes = [step for step in plan.steps if plan.waits and step.remedy == "manage"]
    _steps(page, plan, changes)
    for wait in plan.waits:
        page.item("    - ", f"Wait until {wait.day}: {short(wait.label)}{_cited(wait.clauses)}")
    _steps(page, plan, [step for step in plan.steps if step not in changes])
    if plan.lapse is not None:
        page.item("    ", f"Holds until the day before {plan.lapse.day}, then lapses by: {_several(plan.lapse.causes)}", extra=2)


def _steps(page: Page, plan: Plan, steps: Iterable[Step]) -> None:
    for step in steps:
        first = f", after: {', '.join(_names(plan, step))}" if step.after else ""
        who = f", {step.who}" if step.who else ""
        page.item("    - ", f"{step.label} ({LEVELS[step.level]}{who}){first}")
        clauses = {aim.test: aim.clauses for aim in step.aims}
        for target in step.targets:
            needed = dict.fromkeys(clause for test in target.tests for clause in clauses[test])
            page.item("        ", f"{short(target.label)}: {target.value}{_cited(tuple(needed))}", extra=2)


def _several(causes: tuple[str, ...]) -> str:
    more = f" and {len(causes) - _MOST_CAUSES} more" if len(causes) > _MOST_CAUSES else ""
    return "; ".join(map(short, causes[:_MOST_CAUSES])) + more


def _names(plan: Plan, step: Step) -> list[str]:
    return [f"{other.label[0].lower()}{other.label[1:]}" for other in plan.steps if other.act in step.after]


def _cited(clauses: tuple[str, ...]) -> str:
    return f" [{', '.join(clauses)}]" if clauses else ""


def _summary(plan: Plan) -> str:
    counts = {level: sum(step.level == level for step in plan.steps) for level in sorted(LEVELS, reverse=True)}
    words = [f"{count} {LEVELS[level]}{'s' if count > 1 else ''}" for level, count in counts.items() if count]
    return ", ".join(words) or "only time"


def _bar(page: Page, kb: KnowledgeBase, bar: Bar) -> None:
    page.line("  No plan: " + ("these cannot be satisfied together" if len(bar.needs) > 1 else "this cannot be satisfied"))
    for need in bar.needs:
        page.item("    x ", f"{kb.criteria[need.criterion].label} [{need.clause}]")
    for fact in bar.facts[:_MOST_FACTS]:
        page.item("        ", fact)
    if len(bar.facts) > _MOST_FACTS:
        page.line(f"        and {len(bar.facts) - _MOST_FACTS} more")
    if bar.others:
        page.line("  Nor, each by itself:")
        for need in bar.others[:_MOST_OTHERS]:
            page.item("    x ", f"{kb.criteria[need.criterion].label} [{need.clause}]")
        if len(bar.others) > _MOST_OTHERS:
            page.line(f"    and {len(bar.others) - _MOST_OTHERS} more")


def whatif_json(screening: Screening, answers: Iterable[WhatIf]) -> dict[str, Any]:
    """Return plans as plain data; see docs/json.md."""
    return {
        **head("whatif", screening),
        "cohorts": [
            {
                "cohort": answer.cohort.id,
                "code": answer.cohort.code,
                "verdict": answer.status,
                "plans": [_plan_json(plan) for plan in answer.plans],
                "not_before": answer.not_before and answer.not_before.isoformat(),
                "bar": answer.bar
                and {
                    "needs": list(map(_need_json, answer.bar.needs)),
                    "facts": list(answer.bar.facts),
                    "others": list(map(_need_json, answer.bar.others)),
                },
            }
            for answer in answers
        ],
        "disclaimer": DISCLAIMER,
    }


def _need_json(need: Need) -> dict[str, Any]:
    return {"clause": need.clause, "criterion": need.criterion}


def _plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "day": plan.day.isoformat(),
        "waits": [
            {"day": wait.day.isoformat(), "label": wait.label, "clauses": list(wait.clauses)} for wait in plan.waits
        ],
        "steps": [_step_json(step) for step in plan.steps],
        "lapse": plan.lapse and {"day": plan.lapse.day.isoformat(), "causes": list(plan.lapse.causes)},
    }


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "act": step.act,
        "label": step.label,
        "level": LEVELS[step.level],
        "who": step.who,
        "remedy": step.remedy,
        "about": list(step.about),
        "clauses": list(step.clauses),
        "after": list(step.after),
        "targets": [{"label": t.label, "value": t.value, "tests": list(t.tests)} for t in step.targets],
        "aims": [
            {"test": a.test, "label": a.label, "answer": "yes" if a.yes else "no", "clauses": list(a.clauses)}
            for a in step.aims
        ],
    }
