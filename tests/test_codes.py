"""The vocabulary's codes are well formed, and say what a second list of them says: a typing error in a code is noticed."""

from __future__ import annotations

import re

import pytest

from tests.codes import (
    CODES,
    FILES,
    PATTERNS,
    VOCABULARY,
    classes,
    facts_of,
    is_well_formed,
    listed,
    loinc_is_valid,
    snomed_is_valid,
)
from tests.tables import knowledge

DECLARED = {
    "measurement": ("quantity", 3),
    "therapy": ("drug", 2),
    "finding": ("finding", 2),
    "procedure": ("procedure", 2),
    "event": ("event", 2),
}


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
    assert is_well_formed(system, code)


def test_the_second_list_says_the_same() -> None:
    """A code that was changed in one of the two places is noticed here; that both are wrong alike is not."""
    assert {(system, code): f"{kind}({concept})" for system, code, kind, concept in CODES} == listed()


def test_the_second_list_of_classes_says_the_same() -> None:
    vocabulary = knowledge().vocabulary
    wider = {name for concept in vocabulary.parents for name in vocabulary.ancestors(concept) - {concept}}
    assert {name: vocabulary.members(name) for name in wider} == classes()


def test_no_code_stands_for_two_things() -> None:
    plain = [(system, code.replace(".", "")) for system, code, *_ in CODES]
    assert len(plain) == len(set(plain))


@pytest.mark.parametrize("kind", DECLARED)
def test_codes_stand_for_what_is_declared(kind: str) -> None:
    declared = {row[0] for row in facts_of("main.lp", *DECLARED[kind])}
    assert {concept for _, _, of, concept in CODES if of == kind} <= declared


def test_codes_stand_for_items() -> None:
    assert {kind for _, _, kind, _ in CODES} <= set(DECLARED)


def test_methods_belong_to_codes_and_are_declared() -> None:
    declared = {row[0] for row in facts_of("main.lp", "method", 2)}
    known = {(system, code) for system, code, *_ in CODES}
    for system, code, method in (row for file in FILES for row in facts_of(file, "code_method", 3)):
        assert (system, code) in known
        assert method in declared


def test_every_code_says_where_it_is_from() -> None:
    lines = [line for file in FILES for line in (VOCABULARY / file).read_text().splitlines()]
    unsourced = [
        line for line in lines if line.startswith("code(") and not re.search(r"\)\. +% (seen: \S|memory)", line)
    ]
    assert not unsourced
