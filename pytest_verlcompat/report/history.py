"""When a verdict changed, told by the dated records alone.

The records of a cell are gone through day by day. Of each day count the records under the lock
of the newest one, and of each subject those made with the code of its newest; what they say at
the end of the day is the verdict of that day. A verdict that a later lock or probe makes void
stays in the history: it was the verdict then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.model.verdict import Verdict, VerdictKind, judge
from pytest_verlcompat.report.assemble import choose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.report.assemble import CellReport

_INSTANT = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The verdict on one cell became another one."""

    cell: Cell
    at: str
    """Start of the newest record of that day, UTC, ``YYYY-MM-DDTHH:MM:SS…Z``."""
    before: VerdictKind | None
    """``None`` for the first verdict."""
    verdict: Verdict


def list_changes(cells: Iterable[CellReport]) -> tuple[Change, ...]:
    """Return every change of verdict, the newest first."""
    found = [change for cell in cells for change in _changes(cell)]
    return tuple(sorted(found, key=lambda each: (each.at, each.cell.id), reverse=True))


def _changes(cell: CellReport) -> Iterator[Change]:
    dated = [each for each in cell.history if _INSTANT.fullmatch(each.started_at)]
    dated.sort(key=lambda each: (each.started_at, each.subject))
    before: VerdictKind | None = None
    for number, record in enumerate(dated, start=1):
        last_of_day = number == len(dated) or _day(dated[number]) != _day(record)
        if not last_of_day:
            continue
        verdict = _verdict(dated[:number])
        kind = verdict.kind
        if kind is not before and not (before is None and kind is VerdictKind.UNTESTED):
            yield Change(cell=cell.cell, at=record.started_at, before=before, verdict=verdict)
            before = kind


def _verdict(dated: Sequence[Evidence]) -> Verdict:
    under = [each for each in dated if each.lock_sha256 == dated[-1].lock_sha256]
    code = {each.subject: each.subject_sha256 for each in under}
    chosen, _ = choose(each for each in under if each.subject_sha256 == code[each.subject])
    return judge(chosen.values())


def _day(record: Evidence) -> str:
    return record.started_at[:10]
