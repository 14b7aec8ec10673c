"""Build the environments of declared cells, probe them and publish their rows.

Exit status 0 only if something was executed or all evidence is current, and every verdict is
the one its cell file expects; 1 if a verdict is not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.report_inputs import gather_inputs, make_report
from pytest_verlcompat.cli.run_executor import (
    Progress,
    agent_words,
    configure_executor,
    lock_finder,
    make_executor,
)
from pytest_verlcompat.cli.run_plan import plan_cells, render_plan
from pytest_verlcompat.errors import NothingRanError, UsageError
from pytest_verlcompat.execute.controller import Controller
from pytest_verlcompat.execute.local import Ran
from pytest_verlcompat.execute.plan import Plan
from pytest_verlcompat.execute.protocol import Needs, Task
from pytest_verlcompat.execute.slurm import write_jobs
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.matrix.select import parse_where, select_cells
from pytest_verlcompat.probes.registry import find_probes, list_probes
from pytest_verlcompat.process.clock import timestamp
from pytest_verlcompat.process.mark import end_orphans
from pytest_verlcompat.report.forms import render_form
from pytest_verlcompat.report.publish import publish
from pytest_verlcompat.report.render_text import render_cell, render_closing
from pytest_verlcompat.store.jsonl import append

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_verlcompat.execute.workspace import Workspace
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.probes.registry import Probe
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
    parser.add_argument("--selection", metavar="NAME", help="take matrix/selections/NAME.toml")
    parser.add_argument(
        "--discard", action="store_true", help="remove each environment when its cell is done"
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
    configure_executor(parser)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if every verdict is the expected one, 1 if not, or the status of an error."""
    started = time.monotonic()
    workspace = find_workspace(args.root.resolve())
    matrix = load_matrix(workspace.matrix)
    cells = select_cells(
        matrix, ids=args.cell, where=parse_where(args.where), survey=args.selection
    )
    probes = list_probes()
    wanted = find_probes(args.probe, probes=probes) if args.probe else probes
    places = _places(args)
    plan, broken = _plan(args, workspace, cells, probes=probes, wanted=wanted)
    if args.plan:
        print(render_plan(plan, broken))
        return broken[0].error.exit_status if broken and broken[0].error else 0
    if args.executor == "slurm":
        return _write_jobs(plan, broken, args=args, workspace=workspace)
    results = _carry_out(plan, args=args, workspace=workspace)
    results.update({each.cell.id: each for each in broken})
    ran = [results[cell.id] for cell in cells]
    report = make_report(workspace, matrix)
    inputs = gather_inputs(workspace, matrix, report=report)
    publish(report, root=workspace.root, inputs=inputs)
    _write_forms(report, ran, places=places)
    return _close(report, ran, started=started)


def _plan(
    args: argparse.Namespace,
    workspace: Workspace,
    cells: Sequence[Cell],
    *,
    probes: tuple[Probe, ...],
    wanted: tuple[Probe, ...],
) -> tuple[Plan, tuple[Ran, ...]]:
    """Return what to do, and the cells about which nothing can be done.

    Here, without a budget, each cell is one task, in the order given: what is current, and what
    this machine lacks, shows when it runs.
    """
    if args.executor == "local" and args.budget is None and not args.plan:
        tasks = (
            Task(
                id=each.id,
                cell=each,
                probes=wanted,
                needs=Needs(python=each.python),
                again=args.again,
            )
            for each in cells
        )
        return Plan(tasks=tuple(tasks), known={}), ()
    return plan_cells(
        cells,
        workspace=workspace,
        probes=probes,
        wanted=wanted,
        again=args.again,
        gpu_type=args.gpu_type,
        gpu_minutes=args.budget,
    )


def _carry_out(plan: Plan, *, args: argparse.Namespace, workspace: Workspace) -> dict[str, Ran]:
    """Return how it went with each cell of *plan*, those with nothing left to do included."""
    end_orphans()
    ran = {
        cell_id: Ran(
            cell=known.cell,
            executed=0,
            current=0 if args.executor == "local" and _has_task(plan, cell_id) else len(known.done),
            conclusive=known.conclusive,
        )
        for cell_id, known in plan.known.items()
    }
    if plan.tasks or plan.unaffordable:
        controller = Controller(
            plan,
            make_executor(args, workspace),
            keep=lambda each: append(each, path=workspace.evidence / f"{each.cell_id}.jsonl"),
            progress=Progress(spread=args.executor != "local"),
            gpu_minutes=args.budget,
        )
        # Ray prints the last words of every node that dies to our output; who was lost we say.
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            controller.run()
        for note in _notes(controller):
            print(note, file=sys.stderr)
        for cell_id, each in controller.results().items():
            before = ran.get(cell_id, each)
            ran[cell_id] = dataclasses.replace(
                each,
                current=each.current + before.current if before is not each else each.current,
                conclusive=each.conclusive or before.conclusive,
            )
    return ran


def _has_task(plan: Plan, cell_id: str) -> bool:
    return any(task.cell.id == cell_id for task in plan.tasks)


def _notes(controller: Controller) -> Iterator[str]:
    """Yield what was left out and why."""
    if controller.spared:
        names = ", ".join(task.id for task in controller.spared)
        yield f"not worth a GPU, the rungs below refuse them: {names}"
    if controller.unaffordable:
        names = ", ".join(task.id for task in controller.unaffordable)
        yield f"beyond the budget, left for another run: {names}"


def _write_jobs(
    plan: Plan, broken: Sequence[Ran], *, args: argparse.Namespace, workspace: Workspace
) -> int:
    """Write job arrays, say how to submit them, and return the exit status."""
    for each in broken:
        print(f"{each.cell.id}: {each.error}", file=sys.stderr)
    if not plan.tasks:
        print("nothing is left to do")
        return 0
    folder = workspace.local / "slurm" / timestamp().translate(str.maketrans("", "", "-:."))
    script = write_jobs(
        plan,
        folder=folder,
        find_lock=lock_finder(workspace),
        words=[*agent_words(args), "--folder", args.node_folder],
    )
    print(f"{len(plan.tasks)} tasks; submit them: {script.relative_to(workspace.root)}")
    return broken[0].error.exit_status if broken and broken[0].error else 0


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
