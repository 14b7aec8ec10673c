"""A checkout is found from any folder in it, and knows itself by an id drawn once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.execute.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_checkout_is_found_from_below(tmp_path: Path) -> None:
    """A command works in any folder of the checkout."""
    (tmp_path / "matrix" / "axes").mkdir(parents=True)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    assert find_workspace(below) == Workspace(root=tmp_path)


def test_without_a_checkout_the_folder_itself_is_taken(tmp_path: Path) -> None:
    """The loader then says what is missing in it."""
    assert find_workspace(tmp_path) == Workspace(root=tmp_path)


def test_id_of_a_checkout_stays(tmp_path: Path) -> None:
    """What was tried in this checkout is told from what was tried in another."""
    first = Workspace(root=tmp_path / "one").checkout_id()

    assert first == Workspace(root=tmp_path / "one").checkout_id()
    assert first != Workspace(root=tmp_path / "two").checkout_id()
