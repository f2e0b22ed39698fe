"""What a run has found, as the tables that it writes: verdicts, the status of every criterion, and who was set aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ..errors import Problem
from ..screening import UNDECIDED
from .alternatives import Dependence
from .columns import Flags
from .planes import VERDICTS, Statuses, Verdicts
from .tables import PATIENT, Chunk

_VERDICT = pl.Enum(VERDICTS)
_VERDICTS: Mapping[str, Any] = {
    PATIENT: pl.String, "cohort": pl.String, "verdict": _VERDICT, "failing": pl.UInt16, "open": pl.UInt16,
    "excluded_by": pl.UInt16, "open_exclusions": pl.UInt16, "blocker": pl.String, "missing": pl.List(pl.String),
    "part": pl.UInt32, "place": pl.UInt32,
}  # fmt: skip
"""The columns of the table of verdicts; `part` and `place` tell where the patient's bits are in the statuses."""
_DEPENDENCE = pl.Struct({"reading": pl.String, "option": pl.String, "verdict": _VERDICT})
STATUSES: Mapping[str, Any] = {"part": pl.UInt32, "criterion": pl.String, "met": pl.Binary, "unmet": pl.Binary}
PROBLEMS: Mapping[str, Any] = {PATIENT: pl.String, "table": pl.String, "row": pl.Int64, "field": pl.String, "message": pl.String}
_WHO = (PATIENT, "cohort", "part", "place")


def columns(dependences: bool) -> dict[str, Any]:
    """Return the columns of the table of verdicts, with that of the readings on which they depend where it is asked for."""
    return {**_VERDICTS, **({"depends_on": pl.List(_DEPENDENCE)} if dependences else {})}


def of_verdicts(
    chunk: Chunk, all_found: list[Verdicts], dependences: list[Dependence] | None, aside: Flags, patients: slice
) -> pl.DataFrame:
    """Return the verdicts of some patients, a row for each cohort; of a patient who was set aside only who and which cohort."""
    found = [one.among(patients) for one in all_found]
    many, each = len(found[0].codes), len(found)
    who = np.repeat(np.arange(len(chunk.ids), dtype=np.uint32)[patients], each)
    which = np.tile(np.arange(each, dtype=np.uint32), many)
    clauses = [need.clause for one in found for need in one.needs]
    words = pl.Series([*clauses, None], dtype=pl.String)
    numbers = [_numbers(one) for one in found]
    rows = {name: np.stack([one[name] for one in numbers], axis=1).ravel() for name in numbers[0]}
    before = np.cumsum([0, *(len(one.needs) for one in found[:-1])])
    sole = np.where(rows["blocker"] < 0, len(clauses), rows["blocker"] + np.tile(before, many))
    told: dict[str, Any] = {
        **rows,
        PATIENT: chunk.frames["patients"][PATIENT].gather(who),
        "cohort": pl.Series([one.cohort.code for one in found], dtype=pl.String).gather(which),
        "verdict": _named(rows["verdict"]),
        "blocker": words.gather(sole),
        "missing": _missing(found, words),
        "part": np.full(len(who), chunk.number, np.uint32),
        "place": who,
    }
    if dependences is not None:
        told["depends_on"] = _depends_on(dependences, patients.start, many, each)
    shown = columns(dependences is not None)
    frame = pl.DataFrame({name: told[name] for name in shown}, schema=shown)
    if not aside.any():
        return frame
    kept = pl.Series(~aside).gather(who)
    return frame.with_columns(pl.when(kept).then(pl.col(name)) for name in shown if name not in _WHO)


def _numbers(found: Verdicts) -> dict[str, npt.NDArray[np.integer[Any]]]:
    """Return what there is to say of a cohort in numbers: the verdict's, counts, and the place of the sole blocker (-1: none)."""
    own = len(found.cohort.needs)
    failing = found.failing.sum(axis=0)
    counts = {
        "failing": found.failing[:own], "open": found.open[:own],
        "excluded_by": found.failing[own:], "open_exclusions": found.open[own:],
    }  # fmt: skip
    return {
        "verdict": found.codes,
        "blocker": np.where(failing == 1, found.failing.argmax(axis=0), -1),
        **{name: flags.sum(axis=0, dtype=np.uint16) for name, flags in counts.items()},
    }


def _named(codes: npt.NDArray[np.integer[Any]]) -> pl.Series:
    return pl.Series(VERDICTS, dtype=_VERDICT).gather(codes)


def _missing(found: list[Verdicts], words: pl.Series) -> pl.Series:
    """Return for each patient and cohort the clauses that are open, where the verdict is undecided."""
    listed, before = [], 0
    for number, one in enumerate(found):
        patients, needs = np.nonzero((one.open & (one.codes == VERDICTS.index(UNDECIDED))).T)
        rows = pl.DataFrame({"row": patients * len(found) + number, "item": words.gather(needs + before)})
        listed.append(rows.group_by("row", maintain_order=True).agg("item"))
        before += len(one.needs)
    return _lists(pl.concat(listed), len(found) * len(found[0].codes), pl.List(pl.String))


def _depends_on(dependences: list[Dependence], first: int, many: int, each: int) -> pl.Series:
    """Return for each patient and cohort the options under which the verdict is another, and which it is."""
    listed = [pl.DataFrame(schema={"row": pl.Int64, "item": _DEPENDENCE})]
    for one in dependences:
        here = (one.patients >= first) & (one.patients < first + many)
        row = (one.patients[here] - first) * each + one.cohorts[here]
        told = pl.DataFrame({"reading": one.reading, "option": one.option, "verdict": _named(one.codes[here])})
        listed.append(pl.DataFrame({"row": row, "item": told.to_struct()}, schema=listed[0].schema))
    rows = pl.concat(listed).group_by("row", maintain_order=True).agg("item")
    return _lists(rows, many * each, pl.List(_DEPENDENCE))


def _lists(rows: pl.DataFrame, many: int, dtype: Any) -> pl.Series:
    """Return a list for each row by its number; of those that are not there an empty one."""
    everyone = pl.DataFrame({"row": np.arange(many)})
    joined = everyone.join(rows, on="row", how="left", maintain_order="left")["item"]
    return joined.fill_null(pl.Series([[]], dtype=dtype))


def of_statuses(number: int, statuses: Statuses) -> pl.DataFrame:
    """Return who meets each criterion of a part and who does not, a bit a patient."""
    many = len(statuses.names)
    return pl.DataFrame(
        {
            "part": pl.Series([number] * many, dtype=pl.UInt32),
            "criterion": statuses.names,
            "met": [row.tobytes() for row in statuses.met],
            "unmet": [row.tobytes() for row in statuses.unmet],
        },
        schema=STATUSES,
    )


def of_problems(problems: list[tuple[str | None, Problem]]) -> pl.DataFrame:
    """Return problems, each of a patient or of nobody."""
    rows = [(patient, problem.file or None, problem.line, problem.field or None, problem.message) for patient, problem in problems]
    return pl.DataFrame(rows, schema=PROBLEMS, orient="row")
