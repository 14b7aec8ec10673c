"""Render the changes of verdict as an Atom feed; same records, same bytes.

Ids are UUIDs made from cell, day and verdicts, so they hold wherever the feed is put.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from pytest_verlcompat.report.history import Change, list_changes
from pytest_verlcompat.report.words import render_ladder
from pytest_verlcompat.report.xml_text import document, element, xml_line, xml_text

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import Report

SUFFIX = ".atom"
FILENAME = "changes.atom"
ENTRIES = 200
"""Older changes are left out; `matrix.json` and the evidence hold them."""

_NAMES = uuid.UUID("0f7c1f3e-2f57-4b7a-8a55-6b0f3e1f7a19")
"""Drawn once; every id of the feed is made with it."""
_NEVER = "1970-01-01T00:00:00Z"
_CAUSES = 5


def render(report: Report) -> str:
    """Return the newest changes as Atom 1.0.

    Source: RFC 4287, https://www.rfc-editor.org/rfc/rfc4287, December 2005, read 2026-11-20.
    """
    changes = list_changes(report.cells)
    root = ET.Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": "en"})
    element(root, "id", _id("feed"))
    element(root, "title", "Changes of verdict on verl stacks")
    element(root, "updated", changes[0].at if changes else _NEVER)
    element(ET.SubElement(root, "author"), "name", "verlcompat")
    element(root, "generator", "verlcompat report")
    ET.SubElement(root, "link", {"rel": "self", "type": "application/atom+xml", "href": FILENAME})
    ET.SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": "index.html"})
    for change in changes[:ENTRIES]:
        _entry(root, change)
    return document(root)


def _entry(root: ET.Element, change: Change) -> None:
    kind, before = change.verdict.kind.value, change.before.value if change.before else None
    entry = ET.SubElement(root, "entry")
    element(entry, "id", _id(change.cell.id, change.at[:10], str(before), kind))
    became = f"{kind} (was {before})" if before else kind
    element(entry, "title", xml_line(f"{change.cell.title}: {became}"))
    element(entry, "updated", change.at)
    element(entry, "published", change.at)
    page = {"rel": "alternate", "type": "text/html", "href": f"cells/{change.cell.id}.html"}
    ET.SubElement(entry, "link", page)
    ET.SubElement(entry, "category", {"term": kind})
    element(entry, "content", xml_text("\n".join(_lines(change))), attributes={"type": "text"})


def _lines(change: Change) -> list[str]:
    verdict = change.verdict
    lines = [f"{change.cell.id}: {verdict}", render_ladder(verdict)]
    lines += [f"condition: {xml_line(each)}" for each in verdict.conditions]
    shown = verdict.culprits[:_CAUSES]
    lines += [xml_line(f"{each.subject}: {each.cause}") for each in shown]
    if len(verdict.culprits) > _CAUSES:
        lines.append(f"and {len(verdict.culprits) - _CAUSES} more")
    return lines


def _id(*parts: str) -> str:
    return uuid.uuid5(_NAMES, "\n".join(parts)).urn
