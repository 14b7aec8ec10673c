"""Render the report for programs; field names are stable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.report.words import axis_versions

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import CellReport, Report

SUFFIX = ".json"
_WRITTEN_BY = "verlcompat report"


def render(report: Report) -> str:
    """Return the report as one JSON object: snapshot, cells, verdicts, records."""
    body = {
        "written_by": _WRITTEN_BY,
        "snapshot": report.snapshot,
        "cells": [_cell(report, cell) for cell in report.cells],
    }
    # ASCII only: a log may hold characters that change the direction of what follows.
    return json.dumps(body, indent=1, sort_keys=True) + "\n"


def _cell(report: Report, cell: CellReport) -> dict[str, Any]:
    return {
        "id": cell.cell.id,
        "title": cell.cell.title,
        "values": dict(cell.cell.values),
        "versions": axis_versions(report, cell),
        "verdict": cell.verdict.kind.value,
        "expected": cell.cell.expected.value if cell.cell.expected else None,
        "as_expected": cell.as_expected,
        "rungs": {
            "passed": [rung.value for rung in cell.verdict.passed],
            "failed": [rung.value for rung in cell.verdict.failed],
            "partial": [rung.value for rung in cell.verdict.partial],
            "untested": [rung.value for rung in cell.verdict.untested],
        },
        "conditions": list(cell.verdict.conditions),
        "contradicted": list(cell.contradicted),
        "lock_sha256": cell.lock.sha256 if cell.lock else None,
        "records": [encode(record) for record in cell.records],
    }
