"""The explanation graph tells what decides, what stands in the way and what is missing; its exports open again."""

from __future__ import annotations

import io
import json
from functools import cache

import networkx as nx
import pytest

from pyscreen import explain, exports, render
from pyscreen.gaps import Gaps
from pyscreen.screening import ELIGIBLE, INELIGIBLE, UNDECIDED, Inputs, Screening
from tests.partial import DAY, knowledge, partial_records, screener

MANY = 24
RECORDS = list(partial_records(MANY, seed=3))
COHORTS = ("1.1", "1.2", "1.3", "1.4", "1.5", "1.6")
EVERY = [(number, COHORTS[number % len(COHORTS)]) for number in range(MANY)]


@cache
def screened(number: int) -> Screening:
    return screener().screen(RECORDS[number], DAY)


def eligible_with(screening: Screening, changed: dict[str, bool | None], cohort: str, free: bool = False) -> bool:
    """Ask clingo whether the cohort is (with `free`: can come to be) eligible with these answers changed."""
    program = knowledge().program
    inputs = Inputs(program)
    literals = inputs.choices(screening.readings)
    for test in inputs.yes:
        if free and test not in changed:
            continue
        truth = changed.get(test, screening.answers[test].truth)
        literals.append(inputs.yes[test] if truth is True else -inputs.yes[test])
        literals.append(inputs.no[test] if truth is False else -inputs.no[test])
    return program.satisfiable([*literals, program.literals(ELIGIBLE)[knowledge().cohort(cohort).id]])


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_the_graph_is_whole(number: int, cohort: str) -> None:
    found = explain.graph(screened(number), cohort, everything=True)
    assert nx.is_directed_acyclic_graph(found)
    root = found.graph["cohort"]
    assert set(nx.descendants(found, root)) | {root} == set(found)
    for _, data in found.nodes(data=True):
        assert {"kind", "label", "status", "effect", "matters", "clauses"} <= set(data)
    for _, _, data in found.edges(data=True):
        assert {"role", "clause", "detail", "decides"} <= set(data)


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_an_absent_exclusion_helps(number: int, cohort: str) -> None:
    found = explain.graph(screened(number), cohort)
    wanted = {"met": "blocks", "unmet": "helps", "unknown": "open"}
    for _, child, data in found.out_edges(found.graph["cohort"], data=True):
        if data["role"] == "excludes" and data["decides"]:
            assert found.nodes[child]["effect"] in (wanted[found.nodes[child]["status"]], "none")


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_why_holds_by_itself(number: int, cohort: str) -> None:
    """The tests that matter, and nothing else known, give the same verdict where one was reached."""
    screening = screened(number)
    part = explain.why(explain.graph(screening, cohort))
    verdict = screening.verdict(cohort).status
    if verdict == UNDECIDED:
        return
    told = {name: screening.answers[name].truth for name in part if name in screening.answers.by_test}
    rest = dict.fromkeys((name for name in screening.answers.by_test if name not in told), None)
    program = knowledge().program
    inputs = Inputs(program)
    literals = inputs.choices(screening.readings)
    for test, truth in {**rest, **told}.items():
        literals.append(inputs.yes[test] if truth is True else -inputs.yes[test])
        literals.append(inputs.no[test] if truth is False else -inputs.no[test])
    name = {ELIGIBLE: ELIGIBLE, INELIGIBLE: INELIGIBLE}[verdict]
    assert program.satisfiable([*literals, program.literals(name)[knowledge().cohort(cohort).id]])


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_a_necessary_blocker_bars_every_way(number: int, cohort: str) -> None:
    screening = screened(number)
    found = explain.graph(screening, cohort)
    for blocker in [b for b in explain.blockers(found) if b.necessary][:6]:
        stuck = {blocker.test: screening.answers[blocker.test].truth}
        assert not eligible_with(screening, stuck, cohort, free=True), blocker


@cache
def gaps() -> Gaps:
    return Gaps(knowledge())


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_each_missing_set_is_enough_and_has_nothing_to_spare(number: int, cohort: str) -> None:
    screening = screened(number)
    for way in gaps().missing(screening, cohort, limit=4).sets:
        assert eligible_with(screening, dict(way), cohort), way
        for test in way:
            fewer = {other: truth for other, truth in way.items() if other != test}
            assert not eligible_with(screening, dict(fewer), cohort), (way, test)


@pytest.mark.parametrize(("number", "cohort"), EVERY)
def test_where_no_set_is_found_no_answers_to_what_is_open_would_do(number: int, cohort: str) -> None:
    """Asked of clingo with every open test free; what would contradict a known fact does not count."""
    screening = screened(number)
    if gaps().missing(screening, cohort, limit=1).sets:
        return
    known = {test: given.truth for test, given in screening.answers.by_test.items() if given.truth is not None}
    program = knowledge().program
    agreed = [-literal for literal in program.literals("conflict").values()] if not screening.conflicts else []
    inputs = Inputs(program)
    literals = [*inputs.choices(screening.readings), *agreed]
    for test, truth in known.items():
        literals += [inputs.yes[test] if truth else -inputs.yes[test], -inputs.no[test] if truth else inputs.no[test]]
    if agreed:
        assert not program.satisfiable([*literals, program.literals(ELIGIBLE)[knowledge().cohort(cohort).id]])


@pytest.mark.parametrize(("number", "cohort"), EVERY[:6])
def test_the_exports_open_again(number: int, cohort: str) -> None:
    screening = screened(number)
    found = explain.graph(screening, cohort)
    again = nx.read_graphml(io.BytesIO(exports.graphml(found).encode()))
    assert set(again.nodes) == set(found.nodes)
    assert set(again.edges) == set(found.edges)
    data = json.loads(json.dumps(render.explanation_json(screening, found)))
    linked = nx.node_link_graph(data["graph"], edges="edges")
    assert dict(linked.nodes(data=True)) == dict(found.nodes(data=True))
    assert {(a, b): d for a, b, d in linked.edges(data=True)} == {(a, b): d for a, b, d in found.edges(data=True)}
    dot = exports.dot(found)
    assert dot.count(" -> ") == found.number_of_edges()
    assert dot.count("{") == dot.count("}")
    mermaid = exports.mermaid(found).splitlines()
    assert sum("-->" in line or "-.->" in line for line in mermaid) == found.number_of_edges()
