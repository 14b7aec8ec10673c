"""The pytest plugin: hooks only, and nothing imported that an ordinary run does not need.

Every pytest user pays for this module. What ``--verlcompat`` asks for is in `session`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_MARKERS = (
    "verlcompat: a probe of the installed verl stack",
    "verl_requires(*requirements, gpus=0, rung=None, probe=None): skip unless all of it is here",
    "verl_xfail(id, strict=True): expect this known failure where the stack is affected by it",
    "verl_matrix(**versions): run once in each cell of a matrix run that has one of the versions",
)
_ACTING = frozenset({"verl_requires", "verl_xfail"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("verlcompat", "compatibility of the verl stack that is installed")
    group.addoption(
        "--verlcompat",
        action="store_true",
        help="judge the environment that runs pytest: add one item a probe",
    )
    group.addoption(
        "--verlcompat-python",
        metavar="PATH",
        help="judge the environment of this interpreter instead",
    )
    group.addoption(
        "--verlcompat-probe",
        metavar="NAME",
        action="append",
        default=[],
        help="run this probe only; may be repeated",
    )
    group.addoption(
        "--verlcompat-evidence",
        metavar="FILE",
        help="append one record a probe to this file (JSON Lines)",
    )
    group.addoption(
        "--verlcompat-summary",
        metavar="FILE",
        help="append the verdict and a table to this file (Markdown), as job summaries want it",
    )
    group.addoption(
        "--verlcompat-badge",
        metavar="FILE",
        help="write the verdict to this file as a badge of shields (JSON)",
    )
    group.addoption(
        "--verlcompat-against",
        metavar="RELEASES",
        action="append",
        default=[],
        help="judge own sources against releases that are not installed too, "
        "such as vllm==0.12.0,0.13.0; may be repeated",
    )
    group.addoption(
        "--verlcompat-cell",
        metavar="NAME=PATH",
        action="append",
        default=[],
        help="run tests marked verl_matrix in the environment of this interpreter; may be "
        "repeated; a NAME of [tool.verlcompat] cells, or 'all' of them, will do too",
    )
    group.addoption(
        "--verlcompat-strict",
        action="store_true",
        help="a skip that [[tool.verlcompat.skip]] does not declare is a failure",
    )
    group.addoption(
        "--verlcompat-gpu-floor-mib",
        metavar="MIB",
        type=int,
        default=1024,
        help="leave a GPU alone of which others use more memory than this (default 1024)",
    )
    parser.addini("verlcompat_strict", "see --verlcompat-strict", type="bool", default=False)
    parser.addini("verlcompat_probes", "own probe scripts, or folders of them", type="paths")
    parser.addini("verlcompat_issues", "folders of own known failures", type="paths")
    parser.addini("verlcompat_against", "see --verlcompat-against", type="linelist")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that a repository may define."""
    from pytest_verlcompat.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(args: list[str]) -> Generator[None, Any, None]:
    """Say what to do where a conftest imports a stack that is broken: nothing is judged then."""
    outcome = yield
    if outcome.excinfo is not None and "--verlcompat" in args:
        print(  # noqa: T201 -- pytest has nothing to write with yet
            "verlcompat: a conftest.py cannot be imported, so nothing was judged; judge the stack "
            "without it: pytest --noconftest --verlcompat",
            file=sys.stderr,
        )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the rest of the plugin where it was asked for."""
    for line in _MARKERS:
        config.addinivalue_line("markers", line)
    from pytest_verlcompat.plugin import fixtures

    config.pluginmanager.register(fixtures, "verlcompat-fixtures")
    option = config.option
    if option.verlcompat or option.verlcompat_cell or _is_strict(config):
        from pytest_verlcompat.plugin.session import register

        register(config)


def _is_strict(config: pytest.Config) -> bool:
    """Return whether undeclared skips are failures."""
    return bool(config.option.verlcompat_strict or config.getini("verlcompat_strict"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Load what the markers need, where a test has one of them."""
    seen: dict[pytest.Collector, bool] = {}
    if any(_is_marked(item, seen) for item in items):
        from pytest_verlcompat.plugin.session import register_markers

        register_markers(config, items)


def _is_marked(node: pytest.Item | pytest.Collector, seen: dict[pytest.Collector, bool]) -> bool:
    """Return whether *node* or what it is in has a marker of ours; thousands of tests ask."""
    if any(mark.name in _ACTING for mark in node.own_markers):
        return True
    parent = node.parent
    if parent is None:
        return False
    found = seen.get(parent)
    if found is None:
        found = seen[parent] = _is_marked(parent, seen)
    return found


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 -- of pytest-xdist, which may be absent
    """Tell a worker the folder that it shares with the others."""
    from pytest_verlcompat.plugin.shared import KEY, folder_name

    node.workerinput[KEY] = folder_name(node.config)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Answer ``-n auto`` with one worker a free GPU, where a probe of this run needs one."""
    if not config.option.verlcompat:
        return None
    from pytest_verlcompat.plugin.gpus import count_workers

    return count_workers(config)
