"""Append records so that none is torn, and read files that may be.

A line is written by one ``write`` on a descriptor opened for appending, under a lock, and
flushed to the disk before the call returns. A file that a power cut left without its last
line end gets one first, so the damaged line stays alone.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.codec import parse_line, render_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_verlcompat.model.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was found in evidence files."""

    records: tuple[Evidence, ...]
    """In the order they were written, without exact duplicates."""
    damaged: tuple[str, ...]
    """One sentence for each line that is no record."""


def append(record: Evidence, *, path: Path) -> None:
    """Append *record* to the file *path*; it is on the disk when this returns.

    Raises:
        EvidenceError: If the file cannot be written.
    """
    line = (render_line(record) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line
            written = os.write(handle, line)
            if written != len(line):
                os.ftruncate(handle, size)
                raise EvidenceError("the disk took only a part of a record", where=path.name)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise EvidenceError(f"cannot be written: {error.strerror}", where=path.name) from error


def load(paths: Iterable[Path]) -> Loaded:
    """Return the records in the files *paths*; a damaged line is reported, not fatal."""
    records: dict[str, Evidence] = {}
    damaged = []
    for path in paths:
        for number, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
            if not raw.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                record = parse_line(raw.decode("utf-8", errors="replace"), where=where)
            except EvidenceError as error:
                damaged.append(str(error))
                continue
            records.setdefault(render_line(record), record)
    return Loaded(records=tuple(records.values()), damaged=tuple(damaged))


def load_cell_evidence(folder: Path, cell_id: str) -> Loaded:
    """Return the records of one cell."""
    path = folder / f"{cell_id}.jsonl"
    return load([path] if path.exists() else [])
