"""Can this patient enter this trial? Verdicts per cohort, decided by the engine, with what they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from . import cells, kleene
from .answers import Answers, answer
from .dates import When
from .engine import Program
from .kleene import MET, UNKNOWN, UNMET, Ripple
from .knowledge import Cohort, Criterion, KnowledgeBase, Need
from .record import Note, Record
from .vocabulary import KINDS

ELIGIBLE, INELIGIBLE, UNDECIDED = "eligible", "ineligible", "undecided"
MOST_LATER = 5
"""How many of the items that are dated after the screening day a note names."""


@dataclass(frozen=True, slots=True)
class Dependence:
    """The verdict would be another one if a reading were read by another option."""

    reading: str
    option: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A cohort's verdict.

    `failing` and `open` are the requirements (and exclusions, where `excludes`) that fail or are not settled; `exact` tells that it
    was decided over the consistent completions of the record where Kleene logic alone leaves it open.
    """

    cohort: Cohort
    status: str
    failing: tuple[Need, ...] = ()
    open: tuple[Need, ...] = ()
    excluded_by: tuple[Need, ...] = ()
    open_exclusions: tuple[Need, ...] = ()
    depends_on: tuple[Dependence, ...] = ()
    exact: bool = False


@dataclass(frozen=True)
class Screening:
    """A record screened for a trial on a day: status of every criterion, answer to every test, verdict for every cohort."""

    kb: KnowledgeBase
    record: Record
    day: date
    readings: Mapping[str, str]
    answers: Answers
    statuses: Mapping[str, str]
    conflicts: tuple[Note, ...]
    verdicts: Mapping[str, Verdict]

    @cached_property
    def best(self) -> Verdict:
        """The verdict of the cohort that stands best: eligible, else undecided with the least open, else the fewest failing."""
        rank = {ELIGIBLE: 0, UNDECIDED: 1, INELIGIBLE: 2}

        def order(verdict: Verdict) -> tuple[int, int, int, str]:
            failing = len(verdict.failing) + len(verdict.excluded_by)
            return rank[verdict.status], failing, len(verdict.open) + len(verdict.open_exclusions), verdict.cohort.code

        return min(self.verdicts.values(), key=order)

    def verdict(self, cohort: str) -> Verdict:
        """Return the verdict of a cohort by its id or code; raises RequestError."""
        return self.verdicts[self.kb.cohort(cohort).id]

    @cached_property
    def later(self) -> Note | None:
        """What is dated after the screening day, and not said to be planned; it may be a slip, or not known yet on that day."""
        found = list(self.record.later(self.day))
        if not found:
            return None
        words = [self._dated(*item) for item in found[:MOST_LATER]]
        more = [f"and {len(found) - MOST_LATER} more"] if len(found) > MOST_LATER else []
        items = "1 item is" if len(found) == 1 else f"{len(found)} items are"
        used = "it does not count, or only as a plan" if len(found) == 1 else "they do not count, or only as plans"
        made = self.record.recorded
        if made is not None and made <= self.day:
            used = f"the record was made on {made}: what is not planned must be dated wrongly, and leaves open what it bears on"
        return Note("later", f"{items} dated after the screening date, {self.day}; {used}: {'; '.join([*words, *more])}")

    def _dated(self, kind: str, concept: str, when: When, name: str | None) -> str:
        known = self.kb.criteria.get(concept) if kind == "answer" else None
        label = known.label if known else self.kb.vocabulary.label(kind, concept) if kind in KINDS else concept
        return f"{label}, {when}" + (f" [{name}]" if name else "")

    @cached_property
    def notes(self) -> list[Note]:
        """What was in the record and not used."""
        others = [note for note in self.record.notes if note.kind != "conflict"]
        return [*([self.later] if self.later else []), *others]

    @cached_property
    def presumed(self) -> list[str]:
        """The criteria that are taken as not so only because the record does not say that they are (`presumed_absent`)."""
        return [
            name
            for name, criterion in self.kb.criteria.items()
            if criterion.kind == "presumed_absent"
            and self.statuses[name] == UNMET
            and any(self.statuses[member.id] == UNKNOWN for member in criterion.members)
        ]

    def points(self, criterion: str) -> tuple[int, int]:
        """Return the points of a score (`points(S,N)`) that are certain, and the most that are still possible."""
        return kleene.points(self.kb.criteria[criterion], self.statuses)

    def deciders(self, criterion: str) -> list[str]:
        """Return the members of a criterion whose status makes its own status hold, in order."""
        node = self.kb.criteria[criterion]
        status = self.statuses[criterion]
        if node.kind == "by_reading":
            return [m.id for m in node.members if self.readings[m.detail[0]] == m.detail[1]]
        wanted = {MET: UNMET, UNMET: MET}.get(status, status) if node.kind == "none_of" else status
        found = [m.id for m in node.members if self.statuses[m.id] == wanted]
        if node.kind == "known_by" and status == UNKNOWN and len(found) < len(node.members):
            return [m.id for m in node.members if self.statuses[m.id] != UNKNOWN]
        return found

    def path(self, criterion: str) -> list[str]:
        """Return a criterion and everything under it that makes its status hold, in order, each once."""
        found: dict[str, None] = {}
        stack = [criterion]
        while stack:
            name = stack.pop()
            if name not in found:
                found[name] = None
                stack.extend(reversed(self.deciders(name)))
        return list(found)

    def deciding_tests(self, criterion: str) -> list[str]:
        """Return the tests under a criterion that make its status hold, in order, each once."""
        return [name for name in self.path(criterion) if self.kb.criteria[name].kind == "test"]


class Screener:
    """A knowledge base made ready: grounded once, so that a further patient is one solve under assumptions."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb
        self._inputs = Inputs(kb.program)
        self._verdicts = {name: kb.program.literals(name) for name in (ELIGIBLE, INELIGIBLE)}
        self._shown = self._verdicts | {name: kb.program.literals(name) for name in (MET, UNMET, "conflict")}

    def screen(
        self,
        record: Record,
        on: date | None = None,
        readings: Mapping[str, str] | None = None,
        exact: bool = False,
        robust: bool = False,
        dependences: bool = True,
    ) -> Screening:
        """Screen a record as of a day (default today), under a site's readings (default: the knowledge base's).

        With `robust`, a cohort is eligible or ineligible only where every way of reading the protocol says so.
        With `exact`, what strong Kleene logic leaves undecided is decided over the consistent completions of the record where
        they all agree. Without `dependences` no verdict tells which other reading would change it, which is much faster.
        Raises RequestError for readings or options that do not exist.
        """
        day = on or date.today()
        chosen = self.kb.chosen(readings)
        answers = answer(record, self.kb.tests.values(), self.kb.vocabulary, day)
        holds = self._decide(answers, chosen, self._shown)
        statuses = {
            criterion: MET if criterion in holds[MET] else UNMET if criterion in holds[UNMET] else UNKNOWN
            for criterion in self.kb.criteria
        }
        verdicts = {cohort.id: self._verdict(cohort, statuses, holds) for cohort in self.kb.cohorts.values()}
        if exact:
            verdicts = self._sharpened(verdicts, answers, chosen, statuses)
        if dependences:
            verdicts = self._with_dependences(verdicts, chosen, statuses, answers)
        if robust:
            verdicts = {cohort: self._robust(verdict, answers) for cohort, verdict in verdicts.items()}
        conflicts = (*answers.conflicts, *self._conflicts(holds["conflict"]))
        return Screening(self.kb, record, day, chosen, answers, statuses, conflicts, verdicts)

    def _decide(
        self, answers: Answers, chosen: Mapping[str, str], shown: Mapping[str, Mapping[str, int]]
    ) -> Mapping[str, frozenset[str]]:
        outcome = self.kb.program.solve(self._inputs.assumptions(answers) + self._inputs.choices(chosen), shown)
        assert outcome is not None, "the engine's rules have a model for every record"
        return outcome.holds

    def _verdict(self, cohort: Cohort, statuses: Mapping[str, str], holds: Mapping[str, frozenset[str]]) -> Verdict:
        status = (
            ELIGIBLE if cohort.id in holds[ELIGIBLE] else INELIGIBLE if cohort.id in holds[INELIGIBLE] else UNDECIDED
        )

        def among(needs: Iterable[Need], wanted: str) -> tuple[Need, ...]:
            return tuple(need for need in needs if statuses[need.criterion] == wanted)

        return Verdict(
            cohort,
            status,
            failing=among(cohort.needs, UNMET),
            open=among(cohort.needs, UNKNOWN),
            excluded_by=among(self.kb.exclusions, MET),
            open_exclusions=among(self.kb.exclusions, UNKNOWN),
        )

    def _with_dependences(
        self,
        verdicts: Mapping[str, Verdict],
        chosen: Mapping[str, str],
        statuses: Mapping[str, str],
        answers: Answers,
    ) -> dict[str, Verdict]:
        """Read every reading that could matter by each of its other options, and note the verdicts that change."""
        found: dict[str, list[Dependence]] = {cohort: [] for cohort in verdicts}
        for reading, option, changed in self._alternatives(chosen, statuses, answers):
            for cohort, verdict in verdicts.items():
                status = self._follows(cohort, {**statuses, **changed})
                if status != verdict.status and not (verdict.exact and status == UNDECIDED):
                    found[cohort].append(Dependence(reading, option, status))
        return {cohort: replace(verdict, depends_on=tuple(found[cohort])) for cohort, verdict in verdicts.items()}

    def _robust(self, verdict: Verdict, answers: Answers) -> Verdict:
        """Keep a verdict only if it holds whichever options all the readings are read by."""
        if verdict.status == UNDECIDED:
            return verdict
        literal = self._verdicts[verdict.status][verdict.cohort.id]
        given = self._inputs.assumptions(answers)
        return replace(verdict, status=UNDECIDED) if self.kb.program.satisfiable([*given, -literal]) else verdict

    def _follows(self, cohort: str, statuses: Mapping[str, str]) -> str:
        """Return the verdict that follows from the statuses of what a cohort needs and of what excludes."""
        needed = {statuses[need.criterion] for need in self.kb.cohorts[cohort].needs}
        excluding = {statuses[need.criterion] for need in self.kb.exclusions}
        if UNMET in needed or MET in excluding:
            return INELIGIBLE
        return UNDECIDED if UNKNOWN in needed or UNKNOWN in excluding else ELIGIBLE

    def _alternatives(
        self, chosen: Mapping[str, str], statuses: Mapping[str, str], answers: Answers
    ) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Yield the options not chosen under which some requirement or exclusion would have another status, with what changes."""
        touched: dict[tuple[str, str], list[str]] = {}
        for criterion in self._by_reading:
            for member in criterion.members:
                reading, option = member.detail
                if option != chosen[reading] and statuses[member.id] != statuses[criterion.id]:
                    touched.setdefault((reading, option), []).append(criterion.id)
        for (reading, option), criteria in touched.items():
            readings = {**chosen, reading: option}
            changed = self._ripple.changed(criteria, statuses, readings, lambda test: answers[test].truth)
            if self._asked_directly & set(changed):
                yield reading, option, changed

    @cached_property
    def _by_reading(self) -> list[Criterion]:
        return [criterion for criterion in self.kb.criteria.values() if criterion.kind == "by_reading"]

    @cached_property
    def _ripple(self) -> Ripple:
        return Ripple(self.kb.criteria, kleene.doubts(self.kb.program.rows("doubt", 2)))

    @cached_property
    def _asked_directly(self) -> set[str]:
        needs = [need for cohort in self.kb.cohorts.values() for need in cohort.needs]
        return {need.criterion for need in (*needs, *self.kb.exclusions)}

    def _conflicts(self, conflicting: frozenset[str]) -> list[Note]:
        return [
            Note("conflict", f"the ways of knowing '{self.kb.criteria[name].label}' disagree")
            if self.kb.criteria[name].kind == "known_by"
            else Note(
                "conflict", f"'{self.kb.criteria[name].label}' is in doubt: another fact of the record contradicts it"
            )
            for name in sorted(conflicting)
        ]

    def _presumable(self, program: Program, statuses: Mapping[str, str]) -> Iterator[int]:
        """Yield the literals of what is presumed not to be so, since the record does not say that it is."""
        met = program.literals(MET)
        for criterion in self.kb.criteria.values():
            if criterion.kind == "presumed_absent":
                unsaid = (member.id for member in criterion.members if statuses[member.id] == UNKNOWN)
                yield from (met[name] for name in unsaid if name in met)

    # ---- exact -------------------------------------------------------------------------------------------------------

    @cached_property
    def _exact(self) -> tuple[Program, Inputs]:
        root = self.kb.root
        files = [self.kb.main, root / "engine" / "exact.lp"]
        program = Program(files, facts=cells.facts(self.kb.tests.values()))
        return program, Inputs(program)

    def _sharpened(
        self, verdicts: Mapping[str, Verdict], answers: Answers, chosen: Mapping[str, str], statuses: Mapping[str, str]
    ) -> dict[str, Verdict]:
        program, inputs = self._exact
        eligible = program.literals(ELIGIBLE)
        ineligible = program.literals(INELIGIBLE)
        given = inputs.assumptions(answers, leave_unknown_open=True) + inputs.choices(chosen)
        given += [-literal for literal in self._presumable(program, statuses)]
        found = dict(verdicts)
        for cohort, verdict in verdicts.items():
            if verdict.status != UNDECIDED:
                continue
            enters, barred = eligible.get(cohort), ineligible.get(cohort)
            may_enter = enters is not None and program.satisfiable([*given, enters])
            may_fail = enters is None or program.satisfiable([*given, -enters])
            if may_enter and not may_fail:
                found[cohort] = replace(verdict, status=ELIGIBLE, exact=True)
            elif may_fail and not may_enter and barred is not None and not program.satisfiable([*given, -barred]):
                found[cohort] = replace(verdict, status=INELIGIBLE, exact=True)
        return found


class Inputs:
    """The open atoms of a program: the answers to its tests and the choice of readings."""

    def __init__(self, program: Program) -> None:
        self.yes = program.literals("yes")
        self.no = program.literals("no")
        self.choose = program.literals("choose", 2)

    def assumptions(self, answers: Answers, leave_unknown_open: bool = False) -> list[int]:
        """Return the literals that say what the record answers."""
        literals = []
        for test, yes in self.yes.items():
            truth, no = answers[test].truth, self.no[test]
            if truth is None and leave_unknown_open:
                continue
            literals += [yes if truth is True else -yes, no if truth is False else -no]
        return literals

    def choices(self, chosen: Mapping[str, str]) -> list[int]:
        """Return the literals that say how the readings are read."""
        literals = []
        for key, literal in self.choose.items():
            reading, _, option = key.rpartition(",")
            literals.append(literal if chosen[reading.strip('"')] == option else -literal)
        return literals


def facts(screening: Screening) -> str:
    """Write the record's answers as facts for stock clingo: `yes/1`, `no/1`, and `choose/2` where a site chose a reading.

    The same verdicts follow from `clingo kb/trials/TRIAL/main.lp answers.lp`.
    """
    lines = [f"% {screening.record.id}, as of {screening.day}; answers to the tests of {screening.kb.trial}"]
    for test, given in sorted(screening.answers.by_test.items()):
        note = "; ".join(map(str, given.evidence)) or given.why
        comment = f"  % {' '.join(note.split())}" if note else ""
        if given.truth is None:
            lines.append(f"% unknown: {test}{comment}")
        else:
            lines.append(f"{'yes' if given.truth else 'no'}({test}).{comment}")
    for reading, option in screening.readings.items():
        if option != screening.kb.readings[reading].default:
            lines.append(f'choose("{reading}",{option}).')
    return "\n".join(lines) + "\n"
