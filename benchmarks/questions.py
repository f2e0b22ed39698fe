"""How many questions until all is decided? The best next question against protocol order and chance, on partial records.

    python benchmarks/questions.py [NUMBER] [SEED]

Asked are the records that ship with the trial, as they stand, and random partial ones: worked cases with items left out. The case
itself answers, test by test. What it leaves open too is drawn once for each record: yes and no alike, the ranges of a value
alike, a finding, procedure or event present in one of five. Asked until every cohort is decided or nothing more can be asked. The
burden counts a question 1, a test 3, an invasive test 10. "No more" is the share of the records in which the best next question
took no more questions, and no more burden, than the other way.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from pyscreen.answers import Answer, Answers
from pyscreen.asking import WEIGHT, Asker, Question, State
from pyscreen.record import Record
from pyscreen.screening import Screening
from tests.partial import DAY, partial, screener, worked

Choose = Callable[[State], Question]


def asked(asker: Asker, screening: Screening, oracle: Screening, choose: Choose) -> tuple[int, int, int, float]:
    """Return how many questions were asked, their burden, how many cohorts stay open, and the seconds of choosing."""
    put_off: set[tuple[str, str, str]] = set()
    count = burden = 0
    took = 0.0
    while True:
        state = asker.begin(screening, put_off)
        if not state.undecided or not state.questions():
            return count, burden, len(state.undecided), took
        start = time.perf_counter()
        question = choose(state)
        took += time.perf_counter() - start
        count += 1
        burden += WEIGHT[question.level]
        put_off.add(question.key)
        given = dict(screening.answers.by_test)
        given |= {name: Answer(name, yes) for name, yes in replied(state, question, oracle).items()}
        statuses = asker.graph.statuses({name: answer.truth for name, answer in given.items()}, screening.readings)
        screening = replace(screening, answers=Answers(DAY, given, ()), statuses=statuses)


def replied(state: State, question: Question, oracle: Screening) -> dict[str, bool]:
    """Return what the case answers to the tests of a question, and the same drawn answer every time where it does not know."""
    known = {name: oracle.answers[name].truth for name in question.tests}
    ways = state.outcomes(question)
    draw = Random(f"{oracle.record.id} {question.key}")
    drawn = draw.choices([way for _, way in ways], [chance for chance, _ in ways])[0]
    return {name: truth for name in question.tests if (truth := drawn.get(name) if known[name] is None else known[name]) is not None}


def in_protocol_order(state: State) -> Question:
    """Return the first open question of the first open requirement, cohort by cohort, then of the exclusions."""
    kb, asker = state.asker.kb, state.asker
    questions = state.questions()
    needs = [need for cohort in state.undecided for need in kb.cohorts[cohort].needs]
    for need in (*needs, *kb.exclusions):
        leaves = asker.kb.leaves[need.criterion]
        if state.met[asker.place[need.criterion]] > 0 and state.unmet[asker.place[need.criterion]] > 0:
            for question in questions:
                if not leaves.isdisjoint(question.tests):
                    return question
    return questions[0]


def shipped(number: int, random: Random) -> list[tuple[Record, Record]]:
    """Return records that ship with the trial, each also as what answers."""
    records = worked(derived=False)
    return [(record, record) for record in random.sample(records, min(number, len(records)))]


def left_out(number: int, random: Random) -> list[tuple[Record, Record]]:
    """Return worked cases with items left out, each with the case that answers."""
    cases = [random.choice(worked(derived=i % 2 == 1)) for i in range(number)]
    return [(partial(case, random, i), case) for i, case in enumerate(cases)]


def main(number: int = 40, seed: int = 5) -> None:
    asker, random = Asker(screener().kb), Random(seed)
    ways: dict[str, Choose] = {
        "the best next question": lambda state: state.advice()[0].question,
        "in protocol order": in_protocol_order,
        "at random": lambda state: random.choice(state.questions()),
    }
    for title, pairs in (("records that ship", shipped(number, random)), ("random partial records", left_out(number, random))):
        rows: dict[str, list[tuple[int, int, int, float]]] = {name: [] for name in ways}
        for record, whole in pairs:
            screening, oracle = (screener().screen(one, DAY, dependences=False) for one in (record, whole))
            for name, choose in ways.items():
                rows[name].append(asked(asker, screening, oracle, choose))
        tell(f"{len(pairs)} {title} (seed {seed}), as of {DAY}, all {len(asker.needs)} cohorts; means of a record", rows)


def tell(title: str, rows: dict[str, list[tuple[int, int, int, float]]]) -> None:
    print(f"{title}\n\n{'asked':<26}{'questions':>11}{'burden':>9}{'left open':>11}{'ms a choice':>13}{'no more':>9}")
    best = next(iter(rows.values()))
    for name, row in rows.items():
        count, burden, left, took = (sum(column) for column in zip(*row, strict=True))
        fewer = sum(one[0] <= other[0] and one[1] <= other[1] for one, other in zip(best, row, strict=True))
        shares = (count / len(row), burden / len(row), left / len(row), 1000 * took / max(count, 1))
        print(f"{name:<26}{shares[0]:>11.1f}{shares[1]:>9.1f}{shares[2]:>11.1f}{shares[3]:>13.1f}{100 * fewer / len(row):>8.0f}%")
    print()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
