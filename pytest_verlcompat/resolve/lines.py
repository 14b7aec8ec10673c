"""JSON Lines that several writers append to: whole lines, under a lock, never edited."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def append_line(path: Path, line: str) -> None:
    """Append *line* in one write under a lock; a torn line before it stays alone.

    Not flushed to the disk each time: what a power cut takes is asked again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        whole = not size or os.pread(handle, 1, size - 1) == b"\n"
        os.write(handle, (b"" if whole else b"\n") + line.encode() + b"\n")
    finally:
        os.close(handle)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each whole line of *path*; what a crash cut is left out."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if _is_json(line):
            yield number, line


def _is_json(line: str) -> bool:
    return line.startswith("{") and line.endswith("}")
