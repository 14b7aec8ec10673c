"""The stack under test, as the fixture ``verlcompat`` gives it to a test."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat import __version__
from pytest_verlcompat.environments.installed import (
    ask_python,
    installed_versions,
    versions_sha256,
)
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.codec import parse_line, render_line
from pytest_verlcompat.model.evidence import Evidence
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.plugin.requirement import find_missing, parse_requirements
from pytest_verlcompat.plugin.shared import once
from pytest_verlcompat.process.clock import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_verlcompat.checks.installed import InstalledCheck
    from pytest_verlcompat.issues.catalogue import Entry
    from pytest_verlcompat.issues.facts import Facts
    from pytest_verlcompat.model.machine import Machine
    from pytest_verlcompat.plugin.session_state import SessionState
    from pytest_verlcompat.probes.launch import Patient
    from pytest_verlcompat.probes.registry import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What came of one probe."""

    record: Evidence
    """Everything that was recorded."""

    @property
    def passed(self) -> bool:
        """Whether the stack did what the probe asks; false too where it could not be tried."""
        return self.record.outcome is Outcome.PASSED

    @property
    def skipped(self) -> bool:
        """Whether the host lacks something, so that nothing is known."""
        return self.record.outcome is Outcome.SKIPPED

    @property
    def why(self) -> str:
        """One line: the condition, the cause of a failure or what the host lacks; else empty."""
        record = self.record
        if self.skipped:
            return f"host lacks {', '.join(record.lacks)}"
        return str(record.cause or record.condition or "")

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the probe noted: seconds, MiB, tokens; its script says which."""
        return self.record.facts


class VerlStack:
    """Versions and abilities of one environment; nothing of it is imported to tell them.

    ``stack.require("vllm>=0.11,<0.13")`` skips the test otherwise,
    ``stack.probe("event_loop").passed`` runs a probe once a session over all workers.
    """

    def __init__(self, state: SessionState, *, python: Path, name: str) -> None:
        self._state = state
        self.name = name
        """What the matrix run calls it; ``installed`` where there is none."""
        self.python = python
        """Its interpreter."""
        self.interpreter, self.folders = ask_python(python)
        self.versions: Mapping[str, str] = installed_versions(self.folders)
        """Version by normalized name of everything that is installed."""

    def __repr__(self) -> str:
        return f"<VerlStack {self.name}: {self.interpreter}, {len(self.versions)} distributions>"

    @functools.cached_property
    def facts(self) -> Facts:
        """What known failures are compared with: versions, variables and the machine."""
        from pytest_verlcompat.advise.inventory import read_inventory
        from pytest_verlcompat.issues.facts import parse_version

        facts = read_inventory(self.python, environ=os.environ).facts
        own = {name: parse_version(text) for name, text in self.versions.items()}
        versions = {name: version for name, version in own.items() if version is not None}
        return dataclasses.replace(facts, versions={**facts.versions, **versions})

    @functools.cached_property
    def patient(self) -> Patient:
        """The same, as probes want it."""
        from pytest_verlcompat.probes.launch import Patient
        from pytest_verlcompat.process.inventory import describe_machine

        return Patient(
            python=self.python,
            interpreter=self.interpreter,
            versions=self.versions,
            lock_sha256=versions_sha256(self.versions),
            environment_id=None,
            machine=describe_machine(),
            isolated=False,
        )

    @property
    def known_failures(self) -> tuple[Entry, ...]:
        """What is known to fail: our catalogue and what this repository adds to it."""
        return self._state.entries

    @property
    def rungs(self) -> Mapping[str, str]:
        """How each rung stands by what this session ran up to now: ``{"cpu": "passed", ...}``.

        The words are ``passed``, ``failed`` and ``untested``.
        """
        from pytest_verlcompat.model.verdict import judge

        verdict = judge(self.records())
        states = {rung.value: "untested" for rung in Rung}
        states.update((rung.value, "passed") for rung in verdict.passed)
        states.update((rung.value, "failed") for rung in verdict.failed)
        return states

    def require(self, *requirements: str) -> None:
        """Skip the test unless all *requirements* are installed; say which is not.

        Raises:
            UsageError: If one is no requirement, or they contradict each other.
        """
        __tracebackhide__ = True
        missing = find_missing(parse_requirements(requirements), self.versions)
        if missing:
            pytest.skip(f"needs {'; '.join(missing)}")

    def probe(self, name: str) -> ProbeResult:
        """Return what the probe *name* finds, run once a session over all workers.

        It runs in a process of its own; one that needs GPUs borrows them, or shares those that
        this test holds. A probe whose distributions are not installed skips the test.

        Raises:
            UsageError: If there is no probe of that name; the nearest are said.
        """
        __tracebackhide__ = True
        return ProbeResult(record=self.run(self._state.find_probe(name)))

    def run(self, subject: InstalledCheck | Probe) -> Evidence:
        """Return the evidence of a check or probe on this stack, once a session."""
        __tracebackhide__ = True
        missing = [name for name in subject.distributions if name not in self.versions]
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}{self._similar(missing)}")
        key = f"{subject.name} {subject.sha256}"
        line = once(self._records_folder, key, lambda: render_line(self._run(subject)))
        return parse_line(line, where=subject.name)

    def _run(self, subject: InstalledCheck | Probe) -> Evidence:
        from pytest_verlcompat.probes.on_gpus import launch_on
        from pytest_verlcompat.probes.registry import Probe

        patient = self.patient
        if isinstance(subject, Probe):
            return launch_on(self._state.devices, subject, patient, logs=self._state.logs)
        try:
            record = subject.run(patient.python, machine=patient.machine)
        except (ModuleNotFoundError, VerlcompatError) as error:
            record = _not_read(subject, machine=patient.machine, error=error)
        return dataclasses.replace(
            record, lock_sha256=patient.lock_sha256, interpreter=patient.interpreter
        )

    def _similar(self, missing: Sequence[str]) -> str:
        close = difflib.get_close_matches
        near = [name for each in missing for name in close(each, self.versions)]
        return f" (there is {', '.join(near)})" if near else ""

    def records(self) -> list[Evidence]:
        """Return the evidence of this session, of all workers, in no order."""
        return [
            parse_line(path.read_text(encoding="utf-8"), where=path.name)
            for path in sorted(self._records_folder.glob("*.json"))
        ]

    @functools.cached_property
    def _records_folder(self) -> Path:
        folder = self._state.folder / f"probes-{versions_sha256({'python': str(self.python)})[:12]}"
        folder.mkdir(exist_ok=True)
        return folder


def _not_read(
    subject: InstalledCheck, *, machine: Machine, error: ModuleNotFoundError | VerlcompatError
) -> Evidence:
    """Return the record of a check that could not read, which says nothing about the stack."""
    blank = Evidence(
        cell_id=None,
        subject=subject.name,
        rung=subject.rung,
        outcome=Outcome.ERRORED,
        ending=Ending.NOT_STARTED,
        started_at=timestamp(),
        duration_s=0.0,
        machine=machine,
        harness=__version__,
        subject_sha256=subject.sha256,
    )
    if isinstance(error, VerlcompatError):
        cause = Cause(kind=type(error).__name__, first_line=str(error))
        return dataclasses.replace(blank, cause=cause)
    lack = f"pytest-verlcompat[cli] in the environment of pytest ({error})"
    return dataclasses.replace(blank, outcome=Outcome.SKIPPED, lacks=(lack,))
