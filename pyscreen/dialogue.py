"""An interview on a plain terminal or through a pipe: lines out, lines in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from .asking import Advice, Question
from .asktext import how
from .interview import Interview, Move, Refused, save
from .outline import short
from .page import Page

Hear = Callable[[str], str | None]
"""Asks with a prompt and returns a line, or None at the end of the input."""
Tell = Callable[[str], None]
UNKNOWN = ("", "?", "don't know", "dont know", "do not know", "unknown")


def talk(interview: Interview, hear: Hear, tell: Tell, output: Path, width: int = 100) -> None:
    """Ask until all is decided, stopped, or nothing more can be asked; the record is saved after every answer."""
    tell(_opening(interview, width))
    while True:
        advice = interview.next()
        if advice is None:
            tell(_closing(interview, "Everything is decided." if not interview.state.undecided else "Nothing more can be asked."))
            return
        tell(_question(interview, advice, width))
        if not _reply(interview, advice.question, hear, tell, output):
            tell(_closing(interview, "Stopped."))
            return


def _reply(interview: Interview, question: Question, hear: Hear, tell: Tell, output: Path) -> bool:
    """Take lines until one is an answer; tell whether to go on."""
    while True:
        line = hear("> ")
        word = "stop" if line is None else " ".join(line.split()).casefold()
        if word in ("stop", "quit", "exit"):
            return False
        if word == "back":
            if interview.back():
                save(interview.written, output, interview.source)
                tell("  The last answer is taken back.\n")
                return True
            tell("  There is no answer to take back.\n")
            continue
        if word in UNKNOWN:
            interview.do_not_know(question)
            return True
        try:
            moves = interview.answer(question, line or "")
        except Refused as refused:
            tell(f"  Not taken: {_plain(str(refused))}\n")
            continue
        save(interview.written, output, interview.source)
        tell(_moved(moves))
        return True


def _opening(interview: Interview, width: int) -> str:
    page = Page(width)
    page.line(f"{interview.screening.record.id}, {interview.day}: {_counts(interview)}")
    page.item("", "Answer, or type: ? (don't know), back, stop. A date may stand behind an answer: yes on 2026-05-02.")
    return page.text()


def _counts(interview: Interview) -> str:
    statuses = [verdict.status for verdict in interview.screening.verdicts.values()]
    counts = {status: statuses.count(status) for status in ("eligible", "undecided", "ineligible")}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def _question(interview: Interview, advice: Advice, width: int) -> str:
    question = advice.question
    page = Page(width)
    page.line()
    page.item(f"{interview.asked + 1}. ", f"{short(question.label)}?")
    why = f"asked by {', '.join(advice.clauses[:4])}{', ...' if len(advice.clauses) > 4 else ''}"
    decides = f"; can decide {', '.join(advice.decides)}" if advice.decides else ""
    page.item("   ", f"({how(interview.state, advice)}; {why}{decides})")
    page.item("   ", expected(interview, question))
    return page.text()


def expected(interview: Interview, question: Question) -> str:
    """Return in words what an answer looks like."""
    if question.kind == "sex":
        return "female or male"
    if question.kind == "birth":
        return "a date: 1989-04-12, 1989-04 or 1989"
    if question.kind != "value":
        return "yes or no"
    scale = interview.screener.kb.vocabulary.quantities[question.concept].scale
    if scale.grades:
        return f"one of {', '.join(scale.grades)}"
    tests = (interview.screener.kb.tests[name] for name in question.tests)
    limits = any(threshold.limit for test in tests for threshold in test.comparison.thresholds)
    behind = "; the laboratory's limits behind it: (135-250)" if limits else ""
    return f"a number{behind}" if scale.unitless else f"a number with its unit ({scale.unit}){behind}"


def _moved(moves: Iterable[Move]) -> str:
    lines = [f"  {move.code}: {move.before} -> {move.after}\n" for move in moves]
    return "".join(lines)


def _closing(interview: Interview, words: str) -> str:
    lines = ["", words]
    for verdict in interview.screening.verdicts.values():
        lines.append(f"  {verdict.cohort.code:<5}{verdict.cohort.label:<60}  {verdict.status.upper()}")
    lines += ["Decision support for professionals; not a medical device. Check every answer against its source."]
    return "\n".join(_plain(line) for line in lines) + "\n"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
