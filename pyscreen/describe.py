"""What a knowledge base says about one name, as plain text: what it is, where it is defined, what it is made of, where it is used."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from .derived import INPUTS
from .engine import Place, Statement, Term, read_statements
from .errors import RequestError, did_you_mean
from .knowledge import Criterion, KnowledgeBase, Member, Need, Reading, locate
from .quantities import show
from .questions import CLASSED, Selection, Test
from .vocabulary import KINDS
from .whatif import LEVELS, Act, acts

_KIND_WORDS = {
    "all_of": "all of",
    "any_of": "any of",
    "none_of": "none of",
    "n_of": "at least {0} of",
    "known_by": "known by any of",
    "presumed_absent": "only what is known counts; else presumed not to be so:",
    "by_reading": "as it is read",
    "points": "at least {0} points; in each domain the heaviest counts",
    "test": "test",
    "constant": "constant",
}
_GROUPS = ("all_of", "any_of", "none_of", "n_of", "known_by", "presumed_absent", "by_reading", "item", "test", "current_test",
           "label")  # fmt: skip
_DECLARED_BY = {"measurement": ("quantity",), "therapy": ("drug", "class")}
_SYSTEMS = {"loinc": "LOINC", "snomed": "SNOMED CT", "rxnorm": "RxNorm", "atc": "ATC", "icd10": "ICD-10"}
_WIDTH = 100
_DEEPEST = 3
_MOST_MEMBERS = 30
_MOST_USERS = 12
_BRACKETS = re.compile(r"\[[a-z]\w*\((?:[^\[\]]|\[[^\[\]]*\])*\)\]")
_STUCK = "\0"


def describe(kb: KnowledgeBase, name: str) -> str:
    """Return what a knowledge base says about a cohort, clause, reading, criterion, test, concept or file, as text.

    Quotes and spaces in the name of a test are forgiven. What several things are called is told of each. Raises RequestError,
    with the nearest name, where there is nothing of that name.
    """
    guide = _Guide(kb)
    page = _Page()
    for section in guide.sections(name):
        if page.lines:
            page.line()
        page.lines += section.lines
    if not page.lines:
        hint = did_you_mean(name, guide.names())
        raise RequestError(f"the knowledge base has no '{name}'{hint}; `pyscreen kb list` names what it has")
    return "\n".join(page.lines) + "\n"


class _Page:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str = "") -> None:
        self.lines.append(text.rstrip())

    def pair(self, lead: str, text: str) -> None:
        """Write a word or two and what they stand for, wrapped under itself; nothing where it stands for nothing."""
        if text:
            self.item(f"  {lead:<12} ", text)

    def item(self, lead: str, text: str) -> None:
        """Write a text wrapped under itself; an id in brackets stays whole."""
        whole = _BRACKETS.sub(lambda found: found[0].replace(" ", _STUCK), text)
        hang = " " * len(lead)
        wrapped = textwrap.wrap(
            whole, _WIDTH, initial_indent=lead, subsequent_indent=hang, break_on_hyphens=False, break_long_words=False
        )
        self.lines += [line.replace(_STUCK, " ") for line in wrapped]

    def listed(self, lead: str, texts: Iterable[str], most: int = _MOST_MEMBERS) -> None:
        """Write one line a text, the word before the first."""
        rows = list(texts)
        for number, text in enumerate(rows[:most]):
            self.pair(lead if number == 0 else "", text)
        if len(rows) > most:
            self.pair("", f"and {len(rows) - most} more")


class _Guide:
    """Answers what a name stands for in one knowledge base."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb

    # ---- what is meant -----------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return every name that can be described."""
        vocabulary = self.kb.vocabulary
        concepts = [name for kind in KINDS for name in vocabulary.labels(kind)]
        cohorts = [word for cohort in self.kb.cohorts.values() for word in (cohort.id, cohort.code)]
        rest = (*self.acts, *self.kb.clauses, *self.kb.readings, *self.kb.criteria, *self.selections, *self.files)
        return [*cohorts, *concepts, *rest]

    def sections(self, name: str) -> Iterator[_Page]:
        """Yield a page for each thing of that name."""
        found = False
        for section in self._named(name):
            found = True
            yield section
        if not found:
            yield from self._file(name)
            yield from self._family(name)

    def _named(self, name: str) -> Iterator[_Page]:
        plain = _plain(name)
        for cohort in self.kb.cohorts.values():
            if plain in (_plain(cohort.id), _plain(cohort.code)):
                yield self.cohort(cohort.id)
        for clause in self.kb.clauses:
            if plain == _plain(clause):
                yield self.clause(clause)
        for reading in self.kb.readings.values():
            if plain.lower() == _plain(reading.id).lower():
                yield self.reading(reading)
        for criterion in self.kb.criteria.values():
            if plain == _plain(criterion.id):
                yield self.criterion(criterion)
        for selection in self.selections:
            if plain == _plain(selection):
                yield self.selection(selection)
        for kind in KINDS:
            if plain in self.kb.vocabulary.labels(kind):
                yield self.concept(kind, plain)
        if plain in self.acts:
            yield self.act(plain)

    def _family(self, name: str) -> Iterator[_Page]:
        """Yield the criteria that share a name and differ in what stands in brackets."""
        family = [c for c in self.kb.criteria.values() if _functor(c.id) == name]
        if family:
            page = _Page()
            page.line(f"{name}(...): {len(family)} criteria")
            for criterion in family:
                page.item("  ", self._worded(criterion.id))
            yield page

    # ---- pages -------------------------------------------------------------------------------------------------------

    def cohort(self, name: str) -> _Page:
        cohort = self.kb.cohorts[name]
        page = self._titled(f"cohort {cohort.code} {cohort.id}", cohort.label, ("cohort",), name)
        general = {clause for clause, _ in self.kb.program.rows("general", 2)}
        for title, needs in (
            ("requires", [n for n in cohort.needs if n.clause not in general]),
            ("requires, as every cohort", [n for n in cohort.needs if n.clause in general]),
            ("excludes, as every cohort", self.kb.exclusions),
        ):
            page.line(f"  {title}")
            for need in needs:
                page.item(f"    {need.clause:<17} ", self._worded(need.criterion))
                self._clause_words(page, need)
        return page

    def _clause_words(self, page: _Page, need: Need) -> None:
        clause = self.kb.clauses.get(need.clause)
        if clause:
            page.item(" " * 22, f'"{clause.text}"')

    @cached_property
    def acts(self) -> dict[str, Act]:
        return acts(self.kb)

    def act(self, name: str) -> _Page:
        act = self.acts[name]
        page = self._titled(f"act {name}", act.label, ("act",), name)
        page.pair("burden", f"{act.level}, {LEVELS[act.level]}")
        page.pair("done by", act.who)
        rows = self.kb.program.rows("needs_first", 2)
        page.listed("after", (self.acts[first].label for later, first in rows if later == name and first in self.acts))
        found = [concept for concept, by in self.kb.program.rows("obtain", 2) if by == name]
        page.listed("finds out", map(self._concept_label, found), _MOST_USERS)
        changed = [(concept, way) for concept, way, by in self.kb.program.rows("manage", 3) if by == name]
        page.listed("changes", (f"{self._concept_label(concept)}: {way}" for concept, way in changed))
        return page

    def _concept_label(self, name: str) -> str:
        kinds = self.kb.vocabulary.kinds_of(name)
        return f"{self.kb.vocabulary.label(kinds[0], name)} [{name}]" if kinds else name

    def clause(self, name: str) -> _Page:
        clause = self.kb.clauses[name]
        page = self._titled(f"clause {name}", clause.text, ("clause",), name)
        page.pair(
            "role",
            f"{clause.role}, of {'every cohort' if clause.cohort == 'general' else clause.cohort}; lines {clause.lines}",
        )
        page.listed("encoded by", self._encoding(name))
        page.listed("readings", (f"{r.id}: {r.question}" for r in self.kb.readings.values() if name in r.clauses))
        return page

    def _encoding(self, clause: str) -> Iterator[str]:
        for cohort in self.kb.cohorts.values():
            for need in cohort.needs:
                if need.clause == clause:
                    yield f"{self._worded(need.criterion)}, required by {cohort.code}"
        for need in self.kb.exclusions:
            if need.clause == clause:
                yield f"{self._worded(need.criterion)}, which excludes"
        for criterion in self.kb.criteria.values():
            if clause in criterion.clauses:
                yield self._worded(criterion.id)
        for name, rule in self.kb.program.rows("combines", 2):
            if name == clause:
                yield f"the engine's own rule {rule}"

    def reading(self, reading: Reading) -> _Page:
        page = self._titled(f"reading {reading.id}", reading.question, ("reading",), reading.id)
        for option, words in _default_first(reading):
            page.pair("default" if option == reading.default else "or", f"{option}: {words}")
        page.pair("why", reading.why)
        page.pair("confidence", reading.confidence)
        page.listed("clauses", (self._clause(clause) for clause in reading.clauses))
        users = [
            c.id for c in self.kb.criteria.values() if any(m.detail[:1] == (reading.id,) for m in self._by_reading(c))
        ]
        page.listed("decides", map(self._worded, users), _MOST_USERS)
        page.pair("cohorts", self._reached(users))
        return page

    def _by_reading(self, criterion: Criterion) -> tuple[Member, ...]:
        return criterion.members if criterion.kind == "by_reading" else ()

    def criterion(self, criterion: Criterion) -> _Page:
        kind = "test" if criterion.kind == "test" else "criterion"
        page = self._titled(f"{kind} {criterion.id}", criterion.label, _GROUPS, criterion.id)
        page.pair("source", criterion.source)
        page.listed("clauses", (self._clause(clause) for clause in criterion.clauses))
        if criterion.kind == "test":
            self._asked(page, criterion.id)
        else:
            page.line(f"  {_KIND_WORDS.get(criterion.kind, criterion.kind).format(criterion.number)}")
            self._tree(page, criterion, 2, set())
        self._readings_of(page, criterion)
        page.listed("used by", self._users(criterion.id), _MOST_USERS)
        page.pair("cohorts", self._reached([criterion.id]))
        return page

    def _tree(self, page: _Page, criterion: Criterion, depth: int, seen: set[str]) -> None:
        seen.add(criterion.id)
        for member in criterion.members[:_MOST_MEMBERS]:
            below = self.kb.criteria[member.id]
            tail = f": {_KIND_WORDS[below.kind].format(below.number)}" if below.members else ""
            again = " (see above)" if below.members and below.id in seen else ""
            page.item("  " * depth + "- ", f"{self._role(criterion, member)}{self._worded(below.id)}{tail}{again}")
            if below.members and not again and depth <= _DEEPEST and self._counts(criterion, member):
                self._tree(page, below, depth + 1, seen)
        if len(criterion.members) > _MOST_MEMBERS:
            page.line("  " * depth + f"and {len(criterion.members) - _MOST_MEMBERS} more")

    def _counts(self, criterion: Criterion, member: Member) -> bool:
        """Tell whether a member counts as the knowledge base is read by default."""
        return criterion.kind != "by_reading" or self.kb.readings[member.detail[0]].default == member.detail[1]

    def _role(self, criterion: Criterion, member: Member) -> str:
        if criterion.kind == "by_reading":
            reading, option = member.detail
            default = " (default)" if self._counts(criterion, member) else ""
            return f"{reading} {option}{default}: "
        if criterion.kind == "points":
            domain, weight = member.detail
            return f"{weight} ({domain.replace('_', ' ')}): "
        return ""

    def _readings_of(self, page: _Page, criterion: Criterion) -> None:
        for name in dict.fromkeys(member.detail[0] for member in self._by_reading(criterion)):
            reading = self.kb.readings[name]
            page.pair(f"reading {name}", reading.question)
            for option, words in _default_first(reading):
                page.item(" " * 15, f"{option}{' (default)' if option == reading.default else ''}: {words}")
            page.item(" " * 15, f"why: {reading.why} (confidence: {reading.confidence})")

    def _asked(self, page: _Page, name: str) -> None:
        """Write a test as the knowledge base does: items, conditions on one item, summary, comparison."""
        for owner, items, summary, comparison in self.kb.program.facts("test", 4):
            if str(owner) == name:
                page.pair("asks", f"{summary} of {items}, compared: {comparison}")
                self._conditions(page, name)
                self._selected(page, str(items))
        test = self.kb.tests.get(name)
        if test and test.selection.kind == "therapy":
            page.pair("drugs", ", ".join(sorted(test.selection.members)))

    def _conditions(self, page: _Page, owner: str) -> None:
        given = [str(condition) for name, condition in self.kb.program.facts("given", 2) if str(name) == owner]
        page.listed("given", given)
        for condition in given:
            for selection in self.selections:
                if re.search(rf"\b{re.escape(selection)}(?![\w(])", condition):
                    self._selected(page, selection)

    def _selected(self, page: _Page, name: str) -> None:
        if name in self.selections:
            page.pair("where", f"{name} is {self.selections[name]}")
            self._conditions(page, name)

    def selection(self, name: str) -> _Page:
        page = self._titled(f"selection {name}", str(self.selections[name]), ("items",), name)
        self._conditions(page, name)
        users = [str(owner) for owner, items, _, _ in self.kb.program.facts("test", 4) if str(items) == name]
        page.listed("asked by", (self._worded(user) for user in users if user in self.kb.criteria))
        page.pair("cohorts", self._reached(users))
        return page

    def concept(self, kind: str, name: str) -> _Page:
        vocabulary = self.kb.vocabulary
        word = {"measurement": "quantity", "therapy": "class" if name in vocabulary.classes else "drug"}.get(kind, kind)
        page = self._titled(f"{word} {name}", vocabulary.label(kind, name), _DECLARED_BY.get(kind, (kind,)), name)
        if kind == "measurement":
            self._scale(page, name)
        if kind in CLASSED:
            self._lineage(page, kind, name)
        if kind == "therapy":
            self._drug(page, name)
        self._codes(page, kind, name)
        self._remedies(page, name)
        tests = [test.id for test in self.kb.tests.values() if self._asks(test, kind, name)]
        page.listed("asked by", (self._worded(test) for test in tests if not test.startswith("any_age(")), _MOST_USERS)
        page.pair("cohorts", self._reached(tests))
        return page

    def _scale(self, page: _Page, name: str) -> None:
        scale = self.kb.vocabulary.quantities[name].scale
        page.pair("unit", f"{scale.unit} (scale {scale.name})")
        alike: dict[tuple[Fraction, Fraction], list[str]] = {}
        for unit, conversion in scale.factors.items():
            alike.setdefault(conversion, []).append(unit)
        for (factor, offset), units in alike.items():
            added = f" + {offset}" if offset else ""
            also = ", ".join(unit for unit in units if unit != scale.unit)
            page.pair("or", also and f"{also}: x {factor}{added}")
        page.listed("grades", (f"{grade} = {show(number)}" for grade, number in scale.grades.items()))
        page.pair("possible", self.kb.vocabulary.quantities[name].range)
        if name in self.kb.vocabulary.derived:
            inputs = ", ".join(i for i in INPUTS.get(name, ()) if i in self.kb.vocabulary.quantities)
            page.pair("computed", f"where not reported, from {inputs or 'the birth date'}")
        page.pair(
            "used for",
            ", ".join(other for other in sorted(self.kb.vocabulary.derived) if name in INPUTS.get(other, ())),
        )

    def _lineage(self, page: _Page, kind: str, name: str) -> None:
        vocabulary = self.kb.vocabulary
        wider = sorted(vocabulary.ancestors(name) - {name})
        page.listed("belongs to", (f"{vocabulary.label(kind, c)} [{c}]" for c in wider))
        page.listed("members", (f"{vocabulary.label(kind, c)} [{c}]" for c in sorted(vocabulary.children(name))))

    def _drug(self, page: _Page, name: str) -> None:
        vocabulary = self.kb.vocabulary
        if name in vocabulary.half_lives:
            page.pair("half-life", f"{show(vocabulary.half_lives[name] * 24)} h")
        for group, (unit, factors) in vocabulary.equivalents.items():
            if name in factors:
                page.pair(
                    "equivalent",
                    f"1 {unit} counts {factors[name]} {unit} in {vocabulary.label('therapy', group)} [{group}]",
                )

    def _codes(self, page: _Page, kind: str, name: str) -> None:
        systems: dict[str, list[str]] = {}
        for (system, code), meant in self.kb.vocabulary.codes.items():
            if meant == (kind, name):
                systems.setdefault(system, []).append(code)
        for system, codes in systems.items():
            page.pair(_SYSTEMS.get(system, system), ", ".join(codes))

    def _remedies(self, page: _Page, name: str) -> None:
        acts = {act: label for act, _, label in self.kb.program.rows("act", 3)}
        page.listed(
            "found out by",
            (acts.get(act, act) for concept, act in self.kb.program.rows("obtain", 2) if concept == name),
        )
        page.listed(
            "can be made",
            (f"{way}: {acts.get(act, act)}" for c, way, act in self.kb.program.rows("manage", 3) if c == name),
        )

    def _asks(self, test: Test, kind: str, name: str) -> bool:
        stack: list[Selection] = [test.selection]
        while stack:
            selection = stack.pop()
            members = self.kb.vocabulary.members(name)
            if selection.kind == kind and (selection.concept == name or (members and members <= selection.members)):
                return True
            if kind in ("finding", "event") and any(c.name == "for" and c.word == name for c in selection.conditions):
                return True
            stack += [condition.selection for condition in selection.conditions if condition.selection]
        return False

    # ---- files -------------------------------------------------------------------------------------------------------

    @cached_property
    def files(self) -> dict[str, Path]:
        """Every program of the knowledge base by its path without ending: `criteria/sledai_2k`."""
        return {
            path.relative_to(self.kb.root).with_suffix("").as_posix(): path
            for path in sorted(self.kb.root.rglob("*.lp"))
        }

    def _file(self, name: str) -> Iterator[_Page]:
        plain = name.removesuffix(".lp").removeprefix("kb/")
        if plain not in self.files:
            return
        path = self.files[plain]
        page = _Page()
        page.line(f"{plain}.lp")
        for line in _header(path):
            page.item("  ", line)
        things: dict[tuple[int, str], list[str]] = {}
        for number, words, thing in self._things_in(path):
            things.setdefault((number, words), []).append(thing)
        if things:
            page.line()
            page.line("  defines, from line")
        for (number, words), names in sorted(things.items()):
            more = f" and {len(names) - 1} more like it" if len(names) > 1 else ""
            page.item(f"  {number:>5}  ", f"{words} [{names[0]}]{more}")
        yield page

    def _things_in(self, path: Path) -> Iterator[tuple[int, str, str]]:
        for name, predicates, words in self._things():
            place = self._defined(predicates, name)
            if place and Path(place.file).resolve() == path.resolve():
                yield place.line, words, name

    def _things(self) -> Iterator[tuple[str, tuple[str, ...], str]]:
        """Yield everything that a file may define: its name, by which predicates, in which words."""
        for cohort in self.kb.cohorts.values():
            yield cohort.id, ("cohort",), f"cohort {cohort.code} {cohort.label}"
        for clause in self.kb.clauses.values():
            yield clause.id, ("clause",), f"clause: {clause.text}"
        for reading in self.kb.readings.values():
            yield reading.id, ("reading",), f"reading: {reading.question}"
        for criterion in self.kb.criteria.values():
            if not criterion.id.startswith(("recent(", "any_age(")):
                yield criterion.id, _GROUPS, criterion.label
        for selection in self.selections:
            yield selection, ("items",), "selection"
        for kind in KINDS:
            for concept, label in self.kb.vocabulary.labels(kind).items():
                yield concept, _DECLARED_BY.get(kind, (kind,)), f"{kind}: {label}"

    # ---- places and users --------------------------------------------------------------------------------------------

    def _titled(self, title: str, words: str, predicates: tuple[str, ...], name: str) -> _Page:
        page = _Page()
        page.item("", f"{title}: {words}" if words else title)
        place = self._defined(predicates, name)
        if place:
            page.pair("defined in", self._at(place))
        else:
            page.pair("asked in", self._asked_in(name))
        return page

    def _asked_in(self, name: str) -> str:
        """Return where a test that is written in place stands."""
        inner = _inner(name)
        places = [statement.place for statement in self.statements if inner in statement.text]
        found = places[0] if places else locate(self.statements, _words(name))
        return self._at(found) if found else ""

    def _at(self, place: Place) -> str:
        path = Path(place.file).resolve()
        root = self.kb.root.resolve()
        return f"{path.relative_to(root).as_posix() if path.is_relative_to(root) else path}:{place.line}"

    @cached_property
    def statements(self) -> list[Statement]:
        return read_statements([self.kb.root / "trials" / self.kb.trial / "main.lp"])

    @cached_property
    def _definitions(self) -> dict[tuple[str, str], list[tuple[str, Place]]]:
        """What stands first in the head of each statement, by predicate and name without brackets."""
        index: dict[tuple[str, str], list[tuple[str, Place]]] = {}
        for statement in self.statements:
            for first in _firsts(statement):
                functor = _functor(first)
                index.setdefault((statement.predicate, functor), []).append(
                    (first, statement.words.get(functor, statement.place))
                )
        return index

    def _defined(self, predicates: tuple[str, ...], name: str) -> Place | None:
        name = _inner(name)
        for predicate in predicates:
            found = self._definitions.get((predicate, _functor(name)), [])
            best = next((place for first, place in found if first == name), found[0][1] if found else None)
            if best:
                return best
        return None

    @cached_property
    def selections(self) -> dict[str, Term | str | int]:
        return {str(name): items for name, items in self.kb.program.facts("items", 2)}

    def _worded(self, name: str) -> str:
        return f"{self.kb.criteria[name].label} [{name}]"

    def _clause(self, name: str) -> str:
        clause = self.kb.clauses.get(name)
        return f"{name}: {clause.text}" if clause else name

    def _users(self, name: str) -> Iterator[str]:
        for cohort in self.kb.cohorts.values():
            for need in cohort.needs:
                if need.criterion == name:
                    yield f"{cohort.code} {cohort.label}, clause {need.clause}"
        for need in self.kb.exclusions:
            if need.criterion == name:
                yield f"an exclusion of every cohort, clause {need.clause}"
        for criterion in self.kb.criteria.values():
            if any(member.id == name for member in criterion.members):
                yield self._worded(criterion.id)

    def _reached(self, names: Iterable[str]) -> str:
        """Name the cohorts whose verdict leans on some of the criteria."""
        wanted = set(names)

        def leans(needs: Iterable[Need]) -> bool:
            return any(criterion.id in wanted for criterion in self.kb.below(need.criterion for need in needs))

        if leans(self.kb.exclusions):
            return "all, by an exclusion"
        codes = [cohort.code for cohort in self.kb.cohorts.values() if leans(cohort.needs)]
        return "all" if len(codes) == len(self.kb.cohorts) else ", ".join(codes) or "none of this trial"


def _plain(name: str) -> str:
    return re.sub(r"[\"'\s\\]", "", name)


def _default_first(reading: Reading) -> list[tuple[str, str]]:
    return sorted(reading.options.items(), key=lambda option: option[0] != reading.default)


def _functor(name: str) -> str:
    return name.split("(", 1)[0].strip('"')


def _inner(name: str) -> str:
    """Return what a test made by the engine was made for: `recent(low)` for `low`, `points(set, 8)` for `set`."""
    for wrapper in ("recent(", "any_age("):
        if name.startswith(wrapper):
            return name[len(wrapper) : -1]
    return _split(name[len("points(") : -1], ",")[0] if name.startswith("points(") else name


def _words(name: str) -> list[str]:
    return [word.strip('"') for word in re.findall(r'"[^"]*"|[\w.]+', _inner(name))]


def _firsts(statement: Statement) -> Iterator[str]:
    """Yield what stands first in the head of a statement, every alternative of a pool."""
    text = statement.text
    if not statement.predicate or not text.startswith(f"{statement.predicate}("):
        return
    head = _split(_split(text, ":-")[0].rstrip(". "), ".")[0].strip()
    for row in _split(head[len(statement.predicate) + 1 : -1], ";"):
        first = _split(row, ",")[0].strip()
        pool = _split(first[1:-1], ";") if first.startswith("(") else [first]
        for one in pool:
            plain = one.strip()
            yield plain.strip('"') if plain.startswith('"') else plain


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark outside brackets and quotes."""
    parts, depth, quoted, begin, i = [], 0, False, 0, 0
    while i < len(text):
        char = text[i]
        if quoted:
            i += 1 if char == "\\" else 0
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif depth == 0 and text.startswith(mark, i):
            parts.append(text[begin:i])
            begin = i + len(mark)
            i = begin - 1
        else:
            depth += (char in "([") - (char in ")]")
        i += 1
    return [*parts, text[begin:]]


def _header(path: Path) -> list[str]:
    """Return the comment at the top of a file: what it decides, what it reads, its source."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("%"):
            break
        lines.append(line.lstrip("% "))
    return lines
