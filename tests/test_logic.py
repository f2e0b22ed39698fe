"""Strong Kleene logic in clingo: every kind of criterion over every combination of yes, no and unknown, against a plain reference."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from pyscreen.engine import Program
from pyscreen.kleene import MET, UNKNOWN, UNMET, status
from pyscreen.knowledge import Criterion, Member, default_root

HERE = Path(__file__).parent
TABLES = HERE / "data" / "conformance"
STATUSES = (MET, UNMET, UNKNOWN)
WRITTEN = {"T": MET, "F": UNMET, "U": UNKNOWN}
EVERY = list(itertools.product(STATUSES, repeat=3))


@cache
def program(name: str) -> Program:
    engine = default_root() / "engine"
    return Program([engine / "main.lp", engine / "open.lp", HERE / "engine" / f"{name}.lp"])


def decide(name: str, given: Mapping[str, str], choose: str = "") -> dict[str, set[str]]:
    """Return for every criterion the statuses that clingo derives."""
    loaded = program(name)
    yes, no, options = loaded.literals("yes"), loaded.literals("no"), loaded.literals("choose", 2)
    assumed = [lit if given.get(test) == MET else -lit for test, lit in yes.items()]
    assumed += [lit if given.get(test) == UNMET else -lit for test, lit in no.items()]
    assumed += [lit if option == choose else -lit for option, lit in options.items()]
    shown = {status: loaded.literals(status) for status in (*STATUSES, "conflict")}
    outcome = loaded.solve(assumed, shown)
    assert outcome is not None
    found: dict[str, set[str]] = {}
    for kind, names in outcome.holds.items():
        for criterion in names:
            found.setdefault(criterion, set()).add(kind)
    return found


def over(a: str, b: str, c: str) -> dict[str, str]:
    return {"finding(a)": a, "finding(b)": b, "finding(c)": c}


def least(*values: str) -> str:
    return UNMET if UNMET in values else UNKNOWN if UNKNOWN in values else MET


def most(*values: str) -> str:
    return opposite(least(*map(opposite, values)))


def opposite(value: str) -> str:
    return {MET: UNMET, UNMET: MET, UNKNOWN: UNKNOWN}[value]


def completions(values: tuple[str, ...]) -> list[tuple[bool, ...]]:
    ways = [(True, False) if value == UNKNOWN else (value == MET,) for value in values]
    return list(itertools.product(*ways))


def agreed(outcomes: list[bool]) -> str:
    """The status that holds in every completion, else unknown."""
    return UNKNOWN if len(set(outcomes)) > 1 else MET if outcomes[0] else UNMET


@pytest.mark.parametrize("values", EVERY, ids="-".join)
def test_every_kind_of_criterion(values: tuple[str, str, str]) -> None:
    a, b, _ = values
    whole = completions(values)
    known = {a, b} - {UNKNOWN}
    expected = {
        "all_three": least(*values),
        "any_three": most(*values),
        "none_three": opposite(most(*values)),
        "two_of_three": agreed([sum(way) >= 2 for way in whole]),
        "known": known.pop() if len(known) == 1 else UNKNOWN,
        "read": a,
        "points(score,3)": agreed([max(2 * x, 3 * y) + 2 * z >= 3 for x, y, z in whole]),
        "points(score,5)": agreed([max(2 * x, 3 * y) + 2 * z >= 5 for x, y, z in whole]),
        "points(balance,2)": agreed([3 * x - y - 2 * z >= 2 for x, y, z in whole]),
    }
    found = decide("groups", over(*values))
    assert {name: found[name] & set(STATUSES) for name in expected} == {name: {s} for name, s in expected.items()}
    assert ("conflict" in found["known"]) is ({a, b} == {MET, UNMET})


@pytest.mark.parametrize("values", EVERY, ids="-".join)
def test_every_criterion_has_exactly_one_status(values: tuple[str, str, str]) -> None:
    for option in ('"R",first', '"R",second', ""):
        found = decide("groups", over(*values), option)
        assert all(len(statuses & set(STATUSES)) == 1 for statuses in found.values()), found
        assert found["read"] & set(STATUSES) == {values[1] if "second" in option else values[0]}


def test_an_answer_both_ways_answers_nothing() -> None:
    loaded = program("groups")
    both = [loaded.literals("yes")["finding(a)"], loaded.literals("no")["finding(a)"]]
    outcome = loaded.solve(both, {"unknown": loaded.literals("unknown"), "conflict": loaded.literals("conflict")})
    assert outcome is not None
    assert "finding(a)" in outcome.holds["unknown"]
    assert "finding(a)" in outcome.holds["conflict"]


@pytest.mark.parametrize(
    ("male", "pregnant", "expected"),
    [
        (MET, MET, {UNKNOWN, "conflict"}),
        (MET, UNMET, {MET}),
        (MET, UNKNOWN, {MET}),
        (UNMET, MET, {UNMET}),
        (UNKNOWN, MET, {UNKNOWN}),
    ],
)
def test_a_statement_in_doubt_is_unknown(male: str, pregnant: str, expected: set[str]) -> None:
    assert decide("doubt", {"sex(male)": male, "finding(pregnant)": pregnant})["sex(male)"] == expected


def rows(name: str) -> list[dict[str, str]]:
    with (TABLES / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


OPERATORS = {"and": "both", "or": "either", "not": "not_a", "implies": "a_implies_b", "xor": "a_xor_b"}


@pytest.mark.parametrize("row", rows("logic-3vl.tsv"), ids=lambda row: row["id"])
def test_the_public_three_valued_tables(row: dict[str, str]) -> None:
    given = over(WRITTEN[row["a"]], WRITTEN.get(row["b"], UNKNOWN), UNKNOWN)
    found = decide("groups", given)[OPERATORS[row["op"]]]
    assert found & set(STATUSES) == {WRITTEN[row["expected"]]}


NARY = {"AllTrue": "all_of", "AnyTrue": "any_of"}


@pytest.mark.parametrize(
    "row", [row for row in rows("logic-nary.tsv") if row["op"] in NARY], ids=lambda row: f"{row['op']} {row['args']}"
)
def test_the_public_tables_of_many_members(row: dict[str, str]) -> None:
    """In strong Kleene logic; where CQL skips nulls we do not. Its IsNull, IsTrue and IsFalse are not in our language."""
    members = tuple(Member(str(i)) for i, _ in enumerate(row["args"].split()))
    statuses = {str(i): WRITTEN[value] for i, value in enumerate(row["args"].split())}
    criterion = Criterion("x", NARY[row["op"]], "x", members)
    assert status(criterion, statuses, {}) == WRITTEN[row["strong Kleene"]]
