"""The Python that a carried cell is unpacked for, and what it already has."""

from __future__ import annotations

import csv
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pytest_verlcompat.environments.installed import ask_python, installed_versions
from pytest_verlcompat.errors import BundleError
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.run import Limits, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.execute.manifest import Manifest

TARGET_FOLDER = "target"
"""Folder in the environment with links to what the target has by itself."""

_VENV_TIMEOUT_S = 120.0
_MINOR = re.compile(r"CPython (?P<minor>\d+\.\d+)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An interpreter that can take the bundle."""

    python: Path
    interpreter: str
    """``CPython 3.12.1``."""
    folders: tuple[Path, ...]
    """Where it imports from."""
    versions: dict[str, str]
    """What it has of what was left out."""


def look_at_target(manifest: Manifest, python: Path) -> Target:
    """Return what is known about *python*, if the bundle can be unpacked for it.

    Raises:
        InterpreterMissingError: If it does not answer.
        BundleError: If it is another Python or architecture than the cell's, or lacks what
            was left out of the bundle.
    """
    interpreter, folders = ask_python(python)
    match = _MINOR.match(interpreter)
    if match is None or match["minor"] != manifest.python:
        raise BundleError(
            f"{python} is {interpreter}; the cell needs CPython {manifest.python}, "
            "name one with --python"
        )
    architecture = manifest.platform.partition("-")[0]
    if platform.machine() != architecture:
        raise BundleError(
            f"this machine is {platform.machine()}, the cell was locked for {architecture}"
        )
    there = installed_versions(folders)
    missing = [f"{name} {was}" for name, was in manifest.left_out.items() if name not in there]
    if missing:
        raise BundleError(
            f"left out of the bundle and not found for {python}: {', '.join(missing)}; name the "
            "Python that has it with --python, or bundle without --without"
        )
    return Target(
        python=python,
        interpreter=interpreter,
        folders=folders,
        versions={name: there[name] for name in manifest.left_out},
    )


def make_environment(target: Target, *, into: Path) -> Path:
    """Return the interpreter of a new, empty environment at *into*.

    Raises:
        BundleError: If the target's Python cannot make one.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    ended = run(
        [target.python, "-I", "-m", "venv", "--without-pip", into],
        env=tool_environ(os.environ),
        cwd=into.parent,
        limits=Limits(timeout_s=_VENV_TIMEOUT_S, leave_s=0),
    )
    if ended.exit_status != 0:
        raise BundleError(f"{target.python} -m venv failed: {ended.tail}", where=str(into))
    return into / "bin" / "python"


def link_left_out(manifest: Manifest, target: Target, *, into: Path) -> None:
    """Make what was left out importable, and nothing else that the target has.

    The target's whole site-packages would bring along what the lock does not have, such as a
    flash-attn that other distributions look for and use.

    Raises:
        BundleError: If an installed distribution has no list of its files.
    """
    links = into / TARGET_FOLDER
    links.mkdir(exist_ok=True)
    for name in manifest.left_out:
        for place, inside in _entries(name, target):
            link = links / inside
            link.parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(link):
                link.symlink_to(place / inside)
    site = into / "lib" / f"python{manifest.python}" / "site-packages"
    (site / "verlcompat-target.pth").write_text(f"{links}\n", encoding="utf-8")


def point_scripts(python: Path) -> None:
    """Let the programs beside *python* be run by it; they name the Python they came with."""
    for path in python.parent.iterdir():
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            first = file.readline(512)
            if not (first.startswith(b"#!") and b"python" in first):
                continue
            rest = file.read()
        path.write_bytes(f"#!{python}\n".encode() + rest)


def _entries(name: str, target: Target) -> Iterator[tuple[Path, str]]:
    """Yield folder and name of what has to be linked for the distribution *name*."""
    home = _metadata(name, target)
    try:
        with (home / "RECORD").open(encoding="utf-8", newline="") as file:
            rows = [Path(row[0]) for row in csv.reader(file) if row]
    except OSError as error:
        raise BundleError(
            f"{name} of {target.python} has no RECORD, so its files are not known; "
            f"bundle without --without {name}"
        ) from error
    place = home.parent
    seen = set()
    for row in rows:
        if row.is_absolute() or ".." in row.parts or "__pycache__" in row.parts:
            continue
        depth = 1
        # A namespace package, such as nvidia, belongs to several distributions.
        while len(row.parts) > depth and _is_namespace(place.joinpath(*row.parts[:depth])):
            depth += 1
        seen.add("/".join(row.parts[:depth]))
    for inside in sorted(seen):
        yield place, inside


def _is_namespace(folder: Path) -> bool:
    # Metadata has no __init__.py either, and belongs to one.
    return folder.suffix != ".dist-info" and not (folder / "__init__.py").exists()


def _metadata(name: str, target: Target) -> Path:
    for folder in target.folders:
        for path in folder.glob("*.dist-info"):
            if canonicalize_name(path.name.partition("-")[0]) == name:
                return path
    raise BundleError(f"{name} of {target.python} has no metadata folder")
