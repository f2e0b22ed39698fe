"""Why a verdict is what it is: a `networkx.DiGraph` over cohort, criteria and tests, and the questions put to it.

Nodes carry `kind`, `label`, `clauses`, `status`, `effect`, `evidence`, `why`, `source`, `matters` (a score also `points_certain`,
`points_possible`; what is read, `readings`; what is only presumed not to be so, `presumed`); edges `role`, `clause`, `detail`,
`decides` (an item of a score also `domain`, `weight`). docs/explanation-graph.md has every attribute.
`status` is met, unmet, unknown (a cohort: eligible, ineligible, undecided). `effect` is on eligibility, not on truth: an exclusion
that is absent `helps`, one that is present `blocks`, one that is not settled is `open`; `none` is what does not matter to the verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .answers import Evidence
from .kleene import MET, UNKNOWN, UNMET
from .knowledge import Criterion, Need
from .screening import ELIGIBLE, INELIGIBLE, Screening
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    import networkx as nx

HELPS, BLOCKS, OPEN, NONE = "helps", "blocks", "open", "none"
MARKS = {HELPS: "+", BLOCKS: "x", OPEN: "?", NONE: "."}
LEGEND = "+ helps   x blocks   ? open   . does not matter"
_FLIPS = ("none_of", "excludes")


def graph(screening: Screening, cohort: str, everything: bool = False) -> nx.DiGraph[str]:
    """Return the explanation of a cohort's verdict as a graph; its root is the cohort's id.

    Without `everything`, options of readings that were not chosen are left out. Order of nodes and edges is that of the protocol.
    Raises RequestError for a cohort that does not exist.
    """
    import networkx as nx

    verdict = screening.verdict(cohort)
    found: nx.DiGraph[str] = nx.DiGraph(
        cohort=verdict.cohort.id, trial=screening.kb.trial, record=screening.record.id, day=screening.day.isoformat()
    )
    root = verdict.cohort.id
    found.add_node(root, kind="cohort", label=f"{verdict.cohort.code} {verdict.cohort.label}", status=verdict.status)
    builder = _Builder(screening, found, everything)
    for role, needs in (("requires", verdict.cohort.needs), ("excludes", screening.kb.exclusions)):
        for need in needs:
            builder.add_need(root, role, need, verdict.status)
    _mark(found, root)
    return found


class _Builder:
    def __init__(self, screening: Screening, found: nx.DiGraph[str], everything: bool) -> None:
        self.screening = screening
        self.graph = found
        self.everything = everything

    def add_need(self, root: str, role: str, need: Need, verdict: str) -> None:
        self.add(need.criterion)
        status = self.screening.statuses[need.criterion]
        against, favour = (MET, UNMET) if role == "excludes" else (UNMET, MET)
        wanted = {ELIGIBLE: favour, INELIGIBLE: against}.get(verdict, UNKNOWN)
        if self.graph.has_edge(root, need.criterion):
            edge = self.graph.edges[root, need.criterion]
            edge["clause"] = f"{edge['clause']} {need.clause}"
        else:
            self.graph.add_edge(
                root, need.criterion, role=role, clause=need.clause, detail="", decides=status == wanted
            )
        clauses = self.graph.nodes[need.criterion]["clauses"]
        if need.clause not in clauses:
            clauses.append(need.clause)

    def add(self, name: str) -> None:
        if name in self.graph:
            return
        criterion = self.screening.kb.criteria[name]
        given = self.screening.answers.by_test.get(name)
        self.graph.add_node(
            name,
            kind=criterion.kind,
            label=criterion.label,
            clauses=list(criterion.clauses),
            status=self.screening.statuses[name],
            evidence=[evidence_data(e, self.screening.kb.vocabulary) for e in given.evidence] if given else [],
            why=given.why if given and given.truth is None else "",
            source=criterion.source,
            number=criterion.number,
        )
        if name in self.screening.presumed:
            self.graph.nodes[name]["presumed"] = True
        if criterion.kind == "points":
            certain, possible = self.screening.points(name)
            self.graph.nodes[name].update(points_certain=certain, points_possible=possible)
        if criterion.kind == "by_reading":
            self.graph.nodes[name]["readings"] = list(self._read(criterion))
        decides = set(self.screening.deciders(name))
        for member in criterion.members:
            if criterion.kind == "by_reading" and not self.everything and not self._chosen(member.detail):
                continue
            self.add(member.id)
            self.graph.add_edge(
                name,
                member.id,
                role=criterion.kind,
                clause="",
                detail=" ".join(member.detail),
                decides=member.id in decides,
            )
            if criterion.kind == "points":
                self.graph.edges[name, member.id].update(domain=member.detail[0], weight=int(member.detail[1]))

    def _read(self, criterion: Criterion) -> Iterator[dict[str, Any]]:
        """Yield the readings that a criterion goes by, and how each is read here."""
        for name in dict.fromkeys(member.detail[0] for member in criterion.members):
            reading, option = self.screening.kb.readings[name], self.screening.readings[name]
            words = reading.options[option]
            yield {"reading": name, "option": option, "text": words, "default": option == reading.default}

    def _chosen(self, detail: tuple[str, ...]) -> bool:
        return self.screening.readings[detail[0]] == detail[1]


def evidence_data(evidence: Evidence, vocabulary: Vocabulary) -> dict[str, str | None]:
    """Return an item that an answer rests on as plain data: as it was written, and its value, unit, date, source and note.

    The value of a measurement is in the canonical unit of its quantity; of a statement it is yes or no.
    """
    value, unit = None, None
    if evidence.value is not None:
        known = evidence.value.low is not None or evidence.value.high is not None
        value = str(evidence.value) if known else None
        unit = vocabulary.quantities[evidence.concept].scale.unit if evidence.concept in vocabulary.quantities else None
    elif evidence.kind == "sex":
        value = evidence.concept
    elif evidence.kind not in ("", "therapy"):
        value = "yes" if evidence.present else "no"
    return {
        "text": evidence.text,
        "kind": evidence.kind,
        "concept": evidence.concept,
        "value": value,
        "unit": unit,
        "date": str(evidence.when) if evidence.when else None,
        "source": evidence.id,
        "note": evidence.note,
    }


def _mark(found: nx.DiGraph[str], root: str) -> None:
    """Give every node what it does to eligibility and whether it matters to the verdict."""
    for node in found:
        found.nodes[node].setdefault("clauses", [])
        found.nodes[node]["matters"] = False
        found.nodes[node]["effect"] = NONE
    for node, flipped in _deciding(found, root):
        data = found.nodes[node]
        data["matters"] = True
        data["effect"] = effect(data["status"], flipped)


def _deciding(found: nx.DiGraph[str], root: str) -> Iterator[tuple[str, bool]]:
    """Yield every node on a deciding path from the root, and whether truth there stands against eligibility."""
    seen: set[tuple[str, bool]] = set()
    stack = [(root, False)]
    while stack:
        node, flipped = stack.pop()
        if (node, flipped) in seen:
            continue
        seen.add((node, flipped))
        yield node, flipped
        for _, child, data in found.out_edges(node, data=True):
            if data["decides"]:
                stack.append((child, flipped is not (data["role"] in _FLIPS)))


def effect(status: str, flipped: bool = False) -> str:
    """Return what a status does to eligibility: helps, blocks or open; `flipped` where truth stands against eligibility."""
    if status in (MET, ELIGIBLE):
        return BLOCKS if flipped else HELPS
    if status in (UNMET, INELIGIBLE):
        return HELPS if flipped else BLOCKS
    return OPEN


def why(found: nx.DiGraph[str]) -> nx.DiGraph[str]:
    """Return the part of an explanation that makes the verdict hold, and nothing else."""
    import networkx as nx

    part: nx.DiGraph[str] = nx.DiGraph(**found.graph)  # built anew: a view of a graph has no order to rely on
    part.add_nodes_from((node, data) for node, data in found.nodes(data=True) if data["matters"])
    part.add_edges_from((a, b, data) for a, b, data in found.edges(data=True) if data["decides"] and a in part and b in part)
    return part


@dataclass(frozen=True, slots=True)
class Blocker:
    """A test between a patient and a cohort: missing (unknown) or contrary; `necessary` where every way in needs it otherwise."""

    test: str
    label: str
    contrary: bool
    necessary: bool


def blockers(found: nx.DiGraph[str]) -> list[Blocker]:
    """Return the tests that stand between the patient and the cohort of an explanation, the necessary ones first."""
    root = found.graph["cohort"]
    if found.nodes[root]["status"] == ELIGIBLE:
        return []
    result = []
    for node in _standing_between(found, root):
        data = found.nodes[node]
        contrary = data["status"] != UNKNOWN
        necessary = not _can_be(found, root, False, node)
        result.append(Blocker(node, data["label"], contrary, necessary))
    return sorted(result, key=lambda blocker: (not blocker.necessary, not blocker.contrary))


def _standing_between(found: nx.DiGraph[str], root: str) -> list[str]:
    """Return the leaves under requirements not yet satisfied that are not as eligibility wants them."""
    leaves: dict[str, None] = {}
    seen: set[tuple[str, bool]] = set()

    def visit(node: str, flipped: bool) -> None:
        if (node, flipped) in seen:
            return
        seen.add((node, flipped))
        data = found.nodes[node]
        if effect(data["status"], flipped) == HELPS:
            return
        if not found.out_degree(node) and data["kind"] == "test":
            leaves[node] = None
        for _, child, edge in found.out_edges(node, data=True):
            visit(child, flipped is not (edge["role"] in _FLIPS))

    visit(root, False)
    return list(leaves)


def _can_be(found: nx.DiGraph[str], node: str, wanted_unmet: bool, stuck: str) -> bool:
    """Tell whether a node can come to be met (or unmet) when every test may turn out either way but the stuck one stays."""
    memo: dict[tuple[str, bool], bool] = {}

    def can(name: str, unmet: bool) -> bool:
        key = (name, unmet)
        if key not in memo:
            memo[key] = decide(name, unmet)
        return memo[key]

    def decide(name: str, unmet: bool) -> bool:
        data = found.nodes[name]
        kind = data["kind"]
        if kind == "test":
            return name != stuck or data["status"] == (UNMET if unmet else MET)
        if kind == "constant":
            return bool(data["status"] == (UNMET if unmet else MET))
        children = [(child, edge["role"] in _FLIPS) for _, child, edge in found.out_edges(name, data=True)]
        able = [can(child, unmet is not flips) for child, flips in children]
        if kind == "known_by" and found.nodes[stuck]["status"] != UNKNOWN:
            return all(able)  # a known way that stays contrary is a conflict with any other
        return _combined(kind, data.get("number", 0), unmet, able, found, name)

    return can(node, wanted_unmet)


def _combined(kind: str, number: int, unmet: bool, able: list[bool], found: nx.DiGraph[str], name: str) -> bool:
    if kind in ("cohort", "all_of", "none_of"):
        return any(able) if unmet else all(able)
    if kind == "presumed_absent":
        statuses = [found.nodes[child]["status"] for child in found.successors(name)]
        silent = [can or status == UNKNOWN for can, status in zip(able, statuses, strict=True)]
        return all(silent) if unmet else any(able)
    if kind in ("any_of", "known_by", "by_reading"):
        return all(able) if unmet and kind == "any_of" else any(able)
    if kind == "n_of":
        return sum(able) >= (len(able) - number + 1 if unmet else number)
    if kind == "points":
        domains: dict[str, int] = {}
        for (_, _, edge), possible in zip(found.out_edges(name, data=True), able, strict=True):
            domain, weight = edge["detail"].rsplit(" ", 1)
            if possible is not unmet:
                domains[domain] = max(domains.get(domain, 0), int(weight))
        return (sum(domains.values()) < number) if unmet else (sum(domains.values()) >= number)
    return False
