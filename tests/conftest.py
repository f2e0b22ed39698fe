"""What the tests share: the trials loaded once, a small invented knowledge base, and how far hypothesis looks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from pyscreen import Screener, load
from pyscreen.knowledge import KnowledgeBase, default_root
from pyscreen.whatif import Planner

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
