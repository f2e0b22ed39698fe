"""Invented patients over the vocabulary of a trial, as event tables: some like its worked records, many near the bounds of its tests.

A population follows from its seed, its size, the screening day and the knowledge base, and from nothing else. What is
clinical about it (how often, how high, which drug at which dose) stands beside the trial, in `population.yaml`; a trial
without one gets values about the bounds of its tests. Nobody in it is a real person, and no share in it is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ..coverage import cases, record_of
from ..dates import Duration, When, shift
from ..errors import KnowledgeBaseError, PyscreenError
from ..form import SECTIONS
from ..knowledge import KnowledgeBase
from ..quantities import Interval
from ..record import Measurement, Record, Statement, Therapy
from ..vocabulary import KINDS
from .bounds import bounds
from .choices import SIGNS, Courses, Flags, Ints, Lists, Quantities, beside, ids, marked, names, ongoing_or
from .profile import STANDARD, Draw, Drawn, Profile, profile_of

Frames = dict[str, pl.DataFrame]
"""A table for every section that has rows: `patients`, and the sections of a written record."""
Draft = dict[str, npt.NDArray[Any]]
"""Items as arrays of equal length: concepts as positions, days as days before the screening day."""

CHUNK = 20_000
"""Patients drawn at a time. Part of what the seed means."""
DAY, MONTH, YEAR, NONE = 10, 7, 4, 0
"""How much of a date is written: its first characters."""
SIDES = ("left", "right", "both")
STATED = {"finding": "present", "event": "happened", "procedure": "done", "judgement": "answer", "consent": "given"}


def generate(
    kb: KnowledgeBase, patients: int, *, seed: int = 0, day: date, profile: Profile | None = None
) -> Iterator[Frames]:
    """Yield the event tables of a population, some thousand whole patients at a time, sorted by patient. Raises KnowledgeBaseError."""
    drawer = _Drawer(kb, day, profile or profile_of(kb))
    for number, first in enumerate(range(0, patients, CHUNK)):
        yield drawer.draw(np.random.default_rng([seed, number]), first + 1, min(CHUNK, patients - first))


class _Drawer:
    """Draws patients; everything that does not depend on chance is prepared once."""

    def __init__(self, kb: KnowledgeBase, day: date, profile: Profile) -> None:
        self.kb = kb
        self.vocabulary = kb.vocabulary
        self.day = (day - date(1970, 1, 1)).days
        self.profile = profile
        self.bounds = bounds(kb.tests.values(), kb.vocabulary, day)
        self.concepts = {kind: self._concepts(kind) for kind in KINDS}
        self.draws = {kind: [self._draws(kind, group) for group in (Drawn(), *profile.groups)] for kind in KINDS}
        everyone = {kind: draws[0] for kind, draws in self.draws.items()}
        self.quantities = Quantities(self.concepts["measurement"], kb.vocabulary, self.bounds, everyone["measurement"])
        self.courses = Courses(self.concepts["therapy"], kb.vocabulary, self.bounds, everyone["therapy"], profile.routes)
        years = [Duration(int(years), "a") for years in self.bounds.values.get("age", ()) if years == int(years)]
        self.birthdays = np.array([(day - shift(day, age, -1)).days for age in years], dtype=np.int64)
        self.windows = {kind: self._edges(kind) for kind in KINDS}
        self.worked = _Worked(kb, self.concepts, self.courses)

    def _concepts(self, kind: str) -> list[str]:
        """Return what may be recorded: of drugs no classes, of quantities not the age, which follows from the birth date."""
        labels: Iterable[str] = self.vocabulary.drugs if kind == "therapy" else self.vocabulary.labels(kind)
        return sorted(name for name in labels if name != "age")

    def _draws(self, kind: str, group: Drawn) -> list[Draw]:
        """Return how each concept of a kind is drawn for the patients of a group, everything filled in."""
        tables = [getattr(group, kind), getattr(self.profile, kind)]
        found = []
        for concept in self.concepts[kind]:
            entries = [table[concept] for table in tables if concept in table]
            rare = 1 if entries or (kind, concept) in self.bounds.asked else self.profile.unasked
            entries += [getattr(self.profile, kind).get("default", Draw()), STANDARD]
            said = {name: _first(getattr(entry, name) for entry in entries) for name in Draw.__struct_fields__}
            found.append(Draw(**{**said, "share": (said["share"] or 0) * rare}))
        return found

    def _edges(self, kind: str) -> Lists:
        return Lists.of([self.bounds.days.get((kind, concept), ()) for concept in self.concepts[kind]], np.int64)

    # the patients

    def draw(self, rng: np.random.Generator, first: int, number: int) -> Frames:
        """Return a number of patients, the first of them with the given number."""
        group = self.groups(rng, number)
        like = np.where(rng.random(number) < self.profile.like_worked, self.worked.some(rng, number), -1)
        patients, age = self.persons(rng, first, like)
        tables: Frames = {"patients": patients}
        for section, kind in SECTIONS.items():
            parts = [self.worked.items(rng, kind, like)]
            for who, draws in enumerate(self.draws[kind]):
                parts.append(self.drawn(rng, kind, draws, np.flatnonzero((group == who) & (like < 0))))
            draft = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            order = np.argsort(draft["patient"], kind="stable")
            draft = {name: column[order] for name, column in draft.items()}
            tables[section] = self.finished(rng, kind, draft, age, first)
        return tables

    def groups(self, rng: np.random.Generator, number: int) -> Ints:
        """Return the group of each patient, from 1; 0 is none."""
        ends = np.cumsum([group.share for group in self.profile.groups])
        place = np.searchsorted(ends, rng.random(number), side="right")
        return np.where(place < len(ends), place + 1, 0)

    def persons(self, rng: np.random.Generator, first: int, like: Ints) -> tuple[pl.DataFrame, Ints]:
        """Return the table of patients, and how many days each has lived."""
        number, profile = len(like), self.profile
        youngest, oldest = profile.age
        age = rng.uniform(youngest * 365.25, oldest * 365.25, number).astype(np.int64)
        if len(self.birthdays):
            near = rng.random(number) < profile.near
            age = np.where(near, rng.choice(self.birthdays, number) + rng.integers(-1, 2, number), age)
        sex = np.where(rng.random(number) < profile.female, 0, 1)
        sex[rng.random(number) < profile.unsexed] = 2
        recorded = rng.integers(0, 15, number)
        complete = {name: rng.random(number) < share for name, share in profile.complete.items()}
        self.worked.persons(rng, like, age, sex, complete)
        died = np.where(rng.random(number) < 0.003, rng.integers(0, 400, number), 0)
        columns = {
            "patient": ids(np.arange(first, first + number)),
            "birth_date": self.dates(age, self.grains(rng, number)),
            "sex": names(("female", "male"), np.where(sex > 1, -1, sex)),
            "died": self.dates(died, np.where(died > 0, DAY, NONE)),
            "recorded": self.dates(recorded, np.full(number, DAY)),
            "complete": marked(complete, number),
        }
        return pl.DataFrame(columns), age

    # dates

    def dates(self, ago: Ints, grain: npt.NDArray[Any]) -> pl.Series:
        """Return days before the screening day as text, each to its grain."""
        text = pl.Series(self.day - ago).cast(pl.Int32).cast(pl.Date).dt.to_string("iso")
        grain = np.asarray(grain)
        if (grain == DAY).all():
            return text
        frame = pl.DataFrame({"text": text, "grain": grain})
        short = pl.col("text").str.slice(0, pl.col("grain").cast(pl.UInt32))
        whole = pl.when(pl.col("grain") == DAY).then("text").when(pl.col("grain") > NONE).then(short)
        return frame.select(whole.alias("text")).to_series()

    def grains(self, rng: np.random.Generator, number: int, undated: float = 0.0, measured: bool = False) -> Ints:
        chance = rng.random(number)
        grain = np.full(number, DAY)
        partial = self.profile.measured_partial if measured else self.profile.partial
        grain[chance < partial] = MONTH
        grain[chance < partial / 4] = YEAR
        grain[chance > 1 - undated] = NONE
        return grain

    def ago(self, rng: np.random.Generator, kind: str, concept: Ints, typical: float) -> Ints:
        """Return days before screening: some at, just before or just after the edge of a window."""
        days = rng.exponential(typical, len(concept)).astype(np.int64)
        edges = self.windows[kind]
        near = (rng.random(len(concept)) < self.profile.near) & edges.has(concept)
        edge = edges.values[edges.index(rng, concept)] + rng.integers(-1, 2, len(concept))
        return np.where(near, edge, days)

    # items

    def drawn(self, rng: np.random.Generator, kind: str, draws: list[Draw], members: Ints) -> Draft:
        """Return items of one kind for some patients."""
        owners, concepts = [], []
        for concept, draw in enumerate(draws):
            chosen = members[rng.random(len(members)) < (draw.share or 0)]
            more = rng.poisson(max((draw.count or 1) - 1, 0), len(chosen)) if kind in ("measurement", "therapy") else 0
            owners.append(np.repeat(chosen, 1 + more))
            concepts.append(np.full(len(owners[-1]), concept))
        patient, concept_of = np.concatenate(owners), np.concatenate(concepts)
        if kind == "measurement":
            return self.measured(rng, patient, concept_of, draws)
        if kind == "therapy":
            return self.taken(rng, patient, concept_of)
        return self.stated(rng, kind, patient, concept_of, draws)

    def measured(self, rng: np.random.Generator, patient: Ints, concept: Ints, draws: list[Draw]) -> Draft:
        number = len(patient)
        median = np.array([draw.median or 0 for draw in draws])
        centre = np.where(median > 0, median, self.quantities.centre)[concept]
        spread = np.array([draw.spread for draw in draws])[concept]
        return {
            "patient": patient,
            "concept": concept,
            "value": centre * np.exp(spread * rng.standard_normal(number)),
            "sign": np.where(rng.random(number) < self.profile.comparator, rng.integers(1, 5, number), 0),
            "low": np.where(rng.random(number) < 0.8, self.quantities.low[concept], np.nan),
            "high": np.where(rng.random(number) < 0.8, self.quantities.high[concept], np.nan),
            "ago": np.maximum(self.ago(rng, "measurement", concept, 150), 0),
            "grain": self.grains(rng, number, self.profile.measured_undated, measured=True),
            "method": self.method(rng, "measurement", concept),
            "side": np.full(number, -1),
        }

    def method(self, rng: np.random.Generator, kind: str, concept: Ints) -> Ints:
        """Return how something was found, as a position among all methods, where tests ask for that."""
        known = sorted(self.vocabulary.methods)
        asked = [self.bounds.methods.get((kind, name), ()) for name in self.concepts[kind]]
        table = Lists.of([[known.index(method) for method in methods] for methods in asked], np.int64)
        said = table.has(concept) & (rng.random(len(concept)) < 0.5)
        return np.where(said, table.values[table.index(rng, concept)], -1)

    def stated(self, rng: np.random.Generator, kind: str, patient: Ints, concept: Ints, draws: list[Draw]) -> Draft:
        number = len(patient)
        so = rng.random(number) < np.array([draw.present for draw in draws])[concept]
        typical = 700 if kind in ("finding", "event", "procedure") else 40
        ago = np.maximum(np.where(so, self.ago(rng, kind, concept, typical), rng.integers(0, 90, number)), 0)
        planned = so & (rng.random(number) < 0.05) & np.isin(kind, ("event", "procedure"))
        grain = self.grains(rng, number, self.profile.undated)
        ends = so & (rng.random(number) < 0.3) & (grain == DAY) & (kind == "finding")
        lasted = (rng.random(number) * (ago + 1)).astype(np.int64)
        later = so & ~ends & (rng.random(number) < 0.2) & (grain == DAY) & (kind == "finding")
        return {
            "patient": patient,
            "concept": concept,
            "so": so,
            "ago": np.where(planned, -rng.integers(1, 120, number), ago),
            "grain": grain,
            "end": ago - lasted,
            "end_grain": np.where(ends, DAY, NONE),
            "ongoing": so & ~ends & (rng.random(number) < 0.4) & (kind == "finding"),
            "stated": ago - lasted,
            "stated_grain": np.where(later, DAY, NONE),
            "method": self.method(rng, kind, concept) if kind == "finding" else np.full(number, -1),
            "side": np.full(number, -1),
            "planned": planned,
        }

    def taken(self, rng: np.random.Generator, patient: Ints, concept: Ints) -> Draft:
        number, courses = len(patient), self.courses
        alone = np.ones(number, dtype=np.bool_)
        alone[1:] &= (patient[1:] != patient[:-1]) | (concept[1:] != concept[:-1])
        alone[:-1] &= alone[1:]
        taken = ~alone | (rng.random(number) < 0.9)
        start = np.maximum(self.ago(rng, "therapy", concept, 500), 0)
        lasted = rng.exponential(120, number).astype(np.int64)
        near = (rng.random(number) < self.profile.near) & courses.spans.has(concept)
        span = courses.spans.values[courses.spans.index(rng, concept)] - 1 + rng.integers(-1, 2, number)
        end = start - np.maximum(np.where(near, span, lasted), 0)
        chance = rng.random(number)
        ongoing = taken & ((end < 0) | (chance < 0.2))
        ended = taken & ~ongoing & (chance < 0.95)
        dose, unit = courses.dose(rng, concept, self.profile.near)
        grain = self.grains(rng, number, self.profile.undated)
        response = rng.integers(0, max(len(courses.responses), 1), number)
        return {
            "patient": patient,
            "concept": concept,
            "taken": taken,
            "dose": np.where(taken & (rng.random(number) < 0.85), dose, np.nan),
            "dose_unit": unit,
            "ago": start,
            "grain": np.where(taken, grain, NONE),
            "end": end,
            "end_grain": np.where(ended, np.where(grain == DAY, self.grains(rng, number), DAY), NONE),
            "ongoing": ongoing,
            "response": np.where(taken & (rng.random(number) < 0.4), response, -1),
            "reason": np.where(taken & (rng.random(number) < 0.5), courses.reason(rng, concept), 0),
            "route": np.where(taken & (rng.random(number) < 0.7), courses.route(rng, number), -1),
            "planned": taken & False,
        }

    # the tables

    def finished(self, rng: np.random.Generator, kind: str, draft: Draft, age: Ints, first: int) -> pl.DataFrame:
        """Return a draft as a table in the written form."""
        lived = age[draft["patient"]]
        for name in ("ago", "end", "stated"):
            if name in draft:
                draft[name] = np.minimum(draft[name], lived)
        head = {"patient": ids(draft["patient"] + first), _name_field(kind): names(self.concepts[kind], draft["concept"])}
        if kind == "measurement":
            return pl.DataFrame(head | self.values(rng, draft))
        if kind == "therapy":
            return pl.DataFrame(head | self.therapies(draft))
        return pl.DataFrame(head | self.statements(kind, draft))

    def values(self, rng: np.random.Generator, draft: Draft) -> dict[str, Any]:
        number, concept, quantities = len(draft["concept"]), draft["concept"], self.quantities
        near = (rng.random(number) < self.profile.near) & quantities.near.has(concept)
        bound = quantities.near.values[quantities.near.index(rng, concept)]
        draft["value"] = np.where(near, beside(rng, bound), draft["value"])
        draft["value"][rng.random(number) < self.profile.unreadable] = np.nan
        unit = quantities.unit(rng, concept, self.profile.foreign_unit)
        value, text = quantities.written(draft["value"], unit, concept, draft["sign"])
        clock = (rng.random(number) < 0.1) & (draft["grain"] == DAY)
        return {
            "value": value,
            "text": text,
            "unit": names(quantities.unit_names, unit),
            "date": self.dates(draft["ago"], draft["grain"]),
            "time": names(["08:00", "12:30", "18:15"], np.where(clock, rng.integers(0, 3, number), -1)),
            "method": names(sorted(self.vocabulary.methods), draft["method"]),
            "low": quantities.converted(draft["low"], unit),
            "high": quantities.converted(draft["high"], unit),
            "side": names(SIDES, draft["side"]),
            "id": pl.Series([None] * number, dtype=pl.String),
        }

    def statements(self, kind: str, draft: Draft) -> dict[str, Any]:
        number = len(draft["concept"])
        found: dict[str, Any] = {STATED[kind]: draft["so"], "date": self.dates(draft["ago"], draft["grain"])}
        if kind in ("finding", "event"):
            found["end"] = ongoing_or(self.dates(draft["end"], draft["end_grain"]), draft["ongoing"])
        if kind == "finding":
            found["stated"] = self.dates(draft["stated"], draft["stated_grain"])
            found["method"] = names(sorted(self.vocabulary.methods), draft["method"])
        if kind in ("event", "procedure"):
            found["planned"] = draft["planned"]
        if kind in ("finding", "procedure"):
            found["side"] = names(SIDES, draft["side"])
        return {**found, "id": pl.Series([None] * number, dtype=pl.String)}

    def therapies(self, draft: Draft) -> dict[str, Any]:
        courses = self.courses
        return {
            "taken": draft["taken"],
            "dose": courses.dose_text(draft["dose"], draft["dose_unit"]),
            "route": names(courses.routes, draft["route"]),
            "start": self.dates(draft["ago"], draft["grain"]),
            "end": ongoing_or(self.dates(draft["end"], draft["end_grain"]), draft["ongoing"]),
            "response": names(courses.responses, draft["response"]),
            "for": pl.Series(courses.reasons, dtype=pl.List(pl.String))[draft["reason"]],
            "planned": draft["planned"],
            "id": pl.Series([None] * len(draft["taken"]), dtype=pl.String),
        }


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _name_field(kind: str) -> str:
    return {"measurement": "quantity", "therapy": "drug"}.get(kind, kind)


# ---- patients like the worked records --------------------------------------------------------------------------------


class _Worked:
    """The worked records of a trial, and those derived from them, as drafts; a patient like one differs from it in a few things."""

    def __init__(self, kb: KnowledgeBase, concepts: Mapping[str, list[str]], courses: Courses) -> None:
        self.methods = sorted(kb.vocabulary.methods)
        self.courses = courses
        try:
            worked = cases(kb)
            found = [(record_of(case, kb), case.day) for case in worked]
        except PyscreenError as error:
            raise KnowledgeBaseError(error.problems) from None
        self.written = sum(not case.way for case in worked)
        self.records = found
        self.number = len(found)
        self.place = {kind: {name: number for number, name in enumerate(names)} for kind, names in concepts.items()}
        self.drafts = {kind: self._draft(kind) for kind in KINDS}

    def some(self, rng: np.random.Generator, number: int) -> Ints:
        """Return a record for each patient, every second time one that is written out; -1 where there is none."""
        last = np.where(rng.random(number) < 0.5, self.written, self.number)
        return np.asarray((rng.random(number) * last).astype(np.int64)) if self.number else np.full(number, -1)

    def persons(self, rng: np.random.Generator, like: Ints, age: Ints, sex: Ints, complete: dict[str, Flags]) -> None:
        """Give each patient the age (give or take 2 years), the sex and the completeness of the record that it is like."""
        chosen = np.flatnonzero(like >= 0)
        names = {name for record, _ in self.records for name in record.complete}
        for name in sorted(names | set(complete)):
            flag = complete.setdefault(name, np.zeros(len(like), dtype=np.bool_))
            flag[chosen] = np.array([name in record.complete for record, _ in self.records])[like[chosen]]
        ages = np.array([(day - record.birth.earliest).days if record.birth else -1 for record, day in self.records])
        older = np.where(rng.random(len(chosen)) < 0.3, rng.integers(-730, 731, len(chosen)), 0)
        own = ages[like[chosen]] + older
        age[chosen] = np.where(ages[like[chosen]] < 0, age[chosen], np.maximum(own, 0))
        sexes = np.array([{"female": 0, "male": 1}.get(record.sex or "", 2) for record, _ in self.records])
        sex[chosen] = sexes[like[chosen]]

    def items(self, rng: np.random.Generator, kind: str, like: Ints) -> Draft:
        """Return the items of the records that some patients are like, a few of them left out or changed."""
        draft = self.drafts[kind]
        who = np.flatnonzero(like >= 0)
        first = np.searchsorted(draft["record"], like[who], side="left")
        many = np.searchsorted(draft["record"], like[who], side="right") - first
        rows = np.arange(many.sum()) + np.repeat(first - (np.cumsum(many) - many), many)
        copied = {name: column[rows] for name, column in draft.items() if name != "record"}
        copied["patient"] = np.repeat(who, many)
        kept = rng.random(len(rows)) > 0.02
        copied = {name: column[kept] for name, column in copied.items()}
        self._vary(rng, copied)
        return copied

    def _vary(self, rng: np.random.Generator, copied: Draft) -> None:
        number = len(copied["patient"])
        moved = np.where(rng.random(number) < 0.1, rng.integers(-3, 4, number), 0)
        for name in ("ago", "end", "stated"):
            if name in copied:
                copied[name] = np.where(copied["ago"] >= 4, copied[name] + moved, copied[name])
        if "value" in copied:
            changed = rng.random(number) < 0.1
            copied["value"] = copied["value"] * np.where(changed, np.exp(0.2 * rng.standard_normal(number)), 1.0)
        if "so" in copied:
            turned = (rng.random(number) < 0.01) & (copied["end_grain"] == NONE) & ~copied["ongoing"] & ~copied["planned"]
            copied["so"] = copied["so"] ^ turned

    def _draft(self, kind: str) -> Draft:
        rows: list[dict[str, Any]] = []
        for number, (record, day) in enumerate(self.records):
            for item in _items(record, kind):
                place = self.place[kind].get(item.concept)
                if place is not None:
                    rows.append({"record": number, "concept": place, **self._row(kind, item, day)})
        columns = rows[0] if rows else {"record": 0, "concept": 0, **self._row(kind, _blank(kind), date(2000, 1, 1))}
        return {name: np.array([row[name] for row in rows], dtype=_dtype(value)) for name, value in columns.items()}

    def _row(self, kind: str, item: Any, day: date) -> dict[str, Any]:
        if kind == "measurement":
            return self._measurement(item, day)
        return self._therapy(item, day) if kind == "therapy" else self._statement(item, day)

    def _measurement(self, item: Measurement, day: date) -> dict[str, Any]:
        value, sign = _number(item.value)
        ago, grain = _ago(item.when, day)
        return {
            "value": value,
            "sign": sign,
            "low": np.nan if item.low is None else float(item.low),
            "high": np.nan if item.high is None else float(item.high),
            "ago": ago,
            "grain": grain,
            "method": self.methods.index(item.method) if item.method else -1,
            "side": SIDES.index(item.side) if item.side else -1,
        }

    def _statement(self, item: Statement, day: date) -> dict[str, Any]:
        ago, grain = _ago(item.when, day)
        end, end_grain = _ago(item.end, day)
        stated, stated_grain = _ago(item.stated if item.stated != item.when and not item.ongoing else None, day)
        return {
            "so": item.present,
            "ago": ago,
            "grain": grain,
            "end": end,
            "end_grain": end_grain,
            "ongoing": item.ongoing,
            "stated": stated,
            "stated_grain": stated_grain,
            "method": self.methods.index(item.method) if item.method else -1,
            "side": SIDES.index(item.side) if item.side else -1,
            "planned": item.planned,
        }

    def _therapy(self, item: Therapy, day: date) -> dict[str, Any]:
        start, grain = _ago(item.start, day)
        end, end_grain = _ago(item.end, day)
        courses = self.courses
        if list(item.reasons) not in courses.reasons:
            courses.reasons.append(list(item.reasons) or None)
        return {
            "taken": item.taken,
            "dose": float(item.dose.amount) if item.dose else np.nan,
            "dose_unit": courses.units.index(item.dose.unit) if item.dose else 0,
            "ago": start,
            "grain": grain,
            "end": end,
            "end_grain": end_grain,
            "ongoing": item.ongoing,
            "response": courses.responses.index(item.response) if item.response else -1,
            "reason": courses.reasons.index(list(item.reasons) or None),
            "route": courses.routes.index(item.route) if item.route else -1,
            "planned": item.planned,
        }


def _items(record: Record, kind: str) -> Iterable[Measurement | Statement | Therapy]:
    if kind == "measurement":
        return record.measurements
    return record.therapies if kind == "therapy" else record.statements(kind)


def _blank(kind: str) -> Measurement | Statement | Therapy:
    if kind == "measurement":
        return Measurement("", Interval(None, None), "")
    return Therapy("") if kind == "therapy" else Statement("", True)


def _dtype(value: object) -> Any:
    return np.bool_ if isinstance(value, bool) else np.float64 if isinstance(value, float) else np.int64


def _ago(when: When | None, day: date) -> tuple[int, int]:
    """Return how many days before screening, and to what grain it is known."""
    if when is None:
        return 0, NONE
    known = DAY if when.exact else len(str(when))
    return (day - when.earliest).days, known if known in (DAY, MONTH, YEAR) else MONTH


def _number(value: Interval) -> tuple[float, int]:
    """Return a number and the position of its sign; of a range its lower end."""
    if value.exact or (value.low is not None and value.high is not None):
        return float(value.low or 0), 0
    if value.high is not None:
        return float(value.high), SIGNS.index("<" if value.high_open else "<=")
    if value.low is not None:
        return float(value.low), SIGNS.index(">" if value.low_open else ">=")
    return float("nan"), 0
