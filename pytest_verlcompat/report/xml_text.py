"""Make text that came from elsewhere fit for XML 1.0, which has no escape for most controls."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE = 2_000
"""Characters of a message; an attribute is read as one line."""
DETAIL = 20_000
"""Characters of a traceback or a log; the end is kept, because it says what happened."""


def xml_text(text: str, *, limit: int = DETAIL) -> str:
    """Return *text* with what XML forbids or a reader cannot see as ``#x1B``, the end of it kept.

    Source: https://www.w3.org/TR/xml/#charsets, fifth edition, read 2026-11-20; the form is the
    one pytest 8 writes into its own JUnit files.
    """
    if len(text) > limit:
        text = f"({len(text) - limit} characters before) … {text[-limit:]}"
    return _visible(text, kept="\n\t")


def xml_line(text: str, *, limit: int = MESSAGE) -> str:
    """Return *text* as one line for an attribute or a title, the beginning of it kept."""
    if len(text) > limit:
        text = f"{text[:limit]} … ({len(text) - limit} characters more)"
    return _visible(" ".join(text.split()), kept="")


def _visible(text: str, *, kept: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in kept else f"#x{ord(each):02X}" for each in text
    )


def element(
    parent: ET.Element, tag: str, text: str, *, attributes: Mapping[str, str] | None = None
) -> None:
    """Add a child with *text*; that and *attributes* are fit for XML already."""
    ET.SubElement(parent, tag, dict(attributes or {})).text = text or None


def document(root: ET.Element) -> str:
    """Return the document of *root*, indented, with its declaration and a line end."""
    ET.indent(root, " ")
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'
