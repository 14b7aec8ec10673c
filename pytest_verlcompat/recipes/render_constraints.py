"""Every version of the lock, to hold other installs to (pip install -c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.recipes.pins import read_pins
from pytest_verlcompat.recipes.words import comment

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "constraints.txt"
PUBLISHED = True


def render(cell: Cell, lock: Lock) -> str:
    """Return one exact version a line, without hashes, so that more can be installed beside it."""
    lines = comment(
        "Constraints install nothing by themselves; they keep what a later install brings along "
        "from moving the stack. The exact files with their hashes are in install.sh."
    )
    if cell.overrides:
        lines += comment(
            "Some of these versions contradict what the metadata of others asks for, so pip needs "
            "--no-deps, and uv --override overrides.txt."
        )
    return "\n".join([*lines, *(pin.text for pin in read_pins(lock))]) + "\n"
