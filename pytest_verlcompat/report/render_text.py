"""Render what a terminal shows after a run, in 80 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.report.words import MARKS, render_ladder, skipped_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.report.assemble import CellReport, Report

SUFFIX = ".txt"
WIDTH = 80
_LOGS = ".verlcompat/logs"


def render(report: Report) -> str:
    """Return the lines on every cell."""
    return "\n\n".join(render_cell(cell) for cell in report.cells) + "\n"


def render_cell(report: CellReport, *, note: str | None = None) -> str:
    """Return the lines on one cell: verdict, rungs, and where it fails why and which log to open.

    Args:
        note: What kept the harness from going on, if anything did.
    """
    verdict = report.verdict
    state = "as expected" if report.as_expected else f"NOT as expected ({_expected(report)})"
    lines = [
        *_wrap(report.cell.id, ""),
        f"  {MARKS[verdict.kind]} {verdict.kind.value}, {state}",
        *_wrap(render_ladder(verdict), "  "),
    ]
    for record in verdict.culprits:
        lines += _failure(record)
    for condition in verdict.conditions:
        lines += _wrap(f"condition: {condition}", "  ")
    for lack, subjects in skipped_for(report.records).items():
        lines += _wrap(f"host lacks {lack}: {', '.join(subjects)}", "  ")
    for record in report.records:
        if record.outcome is Outcome.ERRORED and note is None:
            lines += _wrap(f"{record.subject}: errored: {record.cause}", "  ")
    for subject in report.contradicted:
        lines += _wrap(f"{subject}: contradictory results, see the evidence", "  ")
    if note is not None:
        lines += _wrap(f"errored: {note}", "  ")
    return "\n".join(lines)


def _expected(report: CellReport) -> str:
    failing = report.cell.failing
    if report.verdict.kind is report.cell.expected and failing is not None:
        return f"failing: {', '.join(failing) or 'nothing'}"
    return report.cell.expected.value


def _failure(record: Evidence) -> Iterator[str]:
    yield from _wrap(f"{record.rung.value} {record.subject}: {record.cause}", "  ")
    if record.cause is not None and record.cause.frame is not None:
        yield from _wrap(f"at {record.cause.frame}", "      ")
    if record.log_sha256 is not None:
        yield f"      log {_LOGS}/{record.log_sha256[:12]}*.log"


def _wrap(text: str, indent: str) -> list[str]:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.wrap(
        printable,
        width=WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=True,
        max_lines=4,
        placeholder=" …",
    )


def render_closing(
    *, cells: int, wrong: int, executed: int, current: int, duration_s: float
) -> str:
    """Return the last line of a run."""
    minutes, seconds = divmod(duration_s, 60)
    took = f"{int(minutes)} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"
    verdict = "all as expected" if not wrong else f"{wrong} NOT as expected"
    return (
        f"{cells} cells, {verdict}; {executed} executed, {current} current; {took}\n"
        "table: reports/index.html, reports/matrix.md"
    )
