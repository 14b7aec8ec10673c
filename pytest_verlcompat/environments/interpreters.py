"""Find a CPython of a minor version on this machine."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import InterpreterMissingError, ToolMissingError
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.run import Limits, run
from pytest_verlcompat.resolve.uv import call_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

_ASK = (
    "import platform, sys; print(platform.python_implementation(), platform.python_version(), "
    "sys.base_prefix, sep='\\n')"
)


def find_python(minor: str) -> Path:
    """Return an interpreter of CPython *minor* (``3.12``) that answers.

    PATH is asked first, then pyenv's versions (its shims stand on PATH for versions that are
    not switched on, and fail), then uv for the ones it manages. Nothing is downloaded.

    Raises:
        InterpreterMissingError: If there is none; the message says how to get one.
    """
    for candidate in _candidates(minor):
        if describe_python(candidate).startswith(f"CPython {minor}."):
            return candidate
    raise InterpreterMissingError(
        f"this machine has no CPython {minor}; get it with: uv python install {minor}"
    )


def describe_python(python: Path) -> str:
    """Return ``CPython 3.12.1``, or an empty string if *python* does not answer."""
    try:
        ended = run(
            [python, "-I", "-S", "-c", _ASK],
            env=tool_environ(os.environ),
            cwd=Path(tempfile.gettempdir()),
            limits=Limits(timeout_s=20, leave_s=0),
        )
    except ToolMissingError:
        return ""
    return " ".join(ended.tail.splitlines()[:2]) if ended.exit_status == 0 else ""


def _candidates(minor: str) -> Iterator[Path]:
    if f"{sys.version_info.major}.{sys.version_info.minor}" == minor:
        yield Path(sys.executable)
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and (path := Path(folder, f"python{minor}")).exists():
            yield path
    pyenv = Path(os.environ.get("PYENV_ROOT", Path("~/.pyenv").expanduser()), "versions")
    yield from sorted(pyenv.glob(f"{minor}*/bin/python{minor}"))
    found = call_uv(
        ["python", "find", "--no-python-downloads", "--no-project", minor], timeout_s=60
    )
    if found.exit_status == 0 and found.output.strip():
        yield Path(found.output.strip())
