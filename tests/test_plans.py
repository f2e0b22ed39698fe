"""Plans do what they say: applied to the answers they make the cohort eligible, no step can be spared, none does harm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from pyscreen import sequel
from pyscreen.answers import Answers, answer
from pyscreen.cli import main
from pyscreen.errors import RequestError
from pyscreen.plantext import barred_alike
from pyscreen.proof import Prover, Readers
from pyscreen.record import Record
from pyscreen.screening import ELIGIBLE, Inputs, Screening
from pyscreen.sources import parse_record, read_record
from pyscreen.targets import Targets
from pyscreen.turning import Ahead
from pyscreen.whatif import Plan, Planner, WhatIf, read_burdens
from tests.partial import DAY, knowledge, partial_records, screener
from tests.planning import carried_out, forbidden, is_eligible

MANY = 40
RECORDS = list(partial_records(MANY, seed=7))
COHORTS = ("1.1", "1.2", "1.3", "1.4", "1.5", "1.6")


@cache
def planner() -> Planner:
    return Planner(screener())


@cache
def screened(number: int) -> Screening:
    return screener().screen(RECORDS[number], DAY)


@cache
def planned(number: int, cohort: str) -> WhatIf:
    return planner().plans(screened(number), cohort, limit=2)


def verdict_after(screening: Screening, answers: Answers, changed: Mapping[str, bool], cohort: str) -> bool:
    """Decide with clingo whether the cohort is eligible once these tests are answered so."""
    given = {name: replace(a, truth=changed[name]) if name in changed else a for name, a in answers.by_test.items()}
    program = knowledge().program
    inputs = Inputs(program)
    assumed = inputs.assumptions(Answers(DAY, given, ())) + inputs.choices(screening.readings)
    return program.satisfiable([*assumed, program.literals(ELIGIBLE)[knowledge().cohort(cohort).id]])


EVERY = [(number, COHORTS[number % len(COHORTS)]) for number in range(MANY)]


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_a_plan_makes_the_cohort_eligible_and_has_nothing_to_spare(number: int, cohort: str) -> None:
    screening = screened(number)
    for plan in planned(number, cohort).plans:
        answers = answer(screening.record, knowledge().tests.values(), knowledge().vocabulary, plan.day)
        aims = {aim.test: aim.yes for step in plan.steps for aim in step.aims}
        assert verdict_after(screening, answers, aims, cohort)
        for test in aims:
            fewer = {other: yes for other, yes in aims.items() if other != test}
            assert not verdict_after(screening, answers, fewer, cohort), test


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_a_plan_moves_only_what_is_open_or_can_be_managed(number: int, cohort: str) -> None:
    """A known answer is changed only in the direction in which a clinician can move what it is about."""
    manageable = {(row[0], row[1]) for row in knowledge().program.rows("manage", 3)}
    screening = screened(number)
    for plan in planned(number, cohort).plans:
        answers = answer(screening.record, knowledge().tests.values(), knowledge().vocabulary, plan.day)
        for step in plan.steps:
            for aim in step.aims:
                known = answers[aim.test].truth
                assert known is not aim.yes
                if known is not None:
                    assert step.remedy == "manage"
                    concept = knowledge().tests[aim.test].selection.concept
                    assert any(name == concept for name, _ in manageable)


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_where_there_is_no_plan_a_smallest_bar_says_why(number: int, cohort: str) -> None:
    found = planned(number, cohort)
    assert bool(found.plans) is (found.bar is None)
    if found.bar is None:
        return
    screening, kb = screened(number), knowledge()
    chosen = kb.cohort(cohort)
    goals = [(n, False) for n in chosen.needs if n in found.bar.needs]
    goals += [(n, True) for n in kb.exclusions if n in found.bar.needs]
    given = planner()._given({name: a.truth for name, a in screening.answers.by_test.items()}, screening.readings)
    assert len(goals) == len(found.bar.needs) > 0
    assert not planner()._possible(given, goals)
    for goal in goals:
        assert planner()._possible(given, [other for other in goals if other != goal])


def test_the_records_have_plans_and_bars() -> None:
    found = [planned(number, cohort) for number, cohort in EVERY]
    assert sum(bool(what.plans) for what in found) >= 8
    assert sum(what.bar is not None for what in found) >= 8


def test_plans_come_cheapest_first() -> None:
    for number, cohort in EVERY:
        costs = [(plan.cost, plan.day) for plan in planned(number, cohort).plans]
        assert costs == sorted(costs)


def test_an_eligible_patient_needs_nothing() -> None:
    for number in range(MANY):
        for cohort, verdict in screened(number).verdicts.items():
            if verdict.status == ELIGIBLE:
                (plan,) = planner().plans(screened(number), cohort).plans
                assert plan.steps == ()



# ---- carried out -----------------------------------------------------------------------------------------------------

FEW = list(partial_records(28, seed=11))
EVERYWHERE = list(knowledge().cohorts)


@cache
def trial(number: int) -> tuple[Screening, tuple[Plan, ...]]:
    screening = screener().screen(FEW[number], DAY, dependences=False)
    return screening, planner().plans(screening, EVERYWHERE[number % len(EVERYWHERE)], limit=2).plans


@pytest.mark.parametrize("number", range(len(FEW)))
def test_a_plan_carried_out_on_the_record_makes_it_eligible_and_no_step_can_be_spared(number: int) -> None:
    screening, plans = trial(number)
    for plan in plans:
        for by_items in (True, False):
            record = carried_out(screener(), screening, plan, plan.steps, by_items)
            assert is_eligible(screener(), record, plan.cohort.id, plan.day), (by_items, sorted(plan.aims))
        assert forbidden(planner(), plan, screening) == []
        for step in plan.steps[:: 1 + len(plan.steps) // 3]:
            fewer = [other for other in plan.steps if other is not step]
            assert not is_eligible(screener(), carried_out(screener(), screening, plan, fewer, True), plan.cohort.id, plan.day)


def test_the_trials_of_plans_are_worth_it() -> None:
    """There are plans, and most of what they find out is written as items."""
    plans = [(screening, plan) for number in range(len(FEW)) for screening, found in (trial(number),) for plan in found]
    aims = direct = 0
    for screening, plan in plans:
        record = carried_out(screener(), screening, plan, plan.steps, True)
        aims += len(plan.aims)
        direct += len(record.answers) - len(screening.record.answers)
    assert len(plans) >= 15
    assert direct <= 0.2 * aims
    assert sum(len(plan.steps) >= 3 for _, plan in plans) >= 5


# ---- the proof -------------------------------------------------------------------------------------------------------


def test_what_a_plan_adds_is_read_by_the_tests_that_are_answered_again() -> None:
    """Answering only them says of a plan what answering every test does."""
    changed = 0
    for number in range(len(FEW)):
        screening, plans = trial(number)
        for plan in plans:
            made = carried_out(screener(), screening, plan, plan.steps, True)
            before, after = (answer(r, knowledge().tests.values(), knowledge().vocabulary, plan.day) for r in (screening.record, made))
            turned = {name for name, given in after.by_test.items() if given.truth is not before[name].truth}
            assert turned <= Readers(knowledge()).of_new(screening.record, made)
            changed += len(turned)
    assert changed >= 100


LOW_TWICE = 'recent(latest_two_platelets_low("50 10*9/L"))'


def test_a_value_that_is_written_fits_every_aim_about_it() -> None:
    """Platelets below 100 were measured, and the latest two are below 50: the one value is not 75."""
    kb, aims = knowledge(), {"measured_thrombocytopenia": True, LOW_TWICE: True}
    made = sequel.after(kb, parse_record(b"sex: female", kb), aims, DAY)
    given = answer(made, [kb.tests[name] for name in aims], kb.vocabulary, DAY)
    assert {name: given[name].truth for name in aims} == aims


MENOPAUSE = "findings:\n- {finding: natural_menopause, date: 2025-01-01}\n"


def of_unknown_age(sex: str) -> Record:
    """Return the record of somebody eligible, after a natural menopause, of whom neither day of birth nor age is known."""
    whole = (knowledge().root / "trials/cd19_autoimmune/cases/sle_itp_eligible.yaml").read_text(encoding="utf-8")
    said = re.sub(r"sex: \w+", f"sex: {sex}", re.sub(r"birth_date: .*\n", "", whole)).replace("findings:\n", MENOPAUSE, 1)
    return parse_record(said.encode(), knowledge(), "anna")


def test_a_plan_asks_for_a_value_that_puts_nothing_in_doubt() -> None:
    """An age that fits the cohort but is too young for the menopause on record would leave open whether she can bear a child."""
    plans = planner().plans(screener().screen(of_unknown_age("female"), DAY, dependences=False), "1.2", 1).plans
    (step,) = [step for step in plans[0].steps if "Age in completed years" in step.about]
    assert [str(target) for target in step.targets] == [
        "Age in completed years: at least 18 a and at most 70 a, no older than 28 d",
        "Age in completed years: at least 40 a",
    ]
    (aim,) = [aim for aim in step.aims if aim.test == "too_young_for_menopause"]
    assert (aim.yes, aim.clauses) == (False, ("gen.pregnancy", "gen.contraception"))


def test_no_plan_hopes_for_a_doubt() -> None:
    """A menopause in doubt would no longer speak against a male sex; nobody is asked to be younger for that."""
    found = planner().plans(screener().screen(of_unknown_age("male"), DAY, dependences=False), "1.2")
    aims = [aim for plan in found.plans for step in plan.steps for aim in step.aims]
    assert not [aim for aim in aims if aim.test == "too_young_for_menopause" and aim.yes]


def test_one_new_value_answers_all_tests_alike_however_far_they_look_back() -> None:
    change, program = planner()._change, planner()._program
    given = planner()._given(dict.fromkeys(knowledge().tests), knowledge().chosen())
    minor, young = 'recent(below(age,"18 a"))', "too_young_for_menopause"

    def together(one: str, other: str) -> bool:
        return program.satisfiable([*given, change[minor, one], change[young, other]])

    assert [together(*ways) for ways in (("yes", "yes"), ("no", "yes"), ("no", "no"))] == [True, True, True]
    assert not together("yes", "no")


def test_a_plan_that_does_not_stand_the_proof_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not in order is then named as the bar; a spoiler alone is gone round."""
    record = read_record(knowledge().root / "trials/cd19_autoimmune/cases/marrow_missing.yaml", knowledge())
    screening = screener().screen(record, DAY, dependences=False)
    (plan, *_) = planner().plans(screening, "1.2").plans
    monkeypatch.setattr(Prover, "spoilers", lambda _, tried: sorted(tried.found))
    found = planner().plans(screening, "1.2")
    assert plan.aims
    assert found.plans == ()
    assert found.bar is not None
    assert [need.clause for need in found.bar.needs] == ["1.2.marrow"]


# ---- time ------------------------------------------------------------------------------------------------------------


def planned_for(text: str, cohort: str, by: date | None = None) -> WhatIf:
    record = parse_record(text.encode(), knowledge(), "anna")
    return planner().plans(screener().screen(record, DAY, dependences=False), cohort, 3, by)


def grown(birth: str, cohort: str, by: date | None = None) -> WhatIf:
    """Plan for the record of somebody eligible, born on another day."""
    whole = (knowledge().root / "trials/cd19_autoimmune/cases/sle_itp_eligible.yaml").read_text(encoding="utf-8")
    return planned_for(re.sub(r"birth_date: .*", f"birth_date: {birth}", whole), cohort, by)


def test_who_is_too_young_waits_for_the_birthday() -> None:
    found = grown("2008-12-01", "1.2")
    (plan,) = found.plans[:1]
    assert (found.status, plan.day) == ("ineligible", date(2026, 12, 1))
    assert [(wait.day, wait.clauses) for wait in plan.waits if "1.2.age" in wait.clauses] == [(date(2026, 12, 1), ("1.2.age",))]


@pytest.mark.parametrize(("number", "cohort"), [(92, "2.3"), (402, "3.2")])
def test_a_step_aims_at_what_its_act_can_do_and_a_later_plan_has_something_to_wait_for(number: int, cohort: str) -> None:
    """A look into the records finds out; it does not lower a dose. What was possible before needs no later day."""
    *_, record = partial_records(number + 1, 51)
    screening = screener().screen(record, DAY, dependences=False)
    plans = planner().plans(screening, cohort, limit=2).plans
    assert plans
    for plan in plans:
        assert plan.day == DAY or plan.waits
        for step in plan.steps:
            known = {planner().known(screening, aim.test, plan.day) is not None for aim in step.aims}
            assert known == {step.remedy == "manage"}, step.act


def test_a_plan_by_a_day_is_ready_by_it_or_says_when() -> None:
    assert grown("2008-12-01", "1.2", by=date(2026, 12, 1)).plans
    early = grown("2008-12-01", "1.2", by=date(2026, 11, 30))
    assert (early.plans, early.bar, early.not_before) == ((), None, date(2026, 12, 1))


def test_nobody_grows_younger() -> None:
    found = grown("1950-01-01", "1.2")
    assert found.plans == ()
    assert found.bar is not None
    assert [need.clause for need in found.bar.needs] == ["1.2.age"]
    assert any("1950-01-01" in fact for fact in found.bar.facts)


def test_eligibility_lapses_when_a_result_is_too_old_or_the_patient_is() -> None:
    (plan,) = grown("1990-01-01", "1.2").plans
    assert plan.lapse is not None
    assert plan.lapse.day <= DAY + timedelta(days=29)
    record = parse_record((knowledge().root / "trials/cd19_autoimmune/cases/sle_itp_eligible.yaml").read_bytes(), knowledge())
    for day, status in ((plan.lapse.day - timedelta(days=1), "eligible"), (plan.lapse.day, "undecided")):
        assert screener().screen(record, day, dependences=False).verdict("1.2").status == status
    (limited,) = grown("1955-11-25", "1.2").plans
    assert limited.lapse is not None
    assert limited.lapse.day == date(2026, 11, 25)
    assert any("Age" in cause for cause in limited.lapse.causes)


def test_a_contrary_value_does_not_become_open_by_growing_old() -> None:
    """Platelets of 200 are old in four weeks: that is no reason to hope for fewer."""
    whole = (knowledge().root / "trials/cd19_autoimmune/cases/sle_itp_eligible.yaml").read_text(encoding="utf-8")
    high = "measurements:\n- {quantity: platelets, value: 200 10*9/L, date: 2026-11-21}\n- {quantity: platelets, value: 210 10*9/L, date: 2026-11-20}\n"
    found = planned_for(whole.replace("measurements:\n", high, 1), "1.2")
    assert found.plans == ()
    assert found.bar is not None


def feasible(screening: Screening, cohort: str, day: date) -> bool:
    return any(planner()._plans_on(screening, knowledge().cohort(cohort), day, 1))


@pytest.mark.parametrize(("case", "cohort", "day"), [("prednisone_of_40", "1.5", date(2026, 12, 20)), ("aav_in_first_weeks", "3.1", date(2027, 2, 9))])
def test_no_plan_would_be_ready_on_any_day_before(case: str, cohort: str, day: date) -> None:
    """Days are passed over on which all that stands in the way is as it was: against every day before."""
    record = read_record(knowledge().root / f"trials/cd19_autoimmune/cases/{case}.yaml", knowledge())
    screening = screener().screen(record, DAY, dependences=False)
    assert min(plan.day for plan in planner().plans(screening, cohort).plans) == day
    days = [DAY + timedelta(days=n) for n in range((day - DAY).days)]
    assert [early for early in days if feasible(screening, cohort, early)] == []
    assert feasible(screening, cohort, day)


def test_where_there_is_a_bar_no_day_has_a_plan() -> None:
    barred = 0
    for number in range(0, MANY, 5):
        cohort = COHORTS[number % len(COHORTS)]
        if planned(number, cohort).bar is not None:
            days = (DAY + timedelta(days=n) for n in (1, 29, 92, 183, 400, 2000))
            assert [day for day in days if feasible(screened(number), cohort, day)] == []
            barred += 1
    assert barred >= 3


def test_a_death_bars_every_cohort_and_takes_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is presumed absent of everybody stays so only where nobody has said that it is there."""
    case = (knowledge().root / "trials/cd19_autoimmune/cases/sle_itp_eligible.yaml").read_text(encoding="utf-8")
    record = parse_record(f"{case}\nevents:\n- {{event: death, date: 2026-11-21}}\n".encode(), knowledge())
    screening = screener().screen(record, DAY, dependences=False)
    monkeypatch.setattr(Planner, "_plans_on", lambda *_: pytest.fail("a plan was looked for"))
    for found in planner().ranked(screening):
        assert found.bar is not None
        assert "gen.consent" in {need.clause for need in (*found.bar.needs, *found.bar.others)}, found.cohort.code


def test_two_counts_at_one_time_are_answered_by_a_third_or_named_as_the_bar() -> None:
    """A new count settles what asks for the latest; of the latest two one would still contradict itself."""
    record = read_record(knowledge().root / "trials/cd19_autoimmune/cases/two_counts_at_one_time.yaml", knowledge())
    screening = screener().screen(record, DAY, dependences=False)
    (plan, *_) = planner().plans(screening, "2.1").plans
    assert plan.day == DAY
    assert 'recent(below(platelets,"30 10*9/L"))' in plan.aims
    bar = planner().plans(screening, "1.2").bar
    assert bar is not None
    assert [need.clause for need in bar.needs] == ["1.2.platelets"]
    assert bar.facts == ("conflict: Platelet count 18 10*9/L and Platelet count 180 10*9/L on 2026-11-17",)


def test_a_day_on_which_an_answer_turns_is_the_first() -> None:
    """The few days tried are all that matter: against every day of the next 500."""
    kb, turned = knowledge(), 0
    for record in partial_records(6, seed=3):
        screening = screener().screen(record, DAY, dependences=False)
        ahead = Ahead(record, screening.answers, kb.vocabulary)
        tests = [t for t in kb.tests.values() if ahead.may_turn(t) and screening.answers[t.id].truth is not None]
        some = Random(record.id).sample(tests, min(25, len(tests)))
        days = [DAY + timedelta(days=n) for n in range(1, 500)]
        real: dict[str, date] = {}
        for day in days:
            for name, given in answer(record, [t for t in some if t.id not in real], kb.vocabulary, day).by_test.items():
                if given.truth is not screening.answers[name].truth:
                    real[name] = day
        for test in some:
            found = ahead.changes(test, DAY)
            assert real.get(test.id) == (found if found and found <= days[-1] else None), test.id
            turned += test.id in real
    assert turned >= 30


# ---- what a step says ------------------------------------------------------------------------------------------------


def test_steps_say_who_does_them_and_what_comes_before() -> None:
    acts = planner().acts
    assert all(act.who for act in acts.values())
    named = {row[0] for row in knowledge().program.rows("act", 3)}
    assert {act for row in planner()._program.rows("needs_first", 2) for act in row} <= named
    assert {row[0] for row in planner()._program.rows("done_by", 2)} <= named
    for number in range(len(FEW)):
        for plan in trial(number)[1]:
            done: set[str] = set()
            for step in plan.steps:
                assert set(step.after) <= done
                done.add(step.act)
                assert {aim.test for aim in step.aims} == {test for target in step.targets for test in target.tests}


@pytest.mark.parametrize(
    ("wanted", "known", "said"),
    [
        ({'recent(below(platelets,"150 10*9/L"))': True}, {}, ["Platelet count: below 150 10*9/L, no older than 28 d"]),
        (
            {'recent(below(platelets,"150 10*9/L"))': True, 'recent(below(platelets,"30 10*9/L"))': False},
            {},
            ["Platelet count: at least 30 10*9/L and below 150 10*9/L, no older than 28 d"],
        ),
        (
            {'recent(below(platelets,"150 10*9/L"))': True},
            {'recent(below(platelets,"30 10*9/L"))': False},
            ["Platelet count: at least 30 10*9/L and below 150 10*9/L, no older than 28 d"],
        ),
        (
            {'recent(latest_two_platelets_low("50 10*9/L"))': True},
            {},
            ["Platelet count: below 50 10*9/L, each of the latest 2, no older than 28 d"],
        ),
        ({'recent(between(age,"18 a","65 a"))': True}, {}, ["Age in completed years: at least 18 a and at most 65 a, no older than 28 d"]),
        ({'recent(between(age,"18 a","65 a"))': False}, {}, ["Age in completed years: outside 18 a to 65 a, no older than 28 d"]),
        ({'recent(at_least(qtcf,"470 ms"))': False}, {}, ["QT interval corrected by Fridericia's formula: below 470 ms, no older than 28 d"]),
        ({"procedure(hysterectomy)": False}, {}, ["Hysterectomy: no"]),
    ],
)
def test_a_target_is_an_interval_with_its_unit(wanted: Mapping[str, bool], known: Mapping[str, bool], said: list[str]) -> None:
    assert list(map(str, Targets(knowledge()).of(wanted, known))) == said


def test_a_site_weighs_acts_its_own_way() -> None:
    acts = [row[0] for row in knowledge().program.rows("act", 3)]
    given = read_burdens({"marrow_biopsy": 1, "blood_test": "invasive test", "imaging": {"level": "3", "who": "the clinic in town"}}, acts)
    assert (given["marrow_biopsy"].level, given["blood_test"].level, given["imaging"].who) == (1, 3, "the clinic in town")
    weighed = Planner(screener(), given)
    record = read_record(knowledge().root / "trials/cd19_autoimmune/cases/marrow_missing.yaml", knowledge())
    (plan, *_) = weighed.plans(screener().screen(record, DAY, dependences=False), "1.2").plans
    assert [(step.act, step.level) for step in plan.steps] == [("marrow_biopsy", 1)]
    assert weighed.acts["imaging"].who == "the clinic in town"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"marow_biopsy": 1}, "did you mean 'marrow_biopsy'?"),
        ({"sauna": 1}, "`pyscreen kb list acts` names them"),
        ({"blood_test": 7}, "expected a level"),
        ({"blood_test": "invasiv test"}, "did you mean 'invasive test'?"),
        ({"blood_test": {"levle": 1}}, "did you mean 'level'?"),
        ({"blood_test": {"lvl": 1}}, "expected a level"),
        ({"blood_test": "heavy"}, "expected a level"),
        ({"blood_test": None}, "expected a level"),
    ],
)
def test_a_wrong_burden_is_an_error(written: Mapping[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=re.escape(words)):
        read_burdens(written, [row[0] for row in knowledge().program.rows("act", 3)], "burdens.yaml")


def test_a_wrong_burden_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "burdens.yaml"
    file.write_text("# ours\nblood_test: 1\nmarow_biopsy: 2\nimaging:\n  level: hevy\n", encoding="utf-8")
    record = knowledge().root / "trials/cd19_autoimmune/cases/marrow_missing.yaml"
    done = CliRunner().invoke(main, ["whatif", str(record), "--on", "2026-11-22", "--burdens", str(file)])
    assert done.exit_code == 2
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [f"{file}:3", f"{file}:4"]


# ---- across the trial ------------------------------------------------------------------------------------------------


def test_cohorts_are_ranked_by_nearness() -> None:
    for number in range(0, len(FEW), 7):
        screening, _ = trial(number)
        ranked = planner().ranked(screening)
        assert {answer.cohort.id for answer in ranked} == set(EVERYWHERE)
        groups = [0 if a.status == ELIGIBLE else 1 if a.plans else 2 for a in ranked]
        assert groups == sorted(groups)
        costs = [a.plans[0].cost for a in ranked if a.plans and a.status != ELIGIBLE]
        assert costs == sorted(costs)


def test_what_bars_several_cohorts_alike_is_said_once() -> None:
    record = parse_record(b"findings: [{finding: malignancy, date: 2026-11-20}]", knowledge())
    answers = planner().ranked(screener().screen(record, DAY, dependences=False))
    ((codes, needs),) = barred_alike(answers)
    assert len(codes) == len(EVERYWHERE)
    assert [need.clause for need in needs] == ["ex.4.malignancy"]
    assert all(answer.bar and answer.bar.facts for answer in answers)
