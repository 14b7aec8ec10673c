"""Carry a plan out by an executor: keep each record at once, retry what was lost, spend no more.

Only this process writes evidence, so a record is there once, whatever happens to the places
that make them, and what was not recorded is what the next run does.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import ExecutorError
from pytest_verlcompat.execute.local import Ran
from pytest_verlcompat.execute.protocol import (
    Event,
    Executor,
    Finished,
    Lost,
    Recorded,
    Refused,
    Said,
    Started,
    Task,
)
from pytest_verlcompat.model.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_verlcompat.execute.plan import Known, Plan
    from pytest_verlcompat.model.evidence import Evidence

_POLL_S = 1.0
_ATTEMPTS = 4
"""So often a task may be lost; what kills every place it comes to is its own doing."""


class Controller:
    """One run of a plan."""

    def __init__(
        self,
        plan: Plan,
        executor: Executor,
        *,
        keep: Callable[[Evidence], None],
        progress: Callable[[Controller, Event], None] = lambda *_: None,
        gpu_minutes: float | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            keep: Puts a record on the disk; it is safe when that returns.
            progress: Called after each event.
            gpu_minutes: What may be spent; a task starts only if what it is expected to take
                is left.
        """
        self._executor = executor
        self._keep = keep
        self._progress = progress
        self._budget_s = float("inf") if gpu_minutes is None else gpu_minutes * 60
        self._waiting = [*plan.tasks, *plan.unaffordable]
        self._known: dict[str, Known] = dict(plan.known)
        self._attempts: Counter[str] = Counter()
        self._sent: dict[str, Task] = {}
        self._open: dict[str, list[int]] = {}
        """Cell id to the numbers of GPUs of its tasks that are not at their end."""
        for task in self._waiting:
            self._open.setdefault(task.cell.id, []).append(task.needs.gpus)
        self._broken: set[str] = set()
        self.running: dict[str, str] = {}
        """Task id to where it runs."""
        self.total = len(self._waiting)
        self.executed: Counter[str] = Counter()
        """Cell id to the number of checks and probes that were executed."""
        self.ended: list[Finished] = []
        self.spared: list[Task] = list(plan.spared)
        self.unaffordable: list[Task] = []

    def run(self) -> None:
        """Carry everything out; whatever ends it early, nothing is left running."""
        try:
            self._send()
            while self._sent:
                ended = len(self.ended)
                self._executor.wait(self._take, timeout_s=_POLL_S)
                if len(self.ended) > ended:
                    self._send()
        finally:
            self._executor.cancel()

    def results(self) -> Mapping[str, Ran]:
        """Return for each cell that was touched how it went."""
        found: dict[str, Ran] = {}
        for each in self.ended:
            cell = each.task.cell
            before = found.get(cell.id) or Ran(cell=cell, executed=self.executed[cell.id])
            found[cell.id] = dataclasses.replace(
                before,
                current=before.current + each.current,
                conclusive=before.conclusive or each.conclusive,
                error=before.error or each.error,
            )
        return found

    @property
    def done(self) -> int:
        """How many tasks are at their end."""
        return self.total - len(self._waiting) - len(self._sent)

    def _send(self) -> None:
        """Submit what is ready, in the order of the plan."""
        still = []
        for task in self._waiting:
            if min(self._open[task.cell.id]) < task.needs.gpus:
                still.append(task)
            elif not self._is_wanted(task):
                self._close(task)
            elif task.gpu_s > self._budget_s:
                still.append(task)  # others may take less than is set aside for them
            else:
                self._budget_s -= task.gpu_s
                self._submit(task)
        if not self._sent:
            self.unaffordable, still = still, []
        self._waiting = still

    def _is_wanted(self, task: Task) -> bool:
        """Return whether what is known by now leaves a reason to start *task*."""
        known = self._known.get(task.cell.id)
        if task.cell.id in self._broken:
            return False
        if not task.base and known is not None and known.refused:
            self.spared.append(task)
            return False
        return True

    def _close(self, task: Task) -> None:
        self._open[task.cell.id].remove(task.needs.gpus)

    def _submit(self, task: Task) -> None:
        self._sent[task.id] = task
        self._executor.submit(task)

    def _take(self, event: Event) -> None:
        task = event.task
        if isinstance(event, Started):
            self.running[task.id] = event.where
        elif isinstance(event, Recorded):
            self._record(task, event.record)
        elif not isinstance(event, Said):
            self.running.pop(task.id, None)
            self._end(event)
        self._progress(self, event)

    def _record(self, task: Task, record: Evidence) -> None:
        self._keep(record)
        self.executed[task.cell.id] += record.outcome is not Outcome.ERRORED
        if task.cell.id in self._known:
            self._known[task.cell.id] = self._known[task.cell.id].plus(record)
        if record.outcome is not Outcome.ERRORED:
            sent = self._sent[task.id]
            self._sent[task.id] = dataclasses.replace(sent, done=sent.done | {record.subject})

    def _end(self, event: Finished | Refused | Lost) -> None:
        task = self._sent.pop(event.task.id)
        if isinstance(event, Finished):
            # What was set aside for it and what it took are both known now.
            self._budget_s += task.gpu_s - event.duration_s * task.needs.gpus
            self._finish(event)
            return
        if isinstance(event, Lost):
            self._attempts[task.id] += 1
            self._budget_s -= event.duration_s * task.needs.gpus
        if isinstance(event, Lost) and self._attempts[task.id] < _ATTEMPTS:
            self._submit(task)
        elif isinstance(event, Refused) and event.where not in task.avoid:
            self._submit(dataclasses.replace(task, avoid=task.avoid | {event.where}))
        else:
            why = (
                f"lost {_ATTEMPTS} times, at last because {event.why}"
                if isinstance(event, Lost)
                else f"no place has {'; '.join(event.lacks)}"
            )
            error = ExecutorError(why, where=task.id)
            self._budget_s += task.gpu_s
            self._finish(Finished(task=task, error=error))

    def _finish(self, event: Finished) -> None:
        self._close(event.task)
        self.ended.append(event)
        if event.error is not None:
            self._broken.add(event.task.cell.id)
