"""How long one record takes: a cold process, a knowledge base loaded, a first and a further patient, a plan.

    python benchmarks/single_record.py [--runs 9] [--json FILE]

Times are medians in milliseconds. Cases are the records shipped with the trial. Figures: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

DAY = date(2026, 11, 22)


def median(runs: int, job: Callable[[], object]) -> float:
    """Return the median time of a job in milliseconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        job()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def process(runs: int, compiled: str, *arguments: str) -> float:
    """Return the median time of a whole Python process; bytecode is there, as an installation leaves it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = compiled

    def run() -> None:
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)

    run()
    return median(runs, run)


def cold(runs: int, record: Path) -> dict[str, float]:
    """Time whole processes, from an empty interpreter to a screening."""
    screen = ("-c", "from pyscreen.cli import main; main()", "screen", str(record), "--on", DAY.isoformat())
    with TemporaryDirectory() as compiled:
        return {
            "process: python alone": process(runs, compiled, "-c", ""),
            "process: import of the command line": process(runs, compiled, "-c", "import pyscreen.cli"),
            "process: pyscreen screen": process(runs, compiled, *screen),
        }


def loading(runs: int) -> dict[str, float]:
    """Time the parts of loading a knowledge base."""
    from pyscreen import knowledge
    from pyscreen.engine import Program
    from pyscreen.vocabulary import read_vocabulary

    root = knowledge.default_root()
    main = knowledge.trial_file(root, None)
    program = Program([main])
    return {
        "load: parse and ground": median(runs, lambda: Program([main])),
        "load: read the vocabulary": median(runs, lambda: read_vocabulary(program)),
        "load: all of it, typed and checked": median(runs, knowledge.load),
    }


def patients(runs: int, records: list[Path]) -> dict[str, float]:
    """Time a first and a further patient, and the parts of a further one, over every case."""
    from pyscreen import knowledge
    from pyscreen.answers import answer
    from pyscreen.screening import Inputs, Screener
    from pyscreen.sources import read_record
    from pyscreen.whatif import Planner

    kb = knowledge.load()
    read = [read_record(path, kb) for path in records]
    first = median(1, lambda: Screener(kb).screen(read[0], DAY))
    screener = Screener(kb)
    inputs = Inputs(kb.program)
    shown = {"eligible": kb.program.literals("eligible")}
    answers = [answer(record, kb.tests.values(), kb.vocabulary, DAY) for record in read]
    chosen = kb.chosen()

    def over(job: Callable[[int], object]) -> float:
        return statistics.median(median(runs, lambda i=i: job(i)) for i in range(len(records)))  # type: ignore[misc]

    found = {
        "patient: the first, knowledge base loaded": first,
        "patient: read a record": over(lambda i: read_record(records[i], kb)),
        "patient: answer the tests": over(lambda i: answer(read[i], kb.tests.values(), kb.vocabulary, DAY)),
        "patient: one solve": over(lambda i: kb.program.solve(inputs.assumptions(answers[i], chosen), shown)),
        "patient: a further one, with readings": over(lambda i: screener.screen(read[i], DAY)),
    }
    planner_time = median(1, lambda: Planner(screener))
    planner = Planner(screener)
    plans = []
    for record in read:
        screening = screener.screen(record, DAY)
        plans += [median(1, lambda s=screening, c=c: planner.plans(s, c, 1)) for c in screening.verdicts]  # type: ignore[misc]
    found["what-if: ground once"] = planner_time
    found["what-if: lightest plan of a cohort"] = statistics.median(plans)
    found["what-if: slowest cohort"] = max(plans)
    return found


def main() -> None:
    """Measure, print a table, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9, help="how often each is timed (default: 9)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("records", type=Path, nargs="*", help="records (default: the cases shipped)")
    options = parser.parse_args()
    from pyscreen import knowledge

    records = options.records or sorted((knowledge.default_root() / "trials").glob("*/cases/*.yaml"))
    if not records:
        parser.error("no case is shipped; name a record")
    figures = {
        **cold(options.runs, records[0]),
        **loading(options.runs),
        **patients(options.runs, records),
    }
    print(f"{os.cpu_count()} cores, {len(records)} records, median of {options.runs}")
    for name, milliseconds in figures.items():
        print(f"  {name:<46} {milliseconds:>9.1f} ms")
    if options.json:
        options.json.write_text(json.dumps({"cores": os.cpu_count(), "milliseconds": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
