"""Writes event tables, part after part, into a new folder: as Parquet. What is not finished is not left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from ..errors import Problem, RequestError

Frames = dict[str, pl.DataFrame]
ROW_GROUP = 200_000


def write_parts(parts: Iterable[Frames], folder: Path | str, in_order: bool = True) -> int:
    """Write event tables that come in parts as one Parquet file a table, sorted by patient; return how many patients.

    Raises RequestError where the folder exists already, or cannot be written.
    """
    patients = 0
    with new_folder(Path(folder)) as target, tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        found: dict[str, list[Path]] = {}
        for number, frames in enumerate(parts):
            patients += len(frames["patients"])
            for table, frame in frames.items():
                found.setdefault(table, []).append(Path(scratch) / f"{table}-{number:06}.parquet")
                frame.write_parquet(found[table][-1], compression="lz4")
        for table, files in found.items():
            if in_order or len(files) == 1:
                pl.scan_parquet(files).sink_parquet(target / f"{table}.parquet", row_group_size=ROW_GROUP)
            else:
                sort_into(f"read_parquet('{quoted(Path(scratch))}/{table}-*.parquet')", target / f"{table}.parquet", Path(scratch))
    return patients


def sort_into(rows: str, target: Path, scratch: Path) -> None:
    """Write rows that DuckDB can read into a Parquet file, sorted by patient, on disk where memory does not do."""
    import duckdb

    with duckdb.connect() as database:
        database.execute("SET memory_limit = '2GB'")
        database.execute(f"SET temp_directory = '{quoted(scratch)}'")
        database.execute(f"COPY (FROM {rows} ORDER BY patient) TO '{quoted(target)}' (FORMAT parquet, ROW_GROUP_SIZE {ROW_GROUP})")


def quoted(path: Path) -> str:
    """Return a path as it stands between single quotes."""
    return str(path).replace("'", "''")


@contextmanager
def new_folder(folder: Path, file: str | None = None) -> Iterator[Path]:
    """Give a folder to write into, which (or one file of which) gets its name only when all is written. Raises RequestError."""
    if folder.exists():
        raise RequestError([Problem("exists already; name a new folder", str(folder))])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise RequestError([Problem(f"cannot be written: {error.strerror or error}", str(folder))]) from None
    try:
        yield unfinished
        unfinished.chmod(0o777 & ~_mask())
        os.replace(unfinished / file if file else unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
