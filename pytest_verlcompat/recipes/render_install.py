"""A script that makes the environment with uv, pip or conda: right order, nothing solved again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.recipes.pins import read_pins
from pytest_verlcompat.recipes.stack import flash_attn_for, target_of
from pytest_verlcompat.recipes.words import comment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.recipes.pins import Pin
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "install.sh"
PUBLISHED = True
TEMPLATES = Path(__file__).parent / "templates"
_MIB_EACH = 60
_MIB_TORCH = 6000
_PLACE = re.compile(r"@([A-Z_]+)@")


def render(cell: Cell, lock: Lock) -> str:
    """Return the script; every word it gets from the lock was checked when it was read."""
    target = target_of(cell)
    pins = [pin for pin in read_pins(lock) if pin.name != "flash-attn"]
    torch = lock.versions.get("torch", "")
    words = {
        "PYTHON": target.python,
        "ARCHITECTURE": target.architecture,
        "GLIBC": target.glibc,
        "TORCH": next((pin.version for pin in pins if pin.name == "torch"), "none"),
        "FLASH_ATTN": flash_attn_for(lock) or '""',
        "FLASH_DEFAULT": "yes" if "flash-attn" in lock.versions else "no",
        "NEEDS_GIB": str((len(pins) * _MIB_EACH + (_MIB_TORCH if torch else 0)) >> 10),
        "REQUIRE_HASHES": "--require-hashes " if all(pin.hashes for pin in pins) else "",
        "LOCK": "\n".join(_lines(pins)),
        "COMPLAINTS": "\n".join(_complaints(cell)),
    }
    text = (TEMPLATES / FILENAME).read_text(encoding="utf-8")
    return _PLACE.sub(lambda match: words[match[1]], text)


def _lines(pins: Iterable[Pin]) -> Iterator[str]:
    for pin in pins:
        if pin.from_source:
            yield "# a source distribution, built on the machine:"
        yield pin.line


def _complaints(cell: Cell) -> Iterator[str]:
    """Yield what becomes of what ``pip check`` says: expected where something is overridden."""
    if cell.overrides:
        yield from comment(
            f"Complaints are expected: {', '.join(cell.overrides)} contradicts the metadata of "
            "another member on purpose."
        )
        yield ': "${complained:=no}"'
        return
    yield 'if [ "${complained:-no}" = yes ]; then'
    yield "  printf 'install.sh: the lock is clean, so something above is not of the lock\\n' >&2"
    yield "fi"
