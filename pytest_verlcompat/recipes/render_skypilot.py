"""A SkyPilot task that installs the lock and starts the smallest training (sky launch)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.recipes.smallest import start_lines
from pytest_verlcompat.recipes.stack import cuda_of, least_driver
from pytest_verlcompat.recipes.words import comment, indented

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "sky.yaml"


def render(cell: Cell, lock: Lock) -> str:
    """Return the task; install.sh and env.sh must lie beside it."""
    cuda = cuda_of(lock.versions)
    setup = [
        "set -euo pipefail",
        *comment("Once a machine: install.sh refuses a folder that is there already."),
        "[ -x env/bin/python ] || bash install.sh env",
    ]
    run = [
        "set -euo pipefail",
        "# shellcheck source=/dev/null",
        ". ./env.sh",
        "PYTHON=env/bin/python",
        *start_lines(cell, lock),
    ]
    lines = [
        "name: verl-smallest",
        "resources:",
        *comment(f"Any GPU with 24 GiB will do; its driver must be {least_driver(cuda)} or newer."),
        "  accelerators: {L4: 1, A100: 1, H100: 1}",
        "  cpus: 16+",
        "  disk_size: 100",
        *comment("install.sh and env.sh are copied from this folder."),
        "workdir: .",
        "setup: |",
        *indented(setup, 2),
        "run: |",
        *indented(run, 2),
    ]
    return "\n".join(lines) + "\n"
