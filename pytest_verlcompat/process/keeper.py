"""Outlive this process by a moment, to end what it watched when it could not do so itself.

Nobody tidies up after ``kill -9``, the kernel's killer for memory, or a Ray node that dies with
its tasks. So the first command that a process starts is preceded by a small companion, which
sleeps until that process is gone, and then ends everything that carries its mark.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import time
from pathlib import Path

from pytest_verlcompat.process.mark import MARK, end_orphans

_ROUNDS = 3
"""A process that was just being started may show its mark a moment later."""
_ROUND_S = 0.2

_MAIN = "import sys; sys.path.insert(0, sys.argv[1]); import {0}; {0}.main(int(sys.argv[2]))"
_lock = threading.Lock()
_kept: set[int] = set()


def start_keeper() -> None:
    """Start the companion of this process, unless it has one; do without where it cannot be."""
    with _lock:
        owner = os.getpid()
        if owner in _kept or not Path("/proc/self/environ").exists():
            return
        _kept.add(owner)
        # A fork has none, though it finds that its parent had one; and what was spawned like
        # this is waited for by init, not by us.
        with contextlib.suppress(OSError):  # the next run ends what it would have ended
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-c", _MAIN.format(__name__), _home(), str(owner)],
                {name: os.environ[name] for name in (MARK, "PATH") if name in os.environ},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)
                ],
            )


def main(owner: int) -> None:
    """Wait until the process *owner*, which started this one, is gone; then end what it left."""
    with contextlib.suppress(OSError):
        os.setsid()
    os.closerange(3, 1 << 12)
    _wait_for(owner)
    for _ in range(_ROUNDS):
        end_orphans()
        time.sleep(_ROUND_S)


def _wait_for(owner: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        watch = os.pidfd_open(owner)
        if os.getppid() == owner:
            select.select([watch], [], [])
        return
    while os.getppid() == owner:  # a kernel before 5.3
        time.sleep(_ROUND_S)


def _home() -> str:
    """Return the folder, or the archive, that this package is imported from."""
    return str(Path(__file__).parents[2].absolute())
