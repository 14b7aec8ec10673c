"""What is left to do for a cell, given what is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

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
) -> tuple[Probe, ...]:
    """Return the *probes* without a current record."""
    kept = list(records)
    return tuple(
        probe
        for probe in probes
        if not any(
            record.subject == probe.name
            and is_current(
                record,
                lock_sha256=lock_sha256,
                environment_id=environment_id,
                subject_sha256=probe.sha256,
            )
            for record in kept
        )
    )
