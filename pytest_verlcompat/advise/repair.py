"""Repair an environment: plan, try in a copy, compare, and only then put it into place."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.inventory import read_inventory
from pytest_verlcompat.advise.repair_copy import copy_environment, exchange, point_scripts
from pytest_verlcompat.advise.repair_plan import find_faults
from pytest_verlcompat.checks.installed import list_checks
from pytest_verlcompat.environments.build import hold
from pytest_verlcompat.environments.installed import installed_versions, versions_sha256
from pytest_verlcompat.errors import EnvironmentBuildError
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.probes.launch import Patient
from pytest_verlcompat.probes.on_gpus import launch_on
from pytest_verlcompat.process.gpu_lease import GpuPool
from pytest_verlcompat.resolve.uv import call_uv
from pytest_verlcompat.wheels.cache import default_cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_verlcompat.advise.repair_patient import Ground
    from pytest_verlcompat.advise.repair_plan import Plan
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.model.machine import Machine
    from pytest_verlcompat.probes.registry import Probe

_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is known of an environment at one moment."""

    faults: tuple[str, ...]
    """Codes of what the doctor says will break."""
    unmet: tuple[str, ...]
    """What ``uv pip check`` says."""
    records: Mapping[str, Evidence]
    """Checks and probes that were run, by name."""

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of what failed."""
        return tuple(name for name, each in self.records.items() if each.outcome is Outcome.FAILED)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is required and not installed; a version that is refused may work all the same."""
        return tuple(line for line in self.unmet if "not installed" in line)

    @property
    def is_green(self) -> bool:
        """Whether nothing is known to be wrong."""
        return not self.faults and not self.failed and not self.missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One plan that was carried out in a copy."""

    plan: Plan
    after: Health | None
    """``None`` if it could not be carried out."""
    problem: str = ""
    """Why it was rolled back; empty if it was accepted."""
    duration_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Clinic:
    """What examining and repairing needs."""

    machine: Machine
    probes: Sequence[Probe]
    logs: Path
    say: Callable[[str], None]
    checks: bool = True
    gpus: GpuPool = field(default_factory=GpuPool)

    def examine(self, python: Path) -> Health:
        """Return how the environment of *python* is."""
        inventory = read_inventory(python, environ=os.environ)
        versions = installed_versions(inventory.interpreter.site_packages)
        records: dict[str, Evidence] = {}
        for check in list_checks() if self.checks else ():
            if check.applies_to(versions):
                self.say(f"check {check.name}")
                records[check.name] = check.run(python, machine=self.machine)
        patient = Patient(
            python=python,
            interpreter=f"CPython {inventory.interpreter.version}",
            versions=versions,
            lock_sha256=versions_sha256(versions),
            environment_id=None,
            machine=self.machine,
        )
        for probe in self.probes:
            if probe.applies_to(versions):
                self.say(f"probe {probe.name}")
                records[probe.name] = launch_on(self.gpus, probe, patient, logs=self.logs)
        checked = call_uv(["pip", "check", "--python", str(python)], timeout_s=120)
        told = (line.strip() for line in checked.messages.splitlines())
        return Health(
            faults=tuple(sorted({each.code for each in find_faults(inventory)})),
            unmet=tuple(line for line in told if " requires " in line),
            records=records,
        )


def worse(before: Health, after: Health) -> tuple[str, ...]:
    """Return what was in order before and is not afterwards."""
    broken = [
        name
        for name, record in after.records.items()
        if record.outcome is Outcome.FAILED
        and name in before.records
        and before.records[name].outcome is Outcome.PASSED
    ]
    return (*broken, *(code for code in after.faults if code not in before.faults))


def better(before: Health, after: Health) -> bool:
    """Return whether something that was wrong is in order now."""
    return (
        len(after.failed) < len(before.failed)
        or len(after.faults) < len(before.faults)
        or len(after.unmet) < len(before.unmet)
    )


def try_plan(
    plan: Plan,
    ground: Ground,
    *,
    before: Health,
    clinic: Clinic,
    into: Path | None,
    first: bool = True,
) -> Trial:
    """Return how *plan* went; the environment changes only if nothing is worse afterwards.

    Args:
        plan: What to do.
        ground: The environment.
        before: How it was.
        clinic: Examines the copy.
        into: Where the repaired copy stays; ``None`` puts it in the original's place.
        first: Keep what was there; false for a further step, whose original is kept already.
    """
    started = time.monotonic()
    with hold(_lock_of(ground), say=clinic.say):
        aside = f"{ground.prefix.name}.repair-{uuid.uuid4().hex[:8]}"
        copy = into or ground.prefix.with_name(aside)
        accepted = False
        try:
            copy_environment(ground.prefix, copy)
            point_scripts(copy, old=ground.prefix, new=copy)
            problem, after = _carry_out(plan, copy / "bin" / ground.python.name), None
            if not problem:
                after = clinic.examine(copy / "bin" / ground.python.name)
                problem = _objection(before, after)
            if not problem:
                accepted = True  # from here on it is no leftover any more
                if into is None:
                    put_into_place(ground, copy, keep=first)
            spent_s = time.monotonic() - started
            return Trial(plan=plan, after=after, problem=problem, duration_s=spent_s)
        finally:
            if not accepted:
                shutil.rmtree(copy, ignore_errors=True)


def old_place(ground: Ground) -> Path:
    """Return where the environment is kept as it was before the last repair."""
    return ground.prefix.with_name(f"{ground.prefix.name}.before-repair")


def _carry_out(plan: Plan, python: Path) -> str:
    for words in plan.commands:
        quiet = ("--link-mode", "hardlink") if words[1] == "install" else ()
        ended = call_uv([*words, *quiet, "--python", str(python)], timeout_s=_TIMEOUT_S)
        if ended.exit_status != 0:
            return f"uv could not do it: {' '.join(ended.messages.split())[-400:]}"
    return ""


def _objection(before: Health, after: Health) -> str:
    lost = worse(before, after)
    if lost:
        return f"afterwards {', '.join(lost)} would be broken, which was in order"
    return "" if better(before, after) else "nothing was better afterwards"


def put_into_place(ground: Ground, copy: Path, *, keep: bool) -> None:
    """Let *copy* be the environment; keep what was there beside it, or remove it.

    Raises:
        EnvironmentBuildError: If it cannot be put there; the environment is as it was.
    """
    point_scripts(copy, old=copy, new=ground.prefix)
    try:
        exchange(ground.prefix, copy)
    except EnvironmentBuildError:
        shutil.rmtree(copy, ignore_errors=True)
        raise
    old = old_place(ground)  # what is at *copy* now is the environment as it was
    if keep:
        shutil.rmtree(old, ignore_errors=True)
        copy.rename(old)
    else:
        shutil.rmtree(copy, ignore_errors=True)


def _lock_of(ground: Ground) -> Path:
    """Return a lock file for that environment, in a place that can be written."""
    name = hashlib.sha256(str(ground.prefix).encode()).hexdigest()[:16]
    return default_cache_folder() / "repair" / f"{name}.lock"
