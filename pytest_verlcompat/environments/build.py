"""Build the environment of a lock once, and find it again.

Files are hard links into uv's cache, so a second environment costs what differs. A marker
is written last: a folder without one is a build that was cut short and is built anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.environments.interpreters import describe_python, find_python
from pytest_verlcompat.errors import DiskSpaceError, EnvironmentBuildError, IndexUnavailableError
from pytest_verlcompat.resolve.uv import call_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

_MARKER = "verlcompat.json"
_INSTALL_TIMEOUT_S = 3600.0
_LEAST_FREE_BYTES = 1 << 30
_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_BUILD_FAILED = re.compile(r"failed to build|build backend returned an error", re.IGNORECASE)
_NO_HASH = re.compile(r"hash mismatch", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment that holds exactly its lock."""

    python: Path
    interpreter: str
    """``CPython 3.12.1``."""
    id: str
    """Drawn at the build; another build of the same lock has another one."""
    duration_s: float
    """How long the build took."""
    unmet: tuple[str, ...]
    """What ``uv pip check`` says about it; empty where it is clean."""
    reused: bool
    """Whether it was there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFailure:
    """The stack's own build failed: a source distribution that does not compile here."""

    messages: str
    """The end of what uv said."""
    duration_s: float


def build_environment(
    cell: Cell, lock: Lock, *, folder: Path, say: Callable[[str], None]
) -> Environment | BuildFailure:
    """Return the environment of *lock*, built if it is not in *folder* yet.

    Two runs that want the same environment wait for each other.

    Raises:
        InterpreterMissingError: If the machine lacks the cell's Python.
        DiskSpaceError: If the disk is full, or about to be.
        IndexUnavailableError: If files have to be fetched and cannot be.
        EnvironmentBuildError: If uv could not install the lock for another reason.
    """
    place = place_of(cell, lock, folder)
    with hold(folder / f"{place.name}.lock", say=say):
        found = find_environment(cell, lock, folder=folder)
        return found or _build(cell, lock, place=place, say=say)


def find_environment(cell: Cell, lock: Lock, *, folder: Path) -> Environment | None:
    """Return the environment of *lock* if it is in *folder*, ready to use."""
    place = place_of(cell, lock, folder)
    python = place / "bin" / "python"
    try:
        marker = json.loads((place / _MARKER).read_text(encoding="utf-8"))
        ready = marker["lock_sha256"] == lock.sha256 and python.exists()
        return (
            Environment(
                python=python,
                interpreter=marker["interpreter"],
                id=marker["id"],
                duration_s=marker["duration_s"],
                unmet=tuple(marker["unmet"]),
                reused=True,
            )
            if ready
            else None
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def place_of(cell: Cell, lock: Lock, folder: Path) -> Path:
    """Return the folder of the environment of *lock*, there or not."""
    return folder / hashlib.sha256(f"{lock.sha256} {cell.python}".encode()).hexdigest()[:16]


@contextlib.contextmanager
def hold(path: Path, *, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the lock file *path*; wait, and say so, while another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run that holds it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(
    cell: Cell, lock: Lock, *, place: Path, say: Callable[[str], None]
) -> Environment | BuildFailure:
    python = find_python(cell.python)
    place.parent.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(place.parent).free
    if free_bytes < _LEAST_FREE_BYTES:
        raise DiskSpaceError(
            f"only {free_bytes >> 20} MiB are free; an environment takes up to 12 GiB",
            where=".verlcompat/environments",
        )
    shutil.rmtree(place, ignore_errors=True)
    say(f"building {len(lock.versions)} distributions for Python {cell.python}")
    started = time.monotonic()
    _call(["venv", "--no-project", "--no-config", "--python", str(python), str(place)], cell)
    inside = place / "bin" / "python"
    failure = _call(
        [
            *("pip", "install", "--python", str(inside), "--no-deps", "--require-hashes"),
            *("--link-mode", "hardlink", "-r", str(lock.path)),
        ],
        cell,
    )
    if failure is not None:
        return failure
    duration_s = time.monotonic() - started
    check = call_uv(["pip", "check", "--python", str(inside)], timeout_s=120)
    environment = Environment(
        python=inside,
        interpreter=describe_python(inside),
        id=uuid.uuid4().hex,
        duration_s=round(duration_s, 3),
        unmet=_complaints(check.messages) if check.exit_status else (),
        reused=False,
    )
    _mark(place, environment, lock)
    say(f"built in {duration_s:.1f} s")
    return environment


def _mark(place: Path, environment: Environment, lock: Lock) -> None:
    marker = {
        "id": environment.id,
        "interpreter": environment.interpreter,
        "duration_s": environment.duration_s,
        "unmet": environment.unmet,
        "lock_sha256": lock.sha256,
    }
    written = place / f".{_MARKER}.new"
    written.write_text(json.dumps(marker, indent=1), encoding="utf-8")
    written.replace(place / _MARKER)


def _call(words: list[str], cell: Cell) -> BuildFailure | None:
    """Call uv; return the stack's failure, raise whatever is not the stack's."""
    ended = call_uv(words, timeout_s=_INSTALL_TIMEOUT_S)
    if ended.exit_status and ended.index_unreachable:  # what is in the cache may be enough
        again = call_uv([*words, "--offline"], timeout_s=_INSTALL_TIMEOUT_S)
        ended = again if again.exit_status == 0 else ended
    if ended.exit_status == 0:
        return None
    if _NO_SPACE.search(ended.messages):
        raise DiskSpaceError(f"the disk filled up: {ended.last_line}", where=cell.id)
    if ended.index_unreachable:
        raise IndexUnavailableError(
            f"cannot fetch what is not in uv's cache: {ended.last_line}", where=cell.id
        )
    if _NO_HASH.search(ended.messages):
        raise EnvironmentBuildError(
            f"the index serves other bytes than were locked: {ended.messages}", where=cell.id
        )
    if _BUILD_FAILED.search(ended.messages):
        return BuildFailure(messages=ended.messages, duration_s=round(ended.duration_s, 3))
    how = "ran out of time" if ended.timed_out else f"ended with {ended.exit_status}"
    raise EnvironmentBuildError(f"uv {words[0]} {how}: {ended.messages}", where=cell.id)


def _complaints(messages: str) -> tuple[str, ...]:
    return tuple(
        line.strip() for line in messages.splitlines() if "but" in line or "requires" in line
    )
