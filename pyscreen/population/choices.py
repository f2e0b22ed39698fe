"""What chance picks from, prepared once: lists of bounds, units and limits of quantities, doses and reasons of drugs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ..form import UNKNOWN
from ..quantities import Scale
from ..vocabulary import Vocabulary
from .bounds import Bounds
from .profile import Draw

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
SIGNS = ("", "<", "<=", ">", ">=")


@dataclass(frozen=True)
class Lists:
    """Lists of different length, one for each concept, from which one member is picked."""

    start: Ints
    length: Ints
    values: npt.NDArray[Any]

    @classmethod
    def of(cls, lists: Sequence[Sequence[Any]], dtype: Any = np.float64) -> Lists:
        length = np.array([len(one) for one in lists], dtype=np.int64)
        values = np.array([value for one in lists for value in one] or [0], dtype=dtype)
        return cls(np.concatenate([[0], np.cumsum(length)[:-1]]), length, values)

    def index(self, rng: np.random.Generator, concept: Ints) -> Ints:
        """Return a place in `values` for each concept; of an empty list, some place."""
        picked = self.start[concept] + (rng.random(len(concept)) * self.length[concept]).astype(np.int64)
        return np.minimum(picked, len(self.values) - 1)

    def has(self, concept: Ints) -> Flags:
        return np.asarray(self.length[concept] > 0)


def ids(numbers: Ints) -> pl.Series:
    """Return the names of numbered patients, so that the order of the names is that of the numbers."""
    return pl.Series(numbers).cast(pl.String).str.zfill(9)


def names(names: Sequence[str], index: npt.NDArray[Any]) -> pl.Series:
    """Return the name at each position; -1 is none."""
    index = np.asarray(index)
    table = pl.Series(list(names), dtype=pl.String)
    if not len(names) or (index < 0).all():
        return pl.Series([None] * len(index), dtype=pl.String)
    places = pl.Series(np.where(index < 0, 0, index)).cast(pl.UInt32)
    return pl.select(pl.when(pl.Series(index >= 0)).then(table.gather(places))).to_series()


def marked(flags: Mapping[str, Flags], number: int) -> pl.Series:
    """Return for each patient the names whose flag is set; an empty list is none."""
    if not flags:
        return pl.Series([None] * number, dtype=pl.List(pl.String))
    frame = pl.DataFrame({str(place): flag for place, flag in enumerate(flags.values())})
    marked = [pl.when(pl.col(str(place))).then(pl.lit(name)) for place, name in enumerate(flags)]
    said = frame.select(pl.concat_list(marked).list.drop_nulls().alias("said"))
    return said.select(pl.when(pl.col("said").list.len() > 0).then("said")).to_series()


def ongoing_or(end: pl.Series, ongoing: Flags) -> pl.Series:
    return pl.select(pl.when(pl.Series(ongoing)).then(pl.lit("ongoing")).otherwise(end)).to_series()


def beside(rng: np.random.Generator, bound: Floats) -> Floats:
    """Return each bound, or the number just below or above it."""
    size = np.where(bound == 0, 10.0, np.abs(bound))
    step = 10.0 ** (np.floor(np.log10(size)) - 1)
    return np.asarray(bound + step * rng.integers(-1, 2, len(bound)))


def rounded(values: Floats) -> Floats:
    """Return numbers to four significant digits, each the nearest to its decimal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        places = 3 - np.floor(np.log10(np.where(values == 0, 1, np.abs(values))))
    up, down = 10.0 ** np.clip(places, 0, 18), 10.0 ** np.clip(-places, 0, 18)
    return np.asarray(np.rint(values * up / down) / up * down)


class Quantities:
    """What is prepared of each quantity: where its bounds lie, its units, its normal limits, how it is written."""

    def __init__(self, concepts: list[str], vocabulary: Vocabulary, turns: Bounds, draws: list[Draw]) -> None:
        scales = [vocabulary.quantities[concept].scale for concept in concepts]
        values = [turns.values.get(concept, ()) for concept in concepts]
        self.whole = np.array([scale.unitless for scale in scales])
        possible = [vocabulary.quantities[concept].possible for concept in concepts]
        self.least = np.array([-np.inf if one.low is None else float(one.low) for one in possible])
        self.most = np.array([np.inf if one.high is None else float(one.high) for one in possible])
        self.prefixes = {place: draw.prefix for place, draw in enumerate(draws) if draw.prefix}
        self.grades = {place: _grades(scale) for place, scale in enumerate(scales) if scale.grades}
        self.centre = np.array([np.median(found) if found else 1.0 for found in values])
        normal = [self._normal(concept, draw, turns) for concept, draw in zip(concepts, draws, strict=True)]
        self.low, self.high = np.array([low for low, _ in normal]), np.array([high for _, high in normal])
        limits = [[number * (low if limit == "[LLN]" else high) for number, limit in turns.limits.get(concept, ())]
                  for concept, (low, high) in zip(concepts, normal, strict=True)]  # fmt: skip
        self.near = Lists.of([[*found, *more] for found, more in zip(values, limits, strict=True)])
        units = [[(unit, *scale.factors.get(unit, (1, 0))) for unit in _usual(scale)] for scale in scales]
        self.units = Lists.of([[place for place, _ in enumerate(found)] for found in units], np.int64)
        self.unit_names = [unit for found in units for unit, _, _ in found]
        self.factor = np.array([float(factor) for found in units for _, factor, _ in found])
        self.offset = np.array([float(offset) for found in units for _, _, offset in found])

    def _normal(self, concept: str, draw: Draw, turns: Bounds) -> tuple[float, float]:
        if draw.normal:
            return draw.normal
        if concept not in turns.limits:
            return np.nan, np.nan
        middle = draw.median or 1.0
        return middle / 2, middle * 2

    def unit(self, rng: np.random.Generator, concept: Ints, foreign: float) -> Ints:
        """Return a unit for each value: mostly the canonical one, which comes first."""
        other = rng.random(len(concept)) < foreign
        return np.where(other, self.units.index(rng, concept), self.units.start[concept])

    def converted(self, values: Floats, unit: Ints) -> pl.Series:
        """Return canonical values in their unit, null where there is none."""
        return pl.Series(rounded((values - self.offset[unit]) / self.factor[unit])).fill_nan(None)

    def written(self, values: Floats, unit: Ints, concept: Ints, sign: Ints) -> tuple[pl.Series, pl.Series]:
        """Return numbers, and as text what is no plain number: bounds, grades, titres, what cannot be read.

        None is a value that its quantity cannot have: what lies beyond is drawn to the edge, and is not said to be beyond it.
        """
        least, most = self.least[concept], self.most[concept]
        values = np.clip(np.where(self.whole[concept], np.rint(values), values), least, most)
        beyond = ((sign == SIGNS.index("<")) & (values == least)) | ((sign == SIGNS.index(">")) & (values == most))
        sign = np.where(beyond, sign + 1, sign)
        ends = (rounded((end - self.offset[unit]) / self.factor[unit]) for end in (least, most))
        number = np.clip(rounded((values - self.offset[unit]) / self.factor[unit]), *ends)
        special = (sign > 0) | np.isnan(values) | np.isin(concept, [*self.prefixes, *self.grades])
        places = np.flatnonzero(special)
        said = [self._said(int(concept[at]), float(values[at]), float(number[at]), int(sign[at])) for at in places]
        text = pl.Series([None] * len(values), dtype=pl.String).scatter(places, pl.Series(said, dtype=pl.String))
        return pl.select(pl.when(text.is_null()).then(pl.Series(number))).to_series(), text

    def _said(self, concept: int, value: float, number: float, sign: int) -> str:
        if np.isnan(value):
            return UNKNOWN
        if concept in self.grades:
            steps, names = self.grades[concept]
            return names[int(np.abs(steps - value).argmin())]
        if concept in self.prefixes:
            return f"{self.prefixes[concept]}{max(number, 1):.0f}"
        return f"{SIGNS[sign]}{number:.10g}"


def _grades(scale: Scale) -> tuple[Floats, list[str]]:
    """Return the numbers of a scale's grades and a name for each, the longest."""
    best: dict[float, str] = {}
    for name, number in scale.grades.items():
        best[float(number)] = max(best.get(float(number), ""), name, key=lambda text: (not text.isdigit(), len(text)))
    return np.array(list(best)), list(best.values())


def _usual(scale: Scale) -> list[str]:
    """Return the canonical unit, and those in which numbers stay of a usual size."""
    return [unit for unit in scale.units if unit == scale.unit or 1e-4 < float(scale.factors[unit][0]) < 1e4]


class Courses:
    """What is prepared of each drug: doses and lengths of courses about the bounds of its tests, reasons, routes."""

    def __init__(
        self, concepts: list[str], vocabulary: Vocabulary, turns: Bounds, draws: list[Draw], routes: Mapping[str, float]
    ) -> None:
        self.units = ["mg/d", "mg/kg/d", "[IU]/d", "mg/m2/d"]
        doses = [[(dose, unit) for dose, unit in turns.doses.get(concept, ()) if dose > 0] for concept in concepts]
        self.near = Lists.of([[dose for dose, _ in found] for found in doses])
        self.near_unit = Lists.of([[self.units.index(unit) for _, unit in found] for found in doses], np.int64)
        self.usual = Lists.of([draw.doses or (5.0, 10.0, 20.0, 50.0, 100.0) for draw in draws])
        self.spans = Lists.of([turns.spans.get(("therapy", concept), ()) for concept in concepts], np.int64)
        self.responses = sorted(vocabulary.responses)
        self.routes = sorted(vocabulary.routes)
        self.route_share = np.cumsum([routes.get(route, 0.0) for route in self.routes])
        findings = sorted({r for found in turns.reasons.values() for r in found if r in vocabulary.findings})
        self.reasons: list[list[str] | None] = [None, *([finding] for finding in findings)]
        place = {finding: number + 1 for number, finding in enumerate(findings)}
        self.given_for = Lists.of(
            [[place[r] for r in turns.reasons.get(concept, ()) if r in place] for concept in concepts], np.int64
        )

    def dose(self, rng: np.random.Generator, concept: Ints, near: float) -> tuple[Floats, Ints]:
        at = self.near.index(rng, concept)
        close = (rng.random(len(concept)) < near) & self.near.has(concept)
        usual = self.usual.values[self.usual.index(rng, concept)]
        dose = np.where(close, np.maximum(beside(rng, self.near.values[at]), 0), usual)
        return dose, np.where(close, self.near_unit.values[at], 0)

    def dose_text(self, dose: Floats, unit: Ints) -> pl.Series:
        frame = pl.DataFrame({"dose": rounded(dose), "unit": names(self.units, unit)})
        said = pl.format("{} {}", pl.col("dose"), pl.col("unit"))
        return frame.select(pl.when(pl.col("dose").is_not_nan()).then(said)).to_series()

    def reason(self, rng: np.random.Generator, concept: Ints) -> Ints:
        return np.where(self.given_for.has(concept), self.given_for.values[self.given_for.index(rng, concept)], 0)

    def route(self, rng: np.random.Generator, number: int) -> Ints:
        place = np.searchsorted(self.route_share, rng.random(number), side="right")
        return np.where(place < len(self.routes), place, -1)
