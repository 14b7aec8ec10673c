"""List declared cells, axes or probes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.probes.registry import list_probes

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", choices=("cells", "axes", "probes"), nargs="?", default="cells")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 after printing one line each."""
    if args.what == "probes":
        for probe in list_probes():
            needs = ", ".join(probe.distributions)
            print(f"{probe.name}  [{probe.rung.value}] {probe.title} (needs {needs})")
        return 0
    matrix = load_matrix(find_workspace(args.root.resolve()).matrix)
    if args.what == "axes":
        for axis in sorted(matrix.axes.values(), key=lambda each: each.place):
            print(f"{axis.name}  {' '.join(axis.texts)}")
    else:
        for cell in matrix.cells.values():
            expected = f"expected {cell.expected.value}" if cell.expected else "surveyed"
            print(f"{cell.id}  {expected}: {cell.title}")
    return 0
