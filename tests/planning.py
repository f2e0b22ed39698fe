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
    said = () if by_items else aims
    return sequel.told(screener.kb, screening.record, aims, said, plan.day, screening.day)


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
