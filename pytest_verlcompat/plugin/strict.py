"""``--verlcompat-strict``: a skip that nobody declared is a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.plugin.session_state import session_state

if TYPE_CHECKING:
    from collections.abc import Generator

_HOW = """\
Skipped, which is not declared: {reason}
Where it is meant, declare it in pyproject.toml:

[[tool.verlcompat.skip]]
tests = "{nodeid}"
reason = "..."\
"""


class Strict:
    """Looks at every skip of the session; an expected failure is none."""

    def __init__(self, config: pytest.Config) -> None:
        self._skips = session_state(config).configuration.skips

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, None]:
        """Turn a report of a skip into one of a failure unless a declaration covers it."""
        outcome = yield
        self._judge(outcome.get_result())

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, Any, None]:
        """Do the same for a module that skips itself."""
        outcome = yield
        self._judge(outcome.get_result())

    def _judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not any(each.covers(report.nodeid, reason) for each in self._skips):
            report.outcome = "failed"
            report.longrepr = _HOW.format(reason=reason, nodeid=report.nodeid)
