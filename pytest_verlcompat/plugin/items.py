"""A probe or static check as an item of pytest."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.installed import CHECKS, InstalledCheck
from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.probes.registry import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from _pytest._code.code import TerminalRepr

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.plugin.stack import VerlStack

PROPERTY = "verlcompat"
"""Name under which a report carries its evidence."""


class ProbeFailed(Exception):  # noqa: N818 -- an outcome, said to pytest in its own way
    """The stack failed a probe."""

    def __init__(self, record: Evidence, *, log: Path | None, stack: VerlStack) -> None:
        super().__init__(str(record.cause))
        self.record = record
        self.log = log
        self.stack = stack

    @property
    def headline(self) -> str:
        """The cause in one line, as lists of failures show it."""
        if self.record.cause is None:
            return f"{self.record.outcome.value} ({self.record.ending.value})"
        return str(self.record.cause).partition("\n")[0]


class Stack(pytest.Collector):
    """The environment under test; its items are the static checks and the probes."""

    def prepare(
        self,
        subjects: Sequence[InstalledCheck | Probe],
        *,
        stack: VerlStack,
        logs: Path,
    ) -> None:
        """Say what to collect."""
        self._subjects = subjects
        self._stack = stack
        self._logs = logs

    def collect(self) -> list[pytest.Item]:
        """Return one item a check or probe."""
        items: list[pytest.Item] = []
        for subject in self._subjects:
            item = SubjectItem.from_parent(self, name=subject.name)
            item.prepare(subject, stack=self._stack, logs=self._logs)
            items.append(item)
        return items


class SubjectItem(pytest.Item):
    """Runs one probe in a process of its own, or lets one check read the environment."""

    def prepare(
        self,
        subject: InstalledCheck | Probe,
        *,
        stack: VerlStack,
        logs: Path,
    ) -> None:
        """Say what to run, on what."""
        self._subject = subject
        self._stack = stack
        self._logs = logs
        self.add_marker("verlcompat")

    def runtest(self) -> None:
        """Run it; its outcome becomes pytest's."""
        record = self._stack.run(self._subject)
        self.user_properties.append((PROPERTY, render_line(record)))
        if record.outcome is Outcome.SKIPPED:
            pytest.skip(f"host lacks {', '.join(record.lacks)}")
        if record.outcome is not Outcome.PASSED:
            log = self._logs / f"{record.log_sha256}.log" if record.log_sha256 else None
            raise ProbeFailed(record, log=log, stack=self._stack)

    def repr_failure(  # type: ignore[override]  # pytest's own takes a style as well
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> TerminalRepr:
        """Return the cause as the stack raised it, without frames of ours.

        It stays pytest's own representation, so that xdist carries it over, and what lists
        failures in one line each (the short summary, JUnit) shows the first line of the cause.
        """
        error = excinfo.value
        if not isinstance(error, ProbeFailed):
            return excinfo.getrepr(style="long")
        shown = excinfo.getrepr(style="value")
        shown.reprtraceback.reprentries[0].lines = self._shown(error)
        if shown.reprcrash is not None:
            shown.reprcrash.message = error.headline
        return shown

    def _shown(self, error: ProbeFailed) -> list[str]:
        record = error.record
        lines = [f"{self._subject.title}: {record.outcome.value} ({record.ending.value})"]
        if record.cause is not None:
            if record.cause.detail:
                lines += ["", *record.cause.detail.splitlines(), ""]
            lines.append(f"E   {record.cause}")
            if record.cause.frame is not None:
                lines.append(f"E   at {record.cause.frame}: {record.cause.frame.source or ''}")
        if error.log is not None:
            place = os.path.relpath(error.log, self.config.rootpath)  # a file may keep this text
            lines.append(f"log: {place}")
        return [*lines, *_explanation(error)]

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where it is written and what it establishes."""
        place = self._subject.script if isinstance(self._subject, Probe) else CHECKS
        return place, 0, f"{self._subject.name}: {self._subject.title}"


def _explanation(error: ProbeFailed) -> list[str]:
    """Return what the catalogue of known failures says; nothing where it knows nothing."""
    from pytest_verlcompat.plugin.explained import explained

    first, *rest = explained(
        error.record,
        log=error.log,
        versions=error.stack.versions,
        catalogue=error.stack.known_failures,
    ) or [""]
    if not first:
        return []
    return ["", f"known as {first}", *(each for line in rest for each in _wrapped(line))]


def _wrapped(line: str) -> list[str]:
    """Return *line* in at most 88 columns; what is to be typed stays as it is."""
    return [line] if line.startswith(" ") else textwrap.wrap(line, width=88)
