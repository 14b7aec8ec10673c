"""What a cell's imports say, as a record of evidence."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.model.evidence import Evidence
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.process.clock import timestamp

if TYPE_CHECKING:
    from pytest_verlcompat.checks.import_outcome import Doubt
    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.model.machine import Machine

SUBJECT = "import_surface"


def evidence_of(
    surface: CellSurface, *, cell_id: str | None, machine: Machine, duration_s: float
) -> Evidence:
    """Return the record of rung `imports`; its cause is the first missing name.

    Where nothing is missing and something is undecided, the rung stays open: the record says
    what it lacks to pass.
    """
    broken = [each for each in surface.findings if each.weight is Weight.BROKEN]
    undecided = undecided_in(surface)
    outcome = Outcome.SKIPPED if undecided else Outcome.PASSED
    now = timestamp()
    return Evidence(
        cell_id=cell_id,
        subject=SUBJECT,
        rung=Rung.IMPORTS,
        outcome=Outcome.FAILED if broken else outcome,
        ending=Ending.NOT_STARTED,
        started_at=now,
        duration_s=duration_s,
        machine=machine,
        harness=_own_version(),
        facts={
            "consumer": surface.consumer.label,
            "providers": [facts.label for facts in surface.providers],
            "digests": sorted(facts.digest for facts in surface.providers if facts.digest),
            "roles": {role.role.name: state_of(role) for role in surface.roles},
            "findings": [encode(finding) for finding in surface.findings],
        },
        lacks=() if broken or not undecided else (_lack(undecided),),
        cause=broken[0].cause if broken else None,
    )


def undecided_in(surface: CellSurface) -> tuple[Doubt, ...]:
    """Return what files alone do not decide about the roots of *surface*, each once."""
    return tuple(dict.fromkeys(doubt for role in surface.roles for doubt in role.doubts))


def _lack(undecided: tuple[Doubt, ...]) -> str:
    first, count = undecided[0], len(undecided)
    names = "1 import" if count == 1 else f"{count} imports"
    return f"what decides {names}, the first in {first.path}:{first.line}: {first.reason}"


def state_of(role: object) -> str:
    """Return ``broken``, ``unknown`` or ``ok`` for a role of a cell."""
    weight = getattr(role, "weight", None)
    return "ok" if weight is None else str(weight.value)


def _own_version() -> str:
    try:
        return version("pytest-verlcompat")
    except PackageNotFoundError:
        return "0"
