"""How many questions until all is decided? The best next question against protocol order and chance, on partial records.

    python benchmarks/questions.py [NUMBER] [SEED]

Each partial record is a worked case with items left out; the case itself answers, test by test. What the case leaves open too is drawn
once for each record: yes and no alike, the ranges of a value alike, a finding, procedure or event present in one of five. Asked until
every cohort is decided or nothing more can be asked. The burden counts a question 1, a test 3, an invasive test 10.
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
        leaves = asker.leaves[need.criterion]
        if state.met[asker.place[need.criterion]] > 0 and state.unmet[asker.place[need.criterion]] > 0:
            for question in questions:
                if not leaves.isdisjoint(question.tests):
                    return question
    return questions[0]


def main(number: int = 30, seed: int = 5) -> None:
    asker = Asker(screener().kb)
    random = Random(seed)
    ways: dict[str, Choose] = {
        "the best next question": lambda state: state.advice()[0].question,
        "in protocol order": in_protocol_order,
        "at random": lambda state: random.choice(state.questions()),
    }
    totals = {name: [0, 0, 0, 0.0] for name in ways}
    for i in range(number):
        whole = random.choice(worked(derived=i % 2 == 1))
        record = partial(whole, random, i)
        screening = screener().screen(record, DAY, dependences=False)
        oracle = screener().screen(whole, DAY, dependences=False)
        for name, choose in ways.items():
            for j, part in enumerate(asked(asker, screening, oracle, choose)):
                totals[name][j] += part
    print(f"{number} partial records (seed {seed}), as of {DAY}, all {len(asker.needs)} cohorts; means of a record\n")
    print(f"{'asked':<26}{'questions':>11}{'burden':>9}{'left open':>11}{'ms a choice':>13}")
    for name, (count, burden, left, took) in totals.items():
        print(f"{name:<26}{count / number:>11.1f}{burden / number:>9.1f}{left / number:>11.1f}{1000 * took / max(count, 1):>13.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
