"""What every executor promises, as one check."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_verlcompat.execute.protocol import (
    Event,
    Executor,
    Finished,
    Needs,
    Recorded,
    Said,
    Started,
    Task,
)
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.resolve.lock import make_lock
from tests.tiny import MINOR

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from tests.tiny import TinyWorkspace

_DEADLINE_S = 120.0


def make_tasks(checkout: TinyWorkspace) -> tuple[Task, ...]:
    """Return a task for each of two cells, one that works and one that has no solution."""
    checkout.write_probe("engine", "import alpha; return {'version': alpha.__version__}")
    ids = [
        checkout.write_cell(),
        checkout.write_cell({"beta": "2.0"}, expected="unresolvable"),
    ]
    cells = [checkout.matrix().cells[each] for each in ids]
    for cell in cells:
        make_lock(cell, folder=checkout.workspace.locks)
    return tuple(_task(checkout, cell) for cell in cells)


def _task(checkout: TinyWorkspace, cell: Cell) -> Task:
    probes = list_probes(checkout.scripts)
    return Task(id=cell.id, cell=cell, probes=probes, needs=Needs(python=MINOR))


def check_contract(executor: Executor, tasks: tuple[Task, ...]) -> None:
    """Fail unless *executor* tells of each task what it must, in order, and cancels."""
    told: list[Event] = []
    for task in tasks:
        executor.submit(task)
    until = time.monotonic() + _DEADLINE_S
    while sum(isinstance(each, Finished) for each in told) < len(tasks):
        assert time.monotonic() < until, told
        executor.wait(told.append, timeout_s=1.0)

    works, has_none = ([each for each in told if each.task.id == task.id] for task in tasks)
    for events in (works, has_none):
        assert isinstance(events[0], Started)
        assert isinstance(events[-1], Finished)
        assert all(isinstance(each, (Recorded, Said)) for each in events[1:-1])
        assert events[-1].error is None
        assert events[-1].conclusive
    subjects = [each.record.subject for each in works if isinstance(each, Recorded)]
    assert subjects == ["resolve", "install", "engine"]
    assert [each.record.subject for each in has_none if isinstance(each, Recorded)] == ["resolve"]

    count = len(told)
    executor.submit(tasks[0])
    executor.cancel()
    executor.wait(told.append, timeout_s=0.1)
    assert len(told) == count
