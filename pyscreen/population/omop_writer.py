"""Event tables as an OMOP common data model 5.4: a folder of Parquet, one file a table, or a DuckDB file.

Concepts are local (above 2,000,000,000), with the vocabulary and code that a concept really has, or in a vocabulary
`pyscreen:<kind>` with the vocabulary's own name. What the model has no column for (`said` lists it) is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from ..codebook import OWN_SYSTEM, ROUTES, SYSTEMS
from ..form import UNKNOWN
from ..vocabulary import Vocabulary
from .choices import SIGNS
from .exports import Frames, new_folder, quoted
from .fhir_writer import Codes

LOCAL = 2_000_000_000
"""Concept ids above this are local, by convention of the model."""
VOCABULARIES = {"loinc": "LOINC", "snomed": "SNOMED", "rxnorm": "RxNorm", "atc": "ATC", "icd10": "ICD10CM"}
COMPLETE = "pyscreen:complete"
ABSENT, PRESENT = ("SNOMED", "373067005", "No"), ("SNOMED", "373066001", "Yes")
NEGATIVE, POSITIVE = ("SNOMED", "260385009", "Negative"), ("SNOMED", "10828004", "Positive")
MASSES = {"mg/d": "mg", "[IU]/d": "[IU]"}
"""Units of a daily dose that an amount of drug can be counted in."""
_DAY = pl.col("date").str.len_chars() == 10


def said(frames: Mapping[str, pl.DataFrame], codes: Codes) -> tuple[Frames, Counter[str]]:
    """Return event tables as the model can say them, and how often it cannot say what.

    Not said: anything that is planned, or not dated to the day; a course without an end, how it went and what for; a dose by
    weight; that a finding goes on, and until when it was known to; sides, and methods that no code says. A course that reaches
    the end of the observation is ongoing.
    """
    unsaid: Counter[str] = Counter()
    found = {table: _kept(frame, table, unsaid) for table, frame in frames.items()}
    found["patients"] = _blank(found["patients"], "patients", "died", pl.col("died").str.len_chars() < 10, unsaid)
    found["measurements"] = _measurements(found["measurements"], codes, unsaid)
    findings = found["findings"]
    for column in ("method", "side", "stated"):
        findings = _blank(findings, "findings", column, pl.col(column).is_not_null(), unsaid)
    found["findings"] = _ends(findings, "findings", unsaid)
    found["events"] = _ends(found["events"], "events", unsaid)
    found["procedures"] = _blank(found["procedures"], "procedures", "side", pl.col("side").is_not_null(), unsaid)
    found["therapies"] = _therapies(found["therapies"], found["patients"], unsaid)
    return found, +unsaid


def _kept(frame: pl.DataFrame, table: str, unsaid: Counter[str]) -> pl.DataFrame:
    """Return what is not planned, and dated to the day (of a denied finding, by the day on which it was last stated)."""
    if "planned" in frame.columns:
        unsaid[f"{table}: planned"] += frame.filter("planned").height
        frame = frame.filter(~pl.col("planned"))
    if table == "findings":
        denied = pl.when(~pl.col("present")).then(pl.coalesce("stated", "date"))
        frame = frame.with_columns(denied.otherwise("date").alias("date"))
        frame = frame.with_columns(pl.when(pl.col("present")).then("stated").alias("stated"))
    if "date" in frame.columns:
        kept = frame.filter(_DAY)
        unsaid[f"{table}: not dated to the day"] += len(frame) - len(kept)
        frame = kept
    return frame


def _blank(frame: pl.DataFrame, table: str, column: str, where: pl.Expr, unsaid: Counter[str]) -> pl.DataFrame:
    where = where.fill_null(False)
    unsaid[f"{table}: {column}"] += frame.filter(where).height
    return frame.with_columns(pl.when(~where).then(column).alias(column))


def _ends(frame: pl.DataFrame, table: str, unsaid: Counter[str]) -> pl.DataFrame:
    return _blank(frame, table, "end", pl.col("end").str.len_chars() != 10, unsaid)


def _measurements(frame: pl.DataFrame, codes: Codes, unsaid: Counter[str]) -> pl.DataFrame:
    frame = _blank(frame, "measurements", "side", pl.col("side").is_not_null(), unsaid)
    pairs = pl.struct("quantity", "method").is_in([{"quantity": q, "method": m} for q, m in sorted(codes.methods)] or [None])
    frame = _blank(frame, "measurements", "method", pl.col("method").is_not_null() & ~pairs, unsaid)
    for column in ("unit", "low", "high"):
        frame = _blank(frame, "measurements", column, (pl.col("text") == UNKNOWN) & pl.col(column).is_not_null(), unsaid)
    return frame


def _therapies(frame: pl.DataFrame, patients: pl.DataFrame, unsaid: Counter[str]) -> pl.DataFrame:
    for column in ("response", "for"):
        frame = _blank(frame, "therapies", column, pl.col(column).is_not_null(), unsaid)
    counted = pl.col("dose").str.split(" ").list.last().is_in(list(MASSES))
    frame = _blank(frame, "therapies", "dose", pl.col("dose").is_not_null() & ~counted, unsaid)
    frame = frame.join(patients.select("patient", "recorded"), on="patient", how="left", maintain_order="left")
    lasted = (pl.col("end") == "ongoing") | (pl.col("end") >= pl.col("recorded"))
    frame = frame.with_columns(pl.when(lasted).then(pl.lit("ongoing")).otherwise("end").alias("end"))
    whole = (pl.col("start").str.len_chars() == 10) & ((pl.col("end") == "ongoing") | (pl.col("end").str.len_chars() == 10))
    whole &= pl.col("start") <= pl.when(pl.col("end") == "ongoing").then("recorded").otherwise("end")
    kept = frame.filter(~pl.col("taken") | whole.fill_null(False)).drop("recorded")
    unsaid["therapies: start or end not known to the day"] += len(frame) - len(kept)
    return kept


# ---- writing ---------------------------------------------------------------------------------------------------------


def write_omop(parts: Iterable[Mapping[str, pl.DataFrame]], target: Path | str, vocabulary: Vocabulary) -> tuple[int, Counter[str]]:
    """Write event tables into a new folder, or a new DuckDB file (`.duckdb`); return how many patients, and what is left out.

    Raises RequestError where the target exists already, or cannot be written.
    """
    target, codes, unsaid, patients = Path(target), Codes(vocabulary), Counter[str](), 0
    writer = _Writer(codes)
    with new_folder(target, "model.duckdb" if target.suffix == ".duckdb" else None) as folder:
        written: dict[str, list[Path]] = {}
        for number, part in enumerate(parts):
            frames, more = said(part, codes)
            unsaid += more
            patients += frames["patients"].height
            for table, frame in writer.tables(frames).items():
                written.setdefault(table, []).append(folder / f".{table}-{number:06}.parquet")
                frame.write_parquet(written[table][-1], compression="lz4")
        for table, frame in writer.concepts.tables().items():
            written[table] = [folder / f".{table}-0.parquet"]
            frame.write_parquet(written[table][0])
        _join(folder, written, target.suffix == ".duckdb")
    return patients, unsaid


def _join(folder: Path, written: Mapping[str, list[Path]], database: bool) -> None:
    """Put the parts of each table together."""
    if database:
        import duckdb

        with duckdb.connect(str(folder / "model.duckdb")) as connection:
            for table in written:
                connection.execute(f"CREATE TABLE {table} AS FROM read_parquet('{quoted(folder)}/.{table}-*.parquet')")
    for table, files in written.items():
        if not database:
            pl.scan_parquet(files).sink_parquet(folder / f"{table}.parquet")
        for file in files:
            file.unlink()


class _Concepts:
    """Gives every concept its local id."""

    def __init__(self) -> None:
        self.ids: dict[tuple[str, str], int] = {}
        self.rows: list[dict[str, Any]] = []
        self.strengths: list[dict[str, Any]] = []

    def id(self, vocabulary: str, code: str, name: str, domain: str = "Observation") -> int:
        """Return the id of a concept."""
        key = (vocabulary, code)
        if key not in self.ids:
            self.ids[key] = LOCAL + len(self.ids) + 1
            self.rows.append(
                {
                    "concept_id": self.ids[key],
                    "concept_name": name[:255],
                    "domain_id": domain,
                    "vocabulary_id": vocabulary[:20],
                    "concept_class_id": "Undefined",
                    "standard_concept": "S",
                    "concept_code": code,
                    "valid_start_date": "1970-01-01",
                    "valid_end_date": "2099-12-31",
                    "invalid_reason": None,
                }
            )
        return self.ids[key]

    def strength(self, ingredient: int, name: str, unit: str) -> int:
        """Return the id of a drug of which a piece holds 1 mg (or unit) of the ingredient."""
        drug = self.id("pyscreen", f"{name} 1 {unit}", f"{name} 1 {unit}", "Drug")
        row = {
            "drug_concept_id": drug,
            "ingredient_concept_id": ingredient,
            "amount_value": 1.0,
            "amount_unit_concept_id": self.id("UCUM", unit, unit, "Unit"),
        }
        if row not in self.strengths:
            self.strengths.append(row)
        return drug

    def tables(self) -> Frames:
        """Return the tables of concepts and of strengths."""
        days = pl.col("valid_start_date", "valid_end_date").str.to_date()
        concepts = pl.DataFrame(self.rows, infer_schema_length=None).with_columns(days, pl.col("invalid_reason").cast(pl.String))
        schema = {"drug_concept_id": pl.Int64, "ingredient_concept_id": pl.Int64, "amount_value": pl.Float64}
        return {
            "concept": concepts,
            "drug_strength": pl.DataFrame(self.strengths, schema={**schema, "amount_unit_concept_id": pl.Int64}),
        }


class _Writer:
    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        self.concepts = _Concepts()
        self.written: Counter[str] = Counter()
        self.systems = {uri: VOCABULARIES[name] for uri, name in SYSTEMS.items()}

    def concept(self, kind: str, name: str, method: str | None = None) -> int:
        """Return the id of a concept of the vocabulary, by the code that it is written with."""
        code = self.codes.code(kind, name, method)
        coding = code["coding"][0]
        own = coding["system"].startswith(OWN_SYSTEM)
        return self.concepts.id(f"pyscreen:{kind}" if own else self.systems[coding["system"]], coding["code"], code["text"])

    def looked_up(self, name: str) -> bool:
        """Whether a finding is the result of a test, and not a diagnosis."""
        return bool(self.systems.get(self.codes.code("finding", name)["coding"][0]["system"]) == "LOINC")

    def tables(self, frames: Frames) -> Frames:
        """Return the tables of the model for some patients."""
        patients = _numbered(frames["patients"])
        findings, events, procedures = (_numbered(frames[table]) for table in ("findings", "events", "procedures"))
        therapies = _numbered(frames["therapies"])
        tested = findings["finding"].is_in([name for name in self.codes.vocabulary.findings if self.looked_up(name)])
        tested &= findings["end"].is_null()
        conditions = [
            self.conditions("finding", findings.filter(pl.col("present") & ~tested)),
            self.conditions("event", events.filter("happened")),
        ]
        recorded = patients.select("person_id", pl.col("recorded").alias("date"))
        observations = [
            self.observations("finding", findings.filter(~pl.col("present") & ~tested), "present"),
            self.observations("event", events.filter(~pl.col("happened")), "happened"),
            self.observations("procedure", procedures.filter(~pl.col("done")), "done"),
            self.observations("judgement", _numbered(frames["judgements"]), "answer"),
            self.observations("consent", _numbered(frames["consents"]), "given"),
            self.observations("therapy", therapies.filter(~pl.col("taken")).join(recorded, on="person_id"), "taken"),
            self.completed(patients),
        ]
        made = {
            "person": self.persons(patients),
            "observation_period": _periods(patients),
            "death": _death(patients),
            "condition_occurrence": pl.concat(conditions),
            "procedure_occurrence": self.procedures(procedures.filter("done")),
            "observation": pl.concat(observations),
            "measurement": pl.concat([self.measurements(_numbered(frames["measurements"])), self.results(findings.filter(tested))]),
            "drug_exposure": self.exposures(therapies.filter("taken"), recorded),
        }
        return {table: self.keyed(table, frame) for table, frame in made.items()}

    def keyed(self, table: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Number the rows of a table that has a key of its own."""
        if table in ("person", "death"):
            return frame
        first = self.written[table] + 1
        self.written[table] += len(frame)
        return frame.select(pl.int_range(first, first + pl.len()).alias(f"{table}_id"), pl.all())

    def ids(self, kind: str, names: pl.Series) -> pl.Expr:
        """Return concepts as their ids."""
        table = {name: self.concept(kind, name) for name in names.unique().sort()}
        return pl.col(names.name).replace_strict(table, default=None, return_dtype=pl.Int64)

    def answer(self, so: bool, words: tuple[tuple[str, str, str], tuple[str, str, str]]) -> int:
        return self.concepts.id(*words[so], "Meas Value")

    # the tables

    def persons(self, patients: pl.DataFrame) -> pl.DataFrame:
        gender = {
            "female": self.concepts.id("Gender", "F", "FEMALE", "Gender"),
            "male": self.concepts.id("Gender", "M", "MALE", "Gender"),
        }
        born = pl.col("birth_date")
        return patients.select(
            "person_id",
            pl.col("sex").replace_strict(gender, default=0, return_dtype=pl.Int64).alias("gender_concept_id"),
            *(born.str.slice(at, size).cast(pl.Int32, strict=False).alias(name) for name, at, size in _BIRTH),
            pl.lit(0, dtype=pl.Int64).alias("race_concept_id"),
            pl.lit(0, dtype=pl.Int64).alias("ethnicity_concept_id"),
            pl.col("patient").alias("person_source_value"),
        )

    def conditions(self, kind: str, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(
            "person_id",
            self.ids(kind, rows[kind]).alias("condition_concept_id"),
            _day("date").alias("condition_start_date"),
            _day("end").alias("condition_end_date"),
            pl.lit(0, dtype=pl.Int64).alias("condition_type_concept_id"),
            pl.lit(0, dtype=pl.Int64).alias("condition_source_concept_id"),
            pl.col(kind).alias("condition_source_value"),
        )

    def procedures(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(
            "person_id",
            self.ids("procedure", rows["procedure"]).alias("procedure_concept_id"),
            _day("date").alias("procedure_date"),
            pl.lit(0, dtype=pl.Int64).alias("procedure_type_concept_id"),
            pl.lit(0, dtype=pl.Int64).alias("procedure_source_concept_id"),
            pl.col("procedure").alias("procedure_source_value"),
        )

    def observations(self, kind: str, rows: pl.DataFrame, so: str) -> pl.DataFrame:
        name = "drug" if kind == "therapy" else kind
        yes, no = self.answer(True, (ABSENT, PRESENT)), self.answer(False, (ABSENT, PRESENT))
        return rows.select(
            "person_id",
            self.ids(kind, rows[name]).alias("observation_concept_id"),
            _day("date").alias("observation_date"),
            pl.lit(0, dtype=pl.Int64).alias("observation_type_concept_id"),
            pl.when(pl.col(so)).then(pl.lit(yes)).otherwise(pl.lit(no)).cast(pl.Int64).alias("value_as_concept_id"),
            pl.lit(0, dtype=pl.Int64).alias("observation_source_concept_id"),
            pl.col(name).alias("observation_source_value"),
        )

    def completed(self, patients: pl.DataFrame) -> pl.DataFrame:
        """Return an observation for each section or concept that is completely recorded."""
        rows = patients.select("person_id", pl.col("complete").alias("name"), pl.col("recorded").alias("date"))
        rows = rows.explode("name").drop_nulls("name")
        table = {name: self.concepts.id(COMPLETE, name, f"Complete: {name}") for name in rows["name"].unique().sort()}
        return rows.select(
            "person_id",
            pl.col("name").replace_strict(table, default=None, return_dtype=pl.Int64).alias("observation_concept_id"),
            _day("date").alias("observation_date"),
            pl.lit(0, dtype=pl.Int64).alias("observation_type_concept_id"),
            pl.lit(self.answer(True, (ABSENT, PRESENT)), dtype=pl.Int64).alias("value_as_concept_id"),
            pl.lit(0, dtype=pl.Int64).alias("observation_source_concept_id"),
            pl.col("name").alias("observation_source_value"),
        )

    def measurements(self, rows: pl.DataFrame) -> pl.DataFrame:
        signs = {sign: self.concepts.id("pyscreen", sign, sign, "Meas Value Operator") for sign in SIGNS[1:]}
        pairs = rows.select("quantity", "method").unique().sort("quantity", "method", nulls_last=True).rows()
        known = pl.DataFrame(
            [(q, m, self.concept("measurement", q, m)) for q, m in pairs],
            schema={"quantity": pl.String, "method": pl.String, "measurement_concept_id": pl.Int64},
            orient="row",
        )
        rows = rows.join(known, on=["quantity", "method"], how="left", nulls_equal=True, maintain_order="left")
        text = pl.col("text")
        sign = text.str.extract(r"^([<>]=?)")
        number = pl.coalesce(pl.col("value"), text.str.extract(r"^(?:[<>]=?|1:)([0-9.e+-]+)$").cast(pl.Float64))
        titre = pl.when(text.str.starts_with("1:")).then(pl.lit("{titer}")).otherwise("unit")
        words = pl.when(number.is_null()).then(text)
        grades = {
            word: self.concepts.id("pyscreen", word, word, "Meas Value")
            for word in rows.select(words).to_series().drop_nulls().unique().sort()
            if word != UNKNOWN
        }
        named = [*rows["unit"].drop_nulls().unique().sort(), "{titer}"]
        units = {unit: self.concepts.id("UCUM", unit, unit, "Unit") for unit in named}
        return rows.select(
            "person_id",
            "measurement_concept_id",
            _day("date").alias("measurement_date"),
            (pl.col("date") + "T" + pl.col("time").fill_null("00:00") + ":00").str.to_datetime().alias("measurement_datetime"),
            pl.lit(0, dtype=pl.Int64).alias("measurement_type_concept_id"),
            sign.replace_strict(signs, default=None, return_dtype=pl.Int64).alias("operator_concept_id"),
            number.alias("value_as_number"),
            words.replace_strict(grades, default=None, return_dtype=pl.Int64).alias("value_as_concept_id"),
            titre.replace_strict(units, default=None, return_dtype=pl.Int64).alias("unit_concept_id"),
            pl.col("low").alias("range_low"),
            pl.col("high").alias("range_high"),
            pl.lit(0, dtype=pl.Int64).alias("measurement_source_concept_id"),
            pl.col("quantity").alias("measurement_source_value"),
            titre.alias("unit_source_value"),
            pl.coalesce(text, pl.col("value").cast(pl.String)).alias("value_source_value"),
        )

    def results(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the findings that a laboratory tells as positive or negative."""
        yes, no = self.answer(True, (NEGATIVE, POSITIVE)), self.answer(False, (NEGATIVE, POSITIVE))
        empty = pl.lit(None)
        return rows.select(
            "person_id",
            self.ids("finding", rows["finding"]).alias("measurement_concept_id"),
            _day("date").alias("measurement_date"),
            empty.cast(pl.Datetime("us")).alias("measurement_datetime"),
            pl.lit(0, dtype=pl.Int64).alias("measurement_type_concept_id"),
            empty.cast(pl.Int64).alias("operator_concept_id"),
            empty.cast(pl.Float64).alias("value_as_number"),
            pl.when("present").then(pl.lit(yes)).otherwise(pl.lit(no)).cast(pl.Int64).alias("value_as_concept_id"),
            empty.cast(pl.Int64).alias("unit_concept_id"),
            empty.cast(pl.Float64).alias("range_low"),
            empty.cast(pl.Float64).alias("range_high"),
            pl.lit(0, dtype=pl.Int64).alias("measurement_source_concept_id"),
            pl.col("finding").alias("measurement_source_value"),
            empty.cast(pl.String).alias("unit_source_value"),
            empty.cast(pl.String).alias("value_source_value"),
        )

    def exposures(self, rows: pl.DataFrame, recorded: pl.DataFrame) -> pl.DataFrame:
        """Return courses: a dose is a number of pieces of 1 mg for so many days."""
        rows = rows.join(recorded, on="person_id", maintain_order="left")
        mass = pl.col("dose").str.split(" ").list.last().replace_strict(MASSES, default=None, return_dtype=pl.String)
        rows = rows.with_columns(mass.alias("mass"))
        pairs = rows.select("drug", "mass").unique().sort("drug", "mass", nulls_last=True).rows()
        known = pl.DataFrame(
            [(drug, mass, self.drug(drug, mass)) for drug, mass in pairs],
            schema={"drug": pl.String, "mass": pl.String, "drug_concept_id": pl.Int64},
            orient="row",
        )
        rows = rows.join(known, on=["drug", "mass"], how="left", nulls_equal=True, maintain_order="left")
        end = pl.when(pl.col("end") == "ongoing").then("date").otherwise("end").str.to_date()
        days = (end - _day("start")).dt.total_days() + 1
        daily = pl.col("dose").str.split(" ").list.first().cast(pl.Float64)
        return rows.select(
            "person_id",
            "drug_concept_id",
            _day("start").alias("drug_exposure_start_date"),
            end.alias("drug_exposure_end_date"),
            pl.lit(0, dtype=pl.Int64).alias("drug_type_concept_id"),
            (daily * days).round(6).alias("quantity"),
            days.cast(pl.Int32).alias("days_supply"),
            pl.col("route").replace_strict(self.routes(), default=None, return_dtype=pl.Int64).alias("route_concept_id"),
            pl.lit(0, dtype=pl.Int64).alias("drug_source_concept_id"),
            pl.col("drug").alias("drug_source_value"),
        )

    def drug(self, name: str, mass: str | None) -> int:
        ingredient = self.concept("therapy", name)
        return ingredient if mass is None else self.concepts.strength(ingredient, name, mass)

    def routes(self) -> dict[str, int]:
        coded = {route: ("SNOMED", code) for (_, code), route in ROUTES.items()}
        names = sorted(self.codes.vocabulary.routes)
        return {name: self.concepts.id(*coded.get(name, ("pyscreen", name)), name, "Route") for name in names}


_BIRTH = (("year_of_birth", 0, 4), ("month_of_birth", 5, 2), ("day_of_birth", 8, 2))


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col("patient").cast(pl.Int64).alias("person_id"), pl.all())


def _day(column: str) -> pl.Expr:
    return pl.col(column).str.to_date()


def _periods(patients: pl.DataFrame) -> pl.DataFrame:
    end = pl.coalesce(pl.col("recorded"), pl.lit("1970-01-01")).str.to_date()
    return patients.drop_nulls("recorded").select(
        "person_id",
        pl.lit("1970-01-01").str.to_date().alias("observation_period_start_date"),
        end.alias("observation_period_end_date"),
        pl.lit(0, dtype=pl.Int64).alias("period_type_concept_id"),
    )


def _death(patients: pl.DataFrame) -> pl.DataFrame:
    return patients.drop_nulls("died").select("person_id", _day("died").alias("death_date"))
