"""Event tables: what is written is read, in whatever form and order it stands; what is wrong is said with table, row and field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import polars as pl
import pytest

from pyscreen.errors import RecordError
from pyscreen.knowledge import KnowledgeBase
from pyscreen.markup import load as read_markup
from pyscreen.population import tables
from pyscreen.population.tables import COLUMNS, Tables, frames_of, is_source, problems_of, read_tables, write_tables
from pyscreen.written import build

CASES = Path(__file__).parent.parent / "kb" / "trials" / "cd19_autoimmune" / "cases"


@pytest.fixture(scope="module")
def written() -> dict[str, Mapping[str, Any]]:
    """The worked cases in the written form, by name."""
    found = {}
    for path in sorted(CASES.glob("*.yaml")):
        value = read_markup(path.read_bytes(), str(path)).value
        if isinstance(value, dict):
            name = str(value.get("record") or path.stem)
            found[name] = {**value, "record": name}
    assert len(found) > 30
    return found


@pytest.fixture(scope="module")
def frames(written: dict[str, Mapping[str, Any]]) -> dict[str, pl.DataFrame]:
    return frames_of(written.values())


def shuffled(frames: Mapping[str, pl.DataFrame], seed: int) -> dict[str, pl.DataFrame]:
    return {name: frame.sample(fraction=1, shuffle=True, seed=seed) for name, frame in frames.items()}


def same_records(tables: Tables, written: Mapping[str, Mapping[str, Any]], kb: KnowledgeBase) -> None:
    seen = []
    for chunk in tables:
        for place, name in enumerate(chunk.ids):
            record = chunk.record(place, kb)
            other = build(written[name], kb.vocabulary, name=name)
            for part in ("birth", "sex", "died", "recorded", "complete"):
                assert getattr(record, part) == getattr(other, part), (name, part)
            for section in COLUMNS.keys() - {"patients"}:
                assert sorted(map(repr, getattr(record, section))) == sorted(map(repr, getattr(other, section))), (name, section)
            seen.append(name)
    assert sorted(seen) == sorted(written)
    assert len(seen) == tables.patients


@pytest.mark.parametrize("size", [7, 1000])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_folder_of_tables_holds_the_records(
    frames: dict[str, pl.DataFrame], written: dict[str, Mapping[str, Any]], kb: KnowledgeBase, tmp_path: Path, ending: str, size: int
) -> None:
    write_tables(frames, tmp_path / "source", ending)
    assert is_source(tmp_path / "source")
    same_records(read_tables(tmp_path / "source", size, tmp_path / "scratch"), written, kb)


@pytest.mark.parametrize("size", [7, 1000])
def test_tables_need_not_be_in_order(
    frames: dict[str, pl.DataFrame], written: dict[str, Mapping[str, Any]], kb: KnowledgeBase, tmp_path: Path, size: int
) -> None:
    (tmp_path / "source").mkdir()
    for name, frame in shuffled(frames, 3).items():
        frame.write_parquet(tmp_path / "source" / f"{name}.parquet", row_group_size=50)
    same_records(read_tables(tmp_path / "source", size, tmp_path / "scratch"), written, kb)


@pytest.mark.parametrize("at_once", [1, 4, 1000])
@pytest.mark.parametrize("size", [1, 4, 5, 20, 1000])
@pytest.mark.parametrize("in_order", [True, False])
def test_a_part_holds_so_many_patients(monkeypatch: pytest.MonkeyPatch, at_once: int, size: int, in_order: bool) -> None:
    """Whether ids come in order or not, some of them twice and some empty, and however many are looked at together."""
    monkeypatch.setattr(tables, "_AT_ONCE", at_once)
    names = sorted(f"p{number:02}" for number in range(20))
    ids = sorted([*names, "p04", "p05", "p19"]) if in_order else [*reversed(names), None, "p04", "p05", "p19", None]
    found = read_tables({"patients": pl.DataFrame({"patient": ids})}, size)
    assert [chunk.ids for chunk in found] == [names[at : at + size] for at in range(0, 20, size)]
    assert (found.patients, len(found)) == (20, -(-20 // size))


def test_nobody_is_one_part_without_patients() -> None:
    found = read_tables({"patients": pl.DataFrame({"patient": []}, {"patient": pl.String})})
    assert (found.patients, [chunk.ids for chunk in found]) == (0, [[]])


@pytest.mark.parametrize("ids", [pl.Series("patient", range(1, 201)), pl.Series("patient", sorted(map(str, range(1, 201))))])
def test_a_file_of_which_all_would_be_read_for_a_part_is_written_anew(ids: pl.Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole numbers are no texts in order, and a large row group is read whole for some of its rows."""
    monkeypatch.setattr(tables, "_LARGEST_GROUP", 100)
    (tmp_path / "source").mkdir()
    pl.DataFrame({"patient": ids}).write_parquet(tmp_path / "source" / "patients.parquet")
    found = read_tables(tmp_path / "source", 50, tmp_path / "scratch")
    assert [name for chunk in found for name in chunk.ids] == sorted(map(str, range(1, 201)))
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["patients.parquet"]


def test_a_database_holds_the_records(
    frames: dict[str, pl.DataFrame], written: dict[str, Mapping[str, Any]], kb: KnowledgeBase, tmp_path: Path
) -> None:
    write_tables(shuffled(frames, 4), tmp_path / "parts")
    with duckdb.connect(str(tmp_path / "all.duckdb")) as database:
        for name in frames:
            database.execute(f"CREATE TABLE {name} AS FROM '{tmp_path}/parts/{name}.parquet'")
        database.execute("CREATE TABLE something_else (x INTEGER)")
    assert is_source(tmp_path / "all.duckdb")
    same_records(read_tables(tmp_path / "all.duckdb", 7, tmp_path / "scratch"), written, kb)


def test_frames_in_memory_hold_the_records(
    frames: dict[str, pl.DataFrame], written: dict[str, Mapping[str, Any]], kb: KnowledgeBase
) -> None:
    same_records(read_tables(shuffled(frames, 5), 7), written, kb)


def test_numbers_dates_and_lists_may_be_typed_columns(kb: KnowledgeBase) -> None:
    source = {
        "patients": pl.DataFrame({"patient": [2, 1], "birth_date": [None, "1980-05"], "complete": ["therapies;sle", None]}),
        "measurements": pl.DataFrame(
            {
                "patient": [1, 1, 2],
                "quantity": ["platelets", "ana_titre", "platelets"],
                "value": [22.5, float("nan"), 8.25],
                "text": [None, "1:80", "<20"],
                "unit": ["10*9/L", None, "10*9/L"],
                "date": pl.Series(["2026-05-02", "2026-05-03", None]).str.to_date(),
            }
        ),
        "therapies": pl.DataFrame({"patient": [2], "drug": ["prednisone"], "dose": [30.0], "unit": ["mg/d"], "end": ["ongoing"], "for": ["sle;lupus_nephritis"]}),
    }
    (chunk,) = read_tables(source)
    one, two = (chunk.record(place, kb) for place in (0, 1))
    assert [item.text for item in one.measurements] == ["22.5 10*9/L", "1:80"]
    assert str(one.measurements[0].when) == "2026-05-02"
    assert str(one.birth) == "1980-05"
    assert [str(item.value) for item in two.measurements] == ["< 20"]
    assert two.complete == {"therapies", "sle"}
    assert two.therapies[0].reasons == ("sle", "lupus_nephritis")
    assert two.therapies[0].ongoing


def test_everything_wrong_with_the_tables_is_said_at_once() -> None:
    source = {
        "measurments": pl.DataFrame({"patient": ["a"]}),
        "findings": pl.DataFrame({"patient": ["a"], "findng": ["sle"], "date": [{"x": 1}]}),
    }
    with pytest.raises(RecordError) as error:
        read_tables(source)
    text = str(error.value)
    for words in ("no table 'patients'", "did you mean 'measurements'", "did you mean 'finding'", "'finding' is missing", "column 'date' holds"):
        assert words in text


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    assert not is_source(tmp_path)
    for path in (tmp_path, tmp_path / "nothing", tmp_path / "no.duckdb"):
        with pytest.raises(RecordError):
            read_tables(path)
    (tmp_path / "patients.parquet").write_bytes(b"PAR1 this is none")
    with pytest.raises(RecordError, match=r"patients\.parquet: cannot be read"):
        read_tables(tmp_path)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_mistake_is_reported_with_table_row_and_field(kb: KnowledgeBase, tmp_path: Path, ending: str) -> None:
    choice = Random(1)
    rows = [(f"p{choice.randrange(100):02}", "platelets", "22 10*9/L") for _ in range(200)]
    rows[120] = ("p50", "platelts", "22 10*9/L")
    rows[150] = ("p50", "platelets", "22 mg")
    (tmp_path / "source").mkdir()
    measurements = pl.DataFrame(rows, ["patient", "quantity", "value"], orient="row")
    patients = pl.DataFrame({"patient": [f"p{i:02}" for i in range(100)]})
    for name, frame in {"patients": patients, "measurements": measurements}.items():
        getattr(frame, f"write_{ending}")(tmp_path / "source" / f"{name}.{ending}")
    tables = read_tables(tmp_path / "source", 10, tmp_path / "scratch")
    for chunk in tables:
        if "p50" in chunk.ids:
            with pytest.raises(RecordError) as error:
                chunk.record(chunk.ids.index("p50"), kb)
    found = {(problem.line, problem.field): problem for problem in problems_of({"p50": error.value}, tables)["p50"].problems}
    first = 2 if ending == "csv" else 1  # the line of the names is a line of a CSV file
    assert set(found) == {(120 + first, "quantity"), (150 + first, "value")}
    assert all(problem.file == str(tmp_path / "source" / f"measurements.{ending}") for problem in found.values())
    assert "did you mean 'platelets'" in found[120 + first, "quantity"].message
