"""What one pytest process knows for all its tests, each made when it is first asked for."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.plugin.configuration import load_configuration
from pytest_verlcompat.plugin.shared import open_folder

if TYPE_CHECKING:
    from pytest_verlcompat.issues.catalogue import Entry
    from pytest_verlcompat.plugin.configuration import Configuration
    from pytest_verlcompat.plugin.devices import Devices
    from pytest_verlcompat.plugin.stack import VerlStack
    from pytest_verlcompat.probes.registry import Probe

_STATE = pytest.StashKey["SessionState"]()


def session_state(config: pytest.Config) -> SessionState:
    """Return the state of this process."""
    if _STATE not in config.stash:
        config.stash[_STATE] = SessionState(config)
    return config.stash[_STATE]


class SessionState:
    """Settings, probes, known failures, devices and the folder shared with other workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._stacks: dict[str, VerlStack] = {}

    @functools.cached_property
    def configuration(self) -> Configuration:
        """What the repository says."""
        return load_configuration(self._config)

    @functools.cached_property
    def folder(self) -> Path:
        """The folder of this session, one for all workers; gone when it ends."""
        return open_folder(self._config)

    @functools.cached_property
    def logs(self) -> Path:
        """The folder for logs: in pytest's cache, or a temporary one where that is off."""
        cache = getattr(self._config, "cache", None)
        if cache is None:
            return Path(tempfile.gettempdir(), "verlcompat-logs")
        return Path(cache.mkdir("verlcompat"))

    @functools.cached_property
    def probes(self) -> tuple[Probe, ...]:
        """Our probes and those of others."""
        from pytest_verlcompat.plugin.extensions import find_all_probes

        return find_all_probes(self._config, self.configuration)

    @functools.cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Our known failures and those of others."""
        from pytest_verlcompat.plugin.extensions import find_all_entries

        return find_all_entries(self._config, self.configuration)

    @functools.cached_property
    def devices(self) -> Devices:
        """The GPUs of this process."""
        from pytest_verlcompat.plugin.devices import Devices
        from pytest_verlcompat.plugin.gpus import make_pool

        # As it is now: while a test is shown some devices, what more it asks for is not among them.
        environ = dict(os.environ)
        wait_s = self.configuration.gpu_wait_s
        return Devices(dataclasses.replace(make_pool(self._config), environ=environ, wait_s=wait_s))

    @functools.cached_property
    def python(self) -> Path:
        """The interpreter under test where no matrix run says otherwise."""
        return Path(self._config.option.verlcompat_python or sys.executable)

    def stack(self, python: Path | None = None, name: str = "installed") -> VerlStack:
        """Return the stack of *python*, asked once."""
        from pytest_verlcompat.plugin.stack import VerlStack

        place = python or self.python
        if name not in self._stacks:
            self._stacks[name] = VerlStack(self, python=place, name=name)
        return self._stacks[name]

    def find_probe(self, name: str) -> Probe:
        """Return the probe *name*.

        Raises:
            UsageError: If there is none; the nearest are said.
        """
        from pytest_verlcompat.probes.registry import find_probes

        return find_probes([name], probes=self.probes)[0]
