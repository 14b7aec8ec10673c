"""What a lock holds, as recipes speak of it: engine, CUDA, base image, flash-attn."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import LockError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

_FILE = Path(__file__).with_suffix(".toml")
ENGINES = ("vllm", "sglang")
_PLATFORM = re.compile(r"(?P<architecture>[a-z0-9_]+)-manylinux_(?P<glibc>2_\d{1,2})")
_PYTHON = re.compile(r"3\.\d{1,2}")
_RUNTIMES = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime-cu11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a machine must be for a lock to fit it."""

    python: str
    architecture: str
    """As ``uname -m`` says it."""
    glibc: str
    """Lowest version of the C library."""


def target_of(cell: Cell) -> Target:
    """Return what *cell* was locked for.

    Raises:
        LockError: If that is not a Python and a Linux this project makes recipes for.
    """
    match = _PLATFORM.fullmatch(cell.platform)
    if match is None:
        raise LockError(
            f"was made for {cell.platform!r}; recipes are for Linux with glibc, like "
            "x86_64-manylinux_2_35",
            where=cell.id,
        )
    if _PYTHON.fullmatch(cell.python) is None:
        raise LockError(f"was made for Python {cell.python!r}; write it like 3.12", where=cell.id)
    return Target(
        python=cell.python,
        architecture=match["architecture"],
        glibc=match["glibc"].replace("_", "."),
    )


def engine_of(versions: Mapping[str, str]) -> str | None:
    """Return the engine in a lock; ``None`` where there is none."""
    return next((name for name in ENGINES if name in versions), None)


def cuda_of(versions: Mapping[str, str]) -> str | None:
    """Return major and minor of the CUDA that the locked torch runs on; ``None`` if unknown."""
    for name in _RUNTIMES:
        if name in versions:
            major, minor, *_ = (*versions[name].split("."), "0")
            return f"{major}.{minor}"
    return cuda_of_torch(versions["torch"]) if "torch" in versions else None


def cuda_of_torch(torch: str) -> str | None:
    """Return the CUDA that the default wheels of that torch bring; ``None`` if unknown."""
    return _since(_data()["cuda"], torch)


def image_of(cuda: str | None) -> str | None:
    """Return a base image with the toolkit of that CUDA; ``None`` where none is known."""
    found = _data()["image"].get(cuda or "")
    return None if found is None else str(found)


def least_driver(cuda: str | None) -> str | None:
    """Return the lowest NVIDIA driver for that CUDA; ``None`` where it is not known."""
    found = _data()["driver"].get((cuda or "").partition(".")[0])
    return None if found is None else str(found)


def flash_attn_for(lock: Lock) -> str | None:
    """Return the flash-attn to build for the locked torch, that of the lock first."""
    if "flash-attn" in lock.versions:
        return str(Version(lock.versions["flash-attn"]))
    torch = lock.versions.get("torch")
    return None if torch is None else _since(_data()["flash-attn"], torch)


def parsed_versions(versions: Mapping[str, str]) -> Iterator[tuple[str, Version]]:
    """Yield name and version of those that have one a rule can compare."""
    for name, text in versions.items():
        try:
            yield name, Version(text)
        except InvalidVersion:
            continue


def _since(rows: list[dict[str, Any]], torch: str) -> str | None:
    try:
        wanted = Version(torch)
    except InvalidVersion:
        return None
    fitting = [row for row in rows if Version(row["torch"]) <= wanted]
    return str(fitting[-1]["version"]) if fitting else None


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))
