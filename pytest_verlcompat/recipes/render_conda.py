"""A conda environment of exactly these files; its head says how it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.recipes.pins import read_pins
from pytest_verlcompat.recipes.stack import target_of
from pytest_verlcompat.recipes.words import comment, quoted

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "environment.yml"


def render(cell: Cell, lock: Lock) -> str:
    """Return an environment file: Python and pip from conda, everything else by pip."""
    target = target_of(cell)
    lines = [
        *comment("Make it with: PIP_NO_DEPS=1 conda env create -f environment.yml"),
        f"name: {quoted(cell.id)}",
        *comment("No channels are named, so that yours count."),
        "dependencies:",
        f"  - python={target.python}",
        "  - pip",
        *comment(
            "flash-attn is not here: it is built against the torch that is there, afterwards. "
            "install.sh --with conda does both, in that order."
        ),
        "  - pip:",
        *comment(
            "The files are all named, by hash; PIP_NO_DEPS=1 keeps pip from solving again, which "
            "fails where requirements were overridden."
        ),
    ]
    pins = [pin for pin in read_pins(lock) if pin.name != "flash-attn"]
    lines += [f"      - {quoted(pin.line)}" for pin in pins]
    variables = comment("~/.local would otherwise stand before what is installed here.")
    return "\n".join([*lines, *variables, "variables:", '  PYTHONNOUSERSITE: "1"']) + "\n"
