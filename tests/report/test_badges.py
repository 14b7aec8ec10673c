"""A badge says no more than the cells it stands for."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.model.verdict import judge
from pytest_verlcompat.report.assemble import CellReport
from pytest_verlcompat.report.badges import Badge, pair_badge, render_badges, render_svg
from pytest_verlcompat.report.publish import find_changes, publish
from tests.report.conftest import make_report
from tests.tiny import make_cell, make_evidence

if TYPE_CHECKING:
    from pytest_verlcompat.report.assemble import Report
    from tests.conftest import CheckGolden
    from tests.tiny import TinyWorkspace

GREEN, AMBER, RED, GREY = "1a7f37", "9a6700", "c62828", "57606a"
SVG = "{http://www.w3.org/2000/svg}"


def _cells(*outcomes: Outcome) -> list[CellReport]:
    return [
        CellReport(
            cell=make_cell(),
            lock=None,
            verdict=judge([make_evidence(outcome=each)]),
            records=(),
            contradicted=(),
            stale=0,
        )
        for each in outcomes
    ]


@pytest.mark.parametrize("end", ["json", "svg"])
def test_badges_are_as_reviewed(report: Report, end: str, check_golden: CheckGolden) -> None:
    """One of each pair and of each cell."""
    made = {name: text for name, text in render_badges(report).items() if name.endswith(end)}
    text = "".join(f"{name}\n{text}" for name, text in made.items())

    check_golden(text, f"report/badges-{end}.txt")


@pytest.mark.parametrize(
    ("outcomes", "message", "color"),
    [
        ((Outcome.PASSED,), "compatible", GREEN),
        ((Outcome.PASSED, Outcome.PASSED), "compatible", GREEN),
        ((Outcome.PASSED, Outcome.FAILED), "1 compatible, 1 incompatible", AMBER),
        ((Outcome.FAILED, Outcome.FAILED), "incompatible", RED),
        ((Outcome.SKIPPED,), "untested", GREY),
        ((Outcome.PASSED, Outcome.SKIPPED), "1 compatible, 1 untested", GREEN),
    ],
)
def test_pair_says_how_many_cells_are_what(
    outcomes: tuple[Outcome, ...], message: str, color: str
) -> None:
    """Cells that agree need no number; what is untested is said and colours nothing."""
    badge = pair_badge("verl 1 + vllm 2", _cells(*outcomes))

    assert badge == Badge(label="verl 1 + vllm 2", message=message, color=color)


def test_width_is_that_of_every_python() -> None:
    """Widths of half a pixel: as floats their sum is less than that up to Python 3.11."""
    badge = Badge(label="verl", message="1 compatible, 1 incompatible", color="#1a7f37")

    assert ET.fromstring(render_svg(badge)).findall(f"{SVG}rect")[1].attrib["width"] == "177"


def test_image_tells_a_screen_reader_and_asks_no_host() -> None:
    """It has a title and a role, and neither addresses nor scripts nor styles."""
    text = render_svg(Badge(label="<b>&", message="x" * 3_000 + "\x1b", color=GREEN))

    root = ET.fromstring(text)
    assert root.attrib["role"] == "img"
    assert (root.findtext(f"{SVG}title") or "").startswith("<b>&: xxx")
    assert {each.tag.removeprefix(SVG) for each in root.iter()} == {
        "svg", "title", "rect", "g", "text",
    }  # fmt: skip
    assert "href" not in text
    assert len(text) < 2_000


@pytest.mark.parametrize("color", [GREEN, AMBER, RED, GREY, "6f42c1", "444c56"])
def test_white_text_is_readable_on_every_colour(color: str) -> None:
    """The contrast is what WCAG 2 asks for at level AA."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    luminance = sum(
        weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )

    assert 1.05 / (luminance + 0.05) >= 4.5


def test_badge_of_a_cell_that_went_is_removed(checkout: TinyWorkspace) -> None:
    """Nothing is published that no record stands behind."""
    report = make_report(checkout)
    publish(report, root=checkout.root)
    fewer = dataclasses.replace(report, cells=report.cells[1:])
    changes = find_changes(fewer, root=checkout.root)
    gone = sorted(path.name for path, data in changes.items() if data is None)

    publish(fewer, root=checkout.root)

    name = "verl0.6.1-vllm0.11.0"  # of the cell and of the pair
    assert [each for each in gone if each in {f"{name}.json", f"{name}.svg"}] == [
        f"{name}.json", f"{name}.json", f"{name}.svg", f"{name}.svg",
    ]  # fmt: skip
    assert find_changes(fewer, root=checkout.root) == {}
    kept = checkout.root / "reports" / "badges" / "cells" / "verl0.6.1-vllm0.12.0.json"
    assert json.loads(kept.read_text())["message"] == "incompatible"
