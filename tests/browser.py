"""Pages in a real browser: Debian's Chromium, headless and without a network, driven by Playwright and judged by axe-core.

The fixture `browser` (tests/conftest.py) opens them. A page that it opened must stay silent: no message of error or warning on its
console (a breach of its Content-Security-Policy is one), nothing asked of a network.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright import sync_api
from playwright.sync_api import ConsoleMessage, Page, Request

NEEDED = "PYSCREEN_BROWSER"
"""Set (to anything), a missing browser is a failure and no reason to skip."""


class Browser:
    """Opens pages from files, and remembers what they complain about."""

    def __init__(self, chromium: sync_api.Browser, folder: Path) -> None:
        self._chromium = chromium
        self._folder = folder
        self.complaints: list[str] = []

    def open(self, page: Path | str, dark: bool = False, width: int = 1280, height: int = 900, **more: Any) -> Page:
        """Open a file, or a text as a file, in a window of its own; `more` goes to Playwright's `new_context`.

        Motion is reduced: a page that still scrolls smoothly is at another place by the time the mouse goes down.
        """
        if isinstance(page, str):
            path = self._folder / f"page-{len(list(self._folder.iterdir()))}.html"
            path.write_text(page, encoding="utf-8")
        else:
            path = page
        size: sync_api.ViewportSize = {"width": width, "height": height}
        scheme: Literal["dark", "light"] = "dark" if dark else "light"
        more = {"color_scheme": scheme, "viewport": size, "offline": True, "reduced_motion": "reduce"} | more
        context = self._chromium.new_context(**more)
        opened = context.new_page()
        opened.on("console", self._console)
        opened.on("pageerror", lambda error: self.complaints.append(str(error)))
        opened.on("request", self._request)
        opened.goto(path.resolve().as_uri())
        return opened

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"asks the network for {request.url}")


def violations(page: Page) -> list[str]:
    """Return what axe-core finds inaccessible on a page as it is now shown: rule, where, and what to do."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['target']} - {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]  # fmt: skip


def chromium() -> str:
    """Return the path of the browser; skips the test where there is none, unless one is required."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        said = "no Chromium on the PATH (Debian: apt-get install chromium)"
        if os.environ.get(NEEDED):
            pytest.fail(said)
        pytest.skip(said)
    return path


@contextmanager
def started() -> Iterator[sync_api.Browser]:
    """Run the browser for as long as it is needed."""
    path = chromium()
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path)
        try:
            yield running
        finally:
            running.close()
