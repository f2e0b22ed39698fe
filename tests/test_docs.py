"""The documents say what is so: examples run, tables name every field of real output, and commands are those that CI runs."""

from __future__ import annotations

import doctest
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pyscreen import asktext, comparison, coverage, explain, form, knowledge, plantext, render, replies
from pyscreen.asking import Asker
from pyscreen.gaps import Gaps
from pyscreen.population.cohort import Run
from pyscreen.population.tables import frames_of, read_tables
from pyscreen.screening import Screener, Screening
from pyscreen.sources import parse_record, read_record
from pyscreen.whatif import Planner
from tests.populations import worked_forms

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CASES = [path for path in sorted((ROOT / "kb" / "trials").glob("*/cases/*")) if not path.name.startswith(("cases", "clauses"))]
DAY = date(2026, 11, 22)


# ---- README ----------------------------------------------------------------------------------------------------------


def block(marker: str) -> str:
    """Return the code block of README.md under a marker, as .ci/run takes it."""
    after = README.split(f"<!-- command: {marker} -->")[1].lstrip("\n").splitlines()
    return "\n".join(line[4:] for line in after[: after.index("")])


def test_the_library_example_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSCREEN_KB", raising=False)
    example = doctest.DocTestParser().get_doctest(README, {}, "README.md", "README.md", 0)
    assert 8 <= len(example.examples) <= 12
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example).failed == 0


def test_the_examples_of_the_explanation_graph_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSCREEN_KB", raising=False)
    path = ROOT / "docs" / "explanation-graph.md"
    example = doctest.DocTestParser().get_doctest(path.read_text(encoding="utf-8"), {}, path.name, path.name, 0)
    assert len(example.examples) >= 8
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example).failed == 0


def test_the_commands_of_the_readme_are_one_line_each_on_files_that_exist() -> None:
    screen, test = block("screen"), block("test")
    assert screen.count("\n") == test.count("\n") == 0
    assert "pip install ." in screen
    assert "pip install -e '.[test]'" in test
    (record,) = re.findall(r"kb/\S+", screen)
    assert (ROOT / record).is_file()


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in script
    assert "$(command_of screen)" in script
    assert "$(command_of test)" in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_readme_shows_real_output() -> None:
    """Every line that the README shows of a screening or plan stands in the real one."""
    (record,) = re.findall(r"kb/\S+", block("screen"))
    kb = knowledge.load()
    screener = Screener(kb)
    shown = README.split("The first prints (shortened):")[1].split("## The commands")[0]
    lines = [line[4:] for line in shown.splitlines() if line.startswith("    ") and line.strip() != "..."]
    screening = screener.screen(read_record(ROOT / record, kb), DAY)
    answers = [Planner(screener).plans(screening, cohort, 3) for cohort in screening.verdicts]
    real = render.screening_text(screening) + plantext.whatif_text(screening, answers)
    for cohort in screening.verdicts:
        real += render.explanation_text(screening, explain.graph(screening, cohort))
    stable = [line for line in lines if not line.startswith(("Knowledge base ", "$ "))]
    assert stable
    assert [line for line in stable if line.rstrip() not in real.splitlines()] == []


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_every_link_and_file_named_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / target).exists(), target
    for target in re.findall(r"`((?:kb|tests|docs|pyscreen|benchmarks)/[\w./]+)`", text):
        assert (ROOT / target).exists(), target


# ---- docs/json.md ----------------------------------------------------------------------------------------------------

Shape = Mapping[str, str]


def shapes() -> dict[str, Shape]:
    """Return the tables of docs/json.md: name to field to type; `*` stays on the name of a field that may be missing."""
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    found: dict[str, Shape] = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        name, body = part.split("\n", 1)
        rows = re.findall(r"^\| (\w+\*?) \| (\S+) \| (.+) \|$", body, re.MULTILINE)
        fields = {field: kind for field, kind, _ in rows if field != "field"}
        found[name.strip()] = {**found["head"], **fields} if "With the fields of head" in body else fields
    return found


SHAPES = shapes()


class Checker:
    """Compares output with the tables, and remembers which fields it saw with a value."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.filled: set[tuple[str, str]] = set()
        self.wrong: set[str] = set()

    def check(self, value: Any, kind: str, where: str) -> None:
        if kind.endswith("?"):
            if value is not None:
                self.check(value, kind[:-1], where)
        elif kind.startswith("["):
            self.expect(isinstance(value, list), value, kind, where)
            for one in value:
                self.check(one, kind[1:-1], where)
        elif kind.startswith("{"):
            self.expect(isinstance(value, dict), value, kind, where)
            for one in value.values():
                self.check(one, kind[1:-1], where)
        elif kind in SHAPES:
            self.fields(value, kind)
        else:
            types = {"text": str, "date": str, "int": int, "float": float, "bool": bool}
            self.expect(type(value) is types[kind], value, kind, where)
            if kind == "date":
                date.fromisoformat(value)

    def expect(self, right: bool, value: Any, kind: str, where: str) -> None:
        if not right:
            self.wrong.add(f"{where}: {value!r} is no {kind}")

    def fields(self, value: dict[str, Any], shape: str) -> None:
        self.seen.add(shape)
        for field, kind in SHAPES[shape].items():
            name = field.rstrip("*")
            if name in value:
                self.check(value[name], kind, f"{shape}.{name}")
                if value[name] not in (None, [], {}, ""):
                    self.filled.add((shape, name))
            elif not field.endswith("*"):
                self.wrong.add(f"{shape}.{name} is documented, but missing")
        for name in value:
            if name not in SHAPES[shape] and f"{name}*" not in SHAPES[shape]:
                self.wrong.add(f"{shape}.{name} is not documented")


def replied(screener: Screener, screening: Screening, gaps: Gaps, cohorts: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield real answers to each question about an explanation."""
    later = screener.screen(screening.record, DAY + timedelta(days=60), screening.readings, dependences=False)
    yield "difference", replies.difference_json(comparison.difference(screening, later))
    for fact in ("age", "informed_consent", "active_seizure"):
        yield "bearing", replies.bearing_json(screening, comparison.bearing(screener, screening, fact))
    for cohort in cohorts:
        yield "contrast", replies.contrast_json(screening, comparison.contrast(screening, cohort, cohorts[0]))
        blockers = explain.blockers(explain.graph(screening, cohort))
        yield "blocking", replies.blockers_json(screening, cohort, blockers)
        yield "missing", replies.missing_json(screening, cohort, gaps.missing(screening, cohort, 2))


def outputs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield real output of each kind, on every case and on a bundle with what cannot be mapped."""
    kb = knowledge.load()
    screener = Screener(kb)
    planner = Planner(screener)
    gaps = Gaps(kb)
    readings = {"G17": "below_30"}
    for number, path in enumerate([*CASES, ROOT / "tests" / "data" / "fhir" / "lupus.json"]):
        screening: Screening = screener.screen(read_record(path, kb), DAY, readings if number == 0 else None)
        yield "screening", render.screening_json(screening)
        if number % 6 == 0:
            cohorts = list(screening.verdicts)[number // 6 :: 3]
            yield "whatif", plantext.whatif_json(screening, [planner.plans(screening, cohort, 1) for cohort in cohorts])
            for cohort in cohorts:
                found = explain.graph(screening, cohort, number % 4 == 0)
                yield "explanation", render.explanation_json(screening, found, gaps)
            yield from replied(screener, screening, gaps, cohorts)
    young = screener.screen(parse_record(b"birth_date: 2009-01-01", kb), DAY)
    yield "whatif", plantext.whatif_json(young, [planner.plans(young, "1.2", 1)])
    eligible = (kb.root / "trials/cd19_autoimmune/cases/sle_itp_eligible.yaml").read_text(encoding="utf-8")
    soon = screener.screen(parse_record(re.sub(r"birth_date: .*", "birth_date: 2008-12-01", eligible).encode(), kb), DAY)
    state = Asker(kb).begin(screener.screen(read_record(CASES[0], kb), DAY, readings))
    yield "next", asktext.next_json(state, state.advice(3))
    yield "whatif", plantext.whatif_json(soon, [planner.plans(soon, "1.2", 1, date(2026, 11, 30))])
    yield from (("listed_reading", row) for row in render.readings_json(kb))
    rows = coverage.coverage(kb)
    yield from (("covered", row) for row in render.coverage_json([*rows, replace(rows[0], criteria=())]))
    yield "population", population(kb, readings)


def population(kb: knowledge.KnowledgeBase, readings: Mapping[str, str]) -> dict[str, Any]:
    forms = [*worked_forms(), {"record": "wrong", "sex": "other"}]
    with TemporaryDirectory() as folder:
        run = Run(read_tables(frames_of(forms)), kb, Path(folder) / "verdicts.parquet", DAY, readings, verify=1)
        list(run.parts())
        return run.as_json(run.finish())


def test_the_json_is_documented_field_by_field() -> None:
    checker = Checker()
    for shape, data in outputs():
        checker.check(json.loads(json.dumps(data)), shape, shape)
    assert sorted(checker.wrong) == []
    unseen = {"head"} if _presumes() else {"head", "presumption"}
    assert set(SHAPES) - checker.seen == unseen
    fields = {(shape, field.rstrip("*")) for shape in checker.seen for field in SHAPES[shape]}
    missing = fields - checker.filled - (set() if _presumes() else {("screening", "presumed"), ("node", "presumed")})
    assert sorted(missing) == [], "documented, but never seen with a value"


def _presumes() -> bool:
    """Tell whether the trial presumes something absent, so that there is real output of it."""
    return any(criterion.kind == "presumed_absent" for criterion in knowledge.load().criteria.values())


# ---- docs/records.md -------------------------------------------------------------------------------------------------


def record_tables() -> dict[str, set[str]]:
    text = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    tables = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        name, body = part.split("\n", 1)
        tables[name.strip()] = set(re.findall(r"^\| (\w+) \| ", body.split("\n## ")[0], re.MULTILINE)) - {"field"}
    return tables


def test_every_field_of_a_record_is_documented() -> None:
    schema = form.schema()
    tables = record_tables()
    assert tables.pop("The record") == set(schema["properties"])
    kinds = {f"Written{kind.capitalize()}": section for section, kind in form.SECTIONS.items()} | {"WrittenAnswer": form.ANSWERS}
    assert set(tables) == set(kinds.values())
    for name, section in kinds.items():
        assert tables[section] == set(schema["$defs"][name]["properties"]), section


def test_the_resources_that_are_read_are_documented() -> None:
    from pyscreen.resources import BUNDLES, READ

    text = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| ([A-Z]\w+) \| ", text, re.MULTILINE))
    assert rows == set(READ)
    assert all(kind in text for kind in BUNDLES)
