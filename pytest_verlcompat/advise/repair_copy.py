"""Copy an environment by hard links, change the copy, and put it in the original's place at once.

Installers remove a file and write another one, they do not write into it; so a change in the
copy leaves the original's file as it was. What is rewritten here is copied beforehand.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import DiskSpaceError, EnvironmentBuildError

if TYPE_CHECKING:
    from pathlib import Path

_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.ENOTSUP}
_SCRIPTS = ("bin", "pyvenv.cfg")
_LEAST_FREE_BYTES = 1 << 30


def copy_environment(prefix: Path, into: Path) -> None:
    """Make *into* an environment with the same files as *prefix*.

    Raises:
        DiskSpaceError: If there is hardly any room left.
        EnvironmentBuildError: If a file cannot be read; nothing is left behind.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(into.parent).free < _LEAST_FREE_BYTES:
        raise DiskSpaceError("less than 1 GiB is free", where=str(into.parent))
    try:
        _copy_folder(prefix, into, own=None)
    except OSError as error:
        shutil.rmtree(into, ignore_errors=True)
        raise EnvironmentBuildError(
            f"cannot be copied: {error.strerror}", where=str(error.filename)
        ) from error


def point_scripts(folder: Path, *, old: Path, new: Path) -> None:
    """Let what lies in *folder* and names the environment *old* name *new* instead."""
    named = re.compile(re.escape(os.fsencode(old)) + rb"(?=[/\"'\s:]|$)")
    for path in [*sorted((folder / "bin").glob("*")), folder / "pyvenv.cfg"]:
        if path.is_symlink() or not path.is_file():
            continue
        body = path.read_bytes()
        moved = named.sub(lambda _: os.fsencode(new), body)
        if moved == body or b"\0" in body[:1024]:
            continue
        aside = path.with_name(f".{path.name}.new")
        aside.write_bytes(moved)
        aside.chmod(path.stat().st_mode)
        aside.replace(path)


def exchange(one: Path, other: Path) -> None:
    """Swap two folders; nobody ever sees one of them missing where the kernel can do it.

    Raises:
        EnvironmentBuildError: If neither way works; both are where they were.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with contextlib.suppress(AttributeError):
        words = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
        if libc.renameat2(*words) == 0:
            return
    aside = other.with_name(f"{other.name}.swap")
    try:
        one.rename(aside)
        try:
            other.rename(one)
        except OSError:
            aside.rename(one)
            raise
        aside.rename(other)
    except OSError as error:
        raise EnvironmentBuildError(
            f"cannot be put into place: {error.strerror}", where=str(one)
        ) from error


def _copy_folder(source: Path, target: Path, *, own: bool | None) -> None:
    """Copy *source*; with *own* None the scripts and settings in it become the copy's own."""
    target.mkdir()
    for path in source.iterdir():
        place = target / path.name
        mine = path.name in _SCRIPTS if own is None else own
        if path.is_symlink():
            place.symlink_to(path.readlink())
        elif path.is_dir():
            _copy_folder(path, place, own=mine)
        elif mine:
            shutil.copy2(path, place)
        elif path.is_file():  # sockets and pipes are nobody's installation
            _link(path, place)
    shutil.copystat(source, target)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copy2(source, target)
