"""How long one record takes: a cold process, a knowledge base loaded, a first and a further patient, a plan.

    python benchmarks/single_record.py [--runs 9] [--json FILE]

Times are medians in milliseconds: of processes by the clock and of the processor, all others of the processor. Cases are the
records shipped with the trial. Figures: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
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
    """Return the median time of the processor for a job, in milliseconds; what else the machine does counts less so."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        job()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times)


def process(folder: str, *arguments: str, cache: bool = True) -> tuple[float, float]:
    """Return the time, by the clock and of the processor, of a whole Python process.

    Bytecode is there, as an installation leaves it; so is the cache of the knowledge base, if it is wanted.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = folder
    environment["PYSCREEN_CACHE"] = folder if cache else ""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (time.perf_counter() - start) * 1000, busy * 1000


def cold(runs: int, record: Path) -> dict[str, float]:
    """Time whole processes, from an empty interpreter to a screening, in turn, so that a busy machine slows all alike."""
    screen = ("-c", "from pyscreen.cli import main; main()", "screen", str(record), "--on", DAY.isoformat())
    jobs: dict[str, tuple[tuple[str, ...], bool]] = {
        "python alone": (("-c", ""), True),
        "import of the command line": (("-c", "import pyscreen.cli"), True),
        "pyscreen screen": (screen, True),
        "pyscreen screen, nothing cached": (screen, False),
    }
    times: dict[str, list[float]] = {}
    with TemporaryDirectory() as folder:
        for number in range(runs + 1):
            for name, (arguments, cache) in jobs.items():
                wall, busy = process(folder, *arguments, cache=cache)
                if number:  # the first round fills the caches
                    times.setdefault(f"process: {name}", []).append(wall)
                    times.setdefault(f"process: {name} (processor)", []).append(busy)
    return {name: statistics.median(found) for name, found in times.items()}


def loading(runs: int) -> dict[str, float]:
    """Time the parts of loading a knowledge base."""
    from pyscreen import knowledge
    from pyscreen.engine import Program
    from pyscreen.vocabulary import read_vocabulary

    root = knowledge.default_root()
    main = knowledge.trial_file(root, None)
    program = Program([main])
    figures = {
        "load: parse and ground": median(runs, lambda: Program([main])),
        "load: read the vocabulary": median(runs, lambda: read_vocabulary(program)),
    }
    with TemporaryDirectory() as folder:
        for cache, name in (("", "load: all, typed and checked"), (folder, "load: all, from the cache")):
            os.environ["PYSCREEN_CACHE"] = cache
            knowledge.load()
            figures[name] = median(runs, knowledge.load)
    os.environ["PYSCREEN_CACHE"] = ""
    return figures


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

    shipped = (knowledge.default_root() / "trials" / "cd19_autoimmune" / "cases").glob("*")
    records = options.records or sorted(path for path in shipped if not path.name.startswith(("cases", "clauses")))
    figures = {
        **cold(options.runs, records[0]),
        **loading(options.runs),
        **patients(options.runs, records),
    }
    print(f"{os.cpu_count()} cores, {len(records)} records, median of {options.runs}")
    for name, milliseconds in figures.items():
        print(f"  {name:<54} {milliseconds:>9.1f} ms")
    if options.json:
        options.json.write_text(json.dumps({"cores": os.cpu_count(), "milliseconds": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
