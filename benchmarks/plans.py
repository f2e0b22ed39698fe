"""Do plans do what they say, and how long do they take? Plans for random partial records, each carried out and screened.

    python benchmarks/plans.py [NUMBER] [--seed S] [--results FILE]
    python benchmarks/plans.py --merge FILE FILE ...

Every record is planned for one cohort (with up to two plans) and for the whole trial (the cheapest plan of each cohort); the time is
the processor's, of planning alone, answers and verdicts being there already. Each plan is then carried out on the record
(`pyscreen.sequel`) and the whole record screened: as items and as direct answers, without each of its steps, and on the day before.

With a file of results every record is written as it is done, a line each; what stands in the file is not done again, so a run that was
cut is continued by the same command. Several files are told as one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from pyscreen.screening import Screening
from pyscreen.whatif import Plan, Planner
from tests.partial import DAY, partial_records, screener
from tests.planning import carried_out, forbidden, is_eligible

TIMES = {"one": "the lightest plan of one cohort", "every": "every cohort, ranked"}
COUNTS = {
    "plans": "plans",
    "items": "eligible under screen, written as items",
    "direct": "eligible under screen, by direct answers",
    "FAILED": "PLANS THAT FAIL, in one form or both",
    "forbidden": "PLANS WITH A FORBIDDEN AIM",
    "needed": "steps without which the cohort is not eligible",
    "spared": "STEPS THAT COULD BE SPARED",
    "earliest": "later days: the day before, the cohort is not eligible",
    "early": "LATER DAYS THAT ARE NOT THE EARLIEST",
    "lapses": "lapses on the day said",
    "otherwise": "LAPSES ON ANOTHER DAY",
}
"""What is counted of plans, in words; what must not be in capitals."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Plans for random partial records, each carried out and screened.")
    parser.add_argument("number", type=int, nargs="?", default=500, help="how many records")
    parser.add_argument("--seed", type=int, default=11, help="which records")
    parser.add_argument("--results", type=Path, help="a file that keeps the results as they come")
    parser.add_argument("--merge", type=Path, nargs="+", help="only tell what these files of results hold")
    asked = parser.parse_args()
    if asked.merge:
        found = {(row["seed"], row["record"]): row for file in asked.merge for row in kept(file)}
        tell(list(found.values()))
        return
    before = kept(asked.results) if asked.results else []
    done = {(row["seed"], row["record"]) for row in before}
    rows = [row for row in before if row["seed"] == asked.seed and row["record"] < asked.number]
    for row in tried(asked.number, asked.seed, done):
        rows.append(row)
        if asked.results:
            with asked.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    tell(rows)


def kept(file: Path) -> list[dict[str, Any]]:
    """Return the results of a file; a last line that was cut is left out."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    whole = [line for line in lines if line.endswith("}\n")]
    if len(whole) < len(lines):
        file.write_text("".join(whole), encoding="utf-8")
    return [json.loads(line) for line in whole]


def tried(number: int, seed: int, done: set[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Yield what came of each record that is not done yet."""
    planner = Planner(screener())
    cohorts = list(planner.kb.cohorts)
    for i, record in enumerate(partial_records(number, seed)):
        if (seed, i) in done:
            continue
        screening = screener().screen(record, DAY, dependences=False)
        cohort = cohorts[i % len(cohorts)]
        times = {"one": timed(planner.plans, screening, cohort, 1)}
        times["every"] = timed(planner.ranked, replace(screening))
        plans = planner.plans(screening, cohort, 2).plans
        tally = Counter[str]()
        for plan in plans:
            tally += proven(planner, screening, plan)
        yield {"seed": seed, "record": i, "id": record.id, "cohort": cohort, "times": times, "tally": tally}


def timed(work: Callable[..., object], *given: object) -> float:
    start = time.process_time()
    work(*given)
    return round(1000 * (time.process_time() - start), 2)


def proven(planner: Planner, screening: Screening, plan: Plan) -> Counter[str]:
    """Carry a plan out, and count what comes of it."""
    cohort, ready = plan.cohort.id, planner.screener
    made = {by: carried_out(ready, screening, plan, plan.steps, by) for by in (True, False)}
    whole = {by: is_eligible(ready, record, cohort, plan.day) for by, record in made.items()}
    tally = Counter(plans=1, items=whole[True], direct=whole[False], FAILED=not all(whole.values()))
    tally["forbidden"] = bool(forbidden(planner, plan, screening))
    if tally["FAILED"] or tally["forbidden"]:
        print("fails:", screening.record.id, cohort, plan.day, sorted(plan.aims.items()), file=sys.stderr)
    for step in plan.steps:
        fewer = [other for other in plan.steps if other is not step]
        spared = is_eligible(ready, carried_out(ready, screening, plan, fewer, True), cohort, plan.day)
        tally["spared" if spared else "needed"] += 1
        if spared:
            print("spared:", screening.record.id, cohort, step.act, sorted(plan.aims.items()), file=sys.stderr)
    if plan.day > screening.day:
        eve = plan.day - timedelta(days=1)
        early = is_eligible(ready, carried_out(ready, screening, replace(plan, day=eve), plan.steps, True), cohort, eve)
        tally["early" if early else "earliest"] += 1
    said = made[True].answers[len(screening.record.answers) :]
    if plan.lapse is not None and not any(planner.kb.tests[direct.test].bound_to_time for direct in said):
        days = [is_eligible(ready, made[True], cohort, plan.lapse.day - timedelta(days=n)) for n in (1, 0)]
        tally["lapses" if days == [True, False] else "otherwise"] += 1
    return tally


def tell(rows: list[dict[str, Any]]) -> None:
    """Print how long planning took, and what came of the plans."""
    seeds = ", ".join(map(str, sorted({row["seed"] for row in rows})))
    print(f"{len(rows)} partial records (seed {seeds}), as of {DAY}: one cohort in turn, and all\n")
    print(f"{'planning, milliseconds of the processor':<58}{'p50':>9}{'p95':>9}{'most':>9}")
    for name, words in TIMES.items():
        print(f"{words:<58}{percentiles(row['times'][name] for row in rows)}")
    total = Counter[str]()
    for row in rows:
        total.update(row["tally"])
    planned = sum(bool(row["tally"].get("plans")) for row in rows)
    print(f"\n{planned:>7}  records with a plan for their cohort\n{len(rows) - planned:>7}  without")
    for name, words in COUNTS.items():
        print(f"{total[name]:>7}  {words}")


def percentiles(times: Iterable[float]) -> str:
    ordered = sorted(times)
    return "".join(f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))]:>9.1f}" for share in (0.5, 0.95, 1)) if ordered else ""


if __name__ == "__main__":
    main()
