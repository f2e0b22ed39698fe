"""Every bound of the knowledge base has cases below, at, above and missing: the tables of tests/kb hold.

That a status is right is asserted row by row; that nothing was forgotten, by mutants (tests/mutants.py): each bound of each test is
moved, each condition dropped, each group and default changed, and some asserted case must notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from pyscreen.quantities import Interval
from pyscreen.screening import MET, UNKNOWN, UNMET, Screener, Verdict
from tests import mutants
from tests.tables import TABLES, Row, knowledge, outcome, rows

STATUSES = (MET, UNMET, UNKNOWN)


class Quick(Screener):
    """Screens without asking what other options of the readings would change."""

    def _with_dependences(self, verdicts: Mapping[str, Verdict], *_: Any) -> dict[str, Verdict]:
        return dict(verdicts)


@cache
def screener() -> Screener:
    return Quick(knowledge())


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.file}: {row.name}")
def test_the_rows_hold(row: Row) -> None:
    assert row.points, "the row says nothing"
    wrong = []
    for point in row.points:
        unknown = [name for name in point.expect if name not in knowledge().criteria]
        assert not unknown, f"no such criterion is asked: {unknown}"
        assert set(point.expect.values()) <= set(STATUSES), point.expect
        statuses = outcome(point).statuses
        wrong += [
            f"{name} is {statuses[name]}, not {status} ({point.what})"
            for name, status in point.expect.items()
            if statuses[name] != status
        ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", sorted({row.file for row in rows()}))
def test_the_engine_gives_the_same_statuses(file: str) -> None:
    """The statuses above are derived without clingo, for speed; here one point of each row is screened in full."""
    for row in rows():
        if row.file == file:
            point = row.points[0]
            statuses = screener().screen(point.record, point.day, point.readings).statuses
            assert {name: statuses[name] for name in point.expect} == {
                name: outcome(point).statuses[name] for name in point.expect
            }, f"{row.name} ({point.what})"


def test_every_table_is_of_a_file_of_the_knowledge_base() -> None:
    root = knowledge().root
    known = {path.stem for folder in ("criteria", "trials/cd19_autoimmune") for path in (root / folder).glob("*.lp")}
    assert {path.stem for path in TABLES.glob("*.yaml")} <= known


NOT_SEEN: Mapping[str, str] = {}
"""Tests with a bound that are not seen met, unmet and unknown on a deciding path, and why."""


def test_every_bound_is_seen_met_unmet_and_unknown() -> None:
    missing = []
    for test in mutants.bounded():
        seen = {one.truths[test.id] for one in mutants.decided_by().get(test.id, ())}
        lacking = [word for word, truth in (("yes", True), ("no", False), ("unknown", None)) if truth not in seen]
        if lacking and test.id not in NOT_SEEN:
            missing.append(f"{test.id}: never {', '.join(lacking)}")
    assert not missing, f"{len(missing)} bounds\n" + "\n".join(missing)


def test_each_score_spans_what_is_published() -> None:
    scores = [criterion for criterion in knowledge().criteria.values() if criterion.kind == "points"]
    assert {score.id: mutants.span(score) for score in scores} == mutants.SPANS


@cache
def survivors() -> dict[str, list[str]]:
    """Return the changes that nothing notices, by kind."""
    found: dict[str, list[str]] = {}
    for mutant in mutants.mutants():
        if not mutant.noticed:
            found.setdefault(mutant.kind, []).append(mutant.name)
    return found


@pytest.mark.parametrize("kind", mutants.KINDS)
def test_a_change_is_noticed(kind: str) -> None:
    alive = [name for name in survivors().get(kind, []) if name not in mutants.SURVIVORS]
    assert not alive, f"{len(alive)} changes\n" + "\n".join(alive)


def test_what_is_named_as_a_survivor_survives() -> None:
    alive = {name for names in survivors().values() for name in names}
    assert sorted(set(mutants.SURVIVORS) - alive) == []


def test_every_option_of_a_reading_is_read_by_a_case() -> None:
    unread = []
    for criterion in knowledge().below(mutants.covered()):
        if criterion.kind == "by_reading":
            for member in criterion.members:
                reading, option = member.detail
                if not any(one.readings[reading] == option for one in mutants.decided_by().get(criterion.id, ())):
                    unread.append(f"{criterion.id}: {reading} {option}")
    assert not unread, f"{len(unread)} options\n" + "\n".join(unread)


POSSIBLE = {
    "schistocyte_fraction": ("0", "100"),
    "hba1c": ("43/20", "100"),
    "body_temperature": ("10", "50"),
    "sledai_2k": ("0", "105"),
    "lvef": ("0", "100"),
    "nyha_class": ("1", "4"),
    "pawp": ("-20", None),
    "rap": ("-20", None),
    "who_functional_class": ("1", "4"),
    "intracranial_pressure": ("-20", None),
    "lower_limb_strength": ("0", "5"),
    "ecog": ("0", "5"),
    "van_bijsterveld_score": ("0", "9"),
    "ocular_staining_score": ("0", "12"),
    "pga_of_three": ("0", "3"),
    "pga_of_ten": ("0", "10"),
    "mrss": ("0", "51"),
    "hrct_ild_extent": ("0", "100"),
    "mmt8": ("0", "150"),
}
"""What a quantity can be, where that is not 0 or more: lowest and highest, in its canonical unit."""


def test_what_a_quantity_can_be_is_what_stands_here() -> None:
    found = {name: quantity.possible for name, quantity in knowledge().vocabulary.quantities.items()}
    said = {name: Interval(Fraction(low), Fraction(high) if high else None) for name, (low, high) in POSSIBLE.items()}
    assert {name: one for name, one in found.items() if one != Interval(Fraction(0), None)} == said
