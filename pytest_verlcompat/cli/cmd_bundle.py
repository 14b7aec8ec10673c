"""Pack a locked cell into numbered pieces that can be carried to a machine without network.

The folder gets a manifest, pieces of the compressed environment, and verlcompat.pyz. Over
there, with all of it in one folder: python verlcompat.pyz unbundle FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.environments.build import BuildFailure, build_environment
from pytest_verlcompat.errors import EnvironmentBuildError, LockError
from pytest_verlcompat.execute.bundle import Packing, write_bundle
from pytest_verlcompat.execute.manifest import COMPRESSIONS, RUNNER, parse_size
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.matrix.select import select_cells
from pytest_verlcompat.resolve.lock import load_lock

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("cell", help="cell id")
    parser.add_argument(
        "--pieces", default="60MiB", metavar="SIZE", help="size of a piece (default 60MiB)"
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out a distribution that the target has, such as torch or 'nvidia-*'",
    )
    parser.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="GLOB",
        help="leave out files of site-packages, such as '*/tests/*'",
    )
    parser.add_argument("--compress", choices=COMPRESSIONS, default="zstd")
    parser.add_argument(
        "--out", type=Path, help="empty folder (default: .verlcompat/bundles/<cell id>)"
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 when the bundle is complete."""
    packing = Packing(
        piece_bytes=parse_size(args.pieces),
        without=tuple(args.without),
        drop=tuple(args.drop),
        compression=args.compress,
    )
    workspace = find_workspace(args.root.resolve())
    (cell,) = select_cells(load_matrix(workspace.matrix), ids=[args.cell])
    lock = load_lock(cell, folder=workspace.locks)
    if lock.explanation is not None:
        raise LockError("has no solution, so there is nothing to carry", where=cell.id)
    environment = build_environment(cell, lock, folder=workspace.environments, say=_say)
    if isinstance(environment, BuildFailure):
        raise EnvironmentBuildError(f"cannot be built: {environment.messages}", where=cell.id)
    folder = (args.out or workspace.local / "bundles" / cell.id).resolve()
    manifest = write_bundle(cell, lock, environment, folder=folder, packing=packing, say=_say)
    print(
        f"{folder}: {len(manifest.pieces)} pieces, {manifest.bytes >> 20} MiB "
        f"({manifest.unpacked_bytes >> 20} MiB unpacked)\n"
        f"manifest sha256 {manifest.digest}\n"
        f"there: python{cell.python} {RUNNER} unbundle ."
    )
    return 0


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
