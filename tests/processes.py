"""Whether processes that a test started, or had killed, are still there."""

from __future__ import annotations

import time
from pathlib import Path


def runs(pid: int) -> bool:
    """Return whether the process lives; one that nobody has reaped yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def is_gone(pid: int, *, leave_s: float) -> bool:
    """Return whether the process has ended *leave_s* from now at the latest."""
    until = time.monotonic() + leave_s
    while runs(pid):
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
    return True
