"""The static checks of an installed environment: listed like probes, run without a process.

They read files of the environment and import nothing of it, so they say the same on a machine
without a GPU, and where torch is broken.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.process.redact import make_redactor, redact_values

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from pytest_verlcompat.model.cause import Cause, Frame
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.model.machine import Machine

CHECKS = Path(__file__)
"""Where pytest says an item of a static check is written."""

_PACKAGE = Path(__file__).parent.parent

IMPORT_CODE = (
    "checks/condition_values.py",
    "checks/consumer_index.py",
    "checks/import_*.py",
    "checks/late_surface.py",
    "checks/provider_binding.py",
    "checks/surface_*.py",
    "wheels/surface_*.py",
)
"""Files that decide the rung `imports`, as patterns below the package."""

LOAD_CODE = (
    "checks/abi_*.py",
    "wheels/elf.py",
    "wheels/fatbin.py",
    "wheels/loader.py",
    "wheels/symbols.py",
)
"""Files that decide the rung `loads`."""


def digest_of(patterns: Iterable[str]) -> str:
    """Return the SHA-256 of the files below the package that match *patterns*."""
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(_PACKAGE.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledCheck:
    """One check, and what its answer depends on."""

    name: str
    title: str
    rung: Rung
    distributions: tuple[str, ...]
    """Normalized names of what must be installed for the check to apply."""
    code: tuple[str, ...]
    """Patterns of the files that decide, below the package."""
    read: Callable[[Path, Machine], Evidence]

    @property
    def sha256(self) -> str:
        """Digest of the code that decides: evidence of other code is stale."""
        return digest_of(self.code)

    def applies_to(self, installed: Collection[str]) -> bool:
        """Return whether everything the check needs is among the *installed* names."""
        return all(name in installed for name in self.distributions)

    def run(self, python: Path, *, machine: Machine) -> Evidence:
        """Return what the check finds in the environment of *python*."""
        started = time.monotonic()
        record = self.read(python, machine)
        redact = make_redactor(os.environ, places={"environment": python.parent.parent})
        return dataclasses.replace(
            record,
            facts=redact_values(record.facts, redact),
            cause=None if record.cause is None else _redact_cause(record.cause, redact),
            subject=self.name,
            subject_sha256=self.sha256,
            duration_s=round(time.monotonic() - started, 3),
        )


def _redact_cause(cause: Cause, redact: Callable[[str], str]) -> Cause:
    return dataclasses.replace(
        cause,
        first_line=redact(cause.first_line),
        frame=_redact_frame(cause.frame, redact),
        provider=_redact_frame(cause.provider, redact),
    )


def _redact_frame(frame: Frame | None, redact: Callable[[str], str]) -> Frame | None:
    return None if frame is None else dataclasses.replace(frame, file=redact(frame.file))


def list_checks() -> tuple[InstalledCheck, ...]:
    """Return the checks there are, lowest rung first."""
    return (
        InstalledCheck(
            name="import_surface",
            title="every name that verl imports exists in what is installed",
            rung=Rung.IMPORTS,
            distributions=("verl",),
            code=IMPORT_CODE,
            read=_read_imports,
        ),
        InstalledCheck(
            name="abi_symbols",
            title="every symbol that the extensions need is exported by this torch",
            rung=Rung.LOADS,
            distributions=("torch",),
            code=LOAD_CODE,
            read=_read_symbols,
        ),
    )


def _read_imports(python: Path, machine: Machine) -> Evidence:
    from pytest_verlcompat.checks.import_evidence import evidence_of  # noqa: PLC0415 -- costs
    from pytest_verlcompat.checks.known_surface import (  # noqa: PLC0415 -- time to import
        judge_environment,
    )

    surface = judge_environment(python)
    record = evidence_of(surface, cell_id=None, machine=machine, duration_s=0.0)
    if surface.roles:
        return record
    lack = "a role of verl that the installed engines take part in"
    return dataclasses.replace(record, outcome=Outcome.SKIPPED, lacks=(lack,))


def _read_symbols(python: Path, machine: Machine) -> Evidence:
    from pytest_verlcompat.checks.abi_evidence import (  # noqa: PLC0415 -- costs time to import
        evidence_of_environment,
    )
    from pytest_verlcompat.checks.abi_gpu import parse_capability  # noqa: PLC0415 -- the same
    from pytest_verlcompat.checks.abi_live import check_installed  # noqa: PLC0415 -- the same
    from pytest_verlcompat.checks.surface_environment import (  # noqa: PLC0415 -- the same
        find_environment,
    )

    devices = [gpu.compute_capability for gpu in machine.gpus if gpu.compute_capability]
    report = check_installed(
        find_environment(python).folders[0], capabilities=map(parse_capability, devices)
    )
    return evidence_of_environment(report, cell_id=None, machine=machine, duration_s=0.0)
