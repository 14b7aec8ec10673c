"""An interpreter is found where it answers; a shim that does not is passed over."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_verlcompat.environments.interpreters import describe_python, find_python
from pytest_verlcompat.errors import InterpreterMissingError
from tests.tiny import MINOR

OTHER = "3.98"


def _tool(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_running_interpreter_is_taken_for_its_own_version() -> None:
    """The Python that runs us needs no search."""
    assert find_python(MINOR) == Path(sys.executable)


def test_shim_that_fails_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pyenv's shims stand on PATH for versions that are not switched on; the real one is taken."""
    _tool(tmp_path / "shims" / f"python{OTHER}", "echo 'pyenv: command not found' >&2; exit 127")
    answer = f"echo CPython; echo {OTHER}.1; echo /usr"
    real = _tool(tmp_path / "pyenv" / "versions" / f"{OTHER}.1" / "bin" / f"python{OTHER}", answer)
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))

    assert find_python(OTHER) == real


def test_interpreter_that_lies_about_its_version_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file name proves nothing; ``3.9`` is not ``3.98``, and PyPy is not CPython."""
    _tool(tmp_path / f"python{OTHER}", "echo CPython; echo 3.9.8; echo /usr")
    _tool(tmp_path / "more" / f"python{OTHER}", f"echo PyPy; echo {OTHER}.1; echo /usr")
    path = [str(tmp_path), str(tmp_path / "more"), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))

    with pytest.raises(InterpreterMissingError, match=r"no CPython 3\.98; get it with"):
        find_python(OTHER)


@pytest.mark.parametrize(
    "text", ["exit 1", "kill -SEGV $$", "echo", "exec sleep 0.1"], ids=str.split
)
def test_interpreter_that_does_not_answer_has_no_description(tmp_path: Path, text: str) -> None:
    """Whatever a broken interpreter does, it is simply not one."""
    assert not describe_python(_tool(tmp_path / "python", text)).startswith("CPython")


def test_missing_interpreter_has_no_description(tmp_path: Path) -> None:
    """A path without a program is simply not one."""
    assert describe_python(tmp_path / "python") == ""
