"""What replaces the metadata's own requirements (uv pip install --override)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pytest_verlcompat.recipes.pins import read_pins
from pytest_verlcompat.recipes.words import comment

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "overrides.txt"
PUBLISHED = True


def render(cell: Cell, lock: Lock) -> str:
    """Return the locked version of each distribution that the cell overrides."""
    pins = {pin.name: pin for pin in read_pins(lock)}
    if not cell.overrides:
        note = "Nothing is overridden: the lock satisfies what the metadata asks for."
        return "\n".join(comment(note)) + "\n"
    lines = []
    for text in cell.overrides:
        name = canonicalize_name(Requirement(text).name)
        lines += comment(
            f"{text}: the metadata of another member refuses this; pip check goes on saying so, "
            "and the evidence above says what works all the same."
        )
        lines.append(pins[name].text if name in pins else str(Requirement(text)))
    return "\n".join(lines) + "\n"
