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
from ..screening import Screener, Verdict
from . import results
from .alternatives import Alternatives, Dependence
from .batch import Batch
from .columns import Flags
from .funnel import Funnel
from .planes import Graph, Statuses, Truths, Verdicts, verdicts
from .tables import PATIENT, Chunk, Tables, problems_of

ROBUST = "robust"
MANIFEST, PARTS = "run.json", ".parts"
_AT_ONCE = 4_096
"""How many patients' verdicts are written at a time."""
_TOGETHER = 2**16
TOLD = 20
"""How many problems of a part are told; all of them are written."""
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
    """A population to be screened for cohorts of a trial, as of a day, under a site's readings, into a file.

    With `robust`, a verdict is eligible or ineligible only where every way of reading the protocol says so. With `dependences` the
    table also has the options of readings under which a verdict would be another.
    """

    def __init__(
        self,
        source: Source,
        kb: KnowledgeBase,
        output: Path,
        day: date,
        readings: Mapping[str, str] | None = None,
        cohorts: Iterable[str] = (),
        verify: int = 0,
        robust: bool = False,
        dependences: bool = False,
    ) -> None:
        self.source = source
        self.kb = kb
        self.output = output
        self.day = day
        self.readings = kb.chosen(readings)
        self.cohorts = tuple(kb.cohort(name) for name in cohorts) or tuple(kb.cohorts.values())
        self.batch = Batch(kb, day)
        self.graph = Graph(kb, self.readings)
        self.robust = robust
        self.dependences = dependences
        self._alternatives = Alternatives(self.graph, self.cohorts) if robust or dependences else None
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
        how = (self.readings, cohorts, self.verify, self.robust, self.dependences)
        run = (self.source, self.kb.trial, self.kb.root, self.output, self.day, *how)
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
            "day": self.day.isoformat(), "readings": ROBUST if self.robust else self.readings,
            "cohorts": [cohort.code for cohort in self.cohorts], "choice of dependences": self.dependences,
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
        answered = self.batch.answers(chunk)
        many = len(chunk.ids)
        statuses = self.graph.evaluate(answered.truths, many)
        aside = np.zeros(many, np.bool_)
        aside[list(answered.aside)] = True
        found, dependences = self._verdicts(statuses, answered.truths)
        verified = self._verify(chunk, statuses, found, dependences, aside)
        problems = self._problems({chunk.ids[place]: error for place, error in answered.aside.items()})
        problems += [(patient, Problem(words, table)) for patient, table, words in chunk.strays]
        unread = self._problems({chunk.ids[place]: RecordError(those) for place, those in answered.unread.items()})
        part = Part(chunk.number, many, len(answered.aside), verified, answered.one_by_one,
                    len(problems), _told(problems), len(unread), _told(unread))  # fmt: skip
        name = f"{chunk.number:06}"
        for at in range(0, many, _AT_ONCE):
            some = slice(at, at + _AT_ONCE)
            frame = results.of_verdicts(chunk, found, dependences if self.dependences else None, aside, some)
            self._keep(f"{name}.{at:06}.verdicts.parquet", frame)
        self._keep(f"{name}.statuses.parquet", results.of_statuses(chunk.number, statuses))
        if problems or unread:
            self._keep(f"{name}.problems.parquet", results.of_problems([*problems, *unread]))
        funnels = [Funnel.of(self.kb, one, aside).as_json() for one in found]
        _write(self.folder / f"{name}.json", json.dumps({"part": part.__dict__, "funnels": funnels}))
        return part

    def _verdicts(self, statuses: Statuses, truths: Mapping[str, Truths]) -> tuple[list[Verdicts], list[Dependence]]:
        """Return the verdicts of each cohort, and where it is asked for the options of readings under which some are others."""
        found = [verdicts(self.kb, cohort, statuses) for cohort in self.cohorts]
        if self._alternatives is None:
            return found, []
        dependences = list(self._alternatives.dependences(statuses, truths))
        if self.robust:
            firm = self._alternatives.firm(statuses, truths, dependences)
            found = [one.kept(flags) for one, flags in zip(found, firm, strict=True)]
        return found, dependences

    def _problems(self, errors: Mapping[str, RecordError]) -> list[tuple[str | None, Problem]]:
        if isinstance(self.source, Tables):
            errors = problems_of(errors, self.source)
        return [(patient, problem) for patient, error in errors.items() for problem in error.problems]

    def _keep(self, name: str, frame: pl.DataFrame) -> None:
        """Write a frame whole or not at all."""
        unfinished = self.folder / f"{name}.unfinished"
        frame.write_parquet(unfinished)
        os.replace(unfinished, self.folder / name)

    def _verify(
        self, chunk: Chunk, statuses: Statuses, found: list[Verdicts], dependences: list[Dependence], aside: Flags
    ) -> int:
        """Screen some patients with the engine; raises Disagreement where a criterion or a verdict differs."""
        places = [place for place in self._checked.get(chunk.number, ()) if place < len(chunk.ids) and not aside[place]]
        for place in places:
            self._screener = self._screener or Screener(self.kb)
            record = chunk.record(place, self.kb)
            screening = self._screener.screen(record, self.day, self.readings, robust=self.robust, dependences=self.dependences)
            wrong = [name for name, status in screening.statuses.items() if statuses.of(name, place) != status]
            said = [screening.verdicts[one.cohort.id] for one in found]
            wrong += [one.cohort.code for one, verdict in zip(found, said, strict=True) if one.status(place) != verdict.status]
            if self.dependences:
                wrong += self._disputed(said, dependences, place)
            if wrong:
                raise Disagreement(f"patient {chunk.ids[place]}: the engine says otherwise of {', '.join(wrong[:5])}")
        return len(places)

    def _disputed(self, said: list[Verdict], dependences: list[Dependence], place: int) -> Iterator[str]:
        """Yield the cohorts of which the engine says that the verdict depends on other options than was found."""
        found = [(int(cohort), one.reading, one.option, code) for one in dependences for cohort, code in one.of(place)]
        for number, verdict in enumerate(said):
            other = {(number, one.reading, one.option, one.verdict) for one in verdict.depends_on}
            if other != {one for one in found if one[0] == number}:
                yield f"what {verdict.cohort.code} depends on"

    # ---- the whole ---------------------------------------------------------------------------------------------------

    def finish(self) -> Summary:
        """Put the parts together, write what was found, and clear the folder of parts away."""
        kept = (json.loads((self.folder / f"{number:06}.json").read_text()) for number in range(len(self.source)))
        summary = reduce(add, (Summary.read(one) for one in kept))
        about = {
            "pyscreen": "verdicts", "trial": self.kb.trial, "knowledge base": self.kb.digest, "screened on": self.day.isoformat(),
            "readings": json.dumps(ROBUST if self.robust else self.readings),
        }  # fmt: skip
        self._merge("verdicts", self.output, about, results.columns(self.dependences), _TOGETHER)
        self._merge("statuses", beside(self.output, "statuses"), about, results.STATUSES, len(self.graph.names))
        self._merge("problems", beside(self.output, "problems"), about, results.PROBLEMS, _TOGETHER)
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
            "robust": self.robust,
            "patients": summary.patients,
            "set_aside": summary.aside,
            "verified": summary.verified,
            "cohorts": [funnel.as_json() for funnel in summary.funnels],
        }

    def _merge(self, what: str, target: Path, about: Mapping[str, str], schema: Mapping[str, Any], together: int) -> None:
        """Put what was kept of the parts into one file, so many rows together; of the statuses, which are long, those of a part."""
        parts = sorted(self.folder.glob(f"*.{what}.parquet"))
        frame = pl.scan_parquet(parts) if parts else pl.LazyFrame(schema=schema)
        unfinished = target.with_name(target.name + ".unfinished")
        frame.sink_parquet(unfinished, metadata=dict(about), row_group_size=together)
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


def _told(problems: list[tuple[str | None, Problem]]) -> tuple[str, ...]:
    return tuple(f"{patient}: {problem}" if patient else str(problem) for patient, problem in problems[:TOLD])


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)


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
