"""Build the environments of declared cells, probe them and publish their rows.

Exit status 0 only if something was executed or all evidence is current, and every verdict is
the one its cell file expects; 1 if a verdict is not.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.report_inputs import gather_inputs, make_report
from pytest_verlcompat.errors import NothingRanError, UsageError
from pytest_verlcompat.execute.local import LocalExecutor, Ran
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.matrix.select import parse_where, select_cells
from pytest_verlcompat.probes.registry import find_probes, list_probes
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.report.forms import render_form
from pytest_verlcompat.report.publish import publish
from pytest_verlcompat.report.render_text import render_cell, render_closing

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.report.assemble import Report


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("cell", nargs="*", help="cell ids")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="AXIS=VALUE",
        help="take every declared cell with this value; may be repeated",
    )
    parser.add_argument(
        "--probe", action="append", default=[], metavar="NAME", help="run this probe only"
    )
    parser.add_argument("--again", action="store_true", help="run what has current evidence too")
    parser.add_argument(
        "--junit-xml", type=Path, metavar="FILE", help="write the cells of this run as JUnit XML"
    )
    parser.add_argument(
        "--ctrf", type=Path, metavar="FILE", help="write the cells of this run as CTRF (JSON)"
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if every verdict is the expected one, 1 if not, or the status of an error."""
    started = time.monotonic()
    workspace = find_workspace(args.root.resolve())
    matrix = load_matrix(workspace.matrix)
    cells = select_cells(matrix, ids=args.cell, where=parse_where(args.where))
    probes = list_probes()
    wanted = find_probes(args.probe, probes=probes) if args.probe else probes
    places = _places(args)
    executor = LocalExecutor(workspace=workspace, machine=describe_machine(), say=_Progress())
    ran = [executor.run_cell(cell, probes=wanted, again=args.again) for cell in cells]
    report = make_report(workspace, matrix)
    inputs = gather_inputs(workspace, matrix, report=report)
    publish(report, root=workspace.root, inputs=inputs)
    _write_forms(report, ran, places=places)
    return _close(report, ran, started=started)


def _places(args: argparse.Namespace) -> dict[str, Path]:
    """Return form to the file it goes to; known to be writable before hours are spent.

    Raises:
        UsageError: If a file cannot be written.
    """
    asked = {"junit": args.junit_xml, "ctrf": args.ctrf}
    places = {form: path for form, path in asked.items() if path is not None}
    for path in places.values():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
        except OSError as error:
            raise UsageError(f"cannot be written: {error.strerror}", where=str(path)) from error
    return places


def _write_forms(report: Report, ran: Iterable[Ran], *, places: Mapping[str, Path]) -> None:
    """Write what continuous integration asked for, on the cells of this run alone."""
    ids = {each.cell.id for each in ran}
    cells = tuple(each for each in report.cells if each.cell.id in ids)
    for form, path in places.items():
        text = render_form(dataclasses.replace(report, cells=cells), form)
        path.write_text(text, encoding="utf-8")


def _close(report: Report, ran: list[Ran], *, started: float) -> int:
    """Print the summary and return the exit status."""
    reports = {each.cell.id: each for each in report.cells}
    print()
    for each in ran:
        note = str(each.error) if each.error else None
        print(render_cell(reports[each.cell.id], note=note), end="\n\n")
    executed, current = sum(each.executed for each in ran), sum(each.current for each in ran)
    wrong = [each for each in ran if each.error or not reports[each.cell.id].as_expected]
    print(
        render_closing(
            cells=len(ran),
            wrong=len(wrong),
            executed=executed,
            current=current,
            duration_s=time.monotonic() - started,
        )
    )
    errors = [each.error for each in ran if each.error]
    if errors:
        return errors[0].exit_status
    if not any(each.conclusive for each in ran):
        raise NothingRanError("no probe applies to what was asked for; nothing could be judged")
    return 1 if wrong else 0


class _Progress:
    """Prints what is being done for which cell, with the time since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._cell: str | None = None

    def __call__(self, cell_id: str, text: str) -> None:
        if cell_id != self._cell:
            print(cell_id, file=sys.stderr)
            self._cell = cell_id
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        print(f"  {minutes:3d}:{seconds:02d}  {text}", file=sys.stderr, flush=True)
