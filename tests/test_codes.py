"""The vocabulary's codes are well formed: a typing error in a code fails its check digit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyscreen.engine import Program

VOCABULARY = Path(__file__).parent.parent / "kb" / "vocabulary"
PATTERNS = {
    "loinc": r"[0-9]{1,6}-[0-9]\*?",
    "snomed": r"[0-9]{6,18}\*?",
    "rxnorm": r"[0-9]{2,7}",
    "atc": r"[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}",
    "icd10": r"[A-Z](?:[0-9]{2}(?:\.[0-9A-Z]{1,4})?)?\*?",
}
DECLARED = {
    "measurement": ("quantity", 3),
    "therapy": ("drug", 2),
    "finding": ("finding", 2),
    "procedure": ("procedure", 2),
}


def _item(text: str) -> tuple[str, str]:
    kind, concept = text.rstrip(")").split("(")
    return kind, concept


def _facts(file: str, name: str, arity: int) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in Program([VOCABULARY / file]).facts(name, arity)]


FILES = [path.name for path in sorted(VOCABULARY.glob("codes*.lp"))]
CODES = [(system, code, *_item(item)) for file in FILES for system, code, item in _facts(file, "code", 3)]
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


@pytest.mark.parametrize(("code", "valid"), [("777-3", True), ("98979-8", True), ("777-2", False), ("7773-3", False)])
def test_the_check_digit_of_loinc(code: str, valid: bool) -> None:
    assert loinc_is_valid(code) is valid


@pytest.mark.parametrize(
    ("code", "valid"), [("55464009", True), ("10828004", True), ("55464008", False), ("55646009", False)]
)
def test_the_check_digit_of_snomed(code: str, valid: bool) -> None:
    assert snomed_is_valid(code) is valid


def test_there_are_codes_of_every_system() -> None:
    assert {system for system, *_ in CODES} == set(PATTERNS)


@pytest.mark.parametrize(("system", "code"), [(system, code) for system, code, *_ in CODES])
def test_codes_are_well_formed(system: str, code: str) -> None:
    assert re.fullmatch(PATTERNS[system], code)
    plain = code.rstrip("*")
    assert system != "loinc" or loinc_is_valid(plain)
    assert system != "snomed" or snomed_is_valid(plain)


def test_no_code_stands_for_two_things() -> None:
    plain = [(system, code.replace(".", "")) for system, code, *_ in CODES]
    assert len(plain) == len(set(plain))


@pytest.mark.parametrize("kind", DECLARED)
def test_codes_stand_for_what_is_declared(kind: str) -> None:
    declared = {row[0] for row in _facts("main.lp", *DECLARED[kind])}
    assert {concept for _, _, of, concept in CODES if of == kind} <= declared


def test_codes_stand_for_items() -> None:
    assert {kind for _, _, kind, _ in CODES} <= set(DECLARED)


def test_methods_belong_to_codes_and_are_declared() -> None:
    declared = {row[0] for row in _facts("main.lp", "method", 2)}
    known = {(system, code) for system, code, *_ in CODES}
    for system, code, method in (row for file in FILES for row in _facts(file, "code_method", 3)):
        assert (system, code) in known
        assert method in declared


def test_every_code_says_where_it_is_from() -> None:
    lines = [line for file in FILES for line in (VOCABULARY / file).read_text().splitlines()]
    unsourced = [
        line for line in lines if line.startswith("code(") and not re.search(r"\)\. +% (seen: \S|memory)", line)
    ]
    assert not unsourced
