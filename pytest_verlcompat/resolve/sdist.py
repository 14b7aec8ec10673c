"""Read what a source distribution requires, without running a line of it.

A resolver learns that by building the thing. Most sdists say it in plain text as well: in
PKG-INFO, in setuptools' requires.txt, or in pyproject.toml. Where none of them does, the
answer is None and the cell is not attempted.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.model.toml_text import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EGG_INFO = ("requires.txt", "SOURCES.txt")
_LIMIT_BYTES = 4 << 20
_LIMIT_UNPACKED_BYTES = 2 << 30
"""Skipping a member takes as long as unpacking it."""
_LIMIT_MEMBERS = 100_000
_NATIVE = {
    ".c": "C",
    ".cc": "C++",
    ".cpp": "C++",
    ".cu": "CUDA",
    ".cuh": "CUDA",
    ".pyx": "Cython",
    ".rs": "Rust",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistMetadata:
    """What a source distribution says about itself in plain text."""

    name: str
    version: str
    requires_dist: tuple[str, ...]
    requires_python: str | None
    source: str
    """Which of its files said so."""
    native: tuple[str, ...]
    """Languages of the compiled sources it holds; empty for pure Python."""


def read_sdist(path: Path) -> SdistMetadata | None:
    """Return what the archive at *path* requires, or None if only a build could tell.

    Raises:
        WheelFormatError: If it is no gzipped tar, or holds no PKG-INFO.
    """
    try:
        with tarfile.open(path, mode="r:gz") as archive:
            texts, native = _survey(archive)
    except (tarfile.TarError, OSError, EOFError, zlib.error, OverflowError) as error:
        raise WheelFormatError(
            f"is not a source distribution ({type(error).__name__})", where=path.name
        ) from error
    info = texts.get("PKG-INFO")
    if info is None:
        raise WheelFormatError("holds no PKG-INFO", where=path.name)
    raw, _ = parse_email(info)
    found = _requirements(texts)
    if found is None:
        return None
    source, requirements = found
    return SdistMetadata(
        name=raw.get("name", ""),
        version=raw.get("version", ""),
        requires_dist=requirements,
        requires_python=raw.get("requires_python"),
        source=source,
        native=native,
    )


def _survey(archive: tarfile.TarFile) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the texts that state requirements, and the compiled languages."""
    texts: dict[str, bytes] = {}
    native: set[str] = set()
    unpacked_bytes = 0
    for count, member in enumerate(archive):
        unpacked_bytes += member.size
        if unpacked_bytes > _LIMIT_UNPACKED_BYTES:
            raise WheelFormatError(
                f"unpacks to more than {_LIMIT_UNPACKED_BYTES >> 30} GiB", where=str(archive.name)
            )
        if count > _LIMIT_MEMBERS:
            break
        inner = member.name.partition("/")[2]
        suffix = re.search(r"\.[a-z]+$", inner.lower())
        if suffix and suffix[0] in _NATIVE and member.isfile():
            native.add(_NATIVE[suffix[0]])
        key = _stating(inner)
        if key is None or not member.isfile() or member.size > _LIMIT_BYTES:
            continue
        body = archive.extractfile(member)
        if body is not None:
            texts.setdefault(key, body.read(_LIMIT_BYTES))
    return texts, tuple(sorted(native))


def _stating(inner: str) -> str | None:
    if inner in {"PKG-INFO", "pyproject.toml"}:
        return inner
    folder, _, name = inner.rpartition("/")
    return name if folder.endswith(".egg-info") and name in _EGG_INFO else None


def _requirements(texts: dict[str, bytes]) -> tuple[str, tuple[str, ...]] | None:
    raw, _ = parse_email(texts["PKG-INFO"])
    listed = raw.get("requires_dist", [])
    fixed = "requires-dist" not in {name.lower() for name in raw.get("dynamic", [])}
    if listed or (fixed and _at_least_2_2(raw.get("metadata_version", "1.0"))):
        return "PKG-INFO", tuple(listed)
    if "requires.txt" in texts:
        return "requires.txt", tuple(
            _from_egg_info(texts["requires.txt"].decode("utf-8", "replace"))
        )
    if "SOURCES.txt" in texts:
        return "egg-info without requires.txt", ()  # setuptools writes it where there is any
    project = _project(texts.get("pyproject.toml", b""))
    if project is None or "dependencies" in project.get("dynamic", []):
        return None
    return "pyproject.toml", tuple(map(str, project.get("dependencies", [])))


def _at_least_2_2(version: str) -> bool:
    numbers = re.fullmatch(r"(\d{1,3})(?:\.(\d{1,3}))?", version.strip())
    return numbers is not None and (int(numbers[1]), int(numbers[2] or 0)) >= (2, 2)


def _project(body: bytes) -> dict[str, list[str]] | None:
    try:
        table = parse_toml(body.decode()).get("project")
    except ValueError:
        return None
    if not isinstance(table, dict) or "name" not in table:
        return None
    lists = (table.get(key, []) for key in ("dynamic", "dependencies"))
    return table if all(isinstance(each, list) for each in lists) else None


def _from_egg_info(text: str) -> Iterator[str]:
    """Yield the requirements of setuptools' sections: ``[extra:marker]``, then lines."""
    extra = marker = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            extra, _, marker = line.strip("[]").partition(":")
            continue
        if not line:
            continue
        conditions = [f"({marker})"] if marker else []
        if extra:
            conditions.append(f"extra == '{extra}'")
        text = f"{line}; {' and '.join(conditions)}" if conditions else line
        try:
            yield str(Requirement(text))
        except InvalidRequirement:
            continue
