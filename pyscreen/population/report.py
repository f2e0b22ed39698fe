"""A screened population in words: verdicts by cohort, and what each criterion costs."""

from __future__ import annotations

from collections.abc import Iterator

from ..page import counted
from .cohort import TOLD, Run, Summary, beside
from .funnel import Funnel

_COSTLY = 3


def text(run: Run, summary: Summary, whole: bool, width: int = 100) -> str:
    """Return a summary as text; `whole` shows every step of each cohort, else only what costs most."""
    kb, output = run.kb, run.output
    lines = [f"{counted(summary.patients, 'patient')}, screened on {run.day.isoformat()} for {kb.title}"]
    if run.robust:
        lines.append("decided is only what holds under every option of every reading; the criteria are counted under the defaults")
    if summary.aside:
        lines.append(f"{summary.aside:,} of them set aside: {beside(output, 'problems')} says why")
    if summary.verified:
        lines.append(f"{summary.verified:,} of them screened by the engine too, with the same status of every criterion")
    lines += ["", *_table(summary, width), ""]
    for funnel in summary.funnels:
        lines += [*(_steps(funnel, width) if whole else _costly(funnel, width)), ""]
    return "\n".join([*lines, f"Written: {output}", ""])


def _table(summary: Summary, width: int) -> Iterator[str]:
    room = width - 44
    yield f"  {'cohort':<{room}} {'eligible':>12} {'undecided':>12} {'ineligible':>12}"
    for funnel in summary.funnels:
        name = _cut(f"{funnel.code:<5}{funnel.label}", room)
        yield f"  {name:<{room}} {funnel.eligible:>12,} {funnel.undecided:>12,} {funnel.ineligible:>12,}"


def _costly(funnel: Funnel, width: int) -> Iterator[str]:
    yield f"{funnel.code} {funnel.label}: what keeps most patients out"
    steps = sorted((step for step in funnel.steps if step.failing), key=lambda step: -step.failing)[:_COSTLY]
    for step in steps:
        counts = f"{step.failing:>12,} fail it, {step.alone:,} of them nothing else"
        yield _cut(f"{counts}  {step.clause} {step.label}", width)
    if not steps:
        yield "             nobody is kept out"


def _steps(funnel: Funnel, width: int) -> Iterator[str]:
    room = width - 48
    yield f"{funnel.code} {funnel.label}: requirement by requirement"
    yield f"  {'':<{room}} {'fail':>10} {'only this':>10} {'open':>10} {'left':>10}"
    for step in funnel.steps:
        name = _cut(f"{step.clause} {step.label}", room)
        yield f"  {name:<{room}} {step.failing:>10,} {step.alone:>10,} {step.open:>10,} {step.left:>10,}"


def problems(listed: list[str], many: int) -> Iterator[str]:
    """Yield the first of so many problems of those set aside, and how many more there are."""
    yield from listed[:TOLD]
    if many > TOLD:
        yield f"and {many - TOLD:,} more"


def _cut(words: str, width: int) -> str:
    return words if len(words) <= width else words[: width - 3] + "..."
