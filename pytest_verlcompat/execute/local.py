"""Carry one cell through on this machine, one step after the other, recording each at once."""

from __future__ import annotations

import dataclasses
import shutil
import time
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
from pytest_verlcompat.errors import LockError, VerlcompatError
from pytest_verlcompat.execute.plan import due_probes, is_current
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.evidence import Evidence
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.probes.launch import Patient
from pytest_verlcompat.probes.on_gpus import launch_on
from pytest_verlcompat.process.clock import timestamp
from pytest_verlcompat.process.gpu_lease import GpuPool
from pytest_verlcompat.resolve.lock import Lock, load_lock, resolve_cell, unmet_pins
from pytest_verlcompat.store.jsonl import append, load_cell_evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    current: int
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

    def run_cell(self, cell: Cell, *, probes: Sequence[Probe], again: bool = False) -> Ran:
        """Return how carrying *cell* through its rungs went.

        Args:
            again: Run every probe, current evidence or not.
        """
        with hold(
            self.workspace.local / "cells" / f"{cell.id}.lock",
            say=lambda text: self.say(cell.id, text),
        ):
            return _CellRun(self, cell).carry_through(probes, again=again)


class _CellRun:
    """One cell on its way; keeps count."""

    def __init__(self, executor: LocalExecutor, cell: Cell) -> None:
        self._executor = executor
        self._workspace = executor.workspace
        self._cell = cell
        self._executed = 0
        self._current = 0
        self._conclusive = False

    def carry_through(self, probes: Sequence[Probe], *, again: bool) -> Ran:
        error = None
        try:
            lock = load_lock(self._cell, folder=self._workspace.locks)
            if self._resolves(lock, again=again):
                environment = self._installs(lock)
                if environment is not None:
                    self._checks(lock, environment, again=again)
                    self._probes(lock, environment, probes=probes, again=again)
                    if self._executor.discard:
                        shutil.rmtree(environment.python.parents[1])
        except VerlcompatError as raised:
            self._say(f"errored: {raised}")
            error = raised
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
        if not again and self._has_current(blank):
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

    def _installs(self, lock: Lock) -> Environment | None:
        """Return the environment, built if need be; ``None`` where the stack cannot be built."""
        folder = self._workspace.environments
        blank = self._blank("install", Rung.INSTALLS, lock=lock)
        found = find_environment(self._cell, lock, folder=folder) or self._guard(
            lambda: build_environment(self._cell, lock, folder=folder, say=self._say), blank
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
        record = dataclasses.replace(
            blank,
            outcome=Outcome.PASSED,
            environment_id=found.id,
            interpreter=found.interpreter,
            duration_s=found.duration_s,
            facts={"distributions": len(lock.versions), "pip_check": list(found.unmet) or "clean"},
        )
        if self._has_current(record):
            self._current += 1
        else:
            self._record(record)
        return found

    def _checks(self, lock: Lock, environment: Environment, *, again: bool) -> None:
        """Record what the static checks read in the environment."""
        for check in list_checks():
            if not check.applies_to(lock.versions):
                continue
            blank = self._blank(check.name, check.rung, lock=lock, environment_id=environment.id)
            blank = dataclasses.replace(blank, subject_sha256=check.sha256)
            if not again and self._has_current(blank):
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
        records = load_cell_evidence(self._workspace.evidence, self._cell.id).records
        due = (
            tuple(applicable)
            if again
            else due_probes(
                applicable,
                records,
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
        append(record, path=self._workspace.evidence / f"{self._cell.id}.jsonl")
        self._executed += counts
        because = f": {record.cause}" if record.outcome is Outcome.FAILED else ""
        lacks = f" (lacks {', '.join(record.lacks)})" if record.lacks else ""
        self._say(
            f"{record.subject} {record.outcome.value} in {record.duration_s:.1f} s{lacks}{because}"
        )

    def _has_current(self, record: Evidence) -> bool:
        kept = load_cell_evidence(self._workspace.evidence, self._cell.id).records
        return any(
            each.subject == record.subject
            and is_current(
                each,
                lock_sha256=str(record.lock_sha256),
                environment_id=record.environment_id,
                subject_sha256=record.subject_sha256,
            )
            for each in kept
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
