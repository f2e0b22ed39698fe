"""A trial as JSON: it fits its schema, says all that the knowledge base says, and nothing is left to parse."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from pyscreen import knowledge
from pyscreen.cli import main
from pyscreen.dates import Duration
from pyscreen.interchange import export, schema
from pyscreen.knowledge import KnowledgeBase
from pyscreen.questions import Comparison, Selection


@pytest.fixture(scope="module", params=["cd19_autoimmune", "diabetic_kidney"])
def trial(request: pytest.FixtureRequest) -> KnowledgeBase:
    return knowledge.load(request.param)


@pytest.fixture(scope="module")
def written(trial: KnowledgeBase) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(export(trial)))
    return found


def test_it_fits_its_schema(written: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(written)


def test_the_schema_refuses_what_it_does_not_name(written: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    test = next(iter(written["tests"].values()))
    for broken in (
        {**written, "patients": []},
        {**written, "format": "pyscreen.knowledge/2"},
        {**written, "tests": {"t": {**test, "selection": "first"}}},
        {**written, "criteria": {"c": {"kind": "some_of", "label": "?"}}},
    ):
        assert not validator.is_valid(broken)


def test_it_holds_every_cohort_criterion_test_reading_and_clause(trial: KnowledgeBase, written: dict[str, Any]) -> None:
    assert [cohort["id"] for cohort in written["cohorts"]] == list(trial.cohorts)
    for name in ("criteria", "tests", "readings", "clauses"):
        assert list(written[name]) == list(getattr(trial, name))
    assert written["knowledge_base"] == trial.digest


def test_every_name_in_it_leads_somewhere(written: dict[str, Any]) -> None:
    needs = [need for cohort in written["cohorts"] for need in cohort["needs"]] + written["exclusions"]
    members = [member for criterion in written["criteria"].values() for member in criterion.get("members", ())]
    assert {need["clause"] for need in needs} <= set(written["clauses"])
    assert {one["criterion"] for one in (*needs, *members)} <= set(written["criteria"])
    assert {test for test, _ in written["doubts"]} <= set(written["tests"])
    chosen = {(member["reading"], member["option"]) for member in members if "reading" in member}
    assert chosen <= {(name, option) for name, reading in written["readings"].items() for option in reading["options"]}
    for place, selection in enumerate(written["selections"]):
        leant_on = [condition["selection"] for condition in selection.get("conditions", ()) if "selection" in condition]
        assert all(other < place for other in leant_on)


def test_selections_and_comparisons_say_what_the_tests_ask(trial: KnowledgeBase, written: dict[str, Any]) -> None:
    for name, test in trial.tests.items():
        found = written["tests"][name]
        assert_same_selection(test.selection, found["selection"], written["selections"])
        assert_same_comparison(test.comparison, found["comparison"])
        assert (found["summary"], found.get("argument", "")) == (test.summary, test.argument)
        assert found.get("bound_to_time", False) is test.bound_to_time


def assert_same_selection(selection: Selection, place: int, written: list[dict[str, Any]]) -> None:
    found = written[place]
    assert (found["kind"], found["concept"]) == (selection.kind, selection.concept)
    assert set(found.get("members", ())) == selection.members
    assert [condition["name"] for condition in found.get("conditions", ())] == [c.name for c in selection.conditions]
    for condition, said in zip(selection.conditions, found.get("conditions", ()), strict=True):
        assert said.get("word", "") == condition.word
        assert said.get("half_lives", 0) == condition.half_lives
        assert said.get("duration") == (str(condition.duration) if condition.duration else None)
        assert ("selection" in said) is (condition.selection is not None)
        if condition.selection:
            assert_same_selection(condition.selection, said["selection"], written)
        if condition.comparison:
            assert_same_comparison(condition.comparison, said["comparison"])


def assert_same_comparison(comparison: Comparison, found: dict[str, Any]) -> None:
    assert found["op"] == comparison.op
    for threshold, said in zip(comparison.thresholds, found.get("thresholds", ()), strict=True):
        if threshold.duration:
            number, unit = said["duration"].split(" ")
            assert Duration(int(number), unit) == threshold.duration
        else:
            assert (Fraction(said["number"]), said.get("unit", ""), said.get("limit", "")) == (
                threshold.number,
                threshold.unit,
                threshold.limit,
            )


def test_units_keep_their_exact_factors(trial: KnowledgeBase, written: dict[str, Any]) -> None:
    words = written["vocabulary"]
    for quantity in trial.vocabulary.quantities.values():
        scale = words["scales"][words["quantities"][quantity.id]["scale"]]
        assert scale["unit"] == quantity.scale.unit
        for unit in quantity.scale.units:
            factor, offset = map(Fraction, scale["units"][unit])
            assert quantity.scale.to_canonical(Fraction(3), unit) == 3 * factor + offset


def test_the_command_writes_it_and_its_schema(tmp_path: Path) -> None:
    file = tmp_path / "trial.json"
    done = CliRunner().invoke(main, ["kb", "export", "--trial", "diabetic_kidney", "-o", str(file)])
    assert done.exit_code == 0
    assert json.loads(file.read_text(encoding="utf-8")) == json.loads(json.dumps(export(knowledge.load("diabetic_kidney"))))
    shown = CliRunner().invoke(main, ["kb", "export", "--schema"])
    assert json.loads(shown.stdout) == json.loads(json.dumps(schema()))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["kb", "export", "--trial", "diabetic_kidney", "-o", str(tmp_path / "no" / "trial.json")])
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_the_document_names_every_field() -> None:
    text = (Path(__file__).parent.parent / "docs" / "interchange.md").read_text(encoding="utf-8")
    for name in schema()["properties"]:
        assert f"| {name} |" in text
    for kind in schema()["$defs"]["criterion"]["properties"]["kind"]["enum"]:
        assert kind == "test" or f"| {kind} |" in text
