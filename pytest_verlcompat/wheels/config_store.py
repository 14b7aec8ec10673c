"""Configurations of releases, from the cache where they are, else from their wheels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.config_facts import (
    CONFIG_VERSION,
    ConfigFacts,
    collect_config,
    dump_config,
    load_config,
)

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from pytest_verlcompat.wheels.surface_store import FactsStore

_KEY = f"\0config.{CONFIG_VERSION}"


def read_config(store: FactsStore, distribution: str, version: str) -> ConfigFacts:
    """Return the configuration of a release.

    Raises:
        UsageError: If the index has no wheel of that release.
        IndexUnavailableError: If the index fails.
        WheelFormatError: If the wheel cannot be read.
    """
    file = store.find_file(distribution, version)
    if store.cache is not None and file.sha256 is not None:
        data = store.cache.load(file.sha256, _KEY)
        if data is not None:
            try:
                known = load_config(data, where=file.filename)
            except WheelFormatError:
                known = None  # a damaged cache costs a second reading, nothing else
            if known is not None:
                return known
    with store.open_file(file) as tree:
        facts = collect_config(tree, distribution=distribution, version=str(file.version))
    if store.cache is not None and file.sha256 is not None:
        store.cache.save(file.sha256, {_KEY: dump_config(facts)})
    return facts


def read_member(store: FactsStore, distribution: str, version: str, *, name: str) -> bytes | None:
    """Return one file of a release, or ``None`` if it has no such file."""
    file = store.find_file(distribution, version)
    transport = store.client.transport
    with open_wheel(file.url, digest=file.sha256, transport=transport, cache=store.cache) as tree:
        return tree.read(name) if name in tree.names() else None


def declared_engine(store: FactsStore, version: str, *, engine: str = "vllm") -> str | None:
    """Return the newest engine release that verl's own extra allows, as far as it says one."""
    file = store.find_file("verl", version)
    for requirement in store.client.metadata(file).requires_dist or []:
        bounds = _bounds(requirement, engine)
        if bounds:
            return str(max(Version(bound) for bound in bounds))
    return None


def _bounds(requirement: Requirement, engine: str) -> list[str]:
    if requirement.name != engine:
        return []
    pinned = [each for each in requirement.specifier if each.operator in {"==", "<="}]
    return [each.version for each in pinned if re.fullmatch(r"[\d.]+(post\d+)?", each.version)]
