"""What is left to do, given what is recorded, in which order, and what it may cost.

Nothing here looks at a machine or a clock: the same records give the same plan.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from pytest_verlcompat.execute.protocol import Needs, Task
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.model.verdict import VerdictKind, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.probes.registry import Probe
    from pytest_verlcompat.resolve.lock import Lock

_STEPS = ("resolve", "install")
_EXPECTED_S = {"resolve": 10.0, "install": 120.0}
"""Of what was never done; a check is read in about a minute, a probe has its deadline."""
_CHECK_S = 60.0
REFUSALS = (VerdictKind.INCOMPATIBLE, VerdictKind.UNRESOLVABLE)


def is_current(
    record: Evidence,
    *,
    lock_sha256: str,
    environment_id: str | None,
    subject_sha256: str | None,
) -> bool:
    """Return whether *record* still says what running again would say.

    It must be of this lock, this very environment and this code. What broke in our own
    harness is always tried again.
    """
    return (
        record.outcome is not Outcome.ERRORED
        and record.lock_sha256 == lock_sha256
        and record.environment_id == environment_id
        and record.subject_sha256 == subject_sha256
    )


def due_probes(
    probes: Iterable[Probe],
    records: Iterable[Evidence],
    *,
    lock_sha256: str,
    environment_id: str,
    find_lack: Callable[[int], str | None],
) -> tuple[Probe, ...]:
    """Return the *probes* without a current record.

    Args:
        find_lack: Says what a probe on that many GPUs would lack now; a probe that was never
            started for want of GPUs is due again as soon as they are there.
    """
    kept = list(records)
    due = []
    for probe in probes:
        current = [
            record
            for record in kept
            if record.subject == probe.name
            and is_current(
                record,
                lock_sha256=lock_sha256,
                environment_id=environment_id,
                subject_sha256=probe.sha256,
            )
        ]
        waits = bool(current) and all(each.ending is Ending.NOT_STARTED for each in current)
        if not current or (waits and find_lack(probe.gpus) is None):
            due.append(probe)
    return tuple(due)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is recorded of a cell under its present lock and the present code."""

    cell: Cell
    lock_sha256: str
    digests: Mapping[str, str | None]
    """Subject to the digest of its code; ``None`` for the steps, which have none."""
    records: tuple[Evidence, ...] = ()

    def plus(self, *records: Evidence) -> Known:
        """Return it with those of *records* that count."""
        counting = tuple(
            each
            for each in records
            if each.outcome is not Outcome.ERRORED
            and each.lock_sha256 == self.lock_sha256
            and each.subject in self.digests
            and each.subject_sha256 == self.digests[each.subject]
        )
        return replace(self, records=(*self.records, *counting))

    @property
    def done(self) -> frozenset[str]:
        """Subjects that need not be tried again, whatever machine they were tried on.

        A probe that was never started, for want of GPUs, has not been tried.
        """
        return frozenset(
            each.subject
            for each in self.records
            if each.outcome is not Outcome.SKIPPED or each.ending is not Ending.NOT_STARTED
        )

    @property
    def conclusive(self) -> bool:
        """Whether something that tells more than "it installs" has evidence."""
        return bool(self.done.difference(_STEPS)) or self.refused

    @property
    def refused(self) -> bool:
        """Whether what takes no GPU says already that the cell does not work."""
        newest = {each.subject: each for each in sorted(self.records, key=_when)}
        below = [each for each in newest.values() if each.rung.order < Rung.GPU.order]
        return judge(below).kind in REFUSALS


def _when(record: Evidence) -> tuple[bool, str]:
    """Return a key that puts what says something last, and of that the newest."""
    return record.outcome is not Outcome.SKIPPED, record.started_at


class Durations:
    """How long things took: the median of the same cell, or else of all cells."""

    def __init__(self, records: Iterable[Evidence]) -> None:
        found: dict[tuple[str | None, str], list[float]] = {}
        for each in records:
            if each.outcome in {Outcome.PASSED, Outcome.FAILED}:
                for cell_id in {each.cell_id, None}:
                    found.setdefault((cell_id, each.subject), []).append(each.duration_s)
        self._medians = {key: statistics.median(values) for key, values in found.items()}

    def expected_s(self, cell_id: str, subject: str, *, otherwise: float) -> float:
        """Return the seconds that *subject* is expected to take on the cell."""
        of_all = self._medians.get((None, subject), otherwise)
        return self._medians.get((cell_id, subject), of_all)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A cell that is to be carried through, and with what."""

    cell: Cell
    lock: Lock
    probes: tuple[Probe, ...]
    """Those that apply to it."""
    checks: tuple[str, ...]
    """Names of the static checks that apply to it."""
    known: Known
    again: bool = False
    gpu_type: str | None = None


def split(asked: Asked, durations: Durations) -> tuple[Task, ...]:
    """Return what is left of a cell, a task for each number of GPUs, fewest first.

    What needs no GPU, the steps and static checks among it, is one task.
    """
    probes = sorted(
        () if asked.lock.explanation is not None else asked.probes, key=lambda each: each.gpus
    )
    parts = {gpus: tuple(each) for gpus, each in groupby(probes, key=lambda each: each.gpus)}
    parts.setdefault(0, ())
    return tuple(
        task
        for gpus in sorted(parts)
        if (task := _part(asked, durations, gpus=gpus, probes=parts[gpus])) is not None
    )


def _part(
    asked: Asked, durations: Durations, *, gpus: int, probes: tuple[Probe, ...]
) -> Task | None:
    """Return one task of a cell, or ``None`` where nothing is left of it."""
    deadlines = {each.name: each.timeout_s for each in probes}
    steps = _STEPS[:1] if asked.lock.explanation is not None else (*_STEPS, *asked.checks)
    subjects = {*deadlines, *(steps if gpus == 0 else ())}
    left = subjects - asked.known.done
    if not left and not asked.again:
        return None
    return Task(
        id=asked.cell.id if gpus == 0 else f"{asked.cell.id} on {gpus} GPU",
        cell=asked.cell,
        probes=probes,
        needs=_needs(asked, gpus=gpus),
        base=gpus == 0,
        expected_s=sum(
            durations.expected_s(
                asked.cell.id,
                subject,
                otherwise=deadlines.get(subject, _EXPECTED_S.get(subject, _CHECK_S)),
            )
            for subject in (subjects if asked.again else left)
        ),
        done=frozenset() if asked.again else asked.known.done & subjects,
        again=asked.again,
        fresh=not left,
    )


def _needs(asked: Asked, *, gpus: int) -> Needs:
    """Return what a part takes; a stack with torch has some 10 GB and imports some GiB."""
    large = "torch" in asked.lock.versions
    return Needs(
        python=asked.cell.python,
        gpus=gpus,
        gpu_type=asked.gpu_type if gpus else None,
        memory_mib=(8 if large else 1) << 10,
        disk_mib=(12 if large else 1) << 10,
    )


def order(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return *tasks* as they should start.

    Cheap rungs first; then what has no evidence that counts; then the longest, so that the
    last one to end began early.
    """
    return tuple(
        sorted(tasks, key=lambda each: (each.needs.gpus, each.fresh, -each.expected_s, each.id))
    )


def within_budget(
    tasks: Sequence[Task], *, gpu_minutes: float | None
) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
    """Return those of *tasks* that are affordable together, and those that are not.

    Each is taken in its turn if what is left of the budget is enough for it.
    """
    left_s = float("inf") if gpu_minutes is None else gpu_minutes * 60
    taken, left_over = [], []
    for task in tasks:
        if task.gpu_s <= left_s:
            left_s -= task.gpu_s
            taken.append(task)
        else:
            left_over.append(task)
    return tuple(taken), tuple(left_over)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is going to do."""

    tasks: tuple[Task, ...]
    """In the order in which they should start."""
    spared: tuple[Task, ...] = ()
    """Not worth a GPU: what needs none says already that the cell does not work."""
    unaffordable: tuple[Task, ...] = ()
    """Beyond the budget."""
    known: Mapping[str, Known]
    """Cell id to what is recorded of it."""


def make_plan(
    asked: Sequence[Asked], *, durations: Durations, gpu_minutes: float | None = None
) -> Plan:
    """Return what is left to do for the cells in *asked*."""
    parts = [task for each in asked for task in split(each, durations)]
    known = {each.cell.id: each.known for each in asked}
    due = {task.cell.id for task in parts if task.needs.gpus == 0}
    spared = [
        task
        for task in parts
        if task.needs.gpus and task.cell.id not in due and known[task.cell.id].refused
    ]
    worth = order(task for task in parts if task not in spared)
    taken, left_over = within_budget(worth, gpu_minutes=gpu_minutes)
    return Plan(tasks=taken, spared=tuple(spared), unaffordable=left_over, known=known)
