"""An index that serves other bytes than were locked: nothing is installed, the record says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.cli import main
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.store.jsonl import load_cell_evidence

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.tiny import TinyIndex, TinyWorkspace


def test_altered_wheel_is_errored_with_the_cause(
    tiny_workspace: TinyWorkspace,
    tiny_index: TinyIndex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The verdict stays untested: it says nothing about the stack."""
    cell = tiny_workspace.write_cell()
    root = ["--root", str(tiny_workspace.root)]
    assert main(["lock", cell, *root]) == 0
    tiny_index.add("beta", "1.0", files={"beta/stealer.py": "x = 1\n"})
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))  # the warm one has the right bytes

    status = main(["run", cell, *root])

    records = load_cell_evidence(tiny_workspace.workspace.evidence, cell).records
    (errored,) = (each for each in records if each.outcome is Outcome.ERRORED)
    assert status == 9
    assert errored.subject == "install"
    assert errored.cause is not None
    assert "serves other bytes than were locked" in errored.cause.first_line
