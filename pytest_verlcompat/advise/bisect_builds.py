"""Look at one point of a bisection: lock it, build it, judge it, and take it down again."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.bisect import Word
from pytest_verlcompat.advise.bisect_log import Look, append_look
from pytest_verlcompat.environments.build import BuildFailure, build_environment
from pytest_verlcompat.errors import EnvironmentBuildError, LockError
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.probes.launch import Patient
from pytest_verlcompat.probes.on_gpus import launch_on
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.gpu_lease import GpuPool
from pytest_verlcompat.process.run import Limits, run
from pytest_verlcompat.recipes.pins import read_pins
from pytest_verlcompat.resolve.lock import LOCK_NAME, Lock, make_lock, resolve_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_verlcompat.environments.build import Environment
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.model.machine import Machine
    from pytest_verlcompat.probes.registry import Probe

DATE = "date"
"""The axis that is not a distribution: the day of resolution."""

_SKIP_STATUS = 125
_LAST_BAD_STATUS = 127
_RUN_TIMEOUT_S = 1800.0
_FIRST_LINE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is searched: one stack, one thing that varies, one way to judge."""

    cell: Cell
    lock: Lock
    """Holds everything fixed but the axis; for the date it only names the requirements."""
    axis: str
    """A normalized distribution name, or ``date``."""
    probe: Probe | None
    script: Path | None = None
    """Judges instead of a probe, by its exit status, as ``git bisect run`` has it."""

    @property
    def digest(self) -> str:
        """16 hex digits that name the question; other code or another lock is another one."""
        fixed = self.cell.inputs_sha256 if self.axis == DATE else self.lock.sha256
        judge = self.probe.sha256 if self.probe else ""
        script = self.script.read_bytes() if self.script else b""
        body = f"{fixed}\n{self.cell.python}\n{self.axis}\n{judge}".encode() + script
        return hashlib.sha256(body).hexdigest()[:16]


@dataclass(slots=True, kw_only=True)
class Workbench:
    """Where points are built, and what is known of them already."""

    folder: Path
    """Of this question; holds the log, the locks and one environment at a time."""
    machine: Machine
    logs: Path
    say: Callable[[str], None]
    keep: bool = False
    """Leave the environments where they are."""
    looks: dict[str, Look] = field(default_factory=dict)
    gpus: GpuPool = field(default_factory=GpuPool)
    writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def log(self) -> Path:
        """The file of looks."""
        return self.folder / "log.jsonl"

    def take(self, look: Look) -> Look:
        """Remember *look*, on the disk too."""
        with self.writing:
            self.looks[look.point] = look
            append_look(look, self.log)
        return look


def look_at(question: Question, point: str, bench: Workbench) -> Look:
    """Return what *point* is like, remembered by *bench*.

    Raises:
        InterpreterMissingError: If the machine lacks the Python of the cell.
        DiskSpaceError: If the disk is full.
        IndexUnavailableError: If the index cannot be asked; what was found out stays.
    """
    started = time.monotonic()
    try:
        cell, lock = lock_point(question, point, folder=bench.folder / "locks")
    except LockError as error:
        return bench.take(_skipped(point, str(error), started))
    if lock.explanation is not None:
        return bench.take(_skipped(point, f"no solution: {lock.explanation}", started))
    same = next((each for each in bench.looks.values() if each.versions == lock.versions), None)
    if same is not None and same.word is not Word.SKIP:
        why = same.why or f"the same set as {same.point}"
        look = Look(point=point, word=same.word, why=why, versions=lock.versions)
        return bench.take(look)
    return bench.take(_built(question, point, cell=cell, lock=lock, bench=bench))


def lock_point(question: Question, point: str, *, folder: Path) -> tuple[Cell, Lock]:
    """Return cell and lock of *point*.

    Raises:
        LockError: If the release has no file for the platform.
        IndexUnavailableError: If the index cannot be asked.
    """
    base = question.cell
    if question.axis == DATE:
        cell = dataclasses.replace(base, id=f"day-{point}", as_of=point)
        return cell, make_lock(cell, folder=folder)
    pin = f"{question.axis}=={point}"
    cell = dataclasses.replace(base, id=f"{question.axis}-{point}")
    alone = dataclasses.replace(cell, requirements=(pin,), overrides=(), as_of=_tomorrow())
    explanation, lines = resolve_cell(alone)
    own = [line for line in lines if line.startswith(f"{pin} ")]
    if explanation is not None or not own:
        raise LockError(explanation or f"the index has no {pin}", where=pin)
    fixed = [each.line for each in read_pins(question.lock) if each.name != question.axis]
    path = folder / cell.id / LOCK_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([f"# {pin}, everything else fixed", *sorted([*fixed, *own])]) + "\n"
    path.write_text(text, encoding="utf-8")
    return cell, Lock(
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        resolver=question.lock.resolver,
        versions={**question.lock.versions, question.axis: point},
        path=path,
    )


def _built(question: Question, point: str, *, cell: Cell, lock: Lock, bench: Workbench) -> Look:
    started = time.monotonic()
    folder = bench.folder / "environments"
    environment = None
    try:
        found = build_environment(cell, lock, folder=folder, say=bench.say)
        if isinstance(found, BuildFailure):
            first, _, _ = found.messages.strip().partition("\n")
            return _skipped(point, f"cannot be built: {first}", started, built=True)
        environment = found
        own = _own_complaint(question, environment)
        if own:
            return _skipped(point, f"cannot stand beside the rest: {own}", started, built=True)
        word, why = _judged(question, lock, environment=environment, bench=bench)
        return Look(
            point=point,
            word=word,
            why=why,
            versions=lock.versions,
            built=True,
            duration_s=time.monotonic() - started,
        )
    except EnvironmentBuildError as error:
        return _skipped(point, f"cannot be built: {error}", started, built=True)
    finally:
        if environment is not None and not bench.keep:
            shutil.rmtree(environment.python.parent.parent, ignore_errors=True)


def _own_complaint(question: Question, environment: Environment) -> str | None:
    """Return what the release that varies requires and the fixed rest does not have."""
    mark = f"`{question.axis}`"
    told = [each for each in environment.unmet if each.startswith(f"The package {mark} requires")]
    return told[0] if told else None


def _judged(
    question: Question, lock: Lock, *, environment: Environment, bench: Workbench
) -> tuple[Word, str]:
    if question.script is not None:
        return _run_script(question.script, environment.python)
    assert question.probe is not None  # noqa: S101 -- a question has one of the two
    patient = Patient(
        python=environment.python,
        interpreter=environment.interpreter,
        versions=lock.versions,
        lock_sha256=lock.sha256,
        environment_id=environment.id,
        machine=bench.machine,
        cell_id=None,
        values=question.cell.values,
    )
    record = launch_on(bench.gpus, question.probe, patient, logs=bench.logs)
    if record.outcome is Outcome.PASSED:
        return Word.GOOD, ""
    if record.outcome is Outcome.FAILED:
        return Word.BAD, str(record.cause or record.ending.value)
    return Word.SKIP, f"{record.outcome.value}: {', '.join(record.lacks) or record.cause}"


def _run_script(script: Path, python: Path) -> tuple[Word, str]:
    with tempfile.TemporaryDirectory(prefix="verlcompat-") as folder:
        ended = run(
            [python, script],
            env=tool_environ(os.environ),
            cwd=Path(folder),
            limits=Limits(timeout_s=_RUN_TIMEOUT_S),
        )
    last = ended.tail.strip().rpartition("\n")[2]
    if ended.exit_status == 0:
        return Word.GOOD, ""
    if ended.exit_status == _SKIP_STATUS:
        return Word.SKIP, last or "the script said so"
    if ended.exit_status is None or ended.exit_status > _LAST_BAD_STATUS or ended.timed_out:
        return Word.SKIP, f"the script was ended: {ended.signal or ended.exit_status}"
    return Word.BAD, last


def _skipped(point: str, why: str, started: float, *, built: bool = False) -> Look:
    return Look(
        point=point,
        word=Word.SKIP,
        why=" ".join(why.split())[:_FIRST_LINE],
        built=built,
        duration_s=time.monotonic() - started,
    )


def _tomorrow() -> str:
    """Return a day after every upload: the release that varies may be newer than the cell."""
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
