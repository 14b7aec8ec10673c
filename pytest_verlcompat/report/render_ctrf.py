"""Render the cells as CTRF, the common test report format: one JSON document.

Source: https://github.com/ctrf-io/ctrf, schema/ctrf.schema.json and spec/ctrf.md of specification
0.0.0 (a working draft), as of 2026-07-26, read 2026-11-20.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.report.inert import bounded
from pytest_verlcompat.report.run_cases import Case, Ended, list_cases, started_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.report.assemble import CellReport, Report

SUFFIX = ".json"
SPECIFICATION = "0.0.0"
_NAMES = uuid.UUID("6a1d0b0e-5a3f-4d0c-9d5c-0c1f3a7f1b52")
"""Drawn once; with it the same cell and subject have the same id in every report."""
_DETAIL = 20_000
_STATUS = {
    Ended.PASSED: "passed",
    Ended.FAILED: "failed",
    Ended.SKIPPED: "skipped",
    Ended.EXPECTED: "other",
    Ended.ERRORED: "other",
}
"""The format has no word for a harness that broke, and none for a failure that was expected."""


def render(report: Report) -> str:
    """Return the cells of *report* as one CTRF document; same records, same bytes."""
    tests = [test for cell in report.cells for test in _tests(cell)]
    counts = Counter(test["status"] for test in tests)
    starts = [test["start"] for test in tests if "start" in test]
    stops = [test["stop"] for test in tests if "stop" in test]
    statuses = ("passed", "failed", "skipped", "pending", "other")
    body = {
        "reportFormat": "CTRF",
        "specVersion": SPECIFICATION,
        "reportId": str(uuid.uuid5(_NAMES, report.snapshot)),
        "generatedBy": "verlcompat",
        "results": {
            "tool": {"name": "verlcompat"},
            "summary": {
                "tests": len(tests),
                **{status: counts[status] for status in statuses},
                "suites": len(report.cells),
                "start": min(starts, default=0),
                "stop": max(stops, default=0),
            },
            "tests": tests,
        },
    }
    return json.dumps(body, indent=1) + "\n"


def _tests(cell: CellReport) -> Iterator[dict[str, Any]]:
    for case in list_cases(cell):
        test: dict[str, Any] = {
            "id": str(uuid.uuid5(_NAMES, f"{cell.cell.id}\n{case.name}")),
            "name": bounded(case.name, 200) or "-",
            "status": _STATUS[case.ended],
            "rawStatus": case.ended.value,
            "duration": round(case.duration_s * 1000),
            "suite": [cell.cell.id],
        }
        if case.message:
            test["message"] = bounded(case.message)
        if case.detail:
            test["trace"] = bounded(case.detail, _DETAIL)
        yield {**test, **_about(cell, case)}


def _about(cell: CellReport, case: Case) -> dict[str, Any]:
    """Return what only a case with a record has: times, rung and machine."""
    if case.record is None:
        return {"labels": {"verdict": cell.verdict.kind.value}}
    labels = {"rung": case.record.rung.value, "machine": bounded(str(case.record.machine), 200)}
    start = started_ms(case.record)
    times = {} if start is None else {"start": start, "stop": start + round(case.duration_s * 1000)}
    return {**times, "labels": labels}
