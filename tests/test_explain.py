"""Explanations: the graph is whole, exports open again; blockers and missing sets of the small trial are just what clingo says.

Real records: tests/test_explanations.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from io import BytesIO
from random import Random

import networkx as nx
import pytest

from pyscreen import explain, exports
from pyscreen.gaps import Gaps
from pyscreen.knowledge import KnowledgeBase
from pyscreen.screening import ELIGIBLE, INELIGIBLE, UNDECIDED, Inputs, Screener, Screening
from tests.partial import DAY, partial_records
from tests.partial import screener as real
from tests.small_trial import screened, small_verdict, some_truths

NODE = {"kind", "label", "clauses", "status", "effect", "matters"}
LEAF = {"evidence", "why", "source", "number"}
EDGE = {"role", "clause", "detail", "decides"}


@cache
def screenings() -> tuple[Screening, ...]:
    return tuple(real().screen(record, DAY) for record in partial_records(30, seed=3))


COHORTS = ("sle_itp", "sle_pah", "sle_refractory", "sle_tma", "sle_ple")
REAL = [(number, COHORTS[number % 5]) for number in range(30)]


@pytest.fixture(scope="module")
def small(invented: Callable[[str], KnowledgeBase]) -> Screener:
    return Screener(invented("small"))


def possible(screening: Screening, cohort: str, fixed: dict[str, bool | None]) -> bool:
    """Tell, by clingo, whether some answers to all other tests make the cohort eligible while these stay as they are."""
    program = screening.kb.program
    inputs = Inputs(program)
    given = inputs.choices(screening.readings)
    for test, truth in fixed.items():
        given += [inputs.yes[test] if truth is True else -inputs.yes[test], inputs.no[test] if truth is False else -inputs.no[test]]
    return program.satisfiable([*given, program.literals(ELIGIBLE)[cohort]])


# ---- the graph -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "cohort"), REAL)
@pytest.mark.parametrize("everything", [False, True])
def test_the_graph_is_whole(number: int, cohort: str, everything: bool) -> None:
    screening = screenings()[number]
    found = explain.graph(screening, cohort, everything)
    assert nx.is_directed_acyclic_graph(found)
    assert nx.descendants(found, cohort) == set(found) - {cohort}
    for node, data in found.nodes(data=True):
        assert set(data) >= (NODE if node == cohort else NODE | LEAF), node
        if node == cohort:
            assert data["status"] == screening.verdicts[cohort].status
            continue
        criterion = screening.kb.criteria[node]
        members = [m.id for m in criterion.members if everything or criterion.kind != "by_reading" or screening.readings[m.detail[0]] == m.detail[1]]
        assert set(found.successors(node)) == set(members)
        assert (data["status"], data["label"]) == (screening.statuses[node], criterion.label)
    for _, _, edge in found.edges(data=True):
        assert set(edge) >= EDGE
    needs = {need.criterion for need in (*screening.verdicts[cohort].cohort.needs, *screening.kb.exclusions)}
    assert set(found.successors(cohort)) == needs


@pytest.mark.parametrize("cohort", ["low", "scored", "read"])
def test_why_is_enough_in_the_small_trial_too(small: Screener, cohort: str) -> None:
    for seed in range(60):
        screening = screened(small, some_truths(small.kb, Random(seed), 0.3))
        status = screening.verdicts[cohort].status
        part = explain.why(explain.graph(screening, cohort))
        tests = [node for node in part if node in small.kb.tests]
        if status != UNDECIDED:
            kept = {test: screening.answers[test].truth for test in tests}
            assert screened(small, kept).verdicts[cohort].status == status


def test_an_exclusion_that_is_absent_helps_and_one_that_is_present_blocks(small: Screener) -> None:
    for present, status, effect in ((False, "unmet", explain.HELPS), (True, "met", explain.BLOCKS), (None, "unknown", explain.OPEN)):
        answers = {"finding(cough)": present, "consent(informed)": True, "finding(rash)": True, "low_dose": True, 'below(platelets,"30 10*9/L")': True}
        found = explain.graph(screened(small, answers), "low")
        data = found.nodes["finding(cough)"]
        assert (data["status"], data["effect"], data["matters"]) == (status, effect, True)
        assert found.nodes["low"]["status"] == {False: ELIGIBLE, True: INELIGIBLE, None: UNDECIDED}[present]


# ---- blockers --------------------------------------------------------------------------------------------------------


def check_blockers(screening: Screening, cohort: str) -> int:
    found = explain.graph(screening, cohort)
    blockers = explain.blockers(found)
    if screening.verdicts[cohort].status == ELIGIBLE:
        assert not blockers
        return 0
    for blocker in blockers:
        truth = screening.answers[blocker.test].truth
        status = screening.statuses[blocker.test]
        assert blocker.contrary is (status != "unknown")
        assert blocker.necessary is not possible(screening, cohort, {blocker.test: truth}), blocker
    rest = {t: screening.answers[t].truth for t in screening.kb.tests if t in found and t not in {b.test for b in blockers}}
    if possible(screening, cohort, {}):
        assert possible(screening, cohort, rest), "what blocks is among the blockers"
    return sum(blocker.necessary for blocker in blockers)


@pytest.mark.parametrize("cohort", ["low", "scored", "read"])
def test_necessary_blockers_are_just_those_without_which_there_is_no_way(small: Screener, cohort: str) -> None:
    assert sum(check_blockers(screened(small, some_truths(small.kb, Random(seed), 0.5)), cohort) for seed in range(80))


# ---- missing sets ----------------------------------------------------------------------------------------------------


@cache
def gaps(trial: str) -> Gaps:
    return Gaps(GAPS[trial])


GAPS: dict[str, KnowledgeBase] = {}


def missing_sets(screening: Screening, cohort: str) -> list[frozenset[str]]:
    """Return the smallest sets, and check that a set left out by the limit does exist, and none else."""
    GAPS[screening.kb.trial] = screening.kb
    found = gaps(screening.kb.trial).missing(screening, cohort, limit=8)
    more = gaps(screening.kb.trial).missing(screening, cohort, limit=9)
    assert sorted(map(len, found.sets)) == sorted(map(len, more.sets))[: len(found.sets)]
    assert found.complete is (len(more.sets) == len(found.sets))
    return [frozenset(way) for way in found.sets]


def check_missing(screening: Screening, cohort: str) -> int:
    sets = missing_sets(screening, cohort)
    answers = {test: screening.answers[test].truth for test in screening.kb.tests}
    for missing in sets:
        assert all(screening.statuses[test] == "unknown" for test in missing)
        others = {test: truth for test, truth in answers.items() if test not in missing}
        assert possible(screening, cohort, others), missing
        for test in missing:
            assert not possible(screening, cohort, others | {test: answers[test]}), (test, missing)
    assert all(not one < other for one in sets for other in sets)
    assert [len(one) for one in sets] == sorted(map(len, sets))
    return len(sets)


@pytest.mark.parametrize("cohort", ["low", "scored", "read"])
def test_missing_sets_are_enough_and_minimal(small: Screener, cohort: str) -> None:
    found = 0
    for seed in range(60):
        truths = some_truths(small.kb, Random(seed), 0.6)
        screening = screened(small, truths)
        number = check_missing(screening, cohort)
        found += number
        if not number:
            fixed = {test: truth for test, truth in truths.items() if screening.statuses[test] != "unknown"}
            assert not possible(screening, cohort, fixed), "a way in is not found"
        if screening.verdicts[cohort].status == ELIGIBLE:
            assert missing_sets(screening, cohort) == [frozenset()]
            assert small_verdict(cohort, truths) is True
    assert found


# ---- exports ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "cohort"), REAL[::6])
def test_graphml_holds_the_whole_graph(number: int, cohort: str) -> None:
    found = explain.graph(screenings()[number], cohort)
    back = nx.read_graphml(BytesIO(exports.graphml(found).encode()))
    assert set(back) == set(found)
    assert set(back.edges) == set(found.edges)
    for node, data in found.nodes(data=True):
        for name in ("kind", "label", "status", "effect", "matters"):
            assert back.nodes[node][name] == data[name]
        assert back.nodes[node]["clauses"].split() == list(data["clauses"])
    for one, other, edge in found.edges(data=True):
        assert {name: back.edges[one, other][name] for name in EDGE} == {name: edge[name] for name in EDGE}


@pytest.mark.parametrize(("number", "cohort"), REAL[::6])
def test_node_link_data_give_the_same_graph(number: int, cohort: str) -> None:
    import json

    found = explain.graph(screenings()[number], cohort)
    back = nx.node_link_graph(json.loads(json.dumps(exports.node_link(found))), edges="edges")
    assert nx.utils.graphs_equal(found, back)


@pytest.mark.parametrize(("number", "cohort"), REAL[::6])
def test_dot_and_mermaid_have_a_line_for_each_node_and_edge(number: int, cohort: str) -> None:
    found = explain.graph(screenings()[number], cohort)
    dot, mermaid = exports.dot(found), exports.mermaid(found)
    for text, node, edge in (
        (dot, r'^  (\w+) \[label="(?:[^"\\]|\\.)*", color="[^"]*"\];$', r'^  (\w+) -> (\w+) \[label="(?:[^"\\]|\\.)*", style=\w+\];$'),
        (mermaid, r'^  (\w+)\["[^"]*"\]:::\w+$', r'^  (\w+) (?:-->|-\.->)(?:\|"[^"]*"\|)? (\w+)$'),
    ):
        nodes = re.findall(node, text, re.MULTILINE)
        edges = re.findall(edge, text, re.MULTILINE)
        assert len(nodes) == len(set(nodes)) == found.number_of_nodes()
        assert len(edges) == found.number_of_edges()
        assert {name for pair in edges for name in pair} <= set(nodes)


def test_labels_with_quotes_and_brackets_do_not_break_an_export() -> None:
    found = explain.graph(screenings()[0], "sle_itp")
    node = next(iter(n for n in found if n != "sle_itp"))
    nasty = 'a "quoted" <b> \\ label]; & more'
    found.nodes[node]["label"] = nasty
    back = nx.read_graphml(BytesIO(exports.graphml(found).encode()))
    assert back.nodes[node]["label"] == nasty
    assert len(re.findall(r"^  \w+ \[label=", exports.dot(found), re.MULTILINE)) == found.number_of_nodes()
    assert len(re.findall(r'^  \w+\["[^"]*"\]:::', exports.mermaid(found), re.MULTILINE)) == found.number_of_nodes()


def test_a_reading_not_chosen_is_shown_only_if_everything_is_asked_for(small: Screener) -> None:
    screening = screened(small, {})
    assert "finding(itch)" not in explain.graph(replace(screening), "read")
    assert "finding(itch)" in explain.graph(screening, "read", everything=True)
    assert "finding(itch)" in explain.graph(screened(small, {}, {"R": "second"}), "read")
