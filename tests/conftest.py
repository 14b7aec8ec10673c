"""Fixtures that several rooms share: golden files, a small index of tiny wheels, a workspace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.tiny import TinyIndex, TinyWorkspace

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "data" / "golden"

# Under these pytest repeats whole failures in its short summary; the pytest that tests start
# in other processes must print the same everywhere.
for _variable in ("CI", "BUILD_NUMBER"):
    os.environ.pop(_variable, None)


class CheckGolden(Protocol):
    """Compares a text with a committed file, or writes the file under ``--update-golden``."""

    def __call__(self, text: str, name: str) -> None:
        """Fail unless *text* is what ``tests/data/golden/<name>`` holds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare ``--update-golden``."""
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/data/golden; review the diff"
    )


@pytest.fixture
def check_golden(request: pytest.FixtureRequest) -> CheckGolden:
    """Return the comparison with golden files."""
    update: bool = request.config.getoption("--update-golden")

    def check(text: str, name: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{name}; see --update-golden"

    return check


@pytest.fixture
def tiny_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    """Return an empty folder of wheels that is uv's only index, with a cache of its own."""
    index = TinyIndex(folder=tmp_path / "index")
    use_environ(monkeypatch, index.environ(cache=tmp_path / "uv-cache"))
    return index


@pytest.fixture
def tiny_workspace(tmp_path: Path, tiny_index: TinyIndex) -> TinyWorkspace:
    """Return a checkout with axes for ``alpha`` and ``beta``, and wheels of both to lock."""
    tiny_index.add("alpha", "1.0", requires=["beta<2"])
    tiny_index.add("beta", "1.0")
    tiny_index.add("beta", "2.0")
    workspace = TinyWorkspace(root=tmp_path / "checkout")
    workspace.declare_axes()
    return workspace


def use_environ(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    """Set all of *environ* for the rest of the test."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
