"""A chunk of event tables as arrays: days as whole numbers, concepts as codes, values exact.

Only what is plainly in order is turned into numbers here. A patient of whom anything is not (a date that is none, an unknown name) is
`hard`: that patient's record is read and answered by `pyscreen.written` and `pyscreen.answers` instead. What contradicts itself or the
patient's life is left out here as there, and what is said to be complete is then no longer said of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ..dates import parse_when
from ..doses import parse_dose
from ..form import ANSWERS, CLOSABLE, SECTIONS
from ..items import UNPLANNED
from ..quantities import Impossible, Interval, Scale, bound, outside
from ..record import Dose
from ..vocabulary import Quantity, Vocabulary
from ..written import value_of
from .tables import CONCEPT, PATIENT, TEXT, Chunk

Ints = npt.NDArray[np.signedinteger[Any]]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

EPOCH = date(1970, 1, 1).toordinal()
NONE = np.int32(-1)
IMPOSSIBLE = -3
"""Stands, until it is read as unknown, for the interval of a value that cannot be."""
_PLAIN = r"^-?[0-9]{1,15}(\.[0-9]{1,14})?$"
_MOST_DIGITS = 15
_BOUND = re.compile(r"(?P<sign>[<>]=?)(?P<whole>[0-9]{1,12})(?:\.(?P<fraction>[0-9]{1,5}))?", re.ASCII)
_TITRE = re.compile(r"1:[1-9][0-9]{0,11}", re.ASCII)
_LARGEST, _SMALLEST = 1e18, 1e-18
_TEXT_LENGTH = 200
_USUAL_DAY = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$"
_FLAG = {"findings": "present", "events": "happened", "procedures": "done", "judgements": "answer", "consents": "given"}
_SIDES, _SEXES = ("left", "right", "both"), ("female", "male")
# A leap second is left to the one definition.
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"


class Days(NamedTuple):
    """Days, each known to lie between two (ordinals); where nothing is known, `known` is false and the ends mean nothing."""

    first: Ints
    last: Ints
    known: Flags

    def at(self, rows: Any) -> Days:
        """Return the days of some rows."""
        return Days(self.first[rows], self.last[rows], self.known[rows])

    @property
    def exact(self) -> Flags:
        """Where the day itself is known."""
        return np.asarray(self.known & (self.first == self.last))


@dataclass
class Section:
    """The rows of one section that are in order, by concept and then by patient; `slices` tells where each concept's rows are."""

    kind: str
    columns: dict[str, Any] = field(default_factory=dict)
    slices: dict[str, slice] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]


@dataclass(frozen=True)
class Values:
    """Exact values of measurements. Plain ones are decimals, each the shortest of its double, in the unit of number `unit`.

    All others are intervals, by their number in `other` (-1: plain). `low` and `high` are limits of normal in the same unit.
    """

    number: Floats
    unit: Ints
    other: Ints
    low: Floats
    high: Floats

    def at(self, rows: Any) -> Values:
        """Return the values of some rows."""
        return Values(self.number[rows], self.unit[rows], self.other[rows], self.low[rows], self.high[rows])


class Codes:
    """What is told apart once for a chunk: units with their exact conversions, intervals, doses, as numbers."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.units: list[tuple[Fraction, Fraction]] = [(Fraction(1), Fraction(0))]
        self.intervals: list[Interval] = []
        self.doses: list[Dose] = []
        self._units: dict[tuple[Fraction, Fraction], int] = {self.units[0]: 0}
        self._intervals: dict[Interval, int] = {}
        self._titres: dict[str, bool] = {}
        self._ends: list[tuple[float, float, bool]] = []
        self._doses: dict[tuple[Any, ...], int | None] = {}
        self._of_unit: dict[tuple[str, str | None], int | None] = {}
        self._texts: dict[tuple[str, str, str | None], tuple[float, int, int] | None] = {}

    def unit(self, scale: Scale, unit: str | None) -> int | None:
        """Return the number of a unit on a scale; None where it is not accepted."""
        key = (scale.name, unit)
        if key not in self._of_unit:
            try:
                offset = scale.to_canonical(Fraction(0), unit)
                factor = scale.to_canonical(Fraction(1), unit) - offset
            except ValueError:
                self._of_unit[key] = None
            else:
                number = self._units.setdefault((factor, offset), len(self.units))
                if number == len(self.units):
                    self.units.append((factor, offset))
                self._of_unit[key] = number
        return self._of_unit[key]

    def interval(self, interval: Interval) -> int:
        """Return the number of an interval."""
        number = self._intervals.setdefault(interval, len(self.intervals))
        if number == len(self.intervals):
            self.intervals.append(interval)
        return number

    def ends(self) -> tuple[Floats, Floats, Flags]:
        """Return about between which numbers the intervals lie, and which of them are exact; after them what number -1 stands for."""
        for one in self.intervals[len(self._ends) :]:
            low, high = -np.inf if one.low is None else float(one.low), np.inf if one.high is None else float(one.high)
            self._ends.append((low, high, one.exact))
        low, high, exact = np.array([*self._ends, (0.0, 0.0, True)]).T
        return low, high, exact > 0

    def text(self, concept: str, text: str, unit: str | None) -> tuple[float, int, int] | None:
        """Return number, unit and interval (as in `Values`, or IMPOSSIBLE) of a value as text; None where it cannot be read."""
        key = (concept, text, unit)
        if key not in self._texts:
            self._texts[key] = self._text(self.vocabulary.quantities[concept], text.strip(), unit)
        return self._texts[key]

    def _text(self, quantity: Quantity, text: str, unit: str | None) -> tuple[float, int, int] | None:
        scale = quantity.scale
        usual = _BOUND.fullmatch(text)
        if usual and not scale.grades:
            return self._bound(quantity, text, usual, unit)
        if _TITRE.fullmatch(text) and not scale.grades and self._is_titre(scale):
            return self._titre(quantity, text, unit)
        try:
            interval, found = value_of(text, unit, quantity)
        except Impossible:
            return 0.0, 0, IMPOSSIBLE
        except ValueError:
            return None
        number = self.unit(scale, found)
        if number is None:
            return (0.0, 0, self.interval(interval)) if text in scale.grades else None
        factor, offset = self.units[number]
        if interval.exact and interval.low is not None:
            plain = float((interval.low - offset) / factor)
            if Fraction(repr(plain)) * factor + offset == interval.low:
                return plain, number, -1
        return 0.0, number, self.interval(interval)

    def _bound(self, quantity: Quantity, text: str, found: re.Match[str], unit: str | None) -> tuple[float, int, int] | None:
        """Return the same of a bound as it is usually written, which is read as `written.value_of` does."""
        number = self.unit(quantity.scale, unit)
        if number is None:
            return None
        factor, offset = self.units[number]
        fraction = found["fraction"] or ""
        value = Fraction(int(found["whole"] + fraction), 10 ** len(fraction)) * factor + offset
        interval, possible = bound(found["sign"], value), quantity.possible  # type: ignore[arg-type]
        if not ((possible.low is None or value > possible.low) and (possible.high is None or value < possible.high)):
            try:
                quantity.check(interval, text)
            except Impossible:
                return 0.0, 0, IMPOSSIBLE
        return 0.0, number, self.interval(interval)

    def _titre(self, quantity: Quantity, text: str, unit: str | None) -> tuple[float, int, int] | None:
        """Return the same of a titre as it is usually written."""
        number = self.unit(quantity.scale, unit)
        if number is None:
            return None
        reciprocal, (factor, offset) = Fraction(int(text[2:])), self.units[number]
        try:
            quantity.check(Interval.exactly(reciprocal * factor + offset), text)
        except Impossible:
            return 0.0, 0, IMPOSSIBLE
        return float(reciprocal), number, -1

    def _is_titre(self, scale: Scale) -> bool:
        if scale.name not in self._titres:
            self._titres[scale.name] = scale.titre
        return self._titres[scale.name]

    def dose(self, dose: Any, unit: str | None, frequency: str | None) -> int | None:
        """Return the number of a dose; None where it cannot be read."""
        key = (dose, unit, frequency)
        if key not in self._doses:
            try:
                self.doses.append(parse_dose(dose, unit, frequency))
                self._doses[key] = len(self.doses) - 1
            except ValueError:
                self._doses[key] = None
        return self._doses[key]


class Columns:
    """One chunk as arrays.

    `hard` tells which patients are not in order, `impossible` who has a value that cannot be, `doubted` of what of whom something
    contradictory is left out.
    """

    def __init__(self, chunk: Chunk, codes: Codes) -> None:
        self.chunk = chunk
        self.codes = codes
        self.vocabulary = codes.vocabulary
        self.ids = chunk.ids
        self.patients = len(self.ids)
        self.hard: Flags = np.zeros(self.patients, np.bool_)
        self.impossible: Flags = np.zeros(self.patients, np.bool_)
        places = np.arange(self.patients, dtype=np.int32)
        self._places = pl.DataFrame({PATIENT: self.ids, "place": places}, {PATIENT: pl.String, "place": pl.Int32})
        self._life()
        self.doubted: dict[int, set[tuple[str, str]]] = {}
        self.sections = {name: self._section(name) for name in SECTIONS}
        if len(chunk.frames[ANSWERS]):
            self._blame(self._frame(ANSWERS)["place"].to_numpy(), np.ones(len(chunk.frames[ANSWERS]), np.bool_))

    def _blame(self, places: Ints, wrong: Flags) -> None:
        """Mark the patients of the rows that are wrong."""
        if wrong.any():
            self.hard[places[wrong]] = True

    def _frame(self, name: str) -> pl.DataFrame:
        """Return a table's rows of known patients, with the patient's place."""
        return self.chunk.frames[name].join(self._places, on=PATIENT, how="inner", maintain_order="left")

    # ---- the patients ------------------------------------------------------------------------------------------------

    def _life(self) -> None:
        frame = self.chunk.frames["patients"]
        everyone = np.arange(self.patients, dtype=np.int32)
        self.birth = self._days(frame, "birth_date", everyone)
        self.died = self._days(frame, "died", everyone)
        self.recorded = self._days(frame, "recorded", everyone)
        self._blame(everyone, self.recorded.known & ~self.recorded.exact)
        self._blame(everyone, _before(self.died, self.birth) | _before(self.recorded, self.birth))
        self.sex, strange = _enum(frame["sex"], _SEXES)
        self._blame(everyone, strange)
        if self.chunk.twice:
            self.hard |= np.isin(self.ids, list(self.chunk.twice))
        self._blame(everyone, ~frame[PATIENT].str.contains(r"^[ -~]{1,200}$").to_numpy())

    def slipped(self, day: date) -> Flags:
        """Tell which patients have an item dated after a day by which their record was made, though nothing of the kind is planned."""
        found: Flags = np.zeros(self.patients, np.bool_)
        made = self.recorded.known & (self.recorded.last <= day.toordinal())
        for section in self.sections.values():
            if section.kind in UNPLANNED:
                for when in (section["when"], section["stated"]) if section.kind == "finding" else (section["when"],):
                    found[section["place"][when.known & (when.first > day.toordinal())]] = True
        return found & made

    @cached_property
    def complete(self) -> tuple[list[frozenset[str]], Ints]:
        """What patients declare complete: each different declaration, and the number of each patient's."""
        column = self.chunk.frames["patients"]["complete"]
        text = column.list.join(";") if column.dtype == pl.List(pl.String) else column.cast(pl.String)
        codes, texts = _coded(text.fill_null(""))
        declared = [frozenset(word for word in text.split(";") if word) for text in texts]
        codes = codes.copy()
        for place, doubts in self.doubted.items():
            declared.append(frozenset(name for name in declared[codes[place]] if not self._covers(name, doubts)))
            codes[place] = len(declared) - 1
        return declared, codes

    def _covers(self, name: str, doubts: Iterable[tuple[str, str]]) -> bool:
        """Tell whether a name is that, or the section, or above or below that of which something contradictory was left out."""
        lineage = self.vocabulary.ancestors
        return any(name == section or name in lineage(concept) or concept in lineage(name) for section, concept in doubts)

    def check_declarations(self) -> None:
        """Mark the patients who declare something complete that does not exist."""
        declared, codes = self.complete
        wrong = [any(name not in CLOSABLE and not self.vocabulary.kinds_of(name) for name in names) for names in declared]
        self._blame(np.arange(self.patients, dtype=np.int32), np.array(wrong, np.bool_)[codes])

    # ---- days --------------------------------------------------------------------------------------------------------

    def _days(self, frame: pl.DataFrame, name: str, places: Ints, skip: str = "") -> Days:
        """Return a column of dates; the patients of those that are none are hard, and so are those with a time of day."""
        column = frame[name]
        if column.dtype == pl.Date:
            days = column.to_physical()
            known = column.is_not_null().to_numpy()
            ordinals = (days.fill_null(0).to_numpy() + EPOCH).astype(np.int32)
            return Days(ordinals, ordinals, known)
        if column.null_count() == len(column):
            none = np.zeros(len(column), np.int32)
            return Days(none, none, np.zeros(len(column), np.bool_))
        codes, texts = _coded(column)
        first, last = np.zeros(len(texts) + 1, np.int32), np.zeros(len(texts) + 1, np.int32)
        known, wrong = np.zeros(len(texts) + 1, np.bool_), np.zeros(len(texts) + 1, np.bool_)
        all_texts = pl.Series(texts, dtype=pl.String)
        usual = pl.when(all_texts.str.contains(_USUAL_DAY)).then(all_texts).str.to_date("%Y-%m-%d", strict=False)
        ordinals = (pl.select(usual).to_series().to_physical().fill_null(-EPOCH).to_numpy() + EPOCH).astype(np.int32)
        first[:-1], last[:-1], known[:-1] = ordinals, ordinals, ordinals > 0
        for number, text in enumerate(texts):
            if ordinals[number] or (text == skip and skip):
                continue
            try:
                when = parse_when(text)
            except ValueError:
                wrong[number] = True
                continue
            first[number], last[number], known[number] = when.earliest.toordinal(), when.latest.toordinal(), True
            wrong[number] = bool(when.clock)
        self._blame(places, wrong[codes])
        return Days(first[codes], last[codes], known[codes])

    def _end(self, frame: pl.DataFrame, places: Ints) -> tuple[Days, Flags]:
        column = frame["end"]
        if column.dtype == pl.Date:
            return self._days(frame, "end", places), np.zeros(len(frame), np.bool_)
        return self._days(frame, "end", places, "ongoing"), (column == "ongoing").fill_null(False).to_numpy()

    def _outside_life(self, places: Ints, *days: Days) -> Flags:
        birth, died = self.birth.at(places), self.died.at(places)
        found: Flags = np.zeros(len(places), np.bool_)
        for day in days:
            found |= _before(day, birth) | _before(died, day)
        return found

    # ---- the sections ------------------------------------------------------------------------------------------------

    def _section(self, name: str) -> Section:
        frame = self._frame(name)
        kind = SECTIONS[name]
        places = frame["place"].to_numpy()
        names = list(self.vocabulary.labels(kind))
        concept, strange = _enum(frame[CONCEPT[name]], names)
        wrong = strange | (concept < 0) | _unprintable(frame)
        if "side" in frame.columns:
            wrong |= _enum(frame["side"], _SIDES)[1]
        columns: dict[str, Any] = {"place": places, "concept": concept}
        reader: Callable[[pl.DataFrame, Ints, dict[str, Any]], tuple[Flags, Flags]] = {
            "measurements": self._measurements, "therapies": self._therapies
        }.get(name, lambda *parts: self._statements(name, *parts))  # fmt: skip
        unread, odd = reader(frame, places, columns)
        self._blame(places, wrong | unread)
        keep = ~self.hard[places] & ~odd
        for row in np.flatnonzero(odd & ~self.hard[places]).tolist():
            self.doubted.setdefault(int(places[row]), set()).add((name, names[concept[row]]))
        if self.doubted and name in ("therapies", "events", "procedures"):
            never = ~columns["taken" if name == "therapies" else "present"] & np.isin(places, list(self.doubted))
            for row in np.flatnonzero(keep & never).tolist():
                # What is said never to be so is left out where something contradictory says more.
                keep[row] = not self._covers(names[concept[row]], self.doubted[int(places[row])])
        order = np.flatnonzero(keep)[np.argsort(concept[keep], kind="stable")]
        columns = {key: column.at(order) if hasattr(column, "at") else column[order] for key, column in columns.items()}
        counts = np.bincount(columns["concept"], minlength=len(names)) if len(order) else np.zeros(len(names), np.int64)
        ends = np.cumsum(counts)
        slices = {word: slice(int(end - count), int(end)) for word, count, end in zip(names, counts, ends, strict=True) if count}
        return Section(kind, columns, slices)

    # Each fills in the columns of a section, and tells which rows cannot be read, and which contradict themselves or a life.

    def _statements(self, name: str, frame: pl.DataFrame, places: Ints, columns: dict[str, Any]) -> tuple[Flags, Flags]:
        present, wrong = _flag(frame, _FLAG[name], True)
        planned, wrong_planned = _flag(frame, "planned", False)
        when = self._days(frame.with_columns(date=_without_clock(frame["date"])), "date", places)
        clock, wrong_clock = _clock(frame)
        wrong |= wrong_clock | ((clock >= 0) & ~when.exact)
        none = Days(when.first, when.last, np.zeros(len(frame), np.bool_))
        end, ongoing = self._end(frame, places) if "end" in frame.columns else (none, np.zeros(len(frame), np.bool_))
        recorded = self.recorded.at(places)
        stated = either(when, recorded)
        if name == "findings":
            of_record = Days(recorded.first, recorded.last, recorded.known & ongoing)
            stated = either(either(self._days(frame, "stated", places), of_record), stated)
            method, strange = _enum(frame["method"], list(self.vocabulary.methods))
            columns["method"] = method
            wrong |= strange
        columns |= {"present": present, "planned": planned, "when": when, "end": end, "ongoing": ongoing, "stated": stated,
                    "clock": clock}  # fmt: skip
        return wrong | wrong_planned, _before(end, when) | self._outside_life(places, when, end)

    def _measurements(self, frame: pl.DataFrame, places: Ints, columns: dict[str, Any]) -> tuple[Flags, Flags]:
        when = self._days(frame.with_columns(date=_without_clock(frame["date"])), "date", places)
        clock, wrong = _clock(frame)
        wrong |= (clock >= 0) & ~when.exact
        method, strange = _enum(frame["method"], list(self.vocabulary.methods))
        values, unread = self._values(frame, columns["concept"], places)
        columns |= {"when": when, "clock": clock, "method": method, "values": values}
        return wrong | strange | unread, (values.high < values.low) | self._outside_life(places, when)

    def _values(self, frame: pl.DataFrame, concept: Ints, places: Ints) -> tuple[Values, Flags]:
        """Return the values, and where one cannot be read; one that cannot be is of any size."""
        rows = len(frame)
        units, unit_names = _coded(frame["unit"])
        names = list(self.vocabulary.quantities)
        number, plain, text = _numbers(frame)
        graded = np.array([bool(self.vocabulary.quantities[name].scale.grades) for name in names], np.bool_)
        plain &= ~graded[concept]
        keys = concept.astype(np.int64) * (len(unit_names) + 1) + units + 1
        of_key = np.zeros((len(names) + 1) * (len(unit_names) + 1), np.int32)
        there = plain & (concept >= 0)
        for key in np.flatnonzero(np.bincount(keys[there], minlength=1)).tolist():
            place, which = divmod(key, len(unit_names) + 1)
            found = self.codes.unit(self.vocabulary.quantities[names[place]].scale, unit_names[which - 1] if which else None)
            of_key[key] = -1 if found is None else found
        unit = np.where(there, of_key[keys], 0)
        unit, wrong = np.maximum(unit, 0), unit < 0
        beyond = self._beyond(np.where(plain & ~wrong, number, np.nan), concept, unit)
        size = np.abs(number)
        wrong |= plain & (number != 0) & ~((size >= _SMALLEST) & (size <= _LARGEST))
        other = np.full(rows, -1, np.int32)
        rest = ~plain
        if rest.any():
            codes, texts = _coded(text.fill_null(""))
            pairs, inverse = np.unique(keys[rest] * (len(texts) + 1) + codes[rest], return_inverse=True)
            found_all = []
            for pair in pairs.tolist():
                key, code = divmod(pair, len(texts) + 1)
                place, which = divmod(key, len(unit_names) + 1)
                name = names[place] if place >= 0 else None
                written = unit_names[which - 1] if which else None
                found_all.append(self.codes.text(name, texts[code], written) if name and texts[code] else None)
            table = np.array([found or (0.0, 0, -2) for found in found_all], np.float64).reshape(-1, 3)[inverse.ravel()]
            number[rest], unit[rest], other[rest] = table[:, 0], table[:, 1], table[:, 2]
        wrong |= other == -2
        (low, wrong_low), (high, wrong_high) = _limit(frame, "low"), _limit(frame, "high")
        beyond |= other == IMPOSSIBLE
        other[beyond] = self.codes.interval(Interval(None, None))
        for limit in (low, high):
            strange = self._beyond(np.where(wrong, np.nan, limit), concept, unit)
            self.impossible[places[strange]] = True
            limit[strange | beyond] = np.nan
        self.impossible[places[beyond]] = True
        limited = ~np.isnan(low) | ~np.isnan(high)
        wrong |= wrong_low | wrong_high | (limited & graded[concept])
        return Values(number, unit, other, low, high), wrong

    def _beyond(self, numbers: Floats, concept: Ints, unit: Ints) -> Flags:
        """Tell which numbers, in their unit, no value of their quantity can be; NaN is none."""
        found = np.zeros(len(numbers), np.bool_)
        rows = np.flatnonzero(~np.isnan(numbers) & (concept >= 0))
        quantities = list(self.vocabulary.quantities.values())
        keys = concept[rows].astype(np.int64) * len(self.codes.units) + unit[rows]
        low, high = (np.full(len(quantities) * len(self.codes.units), end) for end in (-np.inf, np.inf))
        for key in np.flatnonzero(np.bincount(keys, minlength=1)).tolist():
            place, which = divmod(key, len(self.codes.units))
            (factor, offset), possible = self.codes.units[which], quantities[place].possible
            low[key] = -np.inf if possible.low is None else float((possible.low - offset) / factor)
            high[key] = np.inf if possible.high is None else float((possible.high - offset) / factor)
        edge = (numbers[rows] <= low[keys]) | (numbers[rows] >= high[keys])
        rows, keys = rows[edge], keys[edge]
        for key, number in sorted(set(zip(keys.tolist(), numbers[rows].tolist(), strict=True))):
            place, which = divmod(key, len(self.codes.units))
            factor, offset = self.codes.units[which]
            exact = Interval.exactly(Fraction(repr(number)) * factor + offset)
            found[rows[(keys == key) & (numbers[rows] == number)]] = outside(exact, quantities[place].possible)
        return found

    def _therapies(self, frame: pl.DataFrame, places: Ints, columns: dict[str, Any]) -> tuple[Flags, Flags]:
        vocabulary = self.vocabulary
        taken, wrong = _flag(frame, "taken", True)
        planned, wrong_planned = _flag(frame, "planned", False)
        frame = frame.with_columns(start=_without_clock(frame["start"]), end=_without_clock(frame["end"]))
        start = self._days(frame, "start", places)
        end, ongoing = self._end(frame, places)
        route, strange_route = _enum(frame["route"], sorted(vocabulary.routes))
        response, strange_response = _enum(frame["response"], sorted(vocabulary.responses))
        dose, unread = self._doses(frame)
        reasons, strange = self._reasons(frame)
        columns |= {"taken": taken, "planned": planned, "start": start, "end": end, "ongoing": ongoing, "route": route,
                    "response": response, "dose": dose, "reasons": reasons}  # fmt: skip
        names = list(vocabulary.labels("therapy"))
        of_class = np.array([name in vocabulary.classes and name not in vocabulary.drugs for name in names], np.bool_)
        wrong |= wrong_planned | strange_route | strange_response | unread | strange | (taken & of_class[columns["concept"]])
        odd = ~taken & (start.known | end.known | ongoing | (dose >= 0))
        return wrong, odd | _before(end, start) | self._outside_life(places, start, end)

    def _doses(self, frame: pl.DataFrame) -> tuple[Ints, Flags]:
        wanted = frame.select("dose", "unit", "frequency")
        distinct = wanted.unique(maintain_order=True).with_row_index("number")
        found = [self._dose(row) for row in distinct.select("dose", "unit", "frequency").rows()]
        places = wanted.join(distinct, on=["dose", "unit", "frequency"], how="left", nulls_equal=True, maintain_order="left")
        code = np.array(found, np.int32).reshape(-1)[places["number"].to_numpy()] if found else np.zeros(0, np.int32)
        return np.maximum(code, -1).astype(np.int32), code == -2

    def _dose(self, row: tuple[Any, Any, Any]) -> int:
        dose, unit, frequency = row
        if dose is None:
            return -1 if unit is None else -2
        found = self.codes.dose(dose, unit, frequency)
        return -2 if found is None else found

    def _reasons(self, frame: pl.DataFrame) -> tuple[Any, Flags]:
        """Return the reasons of each row as a number of a set of reasons, and where one is unknown."""
        column = frame["for"]
        text = column.list.join(";") if column.dtype == pl.List(pl.String) else column.cast(pl.String)
        codes, texts = _coded(text)
        sets = [frozenset(text.split(";")) for text in texts]
        wrong = np.array([bool(words - self.vocabulary.findings.keys()) for words in sets] + [False], np.bool_)
        self.reason_sets = [*sets, frozenset[str]()]
        return np.where(codes < 0, len(sets), codes).astype(np.int32), wrong[codes]


# ---- cells -----------------------------------------------------------------------------------------------------------


def _coded(column: pl.Series) -> tuple[Ints, list[str]]:
    """Return each text as the number of a distinct one (-1: null), and the distinct ones."""
    text = column.cast(pl.String)
    distinct = text.drop_nulls().unique(maintain_order=True)
    codes = text.cast(pl.Enum(distinct)).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
    return codes, distinct.to_list()


def _enum(column: pl.Series, names: Iterable[str]) -> tuple[Ints, Flags]:
    """Return each text as its number among names (-1: null or none of them), and where it is none of them."""
    if column.null_count() == len(column):
        return np.full(len(column), -1, np.int32), np.zeros(len(column), np.bool_)
    codes = column.cast(pl.Enum(list(names)), strict=False).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
    return codes, (codes < 0) & column.is_not_null().to_numpy()


def _flag(frame: pl.DataFrame, name: str, default: bool) -> tuple[Flags, Flags]:
    if name not in frame.columns:
        return np.full(len(frame), default), np.zeros(len(frame), np.bool_)
    column = frame[name]
    if column.dtype == pl.Boolean:
        return column.fill_null(default).to_numpy(), np.zeros(len(frame), np.bool_)
    codes, strange = _enum(column.str.strip_chars().str.to_lowercase(), ("false", "true"))
    return np.where(codes < 0, default, codes == 1), strange


def _numbers(frame: pl.DataFrame) -> tuple[Floats, Flags, pl.Series]:
    """Return plain numbers, where there are such, and as text all else."""
    value, text = frame["value"], frame[TEXT]
    if value.dtype == pl.String:
        text = text.fill_null(value) if text.null_count() else text
        few = text.str.contains(_PLAIN) & (text.str.replace_all(r"[-.]", "").str.len_bytes() <= _MOST_DIGITS)
        plain = few.fill_null(False)
        number = text.cast(pl.Float64, strict=False)
    else:
        exact = value.cast(pl.Float64)
        if value.dtype == pl.Int64:
            large = value.abs() > 2**53
            text = text.fill_null(value.cast(pl.String).set(~large.fill_null(False), None))
        plain = text.is_null() & value.is_not_null()
        number = exact
        text = text.fill_null(value.cast(pl.String))
    return number.fill_null(0).to_numpy().copy(), plain.to_numpy(), text


def _limit(frame: pl.DataFrame, name: str) -> tuple[Floats, Flags]:
    """Return a limit of normal as a number in the value's unit (NaN: none), and where it is written in another way."""
    column = frame[name]
    if column.dtype == pl.String:
        plain = (column.str.contains(_PLAIN) & (column.str.len_bytes() <= _MOST_DIGITS)).fill_null(True)
        number = column.cast(pl.Float64, strict=False)
        return number.fill_null(float("nan")).to_numpy().copy(), ~plain.to_numpy()
    number = column.cast(pl.Float64)
    size = number.abs()
    good = (number == 0) | ((size >= _SMALLEST) & (size <= _LARGEST))
    return number.fill_null(float("nan")).to_numpy().copy(), ~good.fill_null(True).to_numpy()


def _without_clock(column: pl.Series) -> pl.Series:
    """Leave the time of day out of dates that have one; `_clock` reads it."""
    if column.dtype != pl.String or column.null_count() == len(column):
        return column
    return pl.select(pl.when(column.str.len_bytes() == 19).then(column.str.slice(0, 10)).otherwise(column)).to_series()


def _clock(frame: pl.DataFrame) -> tuple[Ints, Flags]:
    """Return the time of day as seconds times two, plus one where seconds are written (-1: none), and where it is wrong."""
    day = frame["date"]
    time = frame["time"] if "time" in frame.columns else pl.Series([None] * len(frame), dtype=pl.String)
    wrong = np.zeros(len(frame), np.bool_)
    if day.dtype == pl.String and day.null_count() < len(day):
        of_date = pl.select(pl.when(day.str.len_bytes() == 19).then(day.str.slice(11, 8))).to_series()
        wrong |= (of_date.is_not_null() & time.is_not_null()).to_numpy()
        wrong |= ~day.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]").fill_null(True).to_numpy() & of_date.is_not_null().to_numpy()
        time = time.cast(pl.String).fill_null(of_date)
    if time.null_count() == len(time):
        return np.full(len(frame), -1, np.int32), wrong
    codes, texts = _coded(time)
    good = pl.Series(texts, dtype=pl.String).str.contains(_CLOCK).to_list()
    clocks = [clock_of(text) if fine else -2 for text, fine in zip(texts, good, strict=True)]
    found = np.array([*clocks, -1], np.int32)[codes]
    return np.maximum(found, -1), wrong | (found == -2)


def clock_of(clock: str) -> int:
    """Return a time of day as seconds times two, plus one where seconds are written."""
    hours, minutes, *rest = map(int, clock.split(":"))
    return 2 * (hours * 3600 + minutes * 60 + (rest[0] if rest else 0)) + len(rest)


def clock_text(clock: int) -> str:
    """Return the time of day that a number stands for."""
    minutes, seconds = divmod(clock // 2, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if clock % 2 else text


def _unprintable(frame: pl.DataFrame) -> Flags:
    """Tell where a free text is longer than is taken, or holds more than plain characters."""
    wrong = np.zeros(len(frame), np.bool_)
    for name in ("id", "by"):
        if name in frame.columns and frame[name].null_count() < len(frame):
            wrong |= ~frame[name].str.contains(f"^[ -~]{{0,{_TEXT_LENGTH}}}$").fill_null(True).to_numpy()
    return wrong


def _before(one: Days, other: Days) -> Flags:
    """Tell where one day is surely before another."""
    found: Flags = one.known & other.known & (one.last < other.first)
    return found


def either(one: Days, other: Days) -> Days:
    """Return days, and where they are not known others."""
    return Days(np.where(one.known, one.first, other.first), np.where(one.known, one.last, other.last), one.known | other.known)
