"""The lowest C library for which a set of picks still has a wheel each: read from file names.

A set that was resolved for glibc 2.35 is a solution for glibc 2.28 too if every file of it has
a wheel there, since requirements do not depend on the C library.

Source: PEP 600, https://peps.python.org/pep-0600/, and the tags that uv 0.13.8 accepts for
``--python-platform x86_64-manylinux_2_35``, read 2026-11-20.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from pytest_verlcompat.resolve.uploads import ListedFile

_OLD_NAMES = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}
_ARCHITECTURE = "x86_64"


def floor_of(files: Iterable[ListedFile], *, python: str, as_of: dt.date) -> int | None:
    """Return the minor version of the lowest glibc 2 with a wheel; None if there is no wheel.

    Args:
        files: The files of one release.
        python: Minor version, such as ``3.12``.
        as_of: Files of later days do not count.
    """
    listed = [file for file in files if file.stamp is None or file.stamp[:10] <= str(as_of)]
    there = [file for file in listed if not file.yanked] or listed  # all yanked: it was pinned
    floors = (_wheel_floor(file.filename, python) for file in there)
    return min((floor for floor in floors if floor is not None), default=None)


def is_for_linux(filename: str) -> bool:
    """Return whether x86-64 Linux with glibc might take that file."""
    return filename.endswith(("-any.whl", f"{_ARCHITECTURE}.whl", ".tar.gz"))


def fits(floor: str | None, glibc: str) -> bool:
    """Return whether *floor* is known and not above *glibc*."""
    return floor is not None and Version(floor) <= Version(glibc)


@cache
def _wheel_floor(filename: str, python: str) -> int | None:
    try:
        tags = parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return None
    floors = (
        _platform_floor(tag.platform)
        for tag in tags
        if (tag.interpreter, tag.abi) in _accepted(python)
    )
    return min((floor for floor in floors if floor is not None), default=None)


@cache
def _accepted(python: str) -> frozenset[tuple[str, str]]:
    """Return the pairs of interpreter and ABI that CPython *python* takes."""
    major, _, minor = python.partition(".")
    numbers = (int(major), int(minor))
    some = ["linux_x86_64"]
    tags = [*cpython_tags(numbers, platforms=some)]
    tags += compatible_tags(numbers, f"cp{major}{minor}", some)
    return frozenset((tag.interpreter, tag.abi) for tag in tags)


def _platform_floor(platform: str) -> int | None:
    if platform in {"any", f"linux_{_ARCHITECTURE}"}:
        return 0
    family, _, rest = platform.partition("_")
    if family in _OLD_NAMES and rest == _ARCHITECTURE:
        return _OLD_NAMES[family]
    major, _, rest = rest.partition("_")
    minor, _, machine = rest.partition("_")
    known = family == "manylinux" and major == "2" and machine == _ARCHITECTURE
    return int(minor) if known and minor.isdigit() else None
