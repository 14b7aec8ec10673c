"""What ``pytest --verlcompat`` does: probes as items, evidence to the controller, a verdict.

Under xdist every worker has the same items; a worker only runs them. Evidence travels in the
``user_properties`` of the report, and the process that prints the summary writes the file.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.installed import InstalledCheck, list_checks
from pytest_verlcompat.environments.installed import (
    ask_python,
    installed_versions,
    versions_sha256,
)
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.model.codec import parse_line
from pytest_verlcompat.plugin.gpus import make_pool
from pytest_verlcompat.plugin.items import PROPERTY, Stack
from pytest_verlcompat.plugin.summary import STACK, render_summary
from pytest_verlcompat.probes.launch import Patient
from pytest_verlcompat.probes.registry import Probe, find_probes, list_probes
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.store.jsonl import append

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence


def register(config: pytest.Config) -> None:
    """Add the probes to the run of *config*.

    Raises:
        pytest.UsageError: If an option names what does not exist, or there is no stack to judge.
    """
    try:
        plugin = Verlcompat(config)
    except VerlcompatError as error:
        raise pytest.UsageError(str(error)) from error
    # A stack that is broken breaks the imports of test modules too; the probes say why.
    config.option.continue_on_collection_errors = True
    config.pluginmanager.register(plugin, "verlcompat-session")


class Verlcompat:
    """One run with ``--verlcompat``; in a worker it only adds the items."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.option
        self._python = Path(option.verlcompat_python or sys.executable)
        self.interpreter, folders = ask_python(self._python)
        self.versions = installed_versions(folders)
        self.subjects = self._applicable(option.verlcompat_probe)
        evidence = option.verlcompat_evidence
        self._evidence = (config.invocation_params.dir / evidence) if evidence else None
        self._is_worker = hasattr(config, "workerinput")
        self._gpus = make_pool(config)
        self._logs = _logs(config)
        self.records: list[Evidence] = []

    @functools.cached_property
    def patient(self) -> Patient:
        """The interpreter under test."""
        return Patient(
            python=self._python,
            interpreter=self.interpreter,
            versions=self.versions,
            lock_sha256=versions_sha256(self.versions),
            environment_id=None,
            machine=describe_machine(),
            isolated=False,
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> None:
        """Put the probes before the tests: their results explain the others."""
        stack = Stack.from_parent(session, name="verlcompat", nodeid="verlcompat")
        stack.prepare(self.subjects, patient=lambda: self.patient, gpus=self._gpus, logs=self._logs)
        items[:0] = stack.collect()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep and write the evidence that *report* carries."""
        if self._is_worker or report.when != "call":
            return
        for name, value in report.user_properties:
            if name == PROPERTY:
                record = parse_line(str(value), where=report.nodeid)
                self.records.append(record)
                if self._evidence is not None:
                    append(record, path=self._evidence)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the verdict and what it stands on; nothing where nothing was to be run."""
        if terminalreporter.config.option.collectonly:
            return
        terminalreporter.section("verlcompat")
        for line in render_summary(
            self.records,
            versions=self.versions,
            interpreter=self.interpreter,
            logs=self._logs,
        ):
            terminalreporter.write_line(line)

    def _applicable(self, names: list[str]) -> tuple[InstalledCheck | Probe, ...]:
        probes, checks = list_probes(), list_checks()
        if names:
            asked = tuple(check for check in checks if check.name in names)
            rest = [name for name in names if name not in {check.name for check in asked}]
            return (*asked, *find_probes(rest, probes=probes))
        everything: tuple[InstalledCheck | Probe, ...] = (*checks, *probes)
        found = tuple(each for each in everything if each.applies_to(self.versions))
        if not found:
            raise VerlcompatError(
                f"has none of {', '.join(STACK)} that a probe could be run on; "
                "name another interpreter with --verlcompat-python",
                where=str(self._python),
            )
        return found


def _logs(config: pytest.Config) -> Path:
    """Return the folder for logs: in pytest's cache, or a temporary one where that is off."""
    cache = getattr(config, "cache", None)
    if cache is None:
        return Path(tempfile.gettempdir(), "verlcompat-logs")
    return Path(cache.mkdir("verlcompat"))
