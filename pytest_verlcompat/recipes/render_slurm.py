"""A batch job that starts the smallest training on one GPU (PYTHON=... sbatch)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.recipes.smallest import start_lines
from pytest_verlcompat.recipes.words import comment

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "smallest.sbatch"


def render(cell: Cell, lock: Lock) -> str:
    """Return the job; partition and account are yours to add on the command line."""
    lines = [
        "#!/usr/bin/env bash",
        "#SBATCH --job-name=verl-smallest",
        "#SBATCH --nodes=1",
        "#SBATCH --ntasks=1",
        "#SBATCH --gpus=1",
        *comment("Ray places a dozen actors; each counts as a core."),
        "#SBATCH --cpus-per-task=16",
        "#SBATCH --mem=64G",
        "#SBATCH --time=00:30:00",
        "set -euo pipefail",
        ': "${PYTHON:?name the interpreter of the environment: PYTHON=/path/env/bin/python}"',
        *comment("A job starts in the folder it was submitted from; env.sh lies there."),
        'cd "${SLURM_SUBMIT_DIR:-$PWD}"',
        "# shellcheck source=/dev/null",
        ". ./env.sh",
        *comment(
            "A Ray of its own: without this the driver would join any Ray it finds on the node. "
            "Sockets lie in its folder and may be 107 bytes long, so it must be a short path."
        ),
        "unset RAY_ADDRESS",
        'RAY_TMPDIR="$(mktemp -d /tmp/ray-XXXXXX)"',
        "export RAY_TMPDIR",
        "trap 'rm -rf -- \"$RAY_TMPDIR\"' EXIT",
        *start_lines(cell, lock),
    ]
    return "\n".join(lines) + "\n"
