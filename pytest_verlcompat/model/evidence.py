"""The record of one check or probe: what ran, on what, how it ended and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_verlcompat.model.cause import Cause
    from pytest_verlcompat.model.machine import Machine
    from pytest_verlcompat.model.outcome import Ending, Outcome, Rung

SCHEMA_VERSION = 1
"""Raised with every change of meaning; `codec` holds an upgrade step for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One outcome, under one lock, on one machine. Appended once, never edited."""

    cell_id: str | None
    """``None`` when an installed environment was judged instead of a declared cell."""
    subject: str
    """Name of the probe or check."""
    rung: Rung
    outcome: Outcome
    ending: Ending
    started_at: str
    """UTC, ``YYYY-MM-DDTHH:MM:SS.ffffffZ``; to the second in records of the first day."""
    duration_s: float
    """Wall clock, start of the process to its end."""
    machine: Machine
    harness: str
    """Version of this project."""
    subject_sha256: str | None = None
    """Digest of the probe script, or of the code of the check."""
    lock_sha256: str | None = None
    """Digest of the lock; for an installed environment, of its sorted ``name==version`` lines."""
    environment_id: str | None = None
    """Digest drawn when the environment was built; another build has another one."""
    interpreter: str | None = None
    """``CPython 3.11.7``."""
    argv: tuple[str, ...] = ()
    exit_status: int | None = None
    """``None`` when a signal ended the process or none was started."""
    signal: str | None = None
    """``SIGSEGV`` and the like."""
    left_processes: int = 0
    """Processes that outlived the probe and were killed."""
    peak_gpu_mib: int | None = None
    """Most memory in use at once on its devices beyond what was in use before."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was measured; kept also when the probe failed."""
    lacks: tuple[str, ...] = ()
    """What the host lacked; the reason of a skip."""
    condition: str | None = None
    """Without this it does not work; makes the verdict conditional."""
    cause: Cause | None = None
    log_sha256: str | None = None
    log_bytes: int | None = None
