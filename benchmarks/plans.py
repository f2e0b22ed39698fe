"""Do plans do what they say, and how long do they take? Plans for random partial records, each carried out and screened.

    python benchmarks/plans.py [NUMBER] [SEED]

Every record is planned for one cohort (with up to two plans) and for the whole trial (the cheapest plan of each cohort); the time is
the processor's, of planning alone, answers and verdicts being there already. Each plan is then carried out on the record
(`pyscreen.sequel`) and screened on its day: whole, with each step left out, and on the day before.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pyscreen.screening import Screening
from pyscreen.whatif import Plan, Planner
from tests.partial import DAY, partial_records, screener
from tests.planning import carried_out, forbidden, is_eligible


def percentiles(times: list[float]) -> str:
    ordered = sorted(times)
    return "".join(f"{1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]:>9.1f}" for share in (0.5, 0.95, 1))


def main(number: int = 1000, seed: int = 11) -> None:
    planner = Planner(screener())
    cohorts = list(planner.kb.cohorts)
    times: dict[str, list[float]] = {"the lightest plan of one cohort": [], "every cohort": []}
    tally: Counter[str] = Counter()
    for i, record in enumerate(partial_records(number, seed)):
        screening = screener().screen(record, DAY, dependences=False)
        cohort = cohorts[i % len(cohorts)]
        start = time.process_time()
        planner.plans(screening, cohort, 1)
        times["the lightest plan of one cohort"].append(time.process_time() - start)
        fresh = screener().screen(record, DAY, dependences=False)
        start = time.process_time()
        planner.ranked(fresh)
        times["every cohort"].append(time.process_time() - start)
        answer = planner.plans(screening, cohort, 2)
        tally["a cohort with a plan" if answer.plans else "a cohort without"] += 1
        for plan in answer.plans:
            tried(planner, screening, plan, tally)
    print(f"{number} partial records (seed {seed}), as of {DAY}; one cohort in turn, and all {len(cohorts)}\n")
    print(f"{'planning, milliseconds':<36}{'p50':>9}{'p95':>9}{'most':>9}")
    for name, row in times.items():
        print(f"{name:<36}{percentiles(row)}")
    print()
    for name, count in sorted(tally.items()):
        print(f"{count:>7}  {name}")


def tried(planner: Planner, screening: Screening, plan: Plan, tally: Counter[str]) -> None:
    """Carry a plan out, and count what comes of it."""
    cohort, ready = plan.cohort.id, planner.screener
    tally["plans"] += 1
    tally["plans with a forbidden aim"] += bool(forbidden(planner, plan, screening))
    whole = {by: is_eligible(ready, carried_out(ready, screening, plan, plan.steps, by), cohort, plan.day) for by in (True, False)}
    tally["eligible after the plan, written as items" if whole[True] else "not eligible by items"] += 1
    tally["eligible after the plan, by direct answers" if whole[False] else "not eligible by direct answers"] += 1
    by = whole[True]
    if not any(whole.values()):
        tally["PLANS THAT FAIL"] += 1
        print("fails:", screening.record.id, cohort, plan.day, sorted(plan.aims.items()))
        return
    for step in plan.steps:
        fewer = [other for other in plan.steps if other is not step]
        spared = is_eligible(ready, carried_out(ready, screening, plan, fewer, by), cohort, plan.day)
        tally["a step that could be spared" if spared else "steps that none could spare"] += 1
        if spared:
            print("spared:", screening.record.id, cohort, step.act, sorted(plan.aims.items()))
    if plan.day > screening.day:
        eve = plan.day - timedelta(days=1)
        early = is_eligible(ready, carried_out(ready, screening, replace(plan, day=eve), plan.steps, by), cohort, eve)
        tally["too early after all" if early else "later days that are the earliest"] += 1
    record = carried_out(ready, screening, plan, plan.steps, True)
    timed = any(planner.kb.tests[answer.test].bound_to_time for answer in record.answers[len(screening.record.answers) :])
    if whole[True] and plan.lapse is not None and not timed:
        days = [is_eligible(ready, record, cohort, plan.lapse.day - timedelta(days=n)) for n in (1, 0)]
        tally["lapses on the day said" if days == [True, False] else "lapses otherwise"] += 1


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
