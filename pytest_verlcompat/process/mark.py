"""Find processes by a mark in their environment, which children inherit whatever they leave.

The mark names its owner, the process of ours that started them, so that what an owner left
behind when it was killed can be told from what is still being watched.
"""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from pathlib import Path

MARK = "VERLCOMPAT_PROCESS"
"""Environment variable by which descendants are found."""

_PROC = Path("/proc")
_PARTS = 4
_ENDED = frozenset("ZX")
"""States of a process that runs no more, and waits for its parent to take notice."""
_START_TIME = 19  # of the fields after the name; the 22nd of all, see proc_pid_stat(5)


def make_mark() -> str:
    """Return a new mark: our process id and its start, the namespace of both, and a random part."""
    pid = os.getpid()
    return f"{pid}-{_start_of(pid)}-{_namespace()}-{uuid.uuid4().hex}"


def marked_processes(mark: str) -> list[int]:
    """Return the process ids whose environment carries *mark*; empty where /proc is not there."""
    return [pid for pid, found in _marks() if found == mark]


def end_orphans() -> int:
    """Kill what owners that are gone have left running; return how many processes that were.

    Owners of another process namespace cannot be seen from here, so theirs are left alone.
    """
    namespace, ended = _namespace(), 0
    for pid, mark in _marks():
        owner = mark.split("-")
        if len(owner) != _PARTS or owner[2] != namespace or pid == os.getpid():
            continue
        if owner[0].isdigit() and _start_of(int(owner[0])) != owner[1]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                ended += 1
    return ended


def _marks() -> list[tuple[int, str]]:
    """Return process id and mark of every living process that carries one and is ours to see."""
    found = []
    for folder in _PROC.glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes()
            state = _fields(folder)[0]
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile, or belongs to somebody else
        if state in _ENDED:
            continue
        for entry in environ.split(b"\0"):
            name, _, value = entry.partition(b"=")
            if name == MARK.encode():
                found.append((int(folder.name), value.decode(errors="replace")))
    return found


def _fields(folder: Path) -> list[str]:
    """Return what follows the name of the program in its ``stat``."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def _start_of(pid: int) -> str:
    """Return when the process began, in ticks since the boot; empty if it does not live."""
    try:
        fields = _fields(_PROC / str(pid))
    except OSError:
        return ""
    return "" if fields[0] in _ENDED else fields[_START_TIME]


def _namespace() -> str:
    try:
        return str((_PROC / "self" / "ns" / "pid").stat().st_ino)
    except OSError:
        return ""
