"""A probe as an item of pytest."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.probes.on_gpus import launch_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.probes.launch import Patient
    from pytest_verlcompat.probes.registry import Probe
    from pytest_verlcompat.process.gpu_lease import GpuPool

PROPERTY = "verlcompat"
"""Name under which a report carries its evidence."""


class ProbeFailed(Exception):  # noqa: N818 -- an outcome, said to pytest in its own way
    """The stack failed a probe."""

    def __init__(self, record: Evidence, *, log: Path | None) -> None:
        super().__init__(str(record.cause))
        self.record = record
        self.log = log


class Stack(pytest.Collector):
    """The environment under test; its items are the probes."""

    def prepare(
        self, probes: Sequence[Probe], *, patient: Callable[[], Patient], gpus: GpuPool, logs: Path
    ) -> None:
        """Say what to collect."""
        self._probes = probes
        self._patient = patient
        self._gpus = gpus
        self._logs = logs

    def collect(self) -> list[pytest.Item]:
        """Return one item a probe."""
        items: list[pytest.Item] = []
        for probe in self._probes:
            item = ProbeItem.from_parent(self, name=probe.name)
            item.prepare(probe, patient=self._patient, gpus=self._gpus, logs=self._logs)
            items.append(item)
        return items


class ProbeItem(pytest.Item):
    """Runs one probe in a process of its own."""

    def prepare(
        self, probe: Probe, *, patient: Callable[[], Patient], gpus: GpuPool, logs: Path
    ) -> None:
        """Say what to run, on what."""
        self._probe = probe
        self._patient = patient
        self._gpus = gpus
        self._logs = logs
        self.add_marker("verlcompat")

    def runtest(self) -> None:
        """Run the probe; its outcome becomes pytest's."""
        patient = self._patient()
        missing = [name for name in self._probe.distributions if name not in patient.versions]
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}{_similar(missing, patient)}")
        record = launch_on(self._gpus, self._probe, patient, logs=self._logs)
        self.user_properties.append((PROPERTY, render_line(record)))
        if record.outcome is Outcome.SKIPPED:
            pytest.skip(f"host lacks {', '.join(record.lacks)}")
        if record.outcome is not Outcome.PASSED:
            log = self._logs / f"{record.log_sha256}.log" if record.log_sha256 else None
            raise ProbeFailed(record, log=log)

    def repr_failure(  # type: ignore[override]  # pytest's own return type is wider
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str:
        """Return the cause as the stack raised it, without frames of ours."""
        error = excinfo.value
        if not isinstance(error, ProbeFailed):
            return str(excinfo.getrepr(style="long"))
        record = error.record
        lines = [f"{self._probe.title}: {record.outcome.value} ({record.ending.value})"]
        if record.cause is not None:
            if record.cause.detail:
                lines += ["", *record.cause.detail.splitlines(), ""]
            lines.append(f"E   {record.cause}")
            if record.cause.frame is not None:
                lines.append(f"E   at {record.cause.frame}: {record.cause.frame.source or ''}")
        if error.log is not None:
            lines.append(f"log: {error.log}")
        return "\n".join(lines)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the probe is written and what it establishes."""
        return self._probe.script, 0, f"{self._probe.name}: {self._probe.title}"


def _similar(missing: Sequence[str], patient: Patient) -> str:
    near = [name for each in missing for name in difflib.get_close_matches(each, patient.versions)]
    return f" (there is {', '.join(near)})" if near else ""
