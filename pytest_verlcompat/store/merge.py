"""Unite records that were made elsewhere with the evidence of their cells.

The evidence of a cell is a set of lines, written in the order of their start. So merging is
commutative, associative and idempotent, to the byte: no matter who merges what with whom, and
how often. Lines are kept as their makers wrote them, because signatures are of lines. Nothing
is decided between records that contradict each other.

Memory does not grow with the records (`store.order`). New files are written aside, all of
them, before the first one takes its place: where the disk is full, nothing changes.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.store.jsonl import keep_name, locked, read_lines, read_record
from pytest_verlcompat.store.order import sorted_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pytest_verlcompat.model.evidence import Evidence

AHEAD_S = 600.0
"""How far the clock of another machine may be ahead of ours."""
_STARTED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_SAID = 50
"""Sentences that are kept about refused records; the others are counted."""
_SPEAKS = (Outcome.PASSED, Outcome.FAILED)
_OURS, _THEIRS, _LAST = b"0", b"1", b"~"
_ABANDONED_S = 86_400.0
_PREFIX = ".merge-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What was taken and what was not."""

    added: Mapping[str, int]
    """Cell id to the number of records that are new."""
    known: int
    """Records that were there already."""
    refused: tuple[str, ...]
    """One sentence for each of the first records and damaged lines that were not taken."""
    refused_count: int
    contradicted: tuple[str, ...]
    """``<cell id>: <subject>`` where one lock and one code both passed and failed."""


def merge(
    files: Sequence[Path],
    *,
    evidence: Path,
    cells: Collection[str],
    now: dt.datetime | None = None,
) -> Merged:
    """Unite the records of *files* with those of their cells in the folder *evidence*.

    Args:
        cells: Ids of the declared cells; records of others are refused.
        now: By our clock, in UTC. Records that start later than ten minutes from then are refused:
            they would count as the newest until that day comes.

    Raises:
        EvidenceError: If the files cannot be written; what was there is untouched.
    """
    at = now or dt.datetime.now(dt.timezone.utc)
    try:
        evidence.mkdir(parents=True, exist_ok=True)
        _clear(evidence)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=evidence) as scratch:
            return _Merge(evidence, Path(scratch), cells=cells, now=at).run(files)
    except OSError as error:
        raise EvidenceError(
            f"cannot be merged: {error.strerror}; what was there is whole, merge again",
            where=evidence.name,
        ) from error


def find_future(record: Evidence, now: dt.datetime) -> str | None:
    """Return what is wrong with the time that *record* says it started at, if anything is."""
    if not _STARTED.fullmatch(record.started_at):
        return f"started_at is {record.started_at!r}, no time in UTC"
    if record.started_at[:19] > (now + dt.timedelta(seconds=AHEAD_S)).isoformat()[:19]:
        return f"is from the future: {record.started_at}, here it is {now:%Y-%m-%dT%H:%M:%SZ}"
    return None


@dataclass(frozen=True, slots=True)
class _Merge:
    evidence: Path
    scratch: Path
    cells: Collection[str] = field(kw_only=True)
    now: dt.datetime = field(kw_only=True)
    sizes: dict[str, int] = field(default_factory=dict, kw_only=True)
    """Cell id to the bytes of its file that were read."""
    refused: list[str] = field(default_factory=list, kw_only=True)
    counts: Counter[str] = field(default_factory=Counter, kw_only=True)
    added: Counter[str] = field(default_factory=Counter, kw_only=True)
    said: dict[tuple[str, ...], set[Outcome]] = field(default_factory=dict, kw_only=True)

    def run(self, files: Sequence[Path]) -> Merged:
        written = dict(self._write(sorted_lines(self._entries(files), scratch=self.scratch)))
        for cell, path in written.items():
            self._put(path, cell)
        return Merged(
            added={cell: count for cell, count in self.added.items() if count},
            known=self.counts["taken"] - self.added.total(),
            refused=tuple(self.refused),
            refused_count=self.counts["refused"],
            contradicted=tuple(
                f"{cell}: {subject}"
                for cell, subject in sorted(
                    {key[:2] for key, words in self.said.items() if len(words) > 1}
                )
            ),
        )

    def _entries(self, files: Iterable[Path]) -> Iterator[bytes]:
        """Yield cell, time, line and side, apart by tabs; the cells that are met come last."""
        touched: set[str] = set()
        for path in files:
            for number, raw in read_lines(path):
                try:
                    record = self._acceptable(raw, where=f"{path.name}:{number}")
                except EvidenceError as error:
                    self.counts["refused"] += 1
                    if len(self.refused) < _SAID:
                        self.refused.append(str(error))
                    continue
                touched.add(str(record.cell_id))
                self.counts["taken"] += 1
                yield self._entry(record, raw or b"", _THEIRS)
        for cell in sorted(touched):
            yield from self._there(cell)

    def _there(self, cell: str) -> Iterator[bytes]:
        path = self.evidence / f"{cell}.jsonl"
        self.sizes[cell] = path.stat().st_size if path.exists() else 0
        for number, raw in read_lines(path) if path.exists() else ():
            try:
                yield self._entry(read_record(raw, where=f"{number}"), raw or b"", _OURS)
            except EvidenceError as error:
                if raw is None:
                    raise EvidenceError(str(error), where=path.name) from error
                yield b"\t".join((cell.encode(), _LAST, raw, _OURS))  # damaged, but ours to keep

    def _acceptable(self, raw: bytes | None, *, where: str) -> Evidence:
        record = read_record(raw, where=where)
        if record.cell_id is None:
            raise EvidenceError(f"{record.subject} of an installed environment", where=where)
        if record.cell_id not in self.cells:
            raise EvidenceError(
                f"{record.subject} of {record.cell_id}, which is not declared", where=where
            )
        if wrong := find_future(record, self.now):
            raise EvidenceError(wrong, where=where)
        return record

    def _entry(self, record: Evidence, raw: bytes, side: bytes) -> bytes:
        cell = str(record.cell_id)
        if record.outcome in _SPEAKS:
            judged = (cell, record.subject, str(record.lock_sha256), str(record.subject_sha256))
            self.said.setdefault(judged, set()).add(record.outcome)
        started = record.started_at if _STARTED.fullmatch(record.started_at) else ""
        return b"\t".join((cell.encode(), started.encode(), raw, side))

    def _write(self, entries: Iterable[bytes]) -> Iterator[tuple[str, Path]]:
        """Write the file of each cell aside, and yield those that hold something new."""
        for name, group in groupby(entries, key=lambda entry: entry.partition(b"\t")[0]):
            cell = name.decode()
            path = self.scratch / f"{cell}.jsonl"
            with path.open("wb") as file:
                for line, sides in groupby(group, key=lambda entry: entry.rpartition(b"\t")[0]):
                    file.write(line.split(b"\t", 2)[2] + b"\n")
                    self.added[cell] += next(sides).endswith(_THEIRS)
                file.flush()
                os.fsync(file.fileno())
            yield cell, path

    def _put(self, aside: Path, cell: str) -> None:
        """Put the file *aside* in its place, with what was appended to the old one meanwhile."""
        path = self.evidence / f"{cell}.jsonl"
        with locked(path) as handle:
            if late := os.fstat(handle).st_size - self.sizes[cell]:
                with aside.open("ab") as file:
                    file.write(os.pread(handle, late, self.sizes[cell]))
                    os.fsync(file.fileno())
            aside.replace(path)
        keep_name(path)


def _clear(evidence: Path) -> None:
    """Remove what a merge that was killed left, once it surely is over."""
    for folder in evidence.glob(f"{_PREFIX}*"):
        if time.time() - folder.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(folder, ignore_errors=True)
