"""Plain text as Markdown that shows it and interprets none of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")
_CODE = re.compile(r"``(.+?)``|`(.+?)`")


def plain(text: str) -> str:
    """Return *text* on one line with nothing in it that Markdown would take for a sign."""
    return _escaped(" ".join(text.split()))


def prose(text: str) -> str:
    """Return *text* of a docstring, in which backquotes mean code and blank lines a paragraph."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(_paragraph(" ".join(each.split())) for each in paragraphs)


def _paragraph(text: str) -> str:
    parts, last = [], 0
    for found in _CODE.finditer(text):
        parts += [_escaped(text[last : found.start()]), code(found[1] or found[2])]
        last = found.end()
    return "".join([*parts, _escaped(text[last:])])


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def code(text: str) -> str:
    """Return *text* as code."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines) + "\n"


def page(title: str, *parts: str, source: str) -> str:
    """Return a page with *title* that says which module wrote it."""
    note = f"<!-- written by docs/generate/{source}.py; edit what it reads -->"
    return "\n\n".join([f"# {title}", note, *(part.strip() for part in parts)]) + "\n"
