"""Pack this package and what it needs: ``verlcompat.pyz`` for a person, the agent for a node."""

from __future__ import annotations

import io
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import IndexUnavailableError
from pytest_verlcompat.resolve.uv import call_uv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PACKAGE = Path(__file__).parents[1]
_VERBS = ("unbundle",)
_LEFT_BEHIND = ("report", "recipes", "advise", "plugin", "matrix")
"""Rooms that the verbs of the runner do not enter, and that need more than is carried."""
_OF_AGENT = ("packaging", "elftools", "itanium_demangler", "tomli", "typing_extensions")
"""What the rooms of the agent import, where it is installed here; all of it is plain Python."""

# The archive is unpacked first: a probe is a file that another interpreter opens, and an
# extension cannot be loaded from within an archive.
_MAIN = '''\
"""Unpack this archive into a temporary folder and run the command from there."""

import sys

if sys.version_info < (3, 10):
    sys.exit("verlcompat: needs Python 3.10 or later, this is %d.%d" % sys.version_info[:2])

import os
import tempfile
import zipfile

with tempfile.TemporaryDirectory(prefix="vc-") as folder:
    here = os.path.abspath(sys.argv[0])
    with zipfile.ZipFile(here) as archive:
        archive.extractall(folder)
    sys.path[:] = [folder, *(each for each in sys.path if os.path.abspath(each or ".") != here)]
    from pytest_verlcompat.cli import main

    status = main()
sys.exit(status)
'''

_AGENT_MAIN = '''\
"""Carry out one task; started by an executor, with the task on its input."""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)

from pytest_verlcompat.execute.agent import main

sys.exit(main([*sys.argv[1:], "--lifeline", "--scripts", os.path.join(here, "scripts")]))
'''


def pack_agent(scripts: Path) -> bytes:
    """Return a zip archive of the agent and of the probe scripts in the folder *scripts*."""
    members = {"__main__.py": _AGENT_MAIN.encode()}
    for path in _PACKAGE.rglob("*"):
        name = path.relative_to(_PACKAGE.parent)
        if (
            path.is_file()
            and path.suffix != ".pyc"
            and name.parts[1] not in {*_LEFT_BEHIND, "cli", "issues"}
        ):
            members[name.as_posix()] = path.read_bytes()
    for module in _OF_AGENT:
        members.update(_module(module))
    members.update({f"scripts/{each.name}": each.read_bytes() for each in scripts.glob("*.py")})
    stream = io.BytesIO()
    _write(members, stream)
    return stream.getvalue()


def write_runner(path: Path, *, python: Path, platform: str, with_zstandard: bool) -> None:
    """Write the runner for the Python and platform of a cell.

    Args:
        python: An interpreter of the cell's Python; zstandard is fetched for it.

    Raises:
        IndexUnavailableError: If zstandard is not in uv's cache and cannot be fetched.
    """
    with tempfile.TemporaryDirectory(prefix="verlcompat-") as folder:
        members = {"__main__.py": _MAIN.encode(), **dict(_own()), **dict(_module("packaging"))}
        if with_zstandard:
            members.update(_zstandard(Path(folder), python=python, platform=platform))
        _write(members, path)


def _write(members: Mapping[str, bytes], target: Path | io.BytesIO) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(members.items()):
            member = zipfile.ZipInfo(name)  # of 1980: equal contents, equal bytes
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)


def _own() -> Iterator[tuple[str, bytes]]:
    for path in _PACKAGE.rglob("*.py"):
        name = path.relative_to(_PACKAGE.parent)
        room = name.parts[1]
        verb = name.stem.removeprefix("cmd_") if name.stem.startswith("cmd_") else None
        if room not in _LEFT_BEHIND and (verb is None or verb in _VERBS):
            yield name.as_posix(), path.read_bytes()


def _module(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of an installed module of plain Python; nothing if it is not there."""
    spec = find_spec(name)
    if spec is not None and spec.origin is not None and not spec.submodule_search_locations:
        yield Path(spec.origin).name, Path(spec.origin).read_bytes()
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        for path in Path(place).rglob("*.py"):
            yield path.relative_to(Path(place).parent).as_posix(), path.read_bytes()


def _zstandard(folder: Path, *, python: Path, platform: str) -> Iterator[tuple[str, bytes]]:
    ended = call_uv(
        [
            *("pip", "install", "--target", str(folder), "--no-deps", "--only-binary", ":all:"),
            *("--python", str(python), "--python-platform", platform, "zstandard>=0.22"),
        ],
        timeout_s=300,
    )
    if ended.exit_status != 0:
        raise IndexUnavailableError(
            f"cannot fetch zstandard for the target: {ended.last_line}; "
            "--compress gzip does without it"
        )
    for path in folder.rglob("*"):
        # The second backend needs cffi, which is not carried.
        if path.is_file() and path.suffix in {".py", ".so"} and "cffi" not in path.name:
            yield path.relative_to(folder).as_posix(), path.read_bytes()
