"""What extensions' symbols say, as a record of evidence on the rung `loads`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_verlcompat
from pytest_verlcompat.checks.abi_symbols import RUNG
from pytest_verlcompat.checks.abi_tolerance import soften
from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.model.evidence import Evidence
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.model.outcome import Ending, Outcome
from pytest_verlcompat.process.clock import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_verlcompat.checks.abi_live import LiveReport
    from pytest_verlcompat.model.machine import Machine

SUBJECT = "abi_symbols"


def evidence_of_environment(
    report: LiveReport,
    *,
    cell_id: str | None,
    machine: Machine,
    duration_s: float,
) -> Evidence:
    """Return the record of an installed environment; without torch there was nothing to judge."""
    lacks = () if report.torch else ("torch",)
    return _evidence(
        report.findings,
        torch=report.torch,
        judged=report.judged,
        lacks=lacks,
        cell_id=cell_id,
        machine=machine,
        duration_s=duration_s,
    )


def evidence_of_wheels(
    findings: Sequence[Finding],
    *,
    torch: str,
    judged: Sequence[str],
    cell_id: str | None,
    machine: Machine,
    duration_s: float,
) -> Evidence:
    """Return the record of wheels that were judged beside *torch* without installing them.

    Args:
        findings: What :func:`~pytest_verlcompat.checks.abi_symbols.check` yielded for all.
        torch: Release they were judged beside.
        judged: Distributions and versions, or file names.
        cell_id: The cell, None where none was declared.
        machine: This one, although the outcome does not depend on it.
        duration_s: Wall clock of reading and judging.
    """
    return _evidence(
        tuple(soften(findings)),
        torch=torch,
        judged=judged,
        lacks=() if judged else ("extensions",),
        cell_id=cell_id,
        machine=machine,
        duration_s=duration_s,
    )


def _evidence(
    findings: Sequence[Finding],
    *,
    torch: str | None,
    judged: Sequence[str],
    lacks: tuple[str, ...],
    cell_id: str | None,
    machine: Machine,
    duration_s: float,
) -> Evidence:
    broken = [each for each in findings if each.weight is Weight.BROKEN]
    outcome = Outcome.FAILED if broken else Outcome.SKIPPED if lacks else Outcome.PASSED
    return Evidence(
        cell_id=cell_id,
        subject=SUBJECT,
        rung=RUNG,
        outcome=outcome,
        ending=Ending.NOT_STARTED,
        started_at=timestamp(),
        duration_s=duration_s,
        machine=machine,
        harness=pytest_verlcompat.__version__,
        facts={"torch": torch, "judged": list(judged), "findings": encode(list(findings))},
        lacks=lacks,
        cause=broken[0].cause if broken else None,
    )
