"""What an environment has, read from the names of its metadata folders; nothing is imported."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import InterpreterMissingError, ToolMissingError
from pytest_verlcompat.model.names import normalize
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.run import Limits, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ASK = """\
import platform, sys
print(platform.python_implementation(), platform.python_version())
print(*(entry for entry in sys.path if entry), sep="\\n")
"""


def ask_python(python: Path) -> tuple[str, tuple[Path, ...]]:
    """Return the name of the interpreter *python* and the folders it imports from.

    Raises:
        InterpreterMissingError: If it does not answer.
    """
    if python == Path(sys.executable):
        version = ".".join(map(str, sys.version_info[:3]))
        name = {"cpython": "CPython"}.get(sys.implementation.name, sys.implementation.name)
        return f"{name} {version}", tuple(Path(entry) for entry in sys.path if entry)
    with tempfile.TemporaryDirectory(prefix="verlcompat-") as folder:
        output = Path(folder, "output")
        try:
            ended = run(
                [python, "-c", _ASK],
                env=tool_environ(os.environ),
                cwd=Path(folder),
                limits=Limits(timeout_s=30, leave_s=0),
                output=output,
            )
        except ToolMissingError as error:
            raise InterpreterMissingError(str(error)) from error
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    if ended.exit_status != 0 or not lines:
        raise InterpreterMissingError(f"does not answer: {ended.tail}", where=str(python))
    return lines[0], tuple(Path(line) for line in lines[1:])


def installed_versions(folders: Iterable[Path]) -> dict[str, str]:
    """Return normalized distribution name to version for everything in *folders*.

    Where two folders hold the same distribution the first one counts, as for an import.
    """
    found: dict[str, str] = {}
    for folder in folders:
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError:
            continue
        for name in names:
            stem, dot, suffix = name.rpartition(".")
            # pip renames what it could not remove to begin with a tilde.
            if dot and suffix in {"dist-info", "egg-info"} and stem[:1].isalnum():
                distribution, _, version = stem.partition("-")
                version = version.partition("-py")[0] if suffix == "egg-info" else version
                found.setdefault(normalize(distribution), version)
    return found


def versions_sha256(versions: Mapping[str, str]) -> str:
    """Return the digest of the sorted ``name==version`` lines."""
    lines = "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
