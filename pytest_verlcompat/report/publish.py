"""Write every form of the report, each only where its bytes change."""

from __future__ import annotations

import os
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


def find_changes(report: Report, *, root: Path) -> Mapping[Path, bytes]:
    """Return the files below *root* whose bytes are not what the evidence gives."""
    wanted = {root / "reports" / name: text for name, text in render_all(report).items()}
    readme = root / "README.md"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        wanted[readme] = render_markdown.render_readme(text, report)
    found = {}
    for path, text in wanted.items():
        data = text.encode("utf-8")
        if not path.exists() or path.read_bytes() != data:
            found[path] = data
    return found


def publish(report: Report, *, root: Path) -> tuple[str, ...]:
    """Write what changed; return the names of those files."""
    changes = find_changes(report, root=root)
    for path, data in changes.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two runs may publish at once; each renames what it wrote itself.
        aside = path.with_name(f".{path.name}.{os.getpid()}.new")
        aside.write_bytes(data)
        aside.replace(path)
    return tuple(path.name for path in changes)
