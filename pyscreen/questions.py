"""The one algebra of tests, typed: which items, under which conditions on the same item, summed up how, compared with what.

The knowledge base writes tests as facts `test/4` and `given/2` (kb/README.md); `Questions` turns them into `Test` values and
reports everything that is misspelt or impossible, all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction

from .dates import Duration, parse_duration, shift
from .engine import Term, text_of
from .errors import did_you_mean
from .quantities import Scale, parse_quantity
from .vocabulary import KINDS, Vocabulary

ORDERED = ("below", "at_most", "above", "at_least", "equals")
DOSE_UNITS: Mapping[str, tuple[Fraction, str]] = {
    "mg/d": (Fraction(1), "mg/d"),
    "g/d": (Fraction(1000), "mg/d"),
    "mg/wk": (Fraction(1, 7), "mg/d"),
    "mg/kg/d": (Fraction(1), "mg/kg/d"),
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a value is compared with: an exact number in `unit` (canonical), a multiple of the laboratory's limit, or a duration."""

    text: str
    number: Fraction = Fraction(0)
    unit: str = ""
    limit: str = ""
    duration: Duration | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`op` is below, at_most, above, at_least, equals, between, present or absent."""

    op: str
    thresholds: tuple[Threshold, ...] = ()

    def __str__(self) -> str:
        if not self.thresholds:
            return self.op
        return f"{self.op}({', '.join(threshold.text for threshold in self.thresholds)})"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on an item; which of the fields is used depends on its name."""

    name: str
    word: str = ""
    duration: Duration | None = None
    comparison: Comparison | None = None
    selection: Selection | None = None
    half_lives: int = 0

    def __repr__(self) -> str:
        inner = _key(self.selection) if self.selection else ""
        return f"{self.name}({self.word} {self.duration} {self.half_lives} {self.comparison} {inner})"


@dataclass(frozen=True, eq=False)
class Selection:
    """Items of one kind and concept under conditions. `members` are the drugs meant, or the finding, event or procedure and its kinds.

    Equal selections are one object (see `Questions`), so that items are selected and matched once for all their tests.
    """

    kind: str
    concept: str
    label: str
    members: frozenset[str] = frozenset()
    conditions: tuple[Condition, ...] = ()

    def condition(self, name: str) -> Condition | None:
        """Return the condition of that name, where there is one."""
        return next((condition for condition in self.conditions if condition.name == name), None)


@dataclass(frozen=True, slots=True)
class Test:
    """A question put to a record. Tests of one `family` differ only in what they compare with: one value answers them all."""

    __test__ = False

    id: str
    selection: Selection
    summary: str
    argument: int | str
    comparison: Comparison
    family: str = field(default="", compare=False)

    @property
    def bound_to_time(self) -> bool:
        """Whether the passing of time alone can turn the answer: a window, an age, a duration, what is so on the day itself."""
        if self.summary in _OF_THE_DAY:
            return True
        stack = [self.selection]
        while stack:
            selection = stack.pop()
            if selection.concept == "age" or any(selection.condition(name) for name in _TIMED):
                return True
            stack += [condition.selection for condition in selection.conditions if condition.selection]
        return False


_OF_THE_DAY = ("unchanged", "time_since", "daily_dose")
_TIMED = ("within", "inside", "ahead", "ago", "as_of", "newest", "ongoing", "lasting")

Complain = Callable[[str, tuple[str, ...]], None]

_SUMMARIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # summary: (kinds it may sum up, comparisons it may be compared by)
    "some": (("finding", "therapy", "procedure", "event", "measurement", "sex"), ("present",)),
    "latest": (("measurement", "finding", "judgement", "consent"), (*ORDERED, "between", "present", "absent")),
    "earliest": (("measurement",), (*ORDERED, "between")),
    "lowest": (("measurement",), (*ORDERED, "between")),
    "highest": (("measurement",), (*ORDERED, "between")),
    "each_of_latest": (("measurement",), (*ORDERED, "between")),
    "consecutive": (("measurement",), (*ORDERED, "between")),
    "count": (("finding", "therapy", "procedure", "event", "measurement"), (*ORDERED, "between")),
    "daily_dose": (("therapy",), (*ORDERED, "between")),
    "unchanged": (("therapy",), ("at_least",)),
    "time_since": (("finding", "procedure", "event", "measurement"), ORDERED),
    "time_between": (("finding", "procedure", "event", "measurement"), ORDERED),
    "fall": (("measurement",), ORDERED),
    "rise": (("measurement",), ORDERED),
    "relative_fall": (("measurement",), ORDERED),
    "relative_rise": (("measurement",), ORDERED),
}
CLASSED = ("therapy", "finding", "event", "procedure")
"""The kinds whose concepts may have kinds of their own (`in_class`)."""
CHANGES = ("fall", "rise", "relative_fall", "relative_rise")
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "latest": ("", "lowest", "highest"),
    "count": ("", "drugs", "classes"),
    **dict.fromkeys(CHANGES, ("", "previous", "extreme")),
}
_COUNTED = ("each_of_latest", "consecutive")
_OF_THE_NEWEST = ("latest", *_COUNTED, *CHANGES)

_CONDITIONS: Mapping[str, tuple[str, ...]] = {
    # condition: the kinds of item it may be put to
    "within": ("measurement", "finding", "therapy", "procedure", "event", "judgement", "consent"),
    "inside": ("therapy", "finding", "event"),
    "ahead": ("therapy", "procedure", "event"),
    "ago": ("measurement", "finding", "therapy", "procedure", "event"),
    "as_of": ("measurement", "finding", "therapy", "procedure", "event"),
    "newest": ("measurement", "finding", "judgement", "consent"),
    "ongoing": ("therapy", "finding"),
    "lasting": ("therapy", "finding"),
    "dose": ("therapy",),
    "route": ("therapy",),
    "outcome": ("therapy",),
    "for": ("therapy",),
    "with": ("therapy", "event", "finding", "measurement", "procedure"),
    "after": ("therapy", "event", "finding", "measurement", "procedure"),
    "since": ("therapy", "event", "finding", "measurement", "procedure"),
    "near": ("therapy", "event", "finding", "measurement", "procedure"),
    "age": ("therapy", "event", "finding", "measurement", "procedure"),
    "method": ("measurement", "finding"),
    "value": ("measurement",),
}


class Questions:
    """Reads the tests of a knowledge base; `complain(message, words)` is told of everything wrong, with words to find its place."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        selections: Mapping[str, Term],
        given: Mapping[str, list[Term]],
        complain: Complain,
    ) -> None:
        self.vocabulary = vocabulary
        self.selections = selections
        self.given = given
        self.complain = complain
        self._open: list[str] = []
        self._known: dict[str, Selection] = {}

    def test(self, name: Term, items: Term, summary: Term, comparison: Term) -> Test | None:
        """Return the typed test, or None after complaining."""
        words = (name.name if not name.args else "", *_words(name))
        selection = self.selection(str(name), items, words)
        if selection is None:
            return None
        argument = self._argument(summary, words)
        kinds, operators = _SUMMARIES.get(summary.name, ((), ()))
        if not kinds:
            hint = did_you_mean(summary.name, _SUMMARIES)
            self.complain(f"test {name}: no such summary '{summary}'{hint}", (*words, summary.name))
            return None
        if selection.kind not in kinds:
            message = f"test {name}: a {selection.kind} cannot be summed up by '{summary.name}'"
            self.complain(message, (*words, summary.name))
            return None
        what = _compared_with(selection, summary.name)
        if comparison.name not in operators or (what == "presence") is not (comparison.name in ("present", "absent")):
            self.complain(
                f"test {name}: '{summary.name}' of a {selection.kind} cannot be compared by '{comparison}'",
                (*words, comparison.name),
            )
            return None
        compared = self.comparison(comparison, what, selection, words)
        if argument is None or compared is None:
            return None
        if selection.condition("newest") and summary.name not in _OF_THE_NEWEST:
            self.complain(
                f"test {name}: 'newest' does not fit the summary '{summary.name}', which looks at every item", words
            )
            return None
        family = "|".join((_key(selection), summary.name, str(argument)))
        return Test(str(name), selection, summary.name, argument, compared, family)

    def _argument(self, summary: Term, words: tuple[str, ...]) -> int | str | None:
        argument = summary.args[0] if summary.args else ""
        text = str(argument)
        if summary.name in _COUNTED:
            if isinstance(argument, int) and 1 <= argument <= 100:
                return argument
            self.complain(f"'{summary}': how many? a whole number from 1 to 100", words)
            return None
        if text in _ARGUMENTS.get(summary.name, ("",)):
            return text
        self.complain(
            f"'{summary}': no such way to sum up{did_you_mean(text, _ARGUMENTS.get(summary.name, ()))}", words
        )
        return None

    def selection(self, owner: str, items: Term, words: tuple[str, ...]) -> Selection | None:
        """Return the items meant by `items`, with the conditions given to `owner` (and to a named selection)."""
        named = self.selections.get(str(items))
        if named is not None:
            if str(items) in self._open:
                self.complain(f"selection {items} is defined by itself", words)
                return None
            self._open.append(str(items))
            base = self.selection(str(items), named, words)
            self._open.pop()
        else:
            base = self._items(owner, items, words)
        if base is None:
            return None
        if owner == str(items):
            return base
        own = self._conditions(owner, base, words)
        if own is None:
            return None
        selection = Selection(base.kind, base.concept, base.label, base.members, (*base.conditions, *own))
        return self._known.setdefault(_key(selection), selection)

    def _items(self, owner: str, items: Term, words: tuple[str, ...]) -> Selection | None:
        if items.name == "sex" and len(items.args) == 1:
            if str(items.args[0]) not in ("male", "female"):
                self.complain(f"{items}: sex is male or female", words)
                return None
            return Selection("sex", str(items.args[0]), str(items.args[0]))
        if items.name not in KINDS or len(items.args) != 1:
            known = (*KINDS, "sex", *self.selections)
            self.complain(
                f"{owner} asks about '{items}', which is no kind of item nor a selection{did_you_mean(items.name, known)}",
                words,
            )
            return None
        target = items.args[0]
        if items.name in CLASSED:
            return self._classed(owner, items.name, target, words)
        concept = str(target)
        labels = self.vocabulary.labels(items.name)
        if concept not in labels:
            self.complain(
                f"{owner} asks about the undeclared {items.name} '{concept}'{self._hint(concept, items.name)}",
                (*words, concept),
            )
            return None
        return Selection(items.name, concept, labels[concept])

    def _hint(self, concept: str, kind: str) -> str:
        kinds = self.vocabulary.kinds_of(concept)
        return f" (it is declared as a {kinds[0]})" if kinds else did_you_mean(concept, self.vocabulary.labels(kind))

    def _classed(self, owner: str, kind: str, target: Term | str | int, words: tuple[str, ...]) -> Selection | None:
        """Return items of a concept or of any kind of it, but not of what is excepted."""
        what = "drug or class" if kind == "therapy" else kind
        known = self.vocabulary.labels(kind)
        left_out: frozenset[str] = frozenset()
        label_of_rest = ""
        whole = target
        if isinstance(target, Term) and target.name == "except" and len(target.args) == 2:
            whole, rest = target.args
            names = [str(name) for name in rest.args] if isinstance(rest, Term) and not rest.name else [str(rest)]
            for name in names:
                if name not in known:
                    self.complain(
                        f"{owner} excepts the undeclared {what} '{name}'{self._hint(name, kind)}",
                        (*words, name),
                    )
                    return None
                left_out |= self.vocabulary.members(name)
            label_of_rest = " other than " + ", ".join(known[name] for name in names)
        concept = str(whole)
        if concept not in known:
            self.complain(
                f"{owner} asks about the undeclared {what} '{concept}'{self._hint(concept, kind)}",
                (*words, concept),
            )
            return None
        members = self.vocabulary.members(concept) - left_out
        if not members:
            nothing = "drug" if kind == "therapy" else kind
            self.complain(f"{owner} asks about {target}, which no {nothing} belongs to", words)
            return None
        return Selection(kind, concept, known[concept] + label_of_rest, members)

    def _conditions(self, owner: str, base: Selection, words: tuple[str, ...]) -> tuple[Condition, ...] | None:
        found: list[Condition] = []
        good = True
        for term in sorted(self.given.get(owner, []), key=str):
            condition = self._condition(owner, base, term, words)
            if condition is None:
                good = False
            else:
                found.append(condition)
        return tuple(found) if good else None

    def _condition(self, owner: str, base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        words = (*words, term.name)
        kinds = _CONDITIONS.get(term.name)
        if kinds is None:
            self.complain(f"{owner}: no such condition '{term}'{did_you_mean(term.name, _CONDITIONS)}", words)
            return None
        if base.kind not in kinds:
            self.complain(f"{owner}: the condition '{term}' does not fit a {base.kind}", words)
            return None
        reader = getattr(self, f"_{term.name}", None)
        if reader is None:
            return self._plain(owner, term, words)
        found: Condition | None = reader(owner, base, term, words)
        return found

    def _plain(self, owner: str, term: Term, words: tuple[str, ...]) -> Condition | None:
        allowed: Mapping[str, object] = {
            "ongoing": {"": ""},
            "route": dict.fromkeys(self.vocabulary.routes),
            "outcome": self.vocabulary.outcomes,
            "for": {**self.vocabulary.findings, **self.vocabulary.events},
            "method": self.vocabulary.methods,
        }
        known = allowed[term.name]
        assert isinstance(known, Mapping)
        word = str(term.args[0]) if term.args else ""
        if word not in known or len(term.args) > 1:
            self.complain(f"{owner}: unknown word in '{term}'{did_you_mean(word, known)}", (*words, word))
            return None
        return Condition(term.name, word=word)

    def _newest(self, owner: str, _base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        duration = self._duration(owner, term, words)
        return None if duration is None else Condition(term.name, duration=duration)

    def _within(self, owner: str, base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        window = self._reach(owner, base, term, words)
        if window is None or len(term.args) == 1:
            return window
        anchor = self.selection(str(term), _term(term.args[1]), words)
        return None if anchor is None else replace(window, selection=anchor)

    def _inside(self, owner: str, base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        return self._within(owner, base, term, words)

    def _ahead(self, owner: str, _base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        return self._newest(owner, _base, term, words)

    def _as_of(self, owner: str, _base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        return self._newest(owner, _base, term, words)

    def _reach(self, owner: str, base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        """Return how far a window reaches back: a duration, half_lives(N), or the longest or shortest of both."""
        first = _term(term.args[0]) if term.args else Term("")
        choice = first.name if first.name in ("longest", "shortest") and len(first.args) == 2 else ""
        parts = first.args if choice else term.args[:1]
        lives = [part for part in parts if isinstance(part, Term) and part.name == "half_lives"]
        durations = tuple(part for part in parts if part not in lives)
        duration = self._duration(owner, Term(term.name, durations), words) if durations or not lives else None
        if (durations or not lives) and duration is None:
            return None
        if not lives and not choice:
            return Condition(term.name, duration=duration)
        number = self._half_lives(owner, base, term, lives, words)
        if number is None:
            return None
        return Condition(term.name, word=choice, duration=duration, half_lives=number)

    def _half_lives(
        self, owner: str, base: Selection, term: Term, lives: list[Term], words: tuple[str, ...]
    ) -> int | None:
        """Return how many half-lives of the drugs asked for, each of which must be said."""
        number = lives[0].args[0] if len(lives) == 1 and lives[0].args else None
        if base.kind != "therapy" or not isinstance(number, int) or number < 1:
            self.complain(
                f"{owner}: '{term}' is no window; of drugs it may be half_lives(5) or longest(\"30 d\", half_lives(5))",
                words,
            )
            return None
        unsaid = ", ".join(sorted(base.members - set(self.vocabulary.half_lives)))
        if unsaid:
            self.complain(f"{owner}: '{term}' counts half-lives, but half_life/2 says none of {unsaid}", words)
            return None
        return number

    def _ago(self, owner: str, base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        comparison = self.comparison(_term(term.args[0]) if term.args else term, "duration", base, words)
        return None if comparison is None else Condition("ago", comparison=comparison)

    def _duration(self, owner: str, term: Term, words: tuple[str, ...]) -> Duration | None:
        try:
            return parse_duration(str(term.args[0]))
        except (ValueError, IndexError):
            self.complain(f'{owner}: \'{term}\' needs a duration such as "28 d", "12 wk", "6 mo", "18 a"', words)
            return None

    def _lasting(self, owner: str, base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        comparison = self.comparison(_term(term.args[0]) if term.args else term, "duration", base, words)
        return None if comparison is None else Condition("lasting", comparison=comparison)

    def _dose(self, owner: str, base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        comparison = self.comparison(_term(term.args[0]) if term.args else term, "dose", base, words)
        return None if comparison is None else Condition("dose", comparison=comparison)

    def _value(self, owner: str, base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        comparison = self.comparison(_term(term.args[0]) if term.args else term, "value", base, words)
        return None if comparison is None else Condition("value", comparison=comparison)

    def _with(self, owner: str, _base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        other = self._other(term, words)
        if other is None or len(term.args) == 1:
            return other
        comparison = self.comparison(_term(term.args[1]), "duration", other.selection, words)
        return None if comparison is None else Condition("with", selection=other.selection, comparison=comparison)

    def _near(self, owner: str, _base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        other = self._other(term, words)
        duration = self._duration(owner, Term(term.name, term.args[1:]), words)
        return (
            None
            if other is None or duration is None
            else Condition("near", duration=duration, selection=other.selection)
        )

    def _age(self, owner: str, base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        comparison = self.comparison(_term(term.args[0]) if term.args else term, "duration", base, words)
        return None if comparison is None else Condition("age", comparison=comparison)

    def _after(self, owner: str, _base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        return self._other(term, words)

    def _since(self, owner: str, _base: Selection, term: Term, words: tuple[str, ...]) -> Condition | None:
        return self._other(term, words)

    def _other(self, term: Term, words: tuple[str, ...]) -> Condition | None:
        target = _term(term.args[0]) if term.args else term
        if not target.args and target.name in self.vocabulary.labels("therapy") and str(target) not in self.selections:
            target = Term("therapy", (target,))
        selection = self.selection(str(term), target, words)
        return None if selection is None else Condition(term.name, selection=selection)

    def comparison(
        self, term: Term, what: str, selection: Selection | None, words: tuple[str, ...]
    ) -> Comparison | None:
        """Return the typed comparison of `what`: value, dose, duration, count, or nothing (present, absent)."""
        if what == "presence":
            return Comparison(term.name)
        if term.name not in (*ORDERED, "between") or len(term.args) != (2 if term.name == "between" else 1):
            self.complain(f"'{term}' is no comparison{did_you_mean(term.name, (*ORDERED, 'between'))}", words)
            return None
        thresholds = []
        for arg in term.args:
            try:
                thresholds.append(self._threshold(arg, what, selection))
            except ValueError as error:
                self.complain(f"{words[0] or 'a test'}: {error}", (*words, str(arg)))
                return None
        if term.name == "between" and _above(*thresholds):
            self.complain(
                f"impossible interval {term}: the lower end is above the upper one", (*words, *map(str, term.args))
            )
            return None
        return Comparison(term.name, tuple(thresholds))

    def _threshold(self, arg: Term | str | int, what: str, selection: Selection | None) -> Threshold:
        text = str(arg)
        if what == "duration":
            return Threshold(text, duration=parse_duration(text))
        if what == "count":
            if not isinstance(arg, int) or arg < 0:
                raise ValueError(f"{text_of(arg)} is no whole number")
            return Threshold(text, Fraction(arg))
        if isinstance(arg, Term):
            raise ValueError(f"{text} is no value; write it in quotes, with its unit")
        if what == "dose":
            return _dose_threshold(text)
        assert selection is not None
        scale = self.vocabulary.quantities[selection.concept].scale
        if what in ("difference", "percentage"):
            return _difference_threshold(text, what, scale)
        if text in scale.grades:
            return Threshold(text, scale.grades[text], scale.unit)
        comparator, number, unit = parse_quantity(text, titre=scale.titre)
        if comparator:
            raise ValueError(f"'{text}' holds a comparison sign; the comparison is said by its name")
        if unit in ("[ULN]", "[LLN]"):
            return Threshold(text, number, unit, limit=unit)
        return Threshold(text, scale.to_canonical(number, unit), scale.unit)


def _above(low: Threshold, high: Threshold) -> bool:
    """Tell whether the lower end of an interval is above its upper one; durations are held against one and the same day."""
    if low.duration is not None and high.duration is not None:
        return shift(date(2000, 1, 1), low.duration) > shift(date(2000, 1, 1), high.duration)
    return not low.limit and not high.limit and low.number > high.number


def _difference_threshold(text: str, what: str, scale: Scale) -> Threshold:
    """A difference has the unit's factor but not its offset; a relative one is in per cent."""
    comparator, number, unit = parse_quantity(text)
    if comparator:
        raise ValueError(f"'{text}' holds a comparison sign; the comparison is said by its name")
    if what == "difference":
        return Threshold(text, scale.to_canonical(number, unit) - scale.to_canonical(Fraction(0), unit), scale.unit)
    if unit != "%":
        raise ValueError(f"'{text}': a relative change is in per cent, such as \"10 %\"")
    return Threshold(text, number, unit)


def _dose_threshold(text: str) -> Threshold:
    _, number, unit = parse_quantity(text)
    if unit is None or unit not in DOSE_UNITS:
        raise ValueError(f"'{text}' is no daily dose; expected one of {', '.join(DOSE_UNITS)}")
    factor, canonical = DOSE_UNITS[unit]
    return Threshold(text, number * factor, canonical)


def _key(selection: Selection) -> str:
    """Return a text that is the same for equal selections."""
    return f"{selection.kind} {selection.concept} {sorted(selection.members)} {selection.conditions}"


def _compared_with(selection: Selection, summary: str) -> str:
    """Say what a summary is compared with."""
    if summary == "count":
        return "count"
    if summary in ("unchanged", "time_since", "time_between"):
        return "duration"
    if summary in CHANGES:
        return "percentage" if summary.startswith("relative") else "difference"
    if summary == "daily_dose":
        return "dose"
    return "value" if selection.kind == "measurement" and summary != "some" else "presence"


def _term(value: Term | str | int) -> Term:
    return value if isinstance(value, Term) else Term(str(value))


def _words(term: Term) -> tuple[str, ...]:
    """Return every name and string in a term, outermost first: what its place in the files is found by."""
    found: list[str] = [term.name] if term.name else []
    for arg in term.args:
        found.extend(_words(arg) if isinstance(arg, Term) else [str(arg)])
    return tuple(found)
