"""Render reports/ from the recorded evidence and nothing else.

With ``--format`` one form goes to standard output and no file is written: for a step summary,
``verlcompat report --format markdown --where vllm=0.11.0 >> "$GITHUB_STEP_SUMMARY"``.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.report_inputs import gather_inputs, make_report
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.matrix.select import parse_where, select_cells
from pytest_verlcompat.report.forms import list_forms, render_form
from pytest_verlcompat.report.publish import find_changes, publish

if TYPE_CHECKING:
    import argparse

    from pytest_verlcompat.matrix.load import Matrix
    from pytest_verlcompat.report.assemble import Report


_SHOWN = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("cell", nargs="*", help="cell ids, for --format; all by default")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="AXIS=VALUE",
        help="for --format, take every declared cell with this value; may be repeated",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file would change"
    )
    what.add_argument(
        "--format", choices=list_forms(), help="print the report in this form; write nothing"
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0; with ``--check`` 1 if what is in ``reports/`` is not what evidence gives."""
    workspace = find_workspace(args.root.resolve())
    matrix = load_matrix(workspace.matrix)
    report = make_report(workspace, matrix)
    if args.format:
        print(render_form(_chosen(report, matrix, args), args.format), end="")
        return 0
    if args.cell or args.where:
        raise UsageError("files hold all cells; some of them go with --format", where="report")
    inputs = gather_inputs(workspace, matrix, report=report)
    for line in (*report.damaged, *report.space.damaged):
        print(f"damaged: {line}")
    if report.space.stale:
        print(
            f"{report.space.stale} lines about the space were judged by other code and do not "
            "count; run: verlcompat space-rungs, and verlcompat space --table traps"
        )
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


def _chosen(report: Report, matrix: Matrix, args: argparse.Namespace) -> Report:
    """Return *report* with the cells that were asked for; all where none were."""
    if not (args.cell or args.where):
        return report
    wanted = select_cells(matrix, ids=args.cell, where=parse_where(args.where))
    ids = {cell.id for cell in wanted}
    return dataclasses.replace(
        report, cells=tuple(each for each in report.cells if each.cell.id in ids)
    )
