"""A second opinion: tests of the trial in plain SQL, written without pyscreen, get the same three-valued answers on invented patients."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pyscreen.answers import answer
from pyscreen.knowledge import KnowledgeBase
from pyscreen.population.exports import write_parts
from pyscreen.population.invented import generate
from pyscreen.population.profile import Profile
from pyscreen.population.tables import read_tables
from pyscreen.truth import Truth, both, either, negate

SCRIPT = (Path(__file__).parent.parent / "benchmarks" / "criteria.sql").read_text(encoding="utf-8")
VIEWS = dict(re.findall(r"^-- criterion: (.*)\n(?:--.*\n)*CREATE OR REPLACE VIEW (\w+)", SCRIPT, re.MULTILINE))
DAY = date(2026, 11, 22)

HOSTILE = Profile(
    near=0.6,
    partial=0.15,
    undated=0.08,
    measured_partial=0.1,
    measured_undated=0.05,
    comparator=0.2,
    unreadable=0.05,
    like_worked=0.3,
    complete=dict.fromkeys(("measurements", "findings", "procedures", "therapies"), 0.5),
)

Answers = dict[str, dict[str, Truth]]
"""Patient to answer, by test; who has no row is not told of."""


def asked_in_sql(folder: Path) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    for path in folder.glob("*.parquet"):
        database.execute(f"CREATE VIEW {path.stem} AS FROM read_parquet('{path}')")
    database.execute(f"SET VARIABLE day = DATE '{DAY}'")
    database.execute(SCRIPT)
    return database


@pytest.fixture(
    scope="module",
    params=[(21, None), (22, HOSTILE)],
    ids=["usual", "hostile"],
)
def answered(kb: KnowledgeBase, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Answers, Answers, duckdb.DuckDBPyConnection]:
    """The answers in SQL and those of pyscreen, of a usual population and of one where nearly everything is at a bound or in doubt."""
    seed, profile = request.param
    folder = tmp_path_factory.mktemp("truth") / "tables"
    write_parts(generate(kb, 1200, seed=seed, day=DAY, profile=profile), folder)
    database = asked_in_sql(folder)
    in_sql = {test: dict(database.execute(f"SELECT patient, answer FROM {view}").fetchall()) for test, view in VIEWS.items()}
    here: Answers = {test: {} for test in VIEWS}
    for chunk in read_tables(folder):
        for place, patient in enumerate(chunk.ids):
            found = answer(chunk.record(place, kb), [kb.tests[test] for test in VIEWS], kb.vocabulary, DAY)
            for test in VIEWS:
                here[test][patient] = found[test].truth
    return in_sql, here, database


def test_there_are_enough_of_them(kb: KnowledgeBase) -> None:
    assert len(VIEWS) >= 15
    assert set(VIEWS) <= set(kb.tests)


@pytest.mark.parametrize("test", VIEWS)
def test_sql_and_pyscreen_agree(answered: tuple[Answers, Answers, duckdb.DuckDBPyConnection], test: str) -> None:
    in_sql, here, _ = answered
    told = in_sql[test] if test == "considerable_glucocorticoid_dose" else {patient: in_sql[test].get(patient) for patient in here[test]}
    assert len(told) > 1000
    assert {patient: truth for patient, truth in here[test].items() if patient in told} == told


def test_every_answer_occurs(answered: tuple[Answers, Answers, duckdb.DuckDBPyConnection]) -> None:
    _, here, _ = answered
    seen = {test: Counter(found.values()) for test, found in here.items()}
    assert [test for test, found in seen.items() if not (found[True] and found[False])] == []
    assert [test for test, found in seen.items() if not found[None] and "age" not in test] == []


def test_unknown_is_unknown_under_not_and_or(answered: tuple[Answers, Answers, duckdb.DuckDBPyConnection]) -> None:
    _, here, database = answered
    rows = database.execute(
        "SELECT patient, adult.answer AND NOT infected.answer AND NOT (transplanted.answer AND woman.answer) "
        "AND (platelets_below_100.answer OR ldh_above_limit.answer OR light.answer) "
        "FROM adult JOIN infected USING (patient) JOIN transplanted USING (patient) JOIN woman USING (patient) "
        "LEFT JOIN platelets_below_100 USING (patient) LEFT JOIN ldh_above_limit USING (patient) LEFT JOIN light USING (patient)"
    ).fetchall()
    names = {view: test for test, view in VIEWS.items()}

    def of(view: str, patient: str) -> Truth:
        return here[names[view]][patient]

    def composed(patient: str) -> Truth:
        low = either([of("platelets_below_100", patient), of("ldh_above_limit", patient), of("light", patient)])
        kept_out = [of("infected", patient), both([of("transplanted", patient), of("woman", patient)])]
        return both([of("adult", patient), *map(negate, kept_out), low])

    assert dict(rows) == {patient: composed(patient) for patient in here["sex(female)"]}
    assert {True, False, None} == {truth for _, truth in rows}
