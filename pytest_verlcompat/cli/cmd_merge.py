"""Take evidence that was made on another machine into that of its cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.store.merge import merge

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", nargs="+", type=Path, help="JSON Lines, as unbundle writes them")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if every record was taken or known; 1 if one was refused."""
    for path in args.file:
        if not path.is_file():
            raise EvidenceError("is no file", where=str(path))
    workspace = find_workspace(args.root.resolve())
    cells = load_matrix(workspace.matrix).cells
    merged = merge(args.file, evidence=workspace.evidence, cells=cells)
    for cell, count in sorted(merged.added.items()):
        print(f"{cell}: {count} new")
    for text in merged.refused:
        print(f"refused: {text}")
    print(f"{sum(merged.added.values())} new, {merged.known} known, {len(merged.refused)} refused")
    return 1 if merged.refused else 0
