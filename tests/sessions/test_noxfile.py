"""The sessions: every cell and axis value is listed, and what is unknown is answered by us."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.matrix.load import load_matrix
from tests.conftest import ROOT
from tests.tiny import MINOR, TinyWorkspace

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("nox", reason="the sessions are nox's")


def _nox(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NOX")}
    return subprocess.run(
        [sys.executable, "-m", "nox", *words],
        cwd=folder,
        env={**environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_cell_and_value_is_listed() -> None:
    """``nox -l`` shows one session a cell and one an axis value that a cell has."""
    matrix = load_matrix(ROOT / "matrix")

    listed = _nox(ROOT, "-l")

    assert listed.returncode == 0, listed.stderr
    for cell in matrix.cells.values():
        if cell.survey is not None:
            assert f"- selection({cell.survey}) -> " in listed.stdout
            continue
        assert f"- cell({cell.id}) -> " in listed.stdout
        for name, text in cell.values.items():
            if matrix.axes[name].default != text:
                assert f"- matrix({name}='{text}') -> " in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 200


@pytest.fixture
def copied(tmp_path: Path) -> TinyWorkspace:
    """Return a tiny checkout with this noxfile, whose command only prints what it is asked."""
    checkout = TinyWorkspace(root=tmp_path)
    checkout.declare_axes()
    checkout.write_cell()
    shutil.copy(ROOT / "noxfile.py", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    text = (tmp_path / "noxfile.py").read_text()
    install = 'session.install("--editable", ".[cli]", silent=True)'
    assert install in text
    # No network here: the command stands in the place where the session would install it.
    (tmp_path / "noxfile.py").write_text(text.replace(install, "session.log('installed')"))
    return checkout


def _put_command(checkout: TinyWorkspace) -> None:
    tool = checkout.root / ".nox" / "verlcompat" / "bin" / "verlcompat"
    tool.parent.mkdir(parents=True, exist_ok=True)
    tool.write_text('#!/bin/sh\necho "asked: $@"\ncase "$*" in *9.9*) exit 2;; esac\n')
    tool.chmod(0o755)


@pytest.mark.parametrize(
    ("session", "asked", "status"),
    [
        ("matrix(alpha='1.0')", "asked: run --where alpha=1.0 --again", 0),
        (f"cell(alpha1.0-python{MINOR}-2026-01-01)", "asked: run alpha1.0-", 0),
        ("matrix(alpha='9.9')", "asked: run --where alpha=9.9", 1),
    ],
)
def test_session_calls_the_command_with_what_was_asked(
    copied: TinyWorkspace, session: str, asked: str, status: int
) -> None:
    """A session is thin: the command judges, also about a value that nobody declared."""
    _nox(copied.root, "-s", "verlcompat")
    _put_command(copied)

    ended = _nox(copied.root, "-r", "-s", session, "--", "--again")

    assert asked in ended.stdout + ended.stderr
    assert ended.returncode == status


def test_malformed_cell_still_gets_its_session(copied: TinyWorkspace) -> None:
    """A broken file does not hide the others, and the command can say what is wrong with it."""
    copied.write("matrix/cells/broken.toml", "title = ")

    listed = _nox(copied.root, "-l")

    assert listed.returncode == 0
    assert "- cell(broken) -> " in listed.stdout
    assert "- matrix(alpha='1.0') -> " in listed.stdout
