"""``verl_matrix``: one test, several environments, when a run asks for them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import Project

MARKED = """
import pytest
@pytest.mark.verl_matrix(beta=["1.0", ">=2,<3", "9"])
def test_own(verlcompat):
    print("SAW", verlcompat.name, verlcompat.versions.get("beta"))
def test_unmarked(verlcompat):
    print("UNMARKED", verlcompat.name)
"""


def make_cell(folder: Path, version: str) -> Path:
    """Return an interpreter beside which ``beta`` of that *version* is installed."""
    site = folder / "site"
    (site / f"beta-{version}.dist-info").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nPYTHONPATH={site} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


@pytest.fixture
def cells(project: Project, tmp_path: Path) -> list[str]:
    """Return the options of a matrix run over beta 1.0 and 2.1."""
    project.pytester.makepyfile(MARKED)
    one, two = make_cell(tmp_path / "one", "1.0"), make_cell(tmp_path / "two", "2.1")
    return ["--verlcompat-cell", f"one={one}", "--verlcompat-cell", f"two={two}"]


@pytest.mark.parametrize("way", [(), ("-n", "2")], ids=["alone", "workers"])
def test_marked_test_runs_in_each_cell_that_fits(
    project: Project, cells: list[str], way: tuple[str, ...]
) -> None:
    """A value that no cell has is a skip that says so; unmarked tests run as ever."""
    result = project.run("-rsP", *cells, *way)

    result.assert_outcomes(passed=3, skipped=1)
    text = result.stdout.str()
    assert "SAW one 1.0" in text
    assert "SAW two 2.1" in text
    assert "UNMARKED installed" in text
    assert "no cell of this run has beta 9" in text


def test_without_cells_a_marked_test_runs_once(project: Project, cells: list[str]) -> None:
    """The marker means nothing in an ordinary run."""
    result = project.run("-rP")

    result.assert_outcomes(passed=2)
    assert "SAW installed None" in result.stdout.str()


def test_cells_may_be_declared(project: Project, tmp_path: Path) -> None:
    """Names in the configuration stand for interpreters; ``all`` for all of them."""
    project.pytester.makepyfile(MARKED)
    python = make_cell(tmp_path / "one", "1.0")
    project.pytester.makepyprojecttoml(f"[tool.verlcompat.cells]\nold = '{python}'")

    result = project.run("-rP", "--verlcompat-cell=all")

    result.assert_outcomes(passed=2, skipped=2)
    assert "SAW old 1.0" in result.stdout.str()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("unknown", "no cell 'unknown'; write NAME=PATH"),
        ("a=nowhere/python", "cell a: there is no interpreter"),
    ],
)
def test_cell_that_is_not_there_is_a_usage_error(project: Project, cell: str, said: str) -> None:
    """Before anything is collected."""
    result = project.run("--verlcompat-cell", cell)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("@mark(beta=['1.0'])\ndef test_own(): pass", "verl_matrix works through fixtures"),
        ("@mark('beta')\ndef test_own(verlcompat): pass", "name distributions"),
        ("@mark(beta='1.0')\ndef test_own(verlcompat): pass", "write a list of versions"),
        ("@mark(beta=['new'])\ndef test_own(verlcompat): pass", "neither a version nor"),
    ],
)
def test_marker_that_cannot_work_is_an_error(
    project: Project, cells: list[str], source: str, said: str
) -> None:
    """A matrix run over nothing would be green and say nothing."""
    project.pytester.makepyfile(
        test_marked=f"import pytest\nmark = pytest.mark.verl_matrix\n{source}"
    )

    result = project.run(*cells, "test_marked.py")

    assert result.ret != 0
    assert said in result.stdout.str() + result.stderr.str()
