"""Pages of plain text dressed: in colour for a terminal, as Markdown for a note.

The marks and verdicts stand in the text itself; colour adds nothing that is not said in words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TextIO

from .explain import BLOCKS, HELPS, LEGEND, MARKS, OPEN
from .screening import ELIGIBLE, INELIGIBLE, UNDECIDED

UNWRAPPED = 1_000_000
"""The width of a page that is to become Markdown: a line is an item then."""
_EFFECTS = {mark: effect for effect, mark in MARKS.items()}
_COLOURS = {HELPS: "38;5;32", BLOCKS: "38;5;166", OPEN: "38;5;136"}
_VERDICTS = {ELIGIBLE.upper(): HELPS, INELIGIBLE.upper(): BLOCKS, UNDECIDED.upper(): OPEN}
_MARKED = re.compile(r"( *)([-+x?.!]) (.*)")
_VERDICT = re.compile(rf"\b({'|'.join(_VERDICTS)})\b")


def wants_colour(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that may be written to in colour (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(text: str) -> str:
    """Return a page with its marks, verdicts and headings in colour."""
    lines = text.split("\n")
    return "\n".join(_in_colour(line, heading) for line, heading in zip(lines, _headings(lines), strict=True))


def _in_colour(line: str, heading: bool) -> str:
    if (found := _MARKED.fullmatch(line)) and line != LEGEND:
        indent, mark, rest = found.groups()
        effect = _EFFECTS.get(mark, "")
        return f"{indent}{_painted(mark, effect)} {_verdicts_painted(rest)}"
    return f"\x1b[1m{line}\x1b[0m" if heading and not _VERDICT.search(line) else _verdicts_painted(line)


def _verdicts_painted(text: str) -> str:
    return _VERDICT.sub(lambda found: _painted(found[0], _VERDICTS[found[0]]), text)


def _painted(text: str, effect: str) -> str:
    return f"\x1b[1;{_COLOURS[effect]}m{text}\x1b[0m" if effect in _COLOURS else text


def _headings(lines: list[str]) -> list[bool]:
    """Tell which lines are headings: the first, and those after an empty line and before what stands under them."""
    return [i == 0 or (not before and _is_text(line) and _is_item(after))
            for i, (before, line, after) in enumerate(zip(["", *lines], lines, [*lines[1:], ""], strict=False))]  # fmt: skip


def _is_item(line: str) -> bool:
    return line.startswith(" ") or (line != LEGEND and _MARKED.fullmatch(line) is not None)


def _is_text(line: str) -> bool:
    return bool(line) and not _is_item(line)


def markdown(text: str) -> str:
    """Return a page (written `UNWRAPPED`) as Markdown: headings, and lists within lists; every text escaped."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_markdown_lines(text.rstrip("\n").split("\n")))) + "\n"


def _markdown_lines(lines: list[str]) -> Iterator[str]:
    depths: list[int] = []
    for i, (line, heading) in enumerate(zip(lines, _headings(lines), strict=True)):
        found = _MARKED.fullmatch(line)
        indent = len(line) - len(line.lstrip())
        if not _is_item(line):
            depths = []
            yield f"{'##' if i == 0 else '###'} {_escaped(line)}\n" if heading else f"{_escaped(line)}\n"
            continue
        while depths and depths[-1] >= indent:
            depths.pop()
        depths.append(indent)
        bullet = "  " * (len(depths) - 1) + "-"
        if found and found[2] != "-":
            yield f"{bullet} **{_escaped(found[2])}** {_escaped(found[3])}"
        else:
            yield f"{bullet} {_escaped(found[3] if found else line)}"


def _escaped(text: str) -> str:
    """Return a text as it stands in a line of Markdown, its verdicts bold."""
    plain = "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~&!$" else c for c in " ".join(text.split()))
    return _VERDICT.sub(r"**\1**", re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", re.sub(r"^([-+])", r"\\\1", plain)))
