"""Badges: for all cells, for each cell, and for each pair of verl and an engine.

Each comes as the JSON that shields.io reads from an address ("endpoint") and as an SVG that
needs nobody. A pair stands for all its declared cells and says how many are what.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from pytest_verlcompat.model.verdict import VerdictKind
from pytest_verlcompat.report.words import axis_versions
from pytest_verlcompat.report.xml_text import element, xml_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.report.assemble import CellReport, Report

FOLDERS = ("badges/cells", "badges/pairs")
"""Below ``reports/``: named by cell id and by pair, ``.json`` and ``.svg``."""

_GREEN, _AMBER, _RED, _VIOLET, _GREY = "1a7f37", "9a6700", "c62828", "6f42c1", "57606a"
"""Each has a contrast of 4.5 or more with white text."""
_COLORS = {
    VerdictKind.COMPATIBLE: _GREEN,
    VerdictKind.CONDITIONAL: _AMBER,
    VerdictKind.INCOMPATIBLE: _RED,
    VerdictKind.UNRESOLVABLE: _VIOLET,
    VerdictKind.UNTESTED: _GREY,
}
_ENGINES = ("vllm", "sglang")
_NARROW = frozenset("fijlrt.,:;'|!()[] ")
_WIDE = frozenset("mwMWABCDGHKNOPQRSUVXYZ+=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """Two words on a coloured ground."""

    label: str
    message: str
    color: str
    """Six hexadecimal digits."""


def overall_badge(report: Report) -> Badge:
    """Return how many declared cells are what their files expect."""
    known = [cell for cell in report.cells if cell.verdict.kind is not VerdictKind.UNTESTED]
    good = sum(cell.as_expected for cell in known)
    color = _GREEN if good == len(report.cells) else _AMBER
    return Badge(
        label="verl stacks",
        message=f"{good} of {len(report.cells)} cells as expected",
        color=color if known else _GREY,
    )


def cell_badge(report: Report, cell: CellReport) -> Badge:
    """Return the verdict on *cell* and the highest rung it stands on."""
    verdict = cell.verdict
    highest = verdict.highest
    reached = "" if verdict.failed or highest is None else f" up to {highest.value}"
    return Badge(
        label=_pair(report, cell) or "verl stack",
        message=f"{verdict.kind.value}{reached}",
        color=_COLORS[verdict.kind],
    )


def pair_badge(label: str, cells: Iterable[CellReport]) -> Badge:
    """Return how many of *cells* have which verdict; one word where they agree."""
    counts = Counter(cell.verdict.kind for cell in cells)
    kinds = [kind for kind in VerdictKind if counts[kind]]
    message = ", ".join(
        kind.value if len(kinds) == 1 else f"{counts[kind]} {kind.value}" for kind in kinds
    )
    known = {kind for kind in kinds if kind is not VerdictKind.UNTESTED}
    bad = {VerdictKind.INCOMPATIBLE, VerdictKind.UNRESOLVABLE}
    color = _RED if known and known <= bad else _AMBER
    if len(known) < 2:  # noqa: PLR2004 -- one word, or none that says anything
        color = _COLORS[known.pop() if known else VerdictKind.UNTESTED]
    return Badge(label=label, message=message, color=color)


def render_badges(report: Report) -> Mapping[str, str]:
    """Return file name below ``reports/`` to text of the badge of every cell and pair."""
    cells_at, pairs_at = FOLDERS
    badges = {f"{cells_at}/{cell.cell.id}": cell_badge(report, cell) for cell in report.cells}
    pairs: dict[str, list[CellReport]] = {}
    for cell in report.cells:
        if pair := _pair(report, cell):
            pairs.setdefault(pair, []).append(cell)
    for pair, cells in sorted(pairs.items()):
        badges[f"{pairs_at}/{_file_name(pair)}"] = pair_badge(pair, cells)
    texts = {}
    for name, badge in badges.items():
        texts[f"{name}.json"] = render_endpoint(badge)
        texts[f"{name}.svg"] = render_svg(badge)
    return texts


def render_endpoint(badge: Badge) -> str:
    """Return *badge* as shields.io reads it from an address.

    Source: https://shields.io/badges/endpoint-badge, read 2026-11-20.
    """
    body = {
        "schemaVersion": 1,
        "label": xml_line(badge.label, limit=100),
        "message": xml_line(badge.message, limit=100),
        "color": badge.color,
    }
    return json.dumps(body, indent=1, sort_keys=True) + "\n"


def render_svg(badge: Badge) -> str:
    """Return *badge* as an SVG without scripts, styles, fonts or addresses."""
    label, message = xml_line(badge.label, limit=100), xml_line(badge.message, limit=100)
    left, right = _width(label), _width(message)
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": str(left + right),
            "height": "20",
            "role": "img",
            "aria-label": f"{label}: {message}",
        },
    )
    element(root, "title", f"{label}: {message}")
    for at, width, color in ((0, left, "444c56"), (left, right, badge.color)):
        place = {"x": str(at), "width": str(width), "height": "20"}
        ET.SubElement(root, "rect", {**place, "fill": f"#{color}"})
    font = {"font-family": "Verdana,DejaVu Sans,sans-serif", "font-size": "11"}
    group = ET.SubElement(root, "g", {"fill": "#fff", "text-anchor": "middle", **font})
    for text, middle, width in ((label, left / 2, left), (message, left + right / 2, right)):
        # The length is given, so that another font than the one reckoned with fits as well.
        place = {"x": f"{middle:g}", "y": "14", "textLength": str(width - 10)}
        element(group, "text", text, attributes=place)
    return ET.tostring(root, encoding="unicode") + "\n"


def _width(text: str) -> int:
    """Return the pixels that *text* takes in Verdana at 11 pixels, with 5 on either side."""
    # In tenths: a sum of floats is another one from Python 3.12 on.
    widths = (42 if each in _NARROW else 84 if each in _WIDE else 69 for each in text)
    return (sum(widths) + 5) // 10 + 10


def _pair(report: Report, cell: CellReport) -> str:
    """Return ``verl 0.6.1 + vllm 0.11.0``; empty where the cell has no such pair."""
    versions = axis_versions(report, cell)
    found = [f"{name} {versions[name]}" for name in ("verl", *_ENGINES) if name in versions]
    return " + ".join(found) if len(found) > 1 and "verl" in versions else ""


def _file_name(pair: str) -> str:
    """Return ``verl0.6.1-vllm0.11.0``."""
    text = pair.lower().replace(" + ", "-").replace(" ", "")
    return re.sub(r"[^a-z0-9.+-]+", "-", text)[:100]
