"""Strong Kleene logic, against the public truth tables and against every way in which the unknown may turn out."""

from __future__ import annotations

import csv
import doctest
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscreen import truth
from pyscreen.truth import Truth, both, either, negate

CONFORMANCE = Path(__file__).parent / "data" / "conformance"
TRUTH: dict[str, Truth] = {"T": True, "F": False, "U": None}
OPERATORS: dict[str, Callable[[list[Truth]], Truth]] = {
    "and": both,
    "or": either,
    "not": lambda args: negate(args[0]),
    "implies": lambda args: either([negate(args[0]), args[1]]),
    "xor": lambda args: both([either(args), negate(both(args))]),
    "AllTrue": both,
    "AnyTrue": either,
}
_NEVER = "no operator turns unknown into a yes or no"
DEVIATIONS = {f"{op} {arg}": _NEVER for op, arg in product(("IsNull", "IsFalse", "IsTrue"), "TFU")}
del DEVIATIONS["IsNull T"], DEVIATIONS["IsNull F"]  # not in the table


def rows(file: str) -> Iterator[tuple[str, str, list[Truth], Truth]]:
    """Yield name, operator, arguments and expected truth of each row."""
    with (CONFORMANCE / file).open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            args = f"{row['a']} {row['b']}" if "a" in row else row["args"]
            name = f"{row['op']} {args}".strip()
            yield (
                name,
                row["op"],
                [TRUTH[arg] for arg in args.split()],
                TRUTH[row.get("strong Kleene") or row["expected"]],
            )


ROWS = [*rows("logic-3vl.tsv"), *rows("logic-nary.tsv")]


@pytest.mark.parametrize(("op", "args", "expected"), [row[1:] for row in ROWS if row[0] not in DEVIATIONS])
def test_the_public_truth_tables_hold(op: str, args: list[Truth], expected: Truth) -> None:
    assert OPERATORS[op](args) is expected


@pytest.mark.parametrize("name", DEVIATIONS)
def test_each_row_left_out_is_in_the_tables_and_has_no_operator(name: str) -> None:
    ops = [op for row, op, *_ in ROWS if row == name]
    assert ops
    assert not set(ops) & set(OPERATORS)


def test_all_rows_are_there() -> None:
    assert len(ROWS) == 39 + 25


@given(st.lists(st.sampled_from([True, False, None]), max_size=6))
def test_an_answer_is_given_exactly_when_every_completion_agrees(truths: list[Truth]) -> None:
    completions = list(product(*([t] if t is not None else [True, False] for t in truths)))
    for helper, exact in ((both, all), (either, any)):
        answers = {exact(completion) for completion in completions}
        assert helper(truths) is (answers.pop() if len(answers) == 1 else None)


def test_a_decided_answer_does_not_ask_further() -> None:
    def asked() -> Iterator[Truth]:
        yield False
        raise AssertionError("asked further")

    assert both(asked()) is False


def test_the_examples_run() -> None:
    result = doctest.testmod(truth)
    assert result.attempted > 0
    assert result.failed == 0
