"""Render the table as CSV for spreadsheets and data frames: one row a cell."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.report.inert import bounded
from pytest_verlcompat.report.words import axis_versions, render_reason, rung_state

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import CellReport, Report

SUFFIX = ".csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(report: Report) -> str:
    """Return a header and one row a cell; empty where nothing is known."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            *("cell", "title", *report.axes, "verdict", "expected", "as_expected"),
            *(rung.value for rung in Rung),
            *("conditions", "why", "contradicted", "lock_sha256"),
        ]
    )
    for cell in report.cells:
        writer.writerow([_inert(each) for each in _row(report, cell)])
    return out.getvalue()


def _row(report: Report, cell: CellReport) -> list[str]:
    versions = axis_versions(report, cell)
    return [
        cell.cell.id,
        cell.cell.title,
        *(versions.get(axis, "") for axis in report.axes),
        cell.verdict.kind.value,
        cell.cell.expected.value if cell.cell.expected else "",
        "true" if cell.as_expected else "false",
        *(rung_state(rung, cell.verdict) for rung in Rung),
        "; ".join(cell.verdict.conditions),
        render_reason(cell),
        " ".join(cell.contradicted),
        cell.lock.sha256 if cell.lock else "",
    ]


def _inert(text: str) -> str:
    """Return *text* on one line, so that no spreadsheet takes it for a formula.

    Source: https://owasp.org/www-community/attacks/CSV_Injection, read 2026-11-20.
    """
    line = " ".join(bounded(text).split())
    return f"'{line}" if line.startswith(_FORMULA) else line
