"""The pytest plugin: hooks only, and nothing imported that an ordinary run does not need.

Every pytest user pays for this module. What ``--verlcompat`` asks for is in `session`.
"""

from __future__ import annotations

import pytest


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
        "--verlcompat-gpu-floor-mib",
        metavar="MIB",
        type=int,
        default=1024,
        help="leave a GPU alone of which others use more memory than this (default 1024)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the rest of the plugin where it was asked for."""
    config.addinivalue_line("markers", "verlcompat: a probe of the installed verl stack")
    if config.option.verlcompat:
        from pytest_verlcompat.plugin.session import register

        register(config)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Answer ``-n auto`` with one worker a free GPU, where a probe of this run needs one."""
    if not config.option.verlcompat:
        return None
    from pytest_verlcompat.plugin.gpus import count_workers

    return count_workers(config)
