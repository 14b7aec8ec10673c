"""Carry cells through on this machine, one step after the other, recording each at once."""

from __future__ import annotations

import dataclasses
import errno
import shutil
import time
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pytest_verlcompat import __version__
from pytest_verlcompat.checks.installed import list_checks
from pytest_verlcompat.environments.build import (
    BuildFailure,
    Environment,
    build_environment,
    find_environment,
    hold,
)
from pytest_verlcompat.errors import DiskSpaceError, LockError, VerlcompatError
from pytest_verlcompat.execute.book import Book, FileBook
from pytest_verlcompat.execute.protocol import Event, Finished, Recorded, Said, Started, Task
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.evidence import Evidence
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.probes.launch import Patient
from pytest_verlcompat.probes.on_gpus import launch_on
from pytest_verlcompat.process.clock import timestamp
from pytest_verlcompat.process.gpu_lease import GpuPool
from pytest_verlcompat.resolve.lock import Lock, load_lock, resolve_cell, unmet_pins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from pytest_verlcompat.execute.workspace import Workspace
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.model.machine import Machine
    from pytest_verlcompat.probes.registry import Probe

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What carrying one cell through came to."""

    cell: Cell
    executed: int
    """Checks and probes that were executed now."""
    current: int = 0
    """Checks and probes whose evidence was current already."""
    conclusive: bool = False
    """Whether something that tells more than "it installs" has evidence now."""
    error: VerlcompatError | None = None
    """What kept the harness from going on; it says nothing about the stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalExecutor:
    """Runs cells in this process; every record is on the disk before the next step starts."""

    workspace: Workspace
    machine: Machine
    say: Callable[[str, str], None]
    """Called with a cell id and what is being done for it."""
    gpus: GpuPool = field(default_factory=GpuPool)
    discard: bool = False
    """Remove the environment of each cell when the cell is done."""
    building: Callable[[], AbstractContextManager[object]] = nullcontext
    """Entered around the build of an environment; what is shared with others limits it."""
    _queue: deque[Task] = field(default_factory=deque)

    def run_cell(
        self,
        cell: Cell,
        *,
        probes: Sequence[Probe],
        again: bool = False,
        base: bool = True,
        book: Book | None = None,
    ) -> Ran:
        """Return how carrying *cell* through its rungs went.

        Args:
            again: Run every probe, current evidence or not.
            base: Take the steps below the probes too; without, they are taken for granted.
            book: Where records go; ``None`` is the cell's evidence file.
        """
        kept = book or FileBook(folder=self.workspace.evidence, cell_id=cell.id)
        with hold(
            self.workspace.local / "cells" / f"{cell.id}.lock",
            say=lambda text: self.say(cell.id, text),
        ):
            return _CellRun(self, cell, kept).carry_through(probes, again=again, base=base)

    def submit(self, task: Task) -> None:
        """Put *task* at the end of the queue."""
        self._queue.append(task)

    def wait(self, tell: Callable[[Event], None], *, timeout_s: float) -> None:  # noqa: ARG002 -- of the contract; a task here ends by its probes' own deadlines
        """Carry out the next task from start to end."""
        if not self._queue:
            return
        task = self._queue.popleft()
        tell(Started(task=task, where="here"))
        book = FileBook(
            folder=self.workspace.evidence,
            cell_id=task.cell.id,
            keep=lambda record: tell(Recorded(task=task, record=record)),
        )
        telling = dataclasses.replace(self, say=lambda _, text: tell(Said(task=task, text=text)))
        started = time.monotonic()
        ran = telling.run_cell(
            task.cell, probes=task.probes, again=task.again, base=task.base, book=book
        )
        tell(
            Finished(
                task=task,
                current=ran.current,
                conclusive=ran.conclusive,
                error=ran.error,
                duration_s=time.monotonic() - started,
            )
        )

    def cancel(self) -> None:
        """Forget what waits; an interrupt has ended what ran."""
        self._queue.clear()


class _CellRun:
    """One cell on its way; keeps count."""

    def __init__(self, executor: LocalExecutor, cell: Cell, book: Book) -> None:
        self._executor = executor
        self._workspace = executor.workspace
        self._cell = cell
        self._book = book
        self._executed = 0
        self._current = 0
        self._conclusive = False

    def carry_through(self, probes: Sequence[Probe], *, again: bool, base: bool) -> Ran:
        error = None
        try:
            lock = load_lock(self._cell, folder=self._workspace.locks)
            if not base or self._resolves(lock, again=again):
                environment = self._installs(lock, base=base)
                if environment is not None:
                    if base:
                        self._checks(lock, environment, again=again)
                    self._probes(lock, environment, probes=probes, again=again)
                    if self._executor.discard:
                        shutil.rmtree(environment.python.parents[1])
        except (VerlcompatError, OSError) as raised:
            error = _as_ours(raised, self._cell)
            self._say(f"errored: {error}")
        return Ran(
            cell=self._cell,
            executed=self._executed,
            current=self._current,
            conclusive=self._conclusive,
            error=error,
        )

    def _resolves(self, lock: Lock, *, again: bool) -> bool:
        """Record whether the cell resolves; ask the index anew where the lock says it does not."""
        checkout = self._workspace.checkout_id()
        blank = self._blank("resolve", Rung.RESOLVES, lock=lock, environment_id=checkout)
        if not again and self._book.has_current(blank):
            self._current += 1
            self._conclusive = lock.explanation is not None
            return lock.explanation is None
        started = time.monotonic()
        cause = self._guard(lambda: self._why_not(lock), blank)
        outcome = Outcome.PASSED if cause is None else Outcome.FAILED
        self._conclusive = cause is not None
        self._record(
            dataclasses.replace(
                blank,
                outcome=outcome,
                cause=cause,
                facts={
                    "resolver": lock.resolver,
                    "as_of": self._cell.as_of,
                    "distributions": len(lock.versions),
                },
                duration_s=round(time.monotonic() - started, 3),
            )
        )
        return lock.explanation is None and cause is None

    def _why_not(self, lock: Lock) -> Cause | None:
        """Return why the cell has no solution, or ``None`` where its lock is one."""
        if lock.explanation is None:
            unmet = unmet_pins(self._cell, lock)
            return Cause(kind="unmet pins", first_line=", ".join(unmet)) if unmet else None
        self._say("asking the resolver again why there is no solution")
        explanation, _ = resolve_cell(self._cell)
        if explanation is None:
            raise LockError(
                f"it resolves now; run: verlcompat lock {self._cell.id}", where=self._cell.id
            )
        first, _, _ = explanation.partition("\n")
        return Cause(kind="no solution", first_line=first, detail=explanation)

    def _installs(self, lock: Lock, *, base: bool) -> Environment | None:
        """Return the environment, built if need be; ``None`` where the stack cannot be built."""
        folder = self._workspace.environments
        blank = self._blank("install", Rung.INSTALLS, lock=lock)
        found = find_environment(self._cell, lock, folder=folder) or self._guard(
            lambda: self._build(lock), blank
        )
        if isinstance(found, BuildFailure):
            self._conclusive = True
            first, _, _ = found.messages.strip().partition("\n")
            self._record(
                dataclasses.replace(
                    blank,
                    outcome=Outcome.FAILED,
                    cause=Cause(kind="build failed", first_line=first, detail=found.messages),
                    duration_s=found.duration_s,
                )
            )
            return None
        if not base:
            return found
        record = dataclasses.replace(
            blank,
            outcome=Outcome.PASSED,
            environment_id=found.id,
            interpreter=found.interpreter,
            duration_s=found.duration_s,
            facts={"distributions": len(lock.versions), "pip_check": list(found.unmet) or "clean"},
        )
        if self._book.has_current(record):
            self._current += 1
        else:
            self._record(record)
        return found

    def _build(self, lock: Lock) -> Environment | BuildFailure:
        with self._executor.building():
            return build_environment(
                self._cell, lock, folder=self._workspace.environments, say=self._say
            )

    def _checks(self, lock: Lock, environment: Environment, *, again: bool) -> None:
        """Record what the static checks read in the environment."""
        for check in list_checks():
            if not check.applies_to(lock.versions):
                continue
            blank = self._blank(check.name, check.rung, lock=lock, environment_id=environment.id)
            blank = dataclasses.replace(blank, subject_sha256=check.sha256)
            if not again and self._book.has_current(blank):
                self._current += 1
                continue
            self._say(f"check {check.name}")
            record = self._guard(
                lambda check=check: check.run(environment.python, machine=self._executor.machine),  # type: ignore[misc]  # mypy infers no type of a bound default
                blank,
            )
            self._record(
                dataclasses.replace(
                    record,
                    cell_id=self._cell.id,
                    lock_sha256=lock.sha256,
                    environment_id=environment.id,
                    interpreter=environment.interpreter,
                )
            )

    def _probes(
        self, lock: Lock, environment: Environment, *, probes: Sequence[Probe], again: bool
    ) -> None:
        applicable = [probe for probe in probes if probe.applies_to(lock.versions)]
        due = (
            tuple(applicable)
            if again
            else self._book.due(
                applicable,
                lock_sha256=lock.sha256,
                environment_id=environment.id,
                find_lack=self._executor.gpus.find_lack,
            )
        )
        self._current += len(applicable) - len(due)
        self._conclusive = bool(applicable)
        patient = Patient(
            python=environment.python,
            interpreter=environment.interpreter,
            versions=lock.versions,
            lock_sha256=lock.sha256,
            environment_id=environment.id,
            machine=self._executor.machine,
            cell_id=self._cell.id,
            values=self._cell.values,
            kernels=environment.python.parents[1] / "kernels",
        )
        for number, probe in enumerate(due, start=1):
            self._say(f"probe {number}/{len(due)} {probe.name}")
            self._record(launch_on(self._executor.gpus, probe, patient, logs=self._workspace.logs))

    def _guard(self, step: Callable[[], T], blank: Evidence) -> T:
        """Return what *step* returns; record an error of ours as ``errored`` and let it go on."""
        started = time.monotonic()
        try:
            return step()
        except VerlcompatError as error:
            self._record(
                dataclasses.replace(
                    blank,
                    outcome=Outcome.ERRORED,
                    cause=Cause(kind=type(error).__name__, first_line=str(error)),
                    duration_s=round(time.monotonic() - started, 3),
                ),
                counts=False,
            )
            raise

    def _record(self, record: Evidence, *, counts: bool = True) -> None:
        self._book.add(record)
        self._executed += counts
        because = f": {record.cause}" if record.outcome is Outcome.FAILED else ""
        lacks = f" (lacks {', '.join(record.lacks)})" if record.lacks else ""
        self._say(
            f"{record.subject} {record.outcome.value} in {record.duration_s:.1f} s{lacks}{because}"
        )

    def _blank(
        self,
        subject: str,
        rung: Rung,
        *,
        lock: Lock,
        environment_id: str | None = None,
    ) -> Evidence:
        return Evidence(
            cell_id=self._cell.id,
            subject=subject,
            rung=rung,
            outcome=Outcome.ERRORED,
            ending=Ending.NOT_STARTED,
            started_at=timestamp(),
            duration_s=0.0,
            machine=self._executor.machine,
            harness=__version__,
            lock_sha256=lock.sha256,
            environment_id=environment_id,
        )

    def _say(self, text: str) -> None:
        self._executor.say(self._cell.id, text)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _as_ours(raised: VerlcompatError | OSError, cell: Cell) -> VerlcompatError:
    """Return what to report of *raised*; raise it again where it is a mistake of ours."""
    if isinstance(raised, VerlcompatError):
        return raised
    if raised.errno not in _FULL:
        raise raised
    return DiskSpaceError(f"the disk filled up: {raised.strerror}", where=cell.id)
