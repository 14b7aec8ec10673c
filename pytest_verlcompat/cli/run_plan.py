"""Gather what a plan of cells needs, and print one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.checks.installed import list_checks
from pytest_verlcompat.errors import LockError
from pytest_verlcompat.execute.local import Ran
from pytest_verlcompat.execute.plan import Asked, Durations, Known, Plan, make_plan
from pytest_verlcompat.resolve.lock import load_lock
from pytest_verlcompat.store.jsonl import load, load_cell_evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_verlcompat.execute.protocol import Task
    from pytest_verlcompat.execute.workspace import Workspace
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.probes.registry import Probe


def plan_cells(
    cells: Iterable[Cell],
    *,
    workspace: Workspace,
    probes: Sequence[Probe],
    wanted: Sequence[Probe],
    again: bool,
    gpu_type: str | None,
    gpu_minutes: float | None,
) -> tuple[Plan, tuple[Ran, ...]]:
    """Return what is left to do, and the cells about which nothing can be done, with why.

    Args:
        probes: All there are; what they say of a cell counts.
        wanted: Those to run.
    """
    asked, broken = [], []
    for cell in cells:
        try:
            lock = load_lock(cell, folder=workspace.locks)
        except LockError as error:
            broken.append(Ran(cell=cell, executed=0, error=error))
            continue
        checks = [each for each in list_checks() if each.applies_to(lock.versions)]
        applicable = [each for each in probes if each.applies_to(lock.versions)]
        digests = {each.name: each.sha256 for each in checks}
        digests.update({each.name: each.sha256 for each in applicable})
        known = Known(
            cell=cell,
            lock_sha256=lock.sha256,
            digests={"resolve": None, "install": None, **digests},
        )
        names = {each.name for each in wanted}
        asked.append(
            Asked(
                cell=cell,
                lock=lock,
                probes=tuple(each for each in applicable if each.name in names),
                checks=tuple(each.name for each in checks),
                known=known.plus(*load_cell_evidence(workspace.evidence, cell.id).records),
                again=again,
                gpu_type=gpu_type,
            )
        )
    everything = load(sorted(workspace.evidence.glob("*.jsonl"))).records
    plan = make_plan(asked, durations=Durations(everything), gpu_minutes=gpu_minutes)
    return plan, tuple(broken)


def render_plan(plan: Plan, broken: Sequence[Ran]) -> str:
    """Return *plan* as text, a line for each task in the order in which they start."""
    lines = [*_lines(plan.tasks, "")]
    lines += _lines(plan.spared, "spared: what needs no GPU says already that it does not work")
    lines += _lines(plan.unaffordable, "beyond the budget")
    lines += [f"{each.cell.id}: {each.error}" for each in broken]
    gpu_minutes = sum(task.gpu_s for task in plan.tasks) / 60
    hours = sum(task.expected_s for task in plan.tasks) / 3600
    lines.append(
        f"{len(plan.tasks)} tasks, {hours:.1f} h one after the other, {gpu_minutes:.0f} GPU "
        f"minutes; {len(plan.spared)} spared, {len(plan.unaffordable)} beyond the budget"
    )
    return "\n".join(lines)


def _lines(tasks: Iterable[Task], why: str) -> Iterator[str]:
    for task in tasks:
        gpus = f"{task.needs.gpus} GPU" if task.needs.gpus else "no GPU"
        left = len(task.probes) - sum(each.name in task.done for each in task.probes)
        note = why or ("fresh, again" if task.fresh else "")
        yield (
            f"{task.expected_s / 60:6.1f} min  {gpus:6}  {left:2d} probes  {task.cell.id}"
            f"{f'  ({note})' if note else ''}"
        )
