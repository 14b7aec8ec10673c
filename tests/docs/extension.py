"""What a stranger writes who follows ``extend/probe.md`` and ``extend/known-failure.md``."""

from __future__ import annotations

from tests.docs.pages import DOCS, blocks

PAGES = ("probe", "known-failure")


def extension_files() -> dict[str, str]:
    """Return the files of both pages as they stand there; logs, which a run writes, are left out.

    Both pages add a key to one table of ``pyproject.toml``.
    """
    files: dict[str, str] = {}
    for name in PAGES:
        for block in blocks(DOCS / "extend" / f"{name}.md"):
            if not block.title or block.title.endswith(".log"):
                continue
            before = files.get(block.title)
            head, _, key = block.body.partition("\n")
            if before is not None:
                assert before.startswith(f"{head}\n"), block.where
            files[block.title] = block.body if before is None else before + key
    return files
