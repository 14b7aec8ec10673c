"""Write every form of the report into ``reports/``, each only where its bytes change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.report import render_badge, render_html, render_json, render_markdown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_verlcompat.report.assemble import Report


def render_all(report: Report) -> Mapping[str, str]:
    """Return file name to text of every form."""
    return {
        "matrix.md": render_markdown.render(report),
        "matrix.json": render_json.render(report),
        "index.html": render_html.render(report),
        "figures.html": render_html.render_figures(report),
        render_badge.FILENAME: render_badge.render(report),
    }


def publish(report: Report, *, folder: Path) -> tuple[str, ...]:
    """Write the report into *folder*; return the names of the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in render_all(report).items():
        path = folder / name
        data = text.encode("utf-8")
        if path.exists() and path.read_bytes() == data:
            continue
        aside = folder / f".{name}.new"
        aside.write_bytes(data)
        aside.replace(path)
        changed.append(name)
    return tuple(changed)
