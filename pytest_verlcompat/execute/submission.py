"""Judge records that somebody offers: may they stand beside ours?

Only what this very checkout would count is taken: a declared cell under its lock, a probe or
check with its present code. Nothing in a record is believed that can be looked up here.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import EvidenceError, LockError
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.process.redact import make_redactor, redact_values
from pytest_verlcompat.resolve.lock import load_lock
from pytest_verlcompat.store.jsonl import read_lines, read_record
from pytest_verlcompat.store.merge import find_future

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_verlcompat.matrix.load import Matrix
    from pytest_verlcompat.model.evidence import Evidence

_STEPS = {"resolve": Rung.RESOLVES, "install": Rung.INSTALLS}
"""Subjects without code of their own; what uv did is said by the lock."""
_MOST_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What this checkout knows."""

    locks: Mapping[str, str]
    """Cell id to the digest of its lock."""
    subjects: Mapping[str, tuple[Rung, str | None]]
    """Probe or check to its rung and to the digest of its present code."""
    now: dt.datetime
    redact: Callable[[str], str]


def make_rules(
    matrix: Matrix, *, subjects: Mapping[str, tuple[Rung, str | None]], now: dt.datetime
) -> Rules:
    """Return the rules of this checkout.

    Args:
        subjects: Probes and checks with rung and digest.
        now: By our clock, in UTC.
    """
    locks = {}
    for cell in matrix.cells.values():
        try:
            locks[cell.id] = load_lock(cell, folder=matrix.folder / "locks").sha256
        except LockError:
            continue  # nothing can be offered for it
    steps = {name: (rung, None) for name, rung in _STEPS.items()}
    return Rules(
        locks=locks, subjects={**steps, **subjects}, now=now, redact=make_redactor(os.environ)
    )


def find_faults(path: Path, rules: Rules) -> Iterator[str]:
    """Yield one sentence, with file and line, for each fault of the batch *path*."""
    count = 0
    for number, raw in read_lines(path):
        count += 1
        where = f"{path.name}:{number}"
        try:
            record = read_record(raw, where=where)
        except EvidenceError as error:
            yield str(error)
            continue
        for fault in _faults(record, rules):
            yield f"{where}: {record.subject}: {fault}"
        body = json.loads(raw or b"{}")  # keys that no reader of ours knows included
        if redact_values(body, rules.redact) != body:
            yield f"{where}: {record.subject}: holds a secret, a home or a user; take it out"
    if not count:
        yield f"{path.name}: holds no record"


def _faults(record: Evidence, rules: Rules) -> Iterator[str]:
    if (wrong := find_future(record, rules.now)) is not None:
        yield wrong
    if not 0 <= record.duration_s <= _MOST_S:
        yield f"took {record.duration_s} s"
    if record.cell_id is None or record.cell_id not in rules.locks:
        yield f"is of {record.cell_id or 'an installed environment'}, which has no lock here"
    elif record.lock_sha256 != rules.locks[record.cell_id]:
        yield "was made under another lock; update the checkout and run the cell again"
    yield from _subject_faults(record, rules)
    yield from _outcome_faults(record)


def _subject_faults(record: Evidence, rules: Rules) -> Iterator[str]:
    if record.subject not in rules.subjects:
        yield "is no probe or check of this checkout"
        return
    rung, sha256 = rules.subjects[record.subject]
    if record.rung is not rung:
        yield f"stands on the rung {rung.value}, not {record.rung.value}"
    if record.subject_sha256 != sha256:
        yield "was made by other code; update the checkout and run the cell again"


def _outcome_faults(record: Evidence) -> Iterator[str]:
    if record.outcome is Outcome.ERRORED:
        yield "errored, which says nothing about a stack"
    if record.outcome is Outcome.SKIPPED and not record.lacks:
        yield "was skipped and does not say what the machine lacked"
    if record.outcome is not Outcome.SKIPPED and record.lacks:
        yield f"{record.outcome.value}, and yet lacked {', '.join(record.lacks)}"
    if record.outcome is Outcome.FAILED and record.cause is None:
        yield "failed without a cause"
    if record.outcome is Outcome.PASSED and record.ending not in {
        Ending.REPLIED,
        Ending.NOT_STARTED,
    }:
        yield f"passed, and yet ended as: {record.ending.value}"
