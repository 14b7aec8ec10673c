"""Call uv; the only place that knows its command line.

uv is told nothing about indexes: it uses the ones the caller configured.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ToolMissingError
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.redact import make_redactor
from pytest_verlcompat.process.run import Limits, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNREACHABLE = re.compile(
    r"error sending request|failed to fetch|could not connect|dns error|timed out"
    r"|connection (?:refused|reset)|network (?:is )?unreachable"
    r"|network connectivity is disabled|network was disabled"
    r"|HTTP status (?:server error|client error \(4(?:0[13]|29))|tls handshake",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UvEnded:
    """How one call of uv ended."""

    exit_status: int | None
    output: str
    """What it wrote to its standard output."""
    messages: str
    """What it wrote to its standard error, redacted, its last 8 KiB."""
    timed_out: bool
    duration_s: float

    @property
    def last_line(self) -> str:
        """The last line of its messages that says something."""
        lines = [line.strip() for line in self.messages.splitlines() if line.strip()]
        return lines[-1] if lines else "no message"

    @property
    def index_unreachable(self) -> bool:
        """Whether it complains of the network rather than of what it was asked for.

        Warnings before the error are about something else, such as a Python to download.
        """
        _, _, error = f"\n{self.messages}".rpartition("\nerror: ")
        return bool(_UNREACHABLE.search(error))


def find_uv() -> Path:
    """Return the path of uv: the one of this installation, or else the one on PATH.

    Raises:
        ToolMissingError: If there is none.
    """
    found: str | None
    try:
        import uv  # noqa: PLC0415 -- not there where uv was installed otherwise

        found = uv.find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise ToolMissingError('uv is not on PATH; install it: python -m pip install "nox[uv]"')
    return Path(found)


def uv_version() -> str:
    """Return the version of uv, such as ``0.13.8``."""
    ended = call_uv(["--version"], timeout_s=30)
    words = ended.output.split()
    return words[1] if len(words) > 1 else "unknown"


def call_uv(
    words: Sequence[str],
    *,
    timeout_s: float,
    files: Mapping[str, Sequence[str]] | None = None,
    log: Path | None = None,
) -> UvEnded:
    """Return how ``uv *words*`` ended.

    Args:
        files: Lines of files that take the place of the words they are named by.
        log: File that keeps the redacted messages.

    Raises:
        ToolMissingError: If uv is not there.
    """
    with tempfile.TemporaryDirectory(prefix="verlcompat-") as folder:
        output = Path(folder, "output")
        asked = list(words)
        for index, (word, lines) in enumerate((files or {}).items()):
            given = Path(folder, f"given-{index}.txt")
            given.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            asked = [str(given) if each == word else each for each in asked]
        ended = run(
            [find_uv(), *asked],
            env={"NO_COLOR": "1", **tool_environ(os.environ)},
            cwd=Path(folder),
            limits=Limits(timeout_s=timeout_s, leave_s=0),
            log=log,
            output=output,
            redact=make_redactor(os.environ, places={"scratch": Path(folder)}),
        )
        text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    return UvEnded(
        exit_status=ended.exit_status,
        output=text,
        messages=ended.tail,
        timed_out=ended.timed_out,
        duration_s=ended.duration_s,
    )
