"""Random partial records: the worked cases of the trial with items, declarations and attributes left out at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from random import Random
from typing import TypeVar

import pyscreen
from pyscreen.coverage import Coverage, cases, coverage, record_of
from pyscreen.knowledge import KnowledgeBase
from pyscreen.record import Record, Statement, Therapy
from pyscreen.screening import Screener

DAY = date(2026, 11, 22)
_Item = TypeVar("_Item")


@cache
def knowledge() -> KnowledgeBase:
    return pyscreen.load("cd19_autoimmune")


@cache
def screener() -> Screener:
    return Screener(knowledge())


@cache
def worked(derived: bool) -> tuple[Record, ...]:
    """Return the records of the worked cases: those that are listed, or those derived from them for one clause."""
    return tuple(record_of(case, knowledge()) for case in cases(knowledge()) if bool(case.way) is derived)


@cache
def covered() -> tuple[Coverage, ...]:
    """Return what the worked cases cover, clause by clause."""
    return tuple(coverage(knowledge(), screener()))


def partial_records(number: int, seed: int) -> Iterator[Record]:
    """Yield so many records, each a worked case (as often listed as derived) that keeps between a third of its items and all."""
    random = Random(seed)
    for i in range(number):
        yield partial(random.choice(worked(derived=i % 2 == 1)), random, i)


def partial(record: Record, random: Random, number: int = 0) -> Record:
    keep = 1.0 if random.random() < 0.25 else random.uniform(0.3, 1)

    def some(items: Sequence[_Item]) -> tuple[_Item, ...]:
        return tuple(item for item in items if random.random() < keep)

    return replace(
        record,
        id=f"{record.id}-{number}",
        birth=record.birth if random.random() < 0.9 else None,
        sex=record.sex if random.random() < 0.9 else None,
        measurements=some(record.measurements),
        findings=tuple(_undated(item, random) for item in some(record.findings)),
        therapies=tuple(_less(item, random) for item in some(record.therapies)),
        events=some(record.events),
        procedures=some(record.procedures),
        judgements=some(record.judgements),
        consents=some(record.consents),
        complete=frozenset(some(sorted(record.complete))),
    )


def _undated(item: Statement, random: Random) -> Statement:
    return replace(item, when=None) if random.random() < 0.05 else item


def _less(item: Therapy, random: Random) -> Therapy:
    if random.random() < 0.9:
        return item
    return random.choice((replace(item, dose=None), replace(item, response=None), replace(item, reasons=())))
