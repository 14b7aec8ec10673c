"""Find what is wrong with a set that the resolver calls a success: every rule, in name order."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest_verlcompat.checks as room

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from pytest_verlcompat.checks.resolution_set import ResolvedSet, Shelf
    from pytest_verlcompat.model.finding import Finding

_PREFIX = "resolution_"


def rules() -> Iterator[ModuleType]:
    """Yield the modules that hold a rule: ``check(resolved, shelf)``."""
    for each in pkgutil.iter_modules(room.__path__):
        if each.name.startswith(_PREFIX):
            module = importlib.import_module(f"{room.__name__}.{each.name}")
            if hasattr(module, "check"):
                yield module


def find_traps(resolved: ResolvedSet, shelf: Shelf) -> tuple[Finding, ...]:
    """Return what is wrong with *resolved* although its metadata is satisfied.

    Raises:
        IndexUnavailableError: If the index does not answer; a rule never guesses instead.
    """
    return tuple(finding for rule in rules() for finding in rule.check(resolved, shelf))
