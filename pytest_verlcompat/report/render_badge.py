"""Render the endpoint badge: how many declared cells are what their files expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.report.badges import overall_badge, render_endpoint

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import Report

SUFFIX = ".json"
FILENAME = "badge.json"


def render(report: Report) -> str:
    """Return the badge as the endpoint schema of shields has it."""
    return render_endpoint(overall_badge(report))
