"""A knowledge base with one of its trials, loaded, typed and checked: criteria, cohorts, clauses, readings and tests."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

from . import cache
from .engine import Place, Program, Statement, Term, read_statements, text_of
from .errors import KnowledgeBaseError, Problem, RequestError, did_you_mean
from .questions import Questions, Test
from .vocabulary import Vocabulary, read_vocabulary

GROUPS = {"all_of": 2, "any_of": 2, "none_of": 2, "known_by": 2, "presumed_absent": 2, "n_of": 3}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a criterion: `detail` is the domain and weight of a score's item, or the reading and option that choose it."""

    id: str
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Criterion:
    """A named criterion or test. `kind`: all_of, any_of, none_of, n_of, known_by, presumed_absent, by_reading, points, test,
    constant, undefined.
    """

    id: str
    kind: str
    label: str
    members: tuple[Member, ...] = ()
    number: int = 0
    source: str = ""
    clauses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause of the protocol in our words; `lines` is where it stands in the published text."""

    id: str
    lines: str
    cohort: str
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Need:
    """A criterion that a cohort requires, or that excludes, with its clause."""

    clause: str
    criterion: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """A way into the trial; `needs` holds its own requirements and the general ones."""

    id: str
    code: str
    label: str
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A damaged or ambiguous fragment: what it may mean, which meaning counts unless a site says otherwise, and why."""

    id: str
    clauses: tuple[str, ...]
    question: str
    options: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    why: str = ""
    confidence: str = ""


@dataclass(frozen=True)
class KnowledgeBase:
    """One trial with all it leans on. Load it with `load`."""

    root: Path
    trial: str
    title: str
    registry: str
    program: Program
    vocabulary: Vocabulary
    cohorts: Mapping[str, Cohort]
    exclusions: tuple[Need, ...]
    clauses: Mapping[str, Clause]
    readings: Mapping[str, Reading]
    criteria: Mapping[str, Criterion]
    tests: Mapping[str, Test]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the grounded program, which cannot be kept, and what is worked out when needed."""
        return {part.name: getattr(self, part.name) for part in fields(self) if part.name != "program"}

    @property
    def main(self) -> Path:
        """The main file of the trial."""
        return self.root / "trials" / self.trial / "main.lp"

    @cached_property
    def digest(self) -> str:
        """A fingerprint of every logic program of the knowledge base, to stand on reports."""
        total = sha256()
        for path in sorted(self.root.rglob("*.lp")):
            total.update(path.relative_to(self.root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
        return total.hexdigest()[:12]

    @cached_property
    def answerable(self) -> dict[str, str]:
        """The tests that a person may answer directly, with their labels: all but judgements and consents."""
        return {
            test.id: self.criteria[test.id].label
            for test in self.tests.values()
            if test.selection.kind not in ("judgement", "consent")
        }

    @cached_property
    def leaves(self) -> dict[str, frozenset[str]]:
        """The tests under each requirement and exclusion, by its criterion."""
        needs = [need for cohort in self.cohorts.values() for need in cohort.needs]
        return {
            need.criterion: frozenset(c.id for c in self.below([need.criterion]) if c.kind == "test")
            for need in (*needs, *self.exclusions)
        }

    @cached_property
    def doubting(self) -> frozenset[str]:
        """The tests that, answered yes, may put the answer to another one in doubt."""
        doubts = (row[1] for row in self.program.rows("doubt", 2))
        return frozenset(criterion.id for criterion in self.below(doubts) if criterion.kind == "test")

    def cohort(self, name: str) -> Cohort:
        """Return a cohort by its id or code; raises RequestError."""
        for cohort in self.cohorts.values():
            if name in (cohort.id, cohort.code):
                return cohort
        known = [word for cohort in self.cohorts.values() for word in (cohort.code, cohort.id)]
        listed = ", ".join(f"{cohort.code} ({cohort.id})" for cohort in self.cohorts.values())
        raise RequestError(f"no cohort '{name}' in {self.trial}{did_you_mean(name, known)}; there are {listed}")

    def chosen(self, readings: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return every reading with the option that counts: the defaults, and what a site chose; raises RequestError."""
        options = {reading.id: reading.default for reading in self.readings.values()}
        problems = []
        for name, option in (readings or {}).items():
            reading = self.readings.get(name)
            if reading is None:
                problems.append(Problem(f"no reading '{name}'{did_you_mean(name, self.readings)}"))
            elif option not in reading.options:
                known = ", ".join(reading.options)
                problems.append(
                    Problem(
                        f"reading {name} has no option '{option}'{did_you_mean(option, reading.options)}; it has {known}"
                    )
                )
            else:
                options[name] = option
        if problems:
            raise RequestError(problems)
        return options

    def below(self, roots: Iterable[str]) -> Iterator[Criterion]:
        """Yield every criterion under the given ones, parents first, each once."""
        seen: set[str] = set()
        stack = list(roots)[::-1]
        while stack:
            name = stack.pop()
            if name in seen or name not in self.criteria:
                continue
            seen.add(name)
            criterion = self.criteria[name]
            yield criterion
            stack.extend(member.id for member in reversed(criterion.members))


def default_root() -> Path:
    """Return the knowledge base to use: `PYSCREEN_KB`, else the one that ships with the package."""
    chosen = os.environ.get("PYSCREEN_KB")
    return Path(chosen) if chosen else Path(str(resources.files("pyscreen.kb")))


def trials(root: Path) -> list[str]:
    """Return the names of the trials in a knowledge base."""
    return sorted(path.parent.name for path in (root / "trials").glob("*/main.lp"))


def trial_file(root: Path, trial: str | None) -> Path:
    """Return the main file of a trial; without a name, of the only one. Raises RequestError."""
    known = trials(root)
    if not known:
        raise RequestError(f"no trial under {root / 'trials'}: a trial is a folder with a main.lp")
    if trial is None:
        if "cd19_autoimmune" in known:
            trial = "cd19_autoimmune"
        elif len(known) == 1:
            trial = known[0]
        else:
            raise RequestError(f"which trial? name one of {', '.join(known)} with --trial")
    if trial not in known:
        raise RequestError(f"no trial '{trial}'{did_you_mean(trial, known)}; there are {', '.join(known)}")
    return root / "trials" / trial / "main.lp"


def load(trial: str | None = None, root: Path | str | None = None) -> KnowledgeBase:
    """Load and check a trial of a knowledge base.

    Raises RequestError for a trial that does not exist, KnowledgeBaseError with file and line for everything that is wrong.
    """
    base = Path(root) if root is not None else default_root()
    main = trial_file(base, trial)
    program = Program([main])
    typed = cache.kept(main.parent.name, base, lambda: _Loader(base, main, program).knowledge_base())
    return replace(typed, root=base, program=program)


_WORDING = frozenset(
    ("label", "source", "drug", "class", "in_class", "finding", "quantity", "obtain", "code", "equivalent", "words")
)


def locate(statements: list[Statement], words: Iterable[str], predicate: str = "") -> Place | None:
    """Return where the rule stands that holds most of the words (the last ones weigh most), rather not a mere declaration."""
    wanted = [word for word in words if word]
    best: tuple[float, Statement] | None = None
    for statement in statements:
        score = sum(1 + i / 100 for i, word in enumerate(wanted) if word in statement.words)
        if score:
            score += 0.5 * (predicate == statement.predicate) - 0.5 * (statement.predicate in _WORDING)
        if score and (best is None or score > best[0]):
            best = (score, statement)
    if best is None:
        return None
    for word in reversed(wanted):
        if word in best[1].words:
            return best[1].words[word]
    return best[1].place


class _Loader:
    def __init__(self, root: Path, main: Path, program: Program) -> None:
        self.root = root
        self.main = main
        self.program = program
        self.found: list[tuple[str, tuple[str, ...]]] = []

    def complain(self, message: str, words: tuple[str, ...]) -> None:
        self.found.append((message, words))

    def rows(self, name: str, arity: int) -> list[tuple[str, ...]]:
        return self.program.rows(name, arity)

    @cached_property
    def clauses(self) -> dict[str, Clause]:
        rows = sorted(self.rows("clause", 5), key=lambda row: _family(row[0]))
        return {row[0]: Clause(*row) for row in rows}

    def in_order(self, needs: Iterable[Need]) -> list[Need]:
        """Put needs in the order of their clauses, unknown clauses last."""
        places = {clause: place for place, clause in enumerate(self.clauses)}
        return sorted(needs, key=lambda need: (places.get(need.clause, len(places)), need.clause))

    def pairs(self, name: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self.rows(name, 2)}

    def knowledge_base(self) -> KnowledgeBase:
        vocabulary = self.vocabulary()
        tests = self.tests(vocabulary)
        criteria = self.criteria(tests, vocabulary)
        readings = self.readings()
        self.check(criteria, readings, vocabulary)
        self.raise_problems()
        general = [Need(clause, criterion) for clause, criterion in self.rows("general", 2)]
        cohorts = {
            cohort: Cohort(cohort, code, label, (*self.needs(cohort), *self.in_order(general)))
            for code, cohort, label in sorted((row[1], row[0], row[2]) for row in self.rows("cohort", 3))
        }
        identity = next(iter(self.rows("trial", 3)), (self.main.parent.name, self.main.parent.name, ""))
        return KnowledgeBase(
            root=self.root,
            trial=self.main.parent.name,
            title=identity[1],
            registry=identity[2],
            program=self.program,
            vocabulary=vocabulary,
            cohorts=cohorts,
            exclusions=tuple(self.in_order(Need(clause, criterion) for clause, criterion in self.rows("excludes", 2))),
            clauses=self.clauses,
            readings=readings,
            criteria=criteria,
            tests=tests,
        )

    def vocabulary(self) -> Vocabulary:
        try:
            return read_vocabulary(self.program)
        except KnowledgeBaseError as error:
            for problem in error.problems:
                self.complain(problem.message, tuple(word.strip("':,") for word in problem.message.split()))
            self.raise_problems()
            raise

    def needs(self, cohort: str) -> list[Need]:
        return self.in_order(
            Need(clause, criterion) for owner, clause, criterion in self.rows("requires", 3) if owner == cohort
        )

    def tests(self, vocabulary: Vocabulary) -> dict[str, Test]:
        given: dict[str, list[Term]] = {}
        for name, condition in self.program.facts("given", 2):
            given.setdefault(str(name), []).append(_as_term(condition))
        selections = {str(name): _as_term(items) for name, items in self.program.facts("items", 2)}
        questions = Questions(vocabulary, selections, given, self.complain)
        asked = {row[0] for row in self.rows("leaf", 1)}
        tests: dict[str, Test] = {}
        seen: set[str] = set()
        for name, items, summary, comparison in self.program.facts("test", 4):
            if str(name) in seen:
                self.complain(f"test {name} is defined twice, differently", (str(name),))
            seen.add(str(name))
            test = questions.test(_as_term(name), _as_term(items), _as_term(summary), _as_term(comparison))
            if test is not None and test.id in asked:
                tests[test.id] = test
        for owner in given:
            if owner not in seen and owner not in selections:
                self.complain(
                    f"a condition is given to '{owner}', which is no test nor selection{did_you_mean(owner, seen | set(selections))}",
                    (owner,),
                )
        return tests

    def criteria(self, tests: Mapping[str, Test], vocabulary: Vocabulary) -> dict[str, Criterion]:
        labels, sources, kinds = self.pairs("label"), self.pairs("source"), self.pairs("kind")
        clauses: dict[str, set[str]] = {}
        for criterion, clause in self.rows("cites", 2):
            clauses.setdefault(criterion, set()).add(clause)
        members, numbers = self.members()
        found = {}
        for (name,) in self.program.facts("asked", 1):
            criterion = str(name)
            label = labels.get(criterion) or _label(_as_term(name), tests.get(criterion), vocabulary, labels)
            found[criterion] = Criterion(
                criterion,
                kinds.get(criterion, "undefined"),
                label,
                tuple(members.get(criterion, ())),
                numbers.get(criterion, 0),
                sources.get(criterion, ""),
                tuple(sorted(clauses.get(criterion, ()))),
            )
        return found

    def whole(self, text: str, of: str) -> int:
        if text.isdecimal():
            return int(text)
        self.complain(f"'{of}' asks for '{text}' of its members, which is no whole number", (of, text))
        return 0

    def members(self) -> tuple[dict[str, list[Member]], dict[str, int]]:
        members: dict[str, list[Member]] = {}
        numbers: dict[str, int] = {}
        for group, arity in GROUPS.items():
            for row in self.rows(group, arity):
                members.setdefault(row[0], []).append(Member(row[-1]))
                if arity == 3:
                    numbers[row[0]] = self.whole(row[1], row[0])
        for criterion, reading, option, member in self.rows("by_reading", 4):
            members.setdefault(criterion, []).append(Member(member, (reading, option)))
        items: dict[str, list[Member]] = {}
        for score, domain, member, weight in self.rows("item", 4):
            items.setdefault(score, []).append(Member(member, (domain, weight)))
        for (name,) in self.program.facts("asked", 1):
            if isinstance(name, Term) and name.name == "points" and len(name.args) == 2:
                members[str(name)] = items.get(str(name.args[0]), [])
                numbers[str(name)] = self.whole(str(name.args[1]), str(name.args[0]))
        return members, numbers

    def readings(self) -> dict[str, Reading]:
        options: dict[str, dict[str, str]] = {}
        for reading, option, words in self.rows("option", 3):
            options.setdefault(reading, {})[option] = words
        clauses: dict[str, list[str]] = {}
        for reading, clause in self.rows("reading_of", 2):
            clauses.setdefault(reading, []).append(clause)
        defaults, whys, confidences = map(self.pairs, ("default", "why", "confidence"))
        return {
            reading: Reading(
                reading,
                (clause, *clauses.get(reading, ())),
                question,
                options.get(reading, {}),
                defaults.get(reading, ""),
                whys.get(reading, ""),
                confidences.get(reading, ""),
            )
            for reading, clause, question in self.rows("reading", 3)
        }

    def check(self, criteria: Mapping[str, Criterion], readings: Mapping[str, Reading], vocabulary: Vocabulary) -> None:
        """Report what would make answers wrong; `kb check` looks further."""
        for criterion in criteria.values():
            if criterion.kind == "undefined":
                known = [row[0] for row in self.rows("label", 2)]
                self.complain(
                    f"'{criterion.id}' is asked but defined nowhere{did_you_mean(criterion.id, known)}",
                    tuple(re.findall(r"\w+", criterion.id)),
                )
            for member in criterion.members:
                if (
                    criterion.kind == "by_reading"
                    and member.detail[1] not in readings.get(member.detail[0], _NO_READING).options
                ):
                    self.complain(
                        f"'{criterion.id}' goes by the undeclared reading or option {' '.join(member.detail)}",
                        (criterion.id, *member.detail),
                    )
        for reading in readings.values():
            if reading.default not in reading.options:
                self.complain(
                    f"reading {reading.id}: its default '{reading.default}' is no option of it",
                    (reading.id, reading.default),
                )
        for concept in vocabulary.derived:
            from .derived import FORMULAS, HISTORY

            if concept not in (*FORMULAS, *HISTORY):
                self.complain(
                    f"no formula is known for the derived '{concept}'{did_you_mean(concept, FORMULAS)}",
                    (concept,),
                )

    def raise_problems(self) -> None:
        if not self.found:
            return
        statements = read_statements([self.main])
        problems = []
        for message, words in dict(self.found).items():
            place = locate(statements, words)
            problems.append(Problem(message, place.file if place else str(self.main), place.line if place else None))
        raise KnowledgeBaseError(problems)


_NO_READING = Reading("", (), "")


def _as_term(value: Term | str | int) -> Term:
    return value if isinstance(value, Term) else Term(text_of(value))


def _family(name: str) -> tuple[int, tuple[int, ...]]:
    """Order clauses and readings by what they belong to: general, then the cohorts by number, exclusions last."""
    head, *rest = name.split(".")
    numbers = tuple(int(part) for part in (head, *rest) if part.isdigit())
    return {"gen": 0, "ex": 2}.get(head, 1), numbers


_SIGNS = {"below": "<", "at_most": "<=", "above": ">", "at_least": ">=", "equals": "="}
_SUMMARY_WORDS = {
    "each_of_latest": "each of the latest {0} values of {1}",
    "consecutive": "{0} consecutive values of {1}",
    "lowest": "lowest {1}",
    "highest": "highest {1}",
    "earliest": "earliest {1}",
    "count": "number of {1}",
    "daily_dose": "daily dose of {1}",
    "unchanged": "{1} unchanged for",
    "time_since": "time since {1}",
}


def _label(name: Term, test: Test | None, vocabulary: Vocabulary, labels: Mapping[str, str]) -> str:
    """Word a test or a score's threshold that has no label of its own."""
    if name.name == "points" and len(name.args) == 2:
        score = labels.get(str(name.args[0]), str(name.args[0]).replace("_", " "))
        return f"{score}: at least {name.args[1]} points"
    if name.name in ("recent", "any_age") and len(name.args) == 1:
        inner = _label(_as_term(name.args[0]), test, vocabulary, labels)
        inner = labels.get(str(name.args[0]), inner)
        newest = test.selection.condition("newest") if test else None
        return f"{inner} (no older than {newest.duration})" if newest else f"{inner} (of any age)"
    if test is None:
        return _in_place_label(name, vocabulary)
    what = test.selection.label
    if test.summary in _SUMMARY_WORDS:
        what = _SUMMARY_WORDS[test.summary].format(test.argument, what)
    return f"{what}{_compared(test)}"


def _compared(test: Test) -> str:
    comparison = test.comparison
    if comparison.op == "present":
        return ""
    if comparison.op == "absent":
        return ": absent"
    if comparison.op == "between":
        return f" {comparison.thresholds[0].text} to {comparison.thresholds[1].text}"
    return f" {_SIGNS[comparison.op]} {comparison.thresholds[0].text}"


def _in_place_label(name: Term, vocabulary: Vocabulary) -> str:
    """Word a test written in place that is asked by a reading."""
    if not name.args:
        return {"always": "nothing is asked", "never": "never"}.get(name.name, name.name.replace("_", " "))
    concept = str(name.args[0])
    kinds = vocabulary.kinds_of(concept)
    label = vocabulary.label(kinds[0], concept) if kinds else concept.replace("_", " ")
    if name.name == "between" and len(name.args) == 3:
        return f"{label} {name.args[1]} to {name.args[2]}"
    if name.name in _SIGNS and len(name.args) == 2:
        return f"{label} {_SIGNS[name.name]} {name.args[1]}"
    return label
