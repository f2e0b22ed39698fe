"""What the codes and answers of FHIR resources stand for: the vocabulary's codes, and answers that are in general use.

A trailing `*` in the vocabulary's code says "a kind of": `code(icd10, "C*", finding(malignancy))`. Every ICD-10 and ATC
code that begins so counts, and so does the code itself in the other systems, but only to say that something is so: that
one kind is absent says nothing of the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from .resources import Coding, Concept, Ratio, ReferenceRange, Result
from .vocabulary import KINDS, Vocabulary

_Meaning = TypeVar("_Meaning", str, bool)
MOST_KNOWN = 10_000
"""How many concepts are remembered with what they stand for."""

OWN_SYSTEM = "urn:pyscreen:"
SYSTEMS = {
    "http://loinc.org": "loinc",
    "urn:oid:2.16.840.1.113883.6.1": "loinc",
    "http://snomed.info/sct": "snomed",
    "urn:oid:2.16.840.1.113883.6.96": "snomed",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "urn:oid:2.16.840.1.113883.6.88": "rxnorm",
    "http://www.whocc.no/atc": "atc",
    "http://fhir.de/CodeSystem/bfarm/atc": "atc",
    "urn:oid:2.16.840.1.113883.6.73": "atc",
    "http://hl7.org/fhir/sid/icd-10": "icd10",
    "http://hl7.org/fhir/sid/icd-10-cm": "icd10",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": "icd10",
    "urn:oid:2.16.840.1.113883.6.3": "icd10",
    "urn:oid:2.16.840.1.113883.6.90": "icd10",
}
"""Code system URI to the vocabulary's name for it."""
BY_PREFIX = ("icd10", "atc")
"""The systems in which a longer code is a kind of the shorter."""

STATES = {"finding": "present", "event": "happened", "procedure": "done", "judgement": "answer", "consent": "given"}
"""Kind of statement to the word that says whether it is so."""

PRESENT = {
    ("snomed", "10828004"): True,  # positive
    ("snomed", "52101004"): True,  # present
    ("snomed", "260373001"): True,  # detected
    ("snomed", "373066001"): True,  # yes
    ("loinc", "LA6576-8"): True,  # positive
    ("loinc", "LA9633-4"): True,  # present
    ("loinc", "LA11882-0"): True,  # detected
    ("loinc", "LA33-6"): True,  # yes
    ("snomed", "260385009"): False,  # negative
    ("snomed", "2667000"): False,  # absent
    ("snomed", "260415000"): False,  # not detected
    ("snomed", "373067005"): False,  # no
    ("loinc", "LA6577-6"): False,  # negative
    ("loinc", "LA9634-2"): False,  # absent
    ("loinc", "LA11883-8"): False,  # not detected
    ("loinc", "LA32-8"): False,  # no
}
"""Answers that say that something is so, or is not."""

PRESENT_WORDS = {
    **dict.fromkeys(
        ("positive", "pos", "present", "detected", "reactive", "seen", "yes", "1+", "2+", "3+", "4+"), True
    ),
    **dict.fromkeys(("negative", "neg", "absent", "not detected", "none detected", "not present", "none"), False),
    **dict.fromkeys(("nonreactive", "non-reactive", "not reactive", "not seen", "none seen", "no"), False),
}
INTERPRETATIONS = {"POS": True, "DET": True, "RR": True, "NEG": False, "ND": False, "NR": False}

GRADES = {
    **{("loinc", code): str(n) for n, code in enumerate(("LA9622-7", "LA9623-5", "LA9624-3", "LA9625-0", "LA9626-8"))},
    ("loinc", "LA9627-6"): "5",  # these six are ECOG 0 to 5
    ("snomed", "420300004"): "I",  # these four are NYHA I to IV
    ("snomed", "421704003"): "II",
    ("snomed", "420913000"): "III",
    ("snomed", "422293003"): "IV",
}
"""Answers that are a grade of an ordered scale."""

ROUTES = {
    ("snomed", "26643006"): "oral",
    ("snomed", "47625008"): "intravenous",
    ("snomed", "78421000"): "intramuscular",
    ("snomed", "34206005"): "subcutaneous",
    ("snomed", "6064005"): "topical",
    ("snomed", "37161004"): "rectal",
    ("snomed", "12130007"): "intra_articular",
    ("snomed", "418401004"): "intravitreal",
}
ROUTE_WORDS = {
    **dict.fromkeys(("oral", "oral route", "po", "p.o.", "by mouth", "orally"), "oral"),
    **dict.fromkeys(("intravenous", "intravenous route", "iv", "i.v.", "intravenously"), "intravenous"),
    **dict.fromkeys(("intramuscular", "intramuscular route", "im", "i.m."), "intramuscular"),
    **dict.fromkeys(("subcutaneous", "subcutaneous route", "sc", "s.c.", "subcut"), "subcutaneous"),
    **dict.fromkeys(("topical", "topical route", "cutaneous", "cutaneous route"), "topical"),
    **dict.fromkeys(("inhaled", "inhalation", "respiratory tract route", "respiratory (inhalation)"), "inhaled"),
    **dict.fromkeys(("rectal", "rectal route", "pr"), "rectal"),
    **dict.fromkeys(("intra-articular", "intraarticular", "intra-articular route"), "intra_articular"),
    **dict.fromkeys(("intravitreal", "intravitreal route"), "intravitreal"),
}

# --- codes ---


@dataclass(frozen=True, slots=True)
class Sense:
    """What a code stands for. `whole`: it is the concept itself, and not one kind of it (a pattern with `*`)."""

    kind: str
    concept: str
    whole: bool = True
    method: str | None = None


class Codebook:
    """The vocabulary's codes, and in the systems `urn:pyscreen:<kind>` its own names.

    >>> from pyscreen.vocabulary import Vocabulary
    >>> book = Codebook(Vocabulary(codes={("icd10", "C*"): ("finding", "malignancy")}))
    >>> book.senses(Concept((Coding("http://hl7.org/fhir/sid/icd-10", "C50.9"),)))
    [Sense(kind='finding', concept='malignancy', whole=False, method=None)]
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.exact: dict[tuple[str, str], Sense] = {}
        self.kinds_of: dict[tuple[str, str], Sense] = {}
        self._known: dict[tuple[Coding, ...], list[Sense]] = {}
        for (system, code), (kind, concept) in vocabulary.codes.items():
            method = vocabulary.code_methods.get((system, code))
            table = self.kinds_of if code.endswith("*") else self.exact
            table[system, _plain(system, code.rstrip("*"))] = Sense(kind, concept, not code.endswith("*"), method)

    def senses(self, concept: Concept) -> list[Sense]:
        """Return what the codings stand for, in order, the most specific first; not what a narrower one says already."""
        if concept.coding not in self._known:
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            self._known[concept.coding] = self._senses(concept)
        return list(self._known[concept.coding])

    def _senses(self, concept: Concept) -> list[Sense]:
        found: dict[tuple[str, str], Sense] = {}
        for coding in concept.coding:
            for sense in self._of(coding):
                found.setdefault((sense.kind, sense.concept), sense)
        wider = {(kind, above) for kind, name in found for above in self.vocabulary.ancestors(name) - {name}}
        return [sense for key, sense in found.items() if key not in wider]

    def _of(self, coding: Coding) -> Iterator[Sense]:
        if coding.system.startswith(OWN_SYSTEM):
            kind = coding.system.removeprefix(OWN_SYSTEM)
            if kind in KINDS and coding.code in self.vocabulary.labels(kind):
                yield Sense(kind, coding.code)
            return
        system = system_of(coding)
        code = _plain(system, coding.code)
        if (system, code) in self.exact:
            yield self.exact[system, code]
        shortest = 1 if system in BY_PREFIX else len(code)
        for length in range(len(code), shortest - 1, -1):
            if (system, code[:length]) in self.kinds_of:
                yield self.kinds_of[system, code[:length]]


def system_of(coding: Coding) -> str:
    """Return the vocabulary's name of the code system, or nothing."""
    return SYSTEMS.get(coding.system.rstrip("/"), "")


def _plain(system: str, code: str) -> str:
    """Return the code without what differs between writers: ICD-10 with or without the dot."""
    code = code.strip()
    return code.replace(".", "").upper() if system == "icd10" else code


def words_of(concept: Concept) -> str:
    """Return the words of a concept, and its first code: platelet distribution width (loinc 32207-3)."""
    words = concept.text or next((coding.display for coding in concept.coding if coding.display), "")
    codes = [
        f"{system_of(coding) or coding.system or 'local'} {coding.code}" for coding in concept.coding if coding.code
    ]
    return " ".join(part for part in (words, f"({codes[0]})" if codes else "") if part) or "something without a name"


def coded(concept: Concept | None, table: Mapping[tuple[str, str], _Meaning]) -> _Meaning | None:
    """Return what a table says of the first coding that it knows."""
    codings = concept.coding if concept else ()
    return next((table[key] for coding in codings if (key := (system_of(coding), coding.code)) in table), None)


def spoken(concept: Concept, table: Mapping[str, _Meaning]) -> _Meaning | None:
    """Return what a table says of the text or a display, in lower case."""
    said = (concept.text, *(coding.display for coding in concept.coding))
    plain = (re.sub(r"\s*\(.*?\)$", "", words).strip().lower() for words in said)
    return next((table[words] for words in plain if words in table), None)


def code_of(concept: Concept | None) -> str:
    """Return the code (or text) of a status that is a CodeableConcept."""
    return next((coding.code for coding in concept.coding if coding.code), concept.text.lower()) if concept else ""


# --- values ---


def words_of_value(value: Result) -> str:
    """Return a value as it is said to a person."""
    if value.value_quantity is not None:
        quantity = value.value_quantity
        return f"{quantity.comparator}{quantity.value} {quantity.unit or quantity.code}".strip()
    if value.value_codeable_concept is not None:
        return words_of(value.value_codeable_concept)
    plain = (value.value_string, value.value_integer, value.value_boolean)
    said = next((str(one).lower() for one in plain if one is not None), "")
    return said or ("of another kind" if value.valued else "missing")


def plausible(number: Decimal) -> bool:
    """Whether a number is within what is measured, and not of endless digits."""
    return abs(number.adjusted()) < 18 and len(number.as_tuple().digits) <= 30


def decimal(number: Decimal) -> str:
    """Return the digits as written, without an exponent."""
    return format(number, "f")


def present(value: Result) -> set[bool]:
    """Return what value and interpretation say: {True}, {False}, nothing, or both where they disagree."""
    said = {INTERPRETATIONS.get(coding.code) for concept in value.interpretation for coding in concept.coding}
    said.add(value.value_boolean)
    if value.value_string is not None:
        said.add(PRESENT_WORDS.get(value.value_string.strip().lower()))
    if value.value_codeable_concept is not None:
        answer = coded(value.value_codeable_concept, PRESENT)
        said.add(spoken(value.value_codeable_concept, PRESENT_WORDS) if answer is None else answer)
    return {answer for answer in said if answer is not None}


def grade_of(concept: Concept, grades: Mapping[str, Fraction]) -> str | None:
    """Return the one grade that code, text or display name.

    >>> grade_of(Concept(text="NYHA class III"), {"III": Fraction(3), "IV": Fraction(4)})
    'III'
    """
    grade = coded(concept, GRADES)
    if grade is not None:
        return grade
    texts = (concept.text, *(coding.display for coding in concept.coding))
    named = {grades[word]: word for text in texts for word in re.split(r"[\s,;:()/-]+", text) if word in grades}
    return next(iter(named.values())) if len(named) == 1 else None


def titre_of(ratio: Ratio) -> tuple[str, str] | None:
    """Return a ratio as a titre ("1:80"), or as a number with a unit where it has units (30 mg to 1 g)."""
    up, down = ratio.numerator, ratio.denominator
    if up.value is None or not down.value or up.comparator or down.comparator:
        return None
    if not (plausible(up.value) and plausible(down.value)):
        return None
    if {up.measure, down.measure} <= {"", "1", "{titer}"}:
        return (f"1:{decimal(down.value)}", "") if up.value == 1 else None
    return (decimal(up.value), f"{up.measure}/{down.measure}") if down.value == 1 and up.measure else None


def limits_of(ranges: Iterable[ReferenceRange], unit: str) -> dict[str, str]:
    """Return the laboratory's limits, `low` and `high`: of the one range that is for normal values in the same unit."""
    normal = [
        limits
        for limits in ranges
        if not limits.applies_to and not limits.age and code_of(limits.type) in ("", "normal")
    ]
    if len(normal) != 1:
        return {}
    sides = {"low": normal[0].low, "high": normal[0].high}
    return {
        side: decimal(limit.value)
        for side, limit in sides.items()
        if limit
        and limit.value is not None
        and plausible(limit.value)
        and limit.measure in ("", unit)
        and not limit.comparator
    }
