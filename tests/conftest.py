"""What the tests share: the trials loaded once, a small invented knowledge base, and how far hypothesis looks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from pyscreen import Screener, load
from pyscreen.knowledge import KnowledgeBase, default_root
from pyscreen.whatif import Planner

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

    from tests.browser import Browser

# The same examples in every run; PYSCREEN_EXPLORE=1 looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("PYSCREEN_EXPLORE") else "same")

PROGRAMS = Path(__file__).parent / "engine"


@pytest.fixture(scope="session")
def kb() -> KnowledgeBase:
    return load("cd19_autoimmune")


@pytest.fixture(scope="session")
def screener(kb: KnowledgeBase) -> Screener:
    return Screener(kb)


@pytest.fixture(scope="session")
def planner(screener: Screener) -> Planner:
    return Planner(screener)


@pytest.fixture(scope="session")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], KnowledgeBase]:
    """Load a trial of its own, `tests/engine/NAME.lp`, beside the engine's rules."""
    root = tmp_path_factory.mktemp("kb")
    shutil.copytree(default_root() / "engine", root / "engine")

    def loaded(name: str) -> KnowledgeBase:
        trial = root / "trials" / name
        trial.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROGRAMS / f"{name}.lp", trial / "main.lp")
        return load(name, root)

    return loaded


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """One browser for all tests; it is started for the first that needs it."""
    from tests.browser import started

    with started() as running:
        yield running


@pytest.fixture
def browser(chromium: Chromium, tmp_path: Path) -> Iterator[Browser]:
    """Open pages in a real browser; the test fails if one of them complained (see tests/browser.py)."""
    from tests.browser import Browser

    opened = Browser(chromium, tmp_path)
    yield opened
    for context in chromium.contexts:
        context.close()
    assert opened.complaints == []


@pytest.fixture(scope="session")
def postgres_binaries() -> Path:
    """Where PostgreSQL's own programs are; a test that needs them is left out where they are not installed."""
    found = sorted(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    return found[-1]
