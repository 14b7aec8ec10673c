"""What the page on fixtures and markers shows is what works."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.plugin import fixtures
from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

PAGE = ROOT / "docs" / "fixtures-and-markers.md"


def blocks(kind: str) -> list[str]:
    """Return the blocks of code of that *kind*."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_settings_of_the_page_are_understood(project: Project) -> None:
    """Every key in it is one, of the right kind."""
    (settings,) = blocks("toml")
    project.pytester.makepyprojecttoml(settings)
    for folder in ("tests/probes", "tests/known"):
        (project.pytester.path / folder).mkdir(parents=True)

    project.run("--verlcompat").assert_outcomes(passed=1)


def test_code_of_the_page_is_collected(project: Project) -> None:
    """The tests it shows are tests, its markers are markers, its fixtures there are."""
    first, markers = blocks("python")
    project.write_probe("event_loop")
    project.pytester.makepyfile(f"import pytest\n{first}\n{markers}\ndef test_marked(): pass\n")

    result = project.run("--collect-only", "-q", "--strict-markers")

    assert result.ret == pytest.ExitCode.OK
    assert len(re.findall(r"::test_\w+$", result.stdout.str(), re.MULTILINE)) == 3


def test_every_fixture_is_on_the_page() -> None:
    """None is forgotten; the cell is an affair of the marker's."""
    text = PAGE.read_text("utf-8")
    names = [name for name in vars(fixtures) if name.islower() and f"def {name}(" in SOURCE]

    assert names
    assert [each for each in names if f"`{each}" not in text and each != "verl_cell"] == []


SOURCE = (ROOT / "pytest_verlcompat" / "plugin" / "fixtures.py").read_text("utf-8")
