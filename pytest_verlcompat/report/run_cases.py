"""Tell the cells of a report as test cases, for the formats that continuous integration reads.

A cell is a suite, each record a case, and the last case of a suite is the verdict: it fails
where the verdict is not the one the cell's file expects. A failure that the file expects is no
failure of the run, as an xfail is none, so the cases agree with the exit status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.model.verdict import VerdictKind
from pytest_verlcompat.report.words import MEANINGS, render_outcome, render_reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.report.assemble import CellReport

VERDICT = "verdict"
"""Name of the last case of every suite."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


class Ended(Enum):
    """How a case ended, in words that every format has."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERRORED = "errored"
    EXPECTED = "expected failure"
    """It failed, as its cell's file says it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One check or probe of one cell, or the verdict on the cell."""

    name: str
    ended: Ended
    message: str
    """One sentence where there is something to say; empty otherwise."""
    detail: str = ""
    """The traceback or the resolver's explanation."""
    duration_s: float = 0.0
    record: Evidence | None = None
    """``None`` for the verdict."""


_ENDED = {
    Outcome.PASSED: Ended.PASSED,
    Outcome.FAILED: Ended.FAILED,
    Outcome.SKIPPED: Ended.SKIPPED,
    Outcome.ERRORED: Ended.ERRORED,
}


def list_cases(cell: CellReport) -> tuple[Case, ...]:
    """Return the cases of *cell*, lowest rung first, the verdict last."""
    return (*_records(cell), _verdict(cell))


def started_ms(record: Evidence) -> int | None:
    """Return when *record* began, in milliseconds since 1970; ``None`` where it does not say."""
    if not _INSTANT.fullmatch(record.started_at):
        return None
    try:
        started = datetime.fromisoformat(record.started_at.replace("Z", "+00:00"))
    except ValueError:  # a day that no calendar has
        return None
    return round(started.timestamp() * 1000)


def _records(cell: CellReport) -> Iterator[Case]:
    for record in cell.records:
        ended = _ENDED[record.outcome]
        if ended is Ended.FAILED and _is_expected(cell, record):
            ended = Ended.EXPECTED
        cause = record.cause
        message = str(cause) if cause is not None else ""
        if ended is Ended.SKIPPED or record.condition:
            message = render_outcome(record)
        yield Case(
            name=record.subject,
            ended=ended,
            message=message,
            detail="\n".join(filter(None, (cause.detail, _place(record)))) if cause else "",
            duration_s=record.duration_s,
            record=record,
        )


def _place(record: Evidence) -> str:
    frame = record.cause.frame if record.cause else None
    return f"{frame}: {frame.source or ''}" if frame else ""


def _is_expected(cell: CellReport, record: Evidence) -> bool:
    if cell.cell.expected not in {VerdictKind.INCOMPATIBLE, VerdictKind.UNRESOLVABLE}:
        return False
    return cell.cell.failing is None or record.subject in cell.cell.failing


def _verdict(cell: CellReport) -> Case:
    kind = cell.verdict.kind
    ended = Ended.PASSED if cell.as_expected else Ended.FAILED
    if kind is VerdictKind.UNTESTED and not cell.as_expected:
        ended = Ended.SKIPPED  # what is unknown is neither good nor bad
    message = f"{cell.verdict}: {MEANINGS[kind]}"
    if not cell.as_expected:
        expected = cell.cell.expected
        message = f"expected {expected.value if expected else 'nothing'}, found {message}"
    return Case(name=VERDICT, ended=ended, message=message, detail=render_reason(cell))
