"""Probes and known failures of others beside our own: by file, hook or entry point.

Nothing of a stranger is imported to find them: an entry point names a package, whose folder is
looked up and listed.
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.probes.registry import Probe, list_probes, read_probe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from pytest_verlcompat.issues.catalogue import Entry
    from pytest_verlcompat.plugin.configuration import Configuration

PROBES_GROUP = "verlcompat.probes"
ISSUES_GROUP = "verlcompat.issues"


def find_all_probes(config: pytest.Config, configuration: Configuration) -> tuple[Probe, ...]:
    """Return our probes and those of others, in name order.

    Raises:
        UsageError: If two have one name, or what was named is not there.
        ProbeDefinitionError: If a script does not declare what it must.
    """
    found = {probe.name: probe for probe in list_probes()}
    hooked = config.hook.pytest_verlcompat_probes(config=config)
    root = config.rootpath
    for path in _places(configuration.probes, hooked, root=root, group=PROBES_GROUP):
        for probe in list_probes(path) if path.is_dir() else (read_probe(path),):
            other = found.setdefault(probe.name, probe)
            if other.script.resolve() != probe.script.resolve():
                raise UsageError(
                    f"there is a probe of that name already, {other.script}; name it otherwise",
                    where=str(probe.script),
                )
    return tuple(found[name] for name in sorted(found))


def find_all_entries(config: pytest.Config, configuration: Configuration) -> tuple[Entry, ...]:
    """Return our known failures and those of others.

    Raises:
        UsageError: If two have one id, or what was named is not there.
        CatalogueError: If a file is malformed.
    """
    from pytest_verlcompat.issues.catalogue import load_catalogue

    found = {entry.id: entry for entry in load_catalogue()}
    hooked = config.hook.pytest_verlcompat_issues(config=config)
    root = config.rootpath
    for folder in _places(configuration.issues, hooked, root=root, group=ISSUES_GROUP):
        for entry in load_catalogue(folder):
            other = found.setdefault(entry.id, entry)
            if other != entry:
                raise UsageError(
                    f"{entry.id} is taken by {other.slug}; begin your ids with letters of your own",
                    where=f"{folder.name}/{entry.id}-{entry.slug}.toml",
                )
    return tuple(found[name] for name in sorted(found))


def _places(
    declared: Sequence[Path], hooked: Sequence[Sequence[object]], *, root: Path, group: str
) -> Iterator[Path]:
    yield from declared
    for paths in hooked:
        for text in paths:
            path = Path(root, str(text))
            if not path.exists():
                raise UsageError("a hook named what is not there", where=str(path))
            yield path
    for point in entry_points(group=group):
        yield _folder_of(point.value, where=f"entry point {group}: {point.name}")


def _folder_of(module: str, *, where: str) -> Path:
    """Return the folder of the package *module*, importing none of it."""
    top, *below = module.split(".")
    spec = importlib.util.find_spec(top)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place, *below)
        if folder.is_dir():
            return folder
    raise UsageError(f"names {module!r}, which is no folder of an installed package", where=where)
