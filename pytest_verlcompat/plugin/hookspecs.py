"""Hooks by which a repository adds a probe, a known failure or what happens with a verdict.

A ``conftest.py`` or a plugin defines a function of that name; any of its arguments may be left
out. Every pytest user pays for this module, so it imports pytest alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.model.verdict import Verdict


@pytest.hookspec
def pytest_verlcompat_probes(config: pytest.Config) -> Iterable[str | PathLike[str]]:  # type: ignore[empty-body]
    """Return probe scripts, or folders of them, to be run beside those of this project.

    What is not absolute is meant from pytest's root folder.
    """


@pytest.hookspec
def pytest_verlcompat_issues(config: pytest.Config) -> Iterable[str | PathLike[str]]:  # type: ignore[empty-body]
    """Return folders of known failures, one ``<ID>-<slug>.toml`` each, to be known too.

    What is not absolute is meant from pytest's root folder.
    """


@pytest.hookspec
def pytest_verlcompat_record(config: pytest.Config, record: Evidence) -> None:
    """Take one record of ``pytest --verlcompat``, in the process that prints the summary."""


@pytest.hookspec
def pytest_verlcompat_verdict(
    config: pytest.Config, verdict: Verdict, records: tuple[Evidence, ...]
) -> None:
    """Take the verdict of ``pytest --verlcompat``, once, in the process that prints it."""
