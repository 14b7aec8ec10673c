"""Render reports/ from the recorded evidence and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.report_inputs import gather_inputs, make_report
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.report.publish import find_changes, publish

if TYPE_CHECKING:
    import argparse

_SHOWN = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file would change"
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0; with ``--check`` 1 if what is in ``reports/`` is not what evidence gives."""
    workspace = find_workspace(args.root.resolve())
    matrix = load_matrix(workspace.matrix)
    report = make_report(workspace, matrix)
    inputs = gather_inputs(workspace, matrix, report=report)
    for line in (*report.damaged, *report.space.damaged):
        print(f"damaged: {line}")
    if not args.check:
        changed = publish(report, root=workspace.root, inputs=inputs)
        names = ", ".join(changed[:_SHOWN]) or "nothing"
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        print(f"{len(report.cells)} cells; changed: {names}{more}")
        return 0
    differing = find_changes(report, root=workspace.root, inputs=inputs)
    for path, data in differing.items():
        said = "left over" if data is None else "not what the evidence gives"
        print(f"{path.name} is {said}; run: verlcompat report")
    return 1 if differing else 0
