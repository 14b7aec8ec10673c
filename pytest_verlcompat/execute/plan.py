"""What is left to do for a cell, given what is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Ending, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.probes.registry import Probe


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
