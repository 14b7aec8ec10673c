"""What the workers of one session do once for all: a folder, a lock a thing, a file a result.

The process that started the workers names the folder and removes it in the end; whoever needs
something first makes it, while the others wait.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "verlcompat_folder"
"""Under this name a worker is told the folder."""

_NAME = pytest.StashKey[str]()


def folder_name(config: pytest.Config) -> str:
    """Return the path of this session's folder, which need not be there yet.

    It is short and not below the checkout, because Ray's sockets live in it.
    """
    if _NAME not in config.stash:
        told = getattr(config, "workerinput", {}).get(KEY)
        if told is None:
            made = Path(tempfile.gettempdir(), f"vcs-{os.urandom(5).hex()}")
            config.add_cleanup(lambda: shutil.rmtree(made, ignore_errors=True))
            told = str(made)
        config.stash[_NAME] = told
    return config.stash[_NAME]


def open_folder(config: pytest.Config) -> Path:
    """Return this session's folder, made where it is not there yet."""
    folder = Path(folder_name(config))
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def once(folder: Path, key: str, make: Callable[[], str]) -> str:
    """Return what *make* returned, called once a session whatever the number of workers.

    A worker that dies while it makes something leaves it to the next who asks.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    path = folder / f"{digest}.json"
    with _locked(folder / f"{digest}.lock"):
        if not path.exists():
            aside = folder / f"{digest}.new"
            aside.write_text(make(), encoding="utf-8")
            aside.replace(path)
        return path.read_text(encoding="utf-8")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
