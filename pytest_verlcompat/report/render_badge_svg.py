"""Render the badge on all cells as an SVG that needs no other host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.report.badges import overall_badge, render_svg

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import Report

SUFFIX = ".svg"
FILENAME = "badge.svg"


def render(report: Report) -> str:
    """Return the badge as an image."""
    return render_svg(overall_badge(report))
