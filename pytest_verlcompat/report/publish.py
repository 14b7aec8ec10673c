"""Write every form of the report, each only where its bytes change."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.issues.language import ENGLISH, find_language
from pytest_verlcompat.report import (
    badges,
    render_atom,
    render_badge,
    render_badge_svg,
    render_csv,
    render_json,
    render_markdown,
    site_pages,
)
from pytest_verlcompat.report.words import TRANSLATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_verlcompat.issues.language import Language
    from pytest_verlcompat.report.assemble import Report
    from pytest_verlcompat.report.site_inputs import SiteInputs


def render_all(report: Report, inputs: SiteInputs | None = None) -> Mapping[str, str]:
    """Return path below ``reports/`` to text of every form."""
    return {
        "matrix.md": render_markdown.render(report),
        "matrix.json": render_json.render(report),
        render_json.SCHEMA_FILENAME: render_json.SCHEMA.read_text(encoding="utf-8"),
        "matrix.csv": render_csv.render(report),
        render_atom.FILENAME: render_atom.render(report),
        **site_pages.render_site(report, inputs),
        render_badge.FILENAME: render_badge.render(report),
        render_badge_svg.FILENAME: render_badge_svg.render(report),
        **badges.render_badges(report),
    }


def find_changes(
    report: Report, *, root: Path, inputs: SiteInputs | None = None
) -> Mapping[Path, bytes | None]:
    """Return the files below *root* whose bytes are not what the records give.

    ``None`` stands for a file in a folder of ours that nothing gives any more.
    """
    report, folder = report.published(), root / "reports"
    wanted = {folder / name: text for name, text in render_all(report, inputs).items()}
    for readme in sorted(root.glob("README*.md")):
        text = readme.read_text(encoding="utf-8")
        language = _language(readme)
        wanted[readme] = render_markdown.render_readme(text, report, language=language)
    found: dict[Path, bytes | None] = {}
    for path, text in wanted.items():
        data = text.encode("utf-8")
        if not path.exists() or path.read_bytes() != data:
            found[path] = data
    found |= dict.fromkeys(each for each in _published(folder) if each not in wanted)
    return found


def _language(readme: Path) -> Language:
    """Return the language of ``README.zh-CN.md``; English where the name holds none."""
    try:
        return find_language(readme.stem.partition(".")[2] or "en", folder=TRANSLATIONS)
    except UsageError:
        return ENGLISH


def _published(folder: Path) -> Iterator[Path]:
    """Yield the files in the folders that hold pages or badges and nothing else."""
    for name in (*site_pages.FOLDERS, *badges.FOLDERS):
        if (folder / name).is_dir():
            yield from (path for path in sorted((folder / name).iterdir()) if path.is_file())


def publish(report: Report, *, root: Path, inputs: SiteInputs | None = None) -> tuple[str, ...]:
    """Write what changed and remove what is left over; return the names of those files."""
    changes = find_changes(report, root=root, inputs=inputs)
    for path, data in changes.items():
        if data is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two runs may publish at once; each renames what it wrote itself.
        aside = path.with_name(f".{path.name}.{os.getpid()}.new")
        aside.write_bytes(data)
        aside.replace(path)
    return tuple(path.name for path in changes)
