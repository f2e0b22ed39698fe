"""The next question as text for people and as JSON for programs. Nothing is decided here."""

from __future__ import annotations

from typing import Any

from .asking import Advice, State
from .outline import short
from .page import Page, counted
from .render import DISCLAIMER, head, told_later
from .whatif import LEVELS

_MOST_CLAUSES = 6
_MOST_MOOT = 6


def next_text(state: State, advice: list[Advice], width: int = 100) -> str:
    """Return the next question with why it is asked, those after it, and what no longer matters."""
    screening = state.screening
    page = Page(width)
    page.line(f"{screening.record.id}, {screening.day}: {_standing(state)}")
    told_later(page, screening)
    if advice:
        _question(page, state, advice[0])
    elif state.undecided:
        page.line()
        page.line("Nothing more can be found out by asking.")
    if len(advice) > 1:
        page.line()
        page.line("After that, as things stand")
    for further in advice[1:]:
        page.item("  - ", f"{short(further.question.label)} ({how(state, further)})")
    moot = _moot(state)
    if moot:
        page.line()
        more = f" and {len(moot) - _MOST_MOOT} more" if len(moot) > _MOST_MOOT else ""
        page.item("", f"Not known, and no longer of any matter: {'; '.join(moot[:_MOST_MOOT])}{more}")
    page.line()
    page.item("", DISCLAIMER)
    return page.text()


def _standing(state: State) -> str:
    codes = [state.screening.kb.cohorts[cohort].code for cohort in state.undecided]
    if not codes:
        return "every cohort is decided"
    return f"{len(codes)} of {len(state.screening.kb.cohorts)} cohorts {'is' if len(codes) == 1 else 'are'} open ({', '.join(codes)})"


def _question(page: Page, state: State, advice: Advice) -> None:
    page.line()
    page.item("Next question: ", short(advice.question.label))
    page.item("  how:     ", how(state, advice))
    more = f" and {len(advice.clauses) - _MOST_CLAUSES} more" if len(advice.clauses) > _MOST_CLAUSES else ""
    page.item("  why:     ", f"asked by {', '.join(advice.clauses[:_MOST_CLAUSES])}{more}")
    if advice.decides:
        page.item("  decides: ", f"an answer can decide {', '.join(advice.decides)} at once")
    nearer = [code for code in advice.serves if code not in advice.decides]
    if nearer:
        page.item("  serves:  ", f"brings {', '.join(nearer)} nearer")
    left = len(state.questions())
    page.item("  left:    ", f"{counted(left, 'question')} still {'matters' if left == 1 else 'matter'}")


def how(state: State, advice: Advice) -> str:
    """Return by which act a question is answered, and how heavy that is."""
    label, level = state.asker.labels[advice.question.act], LEVELS[advice.question.level]
    return f"{label[0].lower()}{label[1:]}, {'an' if level[0] in 'aeiou' else 'a'} {level}"


def _moot(state: State) -> list[str]:
    """Return in words what is not known and no longer matters."""
    criteria, mattering = state.screening.kb.criteria, state.mattering()
    still = {short(criteria[name].label) for name in mattering}
    return [label for label in dict.fromkeys(short(criteria[name].label) for name in state.moot()) if label not in still]


def next_json(state: State, advice: list[Advice]) -> dict[str, Any]:
    """Return the next questions as plain data; see docs/json.md."""
    kb = state.screening.kb
    return {
        **head("next", state.screening),
        "undecided": [kb.cohorts[cohort].code for cohort in state.undecided],
        "questions": [
            {
                "kind": one.question.kind,
                "concept": one.question.concept,
                "label": one.question.label,
                "act": one.question.act,
                "level": LEVELS[one.question.level],
                "tests": list(one.question.tests),
                "worth": round(one.worth, 3),
                "clauses": list(one.clauses),
                "decides": list(one.decides),
                "serves": list(one.serves),
            }
            for one in advice
        ],
        "left": len(state.questions()),
        "moot": state.moot(),
        "disclaimer": DISCLAIMER,
    }
