"""Text dressed: coloured on a terminal alone, never where NO_COLOR says so; Markdown that renders as the page reads."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from pyscreen import explain, render, styling
from tests.hostile import hostile
from tests.partial import partial_records, screener

DAY = date(2026, 11, 22)
CASE = Path(__file__).parent.parent / "kb" / "trials" / "cd19_autoimmune" / "cases" / "marrow_missing.yaml"
COMMAND = ["-c", "from pyscreen.cli import main; main()", "screen", str(CASE), "--on", "2026-11-22", "--cohort", "1.2"]
ESCAPE = re.compile(r"\x1b\[[\d;]*m")


def on_a_terminal(**environment: str) -> str:
    """Run the command on a pseudo-terminal and return what it printed."""
    main, far = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")} | {
        "TERM": "xterm-256color"
    }
    with subprocess.Popen([sys.executable, *COMMAND], stdout=far, stderr=far, env=variables | environment) as running:
        os.close(far)
        said = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            said += part
        assert running.wait(60) == 0
    os.close(main)
    return said.decode().replace("\r\n", "\n")


def test_a_terminal_is_written_to_in_colour_and_says_the_same() -> None:
    coloured = on_a_terminal(COLUMNS="90")
    assert "\x1b[1;38;5;136mUNDECIDED\x1b[0m" in coloured
    assert "\x1b[1;38;5;136m?\x1b[0m 1.2.marrow" in coloured
    plain = on_a_terminal(COLUMNS="90", NO_COLOR="1")
    assert "\x1b" not in plain
    assert ESCAPE.sub("", coloured) == plain
    assert on_a_terminal(COLUMNS="90", TERM="dumb") == plain


def test_what_is_piped_is_plain() -> None:
    done = subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True, timeout=60, check=True)
    assert "\x1b" not in done.stdout
    assert "UNDECIDED" in done.stdout


@pytest.mark.parametrize("width", ["50", "72", "120"])
def test_lines_are_as_wide_as_the_terminal(width: str) -> None:
    lines = on_a_terminal(COLUMNS=width, NO_COLOR="1").splitlines()
    assert max(map(len, lines)) <= int(width)


def rendered(text: str) -> str:
    """Return what a reader sees of Markdown: the text of each line and item."""
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    assert "<script" not in html
    assert not re.search(r"<(img|a|svg|table|code|del)\b", html)
    lines = (
        re.sub(r"<[^>]*>", "", html)
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", '"')
        .replace("&amp;", "&")
    )
    return " ".join(lines.split())


@pytest.mark.parametrize("attacked", [False, True])
def test_markdown_renders_as_the_page_reads(attacked: bool) -> None:
    for record in partial_records(6, seed=9):
        screening = screener().screen(hostile(record) if attacked else record, DAY)
        pages = [render.screening_text(screening, width=styling.UNWRAPPED)]
        pages += [
            render.explanation_text(screening, explain.graph(screening, cohort), width=styling.UNWRAPPED)
            for cohort in list(screening.verdicts)[:3]
        ]
        for page in pages:
            marks = re.sub(r"^ *- ", "", page, flags=re.MULTILINE)
            assert rendered(styling.markdown(page)) == " ".join(marks.split())


def test_an_outline_is_a_list_within_a_list() -> None:
    page = "title\n\nRequirements: 1 against\n  x tma [1.3]\n      LDH 3 [lab]\n    . more\n\n+ helps   x blocks   ? open   . does not matter\n"
    assert styling.markdown(page) == (
        "## title\n\n### Requirements: 1 against\n\n- **x** tma \\[1.3\\]\n  - LDH 3 \\[lab\\]\n  - **.** more\n\n"
        "\\+ helps x blocks ? open . does not matter\n\n"
    )
