"""Trying a plan out: its acts carried out on the record itself, which is then screened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from pyscreen import sequel
from pyscreen.record import Record
from pyscreen.screening import ELIGIBLE, Screener, Screening
from pyscreen.whatif import Plan, Planner, Step


def carried_out(screener: Screener, screening: Screening, plan: Plan, steps: Iterable[Step], by_items: bool) -> Record:
    """Return the record after some steps of a plan: as items where they can say it, or as direct answers."""
    aims = {aim.test: aim.yes for step in steps for aim in step.aims}
    if by_items:
        return sequel.after(screener.kb, screening.record, aims, plan.day, screening.day)
    return told(screener, screening, plan, aims)


def told(screener: Screener, screening: Screening, plan: Plan, aims: Mapping[str, bool]) -> Record:
    """Return the record with direct answers; what the record says otherwise and a clinician changes needs items all the same."""
    kb = screener.kb
    changed = {name: yes for name, yes in aims.items() if screening.answers[name].truth is (not yes)}
    record = sequel.after(kb, screening.record, changed, plan.day, screening.day) if changed else screening.record
    return sequel.told(kb, record, {name: yes for name, yes in aims.items() if name not in changed}, plan.day)


def is_eligible(screener: Screener, record: Record, cohort: str, day: date, readings: Mapping[str, str] | None = None) -> bool:
    return screener.screen(record, day, readings, dependences=False).verdict(cohort).status == ELIGIBLE


def forbidden(planner: Planner, plan: Plan, screening: Screening) -> list[str]:
    """Return the aims that nobody may have: against what is known, and not what a clinician can move that way without harm."""
    kb = planner.kb
    manageable = {(row[0], row[1]) for row in kb.program.rows("manage", 3)}
    wrong = []
    for name, yes in plan.aims.items():
        test = kb.tests[name]
        known = planner.known(screening, name, plan.day)
        if known is None:
            continue
        op = test.comparison.op
        lower = (op in ("below", "at_most")) is yes
        direction = "absent" if op == "present" and not yes else "lower" if lower else "higher"
        if known is yes or (planner.about.get(name), direction) not in manageable:
            wrong.append(name)
    return wrong
