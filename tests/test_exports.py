"""The explanation graph in every form: what it is documented to be, the same in every run, whole again in other tools, unharmed by text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import jsonschema
import networkx as nx
import pygraphviz
import pytest

from pyscreen import explain, exports
from pyscreen.screening import Screening
from tests.hostile import hostile
from tests.partial import DAY, partial_records, screener, worked

ROOT = Path(__file__).parent.parent
RECORDS = list(partial_records(24, seed=11))


@cache
def graphs() -> tuple[nx.DiGraph[str], ...]:
    """Return explanations of many records, whole and only why, some of them with an attack in every text."""
    found = []
    for number, record in enumerate(RECORDS):
        screening = screener().screen(hostile(record) if number % 2 else record, DAY, dependences=False)
        cohorts = list(screening.verdicts)
        whole = explain.graph(screening, cohorts[number % len(cohorts)], everything=number % 3 == 0)
        found += [whole, explain.why(whole)]
    return tuple(found)


def test_the_schema_is_a_schema_and_holds_for_real_output() -> None:
    jsonschema.Draft202012Validator.check_schema(exports.schema())
    validator = jsonschema.Draft202012Validator(exports.schema())
    for found in graphs():
        assert [error.message for error in validator.iter_errors(exports.node_link(found))] == []


def test_the_schema_refuses_what_is_not_documented() -> None:
    validator = jsonschema.Draft202012Validator(exports.schema())
    data = exports.node_link(graphs()[0])
    node, edge = data["nodes"][1], data["edges"][0]
    for broken in (
        {**data, "nodes": [{**node, "colour": "red"}]},
        {**data, "nodes": [{**node, "status": "eligible"}]},
        {**data, "nodes": [{name: value for name, value in node.items() if name != "why"}]},
        {**data, "nodes": []},
        {**data, "edges": [{**edge, "role": "perhaps"}]},
        {**data, "edges": [{**edge, "weight": 3}]},
    ):
        assert not validator.is_valid(broken)


def test_the_schema_knows_every_attribute_that_occurs() -> None:
    """Each attribute of the schema is seen in real output, so that none is documented in vain."""
    seen = {"nodes": set(), "edges": set()}
    for found in graphs():
        for part, names in seen.items():
            for one in exports.node_link(found)[part]:
                names.update(one)
    defined = exports.schema()["$defs"]
    assert seen["edges"] == set(defined["edge"]["properties"])
    assert seen["nodes"] | {"presumed"} == set(defined["node"]["properties"])


def test_evidence_stands_in_fields() -> None:
    items = [item for found in graphs() for _, data in found.nodes(data=True) for item in data.get("evidence", [])]
    measured = [item for item in items if item["kind"] == "measurement"]
    assert measured
    assert all(
        re.fullmatch(r"(>=? |<=? |about |)-?[\d.]+( to (about )?[\d.]+)?", item["value"] or "0") for item in measured
    )
    assert "10*9/L" in {item["unit"] for item in measured}
    assert {item["value"] for item in items if item["kind"] == "finding"} == {"yes", "no"}


def test_the_same_screening_gives_the_same_bytes_in_every_run() -> None:
    code = (
        "import hashlib, json; from pyscreen import exports, explain; from tests.test_exports import graphs; "
        "texts = [f(g) for g in graphs()[:6] for f in (exports.graphml, exports.dot, exports.mermaid)]; "
        "texts += [json.dumps(exports.node_link(g)) for g in graphs()[:6]]; "
        "print(hashlib.sha256(''.join(texts).encode()).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_graphml_gives_the_graph_back() -> None:
    for number, found in enumerate(graphs()):
        back = exports.from_graphml(exports.graphml(found))
        assert list(back) == list(found)
        assert list(back.edges) == list(found.edges)
        if number % 4 < 2:  # an attack can hold characters that XML cannot
            assert nx.utils.graphs_equal(back, found)
        else:
            evidence = [data.get("evidence") for _, data in found.nodes(data=True)]
            assert [data.get("evidence") for _, data in back.nodes(data=True)] == evidence


@pytest.mark.parametrize("number", range(0, 48, 5))
def test_graphviz_reads_the_dot_as_it_is_meant(number: int) -> None:
    found = graphs()[number]
    read = pygraphviz.AGraph(string=exports.dot(found))
    assert (read.number_of_nodes(), read.number_of_edges()) == (len(found), found.number_of_edges())
    labels = [node.attr["label"] for node in sorted(read.nodes(), key=lambda node: int(node[1:]))]
    for label, data in zip(labels, (data for _, data in found.nodes(data=True)), strict=True):
        assert label.startswith(explain.MARKS[data["effect"]])
    assert b"<svg" in read.draw(format="svg", prog="dot")


TEXT = r"(?:\w|[ .,:/()+\-=%']|#\d+;|<br/>)*"
MERMAID = re.compile(
    "flowchart LR\n"
    rf'(?:  n\d+\["{TEXT}"\]:::(?:helps|blocks|open|none)\n)+'
    rf'(?:  n\d+ (?:-->|-\.->)(?:\|"{TEXT}"\|)? n\d+\n)*'
    r"(?:  classDef \w+ stroke:#[0-9a-f]{6},stroke-width:2px\n){4}"
)


def test_mermaid_keeps_to_a_strict_grammar() -> None:
    for found in graphs():
        text = exports.mermaid(found)
        assert MERMAID.fullmatch(text)
        assert text.count("]:::") == len(found)


def test_no_form_holds_a_control_character_or_an_attack_as_it_was() -> None:
    screening = attacked()
    for cohort in ("sle_itp", "sle_tma", "sle_refractory"):
        found = explain.graph(screening, cohort)
        for write in (exports.graphml, exports.dot, exports.mermaid):
            text = write(found)
            text.encode("utf-8")
            assert [c for c in text if ord(c) < 32 and c not in "\n\t"] == []
        assert "<script" not in exports.graphml(found) + exports.mermaid(found)
        assert "\u202e" not in exports.dot(found) + exports.mermaid(found)


@cache
def attacked() -> Screening:
    record = next(record for record in worked(derived=False) if len(record.measurements) > 5)
    return screener().screen(hostile(record), DAY, dependences=False)
