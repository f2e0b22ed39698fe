"""The explanation graph in the forms that other tools open: node-link JSON, GraphML, DOT and Mermaid; and its JSON Schema.

docs/explanation-graph.md documents what stands in it. Nothing of a record can break out of a form: what could is escaped, and
control characters never pass.
"""

from __future__ import annotations

import json
import textwrap
from importlib import resources
from io import BytesIO
from typing import TYPE_CHECKING, Any

from .explain import BLOCKS, HELPS, MARKS, NONE, OPEN
from .outline import evidence_line

if TYPE_CHECKING:
    import networkx as nx

COLOURS = {HELPS: "#0072b2", BLOCKS: "#d55e00", OPEN: "#946c00", NONE: "#6b6b6b"}
"""Okabe and Ito's palette, which colour-blind people tell apart; its yellow darkened until it can be read on white."""
_LISTS = ("evidence", "readings")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of an explanation graph as node-link data."""
    text = resources.files("pyscreen").joinpath("explanation-graph.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def node_link(found: nx.DiGraph[str]) -> dict[str, Any]:
    """Return an explanation as node-link data; `networkx.node_link_graph(data, edges="edges")` gives it back."""
    import networkx as nx

    data: dict[str, Any] = nx.node_link_data(found, edges="edges")
    return data


# ---- GraphML ---------------------------------------------------------------------------------------------------------


def graphml(found: nx.DiGraph[str]) -> str:
    """Return an explanation as GraphML; `from_graphml` gives it back.

    GraphML knows no lists: clauses are separated by spaces, `evidence` and `readings` are written as JSON.
    """
    import networkx as nx

    flat: nx.DiGraph[str] = nx.DiGraph()
    flat.graph.update((key, _xml_text(value)) for key, value in found.graph.items())
    for node, data in found.nodes(data=True):
        flat.add_node(node, **{key: _flat(key, value) for key, value in data.items()})
    for one, other, data in found.edges(data=True):
        flat.add_edge(one, other, **{key: _flat(key, value) for key, value in data.items()})
    return "\n".join(nx.generate_graphml(flat)) + "\n"


def _flat(key: str, value: Any) -> Any:
    if key == "clauses":
        return " ".join(value)
    if key in _LISTS:
        return json.dumps(value)
    return _xml_text(value) if isinstance(value, str) else value


def from_graphml(text: str) -> nx.DiGraph[str]:
    """Return the explanation that was written as GraphML."""
    import networkx as nx

    found: nx.DiGraph[str] = nx.DiGraph(nx.read_graphml(BytesIO(text.encode())))
    for name in ("node_default", "edge_default"):
        found.graph.pop(name, None)
    for _, data in found.nodes(data=True):
        data["clauses"] = data["clauses"].split()
        data.update((key, json.loads(data[key])) for key in _LISTS if key in data)
    return found


def _xml_text(text: str) -> str:
    """Leave out characters that XML cannot hold."""
    return "".join(
        c
        for c in text
        if c in "\t\n" or (ord(c) >= 32 and not 0xD800 <= ord(c) < 0xE000 and ord(c) not in (0xFFFE, 0xFFFF))
    )


# ---- DOT and Mermaid -------------------------------------------------------------------------------------------------


def dot(found: nx.DiGraph[str]) -> str:
    """Return an explanation in the DOT language of Graphviz, left to right, colour and mark by effect on eligibility."""
    lines = ["digraph explanation {", '  rankdir=LR; node [shape=box, style=rounded, fontname="Helvetica"];']
    ids = {name: f"n{i}" for i, name in enumerate(found)}
    for name, data in found.nodes(data=True):
        text = _node_text(data)
        lines.append(f'  {ids[name]} [label="{dot_text(text)}", color="{COLOURS[data["effect"]]}"];')
    for parent, child, data in found.edges(data=True):
        style = "solid" if data["decides"] else "dotted"
        lines.append(f'  {ids[parent]} -> {ids[child]} [label="{dot_text(_edge_text(data))}", style={style}];')
    return "\n".join([*lines, "}"]) + "\n"


def dot_text(text: str) -> str:
    """Return a text as it stands between quotes in DOT."""
    return plain(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def mermaid(found: nx.DiGraph[str]) -> str:
    """Return an explanation as a Mermaid flowchart."""
    lines = ["flowchart LR"]
    ids = {name: f"n{i}" for i, name in enumerate(found)}
    for name, data in found.nodes(data=True):
        lines.append(f'  {ids[name]}["{_mermaid_text(_node_text(data))}"]:::{data["effect"]}')
    for parent, child, data in found.edges(data=True):
        arrow = "-->" if data["decides"] else "-.->"
        text = _mermaid_text(_edge_text(data))
        said = f'|"{text}"|' if text else ""
        lines.append(f"  {ids[parent]} {arrow}{said} {ids[child]}")
    lines += [f"  classDef {name} stroke:{colour},stroke-width:2px" for name, colour in COLOURS.items()]
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    """Return a text as it stands between quotes in Mermaid: all but plain characters by their numbers."""
    return "".join(
        "<br/>" if c == "\n" else c if c.isalnum() or c in " .,:/()+-=%'" else f"#{ord(c)};" for c in plain(text)
    )


def plain(text: str) -> str:
    """Return a text without control characters, which no form and no terminal should get; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def _node_text(data: dict[str, Any]) -> str:
    evidence = "; ".join(evidence_line(item) for item in data.get("evidence", [])[:2])
    parts = [f"{MARKS[data['effect']]} {data['label']}", data["status"], " ".join(data["clauses"]), evidence]
    return "\n".join(textwrap.fill(" ".join(plain(part).split()), 48) for part in parts if part)


def _edge_text(data: dict[str, Any]) -> str:
    words = {"excludes": "excludes", "none_of": "not", "by_reading": data["detail"], "points": data["detail"]}
    return str(words.get(data["role"], ""))
