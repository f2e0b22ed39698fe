"""What many records hold completely, so that what is not there is not so."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from ..questions import Selection
from .columns import Flags
from .view import SECTION, View


class Completeness:
    """What the records of a chunk's patients declare, or say by denying all that is asked."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.vocabulary = view.vocabulary
        self._complete: dict[tuple[str, str, frozenset[str]], Flags] = {}

    def of(self, selection: Selection) -> Flags:
        """Tell for each patient whether the record holds every item of a selection, so that what is not there is not so."""
        key = (selection.kind, selection.concept, selection.members)
        if key not in self._complete:
            self._complete[key] = self._is_complete(selection)
        return self._complete[key]

    def _is_complete(self, selection: Selection) -> Flags:
        if selection.kind == "sex":
            return np.ones(self.view.patients, np.bool_)
        declared, codes = self.view.columns.complete
        section = SECTION[selection.kind]
        closed = section if selection.concept not in self.vocabulary.attested else None
        lines = [self.vocabulary.ancestors(name) for name in selection.members or {selection.concept}]
        found: Flags = np.array([closed in names or all(line & names for line in lines) for names in declared], np.bool_)[codes]
        if selection.kind == "therapy":
            self._with_never(found, lines, closed)
        if selection.kind in ("event", "procedure"):
            found = found | self._all_denied(selection)
        return found

    def _with_never(self, found: Flags, lines: list[frozenset[str]], closed: str | None) -> None:
        """Add what patients are said never to have taken."""
        declared, codes = self.view.columns.complete
        for place, never in self._never.items():
            names = declared[codes[place]] | never
            found[place] = closed in declared[codes[place]] or all(line & names for line in lines)

    @cached_property
    def _never(self) -> Mapping[int, frozenset[str]]:
        section = self.view.columns.sections["therapies"]
        rows = np.flatnonzero(~section["taken"])
        names = list(self.vocabulary.labels("therapy"))
        found: dict[int, set[str]] = {}
        for place, concept in zip(section["place"][rows].tolist(), section["concept"][rows].tolist(), strict=True):
            found.setdefault(place, set()).add(names[concept])
        return {place: frozenset(words) for place, words in found.items()}

    def _all_denied(self, selection: Selection) -> Flags:
        """Tell who has only undated denials of what is asked."""
        section = self.view.section(SECTION[selection.kind])
        wanted = selection.members or {selection.concept}
        told, more = (np.zeros(self.view.patients, np.bool_) for _ in range(2))
        for concept, rows in section.slices.items():
            kinds = self.vocabulary.members(concept) or {concept}
            present, place = section["present"][rows], section["place"][rows]
            asked = np.where(present, bool(kinds & wanted), wanted <= kinds)
            told[place[asked]] = True
            more[place[asked & (present | section["when"].known[rows])]] = True
        return told & ~more
