"""Static checks of an installed environment, remembered until it changes.

Reading verl's imports is most of what a look costs, so their answer is kept in the user's cache
folder under a digest of what it rests on: this release and the code of the check, the ``RECORD``
of every distribution, and size and time of each file of verl and the engines, which people edit
in place.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

import pytest_verlcompat
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.model.codec import parse_line, render_line
from pytest_verlcompat.process.aside import begin_aside
from pytest_verlcompat.wheels.cache import default_cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.checks.installed import InstalledCheck
    from pytest_verlcompat.model.evidence import Evidence

_EDITED = ("verl", "vllm", "sglang")
"""Top-level modules whose files are looked at one by one."""
_KEPT = 64
"""Answers kept; the oldest go first."""


def known(check: InstalledCheck, inventory: Inventory) -> Evidence | None:
    """Return what *check* said of this very environment before, ``None`` where it was not asked."""
    path = _path(check, inventory)
    try:
        return parse_line(path.read_text(encoding="utf-8"), where=path.name)
    except (OSError, ValueError, VerlcompatError):
        return None  # a damaged answer is given anew


def begin(check: InstalledCheck, inventory: Inventory) -> Callable[[], Evidence]:
    """Begin *check* beside this process; return what gives its answer, and remembers it.

    What is returned raises `VerlcompatError` if the environment cannot be read.
    """

    def work() -> bytes:
        record = check.run(inventory.interpreter.path, machine=inventory.host.machine)
        return render_line(record).encode()

    reply = begin_aside(work)

    def answer() -> Evidence:
        text = reply().decode()
        _keep(_path(check, inventory), text)
        return parse_line(text, where=check.name)

    return answer


def _keep(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time only
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
        files = sorted(path.parent.glob("*.jsonl"), key=lambda each: each.stat().st_mtime)
        for old in files[:-_KEPT]:
            old.unlink(missing_ok=True)


def _path(check: InstalledCheck, inventory: Inventory) -> Path:
    digest = hashlib.sha256(f"{pytest_verlcompat.__version__} {check.sha256}".encode())
    digest.update(f"{inventory.interpreter.version} {inventory.host.machine.glibc}".encode())
    folders = inventory.interpreter.site_packages
    for each in inventory.distributions:
        if each.location in folders:
            digest.update(f"\n{each.metadata.name}\n".encode())
            digest.update(_record(each.metadata))
    for line in _stamps(folders):
        digest.update(line.encode("utf-8", "surrogateescape"))
    return default_cache_folder() / "doctor" / f"{check.name}-{digest.hexdigest()[:32]}.jsonl"


def _record(metadata: Path) -> bytes:
    try:
        return (metadata / "RECORD").read_bytes()
    except OSError:
        return b"no RECORD"


def _stamps(folders: Sequence[Path]) -> Iterator[str]:
    """Yield place, size and time of each source file of what people edit."""
    for folder in folders:
        for name in _EDITED:
            for place, _, files in os.walk(folder / name):
                for file in sorted(files):
                    if file.endswith(".py"):
                        found = os.stat(f"{place}/{file}", follow_symlinks=False)  # noqa: PTH116 -- thousands
                        yield f"{place}/{file} {found.st_size} {found.st_mtime_ns}\n"
