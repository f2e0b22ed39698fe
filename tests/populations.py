"""Many records for tests: the worked cases in the written form with parts left out, moved to other days, said twice or wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from pyscreen.knowledge import default_root
from pyscreen.markup import load

DAY = date(2026, 11, 22)
_DATES = ("date", "start", "end", "stated")
_MOVES = (-400, -366, -90, -31, -30, -28, -7, -1, 1, 2, 7, 30)
_NEEDED = ("quantity", "value", "finding", "drug", "event", "procedure", "judgement", "consent")


@cache
def worked_forms() -> tuple[Mapping[str, Any], ...]:
    """Return the worked records of the trial as they are written."""
    found = []
    for path in sorted((default_root() / "trials" / "cd19_autoimmune" / "cases").glob("*.yaml")):
        value = load(path.read_bytes(), str(path)).value
        if isinstance(value, dict) and "birth_date" in value:
            found.append({**value, "record": Path(path).stem})
    return tuple(found)


def forms(number: int, seed: int, wrong: float = 0.01) -> Iterator[dict[str, Any]]:
    """Yield so many written records, no two of one name; about `wrong` of their attributes are left out."""
    choice = Random(seed)
    for i in range(number):
        yield _varied(choice.choice(worked_forms()), i, choice, wrong)


def _varied(form: Mapping[str, Any], number: int, choice: Random, wrong: float) -> dict[str, Any]:
    keep = choice.uniform(0.3, 1) if choice.random() < 0.75 else 1.0
    found = {**form, "record": f"{form['record']}-{number:04}"}
    for section, items in form.items():
        if not isinstance(items, list):
            continue
        found[section] = [_less(item, choice, wrong) for item in items if choice.random() < keep]
        if found[section] and isinstance(found[section][0], dict) and choice.random() < 0.3:
            again = dict(choice.choice(found[section]))
            if "date" in again:
                again["date"] = _moved(again["date"], choice)
            if section == "findings" and choice.random() < 0.3:
                again["present"] = False
            found[section].append(again)
    for name in ("birth_date", "sex", "recorded"):
        if choice.random() < 0.1:
            found.pop(name, None)
    return found


def _less(item: Any, choice: Random, wrong: float) -> Any:
    if not isinstance(item, dict):
        return item
    kept = {name: value for name, value in item.items() if name in _NEEDED or choice.random() >= wrong}
    if "quantity" in item and choice.random() < wrong:
        kept["value"] = f"-{item['value']}"
    return {name: _moved(value, choice) if name in _DATES else value for name, value in kept.items()}


def _moved(day: Any, choice: Random) -> Any:
    """Move a day, or leave out of it what is not known."""
    if not isinstance(day, str) or len(day) != 10 or choice.random() > 0.3:
        return day
    chance = choice.random()
    if chance < 0.15:
        return day[:7] if chance < 0.1 else day[:4]
    return str(date.fromisoformat(day) + timedelta(days=choice.choice(_MOVES)))
