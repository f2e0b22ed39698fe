"""How fast a whole population is screened, beside hand-written SQL, hand-written NumPy and plain clingo, measured in one run.

    python benchmarks/population.py [--patients 10000 100000] [--limit SECONDS] [--cql] [--json FILE] [--folder FOLDER]

Prints a table with rates, peak memory and ratios. Every stage runs in a process of its own, whose peak memory is that of the
process. What would take longer than the limit is measured on the first parts of the population and says so. Needs pyscreen[batch].
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

DAY = date(2026, 11, 22)
PART = 16_384
HERE = Path(__file__).parent
SCRIPT = HERE / "criteria.sql"
SHARED = ("contrary", "person", "number", "candidate", "clash", "daily", "no_gap", "infection")
"""Views of the script that several criteria lean on: computed once, as whoever writes SQL by hand would."""
Figures = dict[str, Any]


# ---- stages, each in a process of its own ----------------------------------------------------------------------------


def generate(options: argparse.Namespace) -> Figures:
    """Invent a population, as event tables."""
    from pyscreen import load
    from pyscreen.population.exports import write_parts
    from pyscreen.population.invented import generate as invent

    started = time.perf_counter()
    write_parts(invent(load(), options.number, seed=1, day=DAY), options.source)
    return {"patients": options.number, "seconds": time.perf_counter() - started}


def _parts(options: argparse.Namespace) -> Iterator[Any]:
    """Yield the parts of a population until the time is up."""
    from pyscreen.population.tables import read_tables

    tables = read_tables(options.source, PART)
    started = time.perf_counter()
    for number in range(len(tables)):
        yield lambda number=number: tables.chunk(number)
        if time.perf_counter() - started > options.limit:
            return


def cohort(options: argparse.Namespace) -> Figures:
    """Screen a population for all cohorts, stage by stage, as `pyscreen cohort` does."""
    from pyscreen import load
    from pyscreen.population.batch import Batch
    from pyscreen.population.planes import Graph, verdicts

    kb = load()
    batch, graph = Batch(kb, DAY), Graph(kb)
    spent = dict.fromkeys(("read", "answer", "evaluate", "verdicts"), 0.0)
    patients = alone = 0
    eligible: dict[str, int] = dict.fromkeys(kb.cohorts, 0)
    for read in _parts(options):
        with _timed(spent, "read"):
            chunk = read()
        with _timed(spent, "answer"):
            answered = batch.answers(chunk)
        with _timed(spent, "evaluate"):
            statuses = graph.evaluate(answered.truths, len(chunk.ids))
        with _timed(spent, "verdicts"):
            found = [verdicts(kb, one, statuses) for one in kb.cohorts.values()]
        for one in found:
            eligible[one.cohort.id] += int((one.codes == 0).sum())
        patients += len(chunk.ids)
        alone += answered.one_by_one[0]
    return {"patients": patients, "seconds": sum(spent.values()), "stages": spent, "one_by_one": alone, "eligible": eligible}


@contextmanager
def _timed(spent: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    spent[stage] += time.perf_counter() - started


def _criteria() -> dict[str, str]:
    """Return the tests that the script answers, each with its view."""
    return dict(re.findall(r"^-- criterion: (.*)\n(?:--.*\n)*CREATE OR REPLACE VIEW (\w+)", SCRIPT.read_text(), re.MULTILINE))


def sixteen(options: argparse.Namespace) -> Figures:
    """Answer by columns the same tests as the script, from the same Parquet files."""
    from pyscreen import load
    from pyscreen.population.batch import Batch

    kb = load()
    batch = Batch(kb, DAY, [kb.tests[test] for test in _criteria()])
    started, patients, yes, alone = time.perf_counter(), 0, 0, 0
    for read in _parts(options):
        chunk = read()
        answered = batch.answers(chunk)
        patients += len(chunk.ids)
        yes += sum(int((truths == 1).sum()) for truths in answered.truths.values())
        alone += answered.one_by_one[0]
    return {"patients": patients, "seconds": time.perf_counter() - started, "yes": yes, "one_by_one": alone}


def sql(options: argparse.Namespace) -> Figures:
    """Answer them by the hand-written SQL in DuckDB, shared steps computed once."""
    import duckdb

    script = re.sub(rf"CREATE OR REPLACE VIEW ({'|'.join(SHARED)}) AS", r"CREATE OR REPLACE TABLE \1 AS", SCRIPT.read_text())
    started = time.perf_counter()
    with duckdb.connect() as database:
        for path in Path(options.source).glob("*.parquet"):
            database.execute(f"CREATE VIEW {path.stem} AS FROM read_parquet('{path}')")
        database.execute(f"SET VARIABLE day = DATE '{DAY}'")
        database.execute(script)
        counts = [database.execute(f"SELECT count(*) FILTER (answer) FROM {view}").fetchall()[0][0] for view in _criteria().values()]
        patients = database.execute("SELECT count(*) FROM patients").fetchall()[0][0]
    return {"patients": patients, "seconds": time.perf_counter() - started, "yes": sum(counts)}


def numpy(options: argparse.Namespace) -> Figures:
    """Evaluate the criterion graph on answers at random: by the package, and by hand-written NumPy without any comfort."""
    import numpy as np

    from pyscreen import load
    from pyscreen.population.planes import Graph

    kb = load()
    graph = Graph(kb)
    rng, patients = np.random.default_rng(1), 65_536
    truths = {test: rng.choice(np.array([-1, 0, 1], np.int8), patients) for test in kb.tests}
    program = _flat(graph, kb)
    rows = [(graph.numbers[test], test) for test in kb.tests]

    def by_hand() -> tuple[Any, Any]:
        met, unmet = (np.zeros((len(graph.names), patients // 8), np.uint8) for _ in range(2))
        for row, test in rows:
            met[row], unmet[row] = np.packbits(truths[test] == 1), np.packbits(truths[test] == -1)
        for row, step, members in program:
            met[row], unmet[row] = step(met, unmet, members)
        return met, unmet

    ours = statistics.median(_seconds(lambda: graph.evaluate(truths, patients)) for _ in range(5))
    hand = statistics.median(_seconds(by_hand) for _ in range(5))
    met, _ = by_hand()
    found = graph.evaluate(truths, patients)
    same = sum(int(np.unpackbits(met[row]).sum()) == int(found.flags(name, "met").sum()) for name, row in graph.numbers.items())
    return {"patients": patients, "seconds": ours, "by_hand": hand, "criteria": len(graph.names), "same": same}


def _flat(graph: Any, kb: Any) -> list[tuple[int, Any, Any]]:
    """Return the graph as a list of steps on planes of bytes; scores are added up in small whole numbers."""
    import numpy as np

    def both(a: Any, b: Any, m: Any) -> Any:
        return np.bitwise_and.reduce(a[m]), np.bitwise_or.reduce(b[m])

    def either(a: Any, b: Any, m: Any) -> Any:
        return np.bitwise_or.reduce(a[m]), np.bitwise_and.reduce(b[m])

    def neither(a: Any, b: Any, m: Any) -> Any:
        return np.bitwise_and.reduce(b[m]), np.bitwise_or.reduce(a[m])

    def known(a: Any, b: Any, m: Any) -> Any:
        yes, no = np.bitwise_or.reduce(a[m]), np.bitwise_or.reduce(b[m])
        return yes & ~no, no & ~yes

    def absent(a: Any, _b: Any, m: Any) -> Any:
        yes = np.bitwise_or.reduce(a[m])
        return yes, ~yes

    def same(a: Any, b: Any, m: Any) -> Any:
        return a[m[0]], b[m[0]]

    def doubted(row: int) -> Any:
        return lambda a, b, m: (a[row] & ~np.bitwise_or.reduce(a[m]), b[row])

    steps = {"all_of": both, "any_of": either, "none_of": neither, "known_by": known, "presumed_absent": absent}
    program: list[tuple[int, Any, Any]] = []
    for name in graph.names:
        criterion, row = kb.criteria[name], graph.numbers[name]
        if name in graph.doubts:
            program.append((row, doubted(row), [graph.numbers[other] for other in graph.doubts[name]]))
        members = [graph.numbers[member.id] for member in criterion.members]
        if criterion.kind in steps:
            program.append((row, steps[criterion.kind], members))
        elif criterion.kind == "by_reading":
            chosen = [graph.numbers[m.id] for m in criterion.members if graph.readings[m.detail[0]] == m.detail[1]]
            program.append((row, same, chosen))
        elif criterion.kind in ("n_of", "points"):
            program.append((row, _counted(criterion, graph), members))
        elif criterion.kind == "constant":
            program.append((row, _constant(criterion.id == "always"), members))
    return program


def _constant(so: bool) -> Any:
    import numpy as np

    def constant(a: Any, _b: Any, _m: Any) -> Any:
        return (np.full_like(a[0], 255), np.zeros_like(a[0])) if so else (np.zeros_like(a[0]), np.full_like(a[0], 255))

    return constant


def _counted(criterion: Any, graph: Any) -> Any:
    """Return the step that adds up points: per domain the heaviest item."""
    import numpy as np

    domains: dict[str, list[tuple[int, int]]] = {}
    for number, member in enumerate(criterion.members):
        domain, weight = (member.detail[0], int(member.detail[1])) if criterion.kind == "points" else (str(number), 1)
        domains.setdefault(domain if weight >= 0 else f"-{number}", []).append((weight, graph.numbers[member.id]))

    def counted(a: Any, b: Any, _m: Any) -> Any:
        least = np.zeros(a.shape[1] * 8, np.int16)
        most = np.zeros_like(least)
        for items in domains.values():
            if items[0][0] < 0:
                weight, row = items[0]
                least += weight * (1 - np.unpackbits(b[row]).astype(np.int16))
                most += weight * np.unpackbits(a[row]).astype(np.int16)
                continue
            certain, possible = np.zeros_like(least), np.zeros_like(least)
            for weight, row in items:
                np.maximum(certain, weight * np.unpackbits(a[row]), out=certain, casting="unsafe")
                np.maximum(possible, weight * (1 - np.unpackbits(b[row])), out=possible, casting="unsafe")
            least += certain
            most += possible
        return np.packbits(least >= criterion.number), np.packbits(most < criterion.number)

    return counted


def _seconds(job: Callable[[], Any]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def clingo(options: argparse.Namespace) -> Figures:
    """Screen some patients one by one: with a fresh grounding each, and all on one grounding under assumptions."""
    import clingo as engine

    from pyscreen import Screener, load
    from pyscreen.population.tables import read_tables
    from pyscreen.screening import facts

    kb = load()
    screener = Screener(kb)
    chunk = read_tables(options.source, PART).chunk(0)
    records = [chunk.record(place, kb) for place in range(min(options.clingo, len(chunk.ids)))]
    screener.screen(records[0], DAY)
    started = time.perf_counter()
    screened = [screener.screen(record, DAY, dependences=False) for record in records]
    shared = time.perf_counter() - started
    programs = [facts(one) for one in screened]
    fresh = 0.0
    for program, one in zip(programs, screened, strict=True):
        started = time.perf_counter()
        control = engine.Control(["--warn=none"])
        control.load(str(kb.main))
        control.add("base", [], program)
        control.ground([("base", [])])
        atoms: set[str] = set()
        control.solve(on_model=lambda model, atoms=atoms: atoms.update(map(str, model.symbols(shown=True))))
        fresh += time.perf_counter() - started
        assert {f"{verdict.status}({name})" for name, verdict in one.verdicts.items()} <= atoms
    return {"patients": len(records), "seconds": shared, "fresh": fresh}


def criteria(options: argparse.Namespace) -> Figures:
    """Answer and evaluate for one cohort, for half of them and for all: how time grows with the number of criteria."""
    from pyscreen import load
    from pyscreen.population.batch import Batch
    from pyscreen.population.tables import read_tables

    kb = load()
    chunk = read_tables(options.source, 2_048).chunk(0)
    found = []
    for number in (1, len(kb.cohorts) // 2, len(kb.cohorts)):
        roots = [need.criterion for one in list(kb.cohorts.values())[:number] for need in one.needs]
        below = {criterion.id for criterion in kb.below([*roots, *(need.criterion for need in kb.exclusions)])}
        tests = [test for name, test in kb.tests.items() if name in below]
        batch = Batch(kb, DAY, tests)
        seconds = _seconds(lambda batch=batch: batch.answers(chunk))
        found.append({"cohorts": number, "criteria": len(below), "tests": len(tests), "seconds": seconds})
    return {"patients": len(chunk.ids), "seconds": found[-1]["seconds"], "growth": found}


def cql(options: argparse.Namespace) -> Figures:
    """Answer four criteria by cql-execution (npm), and by SQL on the same rows, which must agree; in canonical units, days known."""
    import duckdb

    with duckdb.connect() as database:
        for path in Path(options.source).glob("*.parquet"):
            database.execute(f"CREATE VIEW {path.stem} AS FROM read_parquet('{path}')")
        database.execute(
            "CREATE TABLE value AS SELECT patient, date AS day, value FROM measurements "
            "WHERE quantity = 'platelets' AND unit = '10*9/L' AND text IS NULL AND length(date) = 10"
        )
        database.execute("CREATE TABLE who AS FROM patients WHERE length(birth_date) = 10 ORDER BY patient LIMIT 10000")
        rows = database.execute(
            "SELECT patient, any_value(birth_date), list(struct_pack(recordType := 'Platelets', day := day, value := value)) "
            "FILTER (day IS NOT NULL) FROM who LEFT JOIN value USING (patient) GROUP BY patient ORDER BY patient"
        ).fetchall()
        expected = database.execute(_CQL_IN_SQL, [DAY]).fetchall()[0]
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(HERE / "cql", scratch, dirs_exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=scratch, check=True, stdout=sys.stderr)
        file = Path(scratch) / "patients.ndjson"
        lines = (
            json.dumps({"id": patient, "recordType": "Patient", "birthDate": born, "records": records or []})
            for patient, born, records in rows
        )
        file.write_text("\n".join(lines) + "\n")
        done = subprocess.run(["node", "run.mjs", str(file), DAY.isoformat()], cwd=scratch, check=True, capture_output=True, text=True)
    found: Figures = json.loads(done.stdout)
    names = ("AdultUpTo70", "EverBelow30", "LatestBelow100", "TwiceBelow50")
    assert tuple(found["met"].get(name, 0) for name in names) == expected, (found["met"], expected)
    return found


_CQL_IN_SQL = """
WITH latest AS (SELECT patient, arg_max(day, day) AS day FROM value GROUP BY patient),
last AS (SELECT patient, max(value) AS value FROM value JOIN latest USING (patient, day) GROUP BY patient),
low AS (SELECT patient, bool_or(value < 30) AS ever, count(*) FILTER (value < 50) >= 2 AS twice FROM value GROUP BY patient)
SELECT count(*) FILTER (date_sub('year', birth_date::DATE, $1::DATE) BETWEEN 18 AND 70), count(*) FILTER (ever),
       count(*) FILTER (value < 100), count(*) FILTER (twice)
FROM who LEFT JOIN last USING (patient) LEFT JOIN low USING (patient)
"""

STAGES: dict[str, Callable[[argparse.Namespace], Figures]] = {
    stage.__name__: stage for stage in (generate, cohort, sixteen, sql, numpy, clingo, criteria, cql)
}


# ---- the whole -------------------------------------------------------------------------------------------------------


def measured(stage: str, source: Path, options: argparse.Namespace, number: int = 0) -> Figures:
    """Run a stage in a process of its own; add its peak memory."""
    line = [sys.executable, __file__, "--stage", stage, "--source", str(source), "--number", str(number),
            "--limit", str(options.limit), "--clingo", str(options.clingo)]  # fmt: skip
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{stage} failed")
    found: Figures = json.loads(output)
    return {**found, "megabytes": usage.ru_maxrss / 1024}


def single(folder: Path) -> Figures:
    """One record, from process start and in a process that is warm."""
    from pyscreen import Screener, knowledge
    from pyscreen.sources import read_record

    kb = knowledge.load()
    path = kb.main.parent / "cases" / "sle_itp_eligible.yaml"
    line = [sys.executable, "-m", "pyscreen", "screen", str(path), "--on", DAY.isoformat()]
    if subprocess.run(line, capture_output=True, check=False).returncode:
        line[1:3] = ["-c", "from pyscreen.cli import main; main()"]
    cold = statistics.median(_seconds(lambda: subprocess.run(line, capture_output=True, check=True)) for _ in range(5))
    screener = Screener(kb)
    screener.screen(read_record(path, kb), DAY)
    warm = statistics.median(_seconds(lambda: screener.screen(read_record(path, kb), DAY)) for _ in range(9))
    return {"cold": cold, "warm": warm}


def run(options: argparse.Namespace) -> Figures:
    """Measure everything."""
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder = Path(scratch)
        found: Figures = {"cores": os.cpu_count(), "single": single(folder), "sizes": []}
        for number in options.patients:
            source = folder / str(number)
            stages = {"generate": measured("generate", source, options, number)}
            for stage in ("cohort", "sixteen", "sql"):
                stages[stage] = measured(stage, source, options)
                print(f"  {number:,} {stage}: {stages[stage]['seconds']:.1f} s", file=sys.stderr)
            found["sizes"].append({"patients": number, **stages})
        for stage in ("numpy", "clingo", "criteria", *(["cql"] if options.cql else [])):
            found[stage] = measured(stage, folder / str(options.patients[0]), options)
    return found


def rate(figures: Figures, seconds: str = "seconds") -> float:
    """Return patients a second."""
    return float(figures["patients"] / figures[seconds])


def lines(found: Figures) -> Iterator[str]:
    """Yield the table."""
    single = found["single"]
    yield f"{found['cores']} cores; one record: {single['cold']:.2f} s from process start, {single['warm'] * 1000:.0f} ms warm"
    for size in found["sizes"]:
        yield from _size(size)
    clingo, numpy, best = found["clingo"], found["numpy"], rate(found["sizes"][-1]["cohort"])
    yield ""
    for words, seconds in (("plain clingo, a grounding a patient", "fresh"), ("one grounding, a solve a patient", "seconds")):
        slow = rate(clingo, seconds)
        yield f"  {words:<36} {slow:>21,.1f} patients/s: pyscreen is {best / slow:,.0f} times as fast"
    if "cql" in found:
        more = f"pyscreen answers 16 tests {rate(found['sizes'][-1]['sixteen']) / rate(found['cql']):.1f} times as fast"
        yield f"  cql-execution, 4 criteria, rows in memory {rate(found['cql']):>16,.0f} patients/s: {more}"
    yield f"  evaluation of {numpy['criteria']:,} criteria, answers given {rate(numpy):>18,.0f} patients/s"
    more = f"pyscreen takes {numpy['seconds'] / numpy['by_hand']:.2f} times its time; {numpy['same']:,} criteria alike"
    yield f"  the same in hand-written NumPy {rate(numpy, 'by_hand'):>27,.0f} patients/s: {more}"
    many = found["criteria"]["patients"]
    for one in found["criteria"]["growth"]:
        words = f"{one['cohorts']} cohorts, {one['criteria']:,} criteria, {one['tests']:,} tests"
        yield f"  {words:<48} {one['seconds']:>7.2f} s for {many:,} patients"


def _size(size: Figures) -> Iterator[str]:
    """Yield what was measured of one size."""
    number = size["patients"]
    yield f"\n{number:,} patients"
    for stage, words in _SHOWN.items():
        one = size[stage]
        part = "" if one["patients"] == number else f" (the first {one['patients']:,})"
        used = f"{one['seconds']:>8.1f} s {one['processor']:>8.1f} s processor"
        yield f"  {words:<36} {used} {rate(one):>10,.0f} patients/s {one['megabytes']:>7,.0f} MB{part}"
    stages = size["cohort"]["stages"]
    yield "  of pyscreen: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stages.items())
    alone = [f"{size[stage]['one_by_one'] / size[stage]['patients']:.0%}" for stage in ("cohort", "sixteen")]
    yield f"  patients with some test answered record by record: {alone[0]}; of the 16 tests: {alone[1]}"
    clock, processor = (rate(size["sixteen"], by) / rate(size["sql"], by) for by in ("seconds", "processor"))
    yield f"  pyscreen to SQL, 16 tests from Parquet: {clock:.2f} times as fast by the clock, {processor:.2f} by the processor"


_SHOWN = {
    "generate": "invent them, as Parquet",
    "cohort": "pyscreen: all cohorts and criteria",
    "sixteen": "pyscreen: the 16 tests of the SQL",
    "sql": "hand-written SQL: 16 tests",
}


def main() -> None:
    """Measure, print a table, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, nargs="+", default=[10_000, 100_000], help="sizes (default: 10000 100000)")
    parser.add_argument("--limit", type=float, default=60, help="seconds a stage may take before it stops at a part (default: 60)")
    parser.add_argument("--clingo", type=int, default=50, help="how many patients are screened one by one (default: 50)")
    parser.add_argument("--cql", action="store_true", help="also cql-execution; needs node and npm")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--folder", type=Path, help="where the populations lie meanwhile (default: the folder for temporary files)")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        started = time.process_time()
        figures = STAGES[options.stage](options)
        print(json.dumps({**figures, "processor": time.process_time() - started}))
        return
    found = run(options)
    print("\n".join(lines(found)))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
