"""Render the report for programs; `matrix.schema.json` says what each field is.

Field names are stable: one is never given another meaning, new ones may come. Texts of a stack
and measured facts are bounded; the evidence files hold them whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.report.inert import LIMIT
from pytest_verlcompat.report.words import axis_versions, render_reason

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.report.assemble import CellReport, Report

SUFFIX = ".json"
SCHEMA_VERSION = 1
"""Raised where a field changes its meaning or goes."""
SCHEMA = Path(__file__).with_name("matrix.schema.json")
SCHEMA_FILENAME = SCHEMA.name
"""The schema is published beside the report under this name."""

_WRITTEN_BY = "verlcompat report"
_FACT_BYTES = 4_000
_LISTED = 200


def render(report: Report) -> str:
    """Return the report as one JSON object: snapshot, cells, verdicts, records."""
    body = {
        "$schema": SCHEMA_FILENAME,
        "schema_version": SCHEMA_VERSION,
        "written_by": _WRITTEN_BY,
        "snapshot": report.snapshot,
        "damaged_lines": len(report.damaged),
        "cells": [_cell(report, cell) for cell in report.cells],
    }
    # ASCII only: a log may hold characters that change the direction of what follows.
    return json.dumps(body, indent=1, sort_keys=True) + "\n"


def _cell(report: Report, cell: CellReport) -> dict[str, Any]:
    return {
        "id": cell.cell.id,
        "title": _cut(cell.cell.title),
        "values": dict(cell.cell.values),
        "versions": axis_versions(report, cell),
        "verdict": cell.verdict.kind.value,
        "expected": cell.cell.expected.value if cell.cell.expected else None,
        "as_expected": cell.as_expected,
        "reason": _cut(render_reason(cell)),
        "rungs": {
            "passed": [rung.value for rung in cell.verdict.passed],
            "failed": [rung.value for rung in cell.verdict.failed],
            "partial": [rung.value for rung in cell.verdict.partial],
            "untested": [rung.value for rung in cell.verdict.untested],
        },
        "conditions": [_cut(each) for each in cell.verdict.conditions],
        "contradicted": [_cut(each) for each in cell.contradicted],
        "lock_sha256": cell.lock.sha256 if cell.lock else None,
        "signed_by": dict(cell.signed_by),
        "unsigned": cell.unsigned,
        "records": [_record(record) for record in cell.records],
    }


def _record(record: Evidence) -> dict[str, Any]:
    body: dict[str, Any] = encode(record)
    large = [
        name
        for name, value in record.facts.items()
        if len(json.dumps(encode(value), default=str)) > _FACT_BYTES
    ]
    facts = {name: value for name, value in body.pop("facts").items() if name not in large}
    bounded: dict[str, Any] = _bounded({**body, "facts": facts})
    return {**bounded, "facts_left_out": sorted(map(str, large))}


def _bounded(value: Any) -> Any:  # noqa: ANN401 -- any JSON value
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, dict):
        return {_cut(key): _bounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_bounded(each) for each in value[:_LISTED]]
    return value


def _cut(text: str) -> str:
    if len(text) <= LIMIT:
        return text
    return f"{text[:LIMIT]} … ({len(text) - LIMIT} characters more)"
