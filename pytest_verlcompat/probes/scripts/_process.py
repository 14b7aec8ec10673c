"""Start a program of the stack, keep its output, and end it with everything it started."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

_POLL_S = 0.2
_LEAVE_S = 10.0


class Finished(NamedTuple):
    """How a program ended."""

    status: int | None
    """Exit status, negative for a signal; None where it was ended at its deadline."""
    seconds: float
    output: str
    """Standard output and error together."""

    def last_lines(self, count: int = 15) -> str:
        """Return the end of the output."""
        return "\n".join(self.output.splitlines()[-count:])


def python(*arguments: str) -> list[str]:
    """Return a command for this interpreter, isolated if this process is."""
    return [sys.executable, *(["-I"] if sys.flags.isolated else []), *arguments]


def run(
    command: list[str], *, cwd: Path, timeout_s: float, environ: dict[str, str | None] | None = None
) -> Finished:
    """Return how *command* ended; its output is shown as it comes, and kept.

    Args:
        environ: Changes of this process's environment; None as a value takes a variable out.
    """
    env = {**os.environ, **{key: value or "" for key, value in (environ or {}).items()}}
    for key in (key for key, value in (environ or {}).items() if value is None):
        env.pop(key, None)
    started = time.monotonic()
    chunks: list[bytes] = []
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    known: set[int] = set()
    try:
        in_time = _collect(process, chunks, known=known, deadline=started + timeout_s)
        status = process.wait() if in_time else None
    finally:
        known |= set(descendants(process.pid))
        if process.poll() is None:
            process.kill()
            process.wait()
        _end(known)
        if process.stdout is not None:
            process.stdout.close()
    output = b"".join(chunks).decode("utf-8", errors="replace")
    return Finished(status, round(time.monotonic() - started, 3), output)


def _collect(process: Any, chunks: list[bytes], *, known: set[int], deadline: float) -> bool:
    """Read until the program itself is over; return False where the deadline came first."""
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        looked = 0.0
        while time.monotonic() < deadline:
            over = process.poll() is not None
            if selector.select(timeout=_POLL_S):
                chunk = process.stdout.read()
                if chunk:
                    chunks.append(chunk)
                    sys.stdout.buffer.write(chunk)
                    sys.stdout.flush()
                elif chunk == b"":
                    time.sleep(_POLL_S)  # closed, but the program may live on
            if over:
                return True
            if time.monotonic() - looked > 1.0:
                known |= set(descendants(process.pid))
                looked = time.monotonic()
    return False


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes that *pid* started, directly or not."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile
        children.setdefault(parent, []).append(int(folder.name))
    found, queue = [], [pid]
    while queue:
        queue += (below := children.get(queue.pop(), []))
        found += below
    return found


def wait_for_children(timeout_s: float = _LEAVE_S) -> list[str]:
    """Return the names of processes below this one that are still there after *timeout_s*.

    Helpers of Python's own multiprocessing, which end with this process, do not count.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        left = [name for name in map(_name, descendants(os.getpid())) if name]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_POLL_S)


def _name(pid: int) -> str | None:
    """Return the title of process *pid*, None if it is gone, dead or multiprocessing's."""
    folder = Path("/proc") / str(pid)
    try:
        words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return None
    if not words or "resource_tracker" in words or "forkserver" in words:
        return None
    return words[:120]


def _end(pids: set[int]) -> None:
    """Kill those of *pids* that are still there."""
    for pid in pids:
        if _name(pid) is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
