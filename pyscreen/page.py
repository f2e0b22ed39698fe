"""A page of plain text: lines wrapped to a width, continued under their text."""

from __future__ import annotations

import textwrap


class Page:
    """Lines wrapped to a width. Control characters of a record never reach a terminal."""

    def __init__(self, width: int) -> None:
        self.width = max(width, 40)
        self.lines: list[str] = []

    def line(self, text: str = "") -> None:
        """Write a line; one that is too long goes on a little further in."""
        said = _plain(text).rstrip()
        if len(said) <= self.width:
            self.lines.append(said)
        else:
            indent = len(said) - len(said.lstrip())
            self.item(said[:indent], said[indent:], extra=2)

    def item(self, lead: str, text: str, extra: int = 0, hang: int | None = None) -> None:
        """Write a text behind its lead, wrapped under itself (`extra` further in, or under a fixed `hang`)."""
        under = " " * (len(lead) + extra if hang is None else hang)
        wrapped = textwrap.wrap(
            _plain(text), self.width, initial_indent=lead, subsequent_indent=under, break_on_hyphens=False
        )
        self.lines += wrapped or [lead.rstrip()]

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def counted(number: int, thing: str) -> str:
    """Return how many there are of a thing, in words.

    >>> counted(1, "patient"), counted(1200, "patient")
    ('1 patient', '1,200 patients')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
