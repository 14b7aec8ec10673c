"""Take a lock that somebody else made, so that it gets recipes like one of ours."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import LockError
from pytest_verlcompat.model.cell import Cell
from pytest_verlcompat.model.verdict import VerdictKind
from pytest_verlcompat.recipes.pins import parse_pins
from pytest_verlcompat.resolve.lock import Lock
from pytest_verlcompat.resolve.question import DEFAULT_PLATFORM, parse_requirements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TARGET = re.compile(
    r"^# target: Python (?P<python>3\.\d+), (?P<platform>\S+), as of (?P<as_of>\d{4}-\d\d-\d\d)$",
    re.MULTILINE,
)
_FOREIGN = re.compile(r"^# *uv pip compile .*--python-platform[ =](?P<platform>\S+)", re.MULTILINE)
_HEADER = re.compile(r"^# (?P<key>asked|overrides|resolver): (?P<value>.*)$", re.MULTILINE)
_LINUX = re.compile(r"[a-z0-9_]+-manylinux_2_\d{1,2}")
_SHORT = {"linux": DEFAULT_PLATFORM, "x86_64-unknown-linux-gnu": DEFAULT_PLATFORM}


def load_foreign_lock(path: Path, *, python: str | None, platform: str | None) -> tuple[Cell, Lock]:
    """Return the lock at *path* and the cell that would have asked for it.

    Args:
        path: Requirements file with exact pins, or a ``pylock.toml``.
        python: Minor version it was made for; taken from a header of ours where it has one.
        platform: uv's platform triple; likewise.

    Raises:
        LockError: If it is no lock, or was made for another platform than Linux with glibc.
    """
    pins = parse_pins(path)
    text = path.read_text(encoding="utf-8")
    target = _TARGET.search(text)
    header = dict(_HEADER.findall(text)) if target else {}
    python = python or (target["python"] if target else None)
    if python is None:
        raise LockError("does not say for which Python; add --python 3.12", where=path.name)
    platform = _platform(text, platform or (target["platform"] if target else None), path.name)
    versions = {pin.name: pin.version for pin in pins}
    asked = header.get("asked", "").split() or _asked(versions)
    cell = Cell(
        id=re.sub(r"[^a-z0-9.+-]+", "-", path.stem.lower()).strip("-.") or "lock",
        title=f"The lock {path.name}",
        values={},
        requirements=parse_requirements(asked),
        overrides=parse_requirements(header.get("overrides", "").split()),
        python=python,
        platform=platform,
        as_of=target["as_of"] if target else dt.datetime.now(dt.timezone.utc).date().isoformat(),
        expected=VerdictKind.UNTESTED,
        failing=None,
        reason="Given as a file.",
        sources=(),
    )
    return cell, Lock(
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        resolver=header.get("resolver", "unknown"),
        versions=versions,
        path=path,
    )


def _asked(versions: Mapping[str, str]) -> list[str]:
    """Return what was asked for, as far as a lock shows it: verl and engine, or everything."""
    chosen = [name for name in ("verl", "vllm", "sglang") if name in versions]
    return [f"{name}=={versions[name]}" for name in chosen or versions]


def _platform(text: str, stated: str | None, where: str) -> str:
    made = _FOREIGN.search(text)
    found = stated or (made["platform"] if made else DEFAULT_PLATFORM)
    found = _SHORT.get(found, found)
    if _LINUX.fullmatch(found) is None:
        raise LockError(
            f"was made for {found[:60]!r}; recipes are for Linux with glibc. Make it anew with "
            f"--python-platform {DEFAULT_PLATFORM}",
            where=where,
        )
    return found
