"""Random records in their written form: worked cases with items left out, changed, mixed with those of others and made up.

What is made up lies near what the knowledge base asks about: values at thresholds and in every unit, days at the edges of windows,
partly known dates, doses by weight, entries that touch, direct answers, histories declared complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from pyscreen.form import CLOSABLE, SECTIONS
from pyscreen.knowledge import KnowledgeBase
from pyscreen.quantities import show
from pyscreen.sources import read_form

DAY = date(2026, 11, 22)
Written = dict[str, Any]
_AGO = (0, 0, 1, 2, 6, 7, 8, 13, 14, 15, 27, 28, 29, 31, 55, 56, 57, 83, 84, 85, 90, 91, 92, 168, 181, 182, 183, 364, 365, 366, 400, 730, 1500)


@dataclass(frozen=True)
class Asked:
    """A written record, the day on which it is screened, and how a site reads the protocol."""

    written: Written
    day: date
    readings: Mapping[str, str]


def worked(kb: KnowledgeBase) -> list[Written]:
    """Return the worked records of a trial, those in FHIR too, as their written form."""
    folder = kb.main.parent / "cases"
    paths = [path for path in sorted(folder.glob("*")) if path.suffix in (".yaml", ".json") and not path.name.startswith(("cases", "clauses"))]
    return [dict(read_form(path, kb)[0]) for path in paths]


def written_records(kb: KnowledgeBase, number: int, seed: int) -> Iterator[Asked]:
    """Yield so many random records."""
    known, random = worked(kb) or [{"birth_date": "1986-05-31", "sex": "female", "recorded": "2026-11-20"}], Random(seed)
    for i in range(number):
        yield _Maker(kb, random).asked(random.choice(known), random.choice(known), i)


class _Maker:
    def __init__(self, kb: KnowledgeBase, random: Random) -> None:
        self.kb = kb
        self.random = random
        self.words = kb.vocabulary

    def happens(self, share: float) -> bool:
        return self.random.random() < share

    def asked(self, one: Written, other: Written, number: int) -> Asked:
        day = DAY + timedelta(days=self.random.choice((0, 0, 0, 0, 1, -1, 30, -200, 400)))
        keep = 1.0 if self.happens(0.2) else self.random.uniform(0.3, 1)
        mixed = self.random.uniform(0, 0.3) if self.happens(0.4) else 0.0
        written: Written = {"record": f"{one.get('record', 'case')}-{number}"}
        for field in ("birth_date", "sex", "recorded", "died"):
            if field in one and self.happens(0.92):
                written[field] = one[field]
        if self.happens(0.02):
            written["birth_date"] = "2062-05-31"
        if self.happens(0.1) and "birth_date" in written:
            written["birth_date"] = str(written["birth_date"])[: self.random.choice((4, 7))]
        for section in SECTIONS:
            rows = [row for row in one.get(section, ()) if self.happens(keep)]
            rows += [row for row in other.get(section, ()) if self.happens(mixed)]
            rows = [self.changed(section, row) if self.happens(0.15) else dict(row) for row in rows]
            if self.happens(0.5):
                rows += [self.made(section) for _ in range(self.random.choice((1, 1, 2, 4) if len(one) > 3 else (2, 3, 5, 8)))]
            if rows:
                self.random.shuffle(rows)
                written[section] = rows
        if self.happens(0.4):
            answerable = list(self.kb.answerable)
            written["answers"] = [self.answer(answerable) for _ in range(self.random.choice((1, 3, 20, 100)))]
        complete = [name for name in one.get("complete", ()) if self.happens(0.8)]
        if self.happens(0.3):
            complete.append(self.random.choice((*CLOSABLE, *self.words.classes, *self.words.findings)))
        if complete:
            written["complete"] = complete
        readings = {
            reading.id: self.random.choice(list(reading.options))
            for reading in self.kb.readings.values()
            if self.happens(0.05)
        }
        return Asked(written, day, readings)

    def answer(self, answerable: Sequence[str]) -> Written:
        row: Written = {"test": self.random.choice(answerable), "answer": self.happens(0.5)}
        row["date"] = (DAY - timedelta(days=self.random.choice((0, 0, 0, 1, 30, -1)))).isoformat()
        if self.happens(0.2):
            row["by"] = "Dr Meier"
        return row

    # ---- days --------------------------------------------------------------------------------------------------------

    def day(self) -> str:
        day = DAY - timedelta(days=self.random.choice(_AGO) * self.random.choice((1, 1, 1, 1, 1, 1, -1)))
        return day.isoformat()[: self.random.choice((10, 10, 10, 10, 10, 7, 4))]

    def around(self, written: str) -> str:
        """Return a day near another one, or less of it."""
        try:
            day = date.fromisoformat(written)
        except ValueError:
            return self.day()
        shifted = day + timedelta(days=self.random.choice((0, 1, -1, 7, -30, 31, 365)))
        return shifted.isoformat()[: self.random.choice((10, 10, 7, 4))]

    # ---- items -------------------------------------------------------------------------------------------------------

    def changed(self, section: str, row: Mapping[str, Any]) -> Written:
        """Return an item with one thing changed or left out."""
        found = dict(row)
        named = next(iter(row))
        field = self.random.choice(list(row))
        if field in ("date", "start", "end", "stated") and found[field] != "ongoing":
            found[field] = self.around(str(found[field]))
        elif field == "value" and section == "measurements":
            found.pop("unit", None)
            found[field] = self.value(str(row[named]))
        elif field != named and field not in ("value", "dose", "unit"):
            found.pop(field)
        return found

    def made(self, section: str) -> Written:
        """Return an item that nobody wrote."""
        made: Written = getattr(self, f"_{section}")()
        return {field: value for field, value in made.items() if value is not None}

    def maybe(self, share: float, value: Any) -> Any:
        return value if self.happens(share) else None

    def value(self, quantity: str) -> str:
        """Return a value at, or just beside, what some test compares it with, in any of its units."""
        scale = self.words.quantities[quantity].scale
        if self.happens(0.04):
            return "unknown"
        if scale.grades and self.happens(0.5):
            return self.random.choice(list(scale.grades))
        numbers = self.thresholds(quantity) or [Fraction(1), Fraction(50)]
        number = self.random.choice(numbers) + self.random.choice((0, 0, 0, Fraction(1, 100), Fraction(-1, 100), 1, -1, 10))
        number *= self.random.choice((1, 1, 1, 1, 2, Fraction(1, 2)))
        unit = self.random.choice(scale.units)
        factor, offset = scale.factors.get(unit, (Fraction(1), Fraction(0)))
        if not self.happens(0.01):
            number = max(number, self.words.quantities[quantity].possible.low or Fraction(0))
        shown = show((number - offset) / factor).removeprefix("about ")
        sign = self.random.choice(("", "", "", "", "", "<", ">=", "<= ", ">"))
        return f"{sign}{shown} {unit}"

    def thresholds(self, quantity: str) -> list[Fraction]:
        tests = [test for test in self.kb.tests.values() if test.selection.concept == quantity]
        compared = [test.comparison for test in tests]
        compared += [c.comparison for test in tests for c in test.selection.conditions if c.comparison and c.name == "value"]
        return [threshold.number for one in compared for threshold in one.thresholds if not threshold.limit]

    def _measurements(self) -> Written:
        asked = [test.selection.concept for test in self.kb.tests.values() if test.selection.kind == "measurement"]
        reported = [name for name in (*asked, "weight", "creatinine", "qt_interval", "heart_rate", "egfr") if name in self.words.quantities]
        quantity = self.random.choice(reported)
        found: Written = {"quantity": quantity, "value": self.value(quantity), "date": self.maybe(0.93, self.day())}
        found["method"] = self.maybe(0.15, self.random.choice(sorted(self.words.methods)))
        if self.happens(0.2) and not self.words.quantities[quantity].scale.grades:
            unit = found["value"].rpartition(" ")[2] if " " in found["value"] else ""
            found |= {"low": f"10 {unit}", "high": f"40 {unit}"} if unit else {}
        if found["date"] and len(found["date"]) == 10:
            found["time"] = self.maybe(0.2, self.random.choice(("08:00", "08:00:00", "20:30")))
        return found

    def _findings(self) -> Written:
        found: Written = {"finding": self.random.choice(sorted(self.words.findings)), "date": self.maybe(0.8, self.day())}
        if self.happens(0.35):
            return {**found, "present": False}
        found["end"] = self.maybe(0.4, self.random.choice(("ongoing", self.day())))
        found["stated"] = self.maybe(0.2, self.day())
        return found

    def _therapies(self) -> Written:
        drug = self.random.choice((*sorted(self.words.drugs), "prednisone", "mycophenolate"))
        if drug not in self.words.drugs or self.happens(0.1):
            return {"drug": self.random.choice((*sorted(self.words.drugs), *sorted(self.words.classes))), "taken": False}
        dose = self.random.choice((None, "5 mg/d", "7.5 mg/d", "30 mg/d", "1 mg/kg/d", "15 mg/wk", "500 mg twice daily", "1 g every 2 weeks", "40 mg every other day"))
        reasons = self.random.sample(sorted(self.words.findings), 2)
        return {
            "drug": drug,
            "dose": dose,
            "route": self.maybe(0.6, self.random.choice(("oral", *sorted(self.words.routes)))),
            "start": self.maybe(0.9, self.day()),
            "end": self.maybe(0.7, self.random.choice(("ongoing", self.day()))),
            "response": self.maybe(0.5, self.random.choice(sorted(self.words.responses))),
            "for": self.maybe(0.5, self.random.choice((reasons[0], reasons, "sle", "lupus_nephritis") if "sle" in self.words.findings else (reasons[0],))),
            "planned": self.maybe(0.05, True),
        }  # fmt: skip

    def _events(self) -> Written:
        found: Written = {"event": self.random.choice(sorted(self.words.events)), "date": self.maybe(0.8, self.day())}
        if self.happens(0.3):
            return {**found, "happened": False}
        return {**found, "planned": self.maybe(0.2, True), "end": self.maybe(0.1, "ongoing")}

    def _procedures(self) -> Written:
        found: Written = {"procedure": self.random.choice(sorted(self.words.procedures)), "date": self.maybe(0.8, self.day())}
        return {**found, "done": self.maybe(0.3, False), "planned": self.maybe(0.1, True)}

    def _judgements(self) -> Written:
        return {"judgement": self.random.choice(sorted(self.words.judgements)), "answer": self.maybe(0.4, False), "date": self.maybe(0.9, self.day())}

    def _consents(self) -> Written:
        return {"consent": self.random.choice(sorted(self.words.consents)), "given": self.maybe(0.3, False), "date": self.maybe(0.9, self.day())}
