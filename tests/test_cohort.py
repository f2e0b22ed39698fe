"""A population is screened with the engine's verdicts, whole, resumed after a stop, and with its mistakes told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from pyscreen.cli import main
from pyscreen.errors import RequestError
from pyscreen.knowledge import KnowledgeBase, load
from pyscreen.population import cohort, report, results
from pyscreen.population.alternatives import Alternatives
from pyscreen.population.cohort import Disagreement, Run, Summary, beside, kept_statuses
from pyscreen.population.planes import Graph, packed, unpacked, verdicts
from pyscreen.population.tables import frames_of, read_tables, write_tables
from pyscreen.screening import Screener
from tests.partial import partial_records
from tests.populations import DAY, forms
from tests.small_trial import screened, some_truths

CODES = {True: 1, False: -1, None: 0}


# ---- planes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [0, 1, 63, 64, 65, 1000])
def test_a_plane_holds_flags(many: int) -> None:
    flags = np.random.default_rng(many).random(many) < 0.5
    assert (unpacked(packed(flags), many) == flags).all()
    assert int(np.bitwise_count(packed(flags)).sum()) == flags.sum()


def test_every_criterion_has_the_status_that_the_engine_gives(kb: KnowledgeBase, screener: Screener) -> None:
    screenings = [screener.screen(record, DAY, dependences=False) for record in partial_records(80, seed=11)]
    truths = {test: np.array([CODES[one.answers[test].truth] for one in screenings], np.int8) for test in kb.tests}
    statuses = Graph(kb).evaluate(truths, len(screenings))
    for place, screening in enumerate(screenings):
        assert {name: statuses.of(name, place) for name in kb.criteria} == screening.statuses
        for name, verdict in screening.verdicts.items():
            assert verdicts(kb, kb.cohorts[name], statuses).status(place) == verdict.status


@pytest.mark.parametrize("trial", ["small", "diabetic_kidney", "cd19_autoimmune"])
def test_random_answers_get_the_statuses_that_the_engine_gives(invented: Any, trial: str) -> None:
    """Under the default readings, and under random ones; a random answer to every test meets conflicts and doubts too."""
    kb = invented("small") if trial == "small" else load(trial)
    screener, choice = Screener(kb), Random(3)
    for _ in range(4):
        readings = {reading.id: choice.choice([*reading.options, reading.default]) for reading in kb.readings.values()}
        answers = [some_truths(kb, choice, share) for share in (0.1, 0.4, 0.9) for _ in range(25)]
        truths = {test: np.array([CODES[one[test]] for one in answers], np.int8) for test in kb.tests}
        statuses = Graph(kb, readings).evaluate(truths, len(answers))
        for place, given in enumerate(answers):
            assert {name: statuses.of(name, place) for name in kb.criteria} == screened(screener, given, readings).statuses


# ---- a run -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty patients, one of whom cannot be read, and rows of one who is not there."""
    folder = tmp_path_factory.mktemp("population") / "source"
    records = [*forms(58, seed=21, wrong=0.0), {"record": "wrong", "findings": [{"finding": "slee"}]}, {"record": "empty"}]
    frames = frames_of(records)
    stray = frames["findings"].head(2).with_columns(patient=pl.lit("nobody"))
    write_tables({**frames, "findings": pl.concat([frames["findings"], stray])}, folder)
    return folder


def finished(run: Run) -> Summary:
    for _ in run.parts():
        pass
    return run.finish()


def files(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = {what: pl.read_parquet(beside(output, what)) for what in ("statuses", "problems")}
    return {**found, "verdicts": pl.read_parquet(output), "summary": json.loads(beside(output, "summary", ".json").read_text())}


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[what].equals(other[what]) for what in ("statuses", "problems", "verdicts")) and one["summary"] == other["summary"]


@pytest.fixture(scope="module")
def whole(source: Path, kb: KnowledgeBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole") / "verdicts.parquet"
    finished(Run(read_tables(source, 16), kb, output, DAY))
    return output


def test_every_patient_and_cohort_has_the_verdict_of_the_engine(source: Path, whole: Path, kb: KnowledgeBase, screener: Screener) -> None:
    rows = {(row["patient"], row["cohort"]): row for row in pl.read_parquet(whole).iter_rows(named=True)}
    tables = read_tables(source)
    (chunk,) = tables
    assert len(rows) == 60 * len(kb.cohorts)
    for place, name in enumerate(chunk.ids):
        if name == "wrong":
            assert {rows[name, each.code]["verdict"] for each in kb.cohorts.values()} == {None}
            continue
        screening = screener.screen(chunk.record(place, kb), DAY, dependences=False)
        assert kept_statuses(whole, name) == screening.statuses
        for verdict in screening.verdicts.values():
            row = rows[name, verdict.cohort.code]
            against = [need.clause for need in (*verdict.failing, *verdict.excluded_by)]
            unsettled = [need.clause for need in (*verdict.open, *verdict.open_exclusions)]
            assert row["verdict"] == verdict.status
            assert (row["failing"], row["open"]) == (len(verdict.failing), len(verdict.open))
            assert (row["excluded_by"], row["open_exclusions"]) == (len(verdict.excluded_by), len(verdict.open_exclusions))
            assert row["blocker"] == (against[0] if len(against) == 1 else None)
            assert row["missing"] == (unsettled if verdict.status == "undecided" else [])


def test_the_summary_counts_what_the_table_says(whole: Path, kb: KnowledgeBase) -> None:
    found = files(whole)
    assert found["summary"]["patients"] == 60
    assert found["summary"]["set_aside"] == 1
    for part in found["summary"]["cohorts"]:
        rows = found["verdicts"].filter(pl.col("cohort") == part["code"])
        for verdict in ("eligible", "undecided", "ineligible"):
            assert part[verdict] == (rows["verdict"] == verdict).sum()
        alone = rows.filter(pl.col("failing") + pl.col("excluded_by") == 1)["blocker"].value_counts().rows()
        counted: dict[str, int] = {}
        for step in part["steps"]:
            counted[step["clause"]] = counted.get(step["clause"], 0) + step["alone"]
        assert {clause: number for clause, number in counted.items() if number} == dict(alone)
        assert part["steps"][-1]["left"] == part["eligible"] + part["undecided"]
        assert part["steps"][-1]["certain"] == part["eligible"]
        assert sum(step["decides"] for step in part["steps"]) == alone_and_settled(rows)


def alone_and_settled(rows: pl.DataFrame) -> int:
    settled = (pl.col("open") == 0) & (pl.col("open_exclusions") == 0)
    return len(rows.filter((pl.col("failing") + pl.col("excluded_by") == 1) & settled))


def test_who_is_set_aside_is_told_with_table_row_and_field(source: Path, whole: Path) -> None:
    rows = pl.read_parquet(beside(whole, "problems")).rows()
    (mistake,) = [row for row in rows if row[0] == "wrong"]
    findings = pl.read_parquet(source / "findings.parquet")["patient"].to_list()
    assert mistake[1:4] == (str(source / "findings.parquet"), findings.index("wrong") + 1, "finding")
    assert "slee" in mistake[4]
    assert [row[4] for row in rows if row[0] == "nobody"] == ["2 rows are of a patient who is not in the table of patients"]


def test_a_value_that_cannot_be_is_told_and_sets_nobody_aside(kb: KnowledgeBase, tmp_path: Path) -> None:
    rows = [{"quantity": "platelets", "value": value, "unit": "10*9/L", "date": "2026-11-17", "low": "-1"} for value in ("-22", "22")]
    write_tables(frames_of([{"record": "anna", "measurements": rows}, {"record": "berta"}]), tmp_path / "source")
    output = tmp_path / "verdicts.parquet"
    done = CliRunner().invoke(main, ["cohort", str(tmp_path / "source"), "-o", str(output), "--on", DAY.isoformat(), "--verify", "2"])
    assert done.exit_code == 0
    file = tmp_path / "source" / "measurements.parquet"
    expected = "impossible; expected 0 10*9/L or more; it counts as one that cannot be read"
    assert pl.read_parquet(beside(output, "problems")).rows() == [
        ("anna", str(file), 1, "value", f"platelets: '-22 10*9/L' is {expected}"),
        ("anna", str(file), 2, "low", f"platelets: '-1' is {expected}"),
    ]
    assert f"pyscreen: unreadable: anna: {file}:1 value: platelets: '-22 10*9/L' is {expected}" in done.stderr
    assert "set aside" not in done.stderr
    assert pl.read_parquet(output)["verdict"].null_count() == 0


def test_a_run_that_was_stopped_goes_on_where_it_was(
    source: Path, whole: Path, kb: KnowledgeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "verdicts.parquet"
    stopped = Run(read_tables(source, 16), kb, output, DAY).parts()
    next(stopped), next(stopped)
    stopped.close()
    (stopped_at,) = tmp_path.iterdir()
    (stopped_at / "000002.verdicts.parquet.unfinished").write_bytes(b"half a part")
    done: list[int] = []
    plainly = Run.screen
    monkeypatch.setattr(Run, "screen", lambda run, chunk: (done.append(chunk.number), plainly(run, chunk))[1])
    finished(Run(read_tables(source, 16), kb, output, DAY))
    assert done == [2, 3]
    assert same(files(output), files(whole))
    assert not stopped_at.exists()


def test_a_run_that_was_killed_goes_on_where_it_was(source: Path, whole: Path, kb: KnowledgeBase, tmp_path: Path) -> None:
    output = tmp_path / "verdicts.parquet"
    code = (
        "import sys; from datetime import date; from pathlib import Path; from pyscreen import load; "
        "from pyscreen.population.cohort import Run; from pyscreen.population.tables import read_tables; "
        "run = Run(read_tables(sys.argv[1], 16), load('cd19_autoimmune'), Path(sys.argv[2]), date(2026, 11, 22)); "
        "[print(part.number, flush=True) for part in run.parts()]"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(source), str(output)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        process.send_signal(signal.SIGKILL)
    assert not output.exists()
    finished(Run(read_tables(source, 16), kb, output, DAY))
    assert same(files(output), files(whole))


def test_processes_that_share_the_work_find_the_same(source: Path, whole: Path, kb: KnowledgeBase, tmp_path: Path) -> None:
    output = tmp_path / "verdicts.parquet"
    run = Run(read_tables(source, 16), kb, output, DAY, verify=4)
    assert [part.number for part in run.parts(workers=2)] == [0, 1, 2, 3]
    verified = run.finish().verified
    assert verified in (3, 4)  # who was set aside may be among those chosen
    found, expected = files(output), files(whole)
    expected["summary"]["verified"] = verified
    assert same(found, expected)


def test_another_run_does_not_take_up_a_stopped_one(source: Path, kb: KnowledgeBase, tmp_path: Path) -> None:
    output = tmp_path / "verdicts.parquet"
    next(Run(read_tables(source, 16), kb, output, DAY).parts())
    for other in (
        Run(read_tables(source, 16), kb, output, DAY.replace(day=23)),
        Run(read_tables(source, 16), kb, output, DAY, {"G17": "below_30"}),
        Run(read_tables(source, 16), kb, output, DAY, robust=True),
        Run(read_tables(source, 16), kb, output, DAY, dependences=True),
        Run(read_tables(source, 16), kb, output, DAY, cohorts=["1.2"]),
        Run(read_tables(source, 32), kb, output, DAY),
        Run(read_tables({"patients": pl.DataFrame({"patient": ["a"]})}), kb, output, DAY),
    ):
        with pytest.raises(RequestError, match="holds an unfinished run with another"):
            finished(other)


def test_patients_are_screened_by_the_engine_too(source: Path, kb: KnowledgeBase, tmp_path: Path) -> None:
    assert finished(Run(read_tables(source, 16), kb, tmp_path / "all.parquet", DAY, verify=100)).verified == 59
    assert finished(Run(read_tables(source, 16), kb, tmp_path / "few.parquet", DAY, verify=7)).verified in (6, 7)


def test_a_verdict_that_the_engine_does_not_give_stops_the_run(source: Path, kb: KnowledgeBase, tmp_path: Path) -> None:
    run = Run(read_tables(source), kb, tmp_path / "verdicts.parquet", DAY, verify=100)
    wrong = {name: replace(one, kind={"all_of": "any_of"}.get(one.kind, one.kind)) for name, one in kb.criteria.items()}
    run.graph = Graph(replace(kb, criteria=wrong))
    with pytest.raises(Disagreement, match="the engine says otherwise"):
        finished(run)
    assert not (tmp_path / "verdicts.parquet").exists()


def test_readings_are_read_as_a_site_chooses(source: Path, kb: KnowledgeBase, tmp_path: Path) -> None:
    finished(Run(read_tables(source), kb, tmp_path / "v.parquet", DAY, {"G17": "below_30"}, ["1.2"], verify=60))
    assert pl.read_parquet(tmp_path / "v.parquet")["cohort"].unique().to_list() == ["1.2"]


def test_verdicts_tell_what_holds_under_every_option_and_what_hangs_on_one(
    source: Path, whole: Path, kb: KnowledgeBase, screener: Screener, tmp_path: Path
) -> None:
    """Of every patient as of a single record; `verify` compares them with the engine as well."""
    output = tmp_path / "v.parquet"
    run = Run(read_tables(source, 16), kb, output, DAY, verify=100, robust=True, dependences=True)
    assert len(list(run.parts(workers=2))) == 4
    summary = run.finish()
    rows = {(row["patient"], row["cohort"]): row for row in pl.read_parquet(output).iter_rows(named=True)}
    (chunk,) = read_tables(source)
    for place, name in enumerate(chunk.ids):
        if name == "wrong":
            assert {rows[name, each.code]["depends_on"] for each in kb.cohorts.values()} == {None}
            continue
        for verdict in screener.screen(chunk.record(place, kb), DAY, robust=True).verdicts.values():
            row = rows[name, verdict.cohort.code]
            assert row["verdict"] == verdict.status
            told = {(one["reading"], one["option"], one["verdict"]) for one in row["depends_on"]}
            assert told == {(one.reading, one.option, one.verdict) for one in verdict.depends_on}
    plainly = pl.read_parquet(whole)
    assert pl.read_parquet(output).select("patient", "cohort", "failing", "blocker").equals(plainly.select("patient", "cohort", "failing", "blocker"))
    for funnel in summary.funnels:
        own = [row["verdict"] for (_, cohort), row in rows.items() if cohort == funnel.code]
        counts = (funnel.eligible, funnel.ineligible, funnel.undecided)
        assert counts == tuple(own.count(status) for status in ("eligible", "ineligible", "undecided"))
    assert files(output)["summary"]["robust"] is True


def test_a_dependence_that_the_engine_does_not_find_stops_the_run(
    source: Path, kb: KnowledgeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Alternatives, "dependences", lambda *_: iter(()))
    run = Run(read_tables(source), kb, tmp_path / "v.parquet", DAY, verify=100, dependences=True)
    with pytest.raises(Disagreement, match=r"the engine says otherwise of what .* depends on"):
        finished(run)


def test_a_patient_who_stands_there_twice_is_set_aside(kb: KnowledgeBase, tmp_path: Path) -> None:
    tables = read_tables({"patients": pl.DataFrame({"patient": ["a", "b", "a", None], "sex": ["male", "female", "female", "male"]})})
    summary = finished(Run(tables, kb, tmp_path / "v.parquet", DAY))
    assert (summary.patients, summary.aside) == (2, 1)
    rows = {row[0]: row[-1] for row in pl.read_parquet(tmp_path / "v.problems.parquet").rows()}
    assert "more than once" in rows["a"]


def test_verdicts_are_written_some_at_a_time(
    source: Path, whole: Path, kb: KnowledgeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cohort, "_AT_ONCE", 5)
    finished(Run(read_tables(source, 16), kb, tmp_path / "v.parquet", DAY))
    assert same(files(tmp_path / "v.parquet"), files(whole))


def test_of_the_problems_of_a_part_the_first_are_told_and_all_written(kb: KnowledgeBase, tmp_path: Path) -> None:
    names = [f"p{number:02}" for number in range(30)]
    frames = {"patients": pl.DataFrame({"patient": names}), "findings": pl.DataFrame({"patient": names, "finding": ["slee"] * 30})}
    run = Run(read_tables(frames), kb, tmp_path / "v.parquet", DAY)
    (part,) = run.parts()
    assert (part.aside, part.wrong, len(part.problems)) == (30, 30, cohort.TOLD)
    run.finish()
    rows = pl.read_parquet(tmp_path / "v.problems.parquet")
    assert rows["patient"].to_list() == names
    assert rows["row"].to_list() == list(range(1, 31))


# ---- the command -----------------------------------------------------------------------------------------------------


def pyscreen(*line: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(part) for part in line])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_command_writes_and_tells(source: Path, whole: Path, kb: KnowledgeBase, tmp_path: Path) -> None:
    output = tmp_path / "v.parquet"
    code, said, errors = pyscreen("cohort", source, "-o", output, "--on", DAY, "--verify", 5)
    assert code == 0
    assert files(output)["verdicts"].drop("part", "place").equals(files(whole)["verdicts"].drop("part", "place"))
    assert said.startswith(f"60 patients, screened on {DAY} for {kb.title}\n1 of them set aside")
    assert "screened by the engine too" in said
    assert "did you mean" in errors
    assert "who is not in the table of patients" in errors


def test_the_command_tells_what_each_criterion_costs(source: Path, tmp_path: Path) -> None:
    code, said, _ = pyscreen("cohort", source, "-o", tmp_path / "v.parquet", "--on", DAY, "--cohort", "1.2")
    assert code == 0
    assert "1.2.platelets" in said
    code, text, _ = pyscreen("cohort", source, "-o", tmp_path / "v.parquet", "--on", DAY, "--cohort", "1.2", "--format", "json")
    (one,) = json.loads(text)["cohorts"]
    (step,) = (step for step in one["steps"] if step["clause"] == "1.2.platelets")
    line = next(line for line in said.splitlines() if "1.2.platelets" in line)
    assert line.split()[-4:] == [str(step[name]) for name in ("failing", "alone", "open", "left")]


def test_the_command_keeps_what_holds_under_every_option(source: Path, tmp_path: Path) -> None:
    counts = {}
    for readings in ((), ("--readings", "robust", "--dependences")):
        line = ("cohort", source, "-o", tmp_path / "v.parquet", "--on", DAY, *readings, "--format")
        code, said, _ = pyscreen(*line, "json")
        assert code == 0
        counts[readings] = [(one["eligible"] + one["ineligible"], one["undecided"]) for one in json.loads(said)["cohorts"]]
    assert all(robust[0] <= plain[0] for plain, robust in zip(*counts.values(), strict=True))
    assert sum(decided for decided, _ in counts[()]) > sum(decided for decided, _ in counts[readings])
    assert pl.read_parquet(tmp_path / "v.parquet")["depends_on"].list.len().sum() > 0
    assert "decided is only what holds under every option" in pyscreen(*line, "text")[1]


def test_a_database_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.duckdb").write_text("junk")
    code, _, errors = pyscreen("cohort", tmp_path / "none.duckdb", "-o", tmp_path / "v.parquet")
    assert (code, "none.duckdb: cannot be read" in errors) == (4, True)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (("nowhere", "-o", "{}/v.parquet"), 4, "cannot be read"),
        (("{source}", "-o", "{}/v.parquet", "--cohort", "9.9"), 2, "no cohort '9.9'"),
        (("{source}", "-o", "{}/v.parquet", "--readings", "{}/nothing"), 2, "cannot be read"),
        (("{source}", "-o", "/proc/none/v.parquet"), 2, "cannot be written"),
    ],
)
def test_a_wrong_request_leaves_nothing_behind(source: Path, tmp_path: Path, line: tuple[str, ...], code: int, words: str) -> None:
    found = pyscreen("cohort", *(part.replace("{source}", str(source)).replace("{}", str(tmp_path)) for part in line))
    assert found[0] == code
    assert words in found[2]
    assert list(tmp_path.iterdir()) == []


def test_one_patient_of_the_tables_is_screened_like_a_record(source: Path, whole: Path) -> None:
    name = pl.read_parquet(whole)["patient"][0]
    code, said, _ = pyscreen("screen", source, "--patient", name, "--on", DAY, "--format", "json")
    assert code == 0
    rows = pl.read_parquet(whole).filter(pl.col("patient") == name)
    verdicts_of = {one["code"]: one["verdict"] for one in json.loads(said)["verdicts"]}
    assert verdicts_of == dict(zip(rows["cohort"], rows["verdict"], strict=True))
    assert pyscreen("screen", source, "--on", DAY)[0] == 2
    assert pyscreen("screen", source, "--patient", "nobody at all", "--on", DAY)[0] == 4
    code, _, errors = pyscreen("screen", source, "--patient", "wrong", "--on", DAY)
    assert (code, "findings.parquet" in errors, "slee" in errors) == (4, True, True)


def test_of_many_problems_the_first_are_shown() -> None:
    assert list(report.problems([str(i) for i in range(25)], 30))[-2:] == ["19", "and 10 more"]


def test_the_table_has_the_columns_that_are_documented(whole: Path) -> None:
    text = (Path(__file__).parent.parent / "docs" / "population.md").read_text(encoding="utf-8")
    assert pl.read_parquet(whole).columns == list(results.columns(False))
    for name in results.columns(True):
        assert f"| {name} |" in text
    assert set(results.PROBLEMS) == {"patient", "table", "row", "field", "message"}
