"""An OMOP common data model 5.4 as event tables: a folder of Parquet or CSV, a DuckDB file, or PostgreSQL.

What a row means depends on its concepts, its unit and, where it has no number, on its words. Each such combination that occurs is
looked up once, with the codes of the vocabulary as for FHIR (`pyscreen.codebook`); DuckDB then makes the tables from what was found.
Standard and source concept are two codings of one thing. What is of no use is counted by combination, never dropped silently.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl

from ..codebook import (
    OWN_SYSTEM,
    ROUTE_WORDS,
    ROUTES,
    STATES,
    Codebook,
    Sense,
    coded,
    grade_of,
    present,
    spoken,
    words_of,
)
from ..errors import Problem, RecordError
from ..form import CLOSABLE, SECTIONS, UNKNOWN
from ..knowledge import KnowledgeBase
from ..resources import Coding, Concept, Result
from ..vocabulary import Quantity
from ..written import value_of
from .exports import ROW_GROUP, quoted
from .reading import Reading
from .tables import COLUMNS as TABLES

SYSTEMS = {
    "LOINC": "http://loinc.org",
    "SNOMED": "http://snomed.info/sct",
    "RxNorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "RxNorm Extension": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ATC": "http://www.whocc.no/atc",
    "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD10GM": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
}
"""`vocabulary_id` of a concept to the code system that FHIR knows it by."""
OWN = "pyscreen:"
COMPLETE = "pyscreen:complete"
OPERATORS = ("<", "<=", ">", ">=")
SEXES = {"F": "female", "FEMALE": "female", "M": "male", "MALE": "male"}
COUNTED = ("mg", "g", "ug", "[IU]")
"""Units of strength in which a dose can be given."""
POSTGRES = ("postgresql://", "postgres://")

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "person": {
        "person_id": "BIGINT",
        "gender_concept_id": "BIGINT",
        "year_of_birth": "INTEGER",
        "month_of_birth": "INTEGER",
        "day_of_birth": "INTEGER",
        "gender_source_value": "VARCHAR",
    },
    "observation_period": {"person_id": "BIGINT", "observation_period_end_date": "DATE"},
    "death": {"person_id": "BIGINT", "death_date": "DATE"},
    "condition_occurrence": {
        "person_id": "BIGINT",
        "condition_concept_id": "BIGINT",
        "condition_source_concept_id": "BIGINT",
        "condition_source_value": "VARCHAR",
        "condition_start_date": "DATE",
        "condition_end_date": "DATE",
    },
    "procedure_occurrence": {
        "person_id": "BIGINT",
        "procedure_concept_id": "BIGINT",
        "procedure_source_concept_id": "BIGINT",
        "procedure_source_value": "VARCHAR",
        "procedure_date": "DATE",
    },
    "measurement": {
        "person_id": "BIGINT",
        "measurement_concept_id": "BIGINT",
        "measurement_source_concept_id": "BIGINT",
        "measurement_source_value": "VARCHAR",
        "measurement_date": "DATE",
        "measurement_datetime": "TIMESTAMP",
        "operator_concept_id": "BIGINT",
        "value_as_number": "DOUBLE",
        "value_as_concept_id": "BIGINT",
        "value_source_value": "VARCHAR",
        "unit_concept_id": "BIGINT",
        "unit_source_value": "VARCHAR",
        "range_low": "DOUBLE",
        "range_high": "DOUBLE",
    },
    "observation": {
        "person_id": "BIGINT",
        "observation_concept_id": "BIGINT",
        "observation_source_concept_id": "BIGINT",
        "observation_source_value": "VARCHAR",
        "observation_date": "DATE",
        "value_as_number": "DOUBLE",
        "value_as_concept_id": "BIGINT",
        "value_as_string": "VARCHAR",
        "unit_concept_id": "BIGINT",
        "unit_source_value": "VARCHAR",
    },
    "drug_exposure": {
        "person_id": "BIGINT",
        "drug_concept_id": "BIGINT",
        "drug_source_concept_id": "BIGINT",
        "drug_source_value": "VARCHAR",
        "drug_exposure_start_date": "DATE",
        "drug_exposure_end_date": "DATE",
        "quantity": "DOUBLE",
        "days_supply": "DOUBLE",
        "route_concept_id": "BIGINT",
        "route_source_value": "VARCHAR",
    },
    "drug_strength": {
        "drug_concept_id": "BIGINT",
        "ingredient_concept_id": "BIGINT",
        "amount_value": "DOUBLE",
        "amount_unit_concept_id": "BIGINT",
    },
    "concept": {"concept_id": "BIGINT", "concept_name": "VARCHAR", "vocabulary_id": "VARCHAR", "concept_code": "VARCHAR"},
}
"""The tables and columns that are read."""
NEEDED = ("person", "concept")
KNOWN_BESIDE = ("visit_occurrence", "device_exposure", "specimen", "note", "episode")
"""Tables that may hold facts of patients and are not read; their rows are counted."""
ENDINGS = (".parquet", ".csv")


def is_omop(source: str) -> bool:
    """Tell whether a source is a common data model, by its name and its table `person`."""
    if source.startswith(POSTGRES):
        return True
    path = Path(source)
    if path.is_dir():
        return "person" in _files(path)
    if path.suffix != ".duckdb" or not path.is_file():
        return False
    try:
        with duckdb.connect(source, read_only=True) as database:
            return "person" in _tables_of(database)
    except duckdb.Error:
        return False


def read_omop(source: str, folder: Path, kb: KnowledgeBase, reading: Reading) -> int:
    """Write the event tables of a common data model into a folder; return how many patients.

    What is not used goes into `reading`. Raises RecordError where the source cannot be read or lacks a table.
    """
    with tempfile.TemporaryDirectory(prefix="pyscreen-") as scratch, duckdb.connect(f"{scratch}/work.duckdb") as database:
        database.execute("SET memory_limit = '2GB'")
        database.execute(f"SET temp_directory = '{quoted(Path(scratch))}'")
        database.execute("SET preserve_insertion_order = false")
        try:
            _open(source, database, reading)
            reader = _Reader(database, Path(scratch), kb, reading)
            reader.read()
            return reader.write(folder)
        except duckdb.Error as error:
            raise RecordError([Problem(f"cannot be read: {str(error).splitlines()[0]}", shown(source))]) from None


def shown(source: str) -> str:
    """Return a source without the password in it."""
    if not source.startswith(POSTGRES):
        return source
    head, _, rest = source.partition("://")
    return f"{head}://{rest.rpartition('@')[2]}"


# ---- opening ---------------------------------------------------------------------------------------------------------


def _open(source: str, database: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    """Give every table of COLUMNS a view (or a copy) with its columns; what is missing is empty. Raises RecordError."""
    if source.startswith(POSTGRES):
        found = _from_postgres(source, database)
    elif Path(source).is_dir():
        found = {name: _scan(path, database) for name, path in _files(Path(source)).items() if name in (*COLUMNS, *KNOWN_BESIDE)}
    else:
        database.execute(f"ATTACH '{quoted(Path(source))}' AS source (READ_ONLY)")
        found = {name: f"source.{table}" for name, table in _tables_of(database, "source").items()}
    missing = [table for table in NEEDED if table not in found]
    if missing:
        raise RecordError([Problem(f"no table '{table}'", shown(source)) for table in missing])
    for table, columns in COLUMNS.items():
        _view(database, table, columns, found.get(table), reading)
    for table in KNOWN_BESIDE:
        if table in found:
            ((rows,),) = database.execute(f"SELECT count(*) FROM {found[table]}").fetchall()
            if rows:
                reading.count("ignored", f"not read: {table}", rows)


def _view(
    database: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], found: str | None, reading: Reading
) -> None:
    known: set[str] = set()
    if found is None:
        reading.count("ignored", f"no table {table}")
    else:
        known = {row[0].lower() for row in database.execute(f"DESCRIBE SELECT * FROM {found}").fetchall()}
    said = [f"TRY_CAST({name if name in known else 'NULL'} AS {kind}) AS {name}" for name, kind in columns.items()]
    rows = f"FROM {found}" if found else "WHERE false"
    database.execute(f"CREATE OR REPLACE VIEW {table} AS SELECT {', '.join(said)} {rows}")
    read = [name for name in columns if name in known]
    if read:
        lost = ", ".join(f"count(*) FILTER ({name} IS NOT NULL AND TRY_CAST({name} AS {columns[name]}) IS NULL)" for name in read)
        (counts,) = database.execute(f"SELECT {lost} {rows}").fetchall()
        for name, number in zip(read, counts, strict=True):
            if number:
                reading.count("ignored", f"{table}.{name}: no {columns[name].lower()}", number)


def _files(folder: Path) -> dict[str, Path]:
    """Return the files (or folders of files) that are named like tables."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in ENDINGS:
            found[path.stem.lower()] = path
        elif path.is_dir() and any(file.suffix == ".parquet" for file in path.iterdir()):
            found[path.name.lower()] = path
    return found


def _scan(path: Path, database: duckdb.DuckDBPyConnection) -> str:
    """Return what to read a table from; CSV is copied first, so that no cell that cannot be read stops the reading."""
    if path.is_dir():
        return f"read_parquet('{quoted(path)}/*.parquet')"
    if path.suffix.lower() == ".csv":
        name = f'"copied {path.stem.lower()}"'
        database.execute(f"CREATE TABLE {name} AS FROM read_csv('{quoted(path)}', all_varchar = true, header = true)")
        return name
    return f"read_parquet('{quoted(path)}')"


def _tables_of(database: duckdb.DuckDBPyConnection, catalog: str | None = None) -> dict[str, str]:
    """Return the tables of the schema that has a table `person`."""
    rows = database.execute(
        "SELECT schema_name, lower(table_name), table_name FROM duckdb_tables() "
        "WHERE (database_name = $1 OR ($1 IS NULL AND NOT internal)) "
        "UNION SELECT schema_name, lower(view_name), view_name FROM duckdb_views() WHERE NOT internal AND database_name = $1",
        [catalog],
    ).fetchall()
    schemas = sorted({schema for schema, name, _ in rows if name == "person"})
    return {name: f'"{schema}"."{table}"' for schema, name, table in rows if schemas and schema == schemas[0]}


def _from_postgres(source: str, database: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Copy the columns that are read out of PostgreSQL, in batches."""
    try:
        import adbc_driver_postgresql.dbapi as postgres  # type: ignore[import-untyped]
        import pyarrow  # type: ignore[import-untyped] # noqa: F401
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; PostgreSQL needs: pip install 'pyscreen[postgres]'"
        raise RecordError([Problem(message, shown(source))]) from None
    found = {}
    try:
        with postgres.connect(source) as connection, connection.cursor() as cursor:
            for table in (*COLUMNS, *KNOWN_BESIDE):
                known = _postgres_columns(cursor, table)
                if known:
                    names = [name for name in COLUMNS.get(table, ()) if name in known] or ["1 AS one"]
                    cursor.execute(f"SELECT {', '.join(names)} FROM {table}")
                    batches = cursor.fetch_record_batch()
                    database.register("batches", batches)
                    database.execute(f"CREATE TABLE copied_{table} AS FROM batches")
                    database.unregister("batches")
                    found[table] = f"copied_{table}"
    except postgres.Error as error:
        raise RecordError([Problem(f"cannot be read: {str(error).splitlines()[0]}", shown(source))]) from None
    return found


def _postgres_columns(cursor: Any, table: str) -> set[str]:
    """Return the columns of a table that the search path finds."""
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped", (table,)
    )
    return {row[0] for row in cursor.fetchall()}


# ---- what combinations of concepts mean ------------------------------------------------------------------------------


class _Meaning(NamedTuple):
    """What a combination of concepts says: of a concept that it is so, or not; or a value, a course, a complete section.

    `number` says that the row's own number is the value, unless it is below `least` or above `most`, in its unit; `text` stands before
    it, or instead of it.
    """

    kind: str
    concept: str
    so: bool | None = None
    dated: bool = True
    number: bool = False
    text: str | None = None
    unit: str | None = None
    method: str | None = None
    ingredient: int | None = None
    least: float | None = None
    most: float | None = None


_VALUE_KEYS = ("value_as_concept_id", "words", "operator_concept_id", "unit_concept_id", "unit", "numeric")
_KEYS = {
    "condition_occurrence": ("condition_concept_id", "condition_source_concept_id", "source"),
    "procedure_occurrence": ("procedure_concept_id", "procedure_source_concept_id", "source"),
    "measurement": ("measurement_concept_id", "measurement_source_concept_id", "source", *_VALUE_KEYS),
    "observation": ("observation_concept_id", "observation_source_concept_id", "source", *_VALUE_KEYS),
    "drug_exposure": ("drug_concept_id", "drug_source_concept_id", "source"),
}
_TYPES = {"source": pl.String, "words": pl.String, "unit": pl.String, "numeric": pl.Boolean}
_MEANINGS = {
    "kind": pl.String,
    "concept": pl.String,
    "so": pl.Boolean,
    "dated": pl.Boolean,
    "number": pl.Boolean,
    "text": pl.String,
    "unit_said": pl.String,
    "method": pl.String,
    "ingredient": pl.Int64,
    "least": pl.Float64,
    "most": pl.Float64,
}
_BEYOND = "(number AND (coalesce(value_as_number < least, false) OR coalesce(value_as_number > most, false)))"


def _rows(table: str) -> str:
    """Return the rows of a table with its key columns: never null, words only where they say what nothing else does."""
    head = table.removesuffix("_occurrence").removesuffix("_exposure")
    names = [f"coalesce({head}_{part}concept_id, 0) AS {head}_{part}concept_id" for part in ("", "source_")]
    nothing = f"coalesce({head}_concept_id, 0) = 0 AND coalesce({head}_source_concept_id, 0) = 0"
    names.append(f"CASE WHEN {nothing} THEN coalesce({head}_source_value, '') ELSE '' END AS source")
    if table in ("measurement", "observation"):
        words = "value_source_value" if table == "measurement" else "value_as_string"
        operator = "coalesce(operator_concept_id, 0)" if table == "measurement" else "0::BIGINT"
        names += [
            "coalesce(value_as_concept_id, 0) AS value_as_concept_id",
            "value_as_number IS NOT NULL AND isfinite(value_as_number) AS numeric",
            f"CASE WHEN numeric THEN '' ELSE coalesce(trim({words}), '') END AS words",
            f"{operator} AS operator_concept_id",
            "coalesce(unit_concept_id, 0) AS unit_concept_id",
            "CASE WHEN coalesce(unit_concept_id, 0) = 0 THEN coalesce(trim(unit_source_value), '') ELSE '' END AS unit",
        ]
    taken = {name.rsplit(" AS ", 1)[1] for name in names}
    rest = [name for name in COLUMNS[table] if name not in taken]
    return f"SELECT {', '.join([*rest, *names])} FROM {table}"


class _Reader:
    def __init__(self, database: duckdb.DuckDBPyConnection, scratch: Path, kb: KnowledgeBase, reading: Reading) -> None:
        self.database = database
        self.scratch = scratch
        self.vocabulary = kb.vocabulary
        self.codebook = Codebook(kb.vocabulary)
        self.reading = reading
        self.codings: dict[int, tuple[str, str, str]] = {}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.database.execute(query).fetchall()

    def read(self) -> None:
        """Find out what every combination that occurs means."""
        self.look_up()
        for table, keys in _KEYS.items():
            named = ", ".join(keys)
            shapes = self.rows(f"SELECT {named}, count(*) FROM ({_rows(table)}) GROUP BY ALL ORDER BY ALL")
            found = []
            for *key, number in shapes:
                found += [(*key, *meaning) for meaning in self.meanings(table, dict(zip(keys, key, strict=True)), number)]
            self.keep(f"meaning_{table}", {name: _TYPES.get(name, pl.Int64) for name in keys} | _MEANINGS, found)

    def keep(self, table: str, schema: Mapping[str, Any], rows: list[tuple[Any, ...]]) -> None:
        """Give the database a table of its own; by way of a file, since rows one by one take long."""
        file = self.scratch / f"{table}.parquet"
        pl.DataFrame(rows, schema=dict(schema), orient="row").write_parquet(file)
        self.database.execute(f"CREATE TABLE {table} AS FROM read_parquet('{quoted(file)}')")

    def look_up(self) -> None:
        """Fetch code and name of every concept that occurs."""
        used = [
            f"SELECT DISTINCT {name} AS concept_id FROM {table}"
            for table, columns in COLUMNS.items()
            for name in columns
            if name.endswith("concept_id") and table != "concept"
        ]
        query = (
            "SELECT concept_id, coalesce(vocabulary_id, ''), coalesce(concept_code, ''), coalesce(concept_name, '') "
            f"FROM concept WHERE concept_id IN ({' UNION '.join(used)}) ORDER BY ALL"
        )
        for concept, vocabulary, code, name in self.rows(query):
            self.codings[concept] = (vocabulary, code, name)
        self.strengths: dict[int, list[tuple[int, float | None, str]]] = defaultdict(list)
        for drug, ingredient, amount, unit in self.rows(
            "SELECT DISTINCT drug_concept_id, ingredient_concept_id, amount_value, coalesce(amount_unit_concept_id, 0) "
            "FROM drug_strength WHERE drug_concept_id IN (SELECT drug_concept_id FROM drug_exposure) ORDER BY ALL"
        ):
            self.strengths[drug].append((ingredient, amount, self.codings.get(unit, ("", "", ""))[1]))

    def concept(self, *ids: int, words: str = "") -> Concept:
        """Return concepts as the codings of one thing."""
        known = [self.codings[one] for one in ids if one in self.codings and self.codings[one][1] != "No matching concept"]
        codings = tuple(Coding(_system(vocabulary), code, name) for vocabulary, code, name in known if vocabulary != "None")
        return Concept(codings, words or next((name for vocabulary, _, name in known if vocabulary != "None"), ""))

    # the combinations

    def meanings(self, table: str, key: Mapping[str, Any], number: int) -> Iterable[_Meaning]:
        first, second, source = list(key.values())[:3]
        concept = self.concept(first, second, words=source)
        if table == "drug_exposure":
            return self.drugs(concept, first, number)
        senses = self.codebook.senses(concept)
        if table in ("condition_occurrence", "procedure_occurrence"):
            return self.occurred(concept, senses, table, number)
        complete = [coding.code for coding in concept.coding if coding.system == COMPLETE]
        if complete:
            return self.completed(complete, number)
        return self.observed(concept, senses, key, number)

    def unmapped(self, concept: Concept, number: int) -> None:
        self.reading.count("unmapped", words_of(concept), number)

    def occurred(self, concept: Concept, senses: list[Sense], table: str, number: int) -> Iterator[_Meaning]:
        """What happened is so in every sense; a state that a diagnosis tells of a procedure began on another day."""
        stated = [sense for sense in senses if sense.kind in STATES]
        if not stated:
            self.unmapped(concept, number)
        for sense in stated:
            dated = not (table == "condition_occurrence" and sense.kind == "procedure")
            yield _Meaning(sense.kind, sense.concept, so=True, dated=dated)

    def completed(self, names: list[str], number: int) -> Iterator[_Meaning]:
        for name in names:
            if name in CLOSABLE or self.vocabulary.kinds_of(name):
                yield _Meaning("complete", name)
            else:
                self.reading.count("unmapped", f"completely recorded: {name}", number)

    def observed(self, concept: Concept, senses: list[Sense], key: Mapping[str, Any], number: int) -> list[_Meaning]:
        """Read a value in every sense of its concept."""
        value = self.concept(key["value_as_concept_id"])
        result = Result(value_codeable_concept=value if value.coding else None, value_string=key["words"] or None)
        if not senses:
            self.unmapped(concept, number)
            return []
        if not (key["numeric"] or result.valued):
            self.reading.count("ignored", f"{words_of(concept)}: no value", number)
            return []
        readings = [self.sensed(concept, sense, result, key, number) for sense in senses]
        found = [meaning for meanings in readings for meaning in meanings or ()]
        if all(meanings is None for meanings in readings) or any(meaning.text == UNKNOWN for meaning in found):
            told = "a number" if key["numeric"] else key["words"] or words_of(value)
            named = " or ".join(f"{sense.kind} {sense.concept}" for sense in senses)
            self.reading.count("unmapped", f"{words_of(concept)}: the value ({told}) cannot be read as {named}", number)
        return found

    def sensed(
        self, concept: Concept, sense: Sense, result: Result, key: Mapping[str, Any], number: int
    ) -> list[_Meaning] | None:
        """Return what a value says in one sense of its concept; None where it cannot be read so."""
        if sense.kind == "measurement":
            return [self.valued(concept, sense, result, key, number)]
        answers = present(result)
        if sense.kind == "therapy":
            return [_Meaning("therapy", sense.concept, so=False)] if answers == {False} else None
        if len(answers) == 2:
            self.reading.count("conflict", f"{sense.concept}: the answers disagree", number)
            return []
        if answers == {False} and not sense.whole:
            message = f"one kind of {sense.concept} is absent, which says nothing of the others"
            self.reading.count("ignored", message, number)
            return []
        return [_Meaning(sense.kind, sense.concept, so=answers.pop())] if answers else None

    def valued(self, concept: Concept, sense: Sense, result: Result, key: Mapping[str, Any], number: int) -> _Meaning:
        """Return how a value is written; what cannot be read is unknown, lest an older value pass for the latest."""
        unknown = _Meaning("measurement", sense.concept, text=UNKNOWN, method=sense.method)
        quantity = self.vocabulary.quantities[sense.concept]
        scale = quantity.scale
        if not key["numeric"]:
            grade = grade_of(result.value_codeable_concept, scale.grades) if result.value_codeable_concept else None
            said = grade or result.value_string or ""
            if said in scale.grades or (scale.unitless and _is_number(said, quantity)):
                return _Meaning("measurement", sense.concept, text=said, method=sense.method)
            return unknown
        sign = self.codings.get(key["operator_concept_id"], ("", "", "="))[2]
        if sign not in (*OPERATORS, "="):
            return unknown
        unit = key["unit"] or self.codings.get(key["unit_concept_id"], ("", "", ""))[1]
        if unit == "No matching concept":
            unit = ""
        try:
            offset = scale.to_canonical(Fraction(0), unit or None)
            factor = scale.to_canonical(Fraction(1), unit or None) - offset
        except ValueError as error:
            self.reading.count("unmapped", f"{words_of(concept)}: {error}", number)
            return unknown
        text = sign if sign != "=" else None
        ends = (quantity.possible.low, quantity.possible.high)
        least, most = (None if end is None else float((end - offset) / factor) for end in ends)
        return _Meaning(
            "measurement", sense.concept, number=True, text=text, unit=unit or None, method=sense.method, least=least, most=most
        )  # fmt: skip

    def drugs(self, concept: Concept, drug: int, number: int) -> list[_Meaning]:
        """Return the drugs that a product is or holds, each with the place of its strength."""
        strengths = self.strengths.get(drug, [])
        groups = [(concept, strengths[0][0] if len(strengths) == 1 else None)]
        own = self._therapies(groups)
        held = own or self._therapies([(self.concept(ingredient), ingredient) for ingredient, _, _ in strengths])
        if not held:
            self.unmapped(concept, number)
        return held

    def _therapies(self, groups: Iterable[tuple[Concept, int | None]]) -> list[_Meaning]:
        found: dict[str, _Meaning] = {}
        for concept, ingredient in groups:
            for sense in [sense for sense in self.codebook.senses(concept) if sense.kind == "therapy"][:1]:
                found.setdefault(sense.concept, _Meaning("therapy", sense.concept, so=True, ingredient=ingredient))
        return list(found.values())

    # the event tables

    def write(self, folder: Path) -> int:
        """Write every event table, sorted by patient; return how many patients."""
        self.database.execute(
            "CREATE TABLE period AS SELECT person_id, max(observation_period_end_date) AS recorded FROM observation_period GROUP BY 1"
        )
        self.routes()
        queries = {"patients": self.patients(), "measurements": _measurements(), "therapies": self.therapies()}
        queries |= {section: _statements(kind) for section, kind in SECTIONS.items() if kind in STATES}
        for table, query in queries.items():
            said = {row[0] for row in self.rows(f"DESCRIBE {query}")}
            names = ", ".join(f'"{name}"' if name in said else f'CAST(NULL AS VARCHAR) AS "{name}"' for name in TABLES[table])
            self.database.execute(
                f"COPY (SELECT {names} FROM ({query}) ORDER BY ALL) TO '{quoted(folder / f'{table}.parquet')}' "
                f"(FORMAT parquet, ROW_GROUP_SIZE {ROW_GROUP})"
            )
        self.impossible()
        self.left_over()
        return int(self.rows("SELECT count(DISTINCT person_id) FROM person")[0][0])

    def impossible(self) -> None:
        """Count the numbers that their quantity cannot have."""
        for table in ("measurement", "observation"):
            query = f"SELECT concept, count(*) FROM ({_joined(table)}) WHERE kind = 'measurement' AND {_BEYOND} GROUP BY 1 ORDER BY 1"
            for concept, many in self.rows(query):
                expected = self.vocabulary.quantities[concept].range
                self.reading.count("unmapped", f"{concept}: a number that is impossible; expected {expected}", many)

    def left_over(self) -> None:
        """Count what is of persons who have no row in `person`."""
        for table in _KEYS:
            ((lost,),) = self.rows(f"SELECT count(*) FROM {table} ANTI JOIN person USING (person_id)")
            if lost:
                self.reading.count("ignored", f"{table} of nobody in the table person", lost)
        ((nameless, twice),) = self.rows(
            "SELECT count(*) FILTER (person_id IS NULL), count(person_id) - count(DISTINCT person_id) FROM person"
        )
        for number, message in ((nameless, "a person without person_id"), (twice, "a second row of a person; one of them is read")):
            if number:
                self.reading.count("ignored", message, number)

    def routes(self) -> None:
        """Keep what each route that occurs is called."""
        found = []
        ids = self.rows(
            "SELECT coalesce(route_concept_id, 0), CASE WHEN coalesce(route_concept_id, 0) = 0 THEN coalesce(route_source_value, '') "
            "ELSE '' END, count(*) FROM drug_exposure GROUP BY 1, 2 ORDER BY ALL"
        )
        for one, words, number in ids:
            concept = self.concept(one, words=words)
            if not concept.coding and not concept.text:
                continue
            named = coded(concept, ROUTES) or spoken(concept, ROUTE_WORDS)
            if named not in self.vocabulary.routes and concept.text in self.vocabulary.routes:
                named = concept.text
            if named in self.vocabulary.routes:
                found.append((one, words, named))
            else:
                self.reading.count("unmapped", f"route: {words_of(concept)}", number)
        self.keep("route", {"id": pl.Int64, "words": pl.String, "route": pl.String}, found)

    def patients(self) -> str:
        sexes = [(one, SEXES[code.upper()]) for one, (_, code, _) in self.codings.items() if code.upper() in SEXES]
        sexes += [(one, SEXES[name.upper()]) for one, (_, _, name) in self.codings.items() if name.upper() in SEXES]
        cases = " ".join(f"WHEN {one} THEN '{sex}'" for one, sex in dict(sexes).items())
        sex = f"CASE gender_concept_id {cases} END" if cases else "CAST(NULL AS VARCHAR)"
        month = "CASE WHEN month_of_birth BETWEEN 1 AND 12 THEN printf('-%02d', month_of_birth) ELSE '' END"
        day = f"CASE WHEN {month} <> '' AND day_of_birth BETWEEN 1 AND 31 THEN printf('-%02d', day_of_birth) ELSE '' END"
        return (
            f"SELECT CAST(person.person_id AS VARCHAR) AS patient, printf('%04d', any_value(year_of_birth)) || any_value({month}) || "
            f"any_value({day}) AS birth_date, any_value({sex}) AS sex, min(death_date) AS died, max(recorded) AS recorded, "
            "any_value(complete.names) AS complete FROM person LEFT JOIN death USING (person_id) LEFT JOIN period USING (person_id) "
            "LEFT JOIN (SELECT person_id, list(DISTINCT concept ORDER BY concept) AS names "
            f"FROM ({_joined('observation')}) WHERE kind = 'complete' GROUP BY 1) complete USING (person_id) "
            "WHERE person.person_id IS NOT NULL GROUP BY person.person_id"
        )

    def therapies(self) -> str:
        """Return courses: ongoing where they reach the last day of observation, with the dose that strength and number give."""
        counted = [
            (drug, ingredient, amount, unit)
            for drug, found in self.strengths.items()
            for ingredient, amount, unit in found
            if amount and unit in COUNTED and sum(other == ingredient for other, _, _ in found) == 1
        ]
        schema = {"drug": pl.Int64, "ingredient": pl.Int64, "amount": pl.Float64, "unit": pl.String}
        self.keep("strength", schema, counted)
        end = "drug_exposure_end_date"
        dose = "round(quantity * amount / days_supply, 6)"
        return (
            f"SELECT CAST(item.person_id AS VARCHAR) AS patient, concept AS drug, true AS taken, "
            f"CASE WHEN quantity > 0 AND days_supply > 0 THEN {dose} || ' ' || strength.unit || '/d' END AS dose, route.route, "
            f"CAST(drug_exposure_start_date AS VARCHAR) AS start, CASE WHEN {end} >= recorded THEN 'ongoing' "
            f"ELSE CAST({end} AS VARCHAR) END AS \"end\", false AS planned FROM ({_joined('drug_exposure')}) item "
            "LEFT JOIN period USING (person_id) "
            "LEFT JOIN strength ON strength.drug = drug_concept_id AND strength.ingredient = item.ingredient "
            "LEFT JOIN route ON route.id = coalesce(route_concept_id, 0) AND "
            "route.words = CASE WHEN coalesce(route_concept_id, 0) = 0 THEN coalesce(route_source_value, '') ELSE '' END "
            f"UNION ALL BY NAME SELECT CAST(person_id AS VARCHAR) AS patient, concept AS drug, false AS taken "
            f"FROM ({_joined('observation')}) WHERE kind = 'therapy'"
        )


def _joined(table: str) -> str:
    """Return the rows of a table with what each means."""
    keys = ", ".join(_KEYS[table])
    return (
        f"SELECT item.*, meaning.* EXCLUDE ({keys}) FROM ({_rows(table)}) item JOIN meaning_{table} meaning USING ({keys}) "
        "SEMI JOIN person USING (person_id)"
    )


def _measurements() -> str:
    clock = "CASE WHEN CAST(measurement_datetime AS TIME) <> TIME '00:00:00' THEN strftime(measurement_datetime, '%H:%M:%S') END"
    limit = f"CASE WHEN number AND NOT {_BEYOND} THEN range_{{}} END"
    parts = []
    for table, day in (("measurement", "measurement_date"), ("observation", "observation_date")):
        own = table == "measurement"
        parts.append(
            "SELECT CAST(person_id AS VARCHAR) AS patient, concept AS quantity, "
            f"CASE WHEN number AND text IS NULL AND NOT {_BEYOND} THEN value_as_number END AS value, "
            f"CASE WHEN {_BEYOND} THEN '{UNKNOWN}' WHEN number THEN text || CAST(value_as_number AS VARCHAR) ELSE text END AS text, "
            f"CASE WHEN NOT {_BEYOND} THEN unit_said END AS unit, CAST({day} AS VARCHAR) AS date, "
            f"{clock if own else 'CAST(NULL AS VARCHAR)'} AS time, method, "
            f"{limit.format('low') if own else 'CAST(NULL AS DOUBLE)'} AS low, "
            f"{limit.format('high') if own else 'CAST(NULL AS DOUBLE)'} AS high "
            f"FROM ({_joined(table)}) WHERE kind = 'measurement'"
        )
    return " UNION ALL ".join(parts)


_SAID = {
    "condition_occurrence": ("condition_start_date", "condition_end_date"),
    "procedure_occurrence": ("procedure_date", "CAST(NULL AS DATE)"),
    "measurement": ("measurement_date", "CAST(NULL AS DATE)"),
    "observation": ("observation_date", "CAST(NULL AS DATE)"),
}


def _statements(kind: str) -> str:
    """Return what is said to be so, or not, from every table that may say it."""
    parts = []
    for table, (day, end) in _SAID.items():
        last = f", CAST(CASE WHEN dated AND so THEN {end} END AS VARCHAR) AS \"end\"" if kind in ("finding", "event") else ""
        parts.append(
            f"SELECT CAST(person_id AS VARCHAR) AS patient, concept AS {kind}, so AS {STATES[kind]}, "
            f"CAST(CASE WHEN dated THEN {day} END AS VARCHAR) AS date{last} FROM ({_joined(table)}) WHERE kind = '{kind}'"
        )
    return " UNION ALL ".join(parts)


def _system(vocabulary: str) -> str:
    """Return the code system of a vocabulary of the model."""
    if vocabulary == COMPLETE:
        return COMPLETE
    if vocabulary.startswith(OWN):
        return OWN_SYSTEM + vocabulary.removeprefix(OWN)
    return SYSTEMS.get(vocabulary, vocabulary)


def _is_number(text: str, quantity: Quantity) -> bool:
    """Tell whether words are a number without a unit that the quantity can have."""
    try:
        return text != UNKNOWN and value_of(text, None, quantity)[1] is None
    except ValueError:
        return False
