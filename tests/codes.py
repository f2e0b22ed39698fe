"""The vocabulary's codes and classes of drugs, a second list of them, and the check digits that some systems of codes have.

`tests/data/codes.tsv` says again, for each code, what it stands for, with the name that the classification itself gives it (ICD-10,
ATC) or else that of the concept, and where it was seen.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pyscreen.engine import Program

DATA = Path(__file__).parent / "data"
VOCABULARY = Path(__file__).parent.parent / "kb" / "vocabulary"
PATTERNS = {
    "loinc": r"[0-9]{1,6}-[0-9]\*?",
    "snomed": r"[0-9]{6,18}\*?",
    "rxnorm": r"[0-9]{2,7}",
    "atc": r"[A-Z][0-9]{2}[A-Z](?:[A-Z][0-9]{2}|\*)",
    "icd10": r"[A-Z](?:[0-9]{2}(?:\.[0-9A-Z]{1,4})?)?\*?",
}


def item_of(text: str) -> tuple[str, str]:
    kind, concept = text.rstrip(")").split("(")
    return kind, concept


def facts_of(file: str, name: str, arity: int) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in Program([VOCABULARY / file]).facts(name, arity)]


FILES = [path.name for path in sorted(VOCABULARY.glob("*.lp")) if "\ncode(" in path.read_text(encoding="utf-8")]
CODES = [(system, code, *item_of(item)) for file in FILES for system, code, item in facts_of(file, "code", 3)]
DIHEDRAL = [[(a + b) % 5 if a < 5 and b < 5 else 0 for b in range(10)] for a in range(10)]
for _a in range(10):
    for _b in range(10):
        if _a < 5 <= _b:
            DIHEDRAL[_a][_b] = 5 + (_a + _b) % 5
        elif _b < 5 <= _a:
            DIHEDRAL[_a][_b] = 5 + (_a - _b) % 5
        elif _a >= 5 and _b >= 5:
            DIHEDRAL[_a][_b] = (_a - _b) % 5
PERMUTATION = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def loinc_is_valid(code: str) -> bool:
    """Mod 10 (Luhn): from the right, every second digit doubled, and the digits of all products added."""
    body, check = code.split("-")
    products = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body))]
    return -sum(product // 10 + product % 10 for product in products) % 10 == int(check)


def snomed_is_valid(code: str) -> bool:
    """Verhoeff's scheme: permute the digits by their places, and multiply them in the dihedral group of order 10."""
    check = 0
    for place, digit in enumerate(map(int, reversed(code))):
        for _ in range(place % 8):
            digit = PERMUTATION[digit]
        check = DIHEDRAL[check][digit]
    return check == 0


def is_well_formed(system: str, code: str) -> bool:
    plain = code.rstrip("*")
    if not re.fullmatch(PATTERNS[system], code):
        return False
    return (system != "loinc" or loinc_is_valid(plain)) and (system != "snomed" or snomed_is_valid(plain))


@cache
def listed() -> dict[tuple[str, str], str]:
    """Return what each code of the second list stands for: `("loinc", "777-3")` to `measurement(platelets)`."""
    return {(row["system"], row["code"]): f"{row['kind']}({row['concept']})" for row in _rows("codes.tsv")}


@cache
def classes() -> dict[str, frozenset[str]]:
    """Return the members of each class, as `tests/data/classes.tsv` lists them; a class among them stands for its members."""
    direct = {row["class"]: set(row["members"].split()) for row in _rows("classes.tsv")}

    def members(name: str) -> set[str]:
        return {name} if name not in direct else {one for member in direct[name] - {name} for one in members(member)}

    return {name: frozenset(members(name) | ({name} & direct[name])) for name in direct}


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def changes(code: str) -> Iterator[str]:
    """Yield a code with each of its digits and letters changed to the next, one at a time."""
    for place, character in enumerate(code):
        if character.isalnum():
            following = {"9": "0", "Z": "A"}.get(character, chr(ord(character) + 1))
            yield code[:place] + following + code[place + 1 :]
