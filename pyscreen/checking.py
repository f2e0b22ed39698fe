"""The knowledge base checks itself: every slip a knowledge engineer makes, with the file and line where it stands.

Most are atoms `problem(Kind, Where, What)` that kb/engine/check.lp derives from the facts. What facts cannot tell is asked here:
what the loader refuses, predicates that nobody reads, one test under two names, bounds that no value can have, and, of clingo,
whether anyone can enter a cohort.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from . import cells, knowledge
from .derived import INPUTS
from .engine import Place, Program, Statement, Term, read_statements
from .errors import KnowledgeBaseError, Problem, did_you_mean
from .items import meets
from .knowledge import Cohort, KnowledgeBase, Need
from .quantities import Interval, outside
from .questions import CHANGES, Comparison, Test
from .screening import Inputs

ERROR, WARNING = "error", "warning"

# Every predicate of the language (kb/README.md), with the numbers of arguments that it takes.
PREDICATES: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("label", "source", "all_of", "any_of", "none_of", "known_by", "presumed_absent", "cites"), (2,)),
    "points": (2,),
    **dict.fromkeys(("by_reading", "item", "test"), (4,)),
    **dict.fromkeys(("given", "items", "doubt"), (2,)),
    **dict.fromkeys(("n_of", "current"), (3,)),
    "current_test": (4,),
    "ever": (3,),
    "denial": (2,),
    **dict.fromkeys(("quantity", "unit", "offset", "grade", "code", "code_method", "act", "manage"), (3,)),
    **dict.fromkeys(("finding", "event", "procedure", "judgement", "consent", "drug", "class", "method"), (2,)),
    **dict.fromkeys(("scale", "lowest", "highest"), (2,)),
    **dict.fromkeys(("in_class", "half_life", "outcome", "obtain", "doer", "done_by", "needs_first"), (2,)),
    **dict.fromkeys(("derived", "route", "not_systemic", "systemic", "attested"), (1,)),
    "equivalent": (4,),
    **dict.fromkeys(("trial", "cohort", "requires", "reading", "option"), (3,)),
    "clause": (5,),
    **dict.fromkeys(("general", "excludes", "combines", "default", "why", "confidence", "reading_of"), (2,)),
}

# Facts that name a thing or speak of it, but ask nothing: a word is not used by standing there.
_TALK = frozenset(("label", "source", "clause", "reading", "option", "why", "current", "outcome",
                   "obtain", "manage", "done_by", "needs_first"))  # fmt: skip
# What a record's doses are computed with, though no criterion names it.
_DOSE_INPUTS = ("weight",)
# With these, that nobody can enter a cohort is their consequence, and not worth a finding of its own.
_DEFORMED = frozenset(("cycle", "hole", "overlap", "two_readings", "number", "two_kinds", "undefined", "misspelt"))
_FOREIGN = frozenset(("reserved", "not_a_fact"))


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong, or looks so: where it stands, of which kind, and whether it is an error or a warning."""

    file: str
    line: int | None
    kind: str
    message: str
    level: str = ERROR

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        return f"{place}: {self.level}: {self.message} [{self.kind}]"


class _Wording(NamedTuple):
    """How a kind of problem is put: `where` and `what` are filled in; it stands in a fact of one of the predicates.

    `last` says that of several such facts the last is meant, `at` which of the two words it stands at.
    """

    message: str
    predicates: tuple[str, ...] = ()
    last: bool = False
    at: str = "what"


_NEEDS = ("requires", "general", "excludes")
_WORDINGS: Mapping[str, _Wording] = {
    "unused": _Wording("the {where} '{what}' is declared, but nothing uses it", ("{where}",)),
    "uncited": _Wording("no criterion that is asked carries out the clause {what} (a {where})", ("clause",)),
    "misplaced": _Wording("{where} goes with the clause {what}, which is of another cohort or role", _NEEDS),
    "incomplete": _Wording("{where} is without '{what}'", ("reading", "cohort"), at="where"),
    "unlabelled": _Wording("'{what}' ({where}) has no label", ("{where}", "current_test")),
    "unsourced": _Wording("'{what}' ({where}) has no source", ("{where}", "current_test")),
    "undefined": _Wording("'{what}' is asked by {where}, but defined nowhere"),
    "unreachable": _Wording("'{what}' ({where}) is asked by no cohort and no exclusion", ("{where}", "current_test")),
    "cycle": _Wording("'{where}' is its own descendant, by way of '{what}'"),
    "two_kinds": _Wording("'{where}' is two things at once, one of them '{what}'", ("{what}",), at="where"),
    "too_small": _Wording("'{what}' ({where}) has one member; a group has two or more", ("{where}",)),
    "number": _Wording("'{where}' asks for {what}, which its members cannot come to", ("n_of",)),
    "two_numbers": _Wording("'{where}' asks for two different numbers of its members, one of them {what}", ("n_of",)),
    "weight": _Wording("an item of '{where}' weighs '{what}'; a weight is a whole number, and not 0", ("item",)),
    "item_twice": _Wording("'{what}' is an item of '{where}' twice, so that it counts twice", ("item",), last=True),
    "hole": _Wording("'{where}' is nothing under the option '{what}' of its reading", ("by_reading",), at="where"),
    "overlap": _Wording("'{where}' is two criteria under one option; '{what}' is the second", ("by_reading",)),
    "two_readings": _Wording("'{where}' goes by two readings; '{what}' is the second", ("by_reading",)),
    "no_test": _Wording("'{what}' is no test, so that '{where}' cannot put it in doubt", ("doubt",)),
    "unobtainable": _Wording("no act is said to find out the {where} '{what}'", ("{where}", "drug", "class")),
    "twice": _Wording("the {where} of '{what}' is said twice, differently", ("{where}",), last=True),
}


def check(trial: str | None = None, root: Path | str | None = None) -> list[Finding]:
    """Return what is wrong with a trial and all it leans on, by file and line; nothing, where all is well.

    Raises RequestError for a trial that does not exist; whatever is wrong with the knowledge base is a finding, never an error.
    """
    base = Path(root) if root is not None else knowledge.default_root()
    main = knowledge.trial_file(base, trial)
    try:
        Program([main], options=_TOLERANT)
    except KnowledgeBaseError as error:
        return sorted({_of_problem("unreadable", problem) for problem in error.problems})
    checker = _Checker(base, main)
    return sorted(set(checker.findings()))


# Sums over what is no number are a finding of their own, and no reason to give up.
_TOLERANT = ("--warn=no-operation-undefined",)


class _Checker:
    def __init__(self, root: Path, main: Path) -> None:
        self.root = root
        self.main = main
        self.included = read_statements([main])
        self.files = {_file(statement.place) for statement in self.included}
        self.statements = [*self.included, *self._elsewhere()]
        self.engine = [statement for statement in self.statements if self._under(statement.place, "engine")]
        self.own = [statement for statement in self.included if not self._under(statement.place, "engine")]

    def _elsewhere(self) -> Iterator[Statement]:
        """Yield what stands in files that this trial does not include; a file that cannot be read is another trial's matter."""
        for folder in ("engine", "vocabulary", "criteria", "trials"):
            for path in sorted((self.root / folder).rglob("*.lp")):
                file = _file(Place(str(path), 0))
                if file not in self.files and path.name != "main.lp":
                    yield from (statement for statement in _readable(path) if _file(statement.place) == file)

    def _under(self, place: Place, folder: str) -> bool:
        return _resolved(str(self.root / folder)) in _resolved(place.file).parents

    def findings(self) -> Iterator[Finding]:
        derived = [*self._derived(), *self._predicates()]
        yield from derived
        yield from self._left_out()
        try:
            kb = knowledge.load(self.main.parent.name, self.root)
        except KnowledgeBaseError as error:
            yield from self._refused(error, derived)
            return
        yield from self._same_tests(kb)
        yield from self._impossible_bounds(kb)
        if not any(finding.kind in _DEFORMED | _FOREIGN for finding in derived):
            yield from _Entrance(kb, self).findings()

    # ---- what check.lp derives ---------------------------------------------------------------------------------------

    @cached_property
    def _program(self) -> Program:
        facts = [f"mentioned({word})." for word in sorted(self._mentioned())]
        facts += [f"leans_on({quantity},{word})." for quantity, words in INPUTS.items() for word in words]
        return Program([self.main, self.root / "engine" / "check.lp"], facts="\n".join(facts), options=_TOLERANT)

    def _mentioned(self) -> set[str]:
        """Return every name in a criterion file of any trial."""
        found = set(_DOSE_INPUTS)
        for statement in self.statements:
            if statement.predicate not in _TALK and (
                self._under(statement.place, "criteria") or self._under(statement.place, "trials")
            ):
                found.update(word for word in statement.words if re.fullmatch(r"_*[a-z]\w*", word))
        return found

    def _derived(self) -> Iterator[Finding]:
        for kind, where, what in self._program.facts("problem", 3):
            yield self._undeclared(where, what) if str(kind) == "undeclared" else self._worded(str(kind), where, what)

    def _worded(self, kind: str, where: Term | str | int, what: Term | str | int) -> Finding:
        wording = _WORDINGS[kind]
        names = {"where": _name(where), "what": _name(what)}
        predicates = tuple(predicate.format(**names) for predicate in wording.predicates)
        words = (*_words(where), *_words(what)) if wording.at == "what" else (*_words(what), *_words(where))
        statement = self.find(words, predicates, last=wording.last)
        place = _place(statement, words)
        hint = did_you_mean(names["what"], self._criteria()) if kind == "undefined" else ""
        shared = place is not None and self._under(place, "criteria")
        level = WARNING if kind == "unreachable" and shared else ERROR
        return self.finding(kind, wording.message.format(**names) + hint, place, level)

    def _undeclared(self, where: Term | str | int, what: Term | str | int) -> Finding:
        assert isinstance(what, Term)
        kind, word = str(what.args[0]), what.args[1]
        words = (*_words(where), *_words(word))
        known = [_name(row[1]) for row in self._program.facts("declared", 2) if str(row[0]) == kind]
        message = f"{_name(where)} speaks of the {kind} '{_name(word)}', which is not declared{did_you_mean(_name(word), known)}"
        return self.finding("undeclared", message, _place(self.find(words), words))

    def _criteria(self) -> list[str]:
        return [row[0] for row in self._program.rows("kind", 2)]

    # ---- where things stand ------------------------------------------------------------------------------------------

    def find(self, words: Sequence[str], predicates: Collection[str] = (), last: bool = False) -> Statement | None:
        """Return the fact that holds most of the words, the last one above all; rather of one of the predicates."""
        best: tuple[float, Statement] | None = None
        for statement in self.own:
            score = _score(statement, words)
            if not score:
                continue
            score += 1000 * (statement.predicate in predicates) - 0.5 * (statement.predicate in ("label", "source"))
            score += 0.3 * statement.text.startswith(f"{statement.predicate}({words[0]}")
            if best is None or score > best[0] or (last and score == best[0]):
                best = (score, statement)
        return best[1] if best else None

    def finding(self, kind: str, message: str, place: Place | None, level: str = ERROR) -> Finding:
        """Return a finding at a place; where none is known, at the trial's main file."""
        return Finding(_file(place or Place(str(self.main), 0)), place.line if place else None, kind, message, level)

    # ---- what the loader refuses -------------------------------------------------------------------------------------

    def _refused(self, error: KnowledgeBaseError, derived: Iterable[Finding]) -> Iterator[Finding]:
        """Yield what makes the knowledge base unusable, but for what check.lp has said of the same line in its own words."""
        said = {(finding.file, finding.line) for finding in derived}
        for problem in error.problems:
            finding = _of_problem("unusable", problem)
            if problem.line is None:
                words = re.findall(r"[^\s:,;'\"()]+", problem.message)
                statement = self.find(words)
                finding = self.finding("unusable", problem.message, _place(statement, words))
            engines = bool(problem.file) and self._under(Place(problem.file, 0), "engine")
            if (finding.file, finding.line) not in said and not (engines and said):
                yield finding

    # ---- predicates --------------------------------------------------------------------------------------------------

    def _predicates(self) -> Iterator[Finding]:
        """Yield facts that nothing reads, that belong to the engine, or that have too few or too many arguments."""
        read_by: dict[str, set[str]] = {}
        for statement in self.statements:
            for word in statement.words:
                read_by.setdefault(word, set()).add(statement.predicate)
        reserved = {statement.predicate for statement in self.engine} - set(PREDICATES)
        for statement in self.own:
            wrong = self._wrong_predicate(statement, read_by, reserved)
            if wrong:
                yield self.finding(*wrong, statement.place)

    def _wrong_predicate(
        self, statement: Statement, read_by: Mapping[str, set[str]], reserved: Collection[str]
    ) -> tuple[str, str] | None:
        name = statement.predicate
        if not name:
            return "not_a_fact", "neither a fact nor a rule that derives one: constraints and choices are the engine's"
        if name in PREDICATES:
            count = _arity(statement.text)
            if count in PREDICATES[name]:
                return None
            expected = " or ".join(map(str, PREDICATES[name]))
            return "misspelt", f"{name} takes {expected} arguments, not {count}"
        if name in reserved:
            return "reserved", f"'{name}' is derived by the engine, and not said in a knowledge base"
        if read_by.get(name, set()) <= {name}:
            return "misspelt", f"nothing reads '{name}'{did_you_mean(name, PREDICATES)}"
        return None

    def _left_out(self) -> Iterator[Finding]:
        """Yield files of the vocabulary and of this trial that its main file does not include."""
        for statement in {_file(statement.place): statement for statement in self.statements[::-1]}.values():
            mine = _resolved(str(self.main.parent)) in _resolved(statement.place.file).parents
            if (mine or self._under(statement.place, "vocabulary")) and _file(statement.place) not in self.files:
                message = f"{self.main.parent.name}/main.lp does not include this file"
                yield self.finding("left_out", message, Place(statement.place.file, 1))

    # ---- tests -------------------------------------------------------------------------------------------------------

    def _same_tests(self, kb: KnowledgeBase) -> Iterator[Finding]:
        """Yield tests that ask the same under another name: equal tests are asked once, decided once."""
        first: dict[tuple[object, ...], str] = {}
        for test in sorted(kb.tests.values(), key=lambda test: test.id):
            thresholds = tuple((t.number, t.unit, t.limit, t.duration) for t in test.comparison.thresholds)
            other = first.setdefault((test.family, test.comparison.op, thresholds), test.id)
            if other != test.id:
                words = _plain_words(test.id)
                place = _place(self.find(words, ("test", "current_test")), words)
                message = f"'{_unwrapped(test.id)}' asks the same as '{_unwrapped(other)}'"
                yield self.finding("same_test", message, place)

    def _impossible_bounds(self, kb: KnowledgeBase) -> Iterator[Finding]:
        """Yield tests that compare a value with what it cannot be, or that every value it can have answers alike."""
        for test in kb.tests.values():
            selection = test.selection
            if selection.kind != "measurement":
                continue
            quantity = kb.vocabulary.quantities[selection.concept]
            for comparison in _of_values(test):
                bounds = [threshold.number for threshold in comparison.thresholds if not threshold.limit]
                if len(bounds) < len(comparison.thresholds):
                    continue
                beyond = [number for number in bounds if outside(Interval.exactly(number), quantity.possible)]
                always = meets(quantity.possible, comparison)
                if beyond or always is not None:
                    words = (_unwrapped(test.id), quantity.id, comparison.op, comparison.thresholds[-1].text)
                    place = _place(self.find(words), words)
                    held = ", so that the answer is always the same" if always is not None else ""
                    texts = " and ".join(threshold.text for threshold in comparison.thresholds)
                    message = f"'{_unwrapped(test.id)}' compares {quantity.id} with {texts}, but it can be {quantity.range}{held}"
                    yield self.finding("impossible", message, place)


def _of_values(test: Test) -> Iterator[Comparison]:
    """Yield the comparisons of a test with a value itself, and not with a number of values or with a change."""
    comparisons = [c.comparison for c in test.selection.conditions if c.name == "value"]
    if test.summary not in ("some", "count", "time_since", "time_between", *CHANGES):
        comparisons.append(test.comparison)
    yield from (one for one in comparisons if one is not None and all(t.duration is None for t in one.thresholds))


class _Entrance:
    """Whether anyone can enter a cohort, asked of clingo over every consistent way in which the tests may be answered."""

    def __init__(self, kb: KnowledgeBase, checker: _Checker) -> None:
        self.kb = kb
        self.checker = checker
        files = [checker.main, kb.root / "engine" / "exact.lp"]
        self.program = Program(files, facts=cells.facts(kb.tests.values()))
        self.inputs = Inputs(self.program)
        self.met = self.program.literals("met")
        self.unmet = self.program.literals("unmet")

    def findings(self) -> Iterator[Finding]:
        default = self.inputs.choices(self.kb.chosen())
        barred = [cohort for cohort in self.kb.cohorts.values() if not self._open(default, self._wanted(cohort))]
        for cohort in barred:
            yield self._unsatisfiable(cohort, default)
        if not barred:
            yield from self._barring_options()
            yield from self._redundant()

    def _wanted(self, cohort: Cohort) -> dict[Need, int | None]:
        """Return what a cohort needs, each with the literal that must hold; None where it never can."""
        needs = {need: self.met.get(need.criterion) for need in cohort.needs}
        return {**needs, **{need: self.unmet.get(need.criterion) for need in self.kb.exclusions}}

    def _open(self, chosen: Sequence[int], wanted: Mapping[Need, int | None]) -> bool:
        literals = [literal for literal in wanted.values() if literal is not None]
        return len(literals) == len(wanted) and self.program.satisfiable([*chosen, *literals])

    def _unsatisfiable(self, cohort: Cohort, chosen: Sequence[int]) -> Finding:
        core = self._wanted(cohort)
        for need in list(core):
            without = {other: literal for other, literal in core.items() if other != need}
            if not self._open(chosen, without):
                core = without
        parts = " and ".join(f"{need.clause} {need.criterion}" for need in core)
        verb = "exclude each other" if len(core) > 1 else "can never hold"
        message = f"nobody can enter {cohort.code} ({cohort.id}): {parts or 'its criteria'} {verb}"
        return self.checker.finding("unsatisfiable", message, self._place(cohort, list(core)[-1:]))

    def _place(self, cohort: Cohort, needs: Iterable[Need]) -> Place | None:
        """Return where the cohort's own requirement stands, else the general one or exclusion, else the cohort."""
        words: tuple[str, ...] = (cohort.id,)
        for need in needs:
            words = (cohort.id, *_plain_words(need.criterion), need.clause)
        return _place(self.checker.find(words, (*_NEEDS, "cohort")), words)

    def _barring_options(self) -> Iterator[Finding]:
        """Yield options of a reading under which nobody can enter some cohort."""
        wanted = {cohort.code: self._wanted(cohort) for cohort in self.kb.cohorts.values()}
        for reading in self.kb.readings.values():
            for option in reading.options:
                chosen = self.inputs.choices(self.kb.chosen({reading.id: option}))
                shut = [code for code, needs in wanted.items() if not self._open(chosen, needs)]
                if shut:
                    message = f"under the option '{option}' of reading {reading.id} nobody can enter {', '.join(shut)}"
                    words = (reading.id, option)
                    place = _place(self.checker.find(words, ("option",)), words)
                    yield self.checker.finding("barring_option", message, place, WARNING)

    def _redundant(self) -> Iterator[Finding]:
        """Yield requirements that whoever meets all the others, and no exclusion, meets too."""
        default = self.inputs.choices(self.kb.chosen())
        for cohort in self.kb.cohorts.values():
            wanted = self._wanted(cohort)
            for need in cohort.needs:
                fails = self.unmet.get(need.criterion)
                others = [literal for key, literal in wanted.items() if key != need and literal is not None]
                if fails is None or not self.program.satisfiable([*default, fails]):
                    continue
                if self.program.satisfiable([*default, *others, fails]):
                    continue
                always = "" if self.program.satisfiable([*others, fails]) else ", however it is read"
                message = f"{need.clause} follows from the other requirements of {cohort.code}{always or ', as it is read'}"
                yield self.checker.finding("redundant", message, self._place(cohort, [need]), WARNING)

    def together(self) -> Iterator[tuple[Cohort, Cohort]]:
        """Yield the pairs of cohorts that one patient can be eligible for at once."""
        default = self.inputs.choices(self.kb.chosen())
        for one, other in combinations(self.kb.cohorts.values(), 2):
            if self._open(default, self._wanted(one) | self._wanted(other)):
                yield one, other


def together(trial: str | None = None, root: Path | str | None = None) -> dict[str, list[str]]:
    """Return for each cohort the others that the same patient can be eligible for, by their codes, under the default readings."""
    kb = knowledge.load(trial, root)
    found: dict[str, list[str]] = {cohort.code: [] for cohort in kb.cohorts.values()}
    for one, other in _Entrance(kb, _Checker(kb.root, kb.main)).together():
        found[one.code].append(other.code)
        found[other.code].append(one.code)
    return found


# ---- small helpers ---------------------------------------------------------------------------------------------------


def _readable(path: Path) -> list[Statement]:
    try:
        return read_statements([path])
    except RuntimeError:
        return []


def _of_problem(kind: str, problem: Problem) -> Finding:
    file = _file(Place(problem.file, 0)) if problem.file else ""
    return Finding(file, problem.line, kind, problem.message)


@cache
def _resolved(file: str) -> Path:
    return Path(file).resolve()


def _file(place: Place) -> str:
    """Return a file's path without detours, relative to the working directory where it lies below it."""
    path = _resolved(place.file)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _score(statement: Statement, words: Sequence[str]) -> float:
    """Weigh how many of the words a statement holds; the last one counts more than the others together."""
    score = float(sum(word in statement.words for word in words))
    return score + len(words) if words and words[-1] in statement.words else score


def _place(statement: Statement | None, words: Sequence[str]) -> Place | None:
    """Return where the last of the words stands that a statement holds."""
    if statement is None:
        return None
    return next((statement.words[word] for word in reversed(words) if word in statement.words), statement.place)


def _words(value: Term | str | int) -> tuple[str, ...]:
    """Return every name, string and number in a term, outermost first."""
    if not isinstance(value, Term):
        return (str(value),)
    return (*((value.name,) if value.name else ()), *(word for arg in value.args for word in _words(arg)))


def _plain_words(criterion: str) -> tuple[str, ...]:
    return tuple(re.findall(r'"(?:[^"\\]|\\.)*"|[^\s(),"]+', _unwrapped(criterion).replace('"', "")))


def _name(value: Term | str | int) -> str:
    """Return a term as people read it: a pair by its words, a test asked twice for its age by its own name."""
    if isinstance(value, Term) and not value.name and len(value.args) > 1:
        return " ".join(map(str, value.args))
    return _unwrapped(str(value))


def _unwrapped(criterion: str) -> str:
    found = re.fullmatch(r"(?:recent|any_age)\((.*)\)", criterion)
    return found[1] if found else criterion


def _arity(text: str) -> int:
    """Count the arguments of the head of a rule written as clingo prints it.

    >>> _arity('all_of(a,(b;c)).'), _arity('p.'), _arity('label(f(X,Y),"x, (y") :- q(X,Y).')
    (2, 0, 2)
    """
    head = re.match(r"\w+\(", text)
    if head is None:
        return 0
    depth, count = 1, 1
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"|[(),;]', text[head.end() :]):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0 or (depth == 1 and found[0] == ";"):
            break
        count += depth == 1 and found[0] == ","
    return count
