"""Verdicts under other readings, on bit planes: those of the engine, and of every way of reading tried one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest

from pyscreen.knowledge import KnowledgeBase, load
from pyscreen.population.alternatives import Alternatives, Dependence
from pyscreen.population.planes import VERDICTS, Graph, Statuses, verdicts
from pyscreen.screening import UNDECIDED, Screener, Screening
from pyscreen.truth import Truth
from tests.partial import partial_records, worked
from tests.populations import DAY
from tests.small_trial import screened, some_truths

CODES = {True: 1, False: -1, None: 0}


def truths_of(kb: KnowledgeBase, answers: Sequence[Mapping[str, Truth]]) -> dict[str, Any]:
    return {test: np.array([CODES[one[test]] for one in answers], np.int8) for test in kb.tests}


def codes_of(kb: KnowledgeBase, statuses: Statuses) -> Any:
    return np.array([verdicts(kb, cohort, statuses).codes for cohort in kb.cohorts.values()])


def found(kb: KnowledgeBase, answers: Sequence[Mapping[str, Truth]], readings: Mapping[str, str] | None = None) -> tuple[Any, Any]:
    """Return the dependences and whose verdicts are firm."""
    graph, truths = Graph(kb, readings), truths_of(kb, answers)
    alternatives, statuses = Alternatives(graph, kb.cohorts.values()), graph.evaluate(truths, len(answers))
    dependences = list(alternatives.dependences(statuses, truths))
    return dependences, alternatives.firm(statuses, truths, dependences)


def agree(kb: KnowledgeBase, screenings: Sequence[tuple[Screening, Screening]], dependences: Iterable[Dependence], firm: Any) -> None:
    """See that the engine says the same of each patient, screened plainly and robustly."""
    for place, (plain, robust) in enumerate(screenings):
        for number, cohort in enumerate(kb.cohorts):
            told = {(one.reading, one.option, verdict) for one in dependences for at, verdict in one.of(place) if at == number}
            assert told == {(d.reading, d.option, d.verdict) for d in plain.verdicts[cohort].depends_on}, (place, cohort)
            assert firm[number, place] == (robust.verdicts[cohort].status != UNDECIDED), (place, cohort)


@pytest.mark.parametrize("worked_ones", [True, False])
def test_the_engine_says_the_same_of_records(kb: KnowledgeBase, screener: Screener, worked_ones: bool) -> None:
    """Of the worked cases, some of those derived from them, and random partial records."""
    records = [*worked(False), *worked(True)[::6]] if worked_ones else list(partial_records(60, seed=5))
    screenings = [(screener.screen(one, DAY), screener.screen(one, DAY, robust=True, dependences=False)) for one in records]
    answers = [{test: plain.answers[test].truth for test in kb.tests} for plain, _ in screenings]
    agree(kb, screenings, *found(kb, answers))


@pytest.mark.parametrize("trial", ["small", "readings", "diabetic_kidney", "cd19_autoimmune"])
def test_the_engine_says_the_same_of_random_answers(invented: Any, trial: str) -> None:
    kb = invented(trial) if trial in ("small", "readings") else load(trial)
    screener, choice = Screener(kb), Random(7)
    for _ in range(3):
        readings = {reading.id: choice.choice([*reading.options, reading.default]) for reading in kb.readings.values()}
        answers = [some_truths(kb, choice, share) for share in (0.05, 0.3, 0.8) for _ in range(12)]
        screenings = [(screened(screener, one, readings), screened(screener, one, readings, robust=True)) for one in answers]
        agree(kb, screenings, *found(kb, answers, readings))


def test_a_firm_verdict_is_the_same_in_every_way_of_reading(invented: Any) -> None:
    kb, choice = invented("readings"), Random(9)
    answers = [some_truths(kb, choice, share) for share in (0.0, 0.1, 0.3, 0.6) for _ in range(300)]
    truths = truths_of(kb, answers)
    options = [[(reading.id, option) for option in reading.options] for reading in kb.readings.values()]
    every = [codes_of(kb, Graph(kb, dict(way)).evaluate(truths, len(answers))) for way in product(*options)]
    same = np.all([codes == every[0] for codes in every], axis=0) & (every[0] != VERDICTS.index(UNDECIDED))
    _, firm = found(kb, answers)
    assert (firm == same).all()
    assert len(every) == 12
    assert 0 < firm.sum() < firm.size


def test_what_holds_under_each_reading_alone_may_not_hold_under_two_together(invented: Any) -> None:
    """So the bounds and the search are needed: there are such patients among random ones, and they are not firm."""
    kb, choice = invented("readings"), Random(11)
    answers = [some_truths(kb, choice, 0.1) for _ in range(600)]
    dependences, firm = found(kb, answers)
    alone = codes_of(kb, Graph(kb).evaluate(truths_of(kb, answers), len(answers))) != VERDICTS.index(UNDECIDED)
    for one in dependences:
        alone[one.cohorts, one.patients] = False
    assert (alone & ~firm).any()
    assert not (firm & ~alone).any()


def test_nobody_has_no_verdict_to_change(kb: KnowledgeBase) -> None:
    dependences, firm = found(kb, [])
    assert (dependences, firm.shape) == ([], (len(kb.cohorts), 0))
