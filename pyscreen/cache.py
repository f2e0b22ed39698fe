"""A loaded knowledge base kept on disk, so that the next process need not type and check it again.

The key is the content of every logic program and of the package itself: whatever changes, the old entry is of no use and is written
over. `PYSCREEN_CACHE` names another folder; set to nothing it turns the cache off. A cache that cannot be used is no error.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

_Kept = TypeVar("_Kept")


def folder() -> Path | None:
    """Return where entries are kept, or None where nothing is to be kept."""
    chosen = os.environ.get("PYSCREEN_CACHE")
    if chosen is not None:
        return Path(chosen) if chosen else None
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "pyscreen"
    except RuntimeError:
        return None


def key(root: Path) -> str:
    """Return a fingerprint of a knowledge base and of the code that reads it."""
    total = sha256()
    for path in (*sorted(root.rglob("*.lp")), *sorted(Path(__file__).parent.glob("*.py"))):
        total.update(f"{path}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


def kept(name: str, root: Path, make: Callable[[], _Kept]) -> _Kept:
    """Return what was kept under a name for exactly this knowledge base, else make it and keep it."""
    place = folder()
    if place is None:
        return make()
    entry = place / f"{name}-{sha256(str(root.resolve()).encode()).hexdigest()[:16]}.pickle"
    fresh = key(root)
    try:
        with entry.open("rb") as file:
            if pickle.load(file) == fresh:
                found: _Kept = pickle.load(file)
                return found
    except Exception:
        pass
    made = make()
    _keep(entry, fresh, made)
    return made


def _keep(entry: Path, fresh: str, made: object) -> None:
    """Write an entry whole or not at all."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=entry.parent, delete=False) as file:
            pickle.dump(fresh, file)
            pickle.dump(made, file, protocol=pickle.HIGHEST_PROTOCOL)
        os.replace(file.name, entry)
    except OSError:
        return
