"""The overrides of a launch script, where there is one: read by `launch_options`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.advise.advice import Advice
    from pytest_verlcompat.advise.inventory import Inventory


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Yield what the installed verl refuses of the script's overrides."""
    if inventory.launch is None:
        return
    from pytest_verlcompat.advise.launch_options import (  # noqa: PLC0415 -- reads YAML
        judge_options,
        untested,
    )

    verl = inventory.first("verl")
    if verl is None:
        yield untested("verl is not installed")
    else:
        yield from judge_options(inventory.launch.path, verl)
