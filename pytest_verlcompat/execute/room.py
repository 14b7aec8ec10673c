"""Share the disk of a machine: who uses an environment, how many are built, what may go.

Everything is a lock file below the shared folder, so it ends with the process that holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POLL_S = 0.2
_SUFFIX = ".used"


@contextlib.contextmanager
def using(place: Path) -> Iterator[None]:
    """Keep the environment at *place*, there or not yet, from being removed to make room."""
    place.parent.mkdir(parents=True, exist_ok=True)
    mark = place.with_name(place.name + _SUFFIX)
    with mark.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        os.utime(mark)
        yield


@contextlib.contextmanager
def building_slot(folder: Path, *, count: int) -> Iterator[None]:
    """Wait until fewer than *count* others, on this machine, hold a slot in *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for number in range(max(count, 1)):
            with (folder / f"{number}.lock").open("a") as handle:
                if _try(handle.fileno()):
                    yield
                    return
        time.sleep(_POLL_S)


def find_room(place: Path, *, wanted_mib: int, spare_mib: int) -> tuple[str, ...]:
    """Return what the disk lacks for an environment at *place*; nothing if it is there already.

    Environments that nobody uses are removed, the longest unused first, while that helps.

    Args:
        spare_mib: What has to be left for others.
    """
    if place.exists():
        return ()
    marks = place.parent.glob(f"*{_SUFFIX}")
    for mark in sorted(marks, key=lambda each: each.stat().st_mtime):
        if _free_mib(place) >= wanted_mib + spare_mib:
            return ()
        with mark.open("a") as handle:
            if _try(handle.fileno()):
                shutil.rmtree(mark.with_name(mark.name.removesuffix(_SUFFIX)), ignore_errors=True)
    free_mib = _free_mib(place)
    if free_mib >= wanted_mib + spare_mib:
        return ()
    return (f"{wanted_mib} MiB of disk and {spare_mib} to spare; {free_mib} are free",)


def _free_mib(place: Path) -> int:
    return shutil.disk_usage(place.parent).free >> 20


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
