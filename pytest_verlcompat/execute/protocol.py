"""What is to be done, what can happen to it, and what every executor promises.

An executor takes tasks, tells what happens to them, and cancels. It keeps no record itself:
whoever waits for it gets each one as soon as it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_verlcompat.errors import VerlcompatError
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.probes.registry import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a task takes of the machine it runs on."""

    python: str
    """Minor version that must be there, ``3.12``."""
    gpus: int = 0
    gpu_type: str | None = None
    """As Ray and Slurm name it, ``H200``; ``None`` takes any."""
    memory_mib: int = 1 << 10
    disk_mib: int = 1 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One cell, or the part of it that takes the same number of GPUs."""

    id: str
    cell: Cell
    probes: tuple[Probe, ...]
    needs: Needs
    base: bool = True
    """Record that the cell resolves and installs, and what the static checks read."""
    expected_s: float = 0.0
    """How long it took before, or the deadlines of what never ran."""
    done: frozenset[str] = frozenset()
    """Subjects that have evidence which counts, on whatever machine."""
    again: bool = False
    """Run what has current evidence too; a place elsewhere is told by `done` alone."""
    fresh: bool = False
    """Whether everything in it has evidence that counts."""
    avoid: frozenset[str] = frozenset()
    """Places that lacked something."""

    @property
    def gpu_s(self) -> float:
        """Seconds of GPUs it is expected to take."""
        return self.expected_s * self.needs.gpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A place has taken the task."""

    task: Task
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is being done for the task."""

    task: Task
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A record was made; keep it before anything else happens."""

    task: Task
    record: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The task came to its end."""

    task: Task
    current: int = 0
    """Checks and probes whose evidence was current already."""
    conclusive: bool = False
    """Whether something that tells more than "it installs" has evidence now."""
    error: VerlcompatError | None = None
    """What kept the harness from going on; it says nothing about the stack."""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The place lacks something; nothing was tried."""

    task: Task
    where: str
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The place is gone, or what ran there; what was recorded before counts."""

    task: Task
    why: str
    duration_s: float = 0.0
    """How long it had been running."""


Event: TypeAlias = "Started | Said | Recorded | Finished | Refused | Lost"


class Executor(Protocol):
    """Whoever carries tasks out. Each task ends with one `Finished`, `Refused` or `Lost`."""

    def submit(self, task: Task) -> None:
        """Take *task*; it starts as soon as there is a place that has what it needs."""

    def wait(self, tell: Callable[[Event], None], *, timeout_s: float) -> None:
        """Tell what happened; return after something did, or when *timeout_s* have passed."""

    def cancel(self) -> None:
        """End what runs and forget what waits; nothing is left running, nothing more is told."""
