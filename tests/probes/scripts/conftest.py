"""Fixtures for probe scripts, which are files to run and not modules of the package."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.probes.registry import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def load_script() -> Iterator[Callable[[str], Any]]:
    """Return a function that loads a probe script by its path."""
    loaded = []

    def load(name: str) -> Any:  # noqa: ANN401 -- a module's attributes are what is tested
        module_name = f"_probe_script_{name}"
        spec = importlib.util.spec_from_file_location(module_name, SCRIPTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        loaded.append(module_name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in loaded:
        del sys.modules[name]
