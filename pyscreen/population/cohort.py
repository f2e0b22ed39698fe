"""A population screened: part by part into a table of verdicts, with what each criterion costs; a run that was stopped goes on.

Beside the table stand `.statuses.parquet` (two bit planes for each criterion and part), `.problems.parquet` (who was set aside, and
why, and values that cannot be) and `.summary.json`. While it runs, finished parts lie in a folder `.parts` beside it; each is written
whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import date
from functools import reduce
from multiprocessing import get_context, parent_process
from operator import add
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any, Protocol

import numpy as np
import polars as pl

from ..errors import Problem, PyscreenError, RecordError, RequestError
from ..kleene import MET, UNKNOWN, UNMET
from ..knowledge import KnowledgeBase, load
from ..screening import UNDECIDED, Screener
from .batch import Batch
from .columns import Flags, Ints
from .funnel import Funnel
from .planes import VERDICTS, Graph, Statuses, Verdicts, verdicts
from .tables import PATIENT, Chunk, Tables, problems_of

MANIFEST, PARTS = "run.json", ".parts"
_AT_ONCE = 4_096
"""How many patients' verdicts are written at a time."""
TOLD = 20
"""How many problems of a part are told; all of them are written."""
_SHOWN: Mapping[str, Any] = {
    PATIENT: pl.String, "cohort": pl.String, "verdict": pl.Enum(VERDICTS), "failing": pl.UInt16, "open": pl.UInt16,
    "excluded_by": pl.UInt16, "open_exclusions": pl.UInt16, "blocker": pl.String, "missing": pl.List(pl.String),
    "part": pl.UInt32, "place": pl.UInt32,
}  # fmt: skip
"""The columns of the table of verdicts; `part` and `place` tell where the patient's bits are in the statuses."""


class Disagreement(PyscreenError):
    """The engine gives a patient another verdict than the columns did."""


class Source(Protocol):
    """Patients in parts of `size`, but for the last; `Tables` are one."""

    patients: int
    size: int
    identity: str

    def __len__(self) -> int: ...

    def chunk(self, number: int) -> Chunk: ...


@dataclass(frozen=True)
class Part:
    """A finished part: how many patients, how many of them set aside, how many families were answered record by record.

    `wrong` counts the problems, of which `problems` has the first; `impossible` the values that cannot be, `unread` the first.
    """

    number: int
    patients: int
    aside: int
    verified: int
    one_by_one: tuple[int, int]
    wrong: int = 0
    problems: tuple[str, ...] = ()
    impossible: int = 0
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """What a run found. `funnels` has one for each cohort, in order."""

    patients: int
    aside: int
    verified: int
    one_by_one: tuple[int, int]
    funnels: tuple[Funnel, ...]

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Summary:
        """Return the summary of one part, as it was kept."""
        part = written["part"]
        counts = (part["patients"], part["aside"], part["verified"], tuple(part["one_by_one"]))
        return cls(*counts, tuple(map(Funnel.read, written["funnels"])))

    def __add__(self, other: Summary) -> Summary:
        """Add the summary of other patients."""
        one_by_one = (self.one_by_one[0] + other.one_by_one[0], self.one_by_one[1] + other.one_by_one[1])
        funnels = tuple(one + more for one, more in zip(self.funnels, other.funnels, strict=True))
        many = (self.patients + other.patients, self.aside + other.aside, self.verified + other.verified)
        return Summary(*many, one_by_one, funnels)


class Run:
    """A population to be screened for cohorts of a trial, as of a day, under a site's readings, into a file."""

    def __init__(
        self,
        source: Source,
        kb: KnowledgeBase,
        output: Path,
        day: date,
        readings: Mapping[str, str] | None = None,
        cohorts: Iterable[str] = (),
        verify: int = 0,
    ) -> None:
        self.source = source
        self.kb = kb
        self.output = output
        self.day = day
        self.readings = kb.chosen(readings)
        self.cohorts = tuple(kb.cohort(name) for name in cohorts) or tuple(kb.cohorts.values())
        self.graph = Graph(kb, self.readings)
        self.folder = output.with_name(output.name + PARTS)
        self.verify = verify
        self._checked = _sample(source, verify)
        self._screener: Screener | None = None

    # ---- parts -------------------------------------------------------------------------------------------------------

    def parts(self, workers: int = 1) -> Iterator[Part]:
        """Screen part by part, yielding each that is finished, in order; those of an earlier run of the same are not done again.

        With more than one of `workers`, so many processes share the parts; each needs memory for a part of its own.
        """
        self._begin()
        kept = {number: self.folder / f"{number:06}.json" for number in range(len(self.source))}
        waiting = [number for number, path in kept.items() if not path.is_file()]
        fresh = self._screened(waiting, workers)
        for number, path in kept.items():
            yield next(fresh) if number in waiting else Part(**json.loads(path.read_text())["part"])

    def _screened(self, numbers: list[int], workers: int) -> Iterator[Part]:
        if min(workers, len(numbers)) < 2:
            yield from (self.screen(self.source.chunk(number)) for number in numbers)
            return
        cohorts = [cohort.id for cohort in self.cohorts]
        run = (self.source, self.kb.trial, self.kb.root, self.output, self.day, self.readings, cohorts, self.verify)
        try:
            with ProcessPoolExecutor(min(workers, len(numbers)), get_context("spawn"), _open, run) as pool:
                yield from pool.map(_screen, numbers)
        except BrokenProcessPool:
            message = "a worker process ended before its time, for want of memory perhaps; run it again with fewer workers"
            raise RequestError([Problem(message, str(self.folder))]) from None

    def _begin(self) -> None:
        """Make the folder of parts, or see that the one that is there is of the same run; raises RequestError."""
        wanted = {
            "source": self.source.identity, "parts": len(self.source), "knowledge base": self.kb.digest, "trial": self.kb.trial,
            "day": self.day.isoformat(), "readings": self.readings, "cohorts": [cohort.code for cohort in self.cohorts],
        }  # fmt: skip
        manifest = self.folder / MANIFEST
        try:
            if manifest.is_file():
                found = json.loads(manifest.read_text())
                others = [name for name in wanted if found.get(name) != wanted[name]]
                if others:
                    message = f"holds an unfinished run with another {' and '.join(others)}; finish it, or remove it"
                    raise RequestError([Problem(message, str(self.folder))])
                return
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(manifest, json.dumps(wanted, indent=2))
        except OSError as error:
            raise RequestError([Problem(f"cannot be written: {error.strerror or error}", str(self.folder))]) from None

    def screen(self, chunk: Chunk) -> Part:
        """Screen the patients of one chunk and keep what was found."""
        answered = Batch(self.kb, self.day).answers(chunk)  # of each part anew: it keeps every value that it has seen
        many = len(chunk.ids)
        statuses = self.graph.evaluate(answered.truths, many)
        aside = np.zeros(many, np.bool_)
        aside[list(answered.aside)] = True
        found = [verdicts(self.kb, cohort, statuses) for cohort in self.cohorts]
        verified = self._verify(chunk, statuses, found, aside)
        problems = self._problems({chunk.ids[place]: error for place, error in answered.aside.items()})
        problems += [(patient, Problem(words, table)) for patient, table, words in chunk.strays]
        unread = self._problems({chunk.ids[place]: RecordError(those) for place, those in answered.unread.items()})
        part = Part(chunk.number, many, len(answered.aside), verified, answered.one_by_one,
                    len(problems), _told(problems), len(unread), _told(unread))  # fmt: skip
        name = f"{chunk.number:06}"
        for at in range(0, many, _AT_ONCE):
            self._keep(f"{name}.{at:06}.verdicts.parquet", _frame(chunk, found, aside, slice(at, at + _AT_ONCE)))
        self._keep(f"{name}.statuses.parquet", _planes(chunk.number, statuses))
        if problems or unread:
            self._keep(f"{name}.problems.parquet", _problem_frame([*problems, *unread]))
        funnels = [Funnel.of(self.kb, one, aside).as_json() for one in found]
        _write(self.folder / f"{name}.json", json.dumps({"part": part.__dict__, "funnels": funnels}))
        return part

    def _problems(self, errors: Mapping[str, RecordError]) -> list[tuple[str | None, Problem]]:
        if isinstance(self.source, Tables):
            errors = problems_of(errors, self.source)
        return [(patient, problem) for patient, error in errors.items() for problem in error.problems]

    def _keep(self, name: str, frame: pl.DataFrame) -> None:
        """Write a frame whole or not at all."""
        unfinished = self.folder / f"{name}.unfinished"
        frame.write_parquet(unfinished)
        os.replace(unfinished, self.folder / name)

    def _verify(self, chunk: Chunk, statuses: Statuses, found: list[Verdicts], aside: np.ndarray[Any, Any]) -> int:
        """Screen some patients with the engine; raises Disagreement where a criterion or a verdict differs."""
        places = [place for place in self._checked.get(chunk.number, ()) if place < len(chunk.ids) and not aside[place]]
        for place in places:
            self._screener = self._screener or Screener(self.kb)
            screening = self._screener.screen(chunk.record(place, self.kb), self.day, self.readings, dependences=False)
            wrong = [name for name, status in screening.statuses.items() if statuses.of(name, place) != status]
            wrong += [one.cohort.code for one in found if one.status(place) != screening.verdicts[one.cohort.id].status]
            if wrong:
                raise Disagreement(f"patient {chunk.ids[place]}: the engine says otherwise of {', '.join(wrong[:5])}")
        return len(places)

    # ---- the whole ---------------------------------------------------------------------------------------------------

    def finish(self) -> Summary:
        """Put the parts together, write what was found, and clear the folder of parts away."""
        kept = (json.loads((self.folder / f"{number:06}.json").read_text()) for number in range(len(self.source)))
        summary = reduce(add, (Summary.read(one) for one in kept))
        about = {
            "pyscreen": "verdicts", "trial": self.kb.trial, "knowledge base": self.kb.digest, "screened on": self.day.isoformat(),
            "readings": json.dumps(self.readings),
        }  # fmt: skip
        self._merge("verdicts", self.output, about, _SHOWN)
        self._merge("statuses", beside(self.output, "statuses"), about, _PLANES)
        self._merge("problems", beside(self.output, "problems"), about, _PROBLEMS)
        _write(beside(self.output, "summary", ".json"), json.dumps(self.as_json(summary), indent=2, ensure_ascii=False))
        shutil.rmtree(self.folder)
        return summary

    def as_json(self, summary: Summary) -> dict[str, Any]:
        """Return a summary for JSON (docs/json.md)."""
        defaults = self.kb.chosen()
        return {
            "format": "pyscreen.population/1",
            "day": self.day.isoformat(),
            "trial": {"id": self.kb.trial, "title": self.kb.title, "registry": self.kb.registry},
            "knowledge_base": self.kb.digest,
            "readings": {name: option for name, option in self.readings.items() if option != defaults[name]},
            "patients": summary.patients,
            "set_aside": summary.aside,
            "verified": summary.verified,
            "cohorts": [funnel.as_json() for funnel in summary.funnels],
        }

    def _merge(self, what: str, target: Path, about: Mapping[str, str], schema: Mapping[str, Any]) -> None:
        parts = sorted(self.folder.glob(f"*.{what}.parquet"))
        frame = pl.scan_parquet(parts) if parts else pl.LazyFrame(schema=schema)
        unfinished = target.with_name(target.name + ".unfinished")
        frame.sink_parquet(unfinished, metadata=dict(about))
        os.replace(unfinished, target)


_run: Run
"""The run that a worker process takes part in."""


def _open(source: Source, trial: str, root: Path, *rest: Any) -> None:
    """Make a worker process ready; it ends with the process that began it, however that ends."""
    global _run
    Thread(target=_follow, daemon=True).start()
    _run = Run(source, load(trial, root), *rest)


def _follow() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _screen(number: int) -> Part:
    return _run.screen(_run.source.chunk(number))


def beside(output: Path, what: str, ending: str = ".parquet") -> Path:
    """Return the path of a file that belongs to a table of verdicts.

    >>> str(beside(Path("out/verdicts.parquet"), "summary", ".json"))
    'out/verdicts.summary.json'
    """
    return output.with_name(f"{output.stem}.{what}{ending}")


def _sample(source: Source, number: int) -> dict[int, list[int]]:
    """Choose patients at random, the same in every run on the same source: places by part."""
    found: dict[int, list[int]] = {}
    for index in Random(source.identity).sample(range(source.patients), min(number, source.patients)):
        found.setdefault(index // source.size, []).append(index % source.size)
    return found


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)


# ---- frames ----------------------------------------------------------------------------------------------------------

_WHO = (PATIENT, "cohort", "part", "place")
_PLANES: Mapping[str, Any] = {"part": pl.UInt32, "criterion": pl.String, "met": pl.Binary, "unmet": pl.Binary}
_PROBLEMS: Mapping[str, Any] = {PATIENT: pl.String, "table": pl.String, "row": pl.Int64, "field": pl.String, "message": pl.String}


def _frame(chunk: Chunk, all_found: list[Verdicts], aside: Flags, patients: slice) -> pl.DataFrame:
    """Return the verdicts of some patients, a row for each cohort; of a patient who was set aside only who and which cohort."""
    found = [one.among(patients) for one in all_found]
    many, each = len(found[0].codes), len(found)
    who = np.repeat(np.arange(len(chunk.ids), dtype=np.uint32)[patients], each)
    which = np.tile(np.arange(each, dtype=np.uint32), many)
    clauses = [need.clause for one in found for need in one.needs]
    words = pl.Series([*clauses, None], dtype=pl.String)
    columns = [_columns(one) for one in found]
    rows = {name: np.stack([one[name] for one in columns], axis=1).ravel() for name in columns[0]}
    before = np.cumsum([0, *(len(one.needs) for one in found[:-1])])
    sole = np.where(rows["blocker"] < 0, len(clauses), rows["blocker"] + np.tile(before, many))
    told: dict[str, Any] = {
        **rows,
        PATIENT: chunk.frames["patients"][PATIENT].gather(who),
        "cohort": pl.Series([one.cohort.code for one in found], dtype=pl.String).gather(which),
        "verdict": pl.Series(VERDICTS, dtype=pl.Enum(VERDICTS)).gather(rows["verdict"]),
        "blocker": words.gather(sole),
        "missing": _missing(found, words),
        "part": np.full(len(who), chunk.number, np.uint32),
        "place": who,
    }
    frame = pl.DataFrame({name: told[name] for name in _SHOWN}, schema=_SHOWN)
    if not aside.any():
        return frame
    kept = pl.Series(~aside).gather(who)
    return frame.with_columns(pl.when(kept).then(pl.col(name)) for name in _SHOWN if name not in _WHO)


def _columns(found: Verdicts) -> dict[str, Ints]:
    """Return what there is to say of a cohort in numbers: the verdict's, counts, and the place of the sole blocker (-1: none)."""
    own = len(found.cohort.needs)
    failing = found.failing.sum(axis=0)
    return {
        "verdict": found.codes,
        "failing": found.failing[:own].sum(axis=0, dtype=np.uint16),
        "open": found.open[:own].sum(axis=0, dtype=np.uint16),
        "excluded_by": found.failing[own:].sum(axis=0, dtype=np.uint16),
        "open_exclusions": found.open[own:].sum(axis=0, dtype=np.uint16),
        "blocker": np.where(failing == 1, found.failing.argmax(axis=0), -1),
    }


def _missing(found: list[Verdicts], words: pl.Series) -> pl.Series:
    """Return for each patient and cohort the clauses that are open, where the verdict is undecided."""
    listed, before = list[pl.DataFrame](), 0
    for number, one in enumerate(found):
        patients, needs = np.nonzero((one.open & (one.codes == VERDICTS.index(UNDECIDED))).T)
        rows = pl.DataFrame({"row": patients * len(found) + number, "clause": words.gather(needs + before)})
        listed.append(rows.group_by("row", maintain_order=True).agg("clause"))
        before += len(one.needs)
    everyone = pl.DataFrame({"row": np.arange(len(found) * len(found[0].codes))})
    joined = everyone.join(pl.concat(listed), on="row", how="left", maintain_order="left")["clause"]
    return joined.fill_null(pl.Series([[]], dtype=pl.List(pl.String)))


def _planes(number: int, statuses: Statuses) -> pl.DataFrame:
    many = len(statuses.names)
    return pl.DataFrame(
        {
            "part": pl.Series([number] * many, dtype=pl.UInt32),
            "criterion": statuses.names,
            "met": [row.tobytes() for row in statuses.met],
            "unmet": [row.tobytes() for row in statuses.unmet],
        },
        schema=_PLANES,
    )


def _told(problems: list[tuple[str | None, Problem]]) -> tuple[str, ...]:
    return tuple(f"{patient}: {problem}" if patient else str(problem) for patient, problem in problems[:TOLD])


def _problem_frame(problems: list[tuple[str | None, Problem]]) -> pl.DataFrame:
    rows = [(patient, problem.file or None, problem.line, problem.field or None, problem.message) for patient, problem in problems]
    return pl.DataFrame(rows, schema=_PROBLEMS, orient="row")


def kept_statuses(output: Path, patient: str) -> dict[str, str]:
    """Return the status of every criterion that a run kept for a patient; raises RequestError where there is none."""
    try:
        found = pl.scan_parquet(output).filter(pl.col(PATIENT) == patient).select("verdict", "part", "place").head(1).collect()
        if not len(found) or found["verdict"][0] is None:
            raise RequestError([Problem(f"no verdict for a patient '{patient}'", str(output))])
        planes = pl.scan_parquet(beside(output, "statuses")).filter(pl.col("part") == found["part"][0]).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise RequestError([Problem(f"cannot be read: {str(error).splitlines()[0]}", str(output))]) from None
    byte, bit = divmod(int(found["place"][0]), 8)
    statuses = {}
    for name, met, unmet in planes.select("criterion", "met", "unmet").iter_rows():
        statuses[name] = MET if met[byte] >> bit & 1 else UNMET if unmet[byte] >> bit & 1 else UNKNOWN
    return statuses
