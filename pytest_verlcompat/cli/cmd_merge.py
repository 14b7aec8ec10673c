"""Take evidence that was made on other machines into that of its cells.

The order does not matter, and merging twice is merging once. A signature beside a file
(FILE.sig, made by `verlcompat sign`) is checked and kept; records without one are taken too
and shown as unsigned.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.signers import add_signers, check_files, describe, find_signers
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.store.merge import merge
from pytest_verlcompat.store.signatures import check_batch, keep_signature

if TYPE_CHECKING:
    import argparse

    from pytest_verlcompat.store.merge import Merged


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", nargs="+", type=Path, help="JSON Lines, as unbundle writes them")
    add_signers(parser)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if every record was taken or known; 1 if one was refused."""
    check_files(args.file)
    workspace = find_workspace(args.root.resolve())
    cells = load_matrix(workspace.matrix).cells
    allowed = find_signers(args, workspace)
    batches = [check_batch(path, allowed_signers=allowed) for path in args.file]
    merged = merge(args.file, evidence=workspace.evidence, cells=cells)
    for batch in batches:
        keep_signature(batch, evidence=workspace.evidence)
        print(describe(batch))
    _print(merged)
    return 1 if merged.refused_count else 0


def _print(merged: Merged) -> None:
    for cell, count in sorted(merged.added.items()):
        print(f"{cell}: {count} new")
    for subject in merged.contradicted:
        print(f"contradictory: {subject}")
    for text in merged.refused:
        print(f"refused: {text}")
    if more := merged.refused_count - len(merged.refused):
        print(f"refused: {more} more")
    print(
        f"{sum(merged.added.values())} new, {merged.known} known, {merged.refused_count} refused, "
        f"{len(merged.contradicted)} contradictory"
    )
