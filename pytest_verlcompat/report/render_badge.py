"""Render the endpoint badge: how many declared cells are what their files expect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_verlcompat.model.verdict import VerdictKind

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import Report

SUFFIX = ".json"
FILENAME = "badge.json"


def render(report: Report) -> str:
    """Return the badge as the endpoint schema of shields has it."""
    known = [cell for cell in report.cells if cell.verdict.kind is not VerdictKind.UNTESTED]
    good = sum(cell.as_expected for cell in known)
    body = {
        "schemaVersion": 1,
        "label": "verl stacks",
        "message": f"{good} of {len(report.cells)} cells as expected",
        "color": "green" if good == len(report.cells) else "orange",
    }
    return json.dumps(body, indent=1, sort_keys=True) + "\n"
