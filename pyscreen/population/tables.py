"""Event tables: the written record of many patients, one table a section, and its reading in chunks of whole patients.

The columns are the fields of the written form (`pyscreen.form`) and `patient`; docs/population.md has them. What is wrong with the
tables themselves (a column that does not exist) is raised at once; what is wrong with a patient is found when that patient is read.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from ..errors import Problem, RecordError, did_you_mean
from ..form import ITEMS, UNKNOWN, WrittenRecord, taken
from ..knowledge import KnowledgeBase
from ..page import counted
from ..quantities import Impossible
from ..record import Note, Record
from ..vocabulary import Vocabulary
from ..written import build, value_of

PATIENT, TEXT = "patient", "text"
ROW = "row number"
"""The column in which a sorted copy keeps where its rows stood."""
CHUNK = 16_384
"""How many patients are read at a time: so many that what a part costs by itself is little, so few that it takes little memory."""
_AT_ONCE = 2**18
"""How many ids are looked at together."""
_LARGEST_GROUP = 2**20
"""How many rows a row group of a Parquet file may have, which must be read to find some of them."""
_LARGEST_EXACT = 2**53
_OF_THE_PATIENT = ("birth_date", "sex", "died", "recorded", "complete")
_FIELDS = {"patients": {name: taken(WrittenRecord)[name] for name in _OF_THE_PATIENT}} | {
    section: taken(form) for section, form in ITEMS.items()
}
COLUMNS: Mapping[str, tuple[str, ...]] = {
    table: (PATIENT, *fields, *([TEXT] if table == "measurements" else [])) for table, fields in _FIELDS.items()
}
"""Each table with its columns."""
CONCEPT: Mapping[str, str] = {section: columns[1] for section, columns in COLUMNS.items() if section in ITEMS}
"""The column of each table that names what the row is about."""


def _taking(kind: type) -> tuple[str, ...]:
    """Return the columns that take such cells."""
    return tuple(dict.fromkeys(name for fields in _FIELDS.values() for name, kinds in fields.items() if kind in kinds))


LISTS, FLAGS, AMOUNTS = _taking(list), _taking(bool), _taking(float)

Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Chunk:
    """All rows of some patients: every table, with every column, sorted by patient. `ids` are the patients, each once.

    `twice` are those that stand in `patients` more than once.
    """

    number: int
    frames: Frames
    twice: frozenset[str] = frozenset()

    @classmethod
    def of(cls, number: int, frames: Frames) -> Chunk:
        """Return a chunk of frames that are sorted by patient, of which columns and whole tables may be missing."""
        filled = {table: _filled(table, frames.get(table)) for table in COLUMNS}
        patients = filled["patients"]
        again = patients.filter(patients[PATIENT].is_duplicated())[PATIENT].drop_nulls()
        filled["patients"] = patients.drop_nulls(PATIENT).unique(PATIENT, keep="first", maintain_order=True)
        return cls(number, filled, frozenset(again))

    @property
    def strays(self) -> list[tuple[str | None, str, str]]:
        """Rows of nobody in the table of patients: the patient they name, the table, and what is wrong."""
        found: list[tuple[str | None, str, str]] = []
        for name, frame in self.frames.items():
            lost = frame.select(PATIENT).join(self.frames["patients"].select(PATIENT), on=PATIENT, how="anti")
            for patient, number in lost.group_by(PATIENT, maintain_order=True).len().rows():
                call, are = ("names", "is") if number == 1 else ("name", "are")
                words = f"{call} no patient" if patient is None else f"{are} of a patient who is not in the table of patients"
                found.append((patient, name, f"{counted(number, 'row')} {words}"))
        return found

    @cached_property
    def ids(self) -> list[str]:
        """The patients in order."""
        return self.frames["patients"][PATIENT].to_list()

    def forms(self, places: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return some patients, by their places in `ids`, in the written form of a record."""
        names = {self.ids[place]: place for place in places}
        found: dict[int, dict[str, Any]] = {place: {"record": name} for name, place in names.items()}
        for table, frame in self.frames.items():
            if not len(frame):
                continue
            rows = frame.filter(pl.col(PATIENT).is_in(list(names)))
            for name, same in rows.rows_by_key(PATIENT, named=True).items():
                items = [_written(row) for row in same]
                found[names[str(name)]].update(items[0] if table == "patients" else {table: items})
        return found

    def written(self, place: int) -> dict[str, Any]:
        """Return one patient, by place in `ids`, in the written form of a record."""
        return self.forms([place])[place]

    def built(self, place: int, form: Mapping[str, Any], kb: KnowledgeBase) -> Record:
        """Return the record that a patient's form says; raises RecordError, which `problems_of` places in the tables."""
        if self.ids[place] in self.twice:
            raise RecordError([Problem("the patient stands in the table of patients more than once", field="patients")])
        form, unread = readable(form, kb.vocabulary)
        notes = [Note("ignored", str(problem)) for problem in unread]
        return build(form, kb.vocabulary, name=self.ids[place], notes=notes, tests=kb.tests)

    def record(self, place: int, kb: KnowledgeBase) -> Record:
        """Return one patient's record; raises RecordError."""
        return self.built(place, self.written(place), kb)


def readable(form: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[Mapping[str, Any], list[Problem]]:
    """Return the written form of a record in which a value that cannot be stands as one that cannot be read, and tell of each.

    So no older value passes for the latest. A limit of normal that cannot be is left out.
    """
    unread: list[Problem] = []
    rows = [_possible(row, index, vocabulary, unread) for index, row in enumerate(form.get("measurements") or ())]
    return ({**form, "measurements": rows}, unread) if unread else (form, unread)


def _possible(row: Mapping[str, Any], index: int, vocabulary: Vocabulary, unread: list[Problem]) -> Mapping[str, Any]:
    quantity = vocabulary.quantities.get(row.get("quantity") or "")
    if quantity is None:
        return row
    found, unit = dict(row), row.get("unit")
    for side in ("value", "low", "high"):
        try:
            if side in row:
                _, unit = value_of(str(row[side]).strip(), row.get("unit") if side == "value" else None, quantity, unit)
        except Impossible as error:
            message = f"{quantity.id}: {error}; it counts as one that cannot be read"
            unread.append(Problem(message, field=f"measurements[{index}].{side}"))
            del found[side]
            if side == "value":
                kept = {name: value for name, value in found.items() if name not in ("unit", "low", "high")}
                return {**kept, "value": UNKNOWN}
        except ValueError:
            return row
    return found


def _written(row: Mapping[str, Any]) -> dict[str, object]:
    """Return one row in the written form: what is null is not written."""
    found = {name: _cell(name, value) for name, value in row.items() if value is not None and name != PATIENT}
    if TEXT in found:
        found["value"] = found.pop(TEXT)
    return found


def _cell(name: str, value: Any) -> object:
    if name in LISTS:
        return value.split(";") if isinstance(value, str) else [word for word in value if word is not None]
    if name in FLAGS and isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    return value if isinstance(value, str | bool | int | float) else value.isoformat()


class Tables:
    """Event tables, gone through in chunks of whole patients in the order of their ids.

    `frames` are read lazily. `bounds` are the last patients of the chunks but the last. `identity` names what was read, so that a
    run can be taken up again only on the same.
    """

    def __init__(self, frames: Mapping[str, pl.LazyFrame], names: Mapping[str, str], identity: str, size: int = CHUNK) -> None:
        self.lazy = {table: _normal(table, frame) for table, frame in frames.items()}
        self.names = names
        self.identity = identity
        self.size = size
        self.patients, self.bounds = 0, list[str]()
        for ids in _distinct(self.lazy["patients"].select(PATIENT)):
            self.bounds += ids.gather_every(size, -(self.patients + 1) % size).to_list()
            self.patients += len(ids)
        if self.patients and self.patients % size == 0:
            self.bounds.pop()

    def __len__(self) -> int:
        return len(self.bounds) + 1

    def __iter__(self) -> Iterator[Chunk]:
        return map(self.chunk, range(len(self)))

    def chunk(self, number: int) -> Chunk:
        """Return the rows of the patients of one chunk."""
        first = self.bounds[number - 1] if number else None
        last = self.bounds[number] if number < len(self.bounds) else None
        return Chunk.of(number, {table: _between(frame, first, last) for table, frame in self.lazy.items()})

    def of(self, patient: str) -> Chunk:
        """Return the rows of one patient as a chunk."""
        found = {table: frame.filter(pl.col(PATIENT) == patient).collect() for table, frame in self.lazy.items()}
        return Chunk.of(0, found)

    def rows(self, table: str, patients: Iterable[str]) -> Mapping[str, list[int]]:
        """Return for each of some patients the numbers of their rows in a table, from 1; of CSV the line, below that of the names."""
        if table not in self.lazy:
            return {}
        frame, first = self.lazy[table], 2 if self.names[table].endswith(".csv") else 1
        if ROW in frame.collect_schema():
            numbered = frame.select(PATIENT, pl.col(ROW).cast(pl.Int64) + first)
        else:
            numbered = frame.select(PATIENT).with_row_index(ROW, first)
        found = numbered.filter(pl.col(PATIENT).is_in(list(patients))).collect()
        return {str(key[0]): sorted(rows[ROW].to_list()) for key, rows in found.group_by(PATIENT, maintain_order=True)}


def _distinct(ids: pl.LazyFrame) -> Iterator[pl.Series]:
    """Yield each id once, in order: some at a time where they come in order, else all together."""
    rows = ids.select(pl.len()).collect().item()
    some = [ids.slice(at, _AT_ONCE) for at in range(0, rows, _AT_ONCE)]
    ends = [end for one in some for end in one.select(first=pl.min(PATIENT), last=pl.max(PATIENT)).collect().row(0)]
    last: str | None = None
    for one in some if None not in ends and ends == sorted(ends) else [ids]:
        found = one.drop_nulls().unique().sort(PATIENT).collect().to_series()
        found = found if last is None else found.filter(found != last)
        last = found[-1] if len(found) else last
        yield found


def _between(frame: pl.LazyFrame, first: str | None, last: str | None) -> pl.DataFrame:
    """Read the rows of the patients after one and up to another, sorted by patient."""
    if first is not None:
        frame = frame.filter(pl.col(PATIENT) > first)
    if last is not None:
        within = pl.col(PATIENT) <= last
        frame = frame.filter(within if first is not None else within | pl.col(PATIENT).is_null())
    found = frame.collect()
    return found if found[PATIENT].is_sorted() else found.sort(PATIENT, maintain_order=True)


def _filled(table: str, frame: pl.DataFrame | None) -> pl.DataFrame:
    """Return a table with every column, those that were not given empty."""
    if frame is None:
        frame = pl.DataFrame(schema={PATIENT: pl.String})
    return frame.select(
        pl.col(name) if name in frame.columns else pl.lit(None, dtype=pl.String).alias(name) for name in COLUMNS[table]
    )


def _normal(table: str, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return a table with few kinds of columns: text, days, numbers, flags and lists of text."""
    schema = {name: dtype for name, dtype in frame.collect_schema().items() if name != PATIENT}
    return frame.select(pl.col(PATIENT).cast(pl.String), *(_typed(name, dtype) for name, dtype in schema.items() if dtype != pl.Null))


def _typed(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if name == ROW:
        return column
    if dtype == pl.Date or dtype == pl.Boolean or (isinstance(dtype, pl.List) and name in LISTS):
        return column
    if isinstance(dtype, pl.Datetime):
        return column.dt.to_string("%Y-%m-%dT%H:%M:%S")
    if name in AMOUNTS and dtype.is_float():
        return column.cast(pl.Float64).fill_nan(None)
    if name in AMOUNTS and dtype.is_integer():
        return column.cast(pl.Int64)
    return column.cast(pl.String)


# ---- opening ---------------------------------------------------------------------------------------------------------

_ENDINGS = (".parquet", ".csv")


def read_tables(source: Path | str | Mapping[str, Any], size: int = CHUNK, scratch: Path | None = None) -> Tables:
    """Open event tables: a folder of Parquet or CSV files, a DuckDB file, or frames (Polars, Arrow) by the name of their table.

    `size` is the number of patients read at a time. Tables that are not sorted by patient are sorted once, into `scratch` (a
    folder that the caller keeps and clears; default: one that lives as long as the process). Raises RecordError with every
    table and column that is wrong.
    """
    if isinstance(source, Mapping):
        frames = {name: _lazy(frame) for name, frame in source.items()}
        _check(frames, {name: name for name in frames})
        return Tables(frames, {name: name for name in frames}, "frames", size)
    path = Path(source)
    files = _files(path)
    folder = scratch or Path(tempfile.mkdtemp(prefix="pyscreen-"))
    if scratch is None:
        import atexit

        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return _opened(path, files, folder, size)


def read_patient(source: Path | str, kb: KnowledgeBase, patient: str) -> Record:
    """Read one patient of event tables; raises RecordError with table, row and field, and for a patient who is not there."""
    tables = read_tables(source)
    chunk = tables.of(patient)
    if patient not in chunk.ids:
        raise RecordError([Problem(f"no patient '{patient}'", str(source))])
    try:
        return chunk.record(0, kb)
    except RecordError as error:
        raise problems_of({patient: error}, tables)[patient] from None


def is_source(path: Path | str) -> bool:
    """Tell whether a path is a folder of event tables, or a DuckDB file."""
    path = Path(path)
    if path.is_dir():
        return any((path / f"patients{ending}").is_file() for ending in _ENDINGS)
    return path.suffix == ".duckdb" and path.is_file()


def _lazy(frame: Any) -> pl.LazyFrame:
    if isinstance(frame, pl.LazyFrame):
        return frame
    return frame.lazy() if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame).lazy()


def _files(path: Path) -> dict[str, Path]:
    if not path.exists():
        raise RecordError([Problem("cannot be read: no such folder or file", str(path))])
    if path.suffix == ".duckdb":
        return {path.stem: path}
    if not path.is_dir():
        raise RecordError([Problem("is neither a folder of tables nor a DuckDB file", str(path))])
    return {file.stem: file for file in sorted(path.iterdir()) if file.suffix in _ENDINGS}


def _opened(path: Path, files: Mapping[str, Path], folder: Path, size: int) -> Tables:
    identity = sha256()
    for name, file in sorted(files.items()):
        stat = file.stat()
        identity.update(f"{name} {file.suffix} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    names = {name: str(file) for name, file in files.items()}
    if path.suffix == ".duckdb":
        frames, names = _of_database(path, folder)
    else:
        frames = {name: _scan(file) for name, file in files.items()}
    _check(frames, names)
    patients = frames["patients"].select(pl.len()).collect().item()
    if patients > size and path.suffix != ".duckdb":
        frames = {name: frame if _sorted(files[name]) else _in_order(name, files[name], folder) for name, frame in frames.items()}
    return Tables(frames, names, identity.hexdigest()[:16], size)


def _scan(file: Path) -> pl.LazyFrame:
    if file.suffix == ".csv":
        return pl.scan_csv(file, infer_schema=False)
    return pl.scan_parquet(file)


def _check(frames: Mapping[str, pl.LazyFrame], names: Mapping[str, str]) -> None:
    """Raise for every table and column that does not exist, and for a table without what it cannot do without."""
    problems = []
    if "patients" not in frames:
        problems.append(Problem("no table 'patients': one row for each patient is needed, if only with its id"))
    for table, frame in frames.items():
        where = names.get(table, table)
        if table not in COLUMNS:
            message = f"no such table '{table}'{did_you_mean(table, COLUMNS)}; expected {', '.join(COLUMNS)}"
            problems.append(Problem(message, where))
            continue
        try:
            columns = frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            problems.append(Problem(f"cannot be read: {str(error).splitlines()[0]}", where))
            continue
        for name, dtype in columns.items():
            if name not in (*COLUMNS[table], ROW):
                problems.append(Problem(f"no such column '{name}'{did_you_mean(name, COLUMNS[table])}", where))
            elif dtype.is_nested() and not (name in LISTS and dtype == pl.List(pl.String)):
                problems.append(Problem(f"column '{name}' holds {dtype}, which cannot be read", where))
        for needed in (PATIENT, *([CONCEPT[table]] if table in CONCEPT else ())):
            if needed not in columns:
                problems.append(Problem(f"the column '{needed}' is missing", where))
    if problems:
        raise RecordError(problems)


# ---- order -----------------------------------------------------------------------------------------------------------


def _sorted(file: Path) -> bool:
    """Tell from a Parquet file's own statistics whether its row groups, none of them large, follow each other by patient."""
    import duckdb

    if file.suffix != ".parquet" or pl.scan_parquet(file).collect_schema()[PATIENT] != pl.String:
        return False
    rows = duckdb.execute(
        "SELECT row_group_num_rows, stats_min_value, stats_max_value FROM parquet_metadata(?) WHERE path_in_schema = ? "
        "ORDER BY row_group_id",
        [str(file), PATIENT],
    ).fetchall()
    ends = [end for _, *both in rows for end in both]
    return None not in ends and ends == sorted(ends) and max((many for many, *_ in rows), default=0) <= _LARGEST_GROUP


def _in_order(name: str, file: Path, folder: Path) -> pl.LazyFrame:
    """Sort a table by patient into the folder, on disk where memory does not do."""
    import duckdb

    target = folder / f"{name}.parquet"
    if file.suffix == ".csv":
        rows = f'SELECT *, row_number() OVER () - 1 AS "{ROW}" FROM read_csv(?, all_varchar = true, header = true)'
    else:
        rows = f'SELECT * RENAME (file_row_number AS "{ROW}") FROM read_parquet(?, file_row_number = true)'
    with duckdb.connect() as database:
        _frugal(database, folder)
        database.execute(_copied(rows, target, f', "{ROW}"'), [str(file)])
    return pl.scan_parquet(target)


def _copied(rows: str, target: Path, then: str = "") -> str:
    """Return the statement that writes rows by patient, who is named by a text."""
    name = f"CAST({PATIENT} AS VARCHAR)"
    return f"COPY (SELECT * REPLACE ({name} AS {PATIENT}) FROM ({rows}) ORDER BY {name}{then}) TO '{_quoted(target)}' (FORMAT parquet)"


def _of_database(path: Path, folder: Path) -> tuple[dict[str, pl.LazyFrame], dict[str, str]]:
    """Take the tables out of a DuckDB file, sorted by patient."""
    import duckdb

    frames, names = {}, {}
    try:
        with duckdb.connect(str(path), read_only=True) as database:
            _frugal(database, folder)
            for (name,) in database.execute("SELECT table_name FROM information_schema.tables").fetchall():
                target = folder / f"{name}.parquet"
                if name in COLUMNS:
                    database.execute(_copied(f'SELECT * FROM "{name}"', target))
                    frames[name], names[name] = pl.scan_parquet(target), f"{path} {name}"
    except duckdb.Error as error:
        raise RecordError([Problem(f"cannot be read: {str(error).splitlines()[0]}", str(path))]) from None
    return frames, names


def _frugal(database: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    database.execute("SET memory_limit = '2GB'")
    database.execute(f"SET temp_directory = '{_quoted(folder)}'")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


# ---- writing ---------------------------------------------------------------------------------------------------------


def frames_of(written: Iterable[Mapping[str, Any]]) -> dict[str, pl.DataFrame]:
    """Return records in the written form, each with its name in `record`, as event tables; all cells are text, flags or lists.

    >>> frames = frames_of([{"record": "anna", "measurements": [{"quantity": "platelets", "value": "22 10*9/L"}]}])
    >>> frames["measurements"].select("patient", "quantity", "text").rows()
    [('anna', 'platelets', '22 10*9/L')]
    """
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in COLUMNS}
    for record in written:
        patient = str(record["record"])
        rows["patients"].append({PATIENT: patient, **{name: record.get(name) for name in _OF_THE_PATIENT}})
        for section in ITEMS:
            for item in record.get(section) or ():
                rows[section].append({PATIENT: patient, **_row(section, item)})
    return {table: pl.DataFrame(_uniform(rows[table], table), _schema(table), orient="row") for table in COLUMNS}


def _row(section: str, item: Mapping[str, Any]) -> dict[str, Any]:
    row = dict(item)
    if section == "measurements":
        row[TEXT] = row.pop("value")
    if isinstance(row.get("for"), str):
        row["for"] = [row["for"]]
    return row


def _uniform(rows: list[dict[str, Any]], table: str) -> list[tuple[Any, ...]]:
    schema = _schema(table)
    return [tuple(_plain(row.get(name), schema[name]) for name in schema) for row in rows]


def _plain(value: Any, dtype: Any) -> Any:
    return str(value) if value is not None and dtype == pl.String else value


def _schema(table: str) -> dict[str, Any]:
    kinds: dict[str, Any] = {**dict.fromkeys(LISTS, pl.List(pl.String)), **dict.fromkeys(FLAGS, pl.Boolean)}
    return {name: kinds.get(name, pl.String) for name in COLUMNS[table] if not (table == "measurements" and name == "value")}


def write_tables(frames: Mapping[str, pl.DataFrame], folder: Path | str, ending: str = "parquet") -> None:
    """Write event tables into a folder, as Parquet or CSV, each sorted by patient."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for table, frame in frames.items():
        frame = frame.sort(PATIENT, maintain_order=True)
        if ending == "parquet":
            frame.write_parquet(folder / f"{table}.parquet")
        else:
            listed = [name for name in LISTS if name in frame.columns and frame.schema[name] == pl.List(pl.String)]
            frame.with_columns(pl.col(name).list.join(";") for name in listed).write_csv(folder / f"{table}.csv")


def problems_of(errors: Mapping[str, RecordError], tables: Tables) -> dict[str, RecordError]:
    """Return the errors of some patients with the table of each problem, the row in it and the field where it stands."""
    wanted: dict[str, set[str]] = {}
    for patient, error in errors.items():
        for problem in error.problems:
            wanted.setdefault(_table(problem, tables), set()).add(patient)
    rows = {table: tables.rows(table, patients) for table, patients in wanted.items()}
    return {
        patient: RecordError([_placed(problem, patient, rows, tables) for problem in error.problems])
        for patient, error in errors.items()
    }


def _table(problem: Problem, tables: Tables) -> str:
    section = problem.field.partition("[")[0]
    return section if section in tables.names else "patients"


def _placed(problem: Problem, patient: str, rows: Mapping[str, Mapping[str, list[int]]], tables: Tables) -> Problem:
    table = _table(problem, tables)
    number, _, field = problem.field.partition("[")[2].partition("].")
    own = rows[table].get(patient, [])
    place = int(number) if number.isdigit() else 0
    line = own[place] if place < len(own) else None
    return replace(problem, file=tables.names.get(table, table), line=line, field=field or problem.field)
