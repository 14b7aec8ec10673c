"""Render reports/ from the recorded evidence and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.cmd_run import make_report
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.report.publish import find_changes, publish

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file would change"
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0; with ``--check`` 1 if what is in ``reports/`` is not what evidence gives."""
    workspace = find_workspace(args.root.resolve())
    report = make_report(workspace, load_matrix(workspace.matrix))
    for line in report.damaged:
        print(f"damaged: {line}")
    if not args.check:
        changed = publish(report, root=workspace.root)
        print(f"{len(report.cells)} cells; changed: {', '.join(changed) or 'nothing'}")
        return 0
    differing = find_changes(report, root=workspace.root)
    for path in differing:
        print(f"{path.name} is not what the evidence gives; run: verlcompat report")
    return 1 if differing else 0
