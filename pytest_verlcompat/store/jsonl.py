"""Append records so that none is torn, and read files that may be.

A line is written by one ``write`` on a descriptor opened for appending, under a lock, and
flushed to the disk before the call returns. A file that a power cut left without its last
line end gets one first, so the damaged line stays alone. A merge puts another file in the
place of this one; who waited for the lock meanwhile opens that one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.codec import parse_line, render_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_verlcompat.model.evidence import Evidence

LINE_BYTES = 4 << 20
"""A longer line is damaged; it is not read into memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was found in evidence files."""

    records: tuple[Evidence, ...]
    """In the order they were written, without exact duplicates."""
    damaged: tuple[str, ...]
    """One sentence for each line that is no record."""
    sha256: tuple[str, ...] = ()
    """Digest of the line of each record, in the order of `records`."""


def append(record: Evidence, *, path: Path) -> None:
    """Append *record* to the file *path*; it is on the disk when this returns.

    Raises:
        EvidenceError: If the file cannot be written.
    """
    line = (render_line(record) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path) as handle:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line
            written = os.write(handle, line)
            if written != len(line):
                os.ftruncate(handle, size)
                raise EvidenceError("the disk took only a part of a record", where=path.name)
            os.fsync(handle)
            if not size:
                keep_name(path)
    except OSError as error:
        raise EvidenceError(f"cannot be written: {error.strerror}", where=path.name) from error


def keep_name(path: Path) -> None:
    """Flush the folder of the new file *path*, which may be whole on the disk and have no name."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Give a descriptor to append to the file *path*, made if need be; nobody else writes to it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(handle, path):
                yield handle
                return
        finally:
            os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Return whether *path* still names the open file: a merge may have replaced it."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def read_lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """Yield number and bytes of each line that is not blank; ``None`` for one too long to read."""
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(LINE_BYTES + 1):
            number += 1
            if len(line) > LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = stream.readline(LINE_BYTES)
                yield number, None
            elif line := line.strip():
                yield number, line


def read_record(raw: bytes | None, *, where: str) -> Evidence:
    """Return the record in a line as `read_lines` gives it.

    Raises:
        EvidenceError: If it is none.
    """
    if raw is None:
        raise EvidenceError(f"is longer than {LINE_BYTES >> 20} MiB", where=where)
    return parse_line(raw.decode("utf-8", errors="replace"), where=where)


def load(paths: Iterable[Path]) -> Loaded:
    """Return the records in the files *paths*; a damaged line is reported, not fatal."""
    records: dict[str, tuple[Evidence, str]] = {}
    damaged = []
    for path in paths:
        for number, raw in read_lines(path):
            try:
                record = read_record(raw, where=f"{path.name}:{number}")
            except EvidenceError as error:
                damaged.append(str(error))
                continue
            line = hashlib.sha256(raw or b"").hexdigest()
            records.setdefault(render_line(record), (record, line))
    return Loaded(
        records=tuple(record for record, _ in records.values()),
        damaged=tuple(damaged),
        sha256=tuple(line for _, line in records.values()),
    )


def load_cell_evidence(folder: Path, cell_id: str) -> Loaded:
    """Return the records of one cell."""
    path = folder / f"{cell_id}.jsonl"
    return load([path] if path.exists() else [])
