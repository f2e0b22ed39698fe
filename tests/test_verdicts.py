"""Verdicts are sound on the real knowledge base, whatever is left out of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from random import Random

import clingo
import pytest

from pyscreen import cells
from pyscreen.dates import When
from pyscreen.derived import INPUTS
from pyscreen.engine import Program
from pyscreen.kleene import status
from pyscreen.quantities import Interval
from pyscreen.record import Measurement, Record, Statement
from pyscreen.screening import ELIGIBLE, INELIGIBLE, UNDECIDED, Inputs, Screening
from tests.partial import DAY, knowledge, partial_records, screener

MANY = 60
RECORDS = list(partial_records(MANY, seed=1))


@cache
def screened(number: int) -> Screening:
    return screener().screen(RECORDS[number], DAY)


@cache
def completions() -> tuple[clingo.Control, Mapping[str, int], Mapping[str, int], Mapping[str, int], Mapping[str, int]]:
    """The trial in stock clingo with its answers left open: every model is a completion."""
    control = clingo.Control(["--warn=all"])
    control.load(str(knowledge().main))
    control.add("base", [], ":- leaf(T), not yes(T), not no(T). :- yes(T), no(T).")
    control.ground([("base", [])])
    for atom in list(control.symbolic_atoms):
        if atom.is_external:
            control.assign_external(atom.literal, None)

    def table(name: str) -> dict[str, int]:
        return {str(atom.symbol.arguments[0]): atom.literal for atom in control.symbolic_atoms.by_signature(name, 1)}

    return control, table("yes"), table("no"), table(ELIGIBLE), table(INELIGIBLE)


@pytest.mark.parametrize("number", range(MANY))
def test_a_verdict_holds_in_every_completion(number: int) -> None:
    """By clingo's own search: no completion of the open answers has another verdict (where ways of knowing agree, and presumptions hold)."""
    control, yes, no, eligible, ineligible = completions()
    screening = screened(number)
    given = [-atom.literal for atom in control.symbolic_atoms.by_signature("choose", 2)]
    for test, literal in yes.items():
        truth = screening.answers[test].truth
        if truth is not None:
            given.append(literal if truth else no[test])
    # what is presumed not to be so (and said to be) is not so
    presumed = [member.id for name in screening.presumed for member in knowledge().criteria[name].members]
    given += [no[test] for test in presumed if test in no and screening.answers[test].truth is None]
    # ways of knowing one truth that disagree are no completion
    agreeing = _agreeing(control)
    for cohort, verdict in screening.verdicts.items():
        if verdict.status == ELIGIBLE:
            assert not control.solve(assumptions=[*given, *agreeing, -eligible[cohort]]).satisfiable
        elif verdict.status == INELIGIBLE:
            assert not control.solve(assumptions=[*given, *agreeing, -ineligible[cohort]]).satisfiable


@cache
def _agreeing(control: clingo.Control) -> tuple[int, ...]:
    return tuple(-atom.literal for atom in control.symbolic_atoms.by_signature("conflict", 1) if atom.literal != 1)


@pytest.mark.parametrize("number", range(MANY))
def test_every_status_is_that_of_strong_kleene_logic(number: int) -> None:
    """What clingo derives for a criterion is what its members' statuses give."""
    screening = screened(number)
    for criterion in knowledge().criteria.values():
        assert screening.statuses[criterion.id] == status(criterion, screening.statuses, screening.readings), criterion.id


@pytest.mark.parametrize("number", range(0, MANY, 12))
def test_what_a_verdict_is_said_to_depend_on_is_all_it_depends_on(number: int) -> None:
    """Screening again under each other option of each reading gives the verdict that is named, and no other one changes."""
    screening = screened(number)
    named = {(cohort, d.reading, d.option): d.verdict for cohort, v in screening.verdicts.items() for d in v.depends_on}
    for reading in knowledge().readings.values():
        for option in reading.options:
            if option == reading.default:
                continue
            again = screener().screen(RECORDS[number], DAY, {reading.id: option})
            for cohort, verdict in again.verdicts.items():
                expected = named.get((cohort, reading.id, option), screening.verdicts[cohort].status)
                assert verdict.status == expected, (cohort, reading.id, option)


@pytest.mark.parametrize("number", range(0, MANY, 4))
def test_a_robust_verdict_holds_under_every_single_option(number: int) -> None:
    robust = screener().screen(RECORDS[number], DAY, robust=True)
    for cohort, verdict in robust.verdicts.items():
        plain = screened(number).verdicts[cohort]
        assert verdict.status in (plain.status, UNDECIDED)
        if verdict.status != UNDECIDED:
            assert not plain.depends_on


@pytest.mark.parametrize("number", range(MANY))
def test_the_exact_verdict_only_decides_what_was_open(number: int) -> None:
    exact = screener().screen(RECORDS[number], DAY, exact=True)
    for cohort, verdict in exact.verdicts.items():
        plain = screened(number).verdicts[cohort].status
        assert verdict.status == plain or (plain == UNDECIDED and verdict.exact)


@cache
def _exact_program() -> tuple[Program, Inputs]:
    files = [knowledge().main, knowledge().root / "engine" / "exact.lp"]
    program = Program(files, facts=cells.facts(knowledge().tests.values()))
    return program, Inputs(program)


def test_two_tests_on_one_value_are_answered_alike() -> None:
    """No consistent completion has a count below 30 that is not below 50."""
    program, inputs = _exact_program()
    below_30, below_50 = (f'recent(latest_two_platelets_low("{limit} 10*9/L"))' for limit in (30, 50))
    assert program.satisfiable([inputs.yes[below_50], inputs.no[below_30]])
    assert not program.satisfiable([inputs.yes[below_30], inputs.no[below_50]])


@pytest.mark.parametrize("number", range(MANY))
def test_a_new_fact_never_turns_a_verdict_round(number: int) -> None:
    """A fact about what nothing was said of before can settle a verdict, never reverse one that was settled."""
    random = Random(number)
    record = RECORDS[number]
    richer = record
    for _ in range(6):
        richer = _with_news(richer, random)
    before, after = screened(number), screener().screen(richer, DAY)
    for cohort, verdict in before.verdicts.items():
        assert {verdict.status, after.verdicts[cohort].status} != {ELIGIBLE, INELIGIBLE}


def _with_news(record: Record, random: Random) -> Record:
    vocabulary = knowledge().vocabulary
    known = {item.concept for kind in ("finding", "judgement") for item in record.statements(kind)}
    known |= {value.concept for value in record.measurements} | record.complete
    leaning = {"weight", *INPUTS, *(name for names in INPUTS.values() for name in names)}
    pick = random.random()
    if pick < 0.5 and "findings" not in record.complete:
        finding = random.choice(sorted(set(vocabulary.findings) - known))
        said = Statement(finding, random.random() < 0.5, None, stated=None)
        return replace(record, findings=(*record.findings, replace(said, when=_today(), stated=_today())))
    if pick < 0.7:
        judgement = random.choice(sorted(set(vocabulary.judgements) - known))
        said = Statement(judgement, random.random() < 0.5, _today(), stated=_today())
        return replace(record, judgements=(*record.judgements, said))
    if "measurements" in record.complete:
        return record
    quantity = random.choice(sorted(set(vocabulary.quantities) - known - leaning))
    value = Interval.exactly(Fraction(random.randrange(0, 200)))
    return replace(record, measurements=(*record.measurements, Measurement(quantity, value, "new", _today())))


def _today() -> When:
    return When.on(DAY)


def test_the_order_of_the_items_does_not_matter() -> None:
    for number in range(0, MANY, 5):
        record = RECORDS[number]
        turned = replace(
            record,
            measurements=record.measurements[::-1],
            findings=record.findings[::-1],
            therapies=record.therapies[::-1],
            judgements=record.judgements[::-1],
        )
        assert screener().screen(turned, DAY).statuses == screened(number).statuses


def test_the_records_exercise_all_three_verdicts() -> None:
    seen = {verdict.status for number in range(MANY) for verdict in screened(number).verdicts.values()}
    assert seen == {ELIGIBLE, INELIGIBLE, UNDECIDED}
