"""Random questions and random written records over the small vocabulary of tests/randoms.py, for what no trial asks yet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from pyscreen.questions import Test
from tests.randoms import DAY, DRUGS, question

_DAYS = (0, 1, 2, 6, 7, 8, 13, 14, 27, 28, 29, 30, 31, 83, 84, 85, 120, 364, 365, 366)
_OTHERS = ("event(relapse)", "event(death)", "finding(rash)", "procedure(transplant)", "therapy(steroid)", "measurement(ldh)")
_ANY = ('within("28 d")', 'within("2 mo")', 'ago(at_least("2 wk"))', 'ago(between("1 wk","2 mo"))', 'as_of("4 wk")', 'age(at_least("40 a"))')
_TO_OTHERS = ('near({0},"7 d")', "after({0})", "since({0})", "with({0})", 'with({0},at_least("4 wk"))', 'near({0},"1 mo")')
_WITHIN = ('within("7 d",event(depletion))', 'within("2 mo",procedure(transplant))')
CONDITIONS = {
    "measurement": (*_ANY, *_TO_OTHERS, *_WITHIN, "method(elisa)", 'value(below("30 10*9/L"))', 'value(at_least("1 [LLN]"))'),
    "finding": (*_ANY, *_TO_OTHERS, *_WITHIN, 'inside("3 mo")', "ongoing", 'lasting(at_least("4 wk"))', "method(elisa)"),
    "therapy": (
        *_ANY, *_TO_OTHERS, *_WITHIN, 'inside("3 mo")', 'ahead("4 wk")', "ongoing", 'lasting(at_least("4 wk"))', 'lasting(below("12 wk"))',
        'dose(at_least("30 mg/d"))', 'dose(below("1 mg/kg/d"))', "route(oral)", "outcome(failed)", "for(rash)",
    ),
    "event": (*_ANY, *_TO_OTHERS, *_WITHIN, 'inside("3 mo")', 'ahead("4 wk")'),
    "procedure": (*_ANY, *_TO_OTHERS, 'ahead("2 mo")'),
    "judgement": ('within("28 d")',),
}  # fmt: skip
_VALUES = ('below("30 10*9/L")', 'at_most("30 10*9/L")', 'above("50 10*9/L")', 'equals("30 10*9/L")', 'between("20 10*9/L","50 10*9/L")', 'above("1 [ULN]")')
_COUNTS = ("at_least(2)", "at_most(1)", "equals(1)")
_TIMES = ('at_least("4 wk")', 'below("1 mo")')
SUMMARIES = {
    "measurement": {
        **dict.fromkeys(("latest", "latest(lowest)", "latest(highest)", "earliest", "lowest", "highest", "each_of_latest(2)", "consecutive(2)"), _VALUES),
        **dict.fromkeys(("fall", "rise(previous)", "fall(extreme)"), ('at_least("10 10*9/L")', 'below("20 10*9/L")')),
        **dict.fromkeys(("relative_fall", "relative_rise(previous)"), ('at_least("50 %")', 'below("100 %")')),
        "count": _COUNTS, "time_since": _TIMES, "time_between": _TIMES,
    },
    "finding": {"latest": ("present", "absent"), "count": _COUNTS, "time_since": _TIMES, "time_between": _TIMES},
    "therapy": {
        **dict.fromkeys(("count", "count(drugs)", "count(classes)"), _COUNTS),
        "daily_dose": ('at_least("30 mg/d")', 'at_most("1 mg/kg/d")'), "unchanged": ('at_least("4 wk")',),
    },
    "event": {"count": _COUNTS, "time_since": _TIMES, "time_between": _TIMES},
    "procedure": {"count": _COUNTS, "time_since": _TIMES},
    "judgement": {"latest": ("present", "absent")},
}  # fmt: skip
ITEMS = {
    "measurement": ("measurement(platelets)",),
    "finding": ("finding(rash)",),
    "therapy": ("therapy(steroid)", "therapy(suppressant)", "therapy(prednisone)", "therapy(except(suppressant,purine))"),
    "event": ("event(relapse)", "event(death)", "event(sudden_death)"),
    "procedure": ("procedure(transplant)",),
    "judgement": ("judgement(fit)",),
}
_NEWEST = ("latest", "each_of_latest", "consecutive", "fall", "rise", "relative_fall", "relative_rise")


def questions(number: int, seed: int, *kinds: str) -> Iterator[Test]:
    """Yield so many tests, each of its own name: any items (of some kinds), under up to three conditions, summed up in any way."""
    choice = Random(seed)
    for i in range(number):
        kind = choice.choice(kinds or list(ITEMS))
        summary, comparison = "some", "present"
        if kind == "judgement" or choice.random() < 0.6:
            summary = choice.choice(list(SUMMARIES[kind]))
            comparison = choice.choice(SUMMARIES[kind][summary])
        given = choice.sample(CONDITIONS[kind], min(choice.choice((0, 1, 1, 2, 3)), len(CONDITIONS[kind])))
        ahead = [text for text in given if text.startswith("ahead")]
        given = ahead or given  # of what is only planned, how long it lasted and the like cannot be asked
        given = list({text.split("(")[0]: text.format(choice.choice(_OTHERS)) for text in given}.values())
        if kind != "therapy" and summary.split("(")[0] in _NEWEST and choice.random() < 0.4:
            given.append('newest("28 d")')
        yield replace(question(choice.choice(ITEMS[kind]), summary, comparison, *given), id=f"t{i}", family=f"f{i}")


def laboratory(number: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield so many written records of several values of a few days, some of one day or instant, in either unit, some of them bounds."""
    choice = Random(seed)
    for i in range(number):
        yield {"record": f"r{i:04}", **_Writer(choice, vague=0.03).laboratory()}


_INPUTS = {
    "creatinine": ("0.8 mg/dL", "1.2 mg/dL", "2.5 mg/dL", "106.1 umol/L", ">9 mg/dL", "<0.3 mg/dL", "unknown"),
    "egfr": ("29 mL/min/{1.73_m2}", "30 mL/min/{1.73_m2}", ">60 mL/min/{1.73_m2}", "unknown"),
    "egfr_ckd_epi_2021": ("29 mL/min/{1.73_m2}", "31 mL/min/{1.73_m2}"),
    "qt_interval": ("400 ms", "460 ms", "0.47 s", "480 ms", "<500 ms", "unknown"),
    "heart_rate": ("60 /min", "60.0 /min", "75 /min", "100 /min", ">50 /min"),
    "qtcf": ("469 ms", "470 ms", "480 ms"),
    "mpap": ("25 mm[Hg]", "40 mm[Hg]"),
    "pawp": ("10 mm[Hg]", "<16 mm[Hg]"),
    "cardiac_output": ("4 L/min", "6.25 L/min", "unknown"),
    "pvr": ("2 [wood'U]", "5 [wood'U]"),
}


def inputs(number: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield so many written records over the real vocabulary of what quantities are computed from, and of these as reported."""
    choice = Random(seed)
    for i in range(number):
        yield {"record": f"r{i:04}", **_Writer(choice, vague=0.08).inputs()}


def of_courses() -> Iterator[Test]:
    """Yield tests of whole courses of which only entries of a dose or by a route count."""
    entries = ((), *((text,) for text in CONDITIONS["therapy"] if text.startswith(("dose", "route"))))
    courses = ("outcome(failed)", "outcome(responded)", "for(rash)", "for(skin)", 'lasting(at_least("4 wk"))', "ongoing", 'within("28 d")',
               "with(therapy(steroid))")  # fmt: skip
    for i, (items, given, more) in enumerate(itertools.product(ITEMS["therapy"], entries, courses)):
        yield replace(question(items, "some", "present", *given, more), id=f"c{i}", family=f"c{i}")


def records(number: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield so many written records of a few items, much of them open."""
    choice = Random(seed)
    for i in range(number):
        yield {"record": f"r{i:04}", **_Writer(choice).record()}


def entangled(number: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield so many written records of entries of a drug or two that touch, overlap or may, and of weights about the same days."""
    choice = Random(seed)
    for i in range(number):
        yield {"record": f"r{i:04}", **_Writer(choice, vague=0.5).entangled()}


class _Writer:
    def __init__(self, choice: Random, vague: float = 0.33) -> None:
        self.choice = choice
        self.vague = vague

    def some(self, *options: Any) -> Any:
        return self.choice.choice(options)

    def day(self, back: int | None = None) -> str | None:
        """Return a day as it may be written: exactly, to the month or year, or not at all."""
        back = self.some(*_DAYS) if back is None else back
        text = (DAY - timedelta(days=back)).isoformat()
        return text if self.choice.random() >= self.vague else self.some(text[:7], text[:7], text[:4], None)

    def record(self) -> dict[str, Any]:
        few = lambda most: range(self.choice.randint(0, most))  # noqa: E731
        rows = {
            "birth_date": self.some(None, "1986-11-01", "1986-11-20", "1986-11", "1970"),
            "died": self.day(self.some(0, 1, 28, 30)) if self.choice.random() < 0.15 else None,
            "sex": self.some(None, "male", "female"),
            "recorded": self.some(None, DAY.isoformat(), (DAY - timedelta(days=40)).isoformat()),
            "complete": [name for name in ("measurements", "findings", "therapies", "events", "procedures", "rash", "steroid", "purine") if self.choice.random() < 0.2],
            "measurements": [self.slip(self.measurement()) for _ in few(5)],
            "findings": [self.slip(self.finding()) for _ in few(3)],
            "therapies": [therapy for _ in few(3) for therapy in self.therapies()],
            "events": [self.event() for _ in few(3)],
            "procedures": [self.statement("procedure", "transplant", "done") for _ in few(1)],
            "judgements": [self.slip(self.statement("judgement", "fit", "answer")) for _ in few(2)],
        }
        return {name: [_written(row) for row in value] if name not in ("complete",) and isinstance(value, list) else value
                for name, value in rows.items() if value}  # fmt: skip

    def entangled(self) -> dict[str, Any]:
        """Return a record of a month or two, in which next to nothing lies apart."""
        drugs = self.choice.sample(DRUGS, self.some(1, 1, 2))
        return {
            "complete": self.some([], ["therapies"], ["events", "findings"]),
            "therapies": [_written(self.entry(drug)) for drug in drugs for _ in range(self.some(1, 2, 3, 4, 5))],
            "measurements": [_written(self.weight()) for _ in range(self.some(0, 1, 2, 3))],
            "events": [_written(self.event()) for _ in range(self.some(0, 1))],
            "findings": [_written(self.finding()) for _ in range(self.some(0, 1))],
        }

    def laboratory(self) -> dict[str, Any]:
        """Return a record of a few days."""
        back = self.some(0, 20, 23)
        return {
            "complete": self.some([], ["measurements"]), "measurements": [_written(self.count(back)) for _ in range(self.some(1, 2, 3, 4, 6))],
            "events": [_written(self.event()) for _ in range(self.some(0, 0, 1))],
        }  # fmt: skip

    def inputs(self) -> dict[str, Any]:
        """Return a record of a few days, of a patient of about 18 years or much older."""
        family = self.some(("creatinine", "creatinine", "egfr", "egfr_ckd_epi_2021"), ("qt_interval", "heart_rate", "qtcf"),
                           ("mpap", "pawp", "cardiac_output", "pvr"))  # fmt: skip
        return {
            "birth_date": self.some("2008-11-10", "2008-11-21", "2008-11", "1950-02-28", "1950-02-28", None) or "1950",
            "sex": self.some("male", "female", None) or "female",
            "measurements": [_written(self.reported(self.some(*family))) for _ in range(self.some(2, 3, 5, 8))],
        }

    def reported(self, quantity: str) -> dict[str, Any]:
        day = self.day(self.some(0, 0, 3, 3, 9, -3))
        timed = day and len(day) == 10 and self.choice.random() < 0.5
        return {
            "quantity": quantity, "value": self.some(*_INPUTS[quantity]), "date": day, "time": self.some("08:00", "08:00:00", "20:00") if timed else None,
            "method": self.some(None, "ckd_epi_2021", "ckd_epi_2009", "bedside_schwartz") if quantity == "egfr" else None,
        }  # fmt: skip

    def count(self, back: int) -> dict[str, Any]:
        value = self.some("9.9 10*9/L", "20 10*9/L", "20.0 K/uL", "200 10*8/L", "29.9 10*9/L", "299 10*8/L", "399 10*8/L", "39.9 10*9/L",
                          "49.9 K/uL", "60 10*9/L", "<30 10*9/L", ">=50 10*9/L", "0 10*9/L", "unknown")  # fmt: skip
        return {
            "quantity": "platelets", "value": value,
            "date": (day := self.day(back + self.some(0, 0, 1, 7, 8))),
            "time": self.some("08:00", "08:00:00", "20:00") if day and len(day) == 10 and self.choice.random() < 0.8 else None,
            "method": self.some(None, None, None, "elisa"), "low": self.some(None, "10"), "high": self.some(None, "30"),
        }  # fmt: skip

    def entry(self, drug: str) -> dict[str, Any]:
        back = self.week()
        end = max(0, back - self.some(0, 1, 6, 7, 20, 35))
        return {
            "drug": drug, "dose": self.some(None, "5 mg/d", "30 mg/d", "60 mg/d", "1 mg/kg/d", "0.5 mg/kg/d"), "route": self.some(None, "oral", "topical"),
            "start": self.day(back), "end": self.some("ongoing", None) if self.choice.random() < 0.2 else self.day(end),
            "response": self.some(None, None, "none", "partial"), "for": self.some(None, None, "rash", "ache", "skin"),
        }  # fmt: skip

    def weight(self) -> dict[str, Any]:
        written = self.some("60 kg", "60.0 kg", "30 kg", "29.9 kg", "90 kg", "60 kg", "30 kg", "<60 kg", "unknown", "0 kg", "29000 g")
        return {"quantity": "weight", "value": written, "date": self.day(self.week())}

    def week(self) -> int:
        """Return a number of days back, often of whole weeks, so that days are often equally far apart."""
        return self.some(self.choice.randint(0, 70), 7 * self.choice.randint(0, 10))

    def slip(self, row: dict[str, Any]) -> dict[str, Any]:
        """Let an item, now and then, be dated ahead of the screening."""
        return {**row, "date": self.day(-self.some(1, 5, 400))} if self.choice.random() < 0.03 else row

    def measurement(self) -> dict[str, Any]:
        concept = self.some("platelets", "platelets", "platelets", "weight", "ldh")
        unit = {"platelets": self.some("10*9/L", "K/uL"), "weight": "kg", "ldh": "U/L"}[concept]
        day = self.day()
        value = self.some("10", "20", "29.9", "30", "30.0", "50", "60", "<30", ">=50", ">10")
        if self.choice.random() < 0.02:
            value = self.some("-10", "0", "-0.001", "<0", "<=0", "< -3", ">= -1")
        return {
            "quantity": concept, "value": self.some(f"{value} {unit}", f"{value} {unit}", f"{value} {unit}", "unknown"), "date": day,
            "time": self.some("08:00", "08:00:00", "20:00", None) if day and len(day) == 10 and self.choice.random() < 0.3 else None,
            "method": self.some(None, None, "elisa", "rapid"), "low": self.some(None, "25", "50"), "high": self.some(None, "45"),
        }  # fmt: skip

    def finding(self) -> dict[str, Any]:
        back = self.some(*_DAYS)
        present = self.some(True, True, False)
        ends = self.some(None, None, "ongoing", self.day(max(0, back - self.some(0, 7, 28, 84)))) if present else None
        return {"finding": self.some("rash", "rash", "ache", "skin"), "present": present, "date": self.day(back), "end": ends, "method": self.some(None, "elisa")}

    def statement(self, kind: str, concept: str, flag: str) -> dict[str, Any]:
        return {kind: concept, flag: self.some(True, True, True, False), "date": self.day()}

    def event(self) -> dict[str, Any]:
        if self.choice.random() < 0.4:
            return {"event": "depletion", "planned": True, "date": self.day(-self.some(0, 1, 3, 10, 40))}
        return self.statement("event", self.some("relapse", "relapse", "depletion"), "happened")

    def therapies(self) -> Iterator[dict[str, Any]]:
        """Yield entries of one drug, of which one may follow the other."""
        drug, back = self.some(*DRUGS), self.some(*_DAYS)
        if self.choice.random() < 0.1:
            yield {"drug": self.some("steroid", drug), "taken": False, "dose": self.some(None, None, "5 mg/d")}
            return
        for _ in range(self.some(1, 1, 2, 3)):
            length = self.some(0, 2, 7, 27, 83)
            over = self.some("ongoing", None) if back - length <= 0 else self.day(back - length)
            yield {
                "drug": drug, "dose": self.some(None, "5 mg/d", "30 mg/d", "60 mg/d", "1 mg/kg/d"), "route": self.some(None, "oral", "oral", "topical"),
                "start": self.day(back), "end": over, "response": self.some(None, None, "none", "partial"),
                "for": self.some(None, "rash", "ache"), "planned": None if back >= 0 else True,
            }  # fmt: skip
            back -= length + self.some(1, 1, 2, 10)


def _written(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
