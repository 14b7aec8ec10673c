"""What ``pytest --verlcompat`` does: probes as items, evidence to the controller, a verdict.

Under xdist every worker has the same items; a worker only runs them. Evidence travels in the
``user_properties`` of the report, and the process that prints the summary writes the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.installed import InstalledCheck, list_checks
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.model.codec import parse_line
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.model.verdict import judge
from pytest_verlcompat.plugin.items import PROPERTY, Stack
from pytest_verlcompat.plugin.own import find_own_checks, is_own
from pytest_verlcompat.plugin.session_state import session_state
from pytest_verlcompat.plugin.summary import STACK, render_summary
from pytest_verlcompat.probes.registry import Probe, find_probes
from pytest_verlcompat.store.jsonl import append

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence


def register(config: pytest.Config) -> None:
    """Add to the run of *config* what its options ask for.

    Raises:
        pytest.UsageError: If an option names what does not exist, or there is no stack to judge.
    """
    option, manager = config.option, config.pluginmanager
    try:
        if option.verlcompat:
            # A stack that is broken breaks the imports of test modules too; the probes say why.
            option.continue_on_collection_errors = True
            manager.register(Verlcompat(config), "verlcompat-session")
        if option.verlcompat_cell:
            from pytest_verlcompat.plugin.cells import Matrix

            manager.register(Matrix(config), "verlcompat-matrix")
        if option.verlcompat_strict or config.getini("verlcompat_strict"):
            from pytest_verlcompat.plugin.strict import Strict

            manager.register(Strict(config), "verlcompat-strict")
    except VerlcompatError as error:
        raise pytest.UsageError(str(error)) from error


def register_markers(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Make the markers of *items* do what they say.

    Raises:
        pytest.UsageError: If a marker or a setting names what does not exist.
    """
    from pytest_verlcompat.plugin.markers import collect_marked

    state = session_state(config)
    try:
        markers = collect_marked(state, items)
    except VerlcompatError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(markers, "verlcompat-markers")


class Verlcompat:
    """One run with ``--verlcompat``; in a worker it only adds the items."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.option
        self._config = config
        self._state = session_state(config)
        self._stack = self._state.stack()
        self.subjects = self._applicable(option.verlcompat_probe)
        evidence = option.verlcompat_evidence
        self._evidence = (config.invocation_params.dir / evidence) if evidence else None
        self._is_worker = hasattr(config, "workerinput")
        self.records: list[Evidence] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> None:
        """Put the probes before the tests: their results explain the others."""
        stack = Stack.from_parent(session, name="verlcompat", nodeid="verlcompat")
        stack.prepare(self.subjects, stack=self._stack, logs=self._state.logs)
        items[:0] = stack.collect()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep and write the evidence that *report* carries."""
        if self._is_worker or report.when != "call":
            return
        for name, value in report.user_properties:
            if name == PROPERTY:
                record = parse_line(str(value), where=report.nodeid)
                self.records.append(record)
                self._config.hook.pytest_verlcompat_record(config=self._config, record=record)
                if self._evidence is not None:
                    append(record, path=self._evidence)

    def pytest_sessionfinish(self) -> None:
        """Hand the verdict to whoever asked for it by a hook."""
        if self._is_worker or not self.records:
            return
        verdict = judge(each for each in self.records if not is_own(each))
        self._config.hook.pytest_verlcompat_verdict(
            config=self._config, verdict=verdict, records=tuple(self.records)
        )
        from pytest_verlcompat.plugin import artifacts

        option, folder = self._config.option, self._config.invocation_params.dir
        if option.verlcompat_summary:
            with (folder / option.verlcompat_summary).open("a", encoding="utf-8") as file:
                file.write(
                    artifacts.render_summary(self.records, verdict=verdict, versions=self._shown)
                )
        if option.verlcompat_badge:
            text = artifacts.render_badge(verdict)
            (folder / option.verlcompat_badge).write_text(text, encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the verdict and what it stands on; nothing where nothing was to be run."""
        if terminalreporter.config.option.collectonly:
            return
        terminalreporter.section("verlcompat")
        for line in render_summary(
            [each for each in self.records if not is_own(each)],
            versions=self._stack.versions,
            interpreter=self._stack.interpreter,
            logs=self._state.logs,
            catalogue=self._state.entries if self._any_failed else (),
        ):
            terminalreporter.write_line(line)
        from pytest_verlcompat.plugin.artifacts import render_own

        for line in render_own([each for each in self.records if is_own(each)]):
            terminalreporter.write_line(line)

    @property
    def _any_failed(self) -> bool:
        return any(each.outcome is Outcome.FAILED for each in self.records)

    @property
    def _shown(self) -> dict[str, str]:
        versions = self._stack.versions
        return {name: versions[name] for name in STACK if name in versions}

    def _applicable(self, names: list[str]) -> tuple[InstalledCheck | Probe, ...]:
        own = find_own_checks(self._config.rootpath, self._state.configuration, self._stack)
        checks = (*list_checks(), *own)
        if names:
            asked = tuple(check for check in checks if check.name in names)
            rest = [name for name in names if name not in {check.name for check in asked}]
            return (*asked, *find_probes(rest, probes=self._state.probes))
        everything: tuple[InstalledCheck | Probe, ...] = (*checks, *self._state.probes)
        found = tuple(each for each in everything if each.applies_to(self._stack.versions))
        if not found:
            raise VerlcompatError(
                f"has none of {', '.join(STACK)} that a probe could be run on; "
                "name another interpreter with --verlcompat-python",
                where=str(self._state.python),
            )
        return found
