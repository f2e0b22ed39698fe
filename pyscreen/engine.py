"""Clingo, and nothing else imports it: ground a program once, read its facts, decide under assumptions.

Every message that clingo prints while grounding is an error here, since it silently drops rules (an undefined operation, a
misspelt file). Records never become facts of the grounded program: their answers are assumed, so one grounding serves all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import clingo
from clingo.ast import AST, ASTType, Transformer, parse_files

from .errors import KnowledgeBaseError, Problem


class Term(NamedTuple):
    """A function or constant of the logic program; strings and numbers are plain `str` and `int`."""

    name: str
    args: tuple[Term | str | int, ...] = ()

    def __str__(self) -> str:
        inner = ",".join(text_of(arg) for arg in self.args)
        if self.name:
            return f"{self.name}({inner})" if self.args else self.name
        return f"({inner},)" if len(self.args) == 1 else f"({inner})"


def text_of(value: Term | str | int) -> str:
    """Write a value as clingo does: strings quoted, terms as they stand."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return str(value)


OPEN = (("yes", 1), ("no", 1), ("choose", 2), ("recorded", 2), ("wanted", 1), ("unwanted", 1), ("ripe", 1))


def _text(symbol: clingo.Symbol) -> str:
    return symbol.string if symbol.type is clingo.SymbolType.String else str(symbol)


@cache
def _value(symbol: clingo.Symbol) -> Term | str | int:
    if symbol.type is clingo.SymbolType.Number:
        return symbol.number
    if symbol.type is clingo.SymbolType.String:
        return symbol.string
    return Term(symbol.name, tuple(_value(arg) for arg in symbol.arguments))


class Outcome(NamedTuple):
    """One model: the ids (terms as text) that hold, per predicate asked for."""

    holds: Mapping[str, frozenset[str]]
    cost: tuple[int, ...] = ()


class Program:
    """A logic program, grounded once.

    What is declared `#external` under one of the names in `OPEN` stays open; a caller assumes it when solving.
    Raises KnowledgeBaseError with file and line for everything clingo complains of.
    """

    def __init__(self, files: Sequence[Path], facts: str = "", options: Sequence[str] = (), extra: str = "") -> None:
        self._messages: list[str] = []
        self._control = clingo.Control(["--warn=all", *options], logger=lambda _code, text: self._messages.append(text))
        try:
            for file in files:
                self._control.load(str(file))
            if facts or extra:
                self._control.add("base", [], facts + extra)
            self._control.ground([("base", [])])
        except RuntimeError as error:
            raise KnowledgeBaseError(self._problems() or [Problem(str(error))]) from None
        if self._messages:
            raise KnowledgeBaseError(self._problems())
        self._atoms = self._control.symbolic_atoms
        self._free()

    def _problems(self) -> list[Problem]:
        return [_problem(message) for message in self._messages]

    def _free(self) -> None:
        """Leave open what was declared `#external` (false until then)."""
        for name, arity in OPEN:
            for atom in self._atoms.by_signature(name, arity):
                if atom.is_external:
                    self._control.assign_external(atom.literal, None)

    def facts(self, name: str, arity: int) -> list[tuple[Term | str | int, ...]]:
        """Return the arguments of every ground atom `name/arity`, typed, in the order of the files."""
        return [tuple(map(_value, row)) for row in self._arguments(name, arity)]

    def rows(self, name: str, arity: int) -> list[tuple[str, ...]]:
        """Return the same as text (strings without quotes)."""
        return [tuple(map(_text, row)) for row in self._arguments(name, arity)]

    def _arguments(self, name: str, arity: int) -> Iterator[Sequence[clingo.Symbol]]:
        """Yield atoms as they were grounded: facts in the order in which they are written, the same in every run."""
        for atom in self._atoms.by_signature(name, arity):
            yield atom.symbol.arguments

    def literals(self, name: str, arity: int = 1) -> dict[str, int]:
        """Map the text of the arguments of `name/arity` atoms to the literals to assume or look up."""
        return {
            ",".join(map(str, atom.symbol.arguments)): atom.literal for atom in self._atoms.by_signature(name, arity)
        }

    def solve(self, assumptions: Iterable[int], shown: Mapping[str, Mapping[str, int]]) -> Outcome | None:
        """Return the (best) model under the assumptions: per predicate of `shown` the ids that hold; None where there is none."""
        found: Outcome | None = None
        with self._control.solve(assumptions=list(assumptions), yield_=True) as handle:
            for model in handle:
                found = Outcome(
                    {
                        name: frozenset(i for i, lit in table.items() if model.is_true(lit))
                        for name, table in shown.items()
                    },
                    tuple(model.cost),
                )
        return found

    def best(self, assumptions: Iterable[int]) -> Outcome | None:
        """Return the best model under the assumptions, with what it shows (`#show`); None where there is none."""
        found: Outcome | None = None
        with self._control.solve(assumptions=list(assumptions), yield_=True) as handle:
            for model in handle:
                holds: dict[str, set[str]] = {}
                for symbol in model.symbols(shown=True):
                    holds.setdefault(symbol.name, set()).add(",".join(map(str, symbol.arguments)))
                found = Outcome({name: frozenset(ids) for name, ids in holds.items()}, tuple(model.cost))
        return found

    def satisfiable(self, assumptions: Iterable[int]) -> bool:
        """Tell whether some model fits the assumptions."""
        return bool(self._control.solve(assumptions=list(assumptions)).satisfiable)

    def core(self, assumptions: Iterable[int]) -> frozenset[int] | None:
        """Return assumptions that no model fits together, few as a rule; None where all of them fit.

        clingo names those up to the first that fails: it is assumed first, and the rest again, until that leaves none out.
        """
        core, tries = list(assumptions), 3
        while tries:
            with self._control.solve(assumptions=core, yield_=True) as handle:
                if not handle.get().unsatisfiable:
                    return None
                failing = frozenset(handle.core())
            left = [literal for literal in core if literal in failing]
            tries = 3 if len(left) < len(core) else tries - 1
            core = [*left[-1:], *left[:-1]]
        return frozenset(core)

    @contextmanager
    def guard(self) -> Iterator[Guard]:
        """Yield a guard under which models can be forbidden for a while; it is lifted afterwards."""
        guard = Guard(self._control)
        try:
            yield guard
        finally:
            guard.lift()


class Guard:
    """Constraints that hold only while `assumed` is assumed. It costs nothing until something is forbidden."""

    def __init__(self, control: clingo.Control) -> None:
        self._control = control
        self.assumed: tuple[int, ...] = ()

    def forbid(self, literals: Iterable[int]) -> None:
        """Forbid that all these literals hold together."""
        with self._control.backend() as backend:
            if not self.assumed:
                self.assumed = (backend.add_atom(),)
                backend.add_external(self.assumed[0], clingo.TruthValue.Free)
            backend.add_rule([], [*self.assumed, *literals])

    def lift(self) -> None:
        """Allow again what was forbidden."""
        if self.assumed:
            with self._control.backend() as backend:
                backend.add_external(self.assumed[0], clingo.TruthValue.Release)
            self.assumed = ()


def _problem(message: str) -> Problem:
    """Take file and line out of a message such as `a.lp:3:1-4: error: syntax error`."""
    head, _, rest = message.partition(": ")
    parts = head.split(":")
    if len(parts) >= 3 and parts[-2].isdigit():
        return Problem(" ".join(rest.split()), ":".join(parts[:-2]), int(parts[-2]))
    return Problem(" ".join(message.split()))


class Place(NamedTuple):
    """Where something stands in the knowledge base."""

    file: str
    line: int


class Statement(NamedTuple):
    """A rule or fact of a file: where it stands, its head predicate, the words in it and where each stands."""

    place: Place
    predicate: str
    words: Mapping[str, Place]
    text: str


def read_statements(files: Sequence[Path]) -> list[Statement]:
    """Parse files (and what they include) and return their rules with positions; for error messages and checks."""
    statements: list[Statement] = []

    def visit(node: AST) -> None:
        if node.ast_type == ASTType.Rule:
            statements.append(_statement(node))

    parse_files([str(file) for file in files], visit, logger=lambda _code, _text: None)
    return statements


class _Words(Transformer):
    """Collect every name and string of a rule with its first position."""

    def __init__(self) -> None:
        self.words: dict[str, Place] = {}

    def _note(self, word: str, node: AST) -> None:
        begin = node.location.begin
        self.words.setdefault(word, Place(begin.filename, begin.line))

    def visit_Function(self, node: AST) -> AST:
        self._note(node.name, node)
        self.visit_children(node)
        return node

    def visit_SymbolicTerm(self, node: AST) -> AST:
        symbol = node.symbol
        self._note(symbol.string if symbol.type is clingo.SymbolType.String else str(symbol), node)
        return node


def _statement(node: AST) -> Statement:
    words = _Words()
    words.visit(node)
    begin = node.location.begin
    head = node.head
    predicate = ""
    if head.ast_type == ASTType.Literal and head.atom.ast_type == ASTType.SymbolicAtom:
        symbol = head.atom.symbol
        predicate = symbol.name if symbol.ast_type == ASTType.Function else ""
        if symbol.ast_type == ASTType.Pool:
            predicate = symbol.arguments[0].name
    return Statement(Place(begin.filename, begin.line), predicate, words.words, str(node))


def version() -> str:
    """Return clingo's version."""
    return str(clingo.__version__)
