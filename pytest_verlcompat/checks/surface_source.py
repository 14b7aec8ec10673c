"""The imports of a source tree, against what is installed or against releases that are not.

>>> surface = judge_source(Path("."), python=Path(".venv/bin/python"))       # doctest: +SKIP
>>> surface.is_broken
False
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.import_surface import judge
from pytest_verlcompat.checks.surface_environment import (
    FilesBelow,
    find_environment,
    read_world,
)
from pytest_verlcompat.checks.surface_reach import questions_about
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.wheels.archive import InstalledTree
from pytest_verlcompat.wheels.surface_collect import collect_consumer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_verlcompat.checks.import_surface import CellSurface
    from pytest_verlcompat.wheels.surface_facts import Facts
    from pytest_verlcompat.wheels.surface_store import FactsStore

Pin = tuple[str, str]
"""Normalized distribution and version."""


def read_source(folder: Path) -> Facts:
    """Return what the modules below *folder* import; ``src`` is looked into.

    Raises:
        UsageError: If it is no folder, or holds no modules.
    """
    if not folder.is_dir():
        raise UsageError("is not a folder", where=str(folder))
    root = folder / "src" if (folder / "src").is_dir() else folder
    name = folder.resolve().name
    if (root / "__init__.py").is_file():  # the package itself was named
        with InstalledTree(root.resolve().parent) as tree:
            below = FilesBelow(tree, root.resolve().name)
            facts = collect_consumer(below, distribution=name, version="")
    else:
        with InstalledTree(root) as tree:
            facts = collect_consumer(tree, distribution=name, version="")
    if not facts.outlines:
        raise UsageError("holds no Python modules", where=str(folder))
    return facts


def judge_source(folder: Path, *, python: Path, role: str | None = None) -> CellSurface:
    """Return what the imports of the source tree *folder* say beside what is installed.

    Args:
        folder: A repository, its ``src``, or the package itself.
        python: Interpreter, folder or site-packages of the environment; nothing in it is run.
        role: Judge this role only.

    Raises:
        UsageError: If there are no modules, or no site-packages.
    """
    return judge_installed(read_source(folder), python=python, role=role)


def judge_installed(consumer: Facts, *, python: Path, role: str | None = None) -> CellSurface:
    """Return what the imports of *consumer* say beside what is installed.

    Raises:
        UsageError: If *python* belongs to no environment.
    """
    world = read_world(find_environment(python), consumer)
    providers = tuple(facts for facts in world.members if facts is not consumer)
    return judge(consumer, providers, world=world, role=role)


def judge_releases(
    consumer: Facts,
    pins: Sequence[Pin],
    *,
    store: FactsStore,
    role: str | None = None,
) -> Iterator[CellSurface]:
    """Yield what the imports of *consumer* say beside releases that are installed nowhere.

    Args:
        pins: Releases; of a distribution that is named several times, each release makes cells
            of its own.

    Raises:
        UsageError: If the index has no wheel of a release.
        IndexUnavailableError: If the index fails.
        WheelFormatError: If a wheel cannot be read.
    """
    by_name: dict[str, list[Pin]] = {}
    for pin in pins:
        by_name.setdefault(pin[0], []).append(pin)
    for cell in product(*by_name.values()):
        providers = []
        for name, version in cell:
            beside = [consumer.distribution, *(other for other in by_name if other != name)]
            questions = questions_about(name, [consumer], [version], beside=beside)
            providers.append(store.provider(name, version, questions))
        yield judge(consumer, providers, role=role)
