"""Invented populations: the same seed gives the same patients, every one can be read, and every kind of test is met and unmet by some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from pyscreen import Screener, load
from pyscreen.answers import answer
from pyscreen.cli import main
from pyscreen.errors import KnowledgeBaseError
from pyscreen.knowledge import KnowledgeBase
from pyscreen.population.bounds import bounds
from pyscreen.population.exports import write_parts
from pyscreen.population.invented import CHUNK, generate
from pyscreen.population.profile import Profile, profile_of, read_profile
from pyscreen.population.tables import Tables, read_tables
from pyscreen.written import value_of

DAY = date(2026, 11, 22)
TRIALS = ("cd19_autoimmune", "diabetic_kidney")


@pytest.fixture(scope="module", params=TRIALS)
def trial(request: pytest.FixtureRequest) -> KnowledgeBase:
    return load(request.param)


@pytest.fixture(scope="module")
def tables(trial: KnowledgeBase, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("invented") / trial.main.parent.name
    assert write_parts(generate(trial, 240, seed=5, day=DAY), folder) == 240
    return read_tables(folder)


def drawn(kb: KnowledgeBase, patients: int, seed: int, profile: Profile | None = None) -> dict[str, pl.DataFrame]:
    (frames,) = generate(kb, patients, seed=seed, day=DAY, profile=profile)
    return frames


# ---- one seed, one population ----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_patients_and_another_seed_others(trial: KnowledgeBase) -> None:
    first, again, other = drawn(trial, 60, 1), drawn(trial, 60, 1), drawn(trial, 60, 2)
    assert all(first[table].equals(again[table]) for table in first)
    assert not first["measurements"].equals(other["measurements"])


def test_a_part_may_begin_with_somebody_whose_sex_is_not_recorded(kb: KnowledgeBase) -> None:
    often = replace(profile_of(kb), unsexed=0.5, like_worked=0.0)
    parts = [drawn(kb, 6, seed, often)["patients"]["sex"].to_list() for seed in range(8)]
    assert [sexes for sexes in parts if sexes[0] is None and any(sexes)]


def test_a_larger_population_comes_in_parts_of_whole_patients(kb: KnowledgeBase) -> None:
    first, second = generate(kb, CHUNK + 3, seed=1, day=DAY)
    names = [*first["patients"]["patient"], *second["patients"]["patient"]]
    assert names == sorted(set(names))
    assert len(second["patients"]) == 3
    assert set(second["measurements"]["patient"]) <= set(second["patients"]["patient"])


def test_tables_are_sorted_by_patient(tables: Tables) -> None:
    for frame in tables.lazy.values():
        assert frame.select(pl.col("patient").is_sorted()).collect().item()


# ---- every patient can be read ---------------------------------------------------------------------------------------


def test_every_patient_can_be_read_and_most_tests_are_both_met_and_unmet_by_some(tables: Tables, trial: KnowledgeBase) -> None:
    seen: Counter[tuple[str, bool | None]] = Counter()
    for chunk in tables:
        for place in range(len(chunk.ids)):
            answers = answer(chunk.record(place, trial), trial.tests.values(), trial.vocabulary, DAY)
            seen.update((test, found.truth) for test, found in answers.by_test.items())
    both = [test for test in trial.tests if seen[test, True] and seen[test, False]]
    assert len(both) > len(trial.tests) / 2
    assert sum(number for (_, truth), number in seen.items() if truth is None) > 0


def test_some_patients_are_eligible_and_many_are_open(tables: Tables, trial: KnowledgeBase) -> None:
    screener = Screener(trial)
    seen: Counter[str] = Counter()
    for chunk in tables:
        for place in range(len(chunk.ids)):
            screening = screener.screen(chunk.record(place, trial), DAY, dependences=False)
            seen.update(verdict.status for verdict in screening.verdicts.values())
    assert seen["eligible"]
    assert seen["ineligible"]
    assert seen["undecided"]


def test_no_value_is_one_that_cannot_be(trial: KnowledgeBase) -> None:
    """Though bounds of tests and chance lie beyond: what would is drawn to the edge."""
    values = drawn(trial, 6000, 5)["measurements"].with_columns(pl.col("text").fill_null(pl.col("value").cast(pl.String)))
    assert values["text"].is_in(["0.0", "<=0", "1:1"]).any()
    for quantity, value, unit in values.select("quantity", "text", "unit").unique().rows():
        value_of(value, unit, trial.vocabulary.quantities[quantity])


# ---- what is in it ---------------------------------------------------------------------------------------------------


def test_values_lie_at_below_and_above_every_bound(kb: KnowledgeBase) -> None:
    frames = drawn(kb, 4000, 3)
    turns = bounds(kb.tests.values(), kb.vocabulary, DAY).values["platelets"]
    assert len(turns) >= 4
    unit = kb.vocabulary.quantities["platelets"].scale.unit
    seen = set(frames["measurements"].filter((pl.col("quantity") == "platelets") & (pl.col("unit") == unit))["value"].drop_nulls())
    for bound in turns:
        step = 10 if bound >= 100 else 1
        assert {bound - step, bound, bound + step} <= seen


def test_it_holds_bounds_other_units_partial_dates_ties_and_what_cannot_be_read(kb: KnowledgeBase) -> None:
    values = drawn(kb, 6000, 4)["measurements"]
    assert values["text"].str.starts_with("<").sum()
    assert (values["text"] == "unknown").sum()
    assert (values["date"].str.len_chars() == 7).sum()
    assert values["date"].null_count()
    assert values.filter(pl.col("quantity") == "platelets")["unit"].n_unique() > 5
    same_day = values.drop_nulls("date").group_by("patient", "quantity", "date").len()
    assert (same_day["len"] > 1).any()


def test_birthdays_fall_on_the_screening_day_the_day_before_and_the_day_after(kb: KnowledgeBase) -> None:
    births = set(drawn(kb, 3000, 4)["patients"]["birth_date"])
    assert {"2008-11-21", "2008-11-22", "2008-11-23"} <= births


# ---- profiles --------------------------------------------------------------------------------------------------------


def test_a_trial_without_a_profile_gets_the_standard_one() -> None:
    assert profile_of(load("diabetic_kidney")) == Profile()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("measurement: {platelts: {share: 0.1}}", "did you mean 'platelets'"),
        ("measurement: {platelets: {sare: 0.1}}", "sare"),
        ("femal: 0.5", "femal"),
        ("female: much", "female"),
        ("[1]", "object"),
        ("female: 2", "<= 1"),
    ],
)
def test_a_profile_that_cannot_be_meant_is_refused(kb: KnowledgeBase, tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "population.yaml"
    path.write_text(text)
    with pytest.raises(KnowledgeBaseError) as raised:
        read_profile(path, kb.vocabulary)
    (problem,) = raised.value.problems
    assert expected in str(problem)


# ---- the command -----------------------------------------------------------------------------------------------------


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["generate", *words])
    return done.exit_code, done.output


def test_the_command_writes_a_folder_once(tmp_path: Path) -> None:
    words = ("-o", str(tmp_path / "deep" / "some"), "--patients", "12", "--on", "2026-11-22")
    assert run(*words)[0] == 0
    assert read_tables(tmp_path / "deep" / "some").patients == 12
    code, output = run(*words)
    assert code == 2
    assert "exists already" in output
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["some"]


def test_what_fails_leaves_nothing_behind(kb: KnowledgeBase, tmp_path: Path) -> None:
    def parts() -> Iterator[dict[str, pl.DataFrame]]:
        yield drawn(kb, 5, 1)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_parts(parts(), tmp_path / "some")
    assert list(tmp_path.iterdir()) == []
