"""The Markdown summary and the badge that a run leaves for a forge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.model.verdict import judge
from pytest_verlcompat.plugin.artifacts import render_badge, render_summary
from tests.tiny import make_evidence

if TYPE_CHECKING:
    from tests.plugin.conftest import Project


@pytest.mark.parametrize("way", [(), ("-n", "2")], ids=["alone", "workers"])
def test_run_leaves_summary_and_badge(project: Project, way: tuple[str, ...]) -> None:
    """The summary is appended, for a job may have several; the badge is the last run's."""
    project.write_probe("broken", "raise ValueError('no')")
    (project.pytester.path / "summary.md").write_text("# Before\n")

    project.run(
        "--verlcompat", "--verlcompat-summary=summary.md", "--verlcompat-badge=b.json", *way
    )

    text = (project.pytester.path / "summary.md").read_text()
    assert text.startswith("# Before\n## verl stack: incompatible\n")
    assert "| failed | cpu | broken | ValueError: no |" in text
    assert "| passed | cpu | engine |  |" in text
    badge = json.loads((project.pytester.path / "b.json").read_text())
    assert (badge["message"], badge["color"]) == ("incompatible", "red")


def test_what_a_stack_printed_cannot_shape_the_page() -> None:
    """A cause is shown as text: no table row, link, image or tag of its own."""
    cause = Cause(kind="ValueError", first_line="x | <img src=y> [a](b) `c`\n| new | row")
    record = make_evidence(outcome=Outcome.FAILED, cause=cause)

    text = render_summary([record], verdict=judge([record]), versions={"vllm": "0.11.0"})

    row = next(line for line in text.splitlines() if "ValueError" in line)
    assert text.splitlines()[-1] == row
    assert r"x \| \<img src=y\> \[a\](b) \`c\` \| new \| row" in row


def test_badge_of_nothing_is_grey() -> None:
    """What was not tried is neither green nor red."""
    assert json.loads(render_badge(judge([])))["color"] == "lightgrey"
